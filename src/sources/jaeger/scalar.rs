//! JSON values as they come, borrowed where possible: a wrong type costs one span, not the page.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A key or another text that must be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'de>(pub Cow<'de, str>);

/// Any JSON value without its insides: objects and arrays are read past.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Scalar<'de> {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Cow<'de, str>),
    Nested,
}

impl Scalar<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, also one written as text, as both dialects do with 64-bit integers.
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Uint(uint) => i64::try_from(*uint).ok(),
            Self::Text(text) => text.parse().ok(),
            Self::Float(float) => (float.fract() == 0.0 && float.abs() < 9e15).then_some(*float as i64),
            Self::Null | Self::Bool(_) | Self::Nested => None,
        }
    }

    /// The value as attributes show it; numbers are written into `scratch`.
    pub(super) fn show<'a>(&'a self, scratch: &'a mut String) -> &'a str {
        use fmt::Write as _;
        scratch.clear();
        // Writing to a String cannot fail.
        _ = match self {
            Self::Text(text) => return text,
            Self::Bool(bool) => return if *bool { "true" } else { "false" },
            Self::Null | Self::Nested => return "",
            Self::Int(int) => write!(scratch, "{int}"),
            Self::Uint(uint) => write!(scratch, "{uint}"),
            Self::Float(float) => write!(scratch, "{float}"),
        };
        scratch
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Visit)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Null)
            }
            fn visit_bool<E>(self, bool: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Bool(bool))
            }
            fn visit_i64<E>(self, int: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Int(int))
            }
            fn visit_u64<E>(self, uint: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Uint(uint))
            }
            fn visit_f64<E>(self, float: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Float(float))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
        }
        from.deserialize_any(Visit)
    }
}
