//! What the critical paths of recent traces were spent on, against what they usually are.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::{Micros, TimeWindow};

use super::observation::{Observed, Place};
use super::ring::slot_of;

const SLOTS: i64 = 360;

/// Traces that begin at one key: how many, how long, and on what.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    pub traces: u64,
    pub end_to_end_us: u64,
    pub contributions: BTreeMap<(u32, Place), u64>,
}

/// By the key at which traces begin.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    slots: VecDeque<(i64, BTreeMap<u32, Spent>)>,
}

impl Paths {
    pub(super) fn clear(&mut self) {
        self.slots.clear();
    }

    pub(super) fn take(&mut self, observed: &Observed) {
        let Some(root) = observed.root.and_then(|root| observed.spans.get(root as usize)) else { return };
        let slot = slot_of(observed.window.to);
        let newest = self.slots.back().map_or(slot, |(newest, _)| (*newest).max(slot));
        while self.slots.front().is_some_and(|(first, _)| *first <= newest - SLOTS) {
            self.slots.pop_front();
        }
        let at = match self.slots.binary_search_by_key(&slot, |(at, _)| *at) {
            Ok(at) => at,
            Err(at) => {
                self.slots.insert(at, (slot, BTreeMap::new()));
                at
            }
        };
        let Some((_, roots)) = self.slots.get_mut(at) else { return };
        let spent = roots.entry(root.key).or_default();
        spent.traces += 1;
        spent.end_to_end_us = spent.end_to_end_us.saturating_add(observed.end_to_end.0);
        for (contributor, us) in &observed.contributions {
            *spent.contributions.entry(*contributor).or_default() += us;
        }
    }

    /// What the traces that ended within the window spent.
    pub(super) fn sum(&self, window: TimeWindow) -> BTreeMap<u32, Spent> {
        let (from, to) = (slot_of(window.from), slot_of(window.to));
        let mut sums: BTreeMap<u32, Spent> = BTreeMap::new();
        for (_, roots) in self.slots.iter().filter(|(slot, _)| (from..=to).contains(slot)) {
            for (root, spent) in roots {
                let sum = sums.entry(*root).or_default();
                sum.traces += spent.traces;
                sum.end_to_end_us = sum.end_to_end_us.saturating_add(spent.end_to_end_us);
                for (contributor, us) in &spent.contributions {
                    *sum.contributions.entry(*contributor).or_default() += us;
                }
            }
        }
        sums
    }
}

impl Spent {
    pub(super) fn mean(&self) -> Micros {
        Micros(self.end_to_end_us / self.traces.max(1))
    }
}
