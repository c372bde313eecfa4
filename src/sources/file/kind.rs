//! What one JSON value of a file is, told by its members without reading what is in them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Jaeger's answer with whole traces.
    Page,
    /// One element of such an answer.
    Trace,
    /// Resource spans.
    Otlp,
    /// Prometheus' answer.
    Answer,
    /// One series of such an answer.
    Series,
}

/// Looks only as far as needed: one member tells.
pub(super) fn kind(value: &[u8]) -> Result<Kind, Fault> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(value);
    let read = Look(&mut found).deserialize(&mut json);
    match (found, read) {
        (Some(kind), _) => Ok(kind),
        (None, Err(error)) => Err(Fault::Json(error)),
        (None, Ok(())) => Err(Fault::other(
            "an object with no member that tells what it is",
            "write Jaeger JSON (`data` or `spans`), OTLP JSON (`resourceSpans`) or a Prometheus answer (`data`)",
        )),
    }
}

struct Look<'k>(&'k mut Option<Kind>);

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            *self.0 = match key.as_ref() {
                "traceID" | "spans" | "processes" => Some(Kind::Trace),
                "resourceSpans" | "result" => Some(Kind::Otlp),
                "errors" => Some(Kind::Page),
                "status" | "errorType" => Some(Kind::Answer),
                "metric" | "values" => Some(Kind::Series),
                "data" => {
                    // Nothing after it can tell more.
                    return map.next_value_seed(Data(&mut *self.0));
                }
                _ => None,
            };
            if self.0.is_some() {
                // The value is not read; whatever the reader says to that, the finding stands.
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// A list, or nothing, is Jaeger's; an object is Prometheus'.
struct Data<'k>(&'k mut Option<Kind>);

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Data<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of traces, or an object with series")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        *self.0 = Some(Kind::Page);
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        *self.0 = Some(Kind::Page);
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        *self.0 = Some(Kind::Answer);
        Ok(())
    }
}
