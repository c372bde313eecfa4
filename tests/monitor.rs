//! The monitor against the demo's endpoints, over real connections: what it learns, finds and explains is compared with
//! what the simulator knows.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use spanwatch::baseline;
use spanwatch::demo::{self, Fault, Schedule, ServeOptions, Served};
use spanwatch::domain::{AnomalyId, HourOfWeek, Level, MetricKind, SpanKey, TimeWindow, Timestamp, UtcHour};
use spanwatch::llm::{self, Ollama};
use spanwatch::messages::{
    AlertView, Analysis, AnalysisState, BackFill, Command, CommandId, CommandKind, Outcome, RecalculationState,
    SourceKind, SourceState, TraceState, UpdateBody,
};
use spanwatch::monitor::{self, Handle, Parts, Rules};
use spanwatch::sources::jaeger::{self, Jaeger};
use spanwatch::sources::prometheus::{self, Prometheus};
use spanwatch::store::Store;

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(90);

async fn exchange(schedule: Schedule, rate: f64) -> Served {
    demo::serve(ServeOptions { seed: 7, rate, schedule, port_base: None }).await.unwrap()
}

fn parts(served: &Served, store_dir: &Path, history_days: u32) -> Parts {
    let jaeger = jaeger::Settings { url: served.jaeger_url.clone(), ..Default::default() };
    let prometheus = prometheus::Settings { url: served.prometheus_url.clone(), ..Default::default() };
    let ollama = llm::Settings { url: served.ollama_url.clone(), ..Default::default() };
    Parts {
        rules: Rules {
            monitor: monitor::Settings { poll_interval_s: 1, metrics_interval_s: 5, ..Default::default() },
            baseline: baseline::Settings { history_days, ..Default::default() },
            ..Rules::default()
        },
        store_dir: PathBuf::from(store_dir),
        jaeger: Some(Jaeger::new(&jaeger).unwrap()),
        prometheus: Some(Prometheus::new(&prometheus).unwrap()),
        ollama: Some(Ollama::new(&ollama).unwrap()),
    }
}

/// A reader of updates that gives commands too.
struct Viewer {
    handle: Handle,
    commands: u64,
}

impl Viewer {
    fn of(parts: Parts) -> Self {
        Self { handle: monitor::start(parts), commands: 0 }
    }

    fn send(&mut self, kind: CommandKind) -> CommandId {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.handle.commands.send(Command { id, kind }).unwrap();
        id
    }

    /// Reads until `wanted` gives something.
    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&UpdateBody) -> Option<T>) -> T {
        let reading = async {
            while let Some(update) = self.handle.updates.recv().await {
                if let Some(found) = wanted(&update.body) {
                    return Some(found);
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the monitor ended before {what}"),
            Err(_) => panic!("no {what} within {PATIENCE:?}"),
        }
    }

    async fn learnt(&mut self) {
        let mut filled = false;
        self.until("end of learning", |body| match body {
            UpdateBody::Learning(view) => {
                filled |= view.back_fill == BackFill::Done;
                None
            }
            UpdateBody::Recalculation(RecalculationState::Done { .. }) if filled => Some(()),
            UpdateBody::Recalculation(RecalculationState::Failed(why)) => panic!("{why}"),
            _ => None,
        })
        .await;
    }

    async fn end(mut self) {
        self.send(CommandKind::Shutdown);
        tokio::time::timeout(PATIENCE, self.handle.ended).await.unwrap().unwrap().unwrap();
    }
}

/// Durations of every key in every bucket, from the simulator itself.
fn truth(served: &Served, windows: &[TimeWindow]) -> BTreeMap<(SpanKey, HourOfWeek), Vec<u64>> {
    let settings = baseline::Settings::default();
    let calendar = settings.calendar();
    let mut truth: BTreeMap<(SpanKey, HourOfWeek), Vec<u64>> = BTreeMap::new();
    let exchange = served.exchange();
    for window in windows {
        for trace in exchange.traces_starting_in(*window) {
            for span in trace.spans {
                let bucket = calendar.bucket(UtcHour::of(span.start));
                truth.entry((span.key, bucket)).or_default().push(span.duration.0);
            }
        }
    }
    truth
}

fn quantile(sorted: &[u64], q: f64) -> f64 {
    let rank = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[rank.floor() as usize] as f64, sorted[rank.ceil() as usize] as f64);
    low + (high - low) * rank.fract()
}

/// What the store's newest generation says, against the exact samples.
fn compare_with_truth(served: &Served, store_dir: &Path) {
    let now = chrono::Utc::now();
    let store = Store::open(store_dir, now).unwrap().store;
    let known = store.ledger().unwrap().known;
    let generation = store.generation().unwrap();
    let mut compared = 0;
    let mut errors = Vec::new();
    for ((key, bucket), mut samples) in truth(served, &known) {
        // Buckets that live traffic still fills after the last recalculation are not in that generation.
        if samples.len() < 10 || bucket == baseline::Settings::default().calendar().bucket_at(generation.made_at) {
            continue;
        }
        samples.sort_unstable();
        let (level, cell) = generation.answer(&key, bucket).unwrap_or_else(|| panic!("{key} {bucket}"));
        assert_eq!((level, cell.samples), (Level::HourOfWeek, samples.len() as u64), "{key} {bucket}");
        let mean = samples.iter().sum::<u64>() as f64 / samples.len() as f64;
        let variance = samples.iter().map(|us| (*us as f64 - mean).powi(2)).sum::<f64>() / samples.len() as f64;
        let sigma = variance.sqrt().max(1.0).max(mean / 100.0);
        assert!((cell.mean_us / mean - 1.0).abs() < 1e-6, "{key} {bucket}: mean {} for {mean}", cell.mean_us);
        assert!((cell.sigma_us / sigma - 1.0).abs() < 1e-6, "{key} {bucket}: sigma {} for {sigma}", cell.sigma_us);
        for (told, q) in cell.percentiles.iter().zip(baseline::PERCENTILES) {
            let exact = quantile(&samples, q);
            let error = (f64::from(*told) / exact - 1.0).abs();
            assert!(error <= 0.032, "{key} {bucket}: p{} is {told} for {exact}", q * 100.0);
            errors.push(error);
        }
        compared += 1;
    }
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    println!(
        "{compared} buckets, median error of a percentile {:.3} %, largest {:.3} %",
        median * 100.0,
        errors[errors.len() - 1] * 100.0
    );
    assert!(compared > 100, "{compared}");
    assert!(median < 0.005, "{median}");
}

/// How many days are learnt here: 2, or as many as the environment says.
fn days() -> u32 {
    std::env::var("SPANWATCH_TEST_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_baseline_equals_the_simulators_own_samples() {
    let served = exchange(Schedule::Quiet, 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(parts(&served, dir.path(), days()));
    viewer.learnt().await;
    viewer.end().await;
    compare_with_truth(&served, dir.path());
}

async fn alert_of(viewer: &mut Viewer, culprit: &str) -> AlertView {
    viewer
        .until("alert of the fault", |body| match body {
            UpdateBody::Alerts(alerts) => {
                alerts.first().filter(|top| &*top.key.service == culprit && top.severity.number() <= 2).cloned()
            }
            _ => None,
        })
        .await
}

async fn analysis_of(viewer: &mut Viewer, anomaly: AnomalyId) -> Analysis {
    viewer.send(CommandKind::StartAnalysis { anomaly });
    let mut streamed = String::new();
    viewer
        .until("end of the analysis", |body| match body {
            UpdateBody::TokensArrived { text, .. } => {
                streamed.push_str(text);
                None
            }
            UpdateBody::Analysis(analysis) => {
                assert!(analysis.text.ends_with(&streamed) || streamed.is_empty(), "tokens are those of the text");
                streamed.clone_from(&analysis.text);
                (!analysis.state.is_running()).then(|| (**analysis).clone())
            }
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_is_found_opened_and_explained() {
    let served = exchange(Schedule::Quiet, 2.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut parts = parts(&served, dir.path(), 1);
    // A model that speaks for long is not the point here.
    parts.ollama = Some(
        Ollama::new(&llm::Settings { url: served.ollama_url.clone(), num_predict: 40, ..Default::default() }).unwrap(),
    );
    let mut viewer = Viewer::of(parts);
    viewer.learnt().await;
    served.inject(Fault::SlowMatcher);
    let alert = alert_of(&mut viewer, Fault::SlowMatcher.culprit()).await;
    assert_eq!(&*alert.key.operation, "order.match");
    assert!(alert.worst_z > 3.0 && alert.counts.iter().sum::<u32>() > 0 && !alert.anomalies.is_empty());

    let anomaly = alert.anomalies[0].clone();
    viewer.send(CommandKind::ShowTrace { trace: anomaly.id.trace });
    let spans = viewer
        .until("trace", |body| match body {
            UpdateBody::Trace(view) => match &view.state {
                TraceState::Loaded { spans, .. } => Some(spans.clone()),
                TraceState::Failed(why) => panic!("{why}"),
                TraceState::Loading => None,
            },
            _ => None,
        })
        .await;
    let shown = spans.iter().find(|span| span.id == anomaly.id.span).expect("the anomaly's span is in the waterfall");
    assert_eq!((shown.severity, shown.duration), (Some(anomaly.severity), anomaly.duration));
    assert!(shown.normal_p99.is_some_and(|p99| p99 < shown.duration));

    let analysis = analysis_of(&mut viewer, anomaly.id).await;
    assert!(matches!(analysis.state, AnalysisState::Done { .. }), "{:?}", analysis.state);
    assert!(!analysis.text.is_empty() && !analysis.facts.is_empty());
    let metric = |kind| analysis.metrics.iter().find(|reading| reading.sample.kind == kind);
    let cpu = metric(MetricKind::Cpu).unwrap_or_else(|| panic!("CPU of the culprit: {:?}", analysis.metrics_note));
    let prompt = &analysis.receipt.as_ref().expect("the prompt was built").prompt;
    assert!(prompt.contains(&MetricKind::Cpu.show(cpu.sample.value)), "{prompt}");
    assert!(prompt.contains("order.match"), "{prompt}");
    viewer.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_analysis_says_so_and_a_recalculation_tells_its_outcome() {
    let served =
        exchange(Schedule::Once { fault: Fault::SlowMatcher, after: spanwatch::domain::Micros::ZERO }, 2.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(parts(&served, dir.path(), 1));
    viewer.learnt().await;
    let alert = alert_of(&mut viewer, Fault::SlowMatcher.culprit()).await;
    viewer.send(CommandKind::StartAnalysis { anomaly: alert.anomalies[0].id });
    viewer.until("first token", |body| matches!(body, UpdateBody::TokensArrived { .. }).then_some(())).await;
    viewer.send(CommandKind::CancelAnalysis);
    let cancelled = viewer
        .until("end", |body| match body {
            UpdateBody::Analysis(analysis) if !analysis.state.is_running() => Some((**analysis).clone()),
            _ => None,
        })
        .await;
    assert_eq!(cancelled.state, AnalysisState::Cancelled);

    let asked = viewer.send(CommandKind::Recalculate);
    let mut outcome = None;
    let generation = viewer
        .until("recalculation", |body| match body {
            UpdateBody::CommandAnswered { id, outcome: answer } if *id == asked => {
                outcome = Some(answer.clone());
                None
            }
            UpdateBody::Recalculation(RecalculationState::Done { generation, samples, .. }) if outcome.is_some() => {
                assert!(*samples > 0);
                Some(*generation)
            }
            _ => None,
        })
        .await;
    assert_eq!(outcome, Some(Outcome::Accepted));
    assert!(generation >= 2);
    viewer.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_where_it_ended() {
    let served = exchange(Schedule::Quiet, 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(parts(&served, dir.path(), 1));
    viewer.learnt().await;
    viewer.end().await;
    let known = |dir: &Path| Store::open(dir, chrono::Utc::now()).unwrap().store.ledger().unwrap();
    let before = known(dir.path());

    let mut viewer = Viewer::of(parts(&served, dir.path(), 1));
    let learning = viewer
        .until("what was learnt", |body| match body {
            UpdateBody::Learning(view) if view.back_fill == BackFill::Done => Some(view.clone()),
            _ => None,
        })
        .await;
    assert!(learning.generation > 0, "baselines are used at once");
    assert!(learning.samples >= before.samples);
    let wanted = before.known[0].to + spanwatch::domain::Micros::from_secs(2);
    viewer
        .until("polls past the end of the first run", |body| match body {
            UpdateBody::Monitor(view) => view.last_poll.filter(|polled| *polled > wanted).map(|_| ()),
            _ => None,
        })
        .await;
    viewer.end().await;
    // One window without a hole, and in it each span once.
    let after = known(dir.path());
    assert_eq!(after.known.len(), 1, "{:?}", after.known);
    let window = TimeWindow::new(after.known[0].from, before.known[0].to);
    let exact: usize = served.exchange().traces_starting_in(window).map(|trace| trace.spans.len()).sum();
    let beyond: usize = before.settled.iter().map(|trace| trace.spans.len()).sum();
    assert_eq!(before.samples, (exact + beyond) as u64, "what was learnt beyond the window is on the list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_not_there_changes_its_state_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let url = "http://127.0.0.1:1".to_owned();
    let jaeger = jaeger::Settings { url: url.clone(), ..Default::default() };
    let prometheus = prometheus::Settings { url: url.clone(), ..Default::default() };
    let ollama = llm::Settings { url, ..Default::default() };
    let mut viewer = Viewer::of(Parts {
        rules: Rules::default(),
        store_dir: dir.path().to_path_buf(),
        jaeger: Some(Jaeger::new(&jaeger).unwrap()),
        prometheus: Some(Prometheus::new(&prometheus).unwrap()),
        ollama: Some(Ollama::new(&ollama).unwrap()),
    });
    let mut failing = BTreeMap::new();
    viewer
        .until("three failing sources", |body| {
            if let UpdateBody::Sources(sources) = body {
                for source in sources {
                    if let SourceState::Failing(why) = &source.state {
                        failing.insert(source.kind, why.clone());
                    }
                }
            }
            (failing.len() == 3).then_some(())
        })
        .await;
    for (kind, why) in &failing {
        assert!(why.contains("refused"), "{kind:?}: {why}");
    }
    assert_eq!(
        failing.keys().copied().collect::<Vec<_>>(),
        [SourceKind::Jaeger, SourceKind::Prometheus, SourceKind::Ollama]
    );
    let refused = viewer.send(CommandKind::ShowTrace { trace: spanwatch::domain::TraceId(1) });
    let mut answered = false;
    let why = viewer
        .until("why there is no trace", |body| match body {
            UpdateBody::CommandAnswered { id, .. } => {
                answered |= *id == refused;
                None
            }
            UpdateBody::Trace(view) => match &view.state {
                TraceState::Failed(why) => Some(why.clone()),
                _ => None,
            },
            _ => None,
        })
        .await;
    assert!(why.contains("refused"), "{why}");
    viewer.end().await;
}

#[tokio::test]
async fn a_store_in_use_ends_the_monitor_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let _owner = Store::open(dir.path(), chrono::Utc::now()).unwrap();
    let handle = monitor::start(Parts {
        rules: Rules::default(),
        store_dir: dir.path().to_path_buf(),
        jaeger: None,
        prometheus: None,
        ollama: None,
    });
    let error = tokio::time::timeout(PATIENCE, handle.ended).await.unwrap().unwrap().unwrap_err().to_string();
    assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_that_is_known_is_not_judged_again() {
    let served = exchange(Schedule::Quiet, 20.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut parts = parts(&served, dir.path(), 1);
    parts.rules.monitor.back_fill = false;
    let mut viewer = Viewer::of(parts);
    let (from, seen) = (Timestamp(chrono::Utc::now().timestamp_micros()), 200);
    let (polled, spans) = viewer
        .until("some spans", |body| match body {
            UpdateBody::Monitor(view) if view.spans_seen > seen => view.last_poll.map(|at| (at, view.spans_seen)),
            _ => None,
        })
        .await;
    viewer.end().await;
    // Every span that can have been seen by then, and a few that were on their way when the watch began.
    let reach = spanwatch::domain::Micros::from_secs(90);
    let window = TimeWindow::new(from - reach, polled + reach);
    let all: usize = served.exchange().traces_starting_in(window).map(|trace| trace.spans.len()).sum();
    assert!(spans <= all as u64, "{spans} spans were judged, {all} exist");
}
