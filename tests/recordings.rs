//! Files of a recorded system with injected faults, read whole. They are large and lie elsewhere: name their directory
//! in `SPANWATCH_TEST_RCA`. Each of its directories holds one day: `traces/`, `metrics.ndjson.gz`, `meta.json` with the
//! number of everything that was written, and `faults.json` with the times that are covered.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that was not run says so")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use spanwatch::cli::replay::{ReplayArgs, load};

fn recordings() -> Option<PathBuf> {
    let dir = std::env::var_os("SPANWATCH_TEST_RCA").map(PathBuf::from);
    if dir.is_none() {
        println!("not run: SPANWATCH_TEST_RCA names no directory with recordings");
    }
    dir
}

fn days() -> Vec<PathBuf> {
    let Some(dir) = recordings() else { return Vec::new() };
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

/// One day's line of the scorer: detection, then culprits.
struct Score {
    f1: f64,
    balanced_accuracy: f64,
    found: u32,
    faults: u32,
    median_delay_s: f64,
    false_alarms: u32,
    end_to_end: Vec<f64>,
    time_given: Vec<f64>,
}

/// The number after a word of a line.
fn after(line: &str, word: &str) -> f64 {
    let rest = &line[line.find(word).unwrap_or_else(|| panic!("no {word} in {line}")) + word.len()..];
    let number: String = rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    number.parse().unwrap_or_else(|_| panic!("no number after {word} in {line}"))
}

/// Replays a day fold by fold with the recording's own runner and scorer.
fn score(data: &Path, day: &str, more: &[&str]) -> Score {
    let run = Command::new("python3")
        .arg(data.join("run.py"))
        .args(["--bin", env!("CARGO_BIN_EXE_spanwatch")])
        .args(more)
        .arg(data.join(day))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{text}\n{}", String::from_utf8_lossy(&run.stderr));
    let line = |begins: &str| text.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{text}"));
    let (detection, end_to_end, given) = (line("detection:"), line("culprit_end_to_end"), line("culprit_time_given"));
    println!("{day} {more:?}\n{detection}\n{end_to_end}\n{given}");
    let culprits = |line: &str| ["AC@1", "AC@3"].map(|word| after(line, word)).to_vec();
    let faults = &detection[detection.find("faults").unwrap()..];
    let (found, all) = faults["faults".len()..].split_once('/').unwrap();
    Score {
        f1: after(detection, "F1"),
        balanced_accuracy: after(detection, "bal.acc"),
        found: found.trim().parse().unwrap(),
        faults: after(all, "") as u32,
        median_delay_s: after(detection, "delay median"),
        false_alarms: after(&detection[detection.find("false alarms").unwrap()..], "false alarms") as u32,
        end_to_end: culprits(end_to_end),
        time_given: culprits(given),
    }
}

#[test]
fn real_faults_are_found_and_blamed() {
    let Some(data) = recordings() else { return };
    if Command::new("python3").arg("--version").output().is_err() {
        println!("not run: the recordings are scored by a Python script, and there is no python3");
        return;
    }
    for more in [&[][..], &["--metrics"]] {
        let shop = score(&data, "2022-08-22", more);
        assert!(shop.balanced_accuracy >= 0.96 && shop.f1 >= 0.98 && shop.false_alarms <= 1);
        assert!(shop.found == shop.faults && shop.median_delay_s <= 20.0);
        assert_eq!((shop.time_given, shop.end_to_end), (vec![1.0; 2], vec![1.0; 2]));
        let trains = score(&data, "2023-01-29", more);
        assert!(trains.balanced_accuracy >= 0.62 && trains.f1 >= 0.54 && trains.false_alarms <= 4);
        // Most of that day's faults leave no mark in its traces: 5 and 8 of 28 by time, 6 of 28 from end to end.
        assert!(trains.time_given[0] >= 5.0 / 28.0 - 1e-3 && trains.time_given[1] >= 8.0 / 28.0 - 1e-3);
        assert!(trains.end_to_end[0] >= 6.0 / 28.0 - 1e-3);
    }
}

#[test]
fn the_same_bytes_in_give_the_same_bytes_out() {
    let Some(data) = recordings() else { return };
    let mut traces: Vec<PathBuf> =
        fs::read_dir(data.join("2023-01-29/traces")).unwrap().map(|entry| entry.unwrap().path()).collect();
    traces.sort();
    traces.truncate(20);
    let replay = |traces: &[PathBuf]| {
        let out = tempfile::NamedTempFile::new().unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_spanwatch"))
            .arg("replay")
            .arg("--traces")
            .args(traces)
            .arg("--alerts")
            .arg(out.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        fs::read(out.path()).unwrap()
    };
    let once = replay(&traces);
    traces.reverse();
    assert_eq!(replay(&traces), once, "whatever the order of the files");
}
