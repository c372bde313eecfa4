//! A trace with what is normal for each of its spans, for the waterfall.

use std::sync::Arc;

use crate::baseline::{Cell, PERCENTILES};
use crate::detect::{self, Verdict};
use crate::domain::{EventsBySpan, HourOfWeek, Level, Micros, Severity, Span, Trace, UtcHour};
use crate::messages::{Normal, TraceState, TraceView, Waterfall, WaterfallSpan};

use super::Engine;

/// Rows of a waterfall that are sent; a larger trace says how many were left out.
const MOST_ROWS: usize = 50_000;
/// Into how many parts the time axis is divided at most: far more than a screen has columns.
const FINEST: u64 = 1_000;

impl Engine {
    pub(super) fn trace_view(&self, trace: &Trace, mut events: EventsBySpan) -> TraceView {
        let shape = detect::trace::shape(trace);
        let rows = shape.rows.len();
        let moved_most = shape.rows.iter().map(|row| row.moved_us.unsigned_abs()).max().unwrap_or(0);
        let gap = Micros(shape.duration.0 / FINEST);
        // Ascending by the row that was waited for.
        let mut waits = shape.waits.iter().peekable();
        let mut hour = None;
        let mut spans = Vec::with_capacity(rows.min(MOST_ROWS));
        for (place, row) in shape.rows.into_iter().enumerate().take(MOST_ROWS) {
            let Some(span) = trace.spans.get(row.span) else { continue };
            let waited = waits.next_if(|wait| wait.to == place).map_or(Micros::ZERO, |wait| wait.length());
            let bucket = self.bucket_of(span, &mut hour);
            let (severity, normal) = self.verdict_of(span, bucket);
            spans.push(WaterfallSpan {
                id: span.id,
                depth: u16::try_from(row.depth).unwrap_or(u16::MAX),
                key: span.key.clone(),
                offset: row.offset,
                duration: span.duration,
                self_time: row.self_time,
                error: span.error,
                severity,
                normal,
                critical_time: row.critical_time(),
                critical: joined(row.critical, gap),
                waited,
                moved_us: row.moved_us,
                attributes: span.attributes.clone(),
                resource: Arc::clone(&span.resource),
                events: events.remove(&(span.id, span.start)).unwrap_or_default(),
            });
        }
        TraceView {
            trace: trace.id,
            state: TraceState::Loaded(Waterfall {
                start: shape.start,
                duration: shape.duration,
                services: shape.services.len() as u32,
                errors: shape.errors,
                orphans: shape.orphans,
                duplicates: shape.duplicates,
                cycles: shape.cycles,
                moved: shape.moved,
                moved_most: Micros(moved_most),
                left_out: rows.saturating_sub(MOST_ROWS) as u32,
                bucket: self.calendar.bucket(UtcHour::of(shape.start)),
                spans,
            }),
        }
    }

    /// The baseline that answers for a span under its own bucket.
    #[must_use]
    pub fn normal_of(&self, span: &Span) -> Option<(Level, &Cell)> {
        let entry = self.keys.find_raw(&span.key)?;
        entry.baseline.as_ref()?.answer(self.calendar.bucket(UtcHour::of(span.start)))
    }

    /// The zone is looked up once for each hour: a trace's spans mostly share it.
    fn bucket_of(&self, span: &Span, known: &mut Option<(UtcHour, HourOfWeek)>) -> HourOfWeek {
        let hour = UtcHour::of(span.start);
        match known {
            Some((of, bucket)) if *of == hour => *bucket,
            _ => known.insert((hour, self.calendar.bucket(hour))).1,
        }
    }

    fn verdict_of(&self, span: &Span, bucket: HourOfWeek) -> (Option<Severity>, Normal) {
        let baseline = self.keys.find_raw(&span.key).and_then(|entry| entry.baseline.as_deref());
        let samples = baseline.map_or(0, |baseline| baseline.samples);
        let Some((level, cell)) = baseline.and_then(|baseline| baseline.answer(bucket)) else {
            return (None, Normal::Unknown { samples });
        };
        let severity = match detect::judge(span, level, cell) {
            Verdict::Exceeded(exceedance) => Some(exceedance.severity),
            Verdict::Normal | Verdict::NotEnoughData => None,
        };
        (severity, normal(span.duration, bucket, level, cell))
    }
}

fn normal(duration: Micros, bucket: HourOfWeek, level: Level, cell: &Cell) -> Normal {
    let thousandths = |quantile: f64| (quantile * 1e3).round() as u16;
    // One of 1000 / (1000 - q) samples lies above.
    let is_known = |q: u16| cell.samples.saturating_mul(1_000 - u64::from(q)) >= 1_000;
    let known = PERCENTILES.iter().enumerate().rev().filter(|(_, quantile)| is_known(thousandths(**quantile)));
    let above = known.into_iter().find(|(index, _)| duration > cell.percentile(*index));
    Normal::Known {
        p50: cell.percentile(0),
        p99: cell.p99(),
        samples: cell.samples,
        level,
        bucket,
        above: above.map(|(_, quantile)| thousandths(*quantile)),
    }
}

/// Pieces in ascending order, those closer than `gap` as one.
fn joined(pieces: Vec<(Micros, Micros)>, gap: Micros) -> Vec<(Micros, Micros)> {
    let mut joined: Vec<(Micros, Micros)> = Vec::new();
    for (from, to) in pieces {
        match joined.last_mut() {
            Some((_, end)) if from.0 <= end.0.saturating_add(gap.0) => *end = to.max(*end),
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{Settings, Sketch};

    fn above(samples: u64, duration: u64) -> Option<u16> {
        let rules = Settings { severity_min_samples: [10; 5], ..Settings::default() }.rules();
        let mut sketch = Sketch::default();
        for n in 0..samples {
            sketch.insert(Micros(10_000 + n));
        }
        let cell = Cell::of(&sketch, Level::Global, &rules).unwrap();
        match normal(Micros(duration), HourOfWeek::new(0, 0), Level::Global, &cell) {
            Normal::Known { above, .. } => above,
            Normal::Unknown { .. } => panic!("it has enough samples"),
        }
    }

    #[test]
    fn no_percentile_is_told_that_the_samples_do_not_know() {
        assert_eq!(above(5_000, 1_000_000), Some(999));
        assert_eq!(above(500, 1_000_000), Some(990), "of 500 samples none lies above p99.9");
        assert_eq!(above(30, 1_000_000), Some(950));
        assert_eq!(above(10, 1_000_000), Some(900));
        assert_eq!(above(5_000, 1), None, "faster than half of them");
    }

    #[test]
    fn pieces_too_close_to_be_seen_apart_are_one() {
        let pieces: Vec<(Micros, Micros)> = (0..50_000).map(|n| (Micros(n * 10), Micros(n * 10 + 9))).collect();
        assert_eq!(joined(pieces, Micros(500)), [(Micros(0), Micros(499_999))]);
        let apart = vec![(Micros(0), Micros(5)), (Micros(20), Micros(30)), (Micros(31), Micros(32))];
        assert_eq!(joined(apart, Micros(1)), [(Micros(0), Micros(5)), (Micros(20), Micros(32))]);
    }
}
