//! Computing a generation from the store, key by key, in a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::baseline::{self, Generation, KeyBuilder};
use crate::domain::{Micros, TimeWindow, Timestamp};
use crate::messages::{ChangedCell, RecalculationState, UpdateBody};
use crate::store::{self, Store, StoreError};

use super::clock::Clock;
use super::mailbox::Mailbox;

/// sled keeps what was scanned; closing it every so many keys bounds that to some 20 MB.
const KEYS_BETWEEN_REOPENING: usize = 64;
/// Progress is told this often: a bar has no more steps than that.
const PROGRESS_STEPS: usize = 50;

#[derive(Debug)]
pub struct Job {
    pub store: Store,
    pub settings: baseline::Settings,
    pub keep: store::Settings,
    pub before: Arc<Generation>,
    pub cancelled: Arc<AtomicBool>,
    pub mailbox: Mailbox,
    pub clock: Clock,
}

#[derive(Debug)]
pub enum Recalculated {
    Made { generation: Arc<Generation>, state: RecalculationState },
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
        let series = self.store.series();
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
            number: self.before.number + 1,
            made_at: started,
            structure: Arc::new(self.store.structure()?),
            watched_s: baseline::watched(&self.learnt_windows(started)?, &self.settings.calendar()),
            ..Generation::default()
        };
        let mut damaged = 0;
        for (index, (id, key)) in series.iter().enumerate() {
            if self.cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            damaged += self.store.read_slices(*id, &mut builder)?;
            let baseline = builder.finish(self.settings.min_samples, &rules);
            if baseline.samples > 0 {
                generation.series.insert(key.clone(), Arc::new(baseline));
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
        let state = self.summary(&generation, started);
        Ok(Some(Recalculated::Made { generation, state }))
    }

    /// The stretches from which the kept samples are.
    fn learnt_windows(&self, now: Timestamp) -> Result<Vec<TimeWindow>, StoreError> {
        let ledger = self.store.ledger()?;
        let kept = TimeWindow::new(Store::kept_from(now, self.settings.history_days), Timestamp(i64::MAX));
        let forgotten = baseline::gaps(&[kept], TimeWindow::new(Timestamp(i64::MIN), Timestamp(i64::MAX)));
        Ok(baseline::without(&baseline::without(&ledger.known, &ledger.excluded), &forgotten))
    }

    fn summary(&self, generation: &Generation, started: Timestamp) -> RecalculationState {
        let comparison = generation.compare(&self.before);
        let at = self.clock.now();
        let micros = |us: f64| Micros(us.max(0.0).round() as u64);
        RecalculationState::Done {
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
        }
    }
}
