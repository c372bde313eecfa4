//! Anomalies grouped by span key, and which of them are worth keeping.

use std::collections::BTreeMap;

use crate::detect::Settings;
use crate::domain::{Anomaly, AnomalyId, Micros, Severity, Timestamp, UtcHour};

/// Anomalies shown with their group.
const SHOWN: usize = 20;

/// The anomalies of one key that still count.
#[derive(Debug, Clone)]
pub struct Group {
    pub first: Timestamp,
    pub last: Timestamp,
    pub counts: [u32; 5],
    /// How many spans of the key had been judged before `first`.
    pub judged_before: u32,
    pub worst_z: f64,
    pub latest_z: f64,
    last_of: [Option<Timestamp>; 5],
    /// Newest first; the worst is always among them.
    pub anomalies: Vec<Anomaly>,
}

/// All groups, by the number of their key in the engine's table.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    groups: BTreeMap<u32, Group>,
}

impl Group {
    fn new(at: Timestamp, judged_before: u32) -> Self {
        Self {
            first: at,
            last: at,
            counts: [0; 5],
            judged_before,
            worst_z: f64::NEG_INFINITY,
            latest_z: 0.0,
            last_of: [None; 5],
            anomalies: Vec::new(),
        }
    }

    fn add(&mut self, anomaly: &Anomaly, at: Timestamp) {
        // After a restart the first poll brings again what the store had.
        if self.anomalies.iter().any(|known| known.id == anomaly.id) {
            return;
        }
        self.first = self.first.min(at);
        if at >= self.last {
            self.last = at;
            self.latest_z = anomaly.z;
        }
        let index = anomaly.severity.index();
        if let (Some(count), Some(last)) = (self.counts.get_mut(index), self.last_of.get_mut(index)) {
            *count += 1;
            *last = (*last).max(Some(at));
        }
        self.worst_z = self.worst_z.max(anomaly.z);
        let place = self.anomalies.partition_point(|other| (other.start, other.id) > (anomaly.start, anomaly.id));
        self.anomalies.insert(place, anomaly.clone());
        if self.anomalies.len() > SHOWN {
            let worst = self.anomalies.iter().map(|a| a.z).fold(f64::NEG_INFINITY, f64::max);
            // The oldest goes, unless it is the worst.
            let gone = self.anomalies.iter().rposition(|a| a.z < worst).unwrap_or(SHOWN);
            self.anomalies.remove(gone);
        }
    }

    /// The worst severity seen since `since`.
    #[must_use]
    pub fn severity(&self, since: Timestamp) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| self.last_of.get(s.index()).copied().flatten().is_some_and(|at| at >= since))
    }
}

impl Groups {
    /// Adds an anomaly, found in a span that ended `at`, the last of `judged` spans of its key that were judged so far.
    pub fn add(&mut self, key: u32, anomaly: &Anomaly, at: Timestamp, judged: u32) {
        let new = || Group::new(at, judged.saturating_sub(1));
        self.groups.entry(key).or_insert_with(new).add(anomaly, at);
    }

    /// Drops groups without an anomaly for as long as `memory`.
    pub fn expire(&mut self, now: Timestamp, memory: Micros) {
        let oldest = now - memory;
        self.groups.retain(|_, group| group.last >= oldest);
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Group)> {
        self.groups.iter().map(|(key, group)| (*key, group))
    }

    #[must_use]
    pub fn find(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.groups.values().flat_map(|group| &group.anomalies).find(|anomaly| anomaly.id == id)
    }
}

/// Deviation, start and id of a row: enough to compare it and to take it back.
type KeptRow = (f64, Timestamp, AnomalyId);

/// Which anomalies are written down: all are counted, but rows are bounded for each key and hour, the worst first.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// By hour, key, and whether they are severe.
    rows: BTreeMap<(UtcHour, u32, bool), Vec<KeptRow>>,
}

/// What to do with an anomaly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep {
    Row,
    /// Write it and take back this one, which deviated less.
    InsteadOf(Timestamp, AnomalyId),
    No,
}

impl Keeping {
    pub fn decide(&mut self, key: u32, anomaly: &Anomaly, settings: &Settings) -> Keep {
        let hour = UtcHour::of(anomaly.start);
        let severe = anomaly.severity.is_at_least(Severity::Sev2);
        let most = if severe { settings.kept_severe_per_hour } else { settings.kept_mild_per_hour } as usize;
        let rows = self.rows.entry((hour, key, severe)).or_default();
        if most == 0 {
            return Keep::No;
        }
        if rows.iter().any(|(_, _, id)| *id == anomaly.id) {
            return Keep::Row;
        }
        if rows.len() < most {
            rows.push((anomaly.z, anomaly.start, anomaly.id));
            return Keep::Row;
        }
        let mildest = rows.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        match mildest {
            Some(row) if row.0 < anomaly.z => {
                let (_, start, gone) = std::mem::replace(row, (anomaly.z, anomaly.start, anomaly.id));
                Keep::InsteadOf(start, gone)
            }
            _ => Keep::No,
        }
    }

    /// Forgets the counters of hours that no span will belong to any more.
    pub fn expire(&mut self, now: Timestamp) {
        let oldest = UtcHour(UtcHour::of(now).0.saturating_sub(3));
        self.rows.retain(|(hour, _, _), _| *hour >= oldest);
    }
}
