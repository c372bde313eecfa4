//! What each day gave to each hour of the week, and whether weeks drift: read from slices, for people.

use std::collections::BTreeMap;

use crate::domain::{Calendar, HourOfWeek, Micros, UtcHour};

use super::sketch::Sketch;
use super::slice::Slice;

/// The p99 of fewer samples is little more than their maximum.
pub const FEWEST_FOR_P99: u64 = 100;
/// Weeks whose drift is told.
pub const DRIFT_WEEKS: usize = 4;

const WEEK_HOURS: i32 = HourOfWeek::COUNT as i32;

/// The samples of one hour of the week from one local day. Where clocks were put back two UTC hours are one such hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayPart {
    pub samples: u64,
    pub errors: u64,
    pub p50: Micros,
    pub p95: Micros,
    pub p99: Micros,
    pub max: Micros,
}

/// What is kept of one series, by time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Past {
    /// By the first UTC hour of each hour of the week on its day. Hours without samples have none.
    pub parts: BTreeMap<UtcHour, DayPart>,
    /// How much longer (0.1 is a tenth) the p99 of all calls of a week was than that of all kept calls before it, for the
    /// last four weeks of 168 hours, oldest first. `None` unless a whole week was kept before it, and both have
    /// [`FEWEST_FOR_P99`] samples.
    pub drift: [Option<f64>; DRIFT_WEEKS],
}

impl DayPart {
    fn of(slice: &Slice) -> Option<Self> {
        let [p50, p95, p99] = slice.durations.quantiles([0.5, 0.95, 0.99])?.map(|us| Micros(us.round() as u64));
        let (samples, max) = (slice.durations.count(), slice.durations.max());
        Some(Self { samples, errors: slice.errors, p50, p95, p99, max })
    }
}

/// The UTC hour under which an hour is kept together with the one before it, if clocks show the same hour of the same day.
#[must_use]
pub fn first_of(hour: UtcHour, calendar: &Calendar) -> UtcHour {
    let before = UtcHour(hour.0.saturating_sub(1));
    if calendar.bucket(before) == calendar.bucket(hour) { before } else { hour }
}

impl Past {
    /// Of slices by their hours; the weeks end with the hour before `until`.
    #[must_use]
    pub fn of(slices: &BTreeMap<UtcHour, Slice>, calendar: &Calendar, until: UtcHour) -> Self {
        let mut joined: BTreeMap<UtcHour, Slice> = BTreeMap::new();
        for (hour, slice) in slices {
            joined.entry(first_of(*hour, calendar)).or_default().merge(slice);
        }
        let parts = joined.iter().filter_map(|(hour, slice)| Some((*hour, DayPart::of(slice)?))).collect();
        let mut drift = [None; DRIFT_WEEKS];
        for (weeks_ago, drift) in (1..).zip(drift.iter_mut().rev()) {
            *drift = drift_of(slices, UtcHour(until.0.saturating_sub(weeks_ago * WEEK_HOURS)));
        }
        Self { parts, drift }
    }
}

fn drift_of(slices: &BTreeMap<UtcHour, Slice>, from: UtcHour) -> Option<f64> {
    let (first, _) = slices.first_key_value()?;
    if first.0.saturating_add(WEEK_HOURS) > from.0 {
        return None;
    }
    let p99 = |from: UtcHour, to: UtcHour| {
        let mut merged = Sketch::default();
        for (_, slice) in slices.range(from..to) {
            merged.merge(&slice.durations);
        }
        merged.quantile(0.99).filter(|p99| merged.count() >= FEWEST_FOR_P99 && *p99 > 0.0)
    };
    let before = p99(*first, from)?;
    Some(p99(from, UtcHour(from.0.saturating_add(WEEK_HOURS)))? / before - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday 2026-10-19, 00h UTC.
    const MONDAY: i32 = 24 * 20_745;

    fn slice(samples: u64, us: u64) -> Slice {
        let mut slice = Slice::default();
        (0..samples).for_each(|i| slice.insert(Micros(us), i == 0));
        slice
    }

    fn weeks(lengths: &[u64]) -> BTreeMap<UtcHour, Slice> {
        let week = |(week, us): (i32, &u64)| {
            let us = *us;
            (0..WEEK_HOURS).map(move |hour| (UtcHour(MONDAY + week * WEEK_HOURS + hour), slice(2, us)))
        };
        (0..).zip(lengths).flat_map(week).collect()
    }

    #[test]
    fn a_week_that_took_twice_as_long_drifted_by_a_whole() {
        let until = UtcHour(MONDAY + 5 * WEEK_HOURS);
        let drift = Past::of(&weeks(&[1_000, 1_000, 1_000, 1_000, 2_000]), &Calendar::utc(), until).drift;
        assert_eq!(drift, [Some(0.0), Some(0.0), Some(0.0), Some(1.0)]);
        let after = Past::of(&weeks(&[1_000, 1_000, 1_000, 2_000, 2_000]), &Calendar::utc(), until).drift;
        assert_eq!(after, [Some(0.0), Some(0.0), Some(1.0), Some(0.0)], "what is kept before it is as long by then");
    }

    #[test]
    fn without_a_week_before_it_or_with_few_samples_nothing_is_said_of_a_week() {
        let until = UtcHour(MONDAY + 4 * WEEK_HOURS);
        let all = weeks(&[1_000, 1_000, 1_000, 1_000]);
        let drift = Past::of(&all, &Calendar::utc(), until).drift;
        assert_eq!(drift, [None, Some(0.0), Some(0.0), Some(0.0)]);
        let few: BTreeMap<UtcHour, Slice> = all.into_iter().step_by(4).collect();
        assert_eq!(Past::of(&few, &Calendar::utc(), until).drift, [None; 4], "84 samples a week");
        assert_eq!(Past::of(&BTreeMap::new(), &Calendar::utc(), until), Past::default());
    }

    #[test]
    fn an_hour_that_comes_twice_is_one_hour_of_its_day() {
        let midnight = 24 * 20_751; // 2026-10-25: 00h and 01h UTC are both 02h in Berlin
        let berlin = Calendar::new(chrono_tz::Europe::Berlin);
        let slices = [(0, slice(20, 1_000)), (1, slice(30, 3_000)), (2, slice(5, 2_000))];
        let slices = slices.into_iter().map(|(hour, slice)| (UtcHour(midnight + hour), slice)).collect();
        let past = Past::of(&slices, &berlin, UtcHour(midnight + 24));
        let found: Vec<(i32, u64, u64, Micros)> =
            past.parts.iter().map(|(hour, part)| (hour.0 - midnight, part.samples, part.errors, part.max)).collect();
        assert_eq!(found, [(0, 50, 2, Micros(3_000)), (2, 5, 1, Micros(2_000))]);
    }
}
