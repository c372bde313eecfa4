//! How long to wait before a failing source is asked again.

use std::time::Duration;

/// Delays that double with every failure up to a cap, with jitter, so that many watchers of one backend do not return
/// in step. It reads no clock and no random source: the caller gives a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// `first` is the nominal delay after one failure; no delay is longer than `cap`, except when a server asks for it.
    #[must_use]
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, failures: 0 }
    }

    /// Counts one more failure and says how long to wait: between half and all of the nominal delay, by `roll` in
    /// `[0, 1]` (a number outside is clamped). A server's own `Retry-After` is waited for in full.
    pub fn next_delay(&mut self, roll: f64, retry_after: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let nominal = doubled.min(self.cap);
        let roll = if roll.is_finite() { roll.clamp(0.0, 1.0) } else { 1.0 };
        let jittered = nominal.mul_f64(0.5 + roll / 2.0);
        jittered.max(retry_after.unwrap_or(Duration::ZERO))
    }

    /// The source answered: start from the first delay again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last reset.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_double_up_to_the_cap_and_stay_there() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        let delays: Vec<u64> = (0..100).map(|_| backoff.next_delay(1.0, None).as_secs()).collect();
        assert_eq!(delays[..7], [1, 2, 4, 8, 16, 32, 60]);
        assert!(delays[7..].iter().all(|secs| *secs == 60), "{delays:?}");
        backoff.reset();
        assert_eq!(backoff.next_delay(1.0, None), SECOND);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        for roll in [-1.0, 0.0, 0.3, 0.999, 1.0, 7.0, f64::NAN, f64::INFINITY] {
            let delay = Backoff::new(SECOND, 60 * SECOND).next_delay(roll, None);
            assert!((SECOND / 2..=SECOND).contains(&delay), "{roll}: {delay:?}");
        }
    }

    #[test]
    fn the_servers_own_wish_is_respected() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        assert_eq!(backoff.next_delay(0.0, Some(90 * SECOND)), 90 * SECOND);
    }
}
