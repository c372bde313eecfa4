//! Which traces are kept to be compared with, and what a comparison says.
//!
//! Of each operation at which traces begin: for each half-hour of the week the normal trace nearest to the median, and the
//! abnormal ones of late (the store keeps the last 64, of any number that come one every five seconds). A trace is *normal*
//! when none of its spans failed or exceeded its cut-off of SEV2, and no alert was open about a service in it; *abnormal*
//! when a span failed, its root was SEV2 or worse, or any span was SEV1. What is kept is judged again when it is compared,
//! by the baselines of then: what was taken for normal before much was learnt, and was not, is left out.
//!
//! At most 200 such operations. In memory are only traces that are not written yet, about 200 of 2.5 kB, and 40 bytes for
//! each half-hour that was filled since the start: 2.7 MB for 200 operations and all of the week. On disk a trace of 17
//! spans takes 1.3 kB packed, so an operation at most 0.5 MB.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::detect::{self, Verdict};
use crate::domain::{
    Exemplar, ExemplarSlot, HourOfWeek, Level, Micros, Severity, Side, Span, SpanKey, Timestamp, Trace, TraceId,
    UtcHour,
};
use crate::evidence;
use crate::messages::{ComparisonView, NormalTrace, UpdateBody};

use super::{Engine, Output};

/// Operations at which traces begin.
const MOST_OPERATIONS: usize = 200;
/// Traces that wait to be written.
const MOST_STAGED: usize = 200;
/// Abnormal traces of one operation are taken no closer to each other.
const ABNORMAL_EVERY: Micros = Micros::from_secs(5);
/// Durations from which a median is taken while no baseline is known.
const RECENT: usize = 31;
/// Slow traces further away in time may have another cause.
const SAME_CAUSE: Micros = Micros::from_secs(2 * 3_600);
/// Slow or failed operations of one trace that are compared by attributes.
const MOST_SUBJECTS: usize = 8;
const HALF_HOUR_US: i64 = 1_800_000_000;

/// Traces on their way into the store, and what decides which are.
#[derive(Debug, Clone, Default)]
pub struct Exemplars {
    /// By the number of the operation; abnormal ones also by trace.
    staged: BTreeMap<(u32, ExemplarSlot, TraceId), Exemplar>,
    /// Of each half-hour of the week: which one it was, counted since the epoch, and how far from the median what was taken.
    taken: BTreeMap<(u32, u16), (i64, u64)>,
    operations: BTreeMap<u32, Operation>,
    /// The trace that a screen shows.
    opened: Option<Exemplar>,
}

#[derive(Debug, Clone, Default)]
struct Operation {
    durations: VecDeque<u64>,
    /// When the last abnormal trace that was taken began.
    abnormal: Option<Timestamp>,
}

impl Operation {
    /// The median of the last durations, this one among them.
    fn median(&mut self, duration: Micros) -> Micros {
        self.durations.push_back(duration.0);
        if self.durations.len() > RECENT {
            self.durations.pop_front();
        }
        let mut sorted: Vec<u64> = self.durations.iter().copied().collect();
        sorted.sort_unstable();
        Micros(sorted.get(sorted.len() / 2).copied().unwrap_or(duration.0))
    }
}

/// How a trace looks by what is known now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Normal,
    /// Neither: kept as none of the two.
    Odd,
    Abnormal,
}

impl Engine {
    /// Keeps a trace to be compared with if it is a good one. Those from history are never kept as abnormal ones: nobody
    /// asks for them, and while they are read little is known yet. What of history is left out has not come here.
    pub(super) fn consider(&mut self, trace: &Trace, from_history: bool) {
        if self.complete {
            return;
        }
        let Some(root) = trace.root().filter(|root| root.parent.is_none()) else { return };
        let key = self.keys.index(&root.key);
        let is_new = !self.exemplars.operations.contains_key(&key);
        if is_new && self.exemplars.operations.len() >= MOST_OPERATIONS {
            return;
        }
        let bucket = self.bucket_at(root.start);
        let median = self.median_of(&root.key, bucket);
        let operation = self.exemplars.operations.entry(key).or_default();
        let typical = median.unwrap_or_else(|| operation.median(root.duration));
        // Most traces are no better than what is kept: only the others are looked at closer.
        let half_hour = root.start.0.div_euclid(HALF_HOUR_US);
        let slot = bucket.index() as u16 * 2 + half_hour.rem_euclid(2) as u16;
        let distance = root.duration.0.abs_diff(typical.0);
        let is_better = match self.exemplars.taken.get(&(key, slot)) {
            Some((known, best)) => (half_hour, std::cmp::Reverse(distance)) > (*known, std::cmp::Reverse(*best)),
            None => true,
        };
        if !is_better && from_history {
            return;
        }
        match self.standing(trace, root) {
            Standing::Normal if is_better && (from_history || !self.is_troubled(trace, root.start)) => {
                self.exemplars.taken.insert((key, slot), (half_hour, distance));
                let kept = self.summary(trace);
                self.exemplars.staged.insert((key, ExemplarSlot::Normal(slot), TraceId::default()), kept);
            }
            Standing::Abnormal if !from_history => {
                let is_due = |last: Timestamp| root.start.0.abs_diff(last.0) >= ABNORMAL_EVERY.0;
                let Some(operation) = self.exemplars.operations.get_mut(&key) else { return };
                if operation.abnormal.is_none_or(is_due) {
                    operation.abnormal = Some(root.start);
                    let kept = self.summary(trace);
                    self.exemplars.staged.insert((key, ExemplarSlot::Abnormal, trace.id), kept);
                }
            }
            _ => {}
        }
    }

    fn median_of(&self, key: &SpanKey, bucket: HourOfWeek) -> Option<Micros> {
        let baseline = self.keys.find_raw(key)?.baseline.as_ref()?;
        baseline.answer(bucket).map(|(_, cell)| cell.percentile(0))
    }

    fn standing(&mut self, trace: &Trace, root: &Span) -> Standing {
        let mut worst = None;
        let mut failed = false;
        for span in &trace.spans {
            failed |= span.error;
            let bucket = self.bucket_at(span.start);
            let baseline = self.keys.find_raw(&span.key).and_then(|entry| entry.baseline.as_deref());
            let Some((level, cell)) = baseline.and_then(|baseline| baseline.answer(bucket)) else { continue };
            if let Verdict::Exceeded(exceedance) = detect::judge(span, level, cell) {
                let counts = if span.id == root.id { Severity::Sev2 } else { Severity::Sev1 };
                let is_abnormal = exceedance.severity.is_at_least(counts);
                worst = worst.max(Some((is_abnormal, exceedance.severity.is_at_least(Severity::Sev2))));
            }
        }
        match worst {
            _ if failed => Standing::Abnormal,
            Some((true, _)) => Standing::Abnormal,
            Some((_, true)) => Standing::Odd,
            _ => Standing::Normal,
        }
    }

    /// Whether what began then is left out of what is learnt, or an alert is open about a service in the trace.
    fn is_troubled(&mut self, trace: &Trace, at: Timestamp) -> bool {
        if self.hygiene.covers(at) {
            return true;
        }
        let touched: BTreeSet<&str> =
            self.book.alerts().flat_map(|alert| alert.subject.services()).map(|service| &**service).collect();
        trace.spans.iter().any(|span| touched.contains(&*span.key.service))
    }

    fn summary(&self, trace: &Trace) -> Exemplar {
        let canonical = |key: &SpanKey| self.keys.find_raw(key).map_or_else(|| key.clone(), |entry| entry.key.clone());
        evidence::summarise(trace, &canonical)
    }

    /// Gives out what is to be written: all of it, or only when there is much.
    pub(super) fn keep_exemplars(&mut self, all: bool, out: &mut Vec<Output>) {
        if !all && self.exemplars.staged.len() <= MOST_STAGED {
            return;
        }
        for ((key, slot, _), exemplar) in std::mem::take(&mut self.exemplars.staged) {
            if let Some(entry) = self.keys.get(key) {
                let (root, exemplar) = (entry.key.clone(), Box::new(exemplar));
                out.push(Output::KeepExemplar { root, slot, exemplar });
            }
        }
    }

    /// A trace is shown: it is compared as soon as what is kept of its operation was read.
    pub(super) fn open_exemplar(&mut self, trace: &Trace, out: &mut Vec<Output>) {
        let opened = self.summary(trace);
        let root = opened.root().cloned();
        match root {
            Some(root) => {
                self.exemplars.opened = Some(opened);
                out.push(Output::ReadExemplars { root });
            }
            None => out.push(Output::Tell(UpdateBody::Comparison(Box::new(self.compared(&opened, &[]))))),
        }
    }

    /// Compares the trace that is shown with what the store keeps of its operation, and with what waits to be written.
    pub(super) fn tell_comparison(&self, root: &SpanKey, mut kept: Vec<Exemplar>, out: &mut Vec<Output>) {
        let Some(opened) = self.exemplars.opened.as_ref().filter(|opened| opened.root() == Some(root)) else { return };
        kept.extend(self.exemplars.staged.values().filter(|staged| staged.root() == Some(root)).cloned());
        kept.sort_by_key(|one| (one.start, one.trace));
        kept.dedup_by_key(|one| one.trace);
        kept.retain(|one| one.trace != opened.trace);
        out.push(Output::Tell(UpdateBody::Comparison(Box::new(self.compared(opened, &kept)))));
    }

    fn compared(&self, this: &Exemplar, kept: &[Exemplar]) -> ComparisonView {
        let bucket = self.calendar.bucket(UtcHour::of(this.start));
        let normal: Vec<&Exemplar> = kept.iter().filter(|one| self.is_normal(one)).collect();
        let chosen = this.root().and_then(|root| self.choose(root, bucket, &normal));
        ComparisonView {
            trace: this.trace,
            operation: this.root().cloned(),
            bucket,
            end_to_end: this.end_to_end,
            left_out: this.left_out,
            kept: normal.len() as u32,
            rows: chosen.as_ref().map(|(one, _)| evidence::compare(this, one)).unwrap_or_default(),
            normal: chosen.map(|(_, told)| told),
            separations: self.subjects(this).iter().map(|of| self.separation(this, of, kept, &normal)).collect(),
        }
    }

    /// The normal trace nearest to the median: of the same hour of the week, else of the same hour of any day, else of any.
    fn choose<'a>(
        &self,
        root: &SpanKey,
        bucket: HourOfWeek,
        normal: &[&'a Exemplar],
    ) -> Option<(&'a Exemplar, NormalTrace)> {
        let took = |one: &Exemplar| one.parts.first().map_or(0, |part| part.longest.0);
        let bucket_of = |one: &Exemplar| self.calendar.bucket(UtcHour::of(one.start));
        let median = self.median_of(root, bucket);
        for level in [Level::HourOfWeek, Level::HourOfDay, Level::Global] {
            let mut there: Vec<&Exemplar> = normal
                .iter()
                .copied()
                .filter(|one| match level {
                    Level::HourOfWeek => bucket_of(one) == bucket,
                    Level::HourOfDay => bucket_of(one).hour() == bucket.hour(),
                    Level::DayOfWeek | Level::Global => true,
                })
                .collect();
            there.sort_by_key(|one| (took(one), one.trace));
            let Some(middle) = there.get(there.len() / 2) else { continue };
            let wanted = median.map_or(took(middle), |median| median.0);
            let nearest = there
                .iter()
                .copied()
                .min_by_key(|one| (took(one).abs_diff(wanted), std::cmp::Reverse(one.start), one.trace))?;
            let of = there.len() as u32;
            let Exemplar { trace, start, end_to_end, .. } = *nearest;
            return Some((nearest, NormalTrace { trace, start, end_to_end, level, of, median }));
        }
        None
    }

    fn p99(&self, key: &SpanKey, at: Timestamp) -> Option<Micros> {
        let baseline = self.keys.find(key)?.baseline.as_ref()?;
        baseline.answer(self.calendar.bucket(UtcHour::of(at))).map(|(_, cell)| cell.p99())
    }

    fn is_slow_at(&self, one: &Exemplar, key: &SpanKey) -> bool {
        let p99 = self.p99(key, one.start);
        p99.is_some_and(|p99| one.of_key(key).any(|part| part.longest > p99))
    }

    fn is_normal(&self, one: &Exemplar) -> bool {
        let is_normal = |key: &SpanKey, longest: Micros| self.p99(key, one.start).is_none_or(|p99| longest <= p99);
        one.parts.iter().all(|part| part.side.errors == 0 && is_normal(&part.key, part.longest))
    }

    /// The trace's operation, then what is slow or failed in it, the largest on the critical path first; with whether it is
    /// failure that makes it odd.
    fn subjects(&self, this: &Exemplar) -> Vec<(SpanKey, bool)> {
        let mut sides: BTreeMap<&SpanKey, Side> = BTreeMap::new();
        for part in &this.parts {
            let side = sides.entry(&part.key).or_default();
            side.critical.0 = side.critical.0.saturating_add(part.side.critical.0);
            side.errors = side.errors.saturating_add(part.side.errors);
        }
        let root = this.root();
        let mut odd: Vec<(&SpanKey, Side, bool)> = sides
            .into_iter()
            .map(|(key, side)| (key, side, self.is_slow_at(this, key)))
            .filter(|(key, side, slow)| *slow || side.errors > 0 || root == Some(*key))
            .collect();
        odd.sort_by_key(|(key, side, _)| (root != Some(*key), std::cmp::Reverse(side.critical)));
        odd.truncate(MOST_SUBJECTS);
        odd.into_iter().map(|(key, side, slow)| (key.clone(), !slow && side.errors > 0)).collect()
    }

    fn separation(
        &self,
        this: &Exemplar,
        (key, failed): &(SpanKey, bool),
        kept: &[Exemplar],
        normal: &[&Exemplar],
    ) -> crate::domain::Separation {
        let is_odd = |one: &Exemplar| match failed {
            true => one.of_key(key).any(|part| part.side.errors > 0),
            false => self.is_slow_at(one, key),
        };
        let away = |one: &Exemplar| one.start.0.abs_diff(this.start.0);
        let mut odd: Vec<&Exemplar> =
            kept.iter().chain([this]).filter(|one| away(one) <= SAME_CAUSE.0 && is_odd(one)).collect();
        let mut normal: Vec<&Exemplar> =
            normal.iter().copied().filter(|one| one.of_key(key).next().is_some()).collect();
        odd.sort_by_key(|one| (away(one), one.trace));
        normal.sort_by_key(|one| (away(one), one.trace));
        evidence::separate(key, *failed, this, &odd, &normal)
    }
}
