//! How numbers, ages and moments read on every screen.

use chrono::{DateTime, Utc};

use crate::domain::{Alert, AlertKind, Anomaly, Arithmetic, Micros, SpanKey, Timestamp, odds};
use crate::messages::RecalculationKind;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// An age in steps of ten seconds below a minute, then in minutes, hours, days: `now`, `20s`, `8m`, `2h`, `3d`.
#[must_use]
pub fn age(age: Micros) -> String {
    match age.secs() {
        0..10 => "now".to_owned(),
        secs @ 10..MINUTE => format!("{}s", secs / 10 * 10),
        secs @ MINUTE..HOUR => format!("{}m", secs / MINUTE),
        secs @ HOUR..DAY => format!("{}h", secs / HOUR),
        secs => format!("{}d", secs / DAY),
    }
}

/// When the age of something that began at `since` next reads differently.
#[must_use]
pub fn age_changes(since: Timestamp, now: Timestamp) -> Timestamp {
    let secs = now.since(since).secs();
    let step = match secs {
        0..MINUTE => 10,
        MINUTE..HOUR => MINUTE,
        HOUR..DAY => HOUR,
        _ => DAY,
    };
    since + Micros::from_secs((secs / step + 1) * step)
}

fn utc(at: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), 0)
}

/// Every digit, in groups of three: `2,080,000`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// When the clock next reads differently.
#[must_use]
pub fn clock_changes(now: Timestamp) -> Timestamp {
    Timestamp::from_secs((now.secs().div_euclid(60) + 1).saturating_mul(60))
}

/// A count in at most five columns: `574`, `28.4k`, `4.2M`.
#[must_use]
pub fn count(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..99_950 => format!("{:.1}k", n as f64 / 1e3),
        99_950..999_500 => format!("{:.0}k", n as f64 / 1e3),
        999_500..99_950_000 => format!("{:.1}M", n as f64 / 1e6),
        99_950_000..999_500_000 => format!("{:.0}M", n as f64 / 1e6),
        _ => format!("{:.1}G", n as f64 / 1e9),
    }
}

/// A ratio to normal in at most five columns: `0.9`, `6.1`, `42`, `>999`.
#[must_use]
pub fn times(x: f64) -> String {
    if !x.is_finite() {
        "-".to_owned()
    } else if x < 9.95 {
        format!("{x:.1}")
    } else if x < 999.5 {
        format!("{x:.0}")
    } else {
        ">999".to_owned()
    }
}

/// A deviation in standard deviations: `8.2σ`, `23σ`.
#[must_use]
pub fn sigma(z: f64) -> String {
    if z.is_finite() && z.abs() > 9_999.0 {
        return ">9999σ".to_owned();
    }
    if z.abs() < 9.95 { format!("{z:.1}σ") } else { format!("{z:.0}σ") }
}

/// A rate in at most four columns: `0.04`, `3.5`, `340`.
#[must_use]
pub fn rate(per_s: f64) -> String {
    if !per_s.is_finite() || per_s < 0.0 {
        "-".to_owned()
    } else if per_s == 0.0 {
        "0".to_owned()
    } else if per_s < 0.995 {
        format!("{per_s:.2}")
    } else if per_s < 99.95 {
        format!("{per_s:.1}")
    } else {
        count(per_s.round() as u64)
    }
}

/// A share of one: `0.3%`, `31%`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1}%") } else { format!("{percent:.0}%") }
}

/// A share of one that may be very small: `0.42%`, `0.0017%`, `12%`.
#[must_use]
pub fn share(share: f64) -> String {
    match share * 100.0 {
        unknown if !unknown.is_finite() => "-".to_owned(),
        small if small > 0.0 && small < 0.995 => {
            let digits = (1.0 - small.log10().floor()) as usize;
            format!("{small:.digits$}%")
        }
        _ => percent(share),
    }
}

/// How much longer than before, in per cent: `+12%`, `-3%`.
#[must_use]
pub fn change(before: Micros, after: Micros) -> String {
    format!("{:+.0}%", (after.0 as f64 / before.0.max(1) as f64 - 1.0) * 100.0)
}

/// `13 Nov`, of days from 1970-01-01.
#[must_use]
pub fn day(day: i32) -> String {
    let at = Timestamp::from_secs(i64::from(day) * DAY as i64);
    utc(at).map_or_else(String::new, |at| at.format("%-d %b").to_string())
}

/// Whole microseconds from a computed number; nothing below zero.
#[must_use]
pub fn micros(us: f64) -> Micros {
    // A cast from float saturates, and NaN becomes zero.
    Micros(us.round() as u64)
}

/// `service operation`, as screens name a key.
#[must_use]
pub fn key(key: &SpanKey) -> String {
    format!("{} {}", key.service, key.operation)
}

/// `1 span`, `3 spans`.
#[must_use]
pub fn plural(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", count(n)) }
}

/// What became of a recalculation.
#[must_use]
pub fn recalculated(how: RecalculationKind, generation: u64) -> String {
    match how {
        RecalculationKind::Applied => format!("Recalculated: generation {generation} in use"),
        RecalculationKind::Rehearsed => "Rehearsed: nothing was applied".to_owned(),
        RecalculationKind::TakenBack => format!("Taken back: generation {generation} in use again"),
    }
}

/// The part of an incident's title that says what is wrong, without how far it reaches.
#[must_use]
pub fn short_title(title: &str) -> &str {
    title.split_once("; ").map_or(title, |(what, _)| what)
}

/// The length of a window: `20 s`, `5 min`.
#[must_use]
pub fn window(length: Micros) -> String {
    match length.secs() {
        secs @ 0..120 => format!("{secs} s"),
        secs => format!("{} min", secs / MINUTE),
    }
}

/// What counts in a window: `34 of 41 above 480ms`.
#[must_use]
pub fn seen(kind: AlertKind, numbers: &Arithmetic) -> String {
    let (n, k) = (count(numbers.n), count(numbers.k));
    match (kind, numbers.threshold) {
        (AlertKind::Surge | AlertKind::Silence | AlertKind::Absence, _) => plural(numbers.n, "call"),
        (AlertKind::Errors | AlertKind::NewMessage, _) => format!("{k} of {n} failed"),
        (AlertKind::SelfTime | AlertKind::Duration, Some(threshold)) => format!("{k} of {n} above {threshold}"),
        (AlertKind::SelfTime | AlertKind::Duration, None) => format!("{k} of {n} slow"),
        _ => format!("{k} of {n}"),
    }
}

/// The numbers of an alert in few words: `34 of 41 above 480ms in 60 s, 0.4 expected, 1 in 10³⁸`.
#[must_use]
pub fn arithmetic(alert: &Alert) -> String {
    let numbers = &alert.worst;
    format!(
        "{} in {}, {} expected, 1 in {}",
        seen(alert.kind, numbers),
        window(numbers.window.length()),
        expected(numbers.expected),
        odds(numbers.log10_chance)
    )
}

/// How many were to be expected: `0.4`, `12`.
#[must_use]
pub fn expected(expected: f64) -> String {
    if expected >= 9.95 { count(expected.round() as u64) } else { format!("{expected:.1}") }
}

/// Why an anomaly has its severity: every number of the verdict, computed.
#[must_use]
pub fn verdict(anomaly: &Anomaly) -> String {
    format!(
        "{} because {} is {} above the {} mean of {}; {} starts at {} ({})",
        anomaly.severity,
        anomaly.duration,
        sigma(anomaly.z),
        micros(anomaly.mean_us),
        anomaly.level.describe(anomaly.bucket),
        anomaly.severity,
        sigma(anomaly.cut_off_z),
        micros(anomaly.mean_us + anomaly.cut_off_z * anomaly.sigma_us),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_says_no_more_than_it_must() {
        for (secs, text) in [
            (0, "now"),
            (9, "now"),
            (19, "10s"),
            (59, "50s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (200_000, "2d"),
        ] {
            assert_eq!(age(Micros::from_secs(secs)), text);
        }
    }

    #[test]
    fn the_announced_moment_is_when_the_age_reads_differently() {
        let since = Timestamp::from_secs(1_000);
        for secs in [0u64, 3, 9, 10, 45, 59, 60, 61, 3_599, 3_600, 86_399, 86_400, 100_000] {
            let now = since + Micros::from_secs(secs);
            let next = age_changes(since, now);
            assert!(next > now);
            assert_ne!(age(next.since(since)), age(now.since(since)), "at {secs} s");
            assert_eq!(age((next - Micros(1)).since(since)), age(now.since(since)), "not before, at {secs} s");
        }
    }

    #[test]
    fn absurd_numbers_keep_their_column() {
        assert_eq!(sigma(1e12), ">9999σ");
        assert_eq!(times(f64::INFINITY), "-");
        assert_eq!(times(123_456.0), ">999");
        assert_eq!(count(u64::MAX).len(), "18446744073.7G".len());
    }
}
