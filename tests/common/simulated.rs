//! The simulated exchange watched by the engine in event time, and what became of a disturbance.

use std::fmt;
use std::sync::Arc;

use spanwatch::baseline;
use spanwatch::cli::demo::headless::{self, Traffic};
use spanwatch::demo::{Exchange, Options, Schedule};
use spanwatch::detect;
use spanwatch::domain::{Alert, Incident, Micros, TimeWindow, Timestamp};
use spanwatch::engine::Offline;

pub const POLL: Micros = Micros::from_secs(10);
pub const HOUR: u64 = 3_600;
pub const DAY: u64 = 24 * HOUR;
/// Monday 2 November 2026, 00:00 UTC.
pub const MONDAY: Timestamp = Timestamp::from_secs(1_793_577_600);
/// The simulator's own traces a second at rate 1.
const USUAL: f64 = 0.15;

pub fn after(start: Timestamp, from_s: u64, to_s: u64) -> TimeWindow {
    TimeWindow::new(start + Micros::from_secs(from_s), start + Micros::from_secs(to_s))
}

/// Knows nothing yet.
pub fn offline(zone: &str) -> Offline {
    let settings = baseline::Settings { zone: zone.to_owned(), ..baseline::Settings::default() };
    Offline::new(&settings, &detect::Settings::default(), POLL)
}

/// By its mean traces a second.
pub fn options(seed: u64, per_second: f64, origin: Timestamp) -> Options {
    let schedule = Schedule::Quiet;
    Options { seed, rate: per_second / USUAL, origin, schedule, slow_mondays: false }
}

/// Learns stretches of healthy time as back-fill does, hour by hour.
pub fn learn(offline: &mut Offline, exchange: &Exchange, windows: &[TimeWindow]) {
    let hours = |window: &TimeWindow| {
        let (from, count) = (window.from, window.length().secs() / HOUR);
        (0..count).map(move |hour| after(from, hour * HOUR, (hour + 1) * HOUR))
    };
    let end = windows.last().map_or(MONDAY, |window| window.to);
    for hour in windows.iter().flat_map(hours) {
        offline.learn(hour, exchange.traces_starting_in(hour).collect());
    }
    offline.recalculate(end);
    for hour in windows.iter().flat_map(hours) {
        offline.look_back(hour, &exchange.traces_ended_in(hour).collect::<Vec<_>>());
    }
    offline.recalculate(end);
}

/// What a stretch of watching told.
pub struct Watched {
    pub traffic: Traffic,
    /// Each with its worst alert.
    pub incidents: Vec<(Incident, Option<Alert>)>,
    /// All alerts of these incidents, by the time they were raised.
    pub alerts: Vec<Alert>,
}

/// Watches without learning from it.
pub fn watch(offline: &mut Offline, exchange: &Exchange, window: TimeWindow) -> Watched {
    watching(offline, exchange, window, false)
}

/// Watches and learns, as the live watch does.
pub fn watching(offline: &mut Offline, exchange: &Exchange, window: TimeWindow, learning: bool) -> Watched {
    let mut incidents: Vec<(Incident, Option<Alert>)> = Vec::new();
    let mut alerts: Vec<Alert> = Vec::new();
    let traffic = headless::watch(exchange, window, offline, learning, &mut |offline| {
        for incident in offline.ended_incidents() {
            alerts.extend(incident.alerts.iter().filter_map(|id| offline.alert(*id)).cloned());
            let worst = offline.worst_alert(&incident).cloned();
            // One that went on after a pause comes again.
            incidents.retain(|(known, _)| known.id != incident.id);
            incidents.push((incident, worst));
        }
    });
    alerts.sort_by_key(|alert| (alert.raised, alert.id));
    alerts.dedup_by_key(|alert| alert.id);
    Watched { traffic, incidents, alerts }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (incident, worst) in &self.incidents {
            writeln!(f, "    {}: {}", time(incident.raised), incident.title)?;
            if let Some(worst) = worst {
                let (chance, alpha) = (worst.worst.log10_chance, worst.worst.log10_alpha);
                writeln!(
                    f,
                    "        {} {}: {} (10^{chance:.1}, alpha 10^{alpha:.1})",
                    worst.kind,
                    worst.severity.number(),
                    worst.arithmetic()
                )?;
            }
        }
        Ok(())
    }
}

pub fn time(at: Timestamp) -> String {
    chrono::DateTime::from_timestamp(at.secs(), 0).unwrap_or_default().format("%a %d %b %H:%M:%S").to_string()
}

/// What became of one disturbance.
pub struct Verdict {
    /// From its begin to the first alert.
    pub found: Option<Micros>,
    /// The first suspect when the incident was last looked at.
    pub suspect: Option<Arc<str>>,
    /// Incidents that began before it.
    pub before: usize,
    /// The kind of the first alert, then all suspects with what speaks for them.
    pub why: String,
}

/// How long it is watched before something is broken: the longest window of the alert test is full by then.
pub const QUIET: u64 = 900;

/// Watches a copy of what was learnt while something is broken in `broken`, and for `rest` after it.
pub fn strike(learnt: &Offline, exchange: &Exchange, broken: TimeWindow, rest: Micros) -> Verdict {
    let mut offline = learnt.clone();
    let window = TimeWindow::new(broken.from - Micros::from_secs(QUIET), broken.to + rest);
    let watched = watch(&mut offline, exchange, window);
    let before = watched.incidents.iter().filter(|(incident, _)| incident.raised <= broken.from).count();
    let first = watched.alerts.iter().find(|alert| alert.raised > broken.from);
    let incident = first.and_then(|first| watched.incidents.iter().find(|(found, _)| found.id == first.incident));
    let suspects = incident.map_or(&[][..], |(incident, _)| &incident.suspects);
    let told = suspects.iter().take(3).map(|s| format!("{} {:.2} ({})", s.service, s.score, s.evidence.join("; ")));
    Verdict {
        found: first.map(|alert| alert.raised.since(broken.from)),
        suspect: suspects.first().map(|suspect| Arc::clone(&suspect.service)),
        before,
        why: first.map_or_else(String::new, |alert| {
            format!("{}: {} | {}", alert.kind, alert.arithmetic(), told.collect::<Vec<_>>().join(" / "))
        }),
    }
}
