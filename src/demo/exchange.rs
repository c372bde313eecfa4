//! The exchange as a process in time: which traces start in a minute, and what a trace id stands for.
//!
//! Time is cut into cells of one minute. The traces of a cell follow from the seed, the cell and the planned faults
//! alone, and a trace id carries its cell and its place there. So nothing is stored: history, live traffic and a trace
//! asked for by id are all generated when asked for, and cannot differ.

use std::cmp::Reverse;
use std::f64::consts::TAU;
use std::iter;
use std::sync::Arc;

use super::catalogue::{AttributeSink, Context, Failure, Op, Service};
use super::draft::{Draft, Part, Place};
use super::fault::{Fault, Planned, Schedule};
use super::flows::{Conditions, Flow, Job, Story};
use super::injection::Injection;
use super::random::Random;
use crate::domain::{Attributes, Micros, Span, SpanKey, TimeWindow, Timestamp, Trace, TraceId};

/// What an exchange is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    pub seed: u64,
    /// Traffic in multiples of the usual 0.15 traces a second.
    pub rate: f64,
    /// The start of the demo, from which faults are scheduled.
    pub origin: Timestamp,
    pub schedule: Schedule,
    /// Every Monday from 09:00 to 10:00 UTC a report keeps the wallet database busy: `SELECT balances` takes three times
    /// as long. A habit to be learnt, not a fault.
    pub slow_mondays: bool,
}

impl Default for Options {
    /// The exchange of `spanwatch demo`, begun at the epoch.
    fn default() -> Self {
        Self { seed: 42, rate: 1.0, origin: Timestamp(0), schedule: Schedule::default(), slow_mondays: false }
    }
}

/// The simulated exchange: a function from time to traces.
#[derive(Debug, Clone)]
pub struct Exchange {
    options: Options,
    injected: Vec<Planned>,
    names: Arc<Names>,
}

/// Names as the rest of the program holds them, made once.
#[derive(Debug)]
struct Names {
    keys: Vec<SpanKey>,
    /// By service; the second is the next release.
    resources: Vec<[Arc<Attributes>; 2]>,
    /// Attributes of the spans that did not fail, by operation. Where they differ from span to span, unused.
    attributes: Vec<Attributes>,
}

/// The visits of one cell: the usual ones, then those of each surge.
#[derive(Debug)]
struct Visits {
    usual: u64,
    extra: Vec<Extra>,
}

/// Visits that come on top in a stretch of time; of one kind, or like the usual ones.
#[derive(Debug)]
struct Extra {
    count: u64,
    stretch: TimeWindow,
    story: Option<Story>,
}

/// Traces a second, mean over a week, at rate 1.
const MEAN_RATE: f64 = 0.15;
const SURGE_FACTOR: f64 = 4.0;

// One stream of random numbers for each purpose.
const COUNT: u64 = 1;
const SURGE: u64 = 2;
const VISIT: u64 = 3;
const CHANCE: u64 = 4;
const HOLIDAY: u64 = 5;

/// What is left of the visits on a holiday.
const HOLIDAY_SHARE: f64 = 0.3;

/// Where a moment lies in the week: hours into the day, and whether it is a working day. UTC.
fn calendar(at: i64) -> (f64, bool) {
    let (day, hour) = day_and_hour(at);
    (hour, day < 5)
}

/// The day of the week, 0 is Monday, and hours into the day. UTC.
fn day_and_hour(at: i64) -> (i64, f64) {
    const DAY_US: i64 = 86_400_000_000;
    let hour = at.rem_euclid(DAY_US) as f64 / 3.6e9;
    // The epoch was a Thursday.
    ((at.div_euclid(DAY_US) + 3).rem_euclid(7), hour)
}

/// The day's wave: 1 at 15h UTC, −1 at 03h.
fn wave(hour: f64) -> f64 {
    (TAU * (hour - 15.0) / 24.0).cos()
}

impl Exchange {
    /// Length of a cell. No flow lasts as long: whoever looks for the spans of a minute needs the traces of that minute
    /// and of the one before.
    pub(super) const CELL_US: i64 = 60_000_000;
    /// How far back the backend keeps traces.
    pub const RETENTION: Micros = Micros::from_secs(31 * 86_400);

    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut next = [false, true].into_iter().cycle();
        let mut resource = |service: Service| {
            let next = next.next() == Some(true);
            Arc::new(Attributes::from_iter([("host.name", service.host()), ("service.version", service.version(next))]))
        };
        let mut buffer = Buffer::default();
        let mut attributes = |op: Op| buffer.attributes(op, &Context::default(), None);
        let names = Names {
            attributes: Op::ALL.into_iter().map(&mut attributes).collect(),
            keys: Op::ALL.into_iter().map(Op::of).map(|op| SpanKey::new(op.service.name(), op.name, op.kind)).collect(),
            resources: Service::ALL.into_iter().map(|service| [resource(service), resource(service)]).collect(),
        };
        Self { options, injected: Vec::new(), names: Arc::new(names) }
    }

    /// Adds a fault that begins at `at`. What started before stays as it was.
    pub fn inject(&mut self, fault: Fault, at: Timestamp) -> Planned {
        let planned = Planned::from(fault, at);
        self.injected.push(planned);
        planned
    }

    /// The injection and its time, if there is one.
    #[must_use]
    pub fn injection(&self) -> Option<(Injection, TimeWindow)> {
        self.options.schedule.injection(self.options.origin)
    }

    /// How many faults were injected so far.
    pub(super) const fn injected(&self) -> usize {
        self.injected.len()
    }

    /// The faults, planned and injected, that touch `window`.
    #[must_use]
    pub fn faults_within(&self, window: TimeWindow) -> Vec<Planned> {
        let mut faults = self.options.schedule.within(self.options.origin, window);
        let injected = self.injected.iter().copied();
        faults.extend(injected.filter(|p| p.window.from < window.to && window.from < p.window.to));
        faults
    }

    #[must_use]
    pub const fn origin(&self) -> Timestamp {
        self.options.origin
    }

    /// Expected visits a second at `at`, without faults: the daily and weekly rhythm. Its mean over a week is
    /// 0.15 times the configured rate. Jobs come on top, about one in five minutes.
    #[must_use]
    pub fn expected_rate(&self, at: Timestamp) -> f64 {
        let (hour, working) = calendar(at.0);
        let day = if working { 1.08 } else { 0.8 };
        MEAN_RATE * self.options.rate * day * (1.0 + 0.35 * wave(hour))
    }

    /// How slow everything is at `at`: busy hours and working days are a little slower.
    fn pace(at: i64) -> f64 {
        let (hour, working) = calendar(at);
        (if working { 1.02 } else { 0.95 }) * (1.0 + 0.12 * wave(hour))
    }

    /// All traces whose first span starts in `window`, minute by minute, oldest first.
    pub fn traces_starting_in(&self, window: TimeWindow) -> impl Iterator<Item = Trace> + '_ {
        let (mut drafts, mut buffer) = (Vec::new(), Buffer::default());
        self.cells(window).flat_map(move |cell| {
            self.cell(cell, &mut drafts);
            let traces: Vec<Trace> = drafts
                .iter()
                .filter(|draft| window.contains(Timestamp(draft.start())) && draft.end().is_some())
                .map(|draft| self.trace(draft, &mut buffer))
                .collect();
            traces
        })
    }

    /// All traces whose last span ends in `window`, in the order of these ends, then of ids: as a reader who waits until
    /// traces are whole gets them. Holds two minutes of traffic at a time.
    pub fn traces_ended_in(&self, window: TimeWindow) -> impl Iterator<Item = Trace> + '_ {
        let reach = Micros(Self::CELL_US as u64);
        let mut cells = self.cells(TimeWindow::new(window.from - reach, window.to));
        let (mut drafts, mut buffer) = (Vec::new(), Buffer::default());
        // Ends with their drafts: those that wait for a later cell, and those whose turn it is, last one first.
        let (mut open, mut ready) = (Vec::<(i64, Draft)>::new(), Vec::<(i64, Draft)>::new());
        iter::from_fn(move || {
            while ready.is_empty() {
                let known_before = match cells.next() {
                    Some(cell) => {
                        self.cell(cell, &mut drafts);
                        let ended = drafts.drain(..).filter_map(|draft| Some((draft.end()?, draft)));
                        open.extend(ended.filter(|(end, _)| window.contains(Timestamp(*end))));
                        (i64::from(cell) + 1) * Self::CELL_US
                    }
                    None if open.is_empty() => return None,
                    None => i64::MAX,
                };
                ready.extend(open.extract_if(.., |(end, _)| *end < known_before));
                ready.sort_unstable_by_key(|(end, draft)| Reverse((*end, draft.id)));
            }
            ready.pop().map(|(_, draft)| self.trace(&draft, &mut buffer))
        })
    }

    /// The cells that `window` touches, oldest first.
    pub(super) fn cells(&self, window: TimeWindow) -> std::ops::Range<u32> {
        let cell = |us: i64| u32::try_from(us.div_euclid(Self::CELL_US).max(0)).unwrap_or(u32::MAX);
        let end = window.to.0.saturating_add(Self::CELL_US - 1);
        cell(window.from.0)..cell(end).max(cell(window.from.0))
    }

    /// Replaces `into` with the traces that start in a cell, oldest first.
    pub(super) fn cell(&self, cell: u32, into: &mut Vec<Draft>) {
        into.clear();
        let conditions = self.conditions(cell);
        self.generate(cell, &conditions, into);
        // The detached part of a split trace starts when its message arrives, which may be in the next cell.
        let before = self.conditions(cell.saturating_sub(1));
        let mut faults = conditions.faults.iter().chain(&before.faults);
        if faults.any(|planned| planned.fault == Fault::BrokenContext) {
            self.generate(cell.saturating_sub(1), &before, into);
            into.retain(|draft| draft.start().div_euclid(Self::CELL_US) == i64::from(cell));
        }
        into.sort_by_key(|draft| (draft.start(), draft.id));
    }

    /// The trace behind an id, if it is one of this exchange's.
    pub(super) fn find(&self, id: TraceId) -> Option<Draft> {
        let place = Place::of(self.options.seed, id)?;
        let conditions = self.conditions(place.cell);
        let mut drafts = Vec::new();
        if let Some(job) = Job::ALL.into_iter().find(|job| Self::index_of(*job) == place.index) {
            self.job(place.cell, job, &conditions, &mut drafts);
        } else {
            let visits = self.visits(place.cell, &conditions);
            if u64::from(place.index) < visits.all() {
                self.visit(place.cell, place.index, &visits, &conditions, &mut drafts);
            }
        }
        drafts.into_iter().find(|draft| draft.id == id)
    }

    /// What is different in a cell and in the next, into which its flows reach.
    fn conditions(&self, cell: u32) -> Conditions {
        const NINE: f64 = 9.0;
        let from = Timestamp(i64::from(cell) * Self::CELL_US);
        let reach = TimeWindow::new(from, from + Micros(2 * Self::CELL_US as u64));
        let (day, hour) = day_and_hour(from.0);
        Conditions {
            faults: self.faults_within(reach),
            injection: self.injection().filter(|(_, window)| window.from < reach.to && reach.from < window.to),
            pace: Self::pace(from.0),
            report: self.options.slow_mondays && day == 0 && (NINE..NINE + 1.0).contains(&hour),
        }
    }

    fn visits(&self, cell: u32, conditions: &Conditions) -> Visits {
        let from = Timestamp(i64::from(cell) * Self::CELL_US);
        let whole = TimeWindow::new(from, from + Micros(Self::CELL_US as u64));
        let expected = self.expected_rate(from) * whole.length().0 as f64 / 1e6;
        let usual = Random::new(self.options.seed, COUNT, u64::from(cell)).poisson(expected);
        let mut random = Random::new(self.options.seed, SURGE, u64::from(cell));
        let faults = conditions.faults.iter().filter(|planned| planned.fault == Fault::Surge);
        let faults = faults.map(|planned| (planned.window, SURGE_FACTOR - 1.0, None));
        let injection = conditions.injection.and_then(|(injection, window)| {
            let (more, story) = injection.surge()?;
            Some((window, more, story))
        });
        let mut extra = Vec::new();
        for (window, more, story) in faults.chain(injection) {
            let stretch = TimeWindow::new(window.from.max(whole.from), window.to.min(whole.to));
            if stretch.from < stretch.to {
                let share = stretch.length().0 as f64 / whole.length().0 as f64;
                extra.push(Extra { count: random.poisson(expected * more * share), stretch, story });
            }
        }
        Visits { usual, extra }
    }

    fn generate(&self, cell: u32, conditions: &Conditions, into: &mut Vec<Draft>) {
        let visits = self.visits(cell, conditions);
        for index in 0..visits.all().min(u64::from(Self::MOST_VISITS)) {
            self.visit(cell, index as u32, &visits, conditions, into);
        }
        for job in Job::ALL.into_iter().filter(|job| job.is_due(cell)) {
            self.job(cell, job, conditions, into);
        }
    }

    /// Generates one visit: one trace, or two when the context was broken, or none when the visitor stayed at home.
    fn visit(&self, cell: u32, index: u32, visits: &Visits, conditions: &Conditions, into: &mut Vec<Draft>) {
        let seed = self.options.seed;
        let number = u64::from(cell) << 24 | u64::from(index);
        let mut random = Random::new(seed, VISIT, number);
        let begin = Timestamp(i64::from(cell) * Self::CELL_US);
        let whole = TimeWindow::new(begin, begin + Micros(Self::CELL_US as u64));
        let (stretch, story) = visits.extra_of(index).map_or((whole, None), |extra| (extra.stretch, extra.story));
        let at = stretch.from.0 + random.below(stretch.length().0.max(1)) as i64;
        if conditions.is_active(Fault::Holiday, at) && Random::new(seed, HOLIDAY, number).unit() >= HOLIDAY_SHARE {
            return;
        }
        let mut spans = Vec::with_capacity(17);
        let chance = Random::new(seed, CHANCE, number);
        let context = Flow::new(random, chance, conditions, &mut spans).play(at, number, story);
        let place = Place { cell, index, detached: false };
        let matched = spans.iter().find(|span| span.op == Op::OrderMatch);
        if matched.is_some_and(|span| conditions.is_active(Fault::BrokenContext, span.start)) {
            let detached = Place { detached: true, ..place };
            let parts = [(detached, Part::Detached), (place, Part::Remaining)];
            let drafts = parts.map(|(place, part)| Draft::new(seed, place, part, context, spans.clone()));
            into.extend(drafts.into_iter().filter(|draft| !draft.is_empty()));
        } else {
            into.extend(Some(Draft::new(seed, place, Part::Whole, context, spans)).filter(|draft| !draft.is_empty()));
        }
    }

    /// Generates a job's trace, if it is due in the cell and somebody starts it.
    fn job(&self, cell: u32, job: Job, conditions: &Conditions, into: &mut Vec<Draft>) {
        /// Schedulers look at the clock every second or two.
        const JITTER_US: u64 = 2_000_000;
        if !job.is_due(cell) {
            return;
        }
        let (seed, index) = (self.options.seed, Self::index_of(job));
        let number = u64::from(cell) << 24 | u64::from(index & 0xff_ffff);
        let mut random = Random::new(seed, VISIT, number);
        let at = i64::from(cell) * Self::CELL_US + random.below(JITTER_US) as i64;
        let mut spans = Vec::new();
        let chance = Random::new(seed, CHANCE, number);
        let context = Flow::new(random, chance, conditions, &mut spans).run(job, at, number);
        let draft = Draft::new(seed, Place { cell, index, detached: false }, Part::Whole, context, spans);
        into.extend(Some(draft).filter(|draft| !draft.is_empty()));
    }

    /// Visits have the indices below this.
    const MOST_VISITS: u32 = Place::MOST - Job::ALL.len() as u32;

    /// The place of a job among the traces of its cell: the last ones, which no visit reaches.
    const fn index_of(job: Job) -> u32 {
        Self::MOST_VISITS + job as u32
    }

    /// A draft in the words of the domain.
    fn trace(&self, draft: &Draft, buffer: &mut Buffer) -> Trace {
        let mut spans = Vec::with_capacity(draft.len());
        spans.extend(draft.spans().map(|(index, record)| {
            let op = record.op as usize;
            let attributes = if record.failure.is_none() && !record.op.varies() {
                self.names.attributes[op].clone()
            } else {
                buffer.attributes(record.op, &draft.context, record.failure)
            };
            let resource = &self.names.resources[record.op.service() as usize][usize::from(record.next_release)];
            Span {
                id: draft.span_id(index),
                parent: draft.parent(record).map(|parent| draft.span_id(parent)),
                key: self.names.keys[op].clone(),
                start: Timestamp(record.start),
                duration: Micros(record.duration),
                error: record.failure.is_some(),
                attributes,
                resource: Arc::clone(resource),
            }
        }));
        Trace { id: draft.id, spans }
    }
}

impl Visits {
    fn all(&self) -> u64 {
        self.usual + self.extra.iter().map(|extra| extra.count).sum::<u64>()
    }

    fn extra_of(&self, index: u32) -> Option<&Extra> {
        let mut beyond = u64::from(index).checked_sub(self.usual)?;
        for extra in &self.extra {
            if beyond < extra.count {
                return Some(extra);
            }
            beyond -= extra.count;
        }
        None
    }
}

/// Collects attributes as the domain keeps them.
#[derive(Debug, Default)]
struct Buffer(String);

impl Buffer {
    fn attributes(&mut self, op: Op, context: &Context, failure: Option<Failure>) -> Attributes {
        self.0.clear();
        for (key, value) in op.of().fixed {
            self.text(key, value);
        }
        op.describe(context, failure, self);
        Attributes::from_buffer(&self.0)
    }
}

impl AttributeSink for Buffer {
    fn text(&mut self, key: &str, value: &str) {
        Attributes::push(&mut self.0, key, value);
    }

    fn int(&mut self, key: &str, value: u64) {
        Attributes::push(&mut self.0, key, &value.to_string());
    }

    fn flag(&mut self, key: &str, value: bool) {
        Attributes::push(&mut self.0, key, if value { "true" } else { "false" });
    }
}

#[cfg(test)]
mod tests {
    use super::super::injection::Effect;
    use super::*;

    #[test]
    fn every_trace_is_found_again_by_its_id_whatever_is_broken() {
        let origin = Timestamp::from_secs(1_795_183_200);
        for fault in Fault::ALL {
            let schedule = Schedule::Once { fault, after: Micros::from_secs(30) };
            let exchange = Exchange::new(Options { seed: 2, rate: 3.0, origin, schedule, ..Options::default() });
            let mut drafts = Vec::new();
            for cell in exchange.cells(TimeWindow::new(origin, origin + Micros::from_secs(240))) {
                exchange.cell(cell, &mut drafts);
                for draft in &drafts {
                    let mut buffer = Buffer::default();
                    let found = exchange.find(draft.id).map(|draft| exchange.trace(&draft, &mut buffer));
                    assert_eq!(found, Some(exchange.trace(draft, &mut buffer)), "{}", fault.name());
                }
            }
        }
    }

    #[test]
    fn no_visit_outlasts_a_cell() {
        let origin = Timestamp::from_secs(1_795_183_200);
        let slow = |injection: Injection| Injection::new(Effect::Slow { factor: 10.0 }, injection.target()).unwrap();
        let injections = Injection::choices(Effect::SLOW).into_iter().map(|injection| Schedule::Inject {
            injection: slow(injection),
            after: Micros::ZERO,
            lasting: Micros::from_secs(300),
        });
        for (fault, schedule) in Fault::ALL.into_iter().flat_map(|fault| {
            let once = Schedule::Once { fault, after: Micros::ZERO };
            injections.clone().chain([once]).map(move |schedule| (fault, schedule))
        }) {
            let mut exchange = Exchange::new(Options { seed: 2, rate: 2.0, origin, schedule, ..Options::default() });
            exchange.inject(fault, origin);
            let mut drafts = Vec::new();
            for cell in exchange.cells(TimeWindow::new(origin, origin + fault.duration())) {
                exchange.cell(cell, &mut drafts);
                for draft in &drafts {
                    let end = draft.all_spans().map(|record| record.end()).max().unwrap_or_default();
                    assert!(end - draft.start() < Exchange::CELL_US, "{} {schedule:?}", fault.name());
                }
            }
        }
    }
}
