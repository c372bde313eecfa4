//! Reading the past of an operation from the store, in a thread of its own: one at a time, and of those that wait the newest.

use tokio::sync::mpsc;

use crate::baseline::{Past, SeriesKey};
use crate::domain::Calendar;
use crate::engine::{PastRead, PastWanted, week_p99};
use crate::store::{Store, StoreError};

use super::core::ToCore;

#[derive(Debug, Default)]
pub struct PastReader {
    busy: bool,
    waiting: Option<PastWanted>,
}

impl PastReader {
    /// Reads it now, or once what is being read has come.
    pub fn read(&mut self, wanted: PastWanted, store: &Store, calendar: Calendar, to_core: &mpsc::WeakSender<ToCore>) {
        if self.busy {
            self.waiting = Some(wanted);
            return;
        }
        let Some(to_core) = to_core.upgrade() else { return };
        let store = store.clone();
        let spawned = std::thread::Builder::new().name("past".to_owned()).spawn(move || {
            let read = read_past(&store, wanted, calendar);
            let _ = to_core.blocking_send(ToCore::PastRead(Box::new(read)));
        });
        // Without a thread it is asked for again within the hour; until then the screen says that it is being read.
        self.busy = spawned.is_ok();
    }

    /// What was being read has come. Gives what is to be read next.
    pub fn done(&mut self) -> Option<PastWanted> {
        self.busy = false;
        self.waiting.take()
    }
}

/// What the store knows of the past of an operation.
#[must_use]
pub fn read_past(store: &Store, wanted: PastWanted, calendar: Calendar) -> PastRead {
    let found = || -> Result<_, StoreError> {
        let past = Past::of(&store.slices(&wanted.series)?, &calendar, wanted.until);
        // Baselines stand under the first level's name, whichever answers.
        let former = store.former_baseline(&SeriesKey::duration(wanted.key.clone()))?;
        Ok((past, former.map(|(number, baseline)| (number, week_p99(&baseline)))))
    };
    let found = found().map_err(|error| error.to_string());
    PastRead { wanted, found }
}
