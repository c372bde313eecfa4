//! What is watched, by number: keys, and the groups in which they are judged together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{Cell, Exceeding, Facet, Generation, KeyBaseline, KeyStructure, Measure, SeriesKey, Spread};
use crate::domain::{AlertKind, HourOfWeek, Level, SpanKey, Subject, Timestamp};

use super::observation::{Observation, Place};
use super::ring::{Counts, Ring};
use super::shapes::Shapes;

/// p95, on which every limit rests, wants that many; a more specific level with fewer leaves the answer to a wider one.
pub const ENOUGH_FOR_P95: u64 = 100;
/// A key that knows its own p99.9 is tested by itself; others only together with their service or edge.
pub const ENOUGH_ALONE: u64 = 5_000;
/// Where fewer than one in that many calls began a trace, one that does has lost its context.
const RARELY: u64 = 50;
/// What one odd value must exceed the largest ever learnt by, besides being unlikely.
pub const EXTREME_TIMES: f64 = 1.5;

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

/// The limits of one series in the bucket that was asked last.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub exceeding: [Exceeding; 3],
    pub samples: u64,
    pub level: Level,
    median_us: f64,
    pub p99_us: f64,
    pub p99_9_us: f64,
}

/// One series, and its limits as they were looked up last: spans of one hour share them.
#[derive(Debug, Clone, Default)]
pub struct Normal {
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

    pub const fn baseline(&self) -> Option<&Arc<KeyBaseline>> {
        self.baseline.as_ref()
    }

    pub fn samples(&self) -> u64 {
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

/// Calls of the whole history, and how many of them counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Learnt {
    pub calls: f64,
    pub counted: f64,
}

impl Learnt {
    /// The expected share, never zero: the next call is one of which nothing is known yet.
    pub fn share(&self) -> f64 {
        (self.counted + 0.5) / (self.calls + 1.0)
    }

    pub fn add(&mut self, calls: f64, counted: f64) {
        self.calls += calls;
        self.counted += counted;
    }
}

/// Counts of one subject in one respect, and how its minutes vary.
#[derive(Debug, Clone, Default)]
pub struct Track {
    pub ring: Ring,
    /// As learnt.
    pub spread: Spread,
    /// For what is counted by itself, not against limits: how much of it history has.
    pub learnt: Learnt,
    /// The end of the newest slot with a hit.
    last_hit: Option<Timestamp>,
    /// For the limits of the screen's arithmetic: those of the hit that was counted last.
    pub limits: Option<Limits>,
}

impl Track {
    fn add(&mut self, at: Timestamp, counts: &Counts) {
        self.ring.add(at, counts);
        if counts.k.iter().any(|k| *k > 0) {
            self.last_hit = self.last_hit.max(Some(at));
        }
    }

    pub fn forget(&mut self) {
        self.ring.clear();
        self.last_hit = None;
    }

    /// Whether anything counted since then.
    pub fn is_hot(&self, since: Timestamp) -> bool {
        self.last_hit.is_some_and(|at| at >= since)
    }
}

/// One span key.
#[derive(Debug, Clone)]
pub struct KeyWatch {
    pub key: SpanKey,
    pub service: u32,
    /// Samples of its durations.
    pub samples: u64,
    pub structure: KeyStructure,
    pub durations: Normal,
    selves: Normal,
    pub edges: BTreeMap<u32, Normal>,
    /// Its spans have children: its own time is not its duration.
    pub is_parent: bool,
    pub own: Track,
    pub duration: Track,
    pub errors: Track,
    pub origins: Track,
    pub orphans: Track,
    /// How its calls a minute vary.
    pub calls: Spread,
    /// When its newest call began.
    pub last_call: Option<Timestamp>,
    pub calls_before: Option<u64>,
    /// The newest own time beyond anything learnt.
    pub extreme: Option<(Timestamp, Limits, u64)>,
    pub messages: BTreeMap<Arc<str>, Ring>,
    pub shapes: Shapes,
}

impl KeyWatch {
    pub fn new(key: SpanKey, service: u32) -> Self {
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

    pub fn use_generation(&mut self, generation: &Generation, services: &[Arc<str>]) {
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
        let KeyStructure { calls, errors, orphans, roots, .. } = self.structure;
        self.errors.learnt = Learnt { calls: calls as f64, counted: errors as f64 };
        let stray = if self.begins_traces() { 0 } else { roots };
        self.orphans.learnt = Learnt { calls: calls as f64, counted: (orphans + stray) as f64 };
        self.shapes.use_structure(&self.structure);
    }

    /// Whether traces usually begin here; else one that does has lost its context.
    const fn begins_traces(&self) -> bool {
        self.structure.roots * RARELY >= self.structure.calls
    }

    /// Its spans by whose time they are: the calls of each service it waits for, and its own.
    pub fn series(&self) -> impl Iterator<Item = (SubjectId, u64)> + '_ {
        let own = match () {
            () if self.is_parent => self.selves.samples(),
            () if self.edges.is_empty() => self.durations.samples(),
            // All its time is spent waiting for others.
            () => 0,
        };
        let edges =
            self.edges.iter().map(|(callee, series)| (SubjectId::Edge(self.service, *callee), series.samples()));
        edges.chain([(SubjectId::Node(self.service), own)])
    }

    /// Forgets how long its calls took.
    pub fn forget_times(&mut self) {
        self.own.forget();
        self.duration.forget();
        self.extreme = None;
    }

    /// How many tests are made of it.
    pub fn tracks(&self) -> usize {
        let entry = if self.structure.is_entry() { 1 } else { 0 };
        entry + if self.samples >= ENOUGH_ALONE { 5 } else { 3 }
    }

    pub fn take(&mut self, span: &Observation, children: &[u32], bucket: HourOfWeek, group: &mut Group) {
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
        self.orphans.add(at, &hit(span.orphan || span.root && !self.begins_traces()));
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

/// A service's own work, or the time between two services.
#[derive(Debug, Clone, Default)]
pub struct Group {
    pub own: Track,
    pub errors: Track,
    /// How calls a minute into the service vary.
    pub calls: Spread,
    pub calls_before: Option<u64>,
    /// Samples behind it.
    pub samples: u64,
}

pub fn name_of(id: SubjectId, keys: &[KeyWatch], services: &[Arc<str>]) -> Subject {
    let service = |number: u32| services.get(number as usize).cloned().unwrap_or_else(|| Arc::from(""));
    match id {
        SubjectId::Key(key) => {
            keys.get(key as usize).map_or_else(|| Subject::Node(service(0)), |watch| Subject::Key(watch.key.clone()))
        }
        SubjectId::Node(number) => Subject::Node(service(number)),
        SubjectId::Edge(caller, callee) => Subject::Edge { caller: service(caller), callee: service(callee) },
    }
}
