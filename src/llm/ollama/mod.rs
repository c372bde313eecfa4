//! Ollama by its own API: which models there are, and one streamed chat at a time.
//!
//! `address` reads addresses as Ollama does, `client` speaks, `lines` cuts the stream into lines, `wire` has the shapes of
//! requests and answers, `answer` turns chunks into text that may be shown, `stutter` notices a model that loops.

mod address;
mod answer;
mod client;
mod lines;
mod settings;
mod stutter;
mod wire;

pub use address::normalise;
pub use client::{Found, Ollama};
pub use settings::Settings;
