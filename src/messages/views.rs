//! Read models: what each screen shows, computed by the monitor, so that the app decides nothing about telemetry.

use serde::{Deserialize, Serialize};

use crate::domain::{
    AcceptedLevel, Alert, Anomaly, HourOfWeek, Incident, KindTested, Level, Micros, NearMiss, Severity, SpanKey,
    Subject, Timestamp,
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
