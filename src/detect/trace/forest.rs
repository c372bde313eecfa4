//! From a heap of spans to trees: whose child is whose, in which order, and at which time on one common clock.
//!
//! Traces come with doubled spans, ids shared by a client and its server (Zipkin), parents that are missing, parents that
//! are the span itself, and rings of parents. Each gets a place in a tree; what was done about it is counted.

use std::cmp::Reverse;

use crate::domain::{Span, SpanId, SpanKind, Trace};

/// A span's place. Nodes are in depth-first order, so a parent stands before its children.
#[derive(Debug)]
pub(super) struct Node {
    /// Index into the trace's spans.
    pub span: usize,
    /// Index of the parent's node; `None` at the top of a tree.
    pub parent: Option<usize>,
    pub depth: u32,
    /// Start in microseconds after the trace's earliest recorded start, on the common clock.
    pub start: i64,
    /// What was added to the recorded start because the clocks of two services disagree.
    pub moved: i64,
}

#[derive(Debug, Default)]
pub(super) struct Forest {
    /// The tree of the trace's root first, then what hangs together otherwise, by start.
    pub nodes: Vec<Node>,
    /// Spans whose parent is not in the trace.
    pub orphans: u32,
    /// Copies of a span that is there already.
    pub duplicates: u32,
    /// Links cut because a span was its own ancestor.
    pub cycles: u32,
}

/// The links between spans, before they are walked. Indexes are those of the trace's spans.
struct Links {
    kept: Vec<usize>,
    parents: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
}

impl Forest {
    pub fn grow(trace: &Trace) -> Self {
        let spans = &trace.spans;
        let mut forest = Self::default();
        let Some(earliest) = spans.iter().map(|span| span.start.0).min() else {
            return forest;
        };
        let mut links = forest.link(spans);
        let order = |&i: &usize| (spans[i].parent.is_some(), spans[i].start, spans[i].id, i);
        let mut tops: Vec<usize> = links.kept.iter().copied().filter(|&i| links.parents[i].is_none()).collect();
        tops.sort_by_key(order);

        let mut seen = vec![false; spans.len()];
        for top in tops {
            forest.walk(spans, &links, top, earliest, &mut seen);
        }
        // What no top leads to hangs on a ring of parents.
        let mut rest = links.kept.clone();
        rest.sort_by_key(order);
        let mut stamp = vec![usize::MAX; spans.len()];
        for span in rest {
            if seen[span] {
                continue;
            }
            let top = cut_ring(spans, &mut links, span, &mut stamp);
            forest.cycles += 1;
            forest.walk(spans, &links, top, earliest, &mut seen);
        }
        forest
    }

    /// Finds everybody's parent. Spans with one id and one key are copies: the longest is kept, the others counted. Spans
    /// with one id and different keys share it, as a Zipkin client and server do: the later is put below the earlier.
    fn link(&mut self, spans: &[Span]) -> Links {
        let mut by_id: Vec<usize> = (0..spans.len()).collect();
        by_id.sort_by(|&a, &b| {
            let (a_span, b_span) = (&spans[a], &spans[b]);
            (a_span.id, &a_span.key, Reverse(a_span.duration), a_span.start, a).cmp(&(
                b_span.id,
                &b_span.key,
                Reverse(b_span.duration),
                b_span.start,
                b,
            ))
        });
        by_id.dedup_by(|later, first| spans[*later].id == spans[*first].id && spans[*later].key == spans[*first].key);
        self.duplicates = u32::try_from(spans.len() - by_id.len()).unwrap_or(u32::MAX);
        by_id.sort_by_key(|&i| (spans[i].id, spans[i].start, Reverse(spans[i].duration), i));

        let mut parents = vec![None; spans.len()];
        let mut children = vec![Vec::new(); spans.len()];
        for (place, &i) in by_id.iter().enumerate() {
            let shared = place.checked_sub(1).map(|before| by_id[before]).filter(|&b| spans[b].id == spans[i].id);
            parents[i] = match (shared, spans[i].parent) {
                (Some(_), _) => shared,
                (None, None) => None,
                (None, Some(parent)) if parent == spans[i].id => {
                    self.cycles += 1;
                    None
                }
                (None, Some(parent)) => {
                    let found = parent_of(spans, &by_id, parent, &spans[i]);
                    self.orphans += u32::from(found.is_none());
                    found
                }
            };
            if let Some(parent) = parents[i] {
                children[parent].push(i);
            }
        }
        Links { kept: by_id, parents, children }
    }

    /// Appends the tree below `top`, depth-first, siblings by start.
    fn walk(&mut self, spans: &[Span], links: &Links, top: usize, earliest: i64, seen: &mut [bool]) {
        let start = spans[top].start.0.saturating_sub(earliest);
        let mut waiting = vec![Node { span: top, parent: None, depth: 0, start, moved: 0 }];
        while let Some(node) = waiting.pop() {
            if std::mem::replace(&mut seen[node.span], true) {
                continue;
            }
            let place = self.nodes.len();
            let first_child = waiting.len();
            for &child in &links.children[node.span] {
                if seen[child] || links.parents[child] != Some(node.span) {
                    continue;
                }
                let moved = clock_shift(&spans[node.span], &node, &spans[child], earliest);
                let start = spans[child].start.0.saturating_sub(earliest).saturating_add(moved);
                waiting.push(Node { span: child, parent: Some(place), depth: node.depth + 1, start, moved });
            }
            waiting[first_child..].sort_by_key(|n| Reverse((n.start, spans[n.span].id, n.span)));
            self.nodes.push(node);
        }
    }
}

/// The span that `id` means to `child`: among several that share it the one of the child's own service, else the last.
/// Only a few are looked at, so that a trace in which all ids are equal costs no square.
fn parent_of(spans: &[Span], by_id: &[usize], id: SpanId, child: &Span) -> Option<usize> {
    const LOOKED_AT: usize = 8;
    let from = by_id.partition_point(|&i| spans[i].id < id);
    let sharers = by_id[from..].iter().copied().take_while(|&i| spans[i].id == id).take(LOOKED_AT);
    let mut last = None;
    for sharer in sharers {
        if spans[sharer].key.service == child.key.service {
            return Some(sharer);
        }
        last = Some(sharer);
    }
    last
}

/// Follows parents from `from` into their ring and cuts it above its earliest span, which becomes a top.
fn cut_ring(spans: &[Span], links: &mut Links, from: usize, stamp: &mut [usize]) -> usize {
    let mut at = from;
    while stamp[at] != from {
        stamp[at] = from;
        match links.parents[at] {
            Some(parent) => at = parent,
            None => return at,
        }
    }
    let entry = at;
    let mut top = entry;
    while let Some(parent) = links.parents[at] {
        at = parent;
        if (spans[at].start, spans[at].id, at) < (spans[top].start, spans[top].id, top) {
            top = at;
        }
        if at == entry {
            break;
        }
    }
    links.parents[top] = None;
    top
}

/// By how much a child's recorded start is moved. A server answers within its client's span: one that lies wholly outside,
/// though it would fit, was timed by another clock, and is centred in the client's span. Spans of the same service below it
/// share its clock. Everything else stays where it was recorded.
fn clock_shift(parent: &Span, parent_node: &Node, child: &Span, earliest: i64) -> i64 {
    if parent.key.service == child.key.service {
        return parent_node.moved;
    }
    let answers = parent.key.kind == SpanKind::Client && child.key.kind == SpanKind::Server;
    if !answers || child.duration > parent.duration {
        return 0;
    }
    let start = child.start.0.saturating_sub(earliest);
    let end = start.saturating_add_unsigned(child.duration.0);
    let parent_end = parent_node.start.saturating_add_unsigned(parent.duration.0);
    if end > parent_node.start && start < parent_end || start == parent_node.start {
        return 0;
    }
    let spare = (parent.duration.0 - child.duration.0) / 2;
    parent_node.start.saturating_add_unsigned(spare).saturating_sub(start)
}
