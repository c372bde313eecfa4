//! One trace before it is written down in somebody's format, and the id under which it is found again.

use super::catalogue::{Context, Service};
use super::flows::{Fate, Record};
use super::random::mix;
use crate::domain::{SpanId, Timestamp, TraceId};

/// Where a trace is generated: its minute, its place there, and whether it is the detached part of a split one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) cell: u32,
    pub(super) index: u32,
    pub(super) detached: bool,
}

/// Which spans of a visit belong to the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// What a broken context left behind: everything but the order-matcher's spans.
    Remaining,
    /// The order-matcher's spans, as a trace of their own.
    Detached,
}

#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) id: TraceId,
    pub(super) context: Context,
    part: Part,
    /// All spans of the visit, depth first: a parent comes before its children.
    records: Vec<Record>,
}

impl Place {
    /// Indices are below this: one bit of the id's half is the part.
    pub(super) const MOST: u32 = 1 << 31;

    /// The lower half of the id is the place, shuffled by a Feistel network so that ids look random and can still be
    /// read back; the upper half checks it.
    fn id(self, seed: u64) -> TraceId {
        let (mut left, mut right) = (self.cell, self.index << 1 | u32::from(self.detached));
        for round in 0..4 {
            (left, right) = (right, left ^ Self::round(seed, round, right));
        }
        let low = u64::from(left) << 32 | u64::from(right);
        TraceId(u128::from(Self::check(seed, low)) << 64 | u128::from(low))
    }

    pub(super) fn of(seed: u64, id: TraceId) -> Option<Self> {
        let low = id.0 as u64;
        if (id.0 >> 64) as u64 != Self::check(seed, low) {
            return None;
        }
        let (mut left, mut right) = ((low >> 32) as u32, low as u32);
        for round in (0..4).rev() {
            (left, right) = (right ^ Self::round(seed, round, left), left);
        }
        Some(Self { cell: left, index: right >> 1, detached: right & 1 == 1 })
    }

    const fn round(seed: u64, round: u64, half: u32) -> u32 {
        mix(seed ^ (round << 40) ^ half as u64) as u32
    }

    const fn check(seed: u64, low: u64) -> u64 {
        mix(low ^ mix(seed ^ 0x7370_616e))
    }
}

impl Draft {
    pub(super) fn new(seed: u64, place: Place, part: Part, context: Context, records: Vec<Record>) -> Self {
        Self { id: place.id(seed), context, part, records }
    }

    /// What really happened, whether a backend heard of it or not.
    pub(super) fn all_spans(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| self.includes(record))
    }

    /// The spans that reached the backend, with their indices.
    pub(super) fn spans(&self) -> impl Iterator<Item = (usize, &Record)> {
        self.records.iter().enumerate().filter(|(_, record)| record.fate == Fate::Sent && self.includes(record))
    }

    /// The spans that a reader sees at `now`: those that ended and were exported.
    pub(super) fn visible(&self, now: Timestamp) -> impl Iterator<Item = (usize, &Record)> {
        let settled = self.settled(now);
        self.spans().filter(move |(index, record)| settled || record.end() + self.export_delay(*index) <= now.0)
    }

    /// Whether nothing of the trace can change any more.
    fn settled(&self, now: Timestamp) -> bool {
        const LONGEST_DELAY: i64 = 1_500_000;
        self.records.iter().map(Record::end).max().is_none_or(|end| end + LONGEST_DELAY <= now.0)
    }

    /// The batch of an exporter: 0.4 to 1.4 s after the end of the span.
    fn export_delay(&self, index: usize) -> i64 {
        400_000 + 1_000 * (self.span_id(index).0 >> 3 & 0x3ff) as i64
    }

    fn includes(&self, record: &Record) -> bool {
        let in_part = match self.part {
            Part::Whole => true,
            Part::Remaining => record.op.service() != Service::OrderMatcher,
            Part::Detached => record.op.service() == Service::OrderMatcher,
        };
        in_part && record.fate != Fate::Silenced
    }

    /// How many spans there are at most.
    pub(super) const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether anything happened at all.
    pub(super) fn is_empty(&self) -> bool {
        self.all_spans().next().is_none()
    }

    /// When the last span ended of those that reached the backend.
    pub(super) fn end(&self) -> Option<i64> {
        self.spans().map(|(_, record)| record.end()).max()
    }

    /// When the first span started.
    pub(super) fn start(&self) -> i64 {
        self.records.iter().find(|record| self.includes(record)).map_or(i64::MAX, |record| record.start)
    }

    /// The index of a span's parent, which need not have reached the backend.
    pub(super) fn parent(&self, record: &Record) -> Option<usize> {
        let parent = self.records.get(usize::from(record.parent))?;
        self.includes(parent).then_some(usize::from(record.parent))
    }

    pub(super) fn record(&self, index: usize) -> Option<&Record> {
        self.records.get(index)
    }

    pub(super) const fn span_id(&self, index: usize) -> SpanId {
        let id = mix(self.id.0 as u64 ^ mix(index as u64 + 1));
        SpanId(if id == 0 { 1 } else { id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_place_and_only_with_its_seed() {
        for (cell, index, detached) in [(0, 0, false), (29_830_000, 7, true), (u32::MAX, Place::MOST - 1, false)] {
            let place = Place { cell, index, detached };
            let id = place.id(42);
            assert_eq!(Place::of(42, id), Some(place));
            assert_eq!(Place::of(43, id), None);
            assert_eq!(Place::of(42, TraceId(id.0 ^ 1)), None);
        }
    }
}
