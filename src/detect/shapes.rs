//! Which children a span has: a kind of child lost, or one that never was there.

use std::collections::{BTreeMap, BTreeSet};

use crate::baseline::{ChildSet, KeyStructure, MOST_SHAPES, UNKNOWN_RHO};
use crate::domain::{AlertKind, Severity, SpanKey, Timestamp};

use super::ring::{Counts, Ring};
use super::subjects::{KeyWatch, SubjectId, TrackId};
use super::test::{Finding, LEAST_EXCESS, Test, onset};

/// A shape seen in fewer calls than one in fifty is rare: many of them at once are news.
pub(super) const RARE: f64 = 0.02;
/// A shape that is known must have at least trebled, and by this much of all calls: which of its usual shapes a span has
/// depends on who calls.
const TREBLED: f64 = 3.0;
pub(super) const LEAST_RISE: f64 = 0.2;
/// The mix of few calls is that of few users.
const ENOUGH_FOR_A_MIX: u64 = 30;
/// Two odd calls are one user's retry.
const LEAST_HITS: u64 = 3;
const USUAL: f64 = 0.02;

/// The shapes of one key.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes {
    calls: u64,
    known: BTreeMap<ChildSet, u64>,
    seen: BTreeMap<Vec<u32>, Ring>,
}

impl Shapes {
    pub(super) fn use_structure(&mut self, structure: &KeyStructure) {
        self.calls = structure.calls;
        self.known.clone_from(&structure.shapes);
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }

    pub(super) fn take(&mut self, at: Timestamp, children: &[u32]) {
        let one = Counts { n: 1, k: [1; 3], ..Counts::default() };
        if let Some(ring) = self.seen.get_mut(children) {
            ring.add(at, &one);
        } else if self.seen.len() < MOST_SHAPES {
            self.seen.entry(children.to_vec()).or_default().add(at, &one);
        }
    }

    pub(super) fn seen(&self) -> impl Iterator<Item = (&Vec<u32>, &Ring)> {
        self.seen.iter()
    }

    /// The learnt share of a shape, never zero.
    pub(super) fn share(&self, set: &ChildSet) -> f64 {
        (self.known.get(set).copied().unwrap_or(0) as f64 + 0.5) / (self.calls as f64 + 1.0)
    }

    /// A shape as names, and whether it lacks a child that is usual, or has one that is not.
    pub(super) fn describe(&self, shape: &[u32], keys: &[KeyWatch]) -> (ChildSet, AlertKind, Vec<SpanKey>) {
        let mut set: ChildSet =
            shape.iter().filter_map(|key| keys.get(*key as usize)).map(|watch| watch.key.clone()).collect();
        set.sort();
        let has: BTreeSet<&SpanKey> = set.iter().collect();
        let usual = |count: u64| count as f64 >= USUAL * self.calls as f64;
        let every: BTreeSet<&SpanKey> =
            self.known.iter().filter(|(_, count)| usual(**count)).flat_map(|(set, _)| set).collect();
        let unknown: Vec<SpanKey> = has.difference(&every).map(|key| (*key).clone()).collect();
        if !unknown.is_empty() {
            return (set, AlertKind::NewChild, unknown);
        }
        // The most frequent shape that has all of these and more: what it has more is missing.
        let larger =
            self.known.iter().filter(|(known, _)| known.len() > set.len() && set.iter().all(|k| known.contains(k)));
        let missing = larger
            .max_by_key(|(_, count)| **count)
            .map(|(known, _)| known.iter().filter(|key| !has.contains(key)).cloned().collect::<Vec<_>>());
        match missing {
            Some(missing) => (set, AlertKind::LostChild, missing),
            None => (set, AlertKind::NewChild, Vec::new()),
        }
    }

    pub(super) fn test(
        &self,
        subject: SubjectId,
        calls: &Ring,
        test: &Test,
        keys: &[KeyWatch],
        tell: &mut dyn FnMut(Finding),
    ) {
        for (shape, ring) in &self.seen {
            let mut named = None;
            for window in test.windows() {
                let k = ring.sum(window).n;
                if k < LEAST_HITS {
                    continue;
                }
                let (set, kind, which) = named.get_or_insert_with(|| self.describe(shape, keys));
                let p = self.share(set);
                let n = calls.sum(window).n.max(k);
                let share = k as f64 / n as f64;
                let rare = p < RARE && share - p >= LEAST_EXCESS;
                let risen = share - p >= LEAST_RISE && n >= ENOUGH_FOR_A_MIX;
                if share < TREBLED * p || !(rare || risen) {
                    continue;
                }
                let severity = if share >= 0.5 { Severity::Sev2 } else { Severity::Sev3 };
                let arithmetic = test.counted(window, (n, k), p, UNKNOWN_RHO, self.calls);
                let Some(finding) = test.weigh(TrackId { subject, kind: *kind }, severity, arithmetic) else {
                    continue;
                };
                let names: Vec<String> = which.iter().map(|key| format!("{}:{}", key.service, key.operation)).collect();
                tell(Finding { onset: onset(ring, window), detail: names.join(", "), ..finding });
            }
        }
    }
}
