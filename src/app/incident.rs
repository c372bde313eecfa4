//! All that is known of an incident and its alerts, on a page of its own: what, since when, why this severity, who began,
//! the evidence, how far it reaches, and what was known of the same before. Everything on it is computed.

use super::Clock;
use super::acts;
use super::alerts::worst_of;
use super::analysis::{self, Page as Composed, TextLine, Tone};
use super::copy::{self, UNBROKEN};
use super::keymap::Action;
use super::layout::{Area, Shape};
use super::{App, Effect, Page, leading, level, list, why, wording};
use crate::domain::text::clean;
use crate::domain::{
    Act, Alert, AlertId, Anomaly, Deed, IncidentId, Micros, Severity, SpanKey, Subject, Timestamp, Verdict,
};
use crate::messages::{CommandKind, IncidentHistory, IncidentView, PastAlerts, PastIncident};

/// Names that are written out; of more how many.
const MOST_NAMED: usize = 6;
/// Columns of a line from which on the ladder has bars.
const BARS_FROM: usize = 56;
const DAY: Micros = Micros::from_secs(86_400);

/// What a person did on the page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncidentCursor {
    pub incident: IncidentId,
    /// The alert that is meant; otherwise the incident as a whole.
    pub selected: Option<AlertId>,
    pub part: Part,
    /// Of each part the first line that is shown.
    tops: [usize; Part::ALL.len()],
    /// The slow span that was last analysed or opened for a selection, see [`super::AlertCursor::pinned`].
    pub pinned: Option<(Option<AlertId>, Box<Anomaly>)>,
}

/// A part of the page: a tab where there is no room for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// What it is, since when, and why it has its severity.
    #[default]
    Why,
    Onset,
    Evidence,
    Analysis,
    History,
}

impl IncidentCursor {
    #[must_use]
    pub fn new(incident: IncidentId, selected: Option<AlertId>) -> Self {
        Self { incident, selected, ..Self::default() }
    }
}

impl Part {
    pub const ALL: [Self; 5] = [Self::Why, Self::Onset, Self::Evidence, Self::Analysis, Self::History];
    /// Where there are two columns: all of the left one, and what the right one shows.
    const COLUMNS: [Self; 3] = [Self::Why, Self::Analysis, Self::History];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Why => "Why",
            Self::Onset => "Onset",
            Self::Evidence => "Evidence",
            Self::Analysis => "Analysis",
            Self::History => "History",
        }
    }

    /// The part by that name on a screen of this shape, which may show several as one.
    #[must_use]
    pub fn on(self, shape: Shape) -> Self {
        match (shape, self) {
            (Shape::Four, Self::Onset | Self::Evidence) | (Shape::Narrow | Shape::Tiny, _) => Self::Why,
            (Shape::Four | Shape::Tabs, part) => part,
        }
    }

    const fn all_on(shape: Shape) -> &'static [Self] {
        match shape {
            Shape::Four => &Self::COLUMNS,
            Shape::Tabs => &Self::ALL,
            Shape::Narrow | Shape::Tiny => &[Self::Why],
        }
    }
}

/// Where the parts of the page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncidentLayout {
    pub shape: Shape,
    pub title: Area,
    /// The incident in a sentence.
    pub sentence: Area,
    /// Titles of the columns, or tabs.
    pub rule: Area,
    pub left: Area,
    pub right: Area,
    pub gutter: Area,
}

impl IncidentLayout {
    #[must_use]
    pub fn of((width, height): (u16, u16)) -> Self {
        let screen = Area::new(0, 0, width, height);
        let shape = Shape::of((width, height));
        let narrow = matches!(shape, Shape::Narrow | Shape::Tiny);
        let (head, footer) = (if narrow { 2 } else { 3 }, if height >= 12 { 2 } else { 1 });
        let body = screen.below(head).top(height.saturating_sub(head + footer));
        let inner = Area { x: body.x + 1, width: body.width.saturating_sub(2), ..body };
        let two = shape == Shape::Four;
        let left = if two { body.width.saturating_sub(3) * 7 / 12 } else { inner.width };
        let begin = left + 4;
        Self {
            shape,
            title: screen.line(0),
            sentence: if narrow { Area::default() } else { screen.line(1) },
            rule: screen.line(head - 1),
            left: Area { width: left, ..inner },
            gutter: if two { Area { x: left + 2, width: 1, ..body } } else { Area::default() },
            right: if two {
                Area { x: begin, width: width.saturating_sub(begin + 1), ..body }
            } else {
                Area::default()
            },
        }
    }

    /// Where a part is shown.
    #[must_use]
    pub const fn area(&self, part: Part) -> Area {
        match (self.shape, part) {
            (Shape::Four, Part::Analysis | Part::History) => self.right,
            _ => self.left,
        }
    }
}

/// A line of the page.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Text(TextLine),
    /// An alert on the ladder of onsets.
    Rung(Rung),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    pub alert: AlertId,
    pub severity: Severity,
    pub open: bool,
    pub onset: Timestamp,
    /// What it is about and in which respect.
    pub name: String,
    /// Where on the ladder's time it begins and ends, 0 to 1; `None` where there is no room for bars.
    pub bar: Option<(f64, f64)>,
}

impl App {
    /// The incident's page that is shown, or that lies under a view which says more of it.
    #[must_use]
    pub(crate) fn incident_page(&self) -> Option<&IncidentCursor> {
        self.view.pages.incident(self.view.trace.is_some())
    }

    /// The incident that is meant: that of the page, else the selected one.
    #[must_use]
    pub(crate) fn incident_at_hand(&self) -> Option<&IncidentView> {
        match self.incident_page() {
            Some(cursor) => self.alerts.incident(cursor.incident),
            None => self.alerts.selected_incident(&self.view.alerts),
        }
    }

    /// The alert that is meant by itself; `None` where its whole incident is.
    #[must_use]
    pub(crate) fn alert_alone(&self) -> Option<&Alert> {
        match self.incident_page() {
            Some(cursor) => {
                let view = self.alerts.incident(cursor.incident)?;
                view.alerts.iter().find(|alert| Some(alert.id) == cursor.selected)
            }
            None => match &self.view.alerts.selected {
                Some(super::RowId::Alert(..)) => self.alerts.selected_alert(&self.view.alerts),
                _ => None,
            },
        }
    }

    /// The alert that is meant, or that stands for the incident which is.
    #[must_use]
    pub(crate) fn alert_at_hand(&self) -> Option<&Alert> {
        self.alert_alone().or_else(|| leading(self.incident_at_hand()?))
    }

    /// The slow span that the page tells of.
    pub(super) fn anomaly_on_page<'a>(&'a self, cursor: &'a IncidentCursor) -> Option<&'a Anomaly> {
        let pinned = cursor.pinned.as_ref().filter(|(of, _)| *of == cursor.selected);
        pinned.map(|(_, anomaly)| &**anomaly).or_else(|| self.worst_on_page(cursor))
    }

    /// The slow span that a new analysis is to be about.
    pub(super) fn worst_on_page(&self, cursor: &IncidentCursor) -> Option<&Anomaly> {
        let view = self.alerts.incident(cursor.incident)?;
        match view.alerts.iter().find(|alert| Some(alert.id) == cursor.selected) {
            Some(alert) => worst_of(view, alert),
            None => view.exemplars.first(),
        }
    }

    /// The key whose baseline the page tells of.
    pub(super) fn key_on_page<'a>(&'a self, cursor: &'a IncidentCursor) -> Option<&'a SpanKey> {
        let view = self.alerts.incident(cursor.incident)?;
        let alone = view.alerts.iter().find(|alert| Some(alert.id) == cursor.selected);
        match alone.or_else(|| leading(view)).map(|alert| &alert.subject) {
            Some(Subject::Key(key)) => Some(key),
            _ => self.anomaly_on_page(cursor).map(|anomaly| &anomaly.key),
        }
    }

    /// Asks for what the page is to tell, once per change.
    pub(super) fn follow_incident(&mut self, effects: &mut Vec<Effect>) {
        let incident = self.view.pages.incident_read().map(|cursor| cursor.incident);
        if incident != self.view.incident_asked {
            effects.push(Effect::Send(CommandKind::ShowIncident { incident }));
            self.view.incident_asked = incident;
        }
        if !matches!(self.page(), Some(Page::Incident(_))) {
            return;
        }
        let wanted = self.alert_at_hand().map(|alert| (alert.subject.clone(), alert.worst.window.to));
        if wanted != self.view.why_asked {
            if let Some((subject, at)) = wanted.clone() {
                effects.push(Effect::Send(CommandKind::ExplainVerdict { subject, at: Some(at) }));
            }
            self.view.why_asked = wanted;
        }
    }

    /// What is known from before about this incident; another's is never shown.
    fn incident_history(&self, incident: IncidentId) -> Option<&IncidentHistory> {
        self.topics.incident_history.get().map(|history| &**history).filter(|history| history.incident == incident)
    }

    pub(super) fn go_to_part(&mut self, forward: bool) {
        let shape = Shape::of(self.size);
        let Some(Page::Incident(cursor)) = self.page_mut() else { return };
        let parts = Part::all_on(shape);
        let at = parts.iter().position(|part| *part == cursor.part.on(shape)).unwrap_or(0);
        let next = if forward { at + 1 } else { at + parts.len() - 1 } % parts.len();
        cursor.part = parts.get(next).copied().unwrap_or_default();
    }

    /// What was asked for is shown where it will come, if that is elsewhere.
    pub(super) fn show_analysis_of_incident(&mut self) {
        if Shape::of(self.size) == Shape::Tabs
            && let Some(Page::Incident(cursor)) = self.page_mut()
        {
            cursor.part = Part::Analysis;
            cursor.tops[Part::Analysis as usize] = 0;
        }
    }

    /// Up and down go from alert to alert while the next one is in sight, and scroll otherwise.
    pub(super) fn go_in_incident(&mut self, action: Action, now: Timestamp) {
        let now = self.shown_at(now);
        let layout = IncidentLayout::of(self.size);
        let Some(Page::Incident(cursor)) = self.page() else { return };
        let part = cursor.part.on(layout.shape);
        let area = layout.area(part);
        let page = usize::from(area.height).max(1);
        let lines = lines(self, cursor, part, usize::from(area.width), now);
        let end = lines.len().saturating_sub(page);
        let mut top = cursor.tops[part as usize].min(end);
        let mut selected = cursor.selected;
        let rungs: Vec<(usize, AlertId)> = lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| match line {
                Line::Rung(rung) => Some((at, rung.alert)),
                Line::Text(_) => None,
            })
            .collect();
        let here = rungs.iter().position(|(_, alert)| Some(*alert) == selected);
        let seen = |(at, _): &(usize, AlertId)| (top..top + page).contains(at);
        match action {
            Action::Down => match here.map_or(rungs.first(), |here| rungs.get(here + 1)).filter(|rung| seen(rung)) {
                Some((_, alert)) => selected = Some(*alert),
                None => top = (top + 1).min(end),
            },
            Action::Up => match here.map(|here| here.checked_sub(1).and_then(|before| rungs.get(before))) {
                Some(Some(before)) if seen(before) => selected = Some(before.1),
                Some(None) if top == 0 => selected = None,
                _ => top = top.saturating_sub(1),
            },
            action => top = list::moved(action, top, end + 1, page),
        }
        if let Some(Page::Incident(cursor)) = self.page_mut() {
            (cursor.selected, cursor.tops[part as usize]) = (selected, top);
        }
    }
}

/// The lines of a part that are in sight, and whether there are more.
#[must_use]
pub fn window(app: &App, cursor: &IncidentCursor, part: Part, area: Area, now: Timestamp) -> (Vec<Line>, bool) {
    let lines = lines(app, cursor, part, usize::from(area.width), now);
    let page = usize::from(area.height);
    let end = lines.len().saturating_sub(page);
    let top = cursor.tops[part as usize].min(end);
    (lines.into_iter().skip(top).take(page).collect(), end > 0)
}

/// What the right column shows where there are two: what was chosen, else the analysis if there is one.
#[must_use]
pub fn right_part(app: &App, cursor: &IncidentCursor) -> Part {
    match cursor.part.on(Shape::Four) {
        Part::Analysis => Part::Analysis,
        Part::Why if is_analysed(app) => Part::Analysis,
        _ => Part::History,
    }
}

/// Whether there is or soon will be an analysis of the slow span that the page tells of.
#[must_use]
pub fn is_analysed(app: &App) -> bool {
    app.is_asked() || app.selected_anomaly().is_some() && app.shown_analysis().is_some()
}

/// `S1`, `incident 41`, and its state at the right: `open 8m, acked by mira, until worse`; before it that what is told
/// rests on a source which no longer answers.
#[must_use]
pub fn title(app: &App, cursor: &IncidentCursor, now: Timestamp) -> (Option<Severity>, String, String) {
    let name = format!("incident {}", cursor.incident.0);
    let Some(view) = app.alerts.incident(cursor.incident) else { return (None, name, String::new()) };
    let incident = &view.incident;
    let mut state = match incident.closed {
        Some(closed) => format!("over since {}, lasted {}", app.clock().short(closed), closed.since(incident.onset)),
        None => format!("open {}", wording::age(now.since(incident.onset))),
    };
    if incident.is_open() && app.is_stale(now) {
        state.insert_str(0, "STALE, ");
    }
    match acts::remark(view, now, app.clock()) {
        Some(remark) => state.push_str(&format!(", {remark}")),
        None if incident.is_open() => state.push_str(", unacked"),
        None => {}
    }
    (Some(incident.severity), name, state)
}

/// What is shown where nothing is known of the incident.
#[must_use]
pub fn nothing(app: &App) -> &'static str {
    if app.alerts.is_known() {
        "This incident is over for long, or the monitor began anew: it is no longer kept here. spanwatch history tells of it."
    } else {
        "Waiting for the first poll."
    }
}

/// All lines of a part at a width of `width` columns; none where nothing is known of the incident.
#[must_use]
pub fn lines(app: &App, cursor: &IncidentCursor, part: Part, width: usize, now: Timestamp) -> Vec<Line> {
    let Some(view) = app.alerts.incident(cursor.incident) else { return Vec::new() };
    let shape = Shape::of(app.size());
    let mut sheet = Sheet { app, view, now, page: Composed::new(width), rungs: Vec::new() };
    match (shape, part) {
        (Shape::Narrow | Shape::Tiny, _) => {
            sheet.what();
            sheet.people();
            sheet.why();
            sheet.ladder(cursor.selected);
            sheet.culprit();
            sheet.evidence();
            sheet.radius();
            sheet.history();
            if is_analysed(app) {
                sheet.analysis();
            }
        }
        (Shape::Four, Part::Why | Part::Onset | Part::Evidence) => {
            sheet.what();
            sheet.people();
            sheet.why();
            sheet.ladder(cursor.selected);
            if right_part(app, cursor) == Part::Analysis {
                sheet.culprit();
            }
            sheet.evidence();
            sheet.radius();
        }
        (_, Part::Why) => {
            sheet.what();
            sheet.people();
            sheet.why();
        }
        (_, Part::Onset) => {
            sheet.ladder(cursor.selected);
            sheet.culprit();
        }
        (_, Part::Evidence) => {
            sheet.evidence();
            sheet.radius();
        }
        (_, Part::Analysis) => sheet.analysis(),
        (shape, Part::History) => {
            if shape == Shape::Four {
                sheet.culprit();
            }
            sheet.history();
        }
    }
    sheet.lines()
}

/// All of it as text for a chat.
#[must_use]
pub fn copied(app: &App, now: Timestamp) -> Option<String> {
    let cursor = app.incident_page()?;
    let view = app.alerts.incident(cursor.incident)?;
    let (severity, name, state) = title(app, cursor, now);
    let severity = severity.map_or_else(String::new, |severity| severity.to_string());
    let mut sheet = Sheet { app, view, now, page: Composed::new(UNBROKEN), rungs: Vec::new() };
    sheet.what();
    sheet.people();
    sheet.why();
    sheet.ladder(None);
    sheet.culprit();
    sheet.evidence();
    sheet.radius();
    sheet.history();
    if is_analysed(app) {
        sheet.analysis();
    }
    let lines: Vec<TextLine> = sheet
        .lines()
        .into_iter()
        .map(|line| match line {
            Line::Text(line) => line,
            Line::Rung(rung) => {
                let text = format!("  {} {} {}", app.clock().time(rung.onset), rung.severity, rung.name);
                TextLine { tone: Tone::Plain, text }
            }
        })
        .collect();
    let head = format!("{severity} {}\n{name}, {state}", view.incident.title);
    let link = app.trace_line().map_or_else(String::new, |line| format!("\n\n{line}"));
    Some(format!("{head}\n\n{}{link}", copy::facts(&lines)?.trim_end()))
}

/// The page while it is written.
struct Sheet<'a> {
    app: &'a App,
    view: &'a IncidentView,
    now: Timestamp,
    page: Composed,
    /// Which lines are rungs.
    rungs: Vec<(usize, Rung)>,
}

impl Sheet<'_> {
    fn lines(self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.page.lines.into_iter().map(Line::Text).collect();
        for (at, rung) in self.rungs {
            if let Some(line) = lines.get_mut(at) {
                *line = Line::Rung(rung);
            }
        }
        lines
    }

    fn section(&mut self, name: &str) {
        self.page.gap();
        self.page.add(Tone::Heading, name, 0);
    }

    fn say(&mut self, text: &str) {
        self.page.add(Tone::Plain, text, 2);
    }

    fn alert(&self) -> Option<&Alert> {
        self.app.alert_at_hand()
    }

    fn what(&mut self) {
        if self.app.alerts.is_forgotten(self.view.incident.id) {
            let gone = "The monitor no longer keeps this incident: it is shown as it was known last.";
            self.page.add(Tone::Trouble, gone, 0);
            self.page.gap();
        }
        let Some(alert) = self.alert() else {
            return self.page.add(Tone::Quiet, "None of its alerts is kept any more.", 0);
        };
        let detail = if alert.detail.is_empty() { String::new() } else { format!(" ({})", alert.detail) };
        let what = format!("WHAT  {} {}, {}{detail}", alert.severity, alert.subject, alert.kind);
        let since = since(alert.onset, alert.raised, alert.closed, self.now, self.app.clock());
        let numbers = self.now_against_normal();
        let seen = self.seen();
        let level = level::sentence(self.app, self.view);
        self.page.add(Tone::Heading, &what, 6);
        for line in numbers.iter().chain([&since, &seen]).chain(&level) {
            self.page.add(Tone::Plain, line, 6);
        }
    }

    /// What its calls take now and normally, while it is open and where that is known.
    fn now_against_normal(&self) -> Option<String> {
        let alert = self.alert().filter(|alert| alert.is_open())?;
        let view = self.app.topics.baseline.get()?;
        if Some(&view.key) != self.app.baseline_key() {
            return None;
        }
        let of = match &alert.subject {
            Subject::Key(key) if *key == view.key => String::new(),
            _ => format!("{} ", wording::key(&view.key)),
        };
        let (now, cell) = (view.now_p99?, view.cell.as_ref()?);
        let times = wording::times(now.0 as f64 / cell.p99.0.max(1) as f64);
        Some(format!(
            "NOW   {of}p99 {now} of {} in 5 min, normal {} ({}, n {}): {times}x",
            wording::plural(view.now_samples, "call"),
            cell.p99,
            cell.level.describe(view.bucket),
            wording::count(cell.samples),
        ))
    }

    fn seen(&self) -> String {
        let known = self.app.incident_history(self.view.incident.id).is_some();
        match self.alike() {
            None if known => "SEEN  not known how often before".to_owned(),
            None => "SEEN  asked how often before".to_owned(),
            Some(alike) => format!("SEEN  {} in 30 days{}", times_before(alike), rated(alike)),
        }
    }

    /// The same alert before.
    fn alike(&self) -> Option<&PastAlerts> {
        let alert = self.alert()?;
        let history = self.app.incident_history(self.view.incident.id)?;
        history.alike.iter().find(|alike| alike.subject == alert.subject && alike.kind == alert.kind)
    }

    /// What people did and wrote down, in order.
    fn people(&mut self) {
        let Some(history) = self.app.incident_history(self.view.incident.id) else { return };
        let asked = self.view.life.verdict.is_none();
        if history.acts.is_empty() {
            return;
        }
        self.section("NOTES AND ACTS");
        for act in &history.acts {
            let (line, more) = act_lines(act, self.now, self.app.clock());
            self.say(&line);
            for line in more {
                // The lines of a note below each other, also where they are broken.
                self.page.add(Tone::Plain, &format!("    {line}"), 4);
            }
        }
        if asked {
            self.page.add(Tone::Quiet, "Was it right to wake somebody? + useful, - noise", 2);
        }
    }

    fn why(&mut self) {
        let Some(alert) = self.app.alert_at_hand() else { return };
        self.section(&format!("WHY {}", alert.severity));
        self.say(&format!("{}.", alert.arithmetic()));
        // Of another window it would say something else.
        let of_window =
            |view: &&crate::messages::WhyView| view.subject == alert.subject && view.at == alert.worst.window.to;
        let view = self.app.topics.why.get().map(|view| &**view).filter(of_window);
        why::neither_worse_nor_milder(&mut self.page, alert, view);
    }

    /// Every alert in the order of onset, each with a bar from its onset to its end or to now.
    fn ladder(&mut self, selected: Option<AlertId>) {
        let clock = self.app.clock();
        let alerts = &self.view.alerts;
        let count = wording::plural(alerts.len() as u64, "alert");
        self.section(&format!("ONSET LADDER, {count}"));
        let begin = alerts.iter().map(|alert| alert.onset).min().unwrap_or(self.now);
        // While something is open the ladder ends with the minute: it moves no more often than the clock does.
        let open = alerts.iter().any(Alert::is_open);
        let ends = alerts.iter().filter_map(|alert| alert.closed).max();
        let end = if open { wording::clock_changes(self.now) } else { ends.unwrap_or(self.now) };
        let length = end.since(begin).0.max(1) as f64;
        let place = |at: Timestamp| (at.since(begin).0 as f64 / length).min(1.0);
        let long = end.since(begin) >= DAY;
        for alert in alerts {
            let bar = (self.page.width >= BARS_FROM && self.page.width != UNBROKEN)
                .then(|| (place(alert.onset), alert.closed.map_or(1.0, place)));
            let held = acts::held_word(self.view, alert).map_or_else(String::new, |word| format!(", {word}"));
            let name = format!("{}, {}{held}", alert.subject, alert.kind);
            self.rungs.push((
                self.page.lines.len(),
                Rung {
                    alert: alert.id,
                    severity: alert.severity,
                    open: alert.is_open(),
                    onset: alert.onset,
                    name,
                    bar,
                },
            ));
            self.page.lines.push(TextLine { tone: Tone::Plain, text: String::new() });
            if selected == Some(alert.id) {
                let day = if long { format!("{}; ", clock.date(alert.onset)) } else { String::new() };
                let over = alert.closed.map_or_else(String::new, |closed| format!("; over {}", clock.time(closed)));
                let more = format!("{day}{}{}{over}", level::clause(alert), wording::arithmetic(alert));
                self.page.add(Tone::Plain, &format!("            {more}"), 12);
            }
        }
    }

    fn culprit(&mut self) {
        let incident = &self.view.incident;
        self.section("CULPRIT, computed, no model");
        let mut suspects = incident.suspects.iter().filter(|suspect| !suspect.evidence.is_empty()).take(5).peekable();
        if suspects.peek().is_none() {
            return self.page.add(Tone::Quiet, "Nothing speaks for one service more than for another.", 2);
        }
        for (number, suspect) in suspects.enumerate() {
            self.page.add(
                Tone::Plain,
                &format!("{} score {:.1}  {}", number + 1, suspect.score, analysis::suspect(suspect)),
                4,
            );
        }
        if let Some(what_if) = analysis::what_if(incident) {
            self.say(&what_if);
        }
    }

    /// The facts of the slow span, with the keys that open what they speak of.
    fn evidence(&mut self) {
        self.section("EVIDENCE, computed, no model");
        let Some(anomaly) = self.app.selected_anomaly() else {
            return self.page.add(Tone::Quiet, &self.app.no_span(), 2);
        };
        let run = self.app.shown_analysis();
        self.say(&format!("Slow span {}", analysis::describe(anomaly, self.app.clock())));
        analysis::evidence(&mut self.page, anomaly, run);
        self.page.add(Tone::Quiet, "T opens its trace, c sets it beside a normal one, w tests its alert.", 2);
        match run {
            Some(run) => analysis::metrics(&mut self.page, run, self.app.clock()),
            None => {
                let more = "a reads where in its trace the time went, and the metrics of that moment.";
                self.page.add(Tone::Quiet, more, 2);
            }
        }
    }

    /// How far it reaches, as far as it is known.
    fn radius(&mut self) {
        let incident = &self.view.incident;
        let services: Vec<String> = incident.services.iter().map(ToString::to_string).collect();
        let mut operations: Vec<String> = Vec::new();
        for alert in &self.view.alerts {
            if let Subject::Key(key) = &alert.subject {
                let name = wording::key(key);
                if !operations.contains(&name) {
                    operations.push(name);
                }
            }
        }
        self.section("BLAST RADIUS");
        for (names, one) in [(services, "service"), (operations, "operation")] {
            if !names.is_empty() {
                let count = wording::plural(names.len() as u64, one);
                self.say(&format!("{count}: {}", named(&names)));
            }
        }
        if let Some(compared) = &incident.counterfactual {
            self.say(&format!(
                "{} of {} compared, {} each on average, normal {}",
                wording::plural(compared.requests, "request"),
                wording::key(&compared.root),
                compared.observed,
                compared.normal,
            ));
        }
    }

    fn analysis(&mut self) {
        match self.app.shown_analysis().filter(|_| self.app.selected_anomaly().is_some()) {
            Some(run) => {
                self.page.gap();
                self.page.add(Tone::Quiet, &format!("About {}", analysis::describe(&run.anomaly, self.app.clock())), 2);
                self.page.gap();
                analysis::model(&mut self.page, run, &self.app.keys().key_of(Action::Analyse), self.now);
            }
            None if self.app.is_asked() => self.page.add(Tone::Quiet, "Asked for the analysis.", 0),
            None if self.app.selected_anomaly().is_none() => {
                self.page.add(Tone::Quiet, "No slow span of it was recorded, so there is nothing to analyse.", 0);
            }
            None => {
                let offer =
                    "Nothing is analysed yet. Press a: its trace and the metrics of that moment go to the model.";
                self.page.add(Tone::Quiet, offer, 0);
            }
        }
    }

    /// The same alert and incidents like this one, before.
    fn history(&mut self) {
        let Some(history) = self.app.incident_history(self.view.incident.id) else {
            self.section("HISTORY, 30 days");
            return self.page.add(Tone::Quiet, "Asked what was before.", 2);
        };
        self.section("HISTORY of this alert, 30 days");
        match self.alike().cloned() {
            None if self.alert().is_none() => self.say("None of its alerts is kept any more."),
            None => self.say("Not known: the incident has too many alerts to look each up."),
            Some(alike) => {
                let name = format!("{}, {}", alike.subject, alike.kind);
                self.say(&format!("{name}: {}{}", times_before(&alike), rated(&alike)));
                for last in &alike.last {
                    let verdict = last.verdict.map_or_else(String::new, |verdict| format!(", {verdict}"));
                    let notes = match last.notes {
                        0 => String::new(),
                        n => format!(", {}", wording::plural(u64::from(n), "note")),
                    };
                    let (at, severity, incident) = (self.app.clock().date(last.onset), last.severity, last.incident.0);
                    self.say(&format!("{at} {severity} {} (incident {incident}{verdict}{notes})", last.lasted));
                }
                let told = alike.last.len() as u64;
                if u64::from(alike.alerts) > told {
                    let more = u64::from(alike.alerts) - told;
                    self.page.add(Tone::Quiet, &format!("and {more} before; spanwatch history tells of them"), 2);
                }
            }
        }
        self.section("INCIDENTS LIKE IT, 30 days");
        if history.similar.is_empty() {
            self.say("None: no other incident shares an alert or the culprit with this one.");
        }
        for past in &history.similar {
            self.past(past);
        }
    }

    fn past(&mut self, past: &PastIncident) {
        let verdict = past.verdict.map_or_else(String::new, |verdict| format!(", {verdict}"));
        let PastIncident { shared, of, severity, .. } = past;
        let culprit = if past.same_culprit { "the same culprit, " } else { "" };
        let at = self.app.clock().date(past.onset);
        self.say(&format!(
            "{at} {severity} {}, incident {}, {culprit}{shared} of {of} alerts the same{verdict}: {}",
            past.lasted,
            past.incident.0,
            wording::short_title(&past.title),
        ));
        for note in &past.notes {
            let mut lines = note.text.lines();
            let first = lines.next().unwrap_or_default();
            self.page.add(Tone::Plain, &format!("    {}: {first}", clean(&note.by)), 6);
            for line in lines {
                self.page.add(Tone::Plain, &format!("      {line}"), 6);
            }
        }
    }
}

/// `SINCE Fri 20 Nov 03:04:10Z, 8m, raised 03:04:40Z`; of what is over how long it lasted.
fn since(onset: Timestamp, raised: Timestamp, closed: Option<Timestamp>, now: Timestamp, clock: Clock) -> String {
    let day = clock.day(onset);
    let (began, raised) = (clock.time_in_zone(onset), clock.time(raised));
    match closed {
        None => format!("SINCE {day} {began}, {}, raised {raised}", wording::age(now.since(onset))),
        Some(closed) => {
            let (over, lasted) = (clock.time(closed), closed.since(onset));
            format!("SINCE {day} {began} to {over}, lasted {lasted}, raised {raised}")
        }
    }
}

/// `3 alerts before`
fn times_before(alike: &PastAlerts) -> String {
    if alike.alerts == 0 {
        return "never before".to_owned();
    }
    format!("{} before", wording::plural(u64::from(alike.alerts), "alert"))
}

/// `, 2 called useful, 1 noise`; nothing where nobody said so.
fn rated(alike: &PastAlerts) -> String {
    match (alike.useful, alike.noise) {
        (0, 0) => String::new(),
        (useful, noise) => format!(", {useful} called {}, {noise} {}", Verdict::Useful, Verdict::Noise),
    }
}

/// Names, of many the first.
fn named(names: &[String]) -> String {
    let mut text = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMED {
        text.push_str(&format!(" and {} more", names.len() - MOST_NAMED));
    }
    text
}

/// Who did what and when; and the further lines of a note.
fn act_lines(act: &Act, now: Timestamp, clock: Clock) -> (String, Vec<String>) {
    let reason = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {}", clean(reason)) };
    let over = act.deed.hold().and_then(|hold| hold.over);
    let over =
        over.map_or_else(String::new, |over| format!(" (over {}, {})", clock.short(over.at), acts::why_over(over.why)));
    let mut more = Vec::new();
    let what = match &act.deed {
        Deed::Acknowledged(ack) => {
            let which = if ack.whole { "acknowledged it" } else { "acknowledged an alert of it" };
            format!("{which}, {}{}{over}", acts::until(ack.hold.until, now, clock), reason(&ack.hold.reason))
        }
        Deed::Silenced(silence) => format!(
            "silenced {}, {}{}{over}",
            clean(&silence.matcher),
            acts::until(silence.hold.until, now, clock),
            reason(&silence.hold.reason)
        ),
        Deed::Rated(rating) => format!("called it {}", rating.verdict),
        Deed::Noted(note) => {
            let mut lines = note.text.lines();
            let first = lines.next().unwrap_or_default();
            more.extend(lines.map(|line| clean(line).into_owned()));
            format!("noted: {}", clean(first))
        }
        Deed::Ended(_) => "ended an ack or a silence".to_owned(),
    };
    let at = if now.since(act.at) < DAY { clock.short(act.at) } else { clock.date(act.at) };
    (format!("{at} {} {what}", clean(&act.by)), more)
}
