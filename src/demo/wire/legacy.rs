//! Jaeger's own JSON.

use std::sync::LazyLock;

use super::{Tags, push_hex, push_int, push_text, push_time};
use crate::demo::catalogue::{AttributeSink, Op, Service};
use crate::demo::draft::Draft;
use crate::domain::Timestamp;

/// What every span of an operation has in common, made once.
struct Fragment {
    /// From after the span id to before the references.
    name: Vec<u8>,
    /// From the tags' bracket to before the tags that differ.
    tags: Vec<u8>,
}

static FRAGMENTS: LazyLock<Vec<Fragment>> = LazyLock::new(|| {
    let fragment = |op: Op| {
        let operation = op.of();
        let mut name = Vec::new();
        push_text(&mut name, &[r#"","operationName":""#, operation.name, r#"","references":["#]);
        let mut tags = Vec::new();
        Tags(&mut tags).text("span.kind", operation.kind.name());
        for (key, value) in operation.fixed {
            Tags(&mut tags).text(key, value);
        }
        tags.remove(0);
        Fragment { name, tags }
    };
    Op::ALL.into_iter().map(fragment).collect()
});

/// One entry of `processes` for each service and release: `"p1":{…}`.
static PROCESSES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let process = |(service, next): (Service, bool)| {
        let mut out = Vec::new();
        push_text(&mut out, &[r#""p"#]);
        push_int(&mut out, process_number(service, next) as u64);
        push_text(&mut out, &[r#"":{"serviceName":""#, service.name(), r#"","tags":["#]);
        let from = out.len();
        Tags(&mut out).text("host.name", service.host());
        out.remove(from);
        Tags(&mut out).text("service.version", service.version(next));
        push_text(&mut out, &["]}"]);
        out
    };
    [false, true].into_iter().flat_map(|next| Service::ALL.map(|service| (service, next))).map(process).collect()
});

const fn process_number(service: Service, next: bool) -> usize {
    1 + service as usize + if next { Service::ALL.len() } else { 0 }
}

/// Appends one trace as Jaeger's search answers it, with the spans visible at `now`.
pub(in crate::demo) fn push_trace(out: &mut Vec<u8>, draft: &Draft, now: Timestamp) {
    let mut trace_id = Vec::with_capacity(32);
    push_hex(&mut trace_id, (draft.id.0 >> 64) as u64);
    push_hex(&mut trace_id, draft.id.0 as u64);
    out.extend_from_slice(br#"{"traceID":""#);
    out.extend_from_slice(&trace_id);
    out.extend_from_slice(br#"","spans":["#);
    let mut processes = 0u32;
    for (n, (index, record)) in draft.visible(now).enumerate() {
        let fragment = &FRAGMENTS[record.op as usize];
        let process = process_number(record.op.service(), record.next_release);
        processes |= 1 << process;
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"traceID":""#);
        out.extend_from_slice(&trace_id);
        out.extend_from_slice(br#"","spanID":""#);
        push_hex(out, draft.span_id(index).0);
        out.extend_from_slice(&fragment.name);
        if let Some(parent) = draft.parent(record) {
            out.extend_from_slice(br#"{"refType":"CHILD_OF","traceID":""#);
            out.extend_from_slice(&trace_id);
            out.extend_from_slice(br#"","spanID":""#);
            push_hex(out, draft.span_id(parent).0);
            out.extend_from_slice(br#""}"#);
        }
        out.extend_from_slice(br#"],"startTime":"#);
        push_time(out, record.start);
        out.extend_from_slice(br#","duration":"#);
        push_int(out, record.duration);
        out.extend_from_slice(br#","tags":["#);
        out.extend_from_slice(&fragment.tags);
        record.op.describe(&draft.context, record.failure, &mut Tags(out));
        out.extend_from_slice(br#"],"logs":[],"processID":"p"#);
        push_int(out, process as u64);
        out.extend_from_slice(br#"","warnings":null}"#);
    }
    out.extend_from_slice(br#"],"processes":{"#);
    let mut separate = false;
    for (index, process) in PROCESSES.iter().enumerate() {
        if processes & 1 << (index + 1) != 0 {
            if separate {
                out.push(b',');
            }
            out.extend_from_slice(process);
            separate = true;
        }
    }
    out.extend_from_slice(br#"},"warnings":null}"#);
}
