//! What is abnormal is not learnt: incidents and maintenance, over restarts and back-fill.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use spanwatch::baseline::{self, Generation, KeyBuilder, Maintenance, SeriesKey, gaps, watched, without};
use spanwatch::detect;
use spanwatch::domain::{
    Alert, Attributes, Calendar, HourOfWeek, Level, Micros, Span, SpanId, SpanKey, SpanKind, TimeWindow, Timestamp,
    Trace, TraceId,
};
use spanwatch::engine::{Engine, Input, Output, Resumed};
use spanwatch::messages::BackFill;
use spanwatch::store::{Closed, Query, Store};

const POLL: i64 = 10;
const HOUR: i64 = 3_600;
/// Friday 2026-11-20T09:00:00Z
const START: i64 = 1_795_165_200;
/// What was learnt before the watch begins.
const LEARNT: i64 = 3 * HOUR;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn window(from: i64, to: i64) -> TimeWindow {
    TimeWindow::new(at(from), at(to))
}

fn key() -> SpanKey {
    SpanKey::new("cart", "GET /", SpanKind::Server)
}

/// One call a second, of 10 to 20 ms; 300 ms while the fault lasts.
fn call(second: i64, fault: TimeWindow) -> Trace {
    let slow = fault.contains(at(second));
    let span = Span {
        id: SpanId(1),
        parent: None,
        key: key(),
        start: at(second),
        duration: Micros(if slow { 300_000 } else { 10_000 + second.rem_euclid(97) as u64 * 100 }),
        error: false,
        attributes: Attributes::default(),
        resource: Arc::default(),
    };
    Trace { id: TraceId((second + 1_000_000) as u128), spans: vec![span] }
}

fn calls(window: TimeWindow, fault: TimeWindow) -> Vec<Trace> {
    let second = |at: Timestamp| at.secs() - START;
    (second(window.from)..second(window.to)).map(|second| call(second, fault)).collect()
}

fn settings() -> baseline::Settings {
    baseline::Settings::default()
}

/// A monitor as it runs, with the time given.
struct Monitor {
    engine: Engine,
    store: Store,
    live_from: Timestamp,
    polled_to: Timestamp,
    fault: TimeWindow,
    raised: Vec<Alert>,
}

impl Monitor {
    /// With three hours of history, and baselines of them.
    fn new(dir: &Path, fault: TimeWindow, maintenance: &[Maintenance]) -> Self {
        let mut monitor = Self::start(dir, 0, fault, maintenance);
        monitor.back_fill(-LEARNT);
        let mut builder = KeyBuilder::new(Calendar::utc());
        let ledger = monitor.store.ledger().unwrap();
        let mut generation = Generation {
            number: 1,
            made_at: at(0),
            structure: Arc::new(monitor.store.structure().unwrap()),
            watched_s: watched(&without(&ledger.known, &ledger.excluded), &Calendar::utc()),
            ..Generation::default()
        };
        for (id, series) in monitor.store.series() {
            monitor.store.read_slices(id, &mut builder).unwrap();
            let baseline = builder.finish(settings().min_samples, &settings().rules());
            generation.series.insert(series, Arc::new(baseline));
        }
        monitor.store.save_generation(&generation).unwrap();
        monitor.step(Input::GenerationMade(Arc::new(generation)), at(0));
        monitor
    }

    fn start(dir: &Path, now: i64, fault: TimeWindow, maintenance: &[Maintenance]) -> Self {
        let store = Store::open(dir, chrono::DateTime::from_timestamp(START + now, 0).unwrap()).unwrap().store;
        let ledger = store.ledger().unwrap();
        let known = ledger.known.last().map(|window| window.to);
        let live_from = known.filter(|to| at(now).since(*to) <= Micros::from_secs(3_600)).unwrap_or(at(now));
        let Closed { last_alert, last_incident, .. } = store.close_left_open().unwrap();
        let alerts = store.alerts(&Query::default()).unwrap();
        let generation = store.generation().unwrap();
        let engine = Engine::new(settings(), detect::Settings::default(), Micros::from_secs(POLL as u64));
        let engine = engine.with_maintenance(maintenance);
        let mut monitor = Self { engine, store, live_from, polled_to: live_from, fault, raised: Vec::new() };
        monitor.step(Input::GenerationMade(Arc::new(generation)), at(now));
        let resumed = Resumed {
            ledger,
            live_from,
            anomalies: Vec::new(),
            last_alert,
            last_incident,
            alerts,
            ..Resumed::default()
        };
        monitor.step(Input::Resumed(Box::new(resumed)), at(now));
        monitor
    }

    fn step(&mut self, input: Input, now: Timestamp) {
        for output in self.engine.step(input, now) {
            match output {
                Output::StoreLearnt(learnt) => self.store.learn(&learnt, learnt.settled.is_none()).unwrap(),
                Output::RecordAlert(alert) => {
                    self.store.record_alert(&alert).unwrap();
                    if self.raised.iter().all(|known| known.id != alert.id) {
                        self.raised.push(*alert);
                    }
                }
                Output::RecordIncident(incident) => self.store.record_incident(&incident).unwrap(),
                _ => {}
            }
        }
    }

    /// Polls every ten seconds, commits every five minutes.
    fn run_until(&mut self, to: i64) {
        while self.polled_to < at(to) {
            let now = self.polled_to + Micros::from_secs(POLL as u64);
            let polled = TimeWindow::new(self.polled_to - Micros::from_secs(20), now);
            self.step(Input::TracesPolled(calls(polled, self.fault)), now);
            self.step(Input::PollEnded(polled), now);
            if now.secs() % 300 == 0 {
                self.step(Input::TimePassed { commit: true }, now);
            }
            self.polled_to = now;
        }
    }

    fn back_fill(&mut self, from: i64) {
        for window in gaps(self.engine.known(), TimeWindow::new(at(from), self.live_from)) {
            let traces = calls(window, self.fault);
            let now = self.live_from;
            self.step(Input::HistoryRead { window, traces }, now);
            self.step(Input::HistoryWindowRead(window), now);
            self.step(Input::HistoryEnded { windows: vec![window], progress: BackFill::Done }, now);
        }
    }

    /// Asserts that every call outside the left-out stretches was learnt, once, and returns how long those are, in
    /// seconds, and how many slow calls were learnt all the same.
    fn learnt(&self, from: i64) -> (u64, u64) {
        let ledger = self.store.ledger().unwrap();
        assert_eq!(ledger.known.len(), 1, "what is left out is known: {:?}", ledger.known);
        let learnt =
            without(&gaps(&gaps(&ledger.known, window(from, 1 << 30)), window(from, 1 << 30)), &ledger.excluded);
        let calls: Vec<Trace> = learnt.iter().flat_map(|window| calls(*window, self.fault)).collect();
        let mut builder = KeyBuilder::new(Calendar::utc());
        let level = (Level::Global, HourOfWeek::new(0, 0));
        let all = self.store.distribution(&SeriesKey::duration(key()), level.0, level.1, &mut builder).unwrap();
        assert_eq!(all.count(), calls.len() as u64);
        let slow = calls.iter().filter(|trace| trace.spans[0].duration > Micros(100_000)).count() as u64;
        let longest = all.quantile(1.0).unwrap();
        assert_eq!(longest > 100_000.0, slow > 0, "the store says what these stretches say: {longest} us");
        (ledger.excluded.iter().map(|window| window.length().secs()).sum(), slow)
    }
}

#[test]
fn an_incident_is_not_learnt() {
    let dir = tempfile::tempdir().unwrap();
    let fault = window(1_815, 2_115);
    let mut monitor = Monitor::new(dir.path(), fault, &[]);
    monitor.run_until(2 * HOUR);
    assert!(!monitor.raised.is_empty(), "the fault was alerted");
    assert!(monitor.raised.iter().all(|alert| alert.onset >= fault.from && alert.closed.is_none()));
    let (excluded, slow) = monitor.learnt(-LEARNT);
    assert_eq!(slow, 0, "no slow call was learnt");
    assert!((300..1_500).contains(&excluded), "{excluded} s were left out for a fault of 300 s");
}

#[test]
fn a_restart_and_back_fill_leave_out_what_the_run_before_found_abnormal() {
    let fault = window(1_815, 2_115);
    // The second run goes on where the first ended; after two hours back-fill reads what lies between.
    for pause in [30, 2 * HOUR] {
        let dir = tempfile::tempdir().unwrap();
        let mut monitor = Monitor::new(dir.path(), fault, &[]);
        monitor.run_until(2_100);
        let raised = monitor.raised.iter().map(|alert| alert.id).max();
        assert!(raised.is_some());
        drop(monitor);
        let mut monitor = Monitor::start(dir.path(), 2_100 + pause, fault, &[]);
        monitor.back_fill(-LEARNT);
        monitor.run_until(4 * HOUR);
        assert!(monitor.raised.iter().all(|alert| Some(alert.id) > raised), "numbers go on");
        let (excluded, slow) = monitor.learnt(-LEARNT);
        // The last calls of the fault came when nobody watched.
        let unseen = if pause > 60 { 15 + 60 } else { 0 };
        assert!(slow <= unseen, "{slow} slow calls were learnt after a pause of {pause} s");
        assert!((200..1_500).contains(&excluded), "{excluded} s");
    }
}

#[test]
fn what_stays_is_learnt_after_six_hours() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Monitor::new(dir.path(), window(1_800, 100 * HOUR), &[]);
    monitor.run_until(8 * HOUR);
    let (excluded, slow) = monitor.learnt(-LEARNT);
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
        let mut monitor = Monitor::new(dir.path(), fault, &[maintenance(services)]);
        monitor.run_until(2 * HOUR);
        assert_eq!(!monitor.raised.is_empty(), alerts, "{services:?}: {:?}", monitor.raised);
        let (excluded, slow) = monitor.learnt(-LEARNT);
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
    let monitor = Monitor::new(dir.path(), window(-2 * HOUR, -2 * HOUR + 1_200), &[move_of_data]);
    assert_eq!(monitor.learnt(-LEARNT), (1_200, 0));
}
