//! The week of an operation as the monitor would tell of it.

use spanwatch::domain::{HourOfWeek, Level, Micros, SpanKey, SpanKind};
use spanwatch::messages::{
    AlertLimit, CellNumbers, CellView, PartNumbers, PartView, PastView, WeekHour, WeekView, WiderCell,
};

use super::fixture::{friday_03, gateway, matcher, wallet};

/// Friday 20 November 2026 in days since 1970.
const TODAY: i32 = 20_777;

fn ms(millis: u64) -> Micros {
    Micros::from_millis(millis)
}

/// Slow by day, and slowest at noon; nights and weekends are quick.
fn p99(bucket: HourOfWeek) -> u64 {
    let (day, hour) = (bucket.day(), u64::from(bucket.hour()));
    let base = match (day, hour) {
        (0..5, 11..=13) => 820,
        (0..5, 9..=17) => 560,
        (_, 7..=21) => 330,
        _ => 220,
    };
    base + hour * 7 % 40
}

fn numbers(level: Level, samples: u64, p99: u64) -> CellNumbers {
    let cell = CellView {
        level,
        samples,
        mean_us: p99 as f64 * 130.0,
        sigma_us: p99 as f64 * 180.0,
        p50: ms(p99 * 8 / 100),
        p90: ms(p99 * 27 / 100),
        p95: ms(p99 * 43 / 100),
        p99: ms(p99),
        p99_9: ms(p99 * 183 / 100),
        cut_offs: [360, 214, 152, 116, 82].map(|part| Some(ms(p99 * part / 100))),
        cut_off_levels: [Level::HourOfDay.max(level), level, level, level, level],
    };
    let limit = |part: u64, share| AlertLimit { above: Some(ms(p99 * part / 100)), share };
    CellNumbers { cell, limits: [limit(183, 0.000_98), limit(100, 0.0101), limit(65, 0.031)] }
}

fn hour(bucket: HourOfWeek) -> WeekHour {
    let sunday_night = bucket.day() == 6 && (1..5).contains(&bucket.hour());
    let maintenance = bucket.day() == 1 && (2..4).contains(&bucket.hour());
    let samples = match bucket.hour() {
        _ if sunday_night => 7,
        _ if maintenance => 0,
        0..=6 => 1_210 + u64::from(bucket.hour()) * 11,
        _ => 7_102,
    };
    let alerts = match (bucket.day(), bucket.hour()) {
        (0, 9) | (4, 3) => 1,
        (2, 14) => 3,
        _ => 0,
    };
    let own = (samples >= 10).then(|| numbers(Level::HourOfWeek, samples, p99(bucket)));
    let level = if own.is_some() { Level::HourOfWeek } else { Level::HourOfDay };
    WeekHour {
        samples,
        days: if maintenance { 0 } else { 4 },
        own,
        answers: Some(level),
        tests: Some(level),
        maintenance,
        alerts,
        useful: alerts.min(1),
        noise: alerts.saturating_sub(1),
    }
}

fn part(bucket: HourOfWeek, week: i32) -> Option<PartView> {
    // Four whole weeks, and the hour that runs.
    let day = TODAY - 4 + i32::from(bucket.day()) - 7 * (4 - week);
    let running = week == 4 && bucket == friday_03();
    if week == 4 && bucket > friday_03() {
        return None;
    }
    let of = hour(bucket);
    let samples = of.samples / 4 + week.unsigned_abs() as u64 * 7;
    let p99 = p99(bucket) * (98 + week.unsigned_abs() as u64) / 100;
    let gap = week == 1 && bucket.day() == 3 && (10..13).contains(&bucket.hour());
    let numbers = PartNumbers {
        samples,
        errors: if bucket.hour() == 14 { samples / 12 } else { samples / 900 },
        p50: ms(p99 * 8 / 100),
        p95: ms(p99 * 43 / 100),
        p99: ms(p99),
        max: ms(p99 * 8),
    };
    Some(PartView {
        bucket,
        day,
        numbers: (of.samples > 0 && !gap && !running).then_some(numbers),
        known_s: if gap || running { 0 } else { 3_600 },
        incident_s: match (week, bucket) {
            _ if running => 560,
            (2, bucket) if bucket == friday_03() => 480,
            _ => 0,
        },
        maintenance_s: if of.maintenance { 3_600 } else { 0 },
        waiting_s: if running { 204 } else { 0 },
        gap_s: if gap { 3_600 } else { 0 },
    })
}

pub fn past() -> PastView {
    let parts = (0..5).flat_map(|week| HourOfWeek::all().filter_map(move |bucket| part(bucket, week))).collect();
    let former = |bucket: HourOfWeek| match (bucket.day(), bucket.hour()) {
        (2, 13) => Some(ms(p99(bucket) * 100 / 112)),
        (2, 14) => Some(ms(p99(bucket) * 100 / 138)),
        (3, 2) => Some(ms(p99(bucket) * 100 / 89)),
        _ => hour(bucket).own.map(|_| ms(p99(bucket))),
    };
    PastView::Read {
        parts,
        drift: vec![None, Some(0.004), Some(0.03), Some(-0.02)],
        former: Some((12, HourOfWeek::all().map(former).collect())),
    }
}

pub fn week(key: &SpanKey, past: Option<PastView>) -> WeekView {
    let wide = |level, samples, p99| WiderCell { samples, numbers: Some(numbers(level, samples, p99)) };
    let mut wider: Vec<WiderCell> =
        (0..24).map(|hour| wide(Level::HourOfDay, 38_100, p99(HourOfWeek::new(0, hour)))).collect();
    wider.extend((0..7).map(|_| wide(Level::DayOfWeek, 131_000, 610)));
    wider.push(wide(Level::Global, 914_000, 640));
    WeekView {
        asked: key.clone(),
        key: key.clone(),
        at: 3,
        of: 41,
        previous: Some(gateway()),
        next: Some(wallet()),
        bucket: friday_03(),
        zone: "UTC".to_owned(),
        generation: 13,
        needs: 10,
        needs_to_test: 100,
        learning: None,
        hours: HourOfWeek::all().map(hour).collect(),
        wider,
        past,
    }
}

/// Hardly anything is known.
pub fn young(key: &SpanKey) -> WeekView {
    let mut view = week(key, Some(PastView::Read { parts: Vec::new(), drift: vec![None; 4], former: None }));
    for (bucket, hour) in HourOfWeek::all().zip(&mut view.hours) {
        let few = bucket.day() == 4 && bucket.hour() < 4;
        (hour.samples, hour.days, hour.own) = (if few { 3 } else { 0 }, u8::from(few), None);
        (hour.answers, hour.tests, hour.alerts, hour.maintenance) = (None, None, 0, false);
    }
    view.wider.iter_mut().for_each(|wider| (wider.samples, wider.numbers) = (12, None));
    view
}

/// Nothing was seen of it.
pub fn unseen(key: &SpanKey) -> WeekView {
    let view = week(key, None);
    WeekView { at: 0, previous: None, next: None, hours: Vec::new(), wider: Vec::new(), ..view }
}

/// A name that a terminal would obey, absurd numbers, and fewer hours than a week has.
pub fn hostile() -> WeekView {
    let key =
        SpanKey::new("evil\u{1b}[2J\u{202e}svc", "取引所注文を照合する処理\u{7}\n/\u{200b}\u{9b}31m", SpanKind::Server);
    let mut view = week(&matcher(), Some(past()));
    view.key = key;
    view.zone = "\u{1b}]0;x\u{7}".to_owned();
    view.hours.truncate(150);
    view.wider.truncate(3);
    if let Some(PastView::Read { parts, .. }) = &mut view.past {
        parts.iter_mut().for_each(|part| part.day = i32::MAX);
    }
    for hour in &mut view.hours {
        hour.samples = u64::MAX;
        if let Some(own) = &mut hour.own {
            (own.cell.mean_us, own.cell.p99, own.limits[0].share) = (f64::INFINITY, Micros(u64::MAX), f32::NAN);
        }
    }
    view
}
