//! Traces that are kept to be compared with: which they are, that they survive a restart, and what is told beside them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/clockwork.rs"]
mod clockwork;

use std::path::Path;
use std::sync::Arc;

use spanwatch::domain::{
    Attributes, EventsBySpan, Exemplar, ExemplarSlot, Level, Micros, Owner, Part, Side, Span, SpanId, SpanKey,
    SpanKind, TimeWindow, Timestamp, Trace, TraceId,
};
use spanwatch::engine::{Input, Output};
use spanwatch::messages::{ComparisonView, UpdateBody};
use spanwatch::store::{self, Store};

use clockwork::{Clockwork, Traffic};

const HOUR: i64 = 3_600;
/// Friday 2026-11-20T09:00:00Z
const START: i64 = 1_795_165_200;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn window(from: i64, to: i64) -> TimeWindow {
    TimeWindow::new(at(from), at(to))
}

fn key(service: &str, operation: &str) -> SpanKey {
    SpanKey::new(service, operation, SpanKind::Server)
}

/// A shop that asks its database, once a second. Within the fault the database is thirty times as slow, by its new release.
#[derive(Debug, Clone)]
struct Shop {
    fault: TimeWindow,
}

impl Shop {
    fn visit(&self, second: i64) -> Trace {
        let slow = self.fault.contains(at(second));
        let vary = second.rem_euclid(97) as u64 * 50;
        let query = (10_000 + vary) * if slow { 30 } else { 1 };
        let (number, version) = (second.to_string(), if slow { "2.31" } else { "2.30" });
        let id = format!("{:016x}", second.wrapping_mul(0x9e37_79b9));
        let colour = ["red", "green", "blue"][second.rem_euclid(3) as usize];
        let of = |version: &str| Arc::new([("service.version", version)].into_iter().collect::<Attributes>());
        let span = |id: u64, key: SpanKey, after: u64, duration: u64| Span {
            id: SpanId(id),
            parent: (id > 1).then_some(SpanId(1)),
            key,
            start: at(second) + Micros(after),
            duration: Micros(duration),
            error: false,
            attributes: Attributes::default(),
            resource: of("1.0"),
        };
        let root = Span {
            attributes: [("visit.number", number.as_str()), ("visit.id", &id), ("colour", colour)]
                .into_iter()
                .collect(),
            ..span(1, key("shop", "GET /"), 0, query + 4_000 + vary % 700)
        };
        let query = Span { resource: of(version), ..span(2, key("db", "query"), 1_000, query) };
        Trace { id: TraceId((second + 10_000_000) as u128), spans: vec![root, query] }
    }
}

impl Traffic for Shop {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace> {
        let second = |at: Timestamp| at.secs() - START;
        (second(window.from)..second(window.to)).map(|second| self.visit(second)).collect()
    }
}

/// With three hours of history, and baselines of them.
fn begin(dir: &Path, fault: TimeWindow) -> Clockwork<Shop> {
    let mut monitor = Clockwork::start(dir, at(0), Shop { fault }, &[]);
    monitor.back_fill(at(-3 * HOUR));
    monitor.recalculate();
    monitor
}

/// What a screen that opens this trace is told.
fn compared(monitor: &mut Clockwork<Shop>, trace: Trace) -> ComparisonView {
    let now = monitor.now;
    let mut outputs = monitor.engine.step(Input::TraceFetched(Box::new(trace), EventsBySpan::new()), now);
    while let Some(output) = outputs.pop() {
        match output {
            Output::ReadExemplars { root } => {
                let kept = monitor.store.exemplars(&root).unwrap();
                outputs.extend(monitor.engine.step(Input::ExemplarsRead { root, kept }, now));
            }
            Output::Tell(UpdateBody::Comparison(view)) => return *view,
            _ => {}
        }
    }
    panic!("nothing was told")
}

#[test]
fn a_slow_trace_is_compared_with_a_normal_one_of_its_hour_and_its_release_is_blamed() {
    let dir = tempfile::tempdir().unwrap();
    let fault = window(1_815, 2_415);
    let mut monitor = begin(dir.path(), fault);
    monitor.run_until(at(2_400));
    let slow = monitor.traffic.visit(2_100);
    let view = compared(&mut monitor, slow.clone());
    let normal = view.normal.clone().unwrap();
    assert_eq!((normal.level, view.operation.clone()), (Level::HourOfWeek, Some(key("shop", "GET /"))));
    assert!(normal.start < fault.from && normal.of >= 1, "{normal:?}");
    let median = normal.median.unwrap();
    assert!(normal.end_to_end.0.abs_diff(median.0) * 20 < median.0, "{normal:?} is near the median");
    assert_eq!(view.rows.iter().map(|row| row.contribution_us()).sum::<i64>(), view.longer_us());
    let query = view.rows.iter().find(|row| row.key == key("db", "query")).unwrap();
    assert!(query.contribution_us() * 10 > view.longer_us() * 9, "the query explains it");

    let about = view.separations.iter().find(|separation| separation.key == key("db", "query")).unwrap();
    assert!(about.slow >= 20 && about.normal >= 5, "{} slow, {} normal", about.slow, about.normal);
    let told: Vec<&str> = about.splits.iter().map(|split| &*split.name).collect();
    assert_eq!(told, ["service.version"], "neither ids nor counters");
    let split = &about.splits[0];
    assert_eq!((&split.owner, split.slow, split.normal), (&Owner::Process("db".into()), about.slow, 0));
    assert_eq!(about.no_signal.as_ref().map(|split| &*split.name), Some("colour"));

    // It is kept: a restart tells the same, but for what was not written yet.
    monitor.step(Input::TimePassed { commit: true });
    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), at(2_430), Shop { fault }, &[]);
    let again = compared(&mut monitor, slow);
    assert_eq!((again.normal, again.rows), (view.normal, view.rows));
}

#[test]
fn without_a_kept_trace_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Clockwork::start(dir.path(), at(0), Shop { fault: window(0, 0) }, &[]);
    let trace = monitor.traffic.visit(5);
    let view = compared(&mut monitor, trace);
    assert_eq!((view.normal, view.kept, view.rows), (None, 0, Vec::new()));
    let view = compared(&mut monitor, Trace { id: TraceId(1), spans: Vec::new() });
    assert_eq!((view.operation, view.normal), (None, None));
}

fn exemplar(trace: u128, start: Timestamp) -> Exemplar {
    let part = Part {
        parent: None,
        key: key("shop", "GET /"),
        side: Side { spans: 1, ..Side::default() },
        longest: Micros(1),
        attributes: [("é", "\u{1b}[31m")].into_iter().collect(),
    };
    Exemplar {
        trace: TraceId(trace),
        start,
        end_to_end: Micros(1),
        parts: vec![part],
        resources: vec![("shop".into(), Attributes::default())],
        left_out: 0,
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, chrono::DateTime::from_timestamp(START, 0).unwrap()).unwrap().store
}

#[test]
fn the_store_keeps_the_newest_of_each_half_hour_and_the_last_abnormal_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (root, other) = (key("shop", "GET /"), key("shop", "POST /"));
    let week = 7 * 24 * HOUR;
    for (trace, start) in [(1, 0), (2, week), (3, 600), (4, week + 60)] {
        store.keep_exemplar(&root, ExemplarSlot::Normal(7), &exemplar(trace, at(start))).unwrap();
    }
    for n in 0..70u32 {
        store.keep_exemplar(&other, ExemplarSlot::Abnormal, &exemplar(n.into(), at(i64::from(n)))).unwrap();
    }
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.exemplars(&root).unwrap(), [exemplar(4, at(week + 60))], "a week before never takes its place");
    let abnormal: Vec<u128> = store.exemplars(&other).unwrap().iter().map(|one| one.trace.0).collect();
    assert_eq!(abnormal, (6..70).collect::<Vec<u128>>());
    assert_eq!(store.exemplars(&key("shop", "PUT /")).unwrap(), []);
    store.tidy(at(40 * 24 * HOUR), 30, &store::Settings::default()).unwrap();
    assert_eq!(store.exemplars(&other).unwrap(), [], "what is older than is learnt from is forgotten");
}
