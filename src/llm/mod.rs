//! Tokens in: a prompt goes to a model server, text comes back as it is made.
//!
//! One server is spoken to today, Ollama by its own API. The words here ([`Request`], [`LlmEvent`], [`LlmError`]) are not
//! tied to it.

mod error;
mod event;
pub mod ollama;

pub use error::LlmError;
pub use event::{Done, LlmEvent, Request};
pub use ollama::{Found, Ollama, Settings};
