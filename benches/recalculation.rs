//! Recalculation from the store: 500 span keys, 30 days, 50 million samples of one measure merged into 84,000 buckets
//! and the wider levels, with moments, percentiles and cut-offs.
//!
//! `SPANWATCH_BENCH_SAMPLES=5000000` makes it smaller.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a benchmark fails by panicking and prints what it measured"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanwatch::baseline::{KeyBuilder, Learnt, Settings, Slice};
use spanwatch::domain::{Micros, SpanKey, SpanKind, TimeWindow, UtcHour};
use spanwatch::store::Store;

const KEYS: u64 = 500;
const HOURS: u64 = 720;
const FIRST_HOUR: i32 = 24 * 20_700;

/// A skewed, spread-out number from two counters: the same samples in every run.
fn duration(key: u64, n: u64) -> Micros {
    let mut x = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let uniform = ((x >> 11) as f64 / (1u64 << 53) as f64).max(1e-9);
    // A log-logistic latency around 1 to 50 ms, with a long tail.
    let scale = 1_000.0 * (1.0 + (key % 50) as f64);
    Micros((scale * ((1.0 - uniform) / uniform).powf(0.35)) as u64)
}

fn fill(store: &Store, samples: u64) {
    let each = samples / (KEYS * HOURS);
    for day in 0..HOURS / 24 {
        let mut slices = BTreeMap::new();
        for key in 0..KEYS {
            let name = SpanKey::new(format!("service-{}", key / 10), format!("operation-{key}"), SpanKind::Server);
            for hour in day * 24..(day + 1) * 24 {
                let mut slice = Slice::default();
                (0..each).for_each(|n| slice.insert(duration(key, hour * each + n), false));
                slices.insert((name.clone(), UtcHour(FIRST_HOUR + hour as i32)), slice);
            }
        }
        let from = UtcHour(FIRST_HOUR + day as i32 * 24);
        let window = TimeWindow::new(from.start(), UtcHour(from.0 + 24).start());
        let learnt = Learnt { slices, windows: vec![window], settled: None };
        store.learn(&learnt, true).expect("the store can be written");
    }
}

fn recalculate(store: &Store, settings: &Settings) -> u64 {
    let mut builder = KeyBuilder::new(settings.calendar());
    let rules = settings.rules();
    let mut samples = 0;
    for (id, _) in store.keys() {
        store.read_slices(id, &mut builder).expect("the store can be read");
        samples += black_box(builder.finish(settings.min_samples, &rules)).samples;
    }
    samples
}

fn recalculation(criterion: &mut Criterion) {
    let samples = std::env::var("SPANWATCH_BENCH_SAMPLES").ok().and_then(|n| n.parse().ok()).unwrap_or(50_000_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let now = chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a time");
    let store = Store::open(dir.path(), now).expect("a new store").store;
    fill(&store, samples);
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
