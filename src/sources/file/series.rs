//! Series from files: saved answers of Prometheus' range queries.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};

use super::error::Fault;
use super::kind::{Kind, kind};
use super::pieces::{self, Piece};
use super::{FileError, open};
use crate::domain::Timestamp;
use crate::sources::prometheus::timestamp;

/// One series of a range query.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// `__name__`; empty where an expression made the series.
    pub name: String,
    /// All other labels.
    pub labels: BTreeMap<String, String>,
    /// Finite values, as the file orders them: Prometheus' answers are in time order.
    pub points: Vec<(Timestamp, f64)>,
}

/// Reads the series of a file, in its order. NaN means that there was nothing to compute from, and an infinity that a
/// bucket has no bound: such values are left out, as they are when Prometheus is asked live.
///
/// # Errors
/// A file that cannot be opened, unpacked or read to its end; a value that is no JSON, no range result, or has a time
/// or a value that is none; a native histogram, which has no single value at a time.
pub fn read_series(path: &Path) -> Result<Vec<Series>, FileError> {
    let mut all = Vec::new();
    pieces::in_order(open::open(path)?, &read, &mut |series| all.extend(series))?;
    Ok(all)
}

fn read(piece: &Piece, name: &str) -> Result<Vec<Series>, FileError> {
    let mut found = Vec::new();
    piece.each_value(name, |value| {
        match kind(value)? {
            Kind::Series => found.push(serde_json::from_slice::<WireSeries<'_>>(value)?.series()?),
            Kind::Answer => {
                for wire in answer(value)? {
                    found.push(wire.series()?);
                }
            }
            Kind::Page | Kind::Trace | Kind::Otlp => {
                return Err(Fault::other("traces among metrics", "give this file with --traces"));
            }
        }
        Ok(())
    })?;
    Ok(found)
}

#[derive(Deserialize)]
struct Answer<'a, R> {
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    data: Option<Data<'a, R>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a, R> {
    #[serde(borrow)]
    result_type: Cow<'a, str>,
    result: R,
}

const ASK_FOR_A_RANGE: &str = "save the answer of /api/v1/query_range, or one element of its data.result a line";

fn answer(value: &[u8]) -> Result<Vec<WireSeries<'_>>, Fault> {
    // Other kinds of results have another shape: what kind it is must be known first.
    let head: Answer<'_, IgnoredAny> = serde_json::from_slice(value)?;
    match (head.data, head.error) {
        (_, Some(message)) => Err(Fault::reported(&message)),
        (None, None) => Err(Fault::other("an answer without `data`", ASK_FOR_A_RANGE)),
        (Some(data), None) if data.result_type != "matrix" => {
            Err(Fault::other(format!("the result is a {}, not a matrix", data.result_type), ASK_FOR_A_RANGE))
        }
        (Some(_), None) => {
            let whole: Answer<'_, Vec<WireSeries<'_>>> = serde_json::from_slice(value)?;
            Ok(whole.data.map(|data| data.result).unwrap_or_default())
        }
    }
}

#[derive(Deserialize)]
struct WireSeries<'a> {
    metric: BTreeMap<String, String>,
    #[serde(borrow)]
    values: Option<Vec<(f64, Number<'a>)>>,
    value: Option<IgnoredAny>,
    histograms: Option<IgnoredAny>,
}

impl WireSeries<'_> {
    fn series(self) -> Result<Series, Fault> {
        let Self { metric: mut labels, values, value, histograms } = self;
        let name = labels.remove("__name__").unwrap_or_default();
        let fault = |what: String, advice| Err(Fault::other(format!("series {name:?}: {what}"), advice));
        if histograms.is_some() {
            return fault("a native histogram".into(), "ask for histogram_quantile() or histogram_avg() of it");
        }
        let Some(values) = values else {
            let what = if value.is_some() { "one `value`, no `values`" } else { "no `values`" };
            return fault(what.into(), ASK_FOR_A_RANGE);
        };
        let mut points = Vec::with_capacity(values.len());
        for (secs, Number(text)) in values {
            let Some(at) = timestamp(secs) else {
                return fault(format!("{secs} is no time"), "write unix seconds");
            };
            match text.parse::<f64>() {
                Ok(value) if value.is_finite() => points.push((at, value)),
                Ok(_) => {}
                Err(_) => return fault(format!("{text:?} is no value"), "write a number as text, or \"NaN\""),
            }
        }
        Ok(Series { name, labels, points })
    }
}

/// A value as Prometheus writes it: text.
struct Number<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Number<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Number(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Number(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Visit)
    }
}
