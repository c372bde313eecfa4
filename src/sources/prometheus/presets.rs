//! The metric names of the usual exporters, and how each answers one of our questions.

use crate::domain::MetricKind::{self, ActiveConnections, Cpu, ErrorRate, LatencyP99, Memory, RequestRate};

/// All presets, in the order of the table.
pub(super) const AUTO: &str = "auto";

/// One way to answer one question.
///
/// In the expression `$by` is the label that names the service, `$in` a matcher on it, and `$status` the label that
/// holds the status code. Every expression groups by `$by` and gives the unit of its [`MetricKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) preset: &'static str,
    pub(super) kind: MetricKind,
    /// Metrics that must exist; the labels of the first decide what `$by` and `$status` are.
    pub(super) needs: &'static [&'static str],
    pub(super) expression: &'static str,
}

impl Candidate {
    /// The label that names the service where it is always the same one. On container metrics `job` and `service` name
    /// the agent that measured.
    pub(super) fn own_label(&self) -> Option<&'static str> {
        (self.preset == KUBERNETES).then_some("container")
    }
}

const KUBERNETES: &str = "kubernetes";

/// Labels that hold an HTTP status code, by exporter.
pub(super) const STATUS_LABELS: [&str; 5] =
    ["http_response_status_code", "http_status_code", "status_code", "code", "status"];

/// What a configuration may name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let mut seen: Vec<&str> = Vec::new();
    let mut presets = Vec::from([AUTO]);
    for candidate in CANDIDATES {
        if !seen.contains(&candidate.preset) {
            seen.push(candidate.preset);
        }
    }
    presets.append(&mut seen);
    presets.into_iter()
}

/// The candidates of a preset, the preferred ones first.
pub(super) fn of(preset: &str) -> impl Iterator<Item = &'static Candidate> {
    CANDIDATES.iter().filter(move |candidate| preset == AUTO || candidate.preset == preset)
}

/// A counter per second.
macro_rules! rate {
    ($metric:literal $(, $matcher:literal)?) => {
        concat!("sum by ($by) (rate(", $metric, "{$in", $(",", $matcher,)? "}[5m]))")
    };
}

/// Failed over all. Without a failure there is no failed series at all: then the share is 0, not missing.
macro_rules! share {
    ($metric:literal, $failed:literal $(, $matcher:literal)?) => {
        concat!(
            "(", rate!($metric, $failed), " or 0 * ", rate!($metric $(, $matcher)?), ") / ",
            rate!($metric $(, $matcher)?)
        )
    };
}

/// The 99th percentile of a classic histogram, brought to seconds.
macro_rules! p99 {
    ($bucket:literal $(, $matcher:literal)?) => {
        concat!("histogram_quantile(0.99, sum by ($by, le) (rate(", $bucket, "{$in", $(",", $matcher,)? "}[5m])))")
    };
    (ms $bucket:literal $(, $matcher:literal)?) => {
        concat!(p99!($bucket $(, $matcher)?), " / 1000")
    };
}

macro_rules! sum {
    ($metric:literal $(, $matcher:literal)?) => {
        concat!("sum by ($by) (", $metric, "{$in", $(",", $matcher,)? "})")
    };
}

macro_rules! candidates {
    ($($preset:tt { $($kind:ident [$($needs:literal),+] $expression:expr;)+ })+) => {
        &[$($(Candidate { preset: $preset, kind: $kind, needs: &[$($needs),+], expression: $expression },)+)+]
    };
}

const CANDIDATES: &[Candidate] = candidates! {
    "opentelemetry" {
        RequestRate ["http_server_request_duration_seconds_count"] rate!("http_server_request_duration_seconds_count");
        ErrorRate ["http_server_request_duration_seconds_count"]
            share!("http_server_request_duration_seconds_count", "$status=~\"5..\"");
        LatencyP99 ["http_server_request_duration_seconds_bucket"] p99!("http_server_request_duration_seconds_bucket");
        Cpu ["process_cpu_time_seconds_total"] rate!("process_cpu_time_seconds_total");
        Cpu ["jvm_cpu_time_seconds_total"] rate!("jvm_cpu_time_seconds_total");
        Memory ["process_memory_usage_bytes"] sum!("process_memory_usage_bytes");
        ActiveConnections ["http_server_active_requests"] sum!("http_server_active_requests");
        ActiveConnections ["db_client_connection_count"] sum!("db_client_connection_count", "state=\"used\"");
    }
    "opentelemetry-old" {
        RequestRate ["http_server_duration_milliseconds_count"] rate!("http_server_duration_milliseconds_count");
        ErrorRate ["http_server_duration_milliseconds_count"]
            share!("http_server_duration_milliseconds_count", "$status=~\"5..\"");
        LatencyP99 ["http_server_duration_milliseconds_bucket"] p99!(ms "http_server_duration_milliseconds_bucket");
        RequestRate ["http_server_duration_seconds_count"] rate!("http_server_duration_seconds_count");
        ErrorRate ["http_server_duration_seconds_count"] share!("http_server_duration_seconds_count", "$status=~\"5..\"");
        LatencyP99 ["http_server_duration_seconds_bucket"] p99!("http_server_duration_seconds_bucket");
        ActiveConnections ["db_client_connections_usage"] sum!("db_client_connections_usage", "state=\"used\"");
    }
    "client-libraries" {
        RequestRate ["http_requests_total"] rate!("http_requests_total");
        ErrorRate ["http_requests_total"] share!("http_requests_total", "$status=~\"5..\"");
        RequestRate ["http_request_duration_seconds_count"] rate!("http_request_duration_seconds_count");
        ErrorRate ["http_request_duration_seconds_count"] share!("http_request_duration_seconds_count", "$status=~\"5..\"");
        LatencyP99 ["http_request_duration_seconds_bucket"] p99!("http_request_duration_seconds_bucket");
        Cpu ["process_cpu_seconds_total"] rate!("process_cpu_seconds_total");
        Memory ["process_resident_memory_bytes"] sum!("process_resident_memory_bytes");
        Memory ["nodejs_heap_size_used_bytes"] sum!("nodejs_heap_size_used_bytes");
        ActiveConnections ["http_requests_in_flight"] sum!("http_requests_in_flight");
        ActiveConnections ["active_connections"] sum!("active_connections");
    }
    "spring" {
        RequestRate ["http_server_requests_seconds_count"] rate!("http_server_requests_seconds_count");
        ErrorRate ["http_server_requests_seconds_count"] share!("http_server_requests_seconds_count", "$status=~\"5..\"");
        LatencyP99 ["http_server_requests_seconds_bucket"] p99!("http_server_requests_seconds_bucket");
        Cpu ["process_cpu_usage", "system_cpu_count"] "sum by ($by) (process_cpu_usage{$in} * system_cpu_count{$in})";
        Memory ["jvm_memory_used_bytes"] sum!("jvm_memory_used_bytes");
        Memory ["jvm_memory_bytes_used"] sum!("jvm_memory_bytes_used");
        ActiveConnections ["tomcat_connections_current_connections"] sum!("tomcat_connections_current_connections");
        ActiveConnections ["hikaricp_connections_active"] sum!("hikaricp_connections_active");
    }
    "grpc" {
        RequestRate ["rpc_server_call_duration_seconds_count"] rate!("rpc_server_call_duration_seconds_count");
        LatencyP99 ["rpc_server_call_duration_seconds_bucket"] p99!("rpc_server_call_duration_seconds_bucket");
        RequestRate ["rpc_server_duration_milliseconds_count"] rate!("rpc_server_duration_milliseconds_count");
        ErrorRate ["rpc_server_duration_milliseconds_count"]
            share!("rpc_server_duration_milliseconds_count", "rpc_grpc_status_code!~\"0|\"");
        LatencyP99 ["rpc_server_duration_milliseconds_bucket"] p99!(ms "rpc_server_duration_milliseconds_bucket");
        RequestRate ["grpc_server_handled_total"] rate!("grpc_server_handled_total");
        ErrorRate ["grpc_server_handled_total"] share!("grpc_server_handled_total", "grpc_code!=\"OK\"");
        LatencyP99 ["grpc_server_handling_seconds_bucket"] p99!("grpc_server_handling_seconds_bucket");
    }
    "span-metrics" {
        RequestRate ["traces_span_metrics_calls_total"]
            rate!("traces_span_metrics_calls_total", "span_kind=\"SPAN_KIND_SERVER\"");
        ErrorRate ["traces_span_metrics_calls_total"] share!("traces_span_metrics_calls_total",
            "span_kind=\"SPAN_KIND_SERVER\",status_code=\"STATUS_CODE_ERROR\"", "span_kind=\"SPAN_KIND_SERVER\"");
        LatencyP99 ["traces_span_metrics_duration_milliseconds_bucket"]
            p99!(ms "traces_span_metrics_duration_milliseconds_bucket", "span_kind=\"SPAN_KIND_SERVER\"");
        LatencyP99 ["traces_span_metrics_duration_seconds_bucket"]
            p99!("traces_span_metrics_duration_seconds_bucket", "span_kind=\"SPAN_KIND_SERVER\"");
        RequestRate ["traces_spanmetrics_calls_total"]
            rate!("traces_spanmetrics_calls_total", "span_kind=\"SPAN_KIND_SERVER\"");
        ErrorRate ["traces_spanmetrics_calls_total"] share!("traces_spanmetrics_calls_total",
            "span_kind=\"SPAN_KIND_SERVER\",status_code=\"STATUS_CODE_ERROR\"", "span_kind=\"SPAN_KIND_SERVER\"");
        LatencyP99 ["traces_spanmetrics_latency_bucket"]
            p99!("traces_spanmetrics_latency_bucket", "span_kind=\"SPAN_KIND_SERVER\"");
        LatencyP99 ["traces_spanmetrics_duration_seconds_bucket"]
            p99!("traces_spanmetrics_duration_seconds_bucket", "span_kind=\"SPAN_KIND_SERVER\"");
        RequestRate ["calls_total", "duration_milliseconds_bucket"] rate!("calls_total", "span_kind=\"SPAN_KIND_SERVER\"");
        ErrorRate ["calls_total", "duration_milliseconds_bucket"] share!("calls_total",
            "span_kind=\"SPAN_KIND_SERVER\",status_code=\"STATUS_CODE_ERROR\"", "span_kind=\"SPAN_KIND_SERVER\"");
        LatencyP99 ["duration_milliseconds_bucket", "calls_total"]
            p99!(ms "duration_milliseconds_bucket", "span_kind=\"SPAN_KIND_SERVER\"");
    }
    KUBERNETES {
        Cpu ["container_cpu_usage_seconds_total"]
            rate!("container_cpu_usage_seconds_total", "container!=\"\",container!=\"POD\"");
        Memory ["container_memory_working_set_bytes"]
            sum!("container_memory_working_set_bytes", "container!=\"\",container!=\"POD\"");
    }
};
