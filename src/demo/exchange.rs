//! The exchange as a process in time: which traces start in a minute, and what a trace id stands for.
//!
//! Time is cut into cells of one minute. The traces of a cell follow from the seed, the cell and the planned faults
//! alone, and a trace id carries its cell and its place there. So nothing is stored: history, live traffic and a trace
//! asked for by id are all generated when asked for, and cannot differ.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::catalogue::{AttributeSink, Op, Service};
use super::draft::{Draft, Part, Place};
use super::fault::{Fault, Planned, Schedule};
use super::flows::Flow;
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
}

/// Traces a second, mean over a week, at rate 1.
const MEAN_RATE: f64 = 0.15;
const SURGE_FACTOR: f64 = 4.0;

// One stream of random numbers for each purpose.
const COUNT: u64 = 1;
const SURGE: u64 = 2;
const VISIT: u64 = 3;
const CHANCE: u64 = 4;

/// Where a moment lies in the week: hours into the day, and whether it is a working day. UTC.
fn calendar(at: i64) -> (f64, bool) {
    const DAY_US: i64 = 86_400_000_000;
    let day = at.div_euclid(DAY_US);
    let hour = at.rem_euclid(DAY_US) as f64 / 3.6e9;
    // The epoch was a Thursday; 0 is Monday.
    (hour, (day + 3).rem_euclid(7) < 5)
}

/// The day's wave: 1 at 15h UTC, −1 at 03h.
fn wave(hour: f64) -> f64 {
    (TAU * (hour - 15.0) / 24.0).cos()
}

impl Exchange {
    /// Length of a cell. No flow lasts longer: whoever looks for the spans of a minute needs the traces of that minute
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
        let names = Names {
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

    /// Expected traces a second at `at`, without faults: the daily and weekly rhythm. Its mean over a week is
    /// 0.15 times the configured rate.
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
        let mut drafts = Vec::new();
        self.cells(window).flat_map(move |cell| {
            self.cell(cell, &mut drafts);
            let traces: Vec<Trace> = drafts
                .iter()
                .filter(|draft| window.contains(Timestamp(draft.start())))
                .map(|draft| self.trace(draft))
                .collect();
            traces
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
        let faults = self.faults_of(cell);
        self.generate(cell, &faults, into);
        // The detached part of a split trace starts when its message arrives, which may be in the next cell.
        let before = self.faults_of(cell.saturating_sub(1));
        if [&faults, &before].into_iter().flatten().any(|planned| planned.fault == Fault::BrokenContext) {
            let mut earlier = Vec::new();
            self.generate(cell.saturating_sub(1), &before, &mut earlier);
            into.append(&mut earlier);
            into.retain(|draft| draft.start().div_euclid(Self::CELL_US) == i64::from(cell));
        }
        into.sort_by_key(|draft| (draft.start(), draft.id));
    }

    /// The trace behind an id, if it is one of this exchange's.
    pub(super) fn find(&self, id: TraceId) -> Option<Draft> {
        let place = Place::of(self.options.seed, id)?;
        let faults = self.faults_of(place.cell);
        let (usual, extra) = self.counts(place.cell, &faults);
        if u64::from(place.index) >= usual + extra.iter().map(|(_, n)| n).sum::<u64>() {
            return None;
        }
        let mut drafts = Vec::new();
        self.visit(place.cell, place.index, usual, &extra, &faults, &mut drafts);
        drafts.into_iter().find(|draft| draft.id == id)
    }

    fn faults_of(&self, cell: u32) -> Vec<Planned> {
        let from = Timestamp(i64::from(cell) * Self::CELL_US);
        self.faults_within(TimeWindow::new(from, from + Micros(2 * Self::CELL_US as u64)))
    }

    /// How many visits a cell has: the usual ones, and those of each surge with the stretch in which they come.
    fn counts(&self, cell: u32, faults: &[Planned]) -> (u64, Vec<(TimeWindow, u64)>) {
        let from = Timestamp(i64::from(cell) * Self::CELL_US);
        let whole = TimeWindow::new(from, from + Micros(Self::CELL_US as u64));
        let expected = self.expected_rate(from) * whole.length().0 as f64 / 1e6;
        let usual = Random::new(self.options.seed, COUNT, u64::from(cell)).poisson(expected);
        let mut random = Random::new(self.options.seed, SURGE, u64::from(cell));
        let extra = faults
            .iter()
            .filter(|planned| planned.fault == Fault::Surge)
            .map(|planned| TimeWindow::new(planned.window.from.max(whole.from), planned.window.to.min(whole.to)))
            .filter(|stretch| stretch.from < stretch.to)
            .map(|stretch| {
                let share = stretch.length().0 as f64 / whole.length().0 as f64;
                (stretch, random.poisson(expected * (SURGE_FACTOR - 1.0) * share))
            })
            .collect();
        (usual, extra)
    }

    fn generate(&self, cell: u32, faults: &[Planned], into: &mut Vec<Draft>) {
        let (usual, extra) = self.counts(cell, faults);
        let all = usual + extra.iter().map(|(_, n)| n).sum::<u64>();
        for index in 0..all.min(u64::from(Place::MOST)) {
            self.visit(cell, index as u32, usual, &extra, faults, into);
        }
    }

    /// Generates one visit: one trace, or two when the context was broken.
    fn visit(
        &self,
        cell: u32,
        index: u32,
        usual: u64,
        extra: &[(TimeWindow, u64)],
        faults: &[Planned],
        into: &mut Vec<Draft>,
    ) {
        let seed = self.options.seed;
        let number = u64::from(cell) << 24 | u64::from(index);
        let mut random = Random::new(seed, VISIT, number);
        let begin = i64::from(cell) * Self::CELL_US;
        let mut stretch = TimeWindow::new(Timestamp(begin), Timestamp(begin + Self::CELL_US));
        let mut before = usual;
        for (window, n) in extra {
            if u64::from(index) >= before {
                stretch = *window;
            }
            before += n;
        }
        let at = stretch.from.0 + random.below(stretch.length().0.max(1)) as i64;
        let mut spans = Vec::with_capacity(17);
        let chance = Random::new(seed, CHANCE, number);
        let context = Flow::new(random, chance, faults, Self::pace(begin), &mut spans).play(at, number);
        let place = Place { cell, index, detached: false };
        let split = spans.iter().find(|span| span.op == Op::OrderMatch).is_some_and(|span| {
            faults
                .iter()
                .any(|planned| planned.fault == Fault::BrokenContext && planned.window.contains(Timestamp(span.start)))
        });
        if split {
            let detached = Place { detached: true, ..place };
            into.push(Draft::new(seed, detached, Part::Detached, context, spans.clone()));
            into.push(Draft::new(seed, place, Part::Remaining, context, spans));
        } else {
            into.push(Draft::new(seed, place, Part::Whole, context, spans));
        }
    }

    /// A draft in the words of the domain.
    fn trace(&self, draft: &Draft) -> Trace {
        let mut buffer = Buffer::default();
        let spans = draft
            .spans()
            .map(|(index, record)| {
                buffer.0.clear();
                let operation = record.op.of();
                for (key, value) in operation.fixed {
                    buffer.text(key, value);
                }
                record.op.describe(&draft.context, record.failure, &mut buffer);
                Span {
                    id: draft.span_id(index),
                    parent: draft.parent(record).map(|parent| draft.span_id(parent)),
                    key: self.names.keys[record.op as usize].clone(),
                    start: Timestamp(record.start),
                    duration: Micros(record.duration),
                    error: record.failure.is_some(),
                    attributes: Attributes::from_buffer(&buffer.0),
                    resource: Arc::clone(
                        &self.names.resources[operation.service as usize][usize::from(record.next_release)],
                    ),
                }
            })
            .collect();
        Trace { id: draft.id, spans }
    }
}

/// Collects attributes as the domain keeps them.
#[derive(Debug, Default)]
struct Buffer(String);

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
    use super::*;

    #[test]
    fn every_trace_is_found_again_by_its_id_whatever_is_broken() {
        let origin = Timestamp::from_secs(1_795_183_200);
        for fault in Fault::ALL {
            let schedule = Schedule::Once { fault, after: Micros::from_secs(30) };
            let exchange = Exchange::new(Options { seed: 2, rate: 3.0, origin, schedule });
            let mut drafts = Vec::new();
            for cell in exchange.cells(TimeWindow::new(origin, origin + Micros::from_secs(240))) {
                exchange.cell(cell, &mut drafts);
                for draft in &drafts {
                    let found = exchange.find(draft.id).map(|draft| exchange.trace(&draft));
                    assert_eq!(found, Some(exchange.trace(draft)), "{}", fault.name());
                }
            }
        }
    }

    #[test]
    fn no_visit_outlasts_a_cell() {
        let origin = Timestamp::from_secs(1_795_183_200);
        for fault in Fault::ALL {
            let schedule = Schedule::Once { fault, after: Micros::ZERO };
            let exchange = Exchange::new(Options { seed: 2, rate: 10.0, origin, schedule });
            let mut drafts = Vec::new();
            for cell in exchange.cells(TimeWindow::new(origin, origin + fault.duration())) {
                exchange.cell(cell, &mut drafts);
                for draft in &drafts {
                    let end = draft.all_spans().map(|record| record.end()).max().unwrap_or_default();
                    assert!(end - draft.start() < Exchange::CELL_US / 2, "{}", fault.name());
                }
            }
        }
    }
}
