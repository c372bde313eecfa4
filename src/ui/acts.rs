//! Acknowledgements, silences and maintenance; the noise ledger; and what is typed or asked about them.

use ratatui::style::Style;

use super::pen::Pen;
use super::{analysis, footer};
use crate::app::Clock;
use crate::app::acts::{self, ActRow, ActsLayout, ActsPage};
use crate::app::keymap::Action;
use crate::app::layout::Area;
use crate::app::{ActForm, ActsCursor, App, why, wording};
use crate::domain::{Deed, Timestamp};
use crate::messages::{HeldView, MaintenanceView, NoiseRow};

/// Widths of the columns right of the name; zero for one that does not fit.
struct Columns {
    end: u16,
    now: u16,
    met: u16,
    by: u16,
    /// Of the ledger.
    kind: u16,
    lasted: u16,
    verdicts: u16,
}

const AGE: u16 = 5;
const ALERTS: u16 = 7;
const SEVERITY: u16 = 4;
const LEFT: u16 = 2;

impl Columns {
    const fn of(width: u16) -> Self {
        let wide = width >= 100;
        let narrow = width < 60;
        Self {
            end: if wide {
                20
            } else if narrow {
                10
            } else {
                18
            },
            now: if narrow { 0 } else { 5 },
            met: if narrow { 0 } else { 5 },
            by: if wide {
                12
            } else if narrow {
                0
            } else {
                8
            },
            kind: if narrow { 0 } else { 16 },
            lasted: if narrow { 0 } else { 8 },
            verdicts: if narrow { 6 } else { 7 },
        }
    }
}

fn head(pen: &mut Pen<'_>, screen: Area, title: &str, remark: &str) {
    let end = pen.put_start(screen.x + 1, screen.y, screen.width.saturating_sub(2), title, pen.theme.title(true));
    let left = (screen.x + screen.width).saturating_sub(end + 3);
    if pen.width(remark) <= left {
        pen.put_right(end + 2, screen.y, left, remark, pen.theme.quiet());
    }
}

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &ActsCursor, screen: Area, now: Timestamp) {
    let shown = app.shown_at(now);
    if let Some(view) = &cursor.ending {
        return ending(pen, app, view, screen, now);
    }
    let rows = app.act_rows(cursor.page);
    let (title, remark) = match cursor.page {
        ActsPage::Held => {
            let holds = |row: &&ActRow| match row {
                ActRow::Held(id) => app.held(*id).is_some_and(HeldView::is_in_force),
                _ => false,
            };
            let in_force = rows.iter().filter(holds).count();
            ("Acks, silences, maintenance", format!("{in_force} in force, oldest first, tab noise"))
        }
        ActsPage::Noise => ("Noise ledger", "30 days, worst first, tab acks".to_owned()),
    };
    head(pen, screen, title, &remark);
    pen.rule(screen.line(1), "", pen.theme.quiet(), "", pen.theme.quiet());
    let layout = ActsLayout::of((screen.width, screen.height));
    let columns = Columns::of(screen.width);
    if rows.is_empty() {
        super::note(pen, screen.below(2), nothing(app, cursor.page));
        return footer::below(pen, app, screen, now);
    }
    if let Some(line) = layout.heads {
        heads(pen, cursor.page, &columns, line);
    }
    let page = usize::from(layout.rows.height);
    let (offset, at) = app.act_window(&rows, page);
    for (line, (number, row)) in rows.iter().enumerate().skip(offset).take(page).enumerate() {
        let line = layout.rows.line(line as u16);
        super::cursor(pen, line, at == Some(number), true);
        match row {
            ActRow::Held(id) => {
                if let Some(view) = app.held(*id) {
                    held(pen, view, &columns, line, (shown, app.clock()));
                }
            }
            ActRow::Maintenance(place) => {
                if let Some(view) = app.maintenance(*place) {
                    maintenance(pen, view, &columns, line, (shown, app.clock()));
                }
            }
            ActRow::Noise(subject, kind) => {
                if let Some(row) = app.noise(subject, *kind) {
                    noise(pen, row, &columns, line, shown);
                }
            }
        }
    }
    if let (Some(area), Some(row)) = (layout.detail, at.and_then(|at| rows.get(at))) {
        detail(pen, app, row, area, shown);
    }
    footer::below(pen, app, screen, now);
}

fn nothing(app: &App, page: ActsPage) -> &'static str {
    match page {
        _ if !app.knows_acts() => "Waiting for the first poll.",
        ActsPage::Held => {
            "No acks and no silences. x on an incident acknowledges it, s silences what matches; [[maintenance]] in the \
             configuration plans windows."
        }
        ActsPage::Noise => "Nothing was alerted in the last 30 days.",
    }
}

fn heads(pen: &mut Pen<'_>, page: ActsPage, columns: &Columns, line: Area) {
    let quiet = pen.theme.quiet();
    pen.put(line.x + LEFT, line.y, line.width.saturating_sub(LEFT), "WHAT", quiet);
    let cells: Vec<(u16, &str)> = match page {
        ActsPage::Held => {
            vec![(columns.end, "UNTIL"), (columns.now, "NOW"), (columns.met, "MET"), (columns.by, "BY"), (AGE, "AGE")]
        }
        ActsPage::Noise => vec![
            (columns.kind, "KIND"),
            (SEVERITY, "SEV"),
            (ALERTS, "ALERTS"),
            (columns.lasted, "LASTED"),
            (columns.verdicts, "NOISE"),
            (columns.verdicts, "USEFUL"),
            (AGE, "LAST"),
        ],
    };
    right(pen, &cells, line, quiet);
}

/// Writes columns against the right of a line; gives where they begin.
fn right(pen: &mut Pen<'_>, cells: &[(u16, &str)], line: Area, style: Style) -> u16 {
    let all: u16 = cells.iter().map(|(width, _)| width).sum();
    let begin = (line.x + line.width).saturating_sub(all);
    let mut x = begin;
    for (width, text) in cells {
        // A column of air on the left.
        pen.put_right(x + 1, line.y, width.saturating_sub(1), text, style);
        x += width;
    }
    begin
}

fn name(pen: &mut Pen<'_>, text: &str, line: Area, end: u16, style: Style) {
    pen.put(line.x + LEFT, line.y, end.saturating_sub(line.x + LEFT), text, style);
}

fn held(pen: &mut Pen<'_>, view: &HeldView, columns: &Columns, line: Area, (now, clock): (Timestamp, Clock)) {
    let in_force = view.is_in_force();
    let style = if in_force { Style::new() } else { pen.theme.quiet() };
    let (end, covers) = (acts::held_end(view, now, clock), view.covers.to_string());
    let met = wording::count(view.act.deed.hold().map_or(0, |hold| hold.met));
    let forgotten = in_force && matches!(view.act.deed, Deed::Acknowledged(_)) && acts::is_forgotten(&view.act, now);
    let age = wording::age(now.since(view.act.at));
    let cells = [
        (columns.end, end.as_str()),
        (columns.now, covers.as_str()),
        (columns.met, met.as_str()),
        (columns.by, view.act.by.as_str()),
        (AGE, ""),
    ];
    let begin = right(pen, &cells, line, style);
    let style_of_age = if forgotten { pen.theme.trouble() } else { style };
    pen.put_right((line.x + line.width).saturating_sub(AGE), line.y, AGE, &age, style_of_age);
    name(pen, &acts::held_title(view), line, begin, style);
}

fn maintenance(
    pen: &mut Pen<'_>,
    view: &MaintenanceView,
    columns: &Columns,
    line: Area,
    (now, clock): (Timestamp, Clock),
) {
    let style = if view.next.is_some() { Style::new() } else { pen.theme.quiet() };
    let title = format!("maintenance {}", view.name);
    let all = columns.end + columns.now + columns.met + columns.by + AGE;
    let when = acts::maintenance_when(view, now, clock);
    let room = pen.width(&when).clamp(all, (line.width / 2).max(all));
    let begin = right(pen, &[(room, when.as_str())], line, style);
    name(pen, &title, line, begin, style);
}

fn noise(pen: &mut Pen<'_>, row: &NoiseRow, columns: &Columns, line: Area, now: Timestamp) {
    let (kind, severity, lasted) = (row.kind.to_string(), row.severity.to_string(), row.lasted.to_string());
    let (alerts, bad, good) = (row.alerts.to_string(), row.noise.to_string(), row.useful.to_string());
    let age = wording::age(now.since(row.last));
    let cells = [
        (columns.kind, kind.as_str()),
        (SEVERITY, severity.as_str()),
        (ALERTS, alerts.as_str()),
        (columns.lasted, lasted.as_str()),
        (columns.verdicts, bad.as_str()),
        (columns.verdicts, good.as_str()),
        (AGE, age.as_str()),
    ];
    let begin = right(pen, &cells, line, Style::new());
    name(pen, &row.subject.to_string(), line, begin, Style::new());
}

fn detail(pen: &mut Pen<'_>, app: &App, row: &ActRow, area: Area, now: Timestamp) {
    pen.rule(area.line(0), "", pen.theme.quiet(), "", pen.theme.quiet());
    let lines = app.act_lines(row, now);
    for (line, text) in lines.iter().take(usize::from(area.height.saturating_sub(1))).enumerate() {
        let line = area.line(line as u16 + 1);
        pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2), text, Style::new());
    }
}

fn ending(pen: &mut Pen<'_>, app: &App, view: &HeldView, screen: Area, now: Timestamp) {
    let title = if matches!(view.act.deed, Deed::Silenced(_)) { "End the silence" } else { "End the ack" };
    head(pen, screen, title, &format!("{} ends it, esc leaves", app.keys().key_of(Action::ConfirmEnd)));
    pen.rule(screen.line(1), "", pen.theme.quiet(), "", pen.theme.quiet());
    let (width, height) = why::room((screen.width, screen.height));
    let body = screen.below(2).top(u16::try_from(height).unwrap_or(u16::MAX));
    let body = Area { x: body.x + 1, width: screen.width.saturating_sub(2), ..body };
    analysis::text(pen, &acts::ending_lines(view, width, app.shown_at(now), app.clock()), body);
    footer::below(pen, app, screen, now);
}

/// What is being typed, over the whole screen.
pub fn form(pen: &mut Pen<'_>, app: &App, form: &ActForm, screen: Area, now: Timestamp) {
    head(pen, screen, acts::form_title(form), "enter does it, esc leaves");
    pen.rule(screen.line(1), "", pen.theme.quiet(), "", pen.theme.quiet());
    let room = screen.width.saturating_sub(2);
    let mut y = screen.y + 2;
    if let Some(text) = acts::form_head(form) {
        pen.put_start(screen.x + 1, y, room, &text, Style::new());
        y += 1;
    }
    for (number, field) in form.fields.iter().enumerate() {
        let here = number == form.at;
        let label = if here { pen.theme.title(true) } else { pen.theme.quiet() };
        pen.put(screen.x + 1, y, 7, field.name, label);
        let (x, width) = (screen.x + 9, room.saturating_sub(8));
        if here {
            footer::input(pen, &field.line, x, y, width);
        } else {
            pen.put_start(x, y, width, field.line.text(), Style::new());
        }
        y += 1;
    }
    let footer = if screen.height >= 12 { 2 } else { 1 };
    let gap = u16::from(screen.height >= 12);
    let body = screen.below(y - screen.y + gap);
    let body = body.top(body.height.saturating_sub(footer));
    let body = Area { x: body.x + 1, width: room, ..body };
    analysis::text(pen, &acts::form_lines(app, form, usize::from(room), now), body);
    footer::below(pen, app, screen, now);
}
