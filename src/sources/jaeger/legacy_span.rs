//! The members of one span in a page of the legacy API.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess};

use super::legacy::{Each, Part, Reader};
use super::page::{attribute_key, span_name, times};
use super::scalar::{Scalar, Text};
use crate::domain::{Attributes, Micros, SpanId, SpanKind, Timestamp, TraceId};

/// A span whose process is not known yet.
pub(super) struct RawSpan<'de> {
    pub(super) id: SpanId,
    pub(super) trace: Option<TraceId>,
    /// Its references, in the reader's list.
    pub(super) references: Range<usize>,
    /// `parentSpanID`, which only exported documents have.
    pub(super) listed_parent: Option<SpanId>,
    pub(super) operation: Arc<str>,
    pub(super) kind: SpanKind,
    pub(super) start: Timestamp,
    pub(super) duration: Micros,
    pub(super) error: bool,
    pub(super) attributes: Attributes,
    pub(super) process: Cow<'de, str>,
}

/// A reference from a span to another.
#[derive(Debug, Default)]
pub(super) struct Reference {
    child_of: bool,
    /// `None` where the reference does not say; then its own trace is meant.
    trace: Option<TraceId>,
    span: Option<SpanId>,
}

impl Reference {
    /// The first `CHILD_OF` within the trace, else the first `FOLLOWS_FROM`. References to other traces are links.
    pub(super) fn parent(references: &[Self], trace: TraceId) -> Option<SpanId> {
        let within = |reference: &&Self| reference.trace.is_none_or(|of| of == trace) && reference.span.is_some();
        let mut children = references.iter().filter(within);
        children
            .clone()
            .find(|reference| reference.child_of)
            .or_else(|| children.next())
            .and_then(|reference| reference.span)
            .filter(|id| id.0 != 0)
    }
}

/// What the tags and logs of the object being read have said so far.
#[derive(Debug, Default)]
pub(super) struct Draft<'de> {
    pub(super) service: Option<Cow<'de, str>>,
    /// Attributes as [`Attributes::push`] writes them.
    pub(super) buffer: String,
    scratch: String,
    kind: SpanKind,
    error: bool,
    exception: Exception<'de>,
}

#[derive(Debug, Default)]
struct Exception<'de> {
    seen: bool,
    class: Scalar<'de>,
    message: Scalar<'de>,
}

impl Draft<'_> {
    pub(super) fn begin(&mut self) {
        self.service = None;
        self.buffer.clear();
        self.kind = SpanKind::Unspecified;
        self.error = false;
        self.exception = Exception::default();
    }

    fn tag(&mut self, key: &str, value: &Scalar<'_>) {
        let shown = value.show(&mut self.scratch);
        match key {
            "span.kind" => {
                self.kind = SpanKind::from_name(shown);
                // The kind is part of the span's key; only one that was not understood is worth keeping here.
                if self.kind != SpanKind::Unspecified {
                    return;
                }
            }
            "error" => self.error |= shown == "true",
            "otel.status_code" => self.error |= shown == "ERROR",
            _ => {}
        }
        Attributes::push(&mut self.buffer, attribute_key(key), shown);
    }

    /// The first exception among the logs becomes attributes: of everything in logs it explains most.
    fn exception(&mut self) {
        let exception = std::mem::take(&mut self.exception);
        for (key, value) in [("exception.type", &exception.class), ("exception.message", &exception.message)] {
            if *value != Scalar::Null {
                Attributes::push(&mut self.buffer, key, value.show(&mut self.scratch));
                self.exception.seen = true;
            }
        }
    }
}

pub(super) struct SpanPart;

impl Part for SpanPart {
    const WHAT: &'static str = "a span";
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, mut map: A) -> Result<(), A::Error> {
        reader.draft.begin();
        let first_reference = reader.references.len();
        let (mut id, mut trace, mut listed_parent, mut operation, mut process) = (None, None, None, None, None);
        let (mut start, mut duration) = (None, None);
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "spanID" => id = map.next_value::<Scalar<'de>>()?.text().and_then(SpanId::parse),
                "traceID" => trace = map.next_value::<Scalar<'de>>()?.text().and_then(TraceId::parse),
                "parentSpanID" => listed_parent = map.next_value::<Scalar<'de>>()?.text().and_then(SpanId::parse),
                "operationName" => {
                    let name = map.next_value::<Scalar<'de>>()?;
                    operation = name.text().map(|name| reader.names.name(span_name(name)));
                }
                "startTime" => start = map.next_value::<Scalar<'de>>()?.whole(),
                "duration" => duration = map.next_value::<Scalar<'de>>()?.whole(),
                "processID" => process = Some(map.next_value::<Scalar<'de>>()?),
                "references" => _ = map.next_value_seed(Each::<ReferencePart>::new(&mut *reader))?,
                "tags" => _ = map.next_value_seed(Each::<TagPart>::new(&mut *reader))?,
                "logs" => _ = map.next_value_seed(Each::<LogPart>::new(&mut *reader))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        let process = match process {
            Some(Scalar::Text(process)) => Some(process),
            _ => None,
        };
        let references = first_reference..reader.references.len();
        let whole = id.zip(times(start, duration)).zip(operation.zip(process));
        let Some(((id, (start, duration)), (operation, process))) = whole else {
            reader.refused += 1;
            return Ok(());
        };
        reader.spans.push(RawSpan {
            id,
            trace,
            references,
            listed_parent: listed_parent.filter(|parent| parent.0 != 0),
            operation,
            kind: reader.draft.kind,
            start,
            duration,
            error: reader.draft.error,
            attributes: Attributes::from_buffer(&reader.draft.buffer),
            process,
        });
        Ok(())
    }
}

struct ReferencePart;

impl Part for ReferencePart {
    const WHAT: &'static str = "a reference";
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, mut map: A) -> Result<(), A::Error> {
        let mut reference = Reference::default();
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "refType" => reference.child_of = map.next_value::<Scalar<'de>>()?.text() == Some("CHILD_OF"),
                "traceID" => reference.trace = map.next_value::<Scalar<'de>>()?.text().and_then(TraceId::parse),
                "spanID" => reference.span = map.next_value::<Scalar<'de>>()?.text().and_then(SpanId::parse),
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        reader.references.push(reference);
        Ok(())
    }
}

/// `{"key": …, "type": …, "value": …}`; the type is not needed, for JSON shows it.
pub(super) struct TagPart;

impl Part for TagPart {
    const WHAT: &'static str = "a tag";
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, map: A) -> Result<(), A::Error> {
        if let Some((key, value)) = key_and_value(map)? {
            reader.draft.tag(&key, &value);
        }
        Ok(())
    }
}

struct LogPart;

impl Part for LogPart {
    const WHAT: &'static str = "a log";
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            if key == "fields" && !reader.draft.exception.seen {
                map.next_value_seed(Each::<FieldPart>::new(&mut *reader))?;
                reader.draft.exception();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct FieldPart;

impl Part for FieldPart {
    const WHAT: &'static str = "a field of a log";
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, map: A) -> Result<(), A::Error> {
        match key_and_value(map)? {
            Some((key, value)) if key == "exception.type" => reader.draft.exception.class = value,
            Some((key, value)) if key == "exception.message" => reader.draft.exception.message = value,
            _ => {}
        }
        Ok(())
    }
}

fn key_and_value<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<(Cow<'de, str>, Scalar<'de>)>, A::Error> {
    let (mut name, mut value) = (None, Scalar::Null);
    while let Some(Text(key)) = map.next_key()? {
        match key.as_ref() {
            "key" => {
                if let Scalar::Text(text) = map.next_value()? {
                    name = Some(text);
                }
            }
            "value" => value = map.next_value()?,
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
    }
    Ok(name.map(|name| (name, value)))
}
