//! Engine and store as the monitor runs them, with the time given, over traces that are there already.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use spanwatch::baseline::{self, Generation, KeyBuilder, Maintenance, SeriesKey, gaps, watched, without};
use spanwatch::detect;
use spanwatch::domain::{AcceptedLevel, Alert, AlertId, HourOfWeek, Level, Micros, TimeWindow, Timestamp, Trace};
use spanwatch::engine::{Engine, Input, OnLevels, Output, Resumed, StoredTrends, TrendsReading};
use spanwatch::messages::{BackFill, UpdateBody};
use spanwatch::monitor::read_past;
use spanwatch::store::{Closed, Query, Store};

pub const POLL: Micros = Micros::from_secs(10);
/// How far a poll reaches back.
const OVERLAP: Micros = Micros::from_secs(20);
/// Seconds between commits.
const COMMIT: i64 = 300;

pub trait Traffic {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace>;
}

pub struct Clockwork<T> {
    pub engine: Engine,
    pub store: Store,
    pub live_from: Timestamp,
    pub now: Timestamp,
    pub traffic: T,
    /// Each as it was told first.
    pub raised: Vec<Alert>,
    /// Each as it was told last.
    pub alerts: BTreeMap<AlertId, Alert>,
    /// Windows that are to be read once more.
    pub forgotten: Vec<TimeWindow>,
    /// What the screens were told last, of each topic.
    pub told: Vec<UpdateBody>,
    /// How often the engine had baselines made anew.
    pub recalculations: u32,
    recalculation_wanted: bool,
}

pub fn settings() -> baseline::Settings {
    baseline::Settings::default()
}

impl<T: Traffic> Clockwork<T> {
    /// Goes on with what the store knows.
    pub fn start(dir: &Path, now: Timestamp, traffic: T, maintenance: &[Maintenance]) -> Self {
        let store = Store::open(dir, chrono::DateTime::from_timestamp(now.secs(), 0).unwrap()).unwrap().store;
        let ledger = store.ledger().unwrap();
        let known = ledger.known.last().map(|window| window.to);
        let live_from = known.filter(|to| now.since(*to) <= Micros::from_secs(3_600)).unwrap_or(now);
        let Closed { last_alert, last_incident, .. } = store.close_left_open().unwrap();
        let alerts = store.alerts(&Query::default()).unwrap();
        let incidents = store.incidents(&Query::default()).unwrap();
        let levels = store.levels().unwrap();
        let on_levels = on_levels(&store, &levels);
        let quiet = store.quiet_hours().unwrap();
        let acts = store.acts().unwrap();
        let generation = store.generation().unwrap();
        let engine = Engine::new(settings(), detect::Settings::default(), POLL).with_maintenance(maintenance);
        let mut clockwork = Self {
            engine,
            store,
            live_from,
            now,
            traffic,
            raised: Vec::new(),
            alerts: BTreeMap::new(),
            forgotten: Vec::new(),
            told: Vec::new(),
            recalculations: 0,
            recalculation_wanted: false,
        };
        clockwork.step(Input::GenerationMade(Arc::new(generation)));
        let resumed = Resumed {
            ledger,
            live_from,
            anomalies: Vec::new(),
            last_alert,
            last_incident,
            alerts,
            incidents,
            quiet,
            levels,
            on_levels,
            acts,
        };
        clockwork.step(Input::Resumed(Box::new(resumed)));
        clockwork.now = live_from;
        clockwork
    }

    pub fn step(&mut self, input: Input) {
        let mut pasts = Vec::new();
        for output in self.engine.step(input, self.now) {
            match output {
                Output::StoreLearnt(learnt) => self.store.learn(&learnt, learnt.settled.is_none()).unwrap(),
                Output::RecordAlert(alert) => {
                    self.store.record_alert(&alert).unwrap();
                    if !self.alerts.contains_key(&alert.id) {
                        self.raised.push((*alert).clone());
                    }
                    self.alerts.insert(alert.id, *alert);
                }
                Output::RecordIncident(incident) => self.store.record_incident(&incident).unwrap(),
                Output::RecordAct(act) => self.store.record_act(&act).unwrap(),
                Output::Tell(body) => {
                    self.told.retain(|known| std::mem::discriminant(known) != std::mem::discriminant(&body));
                    self.told.push(body);
                }
                Output::RecordQuietHour(hour) => self.store.record_quiet_hour(&hour).unwrap(),
                Output::ForgetWindows(windows) => {
                    self.store.forget_windows(&windows).unwrap();
                    self.forgotten.extend(windows);
                }
                Output::RecordAnomaly(anomaly) => self.store.record_anomaly(&anomaly).unwrap(),
                Output::KeepExemplar { root, slot, exemplar } => {
                    self.store.keep_exemplar(&root, slot, &exemplar).unwrap();
                }
                Output::ReadTrends(reading) => {
                    let stored = read_trends(&self.store, *reading);
                    self.step(Input::TrendsRead(Box::new(stored)));
                }
                Output::Recalculate => self.recalculation_wanted = true,
                Output::ReadPast(wanted) => pasts.push(*wanted),
                _ => {}
            }
        }
        for wanted in pasts {
            self.step(Input::PastRead(Box::new(read_past(&self.store, wanted, settings().calendar()))));
        }
    }

    pub fn message(&mut self, input: Input) {
        self.step(input);
        if std::mem::take(&mut self.recalculation_wanted) {
            self.recalculations += 1;
            self.recalculate();
        }
    }

    /// Polls every ten seconds, commits every five minutes.
    pub fn run_until(&mut self, to: Timestamp) {
        while self.now < to {
            let before = self.now;
            self.now = before + POLL;
            let polled = TimeWindow::new(before - OVERLAP, self.now);
            self.message(Input::TracesPolled(self.traffic.starting_in(polled)));
            self.message(Input::PollEnded(polled));
            if self.now.secs() % COMMIT == 0 {
                self.message(Input::TimePassed { commit: true });
            }
        }
    }

    pub fn back_fill(&mut self, from: Timestamp) {
        for window in gaps(self.engine.known(), TimeWindow::new(from, self.live_from)) {
            self.fill(window);
        }
    }

    pub fn fill(&mut self, window: TimeWindow) {
        let traces = self.traffic.starting_in(window);
        self.message(Input::HistoryRead { window, traces });
        self.message(Input::HistoryWindowRead(window));
        self.message(Input::HistoryEnded { windows: vec![window], progress: BackFill::Done });
    }

    /// What the recalculation does, in this thread.
    pub fn recalculate(&mut self) {
        self.step(Input::TimePassed { commit: true });
        self.recalculation_wanted = false;
        let calendar = settings().calendar();
        let mut builder = KeyBuilder::new(calendar);
        let ledger = self.store.ledger().unwrap();
        let mut generation = Generation {
            number: self.store.newest_generation().unwrap() + 1,
            made_at: self.now,
            structure: Arc::new(self.store.structure().unwrap()),
            watched_s: watched(&without(&ledger.known, &ledger.excluded), &calendar),
            levels: self.engine.levels().numbers(),
            ..Generation::default()
        };
        for (id, series) in self.store.series() {
            if !self.engine.levels().answers(&series) {
                continue;
            }
            self.store.read_slices(id, &mut builder).unwrap();
            let baseline = builder.finish(&settings().rules());
            if baseline.samples > 0 {
                generation.series.insert(SeriesKey::new(series.key, series.measure), Arc::new(baseline));
            }
        }
        self.store.save_generation(&generation).unwrap();
        self.step(Input::GenerationMade(Arc::new(generation)));
    }
}

fn read_trends(store: &Store, reading: TrendsReading) -> StoredTrends {
    let TrendsReading { wanted, key, hours, alerts, anomalies } = reading;
    let service = Some(key.service.to_string());
    StoredTrends {
        hours: store.hours(&key, &hours).unwrap(),
        alerts: store.alerts(&Query { window: Some(alerts), service, ..Query::default() }).unwrap(),
        anomalies: store.anomalies_of(&key, anomalies).unwrap(),
        wanted,
    }
}

fn on_levels(store: &Store, levels: &[AcceptedLevel]) -> OnLevels {
    let mut builder = KeyBuilder::new(settings().calendar());
    let keys = levels.iter().flat_map(|level| level.keys.iter().map(move |key| (level.id, key.clone())));
    keys.map(|(level, key)| {
        let series = SeriesKey::duration(key.clone()).on(level);
        let all = store.distribution(&series, Level::Global, HourOfWeek::new(0, 0), &mut builder).unwrap();
        ((level, key), all.count())
    })
    .collect()
}
