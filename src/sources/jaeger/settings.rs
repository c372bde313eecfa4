//! What this module takes from the configuration.

use serde::{Deserialize, Serialize};

use crate::domain::Broken;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        Vec::new()
    }
}
