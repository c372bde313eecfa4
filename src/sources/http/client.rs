//! The client that every source asks through.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, Response, Url};

use super::auth::{Auth, Secret};
use super::{ErrorKind, Settings, SourceError};
use crate::domain::{Timestamp, text};

const AGENT: &str = concat!("spanwatch/", env!("CARGO_PKG_VERSION"));
/// Of an answer that is an error, this much is read for its message.
const ERROR_CAP: u64 = 64 * 1024;
const MOST_REDIRECTS: usize = 5;
/// A whole answer may take this many times the idle limit; a server that drips bytes is cut off then.
const WHOLE_ANSWER_FACTOR: u64 = 10;

/// One backend: its base address, credentials and limits.
#[derive(Debug)]
pub(in crate::sources) struct Client {
    base: Url,
    http: reqwest::Client,
    auth: Auth,
    timeout_s: u64,
    cap_mb: u64,
    /// This machine has no CA certificates and none were named: https cannot work.
    no_roots: bool,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub(in crate::sources) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The server's clock, from its `Date` header (whole seconds).
    pub server_time: Option<Timestamp>,
    retry_after: Option<Duration>,
    /// Where a redirect that was not followed points to: scheme, host and port only.
    elsewhere: Option<String>,
}

impl Client {
    /// # Errors
    /// When a certificate file cannot be used, or a setting breaks its rule.
    pub(in crate::sources) fn new(base: Url, settings: &Settings) -> Result<Self, SourceError> {
        if let Some(broken) = settings.broken().into_iter().next() {
            let reason = format!("http.{} = {}: allowed is {}", broken.key, broken.value, broken.allowed);
            return Err(SourceError::new(ErrorKind::Settings, reason, broken.hint));
        }
        let named = if settings.ca_file.is_empty() { Vec::new() } else { certificates(&settings.ca_file)? };
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(AGENT)
                .default_headers(headers(settings))
                .connect_timeout(Duration::from_secs(settings.connect_timeout_s))
                .read_timeout(Duration::from_secs(settings.timeout_s))
                .redirect(same_origin());
            // A proxy from the environment cannot reach this machine's own loopback.
            if is_loopback(&base) { builder.no_proxy() } else { builder }
        };
        // Without CA certificates on the machine the ordinary builder fails, even for plain http.
        let (http, no_roots) = match builder().tls_certs_merge(named.clone()).build() {
            Ok(http) => (http, false),
            Err(_) => {
                let no_roots = named.is_empty();
                let http = builder().tls_certs_only(named).build().map_err(|e| {
                    let why = std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default();
                    let reason = format!("the HTTP client could not be set up: {why}");
                    SourceError::new(
                        ErrorKind::Settings,
                        reason,
                        "check http.ca_file and the proxy environment variables",
                    )
                })?;
                (http, no_roots)
            }
        };
        let (timeout_s, cap_mb) = (settings.timeout_s, settings.body_cap_mb);
        Ok(Self { base, http, auth: Auth::new(settings), timeout_s, cap_mb, no_roots })
    }

    /// Asks for `path` below the base.
    pub(in crate::sources) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, SourceError> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(&Method::GET, url, None).await
    }

    /// The same parameters as a form, for queries too long for an address.
    pub(in crate::sources) async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Answer, SourceError> {
        let mut encoder = self.url("");
        encoder.query_pairs_mut().extend_pairs(form);
        let body = encoder.query().unwrap_or_default().to_owned();
        self.send(&Method::POST, self.url(path), Some(body)).await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Sends, and once more with fresh credentials if the server refused the ones that were kept.
    async fn send(&self, method: &Method, url: Url, form: Option<String>) -> Result<Answer, SourceError> {
        let secret = self.auth.secret().await?;
        let answer = self.send_once(method, url.clone(), form.clone(), secret.as_ref()).await?;
        let (401, Some(refused)) = (answer.status, secret) else {
            return Ok(answer);
        };
        self.auth.forget(&refused).await;
        match self.auth.secret().await? {
            Some(fresh) if fresh != refused => self.send_once(method, url, form, Some(&fresh)).await,
            _ => Ok(answer),
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        url: Url,
        form: Option<String>,
        secret: Option<&Secret>,
    ) -> Result<Answer, SourceError> {
        let mut request = self.auth.apply(self.http.request(method.clone(), url), secret);
        if let Some(form) = form {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        }
        let limit_s = self.timeout_s.saturating_mul(WHOLE_ANSWER_FACTOR);
        let whole = Box::pin(self.receive(request, secret));
        tokio::time::timeout(Duration::from_secs(limit_s), whole)
            .await
            .unwrap_or_else(|_| Err(SourceError::timeout(limit_s)))
    }

    async fn receive(&self, request: reqwest::RequestBuilder, secret: Option<&Secret>) -> Result<Answer, SourceError> {
        let response = request.send().await.map_err(|e| self.network(&e))?;
        let status = response.status();
        let server_time = date(response.headers(), &DATE);
        let retry_after = retry_after(response.headers(), server_time);
        let elsewhere = response.headers().get(LOCATION).and_then(|to| origin_of(response.url(), to));
        let mut body = if status.is_success() { self.body(response).await? } else { self.error_body(response).await };
        if let (false, Some(secret)) = (status.is_success() && begins_as_json(&body), secret) {
            body = secret.removed_from(body);
        }
        Ok(Answer { status: status.as_u16(), body, server_time, retry_after, elsewhere })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, SourceError> {
        let cap = self.cap_mb.saturating_mul(1_000_000);
        let announced = response.content_length().unwrap_or(0);
        if announced > cap {
            return Err(SourceError::too_large(self.cap_mb));
        }
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(|e| self.network(&e))? {
            if (body.len() + chunk.len()) as u64 > cap {
                return Err(SourceError::too_large(self.cap_mb));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The first part of an error's body; what cannot be read is left out, for the status already says enough.
    async fn error_body(&self, mut response: Response) -> Vec<u8> {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() as u64 >= ERROR_CAP {
                body.truncate(ERROR_CAP as usize);
                break;
            }
        }
        body
    }

    fn network(&self, error: &reqwest::Error) -> SourceError {
        let host = self.base.host_str().unwrap_or_default();
        SourceError::from_network(error, host, self.timeout_s, self.no_roots)
    }
}

impl Answer {
    /// The body of a success that begins as JSON; anything else in words.
    ///
    /// # Errors
    /// Every status that is not a success, a redirect to another origin, HTML and other text.
    pub(in crate::sources) fn json(self) -> Result<Vec<u8>, SourceError> {
        match self.error() {
            Some(error) => Err(error),
            None => Ok(self.body),
        }
    }

    /// Why this is not a success with JSON; `None` when it is one.
    pub(in crate::sources) fn error(&self) -> Option<SourceError> {
        match self.status {
            200..=299 => (!begins_as_json(&self.body)).then(|| SourceError::not_json(&self.body)),
            300..=399 => Some(self.redirected()),
            status => Some(SourceError::from_status(status, &self.body, self.retry_after)),
        }
    }

    /// Whether the body begins as JSON; tells an API's own 404 from a router's.
    pub(in crate::sources) fn is_json(&self) -> bool {
        begins_as_json(&self.body)
    }

    fn redirected(&self) -> SourceError {
        let to = self.elsewhere.as_deref().map_or("elsewhere", |to| to);
        SourceError::new(
            ErrorKind::Auth,
            format!("redirected to {to} (login page?)"),
            format!(
                "give credentials in this source's http table, or write url = \"{to}…\" if the backend moved there"
            ),
        )
    }
}

fn begins_as_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Headers and credentials stay with the origin they were given for: another host, port or scheme is not followed to.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let from = attempt.previous().last().map(Url::origin);
        if attempt.previous().len() <= MOST_REDIRECTS && from == Some(attempt.url().origin()) {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// The settings' own headers; `Settings::broken` has already refused the ones that cannot be sent.
fn headers(settings: &Settings) -> HeaderMap {
    let pairs = settings.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    });
    pairs.collect()
}

fn certificates(path: &str) -> Result<Vec<Certificate>, SourceError> {
    let unusable = |why: String| {
        let hint = "name a PEM file with one or more CERTIFICATE blocks in http.ca_file";
        SourceError::new(ErrorKind::Settings, format!("cannot use {path}: {why}"), hint)
    };
    let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| unusable("not PEM".to_owned()))?;
    if certificates.is_empty() { Err(unusable("no certificate in it".to_owned())) } else { Ok(certificates) }
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let at = chrono::DateTime::parse_from_rfc2822(headers.get(name)?.to_str().ok()?).ok()?;
    Some(Timestamp::from_secs(at.timestamp()))
}

/// Seconds, or a date that is compared with the server's own clock.
fn retry_after(headers: &HeaderMap, server_time: Option<Timestamp>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(date(headers, &RETRY_AFTER)?.since(server_time?).as_std())
}

fn origin_of(here: &Url, to: &HeaderValue) -> Option<String> {
    let target = here.join(to.to_str().ok()?).ok()?;
    Some(text::middle(&text::clean(&target.origin().ascii_serialization()), 80).into_owned())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
