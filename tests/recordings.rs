//! Files of a recorded system with injected faults, read whole. They are large and lie elsewhere: name their directory
//! in `SPANWATCH_TEST_RCA`. Each of its directories holds one day: `traces/`, `metrics.ndjson.gz`, `meta.json` with the
//! number of everything that was written, and `faults.json` with the times that are covered.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that was not run says so")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use spanwatch::cli::replay::{ReplayArgs, load};

fn days() -> Vec<PathBuf> {
    let Some(dir) = std::env::var_os("SPANWATCH_TEST_RCA") else {
        println!("not run: SPANWATCH_TEST_RCA names no directory with recordings");
        return Vec::new();
    };
    let mut days: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    days.retain(|day| day.join("meta.json").exists());
    days.sort();
    assert!(!days.is_empty(), "no recordings in SPANWATCH_TEST_RCA");
    days
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn args(day: &Path) -> ReplayArgs {
    let mut traces: Vec<PathBuf> =
        fs::read_dir(day.join("traces")).unwrap().map(|entry| entry.unwrap().path()).collect();
    traces.sort();
    ReplayArgs {
        traces,
        metrics: vec![day.join("metrics.ndjson.gz")],
        alerts: PathBuf::new(),
        learn_during: None,
        watch_during: None,
        rank_during: None,
    }
}

#[test]
fn every_trace_span_and_series_of_a_recording_arrives() {
    for day in days() {
        let meta = json(&day.join("meta.json"));
        let input = load(&args(&day)).unwrap();
        let spans: usize = input.watch_traces.iter().map(|trace| trace.spans.len()).sum();
        assert_eq!(meta["traces_written"], input.watch_traces.len(), "{}", day.display());
        assert_eq!(meta["spans_written"], spans, "{}", day.display());
        assert_eq!(meta["metric_series"], input.series.len(), "{}", day.display());
        assert_eq!(input.notes, [] as [&str; 0], "{}", day.display());
        let orphans = input.watch_traces.iter().map(|trace| {
            let ids: HashSet<_> = trace.spans.iter().map(|span| span.id).collect();
            trace.spans.iter().filter(|span| span.parent.is_some_and(|parent| !ids.contains(&parent))).count()
        });
        assert_eq!(meta["orphan_spans"], orphans.sum::<usize>(), "{}", day.display());
    }
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    for day in days() {
        let args = args(&day);
        let turned = ReplayArgs { traces: args.traces.iter().rev().cloned().collect(), ..args.clone() };
        assert!(load(&args).unwrap() == load(&turned).unwrap(), "{}", day.display());
    }
}
