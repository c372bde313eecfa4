//! Whether what is abnormal is a new level: it began, and has stayed the same since.

use crate::domain::{AlertKind, Durations, LevelShift, Micros, ShiftedKey, TimeWindow, Timestamp, UtcHour};

use super::ring::{Counts, Ring};
use super::subjects::{ENOUGH_FOR_P95, KeyWatch, SubjectId, TrackId};
use super::test::{LEAST_EXCESS, LEAST_SAMPLES};
use super::watch::Watch;

/// What lasts as long is worth the question. It is also all that counts are kept for: of what lasts longer the newest half
/// hour is looked at.
pub const LASTING: Micros = Micros::from_secs(1_800);
/// Samples of a new level below which its keys are learning and not judged: what every baseline needs to be tested.
pub const ENOUGH_ON_LEVEL: u64 = LEAST_SAMPLES;
/// In each of so many parts of five minutes the excess must show.
const PARTS: u64 = 6;
/// A part or a minute with fewer calls says nothing about itself; as few make an alert close.
const LEAST_CALLS: u64 = 5;
/// A part shows the shift when its excess share is at least that much of the whole: six parts of 15 calls, of which six in
/// ten are slow, all do so nine times in ten.
const STEADY: f64 = 0.5;
/// What comes and goes within minutes has minutes without it. Chance makes some of those too where calls are few.
const MOST_QUIET_MINUTES: f64 = 0.2;
/// The second half must take as long as the first, give or take that factor: from the middle of one to the middle of the
/// other pass 15 minutes, so what doubles within the hour is still growing. What grows slower than that is a level that moves.
const GROWING: f64 = 1.25;

/// The excess share at the mildest limit, if there are enough calls to speak of one.
fn excess(counts: &Counts) -> Option<f64> {
    let [.., k] = counts.k;
    (counts.n >= LEAST_CALLS).then(|| k as f64 / counts.n as f64 - counts.share(2))
}

fn parts(window: TimeWindow, length: Micros) -> impl Iterator<Item = TimeWindow> {
    let count = window.length().0 / length.0.max(1);
    (0..count).map(move |n| {
        let from = window.from + Micros(n * length.0);
        TimeWindow::new(from, from + length)
    })
}

/// How many times as long as normal calls have taken for half an hour, if that was so from beginning to end: in each part
/// of it, in nearly every minute, and no longer at its end than at its beginning. What was `offered` once stays so through
/// chance, and is withdrawn only when it goes away or clearly moves.
fn steady(ring: &Ring, at: Timestamp, offered: bool) -> Option<f64> {
    let window = TimeWindow::new(at - LASTING, at);
    let whole = ring.sum(window);
    let all = excess(&whole).filter(|excess| *excess >= LEAST_EXCESS)?;
    let halves: Vec<f64> = parts(window, Micros(LASTING.0 / 2)).map(|half| ring.sum(half).times().ln()).collect();
    let moved = halves.last()? - halves.first()?;
    if moved.abs() > GROWING.ln() * if offered { 2.0 } else { 1.0 } {
        return None;
    }
    let shows = |part: TimeWindow| excess(&ring.sum(part)).map(|excess| excess >= STEADY * all);
    let throughout = || parts(window, Micros(LASTING.0 / PARTS)).all(|part| shows(part) == Some(true));
    let minutes = || parts(window, Micros::from_secs(60)).filter_map(shows);
    let pulsing = || minutes().filter(|shows| !shows).count() as f64 > MOST_QUIET_MINUTES * minutes().count() as f64;
    (offered || throughout() && !pulsing()).then(|| whole.times())
}

impl Watch {
    /// The level on which an open alert's subject is, if it has been there for long enough and steadily.
    pub(super) fn shift(&self, track: TrackId, onset: Timestamp, at: Timestamp, offered: bool) -> Option<LevelShift> {
        if at.since(onset) < LASTING {
            return None;
        }
        let key = |number: u32| self.keys.get(number as usize);
        let ring = match (track.kind, track.subject) {
            (AlertKind::SelfTime, SubjectId::Key(number)) => &key(number)?.own.ring,
            (AlertKind::Duration, SubjectId::Key(number)) => &key(number)?.duration.ring,
            (AlertKind::SelfTime, _) => &self.groups.get(&track.subject)?.own.ring,
            _ => return None,
        };
        let times = steady(ring, at, offered)?;
        let mut keys: Vec<ShiftedKey> =
            self.shifted(track.subject, at).into_iter().map(|key| self.shifted_key(key, at)).collect();
        keys.sort_by(|a, b| a.key.cmp(&b.key));
        (!keys.is_empty()).then_some(LevelShift { since: onset, times, keys, accepted: None })
    }

    /// Whose calls are on another level: of a service those operations that show it by themselves, or, where each is too
    /// rare for that, those with any slow call; of an edge all that cross it.
    fn shifted(&self, subject: SubjectId, at: Timestamp) -> Vec<&KeyWatch> {
        let window = TimeWindow::new(at - LASTING, at);
        match subject {
            SubjectId::Key(number) => self.keys.get(number as usize).into_iter().collect(),
            SubjectId::Node(service) => {
                let of_service = || self.keys.iter().filter(move |key| key.service == service);
                let shows = |key: &&KeyWatch| excess(&key.own.ring.sum(window)).is_some_and(|e| e >= LEAST_EXCESS);
                let clearly: Vec<&KeyWatch> = of_service().filter(shows).collect();
                if clearly.is_empty() {
                    of_service().filter(|key| key.own.ring.sum(window).k.last().is_some_and(|k| *k > 0)).collect()
                } else {
                    clearly
                }
            }
            SubjectId::Edge(caller, callee) => {
                let crosses = |key: &&KeyWatch| key.service == caller && key.edges.contains_key(&callee);
                self.keys.iter().filter(crosses).filter(|key| key.errors.ring.sum(window).n > 0).collect()
            }
        }
    }

    fn shifted_key(&self, key: &KeyWatch, at: Timestamp) -> ShiftedKey {
        let bucket = self.calendar.bucket(UtcHour::of(at));
        let cell = key.durations.baseline().and_then(|baseline| baseline.tested(bucket, ENOUGH_FOR_P95));
        let normal =
            cell.map(|(_, cell)| Durations { n: cell.samples, p50: cell.percentile(0), p95: cell.percentile(2) });
        ShiftedKey { key: key.key.clone(), samples: key.samples, normal, now: None }
    }

    /// Forgets how long calls of these keys took, and of the services and edges to which they belong: all of it was
    /// counted against another level. Other keys of those have to show their trouble anew, within a minute.
    pub fn forget_times(&mut self, keys: &[crate::domain::SpanKey]) {
        for key in self.keys.iter_mut().filter(|watch| keys.binary_search(&watch.key).is_ok()) {
            key.forget_times();
            let edges = key.edges.keys().map(|callee| SubjectId::Edge(key.service, *callee));
            for subject in edges.chain([SubjectId::Node(key.service)]) {
                if let Some(group) = self.groups.get_mut(&subject) {
                    group.own.forget();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: i64 = 100_000;

    fn secs(s: i64) -> Timestamp {
        Timestamp::from_secs(BEGAN + s)
    }

    /// A call every two seconds that normally takes 100 ms, one in a hundred more than 250 ms: `takes` says how many times
    /// as long it does at a second.
    fn ring(to: i64, takes: impl Fn(i64) -> f64) -> Ring {
        let mut ring = Ring::default();
        for second in (-900..to).step_by(2) {
            // Between 70 and 140 ms, in no order.
            let usual = 70.0 * (1.0 + (second.rem_euclid(97) * 31 % 97) as f64 / 97.0);
            let us = (usual * takes(second) * 1_000.0) as u64;
            let slow = u64::from(us > 250_000);
            let lift = Counts::lift_of(us, 100_000.0);
            ring.add(secs(second), &Counts { n: 1, k: [slow; 3], expected: [0.01; 3], lift });
        }
        ring
    }

    fn after(second: i64, times: f64) -> impl Fn(i64) -> f64 {
        move |at| if at >= second { times } else { 1.0 }
    }

    #[test]
    fn what_stays_slow_for_half_an_hour_is_a_level() {
        let times = steady(&ring(1_800, after(0, 4.0)), secs(1_800), false).unwrap();
        assert!((3.5..4.5).contains(&times), "{times}");
        assert!(steady(&ring(6_000, after(0, 4.0)), secs(6_000), false).is_some(), "the newest half hour is looked at");
        // Three in ten calls are of the kind that became slow.
        let some = |at: i64| if at >= 0 && at / 2 % 10 < 3 { 5.0 } else { 1.0 };
        assert!(steady(&ring(1_800, some), secs(1_800), false).is_some());
    }

    #[test]
    fn twenty_minutes_are_not_enough() {
        assert_eq!(steady(&ring(1_200, after(0, 4.0)), secs(1_200), false), None);
        assert_eq!(steady(&ring(900, |_| 1.0), secs(900), false), None, "nothing is slow");
    }

    #[test]
    fn what_grows_or_goes_back_is_no_level() {
        let growing = |at: i64| if at >= 0 { 3.0 + at as f64 / 600.0 } else { 1.0 };
        assert_eq!(steady(&ring(1_800, growing), secs(1_800), false), None);
        let recovering = |at: i64| if at >= 0 { 8.0 - at as f64 / 400.0 } else { 1.0 };
        assert_eq!(steady(&ring(1_800, recovering), secs(1_800), false), None);
        // The share grows, while each slow call takes as long as at first.
        let more_and_more = |at: i64| if at >= 0 && at.rem_euclid(62) * 1_800 / 62 < at { 4.0 } else { 1.0 };
        assert_eq!(steady(&ring(1_800, more_and_more), secs(1_800), false), None);
    }

    #[test]
    fn what_comes_and_goes_is_no_level() {
        for period in [240, 600, 1_200] {
            let pulsing = |at: i64| if at >= 0 && at.rem_euclid(period) < period / 2 { 4.0 } else { 1.0 };
            assert_eq!(steady(&ring(1_800, pulsing), secs(1_800), false), None, "on and off every {period} s");
        }
    }

    #[test]
    fn too_few_calls_say_nothing() {
        let mut thin = Ring::default();
        for second in (0..1_800).step_by(120) {
            let slow = Counts { n: 1, k: [1; 3], expected: [0.01; 3], lift: Counts::lift_of(400_000, 100_000.0) };
            thin.add(secs(second), &slow);
        }
        assert_eq!(steady(&thin, secs(1_800), false), None);
    }

    #[test]
    fn an_offer_stays_through_chance_and_goes_when_it_is_over() {
        // Three minutes of quiet calls.
        let pause = |at: i64| if at >= 0 && !(1_500..1_680).contains(&at) { 4.0 } else { 1.0 };
        assert_eq!(steady(&ring(2_400, pause), secs(2_400), false), None);
        assert!(steady(&ring(2_400, pause), secs(2_400), true).is_some());
        let over = |at: i64| if (0..1_800).contains(&at) { 4.0 } else { 1.0 };
        assert_eq!(steady(&ring(2_700, over), secs(2_700), true), None);
    }
}
