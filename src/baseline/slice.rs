//! What is kept of one span key in one UTC hour, and how a row of such slices is written.

use crate::domain::{Bins, Micros};

use super::sketch::{Sketch, put, small};

/// One key, one UTC hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slice {
    pub durations: Sketch,
    /// Spans that said they failed; their durations are in the sketch like any other.
    pub errors: u64,
}

impl Slice {
    pub fn insert(&mut self, duration: Micros, error: bool) {
        self.durations.insert(duration);
        self.errors += u64::from(error);
    }

    pub fn merge(&mut self, other: &Self) {
        self.durations.merge(&other.durations);
        self.errors += other.errors;
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put(out, u128::from(self.errors));
        self.durations.encode(out);
    }

    /// Merges an encoded slice in place; false if the bytes are not one.
    fn merge_encoded(&mut self, bytes: &mut &[u8]) -> bool {
        let Some(errors) = small(bytes) else { return false };
        self.errors = self.errors.saturating_add(errors);
        self.durations.merge_encoded(bytes)
    }
}

/// What is left of a slice where only its picture counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pub durations: Bins,
    pub errors: u64,
}

impl Counts {
    pub fn merge(&mut self, other: &Self) {
        self.durations.merge(&other.durations);
        self.errors += other.errors;
    }
}

impl From<&Slice> for Counts {
    fn from(slice: &Slice) -> Self {
        Self { durations: slice.durations.bins(), errors: slice.errors }
    }
}

/// Slices of one key within one UTC day, by hour of day: a row of the store, at most 24 of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayRow(Vec<(u8, Slice)>);

impl DayRow {
    pub fn merge(&mut self, hour: u8, slice: &Slice) {
        match self.0.binary_search_by_key(&hour, |(h, _)| *h) {
            Ok(at) => {
                if let Some((_, there)) = self.0.get_mut(at) {
                    there.merge(slice);
                }
            }
            Err(at) => self.0.insert(at, (hour, slice.clone())),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u8, &Slice)> {
        self.0.iter().map(|(hour, slice)| (*hour, slice))
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        for (hour, slice) in &self.0 {
            out.push(*hour);
            slice.encode(out);
        }
    }

    /// `None` if the bytes are not a row.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut row = Self::default();
        each_slice(bytes, |hour, bytes| {
            let mut slice = Slice::default();
            let read = slice.merge_encoded(bytes);
            row.merge(hour, &slice);
            read
        })
        .then_some(row)
    }
}

/// Merges every slice of an encoded row into `slices[place(hour of day)]`, without decoding it first: this is what a
/// recalculation spends its time on. False if the bytes are not a row.
pub fn merge_row(bytes: &[u8], slices: &mut [Slice], mut place: impl FnMut(u8) -> usize) -> bool {
    each_slice(bytes, |hour, bytes| slices.get_mut(place(hour)).is_some_and(|slice| slice.merge_encoded(bytes)))
}

fn each_slice(mut bytes: &[u8], mut read: impl FnMut(u8, &mut &[u8]) -> bool) -> bool {
    while let Some((hour, rest)) = bytes.split_first() {
        bytes = rest;
        if *hour > 23 || !read(*hour, &mut bytes) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(durations: &[u64]) -> Slice {
        let mut slice = Slice::default();
        for us in durations {
            slice.insert(Micros(*us), us % 2 == 1);
        }
        slice
    }

    #[test]
    fn a_row_comes_back_as_it_was_and_merges_in_place() {
        let mut row = DayRow::default();
        row.merge(7, &slice(&[10, 11]));
        row.merge(3, &slice(&[500]));
        row.merge(7, &slice(&[13]));
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert_eq!(DayRow::decode(&bytes), Some(row));

        let mut merged = [slice(&[1]), slice(&[])];
        assert!(merge_row(&bytes, &mut merged, |hour| usize::from(hour != 7)));
        assert_eq!(merged, [slice(&[1, 10, 11, 13]), slice(&[500])]);
    }

    #[test]
    fn a_damaged_row_is_refused() {
        let mut row = DayRow::default();
        row.merge(7, &slice(&[10, 4_000]));
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        bytes.pop();
        assert_eq!(DayRow::decode(&bytes), None);
        assert_eq!(DayRow::decode(&[24, 0, 0]), None, "there is no hour 24");
    }
}
