//! Why a span was slow, from what was observed: the shape of its trace, computed facts, and the prompt built from them.
//!
//! [`facts()`] turns a trace's layout and the baselines into statements that hold without any model, [`prompt()`] packs the statements into a token budget. Model text is never a fact.

mod contributors;
mod exemplar;
mod facts;
mod metric;
mod prompt;
mod redact;
mod separation;
mod summary;

pub use exemplar::{compare, summarise};
pub use facts::{Normal, facts};
pub use metric::Metric;
pub use prompt::{Material, Prompt, estimate_tokens, prompt};
pub use separation::{FEWEST_TRACES, MOST_TRACES, separate};
