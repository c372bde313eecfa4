//! The words of the field, as types. Nothing here does IO, reads a clock or knows a backend.

mod act;
mod alert;
mod anomaly;
mod bins;
mod calendar;
mod exemplar;
pub mod filter;
mod level;
mod metric;
mod rules;
mod severity;
mod span;
pub mod text;
mod time;
mod why;

pub use act::{
    Ack, Act, ActId, ActLog, Covered, Deed, Fingerprint, Hold, Note, Over, OverWhy, Rating, Silence, Until, Verdict,
};
pub use alert::{
    Alert, AlertId, AlertKind, Arithmetic, Counterfactual, Incident, IncidentId, NearMiss, QuietHour, Subject, Suspect,
    odds,
};
pub use anomaly::{Anomaly, AnomalyId, Level};
pub use bins::{Bins, Group, bin_of, lower_edge};
pub use calendar::{Calendar, HourOfWeek, UtcHour};
pub use exemplar::{Compared, Exemplar, ExemplarSlot, Owner, Part, Separation, Side, Split, Spread, What};
pub use level::{AcceptedLevel, Durations, LevelId, LevelShift, ShiftedKey, Undone};
pub use metric::{MetricKind, MetricSample};
pub use rules::Broken;
pub use severity::Severity;
pub use span::{Attributes, EventsBySpan, Span, SpanEvent, SpanId, SpanKey, SpanKind, Trace, TraceId};
pub use time::{Micros, TimeWindow, Timestamp};
pub use why::{KindTested, Obstacle, Tested};
