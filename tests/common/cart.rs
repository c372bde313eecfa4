//! One service with one operation, called once a second.

use std::sync::Arc;

use spanwatch::domain::{Attributes, Micros, Span, SpanId, SpanKey, SpanKind, TimeWindow, Timestamp, Trace, TraceId};

use super::clockwork::Traffic;

pub const HOUR: i64 = 3_600;
/// Friday 2026-11-20T09:00:00Z
pub const START: i64 = 1_795_165_200;

pub fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

pub fn window(from: i64, to: i64) -> TimeWindow {
    TimeWindow::new(at(from), at(to))
}

pub fn key() -> SpanKey {
    SpanKey::new("cart", "GET /", SpanKind::Server)
}

/// Calls take 10 to 20 ms; in the newest of these windows that holds their start, so many times as long.
#[derive(Debug, Clone)]
pub struct Cart(pub Vec<(TimeWindow, u64)>);

impl Cart {
    fn call(&self, second: i64) -> Trace {
        let slower = self.0.iter().rev().find(|(window, _)| window.contains(at(second))).map_or(1, |(_, times)| *times);
        let span = Span {
            id: SpanId(1),
            parent: None,
            key: key(),
            start: at(second),
            duration: Micros((10_000 + second.rem_euclid(97) as u64 * 100) * slower),
            error: false,
            attributes: Attributes::default(),
            resource: Arc::default(),
        };
        Trace { id: TraceId((second + 1_000_000) as u128), spans: vec![span] }
    }
}

impl Traffic for Cart {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace> {
        let second = |at: Timestamp| at.secs() - START;
        (second(window.from)..second(window.to)).map(|second| self.call(second)).collect()
    }
}
