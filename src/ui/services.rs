//! The services, worst first.

use ratatui::style::Style;

use super::pen::Pen;
use super::{charts, glyphs};
use crate::app::layout::{Area, Layout, Pane, PaneArea};
use crate::app::{App, wording};
use crate::domain::Timestamp;
use crate::messages::{ServiceState, ServiceView};

/// Widths of the columns right of the name; zero for one that does not fit.
struct Columns {
    name: u16,
    rate: u16,
    errors: u16,
    history: u16,
}

const P99: u16 = 6;
const TIMES: u16 = 6;
const LEFT: u16 = 4;

impl Columns {
    fn of(width: u16) -> Self {
        let rate = if width >= 38 { 5 } else { 0 };
        let errors = if width >= 46 { 5 } else { 0 };
        let history = if width >= 56 { 16 } else { 0 };
        // Wider than any name needs, the numbers would stand too far from it.
        let name = width.saturating_sub(LEFT + rate + errors + P99 + TIMES + history).min(36);
        Self { name, rate, errors, history }
    }
}

pub fn draw(pen: &mut Pen<'_>, app: &App, layout: &Layout, area: PaneArea, now: Timestamp) {
    let services = app.topics.services.get();
    let focused = app.view.focus == Pane::Services;
    if let Some(title) = area.title {
        let remark = services.map_or_else(String::new, |services| format!("{}, worst first", services.len()));
        pen.rule(title, "Services", pen.theme.title(focused), &remark, pen.theme.quiet());
    }
    let Some(services) = services else {
        return super::note(pen, area.body, "Waiting for the first poll.");
    };
    if services.is_empty() {
        let text = if app.is_stale(now) {
            "No service is known: no span could be fetched."
        } else {
            "No service has sent a span yet."
        };
        return super::note(pen, area.body, text);
    }
    let columns = Columns::of(area.body.width);
    let mut rows = area.body;
    if layout.has_column_heads() {
        heads(pen, &columns, area.body.line(0));
        rows = area.body.below(1);
    }
    let stale = app.is_stale(now);
    for (line, service) in services.iter().skip(app.view.service_offset).take(usize::from(rows.height)).enumerate() {
        let line = rows.line(line as u16);
        let selected = app.view.service.as_ref() == Some(&service.service);
        super::cursor(pen, line, selected, focused);
        row(pen, service, &columns, line, stale, now);
    }
}

fn heads(pen: &mut Pen<'_>, columns: &Columns, line: Area) {
    let quiet = pen.theme.quiet();
    pen.put(line.x, line.y, LEFT + columns.name, "SEV SERVICE", quiet);
    let mut x = line.x + LEFT + columns.name;
    for (width, head) in [(columns.rate, "/S"), (columns.errors, "ERR"), (P99, "P99"), (TIMES, "xNORM")] {
        pen.put_right(x, line.y, width, head, quiet);
        x += width;
    }
    if columns.history > 0 {
        pen.put(x + 1, line.y, columns.history - 1, "LAST 60 MIN", quiet);
    }
}

fn row(pen: &mut Pen<'_>, service: &ServiceView, columns: &Columns, line: Area, stale: bool, now: Timestamp) {
    let quiet = pen.theme.quiet();
    let base = if stale { quiet } else { Style::new() };
    let (mark, mark_style) = match (service.state, service.severity) {
        (ServiceState::Absent, _) => ("?".to_owned(), base),
        (ServiceState::Learning, _) => ("~".to_owned(), base),
        (ServiceState::Judged, Some(severity)) => (severity.to_string(), pen.theme.severity(severity).patch(base)),
        (ServiceState::Judged, None) => (glyphs::NORMAL.to_owned(), quiet),
    };
    pen.put(line.x + 1, line.y, 2, &mark, mark_style);
    pen.put(line.x + LEFT, line.y, columns.name.saturating_sub(1), &service.service, base);
    let mut x = line.x + LEFT + columns.name;
    let rest = (line.x + line.width).saturating_sub(x);
    match service.state {
        ServiceState::Absent => {
            let since = service.last_seen.map_or_else(
                || "no spans since start".to_owned(),
                |at| format!("no spans for {}", wording::age(now.since(at))),
            );
            pen.put_start(x + 1, line.y, rest.saturating_sub(1), &since, base);
            return;
        }
        ServiceState::Learning | ServiceState::Judged => {}
    }
    pen.put_right(x, line.y, columns.rate, &wording::rate(service.spans_per_s), base);
    x += columns.rate;
    pen.put_right(
        x,
        line.y,
        columns.errors,
        &service.error_share.map_or_else(|| "-".to_owned(), wording::percent),
        base,
    );
    x += columns.errors;
    pen.put_right(x, line.y, P99, &super::duration(service.p99_now), base);
    x += P99;
    if service.state == ServiceState::Learning {
        pen.put_start(x + 1, line.y, (TIMES + columns.history).saturating_sub(1), "learning", quiet);
        return;
    }
    pen.put_right(x, line.y, TIMES, &super::times(service.times_normal), base);
    x += TIMES;
    if columns.history > 0 {
        let style = if service.severity.is_none() { quiet } else { base };
        let shown = service.history.len().saturating_sub(usize::from(columns.history - 1));
        pen.put(x + 1, line.y, columns.history - 1, &charts::ratios(&service.history[shown..]), style);
    }
}
