//! In which zone moments are written, and how they read.

use std::cmp::Ordering;

use chrono::offset::LocalResult;
use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::{OffsetName, Tz};
use serde::{Deserialize, Serialize};

use super::App;
use super::keymap::Action;
use crate::domain::{Calendar, Timestamp};

/// Whose time the screens show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeShown {
    #[default]
    Utc,
    /// That of the person's zone.
    Local,
}

/// Writes moments in one zone: in UTC with a `Z`; elsewhere as clocks there show them. A time that comes twice because
/// the clocks are put back has its offset behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    zone: Tz,
}

impl Clock {
    pub const UTC: Self = Self { zone: Tz::UTC };

    #[must_use]
    pub const fn new(zone: Tz) -> Self {
        Self { zone }
    }

    /// For times that are typed: they are meant as they are shown.
    #[must_use]
    pub const fn calendar(self) -> Calendar {
        Calendar::new(self.zone)
    }

    #[must_use]
    pub fn is_utc(self) -> bool {
        self.zone == Tz::UTC
    }

    /// What the zone is called at that moment: `UTC`, `CET`, or its offset such as `+05:30` where it has no letters.
    #[must_use]
    pub fn zone_at(self, at: Timestamp) -> String {
        let Some(local) = self.local(at) else { return String::new() };
        match local.offset().abbreviation() {
            Some(name) if name.chars().all(|c| c.is_ascii_alphabetic()) => name.to_owned(),
            _ => local.format("%:z").to_string(),
        }
    }

    /// The date, the minute and the zone: `Fri 20 Nov 03:12Z`, `Fri 20 Nov 04:12 CET`
    #[must_use]
    pub fn date_in_zone(self, at: Timestamp) -> String {
        self.in_zone(self.date(at), at)
    }

    /// The minute and the zone: `03:12Z`, `04:12 CET`
    #[must_use]
    pub fn short_in_zone(self, at: Timestamp) -> String {
        self.in_zone(self.short(at), at)
    }

    /// `Fri 20 Nov 03:12Z`
    #[must_use]
    pub fn date(self, at: Timestamp) -> String {
        self.write(at, "%a %-d %b %H:%M", "")
    }

    /// `Fri 20 Nov`
    #[must_use]
    pub fn day(self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |at| at.format("%a %-d %b").to_string())
    }

    /// `03:12Z`
    #[must_use]
    pub fn short(self, at: Timestamp) -> String {
        self.write(at, "%H:%M", "")
    }

    /// `03:04:10Z`; of a time that comes twice without its seconds, so that it needs no more room.
    #[must_use]
    pub fn time(self, at: Timestamp) -> String {
        self.write(at, "%H:%M", ":%S")
    }

    /// The second and the zone, where nothing else on the screen names it: `03:04:10Z`, `04:04:10 CET`
    #[must_use]
    pub fn time_in_zone(self, at: Timestamp) -> String {
        self.in_zone(self.time(at), at)
    }

    /// To the microsecond, for looking it up elsewhere: `2026-11-20 03:09:10.123456Z`,
    /// `2026-11-20 04:09:10.123456+01:00`
    #[must_use]
    pub fn exact(self, at: Timestamp) -> String {
        let offset = if self.is_utc() { "Z" } else { "%:z" };
        let form = format!("%Y-%m-%d %H:%M:%S%.6f{offset}");
        self.local(at).map_or_else(String::new, |at| at.format(&form).to_string())
    }

    /// From one minute or day to another: `03:08-03:12Z`
    #[must_use]
    pub fn stretch(self, from: &str, to: &str) -> String {
        let signed = |text: &str| text.contains(['+', '-']);
        let between = if signed(from) || signed(to) { " to " } else { "-" };
        format!("{}{between}{to}", from.trim_end_matches('Z'))
    }

    /// The first moment after `at` at which clocks of the zone show a whole number of steps since midnight, or since a
    /// midnight; `step_s` in seconds.
    #[must_use]
    pub fn next_round(self, at: Timestamp, step_s: i64) -> Timestamp {
        let offset = self.offset_s(at);
        let step_s = step_s.max(1);
        let next = ((at.secs() + offset).div_euclid(step_s) + 1) * step_s - offset;
        // The clocks may be put forward or back on the way.
        let moved = next + offset - self.offset_s(Timestamp::from_secs(next));
        match moved.cmp(&at.secs()) {
            Ordering::Greater => Timestamp::from_secs(moved),
            _ => Timestamp::from_secs(next),
        }
    }

    fn offset_s(self, at: Timestamp) -> i64 {
        self.local(at).map_or(0, |local| i64::from(local.offset().fix().local_minus_utc()))
    }

    fn in_zone(self, text: String, at: Timestamp) -> String {
        if self.is_utc() { text } else { format!("{text} {}", self.zone_at(at)) }
    }

    fn local(self, at: Timestamp) -> Option<DateTime<Tz>> {
        Some(DateTime::from_timestamp_micros(at.0)?.with_timezone(&self.zone))
    }

    /// Without the seconds, if there are any, where the time comes twice: its offset takes their place.
    fn write(self, at: Timestamp, minute: &str, seconds: &str) -> String {
        let Some(local) = self.local(at) else { return String::new() };
        let once = |at: &dyn Fn(&str) -> String| at(minute) + &at(seconds);
        let utc = |local: DateTime<Tz>| {
            let utc = local.with_timezone(&Utc);
            once(&|form| utc.format(form).to_string()) + "Z"
        };
        if self.is_utc() {
            return utc(local);
        }
        match self.zone.from_local_datetime(&local.naive_local()) {
            LocalResult::Ambiguous(..) => match local.offset().fix().local_minus_utc() {
                whole if whole % 3_600 == 0 => format!("{}{:+}", local.format(minute), whole / 3_600),
                // Half an hour has no short way to be written.
                _ => utc(local),
            },
            _ => once(&|form| local.format(form).to_string()),
        }
    }
}

impl App {
    /// Starts with the person's zone, and with its time or with UTC.
    #[must_use]
    pub fn with_zone(mut self, zone: Tz, shown: TimeShown) -> Self {
        self.zone = if zone == Tz::Etc__UTC { Tz::UTC } else { zone };
        self.view.time = shown;
        self
    }

    /// In which zone the screens show times.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        match self.view.time {
            TimeShown::Utc => Clock::UTC,
            TimeShown::Local => Clock::new(self.zone),
        }
    }

    pub(super) fn switch_clock(&mut self, now: Timestamp) {
        if self.zone == Tz::UTC {
            let hint = "All times are UTC: no other zone is known; write zone = \"Europe/Berlin\" under [ui].";
            self.say(hint, false, now);
            return;
        }
        self.view.time = match self.view.time {
            TimeShown::Utc => TimeShown::Local,
            TimeShown::Local => TimeShown::Utc,
        };
        let key = self.keys.key_of(Action::SwitchClock);
        let told = match self.view.time {
            TimeShown::Utc => format!("Times are UTC; {key} shows those of {}.", self.zone),
            TimeShown::Local => {
                format!("Times are those of {}, now {}; {key} shows UTC.", self.zone, self.clock().zone_at(now))
            }
        };
        self.say(told, false, now);
    }

    /// Builds a text for others, who may be in another zone: its times are UTC.
    pub(super) fn in_utc<T>(&mut self, text: impl FnOnce(&Self) -> T) -> T {
        let shown = std::mem::take(&mut self.view.time);
        let text = text(self);
        self.view.time = shown;
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Micros;

    const BERLIN: Clock = Clock::new(Tz::Europe__Berlin);
    const NEW_YORK: Clock = Clock::new(Tz::America__New_York);

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
    }

    #[test]
    fn a_moment_reads_as_clocks_there_show_it() {
        let moment = at("2026-11-20T03:12:44.123456Z");
        let all = |clock: Clock| {
            [
                clock.date(moment),
                clock.day(moment),
                clock.short(moment),
                clock.time(moment),
                clock.exact(moment),
                clock.date_in_zone(moment),
                clock.short_in_zone(moment),
            ]
            .join(" | ")
        };
        assert_eq!(
            all(Clock::UTC),
            "Fri 20 Nov 03:12Z | Fri 20 Nov | 03:12Z | 03:12:44Z | 2026-11-20 03:12:44.123456Z | Fri 20 Nov 03:12Z | \
             03:12Z"
        );
        assert_eq!(
            all(BERLIN),
            "Fri 20 Nov 04:12 | Fri 20 Nov | 04:12 | 04:12:44 | 2026-11-20 04:12:44.123456+01:00 | Fri 20 Nov 04:12 CET | \
             04:12 CET"
        );
        assert_eq!(
            all(NEW_YORK),
            "Thu 19 Nov 22:12 | Thu 19 Nov | 22:12 | 22:12:44 | 2026-11-19 22:12:44.123456-05:00 | Thu 19 Nov 22:12 EST | \
             22:12 EST"
        );
        assert_eq!(Clock::new(Tz::Asia__Kathmandu).zone_at(moment), "+05:45", "a zone without letters");
        assert_eq!(BERLIN.date(Timestamp(i64::MAX)), "", "no panic far in the future");
    }

    #[test]
    fn a_time_that_comes_twice_says_which_it_is() {
        for (clock, moment, time, short) in [
            (BERLIN, "2026-10-24T23:59:59Z", "01:59:59", "01:59"),
            (BERLIN, "2026-10-25T00:00:00Z", "02:00+2", "02:00+2"),
            (BERLIN, "2026-10-25T00:59:59Z", "02:59+2", "02:59+2"),
            (BERLIN, "2026-10-25T01:00:00Z", "02:00+1", "02:00+1"),
            (BERLIN, "2026-10-25T02:00:00Z", "03:00:00", "03:00"),
            (NEW_YORK, "2026-11-01T05:30:00Z", "01:30-4", "01:30-4"),
            (NEW_YORK, "2026-11-01T06:30:00Z", "01:30-5", "01:30-5"),
            (Clock::new(Tz::Australia__Lord_Howe), "2026-04-04T15:15:00Z", "15:15:00Z", "15:15Z"),
        ] {
            assert_eq!(
                (clock.time(at(moment)), clock.short(at(moment))),
                (time.to_owned(), short.to_owned()),
                "{moment}"
            );
        }
        assert_eq!(BERLIN.stretch("02:50+2", "02:00+1"), "02:50+2 to 02:00+1");
        assert_eq!(BERLIN.exact(at("2026-10-25T00:30:00.5Z")), "2026-10-25 02:30:00.500000+02:00");
        assert_eq!(BERLIN.date_in_zone(at("2026-10-25T00:30:00Z")), "Sun 25 Oct 02:30+2 CEST");
    }

    #[test]
    fn times_that_the_clocks_skip_are_never_shown() {
        assert_eq!(BERLIN.time(at("2026-03-29T00:59:59Z")), "01:59:59");
        assert_eq!(BERLIN.time(at("2026-03-29T01:00:00Z")), "03:00:00");
        assert_eq!(NEW_YORK.time(at("2026-03-08T07:00:00Z")), "03:00:00");
        assert_eq!(BERLIN.zone_at(at("2026-03-29T01:00:00Z")), "CEST");
    }

    fn rounds(clock: Clock, from: &str, step_s: i64, n: usize) -> String {
        let all =
            std::iter::successors(Some(clock.next_round(at(from), step_s)), |at| Some(clock.next_round(*at, step_s)));
        all.take(n).map(|at| clock.date(at)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn ticks_are_round_on_both_sides_of_a_change_of_the_clocks() {
        let day = 86_400;
        assert_eq!(
            rounds(BERLIN, "2026-10-24T12:00:00Z", day, 3),
            "Sun 25 Oct 00:00, Mon 26 Oct 00:00, Tue 27 Oct 00:00"
        );
        assert_eq!(
            rounds(BERLIN, "2026-03-28T12:00:00Z", day, 3),
            "Sun 29 Mar 00:00, Mon 30 Mar 00:00, Tue 31 Mar 00:00"
        );
        assert_eq!(
            rounds(NEW_YORK, "2026-11-01T03:30:00Z", 3 * 3_600, 3),
            "Sun 1 Nov 00:00, Sun 1 Nov 03:00, Sun 1 Nov 06:00"
        );
        assert_eq!(
            rounds(Clock::UTC, "2026-11-20T00:00:00Z", 600, 2),
            "Fri 20 Nov 00:10Z, Fri 20 Nov 00:20Z",
            "after the moment, not at it"
        );
    }

    proptest! {
        /// The axis of a plot ends: each tick is later than the one before, and never further off than a step and a change.
        #[test]
        fn ticks_go_on(secs in 0i64..4_000_000_000, step in proptest::sample::select(vec![600i64, 3_600, 10_800, 86_400])) {
            let from = Timestamp::from_secs(secs);
            for clock in [Clock::UTC, BERLIN, NEW_YORK, Clock::new(Tz::Asia__Kolkata), Clock::new(Tz::Australia__Lord_Howe)] {
                let next = clock.next_round(from, step);
                prop_assert!(next > from);
                prop_assert!(next.since(from) <= Micros::from_secs(step as u64 + 7_200), "{clock:?} {secs} {step}");
            }
        }
    }
}
