//! How often things are called: far more, far less, or not at all when they should be.

use crate::baseline::{Generation, KeyBaseline, Spread};
use crate::domain::{AlertKind, Arithmetic, HourOfWeek, Micros, Severity, TimeWindow, Timestamp, UtcHour};

use super::chance;
use super::subjects::{Group, KeyWatch, SubjectId, TrackId};
use super::test::{Finding, Force, LEAST_SAMPLES, Test};
use super::watch::Watch;

/// A rate has a rhythm: before a day of it is known, nobody can say what is many or few.
const ENOUGH_HISTORY: Micros = Micros::from_secs(86_400);
/// An hour of the week that was watched for less than half of one is answered by wider levels.
const ENOUGH_OF_AN_HOUR_S: u64 = 1_800;
/// What is called a surge, and what a silence, in multiples of the expected calls.
const SURGE: f64 = 3.0;
const SILENCE: f64 = 0.2;
/// A subject with fewer calls than this part of the expected takes part in a pause of everything.
const LOW: f64 = 0.5;
/// When that many of all services are low together, the cause is not one of them: a gap in the source, or a holiday.
const TOGETHER: f64 = 0.8;
/// Expected calls from which a service's lowness says anything.
const TELLING: f64 = 8.0;
/// By how much more a rate may vary that is guessed from other days: working days and weekends differ.
const GUESS: f64 = 5.0;
/// How many times the expected calls count as odd when it is asked where a surge began.
const MULTIPLIED: f64 = 2.0;
/// From that share on, the calls of an operation are visits.
const MOSTLY: f64 = 0.5;
/// log₁₀ of the chance below which an operation's calls count as odd when it is asked where it began.
const UNLIKELY: f64 = -2.5;
/// Fewer calls are no surge.
const LEAST_SURGE: u64 = 10;
/// Regular means: on that share of all days, within a minute.
const REGULAR: f64 = 0.9;
/// And on that many days at least.
const LEAST_DAYS: f64 = 3.0;
/// How late something may be: its trace has to end and to be polled.
const LATE: Micros = Micros::from_secs(150);
const EARLY: Micros = Micros::from_secs(90);
const MINUTES_OF_DAY: i64 = 1_440;
/// By how much clocks are put forward and back.
const CLOCK_CHANGE: Micros = Micros::from_secs(3_600);

/// Calls a second in an hour of the week, and whether that hour itself says so; else a wider level guesses.
#[must_use]
pub fn rate(baseline: &KeyBaseline, generation: &Generation, bucket: HourOfWeek) -> (f64, bool) {
    let sum = |belongs: &dyn Fn(HourOfWeek) -> bool| {
        HourOfWeek::all().filter(|other| belongs(*other)).fold((0u64, 0u64), |(calls, seconds), other| {
            let at = other.index();
            let calls = calls + u64::from(baseline.week_samples.get(at).copied().unwrap_or(0));
            (calls, seconds + u64::from(generation.watched_s.get(at).copied().unwrap_or(0)))
        })
    };
    let at = |of: &[u32]| u64::from(of.get(bucket.index()).copied().unwrap_or(0));
    let own = (at(&baseline.week_samples), at(&generation.watched_s));
    let hour = || sum(&|other| other.hour() == bucket.hour());
    let knows = |(_, seconds): &(u64, u64)| *seconds >= ENOUGH_OF_AN_HOUR_S;
    let own_knows = knows(&own);
    let wider = || Some(hour()).filter(knows).unwrap_or_else(|| sum(&|_| true));
    let (calls, seconds) = if own_knows { own } else { wider() };
    (calls as f64 / seconds.max(1) as f64, own_knows)
}

/// Calls of a subject and what was expected, over the windows of a test.
struct Calls {
    subject: SubjectId,
    spread: Spread,
    samples: u64,
    /// A wider level stands in for an hour of the week that was hardly watched.
    guessed: bool,
    counted: Vec<Counted>,
}

/// Calls of one window.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    n: u64,
    expected: f64,
    /// The part of them that begins traces: visits.
    visits: u64,
    visits_expected: f64,
}

impl Counted {
    fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.expected += other.expected;
        self.visits += other.visits;
        self.visits_expected += other.visits_expected;
    }

    /// The part of the usual visits that came elsewhere, at most all: when few come, everybody has less to do, and nobody
    /// is to blame for it.
    fn visited_elsewhere(&self, all: &Self) -> f64 {
        let expected = all.visits_expected - self.visits_expected;
        if expected < TELLING { 1.0 } else { ((all.visits - self.visits) as f64 / expected).min(1.0) }
    }
}

/// A service with which a surge or a silence began.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateOrigin<'a> {
    pub service: u32,
    pub kind: AlertKind,
    pub key: &'a KeyWatch,
    pub n: u64,
    pub expected: f64,
    pub log10_chance: f64,
    /// Its callers ask no more than usual of it: it asks more of `key`'s service for each of their requests.
    pub multiplies: bool,
}

impl RateOrigin<'_> {
    fn distance(&self) -> f64 {
        (self.n as f64 - self.expected).abs()
    }
}

impl Watch {
    /// Tests how often entries are called: of each service together, and each by itself.
    pub(super) fn test_rates(&self, test: &Test, tell: &mut dyn FnMut(Finding)) {
        if self.generation.watched() < ENOUGH_HISTORY {
            return;
        }
        let windows: Vec<TimeWindow> = test.windows().collect();
        let mut services: Vec<Calls> = (0..self.services.len() as u32)
            .map(|service| {
                let subject = SubjectId::Node(service);
                let spread = self.groups.get(&subject).map(|group| group.calls).unwrap_or_default();
                let counted = vec![Counted::default(); windows.len()];
                Calls { subject, spread, samples: 0, guessed: false, counted }
            })
            .collect();
        let mut keys: Vec<Calls> = Vec::new();
        let mut all = vec![Counted::default(); windows.len()];
        for (number, key) in self.keys.iter().enumerate().filter(|(_, key)| key.structure.is_entry()) {
            let Some(baseline) = key.durations.baseline() else { continue };
            let visits = key.structure.roots as f64 / key.structure.calls.max(1) as f64;
            let mut guessed = false;
            let count = |window: &TimeWindow| {
                let n = key.errors.ring.sum(*window).n;
                let (expected, guess) = self.expected_calls(baseline, *window);
                guessed |= guess;
                let begins = visits > MOSTLY;
                Counted {
                    n,
                    expected,
                    visits: if begins { n } else { 0 },
                    visits_expected: if begins { expected } else { 0.0 },
                }
            };
            let counted: Vec<Counted> = windows.iter().map(count).collect();
            for (sum, part) in all.iter_mut().zip(&counted) {
                sum.add(part);
            }
            if let Some(service) = services.get_mut(key.service as usize) {
                service.samples += key.samples;
                service.guessed |= guessed;
                for (sum, part) in service.counted.iter_mut().zip(&counted) {
                    sum.add(part);
                }
            }
            let subject = SubjectId::Key(number as u32);
            keys.push(Calls { subject, spread: key.calls, samples: key.samples, guessed, counted });
        }
        for (at, (window, all)) in windows.iter().zip(&all).enumerate() {
            let telling = services.iter().filter_map(|s| s.counted.get(at)).filter(|c| c.expected >= TELLING);
            let (known, low) = telling
                .fold((0u32, 0u32), |(known, low), c| (known + 1, low + u32::from((c.n as f64) < LOW * c.expected)));
            let paused = known >= 2 && f64::from(low) >= TOGETHER * f64::from(known);
            for calls in services.iter().chain(&keys) {
                calls.test(at, *window, test, (!paused).then_some(all), tell);
            }
        }
    }

    /// Calls expected in a window, and whether a wider level had to guess.
    fn expected_calls(&self, baseline: &KeyBaseline, window: TimeWindow) -> (f64, bool) {
        hours(window).fold((0.0, false), |(expected, guessed), part| {
            let bucket = self.calendar.bucket(UtcHour::of(part.from));
            let (per_s, known) = rate(baseline, &self.generation, bucket);
            (expected + per_s * part.length().0 as f64 / 1e6, guessed || !known)
        })
    }

    /// Operations that are called far more, or far less, than usual in a window, where nothing is so in the services that
    /// call theirs: with them it began. By service the one that differs most, with what it got and what was expected.
    pub(super) fn rate_origins(&self, window: TimeWindow) -> Vec<RateOrigin<'_>> {
        if self.generation.watched() < ENOUGH_HISTORY {
            return Vec::new();
        }
        let odd = |key| self.odd_rate(key, window);
        let odd: Vec<RateOrigin<'_>> =
            self.keys.iter().filter(|key| key.structure.is_entry()).filter_map(odd).collect();
        let mut origins: Vec<RateOrigin<'_>> = Vec::new();
        for candidate in &odd {
            let caller_is_odd = odd.iter().any(|other| {
                other.kind == candidate.kind
                    && other.service != candidate.service
                    && self.calls.contains(&(other.service, candidate.service))
            });
            if caller_is_odd {
                continue;
            }
            let candidate = self.multiplier(candidate, window).unwrap_or(*candidate);
            let same = |known: &&mut RateOrigin<'_>| known.service == candidate.service && known.kind == candidate.kind;
            match origins.iter_mut().find(same) {
                Some(known) if known.distance() < candidate.distance() => *known = candidate,
                Some(_) => {}
                None => origins.push(candidate),
            }
        }
        origins
    }

    fn odd_rate<'a>(&self, key: &'a KeyWatch, window: TimeWindow) -> Option<RateOrigin<'a>> {
        let n = key.errors.ring.sum(window).n;
        let (expected, _) = self.expected_calls(key.durations.baseline()?, window);
        let dispersion = key.calls.dispersion();
        let (kind, log10_chance) = if (n as f64) < LOW * expected {
            (AlertKind::Silence, chance::log10_rate_at_most(n, expected, dispersion))
        } else if n as f64 > MULTIPLIED * expected {
            (AlertKind::Surge, chance::log10_rate_at_least(n, expected, dispersion))
        } else {
            return None;
        };
        let origin = RateOrigin { service: key.service, kind, key, n, expected, log10_chance, multiplies: false };
        (log10_chance < UNLIKELY).then_some(origin)
    }

    /// The service behind a surge that asks far more of the surging one than it did for as many requests: it repeats itself.
    fn multiplier<'a>(&self, surge: &RateOrigin<'a>, window: TimeWindow) -> Option<RateOrigin<'a>> {
        if surge.kind != AlertKind::Surge {
            return None;
        }
        let requests = |service: u32| {
            let entries = self.keys.iter().filter(move |key| key.service == service && key.structure.is_entry());
            entries.fold((0u64, 0u64), |(n, samples), key| (n + key.errors.ring.sum(window).n, samples + key.samples))
        };
        let asked = |(subject, group): (&SubjectId, &Group)| {
            let SubjectId::Edge(caller, callee) = *subject else { return None };
            if callee != surge.service || group.samples < LEAST_SAMPLES {
                return None;
            }
            let (requests, learnt) = requests(caller);
            let n = group.own.ring.sum(window).n;
            let expected = requests as f64 * group.samples as f64 / learnt.max(1) as f64;
            let log10_chance = chance::log10_rate_at_least(n, expected, surge.key.calls.dispersion());
            let multiplied = n as f64 > MULTIPLIED * expected && log10_chance < UNLIKELY;
            let origin = RateOrigin { service: caller, n, expected, log10_chance, multiplies: true, ..*surge };
            multiplied.then_some(origin)
        };
        self.groups.iter().filter_map(asked).max_by(|a, b| a.distance().total_cmp(&b.distance()))
    }

    /// Tests what comes at its times of the day, every day.
    pub(super) fn test_absence(&self, test: &Test, tell: &mut dyn FnMut(Finding)) {
        let days = self.generation.watched().0 as f64 / 86_400e6;
        if days < LEAST_DAYS || self.is_paused(test) {
            return;
        }
        let calendar = self.calendar;
        // A job that runs by another clock than ours comes an hour earlier or later after ours has changed.
        let slack = if calendar.has_shifted(test.at) { CLOCK_CHANGE } else { Micros::ZERO };
        let now = test.at.saturating_sub(LATE).saturating_sub(slack);
        let minute = calendar.minute_of_day(now);
        for (number, key) in self.keys.iter().enumerate() {
            let minutes = &key.structure.minutes;
            if key.structure.is_irregular() || minutes.is_empty() {
                continue;
            }
            let at = |minute: i64| {
                let minute = minute.rem_euclid(MINUTES_OF_DAY) as u16;
                f64::from(minutes.get(&minute).copied().unwrap_or(0) as u32)
            };
            let regular =
                |minute: i64| at(minute - 1) + at(minute) + at(minute + 1) >= REGULAR * days && at(minute) > 0.0;
            let Some(back) = (0..MINUTES_OF_DAY).find(|back| regular(i64::from(minute) - back)) else { continue };
            let due = Timestamp((now.0.div_euclid(60_000_000) - back) * 60_000_000);
            let early = due.saturating_sub(EARLY).saturating_sub(slack);
            let came = key.last_call.is_some_and(|last| last >= early);
            let in_a_gap = self.gap.is_some_and(|gap| gap.from <= due + LATE && early <= gap.to);
            if came || in_a_gap || test.since > early {
                continue;
            }
            let window = TimeWindow::new(due.saturating_sub(EARLY), test.at);
            // By the rule of succession: it came on all of these days, so on one in as many it may not.
            let p = 0.5 / (days + 1.0);
            let arithmetic = Arithmetic {
                window,
                n: 0,
                k: 0,
                expected: 1.0,
                threshold: None,
                log10_chance: p.log10(),
                log10_alpha: test.log10_alpha,
                samples: key.samples,
                level: None,
                rho: 0.0,
            };
            let time = calendar.minute_of_day(due);
            tell(Finding {
                track: TrackId { subject: SubjectId::Key(number as u32), kind: AlertKind::Absence },
                severity: Severity::Sev2,
                arithmetic,
                onset: due,
                force: Force::Raises,
                detail: format!("due at {:02}:{:02}", time / 60, time % 60),
            });
        }
    }

    /// Remembers the newest minute or more in which nothing came from anyone: what was due then may have come unseen.
    pub(super) fn note_gap(&mut self, at: Timestamp) {
        let minute = TimeWindow::new(at - Micros::from_secs(60), at);
        if self.keys.iter().any(|key| key.errors.ring.sum(minute).n > 0) {
            return;
        }
        let from = self.gap.filter(|gap| gap.to >= minute.from).map_or(minute.from, |gap| gap.from);
        self.gap = Some(TimeWindow::new(from, at));
    }

    /// Nothing at all comes: then nobody is absent, the source is.
    fn is_paused(&self, test: &Test) -> bool {
        let window = TimeWindow::new(test.at.saturating_sub(LATE), test.at);
        self.keys.iter().all(|key| key.errors.ring.sum(window).n == 0)
    }
}

/// A window cut at full hours: each part has its own expectation.
fn hours(window: TimeWindow) -> impl Iterator<Item = TimeWindow> {
    let mut from = window.from;
    std::iter::from_fn(move || {
        if from >= window.to {
            return None;
        }
        let to = UtcHour(UtcHour::of(from).0 + 1).start().min(window.to);
        let part = TimeWindow::new(from, to);
        from = to;
        Some(part)
    })
}

impl Calls {
    /// `all` are everybody's calls; `None` while everybody pauses.
    fn test(&self, at: usize, window: TimeWindow, test: &Test, all: Option<&Counted>, tell: &mut dyn FnMut(Finding)) {
        let Some(counted) = self.counted.get(at) else { return };
        let Counted { n, mut expected, .. } = *counted;
        let dispersion = self.spread.dispersion() * if self.guessed { GUESS } else { 1.0 };
        let (kind, severity, log10_chance) = if n as f64 > SURGE * expected && n >= LEAST_SURGE && expected > 0.0 {
            (AlertKind::Surge, Severity::Sev2, chance::log10_rate_at_least(n, expected, dispersion))
        } else if let Some(all) = all
            && (n as f64) < SILENCE * expected * counted.visited_elsewhere(all)
        {
            expected *= counted.visited_elsewhere(all);
            (AlertKind::Silence, Severity::Sev1, chance::log10_rate_at_most(n, expected, dispersion))
        } else {
            return;
        };
        let arithmetic = Arithmetic {
            window,
            n,
            k: n,
            expected,
            threshold: None,
            log10_chance,
            log10_alpha: test.log10_alpha,
            samples: self.samples,
            level: None,
            rho: dispersion,
        };
        if let Some(finding) = test.weigh(TrackId { subject: self.subject, kind }, severity, arithmetic) {
            tell(finding);
        }
    }
}
