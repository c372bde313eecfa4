//! Frames as a person sees them, compared with text files under `tests/screens/`. `SPANWATCH_BLESS=1` rewrites them.

#[path = "screens/comparisons.rs"]
mod comparisons;
#[path = "screens/fixture.rs"]
mod fixture;
#[path = "screens/golden.rs"]
mod golden;
#[path = "screens/incident_page.rs"]
mod incident_page;
#[path = "screens/services.rs"]
mod services;
#[path = "screens/trending.rs"]
mod trending;
#[path = "screens/weeks.rs"]
mod weeks;

use fixture::Stage;
use golden::{ASCII, COLOR, MONO, check, check_styled};
use proptest::prelude::*;
use spanwatch::app::keymap::Place;
use spanwatch::app::{Effect, Key, KeyCode, Msg, TimeShown};
use spanwatch::domain::{HourOfWeek, Micros};
use spanwatch::messages::{
    AnalysisId, AnalysisState, BackFill, LearningView, MapView, PastView, RecalculationKind, RecalculationState,
    ServicePageView, SourceState, TraceState, TraceView, UpdateBody,
};
use spanwatch::ui::{Look, ThemeName};

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
fn local_time() {
    for size in [WIDE, NARROW] {
        let name = |state: &str| format!("{}x{}-local{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.app = stage.app.with_zone(chrono_tz::Europe::Berlin, TimeShown::Utc);
        stage.keys("U");
        check(&stage, COLOR, &name(""));
        stage.code(KeyCode::Enter);
        check(&stage, COLOR, &name("-page-incident"));
        stage.code(KeyCode::Esc);
        stage.keys("x");
        check(&stage, COLOR, &name("-ack-form"));
    }
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
    stage.keys("Gkkklj");
    check(&stage, COLOR, "120x40-unfolded-record");
    let mut stage = Stage::incident(NARROW);
    stage.keys("lj");
    check(&stage, COLOR, "80x24-unfolded");
    check(&stage, ASCII, "80x24-unfolded-ascii");
    let mut stage = Stage::incident((40, 10));
    stage.keys("lj");
    check(&stage, COLOR, "40x10-unfolded");
}

#[test]
fn records_are_no_alarm() {
    check_styled(&Stage::records(WIDE), COLOR, "120x40-records");
    check(&Stage::records(NARROW), COLOR, "80x24-records");
    check(&Stage::records((40, 10)), COLOR, "40x10-records");
}

#[test]
fn why() {
    for size in [WIDE, NARROW, (40, 10)] {
        let name = format!("{}x{}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys("w");
        check(&stage, COLOR, &format!("{name}-why-asked"));
        stage.tell(UpdateBody::Why(Box::new(fixture::why())));
        check(&stage, COLOR, &format!("{name}-why"));
    }
    let mut stage = Stage::incident(NARROW);
    stage.keys("w");
    stage.tell(UpdateBody::Why(Box::new(fixture::why())));
    check(&stage, ASCII, "80x24-why-ascii");
    let mut stage = Stage::records(NARROW);
    stage.keys("w");
    stage.tell(UpdateBody::Why(Box::new(fixture::why())));
    check(&stage, COLOR, "80x24-why-record");
}

#[test]
fn week() {
    for size in [WIDE, NARROW, (40, 10)] {
        let name = |state: &str| format!("{}x{}-week{state}", size.0, size.1);
        let matcher = fixture::matcher();
        let mut stage = Stage::incident(size);
        stage.keys("b");
        check(&stage, COLOR, &name("-loading"));
        stage.tell(UpdateBody::Week(Box::new(weeks::unseen(&matcher))));
        check(&stage, COLOR, &name("-empty"));
        stage.tell(UpdateBody::Week(Box::new(weeks::young(&matcher))));
        check(&stage, COLOR, &name("-young"));
        stage.tell(UpdateBody::Week(Box::new(weeks::week(&matcher, None))));
        check(&stage, COLOR, &name("-reading"));
        stage.tell(UpdateBody::Week(Box::new(weeks::week(&matcher, Some(weeks::past())))));
        check_styled(&stage, COLOR, &name(""));
        check(&stage, ASCII, &name("-ascii"));
        stage.keys("jjk");
        stage.code(KeyCode::Left);
        stage.keys("m");
        check(&stage, COLOR, &name("-samples"));
        stage.keys("mkkkkjjjjj");
        check(&stage, COLOR, &name("-borrowed"));
        stage.keys("mmmkkkkk");
        check(&stage, COLOR, &name("-maintenance"));
        stage.keys("d");
        check(&stage, COLOR, &name("-changes"));
        stage.keys("d");
        stage.tell(UpdateBody::Recalculation(fixture::recalculated(RecalculationKind::Applied)));
        check(&stage, COLOR, &name("-recalculated"));
        stage.tell(UpdateBody::Levels(fixture::accepted().1));
        stage.keys("!");
        check(&stage, COLOR, &name("-level"));
        stage.code(KeyCode::Esc);
        stage.keys("y");
        check(&stage, COLOR, &name("-copied"));
        let failed = PastView::Failed("the store could not be read: no such device".to_owned());
        stage.tell(UpdateBody::Week(Box::new(weeks::week(&matcher, Some(failed)))));
        check(&stage, COLOR, &name("-failed"));
        let mut stage = Stage::stale(size);
        stage.keys("b");
        stage.tell(UpdateBody::Week(Box::new(weeks::week(&matcher, Some(weeks::past())))));
        check(&stage, MONO, &name("-stale"));
        stage.tell(UpdateBody::Week(Box::new(weeks::hostile())));
        check(&stage, COLOR, &name("-hostile"));
    }
    let mut stage = Stage::incident((64, 20));
    stage.keys("b");
    stage.tell(UpdateBody::Week(Box::new(weeks::week(&fixture::matcher(), Some(weeks::past())))));
    check(&stage, COLOR, "64x20-week");
    let mut stage = Stage::incident(NARROW);
    stage.keys("b?");
    check(&stage, COLOR, "80x24-week-help");
}

#[test]
fn new_level() {
    for size in [WIDE, NARROW, (40, 10)] {
        let name = format!("{}x{}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.tell(UpdateBody::Incidents(fixture::shifted()));
        check(&stage, COLOR, &format!("{name}-level-offered"));
        stage.keys("!");
        check(&stage, COLOR, &format!("{name}-level-accept"));
        stage.keys("y");
        let (incidents, levels) = fixture::accepted();
        stage.tell(UpdateBody::Incidents(incidents));
        stage.tell(UpdateBody::Levels(levels));
        check(&stage, COLOR, &format!("{name}-level-accepted"));
        stage.keys("!");
        check(&stage, COLOR, &format!("{name}-level-undo"));
    }
    let mut stage = Stage::incident(NARROW);
    stage.tell(UpdateBody::Incidents(fixture::shifted()));
    stage.keys("!");
    check(&stage, ASCII, "80x24-level-accept-ascii");
    stage.code(KeyCode::Esc);
    stage.keys("l");
    check(&stage, COLOR, "80x24-level-unfolded");
}

#[test]
fn acknowledged_and_silenced() {
    for size in [WIDE, NARROW, (40, 10)] {
        let name = |state: &str| format!("{}x{}-{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.tell(UpdateBody::Incidents(fixture::acked()));
        stage.tell(UpdateBody::Acts(Box::new(fixture::acts())));
        check(&stage, COLOR, &name("acked"));
        stage.keys("jlj");
        check(&stage, COLOR, &name("acked-unfolded"));
        stage.tell(UpdateBody::Incidents(fixture::all_calm()));
        stage.keys("gh");
        check_styled(&stage, COLOR, &name("all-calm"));
    }
    let mut stage = Stage::incident(NARROW);
    stage.tell(UpdateBody::Incidents(fixture::all_calm()));
    check(&stage, ASCII, "80x24-all-calm-ascii");
}

#[test]
fn what_is_typed_about_an_incident() {
    for size in [WIDE, NARROW, (40, 10)] {
        let name = |state: &str| format!("{}x{}-{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys("x");
        check(&stage, COLOR, &name("ack-form"));
        stage.keys("7:30");
        stage.code(KeyCode::Tab);
        stage.keys("database");
        check(&stage, COLOR, &name("ack-form-typed"));
        stage.code(KeyCode::Up);
        stage.keys("x");
        stage.code(KeyCode::Enter);
        check(&stage, COLOR, &name("ack-form-error"));
        stage.code(KeyCode::Esc);
        stage.keys("s");
        check(&stage, COLOR, &name("silence-form"));
    }
}

#[test]
fn acts_in_their_states() {
    for size in [WIDE, NARROW, (40, 10)] {
        let name = |state: &str| format!("{}x{}-acts{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys("X");
        check(&stage, COLOR, &name("-loading"));
        stage.tell(UpdateBody::Acts(Box::default()));
        check(&stage, COLOR, &name("-empty"));
        stage.tell(UpdateBody::Acts(Box::new(fixture::acts())));
        check_styled(&stage, COLOR, &name(""));
        stage.keys(" ");
        stage.tell(UpdateBody::Acts(Box::new(fixture::hostile_acts())));
        check(&stage, COLOR, &name("-frozen"));
        stage.keys(" ");
        stage.tell(UpdateBody::Acts(Box::new(fixture::acts())));
        stage.keys("jd");
        check(&stage, COLOR, &name("-ending"));
        stage.code(KeyCode::Esc);
        stage.tell(UpdateBody::Acts(Box::new(fixture::hostile_acts())));
        stage.keys("jj");
        check(&stage, COLOR, &name("-hostile"));
        stage.code(KeyCode::Tab);
        check(&stage, COLOR, &name("-noise-empty"));
        stage.tell(UpdateBody::Noise(fixture::noise()));
        check(&stage, COLOR, &name("-noise"));
    }
    let mut stage = Stage::incident(NARROW);
    stage.tell(UpdateBody::Acts(Box::new(fixture::acts())));
    stage.keys("X");
    check_styled(&stage, MONO, "80x24-acts-mono");
    check(&stage, ASCII, "80x24-acts-ascii");
    stage.keys("?");
    check(&stage, COLOR, "80x24-acts-help");
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
    stage.tell(UpdateBody::Recalculation(fixture::recalculated(RecalculationKind::Applied)));
    check(&stage, COLOR, "120x40-recalculated");
    stage.keys("u");
    stage.tell(UpdateBody::Recalculation(fixture::recalculated(RecalculationKind::TakenBack)));
    check(&stage, COLOR, "120x40-taken-back");
    let mut stage = Stage::records(NARROW);
    stage.keys("R");
    stage.tell(UpdateBody::Recalculation(fixture::recalculated(RecalculationKind::Rehearsed)));
    check(&stage, COLOR, "80x24-rehearsed");
    stage.code(KeyCode::Tab);
    check(&stage, COLOR, "80x24-rehearsed-baseline");
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

/// The service under the cursor of the services, opened.
fn service_page(mut stage: Stage) -> Stage {
    stage.code(KeyCode::BackTab);
    stage.code(KeyCode::Enter);
    stage
}

#[test]
fn service_in_its_states() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-service{state}", size.0, size.1);
        let mut stage = service_page(Stage::incident(size));
        check(&stage, COLOR, &name("-loading"));
        stage.tell(UpdateBody::Service(Box::new(services::page())));
        stage.tell(UpdateBody::Baseline(Box::new(fixture::baseline(&fixture::matcher(), true))));
        check_styled(&stage, COLOR, &name(""));
        check_styled(&stage, MONO, &name("-mono"));
        check(&stage, ASCII, &name("-ascii"));
        stage.keys("SSSSSG");
        check(&stage, COLOR, &name("-by-name"));
        for part in ["errors", "slow", "neighbours"] {
            stage.code(KeyCode::Tab);
            check(&stage, COLOR, &name(&format!("-{part}")));
        }
        let mut stage = service_page(Stage::stale(size));
        stage.tell(UpdateBody::Service(Box::new(services::page())));
        check_styled(&stage, COLOR, &name("-stale"));
        let mut stage = service_page(Stage::calm(size));
        stage.tell(UpdateBody::Service(Box::new(ServicePageView {
            service: "crypto-wallet".into(),
            ..services::only_metrics()
        })));
        check(&stage, COLOR, &name("-empty"));
        let mut stage = service_page(Stage::incident(size));
        stage.tell(UpdateBody::Service(Box::new(services::hostile())));
        check(&stage, COLOR, &name("-hostile"));
    }
    let mut stage = service_page(Stage::incident((180, 50)));
    stage.tell(UpdateBody::Service(Box::new(services::page())));
    check(&stage, COLOR, "180x50-service");
    let mut stage = service_page(Stage::incident(NARROW));
    stage.keys("?");
    check(&stage, COLOR, "80x24-service-help");
}

#[test]
fn map_in_its_states() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-map{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys("m");
        check(&stage, COLOR, &name("-loading"));
        stage.tell(UpdateBody::Map(Box::new(services::map())));
        check_styled(&stage, COLOR, &name(""));
        check(&stage, ASCII, &name("-ascii"));
        stage.code(KeyCode::Tab);
        check_styled(&stage, COLOR, &name("-graph"));
        check_styled(&stage, MONO, &name("-graph-mono"));
        check(&stage, ASCII, &name("-graph-ascii"));
        stage.keys("hh");
        check(&stage, COLOR, &name("-graph-left"));
        stage.tell(UpdateBody::Map(Box::new(services::hostile_map())));
        check(&stage, COLOR, &name("-graph-hostile"));
        stage.code(KeyCode::Tab);
        check(&stage, COLOR, &name("-hostile"));
        stage.tell(UpdateBody::Map(Box::new(services::large_map())));
        stage.code(KeyCode::Tab);
        stage.keys("llG");
        check(&stage, COLOR, &name("-graph-large"));
        let mut stage = Stage::stale(size);
        stage.keys("m");
        stage.tell(UpdateBody::Map(Box::new(services::map())));
        check_styled(&stage, COLOR, &name("-stale"));
        let mut stage = Stage::down(size);
        stage.keys("m");
        stage.tell(UpdateBody::Map(Box::new(MapView { nodes: Vec::new(), edges: Vec::new(), ..services::map() })));
        check(&stage, COLOR, &name("-empty"));
    }
}

/// What one would paste into a chat of a service and of the map.
#[test]
fn copied_pages() {
    let mut stage = service_page(Stage::incident(WIDE));
    stage.tell(UpdateBody::Service(Box::new(services::page())));
    let mut texts = String::new();
    let mut copy = |stage: &mut Stage| {
        let effects = stage.keys("y");
        let [Effect::Copy(clip)] = effects.as_slice() else { panic!("{effects:?}") };
        texts.push_str(&format!("{}\n\n", clip.text()));
    };
    copy(&mut stage);
    stage.keys("m");
    stage.tell(UpdateBody::Map(Box::new(services::map())));
    copy(&mut stage);
    golden::compare("copied-pages", &texts);
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
fn palette() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-palette{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys(":");
        check(&stage, COLOR, &name(""));
        stage.keys("rehe");
        check_styled(&stage, COLOR, &name("-found"));
        stage.keys("zzz");
        check(&stage, COLOR, &name("-nothing"));
        let mut stage = Stage::tracing(size);
        stage.keys(":rec");
        stage.code(KeyCode::Enter);
        check(&stage, ASCII, &name("-elsewhere-ascii"));
    }
}

#[test]
fn frozen() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-frozen{state}", size.0, size.1);
        let mut stage = Stage::calm(size);
        stage.keys(" ");
        check_styled(&stage, COLOR, &name(""));
        stage.tell(UpdateBody::Incidents(fixture::incidents()));
        stage.now = stage.now + Micros::from_secs(150);
        check(&stage, COLOR, &name("-news"));
        check_styled(&stage, MONO, &name("-news-mono"));
        stage.keys("y");
        check(&stage, ASCII, &name("-copied-ascii"));
        stage.keys("?");
        check(&stage, COLOR, &name("-help"));
        let mut stage = Stage::tracing(size);
        stage.keys(" ");
        check(&stage, COLOR, &name("-trace"));
    }
    let mut stage = Stage::calm((39, 9));
    stage.keys(" ");
    check(&stage, COLOR, "39x9-frozen");
}

#[test]
fn copied() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-copied{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.app = std::mem::take(&mut stage.app)
            .with_trace_pages(Some("https://observability.prod-eu.example.com/monitoring/jaeger".to_owned()));
        stage.keys("y");
        check(&stage, COLOR, &name("-incident"));
        stage.keys("T");
        stage.keys("o");
        check(&stage, COLOR, &name("-link"));
        check(&stage, ASCII, &name("-link-ascii"));
    }
}

/// What is copied in each place, one after the other.
#[test]
fn copied_texts() {
    let mut texts = String::new();
    let mut copy = |stage: &mut Stage, place: &str| {
        let effects = stage.keys("y");
        let [Effect::Copy(clip)] = effects.as_slice() else { panic!("{place}: {effects:?}") };
        texts.push_str(&format!("== {place}\n{}\n\n", clip.text()));
    };
    let with_pages = |mut stage: Stage| {
        stage.app = std::mem::take(&mut stage.app).with_trace_pages(Some("http://jaeger:16686".to_owned()));
        stage
    };
    copy(&mut Stage::calm(WIDE), "nothing selected");
    let mut stage = with_pages(Stage::incident(WIDE));
    copy(&mut stage, "incident");
    stage.keys("lj");
    copy(&mut stage, "alert");
    stage.code(KeyCode::Tab);
    copy(&mut stage, "baseline");
    stage.code(KeyCode::Tab);
    copy(&mut stage, "analysis, not asked for");
    stage.code(KeyCode::Tab);
    copy(&mut stage, "service");
    let mut stage = with_pages(Stage::records(WIDE));
    copy(&mut stage, "record");
    let mut stage = Stage::analysing(WIDE);
    let answer = "The matcher waits for a lock [E1].\n- look at its pool";
    stage.tell(UpdateBody::Analysis(Box::new(fixture::analysis(&fixture::worst(), AnalysisState::Streaming, answer))));
    while stage.app.place() != Place::Analysis {
        stage.code(KeyCode::Tab);
    }
    copy(&mut stage, "analysis, streaming");
    let mut stage = Stage::incident(WIDE);
    stage.keys("w");
    stage.tell(UpdateBody::Why(Box::new(fixture::why())));
    copy(&mut stage, "why");
    let mut stage = Stage::incident(WIDE);
    stage.tell(UpdateBody::Incidents(fixture::acked()));
    stage.tell(UpdateBody::Acts(Box::new(fixture::acts())));
    stage.tell(UpdateBody::Noise(fixture::noise()));
    stage.keys("jlj");
    copy(&mut stage, "incident, acknowledged");
    stage.keys("X");
    for row in ["first", "second", "third", "fourth"] {
        copy(&mut stage, &format!("acts, {row} row"));
        stage.keys("j");
    }
    stage.code(KeyCode::Tab);
    copy(&mut stage, "noise");
    let mut stage = Stage::tracing(WIDE);
    copy(&mut stage, "trace");
    stage.tell(UpdateBody::Comparison(Box::new(comparisons::comparison(fixture::worst().id.trace))));
    stage.keys("c");
    copy(&mut stage, "comparison");
    stage.code(KeyCode::Esc);
    stage.code(KeyCode::Enter);
    copy(&mut stage, "span");
    golden::compare("copied-texts", &texts);
}

const SIZES: [(u16, u16); 3] = [WIDE, NARROW, (40, 10)];

fn trace_state(stage: &mut Stage, state: TraceState) {
    stage.tell(UpdateBody::Trace(Box::new(TraceView { trace: fixture::worst().id.trace, state })));
}

#[test]
fn a_trace_loading_empty_stale_and_gone() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-trace-{state}", size.0, size.1);
        check(&Stage::awaiting(size), COLOR, &name("loading"));
        let mut stage = Stage::showing(size, |trace| {
            let mut view = fixture::trace(trace);
            if let TraceState::Loaded(waterfall) = &mut view.state {
                (waterfall.spans, waterfall.services, waterfall.orphans) = (Vec::new(), 0, 0);
            }
            view
        });
        check(&stage, COLOR, &name("empty"));
        stage.code(KeyCode::Enter);
        golden::render(&stage, COLOR);

        let mut stage = Stage::tracing(size);
        let failing = SourceState::Failing("connection refused".to_owned());
        stage.tell(UpdateBody::Sources(fixture::sources(failing, Some(fixture::ago(47)))));
        check_styled(&stage, COLOR, &name("stale"));
        let refused = "Jaeger: connection refused; is it running? jaeger.url says where";
        trace_state(&mut stage, TraceState::Failed(refused.to_owned()));
        check(&stage, COLOR, &name("not-again"));

        let mut stage = Stage::awaiting(size);
        let gone = "Jaeger no longer has this trace: its retention may be shorter than the alert is old.";
        trace_state(&mut stage, TraceState::Failed(gone.to_owned()));
        check(&stage, COLOR, &name("error"));
    }
}

#[test]
fn a_trace() {
    for size in SIZES {
        let name = format!("{}x{}-trace", size.0, size.1);
        let stage = Stage::tracing(size);
        check_styled(&stage, COLOR, &name);
        check_styled(&stage, MONO, &format!("{name}-mono"));
        check(&stage, ASCII, &format!("{name}-ascii"));
        check(&Stage::showing(size, fixture::trace), COLOR, &format!("{name}-small"));
    }
    check(&Stage::tracing((200, 60)), COLOR, "200x60-trace");
    check(&Stage::tracing((39, 9)), COLOR, "39x9-trace");
}

#[test]
fn a_trace_folded_and_unfolded() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-trace-{state}", size.0, size.1);
        let mut stage = Stage::tracing(size);
        stage.keys("L");
        check(&stage, COLOR, &name("all"));
        stage.keys("H");
        check(&stage, COLOR, &name("folded"));
        stage.keys("Fp");
        check(&stage, COLOR, &name("path"));
        // The reads, as one row and each.
        stage.keys("pj");
        check(&stage, COLOR, &name("alike"));
        stage.keys("l");
        check(&stage, COLOR, &name("each"));
        stage.keys("hJ");
        check(&stage, COLOR, &name("failed"));
    }
}

#[test]
fn one_span_over_the_whole_screen() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-span-{state}", size.0, size.1);
        let mut stage = Stage::tracing(size);
        stage.code(KeyCode::Enter);
        check_styled(&stage, COLOR, &name("slow"));
        stage.keys("J");
        check(&stage, COLOR, &name("failed"));
        check(&stage, ASCII, &name("failed-ascii"));
        stage.code(KeyCode::Esc);
        stage.keys("k");
        stage.code(KeyCode::Enter);
        check(&stage, COLOR, &name("alike"));
        stage.keys("?");
        check(&stage, COLOR, &name("help"));
    }
}

fn compared(size: (u16, u16)) -> Stage {
    let mut stage = Stage::tracing(size);
    stage.tell(UpdateBody::Comparison(Box::new(comparisons::comparison(fixture::worst().id.trace))));
    stage
}

#[test]
fn a_trace_beside_a_normal_one() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-compare{state}", size.0, size.1);
        let mut stage = compared(size);
        check(&stage, COLOR, &name("-waterfall"));
        stage.keys("c");
        check_styled(&stage, COLOR, &name(""));
        check_styled(&stage, MONO, &name("-mono"));
        check(&stage, ASCII, &name("-ascii"));
        // The call that failed, then what nobody has seen before.
        stage.keys("J");
        check(&stage, COLOR, &name("-failed"));
        stage.keys("JJ");
        check(&stage, COLOR, &name("-new"));
        stage.keys("?");
        check(&stage, COLOR, &name("-help"));
        stage.code(KeyCode::Esc);
        stage.keys("g");
        stage.code(KeyCode::Enter);
        assert_eq!(stage.app.place(), Place::Trace, "to the span in the waterfall");
    }
}

#[test]
fn attributes_that_separate() {
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-attributes{state}", size.0, size.1);
        let mut stage = compared(size);
        stage.keys("d");
        check_styled(&stage, COLOR, &name(""));
        check(&stage, ASCII, &name("-ascii"));
        stage.keys("d");
        assert_eq!(stage.app.place(), Place::Trace);
        stage.code(KeyCode::Enter);
        check(&stage, COLOR, &name("-span"));
        stage.keys("cd");
        stage.code(KeyCode::Esc);
        assert_eq!(stage.app.place(), Place::Compare, "one step back");
        stage.keys("cqq");
        assert_eq!(stage.app.place(), Place::Alerts);
    }
}

#[test]
fn a_comparison_awaited_impossible_failed_and_hostile() {
    let id = fixture::worst().id.trace;
    for size in SIZES {
        let name = |state: &str| format!("{}x{}-compare-{state}", size.0, size.1);
        let mut stage = Stage::incident(size);
        stage.keys("c");
        check(&stage, COLOR, &name("loading"));
        let before = golden::render(&stage, COLOR);
        stage.tell(UpdateBody::Comparison(Box::new(comparisons::comparison(spanwatch::domain::TraceId(1)))));
        assert_eq!(golden::render(&stage, COLOR), before, "another trace's is never shown");
        stage.tell(UpdateBody::Trace(Box::new(fixture::busy_trace(id))));
        check(&stage, COLOR, &name("waiting"));
        stage.tell(UpdateBody::Comparison(Box::new(comparisons::incomparable(id))));
        check(&stage, COLOR, &name("none"));
        stage.keys("d");
        check(&stage, COLOR, &name("none-attributes"));
        stage.tell(UpdateBody::Comparison(Box::new(comparisons::hostile_comparison(id))));
        check(&stage, COLOR, &name("hostile-attributes"));
        stage.keys("c");
        check(&stage, COLOR, &name("hostile"));
        check(&stage, ASCII, &name("hostile-ascii"));
        let mut stage = Stage::incident(size);
        stage.keys("c");
        trace_state(&mut stage, TraceState::Failed("Jaeger no longer has this trace".to_owned()));
        check(&stage, COLOR, &name("error"));
    }
}

#[test]
fn a_huge_trace() {
    for size in SIZES {
        let mut stage = Stage::showing(size, |trace| fixture::huge_trace(trace, 50_000));
        check(&stage, COLOR, &format!("{}x{}-trace-huge", size.0, size.1));
        stage.keys("GK");
        check(&stage, COLOR, &format!("{}x{}-trace-huge-end", size.0, size.1));
    }
}

#[test]
fn names_in_a_trace_are_cleaned_and_stay_in_their_columns() {
    for size in SIZES {
        let name = format!("{}x{}-trace-hostile", size.0, size.1);
        let mut stage = Stage::showing(size, fixture::hostile_trace);
        check(&stage, COLOR, &name);
        check(&stage, ASCII, &format!("{name}-ascii"));
        stage.keys("J");
        stage.code(KeyCode::Enter);
        check(&stage, COLOR, &format!("{name}-span"));
    }
}

#[test]
fn columns_stay_aligned_with_wide_and_combining_characters() {
    let mut stage = Stage::incident(NARROW);
    stage.tell(UpdateBody::Records(fixture::hostile_alerts()));
    stage.tell(UpdateBody::Incidents(fixture::hostile_incidents()));
    stage.keys("l");
    check(&stage, COLOR, "80x24-hostile-names");
    check(&stage, ASCII, "80x24-hostile-names-ascii");
}

#[test]
fn tokens_of_another_run_are_not_shown() {
    let mut stage = Stage::analysing(WIDE);
    let before = golden::render(&stage, COLOR);
    stage.tell(UpdateBody::TokensArrived { analysis: AnalysisId(9), text: "FORGED".to_owned() });
    assert_eq!(golden::render(&stage, COLOR), before);
}

/// Everything a person can press, in no sensible order.
fn any_key() -> impl Strategy<Value = Key> {
    let plain = prop::sample::select(
        "12345rRu0ahjklgGJKHLFpwyyocccddd[]/?qxXs+-  \"!svc::>=2é漢".chars().map(Key::char).collect::<Vec<_>>(),
    );
    let named = prop::sample::select(
        [
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::Backspace,
            KeyCode::Delete,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::F(1),
        ]
        .map(Key::plain)
        .to_vec(),
    );
    let control = prop::sample::select("cuwaezlrknp".chars().map(Key::ctrl).collect::<Vec<_>>());
    prop_oneof![4 => plain, 3 => named, 1 => control]
}

#[derive(Debug, Clone)]
enum Step {
    Press(Key),
    Resize(u16, u16),
    Tell(u8),
    Wait(u64),
    Paste(String),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_key().prop_map(Step::Press),
        2 => (1u16..=200, 1u16..=60).prop_map(|(w, h)| Step::Resize(w, h)),
        3 => (0u8..39).prop_map(Step::Tell),
        1 => (0u64..10_000).prop_map(Step::Wait),
        1 => ".{0,12}".prop_map(Step::Paste),
    ]
}

fn tell(stage: &mut Stage, which: u8) {
    let id = fixture::worst().id.trace;
    let running = RecalculationState::Running { keys_done: 3, keys_total: 31, started: stage.now };
    stage.tell(match which {
        0 => UpdateBody::Records(fixture::alerts()),
        1 => UpdateBody::Records(fixture::hostile_alerts()),
        2 => UpdateBody::Records(Vec::new()),
        3 => UpdateBody::Services(fixture::slow_services()),
        4 => UpdateBody::Services(Vec::new()),
        5 => UpdateBody::Baseline(Box::new(fixture::baseline(&fixture::exchange(), true))),
        6 => UpdateBody::Trace(Box::new(fixture::trace(id))),
        7 => UpdateBody::Trace(Box::new(fixture::huge_trace(id, 900))),
        8 => UpdateBody::Analysis(Box::new(fixture::analysis(
            &fixture::worst(),
            AnalysisState::Streaming,
            "a\u{1b}[31mb",
        ))),
        9 => UpdateBody::TokensArrived { analysis: AnalysisId(1), text: "x\n\u{202e}漢".repeat(9) },
        10 => UpdateBody::Recalculation(running),
        11 => UpdateBody::Incidents(fixture::incidents()),
        12 => UpdateBody::Incidents(fixture::hostile_incidents()),
        13 => UpdateBody::Incidents(Vec::new()),
        14 => UpdateBody::Why(Box::new(fixture::why())),
        15 => UpdateBody::Incidents(fixture::shifted()),
        16 => UpdateBody::Incidents(fixture::accepted().0),
        17 => UpdateBody::Levels(fixture::accepted().1),
        18 => UpdateBody::Trace(Box::new(fixture::busy_trace(id))),
        19 => UpdateBody::Trace(Box::new(fixture::hostile_trace(id))),
        20 => UpdateBody::Trace(Box::new(TraceView { trace: id, state: TraceState::Loading })),
        21 => UpdateBody::Acts(Box::new(fixture::acts())),
        22 => UpdateBody::Acts(Box::new(fixture::hostile_acts())),
        23 => UpdateBody::Noise(fixture::noise()),
        24 => UpdateBody::Incidents(fixture::acked()),
        25 => UpdateBody::Incidents(fixture::all_calm()),
        26 => UpdateBody::Acts(Box::default()),
        27 => UpdateBody::Comparison(Box::new(comparisons::comparison(id))),
        28 => UpdateBody::Comparison(Box::new(comparisons::hostile_comparison(id))),
        29 => UpdateBody::IncidentHistory(Box::new(incident_page::history())),
        30 => UpdateBody::IncidentHistory(Box::new(incident_page::hostile_history())),
        33 => UpdateBody::Service(Box::new(services::page())),
        34 => UpdateBody::Service(Box::new(services::hostile())),
        31 => UpdateBody::Map(Box::new(services::large_map())),
        32 => UpdateBody::Map(Box::new(services::hostile_map())),
        35 => UpdateBody::Week(Box::new(weeks::week(&fixture::matcher(), Some(weeks::past())))),
        36 => UpdateBody::Week(Box::new(weeks::hostile())),
        37 => UpdateBody::Week(Box::new(weeks::young(&fixture::wallet()))),
        _ => UpdateBody::Notice("evil\u{1b}]0;title\u{7}".to_owned()),
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// `golden::frame` refuses what a terminal would obey; here it sees many states and sizes, also one that the app
    /// has not heard of yet.
    #[test]
    fn no_keys_updates_or_sizes_panic_or_draw_what_a_terminal_obeys(
        steps in prop::collection::vec(any_step(), 1..40),
        other in (1u16..=200, 1u16..=60),
        color in any::<bool>(),
        unicode in any::<bool>(),
    ) {
        let mut stage = Stage::incident(WIDE);
        let look = Look { color, unicode, theme: ThemeName::Terminal };
        for step in steps {
            match step {
                Step::Press(key) => drop(stage.press(key)),
                Step::Resize(w, h) => drop(stage.app.update(Msg::Resized(w, h), stage.now)),
                Step::Tell(which) => tell(&mut stage, which),
                Step::Wait(secs) => {
                    stage.now = stage.now + Micros::from_secs(secs);
                    stage.app.update(Msg::Ticked, stage.now);
                }
                Step::Paste(text) => drop(stage.app.update(Msg::Pasted(text), stage.now)),
            }
            golden::frame(&stage, stage.app.size(), look);
        }
        golden::frame(&stage, other, look);
        prop_assert!(stage.app.summary(stage.now).chars().all(|c| c == '\n' || spanwatch::domain::text::is_plain(c)));
        prop_assert!(stage.app.next_tick(stage.now).is_some_and(|next| next > stage.now));
    }
}
