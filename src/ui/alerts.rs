//! The incidents, worst first, each to be unfolded to its alerts; below them the records of slow spans by span key.

use ratatui::style::Style;

use super::glyphs;
use super::pen::Pen;
use crate::app::Clock;
use crate::app::layout::{Area, Layout, Pane, PaneArea};
use crate::app::{App, Entry, Row, acts, level, wording};
use crate::domain::{Alert, Anomaly, Severity, Timestamp};
use crate::messages::IncidentView;

/// Widths of the columns right of the name; zero for one that does not fit.
struct Columns {
    name: u16,
    share: u16,
    now: u16,
}

const TIMES: u16 = 6;
const AGE: u16 = 5;
const LEFT: u16 = 6;
/// `03:12:40Z`, and a column of air.
const SINCE: u16 = 10;

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
        heads(pen, app, area.body.line(0));
        rows = area.body.below(1);
    }
    let stale = app.is_stale(now);
    let selected = app.alerts.position(&app.view.alerts);
    let visible = app.alerts.rows().iter().enumerate().skip(app.view.alerts.offset).take(usize::from(rows.height));
    for (line, (number, row)) in visible.enumerate() {
        let line = rows.line(line as u16);
        super::cursor(pen, line, selected == Some(number), focused);
        let style = |quiet: bool| if stale || quiet { pen.theme.quiet() } else { Style::new() };
        let incidents = app.alerts.incidents();
        match *row {
            Row::Incident(n) => {
                let view = &incidents[n];
                let base = style(!view.incident.is_open() || view.life.calm.is_some());
                incident(pen, app, view, line, base, now);
            }
            Row::Alert(n, alert) => {
                let view = &incidents[n];
                let alert = &view.alerts[alert];
                let held = acts::held_word(view, alert);
                let base = style(!alert.is_open() || held.is_some());
                self::alert(pen, alert, held, line, base, (now, app.clock()));
            }
            Row::Arithmetic(n, alert) => arithmetic(pen, &incidents[n].alerts[alert], line),
            Row::Calm => calm(pen, app, line, now),
            Row::Heading => records_heading(pen, &columns, line),
            Row::Record(n) => {
                let entry = &app.alerts.records()[n];
                let base = style(entry.ended);
                record(pen, app, entry, &columns, line, base, now);
            }
            Row::Anomaly(n, anomaly) => {
                let entry = &app.alerts.records()[n];
                let base = style(entry.ended);
                self::anomaly(pen, &entry.view.anomalies[anomaly], line, base, (now, app.clock()));
            }
        }
    }
}

/// `1 incident, 3 records, S1-S3, /svc=cart`
fn remark(app: &App) -> String {
    if !app.alerts.is_known() {
        return String::new();
    }
    let (shown, open) = (app.alerts.shown(), app.alerts.active().count());
    let incidents = match (shown, open) {
        (_, 0) => "no incidents".to_owned(),
        _ if shown == open => wording::plural(open as u64, "incident"),
        _ => format!("{shown} of {}", wording::plural(open as u64, "incident")),
    };
    let mut text = match app.alerts.shown_records() {
        0 => incidents,
        n => format!("{incidents}, {}", wording::plural(n as u64, "record")),
    };
    match app.view.severity {
        None | Some(Severity::Sev5) => {}
        Some(Severity::Sev1) => text.push_str(", S1 only"),
        Some(least) => text.push_str(&format!(", S1-{least}")),
    }
    match app.alerts.calm().count() {
        0 => {}
        n => text.push_str(&format!(", {n} calm")),
    }
    if !app.view.filter_text.is_empty() {
        text.push_str(&format!(", /{}", app.view.filter_text));
    }
    text
}

fn nothing(app: &App, now: Timestamp) -> String {
    let open = app.alerts.open().count() as u64;
    let records = app.alerts.records().len() as u64;
    if open + records == 0 {
        return if app.is_stale(now) {
            "No incidents are known; without spans there may be trouble that nobody sees.".to_owned()
        } else if app.topics.learning.get().is_none_or(|learning| learning.generation == 0) {
            "No incidents yet: spans are judged once a baseline is learnt.".to_owned()
        } else {
            "No incidents. Everything judged is within its normal hour.".to_owned()
        };
    }
    let hidden = match (open, records) {
        (0, n) => wording::plural(n, "record"),
        (n, 0) => wording::plural(n, "incident"),
        (n, m) => format!("{} and {}", wording::plural(n, "incident"), wording::plural(m, "record")),
    };
    if !app.view.filter.is_empty() {
        format!("The filter hides {hidden}; esc clears it.")
    } else if open == 0 {
        format!("No incidents. {hidden} of milder slow spans, 0 shows all.")
    } else {
        format!("Nothing at this severity; {hidden} milder, 0 shows all.")
    }
}

/// Whether onsets have a column of their own.
const fn has_since(width: u16) -> bool {
    width >= 50
}

fn heads(pen: &mut Pen<'_>, app: &App, line: Area) {
    let quiet = pen.theme.quiet();
    if !matches!(app.alerts.rows().first(), Some(Row::Incident(_))) {
        let none = if app.alerts.calm().next().is_some() { "no incident wants anybody" } else { "no incidents" };
        pen.put(line.x + 2, line.y, line.width.saturating_sub(2), none, quiet);
        return;
    }
    pen.put(line.x + 2, line.y, line.width.saturating_sub(2), "SEV WHAT", quiet);
    let right = line.x + line.width;
    if has_since(line.width) {
        pen.put_right(right.saturating_sub(AGE + SINCE), line.y, SINCE, "SINCE", quiet);
    }
    pen.put_right(right.saturating_sub(AGE), line.y, AGE, "AGE", quiet);
}

/// What the rows below are, with the heads of their columns.
fn records_heading(pen: &mut Pen<'_>, columns: &Columns, line: Area) {
    let quiet = pen.theme.quiet();
    pen.put_start(line.x + 2, line.y, columns.name + LEFT - 3, "slow spans (records, no alarms)", quiet);
    let mut x = line.x + LEFT + columns.name;
    for (width, head) in [(columns.now, "P99"), (TIMES, "xNORM"), (columns.share, "n of m"), (AGE, "AGE")] {
        pen.put_right(x, line.y, width, head, quiet);
        x += width;
    }
}

fn incident(pen: &mut Pen<'_>, app: &App, view: &IncidentView, line: Area, base: Style, now: Timestamp) {
    let incident = &view.incident;
    let unfolded = app.view.alerts.unfolded_incidents.contains(&incident.id);
    let fold = if unfolded { glyphs::UNFOLDED } else { glyphs::FOLDED };
    pen.put(line.x + 1, line.y, 1, fold, pen.theme.quiet());
    pen.put(line.x + 3, line.y, 2, &incident.severity.to_string(), pen.theme.severity(incident.severity).patch(base));
    let right = line.x + line.width;
    let since = if has_since(line.width) { SINCE } else { 0 };
    let room = line.width.saturating_sub(LEFT + since + AGE + 1);
    let short = wording::short_title(&incident.title);
    let remarks: Vec<String> =
        level::remark(app, view).map(str::to_owned).into_iter().chain(acts::remark(view, now, app.clock())).collect();
    let remarked = (!remarks.is_empty()).then(|| format!("{short}, {}", remarks.join(", ")));
    let title = remarked.as_deref().unwrap_or(&incident.title);
    let title = if pen.width(title) <= room { title } else { short };
    pen.put_start(line.x + LEFT, line.y, room, title, base);
    pen.put_right(right.saturating_sub(AGE + since), line.y, since, &app.clock().time(incident.onset), base);
    let age = if incident.is_open() { wording::age(now.since(incident.onset)) } else { "over".to_owned() };
    pen.put_right(right.saturating_sub(AGE), line.y, AGE, &age, base);
}

/// `S1 03:12:40Z order-matcher:order.match, self time`: one rung of the ladder of onsets.
fn alert(
    pen: &mut Pen<'_>,
    alert: &Alert,
    held: Option<&str>,
    line: Area,
    base: Style,
    (now, clock): (Timestamp, Clock),
) {
    pen.put(line.x + 5, line.y, 2, &alert.severity.to_string(), pen.theme.severity(alert.severity).patch(base));
    let right = line.x + line.width;
    let x = pen.put(line.x + 8, line.y, SINCE, &clock.time(alert.onset), base) + 1;
    let held = held.map_or_else(String::new, |word| format!(", {word}"));
    let kind = format!(", {}{held}", alert.kind);
    let kind = if line.width >= 50 { kind } else { held };
    let room = right.saturating_sub(x + AGE + 1);
    let subject = room.saturating_sub(pen.width(&kind));
    let x = pen.put(x, line.y, subject, &alert.subject.to_string(), base);
    pen.put_start(x, line.y, right.saturating_sub(x + AGE), &kind, base);
    let age = if alert.is_open() { wording::age(now.since(alert.onset)) } else { "over".to_owned() };
    pen.put_right(right.saturating_sub(AGE), line.y, AGE, &age, base);
}

/// `▸ acked 1 (mira, until worse), silenced 2`
fn calm(pen: &mut Pen<'_>, app: &App, line: Area, now: Timestamp) {
    let quiet = pen.theme.quiet();
    let fold = if app.view.alerts.unfolded_calm { glyphs::UNFOLDED } else { glyphs::FOLDED };
    pen.put(line.x + 1, line.y, 1, fold, quiet);
    let words = app.calm_words(now).unwrap_or_default();
    pen.put_start(line.x + 3, line.y, line.width.saturating_sub(3), &words, quiet);
}

fn arithmetic(pen: &mut Pen<'_>, alert: &Alert, line: Area) {
    let text = format!("{}{}", level::clause(alert), wording::arithmetic(alert));
    let room = line.width.saturating_sub(8);
    let text = if pen.width(&text) <= room { text } else { text.replace(" expected", " exp.") };
    pen.put_start(line.x + 8, line.y, room, &text, pen.theme.quiet());
}

fn record(pen: &mut Pen<'_>, app: &App, entry: &Entry, columns: &Columns, line: Area, base: Style, now: Timestamp) {
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

fn anomaly(pen: &mut Pen<'_>, anomaly: &Anomaly, line: Area, base: Style, (now, clock): (Timestamp, Clock)) {
    let style = pen.theme.severity(anomaly.severity).patch(base);
    pen.put(line.x + 5, line.y, 2, &anomaly.severity.to_string(), style);
    let right = line.x + line.width;
    let x = line.x + 8;
    pen.put_right(x, line.y, 6.min(right.saturating_sub(x)), &anomaly.duration.to_string(), base);
    pen.put_right(x + 6, line.y, 7.min(right.saturating_sub(x + 6)), &wording::sigma(anomaly.z), base);
    let at = format!("{}  trace {}", clock.time(anomaly.start), anomaly.id.trace.short());
    pen.put_start(x + 15, line.y, right.saturating_sub(x + 15 + AGE), &at, base);
    let age = wording::age(now.since(anomaly.start));
    pen.put_right(right.saturating_sub(AGE), line.y, AGE, &age, base);
}
