//! The one place where the monitor reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::Utc;

use crate::domain::{Micros, Timestamp};

/// The backend's time: this machine's clock, corrected by what the trace backend said of its own. Spans are compared
/// with it, so that a wrong clock on a jump host neither hides traces nor makes them come from the future.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset_us: Arc<AtomicI64>,
}

/// Smaller differences are the whole seconds of a `Date` header and the way there.
const TOLERATED: Micros = Micros::from_secs(5);

impl Clock {
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_micros().saturating_add(self.offset_us.load(Ordering::Relaxed)))
    }

    /// Takes over the backend's time. Returns by how much this machine's clock is off (positive: behind), if at all.
    pub fn follow(&self, server: Timestamp) -> Option<Offset> {
        let ours = Timestamp(Utc::now().timestamp_micros());
        let ahead = server.0.saturating_sub(ours.0);
        let off = ahead.unsigned_abs() > TOLERATED.0;
        self.offset_us.store(if off { ahead } else { 0 }, Ordering::Relaxed);
        off.then_some(Offset { by: Micros(ahead.unsigned_abs()), behind: ahead > 0 })
    }
}

/// How wrong this machine's clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    pub by: Micros,
    pub behind: bool,
}
