use super::super::keymap::Place;
use super::super::waterfall::tests::{DURATION, failed, padded, span};
use super::super::{App, Effect, Key, KeyCode, Msg, Shown, span as detail};
use super::*;
use crate::domain::AnomalyId;
use crate::domain::{Attributes, HourOfWeek, Level, Micros, Severity, Timestamp};
use crate::messages::{CommandKind, RecordView, Update, UpdateBody};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const TRACE: TraceId = TraceId(7);

fn subject() -> Anomaly {
    Anomaly {
        id: AnomalyId { trace: TRACE, span: SpanId(6) },
        key: span(6, 0, "subject").key,
        severity: Severity::Sev1,
        start: NOW,
        duration: Micros(9),
        mean_us: 1.0,
        sigma_us: 1.0,
        z: 8.0,
        cut_off_z: 3.0,
        level: Level::HourOfWeek,
        samples: 100,
        bucket: HourOfWeek::new(4, 3),
        error: false,
        attributes: Attributes::default(),
    }
}

/// root ( quiet ( x ), above ( between ( subject, 3 alike ) ), later ( failed ) ), and 30 others.
fn spans() -> Vec<WaterfallSpan> {
    padded(vec![
        span(1, 0, "root"),
        span(2, 1, "quiet"),
        span(3, 2, "x"),
        span(4, 1, "above"),
        span(5, 2, "between"),
        span(6, 3, "subject"),
        span(7, 3, "alike"),
        span(8, 3, "alike"),
        span(9, 3, "alike"),
        span(10, 1, "later"),
        failed(11, 2, "failed"),
    ])
}

fn view(spans: Vec<WaterfallSpan>) -> TraceState {
    TraceState::Loaded(Waterfall {
        start: NOW,
        duration: Micros(DURATION),
        services: 1,
        errors: 0,
        orphans: 0,
        duplicates: 0,
        cycles: 0,
        moved: 0,
        moved_most: Micros::ZERO,
        left_out: 0,
        bucket: HourOfWeek::new(4, 3),
        spans,
    })
}

struct Bench {
    app: App,
    revision: u64,
}

impl Bench {
    /// The trace of the one record there is was asked for.
    fn new(size: (u16, u16)) -> Self {
        let mut bench = Self { app: App::new(size), revision: 0 };
        bench.tell(UpdateBody::Records(vec![RecordView {
            key: subject().key,
            severity: Severity::Sev1,
            first: NOW,
            last: NOW,
            counts: [1, 0, 0, 0, 0],
            judged: 1,
            worst_z: 8.0,
            latest_z: 8.0,
            p99_now: None,
            p99_normal: None,
            times_normal: None,
            anomalies: vec![subject()],
        }]));
        bench.press(KeyCode::Enter);
        bench
    }

    fn loaded() -> Self {
        let mut bench = Self::new((120, 40));
        bench.trace(view(spans()));
        bench
    }

    fn tell(&mut self, body: UpdateBody) {
        self.revision += 1;
        self.app.update(Msg::UpdateArrived(Update { revision: self.revision, body }), NOW);
    }

    fn trace(&mut self, state: TraceState) {
        self.tell(UpdateBody::Trace(Box::new(TraceView { trace: TRACE, state })));
    }

    fn press(&mut self, code: KeyCode) -> Vec<Effect> {
        self.app.update(Msg::KeyPressed(Key::plain(code)), NOW)
    }

    fn keys(&mut self, keys: &str) {
        for c in keys.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// The span under the cursor, or how many there are; and whether something is hidden below.
    fn here(&self) -> String {
        let cursor = self.app.view.trace.as_ref().unwrap();
        let row = self.app.trace.rows.get(cursor.row).unwrap();
        let text = match self.app.trace.shown(row).unwrap() {
            Shown::Span(_, span) => span.id.0.to_string(),
            Shown::Group(group, first) => format!("{}×{}", group.members.len(), first.id.0),
        };
        if row.hidden > 0 { format!("{text} +{}", row.hidden) } else { text }
    }

    /// The cursor's line on the screen.
    fn line(&self) -> usize {
        let cursor = self.app.view.trace.as_ref().unwrap();
        cursor.row - cursor.offset
    }

    fn detail(&self) -> String {
        detail::lines(&self.app, 200).into_iter().map(|line| line.text + "\n").collect()
    }
}

#[test]
fn the_cursor_begins_on_what_the_trace_was_opened_for() {
    assert_eq!(Bench::loaded().here(), "6");
}

#[test]
fn folding_goes_outwards_and_unfolding_inwards() {
    let mut bench = Bench::loaded();
    bench.keys("h");
    assert_eq!(bench.here(), "5", "nothing is below a leaf: to its parent");
    bench.keys("h");
    assert_eq!(bench.here(), "5 +4");
    bench.press(KeyCode::Left);
    assert_eq!(bench.here(), "4");
    bench.keys("jl");
    assert_eq!(bench.here(), "5");
    bench.press(KeyCode::Right);
    assert_eq!(bench.here(), "6", "nothing is folded: to what is below");
    bench.keys("j");
    assert_eq!(bench.here(), "3×7 +3");
    bench.keys("ll");
    assert_eq!(bench.here(), "7");
    bench.keys("hh");
    assert_eq!(bench.here(), "3×7 +3");
}

#[test]
fn the_cursor_stays_on_its_span_and_its_line_when_folds_change() {
    let mut bench = Bench::loaded();
    bench.keys("L");
    assert_eq!(bench.here(), "6");
    bench.app.update(Msg::Resized(120, 24), NOW);
    let line = bench.line();
    bench.keys("F");
    assert_eq!((bench.here().as_str(), bench.line()), ("6", line));
    bench.keys("H");
    assert_eq!(bench.here(), "1 +40", "the row that hides it");
    bench.keys("L");
    assert_eq!(bench.here(), "6", "and back, for nobody moved");
    bench.keys("Hjkl");
    assert_eq!(bench.here(), "1", "unfolded where the cursor is");
}

#[test]
fn jumps_find_what_is_slow_or_failed_also_where_it_is_hidden() {
    let mut bench = Bench::loaded();
    bench.keys("HJ");
    assert_eq!(bench.here(), "6");
    bench.keys("J");
    assert_eq!(bench.here(), "11");
    bench.keys("J");
    assert_eq!(bench.here(), "11");
    assert!(bench.app.view.message.as_ref().is_some_and(|message| message.text.contains("below")));
    bench.keys("K");
    assert_eq!(bench.here(), "6");
    bench.press(KeyCode::Enter);
    bench.keys("J");
    assert!(bench.detail().contains("failed"), "the detail follows: {}", bench.detail());
}

#[test]
fn late_spans_do_not_move_the_cursor_or_what_is_folded() {
    let mut bench = Bench::loaded();
    bench.keys("kh");
    assert_eq!(bench.here(), "5 +4");
    let mut late = spans();
    late.insert(1, span(50, 1, "late"));
    late.insert(7, span(51, 3, "late"));
    bench.trace(TraceState::Loading);
    assert_eq!(bench.here(), "5 +4", "what is known stays until the rest has come");
    bench.trace(view(late));
    assert_eq!(bench.here(), "5 +5");
    bench.keys("l");
    bench.trace(view(spans()));
    assert_eq!(bench.here(), "5");
}

#[test]
fn the_cursor_stays_on_a_row_of_several_when_another_becomes_the_first() {
    let mut bench = Bench::loaded();
    bench.keys("j");
    assert_eq!(bench.here(), "3×7 +3");
    let mut late = spans();
    late.insert(6, span(49, 3, "alike"));
    bench.trace(view(late));
    assert_eq!(bench.here(), "4×49 +4");
}

#[test]
fn a_trace_that_cannot_be_fetched_again_stays() {
    let mut bench = Bench::loaded();
    let asked = bench.app.update(Msg::KeyPressed(Key::ctrl('r')), NOW);
    assert!(asked.contains(&Effect::Send(CommandKind::ShowTrace { trace: TRACE })), "{asked:?}");
    bench.trace(TraceState::Failed("Jaeger: connection refused".to_owned()));
    assert_eq!(bench.here(), "6");
    let message = bench.app.view.message.as_ref().unwrap();
    assert!(message.trouble && message.text.contains("connection refused"), "{message:?}");
    assert!(bench.app.trace.problem().is_some());
    bench.trace(view(spans()));
    assert_eq!(bench.app.trace.problem(), None, "it came after all");
}

#[test]
fn the_detail_covers_the_waterfall_and_every_way_back_uncovers_it() {
    let mut bench = Bench::loaded();
    for back in [KeyCode::Esc, KeyCode::Enter, KeyCode::Char('q')] {
        bench.press(KeyCode::Enter);
        assert_eq!(bench.app.place(), Place::Span);
        bench.press(back);
        assert_eq!((bench.app.place(), bench.here().as_str()), (Place::Trace, "6"));
    }
    bench.press(KeyCode::Esc);
    assert_eq!(bench.app.place(), Place::Alerts);
}

#[test]
fn nothing_can_be_done_to_a_trace_that_has_not_come() {
    let mut bench = Bench::new((80, 24));
    bench.keys("hlHLFpJKjkgG");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.app.place(), Place::Trace);
    bench.trace(view(Vec::new()));
    bench.keys("hlHLFpJKjkgG");
    bench.press(KeyCode::Enter);
    assert_eq!(bench.detail(), "");
}

#[test]
fn the_recorded_time_is_told_beside_the_drawn_one() {
    let mut skewed = spans();
    let moved = skewed.iter_mut().find(|span| span.id == SpanId(6)).unwrap();
    moved.moved_us = -3_250_000;
    moved.duration = Micros(1_234_567);
    moved.attributes = [("otel.status_code", "ERROR"), ("exception.message", "no\u{1b}[2J")].into_iter().collect();
    moved.error = true;
    let mut bench = Bench::new((120, 40));
    bench.trace(view(skewed));
    let text = bench.detail();
    // 60 us after the start by the caller's clock, 3.25 s later by its own.
    assert!(text.contains("recorded 1970-01-12 13:46:43.250060Z, 1,234,567 us"), "{text}");
    assert!(text.contains("drawn 3.2s earlier, by the clock of a"), "{text}");
    assert!(text.contains("failed: no·[2J"), "{text}");
}
