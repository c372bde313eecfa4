//! What each span key did in the last hour, in minutes: the "now" that stands beside the normal.

use std::collections::VecDeque;

use crate::baseline::Sketch;
use crate::domain::{Micros, Timestamp};

/// Minutes kept.
const MINUTES: i64 = 60;
/// "Now" on the screens.
pub const NOW_MINUTES: i64 = 5;
/// One column of an hour's history.
pub const COLUMN_MINUTES: i64 = 4;
/// Columns of an hour's history.
pub const COLUMNS: usize = (MINUTES / COLUMN_MINUTES) as usize;

pub fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(60_000_000)
}

#[derive(Debug, Clone)]
struct Minute {
    minute: i64,
    durations: Sketch,
    errors: u32,
}

/// One key's last hour. Minutes without spans take no memory.
#[derive(Debug, Clone, Default)]
pub struct LastHour {
    minutes: VecDeque<Minute>,
}

/// A stretch of it.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    pub durations: Sketch,
    pub errors: u64,
}

impl LastHour {
    /// Counts a span in the minute in which it ended. Spans that ended before the last hour are left out.
    pub fn insert(&mut self, end: Timestamp, duration: Micros, error: bool) {
        let minute = minute_of(end);
        let newest = self.minutes.back().map_or(minute, |newest| newest.minute);
        if minute <= newest - MINUTES {
            return;
        }
        let at = match self.minutes.binary_search_by_key(&minute, |m| m.minute) {
            Ok(at) => at,
            Err(at) => {
                self.minutes.insert(at, Minute { minute, durations: Sketch::default(), errors: 0 });
                at
            }
        };
        if let Some(slot) = self.minutes.get_mut(at) {
            slot.durations.insert(duration);
            slot.errors += u32::from(error);
        }
    }

    /// Forgets what is older than an hour; `gone` gets each minute of that, in order, with its errors.
    pub fn expire(&mut self, now: Timestamp, mut gone: impl FnMut(i64, &Sketch, u32)) {
        let oldest = minute_of(now) - MINUTES;
        while self.minutes.front().is_some_and(|minute| minute.minute <= oldest) {
            if let Some(Minute { minute, durations, errors }) = self.minutes.pop_front() {
                gone(minute, &durations, errors);
            }
        }
    }

    /// What is kept of the minutes, counted since the epoch, from `from` to before `to`.
    #[must_use]
    pub fn minutes(&self, from: i64, to: i64) -> Recent {
        self.between(from, to - 1)
    }

    /// The last five minutes: the current, unfinished one and the four before.
    #[must_use]
    pub fn now(&self, now: Timestamp) -> Recent {
        let last = minute_of(now);
        self.between(last - NOW_MINUTES + 1, last)
    }

    /// The whole minutes since a moment, as far as they are kept.
    #[must_use]
    pub fn since(&self, at: Timestamp) -> Recent {
        self.between(minute_of(at) + 1, i64::MAX)
    }

    fn between(&self, from: i64, to: i64) -> Recent {
        let mut recent = Recent::default();
        for minute in self.minutes.iter().filter(|m| (from..=to).contains(&m.minute)) {
            recent.durations.merge(&minute.durations);
            recent.errors += u64::from(minute.errors);
        }
        recent
    }

    /// p99 of each column of the last hour, oldest first. Columns begin at full multiples of their width, so that a
    /// picture shifts once in four minutes and not with every poll.
    #[must_use]
    pub fn history_p99(&self, now: Timestamp) -> Vec<Option<Micros>> {
        let last = minute_of(now).div_euclid(COLUMN_MINUTES);
        (0..COLUMNS as i64)
            .map(|column| {
                let start = (last - (COLUMNS as i64 - 1) + column) * COLUMN_MINUTES;
                self.between(start, start + COLUMN_MINUTES - 1).p99()
            })
            .collect()
    }
}

impl Recent {
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Micros> {
        self.durations.quantile(q).map(|us| Micros(us.round() as u64))
    }

    #[must_use]
    pub fn p99(&self) -> Option<Micros> {
        self.quantile(0.99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp(minute * 60_000_000)
    }

    #[test]
    fn now_is_five_minutes_and_an_hour_is_kept() {
        let mut hour = LastHour::default();
        for m in 0..100 {
            hour.insert(minute(m), Micros(m as u64), m % 2 == 0);
            hour.expire(minute(m), |_, _, _| {});
        }
        assert_eq!(hour.minutes.len(), 60);
        let now = hour.now(minute(99));
        assert_eq!((now.durations.count(), now.errors), (5, 2));
        assert_eq!((now.durations.min(), now.durations.max()), (Micros(95), Micros(99)));
    }

    #[test]
    fn a_gap_in_the_hour_is_a_gap_in_the_history() {
        let mut hour = LastHour::default();
        hour.insert(minute(2), Micros(10), false);
        hour.insert(minute(58), Micros(20), false);
        let history = hour.history_p99(minute(59));
        assert_eq!(history.len(), COLUMNS);
        assert_eq!((history[0], history[7], history[14]), (Some(Micros(10)), None, Some(Micros(20))));
    }

    #[test]
    fn a_late_span_older_than_an_hour_is_left_out() {
        let mut hour = LastHour::default();
        hour.insert(minute(100), Micros(1), false);
        hour.insert(minute(40), Micros(1), false);
        assert_eq!(hour.minutes.len(), 1);
    }
}
