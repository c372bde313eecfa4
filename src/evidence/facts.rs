//! Computed statements about one anomaly: complete without any model, each number with its unit and its normal.

use super::contributors::{Contributor, Owner, contributors};
use super::metric::{Metric, Standing};
use crate::detect::trace::{TraceShape, shape};
use crate::domain::{Anomaly, Attributes, Level, Micros, Span, SpanKey, Trace, text};

/// What the baseline says of one span.
#[derive(Debug, Clone, PartialEq)]
pub struct Normal {
    /// The level that answered.
    pub level: Level,
    /// How many samples it rests on.
    pub samples: u64,
    pub mean_us: f64,
    /// After the floor; never zero.
    pub sigma_us: f64,
    pub p50: Micros,
    pub p95: Micros,
    pub p99: Micros,
}

/// At most this many of a kind are told one by one; the rest is counted.
const TOLD: usize = 5;
const METRICS_TOLD: usize = 24;
/// Longest text from outside within a statement, in characters.
const LONGEST_NAME: usize = 100;
const LONGEST_MESSAGE: usize = 200;

/// Where a span's error says what went wrong, best first.
const ERROR_TEXTS: [&str; 9] = [
    "exception.message",
    "error.message",
    "otel.status_description",
    "status.message",
    "error.object",
    "error.type",
    "exception.type",
    "http.response.status_code",
    "http.status_code",
];

/// The statements, most general first: what happened, where in the trace the time went, what else in it was slow or failed,
/// waits, metrics. `normal` answers for any span of the trace. What is not known is said, never guessed.
///
/// The texts are clean single lines without their numbers E1 … En, which are the caller's.
#[must_use]
pub fn facts(
    anomaly: &Anomaly,
    trace: Option<&Trace>,
    normal: &dyn Fn(&Span) -> Option<Normal>,
    metrics: &[Metric],
) -> Vec<String> {
    let mut told = Vec::new();
    let laid_out = trace.filter(|trace| !trace.spans.is_empty()).map(|trace| Scene::new(anomaly, trace));
    let span = laid_out.as_ref().and_then(Scene::span);
    told.push(what(anomaly, normal(span.unwrap_or(&as_span(anomaly)))));
    told.push(which_baseline(anomaly));
    match &laid_out {
        None => {
            if anomaly.error {
                told.push(failed(&anomaly.key, &anomaly.attributes, ""));
            }
            told.push("Its trace could not be read, so where in it the time went is not known".to_owned());
        }
        Some(scene) => scene.tell(normal, &mut told),
    }
    told.extend(metric_facts(metrics));
    told.iter().map(|fact| text::clean(fact).into_owned()).collect()
}

/// The anomaly as a span, to ask for its normal when its trace is gone.
fn as_span(anomaly: &Anomaly) -> Span {
    Span {
        id: anomaly.id.span,
        parent: None,
        key: anomaly.key.clone(),
        start: anomaly.start,
        duration: anomaly.duration,
        error: anomaly.error,
        attributes: anomaly.attributes.clone(),
        resource: std::sync::Arc::default(),
    }
}

fn what(anomaly: &Anomaly, normal: Option<Normal>) -> String {
    let p99 = normal.map_or_else(|| "p99 not known".to_owned(), |normal| format!("p99 {}", normal.p99));
    let cut_off = micros(anomaly.mean_us + anomaly.cut_off_z * anomaly.sigma_us);
    format!(
        "{} took {}, {} its mean; normal is mean {} ± {} (σ), {p99}; z {:.1} is above {:.1}, so S{}, which begins at {cut_off}",
        name(&anomaly.key),
        anomaly.duration,
        times(anomaly.times_mean()),
        micros(anomaly.mean_us),
        micros(anomaly.sigma_us),
        anomaly.z,
        anomaly.cut_off_z,
        anomaly.severity.number(),
    )
}

fn which_baseline(anomaly: &Anomaly) -> String {
    let stretch = anomaly.level.describe(anomaly.bucket);
    let samples = anomaly.samples;
    match anomaly.level {
        Level::HourOfWeek => format!("Normal means {stretch}, learnt from {samples} spans"),
        _ => {
            format!("Normal means {stretch}, learnt from {samples} spans, because {} alone has too few", anomaly.bucket)
        }
    }
}

/// The anomaly's trace, laid out.
struct Scene<'a> {
    trace: &'a Trace,
    shape: TraceShape,
    /// The anomaly's row; `None` when its span is not in the trace as it was read.
    row: Option<usize>,
}

impl<'a> Scene<'a> {
    fn new(anomaly: &Anomaly, trace: &'a Trace) -> Self {
        let shape = shape(trace);
        let is_it = |span: &Span| span.id == anomaly.id.span && span.key == anomaly.key;
        let by_id = |span: &Span| span.id == anomaly.id.span;
        let find = |wanted: &dyn Fn(&Span) -> bool| shape.rows.iter().position(|row| wanted(&trace.spans[row.span]));
        let row = find(&is_it).or_else(|| find(&by_id));
        Self { trace, shape, row }
    }

    fn span(&self) -> Option<&Span> {
        self.row.map(|row| self.span_at(row))
    }

    fn span_at(&self, row: usize) -> &Span {
        &self.trace.spans[self.shape.rows[row].span]
    }

    fn tell(&self, normal: &dyn Fn(&Span) -> Option<Normal>, told: &mut Vec<String>) {
        told.push(self.overview());
        told.extend(self.doubts());
        match self.row {
            Some(row) => told.push(self.share(row)),
            None => told.push("The span itself is not in the trace as it was read".to_owned()),
        }
        let largest = self.largest();
        told.extend(largest.iter().map(|contributor| self.tell_contributor(contributor)));
        if let Some(row) = self.row {
            told.extend(self.slow_below(row, normal));
        }
        told.extend(self.errors());
        told.extend(self.waits(&largest));
    }

    fn overview(&self) -> String {
        let shape = &self.shape;
        let first = shape.rows.first().map_or_else(String::new, |_| name(&self.span_at(0).key));
        format!(
            "Its trace has {} in {}, begins with {first} and takes {} end to end",
            counted(shape.rows.len(), "span"),
            counted(shape.services.len(), "service"),
            shape.end_to_end,
        )
    }

    /// What makes the trace less than certain.
    fn doubts(&self) -> Option<String> {
        let shape = &self.shape;
        let mut doubts = Vec::new();
        if shape.orphans > 0 {
            doubts.push({
                let have = if shape.orphans == 1 { "has" } else { "have" };
                format!("{} {have} no parent in it, so parts may be missing", counted(shape.orphans, "span"))
            });
        }
        if shape.moved > 0 {
            let most = shape.rows.iter().map(|row| row.moved_us.unsigned_abs()).max().unwrap_or(0);
            doubts.push(format!(
                "the clocks of its services differ by up to {}, and {} were moved into their callers",
                Micros(most),
                counted(shape.moved, "span")
            ));
        }
        if shape.duplicates > 0 {
            doubts.push(format!("{} came more than once", counted(shape.duplicates, "span")));
        }
        if shape.cycles > 0 {
            doubts.push(format!("{} named themselves as ancestor", counted(shape.cycles, "span")));
        }
        (!doubts.is_empty()).then(|| format!("The trace is not certain: {}", doubts.join("; ")))
    }

    /// Time on the critical path in a row and below it.
    fn critical_with_below(&self, row: usize) -> u64 {
        let below = self.shape.below(row);
        let own = self.shape.rows[row].critical_time().0;
        let spans: u64 = self.shape.rows[below.clone()].iter().map(|r| r.critical_time().0).sum();
        let waits: u64 = self
            .shape
            .waits
            .iter()
            .filter(|wait| wait.critical && below.contains(&wait.to))
            .map(|wait| wait.length().0)
            .sum();
        own + spans + waits
    }

    /// The row at the top of a row's tree; 0 is the trace's root.
    fn top_of(&self, row: usize) -> usize {
        std::iter::successors(Some(row), |&at| self.shape.rows[at].parent).last().unwrap_or(row)
    }

    fn share(&self, row: usize) -> String {
        let it = &self.shape.rows[row];
        let total = self.shape.end_to_end.0;
        let own = it.critical_time().0;
        let self_time = format!("its self time is {} of its {}", it.self_time, self.span_at(row).duration);
        if self.top_of(row) != 0 {
            return format!(
                "Nothing joins the span to the trace's root, so its share of the critical path is not known; {self_time}"
            );
        }
        let with_below = self.critical_with_below(row);
        if with_below == 0 {
            return format!(
                "The span is not on the critical path: what the trace waited for ran beside it; {self_time}"
            );
        }
        format!(
            "The span's own time is {} of the critical path ({} of {}), with all below it {}; {self_time}",
            share(own, total),
            Micros(own),
            self.shape.end_to_end,
            share(with_below, total),
        )
    }

    /// The largest contributors to the critical path: the first, and two more that are at least a twentieth.
    fn largest(&self) -> Vec<Contributor<'a>> {
        let total = self.shape.end_to_end.0;
        let mut largest = contributors(self.trace, &self.shape);
        largest.truncate(3);
        let matters = |time: Micros| u128::from(time.0) * 20 >= u128::from(total);
        let keep = largest.iter().skip(1).take_while(|contributor| matters(contributor.time)).count() + 1;
        largest.truncate(keep);
        largest
    }

    fn tell_contributor(&self, contributor: &Contributor<'_>) -> String {
        let (who, noun) = match contributor.owner {
            Owner::Span(key) => (format!("Self time of {}", name(key)), "spans"),
            Owner::Edge(from, to) => (format!("Waiting {}", edge(from, to)), "waits"),
        };
        let many = if contributor.times > 1 { format!(" in {} {noun}", contributor.times) } else { String::new() };
        let part = share(contributor.time.0, self.shape.end_to_end.0);
        format!("{who} is {part} of the critical path ({}{many})", contributor.time)
    }

    /// Spans below the anomaly that took longer than their own p99.
    fn slow_below(&self, row: usize, normal: &dyn Fn(&Span) -> Option<Normal>) -> Vec<String> {
        let below = self.shape.below(row);
        if below.is_empty() {
            return vec!["Nothing was called below it, so the time is its own".to_owned()];
        }
        let total = below.len();
        let judged: Vec<(usize, Normal)> =
            below.filter_map(|at| normal(self.span_at(at)).map(|normal| (at, normal))).collect();
        if judged.is_empty() {
            return vec![format!(
                "{} below it, none with a baseline: which of them was slower than normal is not known",
                capital(&counted(total, "span"))
            )];
        }
        let (known, of) = (judged.len(), total);
        let mut slow: Vec<_> =
            judged.into_iter().filter(|(at, normal)| self.span_at(*at).duration > normal.p99).collect();
        if slow.is_empty() {
            return vec![format!(
                "No span below it took longer than its own normal p99 ({known} of {of} have a baseline), so the delay is \
                 its own or in waits"
            )];
        }
        let excess = |at: usize, normal: &Normal| self.span_at(at).duration.0.saturating_sub(micros(normal.mean_us).0);
        let deepest = slow.iter().max_by_key(|(at, n)| (self.shape.rows[*at].depth, excess(*at, n))).map(|(at, _)| *at);
        slow.sort_by_key(|(at, normal)| (std::cmp::Reverse(excess(*at, normal)), *at));
        let rest = slow.len().saturating_sub(TOLD);
        let mut told: Vec<String> = slow
            .iter()
            .take(TOLD)
            .map(|(at, normal)| {
                let span = self.span_at(*at);
                let z = (span.duration.0 as f64 - normal.mean_us) / normal.sigma_us.max(1.0);
                format!(
                    "Below it {} took {}, {} its mean (self time {}); normal is mean {} ± {} (σ), p99 {}, z {z:.1}, n {}",
                    name(&span.key),
                    span.duration,
                    times(span.duration.0 as f64 / normal.mean_us.max(1.0)),
                    self.shape.rows[*at].self_time,
                    micros(normal.mean_us),
                    micros(normal.sigma_us),
                    normal.p99,
                    normal.samples,
                )
            })
            .collect();
        if rest > 0 {
            told.push(format!("{} more below it took longer than their normal p99", counted(rest, "span")));
        }
        if let Some(deepest) = deepest
            && slow.len() > 1
        {
            let key = &self.span_at(deepest).key;
            told.push(format!("The deepest span slower than its normal p99 is {}", name(key)));
        }
        told
    }

    /// Failed spans, the deepest first: an error usually travels up.
    fn errors(&self) -> Vec<String> {
        let mut rows: Vec<usize> = (0..self.shape.rows.len()).filter(|&row| self.span_at(row).error).collect();
        if rows.is_empty() {
            return vec!["No span of the trace failed".to_owned()];
        }
        rows.sort_by_key(|&row| (std::cmp::Reverse(self.shape.rows[row].depth), self.shape.rows[row].offset, row));
        let mut told: Vec<String> = rows
            .iter()
            .take(TOLD)
            .map(|&row| {
                let span = self.span_at(row);
                failed(&span.key, &span.attributes, &format!(" at +{}", self.shape.rows[row].offset))
            })
            .collect();
        if rows.len() > TOLD {
            told.push(format!("{} more failed", counted(rows.len() - TOLD, "span")));
        }
        told
    }

    /// Waits that matter and were not told as contributors: at least a hundredth of the end-to-end time, longest first.
    fn waits(&self, told_already: &[Contributor<'_>]) -> Vec<String> {
        let total = self.shape.end_to_end.0;
        let key = |row: usize| &self.span_at(row).key;
        let is_told = |from: usize, to: usize| told_already.iter().any(|c| c.owner == Owner::Edge(key(from), key(to)));
        let long = |length: u64| u128::from(length) * 100 >= u128::from(total.max(1));
        let mut waits: Vec<_> = self
            .shape
            .waits
            .iter()
            .filter(|wait| long(wait.length().0) && !(wait.critical && is_told(wait.from, wait.to)))
            .collect();
        waits.sort_by_key(|wait| (std::cmp::Reverse(wait.length()), wait.to));
        let mut told: Vec<String> = waits
            .iter()
            .take(TOLD)
            .map(|wait| {
                let on_path = if wait.critical {
                    format!("{} of the critical path", share(wait.length().0, total))
                } else {
                    "not on the critical path".to_owned()
                };
                format!("{} passed {}: {on_path}", wait.length(), edge(key(wait.from), key(wait.to)))
            })
            .collect();
        if waits.len() > TOLD {
            told.push(format!("{} more of such length", counted(waits.len() - TOLD, "wait")));
        }
        told
    }
}

fn edge(from: &SpanKey, to: &SpanKey) -> String {
    format!("between the end of {} and the start of {}", name(from), name(to))
}

/// That a span failed, and what its attributes say of it.
fn failed(key: &SpanKey, attributes: &Attributes, when: &str) -> String {
    let said = ERROR_TEXTS.iter().find_map(|key| attributes.get(key).filter(|said| !said.trim().is_empty()));
    let said = said.map_or_else(
        || "without saying why".to_owned(),
        |said| format!("saying: {}", text::middle(&text::clean(said), LONGEST_MESSAGE)),
    );
    format!("{} failed{when} {said}", name(key))
}

/// What is remarkable first, then as given; the anomaly's own service is the caller's to put first.
fn metric_facts(metrics: &[Metric]) -> Vec<String> {
    if metrics.is_empty() {
        return vec!["No resource metric is known for that time".to_owned()];
    }
    let mut order: Vec<&Metric> = metrics.iter().collect();
    order.sort_by_key(|metric| !matches!(metric.standing(), Standing::Above | Standing::Below));
    let mut told: Vec<String> = order.iter().take(METRICS_TOLD).map(|metric| metric.sentence()).collect();
    if order.len() > METRICS_TOLD {
        told.push(format!("{} more", counted(order.len() - METRICS_TOLD, "metric")));
    }
    told
}

/// `service:operation`, cut in the middle when it is long.
fn name(key: &SpanKey) -> String {
    let full = key.to_string();
    text::middle(&text::clean(&full), LONGEST_NAME).into_owned()
}

fn micros(us: f64) -> Micros {
    Micros(us.max(0.0).round() as u64)
}

fn times(factor: f64) -> String {
    if factor < 9.95 { format!("{factor:.1} times") } else { format!("{factor:.0} times") }
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "an unknown share".to_owned();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    if part > 0 && percent < 0.5 { "under 1%".to_owned() } else { format!("{percent:.0}%") }
}

fn counted(n: impl TryInto<u64>, noun: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
#[path = "facts_tests.rs"]
pub(super) mod tests;
