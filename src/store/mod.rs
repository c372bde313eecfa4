//! What outlives a process: samples, windows they came from, baselines and anomalies, in sled.
//!
//! | tree | key | value |
//! |---|---|---|
//! | `learnt` | `k` id | a series: a measure of a span key on one accepted level |
//! | | `s` id day hour | slices of one key and UTC hour, or with hour 24 of a whole day |
//! | | `w` | windows that are known, samples in all |
//! | | `x` | stretches within them that are left out |
//! | | `t` | settled traces that polls may bring again |
//! | | `n` week key, `v` week | structure of one key, and spreads, of seven UTC days |
//! | `generations` | number | head of a generation |
//! | | number key-id | baselines of one key |
//! | | `current` | the number of the generation in use |
//! | `anomalies` | start, trace, span | an anomaly |
//! | `alerts` | number | an alert as it was last |
//! | `incidents` | number | an incident as it was last |
//! | `quiet` | hour | its oddest windows in which nothing was alerted |
//! | `levels` | number | a level that was accepted, and whether that was undone |
//! | `acts` | number | an acknowledgement, a silence, a verdict, a note or the ending of one, as it was last |
//! | `exemplars` | id `n` half-hour of the week, or id `s` start trace | a trace to compare with; see `exemplars.rs` |
//!
//! Numbers in keys are big-endian and grow with time, so that retention is a range delete. What belongs together is in one tree and written
//! in one batch.

mod acts;
mod exemplars;
mod history;
mod levels;
mod opening;
mod owner;
mod past;
mod record;
mod rows;
mod settings;
mod tidying;
mod trends;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::baseline::{
    DayRow, Facet, Generation, KeyBuilder, KeyStructure, Learnt, Ledger, SeriesKey, Sketch, Spread, Structure, unite,
};
use crate::domain::{HourOfWeek, Level, Subject};

pub use self::history::{Closed, Query};
pub use self::owner::{read as owner_of, user};
pub use self::settings::Settings;

use self::opening::{Trees, is_locked, make_private, open_guarded};
use self::rows::{WHOLE_DAY, day_and_hour, key_row, slice_prefix, slice_row, week_of, week_row};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store {} is in use by another spanwatch ({owner}); end that one, or choose another place with --store-dir", dir.display())]
    Owned { dir: PathBuf, owner: String },
    #[error("there is no store in {}; spanwatch makes it when it watches, or choose its place with --store-dir", dir.display())]
    Absent { dir: PathBuf },
    #[error("the store {} cannot be opened: {why}", dir.display())]
    Unusable { dir: PathBuf, why: String },
    #[error("the store could not be written: {0}; is the disk full?")]
    Write(String),
    #[error("the store could not be read: {0}")]
    Read(String),
}

/// The row of the number of the generation in use; no number has its length.
const CURRENT: &[u8] = b"current";

/// The one owner of the files. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// `None` only between closing and opening again.
    trees: Option<Trees>,
    ids: BTreeMap<SeriesKey, u32>,
}

/// A store, and what a person should know about how it was opened.
#[derive(Debug)]
pub struct Opened {
    pub store: Store,
    pub notice: Option<String>,
}

/// Merges what was learnt of structure into the rows of its week.
fn add_structure(tree: &sled::Tree, batch: &mut sled::Batch, learnt: &Learnt) -> Result<(), StoreError> {
    // One commit rarely spans a week's end; what does is put where it begins.
    let Some(week) = learnt.slices.keys().map(|(_, hour)| week_of(*hour)).min() else { return Ok(()) };
    for (key, structure) in &learnt.structure.keys {
        let mut name = week_row(b'n', week);
        name.extend_from_slice(&record::write_key(key));
        let mut merged: KeyStructure = tree
            .get(&name)
            .map_err(reading)?
            .and_then(|value| record::open(&value).and_then(|payload| serde_json::from_slice(payload).ok()))
            .unwrap_or_default();
        merged.merge(structure);
        batch.insert(name, record::seal(&serde_json::to_vec(&merged).map_err(writing)?));
    }
    if !learnt.structure.spreads.is_empty() {
        let name = week_row(b'v', week);
        let before: Vec<((Subject, Facet), Spread)> = tree
            .get(&name)
            .map_err(reading)?
            .and_then(|value| record::open(&value).and_then(|payload| serde_json::from_slice(payload).ok()))
            .unwrap_or_default();
        let mut merged = Structure { spreads: before.into_iter().collect(), ..Structure::default() };
        merged.merge(&Structure { spreads: learnt.structure.spreads.clone(), ..Structure::default() });
        let pairs: Vec<_> = merged.spreads.into_iter().collect();
        batch.insert(name, record::seal(&serde_json::to_vec(&pairs).map_err(writing)?));
    }
    Ok(())
}

/// Why files did not open: somebody else has them, or they are damaged.
fn refused(dir: &Path, why: String) -> StoreError {
    if !is_locked(&why) {
        return StoreError::Unusable { dir: dir.to_path_buf(), why };
    }
    let owner = owner::read(dir).unwrap_or_else(|| "it did not say who it is".to_owned());
    StoreError::Owned { dir: dir.to_path_buf(), owner }
}

fn reading(error: impl std::fmt::Display) -> StoreError {
    StoreError::Read(error.to_string())
}

fn writing(error: impl std::fmt::Display) -> StoreError {
    StoreError::Write(error.to_string())
}

impl Store {
    /// Opens or makes the store in `dir`. One that cannot be read is set aside, never deleted, and a new one is made.
    ///
    /// # Errors
    /// [`StoreError::Owned`] if another process has it, [`StoreError::Unusable`] if the directory cannot be used.
    pub fn open(dir: &Path, now: DateTime<Utc>) -> Result<Opened, StoreError> {
        let unusable = |why: String| StoreError::Unusable { dir: dir.to_path_buf(), why };
        make_private(dir).map_err(|error| unusable(error.to_string()))?;
        let path = dir.join("sled");
        let (trees, notice) = match open_guarded(&path) {
            Ok(trees) => (trees, None),
            Err(why) if is_locked(&why) => return Err(refused(dir, why)),
            Err(why) => {
                let aside = dir.join(format!("sled.unreadable-{}", now.format("%Y%m%dT%H%M%S")));
                std::fs::rename(&path, &aside)
                    .map_err(|error| unusable(format!("{why}; setting it aside: {error}")))?;
                let trees = open_guarded(&path).map_err(unusable)?;
                let notice = format!(
                    "the store could not be read ({why}); it was set aside as {} and baselines are learnt anew",
                    aside.display()
                );
                (trees, Some(notice))
            }
        };
        let ids = read_ids(&trees)?;
        owner::note(dir, now);
        let inner = Inner { trees: Some(trees), ids };
        Ok(Opened { store: Self { dir: dir.to_path_buf(), inner: Arc::new(Mutex::new(inner)) }, notice })
    }

    /// Opens the store in `dir` for a look at what is kept. One that is not there is not made, and one that cannot be read
    /// stays where it is.
    ///
    /// # Errors
    /// [`StoreError::Absent`] if there is none, [`StoreError::Owned`] if another process has it,
    /// [`StoreError::Unusable`] if it cannot be read.
    pub fn open_to_read(dir: &Path, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let path = dir.join("sled");
        if !path.is_dir() {
            return Err(StoreError::Absent { dir: dir.to_path_buf() });
        }
        let trees = open_guarded(&path).map_err(|why| refused(dir, why))?;
        let ids = read_ids(&trees)?;
        owner::note(dir, now);
        let inner = Inner { trees: Some(trees), ids };
        Ok(Self { dir: dir.to_path_buf(), inner: Arc::new(Mutex::new(inner)) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What earlier runs had learnt.
    ///
    /// # Errors
    /// When sled cannot read; damaged records are left out.
    pub fn ledger(&self) -> Result<Ledger, StoreError> {
        let inner = self.lock();
        let learnt = &inner.trees()?.learnt;
        let read = |name: &[u8]| learnt.get(name).map_err(reading);
        let (known, samples) =
            read(b"w")?.and_then(|value| record::open(&value).and_then(record::read_windows)).unwrap_or_default();
        let excluded =
            read(b"x")?.and_then(|value| record::open(&value).and_then(record::read_windows)).unwrap_or_default().0;
        let settled =
            read(b"t")?.and_then(|value| record::open(&value).and_then(record::read_settled)).unwrap_or_default();
        Ok(Ledger {
            known,
            excluded,
            settled,
            samples,
            keys: inner.ids.keys().filter(|series| series.is_first()).map(|series| series.key.clone()).collect(),
        })
    }

    /// Writes what was learnt: all of it or nothing.
    ///
    /// # Errors
    /// When sled cannot read or write; then nothing was written.
    pub fn learn(&self, learnt: &Learnt, whole_days: bool) -> Result<(), StoreError> {
        let mut ledger = self.ledger()?;
        let mut inner = self.lock();
        let mut batch = sled::Batch::default();
        let mut rows: BTreeMap<(u32, i32, u8), DayRow> = BTreeMap::new();
        for ((key, hour), slice) in &learnt.slices {
            let id = inner.id(key, &mut batch);
            let place = if whole_days { WHOLE_DAY } else { hour.hour_of_day() };
            rows.entry((id, hour.day(), place)).or_default().merge(hour.hour_of_day(), slice);
            if key.is_duration() {
                ledger.samples += slice.durations.count();
            }
        }
        let tree = &inner.trees()?.learnt;
        let mut payload = Vec::new();
        for ((id, day, hour), mut row) in rows {
            let name = slice_row(id, day, hour);
            if let Some(value) = tree.get(&name).map_err(reading)?
                && let Some(before) = record::open(&value).and_then(DayRow::decode)
            {
                for (hour, slice) in before.iter() {
                    row.merge(hour, slice);
                }
            }
            payload.clear();
            row.encode(&mut payload);
            batch.insert(name, record::seal(&payload));
        }
        add_structure(tree, &mut batch, learnt)?;
        for window in &learnt.windows {
            unite(&mut ledger.known, *window);
        }
        batch.insert(b"w", record::seal(&record::write_windows(&ledger.known, ledger.samples)));
        if !learnt.excluded.is_empty() {
            for window in &learnt.excluded {
                unite(&mut ledger.excluded, *window);
            }
            batch.insert(b"x", record::seal(&record::write_windows(&ledger.excluded, 0)));
        }
        if let Some(settled) = &learnt.settled {
            batch.insert(b"t", record::seal(&record::write_settled(settled)));
        }
        tree.apply_batch(batch).map_err(writing)?;
        tree.flush().map_err(writing)?;
        Ok(())
    }

    /// Series that have samples, with the number of each.
    #[must_use]
    pub fn series(&self) -> Vec<(u32, SeriesKey)> {
        self.lock().ids.iter().map(|(key, id)| (*id, key.clone())).collect()
    }

    /// Gives all slices of a key to `builder`. Returns how many rows were damaged and left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn read_slices(&self, id: u32, builder: &mut KeyBuilder) -> Result<u32, StoreError> {
        let inner = self.lock();
        let mut damaged = 0;
        for row in inner.trees()?.learnt.scan_prefix(slice_prefix(id)) {
            let (key, value) = row.map_err(reading)?;
            let whole = day_and_hour(&key)
                .zip(record::open(&value))
                .is_some_and(|((day, _), payload)| builder.add_row(day, payload));
            damaged += u32::from(!whole);
        }
        Ok(damaged)
    }

    /// Everything learnt of structure in the weeks that are kept.
    ///
    /// # Errors
    /// When sled cannot read; damaged records are left out.
    pub fn structure(&self) -> Result<Structure, StoreError> {
        let inner = self.lock();
        let learnt = &inner.trees()?.learnt;
        let mut structure = Structure::default();
        for row in learnt.scan_prefix(b"n") {
            let (name, value) = row.map_err(reading)?;
            let key = name.get(5..).and_then(record::read_key);
            let read = record::open(&value).and_then(|payload| serde_json::from_slice::<KeyStructure>(payload).ok());
            if let (Some(key), Some(read)) = (key, read) {
                structure.keys.entry(key).or_default().merge(&read);
            }
        }
        for row in learnt.scan_prefix(b"v") {
            let (_, value) = row.map_err(reading)?;
            let pairs: Vec<((Subject, Facet), Spread)> =
                record::open(&value).and_then(|payload| serde_json::from_slice(payload).ok()).unwrap_or_default();
            structure.merge(&Structure { spreads: pairs.into_iter().collect(), ..Structure::default() });
        }
        Ok(structure)
    }

    /// All samples of a series at one level of hours.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn distribution(
        &self,
        series: &SeriesKey,
        level: Level,
        bucket: HourOfWeek,
        builder: &mut KeyBuilder,
    ) -> Result<Sketch, StoreError> {
        let Some(id) = self.lock().ids.get(series).copied() else {
            return Ok(Sketch::default());
        };
        self.read_slices(id, builder)?;
        let sketch = builder.distribution(level, bucket);
        builder.clear();
        Ok(sketch)
    }

    /// Keeps this generation as the one in use, and the one before it.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn save_generation(&self, generation: &Generation) -> Result<(), StoreError> {
        // Retention took samples away since they were last counted.
        let ledger = self.ledger()?;
        let mut inner = self.lock();
        let mut batch = sled::Batch::default();
        let mut new_ids = sled::Batch::default();
        new_ids.insert(b"w", record::seal(&record::write_windows(&ledger.known, generation.samples())));
        let generations = &inner.trees()?.generations;
        let former = current_generation(generations)?.map(u64::to_be_bytes);
        for row in generations.iter() {
            let (name, _) = row.map_err(reading)?;
            let kept = former.is_some_and(|former| name.starts_with(&former));
            if !kept {
                batch.remove(name);
            }
        }
        let number = generation.number.to_be_bytes();
        batch.insert(&number, record::seal(&record::write_generation_head(generation)));
        for (key, baseline) in &generation.series {
            let id = inner.id(key, &mut new_ids);
            let name = [number.as_slice(), &id.to_be_bytes()].concat();
            batch.insert(name, record::seal(&record::write_baseline(baseline)));
        }
        let trees = inner.trees()?;
        trees.learnt.apply_batch(new_ids).map_err(writing)?;
        batch.insert(CURRENT, record::seal(&number));
        trees.generations.apply_batch(batch).map_err(writing)?;
        trees.generations.flush().map_err(writing)?;
        Ok(())
    }

    /// The generation in use; the empty one, number 0, if there is none or it is damaged.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn generation(&self) -> Result<Generation, StoreError> {
        let inner = self.lock();
        let current = current_generation(&inner.trees()?.generations)?;
        Ok(current.map(|number| inner.generation(number)).transpose()?.flatten().unwrap_or_default())
    }

    /// The generation that was in use before the one that is; `None` if there is none or it is damaged.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn former_generation(&self) -> Result<Option<Generation>, StoreError> {
        let inner = self.lock();
        let generations = &inner.trees()?.generations;
        let current = current_generation(generations)?;
        let former = generation_numbers(generations)?.into_iter().rev().find(|number| Some(*number) != current);
        Ok(former.map(|number| inner.generation(number)).transpose()?.flatten())
    }

    /// The number given out last; 0 before the first.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn newest_generation(&self) -> Result<u64, StoreError> {
        Ok(generation_numbers(&self.lock().trees()?.generations)?.last().copied().unwrap_or(0))
    }

    /// Makes a kept generation the one in use. No baseline is written: what was kept is used as it is.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn use_generation(&self, number: u64) -> Result<(), StoreError> {
        let inner = self.lock();
        let generations = &inner.trees()?.generations;
        generations.insert(CURRENT, record::seal(&number.to_be_bytes())).map_err(writing)?;
        generations.flush().map_err(writing)?;
        Ok(())
    }

    /// Makes everything written so far survive a crash.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.lock().trees()?.db.flush().map_err(writing)?;
        Ok(())
    }

    /// Closes and opens the files: the only way to make sled give back the memory that a large scan took.
    ///
    /// # Errors
    /// When it cannot be opened again; every later call fails too.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(trees) = inner.trees.take() {
            trees.db.flush().map_err(writing)?;
        }
        let trees =
            open_guarded(&self.dir.join("sled")).map_err(|why| StoreError::Unusable { dir: self.dir.clone(), why })?;
        inner.trees = Some(trees);
        Ok(())
    }

    /// Takes the owner's note back; the files are freed when the last clone is dropped.
    pub fn release(&self) {
        owner::clear(&self.dir);
    }

    /// Bytes on disk.
    #[must_use]
    pub fn size_on_disk(&self) -> u64 {
        self.lock().trees.as_ref().and_then(|trees| trees.db.size_on_disk().ok()).unwrap_or(0)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(trees) = &self.trees {
            let _ = trees.db.flush();
        }
    }
}

impl Inner {
    fn trees(&self) -> Result<&Trees, StoreError> {
        self.trees.as_ref().ok_or_else(|| StoreError::Read("it was closed and could not be opened again".to_owned()))
    }

    /// A generation that is kept; `None` if there is none of this number or it is damaged.
    fn generation(&self, number: u64) -> Result<Option<Generation>, StoreError> {
        let generations = &self.trees()?.generations;
        let name = number.to_be_bytes();
        let head = generations.get(name).map_err(reading)?;
        let head = head.and_then(|value| record::open(&value).and_then(record::read_generation_head));
        let Some(mut generation) = head else { return Ok(None) };
        let names: BTreeMap<u32, &SeriesKey> = self.ids.iter().map(|(key, id)| (*id, key)).collect();
        for row in generations.scan_prefix(name) {
            let (name, value) = row.map_err(reading)?;
            let Some(id) = name.get(8..).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes) else { continue };
            if let (Some(key), Some(baseline)) = (names.get(&id), record::open(&value).and_then(record::read_baseline))
            {
                generation.series.insert((*key).clone(), baseline);
            }
        }
        Ok(Some(generation))
    }

    /// The number of a key; a new one is written with the batch.
    fn id(&mut self, key: &SeriesKey, batch: &mut sled::Batch) -> u32 {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let id = self.ids.values().max().map_or(0, |max| max + 1);
        batch.insert(&key_row(id), record::seal(&record::write_series(key)));
        self.ids.insert(key.clone(), id);
        id
    }
}

/// The generations that are kept, in ascending order.
fn generation_numbers(generations: &sled::Tree) -> Result<Vec<u64>, StoreError> {
    let mut numbers = Vec::new();
    for row in generations.iter() {
        let (name, _) = row.map_err(reading)?;
        numbers.extend(<[u8; 8]>::try_from(name.as_ref()).ok().map(u64::from_be_bytes));
    }
    Ok(numbers)
}

/// The generation in use: the one noted, or without a readable note the newest.
fn current_generation(generations: &sled::Tree) -> Result<Option<u64>, StoreError> {
    let noted = generations.get(CURRENT).map_err(reading)?;
    let noted = noted.and_then(|value| record::open(&value)?.try_into().ok().map(u64::from_be_bytes));
    let numbers = generation_numbers(generations)?;
    Ok(noted.filter(|number| numbers.contains(number)).or(numbers.last().copied()))
}

fn read_ids(trees: &Trees) -> Result<BTreeMap<SeriesKey, u32>, StoreError> {
    let mut ids = BTreeMap::new();
    for row in trees.learnt.scan_prefix(b"k") {
        let (name, value) = row.map_err(reading)?;
        let id = name.get(1..).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
        if let (Some(id), Some(key)) = (id, record::open(&value).and_then(record::read_series)) {
            ids.insert(key, id);
        }
    }
    Ok(ids)
}
