//! The envelope and the results of Prometheus' HTTP API.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::Timestamp;
use crate::sources::http::SourceError;

#[derive(Debug, Deserialize)]
struct Envelope<'a, T> {
    #[serde(default)]
    status: String,
    data: Option<T>,
    #[serde(borrow)]
    error: Option<std::borrow::Cow<'a, str>>,
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryData<'a> {
    result_type: String,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Debug, Deserialize)]
struct WireSeries {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// Absent for native histograms, which have `histogram` instead.
    value: Option<(f64, String)>,
    values: Option<Vec<(f64, String)>>,
}

/// One series with its finite values in time order: one for an instant query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) points: Vec<(Timestamp, f64)>,
}

/// A result, and what the server warned of: data may be missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Warned<T> {
    pub(super) value: T,
    pub(super) warnings: Vec<String>,
}

/// A list of strings, as the label endpoints give it.
pub(super) fn strings(body: &[u8]) -> Result<Vec<String>, SourceError> {
    Ok(open::<Option<Vec<String>>>(body)?.value.unwrap_or_default())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BuildInfo {
    version: String,
    application: String,
}

/// Version, with the product's name where it is not Prometheus itself.
pub(super) fn build_info(body: &[u8]) -> Result<String, SourceError> {
    let info: BuildInfo = open(body)?.value;
    Ok(format!("{} {}", info.application, info.version).trim().to_owned())
}

/// The evaluation time of a scalar: the server's clock.
pub(super) fn scalar_time(body: &[u8]) -> Result<Option<Timestamp>, SourceError> {
    let data: QueryData<'_> = open(body)?.value;
    let point: Result<(f64, String), _> = serde_json::from_str(data.result.get());
    Ok(point.ok().and_then(|(secs, _)| timestamp(secs)))
}

/// The series of an instant or a range query. Scalars and strings have none.
pub(super) fn series(body: &[u8]) -> Result<Warned<Vec<Series>>, SourceError> {
    let Warned { value: data, warnings } = open::<QueryData<'_>>(body)?;
    if !matches!(data.result_type.as_str(), "vector" | "matrix") {
        return Ok(Warned { value: Vec::new(), warnings });
    }
    let wire: Vec<WireSeries> =
        serde_json::from_str(data.result.get()).map_err(|e| SourceError::from_json(&e, body.len()))?;
    let value = wire
        .into_iter()
        .map(|series| {
            let points = series.value.into_iter().chain(series.values.into_iter().flatten());
            Series { labels: series.metric, points: points.filter_map(|(secs, value)| point(secs, &value)).collect() }
        })
        .filter(|series| !series.points.is_empty())
        .collect();
    Ok(Warned { value, warnings })
}

fn open<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Warned<T>, SourceError> {
    let envelope: Envelope<'a, T> = serde_json::from_slice(body).map_err(|e| SourceError::from_json(&e, body.len()))?;
    if envelope.status == "error" {
        return Err(SourceError::reported(envelope.error.as_deref().unwrap_or("no message")));
    }
    let value = envelope.data.ok_or_else(|| SourceError::missing("`data`"))?;
    Ok(Warned { value, warnings: envelope.warnings.unwrap_or_default() })
}

/// NaN means that there was nothing to compute from, and infinities that a bucket has no bound: neither is a value.
fn point(secs: f64, value: &str) -> Option<(Timestamp, f64)> {
    let value: f64 = value.parse().ok()?;
    value.is_finite().then_some((timestamp(secs)?, value))
}

/// Unix seconds to the nearest microsecond; `None` for what can be no time.
pub(in crate::sources) fn timestamp(secs: f64) -> Option<Timestamp> {
    (secs.abs() < 9e11).then(|| Timestamp((secs * 1e6).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::http::ErrorKind;

    #[test]
    fn values_are_text_and_only_finite_ones_count() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"job":"a"},"value":[1755600000.123,"1e+06"]},
            {"metric":{"job":"b"},"value":[1755600000,"NaN"]},
            {"metric":{"job":"c"},"value":[1755600000,"+Inf"]},
            {"metric":{"job":"d"},"histogram":[1755600000,{"count":"5","sum":"1.7","buckets":[[0,"0.5","1","3"]]}]}
            ]},"warnings":["partial"],"infos":["x"],"isPartial":true}"#;
        let result = series(body).unwrap();
        assert_eq!(result.warnings, ["partial"]);
        let [only] = &result.value[..] else { panic!("{result:?}") };
        assert_eq!(
            (only.labels["job"].as_str(), only.points.as_slice()),
            ("a", &[(Timestamp(1_755_600_000_123_000), 1e6)][..])
        );
    }

    #[test]
    fn gaps_stay_gaps() {
        let body = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{},"values":[[60,"1"],[120,"NaN"],[240,"-2.5"]]}]}}"#;
        let points = series(body).unwrap().value.remove(0).points;
        assert_eq!(points, [(Timestamp(60_000_000), 1.0), (Timestamp(240_000_000), -2.5)]);
    }

    #[test]
    fn other_results_and_errors_are_told_apart() {
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1755600000,"7"]}}"#;
        assert_eq!(series(scalar).unwrap().value, []);
        assert_eq!(scalar_time(scalar).unwrap(), Some(Timestamp::from_secs(1_755_600_000)));
        let error = series(br#"{"status":"error","errorType":"execution","error":"many-to-many"}"#).unwrap_err();
        assert_eq!(error.to_string(), "the server reported: many-to-many");
        assert_eq!(series(br#"{"status":"success","data":null}"#).unwrap_err().kind(), ErrorKind::Malformed);
        assert_eq!(series(br#"{"status":"success","data":{"resultType":"vec"#).unwrap_err().kind(), ErrorKind::CutOff);
        assert_eq!(strings(br#"{"status":"success","data":null}"#).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
