//! Everything the two halves say to each other: plain serde data, without channels, handles or `Arc`s of state.
//!
//! A [`Command`] carries an id and its answer echoes it. An [`Update`] replaces a *topic* as a whole, with a revision, so
//! a slow reader may skip to the newest; only tokens and notices are streams. A new viewer starts from a snapshot: the
//! newest update of every topic.

mod analysis;
mod command;
mod comparison;
mod incident;
mod service;
mod trends;
mod views;
mod waterfall;
mod week;

pub use analysis::{Analysis, AnalysisId, AnalysisState, MetricReading, PromptReceipt};
pub use command::{ActCommand, Command, CommandId, CommandKind, Outcome};
pub use comparison::{ComparisonView, NormalTrace};
pub use incident::{IncidentHistory, PastAlert, PastAlerts, PastIncident, PastNote};
pub use service::{
    EdgeView, FailureRow, FailuresView, MapView, Means, MetricsSeen, NodeView, OperationView, Pace, RequestsView,
    ServicePageView,
};
pub use trends::{
    TrendAlert, TrendColumn, TrendDay, TrendNormal, TrendNumbers, TrendRange, TrendSource, TrendsView, TrendsWanted,
};
pub use views::{
    ActsView, AnomalyView, Back, BackFill, BaselineView, Calm, CellView, ChangedCell, HeldView, IncidentView,
    LearningView, LevelView, Life, MaintenanceView, MonitorView, NoiseRow, RecalculationKind, RecalculationState,
    RecordView, RejudgedAlerts, ServiceState, ServiceView, SourceKind, SourceState, SourceView, WhyView,
};
pub use waterfall::{Normal, TraceState, TraceView, Waterfall, WaterfallSpan};
pub use week::{AlertLimit, CellNumbers, PartNumbers, PartView, PastView, WeekHour, WeekView, WiderCell};

use serde::{Deserialize, Serialize};

/// From the monitor to the app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Grows by one with every update of the monitor.
    pub revision: u64,
    pub body: UpdateBody,
}

/// Facts, in the past tense where they are events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateBody {
    /// Topic: each backend's freshness.
    Sources(Vec<SourceView>),
    /// Topic: the monitor as a whole.
    Monitor(MonitorView),
    /// Topic: every known service, worst first.
    Services(Vec<ServiceView>),
    /// Topic: incidents, the open ones first, then those closed in the last hour.
    Incidents(Vec<IncidentView>),
    /// Topic: slow spans grouped by span key, worst first: to look into, not to wake for.
    Records(Vec<RecordView>),
    /// Topic: how much has been learnt.
    Learning(LearningView),
    /// Topic: accepted levels in force, the newest first.
    Levels(Vec<LevelView>),
    /// Topic: acknowledgements, silences and maintenance.
    Acts(Box<ActsView>),
    /// Topic: what was alerted in the last 30 days, by subject and kind, what deserves mending most first.
    Noise(Vec<NoiseRow>),
    /// Topic: the baseline of the key last asked for by [`CommandKind::ShowBaseline`].
    Baseline(Box<BaselineView>),
    /// Topic: the week of the operation last asked for by [`CommandKind::ShowWeek`].
    Week(Box<WeekView>),
    /// Topic: the trace last asked for by [`CommandKind::ShowTrace`].
    Trace(Box<TraceView>),
    /// Topic: the trace last asked for, beside normal ones of its operation.
    Comparison(Box<ComparisonView>),
    /// Topic: the arithmetic last asked for by [`CommandKind::ExplainVerdict`].
    Why(Box<WhyView>),
    /// Topic: what is known from before about the incident last asked for by [`CommandKind::ShowIncident`].
    IncidentHistory(Box<IncidentHistory>),
    /// Topic: the service last asked for by [`CommandKind::ShowService`].
    Service(Box<ServicePageView>),
    /// Topic: which service calls which, while [`CommandKind::ShowMap`] asked for it.
    Map(Box<MapView>),
    /// Topic: the operation last asked for by [`CommandKind::ShowTrends`], over time.
    Trends(Box<TrendsView>),
    /// Topic: the running or last recalculation.
    Recalculation(RecalculationState),
    /// Topic: the running or last analysis. Its text so far is included, so that a new viewer misses nothing.
    Analysis(Box<Analysis>),
    /// Stream: text that came since the last `Analysis` or `TokensArrived` of the same run.
    TokensArrived { analysis: AnalysisId, text: String },
    /// Stream: something a person should read once.
    Notice(String),
    /// The answer to a command.
    CommandAnswered { id: CommandId, outcome: Outcome },
}
