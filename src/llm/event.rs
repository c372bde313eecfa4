//! What is asked of a model, and what comes back.

use super::LlmError;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub system: String,
    pub user: String,
    /// How many tokens both are thought to be; compared with the server's own count to notice a dropped beginning.
    pub tokens_estimate: u64,
}

/// What happened while the model answered. `Done` or `Failed` is the last.
#[derive(Debug, Clone, PartialEq)]
pub enum LlmEvent {
    /// No token yet, and the server says that the model is not in memory: it is being loaded. At most once an attempt.
    Loading,
    /// More text, clean but for its line breaks; never empty, never what the model thought to itself.
    Token(String),
    Done(Done),
    /// Text that came before stays true.
    Failed(LlmError),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    /// Tokens made, as the server counts them.
    pub tokens: Option<u64>,
    pub tokens_per_s: Option<f64>,
    /// The answer ended because it reached `num_predict` or the end of the context, not because it was complete.
    pub cut_by_limit: bool,
    /// Tokens of the prompt, as the server counts them.
    pub prompt_tokens: Option<u64>,
    /// The server counted so much less than was sent that it must have dropped part of the prompt.
    pub truncated_by_server: bool,
}
