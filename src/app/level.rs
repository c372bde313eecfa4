//! New levels: what accepting one does, or undoing one, said before it is done.

use super::Clock;
use super::analysis::{Page as Composed, TextLine, Tone};
use super::keymap::Action;
use super::{App, Effect, Page, wording};
use crate::domain::{AcceptedLevel, Alert, AlertId, Durations, IncidentId, LevelId, LevelShift, ShiftedKey, Timestamp};
use crate::messages::{CommandKind, IncidentView, LevelView};

/// What is asked about, as it was when the question was opened: what is confirmed is what was read.
#[derive(Debug, Clone, PartialEq)]
pub enum LevelQuestion {
    Accept { alerts: Vec<AlertId>, shifts: Vec<LevelShift>, incident: IncidentId },
    Undo(LevelView),
}

#[derive(Debug, Clone, PartialEq)]
pub struct LevelCursor {
    pub question: LevelQuestion,
    pub offset: usize,
}

/// What was confirmed and is not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelAsked {
    Accept(Vec<AlertId>),
    Undo(LevelId),
}

/// The offers among an incident's alerts, and whether they are all there is.
#[must_use]
pub fn offers(view: &IncidentView) -> (Vec<&Alert>, bool) {
    let open = view.alerts.iter().filter(|alert| alert.is_open()).count();
    let offers: Vec<&Alert> = view.alerts.iter().filter(|alert| alert.offer().is_some()).collect();
    let all = !offers.is_empty() && offers.len() == open;
    (offers, all)
}

impl App {
    /// The question about a level, if it is what is shown.
    #[must_use]
    pub fn level_cursor(&self) -> Option<&LevelCursor> {
        match self.page() {
            Some(Page::Level(cursor)) => Some(cursor),
            _ => None,
        }
    }

    fn levels(&self) -> &[LevelView] {
        self.topics.levels.get().map_or(&[], Vec::as_slice)
    }

    /// Whether an alert of it was closed by a level that is in force.
    fn has_accepted(&self, view: &IncidentView) -> bool {
        let in_force = |id: LevelId| self.levels().iter().any(|view| view.level.id == id);
        view.alerts.iter().filter_map(Alert::accepted).any(in_force)
    }

    /// What `!` is about where the cursor is: the offer of the selected incident or alert, else the accepted level that
    /// closed it or on which the shown key is.
    #[must_use]
    pub fn level_question(&self) -> Option<LevelQuestion> {
        let accepted = |id: LevelId| self.levels().iter().find(|view| view.level.id == id).cloned();
        if !self.is_week()
            && (!self.view.led_by_services || self.incident_page().is_some())
            && let Some(view) = self.incident_at_hand()
        {
            let alerts: Vec<&Alert> = match self.alert_alone() {
                Some(alert) => vec![alert],
                None => view.alerts.iter().collect(),
            };
            let offers: Vec<&Alert> = alerts.iter().copied().filter(|alert| alert.offer().is_some()).collect();
            if !offers.is_empty() {
                return Some(LevelQuestion::Accept {
                    alerts: offers.iter().map(|alert| alert.id).collect(),
                    shifts: offers.iter().filter_map(|alert| alert.offer().cloned()).collect(),
                    incident: view.incident.id,
                });
            }
            let newest = alerts.iter().filter_map(|alert| alert.accepted()).max();
            if let Some(view) = newest.and_then(accepted) {
                return Some(LevelQuestion::Undo(view));
            }
        }
        let key = self.week_key().or_else(|| self.baseline_key())?;
        let of_key = self.levels().iter().find(|view| view.level.keys.binary_search(key).is_ok());
        of_key.cloned().map(LevelQuestion::Undo)
    }

    pub(super) fn ask_about_level(&mut self, now: Timestamp) {
        let newest = || self.levels().first().cloned().map(LevelQuestion::Undo);
        match self.level_question().or_else(newest) {
            _ if self.lost.is_some() => {
                self.say("The monitor ended, so nothing can be decided; quit and start again.", true, now);
            }
            Some(question) => {
                let trace = self.view.trace.is_some();
                self.view.pages.open(Page::Level(Box::new(LevelCursor { question, offset: 0 })), trace);
            }
            None => {
                let why = "No new level is offered here: what is slow must last, steadily, for half an hour.";
                self.say(why, false, now);
            }
        }
    }

    /// Of several accepted levels the one before, and after the oldest the newest again.
    pub(super) fn next_level(&mut self) {
        let Some(LevelCursor { question: LevelQuestion::Undo(shown), .. }) = self.level_cursor() else { return };
        let levels = self.levels();
        let at = levels.iter().position(|view| view.level.id == shown.level.id).map_or(0, |at| at + 1);
        let next = levels.get(at).or(levels.first()).cloned();
        if let (Some(view), Some(Page::Level(cursor))) = (next, self.page_mut()) {
            **cursor = LevelCursor { question: LevelQuestion::Undo(view), offset: 0 };
        }
    }

    pub(super) fn confirm_level(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(LevelCursor { question, .. }) = self.level_cursor().cloned() else { return };
        self.view.pages.close(self.view.trace.is_some());
        let (command, asked, said) = match question {
            LevelQuestion::Accept { alerts, .. } => (
                CommandKind::AcceptLevel { alerts: alerts.clone() },
                LevelAsked::Accept(alerts),
                "Asked to accept the new level.",
            ),
            LevelQuestion::Undo(LevelView { level: AcceptedLevel { id, .. }, .. }) => {
                (CommandKind::UndoLevel { level: id }, LevelAsked::Undo(id), "Asked for the old level.")
            }
        };
        effects.push(Effect::Send(command));
        self.view.level_asked = Some(asked);
        self.say(said, false, now);
    }

    /// Takes the levels in force, and says what became of a question about them.
    pub(super) fn take_levels(&mut self, revision: u64, levels: Vec<LevelView>, now: Timestamp) -> bool {
        let changed = self.topics.levels.take(revision, levels);
        let done = match &self.view.level_asked {
            Some(LevelAsked::Accept(alerts)) if self.levels().iter().any(|view| view.level.alerts == *alerts) => {
                "Accepted as the new normal; ! there undoes it."
            }
            Some(LevelAsked::Undo(id)) if self.levels().iter().all(|view| view.level.id != *id) => {
                "Undone: the old level answers again."
            }
            _ => return changed,
        };
        self.view.level_asked = None;
        self.say(done, false, now);
        true
    }
}

/// `New level  order-matcher order.match` and what the keys do.
#[must_use]
pub fn title(app: &App, cursor: &LevelCursor) -> (String, String) {
    let confirm = app.keys().key_of(Action::ConfirmLevel);
    match &cursor.question {
        LevelQuestion::Accept { incident, .. } => {
            ("Accept as the new normal".to_owned(), format!("incident {}, {confirm} accepts, esc leaves", incident.0))
        }
        LevelQuestion::Undo(view) => {
            let levels = app.levels();
            let at = levels.iter().position(|other| other.level.id == view.level.id).map_or(1, |at| at + 1);
            let which = if levels.len() > 1 {
                format!("{at} of {}, {} next, ", levels.len(), app.keys().key_of(Action::NextLevel))
            } else {
                String::new()
            };
            ("Undo a new level".to_owned(), format!("{which}{confirm} undoes, esc leaves"))
        }
    }
}

#[must_use]
pub fn lines(cursor: &LevelCursor, width: usize, clock: Clock) -> Vec<TextLine> {
    let mut page = Composed::new(width);
    match &cursor.question {
        LevelQuestion::Accept { shifts, .. } => accept(&mut page, shifts, clock),
        LevelQuestion::Undo(view) => undo(&mut page, view, clock),
    }
    page.lines
}

/// Every key once.
fn keys(shifts: &[LevelShift]) -> Vec<&ShiftedKey> {
    let mut keys: Vec<&ShiftedKey> = shifts.iter().flat_map(|shift| &shift.keys).collect();
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    keys.dedup_by(|a, b| a.key == b.key);
    keys
}

fn accept(page: &mut Composed, shifts: &[LevelShift], clock: Clock) {
    let keys = keys(shifts);
    let since = shifts.iter().map(|shift| shift.since.minute_after()).max().unwrap_or_default();
    let count = wording::plural(keys.len() as u64, "operation");
    page.add(Tone::Heading, &format!("Normal from {} on: {count}.", clock.short(since)), 0);
    let samples: u64 = keys.iter().map(|of| of.samples).sum();
    page.add(Tone::Plain, &format!("Leaves out, and keeps, {}.", wording::plural(samples, "sample")), 0);
    page.add(Tone::Plain, "! undoes it: baselines as they were.", 0);
    let closes = format!(
        "Closes {}. An operation is not judged by how long it takes until 20 of its calls are learnt.",
        wording::plural(shifts.len() as u64, "alert")
    );
    page.add(Tone::Plain, &closes, 0);
    page.gap();
    for of in &keys {
        page.add(Tone::Plain, &format!("{}{}", wording::key(&of.key), change(of)), 2);
    }
}

/// `: p50 78ms → 240ms, p95 190ms → 590ms, n 5204`
fn change(of: &ShiftedKey) -> String {
    match (of.normal, of.now) {
        (Some(normal), Some(now)) => {
            format!(": p50 {} → {}, p95 {} → {}", normal.p50, now.p50, normal.p95, now.p95)
        }
        (Some(Durations { p50, p95, .. }), None) => format!(": so far p50 {p50}, p95 {p95}"),
        _ => String::new(),
    }
}

fn undo(page: &mut Composed, LevelView { level, learnt, needs }: &LevelView, clock: Clock) {
    let accepted =
        format!("Accepted {} by {}, as normal since {}.", clock.date(level.at), level.by, clock.short(level.since));
    page.add(Tone::Heading, &accepted, 0);
    let back = format!(
        "The old level answers again, from the {} that were left out, as far as they are not too old by now.",
        wording::plural(level.left_out, "sample")
    );
    page.add(Tone::Plain, &back, 0);
    page.add(Tone::Plain, "What was learnt since does not enter it. What is slow against it alarms again.", 0);
    page.gap();
    for (key, n) in level.keys.iter().zip(learnt) {
        let state = if n < needs {
            format!("learning (n = {n}, needs {needs})")
        } else {
            format!("{} learnt", wording::count(*n))
        };
        page.add(Tone::Plain, &format!("{}: {state}", wording::key(key)), 2);
    }
}

/// What stands behind the title of an incident of which all is on another level.
#[must_use]
pub fn remark(app: &App, view: &IncidentView) -> Option<&'static str> {
    let closed = view.alerts.iter().all(|alert| !alert.is_open());
    if closed && app.has_accepted(view) { Some("normal now") } else { offers(view).1.then_some("a new level") }
}

/// What an incident says of its level; `None` where nothing about it is one.
#[must_use]
pub fn sentence(app: &App, view: &IncidentView) -> Option<String> {
    let (offers, all) = offers(view);
    let since = |alerts: &[&Alert]| {
        app.clock().short(alerts.iter().map(|alert| alert.onset).min().unwrap_or(view.incident.onset))
    };
    if all {
        return Some(format!("A new level since {}, not a spike; ! accepts it as normal.", since(&offers)));
    }
    if !offers.is_empty() {
        let n = wording::plural(offers.len() as u64, "alert");
        return Some(format!("A new level since {} in {n}; ! accepts that as normal.", since(&offers)));
    }
    app.has_accepted(view).then(|| "Accepted as the new normal; ! undoes it.".to_owned())
}

/// What an alert says of its level, before its numbers: `new level, 3.1x; `
#[must_use]
pub fn clause(alert: &Alert) -> String {
    match &alert.shift {
        Some(shift) if shift.accepted.is_some() => "accepted as normal; ".to_owned(),
        Some(shift) if alert.is_open() => format!("new level, {}x; ", wording::times(shift.times)),
        _ => String::new(),
    }
}
