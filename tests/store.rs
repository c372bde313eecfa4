//! The store on a real disk: what it keeps, what it refuses, and what survives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/past.rs"]
mod past;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use spanwatch::baseline::{
    Facet, Generation, KeyBuilder, KeyStructure, Learnt, SeriesKey, Settings, Settled, Slice, Spread, Structure,
};
use spanwatch::domain::{
    AcceptedLevel, Act, ActId, Alert, AlertId, Anomaly, AnomalyId, Attributes, Calendar, Deed, Hold, HourOfWeek,
    Incident, IncidentId, Level, LevelId, Micros, Note, Over, OverWhy, Rating, Severity, Silence, SpanId, SpanKey,
    SpanKind, Subject, TimeWindow, Timestamp, TraceId, Undone, Until, UtcHour, Verdict,
};
use spanwatch::store::{self, Query, Store, StoreError};

use past::{alert, day, hours, incident, node};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, now()).unwrap().store
}

fn key(operation: &str) -> SpanKey {
    SpanKey::new("cart", operation, SpanKind::Server)
}

fn slice(durations: impl IntoIterator<Item = u64>) -> Slice {
    let mut slice = Slice::default();
    durations.into_iter().for_each(|us| slice.insert(Micros(us), false));
    slice
}

fn window(from_hour: i32, to_hour: i32) -> TimeWindow {
    TimeWindow::new(UtcHour(from_hour).start(), UtcHour(to_hour).start())
}

/// What is learnt beside times: two shapes of a call, and how its minutes vary.
fn structure(operation: &str) -> Structure {
    let shapes = [(vec![key("child")], 3), (Vec::new(), 2)].into();
    let calls = KeyStructure { calls: 5, roots: 5, end_to_end_us: 900, shapes, ..KeyStructure::default() };
    let mut spread = Spread::default();
    spread.add(20, 4);
    Structure {
        keys: [(key(operation), calls)].into(),
        spreads: [((Subject::Key(key(operation)), Facet::Duration), spread)].into(),
    }
}

fn learnt(operation: &str, hour: i32, durations: impl IntoIterator<Item = u64>) -> Learnt {
    Learnt {
        slices: [((SeriesKey::duration(key(operation)), UtcHour(hour)), slice(durations))].into(),
        structure: structure(operation),
        windows: vec![window(hour, hour + 1)],
        ..Learnt::default()
    }
}

/// The samples of one key, whatever rows they stand in.
fn samples(store: &Store, operation: &str) -> u64 {
    let mut builder = KeyBuilder::new(Calendar::utc());
    store
        .distribution(&SeriesKey::duration(key(operation)), Level::Global, HourOfWeek::new(0, 0), &mut builder)
        .unwrap()
        .count()
}

fn anomaly(start: Timestamp, span: u64) -> Anomaly {
    Anomaly {
        id: AnomalyId { trace: TraceId(1), span: SpanId(span) },
        key: key("GET /"),
        severity: Severity::Sev2,
        start,
        duration: Micros(5_000),
        mean_us: 1_000.0,
        sigma_us: 100.0,
        z: 40.0,
        cut_off_z: 3.0,
        level: Level::HourOfWeek,
        samples: 500,
        bucket: HourOfWeek::new(4, 3),
        error: false,
        attributes: [("order.pair", "BTC/USD")].into_iter().collect::<Attributes>(),
    }
}

#[test]
fn what_was_learnt_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let settled = vec![Settled { trace: TraceId(9), start: Timestamp(1), end: Timestamp(2), spans: vec![SpanId(3)] }];
    {
        let store = open(dir.path());
        store.learn(&learnt("GET /", 100, [10, 20]), true).unwrap();
        store.learn(&Learnt { settled: Some(settled.clone()), ..learnt("GET /", 101, [30]) }, false).unwrap();
        store.learn(&learnt("PUT /", 100, [7]), true).unwrap();
    }
    let store = open(dir.path());
    let ledger = store.ledger().unwrap();
    assert_eq!(ledger.known, [window(100, 102)], "windows that touch are one");
    assert_eq!((ledger.samples, ledger.settled), (4, settled));
    assert_eq!(ledger.keys, [key("GET /"), key("PUT /")]);
    assert_eq!((samples(&store, "GET /"), samples(&store, "PUT /")), (3, 1));
}

#[test]
fn hours_and_whole_days_merge_and_fold_without_losing_a_sample() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let hour = 24 * 20_000;
    store.learn(&learnt("GET /", hour, 0..50), true).unwrap();
    store.learn(&learnt("GET /", hour, 50..80), false).unwrap();
    store.learn(&learnt("GET /", hour + 1, 0..20), false).unwrap();
    assert_eq!(samples(&store, "GET /"), 100);
    store.tidy(UtcHour(hour + 30).start(), 30, &store::Settings::default()).unwrap();
    assert_eq!(samples(&store, "GET /"), 100);
    store.reopen().unwrap();
    assert_eq!(samples(&store, "GET /"), 100);
    store.tidy(UtcHour(hour + 24 * 40).start(), 30, &store::Settings::default()).unwrap();
    assert_eq!(samples(&store, "GET /"), 0, "older than is kept");
}

/// A generation of two keys whose durations are about `us`.
fn generation(number: u64, us: u64, operations: &[&str]) -> Generation {
    let mut builder = KeyBuilder::new(Calendar::utc());
    let mut series = BTreeMap::new();
    for operation in operations {
        let mut row = spanwatch::baseline::DayRow::default();
        row.merge(3, &slice((0..600).map(|i| us + i)));
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert!(builder.add_row(20_000, &bytes));
        let baseline = builder.finish(&Settings::default().rules());
        series.insert(SeriesKey::duration(key(operation)), Arc::new(baseline));
    }
    Generation { number, made_at: Timestamp(number as i64), series, ..Generation::default() }
}

#[test]
fn a_generation_is_taken_back_bit_for_bit_and_brought_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.former_generation().unwrap(), None);
    let (first, second) = (generation(1, 1_000, &["a", "b"]), generation(2, 5_000, &["a", "c"]));
    store.save_generation(&first).unwrap();
    assert_eq!(store.former_generation().unwrap(), None, "one alone cannot be taken back");
    store.save_generation(&second).unwrap();
    for (current, former) in [(&second, &first), (&first, &second), (&second, &first), (&first, &second)] {
        assert_eq!(store.generation().unwrap(), *current);
        assert_eq!(store.former_generation().unwrap().as_ref(), Some(former));
        store.use_generation(former.number).unwrap();
    }
    store.use_generation(1).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.generation().unwrap(), first, "what was taken back stays so after a restart");
    assert_eq!(store.newest_generation().unwrap(), 2, "no number is given twice");
    let third = generation(3, 9_000, &["c"]);
    store.save_generation(&third).unwrap();
    assert_eq!(store.generation().unwrap(), third);
    assert_eq!(store.former_generation().unwrap(), Some(first), "the one that was in use, not the one taken back");
}

#[test]
fn a_generation_comes_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut made = Generation::default();
    for number in 1..=4 {
        store.learn(&learnt("GET /", 24 * 20_000 + number, (0..600).map(|i| i * i)), true).unwrap();
        let mut builder = KeyBuilder::new(Calendar::utc());
        let mut series = BTreeMap::new();
        for (id, key) in store.series() {
            assert_eq!(store.read_slices(id, &mut builder).unwrap(), 0);
            series.insert(key, Arc::new(builder.finish(&Settings::default().rules())));
        }
        made = Generation {
            number: number as u64,
            made_at: Timestamp(i64::from(number)),
            series,
            structure: Arc::new(store.structure().unwrap()),
            watched_s: vec![3_600; HourOfWeek::COUNT],
            levels: [(key("a"), LevelId(2))].into(),
        };
        store.save_generation(&made).unwrap();
    }
    drop(store);
    assert_eq!(open(dir.path()).generation().unwrap(), made);
    assert_eq!(made.structure.keys[&key("GET /")].calls, 20, "four times five");
}

#[test]
fn anomalies_are_kept_in_order_and_for_as_long_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (n, span) in [(3, 1), (1, 2), (2, 3), (-40, 4)] {
        store.record_anomaly(&anomaly(day(n), span)).unwrap();
    }
    store.forget_anomaly(day(2), anomaly(day(2), 3).id).unwrap();
    store.tidy(day(4), 30, &store::Settings::default()).unwrap();
    let kept = store.anomalies_since(Timestamp(i64::MIN)).unwrap();
    assert_eq!(kept, [anomaly(day(1), 2), anomaly(day(3), 1)]);
    assert_eq!(store.anomalies_since(day(2)).unwrap(), [anomaly(day(3), 1)]);
}

#[test]
fn alerts_and_incidents_are_found_by_time_service_and_severity() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let edge = Subject::Edge { caller: "cart".into(), callee: "stock".into() };
    for alert in [
        alert(2, day(2), Severity::Sev1, edge),
        alert(1, day(1), Severity::Sev3, node("cart")),
        alert(3, day(3), Severity::Sev2, node("mail")),
    ] {
        store.record_alert(&alert).unwrap();
    }
    store.record_incident(&incident(1, day(1), Severity::Sev3, &["cart"])).unwrap();
    store.record_incident(&incident(2, day(2), Severity::Sev1, &["stock", "cart"])).unwrap();
    let numbers = |query: &Query| -> Vec<u64> { store.alerts(query).unwrap().iter().map(|a| a.id.0).collect() };
    let incidents = |query: &Query| -> Vec<u64> { store.incidents(query).unwrap().iter().map(|i| i.id.0).collect() };
    let all = Query::default();
    assert_eq!((numbers(&all), incidents(&all)), (vec![1, 2, 3], vec![1, 2]), "in the order of time");
    let of = |service: &str| Query { service: Some(service.into()), ..Query::default() };
    assert_eq!((numbers(&of("cart")), numbers(&of("stock"))), (vec![1, 2], vec![2]), "an edge touches both ends");
    assert_eq!((incidents(&of("cart")), incidents(&of("stock"))), (vec![1, 2], vec![2]));
    let severe = Query { severity: Some(Severity::Sev2), ..Query::default() };
    assert_eq!((numbers(&severe), incidents(&severe)), (vec![2, 3], vec![2]));
    let within = |from, to| Query { window: Some(TimeWindow::new(from, to)), ..Query::default() };
    assert_eq!(numbers(&within(day(2) + Micros::from_secs(1_800), day(3))), [2, 3], "what went on, and what began");
    assert_eq!(numbers(&within(day(2) + hours(2), day(3) - hours(1))), [] as [u64; 0]);
}

#[test]
fn an_alert_that_changes_is_one_alert_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = Alert { closed: None, ..alert(1, day(1), Severity::Sev3, node("cart")) };
    let worse = Alert { severity: Severity::Sev1, last_seen: day(1) + hours(3), ..first.clone() };
    {
        let store = open(dir.path());
        store.record_alert(&first).unwrap();
        store.record_alert(&worse).unwrap();
        store.record_incident(&Incident { closed: None, ..incident(4, day(1), Severity::Sev1, &["cart"]) }).unwrap();
    }
    let store = open(dir.path());
    assert_eq!(store.alerts(&Query::default()).unwrap(), std::slice::from_ref(&worse));
    let closed = store.close_left_open().unwrap();
    assert_eq!((closed.alerts, closed.incidents), (1, 1));
    assert_eq!((closed.last_alert, closed.last_incident), (AlertId(1), IncidentId(4)));
    let as_seen = Alert { closed: Some(worse.last_seen), ..worse };
    assert_eq!(store.alerts(&Query::default()).unwrap(), [as_seen]);
    assert_eq!(store.incidents(&Query::default()).unwrap()[0].closed, Some(day(1) + hours(1)));
    assert_eq!(store.close_left_open().unwrap().alerts, 0, "and stays closed");
}

#[test]
fn alerts_are_kept_for_thirty_days_and_their_numbers_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (number, raised) in [(1, day(0)), (2, day(1)), (3, day(20))] {
        store.record_alert(&alert(number, raised, Severity::Sev2, node("cart"))).unwrap();
        store.record_incident(&incident(number, raised, Severity::Sev2, &["cart"])).unwrap();
    }
    let kept = || -> Vec<u64> { store.alerts(&Query::default()).unwrap().iter().map(|a| a.id.0).collect() };
    store.tidy(day(30) + hours(2), 30, &store::Settings::default()).unwrap();
    assert_eq!(kept(), [2, 3]);
    store.tidy(day(90), 30, &store::Settings::default()).unwrap();
    assert_eq!((kept(), store.incidents(&Query::default()).unwrap().len()), (vec![3], 1));
    assert_eq!(store.close_left_open().unwrap().last_incident, IncidentId(3));
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    match Store::open(dir.path(), now()) {
        Err(error @ StoreError::Owned { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
            assert!(text.contains("--store-dir"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_that_cannot_be_read_is_set_aside_and_nothing_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        store.learn(&learnt("GET /", 100, 0..1_000), true).unwrap();
    }
    let files =
        |path: &Path| -> Vec<_> { std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect() };
    std::fs::write(dir.path().join("sled/conf"), b"this is no configuration of a store").unwrap();
    let opened = Store::open(dir.path(), now()).unwrap();
    let notice = opened.notice.expect("a person is told");
    assert!(notice.contains("set aside") && notice.contains("unreadable"), "{notice}");
    let aside = files(dir.path()).into_iter().find(|path| path.to_string_lossy().contains("sled.unreadable-"));
    assert!(aside.is_some_and(|aside| files(&aside).iter().any(|file| file.ends_with("db"))));
    assert_eq!(opened.store.ledger().unwrap().samples, 0);
    opened.store.learn(&learnt("GET /", 100, [1]), true).unwrap();
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = Store::open(&file.join("store"), now()).unwrap_err().to_string();
    assert!(error.contains("file/store"), "{error}");
}

#[test]
fn an_accepted_level_has_samples_of_its_own_and_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.learn(&learnt("GET /", 100, [30, 31]), false).unwrap();
    let on = SeriesKey::duration(key("GET /")).on(LevelId(1));
    let slices = [((on.clone(), UtcHour(100)), slice([900, 901, 902]))].into();
    let left_out =
        Learnt { slices, windows: vec![window(101, 104)], excluded: vec![window(102, 104)], ..Learnt::default() };
    store.learn(&left_out, false).unwrap();
    let mut level = AcceptedLevel {
        id: LevelId(1),
        incident: IncidentId(3),
        alerts: vec![AlertId(4)],
        keys: vec![key("GET /")],
        since: Timestamp::from_secs(60),
        left_out: 2,
        at: Timestamp::from_secs(1_900),
        by: "mira".to_owned(),
        undone: None,
    };
    store.record_level(&level).unwrap();
    level.undone = Some(Undone { at: Timestamp::from_secs(3_000), by: "noor".to_owned() });
    store.record_level(&level).unwrap();
    store.forget_windows(&[window(103, 104)]).unwrap();
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.levels().unwrap(), [level]);
    let mut builder = KeyBuilder::new(Calendar::utc());
    let all = store.distribution(&on, Level::Global, HourOfWeek::new(0, 0), &mut builder).unwrap();
    assert_eq!((samples(&store, "GET /"), all.count()), (2, 3));
    let ledger = store.ledger().unwrap();
    assert_eq!((ledger.known, ledger.excluded), (vec![window(100, 103)], vec![window(102, 103)]));
    assert_eq!((ledger.samples, ledger.keys), (5, vec![key("GET /")]), "all of them are samples of one key");
}

/// A silence done on that day.
fn silence(number: u64, on: i64) -> Act {
    let hold = Hold::new(Until::Recovered, "moving".to_owned(), None, 0);
    let deed = Deed::Silenced(Silence { matcher: "svc=pay kind:errors".to_owned(), hold });
    Act { id: ActId(number), at: day(on), by: "mira".to_owned(), deed, undone: None }
}

#[test]
fn an_act_is_on_the_disk_before_anybody_is_told_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.record_act(&silence(1, 0)).unwrap();
    let mut second = silence(2, 0);
    store.record_act(&second).unwrap();
    second.undone = Some(Undone { at: day(1), by: "noor".to_owned() });
    store.record_act(&second).unwrap();
    // What a kill leaves behind: the files as they are, while the store is open.
    let killed = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(killed.path().join("sled")).unwrap();
    for entry in std::fs::read_dir(dir.path().join("sled")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, killed.path().join("sled").join(path.file_name().unwrap())).unwrap();
        }
    }
    assert_eq!(open(killed.path()).acts().unwrap(), [silence(1, 0), second]);
}

#[test]
fn acts_are_kept_while_they_hold_and_thirty_days_longer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut over = silence(2, 0);
    if let Some(hold) = over.deed.hold_mut() {
        hold.over = Some(Over { at: day(10), why: OverWhy::TimeOver });
    }
    let act = |number, on, deed| Act { deed, ..silence(number, on) };
    let rated = Deed::Rated(Rating { incident: IncidentId(1), verdict: Verdict::Noise });
    for act in [silence(1, 0), over, silence(3, 0), act(4, 12, Deed::Ended(ActId(3))), act(5, 0, rated)] {
        store.record_act(&act).unwrap();
    }
    store.record_act(&silence(6, 0)).unwrap();
    store.record_act(&act(7, 20, Deed::Ended(ActId(6)))).unwrap();
    let kept = |at: Timestamp| -> Vec<u64> {
        store.tidy(at, 30, &store::Settings::default()).unwrap();
        store.acts().unwrap().iter().map(|act| act.id.0).collect()
    };
    assert_eq!(kept(day(29)), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(kept(day(41)), [1, 3, 4, 6, 7], "what is over is forgotten, what holds is not");
    assert_eq!(kept(day(43)), [1, 6, 7], "with its ending, or it would hold again");
    assert_eq!(kept(day(90)), [1, 7], "numbers go on from the newest");

    let note = Deed::Noted(Note { incident: IncidentId(1), text: "seen before".into() });
    let ended = incident(1, day(60), Severity::Sev2, &["cart"]);
    store.record_incident(&ended).unwrap();
    store.record_incident(&incident(2, day(95), Severity::Sev2, &["cart"])).unwrap();
    store.record_act(&act(8, 50, note)).unwrap();
    store.record_act(&silence(9, 0)).unwrap();
    assert_eq!(kept(day(89)), [1, 8, 9], "a note is kept as long as its incident");
    assert_eq!(kept(day(92)), [1, 8, 9]);
    assert_eq!(kept(day(93)), [1, 9], "and goes with it");
}
