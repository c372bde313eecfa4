//! Each span is learnt once: over overlapping polls, late spans, back-fill, and ends that come without warning.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use spanwatch::baseline::{self, KeyBuilder, SeriesKey, gaps};
use spanwatch::detect;
use spanwatch::domain::{
    Attributes, Calendar, HourOfWeek, Level, Micros, Span, SpanId, SpanKey, SpanKind, TimeWindow, Timestamp, Trace,
    TraceId,
};
use spanwatch::engine::{Engine, Input, Output, Resumed};
use spanwatch::messages::BackFill;
use spanwatch::store::Store;

const INTERVAL: Micros = Micros::from_secs(10);
/// 2026-11-20T02:46:40Z
const START: i64 = 1_795_000_000;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn key() -> SpanKey {
    SpanKey::new("cart", "GET /", SpanKind::Server)
}

/// A span, and when the backend first shows it.
#[derive(Debug, Clone)]
struct Shown {
    trace: u128,
    span: u64,
    start: i64,
    visible: i64,
}

fn backend(shown: &[Shown], window: TimeWindow, now: Timestamp) -> Vec<Trace> {
    let visible = |span: &&Shown| at(span.visible) <= now;
    let mut ids: Vec<u128> =
        shown.iter().filter(visible).filter(|span| window.contains(at(span.start))).map(|span| span.trace).collect();
    ids.sort_unstable();
    ids.dedup();
    let span = |span: &Shown| Span {
        id: SpanId(span.span),
        parent: None,
        key: key(),
        start: at(span.start),
        duration: Micros::from_millis(100),
        error: false,
        attributes: Attributes::default(),
        resource: Arc::default(),
    };
    ids.into_iter()
        .map(|id| Trace {
            id: TraceId(id),
            spans: shown.iter().filter(visible).filter(|span| span.trace == id).map(span).collect(),
        })
        .collect()
}

/// A monitor as it runs, but with the time given.
struct Monitor {
    engine: Engine,
    store: Store,
    polled_to: Timestamp,
    live_from: Timestamp,
}

impl Monitor {
    fn start(dir: &Path, learn_after_s: u64, now: Timestamp) -> Self {
        let store = Store::open(dir, chrono::DateTime::from_timestamp(now.secs(), 0).unwrap()).unwrap().store;
        let ledger = store.ledger().unwrap();
        let live_from = ledger.known.last().map(|window| window.to).unwrap_or(now);
        let settings = baseline::Settings { learn_after_s, ..baseline::Settings::default() };
        let mut engine = Engine::new(settings, detect::Settings::default(), INTERVAL);
        let resumed = Resumed { ledger, live_from, ..Resumed::default() };
        engine.step(Input::Resumed(Box::new(resumed)), now);
        Self { engine, store, polled_to: live_from, live_from }
    }

    fn perform(&self, outputs: Vec<Output>) {
        for output in outputs {
            if let Output::StoreLearnt(learnt) = output {
                self.store.learn(&learnt, learnt.settled.is_none()).unwrap();
            }
        }
    }

    fn poll(&mut self, shown: &[Shown], now: Timestamp) {
        let window = TimeWindow::new(self.polled_to - self.engine.settle(), now);
        let outputs = self.engine.step(Input::TracesPolled(backend(shown, window, now)), now);
        self.perform(outputs);
        let outputs = self.engine.step(Input::PollEnded(window), now);
        self.perform(outputs);
        self.polled_to = now;
    }

    fn back_fill(&mut self, shown: &[Shown], from: Timestamp, now: Timestamp) {
        for window in gaps(self.engine.known(), TimeWindow::new(from, self.live_from)).into_iter().collect::<Vec<_>>() {
            // Every service of a trace returns it again.
            for _ in 0..2 {
                self.engine.step(Input::HistoryRead { window, traces: backend(shown, window, now) }, now);
            }
            self.engine.step(Input::HistoryWindowRead(window), now);
            let outputs =
                self.engine.step(Input::HistoryEnded { windows: vec![window], progress: BackFill::Done }, now);
            self.perform(outputs);
        }
    }

    fn commit(&mut self, now: Timestamp) {
        let outputs = self.engine.step(Input::TimePassed { commit: true }, now);
        self.perform(outputs);
    }
}

fn samples(store: &Store) -> u64 {
    let mut builder = KeyBuilder::new(Calendar::utc());
    store.distribution(&SeriesKey::duration(key()), Level::Global, HourOfWeek::new(0, 0), &mut builder).unwrap().count()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Happens {
    Poll,
    Commit,
    /// The process is killed: what was not committed is gone.
    Killed,
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let one = prop_oneof![6 => Just(Happens::Poll), 2 => Just(Happens::Commit), 1 => Just(Happens::Killed)];
    prop::collection::vec(one, 1..40)
}

/// Traces of one to four spans over ten minutes, some of them before the first start; spans of one trace begin within
/// three seconds and are shown up to eight seconds later.
fn traffic() -> impl Strategy<Value = Vec<Shown>> {
    let trace = (-200i64..400, prop::collection::vec((0i64..3, 1i64..8), 1..5));
    prop::collection::vec(trace, 1..60).prop_map(|traces| {
        let mut shown = Vec::new();
        for (index, (start, spans)) in traces.into_iter().enumerate() {
            for (nth, (offset, lag)) in spans.into_iter().enumerate() {
                // The first span begins the trace.
                let start = if nth == 0 { start } else { start + offset };
                shown.push(Shown { trace: index as u128 + 1, span: nth as u64 + 1, start, visible: start + lag });
            }
        }
        shown
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_span_is_learnt_exactly_once(
        shown in traffic(),
        happenings in happenings(),
        learn_after_s in prop::sample::select(vec![0, 45, 120, 900]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut now = 0;
        let mut monitor = Monitor::start(dir.path(), learn_after_s, at(now));
        for happens in happenings {
            now += 10;
            match happens {
                Happens::Poll => monitor.poll(&shown, at(now)),
                Happens::Commit => monitor.commit(at(now)),
                Happens::Killed => {
                    drop(monitor);
                    monitor = Monitor::start(dir.path(), learn_after_s, at(now));
                }
            }
        }
        // Until all is shown, has settled and has waited.
        for _ in 0..60 + learn_after_s / 10 {
            now += 10;
            monitor.poll(&shown, at(now));
        }
        monitor.back_fill(&shown, at(-300), at(now));
        monitor.commit(at(now));
        prop_assert_eq!(samples(&monitor.store), shown.len() as u64);
    }
}

#[test]
fn a_minute_is_learnt_when_it_has_waited_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let shown =
        [Shown { trace: 1, span: 1, start: 5, visible: 6 }, Shown { trace: 2, span: 1, start: 95, visible: 96 }];
    let mut monitor = Monitor::start(dir.path(), 900, at(0));
    let mut learnt = Vec::new();
    for now in (10..1_200).step_by(10) {
        monitor.poll(&shown, at(now));
        monitor.commit(at(now));
        if samples(&monitor.store) > learnt.len() as u64 {
            learnt.push(now);
        }
    }
    // `at(0)` is 40 s after a full minute: the spans lie in the minutes that end at 20 s and at 140 s.
    assert_eq!(learnt, [920, 1_040]);
}

/// The root comes a minute after what it called, when that has settled but still waits to be learnt.
#[test]
fn a_trace_whose_beginning_comes_late_is_finished_by_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let shown = [
        Shown { trace: 1, span: 1, start: 15, visible: 85 },
        Shown { trace: 1, span: 2, start: 25, visible: 26 },
        // What lets the polls of that time find the trace again.
        Shown { trace: 1, span: 3, start: 80, visible: 84 },
    ];
    for learn_after_s in [120, 180] {
        for killed in (40..350).step_by(10) {
            let mut monitor =
                Monitor::start(dir.path().join(format!("{learn_after_s}-{killed}")).as_path(), learn_after_s, at(0));
            for now in (10..600).step_by(10) {
                if now == killed {
                    drop(monitor);
                    let dir = dir.path().join(format!("{learn_after_s}-{killed}"));
                    monitor = Monitor::start(&dir, learn_after_s, at(now));
                }
                monitor.poll(&shown, at(now));
                monitor.commit(at(now));
            }
            monitor.back_fill(&shown, at(-300), at(600));
            assert_eq!(samples(&monitor.store), 3, "killed at {killed}, learnt after {learn_after_s}");
        }
    }
}

#[test]
fn a_service_with_an_id_in_every_name_keeps_the_table_of_keys_flat() {
    let settings = baseline::Settings { max_operations_per_service: 20, ..baseline::Settings::default() };
    let mut engine = Engine::new(settings, detect::Settings::default(), INTERVAL);
    for n in 0..30_000u64 {
        let word: String = n.to_string().bytes().map(|b| char::from(b - b'0' + b'g')).collect();
        let trace = Trace {
            id: TraceId(u128::from(n)),
            spans: vec![Span {
                id: SpanId(n),
                parent: None,
                key: SpanKey::new("cart", word.as_str(), SpanKind::Server),
                start: at(n as i64 / 100),
                duration: Micros(10),
                error: false,
                attributes: Attributes::default(),
                resource: Arc::default(),
            }],
        };
        engine.step(Input::TracesPolled(vec![trace]), at(n as i64 / 100));
    }
    let outputs = engine.step(Input::PollEnded(TimeWindow::new(at(0), at(400))), at(400));
    let learning = outputs.iter().find_map(|output| match output {
        Output::Tell(spanwatch::messages::UpdateBody::Learning(view)) => Some(view),
        _ => None,
    });
    let learning = learning.expect("a poll tells how much was learnt");
    assert_eq!(learning.keys, 21, "twenty and (other)");
    assert!(learning.merged_operations > 0);
}
