//! The shape of one trace: its rows as a waterfall shows them, and where its time went.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::forest::Forest;
use super::path::{Interval, critical_path, self_times};
use crate::domain::{Micros, Timestamp, Trace};

/// One trace, laid out. Rows are depth-first, siblings by start; the tree of the trace's root comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceShape {
    pub rows: Vec<Row>,
    /// Stretches between a parent's end and the later start of its child, by row of the child.
    pub waits: Vec<Wait>,
    /// Start of the first span.
    pub start: Timestamp,
    /// From the first start to the last end of all spans.
    pub duration: Micros,
    /// From the root's start to the last end in its tree: the length of the critical path.
    pub end_to_end: Micros,
    /// Every service once, by name.
    pub services: Vec<Arc<str>>,
    /// Spans that say they failed.
    pub errors: u32,
    /// Spans whose parent is not in the trace.
    pub orphans: u32,
    /// Copies of spans, left out of the rows.
    pub duplicates: u32,
    /// Parent links cut because a span was its own ancestor.
    pub cycles: u32,
    /// Rows whose offset was corrected because the clocks of two services disagree.
    pub moved: u32,
}

/// One span in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Index into `Trace::spans`.
    pub span: usize,
    /// Index into `TraceShape::rows`; `None` at the top of a tree.
    pub parent: Option<usize>,
    pub depth: u32,
    /// Start after the trace's first span.
    pub offset: Micros,
    /// Duration minus the time covered by what happened below.
    pub self_time: Micros,
    /// The pieces of the critical path that are this span's own, as (from, to) after the trace's first span.
    pub critical: Vec<(Micros, Micros)>,
    /// What was added to the recorded start, in microseconds: not zero for a server span that lies wholly outside its
    /// client's, which only a wrong clock explains, and for spans of the same service below it.
    pub moved_us: i64,
}

/// The time between a parent's end and its child's start, as in a queue. It belongs to the edge between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Row of the parent, which had ended.
    pub from: usize,
    /// Row of the child, which had not begun.
    pub to: usize,
    pub start: Micros,
    pub end: Micros,
    /// Whether it is on the critical path; then all of it is.
    pub critical: bool,
}

/// Lays a trace out. Never fails: what is wrong with the trace is counted in the shape. Takes O(n log n) steps and no
/// recursion, whatever the trace.
#[must_use]
pub fn shape(trace: &Trace) -> TraceShape {
    let forest = Forest::grow(trace);
    let first = forest.nodes.iter().map(|node| node.start).min().unwrap_or(0);
    let intervals: Vec<Interval> = forest
        .nodes
        .iter()
        .map(|node| {
            let start = node.start.saturating_sub(first).unsigned_abs();
            let end = start.saturating_add(trace.spans[node.span].duration.0);
            Interval { parent: node.parent, start, end }
        })
        .collect();

    let mut rows: Vec<Row> = forest
        .nodes
        .iter()
        .zip(&intervals)
        .zip(self_times(&intervals))
        .map(|((node, interval), self_time)| Row {
            span: node.span,
            parent: node.parent,
            depth: node.depth,
            offset: Micros(interval.start),
            self_time: Micros(self_time),
            critical: Vec::new(),
            moved_us: node.moved,
        })
        .collect();
    let mut waits: Vec<Wait> = intervals.iter().enumerate().filter_map(|(i, _)| wait_before(&intervals, i)).collect();

    let tree = forest.nodes.iter().skip(1).position(|node| node.parent.is_none()).map_or(rows.len(), |more| more + 1);
    let path = critical_path(&intervals[..tree]);
    for stretch in &path {
        if stretch.wait {
            if let Ok(i) = waits.binary_search_by_key(&stretch.node, |wait| wait.to) {
                waits[i].critical = true;
            }
        } else {
            rows[stretch.node].critical.push((Micros(stretch.from), Micros(stretch.to)));
        }
    }

    let earliest = trace.spans.iter().map(|span| span.start.0).min().unwrap_or(0);
    let spans = || rows.iter().map(|row| &trace.spans[row.span]);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    TraceShape {
        start: Timestamp(earliest.saturating_add(first)),
        duration: Micros(intervals.iter().map(|interval| interval.end).max().unwrap_or(0)),
        end_to_end: Micros(path.iter().map(|stretch| stretch.to - stretch.from).sum()),
        services: spans().map(|span| &span.key.service).collect::<BTreeSet<_>>().into_iter().cloned().collect(),
        errors: count(spans().filter(|span| span.error).count()),
        orphans: forest.orphans,
        duplicates: forest.duplicates,
        cycles: forest.cycles,
        moved: count(rows.iter().filter(|row| row.moved_us != 0).count()),
        waits,
        rows,
    }
}

fn wait_before(intervals: &[Interval], to: usize) -> Option<Wait> {
    let from = intervals[to].parent?;
    let (start, end) = (intervals[from].end, intervals[to].start);
    (start < end).then_some(Wait { from, to, start: Micros(start), end: Micros(end), critical: false })
}

impl Row {
    /// How much of the critical path is this span's own.
    #[must_use]
    pub fn critical_time(&self) -> Micros {
        Micros(self.critical.iter().map(|(from, to)| to.0 - from.0).sum())
    }
}

impl Wait {
    #[must_use]
    pub fn length(&self) -> Micros {
        Micros(self.end.0.saturating_sub(self.start.0))
    }
}

impl TraceShape {
    /// The rows below a row: they follow it without gap.
    #[must_use]
    pub fn below(&self, row: usize) -> std::ops::Range<usize> {
        let Some(depth) = self.rows.get(row).map(|r| r.depth) else { return row..row };
        let rest = &self.rows[row + 1..];
        row + 1..row + 1 + rest.iter().position(|r| r.depth <= depth).unwrap_or(rest.len())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::{Attributes, Span, SpanId, SpanKey, SpanKind, TraceId};

    pub(crate) fn span(id: u64, parent: u64, key: (&str, &str, SpanKind), start: i64, duration: u64) -> Span {
        Span {
            id: SpanId(id),
            parent: (parent != 0).then_some(SpanId(parent)),
            key: SpanKey::new(key.0, key.1, key.2),
            start: Timestamp(1_000_000_000 + start),
            duration: Micros(duration),
            error: false,
            attributes: Attributes::default(),
            resource: Arc::default(),
        }
    }

    pub(crate) fn trace(spans: Vec<Span>) -> Trace {
        Trace { id: TraceId(7), spans }
    }

    fn plain(id: u64, parent: u64, start: i64, duration: u64) -> Span {
        span(id, parent, ("a", "op", SpanKind::Unspecified), start, duration)
    }

    fn ids(trace: &Trace) -> Vec<(u64, u32)> {
        shape(trace).rows.iter().map(|row| (trace.spans[row.span].id.0, row.depth)).collect()
    }

    #[test]
    fn rows_are_depth_first_and_siblings_by_start() {
        let trace = trace(vec![plain(4, 1, 50, 10), plain(3, 2, 30, 5), plain(2, 1, 20, 20), plain(1, 0, 0, 100)]);
        assert_eq!(ids(&trace), [(1, 0), (2, 1), (3, 2), (4, 1)]);
        let shape = shape(&trace);
        assert_eq!(shape.rows[3].offset, Micros(50));
        assert_eq!(
            (shape.start, shape.duration, shape.end_to_end),
            (Timestamp(1_000_000_000), Micros(100), Micros(100))
        );
        assert_eq!(shape.below(1), 2..3);
    }

    #[test]
    fn missing_parents_are_orphans_and_stand_after_the_root_s_tree() {
        let trace = trace(vec![plain(9, 77, -5, 10), plain(1, 0, 0, 100), plain(2, 1, 10, 10)]);
        let shape = shape(&trace);
        assert_eq!(ids(&trace), [(1, 0), (2, 1), (9, 0)]);
        assert_eq!(shape.orphans, 1);
        assert_eq!(shape.end_to_end, Micros(100), "the path is that of the root");
        assert!(shape.rows[2].critical.is_empty());
        assert_eq!(shape.rows[0].offset, Micros(5), "offsets count from the first span, orphan or not");
    }

    #[test]
    fn rings_and_self_parents_are_cut_and_counted() {
        let own = trace(vec![plain(1, 1, 0, 10), plain(2, 1, 2, 3)]);
        assert_eq!((ids(&own), shape(&own).cycles), (vec![(1, 0), (2, 1)], 1));
        let ring = trace(vec![plain(5, 2, 1, 1), plain(1, 3, 0, 10), plain(2, 1, 2, 6), plain(3, 2, 3, 3)]);
        assert_eq!((ids(&ring), shape(&ring).cycles), (vec![(1, 0), (2, 1), (5, 2), (3, 2)], 1));
    }

    #[test]
    fn copies_are_left_out_and_shared_ids_are_kept() {
        let copies = trace(vec![plain(1, 0, 0, 10), plain(1, 0, 0, 10), plain(2, 1, 1, 2)]);
        assert_eq!((ids(&copies), shape(&copies).duplicates), (vec![(1, 0), (2, 1)], 1));
        let zipkin = trace(vec![
            span(2, 1, ("b", "get", SpanKind::Server), 12, 6),
            span(3, 2, ("b", "sql", SpanKind::Client), 13, 2),
            span(2, 1, ("a", "get", SpanKind::Client), 10, 10),
            plain(1, 0, 0, 30),
        ]);
        let shape = shape(&zipkin);
        assert_eq!((ids(&zipkin), shape.duplicates), (vec![(1, 0), (2, 1), (2, 2), (3, 3)], 0));
        assert_eq!(shape.rows[2].self_time, Micros(4), "the statement belongs to the server, not to its client");
    }

    #[test]
    fn a_server_s_wrong_clock_is_corrected_with_what_is_below_it() {
        for hour in [3_600_000_000, -3_600_000_000] {
            let trace = trace(vec![
                span(1, 0, ("a", "GET /", SpanKind::Client), 0, 100),
                span(2, 1, ("b", "GET /", SpanKind::Server), hour, 80),
                span(3, 2, ("b", "sql", SpanKind::Internal), hour + 5, 20),
            ]);
            let shape = shape(&trace);
            assert_eq!((shape.duration, shape.end_to_end, shape.moved), (Micros(100), Micros(100), 2));
            assert_eq!(shape.rows.iter().map(|row| row.offset.0).collect::<Vec<_>>(), [0, 10, 15]);
            assert_eq!(shape.rows.iter().map(|row| row.self_time.0).collect::<Vec<_>>(), [20, 60, 20]);
            assert_eq!(shape.rows[1].moved_us, 10 - hour);
            assert_eq!(shape.start, Timestamp(1_000_000_000), "the caller's clock is the trace's");
        }
    }

    #[test]
    fn a_late_consumer_waits_and_is_not_taken_for_a_wrong_clock() {
        let trace = trace(vec![
            span(1, 0, ("a", "send", SpanKind::Producer), 0, 10),
            span(2, 1, ("b", "work", SpanKind::Consumer), 500, 5),
        ]);
        let shape = shape(&trace);
        assert_eq!(shape.moved, 0);
        assert_eq!(shape.waits, [Wait { from: 0, to: 1, start: Micros(10), end: Micros(500), critical: true }]);
        assert_eq!(shape.end_to_end, Micros(505));
    }

    #[test]
    fn the_order_in_which_spans_arrive_does_not_matter() {
        let spans =
            vec![plain(1, 0, 0, 100), plain(2, 1, 20, 20), plain(3, 1, 20, 20), plain(4, 9, 20, 3), plain(2, 1, 20, 7)];
        let mut turned = spans.clone();
        turned.reverse();
        assert_eq!(ids(&trace(spans)), ids(&trace(turned)));
    }

    #[test]
    fn absurd_times_do_not_overflow() {
        let mut spans = vec![plain(1, 0, 0, u64::MAX), plain(2, 1, 5, u64::MAX), plain(3, 2, 7, 1)];
        spans[1].start = Timestamp(i64::MIN);
        spans[2].start = Timestamp(i64::MAX);
        let shape = shape(&trace(spans));
        assert_eq!(shape.rows.len(), 3);
        let none = super::shape(&trace(Vec::new()));
        assert_eq!((none.rows.len(), none.duration, none.start), (0, Micros::ZERO, Timestamp(0)));
    }

    #[test]
    fn fifty_thousand_spans_in_a_chain_a_fan_or_a_ring_fit() {
        let n = 50_000;
        let chain: Vec<Span> = (1..=n).map(|i| plain(i, i - 1, i as i64, 4 * n - 2 * i)).collect();
        assert_eq!(shape(&trace(chain)).rows[n as usize - 1].depth, n as u32 - 1);
        let fan: Vec<Span> = (1..=n).map(|i| plain(i, u64::from(i > 1), i as i64, n)).collect();
        assert_eq!(shape(&trace(fan)).rows.len(), n as usize);
        let ring: Vec<Span> = (1..=n).map(|i| plain(i, i % n + 1, i as i64, n)).collect();
        assert_eq!(shape(&trace(ring)).cycles, 1);
        let alike: Vec<Span> =
            (1..=n).map(|i| span(1, 1, ("a", &format!("op{i}"), SpanKind::Internal), i as i64, n)).collect();
        assert_eq!(shape(&trace(alike)).rows.len(), n as usize, "one id for all");
    }
}
