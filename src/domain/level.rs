//! What lasts is no fault for ever but a new level, once a person says so.

use serde::{Deserialize, Serialize};

use super::{AlertId, IncidentId, Micros, SpanKey, Timestamp};

/// Numbered from 1 in the order in which they were accepted; 0 stands for what was learnt before any was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LevelId(pub u64);

/// Whole durations of a key's spans in three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    pub n: u64,
    pub p50: Micros,
    pub p95: Micros,
}

/// One key of a level shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftedKey {
    pub key: SpanKey,
    /// Samples behind its baselines of duration: what acceptance leaves out.
    pub samples: u64,
    /// What the baseline in use says of this hour.
    pub normal: Option<Durations>,
    /// The calls since the shift, of the last hour at most; `None` where the calls themselves are not kept.
    pub now: Option<Durations>,
}

/// An alert's subject has been on another level for long enough to ask whether that is how it is from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelShift {
    /// The alert's onset.
    pub since: Timestamp,
    /// How many times as long as normal its calls take: the geometric mean of time ÷ normal median over the last half hour.
    pub times: f64,
    /// Whose baselines an acceptance is about, in order.
    pub keys: Vec<ShiftedKey>,
    /// It was accepted, which closed the alert.
    pub accepted: Option<LevelId>,
}

/// A person's decision that some keys have a new normal.
///
/// What was learnt of these keys before is kept aside and not deleted, so that undoing it brings back the same baselines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedLevel {
    pub id: LevelId,
    pub incident: IncidentId,
    /// The alerts that it closed.
    pub alerts: Vec<AlertId>,
    /// In order, each once.
    pub keys: Vec<SpanKey>,
    /// The first whole minute of the new level: minutes are learnt or left out as a whole.
    pub since: Timestamp,
    /// Samples of duration behind the baselines that answered until then.
    pub left_out: u64,
    pub at: Timestamp,
    /// The user who decided it.
    pub by: String,
    pub undone: Option<Undone>,
}

/// The old level answers again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// A whole minute: what begins from then on is learnt with the old level again.
    pub at: Timestamp,
    pub by: String,
}

impl AcceptedLevel {
    #[must_use]
    pub const fn is_in_force(&self) -> bool {
        self.undone.is_none()
    }

    /// Whether a span of `key` in a trace that began `at` was on this level.
    #[must_use]
    pub fn holds(&self, key: &SpanKey, at: Timestamp) -> bool {
        let over = self.undone.as_ref().is_some_and(|undone| at >= undone.at);
        at >= self.since && !over && self.keys.binary_search(key).is_ok()
    }
}
