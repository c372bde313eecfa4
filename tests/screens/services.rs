//! One service as the monitor would tell of it, and the map of the exchange.

use std::sync::Arc;

use spanwatch::domain::{AlertKind, Micros, Severity, SpanKey, SpanKind};
use spanwatch::messages::{
    EdgeView, FailureRow, FailuresView, MapView, Means, MetricsSeen, NodeView, OperationView, Pace, RequestsView,
    ServicePageView, ServiceState,
};

use super::fixture::{ago, friday_03, incidents, matcher, slow_services, worst};

const fn ms(millis: u64) -> Micros {
    Micros::from_millis(millis)
}

fn operation(name: &str, kind: SpanKind, calls: u64, times: f64, p99: u64, own: u64) -> OperationView {
    OperationView {
        key: SpanKey::new("order-matcher", name, kind),
        calls,
        per_s: calls as f64 / 284.0,
        normal_per_s: Some(0.14),
        error_share: (calls > 0).then_some(if times > 5.0 { 0.028 } else { 0.0 }),
        p50: (calls > 0).then_some(ms(p99 / 3)),
        p95: (calls > 0).then_some(ms(p99 * 9 / 10)),
        p99: (calls > 0).then_some(ms(p99)),
        normal_p99: Some(ms((p99 as f64 / times) as u64)),
        times_normal: (calls > 2).then_some(times),
        self_time: (calls > 0).then_some(ms(own)),
        self_normal: Some(ms((own as f64 / times) as u64)),
        severity: None,
    }
}

fn pace(operation: &str, of: u32, p50: u64, p99: u64, times: f64) -> Pace {
    Pace {
        operation: SpanKey::new("exchange-api", operation, SpanKind::Producer),
        of,
        p50: ms(p50),
        p99: ms(p99),
        normal_p99: Some(ms((p99 as f64 / times) as u64)),
        times_normal: Some(times),
    }
}

fn edge(caller: &str, callee: &str, means: Means, calls: u64, times: f64) -> EdgeView {
    EdgeView {
        caller: caller.into(),
        callee: callee.into(),
        means,
        calls,
        per_s: calls as f64 / 300.0,
        normal_per_s: Some(0.15),
        error_share: (calls > 0).then_some(0.0),
        call: (calls > 0).then(|| pace("publish <default>", 1, 110, 310, 1.0)),
        between: (calls > 0 && means == Means::Queue).then(|| pace("publish <default>", 1, 40, 120, times)),
        severity: None,
        kinds: Vec::new(),
    }
}

fn queue() -> EdgeView {
    EdgeView {
        severity: Some(Severity::Sev2),
        kinds: vec![AlertKind::SelfTime],
        ..edge("exchange-api", "order-matcher", Means::Queue, 41, 6.1)
    }
}

/// The matcher during the incident.
pub fn page() -> ServicePageView {
    let matching = OperationView {
        severity: Some(Severity::Sev1),
        ..operation("order.match", SpanKind::Consumer, 41, 9.8, 2_210, 1_880)
    };
    let young = OperationView {
        normal_per_s: None,
        normal_p99: None,
        times_normal: None,
        self_normal: None,
        ..operation("settle.v2", SpanKind::Internal, 2, 1.0, 30, 30)
    };
    let message = |message: Option<&str>, count, secs, is_new| FailureRow {
        message: message.map(Arc::from),
        count,
        last: ago(secs),
        operation: matcher(),
        operations: 1 + u32::from(count > 10),
        is_new,
    };
    ServicePageView {
        service: "order-matcher".into(),
        bucket: friday_03(),
        summary: slow_services().into_iter().next(),
        requests: Some(RequestsView { calls: 41, per_s: 0.137, normal_per_s: Some(0.15), error_share: Some(0.028) }),
        alerts: incidents()[0]
            .incident
            .alerts
            .iter()
            .zip(&incidents()[0].alerts)
            .map(|(_, alert)| alert.clone())
            .take(2)
            .collect(),
        operations: vec![
            operation("SELECT orders", SpanKind::Client, 492, 8.1, 121, 119),
            operation("index lookup", SpanKind::Internal, 0, 1.0, 4, 4),
            operation("ledger append", SpanKind::Client, 39, 0.9, 70, 66),
            matching,
            operation("order.match", SpanKind::Internal, 41, 1.2, 40, 12),
            operation("order.response", SpanKind::Producer, 38, 1.1, 240, 240),
            young,
        ],
        failures: FailuresView {
            since: ago(3_550),
            spans: 8_412,
            failed: 31,
            passed_on: 9,
            uncounted: 0,
            rows: vec![
                message(Some("canceling statement due to statement timeout after {id} ms"), 17, 12, true),
                message(Some("connection pool exhausted"), 4, 300, false),
                message(None, 1, 2_000, false),
            ],
        },
        kept: vec![worst(), {
            let mut failed = worst();
            failed.error = true;
            failed.severity = Severity::Sev3;
            failed.key = SpanKey::new("order-matcher", "SELECT orders", SpanKind::Client);
            failed.duration = ms(180);
            failed.z = 4.1;
            failed
        }],
        neighbours: vec![
            queue(),
            edge("order-matcher", "exchange-api", Means::Queue, 38, 1.1),
            edge("order-matcher", "ledger", Means::Call, 39, 0.9),
        ],
        metrics: Some(MetricsSeen { metrics: 3, last: Some(ago(20)) }),
    }
}

/// One of which nothing was seen but metrics.
pub fn only_metrics() -> ServicePageView {
    ServicePageView {
        summary: None,
        requests: None,
        alerts: Vec::new(),
        operations: Vec::new(),
        failures: FailuresView::default(),
        kept: Vec::new(),
        neighbours: Vec::new(),
        ..page()
    }
}

pub fn hostile() -> ServicePageView {
    let mut page = page();
    let name = "evil\u{1b}[2J 取引所\u{202e}の注文を照合する処理 \u{9b}31m".repeat(3);
    page.operations[3].key.operation = name.as_str().into();
    page.operations[0].key.operation = "a\u{301}\u{200b}\tb\r\n".into();
    page.failures.rows[0].message = Some(name.as_str().into());
    page.kept[0].key.operation = name.as_str().into();
    page.neighbours[0].caller = name.into();
    page
}

fn node(service: &str, state: Option<ServiceState>, severity: Option<Severity>) -> NodeView {
    NodeView {
        service: service.into(),
        state,
        severity,
        kinds: severity.map(|_| AlertKind::SelfTime).into_iter().collect(),
        times_normal: severity.map(|_| 7.4),
        last_seen: Some(ago(725)),
        worst_operation: None,
    }
}

/// The exchange with some more around it.
pub fn map() -> MapView {
    let judged = Some(ServiceState::Judged);
    MapView {
        bucket: friday_03(),
        nodes: vec![
            node("api-gateway", judged, None),
            node("crypto-wallet", judged, Some(Severity::Sev3)),
            node("disk-array", None, None),
            node("exchange-api", judged, Some(Severity::Sev2)),
            node("ledger", judged, None),
            node("loyalty", Some(ServiceState::Learning), None),
            node("order-matcher", judged, Some(Severity::Sev1)),
            node("settlement", Some(ServiceState::Absent), None),
        ],
        edges: vec![
            queue(),
            edge("order-matcher", "settlement", Means::Call, 0, 1.0),
            edge("api-gateway", "exchange-api", Means::Call, 44, 1.0),
            edge("api-gateway", "loyalty", Means::Call, 4, 1.0),
            edge("crypto-wallet", "api-gateway", Means::Call, 45, 1.0),
            edge("exchange-api", "ledger", Means::Mixed, 20, 1.0),
            edge("order-matcher", "exchange-api", Means::Queue, 38, 1.1),
            edge("order-matcher", "ledger", Means::Call, 39, 0.9),
        ],
        uncounted: 0,
    }
}

/// More services than the graph holds, each calling some others.
pub fn large_map() -> MapView {
    let name = |n: usize| format!("svc-{n:03}-{}", "取引所".repeat(n % 3));
    let nodes = (0..200).map(|n| node(&name(n), Some(ServiceState::Judged), None)).collect();
    let edges =
        (1..200).flat_map(|n| [(n / 4, n), (n / 9, n)]).map(|(a, b)| edge(&name(a), &name(b), Means::Call, 9, 1.0));
    MapView { nodes, edges: edges.collect(), ..map() }
}

pub fn hostile_map() -> MapView {
    let mut map = map();
    let name: Arc<str> = "\u{1b}]0;x\u{7}取引所の注文を照合する処理はとても長い名前".into();
    for edge in &mut map.edges {
        for end in [&mut edge.caller, &mut edge.callee] {
            if &**end == "exchange-api" {
                *end = name.clone();
            }
        }
    }
    map.nodes[3].service = name;
    map.nodes.sort_by(|a, b| a.service.cmp(&b.service));
    map
}
