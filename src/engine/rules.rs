//! Threshold rules over what each span key did in the last minutes.

use std::collections::BTreeMap;

use crate::detect::{Finding, Force, Quantity, Rule, SubjectId, TrackId};
use crate::domain::{AlertKind, Arithmetic, Micros, TimeWindow, Timestamp};

use super::keys::Keys;
use super::live::{NOW_MINUTES, Recent};

const WINDOW: Micros = Micros::from_secs(60 * NOW_MINUTES as u64);

/// Since when each rule is broken by each key.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    since: BTreeMap<(usize, u32), Timestamp>,
}

/// The value a rule looks at; `None` without calls, where nothing can be said of durations and failures.
fn value(rule: &Rule, recent: &Recent) -> Option<f64> {
    let n = recent.durations.count();
    match rule.quantity {
        Quantity::Throughput => Some(n as f64 / WINDOW.secs() as f64),
        _ if n == 0 => None,
        Quantity::Latency => recent.durations.quantile(0.95).map(|us| us / 1e3),
        Quantity::ErrorRate => Some(100.0 * recent.errors as f64 / n as f64),
    }
}

impl Rules {
    /// Rules that have been broken for as long as they ask.
    pub fn findings(&mut self, rules: &[Rule], keys: &Keys, at: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            for (number, entry) in (0..).zip(keys.iter()).filter(|(_, entry)| rule.is_about(&entry.key)) {
                let recent = entry.last_hour.now(at);
                let broken = value(rule, &recent).and_then(|value| Some((value, rule.broken_by(value)?)));
                let Some((value, severity)) = broken else {
                    self.since.remove(&(place, number));
                    continue;
                };
                let since = *self.since.entry((place, number)).or_insert(at);
                if at.since(since) < Micros::from_secs(rule.for_s) {
                    continue;
                }
                let n = recent.durations.count();
                findings.push(Finding {
                    track: TrackId { subject: SubjectId::Key(number), kind: AlertKind::Threshold },
                    severity,
                    onset: since,
                    force: Force::Raises,
                    detail: format!("{}, now {value:.1}", rule.words()),
                    arithmetic: Arithmetic {
                        window: TimeWindow::new(at - WINDOW, at),
                        n,
                        k: n,
                        expected: 0.0,
                        threshold: None,
                        // A rule is broken or not: there is no chance in it.
                        log10_chance: 0.0,
                        log10_alpha: 0.0,
                        samples: 0,
                        level: None,
                        rho: 0.0,
                    },
                });
            }
        }
        findings
    }
}
