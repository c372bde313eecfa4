//! Writing a note on an incident. What is typed is not lost: one that is left, or that could not be kept, is there again
//! when the next note on the same incident is begun.

use super::keymap::Action;
use super::{App, Effect, TextInput};
use crate::domain::{Deed, IncidentId, Severity, Timestamp};
use crate::messages::ActCommand;

#[derive(Debug, Clone, PartialEq)]
pub struct NoteForm {
    pub incident: IncidentId,
    pub severity: Severity,
    pub title: String,
    pub input: TextInput,
}

impl App {
    pub(super) fn begin_note(&mut self, now: Timestamp) {
        if self.refuse_when_lost(now) {
            return;
        }
        let Some(incident) = self.incident_at_hand().map(|view| &view.incident) else {
            self.say("Select an incident to write a note on it.", false, now);
            return;
        };
        let mut draft = self.view.note_draft.as_ref();
        // An incident has another number after a restart. What was typed about one that is gone is shown again rather
        // than lost; whom it is about now stands above it.
        draft = draft.filter(|(of, _)| *of == incident.id || !self.alerts.open().any(|open| open.incident.id == *of));
        let input = TextInput::new(draft.map_or("", |(_, text)| text));
        let (severity, title) = (incident.severity, incident.title.clone());
        self.view.note = Some(NoteForm { incident: incident.id, severity, title, input });
    }

    pub(super) fn edit_note(&mut self, change: impl Fn(&mut TextInput)) {
        if let Some(form) = &mut self.view.note {
            change(&mut form.input);
        }
    }

    pub(super) fn leave_note(&mut self, now: Timestamp) {
        let Some(form) = self.view.note.take() else { return };
        let text = form.input.text();
        if text.trim().is_empty() {
            self.view.note_draft = None;
        } else {
            self.view.note_draft = Some((form.incident, text));
            self.say(
                format!("The text is not saved; {} goes on with it.", self.keys.key_of(Action::WriteNote)),
                false,
                now,
            );
        }
    }

    pub(super) fn save_note(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(form) = &self.view.note else { return };
        let (incident, text) = (form.incident, form.input.text());
        if text.trim().is_empty() {
            self.say("Nothing is written yet; esc leaves.", false, now);
            return;
        }
        self.view.note = None;
        // Until it is on the disk, and told to be.
        self.view.note_draft = Some((incident, text.clone()));
        self.order(ActCommand::Note { incident, text }, "Asked to keep the note.", now, effects);
    }

    /// What was kept need not be kept here.
    pub(super) fn forget_noted(&mut self) {
        let last = self.topics.acts.get().and_then(|acts| acts.last.as_ref());
        if let Some(Deed::Noted(note)) = last.map(|act| &act.deed)
            && self.view.note_draft.as_ref().is_some_and(|(of, text)| {
                // It is stored without spaces at its ends.
                *of == note.incident && text.trim() == note.text
            })
        {
            self.view.note_draft = None;
        }
    }
}
