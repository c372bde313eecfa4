//! The un-versioned `/api/traces` answer, read trace by trace without ever holding the page as objects.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::legacy_span::{Draft, RawSpan, Reference, SpanPart, TagPart};
use super::page::{Names, PageError, PageReport, Sink, service_name};
use super::scalar::{Scalar, Text};
use crate::domain::{Attributes, Span, SpanKey, Trace, TraceId};
use crate::sources::http::SourceError;

/// Reads a page of the legacy API and hands over each trace as soon as it is complete; spans within it are in the
/// page's order. A trace whose every span was refused is handed over without spans, for it still counts as found.
///
/// # Errors
/// JSON that breaks off or is not this API's; traces before that point were handed over. An error that the server
/// reports in place of data.
pub fn parse_page(bytes: &[u8], sink: &mut dyn FnMut(Trace)) -> Result<PageReport, SourceError> {
    parse(bytes, &mut |trace, _| sink(trace))
}

pub(super) fn parse(bytes: &[u8], sink: &mut Sink<'_>) -> Result<PageReport, SourceError> {
    page(bytes, &mut Names::default(), sink).map_err(|error| error.of_server(bytes.len()))
}

/// As [`parse_page`], for a text from anywhere.
pub(in crate::sources) fn page(bytes: &[u8], names: &mut Names, sink: &mut Sink<'_>) -> Result<PageReport, PageError> {
    let mut reader = Reader::new(names, sink);
    match read(bytes, &mut reader, Whole::Page)? {
        Outcome { data: Data::Missing, error: None } => Err(PageError::Missing("`data`")),
        Outcome { data: Data::Missing | Data::Null, error: Some(message) } => Err(PageError::Reported(message)),
        _ => Ok(reader.report),
    }
}

/// Reads one element of a page's `data`. One without an id is an error, for nothing of it could be handed over.
pub(in crate::sources) fn trace(bytes: &[u8], names: &mut Names, sink: &mut Sink<'_>) -> Result<PageReport, PageError> {
    let mut reader = Reader::new(names, sink);
    read(bytes, &mut reader, Whole::Trace)?;
    if reader.report.traces == 0 { Err(PageError::Missing("`traceID` in hex digits")) } else { Ok(reader.report) }
}

/// What a text is, from its first brace to its last.
#[derive(Clone, Copy)]
enum Whole {
    Page,
    Trace,
}

/// Looking at the whole text for bytes that are no UTF-8 is many times cheaper than looking at each of its strings.
fn read<'de>(bytes: &'de [u8], reader: &mut Reader<'de, '_>, whole: Whole) -> Result<Outcome, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read_json(serde_json::Deserializer::from_str(text), reader, whole),
        Err(_) => read_json(serde_json::Deserializer::from_slice(bytes), reader, whole),
    }
}

fn read_json<'de, R: serde_json::de::Read<'de>>(
    mut json: serde_json::Deserializer<R>,
    reader: &mut Reader<'de, '_>,
    whole: Whole,
) -> Result<Outcome, serde_json::Error> {
    let outcome = match whole {
        Whole::Page => Envelope(reader).deserialize(&mut json)?,
        Whole::Trace => {
            One::<TracePart>(reader, PhantomData).deserialize(&mut json)?;
            Outcome { data: Data::List, error: None }
        }
    };
    json.end()?;
    Ok(outcome)
}

/// Scratch space for one page. Buffers keep their capacity from span to span and from trace to trace.
pub(super) struct Reader<'de, 's> {
    pub(super) names: &'s mut Names,
    sink: &'s mut Sink<'s>,
    report: PageReport,
    /// Spans of the trace being read; processes may come after them, so they are resolved at its end.
    pub(super) spans: Vec<RawSpan<'de>>,
    pub(super) references: Vec<Reference>,
    processes: Vec<(Cow<'de, str>, Process)>,
    pub(super) refused: u64,
    /// The span or process being read.
    pub(super) draft: Draft<'de>,
}

struct Process {
    service: Arc<str>,
    resource: Arc<Attributes>,
}

#[derive(Default)]
struct Outcome {
    data: Data,
    error: Option<String>,
}

#[derive(Default)]
enum Data {
    #[default]
    Missing,
    Null,
    List,
}

#[derive(Deserialize)]
struct ReportedError<'a> {
    #[serde(default, borrow)]
    msg: Scalar<'a>,
}

impl<'de, 's> Reader<'de, 's> {
    fn new(names: &'s mut Names, sink: &'s mut Sink<'s>) -> Self {
        Self {
            names,
            sink,
            report: PageReport::default(),
            spans: Vec::new(),
            references: Vec::new(),
            processes: Vec::new(),
            refused: 0,
            draft: Draft::default(),
        }
    }

    /// Hands over what was read of a trace. Where the trace itself has no id, the first span's counts.
    fn finish(&mut self, id: Option<TraceId>) {
        self.processes.sort_by(|a, b| a.0.cmp(&b.0));
        let mut raw = std::mem::take(&mut self.spans);
        if let Some(id) = id.or_else(|| raw.iter().find_map(|span| span.trace)) {
            let mut spans = Vec::with_capacity(raw.len());
            for span in raw.drain(..) {
                match self.resolve(span, id) {
                    Some(span) => spans.push(span),
                    None => self.refused += 1,
                }
            }
            self.report.traces += 1;
            self.report.spans += spans.len() as u64;
            (self.sink)(Trace { id, spans }, self.refused);
        } else {
            self.refused += raw.len() as u64;
            raw.clear();
        }
        self.report.refused_spans += self.refused;
        self.spans = raw;
        self.references.clear();
        self.processes.clear();
        self.refused = 0;
    }

    fn resolve(&self, raw: RawSpan<'de>, trace: TraceId) -> Option<Span> {
        let found = self.processes.binary_search_by(|(id, _)| id.cmp(&raw.process)).ok()?;
        let process = &self.processes.get(found)?.1;
        let references = self.references.get(raw.references.clone()).unwrap_or_default();
        let parent = Reference::parent(references, trace).or(raw.listed_parent).filter(|parent| *parent != raw.id);
        Some(Span {
            id: raw.id,
            parent,
            key: SpanKey::new(Arc::clone(&process.service), raw.operation, raw.kind),
            start: raw.start,
            duration: raw.duration,
            error: raw.error,
            attributes: raw.attributes,
            resource: Arc::clone(&process.resource),
        })
    }
}

/// One kind of JSON object in a page, and how its members go into the reader.
pub(super) trait Part {
    const WHAT: &'static str;
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, map: A) -> Result<(), A::Error>;
}

/// Reads one object of that kind.
struct One<'r, 'de, 's, P>(&'r mut Reader<'de, 's>, PhantomData<P>);

/// Reads a list of them, or `null`, which Go writes for an empty list.
pub(super) struct Each<'r, 'de, 's, P>(&'r mut Reader<'de, 's>, PhantomData<P>);

impl<'r, 'de, 's, P> Each<'r, 'de, 's, P> {
    pub(super) fn new(reader: &'r mut Reader<'de, 's>) -> Self {
        Self(reader, PhantomData)
    }
}

impl<'de, P: Part> DeserializeSeed<'de> for One<'_, 'de, '_, P> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, P: Part> Visitor<'de> for One<'_, 'de, '_, P> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(P::WHAT)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        P::read(self.0, map)
    }
}

impl<'de, P: Part> DeserializeSeed<'de> for Each<'_, 'de, '_, P> {
    /// Whether there was a list.
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, P: Part> Visitor<'de> for Each<'_, 'de, '_, P> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list, each {}", P::WHAT)
    }
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element_seed(One::<P>(&mut *self.0, PhantomData))?.is_some() {}
        Ok(true)
    }
}

struct Envelope<'r, 'de, 's>(&'r mut Reader<'de, 's>);

impl<'de> DeserializeSeed<'de> for Envelope<'_, 'de, '_> {
    type Value = Outcome;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Outcome, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_, 'de, '_> {
    type Value = Outcome;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `data`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outcome, A::Error> {
        let mut outcome = Outcome::default();
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "data" => {
                    let list = map.next_value_seed(Each::<TracePart>::new(&mut *self.0))?;
                    outcome.data = if list { Data::List } else { Data::Null };
                }
                "errors" => {
                    let errors: Option<Vec<ReportedError<'de>>> = map.next_value()?;
                    let first = errors.unwrap_or_default().into_iter().next();
                    outcome.error = first.map(|error| error.msg.text().unwrap_or("no message").to_owned());
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(outcome)
    }
}

struct TracePart;

impl Part for TracePart {
    const WHAT: &'static str = "a trace";
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, mut map: A) -> Result<(), A::Error> {
        let mut id = None;
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "traceID" => id = map.next_value::<Scalar<'de>>()?.text().and_then(TraceId::parse),
                "spans" => _ = map.next_value_seed(Each::<SpanPart>::new(&mut *reader))?,
                "processes" => map.next_value_seed(Processes(&mut *reader))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        reader.finish(id);
        Ok(())
    }
}

/// An object whose keys are chosen by the server: `{"p1": {"serviceName": …, "tags": […]}}`.
struct Processes<'r, 'de, 's>(&'r mut Reader<'de, 's>);

impl<'de> DeserializeSeed<'de> for Processes<'_, 'de, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Processes<'_, 'de, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("processes by id")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(id)) = map.next_key()? {
            map.next_value_seed(One::<ProcessPart>(&mut *self.0, PhantomData))?;
            let service = self.0.draft.service.take();
            let service = self.0.names.name(service_name(service.as_deref()));
            let resource = self.0.names.resource(&self.0.draft.buffer);
            self.0.processes.push((id, Process { service, resource }));
        }
        Ok(())
    }
}

/// Leaves its findings in the draft: the caller knows the process's id.
struct ProcessPart;

impl Part for ProcessPart {
    const WHAT: &'static str = "a process";
    fn read<'de, A: MapAccess<'de>>(reader: &mut Reader<'de, '_>, mut map: A) -> Result<(), A::Error> {
        reader.draft.begin();
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "serviceName" => {
                    if let Scalar::Text(name) = map.next_value()? {
                        reader.draft.service = Some(name);
                    }
                }
                "tags" => _ = map.next_value_seed(Each::<TagPart>::new(&mut *reader))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "legacy_tests.rs"]
mod tests;
