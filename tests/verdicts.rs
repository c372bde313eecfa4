//! Verdicts on simulated traffic: faults are found and blamed on their cause, habits and clock changes are neither. The
//! same at full size, and months without faults: `tests/long/run`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/scenes.rs"]
mod scenes;
#[path = "common/simulated.rs"]
mod simulated;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use spanwatch::baseline;
use spanwatch::demo::{Exchange, Fault, Injection, Options, Schedule};
use spanwatch::detect;
use spanwatch::domain::{Alert, AlertKind, Micros, Subject, TimeWindow};
use spanwatch::engine::{Engine, Input, Offline, Output};

use simulated::{DAY, HOUR, MONDAY, POLL, after, learn, offline, options, strike, watch};

const PER_SECOND: f64 = 0.5;

/// Two days, learnt once for all tests that begin with them.
fn learnt() -> (&'static Offline, TimeWindow) {
    static LEARNT_ONCE: OnceLock<Offline> = OnceLock::new();
    let history = after(MONDAY, 0, 2 * DAY);
    let learnt = LEARNT_ONCE.get_or_init(|| {
        let mut learnt = offline("UTC");
        learn(&mut learnt, &Exchange::new(options(1_000, PER_SECOND, MONDAY)), &[history]);
        learnt
    });
    (learnt, history)
}

#[test]
fn faults_are_found_soon_and_blamed_on_their_cause() {
    const LASTING: Micros = Micros::from_secs(300);
    let (learnt, history) = learnt();
    for (seed, asked) in [
        "slow:order-matcher:order.match",
        "slow:crypto-wallet",
        "errors:0.5:order-matcher:orderbook.match",
        "errors:0.5:exchange-api:payment_response process",
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
        let verdict = strike(learnt, &exchange, TimeWindow::new(from, from + LASTING), Micros::ZERO);
        let found = verdict.found.unwrap_or(Micros(u64::MAX));
        assert!(found <= Micros::from_secs(90), "{asked}: found after {:?}", verdict.found);
        assert_eq!(verdict.suspect.as_deref(), Some(injection.culprit()), "{asked}: {}", verdict.why);
        assert_eq!(verdict.before, 0, "{asked}: nothing was broken yet");
    }
}

/// Stories in which the cause is not where most is odd, and those in which nobody is to blame.
#[test]
fn stories_are_blamed_on_their_cause_or_on_nobody() {
    let (learnt, history) = learnt();
    let stories = [
        Fault::RetryStorm,
        Fault::WrongParent,
        Fault::BrokenContext,
        Fault::NewError,
        Fault::Holiday,
        Fault::SourceGap,
    ];
    for (seed, fault) in stories.into_iter().enumerate() {
        let from = history.to + Micros::from_secs(HOUR * (1 + 5 * seed as u64));
        let schedule = Schedule::Once { fault, after: Micros::ZERO };
        let exchange = Exchange::new(Options { schedule, ..options(seed as u64, PER_SECOND, from) });
        let rest = Micros::from_secs(if fault.culprit().is_none() { 900 } else { 0 });
        let verdict = strike(learnt, &exchange, TimeWindow::new(from, from + fault.duration()), rest);
        assert_eq!(verdict.found.is_some(), fault.culprit().is_some(), "{}: {}", fault.name(), verdict.why);
        assert_eq!(verdict.suspect.as_deref(), fault.culprit(), "{}: {}", fault.name(), verdict.why);
    }
}

/// The worst call may be far from the first odd one: what lies between them makes them one incident.
#[test]
fn one_fault_is_one_incident() {
    let (learnt, history) = learnt();
    for seed in 0..10 {
        let from = history.to + Micros::from_secs(HOUR * (1 + 2 * seed));
        let window = TimeWindow::new(from, from + Micros::from_secs(240));
        let injection: Injection = "slow:4:order-matcher:order.match".parse().unwrap();
        let schedule = Schedule::Inject { injection, after: Micros::from_secs(60), lasting: Micros::from_secs(180) };
        let exchange = Exchange::new(Options { schedule, ..options(seed, PER_SECOND, from) });
        let watched = watch(&mut learnt.clone(), &exchange, window);
        let ended = watched.incidents.iter().map(|(incident, _)| incident.title.as_str());
        let separate: Vec<&str> = ended.filter(|title| !title.contains("went on as")).collect();
        assert_eq!(separate.len(), 1, "seed {seed}: {separate:?}");
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

/// What differs so much that a poll sooner or later changes nothing.
fn beyond_doubt<'a>(alerts: impl Iterator<Item = &'a Alert>) -> BTreeSet<(Subject, AlertKind)> {
    alerts.filter(|alert| alert.worst.log10_chance < -15.0).map(|alert| (alert.subject.clone(), alert.kind)).collect()
}

#[test]
fn replay_equals_live() {
    let (learnt, history) = learnt();
    let from = history.to + Micros::from_secs(HOUR);
    let window = TimeWindow::new(from, from + Micros::from_secs(600));
    let injection: Injection = "slow:5:order-matcher:order.match".parse().unwrap();
    let schedule = Schedule::Inject { injection, after: Micros::from_secs(120), lasting: Micros::from_secs(240) };
    let exchange = Exchange::new(Options { schedule, ..options(7, PER_SECOND, from) });

    let replayed = watch(&mut learnt.clone(), &exchange, window);

    let mut live = Engine::new(baseline::Settings::default(), detect::Settings::default(), POLL);
    live.step(Input::GenerationMade(Arc::clone(learnt.engine().generation())), from);
    let (mut alerts, mut culprits) = (Vec::new(), BTreeSet::new());
    let mut poll = from;
    while poll < window.to {
        let asked = TimeWindow::new(poll, poll + POLL);
        poll = asked.to;
        let mut outputs = live.step(Input::TracesPolled(exchange.traces_ended_in(asked).collect()), poll);
        outputs.extend(live.step(Input::PollEnded(asked), poll));
        for output in outputs {
            match output {
                Output::RecordAlert(alert) => alerts.push(*alert),
                Output::RecordIncident(incident) => {
                    culprits.extend(incident.culprit().map(|culprit| culprit.service.to_string()));
                }
                _ => {}
            }
        }
    }
    let (live, replayed_alerts) = (beyond_doubt(alerts.iter()), beyond_doubt(replayed.alerts.iter()));
    assert!(!live.is_empty());
    assert_eq!(live, replayed_alerts);
    assert!(culprits.contains("order-matcher"), "{culprits:?}");
}
