//! `/api/services`, `/api/operations`, `/api/traces`, `/api/dependencies`: Jaeger's own JSON in its envelope.

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
use crate::demo::search::Search;
use crate::demo::wire::legacy::push_trace;
use crate::demo::world::{Parameters, Pieces, World, body, json as answer, now};
use crate::domain::{Micros, Timestamp, TraceId};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/api/services", get(services))
        .route("/api/services/{service}/operations", get(operation_names))
        .route("/api/operations", get(operations_with_kinds))
        .route("/api/traces", get(traces))
        .route("/api/traces/{id}", get(trace))
        .route("/api/dependencies", get(dependencies))
}

fn envelope(data: &Value, total: usize) -> Response {
    let body = json!({ "data": data, "total": total, "limit": 0, "offset": 0, "errors": null });
    answer(StatusCode::OK, body.to_string())
}

/// Jaeger sends its errors as JSON that calls itself plain text.
fn failed(status: StatusCode, text: &str) -> Response {
    let errors = json!([{ "code": status.as_u16(), "msg": text }]);
    let body = json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors });
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{body}\n")).into_response()
}

fn refused(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Parameter(text) => failed(StatusCode::BAD_REQUEST, text),
        Refusal::Storage(text) => failed(StatusCode::INTERNAL_SERVER_ERROR, text),
    }
}

async fn services() -> Response {
    let names = Service::ALL.map(Service::name);
    envelope(&json!(names), names.len())
}

async fn operation_names(Path(service): Path<String>) -> Response {
    let names: Vec<&str> = operations(&service, None).into_iter().map(|(name, _)| name).collect();
    envelope(&json!(names), names.len())
}

async fn operations_with_kinds(Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let parameters = Parameters(pairs);
    let Some(service) = parameters.get("service") else {
        return failed(StatusCode::BAD_REQUEST, "parameter 'service' is required");
    };
    let found: Vec<Value> = operations(service, parameters.get("spanKind"))
        .into_iter()
        .map(|(name, kind)| json!({ "name": name, "spanKind": kind }))
        .collect();
    envelope(&json!(found), found.len())
}

const OPENING: &[u8] = br#"{"data":["#;
const CLOSING: &[u8] = br#"],"total":0,"limit":0,"offset":0,"errors":"#;

async fn traces(State(world): State<Arc<World>>, Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let parameters = Parameters(pairs);
    let ids: Vec<&str> = parameters.all("traceID").collect();
    if !ids.is_empty() {
        return several(&world, &ids);
    }
    let now = now();
    let search = match parameters::legacy(&parameters, now) {
        Ok(search) => search,
        Err(refusal) => return refused(&refusal),
    };
    let exchange = world.exchange();
    let pieces = Pieces::write(move |pieces| {
        pieces.buffer.extend_from_slice(OPENING);
        let mut first = true;
        search.run(&exchange, now, |draft| {
            if !std::mem::take(&mut first) {
                pieces.buffer.push(b',');
            }
            push_trace(&mut pieces.buffer, draft, now);
            if pieces.push() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        pieces.buffer.extend_from_slice(CLOSING);
        pieces.buffer.extend_from_slice(b"null}");
    });
    answer(StatusCode::OK, body(None, pieces))
}

/// Several traces by id: what is not found stands in `errors`, and the status is 200 all the same.
fn several(world: &World, ids: &[&str]) -> Response {
    let (exchange, now) = (world.exchange(), now());
    let mut out = OPENING.to_vec();
    let mut errors = Vec::new();
    for text in ids {
        let Some(id) = TraceId::parse(text) else {
            return failed(StatusCode::BAD_REQUEST, &format!("cannot parse traceID {text:?}"));
        };
        match exchange.find(id).filter(|draft| draft.visible(now).next().is_some()) {
            Some(draft) => {
                if out.len() > OPENING.len() {
                    out.push(b',');
                }
                push_trace(&mut out, &draft, now);
            }
            None => errors.push(json!({ "code": 404, "msg": "trace not found", "traceID": id })),
        }
    }
    out.extend_from_slice(CLOSING);
    let errors = if errors.is_empty() { Value::Null } else { Value::Array(errors) };
    out.extend_from_slice(format!("{errors}}}").as_bytes());
    answer(StatusCode::OK, out)
}

async fn trace(State(world): State<Arc<World>>, Path(text): Path<String>) -> Response {
    let Some(id) = TraceId::parse(&text) else {
        return failed(StatusCode::BAD_REQUEST, &format!("cannot parse traceID {text:?}"));
    };
    let now = now();
    match world.exchange().find(id).filter(|draft| draft.visible(now).next().is_some()) {
        None => failed(StatusCode::NOT_FOUND, "trace not found"),
        Some(draft) => {
            let mut out = OPENING.to_vec();
            push_trace(&mut out, &draft, now);
            out.extend_from_slice(CLOSING);
            out.extend_from_slice(b"null}");
            answer(StatusCode::OK, out)
        }
    }
}

/// Calls between services, counted from the traces of the look-back.
async fn dependencies(State(world): State<Arc<World>>, Query(pairs): Query<Vec<(String, String)>>) -> Response {
    let parameters = Parameters(pairs);
    let now = now();
    let millis = |key: &str, otherwise: u64| parameters.get(key).map_or(Some(otherwise), |text| text.parse().ok());
    let (Some(end), Some(lookback)) = (millis("endTs", now.0.unsigned_abs() / 1_000), millis("lookback", 86_400_000))
    else {
        return failed(StatusCode::BAD_REQUEST, "unable to parse param 'endTs' or 'lookback'");
    };
    let to = Timestamp(i64::try_from(end.saturating_mul(1_000)).unwrap_or(i64::MAX));
    let search = Search {
        service: None,
        operation: None,
        from: to - Micros::from_millis(lookback),
        to,
        limit: usize::MAX,
        least: None,
        most: None,
        tags: Vec::new(),
    };
    let exchange = world.exchange();
    let counted = tokio::task::spawn_blocking(move || {
        let mut calls: BTreeMap<(Service, Service), u64> = BTreeMap::new();
        search.run(&exchange, now, |draft| {
            for (_, record) in draft.visible(now) {
                let parent = draft.parent(record).and_then(|index| draft.record(index));
                if let Some(parent) = parent.filter(|parent| parent.op.service() != record.op.service()) {
                    *calls.entry((parent.op.service(), record.op.service())).or_default() += 1;
                }
            }
            ControlFlow::Continue(())
        });
        calls
    });
    let calls = counted.await.unwrap_or_default();
    let data: Vec<Value> = calls
        .into_iter()
        .map(|((parent, child), count)| json!({ "parent": parent.name(), "child": child.name(), "callCount": count }))
        .collect();
    envelope(&json!(data), 0)
}
