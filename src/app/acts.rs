//! Acknowledging, silencing, rating and undoing: what is typed, what is asked, what is listed.

use super::Clock;
use super::analysis::{Page as Composed, TextLine, Tone};
use super::keymap::Action;
use super::layout::Area;
use super::{App, Effect, LineInput, Page, RowId, list, wording};
use crate::domain::filter::Filter;
use crate::domain::text::clean;
use crate::domain::{
    Act, ActId, Alert, AlertId, AlertKind, Calendar, Deed, IncidentId, Micros, OverWhy, Severity, Silence, SpanKey,
    Subject, Timestamp, Until, Verdict,
};
use crate::messages::{
    ActCommand, ActsView, Back, Calm, CommandKind, HeldView, IncidentView, MaintenanceView, NoiseRow,
};

/// Whoever acknowledges at night wants to sleep unless it becomes worse: that is the end proposed from 22:00 to 06:00.
const NIGHT: (u16, u16) = (22 * 60, 6 * 60);
/// An acknowledgement older than a shift may be forgotten.
const SHIFT: Micros = Micros::from_secs(8 * 3_600);
/// Alerts named that a silence would hold back.
const MOST_NAMED: usize = 8;

/// What is being typed.
#[derive(Debug, Clone, PartialEq)]
pub struct ActForm {
    pub what: FormOf,
    pub fields: Vec<Field>,
    /// The field that is typed into.
    pub at: usize,
    /// Why it could not be done, until something else is typed.
    pub error: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FormOf {
    Acknowledgement {
        incident: IncidentId,
        alert: Option<AlertId>,
        severity: Severity,
        /// The worst that was open of it on the screen: it becomes worse once something is more severe than that.
        seen: Severity,
        title: String,
    },
    Silence,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub line: LineInput,
    /// It holds a proposal: what is typed takes its place.
    pub fresh: bool,
}

/// What was sent and is not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActAsked {
    /// Something new; the newest act known then.
    New(Option<ActId>),
    Undo(ActId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActsPage {
    #[default]
    Held,
    Noise,
}

/// What a row of the lists is about.
#[derive(Debug, Clone, PartialEq)]
pub enum ActRow {
    Held(ActId),
    /// By its place in the configuration.
    Maintenance(usize),
    Noise(Subject, AlertKind),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActsCursor {
    pub page: ActsPage,
    pub selected: Option<ActRow>,
    pub offset: usize,
    /// What is asked to be ended.
    pub ending: Option<HeldView>,
}

/// Where the parts of the lists are.
#[derive(Debug, Clone, Copy)]
pub struct ActsLayout {
    pub heads: Option<Area>,
    pub rows: Area,
    /// What is told of the selected row.
    pub detail: Option<Area>,
}

impl ActsLayout {
    #[must_use]
    pub fn of((width, height): (u16, u16)) -> Self {
        let footer = if height >= 12 { 2 } else { 1 };
        let body = Area::new(0, 0, width, height).below(2).top(height.saturating_sub(2 + footer));
        let detail = if height >= 18 { 5 } else { 0 };
        let heads = body.height > 5;
        let list = body.top(body.height - detail.min(body.height));
        Self {
            heads: heads.then(|| list.line(0)),
            rows: list.below(u16::from(heads)),
            detail: (detail > 0).then(|| body.below(list.height)),
        }
    }
}

impl Field {
    fn new(name: &'static str, text: &str) -> Self {
        Self { name, line: LineInput::new(text), fresh: !text.is_empty() }
    }

    /// Puts text there that a person typed, which is no proposal.
    pub(super) fn fill(&mut self, text: &str) {
        self.line = LineInput::new(text);
        self.fresh = false;
    }
}

impl ActForm {
    pub(super) fn edit(&mut self, change: impl Fn(&mut LineInput)) {
        let Some(field) = self.fields.get_mut(self.at) else { return };
        let mut changed = field.line.clone();
        // Moving in a proposal keeps it; what is typed takes its place.
        change(&mut changed);
        if field.fresh && changed.text() != field.line.text() {
            changed = LineInput::default();
            change(&mut changed);
        }
        field.fresh = false;
        field.line = changed;
        self.error = None;
    }

    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.fields.iter().find(|field| field.name == name).map_or("", |field| field.line.text())
    }

    /// The end as it is typed.
    fn until(&self, now: Timestamp, clock: Clock) -> Result<Until, String> {
        // What is typed is meant as the clock on the screen shows it.
        Until::parse(self.text(UNTIL), now, &clock.calendar())
    }

    fn command(&self, now: Timestamp, clock: Clock) -> Result<ActCommand, String> {
        let until = self.until(now, clock)?;
        let reason = self.text(REASON).trim().to_owned();
        Ok(match &self.what {
            FormOf::Acknowledgement { incident, alert, seen, .. } => {
                ActCommand::Acknowledge { incident: *incident, alert: *alert, seen: *seen, until, reason }
            }
            FormOf::Silence => {
                let matcher = self.text(MATCHER).trim().to_owned();
                Silence::filter(&matcher).map_err(|error| error.to_string())?;
                ActCommand::Silence { matcher, until, reason }
            }
        })
    }
}

pub const MATCHER: &str = "what";
pub const UNTIL: &str = "until";
pub const REASON: &str = "reason";

impl App {
    fn acts(&self) -> Option<&ActsView> {
        self.topics.acts.get().map(|acts| &**acts)
    }

    /// The lists of acts, if they are what is shown.
    #[must_use]
    pub fn acts_cursor(&self) -> Option<&ActsCursor> {
        match self.page() {
            Some(Page::Acts(cursor)) => Some(cursor),
            _ => None,
        }
    }

    pub(super) fn acts_cursor_mut(&mut self) -> Option<&mut ActsCursor> {
        match self.page_mut() {
            Some(Page::Acts(cursor)) => Some(cursor),
            _ => None,
        }
    }

    pub(super) fn refuse_when_lost(&mut self, now: Timestamp) -> bool {
        let lost = self.lost.is_some();
        if lost {
            self.say("The monitor ended, so nothing can be done; quit and start again.", true, now);
        }
        lost
    }

    pub(super) fn begin_ack(&mut self, now: Timestamp) {
        if self.refuse_when_lost(now) {
            return;
        }
        let Some(view) = self.incident_at_hand().filter(|view| view.incident.is_open()) else {
            let why = match self.incident_at_hand() {
                Some(_) => "It is over: there is nothing to acknowledge.",
                None => "Select an open incident or alert to acknowledge it.",
            };
            self.say(why, false, now);
            return;
        };
        let alert = self.alert_alone();
        if alert.is_some_and(|alert| !alert.is_open()) {
            self.say("This alert is over: there is nothing to acknowledge.", false, now);
            return;
        }
        let (severity, title) = match alert {
            Some(alert) => (alert.severity, format!("{}, {}", alert.subject, alert.kind)),
            None => (view.incident.severity, view.incident.title.clone()),
        };
        let worst = view.alerts.iter().filter(|alert| alert.is_open()).map(|alert| alert.severity).min();
        let seen = alert.map(|alert| alert.severity).or(worst).unwrap_or(severity);
        let (incident, alert) = (view.incident.id, alert.map(|alert| alert.id));
        let what = FormOf::Acknowledgement { incident, alert, severity, seen, title };
        let until = if self.is_night(now) { "worse" } else { "recovered" };
        let fields = vec![Field::new(UNTIL, until), Field::new(REASON, "")];
        self.open_form(ActForm { what, fields, at: 0, error: None });
    }

    fn is_night(&self, now: Timestamp) -> bool {
        let zone = self.topics.monitor.get().and_then(|monitor| monitor.zone.parse().ok());
        let minute = zone.map_or(Calendar::utc(), Calendar::new).minute_of_day(now);
        minute >= NIGHT.0 || minute < NIGHT.1
    }

    pub(super) fn begin_silence(&mut self, now: Timestamp) {
        if self.refuse_when_lost(now) {
            return;
        }
        let matcher = if self.acts_cursor().is_some() { String::new() } else { self.proposed_matcher() };
        self.open_form(ActForm {
            what: FormOf::Silence,
            fields: vec![Field::new(MATCHER, &matcher), Field::new(UNTIL, "resolved"), Field::new(REASON, "")],
            at: 0,
            error: None,
        });
    }

    /// What matches what is selected, and nothing else if that can be written.
    fn proposed_matcher(&self) -> String {
        let cursor = &self.view.alerts;
        if self.view.led_by_services && self.incident_page().is_none() {
            return self.view.service.as_deref().map_or_else(String::new, exactly);
        }
        if let Some(alert) = self.alert_alone() {
            let kind = alert.kind.name().replace(' ', "-");
            return match &alert.subject {
                Subject::Key(key) => format!("{} kind:{kind}", exactly_key(key)),
                other => format!("{} kind:{kind}", exactly(other.service())),
            };
        }
        if let Some(view) = self.incident_at_hand() {
            let culprit = view.incident.culprit().map(|culprit| &culprit.service);
            return culprit.or(view.incident.services.first()).map_or_else(String::new, |service| exactly(service));
        }
        cursor.selected.as_ref().and_then(RowId::record).map_or_else(String::new, exactly_key)
    }

    pub(super) fn go_to_field(&mut self, forward: bool) {
        if let Some(form) = &mut self.view.act_form {
            let fields = form.fields.len().max(1);
            form.at = if forward { form.at + 1 } else { form.at + fields - 1 } % fields;
        }
    }

    pub(super) fn submit_form(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let clock = self.clock();
        let Some(form) = &mut self.view.act_form else { return };
        match form.command(now, clock) {
            Ok(command) => {
                let said = match command {
                    ActCommand::Silence { .. } => "Asked for the silence.",
                    _ => "Asked to acknowledge it.",
                };
                self.view.act_form = None;
                self.order(command, said, now, effects);
            }
            Err(why) => form.error = Some(why),
        }
    }

    pub(super) fn order(&mut self, command: ActCommand, said: &str, now: Timestamp, effects: &mut Vec<Effect>) {
        let last = self.acts().and_then(|acts| acts.last.as_ref()).map(|act| act.id);
        self.view.act_asked = Some(match command {
            ActCommand::Undo { act } => ActAsked::Undo(act),
            _ => ActAsked::New(last),
        });
        effects.push(Effect::Send(CommandKind::Act(command)));
        self.say(said, false, now);
    }

    pub(super) fn rate(&mut self, verdict: Verdict, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.refuse_when_lost(now) {
            return;
        }
        let Some(incident) = self.incident_at_hand().map(|view| view.incident.id) else {
            self.say("Select an incident to say whether it was worth waking for.", false, now);
            return;
        };
        self.order(ActCommand::Rate { incident, verdict }, "Asked to note the verdict.", now, effects);
    }

    /// What `u` undoes, in a word; `None` where it is not known that there is anything.
    #[must_use]
    pub fn undoable(&self) -> Option<&'static str> {
        match (self.last_act(), self.recalculated) {
            (Some(act), _) => Some(match act.deed {
                Deed::Acknowledged(_) => "undo ack",
                Deed::Silenced(_) => "undo silence",
                Deed::Rated(_) => "undo verdict",
                Deed::Noted(_) => "undo note",
                Deed::Ended(_) => "undo ending",
            }),
            (None, Some(_)) => Some("undo recalc"),
            (None, None) => None,
        }
    }

    /// The newest act, unless a recalculation is newer.
    fn last_act(&self) -> Option<&Act> {
        let last = self.acts()?.last.as_ref()?;
        self.recalculated.is_none_or(|at| last.at > at).then_some(last)
    }

    pub(super) fn undo(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.refuse_when_lost(now) {
            return;
        }
        match self.last_act().map(|act| (act.id, did(act))) {
            Some((act, did)) => {
                self.order(ActCommand::Undo { act }, &format!("Asked to undo: {did}."), now, effects);
            }
            None => {
                let asked = "Asked for the baselines that were in use before.";
                self.recalculate(CommandKind::TakeBackRecalculation, asked, now, effects);
            }
        }
    }

    /// Whether it tells of an act that is not known yet, or answers one; otherwise it only counts anew what is known.
    pub(super) fn is_of_new_act(&self, acts: &ActsView) -> bool {
        let id = |acts: &ActsView| acts.last.as_ref().map(|act| act.id);
        self.acts().is_none_or(|known| {
            // One of long ago is no longer the last; that is nobody's doing.
            id(acts) > id(known) || self.view.act_asked.is_some() && id(acts) != id(known)
        })
    }

    /// Takes what was done, and says what became of what was asked for here.
    pub(super) fn take_acts(&mut self, revision: u64, acts: Box<ActsView>, now: Timestamp) -> bool {
        let undone = self.acts().and_then(|known| known.last.as_ref()).map(did);
        let last = acts.last.as_ref().map(|act| act.id);
        let told = match &self.view.act_asked {
            Some(ActAsked::New(before)) if last > *before => {
                let undo = self.keys.key_of(Action::Undo);
                acts.last.as_ref().map(|act| format!("Done: {}; {undo} undoes it.", did(act)))
            }
            Some(ActAsked::Undo(act)) if last != Some(*act) => undone.map(|did| format!("Undone: {did}.")),
            _ => None,
        };
        let changed = self.topics.acts.take(revision, acts);
        if changed && let Some(told) = told {
            self.view.act_asked = None;
            self.forget_noted();
            self.say(told, false, now);
        }
        changed
    }

    pub(super) fn open_acts(&mut self) {
        let trace = self.view.trace.is_some();
        self.view.pages.open(Page::Acts(Box::default()), trace);
        self.go_in_acts(Action::First);
    }

    pub(super) fn other_acts(&mut self) {
        if let Some(cursor) = self.acts_cursor_mut() {
            let page = match cursor.page {
                ActsPage::Held => ActsPage::Noise,
                ActsPage::Noise => ActsPage::Held,
            };
            *cursor = ActsCursor { page, ..ActsCursor::default() };
            self.go_in_acts(Action::First);
        }
    }

    /// The rows of a page, in order.
    #[must_use]
    pub fn act_rows(&self, page: ActsPage) -> Vec<ActRow> {
        match page {
            ActsPage::Noise => {
                let rows = self.topics.noise.get().into_iter().flatten();
                rows.map(|row| ActRow::Noise(row.subject.clone(), row.kind)).collect()
            }
            ActsPage::Held => {
                let Some(acts) = self.acts() else { return Vec::new() };
                let held = |in_force: bool| {
                    let wanted = acts.held.iter().filter(move |view| view.is_in_force() == in_force);
                    wanted.map(|view| ActRow::Held(view.act.id))
                };
                let maintenance = (0..acts.maintenance.len()).map(ActRow::Maintenance);
                held(true).chain(maintenance).chain(held(false)).collect()
            }
        }
    }

    #[must_use]
    pub fn held(&self, id: ActId) -> Option<&HeldView> {
        self.acts()?.held.iter().find(|view| view.act.id == id)
    }

    #[must_use]
    pub fn maintenance(&self, place: usize) -> Option<&MaintenanceView> {
        self.acts()?.maintenance.get(place)
    }

    #[must_use]
    pub fn noise(&self, subject: &Subject, kind: AlertKind) -> Option<&NoiseRow> {
        self.topics.noise.get()?.iter().find(|row| row.subject == *subject && row.kind == kind)
    }

    /// Everything about a row, its name first.
    #[must_use]
    pub fn act_lines(&self, row: &ActRow, now: Timestamp) -> Vec<String> {
        let clock = self.clock();
        let lines = match row {
            ActRow::Held(id) => self.held(*id).map(|view| {
                let title = std::iter::once(held_title(view));
                title.chain(held_lines(view, now, clock)).collect()
            }),
            ActRow::Maintenance(place) => self.maintenance(*place).map(|view| maintenance_lines(view, now, clock)),
            ActRow::Noise(subject, kind) => self.noise(subject, *kind).map(|row| noise_lines(row, clock)),
        };
        lines.unwrap_or_default()
    }

    /// What the selected row is, and all of it as text.
    pub(super) fn act_text(&self, now: Timestamp) -> Option<(&'static str, String)> {
        let rows = self.act_rows(self.acts_cursor()?.page);
        let row = rows.get(self.act_position(&rows)?)?;
        let what = match row {
            ActRow::Held(id) => match self.held(*id)?.act.deed {
                Deed::Silenced(_) => "Silence",
                _ => "Ack",
            },
            ActRow::Maintenance(_) => "Maintenance",
            ActRow::Noise(..) => "Noise",
        };
        Some((what, self.act_lines(row, now).join("\n")))
    }

    pub(super) fn go_in_acts(&mut self, action: Action) {
        let Some(cursor) = self.acts_cursor() else { return };
        if cursor.ending.is_some() {
            return;
        }
        let rows = self.act_rows(cursor.page);
        let at = self.act_position(&rows).unwrap_or(0);
        let page = usize::from(ActsLayout::of(self.size).rows.height);
        let at = list::moved(action, at, rows.len(), page);
        if let Some(cursor) = self.acts_cursor_mut() {
            cursor.offset = list::offset(cursor.offset, at, rows.len(), page);
            cursor.selected = rows.into_iter().nth(at);
        }
    }

    /// The place of the selected row; of one that is gone that of the first.
    #[must_use]
    pub fn act_position(&self, rows: &[ActRow]) -> Option<usize> {
        let selected = self.acts_cursor()?.selected.as_ref();
        let known = selected.and_then(|selected| rows.iter().position(|row| row == selected));
        known.or((!rows.is_empty()).then_some(0))
    }

    /// The first of the visible rows, and the one under the cursor.
    #[must_use]
    pub fn act_window(&self, rows: &[ActRow], page: usize) -> (usize, Option<usize>) {
        let at = self.act_position(rows);
        let offset = self.acts_cursor().map_or(0, |cursor| cursor.offset);
        (list::offset(offset, at.unwrap_or(0), rows.len(), page), at)
    }

    /// Whether the monitor has said anything about acts yet.
    #[must_use]
    pub fn knows_acts(&self) -> bool {
        self.topics.acts.get().is_some()
    }

    pub(super) fn ask_to_end(&mut self, now: Timestamp) {
        if self.refuse_when_lost(now) {
            return;
        }
        let Some(page) = self.acts_cursor().map(|cursor| cursor.page) else { return };
        let rows = self.act_rows(page);
        let view = match self.act_position(&rows).and_then(|at| rows.get(at)) {
            Some(ActRow::Held(id)) => self.held(*id).filter(|view| view.is_in_force()).cloned(),
            _ => None,
        };
        match (view, self.acts_cursor_mut()) {
            (Some(view), Some(cursor)) => cursor.ending = Some(view),
            _ => self.say("Only an ack or a silence that is in force can be ended.", false, now),
        }
    }

    pub(super) fn confirm_end(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let ending = self.acts_cursor_mut().and_then(|cursor| cursor.ending.take());
        if let Some(view) = ending {
            self.order(ActCommand::End { act: view.act.id }, "Asked to end it.", now, effects);
        }
    }

    /// Moments from which ages in the lists are counted.
    pub(super) fn act_ages(&self) -> Vec<Timestamp> {
        match self.acts_cursor().map(|cursor| cursor.page) {
            Some(ActsPage::Held) => {
                self.acts().into_iter().flat_map(|acts| &acts.held).map(|view| view.act.at).collect()
            }
            Some(ActsPage::Noise) => self.topics.noise.get().into_iter().flatten().map(|row| row.last).collect(),
            None => Vec::new(),
        }
    }

    /// `acked 1 (mira, until worse), silenced 2`; nothing where nothing is held back.
    #[must_use]
    pub fn calm_words(&self, now: Timestamp) -> Option<String> {
        let group = |acked: bool, word: &str| {
            let of: Vec<&Calm> = self.alerts.calm().map(|(_, calm)| calm).filter(|calm| calm.acked == acked).collect();
            match of.as_slice() {
                [] => None,
                [one] => Some(format!("{word} 1 ({}, {})", clean(&one.by), until(one.until, now, self.clock()))),
                more => Some(format!("{word} {}", more.len())),
            }
        };
        let words: Vec<String> = [group(true, "acked"), group(false, "silenced")].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// A term that matches exactly this service.
fn exactly(service: &str) -> String {
    term("svc", service)
}

fn exactly_key(key: &SpanKey) -> String {
    format!("{} {}", exactly(&key.service), term("op", &key.operation))
}

/// A name with spaces cannot be written as `svc=`, so it is searched as text.
fn term(field: &str, name: &str) -> String {
    if name.contains(|c: char| c.is_whitespace() || c == '"') {
        format!("\"{}\"", name.replace('"', " ").trim())
    } else {
        format!("{field}={name}")
    }
}

/// `until worse`, `until 07:30Z`, `until Sat 21 Nov 07:30Z`
#[must_use]
pub fn until(until: Until, now: Timestamp, clock: Clock) -> String {
    match until {
        Until::Recovered => "until recovered".to_owned(),
        Until::Worse => "until worse".to_owned(),
        Until::At(at) => format!("until {}", moment(at, now, clock)),
    }
}

fn moment(at: Timestamp, now: Timestamp, clock: Clock) -> String {
    if at.since(now) < Micros::from_secs(43_200) && now.since(at) < Micros::from_secs(43_200) {
        clock.short(at)
    } else {
        clock.date(at)
    }
}

/// `it became worse, S2 to S1`
#[must_use]
pub fn why_over(why: OverWhy) -> String {
    match why {
        OverWhy::Recovered => "it recovered".to_owned(),
        OverWhy::Worse { from, to } => format!("it became worse, {from} to {to}"),
        OverWhy::TimeOver => "its time was over".to_owned(),
    }
}

/// What an act was, in the past tense.
#[must_use]
pub fn did(act: &Act) -> String {
    let by = clean(&act.by);
    match &act.deed {
        Deed::Acknowledged(ack) => {
            let incidents = ack.incidents.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(", ");
            let what = if ack.whole { "incident" } else { "an alert of incident" };
            format!("{by} acknowledged {what} {incidents}")
        }
        Deed::Silenced(silence) => format!("{by} silenced {}", clean(&silence.matcher)),
        Deed::Rated(rating) => format!("{by} called incident {} {}", rating.incident.0, rating.verdict),
        Deed::Noted(note) => format!("{by} noted something about incident {}", note.incident.0),
        Deed::Ended(_) => format!("{by} ended an ack or a silence"),
    }
}

/// What stands behind the title of an incident.
#[must_use]
pub fn remark(view: &IncidentView, now: Timestamp, clock: Clock) -> Option<String> {
    let life = &view.life;
    let held = match (&life.calm, &life.back) {
        (Some(Calm { acked: true, by, until: end, .. }), _) => {
            Some(format!("acked by {by}, {}", until(*end, now, clock)))
        }
        (Some(Calm { by, until: end, .. }), _) => Some(format!("silenced by {by}, {}", until(*end, now, clock))),
        (None, Some(Back { over, .. })) => Some(match over.why {
            OverWhy::Worse { from, to } => format!("ack over: worse, {from} to {to}"),
            OverWhy::TimeOver => "ack over: time".to_owned(),
            OverWhy::Recovered => "ack over".to_owned(),
        }),
        (None, None) => None,
    };
    let verdict = life.verdict.as_ref().map(|(verdict, _)| verdict.to_string());
    let words: Vec<String> = held.into_iter().chain(verdict).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// What the analysis pane says of what people did about an incident.
#[must_use]
pub fn sentences(view: &IncidentView, now: Timestamp, clock: Clock) -> Vec<String> {
    let life = &view.life;
    let mut said = Vec::new();
    let why = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
    if let Some(calm) = &life.calm {
        let verb = if calm.acked { "Acknowledged" } else { "Silenced" };
        let (at, by) = (clock.short(calm.at), &calm.by);
        said.push(format!("{verb} {at} by {by}, {}{}", until(calm.until, now, clock), why(&calm.reason)));
    }
    if let Some(Back { by, reason, over, .. }) = &life.back {
        let at = clock.short(over.at);
        said.push(format!("Acknowledged by {by} until {at}, when {}{}", why_over(over.why), why(reason)));
    }
    said.extend(life.verdict.as_ref().map(|(verdict, by)| format!("Rated {verdict} by {by}.")));
    said
}

/// The held alert's word, as in `acked`.
#[must_use]
pub fn held_word(view: &IncidentView, alert: &Alert) -> Option<&'static str> {
    let calm = view.life.alerts.iter().find(|(id, _)| *id == alert.id).map(|(_, calm)| calm)?;
    Some(if calm.acked { "acked" } else { "silenced" })
}

/// Whether so old that it may be forgotten.
#[must_use]
pub fn is_forgotten(act: &Act, now: Timestamp) -> bool {
    now.since(act.at) >= SHIFT
}

/// The title of what is typed.
#[must_use]
pub const fn form_title(form: &ActForm) -> &'static str {
    match &form.what {
        FormOf::Acknowledgement { alert: None, .. } => "Acknowledge the incident",
        FormOf::Acknowledgement { .. } => "Acknowledge the alert",
        FormOf::Silence => "Silence",
    }
}

/// What is told above the fields.
#[must_use]
pub fn form_head(form: &ActForm) -> Option<String> {
    match &form.what {
        FormOf::Acknowledgement { incident, severity, title, .. } => {
            Some(format!("{severity} incident {}: {}", incident.0, clean(title)))
        }
        FormOf::Silence => None,
    }
}

/// What it will do, as far as it can be read.
#[must_use]
pub fn form_lines(app: &App, form: &ActForm, width: usize, now: Timestamp) -> Vec<TextLine> {
    let mut page = Composed::new(width);
    if let Some(error) = &form.error {
        page.add(Tone::Trouble, error, 0);
        page.gap();
    }
    let silence = form.what == FormOf::Silence;
    match form.until(now, app.clock()) {
        Ok(Until::Recovered) if silence => page.add(Tone::Plain, "Ends once nothing that it met is open.", 0),
        Ok(Until::Recovered) => page.add(Tone::Plain, "Calm until all of it is over.", 0),
        Ok(Until::Worse) => {
            let seen = match &form.what {
                FormOf::Acknowledgement { seen, .. } => seen.to_string(),
                FormOf::Silence => "now".to_owned(),
            };
            page.add(Tone::Plain, &format!("Ends once it is more severe than {seen}."), 0);
        }
        Ok(Until::At(at)) => page.add(Tone::Plain, &format!("Ends {}.", app.clock().date(at)), 0),
        Err(why) => page.add(Tone::Trouble, &why, 0),
    }
    let ends = format!("until takes: recovered, worse, 2h, 07:30 ({})", app.clock().zone_at(now));
    if silence {
        preview(&mut page, app, form, now);
        page.add(Tone::Quiet, &ends, 0);
        page.add(Tone::Quiet, "what takes: svc=pay op:*order* kind:errors sev<=3 !word", 0);
    } else {
        page.add(Tone::Quiet, &ends, 0);
    }
    page.add(Tone::Quiet, "It is recorded, and left out of what is learnt, all the same.", 0);
    page.lines
}

fn preview(page: &mut Composed, app: &App, form: &ActForm, now: Timestamp) {
    let filter: Filter = match Silence::filter(form.text(MATCHER)) {
        Ok(filter) => filter,
        Err(error) => return page.add(Tone::Trouble, &error.to_string(), 0),
    };
    let open = || app.alerts.open().flat_map(|view| &view.alerts).filter(|alert| alert.is_open());
    let matching: Vec<&Alert> = open().filter(|alert| filter.matches_alert(alert, now)).collect();
    let all = open().count();
    page.add(
        Tone::Plain,
        &format!("Matches {} of {} now.", matching.len(), wording::plural(all as u64, "open alert")),
        0,
    );
    for alert in matching.iter().take(MOST_NAMED) {
        page.add(Tone::Plain, &format!("{} {}, {}", alert.severity, alert.subject, alert.kind), 2);
    }
    if matching.len() > MOST_NAMED {
        page.add(Tone::Plain, &format!("and {} more", matching.len() - MOST_NAMED), 2);
    }
}

/// The question whether something is to end.
#[must_use]
pub fn ending_lines(view: &HeldView, width: usize, now: Timestamp, clock: Clock) -> Vec<TextLine> {
    let mut page = Composed::new(width);
    let covers = wording::plural(u64::from(view.covers), "open alert");
    page.add(Tone::Heading, &format!("{}.", held_title(view)), 0);
    page.add(Tone::Plain, &format!("It holds back {covers} now; they want somebody again."), 0);
    page.gap();
    for line in held_lines(view, now, clock) {
        page.add(Tone::Plain, &line, 0);
    }
    page.lines
}

/// What an acknowledgement or silence is about.
#[must_use]
pub fn held_title(view: &HeldView) -> String {
    match &view.act.deed {
        Deed::Acknowledged(ack) => {
            let incident = ack.incidents.last().map_or(0, |id| id.0);
            format!("ack of {incident}: {}", clean(wording::short_title(&ack.title)))
        }
        Deed::Silenced(silence) => format!("silence {}", clean(&silence.matcher)),
        Deed::Rated(_) | Deed::Noted(_) | Deed::Ended(_) => did(&view.act),
    }
}

/// The end, short enough for a column.
#[must_use]
pub fn held_end(view: &HeldView, now: Timestamp, clock: Clock) -> String {
    let Some(hold) = view.act.deed.hold() else { return String::new() };
    match (&hold.over, &view.ended) {
        (Some(over), _) => match over.why {
            OverWhy::Recovered => "recovered".to_owned(),
            OverWhy::Worse { to, .. } => format!("over: {to}"),
            OverWhy::TimeOver => "time over".to_owned(),
        },
        (None, Some(_)) => "ended".to_owned(),
        (None, None) => match hold.until {
            Until::Recovered if matches!(view.act.deed, Deed::Silenced(_)) => "resolved".to_owned(),
            Until::Recovered => "recovered".to_owned(),
            Until::Worse => "worse".to_owned(),
            Until::At(at) => moment(at, now, clock),
        },
    }
}

/// Everything about it: who, when, why, how long.
#[must_use]
pub fn held_lines(view: &HeldView, now: Timestamp, clock: Clock) -> Vec<String> {
    let act = &view.act;
    let Some(hold) = act.deed.hold() else { return Vec::new() };
    let end = match (&act.deed, hold.until) {
        (Deed::Silenced(_), Until::Recovered) => "until resolved".to_owned(),
        (_, end) => until(end, now, clock),
    };
    let mut lines = vec![format!("By {} {}, {end}.", act.by, clock.date(act.at))];
    if !hold.reason.is_empty() {
        lines.push(format!("Reason: {}", hold.reason));
    }
    let met = wording::plural(hold.met, "alert");
    lines.push(format!("Met {met} since it began, holds back {} now.", view.covers));
    if let Some(over) = &hold.over {
        lines.push(format!("Ended {}: {}.", clock.date(over.at), why_over(over.why)));
    } else if let Some(ended) = &view.ended {
        lines.push(format!("Ended {} by {}.", clock.date(ended.at), ended.by));
    }
    lines
}

/// `runs until 04:00Z`, `Sun 22 Nov 02:00Z for 2h00m`, `none to come`
#[must_use]
pub fn maintenance_when(view: &MaintenanceView, now: Timestamp, clock: Clock) -> String {
    match view.next {
        Some(window) if window.contains(now) => format!("runs until {}", moment(window.to, now, clock)),
        Some(window) => format!("{} for {}", clock.date(window.from), window.length()),
        None => "none to come".to_owned(),
    }
}

#[must_use]
pub fn maintenance_lines(view: &MaintenanceView, now: Timestamp, clock: Clock) -> Vec<String> {
    let of = if view.services.is_empty() { "every service".to_owned() } else { view.services.join(", ") };
    let often = if view.weekly { "every week" } else { "once" };
    vec![
        format!("{}: maintenance {often}, {}.", view.name, maintenance_when(view, now, clock)),
        format!("No alert of {of} while it lasts, and nothing is learnt then."),
        "It is in the configuration, [[maintenance]], and is changed there.".to_owned(),
    ]
}

#[must_use]
pub fn noise_lines(row: &NoiseRow, clock: Clock) -> Vec<String> {
    let alerts = wording::plural(u64::from(row.alerts), "alert");
    vec![
        format!(
            "{}, {}: {alerts} in 30 days, the worst {}, {} in all.",
            row.subject, row.kind, row.severity, row.lasted
        ),
        format!(
            "Of these {} called noise, {} useful; the newest began {}.",
            row.noise,
            row.useful,
            clock.date(row.last)
        ),
    ]
}
