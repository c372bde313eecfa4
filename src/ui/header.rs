//! The first lines: the sources and their ages, the counts, the one sentence, the tabs.

use super::pen::Pen;
use crate::app::layout::{Area, Layout, Pane, Shape};
use crate::app::{App, Mood, freshness, wording};
use crate::domain::{Severity, Timestamp};
use crate::messages::BackFill;

pub fn draw(pen: &mut Pen<'_>, app: &App, layout: &Layout, now: Timestamp) {
    if layout.shape == Shape::Narrow {
        counts(pen, app, layout.status.line(0));
        sentence(pen, app, layout.status.line(1), 1, now);
        return;
    }
    sources(pen, app, layout.header, now);
    let x = counts(pen, app, layout.status);
    sentence(pen, app, layout.status, x + 2, now);
    if layout.shape == Shape::Tabs {
        tabs(pen, app, layout.tabs);
    }
}

fn sources(pen: &mut Pen<'_>, app: &App, line: Area, now: Timestamp) {
    let wide = line.width >= 110;
    let plain = ratatui::style::Style::new();
    let clock = if wide { app.clock().date_in_zone(now) } else { app.clock().short_in_zone(now) };
    let rate = app.topics.monitor.get().map(|monitor| format!("{} traces/s", wording::rate(monitor.traces_per_s)));
    let right = match rate {
        Some(rate) if wide => format!("{rate}   {clock}"),
        _ => clock,
    };
    let right_width = pen.width(&right);
    pen.put_right(line.x, line.y, line.width.saturating_sub(1), &right, plain);
    let end = (line.x + line.width).saturating_sub(right_width + 3);
    let gap = if wide { 3 } else { 2 };
    let mut x = line.x + 1;
    if wide {
        x = pen.put(x, line.y, end.saturating_sub(x), "spanwatch", pen.theme.heading()) + gap;
    }
    for source in app.topics.sources.get().into_iter().flatten() {
        let freshness = freshness::Freshness::of(source, now);
        let style = match freshness {
            freshness if freshness.is_stale() => pen.theme.trouble(),
            freshness::Freshness::Off | freshness::Freshness::Connecting => pen.theme.quiet(),
            _ => plain,
        };
        let mut text = format!("{} {}", freshness::name(source.kind), freshness::word(source, now));
        if let Some(warning) = &source.warning {
            text = format!("{text}, {warning}");
        }
        x = pen.put_start(x, line.y, end.saturating_sub(x), &text, style) + gap;
    }
    if let Some(learning) = app.topics.learning.get() {
        let text = match &learning.back_fill {
            BackFill::Running { hours_done, hours_total } => format!("learning {hours_done}/{hours_total}h"),
            BackFill::Paused { hours_done, hours_total, .. } => format!("learning paused {hours_done}/{hours_total}h"),
            BackFill::NotStarted | BackFill::Done if learning.generation == 0 => "no baseline yet".to_owned(),
            BackFill::NotStarted | BackFill::Done => {
                format!("baseline {}d {}", learning.hours_known / 24, wording::percent(learning.buckets_full))
            }
        };
        pen.put_start(x, line.y, end.saturating_sub(x), &text, plain);
    }
}

/// How many alerts of each severity there are; brackets enclose those that are shown. Gives the column behind them.
fn counts(pen: &mut Pen<'_>, app: &App, line: Area) -> u16 {
    let quiet = pen.theme.quiet();
    let right = line.x + line.width;
    let least = app.view.severity.unwrap_or(Severity::Sev5);
    let mut x = pen.put(line.x + 1, line.y, right.saturating_sub(line.x + 1), "[", quiet);
    for (severity, count) in Severity::ALL.into_iter().zip(app.alerts.counts()) {
        let style = if count == 0 { quiet } else { pen.theme.severity(severity) };
        x = pen.put(x, line.y, right.saturating_sub(x), &format!("{severity} {}", wording::count(count as u64)), style);
        if severity == least {
            x = pen.put(x, line.y, right.saturating_sub(x), "]", quiet);
        }
        if severity != Severity::Sev5 {
            x += if severity == least { 1 } else { 2 };
        }
    }
    x
}

fn sentence(pen: &mut Pen<'_>, app: &App, line: Area, x: u16, now: Timestamp) {
    let status = app.status(now);
    let style = match status.mood {
        Mood::Calm => ratatui::style::Style::new(),
        Mood::Trouble => pen.theme.trouble(),
        Mood::Alert(severity) => pen.theme.severity(severity),
    };
    let room = (line.x + line.width).saturating_sub(x + 1);
    let fitting = status.texts.iter().find(|text| pen.width(text) <= room);
    let text = fitting.or(status.texts.last()).map_or("", String::as_str);
    pen.put_start(x, line.y, room, text, style);
}

fn tabs(pen: &mut Pen<'_>, app: &App, line: Area) {
    let quiet = pen.theme.quiet();
    pen.rule(line, "", quiet, "tab", quiet);
    let mut x = line.x + 2;
    let services = app.topics.services.get().map_or(0, Vec::len);
    for pane in Pane::ALL {
        let focused = pane == app.view.focus;
        let name = match pane {
            Pane::Services => format!("Services {services}"),
            Pane::Alerts => format!("Alerts {}", app.alerts.shown()),
            Pane::Analysis if app.analysis_is_running() => "Analysis *".to_owned(),
            pane => pane.name().to_owned(),
        };
        let text = if focused { format!(" [{name}] ") } else { format!(" {name} ") };
        x = pen.put(
            x,
            line.y,
            (line.x + line.width).saturating_sub(x + 7),
            &text,
            super::pen::lifted(pen.theme.title(focused)),
        ) + 1;
    }
}
