//! The engine over what was loaded, in event time.

use std::process::ExitCode;

use super::super::{Failure, output};
use super::{AlertLine, OutFile, OutLine, RankLine, ReplayArgs, ReplayInput, Suspect, load};
use crate::cli::Flags;
use crate::detect::Support;
use crate::domain::{self, Incident, Micros, TimeWindow, Timestamp, Trace};
use crate::engine::Offline;

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
    out: &'a mut OutFile,
}

/// While it learns as it watches, baselines may be computed anew that often.
const LEARN_EVERY: Micros = Micros::from_secs(60);

impl Replay<'_> {
    fn run(mut self, input: ReplayInput) -> Result<(), Failure> {
        let ReplayInput { learn, watch, learn_traces, watch_traces, .. } = input;
        if let Some(learn) = learn {
            self.learn(&learn, learn_traces);
        }
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
            self.offline.take(trace);
            if self.online && end >= learnt + LEARN_EVERY {
                learnt = end;
                self.offline.learn_on(end);
            }
        }
        while traces.next_if(|trace| start(trace) < segment.to).is_some() {}
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

    fn rank_until(&mut self, to: Timestamp) -> Result<(), Failure> {
        let (now, later) = std::mem::take(&mut self.rank).into_iter().partition(|(window, _)| window.to <= to);
        self.rank = later;
        for (window, fault) in now {
            let suspects = self.offline.suspects(window, &Support::default()).into_iter().map(told).collect();
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
        let alerts = || incident.alerts.iter().filter_map(|id| self.offline.alert(*id));
        let worst = alerts().min_by(|a, b| {
            (a.severity, a.worst.log10_chance)
                .partial_cmp(&(b.severity, b.worst.log10_chance))
                .unwrap_or(a.id.cmp(&b.id))
        });
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
