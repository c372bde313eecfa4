//! Why a span was slow, from what was observed: the shape of its trace, computed facts, and the prompt built from them.
//!
//! [`shape()`] lays a trace out and says where its time went, [`facts()`] turns that and the baselines into statements that
//! hold without any model, [`prompt()`] packs the statements into a token budget. Model text is never a fact.

mod contributors;
mod facts;
mod forest;
mod metric;
mod path;
mod prompt;
mod redact;
mod shape;
mod summary;

pub use facts::{Normal, facts};
pub use metric::Metric;
pub use prompt::{Material, Prompt, estimate_tokens, prompt};
pub use shape::{Row, TraceShape, Wait, shape};
