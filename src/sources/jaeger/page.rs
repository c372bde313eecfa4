//! What both dialects share when a page becomes traces: names, limits, and which spans are refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::{Attributes, Micros, Timestamp, Trace};
use crate::sources::http::SourceError;

/// What was in a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageReport {
    /// Traces handed over.
    pub traces: u64,
    /// Spans in them.
    pub spans: u64,
    /// Spans left out because they could not be right: no id, no process, a negative or absurd time.
    pub refused_spans: u64,
}

impl PageReport {
    pub(in crate::sources) fn add(&mut self, other: Self) {
        self.traces += other.traces;
        self.spans += other.spans;
        self.refused_spans += other.refused_spans;
    }
}

/// Why a text gave no traces, or not all of them; whoever knows where it came from says what to do.
#[derive(Debug)]
pub(in crate::sources) enum PageError {
    /// No JSON, or not of this shape.
    Json(serde_json::Error),
    /// Without this nothing can be read.
    Missing(&'static str),
    /// The server wrote an error in place of data.
    Reported(String),
}

impl PageError {
    /// For an answer of a server that is `length` bytes long.
    pub(super) fn of_server(self, length: usize) -> SourceError {
        match self {
            Self::Json(error) => SourceError::from_json(&error, length),
            Self::Missing(what) => SourceError::missing(what),
            Self::Reported(message) => SourceError::reported(&message),
        }
    }
}

impl From<serde_json::Error> for PageError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// Takes each trace, with the number of its spans that were refused.
pub(in crate::sources) type Sink<'s> = dyn FnMut(Trace, u64) + 's;

/// A service or operation name longer than this is cut, so that a payload in a name costs no memory.
const LONGEST_NAME: usize = 512;
const LONGEST_KEY: usize = 256;
/// 2000-01-01 and 2100-01-01: a start outside was not written in microseconds, or the clock was never set.
const EARLIEST_US: i64 = 946_684_800_000_000;
const LATEST_US: i64 = 4_102_444_800_000_000;
/// Ten years.
const LONGEST_US: i64 = 315_576_000_000_000;

/// Each name and each resource of a page exists once. The table lives as long as the page, or as a stretch of a file: a
/// service with an id in every operation name leaves nothing behind here.
#[derive(Debug, Default)]
pub(in crate::sources) struct Names {
    names: HashSet<Arc<str>>,
    resources: HashMap<Box<str>, Arc<Attributes>>,
}

impl Names {
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        let name = &name[..name.floor_char_boundary(LONGEST_NAME)];
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.names.insert(Arc::clone(&new));
        new
    }

    /// `buffer` as [`Attributes::push`] filled it.
    pub(super) fn resource(&mut self, buffer: &str) -> Arc<Attributes> {
        if let Some(known) = self.resources.get(buffer) {
            return Arc::clone(known);
        }
        let new = Arc::new(Attributes::from_buffer(buffer));
        self.resources.insert(buffer.into(), Arc::clone(&new));
        new
    }
}

/// The service names that Jaeger itself gives to spans which came without one.
pub(super) fn service_name(name: Option<&str>) -> &str {
    match name {
        None => "missing-service-name",
        Some("") => "empty-service-name",
        Some(name) => name,
    }
}

pub(super) fn span_name(name: &str) -> &str {
    if name.is_empty() { "empty-span-name" } else { name }
}

/// An attribute's key, cut where no honest key is that long.
pub(super) fn attribute_key(key: &str) -> &str {
    &key[..key.floor_char_boundary(LONGEST_KEY)]
}

/// Start and duration, if both can be true.
pub(super) fn times(start_us: Option<i64>, duration_us: Option<i64>) -> Option<(Timestamp, Micros)> {
    let start = start_us.filter(|start| (EARLIEST_US..LATEST_US).contains(start))?;
    let duration = duration_us.filter(|duration| (0..=LONGEST_US).contains(duration))?;
    Some((Timestamp(start), Micros(u64::try_from(duration).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_times_are_refused() {
        let start = 1_755_600_000_000_000;
        assert_eq!(times(Some(start), Some(0)), Some((Timestamp(start), Micros(0))));
        for (start, duration) in [
            (Some(start), Some(-1)),
            (Some(start), Some(LONGEST_US + 1)),
            (Some(start), None),
            (None, Some(1)),
            (Some(-start), Some(1)),
            (Some(start / 1_000), Some(1)),
            (Some(start * 1_000), Some(1)),
        ] {
            assert_eq!(times(start, duration), None, "{start:?} {duration:?}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters_and_shared() {
        let mut names = Names::default();
        let long = names.name(&"é".repeat(50_000));
        assert_eq!(long.len(), 512);
        let odd = names.name(&format!("x{}", "é".repeat(50_000)));
        assert_eq!(odd.len(), 511);
        assert!(Arc::ptr_eq(&long, &names.name(&"é".repeat(300))));
    }
}
