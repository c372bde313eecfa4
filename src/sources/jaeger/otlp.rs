//! The `/api/v3` answer: resource spans of all traces one after another, grouped here by trace id.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::otlp_wire::{Event, KeyValue, ResourceSpans, Scope, WireSpan, kind, status_code};
use super::page::{Names, PageError, PageReport, Sink, attribute_key, service_name, span_name, times};
use super::scalar::{Scalar, Text};
use crate::domain::{Attributes, Span, SpanId, SpanKey, Trace, TraceId};
use crate::sources::http::SourceError;

/// Jaeger puts its own remarks on a span under this key; the legacy API keeps them apart from the tags.
const WARNINGS: &str = "@jaeger@warnings";

/// Reads a v3 page, also one that is a sequence of JSON objects, and hands over its traces in the order in which they
/// first appear. Nothing can be handed over earlier: any trace may go on in the last resource.
pub(super) fn parse(bytes: &[u8], sink: &mut Sink<'_>) -> Result<PageReport, SourceError> {
    page(bytes, &mut Names::default(), sink).map_err(|error| error.of_server(bytes.len()))
}

/// The same for a text from anywhere, such as a request that a collector wrote into a file.
pub(in crate::sources) fn page(bytes: &[u8], names: &mut Names, sink: &mut Sink<'_>) -> Result<PageReport, PageError> {
    let mut reader = Reader { names: std::mem::take(names), ..Reader::default() };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut found = false;
    loop {
        found |= Envelope(&mut reader).deserialize(&mut json)?;
        if json.end().is_ok() {
            break;
        }
    }
    if !found {
        return Err(PageError::Missing("`result`"));
    }
    *names = reader.names;
    let mut report = PageReport { refused_spans: reader.homeless, ..PageReport::default() };
    for (trace, refused) in reader.traces {
        report.traces += 1;
        report.spans += trace.spans.len() as u64;
        report.refused_spans += refused;
        sink(trace, refused);
    }
    Ok(report)
}

#[derive(Default)]
struct Reader {
    names: Names,
    traces: Vec<(Trace, u64)>,
    places: HashMap<TraceId, usize>,
    /// Spans without a trace id.
    homeless: u64,
    buffer: String,
    scratch: String,
}

impl Reader {
    fn take(&mut self, resource_spans: ResourceSpans<'_>) {
        let attributes = resource_spans.resource.and_then(|resource| resource.attributes).unwrap_or_default();
        let mut service = None;
        self.buffer.clear();
        for pair in &attributes {
            match (pair.key.text(), &pair.value) {
                (Some("service.name"), Some(value)) => service = value.text(),
                _ => self.push(pair),
            }
        }
        let service = self.names.name(service_name(service.as_deref()));
        let resource = self.names.resource(&self.buffer);
        for scope_spans in resource_spans.scope_spans.into_iter().flatten() {
            let scope = scope_spans.scope.unwrap_or_default();
            for wire in scope_spans.spans.iter().flatten() {
                let Some(id) = wire.trace_id.text().and_then(TraceId::parse) else {
                    self.homeless += 1;
                    continue;
                };
                let span = self.span(wire, &scope, &service, &resource);
                let place = *self.places.entry(id).or_insert(self.traces.len());
                if place == self.traces.len() {
                    self.traces.push((Trace { id, spans: Vec::new() }, 0));
                }
                let (trace, refused) = &mut self.traces[place];
                match span {
                    Some(span) => trace.spans.push(span),
                    None => *refused += 1,
                }
            }
        }
    }

    fn span(
        &mut self,
        wire: &WireSpan<'_>,
        scope: &Scope<'_>,
        service: &Arc<str>,
        resource: &Arc<Attributes>,
    ) -> Option<Span> {
        let id = SpanId::parse(wire.span_id.text()?)?;
        let start_ns = wire.start_time_unix_nano.whole()?;
        let length_ns = wire.end_time_unix_nano.whole()?.checked_sub(start_ns)?;
        // Rounded down: a length of minus one nanosecond is refused like any other negative one.
        let (start, duration) = times(Some(start_ns.div_euclid(1_000)), Some(length_ns.div_euclid(1_000)))?;
        let parent = wire.parent_span_id.text().and_then(SpanId::parse).filter(|parent| parent.0 != 0 && *parent != id);
        let operation = self.names.name(span_name(wire.name.text().unwrap_or_default()));
        let error = self.describe(wire, scope);
        Some(Span {
            id,
            parent,
            key: SpanKey { service: Arc::clone(service), operation, kind: kind(&wire.kind) },
            start,
            duration,
            error,
            attributes: Attributes::from_buffer(&self.buffer),
            resource: Arc::clone(resource),
        })
    }

    /// Fills the buffer with the span's attributes, under the names the legacy API uses for the same facts; says
    /// whether the span failed.
    fn describe(&mut self, wire: &WireSpan<'_>, scope: &Scope<'_>) -> bool {
        self.buffer.clear();
        let mut error = false;
        for pair in wire.attributes.iter().flatten().filter(|pair| pair.key.text() != Some(WARNINGS)) {
            if pair.key.text() == Some("error") {
                error |= pair.value.as_ref().is_some_and(|value| value.show(&mut self.scratch) == "true");
            }
            self.push(pair);
        }
        if let Some(status) = &wire.status {
            let code = status_code(&status.code);
            error |= code == Some("ERROR");
            push_some(&mut self.buffer, "otel.status_code", code.unwrap_or_default());
            push_some(&mut self.buffer, "otel.status_description", status.message.text().unwrap_or_default());
        }
        for (key, value) in [("otel.scope.name", &scope.name), ("otel.scope.version", &scope.version)] {
            push_some(&mut self.buffer, key, value.text().unwrap_or_default());
        }
        let exception = |event: &&Event<'_>| event.attributes.iter().flatten().any(|pair| is_exception(&pair.key));
        let event = wire.events.iter().flatten().find(exception);
        for pair in event.into_iter().flat_map(|event| event.attributes.iter().flatten()) {
            if is_exception(&pair.key) {
                self.push(pair);
            }
        }
        error
    }

    fn push(&mut self, pair: &KeyValue<'_>) {
        let value = pair.value.as_ref().map_or("", |value| value.show(&mut self.scratch));
        Attributes::push(&mut self.buffer, attribute_key(pair.key.text().unwrap_or_default()), value);
    }
}

/// Empty is absent in this dialect.
fn push_some(buffer: &mut String, key: &str, value: &str) {
    if !value.is_empty() {
        Attributes::push(buffer, key, value);
    }
}

fn is_exception(key: &Scalar<'_>) -> bool {
    matches!(key.text(), Some("exception.type" | "exception.message"))
}

/// `{"result": {"resourceSpans": […]}}`, with or without the outer object. Says whether either member was there.
struct Envelope<'r>(&'r mut Reader);

impl<'de> DeserializeSeed<'de> for Envelope<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `result`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "result" => {
                    found = true;
                    map.next_value_seed(Envelope(&mut *self.0))?;
                }
                "resourceSpans" => {
                    found = true;
                    map.next_value_seed(List(&mut *self.0))?;
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

struct List<'r>(&'r mut Reader);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of resource spans")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(resource_spans) = seq.next_element::<ResourceSpans<'de>>()? {
            self.0.take(resource_spans);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "otlp_tests.rs"]
mod tests;
