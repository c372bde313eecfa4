//! An operation over time: the matcher, slow since eight minutes, and now and then two hours before.

use spanwatch::app::keymap::Place;
use spanwatch::app::trends::columns;
use spanwatch::app::{Effect, KeyCode};
use spanwatch::domain::{
    AlertId, AlertKind, Anomaly, AnomalyId, Bins, Level, Micros, Severity, SpanId, TimeWindow, Timestamp, TraceId,
    bin_of,
};
use spanwatch::messages::{
    CommandKind, SourceState, TrendAlert, TrendColumn, TrendDay, TrendNormal, TrendNumbers, TrendRange, TrendSource,
    TrendsView, TrendsWanted, UpdateBody,
};

use super::fixture::{NOW, Stage, ago, exchange, friday_03, matcher, sources, wallet, worst};
use super::golden::{ASCII, COLOR, MONO, check, check_styled};

const WIDE: (u16, u16) = (120, 40);
const NARROW: (u16, u16) = (80, 24);
const SMALL: (u16, u16) = (40, 10);

/// Calls of a column: most near 20 ms with a tail; while it is slow two of five near 1.6 s.
fn durations(n: u64, seed: u64, slow: bool) -> Bins {
    let mut bins = Bins::default();
    for call in 0..n {
        let part = (call * 37 + seed * 11) % 100;
        let us = match part {
            60.. if slow => 1_000_000 + part * 12_000,
            0..20 => 9_000 + part * 200,
            20..80 => 14_000 + part * 150,
            80..97 => 26_000 + part * 400,
            _ => 70_000 + part * 1_200,
        };
        bins.add(bin_of(us), 1);
    }
    bins
}

fn numbers(durations: &Bins, known_s: u32) -> TrendNumbers {
    let quantile = |q| durations.quantile(q).unwrap_or_default();
    let percentiles = (!durations.is_empty()).then(|| [quantile(0.5), quantile(0.95), quantile(0.99)]);
    TrendNumbers { n: durations.count(), per_s: durations.count() as f64 / f64::from(known_s), percentiles }
}

fn slow_call(number: u64, end: Timestamp) -> Anomaly {
    let duration = Micros::from_millis(2_080 - number * 90);
    Anomaly {
        id: AnomalyId { trace: TraceId(worst().id.trace.0 + (u128::from(number) << 105)), span: SpanId(0x10 + number) },
        start: end - duration,
        duration,
        ..worst()
    }
}

fn column(window: TimeWindow, source: TrendSource) -> TrendColumn {
    let minutes = window.length().secs() / 60;
    let seed = (window.from.secs() / 60) as u64;
    let slow = window.to > ago(524);
    let known_s = match source {
        TrendSource::Minutes => minutes as u32 * 60,
        TrendSource::Hours => 2_880,
    };
    let durations = durations(u64::from(known_s) / 3 + seed % 17, seed, slow);
    let normal = TrendNormal {
        level: Level::HourOfWeek,
        bucket: Some(friday_03()),
        samples: 5_204,
        p50: Micros::from_millis(19),
        p95: Micros::from_millis(64),
        p99: Micros::from_millis(190),
        per_s: 0.34,
    };
    let before = self::durations(1_180 + seed % 50, seed / 60, false);
    let week = |known: bool| known.then(|| numbers(&before, 3_600));
    TrendColumn {
        window,
        source,
        known_s,
        numbers: numbers(&durations, known_s),
        errors: if slow { 3 } else { u64::from(seed.is_multiple_of(9)) },
        above: Some(durations.above(normal.p99)),
        normal: Some(normal),
        outside: slow,
        weeks: [week(true), week(true), week(seed.is_multiple_of(2)), None],
        groups: durations.groups(),
        durations,
        slow: if slow {
            (0..3).map(|n| slow_call(n, window.from + Micros::from_secs(60))).collect()
        } else {
            Vec::new()
        },
    }
}

/// Minutes since 22:00Z, with twenty of them missing; one hour before.
fn view(size: (u16, u16), days: bool) -> TrendsView {
    let wanted = TrendsWanted { key: matcher(), range: TrendRange::SixHours, columns: columns(size), days };
    let step = wanted.range.step(wanted.columns);
    let to = Timestamp::from_secs((NOW.secs() / step.secs() as i64 + 1) * step.secs() as i64);
    let window = TimeWindow::new(to - wanted.range.length(), to);
    let began = Timestamp::from_secs(NOW.secs() / 3_600 * 3_600) - Micros::from_secs(5 * 3_600);
    let gap = TimeWindow::new(ago(9_600), ago(8_400));
    let mut all = vec![column(TimeWindow::new(window.from, began), TrendSource::Hours)];
    let mut from = began;
    while from < to {
        if !gap.contains(from) {
            all.push(column(TimeWindow::new(from, from + step), TrendSource::Minutes));
        }
        from = from + step;
    }
    let alert = |id, severity, secs: u64, closed: Option<u64>, own| TrendAlert {
        id: AlertId(id),
        kind: if own { AlertKind::SelfTime } else { AlertKind::Errors },
        severity,
        onset: ago(secs),
        closed: closed.map(ago),
        own,
    };
    let day = |back: u64| {
        let mut hours = [(None, 0); 24];
        hours[3] = (back.is_multiple_of(7).then_some(Severity::Sev2), 12);
        for (hour, there) in hours.iter_mut().enumerate().filter(|(hour, _)| (8..20).contains(hour)) {
            there.1 = (hour as u32 * 7 + back as u32 * 5) % 23;
        }
        TrendDay { start: Timestamp::from_secs(NOW.secs() / 86_400 * 86_400) - Micros::from_secs(back * 86_400), hours }
    };
    TrendsView {
        window,
        step,
        stored: true,
        minutes_from: Some(began),
        columns: all,
        alerts: vec![
            alert(3, Severity::Sev4, 13_000, Some(12_400), false),
            alert(7, Severity::Sev1, 524, None, true),
            alert(8, Severity::Sev3, 464, None, false),
        ],
        maintenance: vec![TimeWindow::new(ago(17_000), ago(13_800))],
        left_out: vec![TimeWindow::new(window.from, window.from + Micros::from_secs(720))],
        days: if days { (0..30).rev().map(day).collect() } else { Vec::new() },
        wanted,
    }
}

fn opened(size: (u16, u16)) -> Stage {
    let mut stage = Stage::incident(size);
    stage.keys("t");
    stage
}

fn told(size: (u16, u16)) -> Stage {
    let mut stage = opened(size);
    stage.tell(UpdateBody::Trends(Box::new(view(size, false))));
    stage
}

fn name(size: (u16, u16), state: &str) -> String {
    format!("{}x{}-trends-{state}", size.0, size.1)
}

#[test]
fn loading_and_nothing_known() {
    for size in [WIDE, NARROW, SMALL] {
        let mut stage = opened(size);
        check(&stage, COLOR, &name(size, "loading"));
        let mut nothing = view(size, false);
        nothing.columns.clear();
        nothing.alerts.clear();
        stage.tell(UpdateBody::Trends(Box::new(nothing)));
        check(&stage, COLOR, &name(size, "empty"));
    }
}

#[test]
fn each_view() {
    for size in [WIDE, NARROW, SMALL] {
        let mut stage = told(size);
        for plot in ["heatmap", "percentiles", "errors", "rate", "weeks"] {
            check(&stage, COLOR, &name(size, plot));
            stage.code(KeyCode::Tab);
        }
        stage.tell(UpdateBody::Trends(Box::new(view(size, true))));
        check(&stage, COLOR, &name(size, "days"));
    }
    check(&told((180, 50)), COLOR, "180x50-trends-heatmap");
    check_styled(&told(NARROW), MONO, "80x24-trends-mono");
    for (tabs, plot) in [(0, "heatmap"), (1, "percentiles"), (4, "weeks")] {
        let mut stage = told(NARROW);
        (0..tabs).for_each(|_| drop(stage.code(KeyCode::Tab)));
        check(&stage, ASCII, &name(NARROW, &format!("{plot}-ascii")));
    }
}

#[test]
fn the_cursor_moves_in_time() {
    for size in [WIDE, NARROW, SMALL] {
        let mut stage = told(size);
        stage.keys("{{h");
        check(&stage, COLOR, &name(size, "cursor"));
        stage.keys("g");
        check(&stage, COLOR, &name(size, "first-hour"));
    }
}

#[test]
fn a_source_that_fails_is_said() {
    let mut stage = told(NARROW);
    let failing = SourceState::Failing("connection refused".to_owned());
    stage.tell(UpdateBody::Sources(sources(failing, Some(ago(47)))));
    check(&stage, COLOR, &name(NARROW, "stale"));
}

fn asked(effects: &[Effect]) -> Vec<Option<TrendsWanted>> {
    let wanted = effects.iter().filter_map(|effect| match effect {
        Effect::Send(CommandKind::ShowTrends { wanted }) => Some(wanted.clone()),
        _ => None,
    });
    wanted.collect()
}

#[test]
fn what_is_shown_is_asked_for_once_and_no_longer_when_it_is_left() {
    let mut stage = Stage::incident(WIDE);
    let wanted = TrendsWanted { key: matcher(), range: TrendRange::SixHours, columns: 111, days: false };
    assert_eq!(asked(&stage.keys("t")), [Some(wanted.clone())]);
    stage.tell(UpdateBody::Trends(Box::new(view(WIDE, false))));
    let revision = stage.app.revision();
    assert_eq!(asked(&stage.keys("}")), [], "it is at the newest column already");
    assert_eq!(stage.app.revision(), revision, "what changed nothing draws nothing");
    assert_eq!(asked(&stage.keys("z")), [Some(TrendsWanted { range: TrendRange::Hour, ..wanted.clone() })]);
    assert_eq!(asked(&stage.keys("Z")), [Some(wanted.clone())]);
    assert_eq!(asked(&stage.code(KeyCode::BackTab)), [Some(TrendsWanted { days: true, ..wanted.clone() })]);
    assert_eq!(asked(&stage.code(KeyCode::Tab)), [Some(wanted)]);
    assert_eq!(asked(&stage.code(KeyCode::Esc)), [None]);
    assert_eq!(asked(&stage.code(KeyCode::Esc)), []);
}

#[test]
fn the_slow_call_at_the_cursor_is_opened_and_the_way_leads_back() {
    let mut stage = told(WIDE);
    stage.code(KeyCode::Down);
    let opened = stage.code(KeyCode::Enter);
    let second = slow_call(1, NOW).id.trace;
    assert!(opened.contains(&Effect::Send(CommandKind::ShowTrace { trace: second })), "{opened:?}");
    assert_eq!(stage.app.place(), Place::Trace);
    assert_eq!(asked(&stage.code(KeyCode::Esc)), [Some(view(WIDE, false).wanted)]);
    assert_eq!(stage.app.place(), Place::Trends);
    stage.keys("{{");
    assert_eq!(stage.code(KeyCode::Enter), [], "no slow call was recorded there");
}

#[test]
fn it_is_the_operation_of_what_is_selected() {
    let key = |effects: &[Effect]| asked(effects)[0].clone().unwrap().key;
    let mut stage = Stage::incident(WIDE);
    stage.code(KeyCode::BackTab);
    assert_eq!(key(&stage.keys("jt")), exchange(), "the worst operation of the second service");
    let mut stage = Stage::tracing(WIDE);
    stage.keys("g");
    assert_eq!(key(&stage.keys("t")), wallet(), "the span under the cursor");
    stage.code(KeyCode::Esc);
    assert_eq!(stage.app.place(), Place::Trace);
}
