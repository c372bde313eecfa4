//! The engine over data that lies there already: the same verdicts as live, as fast as the data can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{self, DayRow, Generation, KeyBuilder, Learnt, SeriesKey, Structure, unite, watched, without};
use crate::detect;
use crate::domain::{Alert, AlertId, Incident, Micros, Suspect, TimeWindow, Timestamp, Trace, UtcHour};

use super::{Engine, Input, MetricReading, Output};

/// An engine with a store in memory. Traces come complete, in the order in which their last spans ended.
#[derive(Debug, Clone)]
pub struct Offline {
    engine: Engine,
    settings: baseline::Settings,
    interval: Micros,
    /// By UTC day. Shared with copies of this one until either changes.
    rows: BTreeMap<SeriesKey, BTreeMap<i32, Arc<DayRow>>>,
    /// By weeks of seven UTC days, in the order of their numbers: as coarsely as the store keeps it.
    structure: BTreeMap<i32, Arc<Structure>>,
    known: Vec<TimeWindow>,
    /// Within them; see [`Ledger`](baseline::Ledger).
    excluded: Vec<TimeWindow>,
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
const DAY: Micros = Micros::from_secs(86_400);

impl Offline {
    #[must_use]
    pub fn new(settings: &baseline::Settings, detect: &detect::Settings, interval: Micros) -> Self {
        Self {
            engine: Engine::complete(settings.clone(), detect.clone(), interval),
            settings: settings.clone(),
            interval,
            rows: BTreeMap::new(),
            structure: BTreeMap::new(),
            known: Vec::new(),
            excluded: Vec::new(),
            generation: 0,
            polled: None,
            computed_at: Micros::ZERO,
            incidents: Vec::new(),
            alerts: BTreeMap::new(),
        }
    }

    /// See [`Engine::with_maintenance`].
    #[must_use]
    pub fn with_maintenance(mut self, maintenance: &[baseline::Maintenance]) -> Self {
        self.engine = self.engine.with_maintenance(maintenance);
        self
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
        self.add_structure(UtcHour::of(window.from).day(), &Structure { spreads, ..Structure::default() });
    }

    /// Computes the baselines from all that was learnt, and judges by them from now on.
    pub fn recalculate(&mut self, now: Timestamp) {
        let mut builder = KeyBuilder::new(self.settings.calendar());
        let rules = self.settings.rules();
        self.generation += 1;
        let mut structure = Structure::default();
        for week in self.structure.values() {
            structure.merge(week);
        }
        let mut generation = Generation {
            number: self.generation,
            made_at: now,
            structure: Arc::new(structure),
            watched_s: watched(&without(&self.known, &self.excluded), &self.settings.calendar()),
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
        self.judge_by(Arc::new(generation), now);
    }

    /// Judges by these baselines from now on.
    pub fn judge_by(&mut self, generation: Arc<Generation>, now: Timestamp) {
        self.step(Input::GenerationMade(generation), now);
    }

    /// Forgets what is older than is learnt from: whole days, and of structure whole weeks.
    fn forget_before(&mut self, day: i32) {
        for days in self.rows.values_mut() {
            *days = days.split_off(&day);
        }
        self.structure = self.structure.split_off(&day.div_euclid(7));
        let from = UtcHour(day.saturating_mul(24)).start();
        self.known.retain_mut(|window| {
            window.from = window.from.max(from);
            window.from < window.to
        });
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
        if self.has_grown() {
            self.recalculate(now);
        }
    }

    /// As [`Offline::learn_on`] through the first day; from then on baselines are computed nightly, as live, and what is
    /// older than is learnt from is forgotten with that.
    pub fn learn_nightly(&mut self, now: Timestamp) {
        self.step(Input::TimePassed { commit: true }, now);
        let due = if self.computed_at < DAY {
            self.has_grown()
        } else {
            self.engine.generation().made_at < self.settings.last_recalculation(now)
        };
        if due {
            self.forget_before(UtcHour::of(now).day().saturating_sub_unsigned(self.settings.history_days));
            self.recalculate(now);
        }
    }

    fn has_grown(&self) -> bool {
        let known = Micros(self.known.iter().map(|window| window.length().0).sum());
        known >= FIRST && known.0 as f64 >= self.computed_at.0 as f64 * GROWN
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

    /// The alert of an incident that says most: the most severe, then the least likely.
    #[must_use]
    pub fn worst_alert(&self, incident: &Incident) -> Option<&Alert> {
        incident.alerts.iter().filter_map(|id| self.alert(*id)).min_by(|a, b| {
            let chances = a.worst.log10_chance.total_cmp(&b.worst.log10_chance);
            a.severity.cmp(&b.severity).then(chances).then(a.id.cmp(&b.id))
        })
    }

    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    fn step(&mut self, input: Input, now: Timestamp) {
        for output in self.engine.step(input, now) {
            match output {
                Output::StoreLearnt(learnt) => self.store(learnt, now),
                Output::RecordAlert(alert) => {
                    self.alerts.insert(alert.id, *alert);
                }
                Output::RecordIncident(incident) if incident.closed.is_some() => self.incidents.push(*incident),
                _ => {}
            }
        }
    }

    fn store(&mut self, learnt: Learnt, now: Timestamp) {
        for ((series, hour), slice) in learnt.slices {
            let row = self.rows.entry(series).or_default().entry(hour.day()).or_default();
            Arc::make_mut(row).merge(hour.hour_of_day(), &slice);
        }
        self.add_structure(UtcHour::of(now).day(), &learnt.structure);
        for window in learnt.windows {
            unite(&mut self.known, window);
        }
        for window in learnt.excluded {
            unite(&mut self.excluded, window);
        }
    }

    fn add_structure(&mut self, day: i32, more: &Structure) {
        Arc::make_mut(self.structure.entry(day.div_euclid(7)).or_default()).merge(more);
    }
}
