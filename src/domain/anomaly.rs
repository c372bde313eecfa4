//! One span that took longer than its baseline's cut-offs allow.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Attributes, HourOfWeek, Micros, Severity, SpanId, SpanKey, Timestamp, TraceId};

/// Which baseline answered, from the most specific to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    HourOfWeek,
    HourOfDay,
    DayOfWeek,
    Global,
}

/// An anomaly is found again by the span it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnomalyId {
    pub trace: TraceId,
    pub span: SpanId,
}

/// A span with an exceedance: a record to look into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    pub id: AnomalyId,
    pub key: SpanKey,
    pub severity: Severity,
    pub start: Timestamp,
    pub duration: Micros,
    /// Mean of the baseline that answered, in microseconds.
    pub mean_us: f64,
    /// Its standard deviation in microseconds, after the floor.
    pub sigma_us: f64,
    /// (duration − mean) / σ.
    pub z: f64,
    /// The z that had to be exceeded for this severity.
    pub cut_off_z: f64,
    pub level: Level,
    /// How many samples that baseline rests on.
    pub samples: u64,
    pub bucket: HourOfWeek,
    pub error: bool,
    pub attributes: Attributes,
}

impl Level {
    /// Most specific first: the order in which they are asked.
    pub const ALL: [Self; 4] = [Self::HourOfWeek, Self::HourOfDay, Self::DayOfWeek, Self::Global];

    /// The stretch of time this level stands for at `bucket`: `Fri 03h`, `every 03h`, `every Friday`, `all hours`.
    #[must_use]
    pub fn describe(self, bucket: HourOfWeek) -> String {
        match self {
            Self::HourOfWeek => bucket.to_string(),
            Self::HourOfDay => format!("every {:02}h", bucket.hour()),
            Self::DayOfWeek => format!("every {}", bucket.day_name()),
            Self::Global => "all hours".to_owned(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HourOfWeek => "hour of week",
            Self::HourOfDay => "hour of day",
            Self::DayOfWeek => "day of week",
            Self::Global => "all hours",
        })
    }
}

impl Anomaly {
    /// How many times the normal mean this span took.
    #[must_use]
    pub fn times_mean(&self) -> f64 {
        self.duration.0 as f64 / self.mean_us.max(1.0)
    }
}
