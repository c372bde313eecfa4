//! Samples of resource and traffic metrics, as they stand beside an anomaly.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// What a metric measures; each has its own unit, the same in the prompt and on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Cores used.
    Cpu,
    /// Bytes.
    Memory,
    /// Requests per second.
    RequestRate,
    /// Share of requests that failed, 0 to 1.
    ErrorRate,
    /// 99th percentile of request latency, in seconds.
    LatencyP99,
    /// Connections or requests in flight.
    ActiveConnections,
}

/// One value of one metric of one service. `value` is finite: NaN and infinities are refused in the source's mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSample {
    pub kind: MetricKind,
    pub service: String,
    pub at: Timestamp,
    pub value: f64,
    /// The expression that gave it, so that a reader can ask the same question again.
    pub query: String,
}

impl MetricKind {
    pub const ALL: [Self; 6] =
        [Self::Cpu, Self::Memory, Self::RequestRate, Self::ErrorRate, Self::LatencyP99, Self::ActiveConnections];

    /// The name in the configuration and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::RequestRate => "request_rate",
            Self::ErrorRate => "error_rate",
            Self::LatencyP99 => "latency_p99",
            Self::ActiveConnections => "active_connections",
        }
    }

    /// What a person calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::RequestRate => "request rate",
            Self::ErrorRate => "error rate",
            Self::LatencyP99 => "P99 latency",
            Self::ActiveConnections => "active connections",
        }
    }

    /// A value in this metric's unit, as a person reads it.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Cpu => format!("{:.2}% of a core", value * 100.0),
            Self::Memory => show_bytes(value),
            Self::RequestRate => format!("{value:.2}/s"),
            Self::ErrorRate => format!("{:.2}%", value * 100.0),
            Self::LatencyP99 => super::Micros((value.max(0.0) * 1e6).round() as u64).to_string(),
            Self::ActiveConnections => format!("{value:.0}"),
        }
    }
}

/// Bytes with a binary unit: `512 B`, `1.5 MiB`.
fn show_bytes(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{value:.0} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_their_unit() {
        assert_eq!(MetricKind::Cpu.show(0.0035), "0.35% of a core");
        assert_eq!(MetricKind::Memory.show(1_572_864.0), "1.5 MiB");
        assert_eq!(MetricKind::ErrorRate.show(0.031), "3.10%");
        assert_eq!(MetricKind::LatencyP99.show(2.44), "2.4s");
    }
}
