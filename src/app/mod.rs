//! The screens' state as a pure machine: `update(message, now)` changes it and returns effects as data.

mod actions;
pub mod acts;
mod alerts;
pub mod analysis;
pub mod bindings;
pub mod clock;
pub mod compare;
mod copy;
mod freeze;
pub mod freshness;
pub mod graph;
pub mod help;
pub mod incident;
mod input;
mod kept;
mod key;
pub mod keymap;
pub mod layout;
pub mod level;
mod list;
pub mod map;
pub mod note;
pub mod page;
pub mod palette;
mod recall;
pub mod service;
pub mod span;
mod status;
mod topics;
mod trace;
pub mod trends;
pub mod waterfall;
pub mod week;
pub mod why;
pub mod wording;
mod wrap;

pub use acts::{ActForm, ActsCursor};
pub use alerts::{AlertCursor, AlertList, Entry, Row, RowId, leading};
pub use bindings::KeyMap;
pub use clock::{Clock, TimeShown};
pub use compare::CompareCursor;
pub use copy::{Clip, ENCODED_MOST};
pub use freeze::Badge;
pub use incident::IncidentCursor;
pub use input::{LineInput, TextInput};
pub use kept::{Draft, Kept};
pub use key::{Key, KeyCode};
pub use level::LevelCursor;
pub use map::MapCursor;
pub use note::NoteForm;
pub use page::{Page, Pages};
pub use palette::PaletteView;
pub use service::ServiceCursor;
pub use status::{Mood, Status};
pub use topics::Topics;
pub use trace::{Shown, TraceCursor, TraceData};
pub use why::WhyCursor;
pub use wrap::wrap;

use std::sync::Arc;

use crate::domain::filter::Filter;
use crate::domain::{Anomaly, AnomalyId, IncidentId, Micros, Severity, SpanKey, Subject, Timestamp};
use crate::messages::{
    CommandKind, HeldView, Outcome, RecalculationKind, RecalculationState, ServiceView, SourceKind, TrendsWanted,
    Update, UpdateBody,
};
use freeze::Frozen;
use freshness::Freshness;
use keymap::Place;
use layout::{Layout, Pane, Shape, TraceLayout};
use recall::{Recall, Recalled};

/// What happens to the app.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    KeyPressed(Key),
    /// Text pasted by the terminal (bracketed paste).
    Pasted(String),
    /// Columns and rows.
    Resized(u16, u16),
    UpdateArrived(Update),
    /// The clock moved: ages may read differently now.
    Ticked,
    /// The monitor ended; the sentence says why.
    MonitorLost(String),
    /// Something about the terminal that a person should know.
    Told(String),
}

/// What the runtime is to do for the app.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Send(CommandKind),
    Quit,
    Suspend,
    /// Put the text into the person's clipboard.
    Copy(Clip),
    /// Paint every cell anew.
    Redraw,
}

/// What the user did with the screens. Small: it is compared before and after each key, so that a key which changed
/// nothing draws nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    pub time: TimeShown,
    pub focus: Pane,
    /// The list pane that last had the focus: its selection is what the baseline pane is about.
    pub led_by_services: bool,
    /// Show this severity and worse; all when `None`.
    pub severity: Option<Severity>,
    pub filter_text: String,
    pub filter: Filter,
    pub typing: Option<Typing>,
    pub alerts: AlertCursor,
    pub service: Option<String>,
    /// A person chose it; see [`AlertCursor::held`].
    pub service_held: bool,
    pub service_offset: usize,
    /// The first line of the analysis; `None` where nobody scrolled, see [`App::analysis_top`].
    pub analysis_top: Option<usize>,
    pub trace: Option<TraceCursor>,
    /// Detail pages, laid over the panes and the trace they were opened from.
    pub pages: Pages,
    pub level_asked: Option<level::LevelAsked>,
    /// The acknowledgement or silence that is being typed.
    pub act_form: Option<ActForm>,
    pub act_asked: Option<acts::ActAsked>,
    /// The note that is being written.
    pub note: Option<NoteForm>,
    /// One that was left, or sent and not yet confirmed.
    pub note_draft: Option<(IncidentId, String)>,
    pub help: Option<HelpView>,
    pub palette: Option<PaletteView>,
    /// A sentence in the rule above the keys.
    pub message: Option<Message>,
    pub asked: Option<AnomalyId>,
    pub recalculation_open: bool,
    baseline_asked: Option<SpanKey>,
    trends_asked: Option<TrendsWanted>,
    service_asked: Option<Arc<str>>,
    map_asked: bool,
    incident_asked: Option<IncidentId>,
    /// The test that the incident's page tells of.
    why_asked: Option<(Subject, Timestamp)>,
}

impl Typing {
    /// The filter that was set before.
    fn before(&self) -> &String {
        &self.before.0
    }
}

/// The filter while it is typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Typing {
    pub line: LineInput,
    /// What to go back to.
    before: (String, Filter),
    pub error: Option<String>,
    /// Set while one that was kept earlier is in the line as it was.
    recalled: Option<Recalled>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HelpView {
    pub place: Place,
    pub query: LineInput,
    pub offset: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub text: String,
    pub trouble: bool,
    /// All of it is to be read, on more lines where one is too short.
    pub whole: bool,
    at: Timestamp,
}

impl View {
    /// What is asked, if anything is; not what was typed into it.
    fn question(&self) -> (Option<&level::LevelQuestion>, Option<&HeldView>, bool) {
        let (level, ending) = match self.pages.shown(self.trace.is_some()) {
            Some(Page::Level(cursor)) => (Some(&cursor.question), None),
            Some(Page::Acts(cursor)) => (None, cursor.ending.as_ref()),
            _ => (None, None),
        };
        (level, ending, self.act_form.is_some())
    }
}

impl Message {
    /// A remark goes by itself after a while; what went wrong stays until somebody pressed a key.
    fn expires(&self) -> Option<Timestamp> {
        (!self.trouble).then(|| self.at + Micros::from_secs(30))
    }
}

#[derive(Debug, Default)]
pub struct App {
    size: (u16, u16),
    revision: u64,
    /// When visible text next changes by itself.
    due: Option<Timestamp>,
    pub(crate) topics: Topics,
    pub(crate) alerts: AlertList,
    pub(crate) trace: TraceData,
    pub(crate) view: View,
    /// Why the monitor ended, if it did.
    pub(crate) lost: Option<String>,
    frozen: Option<Frozen>,
    keys: KeyMap,
    /// What was being typed when the last sitting ended.
    draft: Option<Draft>,
    recall: Recall,
    /// The person's.
    zone: chrono_tz::Tz,
    /// Where Jaeger's UI shows traces, without a slash at its end.
    trace_pages: Option<String>,
    /// Set once a cancel was sent, so that the next Ctrl-C goes on even if the monitor does not react.
    analysis_cancelled: bool,
    recalculation_cancelled: bool,
    /// When the newest recalculation that was asked for here came into use.
    recalculated: Option<Timestamp>,
    /// The revision that shows the open question first.
    asked_at: u64,
}

impl App {
    /// An app that shows SEV3 and worse.
    #[must_use]
    pub fn new(size: (u16, u16)) -> Self {
        Self { size, view: View { severity: Some(Severity::Sev3), ..View::default() }, ..Self::default() }
    }

    /// Starts with another severity filter; all severities when `None`.
    #[must_use]
    pub fn with_severity_filter(mut self, least: Option<Severity>) -> Self {
        self.view.severity = least;
        self
    }

    /// Starts with other keys than those of the table.
    #[must_use]
    pub fn with_keys(mut self, keys: KeyMap) -> Self {
        self.keys = keys;
        self
    }

    #[must_use]
    pub const fn keys(&self) -> &KeyMap {
        &self.keys
    }

    pub fn update(&mut self, msg: Msg, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let before = self.view.clone();
        let changed = match msg {
            Msg::KeyPressed(key) => {
                self.press(key, now, &mut effects);
                false
            }
            Msg::Pasted(text) => {
                self.paste(&text, now);
                false
            }
            Msg::Resized(columns, rows) => {
                let changed = self.size != (columns, rows);
                self.size = (columns, rows);
                self.arrange(now);
                changed
            }
            Msg::UpdateArrived(update) if self.is_to_wait(&update.body) => self.set_aside(update),
            Msg::UpdateArrived(update) => self.take(update, now),
            Msg::Ticked => {
                let due = self.due.is_some_and(|due| now >= due);
                if self.view.message.as_ref().and_then(Message::expires).is_some_and(|at| now >= at) {
                    self.view.message = None;
                }
                if due && self.view.filter.depends_on_time() {
                    self.arrange(now);
                }
                due
            }
            Msg::MonitorLost(why) => {
                let why = Some(why);
                let changed = self.lost != why;
                self.lost = why;
                changed
            }
            Msg::Told(text) => {
                self.say(text, false, now);
                true
            }
        };
        self.follow_selection(&mut effects);
        self.follow_trends(&mut effects);
        if changed || self.view != before {
            self.revision += 1;
        }
        if self.view.question() != before.question() {
            self.asked_at = self.revision;
        }
        self.due = self.next_tick(now);
        effects
    }

    /// Grows whenever something visible may have changed; the runtime draws only then.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a key confirms what nobody can have read: it was pressed before the question was on the screen, of which
    /// `drawn` is the newest revision.
    #[must_use]
    pub fn is_hasty(&self, key: Key, drawn: u64) -> bool {
        let confirms = self.keys.action(self.place(), key).is_some_and(keymap::Action::confirms);
        confirms && drawn < self.asked_at
    }

    /// When text on the screen next reads differently, if nothing else happens.
    #[must_use]
    pub fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        let message = self.view.message.as_ref().and_then(Message::expires).filter(|at| *at > now);
        if let Some(frozen) = &self.frozen {
            // The end that is being typed is counted from the real now.
            let typed = self.view.act_form.as_ref().map(|_| wording::clock_changes(now));
            return message.into_iter().chain(typed).chain([frozen.changes(now)]).min();
        }
        let sources =
            self.topics.sources.get().into_iter().flatten().filter_map(|source| freshness::changes(source, now));
        let records = self.alerts.records().iter().filter(|entry| !entry.ended).flat_map(|entry| {
            let unfolded = self.view.alerts.unfolded.contains(&entry.view.key);
            let anomalies = entry.view.anomalies.iter().filter(move |_| unfolded).map(|anomaly| anomaly.start);
            std::iter::once(entry.view.first).chain(anomalies)
        });
        let incidents = self.alerts.open().flat_map(|view| {
            let unfolded = self.view.alerts.unfolded_incidents.contains(&view.incident.id);
            let alerts = view.alerts.iter().filter(move |alert| unfolded && alert.is_open());
            std::iter::once(view.incident.onset).chain(alerts.map(|alert| alert.onset))
        });
        let absent = self.topics.services.get().into_iter().flatten().filter_map(|service| match service.state {
            crate::messages::ServiceState::Absent => service.last_seen,
            _ => None,
        });
        let loading = self.topics.analysis.get().and_then(|analysis| match analysis.state {
            crate::messages::AnalysisState::Waiting { loading: true } => Some(analysis.started),
            _ => None,
        });
        let ages = records
            .chain(incidents)
            .chain(self.act_ages())
            .chain(absent)
            .chain(loading)
            .chain(self.page_ages())
            .map(|since| wording::age_changes(since, now));
        // An age filter may let an alert pass at any second; looking every ten is fine enough for a person.
        let filter = self.view.filter.depends_on_time().then(|| now + Micros::from_secs(10));
        sources.chain(ages).chain(filter).chain(message).chain([wording::clock_changes(now)]).min()
    }

    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        self.size
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::of(self.size, self.view.focus)
    }

    /// Where a key pressed now would land.
    #[must_use]
    pub fn place(&self) -> Place {
        let view = &self.view;
        if view.help.is_some() {
            Place::Help
        } else if view.palette.is_some() {
            Place::Palette
        } else if view.typing.is_some() {
            Place::Filter
        } else if view.act_form.is_some() {
            Place::ActForm
        } else if view.note.is_some() {
            Place::Note
        } else if let Some(page) = self.page() {
            page.place()
        } else if let Some(trace) = &view.trace {
            match (&trace.compare, trace.detail) {
                (Some(compare), _) if compare.attributes => Place::Attributes,
                (Some(_), _) => Place::Compare,
                (None, Some(_)) => Place::Span,
                (None, None) => Place::Trace,
            }
        } else {
            match view.focus {
                Pane::Services => Place::Services,
                Pane::Alerts => Place::Alerts,
                Pane::Baseline => Place::Baseline,
                Pane::Analysis => Place::Analysis,
            }
        }
    }

    /// The detail page that is shown, if one is.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        self.view.pages.shown(self.view.trace.is_some())
    }

    pub(crate) fn page_mut(&mut self) -> Option<&mut Page> {
        self.view.pages.shown_mut(self.view.trace.is_some())
    }

    /// The anomaly that the analysis pane and the verdict are about.
    #[must_use]
    pub fn selected_anomaly(&self) -> Option<&Anomaly> {
        match (self.incident_page(), &self.view.trace) {
            (Some(cursor), _) => self.anomaly_on_page(cursor),
            (None, Some(trace)) => Some(&trace.anomaly),
            (None, None) => self.alerts.selected_anomaly(&self.view.alerts),
        }
    }

    pub(crate) fn selected_service(&self) -> Option<&ServiceView> {
        let services = self.topics.services.get()?;
        let name = self.view.service.as_deref()?;
        services.iter().find(|service| service.service == name)
    }

    /// The key whose baseline is shown: that of the selected row, or of the selected service's worst operation when
    /// the services lead or there is no alert.
    #[must_use]
    pub fn baseline_key(&self) -> Option<&SpanKey> {
        if let Some(cursor) = self.service_cursor() {
            return self
                .selected_operation()
                .or_else(|| self.view.baseline_asked.as_ref().filter(|key| key.service == cursor.service));
        }
        let of_alert = || self.alert_key();
        let of_service = || self.selected_service().and_then(|service| service.worst_operation.as_ref());
        match self.view.pages.incident_read() {
            Some(cursor) => self.key_on_page(cursor),
            None if self.view.led_by_services => of_service().or_else(of_alert),
            None => of_alert().or_else(of_service),
        }
    }

    /// The key that the selected row is about; of an incident that of its culprit's worst span, else of its worst alert.
    fn alert_key(&self) -> Option<&SpanKey> {
        let selected = self.view.alerts.selected.as_ref()?;
        if let Some(key) = selected.record() {
            return Some(key);
        }
        let of_subject = match self.alerts.selected_alert(&self.view.alerts).map(|alert| &alert.subject) {
            Some(Subject::Key(key)) => Some(key),
            _ => None,
        };
        of_subject.or_else(|| self.alerts.selected_anomaly(&self.view.alerts).map(|anomaly| &anomaly.key))
    }

    /// Whether what is on the screen rests on a source that no longer answers.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.lost.is_some()
            || self
                .topics
                .sources
                .get()
                .into_iter()
                .flatten()
                .any(|source| source.kind == SourceKind::Jaeger && Freshness::of(source, now).is_stale())
    }

    pub(crate) fn recalculation_is_running(&self) -> bool {
        self.lost.is_none() && matches!(self.topics.recalculation.get(), Some(RecalculationState::Running { .. }))
    }

    pub(crate) fn analysis_is_running(&self) -> bool {
        self.lost.is_none() && self.topics.analysis.get().is_some_and(|analysis| analysis.state.is_running())
    }

    /// Asks for the baseline of what is selected, once per change.
    fn follow_selection(&mut self, effects: &mut Vec<Effect>) {
        let wanted = self.baseline_key().cloned();
        if wanted != self.view.baseline_asked {
            if let Some(key) = &wanted {
                effects.push(Effect::Send(CommandKind::ShowBaseline { key: key.clone() }));
            }
            self.view.baseline_asked = wanted;
        }
        self.follow_incident(effects);
        self.follow_pages(effects);
    }

    fn say(&mut self, text: impl Into<String>, trouble: bool, now: Timestamp) {
        self.view.message = Some(Message { text: text.into(), trouble, whole: false, at: now });
    }

    /// Says something of which the end matters as much as the start.
    fn say_whole(&mut self, text: String, now: Timestamp) {
        self.view.message = Some(Message { text, trouble: false, whole: true, at: now });
    }

    /// Brings rows and cursors in line with what is known and asked for.
    fn arrange(&mut self, now: Timestamp) {
        let now = self.shown_at(now);
        let layout = self.layout();
        let View { severity, filter, alerts, .. } = &mut self.view;
        self.alerts.arrange(alerts, *severity, filter, layout.rows(Pane::Alerts), now);
        let services = self.topics.services.get().map_or(&[][..], Vec::as_slice);
        let known = |name: &String| services.iter().any(|service| service.service == *name);
        if !self.view.service_held || !self.view.service.as_ref().is_some_and(known) {
            self.view.service = services.first().map(|service| service.service.clone());
        }
        let at = services.iter().position(|service| Some(&service.service) == self.view.service.as_ref()).unwrap_or(0);
        self.view.service_offset =
            list::offset(self.view.service_offset, at, services.len(), layout.rows(Pane::Services));
        if let Some(palette) = &mut self.view.palette {
            let count = palette::entries(&self.keys, palette.place, palette.query.text()).len();
            palette.offset = list::offset(palette.offset, palette.at, count, palette::room(self.size));
        }
        if let Some(cursor) = &mut self.view.trace {
            cursor.settle(&self.trace, TraceLayout::of(self.size).page());
        }
        self.arrange_service();
        self.arrange_map();
    }

    /// Takes in an update; says whether it changed anything that may be visible.
    fn take(&mut self, update: Update, now: Timestamp) -> bool {
        let revision = update.revision;
        match update.body {
            UpdateBody::Sources(sources) => self.topics.sources.take(revision, sources),
            UpdateBody::Monitor(monitor) => self.topics.monitor.take(revision, monitor),
            UpdateBody::Levels(levels) => self.take_levels(revision, levels, now),
            UpdateBody::Acts(acts) => self.take_acts(revision, acts, now),
            UpdateBody::Noise(noise) => self.topics.noise.take(revision, noise),
            UpdateBody::Learning(learning) => self.topics.learning.take(revision, learning),
            UpdateBody::Baseline(baseline) => self.topics.baseline.take(revision, baseline),
            UpdateBody::Services(services) => {
                let changed = self.topics.services.take(revision, services);
                self.arrange(now);
                changed
            }
            UpdateBody::Incidents(incidents) => {
                if !self.topics.incidents_at.take(revision, revision) {
                    return false;
                }
                let reading = self.view.pages.incident_read().map(|cursor| cursor.incident);
                let changed = self.alerts.take_incidents(incidents, reading);
                self.arrange(now);
                changed
            }
            UpdateBody::Service(view) => self.take_service(revision, view, now),
            UpdateBody::Map(view) => self.take_map(revision, view, now),
            UpdateBody::Why(why) => self.topics.why.take(revision, why),
            UpdateBody::IncidentHistory(history) => self.topics.incident_history.take(revision, history),
            UpdateBody::Week(week) => self.topics.week.take(revision, week) && self.is_week(),
            UpdateBody::Trends(trends) => self.topics.trends.take(revision, trends),
            UpdateBody::Comparison(comparison) => self.topics.comparison.take(revision, comparison),
            UpdateBody::Records(records) => {
                if !self.topics.records_at.take(revision, revision) {
                    return false;
                }
                let changed = self.alerts.take_records(records, &self.view.alerts);
                self.arrange(now);
                changed
            }
            UpdateBody::Trace(trace) => {
                let stood = self.trace.problem().is_some();
                let changed = self.trace.take(revision, trace, self.view.trace.as_mut());
                if let Some(why) = self.trace.problem().filter(|_| changed && !stood) {
                    self.say(format!("What is shown could not be fetched again. {why}"), true, now);
                }
                self.arrange(now);
                changed
            }
            UpdateBody::Recalculation(state) => self.take_recalculation(revision, state, now),
            UpdateBody::Analysis(analysis) => {
                let run = analysis.id;
                let other = self.topics.analysis.get().is_none_or(|known| known.id != run);
                let about = analysis.anomaly.id;
                let changed = self.topics.analysis.take(revision, analysis);
                if changed && other {
                    self.analysis_cancelled = false;
                    self.view.analysis_top = None;
                }
                if changed && self.view.asked == Some(about) {
                    self.view.asked = None;
                }
                changed
            }
            UpdateBody::TokensArrived { analysis, text } => self.topics.append(revision, analysis, &text),
            UpdateBody::Notice(text) => {
                self.say(text, false, now);
                true
            }
            UpdateBody::CommandAnswered { outcome: Outcome::Refused(why), .. } => {
                self.view.asked = None;
                self.view.level_asked = None;
                self.view.act_asked = None;
                self.say(why, true, now);
                true
            }
            UpdateBody::CommandAnswered { outcome: Outcome::Accepted, .. } => false,
        }
    }

    fn take_recalculation(&mut self, revision: u64, state: RecalculationState, now: Timestamp) -> bool {
        let was_running = self.recalculation_is_running();
        if let RecalculationState::Done { how, at, .. } = &state
            && self.view.recalculation_open
        {
            match how {
                RecalculationKind::Applied => self.recalculated = Some(*at),
                RecalculationKind::TakenBack => self.recalculated = None,
                RecalculationKind::Rehearsed => {}
            }
        }
        let news = match &state {
            RecalculationState::Done { how, generation, changed, compared, alerts, .. } => Some((
                format!(
                    "{}, {} of {} moved by more than 10%{}.",
                    wording::recalculated(*how, *generation),
                    wording::count(u64::from(*changed)),
                    wording::plural(u64::from(*compared), "bucket"),
                    match (alerts.vanish, alerts.appear) {
                        (0, 0) => String::new(),
                        (n, 0) => format!(", {} would vanish", wording::plural(u64::from(n), "alert")),
                        (0, n) => format!(", {} would have appeared", wording::plural(u64::from(n), "alert")),
                        (n, more) => {
                            format!(", {} would vanish, {more} have appeared", wording::plural(u64::from(n), "alert"))
                        }
                    },
                ),
                false,
            )),
            RecalculationState::Cancelled => {
                Some(("Recalculation cancelled: the baselines are as before.".to_owned(), false))
            }
            RecalculationState::Failed(why) => Some((format!("Recalculation failed: {why}"), true)),
            RecalculationState::Running { .. } | RecalculationState::Never => None,
        };
        let running = news.is_none() && state != RecalculationState::Never;
        let changed = self.topics.recalculation.take(revision, state);
        if changed && running && !was_running {
            self.recalculation_cancelled = false;
            if self.view.recalculation_open {
                // Its progress says more than that it was asked for.
                self.view.message = None;
            }
        }
        let shown_in_its_pane = match self.page() {
            Some(page) => matches!(page, Page::Week(_)) && self.layout().shape == Shape::Four,
            None => self.layout().baseline.is_some() && self.view.trace.is_none(),
        };
        let told_in_its_pane = shown_in_its_pane && (self.view.recalculation_open || self.is_week());
        if changed && news.is_some() && told_in_its_pane {
            // The panel says more than that it was asked for.
            self.view.message = None;
        }
        if changed
            // One that nobody asked for, at night or after back-fill, takes no room from what is being read.
            && !told_in_its_pane
            && let Some((text, trouble)) = news
        {
            self.say(text, trouble, now);
        }
        changed
    }
}

#[cfg(test)]
mod tests;
