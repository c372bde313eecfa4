//! Which spans have been seen, and which traces have settled: each span is judged once and learnt once.

use std::collections::{BTreeMap, BTreeSet};

use crate::baseline::{Settled, Sketch};
use crate::domain::{Micros, Span, SpanId, TimeWindow, Timestamp, Trace, TraceId};

/// A trace that has settled, and which of its spans have not settled before.
#[derive(Debug, Clone, PartialEq)]
pub struct SettledTrace {
    pub trace: Trace,
    /// Ascending.
    pub fresh: Vec<SpanId>,
    /// When it began, as far as was known when it settled first: all that is learnt of a trace belongs to this time.
    pub began: Timestamp,
    /// It belongs to the live watch; what began before is left to back-fill.
    pub is_live: bool,
}

#[derive(Debug, Clone)]
struct Seen {
    start: Timestamp,
    end: Timestamp,
    /// Sorted.
    spans: Vec<SpanId>,
    /// Those that wait for the trace to settle; sorted.
    waiting: Vec<SpanId>,
    /// The trace as it was polled last, until it settles.
    trace: Option<Trace>,
    settled: bool,
    /// When it seemed to begin as its spans were first learnt from live polls, by this run or an earlier one.
    learnt: Option<Timestamp>,
    has_root: bool,
    /// The key of the span that came first, and when that began.
    first: Option<(Timestamp, u32)>,
    /// Its place in the queue of what is to happen next: settling, then forgetting.
    due: Timestamp,
}

impl Seen {
    /// Spans that do not wait any more.
    fn learnt_spans(&self) -> Vec<SpanId> {
        self.spans.iter().copied().filter(|span| self.waiting.binary_search(span).is_err()).collect()
    }
}

/// Memory of recent traces.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    seen: BTreeMap<TraceId, Seen>,
    due: BTreeSet<(Timestamp, TraceId)>,
    lag: Lag,
}

/// When a poll was made, and for what it asked.
#[derive(Debug, Clone, Copy)]
struct Poll {
    at: Timestamp,
    asked: TimeWindow,
}

/// How long after a span's end it becomes visible, as far as polling can tell.
#[derive(Debug, Clone, Default)]
struct Lag {
    observed: Sketch,
    previous_poll: Option<Poll>,
}

const SHORTEST_SETTLE: Micros = Micros::from_secs(2);
const LONGEST_SETTLE: Micros = Micros::from_secs(300);
/// Until enough lags are known. Batching in SDKs and collectors takes about ten seconds.
const FIRST_SETTLE: Micros = Micros::from_secs(15);
const ENOUGH_LAGS: u64 = 200;
/// After this many the older half weighs no more than the newer one.
const MANY_LAGS: u64 = 200_000;
/// Settled traces are remembered this long, so that an overlapping poll finds them known: three times the longest reach.
const REMEMBER: Micros = Micros::from_secs(900);
/// Those of an earlier run may lie in a gap that back-fill comes to later.
const REMEMBER_RESTORED: Micros = Micros::from_secs(6 * 3_600);

impl Lag {
    /// A span that the previous poll asked for and did not get was late by at least the time from its end to that poll.
    /// What it did not ask for says nothing about lateness, or polls that stay behind would make themselves slower.
    fn observe(&mut self, start: Timestamp, end: Timestamp) {
        let Some(previous) = self.previous_poll else { return };
        let asked_for = previous.asked.contains(start) && end < previous.asked.to;
        let late = if asked_for { previous.at.since(end) } else { Micros::ZERO };
        if self.observed.count() > MANY_LAGS {
            self.observed.clear();
        }
        self.observed.insert(late);
    }

    fn settle(&self) -> Micros {
        if self.observed.count() < ENOUGH_LAGS {
            return FIRST_SETTLE;
        }
        let p99 = self.observed.quantile(0.99).unwrap_or(0.0);
        // A lag seen at poll times is short of the true one by up to half as much again on average.
        Micros((p99 * 1.5) as u64).clamp(SHORTEST_SETTLE, LONGEST_SETTLE)
    }
}

impl Traces {
    /// How long after its last span's end a trace counts as complete: 1.5 × the p99 of the observed lag, 2 s to 5 min.
    #[must_use]
    pub fn settle(&self) -> Micros {
        self.lag.settle()
    }

    /// A poll was made that asked for the spans of a window: those that had ended and come later are late.
    pub fn poll_ended(&mut self, at: Timestamp, asked: TimeWindow) {
        self.lag.previous_poll = Some(Poll { at, asked });
    }

    /// Takes a trace as a poll gave it. Returns the positions of spans not seen before.
    pub fn admit(&mut self, trace: &Trace, now: Timestamp) -> Vec<usize> {
        let known = self.seen.get(&trace.id);
        let mut fresh: Vec<(SpanId, usize)> = trace.spans.iter().enumerate().map(|(at, s)| (s.id, at)).collect();
        fresh.sort_unstable();
        fresh.dedup_by_key(|(id, _)| *id);
        if let Some(known) = known {
            fresh.retain(|(id, _)| known.spans.binary_search(id).is_err());
        }
        if fresh.is_empty() {
            return Vec::new();
        }
        let settle = self.settle();
        let seen = self.seen.entry(trace.id).or_insert_with(|| Seen {
            start: Timestamp(i64::MAX),
            end: Timestamp(i64::MIN),
            spans: Vec::new(),
            waiting: Vec::new(),
            trace: None,
            settled: false,
            learnt: None,
            has_root: false,
            first: None,
            due: Timestamp(i64::MIN),
        });
        self.due.remove(&(seen.due, trace.id));
        for (_, at) in &fresh {
            let Some(span) = trace.spans.get(*at) else { continue };
            self.lag.observe(span.start, span.end());
            seen.start = seen.start.min(span.start);
            seen.end = seen.end.max(span.end());
            seen.has_root |= span.parent.is_none();
        }
        seen.spans.extend(fresh.iter().map(|(id, _)| *id));
        seen.spans.sort_unstable();
        // A trace that had settled and grows is taken up again; what it learnt before stays learnt.
        seen.settled = false;
        seen.due = now.max(seen.end.min(now) + settle);
        self.due.insert((seen.due, trace.id));
        let mut positions: Vec<usize> = fresh.into_iter().map(|(_, at)| at).collect();
        positions.sort_unstable();
        positions
    }

    /// Remembers where a trace showed first: that is what is known of it until its root comes.
    pub fn note_first(&mut self, trace: TraceId, span: &Span, key: u32) {
        if let Some(seen) = self.seen.get_mut(&trace)
            && seen.first.is_none_or(|(start, _)| span.start < start)
        {
            seen.first = Some((span.start, key));
        }
    }

    /// Traces that began before a moment and whose root has not come, by the key that showed first.
    #[must_use]
    pub fn in_flight(&self, before: Timestamp) -> BTreeMap<u32, Vec<Timestamp>> {
        let mut found: BTreeMap<u32, Vec<Timestamp>> = BTreeMap::new();
        for seen in self.seen.values().filter(|seen| !seen.has_root) {
            if let Some((start, key)) = seen.first.filter(|(start, _)| *start < before) {
                found.entry(key).or_default().push(start);
            }
        }
        found
    }

    /// Leaves a trace here until it settles. Spans that end after `latest` come from a wrong clock, and would put samples
    /// into hours to which they do not belong.
    pub fn wait(&mut self, trace: Trace, fresh: &[usize], latest: Timestamp) {
        let Some(seen) = self.seen.get_mut(&trace.id) else { return };
        let sound = |at: &&usize| trace.spans.get(**at).is_some_and(|span| span.end() <= latest);
        seen.waiting.extend(fresh.iter().filter(sound).filter_map(|at| trace.spans.get(*at)).map(|span| span.id));
        seen.waiting.sort_unstable();
        match &mut seen.trace {
            // A poll gives the whole trace as it is by then; one that gives less adds to what is known.
            Some(known) if known.spans.len() > trace.spans.len() => {
                let more = fresh.iter().filter_map(|at| trace.spans.get(*at)).cloned();
                known.spans.extend(more);
            }
            known => *known = Some(trace),
        }
    }

    /// Gives out what has settled by `now`. Of what began before `live_from` it says that it is not live, unless an earlier
    /// run had begun with it: what was begun is finished. Forgets traces that no poll will bring again.
    pub fn settle_until(&mut self, now: Timestamp, live_from: Timestamp) -> Vec<SettledTrace> {
        let mut settled = Vec::new();
        while let Some((due, trace)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, trace));
            let Some(seen) = self.seen.get_mut(&trace) else { continue };
            if seen.settled {
                self.seen.remove(&trace);
                continue;
            }
            let fresh = std::mem::take(&mut seen.waiting);
            let is_live = seen.start >= live_from || seen.learnt.is_some();
            let began = seen.learnt.unwrap_or(seen.start);
            if is_live {
                seen.learnt = Some(began);
            }
            if let Some(trace) = seen.trace.take().filter(|_| !fresh.is_empty()) {
                settled.push(SettledTrace { trace, fresh, began, is_live });
            }
            seen.settled = true;
            seen.due = now + REMEMBER;
            self.due.insert((seen.due, trace));
        }
        settled
    }

    /// Up to where everything has been learnt: no trace that started before is still waiting.
    #[must_use]
    pub fn settled_before(&self, polled_to: Timestamp) -> Timestamp {
        let earliest = self.seen.values().filter(|seen| !seen.settled).map(|seen| seen.start).min();
        let limit = polled_to.saturating_sub(self.settle());
        earliest.map_or(limit, |earliest| earliest.min(limit))
    }

    /// Learnt traces that began before `released` and which the `known` windows do not answer for: a poll or back-fill of a
    /// later run meets them again, and finishes those of which something is not learnt yet. What began later has settled
    /// but waits as a whole.
    #[must_use]
    pub fn learnt_outside(&self, known: &[TimeWindow], released: Timestamp) -> Vec<Settled> {
        let covered = |start| known.iter().any(|window| window.contains(start));
        let settled = |(trace, seen): (&TraceId, &Seen)| {
            let learnt_at = seen.learnt.filter(|_| seen.start < released)?;
            // A first span that came late put the beginning back: what was learnt before it waits at the later time.
            let waits = learnt_at >= released;
            let spans = if waits { Vec::new() } else { seen.learnt_spans() };
            let whole = seen.settled && !spans.is_empty();
            let told = Settled { trace: *trace, start: seen.start, end: seen.end, spans };
            (!whole || !covered(seen.start)).then_some(told)
        };
        self.seen.iter().filter_map(settled).collect()
    }

    /// What settled of traces that began within these windows was not learnt after all: back-fill is to.
    pub fn unlearn(&mut self, windows: &[TimeWindow]) {
        let within = |at: Timestamp| windows.iter().any(|window| window.contains(at));
        for seen in self.seen.values_mut().filter(|seen| seen.settled) {
            seen.learnt = seen.learnt.filter(|began| !within(*began));
        }
    }

    /// Remembers traces that an earlier run had learnt.
    pub fn restore(&mut self, settled: Vec<Settled>, now: Timestamp) {
        for Settled { trace, start, end, mut spans } in settled {
            spans.sort_unstable();
            let due = now + REMEMBER_RESTORED;
            let learnt = Some(start);
            let seen = Seen {
                start,
                end,
                spans,
                waiting: Vec::new(),
                trace: None,
                settled: true,
                learnt,
                // What an earlier run had settled is not waited for.
                has_root: true,
                first: None,
                due,
            };
            self.seen.insert(trace, seen);
            self.due.insert((due, trace));
        }
    }

    /// Whether a live poll brought this trace.
    #[must_use]
    pub fn has_seen(&self, trace: TraceId) -> bool {
        self.seen.contains_key(&trace)
    }

    /// Whether a live poll, of this run or an earlier one, learnt this span or is about to. Back-fill asks, so as not to
    /// learn it again.
    #[must_use]
    pub fn has_learnt(&self, trace: TraceId, span: SpanId) -> bool {
        self.seen.get(&trace).is_some_and(|seen| seen.learnt.is_some() && seen.spans.binary_search(&span).is_ok())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.seen.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Attributes, Span, SpanKey, SpanKind};

    fn secs(s: i64) -> Timestamp {
        Timestamp::from_secs(s)
    }

    fn trace(id: u128, spans: &[(u64, i64)]) -> Trace {
        let span = |(id, start): &(u64, i64)| Span {
            id: SpanId(*id),
            parent: None,
            key: SpanKey::new("cart", "GET /", SpanKind::Server),
            start: secs(*start),
            duration: Micros::from_secs(1),
            error: false,
            attributes: Attributes::default(),
            resource: Arc::default(),
        };
        Trace { id: TraceId(id), spans: spans.iter().map(span).collect() }
    }

    fn poll(traces: &mut Traces, trace: &Trace, at: Timestamp) -> Vec<usize> {
        let fresh = traces.admit(trace, at);
        if !fresh.is_empty() {
            traces.wait(trace.clone(), &fresh, at + Micros::from_secs(60));
        }
        fresh
    }

    fn fresh(settled: &[SettledTrace]) -> Vec<(bool, Vec<u64>)> {
        settled.iter().map(|s| (s.is_live, s.fresh.iter().map(|id| id.0).collect())).collect()
    }

    #[test]
    fn a_span_is_new_once_however_often_it_is_polled() {
        let mut traces = Traces::default();
        assert_eq!(traces.admit(&trace(1, &[(7, 100), (8, 100), (7, 100)]), secs(105)), [0, 1]);
        assert_eq!(traces.admit(&trace(1, &[(8, 100), (9, 101), (7, 100)]), secs(110)), [1], "only the late span");
        assert!(traces.admit(&trace(1, &[(9, 101)]), secs(111)).is_empty());
    }

    #[test]
    fn a_trace_settles_after_its_last_span_and_waits_again_when_it_grows() {
        let mut traces = Traces::default();
        poll(&mut traces, &trace(1, &[(7, 100)]), secs(105));
        let settle = traces.settle();
        assert!(traces.settle_until(secs(101) + settle - Micros(1), secs(0)).is_empty());
        assert_eq!(fresh(&traces.settle_until(secs(101) + settle, secs(0))), [(true, vec![7])]);
        poll(&mut traces, &trace(1, &[(7, 100), (8, 110)]), secs(120));
        let outside = traces.learnt_outside(&[], secs(1_000));
        assert_eq!(outside[0].spans, [SpanId(7)], "the late one is not learnt yet");
        let settled = traces.settle_until(secs(200), secs(0));
        assert_eq!(fresh(&settled), [(true, vec![8])], "only what is new is learnt");
        assert_eq!(settled[0].trace.spans.len(), 2, "but seen in its trace");
    }

    #[test]
    fn a_poll_that_brings_less_takes_nothing_away() {
        let mut traces = Traces::default();
        poll(&mut traces, &trace(1, &[(7, 100), (8, 100)]), secs(105));
        poll(&mut traces, &trace(1, &[(9, 101)]), secs(106));
        let settled = traces.settle_until(secs(200), secs(0));
        assert_eq!(settled[0].trace.spans.len(), 3);
        assert_eq!(fresh(&settled), [(true, vec![7, 8, 9])]);
    }

    #[test]
    fn what_began_before_the_watch_is_left_to_back_fill() {
        let mut traces = Traces::default();
        poll(&mut traces, &trace(1, &[(7, 100)]), secs(105));
        assert_eq!(fresh(&traces.settle_until(secs(200), secs(101))), [(false, vec![7])]);
        assert!(!traces.has_learnt(TraceId(1), SpanId(7)));
    }

    #[test]
    fn what_has_settled_but_was_not_released_is_met_anew_by_a_later_run() {
        let mut traces = Traces::default();
        poll(&mut traces, &trace(1, &[(7, 100)]), secs(105));
        poll(&mut traces, &trace(2, &[(8, 150)]), secs(155));
        traces.settle_until(secs(300), secs(0));
        let outside = traces.learnt_outside(&[], secs(120));
        assert_eq!(outside.iter().map(|s| s.trace.0).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_beginning_that_comes_late_leaves_what_waits_to_a_later_run() {
        let mut traces = Traces::default();
        poll(&mut traces, &trace(1, &[(8, 130)]), secs(135));
        traces.settle_until(secs(150), secs(0));
        poll(&mut traces, &trace(1, &[(7, 100), (8, 130)]), secs(155));
        let settled = traces.settle_until(secs(200), secs(0));
        assert_eq!(settled[0].began, secs(130), "learnt with what was learnt before");
        let known = [TimeWindow::new(secs(0), secs(120))];
        let outside = traces.learnt_outside(&known, secs(120));
        assert_eq!(outside.iter().map(|s| s.spans.len()).collect::<Vec<_>>(), [0], "known, but not what was learnt");
        let known = [TimeWindow::new(secs(0), secs(180))];
        assert_eq!(traces.learnt_outside(&known, secs(180)), []);
    }

    #[test]
    fn traces_are_forgotten_in_the_end() {
        let mut traces = Traces::default();
        for id in 0..100 {
            traces.admit(&trace(id, &[(1, 100)]), secs(105));
        }
        traces.settle_until(secs(200), secs(0));
        assert_eq!(traces.len(), 100);
        traces.settle_until(secs(2_000), secs(0));
        assert_eq!(traces.len(), 0);
    }

    #[test]
    fn the_settle_time_follows_the_observed_lag() {
        let mut traces = Traces::default();
        assert_eq!(traces.settle(), FIRST_SETTLE);
        traces.poll_ended(secs(1_000), TimeWindow::new(secs(900), secs(1_000)));
        for id in 0..300 {
            traces.admit(&trace(id, &[(1, 958)]), secs(1_010));
        }
        let settle = traces.settle();
        assert!((60..70).contains(&settle.secs()), "41 s late, so {settle}");
    }

    #[test]
    fn a_poll_that_stays_behind_does_not_take_what_it_left_out_for_late() {
        let mut traces = Traces::default();
        traces.poll_ended(secs(1_000), TimeWindow::new(secs(880), secs(900)));
        for id in 0..300 {
            // Begun after, or before, what was asked for.
            traces.admit(&trace(id, &[(1, if id % 2 == 0 { 940 } else { 700 })]), secs(1_010));
        }
        assert_eq!(traces.settle(), SHORTEST_SETTLE);
    }

    #[test]
    fn a_restart_finds_learnt_traces_known_and_waiting_ones_not() {
        let mut before = Traces::default();
        before.admit(&trace(1, &[(7, 100)]), secs(105));
        before.settle_until(secs(130), secs(0));
        before.admit(&trace(2, &[(8, 125)]), secs(131));
        let learnt_to = before.settled_before(secs(131));
        assert!(learnt_to <= secs(116));
        let mut after = Traces::default();
        after.restore(before.learnt_outside(&[TimeWindow::new(secs(0), secs(90))], secs(1_000)), secs(140));
        assert!(after.admit(&trace(1, &[(7, 100)]), secs(141)).is_empty());
        assert_eq!(after.admit(&trace(2, &[(8, 125)]), secs(141)), [0]);
    }

    #[test]
    fn what_was_left_out_after_all_is_left_to_back_fill() {
        let mut traces = Traces::default();
        for (id, begins) in [(1, 100), (2, 170), (3, 175)] {
            poll(&mut traces, &trace(id, &[(id as u64, begins)]), secs(begins + 10));
        }
        assert_eq!(traces.settle_until(secs(190), secs(0)).len(), 2, "the third still waits");
        traces.unlearn(&[TimeWindow::new(secs(120), secs(240))]);
        let learnt = [1, 2, 3].map(|id| traces.has_learnt(TraceId(id.into()), SpanId(id)));
        assert_eq!(
            learnt,
            [true, false, false],
            "the first is learnt, the second to be read, the third has not settled"
        );
        traces.settle_until(secs(300), secs(0));
        assert!(traces.has_learnt(TraceId(3), SpanId(3)), "what settles later is learnt as it does");
    }
}
