//! The thread that owns the engine and the store: it takes one message after the other, so that neither needs a lock
//! and a slow disk never holds up a poll or a screen.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::Utc;
use tokio::sync::{mpsc, oneshot};

use crate::baseline::{self, KeyBuilder, SeriesKey};
use crate::domain::{AcceptedLevel, AlertId, HourOfWeek, Level, LevelId, Micros, TimeWindow, Timestamp};
use crate::engine::{Distribution, Engine, Input, OnLevels, Output, PastRead, Resumed, TrendsReading};
use crate::messages::{ActCommand, Outcome, RecalculationKind, RecalculationState, UpdateBody};
use crate::store::{self, Store, StoreError};

use super::clock::Clock;
use super::mailbox::Mailbox;
use super::past::PastReader;
use super::recalculation::{self, Recalculated};
use super::{MonitorError, Rules, trends};

/// A question to the engine, answered through what the closure captured.
type Question = Box<dyn FnOnce(&mut Engine) + Send>;

pub enum ToCore {
    Step(Input),
    Ask(Question),
    /// Compute the baselines anew, to use them or only to tell; the answer says whether that was begun.
    Recalculate {
        rehearse: bool,
        answer: Option<oneshot::Sender<Outcome>>,
    },
    /// Use the generation again that was in use before.
    TakeBack(oneshot::Sender<Outcome>),
    /// Take what these alerts are about for normal, or take that back; the answer comes once it is on the disk.
    AcceptLevel(Vec<AlertId>, oneshot::Sender<Outcome>),
    UndoLevel(LevelId, oneshot::Sender<Outcome>),
    /// Do something about alerts; the answer comes once it is on the disk.
    Act(ActCommand, oneshot::Sender<Outcome>),
    CancelRecalculation,
    Recalculated(Recalculated),
    PastRead(Box<PastRead>),
    /// Write everything and end.
    Shutdown(oneshot::Sender<()>),
}

impl std::fmt::Debug for ToCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Step(_) => "Step",
            Self::Ask(_) => "Ask",
            Self::Recalculate { .. } => "Recalculate",
            Self::TakeBack(_) => "TakeBack",
            Self::AcceptLevel(..) => "AcceptLevel",
            Self::UndoLevel(..) => "UndoLevel",
            Self::Act(..) => "Act",
            Self::CancelRecalculation => "CancelRecalculation",
            Self::Recalculated(_) => "Recalculated",
            Self::PastRead(_) => "PastRead",
            Self::Shutdown(_) => "Shutdown",
        })
    }
}

/// Where the polling tasks begin: what the store knew.
#[derive(Debug, Clone)]
pub struct Beginning {
    pub known: Vec<TimeWindow>,
    pub live_from: Timestamp,
    pub generation_at: Option<Timestamp>,
}

/// What the core needs to begin.
#[derive(Debug)]
pub struct CoreParts {
    pub rules: Rules,
    pub store_dir: PathBuf,
    pub clock: Clock,
    pub mailbox: Mailbox,
    /// How late spans come, in microseconds, for the poller to read.
    pub settle_us: Arc<AtomicU64>,
    pub to_core: mpsc::WeakSender<ToCore>,
    /// Windows that back-fill is to read once more.
    pub forgotten: mpsc::UnboundedSender<Vec<TimeWindow>>,
}

/// A gap longer than this since the last run is filled by back-fill; a shorter one is polled and judged like live
/// traces, because an alert that began while nobody looked is still news.
const JUDGED_GAP: Micros = Micros::from_secs(3_600);

struct Core {
    parts: CoreParts,
    engine: Engine,
    store: Store,
    builder: KeyBuilder,
    past: PastReader,
    recalculating: Option<Arc<AtomicBool>>,
    /// The engine wants baselines made anew, as soon as none are being made.
    recalculation_wanted: bool,
    /// Told once, not with every write.
    store_failed: bool,
}

/// Runs until shutdown, or until nobody can send to it any more.
///
/// # Errors
/// When the store cannot be opened.
pub fn run(
    parts: CoreParts,
    mut messages: mpsc::Receiver<ToCore>,
    begun: oneshot::Sender<Beginning>,
) -> Result<(), MonitorError> {
    let opened = Store::open(&parts.store_dir, Utc::now())?;
    if let Some(notice) = opened.notice {
        parts.mailbox.tell(UpdateBody::Notice(notice));
    }
    let Rules { monitor, baseline, detect, maintenance, .. } = &parts.rules;
    let engine = Engine::new(baseline.clone(), detect.clone(), monitor.poll_interval()).with_maintenance(maintenance);
    let builder = KeyBuilder::new(baseline.calendar());
    let mut core = Core {
        engine,
        builder,
        past: PastReader::default(),
        store: opened.store,
        recalculating: None,
        recalculation_wanted: false,
        store_failed: false,
        parts,
    };
    let beginning = core.resume()?;
    let _ = begun.send(beginning);
    while let Some(message) = messages.blocking_recv() {
        match message {
            ToCore::Step(input) => core.step(input),
            ToCore::Ask(question) => question(&mut core.engine),
            ToCore::Recalculate { rehearse, answer } => {
                let outcome = core.recalculate(rehearse);
                if let Some(answer) = answer {
                    let _ = answer.send(outcome);
                }
            }
            ToCore::TakeBack(answer) => {
                let _ = answer.send(core.take_back());
            }
            ToCore::AcceptLevel(alerts, answer) => {
                let _ = answer.send(core.accept_level(&alerts));
            }
            ToCore::UndoLevel(level, answer) => {
                let _ = answer.send(core.undo_level(level));
            }
            ToCore::Act(order, answer) => {
                let _ = answer.send(core.act(&order));
            }
            ToCore::CancelRecalculation => {
                if let Some(cancelled) = &core.recalculating {
                    cancelled.store(true, Ordering::Relaxed);
                }
            }
            ToCore::Recalculated(result) => core.recalculated(result),
            ToCore::PastRead(read) => core.past_read(read),
            ToCore::Shutdown(done) => {
                core.end();
                let _ = done.send(());
                return Ok(());
            }
        }
        if core.recalculation_wanted && core.recalculating.is_none() {
            core.recalculate(false);
        }
    }
    core.end();
    Ok(())
}

impl Core {
    fn resume(&mut self) -> Result<Beginning, StoreError> {
        let now = self.parts.clock.now();
        let ledger = self.store.ledger()?;
        let generation = self.store.generation()?;
        let learnt_to = ledger.known.last().map(|window| window.to);
        let live_from = learnt_to.filter(|to| *to <= now && now.since(*to) <= JUDGED_GAP).unwrap_or(now);
        let beginning = Beginning {
            known: ledger.known.clone(),
            live_from,
            generation_at: (generation.number > 0).then_some(generation.made_at),
        };
        let anomalies = self.store.anomalies_since(now - self.parts.rules.detect.alert_memory())?;
        if generation.number > 0 {
            self.step(Input::GenerationMade(Arc::new(generation)));
        }
        // Whatever goes on is found again within the first polls, and told as new: nobody watched in between.
        let store::Closed { last_alert, last_incident, .. } = self.store.close_left_open()?;
        let alerts = self.store.alerts(&store::Query::default())?;
        let incidents = self.store.incidents(&store::Query::default())?;
        let levels = self.store.levels()?;
        let on_levels = self.on_levels(&levels)?;
        let quiet = self.store.quiet_hours()?;
        let acts = self.store.acts()?;
        let resumed = Resumed {
            ledger,
            live_from,
            anomalies,
            last_alert,
            last_incident,
            alerts,
            incidents,
            quiet,
            levels,
            on_levels,
            acts,
        };
        self.step(Input::Resumed(Box::new(resumed)));
        Ok(beginning)
    }

    /// How many durations of accepted levels the store holds.
    fn on_levels(&mut self, levels: &[AcceptedLevel]) -> Result<OnLevels, StoreError> {
        let mut found = OnLevels::new();
        for (level, key) in levels.iter().flat_map(|level| level.keys.iter().map(move |key| (level, key))) {
            let series = SeriesKey::duration(key.clone()).on(level.id);
            let all = self.store.distribution(&series, Level::Global, HourOfWeek::new(0, 0), &mut self.builder)?;
            found.insert((level.id, key.clone()), all.count());
        }
        Ok(found)
    }

    fn step(&mut self, input: Input) {
        let polled = matches!(input, Input::PollEnded(_));
        let outputs = self.engine.step(input, self.parts.clock.now());
        let alerted = outputs.iter().any(|output| matches!(output, Output::RecordAlert(_) | Output::RecordIncident(_)));
        for output in outputs {
            self.perform(output);
        }
        if alerted {
            // Alerts are few, and what woke a person must not be forgotten with a crash.
            let flushed = self.store.flush();
            self.note(flushed);
        }
        if polled {
            self.parts.settle_us.store(self.engine.settle().0, Ordering::Relaxed);
        }
    }

    fn perform(&mut self, output: Output) {
        let written = match output {
            Output::Tell(body) => {
                self.parts.mailbox.tell(body);
                return;
            }
            Output::RecordAnomaly(anomaly) => self.store.record_anomaly(&anomaly),
            Output::ForgetAnomaly { start, id } => self.store.forget_anomaly(start, id),
            Output::RecordAlert(alert) => self.store.record_alert(&alert),
            Output::RecordIncident(incident) => self.store.record_incident(&incident),
            Output::RecordAct(act) => self.store.record_act(&act),
            Output::RecordQuietHour(hour) => self.store.record_quiet_hour(&hour),
            Output::StoreLearnt(learnt) => self.store.learn(&learnt, learnt.settled.is_none()),
            Output::ForgetWindows(windows) => {
                let forgotten = self.store.forget_windows(&windows);
                if forgotten.is_ok() {
                    // Where nothing is filled back, the next start may.
                    let _ = self.parts.forgotten.send(windows);
                }
                forgotten
            }
            Output::Recalculate => {
                self.recalculation_wanted = true;
                return;
            }
            Output::KeepExemplar { root, slot, exemplar } => self.store.keep_exemplar(&root, slot, &exemplar),
            Output::ReadExemplars { root } => {
                // Without what is kept it is still told that there is nothing to compare with.
                let (kept, read) = match self.store.exemplars(&root) {
                    Ok(kept) => (kept, Ok(())),
                    Err(error) => (Vec::new(), Err(error)),
                };
                self.step(Input::ExemplarsRead { root, kept });
                read
            }
            Output::ReadPast(wanted) => {
                let calendar = self.parts.rules.baseline.calendar();
                self.past.read(*wanted, &self.store, calendar, &self.parts.to_core);
                return;
            }
            Output::ReadTrends(reading) => {
                self.read_trends(*reading);
                return;
            }
            Output::ReadDistribution { series, level, bucket, generation } => {
                match self.store.distribution(&series, level, bucket, &mut self.builder) {
                    Ok(sketch) => {
                        let read = Distribution { key: series.key, level, bucket, generation, sketch };
                        self.step(Input::DistributionRead(Box::new(read)));
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
        };
        self.note(written);
    }

    /// A month of hours takes a while to read: polls do not wait for it.
    fn read_trends(&self, reading: TrendsReading) {
        let Some(to_core) = self.parts.to_core.upgrade() else { return };
        let (store, mailbox) = (self.store.clone(), self.parts.mailbox.clone());
        let spawned = std::thread::Builder::new().name("trends".to_owned()).spawn(move || {
            match trends::read(&store, reading) {
                Ok(stored) => {
                    let _ = to_core.blocking_send(ToCore::Step(Input::TrendsRead(Box::new(stored))));
                }
                // The engine asks again.
                Err(error) => mailbox.tell(UpdateBody::Notice(format!("{error}; of the past only minutes are shown"))),
            }
        });
        if let Err(error) = spawned {
            self.parts
                .mailbox
                .tell(UpdateBody::Notice(format!("the past is not shown: no thread could be started: {error}")));
        }
    }

    /// A store that fails must not stop the watch; but a person has to know that nothing is kept.
    fn note(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => self.store_failed = false,
            Err(error) if !self.store_failed => {
                self.store_failed = true;
                self.parts.mailbox.tell(UpdateBody::Notice(format!("{error}; until it can, nothing new is kept")));
            }
            Err(_) => {}
        }
    }

    fn recalculate(&mut self, rehearse: bool) -> Outcome {
        if self.recalculating.is_some() {
            return Outcome::Refused("a recalculation is running already; Esc cancels it".to_owned());
        }
        let Some(to_core) = self.parts.to_core.upgrade() else {
            return Outcome::Refused("spanwatch is ending".to_owned());
        };
        // What live polls have brought so far takes part.
        self.step(Input::TimePassed { commit: true });
        self.recalculation_wanted &= rehearse;
        let cancelled = Arc::new(AtomicBool::new(false));
        let job = recalculation::Job {
            store: self.store.clone(),
            settings: self.parts.rules.baseline.clone(),
            keep: self.parts.rules.store.clone(),
            before: Arc::clone(self.engine.generation()),
            levels: self.engine.levels().clone(),
            cancelled: Arc::clone(&cancelled),
            mailbox: self.parts.mailbox.clone(),
            clock: self.parts.clock.clone(),
            rehearse,
        };
        let spawned = std::thread::Builder::new().name("recalculation".to_owned()).spawn(move || {
            let result = job.run();
            let _ = to_core.blocking_send(ToCore::Recalculated(result));
        });
        match spawned {
            Ok(_) => {
                self.recalculating = Some(cancelled);
                Outcome::Accepted
            }
            Err(error) => Outcome::Refused(format!("no thread could be started: {error}")),
        }
    }

    fn past_read(&mut self, read: Box<PastRead>) {
        if let Some(wanted) = self.past.done() {
            self.perform(Output::ReadPast(Box::new(wanted)));
        }
        self.step(Input::PastRead(read));
    }

    fn recalculated(&mut self, result: Recalculated) {
        self.recalculating = None;
        let state = match result {
            Recalculated::Made { generation, state } => {
                let saved = self.store.save_generation(&generation);
                self.note(saved);
                self.step(Input::GenerationMade(generation));
                state
            }
            Recalculated::Rehearsed(state) => state,
            Recalculated::Cancelled => RecalculationState::Cancelled,
            Recalculated::Failed(why) => RecalculationState::Failed(why),
        };
        self.parts.mailbox.tell(UpdateBody::Recalculation(state));
    }

    fn accept_level(&mut self, alerts: &[AlertId]) -> Outcome {
        let proposed = self.engine.propose_level(alerts, &store::user(), self.parts.clock.now());
        self.decide(proposed)
    }

    fn undo_level(&mut self, level: LevelId) -> Outcome {
        let proposed = self.engine.propose_undoing(level, &store::user(), self.parts.clock.now());
        self.decide(proposed)
    }

    /// A decision counts once it is on the disk: what a person was told they decided must not be forgotten.
    fn decide(&mut self, proposed: Result<AcceptedLevel, String>) -> Outcome {
        let level = match proposed {
            Ok(level) => level,
            Err(why) => return Outcome::Refused(format!("Nothing was changed: {why}.")),
        };
        if let Err(error) = self.store.record_level(&level) {
            return Outcome::Refused(format!("{error}; nothing was changed"));
        }
        self.step(Input::LevelDecided(Box::new(level)));
        Outcome::Accepted
    }

    /// Who does it is whoever runs this.
    fn act(&mut self, order: &ActCommand) -> Outcome {
        let act = match self.engine.propose_act(order, &store::user(), self.parts.clock.now()) {
            Ok(act) => act,
            Err(why) => return Outcome::Refused(format!("Nothing was done: {why}")),
        };
        if let Err(error) = self.store.record_act(&act) {
            return Outcome::Refused(format!("{error}; nothing was done"));
        }
        self.step(Input::ActDone(Box::new(act)));
        Outcome::Accepted
    }

    /// Both generations stay as they are in the store: only which one is in use changes.
    fn take_back(&mut self) -> Outcome {
        if self.recalculating.is_some() {
            return Outcome::Refused("a recalculation is running; Esc cancels it".to_owned());
        }
        let started = self.parts.clock.now();
        let former = match self.store.former_generation() {
            Ok(Some(former)) => Arc::new(former),
            Ok(None) => {
                return Outcome::Refused("only one generation is kept: there is nothing to take back".to_owned());
            }
            Err(error) => return Outcome::Refused(format!("{error}; the baselines in use stay as they are")),
        };
        if let Err(error) = self.store.use_generation(former.number) {
            return Outcome::Refused(format!("{error}; the baselines in use stay as they are"));
        }
        let alerts = recalculation::recent_alerts(&self.store, started).unwrap_or_default();
        let calendar = self.parts.rules.baseline.calendar();
        let near = recalculation::recent_near_misses(&self.store, started).unwrap_or_default();
        let before = self.engine.generation();
        let parts = recalculation::Outcome { before, alerts: &alerts, near: &near, calendar: &calendar };
        let state = parts.tell(&former, RecalculationKind::TakenBack, started, self.parts.clock.now());
        self.step(Input::GenerationTakenBack(former));
        self.parts.mailbox.tell(UpdateBody::Recalculation(state));
        Outcome::Accepted
    }

    fn end(&mut self) {
        if let Some(cancelled) = &self.recalculating {
            cancelled.store(true, Ordering::Relaxed);
        }
        self.step(Input::TimePassed { commit: true });
        let flushed = self.store.flush();
        self.note(flushed);
        self.store.release();
    }
}

/// The settings that the recalculation's schedule needs.
#[must_use]
pub fn recalculation_due(settings: &baseline::Settings, made_at: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(made_at) = made_at else { return false };
    made_at < settings.last_recalculation(now)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
    }

    #[test]
    fn the_nightly_recalculation_is_caught_up_after_downtime() {
        let berlin = baseline::Settings { zone: "Europe/Berlin".into(), ..baseline::Settings::default() };
        let now = at("2026-11-20T03:30:00Z"); // 04:30 in Berlin
        assert_eq!(berlin.last_recalculation(now), at("2026-11-20T03:10:00Z"));
        assert!(recalculation_due(&berlin, Some(at("2026-11-19T03:10:00Z")), now));
        assert!(!recalculation_due(&berlin, Some(at("2026-11-20T03:10:01Z")), now));
        assert!(!recalculation_due(&berlin, None, now), "before the first one there is nothing to renew");
    }

    #[test]
    fn a_time_that_the_clocks_skip_does_not_run_twice() {
        let settings =
            baseline::Settings { zone: "Europe/Berlin".into(), recalculate_at: "02:30".into(), ..Default::default() };
        let morning = at("2026-03-29T06:00:00Z");
        assert_eq!(settings.last_recalculation(morning), at("2026-03-28T01:30:00Z"));
    }
}
