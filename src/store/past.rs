//! What is kept of one series by time, for people to look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{DayRow, KeyBaseline, SeriesKey, Slice};
use crate::domain::UtcHour;

use super::rows::{day_and_hour, slice_prefix};
use super::{Store, StoreError, current_generation, generation_numbers, reading, record};

impl Store {
    /// The slices of a series; damaged rows are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn slices(&self, series: &SeriesKey) -> Result<BTreeMap<UtcHour, Slice>, StoreError> {
        let inner = self.lock();
        let mut slices: BTreeMap<UtcHour, Slice> = BTreeMap::new();
        let Some(id) = inner.ids.get(series) else { return Ok(slices) };
        for row in inner.trees()?.learnt.scan_prefix(slice_prefix(*id)) {
            let (name, value) = row.map_err(reading)?;
            let read = day_and_hour(&name).zip(record::open(&value).and_then(DayRow::decode));
            for ((day, _), (hour, slice)) in
                read.iter().flat_map(|(name, row)| row.iter().map(move |hour| (*name, hour)))
            {
                let hour = UtcHour(day.saturating_mul(24).saturating_add(i32::from(hour)));
                slices.entry(hour).or_default().merge(slice);
            }
        }
        Ok(slices)
    }

    /// What the generation that was in use before the one that is says of a series, with its number; `None` if there is no
    /// such generation, or it does not know the series.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn former_baseline(&self, series: &SeriesKey) -> Result<Option<(u64, Arc<KeyBaseline>)>, StoreError> {
        let inner = self.lock();
        let generations = &inner.trees()?.generations;
        let current = current_generation(generations)?;
        let former = generation_numbers(generations)?.into_iter().rev().find(|number| Some(*number) != current);
        let Some((number, id)) = former.zip(inner.ids.get(series)) else { return Ok(None) };
        let name = [number.to_be_bytes().as_slice(), &id.to_be_bytes()].concat();
        let value = generations.get(name).map_err(reading)?;
        Ok(value.and_then(|value| record::open(&value).and_then(record::read_baseline)).map(|read| (number, read)))
    }
}
