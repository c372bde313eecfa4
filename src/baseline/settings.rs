//! What `[baseline]` in the configuration means.

use chrono::{DateTime, Days, TimeZone};
use serde::{Deserialize, Serialize};

use crate::domain::{Broken, Calendar, Micros, Timestamp};

use super::cell::{CellRules, CutOffRule};

/// Trace backends count microseconds.
const CLOCK: Micros = Micros(1);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many days of spans a baseline rests on.
    pub history_days: u32,
    /// Fewest samples with which a level answers for mean and standard deviation.
    pub min_samples: u64,
    /// IANA name of the time zone in which hours of the week are counted.
    pub zone: String,
    /// Local time of the nightly recalculation, HH:MM.
    pub recalculate_at: String,
    /// How long a quiet minute waits before it is learnt, in seconds: what turns out to belong to an incident is not.
    pub learn_after_s: u64,
    /// Percentiles of the deviation that make SEV1, SEV2, SEV3, SEV4 and SEV5.
    pub severity_percentiles: [f64; 5],
    /// Fewest samples with which each of these percentiles is known; below, a wider level lends its deviation.
    pub severity_min_samples: [u64; 5],
    /// How many milliseconds longer than usual a call takes at least that counts for an alert, on top of half again the slowest twentieth.
    pub slow_by_ms: f64,
    /// Most operations kept apart in one service; the rest is counted as `service:(other)`.
    pub max_operations_per_service: u32,
    /// Most span keys kept in all.
    pub max_keys: u32,
    /// Replace ids in operation names (numbers, hex, UUIDs, e-mail addresses) by {id}, so that each request is not an operation of its own.
    pub fold_ids: bool,
}

/// Minutes after midnight of a time as HH:MM.
pub fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: u32| {
        (text.len() == 2).then(|| text.parse::<u32>().ok()).flatten().filter(|number| *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            history_days: 30,
            min_samples: 10,
            zone: "UTC".into(),
            recalculate_at: "04:10".into(),
            learn_after_s: 900,
            severity_percentiles: [99.9, 99.0, 95.0, 90.0, 80.0],
            severity_min_samples: [5_000, 500, 100, 50, 25],
            slow_by_ms: 1.0,
            max_operations_per_service: 500,
            max_keys: 5_000,
            fold_ids: true,
        }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        [
            Broken::unless_within("history_days", self.history_days, (1, 90), "days", 30),
            Broken::unless_within("min_samples", self.min_samples, (2, 100_000), "samples", 10),
            Broken::unless_within("max_operations_per_service", self.max_operations_per_service, (1, 100_000), "", 500),
            Broken::unless_within("max_keys", self.max_keys, (1, 100_000), "", 5_000),
            Broken::unless_within("slow_by_ms", self.slow_by_ms, (0.0, 60_000.0), "milliseconds", 1.0),
            Broken::unless_within("learn_after_s", self.learn_after_s, (0, 86_400), "seconds", 900),
            self.zone_is_known(),
            self.time_is_a_time(),
            self.percentiles_fall(),
            self.sample_counts_fall(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn zone_is_known(&self) -> Option<Broken> {
        self.zone.parse::<chrono_tz::Tz>().is_err().then(|| {
            Broken::new("zone", &self.zone, "a name from the IANA time zone database", "write zone = \"Europe/Berlin\"")
        })
    }

    fn time_is_a_time(&self) -> Option<Broken> {
        self.recalculation_minute().is_none().then(|| {
            Broken::new("recalculate_at", &self.recalculate_at, "00:00 to 23:59", "write recalculate_at = \"04:10\"")
        })
    }

    fn percentiles_fall(&self) -> Option<Broken> {
        let inside = self.severity_percentiles.iter().all(|p| (50.0..100.0).contains(p));
        (!inside || !self.severity_percentiles.is_sorted_by(|worse, milder| worse > milder)).then(|| {
            Broken::new(
                "severity_percentiles",
                format!("{:?}", self.severity_percentiles),
                "five falling percentiles from 50 to below 100, SEV1 first",
                "write severity_percentiles = [99.9, 99.0, 95.0, 90.0, 80.0]",
            )
        })
    }

    fn sample_counts_fall(&self) -> Option<Broken> {
        (!self.severity_min_samples.is_sorted_by(|worse, milder| worse >= milder)).then(|| {
            Broken::new(
                "severity_min_samples",
                format!("{:?}", self.severity_min_samples),
                "five counts that do not grow from SEV1 to SEV5",
                "write severity_min_samples = [5000, 500, 100, 50, 25]",
            )
        })
    }

    /// The calendar of the configured zone; UTC if the name is unknown, which [`Settings::broken`] reports.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        self.zone.parse().map_or(Calendar::utc(), Calendar::new)
    }

    #[must_use]
    pub const fn learn_after(&self) -> Micros {
        Micros::from_secs(self.learn_after_s)
    }

    /// Minutes after local midnight of the nightly recalculation.
    #[must_use]
    pub fn recalculation_minute(&self) -> Option<u32> {
        minute_of_day(&self.recalculate_at)
    }

    /// The newest moment at or before `now` at which the nightly recalculation was to run.
    #[must_use]
    pub fn last_recalculation(&self, now: Timestamp) -> Timestamp {
        let zone = self.calendar().zone();
        let minute = self.recalculation_minute().unwrap_or(0);
        let Some(utc) = DateTime::from_timestamp(now.secs(), 0) else { return now };
        let today = utc.with_timezone(&zone).date_naive();
        // Where the clocks skip that time, the night before stands in; where it comes twice, the first.
        (0..3)
            .filter_map(|back| {
                let day = today.checked_sub_days(Days::new(back))?;
                let local = day.and_hms_opt(minute / 60, minute % 60, 0)?;
                let at = zone.from_local_datetime(&local).earliest()?;
                Some(Timestamp::from_secs(at.timestamp()))
            })
            .find(|at| *at <= now)
            .unwrap_or(now)
    }

    #[must_use]
    pub fn rules(&self) -> CellRules {
        CellRules {
            min_samples: self.min_samples,
            cut_offs: std::array::from_fn(|index| CutOffRule {
                quantile: self.severity_percentiles.get(index).copied().unwrap_or(100.0) / 100.0,
                min_samples: self.severity_min_samples.get(index).copied().unwrap_or(u64::MAX),
            }),
            slow_by: Micros((self.slow_by_ms.max(0.0) * 1e3) as u64),
            clock: CLOCK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_keep_their_own_rules() {
        assert_eq!(Settings::default().broken(), []);
    }

    #[test]
    fn each_rule_names_its_key() {
        let broken = Settings {
            history_days: 0,
            min_samples: 1,
            zone: "Mars/Base".into(),
            recalculate_at: "4:10".into(),
            learn_after_s: 90_000,
            severity_percentiles: [80.0, 90.0, 95.0, 99.0, 99.9],
            severity_min_samples: [1, 2, 3, 4, 5],
            slow_by_ms: f64::NAN,
            max_operations_per_service: 0,
            max_keys: 0,
            fold_ids: true,
        }
        .broken();
        let mut keys: Vec<&str> = broken.iter().map(|b| b.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "history_days",
                "learn_after_s",
                "max_keys",
                "max_operations_per_service",
                "min_samples",
                "recalculate_at",
                "severity_min_samples",
                "severity_percentiles",
                "slow_by_ms",
                "zone"
            ]
        );
    }

    #[test]
    fn times_are_read_strictly() {
        let minute =
            |text: &str| Settings { recalculate_at: text.into(), ..Settings::default() }.recalculation_minute();
        assert_eq!(minute("04:10"), Some(250));
        for bad in ["24:00", "04:60", "0410", "", "4:1", "-1:00"] {
            assert_eq!(minute(bad), None, "{bad:?}");
        }
    }
}
