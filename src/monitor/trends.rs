//! Reading what the store has of one operation's past.

use crate::engine::{StoredTrends, TrendsReading};
use crate::store::{Query, Store, StoreError};

/// # Errors
/// When the store cannot be read.
pub fn read(store: &Store, reading: TrendsReading) -> Result<StoredTrends, StoreError> {
    let TrendsReading { wanted, key, hours, alerts, anomalies } = reading;
    let service = Some(key.service.to_string());
    Ok(StoredTrends {
        hours: store.hours(&key, &hours)?,
        alerts: store.alerts(&Query { window: Some(alerts), service, ..Query::default() })?,
        anomalies: store.anomalies_of(&key, anomalies)?,
        wanted,
    })
}
