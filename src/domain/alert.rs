//! What wakes a person: a key, edge or service that differs from its baseline beyond chance and enough to matter, and
//! the incident that such alerts belong to.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Level, LevelId, LevelShift, Micros, Severity, SpanKey, TimeWindow, Timestamp, TraceId, UtcHour};

/// What an alert is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One span key.
    Key(SpanKey),
    /// A service's own work: the self time of its spans that wait for nobody else.
    Node(Arc<str>),
    /// What lies between two services: network, connection pool, queue.
    Edge { caller: Arc<str>, callee: Arc<str> },
}

/// In which respect it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Its own time: self time of a node, the time between two services of an edge.
    SelfTime,
    /// The whole duration of its spans.
    Duration,
    /// The share of its spans that failed.
    Errors,
    /// A message of failure never seen before.
    NewMessage,
    /// Many times the calls of this hour.
    Surge,
    /// Far fewer calls than in this hour, down to none.
    Silence,
    /// Something that comes at its times did not come.
    Absence,
    /// Spans without a child that they always had.
    LostChild,
    /// Spans with children that they never had.
    NewChild,
    /// Spans whose parent never arrived, or traces that begin where they never began.
    BrokenContext,
    /// Requests whose root has not arrived for much longer than it ever took.
    InFlight,
    /// A limit that a person set.
    Threshold,
}

/// The numbers behind a verdict: what was seen in a window, what was expected, and how likely that is by chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arithmetic {
    /// Over span end time.
    pub window: TimeWindow,
    /// Spans in the window.
    pub n: u64,
    /// Those that exceed, fail, or have the odd shape; for rates the same as `n`.
    pub k: u64,
    /// How many of `n` the baseline leads one to expect; for rates the expected calls.
    pub expected: f64,
    /// The duration that counts as exceeding, where durations are compared.
    pub threshold: Option<Micros>,
    /// log₁₀ of the chance of at least `k` (for silence: at most `k`) when nothing is wrong.
    pub log10_chance: f64,
    /// log₁₀ of the chance below which an alert is raised.
    pub log10_alpha: f64,
    /// Samples behind the baseline.
    pub samples: u64,
    /// Which baseline answered; `None` where several were pooled.
    pub level: Option<Level>,
    /// Overdispersion: by how much calls in one window resemble each other, 0 to 1.
    pub rho: f64,
}

/// A window that was odd, but not odd enough to be alerted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearMiss {
    pub subject: Subject,
    pub kind: AlertKind,
    pub severity: Severity,
    pub numbers: Arithmetic,
}

/// One hour of watching, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuietHour {
    pub hour: UtcHour,
    /// The smallest chance (log₁₀) of any window, 0 where none was below one in a thousand; `None` for an hour in which
    /// something was alerted.
    pub smallest: Option<f32>,
    /// Unlikeliest first, of each subject and kind one.
    pub near: Vec<NearMiss>,
}

/// Numbered from 1 in the order in which they were raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AlertId(pub u64);

/// Numbered from 1 in the order in which they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct IncidentId(pub u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub id: AlertId,
    pub incident: IncidentId,
    pub subject: Subject,
    pub kind: AlertKind,
    /// The worst so far.
    pub severity: Severity,
    /// When the first abnormal span ended, to the second.
    pub onset: Timestamp,
    /// When the alert was raised: never before anyone could know.
    pub raised: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// When it had been quiet for long enough.
    pub closed: Option<Timestamp>,
    /// The least likely window so far.
    pub worst: Arithmetic,
    /// What is shown beside the numbers: a message, the child that is missing, the rule that was broken.
    pub detail: String,
    /// Traces to look at, worst first; at most five.
    pub exemplars: Vec<TraceId>,
    /// It lasts, steadily: a new level that may be accepted, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<LevelShift>,
}

/// Who may be the cause, and how much speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    pub service: Arc<str>,
    /// The operation that shows it most.
    pub operation: Option<Arc<str>>,
    /// The other end, where the time between two services is suspected.
    pub callee: Option<Arc<str>>,
    /// 0 to about 2; only the order and the distance to the next mean something.
    pub score: f64,
    /// Share of the added time on the critical paths that it explains, where times were compared.
    pub explains: Option<f64>,
    /// What supports it, one short clause each: `34 of 41 calls slow`, `CPU 96 % of its limit, normal 3–9 %`.
    pub evidence: Vec<String>,
}

/// What the request would take with the culprit as it normally is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// The operation at which requests begin.
    pub root: SpanKey,
    /// Requests compared.
    pub requests: u64,
    /// Their mean end-to-end time.
    pub observed: Micros,
    /// The same with the culprit's contribution at what it normally is.
    pub without: Micros,
    /// The learnt mean end-to-end time.
    pub normal: Micros,
}

/// Alerts that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    /// One sentence from a template: what, where, since when, who.
    pub title: String,
    pub severity: Severity,
    pub onset: Timestamp,
    pub raised: Timestamp,
    pub last_seen: Timestamp,
    pub closed: Option<Timestamp>,
    /// Its alerts in the order of their onset.
    pub alerts: Vec<AlertId>,
    /// Best first.
    pub suspects: Vec<Suspect>,
    pub counterfactual: Option<Counterfactual>,
    /// Services touched, in the order in which they were.
    pub services: Vec<Arc<str>>,
}

impl Subject {
    /// The service that answers for it; for an edge the one that is called.
    #[must_use]
    pub const fn service(&self) -> &Arc<str> {
        match self {
            Self::Key(key) => &key.service,
            Self::Node(service) => service,
            Self::Edge { callee, .. } => callee,
        }
    }

    /// Every service that it touches.
    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        let other = if let Self::Edge { caller, .. } = self { Some(caller) } else { None };
        other.into_iter().chain([self.service()])
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{}:{}", key.service, key.operation),
            Self::Node(service) => f.pad(service),
            Self::Edge { caller, callee } => write!(f, "{caller} → {callee}"),
        }
    }
}

/// 10^−`log10_chance`, as people read it: `800`, `8×10⁶`, `10³⁸`.
#[must_use]
pub fn odds(log10_chance: f64) -> String {
    let decades = -log10_chance;
    if decades < 4.0 {
        return format!("{:.0}", 10f64.powf(decades));
    }
    let raised = |digit: char| match digit {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        other => other,
    };
    let power = |decades: f64| format!("10{}", format!("{decades:.0}").chars().map(raised).collect::<String>());
    if decades >= 20.0 {
        return power(decades);
    }
    // 9.6 of one decade are one of the next.
    let (mut whole, mut lead) = (decades.floor(), 10f64.powf(decades - decades.floor()).round());
    if lead >= 10.0 {
        (whole, lead) = (whole + 1.0, 1.0);
    }
    if lead <= 1.0 { power(whole) } else { format!("{lead:.0}×{}", power(whole)) }
}

impl AlertKind {
    pub const ALL: [Self; 12] = [
        Self::SelfTime,
        Self::Duration,
        Self::Errors,
        Self::NewMessage,
        Self::Surge,
        Self::Silence,
        Self::Absence,
        Self::LostChild,
        Self::NewChild,
        Self::BrokenContext,
        Self::InFlight,
        Self::Threshold,
    ];

    /// As lists and filters write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SelfTime => "self time",
            Self::Duration => "duration",
            Self::Errors => "errors",
            Self::NewMessage => "new error",
            Self::Surge => "surge",
            Self::Silence => "silence",
            Self::Absence => "absence",
            Self::LostChild => "lost child",
            Self::NewChild => "new child",
            Self::BrokenContext => "broken context",
            Self::InFlight => "in flight",
            Self::Threshold => "threshold",
        }
    }

    /// The kind of that name; a dash may stand for a space.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.replace('-', " ");
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Alert {
    /// The verdict's numbers in words: `34 of 41 calls of cart above 480 ms, 0.4 expected, chance 1 in 10³⁸`.
    #[must_use]
    pub fn arithmetic(&self) -> String {
        let Arithmetic { n, k, expected, threshold, log10_chance, window, .. } = self.worst;
        if self.kind == AlertKind::Threshold {
            return format!("{} at {}", self.detail, self.subject);
        }
        if self.kind == AlertKind::Absence {
            return format!(
                "{} {}, and it did not come; it never missed on as many days as are known",
                self.subject, self.detail
            );
        }
        let seconds = window.length().secs();
        let seen = match (self.kind, threshold) {
            (AlertKind::Surge | AlertKind::Silence, _) => format!("{n} calls"),
            (AlertKind::SelfTime | AlertKind::Duration, Some(threshold)) => {
                format!("{k} of {n} calls above {threshold}")
            }
            (AlertKind::Errors, _) => format!("{k} of {n} calls failed"),
            _ => format!("{k} of {n} calls"),
        };
        let expected = if expected >= 10.0 { format!("{expected:.0}") } else { format!("{expected:.1}") };
        format!("{seen} in {seconds} s at {}, {expected} expected, chance 1 in {}", self.subject, odds(log10_chance))
    }

    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// A lasting change that a person may accept as the new normal.
    #[must_use]
    pub fn offer(&self) -> Option<&LevelShift> {
        self.shift.as_ref().filter(|shift| self.is_open() && shift.accepted.is_none())
    }

    /// The level by whose acceptance it was closed.
    #[must_use]
    pub fn accepted(&self) -> Option<LevelId> {
        self.shift.as_ref().and_then(|shift| shift.accepted)
    }
}

impl Incident {
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    #[must_use]
    pub fn culprit(&self) -> Option<&Suspect> {
        self.suspects.first()
    }
}
