//! Data to standard output, sentences to standard error.

use std::io::{self, Write};

use super::Failure;
use crate::domain::text;

pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Each line becomes `spanwatch: line`. A standard error that is gone cannot be told about.
pub fn complain(sentences: &str) {
    let mut err = io::stderr().lock();
    for line in sentences.lines().filter(|line| !line.trim().is_empty()) {
        _ = writeln!(err, "spanwatch: {}", text::clean(line));
    }
}
