//! The trace view: one trace, its spans as a tree, a cursor on one of them.

use super::keymap::Action;
use super::list;
use crate::domain::{Anomaly, SpanId, TraceId};
use crate::messages::{TraceState, TraceView, WaterfallSpan};

/// What the user sees of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceCursor {
    pub trace: TraceId,
    /// The anomaly it was opened for.
    pub anomaly: Anomaly,
    pub selected: SpanId,
    /// The row of `selected`, so that drawing looks nothing up.
    pub row: usize,
    pub offset: usize,
}

/// The trace at hand, with what drawing needs of its tree computed once: a trace may have 50,000 spans.
#[derive(Debug, Default)]
pub struct TraceData {
    revision: Option<u64>,
    view: Option<Box<TraceView>>,
    /// For each span its parent's row.
    parents: Vec<Option<u32>>,
    /// For each span whether it is the last child of its parent.
    last: Vec<bool>,
}

impl TraceData {
    /// Takes a trace unless it is older than the one at hand or another than the one asked for.
    pub fn take(&mut self, revision: u64, view: Box<TraceView>, wanted: Option<TraceId>) -> bool {
        if wanted != Some(view.trace) || self.revision.is_some_and(|known| revision <= known) {
            return false;
        }
        self.revision = Some(revision);
        if self.view.as_ref() == Some(&view) {
            return false;
        }
        if let TraceState::Loaded { spans, .. } = &view.state {
            (self.parents, self.last) = tree(spans);
        }
        self.view = Some(view);
        true
    }

    /// What is known of `trace`; nothing when another trace was loaded.
    #[must_use]
    pub fn state(&self, trace: TraceId) -> Option<&TraceState> {
        self.view.as_ref().filter(|view| view.trace == trace).map(|view| &view.state)
    }

    #[must_use]
    pub fn spans(&self, trace: TraceId) -> &[WaterfallSpan] {
        match self.state(trace) {
            Some(TraceState::Loaded { spans, .. }) => spans,
            _ => &[],
        }
    }

    /// For the levels above a span and the span itself, top down: whether that branch ends there. At most `levels`
    /// levels are given, those nearest to the root; `None` when the span lies deeper.
    #[must_use]
    pub fn branches(&self, row: usize, depth: usize, levels: usize) -> Option<Vec<bool>> {
        if depth > levels {
            return None;
        }
        let mut ends = Vec::with_capacity(depth);
        let mut at = row;
        for _ in 0..depth {
            ends.push(*self.last.get(at)?);
            let Some(parent) = self.parents.get(at).copied().flatten() else { break };
            at = parent as usize;
        }
        ends.reverse();
        Some(ends)
    }
}

/// Parents and last children from a depth-first list.
fn tree(spans: &[WaterfallSpan]) -> (Vec<Option<u32>>, Vec<bool>) {
    let mut parents = vec![None; spans.len()];
    let mut last = vec![true; spans.len()];
    // The open ancestors' rows, each with its depth.
    let mut open: Vec<(u16, u32)> = Vec::new();
    for (row, span) in spans.iter().enumerate() {
        while let Some((depth, sibling)) = open.last().copied().filter(|(depth, _)| *depth >= span.depth) {
            open.pop();
            if depth == span.depth {
                last[sibling as usize] = false;
            }
        }
        parents[row] = open.last().map(|(_, parent)| *parent);
        open.push((span.depth, row as u32));
    }
    (parents, last)
}

impl TraceCursor {
    #[must_use]
    pub fn new(anomaly: Anomaly) -> Self {
        Self { trace: anomaly.id.trace, selected: anomaly.id.span, anomaly, row: 0, offset: 0 }
    }

    /// Finds the selected span again after the trace came or changed.
    pub fn settle(&mut self, spans: &[WaterfallSpan], page: usize) {
        self.row = match spans.get(self.row) {
            Some(span) if span.id == self.selected => self.row,
            _ => spans.iter().position(|span| span.id == self.selected).unwrap_or(0),
        };
        self.offset = list::offset(self.offset, self.row, spans.len(), page);
    }

    pub fn go(&mut self, action: Action, spans: &[WaterfallSpan], page: usize) {
        let anomalous = |span: &WaterfallSpan| span.severity.is_some();
        let row = match action {
            Action::NextAnomalous => spans
                .iter()
                .enumerate()
                .skip(self.row + 1)
                .find(|(_, span)| anomalous(span))
                .map_or(self.row, |(row, _)| row),
            Action::PreviousAnomalous => {
                spans.get(..self.row).and_then(|before| before.iter().rposition(anomalous)).unwrap_or(self.row)
            }
            _ => list::moved(action, self.row, spans.len(), page),
        };
        if let Some(span) = spans.get(row) {
            self.selected = span.id;
            self.row = row;
        }
        self.offset = list::offset(self.offset, self.row, spans.len(), page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Micros, SpanKey, SpanKind};

    fn spans(depths: &[u16]) -> Vec<WaterfallSpan> {
        let span = |(n, depth): (usize, &u16)| WaterfallSpan {
            id: SpanId(n as u64 + 1),
            depth: *depth,
            key: SpanKey::new("a", "b", SpanKind::Server),
            offset: Micros::ZERO,
            duration: Micros(1),
            self_time: Micros(1),
            error: false,
            severity: None,
            normal_p99: None,
            critical: Vec::new(),
            attributes: Vec::new(),
        };
        depths.iter().enumerate().map(span).collect()
    }

    #[test]
    fn branches_end_at_the_last_child() {
        // a ( b ( c ), d ( e ) ), and a second root
        let spans = spans(&[0, 1, 2, 1, 2, 0]);
        let (parents, last) = tree(&spans);
        assert_eq!(parents, [None, Some(0), Some(1), Some(0), Some(3), None]);
        assert_eq!(last, [false, false, true, true, true, true]);
        let data = TraceData { parents, last, ..TraceData::default() };
        assert_eq!(data.branches(2, 2, 8), Some(vec![false, true]));
        assert_eq!(data.branches(4, 2, 8), Some(vec![true, true]));
        assert_eq!(data.branches(4, 2, 1), None);
    }

    #[test]
    fn depths_that_no_tree_has_do_not_panic() {
        let spans = spans(&[5, 2, u16::MAX, 0, 7]);
        let (parents, last) = tree(&spans);
        let data = TraceData { parents, last, ..TraceData::default() };
        for (row, span) in spans.iter().enumerate() {
            let branches = data.branches(row, usize::from(span.depth), 100);
            assert!(branches.is_none_or(|ends| ends.len() <= usize::from(span.depth)));
        }
    }
}
