//! What stays is offered as the new normal; accepted it is quiet, learnt and judged by; undone it is as if nothing had been.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/cart.rs"]
mod cart;
#[path = "common/clockwork.rs"]
mod clockwork;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use spanwatch::baseline::{Generation, KeyBaseline, KeyBuilder, SeriesKey};
use spanwatch::demo::{Exchange, Options, Schedule};
use spanwatch::domain::{Alert, AlertId, HourOfWeek, Level, LevelId, Micros, Subject, TimeWindow, Timestamp, Trace};
use spanwatch::engine::{Input, Output};
use spanwatch::messages::{LevelView, UpdateBody};

use cart::{Cart, HOUR, at, key, window};
use clockwork::{Clockwork, Traffic};

const LEARNT: i64 = 3 * HOUR;
/// Calls take 30 times as long from here on, for good.
const SHIFT: i64 = 1_815;
/// When it has been so for half an hour.
const LASTED: i64 = SHIFT + 1_900;

fn shifted(dir: &Path, more: &[(TimeWindow, u64)]) -> Clockwork<Cart> {
    let mut traffic = vec![(window(SHIFT, 1_000 * HOUR), 30)];
    traffic.extend(more);
    let mut monitor = Clockwork::start(dir, at(0), Cart(traffic), &[]);
    monitor.back_fill(at(-LEARNT));
    monitor.recalculate();
    monitor
}

fn open<T>(monitor: &Clockwork<T>) -> Vec<&Alert> {
    monitor.alerts.values().filter(|alert| alert.is_open()).collect()
}

fn offered<T>(monitor: &Clockwork<T>) -> Vec<AlertId> {
    open(monitor).into_iter().filter(|alert| alert.offer().is_some()).map(|alert| alert.id).collect()
}

/// What the store has of the operation on one level.
fn samples(monitor: &Clockwork<Cart>, level: u64) -> (u64, f64) {
    let mut builder = KeyBuilder::new(clockwork::settings().calendar());
    let series = SeriesKey::duration(key()).on(LevelId(level));
    let all = monitor.store.distribution(&series, Level::Global, HourOfWeek::new(0, 0), &mut builder).unwrap();
    (all.count(), all.quantile(0.5).unwrap_or(0.0))
}

fn accept<T: Traffic>(monitor: &mut Clockwork<T>) -> LevelId {
    let alerts = offered(monitor);
    let level = monitor.engine.propose_level(&alerts, "mira", monitor.now).unwrap();
    let id = level.id;
    monitor.store.record_level(&level).unwrap();
    monitor.message(Input::LevelDecided(Box::new(level)));
    id
}

fn undo<T: Traffic>(monitor: &mut Clockwork<T>, level: LevelId) {
    let undone = monitor.engine.propose_undoing(level, "noor", monitor.now).unwrap();
    monitor.store.record_level(&undone).unwrap();
    monitor.message(Input::LevelDecided(Box::new(undone)));
}

fn baseline<T>(monitor: &Clockwork<T>) -> Option<KeyBaseline> {
    monitor.engine.generation().durations(&key()).map(|baseline| (**baseline).clone())
}

/// How many seconds of the stretch are neither known nor left out, or left out.
fn excluded(monitor: &Clockwork<Cart>) -> u64 {
    monitor.store.ledger().unwrap().excluded.iter().map(|window| window.length().secs()).sum()
}

fn levels(outputs: Vec<Output>) -> Vec<LevelView> {
    let told = outputs.into_iter().filter_map(|output| match output {
        Output::Tell(UpdateBody::Levels(levels)) => Some(levels),
        _ => None,
    });
    told.last().unwrap_or_default()
}

#[test]
fn what_stays_is_offered_after_half_an_hour_and_says_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = shifted(dir.path(), &[]);
    monitor.run_until(at(SHIFT + 1_500));
    assert!(!open(&monitor).is_empty(), "it is alerted");
    assert_eq!(offered(&monitor), [], "25 minutes are not enough");
    let early = open(&monitor)[0].id;
    assert!(monitor.engine.propose_level(&[early], "mira", monitor.now).is_err(), "and nothing can be accepted");
    monitor.run_until(at(LASTED));
    let offers: Vec<&Alert> = open(&monitor);
    assert_eq!(offered(&monitor).len(), offers.len(), "all of it is a level");
    let shift = offers.iter().find(|alert| alert.subject == Subject::Key(key())).unwrap().offer().unwrap();
    assert!((25.0..35.0).contains(&shift.times), "{} times as long", shift.times);
    assert_eq!((shift.keys.len(), &shift.keys[0].key), (1, &key()));
    let normal = shift.keys[0].normal.unwrap();
    assert!((12_000..18_000).contains(&normal.p50.0) && normal.n > 10_000, "{normal:?}");
    assert!(shift.keys[0].samples >= normal.n);
    assert_eq!(monitor.engine.levels().iter().count(), 0, "nobody has decided anything");
}

#[test]
fn accepted_it_is_quiet_learnt_and_judged_by_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    // Later it becomes three times as slow once more, for ten minutes, twice.
    let (first, second) = (window(5 * HOUR, 5 * HOUR + 600), window(8 * HOUR, 8 * HOUR + 600));
    let mut monitor = shifted(dir.path(), &[(first, 90), (second, 90)]);
    monitor.run_until(at(LASTED));
    let (old_count, old_median) = samples(&monitor, 0);
    assert!(excluded(&monitor) > 600, "the trouble was left out");
    let level = accept(&mut monitor);
    assert!(open(&monitor).is_empty(), "its alerts close");
    assert!(monitor.alerts.values().all(|alert| alert.accepted() == Some(level)), "and say why");
    // Two minutes had waited long enough to be learnt at once.
    let new = baseline(&monitor).unwrap();
    assert_eq!(new.samples, 120, "old numbers do not judge it");
    let told = levels(monitor.engine.step(Input::PollEnded(TimeWindow::new(monitor.now, monitor.now)), monitor.now));
    assert_eq!((told.len(), &told[0].learnt[..], told[0].needs), (1, &[120][..], 20));
    assert_eq!(told[0].level.left_out, LEARNT as u64, "what its baselines rested on");

    // What had been left out since is read again, and so is learnt once.
    assert_eq!(excluded(&monitor), 120, "the minute in which it began and the one before it stay left out");
    let windows = std::mem::take(&mut monitor.forgotten);
    assert!(!windows.is_empty() && windows.iter().all(|window| window.from >= at(1_860)));
    windows.into_iter().for_each(|window| monitor.fill(window));
    monitor.run_until(at(5 * HOUR));
    assert_eq!(monitor.alerts.values().filter(|alert| alert.raised > at(LASTED)).count(), 0, "it is quiet");
    let released = monitor.store.ledger().unwrap().known.last().unwrap().to;
    let (count, median) = samples(&monitor, level.0);
    assert_eq!(count, released.since(at(1_860)).secs(), "every call of the new level, once");
    assert!((400_000.0..500_000.0).contains(&median), "{median}");
    assert_eq!(samples(&monitor, 0), (old_count, old_median), "the old samples are there as they were");
    let learnt = baseline(&monitor).unwrap();
    assert!(learnt.samples > 5_000 && monitor.recalculations == 3, "baselines were made by themselves");

    monitor.run_until(at(5 * HOUR + 120));
    assert!(!open(&monitor).is_empty(), "three times slower than the new level is alarming");
    monitor.run_until(at(6 * HOUR));
    assert!(open(&monitor).is_empty());

    drop(monitor);
    let traffic = Cart(vec![(window(SHIFT, 1_000 * HOUR), 30), (second, 90)]);
    let mut monitor = Clockwork::start(dir.path(), at(6 * HOUR + 30), traffic, &[]);
    monitor.back_fill(at(-LEARNT));
    monitor.run_until(at(8 * HOUR));
    assert_eq!(monitor.raised, [], "the decision is remembered");
    assert_eq!(samples(&monitor, 0), (old_count, old_median));
    monitor.run_until(at(8 * HOUR + 120));
    assert!(!open(&monitor).is_empty());
}

/// All that two generations say, but for their numbers.
fn said(generation: &Generation) -> String {
    format!("{:?}", Generation { number: 0, made_at: Timestamp::default(), ..generation.clone() })
}

#[test]
fn undone_at_once_it_is_as_if_it_had_not_been_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = shifted(dir.path(), &[]);
    monitor.run_until(at(LASTED));
    monitor.recalculate();
    let before = Arc::clone(monitor.engine.generation());
    let level = accept(&mut monitor);
    assert!(said(monitor.engine.generation()) != said(&before));
    undo(&mut monitor, level);
    assert!(said(monitor.engine.generation()) == said(&before), "byte for byte");
    assert!(open(&monitor).is_empty());
    monitor.run_until(at(LASTED + 120));
    assert!(!open(&monitor).is_empty(), "the alarm of the old level is back");
    let again = monitor.engine.propose_undoing(level, "noor", monitor.now);
    assert!(again.is_err(), "it is undone only once");
}

#[test]
fn undone_after_hours_the_old_level_has_learnt_nothing_of_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = shifted(dir.path(), &[]);
    monitor.run_until(at(LASTED));
    monitor.recalculate();
    let before = baseline(&monitor).unwrap();
    let level = accept(&mut monitor);
    // What was left out is not read again before it is undone.
    monitor.run_until(at(3 * HOUR));
    assert!(baseline(&monitor).as_ref() != Some(&before));
    undo(&mut monitor, level);
    assert!(baseline(&monitor).as_ref() == Some(&before), "byte for byte");
    let windows = std::mem::take(&mut monitor.forgotten);
    windows.into_iter().for_each(|window| monitor.fill(window));
    monitor.run_until(at(3 * HOUR + 1_200));
    assert!(!open(&monitor).is_empty(), "it alarms again");
    monitor.recalculate();
    // Only the last minute was learnt with it: the one in which it was undone and nothing alarmed yet.
    let (after, _) = samples(&monitor, 0);
    assert!(after - before.samples <= 60, "{} calls of the new level", after - before.samples);

    drop(monitor);
    let monitor = Clockwork::start(dir.path(), at(3 * HOUR + 1_230), Cart(vec![(window(SHIFT, 1 << 30), 30)]), &[]);
    assert_eq!(monitor.engine.levels().in_force(&key()), None, "that it was undone is remembered");
    assert_eq!(samples(&monitor, 0).0, after);
}

/// The simulated exchange: as it is at first, and from a moment on with an injection for good, and another on top.
struct Broken {
    healthy: Exchange,
    slower: (Timestamp, Exchange),
    slowest: (TimeWindow, Exchange),
}

impl Traffic for Broken {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace> {
        let exchange = match window.from {
            from if self.slowest.0.contains(from) => &self.slowest.1,
            from if from >= self.slower.0 => &self.slower.1,
            _ => &self.healthy,
        };
        exchange.traces_starting_in(window).collect()
    }
}

#[test]
fn an_exchange_with_a_slower_matcher_is_normal_once_that_is_accepted() {
    /// Monday 2 November 2026, 00:00 UTC.
    const MONDAY: Timestamp = Timestamp::from_secs(1_793_577_600);
    let hours = |n: u64| MONDAY + Micros::from_secs(n * 3_600);
    let exchange = |injection: Option<&str>| {
        let schedule = injection.map_or(Schedule::Quiet, |injection| Schedule::Inject {
            injection: injection.parse().unwrap(),
            after: Micros::ZERO,
            lasting: Micros::from_secs(48 * 3_600),
        });
        Exchange::new(Options { seed: 11, rate: 0.5 / 0.15, origin: MONDAY, schedule, slow_mondays: false })
    };
    let begin = hours(12);
    let on_top = TimeWindow::new(hours(16), hours(16) + Micros::from_secs(900));
    let traffic = Broken {
        healthy: exchange(None),
        slower: (begin + Micros::from_secs(1_800), exchange(Some("slow:3:order-matcher:order.match"))),
        slowest: (on_top, exchange(Some("slow:9:order-matcher:order.match"))),
    };
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Clockwork::start(dir.path(), begin, traffic, &[]);
    monitor.back_fill(MONDAY);
    monitor.recalculate();
    monitor.run_until(begin + Micros::from_secs(1_800 + 2_100));
    let offers = offered(&monitor);
    assert!(!offers.is_empty(), "{:#?}", open(&monitor));
    let subjects: BTreeSet<String> = open(&monitor).iter().map(|alert| alert.subject.to_string()).collect();
    assert!(subjects.iter().any(|subject| subject.starts_with("order-matcher")), "{subjects:?}");
    monitor.recalculate();
    let before = Arc::clone(monitor.engine.generation());
    let level = accept(&mut monitor);
    let keys = monitor.engine.levels().get(level).unwrap().keys.clone();
    assert!(keys.iter().any(|key| &*key.operation == "order.match"), "{keys:?}");
    let accepted_at = monitor.now;
    monitor.run_until(on_top.from);
    let slow = |alert: &&Alert| {
        alert.raised > accepted_at
            && keys.iter().any(|key| {
                alert.subject == Subject::Key(key.clone()) || alert.subject == Subject::Node(key.service.clone())
            })
    };
    let raised: Vec<String> = monitor.raised.iter().filter(slow).map(Alert::arithmetic).collect();
    assert!(raised.is_empty(), "{raised:#?}");
    monitor.run_until(on_top.to);
    let on_top_alerts = monitor.raised.iter().filter(|alert| alert.raised > on_top.from);
    let services: BTreeSet<&str> = on_top_alerts.map(|alert| &**alert.subject.service()).collect();
    assert!(services.contains("order-matcher"), "{services:?}");
    monitor.run_until(hours(17));
    let undone_at = monitor.now;
    undo(&mut monitor, level);
    for (series, baseline) in before.series.iter().filter(|(series, _)| keys.contains(&series.key)) {
        assert!(monitor.engine.generation().series.get(series) == Some(baseline), "{series:?}");
    }
    monitor.run_until(undone_at + Micros::from_secs(300));
    let back = monitor.raised.iter().filter(|alert| alert.raised > undone_at);
    let services: BTreeSet<&str> = back.map(|alert| &**alert.subject.service()).collect();
    assert!(services.contains("order-matcher"), "{services:?}");
}
