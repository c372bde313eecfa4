//! What a baseline is kept for: one measure of one span key.

use std::sync::Arc;

use crate::domain::SpanKey;

/// Which time of a span is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// From start to end.
    Duration,
    /// Not covered by children. Kept only for keys whose spans have children; elsewhere it is the duration.
    SelfTime,
    /// Between a client or producer span and this service, which it calls: its self time, and the wait before the called
    /// span began where that was later than its own end.
    EdgeTime(Arc<str>),
}

/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    pub key: SpanKey,
    pub measure: Measure,
}

impl SeriesKey {
    #[must_use]
    pub const fn new(key: SpanKey, measure: Measure) -> Self {
        Self { key, measure }
    }

    #[must_use]
    pub const fn duration(key: SpanKey) -> Self {
        Self::new(key, Measure::Duration)
    }

    #[must_use]
    pub fn is_duration(&self) -> bool {
        self.measure == Measure::Duration
    }
}
