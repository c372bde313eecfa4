//! What the screens show of incidents beyond what is open: alerts that have closed, incidents that ended within the last
//! hour, and slow spans of each to look at.

use std::collections::BTreeMap;

use crate::detect::Change;
use crate::domain::{Alert, AlertId, Anomaly, AnomalyId, Incident, IncidentId, Micros, Subject, Timestamp, TraceId};

use super::alerts::Groups;
use super::keys::Keys;

/// How long an incident that ended stays on the screens.
const REMEMBERED: Micros = Micros::from_secs(3_600);
/// An incident's closed alerts that are shown; of more the newest.
const MOST_CLOSED: usize = 40;
/// Ended incidents that are shown; of more the newest.
const MOST_ENDED: usize = 20;
/// Traces to look at, of one alert.
const MOST_EXEMPLARS: usize = 5;

#[derive(Debug, Clone, Default)]
struct Case {
    /// As it was when it ended; `None` while it is open.
    ended: Option<Incident>,
    closed: Vec<Alert>,
    /// Of each alert the worst.
    exemplars: BTreeMap<AlertId, Vec<Anomaly>>,
}

/// All incidents that are open or ended within the last hour.
#[derive(Debug, Clone, Default)]
pub struct Cases {
    cases: BTreeMap<IncidentId, Case>,
}

impl Cases {
    /// Notes what happened, and gives an alert the traces that show it best.
    pub fn take(&mut self, change: &mut Change, groups: &Groups, keys: &Keys) {
        match change {
            Change::AlertRaised(alert) => {
                let found = exemplars(alert, groups, keys);
                alert.exemplars = traces(&found);
                self.case(alert.incident).exemplars.insert(alert.id, found);
            }
            Change::AlertChanged(alert) => self.complete(alert),
            Change::AlertClosed(alert) => {
                self.complete(alert);
                let case = self.case(alert.incident);
                case.closed.push((**alert).clone());
                if case.closed.len() > MOST_CLOSED {
                    let gone = case.closed.remove(0);
                    case.exemplars.remove(&gone.id);
                }
            }
            Change::IncidentOpened(incident) => self.case(incident.id).ended = None,
            Change::IncidentChanged(_) => {}
            Change::IncidentClosed(incident) => self.case(incident.id).ended = Some((**incident).clone()),
        }
    }

    fn case(&mut self, incident: IncidentId) -> &mut Case {
        self.cases.entry(incident).or_default()
    }

    /// Looks again for what an open alert had no trace of when it was raised.
    pub fn look_again<'a>(&mut self, open: impl Iterator<Item = &'a Alert>, groups: &Groups, keys: &Keys) {
        for alert in open {
            let known = self.case(alert.incident).exemplars.entry(alert.id).or_default();
            if known.is_empty() {
                *known = exemplars(alert, groups, keys);
            }
        }
    }

    /// Gives an alert the traces that are known of it.
    pub fn complete(&self, alert: &mut Alert) {
        let known = self.cases.get(&alert.incident).and_then(|case| case.exemplars.get(&alert.id));
        alert.exemplars = known.map(|known| traces(known)).unwrap_or_default();
    }

    /// Forgets what ended long ago.
    pub fn expire(&mut self, now: Timestamp) {
        let ended_at = |case: &Case| case.ended.as_ref().and_then(|incident| incident.closed);
        self.cases.retain(|_, case| ended_at(case).is_none_or(|at| now.since(at) <= REMEMBERED));
        let mut ended: Vec<(Timestamp, IncidentId)> =
            self.cases.iter().filter_map(|(id, case)| Some((ended_at(case)?, *id))).collect();
        ended.sort_unstable();
        for (_, id) in ended.iter().take(ended.len().saturating_sub(MOST_ENDED)) {
            self.cases.remove(id);
        }
    }

    /// The incidents that ended, the newest first.
    pub fn ended(&self) -> Vec<&Incident> {
        let mut ended: Vec<&Incident> = self.cases.values().filter_map(|case| case.ended.as_ref()).collect();
        ended.sort_by_key(|incident| std::cmp::Reverse((incident.closed, incident.id)));
        ended
    }

    /// The alerts of an incident that have closed.
    pub fn closed(&self, incident: IncidentId) -> &[Alert] {
        self.cases.get(&incident).map_or(&[], |case| &case.closed)
    }

    /// Slow spans of an incident: the culprit's first, the worst of them first, one of each trace.
    pub fn exemplars(&self, incident: &Incident) -> Vec<Anomaly> {
        let Some(case) = self.cases.get(&incident.id) else { return Vec::new() };
        let culprit = incident.culprit();
        let blamed = |anomaly: &Anomaly| {
            let service = culprit.is_some_and(|culprit| culprit.service == anomaly.key.service);
            let operation = culprit.and_then(|culprit| culprit.operation.as_ref()) == Some(&anomaly.key.operation);
            (!service, !operation)
        };
        let mut all: Vec<&Anomaly> = case.exemplars.values().flatten().collect();
        all.sort_by(|a, b| blamed(a).cmp(&blamed(b)).then_with(|| worse(a, b)));
        let mut shown: Vec<Anomaly> = Vec::new();
        for anomaly in all {
            if !shown.iter().any(|other| other.id == anomaly.id) {
                shown.push(anomaly.clone());
            }
        }
        shown
    }

    /// Slow spans of all of them.
    pub fn all(&self) -> impl Iterator<Item = &Anomaly> {
        self.cases.values().flat_map(|case| case.exemplars.values().flatten())
    }

    #[must_use]
    pub fn find(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.all().find(|anomaly| anomaly.id == id)
    }
}

fn worse(a: &Anomaly, b: &Anomaly) -> std::cmp::Ordering {
    a.severity.cmp(&b.severity).then_with(|| b.z.total_cmp(&a.z)).then_with(|| a.id.cmp(&b.id))
}

fn traces(anomalies: &[Anomaly]) -> Vec<TraceId> {
    anomalies.iter().map(|anomaly| anomaly.id.trace).collect()
}

/// Slow spans since the alert's onset that are about its subject, worst first, one of each trace.
fn exemplars(alert: &Alert, groups: &Groups, keys: &Keys) -> Vec<Anomaly> {
    let about = |anomaly: &Anomaly| match &alert.subject {
        Subject::Key(key) => anomaly.key == *key,
        Subject::Node(service) => anomaly.key.service == *service,
        Subject::Edge { caller, callee } => anomaly.key.service == *callee || anomaly.key.service == *caller,
    };
    let touched = |key: u32| {
        keys.get(key).is_some_and(|entry| alert.subject.services().any(|service| *service == entry.key.service))
    };
    let mut found: Vec<&Anomaly> = groups
        .iter()
        .filter(|(key, _)| touched(*key))
        .flat_map(|(_, group)| &group.anomalies)
        .filter(|anomaly| anomaly.start + anomaly.duration >= alert.onset && about(anomaly))
        .collect();
    found.sort_by(|a, b| worse(a, b));
    let mut one_each: Vec<Anomaly> = Vec::new();
    for anomaly in found {
        if one_each.len() < MOST_EXEMPLARS && !one_each.iter().any(|other| other.id.trace == anomaly.id.trace) {
            one_each.push(anomaly.clone());
        }
    }
    one_each
}
