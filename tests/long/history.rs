//! A store filled as months of watching fill it: 500 span keys, 30 days of every hour.

use std::collections::BTreeMap;

use spanwatch::baseline::{Learnt, SeriesKey, Slice};
use spanwatch::domain::{Micros, SpanKey, SpanKind, TimeWindow, UtcHour};
use spanwatch::store::Store;

pub const KEYS: u64 = 500;
pub const HOURS: u64 = 720;

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

/// Spreads `samples` evenly over all keys and hours; the first hour is `first`, the start of a UTC day.
pub fn fill(store: &Store, first: UtcHour, samples: u64) {
    let each = samples / (KEYS * HOURS);
    for day in 0..HOURS / 24 {
        let mut slices = BTreeMap::new();
        for key in 0..KEYS {
            let name = SpanKey::new(format!("service-{}", key / 10), format!("operation-{key}"), SpanKind::Server);
            for hour in day * 24..(day + 1) * 24 {
                let mut slice = Slice::default();
                (0..each).for_each(|n| slice.insert(duration(key, hour * each + n), false));
                slices.insert((SeriesKey::duration(name.clone()), UtcHour(first.0 + hour as i32)), slice);
            }
        }
        let from = UtcHour(first.0 + day as i32 * 24);
        let window = TimeWindow::new(from.start(), UtcHour(from.0 + 24).start());
        let learnt = Learnt { slices, windows: vec![window], ..Learnt::default() };
        store.learn(&learnt, true).expect("the store can be written");
    }
}
