//! All that is known of an incident: two columns, tabs, or one column that is scrolled, by the size of the screen.

use ratatui::style::Style;

use super::pen::{Pen, lifted};
use super::{analysis, footer, glyphs};
use crate::app::Clock;
use crate::app::incident::{self, IncidentLayout, Line, Part, Rung};
use crate::app::layout::{Area, Shape};
use crate::app::{App, IncidentCursor};
use crate::domain::Timestamp;

/// Columns of the time and the severity of a rung.
const TIME: u16 = 10;
const SEVERITY: u16 = 3;

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &IncidentCursor, screen: Area, now: Timestamp) {
    let shown = app.shown_at(now);
    let layout = IncidentLayout::of((screen.width, screen.height));
    head(pen, app, cursor, &layout, shown);
    footer::below(pen, app, screen, now);
    if app.alerts.incident(cursor.incident).is_none() {
        pen.rule(layout.rule, "", pen.theme.quiet(), "", pen.theme.quiet());
        return super::note(pen, Area { x: 0, width: screen.width, ..layout.left }, incident::nothing(app));
    }
    let part = cursor.part.on(layout.shape);
    match layout.shape {
        Shape::Four => {
            let right = incident::right_part(app, cursor);
            let in_left = part == Part::Why;
            let left_more = column(pen, app, cursor, Part::Why, layout.left, in_left, shown);
            let right_more = column(pen, app, cursor, right, layout.right, !in_left, shown);
            for row in 0..layout.gutter.height {
                pen.put(layout.gutter.x, layout.gutter.y + row, 1, glyphs::GUTTER, pen.theme.quiet());
            }
            let name = if right == Part::Analysis { "Analysis" } else { "Culprit and history" };
            let half = Area { width: layout.gutter.x, ..layout.rule };
            heading(pen, half, "Incident", in_left, left_more, "");
            let rest = Area { x: half.width, width: screen.width - half.width, ..layout.rule };
            let state = if right == Part::Analysis { crate::app::analysis::title(app) } else { String::new() };
            heading(pen, rest, name, !in_left, right_more, &state);
        }
        Shape::Tabs => {
            let more = column(pen, app, cursor, part, layout.left, true, shown);
            tabs(pen, app, part, more, layout.rule);
        }
        Shape::Narrow | Shape::Tiny => {
            let more = column(pen, app, cursor, part, layout.left, true, shown);
            heading(pen, layout.rule, "", true, more, "");
        }
    }
}

fn head(pen: &mut Pen<'_>, app: &App, cursor: &IncidentCursor, layout: &IncidentLayout, now: Timestamp) {
    let (severity, name, state) = incident::title(app, cursor, now);
    let line = layout.title;
    let mut x = line.x + 1;
    if let Some(severity) = severity {
        x = pen.put(x, line.y, 2, &severity.to_string(), pen.theme.severity(severity)) + 1;
    }
    let room = (line.x + line.width).saturating_sub(x + 1);
    let name = if layout.shape == Shape::Narrow { name.replace("incident", "inc") } else { name };
    x = pen.put_start(x, line.y, room, &name, pen.theme.title(true)) + 2;
    let left = (line.x + line.width).saturating_sub(x + 1);
    let state = pen.cut(&state, left);
    pen.put_right(x, line.y, left, &state, Style::new());
    if let Some(view) = app.alerts.incident(cursor.incident) {
        let sentence = layout.sentence;
        let width = sentence.width.saturating_sub(2);
        pen.put_start(sentence.x + 1, sentence.y, width, &view.incident.title, Style::new());
    }
}

fn heading(pen: &mut Pen<'_>, line: Area, name: &str, focused: bool, more: bool, state: &str) {
    let words = [state, if more { "↑↓ more" } else { "" }];
    let remark = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    pen.rule(line, name, pen.theme.title(focused), &remark, pen.theme.quiet());
}

fn tabs(pen: &mut Pen<'_>, app: &App, shown: Part, more: bool, line: Area) {
    let quiet = pen.theme.quiet();
    let remark = if more { "↑↓ more, tab" } else { "tab" };
    pen.rule(line, "", quiet, remark, quiet);
    let mut x = line.x + 2;
    for part in Part::ALL {
        let news = if part == Part::Analysis && incident::is_analysed(app) { " *" } else { "" };
        let name = format!("{}{news}", part.name());
        let text = if part == shown { format!(" [{name}] ") } else { format!(" {name} ") };
        let room = (line.x + line.width).saturating_sub(x + 16);
        x = pen.put(x, line.y, room, &text, lifted(pen.theme.title(part == shown))) + 1;
    }
}

/// Draws what is in sight of a part; says whether there is more.
fn column(
    pen: &mut Pen<'_>,
    app: &App,
    cursor: &IncidentCursor,
    part: Part,
    area: Area,
    focused: bool,
    now: Timestamp,
) -> bool {
    let (lines, more) = incident::window(app, cursor, part, area, now);
    for (row, line) in lines.iter().enumerate() {
        let line_area = area.line(row as u16);
        match line {
            Line::Text(text) => analysis::text(pen, std::slice::from_ref(text), line_area),
            Line::Rung(of) => rung(pen, of, app.clock(), line_area, cursor.selected == Some(of.alert), focused),
        }
    }
    more
}

/// `03:04:10Z S1 order-matcher order.match, self time   ├──────────`
fn rung(pen: &mut Pen<'_>, rung: &Rung, clock: Clock, line: Area, selected: bool, focused: bool) {
    // The mark of the cursor stands in the margin.
    super::cursor(pen, Area { x: line.x.saturating_sub(1), width: line.width + 1, ..line }, selected, focused);
    let style = if rung.open { Style::new() } else { pen.theme.quiet() };
    let end = line.x + line.width;
    pen.put(line.x, line.y, TIME, &clock.time(rung.onset), style);
    let severity = if rung.open { pen.theme.severity(rung.severity) } else { style };
    pen.put(line.x + TIME, line.y, 2, &rung.severity.to_string(), severity);
    let x = line.x + TIME + SEVERITY;
    let left = end.saturating_sub(x);
    let Some((from, to)) = rung.bar else {
        pen.put(x, line.y, left, &rung.name, style);
        return;
    };
    let width = left / 3;
    pen.put(x, line.y, left - width - 1, &rung.name, style);
    let columns = f64::from(width.saturating_sub(1));
    let (from, to) = ((from * columns).round() as u16, (to * columns).round() as u16);
    let bar: String = (from..=to.max(from)).map(|column| if column == from { '├' } else { glyphs::RULE }).collect();
    pen.put(end - width + from, line.y, width - from, &bar, style);
}
