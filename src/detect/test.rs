//! The alert test of one subject: what its windows hold, and what stands between that and an alert.

use crate::baseline::{KeyStructure, MOST_MESSAGES, UNKNOWN_RHO};
use crate::domain::{AlertKind, Arithmetic, Micros, Obstacle, Severity, Tested, TimeWindow, Timestamp};

use super::chance;
use super::quiet::NEAR_LOG10;
use super::ring::Ring;
use super::subjects::{ENOUGH_ALONE, EXTREME_TIMES, KeyWatch, SubjectId, Track, TrackId};

/// Over span end time. The shortest is told as soon as two polls have seen it.
pub const WINDOWS: [Micros; 4] =
    [Micros::from_secs(20), Micros::from_secs(60), Micros::from_secs(300), Micros::from_secs(900)];
pub const LONGEST: Micros = Micros::from_secs(900);
/// An alert closes on this one.
pub const CLOSING: Micros = Micros::from_secs(60);
/// A share that grew by less is not worth waking anyone, however certain.
pub const LEAST_EXCESS: f64 = 0.05;
/// One odd call is chance or an extreme; the test is about several.
pub const LEAST_HITS: u64 = 2;
/// Below this a baseline's shares are little more than its own samples: it is not tested.
pub const LEAST_SAMPLES: u64 = 20;
/// Errors: that many, and a share larger by 5 points or threefold.
pub const LEAST_ERRORS: u64 = 3;
pub const ERRORS_TIMES: f64 = 3.0;
/// Severities by what is exceeded, in the order of a cell's limits.
const LIMITS: [Severity; 3] = [Severity::Sev1, Severity::Sev2, Severity::Sev3];
/// The excess share of failures from which an alert has this severity.
const ERROR_LIMITS: [(Severity, f64); 3] =
    [(Severity::Sev1, 0.5), (Severity::Sev2, 0.2), (Severity::Sev3, LEAST_EXCESS)];

/// A window that is less likely than chance explains.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub track: TrackId,
    pub severity: Severity,
    pub arithmetic: Arithmetic,
    /// When the first abnormal span of the window ended.
    pub onset: Timestamp,
    pub force: Force,
    pub detail: String,
}

/// What the chance of a window is small enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Force {
    /// Raises an alert.
    Raises,
    /// Keeps one open.
    Keeps,
    /// Is remembered.
    Near,
}

impl Finding {
    #[must_use]
    pub fn raises(&self) -> bool {
        self.force == Force::Raises
    }
}

/// One round of tests.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    pub at: Timestamp,
    /// Windows begin here at the earliest.
    pub since: Timestamp,
    pub log10_alpha: f64,
    pub knows_a_week: bool,
}

impl Test {
    /// The windows that end now and lie within the data, shortest first; one that reaches back to a gap is cut there.
    pub fn windows(&self) -> impl Iterator<Item = TimeWindow> + use<> {
        let (at, since) = (self.at, self.since);
        let mut last = None;
        WINDOWS.into_iter().map(move |length| TimeWindow::new(since.max(at - length), at)).filter(move |window| {
            let new = last != Some(window.from) && window.length() >= WINDOWS.first().copied().unwrap_or_default();
            last = Some(window.from);
            new
        })
    }

    /// The numbers of `k` of `n` calls that counted, where the share `p` does as a rule, known from `samples` calls, and
    /// resembling each other by `rho`.
    pub fn counted(&self, window: TimeWindow, (n, k): (u64, u64), p: f64, rho: f64, samples: u64) -> Arithmetic {
        Arithmetic {
            window,
            n,
            k,
            expected: n as f64 * p,
            threshold: None,
            log10_chance: chance::log10_at_least(k, n, p, chance::concentration(rho, samples)),
            log10_alpha: self.log10_alpha,
            samples,
            level: None,
            rho,
        }
    }

    /// A finding if the chance raises an alert, or at least keeps one open: half the decades are enough for that, on
    /// windows that end with what is going on now. What is rare without that is a near miss.
    pub fn weigh(&self, track: TrackId, severity: Severity, arithmetic: Arithmetic) -> Option<Finding> {
        let Arithmetic { window, log10_chance, .. } = arithmetic;
        let force = match () {
            () if log10_chance < self.log10_alpha => Force::Raises,
            () if window.length() <= CLOSING && log10_chance < self.log10_alpha / 2.0 => Force::Keeps,
            () if log10_chance < NEAR_LOG10 => Force::Near,
            () => return None,
        };
        Some(Finding { track, severity, arithmetic, onset: window.from, force, detail: String::new() })
    }

    /// Calls that took long, by windows from the shortest, each at its limits from SEV1 on. The chance is left at 0 where
    /// something else is lacking, unless `in_full`.
    pub fn times_tested(&self, track: &Track, samples: u64, in_full: bool) -> impl Iterator<Item = Tested> {
        let windows = self.windows().filter(move |_| samples >= LEAST_SAMPLES);
        windows.flat_map(move |window| {
            let counts = track.ring.sum(window);
            let rho = track.spread.rho(counts.share(2));
            LIMITS.into_iter().enumerate().map(move |(limit, severity)| {
                let k = counts.k.get(limit).copied().unwrap_or(0);
                let p = counts.share(limit);
                let threshold_us = track.limits.and_then(|limits| limits.exceeding.get(limit).map(|e| e.threshold_us));
                let excess = k as f64 / counts.n.max(1) as f64 - p;
                let lacking = match () {
                    () if counts.n == 0 => Some(Obstacle::Empty),
                    // What is pooled has a limit for each of its keys, and none to show.
                    () if threshold_us.is_some_and(f32::is_infinite) && k == 0 => Some(Obstacle::NoLimit),
                    () if k < LEAST_HITS => Some(Obstacle::TooFew { needs: LEAST_HITS }),
                    () if excess < LEAST_EXCESS => Some(Obstacle::SmallExcess { excess, needs: LEAST_EXCESS }),
                    () => None,
                };
                let chance = || chance::log10_at_least(k, counts.n, p, chance::concentration(rho, samples));
                let arithmetic = Arithmetic {
                    window,
                    n: counts.n,
                    k,
                    expected: counts.expected.get(limit).copied().unwrap_or(0.0),
                    threshold: threshold_us.filter(|us| us.is_finite()).map(|us| Micros(f64::from(us) as u64)),
                    log10_chance: if in_full || lacking.is_none() { chance() } else { 0.0 },
                    log10_alpha: self.log10_alpha,
                    samples,
                    level: track.limits.map(|limits| limits.level),
                    rho,
                };
                Tested { severity, arithmetic, obstacle: lacking.or_else(|| Obstacle::of_chance(&arithmetic)) }
            })
        })
    }

    /// Failed calls, as [`Self::times_tested`].
    pub fn errors_tested(&self, track: &Track, in_full: bool) -> impl Iterator<Item = Tested> {
        let samples = track.learnt.calls as u64;
        let p = track.learnt.share();
        let windows = self.windows().filter(move |_| samples >= LEAST_SAMPLES);
        windows.flat_map(move |window| {
            let counts = track.ring.sum(window);
            let (n, k) = (counts.n, counts.k.first().copied().unwrap_or(0));
            let share = k as f64 / n.max(1) as f64;
            let excess = share - p;
            let rho = track.spread.rho(p);
            // The chance of too few is 1 without a sum.
            let told = if in_full || k >= LEAST_ERRORS { k } else { 0 };
            let arithmetic = Arithmetic { k, ..self.counted(window, (n, told), p, rho, samples) };
            ERROR_LIMITS.into_iter().map(move |(severity, needs)| {
                let enough = excess >= needs || severity == Severity::Sev3 && share >= ERRORS_TIMES * p;
                let lacking = match () {
                    () if n == 0 => Some(Obstacle::Empty),
                    () if k < LEAST_ERRORS => Some(Obstacle::TooFew { needs: LEAST_ERRORS }),
                    () if !enough => Some(Obstacle::SmallExcess { excess, needs }),
                    () => None,
                };
                Tested { severity, arithmetic, obstacle: lacking.or_else(|| Obstacle::of_chance(&arithmetic)) }
            })
        })
    }

    pub fn times(
        &self,
        subject: SubjectId,
        kind: AlertKind,
        track: &Track,
        samples: u64,
        tell: &mut dyn FnMut(Finding),
    ) {
        if track.is_hot(self.at - LONGEST) {
            self.tell_worst(TrackId { subject, kind }, track, self.times_tested(track, samples, false), tell);
        }
    }

    pub fn errors(&self, subject: SubjectId, track: &Track, tell: &mut dyn FnMut(Finding)) {
        if track.is_hot(self.at - LONGEST) {
            let kind = AlertKind::Errors;
            self.tell_worst(TrackId { subject, kind }, track, self.errors_tested(track, false), tell);
        }
    }

    /// Of each window the most severe that lacks nothing but, at most, some of its unlikeliness.
    fn tell_worst(
        &self,
        id: TrackId,
        track: &Track,
        tested: impl Iterator<Item = Tested>,
        tell: &mut dyn FnMut(Finding),
    ) {
        let mut told = None;
        for Tested { severity, arithmetic, obstacle } in tested {
            let window = arithmetic.window;
            if told == Some(window) || !matches!(obstacle, None | Some(Obstacle::LikelyByChance)) {
                continue;
            }
            if let Some(finding) = self.weigh(id, severity, arithmetic) {
                told = Some(window);
                // Of failures there is one limit: each counts at all three.
                let limit = severity.index();
                tell(Finding { onset: track.ring.first_hit(window, limit).unwrap_or(window.from), ..finding });
            }
        }
    }

    /// One call that is an alert by itself: unlikelier than the odds in use, and beyond anything learnt.
    pub fn extreme(&self, subject: SubjectId, key: &KeyWatch, tell: &mut dyn FnMut(Finding)) {
        let Some((at, limits, us)) = key.extreme.filter(|(at, ..)| *at >= self.at - CLOSING) else { return };
        // The largest of a few days says little about the largest there can be.
        if key.samples < ENOUGH_ALONE || !self.knows_a_week {
            return;
        }
        let arithmetic = Arithmetic {
            window: TimeWindow::new(at - CLOSING, at),
            n: 1,
            k: 1,
            expected: 0.0,
            threshold: Some(Micros((EXTREME_TIMES * key.structure.largest_own_us as f64) as u64)),
            log10_chance: chance::log10_extreme(us as f64, limits.p99_us, limits.p99_9_us),
            log10_alpha: self.log10_alpha,
            samples: limits.samples,
            level: Some(limits.level),
            rho: 0.0,
        };
        let track = TrackId { subject, kind: AlertKind::SelfTime };
        if let Some(finding) = self.weigh(track, Severity::Sev3, arithmetic) {
            tell(Finding { onset: at, detail: String::from("one call beyond anything learnt"), ..finding });
        }
    }

    pub fn orphans(&self, subject: SubjectId, key: &KeyWatch, tell: &mut dyn FnMut(Finding)) {
        let track = &key.orphans;
        let samples = key.structure.calls;
        if samples < LEAST_SAMPLES || !track.is_hot(self.at - LONGEST) {
            return;
        }
        let p = track.learnt.share();
        for window in self.windows() {
            let counts = track.ring.sum(window);
            let k = counts.k.first().copied().unwrap_or(0);
            if k < LEAST_HITS || k as f64 / counts.n.max(1) as f64 - p < LEAST_EXCESS {
                continue;
            }
            let arithmetic = self.counted(window, (counts.n, k), p, UNKNOWN_RHO, samples);
            let id = TrackId { subject, kind: AlertKind::BrokenContext };
            if let Some(finding) = self.weigh(id, Severity::Sev3, arithmetic) {
                tell(Finding { onset: onset(&track.ring, window), ..finding });
            }
        }
    }

    pub fn messages(&self, subject: SubjectId, key: &KeyWatch, tell: &mut dyn FnMut(Finding)) {
        let KeyStructure { calls, ref messages, .. } = key.structure;
        // Where no more are kept, what is not among them may be known.
        if calls < LEAST_SAMPLES || messages.len() >= MOST_MESSAGES {
            return;
        }
        // Each of the messages of N calls was new once, and the next may be: a system that words each failure anew is not
        // news each time (Good 1953). What is new comes in bursts as failures do.
        let p = (messages.len() as f64 + 0.5) / (calls as f64 + 1.0);
        let rho = key.errors.spread.rho(key.errors.learnt.share());
        for (message, ring) in &key.messages {
            for window in self.windows() {
                let k = ring.sum(window).n;
                if k < LEAST_ERRORS {
                    continue;
                }
                let n = key.errors.ring.sum(window).n.max(k);
                let arithmetic = self.counted(window, (n, k), p, rho, calls);
                let id = TrackId { subject, kind: AlertKind::NewMessage };
                if let Some(finding) = self.weigh(id, Severity::Sev3, arithmetic) {
                    tell(Finding { onset: onset(ring, window), detail: message.to_string(), ..finding });
                }
            }
        }
    }
}

/// When what counts in a window first did.
pub fn onset(ring: &Ring, window: TimeWindow) -> Timestamp {
    ring.first_hit(window, 0).unwrap_or(window.from)
}
