//! A settled trace as the tests see it: each span with what it is to its neighbours.

use std::sync::Arc;

use crate::domain::{Micros, TimeWindow, Timestamp, TraceId};

/// Who a span's own time belongs to. Services by the number the engine gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The service itself.
    Node,
    /// The time between it and this service, which it calls.
    Edge(u32),
}

/// One span. Keys by the number the engine gave them.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    pub key: u32,
    pub service: u32,
    pub start: Timestamp,
    pub end: Timestamp,
    pub duration: Micros,
    pub place: Place,
    /// Self time; on an edge with the wait for what was called.
    pub own: Micros,
    /// Place of its parent in the trace's observations.
    pub parent: Option<u32>,
    /// The kinds of its children, each once, ascending: a stretch of [`Observed::children`].
    pub children: (u32, u32),
    pub error: bool,
    /// It failed and no child of it did.
    pub error_origin: bool,
    /// Cleaned, ids folded; only of origins.
    pub message: Option<Arc<str>>,
    /// Called from another service or from outside.
    pub entry: bool,
    /// Its trace begins here.
    pub root: bool,
    /// Its parent is not in the trace, although its root is. Without a root, more is still to come.
    pub orphan: bool,
    /// Seen here for the first time; spans that an earlier poll brought are context only.
    pub fresh: bool,
}

/// All of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    pub trace: TraceId,
    /// From the first start to the last end.
    pub window: TimeWindow,
    /// The span without a parent, where there is one.
    pub root: Option<u32>,
    /// Local minute of the day in which the root began.
    pub minute: Option<u16>,
    /// From the root's start to the last end below it.
    pub end_to_end: Micros,
    /// Parents before children.
    pub spans: Vec<Observation>,
    pub children: Vec<u32>,
    /// Time on the critical path by key, and by key and called service for time on an edge; ascending.
    pub contributions: Vec<((u32, Place), u64)>,
}

impl Observed {
    /// The kinds of a span's children.
    #[must_use]
    pub fn children_of(&self, span: &Observation) -> &[u32] {
        let (from, to) = span.children;
        self.children.get(from as usize..to as usize).unwrap_or_default()
    }
}
