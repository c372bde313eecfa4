//! The slow order beside a normal one.

use std::sync::Arc;

use spanwatch::detect::chance::log10_uneven;
use spanwatch::domain::{
    Compared, Level, Micros, Owner, Separation, Side, SpanId, SpanKey, SpanKind, Split, Spread, TraceId, What,
};
use spanwatch::messages::{ComparisonView, NormalTrace};

use super::fixture::{ago, exchange, friday_03, gateway, matcher, wallet};

const fn ms(millis: u64) -> Micros {
    Micros::from_millis(millis)
}

fn key(service: &str, operation: &str) -> SpanKey {
    SpanKey::new(service, operation, SpanKind::Internal)
}

/// Spans, duration, self time and time on the critical path; failures.
fn side((spans, duration, own, critical): (u32, u64, u64, u64), errors: u32) -> Side {
    let [duration, self_time, critical] = [duration, own, critical].map(ms);
    Side { spans, duration, self_time, critical, errors, span: SpanId(0x10) }
}

type Numbers = (u32, u64, u64, u64);

fn row(depth: u16, key: SpanKey, this: impl Into<Option<Numbers>>, normal: impl Into<Option<Numbers>>) -> Compared {
    let of = |numbers: Option<Numbers>| numbers.map(|numbers| side(numbers, 0));
    Compared { depth, key, this: of(this.into()), normal: of(normal.into()) }
}

fn rows() -> Vec<Compared> {
    let select = key("order-matcher", "SELECT orders");
    vec![
        row(0, wallet(), (1, 2_910, 38, 38), (1, 412, 30, 30)),
        row(1, key("crypto-wallet", "HTTP POST"), (1, 2_870, 9, 8), (1, 380, 8, 7)),
        row(2, key("api-gateway", "kong"), (1, 2_855, 12, 16), (1, 368, 11, 14)),
        row(3, key("api-gateway", "kong.rewrite"), (1, 3, 3, 0), (1, 3, 3, 0)),
        row(3, key("api-gateway", "kong.access.plugin.jwt"), (1, 12, 12, 0), (1, 11, 11, 0)),
        row(3, gateway(), (1, 2_825, 5, 4), (1, 352, 5, 4)),
        row(4, exchange(), (1, 2_816, 84, 96), (1, 345, 60, 70)),
        row(5, key("exchange-api", "redis GET"), (1, 12, 12, 0), (1, 11, 11, 0)),
        row(5, key("exchange-api", "publish orders"), (1, 2_570, 31, 60), (1, 120, 25, 40)),
        row(6, key("exchange-api", "publish <default>"), (1, 150, 150, 120), (1, 18, 18, 15)),
        row(7, matcher(), (1, 2_080, 440, 956), (1, 70, 52, 62)),
        row(8, select, (12, 1_446, 1_446, 1_446), (1, 18, 18, 18)),
        Compared { this: Some(side((1, 70, 70, 0), 1)), ..row(8, key("ledger", "append"), None, (1, 4, 4, 0)) },
        row(8, key("order-matcher", "index lookup"), None, (1, 4, 4, 0)),
        row(8, key("order-matcher", "settle.v2"), (1, 30, 30, 0), None),
        row(9, key("ledger", "settle"), (2, 21, 21, 0), None),
        row(8, key("order-matcher", "order.response"), (1, 240, 240, 0), (1, 22, 22, 0)),
        row(5, key("exchange-api", "payment_response process"), (1, 140, 140, 140), (1, 128, 128, 128)),
        row(1, key("crypto-wallet", "order.response.received"), (1, 26, 26, 26), (1, 24, 24, 24)),
    ]
}

const SLOW: u32 = 12;
const NORMAL: u32 = 48;
const TRIED: u32 = 131;

fn split(owner: Owner, name: &str, what: What, here: &str, (slow, normal): (u32, u32)) -> Split {
    let chance = log10_uneven(slow.into(), SLOW.into(), normal.into(), NORMAL.into());
    Split {
        owner,
        name: name.into(),
        what,
        here: (!here.is_empty()).then(|| Arc::from(here)),
        slow,
        normal,
        delta: f64::from(slow) / f64::from(SLOW) - f64::from(normal) / f64::from(NORMAL),
        log10_chance: (chance + f64::from(TRIED).log10()).min(0.0),
        others: 0,
    }
}

fn separation() -> Separation {
    let own = || Owner::Span(matcher());
    let spread = |n, lowest, median, highest| Spread { n, lowest, median, highest };
    let rows = What::Above {
        median: 1_204.0,
        slow: spread(SLOW, 1_204_311.0, 2_113_904.0, 3_400_112.0),
        normal: spread(NORMAL, 12.0, 310.0, 4_117.0),
    };
    let process = Owner::Process("order-matcher".into());
    let value = |text: &str| What::Value(text.into());
    Separation {
        key: matcher(),
        failed: false,
        slow: SLOW,
        normal: NORMAL,
        tried: TRIED,
        splits: vec![
            Split { others: 1, ..split(process, "service.version", value("2.31.0"), "2.31.0", (12, 0)) },
            split(own(), "db.rows", rows, "2113904", (12, 3)),
            split(Owner::Span(key("exchange-api", "publish orders")), "retry.count", What::Present, "", (9, 0)),
        ],
        no_signal: Some(split(own(), "order.pair", value("BTC/EUR"), "BTC/USD", (5, 21))),
    }
}

/// The slow order of `trace` beside a normal one.
pub fn comparison(trace: TraceId) -> ComparisonView {
    let few = Separation { key: wallet(), slow: 2, tried: 0, splits: Vec::new(), no_signal: None, ..separation() };
    ComparisonView {
        trace,
        operation: Some(wallet()),
        bucket: friday_03(),
        end_to_end: ms(2_910),
        left_out: 0,
        kept: 336,
        normal: Some(NormalTrace {
            trace: TraceId(0x5510_aa31_77b3_4da6_a3ce_929d_0e0e_4736),
            start: ago(7 * 86_400 + 311),
            end_to_end: ms(412),
            level: Level::HourOfWeek,
            of: 2,
            median: Some(ms(405)),
        }),
        rows: rows(),
        separations: vec![few, separation()],
    }
}

/// Nothing is kept to compare with.
pub fn incomparable(trace: TraceId) -> ComparisonView {
    let empty = Separation { slow: 1, normal: 0, tried: 0, splits: Vec::new(), no_signal: None, ..separation() };
    ComparisonView {
        kept: 0,
        left_out: 801,
        normal: None,
        rows: Vec::new(),
        separations: vec![empty],
        ..comparison(trace)
    }
}

/// Names and values that a terminal would obey, deeper than any screen is wide, and faster than normal.
pub fn hostile_comparison(trace: TraceId) -> ComparisonView {
    let mut view = comparison(trace);
    let names =
        ["evil\u{1b}[2J\u{202e}", "注文を照合する処理はとても長い名前を持つことがあります", "cafe\u{301}\u{200b}"];
    view.rows = (0..200u16)
        .map(|depth| row(depth, key("取引所", names[usize::from(depth) % 3]), (1, 1, 1, 1), (9, 90, 9, 9)))
        .collect();
    view.operation = Some(key(names[0], names[1]));
    view.end_to_end = Micros(1);
    for split in view.separations.iter_mut().flat_map(|separation| &mut separation.splits) {
        split.name = names[0].into();
        split.what = What::Value(names[1].repeat(3).into());
    }
    view
}
