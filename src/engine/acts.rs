//! Acts on alerts: proposed, taken once they are written down, ended when their time has come.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::filter::Filter;
use crate::domain::{
    Ack, Act, ActId, ActLog, Alert, AlertId, Covered, Deed, Hold, Incident, IncidentId, Micros, Note, Over, OverWhy,
    Rating, Severity, Silence, Timestamp, Undone, Until, text,
};
use crate::messages::{ActCommand, ActsView, Back, Calm, HeldView, Life, MaintenanceView, UpdateBody};

use super::noise::Noise;
use super::{Engine, Output};

/// After a restart incidents are found anew and have new numbers; what was held back is waited for as long as this.
const FOUND_AGAIN_WITHIN: Micros = Micros::from_secs(900);
/// How long what ended stays in the list.
const SHOWN_AFTER: Micros = Micros::from_secs(3_600);
/// What was done longer ago is ended, not undone.
const UNDOABLE: Micros = Micros::from_secs(86_400);
/// A reason is a remark, no report.
const LONGEST_REASON: usize = 200;
const LONGEST_MATCHER: usize = 200;

/// All that was done, and the noise ledger that rests on it.
#[derive(Debug, Clone, Default)]
pub struct Acts {
    pub log: ActLog,
    /// Of silences in force; one that can no longer be read matches nothing.
    filters: BTreeMap<ActId, Filter>,
    /// What silences have met, so that each alert counts once.
    met: BTreeMap<ActId, BTreeSet<AlertId>>,
    /// What earlier runs left in force, until it was met again or too much time has passed.
    waiting: BTreeSet<ActId>,
    /// When the first round of this run was.
    begun: Option<Timestamp>,
    pub noise: Noise,
}

/// What a round changed.
#[derive(Debug, Default)]
pub struct Round {
    pub changed: Vec<Act>,
    /// Sentences for people: what is back, and why.
    pub told: Vec<String>,
}

impl Acts {
    /// Takes up what earlier runs left.
    pub fn resume(&mut self, acts: Vec<Act>) {
        for act in acts {
            self.take(act);
        }
        self.waiting = self.in_force().map(|act| act.id).collect();
        self.begun = None;
    }

    /// Takes an act as it is now.
    pub fn take(&mut self, act: Act) {
        if let Deed::Silenced(silence) = &act.deed
            && let Ok(filter) = Silence::filter(&silence.matcher)
        {
            self.filters.insert(act.id, filter);
        }
        if let Deed::Rated(_) = act.deed {
            self.noise.rated();
        }
        self.log.take(act);
    }

    /// Acknowledgements and silences that hold, oldest first.
    fn in_force(&self) -> impl Iterator<Item = &Act> {
        self.log.iter().filter(|act| self.log.is_in_force(act))
    }

    fn covers(&self, act: &Act, alert: &Alert, now: Timestamp) -> bool {
        match &act.deed {
            Deed::Acknowledged(ack) => ack.covers(alert),
            Deed::Silenced(_) => self.filters.get(&act.id).is_some_and(|filter| filter.matches_alert(alert, now)),
            Deed::Rated(_) | Deed::Noted(_) | Deed::Ended(_) => false,
        }
    }

    /// Ends what is over, and counts what is met.
    pub fn round(&mut self, open: &[&Alert], lasts: impl Fn(IncidentId) -> bool, now: Timestamp) -> Round {
        let begun = *self.begun.get_or_insert(now);
        let patient = now.since(begun) < FOUND_AGAIN_WITHIN;
        if !patient {
            self.waiting.clear();
        }
        let ids: Vec<ActId> = self.in_force().map(|act| act.id).collect();
        let mut round = Round::default();
        for id in ids {
            let Some(mut act) = self.log.get(id).cloned() else { continue };
            let waits = self.waiting.contains(&id);
            let mut changed = false;
            if let (Deed::Acknowledged(ack), true) = (&mut act.deed, waits) {
                changed |= find_again(ack, open);
            }
            let covered: Vec<&Alert> = open.iter().copied().filter(|alert| self.covers(&act, alert, now)).collect();
            changed |= self.meet(&mut act, &covered);
            let state = match covered.iter().map(|alert| alert.severity).min() {
                Some(worst) => Covered::Open(worst),
                None if waits => Covered::Unknown,
                None => match &act.deed {
                    Deed::Acknowledged(ack) if !ack.incidents.iter().any(|incident| lasts(*incident)) => Covered::Gone,
                    _ => Covered::Pausing,
                },
            };
            let ends = act.deed.hold().and_then(|hold| hold.ends(state, now));
            if let (Some(why), Some(hold)) = (ends, act.deed.hold_mut()) {
                hold.over = Some(Over { at: now, why });
                changed = true;
                round.told.extend(back(&act, why, covered.len()));
            }
            if changed {
                self.take(act.clone());
                round.changed.push(act);
            }
        }
        round
    }

    /// Notes what an act covers now. Says whether that is news.
    fn meet(&mut self, act: &mut Act, covered: &[&Alert]) -> bool {
        match &mut act.deed {
            Deed::Acknowledged(ack) => {
                let fresh = covered.iter().filter(|alert| ack.learn(alert)).count();
                ack.hold.met += fresh as u64;
                fresh > 0
            }
            Deed::Silenced(silence) => {
                let met = self.met.entry(act.id).or_default();
                let fresh = covered.iter().filter(|alert| met.insert(alert.id)).count();
                silence.hold.met += fresh as u64;
                let first = silence.hold.worst.is_none();
                if first {
                    silence.hold.worst = covered.iter().map(|alert| alert.severity).min();
                }
                fresh > 0
            }
            Deed::Rated(_) | Deed::Noted(_) | Deed::Ended(_) => false,
        }
    }

    /// What was done about an incident.
    pub fn life(&self, incident: &Incident, alerts: &[Alert], now: Timestamp) -> Life {
        let holding: Vec<&Act> = self.in_force().collect();
        let open = alerts.iter().filter(|alert| alert.is_open());
        // Acknowledged says more than silenced.
        let holder = |alert: &Alert| {
            let covering = holding.iter().filter(|act| self.covers(act, alert, now));
            covering.min_by_key(|act| (!matches!(act.deed, Deed::Acknowledged(_)), act.id)).copied()
        };
        let (mut held, mut all) = (Vec::new(), true);
        for alert in open {
            match holder(alert).and_then(|act| Some((alert.id, calm(act)?))) {
                Some(of) => held.push(of),
                None => all = false,
            }
        }
        held.sort_by_key(|(id, _)| *id);
        let of_all = held.iter().map(|(_, calm)| calm).min_by_key(|calm| (!calm.acked, calm.act)).cloned();
        Life {
            calm: of_all.filter(|_| all && incident.is_open()),
            back: if all { None } else { self.back(incident, alerts) },
            alerts: held,
            verdict: self.log.rating(incident.id).map(|(verdict, by)| (verdict, by.to_owned())),
        }
    }

    /// The acknowledgement that ended last by itself while this goes on.
    fn back(&self, incident: &Incident, alerts: &[Alert]) -> Option<Back> {
        let newest = self.log.iter().rev().filter(|act| act.undone.is_none()).find_map(|act| {
            let Deed::Acknowledged(ack) = &act.deed else { return None };
            let about = ack.incidents.contains(&incident.id)
                && (ack.whole || alerts.iter().any(|alert| alert.is_open() && ack.names(alert)));
            about.then_some((act, ack))
        });
        let (act, ack) = newest?;
        let over = ack.hold.over.filter(|over| over.why != OverWhy::Recovered)?;
        Some(Back { act: act.id, by: act.by.clone(), reason: ack.hold.reason.clone(), over })
    }
}

/// An acknowledgement of an earlier run goes on under the numbers of this one.
fn find_again(ack: &mut Ack, open: &[&Alert]) -> bool {
    let mut found = false;
    for alert in open {
        if ack.names(alert) && !ack.incidents.contains(&alert.incident) {
            ack.incidents.push(alert.incident);
            found = true;
        }
    }
    found
}

fn calm(act: &Act) -> Option<Calm> {
    let hold = act.deed.hold()?;
    Some(Calm {
        act: act.id,
        acked: matches!(act.deed, Deed::Acknowledged(_)),
        by: act.by.clone(),
        at: act.at,
        until: hold.until,
        reason: hold.reason.clone(),
    })
}

/// What is told when something held back wants somebody again; nothing where all is over anyway.
fn back(act: &Act, why: OverWhy, open: usize) -> Option<String> {
    if open == 0 {
        return None;
    }
    let reason = match why {
        OverWhy::Worse { from, to } => format!("it became worse, {from} to {to}"),
        OverWhy::TimeOver => "its time is over".to_owned(),
        OverWhy::Recovered => return None,
    };
    Some(match &act.deed {
        Deed::Acknowledged(_) => format!("What {} acknowledged is back: {reason}.", act.by),
        _ => format!("What {} silenced is back: {reason}.", act.by),
    })
}

/// One line of clean text of bounded length.
fn line(text: &str, most: usize) -> String {
    text::clean(text.trim()).chars().take(most).collect()
}

impl Engine {
    /// What is to be written down for this order.
    ///
    /// # Errors
    /// A sentence for a person, when it cannot be done.
    pub fn propose_act(&self, order: &ActCommand, by: &str, now: Timestamp) -> Result<Act, String> {
        let new = |deed| Act { id: self.acts.log.next(), at: now, by: by.to_owned(), deed, undone: None };
        Ok(match order {
            ActCommand::Acknowledge { incident, alert, seen, until, reason } => {
                let hold = self.propose_hold(*until, reason, Some(*seen), 0, now)?;
                new(Deed::Acknowledged(self.propose_ack(*incident, *alert, hold)?))
            }
            ActCommand::Silence { matcher, until, reason } => {
                let matcher = line(matcher, LONGEST_MATCHER);
                let filter = Silence::filter(&matcher).map_err(|error| error.to_string())?;
                let meets = self.book.alerts().filter(|alert| filter.matches_alert(alert, now));
                let worst = meets.map(|alert| alert.severity).min();
                let hold = self.propose_hold(*until, reason, worst, 0, now)?;
                new(Deed::Silenced(Silence { matcher, hold }))
            }
            ActCommand::Note { incident, text } => {
                let text: String = text::clean_lines(text.trim()).chars().take(Note::MOST).collect();
                let text = text.trim_end().to_owned();
                if text.is_empty() {
                    return Err("the note is empty; write something first.".to_owned());
                }
                if !self.past.knows(*incident) {
                    return Err("this incident is no longer kept; look again.".to_owned());
                }
                new(Deed::Noted(Note { incident: *incident, text }))
            }
            ActCommand::Rate { incident, verdict } => {
                let mut known = self.book.incidents().chain(self.cases.ended());
                if !known.any(|known| known.id == *incident) {
                    return Err("this incident is over for long; look again.".to_owned());
                }
                new(Deed::Rated(Rating { incident: *incident, verdict: *verdict }))
            }
            ActCommand::End { act } => {
                let in_force = self.acts.log.get(*act).is_some_and(|act| self.acts.log.is_in_force(act));
                if !in_force {
                    return Err("this is not in force any more.".to_owned());
                }
                new(Deed::Ended(*act))
            }
            ActCommand::Undo { act } => {
                let last = self.last_act(now).filter(|last| last.id == *act);
                let last = last.ok_or_else(|| "something else was done since; look again.".to_owned())?;
                Act { undone: Some(Undone { at: now, by: by.to_owned() }), ..last.clone() }
            }
        })
    }

    fn propose_ack(&self, incident: IncidentId, alert: Option<AlertId>, hold: Hold) -> Result<Ack, String> {
        let meant = |open: &&Alert| open.incident == incident && alert.is_none_or(|alert| open.id == alert);
        let open: Vec<&Alert> = self.book.alerts().filter(meant).collect();
        if open.is_empty() {
            return Err("it is over, so there is nothing to acknowledge.".to_owned());
        }
        let hold = Hold { met: open.len() as u64, ..hold };
        let of_incident = self.book.incidents().find(|known| known.id == incident).map(|known| known.title.clone());
        let of_alert = alert.and_then(|_| open.first()).map(|alert| format!("{}, {}", alert.subject, alert.kind));
        let title = of_alert.or(of_incident).unwrap_or_default();
        let mut ack = Ack { title, incidents: vec![incident], whole: alert.is_none(), about: Vec::new(), hold };
        for alert in open {
            ack.learn(alert);
        }
        Ok(ack)
    }

    fn propose_hold(
        &self,
        until: Until,
        reason: &str,
        worst: Option<Severity>,
        met: u64,
        now: Timestamp,
    ) -> Result<Hold, String> {
        if matches!(until, Until::At(at) if at <= now) {
            return Err("its end has passed already; choose a later one.".to_owned());
        }
        Ok(Hold::new(until, line(reason, LONGEST_REASON), worst, met))
    }

    /// The newest act that can be undone, if it is not of long ago.
    fn last_act(&self, now: Timestamp) -> Option<&Act> {
        self.acts.log.last().filter(|act| now.since(act.at) <= UNDOABLE)
    }

    /// What was done counts from now on.
    pub(super) fn take_act(&mut self, act: Act, now: Timestamp, out: &mut Vec<Output>) {
        self.acts.take(act);
        self.end_acts(now, out);
        self.tell_all(now, out);
    }

    /// Ends what is over by what is open now. Says whether that changed anything.
    pub(super) fn end_acts(&mut self, now: Timestamp, out: &mut Vec<Output>) -> bool {
        let open: Vec<&Alert> = self.book.alerts().collect();
        let Round { changed, told } = self.acts.round(&open, |id| self.book.lasts(id), now);
        let any = !changed.is_empty();
        out.extend(changed.into_iter().map(|act| Output::RecordAct(Box::new(act))));
        out.extend(told.into_iter().map(|sentence| Output::Tell(UpdateBody::Notice(sentence))));
        any
    }

    pub(super) fn tell_acts(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let alerts: Vec<&Alert> = self.book.alerts().collect();
        let acts = &self.acts;
        let view = |act: &Act| HeldView {
            covers: if acts.log.is_in_force(act) {
                alerts.iter().filter(|alert| acts.covers(act, alert, now)).count() as u32
            } else {
                0
            },
            ended: acts.log.ended(act.id),
            act: act.clone(),
        };
        let mut held: Vec<HeldView> = acts.in_force().map(view).collect();
        let gone = acts.log.iter().filter(|act| act.undone.is_none() && act.deed.hold().is_some()).map(view);
        held.extend(
            gone.filter(|view| !view.is_in_force() && view.gone_at().is_some_and(|at| now.since(at) <= SHOWN_AFTER)),
        );
        let maintenance = self.hygiene.coming(now).into_iter().map(|coming| MaintenanceView {
            name: coming.name,
            services: coming.services.iter().map(ToString::to_string).collect(),
            next: coming.next,
            weekly: coming.weekly,
        });
        let view = ActsView { held, maintenance: maintenance.collect(), last: self.last_act(now).cloned() };
        out.push(Output::Tell(UpdateBody::Acts(Box::new(view))));
        if self.acts.noise.take_changed(now) {
            let rows = self.acts.noise.rows(|incident| self.acts.log.rating(incident).map(|(verdict, _)| verdict));
            out.push(Output::Tell(UpdateBody::Noise(rows)));
        }
    }
}
