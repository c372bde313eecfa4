//! What the app may ask of the monitor.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TrendsWanted;
use crate::domain::{
    ActId, AlertId, AnomalyId, IncidentId, LevelId, Severity, SpanKey, Subject, Timestamp, TraceId, Until, Verdict,
};

/// Chosen by the sender; the answer echoes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub id: CommandId,
    pub kind: CommandKind,
}

/// Orders, in the imperative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Explain this anomaly's trace; the newest request wins over a running one.
    StartAnalysis {
        anomaly: AnomalyId,
    },
    CancelAnalysis,
    /// Compute all baselines anew from what has been learnt.
    Recalculate,
    /// Compute what `Recalculate` would and tell the outcome, but leave the baselines in use as they are.
    RehearseRecalculation,
    /// Use the generation again that was in use before; given twice, it is as if never given.
    TakeBackRecalculation,
    CancelRecalculation,
    /// Take what these open alerts are about for normal from their onset on; each must offer a level shift.
    AcceptLevel {
        alerts: Vec<AlertId>,
    },
    /// Take back that a level was accepted: what was normal before it is again.
    UndoLevel {
        level: LevelId,
    },
    /// Do something about alerts; whoever runs the monitor is noted as who did it.
    Act(ActCommand),
    /// Make this key the one whose baseline is sent.
    ShowBaseline {
        key: SpanKey,
    },
    /// Make this key the one whose 168 hours of the week are sent.
    ShowWeek {
        key: SpanKey,
    },
    /// Send the arithmetic of the alert test about this subject, for windows that end `at`, or now.
    ExplainVerdict {
        subject: Subject,
        at: Option<Timestamp>,
    },
    /// Send what was done and what is known of earlier about this incident, and keep it up to date; about none from now on.
    ShowIncident {
        incident: Option<IncidentId>,
    },
    /// Send all that is known of this service, and keep it up to date until another is asked for, or none.
    ShowService {
        service: Option<Arc<str>>,
    },
    /// Send which service calls which, and keep it up to date while it is shown.
    ShowMap {
        shown: bool,
    },
    /// Fetch and send this trace, with the given span under the cursor.
    ShowTrace {
        trace: TraceId,
    },
    /// Send this operation over time, and again whenever it changed, until something else is wanted; `None` wants nothing.
    ShowTrends {
        wanted: Option<TrendsWanted>,
    },
    /// Poll every source now instead of at its next turn.
    PollNow,
    /// Flush and end.
    Shutdown,
}

/// Orders about alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActCommand {
    /// Somebody looks into this open incident, or into one open alert of it, of which they saw this severity.
    Acknowledge { incident: IncidentId, alert: Option<AlertId>, seen: Severity, until: Until, reason: String },
    /// Hold back whatever this filter matches.
    Silence { matcher: String, until: Until, reason: String },
    /// End an acknowledgement or a silence before its time.
    End { act: ActId },
    /// Write something down about an incident.
    Note { incident: IncidentId, text: String },
    /// Say whether it was right to wake somebody for this incident.
    Rate { incident: IncidentId, verdict: Verdict },
    /// Undo the newest act; refused when it is not this one any more.
    Undo { act: ActId },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted,
    /// One sentence that says why not, and what to do instead.
    Refused(String),
}
