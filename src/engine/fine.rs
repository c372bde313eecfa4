//! What each key did in the last hours, in slots of two minutes and bins of an eighth of an octave.
//!
//! Minutes come here when they leave the last hour, so that a call is counted once. A slot takes 6 bytes for each bin that
//! was used. All keys together keep [`MOST_COUNTS`] of them, 8.1 MB: of 500 keys each 2,700, so 18 bins in each of its 150
//! slots; with few keys each keeps as many as it needs. A key that needs more forgets its oldest slots.

use crate::baseline::{Counts, Sketch};
use crate::domain::Bins;

/// Minutes of a slot.
const SLOT_MINUTES: i64 = 2;
/// How long it is kept, with the last hour: six hours and a column.
const MINUTES: i64 = 6 * 60 + 30;
/// Of all keys together.
pub const MOST_COUNTS: usize = 1_350_000;
/// Stands where a bin would, for calls that failed.
const ERRORS: u16 = u16::MAX;
/// Memory is taken in steps, not doubled.
const STEP: usize = 64;

/// Calls of one slot and bin. Where there are more than fit, several of them stand beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// After the first one that is kept.
    slot: u16,
    bin: u16,
    count: u16,
}

/// One key's.
#[derive(Debug, Clone, Default)]
pub struct Fine {
    /// The slot, counted since the epoch, that has number 0.
    base: i64,
    /// Slots before this one had no room.
    dropped_before: Option<i64>,
    /// By slot and bin.
    counts: Vec<Count>,
}

impl Fine {
    /// Takes in a minute, counted since the epoch; minutes come in order.
    pub fn take(&mut self, minute: i64, durations: &Sketch, errors: u32) {
        let slot = minute.div_euclid(SLOT_MINUTES);
        if self.counts.is_empty() {
            self.base = slot;
        }
        // So long a silence leaves nothing that is kept.
        let Ok(number) = u16::try_from(slot - self.base) else {
            self.counts.clear();
            self.base = slot;
            return self.take(minute, durations, errors);
        };
        for (bin, count) in durations.bins().iter() {
            self.add(number, bin, count);
        }
        self.add(number, ERRORS, u64::from(errors));
    }

    fn add(&mut self, slot: u16, bin: u16, mut count: u64) {
        let at = self.counts.partition_point(|there| (there.slot, there.bin) <= (slot, bin));
        if let Some(there) = at.checked_sub(1).and_then(|at| self.counts.get_mut(at))
            && (there.slot, there.bin) == (slot, bin)
        {
            let more = count.min(u64::from(u16::MAX - there.count));
            there.count += more as u16;
            count -= more;
        }
        while count > 0 {
            if self.counts.len() == self.counts.capacity() {
                self.counts.reserve_exact(STEP);
            }
            let part = count.min(u64::from(u16::MAX));
            self.counts.insert(at, Count { slot, bin, count: part as u16 });
            count -= part;
        }
    }

    /// Forgets what is too old, and more of it where it has more counts than `most`.
    pub fn expire(&mut self, minute: i64, most: usize) {
        let oldest = (minute - MINUTES).div_euclid(SLOT_MINUTES) - self.base;
        let mut gone = self.counts.partition_point(|there| i64::from(there.slot) < oldest);
        if let Some(last) = self.counts.len().checked_sub(most.max(1) + 1).and_then(|at| self.counts.get(at)) {
            let room = self.counts.partition_point(|there| there.slot <= last.slot);
            if room > gone {
                gone = room;
                self.dropped_before = Some(self.base + i64::from(last.slot) + 1);
            }
        }
        if gone == 0 {
            return;
        }
        self.counts.drain(..gone);
        let shift = self.counts.first().map_or(0, |first| first.slot);
        self.base += i64::from(shift);
        self.counts.iter_mut().for_each(|there| there.slot -= shift);
        if self.counts.capacity() > self.counts.len() + 4 * STEP {
            self.counts.shrink_to(self.counts.len() + STEP);
        }
    }

    /// The first minute of which everything is kept, where that is not only a matter of age.
    pub fn whole_from(&self) -> Option<i64> {
        self.dropped_before.map(|slot| slot * SLOT_MINUTES)
    }

    /// What is kept of the slots that begin in the minutes from `from` to before `to`.
    pub fn between(&self, from: i64, to: i64) -> Counts {
        let first = from.div_euclid(SLOT_MINUTES) + i64::from(from.rem_euclid(SLOT_MINUTES) > 0);
        let end = to.div_euclid(SLOT_MINUTES) + i64::from(to.rem_euclid(SLOT_MINUTES) > 0);
        let place = |slot: i64| self.counts.partition_point(|there| i64::from(there.slot) < slot - self.base);
        let mut found = Counts { durations: Bins::default(), errors: 0 };
        for there in self.counts.get(place(first)..place(end)).unwrap_or_default() {
            match there.bin {
                ERRORS => found.errors += u64::from(there.count),
                bin => found.durations.add(bin, u64::from(there.count)),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Micros, bin_of};

    fn sketch(values: impl IntoIterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::default();
        values.into_iter().for_each(|us| sketch.insert(Micros(us)));
        sketch
    }

    #[test]
    fn minutes_are_found_again_by_slot() {
        let mut fine = Fine::default();
        for minute in 100..110 {
            fine.take(minute, &sketch([minute as u64 * 1_000, 7]), u32::from(minute == 104));
        }
        let counts = fine.between(104, 106);
        assert_eq!((counts.durations.count(), counts.errors), (4, 1));
        let bins: Vec<u16> = counts.durations.iter().map(|(bin, _)| bin).collect();
        assert_eq!(bins, [7, bin_of(104_000)], "104 and 105 ms share a bin");
        assert_eq!(fine.between(100, 110).durations.count(), 20);
        assert_eq!(fine.between(0, 100).durations.count() + fine.between(110, 999).durations.count(), 0);
    }

    #[test]
    fn more_calls_than_fit_one_count_are_all_counted() {
        let mut fine = Fine::default();
        for minute in 0..6 {
            fine.take(minute, &sketch(std::iter::repeat_n(500, 50_000)), 50_000);
        }
        let counts = fine.between(0, 6);
        assert_eq!((counts.durations.count(), counts.errors), (300_000, 300_000));
    }

    #[test]
    fn what_is_old_goes_also_after_a_long_silence() {
        let mut fine = Fine::default();
        for minute in 0..1_000 {
            fine.take(minute, &sketch([5]), 0);
            fine.expire(minute, usize::MAX - 1);
        }
        assert_eq!(fine.counts.len(), 196);
        assert_eq!(fine.between(0, 1_000).durations.count(), 392, "6 h and a half, in whole slots");
        assert_eq!(fine.whole_from(), None);
        fine.take(900_000, &sketch([5]), 0);
        assert_eq!((fine.counts.len(), fine.between(900_000, 900_002).durations.count()), (1, 1));
    }

    /// 500 keys whose calls are spread over two octaves and a tail, as busy as their share allows.
    #[test]
    fn five_hundred_keys_stay_within_eight_megabytes() {
        let keys = 500;
        let most = MOST_COUNTS / keys;
        let mut fine = Fine::default();
        for minute in 0..600i64 {
            let durations =
                (0..200u64).map(|i| 20_000 * (100 + (i * 7 + minute as u64 * 13) % 300) / 100 + (i / 190) * 90_000);
            fine.take(minute, &sketch(durations), 3);
            fine.expire(minute, most);
            assert!(fine.counts.len() <= most, "{}", fine.counts.len());
        }
        let bytes = keys * fine.counts.capacity() * size_of::<Count>();
        assert!(size_of::<Count>() == 6 && bytes <= 8_400_000, "{bytes} bytes");
        let kept = fine.whole_from().map_or(300, |from| 600 - from);
        assert!(kept >= 180, "{kept} minutes are kept");
        eprintln!("{bytes} bytes for {keys} keys, {kept} minutes kept");
    }

    #[test]
    fn a_key_that_needs_more_than_its_share_forgets_its_oldest_slots_and_says_so() {
        let mut fine = Fine::default();
        for minute in 0..20 {
            fine.take(minute, &sketch((0..10).map(|i| 1 << i)), 0);
        }
        fine.expire(19, 45);
        assert_eq!((fine.counts.len(), fine.whole_from()), (40, Some(12)));
        assert_eq!(fine.between(0, 12).durations.count(), 0);
        assert_eq!(fine.between(12, 20).durations.count(), 80);
    }
}
