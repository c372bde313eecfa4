//! How far from normal, in five steps.

use std::fmt;

use serde::{Deserialize, Serialize};

/// SEV1 is the worst. Ordered so that a *worse* severity is *smaller*, as engineers number them: `Sev1 < Sev5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    Sev1,
    Sev2,
    Sev3,
    Sev4,
    Sev5,
}

impl Severity {
    /// Worst first.
    pub const ALL: [Self; 5] = [Self::Sev1, Self::Sev2, Self::Sev3, Self::Sev4, Self::Sev5];

    /// 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Sev1),
            2 => Some(Self::Sev2),
            3 => Some(Self::Sev3),
            4 => Some(Self::Sev4),
            5 => Some(Self::Sev5),
            _ => None,
        }
    }

    /// 0 for SEV1 … 4 for SEV5.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    #[must_use]
    pub fn is_at_least(self, threshold: Self) -> bool {
        self <= threshold
    }
}

/// `S1`
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(["S1", "S2", "S3", "S4", "S5"][self.index()])
    }
}
