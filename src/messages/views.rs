//! Read models: what each screen shows, computed by the monitor, so that the app decides nothing about telemetry.

use serde::{Deserialize, Serialize};

use crate::domain::{
    AcceptedLevel, Act, ActId, Alert, AlertId, AlertKind, Anomaly, HourOfWeek, Incident, KindTested, Level, Micros,
    NearMiss, Over, Severity, SpanKey, Subject, TimeWindow, Timestamp, Undone, Until, Verdict,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    Jaeger,
    Prometheus,
    Ollama,
}

/// One backend as the header shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    pub kind: SourceKind,
    pub state: SourceState,
    /// When it last answered as it should.
    pub last_ok: Option<Timestamp>,
    /// How often it is asked; zero when only on demand (Ollama).
    pub interval: Micros,
    /// What was found by probing: `api v3`, `2.42.0`, `llama3.2:1b`.
    pub detail: String,
    /// A doubt about the data worth a word in the header: `n>=1500 (limit)`, `clock 58m off`.
    pub warning: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Not configured, or switched off.
    Off,
    /// Asked for the first time, no answer yet.
    Connecting,
    Ready,
    /// A short reason: `connection refused`, `401 unauthorized`, `HTML instead of JSON (login page?)`.
    Failing(String),
}

/// The monitor as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorView {
    pub started: Timestamp,
    /// When the sources were last asked.
    pub last_poll: Option<Timestamp>,
    pub poll_interval: Micros,
    /// Traces first seen in the last five minutes, per second.
    pub traces_per_s: f64,
    pub spans_seen: u64,
    pub anomalies_seen: u64,
    /// The bucket that new spans are judged against.
    pub bucket: HourOfWeek,
    /// Name of the time zone buckets are counted in.
    pub zone: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    Judged,
    /// No operation of it has enough samples for any level yet.
    Learning,
    /// No span for longer than its usual gap.
    Absent,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    pub service: String,
    pub state: ServiceState,
    /// Worst severity among the open alerts that touch it.
    pub severity: Option<Severity>,
    /// Spans per second over the last five minutes.
    pub spans_per_s: f64,
    /// Share of its spans that failed in the last five minutes; `None` without spans.
    pub error_share: Option<f64>,
    /// The operation whose p99 is the largest multiple of its normal p99.
    pub worst_operation: Option<SpanKey>,
    /// That operation's p99 over the last five minutes.
    pub p99_now: Option<Micros>,
    /// p99 now ÷ normal p99 of this hour of the week.
    pub times_normal: Option<f64>,
    pub operations: u32,
    pub last_seen: Option<Timestamp>,
    /// The worst operation's p99 ÷ normal p99 for each four minutes of the last hour, oldest first; `None` where no span was.
    pub history: Vec<Option<f32>>,
}

/// An incident with its alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentView {
    pub incident: Incident,
    /// Those that are open and those that have closed, in the order of their onset; of very many the newest.
    pub alerts: Vec<Alert>,
    /// Slow spans of its alerts' traces: what to open or to analyse. The culprit's come first, the worst of them first.
    pub exemplars: Vec<Anomaly>,
    pub life: Life,
}

/// What people did about an incident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Life {
    /// All that is open of it is held back, and wakes nobody: by this act, or by this and others.
    pub calm: Option<Calm>,
    /// The open alerts that are held back, in the order of their numbers.
    pub alerts: Vec<(AlertId, Calm)>,
    /// It was held back, and is no longer.
    pub back: Option<Back>,
    /// What was said of it last, and by whom.
    pub verdict: Option<(Verdict, String)>,
}

/// The act that holds something back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calm {
    pub act: ActId,
    /// Acknowledged; otherwise silenced.
    pub acked: bool,
    pub by: String,
    pub at: Timestamp,
    pub until: Until,
    pub reason: String,
}

/// The act that held something back until it was over by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    pub act: ActId,
    pub by: String,
    pub reason: String,
    pub over: Over,
}

/// What people did, as far as it still matters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ActsView {
    /// Acknowledgements and silences, those in force first, the oldest first; then those that ended within the last hour.
    pub held: Vec<HeldView>,
    /// In the order of the configuration.
    pub maintenance: Vec<MaintenanceView>,
    /// What an undoing would undo: the newest act of the last day that was not undone.
    pub last: Option<Act>,
}

/// An acknowledgement or a silence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldView {
    pub act: Act,
    /// Open alerts that it holds back now.
    pub covers: u32,
    /// Somebody ended it before its time.
    pub ended: Option<Undone>,
}

/// A maintenance of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceView {
    pub name: String,
    /// Of which no alert is raised while it lasts; empty for all.
    pub services: Vec<String>,
    /// The one that runs, else the next; `None` when there is none any more.
    pub next: Option<TimeWindow>,
    pub weekly: bool,
}

/// How often something was alerted in the last 30 days, and what people said of that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NoiseRow {
    pub subject: Subject,
    pub kind: AlertKind,
    /// The worst of its alerts.
    pub severity: Severity,
    pub alerts: u32,
    /// How long they lasted, from onset to end, together.
    pub lasted: Micros,
    /// The onset of the newest.
    pub last: Timestamp,
    /// Alerts of incidents that were rated so.
    pub useful: u32,
    pub noise: u32,
}

impl HeldView {
    /// When it ended, if it did.
    #[must_use]
    pub fn gone_at(&self) -> Option<Timestamp> {
        let over = self.act.deed.hold().and_then(|hold| hold.over).map(|over| over.at);
        over.or_else(|| self.ended.as_ref().map(|ended| ended.at))
    }

    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.ended.is_none()
            && self.act.undone.is_none()
            && self.act.deed.hold().is_some_and(|hold| hold.over.is_none())
    }
}

/// An accepted level, and how far it is learnt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelView {
    pub level: AcceptedLevel,
    /// Durations learnt on it, of each of its keys.
    pub learnt: Vec<u64>,
    /// With fewer than that a key is not judged.
    pub needs: u64,
}

/// Why there is or is no alert about a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhyView {
    pub subject: Subject,
    /// The end of the windows: what had settled by then.
    pub at: Timestamp,
    /// Windows can end as long ago as this: before, what was counted is forgotten.
    pub oldest: Timestamp,
    /// Every respect in which it is judged.
    pub kinds: Vec<KindTested>,
}

/// Anomalies of one span key: a record to look into, not what wakes a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    pub key: SpanKey,
    /// The worst of its anomalies that still counts (last 15 minutes).
    pub severity: Severity,
    pub first: Timestamp,
    pub last: Timestamp,
    /// How many anomalies of SEV1 … SEV5 since `first`.
    pub counts: [u32; 5],
    /// Spans of this key judged since `first`.
    pub judged: u32,
    pub worst_z: f64,
    pub latest_z: f64,
    pub p99_now: Option<Micros>,
    pub p99_normal: Option<Micros>,
    pub times_normal: Option<f64>,
    /// The newest and worst of them, newest first; at most 20.
    pub anomalies: Vec<AnomalyView>,
}

/// An anomaly, and whether its trace can still be fetched is found out on asking.
pub type AnomalyView = Anomaly;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningView {
    pub keys: u32,
    pub samples: u64,
    /// UTC hours of the last 30 days for which something was learnt or known to be empty.
    pub hours_known: u32,
    pub hours_wanted: u32,
    pub back_fill: BackFill,
    /// Number of the generation in use; 0 before the first.
    pub generation: u64,
    pub generation_at: Option<Timestamp>,
    /// Share of (key, bucket) pairs of the generation that their own hour of week answers, 0 to 1.
    pub buckets_full: f64,
    /// Operations beyond the limit that were put into `service:(other)`.
    pub merged_operations: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackFill {
    NotStarted,
    Running {
        hours_done: u32,
        hours_total: u32,
    },
    Done,
    /// Waits for the trace source; the sentence says why.
    Paused {
        hours_done: u32,
        hours_total: u32,
        why: String,
    },
}

/// All that the baseline pane shows of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineView {
    pub key: SpanKey,
    pub bucket: HourOfWeek,
    /// The baseline that answers now; `None` with the reason in `note`.
    pub cell: Option<CellView>,
    /// `not enough data (n = 3, needs 10)`
    pub note: Option<String>,
    /// p99 of each of the 168 hours of the week that its own samples answer.
    pub week_p99: Vec<Option<Micros>>,
    /// Samples in each of the 168 hours of the week.
    pub week_samples: Vec<u64>,
    pub now_p50: Option<Micros>,
    pub now_p95: Option<Micros>,
    pub now_p99: Option<Micros>,
    /// Spans in the last five minutes.
    pub now_samples: u64,
    /// Distribution of this hour of the week's level that answers, and of the last five minutes: share of spans in
    /// each of `histogram_edges_us.len() - 1` log-spaced bins.
    pub histogram_edges_us: Vec<u64>,
    pub histogram_normal: Vec<f32>,
    pub histogram_now: Vec<f32>,
    /// p99 for each four minutes of the last hour, oldest first.
    pub history_p99: Vec<Option<Micros>>,
}

/// One baseline, with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellView {
    pub level: Level,
    pub samples: u64,
    pub mean_us: f64,
    pub sigma_us: f64,
    pub p50: Micros,
    pub p90: Micros,
    pub p95: Micros,
    pub p99: Micros,
    pub p99_9: Micros,
    /// Durations above which a span is SEV1 … SEV5; `None` while no level has enough samples for it.
    pub cut_offs: [Option<Micros>; 5],
    /// The level whose percentile gave each cut-off; wider than `level` where that has too few samples.
    pub cut_off_levels: [Level; 5],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecalculationState {
    Never,
    Running {
        keys_done: u32,
        keys_total: u32,
        started: Timestamp,
    },
    Cancelled,
    Failed(String),
    Done {
        how: RecalculationKind,
        at: Timestamp,
        took: Micros,
        generation: u64,
        keys: u32,
        samples: u64,
        /// Buckets whose p99 moved by more than 10 %, and how many buckets both generations answer.
        changed: u32,
        compared: u32,
        /// The largest of those moves, at most 8.
        largest: Vec<ChangedCell>,
        alerts: RejudgedAlerts,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecalculationKind {
    /// The new generation is in use.
    Applied,
    /// Nothing changed: it is what an application would bring.
    Rehearsed,
    /// The generation that was in use before is in use again.
    TakenBack,
}

/// The alerts of the last seven days, and what was nearly one, judged by the new generation as far as what is kept of them
/// tells: of each hour in which nothing was alerted its oddest windows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RejudgedAlerts {
    pub stand: u32,
    /// What they counted is normal now.
    pub vanish: u32,
    /// What is kept of them does not tell.
    pub unclear: u32,
    /// Of those that would vanish the newest, at most 3.
    pub vanished: Vec<Alert>,
    /// What was not alerted and would have been.
    pub appear: u32,
    /// Of those the newest, at most 3.
    pub appeared: Vec<NearMiss>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedCell {
    pub key: SpanKey,
    pub bucket: HourOfWeek,
    pub p99_before: Micros,
    pub p99_after: Micros,
}
