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
    /// Address of Jaeger's UI, with its base path, for links to traces. Empty where it is the same as `url`.
    pub ui_url: String,
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
            ui_url: String::new(),
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
        let urls = [("url", &self.url)].into_iter().chain(self.own_ui_url().map(|url| ("ui_url", url)));
        let urls = urls.filter_map(|(key, url)| unusable(key, url));
        urls.chain(limit).chain(http).collect()
    }

    fn own_ui_url(&self) -> Option<&String> {
        Some(&self.ui_url).filter(|url| !url.trim().is_empty())
    }

    /// The address below which Jaeger's UI shows traces as `/trace/ID`, without a slash at its end. An address that holds
    /// credentials is none.
    #[must_use]
    pub fn trace_pages(&self) -> Option<String> {
        let base = address(self.own_ui_url().unwrap_or(&self.url)).ok()?;
        Some(base.as_str().trim_end_matches('/').to_owned())
    }
}

/// The address itself is not repeated: it may hold credentials.
fn unusable(key: &str, url: &str) -> Option<Broken> {
    let why = address(url).err()?;
    Some(Broken::new(
        key,
        "(see the file)",
        format!("an http or https address ({why})"),
        format!("write {key} = \"http://127.0.0.1:16686\""),
    ))
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
        assert_eq!(broken(|s| s.ui_url = "https://me:s3cret@ops.example".into()), ["ui_url"]);
    }

    #[test]
    fn traces_are_found_below_the_address_of_the_ui() {
        let pages = |url: &str, ui_url: &str| {
            Settings { url: url.into(), ui_url: ui_url.into(), ..Settings::default() }.trace_pages()
        };
        assert_eq!(pages("jaeger:16686/", "").as_deref(), Some("http://jaeger:16686"));
        assert_eq!(pages("http://query:16686/jaeger/search?x=1", "").as_deref(), Some("http://query:16686/jaeger"));
        let own = pages("http://query:16686", "https://ops.example/jaeger/ui/");
        assert_eq!(own.as_deref(), Some("https://ops.example/jaeger/ui"));
        assert_eq!(pages("http://query:16686", "https://me:s3cret@ops.example"), None);
    }
}
