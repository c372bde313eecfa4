//! One trace beside normal ones of its operation.

use serde::{Deserialize, Serialize};

use crate::domain::{Compared, HourOfWeek, Level, Micros, Separation, SpanKey, Timestamp, TraceId};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonView {
    pub trace: TraceId,
    /// What the trace begins with; `None` for one without any span.
    pub operation: Option<SpanKey>,
    /// The hour of the week in which it began.
    pub bucket: HourOfWeek,
    /// From its root's start to the last end below it.
    pub end_to_end: Micros,
    /// Its spans that are not compared, because it has more paths of operations than are kept.
    pub left_out: u32,
    /// Normal traces of the operation that are kept, of all hours.
    pub kept: u32,
    /// The one it is compared with; `None` while none is kept.
    pub normal: Option<NormalTrace>,
    /// Both as one tree; empty without a normal one.
    pub rows: Vec<Compared>,
    /// For the operation, and for each that is slow or failed in this trace.
    pub separations: Vec<Separation>,
}

/// The normal trace nearest to the median.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NormalTrace {
    pub trace: TraceId,
    pub start: Timestamp,
    pub end_to_end: Micros,
    /// Kept normal traces of this level stood for choice, and how many.
    pub level: Level,
    pub of: u32,
    /// The operation's median in the hour of the week that is asked for.
    pub median: Option<Micros>,
}

impl ComparisonView {
    /// How much longer the trace took than the normal one, in microseconds.
    #[must_use]
    pub fn longer_us(&self) -> i64 {
        let us = |duration: Micros| i64::try_from(duration.0).unwrap_or(i64::MAX);
        self.normal.as_ref().map_or(0, |normal| us(self.end_to_end).saturating_sub(us(normal.end_to_end)))
    }
}
