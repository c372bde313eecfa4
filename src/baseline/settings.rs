//! What `[baseline]` in the configuration means.

use serde::{Deserialize, Serialize};

use crate::domain::Broken;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many days of spans a baseline rests on.
    pub history_days: u32,
    /// Fewest samples with which a level answers for mean and standard deviation.
    pub min_samples: u64,
    /// IANA name of the zone in which hours of the week are counted.
    pub zone: String,
    /// Local time of the nightly recalculation, `HH:MM`.
    pub recalculate_at: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { history_days: 30, min_samples: 10, zone: "UTC".into(), recalculate_at: "04:10".into() }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        Vec::new()
    }
}
