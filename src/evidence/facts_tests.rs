//! What is said of an order that went wrong.

use super::*;
use crate::detect::trace::tests::{span, trace};
use crate::domain::{AnomalyId, Attributes, HourOfWeek, MetricKind, Severity, SpanId, SpanKind, Timestamp, TraceId};

pub(in crate::evidence) fn anomaly(span: &Span) -> Anomaly {
    Anomaly {
        id: AnomalyId { trace: TraceId(7), span: span.id },
        key: span.key.clone(),
        severity: Severity::Sev1,
        start: span.start,
        duration: span.duration,
        mean_us: 400_000.0,
        sigma_us: 50_000.0,
        z: (span.duration.0 as f64 - 400_000.0) / 50_000.0,
        cut_off_z: 3.4,
        level: Level::HourOfDay,
        samples: 812,
        bucket: HourOfWeek::new(4, 3),
        error: span.error,
        attributes: span.attributes.clone(),
    }
}

fn normal(mean_us: f64, p99: u64) -> Normal {
    Normal {
        level: Level::Global,
        samples: 300,
        mean_us,
        sigma_us: mean_us / 10.0,
        p50: micros(mean_us),
        p95: Micros(p99),
        p99: Micros(p99),
    }
}

/// An order: the gateway publishes, the matcher takes the message late and is slow.
pub(in crate::evidence) fn order() -> Trace {
    let mut matching = span(4, 3, ("order-matcher", "order.match", SpanKind::Consumer), 500_000, 2_000_000);
    matching.error = true;
    matching.attributes = [("exception.message", "pool\nexhausted\u{1b}[31m")].into_iter().collect();
    trace(vec![
        span(1, 0, ("wallet", "order.submit", SpanKind::Client), 0, 2_900_000),
        span(2, 1, ("gateway", "POST", SpanKind::Server), 50_000, 2_800_000),
        span(3, 2, ("gateway", "publish orders", SpanKind::Producer), 60_000, 40_000),
        matching,
        span(5, 2, ("gateway", "check", SpanKind::Internal), 60_000, 5_000),
    ])
}

fn by_operation(span: &Span) -> Option<Normal> {
    match &*span.key.operation {
        "order.match" => Some(normal(110_000.0, 180_000)),
        "check" => Some(normal(5_000.0, 9_000)),
        "order.submit" => Some(normal(400_000.0, 600_000)),
        _ => None,
    }
}

#[test]
fn an_order_that_waited_and_matched_slowly_is_told_in_full() {
    let trace = order();
    let metrics =
        [Metric { kind: MetricKind::Cpu, service: "order-matcher".into(), value: 0.0035, usual: Some((0.002, 0.006)) }];
    let facts = facts(&anomaly(&trace.spans[0]), Some(&trace), &by_operation, &metrics);
    assert_eq!(
        facts,
        [
            "wallet:order.submit took 2.9s, 7.2 times its mean; normal is mean 400ms ± 50ms (σ), p99 600ms; z 50.0 is \
             above 3.4, so S1, which begins at 570ms",
            "Normal means every 03h, learnt from 812 spans, because Fri 03h alone has too few",
            "Its trace has 5 spans in 3 services, begins with wallet:order.submit and takes 2.9s end to end",
            "The span's own time is 3% of the critical path (100ms of 2.9s), with all below it 100%; its self time is \
             100ms of its 2.9s",
            "Self time of order-matcher:order.match is 69% of the critical path (2.0s)",
            "Waiting between the end of gateway:publish orders and the start of order-matcher:order.match is 14% of the \
             critical path (400ms)",
            "Self time of gateway:POST is 12% of the critical path (360ms)",
            "Below it order-matcher:order.match took 2.0s, 18 times its mean (self time 2.0s); normal is mean 110ms ± \
             11ms (σ), p99 180ms, z 171.8, n 300",
            "order-matcher:order.match failed at +500ms saying: pool exhausted·[31m",
            "CPU of order-matcher 0.35% of a core (low), usual 0.20–0.60%: unremarkable",
        ]
    );
}

#[test]
fn what_is_missing_is_said() {
    let trace = order();
    let none = |_: &Span| None;
    let without = facts(&anomaly(&trace.spans[0]), None, &none, &[]);
    assert!(without[0].contains("p99 not known"), "{without:?}");
    assert_eq!(without[2], "Its trace could not be read, so where in it the time went is not known");
    assert_eq!(without[3], "No resource metric is known for that time");
    let unjudged = facts(&anomaly(&trace.spans[0]), Some(&trace), &none, &[]);
    assert!(unjudged.iter().any(|f| f.starts_with("4 spans below it, none with a baseline")), "{unjudged:?}");
    let failed = facts(&anomaly(&trace.spans[3]), None, &none, &[]);
    assert_eq!(failed[2], "order-matcher:order.match failed saying: pool exhausted·[31m");
    let mut apart = trace.clone();
    apart.spans[3].parent = Some(SpanId(77));
    let apart = facts(&anomaly(&apart.spans[3]), Some(&apart), &none, &[]);
    assert!(apart.iter().any(|f| f.starts_with("Nothing joins the span to the trace's root")), "{apart:?}");
    assert!(apart.iter().any(|f| f.contains("1 span has no parent in it")), "{apart:?}");
    let mut gone = anomaly(&trace.spans[0]);
    gone.id.span = SpanId(99);
    let gone = facts(&gone, Some(&trace), &by_operation, &[]);
    assert!(gone.iter().any(|f| f == "The span itself is not in the trace as it was read"), "{gone:?}");
}

#[test]
fn a_leaf_and_an_ordinary_inside_point_at_the_span_itself() {
    let trace = order();
    let leaf = facts(&anomaly(&trace.spans[4]), Some(&trace), &by_operation, &[]);
    assert!(leaf.iter().any(|f| f.starts_with("Nothing was called below it")), "{leaf:?}");
    assert!(leaf.iter().any(|f| f.starts_with("The span is not on the critical path")), "{leaf:?}");
    let all_normal = |_: &Span| Some(normal(5_000_000.0, 9_000_000));
    let own = facts(&anomaly(&trace.spans[0]), Some(&trace), &all_normal, &[]);
    assert!(own.iter().any(|f| f.contains("(4 of 4 have a baseline)")), "{own:?}");
}

#[test]
fn many_of_a_kind_are_counted_and_outsiders_cannot_break_the_line() {
    let mut spans = vec![span(1, 0, ("a", "root", SpanKind::Server), 0, 1_000_000)];
    for i in 0..40 {
        let mut child = span(10 + i, 1, ("b\n\u{1b}[2J", &"x".repeat(5_000), SpanKind::Client), i as i64 * 9, 500_000);
        child.error = true;
        child.attributes = Attributes::default();
        spans.push(child);
    }
    let trace = trace(spans);
    let metrics: Vec<Metric> = (0..60)
        .map(|i| Metric {
            kind: MetricKind::Cpu,
            service: format!("s{i}"),
            value: if i == 59 { 2.0 } else { 0.2 },
            usual: Some((0.2, 0.2)),
        })
        .collect();
    let facts = facts(&anomaly(&trace.spans[0]), Some(&trace), &|_| Some(normal(10_000.0, 20_000)), &metrics);
    assert!(facts.iter().any(|f| f == "35 spans more below it took longer than their normal p99"), "{facts:#?}");
    assert!(facts.iter().any(|f| f == "35 spans more failed"));
    assert!(facts.iter().any(|f| f == "36 metrics more"));
    let first_metric = facts.iter().find(|f| f.starts_with("CPU")).unwrap();
    assert!(first_metric.starts_with("CPU of s59"), "what is remarkable comes first: {first_metric}");
    assert!(facts.iter().all(|f| f.chars().all(text::is_plain) && f.chars().count() < 600));
}

#[test]
fn absurd_numbers_do_not_break_a_statement() {
    let mut trace = trace(vec![span(1, 0, ("a", "root", SpanKind::Server), 0, u64::MAX)]);
    trace.spans[0].start = Timestamp(i64::MIN);
    let mut odd = anomaly(&trace.spans[0]);
    odd.mean_us = f64::NAN;
    odd.z = f64::INFINITY;
    assert!(!facts(&odd, Some(&trace), &|_| None, &[]).is_empty());
}

#[test]
fn a_wait_beside_the_path_is_told_and_one_told_before_is_not_told_again() {
    let mut trace = order();
    // A second message, taken late by somebody nobody waits for.
    trace.spans.push(span(6, 5, ("audit", "note", SpanKind::Consumer), 900_000, 1_000));
    let facts = facts(&anomaly(&trace.spans[0]), Some(&trace), &by_operation, &[]);
    let between: Vec<&String> = facts.iter().filter(|fact| fact.contains(" between the end of ")).collect();
    assert_eq!(between.len(), 2, "{between:?}");
    assert!(between[0].starts_with("Waiting between the end of gateway:publish orders"));
    assert_eq!(
        between[1],
        "835ms passed between the end of gateway:check and the start of audit:note: not on the critical path"
    );
}
