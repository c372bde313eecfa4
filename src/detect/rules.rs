//! Threshold rules, for those who know their limits.

use serde::{Deserialize, Serialize};

use crate::domain::{Broken, Severity, SpanKey};

/// What a rule looks at, over the last five minutes of a span key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// 95th percentile of the duration, in milliseconds.
    Latency,
    /// Failed calls, in per cent.
    ErrorRate,
    /// Calls a second.
    Throughput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    #[default]
    Gt,
    Lt,
    Gte,
    Lte,
    Eq,
}

/// `[[detect.rules]]`: a limit that a person set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub quantity: Quantity,
    /// Only this service; all without it.
    #[serde(default)]
    pub service: Option<String>,
    /// Only this operation.
    #[serde(default)]
    pub operation: Option<String>,
    #[serde(default)]
    pub comparison: Comparison,
    /// In the quantity's unit. 1000 ms and 5 % where none is written.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// For how many seconds it has to hold before it alerts.
    #[serde(default)]
    pub for_s: u64,
}

impl Rule {
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold.unwrap_or(match self.quantity {
            Quantity::Latency => 1_000.0,
            Quantity::ErrorRate => 5.0,
            Quantity::Throughput => 1.0,
        })
    }

    #[must_use]
    pub fn is_about(&self, key: &SpanKey) -> bool {
        self.service.as_ref().is_none_or(|service| **service == *key.service)
            && self.operation.as_ref().is_none_or(|operation| **operation == *key.operation)
    }

    /// The severity of a value that breaks the rule: by how many times it is beyond the threshold, more than twice being
    /// critical. `None` if it does not break it.
    #[must_use]
    pub fn broken_by(&self, value: f64) -> Option<Severity> {
        let threshold = self.threshold();
        let (broken, ratio) = match self.comparison {
            Comparison::Gt => (value > threshold, value / threshold),
            Comparison::Gte => (value >= threshold, value / threshold),
            Comparison::Lt => (value < threshold, threshold / value.max(f64::MIN_POSITIVE)),
            Comparison::Lte => (value <= threshold, threshold / value.max(f64::MIN_POSITIVE)),
            // Measured values are equal when they are written alike.
            Comparison::Eq => ((value - threshold).abs() < 1e-9 * threshold.abs().max(1.0), 1.0),
        };
        broken.then_some(match ratio {
            ratio if ratio > 2.0 => Severity::Sev1,
            ratio if ratio > 1.5 => Severity::Sev2,
            ratio if ratio > 1.2 => Severity::Sev3,
            _ => Severity::Sev4,
        })
    }

    /// The rule in words: `latency p95 > 1000 ms`.
    #[must_use]
    pub fn words(&self) -> String {
        let (name, unit) = match self.quantity {
            Quantity::Latency => ("latency p95", " ms"),
            Quantity::ErrorRate => ("error rate", " %"),
            Quantity::Throughput => ("throughput", "/s"),
        };
        let sign = match self.comparison {
            Comparison::Gt => ">",
            Comparison::Lt => "<",
            Comparison::Gte => "≥",
            Comparison::Lte => "≤",
            Comparison::Eq => "=",
        };
        format!("{name} {sign} {}{unit}", self.threshold())
    }

    pub(super) fn broken(&self, place: usize) -> Option<Broken> {
        let sound = self.threshold().is_finite() && self.threshold() > 0.0 && self.for_s <= 86_400;
        (!sound).then(|| {
            Broken::new(
                format!("rules[{place}]"),
                format!("threshold = {}, for_s = {}", self.threshold(), self.for_s),
                "a threshold above zero, and at most a day",
                "write threshold = 1000.0 and for_s = 60",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SpanKind;

    fn rule(comparison: Comparison, threshold: f64) -> Rule {
        let (service, operation) = (Some("cart".to_owned()), None);
        Rule { quantity: Quantity::Latency, service, operation, comparison, threshold: Some(threshold), for_s: 0 }
    }

    #[test]
    fn severity_grows_with_the_ratio_to_the_threshold() {
        let slow = rule(Comparison::Gt, 1_000.0);
        let told: Vec<Option<u8>> = [1_000.0, 1_100.0, 1_300.0, 1_600.0, 2_100.0]
            .map(|value| slow.broken_by(value).map(Severity::number))
            .to_vec();
        assert_eq!(told, [None, Some(4), Some(3), Some(2), Some(1)]);
        assert_eq!(rule(Comparison::Lt, 10.0).broken_by(4.0), Some(Severity::Sev1), "less than half");
        assert_eq!(
            rule(Comparison::Lt, 10.0).broken_by(0.0),
            Some(Severity::Sev1),
            "nothing at all is no division by it"
        );
    }

    #[test]
    fn a_rule_without_a_service_is_about_all() {
        let key = SpanKey::new("cart", "GET /", SpanKind::Server);
        assert!(rule(Comparison::Gt, 1.0).is_about(&key));
        assert!(!rule(Comparison::Gt, 1.0).is_about(&SpanKey::new("pay", "GET /", SpanKind::Server)));
    }
}
