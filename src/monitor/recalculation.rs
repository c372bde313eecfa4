//! Computing a generation from the store, key by key, in a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::baseline::{self, Generation, KeyBuilder, Levels, SeriesKey};
use crate::detect::{self, Rejudged};
use crate::domain::{Alert, Calendar, Micros, NearMiss, TimeWindow, Timestamp};
use crate::messages::{ChangedCell, RecalculationKind, RecalculationState, RejudgedAlerts, UpdateBody};
use crate::store::{self, Query, Store, StoreError};

use super::clock::Clock;
use super::mailbox::Mailbox;

/// sled keeps what was scanned; closing it every so many keys bounds that to some 20 MB.
const KEYS_BETWEEN_REOPENING: usize = 64;
/// Progress is told this often: a bar has no more steps than that.
const PROGRESS_STEPS: usize = 50;
/// Alerts as old as this are judged by a new generation.
const REJUDGED: Micros = Micros::from_secs(7 * 86_400);
/// Alerts that would vanish or appear are named up to so many.
const MOST_NAMED: usize = 3;

#[derive(Debug)]
pub struct Job {
    pub store: Store,
    pub settings: baseline::Settings,
    pub keep: store::Settings,
    pub before: Arc<Generation>,
    pub levels: Levels,
    pub cancelled: Arc<AtomicBool>,
    pub mailbox: Mailbox,
    pub clock: Clock,
    /// Only tell what would change.
    pub rehearse: bool,
}

#[derive(Debug)]
pub enum Recalculated {
    Made { generation: Arc<Generation>, state: RecalculationState },
    Rehearsed(RecalculationState),
    Cancelled,
    Failed(String),
}

impl Job {
    pub fn run(&self) -> Recalculated {
        match self.compute() {
            Ok(Some(result)) => result,
            Ok(None) => Recalculated::Cancelled,
            Err(error) => Recalculated::Failed(format!("{error}; the baselines in use stay as they are")),
        }
    }

    fn compute(&self) -> Result<Option<Recalculated>, StoreError> {
        let started = self.clock.now();
        let mut series = self.store.series();
        series.retain(|(_, series)| self.levels.answers(series));
        let tell = |done: usize| {
            self.mailbox.tell(UpdateBody::Recalculation(RecalculationState::Running {
                keys_done: done as u32,
                keys_total: series.len() as u32,
                started,
            }));
        };
        tell(0);
        self.store.tidy(started, self.settings.history_days, &self.keep)?;
        let mut builder = KeyBuilder::new(self.settings.calendar());
        let rules = self.settings.rules();
        let mut generation = Generation {
            number: self.store.newest_generation()?.max(self.before.number) + 1,
            made_at: started,
            structure: Arc::new(self.store.structure()?),
            watched_s: baseline::watched(&self.learnt_windows(started)?, &self.settings.calendar()),
            levels: self.levels.numbers(),
            ..Generation::default()
        };
        let mut damaged = 0;
        for (index, (id, key)) in series.iter().enumerate() {
            if self.cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            damaged += self.store.read_slices(*id, &mut builder)?;
            let baseline = builder.finish(&rules);
            if baseline.samples > 0 {
                let named = SeriesKey::new(key.key.clone(), key.measure.clone());
                generation.series.insert(named, Arc::new(baseline));
            }
            if (index + 1) % KEYS_BETWEEN_REOPENING == 0 {
                self.store.reopen()?;
            }
            if (index + 1) % series.len().div_ceil(PROGRESS_STEPS) == 0 {
                tell(index + 1);
            }
        }
        self.store.reopen()?;
        if damaged > 0 {
            self.mailbox.tell(UpdateBody::Notice(format!(
                "{damaged} rows of samples in the store are damaged and were left out; back-fill does not replace them"
            )));
        }
        let generation = Arc::new(generation);
        let alerts = recent_alerts(&self.store, started)?;
        let near = recent_near_misses(&self.store, started)?;
        let outcome =
            Outcome { before: &self.before, alerts: &alerts, near: &near, calendar: &self.settings.calendar() };
        let how = if self.rehearse { RecalculationKind::Rehearsed } else { RecalculationKind::Applied };
        let state = outcome.tell(&generation, how, started, self.clock.now());
        Ok(Some(if self.rehearse { Recalculated::Rehearsed(state) } else { Recalculated::Made { generation, state } }))
    }

    /// The stretches from which the kept samples are.
    fn learnt_windows(&self, now: Timestamp) -> Result<Vec<TimeWindow>, StoreError> {
        let ledger = self.store.ledger()?;
        let kept = TimeWindow::new(Store::kept_from(now, self.settings.history_days), Timestamp(i64::MAX));
        let forgotten = baseline::gaps(&[kept], TimeWindow::new(Timestamp(i64::MIN), Timestamp(i64::MAX)));
        Ok(baseline::without(&baseline::without(&ledger.known, &ledger.excluded), &forgotten))
    }
}

/// What a recalculation is compared with.
#[derive(Debug)]
pub struct Outcome<'a> {
    pub before: &'a Generation,
    /// Those of the last seven days.
    pub alerts: &'a [Alert],
    /// What was nearly one in those days.
    pub near: &'a [NearMiss],
    pub calendar: &'a Calendar,
}

impl Outcome<'_> {
    /// The panel: what changed, and what it means for the alerts there were.
    #[must_use]
    pub fn tell(
        &self,
        generation: &Generation,
        how: RecalculationKind,
        started: Timestamp,
        at: Timestamp,
    ) -> RecalculationState {
        let comparison = generation.compare(self.before);
        let micros = |us: f64| Micros(us.max(0.0).round() as u64);
        RecalculationState::Done {
            how,
            at,
            took: at.since(started),
            generation: generation.number,
            keys: generation.keys().count() as u32,
            samples: generation.samples(),
            changed: comparison.changed,
            compared: comparison.compared,
            largest: comparison
                .largest
                .into_iter()
                .map(|moved| ChangedCell {
                    key: moved.key,
                    bucket: moved.bucket,
                    p99_before: micros(moved.before_us),
                    p99_after: micros(moved.after_us),
                })
                .collect(),
            alerts: self.rejudged(generation),
        }
    }

    fn rejudged(&self, generation: &Generation) -> RejudgedAlerts {
        let mut told = RejudgedAlerts::default();
        for alert in self.alerts.iter().rev() {
            match detect::rejudge(alert.kind, &alert.subject, &alert.worst, generation, self.calendar) {
                Rejudged::Stands => told.stand += 1,
                Rejudged::Unclear => told.unclear += 1,
                Rejudged::Vanishes => {
                    told.vanish += 1;
                    if told.vanished.len() < MOST_NAMED {
                        told.vanished.push(alert.clone());
                    }
                }
            }
        }
        for miss in self.near.iter().rev() {
            let NearMiss { subject, kind, numbers, .. } = miss;
            if detect::rejudge(*kind, subject, numbers, generation, self.calendar) == Rejudged::Stands {
                told.appear += 1;
                if told.appeared.len() < MOST_NAMED {
                    told.appeared.push(miss.clone());
                }
            }
        }
        told
    }
}

/// The alerts of the last seven days, in the order in which they were raised.
///
/// # Errors
/// When the store cannot be read.
pub fn recent_alerts(store: &Store, now: Timestamp) -> Result<Vec<Alert>, StoreError> {
    let window = TimeWindow::new(now - REJUDGED, now);
    store.alerts(&Query { window: Some(window), ..Query::default() })
}

/// What was nearly an alert in the last seven days, in the order of time.
///
/// # Errors
/// When the store cannot be read.
pub fn recent_near_misses(store: &Store, now: Timestamp) -> Result<Vec<NearMiss>, StoreError> {
    let recent = store.quiet_hours()?.into_iter().filter(|hour| hour.hour.start() >= now - REJUDGED);
    Ok(recent.flat_map(|hour| hour.near).collect())
}
