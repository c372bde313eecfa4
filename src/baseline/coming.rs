//! When maintenance is next, for people.

use std::sync::Arc;

use crate::domain::TimeWindow;

/// A maintenance of the configuration, and when it is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    pub name: String,
    /// Of which no alert is raised; empty for all.
    pub services: Vec<Arc<str>>,
    /// The one that runs, else the next; `None` when there is none any more.
    pub next: Option<TimeWindow>,
    pub weekly: bool,
}
