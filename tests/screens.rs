//! Frames as a person sees them, compared with text files under `tests/screens/`. `SPANWATCH_BLESS=1` rewrites them.

#[path = "screens/fixture.rs"]
mod fixture;
#[path = "screens/golden.rs"]
mod golden;

use fixture::Stage;
use golden::{ASCII, COLOR, MONO, check, check_styled};
use spanwatch::app::{Key, KeyCode};
use spanwatch::domain::{HourOfWeek, Micros};
use spanwatch::messages::{
    AnalysisId, AnalysisState, BackFill, LearningView, RecalculationState, TraceState, TraceView, UpdateBody,
};

const WIDE: (u16, u16) = (120, 40);
const NARROW: (u16, u16) = (80, 24);

/// Each pane in front, where panes are tabs.
fn tabs(stage: &mut Stage, name: &str) {
    for pane in ["alerts", "baseline", "analysis", "services"] {
        check(stage, COLOR, &format!("80x24-{pane}-{name}"));
        stage.code(KeyCode::Tab);
    }
}

#[test]
fn loading() {
    check(&Stage::new(WIDE), COLOR, "120x40-loading");
    tabs(&mut Stage::new(NARROW), "loading");
}

#[test]
fn learning() {
    let start = |size| {
        let mut stage = Stage::calm(size);
        stage.tell(UpdateBody::Learning(LearningView {
            hours_known: 12,
            generation: 0,
            back_fill: BackFill::Running { hours_done: 12, hours_total: 720 },
            ..fixture::learning()
        }));
        let mut young = fixture::baseline(&fixture::wallet(), false);
        young.cell = None;
        young.note = Some("not enough data (n = 3, needs 10)".to_owned());
        young.histogram_normal = Vec::new();
        young.week_p99 = vec![None; HourOfWeek::COUNT];
        stage.tell(UpdateBody::Baseline(Box::new(young)));
        stage
    };
    check(&start(WIDE), COLOR, "120x40-learning");
    check(&start(NARROW), COLOR, "80x24-learning");
}

#[test]
fn empty() {
    let empty = |size| {
        let mut stage = Stage::calm(size);
        stage.tell(UpdateBody::Services(Vec::new()));
        stage
    };
    check(&empty(WIDE), COLOR, "120x40-empty");
    tabs(&mut empty(NARROW), "empty");
}

#[test]
fn normal() {
    check(&Stage::calm(WIDE), COLOR, "120x40-normal");
    tabs(&mut Stage::calm(NARROW), "normal");
}

#[test]
fn incident() {
    check_styled(&Stage::incident(WIDE), COLOR, "120x40-incident");
    check_styled(&Stage::incident(WIDE), MONO, "120x40-incident-mono");
    check(&Stage::incident(WIDE), ASCII, "120x40-incident-ascii");
    check(&Stage::incident((180, 50)), COLOR, "180x50-incident");
    tabs(&mut Stage::incident(NARROW), "incident");
    check_styled(&Stage::incident(NARROW), MONO, "80x24-incident-mono");
    check(&Stage::incident(NARROW), ASCII, "80x24-incident-ascii");
    check(&Stage::incident((40, 10)), COLOR, "40x10-incident");
    check(&Stage::incident((39, 9)), COLOR, "39x9-incident");
    check(&Stage::incident((12, 1)), COLOR, "12x1-incident");
}

#[test]
fn unfolded_and_all_severities() {
    let mut stage = Stage::incident(WIDE);
    stage.keys("0lj");
    check(&stage, COLOR, "120x40-unfolded");
}

#[test]
fn stale() {
    check_styled(&Stage::stale(WIDE), COLOR, "120x40-stale");
    tabs(&mut Stage::stale(NARROW), "stale");
    check(&Stage::stale((40, 10)), COLOR, "40x10-stale");
}

#[test]
fn error() {
    check(&Stage::down(WIDE), COLOR, "120x40-error");
    tabs(&mut Stage::down(NARROW), "error");
}

#[test]
fn analysis_in_its_states() {
    check(&Stage::analysing(WIDE), COLOR, "120x40-analysis-streaming");
    let mut stage = Stage::analysing(NARROW);
    check(&stage, COLOR, "80x24-alerts-streaming");
    stage.code(KeyCode::BackTab);
    for _ in 0..3 {
        stage.code(KeyCode::Tab);
    }
    check(&stage, COLOR, "80x24-analysis-streaming");
    let states = [
        ("gathering", AnalysisState::Gathering, ""),
        ("model-loading", AnalysisState::Waiting { loading: true }, ""),
        (
            "done",
            AnalysisState::Done { tokens: Some(212), tokens_per_s: Some(34), cut_by_limit: false },
            fixture::MODEL,
        ),
        ("cancelled", AnalysisState::Cancelled, "SUMMARY\nThe order"),
        (
            "failed",
            AnalysisState::Failed("Ollama has no model llama3.2:1b: run \"ollama pull llama3.2:1b\".".to_owned()),
            "",
        ),
    ];
    for (name, state, text) in states {
        let mut stage = Stage::incident(WIDE);
        let run = fixture::analysis(&fixture::worst(), state, text);
        stage.tell(UpdateBody::Analysis(Box::new(run)));
        check(&stage, COLOR, &format!("120x40-analysis-{name}"));
    }
    let mut stage = Stage::analysing(WIDE);
    stage.keys("j");
    check(&stage, COLOR, "120x40-analysis-of-another");
}

#[test]
fn recalculation() {
    let mut stage = Stage::incident(WIDE);
    stage.keys("r");
    stage.tell(UpdateBody::Recalculation(RecalculationState::Running {
        keys_done: 12,
        keys_total: 31,
        started: fixture::NOW,
    }));
    stage.now = stage.now + Micros::from_secs(5);
    stage.keys("g");
    check(&stage, COLOR, "120x40-recalculating");
    stage.tell(UpdateBody::Recalculation(fixture::recalculated()));
    check(&stage, COLOR, "120x40-recalculated");
}

#[test]
fn filter() {
    for size in [WIDE, NARROW] {
        let name = format!("{}x{}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys("0/svc:*exchange* !redis");
        check_styled(&stage, COLOR, &format!("{name}-filter"));
        stage.keys(" sev>=9");
        check(&stage, COLOR, &format!("{name}-filter-error"));
    }
    let mut stage = Stage::incident(WIDE);
    stage.keys("/nothing");
    stage.code(KeyCode::Enter);
    check(&stage, COLOR, "120x40-filter-hides-all");
}

#[test]
fn help() {
    for size in [WIDE, NARROW, (40, 10)] {
        let name = format!("{}x{}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys("?");
        check(&stage, COLOR, &format!("{name}-help"));
    }
    let mut stage = Stage::incident(NARROW);
    stage.keys("?sev");
    check(&stage, COLOR, "80x24-help-search");
}

#[test]
fn trace() {
    for size in [WIDE, NARROW, (40, 10)] {
        check(&Stage::tracing(size), COLOR, &format!("{}x{}-trace", size.0, size.1));
    }
    check_styled(&Stage::tracing(NARROW), MONO, "80x24-trace-mono");
    check(&Stage::tracing(WIDE), ASCII, "120x40-trace-ascii");
    let mut stage = Stage::incident(NARROW);
    stage.code(KeyCode::Enter);
    check(&stage, COLOR, "80x24-trace-loading");
    let state = TraceState::Failed(
        "Jaeger no longer has this trace: its retention may be shorter than the alert is old.".to_owned(),
    );
    stage.tell(UpdateBody::Trace(Box::new(TraceView { trace: fixture::worst().id.trace, state })));
    check(&stage, COLOR, "80x24-trace-failed");
    let mut stage = Stage::incident(WIDE);
    stage.code(KeyCode::Enter);
    stage.tell(UpdateBody::Trace(Box::new(fixture::huge_trace(fixture::worst().id.trace, 50_000))));
    stage.keys("GK");
    check(&stage, COLOR, "120x40-trace-huge");
}

#[test]
fn columns_stay_aligned_with_wide_and_combining_characters() {
    let mut stage = Stage::incident(NARROW);
    stage.tell(UpdateBody::Alerts(fixture::hostile_alerts()));
    check(&stage, COLOR, "80x24-hostile-names");
    check(&stage, ASCII, "80x24-hostile-names-ascii");
}

#[test]
fn a_frame_of_a_huge_trace_touches_only_what_is_visible() {
    let mut stage = Stage::incident(WIDE);
    stage.code(KeyCode::Enter);
    stage.tell(UpdateBody::Trace(Box::new(fixture::huge_trace(fixture::worst().id.trace, 50_000))));
    let first = golden::render(&stage, COLOR);
    stage.press(Key::char('G'));
    assert_ne!(golden::render(&stage, COLOR), first);
}

#[test]
fn tokens_of_another_run_are_not_shown() {
    let mut stage = Stage::analysing(WIDE);
    let before = golden::render(&stage, COLOR);
    stage.tell(UpdateBody::TokensArrived { analysis: AnalysisId(9), text: "FORGED".to_owned() });
    assert_eq!(golden::render(&stage, COLOR), before);
}
