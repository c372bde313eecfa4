//! What was learnt, compared with the simulator's own samples.

use std::collections::BTreeMap;

use spanwatch::baseline::{self, Generation};
use spanwatch::domain::{HourOfWeek, Level, SpanKey, Trace, UtcHour};

/// Durations of every key in every bucket.
pub type Truth = BTreeMap<(SpanKey, HourOfWeek), Vec<u64>>;

/// The exact samples of these traces.
pub fn of(traces: impl Iterator<Item = Trace>) -> Truth {
    let calendar = baseline::Settings::default().calendar();
    let mut truth = Truth::new();
    for span in traces.flat_map(|trace| trace.spans) {
        let bucket = calendar.bucket(UtcHour::of(span.start));
        truth.entry((span.key, bucket)).or_default().push(span.duration.0);
    }
    truth
}

fn quantile(sorted: &[u64], q: f64) -> f64 {
    let rank = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[rank.floor() as usize] as f64, sorted[rank.ceil() as usize] as f64);
    low + (high - low) * rank.fract()
}

/// Asserts that a generation says of each of these keys and buckets what the exact samples say: their number, mean and
/// standard deviation exactly, percentiles within the sketch's bound. Those with fewer than ten samples have no answer.
pub fn compare(generation: &Generation, truth: Truth) {
    let mut compared = 0;
    let mut errors = Vec::new();
    for ((key, bucket), mut samples) in truth {
        if samples.len() < 10 {
            continue;
        }
        samples.sort_unstable();
        let (level, cell) =
            generation.durations(&key).and_then(|b| b.answer(bucket)).unwrap_or_else(|| panic!("{key} {bucket}"));
        assert_eq!((level, cell.samples), (Level::HourOfWeek, samples.len() as u64), "{key} {bucket}");
        let mean = samples.iter().sum::<u64>() as f64 / samples.len() as f64;
        let variance = samples.iter().map(|us| (*us as f64 - mean).powi(2)).sum::<f64>() / samples.len() as f64;
        let sigma = variance.sqrt().max(1.0).max(mean / 100.0);
        assert!((cell.mean_us / mean - 1.0).abs() < 1e-6, "{key} {bucket}: mean {} for {mean}", cell.mean_us);
        assert!((cell.sigma_us / sigma - 1.0).abs() < 1e-6, "{key} {bucket}: sigma {} for {sigma}", cell.sigma_us);
        for (told, q) in cell.percentiles.iter().zip(baseline::PERCENTILES) {
            let exact = quantile(&samples, q);
            let error = (f64::from(*told) / exact - 1.0).abs();
            assert!(error <= 0.032, "{key} {bucket}: p{} is {told} for {exact}", q * 100.0);
            errors.push(error);
        }
        compared += 1;
    }
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    println!(
        "{compared} buckets, median error of a percentile {:.3} %, largest {:.3} %",
        median * 100.0,
        errors[errors.len() - 1] * 100.0
    );
    assert!(compared > 100, "{compared}");
    assert!(median < 0.005, "{median}");
}
