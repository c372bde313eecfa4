//! What `[monitor]` in the configuration means.

use serde::{Deserialize, Serialize};

use crate::domain::{Broken, Micros};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often traces are polled, in seconds.
    pub poll_interval_s: u64,
    /// How often metrics are polled, in seconds.
    pub metrics_interval_s: u64,
    /// Learn from the traces that the backend still has, up to baseline.history_days back.
    pub back_fill: bool,
    /// Requests that back-fill has under way at once.
    pub back_fill_requests: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { poll_interval_s: 10, metrics_interval_s: 30, back_fill: true, back_fill_requests: 2 }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        [
            Broken::unless_within("poll_interval_s", self.poll_interval_s, (1, 3_600), "seconds", 10),
            Broken::unless_within("metrics_interval_s", self.metrics_interval_s, (5, 3_600), "seconds", 30),
            Broken::unless_within("back_fill_requests", self.back_fill_requests, (1, 16), "requests", 2),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    #[must_use]
    pub const fn poll_interval(&self) -> Micros {
        Micros::from_secs(self.poll_interval_s)
    }
}
