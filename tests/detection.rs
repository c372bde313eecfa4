//! Scenario files: spans to learn, spans to judge, and the verdicts expected. A new case is a new file in
//! `tests/scenarios/`; the engine that reads it is the one that runs live.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use spanwatch::baseline::{self, DayRow, Generation, KeyBuilder, SeriesKey};
use spanwatch::detect;
use spanwatch::domain::{
    Anomaly, Attributes, Level, Micros, Span, SpanId, SpanKey, SpanKind, TimeWindow, Timestamp, Trace, TraceId,
};
use spanwatch::engine::{Engine, Input, Output};
use spanwatch::messages::{BackFill, UpdateBody};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// Why this case matters.
    about: String,
    #[serde(default)]
    baseline: baseline::Settings,
    #[serde(default)]
    learn: Vec<Learn>,
    judge: Vec<Judge>,
}

/// `copies` of each duration, at `start` and at the same time on `weeks - 1` earlier weeks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Learn {
    key: String,
    start: String,
    durations_ms: Vec<f64>,
    #[serde(default = "one")]
    copies: u32,
    #[serde(default = "one")]
    weeks: u32,
}

const fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Judge {
    key: String,
    start: String,
    duration_ms: f64,
    #[serde(default)]
    error: bool,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// 1 to 5; absent when no anomaly is expected.
    severity: Option<u8>,
    level: Option<Level>,
    samples: Option<u64>,
    /// Told instead of a verdict.
    note: Option<String>,
}

fn time(text: &str) -> Timestamp {
    let parsed = chrono::DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Timestamp(parsed.timestamp_micros())
}

fn key(text: &str) -> SpanKey {
    let (service, operation) = text.split_once(':').expect("service:operation");
    SpanKey::new(service, operation, SpanKind::Server)
}

fn span(id: u64, key: SpanKey, start: Timestamp, ms: f64, error: bool) -> Trace {
    let span = Span {
        id: SpanId(id),
        parent: None,
        key,
        start,
        duration: Micros((ms * 1_000.0).round() as u64),
        error,
        attributes: [("order.pair", "BTC/USD")].into_iter().collect::<Attributes>(),
        resource: Arc::default(),
    };
    Trace { id: TraceId(u128::from(id)), spans: vec![span] }
}

/// Back-fill as the monitor does it, with the store replaced by a list of rows.
fn learn(engine: &mut Engine, scenario: &Scenario, now: Timestamp) {
    let mut id = 1_000_000;
    let whole = TimeWindow::new(now - Micros::from_secs(90 * 86_400), now);
    let mut traces = Vec::new();
    for learn in &scenario.learn {
        for week in 0..learn.weeks {
            let start = time(&learn.start) - Micros::from_secs(u64::from(week) * 7 * 86_400);
            for duration in learn.durations_ms.iter().flat_map(|ms| std::iter::repeat_n(*ms, learn.copies as usize)) {
                id += 1;
                traces.push(span(id, key(&learn.key), start, duration, false));
            }
        }
    }
    engine.step(Input::HistoryRead { window: whole, traces }, now);
    let outputs = engine.step(Input::HistoryEnded { windows: vec![whole], progress: BackFill::Done }, now);
    let learnt = outputs.into_iter().find_map(|output| match output {
        Output::StoreLearnt(learnt) => Some(learnt),
        _ => None,
    });
    let mut rows: BTreeMap<SeriesKey, BTreeMap<i32, DayRow>> = BTreeMap::new();
    for ((key, hour), slice) in learnt.expect("back-fill stores what it learnt").slices {
        rows.entry(key).or_default().entry(hour.day()).or_default().merge(hour.hour_of_day(), &slice);
    }
    let mut builder = KeyBuilder::new(scenario.baseline.calendar());
    let mut generation = Generation { number: 1, made_at: now, ..Generation::default() };
    for (key, days) in rows {
        for (day, row) in days {
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert!(builder.add_row(day, &bytes));
        }
        let made = builder.finish(&scenario.baseline.rules());
        generation.series.insert(key, Arc::new(made));
    }
    engine.step(Input::GenerationMade(Arc::new(generation)), now);
}

fn anomalies(outputs: Vec<Output>) -> Vec<Anomaly> {
    let recorded = outputs.into_iter().filter_map(|output| match output {
        Output::RecordAnomaly(anomaly) => Some(*anomaly),
        _ => None,
    });
    recorded.collect()
}

fn note(engine: &mut Engine, key: SpanKey, now: Timestamp) -> Option<String> {
    let outputs = engine.step(Input::BaselineAsked(key), now);
    outputs.into_iter().find_map(|output| match output {
        Output::Tell(UpdateBody::Baseline(view)) => view.note,
        _ => None,
    })
}

fn run(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let scenario: Scenario = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = format!("{}: {}", path.file_name().unwrap().to_string_lossy(), scenario.about);
    assert_eq!(scenario.baseline.broken(), [], "{name}");
    let last = scenario.judge.iter().map(|judge| time(&judge.start)).max().expect("something to judge");
    let now = last + Micros::from_secs(5);
    let mut engine = Engine::new(scenario.baseline.clone(), detect::Settings::default(), Micros::from_secs(10));
    learn(&mut engine, &scenario, now);
    for (index, judge) in scenario.judge.iter().enumerate() {
        let at = format!("{name}, judge {index}");
        let start = time(&judge.start);
        let trace = span(index as u64 + 1, key(&judge.key), start, judge.duration_ms, judge.error);
        let found = anomalies(engine.step(Input::TracesPolled(vec![trace.clone()]), now));
        assert_eq!(found.first().map(|anomaly| anomaly.severity.number()), judge.expect.severity, "{at}: {found:?}");
        assert!(found.len() <= 1, "{at}");
        if let Some(anomaly) = found.first() {
            assert_eq!(anomaly.duration, trace.spans[0].duration, "{at}");
            assert_eq!(anomaly.attributes.get("order.pair"), Some("BTC/USD"), "{at}");
            assert_eq!((anomaly.id.trace, anomaly.id.span), (trace.id, trace.spans[0].id), "{at}");
            assert!(anomaly.z > anomaly.cut_off_z, "{at}");
            let z = (anomaly.duration.0 as f64 - anomaly.mean_us) / anomaly.sigma_us;
            assert!((z - anomaly.z).abs() < 1e-9, "{at}: z is the deviation in sigma");
            assert_eq!(judge.expect.level.unwrap_or(anomaly.level), anomaly.level, "{at}");
            assert_eq!(judge.expect.samples.unwrap_or(anomaly.samples), anomaly.samples, "{at}");
        }
        if let Some(expected) = &judge.expect.note {
            assert_eq!(note(&mut engine, key(&judge.key), now).as_ref(), Some(expected), "{at}");
        }
        assert!(anomalies(engine.step(Input::TracesPolled(vec![trace]), now)).is_empty(), "{at}: judged once only");
    }
}

#[test]
fn every_scenario_ends_as_it_says() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "the scenario files are there");
    files.iter().for_each(|file| run(file));
}
