//! What is wrong with a file: which one, where in it, what, and what to do.

use std::io;
use std::path::Path;

use crate::domain::text;
use crate::sources::jaeger::PageError;

/// Why a file could not be read to its end. `Display` is one sentence: `name:line:column: what; what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}{place}: {what}; {advice}")]
pub struct FileError {
    name: String,
    place: Place,
    what: String,
    advice: String,
}

/// Line and column, from 1; nothing where the whole file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(Option<(u64, u64)>);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// Where in its file a value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// From 1.
    pub(super) line: u64,
    /// Bytes of that line before the value.
    pub(super) before: u64,
}

/// What is wrong with one value, before its place in the file is known.
#[derive(Debug)]
pub(super) enum Fault {
    Json(serde_json::Error),
    /// Valid JSON that is not what is read here.
    Other {
        what: String,
        advice: &'static str,
    },
}

impl Fault {
    pub(super) fn other(what: impl Into<String>, advice: &'static str) -> Self {
        Self::Other { what: what.into(), advice }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<PageError> for Fault {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Json(error) => Self::Json(error),
            PageError::Missing(what) => Self::other(format!("no {what}"), "add it, or remove this value"),
            PageError::Reported(message) => Self::reported(&message),
        }
    }
}

const LONGEST: usize = 160;

impl Fault {
    /// A server's error that was saved in place of data.
    pub(super) fn reported(message: &str) -> Self {
        let message = text::clean(message);
        let what = format!("the server had reported: {}", text::middle(&message, LONGEST));
        Self::other(what, "ask it again and save an answer with data")
    }

    pub(super) fn at(self, name: &str, origin: Origin) -> FileError {
        let Origin { line, before } = origin;
        match self {
            Self::Other { what, advice } => FileError::at(name, (line, before + 1), &what, advice),
            Self::Json(error) => {
                let column = u64::try_from(error.column()).unwrap_or(u64::MAX).max(1);
                let place = match u64::try_from(error.line()).unwrap_or(u64::MAX) {
                    0 | 1 => (line, before.saturating_add(column)),
                    further => (line.saturating_add(further - 1), column),
                };
                if error.is_eof() {
                    let advice = "the file was cut off here: write it again, or remove what is incomplete";
                    return FileError::at(name, place, "the text ends in the middle of a value", advice);
                }
                let said = error.to_string();
                // The place in the value is of no use to a reader of the file.
                let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
                FileError::at(name, place, &format!("unexpected JSON: {said}"), "mend or remove this value")
            }
        }
    }
}

impl FileError {
    pub(super) fn at(name: &str, place: (u64, u64), what: &str, advice: &str) -> Self {
        let what = text::middle(&text::clean(what), LONGEST).into_owned();
        Self { name: name.to_owned(), place: Place(Some(place)), what, advice: advice.to_owned() }
    }

    pub(super) fn whole(name: &str, what: &str, advice: &str) -> Self {
        let what = text::middle(&text::clean(what), LONGEST).into_owned();
        Self { name: name.to_owned(), place: Place(None), what, advice: advice.to_owned() }
    }

    pub(super) fn not_opened(path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the name",
            io::ErrorKind::PermissionDenied => "give this user the right to read it",
            _ => "name a file that can be read",
        };
        Self::whole(&path.display().to_string(), &format!("cannot be opened ({error})"), advice)
    }

    /// A file that fails while it is read; `lines` came before.
    pub(super) fn not_read(name: &str, lines: u64, error: &io::Error) -> Self {
        let after = if lines == 0 { String::new() } else { format!(" after line {lines}") };
        match error.kind() {
            io::ErrorKind::IsADirectory => Self::whole(name, "is a directory", "name the files in it"),
            io::ErrorKind::UnexpectedEof => {
                let advice = "the file was cut off: copy or write it again";
                Self::whole(name, &format!("the compressed data ends too early{after}"), advice)
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::whole(
                name,
                &format!("the compressed data is damaged{after} ({error})"),
                "copy or write the file again; `gzip -t` and `zstd -t` test it",
            ),
            _ => Self::whole(name, &format!("cannot be read{after} ({error})"), "check the disk and the file"),
        }
    }
}
