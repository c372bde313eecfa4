//! Stretches of simulated time in which the calendar matters.

use std::sync::Arc;

use spanwatch::baseline::{Generation, KeyBaseline};
use spanwatch::demo::{Exchange, Options};
use spanwatch::domain::{Micros, TimeWindow, Timestamp};

use super::simulated::{DAY, HOUR, MONDAY, after, learn, offline, options, watch};

/// The same baselines, as if hours were not told apart: of each only the widest is left.
fn without_hours(generation: &Generation) -> Generation {
    let widest = |baseline: &KeyBaseline| {
        let all_hours = baseline.cells().last().map(|(at, cell)| (at, *cell)).into_iter().collect();
        KeyBaseline::from_cells(baseline.samples, baseline.week_samples.clone(), baseline.week_days.clone(), all_hours)
    };
    let mut plain = generation.clone();
    for baseline in plain.series.values_mut() {
        *baseline = Arc::new(widest(baseline).unwrap());
    }
    plain
}

/// `SELECT balances` is three times as slow each Monday from 09:00 to 10:00: after four weeks, of which the hours `from` to
/// `to` of each day were seen, that is normal, and without the hours of the week it would not be.
pub fn slow_mondays(per_second: f64, from: u64, to: u64) {
    let exchange = Exchange::new(Options { slow_mondays: true, ..options(3, per_second, MONDAY) });
    let days: Vec<TimeWindow> =
        (0..28).map(|day| after(MONDAY, day * DAY + from * HOUR, day * DAY + to * HOUR)).collect();
    let mut learnt = offline("UTC");
    learn(&mut learnt, &exchange, &days);
    let fifth = after(MONDAY, 28 * DAY + 8 * HOUR + 1_800, 28 * DAY + 10 * HOUR + 1_800);
    let mut plain = learnt.clone();
    plain.judge_by(Arc::new(without_hours(learnt.engine().generation())), fifth.from);

    let watched = watch(&mut learnt, &exchange, fifth);
    assert!(watched.incidents.is_empty(), "a habit is no incident:\n{watched}");
    let watched = watch(&mut plain, &exchange, fifth);
    println!("without hours of the week:\n{watched}");
    let slow = after(MONDAY, 28 * DAY + 9 * HOUR, 28 * DAY + 10 * HOUR + 60);
    assert!(watched.incidents.iter().any(|(incident, _)| slow.contains(incident.raised)), "{watched}");
    // What has nothing to do with Mondays says the same with and without: on Tuesday neither alarms.
    let tuesday = after(fifth.from, DAY, DAY + 2 * HOUR);
    for offline in [&mut learnt, &mut plain] {
        let watched = watch(offline, &exchange, tuesday);
        assert!(watched.incidents.is_empty(), "{watched}");
    }
}

/// Sundays in 2026 on which the clocks of Berlin change: 29 March and 25 October, 00:00 UTC.
pub const CLOCK_CHANGES: [Timestamp; 2] = [Timestamp::from_secs(1_774_742_400), Timestamp::from_secs(1_792_886_400)];

/// Neither the day on which the clocks change nor the one after alarms, though hours are counted by them.
pub fn clocks_change(per_second: f64, day: Timestamp, days_learnt: u64) {
    let exchange = Exchange::new(options(5, per_second, day));
    let mut learnt = offline("Europe/Berlin");
    learn(&mut learnt, &exchange, &[TimeWindow::new(day - Micros::from_secs(days_learnt * DAY), day)]);
    let watched = watch(&mut learnt, &exchange, after(day, 0, 2 * DAY));
    assert!(watched.traffic.traces as f64 > per_second * DAY as f64, "silence proves nothing");
    assert!(watched.incidents.is_empty(), "{watched}");
}
