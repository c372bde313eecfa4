//! Alerts and incidents that were once.

use std::sync::Arc;

use spanwatch::domain::{
    Alert, AlertId, AlertKind, Arithmetic, Incident, IncidentId, Level, Micros, Severity, Subject, TimeWindow,
    Timestamp, TraceId,
};

/// 2026-11-18T11:06:40Z
const DAY_ZERO: i64 = 1_795_000_000;

pub fn day(n: i64) -> Timestamp {
    Timestamp::from_secs(DAY_ZERO + n * 86_400)
}

pub fn hours(n: u64) -> Micros {
    Micros::from_secs(n * 3_600)
}

/// Raised at `raised`, gone an hour later.
pub fn alert(number: u64, raised: Timestamp, severity: Severity, subject: Subject) -> Alert {
    Alert {
        id: AlertId(number),
        incident: IncidentId(number),
        subject,
        kind: AlertKind::Duration,
        severity,
        onset: raised - Micros::from_secs(20),
        raised,
        last_seen: raised + hours(1),
        closed: Some(raised + hours(1)),
        worst: Arithmetic {
            window: TimeWindow::new(raised - Micros::from_secs(20), raised),
            n: 41,
            k: 34,
            expected: 0.4,
            threshold: Some(Micros::from_millis(480)),
            log10_chance: -38.2,
            log10_alpha: -7.0,
            samples: 5_000,
            level: Some(Level::HourOfWeek),
            rho: 0.05,
        },
        detail: String::new(),
        exemplars: vec![TraceId(7)],
        shift: None,
    }
}

pub fn incident(number: u64, raised: Timestamp, severity: Severity, services: &[&str]) -> Incident {
    Incident {
        id: IncidentId(number),
        title: format!("{} is slow", services[0]),
        severity,
        onset: raised - Micros::from_secs(20),
        raised,
        last_seen: raised + hours(1),
        closed: Some(raised + hours(1)),
        alerts: vec![AlertId(number)],
        suspects: Vec::new(),
        counterfactual: None,
        services: services.iter().map(|service| Arc::from(*service)).collect(),
    }
}

pub fn node(service: &str) -> Subject {
    Subject::Node(service.into())
}
