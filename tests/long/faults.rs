//! The fault in the demo's first minute, on many seeds: the engine alone, fed as a poll every ten seconds feeds it.

use std::sync::Arc;

use spanwatch::baseline::Generation;
use spanwatch::demo::{Exchange, Fault, Options, Schedule};
use spanwatch::domain::{Micros, Severity, TimeWindow, Timestamp, Trace};
use spanwatch::engine::{Input, Output};
use spanwatch::messages::{RecordView, UpdateBody};

use super::learnt::{self, POLL_INTERVAL};

const SEEDS: u64 = 40;
const LEARNT: Micros = Micros::from_secs(7 * 86_400);
const WATCHED: Micros = Micros::from_secs(180);
const LEAST_SHARE: f64 = 0.95;

/// Friday 20 November 2026, 15:00 UTC.
const ORIGIN: Timestamp = Timestamp::from_secs(1_795_186_800);

fn exchange(seed: u64, schedule: Schedule) -> Exchange {
    Exchange::new(Options { seed, rate: 1.0, origin: ORIGIN, schedule, ..Options::default() })
}

/// A trace as it looks at `now`: only spans that have ended are there.
fn ended(trace: &Trace, now: Timestamp) -> Option<Trace> {
    let spans: Vec<_> = trace.spans.iter().filter(|span| span.end() <= now).cloned().collect();
    (!spans.is_empty()).then_some(Trace { id: trace.id, spans })
}

/// When the first alert in the list was the culprit's, at SEV1 or SEV2.
fn found_after(generation: &Arc<Generation>, seed: u64) -> Option<Micros> {
    let watched = TimeWindow::new(ORIGIN, ORIGIN + WATCHED);
    let traces: Vec<Trace> = exchange(seed, Schedule::Calm).traces_starting_in(watched).collect();
    let mut engine = learnt::engine();
    engine.step(Input::GenerationMade(Arc::clone(generation)), ORIGIN);
    let mut now = ORIGIN;
    while now < watched.to {
        let window = TimeWindow::new(now, now + POLL_INTERVAL);
        now = window.to;
        let polled = traces.iter().filter_map(|trace| ended(trace, now)).collect();
        engine.step(Input::TracesPolled(polled), now);
        let outputs = engine.step(Input::PollEnded(window), now);
        let alerts = outputs.into_iter().find_map(|output| match output {
            Output::Tell(UpdateBody::Records(alerts)) => Some(alerts),
            _ => None,
        });
        if alerts.expect("every poll tells the alerts").first().is_some_and(names_the_culprit) {
            return Some(now.since(ORIGIN));
        }
    }
    None
}

fn names_the_culprit(top: &RecordView) -> bool {
    Some(&*top.key.service) == Fault::SlowMatcher.culprit() && top.severity.is_at_least(Severity::Sev2)
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn the_first_fault_is_found_on_nearly_every_seed() {
    let history = TimeWindow::new(ORIGIN - LEARNT, ORIGIN);
    // Another seed than any of those watched.
    let generation = learnt::generation(&exchange(SEEDS, Schedule::Quiet), history);
    let mut found: Vec<Micros> = Vec::new();
    let mut missed = Vec::new();
    for seed in 0..SEEDS {
        match found_after(&generation, seed) {
            Some(after) => found.push(after),
            None => missed.push(seed),
        }
    }
    found.sort_unstable();
    let middle = found.get(found.len() / 2);
    println!("found on {} of {SEEDS} seeds, half of them within {middle:?}; missed on {missed:?}", found.len());
    assert!(found.len() as f64 >= LEAST_SHARE * SEEDS as f64, "missed on {missed:?}");
}
