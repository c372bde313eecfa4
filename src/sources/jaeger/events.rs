//! The events of one trace's spans (logs, in the legacy API). They are read by a pass of their own over the answer to a
//! request for one trace: what is polled has no use for them, and pays nothing for them.

use serde::Deserialize;

use super::Api;
use super::otlp_wire::ResourceSpans;
use super::page::{PageError, attribute_key};
use super::scalar::Scalar;
use crate::domain::{Attributes, EventsBySpan, SpanEvent, SpanId, Timestamp};
use crate::sources::http::SourceError;

/// All events in an answer, by the span they belong to, each span's by time. Events without a time are left out, for
/// they have no place on the axis.
pub(super) fn parse(api: Api, body: &[u8]) -> Result<EventsBySpan, SourceError> {
    let read = match api {
        Api::Legacy => legacy(body),
        Api::V3 { .. } => v3(body),
    };
    read.map_err(|error| PageError::from(error).of_server(body.len()))
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Option<Vec<LegacyTrace<'a>>>,
}

#[derive(Deserialize)]
struct LegacyTrace<'a> {
    #[serde(borrow)]
    spans: Option<Vec<LegacySpan<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LegacySpan<'a> {
    #[serde(borrow, rename = "spanID")]
    id: Scalar<'a>,
    #[serde(borrow)]
    start_time: Scalar<'a>,
    #[serde(borrow)]
    logs: Option<Vec<Log<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Log<'a> {
    #[serde(borrow)]
    timestamp: Scalar<'a>,
    #[serde(borrow)]
    fields: Option<Vec<Field<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Field<'a> {
    #[serde(borrow)]
    key: Scalar<'a>,
    #[serde(borrow)]
    value: Scalar<'a>,
}

fn legacy(body: &[u8]) -> Result<EventsBySpan, serde_json::Error> {
    let page: Page<'_> = serde_json::from_slice(body)?;
    let mut events = EventsBySpan::new();
    let mut scratch = String::new();
    let spans = page.data.iter().flatten().flat_map(|trace| trace.spans.iter().flatten());
    for span in spans {
        let Some(place) = place(&span.id, span.start_time.whole()) else { continue };
        for log in span.logs.iter().flatten() {
            let fields = || log.fields.iter().flatten();
            // OpenTelemetry's name of an event is the field `event` here.
            let name = fields().find(|field| field.key.text() == Some("event"));
            let name = name.map_or_else(String::new, |field| field.value.show(&mut scratch).to_owned());
            let mut buffer = String::new();
            for field in fields().filter(|field| field.key.text() != Some("event")) {
                let key = attribute_key(field.key.text().unwrap_or_default());
                Attributes::push(&mut buffer, key, field.value.show(&mut scratch));
            }
            add(&mut events, place, log.timestamp.whole(), &name, &buffer);
        }
    }
    Ok(sorted(events))
}

fn v3(body: &[u8]) -> Result<EventsBySpan, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Part<'a> {
        #[serde(borrow)]
        result: Option<Resources<'a>>,
        #[serde(borrow)]
        resource_spans: Option<Vec<ResourceSpans<'a>>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Resources<'a> {
        #[serde(borrow)]
        resource_spans: Option<Vec<ResourceSpans<'a>>>,
    }
    let mut events = EventsBySpan::new();
    let mut scratch = String::new();
    for part in serde_json::Deserializer::from_slice(body).into_iter::<Part<'_>>() {
        let part = part?;
        let resources = part.resource_spans.into_iter().chain(part.result.and_then(|result| result.resource_spans));
        let scopes = resources.flatten().flat_map(|resource| resource.scope_spans.into_iter().flatten());
        for span in scopes.flat_map(|scope| scope.spans.into_iter().flatten()) {
            let Some(place) = place(&span.span_id, microseconds(&span.start_time_unix_nano)) else { continue };
            for event in span.events.iter().flatten() {
                let mut buffer = String::new();
                for pair in event.attributes.iter().flatten() {
                    let value = pair.value.as_ref().map_or("", |value| value.show(&mut scratch));
                    Attributes::push(&mut buffer, attribute_key(pair.key.text().unwrap_or_default()), value);
                }
                let name = event.name.text().unwrap_or_default();
                add(&mut events, place, microseconds(&event.time_unix_nano), name, &buffer);
            }
        }
    }
    Ok(sorted(events))
}

fn microseconds(nanoseconds: &Scalar<'_>) -> Option<i64> {
    nanoseconds.whole().map(|ns| ns.div_euclid(1_000))
}

fn place(id: &Scalar<'_>, start_us: Option<i64>) -> Option<(SpanId, Timestamp)> {
    Some((id.text().and_then(SpanId::parse)?, Timestamp(start_us?)))
}

fn add(events: &mut EventsBySpan, place: (SpanId, Timestamp), at_us: Option<i64>, name: &str, attributes: &str) {
    let Some(at) = at_us.map(Timestamp) else { return };
    let name = if name.is_empty() { "event" } else { name };
    let name = &name[..name.floor_char_boundary(Attributes::LONGEST_VALUE)];
    let event = SpanEvent { at, name: name.to_owned(), attributes: Attributes::from_buffer(attributes) };
    events.entry(place).or_default().push(event);
}

fn sorted(mut events: EventsBySpan) -> EventsBySpan {
    for of_span in events.values_mut() {
        of_span.sort_by_key(|event| event.at);
    }
    events
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const START_US: i64 = 1_755_600_000_000_000;

    /// `a1+10 exception exception.type=E`
    fn told(events: &EventsBySpan) -> Vec<String> {
        let each = events.iter().flat_map(|((id, start), events)| {
            events.iter().map(|event| {
                let pairs: String = event.attributes.iter().map(|(key, value)| format!(" {key}={value}")).collect();
                format!("{:x}+{} {}{pairs}", id.0, event.at.0 - start.0, event.name)
            })
        });
        each.collect()
    }

    #[test]
    fn both_dialects_tell_the_same_events_in_the_order_of_time() {
        let field = |key: &str, value: serde_json::Value| json!({"key": key, "type": "string", "value": value});
        let legacy = json!({"data": [{"traceID": "7", "spans": [{
            "spanID": "a1", "startTime": START_US, "tags": [field("x", json!("y"))],
            "logs": [
                {"timestamp": START_US + 90, "fields": [field("event", json!("retry")), field("attempt", json!(2))]},
                {"timestamp": START_US + 10, "fields": [field("event", json!("exception")), field("exception.type", json!("E"))]},
                {"fields": [field("event", json!("without a time"))]},
            ]}, {"spanID": "b2", "startTime": START_US, "logs": null}],
            "processes": {}}], "errors": null});
        let ns = |us: i64| (us * 1_000).to_string();
        let pair = |key: &str, value: serde_json::Value| json!({"key": key, "value": value});
        let v3 = json!({"result": {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [{
        "traceId": "7", "spanId": "00000000000000a1", "startTimeUnixNano": ns(START_US),
        "events": [
            {"timeUnixNano": ns(START_US + 90), "name": "retry", "attributes": [pair("attempt", json!({"intValue": "2"}))]},
            {"timeUnixNano": ns(START_US + 10), "name": "exception",
                "attributes": [pair("exception.type", json!({"stringValue": "E"}))]},
            {"name": "without a time"},
        ]}]}]}]}});
        let wanted = ["a1+10 exception exception.type=E", "a1+90 retry attempt=2"];
        let legacy = parse(Api::Legacy, legacy.to_string().as_bytes()).unwrap();
        assert_eq!(told(&legacy), wanted);
        let v3 = parse(Api::V3 { summaries: true }, v3.to_string().as_bytes()).unwrap();
        assert_eq!(told(&v3), wanted);
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        assert!(parse(Api::Legacy, br#"{"data": [{"spans": ["#).is_err());
        assert!(parse(Api::V3 { summaries: false }, br#"{"result": {"resourceSpans": [{"#).is_err());
    }
}
