//! The 168 hours of the week of one operation, with the hour under the cursor beside them.

use ratatui::style::Style;

use super::pen::Pen;
use super::{analysis, baseline, footer, glyphs};
use crate::app::layout::{Area, Shape};
use crate::app::week::{self, Metric, Scale, WeekCursor, WeekLayout};
use crate::app::{App, wording};
use crate::domain::{HourOfWeek, Timestamp};
use crate::messages::WeekView;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The day's name and a space.
const LABEL: u16 = 4;

pub fn draw(pen: &mut Pen<'_>, app: &App, cursor: &WeekCursor, screen: Area, now: Timestamp) {
    footer::below(pen, app, screen, now);
    let layout = WeekLayout::of((screen.width, screen.height));
    let view = week::shown(app, cursor).filter(|view| !view.hours.is_empty());
    title(pen, cursor, view, layout.title);
    let Some(view) = view else {
        let below = Area { width: screen.width, x: screen.x, ..layout.said };
        return super::note(pen, Area { height: 4, ..below }, &week::note(app, cursor));
    };
    said(pen, app, view, &layout, now);
    let narrow = layout.shape == Shape::Narrow;
    if narrow {
        day(pen, cursor, view, layout.week);
    } else {
        large(pen, cursor, view, &layout);
    }
    if let Some(gutter) = layout.gutter {
        for row in 0..gutter.height {
            pen.put(gutter.x, gutter.y + row, 1, glyphs::GUTTER, pen.theme.quiet());
        }
    }
    beside(pen, cursor, view, &layout);
    let facts = week::fact_lines(app, view, usize::from(layout.facts.width));
    analysis::text(pen, &facts, layout.facts);
    if layout.shape == Shape::Four {
        baseline::recalculated(pen, app, layout.facts.below(facts.len() as u16 + 1));
    }
}

fn title(pen: &mut Pen<'_>, cursor: &WeekCursor, view: Option<&WeekView>, line: Area) {
    let room = line.width.saturating_sub(2);
    let place = match view {
        Some(view) if line.width < 60 => format!("{} of {}", view.at, view.of),
        Some(view) => format!("operation {} of {}", view.at, view.of),
        None => String::new(),
    };
    let end = pen.put_start(line.x + 1, line.y, room, "Week", pen.theme.title(true));
    let left = (line.x + line.width).saturating_sub(end + 4 + pen.width(&place));
    let key = view.map_or(&cursor.asked, |view| &view.key);
    pen.put(end + 2, line.y, left, &wording::key(key), pen.theme.heading());
    pen.put_right(line.x + 1, line.y, room, &place, pen.theme.quiet());
}

fn said(pen: &mut Pen<'_>, app: &App, view: &WeekView, layout: &WeekLayout, now: Timestamp) {
    let compared = week::compared_now(view);
    let (style, text) = if app.is_stale(app.shown_at(now)) {
        (pen.theme.trouble(), format!("Jaeger does not answer, nothing new is learnt. Judged by {compared}"))
    } else if layout.said.width < 72 {
        (Style::new(), format!("now judged by {compared}"))
    } else {
        (Style::new(), format!("each cell is an hour of the week; spans are judged now by {compared} (reversed)"))
    };
    pen.put_start(layout.said.x, layout.said.y, layout.said.width, &text, style);
}

/// The shade of each hour; of an hour of which nothing is known a dot.
fn shades(view: &WeekView, metric: Metric) -> (Vec<char>, Option<Scale>) {
    let values = week::values(view, metric);
    let scale = Scale::of(metric, &values);
    let shade = |value: &Option<f64>| match (value, scale) {
        (Some(value), Some(scale)) => glyphs::SHADES.get(scale.step(*value)).copied().unwrap_or(' '),
        _ => glyphs::WAIT,
    };
    (values.iter().map(shade).collect(), scale)
}

/// The seven days, each hour a shade of one or two columns and a mark; the legend below.
fn large(pen: &mut Pen<'_>, cursor: &WeekCursor, view: &WeekView, layout: &WeekLayout) {
    let area = layout.week;
    let quiet = pen.theme.quiet();
    let remark = format!("{}, Mon-Sun x 00-23h", cursor.metric.name());
    pen.rule(area.line(0), "Week", pen.theme.title(true), &remark, quiet);
    let shade: u16 = if layout.shape == Shape::Four { 2 } else { 1 };
    let width = shade + 1;
    let left = area.x + 1 + LABEL;
    let every = if shade == 2 { 1 } else { 3 };
    for hour in (0..24u16).step_by(every) {
        pen.put(left + hour * width, area.y + 1, 2, &format!("{hour:02}"), quiet);
    }
    let (shades, scale) = shades(view, cursor.metric);
    let at = cursor.cell(view);
    for ((bucket, hour), shade_of) in HourOfWeek::all().zip(&view.hours).zip(shades) {
        let (x, y) = (left + u16::from(bucket.hour()) * width, area.y + 2 + u16::from(bucket.day()));
        if bucket.hour() == 0 {
            let name = DAYS.get(usize::from(bucket.day())).copied().unwrap_or_default();
            pen.put(area.x + 1, y, 3, name, quiet);
        }
        let text: String = std::iter::repeat_n(shade_of, usize::from(shade)).collect();
        pen.put(x, y, shade, &text, Style::new());
        if bucket == view.bucket {
            pen.tint(Area::new(x, y, shade, 1), pen.theme.here());
        }
        if bucket == at {
            pen.put(x + shade, y, 1, glyphs::HERE, pen.theme.title(true));
        } else {
            pen.put(x + shade, y, 1, &week::mark(hour).to_string(), Style::new());
        }
    }
    let inner = Area { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let line = inner.line(9);
    pen.put_start(line.x, line.y, line.width, &legend(cursor.metric, scale), quiet);
    let marks = if layout.shape == Shape::Four {
        format!("{} cursor  ~ borrowed: too few samples  ! alert, 30 days  m maintenance", glyphs::HERE)
    } else {
        format!("{} cursor  ~ borrowed  ! alert 30d  m maintenance", glyphs::HERE)
    };
    let line = inner.line(10);
    pen.put_start(line.x, line.y, line.width, &marks, quiet);
}

/// `p99  · none  ░ <300ms  ▒ <450ms  ▓ <700ms  █ more`
fn legend(metric: Metric, scale: Option<Scale>) -> String {
    let Some(Scale { bounds }) = scale else { return format!("{}: none known", metric.name()) };
    let mut text = format!("{} none", glyphs::WAIT);
    for (shade, bound) in glyphs::SHADES.iter().zip(bounds) {
        text.push_str(&format!("  {shade} <{}", metric.write(bound)));
    }
    if let Some(shade) = glyphs::SHADES.last() {
        text.push_str(&format!("  {shade} more"));
    }
    text
}

/// The 24 hours of the cursor's day, with their marks below.
fn day(pen: &mut Pen<'_>, cursor: &WeekCursor, view: &WeekView, area: Area) {
    let at = cursor.cell(view);
    let quiet = pen.theme.quiet();
    let left = area.x + 1 + LABEL;
    pen.put(area.x + 1, area.y, area.width, "    00    06    12    18", quiet);
    pen.put_start(left + 25, area.y, area.width.saturating_sub(left + 26), cursor.metric.name(), quiet);
    let name = DAYS.get(usize::from(at.day())).copied().unwrap_or_default();
    pen.put(area.x + 1, area.y + 1, 3, name, Style::new());
    let (shades, scale) = shades(view, cursor.metric);
    for ((bucket, hour), shade) in HourOfWeek::all().zip(&view.hours).zip(shades) {
        if bucket.day() != at.day() {
            continue;
        }
        let x = left + u16::from(bucket.hour());
        pen.put(x, area.y + 1, 1, &shade.to_string(), Style::new());
        if bucket == view.bucket {
            pen.tint(Area::new(x, area.y + 1, 1, 1), pen.theme.here());
        }
        let mark = if bucket == at { '^' } else { week::mark(hour) };
        pen.put(x, area.y + 2, 1, &mark.to_string(), if bucket == at { pen.theme.title(true) } else { Style::new() });
    }
    if let Some(Scale { bounds: [least, _, most] }) = scale {
        let room = area.width.saturating_sub(left + 25);
        let light = format!("{}<{}", glyphs::SHADES[0], cursor.metric.write(least));
        pen.put_start(left + 25, area.y + 1, room, &light, quiet);
        let dark = format!("{}>{}", glyphs::SHADES[3], cursor.metric.write(most));
        pen.put_start(left + 25, area.y + 2, room, &dark, quiet);
    }
}

fn beside(pen: &mut Pen<'_>, cursor: &WeekCursor, view: &WeekView, layout: &WeekLayout) {
    let body = layout.beside.body;
    let text = week::beside(cursor, view, usize::from(body.width));
    let last = text.len().saturating_sub(usize::from(body.height));
    if let Some(title) = layout.beside.title {
        let name = if cursor.changes { "Changes" } else { "Cell" };
        let more = if last > 0 { "PgDn more" } else { "" };
        pen.rule(title, name, pen.theme.title(false), more, pen.theme.quiet());
    }
    analysis::text(pen, text.get(cursor.top.min(last)..).unwrap_or_default(), body);
}
