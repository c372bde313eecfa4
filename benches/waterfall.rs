//! A trace of 50,000 spans from Jaeger's answer to the screen: fetched and laid out with what is normal, shown, folded
//! and scrolled. What a frame costs is also told as a ratio to a trace of 17 spans: drawing touches only what is visible.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and prints what it measured"
)]

#[path = "../tests/screens/fixture.rs"]
#[expect(dead_code, reason = "one of its stages is drawn here")]
mod fixture;
#[path = "../tests/long/learnt.rs"]
mod learnt;

use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fixture::Stage;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;
use spanwatch::app::{Key, KeyCode};
use spanwatch::demo::{Exchange, Options, Schedule};
use spanwatch::domain::{EventsBySpan, Micros, SpanId, TimeWindow, Timestamp, Trace};
use spanwatch::engine::{Engine, Input, Output};
use spanwatch::messages::{TraceView, UpdateBody};
use spanwatch::sources::jaeger::{Jaeger, Settings};
use spanwatch::ui::{self, Look, ThemeName};

const SPANS: usize = 50_000;
const SIZE: (u16, u16) = (120, 40);
const HOUR: Micros = Micros::from_secs(3_600);
/// Takes of what is told as a ratio; the median counts.
const TAKES: usize = 101;

/// The exchange's traces below one root, so that they have baselines, until there are enough spans.
fn large(exchange: &Exchange, window: TimeWindow) -> Trace {
    let mut large = Trace { id: fixture::worst().id.trace, spans: Vec::with_capacity(SPANS) };
    let traces: Vec<Trace> = exchange.traces_starting_in(window).collect();
    for trace in traces.iter().cycle() {
        let copy = large.spans.len() as u64;
        for span in &trace.spans {
            let mut span = span.clone();
            if large.spans.len() == SPANS {
                return large;
            }
            // Ids of a copy are its own; its root hangs on the very first span.
            let own = |id: SpanId| SpanId(id.0.wrapping_add(copy.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let top = large.spans.first().map(|root| root.id);
            span.parent = span.parent.map(own).or(top);
            span.id = own(span.id);
            large.spans.push(span);
        }
    }
    large
}

/// As `/api/traces/{id}` answers it.
fn answer(trace: &Trace) -> Vec<u8> {
    let spans: Vec<_> = trace.spans.iter().map(|span| {
        let tags: Vec<_> = span.attributes.iter().map(|(key, value)| json!({"key": key, "type": "string", "value": value})).collect();
        let references: Vec<_> = span.parent.iter()
            .map(|parent| json!({"refType": "CHILD_OF", "traceID": trace.id.to_string(), "spanID": parent.to_string()}))
            .collect();
        let log = json!([{"timestamp": span.start.0, "fields": [{"key": "event", "type": "string", "value": "written"}]}]);
        json!({"traceID": trace.id.to_string(), "spanID": span.id.to_string(), "operationName": span.key.operation,
            "references": references, "startTime": span.start.0, "duration": span.duration.0, "tags": tags, "logs": log,
            "processID": span.key.service})
    }).collect();
    let processes: serde_json::Map<_, _> = trace
        .spans
        .iter()
        .map(|span| (span.key.service.to_string(), json!({"serviceName": span.key.service, "tags": []})))
        .collect();
    json!({"data": [{"traceID": trace.id.to_string(), "spans": spans, "processes": processes}]})
        .to_string()
        .into_bytes()
}

async fn serve(body: Vec<u8>) -> Jaeger {
    let json = || [(CONTENT_TYPE, "application/json")];
    let services = get(async move || (json(), r#"{"data":[]}"#));
    let trace = get(async move || (json(), body));
    let router = Router::new().route("/api/services", services).route("/api/traces/{id}", trace);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Jaeger::new(&Settings { url, ..Settings::default() }).expect("sound settings")
}

fn told(engine: &mut Engine, trace: Trace, events: EventsBySpan, now: Timestamp) -> Box<TraceView> {
    let outputs = engine.step(Input::TraceFetched(Box::new(trace), events), now);
    let view = outputs.into_iter().find_map(|output| match output {
        Output::Tell(UpdateBody::Trace(view)) => Some(view),
        _ => None,
    });
    view.expect("the engine answers")
}

struct Screen(Terminal<TestBackend>);

impl Screen {
    fn new() -> Self {
        Self(Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).expect("a terminal in memory"))
    }

    fn draw(&mut self, stage: &Stage) {
        let look = Look { color: true, unicode: true, theme: ThemeName::Terminal };
        self.0.draw(|frame| ui::draw(frame, &stage.app, look, stage.now)).expect("memory takes every cell");
    }
}

fn showing(view: &TraceView) -> Stage {
    let mut stage = Stage::awaiting(SIZE);
    stage.tell(UpdateBody::Trace(Box::new(view.clone())));
    stage
}

fn median(mut take: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..TAKES)
        .map(|_| {
            let begun = Instant::now();
            take();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[TAKES / 2]
}

/// A line down and a frame, again and again.
fn scrolled(view: &TraceView) -> Duration {
    let (mut stage, mut screen) = (showing(view), Screen::new());
    stage.keys("Lg");
    median(|| {
        stage.press(Key::plain(KeyCode::PageDown));
        screen.draw(&stage);
    })
}

fn waterfall(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let now = fixture::NOW;
    let options = Options { seed: 7, rate: 1.0, origin: now, schedule: Schedule::Quiet, ..Options::default() };
    let exchange = Exchange::new(options);
    let mut engine = learnt::engine();
    let day = TimeWindow::new(now - Micros(24 * HOUR.0), now);
    engine.step(Input::GenerationMade(learnt::generation(&exchange, day)), now);
    let trace = large(&exchange, TimeWindow::new(now - HOUR, now));
    let body = answer(&trace);
    eprintln!("{} spans, {} MB as JSON", trace.spans.len(), body.len() / 1_000_000);
    let jaeger = runtime.block_on(serve(body));
    let fetch = || {
        let fetched = runtime.block_on(jaeger.trace_with_events(trace.id)).expect("Jaeger answers");
        fetched.expect("Jaeger has the trace")
    };

    let (mut stage, mut screen) = (Stage::awaiting(SIZE), Screen::new());
    let begun = Instant::now();
    let (fetched, events) = fetch();
    let answered = begun.elapsed();
    let view = told(&mut engine, fetched, events, now);
    let laid_out = begun.elapsed();
    stage.tell(UpdateBody::Trace(view.clone()));
    screen.draw(&stage);
    let whole = begun.elapsed();
    eprintln!(
        "opened in {whole:.0?}: {answered:.0?} until read, {:.0?} laid out, {:.0?} shown",
        laid_out - answered,
        whole - laid_out
    );
    let small = told(&mut engine, Trace { spans: trace.spans[..17].to_vec(), ..trace }, EventsBySpan::new(), now);
    let (of_many, of_few) = (scrolled(&view), scrolled(&small));
    eprintln!(
        "a page down and its frame: {of_many:.0?} of {SPANS} spans, {of_few:.0?} of 17: {:.2} times",
        of_many.as_secs_f64() / of_few.as_secs_f64()
    );

    let mut group = criterion.benchmark_group("a trace of 50,000 spans");
    group.sample_size(20).throughput(Throughput::Elements(SPANS as u64));
    group.bench_function("answer to trace and events", |bench| bench.iter(fetch));
    let (fetched, _) = fetch();
    group.bench_function("trace to view", |bench| {
        let copy = || fetched.clone();
        bench.iter_batched(copy, |trace| told(&mut engine, trace, EventsBySpan::new(), now), BatchSize::PerIteration);
    });
    group.bench_function("view to first frame", |bench| {
        let setup = || (Stage::awaiting(SIZE), Screen::new(), view.clone());
        bench.iter_batched(
            setup,
            |(mut stage, mut screen, view)| {
                stage.tell(UpdateBody::Trace(view));
                screen.draw(&stage);
                black_box((stage, screen))
            },
            BatchSize::PerIteration,
        );
    });
    for (what, keys) in [("everything unfolded, folded and as at first", "LHF"), ("to a slow span and back", "JK")] {
        let mut stage = showing(&view);
        group.bench_function(what, |bench| bench.iter(|| stage.keys(keys)));
    }
    group.finish();
}

criterion_group!(benches, waterfall);
criterion_main!(benches);
