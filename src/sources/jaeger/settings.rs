//! What `[jaeger]` in the configuration means.

use serde::{Deserialize, Serialize};

use super::address;
use crate::domain::Broken;
use crate::sources::http;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether traces are read from Jaeger.
    pub enabled: bool,
    /// Address of Jaeger's query service, with its base path if it has one. An address copied from its UI works as well.
    pub url: String,
    /// Most traces asked for in one request. A page that is full is split into shorter time windows until none is.
    pub limit: u32,
    /// Services that are not watched. Jaeger traces its own query API, and watching that would feed itself.
    pub exclude_services: Vec<String>,
    /// How Jaeger is asked: credentials, certificates, limits; a tenant goes into `[jaeger.http.headers]`.
    pub http: http::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            url: "http://127.0.0.1:16686".into(),
            limit: 1_000,
            exclude_services: ["jaeger", "jaeger-query", "jaeger-all-in-one"].map(String::from).into(),
            http: http::Settings::default(),
        }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let limit = Broken::unless_within("limit", self.limit, (1, 1_500), "traces", 1_000);
        let http = self.http.broken().into_iter().map(|broken| broken.under("http"));
        self.usable_url().into_iter().chain(limit).chain(http).collect()
    }

    /// The address itself is not repeated: it may hold credentials.
    fn usable_url(&self) -> Option<Broken> {
        let why = address(&self.url).err()?;
        Some(Broken::new(
            "url",
            "(see the file)",
            format!("an http or https address ({why})"),
            "write url = \"http://127.0.0.1:16686\"",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.broken().into_iter().map(|broken| broken.key).collect()
    }

    #[test]
    fn each_rule_names_its_key_and_the_defaults_hold() {
        assert!(broken(|_| ()).is_empty());
        assert_eq!(broken(|s| s.limit = 1_501), ["limit"]);
        assert_eq!(broken(|s| s.url = "gopher://x".into()), ["url"]);
        assert_eq!(broken(|s| s.http.timeout_s = 0), ["http.timeout_s"]);
    }
}
