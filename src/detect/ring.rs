//! Counts over the last minutes, in slots of five seconds of span end time.

use std::collections::VecDeque;

use crate::domain::{Micros, TimeWindow, Timestamp};

pub const SLOT: Micros = Micros::from_secs(5);
/// What the longest window needs, and as much again for the evidence of a long incident.
const SLOTS: i64 = 2 * 180;

const LIFT_UNIT: f64 = 1_024.0;

/// Calls, and those that exceed each of three limits, with how many would by the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    pub n: u64,
    pub k: [u64; 3],
    /// Σ of the expected shares.
    pub expected: [f64; 3],
    /// Σ of ln(time ÷ normal median), in 1024ths: whole numbers, so that the order of the calls is not in the sum.
    pub lift: i64,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.n += other.n;
        for (mine, theirs) in self.k.iter_mut().zip(other.k) {
            *mine += theirs;
        }
        for (mine, theirs) in self.expected.iter_mut().zip(other.expected) {
            *mine += theirs;
        }
        self.lift = self.lift.saturating_add(other.lift);
    }

    /// The lift of one call.
    #[must_use]
    pub fn lift_of(us: u64, median_us: f64) -> i64 {
        ((us.max(1) as f64 / median_us.max(1.0)).ln() * LIFT_UNIT) as i64
    }

    /// How many times as long as the normal median its calls took, as the geometric mean; 1 without calls.
    #[must_use]
    pub fn times(&self) -> f64 {
        (self.lift as f64 / LIFT_UNIT / self.n.max(1) as f64).exp()
    }

    /// The mean expected share at a limit.
    #[must_use]
    pub fn share(&self, limit: usize) -> f64 {
        self.expected.get(limit).copied().unwrap_or(0.0) / self.n.max(1) as f64
    }
}

/// Slots in which nothing happened take no memory.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    slots: VecDeque<(i64, Counts)>,
}

#[must_use]
pub const fn slot_of(at: Timestamp) -> i64 {
    at.0.div_euclid(SLOT.0 as i64)
}

impl Ring {
    pub fn add(&mut self, at: Timestamp, counts: &Counts) {
        let slot = slot_of(at);
        match self.slots.back_mut() {
            Some((last, there)) if *last == slot => there.add(counts),
            Some((last, _)) if *last > slot => self.add_late(slot, counts),
            _ => {
                self.slots.push_back((slot, *counts));
                while self.slots.front().is_some_and(|(first, _)| *first <= slot - SLOTS) {
                    self.slots.pop_front();
                }
            }
        }
    }

    fn add_late(&mut self, slot: i64, counts: &Counts) {
        let newest = self.slots.back().map_or(slot, |(newest, _)| *newest);
        if slot <= newest - SLOTS {
            return;
        }
        match self.slots.binary_search_by_key(&slot, |(at, _)| *at) {
            Ok(at) => {
                if let Some((_, there)) = self.slots.get_mut(at) {
                    there.add(counts);
                }
            }
            Err(at) => self.slots.insert(at, (slot, *counts)),
        }
    }

    /// The sum over slots that begin within the window.
    #[must_use]
    pub fn sum(&self, window: TimeWindow) -> Counts {
        let (from, to) = (slot_of(window.from), slot_of(window.to));
        let mut sum = Counts::default();
        for (slot, counts) in self.slots.iter().rev() {
            if *slot < from {
                break;
            }
            if *slot < to || (*slot == to && window.to.0.rem_euclid(SLOT.0 as i64) != 0) {
                sum.add(counts);
            }
        }
        sum
    }

    /// The first slot within the window that holds an exceedance, as the time at which it begins.
    #[must_use]
    pub fn first_hit(&self, window: TimeWindow, limit: usize) -> Option<Timestamp> {
        let (from, to) = (slot_of(window.from), slot_of(window.to));
        let hit = |(slot, counts): &&(i64, Counts)| {
            *slot >= from && *slot <= to && counts.k.get(limit).is_some_and(|k| *k > 0)
        };
        self.slots.iter().find(hit).map(|(slot, _)| Timestamp(slot * SLOT.0 as i64))
    }

    pub fn clear(&mut self) {
        self.slots.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: i64) -> Timestamp {
        Timestamp::from_secs(s)
    }

    const ONE: Counts = Counts { n: 1, k: [0, 0, 1], expected: [0.0, 0.0, 0.1], lift: 0 };

    #[test]
    fn late_counts_find_their_slot_and_old_ones_are_forgotten() {
        let mut ring = Ring::default();
        for at in [100, 130, 101, 104, 105] {
            ring.add(secs(at), &ONE);
        }
        assert_eq!(ring.sum(TimeWindow::new(secs(100), secs(105))).n, 3);
        assert_eq!(ring.sum(TimeWindow::new(secs(100), secs(110))).k, [0, 0, 4]);
        assert_eq!(ring.first_hit(TimeWindow::new(secs(110), secs(200)), 2), Some(secs(130)));
        ring.add(secs(100 + 5 * SLOTS), &ONE);
        assert_eq!(ring.sum(TimeWindow::new(secs(0), secs(105))).n, 0, "a slot is kept for half an hour");
        ring.add(secs(90), &ONE);
        assert_eq!(ring.sum(TimeWindow::new(secs(0), secs(105))).n, 0, "and not taken up again");
    }

    #[test]
    fn a_window_that_ends_within_a_slot_holds_what_is_known_of_it() {
        let mut ring = Ring::default();
        ring.add(secs(101), &ONE);
        assert_eq!(ring.sum(TimeWindow::new(secs(90), secs(102))).n, 1);
    }
}
