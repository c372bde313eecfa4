//! Verdicts on months of simulated traffic: how often it alarms when nothing is wrong, and what it finds when something is.

use std::sync::OnceLock;

use spanwatch::demo::{Effect, Exchange, Fault, Injection, Options, Schedule};
use spanwatch::domain::{Micros, SpanKey, TimeWindow, Timestamp};
use spanwatch::engine::Offline;

use super::scenes;
use super::simulated::{DAY, HOUR, MONDAY, QUIET, after, offline, options, strike, time, watching};

/// A seed that no run watches.
const LEARNT: u64 = 1_000;
const SEEDS: u64 = 40;
const SHARE: f64 = 0.95;

/// False incidents of the second half of a run that learns while it watches, and the same for alarms on single spans.
fn false_incidents(per_second: f64, days: u64, allowed: usize) {
    let exchange = Exchange::new(options(7, per_second, MONDAY));
    let mut offline = offline("UTC");
    let first = watching(&mut offline, &exchange, after(MONDAY, 0, days * DAY), true);
    let severe = offline.engine().severe_minutes();
    let second = watching(&mut offline, &exchange, after(MONDAY, days * DAY, 2 * days * DAY), true);
    let severe = offline.engine().severe_minutes() - severe;
    println!(
        "{per_second} traces/s, {days} days ({} spans): {} false incidents ({} while the first {days} days were learnt); \
         the per-span design alarms in {severe} of {} minutes\n{second}",
        second.traffic.spans,
        second.incidents.len(),
        first.incidents.len(),
        days * DAY / 60,
    );
    assert!(second.incidents.len() <= allowed, "{} false incidents", second.incidents.len());
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn a_month_without_faults_at_a_tenth_of_a_trace_a_second() {
    false_incidents(0.1, 30, 4);
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn a_month_without_faults_at_one_trace_a_second() {
    false_incidents(1.0, 30, 4);
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn a_month_without_faults_at_ten_traces_a_second() {
    false_incidents(10.0, 30, 4);
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn three_days_without_faults_at_a_hundred_traces_a_second() {
    false_incidents(100.0, 3, 1);
}

fn learnt_month(per_second: f64) -> Offline {
    let mut offline = offline("UTC");
    let window = after(MONDAY, 0, 30 * DAY);
    watching(&mut offline, &Exchange::new(options(LEARNT, per_second, MONDAY)), window, true);
    offline
}

/// A month at one trace a second, learnt once for all tests that begin with it.
fn month() -> &'static Offline {
    static LEARNT_ONCE: OnceLock<Offline> = OnceLock::new();
    LEARNT_ONCE.get_or_init(|| learnt_month(1.0))
}

/// The seeds' disturbances begin at different hours of the week after the month, and at all phases of a poll.
fn begin(seed: u64) -> Timestamp {
    MONDAY + Micros::from_secs(30 * DAY + QUIET + seed * (4 * HOUR + 13 * 60) + seed % 10)
}

struct Tally {
    found: Vec<Micros>,
    blamed: usize,
    runs: usize,
}

const LASTING: Micros = Micros::from_secs(300);

/// How often what an injection strikes is called in its time when nothing is wrong.
fn usual_calls(injection: &Injection, healthy: Options) -> usize {
    let target = injection.target().to_string();
    let struck = |key: &SpanKey| {
        target == "all" || target == *key.service || target == format!("{}:{}", key.service, key.operation)
    };
    let window = TimeWindow::new(healthy.origin, healthy.origin + LASTING);
    let exchange = Exchange::new(healthy);
    let spans = exchange.traces_starting_in(window).flat_map(|trace| trace.spans);
    spans.filter(|span| struck(&span.key)).count()
}

/// Each seed with the next of the injections.
fn matrix(learnt: &Offline, choices: &[Injection], per_second: f64) -> Tally {
    let mut tally = Tally { found: Vec::new(), blamed: 0, runs: 0 };
    for seed in 0..SEEDS {
        let injection = choices[seed as usize % choices.len()];
        let from = begin(seed);
        let schedule = Schedule::Inject { injection, after: Micros::ZERO, lasting: LASTING };
        let healthy = options(seed, per_second, from);
        let calls = usual_calls(&injection, healthy);
        let exchange = Exchange::new(Options { schedule, ..healthy });
        let verdict = strike(learnt, &exchange, TimeWindow::new(from, from + LASTING), Micros::ZERO);
        tally.runs += 1;
        let blamed = verdict.suspect.as_deref() == Some(injection.culprit());
        match verdict.found {
            None => println!("  seed {seed} {injection} at {}: missed ({calls} calls)", time(from)),
            Some(_) if !blamed => println!("  seed {seed} {injection}: blamed wrongly: {}", verdict.why),
            Some(_) => {}
        }
        if verdict.before > 0 {
            println!("  seed {seed} {injection}: {} incidents before anything was broken", verdict.before);
        }
        tally.blamed += usize::from(verdict.found.is_some() && blamed);
        tally.found.extend(verdict.found);
    }
    tally.found.sort_unstable();
    println!(
        "{per_second} traces/s, {}: found {} of {}, culprit first {}, median delay {} s, longest {} s",
        choices[0].effect().name(),
        tally.found.len(),
        tally.runs,
        tally.blamed,
        tally.found.get(tally.found.len() / 2).map_or(0, |delay| delay.secs()),
        tally.found.last().map_or(0, |delay| delay.secs()),
    );
    println!("  delays {:?}", tally.found.iter().map(|delay| delay.secs()).collect::<Vec<_>>());
    tally
}

const EFFECTS: [Effect; 4] = [Effect::SLOW, Effect::ERRORS, Effect::SURGE, Effect::Silence];

fn share_of(tally: &Tally) -> usize {
    (SHARE * tally.runs as f64).ceil() as usize
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn each_kind_of_fault_is_found_soon_and_blamed_on_its_cause() {
    let tallies = EFFECTS.map(|effect| matrix(month(), &Injection::choices(effect), 1.0));
    let mut delays: Vec<Micros> = tallies.iter().flat_map(|tally| tally.found.iter().copied()).collect();
    delays.sort_unstable();
    let median = delays[delays.len() / 2];
    println!("all kinds: median delay {} s", median.secs());
    for tally in tallies {
        assert!(tally.found.len() >= share_of(&tally), "found {} of {}", tally.found.len(), tally.runs);
        assert!(tally.blamed >= share_of(&tally), "blamed {} of {}", tally.blamed, tally.runs);
    }
    assert!(median <= Micros::from_secs(20), "{median:?}");
}

/// At six traces a minute one operation among many is called too rarely to say anything of it within five minutes:
/// whole services are struck, and all visits.
#[test]
#[ignore = "long: run by tests/long/run"]
fn with_little_traffic_each_kind_of_fault_is_found_within_five_minutes() {
    let learnt = learnt_month(0.1);
    let tallies = EFFECTS.map(|effect| {
        let services = ["crypto-wallet", "api-gateway", "exchange-api", "order-matcher"];
        let wide = services.iter().filter_map(|service| format!("{}:{service}", effect.name()).parse().ok());
        let silent = |injection: &Injection| effect != Effect::Silence || injection.culprit() != "crypto-wallet";
        let mut choices: Vec<Injection> = wide.filter(silent).collect();
        if choices.is_empty() {
            choices.push("surge:all".parse().unwrap());
        }
        matrix(&learnt, &choices, 0.1)
    });
    for tally in tallies {
        assert!(tally.found.len() >= share_of(&tally), "found {} of {}", tally.found.len(), tally.runs);
    }
}

/// The story faults, on a few seeds each.
#[test]
#[ignore = "long: run by tests/long/run"]
fn the_exchanges_own_faults_are_found_and_its_quiet_stories_are_not() {
    const RUNS: u64 = 5;
    let learnt = month();
    let mut wrong = Vec::new();
    for fault in Fault::ALL {
        let (mut found, mut blamed, mut delays) = (0, 0, Vec::new());
        for seed in 0..RUNS {
            let from = begin(seed * 7);
            let schedule = Schedule::Once { fault, after: Micros::ZERO };
            let exchange = Exchange::new(Options { schedule, ..options(seed, 1.0, from) });
            let broken = TimeWindow::new(from, from + fault.duration());
            let rest = Micros::from_secs(if fault.culprit().is_none() { 900 } else { 0 });
            let verdict = strike(learnt, &exchange, broken, rest);
            found += u64::from(verdict.found.is_some());
            let right = verdict.found.is_some() && verdict.suspect.as_deref() == fault.culprit();
            blamed += u64::from(right);
            delays.extend(verdict.found);
            if fault.culprit().is_none() && verdict.found.is_some() || verdict.found.is_some() && !right {
                println!("  {} seed {seed} at {}: {}", fault.name(), time(from), verdict.why);
            }
        }
        delays.sort_unstable();
        let middle = delays.get(delays.len() / 2).map_or(0, |delay| delay.secs());
        println!("{:<19} found {found} of {RUNS}, culprit first {blamed}, median delay {middle} s", fault.name());
        match fault.culprit() {
            None if found > 0 => wrong.push(format!("{} alarmed", fault.name())),
            Some(_) if found < RUNS => wrong.push(format!("{} was found in {found} of {RUNS}", fault.name())),
            Some(_) if blamed < RUNS => wrong.push(format!("{} was blamed rightly in {blamed}", fault.name())),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn a_slow_hour_of_every_week_is_normal_because_of_its_hour() {
    scenes::slow_mondays(1.0, 0, 24);
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn days_on_which_the_clocks_change_are_quiet() {
    for day in scenes::CLOCK_CHANGES {
        scenes::clocks_change(1.0, day, 30);
    }
}
