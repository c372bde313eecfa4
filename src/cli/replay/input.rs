//! Everything a replay works on, read into memory and put in the order of event time.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::super::Failure;
use super::ReplayArgs;
use super::intervals::{contain, intervals, named_intervals};
use crate::domain::{Attributes, Micros, Span, TimeWindow, Timestamp, Trace, TraceId, text};
use crate::sources::file::{self, Series};

/// What a replay works on. The same files give the same input, in whatever order they are named.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayInput {
    /// Learn from these intervals only; `None`: learn while watching. In time order, apart from one another.
    pub learn: Option<Vec<TimeWindow>>,
    /// Judge these intervals. In time order, apart from one another; where none were named, one from the first span's
    /// start until after the last span's end, or none at all without traces.
    pub watch: Vec<TimeWindow>,
    /// Windows whose suspects are asked for, with their names, in the order of their file.
    pub rank: Vec<(TimeWindow, String)>,
    /// Traces that start in an interval to learn from, by the end of their last span, then by id.
    pub learn_traces: Vec<Trace>,
    /// Traces that start in an interval to judge, in the same order. One that is in both kinds of interval is in both.
    pub watch_traces: Vec<Trace>,
    /// By name and labels; points in time order, one a moment.
    pub series: Vec<Series>,
    /// What a person should know although it is no error: one sentence each.
    pub notes: Vec<String>,
}

/// Reads every file that the arguments name.
///
/// # Errors
/// A file that cannot be read, is damaged or holds something else; intervals that are none; two values of one series
/// at one time. The sentence names the file, the place, what is wrong and what to write.
pub fn load(args: &ReplayArgs) -> Result<ReplayInput, Failure> {
    let standard_input = args.traces.iter().chain(&args.metrics).filter(|path| *path == Path::new("-")).count();
    if standard_input > 1 {
        return Err(Failure::Sentence("standard input (-) is named twice; it can be read once".into()));
    }
    // The small files first: a mistake in them is told at once.
    let learn = args.learn_during.as_deref().map(intervals).transpose()?;
    let watch = args.watch_during.as_deref().map(intervals).transpose()?;
    let rank = args.rank_during.as_deref().map(named_intervals).transpose()?.unwrap_or_default();
    let mut notes = Vec::new();
    let intervals = Intervals { learn: learn.as_deref(), watch: watch.as_deref() };
    let traces = read_traces(&args.traces, intervals, &mut notes)?;
    let (learn_traces, watch_traces) = intervals.split(traces);
    let series = read_series(&args.metrics)?;
    let watch = watch.unwrap_or_else(|| whole(&watch_traces).into_iter().collect());
    Ok(ReplayInput { learn, watch, rank, learn_traces, watch_traces, series, notes })
}

#[derive(Clone, Copy)]
struct Intervals<'a> {
    learn: Option<&'a [TimeWindow]>,
    /// `None`: everything.
    watch: Option<&'a [TimeWindow]>,
}

impl Intervals<'_> {
    fn learns(&self, start: Timestamp) -> bool {
        self.learn.is_some_and(|windows| contain(windows, start))
    }

    fn watches(&self, start: Timestamp) -> bool {
        self.watch.is_none_or(|windows| contain(windows, start))
    }

    fn want(&self, trace: &Trace) -> bool {
        start(trace).is_some_and(|start| self.learns(start) || self.watches(start))
    }

    fn split(&self, traces: Vec<Trace>) -> (Vec<Trace>, Vec<Trace>) {
        let (mut learn, mut watch) = (Vec::new(), Vec::new());
        for trace in traces {
            let Some(start) = start(&trace) else { continue };
            if self.learns(start) && self.watches(start) {
                learn.push(trace.clone());
                watch.push(trace);
            } else if self.learns(start) {
                learn.push(trace);
            } else if self.watches(start) {
                watch.push(trace);
            }
        }
        (learn, watch)
    }
}

/// A trace is placed by where its first span starts; `None` without spans.
fn start(trace: &Trace) -> Option<Timestamp> {
    trace.spans.iter().map(|span| span.start).min()
}

fn end(trace: &Trace) -> Option<Timestamp> {
    trace.spans.iter().map(Span::end).max()
}

/// From the first start until after the last end.
fn whole(traces: &[Trace]) -> Option<TimeWindow> {
    let from = traces.iter().filter_map(start).min()?;
    let to = traces.iter().filter_map(end).max()?;
    Some(TimeWindow::new(from, to + Micros(1)))
}

fn read_traces(files: &[PathBuf], intervals: Intervals<'_>, notes: &mut Vec<String>) -> Result<Vec<Trace>, Failure> {
    let mut joined = Joined::default();
    let (mut found, mut refused_by_file) = (0, BTreeMap::new());
    for path in files {
        let report = file::read_traces(path, &|trace| intervals.want(trace), &mut |trace| joined.add(trace))
            .map_err(|error| Failure::Sentence(error.to_string()))?;
        found += report.traces;
        if report.refused_spans > 0 {
            refused_by_file.insert(path, (report.refused_spans, report.spans));
        }
    }
    for (path, (refused, kept)) in refused_by_file {
        notes.push(format!(
            "{}: {refused} of {} spans were left out: no id in hex digits, no process, or a time that cannot be",
            path.display(),
            refused + kept
        ));
    }
    let traces = joined.in_order();
    if found > 0 && !traces.iter().any(|trace| intervals.want(trace)) {
        notes.push("no trace starts in the intervals; check that both are of the same day".into());
    }
    Ok(traces)
}

/// Traces whose parts find one another: OTLP spreads a trace over requests, and files may overlap.
#[derive(Default)]
struct Joined {
    traces: Vec<Trace>,
    places: HashMap<TraceId, Place>,
}

struct Place {
    index: usize,
    /// In more than one part, whose order is that of the files.
    parts: bool,
}

impl Joined {
    fn add(&mut self, trace: Trace) {
        let index = self.traces.len();
        let place = self.places.entry(trace.id).or_insert(Place { index, parts: false });
        match self.traces.get_mut(place.index) {
            Some(known) => {
                place.parts = true;
                known.spans.extend(trace.spans);
            }
            None => self.traces.push(trace),
        }
    }

    /// By the end of the last span, then by id. In a trace of several parts the spans are in an order that no longer
    /// tells which part came first, and a span that was in two of them is there once.
    fn in_order(mut self) -> Vec<Trace> {
        for place in self.places.values().filter(|place| place.parts) {
            if let Some(trace) = self.traces.get_mut(place.index) {
                trace.spans.sort_by(|a, b| in_trace(a).cmp(&in_trace(b)).then_with(|| by_attributes(a, b)));
                trace.spans.dedup();
            }
        }
        self.traces.sort_by_cached_key(|trace| (end(trace), trace.id));
        self.traces
    }
}

fn in_trace(span: &Span) -> impl Ord + '_ {
    (span.start, span.id, span.duration, span.parent, &span.key, span.error)
}

fn by_attributes(a: &Span, b: &Span) -> std::cmp::Ordering {
    let of = |attributes: &Attributes, others: &Attributes| attributes.iter().cmp(others.iter());
    of(&a.attributes, &b.attributes).then_with(|| of(&a.resource, &b.resource))
}

/// Series of several files; a series that goes on in another file becomes one.
fn read_series(files: &[PathBuf]) -> Result<Vec<Series>, Failure> {
    type Identity = (String, BTreeMap<String, String>);
    let mut joined: BTreeMap<Identity, Vec<(Timestamp, f64)>> = BTreeMap::new();
    for path in files {
        for series in file::read_series(path).map_err(|error| Failure::Sentence(error.to_string()))? {
            match joined.entry((series.name, series.labels)) {
                Entry::Vacant(new) => _ = new.insert(series.points),
                Entry::Occupied(mut known) => known.get_mut().extend(series.points),
            }
        }
    }
    let mut all = Vec::with_capacity(joined.len());
    for ((name, labels), mut points) in joined {
        points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        points.dedup();
        if let Some((a, b)) = points.iter().zip(points.iter().skip(1)).find(|(a, b)| a.0 == b.0) {
            let label = |(key, value): (&String, &String)| format!("{key}={value:?}");
            let labels = labels.iter().map(label).collect::<Vec<_>>().join(", ");
            let what = text::clean(&format!("{name}{{{labels}}}")).into_owned();
            return Err(Failure::Sentence(format!(
                "the metrics have two values of {} at {}: {} and {}; name each series once, or keep a label that tells them apart",
                text::middle(&what, 120),
                a.0.0 as f64 / 1e6,
                a.1,
                b.1
            )));
        }
        all.push(Series { name, labels, points });
    }
    Ok(all)
}
