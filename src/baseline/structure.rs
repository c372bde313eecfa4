//! What is normal besides durations: which children a span has, how requests spend their time, what errors say.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{Micros, SpanKey, Subject};

use super::spread::Spread;

/// The kinds of children of one span: each key once, in order. How often each is called depends on the request; which
/// are called at all says what the span does.
pub type ChildSet = Vec<SpanKey>;

/// Who spends time on a critical path: the own time of a key's spans, or the time between a key and a service.
pub type Contributor = (SpanKey, Option<Arc<str>>);

/// What is learnt of one span key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyStructure {
    pub calls: u64,
    /// Calls that came from another service or from outside.
    pub entries: u64,
    /// Calls whose parent never arrived.
    pub orphans: u64,
    pub errors: u64,
    /// Failed calls below which nothing failed.
    #[serde(default)]
    pub origins: u64,
    /// Traces that showed here first and whose root had not come when they settled.
    pub rootless: u64,
    /// Traces that begin here.
    pub roots: u64,
    /// Σ of their end-to-end time, and the longest.
    pub end_to_end_us: u64,
    pub longest_us: u64,
    /// The longest own time of its spans on a node.
    pub largest_own_us: u64,
    /// Starts of such traces by local minute of the day. More than [`MOST_MINUTES`] of them are no timetable; then none is kept
    /// beyond that.
    pub minutes: BTreeMap<u16, u64>,
    /// Calls by the kinds of their children. Bounded: see [`MOST_SHAPES`].
    #[serde(with = "pairs")]
    pub shapes: BTreeMap<ChildSet, u64>,
    /// Cleaned messages of failed calls. Bounded: see [`MOST_MESSAGES`].
    pub messages: BTreeMap<Arc<str>, u64>,
    /// Σ of time on the critical paths of the traces that begin here.
    #[serde(with = "pairs")]
    pub contributions: BTreeMap<Contributor, u64>,
}

/// In which respect a subject's minutes vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    SelfTime,
    Duration,
    Errors,
    Calls,
}

/// All of it, of some stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Structure {
    pub keys: BTreeMap<SpanKey, KeyStructure>,
    pub spreads: BTreeMap<(Subject, Facet), Spread>,
}

/// A span whose children vary without end would fill the memory; beyond these only calls are counted.
pub const MOST_SHAPES: usize = 256;
pub const MOST_MESSAGES: usize = 64;
const MOST_CONTRIBUTORS: usize = 512;
/// A job every five minutes, and some minutes by which it was late.
pub const MOST_MINUTES: usize = 600;

/// Maps whose keys are no text are written as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}

/// Adds to a bounded map: what is new finds a place only while there is one.
pub fn count<K: Ord>(map: &mut BTreeMap<K, u64>, key: K, more: u64, most: usize) {
    if let Some(there) = map.get_mut(&key) {
        *there = there.saturating_add(more);
    } else if map.len() < most {
        map.insert(key, more);
    }
}

impl KeyStructure {
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.entries += other.entries;
        self.orphans += other.orphans;
        self.errors += other.errors;
        self.origins += other.origins;
        self.rootless += other.rootless;
        self.roots += other.roots;
        self.end_to_end_us = self.end_to_end_us.saturating_add(other.end_to_end_us);
        self.longest_us = self.longest_us.max(other.longest_us);
        self.largest_own_us = self.largest_own_us.max(other.largest_own_us);
        for (minute, n) in &other.minutes {
            count(&mut self.minutes, *minute, *n, MOST_MINUTES);
        }
        for (shape, n) in &other.shapes {
            count(&mut self.shapes, shape.clone(), *n, MOST_SHAPES);
        }
        for (message, n) in &other.messages {
            count(&mut self.messages, message.clone(), *n, MOST_MESSAGES);
        }
        for (contributor, us) in &other.contributions {
            self.contribute(contributor, *us);
        }
    }

    pub fn contribute(&mut self, contributor: &Contributor, us: u64) {
        if let Some(there) = self.contributions.get_mut(contributor) {
            *there = there.saturating_add(us);
        } else if self.contributions.len() < MOST_CONTRIBUTORS {
            self.contributions.insert(contributor.clone(), us);
        }
    }

    /// Mean end-to-end time of the traces that begin here.
    #[must_use]
    pub fn mean_end_to_end(&self) -> Option<Micros> {
        (self.roots > 0).then(|| Micros(self.end_to_end_us / self.roots))
    }

    /// Its traces begin at so many different minutes of the day that they follow no timetable.
    #[must_use]
    pub fn is_irregular(&self) -> bool {
        self.minutes.len() >= MOST_MINUTES
    }

    /// Whether calls come from another service or from outside: the rate of a service is counted at such keys.
    #[must_use]
    pub const fn is_entry(&self) -> bool {
        self.entries * 10 > self.calls * 9
    }
}

impl Structure {
    pub fn merge(&mut self, other: &Self) {
        for (key, structure) in &other.keys {
            self.keys.entry(key.clone()).or_default().merge(structure);
        }
        for (place, spread) in &other.spreads {
            self.spreads.entry(place.clone()).or_default().merge(spread);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.spreads.is_empty()
    }
}
