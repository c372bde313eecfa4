use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{SpanId, SpanKind};
use crate::sources::http::ErrorKind;

const START: i64 = 1_755_600_000_000_123;

fn span(id: &str) -> Value {
    json!({"traceID": "4bf9", "spanID": id, "operationName": "GET /cart", "references": [], "startTime": START,
        "duration": 1500, "processID": "p1", "tags": [], "logs": []})
}

fn with(mut span: Value, key: &str, value: Value) -> Value {
    span[key] = value;
    span
}

fn page(spans: &[Value]) -> String {
    let processes = json!({"p1": {"serviceName": "cart", "tags": [{"key": "host", "type": "string", "value": "a"}]}});
    json!({"data": [{"traceID": "4bf9", "spans": spans, "processes": processes, "warnings": null}], "errors": null})
        .to_string()
}

fn read(text: &str) -> (Vec<Trace>, Result<PageReport, SourceError>) {
    let mut traces = Vec::new();
    let report = parse_page(text.as_bytes(), &mut |trace| traces.push(trace));
    (traces, report)
}

fn spans(text: &str) -> Vec<Span> {
    let (traces, report) = read(text);
    report.unwrap();
    traces.into_iter().flat_map(|trace| trace.spans).collect()
}

#[test]
fn a_span_arrives_with_all_its_parts() {
    let tags = json!([
        {"key": "span.kind", "type": "string", "value": "server"},
        {"key": "http.status_code", "type": "int64", "value": 503},
        {"key": "big", "type": "int64", "value": "9223372036854775807"},
        {"key": "ratio", "type": "float64", "value": 0.25},
        {"key": "error", "type": "bool", "value": true}]);
    let logs = json!([{"timestamp": 1, "fields": [{"key": "event", "value": "retry"}]},
        {"timestamp": 2, "fields": [{"key": "exception.message", "value": "no stock"}, {"key": "exception.type", "value": "Out"}]},
        {"timestamp": 3, "fields": [{"key": "exception.type", "value": "Second"}]}]);
    let references = json!([{"refType": "CHILD_OF", "traceID": "00000000000000000000000000004BF9", "spanID": "b7"}]);
    let span = with(with(with(span("f0"), "tags", tags), "logs", logs), "references", references);
    let [found] = &spans(&page(&[span]))[..] else { panic!("one span expected") };
    assert_eq!((found.id, found.parent), (SpanId(0xf0), Some(SpanId(0xb7))));
    assert_eq!(found.key, SpanKey::new("cart", "GET /cart", SpanKind::Server));
    assert_eq!((found.start.0, found.duration.0, found.error), (START, 1500, true));
    let attributes: Vec<_> = found.attributes.iter().collect();
    let expected = [
        ("http.status_code", "503"),
        ("big", "9223372036854775807"),
        ("ratio", "0.25"),
        ("error", "true"),
        ("exception.type", "Out"),
        ("exception.message", "no stock"),
    ];
    let mut sorted = attributes.clone();
    sorted.sort_unstable();
    let mut expected_sorted = expected.to_vec();
    expected_sorted.sort_unstable();
    assert_eq!(sorted, expected_sorted);
    assert_eq!(found.resource.get("host"), Some("a"));
}

#[test]
fn the_order_of_members_does_not_matter() {
    let before = r#"{"errors":null,"data":[{"spans":[{"processID":"p9","duration":"5","startTime":"1755600000000123","operationName":"a","spanID":"1","references":[{"spanID":"2","traceID":"7","refType":"FOLLOWS_FROM"}]}],
        "processes":{"p1":{"tags":null,"serviceName":"x"},"p9":{"serviceName":"cart"}},"traceID":"7"}]}"#;
    let [span] = &spans(before)[..] else { panic!("one span expected") };
    assert_eq!((span.key.service.as_ref(), span.duration.0, span.parent), ("cart", 5, Some(SpanId(2))));
}

#[test]
fn the_parent_is_the_first_child_of_in_the_same_trace() {
    let reference = |kind: &str, trace: &str, span: &str| json!({"refType": kind, "traceID": trace, "spanID": span});
    for (references, parent) in [
        (json!([reference("FOLLOWS_FROM", "4bf9", "2"), reference("CHILD_OF", "4bf9", "3")]), Some(3)),
        (json!([reference("CHILD_OF", "aaaa", "2"), reference("FOLLOWS_FROM", "4bf9", "3")]), Some(3)),
        (json!([reference("CHILD_OF", "aaaa", "2")]), None),
        (json!([reference("CHILD_OF", "4bf9", "1")]), None),
        (json!([reference("CHILD_OF", "4bf9", "0")]), None),
        (json!([reference("CHILD_OF", "4bf9", "not hex")]), None),
        (Value::Null, None),
    ] {
        let text = page(&[with(span("1"), "references", references)]);
        assert_eq!(spans(&text)[0].parent.map(|id| id.0), parent, "{text}");
    }
    assert_eq!(spans(&page(&[with(span("1"), "parentSpanID", json!("4"))]))[0].parent, Some(SpanId(4)));
}

#[test]
fn errors_are_found_in_every_form() {
    for (tag, error) in [
        (json!({"key": "error", "type": "bool", "value": true}), true),
        (json!({"key": "error", "type": "string", "value": "true"}), true),
        (json!({"key": "error", "type": "bool", "value": false}), false),
        (json!({"key": "otel.status_code", "type": "string", "value": "ERROR"}), true),
        (json!({"key": "otel.status_code", "type": "string", "value": "OK"}), false),
    ] {
        assert_eq!(spans(&page(&[with(span("1"), "tags", json!([tag]))]))[0].error, error, "{tag}");
    }
}

#[test]
fn spans_that_cannot_be_right_are_refused_and_counted() {
    let bad = [
        with(span("1"), "duration", json!(-5)),
        with(span("1"), "duration", json!(400_000_000_000_000_000i64)),
        with(span("1"), "duration", json!(1e300)),
        with(span("1"), "duration", Value::Null),
        with(span("1"), "startTime", json!(-1)),
        with(span("1"), "startTime", json!("yesterday")),
        with(span("1"), "startTime", json!(START / 1000)),
        with(span("1"), "spanID", json!("no hex")),
        with(span("1"), "processID", json!("p2")),
        with(span("1"), "operationName", json!({"a": [1]})),
    ];
    let mut all = bad.to_vec();
    all.push(span("2"));
    let (traces, report) = read(&page(&all));
    let expected = PageReport { traces: 1, spans: 1, refused_spans: bad.len() as u64 };
    assert_eq!(report.unwrap(), expected);
    assert_eq!(traces[0].spans[0].id, SpanId(2));
}

#[test]
fn hostile_names_are_cut_and_kept_as_they_are() {
    let long = with(span("1"), "operationName", json!("ü".repeat(50_000)));
    let escapes = with(span("2"), "operationName", json!("a\u{1b}[2J\n\"q\""));
    let found = spans(&page(&[long, escapes, with(span("3"), "operationName", json!(""))]));
    assert_eq!(found[0].key.operation.len(), 512);
    assert_eq!(found[1].key.operation.as_ref(), "a\u{1b}[2J\n\"q\"");
    assert_eq!(found[2].key.operation.as_ref(), "empty-span-name");
}

#[test]
fn one_name_is_one_string_in_a_page() {
    let found = spans(&page(&[span("1"), span("2")]));
    assert!(Arc::ptr_eq(&found[0].key.operation, &found[1].key.operation));
    assert!(Arc::ptr_eq(&found[0].resource, &found[1].resource));
}

#[test]
fn answers_without_traces_are_told_apart() {
    assert_eq!(read(r#"{"data":[],"errors":null}"#).1.unwrap(), PageReport::default());
    assert_eq!(read(r#"{"data":null,"total":0,"errors":null}"#).1.unwrap(), PageReport::default());
    let reported = read(r#"{"data":null,"errors":[{"code":500,"msg":"disk full"}]}"#).1.unwrap_err();
    assert_eq!(reported.to_string(), "the server reported: disk full");
    assert_eq!(read(r#"{"status":"success"}"#).1.unwrap_err().to_string(), "unexpected JSON: no `data`");
    for (text, kind) in [
        ("{\"data\":[{\"traceID\":\"1\",\"spa", ErrorKind::CutOff),
        ("{\"data\":[]}}", ErrorKind::Malformed),
        ("{\"data\":{\"a\":1}}", ErrorKind::Malformed),
        ("", ErrorKind::CutOff),
    ] {
        assert_eq!(read(text).1.unwrap_err().kind(), kind, "{text}");
    }
}

#[test]
fn traces_before_a_cut_are_handed_over() {
    let whole = page(&[span("1")]).replace("\"errors\"", "\"x\"");
    let two = whole.replace("}],\"x\":null}", "},{\"traceID\":\"5\",\"spans\":[{\"spanID\"");
    let (traces, report) = read(&two);
    assert_eq!((traces.len(), report.unwrap_err().kind()), (1, ErrorKind::CutOff), "{two}");
}

proptest! {
    #[test]
    fn no_mutation_of_a_page_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..12),
    ) {
        let tags = json!([{"key": "error", "value": "é\u{1f}"}, {"key": "n", "value": -7.5}]);
        let logs = json!([{"fields": [{"key": "exception.type", "value": "E"}]}]);
        let child = with(span("2"), "references", json!([{"refType": "CHILD_OF", "traceID": "4bf9", "spanID": "1"}]));
        let mut bytes = page(&[with(with(span("1"), "tags", tags), "logs", logs), child]).into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let (mut handed, mut kept) = (0, 0);
        let report = parse_page(&bytes, &mut |trace| {
            handed += 1;
            kept += trace.spans.len() as u64;
            assert!(trace.spans.iter().all(|span| span.parent != Some(span.id)));
        });
        if let Ok(report) = report {
            prop_assert_eq!((report.traces, report.spans), (handed, kept));
        }
    }
}
