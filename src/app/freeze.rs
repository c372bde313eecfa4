//! Freezing what is shown: what comes by itself with the polls is kept aside, so that nothing moves under the reader; what
//! the reader asks for or does meanwhile is still answered. Ages and the clock are those of the moment that is shown.

use std::mem::discriminant;

use super::{App, Update, UpdateBody, acts, wording};
use crate::domain::{Alert, AlertId, Severity, Timestamp};
use crate::messages::IncidentView;

#[derive(Debug)]
pub(super) struct Frozen {
    since: Timestamp,
    /// Of each topic the newest.
    aside: Vec<Update>,
}

/// That the screen is frozen, in full and for narrow screens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    /// `FROZEN 2m, 3 new alerts wait, S1 among them`
    pub text: String,
    /// `FROZEN 2m, 3 new, S1`
    pub short: String,
    /// An alert of SEV1 waits that was none when the screen was frozen.
    pub urgent: bool,
}

impl Frozen {
    /// When the age in the badge next reads differently.
    pub(super) fn changes(&self, now: Timestamp) -> Timestamp {
        wording::age_changes(self.since, now)
    }

    fn incidents(&self) -> Option<&[IncidentView]> {
        self.aside.iter().find_map(|update| match &update.body {
            UpdateBody::Incidents(incidents) => Some(incidents.as_slice()),
            _ => None,
        })
    }
}

impl App {
    /// The moment that the screen shows.
    #[must_use]
    pub fn shown_at(&self, now: Timestamp) -> Timestamp {
        self.frozen.as_ref().map_or(now, |frozen| frozen.since)
    }

    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// What is to be told of a frozen screen; nothing of one that goes on.
    #[must_use]
    pub fn badge(&self, now: Timestamp) -> Option<Badge> {
        let frozen = self.frozen.as_ref()?;
        let (new, urgent) = self.waiting();
        let age = wording::age(now.since(frozen.since));
        let mut badge = Badge { text: format!("FROZEN {age}"), short: format!("FROZEN {age}"), urgent };
        if new > 0 {
            let waits = if new == 1 { "waits" } else { "wait" };
            badge.text.push_str(&format!(", {} {waits}", wording::plural(new, "new alert")));
            badge.short.push_str(&format!(", {} new", wording::count(new)));
        }
        if urgent {
            badge.text.push_str(if new == 1 { ", it is S1" } else { ", S1 among them" });
            badge.short.push_str(", S1");
        }
        Some(badge)
    }

    /// How many open alerts wait that are not on the frozen screen, or were no SEV1 there, and whether one is SEV1. What
    /// is held back wants nobody: it is not counted, unless it no longer is.
    fn waiting(&self) -> (u64, bool) {
        let shown = |id: AlertId| self.alerts.incidents().iter().flat_map(wanting).find(|alert| alert.id == id);
        let incidents = self.frozen.as_ref().and_then(Frozen::incidents).unwrap_or_default();
        let new = incidents.iter().flat_map(wanting).filter(|alert| match shown(alert.id) {
            None => true,
            Some(before) => alert.severity == Severity::Sev1 && before.severity != Severity::Sev1,
        });
        new.fold((0, false), |(n, urgent), alert| (n + 1, urgent || alert.severity == Severity::Sev1))
    }

    pub(super) fn freeze_or_thaw(&mut self, now: Timestamp) {
        if self.is_frozen() {
            self.thaw(now);
        } else {
            self.frozen = Some(Frozen { since: now, aside: Vec::new() });
            // Also where nothing else on the screen changes, the badge appears.
            self.revision += 1;
        }
    }

    /// Shows what was kept aside.
    pub fn thaw(&mut self, now: Timestamp) {
        let Some(mut frozen) = self.frozen.take() else { return };
        frozen.aside.sort_by_key(|update| update.revision);
        for update in frozen.aside {
            self.take(update, now);
        }
        // Ages go on even where nothing came.
        self.arrange(now);
        self.revision += 1;
    }

    /// Keeps an update for later; says whether the badge reads differently now.
    pub(super) fn set_aside(&mut self, update: Update) -> bool {
        let before = self.waiting();
        let Some(frozen) = &mut self.frozen else { return false };
        let same = |known: &&mut Update| discriminant(&known.body) == discriminant(&update.body);
        match frozen.aside.iter_mut().find(same) {
            Some(known) if known.revision < update.revision => *known = update,
            Some(_) => {}
            None => frozen.aside.push(update),
        }
        self.waiting() != before
    }

    /// Whether the screen is frozen and it only tells anew what is on it. A baseline of something else was asked for, and
    /// comes in two steps.
    pub(super) fn is_to_wait(&self, body: &UpdateBody) -> bool {
        self.is_frozen()
            && match body {
                UpdateBody::Sources(_)
                | UpdateBody::Monitor(_)
                | UpdateBody::Services(_)
                | UpdateBody::Incidents(_)
                | UpdateBody::Records(_)
                | UpdateBody::Learning(_) => true,
                UpdateBody::Baseline(view) => self.topics.baseline.get().is_some_and(|shown| {
                    let completes = shown.histogram_normal.is_empty() && !view.histogram_normal.is_empty();
                    shown.key == view.key && !completes
                }),
                // What one has just done oneself is shown.
                UpdateBody::IncidentHistory(history) => self
                    .topics
                    .incident_history
                    .get()
                    .is_some_and(|shown| shown.incident == history.incident && shown.acts == history.acts),
                // Another one was asked for.
                UpdateBody::Service(view) => {
                    self.topics.service.get().is_some_and(|shown| shown.service == view.service)
                }
                UpdateBody::Map(_) => self.topics.map.get().is_some(),
                // Its past comes in a second step.
                UpdateBody::Week(view) => self
                    .topics
                    .week
                    .get()
                    .is_some_and(|shown| shown.asked == view.asked && (shown.past.is_some() || view.past.is_none())),
                UpdateBody::Trends(view) => self
                    .topics
                    .trends
                    .get()
                    .is_some_and(|shown| shown.wanted == view.wanted && (shown.stored || !view.stored)),
                UpdateBody::Acts(acts) => !self.is_of_new_act(acts),
                UpdateBody::Noise(_) => self.topics.noise.get().is_some(),
                UpdateBody::Levels(_)
                | UpdateBody::Why(_)
                | UpdateBody::Trace(_)
                | UpdateBody::Comparison(_)
                | UpdateBody::Recalculation(_)
                | UpdateBody::Analysis(_)
                | UpdateBody::TokensArrived { .. }
                | UpdateBody::Notice(_)
                | UpdateBody::CommandAnswered { .. } => false,
            }
    }
}

/// The alerts that are open and that nobody holds back.
fn wanting(view: &IncidentView) -> impl Iterator<Item = &Alert> {
    view.alerts.iter().filter(|alert| alert.is_open() && acts::held_word(view, alert).is_none())
}
