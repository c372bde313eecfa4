//! What went wrong with a source, in words for a header and for a person.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::domain::text;

/// Why a source did not give what was asked for. `Display` is a short reason for a header; [`SourceError::hint`] says
/// what to do. Text from a server in it is cleaned and cut; secrets are never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    kind: ErrorKind,
    reason: String,
    hint: String,
    /// The server's own message, cleaned; empty when it had none.
    message: String,
    retry_after: Option<Duration>,
}

/// What a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The settings cannot be used: a file that cannot be read, a token command that failed.
    Settings,
    /// No connection: refused, unknown host, TLS, or broken off.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// 401 or 403, or sent elsewhere to log in.
    Auth,
    /// HTML where JSON should be: a login page, or an address that is not the API.
    Html,
    /// Longer than the cap.
    TooLarge,
    /// The answer ended too early.
    CutOff,
    /// Not JSON, or not the JSON that this API gives.
    Malformed,
    /// 429.
    RateLimited,
    /// Any other status that is not a success.
    Status(u16),
    /// Nobody wants the answer any more.
    Stopped,
}

/// A server's wish to be left alone is followed up to this long.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);
const LONGEST_REASON: usize = 160;
const LONGEST_MESSAGE: usize = 2_000;

impl SourceError {
    pub(in crate::sources) fn new(kind: ErrorKind, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), hint: hint.into(), message: String::new(), retry_after: None }
    }

    pub(super) fn with_retry_after(mut self, wish: Option<Duration>) -> Self {
        self.retry_after = wish.map(|wish| wish.min(LONGEST_RETRY_AFTER));
        self
    }

    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// One sentence on what to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        self.hint.clone()
    }

    /// How long the server asked to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The server's own message, cleaned; empty when it had none.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// An answer that is not a success; `body` is its first part, already free of secrets.
    pub(super) fn from_status(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let message = server_message(body);
        let said =
            if message.is_empty() { String::new() } else { format!(": {}", text::middle(&message, LONGEST_REASON)) };
        let (kind, reason, hint) = match status {
            401 => (
                ErrorKind::Auth,
                format!("401 unauthorized{said}"),
                "set a bearer token, a basic user or a tenant header in this source's http table",
            ),
            403 => (
                ErrorKind::Auth,
                format!("403 forbidden{said}"),
                "the credentials are known but may not read; ask for read access, or check the tenant header",
            ),
            404 => (
                ErrorKind::Status(404),
                format!("404 not found{said}"),
                "check the url: the path prefix may be missing or wrong",
            ),
            429 => (
                ErrorKind::RateLimited,
                format!("429 too many requests{said}"),
                "the server limits requests; nothing to do, or poll less often",
            ),
            500..=599 => (
                ErrorKind::Status(status),
                format!("{status} server error{said}"),
                "look at the backend's own log; spanwatch keeps asking",
            ),
            _ => (
                ErrorKind::Status(status),
                format!("{status}{said}"),
                "check the url and the version of the backend with `spanwatch doctor`",
            ),
        };
        let mut error = Self::new(kind, reason, hint).with_retry_after(retry_after);
        error.message = message;
        error
    }

    /// A success whose body does not begin as JSON.
    pub(super) fn not_json(body: &[u8]) -> Self {
        if looks_like_html(body) {
            return Self::new(
                ErrorKind::Html,
                "HTML instead of JSON (login page?)",
                "give credentials in this source's http table if a proxy asks for a login; else check the url's path",
            );
        }
        let hint = "check that the url is the API of this backend";
        if body.trim_ascii().is_empty() {
            return Self::new(ErrorKind::Malformed, "empty answer instead of JSON", hint);
        }
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]);
        Self::new(ErrorKind::Malformed, format!("not JSON: \"{}\"", text::clean(start.trim())), hint)
    }

    /// JSON that broke off or has another shape than this API gives; `length` is how much of it there was.
    pub(in crate::sources) fn from_json(error: &serde_json::Error, length: usize) -> Self {
        if error.is_eof() {
            return Self::new(
                ErrorKind::CutOff,
                format!("JSON cut off after {length} bytes"),
                "the server or a proxy closed too early; look for its size or time limits",
            );
        }
        let said = error.to_string();
        Self::new(
            ErrorKind::Malformed,
            format!("unexpected JSON: {}", text::middle(&text::clean(&said), LONGEST_REASON)),
            "check that the url is the API of this backend, and its version with `spanwatch doctor`",
        )
    }

    /// JSON in which something that must be there is not.
    pub(in crate::sources) fn missing(what: &str) -> Self {
        Self::new(
            ErrorKind::Malformed,
            format!("unexpected JSON: no {what}"),
            "check that the url is the API of this backend",
        )
    }

    /// An error that came inside a success.
    pub(in crate::sources) fn reported(message: &str) -> Self {
        let message = text::middle(&text::clean(message), LONGEST_MESSAGE).into_owned();
        let reason = format!("the server reported: {}", text::middle(&message, LONGEST_REASON));
        let mut error = Self::new(ErrorKind::Status(200), reason, "look at the backend's own log");
        error.message = message;
        error
    }

    pub(in crate::sources) fn too_large(cap_mb: u64) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            format!("answer larger than {cap_mb} MB"),
            "raise http.body_cap_mb, or lower the limit of traces per request",
        )
    }

    pub(in crate::sources) fn stopped() -> Self {
        Self::new(ErrorKind::Stopped, "no longer wanted", "nothing to do")
    }

    pub(super) fn timeout(seconds: u64) -> Self {
        Self::new(
            ErrorKind::Timeout,
            format!("no answer in {seconds} s"),
            "the server is slow or hangs; raise http.timeout_s if it is only slow",
        )
    }

    /// What the network said. reqwest's own sentence is not used: it repeats the whole URL.
    pub(super) fn from_network(error: &reqwest::Error, host: &str, timeout_s: u64, no_roots: bool) -> Self {
        let causes: Vec<&(dyn Error + 'static)> =
            std::iter::successors(error.source(), |cause| (*cause).source()).collect();
        let io = causes.iter().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        let deepest = causes.last().map(ToString::to_string).unwrap_or_default();
        let unreachable = |reason: String, hint: &str| Self::new(ErrorKind::Unreachable, reason, hint);
        if error.is_timeout() {
            return if error.is_connect() {
                unreachable(format!("no connection to {host} in time"), "check the url, the network and the firewall")
            } else {
                Self::timeout(timeout_s)
            };
        }
        if error.is_dns() {
            return unreachable(format!("host not found: {host}"), "check the host's name in the url");
        }
        let about_tls = deepest.contains("certificate") || deepest.to_ascii_lowercase().contains("tls");
        if about_tls && no_roots {
            let hint = "this machine has no CA certificates: install them, or name a PEM file in http.ca_file";
            return unreachable("certificate not trusted".to_owned(), hint);
        }
        if about_tls {
            let said = text::middle(&text::clean(&deepest), LONGEST_REASON).into_owned();
            return unreachable(
                format!("TLS: {said}"),
                "name the CA's PEM file in http.ca_file, or check the url's scheme",
            );
        }
        match io {
            Some(std::io::ErrorKind::ConnectionRefused) => {
                unreachable("connection refused".to_owned(), "start the backend, or check the url's host and port")
            }
            _ if error.is_body() || error.is_decode() => Self::new(
                ErrorKind::CutOff,
                "connection broken off in the middle of an answer",
                "the server or a proxy closed too early; look for its size or time limits",
            ),
            _ => {
                let said = text::middle(&text::clean(&deepest), LONGEST_REASON).into_owned();
                unreachable(format!("connection failed: {said}"), "check the url, the network and the backend's log")
            }
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for SourceError {}

fn looks_like_html(body: &[u8]) -> bool {
    body.trim_ascii_start().strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().starts_with(b"<")
}

/// The message in an error body, in any of the shapes that Jaeger, Prometheus and proxies use; cleaned and cut.
fn server_message(body: &[u8]) -> String {
    if looks_like_html(body) {
        return String::new();
    }
    let known = ["/errors/0/msg", "/error/message", "/error", "/message"];
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let from_json =
        parsed.as_ref().and_then(|value| known.iter().find_map(|path| value.pointer(path).and_then(Value::as_str)));
    let plain = String::from_utf8_lossy(body);
    let said = from_json.unwrap_or(if parsed.is_some() { "" } else { plain.trim() });
    text::middle(&text::clean(said), LONGEST_MESSAGE).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_message_is_found_in_every_shape_and_cleaned() {
        for body in [
            r#"{"data":null,"errors":[{"code":500,"msg":"disk\u001b[2J full"}]}"#,
            r#"{"error":{"httpCode":500,"message":"disk\u001b[2J full"}}"#,
            r#"{"status":"error","errorType":"internal","error":"disk\u001b[2J full"}"#,
            "disk\u{1b}[2J full\n",
        ] {
            let error = SourceError::from_status(500, body.as_bytes(), None);
            assert_eq!(error.to_string(), "500 server error: disk·[2J full", "{body}");
        }
        assert_eq!(SourceError::from_status(502, b"<html>bad gateway", None).to_string(), "502 server error");
    }

    #[test]
    fn a_long_message_keeps_both_ends_and_fits_a_header() {
        let body = format!("failed {} unsupported value: NaN", "x".repeat(100_000));
        let error = SourceError::from_status(500, body.as_bytes(), None);
        assert!(error.to_string().chars().count() < 200);
        assert!(error.message().ends_with("unsupported value: NaN"));
    }

    #[test]
    fn bodies_that_are_not_json_are_named() {
        assert_eq!(SourceError::not_json(b" <!doctype html>").kind(), ErrorKind::Html);
        assert_eq!(SourceError::not_json(b"\xef\xbb\xbf<html>").kind(), ErrorKind::Html);
        assert_eq!(SourceError::not_json(b" \n").to_string(), "empty answer instead of JSON");
        let shown = SourceError::not_json(b"Service\x1b[31m Unavailable\n").to_string();
        assert_eq!(shown, "not JSON: \"Service·[31m Unavailable\"");
    }

    #[test]
    fn nobody_is_told_to_wait_for_days() {
        let error = SourceError::from_status(429, b"", Some(Duration::from_secs(1 << 40)));
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(LONGEST_RETRY_AFTER)));
    }
}
