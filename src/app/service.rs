//! The page of one service: its operations, how it fails, what was slow, and who is beside it.

use std::sync::Arc;

use super::Clock;
use super::keymap::{Action, Place};
use super::layout::{Area, Shape};
use super::page::Page;
use super::{App, Effect, TraceCursor, list, wording};
use crate::domain::{Anomaly, Micros, Severity, SpanKey, Timestamp};
use crate::messages::{CommandKind, EdgeView, FailuresView, Means, OperationView, Pace, ServicePageView, ServiceState};

/// What a person did on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceCursor {
    pub service: Arc<str>,
    pub part: Part,
    pub sort: Sort,
    /// The operation that was chosen; the first while none was.
    pub operation: Option<SpanKey>,
    /// The first visible operation.
    pub top: usize,
    /// The row of another part, and its first visible one.
    pub row: usize,
    pub row_top: usize,
}

/// The lists of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    #[default]
    Operations,
    Failures,
    Slow,
    Neighbours,
}

/// What the operations are sorted by; the largest first, but for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    TimesNormal,
    Rate,
    Errors,
    P99,
    SelfTime,
    Name,
}

/// A list, and the row of it that is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListArea {
    pub title: Area,
    pub heads: Area,
    pub rows: Area,
}

/// Where what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceLayout {
    pub shape: Shape,
    pub title: Area,
    pub summary: Area,
    pub operations: ListArea,
    pub distribution: Option<ListArea>,
    /// The other lists; where not all are seen at once, all are in the same place.
    pub failures: ListArea,
    pub slow: ListArea,
    pub neighbours: ListArea,
    pub gutter: Option<Area>,
    /// What is chosen, in words.
    pub detail: Area,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Operations, Self::Failures, Self::Slow, Self::Neighbours];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operations => "Operations",
            Self::Failures => "Errors",
            Self::Slow => "Slow spans",
            Self::Neighbours => "Neighbours",
        }
    }
}

impl Sort {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimesNormal => "xNORM",
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::P99 => "p99",
            Self::SelfTime => "self time",
            Self::Name => "name",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::TimesNormal => Self::Rate,
            Self::Rate => Self::Errors,
            Self::Errors => Self::P99,
            Self::P99 => Self::SelfTime,
            Self::SelfTime => Self::Name,
            Self::Name => Self::TimesNormal,
        }
    }

    /// What is unknown comes last; what is the same is in the order of names.
    fn value(self, view: &OperationView) -> f64 {
        let micros = |duration: Option<Micros>| duration.map(|duration| duration.0 as f64);
        let value = match self {
            Self::TimesNormal => view.times_normal,
            Self::Rate => Some(view.per_s),
            Self::Errors => view.error_share,
            Self::P99 => micros(view.p99),
            Self::SelfTime => micros(view.self_time),
            Self::Name => None,
        };
        value.unwrap_or(-1.0)
    }
}

/// A list with its title and its heads.
const fn listed(area: Area) -> ListArea {
    ListArea { title: area.line(0), heads: area.line(1), rows: area.below(2) }
}

impl ServiceLayout {
    #[must_use]
    pub fn of(size: (u16, u16)) -> Self {
        let screen = Area::new(0, 0, size.0, size.1);
        let shape = Shape::of(size);
        let mut layout = Self {
            shape,
            title: screen.line(0),
            summary: screen.line(1),
            operations: ListArea::default(),
            distribution: None,
            failures: ListArea::default(),
            slow: ListArea::default(),
            neighbours: ListArea::default(),
            gutter: None,
            detail: Area::default(),
        };
        if shape != Shape::Four {
            let (head, footer, detail) =
                if shape == Shape::Tabs { (2, if size.1 >= 12 { 2 } else { 1 }, 1) } else { (1, 1, 0) };
            let body = screen.below(head).top(size.1.saturating_sub(head + footer + detail));
            layout.detail = screen.below(size.1.saturating_sub(footer + detail)).top(detail);
            let all = if shape == Shape::Tabs {
                listed(body)
            } else {
                layout.summary = Area::default();
                ListArea { title: body.line(0), heads: Area::default(), rows: body.below(1) }
            };
            (layout.operations, layout.failures, layout.slow, layout.neighbours) = (all, all, all, all);
            return layout;
        }
        let body = screen.below(2).top(size.1 - 5);
        layout.detail = screen.line(size.1 - 3);
        let upper = body.height * 2 / 5;
        layout.operations = listed(body.top(upper));
        let lower = body.below(upper);
        let left = Area { width: (lower.width - 3) / 2, ..lower };
        let right = Area { x: left.width + 3, width: lower.width - left.width - 3, ..lower };
        let chart = 6;
        layout.distribution =
            Some(ListArea { title: left.line(0), heads: Area::default(), rows: left.below(1).top(4) });
        layout.slow = listed(left.below(chart));
        let half = right.height / 2;
        layout.failures = listed(right.top(half));
        layout.neighbours = listed(right.below(half));
        layout.gutter = Some(Area::new(left.width + 1, lower.y, 1, lower.height));
        layout
    }

    #[must_use]
    pub const fn list(&self, part: Part) -> ListArea {
        match part {
            Part::Operations => self.operations,
            Part::Failures => self.failures,
            Part::Slow => self.slow,
            Part::Neighbours => self.neighbours,
        }
    }

    /// Whether all lists are seen at once.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.shape == Shape::Four
    }
}

/// What is known of the service that the page is about; another's is never shown.
#[must_use]
pub fn shown<'a>(app: &'a App, cursor: &ServiceCursor) -> Option<&'a ServicePageView> {
    app.topics.service.get().map(|view| &**view).filter(|view| view.service == cursor.service)
}

/// The operations in the order in which they are shown.
#[must_use]
pub fn operations(view: &ServicePageView, sort: Sort) -> Vec<&OperationView> {
    let mut operations: Vec<&OperationView> = view.operations.iter().collect();
    operations.sort_by(|a, b| sort.value(b).total_cmp(&sort.value(a)).then_with(|| a.key.cmp(&b.key)));
    operations
}

/// The place of the chosen operation among them.
#[must_use]
pub fn chosen(cursor: &ServiceCursor, operations: &[&OperationView]) -> usize {
    let is_chosen = |view: &&OperationView| Some(&view.key) == cursor.operation.as_ref();
    operations.iter().position(is_chosen).unwrap_or(0)
}

/// How many rows a part has.
#[must_use]
pub fn count(view: &ServicePageView, part: Part) -> usize {
    match part {
        Part::Operations => view.operations.len(),
        Part::Failures => failure_rows(&view.failures).len(),
        Part::Slow => view.kept.len(),
        Part::Neighbours => view.neighbours.len(),
    }
}

/// One row of the failures.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureLine<'a> {
    pub text: &'a str,
    pub count: u64,
    pub share: f64,
    pub last: Option<Timestamp>,
    pub is_new: bool,
    /// Of the operation that has most of them.
    pub operation: Option<&'a SpanKey>,
    pub operations: u32,
    /// It is counted together, not a message.
    pub is_sum: bool,
}

/// Messages, and what has none of its own, the most frequent first.
#[must_use]
pub fn failure_rows(view: &FailuresView) -> Vec<FailureLine<'_>> {
    let share = |count: u64| count as f64 / view.failed.max(1) as f64;
    let sum = |text: &'static str, count: u64| FailureLine {
        text,
        count,
        share: share(count),
        last: None,
        is_new: false,
        operation: None,
        operations: 0,
        is_sum: true,
    };
    let mut rows: Vec<FailureLine<'_>> = view
        .rows
        .iter()
        .map(|row| FailureLine {
            text: row.message.as_deref().unwrap_or("(says nothing)"),
            count: row.count,
            share: share(row.count),
            last: Some(row.last),
            is_new: row.is_new,
            operation: Some(&row.operation),
            operations: row.operations,
            is_sum: row.message.is_none(),
        })
        .collect();
    if view.passed_on > 0 {
        rows.push(sum("(passed on: a call below it failed)", view.passed_on));
    }
    if view.uncounted > 0 {
        rows.push(sum("(other messages)", view.uncounted));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

/// `for an hour`, `since 03:04:10Z`
#[must_use]
pub fn failures_span(view: &FailuresView, now: Timestamp, clock: Clock) -> String {
    if now.since(view.since) >= Micros::from_secs(59 * 60) {
        "last hour".to_owned()
    } else {
        format!("since {}", clock.short(view.since))
    }
}

/// `S1, worst of 2 alerts`, `learning`, `no spans for 12m`
#[must_use]
pub fn state(view: &ServicePageView, now: Timestamp) -> String {
    let Some(summary) = &view.summary else {
        return match view.metrics {
            Some(seen) => format!("no span was ever seen, {}", wording::plural(u64::from(seen.metrics), "metric")),
            None => "nothing is known of it".to_owned(),
        };
    };
    match summary.state {
        ServiceState::Absent => summary.last_seen.map_or_else(
            || "absent: no spans since the start".to_owned(),
            |at| format!("absent: no spans for {}", wording::age(now.since(at))),
        ),
        ServiceState::Learning => "learning".to_owned(),
        ServiceState::Judged if view.alerts.is_empty() => "no open alert".to_owned(),
        ServiceState::Judged => wording::plural(view.alerts.len() as u64, "open alert"),
    }
}

/// Rates and errors in the header, in fewer and fewer words.
#[must_use]
pub fn figures(view: &ServicePageView) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(requests) = &view.requests {
        let normal =
            requests.normal_per_s.map_or_else(String::new, |normal| format!(" (normal {})", wording::rate(normal)));
        parts.push(format!("{} req/s{normal}", wording::rate(requests.per_s)));
        parts.extend(requests.error_share.map(|share| format!("{} of them failed", wording::percent(share))));
    }
    if let Some(summary) = &view.summary {
        parts.push(format!("{} spans/s", wording::rate(summary.spans_per_s)));
    }
    (1..=parts.len()).rev().map(|n| parts[..n].join("  ")).collect()
}

/// What is worst about it, in one line.
#[must_use]
pub fn headline(view: &ServicePageView) -> Option<(Severity, String)> {
    let alert = view.alerts.first()?;
    let detail = if alert.detail.is_empty() { String::new() } else { format!(" ({})", alert.detail) };
    Some((
        alert.severity,
        format!("{} {}, {}{detail}: {}", alert.severity, alert.subject, alert.kind, wording::arithmetic(alert)),
    ))
}

/// An operation in one line, with what its row leaves out.
#[must_use]
pub fn operation_text(view: &OperationView) -> String {
    let duration = |duration: Option<Micros>| duration.map_or_else(|| "-".to_owned(), |duration| duration.to_string());
    let mut text = format!(
        "{}: p50 {} p95 {} p99 {}",
        view.key.operation,
        duration(view.p50),
        duration(view.p95),
        duration(view.p99)
    );
    match view.normal_p99 {
        Some(normal) => text.push_str(&format!(" (normal p99 {normal})")),
        None => text.push_str(" (normal not known yet)"),
    }
    text.push_str(&format!(", {} in 5 min", wording::plural(view.calls, "call")));
    if let Some(normal) = view.normal_per_s {
        text.push_str(&format!(", normal {}/s", wording::rate(normal)));
    }
    if let Some(own) = view.self_time {
        text.push_str(&format!(", self {own}"));
        if let Some(normal) = view.self_normal {
            text.push_str(&format!(" (normal {normal})"));
        }
    }
    text
}

/// `queue`, `call`
#[must_use]
pub const fn means(means: Means) -> &'static str {
    match means {
        Means::Call => "call",
        Means::Queue => "queue",
        Means::Mixed => "both",
    }
}

/// What is abnormal about an edge besides how long calls take, in few words; nothing of one that is as always.
#[must_use]
pub fn abnormal(edge: &EdgeView) -> String {
    let mut parts: Vec<String> = edge.kinds.iter().map(ToString::to_string).collect();
    if edge.is_silent() {
        parts.push("no calls".to_owned());
    }
    parts.join(", ")
}

/// How far the time between the two is from its normal, where that is worth a word.
#[must_use]
pub fn between(edge: &EdgeView) -> Option<String> {
    let times = edge.between.as_ref().and_then(|pace| pace.times_normal).filter(|times| *times >= 1.5)?;
    Some(format!("between x{}", wording::times(times)))
}

/// Of the whole call and the time between the two what is further from its normal, and whether it is the latter.
#[must_use]
pub fn worse(edge: &EdgeView) -> Option<(&Pace, bool)> {
    let times = |pace: &Pace| pace.times_normal.unwrap_or(0.0);
    match (&edge.call, &edge.between) {
        (Some(call), Some(between)) if times(between) > times(call).max(1.5) => Some((between, true)),
        (Some(call), _) => Some((call, false)),
        (None, between) => between.as_ref().map(|between| (between, true)),
    }
}

/// An edge in one line.
#[must_use]
pub fn edge_text(edge: &EdgeView) -> String {
    let mut parts = vec![format!("{} → {}", edge.caller, edge.callee)];
    let severity = edge.severity.map(|severity| severity.to_string());
    let words = [severity.unwrap_or_default(), abnormal(edge)];
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    parts.extend((!words.is_empty()).then(|| words.join(" ")));
    parts.extend(between(edge));
    if edge.means != Means::Call {
        parts.push(if edge.means == Means::Queue { "through a queue" } else { "calls and a queue" }.to_owned());
    }
    let normal = edge.normal_per_s.map_or_else(String::new, |normal| format!(" (normal {})", wording::rate(normal)));
    parts.push(format!("{}/s{normal}", wording::rate(edge.per_s)));
    parts.extend(edge.error_share.map(|share| format!("{} failed", wording::percent(share))));
    for (what, pace) in [("call", &edge.call), ("between", &edge.between)] {
        let Some(pace) = pace else { continue };
        let normal = pace.normal_p99.map_or_else(String::new, |normal| format!(" (normal {normal})"));
        let of = if pace.of > 1 {
            format!(" of {}, 1 of {} operations", pace.operation.operation, pace.of)
        } else {
            String::new()
        };
        parts.push(format!("{what} p50 {} p99 {}{normal}{of}", pace.p50, pace.p99));
    }
    parts.join(", ")
}

/// The page as text, for a chat.
#[must_use]
pub fn copied(app: &App, cursor: &ServiceCursor, now: Timestamp) -> Option<String> {
    let view = shown(app, cursor)?;
    let figures = figures(view).into_iter().next().map_or_else(String::new, |text| format!(", {text}"));
    let mut lines = vec![format!("{}: {}{figures} ({})", view.service, state(view, now), app.clock().date(now))];
    lines.extend(headline(view).map(|(_, text)| text));
    if !view.operations.is_empty() {
        lines.push(format!("operations by {}:", cursor.sort.name()));
    }
    for operation in operations(view, cursor.sort) {
        let severity = operation.severity.map_or_else(String::new, |severity| format!("{severity} "));
        let times =
            operation.times_normal.map_or_else(String::new, |times| format!(", {} x normal", wording::times(times)));
        let failed = operation
            .error_share
            .filter(|share| *share > 0.0)
            .map_or_else(String::new, |share| format!(", {} failed", wording::percent(share)));
        lines.push(format!("  {severity}{}{times}{failed}", operation_text(operation)));
    }
    let failures = failure_rows(&view.failures);
    if !failures.is_empty() {
        lines.push(format!(
            "{} failures, {}:",
            wording::count(view.failures.failed),
            failures_span(&view.failures, now, app.clock())
        ));
    }
    for row in failures {
        let last = row.last.map_or_else(String::new, |last| format!(", last {}", app.clock().time(last)));
        lines.push(format!("  {} ({}{last}) {}", row.count, wording::percent(row.share), row.text));
    }
    lines.extend(view.neighbours.iter().map(edge_text));
    Some(lines.join("\n"))
}

impl App {
    /// Shows all of the service that is selected.
    pub(super) fn open_service(&mut self, service: Arc<str>) {
        let cursor = ServiceCursor { service, ..ServiceCursor::default() };
        self.view.pages.open(Page::Service(cursor), self.view.trace.is_some());
        self.arrange_service();
    }

    pub(super) fn service_cursor(&self) -> Option<&ServiceCursor> {
        match self.page() {
            Some(Page::Service(cursor)) => Some(cursor),
            _ => None,
        }
    }

    fn service_cursor_mut(&mut self) -> Option<&mut ServiceCursor> {
        match self.view.pages.shown_mut(self.view.trace.is_some()) {
            Some(Page::Service(cursor)) => Some(cursor),
            _ => None,
        }
    }

    /// The operation that the page of a service or the map is about.
    #[must_use]
    pub fn selected_operation(&self) -> Option<&SpanKey> {
        match self.page()? {
            Page::Service(cursor) => {
                let view = shown(self, cursor)?;
                let operations = operations(view, cursor.sort);
                operations.get(chosen(cursor, &operations)).map(|view| &view.key)
            }
            Page::Map(cursor) => super::map::operation(self, cursor),
            _ => None,
        }
    }

    pub(super) fn take_service(&mut self, revision: u64, view: Box<ServicePageView>, now: Timestamp) -> bool {
        let changed = self.topics.service.take(revision, view);
        self.arrange(now);
        changed
    }

    /// Keeps the rows of the page in sight.
    pub(super) fn arrange_service(&mut self) {
        let layout = ServiceLayout::of(self.size);
        let Some(mut cursor) = self.service_cursor().cloned() else { return };
        let Some(view) = shown(self, &cursor) else { return };
        let operations = operations(view, cursor.sort);
        let page = usize::from(layout.operations.rows.height);
        cursor.top = list::offset(cursor.top, chosen(&cursor, &operations), operations.len(), page);
        let rows = count(view, cursor.part);
        cursor.row = cursor.row.min(rows.saturating_sub(1));
        let page = usize::from(layout.list(cursor.part).rows.height);
        cursor.row_top = list::offset(cursor.row_top, cursor.row, rows, page);
        if let Some(there) = self.service_cursor_mut() {
            *there = cursor;
        }
    }

    pub(super) fn go_in_service(&mut self, action: Action) {
        let Some(mut cursor) = self.service_cursor().cloned() else { return };
        let Some(view) = shown(self, &cursor) else { return };
        let page = usize::from(ServiceLayout::of(self.size).list(cursor.part).rows.height);
        if cursor.part == Part::Operations {
            let operations = operations(view, cursor.sort);
            let at = list::moved(action, chosen(&cursor, &operations), operations.len(), page);
            // At the first row it stays with the first, whichever that becomes.
            cursor.operation = operations.get(at).filter(|_| at > 0).map(|view| view.key.clone());
        } else {
            cursor.row = list::moved(action, cursor.row, count(view, cursor.part), page);
        }
        if let Some(there) = self.service_cursor_mut() {
            *there = cursor;
        }
        self.arrange_service();
    }

    pub(super) fn sort_service(&mut self) {
        if let Some(cursor) = self.service_cursor_mut() {
            cursor.sort = cursor.sort.next();
            cursor.part = Part::Operations;
            cursor.operation = None;
        }
        self.arrange_service();
    }

    /// To the next list of the page, or the one before.
    pub(super) fn other_part(&mut self, forward: bool) {
        if let Some(cursor) = self.service_cursor_mut() {
            let step = if forward { 1 } else { Part::ALL.len() - 1 };
            cursor.part = Part::ALL[(cursor.part as usize + step) % Part::ALL.len()];
            (cursor.row, cursor.row_top) = (0, 0);
        }
        self.arrange_service();
    }

    /// Opens what is chosen on the page: the slowest kept trace of an operation, the trace of a slow span, a neighbour.
    pub(super) fn open_in_service(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(cursor) = self.service_cursor().cloned() else { return };
        let Some(view) = shown(self, &cursor) else { return };
        match cursor.part {
            Part::Operations => {
                let Some(key) = self.selected_operation().cloned() else { return };
                let slowest =
                    view.kept.iter().filter(|anomaly| anomaly.key == key).max_by_key(|anomaly| anomaly.duration);
                match slowest.cloned() {
                    Some(anomaly) => self.show_trace_of(anomaly, now, effects),
                    None => self.say(format!("No slow span of {} is kept.", key.operation), false, now),
                }
            }
            Part::Failures => {
                let rows = failure_rows(&view.failures);
                let operation = rows.get(cursor.row).and_then(|row| row.operation);
                let failed = view.kept.iter().find(|anomaly| anomaly.error && Some(&anomaly.key) == operation);
                match failed.cloned() {
                    Some(anomaly) => self.show_trace_of(anomaly, now, effects),
                    None => self.say("No slow span that failed so is kept; only slow spans are.", false, now),
                }
            }
            Part::Slow => {
                if let Some(anomaly) = view.kept.get(cursor.row).cloned() {
                    self.show_trace_of(anomaly, now, effects);
                }
            }
            Part::Neighbours => {
                let Some(edge) = view.neighbours.get(cursor.row) else { return };
                let other = if edge.callee == view.service { &edge.caller } else { &edge.callee };
                self.open_service(other.clone());
            }
        }
    }

    fn show_trace_of(&mut self, anomaly: Anomaly, now: Timestamp, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send(CommandKind::ShowTrace { trace: anomaly.id.trace }));
        self.trace.open(&anomaly);
        self.view.trace = Some(TraceCursor::new(anomaly));
        self.view.pages.go_under_trace();
        self.arrange(now);
    }

    /// The service that the screen is about.
    pub(super) fn service_at_hand(&self) -> Option<Arc<str>> {
        match self.page() {
            Some(Page::Service(cursor)) => Some(cursor.service.clone()),
            Some(Page::Map(cursor)) => super::map::node(self, cursor).map(|node| node.service.clone()),
            _ if self.place() == Place::Services => self.view.service.as_deref().map(Arc::from),
            _ => self.baseline_key().map(|key| key.service.clone()),
        }
    }

    /// Asks for what the page shows, and no longer for what none does.
    pub(super) fn follow_pages(&mut self, effects: &mut Vec<Effect>) {
        let service = self.service_cursor().map(|cursor| cursor.service.clone());
        let map = matches!(self.page(), Some(Page::Map(_)));
        if service != self.view.service_asked {
            effects.push(Effect::Send(CommandKind::ShowService { service: service.clone() }));
            self.view.service_asked = service;
        }
        if map != self.view.map_asked {
            effects.push(Effect::Send(CommandKind::ShowMap { shown: map }));
            self.view.map_asked = map;
        }
    }

    /// Since when what the page tells of the past lasts, where that is told as an age.
    pub(super) fn page_ages(&self) -> Vec<Timestamp> {
        match self.page() {
            Some(Page::Service(cursor)) => shown(self, cursor).map_or_else(Vec::new, |view| {
                let absent = view.summary.as_ref().filter(|summary| summary.state == ServiceState::Absent);
                let failures = view.failures.rows.iter().map(|row| row.last);
                failures.chain(absent.and_then(|summary| summary.last_seen)).collect()
            }),
            Some(Page::Map(cursor)) => super::map::ages(self, cursor),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
