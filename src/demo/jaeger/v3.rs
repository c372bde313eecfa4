//! `/api/v3/…`: OTLP in JSON.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::operations;
use super::parameters::{self, Refusal};
use crate::demo::catalogue::Service;
use crate::demo::draft::Draft;
use crate::demo::wire::otlp::push_resource_spans;
use crate::demo::world::{Parameters, Pieces, World, body, json as answer, now};
use crate::domain::{Timestamp, TraceId};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/api/v3/services", get(services))
        .route("/api/v3/operations", get(operations_of))
        .route("/api/v3/traces", get(traces))
        .route("/api/v3/traces/{id}", get(trace))
        .route("/api/v3/trace-summaries", get(summaries))
}

fn failed(status: StatusCode, text: &str) -> Response {
    let body = json!({ "error": { "httpCode": status.as_u16(), "message": text } });
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{body}\n")).into_response()
}

fn refused(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Parameter(text) => failed(StatusCode::BAD_REQUEST, text),
        Refusal::Storage(text) => failed(StatusCode::INTERNAL_SERVER_ERROR, text),
    }
}

async fn services() -> Response {
    answer(StatusCode::OK, json!({ "services": Service::ALL.map(Service::name) }).to_string())
}

async fn operations_of(Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let parameters = Parameters(pairs);
    let Some(service) = parameters.get("service") else {
        return failed(StatusCode::BAD_REQUEST, "malformed parameter service: missing service");
    };
    let found: Vec<Value> = operations(service, parameters.any(&["span_kind", "spanKind"]))
        .into_iter()
        .map(|(name, kind)| json!({ "name": name, "spanKind": kind }))
        .collect();
    answer(StatusCode::OK, json!({ "operations": found }).to_string())
}

const OPENING: &[u8] = br#"{"result":{"resourceSpans":["#;
const CLOSING: &[u8] = b"]}}";

async fn traces(State(world): State<Arc<World>>, Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let (parameters, now) = (Parameters(pairs), now());
    let search = match parameters::v3(&parameters) {
        Ok(search) => search,
        Err(refusal) => return refused(&refusal),
    };
    let exchange = world.exchange();
    let mut pieces = Pieces::write(move |pieces| {
        let mut any = false;
        search.run(&exchange, now, |draft| {
            if !any {
                pieces.buffer.extend_from_slice(OPENING);
            }
            push_resource_spans(&mut pieces.buffer, draft, now, any);
            any = true;
            if pieces.push() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if any {
            pieces.buffer.extend_from_slice(CLOSING);
        }
    });
    // Whether anything was found decides the status, so the first piece is awaited.
    match pieces.recv().await {
        None => failed(StatusCode::NOT_FOUND, "No traces found"),
        Some(first) => answer(StatusCode::OK, body(Some(first), pieces)),
    }
}

async fn trace(State(world): State<Arc<World>>, Path(text): Path<String>) -> Response {
    let Some(id) = TraceId::parse(&text) else {
        return failed(StatusCode::BAD_REQUEST, &format!("malformed parameter trace_id: {text:?}"));
    };
    let now = now();
    let mut out = OPENING.to_vec();
    let written = world.exchange().find(id).map_or(0, |draft| push_resource_spans(&mut out, &draft, now, false));
    if written == 0 {
        return failed(StatusCode::NOT_FOUND, "No traces found");
    }
    out.extend_from_slice(CLOSING);
    answer(StatusCode::OK, out)
}

/// One line about a trace; zeroes are absent, as protobuf's JSON leaves them out.
fn summary(draft: &Draft, now: Timestamp) -> Value {
    let (mut services, mut errors, mut orphans, mut count) = (BTreeMap::<Service, (u64, u64)>::new(), 0u64, 0u64, 0u64);
    let (mut from, mut to) = (i64::MAX, i64::MIN);
    let mut root = None;
    let seen: Vec<usize> = draft.visible(now).map(|(index, _)| index).collect();
    for (_, record) in draft.visible(now) {
        let failed = u64::from(record.failure.is_some());
        let service = services.entry(record.op.service()).or_default();
        *service = (service.0 + 1, service.1 + failed);
        (count, errors) = (count + 1, errors + failed);
        (from, to) = (from.min(record.start), to.max(record.end()));
        match draft.parent(record) {
            None => root = Some(record.op.of()),
            Some(parent) => orphans += u64::from(!seen.contains(&parent)),
        }
    }
    let mut out = json!({
        "traceId": draft.id,
        "minStartTimeUnixNano": format!("{from}000"),
        "maxEndTimeUnixNano": format!("{to}000"),
        "spanCount": count,
    });
    if let Some(root) = root {
        out["rootServiceName"] = json!(root.service.name());
        out["rootOperationName"] = json!(root.name);
    }
    for (key, n) in [("errorSpanCount", errors), ("orphanSpanCount", orphans)] {
        if n > 0 {
            out[key] = json!(n);
        }
    }
    let services = services.into_iter().map(|(service, (spans, failed))| {
        let mut entry = json!({ "name": service.name(), "spanCount": spans });
        if failed > 0 {
            entry["errorSpanCount"] = json!(failed);
        }
        entry
    });
    out["services"] = services.collect();
    out
}

async fn summaries(State(world): State<Arc<World>>, Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let (parameters, now) = (Parameters(pairs), now());
    let search = match parameters::v3(&parameters) {
        Ok(search) => search,
        Err(refusal) => return refused(&refusal),
    };
    let exchange = world.exchange();
    let pieces = Pieces::write(move |pieces| {
        pieces.buffer.extend_from_slice(br#"{"summaries":["#);
        let mut first = true;
        search.run(&exchange, now, |draft| {
            if !std::mem::take(&mut first) {
                pieces.buffer.push(b',');
            }
            pieces.buffer.extend_from_slice(summary(draft, now).to_string().as_bytes());
            if pieces.push() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        pieces.buffer.extend_from_slice(b"]}");
    });
    answer(StatusCode::OK, body(None, pieces))
}
