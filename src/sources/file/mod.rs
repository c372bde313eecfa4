//! Telemetry from files: what a backend answered earlier, or what a collector wrote.
//!
//! A file is plain, gzip or zstd, whatever its name says; `-` is standard input. Its text is one JSON value a line, or
//! values over several lines (one pretty-printed document). Values a line are read on all cores and never held
//! together, so the size of such a file does not matter.
//!
//! | what | one value is |
//! |---|---|
//! | traces | Jaeger: `{"data": [trace, …]}` or a trace `{"traceID": …, "spans": […], "processes": {…}}` |
//! | traces | OTLP: a request `{"resourceSpans": […]}`, or Jaeger's `{"result": {"resourceSpans": […]}}` |
//! | metrics | Prometheus: an answer of `/api/v1/query_range`, or one element of its `data.result` |

mod error;
mod kind;
mod open;
mod pieces;
mod series;
mod traces;

pub use error::FileError;
pub use series::{Series, read_series};
pub use traces::read_traces;

#[cfg(test)]
mod tests;
