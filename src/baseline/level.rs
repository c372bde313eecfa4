//! Which samples answer for a key once a new level was accepted: those from then on, and the others are kept aside.
//!
//! Each accepted level has rows of its own, from its first whole minute on. So the hour in which it began needs no
//! compromise, though slices are kept by the hour: what came before the shift in that hour is in other rows than what came
//! after it. Nothing is moved or deleted, and undoing is to read the other rows again. What is no duration (calls, children,
//! messages, shares of critical paths, how calls of a minute resemble each other) has no levels and goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{AcceptedLevel, LevelId, SpanKey, Timestamp};

use super::generation::Generation;
use super::series::SeriesKey;

/// All levels that were ever accepted, also those that were undone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Levels(BTreeMap<LevelId, AcceptedLevel>);

impl Levels {
    /// Takes a decision, or what became of it.
    pub fn insert(&mut self, level: AcceptedLevel) {
        self.0.insert(level.id, level);
    }

    #[must_use]
    pub fn get(&self, id: LevelId) -> Option<&AcceptedLevel> {
        self.0.get(&id)
    }

    /// In the order in which they were accepted.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &AcceptedLevel> {
        self.0.values()
    }

    /// The number for the next one.
    #[must_use]
    pub fn next(&self) -> LevelId {
        LevelId(self.0.keys().next_back().map_or(1, |last| last.0 + 1))
    }

    /// The level whose samples answer for a key: the newest in force.
    #[must_use]
    pub fn in_force(&self, key: &SpanKey) -> Option<&AcceptedLevel> {
        self.0.values().rev().find(|level| level.is_in_force() && level.keys.binary_search(key).is_ok())
    }

    /// The level among whose samples a span of a trace that began `at` belongs. Also of one that was undone since: what
    /// back-fill brings late does not get into the old baseline either.
    #[must_use]
    pub fn of(&self, key: &SpanKey, at: Timestamp) -> LevelId {
        self.0.values().rev().find(|level| level.holds(key, at)).map_or(LevelId::default(), |level| level.id)
    }

    /// Whether a baseline is made of these samples.
    #[must_use]
    pub fn answers(&self, series: &SeriesKey) -> bool {
        series.level == self.number(&series.key)
    }

    /// The number of the level whose samples answer for a key.
    #[must_use]
    pub fn number(&self, key: &SpanKey) -> LevelId {
        self.in_force(key).map_or(LevelId::default(), |level| level.id)
    }

    /// The keys that are not on their first level, with the number of the one they are on.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<SpanKey, LevelId> {
        let keys = self.0.values().filter(|level| level.is_in_force()).flat_map(|level| &level.keys);
        keys.map(|key| (key.clone(), self.number(key))).collect()
    }

    /// A generation without the keys of which it knows another level than the one in force: no judgement is better than
    /// one by old numbers.
    #[must_use]
    pub fn fit(&self, generation: &Arc<Generation>) -> Arc<Generation> {
        let numbers = self.numbers();
        if numbers == generation.levels {
            return Arc::clone(generation);
        }
        let mut fitting = (**generation).clone();
        fitting.series.retain(|series, _| numbers.get(&series.key) == generation.levels.get(&series.key));
        Arc::new(fitting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::KeyBaseline;
    use crate::domain::{IncidentId, SpanKind, Undone};

    fn key(operation: &str) -> SpanKey {
        SpanKey::new("cart", operation, SpanKind::Server)
    }

    fn secs(s: i64) -> Timestamp {
        Timestamp::from_secs(s)
    }

    fn level(id: u64, operations: &[&str], since: i64) -> AcceptedLevel {
        AcceptedLevel {
            id: LevelId(id),
            incident: IncidentId(1),
            alerts: Vec::new(),
            keys: operations.iter().map(|operation| key(operation)).collect(),
            since: secs(since),
            left_out: 0,
            at: secs(since + 2_000),
            by: "mira".to_owned(),
            undone: None,
        }
    }

    fn undone(level: AcceptedLevel, at: i64) -> AcceptedLevel {
        AcceptedLevel { undone: Some(Undone { at: secs(at), by: "mira".to_owned() }), ..level }
    }

    #[test]
    fn a_span_belongs_to_the_newest_level_of_its_time_whatever_was_undone_since() {
        let mut levels = Levels::default();
        assert_eq!(levels.next(), LevelId(1));
        levels.insert(level(1, &["a", "b"], 1_000));
        levels.insert(level(2, &["a"], 5_000));
        let of = |levels: &Levels, operation: &str| {
            [999, 1_000, 4_999, 5_000, 9_000].map(|at| levels.of(&key(operation), secs(at)).0)
        };
        assert_eq!(of(&levels, "a"), [0, 1, 1, 2, 2]);
        assert_eq!(of(&levels, "b"), [0, 1, 1, 1, 1]);
        assert_eq!(of(&levels, "c"), [0; 5]);
        levels.insert(undone(level(2, &["a"], 5_000), 9_000));
        assert_eq!(of(&levels, "a"), [0, 1, 1, 2, 1], "from the undoing on it is the level before");
        assert_eq!(levels.in_force(&key("a")).map(|level| level.id), Some(LevelId(1)));
        levels.insert(undone(level(1, &["a", "b"], 1_000), 9_000));
        assert_eq!(of(&levels, "a"), [0, 1, 1, 2, 0]);
        assert_eq!((levels.in_force(&key("a")), levels.next()), (None, LevelId(3)));
    }

    #[test]
    fn a_generation_answers_only_for_the_level_it_was_made_of() {
        let baseline = || Arc::new(KeyBaseline::from_cells(9, vec![0; 168], vec![0; 168], Vec::new()).unwrap());
        let series = ["a", "b"].map(|operation| (SeriesKey::duration(key(operation)), baseline()));
        let old = Arc::new(Generation { number: 1, series: series.into(), ..Generation::default() });
        let mut levels = Levels::default();
        assert!(Arc::ptr_eq(&levels.fit(&old), &old));
        levels.insert(level(1, &["a"], 1_000));
        let fitting = levels.fit(&old);
        assert_eq!(fitting.keys().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key("b")]);
        let new = Arc::new(Generation { levels: levels.numbers(), ..(*old).clone() });
        assert!(Arc::ptr_eq(&levels.fit(&new), &new));
        levels.insert(undone(level(1, &["a"], 1_000), 9_000));
        assert_eq!(levels.fit(&new).keys().count(), 1);
        assert!(Arc::ptr_eq(&levels.fit(&old), &old), "the old one as it was");
    }
}
