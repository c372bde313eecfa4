//! The arithmetic of the alert test, over the whole screen.

use super::pen::Pen;
use super::{analysis, footer};
use crate::app::layout::Area;
use crate::app::{App, WhyCursor, why};
use crate::domain::Timestamp;

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &WhyCursor, screen: Area, now: Timestamp) {
    let remark = why::remark(app, cursor);
    let right = screen.x + screen.width;
    let room = screen.width.saturating_sub(2);
    let title = format!("Why  {}", cursor.subject);
    let end = pen.put_start(screen.x + 1, screen.y, room, &title, pen.theme.title(true));
    let left = right.saturating_sub(end + 3);
    if pen.width(&remark) <= left {
        pen.put_right(end + 2, screen.y, left, &remark, pen.theme.quiet());
    }
    let (width, height) = why::room((screen.width, screen.height));
    let lines = why::lines(app, cursor, width);
    let last = lines.len().saturating_sub(height);
    let more = if last > 0 { "↑↓ more" } else { "" };
    pen.rule(screen.line(1), "", pen.theme.quiet(), more, pen.theme.quiet());
    let body = screen.below(2).top(u16::try_from(height).unwrap_or(u16::MAX));
    let body = Area { x: body.x + 1, width: room, ..body };
    analysis::text(pen, &lines[cursor.offset.min(last)..], body);
    footer::below(pen, app, screen, now);
}
