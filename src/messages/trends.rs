//! One operation over time.

use serde::{Deserialize, Serialize};

use crate::domain::{
    AlertId, AlertKind, Anomaly, Bins, Group, HourOfWeek, Level, Micros, Severity, SpanKey, TimeWindow, Timestamp,
};

const MINUTE: u64 = 60;

/// What a screen wants to be told of, until it wants something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendsWanted {
    pub key: SpanKey,
    pub range: TrendRange,
    /// How many columns it has room for.
    pub columns: u16,
    /// The last 30 days by hour of the day, too.
    pub days: bool,
}

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrendRange {
    Hour,
    #[default]
    SixHours,
    Day,
    Week,
    Month,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrendsView {
    pub wanted: TrendsWanted,
    /// What the plot is about; its end is the end of the running column.
    pub window: TimeWindow,
    /// The length of a column, where nothing coarser is known.
    pub step: Micros,
    /// The store was read. Until then only what is kept in memory is here.
    pub stored: bool,
    /// From here on minutes are known; before, hours of what was learnt.
    pub minutes_from: Option<Timestamp>,
    /// Ascending and disjoint. Where there is none, nothing is known: that is a gap, not zero.
    pub columns: Vec<TrendColumn>,
    /// Of the operation, and of what its service takes part in, by onset.
    pub alerts: Vec<TrendAlert>,
    /// Of any service: nothing is learnt then.
    pub maintenance: Vec<TimeWindow>,
    /// Stretches that hours leave out: alerts and maintenance.
    pub left_out: Vec<TimeWindow>,
    /// The last 30 days, oldest first; empty where they are not wanted.
    pub days: Vec<TrendDay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrendSource {
    /// Every call that was polled, in the minute in which it ended.
    Minutes,
    /// What was learnt of hours: calls that began in them, without those of alerts and maintenance.
    Hours,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrendColumn {
    /// Where it stands. Its numbers are those of whole hours where `source` says so.
    pub window: TimeWindow,
    pub source: TrendSource,
    /// How long its numbers were watched, in seconds: what calls are divided by. Never 0.
    pub known_s: u32,
    pub numbers: TrendNumbers,
    pub durations: Bins,
    pub errors: u64,
    pub normal: Option<TrendNormal>,
    /// Calls above the normal p99.
    pub above: Option<f64>,
    /// So many are above it that chance brings them less often than once in a thousand columns.
    pub outside: bool,
    /// The same hours by the clock 1, 2, 3 and 4 weeks before; `None` where they are not known.
    pub weeks: [Option<TrendNumbers>; 4],
    pub groups: Option<[Group; 2]>,
    /// The slowest calls that were recorded, worst first; at most three.
    pub slow: Vec<Anomaly>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrendNumbers {
    pub n: u64,
    /// Calls a second.
    pub per_s: f64,
    /// p50, p95 and p99, to 12.5 %; `None` without calls.
    pub percentiles: Option<[Micros; 3]>,
}

/// What is normal in the hours of a column. Of several hours the lowest p50, the highest p95 and p99, and the mean rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrendNormal {
    /// The widest level that answered.
    pub level: Level,
    /// The hour of the week, where it is one.
    pub bucket: Option<HourOfWeek>,
    pub samples: u64,
    pub p50: Micros,
    pub p95: Micros,
    pub p99: Micros,
    pub per_s: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendAlert {
    pub id: AlertId,
    pub kind: AlertKind,
    pub severity: Severity,
    pub onset: Timestamp,
    /// `None` while it is open.
    pub closed: Option<Timestamp>,
    /// It is about the operation itself.
    pub own: bool,
}

/// A local day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendDay {
    /// Local midnight.
    pub start: Timestamp,
    /// By local hour: the worst alert, and how many spans of SEV1 and SEV2 are recorded (at most 50 an hour are).
    pub hours: [(Option<Severity>, u32); 24],
}

impl TrendRange {
    pub const ALL: [Self; 5] = [Self::Hour, Self::SixHours, Self::Day, Self::Week, Self::Month];

    #[must_use]
    pub const fn length(self) -> Micros {
        Micros::from_secs(match self {
            Self::Hour => 3_600,
            Self::SixHours => 6 * 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
        })
    }

    /// `last 6 h`
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "last 1 h",
            Self::SixHours => "last 6 h",
            Self::Day => "last 24 h",
            Self::Week => "last 7 days",
            Self::Month => "last 30 days",
        }
    }

    #[must_use]
    pub fn shorter(self) -> Self {
        Self::ALL.into_iter().rev().find(|range| *range < self).unwrap_or(self)
    }

    #[must_use]
    pub fn longer(self) -> Self {
        Self::ALL.into_iter().find(|range| *range > self).unwrap_or(self)
    }

    /// The shortest length of a column of which no more than `columns` fill the range. Only the last hour is known by single
    /// minutes, all else by an even number of them.
    #[must_use]
    pub fn step(self, columns: u16) -> Micros {
        const MINUTES: [u64; 14] = [1, 2, 4, 6, 10, 20, 30, 60, 120, 180, 240, 360, 480, 720];
        let least = if self == Self::Hour { 1 } else { 2 };
        let fits = |minutes: &u64| {
            *minutes >= least && self.length().secs().div_ceil(minutes * MINUTE) <= u64::from(columns.max(1))
        };
        Micros::from_secs(MINUTES.into_iter().find(fits).unwrap_or(1_440) * MINUTE)
    }
}

impl TrendsView {
    /// The column at a moment.
    #[must_use]
    pub fn column_at(&self, at: Timestamp) -> Option<&TrendColumn> {
        let place = self.columns.partition_point(|column| column.window.to <= at);
        self.columns.get(place).filter(|column| column.window.contains(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_and_are_whole_minutes_of_the_hour_or_whole_hours_of_the_day() {
        for range in TrendRange::ALL {
            for columns in [30u16, 31, 60, 71, 111, 200, 1_000] {
                let step = range.step(columns).secs() / 60;
                assert!(60 % step == 0 || 1_440 % step == 0, "{step}");
                assert!(range.length().secs() / 60 / step <= u64::from(columns));
            }
        }
        assert_eq!(TrendRange::SixHours.step(111), Micros::from_secs(240));
        assert_eq!(TrendRange::Hour.step(71), Micros::from_secs(60));
        assert_eq!((TrendRange::Hour.shorter(), TrendRange::Month.longer()), (TrendRange::Hour, TrendRange::Month));
    }
}
