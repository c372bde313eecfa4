//! All baselines of one recalculation, and what changed against the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Calendar, HourOfWeek, LevelId, Micros, SpanKey, TimeWindow, Timestamp, UtcHour};

use super::key_baseline::KeyBaseline;
use super::series::SeriesKey;
use super::structure::Structure;

/// Baselines in use. Readers see one generation or the next, never a mixture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Generation {
    /// 0 before the first recalculation.
    pub number: u64,
    pub made_at: Timestamp,
    pub series: BTreeMap<SeriesKey, Arc<KeyBaseline>>,
    pub structure: Arc<Structure>,
    /// How long each hour of the week was watched, in seconds: what calls are divided by.
    pub watched_s: Vec<u32>,
    /// The level that it knows of each key which is not on its first one.
    pub levels: BTreeMap<SpanKey, LevelId>,
}

/// One bucket whose p99 moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    pub key: SpanKey,
    pub bucket: HourOfWeek,
    pub before_us: f64,
    pub after_us: f64,
}

/// How two generations differ in the buckets that both answer for themselves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    pub compared: u32,
    pub changed: u32,
    /// The largest moves, largest first.
    pub largest: Vec<Moved>,
}

/// A p99 that moved by less is no news.
const CHANGED_BY: f64 = 0.10;
const LARGEST: usize = 8;

/// How long each hour of the week was watched within `known`, in seconds.
#[must_use]
pub fn watched(known: &[TimeWindow], calendar: &Calendar) -> Vec<u32> {
    let mut watched = vec![0u64; HourOfWeek::COUNT];
    for window in known {
        let mut hour = UtcHour::of(window.from);
        while hour.start() < window.to {
            let next = UtcHour(hour.0 + 1);
            let part = next.start().min(window.to).since(hour.start().max(window.from));
            if let Some(there) = watched.get_mut(calendar.bucket(hour).index()) {
                *there += part.0;
            }
            hour = next;
        }
    }
    watched.into_iter().map(|us| u32::try_from(us / 1_000_000).unwrap_or(u32::MAX)).collect()
}

impl Generation {
    #[must_use]
    pub fn durations(&self, key: &SpanKey) -> Option<&Arc<KeyBaseline>> {
        self.series.get(&SeriesKey::duration(key.clone()))
    }

    /// Span keys with baselines of their durations, in order.
    pub fn keys(&self) -> impl Iterator<Item = (&SpanKey, &Arc<KeyBaseline>)> {
        let durations = self.series.iter().filter(|(series, _)| series.is_duration());
        durations.map(|(series, baseline)| (&series.key, baseline))
    }

    /// How long this generation's history was watched in all.
    #[must_use]
    pub fn watched(&self) -> Micros {
        Micros::from_secs(self.watched_s.iter().map(|s| u64::from(*s)).sum())
    }

    #[must_use]
    pub fn samples(&self) -> u64 {
        self.keys().map(|(_, key)| key.samples).sum()
    }

    /// Share of (key, bucket) pairs with samples that answer for themselves, 0 to 1.
    #[must_use]
    pub fn full_share(&self) -> f64 {
        let used = |key: &KeyBaseline| key.week_samples.iter().filter(|n| **n > 0).count();
        let (full, all) =
            self.keys().fold((0, 0), |(full, all), (_, key)| (full + key.full_buckets(), all + used(key)));
        if all == 0 { 0.0 } else { full as f64 / all as f64 }
    }

    #[must_use]
    pub fn compare(&self, before: &Self) -> Comparison {
        let mut moves = Vec::new();
        let mut compared = 0;
        for (key, baseline) in self.keys() {
            let Some(former) = before.durations(key) else { continue };
            for bucket in HourOfWeek::all() {
                let (Some(new), Some(old)) = (baseline.own(bucket), former.own(bucket)) else { continue };
                compared += 1;
                let (after_us, before_us) = (f64::from(new.percentiles[3]), f64::from(old.percentiles[3]));
                if (after_us - before_us).abs() > CHANGED_BY * before_us {
                    moves.push(Moved { key: key.clone(), bucket, before_us, after_us });
                }
            }
        }
        let changed = moves.len() as u32;
        let size = |m: &Moved| (m.after_us.max(1.0) / m.before_us.max(1.0)).ln().abs();
        moves.sort_by(|a, b| size(b).total_cmp(&size(a)).then_with(|| (&a.key, a.bucket).cmp(&(&b.key, b.bucket))));
        moves.truncate(LARGEST);
        Comparison { compared, changed, largest: moves }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_baseline::KeyBuilder;
    use super::super::settings::Settings;
    use super::super::slice::{DayRow, Slice};
    use super::*;
    use crate::domain::{Calendar, Micros, SpanKind};

    fn generation(us: u64) -> Generation {
        let mut builder = KeyBuilder::new(Calendar::utc());
        let mut row = DayRow::default();
        for hour in [3, 4] {
            let mut slice = Slice::default();
            (0..100).for_each(|i| slice.insert(Micros(if hour == 3 { us } else { 1_000 } + i), false));
            row.merge(hour, &slice);
        }
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert!(builder.add_row(20_773, &bytes));
        let key = SpanKey::new("cart", "GET /", SpanKind::Server);
        let baseline = builder.finish(&Settings::default().rules());
        let series = [(SeriesKey::duration(key), Arc::new(baseline))].into();
        Generation { number: 1, series, ..Generation::default() }
    }

    #[test]
    fn only_buckets_that_moved_by_more_than_a_tenth_are_told() {
        let comparison = generation(2_000).compare(&generation(1_000));
        assert_eq!((comparison.compared, comparison.changed), (2, 1));
        assert_eq!(comparison.largest[0].bucket, HourOfWeek::new(0, 3));
        assert_eq!(generation(1_050).compare(&generation(1_000)).changed, 0);
    }

    #[test]
    fn a_key_that_is_new_is_not_a_change() {
        assert_eq!(generation(1_000).compare(&Generation::default()), Comparison::default());
    }
}
