//! Read models for the screens, computed once a poll.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{Cell, KeyBaseline, SeriesKey};
use crate::detect;
use crate::domain::{Alert, HourOfWeek, Incident, Level, Micros, Severity, Subject, Timestamp, UtcHour};
use crate::messages::{
    BaselineView, CellView, IncidentView, LearningView, MonitorView, RecordView, ServiceState, ServiceView, UpdateBody,
    WhyView,
};

use super::keys::Entry;
use super::live::{COLUMNS, LastHour, NOW_MINUTES};
use super::{Engine, Output};

/// Fewer spans than this in the last five minutes have no p99 worth comparing.
pub(super) const FEWEST_TO_COMPARE: u64 = 3;
/// A service is absent once the chance of so long a silence, at its usual rate, is below e⁻¹² (1 in 160,000).
const ABSENT_AFTER_EXPECTED: f64 = 12.0;
const ABSENT_AT_LEAST: Micros = Micros::from_secs(120);
const WINDOW: Micros = Micros::from_secs(60 * NOW_MINUTES as u64);

impl Engine {
    pub(super) fn tell_all(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let bucket = self.bucket_at(now);
        out.push(Output::Tell(UpdateBody::Monitor(self.monitor_view(bucket, now))));
        out.push(Output::Tell(UpdateBody::Services(self.service_views(bucket, now))));
        out.push(Output::Tell(UpdateBody::Incidents(self.incident_views(now))));
        out.push(Output::Tell(UpdateBody::Records(self.record_views(bucket, now))));
        out.push(self.tell_learning());
        out.push(self.tell_levels());
        self.tell_acts(now, out);
        out.extend(self.tell_incident_history(now));
        self.tell_baseline(now, out);
        self.tell_pages(now, out);
        self.tell_week(now, out);
        self.tell_trends(now, out);
    }

    fn monitor_view(&self, bucket: HourOfWeek, now: Timestamp) -> MonitorView {
        let recent = self.counters.trace_starts.now(now).durations.count();
        let since =
            self.counters.polled_from.map_or(WINDOW, |from| now.since(from)).clamp(Micros::from_secs(1), WINDOW);
        MonitorView {
            started: self.counters.started.unwrap_or(now),
            last_poll: self.polled_to,
            poll_interval: self.counters.poll_interval,
            traces_per_s: recent as f64 / (since.0 as f64 / 1e6),
            spans_seen: self.counters.spans,
            anomalies_seen: self.counters.anomalies,
            bucket,
            zone: self.calendar.zone().name().to_owned(),
        }
    }

    pub(super) fn tell_learning(&self) -> Output {
        let day = Micros::from_secs(86_400);
        let wanted = Micros(u64::from(self.baseline.history_days) * day.0);
        let newest = self.ledger.known.last().map_or(self.live_from, |window| window.to);
        let oldest = newest - wanted;
        let known: u64 = self
            .ledger
            .known
            .iter()
            .map(|window| window.to.since(window.from.max(oldest)).0)
            .sum::<u64>()
            .min(wanted.0);
        let hours = |length: Micros| (length.secs() / 3_600) as u32;
        Output::Tell(UpdateBody::Learning(LearningView {
            keys: self.keys.iter().count() as u32,
            samples: self.ledger.samples,
            hours_known: hours(Micros(known)),
            hours_wanted: hours(wanted),
            back_fill: self.back_fill.clone(),
            generation: self.generation.number,
            generation_at: (self.generation.number > 0).then_some(self.generation.made_at),
            buckets_full: self.generation.full_share(),
            merged_operations: self.keys.merged(),
        }))
    }

    pub(super) fn service_views(&self, bucket: HourOfWeek, now: Timestamp) -> Vec<ServiceView> {
        let mut services: BTreeMap<Arc<str>, Vec<&Entry>> = BTreeMap::new();
        for entry in self.keys.iter() {
            services.entry(entry.key.service.clone()).or_default().push(entry);
        }
        let mut severities: BTreeMap<&str, Severity> = BTreeMap::new();
        for alert in self.book.alerts() {
            for service in alert.subject.services() {
                let worst = severities.entry(service).or_insert(alert.severity);
                *worst = (*worst).min(alert.severity);
            }
        }
        let mut views: Vec<ServiceView> = services
            .into_iter()
            .map(|(service, entries)| {
                self.service_view(&service, &entries, severities.get(&*service).copied(), bucket, now)
            })
            .collect();
        views.sort_by(|a, b| {
            let rank = |view: &ServiceView| view.severity.map_or(u8::MAX, Severity::number);
            rank(a)
                .cmp(&rank(b))
                .then_with(|| b.times_normal.unwrap_or(0.0).total_cmp(&a.times_normal.unwrap_or(0.0)))
                .then_with(|| a.service.cmp(&b.service))
        });
        views
    }

    fn service_view(
        &self,
        service: &str,
        entries: &[&Entry],
        severity: Option<Severity>,
        bucket: HourOfWeek,
        now: Timestamp,
    ) -> ServiceView {
        let mut spans = 0;
        let mut errors = 0;
        let mut worst: Option<(f64, &Entry, Micros)> = None;
        for entry in entries {
            let recent = entry.last_hour.now(now);
            spans += recent.durations.count();
            errors += recent.errors;
            if recent.durations.count() < FEWEST_TO_COMPARE {
                continue;
            }
            if let (Some(p99), Some(normal)) = (recent.p99(), normal_p99(entry, bucket)) {
                let times = times(p99, normal);
                if worst.is_none_or(|(most, _, _)| times > most) {
                    worst = Some((times, entry, p99));
                }
            }
        }
        let last_seen = entries.iter().filter_map(|entry| entry.last_seen).max();
        let judged = entries.iter().any(|entry| entry.baseline.as_ref().is_some_and(|b| b.answer(bucket).is_some()));
        let state = match () {
            () if self.is_absent(entries, last_seen, bucket, now) => ServiceState::Absent,
            () if !judged => ServiceState::Learning,
            () => ServiceState::Judged,
        };
        ServiceView {
            service: service.to_owned(),
            state,
            severity,
            spans_per_s: spans as f64 / (now_length(now, self.calls.from()).0 as f64 / 1e6),
            error_share: (spans > 0).then(|| errors as f64 / spans as f64),
            worst_operation: worst.map(|(_, entry, _)| entry.key.clone()),
            p99_now: worst.map(|(_, _, p99)| p99),
            times_normal: worst.map(|(times, _, _)| times),
            operations: entries.len() as u32,
            last_seen,
            history: history(entries, bucket, now),
        }
    }

    fn is_absent(&self, entries: &[&Entry], last_seen: Option<Timestamp>, bucket: HourOfWeek, now: Timestamp) -> bool {
        // Silence counts only while polls succeed, and from when we began to look.
        let Some(polled_to) = self.polled_to.filter(|to| now.since(*to) < ABSENT_AT_LEAST) else { return false };
        let since = last_seen.max(self.counters.started).unwrap_or(polled_to);
        let silent = polled_to.since(since);
        let weeks = (self.ledger.known.iter().map(|w| w.length().0).sum::<u64>() as f64 / 604_800e6).max(1.0);
        let samples: u64 = entries
            .iter()
            .filter_map(|entry| entry.baseline.as_ref())
            .filter_map(|baseline| baseline.week_samples.get(bucket.index()))
            .map(|n| u64::from(*n))
            .sum();
        let per_us = samples as f64 / weeks / 3_600e6;
        silent >= ABSENT_AT_LEAST && per_us * silent.0 as f64 > ABSENT_AFTER_EXPECTED
    }

    /// Open incidents, the worst and then the newest first; then those that ended, the newest first.
    fn incident_views(&self, now: Timestamp) -> Vec<IncidentView> {
        let mut open: Vec<&Incident> = self.book.incidents().collect();
        open.sort_by_key(|incident| (incident.severity, std::cmp::Reverse(incident.onset), incident.id));
        let view = |incident: &Incident| {
            let mut alerts = self.cases.closed(incident.id).to_vec();
            alerts.extend(self.book.alerts().filter(|alert| alert.incident == incident.id).cloned());
            // Of those that began together the culprit's first.
            let blamed = |alert: &Alert| incident.culprit().is_some_and(|c| c.service == *alert.subject.service());
            alerts.sort_by_key(|alert| (alert.onset, !blamed(alert), alert.id));
            for alert in &mut alerts {
                self.cases.complete(alert);
                if alert.is_open() {
                    self.complete_shift(alert);
                }
            }
            let life = self.acts.life(incident, &alerts, now);
            IncidentView { incident: incident.clone(), alerts, exemplars: self.cases.exemplars(incident), life }
        };
        open.into_iter().chain(self.cases.ended()).map(view).collect()
    }

    /// The alert test of one subject. Windows end where everything has settled; earlier ones as long as they are whole.
    pub(super) fn tell_why(&self, subject: Subject, at: Option<Timestamp>, now: Timestamp) -> Output {
        let newest = self.judged_to.unwrap_or(now);
        let oldest = newest - detect::WINDOWS.last().copied().unwrap_or_default();
        let at = at.map_or(newest, |at| at.clamp(oldest, newest));
        let kinds = self.watch.why(&subject, at);
        Output::Tell(UpdateBody::Why(Box::new(WhyView { subject, at, oldest, kinds })))
    }

    fn record_views(&self, bucket: HourOfWeek, now: Timestamp) -> Vec<RecordView> {
        let mut views: Vec<RecordView> = self
            .groups
            .iter()
            .filter_map(|(key, group)| {
                let severity = group.severity(now - self.detect.alert_memory())?;
                let entry = self.keys.get(key)?;
                let p99_now = entry.last_hour.now(now).p99();
                let p99_normal = normal_p99(entry, bucket);
                Some(RecordView {
                    key: entry.key.clone(),
                    severity,
                    first: group.first,
                    last: group.last,
                    counts: group.counts,
                    judged: entry.judged.saturating_sub(group.judged_before),
                    worst_z: group.worst_z,
                    latest_z: group.latest_z,
                    p99_now,
                    p99_normal,
                    times_normal: p99_now.zip(p99_normal).map(|(now, normal)| times(now, normal)),
                    anomalies: group.anomalies.clone(),
                })
            })
            .collect();
        // Within a severity first what happens most often, then what deviates most.
        views.sort_by(|a, b| {
            let often = |view: &RecordView| view.counts.get(view.severity.index()).copied().unwrap_or(0);
            a.severity
                .cmp(&b.severity)
                .then_with(|| often(b).cmp(&often(a)))
                .then_with(|| b.worst_z.total_cmp(&a.worst_z))
                .then_with(|| a.key.cmp(&b.key))
        });
        views
    }

    pub(super) fn tell_baseline(&self, now: Timestamp, out: &mut Vec<Output>) {
        let Some(entry) = self.shown.as_ref().and_then(|key| self.keys.find(key)) else { return };
        let key = &entry.key;
        let bucket = self.calendar.bucket(UtcHour::of(now));
        let recent = entry.last_hour.now(now);
        let answer = entry.baseline.as_ref().and_then(|baseline| baseline.answer(bucket));
        let known = entry.baseline.as_ref().map_or(0, |baseline| baseline.samples);
        let learning =
            self.learning(key).map(|n| format!("learning a new level (n = {n}, needs {})", detect::ENOUGH_ON_LEVEL));
        let note = match answer {
            _ if learning.is_some() => learning,
            None => Some(format!("not enough data (n = {known}, needs {})", self.baseline.min_samples)),
            Some((_, cell)) if cell.cut_offs.iter().all(Option::is_none) => {
                let needed = self.baseline.severity_min_samples.iter().min().copied().unwrap_or(0);
                Some(format!("no cut-offs yet (n = {known}, needs {needed})"))
            }
            Some(_) => None,
        };
        let edges = log_edges();
        let wanted = answer.map(|(level, _)| (key, level, bucket, self.generation.number));
        let normal = self.distribution.as_ref().filter(|d| wanted == Some((&d.key, d.level, d.bucket, d.generation)));
        if let (Some((level, _)), None) = (answer, normal) {
            let series = SeriesKey::duration(key.clone()).on(self.levels.number(key));
            out.push(Output::ReadDistribution { series, level, bucket, generation: self.generation.number });
        }
        let week = |of: &dyn Fn(&KeyBaseline, HourOfWeek) -> Option<Micros>| {
            HourOfWeek::all().map(|bucket| entry.baseline.as_ref().and_then(|baseline| of(baseline, bucket))).collect()
        };
        out.push(Output::Tell(UpdateBody::Baseline(Box::new(BaselineView {
            key: key.clone(),
            bucket,
            cell: answer.map(|(level, cell)| cell_view(level, cell)),
            note,
            week_p99: week(&|baseline, bucket| baseline.own(bucket).map(Cell::p99)),
            week_samples: entry.baseline.as_ref().map_or_else(
                || vec![0; HourOfWeek::COUNT],
                |baseline| baseline.week_samples.iter().map(|n| u64::from(*n)).collect(),
            ),
            now_p50: recent.quantile(0.5),
            now_p95: recent.quantile(0.95),
            now_p99: recent.p99(),
            now_samples: recent.durations.count(),
            histogram_normal: normal.map(|distribution| distribution.sketch.shares(&edges)).unwrap_or_default(),
            histogram_now: if recent.durations.is_empty() { Vec::new() } else { recent.durations.shares(&edges) },
            histogram_edges_us: edges,
            history_p99: entry.last_hour.history_p99(now),
        }))));
    }
}

/// How long the minutes of [`LastHour::now`] are: the current one is not over, and counting may have begun within them.
pub(super) fn now_length(now: Timestamp, counted: Option<Timestamp>) -> Micros {
    let minute = now.0.div_euclid(60_000_000);
    let begin = Timestamp((minute - NOW_MINUTES + 1) * 60_000_000);
    now.since(counted.map_or(begin, |from| begin.max(from))).max(Micros::from_secs(1))
}

fn normal_p99(entry: &Entry, bucket: HourOfWeek) -> Option<Micros> {
    entry.baseline.as_ref()?.answer(bucket).map(|(_, cell)| cell.p99())
}

pub(super) fn times(now: Micros, normal: Micros) -> f64 {
    now.0 as f64 / normal.0.max(1) as f64
}

/// For each column the largest multiple of normal among the operations.
fn history(entries: &[&Entry], bucket: HourOfWeek, now: Timestamp) -> Vec<Option<f32>> {
    let mut columns = vec![None; COLUMNS];
    for entry in entries {
        let Some(normal) = normal_p99(entry, bucket) else { continue };
        for (column, p99) in columns.iter_mut().zip(LastHour::history_p99(&entry.last_hour, now)) {
            if let Some(p99) = p99 {
                let times = times(p99, normal) as f32;
                *column = Some(column.map_or(times, |most: f32| most.max(times)));
            }
        }
    }
    columns
}

pub(super) fn cell_view(level: Level, cell: &Cell) -> CellView {
    let cut_offs = Severity::ALL.map(|severity| cell.cut_off_duration(severity));
    CellView {
        level,
        samples: cell.samples,
        mean_us: cell.mean_us,
        sigma_us: cell.sigma_us,
        p50: cell.percentile(0),
        p90: cell.percentile(1),
        p95: cell.percentile(2),
        p99: cell.percentile(3),
        p99_9: cell.percentile(4),
        cut_offs: cut_offs.map(|cut_off| cut_off.map(|(at, _)| at)),
        cut_off_levels: cut_offs.map(|cut_off| cut_off.map_or(level, |(_, level)| level)),
    }
}

/// Edges of the picture's bins: eight an octave would be finer than a column of text; four are enough, 64 µs to 64 s.
fn log_edges() -> Vec<u64> {
    (0..=40).map(|step| (64.0 * 2f64.powf(f64::from(step) / 2.0)).round() as u64).collect()
}
