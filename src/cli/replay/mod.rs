//! `spanwatch replay`: what goes in from files, and what comes out.

mod input;
mod intervals;
mod out;
mod run;

use std::path::PathBuf;

pub use input::{ReplayInput, load};
pub use out::{AlertLine, OutFile, OutLine, RankLine, Suspect};
pub use run::replay;

/// Names of files and intervals of a replay.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// Files with traces: Jaeger JSON or OTLP JSON, plain, gzip or zstd; - is standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub traces: Vec<PathBuf>,

    /// Files with metrics: answers of Prometheus' range queries, plain, gzip or zstd
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub metrics: Vec<PathBuf>,

    /// Where the alerts go, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub alerts: PathBuf,

    /// Learn from the intervals in this file only, [[START, END], ...] in unix seconds [default: learn while watching]
    #[arg(long, value_name = "FILE")]
    pub learn_during: Option<PathBuf>,

    /// Judge the intervals in this file, [[START, END], ...] in unix seconds [default: everything]
    #[arg(long, value_name = "FILE")]
    pub watch_during: Option<PathBuf>,

    /// Also rank the suspects of the windows in this file, [[START, END, "ID"], ...] in unix seconds
    #[arg(long, value_name = "FILE")]
    pub rank_during: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
