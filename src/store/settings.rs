//! What `[store]` in the configuration means.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::Broken;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where baselines and anomalies are kept; empty means the user's data directory.
    pub dir: PathBuf,
    /// How long anomalies are kept, in days.
    pub anomaly_days: u32,
    /// How long alerts and incidents are kept, in days.
    pub alert_days: u32,
    /// How often what was learnt from live traces is written, in seconds. A crash loses nothing: the next start polls again from the last write.
    pub commit_interval_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dir: PathBuf::new(), anomaly_days: 30, alert_days: 30, commit_interval_s: 300 }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        [
            Broken::unless_within("anomaly_days", self.anomaly_days, (1, 365), "days", 30),
            Broken::unless_within("alert_days", self.alert_days, (1, 365), "days", 30),
            Broken::unless_within("commit_interval_s", self.commit_interval_s, (10, 3_600), "seconds", 300),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
