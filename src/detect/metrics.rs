//! Resource metrics against their own normal: what supports a suspect from outside the traces.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::{Micros, TimeWindow, Timestamp};

use super::culprit::Support;

/// A metric's own normal takes that many values.
const LEAST_VALUES: usize = 8;
/// Two days, of one value a minute: enough for the daily rhythm to be within what is normal.
pub const METRICS_LEARNT: Micros = Micros::from_secs(2 * 86_400);
const MOST_VALUES: usize = 2_880;
/// Values younger than that may belong to what is only now turning out to be abnormal.
pub const METRICS_YOUNG: Micros = Micros::from_secs(1_800);
/// A value that far from the median, in robust standard deviations (1.4826 × the median absolute deviation, Rousseeuw and
/// Croux 1993), has left its normal.
const FAR: f64 = 6.0;
/// And at least that much above anything learnt.
const BEYOND: f64 = 1.2;
/// Jitter that a constant metric is allowed, as a part of its median.
const JITTER: f64 = 0.05;
/// A sample stands for the time before it: one that comes within a scrape after a window still tells of it.
const SCRAPE: Micros = Micros::from_secs(60);

/// One metric of one service.
#[derive(Debug, Clone, Default)]
struct Gauge {
    learnt: VecDeque<f64>,
    /// When, what, and whether nothing was wrong then. In time order.
    recent: VecDeque<(Timestamp, f64, bool)>,
}

/// The resource metrics of all services.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    gauges: BTreeMap<(Arc<str>, Arc<str>), Gauge>,
}

/// Words in the names of metrics that say how much of something a service uses; rates and latencies are seen in the traces.
const RESOURCES: [&str; 11] =
    ["cpu", "memory", "heap", "disk", "filesystem", "network", "connections", "threads", "throttl", "syscall", "queue"];

/// Whether a metric of this name measures a resource of a service itself. What a whole machine uses blames everyone on it.
#[must_use]
pub fn is_resource(name: &str) -> bool {
    let name = name.to_lowercase();
    !name.starts_with("node_") && !name.contains("latency") && RESOURCES.iter().any(|word| name.contains(word))
}

impl Metrics {
    /// Takes a value from a time that is known to be normal.
    pub fn learn(&mut self, service: &Arc<str>, name: &Arc<str>, value: f64) {
        self.gauges.entry((service.clone(), name.clone())).or_default().learn(value);
    }

    /// Takes a new value; it is learnt half an hour later, if nothing was wrong when it came.
    pub fn take(&mut self, service: &Arc<str>, name: &Arc<str>, at: Timestamp, value: f64, quiet: bool) {
        let gauge = self.gauges.entry((service.clone(), name.clone())).or_default();
        if gauge.recent.back().is_some_and(|(last, ..)| *last >= at) {
            return;
        }
        gauge.recent.push_back((at, value, quiet));
        while let Some((_, old, was_quiet)) =
            gauge.recent.front().copied().filter(|(then, ..)| at.since(*then) > METRICS_YOUNG)
        {
            gauge.recent.pop_front();
            if was_quiet {
                gauge.learn(old);
            }
        }
    }

    /// Every service of which metrics are known, in order: how many, and when the newest value was taken since the start.
    pub fn services(&self) -> impl Iterator<Item = (&Arc<str>, u32, Option<Timestamp>)> {
        let mut seen: BTreeMap<&Arc<str>, (u32, Option<Timestamp>)> = BTreeMap::new();
        for ((service, _), gauge) in &self.gauges {
            let (count, last) = seen.entry(service).or_default();
            *count += 1;
            *last = (*last).max(gauge.recent.back().map(|(at, ..)| *at));
        }
        seen.into_iter().map(|(service, (count, last))| (service, count, last))
    }

    /// The same of one service.
    #[must_use]
    pub fn seen(&self, service: &str) -> Option<(u32, Option<Timestamp>)> {
        self.services().find(|(name, ..)| ***name == *service).map(|(_, count, last)| (count, last))
    }

    /// Metrics that left their own normal in a window, by service: of each service the one that left it furthest.
    #[must_use]
    pub fn support(&self, window: TimeWindow) -> Support {
        let mut support = Support::new();
        for ((service, name), gauge) in &self.gauges {
            let Some((weight, words)) = gauge.judge(name, window) else { continue };
            let there = support.entry(service.clone()).or_insert((0.0, String::new()));
            if weight > there.0 {
                *there = (weight, words);
            }
        }
        support
    }
}

impl Gauge {
    fn learn(&mut self, value: f64) {
        self.learnt.push_back(value);
        if self.learnt.len() > MOST_VALUES {
            self.learnt.pop_front();
        }
    }

    fn judge(&self, name: &str, window: TimeWindow) -> Option<(f64, String)> {
        if self.learnt.len() < LEAST_VALUES {
            return None;
        }
        let until = window.to + SCRAPE;
        let values =
            self.recent.iter().filter(|(at, ..)| *at >= window.from && *at <= until).map(|(_, value, _)| *value);
        let value = values.max_by(f64::total_cmp)?;
        let most = self.learnt.iter().copied().max_by(f64::total_cmp)?;
        if value <= BEYOND * most || most <= 0.0 {
            return None;
        }
        let mut sorted: Vec<f64> = self.learnt.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let median = middle(&sorted);
        let least = *sorted.first()?;
        let mut away: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
        away.sort_by(f64::total_cmp);
        let spread = (1.4826 * middle(&away)).max(JITTER * median.abs()).max(f64::MIN_POSITIVE);
        if (value - median) / spread < FAR {
            return None;
        }
        // Twice anything learnt is half of full support, four times is full.
        let weight = ((value / most).log2() / 2.0).clamp(0.0, 1.0);
        Some((weight, format!("{name} {}, normal {}–{}", short(value), short(least), short(most))))
    }
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e9 => format!("{:.1}G", value / 1e9),
        size if size >= 1e6 => format!("{:.1}M", value / 1e6),
        size if size >= 1e4 => format!("{:.0}k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: i64) -> Timestamp {
        Timestamp::from_secs(s)
    }

    fn normal() -> (Metrics, Arc<str>, Arc<str>) {
        let (service, name): (Arc<str>, Arc<str>) = (Arc::from("cart"), Arc::from("cpu_percent"));
        let mut metrics = Metrics::default();
        for value in [3.0, 4.0, 5.0, 4.0, 3.5, 4.5, 4.0, 5.5, 4.2, 3.9] {
            metrics.learn(&service, &name, value);
        }
        (metrics, service, name)
    }

    #[test]
    fn a_metric_far_from_its_own_normal_supports_its_service() {
        let (mut metrics, service, name) = normal();
        metrics.take(&service, &name, secs(1_000), 96.0, false);
        let support = metrics.support(TimeWindow::new(secs(950), secs(1_010)));
        let (weight, words) = &support[&service];
        assert_eq!(*weight, 1.0);
        assert_eq!(words, "cpu_percent 96.0, normal 3.0–5.5");
        assert!(metrics.support(TimeWindow::new(secs(0), secs(900))).is_empty(), "it was normal before");
    }

    #[test]
    fn a_high_value_that_is_usual_supports_nobody() {
        let (mut metrics, service, name) = normal();
        metrics.take(&service, &name, secs(1_000), 5.9, false);
        assert!(metrics.support(TimeWindow::new(secs(950), secs(1_010))).is_empty());
        let few: Arc<str> = Arc::from("memory");
        metrics.learn(&service, &few, 1.0);
        metrics.take(&service, &few, secs(1_000), 90.0, false);
        assert!(metrics.support(TimeWindow::new(secs(950), secs(1_010))).is_empty(), "one value is no normal");
    }

    #[test]
    fn what_came_while_something_was_wrong_is_not_learnt() {
        let (mut metrics, service, name) = normal();
        for minute in 0..120 {
            metrics.take(&service, &name, secs(minute * 60), 96.0, false);
        }
        assert!(!metrics.support(TimeWindow::new(secs(7_000), secs(7_200))).is_empty());
        for minute in 120..300 {
            metrics.take(&service, &name, secs(minute * 60), 96.0, true);
        }
        assert!(
            metrics.support(TimeWindow::new(secs(17_000), secs(18_000))).is_empty(),
            "what lasts in peace is normal"
        );
    }

    #[test]
    fn resources_are_told_from_latencies_and_machines() {
        assert!(is_resource("pod_cpu_usage_percent_of_limit") && is_resource("process_resident_memory_bytes"));
        assert!(!is_resource("pod_server_latency_p99_seconds") && !is_resource("node_cpu_usage_percent"));
    }
}
