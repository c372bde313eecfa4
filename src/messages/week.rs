//! The 168 hours of the week of one operation.

use serde::{Deserialize, Serialize};

use crate::domain::{HourOfWeek, Level, Micros, SpanKey};

use super::views::CellView;

/// What is normal for one operation in each hour of the week, and what that rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeekView {
    /// As it was asked for.
    pub asked: SpanKey,
    /// Under which it is counted.
    pub key: SpanKey,
    /// Its place among all operations, by service and name, from 1; 0 when nothing was seen of it.
    pub at: u32,
    pub of: u32,
    pub previous: Option<SpanKey>,
    pub next: Option<SpanKey>,
    /// The hour of the week that new spans are judged in.
    pub bucket: HourOfWeek,
    /// Name of the time zone hours are counted in.
    pub zone: String,
    /// Number of the generation in use; 0 before the first.
    pub generation: u64,
    /// An hour of the week with fewer samples borrows from a wider level.
    pub needs: u64,
    /// The alert test takes a level with so many samples, seen on two days.
    pub needs_to_test: u64,
    /// Samples of a newly accepted level, while they are too few to judge by.
    pub learning: Option<u64>,
    /// The 168 hours of the week; empty when nothing was seen of it.
    pub hours: Vec<WeekHour>,
    /// The 24 hours of the day, the 7 days of the week, and all hours.
    pub wider: Vec<WiderCell>,
    /// What each day gave; `None` until it was read.
    pub past: Option<PastView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeekHour {
    /// Also where they are too few to answer.
    pub samples: u64,
    /// On how many days it was seen.
    pub days: u8,
    /// The baseline of its own samples, where they are enough.
    pub own: Option<CellNumbers>,
    /// The level by which spans are judged in this hour, and the one against which alerts are tested.
    pub answers: Option<Level>,
    pub tests: Option<Level>,
    /// More than half of what was watched of it in the kept days was maintenance.
    pub maintenance: bool,
    /// Alerts about the operation in the last 30 days that lasted through some of this hour, and how many of them are of
    /// incidents that were rated.
    pub alerts: u32,
    pub useful: u32,
    pub noise: u32,
}

/// A baseline with the limits of the alert test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellNumbers {
    pub cell: CellView,
    /// Of SEV1, SEV2 and SEV3.
    pub limits: [AlertLimit; 3],
}

/// What counts as exceeding for an alert.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlertLimit {
    /// `None` where too few samples are known to have such a limit.
    pub above: Option<Micros>,
    /// The share of calls that the history has above it, (m + ½) / (N + 1).
    pub share: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WiderCell {
    pub samples: u64,
    pub numbers: Option<CellNumbers>,
}

/// What the days that are kept gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PastView {
    Read {
        /// Each hour of the week of each day from the first that is known, in the order of time.
        parts: Vec<PartView>,
        /// How much longer (0.1 is a tenth) the p99 of all calls of a week was than that of all kept calls before it, for
        /// the last four weeks, oldest first; `None` where too little is kept.
        drift: Vec<Option<f64>>,
        /// The p99 of each hour of the week in the generation that was in use before, with its number.
        former: Option<(u64, Vec<Option<Micros>>)>,
    },
    /// The sentence says why it could not be read.
    Failed(String),
}

/// One hour of the week on one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartView {
    pub bucket: HourOfWeek,
    /// Days from 1970-01-01 to the local day.
    pub day: i32,
    /// `None` without samples.
    pub numbers: Option<PartNumbers>,
    /// Seconds of it that are known, and of which nothing was learnt because of an incident or of maintenance; that have not
    /// been learnt yet; that nobody watched. What has not come yet counts as nothing.
    pub known_s: u32,
    pub incident_s: u32,
    pub maintenance_s: u32,
    pub waiting_s: u32,
    pub gap_s: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartNumbers {
    pub samples: u64,
    pub errors: u64,
    pub p50: Micros,
    pub p95: Micros,
    pub p99: Micros,
    pub max: Micros,
}
