//! Counts of durations in bins of an eighth of an octave: what is kept and told where a whole sketch would be too large.

use serde::{Deserialize, Serialize};

use super::Micros;

/// Bins per octave as a power of two: a bin is at most 1/8 = 12.5 % wide, and below 2³ µs each microsecond has its own.
const PRECISION: u32 = 3;
const PER_OCTAVE: u64 = 1 << PRECISION;

/// Fewer calls show no groups.
const FEWEST_IN_GROUPS: u64 = 50;
/// A group holds at least this part of the calls.
const SMALLEST_GROUP: f64 = 0.1;
/// Middles of groups are at least that many quarters of an octave apart: twice as long.
const APART: usize = 4;

/// Counts by bin, in ascending order, without empty ones. Merging is adding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bins(Vec<(u16, u64)>);

/// One of two groups of calls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Of all calls, 0 to 1.
    pub share: f64,
    pub median: Micros,
}

/// The bin of a duration: the position of its leading bit and the three bits after it.
#[must_use]
pub const fn bin_of(us: u64) -> u16 {
    if us < PER_OCTAVE {
        return us as u16;
    }
    let octave = 63 - us.leading_zeros();
    let within = (us >> (octave - PRECISION)) - PER_OCTAVE;
    ((octave - PRECISION + 1) as u64 * PER_OCTAVE + within) as u16
}

/// Smallest duration of a bin, in microseconds. The inverse of [`bin_of`].
#[must_use]
pub const fn lower_edge(bin: u16) -> u64 {
    let bin = bin as u64;
    if bin < PER_OCTAVE {
        return bin;
    }
    let octave = bin / PER_OCTAVE - 1;
    let edge = ((PER_OCTAVE + bin % PER_OCTAVE) as u128) << octave;
    if edge > u64::MAX as u128 { u64::MAX } else { edge as u64 }
}

impl Bins {
    pub fn add(&mut self, bin: u16, count: u64) {
        match self.0.binary_search_by_key(&bin, |(bin, _)| *bin) {
            _ if count == 0 => {}
            Ok(at) => {
                if let Some((_, there)) = self.0.get_mut(at) {
                    *there += count;
                }
            }
            Err(at) => self.0.insert(at, (bin, count)),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (bin, count) in &other.0 {
            self.add(*bin, *count);
        }
    }

    /// Bins with their counts, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u16, u64)> {
        self.0.iter().copied()
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls of a bin are taken for evenly spread in it, so it is as wrong as the bin is wide: at most 12.5 %. `None` when
    /// empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Micros> {
        let rank = q.clamp(0.0, 1.0) * self.count().checked_sub(1)? as f64;
        let mut before = 0u64;
        for (bin, count) in self.iter() {
            if rank < (before + count) as f64 {
                let (low, high) = (lower_edge(bin), lower_edge(bin + 1));
                if high - low <= 1 {
                    return Some(Micros(low));
                }
                let part = (rank - before as f64 + 0.5) / count as f64;
                return Some(Micros(low + ((high - low) as f64 * part.min(1.0)) as u64));
            }
            before += count;
        }
        self.0.last().map(|(bin, _)| Micros(lower_edge(*bin)))
    }

    /// How many calls took longer; of the bin in which that lies a proportional part.
    #[must_use]
    pub fn above(&self, than: Micros) -> f64 {
        let of = |(bin, count): (u16, u64)| {
            let (low, high) = (lower_edge(bin) as f64, lower_edge(bin + 1) as f64);
            count as f64 * ((high - than.0 as f64) / (high - low)).clamp(0.0, 1.0)
        };
        self.iter().map(of).sum()
    }

    /// Two groups of calls, the faster first, where there clearly are two. The rule: counts are taken by quarters of an
    /// octave, each mixed with its neighbours as 1:2:1. Of the two highest peaks at least an octave apart the lower one must
    /// stand at least twice above the lowest count between them, and by three standard deviations of counts (Poisson:
    /// √(peak + valley)); each side holds at least a tenth of at least fifty calls.
    #[must_use]
    pub fn groups(&self) -> Option<[Group; 2]> {
        let n = self.count();
        let (first, last) = (self.0.first()?.0 / 2, self.0.last()?.0 / 2);
        if n < FEWEST_IN_GROUPS {
            return None;
        }
        let mut raw = vec![0.0; usize::from(last - first) + 1];
        for (bin, count) in self.iter() {
            if let Some(there) = raw.get_mut(usize::from(bin / 2 - first)) {
                *there += count as f64;
            }
        }
        let at = |place: usize| raw.get(place).copied().unwrap_or(0.0);
        let smooth: Vec<f64> = (0..raw.len())
            .map(|place| (place.checked_sub(1).map_or(0.0, at) + 2.0 * at(place) + at(place + 1)) / 4.0)
            .collect();
        let height = |place: usize| smooth.get(place).copied().unwrap_or(0.0);
        let highest = (0..smooth.len()).max_by(|a, b| height(*a).total_cmp(&height(*b)))?;
        let valley = |other: usize| {
            let between = highest.min(other)..=highest.max(other);
            between.min_by(|a, b| height(*a).total_cmp(&height(*b))).unwrap_or(highest)
        };
        let rises = (0..smooth.len()).filter(|place| place.abs_diff(highest) >= APART);
        let (peak, low) = rises
            .map(|place| (place, valley(place)))
            .max_by(|(a, low), (b, other)| (height(*a) - height(*low)).total_cmp(&(height(*b) - height(*other))))?;
        let (peak, depth) = (height(peak), height(low));
        if peak < 2.0 * depth || peak - depth < 3.0 * (peak + depth).sqrt() {
            return None;
        }
        let split = (first + low as u16) * 2;
        let mut sides = [Self::default(), Self::default()];
        let [fast, slow] = &mut sides;
        for (bin, count) in self.iter() {
            if bin < split { fast.add(bin, count) } else { slow.add(bin, count) }
        }
        let group = |side: &Self| Some(Group { share: side.count() as f64 / n as f64, median: side.quantile(0.5)? });
        let groups = [group(&sides[0])?, group(&sides[1])?];
        groups.iter().all(|group| group.share >= SMALLEST_GROUP).then_some(groups)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bins(values: impl IntoIterator<Item = u64>) -> Bins {
        let mut bins = Bins::default();
        values.into_iter().for_each(|us| bins.add(bin_of(us), 1));
        bins
    }

    #[test]
    fn every_bin_begins_at_its_lower_edge() {
        for bin in 0..bin_of(u64::MAX) {
            assert_eq!(bin_of(lower_edge(bin)), bin);
            assert_eq!(bin_of(lower_edge(bin + 1) - 1), bin);
        }
    }

    #[test]
    fn two_groups_are_told_and_one_is_not() {
        let spread = |middle: u64, n: u64| (0..n).map(move |i| middle + middle * (i % 40) / 100);
        assert_eq!(bins(spread(20_000, 400)).groups(), None, "one group");
        let [fast, slow] = bins(spread(20_000, 244).chain(spread(1_500_000, 156))).groups().unwrap();
        assert!((fast.share - 0.61).abs() < 0.01 && (slow.share - 0.39).abs() < 0.01, "{fast:?} {slow:?}");
        assert!((20_000..28_000).contains(&fast.median.0) && (1_500_000..2_100_000).contains(&slow.median.0));
        assert_eq!(bins(spread(20_000, 380).chain(spread(1_500_000, 20))).groups(), None, "a twentieth is a tail");
        assert_eq!(bins(spread(20_000, 15).chain(spread(1_500_000, 15))).groups(), None, "too few calls");
        // A long tail falls steadily and has no valley.
        assert_eq!(bins((0..2_000u64).map(|i| (5_000.0 * (2_000.0 / (i as f64 + 1.0))) as u64)).groups(), None);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_bin(values in prop::collection::vec(1u64..3_600_000_000, 1..300), q in 0.0f64..=1.0) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let told = bins(values).quantile(q).unwrap().0 as f64;
            let rank = q * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[rank.floor() as usize] as f64, sorted[rank.ceil() as usize] as f64);
            prop_assert!(told >= low * 0.87 && told <= high * 1.13 + 1.0, "{told} of {low} to {high}");
        }

        #[test]
        fn what_is_above_and_below_is_everything(values in prop::collection::vec(1u64..1_000_000, 1..100), than in 1u64..1_000_000) {
            let above = bins(values.clone()).above(Micros(than));
            let exact = values.iter().filter(|us| **us > than).count() as f64;
            let unsure = values.iter().filter(|us| bin_of(**us) == bin_of(than)).count() as f64;
            prop_assert!((above - exact).abs() <= unsure + 1e-9);
        }
    }
}
