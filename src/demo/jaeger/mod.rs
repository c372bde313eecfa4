//! Jaeger's query API over the simulated exchange: the un-versioned JSON and the stable v3.

mod legacy;
mod parameters;
mod v3;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::catalogue::{Op, Service};
use super::fault::{Fault, Planned};
use super::world::{World, now};
use crate::domain::{Micros, TimeWindow};

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .merge(legacy::routes())
        .merge(v3::routes())
        .route("/demo/faults", get(faults))
        .route("/demo/faults/{name}", post(inject))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
        .with_state(world)
}

/// Operations of a service with their kinds, by name.
fn operations(service: &str, kind: Option<&str>) -> Vec<(&'static str, &'static str)> {
    let Some(service) = Service::from_name(service) else { return Vec::new() };
    let of_service = Op::ALL.into_iter().map(Op::of).filter(|operation| operation.service == service);
    let mut found: Vec<_> = of_service.map(|operation| (operation.name, operation.kind.name())).collect();
    found.retain(|(_, own)| kind.is_none_or(|kind| kind == *own));
    found.sort_unstable();
    found
}

fn describe(planned: &Planned) -> serde_json::Value {
    json!({
        "fault": planned.fault.name(),
        "meaning": planned.fault.meaning(),
        "culprit": planned.fault.culprit(),
        "from_us": planned.window.from.0,
        "to_us": planned.window.to.0,
    })
}

/// The faults of the hour before and the hour to come. Not Jaeger's: for whoever watches the demo by hand.
async fn faults(State(world): State<Arc<World>>) -> Json<serde_json::Value> {
    let (now, hour) = (now(), Micros::from_secs(3_600));
    let exchange = world.exchange();
    let planned = exchange.faults_within(TimeWindow::new(now - hour, now + hour));
    let injection = exchange.injection().map(|(injection, window)| {
        json!({
            "injection": injection.to_string(),
            "culprit": injection.culprit(),
            "from_us": window.from.0,
            "to_us": window.to.0,
        })
    });
    Json(json!({ "faults": planned.iter().map(describe).collect::<Vec<_>>(), "injection": injection }))
}

/// Begins a fault at once.
async fn inject(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
) -> Result<Json<serde_json::Value>, Response> {
    match Fault::from_name(&name) {
        Some(fault) => Ok(Json(describe(&world.inject(fault)))),
        None => {
            let names = Fault::ALL.map(Fault::name).join(", ");
            let body = json!({ "error": format!("no fault of that name; there are {names}") });
            Err(super::world::json(StatusCode::NOT_FOUND, body.to_string()))
        }
    }
}
