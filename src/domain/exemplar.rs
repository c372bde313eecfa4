//! Traces that are kept to be compared with: bounded summaries by structure, and what comparing two or many of them says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Attributes, Micros, SpanId, SpanKey, Timestamp, TraceId};

/// A trace as it is kept: spans with the same path of operations from the root are one [`Part`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    pub trace: TraceId,
    /// Start of its first span.
    pub start: Timestamp,
    /// From the root's start to the last end below it: the length of the critical path.
    pub end_to_end: Micros,
    /// Parents before children, in the order of the waterfall; the root first.
    pub parts: Vec<Part>,
    /// Attributes of the process that made the first span of each service, by service.
    pub resources: Vec<(Arc<str>, Attributes)>,
    /// Spans that are in no part, because the trace has more paths than are kept.
    pub left_out: u32,
}

/// Where a trace is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExemplarSlot {
    /// As the normal trace of this half-hour of the week, 0 to 335.
    Normal(u16),
    /// Among the last abnormal ones.
    Abnormal,
}

/// All spans of a trace that have one path of operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its place among the parts; `None` for the root.
    pub parent: Option<u16>,
    pub key: SpanKey,
    pub side: Side,
    /// The longest span's duration.
    pub longest: Micros,
    /// The longest span's attributes.
    pub attributes: Attributes,
}

/// What the spans of a part take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Side {
    pub spans: u32,
    /// Sum of their durations.
    pub duration: Micros,
    pub self_time: Micros,
    /// How much of the critical path is their own, with the waits before them. Those of all parts add up to the end-to-end
    /// time, so that their differences add up to its difference.
    pub critical: Micros,
    pub errors: u32,
    /// The longest of them.
    pub span: SpanId,
}

/// One path of operations in two traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// 0 for the root.
    pub depth: u16,
    pub key: SpanKey,
    /// `None` where the path is only in the normal trace.
    pub this: Option<Side>,
    /// `None` where the path is only in the trace that is compared.
    pub normal: Option<Side>,
}

/// Which attributes separate the slow traces of an operation from the normal ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// Whose spans are slow, or failed, in the slow traces.
    pub key: SpanKey,
    /// The traces were told apart by failure instead of by duration.
    pub failed: bool,
    /// How many traces there are on each side.
    pub slow: u32,
    pub normal: u32,
    /// How many different splits were tried.
    pub tried: u32,
    /// Those that are no chance, the best separating first.
    pub splits: Vec<Split>,
    /// The best of those that may be chance: it shows that was looked.
    pub no_signal: Option<Split>,
}

/// One attribute's value, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    pub owner: Owner,
    pub name: Arc<str>,
    pub what: What,
    /// The attribute's value in the trace that is looked at.
    pub here: Option<Arc<str>>,
    /// How many of each side have it.
    pub slow: u32,
    pub normal: u32,
    /// Share of the slow traces that have it minus share of the normal ones, −1 to 1: Cliff's delta of two groups.
    pub delta: f64,
    /// log₁₀ of the chance of so uneven a split when there is no difference (Fisher's exact test, two-sided), times the
    /// number of splits that were tried (Bonferroni); never above 0.
    pub log10_chance: f64,
    /// Other attributes that split the same traces in the same way.
    pub others: u32,
}

/// Whose attribute it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    Span(SpanKey),
    /// A resource attribute of a service's process.
    Process(Arc<str>),
}

/// What the traces on one side have and the others do not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The attribute has this value.
    Value(Arc<str>),
    /// There is such an attribute.
    Present,
    /// The attribute is a number above the median of all.
    Above { median: f64, slow: Spread, normal: Spread },
}

/// Values of a numeric attribute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub n: u32,
    pub lowest: f64,
    pub median: f64,
    pub highest: f64,
}

impl Exemplar {
    /// What the trace begins with.
    #[must_use]
    pub fn root(&self) -> Option<&SpanKey> {
        self.parts.first().map(|part| &part.key)
    }

    /// The parts of one key.
    pub fn of_key<'a>(&'a self, key: &'a SpanKey) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| part.key == *key)
    }
}

impl Compared {
    /// How much longer it is on the critical path than in the normal trace, in microseconds.
    #[must_use]
    pub fn contribution_us(&self) -> i64 {
        let us = |side: Option<Side>| side.map_or(0, |side| i64::try_from(side.critical.0).unwrap_or(i64::MAX));
        us(self.this).saturating_sub(us(self.normal))
    }
}

impl Split {
    /// It is no chance, at the level of one in a hundred after correction.
    #[must_use]
    pub fn is_signal(&self) -> bool {
        self.log10_chance < -2.0
    }
}
