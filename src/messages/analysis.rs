//! What the analysis pane shows.

use serde::{Deserialize, Serialize};

use crate::domain::{Anomaly, MetricSample, Timestamp};

/// One run of the model. Text of one run is never shown under another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnalysisId(pub u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    pub id: AnalysisId,
    pub anomaly: Anomaly,
    pub state: AnalysisState,
    pub model: String,
    pub started: Timestamp,
    /// Computed statements, complete without any model, in the order in which the prompt lists them.
    pub facts: Vec<String>,
    /// Metrics at the anomaly's time; empty when Prometheus had none, and then `metrics_note` says why.
    pub metrics: Vec<MetricReading>,
    pub metrics_note: Option<String>,
    /// Model text so far, cleaned of everything a terminal would obey; lines kept.
    pub text: String,
    /// Set once the prompt was built.
    pub receipt: Option<PromptReceipt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnalysisState {
    /// Fetching the trace and the metrics.
    Gathering,
    /// The prompt is sent, no token has come. `loading` once the server says that the model is not in memory yet.
    Waiting {
        loading: bool,
    },
    Streaming,
    Done {
        tokens: Option<u64>,
        tokens_per_s: Option<u32>,
        cut_by_limit: bool,
    },
    Cancelled,
    /// One sentence: what happened and what to do. Text received before stays.
    Failed(String),
}

/// A metric beside the anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricReading {
    pub sample: MetricSample,
    /// The middle half of the values of the hour before the anomaly (25th and 75th percentile); `None` without history.
    pub usual: Option<(f64, f64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptReceipt {
    /// The exact text that was sent.
    pub prompt: String,
    /// Estimated before sending; replaced by the server's own count when it reports one.
    pub tokens: u64,
    pub context_tokens: u64,
    /// What was left out to fit, in words; empty when nothing was.
    pub cut: Vec<String>,
    /// The server read fewer tokens than were sent: it dropped the front of the prompt.
    pub truncated_by_server: bool,
}

impl AnalysisState {
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self, Self::Gathering | Self::Waiting { .. } | Self::Streaming)
    }
}
