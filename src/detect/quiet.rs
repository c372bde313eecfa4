//! What quiet hours were like: the oddest windows in which nothing was alerted, and the odds that they ask for.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{NearMiss, QuietHour, Timestamp, UtcHour};

/// Rarer than one in a thousand is worth remembering.
pub const NEAR_LOG10: f64 = -3.0;
/// An hour of each week has to be known.
const ENOUGH_HOURS: usize = 168;
const HOURS_A_WEEK: f64 = 168.0;
/// The tail is fitted to the oddest tenth of all hours: the least of many chances of one hour follows it only there.
const TAIL: f64 = 0.1;
/// Fewer points have no slope.
const ENOUGH_POINTS: usize = 10;
/// Near misses kept of an hour, the unlikeliest.
const MOST_NEAR: usize = 20;

/// The hours of the stretch that is learnt from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quiet {
    hours: BTreeMap<UtcHour, Option<f32>>,
    /// Of hours that are not written down yet, and of the newest.
    near: BTreeMap<UtcHour, Vec<NearMiss>>,
    changed: BTreeSet<UtcHour>,
}

impl Quiet {
    /// Takes up what an earlier run had written.
    pub fn resume(&mut self, hours: Vec<QuietHour>) {
        for QuietHour { hour, smallest, near } in hours {
            self.hours.insert(hour, smallest);
            self.near.insert(hour, near);
        }
        self.forget_near();
    }

    /// What one round of tests at `at` found odd without alerting it. True if that began an hour.
    pub fn note(&mut self, at: Timestamp, near: Vec<NearMiss>) -> bool {
        let hour = UtcHour::of(at);
        let is_new = !self.hours.contains_key(&hour);
        let smallest = self.hours.entry(hour).or_insert(Some(0.0));
        if is_new || !near.is_empty() {
            self.changed.insert(hour);
        }
        let kept = self.near.entry(hour).or_default();
        for miss in near {
            if let Some(smallest) = smallest {
                *smallest = smallest.min(miss.numbers.log10_chance as f32);
            }
            match kept.iter_mut().find(|kept| kept.kind == miss.kind && kept.subject == miss.subject) {
                Some(kept) if miss.numbers.log10_chance < kept.numbers.log10_chance => *kept = miss,
                Some(_) => {}
                None => kept.push(miss),
            }
        }
        kept.sort_by(|a, b| a.numbers.log10_chance.total_cmp(&b.numbers.log10_chance));
        kept.truncate(MOST_NEAR);
        is_new
    }

    /// Leaves an hour out: something was alerted in it. True if that began an hour.
    pub fn spoil(&mut self, at: Timestamp) -> bool {
        let hour = UtcHour::of(at);
        let before = self.hours.insert(hour, None);
        if before != Some(None) {
            self.changed.insert(hour);
        }
        before.is_none()
    }

    pub fn forget_before(&mut self, at: Timestamp) {
        self.hours = self.hours.split_off(&UtcHour::of(at));
    }

    /// The hours that are to be written down anew.
    pub fn take_changed(&mut self) -> Vec<QuietHour> {
        let changed = std::mem::take(&mut self.changed);
        let told = changed.into_iter().filter_map(|hour| {
            let near = self.near.get(&hour).cloned().unwrap_or_default();
            Some(QuietHour { hour, smallest: *self.hours.get(&hour)?, near })
        });
        let told = told.collect();
        self.forget_near();
        told
    }

    fn forget_near(&mut self) {
        if let Some(newest) = self.near.keys().next_back().copied() {
            self.near = self.near.split_off(&newest);
        }
    }

    /// log₁₀ of the odds at which these hours would have met a budget of alerts a week; `None` while too little is known
    /// to say so.
    ///
    /// Chances of a model that fits fall by a decade for every tenfold of hours. What falls slower is met by exceedances
    /// over a threshold (Pickands 1975) with an exponential tail: above u, the tenth of all hours that were oddest has
    /// −log₁₀ p − u with mean m, so that one hour in H exceeds u + m·ln(H/10).
    #[must_use]
    pub fn log10_alpha(&self, per_week: f64) -> Option<f64> {
        let mut odd: Vec<f64> = self.hours.values().flatten().map(|p| -f64::from(*p)).collect();
        if odd.len() < ENOUGH_HOURS || per_week <= 0.0 {
            return None;
        }
        odd.sort_unstable_by(|a, b| b.total_cmp(a));
        let hours = odd.len() as f64;
        // Only what is rarer than that is told exactly.
        let from = odd.get((hours * TAIL) as usize).copied().unwrap_or(0.0).max(-NEAR_LOG10);
        let above: Vec<f64> = odd.iter().map(|y| y - from).take_while(|y| *y > 0.0).collect();
        if above.len() < ENOUGH_POINTS {
            return None;
        }
        let mean = above.iter().sum::<f64>() / above.len() as f64;
        let exceeding = above.len() as f64 / hours;
        Some(-(from + mean * (exceeding * HOURS_A_WEEK / per_week).ln().max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{AlertKind, Arithmetic, Micros, Severity, Subject, TimeWindow};

    fn hour(hour: u64) -> Timestamp {
        Timestamp::default() + Micros::from_secs(hour * 3_600)
    }

    fn miss(at: Timestamp, service: &str, log10_chance: f64) -> NearMiss {
        let numbers = Arithmetic {
            window: TimeWindow::new(at, at),
            n: 10,
            k: 3,
            expected: 0.1,
            threshold: None,
            log10_chance,
            log10_alpha: -7.0,
            samples: 1_000,
            level: None,
            rho: 0.01,
        };
        NearMiss { subject: Subject::Node(service.into()), kind: AlertKind::Errors, severity: Severity::Sev3, numbers }
    }

    /// A month whose hours have the chances of a tail that loses `decades` for every tenfold of hours, evenly spread.
    fn month(decades: f64) -> Quiet {
        let mut quiet = Quiet::default();
        for at in 0..720u64 {
            let share = (at * 397 % 720) as f64 + 0.5;
            quiet.note(hour(at), vec![miss(hour(at), "cart", -4.0 - decades * -(share / 720.0).log10())]);
        }
        quiet
    }

    #[test]
    fn a_tail_that_falls_slowly_lowers_the_odds() {
        // 1 a week is one hour in 168: 2.2 decades of hours.
        let alpha = |decades| month(decades).log10_alpha(1.0).unwrap();
        assert!((alpha(1.0) - -6.2).abs() < 0.3, "{}", alpha(1.0));
        assert!((alpha(3.0) - -10.7).abs() < 0.9, "{}", alpha(3.0));
    }

    #[test]
    fn nothing_is_said_of_few_hours_or_of_calm_ones() {
        let mut few = month(1.0);
        few.forget_before(hour(720 - 167));
        assert_eq!(few.log10_alpha(1.0), None);
        let mut calm = Quiet::default();
        for at in 0..720 {
            assert!(calm.note(hour(at), Vec::new()));
        }
        assert_eq!(calm.log10_alpha(1.0), None);
    }

    #[test]
    fn what_was_alerted_says_nothing_of_quiet_hours() {
        let mut quiet = month(1.0);
        let before = quiet.log10_alpha(1.0);
        for at in [1_000, 1_100, 1_200] {
            assert!(quiet.spoil(hour(at)));
            assert!(!quiet.note(hour(at), vec![miss(hour(at), "cart", -80.0)]));
        }
        assert_eq!(quiet.log10_alpha(1.0), before);
    }

    #[test]
    fn what_is_written_down_and_taken_up_again_is_the_same() {
        let mut quiet = Quiet::default();
        quiet.note(hour(5), vec![miss(hour(5), "cart", -3.5), miss(hour(5), "stock", -5.0)]);
        quiet.note(hour(5), vec![miss(hour(5), "cart", -4.0)]);
        quiet.note(hour(6), Vec::new());
        let written = quiet.take_changed();
        let chances: Vec<f64> = written.iter().flat_map(|hour| &hour.near).map(|n| n.numbers.log10_chance).collect();
        assert_eq!(chances, [-5.0, -4.0], "of each subject the unlikeliest");
        assert_eq!(quiet.take_changed(), []);
        let mut again = Quiet::default();
        again.resume(written);
        assert_eq!(again, quiet);
    }

    proptest! {
        #[test]
        fn a_larger_budget_never_asks_for_longer_odds(decades in 0.2f64..5.0, budget in 0.05f64..20.0) {
            let quiet = month(decades);
            let (less, more) = (quiet.log10_alpha(budget), quiet.log10_alpha(budget * 2.0));
            prop_assert!(less.unwrap() <= more.unwrap());
        }
    }
}
