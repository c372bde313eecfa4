//! The alert test: every subject's last 20 s, 60 s, 5 and 15 minutes against what is normal for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::baseline::{Facet, Generation, UNKNOWN_RHO};
use crate::domain::{AlertKind, Calendar, HourOfWeek, Micros, Severity, SpanKey, Subject, TimeWindow, Timestamp};

use super::observation::{Observed, Place};
use super::paths::Paths;
use super::settings::Settings;
use super::subjects::{ENOUGH_ALONE, EXTREME_TIMES, Group, KeyWatch, Learnt, SubjectId, TrackId, name_of};
use super::test::{CLOSING, Finding, LEAST_EXCESS, LEAST_HITS, LEAST_SAMPLES, LONGEST, Test, WINDOWS};

/// However fast requests are, one that takes less is not stuck.
const SHORTEST_STUCK: Micros = Micros::from_secs(10);
/// How few quiet calls say that a subject is quiet.
const QUIET_CALLS: u64 = 5;

/// The odds at which an alert is raised while an hour or less of history is known. No baseline of minutes can keep a
/// promise for a week, and at the start a missed fault costs more than a look; with ρ assumed as it is then, one in 1000
/// leaves a few looks an hour on a system whose traffic changes in kind.
const YOUNG_LOG10_ALPHA: f64 = -3.0;
const YOUNG: Micros = Micros::from_secs(3_600);
const WEEK: Micros = Micros::from_secs(604_800);
/// Before a day is known, most messages are new.
const DAY: Micros = Micros::from_secs(86_400);

/// What is watched. See the module's words.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(super) settings: Settings,
    pub(super) calendar: Calendar,
    pub(super) keys: Vec<KeyWatch>,
    pub(super) services: Vec<Arc<str>>,
    pub(super) groups: BTreeMap<SubjectId, Group>,
    /// Who calls whom, as seen.
    pub(super) calls: BTreeSet<(u32, u32)>,
    /// Who called whom in history: a call that only a fault makes says nothing of what depends on what.
    pub(super) learnt_calls: BTreeSet<(u32, u32)>,
    pub(super) paths: Paths,
    pub(super) generation: Arc<Generation>,
    /// Windows begin here at the earliest: before lies a gap.
    pub(super) since: Option<Timestamp>,
    /// log₁₀ of the chance below which an alert is raised.
    log10_alpha: f64,
    quiet_log10_alpha: Option<f64>,
    pub(super) tallied_to: Option<Timestamp>,
    /// The newest stretch in which nothing came from anyone.
    pub(super) gap: Option<TimeWindow>,
}

impl Watch {
    #[must_use]
    pub fn new(settings: Settings, calendar: Calendar) -> Self {
        Self {
            settings,
            calendar,
            keys: Vec::new(),
            services: Vec::new(),
            groups: BTreeMap::new(),
            calls: BTreeSet::new(),
            learnt_calls: BTreeSet::new(),
            paths: Paths::default(),
            generation: Arc::default(),
            since: None,
            log10_alpha: YOUNG_LOG10_ALPHA,
            quiet_log10_alpha: None,
            tallied_to: None,
            gap: None,
        }
    }

    /// Takes up keys that the engine has numbered since. Their numbers are their places in `all`.
    pub fn know<'a>(&mut self, all: impl Iterator<Item = (&'a SpanKey, u32)>) {
        for (key, service) in all.skip(self.keys.len()) {
            while self.services.len() <= service as usize {
                self.services.push(key.service.clone());
            }
            let mut watch = KeyWatch::new(key.clone(), service);
            watch.use_generation(&self.generation, &self.services);
            self.keys.push(watch);
        }
    }

    /// Judges by these baselines from now on. Counts stay: what was seen was judged by what was known then.
    pub fn use_generation(&mut self, generation: &Arc<Generation>) {
        self.generation = Arc::clone(generation);
        for key in &mut self.keys {
            key.use_generation(generation, &self.services);
        }
        self.learnt_calls.clear();
        for watch in &self.keys {
            let elsewhere = |child: &&SpanKey| child.service != watch.key.service;
            for child in watch.structure.shapes.keys().flatten().filter(elsewhere) {
                if let Some(callee) = service_number(&self.services, &child.service) {
                    self.learnt_calls.insert((watch.service, callee));
                }
            }
        }
        self.calls.extend(&self.learnt_calls);
        self.weigh_groups();
    }

    fn weigh_groups(&mut self) {
        for group in self.groups.values_mut() {
            group.samples = 0;
            group.errors.learnt = Learnt::default();
        }
        for watch in &self.keys {
            let all = watch.series().map(|(_, samples)| samples).sum::<u64>().max(1) as f64;
            for (subject, samples) in watch.series() {
                let group = self.groups.entry(subject).or_default();
                group.samples += samples;
                // Which of its calls failed first is not kept apart by whom they waited for.
                group.errors.learnt.add(samples as f64, watch.structure.origins as f64 * samples as f64 / all);
            }
        }
        let spreads = &self.generation.structure.spreads;
        let services = &self.services;
        for (subject, group) in &mut self.groups {
            let subject = name_of(*subject, &self.keys, services);
            let spread = |facet| spreads.get(&(subject.clone(), facet)).copied().unwrap_or_default();
            group.own.spread = spread(Facet::SelfTime);
            group.errors.spread = spread(Facet::Errors);
            group.calls = spread(Facet::Calls);
        }
    }

    /// Windows begin here: the data has a gap, and what follows it is not its continuation.
    pub fn begin_at(&mut self, at: Timestamp) {
        self.since = Some(at);
        self.tallied_to = Some(at);
    }

    /// Forgets everything that was counted. What comes next may lie before it.
    pub fn forget(&mut self) {
        for key in &mut self.keys {
            for track in [&mut key.own, &mut key.duration, &mut key.errors, &mut key.origins, &mut key.orphans] {
                track.forget();
            }
            key.messages.clear();
            key.shapes.clear();
        }
        for group in self.groups.values_mut() {
            group.own.forget();
            group.errors.forget();
        }
        self.paths.clear();
        (self.since, self.tallied_to, self.gap) = (None, None, None);
    }

    /// Counts a settled trace. `bucket_of` gives the hour of the week of a span's start.
    pub fn take(&mut self, observed: &Observed, bucket_of: &mut dyn FnMut(Timestamp) -> HourOfWeek) {
        self.paths.take(observed);
        for span in observed.spans.iter().filter(|span| span.fresh) {
            let bucket = bucket_of(span.start);
            self.since.get_or_insert(span.end);
            let Some(key) = self.keys.get_mut(span.key as usize) else { continue };
            let subject = match span.place {
                Place::Node => SubjectId::Node(span.service),
                Place::Edge(callee) => SubjectId::Edge(span.service, callee),
            };
            let group = self.groups.entry(subject).or_default();
            key.take(span, observed.children_of(span), bucket, group);
            if let Some(parent) = span.parent.and_then(|at| observed.spans.get(at as usize))
                && parent.service != span.service
            {
                self.calls.insert((parent.service, span.service));
            }
        }
    }

    /// The odds that quiet hours ask for: where their tail is heavier than the model's, the budget alone would not be met.
    pub const fn heed(&mut self, quiet_log10_alpha: Option<f64>) {
        self.quiet_log10_alpha = quiet_log10_alpha;
    }

    /// The odds in use: one false alert a week over all that is tested, once a week is known.
    fn set_odds(&mut self) {
        let tracks = self.keys.iter().map(KeyWatch::tracks).sum::<usize>() + 2 * self.groups.len();
        let windows: f64 = WINDOWS.iter().map(|window| WEEK.0 as f64 / window.0 as f64).sum();
        let tests = tracks.max(1) as f64 * windows;
        let weekly = (self.settings.false_alerts_per_week / tests).log10().min(YOUNG_LOG10_ALPHA);
        let known = self.generation.watched().0.clamp(YOUNG.0, WEEK.0) as f64;
        let grown = (known / YOUNG.0 as f64).ln() / (WEEK.0 as f64 / YOUNG.0 as f64).ln();
        let budget = YOUNG_LOG10_ALPHA + grown * (weekly - YOUNG_LOG10_ALPHA);
        self.log10_alpha = self.quiet_log10_alpha.map_or(budget, |quiet| quiet.min(budget));
    }

    #[must_use]
    pub const fn log10_alpha(&self) -> f64 {
        self.log10_alpha
    }

    /// Every window that ends at `at` and is less likely than chance explains, by subject and kind; of each the worst.
    pub fn findings(&mut self, at: Timestamp) -> Vec<Finding> {
        self.set_odds();
        self.note_gap(at);
        let Some(since) = self.since else { return Vec::new() };
        let mut found: BTreeMap<TrackId, Finding> = BTreeMap::new();
        let mut tell = |finding: Finding| {
            let weight = |finding: &Finding| (finding.force, finding.severity, finding.arithmetic.log10_chance);
            if found.get(&finding.track).is_none_or(|known| weight(&finding) < weight(known)) {
                found.insert(finding.track, finding);
            }
        };
        self.tests(&self.round(at, since), &mut tell);
        found.into_values().collect()
    }

    /// What one round of tests at this moment goes by.
    pub(super) fn round(&self, at: Timestamp, since: Timestamp) -> Test {
        Test { at, since, log10_alpha: self.log10_alpha, knows_a_week: self.generation.watched() >= WEEK }
    }

    /// One round of all tests.
    pub(super) fn tests(&self, test: &Test, mut tell: &mut dyn FnMut(Finding)) {
        for (subject, group) in &self.groups {
            test.times(*subject, AlertKind::SelfTime, &group.own, group.samples, &mut tell);
            test.errors(*subject, &group.errors, &mut tell);
        }
        for (number, key) in self.keys.iter().enumerate() {
            let subject = SubjectId::Key(number as u32);
            if key.samples >= ENOUGH_ALONE {
                test.times(subject, AlertKind::SelfTime, &key.own, key.samples, &mut tell);
                test.times(subject, AlertKind::Duration, &key.duration, key.samples, &mut tell);
            }
            test.extreme(subject, key, &mut tell);
            test.errors(subject, &key.errors, &mut tell);
            test.orphans(subject, key, &mut tell);
            if self.generation.watched() >= DAY {
                test.messages(subject, key, &mut tell);
            }
            if key.structure.calls >= LEAST_SAMPLES {
                key.shapes.test(subject, &key.errors.ring, test, &self.keys, &mut tell);
            }
        }
        self.test_absence(test, tell);
        self.test_rates(test, tell);
    }

    /// How long a request may take before it counts as stuck: half again the longest learnt. `None` while too few are
    /// known.
    #[must_use]
    pub fn longest(&self) -> Option<Micros> {
        let roots = self.keys.iter().filter(|key| key.structure.roots >= LEAST_SAMPLES);
        let longest = roots.map(|key| key.structure.longest_us).max()?;
        Some(Micros((EXTREME_TIMES * longest as f64) as u64).max(SHORTEST_STUCK))
    }

    /// Tests requests whose root has not come: by the key that showed first, when each began.
    pub fn test_in_flight(&self, at: Timestamp, in_flight: &BTreeMap<u32, Vec<Timestamp>>) -> Vec<Finding> {
        let mut found = Vec::new();
        let Some(since) = self.since.filter(|_| !in_flight.is_empty()) else { return found };
        let test = self.round(at, since);
        for (number, began) in in_flight {
            let Some(key) = self.keys.get(*number as usize).filter(|key| key.structure.calls >= LEAST_SAMPLES) else {
                continue;
            };
            let window = TimeWindow::new(since.max(at - LONGEST), at);
            let k = began.iter().filter(|began| window.contains(**began)).count() as u64;
            let n = key.errors.ring.sum(window).n.max(k);
            if k < LEAST_HITS {
                continue;
            }
            let calls = key.structure.calls;
            let p = (key.structure.rootless as f64 + 0.5) / (calls as f64 + 1.0);
            let arithmetic = test.counted(window, (n, k), p, UNKNOWN_RHO, calls);
            let track = TrackId { subject: SubjectId::Node(key.service), kind: AlertKind::InFlight };
            let Some(finding) = test.weigh(track, Severity::Sev2, arithmetic).filter(Finding::raises) else {
                continue;
            };
            let onset = began.iter().copied().min().unwrap_or(at);
            let detail = format!("begun at {} and not finished", key.key.operation);
            found.push(Finding { onset, detail, ..finding });
        }
        found
    }

    /// Calls of a track's subject in the last minute: whether its silence about a finding says anything.
    #[must_use]
    pub fn is_speaking(&self, track: TrackId, at: Timestamp) -> bool {
        let window = TimeWindow::new(at - CLOSING, at);
        let ring = match track.subject {
            SubjectId::Key(key) => self.keys.get(key as usize).map(|key| &key.errors.ring),
            subject => self.groups.get(&subject).map(|group| &group.own.ring),
        };
        ring.is_some_and(|ring| ring.sum(window).n >= QUIET_CALLS)
    }

    /// Whether two services are the same, call each other, or are called by, or call, the same one: what is wrong with one is
    /// felt that far.
    #[must_use]
    pub fn are_linked(&self, a: u32, b: u32) -> bool {
        let calls = |a: u32, b: u32| self.calls.contains(&(a, b)) || self.calls.contains(&(b, a));
        a == b || calls(a, b) || (0..self.services.len() as u32).any(|between| calls(a, between) && calls(between, b))
    }

    /// Whether a finding is about now: a long window goes on holding what is over. Counts of the last minute say so where
    /// there are such; the rest is taken at its word.
    #[must_use]
    pub fn is_going_on(&self, finding: &Finding, at: Timestamp) -> bool {
        let TrackId { subject, kind } = finding.track;
        let length = finding.arithmetic.window.length();
        if length <= CLOSING {
            return true;
        }
        // What takes a quarter of an hour to see is not over after a minute without it.
        let recent = CLOSING.max(Micros(length.0 / 5));
        let key = |number: u32| self.keys.get(number as usize);
        let track = match (kind, subject) {
            (AlertKind::SelfTime, SubjectId::Key(number)) => key(number).map(|key| &key.own),
            (AlertKind::Duration, SubjectId::Key(number)) => key(number).map(|key| &key.duration),
            (AlertKind::Errors, SubjectId::Key(number)) => key(number).map(|key| &key.errors),
            (AlertKind::SelfTime, _) => self.groups.get(&subject).map(|group| &group.own),
            (AlertKind::Errors, _) => self.groups.get(&subject).map(|group| &group.errors),
            _ => None,
        };
        track.is_none_or(|track| {
            let counts = track.ring.sum(TimeWindow::new(at - recent, at));
            let [.., k] = counts.k;
            let usual = if kind == AlertKind::Errors { track.learnt.share() } else { counts.share(2) };
            counts.n < QUIET_CALLS || k as f64 / counts.n as f64 - usual >= LEAST_EXCESS / 2.0
        })
    }

    /// Which service called which in history, by their numbers.
    pub fn learnt_calls(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.learnt_calls.iter().copied()
    }

    #[must_use]
    pub fn subject(&self, id: SubjectId) -> Subject {
        name_of(id, &self.keys, &self.services)
    }
}

/// The number of a service.
pub(super) fn service_number(services: &[Arc<str>], name: &str) -> Option<u32> {
    services.iter().position(|service| **service == *name).map(|number| number as u32)
}
