//! Samples on their way into the store.

use std::collections::{BTreeMap, HashMap};

use crate::baseline::Slice;
use crate::domain::{Micros, SpanKey, Timestamp, UtcHour};

use super::keys::Keys;

/// Collects samples until they are committed.
#[derive(Debug, Default)]
pub struct Learner {
    slices: HashMap<(u32, UtcHour), Slice>,
}

impl Learner {
    pub fn learn(&mut self, key: u32, start: Timestamp, duration: Micros, error: bool) {
        self.slices.entry((key, UtcHour::of(start))).or_default().insert(duration, error);
    }

    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// Everything collected, in the order of the keys' names.
    pub fn take(&mut self, keys: &Keys) -> BTreeMap<(SpanKey, UtcHour), Slice> {
        std::mem::take(&mut self.slices)
            .into_iter()
            .filter_map(|((key, hour), slice)| Some(((keys.get(key)?.key.clone(), hour), slice)))
            .collect()
    }
}
