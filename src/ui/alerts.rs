//! The alerts: anomalies grouped by span key, worst first, each to be unfolded.

use ratatui::style::Style;

use super::glyphs;
use super::pen::Pen;
use crate::app::layout::{Area, Layout, Pane, PaneArea};
use crate::app::{App, Entry, Row, wording};
use crate::domain::{Anomaly, Severity, Timestamp};

/// Widths of the columns right of the name; zero for one that does not fit.
struct Columns {
    name: u16,
    share: u16,
    now: u16,
}

const TIMES: u16 = 6;
const AGE: u16 = 5;
const LEFT: u16 = 6;

impl Columns {
    fn of(width: u16) -> Self {
        let now = if width >= 36 { 6 } else { 0 };
        let share = match width {
            0..54 => 0,
            54..70 => 8,
            _ => 10,
        };
        Self { name: width.saturating_sub(LEFT + now + TIMES + share + AGE), share, now }
    }
}

pub fn draw(pen: &mut Pen<'_>, app: &App, layout: &Layout, area: PaneArea, now: Timestamp) {
    let focused = app.view.focus == Pane::Alerts;
    if let Some(title) = area.title {
        pen.rule(title, "Alerts", pen.theme.title(focused), &remark(app), pen.theme.quiet());
    }
    if !app.alerts.is_known() {
        return super::note(pen, area.body, "Waiting for the first poll.");
    }
    if app.alerts.rows().is_empty() {
        return super::note(pen, area.body, &nothing(app, now));
    }
    let columns = Columns::of(area.body.width);
    let mut rows = area.body;
    if layout.has_column_heads() {
        heads(pen, &columns, area.body.line(0));
        rows = area.body.below(1);
    }
    let stale = app.is_stale(now);
    let selected = app.alerts.position(&app.view.alerts);
    let visible = app.alerts.rows().iter().enumerate().skip(app.view.alerts.offset).take(usize::from(rows.height));
    for (line, (number, row)) in visible.enumerate() {
        let line = rows.line(line as u16);
        super::cursor(pen, line, selected == Some(number), focused);
        let entry = app.alerts.entry(*row);
        let base = if stale || entry.ended { pen.theme.quiet() } else { Style::new() };
        match row {
            Row::Alert(_) => alert(pen, app, entry, &columns, line, base, now),
            Row::Anomaly(_, n) => anomaly(pen, &entry.view.anomalies[*n], line, base, now),
        }
    }
}

/// `3 of 7, S1-S3, filter sev>=2`
fn remark(app: &App) -> String {
    if !app.alerts.is_known() {
        return String::new();
    }
    let (shown, open) = (app.alerts.shown(), app.alerts.open().count());
    let mut text = if shown == open { format!("{open} open") } else { format!("{shown} of {open} open") };
    match app.view.severity {
        None | Some(Severity::Sev5) => {}
        Some(Severity::Sev1) => text.push_str(", S1 only"),
        Some(least) => text.push_str(&format!(", S1-{least}")),
    }
    if !app.view.filter_text.is_empty() {
        text.push_str(&format!(", /{}", app.view.filter_text));
    }
    text
}

fn nothing(app: &App, now: Timestamp) -> String {
    let open = app.alerts.open().count() as u64;
    if open == 0 {
        return if app.is_stale(now) {
            "No alerts are known; without spans there may be trouble that nobody sees.".to_owned()
        } else if app.topics.learning.get().is_none_or(|learning| learning.generation == 0) {
            "No alerts yet: spans are judged once a baseline is learnt.".to_owned()
        } else {
            "No alerts. Everything judged is within its normal hour.".to_owned()
        };
    }
    let hidden = wording::plural(open, "alert");
    if app.view.filter.is_empty() {
        format!("Nothing at this severity; {hidden} milder, 0 shows all.")
    } else {
        format!("The filter hides {hidden}; esc clears it.")
    }
}

fn heads(pen: &mut Pen<'_>, columns: &Columns, line: Area) {
    let quiet = pen.theme.quiet();
    pen.put(line.x + 2, line.y, columns.name + LEFT - 2, "SEV WHAT", quiet);
    let mut x = line.x + LEFT + columns.name;
    for (width, head) in [(columns.now, "P99"), (TIMES, "xNORM"), (columns.share, "n of m"), (AGE, "AGE")] {
        pen.put_right(x, line.y, width, head, quiet);
        x += width;
    }
}

fn alert(pen: &mut Pen<'_>, app: &App, entry: &Entry, columns: &Columns, line: Area, base: Style, now: Timestamp) {
    let view = &entry.view;
    let unfolded = app.view.alerts.unfolded.contains(&view.key);
    let fold = if unfolded { glyphs::UNFOLDED } else { glyphs::FOLDED };
    pen.put(line.x + 1, line.y, 1, fold, pen.theme.quiet());
    pen.put(line.x + 3, line.y, 2, &view.severity.to_string(), pen.theme.severity(view.severity).patch(base));
    pen.put(line.x + LEFT, line.y, columns.name.saturating_sub(1), &wording::key(&view.key), base);
    let mut x = line.x + LEFT + columns.name;
    pen.put_right(x, line.y, columns.now, &super::duration(view.p99_now), base);
    x += columns.now;
    pen.put_right(x, line.y, TIMES, &super::times(view.times_normal), base);
    x += TIMES;
    let anomalous: u64 = view.counts.iter().copied().map(u64::from).sum();
    let share = format!("{}/{}", wording::count(anomalous), wording::count(u64::from(view.judged).max(anomalous)));
    pen.put_right(x, line.y, columns.share, &share, base);
    x += columns.share;
    let age = if entry.ended { "over".to_owned() } else { wording::age(now.since(view.first)) };
    pen.put_right(x, line.y, AGE, &age, base);
}

fn anomaly(pen: &mut Pen<'_>, anomaly: &Anomaly, line: Area, base: Style, now: Timestamp) {
    let style = pen.theme.severity(anomaly.severity).patch(base);
    pen.put(line.x + 5, line.y, 2, &anomaly.severity.to_string(), style);
    let right = line.x + line.width;
    let x = line.x + 8;
    pen.put_right(x, line.y, 6.min(right.saturating_sub(x)), &anomaly.duration.to_string(), base);
    pen.put_right(x + 6, line.y, 7.min(right.saturating_sub(x + 6)), &wording::sigma(anomaly.z), base);
    let at = format!("{}  trace {}", wording::time_of_day(anomaly.start), anomaly.id.trace.short());
    pen.put_start(x + 15, line.y, right.saturating_sub(x + 15 + AGE), &at, base);
    let age = wording::age(now.since(anomaly.start));
    pen.put_right(right.saturating_sub(AGE), line.y, AGE, &age, base);
}
