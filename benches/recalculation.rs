//! Recalculation from the store: 500 span keys, 30 days, 50 million samples of one measure merged into 84,000 buckets
//! and the wider levels, with moments, percentiles and cut-offs.
//!
//! `SPANWATCH_BENCH_SAMPLES=5000000` makes it smaller.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and prints what it measured"
)]

#[path = "../tests/long/history.rs"]
mod history;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanwatch::baseline::{KeyBuilder, Settings};
use spanwatch::domain::UtcHour;
use spanwatch::store::Store;

const FIRST_HOUR: UtcHour = UtcHour(24 * 20_700);

fn recalculate(store: &Store, settings: &Settings) -> u64 {
    let mut builder = KeyBuilder::new(settings.calendar());
    let rules = settings.rules();
    let mut samples = 0;
    for (id, _) in store.series() {
        store.read_slices(id, &mut builder).expect("the store can be read");
        samples += black_box(builder.finish(&rules)).samples;
    }
    samples
}

fn recalculation(criterion: &mut Criterion) {
    let samples = std::env::var("SPANWATCH_BENCH_SAMPLES").ok().and_then(|n| n.parse().ok()).unwrap_or(50_000_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let now = chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a time");
    let store = Store::open(dir.path(), now).expect("a new store").store;
    history::fill(&store, FIRST_HOUR, samples);
    let settings = Settings::default();
    let mut group = criterion.benchmark_group("recalculation");
    group.sample_size(10).throughput(Throughput::Elements(samples));
    group.bench_function("84,000 buckets from the store", |bench| {
        bench.iter(|| assert!(recalculate(&store, &settings) >= samples * 9 / 10));
    });
    group.finish();
    eprintln!("on disk: {} MB", store.size_on_disk() >> 20);
}

criterion_group!(benches, recalculation);
criterion_main!(benches);
