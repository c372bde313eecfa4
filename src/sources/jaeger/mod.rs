//! Traces from Jaeger, over whichever of its two HTTP APIs answers.
//!
//! The un-versioned API is preferred where it exists: one read gives whole traces and every attribute. The newest
//! Jaeger has only `/api/v3`. Which one answers is found by asking, remembered, and asked again when the known one
//! is gone, for a backend may be upgraded while it is watched.

mod events;
mod legacy;
mod legacy_span;
mod otlp;
mod otlp_wire;
mod page;
mod request;
mod scalar;
mod search;
mod settings;

pub use legacy::parse_page;
pub(in crate::sources) use legacy::{page as legacy_page, trace as legacy_trace};
pub(in crate::sources) use otlp::page as otlp_page;
pub use page::PageReport;
pub(in crate::sources) use page::{Names, PageError};
pub use search::SearchReport;
pub use settings::Settings;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Url;
use serde::Deserialize;

use crate::domain::{EventsBySpan, Timestamp, Trace, TraceId};
use crate::sources::http::{self, Answer, Client, ErrorKind, SourceError};
use scalar::Scalar;
use search::RowLimit;

/// The two dialects of Jaeger's query service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/api/traces`, gone in the newest Jaeger.
    Legacy,
    /// `/api/v3/traces`; `summaries` where `/api/v3/trace-summaries` exists too (2.19 and later).
    V3 { summaries: bool },
}

/// What probing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub api: Api,
    /// The server's clock, whole seconds.
    pub server_time: Option<Timestamp>,
    /// For a header: `legacy api`, `api v3`.
    pub detail: String,
}

/// One Jaeger query service.
#[derive(Debug)]
pub struct Jaeger {
    client: Client,
    exclude: BTreeSet<String>,
    configured_limit: u32,
    /// The limit in use: lower than configured once the storage refused that.
    limit: AtomicU32,
    api: Mutex<Option<Api>>,
    row_limit: Mutex<RowLimit>,
}

/// A name longer than this is not asked for: no service is called so, and no server takes such an address.
const LONGEST_SERVICE: usize = 512;
const MOST_SERVICES: usize = 10_000;

impl Jaeger {
    /// # Errors
    /// Settings that break their rules, or a certificate file that cannot be used. Nothing is asked yet.
    pub fn new(settings: &Settings) -> Result<Self, SourceError> {
        let base = address(&settings.url).map_err(|why| {
            let hint = "write url = \"http://HOST:16686\" under [jaeger]";
            SourceError::new(ErrorKind::Settings, format!("jaeger.url: {why}"), hint)
        })?;
        Ok(Self {
            client: Client::new(base, &settings.http)?,
            exclude: settings.exclude_services.iter().cloned().collect(),
            configured_limit: settings.limit.max(1),
            limit: AtomicU32::new(settings.limit.max(1)),
            api: Mutex::new(None),
            row_limit: Mutex::new(RowLimit::default()),
        })
    }

    /// Finds out which API answers, and remembers it.
    ///
    /// # Errors
    /// When neither API answers as it should; of the two reasons the one that tells more.
    pub async fn probe(&self) -> Result<Found, SourceError> {
        let answer = self.client.get("api/services", &[]).await?;
        let server_time = answer.server_time;
        let refusal = match has_member(answer, "data") {
            Ok(()) => {
                self.remember(Api::Legacy);
                return Ok(Found { api: Api::Legacy, server_time, detail: "legacy api".to_owned() });
            }
            Err(refusal) => refusal,
        };
        let answer = self.client.get("api/v3/services", &[]).await?;
        let server_time = answer.server_time.or(server_time);
        if let Err(second) = has_member(answer, "services") {
            return Err(if refusal.kind() == ErrorKind::Status(404) { second } else { refusal });
        }
        // Asked without its parameters it answers 400 in JSON where it exists; elsewhere the router or the UI answers.
        let summaries = self.client.get("api/v3/trace-summaries", &[]).await?;
        let summaries = summaries.is_json() && matches!(summaries.status, 200 | 400);
        let api = Api::V3 { summaries };
        self.remember(api);
        let detail = if summaries { "api v3 with summaries" } else { "api v3" }.to_owned();
        Ok(Found { api, server_time, detail })
    }

    /// Names of all services that ever sent a span, sorted, excluded ones left out; at most 10,000.
    ///
    /// # Errors
    /// Whatever the network or the server says.
    pub async fn services(&self) -> Result<Vec<String>, SourceError> {
        let mut api = self.api().await?;
        loop {
            let path = match api {
                Api::Legacy => "api/services",
                Api::V3 { .. } => "api/v3/services",
            };
            match self.client.get(path, &[]).await?.json() {
                Ok(body) => return self.service_names(&body),
                Err(error) => api = self.moved(api, error).await?,
            }
        }
    }

    fn service_names(&self, body: &[u8]) -> Result<Vec<String>, SourceError> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow, alias = "services")]
            data: Option<Vec<Scalar<'a>>>,
        }
        let body: Body<'_> = serde_json::from_slice(body).map_err(|e| SourceError::from_json(&e, body.len()))?;
        let names: BTreeSet<&str> = body
            .data
            .iter()
            .flatten()
            .filter_map(Scalar::text)
            .filter(|name| !name.is_empty() && name.len() <= LONGEST_SERVICE && !self.exclude.contains(*name))
            .collect();
        Ok(names.into_iter().take(MOST_SERVICES).map(str::to_owned).collect())
    }

    /// One whole trace; `None` when the backend does not have it (any more).
    ///
    /// # Errors
    /// Whatever the network or the server says.
    pub async fn trace(&self, id: TraceId) -> Result<Option<Trace>, SourceError> {
        match self.answer_of(id).await? {
            Some((api, body)) => request::only_trace(api, body, id).await,
            None => Ok(None),
        }
    }

    /// The same with the events of its spans, which are read only for whoever looks at a trace.
    ///
    /// # Errors
    /// Whatever the network or the server says.
    pub async fn trace_with_events(&self, id: TraceId) -> Result<Option<(Trace, EventsBySpan)>, SourceError> {
        match self.answer_of(id).await? {
            Some((api, body)) => request::only_trace_with_events(api, body, id).await,
            None => Ok(None),
        }
    }

    async fn answer_of(&self, id: TraceId) -> Result<Option<(Api, Vec<u8>)>, SourceError> {
        let mut api = self.api().await?;
        loop {
            let answer = self.client.get(&request::trace_path(api, id), &[]).await?;
            if answer.status == 404 && answer.is_json() {
                return Ok(None);
            }
            match answer.json() {
                Ok(body) => return Ok(Some((api, body))),
                Err(error) => api = self.moved(api, error).await?,
            }
        }
    }

    async fn api(&self) -> Result<Api, SourceError> {
        let known = self.api.lock().map_or(None, |api| *api);
        match known {
            Some(api) => Ok(api),
            None => Ok(self.probe().await?.api),
        }
    }

    fn remember(&self, api: Api) {
        if let Ok(mut known) = self.api.lock() {
            *known = Some(api);
        }
        self.limit.store(self.configured_limit, Ordering::Relaxed);
    }

    /// After `error` from `api`: the other API when that is what answers now, else the error itself. Upgrading is the
    /// only direction in time, so two of these in a row end.
    async fn moved(&self, api: Api, error: SourceError) -> Result<Api, SourceError> {
        if !matches!(error.kind(), ErrorKind::Status(404 | 405) | ErrorKind::Html) {
            return Err(error);
        }
        let found = self.probe().await?.api;
        if std::mem::discriminant(&found) == std::mem::discriminant(&api) { Err(error) } else { Ok(found) }
    }
}

/// The base address; pages of Jaeger's UI and paths of its API are cut off.
fn address(text: &str) -> Result<Url, String> {
    http::base_url(text, |tail| {
        matches!(
            tail,
            ["search"] | ["trace", _] | ["api", "traces" | "services" | "operations" | "dependencies" | "v3", ..]
        )
    })
}

/// Whether this is a success with a JSON object that has the member; an object without any member is an empty answer
/// of releases that left empty members out.
fn has_member(answer: Answer, member: &str) -> Result<(), SourceError> {
    let body = answer.json()?;
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&body).map_err(|e| SourceError::from_json(&e, body.len()))?;
    let empty = object.is_empty() && member == "services";
    if empty || object.contains_key(member) { Ok(()) } else { Err(SourceError::missing(&format!("`{member}`"))) }
}

#[cfg(test)]
mod tests;
