//! The page of the week, key by key.

use super::super::Place;
use super::*;
use crate::app::{Key, KeyCode, Msg};
use crate::domain::{AcceptedLevel, Anomaly, AnomalyId, Attributes, IncidentId, LevelId, SpanId, SpanKind, TraceId};
use crate::messages::{RecordView, Update, UpdateBody};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

struct Bench {
    app: App,
    revision: u64,
}

impl Bench {
    /// One record, which is selected.
    fn new() -> Self {
        let mut bench = Self { app: App::new((120, 40)).with_severity_filter(None), revision: 0 };
        bench.tell(UpdateBody::Records(vec![record()]));
        bench
    }

    fn tell(&mut self, body: UpdateBody) {
        self.revision += 1;
        self.app.update(Msg::UpdateArrived(Update { revision: self.revision, body }), NOW);
    }

    fn code(&mut self, code: KeyCode) -> Vec<Effect> {
        self.app.update(Msg::KeyPressed(Key::plain(code)), NOW)
    }

    fn keys(&mut self, keys: &str) -> Vec<Effect> {
        keys.chars().flat_map(|c| self.app.update(Msg::KeyPressed(Key::char(c)), NOW)).collect()
    }
}

fn record() -> RecordView {
    let key = SpanKey::new("a", "op", SpanKind::Server);
    let anomaly = Anomaly {
        id: AnomalyId { trace: TraceId(1), span: SpanId(1) },
        key: key.clone(),
        severity: Severity::Sev2,
        start: NOW,
        duration: Micros(1_000),
        mean_us: 100.0,
        sigma_us: 10.0,
        z: 90.0,
        cut_off_z: 3.0,
        level: Level::Global,
        samples: 1_000,
        bucket: HourOfWeek::new(0, 0),
        error: false,
        attributes: Attributes::default(),
    };
    RecordView {
        key,
        severity: Severity::Sev2,
        first: NOW,
        last: NOW,
        counts: [0, 1, 0, 0, 0],
        judged: 9,
        worst_z: 90.0,
        latest_z: 90.0,
        p99_now: None,
        p99_normal: None,
        times_normal: None,
        anomalies: vec![anomaly],
    }
}

fn level(keys: Vec<SpanKey>) -> LevelView {
    let level = AcceptedLevel {
        id: LevelId(1),
        incident: IncidentId(1),
        alerts: Vec::new(),
        keys,
        since: NOW,
        left_out: 5_204,
        at: NOW,
        by: "mira".to_owned(),
        undone: None,
    };
    LevelView { level, learnt: vec![3], needs: 20 }
}

fn week_of(key: &SpanKey) -> WeekView {
    let hour = WeekHour {
        samples: 12,
        days: 2,
        own: None,
        answers: None,
        tests: None,
        maintenance: false,
        alerts: 0,
        useful: 0,
        noise: 0,
    };
    WeekView {
        asked: key.clone(),
        key: key.clone(),
        at: 1,
        of: 2,
        previous: Some(SpanKey::new("b", "op", SpanKind::Server)),
        next: Some(SpanKey::new("c", "op", SpanKind::Server)),
        bucket: HourOfWeek::new(6, 23),
        zone: "UTC".to_owned(),
        generation: 1,
        needs: 10,
        needs_to_test: 100,
        learning: None,
        hours: vec![hour; HourOfWeek::COUNT],
        wider: Vec::new(),
        past: None,
    }
}

fn asked_week(effects: &[Effect]) -> Vec<&SpanKey> {
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Send(CommandKind::ShowWeek { key }) => Some(key),
        _ => None,
    });
    asked.collect()
}

fn week_cell(bench: &Bench) -> HourOfWeek {
    match bench.app.page() {
        Some(Page::Week(cursor)) => cursor.cell(bench.app.topics.week.get().unwrap()),
        other => panic!("{other:?} is shown"),
    }
}

#[test]
fn the_week_is_asked_for_walked_through_and_left() {
    let mut bench = Bench::new();
    let key = bench.app.baseline_key().cloned().unwrap();
    assert_eq!(asked_week(&bench.keys("b")), [&key]);
    assert_eq!(bench.app.place(), Place::Week);
    assert!(bench.code(KeyCode::Tab).is_empty(), "before it has come there is no next one");
    bench.tell(UpdateBody::Week(Box::new(week_of(&key))));
    assert_eq!(week_cell(&bench), HourOfWeek::new(6, 23), "the hour that runs");
    bench.code(KeyCode::Right);
    assert_eq!(week_cell(&bench), HourOfWeek::new(0, 0), "the week is a ring");
    bench.keys("kh");
    assert_eq!(week_cell(&bench), HourOfWeek::new(5, 23));
    bench.keys("g");
    let revision = bench.app.revision();
    bench.keys("g");
    assert_eq!((week_cell(&bench), bench.app.revision()), (HourOfWeek::new(5, 0), revision), "nothing new to draw");
    let other = SpanKey::new("c", "op", SpanKind::Server);
    assert_eq!(asked_week(&bench.code(KeyCode::Tab)), [&other]);
    assert!(bench.code(KeyCode::Tab).is_empty(), "the next one's next is not known yet");
    bench.tell(UpdateBody::Week(Box::new(week_of(&other))));
    assert_eq!(week_cell(&bench), HourOfWeek::new(5, 0), "the same hour of the next operation");
    assert_eq!(asked_week(&bench.code(KeyCode::BackTab)), [&SpanKey::new("b", "op", SpanKind::Server)]);
    bench.keys("b");
    assert_eq!(bench.app.place(), Place::Alerts);
}

#[test]
fn a_frozen_week_stays_but_its_past_and_another_operation_come() {
    let mut bench = Bench::new();
    let key = bench.app.baseline_key().cloned().unwrap();
    bench.keys("b");
    bench.tell(UpdateBody::Week(Box::new(week_of(&key))));
    bench.keys(" ");
    let past = Some(PastView::Failed("no".to_owned()));
    bench.tell(UpdateBody::Week(Box::new(WeekView { past: past.clone(), ..week_of(&key) })));
    let shown = |bench: &Bench| (**bench.app.topics.week.get().unwrap()).clone();
    assert_eq!(shown(&bench).past, past);
    bench.tell(UpdateBody::Week(Box::new(WeekView { generation: 9, past, ..week_of(&key) })));
    assert_eq!(shown(&bench).generation, 1, "news wait");
    bench.code(KeyCode::Tab);
    let other = SpanKey::new("c", "op", SpanKind::Server);
    bench.tell(UpdateBody::Week(Box::new(week_of(&other))));
    assert_eq!(shown(&bench).asked, other);
}

#[test]
fn an_accepted_level_of_the_shown_operation_is_asked_about_over_the_week() {
    let mut bench = Bench::new();
    let key = bench.app.baseline_key().cloned().unwrap();
    bench.tell(UpdateBody::Levels(vec![level(vec![key.clone()])]));
    bench.keys("b");
    bench.tell(UpdateBody::Week(Box::new(week_of(&key))));
    bench.keys("!");
    assert_eq!(bench.app.place(), Place::Level);
    bench.keys("jG");
    bench.code(KeyCode::Esc);
    assert_eq!(bench.app.place(), Place::Week);
    assert_eq!(week_cell(&bench), HourOfWeek::new(6, 23), "the question was scrolled, not the week");
}

#[test]
fn a_flat_week_has_one_shade_and_shares_have_steps_of_their_own() {
    let scale = |metric, values: &[f64]| {
        let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        let scale = Scale::of(metric, &values).unwrap();
        values.iter().flatten().map(|value| scale.step(*value)).collect::<Vec<_>>()
    };
    assert_eq!(scale(Metric::P99, &[100.0, 104.0, 118.0]), [0, 0, 0], "noise is no pattern");
    assert_eq!(scale(Metric::P99, &[100.0, 400.0, 1_600.0, 25_600.0]), [0, 1, 2, 3], "equal ratios");
    assert_eq!(scale(Metric::Errors, &[0.0, 0.002, 0.0051]), [0, 0, 2], "a tenth of a per cent is nothing");
    assert_eq!(Scale::of(Metric::Samples, &[None, None]), None);
}

#[test]
fn what_was_not_learnt_says_why() {
    let part = PartView {
        bucket: HourOfWeek::new(0, 0),
        day: 0,
        numbers: None,
        known_s: 3_600,
        incident_s: 0,
        maintenance_s: 0,
        waiting_s: 0,
        gap_s: 0,
    };
    let said = |part: PartView| part_text(&part);
    assert_eq!(said(part.clone()), "no calls");
    assert_eq!(said(PartView { incident_s: 900, waiting_s: 300, ..part }), "in an incident, not learnt");
    assert_eq!(said(PartView { maintenance_s: 900, incident_s: 300, ..part }), "maintenance, not learnt");
    assert_eq!(said(PartView { known_s: 0, gap_s: 3_600, ..part }), "gap, not known");
    assert_eq!(said(PartView { known_s: 0, waiting_s: 3_600, ..part }), "not learnt yet");
    let us = Micros(9_000);
    let numbers = crate::messages::PartNumbers { samples: 7_061, errors: 0, p50: us, p95: us, p99: us, max: us };
    let some = PartView { numbers: Some(numbers), incident_s: 480, gap_s: 59, ..part };
    assert_eq!(said(some), " 9.0ms  n 7,061, 8m in an incident");
}
