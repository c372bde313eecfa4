//! OTLP JSON as `/api/v3` writes it. Every zero or empty member is absent, 64-bit integers are text, enums either way.

use std::borrow::Cow;

use serde::Deserialize;

use super::scalar::Scalar;
use crate::domain::SpanKind;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans<'a> {
    #[serde(borrow)]
    pub resource: Option<Resource<'a>>,
    #[serde(borrow)]
    pub scope_spans: Option<Vec<ScopeSpans<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScopeSpans<'a> {
    #[serde(borrow)]
    pub scope: Option<Scope<'a>>,
    #[serde(borrow)]
    pub spans: Option<Vec<WireSpan<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scope<'a> {
    #[serde(borrow)]
    pub name: Scalar<'a>,
    #[serde(borrow)]
    pub version: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireSpan<'a> {
    #[serde(borrow)]
    pub trace_id: Scalar<'a>,
    #[serde(borrow)]
    pub span_id: Scalar<'a>,
    #[serde(borrow)]
    pub parent_span_id: Scalar<'a>,
    #[serde(borrow)]
    pub name: Scalar<'a>,
    #[serde(borrow)]
    pub kind: Scalar<'a>,
    #[serde(borrow)]
    pub start_time_unix_nano: Scalar<'a>,
    #[serde(borrow)]
    pub end_time_unix_nano: Scalar<'a>,
    #[serde(borrow)]
    pub attributes: Option<Vec<KeyValue<'a>>>,
    #[serde(borrow)]
    pub events: Option<Vec<Event<'a>>>,
    #[serde(borrow)]
    pub status: Option<Status<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub time_unix_nano: Scalar<'a>,
    #[serde(borrow)]
    pub name: Scalar<'a>,
    #[serde(borrow)]
    pub attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub code: Scalar<'a>,
    #[serde(borrow)]
    pub message: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue<'a> {
    #[serde(borrow)]
    pub key: Scalar<'a>,
    #[serde(borrow)]
    pub value: Option<AnyValue<'a>>,
}

/// Exactly one member is set; none for an empty value.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Scalar<'a>,
    #[serde(borrow)]
    bool_value: Scalar<'a>,
    #[serde(borrow)]
    int_value: Scalar<'a>,
    #[serde(borrow)]
    double_value: Scalar<'a>,
    #[serde(borrow)]
    bytes_value: Scalar<'a>,
    #[serde(borrow)]
    array_value: Option<Values<'a, AnyValue<'a>>>,
    #[serde(borrow)]
    kvlist_value: Option<Values<'a, KeyValue<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>, 'de: 'a"))]
struct Values<'a, T> {
    values: Option<Vec<T>>,
    #[serde(skip)]
    borrowed: std::marker::PhantomData<&'a ()>,
}

impl<'a> AnyValue<'a> {
    /// The value as attributes show it: lists and maps as `[a, b]` and `{k: v}`.
    pub(super) fn show<'s>(&'s self, scratch: &'s mut String) -> &'s str {
        if self.array_value.is_none() && self.kvlist_value.is_none() {
            return self.scalar().show(scratch);
        }
        let mut whole = String::new();
        self.write(&mut whole, scratch);
        scratch.clear();
        scratch.push_str(&whole);
        scratch
    }

    fn scalar(&self) -> &Scalar<'a> {
        [&self.string_value, &self.bool_value, &self.int_value, &self.double_value, &self.bytes_value]
            .into_iter()
            .find(|value| **value != Scalar::Null)
            .unwrap_or(&Scalar::Null)
    }

    /// Recursion is bounded by the depth that the JSON reader allows.
    fn write(&self, out: &mut String, scratch: &mut String) {
        if let Some(list) = &self.array_value {
            out.push('[');
            for (i, value) in list.values.iter().flatten().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                value.write(out, scratch);
            }
            out.push(']');
        } else if let Some(list) = &self.kvlist_value {
            out.push('{');
            for (i, pair) in list.values.iter().flatten().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                out.push_str(pair.key.text().unwrap_or_default());
                out.push_str(": ");
                if let Some(value) = &pair.value {
                    value.write(out, scratch);
                }
            }
            out.push('}');
        } else {
            out.push_str(self.scalar().show(scratch));
        }
    }

    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        self.string_value.text().map(Cow::Borrowed)
    }
}

pub(super) fn kind(kind: &Scalar<'_>) -> SpanKind {
    match kind.whole() {
        Some(1) => SpanKind::Internal,
        Some(2) => SpanKind::Server,
        Some(3) => SpanKind::Client,
        Some(4) => SpanKind::Producer,
        Some(5) => SpanKind::Consumer,
        Some(_) => SpanKind::Unspecified,
        None => {
            let name = kind.text().and_then(|name| name.strip_prefix("SPAN_KIND_")).unwrap_or_default();
            SpanKind::from_name(&name.to_ascii_lowercase())
        }
    }
}

/// `OK` or `ERROR`, as the legacy API writes it into `otel.status_code`; `None` when unset.
pub(super) fn status_code(code: &Scalar<'_>) -> Option<&'static str> {
    match (code.whole(), code.text()) {
        (Some(1), _) | (_, Some("STATUS_CODE_OK")) => Some("OK"),
        (Some(2), _) | (_, Some("STATUS_CODE_ERROR")) => Some("ERROR"),
        _ => None,
    }
}
