//! The demo's endpoints over real connections: what a client of Jaeger, Prometheus and Ollama relies on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use spanwatch::demo::{DemoError, Fault, Schedule, ServeOptions, Served, export, serve};
use spanwatch::domain::{Micros, TimeWindow, Timestamp, Trace};

const HOUR: Micros = Micros::from_secs(3_600);

async fn demo(rate: f64, schedule: Schedule) -> Served {
    serve(ServeOptions { seed: 5, rate, schedule, port_base: None }).await.unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only(Vec::new()).timeout(Duration::from_secs(30)).build().unwrap()
}

async fn get(url: String, query: &[(&str, &str)]) -> (u16, Value) {
    let answer = client().get(url).query(query).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// The moment from which the exchange began, which lies a moment back.
fn start(served: &Served) -> Timestamp {
    served.exchange().origin()
}

/// Traces by id, each with its spans by id: parent, name, start, duration, error.
type Traces = BTreeMap<String, BTreeMap<String, (Option<String>, String, i64, u64, bool)>>;

fn truth(traces: impl Iterator<Item = Trace>) -> Traces {
    let spans = |trace: &Trace| {
        let spans = trace.spans.iter().map(|span| {
            let parent = span.parent.map(|id| id.to_string());
            let name = span.key.operation.to_string();
            (span.id.to_string(), (parent, name, span.start.0, span.duration.0, span.error))
        });
        spans.collect()
    };
    traces.map(|trace| (trace.id.to_string(), spans(&trace))).collect()
}

fn from_legacy(body: &Value) -> Traces {
    let span = |span: &Value| {
        let parent = span["references"].as_array().unwrap().first().map(|r| r["spanID"].as_str().unwrap().to_owned());
        let error = span["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == "error" && tag["value"] == true);
        let name = span["operationName"].as_str().unwrap().to_owned();
        let (start, duration) = (span["startTime"].as_i64().unwrap(), span["duration"].as_u64().unwrap());
        (span["spanID"].as_str().unwrap().to_owned(), (parent, name, start, duration, error))
    };
    let trace = |trace: &Value| {
        let processes = trace["processes"].as_object().unwrap();
        let spans = trace["spans"].as_array().unwrap();
        assert!(spans.iter().all(|span| processes.contains_key(span["processID"].as_str().unwrap())));
        (trace["traceID"].as_str().unwrap().to_owned(), spans.iter().map(span).collect())
    };
    body["data"].as_array().unwrap().iter().map(trace).collect()
}

fn from_otlp(resource_spans: &Value) -> Traces {
    let mut traces = Traces::new();
    for resource in resource_spans.as_array().unwrap() {
        assert!(resource["resource"]["attributes"].as_array().unwrap().iter().any(|a| a["key"] == "service.name"));
        for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
            let nanos = |key: &str| span[key].as_str().unwrap().parse::<i64>().unwrap();
            let (from, to) = (nanos("startTimeUnixNano"), nanos("endTimeUnixNano"));
            let parent = span.get("parentSpanId").map(|id| id.as_str().unwrap().to_owned());
            let name = span["name"].as_str().unwrap().to_owned();
            let fields = (parent, name, from / 1_000, ((to - from) / 1_000) as u64, span["status"]["code"] == 2);
            let trace = traces.entry(span["traceId"].as_str().unwrap().to_owned()).or_default();
            trace.insert(span["spanId"].as_str().unwrap().to_owned(), fields);
        }
    }
    traces
}

fn rfc3339(at: Timestamp) -> String {
    chrono::DateTime::from_timestamp_micros(at.0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[tokio::test]
async fn both_jaeger_apis_answer_the_simulated_traces() {
    let served = demo(1.0, Schedule::Quiet).await;
    let jaeger = &served.jaeger_url;
    let window = TimeWindow::new(start(&served) - HOUR - HOUR, start(&served) - HOUR);
    let by_visitors = |trace: &Trace| trace.spans.iter().any(|span| &*span.key.service == "crypto-wallet");
    let expected = truth(served.exchange().traces_starting_in(window).filter(by_visitors));
    assert!(expected.len() > 100);

    let (from, to) = (window.from.0.to_string(), (window.to.0 - 1).to_string());
    let query = [("service", "crypto-wallet"), ("start", &from), ("end", &to), ("limit", "10000")];
    let (status, body) = get(format!("{jaeger}/api/traces"), &query).await;
    assert_eq!((status, &body["errors"]), (200, &Value::Null));
    let mut legacy = from_legacy(&body);
    // A trace from before the window may have a span inside it.
    legacy.retain(|id, _| expected.contains_key(id));
    assert_eq!(legacy, expected);

    let (from, to) = (rfc3339(window.from), rfc3339(Timestamp(window.to.0 - 1)));
    let query = [
        ("query.service_name", "crypto-wallet"),
        ("query.start_time_min", &from),
        ("query.start_time_max", &to),
        ("query.num_traces", "10000"),
    ];
    let (status, body) = get(format!("{jaeger}/api/v3/traces"), &query).await;
    assert_eq!(status, 200);
    let mut v3 = from_otlp(&body["result"]["resourceSpans"]);
    v3.retain(|id, _| expected.contains_key(id));
    assert_eq!(v3, expected);

    let (_, body) = get(format!("{jaeger}/api/v3/trace-summaries"), &query).await;
    let summaries = body["summaries"].as_array().unwrap();
    let counted: BTreeMap<&str, u64> =
        summaries.iter().map(|s| (s["traceId"].as_str().unwrap(), s["spanCount"].as_u64().unwrap())).collect();
    assert!(expected.iter().all(|(id, spans)| counted.get(id.as_str()) == Some(&(spans.len() as u64))));
    served.shutdown().await;
}

#[tokio::test]
async fn a_trace_by_id_is_what_the_search_returned() {
    let served = demo(1.0, Schedule::Quiet).await;
    let jaeger = &served.jaeger_url;
    let end = (start(&served) - HOUR).0.to_string();
    let (_, body) =
        get(format!("{jaeger}/api/traces"), &[("service", "order-matcher"), ("end", &end), ("limit", "5")]).await;
    let found = body["data"].as_array().unwrap();
    assert_eq!(found.len(), 5);
    let starts: Vec<i64> = found
        .iter()
        .map(|t| t["spans"].as_array().unwrap().iter().map(|s| s["startTime"].as_i64().unwrap()).min().unwrap())
        .collect();
    assert!(starts.is_sorted_by(|a, b| a >= b), "newest first: {starts:?}");
    for trace in found {
        let id = trace["traceID"].as_str().unwrap();
        let (status, by_id) = get(format!("{jaeger}/api/traces/{id}"), &[]).await;
        assert_eq!((status, &by_id["data"][0]), (200, trace));
        let (_, v3) = get(format!("{jaeger}/api/v3/traces/{id}"), &[]).await;
        assert_eq!(from_otlp(&v3["result"]["resourceSpans"]), from_legacy(&by_id));
    }
    let ids = found.iter().take(2).map(|t| ("traceID", t["traceID"].as_str().unwrap()));
    let (status, several) =
        get(format!("{jaeger}/api/traces"), &ids.chain([("traceID", "abc")]).collect::<Vec<_>>()).await;
    assert_eq!((status, several["data"].as_array().unwrap().len()), (200, 2));
    assert_eq!(several["errors"][0]["code"], 404);

    assert_eq!(get(format!("{jaeger}/api/traces/abc"), &[]).await.0, 404);
    assert_eq!(get(format!("{jaeger}/api/v3/traces/abc"), &[]).await.0, 404);
    assert_eq!(get(format!("{jaeger}/api/traces/xyz"), &[]).await.0, 400);
}

#[tokio::test]
async fn a_search_keeps_to_its_conditions() {
    let served = demo(2.0, Schedule::Quiet).await;
    let jaeger = &served.jaeger_url;
    let end = (start(&served) - HOUR).0.to_string();
    let search = async |more: &[(&str, &str)]| {
        let mut query = vec![("end", &*end), ("limit", "200")];
        query.extend(more);
        let (status, body) = get(format!("{jaeger}/api/traces"), &query).await;
        (status, body["data"].as_array().cloned().unwrap_or_default())
    };
    let some_span = |trace: &Value, test: &dyn Fn(&Value) -> bool| trace["spans"].as_array().unwrap().iter().any(test);

    let (_, transfers) = search(&[("service", "exchange-api"), ("operation", "chain.broadcast")]).await;
    assert_eq!(transfers.len(), 200);
    assert!(transfers.iter().all(|t| some_span(t, &|s| s["operationName"] == "chain.broadcast")));

    let (_, slow) = search(&[("service", "order-matcher"), ("minDuration", "120ms"), ("maxDuration", "1s")]).await;
    assert!(!slow.is_empty());
    assert!(
        slow.iter()
            .all(|t| some_span(t, &|s| s["operationName"] == "order.match" && s["duration"].as_u64() > Some(119_999)))
    );

    let (_, failed) = search(&[("service", "api-gateway"), ("tags", "{\"error\":\"true\"}")]).await;
    assert!(!failed.is_empty());
    let (_, pair) = search(&[("service", "order-matcher"), ("tag", "order.pair:ETH/BTC"), ("limit", "1")]).await;
    assert!(some_span(&pair[0], &|s| s["tags"].as_array().unwrap().iter().any(|t| t["value"] == "ETH/BTC")));

    assert_eq!(search(&[("service", "unknown")]).await, (200, vec![]));
    assert_eq!(search(&[]).await.0, 400, "a service is required");
    assert_eq!(search(&[("service", "a"), ("minDuration", "5")]).await.0, 400);
    let (status, body) = get(
        format!("{jaeger}/api/v3/traces"),
        &[
            ("query.service_name", "x"),
            ("query.start_time_min", "2026-01-01T00:00:00Z"),
            ("query.start_time_max", "2026-01-01T01:00:00Z"),
        ],
    )
    .await;
    assert_eq!((status, &body["error"]["message"]), (404, &json!("No traces found")));
}

#[tokio::test]
async fn services_operations_and_dependencies_are_listed() {
    let served = demo(1.0, Schedule::Quiet).await;
    let jaeger = &served.jaeger_url;
    let services = json!(["crypto-wallet", "api-gateway", "exchange-api", "order-matcher"]);
    assert_eq!(get(format!("{jaeger}/api/services"), &[]).await.1["data"], services);
    assert_eq!(get(format!("{jaeger}/api/v3/services"), &[]).await.1["services"], services);
    let matcher = json!([
        { "name": "order.match", "spanKind": "consumer" },
        { "name": "order.response", "spanKind": "producer" },
        { "name": "orderbook.match", "spanKind": "internal" },
    ]);
    let query = [("service", "order-matcher")];
    assert_eq!(get(format!("{jaeger}/api/operations"), &query).await.1["data"], matcher);
    assert_eq!(get(format!("{jaeger}/api/v3/operations"), &query).await.1["operations"], matcher);
    let names = get(format!("{jaeger}/api/services/order-matcher/operations"), &[]).await.1["data"].clone();
    assert_eq!(names, json!(["order.match", "order.response", "orderbook.match"]));
    let (_, body) = get(format!("{jaeger}/api/dependencies"), &[("lookback", "3600000")]).await;
    let edges: BTreeSet<(&str, &str)> = body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| (edge["parent"].as_str().unwrap(), edge["child"].as_str().unwrap()))
        .collect();
    let expected =
        [("api-gateway", "exchange-api"), ("crypto-wallet", "api-gateway"), ("exchange-api", "order-matcher")];
    assert_eq!(Vec::from_iter(edges), expected);
    assert_eq!(client().get(format!("{jaeger}/api/nothing")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn only_spans_that_ended_are_shown() {
    // Orders wait five seconds for an answer, so at any time many are open.
    let served = demo(100.0, Schedule::Once { fault: Fault::Silence, after: Micros::ZERO }).await;
    let exchange = served.exchange();
    let window = TimeWindow::new(start(&served) - Micros::from_secs(20), start(&served) + Micros::from_secs(20));
    let expected = truth(exchange.traces_starting_in(window));
    let from = window.from.0.to_string();
    let query = [("service", "crypto-wallet"), ("start", &*from), ("limit", "100000")];
    let (_, body) = get(format!("{}/api/traces", served.jaeger_url), &query).await;
    let after = chrono::Utc::now().timestamp_micros();
    let mut seen = 0;
    for (id, spans) in from_legacy(&body).iter().filter(|(id, _)| expected.contains_key(*id)) {
        for (span, fields) in spans {
            assert!(fields.2 + fields.3 as i64 + 400_000 <= after, "{fields:?} was still open at {after}");
            assert_eq!(&expected[id][span], fields);
            seen += 1;
        }
    }
    assert!(seen > 1_000, "{seen} spans");
}

async fn prometheus(served: &Served, query: &str, at: Timestamp) -> (u16, Value) {
    let time = (at.0 as f64 / 1e6).to_string();
    get(format!("{}/api/v1/query", served.prometheus_url), &[("query", query), ("time", &time)]).await
}

/// Values by service.
async fn by_service(served: &Served, query: &str, at: Timestamp) -> BTreeMap<String, f64> {
    let (status, body) = prometheus(served, query, at).await;
    assert_eq!((status, &body["status"]), (200, &json!("success")), "{query}: {body}");
    let sample = |sample: &Value| {
        let value = sample["value"][1].as_str().unwrap().parse().unwrap();
        (sample["metric"]["service_name"].as_str().unwrap_or("").to_owned(), value)
    };
    body["data"]["result"].as_array().unwrap().iter().map(sample).collect()
}

#[tokio::test]
async fn metrics_count_the_same_requests_that_jaeger_shows() {
    let served = demo(1.0, Schedule::Quiet).await;
    let at = start(&served) - HOUR;
    let family = "http_server_request_duration_seconds";
    let rates =
        by_service(&served, &format!("sum by (service_name) (rate({family}_count{{service_name=~\".+\"}}[5m]))"), at)
            .await;
    assert_eq!(rates.len(), 4);
    let window = TimeWindow::new(at - Micros::from_secs(400), at);
    let exchange = served.exchange();
    let ended = exchange.traces_starting_in(window).filter(|trace| {
        let root = trace.root().unwrap();
        let end = root.end();
        &*root.key.service == "crypto-wallet" && at - Micros::from_secs(300) < end && end <= at
    });
    let expected = ended.count() as f64 / 300.0;
    assert!((rates["crypto-wallet"] - expected).abs() < 1e-9, "{rates:?}, {expected}");

    let p99 = format!("histogram_quantile(0.99, sum by (service_name, le) (rate({family}_bucket[5m])))");
    let p99 = by_service(&served, &p99, at).await;
    assert!((0.075..0.5).contains(&p99["order-matcher"]), "{p99:?}");
    let failed = format!("sum by (service_name) (rate({family}_count{{http_response_status_code=~\"5..\"}}[5m]))");
    let all = format!("sum by (service_name) (rate({family}_count[5m]))");
    let share = by_service(&served, &format!("({failed} or 0 * {all}) / {all}"), at).await;
    assert_eq!(share.len(), 4, "a service without failures has the share 0");
    assert!(share.values().all(|share| (0.0..0.2).contains(share)), "{share:?}");
    let cpu = by_service(&served, "sum by (service_name) (rate(process_cpu_seconds_total[5m]))", at).await;
    assert!(cpu["order-matcher"] < 0.02 && cpu["api-gateway"] > cpu["order-matcher"], "{cpu:?}");
    let memory = by_service(&served, "sum by (service_name) (process_resident_memory_bytes)", at).await;
    assert!((5e7..5e8).contains(&memory["order-matcher"]), "{memory:?}");
    let active = by_service(&served, "sum by (service_name) (http_server_active_requests)", at).await;
    assert_eq!(active.len(), 4);
}

#[tokio::test]
async fn a_saturated_cpu_shows_in_the_metrics() {
    let served = demo(1.0, Schedule::Quiet).await;
    let query = "sum by (service_name) (rate(process_cpu_seconds_total[1s]))";
    let before = by_service(&served, query, start(&served) - HOUR).await["api-gateway"];
    let planned = served.inject(Fault::CpuSaturation);
    let saturated = async {
        loop {
            let now = Timestamp(chrono::Utc::now().timestamp_micros());
            let usage = by_service(&served, query, now).await["api-gateway"];
            if now > planned.window.from && usage > 0.5 {
                return usage;
            }
            tokio::task::yield_now().await;
        }
    };
    let usage = tokio::time::timeout(Duration::from_secs(10), saturated).await.unwrap();
    assert!(before < 0.1, "{before} before, {usage} now");
}

#[tokio::test]
async fn a_stopped_service_is_down_and_the_others_are_up() {
    let served = demo(1.0, Schedule::Quiet).await;
    assert!(by_service(&served, "up", start(&served) - HOUR).await.values().all(|up| *up == 1.0));
    let planned = served.inject(Fault::Silence);
    let up = by_service(&served, "up", planned.window.from).await;
    let down: Vec<&str> = up.iter().filter(|(_, up)| **up == 0.0).map(|(service, _)| &**service).collect();
    assert_eq!((up.len(), down), (4, vec!["order-matcher"]));
}

#[tokio::test]
async fn promql_is_answered_or_refused_in_prometheus_words() {
    let served = demo(1.0, Schedule::Quiet).await;
    let at = start(&served) - HOUR;
    for (query, kind) in [
        ("1 + 2 * 3", "scalar"),
        ("time()", "scalar"),
        ("-up", "vector"),
        ("up{service_name=\"api-gateway\", job!~\"x|y\"} == 1", "vector"),
        ("{__name__=~\"process_.*\",service_name='order-matcher'}", "vector"),
        ("max without (instance) (increase(process_cpu_seconds_total[10m]))", "vector"),
        ("nothing_of_that_name", "vector"),
        ("up and on (service_name) process_resident_memory_bytes unless on(job) up{job=\"crypto-wallet\"}", "vector"),
        ("process_resident_memory_bytes / ignoring(x) process_resident_memory_bytes", "vector"),
    ] {
        let (status, body) = prometheus(&served, query, at).await;
        assert_eq!((status, &body["data"]["resultType"]), (200, &json!(kind)), "{query}: {body}");
    }
    assert_eq!(prometheus(&served, "1 + 2 * 3", at).await.1["data"]["result"][1], "7");
    for (query, status, kind) in [
        ("", 400, "bad_data"),
        ("sum(", 400, "bad_data"),
        ("up{", 400, "bad_data"),
        ("up[5m]", 400, "bad_data"),
        ("predict_linear(up[5m], 3)", 400, "bad_data"),
        ("up up", 400, "bad_data"),
        ("\"text", 400, "bad_data"),
        ("rate(up[0s])", 400, "bad_data"),
        ("up + on (x) up", 422, "execution"),
    ] {
        let (got, body) = prometheus(&served, query, at).await;
        assert_eq!((got, &body["errorType"]), (status, &json!(kind)), "{query}: {body}");
        assert!(!body["error"].as_str().unwrap().is_empty());
    }
    let deep = "(".repeat(10_000);
    assert_eq!(prometheus(&served, &deep, at).await.0, 400);
}

#[tokio::test]
async fn ranges_and_labels_follow_the_api() {
    let served = demo(1.0, Schedule::Quiet).await;
    let url = |path: &str| format!("{}{path}", served.prometheus_url);
    let at = (start(&served) - HOUR).secs();
    let (from, to) = ((at - 3_600).to_string(), at.to_string());
    let query = "sum by (service_name) (rate(http_server_request_duration_seconds_count[5m]))";
    let form = [("query", query), ("start", &from), ("end", &to), ("step", "60")];
    let (_, body) = get(url("/api/v1/query_range"), &form).await;
    let rows = body["data"]["result"].as_array().unwrap();
    assert_eq!((body["data"]["resultType"].as_str(), rows.len()), (Some("matrix"), 4));
    let times: Vec<f64> = rows[0]["values"].as_array().unwrap().iter().map(|v| v[0].as_f64().unwrap()).collect();
    assert_eq!((times.len(), times[0], times[60]), (61, (at - 3_600) as f64, at as f64));

    let posted = client().post(url("/api/v1/query_range")).form_like(&form).send().await.unwrap();
    assert_eq!(posted.json::<Value>().await.unwrap(), body);

    for (bad, value) in [("step", "0"), ("end", "0"), ("start", "x"), ("step", "0.1")] {
        let broken: Vec<_> = form.iter().map(|(k, v)| if *k == bad { (*k, value) } else { (*k, *v) }).collect();
        let (status, body) = get(url("/api/v1/query_range"), &broken).await;
        assert_eq!((status, &body["errorType"]), (400, &json!("bad_data")), "{bad}={value}");
    }
    let (_, names) =
        get(url("/api/v1/label/__name__/values"), &[("match[]", "{__name__=~\"up|process_cpu_seconds_total|x\"}")])
            .await;
    assert_eq!(names["data"], json!(["process_cpu_seconds_total", "up"]));
    let (_, labels) = get(url("/api/v1/labels"), &[("match[]", "up")]).await;
    assert_eq!(labels["data"], json!(["__name__", "instance", "job", "service_name"]));
    let (_, series) = get(url("/api/v1/series"), &[("match[]", "up{job=\"api-gateway\"}")]).await;
    assert_eq!(series["data"][0]["service_name"], "api-gateway");
    assert_eq!(get(url("/api/v1/series"), &[]).await.0, 400);
    assert_eq!(client().get(url("/-/ready")).send().await.unwrap().status(), 200);
    assert!(get(url("/api/v1/status/buildinfo"), &[]).await.1["data"]["version"].is_string());
}

/// reqwest's own form support is not compiled in.
trait FormLike {
    fn form_like(self, pairs: &[(&str, &str)]) -> Self;
}

impl FormLike for reqwest::RequestBuilder {
    fn form_like(self, pairs: &[(&str, &str)]) -> Self {
        let url = client().get("http://x/").query(pairs).build().unwrap();
        let body = url.url().query().unwrap().to_owned();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }
}

#[tokio::test]
async fn a_scrape_is_prometheus_text_and_counters_grow() {
    let served = demo(100.0, Schedule::Quiet).await;
    let scrape = async || {
        let answer = client().get(format!("{}/metrics", served.prometheus_url)).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let count = |text: &str| -> f64 {
        let lines = text.lines().filter(|l| l.starts_with("http_server_request_duration_seconds_count"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let first = scrape().await;
    for line in first.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains("{service_name=") || line.contains(",service_name="), "{line}");
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
    }
    assert_eq!(first.matches("# TYPE http_server_request_duration_seconds histogram").count(), 1);
    let grown = async {
        while count(&scrape().await) <= count(&first) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), grown).await.unwrap();
}

#[tokio::test]
async fn the_scripted_model_streams_and_says_what_it_is() {
    let served = demo(1.0, Schedule::Quiet).await;
    let url = |path: &str| format!("{}{path}", served.ollama_url);
    assert_eq!(client().get(url("/")).send().await.unwrap().text().await.unwrap(), "Ollama is running");
    assert!(get(url("/api/version"), &[]).await.1["version"].is_string());
    let model = get(url("/api/tags"), &[]).await.1["models"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(get(url("/api/ps"), &[]).await.1["models"], json!([]));

    let ask = async |path: &str, body: Value| {
        let answer = client()
            .post(url(path))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>())
    };
    let facts = "Facts:\nE1 order.match took 560ms.\nE2 It was on the critical path.";
    let chat =
        json!({ "model": model, "messages": [{ "role": "user", "content": facts }], "options": { "num_predict": 30 } });
    let (status, lines) = ask("/api/chat", chat).await;
    assert_eq!(status, 200);
    let (last, words) = lines.split_last().unwrap();
    assert_eq!((words.len(), &last["done"], &last["done_reason"]), (30, &json!(true), &json!("length")));
    assert!(last["eval_count"] == 30 && last["prompt_eval_count"].as_u64() > Some(5), "{last}");
    assert!(words.iter().all(|line| line["done"] == false));
    let text: String = words.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert!(text.split('.').next().unwrap().contains("scripted model"), "{text}");
    assert!(text.contains("SUMMARY: order.match took 560ms. [E1]"), "{text}");
    assert_eq!(get(url("/api/ps"), &[]).await.1["models"][0]["name"], model);

    let whole = json!({ "model": model, "prompt": facts, "stream": false, "options": { "num_predict": 5 } });
    let (_, lines) = ask("/api/generate", whole).await;
    assert_eq!((lines.len(), &lines[0]["done"]), (1, &json!(true)));
    assert!(lines[0]["response"].as_str().unwrap().starts_with("This is the demo's"));

    let (status, lines) = ask("/api/chat", json!({ "model": "mistral", "messages": [] })).await;
    assert_eq!((status, &lines[0]["error"]), (404, &json!("model 'mistral' not found")));
    assert_eq!(ask("/api/show", json!({ "model": model })).await.0, 200);
    let long =
        json!({ "model": model, "prompt": "x ".repeat(9_000), "truncate": false, "options": { "num_ctx": 2_048 } });
    assert_eq!(ask("/api/generate", long).await.0, 400);
    let (_, lines) = ask("/api/generate", json!({ "model": model })).await;
    assert_eq!((lines.len(), &lines[0]["done_reason"]), (1, &json!("load")));
}

#[tokio::test]
async fn spans_are_exported_by_otlp() {
    use std::sync::{Arc, Mutex};
    let received: Arc<Mutex<Vec<Value>>> = Arc::default();
    let keep = Arc::clone(&received);
    let receive = async move |body: axum::body::Bytes| {
        keep.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        "{}"
    };
    let router = axum::Router::new().route("/v1/traces", axum::routing::post(receive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let limit = axum::extract::DefaultBodyLimit::max(8 << 20);
    tokio::spawn(async move { axum::serve(listener, router.layer(limit)).await });

    let served = demo(10.0, Schedule::Quiet).await;
    let window = TimeWindow::new(start(&served) - HOUR - HOUR, start(&served) - HOUR);
    let exported = export(&served.exchange(), window, &url).await.unwrap();
    let mut got = Traces::new();
    for body in received.lock().unwrap().iter() {
        for (id, spans) in from_otlp(&body["resourceSpans"]) {
            got.entry(id).or_default().extend(spans);
        }
    }
    assert_eq!(got, truth(served.exchange().traces_starting_in(window)));
    assert!(exported.requests > 1 && exported.spans == got.values().map(|spans| spans.len() as u64).sum::<u64>());
    assert_eq!(exported.traces, got.len() as u64);

    let wrong = export(&served.exchange(), window, &served.jaeger_url).await.unwrap_err();
    assert!(matches!(&wrong, DemoError::Export { reason, .. } if reason.contains("404")), "{wrong}");
}

#[tokio::test]
async fn ports_can_be_chosen_and_are_free_again_after_shutdown() {
    let first = demo(1.0, Schedule::Quiet).await;
    let port: u16 = first.jaeger_url.rsplit(':').next().unwrap().parse().unwrap();
    let options = ServeOptions { seed: 1, rate: 1.0, schedule: Schedule::Calm, port_base: Some(port) };
    let taken = serve(options).await.unwrap_err();
    assert!(
        taken.to_string().contains(&format!("127.0.0.1:{port}")) && taken.to_string().contains("--port-base"),
        "{taken}"
    );
    first.shutdown().await;
    let again = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test]
async fn a_fault_is_injected_by_hand() {
    let served = demo(1.0, Schedule::Quiet).await;
    let url = format!("{}/demo/faults", served.jaeger_url);
    let posted = client().post(format!("{url}/queue-backlog")).send().await.unwrap();
    assert_eq!(posted.status(), 200);
    assert_eq!(get(url.clone(), &[]).await.1["faults"][0]["fault"], "queue-backlog");
    let gap = client().post(format!("{url}/source-gap")).send().await.unwrap();
    assert_eq!(gap.json::<Value>().await.unwrap()["culprit"], Value::Null);
    let unknown = client().post(format!("{url}/nonsense")).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
    assert!(unknown.text().await.unwrap().contains("slow-matcher"));
}
