//! The week of an operation: what each day gave to each hour, which level answers, drift, and what is left out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/cart.rs"]
mod cart;
#[path = "common/clockwork.rs"]
mod clockwork;

use std::sync::Arc;

use spanwatch::app::week::{changed, shape};
use spanwatch::baseline::{self, Generation, KeyBuilder, Maintenance, SeriesKey};
use spanwatch::detect;
use spanwatch::domain::{
    Attributes, HourOfWeek, Level, Micros, Span, SpanId, SpanKey, SpanKind, TimeWindow, Timestamp, Trace, TraceId,
};
use spanwatch::engine::{Engine, Input, Output, Resumed};
use spanwatch::messages::{BackFill, PartView, PastView, UpdateBody, WeekHour, WeekView};
use spanwatch::monitor::read_past;
use spanwatch::store::Store;

use cart::HOUR;
use clockwork::{Clockwork, Traffic};

const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// Friday 2026-11-20T03:00:00Z
const START: i64 = 1_795_143_600;
const FRIDAY_03: HourOfWeek = HourOfWeek::new(4, 3);
const SUNDAY_02: HourOfWeek = HourOfWeek::new(6, 2);

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn key() -> SpanKey {
    SpanKey::new("shop", "GET /orders", SpanKind::Server)
}

/// A call each five minutes, on Sundays from 02h to 03h only one an hour. From `slow` on calls take twice as long; by day
/// on weekdays three times as long as at night. The first call of an hour fails.
#[derive(Debug, Clone)]
struct Shop {
    slow: i64,
}

fn call(second: i64, duration: Micros, error: bool) -> Trace {
    let span = Span {
        id: SpanId(1),
        parent: None,
        key: key(),
        start: Timestamp::from_secs(second),
        duration,
        error,
        attributes: Attributes::default(),
        resource: Arc::default(),
    };
    Trace { id: TraceId(second as u128), spans: vec![span] }
}

impl Traffic for Shop {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace> {
        let seconds = (window.from.secs()..window.to.secs()).filter(|second| second % 300 == 0);
        let hour = |second: i64| (second.div_euclid(HOUR) + 3 * 24).rem_euclid(168);
        let seconds = seconds.filter(|second| hour(*second) != SUNDAY_02.index() as i64 || second % HOUR == 0);
        seconds
            .map(|second| {
                let (day, hour) = (hour(second) / 24, hour(second) % 24);
                let work = if day < 5 && (9..17).contains(&hour) { 3 } else { 1 };
                let slow = if second >= self.slow { 2 } else { 1 };
                call(second, Micros(10_000 * work * slow), second % HOUR == 0)
            })
            .collect()
    }
}

fn week(monitor: &mut Clockwork<impl Traffic>, key: SpanKey) -> WeekView {
    monitor.step(Input::WeekAsked(key));
    told(&monitor.told)
}

fn told(told: &[UpdateBody]) -> WeekView {
    let week = told.iter().find_map(|body| match body {
        UpdateBody::Week(view) => Some((**view).clone()),
        _ => None,
    });
    week.unwrap_or_else(|| panic!("no week was told"))
}

fn hour(view: &WeekView, bucket: HourOfWeek) -> &WeekHour {
    &view.hours[bucket.index()]
}

fn parts(view: &WeekView, bucket: HourOfWeek) -> Vec<PartView> {
    let Some(PastView::Read { parts, .. }) = &view.past else { panic!("the past was not read: {:?}", view.past) };
    parts.iter().filter(|part| part.bucket == bucket).cloned().collect()
}

fn drift(view: &WeekView) -> Vec<Option<i64>> {
    let Some(PastView::Read { drift, .. }) = &view.past else { panic!("the past was not read") };
    drift.iter().map(|drift| drift.map(|drift| (drift * 100.0).round() as i64)).collect()
}

#[test]
fn every_week_of_an_hour_is_told_and_a_week_that_took_twice_as_long_drifts() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop { slow: START - WEEK };
    let mut monitor = Clockwork::start(dir.path(), at(-WEEK), shop.clone(), &[]);
    monitor.back_fill(at(-5 * WEEK));
    monitor.recalculate();
    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), at(0), shop, &[]);
    monitor.back_fill(at(-5 * WEEK));
    let before = week(&mut monitor, key());
    assert_eq!(changed(&before), None, "one generation has nothing to be compared with");
    monitor.recalculate();
    let view = week(&mut monitor, key());
    assert_eq!((view.at, view.of, view.bucket), (1, 1, FRIDAY_03));
    assert_eq!(drift(&view), [Some(0), Some(0), Some(0), Some(100)]);

    // 30 days reach back to four Fridays; the hour that runs has begun, and nothing of it is known.
    let of_friday: Vec<_> = parts(&view, FRIDAY_03)
        .iter()
        .map(|part| (part.day, part.numbers.map(|numbers| (numbers.samples, numbers.errors, numbers.p99.0 / 1_000))))
        .collect();
    let today = (START / DAY) as i32;
    let expected = [(28, Some((12, 1, 10))), (21, Some((12, 1, 10))), (14, Some((12, 1, 10))), (7, Some((12, 1, 20)))];
    assert_eq!(of_friday, expected.map(|(ago, numbers)| (today - ago, numbers)));
    assert!(parts(&view, FRIDAY_03).iter().all(|part| part.known_s == 3_600 && part.gap_s == 0));

    // Five weeks are in the store, of twelve calls each; on Sundays at 02h of one.
    assert_eq!((hour(&view, FRIDAY_03).samples, hour(&view, FRIDAY_03).days), (60, 5));
    assert_eq!(hour(&view, FRIDAY_03).answers, Some(Level::HourOfWeek));
    assert_eq!(hour(&view, FRIDAY_03).tests, Some(Level::HourOfDay), "60 samples are too few for the alert test");
    let thin = hour(&view, SUNDAY_02);
    assert_eq!((thin.samples, &thin.own, thin.answers), (5, &None, Some(Level::HourOfDay)));
    assert_eq!(view.hours.iter().filter(|hour| hour.own.is_none()).count(), 1);
    assert_eq!((view.wider[2].samples, view.wider[31].samples), (6 * 60 + 5, 167 * 60 + 5));

    // The generation before knew four weeks of 10 ms, this one knows 20 ms as well.
    let (number, compared, cells) = changed(&view).unwrap();
    assert_eq!((number, compared, view.generation), (1, 167, 2));
    assert_eq!(cells.len(), 167, "every cell knows calls that took twice as long");
    assert!(cells.iter().all(|cell| cell.after.0 * 10 > cell.before.0 * 19), "{cells:?}");
    assert_eq!(shape(&view).as_deref(), Some("weekdays 09-17h 3.0x their nights 00-06h; weekend like weekdays"));
}

#[test]
fn maintenance_and_what_nobody_watched_are_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let maintenance = Maintenance {
        name: "backup".into(),
        days: vec!["Tue".into()],
        at: "02:00".into(),
        for_minutes: 90,
        ..Maintenance::default()
    };
    let shop = Shop { slow: i64::MAX };
    let mut monitor = Clockwork::start(dir.path(), at(0), shop, &[maintenance]);
    // Two weeks ago nobody looked, but for the first half of the hour.
    monitor.fill(TimeWindow::new(at(-4 * WEEK), at(-2 * WEEK + HOUR / 2)));
    monitor.fill(TimeWindow::new(at(-2 * WEEK + HOUR), at(0)));
    monitor.recalculate();
    let view = week(&mut monitor, key());
    let (two, three) = (HourOfWeek::new(1, 2), HourOfWeek::new(1, 3));
    assert!(hour(&view, two).maintenance && hour(&view, two).own.is_none());
    assert!(!hour(&view, three).maintenance, "half of an hour is not most of it");
    assert_eq!(view.hours.iter().filter(|hour| hour.maintenance).count(), 1);
    for part in parts(&view, two) {
        assert_eq!((part.maintenance_s, part.incident_s, part.numbers), (3_600, 0, None));
    }
    for part in parts(&view, three) {
        assert_eq!((part.maintenance_s, part.numbers.map(|numbers| numbers.samples)), (1_800, Some(6)));
    }
    let gaps: Vec<_> = parts(&view, FRIDAY_03).iter().map(|part| (part.gap_s, part.numbers.unwrap().samples)).collect();
    assert_eq!(gaps, [(0, 12), (0, 12), (1_800, 6), (0, 12)]);
}

#[test]
fn an_incident_is_marked_in_its_hours_and_told_as_not_learnt() {
    let dir = tempfile::tempdir().unwrap();
    let fault = cart::window(1_815, 2_115);
    let mut monitor = Clockwork::start(dir.path(), cart::at(0), cart::Cart(vec![(fault, 30)]), &[]);
    monitor.back_fill(cart::at(-3 * HOUR));
    monitor.recalculate();
    monitor.run_until(cart::at(2_000));
    let now = week(&mut monitor, cart::key());
    let running = parts(&now, now.bucket).pop().unwrap();
    assert!(running.incident_s > 60 && running.waiting_s > 0, "while it lasts: {running:?}");
    monitor.run_until(cart::at(2 * HOUR));
    let view = week(&mut monitor, cart::key());
    let of_key: Vec<_> = monitor
        .alerts
        .values()
        .filter(|alert| matches!(&alert.subject, spanwatch::domain::Subject::Key(key) if *key == cart::key()))
        .collect();
    assert!(!of_key.is_empty(), "{:?}", monitor.alerts.values().map(|alert| &alert.subject).collect::<Vec<_>>());
    let calendar = spanwatch::domain::Calendar::utc();
    let (first, last) = (
        of_key.iter().map(|alert| alert.onset).min().unwrap(),
        of_key.iter().filter_map(|alert| alert.closed).max().unwrap(),
    );
    let marked: Vec<HourOfWeek> =
        HourOfWeek::all().zip(&view.hours).filter(|(_, hour)| hour.alerts > 0).map(|(bucket, _)| bucket).collect();
    assert!(marked.contains(&calendar.bucket_at(first)) && marked.contains(&calendar.bucket_at(last)));
    assert!(marked.len() <= 2, "{marked:?}");
    let left_out: u32 = marked.iter().flat_map(|bucket| parts(&view, *bucket)).map(|part| part.incident_s).sum();
    let excluded: u64 = monitor.store.ledger().unwrap().excluded.iter().map(|window| window.length().secs()).sum();
    assert_eq!(u64::from(left_out), excluded, "all that was left out was the incident's");
}

#[test]
fn what_was_never_seen_has_no_week() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Clockwork::start(dir.path(), at(0), Shop { slow: i64::MAX }, &[]);
    let view = week(&mut monitor, key());
    assert_eq!((view.at, view.hours.len(), view.past, view.next), (0, 0, None, None));
}

#[test]
fn operations_follow_each_other_by_service_and_an_id_in_a_name_finds_its_operation() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Clockwork::start(dir.path(), at(0), Shop { slow: i64::MAX }, &[]);
    let keys = ["b GET /c", "a GET /z", "b GET /orders/4711"].map(|name| {
        let (service, operation) = name.split_once(' ').unwrap();
        SpanKey::new(service, operation, SpanKind::Server)
    });
    let window = TimeWindow::new(at(-60), at(0));
    let span = |(id, key): (usize, &SpanKey)| {
        let mut trace = call(START - 30, Micros(1_000), false);
        (trace.id, trace.spans[0].key) = (TraceId(id as u128), key.clone());
        trace
    };
    let traces = keys.iter().enumerate().map(span).collect();
    monitor.step(Input::HistoryRead { window, traces });
    let view = week(&mut monitor, keys[2].clone());
    let name = |key: &Option<SpanKey>| key.as_ref().map(ToString::to_string);
    assert_eq!((view.asked, view.key.operation.to_string()), (keys[2].clone(), "GET /orders/{id}".to_owned()));
    assert_eq!((view.at, view.of), (3, 3));
    assert_eq!((name(&view.previous), name(&view.next)), (name(&Some(keys[0].clone())), name(&Some(keys[1].clone()))));
}

#[test]
fn the_hour_that_comes_twice_is_told_once_with_both_halves() {
    let dir = tempfile::tempdir().unwrap();
    // Sunday 2026-10-25: 00h and 01h UTC are both 02h in Berlin.
    let midnight = 1_792_886_400;
    let now = Timestamp::from_secs(midnight + 6 * HOUR);
    let settings = baseline::Settings { zone: "Europe/Berlin".into(), ..baseline::Settings::default() };
    let store = Store::open(dir.path(), chrono::DateTime::from_timestamp(now.secs(), 0).unwrap()).unwrap().store;
    let mut engine = Engine::new(settings.clone(), detect::Settings::default(), Micros::from_secs(10));
    engine.step(Input::Resumed(Box::new(Resumed { live_from: now, ..Resumed::default() })), now);
    let window = TimeWindow::new(Timestamp::from_secs(midnight), now);
    let traces = Shop { slow: i64::MAX }.starting_in(window);
    let mut pending = engine.step(Input::HistoryRead { window, traces }, now);
    pending.extend(engine.step(Input::HistoryEnded { windows: vec![window], progress: BackFill::Done }, now));
    for output in pending {
        if let Output::StoreLearnt(learnt) = output {
            store.learn(&learnt, true).unwrap();
        }
    }
    let mut builder = KeyBuilder::new(settings.calendar());
    let (id, series) = store.series().remove(0);
    store.read_slices(id, &mut builder).unwrap();
    let series = [(SeriesKey::duration(series.key), Arc::new(builder.finish(&settings.rules())))].into();
    let generation = Generation { number: 1, series, ..Generation::default() };
    engine.step(Input::GenerationMade(Arc::new(generation)), now);
    let mut bodies = Vec::new();
    let mut pending = engine.step(Input::WeekAsked(key()), now);
    while let Some(output) = pending.pop() {
        match output {
            Output::ReadPast(wanted) => {
                let read = read_past(&store, *wanted, settings.calendar());
                pending.extend(engine.step(Input::PastRead(Box::new(read)), now));
            }
            Output::Tell(body) => bodies.insert(0, body),
            _ => {}
        }
    }
    let view = bodies.iter().find_map(|body| match body {
        UpdateBody::Week(view) if view.past.is_some() => Some((**view).clone()),
        _ => None,
    });
    let view = view.unwrap();
    assert_eq!(view.zone, "Europe/Berlin");
    let twice = parts(&view, SUNDAY_02);
    let told: Vec<_> = twice.iter().map(|part| (part.known_s, part.numbers.map(|numbers| numbers.samples))).collect();
    assert_eq!(told, [(7_200, Some(24))]);
    assert_eq!(hour(&view, SUNDAY_02).samples, 24, "as the baseline has them");
    assert_eq!(parts(&view, HourOfWeek::new(6, 1)), [], "that was before anything was watched");
    assert_eq!(parts(&view, HourOfWeek::new(6, 3)).len(), 1);
}

#[test]
fn what_back_fill_brings_later_is_read_again_and_never_taken_for_silence() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Clockwork::start(dir.path(), at(0), Shop { slow: i64::MAX }, &[]);
    monitor.fill(TimeWindow::new(at(-WEEK), at(0)));
    let samples = |view: &WeekView| -> Vec<Option<u64>> {
        parts(view, FRIDAY_03).iter().map(|part| part.numbers.map(|numbers| numbers.samples)).collect()
    };
    assert_eq!(samples(&week(&mut monitor, key())), [Some(12)]);
    monitor.fill(TimeWindow::new(at(-3 * WEEK), at(-WEEK)));
    // A poll tells it: first what was read before, against what was known then, and then what was read anew.
    let now = at(10);
    let outputs = monitor.engine.step(Input::PollEnded(TimeWindow::new(at(-10), now)), now);
    let first = outputs.iter().find_map(|output| match output {
        Output::Tell(UpdateBody::Week(view)) => Some(samples(view)),
        _ => None,
    });
    assert_eq!(first, Some(vec![Some(12), None]), "nothing is said of the weeks that were not read");
    monitor.now = now;
    for output in outputs {
        if let Output::ReadPast(wanted) = output {
            let read = read_past(&monitor.store, *wanted, baseline::Settings::default().calendar());
            monitor.step(Input::PastRead(Box::new(read)));
        }
    }
    assert_eq!(samples(&told(&monitor.told)), [Some(12), Some(12), Some(12), None]);
}
