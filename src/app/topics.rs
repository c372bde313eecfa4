//! What the monitor said last, topic by topic.

use crate::messages::{
    ActsView, Analysis, AnalysisId, BaselineView, ComparisonView, IncidentHistory, LearningView, LevelView, MapView,
    MonitorView, NoiseRow, RecalculationState, ServicePageView, ServiceView, SourceView, TrendsView, WeekView, WhyView,
};

/// The newest value of one topic. Updates may come late or twice; an older one never replaces a newer one.
#[derive(Debug)]
pub struct Topic<T> {
    revision: Option<u64>,
    value: Option<T>,
}

impl<T> Default for Topic<T> {
    fn default() -> Self {
        Self { revision: None, value: None }
    }
}

impl<T: PartialEq> Topic<T> {
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Takes a value unless it is older than the one at hand. Says whether the value is another one now.
    pub fn take(&mut self, revision: u64, value: T) -> bool {
        if !self.is_news(revision) {
            return false;
        }
        self.revision = Some(revision);
        let changed = self.value.as_ref() != Some(&value);
        self.value = Some(value);
        changed
    }

    fn is_news(&self, revision: u64) -> bool {
        self.revision.is_none_or(|known| revision > known)
    }
}

#[derive(Debug, Default)]
pub struct Topics {
    pub sources: Topic<Vec<SourceView>>,
    pub monitor: Topic<MonitorView>,
    pub services: Topic<Vec<ServiceView>>,
    /// Only the revisions: the lists themselves are kept by `AlertList`.
    pub incidents_at: Topic<u64>,
    pub records_at: Topic<u64>,
    pub why: Topic<Box<WhyView>>,
    pub comparison: Topic<Box<ComparisonView>>,
    pub week: Topic<Box<WeekView>>,
    pub trends: Topic<Box<TrendsView>>,
    pub learning: Topic<LearningView>,
    pub levels: Topic<Vec<LevelView>>,
    pub acts: Topic<Box<ActsView>>,
    pub noise: Topic<Vec<NoiseRow>>,
    pub incident_history: Topic<Box<IncidentHistory>>,
    pub baseline: Topic<Box<BaselineView>>,
    pub service: Topic<Box<ServicePageView>>,
    pub map: Topic<Box<MapView>>,
    pub recalculation: Topic<RecalculationState>,
    pub analysis: Topic<Box<Analysis>>,
}

impl Topics {
    /// Appends streamed text to the run it belongs to; text of another run, or text that a newer `Analysis` already
    /// contains, is dropped.
    pub fn append(&mut self, revision: u64, run: AnalysisId, text: &str) -> bool {
        if !self.analysis.is_news(revision) {
            return false;
        }
        match &mut self.analysis.value {
            Some(analysis) if analysis.id == run && !text.is_empty() => {
                analysis.text.push_str(text);
                if analysis.state.is_running() {
                    analysis.state = crate::messages::AnalysisState::Streaming;
                }
                self.analysis.revision = Some(revision);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_update_never_replaces_a_newer_one() {
        let mut topic = Topic::default();
        assert!(topic.take(7, "new"));
        assert!(!topic.take(6, "old") && !topic.take(7, "twice"));
        assert_eq!(topic.get(), Some(&"new"));
        assert!(!topic.take(8, "new"), "the same value again changes nothing on the screen");
        assert!(topic.take(9, "newer"));
    }
}
