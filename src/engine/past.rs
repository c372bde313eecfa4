//! What happened in the last 30 days, to set an incident beside: the same alerts before it, incidents like it, and what
//! people wrote down about them.

use std::collections::{BTreeMap, BTreeSet};

use crate::detect::Change;
use crate::domain::{
    ActLog, Alert, AlertId, AlertKind, Fingerprint, Incident, IncidentId, Subject, Timestamp, Verdict,
};
use crate::messages::{IncidentHistory, PastAlert, PastAlerts, PastIncident, PastNote, UpdateBody};

use super::noise::REACHES;
use super::{Engine, Output};

/// Of the same alert before.
const MOST_ALERTS: usize = 12;
/// Subjects and kinds of one incident that are looked up.
const MOST_FINGERPRINTS: usize = 40;
const MOST_INCIDENTS: usize = 5;
/// Notes on an incident of the past.
const MOST_NOTES: usize = 5;

#[derive(Debug, Clone, Default)]
pub struct Past {
    incidents: BTreeMap<IncidentId, Incident>,
    alerts: BTreeMap<AlertId, Alert>,
    /// The incident that a screen shows.
    pub asked: Option<IncidentId>,
}

impl Past {
    pub fn take(&mut self, change: &Change) {
        match change {
            Change::AlertRaised(alert) | Change::AlertChanged(alert) | Change::AlertClosed(alert) => {
                self.take_alert(alert);
            }
            Change::IncidentOpened(incident) | Change::IncidentChanged(incident) | Change::IncidentClosed(incident) => {
                self.take_incident(incident);
            }
        }
    }

    pub fn take_alert(&mut self, alert: &Alert) {
        self.alerts.insert(alert.id, alert.clone());
    }

    pub fn take_incident(&mut self, incident: &Incident) {
        self.incidents.insert(incident.id, incident.clone());
    }

    #[must_use]
    pub fn knows(&self, incident: IncidentId) -> bool {
        self.incidents.contains_key(&incident)
    }

    /// Forgets what ended longer ago than it reaches.
    pub fn expire(&mut self, now: Timestamp) {
        let oldest = now - REACHES;
        self.incidents.retain(|_, incident| incident.closed.unwrap_or(incident.last_seen) >= oldest);
        self.alerts.retain(|_, alert| alert.closed.unwrap_or(alert.last_seen) >= oldest);
    }

    fn of(&self, incident: IncidentId) -> impl Iterator<Item = &Alert> {
        self.alerts.values().filter(move |alert| alert.incident == incident)
    }

    fn history(&self, incident: IncidentId, log: &ActLog) -> IncidentHistory {
        let alerts: Vec<Alert> = self.of(incident).cloned().collect();
        let acts = log.iter().filter(|act| act.undone.is_none() && log.is_about(act, incident, &alerts));
        let mut prints: Vec<(&Subject, AlertKind)> = Vec::new();
        for alert in &alerts {
            let print = (&alert.subject, alert.kind);
            if prints.len() < MOST_FINGERPRINTS && !prints.contains(&print) {
                prints.push(print);
            }
        }
        IncidentHistory {
            incident,
            acts: acts.cloned().collect(),
            alike: prints.into_iter().map(|(subject, kind)| self.alike(incident, subject, kind, log)).collect(),
            similar: self.similar(incident, log),
        }
    }

    fn alike(&self, incident: IncidentId, subject: &Subject, kind: AlertKind, log: &ActLog) -> PastAlerts {
        let same = |alert: &&Alert| alert.incident != incident && alert.subject == *subject && alert.kind == kind;
        let mut found: Vec<&Alert> = self.alerts.values().filter(same).collect();
        found.sort_by_key(|alert| std::cmp::Reverse((alert.onset, alert.id)));
        let verdict = |alert: &Alert| log.rating(alert.incident).map(|(verdict, _)| verdict);
        let rated = |wanted| found.iter().filter(|alert| verdict(alert) == Some(wanted)).count() as u32;
        PastAlerts {
            subject: subject.clone(),
            kind,
            alerts: found.len() as u32,
            useful: rated(Verdict::Useful),
            noise: rated(Verdict::Noise),
            last: found
                .iter()
                .take(MOST_ALERTS)
                .map(|alert| PastAlert {
                    alert: alert.id,
                    incident: alert.incident,
                    severity: alert.severity,
                    onset: alert.onset,
                    lasted: alert.closed.unwrap_or(alert.last_seen).since(alert.onset),
                    verdict: verdict(alert),
                    notes: log.notes(alert.incident).count() as u32,
                })
                .collect(),
        }
    }

    /// Two incidents are alike in so far as the same was alerted in both; the same culprit counts as one more alert.
    fn similar(&self, incident: IncidentId, log: &ActLog) -> Vec<PastIncident> {
        let mut prints: BTreeMap<IncidentId, BTreeSet<Fingerprint>> = BTreeMap::new();
        for alert in self.alerts.values() {
            prints.entry(alert.incident).or_default().insert((alert.subject.clone(), alert.kind));
        }
        let Some(own) = prints.remove(&incident) else { return Vec::new() };
        let culprit = |id: &IncidentId| {
            let culprit = self.incidents.get(id)?.culprit()?;
            Some((&culprit.service, &culprit.operation, &culprit.callee))
        };
        let blamed = culprit(&incident);
        let compare = |(id, other): (&IncidentId, &BTreeSet<Fingerprint>)| {
            let shared = own.intersection(other).count() as u32;
            let same_culprit = blamed.is_some() && culprit(id) == blamed;
            let past = self.incidents.get(id).filter(|_| shared > 0 || same_culprit)?;
            let mut notes: Vec<PastNote> = log
                .notes(*id)
                .rev()
                .take(MOST_NOTES)
                .map(|(act, note)| PastNote { by: act.by.clone(), at: act.at, text: note.text.clone() })
                .collect();
            notes.reverse();
            Some(PastIncident {
                incident: *id,
                title: past.title.clone(),
                severity: past.severity,
                onset: past.onset,
                lasted: past.closed.unwrap_or(past.last_seen).since(past.onset),
                shared,
                of: own.union(other).count() as u32,
                same_culprit,
                verdict: log.rating(*id).map(|(verdict, _)| verdict),
                notes,
            })
        };
        let mut found: Vec<PastIncident> = prints.iter().filter_map(compare).collect();
        // a/b against c/d without a division: a·d against c·b.
        found.sort_by(|a, b| {
            let share = |of: &PastIncident, other: &PastIncident| {
                (u64::from(of.shared) + u64::from(of.same_culprit)) * (u64::from(other.of) + 1)
            };
            share(b, a).cmp(&share(a, b)).then_with(|| (b.onset, b.incident).cmp(&(a.onset, a.incident)))
        });
        found.truncate(MOST_INCIDENTS);
        found
    }
}

impl Engine {
    /// What is known from before about the incident that a screen shows.
    pub(super) fn tell_incident_history(&mut self, now: Timestamp) -> Option<Output> {
        self.past.expire(now);
        let history = self.past.history(self.past.asked?, &self.acts.log);
        Some(Output::Tell(UpdateBody::IncidentHistory(Box::new(history))))
    }
}
