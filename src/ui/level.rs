//! The question about a new level, over the whole screen.

use super::pen::Pen;
use super::{analysis, footer};
use crate::app::layout::Area;
use crate::app::{App, LevelCursor, level, why};
use crate::domain::Timestamp;

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &LevelCursor, screen: Area, now: Timestamp) {
    let (title, remark) = level::title(app, cursor);
    let room = screen.width.saturating_sub(2);
    let end = pen.put_start(screen.x + 1, screen.y, room, &title, pen.theme.title(true));
    let left = (screen.x + screen.width).saturating_sub(end + 3);
    if pen.width(&remark) <= left {
        pen.put_right(end + 2, screen.y, left, &remark, pen.theme.quiet());
    }
    let (width, height) = why::room((screen.width, screen.height));
    let lines = level::lines(cursor, width, app.clock());
    let last = lines.len().saturating_sub(height);
    let more = if last > 0 { "↑↓ more" } else { "" };
    pen.rule(screen.line(1), "", pen.theme.quiet(), more, pen.theme.quiet());
    let body = screen.below(2).top(u16::try_from(height).unwrap_or(u16::MAX));
    let body = Area { x: body.x + 1, width: room, ..body };
    analysis::text(pen, &lines[cursor.offset.min(last)..], body);
    footer::below(pen, app, screen, now);
}
