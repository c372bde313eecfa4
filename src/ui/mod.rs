//! Drawing as a function of the app's state. The theme is the only place that names a colour.

mod acts;
mod alerts;
mod analysis;
mod baseline;
mod charts;
mod compare;
mod footer;
mod glyphs;
mod header;
mod help;
mod incident;
mod level;
mod map;
mod palette;
mod pen;
mod service;
mod services;
mod settings;
mod theme;
mod trace;
mod trends;
mod week;
mod why;

pub use settings::{Choice, Settings};

use ratatui::Frame;
use ratatui::style::Style;

use crate::app::keymap::Place;
use crate::app::layout::{Area, Layout, Shape, TraceLayout};
use crate::app::{App, Page, wording, wrap};
use crate::domain::{Micros, Severity, Timestamp};
use pen::Pen;
use theme::Theme;

/// What a terminal can show: decided once at start from `--color`, `NO_COLOR`, `TERM` and the locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub color: bool,
    pub unicode: bool,
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &App, look: Look, now: Timestamp) {
    let area = frame.area();
    let size = (area.width, area.height);
    let pen = &mut Pen::new(frame.buffer_mut(), look.unicode, Theme::new(look.color));
    let layout = Layout::of(size, app.view.focus);
    if layout.shape == Shape::Tiny {
        tiny(pen, app, layout.screen, now);
    } else if let Some(view) = &app.view.help {
        help::draw(pen, app, view, layout.screen, now);
    } else if let Some(view) = &app.view.palette {
        palette::draw(pen, app, view, layout.screen, now);
    } else if let Some(form) = &app.view.act_form {
        acts::form(pen, app, form, layout.screen, now);
    } else if app.place() == Place::Level
        && let Some(cursor) = &app.view.level
    {
        level::draw(pen, app, cursor, layout.screen, now);
    } else if let Some(page) = app.page() {
        match page {
            Page::Incident(cursor) => incident::draw(pen, app, cursor, layout.screen, now),
            Page::Trends(cursor) => trends::draw(pen, app, cursor, layout.screen, now),
            Page::Week(cursor) => week::draw(pen, app, cursor, layout.screen, now),
            Page::Service(cursor) => service::draw(pen, app, cursor, layout.screen, now),
            Page::Map(cursor) => map::draw(pen, app, cursor, layout.screen, now),
        }
    } else if let Some(cursor) = &app.view.trace {
        trace::draw(pen, app, cursor, &TraceLayout::of(size), now);
    } else if let Some(cursor) = &app.view.acts {
        acts::draw(pen, app, cursor, layout.screen, now);
    } else if let Some(cursor) = &app.view.level {
        level::draw(pen, app, cursor, layout.screen, now);
    } else if let Some(cursor) = &app.view.why {
        why::draw(pen, app, cursor, layout.screen, now);
    } else {
        dashboard(pen, app, &layout, now);
    }
    if layout.shape != Shape::Tiny {
        footer::spill(pen, app, layout.screen);
    }
}

fn dashboard(pen: &mut Pen<'_>, app: &App, layout: &Layout, now: Timestamp) {
    footer::draw(pen, app, layout.rule, layout.keys, now);
    let now = app.shown_at(now);
    header::draw(pen, app, layout, now);
    if let Some(gutter) = layout.gutter {
        for row in 0..gutter.height {
            pen.put(gutter.x, gutter.y + row, 1, glyphs::GUTTER, pen.theme.quiet());
        }
    }
    if let Some(area) = layout.services {
        services::draw(pen, app, layout, area, now);
    }
    if let Some(area) = layout.alerts {
        alerts::draw(pen, app, layout, area, now);
    }
    if let Some(area) = layout.baseline {
        baseline::draw(pen, app, area, app.is_stale(now));
    }
    if let Some(area) = layout.analysis {
        analysis::draw(pen, app, area, now);
    }
    if let Some(area) = layout.detail {
        baseline::detail(pen, app, area, now);
    }
}

/// Too small for any list: one sentence, with the counts.
fn tiny(pen: &mut Pen<'_>, app: &App, screen: Area, now: Timestamp) {
    let counts: Vec<String> = Severity::ALL
        .into_iter()
        .zip(app.alerts.counts())
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{severity} {}", wording::count(count as u64)))
        .collect();
    let counts = match app.alerts.calm().count() as u64 {
        _ if !counts.is_empty() => counts.join(" "),
        0 => "no incidents".to_owned(),
        calm => format!("{} calm", wording::plural(calm, "incident")),
    };
    let frozen = app.badge(now).map_or_else(String::new, |badge| format!("{}; ", badge.short));
    let text = format!("{frozen}{counts}; at least 40x10 shows more");
    let width = pen.width(&text).min(screen.width);
    pen.put_start(screen.x + (screen.width - width) / 2, screen.y + screen.height / 2, width, &text, Style::new());
}

/// A sentence where a pane has nothing else to show.
fn note(pen: &mut Pen<'_>, area: Area, text: &str) {
    let inner = area.width.saturating_sub(2);
    for (row, line) in wrap(text, usize::from(inner), 0).iter().take(usize::from(area.height)).enumerate() {
        pen.put_start(area.x + 1, area.y + row as u16, inner, line, pen.theme.quiet());
    }
}

/// Marks the row under the cursor.
fn cursor(pen: &mut Pen<'_>, line: Area, selected: bool, focused: bool) {
    if selected {
        pen.tint(line, pen.theme.cursor_row(focused));
        pen.put(line.x, line.y, 1, glyphs::CURSOR, pen.theme.cursor_mark());
    }
}

fn duration(duration: Option<Micros>) -> String {
    duration.map_or_else(|| "-".to_owned(), |duration| duration.to_string())
}

fn times(times: Option<f64>) -> String {
    times.map_or_else(|| "-".to_owned(), wording::times)
}
