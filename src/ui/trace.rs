//! One trace as a waterfall: the tree, bars on its time axis, the critical path by a heavier line.

use ratatui::style::Style;

use super::pen::Pen;
use super::{footer, glyphs};
use crate::app::layout::{Area, PaneArea, TraceLayout};
use crate::app::{App, TraceCursor, wording, wrap};
use crate::domain::{Micros, SpanKind};
use crate::messages::{TraceState, WaterfallSpan};

/// Widths of the columns; zero for one that does not fit.
struct Columns {
    name: u16,
    bars: u16,
    own: u16,
    normal: u16,
}

const DURATION: u16 = 8;
const SEVERITY: u16 = 4;

impl Columns {
    fn of(width: u16) -> Self {
        let own = if width >= 60 { 8 } else { 0 };
        let normal = if width >= 100 { 8 } else { 0 };
        let left = width.saturating_sub(1 + DURATION + SEVERITY + own + normal);
        let name = if width < 100 { left.saturating_sub(24).max(left * 9 / 20) } else { left * 9 / 20 }.min(60);
        Self { name, bars: left - name, own, normal }
    }
}

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &TraceCursor, layout: &TraceLayout) {
    let quiet = pen.theme.quiet();
    title(pen, app, cursor, layout.title);
    footer::draw(pen, app, layout.footer_rule, layout.keys);
    let state = app.trace.state(cursor.trace);
    let (duration, spans) = match state {
        Some(TraceState::Loaded { duration, spans, .. }) => (*duration, spans.as_slice()),
        Some(TraceState::Failed(why)) => {
            pen.rule(layout.rule, "Waterfall", pen.theme.title(true), "", quiet);
            return super::note(pen, layout.rows, why);
        }
        Some(TraceState::Loading) | None => {
            pen.rule(layout.rule, "Waterfall", pen.theme.title(true), "", quiet);
            return super::note(pen, layout.rows, "Fetching the trace.");
        }
    };
    let legend = format!("{} critical path, {} other; NORMAL = p99 of this hour", glyphs::CRITICAL, glyphs::RULE);
    let place = format!("span {} of {}", cursor.row + 1, spans.len());
    let remark = if layout.rule.width >= 100 { format!("{legend}, {place}") } else { place };
    pen.rule(layout.rule, "Waterfall", pen.theme.title(true), &remark, quiet);
    if let Some(state) = state {
        trust(pen, app, state, layout.trust);
    }
    let columns = Columns::of(layout.rows.width);
    heads(pen, &columns, duration, layout.columns);
    for (line, (number, span)) in
        spans.iter().enumerate().skip(cursor.offset).take(usize::from(layout.rows.height)).enumerate()
    {
        let line = layout.rows.line(line as u16);
        super::cursor(pen, line, number == cursor.row, true);
        row(pen, app, number, span, duration, &columns, line);
    }
    if let (Some(area), Some(span)) = (layout.detail, spans.get(cursor.row)) {
        detail(pen, span, duration, area);
    }
}

fn title(pen: &mut Pen<'_>, app: &App, cursor: &TraceCursor, line: Area) {
    let id = format!("Trace {}", cursor.trace);
    let mut x = pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2).min(16), &id, pen.theme.heading()) + 2;
    let right = line.x + line.width - u16::from(line.width > 0);
    if let Some(root) = app.trace.spans(cursor.trace).first() {
        x = pen.put(x, line.y, right.saturating_sub(x).min(line.width / 3), &wording::key(&root.key), Style::new()) + 2;
    }
    if let Some(TraceState::Loaded { start, duration, services, spans, .. }) = app.trace.state(cursor.trace) {
        let text = format!(
            "{duration}  {}, {}  {}",
            wording::plural(spans.len() as u64, "span"),
            wording::plural(u64::from(*services), "service"),
            wording::time_of_day(*start),
        );
        pen.put_start(x, line.y, right.saturating_sub(x), &text, Style::new());
    }
}

/// How far the picture can be trusted: on the screen always.
fn trust(pen: &mut Pen<'_>, app: &App, state: &TraceState, line: Area) {
    let TraceState::Loaded { errors, orphans, left_out, .. } = state else { return };
    let whole = if *orphans == 0 {
        "complete".to_owned()
    } else {
        format!("incomplete: {} without a parent", wording::plural(u64::from(*orphans), "span"))
    };
    let mut text = format!("{whole}   errors {errors}");
    if *left_out > 0 {
        text.push_str(&format!("   {} left out", wording::plural(u64::from(*left_out), "span")));
    }
    if let Some(anomaly) = app.selected_anomaly() {
        text.push_str(&format!("   {}", wording::verdict(anomaly)));
    }
    pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2), &text, Style::new());
}

fn heads(pen: &mut Pen<'_>, columns: &Columns, duration: Micros, line: Area) {
    if line.is_empty() {
        return;
    }
    let quiet = pen.theme.quiet();
    pen.put(line.x + 1, line.y, columns.name, "SPAN", quiet);
    let bars = line.x + 1 + columns.name;
    let quarters = if columns.bars >= 36 { 4 } else { 2 };
    let step = columns.bars / quarters;
    for quarter in 0..quarters {
        let at = Micros(duration.0 / u64::from(quarters) * u64::from(quarter));
        let text = if quarter == 0 { "0".to_owned() } else { at.to_string() };
        pen.put(bars + quarter * step, line.y, step, &text, quiet);
    }
    let mut x = bars + columns.bars;
    for (width, head) in [(DURATION, "DUR"), (columns.own, "SELF"), (columns.normal, "NORMAL")] {
        pen.put_right(x, line.y, width, head, quiet);
        x += width;
    }
    pen.put(x + 1, line.y, SEVERITY - 1, "SEV", quiet);
}

fn row(
    pen: &mut Pen<'_>,
    app: &App,
    number: usize,
    span: &WaterfallSpan,
    duration: Micros,
    columns: &Columns,
    line: Area,
) {
    let plain = Style::new();
    let mut x = line.x + 1;
    let end = x + columns.name.saturating_sub(1);
    // A dozen columns are left for the name; deeper spans say their depth instead of showing their branches.
    let depth = usize::from(span.depth);
    let tree = match app.trace.branches(number, depth, usize::from(columns.name.saturating_sub(12) / 2)) {
        Some(ends) => branches(&ends),
        None => format!("{}{depth} ", glyphs::FOLDED),
    };
    x = pen.put_start(x, line.y, end.saturating_sub(x), &tree, pen.theme.quiet());
    let name_style = span.severity.map_or(plain, |_| pen.theme.heading());
    let mark = if span.error { "! " } else { "" };
    pen.put(x, line.y, end.saturating_sub(x), &format!("{mark}{}", wording::key(&span.key)), name_style);
    let bars = line.x + 1 + columns.name;
    pen.put(bars, line.y, columns.bars, &bar(span, duration, usize::from(columns.bars)), plain);
    let mut x = bars + columns.bars;
    pen.put_right(x, line.y, DURATION, &span.duration.to_string(), plain);
    x += DURATION;
    pen.put_right(x, line.y, columns.own, &span.self_time.to_string(), plain);
    x += columns.own;
    pen.put_right(x, line.y, columns.normal, &super::duration(span.normal_p99), pen.theme.quiet());
    x += columns.normal;
    if let Some(severity) = span.severity {
        pen.put(x + 1, line.y, 2, &severity.to_string(), pen.theme.severity(severity));
    }
}

fn branches(ends: &[bool]) -> String {
    let mut text = String::new();
    for (level, ends_here) in ends.iter().enumerate() {
        let own = level + 1 == ends.len();
        text.push_str(match (own, ends_here) {
            (true, false) => "├ ",
            (true, true) => "└ ",
            (false, false) => "│ ",
            (false, true) => "  ",
        });
    }
    text
}

/// The span's place on the axis; its pieces on the critical path are heavier. Every span takes at least one cell.
fn bar(span: &WaterfallSpan, duration: Micros, columns: usize) -> String {
    if columns == 0 {
        return String::new();
    }
    let whole = duration.0.max(1) as f64;
    let cells = |from: u64, to: u64| {
        let first = ((from as f64 / whole * columns as f64) as usize).min(columns - 1);
        let last = (to as f64 / whole * columns as f64).ceil() as usize;
        first..last.clamp(first + 1, columns.max(first + 1))
    };
    let mut line = vec![' '; columns];
    let own = cells(span.offset.0, span.offset.0.saturating_add(span.duration.0));
    for cell in &mut line[own] {
        *cell = glyphs::RULE;
    }
    for (from, to) in &span.critical {
        for cell in &mut line[cells(from.0, to.0)] {
            *cell = glyphs::CRITICAL;
        }
    }
    line.into_iter().collect()
}

fn detail(pen: &mut Pen<'_>, span: &WaterfallSpan, duration: Micros, area: PaneArea) {
    if let Some(title) = area.title {
        let name = wording::key(&span.key);
        pen.rule(title, &name, Style::new(), &format!("span {}", span.id), pen.theme.quiet());
    }
    let share = span.duration.0 as f64 / duration.0.max(1) as f64;
    let mut text = format!(
        "starts at +{}, takes {} ({} of the trace), {} of its own",
        span.offset,
        span.duration,
        wording::percent(share),
        span.self_time,
    );
    if let Some(p99) = span.normal_p99 {
        let times = span.duration.0 as f64 / p99.0.max(1) as f64;
        text.push_str(&format!(", normal p99 {p99} ({}x)", wording::times(times)));
    }
    if span.key.kind != SpanKind::Unspecified {
        text.push_str(&format!(", {}", span.key.kind.name()));
    }
    if span.error {
        text.push_str(", failed");
    }
    let body = Area { x: area.body.x + 1, width: area.body.width.saturating_sub(2), ..area.body };
    let mut lines = wrap(&text, usize::from(body.width), 2);
    for (key, value) in &span.attributes {
        if lines.len() >= usize::from(body.height) {
            break;
        }
        lines.push(format!("  {key} = {value}"));
    }
    for (row, text) in lines.iter().take(usize::from(body.height)).enumerate() {
        pen.put_start(body.x, body.y + row as u16, body.width, text, Style::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SpanId, SpanKey};

    #[test]
    fn a_bar_lies_inside_the_axis_whatever_the_span_says() {
        let mut span = WaterfallSpan {
            id: SpanId(1),
            depth: 0,
            key: SpanKey::new("a", "b", SpanKind::Server),
            offset: Micros(25),
            duration: Micros(50),
            self_time: Micros(50),
            error: false,
            severity: None,
            normal_p99: None,
            critical: vec![(Micros(50), Micros(75))],
            attributes: Vec::new(),
        };
        assert_eq!(bar(&span, Micros(100), 8), "  ──━━  ");
        span.offset = Micros(u64::MAX);
        span.critical.clear();
        assert_eq!(bar(&span, Micros(100), 8), "       ─");
        assert_eq!(bar(&span, Micros(0), 3), "  ─");
    }
}
