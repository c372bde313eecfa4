//! Metrics from Prometheus and what speaks its API.
//!
//! Which expression answers which question is found out by looking at the metric names and labels that exist, or is
//! written in the configuration. What does not resolve is absent, not an error.

mod discovery;
mod presets;
mod settings;
mod template;
mod wire;

pub use settings::{Metrics, Settings};
pub(in crate::sources) use wire::timestamp;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::Url;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::domain::{MetricKind, MetricSample, Micros, TimeWindow, Timestamp, text};
use crate::sources::http::{self, Client, ErrorKind, SourceError};
use discovery::{Question, Resolved};
use wire::{Series, Warned};

/// What probing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `2.42.0`, `Grafana Mimir 2.15`; empty where the server does not tell.
    pub version: String,
    /// The server's clock.
    pub server_time: Option<Timestamp>,
}

/// One metric of one service at a moment, with the hour before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub sample: MetricSample,
    /// One value a minute, oldest first; minutes without a value are left out.
    pub history: Vec<(Timestamp, f64)>,
}

/// One Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    client: Arc<Client>,
    settings: Settings,
    /// The server runs 20 queries at once for everybody; this many of ours are polite.
    gate: Arc<Semaphore>,
    resolved: tokio::sync::Mutex<Option<Resolved>>,
    notes: Mutex<Vec<String>>,
}

const IN_FLIGHT: usize = 4;
const HISTORY: Micros = Micros::from_secs(3_600);
const HISTORY_STEP: &str = "60";
/// Queries longer than this go into a form: proxies cut addresses at some kilobytes.
const LONGEST_IN_ADDRESS: usize = 2_000;
const MOST_NOTES: usize = 8;

/// What one query of a round gave.
type Outcome = (usize, Result<Warned<Vec<Series>>, SourceError>);

impl Prometheus {
    /// # Errors
    /// Settings that break their rules, or a certificate file that cannot be used. Nothing is asked yet.
    pub fn new(settings: &Settings) -> Result<Self, SourceError> {
        if let Some(broken) = settings.broken().into_iter().next() {
            let reason = format!("prometheus.{} = {}: allowed is {}", broken.key, broken.value, broken.allowed);
            return Err(SourceError::new(ErrorKind::Settings, reason, broken.hint));
        }
        let base = address(&settings.url).map_err(|why| {
            let hint = "write url = \"http://HOST:9090\" under [prometheus]";
            SourceError::new(ErrorKind::Settings, format!("prometheus.url: {why}"), hint)
        })?;
        Ok(Self {
            client: Arc::new(Client::new(base, &settings.http)?),
            settings: settings.clone(),
            gate: Arc::new(Semaphore::new(IN_FLIGHT)),
            resolved: tokio::sync::Mutex::new(None),
            notes: Mutex::new(Vec::new()),
        })
    }

    /// Asks for the server's clock, and for its version where it tells.
    ///
    /// # Errors
    /// When it does not answer a query.
    pub async fn probe(&self) -> Result<Found, SourceError> {
        let answer = self.client.get("api/v1/query", &[("query", "time()")]).await?;
        let from_header = answer.server_time;
        let server_time = wire::scalar_time(&answer.json()?)?.or(from_header);
        // Managed services leave this out; it is only informative.
        let info = self.client.get("api/v1/status/buildinfo", &[]).await.and_then(http::Answer::json);
        let version = info.and_then(|body| wire::build_info(&body)).unwrap_or_default();
        Ok(Found { version: text::middle(&text::clean(&version), 60).into_owned(), server_time })
    }

    /// Every metric that resolves, of all services at once, as of `at`; sorted by metric and service.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses every query. One query of several that fails becomes a note.
    pub async fn poll(&self, at: Timestamp) -> Result<Vec<MetricSample>, SourceError> {
        let questions: Vec<(Question, String)> = self
            .questions(at, true)
            .await?
            .into_iter()
            .filter_map(|question| question.for_all().map(|query| (question, query)))
            .collect();
        let instants = questions.iter().map(|(_, query)| instant(query, at));
        let outcomes = self.ask_all(instants.collect()).await?;
        let mut samples = Vec::new();
        for ((question, query), found) in questions.iter().zip(outcomes) {
            let named = question.by_service(found.into_iter().flatten(), &self.settings.service_labels);
            samples.extend(named.into_iter().filter_map(|(service, series)| {
                let (_, value) = *series.points.last()?;
                Some(MetricSample { kind: question.kind, service, at, value, query: query.clone() })
            }));
        }
        samples.sort_by(|a, b| (a.kind, &a.service).cmp(&(b.kind, &b.service)));
        Ok(samples)
    }

    /// Every value of these kinds between two times, one a minute, of all services; by metric and service, in time order.
    /// Metrics whose query is written for one service are left out.
    ///
    /// # Errors
    /// As [`Prometheus::poll`].
    pub async fn past(&self, kinds: &[MetricKind], window: TimeWindow) -> Result<Vec<MetricSample>, SourceError> {
        let questions: Vec<(Question, String)> = self
            .questions(window.to, true)
            .await?
            .into_iter()
            .filter(|question| kinds.contains(&question.kind))
            .filter_map(|question| question.for_all().map(|query| (question, query)))
            .collect();
        let outcomes = self.ask_all(questions.iter().map(|(_, query)| range(query, window)).collect()).await?;
        let mut samples = Vec::new();
        for ((question, query), found) in questions.iter().zip(outcomes) {
            let named = question.by_service(found.into_iter().flatten(), &self.settings.service_labels);
            for (service, series) in named {
                let sample = |(at, value)| MetricSample {
                    kind: question.kind,
                    service: service.clone(),
                    at,
                    value,
                    query: query.clone(),
                };
                samples.extend(series.points.into_iter().map(sample));
            }
        }
        Ok(samples)
    }

    /// Each metric of one service at `at`, with the hour before it. A metric without a value then is left out.
    ///
    /// # Errors
    /// As [`Prometheus::poll`].
    pub async fn readings(&self, service: &str, at: Timestamp) -> Result<Vec<Reading>, SourceError> {
        let questions = self.questions(at, false).await?;
        let queries: Vec<String> = questions.iter().map(|question| question.for_one(service)).collect();
        let requests = queries
            .iter()
            .flat_map(|query| [instant(query, at), range(query, TimeWindow::new(at - HISTORY, at))])
            .collect();
        let mut outcomes = self.ask_all(requests).await?.into_iter();
        let mut readings = Vec::new();
        for (question, query) in questions.iter().zip(queries) {
            let (now, before) = (outcomes.next().flatten(), outcomes.next().flatten());
            let labels = &self.settings.service_labels;
            let one = |found: Option<Vec<Series>>| question.only(found.unwrap_or_default(), service, labels);
            match (one(now), one(before)) {
                (Ok(Some(series)), history) => {
                    let Some((_, value)) = series.points.last().copied() else { continue };
                    let history = history.ok().flatten().map(|series| series.points).unwrap_or_default();
                    let sample = MetricSample { kind: question.kind, service: service.to_owned(), at, value, query };
                    readings.push(Reading { sample, history });
                }
                (Ok(None), _) => {}
                (Err(series), _) => {
                    let name = question.kind.name();
                    self.note(format!(
                        "{name}: {series} series for one service; write it as one with sum() in metrics.{name}"
                    ));
                }
            }
        }
        Ok(readings)
    }

    /// Doubts about the last answers, cleaned: the server's warnings, and queries of several that failed.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().map_or_else(|_| Vec::new(), |notes| notes.clone())
    }

    fn note(&self, note: String) {
        let note = text::middle(&text::clean(&note), 200).into_owned();
        if let Ok(mut notes) = self.notes.lock()
            && notes.len() < MOST_NOTES
            && !notes.contains(&note)
        {
            notes.push(note);
        }
    }

    /// What to ask, found out when it is not known, is old (with `fresh`), or was nothing.
    async fn questions(&self, at: Timestamp, fresh: bool) -> Result<Vec<Question>, SourceError> {
        let mut resolved = self.resolved.lock().await;
        if resolved.as_ref().is_none_or(|known| known.is_stale(at, fresh)) {
            *resolved = Some(discovery::resolve(&self.client, &self.settings, at).await?);
        }
        Ok(resolved.as_ref().map(|known| known.questions.clone()).unwrap_or_default())
    }

    /// Asks everything, a few at a time, and keeps the order. Dropping the future drops the connections.
    async fn ask_all(&self, requests: Vec<Request>) -> Result<Vec<Option<Vec<Series>>>, SourceError> {
        if let Ok(mut notes) = self.notes.lock() {
            notes.clear();
        }
        let mut found: Vec<Option<Vec<Series>>> = requests.iter().map(|_| None).collect();
        let queries: Vec<String> = requests.iter().map(|request| request.query.clone()).collect();
        let mut tasks: JoinSet<Outcome> = JoinSet::new();
        for (i, request) in requests.into_iter().enumerate() {
            let (client, gate) = (Arc::clone(&self.client), Arc::clone(&self.gate));
            tasks.spawn(async move {
                let permit = gate.acquire_owned().await;
                let outcome = request.send(&client).await;
                drop(permit);
                (i, outcome)
            });
        }
        let mut errors = BTreeMap::new();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((i, Ok(Warned { value, warnings }))) => {
                    found[i] = Some(value);
                    warnings.into_iter().for_each(|warning| self.note(warning));
                }
                Ok((i, Err(error))) => _ = errors.insert(i, error),
                Err(_) => return Err(SourceError::stopped()),
            }
        }
        let refused = |error: &SourceError| matches!(error.kind(), ErrorKind::Status(_));
        let all_failed = errors.len() == found.len();
        let worst = errors.values().find(|error| all_failed || !refused(error)).cloned();
        if let Some(error) = worst {
            return Err(error);
        }
        for (i, error) in errors {
            self.note(format!("{error} ({})", queries[i]));
        }
        Ok(found)
    }
}

/// One query to send.
#[derive(Debug, Clone)]
struct Request {
    path: &'static str,
    query: String,
    times: Vec<(&'static str, String)>,
}

fn instant(query: &str, at: Timestamp) -> Request {
    Request { path: "api/v1/query", query: query.to_owned(), times: vec![("time", seconds(at))] }
}

fn range(query: &str, window: TimeWindow) -> Request {
    let times = vec![("start", seconds(window.from)), ("end", seconds(window.to)), ("step", HISTORY_STEP.to_owned())];
    Request { path: "api/v1/query_range", query: query.to_owned(), times }
}

impl Request {
    async fn send(&self, client: &Client) -> Result<Warned<Vec<Series>>, SourceError> {
        let mut parameters = vec![("query", self.query.as_str())];
        parameters.extend(self.times.iter().map(|(name, time)| (*name, time.as_str())));
        let answer = if self.query.len() > LONGEST_IN_ADDRESS {
            client.post_form(self.path, &parameters).await?
        } else {
            client.get(self.path, &parameters).await?
        };
        wire::series(&answer.json()?)
    }
}

/// Unix seconds with a fraction, exact to the microsecond.
fn seconds(at: Timestamp) -> String {
    format!("{}.{:06}", at.secs(), at.0.rem_euclid(1_000_000))
}

/// The base address; pages of Prometheus' UI and paths of its API are cut off.
fn address(text: &str) -> Result<Url, String> {
    http::base_url(text, |tail| matches!(tail, ["graph" | "query" | "targets" | "alerts"] | ["api", "v1", ..]))
}

/// The kinds that have no query of their own in the configuration.
fn without_own(settings: &Settings) -> impl Iterator<Item = MetricKind> {
    MetricKind::ALL.into_iter().filter(|kind| settings.metrics.of(*kind).is_empty())
}

#[cfg(test)]
mod tests;
