//! One operation over time: as a heatmap, percentiles, errors, rate, against the weeks before, and by hour of the day.

use super::Clock;
use super::keymap::{Action, Place};
use super::layout::{Shape, TraceLayout};
use super::{App, Effect, Page, TraceCursor, compare, list, span, wording};
use crate::domain::{Anomaly, Micros, Severity, SpanKey, TimeWindow, Timestamp};
use crate::messages::{
    CommandKind, TrendAlert, TrendColumn, TrendDay, TrendNumbers, TrendRange, TrendSource, TrendsView, TrendsWanted,
};

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrendPlot {
    #[default]
    Heatmap,
    Percentiles,
    Errors,
    Rate,
    Weeks,
    Days,
}

/// What a person did on the page.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendsCursor {
    /// The page stays on it.
    pub key: SpanKey,
    pub plot: TrendPlot,
    pub range: TrendRange,
    /// The moment under the cursor; the newest column where nobody moved it.
    at: Option<Timestamp>,
    /// Which of the slow calls there is chosen.
    slow: usize,
}

/// Columns left of a plot for the labels of its rows, and right of it.
pub const LABELS: u16 = 8;
const MARGIN: u16 = 1;
const HOUR: Micros = Micros::from_secs(3_600);
/// Edges of rows within a decade, the finest first.
const LADDERS: [&[f64]; 5] = [
    &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
    &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
    &[1.0, 2.0, 5.0],
    &[1.0, 3.0],
    &[1.0],
];

impl TrendPlot {
    pub const ALL: [Self; 6] = [Self::Heatmap, Self::Percentiles, Self::Errors, Self::Rate, Self::Weeks, Self::Days];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heatmap => "heatmap",
            Self::Percentiles => "percentiles",
            Self::Errors => "errors",
            Self::Rate => "rate",
            Self::Weeks => "weeks",
            Self::Days => "days",
        }
    }

    fn moved(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|plot| *plot == self).unwrap_or(0);
        Self::ALL.get((at + by) % Self::ALL.len()).copied().unwrap_or(self)
    }
}

impl TrendsCursor {
    #[must_use]
    pub const fn new(key: SpanKey) -> Self {
        Self { key, plot: TrendPlot::Heatmap, range: TrendRange::SixHours, at: None, slow: 0 }
    }

    /// The moment under the cursor.
    #[must_use]
    pub fn moment(&self, view: &TrendsView) -> Timestamp {
        let newest = view.window.to.saturating_sub(Micros(1));
        self.at.map_or(newest, |at| at.clamp(view.window.from, newest))
    }

    /// The stretch under the cursor, also where nothing is known.
    #[must_use]
    pub fn stretch(&self, view: &TrendsView) -> TimeWindow {
        let at = self.moment(view);
        if let Some(column) = view.column_at(at) {
            return column.window;
        }
        let step = view.step.0.max(1);
        let from = view.window.from + Micros(at.since(view.window.from).0 / step * step);
        TimeWindow::new(from, from + view.step)
    }

    fn go_to(&mut self, at: Timestamp, view: &TrendsView) {
        let is_newest = at >= view.window.to;
        let kept = Self { at: Some(at), slow: 0, ..self.clone() };
        let stretch = kept.stretch(view);
        let before = self.stretch(view);
        // At the newest column it follows what comes.
        let at = (!is_newest && stretch.to < view.window.to).then_some(stretch.from);
        if before != stretch {
            self.slow = 0;
        }
        self.at = at;
    }

    /// The slow call that is chosen at the cursor.
    #[must_use]
    pub fn slow<'a>(&self, view: &'a TrendsView) -> Option<(usize, &'a Anomaly)> {
        let slow = &view.column_at(self.moment(view))?.slow;
        let at = self.slow.min(slow.len().saturating_sub(1));
        slow.get(at).map(|anomaly| (at, anomaly))
    }
}

/// How many columns a screen has room for.
#[must_use]
pub fn columns(size: (u16, u16)) -> u16 {
    let beside = if Shape::of(size) == Shape::Narrow { 2 } else { LABELS + MARGIN };
    size.0.saturating_sub(beside).max(1)
}

/// What is known of the page's operation and range; another's is never shown.
#[must_use]
pub fn shown<'a>(app: &'a App, cursor: &TrendsCursor) -> Option<&'a TrendsView> {
    let view = app.topics.trends.get().map(|view| &**view)?;
    (view.wanted.key == cursor.key && view.wanted.range == cursor.range).then_some(view)
}

/// Edges of rows on a logarithmic scale from `low` to `high`, ascending: at most `rows` rows.
#[must_use]
pub fn scale(low: u64, high: u64, rows: usize) -> Vec<u64> {
    let (low, high) = (low.max(1) as f64, high.max(low + 1).max(2) as f64);
    let on = |ladder: &[f64], decades: i32| {
        let first = low.log10().floor() as i32;
        let start = first.div_euclid(decades) * decades;
        let mut edges: Vec<u64> = Vec::new();
        let mut power = start;
        while power <= 32 {
            for step in ladder {
                let edge = (step * 10f64.powi(power)).round() as u64;
                // The last edge at or below the lowest is the first.
                if edge as f64 <= low {
                    edges.clear();
                }
                if edges.last().is_none_or(|last| *last < edge) {
                    edges.push(edge.max(1));
                }
                if edge as f64 >= high {
                    return edges;
                }
            }
            power += decades;
        }
        edges
    };
    let fits = |edges: &Vec<u64>| edges.len().saturating_sub(1) <= rows.max(1);
    LADDERS
        .iter()
        .map(|ladder| on(ladder, 1))
        .chain([2, 4, 8].map(|decades| on(&[1.0], decades)))
        .find(fits)
        .unwrap_or_else(|| vec![low as u64, high as u64])
}

/// The lowest and the highest duration that a plot shows.
#[must_use]
pub fn extent(view: &TrendsView, plot: TrendPlot) -> (u64, u64) {
    let mut extent: Option<(u64, u64)> = None;
    let mut meet = |low: u64, high: u64| {
        let (least, most) = extent.unwrap_or((low, high));
        extent = Some((least.min(low), most.max(high)));
    };
    for column in &view.columns {
        if plot == TrendPlot::Heatmap {
            let ends = column.durations.iter().next().zip(column.durations.iter().next_back());
            if let Some(((first, _), (last, _))) = ends {
                meet(crate::domain::lower_edge(first), crate::domain::lower_edge(last + 1));
            }
        } else if let Some([p50, _, p99]) = column.numbers.percentiles {
            meet(p50.0, p99.0 + 1);
        }
        if let (TrendPlot::Percentiles, Some(normal)) = (plot, &column.normal) {
            meet(normal.p50.0, normal.p99.0 + 1);
        }
    }
    extent.unwrap_or((1_000, 1_000_000))
}

/// The worst alert within a stretch, and whether it is about the operation itself.
#[must_use]
pub fn alert_in(view: &TrendsView, stretch: TimeWindow) -> Option<&TrendAlert> {
    let lasts =
        |alert: &&TrendAlert| alert.onset < stretch.to && alert.closed.is_none_or(|closed| closed >= stretch.from);
    view.alerts.iter().filter(lasts).min_by_key(|alert| (alert.severity, !alert.own))
}

/// Whether any of the windows reaches into a stretch.
#[must_use]
pub fn is_within(windows: &[TimeWindow], stretch: TimeWindow) -> bool {
    windows.iter().any(|window| window.from < stretch.to && stretch.from < window.to)
}

/// Where the numbers come from.
#[must_use]
pub fn source(view: &TrendsView, clock: Clock) -> String {
    let of = |source| view.columns.iter().any(|column| column.source == source);
    let from = view.minutes_from.filter(|from| *from > view.window.from).map(|from| {
        if view.window.length() > Micros::from_secs(86_400) { clock.date(from) } else { clock.short(from) }
    });
    match (of(TrendSource::Minutes), of(TrendSource::Hours), from) {
        _ if !view.stored => "reading the store".to_owned(),
        (_, true, Some(from)) => format!("hours, minutes from {from}"),
        (_, true, None) => "hours that were learnt".to_owned(),
        (true, false, Some(from)) => format!("minutes from {from}"),
        (true, false, None) => "by the minute".to_owned(),
        (false, false, _) => "nothing is known yet".to_owned(),
    }
}

fn three(values: [Micros; 3]) -> String {
    values.map(|value| value.to_string()).join(" / ")
}

/// The stretch as a person reads it: `03:08-03:12Z`, with the day where the plot is longer than one.
#[must_use]
pub fn when(view: &TrendsView, stretch: TimeWindow, clock: Clock) -> String {
    let from = if view.window.length() > Micros::from_secs(86_400) {
        clock.date(stretch.from)
    } else {
        clock.short(stretch.from)
    };
    clock.stretch(&from, &clock.short(stretch.to))
}

fn numbers(column: &TrendColumn) -> String {
    let TrendNumbers { n, per_s, percentiles } = column.numbers;
    let Some([p50, p95, p99]) = percentiles else { return "no calls".to_owned() };
    let errors = match column.errors {
        0 => "no errors".to_owned(),
        errors => {
            format!("{} ({})", wording::plural(errors, "error"), wording::percent(errors as f64 / n.max(1) as f64))
        }
    };
    format!("p50 {p50}  p95 {p95}  p99 {p99}   n {} ({}/s)   {errors}", wording::count(n), wording::rate(per_s))
}

/// What is normal at the cursor, and how many are above it.
fn normal(column: &TrendColumn) -> String {
    let Some(normal) = &column.normal else { return "normal: not enough is learnt of these hours".to_owned() };
    let of = match normal.bucket {
        Some(bucket) => normal.level.describe(bucket),
        None => "of its hours".to_owned(),
    };
    let above = match (column.above, column.numbers.n) {
        (Some(above), n @ 1..) => format!(
            "   {} > p99, {} expected",
            wording::count(above.round() as u64),
            wording::expected(n as f64 * 0.01)
        ),
        _ => String::new(),
    };
    let values = three([normal.p50, normal.p95, normal.p99]);
    format!("normal {of}: {values}, n {}, {}/s{above}", wording::count(normal.samples), wording::rate(normal.per_s))
}

fn week_before(column: &TrendColumn) -> Option<String> {
    let TrendNumbers { n, percentiles, .. } = column.weeks.first().copied().flatten()?;
    Some(match percentiles {
        Some(values) => format!("same hour last week: {}, n {}", three(values), wording::count(n)),
        None => "same hour last week: no calls".to_owned(),
    })
}

fn groups(column: &TrendColumn) -> Option<String> {
    let groups = column.groups?;
    let told = groups.map(|group| {
        let how = match &column.normal {
            Some(normal) if group.median > normal.p99 => " (above the normal p99)",
            Some(normal) if group.median < Micros(normal.p50.0 / 2) => " (below half the normal p50)",
            Some(_) => " (normal)",
            None => "",
        };
        format!("{} near {}{how}", wording::percent(group.share), group.median)
    });
    Some(format!("two groups: {}", told.join(", ")))
}

fn alerts(view: &TrendsView, stretch: TimeWindow, clock: Clock) -> Option<String> {
    let lasts =
        |alert: &&TrendAlert| alert.onset < stretch.to && alert.closed.is_none_or(|closed| closed >= stretch.from);
    let mut there: Vec<&TrendAlert> = view.alerts.iter().filter(lasts).collect();
    there.sort_by_key(|alert| (!alert.own, alert.severity, alert.onset));
    let more = there.len().saturating_sub(2);
    let told: Vec<String> = there
        .iter()
        .take(2)
        .map(|alert| {
            let of = if alert.own { "" } else { " of its service" };
            let end = alert.closed.map_or_else(String::new, |closed| format!(" to {}", clock.short(closed)));
            format!("{} {}{of} since {}{end}", alert.severity, alert.kind, clock.short(alert.onset))
        })
        .collect();
    let more = if more > 0 { format!(", {more} more") } else { String::new() };
    (!told.is_empty()).then(|| format!("alerts: {}{more}", told.join(", ")))
}

fn slow(column: &TrendColumn, chosen: usize) -> Option<String> {
    let calls: Vec<String> = column
        .slow
        .iter()
        .enumerate()
        .map(|(at, anomaly)| {
            let id = anomaly.id.trace.to_string();
            let id = id.get(..7).unwrap_or(&id).to_owned();
            let mark = if at == chosen { "▸" } else { " " };
            format!("{mark}{} {} {id}", anomaly.severity, anomaly.duration)
        })
        .collect();
    (!calls.is_empty()).then(|| format!("slow calls recorded here: {}", calls.join("  ")))
}

/// Why hours tell less than minutes.
fn hours(view: &TrendsView, column: &TrendColumn, stretch: TimeWindow) -> Option<String> {
    if column.source == TrendSource::Minutes {
        return None;
    }
    let known = Micros::from_secs(u64::from(column.known_s));
    let out = if is_within(&view.left_out, stretch) { "; alerts and maintenance are left out" } else { "" };
    Some(format!("{known} of this time were learnt{out}"))
}

/// What is told at the cursor, the most important first.
#[must_use]
pub fn lines(app: &App, cursor: &TrendsCursor) -> Vec<String> {
    let Some(view) = shown(app, cursor) else { return Vec::new() };
    if cursor.plot == TrendPlot::Days {
        return days(view);
    }
    let stretch = cursor.stretch(view);
    let Some(column) = view.column_at(cursor.moment(view)) else {
        return vec!["Nothing is known of this time: it was not watched, or not learnt.".to_owned()];
    };
    let mut lines = vec![numbers(column)];
    lines.push(normal(column));
    let before = week_before(column);
    if cursor.plot == TrendPlot::Weeks {
        lines.extend(before.clone());
    }
    lines.extend(hours(view, column, stretch));
    lines.extend(groups(column));
    let chosen = cursor.slow(view).map_or(0, |(at, _)| at);
    lines.extend(slow(column, chosen));
    lines.extend(alerts(view, stretch, app.clock()));
    if cursor.plot != TrendPlot::Weeks {
        lines.extend(before);
    }
    if is_within(&view.maintenance, stretch) {
        lines.push("Maintenance: nothing is learnt of it.".to_owned());
    }
    lines
}

/// In which hour of the day most alerts were open, and what the picture counts.
fn days(view: &TrendsView) -> Vec<String> {
    if !view.stored || view.days.is_empty() {
        return vec!["Reading the last 30 days.".to_owned()];
    }
    let alerted = |hour: usize| view.days.iter().filter(|day| alert_of(day, hour).is_some()).count();
    let records = |hour: usize| view.days.iter().map(|day| records_of(day, hour)).sum::<u32>();
    let worst = (0..24).max_by_key(|hour| (alerted(*hour), records(*hour), std::cmp::Reverse(*hour))).unwrap_or(0);
    let all: u32 = (0..24).map(records).sum();
    let told = match (alerted(worst), records(worst)) {
        (0, 0) => "No alert and no span of SEV1 or SEV2 in the last 30 days.".to_owned(),
        (0, n) => format!("No alert. Most spans of SEV1 or SEV2 at {worst:02}h: {n} of {all}."),
        (days, n) => format!(
            "Most alerts at {worst:02}h: on {} of {}; spans of SEV1 or SEV2 then: {n} of {all}.",
            wording::plural(days as u64, "day"),
            view.days.len()
        ),
    };
    vec![
        told,
        "By local hour the worst alert of the operation or of its service.".to_owned(),
        "Recorded spans are at most 50 of each severity an hour.".to_owned(),
    ]
}

#[must_use]
pub fn alert_of(day: &TrendDay, hour: usize) -> Option<Severity> {
    day.hours.get(hour).and_then(|(worst, _)| *worst)
}

#[must_use]
pub fn records_of(day: &TrendDay, hour: usize) -> u32 {
    day.hours.get(hour).map_or(0, |(_, records)| *records)
}

/// The numbers at the cursor, for a chat.
#[must_use]
pub fn copied(app: &App, cursor: &TrendsCursor) -> Option<String> {
    let view = shown(app, cursor)?;
    let told = lines(app, cursor);
    let mut lines: Vec<String> = told.into_iter().map(|line| line.replace('▸', "").replace("  ", " ")).collect();
    let stretch = cursor.stretch(view);
    if cursor.plot != TrendPlot::Days {
        lines.insert(0, format!("{}: {}", app.clock().date(stretch.from), when(view, stretch, app.clock())));
        let trace = cursor.slow(view).map(|(_, anomaly)| format!("trace: {}", anomaly.id.trace));
        lines.extend(trace);
    }
    lines.insert(0, wording::key(&cursor.key));
    Some(lines.join("\n"))
}

impl App {
    /// The page, if it is what is shown.
    #[must_use]
    pub fn trends(&self) -> Option<&TrendsCursor> {
        match self.page()? {
            Page::Trends(cursor) => Some(cursor),
            _ => None,
        }
    }

    fn trends_mut(&mut self) -> Option<&mut TrendsCursor> {
        match self.view.pages.shown_mut(self.view.trace.is_some())? {
            Page::Trends(cursor) => Some(cursor),
            _ => None,
        }
    }

    /// The operation of what is selected here.
    pub(super) fn operation_at_hand(&self) -> Option<SpanKey> {
        match self.place() {
            Place::Trace | Place::Span => span::key_at_hand(self).cloned(),
            Place::Compare | Place::Attributes => {
                let cursor = self.view.trace.as_ref()?.compare?;
                let view = compare::shown(self)?;
                let (row, _) = cursor.place(view, TraceLayout::of(self.size).page());
                view.rows.get(row).map(|row| row.key.clone()).or_else(|| view.operation.clone())
            }
            Place::Trends => self.trends().map(|cursor| cursor.key.clone()),
            Place::Week => self.week_key().cloned(),
            _ => self.baseline_key().cloned(),
        }
    }

    pub(super) fn show_trends(&mut self, now: Timestamp) {
        match self.operation_at_hand() {
            Some(key) => self.open_trends(key),
            None => self.say("No operation is selected: select an alert, a span, or a service with calls.", false, now),
        }
    }

    /// Lays the page of an operation over everything.
    pub fn open_trends(&mut self, key: SpanKey) {
        self.view.pages.open(Page::Trends(TrendsCursor::new(key)), self.view.trace.is_some());
    }

    /// Asks for what the page shows, once per change; and for nothing when it is left.
    pub(super) fn follow_trends(&mut self, effects: &mut Vec<Effect>) {
        let wanted = self.trends().map(|cursor| TrendsWanted {
            key: cursor.key.clone(),
            range: cursor.range,
            columns: columns(self.size),
            days: cursor.plot == TrendPlot::Days,
        });
        if wanted != self.view.trends_asked {
            effects.push(Effect::Send(CommandKind::ShowTrends { wanted: wanted.clone() }));
            self.view.trends_asked = wanted;
        }
    }

    /// What keys do that move within the page.
    pub(super) fn go_in_trends(&mut self, action: Action) {
        let Some(cursor) = self.trends() else { return };
        let mut cursor = cursor.clone();
        match action {
            Action::NextPlot => cursor.plot = cursor.plot.moved(1),
            Action::PreviousPlot => cursor.plot = cursor.plot.moved(TrendPlot::ALL.len() - 1),
            Action::ZoomIn => cursor.range = cursor.range.shorter(),
            Action::ZoomOut => cursor.range = cursor.range.longer(),
            _ => {
                let Some(view) = shown(self, &cursor) else { return };
                let here = cursor.stretch(view);
                match action {
                    Action::ColumnBack => cursor.go_to(here.from.saturating_sub(Micros(1)), view),
                    Action::ColumnForward => cursor.go_to(here.to, view),
                    Action::HourBack => cursor.go_to(here.from.saturating_sub(HOUR.max(view.step)), view),
                    Action::HourForward => cursor.go_to(here.from + HOUR.max(view.step), view),
                    Action::First => cursor.go_to(view.window.from, view),
                    Action::Last => cursor.go_to(view.window.to, view),
                    _ => {
                        let calls = view.column_at(cursor.moment(view)).map_or(0, |column| column.slow.len());
                        cursor.slow = list::moved(action, cursor.slow.min(calls), calls, calls);
                    }
                }
            }
        }
        if let Some(there) = self.trends_mut() {
            *there = cursor;
        }
    }

    fn slow_call(&mut self, now: Timestamp) -> Option<Anomaly> {
        let cursor = self.trends()?;
        let found = shown(self, cursor).and_then(|view| cursor.slow(view)).map(|(_, anomaly)| anomaly.clone());
        if found.is_none() {
            self.say("No slow call was recorded here; ← and → move to other columns.", false, now);
        }
        found
    }

    /// Opens the trace of the slow call that is chosen at the cursor.
    pub(super) fn open_slow_call(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(anomaly) = self.slow_call(now) else { return };
        effects.push(Effect::Send(CommandKind::ShowTrace { trace: anomaly.id.trace }));
        self.view.alerts.hold(anomaly.clone());
        self.trace.open(&anomaly);
        self.view.trace = Some(TraceCursor::new(anomaly));
        self.view.pages.go_under_trace();
        self.arrange(now);
    }

    pub(super) fn compare_slow_call(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.open_slow_call(now, effects);
        if self.trends().is_none()
            && let Some(cursor) = &mut self.view.trace
        {
            cursor.compare = Some(cursor.compare.unwrap_or_default().showing(false));
        }
    }

    pub(super) fn analyse_slow_call(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.lost.is_some() {
            self.say("The monitor ended, so nothing can be analysed; quit and start again.", true, now);
            return;
        }
        let Some(anomaly) = self.slow_call(now) else { return };
        effects.push(Effect::Send(CommandKind::StartAnalysis { anomaly: anomaly.id }));
        self.view.asked = Some(anomaly.id);
        self.view.analysis_top = None;
        self.analysis_cancelled = false;
        self.view.alerts.hold(anomaly);
        self.say("Asked for the analysis; esc goes back to it.", false, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_round_durations_and_as_many_as_fit() {
        assert_eq!(
            scale(4_500, 9_000_000, 12),
            [
                2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
                10_000_000
            ]
        );
        assert_eq!(
            scale(4_500, 9_000_000, 7),
            [3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]
        );
        assert_eq!(scale(10_000, 20_000, 10), [10_000, 12_000, 15_000, 20_000]);
        for rows in 1..40 {
            for (low, high) in [(0, 0), (1, 2), (3, 3_600_000_000), (999, 1_001), (1, u64::MAX)] {
                let edges = scale(low, high, rows);
                assert!(edges.len() - 1 <= rows && edges.is_sorted_by(|a, b| a < b), "{low} {high} {rows}: {edges:?}");
                assert!(edges[0] <= low.max(1) && edges[edges.len() - 1] as f64 >= high as f64 * 0.99, "{edges:?}");
            }
        }
    }
}
