//! The pure heart: `step(Input, now) -> Vec<Output>`. It learns, judges and groups, and decides what to store and to
//! tell; it never waits, reads a clock or touches a file. What polls live and what reads files drive the same engine.

mod alerts;
mod keys;
mod learner;
mod live;
mod traces;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::baseline::{self, Generation, Learnt, Ledger, Sketch, Slice, unite};
use crate::detect::{self, Verdict};
use crate::domain::{
    Anomaly, AnomalyId, Calendar, HourOfWeek, Level, Micros, Span, SpanKey, TimeWindow, Timestamp, Trace, TraceId,
    UtcHour,
};
use crate::messages::{BackFill, UpdateBody};

use self::alerts::{Groups, Keep, Keeping};
use self::keys::Keys;
use self::learner::Learner;
use self::traces::{Traces, Waiting};

/// What the engine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// The store was read: what earlier runs had learnt.
    Resumed(Box<Resumed>),
    /// Baselines were computed; they are used from now on.
    GenerationMade(Arc<Generation>),
    /// New or grown traces came from a live poll.
    TracesPolled(Vec<Trace>),
    /// A live poll of this window ended, successfully.
    PollEnded(TimeWindow),
    /// Back-fill read traces; only those that started within the window count.
    HistoryRead { window: TimeWindow, traces: Vec<Trace> },
    /// Everything of this window was read; its trace ids need not be remembered any longer.
    HistoryWindowRead(TimeWindow),
    /// Everything that back-fill wanted of these windows was read.
    HistoryEnded { windows: Vec<TimeWindow>, progress: BackFill },
    /// Back-fill is elsewhere: waiting, paused, done.
    BackFillMoved(BackFill),
    /// A screen wants this key's baseline from now on.
    BaselineAsked(SpanKey),
    /// The store was read for [`Output::ReadDistribution`].
    DistributionRead(Box<Distribution>),
    /// A trace was fetched for a screen.
    TraceFetched(Box<Trace>),
    /// Time passed: traces may have settled. With `commit`, give out everything that was learnt.
    TimePassed { commit: bool },
}

/// What earlier runs left behind.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    pub ledger: Ledger,
    /// Traces that start from here on are learnt from live polls, earlier ones by back-fill.
    pub live_from: Timestamp,
    /// Those young enough to be in the alert list still.
    pub anomalies: Vec<Anomaly>,
}

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Write this anomaly down.
    RecordAnomaly(Box<Anomaly>),
    /// Take this record back: a worse one took its place.
    ForgetAnomaly { start: Timestamp, id: AnomalyId },
    /// Write what was learnt, all of it or nothing.
    StoreLearnt(Learnt),
    /// Merge the stored samples of one key at one level, for a picture of what is normal.
    ReadDistribution { key: SpanKey, level: Level, bucket: HourOfWeek, generation: u64 },
    /// Tell the screens.
    Tell(UpdateBody),
}

/// All samples of one key at one level.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    pub key: SpanKey,
    pub level: Level,
    pub bucket: HourOfWeek,
    pub generation: u64,
    pub sketch: Sketch,
}

/// See [`Engine::step`].
#[derive(Debug)]
pub struct Engine {
    baseline: baseline::Settings,
    detect: detect::Settings,
    calendar: Calendar,
    keys: Keys,
    generation: Arc<Generation>,
    traces: Traces,
    groups: Groups,
    keeping: Keeping,
    live: Learner,
    history: Learner,
    /// Traces that back-fill has met in windows not yet finished: each service of a trace returns it again.
    history_seen: BTreeMap<Timestamp, BTreeSet<TraceId>>,
    ledger: Ledger,
    live_from: Timestamp,
    polled_to: Option<Timestamp>,
    shown: Option<SpanKey>,
    distribution: Option<Distribution>,
    back_fill: BackFill,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    started: Option<Timestamp>,
    /// Where the first poll began: rates are taken from there on.
    polled_from: Option<Timestamp>,
    poll_interval: Micros,
    spans: u64,
    anomalies: u64,
    trace_starts: live::LastHour,
}

/// A span that ends later than this after now comes from a clock that is wrong.
const FUTURE: Micros = Micros::from_secs(60);

impl Engine {
    #[must_use]
    pub fn new(baseline: baseline::Settings, detect: detect::Settings, poll_interval: Micros) -> Self {
        Self {
            calendar: baseline.calendar(),
            keys: Keys::new(&baseline),
            generation: Arc::default(),
            traces: Traces::default(),
            groups: Groups::default(),
            keeping: Keeping::default(),
            live: Learner::default(),
            history: Learner::default(),
            history_seen: BTreeMap::new(),
            ledger: Ledger::default(),
            live_from: Timestamp::default(),
            polled_to: None,
            shown: None,
            distribution: None,
            back_fill: BackFill::NotStarted,
            counters: Counters { poll_interval, ..Counters::default() },
            baseline,
            detect,
        }
    }

    /// Takes one input and says what is to be done about it, in order.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Output> {
        let mut out = Vec::new();
        self.counters.started.get_or_insert(now);
        match input {
            Input::Resumed(resumed) => self.resume(*resumed, now, &mut out),
            Input::GenerationMade(generation) => {
                self.keys.use_generation(&generation);
                self.ledger.samples = generation.samples();
                self.generation = generation;
                self.tell_all(now, &mut out);
            }
            Input::TracesPolled(traces) => {
                for trace in &traces {
                    self.judge_trace(trace, now, &mut out);
                }
            }
            Input::PollEnded(window) => {
                self.polled_to = self.polled_to.max(Some(window.to));
                let from = self.counters.polled_from.get_or_insert(window.from);
                *from = window.from.min(*from);
                self.traces.poll_ended(now, window);
                self.pass_time(now);
                self.tell_all(now, &mut out);
            }
            Input::HistoryRead { window, traces } => {
                for trace in &traces {
                    self.learn_history(window, trace, now);
                }
            }
            Input::HistoryWindowRead(window) => {
                self.history_seen.remove(&window.from);
            }
            Input::HistoryEnded { windows, progress } => {
                self.back_fill = progress;
                out.push(Output::StoreLearnt(self.commit_history(windows)));
                out.push(self.tell_learning());
            }
            Input::BackFillMoved(progress) => {
                self.back_fill = progress;
                out.push(self.tell_learning());
            }
            Input::BaselineAsked(key) => {
                self.shown = Some(key);
                self.tell_baseline(now, &mut out);
            }
            Input::DistributionRead(distribution) => {
                self.distribution = Some(*distribution);
                self.tell_baseline(now, &mut out);
            }
            Input::TraceFetched(trace) => out.push(Output::Tell(UpdateBody::Trace(Box::new(self.trace_view(&trace))))),
            Input::TimePassed { commit } => {
                self.pass_time(now);
                if commit {
                    out.extend(self.commit_live());
                }
            }
        }
        out
    }

    fn resume(&mut self, resumed: Resumed, now: Timestamp, out: &mut Vec<Output>) {
        let Resumed { mut ledger, live_from, anomalies } = resumed;
        for key in std::mem::take(&mut ledger.keys) {
            self.keys.index(&key);
        }
        for anomaly in &anomalies {
            let key = self.keys.index(&anomaly.key);
            self.groups.add(key, anomaly, anomaly.start + anomaly.duration, 1);
            self.keeping.decide(key, anomaly, &self.detect);
        }
        self.traces.restore(std::mem::take(&mut ledger.settled), now);
        self.ledger = ledger;
        self.live_from = live_from;
        self.tell_all(now, out);
    }

    fn judge_trace(&mut self, trace: &Trace, now: Timestamp, out: &mut Vec<Output>) {
        let fresh = self.traces.admit(trace, now);
        if fresh.len() == trace.spans.len()
            && let Some(root) = trace.root()
        {
            self.counters.trace_starts.insert(root.start, root.duration, root.error);
        }
        let mut waiting = Vec::with_capacity(fresh.len());
        for span in fresh.into_iter().filter_map(|at| trace.spans.get(at)) {
            let key = self.keys.index(&span.key);
            // A wrong clock would put samples into hours to which they do not belong.
            if span.end() <= now + FUTURE {
                let Span { id, start, duration, error, .. } = *span;
                waiting.push(Waiting { span: id, key, start, duration, error });
                self.keys.count(key, span);
            }
            self.judge_span(trace.id, span, key, now, out);
        }
        self.traces.wait(trace.id, waiting);
    }

    fn judge_span(&mut self, trace: TraceId, span: &Span, key: u32, now: Timestamp, out: &mut Vec<Output>) {
        let bucket = self.bucket_at(span.start);
        self.counters.spans += 1;
        let Some(entry) = self.keys.get_mut(key) else { return };
        entry.judged = entry.judged.saturating_add(1);
        let Some((level, cell)) = entry.baseline.as_deref().and_then(|baseline| baseline.answer(bucket)) else {
            return;
        };
        if let Verdict::Exceeded(exceedance) = detect::judge(span, level, cell) {
            let anomaly = exceedance.anomaly(trace, span, entry.key.clone(), bucket);
            self.counters.anomalies += 1;
            self.groups.add(key, &anomaly, span.end().min(now), entry.judged);
            match self.keeping.decide(key, &anomaly, &self.detect) {
                Keep::No => {}
                Keep::Row => out.push(Output::RecordAnomaly(Box::new(anomaly))),
                Keep::InsteadOf(start, id) => {
                    out.push(Output::ForgetAnomaly { start, id });
                    out.push(Output::RecordAnomaly(Box::new(anomaly)));
                }
            }
        }
    }

    /// The zone is looked up once for each hour: consecutive spans mostly share it.
    fn bucket_at(&mut self, at: Timestamp) -> HourOfWeek {
        self.keys.bucket(UtcHour::of(at), &self.calendar)
    }

    fn learn_history(&mut self, window: TimeWindow, trace: &Trace, now: Timestamp) {
        let Some(start) = trace.spans.iter().map(|span| span.start).min() else { return };
        if !window.contains(start) {
            return;
        }
        if !self.history_seen.entry(window.from).or_default().insert(trace.id) {
            return;
        }
        // The screens' last hour begins before the watch did.
        let recent = start + Micros::from_secs(3_600) > now && !self.traces.has_seen(trace.id);
        for span in trace.spans.iter().filter(|span| !self.traces.has_learnt(trace.id, span.id)) {
            let index = self.keys.index(&span.key);
            self.history.learn(index, span.start, span.duration, span.error);
            if recent {
                self.keys.count(index, span);
            }
        }
    }

    fn pass_time(&mut self, now: Timestamp) {
        for span in self.traces.settle_until(now, self.live_from) {
            self.live.learn(span.key, span.start, span.duration, span.error);
        }
        self.groups.expire(now, self.detect.alert_memory());
        self.keeping.expire(now);
        self.keys.expire(now);
        self.counters.trace_starts.expire(now);
    }

    fn commit_history(&mut self, windows: Vec<TimeWindow>) -> Learnt {
        let slices = self.history.take(&self.keys);
        self.know(&slices, &windows);
        Learnt { slices, windows, settled: None }
    }

    fn commit_live(&mut self) -> Option<Output> {
        let to = self.traces.settled_before(self.polled_to?);
        if to <= self.live_from && self.live.is_empty() {
            return None;
        }
        let slices = self.live.take(&self.keys);
        let windows = vec![TimeWindow::new(self.live_from, to.max(self.live_from))];
        self.know(&slices, &windows);
        let settled = Some(self.traces.learnt_outside(&self.ledger.known));
        Some(Output::StoreLearnt(Learnt { slices, windows, settled }))
    }

    fn know(&mut self, slices: &BTreeMap<(SpanKey, UtcHour), Slice>, windows: &[TimeWindow]) {
        self.ledger.samples += slices.values().map(|slice| slice.durations.count()).sum::<u64>();
        for window in windows {
            unite(&mut self.ledger.known, *window);
        }
    }

    /// How long a poll must reach back so that late spans are met, as observed.
    #[must_use]
    pub fn settle(&self) -> Micros {
        self.traces.settle()
    }

    /// Windows of trace start time that are known; disjoint and ascending.
    #[must_use]
    pub fn known(&self) -> &[TimeWindow] {
        &self.ledger.known
    }

    #[must_use]
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    #[must_use]
    pub fn anomaly(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.groups.find(id)
    }
}
