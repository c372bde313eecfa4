//! The noise ledger: what was alerted in the last 30 days, by subject and kind, so that a team sees what to mend.

use std::collections::BTreeMap;

use crate::domain::{Alert, AlertId, Fingerprint, IncidentId, Micros, Severity, Subject, Timestamp, Verdict};
use crate::messages::NoiseRow;

/// How far back it reaches.
pub const REACHES: Micros = Micros::from_secs(30 * 86_400);
/// Rows that are told; nobody mends more at a time.
const MOST_ROWS: usize = 200;

/// One alert, as far as the ledger needs it.
#[derive(Debug, Clone)]
struct Episode {
    about: Fingerprint,
    incident: IncidentId,
    severity: Severity,
    onset: Timestamp,
    seen: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub struct Noise {
    episodes: BTreeMap<AlertId, Episode>,
    changed: bool,
}

impl Noise {
    /// Takes an alert as it is now.
    pub fn take(&mut self, alert: &Alert) {
        let episode = Episode {
            about: (alert.subject.clone(), alert.kind),
            incident: alert.incident,
            severity: alert.severity,
            onset: alert.onset,
            seen: alert.closed.unwrap_or(alert.last_seen),
        };
        self.episodes.insert(alert.id, episode);
        self.changed = true;
    }

    /// The alerts about a subject: from when to when each lasted, and of which incident it is.
    pub fn of<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = (Timestamp, Timestamp, IncidentId)> + 'a {
        let about = self.episodes.values().filter(move |episode| episode.about.0 == *subject);
        about.map(|episode| (episode.onset, episode.seen, episode.incident))
    }

    pub const fn rated(&mut self) {
        self.changed = true;
    }

    /// Whether there is anything new since the last call.
    pub fn take_changed(&mut self, now: Timestamp) -> bool {
        let oldest = now - REACHES;
        let before = self.episodes.len();
        self.episodes.retain(|_, episode| episode.seen >= oldest);
        std::mem::take(&mut self.changed) || self.episodes.len() < before
    }

    /// What was called noise most often comes first, then what was alerted most often without being called useful.
    pub fn rows(&self, verdict: impl Fn(IncidentId) -> Option<Verdict>) -> Vec<NoiseRow> {
        let mut rows: BTreeMap<&Fingerprint, NoiseRow> = BTreeMap::new();
        for Episode { about, incident, severity, onset, seen } in self.episodes.values() {
            let row = rows.entry(about).or_insert_with(|| NoiseRow {
                subject: about.0.clone(),
                kind: about.1,
                severity: *severity,
                alerts: 0,
                lasted: Micros::ZERO,
                last: *onset,
                useful: 0,
                noise: 0,
            });
            row.alerts += 1;
            row.severity = row.severity.min(*severity);
            row.lasted = Micros(row.lasted.0.saturating_add(seen.since(*onset).0));
            row.last = row.last.max(*onset);
            match verdict(*incident) {
                Some(Verdict::Useful) => row.useful += 1,
                Some(Verdict::Noise) => row.noise += 1,
                None => {}
            }
        }
        let mut rows: Vec<NoiseRow> = rows.into_values().collect();
        let unearned = |row: &NoiseRow| row.alerts.saturating_sub(row.useful);
        rows.sort_by(|a, b| {
            (b.noise, unearned(b), b.lasted)
                .cmp(&(a.noise, unearned(a), a.lasted))
                .then_with(|| (&a.subject, a.kind).cmp(&(&b.subject, b.kind)))
        });
        rows.truncate(MOST_ROWS);
        rows
    }
}
