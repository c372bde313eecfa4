//! What is abnormal is not learnt: incidents and maintenance, over restarts and back-fill.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/cart.rs"]
mod cart;
#[path = "common/clockwork.rs"]
mod clockwork;

use std::path::Path;

use spanwatch::baseline::{KeyBuilder, Maintenance, SeriesKey, gaps, without};
use spanwatch::domain::{Calendar, HourOfWeek, Level, Micros, TimeWindow, Trace};

use cart::{Cart, HOUR, at, key, window};
use clockwork::{Clockwork, Traffic};

/// What was learnt before the watch begins.
const LEARNT: i64 = 3 * HOUR;

fn start(dir: &Path, now: i64, fault: TimeWindow, maintenance: &[Maintenance]) -> Clockwork<Cart> {
    Clockwork::start(dir, at(now), Cart(vec![(fault, 30)]), maintenance)
}

/// With three hours of history, and baselines of them.
fn begin(dir: &Path, fault: TimeWindow, maintenance: &[Maintenance]) -> Clockwork<Cart> {
    let mut monitor = start(dir, 0, fault, maintenance);
    monitor.back_fill(at(-LEARNT));
    monitor.recalculate();
    monitor
}

/// Asserts that every call outside the left-out stretches was learnt, once, and returns how long those are, in
/// seconds, and how many slow calls were learnt all the same.
fn learnt(monitor: &Clockwork<Cart>, from: i64) -> (u64, u64) {
    let ledger = monitor.store.ledger().unwrap();
    assert_eq!(ledger.known.len(), 1, "what is left out is known: {:?}", ledger.known);
    let learnt = without(&gaps(&gaps(&ledger.known, window(from, 1 << 30)), window(from, 1 << 30)), &ledger.excluded);
    let calls: Vec<Trace> = learnt.iter().flat_map(|window| monitor.traffic.starting_in(*window)).collect();
    let mut builder = KeyBuilder::new(Calendar::utc());
    let series = SeriesKey::duration(key());
    let all = monitor.store.distribution(&series, Level::Global, HourOfWeek::new(0, 0), &mut builder).unwrap();
    assert_eq!(all.count(), calls.len() as u64);
    let slow = calls.iter().filter(|trace| trace.spans[0].duration > Micros(100_000)).count() as u64;
    let longest = all.quantile(1.0).unwrap();
    assert_eq!(longest > 100_000.0, slow > 0, "the store says what these stretches say: {longest} us");
    (ledger.excluded.iter().map(|window| window.length().secs()).sum(), slow)
}

#[test]
fn an_incident_is_not_learnt() {
    let dir = tempfile::tempdir().unwrap();
    let fault = window(1_815, 2_115);
    let mut monitor = begin(dir.path(), fault, &[]);
    monitor.run_until(at(2 * HOUR));
    assert!(!monitor.raised.is_empty(), "the fault was alerted");
    assert!(monitor.raised.iter().all(|alert| alert.onset >= fault.from && alert.closed.is_none()));
    let (excluded, slow) = learnt(&monitor, -LEARNT);
    assert_eq!(slow, 0, "no slow call was learnt");
    assert!((300..1_500).contains(&excluded), "{excluded} s were left out for a fault of 300 s");
}

#[test]
fn a_restart_and_back_fill_leave_out_what_the_run_before_found_abnormal() {
    let fault = window(1_815, 2_115);
    // The second run goes on where the first ended; after two hours back-fill reads what lies between.
    for pause in [30, 2 * HOUR] {
        let dir = tempfile::tempdir().unwrap();
        let mut monitor = begin(dir.path(), fault, &[]);
        monitor.run_until(at(2_100));
        let raised = monitor.raised.iter().map(|alert| alert.id).max();
        assert!(raised.is_some());
        drop(monitor);
        let mut monitor = start(dir.path(), 2_100 + pause, fault, &[]);
        monitor.back_fill(at(-LEARNT));
        monitor.run_until(at(4 * HOUR));
        assert!(monitor.raised.iter().all(|alert| Some(alert.id) > raised), "numbers go on");
        let (excluded, slow) = learnt(&monitor, -LEARNT);
        // The last calls of the fault came when nobody watched.
        let unseen = if pause > 60 { 15 + 60 } else { 0 };
        assert!(slow <= unseen, "{slow} slow calls were learnt after a pause of {pause} s");
        assert!((200..1_500).contains(&excluded), "{excluded} s");
    }
}

#[test]
fn what_stays_is_learnt_after_six_hours() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), window(1_800, 100 * HOUR), &[]);
    monitor.run_until(at(8 * HOUR));
    let (excluded, slow) = learnt(&monitor, -LEARNT);
    assert!((6 * HOUR..6 * HOUR + 600).contains(&(excluded as i64)), "{excluded} s");
    assert!(slow > 2_000, "{slow} calls as they are now were learnt");
}

fn maintenance(services: &[&str]) -> Maintenance {
    let services = services.iter().map(|service| (*service).to_owned()).collect();
    Maintenance {
        name: "backup".into(),
        days: vec!["Fri".into()],
        at: "09:30".into(),
        for_minutes: 10,
        services,
        ..Maintenance::default()
    }
}

#[test]
fn maintenance_is_neither_alerted_nor_learnt() {
    let fault = window(1_805, 2_340);
    for (services, alerts) in [(&[][..], false), (&["cart"], false), (&["stock"], true)] {
        let dir = tempfile::tempdir().unwrap();
        let mut monitor = begin(dir.path(), fault, &[maintenance(services)]);
        monitor.run_until(at(2 * HOUR));
        assert_eq!(!monitor.raised.is_empty(), alerts, "{services:?}: {:?}", monitor.raised);
        let (excluded, slow) = learnt(&monitor, -LEARNT);
        assert_eq!(slow, 0, "{services:?}");
        assert!(excluded == 600 || alerts, "{services:?}: {excluded} s");
    }
}

#[test]
fn maintenance_in_the_past_is_not_learnt_by_back_fill() {
    let dir = tempfile::tempdir().unwrap();
    // 07:00 to 07:20 on the same day.
    let move_of_data = Maintenance {
        name: "move".into(),
        from: "2026-11-20T07:00:00Z".into(),
        to: "2026-11-20T07:20:00Z".into(),
        ..Maintenance::default()
    };
    let monitor = begin(dir.path(), window(-2 * HOUR, -2 * HOUR + 1_200), &[move_of_data]);
    assert_eq!(learnt(&monitor, -LEARNT), (1_200, 0));
}

#[test]
fn how_quiet_each_hour_was_is_written_down_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    // The restart is in the same hour, whose rest is quiet.
    let fault = window(2 * HOUR + 215, 2 * HOUR + 515);
    let mut monitor = begin(dir.path(), fault, &[]);
    monitor.run_until(at(3 * HOUR - 600));
    drop(monitor);
    let mut monitor = start(dir.path(), 3 * HOUR - 600, fault, &[]);
    monitor.run_until(at(4 * HOUR));
    let hours = monitor.store.quiet_hours().unwrap();
    // The first rounds judge what ended before the watch began.
    let watched = hours.iter().filter(|hour| hour.hour.start() >= at(0));
    let quiet: Vec<bool> = watched.map(|hour| hour.smallest.is_some()).collect();
    assert_eq!(quiet, [true, true, false, true], "in the third hour something was alerted");
    assert!(hours.iter().flat_map(|hour| &hour.near).all(|miss| miss.numbers.log10_chance >= miss.numbers.log10_alpha));
}
