//! What `[detect]` in the configuration means.

use serde::{Deserialize, Serialize};

use crate::domain::{Broken, Micros};

use super::rules::Rule;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many false alerts a week are accepted, over everything that is watched. Fewer mean that smaller faults stay
    /// unseen.
    pub false_alerts_per_week: f64,
    /// How long after its last anomaly a span key stays in the alert list, in seconds.
    pub alert_memory_s: u64,
    /// SEV1 and SEV2 anomalies kept per span key and hour.
    pub kept_severe_per_hour: u32,
    /// SEV3 to SEV5 anomalies kept per span key and hour.
    pub kept_mild_per_hour: u32,
    /// Limits that a person set, beside what is learnt. None by default.
    pub rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            false_alerts_per_week: 1.0,
            alert_memory_s: 900,
            kept_severe_per_hour: 50,
            kept_mild_per_hour: 5,
            rules: Vec::new(),
        }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        [
            Broken::unless_within("false_alerts_per_week", self.false_alerts_per_week, (0.001, 1_000.0), "alerts", 1.0),
            Broken::unless_within("alert_memory_s", self.alert_memory_s, (60, 86_400), "seconds", 900),
            Broken::unless_within("kept_severe_per_hour", self.kept_severe_per_hour, (1, 10_000), "anomalies", 50),
            Broken::unless_within("kept_mild_per_hour", self.kept_mild_per_hour, (0, 10_000), "anomalies", 5),
        ]
        .into_iter()
        .flatten()
        .chain(self.rules.iter().enumerate().filter_map(|(place, rule)| rule.broken(place)))
        .collect()
    }

    #[must_use]
    pub const fn alert_memory(&self) -> Micros {
        Micros::from_secs(self.alert_memory_s)
    }
}
