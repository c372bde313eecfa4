//! One operation over time: minutes as far as they are kept here, hours from the store before.

use std::collections::BTreeMap;

use crate::baseline::{Counts, UNKNOWN_RHO, unite, without};
use crate::detect::{self, chance};
use crate::domain::{
    Alert, Anomaly, Bins, HourOfWeek, Micros, Severity, SpanKey, Subject, TimeWindow, Timestamp, UtcHour,
};
use crate::messages::{
    TrendAlert, TrendColumn, TrendDay, TrendNormal, TrendNumbers, TrendRange, TrendSource, TrendsView, TrendsWanted,
    UpdateBody,
};

use super::keys::Entry;
use super::live::minute_of;
use super::{Engine, Output};

/// Polls that are remembered: as long as minutes are kept.
const WATCHED: Micros = Micros::from_secs(6 * 3_600 + 1_800);
/// The store is read again that often, and sooner when something was written.
const READ_EVERY: Micros = Micros::from_secs(300);
const READ_AGAIN: Micros = Micros::from_secs(60);
const HOUR: Micros = Micros::from_secs(3_600);
const DAY: Micros = Micros::from_secs(86_400);
/// Days by hour of the day.
const DAYS: u64 = 30;
/// Slow calls told of a column, and in all.
const SLOW: usize = 3;
const MOST_SLOW: usize = 90;
/// log₁₀ of how often chance may put a column outside its band.
const OUTSIDE: f64 = -3.0;
/// Calls above the normal p99 that are expected.
const ABOVE_P99: f64 = 0.01;

/// The worst alert of an hour, and how many spans of SEV1 and SEV2 are recorded.
type HourOfDay = (Option<Severity>, u32);

/// What is to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendsReading {
    pub wanted: TrendsWanted,
    /// As the wanted operation is called in the store.
    pub key: SpanKey,
    /// Hours that overlap one of these.
    pub hours: Vec<TimeWindow>,
    pub alerts: TimeWindow,
    pub anomalies: TimeWindow,
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTrends {
    pub wanted: TrendsWanted,
    pub hours: BTreeMap<UtcHour, Counts>,
    /// Those that touch the operation's service.
    pub alerts: Vec<Alert>,
    /// Those of the operation.
    pub anomalies: Vec<Anomaly>,
}

/// What a screen looks at, and what was read for it.
#[derive(Debug, Clone, Default)]
pub struct Trends {
    wanted: Option<TrendsWanted>,
    /// Stretches in which every call was counted by the minute.
    watched: Vec<TimeWindow>,
    stored: Option<StoredTrends>,
    read: Option<Timestamp>,
    reading: Option<Timestamp>,
    told: Option<Box<TrendsView>>,
    /// Something was written since the store was read.
    pub stale: bool,
}

impl Trends {
    pub fn watched(&mut self, window: TimeWindow, now: Timestamp) {
        unite(&mut self.watched, TimeWindow::new(window.from, window.to.min(now)));
        let oldest = now - WATCHED;
        self.watched.retain(|window| window.to > oldest);
    }

    fn is_to_read(&self, now: Timestamp) -> bool {
        let waits = if self.stale { READ_AGAIN } else { READ_EVERY };
        self.reading.is_none_or(|since| now.since(since) >= READ_AGAIN)
            && self.read.is_none_or(|at| now.since(at) >= waits)
    }
}

/// How long windows (disjoint) last within another.
fn overlap(windows: &[TimeWindow], whole: TimeWindow) -> Micros {
    Micros(windows.iter().map(|window| window.to.min(whole.to).since(window.from.max(whole.from)).0).sum())
}

fn shifted(window: TimeWindow, weeks: u64) -> TimeWindow {
    // An hour more on both sides, for changes of the clocks.
    let by = Micros(weeks * 7 * DAY.0);
    TimeWindow::new(window.from - by - HOUR, window.to - by + HOUR)
}

fn whole(hour: UtcHour) -> TimeWindow {
    TimeWindow::new(hour.start(), UtcHour(hour.0.saturating_add(1)).start())
}

/// Begins at a multiple of `step` since the epoch, and ends with the column that runs.
fn window_of(range: TrendRange, step: Micros, now: Timestamp) -> TimeWindow {
    let step = i64::try_from(step.0).unwrap_or(i64::MAX).max(1);
    // A column that has only begun has nothing in it.
    let to = Timestamp(((now.0.saturating_sub(1)).div_euclid(step) + 1).saturating_mul(step));
    TimeWindow::new(to - range.length(), to)
}

fn numbers(durations: &Bins, known_s: u64) -> TrendNumbers {
    let n = durations.count();
    let quantile = |q| durations.quantile(q);
    let percentiles = quantile(0.5).zip(quantile(0.95)).zip(quantile(0.99)).map(|((a, b), c)| [a, b, c]);
    TrendNumbers { n, per_s: n as f64 / known_s.max(1) as f64, percentiles }
}

impl Engine {
    pub(super) fn show_trends(&mut self, wanted: Option<TrendsWanted>, now: Timestamp, out: &mut Vec<Output>) {
        if wanted != self.trends.wanted {
            (self.trends.stored, self.trends.read, self.trends.reading) = (None, None, None);
        }
        // Whoever asks is told, also when another screen was told the same.
        self.trends.told = None;
        self.trends.wanted = wanted;
        self.tell_trends(now, out);
    }

    pub(super) fn take_stored_trends(&mut self, stored: StoredTrends, now: Timestamp, out: &mut Vec<Output>) {
        if self.trends.wanted.as_ref() == Some(&stored.wanted) {
            (self.trends.stored, self.trends.read, self.trends.reading) = (Some(stored), Some(now), None);
            self.tell_trends(now, out);
        }
    }

    pub(super) fn tell_trends(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let Some(wanted) = self.trends.wanted.clone() else { return };
        let step = wanted.range.step(wanted.columns);
        let window = window_of(wanted.range, step, now);
        let view = Box::new(self.trends_view(wanted.clone(), window, step, now));
        if self.trends.told.as_ref() != Some(&view) {
            self.trends.told = Some(view.clone());
            out.push(Output::Tell(UpdateBody::Trends(view)));
        }
        if self.trends.is_to_read(now) {
            (self.trends.reading, self.trends.stale) = (Some(now), false);
            // Four weeks before a month nothing is kept.
            let weeks = if wanted.range == TrendRange::Month { 0 } else { 4 };
            let month = TimeWindow::new(now - Micros((DAYS + 1) * DAY.0), now);
            let recorded = if wanted.days { month } else { TimeWindow::new(window.from - HOUR, window.to) };
            out.push(Output::ReadTrends(Box::new(TrendsReading {
                wanted: wanted.clone(),
                key: self.trends_key(&wanted),
                hours: (0..=weeks).map(|weeks| shifted(window, weeks)).collect(),
                alerts: recorded,
                anomalies: recorded,
            })));
        }
    }

    fn trends_view(&self, wanted: TrendsWanted, window: TimeWindow, step: Micros, now: Timestamp) -> TrendsView {
        let learnt = without(&self.ledger.known, &self.ledger.excluded);
        let key = self.trends_key(&wanted);
        let entry = self.keys.find(&key);
        let picture = Picture { engine: self, entry, learnt: &learnt, now };
        let mut columns = if step < HOUR { picture.minutes(window, step) } else { picture.hours(window, step) };
        let alerts = self.alerts_of(&key);
        self.add_slow(&mut columns, &key, window);
        let within = |alert: &&Alert| alert.onset < window.to && alert.closed.is_none_or(|at| at >= window.from);
        let subject = Subject::Key(key.clone());
        let shown = |alert: &Alert| TrendAlert {
            id: alert.id,
            kind: alert.kind,
            severity: alert.severity,
            onset: alert.onset,
            closed: alert.closed,
            own: alert.subject == subject,
        };
        let days = if wanted.days { self.trend_days(&key, &alerts, now) } else { Vec::new() };
        TrendsView {
            window,
            step,
            stored: self.trends.stored.is_some(),
            minutes_from: picture.minutes_from(window),
            columns,
            alerts: alerts.iter().filter(within).map(shown).collect(),
            maintenance: self.hygiene.maintenance(window),
            left_out: clipped(&self.ledger.excluded, window),
            days,
            wanted,
        }
    }

    /// Ids in the name of a span are folded.
    fn trends_key(&self, wanted: &TrendsWanted) -> SpanKey {
        self.keys.find_raw(&wanted.key).map_or_else(|| wanted.key.clone(), |entry| entry.key.clone())
    }

    /// Those that were read, as they are by now, and those raised since, by onset.
    fn alerts_of(&self, key: &SpanKey) -> Vec<Alert> {
        let touches = |alert: &&Alert| alert.subject.services().any(|service| *service == key.service);
        let mut alerts: BTreeMap<_, Alert> = BTreeMap::new();
        for alert in self.trends.stored.iter().flat_map(|stored| &stored.alerts) {
            // One that is open there and not here was closed since.
            let closed = alert.closed.or(Some(alert.last_seen));
            alerts.insert(alert.id, Alert { closed, ..alert.clone() });
        }
        for alert in self.book.alerts().filter(touches) {
            alerts.insert(alert.id, alert.clone());
        }
        let mut alerts: Vec<Alert> = alerts.into_values().collect();
        alerts.sort_by_key(|alert| (alert.onset, alert.id));
        alerts
    }

    /// The slowest calls of each column of which a record is kept.
    fn add_slow(&self, columns: &mut [TrendColumn], key: &SpanKey, window: TimeWindow) {
        let stored = self.trends.stored.iter().flat_map(|stored| &stored.anomalies);
        let recent = self.groups.iter().flat_map(|(_, group)| &group.anomalies).filter(|anomaly| anomaly.key == *key);
        let mut slow: BTreeMap<_, &Anomaly> = stored.map(|anomaly| (anomaly.id, anomaly)).collect();
        slow.extend(recent.map(|anomaly| (anomaly.id, anomaly)));
        let mut slow: Vec<&Anomaly> =
            slow.into_values().filter(|anomaly| window.contains(anomaly.start + anomaly.duration)).collect();
        slow.sort_by_key(|anomaly| (std::cmp::Reverse(anomaly.duration), anomaly.start, anomaly.id));
        let mut left = MOST_SLOW;
        for anomaly in slow {
            let end = anomaly.start + anomaly.duration;
            let place = columns.partition_point(|column| column.window.to <= end);
            let column = columns.get_mut(place).filter(|column| column.window.contains(end));
            if let Some(column) = column.filter(|column| column.slow.len() < SLOW && left > 0) {
                column.slow.push(anomaly.clone());
                left -= 1;
            }
        }
    }

    fn trend_days(&self, key: &SpanKey, alerts: &[Alert], now: Timestamp) -> Vec<TrendDay> {
        let Some(today) = self.calendar.day(now) else { return Vec::new() };
        let midnight = |back: u64| {
            let day = today.checked_sub_days(chrono::Days::new(back))?;
            self.calendar.moment(day, 0)
        };
        let starts: Vec<Timestamp> = (0..DAYS).rev().filter_map(midnight).collect();
        let mut days: Vec<TrendDay> =
            starts.iter().map(|start| TrendDay { start: *start, hours: [(None, 0); 24] }).collect();
        let mut at = |at: Timestamp, change: &mut dyn FnMut(&mut HourOfDay)| {
            let day = starts.partition_point(|start| *start <= at).checked_sub(1);
            let hour = usize::from(self.calendar.minute_of_day(at) / 60);
            if let Some(cell) = day.and_then(|day| days.get_mut(day)).and_then(|day| day.hours.get_mut(hour)) {
                change(cell);
            }
        };
        for alert in alerts {
            let end = alert.closed.unwrap_or(now).min(now);
            let mut moment = alert.onset.max(starts.first().copied().unwrap_or(now));
            while moment <= end {
                at(moment, &mut |(worst, _)| *worst = Some(worst.map_or(alert.severity, |w| w.min(alert.severity))));
                moment = UtcHour(UtcHour::of(moment).0.saturating_add(1)).start();
            }
        }
        let stored = self.trends.stored.iter().flat_map(|stored| &stored.anomalies);
        for anomaly in stored.filter(|anomaly| anomaly.key == *key && anomaly.severity.is_at_least(Severity::Sev2)) {
            at(anomaly.start, &mut |(_, records)| *records += 1);
        }
        days
    }
}

fn clipped(windows: &[TimeWindow], whole: TimeWindow) -> Vec<TimeWindow> {
    let clip = |window: &TimeWindow| TimeWindow::new(window.from.max(whole.from), window.to.min(whole.to));
    windows.iter().map(clip).filter(|window| window.from < window.to).collect()
}

/// What columns are made of.
struct Picture<'a> {
    engine: &'a Engine,
    entry: Option<&'a Entry>,
    /// Stretches that hours of the store were learnt from.
    learnt: &'a [TimeWindow],
    now: Timestamp,
}

impl Picture<'_> {
    /// How long a window is known by the minute.
    fn watched(&self, window: TimeWindow) -> Micros {
        let kept = self.entry.and_then(|entry| entry.fine.whole_from()).map(|minute| Timestamp(minute * 60_000_000));
        if kept.is_some_and(|from| window.from < from) {
            return Micros::ZERO;
        }
        overlap(&self.engine.trends.watched, window)
    }

    fn minutes_from(&self, window: TimeWindow) -> Option<Timestamp> {
        let first = self.engine.trends.watched.first()?.from;
        let kept = self.entry.and_then(|entry| entry.fine.whole_from()).map(|minute| Timestamp(minute * 60_000_000));
        Some(kept.map_or(first, |kept| kept.max(first)).max(window.from).minute_after())
    }

    fn by_minute(&self, window: TimeWindow) -> Counts {
        let Some(entry) = self.entry else { return Counts::default() };
        let (from, to) = (minute_of(window.from), minute_of(window.to));
        let recent = entry.last_hour.minutes(from, to);
        let mut counts = entry.fine.between(from, to);
        counts.merge(&Counts { durations: recent.durations.bins(), errors: recent.errors });
        counts
    }

    /// What was learnt of an hour, and of how long; `None` where that is nothing.
    fn stored(&self, hour: UtcHour) -> Option<(Counts, u64)> {
        let stored = self.engine.trends.stored.as_ref()?;
        let known_s = overlap(self.learnt, whole(hour)).secs();
        (known_s > 0).then(|| (stored.hours.get(&hour).cloned().unwrap_or_default(), known_s))
    }

    /// Columns of minutes, and of whole hours where those are not known.
    fn minutes(&self, window: TimeWindow, step: Micros) -> Vec<TrendColumn> {
        let is_watched = |from: Timestamp| {
            let column = TimeWindow::new(from, (from + step).min(self.now));
            self.watched(column).0 * 2 > column.length().0
        };
        let mut columns = Vec::new();
        let mut from = window.from;
        while from < window.to {
            if is_watched(from) {
                let there = TimeWindow::new(from, from + step);
                let known_s = self.watched(there).secs().max(1);
                let counts = self.by_minute(there);
                columns.push(self.column(there, TrendSource::Minutes, &counts, known_s, &[UtcHour::of(from)]));
                from = there.to;
                continue;
            }
            let hour = UtcHour::of(from);
            let mut end = from + step;
            while end < whole(hour).to.min(window.to) && !is_watched(end) {
                end = end + step;
            }
            if let Some((counts, known_s)) = self.stored(hour) {
                columns.push(self.column(TimeWindow::new(from, end), TrendSource::Hours, &counts, known_s, &[hour]));
            }
            from = end;
        }
        columns
    }

    /// Columns of whole hours, each by the minute where that is known better.
    fn hours(&self, window: TimeWindow, step: Micros) -> Vec<TrendColumn> {
        let mut columns = Vec::new();
        let mut from = window.from;
        while from < window.to {
            let column = TimeWindow::new(from, from + step);
            let (mut counts, mut known_s, mut hours) = (Counts::default(), 0, Vec::new());
            let mut source = TrendSource::Minutes;
            let mut hour = UtcHour::of(from);
            while hour.start() < column.to && hour.start() <= self.now {
                let watched_s = self.watched(whole(hour)).secs();
                let learnt_s = overlap(self.learnt, whole(hour)).secs();
                if watched_s > 0 && watched_s >= learnt_s {
                    counts.merge(&self.by_minute(whole(hour)));
                    known_s += watched_s;
                    hours.push(hour);
                } else if let Some((learnt, seconds)) = self.stored(hour) {
                    counts.merge(&learnt);
                    known_s += seconds;
                    source = TrendSource::Hours;
                    hours.push(hour);
                }
                hour = UtcHour(hour.0.saturating_add(1));
            }
            if known_s > 0 {
                columns.push(self.column(column, source, &counts, known_s, &hours));
            }
            from = column.to;
        }
        columns
    }

    fn column(
        &self,
        window: TimeWindow,
        source: TrendSource,
        counts: &Counts,
        known_s: u64,
        hours: &[UtcHour],
    ) -> TrendColumn {
        let normal = self.normal(hours);
        let n = counts.durations.count();
        let above = normal.map(|normal| counts.durations.above(normal.p99));
        let outside = normal.zip(above).is_some_and(|(normal, above)| {
            let concentration = chance::concentration(UNKNOWN_RHO, normal.samples);
            chance::log10_at_least(above.floor() as u64, n, ABOVE_P99, concentration) < OUTSIDE
        });
        TrendColumn {
            window,
            source,
            known_s: u32::try_from(known_s).unwrap_or(u32::MAX),
            numbers: numbers(&counts.durations, known_s),
            errors: counts.errors,
            normal,
            above,
            outside,
            weeks: [1, 2, 3, 4].map(|weeks| self.week_before(hours, weeks)),
            groups: counts.durations.groups(),
            durations: counts.durations.clone(),
            slow: Vec::new(),
        }
    }

    fn week_before(&self, hours: &[UtcHour], weeks: u8) -> Option<TrendNumbers> {
        let (mut counts, mut known_s) = (Counts::default(), 0);
        for hour in hours {
            let before = self.engine.calendar.weeks_before(*hour, weeks)?;
            if let Some((learnt, seconds)) = self.stored(before) {
                counts.merge(&learnt);
                known_s += seconds;
            }
        }
        (known_s > 0).then(|| numbers(&counts.durations, known_s))
    }

    fn normal(&self, hours: &[UtcHour]) -> Option<TrendNormal> {
        let baseline = self.entry?.baseline.as_deref()?;
        let mut normal: Option<TrendNormal> = None;
        let mut rates = (0.0, 0u32);
        let mut seen: Vec<HourOfWeek> = Vec::new();
        for hour in hours {
            let bucket = self.engine.calendar.bucket(*hour);
            let (per_s, _) = detect::rate(baseline, &self.engine.generation, bucket);
            rates = (rates.0 + per_s, rates.1 + 1);
            if seen.contains(&bucket) {
                continue;
            }
            seen.push(bucket);
            let Some((level, cell)) = baseline.answer(bucket) else { continue };
            let [p50, p95, p99] = [0, 2, 3].map(|place| cell.percentile(place));
            let here = TrendNormal { level, bucket: Some(bucket), samples: cell.samples, p50, p95, p99, per_s };
            normal = Some(normal.map_or(here, |so_far| TrendNormal {
                level: so_far.level.max(level),
                bucket: None,
                samples: so_far.samples + here.samples,
                p50: so_far.p50.min(p50),
                p95: so_far.p95.max(p95),
                p99: so_far.p99.max(p99),
                per_s: 0.0,
            }));
        }
        normal.map(|normal| TrendNormal { per_s: rates.0 / f64::from(rates.1.max(1)), ..normal })
    }
}
