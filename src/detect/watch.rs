//! The alert test: every subject's last 20 s, 60 s, 5 and 15 minutes against what is normal for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::baseline::{Cell, Exceeding, Facet, Generation, KeyBaseline, KeyStructure, Measure, SeriesKey, Spread};
use crate::domain::{
    AlertKind, Arithmetic, Calendar, HourOfWeek, Level, Micros, Severity, SpanKey, Subject, TimeWindow, Timestamp,
};

use super::chance;
use super::observation::{Observation, Observed, Place};
use super::paths::Paths;
use super::ring::{Counts, Ring};
use super::settings::Settings;
use super::shapes::Shapes;

/// Over span end time. The shortest is told as soon as two polls have seen it.
pub const WINDOWS: [Micros; 4] =
    [Micros::from_secs(20), Micros::from_secs(60), Micros::from_secs(300), Micros::from_secs(900)];
/// An alert closes on this one.
const CLOSING: Micros = Micros::from_secs(60);
/// A share that grew by less is not worth waking anyone, however certain.
pub(super) const LEAST_EXCESS: f64 = 0.05;
/// One odd call is chance or an extreme; the test is about several.
pub(super) const LEAST_HITS: u64 = 2;
/// Below this a baseline's shares are little more than its own samples: it is not tested.
pub(super) const LEAST_SAMPLES: u64 = 20;
/// p95, on which every limit rests, wants that many; a more specific level with fewer leaves the answer to a wider one.
pub(super) const ENOUGH_FOR_P95: u64 = 100;
/// A key that knows its own p99.9 is tested by itself; others only together with their service or edge.
pub(super) const ENOUGH_ALONE: u64 = 5_000;
/// Errors: that many, and a share larger by 5 points or threefold.
pub(super) const LEAST_ERRORS: u64 = 5;
pub(super) const ERRORS_TIMES: f64 = 3.0;
/// How few quiet calls say that a subject is quiet.
const QUIET_CALLS: u64 = 5;
/// However fast requests are, one that takes less is not stuck.
const SHORTEST_STUCK: Micros = Micros::from_secs(10);
/// Where fewer than one in that many calls began a trace, one that does has lost its context.
const RARELY: u64 = 50;
/// What one odd value must exceed the largest ever learnt by, besides being unlikely.
const EXTREME_TIMES: f64 = 1.5;

/// The odds at which an alert is raised while an hour or less of history is known. No baseline of minutes can keep a
/// promise for a week, and at the start a missed fault costs more than a look; with ρ assumed as it is then, one in 1000
/// leaves a few looks an hour on a system whose traffic changes in kind.
const YOUNG_LOG10_ALPHA: f64 = -3.0;
const YOUNG: Micros = Micros::from_secs(3_600);
const WEEK: Micros = Micros::from_secs(604_800);
/// Before a day is known, most messages are new.
const DAY: Micros = Micros::from_secs(86_400);

/// What is tested: a subject in one respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId {
    pub subject: SubjectId,
    pub kind: AlertKind,
}

/// A subject by the engine's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectId {
    Key(u32),
    Node(u32),
    Edge(u32, u32),
}

/// A window that is less likely than chance explains.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub track: TrackId,
    pub severity: Severity,
    pub arithmetic: Arithmetic,
    /// When the first abnormal span of the window ended.
    pub onset: Timestamp,
    /// Unlikely enough to raise an alert; else only to keep one open.
    pub raises: bool,
    pub detail: String,
}

/// The limits of one series in the bucket that was asked last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) exceeding: [Exceeding; 3],
    samples: u64,
    pub(super) level: Level,
    median_us: f64,
    p99_us: f64,
    p99_9_us: f64,
}

/// One series, and its limits as they were looked up last: spans of one hour share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Normal {
    baseline: Option<Arc<KeyBaseline>>,
    looked_up: Option<(HourOfWeek, Option<Limits>)>,
}

impl Normal {
    fn of(baseline: Option<Arc<KeyBaseline>>) -> Self {
        Self { baseline, looked_up: None }
    }

    fn limits(&mut self, bucket: HourOfWeek) -> Option<Limits> {
        match self.looked_up {
            Some((known, limits)) if known == bucket => limits,
            _ => {
                let tested = self.baseline.as_ref().and_then(|baseline| baseline.tested(bucket, ENOUGH_FOR_P95));
                let limits = tested.map(|(level, cell)| Limits::of(level, cell));
                self.looked_up = Some((bucket, limits));
                limits
            }
        }
    }

    fn samples(&self) -> u64 {
        self.baseline.as_ref().map_or(0, |baseline| baseline.samples)
    }
}

impl Limits {
    fn of(level: Level, cell: &Cell) -> Self {
        let at = |index| f64::from(cell.percentiles.get::<usize>(index).copied().unwrap_or(0.0));
        Self {
            exceeding: cell.exceeding,
            samples: cell.samples,
            level,
            median_us: at(0),
            p99_us: at(3),
            p99_9_us: at(4),
        }
    }

    fn counts(&self, us: u64) -> Counts {
        let above = |exceeding: Exceeding| u64::from(us as f64 >= f64::from(exceeding.threshold_us));
        let lift = Counts::lift_of(us, self.median_us);
        Counts { n: 1, k: self.exceeding.map(above), expected: self.exceeding.map(|e| f64::from(e.share)), lift }
    }
}

/// Counts of one subject in one respect, and how its minutes vary.
#[derive(Debug, Clone, Default)]
pub(super) struct Track {
    pub(super) ring: Ring,
    /// As learnt.
    pub(super) spread: Spread,
    /// The end of the newest slot with a hit.
    last_hit: Option<Timestamp>,
    /// For the limits of the screen's arithmetic: those of the hit that was counted last.
    pub(super) limits: Option<Limits>,
}

impl Track {
    fn add(&mut self, at: Timestamp, counts: &Counts) {
        self.ring.add(at, counts);
        if counts.k.iter().any(|k| *k > 0) {
            self.last_hit = self.last_hit.max(Some(at));
        }
    }

    pub(super) fn forget(&mut self) {
        self.ring.clear();
        self.last_hit = None;
    }

    /// How much its calls of one minute resemble each other, given their expected share.
    pub(super) fn rho(&self, p: f64) -> f64 {
        self.spread.rho(p)
    }

    fn is_hot(&self, since: Timestamp) -> bool {
        self.last_hit.is_some_and(|at| at >= since)
    }
}

/// One span key.
#[derive(Debug, Clone)]
pub(super) struct KeyWatch {
    pub(super) key: SpanKey,
    pub(super) service: u32,
    /// Samples of its durations.
    pub(super) samples: u64,
    pub(super) structure: KeyStructure,
    durations: Normal,
    selves: Normal,
    pub(super) edges: BTreeMap<u32, Normal>,
    /// Its spans have children: its own time is not its duration.
    pub(super) is_parent: bool,
    pub(super) own: Track,
    pub(super) duration: Track,
    pub(super) errors: Track,
    pub(super) origins: Track,
    pub(super) orphans: Track,
    /// How its calls a minute vary.
    pub(super) calls: Spread,
    /// When its newest call began.
    pub(super) last_call: Option<Timestamp>,
    calls_before: Option<u64>,
    /// The newest own time beyond anything learnt.
    extreme: Option<(Timestamp, Limits, u64)>,
    pub(super) messages: BTreeMap<Arc<str>, Ring>,
    pub(super) shapes: Shapes,
}

/// A service's own work, or the time between two services.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) own: Track,
    pub(super) errors: Track,
    /// How calls a minute into the service vary.
    pub(super) calls: Spread,
    calls_before: Option<u64>,
    /// Samples behind it.
    pub(super) samples: u64,
}

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
    pub(super) paths: Paths,
    pub(super) generation: Arc<Generation>,
    /// Windows begin here at the earliest: before lies a gap.
    pub(super) since: Option<Timestamp>,
    /// log₁₀ of the chance below which an alert is raised.
    log10_alpha: f64,
    tallied_to: Option<Timestamp>,
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
            paths: Paths::default(),
            generation: Arc::default(),
            since: None,
            log10_alpha: YOUNG_LOG10_ALPHA,
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
        let numbers: Vec<u32> = (0..self.keys.len() as u32).collect();
        for number in numbers {
            let Some(watch) = self.keys.get(number as usize) else { continue };
            let KeyWatch { key, structure, .. } = watch;
            for child in structure.shapes.keys().flatten().filter(|child| child.service != key.service) {
                if let Some(callee) = self.service_number(&child.service) {
                    self.calls.insert((watch.service, callee));
                }
            }
        }
        self.weigh_groups();
    }

    fn service_number(&self, name: &str) -> Option<u32> {
        self.services.iter().position(|service| **service == *name).map(|number| number as u32)
    }

    fn weigh_groups(&mut self) {
        for group in self.groups.values_mut() {
            group.samples = 0;
        }
        for watch in &self.keys {
            let own = if watch.is_parent { watch.selves.samples() } else { watch.durations.samples() };
            let edges = watch.edges.iter().map(|(callee, n)| (SubjectId::Edge(watch.service, *callee), n.samples()));
            for (subject, samples) in edges.chain([(SubjectId::Node(watch.service), own)]) {
                self.groups.entry(subject).or_default().samples += samples;
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

    /// The odds in use: one false alert a week over all that is tested, once a week is known.
    fn set_odds(&mut self) {
        let tracks = self.keys.iter().map(KeyWatch::tracks).sum::<usize>() + 2 * self.groups.len();
        let windows: f64 = WINDOWS.iter().map(|window| WEEK.0 as f64 / window.0 as f64).sum();
        let tests = tracks.max(1) as f64 * windows;
        let weekly = (self.settings.false_alerts_per_week / tests).log10().min(YOUNG_LOG10_ALPHA);
        let known = self.generation.watched().0.clamp(YOUNG.0, WEEK.0) as f64;
        let grown = (known / YOUNG.0 as f64).ln() / (WEEK.0 as f64 / YOUNG.0 as f64).ln();
        self.log10_alpha = YOUNG_LOG10_ALPHA + grown * (weekly - YOUNG_LOG10_ALPHA);
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
            let worse = found.get(&finding.track).is_none_or(|known| {
                (finding.severity, finding.arithmetic.log10_chance) < (known.severity, known.arithmetic.log10_chance)
                    && (finding.raises || !known.raises)
                    || finding.raises && !known.raises
            });
            if worse {
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
            test.errors(*subject, &group.errors, group.samples, &mut tell);
        }
        for (number, key) in self.keys.iter().enumerate() {
            let subject = SubjectId::Key(number as u32);
            if key.samples >= ENOUGH_ALONE {
                test.times(subject, AlertKind::SelfTime, &key.own, key.samples, &mut tell);
                test.times(subject, AlertKind::Duration, &key.duration, key.samples, &mut tell);
            }
            test.extreme(subject, key, &mut tell);
            test.errors(subject, &key.errors, key.samples, &mut tell);
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
            let window = TimeWindow::new(since.max(at - WINDOWS.last().copied().unwrap_or_default()), at);
            let k = began.iter().filter(|began| window.contains(**began)).count() as u64;
            let n = key.errors.ring.sum(window).n.max(k);
            if k < LEAST_HITS {
                continue;
            }
            let calls = key.structure.calls;
            let p = (key.structure.rootless as f64 + 0.5) / (calls as f64 + 1.0);
            let rho = Spread::default().rho(p);
            let log10_chance = chance::log10_at_least(k, n, p, chance::concentration(rho, calls));
            if log10_chance >= self.log10_alpha {
                continue;
            }
            let subject = SubjectId::Node(key.service);
            let ring = &key.errors.ring;
            let numbers = (n, k);
            let mut finding = test.finding(
                subject,
                AlertKind::InFlight,
                Severity::Sev2,
                window,
                numbers,
                p,
                calls,
                rho,
                log10_chance,
                true,
                ring,
            );
            finding.onset = began.iter().copied().min().unwrap_or(at);
            finding.detail = format!("begun at {} and not finished", key.key.operation);
            found.push(finding);
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
            counts.n < QUIET_CALLS || k as f64 / counts.n as f64 - counts.share(2) >= LEAST_EXCESS / 2.0
        })
    }

    #[must_use]
    pub fn subject(&self, id: SubjectId) -> Subject {
        name_of(id, &self.keys, &self.services)
    }

    /// Adds the minutes that ended before `to` to the spreads: how much calls of one minute resemble each other. Minutes
    /// of an incident are left out by asking with `quiet` false.
    pub fn tally(&mut self, to: Timestamp, quiet: bool) -> BTreeMap<(Subject, Facet), Spread> {
        const MINUTE: i64 = 60_000_000;
        let end = Timestamp(to.0.div_euclid(MINUTE) * MINUTE);
        let Some(from) = self.tallied_to.or(self.since) else { return BTreeMap::new() };
        let mut from = Timestamp((from.0 + MINUTE - 1).div_euclid(MINUTE) * MINUTE);
        let mut spreads: BTreeMap<(Subject, Facet), Spread> = BTreeMap::new();
        while from + Micros::from_secs(60) <= end {
            let minute = TimeWindow::new(from, from + Micros::from_secs(60));
            from = minute.to;
            self.tallied_to = Some(from);
            if !quiet {
                continue;
            }
            self.tally_calls(minute, &mut spreads);
            let mut add = |subject: Subject, facet, ring: &Ring| {
                let counts = ring.sum(minute);
                if counts.n > 0 {
                    let spread = spreads.entry((subject, facet)).or_default();
                    spread.add(counts.n, counts.k.last().copied().unwrap_or(0));
                }
            };
            for (subject, group) in &self.groups {
                let name = name_of(*subject, &self.keys, &self.services);
                add(name.clone(), Facet::SelfTime, &group.own.ring);
                add(name, Facet::Errors, &group.errors.ring);
            }
            for key in &self.keys {
                let name = Subject::Key(key.key.clone());
                if key.samples >= ENOUGH_ALONE {
                    add(name.clone(), Facet::SelfTime, &key.own.ring);
                    add(name.clone(), Facet::Duration, &key.duration.ring);
                }
                add(name, Facet::Errors, &key.errors.ring);
            }
        }
        spreads
    }
}

impl Watch {
    /// Steps of the calls from one minute to the next, of each entry and of the entries of each service together.
    fn tally_calls(&mut self, minute: TimeWindow, spreads: &mut BTreeMap<(Subject, Facet), Spread>) {
        let mut add = |subject: Subject, before: &mut Option<u64>, n: u64| {
            if let Some(before) = before.replace(n) {
                let spread = spreads.entry((subject, Facet::Calls)).or_default();
                spread.add(n, 0);
                spread.add_step(before, n);
            }
        };
        let mut services: BTreeMap<u32, u64> = BTreeMap::new();
        for key in self.keys.iter_mut().filter(|key| key.structure.is_entry()) {
            let n = key.errors.ring.sum(minute).n;
            *services.entry(key.service).or_default() += n;
            add(Subject::Key(key.key.clone()), &mut key.calls_before, n);
        }
        for (service, n) in services {
            if let Some(group) = self.groups.get_mut(&SubjectId::Node(service)) {
                let name = self.services.get(service as usize).cloned().unwrap_or_else(|| Arc::from(""));
                add(Subject::Node(name), &mut group.calls_before, n);
            }
        }
    }
}

pub(super) fn name_of(id: SubjectId, keys: &[KeyWatch], services: &[Arc<str>]) -> Subject {
    let service = |number: u32| services.get(number as usize).cloned().unwrap_or_else(|| Arc::from(""));
    match id {
        SubjectId::Key(key) => {
            keys.get(key as usize).map_or_else(|| Subject::Node(service(0)), |watch| Subject::Key(watch.key.clone()))
        }
        SubjectId::Node(number) => Subject::Node(service(number)),
        SubjectId::Edge(caller, callee) => Subject::Edge { caller: service(caller), callee: service(callee) },
    }
}

impl KeyWatch {
    fn new(key: SpanKey, service: u32) -> Self {
        Self {
            key,
            service,
            samples: 0,
            structure: KeyStructure::default(),
            durations: Normal::default(),
            selves: Normal::default(),
            edges: BTreeMap::new(),
            is_parent: false,
            own: Track::default(),
            duration: Track::default(),
            errors: Track::default(),
            origins: Track::default(),
            orphans: Track::default(),
            calls: Spread::default(),
            last_call: None,
            calls_before: None,
            extreme: None,
            messages: BTreeMap::new(),
            shapes: Shapes::default(),
        }
    }

    fn use_generation(&mut self, generation: &Generation, services: &[Arc<str>]) {
        let series = |measure| generation.series.get(&SeriesKey::new(self.key.clone(), measure)).cloned();
        self.durations = Normal::of(series(Measure::Duration));
        self.selves = Normal::of(series(Measure::SelfTime));
        self.edges = services
            .iter()
            .enumerate()
            .filter_map(|(number, service)| {
                series(Measure::EdgeTime(service.clone())).map(|found| (number as u32, Normal::of(Some(found))))
            })
            .collect();
        self.is_parent = self.selves.baseline.is_some();
        self.samples = self.durations.samples();
        self.structure = generation.structure.keys.get(&self.key).cloned().unwrap_or_default();
        let name = Subject::Key(self.key.clone());
        let spread = |facet| generation.structure.spreads.get(&(name.clone(), facet)).copied().unwrap_or_default();
        self.own.spread = spread(Facet::SelfTime);
        self.duration.spread = spread(Facet::Duration);
        self.errors.spread = spread(Facet::Errors);
        self.calls = spread(Facet::Calls);
        self.shapes.use_structure(&self.structure);
    }

    pub(super) const fn durations_baseline(&self) -> Option<&Arc<KeyBaseline>> {
        self.durations.baseline.as_ref()
    }

    /// Forgets how long its calls took.
    pub(super) fn forget_times(&mut self) {
        self.own.forget();
        self.duration.forget();
        self.extreme = None;
    }

    /// How many tests are made of it.
    fn tracks(&self) -> usize {
        let entry = if self.structure.is_entry() { 1 } else { 0 };
        entry + if self.samples >= ENOUGH_ALONE { 5 } else { 3 }
    }

    fn take(&mut self, span: &Observation, children: &[u32], bucket: HourOfWeek, group: &mut Group) {
        let at = span.end;
        let hit = |hit: bool| Counts { n: 1, k: [u64::from(hit); 3], ..Counts::default() };
        self.errors.add(at, &hit(span.error));
        group.errors.add(at, &hit(span.error_origin));
        if span.error_origin {
            self.origins.add(at, &hit(true));
        }
        if let Some(message) = span.message.as_ref().filter(|message| !self.structure.messages.contains_key(*message)) {
            self.messages.entry(Arc::clone(message)).or_default().add(at, &hit(true));
        }
        self.last_call = self.last_call.max(Some(span.start));
        let stray = span.root && self.structure.roots * RARELY < self.structure.calls;
        self.orphans.add(at, &hit(span.orphan || stray));
        self.shapes.take(at, children);
        let own = match span.place {
            Place::Edge(callee) => self.edges.get_mut(&callee),
            Place::Node if self.is_parent => Some(&mut self.selves),
            Place::Node => Some(&mut self.durations),
        };
        if let Some(limits) = own.and_then(|own| own.limits(bucket)) {
            let counts = limits.counts(span.own.0);
            if span.place == Place::Node {
                self.own.add(at, &counts);
                self.own.limits = Some(limits);
                if span.own.0 as f64 > EXTREME_TIMES * self.structure.largest_own_us as f64 {
                    self.extreme = Some((at, limits, span.own.0));
                }
            }
            group.own.add(at, &counts);
        }
        if self.is_parent
            && let Some(limits) = self.durations.limits(bucket)
        {
            self.duration.add(at, &limits.counts(span.duration.0));
            self.duration.limits = Some(limits);
        }
    }
}

/// One round of tests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Test {
    pub(super) at: Timestamp,
    pub(super) since: Timestamp,
    pub(super) log10_alpha: f64,
    pub(super) knows_a_week: bool,
}

impl Test {
    /// The windows that end now and lie within the data, shortest first; one that reaches back to a gap is cut there.
    pub(super) fn windows(&self) -> impl Iterator<Item = TimeWindow> + use<> {
        let (at, since) = (self.at, self.since);
        let mut last = None;
        WINDOWS.into_iter().map(move |length| TimeWindow::new(since.max(at - length), at)).filter(move |window| {
            let new = last != Some(window.from) && window.length() >= WINDOWS.first().copied().unwrap_or_default();
            last = Some(window.from);
            new
        })
    }

    /// Whether a chance raises an alert, or at least keeps one open: half the decades are enough for that, on windows that
    /// end with what is going on now.
    pub(super) fn weigh(&self, window: TimeWindow, log10_chance: f64) -> Option<bool> {
        if log10_chance < self.log10_alpha {
            return Some(true);
        }
        (window.length() <= CLOSING && log10_chance < self.log10_alpha / 2.0).then_some(false)
    }

    pub(super) const fn log10_alpha(&self) -> f64 {
        self.log10_alpha
    }

    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    /// One call that is an alert by itself: unlikelier than the odds in use, and beyond anything learnt.
    fn extreme(&self, subject: SubjectId, key: &KeyWatch, tell: &mut dyn FnMut(Finding)) {
        let Some((at, limits, us)) = key.extreme.filter(|(at, ..)| *at >= self.at - CLOSING) else { return };
        // The largest of a few days says little about the largest there can be.
        if key.samples < ENOUGH_ALONE || !self.knows_a_week {
            return;
        }
        let log10_chance = chance::log10_extreme(us as f64, limits.p99_us, limits.p99_9_us);
        let window = TimeWindow::new(at - CLOSING, at);
        let Some(raises) = self.weigh(window, log10_chance) else { return };
        tell(Finding {
            track: TrackId { subject, kind: AlertKind::SelfTime },
            severity: Severity::Sev3,
            onset: at,
            raises,
            detail: String::from("one call beyond anything learnt"),
            arithmetic: Arithmetic {
                window,
                n: 1,
                k: 1,
                expected: 0.0,
                threshold: Some(Micros((EXTREME_TIMES * key.structure.largest_own_us as f64) as u64)),
                log10_chance,
                log10_alpha: self.log10_alpha,
                samples: limits.samples,
                level: Some(limits.level),
                rho: 0.0,
            },
        });
    }

    fn times(&self, subject: SubjectId, kind: AlertKind, track: &Track, samples: u64, tell: &mut dyn FnMut(Finding)) {
        if samples < LEAST_SAMPLES || !track.is_hot(self.at - WINDOWS.last().copied().unwrap_or_default()) {
            return;
        }
        for window in self.windows() {
            let counts = track.ring.sum(window);
            for (limit, severity) in [Severity::Sev1, Severity::Sev2, Severity::Sev3].into_iter().enumerate() {
                let k = counts.k.get(limit).copied().unwrap_or(0);
                let p = counts.share(limit);
                if k < LEAST_HITS || k as f64 / counts.n.max(1) as f64 - p < LEAST_EXCESS {
                    continue;
                }
                let rho = track.spread.rho(counts.share(2));
                let log10_chance = chance::log10_at_least(k, counts.n, p, chance::concentration(rho, samples));
                let Some(raises) = self.weigh(window, log10_chance) else { continue };
                let threshold = track.limits.and_then(|limits| limits.exceeding.get(limit).copied());
                tell(Finding {
                    track: TrackId { subject, kind },
                    severity,
                    onset: track.ring.first_hit(window, limit).unwrap_or(window.from),
                    raises,
                    detail: String::new(),
                    arithmetic: Arithmetic {
                        window,
                        n: counts.n,
                        k,
                        expected: counts.expected.get(limit).copied().unwrap_or(0.0),
                        threshold: threshold.map(|e| Micros(f64::from(e.threshold_us) as u64)),
                        log10_chance,
                        log10_alpha: self.log10_alpha,
                        samples,
                        level: track.limits.map(|limits| limits.level),
                        rho,
                    },
                });
                break;
            }
        }
    }

    fn errors(&self, subject: SubjectId, track: &Track, samples: u64, tell: &mut dyn FnMut(Finding)) {
        if samples < LEAST_SAMPLES || !track.is_hot(self.at - WINDOWS.last().copied().unwrap_or_default()) {
            return;
        }
        // The learnt share of failures stands in the spread only once minutes were tallied; until then nothing failed.
        let spread = track.spread;
        let p = (spread.k as f64 + 0.5) / (spread.n.max(samples) as f64 + 1.0);
        for window in self.windows() {
            let counts = track.ring.sum(window);
            let k = counts.k.first().copied().unwrap_or(0);
            let share = k as f64 / counts.n.max(1) as f64;
            if k < LEAST_ERRORS || !(share - p >= LEAST_EXCESS || share >= ERRORS_TIMES * p) {
                continue;
            }
            let rho = spread.rho(p);
            let log10_chance = chance::log10_at_least(k, counts.n, p, chance::concentration(rho, samples));
            let Some(raises) = self.weigh(window, log10_chance) else { continue };
            let severity = match share - p {
                excess if excess >= 0.5 => Severity::Sev1,
                excess if excess >= 0.2 => Severity::Sev2,
                _ => Severity::Sev3,
            };
            tell(self.finding(
                subject,
                AlertKind::Errors,
                severity,
                window,
                (counts.n, k),
                p,
                samples,
                rho,
                log10_chance,
                raises,
                &track.ring,
            ));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the numbers of one verdict")]
    pub(super) fn finding(
        &self,
        subject: SubjectId,
        kind: AlertKind,
        severity: Severity,
        window: TimeWindow,
        (n, k): (u64, u64),
        p: f64,
        samples: u64,
        rho: f64,
        log10_chance: f64,
        raises: bool,
        ring: &Ring,
    ) -> Finding {
        Finding {
            track: TrackId { subject, kind },
            severity,
            onset: ring.first_hit(window, 0).unwrap_or(window.from),
            raises,
            detail: String::new(),
            arithmetic: Arithmetic {
                window,
                n,
                k,
                expected: n as f64 * p,
                threshold: None,
                log10_chance,
                log10_alpha: self.log10_alpha,
                samples,
                level: None,
                rho,
            },
        }
    }

    fn orphans(&self, subject: SubjectId, key: &KeyWatch, tell: &mut dyn FnMut(Finding)) {
        if key.structure.calls < LEAST_SAMPLES
            || !key.orphans.is_hot(self.at - WINDOWS.last().copied().unwrap_or_default())
        {
            return;
        }
        let calls = key.structure.calls;
        let stray = if key.structure.roots * RARELY < calls { key.structure.roots } else { 0 };
        let p = ((key.structure.orphans + stray) as f64 + 0.5) / (calls as f64 + 1.0);
        for window in self.windows() {
            let counts = key.orphans.ring.sum(window);
            let k = counts.k.first().copied().unwrap_or(0);
            if k < LEAST_HITS || k as f64 / counts.n.max(1) as f64 - p < LEAST_EXCESS {
                continue;
            }
            let rho = Spread::default().rho(p);
            let log10_chance = chance::log10_at_least(k, counts.n, p, chance::concentration(rho, calls));
            let Some(raises) = self.weigh(window, log10_chance) else { continue };
            tell(self.finding(
                subject,
                AlertKind::BrokenContext,
                Severity::Sev3,
                window,
                (counts.n, k),
                p,
                calls,
                rho,
                log10_chance,
                raises,
                &key.orphans.ring,
            ));
        }
    }

    fn messages(&self, subject: SubjectId, key: &KeyWatch, tell: &mut dyn FnMut(Finding)) {
        let calls = key.structure.calls;
        if calls < LEAST_SAMPLES {
            return;
        }
        // A message that none of N calls ever gave: at most one in N by the rule of succession, each by itself.
        let p = 0.5 / (calls as f64 + 1.0);
        for (message, ring) in &key.messages {
            for window in self.windows() {
                let n = key.errors.ring.sum(window).n;
                let k = ring.sum(window).n;
                if k < LEAST_HITS {
                    continue;
                }
                let rho = Spread::default().rho(p);
                let log10_chance = chance::log10_at_least(k, n.max(k), p, chance::concentration(rho, calls));
                let Some(raises) = self.weigh(window, log10_chance) else { continue };
                let mut finding = self.finding(
                    subject,
                    AlertKind::NewMessage,
                    Severity::Sev3,
                    window,
                    (n.max(k), k),
                    p,
                    calls,
                    rho,
                    log10_chance,
                    raises,
                    ring,
                );
                finding.detail = message.to_string();
                tell(finding);
            }
        }
    }
}
