//! Sending the exchange's spans to a real backend by OTLP/HTTP in JSON.

use std::error::Error;
use std::time::Duration;

use super::draft::Draft;
use super::exchange::Exchange;
use super::serve::DemoError;
use super::wire::otlp::push_resource_spans;
use super::world::now;
use crate::domain::{TimeWindow, Timestamp};

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    pub traces: u64,
    pub spans: u64,
    pub requests: u64,
}

const BATCH_BYTES: usize = 1 << 20;
const OPENING: &[u8] = br#"{"resourceSpans":["#;
const CLOSING: &[u8] = b"]}";

/// Sends all spans of the traces that start in `window` and have ended, oldest first, in requests of about 1 MB.
///
/// `url` is an OTLP/HTTP endpoint, with or without `/v1/traces`: `http://127.0.0.1:4318`.
///
/// # Errors
/// [`DemoError::Export`] when the endpoint cannot be reached or refuses a batch.
pub async fn export(exchange: &Exchange, window: TimeWindow, url: &str) -> Result<Exported, DemoError> {
    let url = address(url);
    let client = client().map_err(|error| failed(&url, &error))?;
    let now = now();
    let (mut exported, mut batch, mut drafts) = (Exported::default(), OPENING.to_vec(), Vec::new());
    for cell in exchange.cells(window) {
        exchange.cell(cell, &mut drafts);
        for draft in drafts.iter().filter(|draft| window.contains(Timestamp(draft.start()))) {
            add(&mut batch, draft, now, &mut exported);
            if batch.len() >= BATCH_BYTES {
                send(&client, &url, &mut batch).await?;
                exported.requests += 1;
            }
        }
    }
    if batch.len() > OPENING.len() {
        send(&client, &url, &mut batch).await?;
        exported.requests += 1;
    }
    Ok(exported)
}

fn add(batch: &mut Vec<u8>, draft: &Draft, now: Timestamp, exported: &mut Exported) {
    let separate = batch.len() > OPENING.len();
    let spans = push_resource_spans(batch, draft, now, separate) as u64;
    exported.spans += spans;
    exported.traces += u64::from(spans > 0);
}

async fn send(client: &reqwest::Client, url: &str, batch: &mut Vec<u8>) -> Result<(), DemoError> {
    let mut body = std::mem::replace(batch, OPENING.to_vec());
    body.extend_from_slice(CLOSING);
    let request = client.post(url).header("content-type", "application/json").body(body);
    let answer = request.send().await.map_err(|error| failed(url, &error))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let reason = format!("it answered {}; is this an OTLP/HTTP endpoint?", answer.status());
    Err(DemoError::Export { url: url.to_owned(), reason })
}

fn address(url: &str) -> String {
    let base = url.trim_end_matches('/');
    if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") }
}

/// A host without CA certificates can still send to an endpoint without TLS.
fn client() -> reqwest::Result<reqwest::Client> {
    let builder =
        || reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(60));
    builder().build().or_else(|_| builder().tls_certs_only(Vec::new()).build())
}

/// The innermost cause says what happened; the outer ones only that a request failed.
fn failed(url: &str, error: &reqwest::Error) -> DemoError {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    DemoError::Export { url: url.to_owned(), reason: cause.to_string() }
}
