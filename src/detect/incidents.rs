//! Alerts while they last, and the incidents they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{
    Alert, AlertId, AlertKind, Incident, IncidentId, LevelId, Micros, Subject, Suspect, TimeWindow, Timestamp,
};

use super::metrics::Metrics;
use super::subjects::{SubjectId, TrackId};
use super::test::Finding;
use super::watch::Watch;

/// Quiet polls in a row that close an alert.
const QUIET_POLLS: u32 = 3;
/// Alerts further apart belong to different incidents.
const GAP: Micros = Micros::from_secs(300);
/// With too few calls to say that it is over, it is taken for over after as long.
const FORGOTTEN: Micros = Micros::from_secs(900);
/// Evidence of a long incident is that of its newest part: no more is kept.
const LONGEST_EVIDENCE: Micros = Micros::from_secs(1_500);

#[derive(Debug, Clone)]
struct Open {
    alert: Alert,
    quiet: u32,
}

#[derive(Debug, Clone)]
struct Running {
    incident: Incident,
    /// Services of its alerts.
    touched: BTreeSet<u32>,
    active: bool,
}

/// What happened to an alert or an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    AlertRaised(Box<Alert>),
    AlertChanged(Box<Alert>),
    AlertClosed(Box<Alert>),
    IncidentOpened(Box<Incident>),
    IncidentChanged(Box<Incident>),
    /// All its alerts have closed. Within five minutes it may go on under the same number.
    IncidentClosed(Box<Incident>),
}

/// Everything that is open.
#[derive(Debug, Clone, Default)]
pub struct Book {
    alerts: BTreeMap<TrackId, Open>,
    incidents: Vec<Running>,
    last_alert: AlertId,
    last_incident: IncidentId,
}

impl Book {
    /// Goes on with the numbers of an earlier run.
    #[must_use]
    pub fn after(last_alert: AlertId, last_incident: IncidentId) -> Self {
        Self { last_alert, last_incident, ..Self::default() }
    }

    /// Whether anything is open: what happens now is not normal, and not to be learnt.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.alerts.is_empty()
    }

    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().map(|open| &open.alert)
    }

    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.iter().filter(|running| running.active).map(|running| &running.incident)
    }

    /// Whether an incident is open, or may yet go on under its number.
    #[must_use]
    pub fn lasts(&self, incident: IncidentId) -> bool {
        self.incidents.iter().any(|running| running.incident.id == incident)
    }

    /// Takes what a round of tests found.
    pub fn update(&mut self, at: Timestamp, findings: Vec<Finding>, watch: &Watch, metrics: &Metrics) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut changed: BTreeSet<IncidentId> = BTreeSet::new();
        let mut seen: BTreeSet<TrackId> = BTreeSet::new();
        let mut findings = findings;
        // Who was abnormal first opens the incident.
        findings.sort_by_key(|finding| (finding.onset, finding.track));
        for finding in findings {
            if self.alerts.contains_key(&finding.track) {
                if !watch.is_going_on(&finding, at) {
                    continue;
                }
                seen.insert(finding.track);
                changed.extend(self.go_on(at, finding, &mut changes));
            } else if finding.raises() && watch.is_going_on(&finding, at) {
                seen.insert(finding.track);
                changed.insert(self.raise(at, finding, watch, &mut changes));
            }
        }
        self.note_levels(at, watch, &mut changes);
        changed.extend(self.close_quiet(at, &seen, watch, &mut changes));
        self.settle(at, &changed, watch, metrics, &mut changes);
        changes
    }

    /// The data ends here: everything open is closed as it was last seen.
    pub fn close_all(&mut self, at: Timestamp, watch: &Watch, metrics: &Metrics) -> Vec<Change> {
        let mut changes = Vec::new();
        let changed: BTreeSet<IncidentId> = self.alerts.values().map(|open| open.alert.incident).collect();
        for (_, mut open) in std::mem::take(&mut self.alerts) {
            open.alert.closed = Some(at);
            changes.push(Change::AlertClosed(Box::new(open.alert)));
        }
        self.settle(at, &changed, watch, metrics, &mut changes);
        self.incidents.clear();
        changes
    }

    /// Closes alerts whose level was accepted as the new normal.
    pub fn accept(
        &mut self,
        at: Timestamp,
        alerts: &[AlertId],
        level: LevelId,
        watch: &Watch,
        metrics: &Metrics,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut changed = BTreeSet::new();
        let (accepted, open) =
            std::mem::take(&mut self.alerts).into_iter().partition(|(_, open)| alerts.contains(&open.alert.id));
        self.alerts = open;
        let accepted: BTreeMap<TrackId, Open> = accepted;
        for (_, Open { mut alert, .. }) in accepted {
            alert.closed = Some(at);
            if let Some(shift) = &mut alert.shift {
                shift.accepted = Some(level);
            }
            changed.insert(alert.incident);
            changes.push(Change::AlertClosed(Box::new(alert)));
        }
        self.settle(at, &changed, watch, metrics, &mut changes);
        changes
    }

    /// Notes which of the open alerts last steadily, in what is told of them as well.
    fn note_levels(&mut self, at: Timestamp, watch: &Watch, changes: &mut [Change]) {
        for (track, open) in &mut self.alerts {
            let Alert { id, onset, .. } = open.alert;
            let shift = watch.shift(*track, onset, at, open.alert.shift.is_some());
            for change in changes.iter_mut() {
                if let Change::AlertRaised(alert) | Change::AlertChanged(alert) = change
                    && alert.id == id
                {
                    alert.shift.clone_from(&shift);
                }
            }
            open.alert.shift = shift;
        }
    }

    fn go_on(&mut self, at: Timestamp, finding: Finding, changes: &mut Vec<Change>) -> Option<IncidentId> {
        let open = self.alerts.get_mut(&finding.track)?;
        open.quiet = 0;
        open.alert.last_seen = at;
        let worse = finding.raises()
            && (finding.severity < open.alert.severity
                || finding.arithmetic.log10_chance < open.alert.worst.log10_chance);
        if worse {
            open.alert.severity = open.alert.severity.min(finding.severity);
            open.alert.worst = finding.arithmetic;
            open.alert.detail = finding.detail;
        }
        changes.push(Change::AlertChanged(Box::new(open.alert.clone())));
        Some(open.alert.incident)
    }

    fn raise(&mut self, at: Timestamp, finding: Finding, watch: &Watch, changes: &mut Vec<Change>) -> IncidentId {
        let services = services_of(finding.track.subject, watch);
        let subject = watch.subject(finding.track.subject);
        let incident = self.incident_for(at, &finding, &services, &subject, watch, changes);
        self.last_alert.0 += 1;
        let alert = Alert {
            id: self.last_alert,
            incident,
            subject,
            kind: finding.track.kind,
            severity: finding.severity,
            onset: finding.onset,
            raised: at,
            last_seen: at,
            closed: None,
            worst: finding.arithmetic,
            detail: finding.detail,
            exemplars: Vec::new(),
            shift: None,
        };
        if let Some(running) = self.incidents.iter_mut().find(|running| running.incident.id == incident) {
            running.incident.alerts.push(alert.id);
        }
        changes.push(Change::AlertRaised(Box::new(alert.clone())));
        self.alerts.insert(finding.track, Open { alert, quiet: 0 });
        incident
    }

    fn incident_for(
        &mut self,
        at: Timestamp,
        finding: &Finding,
        services: &BTreeSet<u32>,
        subject: &Subject,
        watch: &Watch,
        changes: &mut Vec<Change>,
    ) -> IncidentId {
        let linked =
            |touched: &BTreeSet<u32>| services.iter().any(|a| touched.iter().any(|b| watch.are_linked(*a, *b)));
        let mut linked = self.incidents.iter().filter(|running| linked(&running.touched));
        let first = linked.next().map(|running| running.incident.id);
        // This alert lies between them: they are one.
        let others = linked.filter(|running| running.active || running.incident.raised == at);
        let others: Vec<IncidentId> = others.map(|running| running.incident.id).collect();
        if let Some(first) = first {
            for other in others {
                self.unite(at, first, other, changes);
            }
        }
        let found = self.incidents.iter_mut().find(|running| Some(running.incident.id) == first);
        let running = match found {
            Some(running) => running,
            None => {
                self.last_incident.0 += 1;
                self.incidents.push(Running {
                    incident: Incident {
                        id: self.last_incident,
                        title: String::new(),
                        severity: finding.severity,
                        onset: finding.onset,
                        raised: at,
                        last_seen: at,
                        closed: None,
                        alerts: Vec::new(),
                        suspects: Vec::new(),
                        counterfactual: None,
                        services: Vec::new(),
                    },
                    touched: BTreeSet::new(),
                    active: false,
                });
                let Some(running) = self.incidents.last_mut() else { return self.last_incident };
                running
            }
        };
        running.touched.extend(services);
        let incident = &mut running.incident;
        incident.severity = incident.severity.min(finding.severity);
        incident.onset = incident.onset.min(finding.onset);
        for service in subject.services() {
            if !incident.services.contains(service) {
                incident.services.push(Arc::clone(service));
            }
        }
        incident.id
    }

    /// Lets one incident go on as part of another. Who was told of it is told where it went.
    fn unite(&mut self, at: Timestamp, into: IncidentId, part: IncidentId, changes: &mut Vec<Change>) {
        let Some(place) = self.incidents.iter().position(|running| running.incident.id == part) else { return };
        let Running { incident: mut gone, touched, active } = self.incidents.remove(place);
        let Some(running) = self.incidents.iter_mut().find(|running| running.incident.id == into) else { return };
        running.touched.extend(touched);
        let incident = &mut running.incident;
        incident.severity = incident.severity.min(gone.severity);
        incident.onset = incident.onset.min(gone.onset);
        let services = gone.services.iter().filter(|service| !incident.services.contains(service));
        let services: Vec<Arc<str>> = services.map(Arc::clone).collect();
        incident.services.extend(services);
        let moved: Vec<&mut Open> = self.alerts.values_mut().filter(|open| open.alert.incident == part).collect();
        for open in moved {
            open.alert.incident = into;
            incident.alerts.push(open.alert.id);
            changes.push(Change::AlertChanged(Box::new(open.alert.clone())));
        }
        // What was raised in this round is told as it is now.
        for change in changes.iter_mut() {
            if let Change::AlertRaised(alert) = change
                && alert.incident == part
            {
                alert.incident = into;
            }
        }
        if active {
            gone.closed = Some(at);
            gone.title = format!("{} (went on as incident {})", gone.title, into.0);
            changes.push(Change::IncidentClosed(Box::new(gone)));
        }
    }

    fn close_quiet(
        &mut self,
        at: Timestamp,
        seen: &BTreeSet<TrackId>,
        watch: &Watch,
        changes: &mut Vec<Change>,
    ) -> BTreeSet<IncidentId> {
        let mut changed = BTreeSet::new();
        let mut closed = Vec::new();
        for (track, open) in self.alerts.iter_mut().filter(|(track, _)| !seen.contains(track)) {
            // What did not come has come.
            if track.kind == AlertKind::Absence {
                open.quiet = QUIET_POLLS;
            } else if watch.is_speaking(*track, at) {
                open.quiet += 1;
            }
            if open.quiet >= QUIET_POLLS || at.since(open.alert.last_seen) >= FORGOTTEN {
                closed.push(*track);
            }
        }
        for track in closed {
            if let Some(mut open) = self.alerts.remove(&track) {
                open.alert.closed = Some(at);
                changed.insert(open.alert.incident);
                changes.push(Change::AlertClosed(Box::new(open.alert)));
            }
        }
        changed
    }

    /// Ranks anew the incidents that changed, and tells what became of them.
    fn settle(
        &mut self,
        at: Timestamp,
        changed: &BTreeSet<IncidentId>,
        watch: &Watch,
        metrics: &Metrics,
        changes: &mut Vec<Change>,
    ) {
        for running in self.incidents.iter_mut().filter(|running| changed.contains(&running.incident.id)) {
            let incident = &mut running.incident;
            let alerts: Vec<&Alert> =
                self.alerts.values().map(|open| &open.alert).filter(|alert| alert.incident == incident.id).collect();
            if alerts.is_empty() {
                incident.closed = Some(at);
                running.active = false;
                changes.push(Change::IncidentClosed(Box::new(incident.clone())));
                continue;
            }
            if let Some(severity) = alerts.iter().map(|alert| alert.severity).min() {
                incident.severity = incident.severity.min(severity);
            }
            incident.closed = None;
            incident.last_seen = alerts.iter().map(|alert| alert.last_seen).max().unwrap_or(at);
            // From its begin, also of what has closed since: what fails after it is over says little.
            let window = TimeWindow::new(incident.onset.max(at - LONGEST_EVIDENCE), at);
            incident.suspects = watch.suspects(window, &metrics.support(window));
            heed(&mut incident.suspects, &alerts);
            let culprit = incident.suspects.first().map(|suspect| Arc::clone(&suspect.service));
            incident.counterfactual = culprit.and_then(|service| watch.counterfactual(window, &service));
            incident.title = title(incident, &alerts);
            if !running.active && incident.raised < at {
                // What had closed goes on: it is raised anew, for whoever was told that it was over.
                incident.raised = at;
            }
            let told = Box::new(incident.clone());
            changes.push(if running.active { Change::IncidentChanged(told) } else { Change::IncidentOpened(told) });
            running.active = true;
        }
        self.incidents
            .retain(|running| running.active || running.incident.closed.is_some_and(|closed| at.since(closed) <= GAP));
    }
}

/// What an alert says by itself where no counts over the window show it: the service it is about is suspected.
fn heed(suspects: &mut [Suspect], alerts: &[&Alert]) {
    for alert in alerts {
        let weight = match alert.kind {
            AlertKind::Absence => 2.0,
            AlertKind::NewMessage | AlertKind::InFlight => 0.5,
            AlertKind::Threshold => 0.3,
            AlertKind::SelfTime | AlertKind::Duration if alert.worst.k == 1 => 0.3,
            _ => continue,
        };
        let service = alert.subject.service();
        if let Some(suspect) = suspects.iter_mut().find(|suspect| suspect.service == *service) {
            suspect.score += weight;
            if suspect.evidence.is_empty() {
                suspect.evidence.push(alert.arithmetic());
            }
            if let (None, Subject::Key(key)) = (&suspect.operation, &alert.subject) {
                suspect.operation = Some(Arc::clone(&key.operation));
            }
        }
    }
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
}

fn services_of(subject: SubjectId, watch: &Watch) -> BTreeSet<u32> {
    match subject {
        SubjectId::Key(key) => watch.keys.get(key as usize).map(|watch| watch.service).into_iter().collect(),
        SubjectId::Node(service) => [service].into(),
        SubjectId::Edge(caller, callee) => [caller, callee].into(),
    }
}

/// What is wrong, in one sentence: the culprit and what it does, then how far it reaches.
fn title(incident: &Incident, alerts: &[&Alert]) -> String {
    let Some(culprit) = incident.suspects.first() else {
        return format!("{} alerts in {}", alerts.len(), incident.services.join(", "));
    };
    let about = |alert: &&&Alert| alert.subject.services().any(|service| *service == culprit.service);
    let worst = alerts.iter().filter(about).min_by_key(|alert| (alert.severity, alert.id));
    let worst = worst.or_else(|| alerts.iter().min_by_key(|alert| (alert.severity, alert.id)));
    let what = worst.map_or_else(|| "abnormal".to_owned(), |alert| what(alert));
    let operation = culprit.operation.as_ref().map_or_else(String::new, |operation| format!(" ({operation})"));
    let others = incident.services.iter().filter(|service| **service != culprit.service).count();
    let reach = match others {
        0 => String::new(),
        1 => "; one other service feels it".to_owned(),
        n => format!("; {n} other services feel it"),
    };
    format!("{}{operation} {what}{reach}", culprit.service)
}

fn what(alert: &Alert) -> String {
    let at = match &alert.subject {
        Subject::Edge { caller, callee } => format!(" between {caller} and {callee}"),
        Subject::Key(_) | Subject::Node(_) => String::new(),
    };
    match alert.kind {
        AlertKind::SelfTime | AlertKind::Duration => format!("is slow{at}"),
        AlertKind::Errors => "fails".to_owned(),
        AlertKind::NewMessage => "fails in a new way".to_owned(),
        AlertKind::Surge => "gets far more calls than usual".to_owned(),
        AlertKind::Silence => "is silent".to_owned(),
        AlertKind::Absence => "did not run".to_owned(),
        AlertKind::LostChild => "no longer does all it did".to_owned(),
        AlertKind::NewChild => "does what it never did".to_owned(),
        AlertKind::BrokenContext => "loses the trace context".to_owned(),
        AlertKind::InFlight => "does not finish".to_owned(),
        AlertKind::Threshold => "is beyond a limit".to_owned(),
    }
}
