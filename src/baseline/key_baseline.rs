//! All baselines of one span key: 168 hours of the week and the three wider levels.

use crate::domain::{Calendar, HourOfWeek, Level, UtcHour};

use super::cell::{Cell, CellRules};
use super::sketch::Sketch;
use super::slice::{Slice, merge_row};

/// Where each level's cells stand in one list: 168 hours of the week, 24 hours of the day, 7 days, all.
const CELLS: usize = 168 + 24 + 7 + 1;

const fn position(level: Level, bucket: HourOfWeek) -> usize {
    match level {
        Level::HourOfWeek => bucket.index(),
        Level::HourOfDay => 168 + bucket.hour() as usize,
        Level::DayOfWeek => 168 + 24 + bucket.day() as usize,
        Level::Global => 168 + 24 + 7,
    }
}

const fn level_at(position: usize) -> Level {
    match position {
        0..168 => Level::HourOfWeek,
        168..192 => Level::HourOfDay,
        192..199 => Level::DayOfWeek,
        _ => Level::Global,
    }
}

/// Baselines of one key. Only cells with enough samples exist.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeyBaseline {
    /// Samples at all levels together, also where they are too few to answer.
    pub samples: u64,
    /// Samples in each hour of the week.
    pub week_samples: Vec<u32>,
    /// On how many days each hour of the week was seen.
    pub week_days: Vec<u8>,
    cells: Vec<(u8, Cell)>,
    /// For each hour of the week which of `cells` answers: each span asks.
    answers: Vec<u8>,
}

/// Stands for no cell: there are never so many.
const NONE: u8 = u8::MAX;

/// Collects slices and turns them into baselines. One builder serves many keys in turn and keeps its memory.
#[derive(Debug)]
pub struct KeyBuilder {
    week: Vec<Slice>,
    /// For each hour of the week on how many days it was seen, and the last of them.
    days: Vec<(u8, i32)>,
    calendar: Calendar,
}

impl KeyBuilder {
    #[must_use]
    pub fn new(calendar: Calendar) -> Self {
        Self { week: vec![Slice::default(); HourOfWeek::COUNT], days: vec![(0, i32::MIN); HourOfWeek::COUNT], calendar }
    }

    /// Adds an encoded row of slices of the UTC day `day`. False if it is damaged: what was read of it before stays.
    pub fn add_row(&mut self, day: i32, bytes: &[u8]) -> bool {
        let calendar = self.calendar;
        let days = &mut self.days;
        merge_row(bytes, &mut self.week, |hour| {
            let bucket = calendar.bucket(UtcHour(day.saturating_mul(24).saturating_add(i32::from(hour)))).index();
            if let Some((count, last)) = days.get_mut(bucket).filter(|(_, last)| *last != day) {
                *count = count.saturating_add(1);
                *last = day;
            }
            bucket
        })
    }

    /// All samples added since the last [`KeyBuilder::finish`] that belong to one level.
    #[must_use]
    pub fn distribution(&self, level: Level, bucket: HourOfWeek) -> Sketch {
        let belongs = |other: HourOfWeek| position(level, other) == position(level, bucket);
        let mut merged = Sketch::default();
        for (_, slice) in HourOfWeek::all().zip(&self.week).filter(|(other, _)| belongs(*other)) {
            merged.merge(&slice.durations);
        }
        merged
    }

    /// The baselines of what was added since the last call.
    pub fn finish(&mut self, rules: &CellRules) -> KeyBaseline {
        let mut sketches: Vec<Sketch> = vec![Sketch::default(); CELLS - HourOfWeek::COUNT];
        for (bucket, slice) in HourOfWeek::all().zip(&self.week) {
            for level in [Level::HourOfDay, Level::DayOfWeek] {
                if let Some(wider) = sketches.get_mut(position(level, bucket) - HourOfWeek::COUNT) {
                    wider.merge(&slice.durations);
                }
            }
        }
        let (days, global) = sketches.split_at_mut(24 + 7);
        for day in days.iter().skip(24) {
            if let Some(global) = global.first_mut() {
                global.merge(day);
            }
        }
        let samples = global.first().map_or(0, Sketch::count);
        let all = self.week.iter().map(|slice| &slice.durations).chain(&sketches);
        let mut cells: Vec<(u8, Cell)> = all
            .enumerate()
            .filter_map(|(at, sketch)| Cell::of(sketch, level_at(at), rules).map(|cell| (at as u8, cell)))
            .collect();
        // Wider cells stand later in the list and keep their own cut-offs until they, too, have borrowed: from the
        // widest to the most specific, each sees what the wider ones answer by themselves.
        let own = KeyBaseline::new(samples, Vec::new(), Vec::new(), cells.clone());
        for (at, cell) in &mut cells {
            let wider: Vec<&Cell> = own.wider(usize::from(*at));
            cell.borrow_from(&wider);
        }
        let week_samples = self.week.iter().map(|s| u32::try_from(s.durations.count()).unwrap_or(u32::MAX)).collect();
        let week_days = self.days.iter().map(|(count, _)| *count).collect();
        self.clear();
        KeyBaseline::new(samples, week_samples, week_days, cells)
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        for slice in &mut self.week {
            slice.durations.clear();
            slice.errors = 0;
        }
        self.days.fill((0, i32::MIN));
    }
}

impl KeyBaseline {
    fn new(samples: u64, week_samples: Vec<u32>, week_days: Vec<u8>, cells: Vec<(u8, Cell)>) -> Self {
        let place = |at: usize| cells.binary_search_by_key(&(at as u8), |(at, _)| *at).ok();
        let answer = |bucket| Level::ALL.into_iter().find_map(|level| place(position(level, bucket)));
        let answers = HourOfWeek::all().map(|bucket| answer(bucket).map_or(NONE, |place| place as u8)).collect();
        Self { samples, week_samples, week_days, cells, answers }
    }

    fn at(&self, position: usize) -> Option<&Cell> {
        let found = self.cells.binary_search_by_key(&(position as u8), |(at, _)| *at).ok()?;
        self.cells.get(found).map(|(_, cell)| cell)
    }

    /// Cells of the levels wider than the one at `position`, nearest first.
    fn wider(&self, position: usize) -> Vec<&Cell> {
        let all = self.at(CELLS - 1);
        match level_at(position) {
            Level::HourOfWeek => {
                let (day, hour) = (position / 24, position % 24);
                [self.at(168 + hour), self.at(192 + day), all].into_iter().flatten().collect()
            }
            Level::HourOfDay | Level::DayOfWeek => all.into_iter().collect(),
            Level::Global => Vec::new(),
        }
    }

    /// The most specific baseline that has enough samples in this bucket.
    #[must_use]
    pub fn answer(&self, bucket: HourOfWeek) -> Option<(Level, &Cell)> {
        let (at, cell) = self.cells.get(usize::from(*self.answers.get(bucket.index())?))?;
        Some((level_at(usize::from(*at)), cell))
    }

    /// The baseline against which alerts are tested: the most specific with `enough` samples whose stretch of time was
    /// seen on two days at least, for what happened once is no pattern; otherwise that of all hours.
    #[must_use]
    pub fn tested(&self, bucket: HourOfWeek, enough: u64) -> Option<(Level, &Cell)> {
        let days = |other: HourOfWeek| self.week_days.get(other.index()).copied().map_or(0, u32::from);
        Level::ALL.into_iter().find_map(|level| {
            let cell = self.at(position(level, bucket))?;
            let seen = match level {
                Level::Global => return Some((level, cell)),
                _ if cell.samples < enough => return None,
                Level::HourOfWeek => days(bucket),
                Level::HourOfDay => HourOfWeek::all().filter(|other| other.hour() == bucket.hour()).map(days).sum(),
                Level::DayOfWeek => {
                    let day = HourOfWeek::all().filter(|other| other.day() == bucket.day());
                    day.map(days).max().unwrap_or(0)
                }
            };
            (seen >= 2).then_some((level, cell))
        })
    }

    /// The bucket's own baseline, if it has enough samples.
    #[must_use]
    pub fn own(&self, bucket: HourOfWeek) -> Option<&Cell> {
        self.at(bucket.index())
    }

    /// The baseline of a bucket at one level, if it has enough samples.
    #[must_use]
    pub fn at_level(&self, level: Level, bucket: HourOfWeek) -> Option<&Cell> {
        self.at(position(level, bucket))
    }

    /// Samples of a bucket at one level, also where they are too few to answer.
    #[must_use]
    pub fn samples_at(&self, level: Level, bucket: HourOfWeek) -> u64 {
        let belongs = |other: HourOfWeek| position(level, other) == position(level, bucket);
        HourOfWeek::all().zip(&self.week_samples).filter(|(other, _)| belongs(*other)).map(|(_, n)| u64::from(*n)).sum()
    }

    /// How many of the 168 buckets answer for themselves.
    #[must_use]
    pub fn full_buckets(&self) -> usize {
        self.cells.iter().filter(|(at, _)| usize::from(*at) < HourOfWeek::COUNT).count()
    }

    /// Cells with their place, for the store.
    pub fn cells(&self) -> impl Iterator<Item = (u8, &Cell)> {
        self.cells.iter().map(|(at, cell)| (*at, cell))
    }

    /// The inverse of [`KeyBaseline::cells`]. `None` if places are out of range or not ascending.
    #[must_use]
    pub fn from_cells(
        samples: u64,
        week_samples: Vec<u32>,
        week_days: Vec<u8>,
        cells: Vec<(u8, Cell)>,
    ) -> Option<Self> {
        let ascending = cells.is_sorted_by(|(a, _), (b, _)| a < b);
        let known = cells.last().is_none_or(|(at, _)| usize::from(*at) < CELLS);
        let weeks = week_samples.len() == HourOfWeek::COUNT && week_days.len() == HourOfWeek::COUNT;
        (ascending && known && weeks).then(|| Self::new(samples, week_samples, week_days, cells))
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::super::slice::DayRow;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Micros;

    /// Monday 2026-11-16, UTC.
    const MONDAY: i32 = 20_773;

    fn row(hours: &[(u8, u64, u64)]) -> Vec<u8> {
        let mut row = DayRow::default();
        for (hour, n, us) in hours {
            let mut slice = Slice::default();
            (0..*n).for_each(|i| slice.insert(Micros(us + i % 7), false));
            row.merge(*hour, &slice);
        }
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        bytes
    }

    fn build(calendar: Calendar, rows: &[(i32, Vec<u8>)]) -> KeyBaseline {
        let mut builder = KeyBuilder::new(calendar);
        for (day, bytes) in rows {
            assert!(builder.add_row(*day, bytes));
        }
        builder.finish(&Settings::default().rules())
    }

    #[test]
    fn the_most_specific_level_with_ten_samples_answers() {
        let rows =
            [(MONDAY, row(&[(3, 12, 1_000), (4, 4, 2_000)])), (MONDAY + 1, row(&[(4, 8, 3_000), (5, 9, 4_000)]))];
        let baseline = build(Calendar::utc(), &rows);
        let level = |day, hour| baseline.answer(HourOfWeek::new(day, hour)).map(|(level, cell)| (level, cell.samples));
        assert_eq!(level(0, 3), Some((Level::HourOfWeek, 12)));
        assert_eq!(level(0, 4), Some((Level::HourOfDay, 12)), "4 + 8 spans at 04h");
        assert_eq!(level(0, 9), Some((Level::DayOfWeek, 16)));
        assert_eq!(level(1, 5), Some((Level::DayOfWeek, 17)));
        assert_eq!(level(5, 20), Some((Level::Global, 33)));
        assert_eq!(baseline.samples, 33);
    }

    #[test]
    fn nothing_learnt_answers_nothing() {
        assert_eq!(build(Calendar::utc(), &[]).answer(HourOfWeek::new(0, 0)), None);
    }

    #[test]
    fn the_hour_that_comes_twice_in_autumn_gets_both_hours() {
        let sunday = 20_751; // 2026-10-25: 00h and 01h UTC are both 02h in Berlin
        let rows = [(sunday, row(&[(0, 20, 1_000), (1, 30, 1_000)]))];
        let baseline = build(Calendar::new(chrono_tz::Europe::Berlin), &rows);
        assert_eq!(baseline.answer(HourOfWeek::new(6, 2)).map(|(_, cell)| cell.samples), Some(50));
        assert_eq!(baseline.samples, 50);
    }

    #[test]
    fn a_builder_forgets_the_former_key() {
        let mut builder = KeyBuilder::new(Calendar::utc());
        builder.add_row(MONDAY, &row(&[(3, 12, 1_000)]));
        let first = builder.finish(&Settings::default().rules());
        builder.add_row(MONDAY, &row(&[(3, 12, 1_000)]));
        assert_eq!(builder.finish(&Settings::default().rules()), first);
    }

    #[test]
    fn cells_come_back_from_their_places() {
        let baseline = build(Calendar::utc(), &[(MONDAY, row(&[(3, 600, 1_000)]))]);
        let cells = baseline.cells().map(|(at, cell)| (at, *cell)).collect();
        let back =
            KeyBaseline::from_cells(baseline.samples, baseline.week_samples.clone(), baseline.week_days.clone(), cells);
        assert_eq!(back, Some(baseline));
    }

    proptest! {
        /// Only the order of durations and their ratios count: where a source measures in other units, or a whole system
        /// is so much slower, the same calls are judged the same.
        #[test]
        fn a_power_of_two_scales_every_number_and_no_verdict(
            samples in proptest::collection::vec(64u64..5_000_000, 30..400),
            asked in proptest::collection::vec(64u64..20_000_000, 20),
            doublings in 1u32..8,
        ) {
            let rules = CellRules { slow_by: Micros::ZERO, clock: Micros::ZERO, ..Settings::default().rules() };
            let learn = |scale: u64| {
                let mut slice = Slice::default();
                samples.iter().for_each(|us| slice.insert(Micros(us * scale), false));
                let (mut row, mut bytes) = (DayRow::default(), Vec::new());
                row.merge(3, &slice);
                row.encode(&mut bytes);
                let mut builder = KeyBuilder::new(Calendar::utc());
                assert!(builder.add_row(MONDAY, &bytes));
                builder.finish(&rules)
            };
            let scale = 1 << doublings;
            let near = |small: f64, large: f64| (large - small * scale as f64).abs() <= 1e-9 * large.abs();
            for ((_, small), (_, large)) in learn(1).cells().zip(learn(scale).cells()) {
                prop_assert!(near(small.mean_us, large.mean_us) && near(small.sigma_us, large.sigma_us));
                for (small, large) in small.percentiles.iter().zip(large.percentiles) {
                    prop_assert_eq!(small * scale as f32, large);
                }
                for (small, large) in small.exceeding.iter().zip(large.exceeding) {
                    prop_assert_eq!((small.threshold_us * scale as f32, small.share), (large.threshold_us, large.share));
                }
                for us in &asked {
                    let severity = |cell: &Cell, us| cell.severity(cell.deviation(Micros(us))).map(|(severity, _)| severity);
                    prop_assert_eq!(severity(small, *us), severity(large, us * scale));
                }
            }
        }
    }
}
