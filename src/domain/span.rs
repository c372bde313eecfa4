//! Spans and traces as the rest of the program sees them, whatever backend they came from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Micros, Timestamp};

/// A trace id, 128 bit. Shorter ids are padded on the left with zeros, as OpenTelemetry asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TraceId(pub u128);

/// A span id, 64 bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanId(pub u64);

/// OpenTelemetry's span kind; `Unspecified` where the backend did not record one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    #[default]
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// What a baseline is kept for: a service, an operation and a span kind. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpanKey {
    pub service: Arc<str>,
    pub operation: Arc<str>,
    pub kind: SpanKind,
}

/// Attributes (tags) of a span or a resource, in one string: most spans are judged without anyone reading their
/// attributes, so they cost one allocation, not one each, and an anomaly shares its span's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(Arc<str>);

/// One span, already mapped from its backend's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub id: SpanId,
    /// `None` for a root. A parent that is not in the trace makes the span an orphan.
    pub parent: Option<SpanId>,
    pub key: SpanKey,
    pub start: Timestamp,
    pub duration: Micros,
    /// The span says that it failed (OpenTelemetry status ERROR, or Jaeger's `error` tag).
    pub error: bool,
    pub attributes: Attributes,
    /// Attributes of the process that made the span; shared by its spans.
    pub resource: Arc<Attributes>,
}

/// All known spans of one trace, in no particular order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub id: TraceId,
    pub spans: Vec<Span>,
}

/// Something that happened at one moment of a span: an event of OpenTelemetry, a log of Jaeger's legacy API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanEvent {
    pub at: Timestamp,
    pub name: String,
    pub attributes: Attributes,
}

/// Events by the span's id and start: ids alone may be shared by a client and its server.
pub type EventsBySpan = BTreeMap<(SpanId, Timestamp), Vec<SpanEvent>>;

impl TraceId {
    /// Reads 1 to 32 hex digits, any case.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        parse_hex(hex, 32).map(Self)
    }

    /// The first six digits: enough to tell traces apart on a screen.
    #[must_use]
    pub fn short(self) -> String {
        format!("{:06x}", self.0 >> 104)
    }
}

impl SpanId {
    /// Reads 1 to 16 hex digits, any case.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        parse_hex(hex, 16).and_then(|id| u64::try_from(id).ok()).map(Self)
    }
}

/// The value of each hex digit; 0xff for any other byte.
const HEX_DIGITS: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// By hand: ids are read several times for every span of every page, and `from_str_radix` also takes a sign.
fn parse_hex(hex: &str, most: usize) -> Option<u128> {
    if hex.is_empty() || hex.len() > most {
        return None;
    }
    let (high, low) = hex.as_bytes().split_at(hex.len().saturating_sub(16));
    Some(u128::from(parse_half(high)?) << 64 | u128::from(parse_half(low)?))
}

/// At most 16 digits; a bad one is told at the end, for there is hardly ever one.
fn parse_half(hex: &[u8]) -> Option<u64> {
    let (value, seen) = hex.iter().fold((0, 0), |(value, seen), byte| {
        let digit = HEX_DIGITS[usize::from(*byte)];
        (value << 4 | u64::from(digit), seen | digit)
    });
    (seen != 0xff).then_some(value)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

macro_rules! serde_as_hex {
    ($id:ident) => {
        impl Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("not an id in hex digits: {text:?}")))
            }
        }
    };
}
serde_as_hex!(TraceId);
serde_as_hex!(SpanId);

impl SpanKind {
    /// OpenTelemetry's lower-case name; empty for `Unspecified`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// The kind of that name; anything unknown is `Unspecified`.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "internal" => Self::Internal,
            "server" => Self::Server,
            "client" => Self::Client,
            "producer" => Self::Producer,
            "consumer" => Self::Consumer,
            _ => Self::Unspecified,
        }
    }
}

impl SpanKey {
    pub fn new(service: impl Into<Arc<str>>, operation: impl Into<Arc<str>>, kind: SpanKind) -> Self {
        Self { service: service.into(), operation: operation.into(), kind }
    }
}

/// `service:operation`
impl fmt::Display for SpanKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.operation)
    }
}

impl Attributes {
    const BETWEEN: char = '\u{1f}';
    const AFTER: char = '\u{1e}';
    /// A value longer than this is cut: attributes explain an anomaly, they do not archive a payload.
    pub const LONGEST_VALUE: usize = 1_024;

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split_terminator(Self::AFTER).filter_map(|pair| pair.split_once(Self::BETWEEN))
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends one pair to a buffer that [`Attributes::from_buffer`] will take. Separators inside the text are dropped.
    pub fn push(buffer: &mut String, key: &str, value: &str) {
        let cut = value.floor_char_boundary(Self::LONGEST_VALUE);
        Self::push_plain(buffer, key);
        buffer.push(Self::BETWEEN);
        Self::push_plain(buffer, &value[..cut]);
        buffer.push(Self::AFTER);
    }

    /// Looks at bytes first: nearly no text holds a separator, and every attribute of every page comes through here.
    fn push_plain(buffer: &mut String, text: &str) {
        let separates = |byte: u8| byte == Self::BETWEEN as u8 || byte == Self::AFTER as u8;
        if text.bytes().fold(false, |found, byte| found | separates(byte)) {
            buffer.extend(text.chars().filter(|c| *c != Self::BETWEEN && *c != Self::AFTER));
        } else {
            buffer.push_str(text);
        }
    }

    /// Takes what [`Attributes::push`] wrote. The buffer keeps its capacity for the next span.
    #[must_use]
    pub fn from_buffer(buffer: &str) -> Self {
        Self(buffer.into())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut buffer = String::new();
        for (key, value) in pairs {
            Self::push(&mut buffer, key, value);
        }
        Self::from_buffer(&buffer)
    }
}

impl Span {
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.start + self.duration
    }
}

impl Trace {
    /// The span without a parent that started first; else, in a trace whose root is missing, the first to start.
    #[must_use]
    pub fn root(&self) -> Option<&Span> {
        self.spans.iter().min_by_key(|span| (span.parent.is_some(), span.start, span.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_padded_and_case_does_not_matter() {
        assert_eq!(TraceId::parse("4BF9"), TraceId::parse("00000000000000000000000000004bf9"));
        assert_eq!(TraceId::parse("4bf9").unwrap().to_string(), "00000000000000000000000000004bf9");
        assert_eq!(SpanId::parse("b7ad6b7169203331").unwrap().to_string(), "b7ad6b7169203331");
        for bad in ["", "+1", "0x1", "xyz", "123456789012345678901234567890123"] {
            assert_eq!(TraceId::parse(bad), None, "{bad:?}");
        }
        assert_eq!(SpanId::parse("12345678901234567"), None, "17 digits are no span id");
    }

    #[test]
    fn attributes_keep_pairs_in_order_and_cannot_be_forged() {
        let attributes: Attributes = [("a", "1"), ("b\u{1f}x", "2\u{1e}evil\u{1f}3")].into_iter().collect();
        assert_eq!(attributes.iter().collect::<Vec<_>>(), [("a", "1"), ("bx", "2evil3")]);
        assert_eq!(attributes.get("a"), Some("1"));
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "é".repeat(Attributes::LONGEST_VALUE);
        let attributes: Attributes = [("k", long.as_str())].into_iter().collect();
        assert_eq!(attributes.get("k").map(str::len), Some(Attributes::LONGEST_VALUE));
    }
}
