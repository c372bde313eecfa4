//! All of one service: operations, how it fails, what was slow, who is beside it.

use ratatui::style::Style;

use super::pen::Pen;
use super::{baseline, footer, glyphs};
use crate::app::Clock;
use crate::app::layout::{Area, Shape};
use crate::app::service::{self, ListArea, Part, ServiceCursor, ServiceLayout};
use crate::app::{App, Mood, wording};
use crate::domain::{Anomaly, Severity, Timestamp};
use crate::messages::{EdgeView, OperationView, ServicePageView};

/// Columns left of a name: the severity.
pub const LEFT: u16 = 4;

/// A column of numbers: its head, its width, and how a row fills it.
type Column<T> = (&'static str, u16, fn(&T) -> String);

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &ServiceCursor, screen: Area, now: Timestamp) {
    footer::below(pen, app, screen, now);
    let now = app.shown_at(now);
    let layout = ServiceLayout::of((screen.width, screen.height));
    let view = service::shown(app, cursor);
    title(pen, cursor, view, layout.title, now);
    summary(pen, app, view, layout.summary, now);
    let Some(view) = view else {
        let list = layout.list(cursor.part);
        rule(pen, &layout, list, cursor.part, cursor, "");
        let text =
            if app.lost.is_some() { "The monitor ended before it answered." } else { "Asked for what is known of it." };
        return super::note(
            pen,
            Area { height: 1 + list.rows.height + list.heads.height, ..list.title }.below(1),
            text,
        );
    };
    let stale = app.is_stale(now);
    for part in Part::ALL.into_iter().filter(|part| layout.is_whole() || *part == cursor.part) {
        list(pen, view, &layout, part, cursor, (now, app.clock()));
        if stale {
            pen.tint(layout.list(part).rows, pen.theme.quiet());
        }
    }
    if let Some(gutter) = layout.gutter {
        for row in 0..gutter.height {
            pen.put(gutter.x, gutter.y + row, 1, glyphs::GUTTER, pen.theme.quiet());
        }
    }
    if let Some(area) = layout.distribution {
        distribution(pen, app, area);
    }
    detail(pen, app, view, cursor, layout.detail);
}

fn title(pen: &mut Pen<'_>, cursor: &ServiceCursor, view: Option<&ServicePageView>, line: Area, now: Timestamp) {
    let right = line.x + line.width.saturating_sub(1);
    let x = pen.put(line.x + 1, line.y, right.saturating_sub(line.x + 1), "Service", pen.theme.title(true)) + 1;
    // The end of the line says how it is: a long name leaves room for that.
    let state = view.map(|view| service::state(view, now)).unwrap_or_default();
    let severity = view.and_then(|view| view.summary.as_ref()).and_then(|summary| summary.severity);
    let worst = severity.map_or(0, |_| 4);
    let room = right.saturating_sub(x);
    let for_name = room.saturating_sub(pen.width(&state) + worst + 2).max(room.min(12));
    let mut x = pen.put(x, line.y, for_name, &cursor.service, pen.theme.heading()) + 2;
    if let Some(severity) = severity {
        x = pen.put(x, line.y, right.saturating_sub(x), &severity.to_string(), pen.theme.severity(severity)) + 2;
    }
    x = pen.put_start(x, line.y, right.saturating_sub(x), &state, Style::new()) + 2;
    let room = right.saturating_sub(x);
    let figures = view.map(service::figures).unwrap_or_default();
    if let Some(text) = figures.iter().find(|text| pen.width(text) <= room) {
        pen.put_right(x, line.y, room, text, Style::new());
    }
}

fn summary(pen: &mut Pen<'_>, app: &App, view: Option<&ServicePageView>, line: Area, now: Timestamp) {
    let room = line.width.saturating_sub(2);
    let status = app.status(now);
    if status.mood == Mood::Trouble {
        pen.put_start(line.x + 1, line.y, room, status.text(), pen.theme.trouble());
    } else if let Some((severity, text)) = view.and_then(service::headline) {
        let style = if severity == Severity::Sev1 { pen.theme.heading() } else { Style::new() };
        pen.put_start(line.x + 1, line.y, room, &text, style);
    } else if let Some(view) = view {
        let text = format!("No open alert is about it. What is normal is that of {}.", view.bucket);
        pen.put_start(line.x + 1, line.y, room, &text, pen.theme.quiet());
    }
}

/// The title of a list; where only one is seen, the others beside it as tabs.
fn rule(pen: &mut Pen<'_>, layout: &ServiceLayout, area: ListArea, part: Part, cursor: &ServiceCursor, remark: &str) {
    let quiet = pen.theme.quiet();
    let style = pen.theme.title(part == cursor.part);
    if layout.is_whole() {
        return pen.rule(area.title, part.name(), style, remark, quiet);
    }
    pen.rule(area.title, "", quiet, "", quiet);
    let right = area.title.x + area.title.width;
    let mut x = area.title.x + 2;
    for other in Part::ALL {
        let (text, style) = if other == part {
            (format!(" [{}] ", other.name()), style)
        } else if layout.shape == Shape::Tabs {
            (format!(" {} ", other.name()), Style::new())
        } else {
            continue;
        };
        let room = right.saturating_sub(x);
        if pen.width(&text) <= room {
            x = pen.put(x, area.title.y, room, &text, super::pen::lifted(style)) + 1;
        }
    }
    let room = right.saturating_sub(x + 3);
    if layout.shape == Shape::Tabs && !remark.is_empty() && pen.width(remark) + 2 <= room {
        pen.put_right(x, area.title.y, room, &format!(" {remark} "), super::pen::lifted(Style::new()));
    }
}

fn list(
    pen: &mut Pen<'_>,
    view: &ServicePageView,
    layout: &ServiceLayout,
    part: Part,
    cursor: &ServiceCursor,
    (now, clock): (Timestamp, Clock),
) {
    let area = layout.list(part);
    let focused = part == cursor.part;
    let count = service::count(view, part);
    let remark = match part {
        Part::Operations => format!("{count}, by {}", cursor.sort.name()),
        Part::Failures if view.failures.spans == 0 => String::new(),
        Part::Failures => format!(
            "{} of {}, {}",
            wording::count(view.failures.failed),
            wording::plural(view.failures.spans, "span"),
            service::failures_span(&view.failures, now, clock)
        ),
        Part::Slow => format!("{count} kept, worst first"),
        Part::Neighbours => format!("{count}, last 5 min"),
    };
    rule(pen, layout, area, part, cursor, &remark);
    if count == 0 {
        let text = match part {
            Part::Operations => "No span of it was seen: it has no operations.",
            Part::Failures => "Nothing of it failed.",
            Part::Slow => "No slow span of it is kept.",
            Part::Neighbours => "No call to it or from it was seen.",
        };
        return super::note(
            pen,
            Area { height: 1 + area.heads.height + area.rows.height, ..area.title }.below(1),
            text,
        );
    }
    let page = usize::from(area.rows.height);
    let (top, at) = match part {
        Part::Operations => (cursor.top, None),
        _ if focused => (cursor.row_top, Some(cursor.row)),
        _ => (0, None),
    };
    let lines = |number: usize| area.rows.line((number - top) as u16);
    match part {
        Part::Operations => {
            let operations = service::operations(view, cursor.sort);
            let at = service::chosen(cursor, &operations);
            let columns = columns_of_operations(area.rows.width);
            heads(pen, "OPERATION", &columns, area.heads);
            for (number, operation) in operations.iter().enumerate().skip(top).take(page) {
                super::cursor(pen, lines(number), number == at, focused);
                let twin = |other: &&&OperationView| other.key.operation == operation.key.operation;
                let name = if operations.iter().filter(twin).count() > 1 {
                    format!("{} ({})", operation.key.operation, operation.key.kind.name())
                } else {
                    operation.key.operation.to_string()
                };
                row(pen, *operation, operation.severity, &name, &columns, lines(number));
            }
        }
        Part::Neighbours => {
            let columns = columns_of_neighbours(area.rows.width);
            heads(pen, "NEIGHBOUR", &columns, area.heads);
            for (number, edge) in view.neighbours.iter().enumerate().skip(top).take(page) {
                super::cursor(pen, lines(number), Some(number) == at, focused);
                // Where one pair of numbers stands for both, it says which.
                let is_between = area.rows.width < 70 && service::worse(edge).is_some_and(|(_, between)| between);
                let what = if is_between { " (between)" } else { "" };
                let name = if edge.callee == view.service {
                    format!("from {}{what}", edge.caller)
                } else {
                    format!("to {}{what}", edge.callee)
                };
                row(pen, edge, edge.severity, &name, &columns, lines(number));
            }
        }
        Part::Failures => {
            failure_heads(pen, area.heads);
            for (number, failure) in service::failure_rows(&view.failures).iter().enumerate().skip(top).take(page) {
                super::cursor(pen, lines(number), Some(number) == at, focused);
                failure_row(pen, failure, lines(number), now);
            }
        }
        Part::Slow => {
            slow_heads(pen, area.heads);
            for (number, anomaly) in view.kept.iter().enumerate().skip(top).take(page) {
                super::cursor(pen, lines(number), Some(number) == at, focused);
                slow_row(pen, anomaly, clock, lines(number));
            }
        }
    }
}

fn columns_of_operations(width: u16) -> Vec<Column<OperationView>> {
    let p99: Column<OperationView> = ("P99", 8, |view| super::duration(view.p99));
    let times: Column<OperationView> = ("xNORM", 7, |view| super::times(view.times_normal));
    let rate: Column<OperationView> = ("CALLS/S", 8, |view| wording::rate(view.per_s));
    let errors: Column<OperationView> = ("ERR", 6, |view| share(view.error_share));
    let normal: Column<OperationView> = ("NORMAL", 8, |view| super::duration(view.normal_p99));
    let own: Column<OperationView> = ("SELF", 8, |view| super::duration(view.self_time));
    match width {
        0..60 => vec![p99, times],
        60..110 => vec![rate, errors, p99, normal, times, own],
        _ => vec![
            rate,
            ("NORMAL", 8, |view| view.normal_per_s.map_or_else(|| "-".to_owned(), wording::rate)),
            errors,
            ("P50", 8, |view| super::duration(view.p50)),
            ("P95", 8, |view| super::duration(view.p95)),
            p99,
            normal,
            times,
            own,
            ("NORMAL", 8, |view| super::duration(view.self_normal)),
        ],
    }
}

fn columns_of_neighbours(width: u16) -> Vec<Column<EdgeView>> {
    let rate: Column<EdgeView> = ("CALLS/S", 8, |edge| wording::rate(edge.per_s));
    let errors: Column<EdgeView> = ("ERR", 6, |edge| share(edge.error_share));
    let worse: Column<EdgeView> = ("P99", 8, |edge| super::duration(service::worse(edge).map(|(pace, _)| pace.p99)));
    let worse_times: Column<EdgeView> =
        ("xNORM", 7, |edge| super::times(service::worse(edge).and_then(|(pace, _)| pace.times_normal)));
    match width {
        0..50 => vec![worse, worse_times],
        50..70 => vec![rate, errors, worse, worse_times],
        _ => vec![
            ("VIA", 6, |edge| service::means(edge.means).to_owned()),
            rate,
            errors,
            ("P99", 8, |edge| super::duration(edge.call.as_ref().map(|pace| pace.p99))),
            ("xNORM", 7, |edge| super::times(edge.call.as_ref().and_then(|pace| pace.times_normal))),
            ("BETWEEN", 9, |edge| super::duration(edge.between.as_ref().map(|pace| pace.p99))),
            ("xNORM", 7, |edge| super::times(edge.between.as_ref().and_then(|pace| pace.times_normal))),
        ],
    }
}

pub fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), wording::percent)
}

/// Columns for a name, between the severity and the numbers.
fn name_width<T>(columns: &[Column<T>], line: Area) -> u16 {
    let numbers: u16 = columns.iter().map(|(_, width, _)| width).sum();
    // Wider than any name needs, the numbers would stand too far from it.
    line.width.saturating_sub(LEFT + numbers).min(60)
}

fn heads<T>(pen: &mut Pen<'_>, name: &str, columns: &[Column<T>], line: Area) {
    if line.is_empty() {
        return;
    }
    let width = name_width(columns, line);
    pen.put(line.x, line.y, LEFT + width, &format!("SEV {name}"), pen.theme.quiet());
    let mut x = line.x + LEFT + width;
    for (head, width, _) in columns {
        pen.put_right(x, line.y, *width, head, pen.theme.quiet());
        x += width;
    }
}

fn row<T>(pen: &mut Pen<'_>, of: &T, severity: Option<Severity>, name: &str, columns: &[Column<T>], line: Area) {
    severity_mark(pen, severity, line);
    let width = name_width(columns, line);
    pen.put(line.x + LEFT, line.y, width.saturating_sub(1), name, Style::new());
    let mut x = line.x + LEFT + width;
    for (_, width, text) in columns {
        pen.put_right(x, line.y, *width, &text(of), Style::new());
        x += width;
    }
}

/// The severity at the left of a row, or the mark of what has none.
pub fn severity_mark(pen: &mut Pen<'_>, severity: Option<Severity>, line: Area) {
    let (mark, style) = match severity {
        Some(severity) => (severity.to_string(), pen.theme.severity(severity)),
        None => (glyphs::NORMAL.to_owned(), pen.theme.quiet()),
    };
    pen.put(line.x + 1, line.y, 2, &mark, style);
}

const COUNT: u16 = 7;
const SHARE: u16 = 6;
const LAST: u16 = 6;

fn failure_heads(pen: &mut Pen<'_>, line: Area) {
    if line.is_empty() {
        return;
    }
    let quiet = pen.theme.quiet();
    pen.put_right(line.x, line.y, COUNT, "COUNT", quiet);
    pen.put_right(line.x + COUNT, line.y, SHARE, "SHARE", quiet);
    pen.put_right(line.x + COUNT + SHARE, line.y, LAST, "LAST", quiet);
    let x = line.x + COUNT + SHARE + LAST + 2;
    pen.put(x, line.y, (line.x + line.width).saturating_sub(x), "MESSAGE", quiet);
}

fn failure_row(pen: &mut Pen<'_>, failure: &service::FailureLine<'_>, line: Area, now: Timestamp) {
    let plain = Style::new();
    pen.put_right(line.x + 1, line.y, COUNT - 1, &wording::count(failure.count), plain);
    pen.put_right(line.x + COUNT, line.y, SHARE, &wording::percent(failure.share), plain);
    let last = failure.last.map_or_else(|| "-".to_owned(), |last| wording::age(now.since(last)));
    pen.put_right(line.x + COUNT + SHARE, line.y, LAST, &last, plain);
    let right = line.x + line.width;
    let mut x = line.x + COUNT + SHARE + LAST + 2;
    if failure.is_new {
        x = pen.put(x, line.y, right.saturating_sub(x), "new", pen.theme.heading()) + 1;
    }
    let style = if failure.is_sum { pen.theme.quiet() } else { plain };
    pen.put_start(x, line.y, right.saturating_sub(x), failure.text, style);
}

const TOOK: u16 = 8;
const ABOVE: u16 = 8;
const BEGAN: u16 = 8;

fn slow_heads(pen: &mut Pen<'_>, line: Area) {
    if line.is_empty() {
        return;
    }
    let quiet = pen.theme.quiet();
    let name = slow_name(line);
    pen.put(line.x, line.y, LEFT + name, "SEV OPERATION", quiet);
    let mut x = line.x + LEFT + name;
    for (head, width) in [("TOOK", TOOK), ("ABOVE", ABOVE), ("BEGAN", BEGAN)] {
        pen.put_right(x, line.y, width, head, quiet);
        x += width;
    }
}

fn slow_name(line: Area) -> u16 {
    line.width.saturating_sub(LEFT + TOOK + ABOVE + BEGAN).min(60)
}

fn slow_row(pen: &mut Pen<'_>, anomaly: &Anomaly, clock: Clock, line: Area) {
    severity_mark(pen, Some(anomaly.severity), line);
    let name = slow_name(line);
    let failed = if anomaly.error { "! " } else { "" };
    let text = format!("{failed}{}", anomaly.key.operation);
    pen.put(line.x + LEFT, line.y, name.saturating_sub(1), &text, Style::new());
    let mut x = line.x + LEFT + name;
    let cells =
        [(anomaly.duration.to_string(), TOOK), (wording::sigma(anomaly.z), ABOVE), (clock.short(anomaly.start), BEGAN)];
    for (text, width) in cells {
        pen.put_right(x, line.y, width, &text, Style::new());
        x += width;
    }
}

/// The latencies of the chosen operation, now and as is normal.
fn distribution(pen: &mut Pen<'_>, app: &App, area: ListArea) {
    let quiet = pen.theme.quiet();
    let name = app.selected_operation().map(|key| key.operation.to_string()).unwrap_or_default();
    let view = baseline::shown(app).filter(|_| !name.is_empty());
    let remark = view.map_or_else(String::new, |view| format!("n = {}, last 5 min", wording::count(view.now_samples)));
    let room = area.title.width.saturating_sub(pen.width(&remark) + 24);
    let title = format!("Latency {}", pen.cut(&name, room));
    pen.rule(area.title, title.trim_end(), Style::new(), &remark, quiet);
    let body = Area { x: area.rows.x + 1, width: area.rows.width.saturating_sub(1), ..area.rows };
    match view {
        _ if name.is_empty() => super::note(pen, area.rows, "No operation is chosen."),
        Some(view) if !view.histogram_edges_us.is_empty() => baseline::distributions(pen, view, body),
        _ => super::note(pen, area.rows, "Asked for its distribution."),
    }
}

/// What is chosen, in words.
fn detail(pen: &mut Pen<'_>, app: &App, view: &ServicePageView, cursor: &ServiceCursor, line: Area) {
    let text = match cursor.part {
        Part::Operations => {
            let key = app.selected_operation();
            view.operations.iter().find(|view| Some(&view.key) == key).map(service::operation_text)
        }
        Part::Failures => service::failure_rows(&view.failures).get(cursor.row).map(|row| match row.operation {
            Some(key) if row.operations > 1 => {
                format!("{} (most in {}, 1 of {} operations)", row.text, key.operation, row.operations)
            }
            Some(key) => format!("{} (in {})", row.text, key.operation),
            None => row.text.to_owned(),
        }),
        Part::Slow => view.kept.get(cursor.row).map(wording::verdict),
        Part::Neighbours => view.neighbours.get(cursor.row).map(service::edge_text),
    };
    if let Some(text) = text.filter(|_| !line.is_empty()) {
        pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2), &text, Style::new());
    }
}
