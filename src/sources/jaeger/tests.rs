//! The client against in-process servers that speak both dialects and misbehave as real ones do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use chrono::DateTime;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::domain::{SpanId, TimeWindow};

/// Full seconds keep the arithmetic of windows readable.
const T0: i64 = 1_755_600_000_000_000;
const SECOND: i64 = 1_000_000;

/// A storage: each trace has `spans` spans of `cart` that start together.
#[derive(Default)]
struct Fake {
    legacy: AtomicBool,
    v3: bool,
    /// Id and start, any order.
    traces: Vec<(u64, i64)>,
    spans: u64,
    /// Refuses higher limits with a 500.
    most: Option<usize>,
    /// A trace that starts here cannot be written by the legacy API.
    poison: Option<i64>,
    /// Bytes in an attribute of each trace.
    padding: usize,
    /// Keeps traces of the newest three times `limit` spans, as Cassandra does.
    row_limited: bool,
    ignores_window: bool,
    asked: AtomicU64,
}

impl Fake {
    fn new(traces: Vec<(u64, i64)>) -> Self {
        Self { legacy: AtomicBool::new(true), traces, spans: 1, ..Self::default() }
    }

    fn only_v3(mut self) -> Self {
        self.legacy = AtomicBool::new(false);
        self.v3 = true;
        self
    }

    fn select(&self, from: i64, to: i64, limit: usize) -> Result<Vec<(u64, i64)>, Box<Response>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.most.is_some_and(|most| limit > most) {
            let text = "search depth must be greater than 0 and less than max traces";
            let body = json!({"data": null, "errors": [{"code": 500, "msg": text}]});
            return Err(Box::new((StatusCode::INTERNAL_SERVER_ERROR, format!("{body}\n")).into_response()));
        }
        let within = |start: i64| self.ignores_window || (from..=to).contains(&start);
        let mut found: Vec<_> = self.traces.iter().copied().filter(|(_, start)| within(*start)).collect();
        found.sort_by_key(|(id, start)| (-start, *id));
        let rows = if self.row_limited { 3 * limit / self.spans as usize } else { usize::MAX };
        found.truncate(limit.min(rows));
        Ok(found)
    }
}

fn legacy_trace(fake: &Fake, id: u64, start: i64) -> Value {
    let spans: Vec<Value> = (1..=fake.spans)
        .map(|span| {
            json!({"traceID": format!("{id:x}"), "spanID": format!("{span:x}"), "operationName": "GET /", "startTime": start,
                "duration": 5, "processID": "p1", "tags": [{"key": "pad", "value": "x".repeat(fake.padding)}]})
        })
        .collect();
    json!({"traceID": format!("{id:x}"), "spans": spans, "processes": {"p1": {"serviceName": "cart"}}})
}

fn v3_trace(id: u64, start: i64) -> Value {
    let (start, end) = (format!("{start}000"), format!("{}000", start + 5));
    let span = json!({"traceId": format!("{id:032x}"), "spanId": "01", "name": "GET /", "startTimeUnixNano": start,
        "endTimeUnixNano": end});
    json!({"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}]},
        "scopeSpans": [{"spans": [span]}]})
}

type Params = Query<HashMap<String, String>>;

fn gone() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

async fn legacy_search(State(fake): State<Arc<Fake>>, Query(query): Params) -> Response {
    if !fake.legacy.load(Ordering::Relaxed) {
        return gone();
    }
    let number = |key: &str| query[key].parse::<i64>().unwrap();
    assert_eq!(query["service"], "cart");
    match fake.select(number("start"), number("end"), number("limit") as usize) {
        Ok(found) if found.iter().any(|(_, start)| Some(*start) == fake.poison) => {
            let body = json!({"data": null, "errors": [{"code": 500, "msg": "json: unsupported value: NaN"}]});
            (StatusCode::INTERNAL_SERVER_ERROR, body.to_string()).into_response()
        }
        Ok(found) => {
            let data: Vec<Value> = found.iter().map(|(id, start)| legacy_trace(&fake, *id, *start)).collect();
            json!({"data": data, "errors": null}).to_string().into_response()
        }
        Err(refusal) => *refusal,
    }
}

fn not_found() -> Response {
    let body = json!({"error": {"httpCode": 404, "message": "No traces found"}});
    (StatusCode::NOT_FOUND, body.to_string()).into_response()
}

async fn v3_search(State(fake): State<Arc<Fake>>, Query(query): Params) -> Response {
    if !fake.v3 {
        return gone();
    }
    let nanos = |key: &str| DateTime::parse_from_rfc3339(&query[key]).unwrap().timestamp_nanos_opt().unwrap();
    let (from, to) = (nanos("query.start_time_min"), nanos("query.start_time_max"));
    assert!(from < to && query["query.service_name"] == "cart");
    match fake.select(from.div_euclid(1_000), to.div_euclid(1_000), query["query.num_traces"].parse().unwrap()) {
        Ok(found) if found.is_empty() => not_found(),
        Ok(found) => {
            let resources: Vec<Value> = found.iter().map(|(id, start)| v3_trace(*id, *start)).collect();
            json!({"result": {"resourceSpans": resources}}).to_string().into_response()
        }
        Err(refusal) => *refusal,
    }
}

async fn by_id(fake: &Fake, id: &str, legacy: bool) -> Response {
    let id = u64::from_str_radix(id, 16).unwrap();
    match fake.traces.iter().find(|(known, _)| *known == id) {
        Some((id, start)) if legacy => json!({"data": [legacy_trace(fake, *id, *start)]}).to_string().into_response(),
        Some((id, start)) => json!({"result": {"resourceSpans": [v3_trace(*id, *start)]}}).to_string().into_response(),
        None if legacy => {
            let body = json!({"data": null, "errors": [{"code": 404, "msg": "trace not found"}]});
            (StatusCode::NOT_FOUND, body.to_string()).into_response()
        }
        None => not_found(),
    }
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn serve_fake(fake: Arc<Fake>) -> String {
    let names = json!(["web", "jaeger", "cart", "cart"]);
    let (legacy_names, v3_names) =
        (json!({"data": names, "total": 4}).to_string(), json!({"services": names}).to_string());
    let router = Router::new()
        .route("/api/traces", get(legacy_search))
        .route("/api/v3/traces", get(v3_search))
        .route(
            "/api/services",
            get(
                async move |State(fake): State<Arc<Fake>>| {
                    if fake.legacy.load(Ordering::Relaxed) { legacy_names.into_response() } else { gone() }
                },
            ),
        )
        .route(
            "/api/v3/services",
            get(async move |State(fake): State<Arc<Fake>>| if fake.v3 { v3_names.into_response() } else { gone() }),
        )
        .route(
            "/api/v3/trace-summaries",
            get(async || (StatusCode::BAD_REQUEST, "{\"error\":{\"httpCode\":400,\"message\":\"no time\"}}")),
        )
        .route(
            "/api/traces/{id}",
            get(async |State(fake): State<Arc<Fake>>, Path(id): Path<String>| by_id(&fake, &id, true).await),
        )
        .route(
            "/api/v3/traces/{id}",
            get(async |State(fake): State<Arc<Fake>>, Path(id): Path<String>| by_id(&fake, &id, false).await),
        )
        .with_state(fake);
    serve(router).await
}

fn jaeger(url: String, limit: u32) -> Arc<Jaeger> {
    let mut settings = Settings { url, limit, ..Settings::default() };
    settings.http.body_cap_mb = 1;
    Arc::new(Jaeger::new(&settings).unwrap())
}

/// How often each trace was delivered, and the report.
async fn search(jaeger: &Arc<Jaeger>, window: TimeWindow) -> (BTreeMap<u64, u32>, Result<SearchReport, SourceError>) {
    let (send, mut receive) = mpsc::channel(2);
    let jaeger = Arc::clone(jaeger);
    let task = tokio::spawn(async move { jaeger.search("cart", window, &send).await });
    let mut delivered = BTreeMap::new();
    while let Some(batch) = receive.recv().await {
        for trace in batch {
            *delivered.entry(trace.id.0 as u64).or_default() += 1;
        }
    }
    (delivered, task.await.unwrap())
}

fn window(from_s: i64, to_s: i64) -> TimeWindow {
    TimeWindow::new(Timestamp(T0 + from_s * SECOND), Timestamp(T0 + to_s * SECOND))
}

/// Traces crowded towards the start of ten seconds.
fn crowd(count: u64) -> Vec<(u64, i64)> {
    (0..count).map(|i| (i + 1, T0 + ((i * 797 + i * i) % 9_999_991) as i64)).collect()
}

fn assert_all_once(delivered: &BTreeMap<u64, u32>, traces: &[(u64, i64)]) {
    let missing: Vec<_> = traces.iter().filter(|(id, _)| !delivered.contains_key(id)).collect();
    assert!(missing.is_empty(), "{} missing: {:?}", missing.len(), &missing[..missing.len().min(5)]);
    assert!(delivered.values().all(|times| *times == 1), "delivered twice: {delivered:?}");
}

#[tokio::test]
async fn full_pages_are_split_until_nothing_is_missing() {
    for fake in [Fake::new(crowd(700)), Fake::new(crowd(700)).only_v3()] {
        let fake = Arc::new(fake);
        let jaeger = jaeger(serve_fake(Arc::clone(&fake)).await, 20);
        let (delivered, report) = search(&jaeger, window(0, 10)).await;
        assert_all_once(&delivered, &fake.traces);
        let report = report.unwrap();
        assert_eq!((report.traces, report.spans, report.clipped.len()), (700, 700, 0));
        assert_eq!(report.requests, fake.asked.load(Ordering::Relaxed));
        assert!(report.bytes > 70_000);
    }
}

#[tokio::test]
async fn windows_are_half_open() {
    for fake in
        [Fake::new(vec![(1, T0), (2, T0 + 10 * SECOND)]), Fake::new(vec![(1, T0), (2, T0 + 10 * SECOND)]).only_v3()]
    {
        let jaeger = jaeger(serve_fake(Arc::new(fake)).await, 20);
        assert_eq!(search(&jaeger, window(0, 10)).await.0.into_keys().collect::<Vec<_>>(), [1]);
        assert_eq!(search(&jaeger, window(10, 20)).await.0.into_keys().collect::<Vec<_>>(), [2]);
        let microsecond = TimeWindow::new(Timestamp(T0), Timestamp(T0 + 1));
        assert_eq!(search(&jaeger, microsecond).await.0.into_keys().collect::<Vec<_>>(), [1]);
        assert_eq!(search(&jaeger, window(30, 40)).await.1.unwrap().traces, 0);
        assert_eq!(search(&jaeger, window(10, 10)).await.1.unwrap().requests, 0);
    }
}

#[tokio::test]
async fn what_cannot_be_split_further_is_reported() {
    let together = (1..=50).map(|id| (id, T0 + 3 * SECOND + 77)).collect();
    let jaeger = jaeger(serve_fake(Arc::new(Fake::new(together))).await, 10);
    let (delivered, report) = search(&jaeger, window(0, 10)).await;
    let report = report.unwrap();
    let [clipped] = &report.clipped[..] else { panic!("{report:?}") };
    assert!(clipped.contains(Timestamp(T0 + 3 * SECOND + 77)) && clipped.length() <= crate::domain::Micros(1_000));
    assert_eq!((delivered.len(), report.traces), (10, 10));
}

#[tokio::test]
async fn a_server_that_ignores_the_window_ends_the_search() {
    let fake = Fake { ignores_window: true, ..Fake::new(crowd(5)) };
    let jaeger = jaeger(serve_fake(Arc::new(fake)).await, 5);
    let report = search(&jaeger, window(0, 8)).await.1.unwrap();
    assert_eq!((report.requests, report.traces), (4_096, 5));
    let clipped: u64 = report.clipped.iter().map(|window| window.length().0).sum();
    assert_eq!(clipped, 8_000_000, "all of the window is in doubt");
}

#[tokio::test]
async fn a_limit_that_the_storage_refuses_is_lowered_and_remembered() {
    let fake = Arc::new(Fake { most: Some(300), ..Fake::new(crowd(400)) });
    let jaeger = jaeger(serve_fake(Arc::clone(&fake)).await, 1_000);
    let (delivered, report) = search(&jaeger, window(0, 10)).await;
    assert_all_once(&delivered, &fake.traces);
    assert_eq!(report.unwrap().clipped, []);
    let before = fake.asked.load(Ordering::Relaxed);
    assert!(search(&jaeger, window(20, 30)).await.1.is_ok());
    assert_eq!(fake.asked.load(Ordering::Relaxed), before + 1, "the second search starts with the limit that worked");
}

#[tokio::test]
async fn a_limit_that_is_always_refused_is_an_error() {
    let jaeger = jaeger(serve_fake(Arc::new(Fake { most: Some(0), ..Fake::new(vec![]) })).await, 1_000);
    let error = search(&jaeger, window(0, 10)).await.1.unwrap_err();
    assert!(error.to_string().contains("search depth"), "{error}");
}

#[tokio::test]
async fn a_value_that_cannot_be_written_is_isolated() {
    let mut fake = Fake::new(crowd(100));
    let (poisoned, at) = fake.traces[57];
    fake.poison = Some(at);
    let fake = Arc::new(fake);
    let client = jaeger(serve_fake(Arc::clone(&fake)).await, 1_000);
    let (delivered, report) = search(&client, window(0, 10)).await;
    let healthy: Vec<_> = fake.traces.iter().copied().filter(|(id, _)| *id != poisoned).collect();
    let [unreadable] = &report.unwrap().unreadable[..] else { panic!("one window expected") };
    assert!(unreadable.contains(Timestamp(at)) && unreadable.length() <= crate::domain::Micros(1_000));
    let lost =
        healthy.iter().filter(|(id, start)| !delivered.contains_key(id) && !unreadable.contains(Timestamp(*start)));
    assert_eq!(lost.count(), 0);

    let helped = Arc::new(Fake { poison: Some(at), v3: true, ..Fake::new(crowd(100)) });
    let client = jaeger(serve_fake(Arc::clone(&helped)).await, 1_000);
    let (delivered, report) = search(&client, window(0, 10)).await;
    assert_all_once(&delivered, &helped.traces);
    assert_eq!((report.as_ref().unwrap().unreadable.len(), report.unwrap().requests), (0, 2), "the other API gave it");
}

#[tokio::test]
async fn an_answer_above_the_cap_is_split() {
    let fake = Arc::new(Fake { padding: 100_000, ..Fake::new(crowd(40)) });
    let client = jaeger(serve_fake(Arc::clone(&fake)).await, 1_000);
    let (delivered, report) = search(&client, window(0, 10)).await;
    let report = report.unwrap();
    let readable: Vec<_> = fake
        .traces
        .iter()
        .copied()
        .filter(|(_, at)| !report.unreadable.iter().any(|w| w.contains(Timestamp(*at))))
        .collect();
    assert_all_once(&delivered, &readable);
    assert!(report.unreadable.is_empty() && report.requests > 4, "{report:?}");

    let fake = Fake { padding: 1_100_000, ..Fake::new(vec![(1, T0 + 5)]) };
    let client = jaeger(serve_fake(Arc::new(fake)).await, 1_000);
    let report = search(&client, window(0, 1)).await.1.unwrap();
    assert_eq!((report.traces, report.unreadable.len()), (0, 1), "{report:?}");
}

#[tokio::test]
async fn storages_that_limit_rows_are_found_out() {
    let fake = Arc::new(Fake { row_limited: true, spans: 12, ..Fake::new(crowd(300)) });
    let client = jaeger(serve_fake(Arc::clone(&fake)).await, 40);
    let (delivered, report) = search(&client, window(0, 10)).await;
    assert_all_once(&delivered, &fake.traces);
    assert_eq!(report.unwrap().clipped, []);
}

#[tokio::test]
async fn suspicion_of_a_row_limit_is_dropped_when_it_proves_wrong() {
    let fake = Arc::new(Fake { spans: 12, ..Fake::new(crowd(30)) });
    let client = jaeger(serve_fake(Arc::clone(&fake)).await, 40);
    for _ in 0..5 {
        assert_all_once(&search(&client, window(0, 10)).await.0, &fake.traces);
    }
    let before = fake.asked.load(Ordering::Relaxed);
    assert_all_once(&search(&client, window(0, 10)).await.0, &fake.traces);
    assert_eq!(fake.asked.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn probing_finds_the_api_and_finds_it_again_after_an_upgrade() {
    let fake = Arc::new(Fake { v3: true, ..Fake::new(crowd(10)) });
    let client = jaeger(serve_fake(Arc::clone(&fake)).await + "/search?service=cart", 100);
    let found = client.probe().await.unwrap();
    assert_eq!((found.api, found.detail.as_str()), (Api::Legacy, "legacy api"));
    assert!(found.server_time.is_some());
    assert_eq!(search(&client, window(0, 10)).await.0.len(), 10);

    fake.legacy.store(false, Ordering::Relaxed);
    assert_eq!(search(&client, window(0, 10)).await.0.len(), 10, "the search went on with the other API");
    assert_eq!(client.services().await.unwrap(), ["cart", "web"]);
    assert_eq!(client.probe().await.unwrap().api, Api::V3 { summaries: true });

    fake.legacy.store(true, Ordering::Relaxed);
    assert_eq!(client.services().await.unwrap(), ["cart", "web"]);
}

#[tokio::test]
async fn probing_says_why_nothing_answers() {
    let html = Router::new().fallback(async || Html("<!doctype html><title>Jaeger UI</title>"));
    let unauthorized = Router::new().fallback(async || (StatusCode::UNAUTHORIZED, "missing tenant header\n"));
    let nothing = Router::new();
    let other = Router::new().fallback(async || "{\"status\":\"success\"}");
    for (router, reason) in [
        (html, "HTML instead of JSON (login page?)"),
        (unauthorized, "401 unauthorized: missing tenant header"),
        (nothing, "404 not found"),
        (other, "unexpected JSON: no `data`"),
    ] {
        let client = jaeger(serve(router).await, 100);
        assert_eq!(client.probe().await.unwrap_err().to_string(), reason);
        assert_eq!(search(&client, window(0, 1)).await.1.unwrap_err().to_string(), reason);
    }
}

#[tokio::test]
async fn a_trace_is_fetched_by_its_id_in_both_dialects() {
    for fake in [Fake::new(vec![(0xabc, T0)]), Fake::new(vec![(0xabc, T0)]).only_v3()] {
        let client = jaeger(serve_fake(Arc::new(fake)).await, 100);
        let trace = client.trace(TraceId(0xabc)).await.unwrap().unwrap();
        assert_eq!((trace.id, trace.spans[0].id), (TraceId(0xabc), SpanId(1)));
        assert_eq!(client.trace(TraceId(0xdef)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn empty_and_broken_answers_are_told_apart() {
    async fn answer(body: &'static str) -> Result<SearchReport, SourceError> {
        let router = Router::new()
            .route("/api/services", get(async || "{\"data\":null,\"errors\":null}"))
            .route("/api/traces", get(async move || body));
        let client = jaeger(serve(router).await, 100);
        assert_eq!(client.services().await.unwrap(), Vec::<String>::new());
        search(&client, window(0, 1)).await.1
    }
    assert_eq!(answer("{\"data\":null,\"errors\":null}").await.unwrap().traces, 0);
    assert_eq!(answer("{\"data\":[{\"traceID\":\"1\",").await.unwrap_err().kind(), ErrorKind::CutOff);
    assert_eq!(answer("{\"data\":7}").await.unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(answer("<html>").await.unwrap_err().kind(), ErrorKind::Html);
}

#[tokio::test]
async fn a_search_ends_when_nobody_receives() {
    let client = jaeger(serve_fake(Arc::new(Fake::new(crowd(50)))).await, 100);
    let (send, receive) = mpsc::channel(1);
    drop(receive);
    assert_eq!(client.search("cart", window(0, 10), &send).await.unwrap_err().kind(), ErrorKind::Stopped);
}
