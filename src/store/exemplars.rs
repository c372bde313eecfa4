//! Traces kept to be compared with: of each operation at which traces begin two normal ones an hour of the week, and the
//! last abnormal ones.
//!
//! A row is named by the operation's number, `n` and the half-hour of the week, or `s`, the start and the trace. So a
//! normal trace takes the place of the one a week before, and abnormal ones go the oldest first. Its value begins with the
//! start, so that its age is known without unpacking it.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::baseline::SeriesKey;
use crate::domain::{Exemplar, ExemplarSlot, Micros, SpanKey, Timestamp};

use super::{Inner, Store, StoreError, reading, record, writing};

/// Abnormal traces of one operation that are kept.
const MOST_ABNORMAL: usize = 64;
/// A trace is at most so large when unpacked; what says otherwise is damaged.
const LARGEST: u64 = 16 << 20;
/// Normal traces that began closer to each other than this are of the same half-hour.
const HALF_HOUR: Micros = Micros::from_secs(1_800);

fn prefix(id: u32) -> [u8; 4] {
    id.to_be_bytes()
}

fn row(id: u32, slot: ExemplarSlot, exemplar: &Exemplar) -> Vec<u8> {
    let mut name = prefix(id).to_vec();
    match slot {
        ExemplarSlot::Normal(half_hour) => {
            name.push(b'n');
            name.extend_from_slice(&half_hour.to_be_bytes());
        }
        ExemplarSlot::Abnormal => {
            name.push(b's');
            name.extend_from_slice(&super::rows::from_time(exemplar.start));
            name.extend_from_slice(&exemplar.trace.0.to_be_bytes());
        }
    }
    name
}

fn pack(exemplar: &Exemplar) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(exemplar).map_err(writing)?;
    let mut packed = DeflateEncoder::new(exemplar.start.0.to_be_bytes().to_vec(), Compression::default());
    packed.write_all(&json).map_err(writing)?;
    Ok(record::seal(&packed.finish().map_err(writing)?))
}

/// When the trace in a row's value began; nothing if the value is damaged.
fn start(value: &[u8]) -> Option<Timestamp> {
    record::open(value)?.first_chunk().map(|bytes| Timestamp(i64::from_be_bytes(*bytes)))
}

fn unpack(value: &[u8]) -> Option<Exemplar> {
    let packed = record::open(value)?.get(8..)?;
    let mut json = Vec::new();
    DeflateDecoder::new(packed).take(LARGEST).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

impl Store {
    /// Keeps a trace that begins with `root`. It reaches the disk with the next flush. A normal one never takes the place
    /// of a younger one.
    ///
    /// # Errors
    /// When sled cannot read or write.
    pub fn keep_exemplar(&self, root: &SpanKey, slot: ExemplarSlot, exemplar: &Exemplar) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let mut batch = sled::Batch::default();
        let id = inner.id(&SeriesKey::duration(root.clone()), &mut batch);
        let trees = inner.trees()?;
        trees.learnt.apply_batch(batch).map_err(writing)?;
        let tree = &trees.exemplars;
        let name = row(id, slot, exemplar);
        let younger = |value: &[u8]| start(value).is_some_and(|start| start > exemplar.start + HALF_HOUR);
        if tree.get(&name).map_err(reading)?.is_some_and(|value| younger(&value)) {
            return Ok(());
        }
        tree.insert(name, pack(exemplar)?).map_err(writing)?;
        if slot == ExemplarSlot::Abnormal {
            let abnormal = [&prefix(id)[..], b"s"].concat();
            let names: Result<Vec<_>, _> = tree.scan_prefix(&abnormal).keys().collect();
            let names = names.map_err(reading)?;
            for oldest in names.iter().take(names.len().saturating_sub(MOST_ABNORMAL)) {
                tree.remove(oldest).map_err(writing)?;
            }
        }
        Ok(())
    }

    /// All kept traces that begin with `root`, in no order of time. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn exemplars(&self, root: &SpanKey) -> Result<Vec<Exemplar>, StoreError> {
        let inner = self.lock();
        let Some(id) = inner.ids.get(&SeriesKey::duration(root.clone())) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for row in inner.trees()?.exemplars.scan_prefix(prefix(*id)) {
            let (_, value) = row.map_err(reading)?;
            found.extend(unpack(&value));
        }
        Ok(found)
    }
}

impl Inner {
    /// Forgets traces that began before `oldest`, and damaged ones.
    pub(super) fn tidy_exemplars(&self, oldest: Timestamp) -> Result<(), StoreError> {
        let tree = &self.trees()?.exemplars;
        let mut batch = sled::Batch::default();
        for row in tree.iter() {
            let (name, value) = row.map_err(reading)?;
            if start(&value).is_none_or(|start| start < oldest) {
                batch.remove(name);
            }
        }
        tree.apply_batch(batch).map_err(writing)
    }
}
