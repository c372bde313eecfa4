//! The monitor against the demo's endpoints, over real connections: what it learns, finds and explains is compared with
//! what the simulator knows.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spanwatch::baseline;
use spanwatch::demo::{self, Fault, Schedule, ServeOptions, Served};
use spanwatch::domain::{
    AcceptedLevel, Act, ActId, AlertId, IncidentId, LevelId, MetricKind, Micros, TimeWindow, Timestamp, Until,
};
use spanwatch::llm::{self, Ollama};
use spanwatch::messages::{
    ActCommand, AnalysisState, BackFill, CommandKind, Normal, Outcome, RecalculationKind, RecalculationState,
    SourceKind, SourceState, TraceState, UpdateBody,
};
use spanwatch::monitor::{self, Parts, Rules};
use spanwatch::sources::jaeger::{self, Jaeger};
use spanwatch::sources::prometheus::{self, Prometheus};
use spanwatch::store::Store;

use common::truth;
use common::viewer::{PATIENCE, Viewer, analysis_of, slow_matches, waterfall_of};

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
    let store = Store::open(dir.path(), chrono::Utc::now()).unwrap().store;
    let generation = store.generation().unwrap();
    let known = store.ledger().unwrap().known;
    let exchange = served.exchange();
    let mut truth = truth::of(known.iter().flat_map(|window| exchange.traces_starting_in(*window)));
    // What live traffic still fills after the last recalculation is not in that generation.
    let filling = baseline::Settings::default().calendar().bucket_at(generation.made_at);
    truth.retain(|(_, bucket), _| *bucket != filling);
    truth::compare(&generation, truth);
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
    let planned = served.inject(Fault::SlowMatcher);
    let (alert, anomaly) = slow_matches(&mut viewer, Fault::SlowMatcher.culprit().unwrap(), planned).await;
    assert!(alert.worst_z > 3.0 && alert.counts.iter().sum::<u32>() > 0);

    let spans = waterfall_of(&mut viewer, anomaly.id.trace).await;
    let shown = spans.iter().find(|span| span.id == anomaly.id.span).expect("the anomaly's span is in the waterfall");
    assert_eq!((shown.severity, shown.duration), (Some(anomaly.severity), anomaly.duration));
    assert!(matches!(shown.normal, Normal::Known { p99, .. } if p99 < shown.duration));

    let compared = viewer
        .until("comparison", |body| match body {
            UpdateBody::Comparison(view) if view.trace == anomaly.id.trace => Some((**view).clone()),
            _ => None,
        })
        .await;
    let normal = compared.normal.as_ref().expect("the history holds normal orders");
    assert!(normal.end_to_end < compared.end_to_end && compared.rows.iter().all(|row| row.normal.is_some()));
    let blamed = compared.rows.iter().max_by_key(|row| row.contribution_us()).unwrap();
    assert_eq!((&*blamed.key.service, &*blamed.key.operation), ("order-matcher", "order.match"));

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
async fn what_a_service_uses_is_evidence_from_the_start() {
    let served = exchange(Schedule::Quiet, 2.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(parts(&served, dir.path(), 1));
    viewer.learnt().await;
    served.inject(Fault::CpuSaturation);
    let culprit = Fault::CpuSaturation.culprit().unwrap();
    let evidence = viewer
        .until("CPU among the evidence", |body| {
            let UpdateBody::Incidents(incidents) = body else { return None };
            let suspects = incidents.iter().filter_map(|view| view.incident.suspects.first());
            let mut evidence = suspects.filter(|suspect| &*suspect.service == culprit).flat_map(|s| &s.evidence);
            evidence.find(|clause| clause.starts_with(MetricKind::Cpu.label())).cloned()
        })
        .await;
    assert!(evidence.contains("normal"), "{evidence}");
    viewer.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_analysis_says_so_and_a_recalculation_tells_its_outcome() {
    let served = exchange(Schedule::Once { fault: Fault::SlowMatcher, after: Micros::ZERO }, 2.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(parts(&served, dir.path(), 1));
    viewer.learnt().await;
    let planned = served.exchange().faults_within(TimeWindow::new(Timestamp(0), Timestamp(i64::MAX)))[0];
    let (_, anomaly) = slow_matches(&mut viewer, Fault::SlowMatcher.culprit().unwrap(), planned).await;
    viewer.send(CommandKind::StartAnalysis { anomaly: anomaly.id });
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
    let orders = [
        (CommandKind::RehearseRecalculation, RecalculationKind::Rehearsed, generation + 1),
        (CommandKind::TakeBackRecalculation, RecalculationKind::TakenBack, generation - 1),
        (CommandKind::TakeBackRecalculation, RecalculationKind::TakenBack, generation),
    ];
    for (order, kind, number) in orders {
        viewer.send(order);
        let told = viewer
            .until("its outcome", |body| match body {
                UpdateBody::Recalculation(RecalculationState::Done { how, generation, .. }) if *how == kind => {
                    Some(*generation)
                }
                _ => None,
            })
            .await;
        assert_eq!(told, number, "{kind:?}");
    }
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
    let wanted = before.known[0].to + Micros::from_secs(2);
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
async fn an_accepted_level_is_known_after_a_restart_and_undone_on_request() {
    let served = exchange(Schedule::Quiet, 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let mut viewer = Viewer::of(parts(&served, dir.path(), 1));
    viewer.learnt().await;
    viewer.end().await;
    let store = Store::open(dir.path(), chrono::Utc::now()).unwrap().store;
    let before = store.generation().unwrap();
    let (key, baseline) = before.keys().max_by_key(|(_, baseline)| baseline.samples).unwrap();
    let level = AcceptedLevel {
        id: LevelId(1),
        incident: IncidentId(1),
        alerts: vec![AlertId(1)],
        keys: vec![key.clone()],
        since: before.made_at.minute_after(),
        left_out: baseline.samples,
        at: before.made_at,
        by: "mira".to_owned(),
        undone: None,
    };
    store.record_level(&level).unwrap();
    store.release();
    drop(store);

    let mut viewer = Viewer::of(parts(&served, dir.path(), 1));
    let told = viewer
        .until("the level", |body| match body {
            UpdateBody::Levels(levels) => levels.first().cloned(),
            _ => None,
        })
        .await;
    assert_eq!((&told.level, told.needs), (&level, 20));
    viewer.send(CommandKind::ShowBaseline { key: key.clone() });
    let note = viewer
        .until("its baseline", |body| match body {
            UpdateBody::Baseline(view) if view.key == *key => Some(view.note.clone()),
            _ => None,
        })
        .await;
    assert!(note.unwrap().starts_with("learning a new level (n = "), "old numbers do not answer");
    viewer.send(CommandKind::AcceptLevel { alerts: vec![AlertId(9)] });
    let refused = viewer
        .until("an answer", |body| match body {
            UpdateBody::CommandAnswered { outcome: Outcome::Refused(why), .. } => Some(why.clone()),
            _ => None,
        })
        .await;
    assert!(refused.starts_with("Nothing was changed: "), "{refused}");
    viewer.send(CommandKind::UndoLevel { level: level.id });
    viewer
        .until("the old level", |body| match body {
            UpdateBody::Levels(levels) => levels.is_empty().then_some(()),
            _ => None,
        })
        .await;
    viewer
        .until("new baselines, by themselves", |body| {
            matches!(body, UpdateBody::Recalculation(RecalculationState::Done { .. })).then_some(())
        })
        .await;
    viewer.end().await;
    let store = Store::open(dir.path(), chrono::Utc::now()).unwrap().store;
    let undone = store.levels().unwrap().remove(0).undone.unwrap();
    assert_eq!(undone.at, undone.at.minute_after());
    assert!(store.generation().unwrap().durations(key).unwrap().samples >= level.left_out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_outlives_a_restart_and_is_ended_and_undone_by_commands() {
    async fn in_force(viewer: &mut Viewer, wanted: bool) -> Act {
        let told = viewer.until("the silence", |body| match body {
            UpdateBody::Acts(acts) => acts.held.first().filter(|view| view.is_in_force() == wanted).cloned(),
            _ => None,
        });
        told.await.act
    }
    let served = exchange(Schedule::Quiet, 1.0).await;
    let dir = tempfile::tempdir().unwrap();
    let nothing_learnt = || {
        let mut parts = parts(&served, dir.path(), 1);
        parts.rules.monitor.back_fill = false;
        parts
    };
    let mut viewer = Viewer::of(nothing_learnt());
    let order = |matcher: &str| {
        let (matcher, reason) = (matcher.to_owned(), "moving".to_owned());
        CommandKind::Act(ActCommand::Silence { matcher, until: Until::Recovered, reason })
    };
    viewer.send(order(" "));
    let refused = viewer.until("an answer", |body| match body {
        UpdateBody::CommandAnswered { outcome: Outcome::Refused(why), .. } => Some(why.clone()),
        _ => None,
    });
    let refused = refused.await;
    assert!(refused.starts_with("Nothing was done: Write what to silence"), "{refused}");
    viewer.send(order("svc=stock"));
    let first = in_force(&mut viewer, true).await;
    assert_eq!((first.id, &first.by), (ActId(1), &spanwatch::store::user()));
    viewer.end().await;

    let mut viewer = Viewer::of(nothing_learnt());
    assert_eq!(in_force(&mut viewer, true).await, first);
    viewer.send(CommandKind::Act(ActCommand::End { act: first.id }));
    in_force(&mut viewer, false).await;
    viewer.send(CommandKind::Act(ActCommand::Undo { act: ActId(2) }));
    in_force(&mut viewer, true).await;
    viewer.end().await;
    let store = Store::open(dir.path(), chrono::Utc::now()).unwrap().store;
    assert_eq!(store.acts().unwrap().iter().map(|act| act.undone.is_some()).collect::<Vec<_>>(), [false, true]);
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
    let from = Timestamp(chrono::Utc::now().timestamp_micros());
    // Ten polls later each trace has been read again and again.
    let later = from + Micros::from_secs(10);
    let (polled, spans) = viewer
        .until("polls", |body| match body {
            UpdateBody::Monitor(view) => view.last_poll.filter(|at| *at > later).map(|at| (at, view.spans_seen)),
            _ => None,
        })
        .await;
    viewer.end().await;
    // Every span that can have been seen by then: the first poll reaches back five minutes, and a little for late spans.
    let window = TimeWindow::new(from - Micros::from_secs(340), polled);
    let all: usize = served.exchange().traces_starting_in(window).map(|trace| trace.spans.len()).sum();
    assert!(spans > 200, "{spans}");
    assert!(spans <= all as u64, "{spans} spans were judged, {all} exist");
}
