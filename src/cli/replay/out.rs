//! What a replay writes: one JSON object a line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer, ser};

use super::super::Failure;
use crate::domain::{Severity, Timestamp};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OutLine {
    Alert(AlertLine),
    Rank(RankLine),
}

/// An alert, once it is over or the traces are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertLine {
    /// When it was raised: when the program could know, not when the trouble began.
    #[serde(serialize_with = "unix_seconds")]
    pub start: Timestamp,
    /// When it cleared, or was last active.
    #[serde(serialize_with = "unix_seconds")]
    pub end: Timestamp,
    #[serde(serialize_with = "number")]
    pub severity: Severity,
    /// Best first.
    pub suspects: Vec<Suspect>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Latency, errors, calls and so on, as the alert calls it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The arithmetic behind the verdict.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// The suspects of a window that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankLine {
    /// The window's name.
    pub fault: String,
    /// Best first.
    pub suspects: Vec<Suspect>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suspect {
    pub service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Larger is more suspect; finite.
    #[serde(serialize_with = "finite")]
    pub score: f64,
}

/// A microsecond of this century survives: a double has 53 bits for the 51 it takes, and is written with all digits that
/// tell it from its neighbours.
fn unix_seconds<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(at.0 as f64 / 1e6)
}

fn number<S: Serializer>(severity: &Severity, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u8(severity.number())
}

/// JSON has no NaN; `null` in its place would be read as anything.
fn finite<S: Serializer>(score: &f64, to: S) -> Result<S::Ok, S::Error> {
    if score.is_finite() { to.serialize_f64(*score) } else { Err(ser::Error::custom(format!("a score of {score}"))) }
}

/// The file that the lines go into.
#[derive(Debug)]
pub struct OutFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl OutFile {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| {
            Failure::Sentence(format!(
                "{}: cannot be written ({error}); name another file with --alerts",
                path.display()
            ))
        })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// # Errors
    /// When the file cannot be written, or a score is no finite number.
    pub fn write(&mut self, line: &OutLine) -> Result<(), Failure> {
        // First the whole line: half of one is never written.
        let text = serde_json::to_string(line).map_err(|error| self.failed(&error))?;
        writeln!(self.file, "{text}").map_err(|error| self.failed(&error))
    }

    /// Everything is in the file once this returns without an error.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Sentence(format!("{}: cannot be written ({error}); check the disk", self.path.display()))
    }
}
