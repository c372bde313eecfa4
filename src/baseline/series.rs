//! What samples are kept for: one measure of one span key on one level.

use std::sync::Arc;

use crate::domain::{LevelId, SpanKey};

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
    /// The accepted level to which the samples belong. Baselines stand under the first one's name, whichever answers.
    pub level: LevelId,
}

impl SeriesKey {
    #[must_use]
    pub const fn new(key: SpanKey, measure: Measure) -> Self {
        Self { key, measure, level: LevelId(0) }
    }

    /// The same on another level.
    #[must_use]
    pub fn on(self, level: LevelId) -> Self {
        Self { level, ..self }
    }

    #[must_use]
    pub const fn duration(key: SpanKey) -> Self {
        Self::new(key, Measure::Duration)
    }

    /// Whether it is the duration on the first level: each key has one such.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.is_duration() && self.level == LevelId::default()
    }

    #[must_use]
    pub fn is_duration(&self) -> bool {
        self.measure == Measure::Duration
    }
}
