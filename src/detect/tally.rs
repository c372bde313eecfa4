//! How quiet minutes vary, from what the windows counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{Facet, Spread};
use crate::domain::{Micros, Subject, TimeWindow, Timestamp};

use super::ring::Ring;
use super::subjects::{ENOUGH_ALONE, SubjectId, name_of};
use super::watch::Watch;

impl Watch {
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
