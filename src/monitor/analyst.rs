//! Runs analyses: gathers the evidence, sends one prompt, and passes the tokens on as they come. One run at a time; a
//! newer request drops the running one, and with it the connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::domain::{Anomaly, AnomalyId, MetricSample, Trace};
use crate::engine::Engine;
use crate::evidence::{self, Material, Metric, Normal, Prompt};
use crate::llm::{LlmError, LlmEvent, Ollama, Request};
use crate::messages::{
    Analysis, AnalysisId, AnalysisState, MetricReading, Outcome, PromptReceipt, SourceKind, UpdateBody,
};
use crate::sources::jaeger::Jaeger;
use crate::sources::prometheus::{Prometheus, Reading};

use super::board::Board;
use super::clock::Clock;
use super::core::ToCore;
use super::mailbox::Mailbox;

/// Evidence that takes longer than this is left out, and the facts say so: the engineer waits.
const GATHERING_LIMIT: Duration = Duration::from_secs(10);
/// The model server is looked at this often while nobody asks it anything.
const LOOK: Duration = Duration::from_secs(60);
/// A prompt that the server finds too long is shortened to this share, so many times.
const SHORTEN_TO: f64 = 0.7;
const SHORTENINGS: usize = 3;

#[derive(Debug)]
pub struct Analyst {
    orders: mpsc::UnboundedSender<Order>,
    to_core: mpsc::Sender<ToCore>,
}

#[derive(Debug)]
enum Order {
    Begin(Box<Anomaly>),
    Cancel,
}

/// What a run tells the actor.
#[derive(Debug)]
enum Step {
    Gathered {
        facts: Vec<String>,
        metrics: Vec<MetricReading>,
        metrics_note: Option<String>,
    },
    PromptBuilt(PromptReceipt),
    Model(LlmEvent),
    /// There will be no model text, for this reason; the facts stand.
    NoModel(String),
}

#[derive(Debug, Clone)]
struct Sources {
    ollama: Option<Arc<Ollama>>,
    jaeger: Option<Arc<Jaeger>>,
    prometheus: Option<Arc<Prometheus>>,
    to_core: mpsc::Sender<ToCore>,
}

struct Run {
    analysis: Analysis,
    task: JoinHandle<()>,
    steps: mpsc::Receiver<Step>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Analyst {
    pub fn start(
        ollama: Option<Ollama>,
        jaeger: Option<Arc<Jaeger>>,
        prometheus: Option<Arc<Prometheus>>,
        to_core: mpsc::Sender<ToCore>,
        mailbox: Mailbox,
        board: Board,
        clock: Clock,
    ) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let asking = to_core.clone();
        let sources = Sources { ollama: ollama.map(Arc::new), jaeger, prometheus, to_core };
        let actor = Actor { sources, mailbox, board, clock, runs: 0, current: None };
        tokio::spawn(actor.act(inbox));
        Self { orders, to_core: asking }
    }

    pub async fn begin(&self, id: AnomalyId) -> Outcome {
        match ask(&self.to_core, move |engine| engine.anomaly(id).cloned()).await.flatten() {
            Some(anomaly) => self.order(Order::Begin(Box::new(anomaly))),
            None => Outcome::Refused("that anomaly is no longer in the list; select one that is".to_owned()),
        }
    }

    pub fn cancel(&self) -> Outcome {
        self.order(Order::Cancel)
    }

    fn order(&self, order: Order) -> Outcome {
        match self.orders.send(order) {
            Ok(()) => Outcome::Accepted,
            Err(_) => Outcome::Refused("spanwatch is ending".to_owned()),
        }
    }
}

struct Actor {
    sources: Sources,
    mailbox: Mailbox,
    board: Board,
    clock: Clock,
    runs: u64,
    current: Option<Run>,
}

impl Actor {
    async fn act(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let looking = tokio::spawn(look_regularly(self.sources.ollama.clone(), self.board.clone(), self.clock.clone()));
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None => break,
                    Some(Order::Begin(anomaly)) => self.begin(*anomaly),
                    Some(Order::Cancel) => self.cancel(),
                },
                step = next_step(&mut self.current) => match step {
                    Some(step) => self.take(step),
                    None => self.finish(),
                },
            }
        }
        looking.abort();
    }

    fn begin(&mut self, anomaly: Anomaly) {
        self.cancel();
        self.runs += 1;
        let analysis = Analysis {
            id: AnalysisId(self.runs),
            anomaly: anomaly.clone(),
            state: AnalysisState::Gathering,
            model: self.sources.ollama.as_ref().map_or_else(String::new, |ollama| ollama.model().to_owned()),
            started: self.clock.now(),
            facts: Vec::new(),
            metrics: Vec::new(),
            metrics_note: None,
            text: String::new(),
            receipt: None,
        };
        self.mailbox.tell(UpdateBody::Analysis(Box::new(analysis.clone())));
        let (tell, steps) = mpsc::channel(64);
        let task = tokio::spawn(analyse(self.sources.clone(), anomaly, tell));
        self.current = Some(Run { analysis, task, steps });
    }

    fn cancel(&mut self) {
        let Some(run) = self.current.take() else { return };
        if run.analysis.state.is_running() {
            let analysis = Analysis { state: AnalysisState::Cancelled, ..run.analysis.clone() };
            self.mailbox.tell(UpdateBody::Analysis(Box::new(analysis)));
        }
    }

    /// The run's task is over. One that did not say how has failed in a way nobody foresaw.
    fn finish(&mut self) {
        let Some(run) = self.current.take() else { return };
        if run.analysis.state.is_running() {
            let why = "the analysis ended unexpectedly; this is a defect, please report it".to_owned();
            let analysis = Analysis { state: AnalysisState::Failed(why), ..run.analysis.clone() };
            self.mailbox.tell(UpdateBody::Analysis(Box::new(analysis)));
        }
    }

    fn take(&mut self, step: Step) {
        let Some(Run { analysis, .. }) = &mut self.current else { return };
        match step {
            Step::Gathered { facts, metrics, metrics_note } => {
                analysis.facts = facts;
                analysis.metrics = metrics;
                analysis.metrics_note = metrics_note;
                analysis.state = AnalysisState::Waiting { loading: false };
            }
            Step::PromptBuilt(receipt) => analysis.receipt = Some(receipt),
            Step::Model(LlmEvent::Loading) => analysis.state = AnalysisState::Waiting { loading: true },
            Step::Model(LlmEvent::Token(text)) => {
                analysis.text.push_str(&text);
                if analysis.state == AnalysisState::Streaming {
                    // Only the token travels, not the whole text again.
                    self.mailbox.tell(UpdateBody::TokensArrived { analysis: analysis.id, text });
                    return;
                }
                analysis.state = AnalysisState::Streaming;
            }
            Step::Model(LlmEvent::Done(done)) => {
                if let Some(receipt) = &mut analysis.receipt {
                    receipt.truncated_by_server = done.truncated_by_server;
                    receipt.tokens = done.prompt_tokens.unwrap_or(receipt.tokens);
                }
                analysis.state = AnalysisState::Done {
                    tokens: done.tokens,
                    tokens_per_s: done.tokens_per_s.map(|rate| rate.round() as u32),
                    cut_by_limit: done.cut_by_limit,
                };
                self.board.ready(SourceKind::Ollama, self.clock.now());
            }
            Step::Model(LlmEvent::Failed(error)) => analysis.state = AnalysisState::Failed(error.to_string()),
            Step::NoModel(why) => analysis.state = AnalysisState::Failed(why),
        }
        self.mailbox.tell(UpdateBody::Analysis(Box::new(analysis.clone())));
    }
}

/// The next step of the running analysis; never, while there is none.
async fn next_step(current: &mut Option<Run>) -> Option<Step> {
    match current {
        Some(run) => run.steps.recv().await,
        None => std::future::pending().await,
    }
}

async fn look_regularly(ollama: Option<Arc<Ollama>>, board: Board, clock: Clock) {
    let Some(ollama) = ollama else { return };
    loop {
        match ollama.probe().await {
            Ok(found) => {
                board.change(SourceKind::Ollama, |source| {
                    source.detail = ollama.model().to_owned();
                    source.warning = (!found.present).then(|| "model missing".to_owned());
                });
                board.ready(SourceKind::Ollama, clock.now());
            }
            Err(error) => board.failing(SourceKind::Ollama, error.brief()),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One run, from the anomaly's id to the last token. Dropping it closes every connection it has open.
async fn analyse(sources: Sources, anomaly: Anomaly, tell: mpsc::Sender<Step>) {
    let (trace, (readings, metrics_note)) = tokio::join!(
        fetch_trace(sources.jaeger.as_deref(), anomaly.id),
        fetch_metrics(sources.prometheus.as_deref(), &anomaly)
    );
    let metrics: Vec<MetricReading> = readings.iter().map(reading_view).collect();
    let (about, seen, beside) = (anomaly.clone(), trace.clone(), metrics.iter().map(metric).collect::<Vec<_>>());
    let facts = ask(&sources.to_core, move |engine| facts_of(engine, &about, seen.as_ref(), &beside)).await;
    let facts = facts.unwrap_or_default();
    let gathered = Step::Gathered { facts: facts.clone(), metrics, metrics_note };
    if tell.send(gathered).await.is_err() {
        return;
    }
    let Some(ollama) = &sources.ollama else {
        let why = "no model is asked (ollama.enabled is false); the facts are complete without one";
        let _ = tell.send(Step::NoModel(why.to_owned())).await;
        return;
    };
    let settings = ollama.settings();
    let mut budget = settings.prompt_budget();
    let material = Material { anomaly: &anomaly, facts: &facts, trace: trace.as_ref(), redact: settings.redact };
    let mut tries = 0..=SHORTENINGS;
    while tries.next().is_some() {
        let prompt = evidence::prompt(material, budget);
        budget = (prompt.tokens_estimate.min(budget) as f64 * SHORTEN_TO) as u64;
        if tell.send(Step::PromptBuilt(receipt(&prompt, settings.num_ctx.into()))).await.is_err() {
            return;
        }
        match stream(ollama, prompt, &tell).await {
            Some(error) if tries.is_empty() => {
                let _ = tell.send(Step::Model(LlmEvent::Failed(error))).await;
            }
            Some(_) => {}
            None => return,
        }
    }
}

/// Streams one prompt. Gives the error back if the server found the prompt too long: a shorter one may do.
async fn stream(ollama: &Ollama, prompt: Prompt, tell: &mpsc::Sender<Step>) -> Option<LlmError> {
    let (out, mut events) = mpsc::channel(64);
    let request = Request { system: prompt.system, user: prompt.user, tokens_estimate: prompt.tokens_estimate };
    let streaming = async move { ollama.stream(&request, &out).await };
    let passing = async {
        let mut too_long = None;
        while let Some(event) = events.recv().await {
            match event {
                LlmEvent::Failed(error @ LlmError::PromptTooLong { .. }) => too_long = Some(error),
                event => {
                    if tell.send(Step::Model(event)).await.is_err() {
                        break;
                    }
                }
            }
        }
        too_long
    };
    let ((), too_long) = tokio::join!(streaming, passing);
    too_long
}

fn receipt(prompt: &Prompt, context_tokens: u64) -> PromptReceipt {
    PromptReceipt {
        prompt: format!("{}\n\n{}", prompt.system, prompt.user),
        tokens: prompt.tokens_estimate,
        context_tokens,
        cut: prompt.cut.clone(),
        truncated_by_server: false,
    }
}

async fn fetch_trace(jaeger: Option<&Jaeger>, id: AnomalyId) -> Option<Trace> {
    let fetched = tokio::time::timeout(GATHERING_LIMIT, jaeger?.trace(id.trace)).await;
    fetched.ok()?.ok()?
}

async fn fetch_metrics(prometheus: Option<&Prometheus>, anomaly: &Anomaly) -> (Vec<Reading>, Option<String>) {
    let Some(prometheus) = prometheus else {
        return (Vec::new(), Some("no metrics: Prometheus is switched off".to_owned()));
    };
    let at = anomaly.start + anomaly.duration;
    match tokio::time::timeout(GATHERING_LIMIT, prometheus.readings(&anomaly.key.service, at)).await {
        Ok(Ok(readings)) if readings.is_empty() => {
            (readings, Some(format!("Prometheus has no known metric of {} at that time", anomaly.key.service)))
        }
        Ok(Ok(readings)) => (readings, None),
        Ok(Err(error)) => (Vec::new(), Some(format!("no metrics: {error}"))),
        Err(_) => (Vec::new(), Some(format!("no metrics within {} s", GATHERING_LIMIT.as_secs()))),
    }
}

fn reading_view(reading: &Reading) -> MetricReading {
    let mut values: Vec<f64> = reading.history.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    // Fewer values than this have no middle half.
    const ENOUGH: usize = 8;
    let at = |share: f64| values.get((share * (values.len() - 1) as f64).round() as usize).copied();
    let usual = if values.len() < ENOUGH { None } else { at(0.25).zip(at(0.75)) };
    MetricReading { sample: reading.sample.clone(), usual }
}

fn metric(reading: &MetricReading) -> Metric {
    let MetricSample { kind, service, value, .. } = &reading.sample;
    Metric { kind: *kind, service: service.clone(), value: *value, usual: reading.usual }
}

fn facts_of(engine: &Engine, anomaly: &Anomaly, trace: Option<&Trace>, metrics: &[Metric]) -> Vec<String> {
    let normal = |span: &crate::domain::Span| {
        engine.normal_of(span).map(|(level, cell)| Normal {
            level,
            samples: cell.samples,
            mean_us: cell.mean_us,
            sigma_us: cell.sigma_us,
            p50: cell.percentile(0),
            p95: cell.percentile(2),
            p99: cell.p99(),
        })
    };
    evidence::facts(anomaly, trace, &normal, metrics)
}

/// Asks the engine; `None` when it has ended.
async fn ask<T: Send + 'static>(
    to_core: &mpsc::Sender<ToCore>,
    question: impl FnOnce(&mut Engine) -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let question = Box::new(move |engine: &mut Engine| {
        let _ = tell.send(question(engine));
    });
    to_core.send(ToCore::Ask(question)).await.ok()?;
    told.await.ok()
}
