//! The engine over what was loaded, in event time.

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::Arc;

use super::super::{Failure, output};
use super::{AlertLine, OutFile, OutLine, RankLine, ReplayArgs, ReplayInput, Suspect, load};
use crate::cli::Flags;
use crate::detect::is_resource;
use crate::domain::{self, Incident, Micros, TimeWindow, Timestamp, Trace};
use crate::engine::{MetricReading, Offline};
use crate::sources::file::Series;

/// Judges what the files hold and writes what was found.
///
/// # Errors
/// Input that cannot be read, output that cannot be written.
pub fn replay(arguments: &ReplayArgs, flags: &Flags) -> Result<ExitCode, Failure> {
    let setup = flags.setup()?;
    let config = setup.loaded.config;
    let mut out = OutFile::create(&arguments.alerts)?;
    let input = load(arguments)?;
    for note in &input.notes {
        output::complain(note);
    }
    let offline = Offline::new(&config.baseline, &config.detect, config.monitor.poll_interval());
    Replay {
        offline,
        online: input.learn.is_none(),
        interval: config.monitor.poll_interval(),
        goes_on: false,
        rank: input.rank.clone(),
        readings: VecDeque::new(),
        out: &mut out,
    }
    .run(input)?;
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

struct Replay<'a> {
    offline: Offline,
    online: bool,
    interval: Micros,
    /// The next interval continues the last one.
    goes_on: bool,
    /// Windows not ranked yet.
    rank: Vec<(TimeWindow, String)>,
    /// Metrics not taken yet, in time order.
    readings: VecDeque<MetricReading>,
    out: &'a mut OutFile,
}

/// While it learns as it watches, baselines may be computed anew that often.
const LEARN_EVERY: Micros = Micros::from_secs(60);

impl Replay<'_> {
    fn run(mut self, input: ReplayInput) -> Result<(), Failure> {
        let ReplayInput { learn, watch, learn_traces, watch_traces, series, .. } = input;
        let mut readings = readings(&series);
        if let Some(learn) = learn {
            let now = learn.last().map_or_else(Timestamp::default, |window| window.to);
            let known = readings.iter().filter(|reading| learn.iter().any(|window| window.contains(reading.at)));
            let known = known.map(|reading| MetricReading { normal: true, ..reading.clone() }).collect();
            self.offline.take_metrics(known, now);
            self.learn(&learn, learn_traces);
        }
        readings.retain(|reading| watch.iter().any(|window| window.contains(reading.at)));
        self.readings = readings.into();
        let mut traces = watch_traces.into_iter().peekable();
        let mut segments = watch.into_iter().peekable();
        while let Some(segment) = segments.next() {
            // Less than a poll is missing: what follows goes on.
            let interval = self.interval;
            let goes_on = segments.peek().is_some_and(|next| next.from <= segment.to + interval);
            self.watch(segment, goes_on, &mut traces)?;
        }
        self.rank_until(Timestamp(i64::MAX))
    }

    /// First what is normal, then how much calls of one minute resemble each other, which takes knowing what is long.
    fn learn(&mut self, windows: &[TimeWindow], traces: Vec<Trace>) {
        let Some(now) = windows.last().map(|window| window.to) else { return };
        for window in windows {
            self.offline.learn(*window, within(&traces, *window));
        }
        self.offline.recalculate(now);
        for window in windows {
            self.offline.look_back(*window, &within(&traces, *window));
        }
        self.offline.recalculate(now);
    }

    fn watch(
        &mut self,
        segment: TimeWindow,
        goes_on: bool,
        traces: &mut std::iter::Peekable<impl Iterator<Item = Trace>>,
    ) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.goes_on, goes_on) {
            self.offline.begin(segment.from);
        }
        let mut learnt = segment.from;
        // A trace that ends after the segment is not known within it.
        while let Some(trace) = traces.next_if(|trace| end(trace) <= segment.to) {
            if start(&trace) < segment.from {
                continue;
            }
            let end = end(&trace);
            self.take_metrics(end);
            self.offline.take(trace);
            if self.online && end >= learnt + LEARN_EVERY {
                learnt = end;
                self.offline.learn_on(end);
            }
        }
        while traces.next_if(|trace| start(trace) < segment.to).is_some() {}
        self.take_metrics(segment.to);
        self.offline.poll_until(segment.to);
        self.offline.poll(segment.to);
        self.rank_until(segment.to)?;
        if goes_on {
            return Ok(());
        }
        self.offline.end();
        if self.online {
            self.offline.learn_on(segment.to);
        }
        self.write_ended()
    }

    /// Metrics that were scraped by then.
    fn take_metrics(&mut self, to: Timestamp) {
        while let Some(next) = self.readings.front().filter(|reading| reading.at <= to).cloned() {
            self.readings.pop_front();
            let at = next.at;
            self.offline.take_metrics(vec![next], at);
        }
    }

    fn rank_until(&mut self, to: Timestamp) -> Result<(), Failure> {
        let (now, later) = std::mem::take(&mut self.rank).into_iter().partition(|(window, _)| window.to <= to);
        self.rank = later;
        for (window, fault) in now {
            let suspects = self.offline.suspects(window).into_iter().map(told).collect();
            self.out.write(&OutLine::Rank(RankLine { fault, suspects }))?;
        }
        Ok(())
    }

    fn write_ended(&mut self) -> Result<(), Failure> {
        for incident in self.offline.ended_incidents() {
            let line = self.line(incident);
            self.out.write(&OutLine::Alert(line))?;
        }
        Ok(())
    }

    fn line(&self, incident: Incident) -> AlertLine {
        let worst = self.offline.worst_alert(&incident);
        AlertLine {
            start: incident.raised,
            end: incident.closed.unwrap_or(incident.last_seen),
            severity: incident.severity,
            kind: worst.map_or_else(String::new, |alert| alert.kind.to_string()),
            why: worst.map_or_else(String::new, domain::Alert::arithmetic),
            title: incident.title,
            suspects: incident.suspects.into_iter().map(told).collect(),
        }
    }
}

/// Labels that name the service a metric belongs to, best first.
const SERVICE_LABELS: [&str; 6] = ["service", "service_name", "app", "deployment", "container", "job"];

/// The values of resource metrics that belong to a service, in time order.
fn readings(series: &[Series]) -> Vec<MetricReading> {
    let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    let mut readings: Vec<MetricReading> = Vec::new();
    for series in series.iter().filter(|series| is_resource(&series.name)) {
        let Some(service) = SERVICE_LABELS.iter().find_map(|label| series.labels.get(*label)) else { continue };
        let service: Arc<str> = Arc::from(service.as_str());
        let name = names.entry(&series.name).or_insert_with(|| Arc::from(series.name.as_str())).clone();
        readings.extend(series.points.iter().map(|(at, value)| MetricReading {
            service: service.clone(),
            name: name.clone(),
            at: *at,
            value: *value,
            normal: false,
        }));
    }
    readings.sort_by(|a, b| (a.at, &a.service, &a.name).cmp(&(b.at, &b.service, &b.name)));
    readings
}

fn start(trace: &Trace) -> Timestamp {
    trace.spans.iter().map(|span| span.start).min().unwrap_or_default()
}

fn end(trace: &Trace) -> Timestamp {
    trace.spans.iter().map(domain::Span::end).max().unwrap_or_default()
}

fn within(traces: &[Trace], window: TimeWindow) -> Vec<Trace> {
    traces.iter().filter(|trace| window.contains(start(trace))).cloned().collect()
}

fn told(suspect: domain::Suspect) -> Suspect {
    Suspect {
        service: suspect.service.to_string(),
        operation: suspect.operation.map(|operation| operation.to_string()),
        score: suspect.score,
    }
}
