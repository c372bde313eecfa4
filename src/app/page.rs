//! Detail pages over the panes, the newest on top, and where the open trace lies among them.

use super::acts::ActsCursor;
use super::incident::IncidentCursor;
use super::keymap::Place;
use super::level::LevelCursor;
use super::map::MapCursor;
use super::service::ServiceCursor;
use super::trends::TrendsCursor;
use super::week::WeekCursor;
use super::why::WhyCursor;

#[derive(Debug, Clone, PartialEq)]
pub enum Page {
    Incident(IncidentCursor),
    Trends(TrendsCursor),
    Week(WeekCursor),
    Service(ServiceCursor),
    Map(MapCursor),
    /// The arithmetic of the alert test.
    Why(Box<WhyCursor>),
    /// The question about a new level.
    Level(Box<LevelCursor>),
    /// Acknowledgements and silences, or the noise ledger.
    Acts(Box<ActsCursor>),
}

impl Page {
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Incident(_) => Place::Incident,
            Self::Trends(_) => Place::Trends,
            Self::Week(_) => Place::Week,
            Self::Service(_) => Place::Service,
            Self::Map(_) => Place::Map,
            Self::Why(_) => Place::Why,
            Self::Level(_) => Place::Level,
            Self::Acts(cursor) if cursor.ending.is_some() => Place::EndAct,
            Self::Acts(_) => Place::Acts,
        }
    }

    /// Whether it only says more of what lies under it.
    const fn is_about_what_is_under_it(&self) -> bool {
        matches!(self, Self::Why(_) | Self::Level(_) | Self::Acts(_))
    }
}

/// One can go from page to page as deep as this; a deeper one forgets the oldest.
const DEPTH: usize = 16;

/// The pages that are open. A trace may lie under some of them and over the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pages {
    stack: Vec<Page>,
    /// How many of them were opened from the trace.
    over_trace: usize,
}

impl Pages {
    /// The page that is shown, where `trace` says whether a trace is open.
    #[must_use]
    pub fn shown(&self, trace: bool) -> Option<&Page> {
        self.stack.last().filter(|_| !trace || self.over_trace > 0)
    }

    pub fn shown_mut(&mut self, trace: bool) -> Option<&mut Page> {
        let shown = !trace || self.over_trace > 0;
        self.stack.last_mut().filter(|_| shown)
    }

    /// The incident that the page which is shown is about, also where a view was laid over it that says more of it.
    #[must_use]
    pub fn incident(&self, trace: bool) -> Option<&IncidentCursor> {
        let visible = if trace { self.over_trace } else { self.stack.len() };
        match self.stack.iter().rev().take(visible).find(|page| !page.is_about_what_is_under_it()) {
            Some(Page::Incident(cursor)) => Some(cursor),
            _ => None,
        }
    }

    /// The same, also where the trace that was opened from it lies over it.
    #[must_use]
    pub fn incident_read(&self) -> Option<&IncidentCursor> {
        self.incident(false)
    }

    pub fn incident_mut(&mut self) -> Option<&mut IncidentCursor> {
        match self.stack.iter_mut().rev().find(|page| !page.is_about_what_is_under_it()) {
            Some(Page::Incident(cursor)) => Some(cursor),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }

    /// Lays a page over everything.
    pub fn open(&mut self, page: Page, trace: bool) {
        if self.stack.len() >= DEPTH {
            self.stack.remove(0);
        }
        self.stack.push(page);
        self.over_trace = if trace { (self.over_trace + 1).min(self.stack.len()) } else { 0 };
    }

    /// A trace was opened from whatever was shown: it lies over all pages.
    pub fn go_under_trace(&mut self) {
        self.over_trace = 0;
    }

    /// Closes the page that is shown. Says whether one was.
    pub fn close(&mut self, trace: bool) -> bool {
        if self.shown(trace).is_none() {
            return false;
        }
        self.over_trace = self.over_trace.saturating_sub(1);
        self.stack.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SpanKey, SpanKind};

    #[test]
    fn a_trace_lies_between_the_pages_it_was_opened_from_and_those_opened_from_it() {
        let mut pages = Pages::default();
        pages.open(Page::Service(ServiceCursor::default()), false);
        pages.go_under_trace();
        assert_eq!(pages.shown(true), None, "the trace covers it");
        pages.open(Page::Week(WeekCursor::of(SpanKey::new("cart", "GET /", SpanKind::Server))), true);
        assert_eq!(pages.shown(true).map(Page::place), Some(Place::Week));
        assert!(pages.close(true), "first what was opened last");
        assert_eq!(pages.shown(true), None, "then the trace itself");
        assert_eq!(pages.shown(false).map(Page::place), Some(Place::Service), "and then what it was opened from");
        assert!(pages.close(false) && !pages.close(false));
    }

    #[test]
    fn going_round_in_pages_for_long_forgets_the_oldest() {
        let mut pages = Pages::default();
        (0..1_000).for_each(|_| pages.open(Page::Map(MapCursor::default()), false));
        assert_eq!((0..1_000).filter(|_| pages.close(false)).count(), DEPTH);
    }
}
