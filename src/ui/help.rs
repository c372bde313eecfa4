//! The help: the key table as it is for one place, searched by typing.

use ratatui::style::Style;

use super::footer;
use super::pen::Pen;
use crate::app::layout::Area;
use crate::app::{App, HelpView, help};
use crate::domain::Timestamp;

pub fn draw(pen: &mut Pen<'_>, app: &App, view: &HelpView, screen: Area, now: Timestamp) {
    let quiet = pen.theme.quiet();
    let title = format!("Help for {}", view.place.name());
    let mut x = pen.put(screen.x + 1, screen.y, screen.width.saturating_sub(2), &title, pen.theme.title(true)) + 3;
    let right = screen.x + screen.width;
    x = pen.put_start(x, screen.y, right.saturating_sub(x), "type to search: ", quiet);
    footer::input(pen, &view.query, x, screen.y, right.saturating_sub(x));
    let layout = help::Columns::of((screen.width, screen.height));
    let lines = help::lines(app.keys(), view.place, view.query.text());
    let more = if layout.last_offset(lines.len()) > 0 { "↑↓ more" } else { "" };
    pen.rule(screen.line(1), "", quiet, more, quiet);
    if lines.is_empty() {
        super::note(pen, screen.below(2), "Nothing is called that; backspace widens the search.");
    }
    let first = view.offset.min(layout.last_offset(lines.len()));
    let width = screen.width / layout.count as u16;
    for (number, line) in lines.iter().skip(first).take(layout.height * layout.count).enumerate() {
        let x = screen.x + 1 + width * (number / layout.height) as u16;
        let y = screen.y + 2 + (number % layout.height) as u16;
        let room = width.saturating_sub(1);
        match line {
            help::Line::Gap => {}
            help::Line::Group(name) => {
                pen.put(x, y, room, name, pen.theme.heading());
            }
            help::Line::Row(row) => {
                let end = pen.put(x + 1, y, room.saturating_sub(1), &row.keys, Style::new());
                let text = (x + 13).max(end + 1);
                pen.put_start(text, y, (x + room).saturating_sub(text), &row.text, quiet);
            }
        }
    }
    footer::below(pen, app, screen, now);
}
