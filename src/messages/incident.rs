//! What is known about an incident from before, and what people did about it.

use serde::{Deserialize, Serialize};

use crate::domain::{Act, AlertId, AlertKind, IncidentId, Micros, Severity, Subject, Timestamp, Verdict};

/// Beside the incident itself, which the list of incidents tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentHistory {
    pub incident: IncidentId,
    /// What people did about it, in order, without what was undone.
    pub acts: Vec<Act>,
    /// For each subject and kind that it has alerts of, what was alerted of the same in the 30 days before.
    pub alike: Vec<PastAlerts>,
    /// Incidents of the last 30 days that share alerts or the culprit with it: those that share most first, then the
    /// newest.
    pub similar: Vec<PastIncident>,
}

/// Alerts of one subject and kind, without those of the incident that is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastAlerts {
    pub subject: Subject,
    pub kind: AlertKind,
    pub alerts: u32,
    /// Of incidents that were rated so.
    pub useful: u32,
    pub noise: u32,
    /// The newest of them, newest first.
    pub last: Vec<PastAlert>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastAlert {
    pub alert: AlertId,
    pub incident: IncidentId,
    pub severity: Severity,
    pub onset: Timestamp,
    /// From its onset to its end, or to when it was last seen.
    pub lasted: Micros,
    pub verdict: Option<Verdict>,
    /// Notes on its incident.
    pub notes: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastIncident {
    pub incident: IncidentId,
    pub title: String,
    pub severity: Severity,
    pub onset: Timestamp,
    pub lasted: Micros,
    /// Subjects and kinds alerted in both, and in either.
    pub shared: u32,
    pub of: u32,
    /// The same service and operation was suspected most.
    pub same_culprit: bool,
    pub verdict: Option<Verdict>,
    /// In order; of many the newest.
    pub notes: Vec<PastNote>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastNote {
    pub by: String,
    pub at: Timestamp,
    pub text: String,
}
