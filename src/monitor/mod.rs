//! The background half: asks the sources, feeds the engine, writes to the store, and tells the screens.
//!
//! One thread (`core`) owns the engine and the store; tasks around it do the waiting: one polls traces, one metrics, one
//! fills the past, one runs analyses. They share nothing but messages and each source's state.

mod analyst;
mod back_fill;
mod board;
mod clock;
mod core;
mod mailbox;
mod metrics;
mod past;
mod poller;
mod reading;
mod recalculation;
mod settings;
mod trends;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::domain::{Micros, TimeWindow};
use crate::engine::Input;
use crate::llm::ollama::Ollama;
use crate::messages::{
    Command, CommandKind, Outcome, SourceKind, SourceState, TraceState, TraceView, Update, UpdateBody,
};
use crate::sources::jaeger::Jaeger;
use crate::sources::prometheus::Prometheus;
use crate::store::{self, StoreError};
use crate::{baseline, detect};

pub use self::past::read_past;
pub use self::settings::Settings;

use self::analyst::Analyst;
use self::back_fill::BackFiller;
use self::board::Board;
use self::clock::Clock;
use self::core::{Beginning, CoreParts, ToCore};
use self::mailbox::Mailbox;
use self::metrics::MetricsPoller;
use self::poller::Poller;

/// What a monitor is made of. A source that is `None` is switched off.
#[derive(Debug)]
pub struct Parts {
    pub rules: Rules,
    /// Where baselines and anomalies are kept.
    pub store_dir: PathBuf,
    pub jaeger: Option<Jaeger>,
    pub prometheus: Option<Prometheus>,
    pub ollama: Option<Ollama>,
}

/// The settings by which it works.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub monitor: Settings,
    pub baseline: baseline::Settings,
    pub detect: detect::Settings,
    pub store: store::Settings,
    pub maintenance: Vec<baseline::Maintenance>,
}

/// The way to a running monitor. Dropping `commands` ends it, after everything is written.
#[derive(Debug)]
pub struct Handle {
    pub commands: mpsc::UnboundedSender<Command>,
    pub updates: mpsc::Receiver<Update>,
    /// Ends with the monitor; the error is a sentence for a person.
    pub ended: JoinHandle<Result<(), MonitorError>>,
}

#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the monitor's thread ended unexpectedly; this is a defect, please report it")]
    Lost,
}

/// Messages to the core that may wait there before a poll is held up.
const CORE_QUEUE: usize = 8;
/// Updates on their way to a reader; older ones of the same topic are replaced before they get there.
const READER_QUEUE: usize = 16;

/// Begins to watch. Returns at once: opening the store, probing and polling happen in tasks of the current runtime.
#[must_use]
pub fn start(parts: Parts) -> Handle {
    let (commands, orders) = mpsc::unbounded_channel();
    let (reader, updates) = mpsc::channel(READER_QUEUE);
    let mailbox = Mailbox::default();
    tokio::spawn(mailbox.clone().deliver(reader));
    let ended = tokio::spawn(async move {
        let result = Monitor::run(parts, orders, mailbox.clone()).await;
        mailbox.close();
        result
    });
    Handle { commands, updates, ended }
}

/// A number in `[0, 1)` for jitter. The standard library's hasher is keyed at random for each process, which is random
/// enough to keep many watchers of one backend out of step.
fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0) >> 11) as f64 / (1u64 << 53) as f64
}

/// A window in consecutive pieces of at most `longest`.
fn parts(window: TimeWindow, longest: Micros) -> impl Iterator<Item = TimeWindow> {
    let mut from = window.from;
    let mut first = true;
    std::iter::from_fn(move || {
        if from >= window.to && !first {
            return None;
        }
        first = false;
        let to = (from + longest).min(window.to);
        let piece = TimeWindow::new(from, to);
        from = to;
        Some(piece)
    })
}

struct Monitor {
    rules: Rules,
    jaeger: Option<Arc<Jaeger>>,
    to_core: mpsc::Sender<ToCore>,
    mailbox: Mailbox,
    analyst: Analyst,
    poll_now: Arc<Notify>,
    shown_trace: Option<JoinHandle<()>>,
}

impl Monitor {
    async fn run(
        parts: Parts,
        mut orders: mpsc::UnboundedReceiver<Command>,
        mailbox: Mailbox,
    ) -> Result<(), MonitorError> {
        let Parts { rules, store_dir, jaeger, prometheus, ollama } = parts;
        let (jaeger, prometheus) = (jaeger.map(Arc::new), prometheus.map(Arc::new));
        let clock = Clock::default();
        let board = Board::new(mailbox.clone());
        for (kind, interval, on) in [
            (SourceKind::Jaeger, rules.monitor.poll_interval_s, jaeger.is_some()),
            (SourceKind::Prometheus, rules.monitor.metrics_interval_s, prometheus.is_some()),
            (SourceKind::Ollama, 0, ollama.is_some()),
        ] {
            board.change(kind, |source| {
                source.interval = Micros::from_secs(interval);
                source.state = if on { SourceState::Connecting } else { SourceState::Off };
            });
        }
        let (to_core, inbox) = mpsc::channel(CORE_QUEUE);
        let settle_us = Arc::new(AtomicU64::new(0));
        let (begun, beginning) = oneshot::channel();
        let (forget, forgotten) = mpsc::unbounded_channel();
        let core_parts = CoreParts {
            rules: rules.clone(),
            store_dir,
            clock: clock.clone(),
            mailbox: mailbox.clone(),
            settle_us: Arc::clone(&settle_us),
            to_core: to_core.downgrade(),
            forgotten: forget,
        };
        let core = tokio::task::spawn_blocking(move || core::run(core_parts, inbox, begun));
        let Ok(beginning) = beginning.await else {
            return core.await.unwrap_or(Err(MonitorError::Lost));
        };
        let analyst = Analyst::start(
            ollama,
            jaeger.clone(),
            prometheus.clone(),
            to_core.clone(),
            mailbox.clone(),
            board.clone(),
            clock.clone(),
        );
        let poll_now = Arc::new(Notify::new());
        let monitor = Self { rules, jaeger, to_core, mailbox, analyst, poll_now, shown_trace: None };
        let tasks = monitor.spawn_tasks(prometheus, (beginning, forgotten), clock, board, settle_us);
        let result = monitor.obey(&mut orders, core).await;
        for task in tasks {
            task.abort();
        }
        result
    }

    fn spawn_tasks(
        &self,
        prometheus: Option<Arc<Prometheus>>,
        (beginning, forgotten): (Beginning, mpsc::UnboundedReceiver<Vec<TimeWindow>>),
        clock: Clock,
        board: Board,
        settle_us: Arc<AtomicU64>,
    ) -> Vec<JoinHandle<()>> {
        let mut tasks = Vec::new();
        let monitor = &self.rules.monitor;
        if let Some(jaeger) = &self.jaeger {
            let (roster, _) = watch::channel(None);
            let poller = Poller {
                jaeger: Arc::clone(jaeger),
                clock: clock.clone(),
                board: board.clone(),
                to_core: self.to_core.clone(),
                interval: monitor.poll_interval(),
                settle_us,
                poll_now: Arc::clone(&self.poll_now),
                roster: roster.clone(),
            };
            tasks.push(tokio::spawn(poller.run(beginning.live_from)));
            if monitor.back_fill {
                let filler = BackFiller {
                    jaeger: Arc::clone(jaeger),
                    clock: clock.clone(),
                    to_core: self.to_core.clone(),
                    roster,
                    requests: monitor.back_fill_requests,
                    history: Micros::from_secs(u64::from(self.rules.baseline.history_days) * 86_400),
                };
                tasks.push(tokio::spawn(filler.run(beginning.clone(), forgotten)));
            }
        }
        if let Some(prometheus) = prometheus {
            let poller = MetricsPoller {
                prometheus,
                clock: clock.clone(),
                board,
                interval: Micros::from_secs(monitor.metrics_interval_s),
                poll_now: Arc::clone(&self.poll_now),
                to_core: self.to_core.clone(),
            };
            tasks.push(tokio::spawn(poller.run()));
        }
        let commit = std::time::Duration::from_secs(self.rules.store.commit_interval_s);
        tasks.push(tokio::spawn(commit_regularly(self.to_core.clone(), commit)));
        tasks.push(tokio::spawn(recalculate_nightly(
            self.to_core.clone(),
            self.rules.baseline.clone(),
            beginning,
            clock,
        )));
        tasks
    }

    /// Follows commands until shutdown, or until nobody is left to give any.
    async fn obey(
        mut self,
        orders: &mut mpsc::UnboundedReceiver<Command>,
        mut core: JoinHandle<Result<(), MonitorError>>,
    ) -> Result<(), MonitorError> {
        loop {
            let command = tokio::select! {
                command = orders.recv() => command,
                ended = &mut core => return ended.unwrap_or(Err(MonitorError::Lost)),
            };
            let Some(Command { id, kind }) = command else { break };
            if kind == CommandKind::Shutdown {
                break;
            }
            let outcome = self.carry_out(kind).await;
            self.mailbox.tell(UpdateBody::CommandAnswered { id, outcome });
        }
        let (done, written) = oneshot::channel();
        if self.to_core.send(ToCore::Shutdown(done)).await.is_ok() {
            let _ = written.await;
        }
        core.await.unwrap_or(Err(MonitorError::Lost))
    }

    async fn carry_out(&mut self, kind: CommandKind) -> Outcome {
        match kind {
            CommandKind::StartAnalysis { anomaly } => self.analyst.begin(anomaly).await,
            CommandKind::CancelAnalysis => self.analyst.cancel(),
            CommandKind::Recalculate => {
                let (answer, answered) = oneshot::channel();
                self.tell_core(ToCore::Recalculate { rehearse: false, answer: Some(answer) }).await;
                answered.await.unwrap_or_else(|_| Outcome::Refused("spanwatch is ending".to_owned()))
            }
            CommandKind::RehearseRecalculation => {
                let (answer, answered) = oneshot::channel();
                self.tell_core(ToCore::Recalculate { rehearse: true, answer: Some(answer) }).await;
                answered.await.unwrap_or_else(|_| Outcome::Refused("spanwatch is ending".to_owned()))
            }
            CommandKind::TakeBackRecalculation => {
                let (answer, answered) = oneshot::channel();
                self.tell_core(ToCore::TakeBack(answer)).await;
                answered.await.unwrap_or_else(|_| Outcome::Refused("spanwatch is ending".to_owned()))
            }
            CommandKind::AcceptLevel { alerts } => {
                let (answer, answered) = oneshot::channel();
                self.tell_core(ToCore::AcceptLevel(alerts, answer)).await;
                answered.await.unwrap_or_else(|_| Outcome::Refused("spanwatch is ending".to_owned()))
            }
            CommandKind::UndoLevel { level } => {
                let (answer, answered) = oneshot::channel();
                self.tell_core(ToCore::UndoLevel(level, answer)).await;
                answered.await.unwrap_or_else(|_| Outcome::Refused("spanwatch is ending".to_owned()))
            }
            CommandKind::Act(order) => {
                let (answer, answered) = oneshot::channel();
                self.tell_core(ToCore::Act(order, answer)).await;
                answered.await.unwrap_or_else(|_| Outcome::Refused("spanwatch is ending".to_owned()))
            }
            CommandKind::CancelRecalculation => {
                self.tell_core(ToCore::CancelRecalculation).await;
                Outcome::Accepted
            }
            CommandKind::ShowBaseline { key } => {
                self.tell_core(ToCore::Step(Input::BaselineAsked(key))).await;
                Outcome::Accepted
            }
            CommandKind::ShowWeek { key } => {
                self.tell_core(ToCore::Step(Input::WeekAsked(key))).await;
                Outcome::Accepted
            }
            CommandKind::ShowTrends { wanted } => {
                self.tell_core(ToCore::Step(Input::TrendsAsked(wanted))).await;
                Outcome::Accepted
            }
            CommandKind::ExplainVerdict { subject, at } => {
                self.tell_core(ToCore::Step(Input::VerdictAsked { subject, at })).await;
                Outcome::Accepted
            }
            CommandKind::ShowIncident { incident } => {
                self.tell_core(ToCore::Step(Input::IncidentAsked(incident))).await;
                Outcome::Accepted
            }
            CommandKind::ShowService { service } => {
                self.tell_core(ToCore::Step(Input::ServiceAsked(service))).await;
                Outcome::Accepted
            }
            CommandKind::ShowMap { shown } => {
                self.tell_core(ToCore::Step(Input::MapAsked(shown))).await;
                Outcome::Accepted
            }
            CommandKind::ShowTrace { trace } => {
                let Some(jaeger) = self.jaeger.clone() else {
                    return Outcome::Refused("there is no trace source; set jaeger.url".to_owned());
                };
                if let Some(former) = self.shown_trace.take() {
                    former.abort();
                }
                self.mailbox.tell(UpdateBody::Trace(Box::new(TraceView { trace, state: TraceState::Loading })));
                let (to_core, mailbox) = (self.to_core.clone(), self.mailbox.clone());
                self.shown_trace = Some(tokio::spawn(async move {
                    let why = match jaeger.trace_with_events(trace).await {
                        Ok(Some((found, events))) => {
                            let _ = to_core.send(ToCore::Step(Input::TraceFetched(Box::new(found), events))).await;
                            return;
                        }
                        Ok(None) => "Jaeger no longer has this trace".to_owned(),
                        Err(error) => format!("Jaeger: {error}; {}", error.hint()),
                    };
                    mailbox.tell(UpdateBody::Trace(Box::new(TraceView { trace, state: TraceState::Failed(why) })));
                }));
                Outcome::Accepted
            }
            CommandKind::PollNow => {
                self.poll_now.notify_waiters();
                Outcome::Accepted
            }
            CommandKind::Shutdown => Outcome::Accepted,
        }
    }

    async fn tell_core(&self, message: ToCore) {
        // A closed core ends the monitor in `obey`.
        let _ = self.to_core.send(message).await;
    }
}

async fn commit_regularly(to_core: mpsc::Sender<ToCore>, interval: std::time::Duration) {
    loop {
        tokio::time::sleep(interval).await;
        if to_core.send(ToCore::Step(Input::TimePassed { commit: true })).await.is_err() {
            return;
        }
    }
}

/// Once a night, and at once when the last night was missed.
async fn recalculate_nightly(
    to_core: mpsc::Sender<ToCore>,
    settings: baseline::Settings,
    beginning: Beginning,
    clock: Clock,
) {
    // How often the clock is looked at: a machine that slept through the night notices within this.
    const LOOK: std::time::Duration = std::time::Duration::from_secs(60);
    let mut made_at = beginning.generation_at;
    loop {
        let now = clock.now();
        if core::recalculation_due(&settings, made_at, now)
            && to_core.send(ToCore::Recalculate { rehearse: false, answer: None }).await.is_err()
        {
            return;
        }
        // From here on only a newly passed schedule counts.
        made_at = Some(now);
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn parts_cover_a_window_and_an_empty_one_is_one_part() {
        let window = TimeWindow::new(Timestamp(5), Timestamp(30));
        let pieces: Vec<TimeWindow> = parts(window, Micros(10)).collect();
        assert_eq!(pieces.iter().map(|p| (p.from.0, p.to.0)).collect::<Vec<_>>(), [(5, 15), (15, 25), (25, 30)]);
        assert_eq!(parts(TimeWindow::new(Timestamp(5), Timestamp(5)), Micros(10)).count(), 1);
    }
}
