//! What is told of one service and of the calls between services: the numbers are those of the traffic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/clockwork.rs"]
mod clockwork;

use std::path::Path;
use std::sync::Arc;

use spanwatch::domain::{Attributes, Micros, Span, SpanId, SpanKey, SpanKind, TimeWindow, Timestamp, Trace, TraceId};
use spanwatch::engine::{Input, MetricReading};
use spanwatch::messages::{EdgeView, MapView, Means, ServicePageView, ServiceState, UpdateBody};

use clockwork::{Clockwork, Traffic};

const HOUR: i64 = 3_600;
/// Friday 2026-11-20T09:00:00Z
const START: i64 = 1_795_165_200;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn key(service: &str, operation: &str, kind: SpanKind) -> SpanKey {
    SpanKey::new(service, operation, kind)
}

/// A shop that asks its database twice a second, every fourth time also a queue. From the fault on every fifth question
/// fails and every connection takes 300 ms; the queue falls silent.
#[derive(Debug, Clone)]
struct Shop {
    fault: i64,
}

impl Shop {
    fn visit(&self, half: i64) -> Trace {
        let start = at(0) + Micros(500_000 * half.unsigned_abs());
        let start = if half < 0 { at(0) - Micros(500_000 * half.unsigned_abs()) } else { start };
        let broken = half >= 2 * self.fault;
        let failed = broken && half % 5 == 0;
        let vary = half.rem_euclid(97) as u64 * 50;
        let connect = if broken { 300_000 } else { 2_000 };
        let span = |id: u64, parent: Option<u64>, key: SpanKey, after: u64, duration: u64, error: bool| Span {
            id: SpanId(id),
            parent: parent.map(SpanId),
            key,
            start: start + Micros(after),
            duration: Micros(duration),
            error,
            attributes: Attributes::default(),
            resource: Arc::default(),
        };
        let query = 10_000 + vary;
        let call = query + connect;
        let mut spans = vec![
            span(1, None, key("shop", "GET /", SpanKind::Server), 0, call + 5_000, failed),
            span(2, Some(1), key("shop", "connect", SpanKind::Client), 1_000, call, failed),
            Span {
                attributes: if failed {
                    [("exception.message", format!("deadlock in transaction {half}").as_str())].into_iter().collect()
                } else {
                    Attributes::default()
                },
                ..span(3, Some(2), key("db", "query", SpanKind::Server), 1_000 + connect, query, failed)
            },
        ];
        if half % 4 == 0 && !broken {
            spans.push(span(4, Some(1), key("shop", "send", SpanKind::Producer), 2_000, 1_000, false));
            spans.push(span(5, Some(4), key("mail", "deliver", SpanKind::Consumer), 53_000, 20_000, false));
        }
        Trace { id: TraceId((half + 10_000_000) as u128), spans }
    }
}

impl Traffic for Shop {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace> {
        let half = |at: Timestamp| (at.secs() - START) * 2;
        (half(window.from)..half(window.to)).map(|half| self.visit(half)).collect()
    }
}

fn begin(dir: &Path, fault: i64) -> Clockwork<Shop> {
    let mut monitor = Clockwork::start(dir, at(0), Shop { fault }, &[]);
    monitor.back_fill(at(-3 * HOUR));
    // The same hour a week before.
    monitor.fill(TimeWindow::new(at(-168 * HOUR), at(-167 * HOUR)));
    monitor.recalculate();
    monitor
}

fn service(monitor: &mut Clockwork<Shop>, name: &str) -> ServicePageView {
    monitor.step(Input::ServiceAsked(Some(name.into())));
    let told =
        monitor.told.iter().find_map(|body| if let UpdateBody::Service(view) = body { Some(view) } else { None });
    (**told.unwrap()).clone()
}

fn map(monitor: &mut Clockwork<Shop>) -> MapView {
    monitor.step(Input::MapAsked(true));
    let told = monitor.told.iter().find_map(|body| if let UpdateBody::Map(view) = body { Some(view) } else { None });
    (**told.unwrap()).clone()
}

fn edge<'a>(edges: &'a [EdgeView], callee: &str) -> &'a EdgeView {
    edges.iter().find(|edge| *edge.callee == *callee).unwrap()
}

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= 0.02 * expected
}

#[test]
fn operations_and_calls_have_the_numbers_of_the_traffic() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), HOUR);
    monitor.run_until(at(1_200));
    let view = service(&mut monitor, "shop");
    let names: Vec<&str> = view.operations.iter().map(|view| &*view.key.operation).collect();
    assert_eq!(names, ["GET /", "connect", "send"]);
    let [get, connect, send] = &view.operations[..] else { unreachable!("three names") };
    // Spans in flight at a poll come with the next: what ended in the last seconds may be missing.
    for (operation, expected) in [(get, 2.0), (connect, 2.0), (send, 0.5)] {
        assert!((operation.per_s - expected).abs() <= 0.06 * expected, "{operation:?}");
        assert!(near(operation.normal_per_s.unwrap(), expected), "{operation:?}");
        assert_eq!(operation.error_share, Some(0.0));
    }
    let p99 = connect.p99.unwrap().0;
    assert!((16_000..17_500).contains(&p99), "{p99}");
    assert!((0.95..1.05).contains(&connect.times_normal.unwrap()));
    // The server's own time is what neither the call nor the sending covers.
    let own = get.self_time.unwrap().0;
    assert!((4_800..5_200).contains(&own), "{own}");
    assert!(own.abs_diff(get.self_normal.unwrap().0) < 300);
    let requests = view.requests.unwrap();
    assert!(near(requests.per_s, 2.0) && near(requests.normal_per_s.unwrap(), 2.0), "{requests:?}");
    assert_eq!((requests.calls, requests.error_share), (600, Some(0.0)));
    assert_eq!((view.failures.failed, view.failures.rows.len()), (0, 0));

    let db = edge(&view.neighbours, "db");
    assert_eq!((db.calls, db.means, db.error_share), (600, Means::Call, Some(0.0)));
    assert!(near(db.per_s, 2.0) && near(db.normal_per_s.unwrap(), 2.0), "{db:?}");
    let between = db.between.as_ref().unwrap();
    assert!((1_900..2_100).contains(&between.p50.0) && between.operation == connect.key, "{between:?}");
    assert!((0.9..1.1).contains(&between.times_normal.unwrap()));
    let mail = edge(&view.neighbours, "mail");
    assert_eq!((mail.calls, mail.means), (150, Means::Queue));
    let between = mail.between.as_ref().unwrap();
    assert!((50_000..52_000).contains(&between.p50.0), "the wait in the queue and the sending: {between:?}");
}

#[test]
fn failures_are_counted_by_what_they_say_and_where_they_began() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), 600);
    monitor.run_until(at(1_200));
    let settled = |view: &ServicePageView| view.failures.spans;
    let db = service(&mut monitor, "db");
    // From 600 s on two a second, every fifth of them fails; what ended last has not settled yet.
    let row = &db.failures.rows[0];
    assert_eq!((db.failures.rows.len(), row.message.as_deref()), (1, Some("deadlock in transaction {id}")));
    assert!((230..=240).contains(&row.count), "{row:?}");
    assert_eq!((db.failures.failed, db.failures.passed_on), (row.count, 0));
    assert_eq!((&*row.operation.operation, row.operations, row.is_new), ("query", 1, false), "a day is not known yet");
    assert!(at(1_200).since(row.last) < Micros::from_secs(30));
    assert!(settled(&db) > 2_000, "the hour before the start was read: {}", settled(&db));

    let shop = service(&mut monitor, "shop");
    assert!(shop.failures.rows.is_empty(), "its failures began in the database");
    assert_eq!((shop.failures.failed, shop.failures.passed_on), (2 * row.count, 2 * row.count));
    let requests = shop.requests.unwrap();
    assert!(near(requests.error_share.unwrap(), 0.2), "{requests:?}");
    assert!(!shop.alerts.is_empty() && !shop.kept.is_empty());
    assert!(shop.kept.iter().all(|anomaly| &*anomaly.key.service == "shop"));
    let call = edge(&shop.neighbours, "db");
    assert!(near(call.error_share.unwrap(), 0.2), "{call:?}");
    assert!(call.between.as_ref().unwrap().times_normal.unwrap() > 50.0, "{call:?}");
    assert_eq!(shop.neighbours[0].callee, call.callee, "the abnormal first");
    assert!(call.severity.is_some() && call.is_abnormal());

    let mail = edge(&shop.neighbours, "mail");
    assert_eq!((mail.calls, mail.is_silent()), (0, true), "learnt, and gone");
    assert!(near(mail.normal_per_s.unwrap(), 0.5));
    assert_eq!(mail.error_share, None);
}

#[test]
fn the_map_has_every_service_also_one_that_is_silent_and_one_of_which_only_metrics_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), 600);
    monitor.run_until(at(1_200));
    let reading = |normal| MetricReading {
        service: "disk-array".into(),
        name: "disk_used".into(),
        at: at(1_190),
        value: 0.5,
        normal,
    };
    monitor.step(Input::MetricsPolled(vec![reading(true), reading(false)]));
    let view = map(&mut monitor);
    let nodes: Vec<(&str, Option<ServiceState>)> = view.nodes.iter().map(|node| (&*node.service, node.state)).collect();
    let judged = Some(ServiceState::Judged);
    assert_eq!(nodes, [("db", judged), ("disk-array", None), ("mail", Some(ServiceState::Absent)), ("shop", judged)]);
    assert_eq!(view.nodes[1].last_seen, Some(at(1_190)));
    let edges: Vec<(&str, &str)> = view.edges.iter().map(|edge| (&*edge.caller, &*edge.callee)).collect();
    assert_eq!(edges, [("shop", "db"), ("shop", "mail")]);

    let lonely = service(&mut monitor, "disk-array");
    assert_eq!((lonely.summary, lonely.metrics.unwrap().metrics), (None, 1));

    // Nobody looks any longer: nothing is told.
    monitor.step(Input::MapAsked(false));
    monitor.step(Input::ServiceAsked(None));
    monitor.told.clear();
    monitor.run_until(at(1_220));
    assert!(!monitor.told.iter().any(|body| matches!(body, UpdateBody::Map(_) | UpdateBody::Service(_))));
}
