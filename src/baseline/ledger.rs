//! What has been learnt, and from which stretches of time: so that nothing is learnt twice, and nothing is missed.

use std::collections::BTreeMap;

use crate::domain::{SpanId, SpanKey, TimeWindow, Timestamp, TraceId, UtcHour};

use super::series::SeriesKey;
use super::slice::Slice;
use super::structure::Structure;

/// A trace that was learnt and lies within the overlap of coming polls, kept across a restart so that nothing is learnt twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub trace: TraceId,
    pub start: Timestamp,
    pub end: Timestamp,
    pub spans: Vec<SpanId>,
}

/// What is written in one batch: samples, and the windows from which they came.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Learnt {
    pub slices: BTreeMap<(SeriesKey, UtcHour), Slice>,
    pub structure: Structure,
    /// Windows of trace start time that are known from now on.
    pub windows: Vec<TimeWindow>,
    /// Stretches within them of which nothing was learnt: incidents and maintenance.
    pub excluded: Vec<TimeWindow>,
    /// `Some` when live windows advanced: the settled traces that polls may still bring.
    pub settled: Option<Vec<Settled>>,
}

/// What earlier runs left behind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// Windows of trace start time that were learnt; disjoint and ascending.
    pub known: Vec<TimeWindow>,
    /// Stretches within them of which nothing was learnt, and nothing is to be: incidents and maintenance.
    pub excluded: Vec<TimeWindow>,
    pub settled: Vec<Settled>,
    /// Samples behind the known windows.
    pub samples: u64,
    pub keys: Vec<SpanKey>,
}

/// Adds `more` to disjoint, ascending windows; touching ones become one.
pub fn unite(windows: &mut Vec<TimeWindow>, more: TimeWindow) {
    if more.from >= more.to {
        return;
    }
    windows.push(more);
    windows.sort_by_key(|w| (w.from, w.to));
    windows.dedup_by(|next, before| {
        let touching = next.from <= before.to;
        if touching {
            before.to = before.to.max(next.to);
        }
        touching
    });
}

/// The parts of `whole` that no window of `known` (disjoint, ascending) covers.
#[must_use]
pub fn gaps(known: &[TimeWindow], whole: TimeWindow) -> Vec<TimeWindow> {
    let mut gaps = Vec::new();
    let mut from = whole.from;
    for window in known {
        if window.to <= from || window.from >= whole.to {
            continue;
        }
        if window.from > from {
            gaps.push(TimeWindow::new(from, window.from));
        }
        from = from.max(window.to);
    }
    if from < whole.to {
        gaps.push(TimeWindow::new(from, whole.to));
    }
    gaps
}

/// What is left of `windows` without `excluded`; all disjoint and ascending.
#[must_use]
pub fn without(windows: &[TimeWindow], excluded: &[TimeWindow]) -> Vec<TimeWindow> {
    windows.iter().flat_map(|window| gaps(excluded, *window)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: i64) -> Timestamp {
        Timestamp::from_secs(s)
    }

    #[test]
    fn windows_unite_and_leave_gaps() {
        let window = |from, to| TimeWindow::new(secs(from), secs(to));
        let mut known = Vec::new();
        for (from, to) in [(10, 20), (30, 40), (20, 25), (38, 50), (5, 5)] {
            unite(&mut known, window(from, to));
        }
        assert_eq!(known, [window(10, 25), window(30, 50)]);
        assert_eq!(gaps(&known, window(0, 60)), [window(0, 10), window(25, 30), window(50, 60)]);
        assert_eq!(gaps(&known, window(12, 20)), []);
        let left = without(&known, &[window(0, 12), window(24, 31), window(49, 60)]);
        assert_eq!(left, [window(12, 24), window(31, 49)]);
    }
}
