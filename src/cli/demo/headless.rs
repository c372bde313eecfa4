//! Simulated days through the engine, in event time: no endpoints, no screen, as fast as the engine is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::super::{Failure, output};
use crate::cli::Flags;
use crate::demo::{DemoArgs, Exchange};
use crate::domain::{Incident, IncidentId, Micros, Span, TimeWindow, Timestamp, Trace};
use crate::engine::Offline;

/// What was learnt is committed that often.
const COMMIT_EVERY: Micros = Micros::from_secs(300);
/// Traces are handed from the thread that simulates to the one that judges in batches of so many.
const BATCH: usize = 256;
const BATCHES_AHEAD: usize = 8;

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    pub traces: u64,
    pub spans: u64,
}

/// Watches a stretch of simulated time; with `learn` it learns as it goes, as the live watch does. `told` gets the engine
/// after each commit, and once at the end.
pub fn watch(
    exchange: &Exchange,
    window: TimeWindow,
    offline: &mut Offline,
    learn: bool,
    told: &mut dyn FnMut(&mut Offline),
) -> Traffic {
    let mut traffic = Traffic::default();
    let (sender, receiver) = mpsc::sync_channel::<Vec<Trace>>(BATCHES_AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut traces = exchange.traces_ended_in(window);
            loop {
                let batch: Vec<Trace> = traces.by_ref().take(BATCH).collect();
                if batch.is_empty() || sender.send(batch).is_err() {
                    return;
                }
            }
        });
        offline.begin(window.from);
        let mut committed = window.from;
        for trace in receiver.iter().flatten() {
            let end = trace.spans.iter().map(Span::end).max().unwrap_or(committed);
            traffic.traces += 1;
            traffic.spans += trace.spans.len() as u64;
            offline.take(trace);
            if end >= committed + COMMIT_EVERY {
                committed = end;
                if learn {
                    offline.learn_nightly(end);
                }
                told(offline);
            }
        }
        offline.poll_until(window.to);
        offline.end();
        if learn {
            offline.learn_nightly(window.to);
        }
        told(offline);
    });
    traffic
}

/// `spanwatch demo --days N --headless`
pub fn headless(arguments: &DemoArgs, flags: &Flags) -> Result<ExitCode, Failure> {
    let config = flags.setup()?.loaded.config;
    let (exchange, window) = arguments.simulation();
    let mut offline = Offline::new(&config.baseline, &config.detect, config.monitor.poll_interval());
    let began = Instant::now();
    let mut incidents: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    let mut failed = None;
    let traffic = watch(&exchange, window, &mut offline, true, &mut |offline| {
        for incident in offline.ended_incidents() {
            // One that went on after a short pause comes again under its number.
            if let Err(error) = output::print(&line(&incident, offline)) {
                failed.get_or_insert(error);
            }
            incidents.insert(incident.id, incident);
        }
    });
    if let Some(failure) = failed {
        return Err(failure);
    }
    let severe = offline.engine().severe_minutes();
    output::print(&summary(&exchange, window, traffic, &incidents, severe))?;
    output::complain(&speed(traffic, began.elapsed()));
    Ok(ExitCode::SUCCESS)
}

/// Number, when, how bad, who is suspected first, how long, what; then the arithmetic of its worst alert.
fn line(incident: &Incident, offline: &Offline) -> String {
    let culprit = incident.culprit().map_or("-", |suspect| &suspect.service);
    let lasted = incident.closed.unwrap_or(incident.last_seen).since(incident.raised).secs();
    let raised = chrono::DateTime::from_timestamp(incident.raised.secs(), 0).unwrap_or_default();
    let (number, severity) = (incident.id.0, incident.severity.number());
    let raised = raised.format("%a %Y-%m-%dT%H:%M:%SZ");
    let why = offline.worst_alert(incident).map_or_else(String::new, |alert| format!("      {}\n", alert.arithmetic()));
    format!("#{number:<4} {raised}  SEV{severity}  {culprit:<14} {lasted:>5}s  {}\n{why}", incident.title)
}

fn summary(
    exchange: &Exchange,
    window: TimeWindow,
    traffic: Traffic,
    incidents: &BTreeMap<IncidentId, Incident>,
    severe_minutes: u64,
) -> String {
    let mut text = String::new();
    let Traffic { traces, spans } = traffic;
    let days = window.length().secs() / 86_400;
    _ = writeln!(text, "\n{days} days, {traces} traces, {spans} spans");
    let broken = disturbances(exchange, window);
    let touches = |incident: &&Incident| {
        broken.iter().any(|(from, to)| incident.onset < *to && *from < incident.closed.unwrap_or(incident.last_seen))
    };
    let false_ones = incidents.values().filter(|incident| !touches(incident)).count();
    _ = writeln!(text, "{} incidents, {false_ones} of them while nothing was broken", incidents.len());
    _ = writeln!(
        text,
        "{severe_minutes} of {} minutes with a SEV1 span: what alarms on single spans would have alarmed in all of them",
        window.length().secs() / 60
    );
    text
}

/// When something was broken, with the longest window of the alert test after it.
fn disturbances(exchange: &Exchange, window: TimeWindow) -> Vec<(Timestamp, Timestamp)> {
    const AFTER: Micros = Micros::from_secs(900);
    let faults = exchange.faults_within(window).into_iter().map(|planned| planned.window);
    let injected = exchange.injection().map(|(_, window)| window);
    faults.chain(injected).map(|window| (window.from, window.to + AFTER)).collect()
}

fn speed(traffic: Traffic, took: Duration) -> String {
    let per_second = traffic.spans as f64 / took.as_secs_f64().max(1e-3);
    format!("{:.1} s, {per_second:.0} spans a second", took.as_secs_f64())
}
