//! Samples on their way into the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::baseline::{
    ChildSet, Facet, KeyStructure, Levels, MOST_MESSAGES, MOST_MINUTES, MOST_SHAPES, Measure, SeriesKey, Slice, Spread,
    Structure, count,
};
use crate::detect::{Observation, Observed, Place};
use crate::domain::{LevelId, Micros, Subject, Timestamp, UtcHour};

use super::keys::Keys;

/// Where a slice belongs: the key's number, what was measured, and on which level.
type Slot = (u32, Kept, LevelId, UtcHour);

/// A measure by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kept {
    Duration,
    SelfTime,
    EdgeTime(u32),
}

/// What a key's calls were besides their durations, by numbers.
#[derive(Debug, Clone, Default)]
struct Calls {
    counts: KeyStructure,
    shapes: BTreeMap<Vec<u32>, u64>,
    contributions: BTreeMap<(u32, Place), u64>,
}

/// Collects samples until they are committed. Hash order is never looked at: what comes out is sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Learner {
    slices: HashMap<Slot, Slice, RandomState>,
    calls: HashMap<u32, Calls, RandomState>,
    spreads: BTreeMap<(Subject, Facet), Spread>,
}

/// What was collected, under its names.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    pub slices: BTreeMap<(SeriesKey, UtcHour), Slice>,
    pub structure: Structure,
}

impl Learner {
    /// Takes the fresh spans of a trace that `began` then, each on the level on which its key was.
    pub fn learn(&mut self, observed: &Observed, keys: &mut Keys, levels: &Levels, began: Timestamp) {
        for span in observed.spans.iter().filter(|span| span.fresh) {
            let level = level_of(span.key, keys, levels, began);
            let children = observed.children_of(span);
            let is_parent = keys.get_mut(span.key).is_some_and(|entry| {
                entry.is_parent |= !children.is_empty();
                entry.is_parent
            });
            self.sample((span.key, Kept::Duration, level), span, span.duration);
            match span.place {
                Place::Node if is_parent => self.sample((span.key, Kept::SelfTime, level), span, span.own),
                Place::Node => {}
                Place::Edge(callee) => {
                    self.sample((span.key, Kept::EdgeTime(callee), level), span, span.own);
                }
            }
            self.call(span, children);
        }
        if let Some(first) = observed.spans.first().filter(|first| observed.root.is_none() && first.fresh) {
            self.calls.entry(first.key).or_default().counts.rootless += 1;
        }
        self.path(observed);
    }

    fn sample(&mut self, (key, kept, level): (u32, Kept, LevelId), span: &Observation, us: Micros) {
        self.slices.entry((key, kept, level, UtcHour::of(span.start))).or_default().insert(us, span.error);
    }

    fn call(&mut self, span: &Observation, children: &[u32]) {
        let calls = self.calls.entry(span.key).or_default();
        calls.counts.calls += 1;
        calls.counts.entries += u64::from(span.entry);
        calls.counts.orphans += u64::from(span.orphan);
        calls.counts.errors += u64::from(span.error);
        calls.counts.origins += u64::from(span.error_origin);
        if span.place == Place::Node {
            calls.counts.largest_own_us = calls.counts.largest_own_us.max(span.own.0);
        }
        if let Some(message) = &span.message {
            count(&mut calls.counts.messages, message.clone(), 1, MOST_MESSAGES);
        }
        if let Some(n) = calls.shapes.get_mut(children) {
            *n += 1;
        } else if calls.shapes.len() < MOST_SHAPES {
            calls.shapes.insert(children.to_vec(), 1);
        }
    }

    /// The critical path is learnt with the root: a trace that grows later is not learnt twice.
    fn path(&mut self, observed: &Observed) {
        let Some(root) = observed.root.and_then(|root| observed.spans.get(root as usize)).filter(|root| root.fresh)
        else {
            return;
        };
        let calls = self.calls.entry(root.key).or_default();
        calls.counts.roots += 1;
        calls.counts.end_to_end_us = calls.counts.end_to_end_us.saturating_add(observed.end_to_end.0);
        calls.counts.longest_us = calls.counts.longest_us.max(observed.end_to_end.0);
        if let Some(minute) = observed.minute {
            count(&mut calls.counts.minutes, minute, 1, MOST_MINUTES);
        }
        for (contributor, us) in &observed.contributions {
            *calls.contributions.entry(*contributor).or_default() += us;
        }
    }

    pub fn spread(&mut self, spreads: BTreeMap<(Subject, Facet), Spread>) {
        for (place, spread) in spreads {
            self.spreads.entry(place).or_default().merge(&spread);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.spreads.is_empty()
    }

    /// Adds everything of another one, of a minute that `began` then. What is known of levels by now counts: one may have
    /// been accepted since the minute was taken up.
    pub fn merge(&mut self, other: Self, keys: &Keys, levels: &Levels, began: Timestamp) {
        for ((key, kept, _, hour), slice) in other.slices {
            let level = level_of(key, keys, levels, began);
            self.slices.entry((key, kept, level, hour)).or_default().merge(&slice);
        }
        for (key, calls) in other.calls {
            let mine = self.calls.entry(key).or_default();
            mine.counts.merge(&calls.counts);
            for (shape, n) in calls.shapes {
                if let Some(there) = mine.shapes.get_mut(&shape) {
                    *there += n;
                } else if mine.shapes.len() < MOST_SHAPES {
                    mine.shapes.insert(shape, n);
                }
            }
            for (contributor, us) in calls.contributions {
                *mine.contributions.entry(contributor).or_default() += us;
            }
        }
        self.spread(other.spreads);
    }

    /// Everything collected, under its names and in their order.
    pub fn take(&mut self, keys: &Keys) -> Collected {
        let mut collected = Collected::default();
        for ((key, kept, level, hour), slice) in std::mem::take(&mut self.slices) {
            let Some(entry) = keys.get(key) else { continue };
            let measure = match kept {
                Kept::Duration => Measure::Duration,
                Kept::SelfTime => Measure::SelfTime,
                Kept::EdgeTime(callee) => match keys.service_name(callee) {
                    Some(callee) => Measure::EdgeTime(callee.clone()),
                    None => continue,
                },
            };
            collected.slices.insert((SeriesKey::new(entry.key.clone(), measure).on(level), hour), slice);
        }
        for (key, calls) in std::mem::take(&mut self.calls) {
            let Some(entry) = keys.get(key) else { continue };
            collected.structure.keys.insert(entry.key.clone(), calls.named(keys));
        }
        collected.structure.spreads = std::mem::take(&mut self.spreads);
        collected
    }
}

fn level_of(key: u32, keys: &Keys, levels: &Levels, began: Timestamp) -> LevelId {
    keys.get(key).map_or(LevelId::default(), |entry| levels.of(&entry.key, began))
}

impl Calls {
    fn named(self, keys: &Keys) -> KeyStructure {
        let name = |key: &u32| keys.get(*key).map(|entry| entry.key.clone());
        let mut structure = self.counts;
        let mut shapes: Vec<(ChildSet, u64)> = self
            .shapes
            .into_iter()
            .map(|(shape, n)| {
                let mut set: ChildSet = shape.iter().filter_map(name).collect();
                set.sort();
                (set, n)
            })
            .collect();
        shapes.sort();
        for (set, n) in shapes {
            count(&mut structure.shapes, set, n, MOST_SHAPES);
        }
        for ((key, place), us) in self.contributions {
            let Some(key) = name(&key) else { continue };
            let callee: Option<Arc<str>> = match place {
                Place::Node => None,
                Place::Edge(callee) => keys.service_name(callee).cloned(),
            };
            structure.contribute(&(key, callee), us);
        }
        structure
    }
}
