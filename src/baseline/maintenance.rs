//! Maintenance windows: what is done on purpose is neither learnt nor alerted.

use std::sync::Arc;

use chrono::{DateTime, Datelike};
use serde::{Deserialize, Serialize};

use crate::domain::{Broken, Calendar, Micros, TimeWindow, Timestamp};

use super::coming::Coming;
use super::ledger::unite;
use super::settings::minute_of_day;

/// One `[[maintenance]]` of the configuration: once, with `from` and `to`, or every week, with `days`, `at` and
/// `for_minutes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Maintenance {
    /// What is done then, for people.
    pub name: String,
    /// Once: when it begins, as in "2026-11-20T22:00:00+01:00".
    pub from: String,
    /// Once: when it ends.
    pub to: String,
    /// Every week: the days on which it begins, as in ["Sat", "Sun"].
    pub days: Vec<String>,
    /// Every week: the local time at which it begins, HH:MM, in the zone of the baselines.
    pub at: String,
    /// Every week: how long it takes, in minutes.
    pub for_minutes: u32,
    /// Services of which no alert is raised while it lasts; empty for all. Whatever they are, nothing is learnt then.
    pub services: Vec<String>,
}

const DAY_NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MOST_MINUTES: u32 = 1_440;

fn moment(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| Timestamp(at.timestamp_micros()))
}

fn day_number(name: &str) -> Option<u8> {
    DAY_NAMES.iter().position(|day| *day == name).map(|number| number as u8)
}

impl Maintenance {
    const fn is_weekly(&self) -> bool {
        !self.days.is_empty() || !self.at.is_empty() || self.for_minutes > 0
    }

    const fn is_once(&self) -> bool {
        !self.from.is_empty() || !self.to.is_empty()
    }

    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let unnamed = self
            .name
            .trim()
            .is_empty()
            .then(|| Broken::new("name", "\"\"", "a few words", "write name = \"database backup\""));
        let times = match (self.is_once(), self.is_weekly()) {
            (true, false) => self.once_broken(),
            (false, true) => self.weekly_broken(),
            (both, _) => vec![Broken::new(
                "from",
                if both { "both from, to and days, at, for_minutes" } else { "no time at all" },
                "either from and to, or days, at and for_minutes",
                "write days = [\"Sun\"], at = \"02:00\", for_minutes = 120",
            )],
        };
        unnamed.into_iter().chain(times).collect()
    }

    fn once_broken(&self) -> Vec<Broken> {
        let unread = |key: &str, text: &str| {
            moment(text).is_none().then(|| {
                let hint = format!("write {key} = \"2026-11-20T22:00:00Z\"");
                Broken::new(key, format!("{text:?}"), "a time with its zone", hint)
            })
        };
        let mut broken: Vec<Broken> = unread("from", &self.from).into_iter().chain(unread("to", &self.to)).collect();
        if broken.is_empty() && moment(&self.from) >= moment(&self.to) {
            broken.push(Broken::new("to", format!("{:?}", self.to), "a time after from", "write the later time in to"));
        }
        broken
    }

    fn weekly_broken(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        if self.days.is_empty() || self.days.iter().any(|day| day_number(day).is_none()) {
            let allowed = format!("a list of {}", DAY_NAMES.join(", "));
            broken.push(Broken::new("days", format!("{:?}", self.days), allowed, "write days = [\"Sun\"]"));
        }
        if minute_of_day(&self.at).is_none() {
            broken.push(Broken::new("at", format!("{:?}", self.at), "00:00 to 23:59", "write at = \"02:00\""));
        }
        broken.extend(Broken::unless_within("for_minutes", self.for_minutes, (1, MOST_MINUTES), "minutes", 120));
        broken
    }
}

/// When one of them is.
#[derive(Debug, Clone)]
enum Times {
    Once(TimeWindow),
    /// Days from Monday, minutes after local midnight, and how long.
    Weekly {
        days: Vec<u8>,
        minute: u32,
        length: Micros,
    },
}

#[derive(Debug, Clone)]
struct Planned {
    name: String,
    times: Times,
    services: Vec<Arc<str>>,
}

/// All maintenance windows, ready to be asked.
#[derive(Debug, Clone)]
pub struct MaintenancePlan {
    calendar: Calendar,
    planned: Vec<Planned>,
}

impl MaintenancePlan {
    /// What [`Maintenance::broken`] complains of is left out.
    #[must_use]
    pub fn new(all: &[Maintenance], calendar: Calendar) -> Self {
        let planned = all.iter().filter_map(|one| {
            let times = if one.is_weekly() {
                Times::Weekly {
                    days: one.days.iter().filter_map(|day| day_number(day)).collect(),
                    minute: minute_of_day(&one.at)?,
                    length: Micros::from_secs(u64::from(one.for_minutes) * 60),
                }
            } else {
                Times::Once(TimeWindow::new(moment(&one.from)?, moment(&one.to)?))
            };
            let services = one.services.iter().map(|service| Arc::from(service.as_str())).collect();
            Some(Planned { name: one.name.clone(), times, services })
        });
        Self { calendar, planned: planned.collect() }
    }

    /// Every stretch of maintenance that overlaps a window; disjoint and ascending.
    #[must_use]
    pub fn within(&self, window: TimeWindow) -> Vec<TimeWindow> {
        let mut all = Vec::new();
        for planned in &self.planned {
            for stretch in self.stretches(&planned.times, window) {
                unite(&mut all, stretch);
            }
        }
        all
    }

    /// Whether some maintenance that overlaps this window is of one of these services, or of all.
    #[must_use]
    pub fn is_of<'a>(&self, window: TimeWindow, services: impl Iterator<Item = &'a Arc<str>> + Clone) -> bool {
        self.planned.iter().any(|Planned { times, services: of, .. }| {
            (of.is_empty() || services.clone().any(|service| of.contains(service)))
                && !self.stretches(times, window).is_empty()
        })
    }

    /// Each of them with its next stretch, in the order of the configuration.
    #[must_use]
    pub fn coming(&self, now: Timestamp) -> Vec<Coming> {
        // Eight days hold every weekly time, also when the clocks change.
        let ahead = TimeWindow::new(now, now + Micros::from_secs(8 * 86_400));
        let coming = |planned: &Planned| Coming {
            name: planned.name.clone(),
            services: planned.services.clone(),
            next: match &planned.times {
                Times::Once(stretch) => Some(*stretch).filter(|stretch| stretch.to > now),
                Times::Weekly { .. } => self.stretches(&planned.times, ahead).first().copied(),
            },
            weekly: matches!(planned.times, Times::Weekly { .. }),
        };
        self.planned.iter().map(coming).collect()
    }

    fn stretches(&self, times: &Times, window: TimeWindow) -> Vec<TimeWindow> {
        let overlaps = |stretch: &TimeWindow| stretch.from < window.to && window.from < stretch.to;
        match times {
            Times::Once(stretch) => Some(*stretch).filter(overlaps).into_iter().collect(),
            Times::Weekly { days, minute, length } => {
                let (Some(first), Some(last)) =
                    (self.calendar.day(window.from - *length), self.calendar.day(window.to))
                else {
                    return Vec::new();
                };
                first
                    .iter_days()
                    .take_while(|day| *day <= last)
                    .filter(|day| days.contains(&(day.weekday().num_days_from_monday() as u8)))
                    .filter_map(|day| self.calendar.moment(day, *minute))
                    .map(|from| TimeWindow::new(from, from + *length))
                    .filter(overlaps)
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        moment(text).unwrap()
    }

    fn window(from: &str, to: &str) -> TimeWindow {
        TimeWindow::new(at(from), at(to))
    }

    fn weekly(days: &[&str], begins: &str, for_minutes: u32) -> Maintenance {
        Maintenance {
            name: "backup".into(),
            days: days.iter().map(|day| (*day).to_owned()).collect(),
            at: begins.into(),
            for_minutes,
            ..Maintenance::default()
        }
    }

    fn once(from: &str, to: &str) -> Maintenance {
        Maintenance { name: "move".into(), from: from.into(), to: to.into(), ..Maintenance::default() }
    }

    fn plan(all: &[Maintenance], zone: chrono_tz::Tz) -> MaintenancePlan {
        assert!(all.iter().all(|one| one.broken().is_empty()));
        MaintenancePlan::new(all, Calendar::new(zone))
    }

    #[test]
    fn weekly_windows_follow_the_zone_over_midnight_and_both_changes_of_the_clocks() {
        let berlin = plan(&[weekly(&["Sun"], "02:30", 60)], chrono_tz::Europe::Berlin);
        for (from, to, expected) in [
            // An ordinary Sunday.
            ("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", Some("2026-11-22T01:30:00Z")),
            // 02:30 comes twice.
            ("2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z", Some("2026-10-25T00:30:00Z")),
            // 02:30 is skipped: 03:30.
            ("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z", Some("2026-03-29T01:30:00Z")),
            ("2026-11-23T00:00:00Z", "2026-11-29T00:00:00Z", None),
        ] {
            let found = berlin.within(window(from, to));
            let expected: Vec<_> = expected
                .map(|from| TimeWindow::new(at(from), at(from) + Micros::from_secs(3_600)))
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{from}");
        }
        let late = plan(&[weekly(&["Sat"], "23:00", 180)], chrono_tz::UTC);
        let sunday = window("2026-11-22T01:00:00Z", "2026-11-22T01:10:00Z");
        assert_eq!(late.within(sunday), [window("2026-11-21T23:00:00Z", "2026-11-22T02:00:00Z")]);
        assert_eq!(late.within(window("2026-11-22T02:00:00Z", "2026-11-22T03:00:00Z")), [], "it ends at two");
    }

    #[test]
    fn some_services_or_all_are_meant() {
        let some =
            Maintenance { services: vec!["cart".into()], ..once("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z") };
        let plan = plan(&[some, weekly(&["Fri"], "12:00", 30)], chrono_tz::UTC);
        let (cart, mail): (Arc<str>, Arc<str>) = ("cart".into(), "mail".into());
        let during = window("2026-11-20T10:59:40Z", "2026-11-20T11:00:00Z");
        assert!(plan.is_of(during, [&mail, &cart].into_iter()));
        assert!(!plan.is_of(during, [&mail].into_iter()));
        assert!(plan.is_of(window("2026-11-20T12:29:00Z", "2026-11-20T12:30:00Z"), [&mail].into_iter()));
        assert!(!plan.is_of(window("2026-11-20T12:30:00Z", "2026-11-20T12:31:00Z"), [&mail].into_iter()));
    }

    #[test]
    fn the_running_or_the_next_one_is_told_in_the_zone() {
        let berlin = plan(
            &[
                weekly(&["Sun", "Fri"], "02:30", 60),
                once("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z"),
                once("2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z"),
            ],
            chrono_tz::Europe::Berlin,
        );
        let next = |now: &str| berlin.coming(at(now)).into_iter().map(|one| one.next).collect::<Vec<_>>();
        let first = window("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z");
        let friday = window("2026-11-20T01:30:00Z", "2026-11-20T02:30:00Z");
        assert_eq!(next("2026-11-20T02:00:00Z"), [Some(friday), Some(first), None], "it runs");
        let sunday = window("2026-11-22T01:30:00Z", "2026-11-22T02:30:00Z");
        assert_eq!(next("2026-11-20T02:30:00Z")[0], Some(sunday));
        assert_eq!(berlin.coming(at("2026-11-20T02:30:00Z"))[0].name, "backup");
    }

    #[test]
    fn each_rule_names_its_key() {
        let keys = |one: Maintenance| -> Vec<String> { one.broken().into_iter().map(|broken| broken.key).collect() };
        assert_eq!(keys(Maintenance::default()), ["name", "from"], "no name, no time");
        assert_eq!(keys(once("tomorrow", "")), ["from", "to"]);
        assert_eq!(keys(once("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z")), ["to"]);
        assert_eq!(keys(weekly(&["Sunday"], "2:00", 1_441)), ["days", "at", "for_minutes"]);
        let both = Maintenance { from: "2026-11-20T10:00:00Z".into(), ..weekly(&["Sun"], "02:00", 10) };
        assert_eq!(keys(both), ["from"]);
    }
}
