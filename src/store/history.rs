//! What happened: anomalies, alerts and incidents, oldest first.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{
    Alert, AlertId, Anomaly, AnomalyId, Incident, IncidentId, QuietHour, Severity, TimeWindow, Timestamp,
};

use super::rows::{anomaly_row, from_time, number_row};
use super::{Store, StoreError, reading, record, writing};

/// What to look for. The default is everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// What overlaps this window; `None` for all that is kept.
    pub window: Option<TimeWindow>,
    /// What touches this service.
    pub service: Option<String>,
    /// That severity and worse.
    pub severity: Option<Severity>,
}

/// What an earlier run left open, and has now been closed as it was last seen; and the numbers to go on from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closed {
    pub alerts: u32,
    pub incidents: u32,
    pub last_alert: AlertId,
    pub last_incident: IncidentId,
}

impl Query {
    fn allows(&self, from: Timestamp, to: Timestamp, severity: Severity) -> bool {
        self.window.is_none_or(|window| from < window.to && to >= window.from)
            && self.severity.is_none_or(|least| severity.is_at_least(least))
    }

    fn names(&self, mut services: impl Iterator<Item: AsRef<str>>) -> bool {
        self.service.as_ref().is_none_or(|wanted| services.any(|service| service.as_ref() == wanted))
    }

    fn wants_incident(&self, incident: &Incident) -> bool {
        let culprit = incident.culprit().map(|suspect| &suspect.service);
        self.allows(incident.onset, incident.closed.unwrap_or(incident.last_seen), incident.severity)
            && self.names(incident.services.iter().chain(culprit))
    }

    fn wants_alert(&self, alert: &Alert) -> bool {
        self.allows(alert.onset, alert.closed.unwrap_or(alert.last_seen), alert.severity)
            && self.names(alert.subject.services())
    }

    fn wants_anomaly(&self, anomaly: &Anomaly) -> bool {
        self.allows(anomaly.start, anomaly.start + anomaly.duration, anomaly.severity)
            && self.names(std::iter::once(&anomaly.key.service))
    }
}

pub(super) fn insert<T: Serialize>(tree: &sled::Tree, row: &[u8], value: &T) -> Result<(), StoreError> {
    let payload = serde_json::to_vec(value).map_err(writing)?;
    tree.insert(row, record::seal(&payload)).map_err(writing)?;
    Ok(())
}

/// Damaged records are left out.
pub(super) fn read<T: DeserializeOwned>(rows: sled::Iter, wanted: impl Fn(&T) -> bool) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    for row in rows {
        let (_, value) = row.map_err(reading)?;
        let value: Option<T> = record::open(&value).and_then(|payload| serde_json::from_slice(payload).ok());
        found.extend(value.filter(|value| wanted(value)));
    }
    Ok(found)
}

impl Store {
    /// Writes an alert down as it is now, over what was written of it before. It reaches the disk with the next flush.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn record_alert(&self, alert: &Alert) -> Result<(), StoreError> {
        insert(&self.lock().trees()?.alerts, &number_row(alert.id.0), alert)
    }

    /// Writes an incident down as it is now, over what was written of it before. It reaches the disk with the next flush.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn record_incident(&self, incident: &Incident) -> Result<(), StoreError> {
        insert(&self.lock().trees()?.incidents, &number_row(incident.id.0), incident)
    }

    /// Writes down how quiet an hour was, over what was written of it before. It reaches the disk with the next flush.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn record_quiet_hour(&self, hour: &QuietHour) -> Result<(), StoreError> {
        insert(&self.lock().trees()?.quiet, &from_time(hour.hour.start()), hour)
    }

    /// How quiet hours were, in their order. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn quiet_hours(&self) -> Result<Vec<QuietHour>, StoreError> {
        read(self.lock().trees()?.quiet.iter(), |_| true)
    }

    /// Incidents in the order in which they were opened. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn incidents(&self, query: &Query) -> Result<Vec<Incident>, StoreError> {
        read(self.lock().trees()?.incidents.iter(), |incident| query.wants_incident(incident))
    }

    /// Alerts in the order in which they were raised. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn alerts(&self, query: &Query) -> Result<Vec<Alert>, StoreError> {
        read(self.lock().trees()?.alerts.iter(), |alert| query.wants_alert(alert))
    }

    /// Anomalies in the order in which their spans began. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn anomalies(&self, query: &Query) -> Result<Vec<Anomaly>, StoreError> {
        read(self.lock().trees()?.anomalies.iter(), |anomaly| query.wants_anomaly(anomaly))
    }

    /// Closes what a run that is gone left open, as it was last seen, and tells the numbers given out last.
    ///
    /// # Errors
    /// When sled cannot read or write.
    pub fn close_left_open(&self) -> Result<Closed, StoreError> {
        let (alerts, incidents) = (self.alerts(&Query::default())?, self.incidents(&Query::default())?);
        let mut closed = Closed {
            last_alert: alerts.iter().map(|alert| alert.id).max().unwrap_or_default(),
            last_incident: incidents.iter().map(|incident| incident.id).max().unwrap_or_default(),
            ..Closed::default()
        };
        for mut alert in alerts.into_iter().filter(Alert::is_open) {
            alert.closed = Some(alert.last_seen);
            self.record_alert(&alert)?;
            closed.alerts += 1;
        }
        for mut incident in incidents.into_iter().filter(Incident::is_open) {
            incident.closed = Some(incident.last_seen);
            self.record_incident(&incident)?;
            closed.incidents += 1;
        }
        Ok(closed)
    }

    /// Writes an anomaly down. It reaches the disk with the next flush.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn record_anomaly(&self, anomaly: &Anomaly) -> Result<(), StoreError> {
        insert(&self.lock().trees()?.anomalies, &anomaly_row(anomaly.start, anomaly.id), anomaly)
    }

    /// Takes an anomaly's record back.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn forget_anomaly(&self, start: Timestamp, id: AnomalyId) -> Result<(), StoreError> {
        self.lock().trees()?.anomalies.remove(anomaly_row(start, id)).map_err(writing)?;
        Ok(())
    }

    /// Anomalies of spans that started at or after `since`, oldest first. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn anomalies_since(&self, since: Timestamp) -> Result<Vec<Anomaly>, StoreError> {
        read(self.lock().trees()?.anomalies.range(from_time(since)..), |_| true)
    }
}
