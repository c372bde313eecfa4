//! What is wrong: one span against its baseline.

pub mod chance;
mod culprit;
mod incidents;
mod level;
mod metrics;
mod observation;
mod paths;
mod quiet;
mod rates;
mod rejudge;
mod ring;
mod rules;
mod settings;
mod shapes;
mod subjects;
mod tally;
mod test;
pub mod trace;
mod watch;
mod why;

pub use culprit::Support;
pub use incidents::{Book, Change};
pub use level::{ENOUGH_ON_LEVEL, LASTING};
pub use metrics::{METRICS_LEARNT, METRICS_YOUNG, Metrics, is_resource};
pub use observation::{Observation, Observed, Place};
pub use quiet::Quiet;
pub use rates::rate;
pub use rejudge::{Rejudged, rejudge};
pub use rules::{Comparison, Quantity, Rule};
pub use settings::Settings;
pub use subjects::ENOUGH_FOR_P95;
pub use subjects::{SubjectId, TrackId};
pub use test::{Finding, Force, WINDOWS};
pub use watch::Watch;

use crate::baseline::{Cell, CutOff};
use crate::domain::{Anomaly, AnomalyId, HourOfWeek, Level, Severity, Span, SpanKey, TraceId};

/// What the baselines say of one span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict<'a> {
    /// No level has enough samples: a guess would be worse than silence.
    NotEnoughData,
    Normal,
    Exceeded(Exceedance<'a>),
}

/// A duration above a cut-off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exceedance<'a> {
    pub severity: Severity,
    pub z: f64,
    pub cut_off: CutOff,
    pub level: Level,
    pub cell: &'a Cell,
}

/// Judges a span against the baseline that answers for it.
#[must_use]
pub fn judge<'a>(span: &Span, level: Level, cell: &'a Cell) -> Verdict<'a> {
    if cell.cut_offs.iter().all(Option::is_none) {
        return Verdict::NotEnoughData;
    }
    let z = cell.deviation(span.duration);
    match cell.severity(z) {
        Some((severity, cut_off)) => Verdict::Exceeded(Exceedance { severity, z, cut_off, level, cell }),
        None => Verdict::Normal,
    }
}

impl Exceedance<'_> {
    /// The record of this exceedance.
    #[must_use]
    pub fn anomaly(&self, trace: TraceId, span: &Span, key: SpanKey, bucket: HourOfWeek) -> Anomaly {
        Anomaly {
            id: AnomalyId { trace, span: span.id },
            key,
            severity: self.severity,
            start: span.start,
            duration: span.duration,
            mean_us: self.cell.mean_us,
            sigma_us: self.cell.sigma_us,
            z: self.z,
            cut_off_z: f64::from(self.cut_off.z),
            level: self.level,
            samples: self.cell.samples,
            bucket,
            error: span.error,
            attributes: span.attributes.clone(),
        }
    }
}
