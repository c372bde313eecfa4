//! What the two APIs are asked, read as Jaeger reads it.

use std::collections::BTreeMap;

use chrono::DateTime;

use crate::demo::search::Search;
use crate::demo::world::Parameters;
use crate::domain::{Micros, Timestamp};

/// Jaeger's in-memory storage holds this many traces by default and refuses to look for more.
const MAX_TRACES: i64 = 100_000;
const DEFAULT_LIMIT: usize = 100;

/// Why a search cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The caller's fault: 400.
    Parameter(String),
    /// What the storage refuses: 500.
    Storage(&'static str),
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::Parameter(text)
    }
}

/// A duration as Go writes it: `1.2s`, `500ms`, `1h2m`.
pub(super) fn go_duration(text: &str) -> Option<Micros> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1e-3), ("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7), ("h", 3.6e9)];
    let mut rest = text;
    let mut us = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..end])?;
        us += number * factor;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(Micros(us as u64))
}

fn durations(
    parameters: &Parameters,
    least: &[&str],
    most: &[&str],
) -> Result<(Option<Micros>, Option<Micros>), Refusal> {
    let read = |keys: &[&str]| match parameters.any(keys) {
        None => Ok(None),
        Some(text) => match go_duration(text) {
            Some(duration) => Ok(Some(duration)),
            None => Err(format!("unable to parse param '{}': time: invalid duration \"{text}\"", keys[0])),
        },
    };
    let (shortest, longest) = (read(least)?, read(most)?);
    if let (Some(shortest), Some(longest)) = (shortest, longest)
        && longest < shortest
    {
        return Err(format!("'{}' should be greater than '{}'", most[0], least[0]).into());
    }
    Ok((shortest, longest))
}

fn limit(text: Option<&str>, key: &str) -> Result<usize, Refusal> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    let limit: i64 = text.parse().map_err(|_| format!("unable to parse param '{key}': invalid syntax: \"{text}\""))?;
    match usize::try_from(limit) {
        Ok(kept) if (1..=MAX_TRACES).contains(&limit) => Ok(kept),
        _ => Err(Refusal::Storage("search depth must be greater than 0 and less than max traces")),
    }
}

/// `GET /api/traces`.
pub(super) fn legacy(parameters: &Parameters, now: Timestamp) -> Result<Search, Refusal> {
    let service = parameters.get("service").ok_or_else(|| "parameter 'service' is required".to_owned())?;
    let time = |key: &str, otherwise: Timestamp| match parameters.get(key) {
        None => Ok(otherwise),
        Some(text) => text.parse().map(Timestamp).map_err(|_| format!("unable to parse param '{key}': \"{text}\"")),
    };
    let mut tags: Vec<(String, String)> = Vec::new();
    for tag in parameters.all("tag") {
        let (key, value) = tag
            .split_once(':')
            .ok_or_else(|| format!("malformed 'tag' parameter, expecting key:value, received: {tag}"))?;
        tags.push((key.to_owned(), value.to_owned()));
    }
    for text in parameters.all("tags") {
        let read: BTreeMap<String, String> = serde_json::from_str(text)
            .map_err(|error| format!("malformed 'tags' parameter, cannot unmarshal JSON: {error}"))?;
        tags.extend(read);
    }
    let (least, most) = durations(parameters, &["minDuration"], &["maxDuration"])?;
    Ok(Search {
        service: Some(service.to_owned()),
        operation: parameters.get("operation").map(str::to_owned),
        from: time("start", now - Micros::from_secs(48 * 3_600))?,
        to: time("end", now)?,
        limit: limit(parameters.get("limit"), "limit")?,
        least,
        most,
        tags,
    })
}

/// `GET /api/v3/traces` and `/api/v3/trace-summaries`.
pub(super) fn v3(parameters: &Parameters) -> Result<Search, Refusal> {
    let time = |keys: &[&str]| {
        let text = parameters.any(keys).ok_or_else(|| format!("{} is required", keys[0]))?;
        let time =
            DateTime::parse_from_rfc3339(text).map_err(|error| format!("malformed parameter {}: {error}", keys[0]))?;
        Ok::<_, String>(Timestamp(time.timestamp_micros()))
    };
    let from = time(&["query.start_time_min", "query.startTimeMin"])?;
    let to = time(&["query.start_time_max", "query.startTimeMax"])?;
    let (least, most) = durations(
        parameters,
        &["query.duration_min", "query.durationMin"],
        &["query.duration_max", "query.durationMax"],
    )?;
    let tags: BTreeMap<String, String> = match parameters.get("query.attributes") {
        None => BTreeMap::new(),
        Some(text) => {
            serde_json::from_str(text).map_err(|error| format!("malformed parameter query.attributes: {error}"))?
        }
    };
    Ok(Search {
        service: parameters.any(&["query.service_name", "query.serviceName"]).map(str::to_owned),
        operation: parameters.any(&["query.operation_name", "query.operationName"]).map(str::to_owned),
        from,
        to,
        limit: limit(parameters.any(&["query.num_traces", "query.searchDepth"]), "query.num_traces")?,
        least,
        most,
        tags: tags.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        Parameters(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("1.2s", Some(1_200_000)),
            ("500ms", Some(500_000)),
            ("100us", Some(100)),
            ("1h2m", Some(3_720_000_000)),
            ("1500", None),
            ("1.2.3s", None),
            ("s", None),
            ("", None),
            ("3x", None),
        ] {
            assert_eq!(go_duration(text), expected.map(Micros), "{text}");
        }
    }

    #[test]
    fn bad_parameters_are_refused_as_jaeger_does() {
        let now = Timestamp::from_secs(1_000_000);
        for (pairs, parameter) in [
            (vec![], true),
            (vec![("service", "a"), ("start", "x")], true),
            (vec![("service", "a"), ("minDuration", "5")], true),
            (vec![("service", "a"), ("minDuration", "5s"), ("maxDuration", "1s")], true),
            (vec![("service", "a"), ("tags", "{\"a\":1}")], true),
            (vec![("service", "a"), ("limit", "0")], false),
            (vec![("service", "a"), ("limit", "100001")], false),
        ] {
            let refusal = legacy(&parameters(&pairs), now).unwrap_err();
            assert_eq!(matches!(refusal, Refusal::Parameter(_)), parameter, "{pairs:?}: {refusal:?}");
        }
        assert!(matches!(
            v3(&parameters(&[("query.start_time_min", "2026-01-01T00:00:00Z")])),
            Err(Refusal::Parameter(_))
        ));
    }
}
