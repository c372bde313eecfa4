//! A settled trace as the tests and the baselines see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::fold_ids;
use crate::detect::trace::{TraceShape, shape};
use crate::detect::{Observation, Observed, Place};
use crate::domain::{Calendar, Span, SpanId, SpanKind, TimeWindow, Trace, text};

use super::keys::Keys;

/// Longer messages differ in their beginnings.
const MESSAGE_LENGTH: usize = 120;

/// Lays a trace out and numbers what is in it. Of the spans, `fresh` (ascending) are those not observed before.
pub fn observe(trace: &Trace, fresh: &[SpanId], keys: &mut Keys, calendar: &Calendar) -> Observed {
    let shape = shape(trace);
    let numbers: Vec<u32> =
        shape.rows.iter().map(|row| trace.spans.get(row.span).map_or(0, |span| keys.index(&span.key))).collect();
    let services: Vec<u32> = numbers.iter().map(|number| keys.service_of(*number)).collect();
    let below = Below::of(&shape);
    // Parents stand before children: whether anything below failed is known from the end backwards.
    let mut failed_below = vec![false; shape.rows.len()];
    for (at, row) in shape.rows.iter().enumerate().rev() {
        let failed = failed_below[at] || trace.spans.get(row.span).is_some_and(|span| span.error);
        if let Some(parent) = row.parent {
            failed_below[parent] |= failed;
        }
    }
    let has_root = trace.spans.iter().any(|span| span.parent.is_none());
    let mut spans: Vec<Observation> = Vec::with_capacity(shape.rows.len());
    let mut children: Vec<u32> = Vec::new();
    for (at, row) in shape.rows.iter().enumerate() {
        let Some(span) = trace.spans.get(row.span) else { continue };
        let (key, service) = (numbers[at], services[at]);
        let from = children.len();
        children.extend(below.of_row(at).iter().map(|child| numbers[*child as usize]));
        children[from..].sort_unstable();
        let mut kept = from;
        for next in from..children.len() {
            if next == from || children[next] != children[kept - 1] {
                children[kept] = children[next];
                kept += 1;
            }
        }
        children.truncate(kept);
        let callee = below.of_row(at).iter().map(|child| services[*child as usize]).find(|callee| *callee != service);
        let same_service_parent = row.parent.is_some_and(|parent| services[parent] == service);
        let place = match (callee, span.key.kind) {
            (Some(callee), SpanKind::Client | SpanKind::Producer) => Place::Edge(callee),
            (Some(callee), SpanKind::Unspecified) if same_service_parent => Place::Edge(callee),
            _ => Place::Node,
        };
        let error_origin = span.error && !failed_below[at];
        spans.push(Observation {
            key,
            service,
            start: span.start,
            end: span.end(),
            duration: span.duration,
            place,
            own: row.self_time,
            parent: row.parent.map(|parent| parent as u32),
            children: (from as u32, kept as u32),
            error: span.error,
            error_origin,
            message: error_origin.then(|| message(span)).flatten(),
            entry: !same_service_parent,
            root: span.parent.is_none(),
            orphan: has_root && row.parent.is_none() && span.parent.is_some(),
            fresh: fresh.binary_search(&span.id).is_ok(),
        });
    }
    for wait in &shape.waits {
        if let Some(caller) = spans.get_mut(wait.from)
            && caller.place == Place::Edge(services[wait.to])
        {
            caller.own.0 = caller.own.0.saturating_add(wait.length().0);
        }
    }
    let contributions = contributions(&shape, &spans, &services);
    let end = spans.iter().map(|span| span.end).max().unwrap_or(shape.start);
    let root = spans.first().filter(|first| first.root);
    Observed {
        trace: trace.id,
        window: TimeWindow::new(shape.start, end),
        minute: root.map(|root| calendar.minute_of_day(root.start)),
        root: root.map(|_| 0),
        end_to_end: shape.end_to_end,
        spans,
        children,
        contributions,
    }
}

/// Rows by their parent: one list, and where each row's children begin in it.
struct Below {
    order: Vec<u32>,
    first: Vec<u32>,
}

impl Below {
    fn of(shape: &TraceShape) -> Self {
        let mut first = vec![0u32; shape.rows.len() + 1];
        for row in &shape.rows {
            if let Some(parent) = row.parent {
                first[parent + 1] += 1;
            }
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut next = first.clone();
        let mut order = vec![0u32; first.last().copied().unwrap_or(0) as usize];
        for (at, row) in shape.rows.iter().enumerate() {
            if let Some(parent) = row.parent {
                order[next[parent] as usize] = at as u32;
                next[parent] += 1;
            }
        }
        Self { order, first }
    }

    fn of_row(&self, row: usize) -> &[u32] {
        &self.order[self.first[row] as usize..self.first[row + 1] as usize]
    }
}

fn contributions(shape: &TraceShape, spans: &[Observation], services: &[u32]) -> Vec<((u32, Place), u64)> {
    let own = shape.rows.iter().zip(spans).map(|(row, span)| ((span.key, span.place), row.critical_time().0));
    let waits =
        shape.waits.iter().filter(|wait| wait.critical).filter_map(|wait| {
            Some(((spans.get(wait.from)?.key, Place::Edge(*services.get(wait.to)?)), wait.length().0))
        });
    let mut sums: BTreeMap<(u32, Place), u64> = BTreeMap::new();
    for (contributor, us) in own.chain(waits).filter(|(_, us)| *us > 0) {
        *sums.entry(contributor).or_default() += us;
    }
    sums.into_iter().collect()
}

/// Where instrumentation puts the words of a failure, most specific first.
const MESSAGES: [&str; 6] =
    ["exception.message", "error.message", "otel.status_description", "status.message", "error.type", "exception.type"];

/// What a failed span says of it, cleaned, with ids folded, so that one kind of failure is one message.
fn message(span: &Span) -> Option<Arc<str>> {
    let said = MESSAGES.iter().find_map(|key| span.attributes.get(key)).filter(|said| !said.is_empty())?;
    let cleaned = text::clean(said);
    let short = cleaned.char_indices().nth(MESSAGE_LENGTH).map_or(&*cleaned, |(end, _)| &cleaned[..end]);
    Some(fold_ids(short).map_or_else(|| Arc::from(short), Arc::from))
}
