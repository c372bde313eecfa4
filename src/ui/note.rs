//! The editor of a note, over the whole screen.

use ratatui::style::Style;

use super::footer;
use super::pen::Pen;
use crate::app::layout::Area;
use crate::app::{App, NoteForm, wording};
use crate::domain::{Note, Timestamp};

pub fn draw(pen: &mut Pen<'_>, app: &App, form: &NoteForm, screen: Area, now: Timestamp) {
    let room = screen.width.saturating_sub(2);
    let title = format!("Note on incident {}", form.incident.0);
    let end = pen.put_start(screen.x + 1, screen.y, room, &title, pen.theme.title(true));
    let remark = "ctrl-s saves, esc leaves";
    let left = (screen.x + screen.width).saturating_sub(end + 3);
    if pen.width(remark) <= left {
        pen.put_right(end + 2, screen.y, left, remark, pen.theme.quiet());
    }
    let count = format!(
        "{} of {} characters left",
        wording::thousands(form.input.room() as u64),
        wording::thousands(Note::MOST as u64)
    );
    pen.rule(screen.line(1), "", pen.theme.quiet(), &count, pen.theme.quiet());
    let footer = if screen.height >= 12 { 2 } else { 1 };
    let mut body = screen.below(2).top(screen.height.saturating_sub(2 + footer));
    if body.height > 6 {
        let about = format!("{} {}", form.severity, form.title);
        pen.put_start(screen.x + 1, body.y, room, &about, pen.theme.quiet());
        body = body.below(2);
    }
    let (lines, (row, column)) = form.input.shown(usize::from(room));
    let height = usize::from(body.height.max(1));
    let first = (row + 1).saturating_sub(height);
    for (line, text) in lines.iter().skip(first).take(height).enumerate() {
        pen.put_start(screen.x + 1, body.y + line as u16, room, text, Style::new());
    }
    let cursor = Area::new(screen.x + 1 + column as u16, body.y + (row - first) as u16, 1, 1);
    pen.tint(cursor, pen.theme.here());
    footer::below(pen, app, screen, now);
}
