//! Which hour of the week a moment belongs to, in the user's time zone.

use std::fmt;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, TimeZone, Timelike};
use serde::{Deserialize, Serialize};

use super::{Micros, Timestamp};

/// Hours since the Unix epoch, UTC: the grain in which samples are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcHour(pub i32);

/// One of the 168 hours of a week: 0 is Monday 00h, 167 is Sunday 23h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HourOfWeek(u8);

/// Maps UTC hours to hours of the week in one time zone.
///
/// The bucket of a moment is the local bucket of the *start of its UTC hour*, for learning and judging alike: zones with
/// half-hour offsets and daylight saving then need no special case, and a changed zone needs no re-learning.
#[derive(Debug, Clone, Copy)]
pub struct Calendar {
    zone: chrono_tz::Tz,
}

impl UtcHour {
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let hours = at.0.div_euclid(3_600_000_000);
        Self(i32::try_from(hours).unwrap_or(if hours < 0 { i32::MIN } else { i32::MAX }))
    }

    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 as i64 * 3_600_000_000)
    }

    /// Days since the epoch, UTC.
    #[must_use]
    pub const fn day(self) -> i32 {
        self.0.div_euclid(24)
    }

    #[must_use]
    pub const fn hour_of_day(self) -> u8 {
        self.0.rem_euclid(24) as u8
    }
}

impl HourOfWeek {
    pub const COUNT: usize = 168;

    /// `day` 0 is Monday. Values out of range wrap.
    #[must_use]
    pub const fn new(day: u8, hour: u8) -> Self {
        Self((day % 7) * 24 + hour % 24)
    }

    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// 0 is Monday.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.0 / 24
    }

    #[must_use]
    pub const fn hour(self) -> u8 {
        self.0 % 24
    }

    /// The weekday in full, as sentences use it.
    #[must_use]
    pub const fn day_name(self) -> &'static str {
        match self.day() {
            0 => "Monday",
            1 => "Tuesday",
            2 => "Wednesday",
            3 => "Thursday",
            4 => "Friday",
            5 => "Saturday",
            _ => "Sunday",
        }
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }
}

/// `Fri 03h`
impl fmt::Display for HourOfWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}h", &self.day_name()[..3], self.hour())
    }
}

impl Calendar {
    #[must_use]
    pub const fn new(zone: chrono_tz::Tz) -> Self {
        Self { zone }
    }

    #[must_use]
    pub const fn utc() -> Self {
        Self { zone: chrono_tz::UTC }
    }

    #[must_use]
    pub const fn zone(&self) -> chrono_tz::Tz {
        self.zone
    }

    #[must_use]
    pub fn bucket(&self, hour: UtcHour) -> HourOfWeek {
        let Some(utc) = DateTime::from_timestamp(hour.start().secs(), 0) else {
            return HourOfWeek(0);
        };
        let local = utc.with_timezone(&self.zone);
        HourOfWeek::new(local.weekday().num_days_from_monday() as u8, local.hour() as u8)
    }

    /// Minutes after local midnight.
    #[must_use]
    pub fn minute_of_day(&self, at: Timestamp) -> u16 {
        let utc = DateTime::from_timestamp(at.secs(), 0).unwrap_or_default();
        let local = utc.with_timezone(&self.zone);
        (local.hour() * 60 + local.minute()) as u16
    }

    /// The local day.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Option<NaiveDate> {
        Some(DateTime::from_timestamp(at.secs(), 0)?.with_timezone(&self.zone).date_naive())
    }

    /// A local time of a day, in minutes after midnight. Where it comes twice, the first; where the clocks skip it, an hour
    /// later.
    #[must_use]
    pub fn moment(&self, day: NaiveDate, minute: u32) -> Option<Timestamp> {
        let local = day.and_hms_opt(minute / 60, minute % 60, 0)?;
        let at = self
            .zone
            .from_local_datetime(&local)
            .earliest()
            .or_else(|| self.zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest())?;
        Some(Timestamp::from_secs(at.timestamp()))
    }

    /// When clocks next show this minute of the day, after `now`.
    #[must_use]
    pub fn next(&self, minute: u16, now: Timestamp) -> Timestamp {
        let days = self.day(now).into_iter().flat_map(|today| today.iter_days().take(3));
        let mut moments = days.filter_map(|day| self.moment(day, u32::from(minute)));
        moments.find(|at| *at > now).unwrap_or(now + Micros::from_secs(86_400))
    }

    /// Whether the zone's offset changed within the week before `at`, or within the day after it.
    #[must_use]
    pub fn has_shifted(&self, at: Timestamp) -> bool {
        let offset = |at: Timestamp| {
            let utc = at.secs().div_euclid(60).rem_euclid(1_440);
            (i64::from(self.minute_of_day(at)) - utc).rem_euclid(1_440)
        };
        offset(at) != offset(at - Micros::from_secs(7 * 86_400)) || offset(at) != offset(at + Micros::from_secs(86_400))
    }

    /// The hour in which clocks showed the same so many weeks before: over a change of the clocks not 168 hours each. Where
    /// that time came twice, the first; where the clocks skipped it, the one after.
    #[must_use]
    pub fn weeks_before(&self, hour: UtcHour, weeks: u8) -> Option<UtcHour> {
        let day = self.day(hour.start())?.checked_sub_days(Days::new(u64::from(weeks) * 7))?;
        Some(UtcHour::of(self.moment(day, u32::from(self.minute_of_day(hour.start())))?))
    }

    #[must_use]
    pub fn bucket_at(&self, at: Timestamp) -> HourOfWeek {
        self.bucket(UtcHour::of(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
    }

    #[test]
    fn the_bucket_is_that_of_the_start_of_the_utc_hour() {
        let utc = Calendar::utc();
        assert_eq!(utc.bucket_at(at("2026-11-20T03:59:59.999999Z")).to_string(), "Fri 03h");
        let kolkata = Calendar::new(chrono_tz::Asia::Kolkata);
        assert_eq!(kolkata.bucket_at(at("2026-11-20T03:59:59Z")).to_string(), "Fri 08h");
        assert_eq!(kolkata.bucket_at(at("2026-11-20T04:00:00Z")).to_string(), "Fri 09h");
    }

    #[test]
    fn daylight_saving_follows_the_utc_instant() {
        let berlin = Calendar::new(chrono_tz::Europe::Berlin);
        let spring: Vec<u8> = (0..3).map(|h| berlin.bucket_at(at(&format!("2026-03-29T0{h}:00:00Z"))).hour()).collect();
        assert_eq!(spring, [1, 3, 4], "02h does not exist that night");
        let autumn: Vec<u8> = (0..3).map(|h| berlin.bucket_at(at(&format!("2026-10-25T0{h}:00:00Z"))).hour()).collect();
        assert_eq!(autumn, [2, 2, 3], "02h comes twice that night");
    }

    #[test]
    fn weeks_before_are_weeks_of_the_clock() {
        let berlin = Calendar::new(chrono_tz::Europe::Berlin);
        let before = |text: &str, weeks| berlin.weeks_before(UtcHour::of(at(text)), weeks).unwrap().start();
        // The clocks went back on 25 October: 09h was 07:00Z before and is 08:00Z after.
        assert_eq!(before("2026-10-27T08:00:00Z", 1), at("2026-10-20T07:00:00Z"));
        assert_eq!(before("2026-11-20T08:00:00Z", 1), at("2026-11-13T08:00:00Z"));
        assert_eq!(before("2026-11-20T08:00:00Z", 4), at("2026-10-23T07:00:00Z"));
        // 02h of 29 March was skipped, and 02h of 25 October came twice.
        assert_eq!(before("2026-04-05T00:00:00Z", 1), at("2026-03-29T01:00:00Z"));
        assert_eq!(before("2026-11-01T01:00:00Z", 1), at("2026-10-25T00:00:00Z"));
        for (text, weeks) in [("2026-10-27T08:00:00Z", 1), ("2026-04-01T08:00:00Z", 3)] {
            let hour = UtcHour::of(at(text));
            assert_eq!(berlin.bucket(berlin.weeks_before(hour, weeks).unwrap()), berlin.bucket(hour));
        }
    }

    #[test]
    fn absurd_times_stay_in_range() {
        for us in [i64::MIN, -1, 0, i64::MAX] {
            assert!(Calendar::utc().bucket_at(Timestamp(us)).index() < HourOfWeek::COUNT);
        }
    }
}
