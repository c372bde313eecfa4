//! The palette: a line to type in, and the actions that match.

use ratatui::style::Style;

use super::pen::Pen;
use super::{cursor, footer, note};
use crate::app::layout::Area;
use crate::app::{App, PaletteView, palette};
use crate::domain::Timestamp;

/// Columns for the keys.
const KEYS: u16 = 12;
/// Columns for what an action does.
const TEXT: u16 = 33;

pub fn draw(pen: &mut Pen<'_>, app: &App, view: &PaletteView, screen: Area, now: Timestamp) {
    let quiet = pen.theme.quiet();
    let right = screen.x + screen.width;
    let title = format!("Palette for {}", view.place.name());
    let x = pen.put(screen.x + 1, screen.y, screen.width.saturating_sub(2), &title, pen.theme.title(true)) + 2;
    let x = pen.put(x, screen.y, right.saturating_sub(x), ": ", pen.theme.heading());
    footer::input(pen, &view.query, x, screen.y, right.saturating_sub(x));
    let entries = palette::entries(app.keys(), view.place, view.query.text());
    let room = palette::room((screen.width, screen.height));
    let offset = view.offset.min(entries.len().saturating_sub(room));
    let more = if entries.len() > room { "↑↓ more" } else { "" };
    pen.rule(screen.line(1), "", quiet, more, quiet);
    let body = screen.below(2).top(u16::try_from(room).unwrap_or(u16::MAX));
    if entries.is_empty() {
        note(pen, body, "No action is called that; backspace widens the search.");
    }
    for (row, (number, entry)) in entries.iter().enumerate().skip(offset).take(room).enumerate() {
        let line = body.line(u16::try_from(row).unwrap_or(u16::MAX));
        cursor(pen, line, number == view.at, true);
        let style = if entry.elsewhere.is_some() { quiet } else { Style::new() };
        let room = line.width.saturating_sub(2);
        let end = pen.put(line.x + 2, line.y, room, &entry.keys, style);
        let text = (line.x + 2 + KEYS).max(end + 1);
        let end = pen.put_start(text, line.y, right.saturating_sub(text + 1), &entry.text, style);
        if let Some(places) = &entry.elsewhere {
            // In a column of its own where there is room for one.
            let at = if screen.width < 70 { end + 2 } else { (text + TEXT).max(end + 2) };
            pen.put_start(at, line.y, right.saturating_sub(at + 1), &format!("in {places}"), style);
        }
    }
    footer::below(pen, app, screen, now);
}
