//! The pure heart: `step(Input, now) -> Vec<Output>`. It learns, judges and groups, and decides what to store and to
//! tell; it never waits, reads a clock or touches a file. What polls live and what reads files drive the same engine.

mod acts;
mod alerts;
mod calls;
mod cases;
mod exemplars;
mod fine;
mod hygiene;
mod keys;
mod learner;
mod levels;
mod live;
mod noise;
mod observe;
mod offline;
mod past;
mod rules;
mod service;
mod traces;
mod trends;
mod views;
mod waterfall;
mod week;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::baseline::{
    self, Facet, Generation, Learnt, Ledger, Levels, Maintenance, MaintenancePlan, SeriesKey, Sketch, Spread, unite,
};
use crate::detect::{self, Book, Change, Finding, Force, Metrics, Observed, Quiet, Verdict, Watch};
use crate::domain::{
    AcceptedLevel, Act, Alert, AlertId, Anomaly, AnomalyId, Calendar, EventsBySpan, Exemplar, ExemplarSlot, HourOfWeek,
    Incident, IncidentId, Level, Micros, NearMiss, QuietHour, Severity, Span, SpanId, SpanKey, Subject, Suspect,
    TimeWindow, Timestamp, Trace, TraceId, UtcHour,
};
use crate::messages::{BackFill, TrendsWanted, UpdateBody};

pub use self::levels::OnLevels;
pub use self::offline::Offline;
pub use self::trends::{StoredTrends, TrendsReading};
pub use self::week::{FormerWeek, PastRead, PastWanted, week_p99};

use self::acts::Acts;
use self::alerts::{Groups, Keep, Keeping};
use self::calls::Calls;
use self::cases::Cases;
use self::exemplars::Exemplars;
use self::hygiene::Hygiene;
use self::keys::Keys;
use self::learner::{Collected, Learner};
use self::observe::observe;
use self::past::Past;
use self::rules::Rules;
use self::service::Shown;
use self::traces::{SettledTrace, Traces};
use self::trends::Trends;
use self::week::WeekShown;

/// What the engine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// The store was read: what earlier runs had learnt.
    Resumed(Box<Resumed>),
    /// Baselines were computed; they are used from now on.
    GenerationMade(Arc<Generation>),
    /// An earlier recalculation's baselines are used again from now on.
    GenerationTakenBack(Arc<Generation>),
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
    /// A screen wants this operation's week from now on.
    WeekAsked(SpanKey),
    /// The store was read for [`Output::ReadPast`].
    PastRead(Box<PastRead>),
    /// A screen wants to know why there is or is no alert about this, with windows that end `at`, or now.
    VerdictAsked { subject: Subject, at: Option<Timestamp> },
    /// A screen wants to know what is known from before about this incident, from now on; or about none.
    IncidentAsked(Option<IncidentId>),
    /// A screen shows this service from now on, or none any more.
    ServiceAsked(Option<Arc<str>>),
    /// A screen shows which service calls which from now on, or no longer.
    MapAsked(bool),
    /// The store was read for [`Output::ReadDistribution`].
    DistributionRead(Box<Distribution>),
    /// The store was read for [`Output::ReadExemplars`].
    ExemplarsRead { root: SpanKey, kept: Vec<Exemplar> },
    /// A screen wants this over time from now on; `None` when nobody looks any more.
    TrendsAsked(Option<TrendsWanted>),
    /// The store was read for [`Output::ReadTrends`].
    TrendsRead(Box<StoredTrends>),
    /// A trace was fetched for a screen.
    TraceFetched(Box<Trace>, EventsBySpan),
    /// The data has a gap that ends here: what follows does not continue what was before.
    GapEnded(Timestamp),
    /// Resource metrics, as they were scraped.
    MetricsPolled(Vec<MetricReading>),
    /// A level was accepted, or that was undone, and it is written down.
    LevelDecided(Box<AcceptedLevel>),
    /// Somebody did something about alerts, or undid it, and it is written down.
    ActDone(Box<Act>),
    /// Time passed: traces may have settled. With `commit`, give out everything that was learnt.
    TimePassed { commit: bool },
}

/// One value of one metric of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricReading {
    pub service: Arc<str>,
    pub name: Arc<str>,
    pub at: Timestamp,
    /// Finite.
    pub value: f64,
    /// It comes from a time that is taken for normal, unless something is known to have been wrong then.
    pub normal: bool,
}

/// What earlier runs left behind.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    pub ledger: Ledger,
    /// Traces that start from here on are learnt from live polls, earlier ones by back-fill.
    pub live_from: Timestamp,
    /// Those young enough to be in the alert list still.
    pub anomalies: Vec<Anomaly>,
    pub last_alert: AlertId,
    pub last_incident: IncidentId,
    /// Those of the days that are learnt from: what was abnormal then is not learnt later either.
    pub alerts: Vec<Alert>,
    /// Those that are kept.
    pub incidents: Vec<Incident>,
    /// How quiet the hours of those days were.
    pub quiet: Vec<QuietHour>,
    /// All that were ever accepted, also those that were undone.
    pub levels: Vec<AcceptedLevel>,
    /// How many durations of each are in the store.
    pub on_levels: OnLevels,
    /// All that is kept.
    pub acts: Vec<Act>,
}

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Write this anomaly down.
    RecordAnomaly(Box<Anomaly>),
    /// Take this record back: a worse one took its place.
    ForgetAnomaly { start: Timestamp, id: AnomalyId },
    /// Write this alert down as it is now.
    RecordAlert(Box<Alert>),
    /// Write this incident down as it is now.
    RecordIncident(Box<Incident>),
    /// Write down how quiet this hour was, over what was written of it before.
    RecordQuietHour(Box<QuietHour>),
    /// Write this act down as it is now.
    RecordAct(Box<Act>),
    /// Write what was learnt, all of it or nothing.
    StoreLearnt(Learnt),
    /// These windows were left out and are unknown again: back-fill is to read them.
    ForgetWindows(Vec<TimeWindow>),
    /// Compute the baselines anew: what was learnt or decided of a level changes them.
    Recalculate,
    /// Merge the stored samples of one series at one level, for a picture of what is normal.
    ReadDistribution { series: SeriesKey, level: Level, bucket: HourOfWeek, generation: u64 },
    /// Read what each day gave to the week of an operation, without keeping anything else waiting.
    ReadPast(Box<PastWanted>),
    /// Keep this trace, which begins with `root`, to be compared with.
    KeepExemplar { root: SpanKey, slot: ExemplarSlot, exemplar: Box<Exemplar> },
    /// Read the traces that are kept of this operation.
    ReadExemplars { root: SpanKey },
    /// Read what the store has for a picture over time, without holding anything up.
    ReadTrends(Box<TrendsReading>),
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
#[derive(Debug, Clone)]
pub struct Engine {
    baseline: baseline::Settings,
    detect: detect::Settings,
    calendar: Calendar,
    keys: Keys,
    /// As it was made.
    made: Arc<Generation>,
    /// Of it what fits the levels in force.
    generation: Arc<Generation>,
    levels: Levels,
    on_levels: OnLevels,
    recalculation_due: bool,
    traces: Traces,
    groups: Groups,
    keeping: Keeping,
    live: Learner,
    /// What has settled but may yet turn out to belong to an incident, by the minute in which its trace began.
    pending: BTreeMap<i64, Learner>,
    /// Minutes before this one have been learnt or left out.
    released: Timestamp,
    hygiene: Hygiene,
    history: Learner,
    watch: Watch,
    rules: Rules,
    book: Book,
    metrics: Metrics,
    quiet: Quiet,
    cases: Cases,
    acts: Acts,
    past: Past,
    exemplars: Exemplars,
    calls: Calls,
    shown_pages: Shown,
    trends: Trends,
    judged_to: Option<Timestamp>,
    /// Traces that back-fill has met in windows not yet finished: each service of a trace returns it again.
    history_seen: BTreeMap<Timestamp, BTreeSet<TraceId>>,
    ledger: Ledger,
    live_from: Timestamp,
    polled_to: Option<Timestamp>,
    shown: Option<SpanKey>,
    distribution: Option<Distribution>,
    week: Option<WeekShown>,
    back_fill: BackFill,
    counters: Counters,
    /// Traces come complete: none has to settle, no screen is told, and single spans are counted, not recorded.
    complete: bool,
    /// What was watched of such data and is not learnt yet.
    watched: Vec<TimeWindow>,
}

#[derive(Debug, Clone, Default)]
struct Counters {
    started: Option<Timestamp>,
    /// Where the first poll began: rates are taken from there on.
    polled_from: Option<Timestamp>,
    poll_interval: Micros,
    spans: u64,
    anomalies: u64,
    /// Minutes with at least one SEV1 span, and the last of them.
    severe_minutes: (u64, Option<i64>),
    trace_starts: live::LastHour,
}

impl Counters {
    fn count_severe(&mut self, severity: Severity, now: Timestamp) {
        let minute = Some(minute_of(now));
        if severity == Severity::Sev1 && self.severe_minutes.1 < minute {
            self.severe_minutes = (self.severe_minutes.0 + 1, minute);
        }
    }
}

/// A span that ends later than this after now comes from a clock that is wrong.
const FUTURE: Micros = Micros::from_secs(60);
const MINUTE_US: i64 = 60_000_000;

const fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(MINUTE_US)
}

impl Engine {
    #[must_use]
    pub fn new(baseline: baseline::Settings, detect: detect::Settings, poll_interval: Micros) -> Self {
        Self {
            calendar: baseline.calendar(),
            keys: Keys::new(&baseline),
            made: Arc::default(),
            generation: Arc::default(),
            levels: Levels::default(),
            on_levels: OnLevels::new(),
            recalculation_due: false,
            traces: Traces::default(),
            groups: Groups::default(),
            keeping: Keeping::default(),
            live: Learner::default(),
            pending: BTreeMap::new(),
            released: Timestamp::default(),
            hygiene: Hygiene::new(MaintenancePlan::new(&[], baseline.calendar())),
            watch: Watch::new(detect.clone(), baseline.calendar()),
            rules: Rules::default(),
            book: Book::default(),
            metrics: Metrics::default(),
            quiet: Quiet::default(),
            cases: Cases::default(),
            acts: Acts::default(),
            past: Past::default(),
            exemplars: Exemplars::default(),
            calls: Calls::default(),
            shown_pages: Shown::default(),
            trends: Trends::default(),
            judged_to: None,
            history: Learner::default(),
            history_seen: BTreeMap::new(),
            ledger: Ledger::default(),
            live_from: Timestamp::default(),
            polled_to: None,
            shown: None,
            distribution: None,
            week: None,
            back_fill: BackFill::NotStarted,
            counters: Counters { poll_interval, ..Counters::default() },
            complete: false,
            watched: Vec::new(),
            baseline,
            detect,
        }
    }

    /// One for data that lies there already: traces come complete, and no screen is told.
    #[must_use]
    pub fn complete(baseline: baseline::Settings, detect: detect::Settings, poll_interval: Micros) -> Self {
        Self { complete: true, ..Self::new(baseline, detect, poll_interval) }
    }

    /// Leaves maintenance alone: nothing is learnt within it, and nothing alerted of what it is done to.
    #[must_use]
    pub fn with_maintenance(mut self, maintenance: &[Maintenance]) -> Self {
        self.hygiene = Hygiene::new(MaintenancePlan::new(maintenance, self.calendar));
        self
    }

    /// Takes one input and says what is to be done about it, in order.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Output> {
        let mut out = Vec::new();
        self.counters.started.get_or_insert(now);
        match input {
            Input::Resumed(resumed) => self.resume(*resumed, now, &mut out),
            Input::GenerationMade(generation) => {
                self.ledger.samples = generation.samples();
                self.use_generation(generation, now, &mut out);
            }
            Input::GenerationTakenBack(generation) => self.use_generation(generation, now, &mut out),
            Input::TracesPolled(traces) => {
                for trace in traces {
                    if self.complete {
                        self.judge_complete(&trace, now, &mut out);
                    } else {
                        self.judge_trace(trace, now, &mut out);
                    }
                }
            }
            Input::PollEnded(window) => {
                self.polled_to = self.polled_to.max(Some(window.to));
                let from = self.counters.polled_from.get_or_insert(window.from);
                *from = window.from.min(*from);
                self.traces.poll_ended(now, window);
                self.calls.watch(window);
                self.trends.watched(window, now);
                if self.complete {
                    unite(&mut self.watched, window);
                }
                self.pass_time(now);
                self.keep_exemplars(false, &mut out);
                self.test(now, &mut out);
                if !self.complete {
                    self.end_acts(now, &mut out);
                    self.tell_all(now, &mut out);
                }
            }
            Input::HistoryRead { window, traces } => {
                self.calls.watch(window);
                for trace in &traces {
                    self.learn_history(window, trace, now);
                }
                self.keep_exemplars(false, &mut out);
            }
            Input::HistoryWindowRead(window) => {
                self.history_seen.remove(&window.from);
                // Its calls of the last hour are counted by the minute, too.
                self.trends.watched(TimeWindow::new(window.from.max(now - Micros::from_secs(3_600)), window.to), now);
            }
            Input::HistoryEnded { windows, progress } => {
                self.back_fill = progress;
                self.keep_exemplars(true, &mut out);
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
            Input::WeekAsked(key) => self.show_week(key, now, &mut out),
            Input::PastRead(read) => self.take_past(*read, now, &mut out),
            Input::VerdictAsked { subject, at } => out.push(self.tell_why(subject, at, now)),
            Input::IncidentAsked(incident) => {
                self.past.asked = incident;
                out.extend(self.tell_incident_history(now));
            }
            Input::ServiceAsked(service) => {
                self.shown_pages.service = service;
                self.tell_service(now, &mut out);
            }
            Input::MapAsked(shown) => {
                self.shown_pages.map = shown;
                if shown {
                    self.tell_map(now, &mut out);
                }
            }
            Input::DistributionRead(distribution) => {
                self.distribution = Some(*distribution);
                self.tell_baseline(now, &mut out);
            }
            Input::TrendsAsked(wanted) => self.show_trends(wanted, now, &mut out),
            Input::TrendsRead(stored) => self.take_stored_trends(*stored, now, &mut out),
            Input::TraceFetched(trace, events) => {
                out.push(Output::Tell(UpdateBody::Trace(Box::new(self.trace_view(&trace, events)))));
                self.open_exemplar(&trace, &mut out);
            }
            Input::ExemplarsRead { root, kept } => self.tell_comparison(&root, kept, &mut out),
            Input::GapEnded(at) => self.begin_after_gap(at, &mut out),
            Input::MetricsPolled(readings) => self.take_metrics(&readings),
            Input::LevelDecided(level) => self.take_level(*level, now, &mut out),
            Input::ActDone(act) => self.take_act(*act, now, &mut out),
            Input::TimePassed { commit } => {
                self.pass_time(now);
                // A silence ends at its time, also while no source answers.
                if !self.complete && self.polled_to.is_some() && self.end_acts(now, &mut out) {
                    self.tell_all(now, &mut out);
                }
                if commit {
                    out.extend(
                        self.quiet.take_changed().into_iter().map(|hour| Output::RecordQuietHour(Box::new(hour))),
                    );
                    self.keep_exemplars(true, &mut out);
                    out.extend(self.commit_live(now));
                }
            }
        }
        if std::mem::take(&mut self.recalculation_due) {
            out.push(Output::Recalculate);
        }
        out
    }

    fn use_generation(&mut self, generation: Arc<Generation>, now: Timestamp, out: &mut Vec<Output>) {
        self.made = generation;
        self.fit_generation();
        self.tell_all(now, out);
    }

    fn fit_generation(&mut self) {
        let generation = self.levels.fit(&self.made);
        self.keys.use_generation(&generation);
        self.watch.know(self.keys.iter().map(|entry| (&entry.key, entry.service)));
        self.watch.use_generation(&generation);
        self.generation = generation;
    }

    fn resume(&mut self, resumed: Resumed, now: Timestamp, out: &mut Vec<Output>) {
        let Resumed {
            mut ledger,
            live_from,
            anomalies,
            last_alert,
            last_incident,
            alerts,
            incidents,
            quiet,
            levels,
            on_levels,
            acts,
        } = resumed;
        self.acts.resume(acts);
        self.quiet.resume(quiet);
        self.watch.heed(self.quiet.log10_alpha(self.detect.false_alerts_per_week));
        self.book = Book::after(last_alert, last_incident);
        self.released = live_from;
        self.resume_levels(levels, on_levels);
        for incident in &incidents {
            self.past.take_incident(incident);
        }
        for alert in &alerts {
            self.past.take_alert(alert);
            self.acts.noise.take(alert);
            self.hygiene.trouble(alert, alert.closed.unwrap_or(alert.last_seen), Timestamp(i64::MIN));
        }
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

    fn judge_trace(&mut self, trace: Trace, now: Timestamp, out: &mut Vec<Output>) {
        let fresh = self.traces.admit(&trace, now);
        if let Some(first) = fresh.first().and_then(|at| trace.spans.get(*at)) {
            let key = self.keys.index(&first.key);
            self.traces.note_first(trace.id, first, key);
        }
        if fresh.len() == trace.spans.len()
            && let Some(root) = trace.root()
        {
            self.counters.trace_starts.insert(root.start, root.duration, root.error);
        }
        for span in fresh.iter().filter_map(|at| trace.spans.get(*at)) {
            let key = self.keys.index(&span.key);
            // A wrong clock would put samples into hours to which they do not belong.
            if span.end() <= now + FUTURE {
                self.keys.count(key, span);
            }
            self.judge_span(trace.id, span, key, now, out);
        }
        if !fresh.is_empty() {
            self.traces.wait(trace, &fresh, now + FUTURE);
        }
    }

    fn judge_complete(&mut self, trace: &Trace, now: Timestamp, out: &mut Vec<Output>) {
        for span in &trace.spans {
            let key = self.keys.index(&span.key);
            // Nobody looks at the last hour here, but rules do.
            if !self.detect.rules.is_empty() {
                self.keys.count(key, span);
            }
            self.judge_span(trace.id, span, key, now, out);
        }
        let mut fresh: Vec<SpanId> = trace.spans.iter().map(|span| span.id).collect();
        fresh.sort_unstable();
        self.take_settled(trace, &fresh, trace.spans.iter().map(|span| span.start).min());
    }

    /// Judges fresh spans; with the time to which they belong, learns them too.
    fn take_settled(&mut self, trace: &Trace, fresh: &[SpanId], began: Option<Timestamp>) {
        let observed = self.watch_trace(trace, fresh);
        if !self.complete {
            self.calls.take(&observed);
        }
        let Some(began) = began else { return };
        let Self { live, pending, released, hygiene, keys, levels, .. } = self;
        if began >= *released {
            pending.entry(minute_of(began)).or_default().learn(&observed, keys, levels, began);
        } else if !hygiene.covers(began) {
            live.learn(&observed, keys, levels, began);
        }
    }

    /// Counts how much calls of one minute resemble each other in traces that were learnt, by what is known now. Traces come
    /// in the order in which they ended.
    pub fn look_back(&mut self, window: TimeWindow, traces: &[Trace]) -> BTreeMap<(Subject, Facet), Spread> {
        self.watch.begin_at(window.from);
        let mut spreads: BTreeMap<(Subject, Facet), Spread> = BTreeMap::new();
        let mut merge = |more: BTreeMap<(Subject, Facet), Spread>| {
            for (place, spread) in more {
                spreads.entry(place).or_default().merge(&spread);
            }
        };
        for trace in traces {
            let mut fresh: Vec<SpanId> = trace.spans.iter().map(|span| span.id).collect();
            fresh.sort_unstable();
            let observed = self.watch_trace(trace, &fresh);
            // The windows keep half an hour; what is looked at may be longer.
            merge(self.watch.tally(observed.window.to.saturating_sub(Micros::from_secs(60)), true));
        }
        merge(self.watch.tally(window.to, true));
        self.watch.forget();
        spreads
    }

    /// Counts a settled trace against what is normal.
    fn watch_trace(&mut self, trace: &Trace, fresh: &[SpanId]) -> Observed {
        let observed = observe(trace, fresh, &mut self.keys, &self.calendar);
        self.watch.know(self.keys.iter().map(|entry| (&entry.key, entry.service)));
        let Self { keys, calendar, watch, .. } = self;
        watch.take(&observed, &mut |at| keys.bucket(UtcHour::of(at), calendar));
        observed
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
            self.counters.anomalies += 1;
            self.counters.count_severe(exceedance.severity, now);
            if self.complete {
                return;
            }
            let anomaly = exceedance.anomaly(trace, span, entry.key.clone(), bucket);
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
        let unlearnt = trace.spans.iter().filter(|span| !self.traces.has_learnt(trace.id, span.id));
        let mut fresh: Vec<SpanId> = unlearnt.map(|span| span.id).collect();
        fresh.sort_unstable();
        let observed = observe(trace, &fresh, &mut self.keys, &self.calendar);
        if !self.hygiene.covers(start) {
            self.history.learn(&observed, &mut self.keys, &self.levels, start);
            self.consider(trace, true);
        }
        if recent {
            self.calls.take(&observed);
            for span in trace.spans.iter().filter(|span| fresh.binary_search(&span.id).is_ok()) {
                let index = self.keys.index(&span.key);
                self.keys.count(index, span);
            }
        }
    }

    fn pass_time(&mut self, now: Timestamp) {
        for SettledTrace { trace, fresh, began, is_live } in self.traces.settle_until(now, self.live_from) {
            self.take_settled(&trace, &fresh, is_live.then_some(began));
            self.consider(&trace, false);
        }
        self.groups.expire(now, self.detect.alert_memory());
        self.cases.expire(now);
        self.keeping.expire(now);
        self.keys.expire(now, self.complete);
        self.calls.expire(now);
        self.counters.trace_starts.expire(now, |_, _, _| {});
    }

    /// One round of the alert test, over what has settled.
    fn test(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        // What ended later may still be on its way.
        let at = if self.complete { now } else { now.saturating_sub(self.traces.settle()) };
        if self.judged_to.is_some_and(|to| at <= to) {
            return;
        }
        self.judged_to = Some(at);
        let mut findings = self.watch.findings(at);
        findings.extend(self.rules.findings(&self.detect.rules, &self.keys, at));
        let (traces, limit) = (&self.traces, self.watch.longest());
        let in_flight = limit.map_or_else(BTreeMap::new, |limit| traces.in_flight(now.saturating_sub(limit)));
        findings.extend(self.watch.test_in_flight(at, &in_flight));
        for finding in findings.iter_mut().filter(|finding| finding.raises()) {
            let subject = self.watch.subject(finding.track.subject);
            if self.hygiene.silences(&subject, finding.arithmetic.window) {
                finding.force = Force::Keeps;
            }
        }
        let (near, findings) = findings.into_iter().partition(|finding| finding.force == Force::Near);
        let changes = self.book.update(at, findings, &self.watch, &self.metrics);
        self.record(changes, out);
        self.cases.look_again(self.book.alerts(), &self.groups, &self.keys);
        for alert in self.book.alerts() {
            self.hygiene.trouble(alert, at, self.released);
        }
        self.note_quiet(at, near);
        let spreads = self.watch.tally(at, self.book.is_quiet());
        // They are of the minutes that have just ended, and wait with them.
        if !spreads.is_empty() {
            self.pending.entry(minute_of(at) - 1).or_default().spread(spreads);
        }
    }

    /// Remembers what was odd and not alerted. The odds follow once an hour.
    fn note_quiet(&mut self, at: Timestamp, near: Vec<Finding>) {
        let miss = |Finding { track, severity, arithmetic, .. }| NearMiss {
            subject: self.watch.subject(track.subject),
            kind: track.kind,
            severity,
            numbers: arithmetic,
        };
        let began = if self.book.is_quiet() {
            self.quiet.note(at, near.into_iter().map(miss).collect())
        } else {
            self.quiet.spoil(at)
        };
        if began {
            self.quiet
                .forget_before(at.saturating_sub(Micros::from_secs(u64::from(self.baseline.history_days) * 86_400)));
            self.watch.heed(self.quiet.log10_alpha(self.detect.false_alerts_per_week));
        }
    }

    fn record(&mut self, mut changes: Vec<Change>, out: &mut Vec<Output>) {
        self.trends.stale |= !changes.is_empty();
        for change in &mut changes {
            self.cases.take(change, &self.groups, &self.keys);
            if let Change::AlertRaised(alert) | Change::AlertChanged(alert) | Change::AlertClosed(alert) = change {
                self.acts.noise.take(alert);
            }
            // Nobody asks an engine that shows nothing.
            if !self.complete {
                self.past.take(change);
            }
            if let Change::AlertClosed(alert) = change {
                self.hygiene.trouble(alert, alert.closed.unwrap_or(alert.last_seen), self.released);
            }
        }
        out.extend(changes.into_iter().map(|change| match change {
            Change::AlertRaised(alert) | Change::AlertChanged(alert) | Change::AlertClosed(alert) => {
                Output::RecordAlert(alert)
            }
            Change::IncidentOpened(incident) | Change::IncidentChanged(incident) | Change::IncidentClosed(incident) => {
                Output::RecordIncident(incident)
            }
        }));
    }

    fn begin_after_gap(&mut self, at: Timestamp, out: &mut Vec<Output>) {
        let last = self.judged_to.unwrap_or(at);
        let changes = self.book.close_all(last, &self.watch, &self.metrics);
        self.record(changes, out);
        self.watch.begin_at(at);
        self.judged_to = None;
    }

    /// Moves what is old enough, and was quiet, to what is learnt.
    fn release(&mut self, to: Timestamp) {
        let kept = self.pending.split_off(&minute_of(to));
        for (minute, learner) in std::mem::replace(&mut self.pending, kept) {
            let began = Timestamp(minute * MINUTE_US);
            if !self.hygiene.covers(began) {
                self.live.merge(learner, &self.keys, &self.levels, began);
            }
        }
        self.released = self.released.max(Timestamp(minute_of(to) * MINUTE_US));
    }

    fn commit_history(&mut self, windows: Vec<TimeWindow>) -> Learnt {
        let Collected { slices, structure } = self.history.take(&self.keys);
        let excluded = self.excluded(&windows);
        let learnt = Learnt { slices, structure, windows, excluded, settled: None };
        self.know(&learnt);
        learnt
    }

    fn commit_live(&mut self, now: Timestamp) -> Option<Output> {
        let polled_to = self.polled_to?;
        let settled = if self.complete { polled_to } else { self.traces.settled_before(polled_to) };
        let from = self.released.max(self.live_from);
        self.release(settled.min(now.saturating_sub(self.baseline.learn_after())));
        let to = self.released.max(self.live_from);
        // Only what was released since: before that windows may have become unknown again.
        let windows = if self.complete { self.take_watched(to) } else { vec![TimeWindow::new(from, to)] };
        let nothing = if self.complete { windows.is_empty() } else { to == self.live_from };
        if nothing && self.live.is_empty() {
            return None;
        }
        let Collected { slices, structure } = self.live.take(&self.keys);
        let excluded = self.excluded(&windows);
        let mut learnt = Learnt { slices, structure, windows, excluded, settled: None };
        self.know(&learnt);
        self.hygiene.forget_before(now - Micros::from_secs(u64::from(self.baseline.history_days) * 86_400));
        learnt.settled = Some(self.traces.learnt_outside(&self.ledger.known, to));
        Some(Output::StoreLearnt(learnt))
    }

    fn excluded(&self, windows: &[TimeWindow]) -> Vec<TimeWindow> {
        windows.iter().flat_map(|window| self.hygiene.within(*window)).collect()
    }

    /// The watched stretches before `to`; the rest waits.
    fn take_watched(&mut self, to: Timestamp) -> Vec<TimeWindow> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for window in std::mem::take(&mut self.watched) {
            if window.from < to {
                before.push(TimeWindow::new(window.from, window.to.min(to)));
            }
            if window.to > to {
                after.push(TimeWindow::new(window.from.max(to), window.to));
            }
        }
        self.watched = after;
        before
    }

    fn know(&mut self, learnt: &Learnt) {
        self.trends.stale = true;
        self.count_on_levels(learnt);
        let durations = learnt.slices.iter().filter(|((series, _), _)| series.is_duration());
        self.ledger.samples += durations.map(|(_, slice)| slice.durations.count()).sum::<u64>();
        for window in &learnt.windows {
            unite(&mut self.ledger.known, *window);
        }
        for window in &learnt.excluded {
            unite(&mut self.ledger.excluded, *window);
        }
    }

    /// Who may be the cause of what happens in this window, best first, whether or not anything was alerted.
    #[must_use]
    pub fn suspects(&self, window: TimeWindow) -> Vec<Suspect> {
        self.watch.suspects(window, &self.metrics.support(window))
    }

    fn take_metrics(&mut self, readings: &[MetricReading]) {
        let quiet = self.book.is_quiet();
        for MetricReading { service, name, at, value, normal } in readings {
            if *normal {
                if !self.hygiene.covers(*at) {
                    self.metrics.learn(service, name, *value);
                }
            } else {
                self.metrics.take(service, name, *at, *value, quiet);
            }
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

    /// In how many minutes at least one span was SEV1.
    #[must_use]
    pub const fn severe_minutes(&self) -> u64 {
        self.counters.severe_minutes.0
    }

    /// Levels that were ever accepted.
    #[must_use]
    pub const fn levels(&self) -> &Levels {
        &self.levels
    }

    #[must_use]
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    #[must_use]
    pub fn anomaly(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.groups.find(id).or_else(|| self.cases.find(id))
    }
}
