//! What the screens remember from one sitting to the next: where one was, what was filtered, and what was being typed when
//! the terminal went away.

use serde::{Deserialize, Serialize};

use super::acts::{ActForm, FormOf};
use super::keymap::Action;
use super::layout::Pane;
use super::recall::Recall;
use super::{App, TimeShown, Typing};
use crate::domain::filter::Filter;
use crate::domain::{AlertId, IncidentId, Severity, Timestamp, text};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    pub pane: Pane,
    /// This severity and worse are shown, 1 to 5; 0 for all; the configuration decides where none is kept.
    pub severity: Option<u8>,
    /// The configuration decides where none is kept.
    pub time: Option<TimeShown>,
    pub filter: String,
    /// Those that were kept, the newest first.
    pub filters: Vec<String>,
    /// Begun and neither sent nor given up.
    pub draft: Option<Draft>,
    /// A note that is not kept yet, and of which incident.
    pub note: Option<(IncidentId, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Draft {
    Filter(String),
    Acknowledgement { incident: IncidentId, alert: Option<AlertId>, fields: Vec<String> },
    Silence { fields: Vec<String> },
}

impl Draft {
    fn of_form(form: &ActForm) -> Self {
        let fields = form.fields.iter().map(|field| field.line.text().to_owned()).collect();
        match &form.what {
            FormOf::Acknowledgement { incident, alert, .. } => {
                Self::Acknowledgement { incident: *incident, alert: *alert, fields }
            }
            FormOf::Silence => Self::Silence { fields },
        }
    }

    /// The fields, if it is the draft of this form; or of one like it, if its incident is gone: an incident has another
    /// number after a restart.
    fn fields_for(&self, form: &ActForm, is_open: impl Fn(IncidentId) -> bool) -> Option<&[String]> {
        match (self, &form.what) {
            (
                Self::Acknowledgement { incident, alert, fields },
                FormOf::Acknowledgement { incident: of_form, alert: of_alert, .. },
            ) if (incident, alert) == (of_form, of_alert) || !is_open(*incident) => Some(fields),
            (Self::Silence { fields }, FormOf::Silence) => Some(fields),
            _ => None,
        }
    }
}

impl App {
    /// What is to be remembered now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let typed = self.view.typing.as_ref();
        let draft = match (&self.view.act_form, typed) {
            (Some(form), _) => Some(Draft::of_form(form)),
            (None, Some(typing)) => Some(Draft::Filter(typing.line.text().to_owned())),
            (None, None) => self.draft.clone(),
        };
        Kept {
            pane: self.view.focus,
            severity: Some(self.view.severity.map_or(0, Severity::number)),
            time: Some(self.view.time),
            // One that is being typed may not be meant yet.
            filter: typed.map_or(&self.view.filter_text, Typing::before).clone(),
            filters: self.recall.filters().to_vec(),
            draft,
            note: match &self.view.note {
                Some(form) => Some((form.incident, form.input.text())),
                None => self.view.note_draft.clone(),
            },
        }
    }

    /// Starts where the last sitting ended. Says so where it hides or holds something.
    pub fn restore(&mut self, kept: Kept, now: Timestamp) {
        let filter_text = text::clean(&kept.filter).into_owned();
        self.view.focus = kept.pane;
        self.view.led_by_services = kept.pane == Pane::Services;
        if let Some(number) = kept.severity {
            self.view.severity = Severity::from_number(number);
        }
        self.recall = Recall::from_kept(&kept.filters);
        self.view.time = kept.time.unwrap_or(self.view.time);
        let mut told = Vec::new();
        if let Ok(filter) = Filter::parse(&filter_text)
            && !filter.is_empty()
        {
            told.push(format!("The filter of last time is set: {filter_text}; esc clears it."));
            (self.view.filter, self.view.filter_text) = (filter, filter_text);
        }
        let draft = kept.draft.as_ref().map(|draft| match draft {
            Draft::Filter(_) => ("A filter".to_owned(), Action::StartFilter),
            Draft::Silence { .. } => ("A silence".to_owned(), Action::Silence),
            Draft::Acknowledgement { incident, .. } => {
                (format!("An acknowledgement of incident {}", incident.0), Action::Acknowledge)
            }
        });
        let note = kept.note.as_ref().map(|(of, _)| (format!("A note on incident {}", of.0), Action::WriteNote));
        told.extend(
            draft
                .into_iter()
                .chain(note)
                .map(|(what, action)| format!("{what} was being typed; {} goes on with it.", self.keys.key_of(action))),
        );
        (self.draft, self.view.note_draft) = (kept.draft, kept.note);
        if !told.is_empty() {
            self.say(told.join(" "), false, now);
        }
    }

    /// Opens a form; if it was being typed before, with what was typed.
    pub(super) fn open_form(&mut self, mut form: ActForm) {
        let is_open = |id| self.alerts.open().any(|open| open.incident.id == id);
        if let Some(fields) = self.draft.as_ref().and_then(|draft| draft.fields_for(&form, is_open)) {
            for (field, text) in form.fields.iter_mut().zip(fields) {
                field.fill(text);
            }
            self.draft = None;
        }
        self.view.act_form = Some(form);
    }

    /// What is in the line when a filter begins to be typed.
    pub(super) fn filter_to_type(&mut self) -> String {
        match self.draft.take_if(|draft| matches!(draft, Draft::Filter(_))) {
            Some(Draft::Filter(text)) => text,
            _ => self.view.filter_text.clone(),
        }
    }
}
