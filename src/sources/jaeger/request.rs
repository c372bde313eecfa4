//! One request and its answer, in either dialect: addresses, and what is done with a page.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat};
use tokio::sync::mpsc::Sender;

use super::page::{PageReport, Sink};
use super::{Api, events, legacy, otlp};
use crate::domain::{EventsBySpan, TimeWindow, Timestamp, Trace, TraceId};
use crate::sources::http::{Client, SourceError};

/// Traces are sent on in batches of about this many spans.
const BATCH_SPANS: usize = 2_000;

/// What is asked: all traces with a span of `service` that starts in `window`, at most `limit`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) api: Api,
    pub(super) service: &'a str,
    pub(super) window: TimeWindow,
    pub(super) limit: u32,
}

/// What a page held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Distinct trace ids in the page.
    pub(super) ids: u64,
    /// Traces that were not delivered before in the same search, and their spans.
    pub(super) traces: u64,
    pub(super) spans: u64,
    pub(super) refused: u64,
    /// Spans of the service itself that start in the window: what storages count that limit rows, not traces.
    pub(super) matching: u64,
    pub(super) bytes: u64,
}

pub(super) fn trace_path(api: Api, id: TraceId) -> String {
    match api {
        Api::Legacy => format!("api/traces/{id}"),
        Api::V3 { .. } => format!("api/v3/traces/{id}"),
    }
}

/// The body of the answer; `None` when v3 says in its way that nothing was found.
pub(super) async fn ask(client: &Client, question: Question<'_>) -> Result<Option<Vec<u8>>, SourceError> {
    let Question { api, service, window, limit } = question;
    let limit = limit.to_string();
    match api {
        Api::Legacy => {
            // Both ends are included over there; our windows are half-open.
            let (start, end) = (window.from.0.to_string(), window.to.0.saturating_sub(1).to_string());
            let query = [("service", service), ("start", &start), ("end", &end), ("limit", &limit)];
            client.get("api/traces", &query).await?.json().map(Some)
        }
        Api::V3 { .. } => {
            // One nanosecond before the end, so that even a window of a microsecond has a beginning before its end.
            let (from, to) = (rfc3339(window.from, 0), rfc3339(Timestamp(window.to.0.saturating_sub(1)), 999));
            let query = [
                ("query.service_name", service),
                ("query.start_time_min", &from),
                ("query.start_time_max", &to),
                ("query.num_traces", &limit),
            ];
            let answer = client.get("api/v3/traces", &query).await?;
            if answer.status == 404 && answer.is_json() { Ok(None) } else { answer.json().map(Some) }
        }
    }
}

fn rfc3339(at: Timestamp, nanos: i64) -> String {
    let time = DateTime::from_timestamp_micros(at.0).unwrap_or_default() + chrono::TimeDelta::nanoseconds(nanos);
    time.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

fn parse(api: Api, body: &[u8], sink: &mut Sink<'_>) -> Result<PageReport, SourceError> {
    match api {
        Api::Legacy => legacy::parse(body, sink),
        Api::V3 { .. } => otlp::parse(body, sink),
    }
}

/// Parses on a thread that may block and sends on, in batches, every trace that `seen` does not have yet. The channel
/// is bounded: a slow receiver slows the parser, and no more than one page is ever held.
pub(super) async fn deliver(
    question: Question<'_>,
    body: Vec<u8>,
    mut seen: HashSet<TraceId>,
    out: Sender<Vec<Trace>>,
) -> (HashSet<TraceId>, Result<Delivered, SourceError>) {
    let (api, window, service) = (question.api, question.window, question.service.to_owned());
    let work = tokio::task::spawn_blocking(move || {
        let mut delivered = Delivered { bytes: body.len() as u64, ..Delivered::default() };
        let (mut ids, mut batch, mut open) = (HashSet::new(), Batch::default(), true);
        let read = parse(api, &body, &mut |trace, refused| {
            if ids.insert(trace.id) {
                delivered.ids += 1;
            }
            let own = trace.spans.iter().filter(|span| window.contains(span.start) && *span.key.service == *service);
            delivered.matching += own.count() as u64;
            if !open || !seen.insert(trace.id) {
                return;
            }
            delivered.refused += refused;
            if trace.spans.is_empty() {
                return;
            }
            delivered.traces += 1;
            delivered.spans += trace.spans.len() as u64;
            if let Some(full) = batch.add(trace) {
                open = out.blocking_send(full).is_ok();
            }
        });
        if open && !batch.traces.is_empty() {
            open = out.blocking_send(batch.traces).is_ok();
        }
        let outcome = if open { read.map(|_| delivered) } else { Err(SourceError::stopped()) };
        (seen, outcome)
    });
    // The task ends early only when the runtime itself is ending.
    work.await.unwrap_or_else(|_| (HashSet::new(), Err(SourceError::stopped())))
}

#[derive(Default)]
struct Batch {
    traces: Vec<Trace>,
    spans: usize,
}

impl Batch {
    fn add(&mut self, trace: Trace) -> Option<Vec<Trace>> {
        self.spans += trace.spans.len();
        self.traces.push(trace);
        if self.spans < BATCH_SPANS {
            return None;
        }
        self.spans = 0;
        Some(std::mem::take(&mut self.traces))
    }
}

pub(super) async fn only_trace(api: Api, body: Vec<u8>, id: TraceId) -> Result<Option<Trace>, SourceError> {
    let work = tokio::task::spawn_blocking(move || one(api, &body, id));
    work.await.unwrap_or_else(|_| Err(SourceError::stopped()))
}

pub(super) async fn only_trace_with_events(
    api: Api,
    body: Vec<u8>,
    id: TraceId,
) -> Result<Option<(Trace, EventsBySpan)>, SourceError> {
    let work = tokio::task::spawn_blocking(move || match one(api, &body, id)? {
        Some(trace) => Ok(Some((trace, events::parse(api, &body)?))),
        None => Ok(None),
    });
    work.await.unwrap_or_else(|_| Err(SourceError::stopped()))
}

/// The trace of that id in an answer by id; a page may hold it in parts.
fn one(api: Api, body: &[u8], id: TraceId) -> Result<Option<Trace>, SourceError> {
    let mut found: Option<Trace> = None;
    parse(api, body, &mut |trace, _| match &mut found {
        _ if trace.id != id || trace.spans.is_empty() => {}
        Some(found) => found.spans.extend(trace.spans),
        None => found = Some(trace),
    })?;
    Ok(found)
}
