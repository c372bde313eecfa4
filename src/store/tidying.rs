//! Retention: what is old is deleted, and what is past is folded.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::baseline::DayRow;
use crate::domain::{Alert, Incident, Micros, Timestamp, UtcHour};

use super::rows::{WHOLE_DAY, day_and_hour, from_time, slice_prefix, slice_row, week_of_row};
use super::{Settings, Store, StoreError, reading, record, writing};

/// Anomaly rows are also bounded in all: 64 MB at about 600 bytes each.
const MOST_ANOMALIES: usize = 100_000;

/// Removes the first rows of a tree, as long as `is_old` says so of one; the newest `spared` stay.
fn remove_first(
    tree: &sled::Tree,
    spared: usize,
    mut is_old: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), StoreError> {
    let mut batch = sled::Batch::default();
    for row in tree.iter().take(tree.len().saturating_sub(spared)) {
        let (name, value) = row.map_err(reading)?;
        if !is_old(&name, &value) {
            break;
        }
        batch.remove(name);
    }
    tree.apply_batch(batch).map_err(writing)
}

/// Whether this was last seen before `keep`. A record that cannot be read is told nothing of any more.
fn ended_before<T: DeserializeOwned>(value: &[u8], last_seen: impl Fn(&T) -> Timestamp, keep: Timestamp) -> bool {
    let value: Option<T> = record::open(value).and_then(|payload| serde_json::from_slice(payload).ok());
    value.is_none_or(|value| last_seen(&value) < keep)
}

impl Store {
    /// The beginning of the oldest day of which samples are kept: one more than is learnt from, for that is only partly
    /// inside.
    #[must_use]
    pub fn kept_from(now: Timestamp, history_days: u32) -> Timestamp {
        UtcHour(UtcHour::of(now).day().saturating_sub_unsigned(history_days + 1).saturating_mul(24)).start()
    }

    /// Folds the hours of past days into one row a day, and deletes what is older than is kept.
    ///
    /// # Errors
    /// When sled cannot read or write.
    pub fn tidy(&self, now: Timestamp, history_days: u32, keep: &Settings) -> Result<(), StoreError> {
        let today = UtcHour::of(now).day();
        let oldest = UtcHour::of(Self::kept_from(now, history_days)).day();
        for (id, _) in self.series() {
            self.tidy_key(id, today, oldest)?;
        }
        let days_ago = |days: u32| now - Micros::from_secs(u64::from(days) * 86_400);
        self.forget_acts(days_ago(keep.alert_days))?;
        let inner = self.lock();
        let trees = inner.trees()?;
        let mut batch = sled::Batch::default();
        for kind in [b'n', b'v'] {
            for row in trees.learnt.scan_prefix([kind]) {
                let (name, _) = row.map_err(reading)?;
                if week_of_row(&name).is_some_and(|week| week.saturating_mul(7).saturating_add(6) < oldest) {
                    batch.remove(name);
                }
            }
        }
        trees.learnt.apply_batch(batch).map_err(writing)?;
        let first_anomaly = from_time(days_ago(keep.anomaly_days));
        let mut too_many = trees.anomalies.len().saturating_sub(MOST_ANOMALIES);
        remove_first(&trees.anomalies, 0, |name, _| {
            let is_one_too_many = too_many > 0;
            too_many = too_many.saturating_sub(1);
            is_one_too_many || name < first_anomaly.as_slice()
        })?;
        let oldest = days_ago(keep.alert_days);
        // The newest stays whatever its age: numbers go on from it.
        remove_first(&trees.alerts, 1, |_, value| ended_before(value, |alert: &Alert| alert.last_seen, oldest))?;
        remove_first(&trees.incidents, 1, |_, value| {
            ended_before(value, |incident: &Incident| incident.last_seen, oldest)
        })?;
        let oldest = from_time(Self::kept_from(now, history_days));
        inner.tidy_exemplars(Self::kept_from(now, history_days))?;
        remove_first(&trees.quiet, 0, |name, _| name < oldest.as_slice())?;
        trees.db.flush().map_err(writing)?;
        Ok(())
    }

    fn tidy_key(&self, id: u32, today: i32, oldest: i32) -> Result<(), StoreError> {
        let inner = self.lock();
        let tree = &inner.trees()?.learnt;
        let mut batch = sled::Batch::default();
        let mut days: BTreeMap<i32, DayRow> = BTreeMap::new();
        for row in tree.scan_prefix(slice_prefix(id)) {
            let (name, value) = row.map_err(reading)?;
            let Some((day, hour)) = day_and_hour(&name) else { continue };
            if day < oldest {
                batch.remove(name);
            } else if day < today && hour != WHOLE_DAY {
                let Some(part) = record::open(&value).and_then(DayRow::decode) else { continue };
                let row = days.entry(day).or_default();
                part.iter().for_each(|(hour, slice)| row.merge(hour, slice));
                batch.remove(name);
            }
        }
        for (day, mut row) in days {
            let name = slice_row(id, day, WHOLE_DAY);
            if let Some(whole) = tree.get(&name).map_err(reading)? {
                // A damaged day stays as it is, and its hours beside it.
                let Some(before) = record::open(&whole).and_then(DayRow::decode) else { return Ok(()) };
                before.iter().for_each(|(hour, slice)| row.merge(hour, slice));
            }
            let mut payload = Vec::new();
            row.encode(&mut payload);
            batch.insert(name, record::seal(&payload));
        }
        tree.apply_batch(batch).map_err(writing)
    }
}
