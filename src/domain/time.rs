//! Time in integer microseconds, so that a moment or a duration never carries a hidden unit.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A moment: microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A length of time in microseconds. Never negative: a source that sends a negative duration is refused in its mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u64);

/// A half-open stretch of time, `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeWindow {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Timestamp {
    /// The first whole minute that does not begin before; the last one there is at the end of time.
    #[must_use]
    pub const fn minute_after(self) -> Self {
        const MINUTE_US: i64 = 60_000_000;
        Self(self.0.saturating_add(MINUTE_US - 1).div_euclid(MINUTE_US) * MINUTE_US)
    }

    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Micros {
        Micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    #[must_use]
    pub fn saturating_sub(self, by: Micros) -> Self {
        Self(self.0.saturating_sub_unsigned(by.0))
    }
}

impl Add<Micros> for Timestamp {
    type Output = Self;
    fn add(self, by: Micros) -> Self {
        Self(self.0.saturating_add_unsigned(by.0))
    }
}

impl Sub<Micros> for Timestamp {
    type Output = Self;
    fn sub(self, by: Micros) -> Self {
        self.saturating_sub(by)
    }
}

impl Micros {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0 / 1_000_000
    }

    #[must_use]
    pub const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0)
    }
}

/// A duration in at most five columns, as an engineer writes it: `340us`, `18ms`, `2.4s`, `1m10s`, `2h05m`.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0;
        let text = match us {
            0..1_000 => format!("{us}us"),
            1_000..9_950 => format!("{:.1}ms", us as f64 / 1e3),
            9_950..999_500 => format!("{:.0}ms", us as f64 / 1e3),
            999_500..9_950_000 => format!("{:.1}s", us as f64 / 1e6),
            9_950_000..59_500_000 => format!("{:.0}s", us as f64 / 1e6),
            59_500_000..3_600_000_000 => {
                let secs = (us + 500_000) / 1_000_000;
                format!("{}m{:02}s", secs / 60, secs % 60)
            }
            _ => {
                let mins = us / 60_000_000;
                format!("{}h{:02}m", mins / 60, mins % 60)
            }
        };
        f.pad(&text)
    }
}

impl TimeWindow {
    #[must_use]
    pub const fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }

    #[must_use]
    pub fn length(self) -> Micros {
        self.to.since(self.from)
    }

    #[must_use]
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// The two halves; the second starts where the first ends.
    #[must_use]
    pub fn halves(self) -> (Self, Self) {
        let middle = self.from + Micros(self.length().0 / 2);
        (Self::new(self.from, middle), Self::new(middle, self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_an_engineer_writes_them_in_at_most_six_columns() {
        for (us, text) in [
            (0, "0us"),
            (999, "999us"),
            (1_000, "1.0ms"),
            (9_949, "9.9ms"),
            (9_950, "10ms"),
            (18_400, "18ms"),
            (999_499, "999ms"),
            (999_500, "1.0s"),
            (2_440_000, "2.4s"),
            (59_499_999, "59s"),
            (59_500_000, "1m00s"),
            (70_000_000, "1m10s"),
            (7_500_000_000, "2h05m"),
        ] {
            assert_eq!(Micros(us).to_string(), text, "{us} us");
        }
    }

    #[test]
    fn halves_cover_the_window_without_overlap() {
        let window = TimeWindow::new(Timestamp(10), Timestamp(21));
        let (a, b) = window.halves();
        assert_eq!((a.from, b.to), (window.from, window.to));
        assert_eq!(a.to, b.from);
    }

    #[test]
    fn differences_never_go_below_zero() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Micros::ZERO);
        assert_eq!(Timestamp(i64::MIN).saturating_sub(Micros(u64::MAX)), Timestamp(i64::MIN));
    }
}
