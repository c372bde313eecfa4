//! Levels that were accepted, and the minutes that this makes learnable.

use crate::baseline::without;
use crate::domain::{AcceptedLevel, TimeWindow};

use super::rows::number_row;
use super::{Store, StoreError, history, record, writing};

impl Store {
    /// Writes down that a level was accepted, or undone; it is on the disk when this returns.
    ///
    /// # Errors
    /// When sled cannot write; then nothing is to happen either.
    pub fn record_level(&self, level: &AcceptedLevel) -> Result<(), StoreError> {
        let inner = self.lock();
        let levels = &inner.trees()?.levels;
        history::insert(levels, &number_row(level.id.0), level)?;
        levels.flush().map_err(writing)?;
        Ok(())
    }

    /// All levels that were ever accepted, in that order. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn levels(&self) -> Result<Vec<AcceptedLevel>, StoreError> {
        history::read(self.lock().trees()?.levels.iter(), |_| true)
    }

    /// Makes stretches that were left out unknown again: back-fill learns them.
    ///
    /// # Errors
    /// When sled cannot read or write; then nothing was written.
    pub fn forget_windows(&self, windows: &[TimeWindow]) -> Result<(), StoreError> {
        let ledger = self.ledger()?;
        let inner = self.lock();
        let tree = &inner.trees()?.learnt;
        let mut batch = sled::Batch::default();
        let known = without(&ledger.known, windows);
        batch.insert(b"w", record::seal(&record::write_windows(&known, ledger.samples)));
        batch.insert(b"x", record::seal(&record::write_windows(&without(&ledger.excluded, windows), 0)));
        tree.apply_batch(batch).map_err(writing)?;
        tree.flush().map_err(writing)?;
        Ok(())
    }
}
