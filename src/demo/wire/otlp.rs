//! OTLP's JSON: what Jaeger's stable API answers, and what is exported.

use super::{OtlpAttributes, push_hex, push_int, push_text, push_time};
use crate::demo::catalogue::{AttributeSink, Service};
use crate::demo::draft::Draft;
use crate::demo::flows::Record;
use crate::domain::{SpanKind, Timestamp};

const fn kind_number(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Unspecified => 0,
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// Appends the trace's elements of `resourceSpans`, one for each service and release, with the spans visible at `now`.
/// Returns how many spans were written. `separate` says that an element stands before.
pub(in crate::demo) fn push_resource_spans(
    out: &mut Vec<u8>,
    draft: &Draft,
    now: Timestamp,
    mut separate: bool,
) -> usize {
    let mut spans: Vec<(usize, &Record)> = draft.visible(now).collect();
    spans.sort_by_key(|(index, record)| (record.op.service(), record.next_release, *index));
    for group in spans.chunk_by(|(_, a), (_, b)| (a.op.service(), a.next_release) == (b.op.service(), b.next_release)) {
        let Some((_, first)) = group.first() else { continue };
        if std::mem::replace(&mut separate, true) {
            out.push(b',');
        }
        push_resource(out, first.op.service(), first.next_release);
        for (n, (index, record)) in group.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            push_span(out, draft, *index, record);
        }
        out.extend_from_slice(b"]}]}");
    }
    spans.len()
}

fn push_resource(out: &mut Vec<u8>, service: Service, next: bool) {
    out.extend_from_slice(br#"{"resource":{"attributes":["#);
    let mut attributes = OtlpAttributes(out);
    attributes.text("service.name", service.name());
    attributes.text("host.name", service.host());
    attributes.text("service.version", service.version(next));
    out.extend_from_slice(br#"]},"scopeSpans":[{"scope":{"name":"spanwatch-demo"},"spans":["#);
}

fn push_span(out: &mut Vec<u8>, draft: &Draft, index: usize, record: &Record) {
    let operation = record.op.of();
    out.extend_from_slice(br#"{"traceId":""#);
    push_hex(out, (draft.id.0 >> 64) as u64);
    push_hex(out, draft.id.0 as u64);
    out.extend_from_slice(br#"","spanId":""#);
    push_hex(out, draft.span_id(index).0);
    if let Some(parent) = draft.parent(record) {
        out.extend_from_slice(br#"","parentSpanId":""#);
        push_hex(out, draft.span_id(parent).0);
    }
    push_text(out, &[r#"","name":""#, operation.name, r#"","kind":"#]);
    push_int(out, kind_number(operation.kind));
    out.extend_from_slice(br#","startTimeUnixNano":""#);
    push_time(out, record.start);
    out.extend_from_slice(br#"000","endTimeUnixNano":""#);
    push_time(out, record.end());
    out.extend_from_slice(br#"000","attributes":["#);
    let mut attributes = OtlpAttributes(out);
    for (key, value) in operation.fixed {
        attributes.text(key, value);
    }
    record.op.describe(&draft.context, record.failure, &mut attributes);
    match record.failure {
        Some(failure) => push_text(out, &[r#"],"status":{"code":2,"message":""#, failure.message(), r#""}}"#]),
        None => out.extend_from_slice(br#"],"status":{}}"#),
    }
}
