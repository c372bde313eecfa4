//! The trace view: one trace as a waterfall, a cursor on one of its rows.

use std::collections::BTreeMap;

use super::compare::CompareCursor;
use super::keymap::Action;
use super::list;
use super::waterfall::{Folding, Folds, Group, Row, Rows, Tree, What};
use crate::domain::{Anomaly, SpanId, SpanKey, TraceId};
use crate::messages::{TraceState, TraceView, Waterfall, WaterfallSpan};

/// What the user sees of a trace. Small, as all of the app's view; what is folded is kept beside the trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceCursor {
    pub trace: TraceId,
    /// The anomaly it was opened for.
    pub anomaly: Anomaly,
    /// The span that the cursor stays on whatever is folded around it; nothing before the trace has come.
    span: Option<u32>,
    /// It is on the row of several spans of which that one is the first.
    on_group: bool,
    pub row: usize,
    pub offset: usize,
    /// Grows with each change of what is folded.
    folded: u64,
    /// The first line of the span's detail, where that fills the screen.
    pub detail: Option<usize>,
    /// The trace beside a normal one, over the waterfall and the span.
    pub compare: Option<CompareCursor>,
}

/// The trace at hand, with what drawing needs of it computed once: a trace may have 50,000 spans.
#[derive(Debug, Default)]
pub struct TraceData {
    revision: Option<u64>,
    view: Option<Box<TraceView>>,
    /// It was asked for again and has not come yet.
    is_awaited: bool,
    /// Why it could not be fetched again.
    problem: Option<String>,
    subject: Option<(SpanId, SpanKey)>,
    pub tree: Tree,
    pub folds: Folds,
    pub rows: Rows,
}

impl TraceData {
    /// Prepares for a trace that was asked for. What is known of the same one stays until it has come again.
    pub fn open(&mut self, anomaly: &Anomaly) {
        if self.state(anomaly.id.trace).is_none() {
            *self = Self { revision: self.revision, ..Self::default() };
        }
        self.is_awaited = true;
        self.problem = None;
        self.subject = Some((anomaly.id.span, anomaly.key.clone()));
        self.lay_out();
    }

    /// Takes a trace unless it is older than the one at hand or another than the one asked for. The cursor stays on its
    /// span and what is folded stays folded, also when late spans have come between.
    pub fn take(&mut self, revision: u64, view: Box<TraceView>, cursor: Option<&mut TraceCursor>) -> bool {
        let Some(cursor) = cursor.filter(|cursor| cursor.trace == view.trace) else { return false };
        if self.revision.is_some_and(|known| revision <= known) {
            return false;
        }
        self.revision = Some(revision);
        let is_loaded = self.waterfall(view.trace).is_some();
        match &view.state {
            TraceState::Loading if is_loaded => return !std::mem::replace(&mut self.is_awaited, true),
            TraceState::Failed(why) if is_loaded => {
                self.is_awaited = false;
                let before = self.problem.replace(why.clone());
                return before != self.problem;
            }
            _ => {}
        }
        let stood = (self.is_awaited, self.problem.take());
        self.is_awaited = view.state == TraceState::Loading;
        if self.view.as_ref() == Some(&view) {
            return stood != (self.is_awaited, None);
        }
        let former = self.view.replace(view);
        let former_tree = std::mem::take(&mut self.tree);
        let Some(TraceState::Loaded(waterfall)) = self.view.as_ref().map(|view| &view.state) else { return true };
        self.tree = Tree::of(&waterfall.spans, waterfall.duration, self.subject.as_ref().map(|(id, key)| (*id, key)));
        if let Some(TraceState::Loaded(former)) = former.map(|view| view.state) {
            let places: BTreeMap<(SpanId, &SpanKey), u32> =
                waterfall.spans.iter().zip(0..).map(|(span, number)| ((span.id, &span.key), number)).collect();
            let number = |before: u32| {
                let span = former.spans.get(before as usize)?;
                places.get(&(span.id, &span.key)).copied()
            };
            self.folds = self.folds.renumbered(&former_tree, &self.tree, number);
            cursor.span = cursor.span.and_then(number);
        }
        self.rows = Rows::of(&waterfall.spans, &self.tree, &self.folds);
        true
    }

    fn lay_out(&mut self) {
        let Some(TraceState::Loaded(waterfall)) = self.view.as_ref().map(|view| &view.state) else { return };
        self.tree = Tree::of(&waterfall.spans, waterfall.duration, self.subject.as_ref().map(|(id, key)| (*id, key)));
        self.lay_rows();
    }

    /// The rows again, after what is folded has changed.
    fn lay_rows(&mut self) {
        let Some(TraceState::Loaded(waterfall)) = self.view.as_ref().map(|view| &view.state) else { return };
        self.rows = Rows::of(&waterfall.spans, &self.tree, &self.folds);
    }

    /// What is known of `trace`; nothing when another trace was loaded.
    #[must_use]
    pub fn state(&self, trace: TraceId) -> Option<&TraceState> {
        self.view.as_ref().filter(|view| view.trace == trace).map(|view| &view.state)
    }

    #[must_use]
    pub fn waterfall(&self, trace: TraceId) -> Option<&Waterfall> {
        match self.state(trace) {
            Some(TraceState::Loaded(waterfall)) => Some(waterfall),
            _ => None,
        }
    }

    /// What is shown was asked for again and has not come yet.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// Why what is shown could not be fetched again.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn spans(&self) -> &[WaterfallSpan] {
        match self.view.as_ref().map(|view| &view.state) {
            Some(TraceState::Loaded(waterfall)) => &waterfall.spans,
            _ => &[],
        }
    }

    #[must_use]
    pub fn span(&self, number: u32) -> Option<&WaterfallSpan> {
        self.spans().get(number as usize)
    }

    /// The span of a row, or several.
    #[must_use]
    pub fn shown(&self, row: &Row) -> Option<Shown<'_>> {
        match row.what {
            What::Span(span) => Some(Shown::Span(span, self.span(span)?)),
            What::Group(_) => {
                let first = self.span(self.rows.first_span(row)?)?;
                Some(Shown::Group(self.rows.group_of(row)?, first))
            }
        }
    }

    /// The span that a span hangs on.
    #[must_use]
    pub fn parent_of(&self, span: u32) -> Option<&WaterfallSpan> {
        self.span(self.tree.parent(span)?)
    }
}

/// What a row is about.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// With its number.
    Span(u32, &'a WaterfallSpan),
    /// With the first of its spans.
    Group(&'a Group, &'a WaterfallSpan),
}

impl TraceCursor {
    #[must_use]
    pub fn new(anomaly: Anomaly) -> Self {
        Self {
            trace: anomaly.id.trace,
            anomaly,
            span: None,
            on_group: false,
            row: 0,
            offset: 0,
            folded: 0,
            detail: None,
            compare: None,
        }
    }

    /// Finds the cursor's span again after the trace came or the rows changed. It keeps its line on the screen where
    /// that is possible.
    pub fn settle(&mut self, data: &TraceData, page: usize) {
        if data.rows.rows.is_empty() {
            return;
        }
        // What it was opened for comes into sight with what is around it.
        let line = if self.span.is_some() { self.row.saturating_sub(self.offset) } else { page / 3 };
        let span = self.span.unwrap_or_else(|| {
            let is_subject = |span: &&WaterfallSpan| span.id == self.anomaly.id.span;
            let spans = || data.spans().iter().zip(0..);
            let exact = spans().find(|(span, _)| is_subject(span) && span.key == self.anomaly.key);
            exact.or_else(|| spans().find(|(span, _)| is_subject(span))).map_or(0, |(_, number)| number)
        });
        self.span = Some(span);
        self.row = data.rows.showing(&data.tree, span);
        let above = data.rows.get(self.row).and_then(|row| row.parent).map(|parent| parent as usize);
        if let Some(group) = above.filter(|_| self.on_group)
            && let Some(row) = data.rows.get(group).filter(|row| matches!(row.what, What::Group(_)))
            && data.rows.first_span(row) == Some(span)
        {
            self.row = group;
        }
        self.offset = list::offset(self.row.saturating_sub(line), self.row, data.rows.count(), page);
    }

    fn go_to(&mut self, row: usize, data: &TraceData, page: usize) {
        if let Some(at) = data.rows.get(row) {
            self.row = row;
            self.span = data.rows.first_span(at);
            self.on_group = matches!(at.what, What::Group(_));
            self.offset = list::offset(self.offset, row, data.rows.count(), page);
        }
    }

    pub fn go(&mut self, action: Action, data: &TraceData, page: usize) {
        self.go_to(list::moved(action, self.row, data.rows.count(), page), data, page);
    }

    /// Goes to the next or the previous notable span, and unfolds what it is hidden below. False if there is none.
    pub fn go_to_notable(&mut self, forward: bool, data: &mut TraceData, page: usize) -> bool {
        let Some(here) = data.rows.get(self.row).and_then(|row| data.rows.first_span(row)) else { return false };
        let Some(span) = data.tree.notable_from(here, forward, &data.folds) else { return false };
        let is_shown = |data: &TraceData| {
            let row = data.rows.showing(&data.tree, span);
            data.rows.get(row).is_some_and(|row| row.what == What::Span(span))
        };
        if !is_shown(data) {
            data.folds.reveal(&data.tree, span);
            data.lay_rows();
            self.folded += 1;
        }
        self.go_to(data.rows.showing(&data.tree, span), data, page);
        self.detail = self.detail.map(|_| 0);
        true
    }

    /// Goes to a span, or to the row that it is part of. False if the trace has no such span.
    pub fn go_to_span(&mut self, id: SpanId, data: &mut TraceData, page: usize) -> bool {
        let Some(span) = data.spans().iter().zip(0..).find(|(span, _)| span.id == id).map(|(_, number)| number) else {
            return false;
        };
        data.folds.reveal(&data.tree, span);
        data.lay_rows();
        self.folded += 1;
        self.go_to(data.rows.showing(&data.tree, span), data, page);
        true
    }

    /// Unfolds the row under the cursor; where nothing is folded it goes to the first row below.
    pub fn unfold(&mut self, data: &mut TraceData, page: usize) {
        match data.rows.get(self.row).copied() {
            Some(row) if row.hidden > 0 => self.set(&row, true, data, page),
            Some(row) if row.open => self.go_to(self.row + 1, data, page),
            _ => {}
        }
    }

    /// Folds the row under the cursor; where nothing is below it goes to the row above it in the tree.
    pub fn fold(&mut self, data: &mut TraceData, page: usize) {
        match data.rows.get(self.row).copied() {
            Some(row) if row.open => self.set(&row, false, data, page),
            Some(Row { parent: Some(parent), .. }) => self.go_to(parent as usize, data, page),
            _ => {}
        }
    }

    fn set(&mut self, row: &Row, open: bool, data: &mut TraceData, page: usize) {
        self.go_to(self.row, data, page);
        data.folds.set(&data.rows, row, open);
        self.refold(data, page);
    }

    pub fn fold_all(&mut self, all: Folding, data: &mut TraceData, page: usize) {
        data.folds.set_all(all);
        self.refold(data, page);
    }

    /// Shows only what the critical path leads through, or everything again.
    pub fn toggle_critical(&mut self, data: &mut TraceData, page: usize) {
        data.folds.only_critical = !data.folds.only_critical;
        self.refold(data, page);
    }

    fn refold(&mut self, data: &mut TraceData, page: usize) {
        data.lay_rows();
        self.folded += 1;
        self.settle(data, page);
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
