//! A metric beside an anomaly, called what it is: usual, above or below.

use crate::domain::{MetricKind, text};

/// One metric of one service at the time of an anomaly.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub kind: MetricKind,
    pub service: String,
    /// In the kind's unit.
    pub value: f64,
    /// The middle half of its values before (25th and 75th percentile); `None` without history.
    pub usual: Option<(f64, f64)>,
}

/// Where a value stands against its own usual values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Unremarkable,
    Above,
    Below,
    Unknown,
}

impl Metric {
    /// Half of all values lie outside the middle half, so being outside says nothing. A value is above or below usual when
    /// it is outside by more than one and a half times the width of that half (Tukey's fences), where the width is at
    /// least a tenth of the upper end: a metric that stood still for an hour may move a little.
    pub(super) fn standing(&self) -> Standing {
        let Some((low, high)) = self.usual else { return Standing::Unknown };
        if !(low.is_finite() && high.is_finite() && self.value.is_finite()) || low > high {
            return Standing::Unknown;
        }
        let reach = 1.5 * (high - low).max(high.abs() * 0.1);
        if self.value > high + reach {
            Standing::Above
        } else if self.value < low - reach {
            Standing::Below
        } else {
            Standing::Unremarkable
        }
    }

    /// `CPU of order-matcher 0.35% of a core (low), usual 0.20–0.60%: unremarkable`
    pub(super) fn sentence(&self) -> String {
        let service = text::clean(&self.service);
        let low = if self.kind == MetricKind::Cpu && self.value < 0.1 { " (low)" } else { "" };
        let value = if self.value.is_finite() { self.kind.show(self.value) } else { "not a number".to_owned() };
        let head = format!("{} of {} {value}{low}", self.kind.label(), text::middle(&service, 60));
        let verdict = match self.standing() {
            Standing::Unremarkable => "unremarkable",
            Standing::Above => "above usual",
            Standing::Below => "below usual",
            Standing::Unknown => return format!("{head}: no history, so its usual range is not known"),
        };
        let (from, to) = self.usual.unwrap_or((self.value, self.value));
        format!("{head}, usual {}: {verdict}", self.range(from, to))
    }

    /// A range with its unit once where the unit allows it.
    fn range(&self, from: f64, to: f64) -> String {
        match self.kind {
            MetricKind::Cpu | MetricKind::ErrorRate => format!("{:.2}–{:.2}%", from * 100.0, to * 100.0),
            MetricKind::RequestRate => format!("{from:.2}–{to:.2}/s"),
            MetricKind::ActiveConnections => format!("{from:.0}–{to:.0}"),
            MetricKind::Memory | MetricKind::LatencyP99 => {
                format!("{}–{}", self.kind.show(from), self.kind.show(to))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(value: f64, usual: Option<(f64, f64)>) -> Metric {
        Metric { kind: MetricKind::Cpu, service: "order-matcher".into(), value, usual }
    }

    #[test]
    fn a_value_is_called_by_its_own_usual_range() {
        assert_eq!(
            cpu(0.0035, Some((0.002, 0.006))).sentence(),
            "CPU of order-matcher 0.35% of a core (low), usual 0.20–0.60%: unremarkable"
        );
        assert_eq!(
            cpu(0.93, Some((0.2, 0.3))).sentence(),
            "CPU of order-matcher 93.00% of a core, usual 20.00–30.00%: above usual"
        );
        assert!(cpu(0.5, None).sentence().ends_with("no history, so its usual range is not known"));
    }

    #[test]
    fn outside_the_middle_half_is_not_yet_remarkable() {
        assert_eq!(cpu(0.34, Some((0.2, 0.3))).standing(), Standing::Unremarkable);
        assert_eq!(cpu(0.46, Some((0.2, 0.3))).standing(), Standing::Above);
        assert_eq!(cpu(0.04, Some((0.2, 0.3))).standing(), Standing::Below);
        assert_eq!(cpu(0.21, Some((0.2, 0.2))).standing(), Standing::Unremarkable, "a still metric moved a little");
        assert_eq!(cpu(0.0, Some((0.0, 0.0))).standing(), Standing::Unremarkable);
    }

    #[test]
    fn what_is_no_number_is_not_judged() {
        assert_eq!(cpu(f64::NAN, Some((0.0, 1.0))).standing(), Standing::Unknown);
        assert_eq!(cpu(1.0, Some((f64::NAN, 1.0))).standing(), Standing::Unknown);
        assert_eq!(cpu(1.0, Some((2.0, 1.0))).standing(), Standing::Unknown);
    }
}
