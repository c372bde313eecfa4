//! What people did about alerts.

use std::collections::BTreeSet;

use crate::domain::{Act, ActLog, Deed, IncidentId, Timestamp};

use super::rows::number_row;
use super::{Store, StoreError, history, writing};

impl Store {
    /// Writes an act down as it is now, over what was written of it before; it is on the disk when this returns.
    ///
    /// # Errors
    /// When sled cannot write; then nothing is to happen either.
    pub fn record_act(&self, act: &Act) -> Result<(), StoreError> {
        let inner = self.lock();
        let acts = &inner.trees()?.acts;
        history::insert(acts, &number_row(act.id.0), act)?;
        acts.flush().map_err(writing)?;
        Ok(())
    }

    /// All acts that are kept, in their order. Damaged records are left out.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn acts(&self) -> Result<Vec<Act>, StoreError> {
        history::read(self.lock().trees()?.acts.iter(), |_| true)
    }

    /// Deletes acts that stopped to matter before `oldest`, but never the newest, because numbers go on from it, and none
    /// about an incident that is kept.
    ///
    /// # Errors
    /// When sled cannot read or write.
    pub(super) fn forget_acts(&self, oldest: Timestamp) -> Result<(), StoreError> {
        let log: ActLog = self.acts()?.into_iter().collect();
        let kept: BTreeSet<IncidentId> =
            self.incidents(&super::Query::default())?.into_iter().map(|incident| incident.id).collect();
        let inner = self.lock();
        let mut batch = sled::Batch::default();
        for act in log.iter().rev().skip(1) {
            if log.spent_at(act).is_some_and(|at| at < oldest) && !is_about_kept(&log, act, &kept) {
                batch.remove(&number_row(act.id.0));
            }
        }
        inner.trees()?.acts.apply_batch(batch).map_err(writing)
    }
}

/// An ending goes together with what it ended, or that would be in force again.
fn is_about_kept(log: &ActLog, act: &Act, kept: &BTreeSet<IncidentId>) -> bool {
    match &act.deed {
        Deed::Acknowledged(ack) => ack.incidents.iter().any(|incident| kept.contains(incident)),
        Deed::Rated(rating) => kept.contains(&rating.incident),
        Deed::Noted(note) => kept.contains(&note.incident),
        Deed::Silenced(_) => false,
        Deed::Ended(of) => log.get(*of).is_some_and(|of| is_about_kept(log, of, kept)),
    }
}
