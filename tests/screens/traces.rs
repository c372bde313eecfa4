//! Traces of the exchange as the monitor would lay them out.

use std::sync::Arc;

use spanwatch::domain::{Attributes, Level, Micros, Severity, SpanEvent, SpanId, SpanKey, SpanKind, TraceId};
use spanwatch::messages::{Normal, TraceState, TraceView, Waterfall, WaterfallSpan};

use super::{ago, exchange, friday_03, gateway, matcher, ms, wallet};

fn key(service: &str, operation: &str) -> SpanKey {
    SpanKey::new(service, operation, SpanKind::Internal)
}

fn normal(p99: u64, above: Option<u16>) -> Normal {
    Normal::Known {
        p50: ms(p99 / 3),
        p99: ms(p99),
        samples: 5_204,
        level: Level::HourOfWeek,
        bucket: friday_03(),
        above,
    }
}

/// A span in its place; its self time is told, all in milliseconds.
fn span(id: u64, depth: u16, key: &SpanKey, offset: u64, duration: u64, own: u64) -> WaterfallSpan {
    let attributes = [("messaging.system", "rabbitmq"), ("order.pair", "BTC/EUR"), ("db.rows", "2113904")];
    WaterfallSpan {
        id: SpanId(id),
        depth,
        key: key.clone(),
        offset: ms(offset),
        duration: ms(duration),
        self_time: ms(own),
        error: false,
        severity: None,
        normal: normal(duration + duration / 4 + 1, duration.is_multiple_of(3).then_some(500)),
        critical_time: Micros::ZERO,
        critical: Vec::new(),
        waited: Micros::ZERO,
        moved_us: 0,
        attributes: attributes.into_iter().collect(),
        resource: Arc::new([("host.name", "match-7"), ("service.version", "2.31.0")].into_iter().collect()),
        events: Vec::new(),
    }
}

/// An event so many milliseconds after the trace's start.
fn event(after: u64, name: &str, attributes: &[(&str, &str)]) -> SpanEvent {
    SpanEvent { at: ago(214) + ms(after), name: name.to_owned(), attributes: attributes.iter().copied().collect() }
}

/// What makes a span worth a look.
trait But {
    fn slow(self, severity: Severity, p99: u64, above: u16) -> Self;
    fn on_path(self, pieces: &[(u64, u64)]) -> Self;
}

impl But for WaterfallSpan {
    fn slow(mut self, severity: Severity, p99: u64, above: u16) -> Self {
        self.severity = Some(severity);
        self.normal = normal(p99, Some(above));
        self
    }

    fn on_path(mut self, pieces: &[(u64, u64)]) -> Self {
        self.critical = pieces.iter().map(|(from, to)| (ms(*from), ms(*to))).collect();
        self.critical_time = ms(pieces.iter().map(|(from, to)| to - from).sum());
        self
    }
}

fn view(id: TraceId, spans: Vec<WaterfallSpan>) -> TraceView {
    let services: std::collections::BTreeSet<&str> = spans.iter().map(|span| &*span.key.service).collect();
    let waterfall = Waterfall {
        start: ago(214),
        duration: spans.iter().map(WaterfallSpan::end).max().unwrap_or_default(),
        services: services.len() as u32,
        errors: spans.iter().filter(|span| span.error).count() as u32,
        orphans: 0,
        duplicates: 0,
        cycles: 0,
        moved: spans.iter().filter(|span| span.moved_us != 0).count() as u32,
        moved_most: Micros(spans.iter().map(|span| span.moved_us.unsigned_abs()).max().unwrap_or(0)),
        left_out: 0,
        bucket: friday_03(),
        spans,
    };
    TraceView { trace: id, state: TraceState::Loaded(waterfall) }
}

fn order(slowest: u64) -> Vec<WaterfallSpan> {
    vec![
        span(0x101, 0, &wallet(), 0, 2_910, 38).slow(Severity::Sev3, 1_460, 950).on_path(&[(0, 12), (2_884, 2_910)]),
        span(0x102, 1, &key("crypto-wallet", "HTTP POST"), 12, 2_870, 9).on_path(&[(12, 20)]),
        span(0x103, 2, &key("api-gateway", "kong"), 20, 2_855, 12).on_path(&[(20, 31), (2_870, 2_875)]),
        span(0x104, 3, &key("api-gateway", "kong.rewrite"), 22, 3, 3),
        span(0x105, 3, &key("api-gateway", "kong.access.plugin.jwt"), 26, 12, 12),
        span(0x106, 3, &gateway(), 40, 2_825, 5).on_path(&[(40, 44)]),
        span(0x107, 4, &exchange(), 44, 2_816, 84)
            .slow(Severity::Sev2, 1_420, 990)
            .on_path(&[(44, 120), (2_840, 2_860)]),
        span(0x108, 5, &key("exchange-api", "redis GET"), 60, 12, 12),
        span(0x109, 5, &key("exchange-api", "publish orders"), 120, 2_570, 31)
            .slow(Severity::Sev4, 1_300, 900)
            .on_path(&[(120, 300)]),
        span(0x10a, 6, &key("exchange-api", "publish <default>"), 150, 150, 150).on_path(&[(180, 300)]),
        WaterfallSpan {
            waited: ms(310),
            events: vec![
                event(640, "lock.waited", &[("lock.name", "book:BTC/EUR"), ("lock.ms", "4")]),
                event(2_300, "retry", &[("attempt", "2"), ("reason", "ledger: connection refused")]),
            ],
            ..span(slowest, 7, &matcher(), 610, 2_080, 1_830).slow(Severity::Sev1, 224, 999).on_path(&[(610, 2_690)])
        },
        span(0x10c, 8, &key("order-matcher", "order.response"), 2_440, 240, 240),
        span(0x10d, 5, &key("exchange-api", "payment_response process"), 2_700, 140, 140).on_path(&[(2_700, 2_840)]),
        span(0x10e, 1, &key("crypto-wallet", "order.response.received"), 2_884, 26, 26),
    ]
}

/// A slow order.
pub fn trace(id: TraceId) -> TraceView {
    view(id, order(0x10))
}

/// The same with an N+1 of database reads in the matcher, a call that failed, one that nobody knows yet, one that was
/// seen only at other hours, a wrong clock, and housekeeping that nobody wants to see.
pub fn busy_trace(id: TraceId) -> TraceView {
    let mut spans = order(0x10);
    let tail = spans.split_off(11);
    let select = key("order-matcher", "SELECT orders");
    for n in 0..12 {
        let from = 640 + n * 140;
        let read = span(0x200 + n, 8, &select, from, 120 + n % 4, 120 + n % 4).on_path(&[(from, from + 120)]);
        spans.push(read);
    }
    spans.push(WaterfallSpan {
        error: true,
        moved_us: -3_250_000,
        attributes: [("otel.status_code", "ERROR"), ("otel.status_description", "ledger: connection refused")]
            .into_iter()
            .collect(),
        ..span(0x220, 8, &key("ledger", "append"), 2_330, 70, 70)
    });
    spans.push(WaterfallSpan {
        normal: Normal::Unknown { samples: 3 },
        ..span(0x221, 8, &key("order-matcher", "settle.v2"), 2_400, 30, 30)
    });
    spans.push(WaterfallSpan {
        normal: Normal::Known {
            p50: ms(11),
            p99: ms(20),
            samples: 310,
            level: Level::HourOfDay,
            bucket: friday_03(),
            above: Some(990),
        },
        ..span(0x222, 8, &key("order-matcher", "audit"), 2_431, 25, 25)
    });
    for n in 0..30u64 {
        let name = ["metrics.flush", "cache.touch", "log.write", "lock.release", "gc"][n as usize % 5];
        let mut quiet = span(0x300 + n, 8, &key("order-matcher", &format!("{name}.{}", n / 5)), 2_460 + n * 7, 1, 1);
        quiet.duration = Micros(400 + n * 130);
        quiet.self_time = quiet.duration;
        spans.push(quiet);
    }
    spans.extend(tail);
    view(id, spans)
}

/// As deep and long as the monitor would ever send.
pub fn huge_trace(id: TraceId, spans: u64) -> TraceView {
    let key = SpanKey::new("exchange-api", "redis GET", SpanKind::Client);
    let spans = (0..spans)
        .map(|n| WaterfallSpan {
            id: SpanId(n + 1),
            depth: if n == 0 { 0 } else { (n % 700) as u16 + 1 },
            key: key.clone(),
            offset: Micros(n * 100),
            duration: Micros(90),
            self_time: Micros(90),
            error: n % 5 == 0,
            severity: (n % 9_000 == 7).then_some(Severity::Sev2),
            normal: Normal::Unknown { samples: 0 },
            critical_time: Micros(90),
            critical: vec![(Micros(n * 100), Micros(n * 100 + 90))],
            waited: Micros::ZERO,
            moved_us: 0,
            attributes: Attributes::default(),
            resource: Arc::default(),
            events: Vec::new(),
        })
        .collect();
    let mut view = view(id, spans);
    if let TraceState::Loaded(waterfall) = &mut view.state {
        (waterfall.orphans, waterfall.left_out, waterfall.start) = (3, 12, ago(60));
    }
    view
}

/// Names that a terminal would obey or that are wider than they are long, in a tree with folds.
pub fn hostile_trace(id: TraceId) -> TraceView {
    let long = "x".repeat(10_000);
    let names = [
        ("evil\u{1b}[2J\u{202e}svc", "GET\u{7}\n/\u{200b}\u{9b}31m"),
        ("取引所", "注文を照合する処理はとても長い名前を持つことがあります"),
        ("cafe\u{301}-e\u{301}clair", "n\u{303}oqui\u{0}\r\ttab"),
        ("x", "👩\u{200d}🚀 launch 🇩🇪"),
        ("long", long.as_str()),
        ("", ""),
    ];
    let mut spans = vec![WaterfallSpan { id: SpanId(0x10), ..span(1, 0, &key(names[0].0, names[0].1), 0, 900, 10) }];
    for (n, (service, operation)) in (1u64..).zip(names) {
        let mut named = span(0x20 + n, 1, &key(service, operation), n * 100, 90, 90);
        named.attributes = [(operation, service), ("otel.status_description", operation)].into_iter().collect();
        named.error = n == 2;
        named.events = vec![event(n * 100 + 1, operation, &[(operation, service)])];
        spans.push(named);
        for copy in 0..3 {
            spans.push(span(0x100 * n + copy, 2, &key(service, operation), n * 100 + copy, 1, 1));
        }
    }
    view(id, spans)
}
