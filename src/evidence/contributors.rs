//! Who the time of the critical path belongs to: spans of one key, and waits on one edge, taken together.

use std::collections::BTreeMap;

use crate::detect::trace::TraceShape;
use crate::domain::{Micros, SpanKey, Trace};

/// What time can belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner<'a> {
    /// The self time of spans of this key.
    Span(&'a SpanKey),
    /// The waits between the ends of spans of the first key and the starts of their children of the second.
    Edge(&'a SpanKey, &'a SpanKey),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contributor<'a> {
    pub owner: Owner<'a>,
    /// How much of the critical path is its own.
    pub time: Micros,
    /// In how many spans or waits.
    pub times: u64,
}

/// Every contributor to the critical path, the largest first. Their times add up to the end-to-end time.
pub(super) fn contributors<'a>(trace: &'a Trace, shape: &TraceShape) -> Vec<Contributor<'a>> {
    let key = |row: usize| &trace.spans[shape.rows[row].span].key;
    let spans = (0..shape.rows.len()).map(|row| (Owner::Span(key(row)), shape.rows[row].critical_time()));
    let waits = shape.waits.iter().filter(|wait| wait.critical);
    let edges = waits.map(|wait| (Owner::Edge(key(wait.from), key(wait.to)), wait.length()));
    let mut sums: BTreeMap<Owner<'a>, (u64, u64)> = BTreeMap::new();
    for (owner, time) in spans.chain(edges).filter(|(_, time)| time.0 > 0) {
        let sum = sums.entry(owner).or_default();
        *sum = (sum.0 + time.0, sum.1 + 1);
    }
    let mut all: Vec<_> =
        sums.into_iter().map(|(owner, (time, times))| Contributor { owner, time: Micros(time), times }).collect();
    // Stable: among equals the order of their names stays.
    all.sort_by_key(|contributor| std::cmp::Reverse(contributor.time));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::trace::{shape, tests::*};
    use crate::domain::SpanKind;

    #[test]
    fn spans_of_one_key_are_taken_together_and_all_adds_up() {
        let trace = trace(vec![
            span(1, 0, ("a", "root", SpanKind::Server), 0, 100),
            span(2, 1, ("b", "sql", SpanKind::Client), 10, 20),
            span(3, 1, ("b", "sql", SpanKind::Client), 40, 30),
            span(4, 3, ("c", "work", SpanKind::Consumer), 75, 20),
        ]);
        let shape = shape(&trace);
        let all = contributors(&trace, &shape);
        let told: Vec<(Owner<'_>, u64, u64)> = all.iter().map(|c| (c.owner, c.time.0, c.times)).collect();
        let key = |i: usize| &trace.spans[i].key;
        assert_eq!(
            told,
            [
                (Owner::Span(key(1)), 50, 2),
                (Owner::Span(key(0)), 25, 1),
                (Owner::Span(key(3)), 20, 1),
                (Owner::Edge(key(2), key(3)), 5, 1)
            ]
        );
        assert_eq!(all.iter().map(|c| c.time.0).sum::<u64>(), shape.end_to_end.0);
    }
}
