//! Prometheus's query API over the simulated exchange, and the same series for a real Prometheus to scrape.

mod evaluate;
mod parse;
mod pattern;
mod series;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};

use self::evaluate::{Failed, Labels, Value, evaluate, select};
use self::parse::{Matcher, parse, selector};
use self::series::{Meter, Series};
use self::token::duration;
use super::world::{Parameters, World, json as answer, now};
use crate::domain::{Micros, Timestamp};

/// More points a series than this are refused, as Prometheus does.
const MOST_POINTS: u64 = 11_000;

#[derive(Debug)]
struct Metrics {
    world: Arc<World>,
    series: Vec<Series>,
    /// What scrapes have counted so far, so that each adds only what is new.
    scraped: Mutex<Option<Meter>>,
}

type Pairs = Vec<(String, String)>;
/// An answer that says why there is no other.
type Refusal = Box<Response>;

pub(super) fn router(world: Arc<World>) -> Router {
    let metrics = Metrics { world, series: series::all(), scraped: Mutex::new(None) };
    Router::new()
        .route("/-/ready", get(async || "Prometheus Server is Ready.\n"))
        .route("/-/healthy", get(async || "Prometheus Server is Healthy.\n"))
        .route("/metrics", get(scrape))
        .route("/api/v1/status/buildinfo", get(build_info))
        .route("/api/v1/query", get(query).post(posted_query))
        .route("/api/v1/query_range", get(query_range).post(posted_query_range))
        .route("/api/v1/labels", get(label_names).post(posted_label_names))
        .route("/api/v1/label/{name}/values", get(label_values))
        .route("/api/v1/series", get(find_series).post(posted_find_series))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
        .with_state(Arc::new(metrics))
}

fn success(data: &Json) -> Response {
    answer(StatusCode::OK, json!({ "status": "success", "data": data }).to_string())
}

fn failed(status: StatusCode, kind: &str, text: &str) -> Response {
    answer(status, json!({ "status": "error", "errorType": kind, "error": text }).to_string())
}

fn bad_parameter(name: &str, text: &str) -> Response {
    failed(StatusCode::BAD_REQUEST, "bad_data", &format!("invalid parameter {name:?}: {text}"))
}

impl From<Failed> for Refusal {
    fn from(failure: Failed) -> Self {
        Self::new(match failure {
            Failed::BadData(text) => bad_parameter("query", &format!("1:1: parse error: {text}")),
            Failed::Execution(text) => failed(StatusCode::UNPROCESSABLE_ENTITY, "execution", &text),
        })
    }
}

async fn build_info() -> Response {
    success(&json!({
        "version": "2.42.0+spanwatch-demo", "revision": "", "branch": "", "buildUser": "", "buildDate": "",
        "goVersion": "",
    }))
}

/// The parameters of a form, after those of the query string. A form is written like a query string.
fn form(mut pairs: Pairs, body: &str) -> Result<Parameters, Refusal> {
    let posted = format!("/?{body}").parse().ok().and_then(|uri| Query::<Pairs>::try_from_uri(&uri).ok());
    let Some(Query(posted)) = posted else {
        return Err(Box::new(failed(StatusCode::BAD_REQUEST, "bad_data", "error parsing form values")));
    };
    pairs.extend(posted);
    Ok(Parameters(pairs))
}

/// Unix seconds with a fraction, or RFC 3339.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds.abs() < 1e12).then(|| Timestamp((seconds * 1e6).round() as i64));
    }
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp(time.timestamp_micros()))
}

fn step(text: &str) -> Option<Micros> {
    match text.parse::<f64>() {
        Ok(seconds) => (seconds > 0.0 && seconds < 1e9).then_some(Micros((seconds * 1e6) as u64)),
        Err(_) => duration(text),
    }
    .filter(|step| step.0 > 0)
}

/// A sample value as Prometheus writes it.
fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}

/// Seconds with milliseconds, which is all that Prometheus keeps.
fn point(at: Timestamp, value: f64) -> Json {
    json!([at.0.div_euclid(1_000) as f64 / 1e3, number(value)])
}

fn object(labels: &Labels) -> Json {
    labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect()
}

async fn query(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>) -> Response {
    instant(state, Parameters(pairs)).await
}

async fn posted_query(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>, body: String) -> Response {
    match form(pairs, &body) {
        Ok(parameters) => instant(state, parameters).await,
        Err(refusal) => *refusal,
    }
}

/// Runs on a thread that may block: a month at a fine step counts many requests.
async fn blocking(work: impl FnOnce() -> Result<Json, Refusal> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(data)) => success(&data),
        Ok(Err(refusal)) => *refusal,
        Err(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the evaluation was stopped"),
    }
}

async fn instant(State(metrics): State<Arc<Metrics>>, parameters: Parameters) -> Response {
    let expr = match parse(parameters.get("query").unwrap_or_default()) {
        Ok(expr) => expr,
        Err(text) => return bad_parameter("query", &text),
    };
    let now = now();
    let at = match parameters.get("time") {
        None => now,
        Some(text) => match time(text) {
            Some(at) => at,
            None => return bad_parameter("time", &format!("cannot parse {text:?} to a valid timestamp")),
        },
    };
    blocking(move || {
        let mut meter = Meter::new(metrics.world.exchange(), now);
        Ok(match evaluate(&expr, &metrics.series, &mut meter, at)? {
            Value::Scalar(value) => json!({ "resultType": "scalar", "result": point(at, value) }),
            Value::Vector(samples) => {
                let samples = samples
                    .iter()
                    .map(|(labels, value)| json!({ "metric": object(labels), "value": point(at, *value) }));
                json!({ "resultType": "vector", "result": samples.collect::<Vec<_>>() })
            }
        })
    })
    .await
}

async fn query_range(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>) -> Response {
    range(state, Parameters(pairs)).await
}

async fn posted_query_range(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>, body: String) -> Response {
    match form(pairs, &body) {
        Ok(parameters) => range(state, parameters).await,
        Err(refusal) => *refusal,
    }
}

async fn range(State(metrics): State<Arc<Metrics>>, parameters: Parameters) -> Response {
    let expr = match parse(parameters.get("query").unwrap_or_default()) {
        Ok(expr) => expr,
        Err(text) => return bad_parameter("query", &text),
    };
    let moment = |name: &str| {
        parameters
            .get(name)
            .and_then(time)
            .ok_or_else(|| Box::new(bad_parameter(name, "cannot parse to a valid timestamp")))
    };
    let (from, to) = match (moment("start"), moment("end")) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(refusal), _) | (_, Err(refusal)) => return *refusal,
    };
    let Some(step) = parameters.get("step").and_then(step) else {
        return bad_parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        );
    };
    if to < from {
        return bad_parameter("end", "end timestamp must not be before start time");
    }
    let steps = to.since(from).0 / step.0;
    if steps >= MOST_POINTS {
        let text = "exceeded maximum resolution of 11,000 points per timeseries. \
                    Try decreasing the query resolution (?step=XX)";
        return failed(StatusCode::BAD_REQUEST, "bad_data", text);
    }
    let now = now();
    blocking(move || {
        let mut meter = Meter::new(metrics.world.exchange(), now);
        let mut rows: BTreeMap<Labels, Vec<Json>> = BTreeMap::new();
        for n in 0..=steps {
            let at = from + Micros(n * step.0);
            match evaluate(&expr, &metrics.series, &mut meter, at)? {
                Value::Scalar(value) => rows.entry(Labels::new()).or_default().push(point(at, value)),
                Value::Vector(samples) => {
                    for (labels, value) in samples {
                        rows.entry(labels).or_default().push(point(at, value));
                    }
                }
            }
        }
        let rows = rows.iter().map(|(labels, values)| json!({ "metric": object(labels), "values": values }));
        Ok(json!({ "resultType": "matrix", "result": rows.collect::<Vec<_>>() }))
    })
    .await
}

impl Metrics {
    /// The series of all `match[]`; all series when there is none.
    fn matching(&self, parameters: &Parameters) -> Result<Vec<&Series>, Refusal> {
        let selectors: Result<Vec<Vec<Matcher>>, String> = parameters.all("match[]").map(selector).collect();
        let selectors = selectors.map_err(|text| Box::new(bad_parameter("match[]", &text)))?;
        if selectors.is_empty() {
            return Ok(self.series.iter().collect());
        }
        Ok(selectors.iter().flat_map(|matchers| select(&self.series, matchers)).collect())
    }
}

async fn label_names(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>) -> Response {
    names(&state, &Parameters(pairs))
}

async fn posted_label_names(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>, body: String) -> Response {
    form(pairs, &body).map_or_else(|refusal| *refusal, |parameters| names(&state, &parameters))
}

fn names(metrics: &Metrics, parameters: &Parameters) -> Response {
    match metrics.matching(parameters) {
        Err(refusal) => *refusal,
        Ok(series) => {
            let names: BTreeSet<&str> =
                series.iter().flat_map(|series| series.labels.iter().map(|(key, _)| *key)).collect();
            success(&json!(names))
        }
    }
}

async fn label_values(
    State(metrics): State<Arc<Metrics>>,
    Path(name): Path<String>,
    Query(pairs): Query<Pairs>,
) -> Response {
    match metrics.matching(&Parameters(pairs)) {
        Err(refusal) => *refusal,
        Ok(series) => {
            let values: BTreeSet<&str> = series.iter().map(|series| series.label(&name)).collect();
            success(&json!(values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>()))
        }
    }
}

async fn find_series(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>) -> Response {
    found_series(&state, &Parameters(pairs))
}

async fn posted_find_series(state: State<Arc<Metrics>>, Query(pairs): Query<Pairs>, body: String) -> Response {
    form(pairs, &body).map_or_else(|refusal| *refusal, |parameters| found_series(&state, &parameters))
}

fn found_series(metrics: &Metrics, parameters: &Parameters) -> Response {
    if parameters.all("match[]").next().is_none() {
        return failed(StatusCode::BAD_REQUEST, "bad_data", "no match[] parameter provided");
    }
    match metrics.matching(parameters) {
        Err(refusal) => *refusal,
        Ok(series) => {
            let all: BTreeSet<&Vec<_>> = series.iter().map(|series| &series.labels).collect();
            let object = |labels: &Vec<(&str, String)>| -> Json {
                labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect()
            };
            success(&all.into_iter().map(object).collect())
        }
    }
}

/// The current values in Prometheus's text format.
async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    let text = tokio::task::spawn_blocking(move || {
        let (exchange, now) = (metrics.world.exchange(), now());
        let mut scraped = metrics.scraped.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = scraped.get_or_insert_with(|| Meter::new(Arc::clone(&exchange), now));
        meter.go_on(exchange, now);
        exposition(&metrics.series, meter, now)
    });
    match text.await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the scrape was stopped\n").into_response(),
    }
}

fn exposition(series: &[Series], meter: &mut Meter, now: Timestamp) -> String {
    const FAMILIES: [(&str, &str, &str); 4] = [
        ("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds."),
        ("process_resident_memory_bytes", "gauge", "Resident memory size in bytes."),
        ("http_server_active_requests", "gauge", "Number of active HTTP server requests."),
        ("http_server_request_duration_seconds", "histogram", "Duration of HTTP server requests."),
    ];
    let mut text = String::new();
    for (family, kind, help) in FAMILIES {
        text.push_str(&format!("# HELP {family} {help}\n# TYPE {family} {kind}\n"));
        for series in series.iter().filter(|series| series.name().starts_with(family)) {
            let Some(value) = meter.value(series, now) else { continue };
            // The scraper itself says which job and instance this is.
            let labels = series.labels.iter().filter(|(key, _)| !["__name__", "job", "instance"].contains(key));
            let labels: Vec<String> = labels.map(|(key, value)| format!("{key}=\"{value}\"")).collect();
            text.push_str(&format!("{}{{{}}} {}\n", series.name(), labels.join(","), number(value)));
        }
    }
    text
}
