//! From the bytes of an answer of Jaeger's to judged spans: some 50 MB of the simulated exchange, read and judged
//! against baselines of a day.
//!
//! `SPANWATCH_BENCH_PAGE=FILE` also writes the page to that file, to time other programs on the same bytes, as in
//! `time jq '[.data[].spans[].duration] | add' FILE`.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and prints what it measured"
)]

#[path = "../tests/long/learnt.rs"]
mod learnt;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use spanwatch::demo::{self, Exchange, Options, Schedule, ServeOptions};
use spanwatch::domain::{Micros, TimeWindow, Timestamp, Trace};
use spanwatch::engine::{Engine, Input};
use spanwatch::sources::jaeger::parse_page;

const SEED: u64 = 7;
const HOUR: Micros = Micros::from_secs(3_600);
const TRACES: usize = 10_000;
/// Traces handed to the engine at once, as a poll does.
const BATCH: usize = 256;

/// One answer of `/api/traces` with an hour of a busy exchange, and the time at which it ends.
fn page() -> (Vec<u8>, Timestamp) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options = ServeOptions { seed: SEED, rate: 40.0, schedule: Schedule::Quiet, port_base: None };
        let served = demo::serve(options).await.expect("free ports on loopback");
        let to = served.exchange().origin();
        let address = format!(
            "{}/api/traces?service=crypto-wallet&start={}&end={}&limit={TRACES}",
            served.jaeger_url,
            (to - HOUR).0,
            to.0
        );
        let answer = reqwest::get(address).await.expect("the demo answers");
        (answer.bytes().await.expect("a whole answer").to_vec(), to)
    })
}

/// Parses the page and has every trace judged. Returns how many outputs the engine gave.
fn ingest(page: &[u8], engine: &mut Engine, now: Timestamp) -> usize {
    let mut outputs = 0;
    let mut batch: Vec<Trace> = Vec::with_capacity(BATCH);
    let report = parse_page(page, &mut |trace| {
        batch.push(trace);
        if batch.len() == BATCH {
            outputs += engine.step(Input::TracesPolled(std::mem::take(&mut batch)), now).len();
        }
    });
    assert_eq!(report.expect("a page of Jaeger's").refused_spans, 0);
    outputs + engine.step(Input::TracesPolled(batch), now).len()
}

fn benches(criterion: &mut Criterion) {
    let (page, now) = page();
    if let Ok(file) = std::env::var("SPANWATCH_BENCH_PAGE") {
        std::fs::write(&file, &page).expect("the page can be written");
    }
    let report = parse_page(&page, &mut |_| ()).expect("a page of Jaeger's");
    eprintln!("{} MB, {} traces, {} spans", page.len() / 1_000_000, report.traces, report.spans);

    let quiet =
        Exchange::new(Options { seed: SEED, rate: 1.0, origin: now, schedule: Schedule::Quiet, ..Options::default() });
    let generation = learnt::generation(&quiet, TimeWindow::new(now - Micros(24 * HOUR.0), now));
    let knowing = || {
        let mut engine = learnt::engine();
        engine.step(Input::GenerationMade(generation.clone()), now);
        engine
    };
    assert!(ingest(&page, &mut knowing(), now) > 0, "among so many spans some are slow");

    let mut group = criterion.benchmark_group("ingest");
    group.sample_size(20);
    for (unit, throughput) in
        [("bytes", Throughput::Bytes(page.len() as u64)), ("spans", Throughput::Elements(report.spans))]
    {
        group.throughput(throughput);
        group.bench_function(format!("answer to judged spans, in {unit}"), |bench| {
            bench.iter_batched_ref(knowing, |engine| black_box(ingest(&page, engine, now)), BatchSize::PerIteration);
        });
    }
    group.throughput(Throughput::Bytes(page.len() as u64));
    group.bench_function("answer to traces", |bench| {
        bench.iter(|| parse_page(&page, &mut |trace| drop(black_box(trace))).expect("a page of Jaeger's"));
    });
    group.finish();
}

criterion_group!(ingesting, benches);
criterion_main!(ingesting);
