//! What settled traces told of late: who called whom, how long that took, which time was a span's own, and how calls failed.
//!
//! Calls are kept for twelve minutes in slots of twenty seconds: the last five minutes, and what may be on its way for five.
//! Failures are kept for an hour in minutes. Memory depends on names, never on traffic: at most 5,000 pairs of operations and
//! 2,000 messages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::baseline::Sketch;
use crate::detect::{Observation, Observed, Place};
use crate::domain::{Micros, TimeWindow, Timestamp};

const SLOT: Micros = Micros::from_secs(20);
const SLOTS: i64 = 36;
/// "Now" on the screens.
const NOW_SLOTS: i64 = 15;
const MINUTE: Micros = Micros::from_secs(60);
const MINUTES: i64 = 60;
const MOST_LANES: usize = 5_000;
const MOST_MESSAGES: usize = 2_000;
const MOST_MESSAGES_A_KEY: usize = 32;

/// Counts by stretches of time; stretches without any take no memory.
#[derive(Debug, Clone)]
struct Slots<T>(VecDeque<(i64, T)>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Default> Slots<T> {
    /// The counts of a stretch; `None` for one that is forgotten already.
    fn at(&mut self, slot: i64, kept: i64) -> Option<&mut T> {
        if self.0.back().is_some_and(|(newest, _)| slot <= newest - kept) {
            return None;
        }
        let at = match self.0.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (slot, T::default()));
                at
            }
        };
        self.0.get_mut(at).map(|(_, counts)| counts)
    }

    /// Forgets stretches before `oldest`; says whether nothing is left.
    fn expire(&mut self, oldest: i64) -> bool {
        while self.0.front().is_some_and(|(slot, _)| *slot < oldest) {
            self.0.pop_front();
        }
        self.0.is_empty()
    }

    fn within(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, &T)> {
        self.0.iter().filter(move |(slot, _)| (from..to).contains(slot)).map(|(slot, counts)| (*slot, counts))
    }
}

/// Which calls belong together, by the numbers of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneId {
    pub caller: u32,
    pub callee: u32,
    /// The caller's span is about this call alone.
    pub recorded: bool,
}

/// Calls of one lane.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    pub calls: u64,
    pub errors: u64,
    /// How long they took, as the caller sees it where it records them, else as the callee does.
    pub call: Sketch,
    /// The part of it between the two.
    pub between: Sketch,
}

impl Lane {
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.call.merge(&other.call);
        self.between.merge(&other.between);
    }
}

/// Spans of one key.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Self time.
    pub own: Sketch,
    /// Calls from another service or from outside.
    pub entries: u64,
    pub failed_entries: u64,
}

/// How spans of one key ended, in a minute.
#[derive(Debug, Clone, Copy, Default)]
struct Outcomes {
    spans: u64,
    passed_on: u64,
    unnamed: u64,
    uncounted: u64,
    /// When the newest that says nothing ended.
    last_unnamed: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
struct Said {
    minutes: Slots<u64>,
    last: Timestamp,
}

/// Failures of one key within the last hour.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    outcomes: Slots<Outcomes>,
    messages: BTreeMap<Arc<str>, Said>,
}

/// The same, summed.
#[derive(Debug, Clone, Default)]
pub struct FailureSums {
    pub spans: u64,
    pub passed_on: u64,
    pub uncounted: u64,
    /// By message, with the end of the newest.
    pub messages: Vec<(Option<Arc<str>>, u64, Timestamp)>,
}

#[derive(Debug, Clone, Default)]
pub struct Calls {
    lanes: BTreeMap<LaneId, Slots<Lane>>,
    own: BTreeMap<u32, Slots<Own>>,
    failures: BTreeMap<u32, Failures>,
    messages: usize,
    /// From where on everything was counted.
    from: Option<Timestamp>,
    /// Calls that found no lane.
    pub uncounted: u64,
}

/// The slots that are summed as "now".
#[derive(Debug, Clone, Copy)]
pub struct Lately {
    from: i64,
    to: i64,
    /// How much of them was watched.
    pub covered: Micros,
}

fn slot_of(at: Timestamp, length: Micros) -> i64 {
    at.0.div_euclid(length.0 as i64)
}

impl Calls {
    /// Spans of this stretch are counted; it may reach back before what was counted so far.
    pub fn watch(&mut self, window: TimeWindow) {
        let reaches = self.from.is_none_or(|from| window.from < from && window.to >= from);
        if reaches {
            self.from = Some(window.from);
        }
    }

    /// From where on everything was counted, if anything was.
    pub const fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// Counts the fresh spans of a settled trace.
    pub fn take(&mut self, observed: &Observed) {
        for span in observed.spans.iter().filter(|span| span.fresh) {
            if let Some(own) = self.own.entry(span.key).or_default().at(slot_of(span.end, SLOT), SLOTS) {
                // On an edge it is the time between two services, with what waits there.
                if span.place == Place::Node {
                    own.own.insert(span.own);
                }
                own.entries += u64::from(span.entry);
                own.failed_entries += u64::from(span.entry && span.error);
            }
            self.outcome(span);
            let parent = span.parent.and_then(|at| observed.spans.get(at as usize));
            if let Some(parent) = parent.filter(|parent| parent.service != span.service) {
                self.call(parent, span);
            }
        }
    }

    fn call(&mut self, parent: &Observation, span: &Observation) {
        let recorded = parent.place == Place::Edge(span.service);
        let id = LaneId { caller: parent.key, callee: span.key, recorded };
        if self.lanes.len() >= MOST_LANES && !self.lanes.contains_key(&id) {
            self.uncounted += 1;
            return;
        }
        // A producer's span is over long before what it sent is worked on.
        let end = if recorded { parent.end } else { span.end };
        let Some(lane) = self.lanes.entry(id).or_default().at(slot_of(end, SLOT), SLOTS) else { return };
        lane.calls += 1;
        lane.errors += u64::from(span.error || recorded && parent.error);
        lane.call.insert(if recorded { parent.duration } else { span.duration });
        if recorded {
            lane.between.insert(parent.own);
        }
    }

    fn outcome(&mut self, span: &Observation) {
        let (minute, end) = (slot_of(span.end, MINUTE), span.end);
        let Self { failures, messages, .. } = self;
        let failures = failures.entry(span.key).or_default();
        let mut outcome = Outcomes { spans: 1, ..Outcomes::default() };
        match &span.message {
            _ if !span.error => {}
            _ if !span.error_origin => outcome.passed_on = 1,
            None => (outcome.unnamed, outcome.last_unnamed) = (1, Some(end)),
            Some(message) => {
                let is_known = failures.messages.contains_key(message);
                let room = *messages < MOST_MESSAGES && failures.messages.len() < MOST_MESSAGES_A_KEY;
                if is_known || room {
                    *messages += usize::from(!is_known);
                    let said = failures.messages.entry(message.clone()).or_default();
                    said.last = said.last.max(end);
                    if let Some(count) = said.minutes.at(minute, MINUTES) {
                        *count += 1;
                    }
                } else {
                    outcome.uncounted = 1;
                }
            }
        }
        if let Some(sums) = failures.outcomes.at(minute, MINUTES) {
            sums.spans += 1;
            sums.passed_on += outcome.passed_on;
            sums.unnamed += outcome.unnamed;
            sums.uncounted += outcome.uncounted;
            sums.last_unnamed = sums.last_unnamed.max(outcome.last_unnamed);
        }
    }

    /// Forgets what is too old to be shown.
    pub fn expire(&mut self, now: Timestamp) {
        let oldest = slot_of(now, SLOT) - SLOTS;
        self.lanes.retain(|_, slots| !slots.expire(oldest));
        self.own.retain(|_, slots| !slots.expire(oldest));
        let oldest = slot_of(now, MINUTE) - MINUTES;
        self.failures.retain(|_, failures| {
            failures.messages.retain(|_, said| !said.minutes.expire(oldest));
            !failures.outcomes.expire(oldest)
        });
        self.messages = self.failures.values().map(|failures| failures.messages.len()).sum();
    }

    /// The last five minutes of whole slots before `settled`; `None` before anything was counted.
    pub fn lately(&self, settled: Timestamp) -> Option<Lately> {
        let to = slot_of(settled, SLOT);
        let from = to - NOW_SLOTS;
        let start = |slot: i64| Timestamp(slot * SLOT.0 as i64);
        let covered = start(to).since(start(from).max(self.from?));
        (covered > Micros::ZERO).then_some(Lately { from, to, covered })
    }

    /// Every lane with calls in these slots.
    pub fn lanes(&self, lately: Lately) -> impl Iterator<Item = (LaneId, Lane)> + '_ {
        self.lanes.iter().filter_map(move |(id, slots)| {
            let mut sum = Lane::default();
            slots.within(lately.from, lately.to).for_each(|(_, lane)| sum.merge(lane));
            (sum.calls > 0).then_some((*id, sum))
        })
    }

    pub fn own(&self, key: u32, lately: Lately) -> Own {
        let mut sum = Own::default();
        for (_, own) in self.own.get(&key).into_iter().flat_map(|slots| slots.within(lately.from, lately.to)) {
            sum.own.merge(&own.own);
            sum.entries += own.entries;
            sum.failed_entries += own.failed_entries;
        }
        sum
    }

    /// From where on failures are counted.
    pub fn failures_since(&self, now: Timestamp) -> Timestamp {
        let hour = Timestamp((slot_of(now, MINUTE) - MINUTES + 1) * MINUTE.0 as i64);
        hour.max(self.from.unwrap_or(now))
    }

    pub fn failures(&self, key: u32, now: Timestamp) -> FailureSums {
        let Some(failures) = self.failures.get(&key) else { return FailureSums::default() };
        let last = slot_of(now, MINUTE);
        let (from, to) = (last - MINUTES + 1, i64::MAX);
        let mut sums = FailureSums::default();
        let (mut unnamed, mut last_unnamed) = (0, None);
        for (_, outcomes) in failures.outcomes.within(from, to) {
            sums.spans += outcomes.spans;
            sums.passed_on += outcomes.passed_on;
            sums.uncounted += outcomes.uncounted;
            unnamed += outcomes.unnamed;
            last_unnamed = last_unnamed.max(outcomes.last_unnamed);
        }
        if let Some(last) = last_unnamed {
            sums.messages.push((None, unnamed, last));
        }
        for (message, said) in &failures.messages {
            let count = said.minutes.within(from, to).map(|(_, count)| count).sum();
            if count > 0 {
                sums.messages.push((Some(message.clone()), count, said.last));
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TraceId;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn failed(key: u32, end: Timestamp, message: &str) -> Observed {
        let span = Observation {
            key,
            service: 0,
            start: end,
            end,
            duration: Micros(10),
            place: Place::Node,
            own: Micros(10),
            parent: None,
            children: (0, 0),
            error: true,
            error_origin: true,
            message: (!message.is_empty()).then(|| Arc::from(message)),
            entry: true,
            root: true,
            orphan: false,
            fresh: true,
        };
        Observed {
            trace: TraceId(1),
            window: TimeWindow::new(end, end),
            root: Some(0),
            minute: None,
            end_to_end: Micros(10),
            spans: vec![span],
            children: Vec::new(),
            contributions: Vec::new(),
        }
    }

    #[test]
    fn a_service_that_invents_messages_does_not_make_it_grow() {
        let mut calls = Calls::default();
        for n in 0..10_000u32 {
            calls.take(&failed(n / 100, at(1_000), &format!("message {n}")));
        }
        assert_eq!(calls.messages, MOST_MESSAGES);
        let kept: usize = (0..100).map(|key| calls.failures(key, at(1_000)).messages.len()).sum();
        assert_eq!(kept, MOST_MESSAGES);
        let first = calls.failures(0, at(1_000));
        assert_eq!((first.messages.len(), first.uncounted, first.spans), (32, 68, 100), "the others are counted");
        calls.expire(at(1_000 + 3_700));
        assert!(calls.failures.is_empty() && calls.own.is_empty() && calls.messages == 0);
    }

    #[test]
    fn a_failure_counts_for_an_hour() {
        let mut calls = Calls::default();
        calls.take(&failed(0, at(600), "disk full"));
        calls.take(&failed(0, at(1_900), "disk full"));
        calls.take(&failed(0, at(1_960), ""));
        let counts = |now: i64| {
            let sums = calls.failures(0, at(now));
            sums.messages.into_iter().map(|(_, count, last)| (count, last.secs())).collect::<Vec<_>>()
        };
        assert_eq!(counts(2_000), [(1, 1_960), (2, 1_900)]);
        assert_eq!(counts(600 + 3_600), [(1, 1_960), (1, 1_900)]);
        assert_eq!(counts(1_960 + 3_600), []);
    }

    #[test]
    fn lately_is_five_minutes_and_less_only_after_the_start() {
        let mut calls = Calls::default();
        assert!(calls.lately(at(10_000)).is_none());
        calls.watch(TimeWindow::new(at(9_950), at(10_000)));
        assert_eq!(calls.lately(at(10_005)).map(|lately| lately.covered), Some(Micros::from_secs(50)));
        assert_eq!(calls.lately(at(20_005)).map(|lately| lately.covered), Some(Micros::from_secs(300)));
        calls.watch(TimeWindow::new(at(0), at(9_000)));
        assert_eq!(calls.from(), Some(at(9_950)), "with a hole between it is not all");
        calls.watch(TimeWindow::new(at(9_000), at(9_960)));
        assert_eq!(calls.lately(at(10_005)).map(|lately| lately.covered), Some(Micros::from_secs(300)));
    }
}
