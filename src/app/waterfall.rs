//! Which rows a waterfall shows: its tree with what is folded, with what is alike and what is quiet as one row each.
//!
//! The tree is computed once per trace and the rows once per change of what is folded, without recursion, in
//! O(n log n) steps for n spans. Drawing then touches only the rows that are visible.
//!
//! A span is *notable* when it is slow, when it failed, and when it is what the trace was opened for. What is notable is
//! never hidden unless a person hides it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::domain::{Micros, SpanId, SpanKey};
use crate::messages::WaterfallSpan;

/// Siblings of one key from this many on are one row.
const FEWEST_ALIKE: usize = 3;
/// Short, quiet siblings from this many on are one row.
const FEWEST_QUIET: usize = 3;
/// A trace of so many spans is shown whole but for what is alike: it has nothing to search for.
const WHOLE: usize = 24;
/// What takes less of the trace than this is short: a fraction of one cell on any screen.
const SHORT: u64 = 200;
/// Below a fold there is less than this of the trace's critical path, unless a person folded it.
const ASIDE: u64 = 50;
/// A row of many spans is drawn in at most so many pieces.
const PIECES: u64 = 400;

/// So many spans of a group are told by name.
pub const NAMED: usize = 10;

const NOBODY: u32 = u32::MAX;

/// A trace's spans as a tree. Spans are numbered in the order of the view: depth-first.
#[derive(Debug, Default)]
pub struct Tree {
    parents: Vec<u32>,
    /// The number behind the last span below each.
    ends: Vec<u32>,
    /// Equal for spans of one key.
    keys: Vec<u32>,
    /// How many of the spans before each are notable.
    notable: Vec<u32>,
    /// How much of the critical path belongs to the spans before each, in microseconds.
    critical: Vec<u64>,
    duration: u64,
}

/// What a person asked for all spans at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Folding {
    /// What is quiet and what is alike is folded.
    #[default]
    Quiet,
    /// Every span has a row.
    Nothing,
    /// Only the tops are shown.
    Everything,
}

/// What a row of several spans is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One key below one parent, none of them notable, nor what is below.
    Alike,
    /// Short and quiet spans below one parent.
    Quiet,
}

/// A group, found again after the rows changed: what it is below, its kind, and the key of what is alike.
type GroupId = (u32, Kind, u32);

/// What a person folded and unfolded.
#[derive(Debug, Default)]
pub struct Folds {
    pub all: Folding,
    /// Only what the critical path leads through.
    pub only_critical: bool,
    spans: BTreeMap<u32, bool>,
    groups: BTreeMap<GroupId, bool>,
}

/// Several spans as one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    id: GroupId,
    /// By start.
    pub members: Vec<u32>,
    /// Its members by duration, the longest first: at most [`NAMED`].
    pub longest_first: Vec<u32>,
    /// For each of its services one member: at most [`NAMED`].
    pub services: Vec<u32>,
    /// All spans in it, with what is below its members.
    pub spans: u32,
    pub sum: Micros,
    pub longest: Micros,
    pub self_time: Micros,
    pub critical_time: Micros,
    /// The time in which at least one of them ran.
    pub covered: Micros,
    /// Where that is, after the trace's first span; what no screen can show apart is one piece.
    pub pieces: Vec<(Micros, Micros)>,
    pub critical: Vec<(Micros, Micros)>,
}

impl Group {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.id.1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// By number.
    Span(u32),
    /// By its place among [`Rows::groups`].
    Group(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub what: What,
    /// Rows above it in the tree.
    pub depth: u32,
    /// The row that it hangs on.
    pub parent: Option<u32>,
    /// No row of the same parent follows.
    pub last: bool,
    /// Spans that are hidden below it: what is folded.
    pub hidden: u32,
    /// Whether rows hang on it.
    pub open: bool,
}

#[derive(Debug, Default)]
pub struct Rows {
    pub rows: Vec<Row>,
    pub groups: Vec<Group>,
    /// The depth of the deepest row.
    pub deepest: u32,
    /// For each span its own row, or that of the group it is hidden in.
    shown_at: Vec<u32>,
}

impl Tree {
    #[must_use]
    pub fn of(spans: &[WaterfallSpan], duration: Micros, opened_for: Option<(SpanId, &SpanKey)>) -> Self {
        let count = spans.len();
        let mut tree = Self {
            parents: vec![NOBODY; count],
            ends: vec![count as u32; count],
            keys: Vec::with_capacity(count),
            notable: Vec::with_capacity(count + 1),
            critical: Vec::with_capacity(count + 1),
            duration: duration.0.max(1),
        };
        // The open ancestors, each with its depth.
        let mut open: Vec<(u16, usize)> = Vec::new();
        let mut numbers: BTreeMap<&SpanKey, u32> = BTreeMap::new();
        let (mut notable, mut critical) = (0, 0);
        for (number, span) in spans.iter().enumerate() {
            while let Some((_, ended)) = open.pop_if(|(depth, _)| *depth >= span.depth) {
                tree.ends[ended] = number as u32;
            }
            tree.parents[number] = open.last().map_or(NOBODY, |(_, parent)| *parent as u32);
            open.push((span.depth, number));
            let next = numbers.len() as u32;
            tree.keys.push(*numbers.entry(&span.key).or_insert(next));
            tree.notable.push(notable);
            tree.critical.push(critical);
            let is_subject = opened_for.is_some_and(|(id, key)| span.id == id && span.key == *key);
            notable += u32::from(span.is_slow() || span.error || is_subject);
            critical += span.critical_time.0;
        }
        tree.notable.push(notable);
        tree.critical.push(critical);
        tree
    }

    fn end(&self, span: u32) -> u32 {
        self.ends.get(span as usize).copied().unwrap_or(span)
    }

    #[must_use]
    pub fn parent(&self, span: u32) -> Option<u32> {
        self.parents.get(span as usize).copied().filter(|parent| *parent != NOBODY)
    }

    fn key(&self, span: u32) -> u32 {
        self.keys.get(span as usize).copied().unwrap_or(NOBODY)
    }

    fn notable_in(&self, spans: Range<u32>) -> u32 {
        let before = |at: u32| self.notable.get(at as usize).copied().unwrap_or_default();
        before(spans.end) - before(spans.start)
    }

    fn critical_in(&self, spans: Range<u32>) -> u64 {
        let before = |at: u32| self.critical.get(at as usize).copied().unwrap_or_default();
        before(spans.end) - before(spans.start)
    }

    fn len(&self) -> u32 {
        self.parents.len() as u32
    }

    /// The spans right below one, or the tops.
    fn children(&self, of: Option<u32>) -> impl Iterator<Item = u32> {
        let (first, end) = of.map_or((0, self.len()), |span| (span + 1, self.end(span)));
        std::iter::successors(Some(first), move |child| Some(self.end(*child).max(child + 1)))
            .take_while(move |child| *child < end)
    }

    /// Nothing notable in a span or below it.
    fn is_plain(&self, span: u32) -> bool {
        self.notable_in(span..self.end(span)) == 0
    }

    /// Whether the critical path leads through a span or what is below it.
    fn is_critical(&self, span: u32) -> bool {
        self.critical_in(span..self.end(span)) > 0
    }

    /// The next or the previous notable span, as far as what is shown may hold it.
    #[must_use]
    pub fn notable_from(&self, span: u32, forward: bool, folds: &Folds) -> Option<u32> {
        let is_wanted = |at: &u32| self.notable_in(*at..at + 1) > 0 && (!folds.only_critical || self.is_critical(*at));
        if forward { (span + 1..self.len()).find(is_wanted) } else { (0..span).rev().find(is_wanted) }
    }

    /// How many spans are notable.
    #[must_use]
    pub fn notable_count(&self) -> u32 {
        self.notable_in(0..self.len())
    }
}

impl Folds {
    fn opens(&self, tree: &Tree, span: u32) -> bool {
        if let Some(open) = self.spans.get(&span) {
            return *open;
        }
        match self.all {
            Folding::Nothing => true,
            Folding::Everything => false,
            Folding::Quiet => {
                let below = span + 1..tree.end(span);
                span == 0
                    || tree.len() as usize <= WHOLE
                    || tree.notable_in(below.clone()) > 0
                    || tree.critical_in(below) >= tree.duration / ASIDE
            }
        }
    }

    /// What a person asked for all spans at once; what was asked for single ones is forgotten.
    pub fn set_all(&mut self, all: Folding) {
        *self = Self { all, only_critical: self.only_critical, ..Self::default() };
    }

    pub fn set(&mut self, rows: &Rows, row: &Row, open: bool) {
        match row.what {
            What::Span(span) => _ = self.spans.insert(span, open),
            What::Group(group) => {
                if let Some(group) = rows.groups.get(group as usize) {
                    self.groups.insert(group.id, open);
                }
            }
        }
    }

    /// Unfolds what a notable span is hidden below. It is in no group, nor is anything above it.
    pub fn reveal(&mut self, tree: &Tree, span: u32) {
        let above = std::iter::successors(tree.parent(span), |at| tree.parent(*at));
        for ancestor in above {
            if !self.opens(tree, ancestor) {
                self.spans.insert(ancestor, true);
            }
        }
    }

    /// The same for a trace whose spans have other numbers now.
    #[must_use]
    pub fn renumbered(&self, before: &Tree, after: &Tree, number: impl Fn(u32) -> Option<u32>) -> Self {
        let spans = self.spans.iter().filter_map(|(span, open)| Some((number(*span)?, *open))).collect();
        // A key's number is that of any span with it; a group's members are below its parent.
        let key = |(parent, _, key): &GroupId| {
            let below = before.children(Some(*parent).filter(|parent| *parent != NOBODY));
            let member = below.into_iter().find(|child| before.key(*child) == *key)?;
            Some(after.key(number(member)?))
        };
        let group = |(id, open): (&GroupId, &bool)| {
            let parent = if id.0 == NOBODY { NOBODY } else { number(id.0)? };
            let key = if id.1 == Kind::Alike { key(id)? } else { id.2 };
            Some(((parent, id.1, key), *open))
        };
        let groups = self.groups.iter().filter_map(group).collect();
        Self { all: self.all, only_critical: self.only_critical, spans, groups }
    }
}

/// A row to come: what it shows, and what it hangs on.
struct Waiting {
    what: What,
    depth: u32,
    parent: Option<u32>,
    last: bool,
}

impl Rows {
    #[must_use]
    pub fn of(spans: &[WaterfallSpan], tree: &Tree, folds: &Folds) -> Self {
        let mut rows = Self { shown_at: vec![NOBODY; spans.len()], ..Self::default() };
        let mut waiting: Vec<Waiting> = Vec::new();
        rows.put(spans, tree, folds, None, None, &mut waiting);
        while let Some(Waiting { what, depth, parent, last }) = waiting.pop() {
            let number = rows.rows.len() as u32;
            let mut row = Row { what, depth, parent, last, hidden: 0, open: false };
            rows.deepest = rows.deepest.max(depth);
            match what {
                What::Span(span) => {
                    if let Some(place) = rows.shown_at.get_mut(span as usize) {
                        *place = number;
                    }
                    let below = tree.end(span) - span - 1;
                    row.open = below > 0 && folds.opens(tree, span);
                    row.hidden = if row.open { 0 } else { below };
                    rows.rows.push(row);
                    if row.open {
                        rows.put(spans, tree, folds, Some(span), Some((number, depth)), &mut waiting);
                    }
                }
                What::Group(group) => {
                    let Some(found) = rows.groups.get(group as usize) else { continue };
                    row.open = folds.groups.get(&found.id).copied().unwrap_or(false);
                    row.hidden = if row.open { 0 } else { found.spans };
                    if row.open {
                        let count = found.members.len();
                        waiting.extend(found.members.iter().enumerate().rev().map(|(at, member)| Waiting {
                            what: What::Span(*member),
                            depth: depth + 1,
                            parent: Some(number),
                            last: at + 1 == count,
                        }));
                    } else {
                        for member in &found.members {
                            if let Some(place) = rows.shown_at.get_mut(*member as usize) {
                                *place = number;
                            }
                        }
                    }
                    rows.rows.push(row);
                }
            }
        }
        rows
    }

    /// Puts what hangs on one span, or the tops, on the stack: single spans and alike ones by start, quiet ones last.
    fn put(
        &mut self,
        spans: &[WaterfallSpan],
        tree: &Tree,
        folds: &Folds,
        of: Option<u32>,
        row: Option<(u32, u32)>,
        waiting: &mut Vec<Waiting>,
    ) {
        let shown = |child: &u32| !folds.only_critical || tree.is_critical(*child);
        let mut children: Vec<u32> = tree.children(of).filter(shown).collect();
        let mut whats: Vec<What> = Vec::with_capacity(children.len());
        if folds.all == Folding::Nothing || children.len() < FEWEST_ALIKE.min(FEWEST_QUIET) {
            whats.extend(children.iter().map(|child| What::Span(*child)));
        } else {
            // The root's row is the trace's: it stays whatever else there is at the top.
            let first = of.is_none().then(|| children.remove(0));
            whats.extend(first.map(What::Span));
            let mut alike: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for child in children.iter().filter(|child| tree.is_plain(**child)) {
                alike.entry(tree.key(*child)).or_default().push(*child);
            }
            alike.retain(|_, members| members.len() >= FEWEST_ALIKE);
            let short = tree.duration / SHORT;
            let is_quiet = |child: u32| {
                let duration = spans.get(child as usize).map_or(0, |span| span.duration.0);
                let critical = tree.critical_in(child..tree.end(child));
                tree.len() as usize > WHOLE && tree.is_plain(child) && duration < short && critical < short
            };
            let mut quiet: Vec<u32> = children
                .iter()
                .copied()
                .filter(|child| is_quiet(*child) && !alike.contains_key(&tree.key(*child)))
                .collect();
            if quiet.len() < FEWEST_QUIET {
                quiet.clear();
            }
            let parent = of.unwrap_or(NOBODY);
            for child in children {
                if quiet.binary_search(&child).is_ok() {
                    continue;
                }
                // A group stands where its first member would.
                let key = tree.key(child);
                match alike.get_mut(&key).filter(|_| tree.is_plain(child)) {
                    None => whats.push(What::Span(child)),
                    Some(members) if members.first() == Some(&child) => {
                        let members = members.clone();
                        whats.push(self.group((parent, Kind::Alike, key), members, spans, tree));
                    }
                    Some(_) => {}
                }
            }
            if !quiet.is_empty() {
                whats.push(self.group((parent, Kind::Quiet, 0), quiet, spans, tree));
            }
        }
        let depth = row.map_or(0, |(_, depth)| depth + 1);
        let parent = row.map(|(number, _)| number);
        let count = whats.len();
        let next = whats.into_iter().enumerate().rev();
        waiting.extend(next.map(|(at, what)| Waiting { what, depth, parent, last: at + 1 == count }));
    }

    fn group(&mut self, id: GroupId, members: Vec<u32>, spans: &[WaterfallSpan], tree: &Tree) -> What {
        let of = || members.iter().filter_map(|member| spans.get(*member as usize));
        let sum = |of: &mut dyn Iterator<Item = u64>| Micros(of.fold(0, u64::saturating_add));
        let mut busy: Vec<(Micros, Micros)> = of().map(|span| (span.offset, span.end())).collect();
        busy.sort_unstable();
        let covered = sum(&mut joined(busy.iter().copied(), 0).into_iter().map(|(from, to)| to.0 - from.0));
        let gap = tree.duration / PIECES;
        let mut critical: Vec<(Micros, Micros)> = of().flat_map(|span| span.critical.iter().copied()).collect();
        critical.sort_unstable();
        let mut longest_first = members.clone();
        let length = |member: &u32| spans.get(*member as usize).map_or(Micros::ZERO, |span| span.duration);
        longest_first.sort_by_key(|member| (std::cmp::Reverse(length(member)), *member));
        longest_first.truncate(NAMED);
        let mut services: Vec<(&str, u32)> = Vec::new();
        for (span, member) in of().zip(&members) {
            if services.len() < NAMED && services.iter().all(|(known, _)| *known != &*span.key.service) {
                services.push((&span.key.service, *member));
            }
        }
        let group = Group {
            id,
            longest_first,
            services: services.into_iter().map(|(_, member)| member).collect(),
            spans: members.iter().map(|member| tree.end(*member) - member).sum(),
            sum: sum(&mut of().map(|span| span.duration.0)),
            longest: of().map(|span| span.duration).max().unwrap_or_default(),
            self_time: sum(&mut of().map(|span| span.self_time.0)),
            critical_time: sum(&mut members.iter().map(|member| tree.critical_in(*member..tree.end(*member)))),
            covered,
            pieces: joined(busy.into_iter(), gap),
            critical: joined(critical.into_iter(), gap),
            members,
        };
        self.groups.push(group);
        What::Group(self.groups.len() as u32 - 1)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn get(&self, row: usize) -> Option<&Row> {
        self.rows.get(row)
    }

    #[must_use]
    pub fn group_of(&self, row: &Row) -> Option<&Group> {
        match row.what {
            What::Group(group) => self.groups.get(group as usize),
            What::Span(_) => None,
        }
    }

    /// The span of a row, or the first of several.
    #[must_use]
    pub fn first_span(&self, row: &Row) -> Option<u32> {
        match row.what {
            What::Span(span) => Some(span),
            What::Group(_) => self.group_of(row)?.members.first().copied(),
        }
    }

    /// The row that shows a span or hides it.
    #[must_use]
    pub fn showing(&self, tree: &Tree, span: u32) -> usize {
        let found = std::iter::successors(Some(span), |at| tree.parent(*at))
            .find_map(|at| self.shown_at.get(at as usize).copied().filter(|row| *row != NOBODY));
        found.unwrap_or(0) as usize
    }

    /// For the rows above a row and the row itself, top down: whether that branch ends there. At most `levels` are
    /// given; `None` when the row lies deeper.
    #[must_use]
    pub fn branches(&self, row: usize, levels: usize) -> Option<Vec<bool>> {
        let depth = self.rows.get(row)?.depth as usize;
        if depth > levels {
            return None;
        }
        let mut ends = Vec::with_capacity(depth);
        let mut at = self.rows.get(row);
        while let Some(row) = at.filter(|row| row.depth > 0) {
            ends.push(row.last);
            at = row.parent.and_then(|parent| self.rows.get(parent as usize));
        }
        ends.reverse();
        Some(ends)
    }
}

/// Ascending pieces, those at most `gap` microseconds apart as one.
fn joined(pieces: impl Iterator<Item = (Micros, Micros)>, gap: u64) -> Vec<(Micros, Micros)> {
    let mut joined: Vec<(Micros, Micros)> = Vec::new();
    for (from, to) in pieces {
        match joined.last_mut() {
            Some((_, end)) if from.0 <= end.0.saturating_add(gap) => *end = to.max(*end),
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[cfg(test)]
#[path = "waterfall_tests.rs"]
pub(crate) mod tests;
