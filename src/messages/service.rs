//! One service with its operations, and which service calls which.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::views::{ServiceState, ServiceView};
use crate::domain::{Alert, AlertKind, Anomaly, HourOfWeek, Micros, Severity, SpanKey, Timestamp};

/// All that is known of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServicePageView {
    pub service: Arc<str>,
    /// The hour of the week that "normal" is of.
    pub bucket: HourOfWeek,
    /// As in the list of services; `None` while no span of it was seen.
    pub summary: Option<ServiceView>,
    /// Calls from other services and from outside, over the last five minutes in which everything has settled. `None` until
    /// something has.
    pub requests: Option<RequestsView>,
    /// Open alerts that are about it, or about what lies between it and a neighbour; the worst first.
    pub alerts: Vec<Alert>,
    /// By name.
    pub operations: Vec<OperationView>,
    pub failures: FailuresView,
    /// Slow spans that are kept, the worst first: of each operation the slowest, and the worst of the others.
    pub kept: Vec<Anomaly>,
    /// Who calls it, and then whom it calls, the abnormal first.
    pub neighbours: Vec<EdgeView>,
    pub metrics: Option<MetricsSeen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RequestsView {
    pub calls: u64,
    pub per_s: f64,
    /// Of this hour of the week; `None` while it was not watched.
    pub normal_per_s: Option<f64>,
    /// `None` without calls.
    pub error_share: Option<f64>,
}

/// Resource metrics of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsSeen {
    /// How many.
    pub metrics: u32,
    /// When the newest value was taken; `None` where all are from before the start.
    pub last: Option<Timestamp>,
}

/// One operation over the last five minutes, beside what is normal in this hour of the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationView {
    pub key: SpanKey,
    pub calls: u64,
    pub per_s: f64,
    /// `None` while this hour of the week was not watched.
    pub normal_per_s: Option<f64>,
    /// `None` without calls.
    pub error_share: Option<f64>,
    pub p50: Option<Micros>,
    pub p95: Option<Micros>,
    pub p99: Option<Micros>,
    /// `None` while too little is learnt.
    pub normal_p99: Option<Micros>,
    /// p99 ÷ normal p99; `None` also with fewer than three calls.
    pub times_normal: Option<f64>,
    /// Median of the time not covered by children, of calls that have settled.
    pub self_time: Option<Micros>,
    /// Median of it in this hour of the week.
    pub self_normal: Option<Micros>,
    /// Of its worst open alert.
    pub severity: Option<Severity>,
}

/// What failed within the last hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FailuresView {
    /// From where on it is counted: an hour ago, or when counting began.
    pub since: Timestamp,
    /// Spans of the service.
    pub spans: u64,
    /// Those that failed: the sum of what follows.
    pub failed: u64,
    /// Failed because something below them failed: their message is that of the origin.
    pub passed_on: u64,
    /// Failed with a message that found no place among those kept.
    pub uncounted: u64,
    /// Messages of failures that began in the service, the most frequent first.
    pub rows: Vec<FailureRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRow {
    /// Cleaned, ids folded; `None` for failures that say nothing.
    pub message: Option<Arc<str>>,
    pub count: u64,
    /// When the newest of them ended.
    pub last: Timestamp,
    /// The operation that has most of them, and how many have any.
    pub operation: SpanKey,
    pub operations: u32,
    /// Nothing learnt has this message, although a day or more is learnt.
    pub is_new: bool,
}

/// Calls from one service to another over the last five minutes in which everything has settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeView {
    pub caller: Arc<str>,
    pub callee: Arc<str>,
    pub means: Means,
    pub calls: u64,
    pub per_s: f64,
    /// `None` where not all that calls is learnt apart, or this hour of the week was not watched.
    pub normal_per_s: Option<f64>,
    /// `None` without calls.
    pub error_share: Option<f64>,
    /// How long calls take, as the caller sees it.
    pub call: Option<Pace>,
    /// How long they spend between the two: network, connection pool, queue. `None` where the caller does not record it.
    pub between: Option<Pace>,
    /// Of the worst open alert about it.
    pub severity: Option<Severity>,
    /// In which respects it is alerted.
    pub kinds: Vec<AlertKind>,
}

/// How one service reaches another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    Call,
    /// Through a queue: a producer's span, or a consumer's.
    Queue,
    /// Both.
    Mixed,
}

/// Of several calling operations the one that is the largest multiple of its normal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    pub operation: SpanKey,
    /// Calling operations among which it was chosen.
    pub of: u32,
    pub p50: Micros,
    pub p99: Micros,
    pub normal_p99: Option<Micros>,
    pub times_normal: Option<f64>,
}

/// Every service, and every call between two that is learnt or was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapView {
    pub bucket: HourOfWeek,
    /// By name.
    pub nodes: Vec<NodeView>,
    /// The abnormal first, then by name.
    pub edges: Vec<EdgeView>,
    /// Calls of combinations of operations that found no place among those kept, since the start.
    pub uncounted: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    pub service: Arc<str>,
    /// `None` for one of which only metrics are known.
    pub state: Option<ServiceState>,
    pub severity: Option<Severity>,
    /// In which respects it is alerted.
    pub kinds: Vec<AlertKind>,
    pub times_normal: Option<f64>,
    /// The newest span, or where there is none the newest metric.
    pub last_seen: Option<Timestamp>,
    pub worst_operation: Option<SpanKey>,
}

impl EdgeView {
    /// The largest multiple of normal that it shows.
    #[must_use]
    pub fn times_normal(&self) -> Option<f64> {
        let times = |pace: &Option<Pace>| pace.as_ref().and_then(|pace| pace.times_normal);
        [times(&self.call), times(&self.between)].into_iter().flatten().max_by(f64::total_cmp)
    }

    /// Nobody calls, although this hour of the week leads one to expect many calls in five minutes.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        const WINDOW_S: f64 = 300.0;
        const EXPECTED: f64 = 12.0;
        self.calls == 0 && self.normal_per_s.is_some_and(|normal| normal * WINDOW_S >= EXPECTED)
    }

    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        self.severity.is_some() || self.is_silent()
    }
}
