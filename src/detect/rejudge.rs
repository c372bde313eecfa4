//! What would have become of a stored alert, or of what was nearly one, under other baselines, as far as what is kept of it can tell.

use crate::baseline::{Cell, Facet, Generation, KeyBaseline, Measure, PERCENTILES, SeriesKey};
use crate::domain::{AlertKind, Arithmetic, Calendar, Subject, UtcHour};

use super::chance;
use super::subjects::{ENOUGH_FOR_P95, Learnt};
use super::test::{ERRORS_TIMES, LEAST_EXCESS, LEAST_HITS, LEAST_SAMPLES};

/// What is known of an alert after the baselines changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejudged {
    /// It would have been raised.
    Stands,
    /// What it counted is not unlikely, or not enough above what is expected.
    Vanishes,
    /// What is kept of it does not tell.
    Unclear,
}

/// Judges a window, as it was counted, by `generation`. Durations are kept only as how many exceeded one
/// limit, so they are compared at that limit: the share above it lies between those of the neighbouring percentiles, and
/// where both ends do not agree the answer is [`Rejudged::Unclear`]. So it is for what is pooled from several keys.
#[must_use]
pub fn rejudge(
    kind: AlertKind,
    subject: &Subject,
    numbers: &Arithmetic,
    generation: &Generation,
    calendar: &Calendar,
) -> Rejudged {
    match (kind, subject) {
        // One call beyond anything learnt was compared with the largest ever, which is not kept by the alert.
        (AlertKind::SelfTime | AlertKind::Duration, _) if numbers.k < LEAST_HITS => Rejudged::Unclear,
        (AlertKind::SelfTime | AlertKind::Duration, Subject::Key(key)) => {
            let series = |measure| generation.series.get(&SeriesKey::new(key.clone(), measure));
            let whole = || series(Measure::Duration);
            let baseline = match kind {
                AlertKind::SelfTime => series(Measure::SelfTime).or_else(whole),
                _ => whole(),
            };
            let bucket = calendar.bucket(UtcHour::of(numbers.window.to));
            let cell = |baseline: &KeyBaseline| baseline.tested(bucket, ENOUGH_FOR_P95).map(|(_, cell)| *cell);
            let Some(baseline) = baseline.filter(|baseline| baseline.samples >= LEAST_SAMPLES) else {
                return Rejudged::Unclear;
            };
            match (cell(baseline), numbers.threshold) {
                (Some(cell), Some(threshold)) => {
                    let (low, high) = share_above(&cell, threshold.0 as f64);
                    by_shares(numbers, baseline.samples, low, high)
                }
                _ => Rejudged::Unclear,
            }
        }
        (AlertKind::Errors, subject) => {
            let structure = &generation.structure;
            let spread = structure.spreads.get(&(subject.clone(), Facet::Errors)).copied().unwrap_or_default();
            let learnt = match subject {
                Subject::Key(key) => structure.keys.get(key).map(|known| (known.calls, known.errors)),
                // Of several keys together only what was watched says which calls failed first.
                _ => Some((spread.n, spread.k)),
            };
            let Some((samples, failed)) = learnt.filter(|(samples, _)| *samples >= LEAST_SAMPLES) else {
                return Rejudged::Unclear;
            };
            let p = Learnt { calls: samples as f64, counted: failed as f64 }.share();
            let share = numbers.k as f64 / numbers.n.max(1) as f64;
            let enough = share - p >= LEAST_EXCESS || share >= ERRORS_TIMES * p;
            let c = chance::concentration(spread.rho(p), samples);
            let unlikely = chance::log10_at_least(numbers.k, numbers.n, p, c) < numbers.log10_alpha;
            if enough && unlikely { Rejudged::Stands } else { Rejudged::Vanishes }
        }
        _ => Rejudged::Unclear,
    }
}

/// Raised with the largest share that may be expected, it stands; not raised with the smallest, it vanishes.
fn by_shares(numbers: &Arithmetic, samples: u64, low: f64, high: f64) -> Rejudged {
    let raised = |p: f64| {
        let excess = numbers.k as f64 / numbers.n.max(1) as f64 - p;
        let c = chance::concentration(numbers.rho, samples);
        excess >= LEAST_EXCESS && chance::log10_at_least(numbers.k, numbers.n, p, c) < numbers.log10_alpha
    };
    match (raised(low), raised(high)) {
        (true, true) => Rejudged::Stands,
        (false, _) => Rejudged::Vanishes,
        (true, false) => Rejudged::Unclear,
    }
}

/// Between which shares of a cell's calls that above `us` lies.
fn share_above(cell: &Cell, us: f64) -> (f64, f64) {
    let percentiles = cell.percentiles.iter().zip(PERCENTILES).map(|(at, quantile)| (f64::from(*at), 1.0 - quantile));
    let limits = cell.exceeding.iter().filter(|e| e.threshold_us.is_finite());
    let known = percentiles.chain(limits.map(|e| (f64::from(e.threshold_us), f64::from(e.share))));
    // Never zero: what was not seen yet may be seen.
    let least = 0.5 / (cell.samples as f64 + 1.0);
    known.fold((least, 1.0), |(low, high), (at, share)| {
        (if at >= us { low.max(share) } else { low }, if at <= us { high.min(share.max(least)) } else { high })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::baseline::{DayRow, KeyBuilder, Settings, Slice};
    use crate::domain::{Alert, AlertId, IncidentId, Micros, Severity, SpanKey, SpanKind, TimeWindow, Timestamp};

    /// 2026-11-16 03:20 UTC, a Monday.
    const AT: Timestamp = Timestamp::from_secs(20_773 * 86_400 + 12_000);

    fn key() -> SpanKey {
        SpanKey::new("cart", "GET /", SpanKind::Server)
    }

    /// Durations from `us` to twice that, evenly.
    fn generation(us: u64) -> Generation {
        let mut builder = KeyBuilder::new(Calendar::utc());
        for day in [20_766, 20_759] {
            let mut slice = Slice::default();
            (0..4_000).for_each(|i| slice.insert(Micros(us + i * us / 4_000), false));
            let mut row = DayRow::default();
            row.merge(3, &slice);
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert!(builder.add_row(day, &bytes));
        }
        let baseline = builder.finish(&Settings::default().rules());
        let series = [(SeriesKey::duration(key()), Arc::new(baseline))].into();
        Generation { number: 1, series, ..Generation::default() }
    }

    fn judged(alert: &Alert, generation: &Generation) -> Rejudged {
        rejudge(alert.kind, &alert.subject, &alert.worst, generation, &Calendar::utc())
    }

    fn alert(k: u64, threshold_us: u64) -> Alert {
        Alert {
            id: AlertId(1),
            incident: IncidentId(1),
            subject: Subject::Key(key()),
            kind: AlertKind::SelfTime,
            severity: Severity::Sev1,
            onset: AT,
            raised: AT,
            last_seen: AT,
            closed: Some(AT),
            worst: Arithmetic {
                window: TimeWindow::new(AT, AT + Micros::from_secs(60)),
                n: 40,
                k,
                expected: 0.04,
                threshold: Some(Micros(threshold_us)),
                log10_chance: -20.0,
                log10_alpha: -7.0,
                samples: 8_000,
                level: None,
                rho: 0.01,
            },
            detail: String::new(),
            exemplars: Vec::new(),
            shift: None,
        }
    }

    #[test]
    fn what_became_normal_vanishes_and_what_is_still_odd_stands() {
        let judge = |alert: &Alert, us| judged(alert, &generation(us));
        assert_eq!(judge(&alert(30, 400_000), 100_000), Rejudged::Stands);
        assert_eq!(judge(&alert(30, 400_000), 50_000), Rejudged::Stands, "the system became faster");
        assert_eq!(judge(&alert(30, 400_000), 400_000), Rejudged::Vanishes, "all of its calls take that long now");
        assert_eq!(judge(&alert(30, 199_500), 100_000), Rejudged::Stands, "at most a hundredth is expected there");
        let pooled = Alert { subject: Subject::Node("cart".into()), ..alert(30, 400_000) };
        assert_eq!(judge(&pooled, 100_000), Rejudged::Unclear);
        assert_eq!(judge(&alert(1, 400_000), 100_000), Rejudged::Unclear, "one call alone is another test");
        let unknown =
            Alert { subject: Subject::Key(SpanKey::new("cart", "x", SpanKind::Server)), ..alert(30, 400_000) };
        assert_eq!(judge(&unknown, 100_000), Rejudged::Unclear);
    }

    #[test]
    fn between_two_percentiles_the_answer_may_be_open() {
        // 190 ms lies between p90 and p95: 5 to 10 % are expected, and 10 of 40 are unlikely enough only for fewer.
        let odd = alert(10, 192_000);
        assert_eq!(judged(&odd, &generation(100_000)), Rejudged::Vanishes);
        let generation = generation(100_000);
        let answers: Vec<Rejudged> = (10..40).map(|k| judged(&alert(k, 192_000), &generation)).collect();
        let rank = |answer: &Rejudged| match answer {
            Rejudged::Vanishes => 0,
            Rejudged::Unclear => 1,
            Rejudged::Stands => 2,
        };
        assert!(answers.iter().map(rank).is_sorted() && answers.contains(&Rejudged::Unclear), "{answers:?}");
    }
}
