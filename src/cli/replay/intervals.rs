//! Files that say when: `[[start, end], …]` and `[[start, end, "id"], …]`, unix seconds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::super::Failure;
use crate::domain::{TimeWindow, Timestamp, text};

/// 2100-01-01: later seconds are in truth milliseconds.
const LATEST_SECS: f64 = 4_102_444_800.0;
const SHAPE: &str = "[[1661140339.2, 1661140518.7], [1661140879.3, 1661141059.0]]";
const NAMED_SHAPE: &str = "[[1661140429, 1661140609, \"fault 1\"]]";

/// Intervals in time order; those that touch or overlap are one.
pub fn intervals(path: &Path) -> Result<Vec<TimeWindow>, Failure> {
    let pairs: Vec<(f64, f64)> = read(path, SHAPE)?;
    let mut windows = Vec::with_capacity(pairs.len());
    for (number, (start, end)) in (1..).zip(pairs) {
        windows.push(window(path, number, start, end)?);
    }
    Ok(joined(windows))
}

/// Windows with their names, in the order of the file.
pub fn named_intervals(path: &Path) -> Result<Vec<(TimeWindow, String)>, Failure> {
    let triples: Vec<(f64, f64, String)> = read(path, NAMED_SHAPE)?;
    let (mut windows, mut names) = (Vec::with_capacity(triples.len()), BTreeSet::new());
    for (number, (start, end, id)) in (1..).zip(triples) {
        let window = window(path, number, start, end)?;
        if id.is_empty() {
            return Err(wrong(path, number, "the name is empty", "its line in the output needs one"));
        }
        if !names.insert(id.clone()) {
            let what = format!("the name {} was given before", text::middle(&text::clean(&id), 60));
            return Err(wrong(path, number, &what, "give every interval a name of its own"));
        }
        windows.push((window, id));
    }
    Ok(windows)
}

fn read<T: DeserializeOwned>(path: &Path, shape: &str) -> Result<T, Failure> {
    let place = path.display();
    let text = fs::read(path).map_err(|error| {
        Failure::Sentence(format!("{place}: cannot be read ({error}); name a file with intervals such as {shape}"))
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        let said = error.to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        Failure::Sentence(format!("{place}:{}:{}: {said}; write {shape}", error.line(), error.column()))
    })
}

fn window(path: &Path, number: usize, start: f64, end: f64) -> Result<TimeWindow, Failure> {
    for secs in [start, end] {
        if !(0.0..=LATEST_SECS).contains(&secs) {
            let what = format!("{secs} is not between 1970 and 2100");
            return Err(wrong(path, number, &what, "write unix seconds, not milli- or nanoseconds"));
        }
    }
    let window = TimeWindow::new(timestamp(start), timestamp(end));
    if window.from < window.to {
        return Ok(window);
    }
    Err(wrong(path, number, &format!("the start {start} is not before the end {end}"), "write [start, end]"))
}

fn timestamp(secs: f64) -> Timestamp {
    Timestamp((secs * 1e6).round() as i64)
}

fn wrong(path: &Path, number: usize, what: &str, advice: &str) -> Failure {
    Failure::Sentence(format!("{}: interval {number}: {what}; {advice}", path.display()))
}

fn joined(mut windows: Vec<TimeWindow>) -> Vec<TimeWindow> {
    windows.sort_by_key(|window| (window.from, window.to));
    let mut out: Vec<TimeWindow> = Vec::with_capacity(windows.len());
    for window in windows {
        match out.last_mut() {
            Some(last) if window.from <= last.to => last.to = last.to.max(window.to),
            _ => out.push(window),
        }
    }
    out
}

/// Whether a moment lies in one of the intervals, which are in time order and apart.
pub fn contain(windows: &[TimeWindow], at: Timestamp) -> bool {
    let after = windows.partition_point(|window| window.from <= at);
    windows[..after].last().is_some_and(|window| window.contains(at))
}
