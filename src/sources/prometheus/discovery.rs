//! Which expression answers each question on this server, and how its series name services.

use std::collections::{BTreeMap, BTreeSet};

use super::presets::{self, Candidate, STATUS_LABELS};
use super::wire::{self, Series};
use super::{Settings, seconds, template, without_own};
use crate::domain::{MetricKind, Micros, Timestamp};
use crate::sources::http::{Client, SourceError};

/// After this long the names are looked up again: exporters come and go.
const KEEP: Micros = Micros::from_secs(300);
/// Only names with samples in this time before are seen.
const LOOK_BACK: Micros = Micros::from_secs(3_600);

/// What to ask, and when that was found out.
#[derive(Debug)]
pub(super) struct Resolved {
    at: Timestamp,
    pub(super) questions: Vec<Question>,
}

/// One metric and how it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) kind: MetricKind,
    way: Way,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// A preset's expression, in which only `$in` is still open.
    Preset { label: String, expression: String },
    /// From the configuration.
    Own(String),
}

impl Resolved {
    /// A question about the past (not `fresh`) makes do with what is known, if it is anything.
    pub(super) fn is_stale(&self, at: Timestamp, fresh: bool) -> bool {
        self.questions.is_empty() || fresh && (at.since(self.at) >= KEEP || self.at.since(at) >= KEEP)
    }
}

/// Looks up names and labels: one request for all names, one for the labels of each metric that may be used.
pub(super) async fn resolve(client: &Client, settings: &Settings, at: Timestamp) -> Result<Resolved, SourceError> {
    let open: BTreeSet<MetricKind> = without_own(settings).collect();
    let candidates: Vec<&Candidate> =
        presets::of(&settings.preset).filter(|candidate| open.contains(&candidate.kind)).collect();
    let names: BTreeSet<&str> = candidates.iter().flat_map(|candidate| candidate.needs).copied().collect();
    let existing = if names.is_empty() { BTreeSet::new() } else { existing(client, &names, at).await? };
    let mut labels: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut questions: Vec<Question> = Vec::new();
    for kind in MetricKind::ALL {
        let own = settings.metrics.of(kind);
        if !own.is_empty() {
            questions.push(Question { kind, way: Way::Own(own.to_owned()) });
            continue;
        }
        for candidate in candidates.iter().filter(|candidate| candidate.kind == kind) {
            let [metric, ..] = candidate.needs else { continue };
            if !candidate.needs.iter().all(|name| existing.contains(*name)) {
                continue;
            }
            if !labels.contains_key(metric) {
                labels.insert(metric, labels_of(client, metric, at).await?);
            }
            if let Some(way) = labels.get(metric).and_then(|has| fit(candidate, has, &settings.service_labels)) {
                questions.push(Question { kind, way });
                break;
            }
        }
    }
    Ok(Resolved { at, questions })
}

/// The candidate with its labels filled in; `None` when the metric has no label that it needs.
fn fit(candidate: &Candidate, has: &BTreeSet<String>, service_labels: &[String]) -> Option<Way> {
    let label = match candidate.own_label() {
        Some(own) => has.contains(own).then_some(own)?,
        None => service_labels.iter().find(|label| has.contains(*label))?,
    };
    let mut expression = candidate.expression.replace("$by", label);
    if expression.contains("$status") {
        let status = STATUS_LABELS.into_iter().find(|status| has.contains(*status))?;
        expression = expression.replace("$status", status);
    }
    Some(Way::Preset { label: label.to_owned(), expression })
}

async fn existing(client: &Client, names: &BTreeSet<&str>, at: Timestamp) -> Result<BTreeSet<String>, SourceError> {
    let any = names.iter().copied().collect::<Vec<_>>().join("|");
    let selector = format!("{{__name__=~\"{any}\"}}");
    let (start, end) = (seconds(at - LOOK_BACK), seconds(at));
    let query = [("match[]", selector.as_str()), ("start", &start), ("end", &end)];
    let body = client.get("api/v1/label/__name__/values", &query).await?.json()?;
    Ok(wire::strings(&body)?.into_iter().collect())
}

async fn labels_of(client: &Client, metric: &str, at: Timestamp) -> Result<BTreeSet<String>, SourceError> {
    let (start, end) = (seconds(at - LOOK_BACK), seconds(at));
    let body = client.get("api/v1/labels", &[("match[]", metric), ("start", &start), ("end", &end)]).await?.json()?;
    Ok(wire::strings(&body)?.into_iter().collect())
}

impl Question {
    /// The query for all services at once; `None` when the configuration's own needs a service.
    pub(super) fn for_all(&self) -> Option<String> {
        match &self.way {
            Way::Preset { label, expression } => Some(expression.replace("$in", &format!("{label}!=\"\""))),
            Way::Own(query) => (!template::is_per_service(query)).then(|| query.clone()),
        }
    }

    pub(super) fn for_one(&self, service: &str) -> String {
        match &self.way {
            Way::Preset { label, expression } => expression.replace("$in", &matcher(label, service)),
            // The settings' rules have already refused a query in which the service cannot be filled in.
            Way::Own(query) => template::fill(query, service).unwrap_or_else(|_| query.clone()),
        }
    }

    /// Each series under the name of its service, sorted. Series that do not name one are left out. Where two have the
    /// same name without their namespace, both keep the namespace.
    pub(super) fn by_service(
        &self,
        found: impl Iterator<Item = Series>,
        service_labels: &[String],
    ) -> Vec<(String, Series)> {
        let mut named: Vec<(&str, String, Series)> = found
            .filter_map(|series| {
                let label = self.label(&series, service_labels)?;
                let whole = series.labels.get(label).filter(|name| !name.is_empty())?.clone();
                Some((label, whole, series))
            })
            .collect();
        named.sort_by(|a, b| a.1.cmp(&b.1));
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        let mut shared: BTreeMap<String, u32> = BTreeMap::new();
        for (label, whole, _) in &named {
            *times.entry(whole.clone()).or_default() += 1;
            *shared.entry(bare(label, whole).to_owned()).or_default() += 1;
        }
        // The very same name twice cannot be told apart: the query does not group by service.
        named.retain(|(_, whole, _)| times.get(whole) == Some(&1));
        named
            .into_iter()
            .map(|(label, whole, series)| {
                let short = bare(label, &whole);
                if shared.get(short) == Some(&1) { (short.to_owned(), series) } else { (whole, series) }
            })
            .collect()
    }

    /// The one series of `service`, if there is one; else how many there are.
    pub(super) fn only(
        &self,
        mut found: Vec<Series>,
        service: &str,
        service_labels: &[String],
    ) -> Result<Option<Series>, usize> {
        let per_service = matches!(&self.way, Way::Own(query) if template::is_per_service(query));
        if !per_service {
            let name = |series: &Series| {
                let label = self.label(series, service_labels)?;
                Some((label == JOB, series.labels.get(label)?.clone()))
            };
            found.retain(|series| {
                name(series).is_some_and(|(job, name)| name == service || job && bare(JOB, &name) == service)
            });
            // The exact name wins over the same name in some namespace.
            if found.iter().any(|series| name(series).is_some_and(|(_, name)| name == service)) {
                found.retain(|series| name(series).is_some_and(|(_, name)| name == service));
            }
        }
        if found.len() > 1 { Err(found.len()) } else { Ok(found.pop()) }
    }

    fn label<'a>(&'a self, series: &Series, service_labels: &'a [String]) -> Option<&'a str> {
        match &self.way {
            Way::Preset { label, .. } => Some(label),
            Way::Own(_) => service_labels.iter().find(|label| series.labels.contains_key(*label)).map(String::as_str),
        }
    }
}

/// The label that OTLP ingestion fills with `namespace/name`.
const JOB: &str = "job";

fn bare<'a>(label: &str, name: &'a str) -> &'a str {
    if label == JOB { name.rsplit('/').next().unwrap_or(name) } else { name }
}

fn matcher(label: &str, service: &str) -> String {
    if label == JOB {
        return format!("{label}=~\"(.+/)?{}\"", template::escape(&template::escape_regex(service), '"'));
    }
    format!("{label}=\"{}\"", template::escape(service, '"'))
}
