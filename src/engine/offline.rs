//! The engine over data that lies there already: the same verdicts as live, as fast as the data can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{self, DayRow, Generation, KeyBuilder, Learnt, SeriesKey, Structure, unite, watched};
use crate::detect;
use crate::domain::{Alert, AlertId, Incident, Micros, Suspect, TimeWindow, Timestamp, Trace};

use super::{Engine, Input, MetricReading, Output};

/// An engine with a store in memory. Traces come complete, in the order in which their last spans ended.
#[derive(Debug)]
pub struct Offline {
    engine: Engine,
    settings: baseline::Settings,
    interval: Micros,
    rows: BTreeMap<SeriesKey, BTreeMap<i32, DayRow>>,
    structure: Structure,
    known: Vec<TimeWindow>,
    generation: u64,
    /// When the last poll was made and the next one is due; `None` between stretches of data.
    polled: Option<Timestamp>,
    /// Watched when the baselines were computed last.
    computed_at: Micros,
    incidents: Vec<Incident>,
    alerts: BTreeMap<AlertId, Alert>,
}

/// While it learns as it watches, baselines are computed anew when a tenth more is known.
const GROWN: f64 = 1.1;
/// And at first when this much is known.
const FIRST: Micros = Micros::from_secs(60);

impl Offline {
    #[must_use]
    pub fn new(settings: &baseline::Settings, detect: &detect::Settings, interval: Micros) -> Self {
        Self {
            engine: Engine::complete(settings.clone(), detect.clone(), interval),
            settings: settings.clone(),
            interval,
            rows: BTreeMap::new(),
            structure: Structure::default(),
            known: Vec::new(),
            generation: 0,
            polled: None,
            computed_at: Micros::ZERO,
            incidents: Vec::new(),
            alerts: BTreeMap::new(),
        }
    }

    /// Learns traces of a stretch of time that is known to be normal.
    pub fn learn(&mut self, window: TimeWindow, traces: Vec<Trace>) {
        self.step(Input::HistoryRead { window, traces }, window.to);
        self.step(Input::HistoryWindowRead(window), window.to);
        self.step(Input::HistoryEnded { windows: vec![window], progress: crate::messages::BackFill::Done }, window.to);
    }

    /// Looks once more at what was learnt, for how much calls of one minute resemble each other: that can be counted only
    /// when it is known what is long.
    pub fn look_back(&mut self, window: TimeWindow, traces: &[Trace]) {
        let spreads = self.engine.look_back(window, traces);
        self.structure.merge(&Structure { spreads, ..Structure::default() });
    }

    /// Computes the baselines from all that was learnt, and judges by them from now on.
    pub fn recalculate(&mut self, now: Timestamp) {
        let mut builder = KeyBuilder::new(self.settings.calendar());
        let rules = self.settings.rules();
        self.generation += 1;
        let mut generation = Generation {
            number: self.generation,
            made_at: now,
            structure: Arc::new(self.structure.clone()),
            watched_s: watched(&self.known, &self.settings.calendar()),
            ..Generation::default()
        };
        let mut bytes = Vec::new();
        for (series, days) in &self.rows {
            for (day, row) in days {
                bytes.clear();
                row.encode(&mut bytes);
                builder.add_row(*day, &bytes);
            }
            let baseline = builder.finish(self.settings.min_samples, &rules);
            if baseline.samples > 0 {
                generation.series.insert(series.clone(), Arc::new(baseline));
            }
        }
        self.computed_at = generation.watched();
        self.step(Input::GenerationMade(Arc::new(generation)), now);
    }

    /// Forgets what is older than is learnt from.
    pub fn forget_before(&mut self, day: i32) {
        for days in self.rows.values_mut() {
            *days = days.split_off(&day);
        }
    }

    /// A stretch of data begins: what was before does not continue.
    pub fn begin(&mut self, at: Timestamp) {
        self.end();
        self.step(Input::GapEnded(at), at);
        self.polled = Some(at);
    }

    /// Takes the next trace; polls that were due before it ended are made first.
    pub fn take(&mut self, trace: Trace) {
        let end = trace.spans.iter().map(crate::domain::Span::end).max().unwrap_or_default();
        self.poll_until(end);
        self.step(Input::TracesPolled(vec![trace]), end);
    }

    /// Makes all polls that are due by then.
    pub fn poll_until(&mut self, to: Timestamp) {
        while let Some(last) = self.polled.filter(|last| *last + self.interval <= to) {
            self.poll(last + self.interval);
        }
    }

    /// Polls at this moment.
    pub fn poll(&mut self, now: Timestamp) {
        let from = self.polled.replace(now).unwrap_or(now);
        self.step(Input::PollEnded(TimeWindow::new(from, now)), now);
    }

    /// Takes resource metrics as they come.
    pub fn take_metrics(&mut self, readings: Vec<MetricReading>, now: Timestamp) {
        self.step(Input::MetricsPolled(readings), now);
    }

    /// Commits what was learnt while watching, and computes baselines when enough more is known.
    pub fn learn_on(&mut self, now: Timestamp) {
        self.step(Input::TimePassed { commit: true }, now);
        let known = Micros(self.known.iter().map(|window| window.length().0).sum());
        if known >= FIRST && known.0 as f64 >= self.computed_at.0 as f64 * GROWN {
            self.recalculate(now);
        }
    }

    /// The stretch of data ends: everything open is closed as it was last seen.
    pub fn end(&mut self) {
        if let Some(last) = self.polled.take() {
            self.step(Input::GapEnded(last), last);
        }
    }

    /// Who may be the cause of what happened in this window, whether or not anything was alerted.
    #[must_use]
    pub fn suspects(&self, window: TimeWindow) -> Vec<Suspect> {
        self.engine.suspects(window)
    }

    /// Incidents that ended since the last call, each stretch in which one was active by itself, in that order.
    pub fn ended_incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }

    /// An alert as it was last.
    #[must_use]
    pub fn alert(&self, id: AlertId) -> Option<&Alert> {
        self.alerts.get(&id)
    }

    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    fn step(&mut self, input: Input, now: Timestamp) {
        for output in self.engine.step(input, now) {
            match output {
                Output::StoreLearnt(learnt) => self.store(learnt),
                Output::RecordAlert(alert) => {
                    self.alerts.insert(alert.id, *alert);
                }
                Output::RecordIncident(incident) if incident.closed.is_some() => self.incidents.push(*incident),
                _ => {}
            }
        }
    }

    fn store(&mut self, learnt: Learnt) {
        for ((series, hour), slice) in learnt.slices {
            self.rows.entry(series).or_default().entry(hour.day()).or_default().merge(hour.hour_of_day(), &slice);
        }
        self.structure.merge(&learnt.structure);
        for window in learnt.windows {
            unite(&mut self.known, window);
        }
    }
}
