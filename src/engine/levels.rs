//! New levels: offered with an alert that lasts, accepted or undone by a person, learnt from then on.

use std::collections::BTreeMap;

use crate::baseline::{Learnt, gaps, without};
use crate::detect;
use crate::domain::{AcceptedLevel, Alert, AlertId, Durations, LevelId, SpanKey, TimeWindow, Timestamp, Undone};
use crate::messages::{LevelView, UpdateBody};

use super::{Engine, Output};

/// Baselines are made anew when a key of a new level has as many samples: those with which it is tested at all, and those
/// from which its p95, p99 and p99.9 are known. After that the nightly turn does.
const TELLING: [u64; 4] = [detect::ENOUGH_ON_LEVEL, 100, 500, 5_000];

/// How many durations were learnt on each level.
pub type OnLevels = BTreeMap<(LevelId, SpanKey), u64>;

impl Engine {
    /// The decision, yet to be written down, that what these alerts are about is normal from now on.
    ///
    /// # Errors
    /// A sentence for a person, when one of them offers nothing.
    pub fn propose_level(&self, alerts: &[AlertId], by: &str, now: Timestamp) -> Result<AcceptedLevel, String> {
        let open: Vec<&Alert> = self.book.alerts().filter(|alert| alerts.contains(&alert.id)).collect();
        let (Some(first), true) = (open.first(), open.len() == alerts.len()) else {
            return Err("an alert of it has ended, or has ended and begun anew; look again".to_owned());
        };
        if open.iter().any(|alert| alert.offer().is_none()) {
            return Err("it is no longer steady, so there is no level to accept; look again".to_owned());
        }
        let mut keys: Vec<SpanKey> = open
            .iter()
            .filter_map(|alert| alert.offer())
            .flat_map(|shift| &shift.keys)
            .map(|of| of.key.clone())
            .collect();
        keys.sort();
        keys.dedup();
        let samples = |key: &SpanKey| self.generation.durations(key).map_or(0, |baseline| baseline.samples);
        let since = open.iter().map(|alert| alert.onset).max().unwrap_or(now);
        Ok(AcceptedLevel {
            id: self.levels.next(),
            incident: first.incident,
            alerts: open.iter().map(|alert| alert.id).collect(),
            left_out: keys.iter().map(samples).sum(),
            keys,
            since: since.minute_after(),
            at: now,
            by: by.to_owned(),
            undone: None,
        })
    }

    /// The decision, yet to be written down, that a level is not normal after all.
    ///
    /// # Errors
    /// A sentence for a person, when there is no such level in force.
    pub fn propose_undoing(&self, level: LevelId, by: &str, now: Timestamp) -> Result<AcceptedLevel, String> {
        let level = self.levels.get(level).filter(|level| level.is_in_force());
        let level = level.ok_or_else(|| "this level is not in force any more".to_owned())?;
        Ok(AcceptedLevel { undone: Some(Undone { at: now.minute_after(), by: by.to_owned() }), ..level.clone() })
    }

    /// What was decided counts from now on.
    pub(super) fn take_level(&mut self, level: AcceptedLevel, now: Timestamp, out: &mut Vec<Output>) {
        if level.is_in_force() {
            let freed = self.hygiene.forgive(&level.alerts, level.since);
            self.reopen(&freed, out);
        }
        let at = self.judged_to.unwrap_or(now);
        let (id, keys, alerts) = (level.id, level.keys.clone(), level.alerts.clone());
        let in_force = level.is_in_force();
        self.levels.insert(level);
        self.fit_generation();
        self.watch.forget_times(&keys);
        if in_force {
            let changes = self.book.accept(at, &alerts, id, &self.watch, &self.metrics);
            self.record(changes, out);
        }
        self.recalculation_due = true;
        self.tell_all(now, out);
    }

    /// What was left out of these stretches, and is no trouble any more, is learnt: what waits here still as it is released,
    /// the rest by back-fill.
    fn reopen(&mut self, freed: &[TimeWindow], out: &mut Vec<Output>) {
        let left_out: Vec<TimeWindow> = freed
            .iter()
            .flat_map(|window| {
                let released = TimeWindow::new(window.from, window.to.min(self.released).max(window.from));
                gaps(&gaps(&self.ledger.excluded, released), released)
            })
            .collect();
        if left_out.is_empty() {
            return;
        }
        self.ledger.known = without(&self.ledger.known, &left_out);
        self.ledger.excluded = without(&self.ledger.excluded, &left_out);
        self.traces.unlearn(&left_out);
        out.push(Output::ForgetWindows(left_out));
    }

    /// Takes up what earlier runs decided.
    pub(super) fn resume_levels(&mut self, levels: Vec<AcceptedLevel>, on_levels: OnLevels) {
        for level in levels {
            // What was accepted was no trouble, also if it was undone since: it is learnt, apart from the old level.
            self.hygiene.forgive(&level.alerts, level.since);
            self.levels.insert(level);
        }
        self.on_levels = on_levels;
        self.fit_generation();
    }

    /// Counts what was learnt on new levels. It is time to make baselines of it when a key has become testable, or when
    /// the one that is called most knows another percentile.
    pub(super) fn count_on_levels(&mut self, learnt: &Learnt) {
        let stages = |n: u64| TELLING.iter().filter(|enough| n >= **enough).count();
        let most = |counts: &OnLevels, level: LevelId| {
            counts.iter().filter(|((of, _), _)| *of == level).map(|(_, n)| *n).max().unwrap_or(0)
        };
        let before = self.on_levels.clone();
        for ((series, _), slice) in &learnt.slices {
            if series.is_duration() && series.level != LevelId::default() {
                *self.on_levels.entry((series.level, series.key.clone())).or_default() += slice.durations.count();
            }
        }
        let in_force = |level: LevelId| self.levels.get(level).is_some_and(AcceptedLevel::is_in_force);
        self.recalculation_due |= self.on_levels.iter().any(|(place, n)| {
            let (level, known) = (place.0, before.get(place).copied().unwrap_or(0));
            let leads = stages(most(&before, level)) < stages(most(&self.on_levels, level));
            in_force(level) && n != &known && (leads || stages(known) == 0 && stages(*n) > 0)
        });
    }

    /// Samples of a key that is still learning a new level; `None` where it is judged or on its first one.
    pub(super) fn learning(&self, key: &SpanKey) -> Option<u64> {
        let level = self.levels.in_force(key)?;
        let judged = self.generation.durations(key).is_some_and(|b| b.samples >= detect::ENOUGH_ON_LEVEL);
        (!judged).then(|| self.on_levels.get(&(level.id, key.clone())).copied().unwrap_or(0))
    }

    /// Fills in how long the calls of a shifted alert take now.
    pub(super) fn complete_shift(&self, alert: &mut Alert) {
        let Some(shift) = &mut alert.shift else { return };
        for of in &mut shift.keys {
            let recent = self.keys.find(&of.key).map(|entry| entry.last_hour.since(shift.since));
            of.now = recent.and_then(|recent| {
                let n = recent.durations.count();
                Some(Durations { n, p50: recent.quantile(0.5)?, p95: recent.quantile(0.95)? })
            });
        }
    }

    /// Levels in force, the newest first.
    pub(super) fn tell_levels(&self) -> Output {
        let learnt = |id: LevelId, key: &SpanKey| self.on_levels.get(&(id, key.clone())).copied().unwrap_or(0);
        let view = |level: &AcceptedLevel| LevelView {
            learnt: level.keys.iter().map(|key| learnt(level.id, key)).collect(),
            needs: detect::ENOUGH_ON_LEVEL,
            level: level.clone(),
        };
        Output::Tell(UpdateBody::Levels(
            self.levels.iter().rev().filter(|level| level.is_in_force()).map(view).collect(),
        ))
    }
}
