//! The filters that were kept, called back in the line in which one is typed.

use super::{App, Typing};
use crate::domain::filter::Filter;
use crate::domain::{Timestamp, text};

/// Filters in the order in which they were last kept, the newest first; none twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Recall(Vec<String>);

/// Where one is among the filters that were kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recalled {
    /// 0 is the newest of those that differ from what was typed.
    at: usize,
    typed: String,
}

impl Recall {
    const MOST: usize = 20;

    /// What another sitting left, as far as it can still be read.
    pub(super) fn from_kept(filters: &[String]) -> Self {
        let mut recall = Self::default();
        for filter in filters.iter().rev() {
            let filter = text::clean(filter);
            if Filter::parse(&filter).is_ok() {
                recall.remember(&filter);
            }
        }
        recall
    }

    pub(super) fn filters(&self) -> &[String] {
        &self.0
    }

    fn remember(&mut self, filter: &str) {
        let filter = filter.trim();
        if !filter.is_empty() {
            self.0.retain(|known| known != filter);
            self.0.insert(0, filter.to_owned());
            self.0.truncate(Self::MOST);
        }
    }
}

impl Typing {
    /// Puts a filter that was kept earlier into the line, or a later one, and behind the newest what was being typed.
    fn recall(&mut self, older: bool, recall: &Recall) {
        let (at, typed) = match &self.recalled {
            Some(recalled) => (Some(recalled.at), recalled.typed.clone()),
            None => (None, self.line.text().to_owned()),
        };
        let at = match (older, at) {
            (true, at) => Some(at.map_or(0, |at| at + 1)),
            (false, at) => at.and_then(|at| at.checked_sub(1)),
        };
        // One that reads as what was typed would look as if the key had done nothing.
        let mut others = recall.filters().iter().filter(|filter| *filter != typed.trim());
        match at.map(|at| (at, others.nth(at))) {
            Some((_, None)) => {}
            Some((at, Some(filter))) => {
                self.line.replace(filter);
                self.recalled = Some(Recalled { at, typed });
            }
            None if self.recalled.take().is_some() => self.line.replace(&typed),
            None => {}
        }
    }
}

impl App {
    pub(super) fn recall_filter(&mut self, older: bool, now: Timestamp) {
        if let Some(typing) = &mut self.view.typing {
            typing.recall(older, &self.recall);
            self.apply_typed_filter(now);
        }
    }

    pub(super) fn remember_filter(&mut self) {
        self.recall.remember(&self.view.filter_text);
    }
}
