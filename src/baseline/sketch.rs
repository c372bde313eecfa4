//! A log-linear histogram of durations with exact moments: what is kept instead of samples.

use crate::domain::{Bins, Micros, bin_of};

/// Sub-buckets per octave as a power of two. With 2⁵ = 32 of them a bucket is at most 1/32 = 3.125 % wide, and below
/// 2⁵ µs each microsecond has a bucket of its own.
const PRECISION: u32 = 5;
const PER_OCTAVE: u64 = 1 << PRECISION;

/// Distribution of one measure. Merging is adding: associative, commutative and bit-equal in any order, because every
/// part of it is an integer.
///
/// Bucket counts stand in a dense run from the first used bucket to the last: durations of one operation cluster, so the
/// run is short, and inserting is one addition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sketch {
    n: u64,
    sum: u128,
    sum_of_squares: u128,
    min: u64,
    max: u64,
    first: u16,
    counts: Vec<u32>,
}

/// How far the run of counts was read: the bucket at `index`, with `before` samples in those before it.
#[derive(Debug, Clone, Default)]
struct Walk {
    index: usize,
    before: u64,
}

/// The bucket of a value: the position of its leading bit and the five bits after it.
const fn bucket_of(us: u64) -> u16 {
    if us < PER_OCTAVE {
        return us as u16;
    }
    let octave = 63 - us.leading_zeros();
    let within = (us >> (octave - PRECISION)) - PER_OCTAVE;
    ((octave - PRECISION + 1) as u64 * PER_OCTAVE + within) as u16
}

/// Smallest value of a bucket. The inverse of [`bucket_of`].
const fn lower_edge(bucket: u16) -> u64 {
    let bucket = bucket as u64;
    if bucket < PER_OCTAVE {
        return bucket;
    }
    let octave = bucket / PER_OCTAVE - 1;
    let within = bucket % PER_OCTAVE;
    // The edge after the last bucket would be 2⁶⁴.
    let edge = ((PER_OCTAVE + within) as u128) << octave;
    if edge > u64::MAX as u128 { u64::MAX } else { edge as u64 }
}

impl Sketch {
    pub fn insert(&mut self, value: Micros) {
        let us = value.0;
        let bucket = bucket_of(us);
        self.reach(bucket, bucket);
        let index = usize::from(bucket - self.first);
        if let Some(count) = self.counts.get_mut(index) {
            *count = count.saturating_add(1);
        }
        self.min = if self.n == 0 { us } else { self.min.min(us) };
        self.max = self.max.max(us);
        self.n += 1;
        self.sum = self.sum.saturating_add(u128::from(us));
        self.sum_of_squares = self.sum_of_squares.saturating_add(u128::from(us) * u128::from(us));
    }

    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        self.reach(other.first, other.first + (other.counts.len() - 1) as u16);
        let shift = usize::from(other.first - self.first);
        for (count, more) in self.counts.iter_mut().skip(shift).zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.min = if self.n == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.n += other.n;
        self.sum = self.sum.saturating_add(other.sum);
        self.sum_of_squares = self.sum_of_squares.saturating_add(other.sum_of_squares);
    }

    /// Makes the run of counts cover both buckets.
    fn reach(&mut self, low: u16, high: u16) {
        if self.counts.is_empty() {
            self.first = low;
            self.counts.resize(usize::from(high - low) + 1, 0);
            return;
        }
        if low < self.first {
            let missing = usize::from(self.first - low);
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = low;
        }
        let needed = usize::from(high - self.first) + 1;
        if self.counts.len() < needed {
            self.counts.resize(needed, 0);
        }
    }

    #[must_use]
    pub const fn count(&self) -> u64 {
        self.n
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    #[must_use]
    pub const fn min(&self) -> Micros {
        Micros(self.min)
    }

    #[must_use]
    pub const fn max(&self) -> Micros {
        Micros(self.max)
    }

    /// Arithmetic mean in microseconds; 0 when empty.
    #[must_use]
    pub fn mean_us(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.sum as f64 / self.n as f64 }
    }

    /// Standard deviation of the population in microseconds, from the exact integer sums: √(n·Σx² − (Σx)²) / n.
    #[must_use]
    pub fn sigma_us(&self) -> f64 {
        if self.n == 0 {
            return 0.0;
        }
        let n = u128::from(self.n);
        match (n.checked_mul(self.sum_of_squares), self.sum.checked_mul(self.sum)) {
            (Some(squares), Some(square)) => (squares.saturating_sub(square) as f64).sqrt() / self.n as f64,
            // Only beyond 10¹⁹ microseconds in sum; there floating point is as good as it gets.
            _ => {
                let mean = self.mean_us();
                (self.sum_of_squares as f64 / self.n as f64 - mean * mean).max(0.0).sqrt()
            }
        }
    }

    /// The q-quantile (0 ≤ q ≤ 1) in microseconds, at most 3.2 % off; `None` when empty.
    ///
    /// Interpolates between neighbouring order statistics (Hyndman and Fan's type 7: rank q·(n−1)); ranks 0 and n−1 are
    /// the exact minimum and maximum, and the values of a bucket are taken as evenly spread over it.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.n == 0 {
            return None;
        }
        Some(self.next_quantile(q, &mut Walk::default()))
    }

    /// [`Sketch::quantile`] of each of an ascending list, in one pass over the run of counts; `None` when empty.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, ascending: [f64; N]) -> Option<[f64; N]> {
        if self.n == 0 {
            return None;
        }
        let mut walk = Walk::default();
        Some(ascending.map(|q| self.next_quantile(q, &mut walk)))
    }

    /// A quantile not below the one that the walk was last used for.
    fn next_quantile(&self, q: f64, walk: &mut Walk) -> f64 {
        let rank = q.clamp(0.0, 1.0) * (self.n - 1) as f64;
        let below = rank.floor();
        let low = self.order_statistic(below as u64, walk);
        let part = rank - below;
        if part == 0.0 {
            return low;
        }
        // The next quantile may lie between the same two neighbours: look ahead without going there.
        let high = self.order_statistic(below as u64 + 1, &mut walk.clone());
        low + (high - low) * part
    }

    fn order_statistic(&self, rank: u64, walk: &mut Walk) -> f64 {
        if rank == 0 {
            return self.min as f64;
        }
        if rank + 1 >= self.n {
            return self.max as f64;
        }
        for count in self.counts.iter().skip(walk.index) {
            let count = u64::from(*count);
            if rank < walk.before + count {
                let bucket = self.first + walk.index as u16;
                let low = lower_edge(bucket) as f64;
                let width = lower_edge(bucket + 1) as f64 - low;
                // A bucket of one microsecond holds only that value.
                let value =
                    if width <= 1.0 { low } else { low + width * ((rank - walk.before) as f64 + 0.5) / count as f64 };
                return value.clamp(self.min as f64, self.max as f64);
            }
            walk.before += count;
            walk.index += 1;
        }
        self.max as f64
    }

    /// The first bucket edge above a value: counts at an edge are exact.
    #[must_use]
    pub fn edge_above(&self, us: f64) -> u64 {
        let bucket = bucket_of(us.max(0.0) as u64);
        lower_edge(bucket.saturating_add(1))
    }

    /// How many samples are at or above an edge given by [`Sketch::edge_above`].
    #[must_use]
    pub fn count_from(&self, edge_us: f64) -> u64 {
        let bucket = bucket_of(edge_us.max(0.0) as u64);
        let from = bucket + u16::from((lower_edge(bucket) as f64) < edge_us);
        self.counts.iter().skip(usize::from(from.saturating_sub(self.first))).map(|count| u64::from(*count)).sum()
    }

    /// The counts alone, in wider bins: the edges of those are edges here too.
    #[must_use]
    pub fn bins(&self) -> Bins {
        let mut bins = Bins::default();
        for (bucket, count) in (self.first..).zip(&self.counts) {
            bins.add(bin_of(lower_edge(bucket)), u64::from(*count));
        }
        bins
    }

    /// Share of samples in each of the bins between neighbouring `edges_us` (ascending); samples outside are left out.
    #[must_use]
    pub fn shares(&self, edges_us: &[u64]) -> Vec<f32> {
        let mut bins = vec![0u64; edges_us.len().saturating_sub(1)];
        for (index, count) in self.counts.iter().enumerate() {
            let bucket = self.first + index as u16;
            let middle = lower_edge(bucket).midpoint(lower_edge(bucket + 1).saturating_sub(1));
            let bin = edges_us.partition_point(|edge| *edge <= middle);
            if let Some(slot) = bin.checked_sub(1).and_then(|bin| bins.get_mut(bin)) {
                *slot += u64::from(*count);
            }
        }
        bins.iter().map(|count| (*count as f64 / self.n.max(1) as f64) as f32).collect()
    }

    /// Forgets the samples and keeps the memory.
    pub fn clear(&mut self) {
        let mut counts = std::mem::take(&mut self.counts);
        counts.clear();
        *self = Self { counts, ..Self::default() };
    }

    /// The compact form kept on disk: variable-length integers, runs of empty buckets folded.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, u128::from(self.n));
        if self.n == 0 {
            return;
        }
        put(out, self.sum);
        put(out, self.sum_of_squares);
        put(out, u128::from(self.min));
        put(out, u128::from(self.max));
        put(out, u128::from(self.first));
        put(out, self.counts.len() as u128);
        let mut counts = self.counts.iter().peekable();
        while let Some(count) = counts.next() {
            put(out, u128::from(*count));
            if *count == 0 {
                let mut more = 0u128;
                while counts.next_if(|next| **next == 0).is_some() {
                    more += 1;
                }
                put(out, more);
            }
        }
    }

    /// Reads what [`Sketch::encode`] wrote and moves `bytes` behind it. `None` if it is not that.
    #[must_use]
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut sketch = Self::default();
        sketch.merge_encoded(bytes).then_some(sketch)
    }

    /// Merges an encoded sketch without building it first. False, with nothing merged, if the bytes are not one.
    pub fn merge_encoded(&mut self, bytes: &mut &[u8]) -> bool {
        self.try_merge_encoded(bytes).is_some()
    }

    fn try_merge_encoded(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let n = small(bytes)?;
        if n == 0 {
            return Some(());
        }
        let sum = wide(bytes)?;
        let sum_of_squares = wide(bytes)?;
        let min = small(bytes)?;
        let max = small(bytes)?;
        let first = u16::try_from(small(bytes)?).ok()?;
        let length = u16::try_from(small(bytes)?).ok()?;
        let last = first.checked_add(length.checked_sub(1)?)?;
        if last > bucket_of(u64::MAX) || min > max {
            return None;
        }
        self.reach(first, last);
        let mut index = usize::from(first - self.first);
        let end = index + usize::from(length);
        while index < end {
            let count = small(bytes)?;
            if count == 0 {
                index += 1 + usize::try_from(small(bytes)?).ok()?;
            } else {
                let slot = self.counts.get_mut(index)?;
                *slot = slot.saturating_add(u32::try_from(count).ok()?);
                index += 1;
            }
        }
        self.min = if self.n == 0 { min } else { self.min.min(min) };
        self.max = self.max.max(max);
        self.n = self.n.saturating_add(n);
        self.sum = self.sum.saturating_add(sum);
        self.sum_of_squares = self.sum_of_squares.saturating_add(sum_of_squares);
        Some(())
    }
}

/// LEB128, as in DWARF and protocol buffers.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The common, short case first: most counts are below 128.
#[inline]
pub(crate) fn small(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        *bytes = rest;
        return Some(u64::from(*first));
    }
    u64::try_from(wide(bytes)?).ok()
}

fn wide(bytes: &mut &[u8]) -> Option<u128> {
    let mut value = 0u128;
    for shift in (0..128).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u128::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        for value in values {
            sketch.insert(Micros(*value));
        }
        sketch
    }

    fn exact(values: &[u64], q: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = q * (sorted.len() - 1) as f64;
        let low = sorted[rank.floor() as usize] as f64;
        let high = sorted[rank.ceil() as usize] as f64;
        low + (high - low) * rank.fract()
    }

    #[test]
    fn every_bucket_begins_at_its_lower_edge_and_is_at_most_a_32nd_wide() {
        for bucket in 0..=bucket_of(u64::MAX) {
            let edge = lower_edge(bucket);
            assert_eq!(bucket_of(edge), bucket);
            if bucket > 0 {
                assert_eq!(bucket_of(edge - 1), bucket - 1);
            }
            let width = lower_edge(bucket + 1) - edge;
            assert!(width == 1 || width as f64 / edge as f64 <= 1.0 / 32.0, "bucket {bucket}");
        }
    }

    #[test]
    fn moments_are_exact() {
        let sketch = sketch(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!((sketch.mean_us(), sketch.sigma_us()), (5.0, 2.0));
        assert_eq!((sketch.min(), sketch.max()), (Micros(2), Micros(9)));
    }

    #[test]
    fn an_empty_sketch_has_no_quantile() {
        assert_eq!(Sketch::default().quantile(0.5), None);
        assert_eq!(Sketch::default().sigma_us(), 0.0);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_bound(
            values in prop::collection::vec(0u64..3_600_000_000, 1..400),
            q in 0.0f64..=1.0,
        ) {
            let truth = exact(&values, q);
            let told = sketch(&values).quantile(q).unwrap();
            prop_assert!((told - truth).abs() <= truth * 0.032 + 1e-9, "{told} for {truth}");
        }

        #[test]
        fn one_pass_gives_the_same_quantiles(
            values in prop::collection::vec(prop_oneof![0u64..40, 0u64..3_600_000_000, any::<u64>()], 1..200),
            mut asked in prop::array::uniform8(0.0f64..=1.0),
        ) {
            asked.sort_by(f64::total_cmp);
            let sketch = sketch(&values);
            prop_assert_eq!(sketch.quantiles(asked), Some(asked.map(|q| sketch.quantile(q).unwrap())));
            prop_assert_eq!(sketch.quantiles([0.0, 0.5, 0.5, 1.0]).map(|q| q[1] == q[2]), Some(true));
        }

        #[test]
        fn counts_from_an_edge_are_exact(
            values in prop::collection::vec(prop_oneof![0u64..40, 0u64..3_600_000_000, any::<u64>()], 0..200),
            from in prop_oneof![0u64..40, 0u64..3_600_000_000, any::<u64>()],
        ) {
            let sketch = sketch(&values);
            let edge = sketch.edge_above(from as f64);
            let above = values.iter().filter(|value| **value >= edge && edge < u64::MAX).count() as u64;
            prop_assert_eq!(sketch.count_from(edge as f64), above);
            prop_assert_eq!(sketch.count_from(f64::INFINITY), 0);
            prop_assert_eq!(sketch.count_from(0.0), values.len() as u64);
        }

        #[test]
        fn merging_in_any_order_is_bit_equal_to_inserting_all(
            a in prop::collection::vec(any::<u64>(), 0..50),
            b in prop::collection::vec(0u64..100_000, 0..50),
        ) {
            let all = sketch(&[a.clone(), b.clone()].concat());
            let mut ab = sketch(&a);
            ab.merge(&sketch(&b));
            let mut ba = sketch(&b);
            ba.merge(&sketch(&a));
            prop_assert_eq!(&ab, &all);
            prop_assert_eq!(&ba, &all);
        }

        #[test]
        fn encoding_loses_nothing_and_merges_in_place(
            a in prop::collection::vec(any::<u64>(), 0..50),
            b in prop::collection::vec(0u64..100_000, 0..50),
        ) {
            let mut bytes = Vec::new();
            sketch(&a).encode(&mut bytes);
            sketch(&b).encode(&mut bytes);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(Sketch::decode(&mut rest), Some(sketch(&a)));
            let mut merged = sketch(&a);
            prop_assert!(merged.merge_encoded(&mut rest));
            prop_assert!(rest.is_empty());
            prop_assert_eq!(merged, sketch(&[a, b].concat()));
        }

        #[test]
        fn wider_bins_count_every_sample_where_it_belongs(values in prop::collection::vec(any::<u64>(), 0..60)) {
            let mut bins = Bins::default();
            values.iter().for_each(|us| bins.add(bin_of(*us), 1));
            prop_assert_eq!(sketch(&values).bins(), bins);
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Sketch::decode(&mut bytes.as_slice());
        }
    }
}
