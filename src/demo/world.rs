//! What the three servers share: the exchange, and the wall clock at the rim.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::exchange::Exchange;
use super::fault::{Fault, Planned};
use crate::domain::Timestamp;

#[derive(Debug)]
pub(super) struct World {
    exchange: Mutex<Arc<Exchange>>,
}

impl World {
    pub(super) fn new(exchange: Exchange) -> Self {
        Self { exchange: Mutex::new(Arc::new(exchange)) }
    }

    /// The exchange as it is now; a fault injected later does not change what a request has begun.
    pub(super) fn exchange(&self) -> Arc<Exchange> {
        Arc::clone(&self.exchange.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn inject(&self, fault: Fault) -> Planned {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut exchange).inject(fault, now())
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    Timestamp(chrono::Utc::now().timestamp_micros())
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// The parameters of a query string or a form, in order; a key may come more than once.
#[derive(Debug, Default)]
pub(super) struct Parameters(pub(super) Vec<(String, String)>);

impl Parameters {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The first of several spellings that is given.
    pub(super) fn any(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.get(key))
    }

    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

/// A body that is written on a thread that may block, while the reader already parses its beginning.
///
/// A few pieces wait at most; when the reader goes away, [`Pieces::push`] says so and the writer stops.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) buffer: Vec<u8>,
    out: tokio::sync::mpsc::Sender<Bytes>,
}

impl Pieces {
    const SIZE: usize = 256 * 1024;

    /// Sends the buffer when it is large enough. `false`: nobody reads any more.
    pub(super) fn push(&mut self) -> bool {
        self.buffer.len() < Self::SIZE || self.send()
    }

    fn send(&mut self) -> bool {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(Self::SIZE + 16 * 1024));
        self.out.blocking_send(Bytes::from(piece)).is_ok()
    }

    /// Runs a writer; its pieces come out of the receiver. Whatever is left in the buffer is sent at the end.
    pub(super) fn write(writer: impl FnOnce(&mut Self) + Send + 'static) -> tokio::sync::mpsc::Receiver<Bytes> {
        let (out, pieces) = tokio::sync::mpsc::channel(4);
        tokio::task::spawn_blocking(move || {
            let mut pieces = Self { buffer: Vec::new(), out };
            writer(&mut pieces);
            if !pieces.buffer.is_empty() {
                pieces.send();
            }
        });
        pieces
    }
}

/// The body made of `first` and what follows from the receiver.
pub(super) fn body(first: Option<Bytes>, rest: tokio::sync::mpsc::Receiver<Bytes>) -> Body {
    use futures_util::{StreamExt, stream};
    let rest = stream::unfold(rest, async |mut rest| rest.recv().await.map(|piece| (piece, rest)));
    Body::from_stream(stream::iter(first).chain(rest).map(Ok::<_, std::convert::Infallible>))
}
