//! One service with its operations, and which service calls which: read models, computed while a screen shows them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::baseline::{KeyBaseline, Measure, SeriesKey, Sketch};
use crate::domain::{
    Alert, AlertKind, Anomaly, HourOfWeek, Micros, Severity, SpanKey, SpanKind, Subject, Timestamp, UtcHour,
};
use crate::messages::{
    EdgeView, FailureRow, FailuresView, MapView, Means, MetricsSeen, NodeView, OperationView, Pace, RequestsView,
    ServicePageView, ServiceView, UpdateBody,
};

use super::calls::{Calls, Lane, LaneId, Lately};
use super::keys::Entry;
use super::views::{FEWEST_TO_COMPARE, now_length, times};
use super::{Engine, Output};

/// Kept spans that are sent beyond the slowest of each operation.
const MOST_KEPT: usize = 20;
/// Messages that are sent.
const MOST_FAILURES: usize = 50;
/// Before a day is learnt, most messages are new.
const DAY: Micros = Micros::from_secs(86_400);
/// Times normal that moves an edge up in the list: below, the order would follow chance.
const NOTABLE: f64 = 1.5;

/// What is shown and kept up to date.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub service: Option<Arc<str>>,
    pub map: bool,
}

/// Calls of one caller's operation to one service, or to one of its operations where the caller does not record them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    Recorded { caller: u32 },
    Received { caller: u32, callee: u32 },
}

/// One edge while it is put together.
#[derive(Debug, Default)]
struct Edge {
    shares: BTreeMap<Share, Lane>,
    queue: bool,
    direct: bool,
}

impl Engine {
    /// Counts are of what has settled: what is still on its way would look like silence.
    fn lately(&self, now: Timestamp) -> Option<Lately> {
        self.calls.lately(now.saturating_sub(self.traces.settle()))
    }

    pub(super) fn tell_pages(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.shown_pages.service.is_some() {
            self.tell_service(now, out);
        }
        if self.shown_pages.map {
            self.tell_map(now, out);
        }
    }

    pub(super) fn tell_service(&self, now: Timestamp, out: &mut Vec<Output>) {
        if let Some(service) = self.shown_pages.service.clone() {
            let view = self.service_page(service, now);
            out.push(Output::Tell(UpdateBody::Service(Box::new(view))));
        }
    }

    pub(super) fn tell_map(&self, now: Timestamp, out: &mut Vec<Output>) {
        out.push(Output::Tell(UpdateBody::Map(Box::new(self.map_view(now)))));
    }

    fn service_page(&self, service: Arc<str>, now: Timestamp) -> ServicePageView {
        let bucket = self.calendar.bucket(UtcHour::of(now));
        let lately = self.lately(now);
        let entries: Vec<(u32, &Entry)> =
            (0..).zip(self.keys.iter()).filter(|(_, entry)| entry.key.service == service).collect();
        let summary = self.service_views(bucket, now).into_iter().find(|view| *view.service == *service);
        let mut operations: Vec<OperationView> =
            entries.iter().map(|(number, entry)| self.operation_view(*number, entry, bucket, lately, now)).collect();
        operations.sort_by(|a, b| a.key.cmp(&b.key));
        let mut alerts: Vec<Alert> =
            self.book.alerts().filter(|alert| alert.subject.services().any(|name| *name == service)).cloned().collect();
        alerts.sort_by_key(|alert| (alert.severity, alert.onset, alert.id));
        let mut neighbours = self.edges(bucket, lately);
        neighbours.retain(|edge| edge.caller == service || edge.callee == service);
        // A stable sort: who calls it first, the abnormal first among each.
        neighbours.sort_by_key(|edge| edge.caller == service);
        ServicePageView {
            bucket,
            summary,
            requests: lately.map(|lately| self.requests(&entries, bucket, lately)),
            alerts,
            operations,
            failures: self.failures_view(&entries, now),
            kept: self.kept_spans(&service),
            neighbours,
            metrics: self.metrics.seen(&service).map(|(metrics, last)| MetricsSeen { metrics, last }),
            service,
        }
    }

    fn operation_view(
        &self,
        number: u32,
        entry: &Entry,
        bucket: HourOfWeek,
        lately: Option<Lately>,
        now: Timestamp,
    ) -> OperationView {
        let recent = entry.last_hour.now(now);
        let calls = recent.durations.count();
        let baseline = entry.baseline.as_deref();
        let normal_p99 = baseline.and_then(|baseline| baseline.answer(bucket)).map(|(_, cell)| cell.p99());
        let p99 = recent.p99();
        let self_time = lately.and_then(|lately| median(&self.calls.own(number, lately).own));
        let own = SeriesKey::new(entry.key.clone(), Measure::SelfTime);
        let own = self.generation.series.get(&own).map(|baseline| &**baseline);
        // Whose spans have no children: all their time is their own. What only waits for others is not learnt as own time.
        let own = own.or_else(|| baseline.filter(|_| !entry.is_parent && !self.waits(&entry.key)));
        let about = |alert: &&Alert| matches!(&alert.subject, Subject::Key(key) if *key == entry.key);
        OperationView {
            key: entry.key.clone(),
            calls,
            per_s: per_s(calls, now_length(now, self.calls.from())),
            normal_per_s: baseline.and_then(|baseline| self.normal_rate(baseline, bucket)),
            error_share: (calls > 0).then(|| recent.errors as f64 / calls as f64),
            p50: recent.quantile(0.5),
            p95: recent.quantile(0.95),
            p99,
            normal_p99,
            times_normal: p99
                .zip(normal_p99)
                .filter(|_| calls >= FEWEST_TO_COMPARE)
                .map(|(now, normal)| times(now, normal)),
            self_time,
            self_normal: own.and_then(|own| own.answer(bucket)).map(|(_, cell)| cell.percentile(0)),
            severity: self.book.alerts().filter(about).map(|alert| alert.severity).min(),
        }
    }

    /// Whether the time of its spans is learnt as the time between it and other services.
    fn waits(&self, key: &SpanKey) -> bool {
        let first = SeriesKey::new(key.clone(), Measure::EdgeTime(Arc::from("")));
        let next = self.generation.series.range(first..).next();
        next.is_some_and(|(series, _)| series.key == *key && matches!(series.measure, Measure::EdgeTime(_)))
    }

    /// Calls a second in an hour of the week; `None` where it was not watched for a quarter of an hour.
    fn normal_rate(&self, baseline: &KeyBaseline, bucket: HourOfWeek) -> Option<f64> {
        const LEAST_WATCHED_S: u32 = 900;
        let watched = self.generation.watched_s.get(bucket.index()).copied().filter(|s| *s >= LEAST_WATCHED_S)?;
        let samples = baseline.week_samples.get(bucket.index()).copied()?;
        Some(f64::from(samples) / f64::from(watched))
    }

    fn requests(&self, entries: &[(u32, &Entry)], bucket: HourOfWeek, lately: Lately) -> RequestsView {
        let (mut calls, mut failed) = (0, 0);
        let mut normal: Option<f64> = None;
        for (number, entry) in entries {
            let own = self.calls.own(*number, lately);
            calls += own.entries;
            failed += own.failed_entries;
            let structure = self.generation.structure.keys.get(&entry.key).filter(|structure| structure.calls > 0);
            let rate = entry.baseline.as_deref().and_then(|baseline| self.normal_rate(baseline, bucket));
            if let (Some(structure), Some(rate)) = (structure, rate) {
                *normal.get_or_insert(0.0) += rate * structure.entries as f64 / structure.calls as f64;
            }
        }
        RequestsView {
            calls,
            per_s: per_s(calls, lately.covered),
            normal_per_s: normal,
            error_share: (calls > 0).then(|| failed as f64 / calls as f64),
        }
    }

    fn failures_view(&self, entries: &[(u32, &Entry)], now: Timestamp) -> FailuresView {
        let mut view = FailuresView { since: self.calls.failures_since(now), ..FailuresView::default() };
        let knows_messages = self.generation.watched() >= DAY;
        // Of each message: how many, the newest, the operations, and whether any of them has learnt it.
        type Row<'a> = (u64, Timestamp, Vec<(u64, &'a SpanKey)>, bool);
        let mut rows: BTreeMap<Option<Arc<str>>, Row<'_>> = BTreeMap::new();
        for (number, entry) in entries {
            let sums = self.calls.failures(*number, now);
            view.spans += sums.spans;
            view.passed_on += sums.passed_on;
            view.uncounted += sums.uncounted;
            let learnt = self.generation.structure.keys.get(&entry.key);
            for (message, count, last) in sums.messages {
                let known = message
                    .as_ref()
                    .is_none_or(|message| learnt.is_some_and(|learnt| learnt.messages.contains_key(message)));
                let row = rows.entry(message).or_insert((0, last, Vec::new(), false));
                row.0 += count;
                row.1 = row.1.max(last);
                row.2.push((count, &entry.key));
                row.3 |= known;
            }
        }
        view.rows = rows
            .into_iter()
            .filter_map(|(message, (count, last, operations, known))| {
                let (_, most) = operations.iter().min_by_key(|(count, key)| (Reverse(*count), *key))?;
                Some(FailureRow {
                    message,
                    count,
                    last,
                    operation: (*most).clone(),
                    operations: operations.len() as u32,
                    is_new: knows_messages && !known,
                })
            })
            .collect();
        view.failed = view.passed_on + view.uncounted + view.rows.iter().map(|row| row.count).sum::<u64>();
        view.rows.sort_by(|a, b| (Reverse(a.count), &a.message).cmp(&(Reverse(b.count), &b.message)));
        let rest = view.rows.split_off(view.rows.len().min(MOST_FAILURES));
        view.uncounted += rest.iter().map(|row| row.count).sum::<u64>();
        view
    }

    /// Slow spans of a service that are at hand, the worst first.
    fn kept_spans(&self, service: &str) -> Vec<Anomaly> {
        let of_groups = self.groups.iter().flat_map(|(_, group)| &group.anomalies);
        let mut found: Vec<&Anomaly> =
            of_groups.chain(self.cases.all()).filter(|anomaly| *anomaly.key.service == *service).collect();
        found.sort_by(|a, b| {
            a.severity.cmp(&b.severity).then_with(|| b.z.total_cmp(&a.z)).then_with(|| a.id.cmp(&b.id))
        });
        found.dedup_by_key(|anomaly| anomaly.id);
        let mut slowest: BTreeMap<&SpanKey, &Anomaly> = BTreeMap::new();
        for anomaly in &found {
            let there = slowest.entry(&anomaly.key).or_insert(anomaly);
            if anomaly.duration > there.duration {
                *there = anomaly;
            }
        }
        let slowest: BTreeSet<_> = slowest.values().map(|anomaly| anomaly.id).collect();
        let mut room = MOST_KEPT;
        let kept = found.iter().filter(|anomaly| {
            slowest.contains(&anomaly.id) || {
                let fits = room > 0;
                room = room.saturating_sub(1);
                fits
            }
        });
        kept.map(|anomaly| (*anomaly).clone()).collect()
    }

    fn map_view(&self, now: Timestamp) -> MapView {
        let bucket = self.calendar.bucket(UtcHour::of(now));
        let mut kinds: BTreeMap<&str, BTreeSet<AlertKind>> = BTreeMap::new();
        for alert in self.book.alerts() {
            let service = match &alert.subject {
                Subject::Key(key) => &key.service,
                Subject::Node(service) => service,
                // That is told of the edge.
                Subject::Edge { .. } => continue,
            };
            kinds.entry(service).or_default().insert(alert.kind);
        }
        let node = |view: ServiceView| NodeView {
            kinds: kinds.get(&*view.service).into_iter().flatten().copied().collect(),
            service: Arc::from(view.service),
            state: Some(view.state),
            severity: view.severity,
            times_normal: view.times_normal,
            last_seen: view.last_seen,
            worst_operation: view.worst_operation,
        };
        let mut nodes: Vec<NodeView> = self.service_views(bucket, now).into_iter().map(node).collect();
        let traced: BTreeSet<Arc<str>> = nodes.iter().map(|node| node.service.clone()).collect();
        nodes.extend(self.metrics.services().filter(|(service, ..)| !traced.contains(*service)).map(
            |(service, _, last)| NodeView {
                service: service.clone(),
                state: None,
                severity: None,
                kinds: Vec::new(),
                times_normal: None,
                last_seen: last,
                worst_operation: None,
            },
        ));
        nodes.sort_by(|a, b| a.service.cmp(&b.service));
        MapView { bucket, nodes, edges: self.edges(bucket, self.lately(now)), uncounted: self.calls.uncounted }
    }

    /// Every edge that is learnt or was seen of late, the abnormal first.
    fn edges(&self, bucket: HourOfWeek, lately: Option<Lately>) -> Vec<EdgeView> {
        let mut edges: BTreeMap<(u32, u32), Edge> =
            self.watch.learnt_calls().map(|pair| (pair, Edge::default())).collect();
        for (id, lane) in lately.into_iter().flat_map(|lately| Calls::lanes(&self.calls, lately)) {
            let LaneId { caller, callee, recorded } = id;
            let pair = (self.keys.service_of(caller), self.keys.service_of(callee));
            let edge = edges.entry(pair).or_default();
            let share = if recorded { Share::Recorded { caller } } else { Share::Received { caller, callee } };
            edge.shares.entry(share).or_default().merge(&lane);
            let kind = |key: u32| self.keys.get(key).map(|entry| entry.key.kind);
            let queue = kind(caller) == Some(SpanKind::Producer) || kind(callee) == Some(SpanKind::Consumer);
            edge.queue |= queue;
            edge.direct |= !queue;
        }
        let mut normal: BTreeMap<(&str, &str), Vec<(&SpanKey, f64)>> = BTreeMap::new();
        for (series, baseline) in &self.generation.series {
            if let (Measure::EdgeTime(callee), Some(rate)) = (&series.measure, self.normal_rate(baseline, bucket)) {
                normal.entry((&series.key.service, callee)).or_default().push((&series.key, rate));
            }
        }
        let mut views: Vec<EdgeView> = edges
            .into_iter()
            .filter_map(|((caller, callee), edge)| {
                let (caller, callee) = (self.keys.service_name(caller)?, self.keys.service_name(callee)?);
                let learnt = normal.get(&(&**caller, &**callee)).map_or(&[][..], Vec::as_slice);
                Some(self.edge_view(caller, callee, edge, learnt, bucket, lately))
            })
            .collect();
        let weight = |edge: &EdgeView| edge.times_normal().filter(|times| *times >= NOTABLE).unwrap_or(0.0);
        views.sort_by(|a, b| {
            let rank = |edge: &EdgeView| (edge.severity.map_or(u8::MAX, Severity::number), !edge.is_silent());
            rank(a)
                .cmp(&rank(b))
                .then_with(|| weight(b).total_cmp(&weight(a)))
                .then_with(|| (&a.caller, &a.callee).cmp(&(&b.caller, &b.callee)))
        });
        views
    }

    fn edge_view(
        &self,
        caller: &Arc<str>,
        callee: &Arc<str>,
        edge: Edge,
        learnt: &[(&SpanKey, f64)],
        bucket: HourOfWeek,
        lately: Option<Lately>,
    ) -> EdgeView {
        let recorded = edge.shares.keys().all(|share| matches!(share, Share::Recorded { .. }));
        let callers: BTreeSet<&SpanKey> = edge
            .shares
            .keys()
            .filter_map(|share| match share {
                Share::Recorded { caller } => self.keys.get(*caller).map(|entry| &entry.key),
                Share::Received { .. } => None,
            })
            .chain(learnt.iter().map(|(key, _)| *key))
            .collect();
        let about = |alert: &&Alert| match &alert.subject {
            Subject::Edge { caller: from, callee: to } => from == caller && to == callee,
            Subject::Key(key) => callers.contains(key),
            Subject::Node(_) => false,
        };
        let (mut severity, mut kinds) = (None, BTreeSet::new());
        for alert in self.book.alerts().filter(about) {
            severity = Some(severity.map_or(alert.severity, |worst: Severity| worst.min(alert.severity)));
            kinds.insert(alert.kind);
        }
        let mut all = Lane::default();
        edge.shares.values().for_each(|lane| all.merge(lane));
        let queued = learnt.iter().any(|(key, _)| key.kind == SpanKind::Producer);
        EdgeView {
            means: match (edge.queue || edge.shares.is_empty() && queued, edge.direct) {
                (true, true) => Means::Mixed,
                (true, false) => Means::Queue,
                (false, _) => Means::Call,
            },
            calls: all.calls,
            per_s: lately.map_or(0.0, |lately| per_s(all.calls, lately.covered)),
            normal_per_s: (recorded && !learnt.is_empty()).then(|| learnt.iter().map(|(_, rate)| rate).sum()),
            error_share: (all.calls > 0).then(|| all.errors as f64 / all.calls as f64),
            call: self.pace(&edge, bucket, false, callee),
            between: self.pace(&edge, bucket, true, callee),
            severity,
            kinds: kinds.into_iter().collect(),
            caller: caller.clone(),
            callee: callee.clone(),
        }
    }

    /// Of the calling operations the one that is furthest from its normal; where none is known, the one with most calls.
    fn pace(&self, edge: &Edge, bucket: HourOfWeek, between: bool, callee: &Arc<str>) -> Option<Pace> {
        let mut paces: Vec<(Option<f64>, u64, Pace)> = Vec::new();
        for (share, lane) in &edge.shares {
            let sketch = if between { &lane.between } else { &lane.call };
            let (caller, measured) = match share {
                Share::Recorded { caller } => (caller, caller),
                Share::Received { caller, callee } => (caller, callee),
            };
            let (Some(operation), Some(measured)) = (self.keys.get(*caller), self.keys.get(*measured)) else {
                continue;
            };
            let (Some(p50), Some(p99)) = (median(sketch), quantile(sketch, 0.99)) else { continue };
            let baseline = if between {
                let series = SeriesKey::new(measured.key.clone(), Measure::EdgeTime(callee.clone()));
                self.generation.series.get(&series)
            } else {
                measured.baseline.as_ref()
            };
            let normal_p99 = baseline.and_then(|baseline| baseline.answer(bucket)).map(|(_, cell)| cell.p99());
            let times_normal =
                normal_p99.filter(|_| sketch.count() >= FEWEST_TO_COMPARE).map(|normal| times(p99, normal));
            let operation = operation.key.clone();
            paces.push((times_normal, sketch.count(), Pace { operation, of: 0, p50, p99, normal_p99, times_normal }));
        }
        let of = paces.len() as u32;
        let furthest = |(times, ..): &(Option<f64>, u64, Pace)| times.unwrap_or(-1.0);
        let best = paces.into_iter().min_by(|a, b| {
            furthest(b)
                .total_cmp(&furthest(a))
                .then_with(|| b.1.cmp(&a.1))
                .then_with(|| a.2.operation.cmp(&b.2.operation))
        });
        best.map(|(_, _, pace)| Pace { of, ..pace })
    }
}

fn per_s(calls: u64, covered: Micros) -> f64 {
    calls as f64 / (covered.0.max(1) as f64 / 1e6)
}

fn quantile(sketch: &Sketch, q: f64) -> Option<Micros> {
    sketch.quantile(q).map(|us| Micros(us.round() as u64))
}

fn median(sketch: &Sketch) -> Option<Micros> {
    quantile(sketch, 0.5)
}
