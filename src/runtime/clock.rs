//! The one place that reads the wall clock for the screens.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// The wall clock now. A clock set before 1970 reads as 1970.
#[must_use]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
