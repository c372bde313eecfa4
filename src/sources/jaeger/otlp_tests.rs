use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::SpanKind;
use crate::sources::http::ErrorKind;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn read(text: &str) -> (Vec<Trace>, Result<PageReport, SourceError>) {
    let mut traces = Vec::new();
    let report = parse(text.as_bytes(), &mut |trace, _| traces.push(trace));
    (traces, report)
}

fn span(trace: &str, id: &str) -> Value {
    json!({"traceId": trace, "spanId": id, "name": "GET /", "kind": 2,
        "startTimeUnixNano": "1755600000000123999", "endTimeUnixNano": "1755600000001624001"})
}

fn resource(service: &str, spans: &[Value]) -> Value {
    json!({"resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": service}},
            {"key": "host.name", "value": {"stringValue": "a"}}]},
        "scopeSpans": [{"scope": {"name": "lib", "version": "1"}, "spans": spans}]})
}

fn page(resources: &[Value]) -> String {
    json!({"result": {"resourceSpans": resources}}).to_string()
}

#[test]
fn spans_of_one_trace_come_together_across_resources() {
    let text = page(&[resource("web", &[span(TRACE, "01"), span("77", "02")]), resource("cart", &[span(TRACE, "03")])]);
    let (traces, report) = read(&text);
    assert_eq!(report.unwrap(), PageReport { traces: 2, spans: 3, refused_spans: 0 });
    let services: Vec<Vec<&str>> =
        traces.iter().map(|trace| trace.spans.iter().map(|span| span.key.service.as_ref()).collect()).collect();
    assert_eq!(services, [vec!["web", "cart"], vec!["web"]]);
}

#[test]
fn a_span_arrives_as_the_legacy_api_would_give_it() {
    let mut full = span(TRACE, "f0");
    full["parentSpanId"] = json!("b7");
    full["kind"] = json!("SPAN_KIND_CLIENT");
    full["status"] = json!({"code": 2, "message": "no stock"});
    full["attributes"] = json!([
        {"key": "http.response.status_code", "value": {"intValue": "503"}},
        {"key": "ok", "value": {"boolValue": false}},
        {"key": "ratio", "value": {"doubleValue": "NaN"}},
        {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"doubleValue": 0.5}}]}}},
        {"key": "@jaeger@warnings", "value": {"arrayValue": {"values": [{"stringValue": "skew"}]}}},
        {"key": "none", "value": {}}]);
    full["events"] = json!([{"name": "retry"}, {"name": "exception", "attributes": [
        {"key": "exception.type", "value": {"stringValue": "Out"}},
        {"key": "exception.stacktrace", "value": {"stringValue": "long"}}]}]);
    let (traces, report) = read(&page(&[resource("cart", &[full])]));
    report.unwrap();
    let span = &traces[0].spans[0];
    assert_eq!(span.key, SpanKey::new("cart", "GET /", SpanKind::Client));
    assert_eq!((span.id, span.parent, span.error), (SpanId(0xf0), Some(SpanId(0xb7)), true));
    assert_eq!((span.start.0, span.duration.0), (1_755_600_000_000_123, 1_500));
    let attributes: Vec<_> = span.attributes.iter().collect();
    let expected = [
        ("http.response.status_code", "503"),
        ("ok", "false"),
        ("ratio", "NaN"),
        ("list", "[1, b]"),
        ("map", "{k: 0.5}"),
        ("none", ""),
        ("otel.status_code", "ERROR"),
        ("otel.status_description", "no stock"),
        ("otel.scope.name", "lib"),
        ("otel.scope.version", "1"),
        ("exception.type", "Out"),
    ];
    assert_eq!(attributes, expected);
    assert_eq!(span.resource.iter().collect::<Vec<_>>(), [("host.name", "a")]);
}

#[test]
fn kinds_and_states_come_as_numbers_or_names() {
    for (wire, expected) in [
        (json!(1), SpanKind::Internal),
        (json!("3"), SpanKind::Client),
        (json!("SPAN_KIND_CONSUMER"), SpanKind::Consumer),
        (json!(99), SpanKind::Unspecified),
        (Value::Null, SpanKind::Unspecified),
    ] {
        let mut span = span(TRACE, "1");
        span["kind"] = wire.clone();
        assert_eq!(read(&page(&[resource("a", &[span])])).0[0].spans[0].key.kind, expected, "{wire}");
    }
}

#[test]
fn what_cannot_be_right_is_refused_and_counted() {
    let changed = |key: &str, value: Value| {
        let mut span = span(TRACE, "1");
        span[key] = value;
        span
    };
    let bad = [
        changed("endTimeUnixNano", json!("1755600000000123998")),
        changed("endTimeUnixNano", json!("0")),
        changed("endTimeUnixNano", Value::Null),
        changed("startTimeUnixNano", json!("-9223372036854775808")),
        changed("startTimeUnixNano", json!("soon")),
        changed("spanId", json!("xyz")),
        changed("traceId", json!("")),
    ];
    let report = read(&page(&[resource("a", &bad)])).1.unwrap();
    assert_eq!(report, PageReport { traces: 1, spans: 0, refused_spans: bad.len() as u64 });
    let own_parent = read(&page(&[resource("a", &[changed("parentSpanId", json!("1"))])])).0;
    assert_eq!(own_parent[0].spans[0].parent, None);
}

#[test]
fn a_sequence_of_objects_is_one_page() {
    let text = format!("{}\n{} ", page(&[resource("a", &[span("1", "1")])]), page(&[resource("b", &[span("1", "2")])]));
    let (traces, report) = read(&text);
    assert_eq!((traces.len(), report.unwrap().spans), (1, 2));
}

#[test]
fn other_answers_are_told_apart() {
    assert_eq!(read(r#"{"result":{}}"#).1.unwrap(), PageReport::default());
    assert_eq!(read(r#"{"result":{"resourceSpans":null}}"#).1.unwrap(), PageReport::default());
    assert_eq!(read(r#"{"data":[]}"#).1.unwrap_err().to_string(), "unexpected JSON: no `result`");
    assert_eq!(read(r#"{"result":{"resourceSpans":[{"#).1.unwrap_err().kind(), ErrorKind::CutOff);
    assert_eq!(read(r#"{"result":{}} x"#).1.unwrap_err().kind(), ErrorKind::Malformed);
    let unnamed = json!({"result": {"resourceSpans": [{"scopeSpans": [{"spans": [span("1", "1")]}]}]}}).to_string();
    assert_eq!(read(&unnamed).0[0].spans[0].key.service.as_ref(), "missing-service-name");
}

proptest! {
    #[test]
    fn no_mutation_of_a_page_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..10),
    ) {
        let mut bytes = page(&[resource("a", &[span(TRACE, "1")]), resource("b", &[span("2", "2")])]).into_bytes();
        for (at, byte, insert) in changes {
            let at = at.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        let mut kept = 0;
        if let Ok(report) = parse(&bytes, &mut |trace, _| kept += trace.spans.len() as u64) {
            prop_assert_eq!(report.spans, kept);
        }
    }
}
