//! What `[prometheus]` in the configuration means.

use serde::{Deserialize, Serialize};

use super::address;
use super::presets;
use super::template;
use crate::domain::{Broken, MetricKind};
use crate::sources::http;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether metrics are read from Prometheus.
    pub enabled: bool,
    /// Address of Prometheus, Thanos Query, Mimir or VictoriaMetrics, with its path prefix if it has one.
    pub url: String,
    /// Which metric names are looked for: `auto` for all that are known, or one family of them: `opentelemetry`,
    /// `opentelemetry-old`, `client-libraries`, `spring`, `grpc`, `span-metrics`, `kubernetes`.
    pub preset: String,
    /// Labels that may hold the name of the traced service; the first that a metric has is used.
    pub service_labels: Vec<String>,
    /// Own PromQL for a metric, in place of the preset's. `{service}` or `$service`, inside quotes, stands for the service;
    /// such a query is asked for one service at a time, when an anomaly is analysed. A query without it is asked for
    /// all services at once and must keep one of `service_labels`. Empty for the preset's.
    pub metrics: Metrics,
    /// How Prometheus is asked: credentials, certificates, limits; a tenant goes into `[prometheus.http.headers]`.
    pub http: http::Settings,
}

/// Own PromQL by metric; each must give the unit that is named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Cores used.
    pub cpu: String,
    /// Bytes.
    pub memory: String,
    /// Requests per second.
    pub request_rate: String,
    /// Share of requests that failed, 0 to 1.
    pub error_rate: String,
    /// 99th percentile of request latency in seconds.
    pub latency_p99: String,
    /// Connections or requests in flight.
    pub active_connections: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            url: "http://127.0.0.1:9090".into(),
            preset: presets::AUTO.into(),
            service_labels: ["service_name", "service", "job", "app", "container"].map(String::from).into(),
            metrics: Metrics::default(),
            http: http::Settings::default(),
        }
    }
}

impl Metrics {
    pub(super) fn of(&self, kind: MetricKind) -> &str {
        match kind {
            MetricKind::Cpu => &self.cpu,
            MetricKind::Memory => &self.memory,
            MetricKind::RequestRate => &self.request_rate,
            MetricKind::ErrorRate => &self.error_rate,
            MetricKind::LatencyP99 => &self.latency_p99,
            MetricKind::ActiveConnections => &self.active_connections,
        }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let single = [self.usable_url(), self.known_preset(), self.some_label()];
        let labels = self.service_labels.iter().filter_map(|label| label_name(label));
        let queries = MetricKind::ALL.into_iter().filter_map(|kind| self.placeholder_in_quotes(kind));
        let http = self.http.broken().into_iter().map(|broken| broken.under("http"));
        single.into_iter().flatten().chain(labels).chain(queries).chain(http).collect()
    }

    /// The address itself is not repeated: it may hold credentials.
    fn usable_url(&self) -> Option<Broken> {
        let why = address(&self.url).err()?;
        let allowed = format!("an http or https address ({why})");
        Some(Broken::new("url", "(see the file)", allowed, "write url = \"http://127.0.0.1:9090\""))
    }

    fn known_preset(&self) -> Option<Broken> {
        let known: Vec<&str> = presets::names().collect();
        (!known.contains(&self.preset.as_str())).then(|| {
            Broken::new("preset", &self.preset, format!("one of {}", known.join(", ")), "write preset = \"auto\"")
        })
    }

    fn some_label(&self) -> Option<Broken> {
        self.service_labels.is_empty().then(|| {
            let hint = "write service_labels = [\"service_name\", \"service\", \"job\"]";
            Broken::new("service_labels", "[]", "at least one label name", hint)
        })
    }

    fn placeholder_in_quotes(&self, kind: MetricKind) -> Option<Broken> {
        let query = self.metrics.of(kind);
        template::fill(query, "x")
            .err()
            .map(|why| Broken::new(format!("metrics.{}", kind.name()), query, why, "write it as in job=\"{service}\""))
    }
}

fn label_name(label: &str) -> Option<Broken> {
    let starts = label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let continues = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!starts || !continues).then(|| {
        let allowed = "label names of letters, digits and underscores, not starting with a digit";
        Broken::new("service_labels", label, allowed, "write them as in [\"service_name\", \"job\"]")
    })
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
        assert_eq!(broken(|s| s.preset = "otel?".into()), ["preset"]);
        assert_eq!(broken(|s| s.service_labels.clear()), ["service_labels"]);
        assert_eq!(broken(|s| s.service_labels = vec!["a\"} or up{b".into()]), ["service_labels"]);
        assert_eq!(broken(|s| s.metrics.cpu = "up{job=$service}".into()), ["metrics.cpu"]);
        assert_eq!(broken(|s| s.metrics.memory = "up{job=`$service`}".into()), ["metrics.memory"]);
        assert_eq!(broken(|s| s.metrics.memory = "up{job=\"$service\"}".into()), Vec::<String>::new());
        assert_eq!(broken(|s| s.url = String::new()), ["url"]);
        assert_eq!(broken(|s| s.http.body_cap_mb = 0), ["http.body_cap_mb"]);
    }

    #[test]
    fn the_documented_presets_are_the_known_ones() {
        let documented = [
            "auto",
            "opentelemetry",
            "opentelemetry-old",
            "client-libraries",
            "spring",
            "grpc",
            "span-metrics",
            "kubernetes",
        ];
        assert_eq!(presets::names().collect::<Vec<_>>(), documented);
    }
}
