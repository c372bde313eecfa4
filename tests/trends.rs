//! What the page of an operation over time is told: against the very calls that were made, after a restart, across a gap,
//! and across a change of the clocks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/clockwork.rs"]
mod clockwork;

use std::collections::BTreeMap;
use std::path::Path;

use spanwatch::baseline::{self, Counts, Ledger};
use spanwatch::detect;
use spanwatch::domain::{
    Attributes, Bins, Calendar, Micros, Severity, Span, SpanId, SpanKey, SpanKind, TimeWindow, Timestamp, Trace,
    TraceId, UtcHour, bin_of,
};
use spanwatch::engine::{Engine, Input, Output, Resumed, StoredTrends};
use spanwatch::messages::{TrendRange, TrendSource, TrendsView, TrendsWanted, UpdateBody};

use clockwork::{Clockwork, Traffic};

const HOUR: i64 = 3_600;
/// Friday 2026-11-20T09:00:00Z
const START: i64 = 1_795_165_200;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn window(from: i64, to: i64) -> TimeWindow {
    TimeWindow::new(at(from), at(to))
}

fn key() -> SpanKey {
    SpanKey::new("shop", "GET /", SpanKind::Server)
}

/// Somebody looks every five seconds. Within the fault two of three wait for half a second more, and every tenth fails.
#[derive(Debug, Clone)]
struct Shop {
    fault: TimeWindow,
}

const EVERY: i64 = 5;

impl Shop {
    fn visit(&self, number: i64) -> Span {
        let start = at(number * EVERY);
        let slow = self.fault.contains(start);
        let wait = if slow && number.rem_euclid(3) > 0 { 500_000 } else { 0 };
        Span {
            id: SpanId(1),
            parent: None,
            key: key(),
            start,
            duration: Micros(20_000 + number.rem_euclid(97) as u64 * 150 + wait),
            error: slow && number.rem_euclid(10) == 0,
            attributes: Attributes::default(),
            resource: std::sync::Arc::default(),
        }
    }

    /// The calls that ended within a window: durations in order, and how many failed.
    fn ended_in(&self, window: TimeWindow) -> (Vec<u64>, u64) {
        let from = (window.from.secs() - START).div_euclid(EVERY) - 2;
        let to = (window.to.secs() - START).div_euclid(EVERY) + 2;
        let calls = (from..to).map(|number| self.visit(number)).filter(|span| window.contains(span.end()));
        let calls: Vec<Span> = calls.collect();
        let mut durations: Vec<u64> = calls.iter().map(|span| span.duration.0).collect();
        durations.sort_unstable();
        (durations, calls.iter().filter(|span| span.error).count() as u64)
    }
}

impl Traffic for Shop {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace> {
        let number = |at: Timestamp| (at.0 - START * 1_000_000 + EVERY * 1_000_000 - 1).div_euclid(EVERY * 1_000_000);
        let trace = |number: i64| Trace { id: TraceId((number + 10_000_000) as u128), spans: vec![self.visit(number)] };
        (number(window.from)..number(window.to)).map(trace).collect()
    }
}

/// With a day of history and baselines of it, watched for so many seconds.
fn watched(dir: &Path, fault: TimeWindow, secs: i64) -> Clockwork<Shop> {
    let mut monitor = Clockwork::start(dir, at(0), Shop { fault }, &[]);
    monitor.back_fill(at(-24 * HOUR));
    monitor.recalculate();
    monitor.run_until(at(secs));
    monitor
}

fn asked(monitor: &mut Clockwork<Shop>, range: TrendRange) -> TrendsView {
    let wanted = TrendsWanted { key: key(), range, columns: 111, days: true };
    monitor.message(Input::TrendsAsked(Some(wanted)));
    told(monitor)
}

fn told(monitor: &Clockwork<Shop>) -> TrendsView {
    let view = monitor.told.iter().find_map(|body| match body {
        UpdateBody::Trends(view) => Some((**view).clone()),
        _ => None,
    });
    view.unwrap()
}

fn assert_near(told: Micros, exact: u64) {
    let exact = exact as f64;
    assert!((told.0 as f64 - exact).abs() <= exact * 0.13, "{told} for {exact} us");
}

#[test]
fn columns_count_the_very_calls_by_the_minute_and_restarts_and_gaps_are_no_zeroes() {
    let dir = tempfile::tempdir().unwrap();
    let fault = window(5 * HOUR - 1_800, 5 * HOUR);
    let mut monitor = watched(dir.path(), fault, 6 * HOUR + 1_200);

    let view = asked(&mut monitor, TrendRange::SixHours);
    assert_eq!((view.step, view.columns.len(), view.stored), (Micros::from_secs(240), 90, true));
    for column in &view.columns[..89] {
        let (durations, errors) = monitor.traffic.ended_in(column.window);
        assert_eq!(column.source, TrendSource::Minutes);
        assert_eq!((column.numbers.n, column.errors), (durations.len() as u64, errors), "{:?}", column.window);
        let [p50, _, p99] = column.numbers.percentiles.unwrap();
        assert_near(p50, durations[(durations.len() - 1) / 2]);
        assert_near(p99, durations[durations.len() - 1]);
        assert!((column.numbers.per_s - 1.0 / EVERY as f64).abs() < 0.01, "{}", column.numbers.per_s);
        let faulty = fault.contains(column.window.from) && column.window.to <= fault.to;
        let calm = column.window.to <= fault.from || column.window.from > fault.to;
        assert!((!faulty || column.outside) && (!calm || !column.outside), "{column:?}");
        assert!(column.groups.is_none(), "48 calls are too few for groups");
    }
    let normal = view.columns[20].normal.unwrap();
    assert!((normal.per_s - 0.2).abs() < 0.01 && normal.p99 > normal.p50, "{normal:?}");
    let alert = view.alerts.iter().find(|alert| fault.contains(alert.onset)).unwrap();
    assert!(alert.closed.is_some() && alert.severity.is_at_least(Severity::Sev3), "{alert:?}");
    let slow = view.columns.iter().find(|column| fault.contains(column.window.from)).unwrap();
    assert!(!slow.slow.is_empty() && slow.slow.is_sorted_by_key(|anomaly| std::cmp::Reverse(anomaly.duration)));
    let today = view.days.last().unwrap();
    assert!(
        today.hours[13].0.is_some() && today.hours[13].1 > 20 && today.hours[11].0.is_none() && today.hours[11].1 < 20,
        "{today:?}"
    );

    // Two groups show where there are calls enough.
    let day = asked(&mut monitor, TrendRange::Day);
    let slow = day.column_at(at(5 * HOUR - 600)).unwrap();
    let [fast, waits] = slow.groups.unwrap();
    assert!((fast.share - 1.0 / 3.0).abs() < 0.02 && (waits.share - 2.0 / 3.0).abs() < 0.02, "{fast:?} {waits:?}");
    assert!(day.columns[0].source == TrendSource::Hours && day.columns[0].numbers.n == 720, "{:?}", day.columns[0]);
    let unlearnt = day.columns.iter().filter(|column| column.source == TrendSource::Hours);
    assert!(unlearnt.map(|column| column.errors).sum::<u64>() == 0);

    // Nothing new, nothing told.
    monitor.told.clear();
    let again = monitor.engine.step(Input::TimePassed { commit: false }, monitor.now);
    assert!(!again.iter().any(|output| matches!(output, Output::Tell(UpdateBody::Trends(_)))));
    let same = monitor.now;
    let again = monitor.engine.step(Input::PollEnded(TimeWindow::new(same, same)), same);
    assert!(!again.iter().any(|output| matches!(output, Output::Tell(UpdateBody::Trends(_)))));

    // Twenty minutes in which nobody answered.
    monitor.step(Input::TimePassed { commit: true });
    let gap = TimeWindow::new(monitor.now, monitor.now + Micros::from_secs(1_200));
    monitor.now = gap.to + Micros::from_secs(20);
    monitor.message(Input::GapEnded(gap.to));
    monitor.run_until(gap.to + Micros::from_secs(1_800));
    let view = asked(&mut monitor, TrendRange::Hour);
    let within = |column: &&spanwatch::messages::TrendColumn| {
        column.window.from >= gap.from && column.window.to <= gap.to && column.source == TrendSource::Minutes
    };
    assert_eq!(view.columns.iter().filter(within).count(), 0);
    assert!(view.columns.iter().all(|column| column.numbers.n > 0), "a gap is not a time without calls");

    // After a restart hours come from what was learnt, without the fault.
    monitor.step(Input::TimePassed { commit: true });
    let now = monitor.now;
    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), now, Shop { fault }, &[]);
    let restarted = monitor.live_from;
    monitor.run_until(now + Micros::from_secs(60));
    let view = asked(&mut monitor, TrendRange::SixHours);
    let (hours, minutes): (Vec<_>, Vec<_>) =
        view.columns.iter().partition(|column| column.source == TrendSource::Hours);
    assert!(!hours.is_empty() && !minutes.is_empty());
    assert!(minutes.iter().all(|column| column.window.to > restarted), "minutes are known from the start on");
    assert!(hours.iter().all(|column| !column.outside && column.errors == 0 && column.known_s <= 3_600));
    assert!(view.left_out.iter().any(|left_out| left_out.from <= fault.from && left_out.to >= fault.to));
    assert!(view.columns.is_sorted_by(|a, b| a.window.to <= b.window.from), "none lies over another");
    let faulty = hours.iter().find(|column| column.window.contains(fault.from)).unwrap();
    assert!(faulty.known_s < 2_000 && (faulty.numbers.per_s - 0.2).abs() < 0.02, "{faulty:?}");
}

#[test]
fn an_operation_nobody_knows_has_no_columns_and_nobody_is_told_when_nobody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Clockwork::start(dir.path(), at(0), Shop { fault: window(0, 0) }, &[]);
    let wanted = TrendsWanted {
        key: SpanKey::new("no", "one", SpanKind::Client),
        range: TrendRange::Week,
        columns: 71,
        days: false,
    };
    monitor.message(Input::TrendsAsked(Some(wanted.clone())));
    let view = told(&monitor);
    assert_eq!((view.wanted, view.columns.len(), view.days.len(), view.stored), (wanted, 0, 0, true));
    monitor.message(Input::TrendsAsked(None));
    monitor.told.clear();
    monitor.run_until(at(600));
    assert!(!monitor.told.iter().any(|body| matches!(body, UpdateBody::Trends(_))));
}

#[test]
fn the_same_hour_of_the_last_weeks_is_that_of_the_clock() {
    let settings = baseline::Settings { zone: "Europe/Berlin".into(), ..baseline::Settings::default() };
    let moment = |text: &str| Timestamp(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros());
    // Tuesday after the clocks went back: 09h is 08:00Z, and was 07:00Z.
    let now = moment("2026-10-27T08:59:00Z");
    let mut engine = Engine::new(settings, detect::Settings::default(), Micros::from_secs(10));
    let known = vec![TimeWindow::new(now - Micros::from_secs(30 * 86_400), now)];
    let ledger = Ledger { known, ..Ledger::default() };
    engine.step(Input::Resumed(Box::new(Resumed { ledger, live_from: now, ..Resumed::default() })), now);
    // Each hour has calls of a duration of its own.
    let last = UtcHour::of(now).0;
    let duration = |hour: UtcHour| 1_000 + (last - hour.0) as u64 * 1_000;
    let counts = |hour: UtcHour| {
        let mut durations = Bins::default();
        durations.add(bin_of(duration(hour)), 60);
        Counts { durations, errors: 0 }
    };
    let hours: BTreeMap<UtcHour, Counts> =
        (last - 720..=last).map(|hour| (UtcHour(hour), counts(UtcHour(hour)))).collect();
    let wanted = TrendsWanted { key: key(), range: TrendRange::Day, columns: 24, days: false };
    engine.step(Input::TrendsAsked(Some(wanted.clone())), now);
    let stored = StoredTrends { wanted, hours, alerts: Vec::new(), anomalies: Vec::new() };
    let outputs = engine.step(Input::TrendsRead(Box::new(stored)), now);
    let view = outputs.into_iter().find_map(|output| match output {
        Output::Tell(UpdateBody::Trends(view)) => Some(view),
        _ => None,
    });
    let view = view.unwrap();
    let column = view.column_at(moment("2026-10-27T08:30:00Z")).unwrap();
    let berlin = Calendar::new(chrono_tz::Europe::Berlin);
    for (week, hour) in ["2026-10-20T07:00:00Z", "2026-10-13T07:00:00Z", "2026-10-06T07:00:00Z", "2026-09-29T07:00:00Z"]
        .into_iter()
        .enumerate()
    {
        let before = column.weeks[week].unwrap();
        let hour = UtcHour::of(moment(hour));
        assert_eq!(before.n, 60);
        assert_near(before.percentiles.unwrap()[0], duration(hour));
        assert_eq!(berlin.bucket(hour), berlin.bucket(UtcHour::of(column.window.from)), "the same hour by the clock");
    }
    let newest = view.columns.last().unwrap();
    assert_eq!(newest.window.from, moment("2026-10-27T08:00:00Z"));
}
