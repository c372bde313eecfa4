//! The 168 hours of the week of the operation that a screen looks at.

use crate::baseline::{Cell, KeyBaseline, Past, SeriesKey, first_of, gaps, unite, without};
use crate::detect::ENOUGH_FOR_P95;
use crate::domain::{HourOfWeek, Level, Micros, SpanKey, Subject, TimeWindow, Timestamp, UtcHour, Verdict};
use crate::messages::{
    AlertLimit, CellNumbers, PartNumbers, PartView, PastView, UpdateBody, WeekHour, WeekView, WiderCell,
};

use super::keys::Entry;
use super::views::cell_view;
use super::{Engine, Output};

/// Alerts as old as this are marked.
const ALERTS_REACH: Micros = super::noise::REACHES;

/// What is to be read of the past of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct PastWanted {
    pub key: SpanKey,
    /// Whose slices they are: the durations on the level in force.
    pub series: SeriesKey,
    pub generation: u64,
    /// The hour in which it was asked for.
    pub until: UtcHour,
    /// What was learnt by then, from which windows, and from when on it waits: what is read is told against that.
    pub known: Vec<TimeWindow>,
    pub released: Timestamp,
}

/// The number of the generation before, and its p99 of each hour of the week.
pub type FormerWeek = (u64, Vec<Option<Micros>>);

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRead {
    pub wanted: PastWanted,
    /// The past, and the generation before; else why it could not be read.
    pub found: Result<(Past, Option<FormerWeek>), String>,
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct WeekShown {
    asked: SpanKey,
    wanted: Option<PastWanted>,
    read: Option<PastRead>,
}

/// Stretches of the kept days: disjoint and ascending, each list by itself.
struct Stretches {
    known: Vec<TimeWindow>,
    incident: Vec<TimeWindow>,
    maintenance: Vec<TimeWindow>,
    waiting: Vec<TimeWindow>,
    gaps: Vec<TimeWindow>,
}

/// The p99 of each of the 168 hours of the week that its own samples answer.
#[must_use]
pub fn week_p99(baseline: &KeyBaseline) -> Vec<Option<Micros>> {
    HourOfWeek::all().map(|bucket| baseline.own(bucket).map(Cell::p99)).collect()
}

impl Engine {
    pub(super) fn show_week(&mut self, asked: SpanKey, now: Timestamp, out: &mut Vec<Output>) {
        let same = self.week.take().filter(|shown| shown.asked == asked);
        self.week = Some(same.unwrap_or(WeekShown { asked, wanted: None, read: None }));
        self.tell_week(now, out);
    }

    pub(super) fn take_past(&mut self, read: PastRead, now: Timestamp, out: &mut Vec<Output>) {
        if let Some(shown) = self.week.as_mut().filter(|shown| shown.wanted.as_ref() == Some(&read.wanted)) {
            shown.read = Some(read);
            self.tell_week(now, out);
        }
    }

    /// Tells the week that is looked at. Its past is asked for anew each hour, when more was learnt, and when other
    /// baselines are in use.
    pub(super) fn tell_week(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let Some(mut shown) = self.week.take() else { return };
        let entry = self.keys.find(&shown.asked).or_else(|| self.keys.find_raw(&shown.asked));
        if let Some(entry) = entry {
            let wanted = PastWanted {
                key: entry.key.clone(),
                series: SeriesKey::duration(entry.key.clone()).on(self.levels.number(&entry.key)),
                generation: self.generation.number,
                until: UtcHour::of(now),
                known: self.ledger.known.clone(),
                released: self.released,
            };
            // Until the new comes the old is better than nothing, unless it is of other samples.
            shown.read = shown.read.filter(|read| read.wanted.series == wanted.series);
            if shown.wanted.as_ref() != Some(&wanted) {
                out.push(Output::ReadPast(Box::new(wanted.clone())));
                shown.wanted = Some(wanted);
            }
        }
        out.push(Output::Tell(UpdateBody::Week(Box::new(self.week_view(&shown, entry, now)))));
        self.week = Some(shown);
    }

    fn week_view(&self, shown: &WeekShown, entry: Option<&Entry>, now: Timestamp) -> WeekView {
        let key = entry.map_or(&shown.asked, |entry| &entry.key);
        let mut keys: Vec<&SpanKey> = self.keys.iter().map(|entry| &entry.key).collect();
        keys.sort_unstable();
        let at = keys.iter().position(|other| *other == key).filter(|_| entry.is_some());
        let neighbour = |step: usize| {
            let at = at?;
            keys.get((at + step) % keys.len()).map(|key| (*key).clone())
        };
        let none = KeyBaseline::default();
        let baseline = entry.and_then(|entry| entry.baseline.as_deref()).unwrap_or(&none);
        let past = shown.read.as_ref().map(|read| self.past_view(read, now));
        let mut hours = Vec::new();
        if entry.is_some() {
            hours = HourOfWeek::all().map(|bucket| hour(baseline, bucket)).collect();
            if let Some(PastView::Read { parts, .. }) = &past {
                mark_maintenance(&mut hours, parts);
            }
            self.mark_alerts(&mut hours, key, now);
        }
        WeekView {
            asked: shown.asked.clone(),
            key: key.clone(),
            at: at.map_or(0, |at| at as u32 + 1),
            of: keys.len() as u32,
            previous: neighbour(keys.len().saturating_sub(1)),
            next: neighbour(1),
            bucket: self.calendar.bucket_at(now),
            zone: self.calendar.zone().name().to_owned(),
            generation: self.generation.number,
            needs: self.baseline.min_samples,
            needs_to_test: ENOUGH_FOR_P95,
            learning: self.learning(key),
            wider: if entry.is_some() { wider(baseline) } else { Vec::new() },
            hours,
            past,
        }
    }

    fn past_view(&self, read: &PastRead, now: Timestamp) -> PastView {
        match &read.found {
            Ok((past, former)) => PastView::Read {
                parts: self.parts(past, &read.wanted, now),
                drift: past.drift.to_vec(),
                former: former.clone().filter(|_| read.wanted.generation == self.generation.number),
            },
            Err(why) => PastView::Failed(why.clone()),
        }
    }

    /// Every hour from the first that is known to the one that runs.
    fn parts(&self, past: &Past, wanted: &PastWanted, now: Timestamp) -> Vec<PartView> {
        let kept = UtcHour::of(now).0.saturating_sub_unsigned(self.baseline.history_days.saturating_mul(24));
        let known = wanted.known.first().map(|window| UtcHour::of(window.from).0);
        let first = past.parts.first_key_value().map(|(hour, _)| hour.0);
        let Some(from) = known.into_iter().chain(first).min() else { return Vec::new() };
        let from = first_of(UtcHour(from.max(kept)), &self.calendar);
        if from.start() >= now {
            return Vec::new();
        }
        let stretches = self.stretches(TimeWindow::new(from.start(), now), wanted);
        let mut parts: Vec<PartView> = Vec::new();
        let mut hour = from;
        while hour.start() < now {
            let next = UtcHour(hour.0.saturating_add(1));
            let window = TimeWindow::new(hour.start(), next.start().min(now));
            let seconds = |of: &[TimeWindow]| covered(of, window);
            let (known_s, incident_s, maintenance_s) =
                (seconds(&stretches.known), seconds(&stretches.incident), seconds(&stretches.maintenance));
            let (waiting_s, gap_s) = (seconds(&stretches.waiting), seconds(&stretches.gaps));
            if first_of(hour, &self.calendar) == hour || parts.is_empty() {
                let numbers = past.parts.get(&hour).map(|part| PartNumbers {
                    samples: part.samples,
                    errors: part.errors,
                    p50: part.p50,
                    p95: part.p95,
                    p99: part.p99,
                    max: part.max,
                });
                let bucket = self.calendar.bucket(hour);
                let day = self.calendar.day(hour.start()).map_or(0, days_since_epoch);
                parts.push(PartView { bucket, day, numbers, known_s, incident_s, maintenance_s, waiting_s, gap_s });
            } else if let Some(part) = parts.last_mut() {
                part.known_s += known_s;
                part.incident_s += incident_s;
                part.maintenance_s += maintenance_s;
                part.waiting_s += waiting_s;
                part.gap_s += gap_s;
            }
            hour = next;
        }
        parts
    }

    /// What became of the time within `whole`.
    fn stretches(&self, whole: TimeWindow, wanted: &PastWanted) -> Stretches {
        // What was polled and is not learnt yet may still be left out.
        let released = wanted.released.clamp(whole.from, whole.to);
        let polled = self.polled_to.map_or(released, |to| to.clamp(released, whole.to));
        let fresh = TimeWindow::new(released, polled);
        let mut left_out = self.ledger.excluded.clone();
        for window in self.hygiene.within(fresh) {
            unite(&mut left_out, window);
        }
        let maintenance = without(&left_out, &gaps(&self.hygiene.maintenance(whole), whole));
        let incident = without(&left_out, &maintenance);
        let waiting = gaps(&left_out, fresh);
        let mut all = wanted.known.clone();
        unite(&mut all, fresh);
        Stretches { gaps: gaps(&all, whole), known: wanted.known.clone(), incident, maintenance, waiting }
    }

    /// Marks the hours through which alerts about the operation lasted.
    fn mark_alerts(&self, hours: &mut [WeekHour], key: &SpanKey, now: Timestamp) {
        let oldest = now - ALERTS_REACH;
        let subject = Subject::Key(key.clone());
        for (onset, seen, incident) in self.acts.noise.of(&subject).filter(|(_, seen, _)| *seen >= oldest) {
            let (first, last) = (UtcHour::of(onset.max(oldest)).0, UtcHour::of(seen).0);
            let mut touched: Vec<HourOfWeek> =
                (first..=last).take(HourOfWeek::COUNT).map(|hour| self.calendar.bucket(UtcHour(hour))).collect();
            touched.sort_unstable();
            touched.dedup();
            let verdict = self.acts.log.rating(incident).map(|(verdict, _)| verdict);
            for bucket in touched {
                let Some(hour) = hours.get_mut(bucket.index()) else { continue };
                hour.alerts += 1;
                hour.useful += u32::from(verdict == Some(Verdict::Useful));
                hour.noise += u32::from(verdict == Some(Verdict::Noise));
            }
        }
    }
}

fn days_since_epoch(day: chrono::NaiveDate) -> i32 {
    day.signed_duration_since(chrono::NaiveDate::default()).num_days() as i32
}

/// Seconds of `window` that windows cover which are disjoint and ascending.
fn covered(windows: &[TimeWindow], window: TimeWindow) -> u32 {
    let first = windows.partition_point(|other| other.to <= window.from);
    let within = windows.iter().skip(first).take_while(|other| other.from < window.to);
    let us: u64 = within.map(|other| other.to.min(window.to).since(other.from.max(window.from)).0).sum();
    (us / 1_000_000) as u32
}

fn hour(baseline: &KeyBaseline, bucket: HourOfWeek) -> WeekHour {
    WeekHour {
        samples: baseline.week_samples.get(bucket.index()).copied().map_or(0, u64::from),
        days: baseline.week_days.get(bucket.index()).copied().unwrap_or(0),
        own: baseline.own(bucket).map(|cell| numbers(Level::HourOfWeek, cell)),
        answers: baseline.answer(bucket).map(|(level, _)| level),
        tests: baseline.tested(bucket, ENOUGH_FOR_P95).map(|(level, _)| level),
        maintenance: false,
        alerts: 0,
        useful: 0,
        noise: 0,
    }
}

fn wider(baseline: &KeyBaseline) -> Vec<WiderCell> {
    let hours = (0..24).map(|hour| (Level::HourOfDay, HourOfWeek::new(0, hour)));
    let days = (0..7).map(|day| (Level::DayOfWeek, HourOfWeek::new(day, 0)));
    let all = hours.chain(days).chain([(Level::Global, HourOfWeek::new(0, 0))]);
    all.map(|(level, bucket)| WiderCell {
        samples: baseline.samples_at(level, bucket),
        numbers: baseline.at_level(level, bucket).map(|cell| numbers(level, cell)),
    })
    .collect()
}

fn numbers(level: Level, cell: &Cell) -> CellNumbers {
    let limits = cell.exceeding.map(|exceeding| AlertLimit {
        above: exceeding.threshold_us.is_finite().then(|| Micros(exceeding.threshold_us.max(0.0).round() as u64)),
        share: exceeding.share,
    });
    CellNumbers { cell: cell_view(level, cell), limits }
}

fn mark_maintenance(hours: &mut [WeekHour], parts: &[PartView]) {
    let mut seconds = vec![(0u64, 0u64); hours.len()];
    for part in parts {
        if let Some((maintenance, watched)) = seconds.get_mut(part.bucket.index()) {
            *maintenance += u64::from(part.maintenance_s);
            *watched += u64::from(part.known_s + part.waiting_s).max(u64::from(part.maintenance_s));
        }
    }
    for (hour, (maintenance, watched)) in hours.iter_mut().zip(seconds) {
        hour.maintenance = maintenance * 2 > watched;
    }
}
