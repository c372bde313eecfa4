//! Retention: what is old is deleted, and what is past is folded.

use std::collections::BTreeMap;

use crate::baseline::DayRow;
use crate::domain::{Micros, Timestamp, UtcHour};

use super::rows::{WHOLE_DAY, day_and_hour, from_time, slice_prefix, slice_row, week_of_row};
use super::{Settings, Store, StoreError, reading, record, writing};

/// Anomaly rows are also bounded in all: 64 MB at about 600 bytes each.
const MOST_ANOMALIES: usize = 100_000;

/// Removes rows before `first`, and the first `at_least` whatever their time; but leaves the newest `spared`.
fn remove_before(tree: &sled::Tree, first: &[u8], at_least: usize, spared: usize) -> Result<(), StoreError> {
    let mut batch = sled::Batch::default();
    let most = tree.len().saturating_sub(spared);
    for (index, row) in tree.iter().take(most).enumerate() {
        let (name, _) = row.map_err(reading)?;
        if name.as_ref() >= first && index >= at_least {
            break;
        }
        batch.remove(name);
    }
    tree.apply_batch(batch).map_err(writing)
}

impl Store {
    /// Folds the hours of past days into one row a day, and deletes what is older than is kept.
    ///
    /// # Errors
    /// When sled cannot read or write.
    pub fn tidy(&self, now: Timestamp, history_days: u32, keep: &Settings) -> Result<(), StoreError> {
        let today = UtcHour::of(now).day();
        // One day more than is learnt from: the oldest day is only partly inside.
        let oldest = today.saturating_sub_unsigned(history_days + 1);
        for (id, _) in self.series() {
            self.tidy_key(id, today, oldest)?;
        }
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
        let before = |days: u32| from_time(now - Micros::from_secs(u64::from(days) * 86_400));
        let too_many = trees.anomalies.len().saturating_sub(MOST_ANOMALIES);
        remove_before(&trees.anomalies, &before(keep.anomaly_days), too_many, 0)?;
        for tree in [&trees.alerts, &trees.incidents] {
            // The newest stays whatever its age: numbers go on from it.
            remove_before(tree, &before(keep.alert_days), 0, 1)?;
        }
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
