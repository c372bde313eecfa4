//! What one operation did in the past, for a picture of it.

use std::collections::BTreeMap;

use crate::baseline::{Counts, DayRow};
use crate::domain::{Anomaly, SpanKey, TimeWindow, UtcHour};

use super::history::read;
use super::rows::{day_and_hour, from_time, slice_row};
use super::{Store, StoreError, reading, record};

impl Store {
    /// What was learnt of a key's durations, on whatever level, in the hours that overlap these windows.
    ///
    /// # Errors
    /// When sled cannot read; damaged records are left out.
    pub fn hours(&self, key: &SpanKey, windows: &[TimeWindow]) -> Result<BTreeMap<UtcHour, Counts>, StoreError> {
        let series = self.series();
        let ids = series.iter().filter(|(_, series)| series.is_duration() && series.key == *key).map(|(id, _)| *id);
        let wanted = |hour: UtcHour| {
            let whole = TimeWindow::new(hour.start(), UtcHour(hour.0.saturating_add(1)).start());
            windows.iter().any(|window| whole.from < window.to && window.from < whole.to)
        };
        let mut hours: BTreeMap<UtcHour, Counts> = BTreeMap::new();
        for id in ids {
            for (first, last) in days(windows) {
                // Each stretch takes the lock for itself: who writes meanwhile does not wait for all of them.
                let inner = self.lock();
                let rows =
                    inner.trees()?.learnt.range(slice_row(id, first, 0)..slice_row(id, last.saturating_add(1), 0));
                for row in rows {
                    let (name, value) = row.map_err(reading)?;
                    let Some((day, _)) = day_and_hour(&name) else { continue };
                    let Some(row) = record::open(&value).and_then(DayRow::decode) else { continue };
                    for (hour_of_day, slice) in row.iter() {
                        let hour = UtcHour(day.saturating_mul(24).saturating_add(i32::from(hour_of_day)));
                        if wanted(hour) {
                            hours.entry(hour).or_default().merge(&Counts::from(slice));
                        }
                    }
                }
            }
        }
        Ok(hours)
    }

    /// Anomalies of a key whose spans began within the window, oldest first.
    ///
    /// # Errors
    /// When sled cannot read; damaged records are left out.
    pub fn anomalies_of(&self, key: &SpanKey, window: TimeWindow) -> Result<Vec<Anomaly>, StoreError> {
        let rows = self.lock().trees()?.anomalies.range(from_time(window.from)..from_time(window.to));
        read(rows, |anomaly: &Anomaly| anomaly.key == *key)
    }
}

/// First and last UTC days of disjoint stretches that hold the windows.
fn days(windows: &[TimeWindow]) -> Vec<(i32, i32)> {
    let mut days: Vec<(i32, i32)> =
        windows.iter().map(|window| (UtcHour::of(window.from).day(), UtcHour::of(window.to).day())).collect();
    days.sort_unstable();
    days.dedup_by(|next, before| {
        let touching = next.0 <= before.1 + 1;
        if touching {
            before.1 = before.1.max(next.1);
        }
        touching
    });
    days
}
