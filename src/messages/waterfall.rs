//! One trace as the waterfall shows it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{Attributes, HourOfWeek, Level, Micros, Severity, SpanEvent, SpanId, SpanKey, Timestamp, TraceId};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceView {
    pub trace: TraceId,
    pub state: TraceState,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceState {
    Loading,
    /// One sentence: what happened and what to do.
    Failed(String),
    Loaded(Waterfall),
}

/// A trace laid out, with what was done to it to lay it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waterfall {
    /// Start of the first span.
    pub start: Timestamp,
    /// From the first start to the last end of all spans.
    pub duration: Micros,
    pub services: u32,
    /// Spans that say they failed.
    pub errors: u32,
    /// Spans whose parent is not in the trace.
    pub orphans: u32,
    /// Copies of spans that are shown once.
    pub duplicates: u32,
    /// Parent links cut because a span was its own ancestor.
    pub cycles: u32,
    /// Spans shown at another time than was recorded, because the clocks of two services disagree.
    pub moved: u32,
    /// The largest of those corrections.
    pub moved_most: Micros,
    /// Spans left out because the trace has more than the screen holds.
    pub left_out: u32,
    /// The hour of the week in which the first span began.
    pub bucket: HourOfWeek,
    /// Depth-first, siblings by start time; the tree of the trace's root first.
    pub spans: Vec<WaterfallSpan>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaterfallSpan {
    pub id: SpanId,
    pub depth: u16,
    pub key: SpanKey,
    /// Start relative to the trace's first span.
    pub offset: Micros,
    pub duration: Micros,
    pub self_time: Micros,
    pub error: bool,
    pub severity: Option<Severity>,
    pub normal: Normal,
    /// How much of the critical path is this span's own.
    pub critical_time: Micros,
    /// Where that lies, relative to the trace's first span. Pieces closer to each other than a thousandth of the trace
    /// are one: no screen shows more.
    pub critical: Vec<(Micros, Micros)>,
    /// The time between its parent's end and its own start, as in a queue.
    pub waited: Micros,
    /// What was added to the recorded start, in microseconds.
    pub moved_us: i64,
    /// Shared with the trace it was made from: nobody reads those of most spans.
    pub attributes: Attributes,
    pub resource: Arc<Attributes>,
    /// By time, on the clock of the span's recorded start.
    pub events: Vec<SpanEvent>,
}

/// What calls like this one take in the hour of the week of this one's start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normal {
    /// No level has enough samples.
    Unknown { samples: u64 },
    Known {
        p50: Micros,
        p99: Micros,
        samples: u64,
        /// The level that answered; wider than the hour of the week where that has too few samples.
        level: Level,
        /// The hour of the week that was asked for.
        bucket: HourOfWeek,
        /// The largest percentile that the span took longer than, in thousandths: 500, 900, 950, 990 or 999. Only
        /// percentiles are looked at above which at least one of the samples lies.
        above: Option<u16>,
    },
}

impl WaterfallSpan {
    #[must_use]
    pub fn end(&self) -> Micros {
        Micros(self.offset.0.saturating_add(self.duration.0))
    }

    /// Slower than 99 of 100 calls like it, or what the alert rules call SEV2 or worse.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        let above_p99 = matches!(self.normal, Normal::Known { above: Some(990..), .. });
        above_p99 || self.severity.is_some_and(|severity| severity.is_at_least(Severity::Sev2))
    }
}
