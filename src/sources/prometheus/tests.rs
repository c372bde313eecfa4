//! The client against an in-process server that knows a few metrics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Query, RawForm, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::*;

const AT: Timestamp = Timestamp(1_755_600_000_500_000);

/// Metrics with their labels, and what each query gives: the first pattern contained in the query wins.
struct Fake {
    metrics: Vec<(&'static str, Vec<&'static str>)>,
    answers: Vec<(&'static str, Value)>,
    asked: Mutex<Vec<String>>,
    forms: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

fn ok(data: &Value) -> Response {
    json!({"status": "success", "data": data}).to_string().into_response()
}

fn vector(series: &[(Value, &str)]) -> Value {
    let series: Vec<Value> =
        series.iter().map(|(labels, value)| json!({"metric": labels, "value": [1_755_600_000.5, value]})).collect();
    json!({"resultType": "vector", "result": series})
}

impl Fake {
    fn new(metrics: Vec<(&'static str, Vec<&'static str>)>, answers: Vec<(&'static str, Value)>) -> Arc<Self> {
        let (forms, in_flight, most_in_flight) = Default::default();
        Arc::new(Self { metrics, answers, asked: Mutex::default(), forms, in_flight, most_in_flight })
    }

    async fn answer(&self, query: &str, range: bool) -> Response {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.asked.lock().unwrap().push(query.to_owned());
        let found = self.answers.iter().find(|(pattern, _)| query.contains(pattern)).map(|(_, data)| data.clone());
        let mut data = found.unwrap_or_else(|| vector(&[]));
        if let Some(error) = data.get("error") {
            let body = json!({"status": "error", "errorType": "bad_data", "error": error});
            return (StatusCode::BAD_REQUEST, body.to_string()).into_response();
        }
        if range {
            for series in data["result"].as_array_mut().unwrap() {
                let value = series["value"][1].clone();
                series["values"] =
                    json!([[1_755_596_400.5, value], [1_755_596_460.5, "NaN"], [1_755_600_000.5, value]]);
                series.as_object_mut().unwrap().remove("value");
            }
            data["resultType"] = json!("matrix");
        }
        ok(&data)
    }
}

type Params = Query<HashMap<String, String>>;

async fn serve(fake: Arc<Fake>) -> String {
    let names = async |State(fake): State<Arc<Fake>>, Query(query): Params| {
        let wanted = query["match[]"].clone();
        let exist = fake.metrics.iter().map(|(name, _)| *name);
        ok(&json!(
            exist
                .filter(|name| wanted.contains(&format!("{name}|")) || wanted.contains(&format!("{name}\"")))
                .collect::<Vec<_>>()
        ))
    };
    let labels = async |State(fake): State<Arc<Fake>>, Query(query): Params| {
        let of = fake.metrics.iter().find(|(name, _)| *name == query["match[]"]);
        ok(&json!(of.map(|(_, labels)| labels.clone()).unwrap_or_default()))
    };
    let instant = async |State(fake): State<Arc<Fake>>, Query(query): Params| {
        if query["query"] == "time()" {
            return ok(&json!({"resultType": "scalar", "result": [1_755_600_000.25, "1755600000.25"]}));
        }
        assert_eq!(query["time"], "1755600000.500000");
        fake.answer(&query["query"], false).await
    };
    let form = async |State(fake): State<Arc<Fake>>, RawForm(form): RawForm| {
        fake.forms.fetch_add(1, Ordering::SeqCst);
        let url = Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(&form))).unwrap();
        let query = url.query_pairs().find(|(name, _)| name == "query").unwrap().1.into_owned();
        fake.answer(&query, false).await
    };
    let range = async |State(fake): State<Arc<Fake>>, Query(query): Params| {
        assert_eq!((query["start"].as_str(), query["end"].as_str()), ("1755596400.500000", "1755600000.500000"));
        fake.answer(&query["query"], true).await
    };
    let router = Router::new()
        .route("/prom/api/v1/label/__name__/values", get(names))
        .route("/prom/api/v1/labels", get(labels))
        .route("/prom/api/v1/query", get(instant).post(form))
        .route("/prom/api/v1/query_range", get(range))
        .route("/prom/api/v1/status/buildinfo", get(async || ok(&json!({"version": "2.42.0+ds", "goVersion": "go1"}))))
        .with_state(fake);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/prom/graph?g0.expr=up")
}

async fn client(fake: &Arc<Fake>, change: impl FnOnce(&mut Settings)) -> Prometheus {
    let mut settings = Settings { url: serve(Arc::clone(fake)).await, ..Settings::default() };
    change(&mut settings);
    Prometheus::new(&settings).unwrap()
}

fn exchange() -> Arc<Fake> {
    let service = |name: &str| json!({"service": name});
    Fake::new(
        vec![
            ("process_cpu_seconds_total", vec!["__name__", "instance", "job"]),
            ("http_requests_total", vec!["__name__", "code", "job", "service"]),
            ("http_request_duration_seconds_bucket", vec!["__name__", "le", "service"]),
            ("process_resident_memory_bytes", vec!["__name__", "instance"]),
        ],
        vec![
            (
                "process_cpu_seconds_total",
                vector(&[(json!({"job": "shop/cart"}), "0.0035"), (json!({"job": "web"}), "2")]),
            ),
            ("code=~\"5..\"", vector(&[(service("cart"), "0.25")])),
            ("histogram_quantile", vector(&[(service("cart"), "NaN"), (service("web"), "0.5")])),
            ("http_requests_total", vector(&[(service("web"), "7"), (service("cart"), "12.5"), (json!({}), "1")])),
        ],
    )
}

fn short(samples: &[MetricSample]) -> Vec<(&str, &str, f64)> {
    samples.iter().map(|sample| (sample.kind.name(), sample.service.as_str(), sample.value)).collect()
}

#[tokio::test]
async fn a_poll_finds_the_metrics_that_exist_by_the_label_they_have() {
    let fake = exchange();
    let prometheus = client(&fake, |_| ()).await;
    let samples = prometheus.poll(AT).await.unwrap();
    let expected = [
        ("cpu", "cart", 0.0035),
        ("cpu", "web", 2.0),
        ("request_rate", "cart", 12.5),
        ("request_rate", "web", 7.0),
        ("error_rate", "cart", 0.25),
        ("latency_p99", "web", 0.5),
    ];
    assert_eq!(short(&samples), expected, "no value for NaN, none without a service, none without a label");
    let rate = samples.iter().find(|sample| sample.kind == MetricKind::RequestRate).unwrap();
    assert_eq!(rate.query, "sum by (service) (rate(http_requests_total{service!=\"\"}[5m]))");
    assert!(fake.most_in_flight.load(Ordering::SeqCst) <= IN_FLIGHT);
    assert_eq!(prometheus.notes(), Vec::<String>::new());
}

#[tokio::test]
async fn readings_are_of_one_service_with_its_hour() {
    let fake = Fake::new(
        vec![("process_cpu_seconds_total", vec!["job"]), ("http_requests_total", vec!["service"])],
        vec![
            ("job=~\"(.+/)?a\\\\.b\\\"\\\\}\"", vector(&[(json!({"job": "ns/a.b\"}"}), "0.5")])),
            ("service=\"a.b\\\"}\"", vector(&[(json!({"service": "a.b\"}"}), "3")])),
        ],
    );
    let prometheus = client(&fake, |_| ()).await;
    let readings = prometheus.readings("a.b\"}", AT).await.unwrap();
    let values: Vec<_> = readings.iter().map(|r| (r.sample.kind, r.sample.value, r.history.len())).collect();
    assert_eq!(values, [(MetricKind::Cpu, 0.5, 2), (MetricKind::RequestRate, 3.0, 2)]);
    assert_eq!(readings[0].sample.service, "a.b\"}");
    assert_eq!(readings[0].history[0], (AT - HISTORY, 0.5));
    assert_eq!(prometheus.readings("other", AT).await.unwrap(), []);
}

#[tokio::test]
async fn the_past_is_of_all_services_and_only_of_the_kinds_asked_for() {
    let fake = exchange();
    let prometheus = client(&fake, |_| ()).await;
    let window = TimeWindow::new(AT - HISTORY, AT);
    let past = prometheus.past(&[MetricKind::Cpu, MetricKind::Memory], window).await.unwrap();
    let told: Vec<_> = past.iter().map(|s| (s.kind.name(), &*s.service, s.at, s.value)).collect();
    let early = window.from;
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0], ("cpu", "cart", early, 0.0035));
    assert_eq!((told[1].1, told[2].1, told[3].1), ("cart", "web", "web"));
    assert!(told[0].2 < told[1].2 && told[1].2 <= window.to);
}

#[tokio::test]
async fn own_queries_take_the_place_of_presets() {
    let fake = Fake::new(
        vec![],
        vec![
            ("my_cpu{app=\"cart\"}", vector(&[(json!({}), "0.75")])),
            ("my_memory", vector(&[(json!({"app": "cart"}), "1e6"), (json!({"app": "web"}), "2e6")])),
            ("my_connections", vector(&[(json!({"pod": "a"}), "1"), (json!({"pod": "b"}), "2")])),
        ],
    );
    let prometheus = client(&fake, |settings| {
        settings.metrics.cpu = "my_cpu{app=\"{service}\"}".into();
        settings.metrics.memory = "my_memory".into();
        settings.metrics.active_connections = "my_connections{app=\"$service\"}".into();
    })
    .await;
    let polled = prometheus.poll(AT).await.unwrap();
    assert_eq!(short(&polled), [("memory", "cart", 1e6), ("memory", "web", 2e6)]);
    let readings = prometheus.readings("cart", AT).await.unwrap();
    let values: Vec<_> = readings.iter().map(|reading| (reading.sample.kind.name(), reading.sample.value)).collect();
    assert_eq!(values, [("cpu", 0.75), ("memory", 1e6)]);
    let [note] = &prometheus.notes()[..] else { panic!("{:?}", prometheus.notes()) };
    assert!(note.contains("active_connections: 2 series"), "{note}");
}

#[tokio::test]
async fn one_bad_query_is_a_note_and_all_bad_is_an_error() {
    let bad = json!({"error": "parse error: unexpected )"});
    let fake = Fake::new(
        vec![("process_cpu_seconds_total", vec!["job"])],
        vec![("process_cpu", vector(&[(json!({"job": "cart"}), "1")])), ("sum()", bad.clone())],
    );
    let prometheus = client(&fake, |settings| settings.metrics.memory = "sum()".into()).await;
    assert_eq!(short(&prometheus.poll(AT).await.unwrap()), [("cpu", "cart", 1.0)]);
    assert_eq!(prometheus.notes(), ["400: parse error: unexpected ) (sum())"]);

    let fake = Fake::new(vec![], vec![("sum()", bad)]);
    let prometheus = client(&fake, |settings| settings.metrics.memory = "sum()".into()).await;
    assert!(prometheus.poll(AT).await.unwrap_err().to_string().contains("parse error"));
}

#[tokio::test]
async fn long_queries_go_into_a_form() {
    let fake = Fake::new(vec![], vec![("my_memory", vector(&[(json!({"app": "cart"}), "5")]))]);
    let query = format!("my_memory{{x!~\"{}\"}}", "y|".repeat(2_000));
    let prometheus = client(&fake, |settings| settings.metrics.memory = query).await;
    assert_eq!(short(&prometheus.poll(AT).await.unwrap()), [("memory", "cart", 5.0)]);
    assert_eq!(fake.forms.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn same_names_in_two_namespaces_keep_them() {
    let jobs =
        vector(&[(json!({"job": "b/cart"}), "2"), (json!({"job": "a/cart"}), "1"), (json!({"job": "a/web"}), "3")]);
    let fake = Fake::new(vec![("process_cpu_seconds_total", vec!["job"])], vec![("process_cpu", jobs)]);
    let prometheus = client(&fake, |_| ()).await;
    let expected = [("cpu", "a/cart", 1.0), ("cpu", "b/cart", 2.0), ("cpu", "web", 3.0)];
    assert_eq!(short(&prometheus.poll(AT).await.unwrap()), expected);
}

#[tokio::test]
async fn container_metrics_are_grouped_by_container() {
    let labels = vec!["job", "service", "container", "pod"];
    let answer = vector(&[(json!({"container": "cart"}), "0.5")]);
    let fake = Fake::new(vec![("container_cpu_usage_seconds_total", labels)], vec![("container_cpu", answer)]);
    let prometheus = client(&fake, |settings| settings.preset = "kubernetes".into()).await;
    let samples = prometheus.poll(AT).await.unwrap();
    assert_eq!(short(&samples), [("cpu", "cart", 0.5)]);
    assert!(samples[0].query.starts_with("sum by (container)"), "{}", samples[0].query);
}

#[tokio::test]
async fn probing_tells_version_and_clock() {
    let prometheus = client(&exchange(), |_| ()).await;
    let found = prometheus.probe().await.unwrap();
    assert_eq!((found.version.as_str(), found.server_time), ("2.42.0+ds", Some(Timestamp(1_755_600_000_250_000))));
}

#[tokio::test]
async fn a_server_that_starts_or_is_none_is_told_apart() {
    let starting = Router::new().fallback(async || (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"));
    let login = Router::new().fallback(async || "<html>Log in</html>");
    for (router, reason) in
        [(starting, "503 server error: Service Unavailable"), (login, "HTML instead of JSON (login page?)")]
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let prometheus = Prometheus::new(&Settings { url, ..Settings::default() }).unwrap();
        assert_eq!(prometheus.probe().await.unwrap_err().to_string(), reason);
        assert_eq!(prometheus.poll(AT).await.unwrap_err().to_string(), reason);
        assert_eq!(prometheus.readings("cart", AT).await.unwrap_err().to_string(), reason);
    }
}

#[test]
fn every_preset_expression_is_whole() {
    for candidate in presets::of(presets::AUTO) {
        let text = candidate.expression;
        assert!(text.contains("$by") && text.contains("{$in"), "{text}");
        assert_eq!(text.matches('(').count(), text.matches(')').count(), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
        assert!(candidate.needs.iter().any(|name| text.contains(name)), "{text}");
    }
}
