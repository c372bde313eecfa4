//! What is normal for the selected key, and how far from it things are now. Blocks that do not fit are left out, the
//! least important first: week, hour, distributions. The table and the verdict stay.

use ratatui::style::Style;

use super::pen::Pen;
use super::{charts, glyphs};
use crate::app::Clock;
use crate::app::keymap::Action;
use crate::app::layout::{Area, Pane, PaneArea};
use crate::app::{App, wording, wrap};
use crate::domain::{AlertKind, Level, Micros, NearMiss, Severity, Subject, Timestamp};
use crate::messages::{BaselineView, CellView, ChangedCell, RecalculationKind, RecalculationState, RejudgedAlerts};

const TABLE: u16 = 4;
const SHAPES: u16 = 4;
const HOUR: u16 = 8;
/// Columns of the week: the day's name and 24 hours.
const WEEK: u16 = 28;

pub fn draw(pen: &mut Pen<'_>, app: &App, area: PaneArea, stale: bool) {
    let focused = app.view.focus == Pane::Baseline;
    let view = shown(app);
    if let Some(title) = area.title {
        let remark = remark(app, view);
        pen.rule(title, "Baseline", pen.theme.title(focused), &remark, pen.theme.quiet());
    }
    let mut body = Area { x: area.body.x + 1, width: area.body.width.saturating_sub(1), ..area.body };
    if app.view.recalculation_open {
        let height = recalculation(app).len() as u16;
        recalculated(pen, app, body.below(body.height.saturating_sub(height)));
        body = body.top(body.height.saturating_sub(height));
    }
    let Some(view) = view else {
        return super::note(pen, Area { x: area.body.x, width: area.body.width, ..body }, waiting(app));
    };
    let verdict = verdict(app, body.width);
    let bottom = body.below(body.height.saturating_sub(verdict.len() as u16));
    for (row, text) in verdict.iter().enumerate() {
        pen.put_start(bottom.x, bottom.y + row as u16, bottom.width, text, Style::new());
    }
    let mut room = body.top(body.height - bottom.height.min(body.height));
    if stale {
        pen.tint(room, pen.theme.quiet());
    }
    table(pen, view, room);
    room = room.below(TABLE);
    // A line of air before a block, where there is room for both.
    if room.height > SHAPES && !view.histogram_edges_us.is_empty() {
        room = room.below(1);
        distributions(pen, view, room.top(SHAPES));
        room = room.below(SHAPES);
    }
    if room.height >= HOUR {
        room = room.below(u16::from(room.height > HOUR));
        hour_and_week(pen, view, room.top(room.height.min(HOUR + 3)));
    }
}

/// The baseline of the key that is selected; another key's is never shown.
pub fn shown(app: &App) -> Option<&BaselineView> {
    let wanted = app.baseline_key()?;
    app.topics.baseline.get().map(|view| &**view).filter(|view| view.key == *wanted)
}

fn remark(app: &App, view: Option<&BaselineView>) -> String {
    match (view, app.baseline_key()) {
        (Some(view), _) => format!("{}, {}", wording::key(&view.key), view.bucket),
        (None, Some(key)) => wording::key(key),
        (None, None) => String::new(),
    }
}

fn waiting(app: &App) -> &'static str {
    if app.baseline_key().is_some() {
        "Loading this baseline."
    } else if app.alerts.is_known() || app.topics.services.get().is_some() {
        "Select a row or a service to see what is normal for it."
    } else {
        "Waiting for the first poll."
    }
}

fn verdict(app: &App, width: u16) -> Vec<String> {
    if let Some(alert) = app.alerts.selected_alert(&app.view.alerts).filter(|_| app.view.trace.is_none()) {
        let text = format!("{} because {}", alert.severity, wording::arithmetic(alert));
        return wrap(&text, usize::from(width), 3);
    }
    match app.selected_anomaly() {
        Some(anomaly) if Some(&anomaly.key) == app.baseline_key() => {
            wrap(&wording::verdict(anomaly), usize::from(width), 3)
        }
        _ => Vec::new(),
    }
}

fn table(pen: &mut Pen<'_>, view: &BaselineView, area: Area) {
    const LABEL: u16 = 8;
    const NUMBER: u16 = 8;
    let plain = Style::new();
    let heads = area.line(0);
    if heads.is_empty() {
        return;
    }
    for (column, head) in ["p50", "p95", "p99", "n"].into_iter().enumerate() {
        pen.put_right(area.x + LABEL + NUMBER * column as u16, heads.y, NUMBER, head, pen.theme.quiet());
    }
    let from = LABEL + NUMBER * 4 + 2;
    pen.put(area.x + from, heads.y, area.width.saturating_sub(from), "from", pen.theme.quiet());
    let mut line = |row: u16, label: &str, numbers: Option<([Option<Micros>; 3], u64)>, source: &str| {
        if row >= area.height {
            return;
        }
        pen.put(area.x, area.y + row, LABEL, label, pen.theme.quiet());
        let Some((numbers, n)) = numbers else {
            // Without numbers their columns are free for the reason.
            let x = area.x + LABEL + 3;
            pen.put_start(x, area.y + row, area.width.saturating_sub(LABEL + 3), source, plain);
            return;
        };
        for (column, number) in numbers.into_iter().enumerate() {
            let x = area.x + LABEL + NUMBER * column as u16;
            pen.put_right(x, area.y + row, NUMBER, &super::duration(number), plain);
        }
        pen.put_right(area.x + LABEL + NUMBER * 3, area.y + row, NUMBER, &wording::count(n), plain);
        pen.put_start(area.x + from, area.y + row, area.width.saturating_sub(from), source, plain);
    };
    match &view.cell {
        Some(cell) => {
            let source = cell.level.describe(view.bucket);
            line(1, "normal", Some(([Some(cell.p50), Some(cell.p95), Some(cell.p99)], cell.samples)), &source);
        }
        None => {
            let note = view.note.as_deref().unwrap_or("not enough data");
            line(1, "normal", None, note);
        }
    }
    line(2, "now", Some(([view.now_p50, view.now_p95, view.now_p99], view.now_samples)), "last 5 min");
    if let (Some(cell), true) = (&view.cell, area.height >= TABLE) {
        cut_offs(pen, cell, view, area.below(3).top(2));
    }
}

/// `cut-offs  S5 260ms  S4 340ms  S3 480ms  S2 790ms  S1 1.6s`, mildest first; a star where a wider level lent it.
fn cut_offs(pen: &mut Pen<'_>, cell: &CellView, view: &BaselineView, area: Area) {
    let line = area.line(0);
    let right = line.x + line.width;
    let gap = if line.width < 66 { 1 } else { 2 };
    pen.put(line.x, line.y, line.width.min(8), "cut-offs", pen.theme.quiet());
    let mut x = line.x + 8 + gap;
    let mut borrowed: Option<Level> = None;
    for severity in Severity::ALL.into_iter().rev() {
        let (cut_off, level) = (cell.cut_offs[severity.index()], cell.cut_off_levels[severity.index()]);
        let lent = level > cell.level;
        if lent {
            borrowed = borrowed.max(Some(level));
        }
        x = pen.put(x, line.y, right.saturating_sub(x), &severity.to_string(), pen.theme.quiet()) + 1;
        let cut_off = cut_off.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let text = format!("{cut_off}{}", if lent { "*" } else { "" });
        x = pen.put(x, line.y, right.saturating_sub(x), &text, Style::new()) + gap;
    }
    if let Some(level) = borrowed {
        let text = format!("* from {}", level.describe(view.bucket));
        if x + pen.width(&text) <= right {
            pen.put(x, line.y, right - x, &text, pen.theme.quiet());
        } else if area.height > 1 {
            pen.put_right(line.x, line.y + 1, line.width, &text, pen.theme.quiet());
        }
    }
}

pub fn distributions(pen: &mut Pen<'_>, view: &BaselineView, area: Area) {
    const LABEL: u16 = 8;
    let (Some(first), Some(last)) = (view.histogram_edges_us.first(), view.histogram_edges_us.last()) else { return };
    let bins = view.histogram_edges_us.len() - 1;
    let room = usize::from(area.width.saturating_sub(LABEL));
    let columns = charts::share_columns(bins, room);
    let (low, high) = ((*first).max(1) as f64, (*last).max(2) as f64);
    let column = |us: u64| ((us.max(1) as f64 / low).ln() / (high / low).ln() * columns as f64) as i64;
    let quiet = pen.theme.quiet();
    let left = area.x + LABEL;
    let mut taken = 0;
    let label = |pen: &mut Pen<'_>, row: u16, us: u64, text: &str, taken: &mut i64| {
        let at = column(us);
        if at >= *taken && at + i64::from(pen.width(text)) <= room as i64 {
            let x = left + at as u16;
            let end = pen.put(x, area.y + row, room as u16 - at as u16, text, quiet);
            *taken = i64::from(end - left) + 1;
        }
    };
    for power in 0..=8u32 {
        let us = 10u64.pow(power);
        let text = match power {
            0..3 => format!("{us}us"),
            3..6 => format!("{}ms", us / 1_000),
            _ => format!("{}s", us / 1_000_000),
        };
        if us >= *first && us <= *last {
            label(pen, 0, us, &text, &mut taken);
        }
    }
    for (row, name, shares) in [(1, "normal", &view.histogram_normal), (2, "now", &view.histogram_now)] {
        pen.put(area.x, area.y + row, LABEL - 1, name, quiet);
        pen.put(left, area.y + row, room as u16, &charts::shares(shares, room), Style::new());
    }
    let Some(cell) = &view.cell else { return };
    taken = 0;
    let mark = |text: &str| format!("{}{text}", glyphs::MARK);
    for (us, text) in [
        (Some(cell.p50), "p50"),
        (cell.cut_offs[Severity::Sev3.index()], "S3"),
        (cell.cut_offs[Severity::Sev1.index()], "S1"),
    ] {
        let Some(us) = us else { continue };
        label(pen, 3, us.0, &mark(text), &mut taken);
    }
}

fn hour_and_week(pen: &mut Pen<'_>, view: &BaselineView, area: Area) {
    const LABEL: u16 = 6;
    const GAP: u16 = 3;
    let values = view.history_p99.len() as u16;
    let with_week = area.width >= LABEL + values + GAP + WEEK;
    let hour = if with_week { area.width - GAP - WEEK } else { area.width };
    let wide = if hour >= LABEL + values * 2 { 2 } else { 1 };
    let quiet = pen.theme.quiet();
    pen.put_start(area.x, area.y, hour, "p99, last hour", quiet);
    let normal = view.cell.as_ref().map(|cell| cell.p99);
    let most = view.history_p99.iter().flatten().copied().chain(normal.map(charts::twice)).max().unwrap_or_default();
    let chart = area.below(1).top(HOUR - 1);
    if most > Micros::ZERO {
        let height = usize::from(chart.height);
        let lines = charts::columns(&view.history_p99, most, height, wide);
        let normal_line = normal.map(|p99| {
            let share = p99.0 as f64 / most.0 as f64;
            height.saturating_sub(1).saturating_sub(((share * height as f64) as usize).min(height.saturating_sub(1)))
        });
        for (row, line) in lines.iter().enumerate() {
            let y = chart.y + row as u16;
            let level = normal_line == Some(row);
            let label = match (row, normal) {
                (_, Some(p99)) if level => p99.to_string(),
                (0, _) => most.to_string(),
                _ => String::new(),
            };
            pen.put_right(chart.x, y, LABEL - 1, &label, quiet);
            let line: String = if level {
                line.chars().map(|c| if c == ' ' { glyphs::RULE } else { c }).collect()
            } else {
                line.clone()
            };
            pen.put(chart.x + LABEL, y, hour.saturating_sub(LABEL), &line, Style::new());
            if level {
                let x = chart.x + LABEL + values * wide as u16 + 1;
                let room = (chart.x + hour).saturating_sub(x);
                pen.put(x, y, if room >= 6 { room } else { 0 }, "normal", quiet);
            }
        }
    } else {
        pen.put_start(chart.x, chart.y, hour, "no spans in the last hour", quiet);
    }
    if with_week {
        week(pen, view, Area { x: area.x + hour + GAP, width: WEEK, ..area });
    }
}

/// The 168 hours: darker is slower, the hour that answers now is reversed.
fn week(pen: &mut Pen<'_>, view: &BaselineView, area: Area) {
    let quiet = pen.theme.quiet();
    pen.put(area.x, area.y, WEEK, "p99 00    06    12    18", quiet);
    let shades = charts::shades(&view.week_p99);
    for day in 0..7u16 {
        let line = area.line(day + 1);
        if line.is_empty() {
            return;
        }
        let name = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][usize::from(day)];
        pen.put(line.x, line.y, 3, name, quiet);
        let hours: String =
            (0..24).map(|hour| shades.get(usize::from(day) * 24 + hour).copied().flatten().unwrap_or('·')).collect();
        pen.put(line.x + 4, line.y, 24, &hours, Style::new());
        if u16::from(view.bucket.day()) == day {
            pen.tint(Area::new(line.x + 4 + u16::from(view.bucket.hour()), line.y, 1, 1), pen.theme.here());
        }
    }
}

/// A line of the recalculation's result; the name at its end may be cut in its middle.
struct PanelLine {
    heading: bool,
    text: String,
    name: String,
}

impl PanelLine {
    fn heading(text: impl Into<String>) -> Self {
        Self { heading: true, text: text.into(), name: String::new() }
    }

    fn plain(text: impl Into<String>) -> Self {
        Self { heading: false, text: text.into(), name: String::new() }
    }
}

/// What the running or last recalculation brings, from the top of the area.
pub fn recalculated(pen: &mut Pen<'_>, app: &App, area: Area) {
    for (row, line) in recalculation(app).iter().enumerate().take(usize::from(area.height)) {
        let style = if line.heading { pen.theme.heading() } else { Style::new() };
        let y = area.y + row as u16;
        let x = pen.put_start(area.x, y, area.width, &line.text, style);
        pen.put(x, y, (area.x + area.width).saturating_sub(x), &line.name, style);
    }
}

/// The running or last recalculation.
fn recalculation(app: &App) -> Vec<PanelLine> {
    match app.topics.recalculation.get() {
        Some(RecalculationState::Running { keys_done, keys_total, .. }) if app.recalculation_is_running() => vec![
            PanelLine::heading(format!(
                "Recalculating: {keys_done} of {}",
                wording::plural(u64::from(*keys_total), "key")
            )),
            PanelLine::plain("The baselines in use stay until it is done; esc cancels."),
        ],
        Some(RecalculationState::Done {
            how,
            took,
            generation,
            keys,
            samples,
            changed,
            compared,
            largest,
            alerts,
            ..
        }) => {
            let moved = format!(
                "{} of {} moved their p99 by more than 10%",
                wording::count(u64::from(*changed)),
                wording::plural(u64::from(*compared), "bucket"),
            );
            let (keys, samples) = (wording::plural(u64::from(*keys), "key"), wording::plural(*samples, "sample"));
            let mut lines = vec![
                PanelLine::heading(wording::recalculated(*how, *generation)),
                PanelLine::plain(format!("{keys}, {samples}, {took}")),
                PanelLine::plain(moved),
            ];
            lines.extend(largest.iter().take(6).map(changed_cell));
            lines.extend(rejudged(alerts, app.clock()));
            let key = |action| app.keys().key_of(action);
            lines.push(PanelLine::plain(match how {
                RecalculationKind::Applied => format!("{} takes it back", key(Action::Undo)),
                RecalculationKind::Rehearsed => format!("{} applies it", key(Action::Recalculate)),
                RecalculationKind::TakenBack => format!("{} applies it again", key(Action::Undo)),
            }));
            lines
        }
        Some(RecalculationState::Cancelled) => {
            vec![PanelLine::heading("Recalculation cancelled: the baselines are as before.")]
        }
        Some(RecalculationState::Failed(why)) => vec![PanelLine::heading(format!("Recalculation failed: {why}"))],
        Some(RecalculationState::Never | RecalculationState::Running { .. }) | None => Vec::new(),
    }
}

/// What it means for the alerts of the last seven days.
fn rejudged(alerts: &RejudgedAlerts, clock: Clock) -> Vec<PanelLine> {
    let RejudgedAlerts { stand, vanish, unclear, vanished, appear, appeared } = alerts;
    let all = stand + vanish + unclear;
    if all + appear == 0 {
        return vec![PanelLine::plain("no alerts in the last 7 days to judge again")];
    }
    let alerts = wording::plural(u64::from(all), "alert");
    let text = format!("{alerts} of 7 days: {stand} stand, {vanish} would vanish, {unclear} unclear");
    let named = |at: Timestamp, severity: Severity, kind: AlertKind, subject: &Subject| PanelLine {
        heading: false,
        text: format!("  {} {severity}  {kind}  ", clock.date(at)),
        name: subject.to_string(),
    };
    let mut lines = vec![PanelLine::plain(text)];
    lines.extend(vanished.iter().map(|alert| named(alert.onset, alert.severity, alert.kind, &alert.subject)));
    if *appear > 0 {
        let text = format!("{} more would have appeared", wording::count(u64::from(*appear)));
        lines.push(PanelLine::plain(text));
        let of = |miss: &NearMiss| named(miss.numbers.window.from, miss.severity, miss.kind, &miss.subject);
        lines.extend(appeared.iter().map(of));
    }
    lines
}

fn changed_cell(cell: &ChangedCell) -> PanelLine {
    let change = (cell.p99_after.0 as f64 / cell.p99_before.0.max(1) as f64 - 1.0) * 100.0;
    let text = format!("  {}  {:>6} -> {:>6} {change:>+5.0}%  ", cell.bucket, cell.p99_before, cell.p99_after);
    PanelLine { heading: false, text, name: wording::key(&cell.key) }
}

/// The short form where panes are tabs: what the selected row of a list is about.
pub fn detail(pen: &mut Pen<'_>, app: &App, area: PaneArea, now: Timestamp) {
    let view = shown(app);
    if !app.view.led_by_services
        && let Some(incident) = app.alerts.selected_incident(&app.view.alerts)
    {
        if let Some(title) = area.title {
            let name = format!("Incident {}", incident.incident.id.0);
            pen.rule(title, &name, Style::new(), "", pen.theme.quiet());
        }
        let body = Area { x: area.body.x + 1, width: area.body.width.saturating_sub(2), ..area.body };
        let lines = crate::app::analysis::lines(app, usize::from(body.width), now);
        return super::analysis::text(pen, &lines, body);
    }
    if let Some(title) = area.title {
        let name = app.baseline_key().map(wording::key).unwrap_or_default();
        let right = view.map_or_else(String::new, |view| view.bucket.to_string());
        pen.rule(title, &name, Style::new(), &right, pen.theme.quiet());
    }
    let body = Area { x: area.body.x + 1, width: area.body.width.saturating_sub(2), ..area.body };
    let Some(view) = view else {
        return super::note(pen, area.body, waiting(app));
    };
    table(pen, view, body.top(TABLE));
    let mut rest = body.below(TABLE);
    let verdict = verdict(app, rest.width);
    for text in &verdict {
        pen.put_start(rest.x, rest.y, if rest.is_empty() { 0 } else { rest.width }, text, Style::new());
        rest = rest.below(1);
    }
    if rest.is_empty() {
        return;
    }
    let hour = charts::durations(&view.history_p99, view.cell.as_ref().map(|cell| cell.p99));
    let x = pen.put(rest.x, rest.y, rest.width, "p99, last hour ", pen.theme.quiet());
    pen.put(x + 1, rest.y, (rest.x + rest.width).saturating_sub(x + 1), &hour, Style::new());
    rest = rest.below(1);
    // What is left is for the model's last words; the whole text is a tab away.
    if app.shown_analysis().is_some_and(|analysis| !analysis.text.is_empty()) {
        let lines = crate::app::analysis::lines(app, usize::from(rest.width), now);
        let from = lines.len().saturating_sub(usize::from(rest.height));
        super::analysis::text(pen, &lines[from..], rest);
    }
}
