//! Verdicts on simulated traffic: faults are found and blamed on their cause, habits and clock changes are neither. The
//! same at full size, and months without faults: `tests/long/run`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/scenes.rs"]
mod scenes;
#[path = "common/simulated.rs"]
mod simulated;

use spanwatch::demo::{Exchange, Injection, Options, Schedule};
use spanwatch::domain::{Micros, TimeWindow};

use simulated::{DAY, HOUR, MONDAY, after, learn, offline, options, strike};

#[test]
fn faults_are_found_soon_and_blamed_on_their_cause() {
    const PER_SECOND: f64 = 0.5;
    const LASTING: Micros = Micros::from_secs(180);
    let mut learnt = offline("UTC");
    let history = after(MONDAY, 0, 2 * DAY);
    learn(&mut learnt, &Exchange::new(options(1_000, PER_SECOND, MONDAY)), &[history]);
    for (seed, asked) in [
        "slow:order-matcher:order.match",
        "slow:crypto-wallet",
        "errors:order-matcher:orderbook.match",
        "errors:exchange-api:payment_response process",
        "surge:all",
        "silence:order-matcher",
        "silence:exchange-api",
    ]
    .into_iter()
    .enumerate()
    {
        let injection: Injection = asked.parse().unwrap();
        let from = history.to + Micros::from_secs(HOUR * (1 + 3 * seed as u64));
        let schedule = Schedule::Inject { injection, after: Micros::ZERO, lasting: LASTING };
        let exchange = Exchange::new(Options { schedule, ..options(seed as u64, PER_SECOND, from) });
        let verdict = strike(&learnt, &exchange, TimeWindow::new(from, from + LASTING), Micros::ZERO);
        let found = verdict.found.unwrap_or(Micros(u64::MAX));
        assert!(found <= Micros::from_secs(60), "{asked}: found after {:?}", verdict.found);
        assert_eq!(verdict.suspect.as_deref(), Some(injection.culprit()), "{asked}: {}", verdict.why);
        assert_eq!(verdict.before, 0, "{asked}: nothing was broken yet");
    }
}

#[test]
fn a_slow_hour_of_every_week_is_normal_because_of_its_hour() {
    scenes::slow_mondays(0.3, 8, 11);
}

#[test]
fn days_on_which_the_clocks_change_are_quiet() {
    for day in scenes::CLOCK_CHANGES {
        scenes::clocks_change(0.05, day, 15);
    }
}
