//! The alert test in full: what was tried of a subject, and what kept it from being an alert.

use serde::{Deserialize, Serialize};

use super::{AlertKind, Arithmetic, Severity, Subject};

/// What a window lacked to be an alert of a severity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Nothing was seen in the window.
    Empty,
    /// Too few samples are known to have a limit of that severity.
    NoLimit,
    /// Fewer calls count than several.
    TooFew { needs: u64 },
    /// The share that counts is not far enough above the expected one. Shares are of one.
    SmallExcess { excess: f64, needs: f64 },
    /// Likelier by chance than the odds at which an alert is raised.
    LikelyByChance,
}

impl Obstacle {
    /// The chance itself, where it is no smaller than the odds at which an alert is raised.
    #[must_use]
    pub fn of_chance(arithmetic: &Arithmetic) -> Option<Self> {
        (arithmetic.log10_chance >= arithmetic.log10_alpha).then_some(Self::LikelyByChance)
    }
}

/// One window tried against the limit of one severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    pub severity: Severity,
    pub arithmetic: Arithmetic,
    /// The first thing that it lacked; `None` where it is unlikely enough and large enough to raise an alert.
    pub obstacle: Option<Obstacle>,
}

/// All that was tried of a subject in one respect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindTested {
    pub kind: AlertKind,
    /// What is shown beside the numbers, as in an alert.
    pub detail: String,
    /// Samples behind the baseline, and how many it takes to be tested at all.
    pub samples: u64,
    pub needs: u64,
    /// Where it has too few samples to be tested by itself: together with what it is, and from how many samples on alone.
    pub pooled: Option<(Subject, u64)>,
    /// Windows from the shortest to the longest, each at its limits from SEV1 on; empty where nothing can be said.
    pub tested: Vec<Tested>,
}

impl KindTested {
    /// Whether enough is known to test it.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.samples >= self.needs
    }
}
