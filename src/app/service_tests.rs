use std::sync::Arc;

use super::*;
use crate::app::{Key, KeyCode, Msg, Place};
use crate::domain::{AnomalyId, Attributes, HourOfWeek, Level, SpanId, SpanKind, TraceId};
use crate::messages::{FailuresView, MapView, Means, NodeView, Update, UpdateBody};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn key(operation: &str) -> SpanKey {
    SpanKey::new("shop", operation, SpanKind::Server)
}

fn operation(name: &str, times: f64, rate: f64) -> OperationView {
    OperationView {
        key: key(name),
        calls: 10,
        per_s: rate,
        normal_per_s: None,
        error_share: None,
        p50: None,
        p95: None,
        p99: Some(Micros(10)),
        normal_p99: None,
        times_normal: Some(times),
        self_time: None,
        self_normal: None,
        severity: None,
    }
}

fn edge(caller: &str, callee: &str) -> EdgeView {
    EdgeView {
        caller: caller.into(),
        callee: callee.into(),
        means: Means::Call,
        calls: 1,
        per_s: 1.0,
        normal_per_s: None,
        error_share: None,
        call: None,
        between: None,
        severity: None,
        kinds: Vec::new(),
    }
}

fn slow(operation: &str, id: u64, duration: u64) -> Anomaly {
    Anomaly {
        id: AnomalyId { trace: TraceId(id.into()), span: SpanId(id) },
        key: key(operation),
        severity: Severity::Sev2,
        start: NOW,
        duration: Micros(duration),
        mean_us: 1.0,
        sigma_us: 1.0,
        z: 9.0,
        cut_off_z: 3.0,
        level: Level::Global,
        samples: 100,
        bucket: HourOfWeek::new(0, 0),
        error: false,
        attributes: Attributes::default(),
    }
}

fn page(operations: Vec<OperationView>) -> ServicePageView {
    ServicePageView {
        service: "shop".into(),
        bucket: HourOfWeek::new(0, 0),
        summary: None,
        requests: None,
        alerts: Vec::new(),
        operations,
        failures: FailuresView::default(),
        kept: vec![slow("a", 1, 50), slow("a", 2, 70), slow("b", 3, 60)],
        neighbours: vec![edge("front", "shop"), edge("shop", "db")],
        metrics: None,
    }
}

struct Bench {
    app: App,
    revision: u64,
}

impl Bench {
    /// With the page of the shop open.
    fn new() -> Self {
        let mut bench = Self { app: App::new((120, 40)), revision: 0 };
        bench.app.open_service("shop".into());
        bench.tell(UpdateBody::Service(Box::new(page(vec![operation("a", 1.0, 5.0), operation("b", 3.0, 1.0)]))));
        bench
    }

    fn tell(&mut self, body: UpdateBody) -> Vec<Effect> {
        self.revision += 1;
        self.app.update(Msg::UpdateArrived(Update { revision: self.revision, body }), NOW)
    }

    fn code(&mut self, code: KeyCode) -> Vec<Effect> {
        self.app.update(Msg::KeyPressed(Key::plain(code)), NOW)
    }

    fn keys(&mut self, text: &str) -> Vec<Effect> {
        text.chars().flat_map(|c| self.app.update(Msg::KeyPressed(Key::char(c)), NOW)).collect()
    }

    fn selected(&self) -> &str {
        self.app.selected_operation().map_or("", |key| &key.operation)
    }
}

#[test]
fn the_cursor_stays_on_its_operation_in_whatever_order_they_come() {
    let mut bench = Bench::new();
    assert_eq!(bench.selected(), "b", "the furthest from its normal first");
    bench.keys("j");
    assert_eq!(bench.selected(), "a");
    bench.tell(UpdateBody::Service(Box::new(page(vec![operation("a", 9.0, 5.0), operation("b", 3.0, 1.0)]))));
    assert_eq!(bench.selected(), "a");
    bench.keys("S");
    assert_eq!(bench.selected(), "a", "a new order begins at its top: the most frequent");
    let before = bench.app.revision();
    bench.keys("k");
    assert_eq!(bench.app.revision(), before, "a key that changes nothing draws nothing");
}

#[test]
fn enter_opens_the_slowest_kept_trace_or_says_that_there_is_none() {
    let mut bench = Bench::new();
    bench.keys("j");
    let asked = bench.code(KeyCode::Enter);
    let opened = |trace: u128| Effect::Send(CommandKind::ShowTrace { trace: TraceId(trace) });
    assert!(asked.contains(&opened(2)), "{asked:?}");
    assert_eq!(bench.app.place(), Place::Trace);
    bench.code(KeyCode::Esc);
    assert_eq!((bench.app.place(), bench.selected()), (Place::Service, "a"));
    bench.tell(UpdateBody::Service(Box::new(ServicePageView {
        kept: Vec::new(),
        ..page(vec![operation("a", 1.0, 5.0)])
    })));
    assert_eq!(bench.code(KeyCode::Enter), []);
    assert!(bench.app.view.message.as_ref().is_some_and(|message| message.text.contains("No slow span of a")));
}

#[test]
fn what_a_page_shows_is_asked_for_once_and_given_up_when_it_closes() {
    let show = |service: Option<&str>| Effect::Send(CommandKind::ShowService { service: service.map(Arc::from) });
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.code(KeyCode::Tab);
    }
    assert_eq!(bench.keys("j").len(), 0);
    let asked = bench.code(KeyCode::Enter);
    assert!(asked.contains(&show(Some("db"))), "the neighbour: {asked:?}");
    assert!(
        shown(&bench.app, bench.app.service_cursor().unwrap()).is_none(),
        "another's page is never shown under its name"
    );
    let asked = bench.keys("m");
    assert!(asked.contains(&show(None)) && asked.contains(&Effect::Send(CommandKind::ShowMap { shown: true })));
    let asked = bench.code(KeyCode::Esc);
    assert!(asked.contains(&show(Some("db"))) && asked.contains(&Effect::Send(CommandKind::ShowMap { shown: false })));
    bench.keys("A");
    assert_eq!((bench.app.place(), bench.app.view.filter_text.as_str()), (Place::Alerts, "svc=db"));
}

#[test]
fn the_map_opens_around_the_service_and_its_forms_share_what_is_chosen() {
    let mut bench = Bench::new();
    bench.keys("m");
    let node = |name: &str| NodeView {
        service: name.into(),
        state: Some(ServiceState::Judged),
        severity: None,
        kinds: Vec::new(),
        times_normal: None,
        last_seen: None,
        worst_operation: None,
    };
    let nodes = ["alone", "db", "front", "shop"].map(node).to_vec();
    let edges = vec![edge("db", "front"), edge("front", "shop"), edge("shop", "db")];
    bench.tell(UpdateBody::Map(Box::new(MapView { bucket: HourOfWeek::new(0, 0), nodes, edges, uncounted: 0 })));
    let chosen = |bench: &Bench| {
        let Some(Page::Map(cursor)) = bench.app.page() else { panic!("the map is open") };
        crate::app::map::node(&bench.app, cursor).map(|node| node.service.to_string())
    };
    assert_eq!(chosen(&bench).as_deref(), Some("shop"), "the first call about it");
    bench.code(KeyCode::Tab);
    assert_eq!(chosen(&bench).as_deref(), Some("shop"));
    bench.keys("h");
    let left = chosen(&bench).unwrap();
    assert!(left == "front", "who calls it: {left}");
    bench.code(KeyCode::Tab);
    bench.keys("G");
    assert_eq!(chosen(&bench).as_deref(), Some("alone"), "services without calls come last");
    bench.code(KeyCode::Enter);
    assert_eq!((bench.app.place(), bench.app.service_at_hand().as_deref()), (Place::Service, Some("alone")));
}
