//! A crypto exchange as the monitor would tell of it: wallet, gateway, exchange, order matcher. Built through
//! `App::update`, so that the frames show what the real program shows.

use std::sync::Arc;

use spanwatch::app::{App, Effect, Key, KeyCode, Msg};
use spanwatch::domain::{
    AcceptedLevel, Ack, Act, ActId, Alert, AlertId, AlertKind, Anomaly, AnomalyId, Arithmetic, Attributes,
    Counterfactual, Deed, Durations, Hold, HourOfWeek, Incident, IncidentId, KindTested, Level, LevelId, LevelShift,
    MetricKind, MetricSample, Micros, NearMiss, Obstacle, Over, OverWhy, Severity, ShiftedKey, Silence, SpanId,
    SpanKey, SpanKind, Subject, Suspect, Tested, TimeWindow, Timestamp, TraceId, Undone, Until, Verdict,
};
use spanwatch::messages::{
    ActsView, Analysis, AnalysisId, AnalysisState, Back, BackFill, BaselineView, Calm, CellView, ChangedCell, HeldView,
    IncidentView, LearningView, LevelView, Life, MaintenanceView, MetricReading, MonitorView, NoiseRow, PromptReceipt,
    RecalculationKind, RecalculationState, RecordView, RejudgedAlerts, ServiceState, ServiceView, SourceKind,
    SourceState, SourceView, TraceView, Update, UpdateBody, WhyView,
};

/// Friday 20 November 2026, 03:12:44 UTC.
pub const NOW: Timestamp = Timestamp::from_secs(1_795_144_364);

pub fn ago(secs: u64) -> Timestamp {
    NOW - Micros::from_secs(secs)
}

fn ms(millis: u64) -> Micros {
    Micros::from_millis(millis)
}

pub fn friday_03() -> HourOfWeek {
    HourOfWeek::new(4, 3)
}

/// An app and the revision of its last update.
pub struct Stage {
    pub app: App,
    pub now: Timestamp,
    revision: u64,
}

impl Stage {
    pub fn new(size: (u16, u16)) -> Self {
        Self { app: App::new(size), now: NOW, revision: 0 }
    }

    pub fn tell(&mut self, body: UpdateBody) -> Vec<Effect> {
        self.revision += 1;
        self.app.update(Msg::UpdateArrived(Update { revision: self.revision, body }), self.now)
    }

    pub fn press(&mut self, key: Key) -> Vec<Effect> {
        self.app.update(Msg::KeyPressed(key), self.now)
    }

    pub fn code(&mut self, code: KeyCode) -> Vec<Effect> {
        self.press(Key::plain(code))
    }

    pub fn keys(&mut self, text: &str) -> Vec<Effect> {
        text.chars().flat_map(|c| self.press(Key::char(c))).collect()
    }

    /// Sources that answer, nothing wrong anywhere.
    pub fn calm(size: (u16, u16)) -> Self {
        let mut stage = Self::new(size);
        stage.tell(UpdateBody::Sources(sources(SourceState::Ready, Some(ago(4)))));
        stage.tell(UpdateBody::Monitor(monitor()));
        stage.tell(UpdateBody::Learning(learning()));
        stage.tell(UpdateBody::Services(calm_services()));
        stage.tell(UpdateBody::Incidents(Vec::new()));
        stage.tell(UpdateBody::Records(Vec::new()));
        stage.tell(UpdateBody::Baseline(Box::new(baseline(&wallet(), false))));
        stage
    }

    /// The matcher is slow, and what waits for it too.
    pub fn incident(size: (u16, u16)) -> Self {
        let mut stage = Self::calm(size);
        stage.tell(UpdateBody::Services(slow_services()));
        stage.tell(UpdateBody::Incidents(incidents()));
        stage.tell(UpdateBody::Records(alerts()));
        stage.tell(UpdateBody::Baseline(Box::new(baseline(&matcher(), true))));
        stage
    }

    /// Slow spans as on any good day, and no incident.
    pub fn records(size: (u16, u16)) -> Self {
        let mut stage = Self::calm(size);
        stage.tell(UpdateBody::Records(alerts()));
        stage
    }

    /// The same, long after Jaeger's last word.
    pub fn stale(size: (u16, u16)) -> Self {
        let mut stage = Self::incident(size);
        let failing = SourceState::Failing("connection refused".to_owned());
        stage.tell(UpdateBody::Sources(sources(failing, Some(ago(47)))));
        stage
    }

    /// Jaeger never answered.
    pub fn down(size: (u16, u16)) -> Self {
        let mut stage = Self::new(size);
        let failing = SourceState::Failing("HTML instead of JSON (login page?)".to_owned());
        stage.tell(UpdateBody::Sources(sources(failing, None)));
        stage.tell(UpdateBody::Monitor(monitor()));
        stage.tell(UpdateBody::Learning(LearningView {
            hours_known: 0,
            generation: 0,
            buckets_full: 0.0,
            back_fill: BackFill::Paused { hours_done: 0, hours_total: 720, why: "Jaeger does not answer".to_owned() },
            ..learning()
        }));
        stage.tell(UpdateBody::Services(Vec::new()));
        stage.tell(UpdateBody::Incidents(Vec::new()));
        stage.tell(UpdateBody::Records(Vec::new()));
        stage
    }

    pub fn analysing(size: (u16, u16)) -> Self {
        let mut stage = Self::incident(size);
        stage.keys("a");
        let running = analysis(&worst(), AnalysisState::Streaming, "");
        stage.tell(UpdateBody::Analysis(Box::new(running)));
        for word in MODEL.split_inclusive(' ').take(40) {
            stage.tell(UpdateBody::TokensArrived { analysis: AnalysisId(1), text: word.to_owned() });
        }
        stage
    }

    /// A trace was asked for and has not come.
    pub fn awaiting(size: (u16, u16)) -> Self {
        let mut stage = Self::incident(size);
        stage.keys("T");
        stage
    }

    pub fn showing(size: (u16, u16), trace: fn(TraceId) -> TraceView) -> Self {
        let mut stage = Self::awaiting(size);
        stage.tell(UpdateBody::Trace(Box::new(trace(worst().id.trace))));
        stage
    }

    pub fn tracing(size: (u16, u16)) -> Self {
        Self::showing(size, busy_trace)
    }
}

#[path = "traces.rs"]
mod traces;
pub use traces::*;

pub const MODEL: &str = "SUMMARY\nThe order matcher most likely waits for its database: its own time is 88% of the \
    critical path [E1], and its CPU is low [E4].\n\nCAUSES\n- A slow query in order.match [E1] [E3]: the number of rows \
    it reads grew a thousandfold.\n- Less likely: a lock held by the settlement job, which also runs at 03h.\n\nCONFIDENCE\nmedium";

pub fn matcher() -> SpanKey {
    SpanKey::new("order-matcher", "order.match", SpanKind::Consumer)
}

pub fn wallet() -> SpanKey {
    SpanKey::new("crypto-wallet", "order.submit.client", SpanKind::Client)
}

pub fn gateway() -> SpanKey {
    SpanKey::new("api-gateway", "kong.balancer", SpanKind::Server)
}

pub fn exchange() -> SpanKey {
    SpanKey::new("exchange-api", "POST /api/orders", SpanKind::Server)
}

pub fn sources(jaeger: SourceState, jaeger_ok: Option<Timestamp>) -> Vec<SourceView> {
    let source = |kind, state, last_ok, interval, detail: &str| SourceView {
        kind,
        state,
        last_ok,
        interval: Micros::from_secs(interval),
        detail: detail.to_owned(),
        warning: None,
    };
    vec![
        source(SourceKind::Jaeger, jaeger, jaeger_ok, 10, "api v3"),
        source(SourceKind::Prometheus, SourceState::Ready, Some(ago(3)), 10, "2.42.0"),
        source(SourceKind::Ollama, SourceState::Ready, Some(ago(300)), 0, "llama3.2:1b"),
    ]
}

pub fn monitor() -> MonitorView {
    MonitorView {
        started: ago(86_400),
        last_poll: Some(ago(4)),
        poll_interval: Micros::from_secs(10),
        traces_per_s: 0.37,
        spans_seen: 412_000,
        anomalies_seen: 1_200,
        bucket: friday_03(),
        zone: "UTC".to_owned(),
    }
}

pub fn learning() -> LearningView {
    LearningView {
        keys: 31,
        samples: 4_211_000,
        hours_known: 716,
        hours_wanted: 720,
        back_fill: BackFill::Done,
        generation: 12,
        generation_at: Some(ago(11_000)),
        buckets_full: 0.96,
        merged_operations: 0,
    }
}

fn service(key: &SpanKey, severity: Option<Severity>, times: f64, p99: u64, rate: f64) -> ServiceView {
    let rise =
        |n: usize| if n < 11 { 0.9 + 0.05 * (n % 3) as f64 } else { 1.0 + (times - 1.0) * (n - 10) as f64 / 4.0 };
    ServiceView {
        service: key.service.to_string(),
        state: ServiceState::Judged,
        severity,
        spans_per_s: rate,
        error_share: Some(if severity == Some(Severity::Sev1) { 0.028 } else { 0.0 }),
        worst_operation: Some(key.clone()),
        p99_now: Some(ms(p99)),
        times_normal: Some(times),
        operations: 7,
        last_seen: Some(ago(4)),
        history: (0..15).map(|n| Some(rise(n) as f32)).collect(),
    }
}

pub fn calm_services() -> Vec<ServiceView> {
    vec![
        service(&wallet(), None, 1.1, 520, 0.4),
        service(&gateway(), None, 1.0, 310, 1.5),
        service(&exchange(), None, 1.0, 240, 1.9),
        service(&matcher(), None, 0.9, 180, 0.7),
    ]
}

pub fn slow_services() -> Vec<ServiceView> {
    let mut quiet = service(&SpanKey::new("settlement", "nightly.batch", SpanKind::Internal), None, 1.0, 0, 0.0);
    quiet.state = ServiceState::Absent;
    quiet.last_seen = Some(ago(12 * 60 + 5));
    let mut young = service(&SpanKey::new("loyalty", "GET /points", SpanKind::Server), None, 1.0, 90, 0.02);
    young.state = ServiceState::Learning;
    young.times_normal = None;
    young.history = vec![None; 15];
    vec![
        service(&matcher(), Some(Severity::Sev1), 9.8, 2_210, 0.7),
        service(&exchange(), Some(Severity::Sev2), 6.1, 2_460, 1.9),
        service(&wallet(), Some(Severity::Sev3), 4.8, 2_910, 0.4),
        service(&gateway(), None, 1.1, 341, 1.5),
        quiet,
        young,
    ]
}

fn anomaly(key: &SpanKey, n: u64, severity: Severity, duration: u64, z: f64, secs: u64) -> Anomaly {
    let attributes = [("messaging.system", "rabbitmq"), ("order.pair", "BTC/EUR"), ("db.rows", "2113904")]
        .into_iter()
        .collect::<Attributes>();
    let id = AnomalyId {
        trace: TraceId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_0000 + (u128::from(n) << 106)),
        span: SpanId(0x10 + n),
    };
    Anomaly {
        id,
        key: key.clone(),
        severity,
        start: ago(secs),
        duration: ms(duration),
        mean_us: 96_000.0,
        sigma_us: (duration as f64 * 1e3 - 96_000.0) / z,
        z,
        cut_off_z: [8.2, 5.1, 3.3, 2.1, 1.2][severity.index()],
        level: Level::HourOfWeek,
        samples: 5_204,
        bucket: friday_03(),
        error: false,
        attributes,
    }
}

pub fn worst() -> Anomaly {
    anomaly(&matcher(), 0, Severity::Sev1, 2_080, 23.4, 214)
}

fn alert(
    key: &SpanKey,
    severity: Severity,
    secs: u64,
    counts: [u32; 5],
    judged: u32,
    times: f64,
    anomalies: Vec<Anomaly>,
) -> RecordView {
    let z = anomalies.iter().map(|anomaly| anomaly.z).fold(0.0, f64::max);
    RecordView {
        key: key.clone(),
        severity,
        first: ago(secs),
        last: ago(6),
        counts,
        judged,
        worst_z: z,
        latest_z: z / 2.0,
        p99_now: Some(ms((220.0 * times) as u64)),
        p99_normal: Some(ms(220)),
        times_normal: Some(times),
        anomalies,
    }
}

fn numbers(n: u64, k: u64, expected: f64, threshold: Option<u64>, log10_chance: f64, secs: u64) -> Arithmetic {
    Arithmetic {
        window: TimeWindow::new(ago(480 + secs), ago(480)),
        n,
        k,
        expected,
        threshold: threshold.map(ms),
        log10_chance,
        log10_alpha: -6.92,
        samples: 5_204,
        level: Some(Level::HourOfWeek),
        rho: 0.021,
    }
}

fn alert_of(id: u64, severity: Severity, secs: u64, subject: Subject, kind: AlertKind, numbers: Arithmetic) -> Alert {
    Alert {
        id: AlertId(id),
        incident: IncidentId(41),
        subject,
        kind,
        severity,
        onset: ago(secs),
        raised: ago(secs - 25),
        last_seen: ago(6),
        closed: None,
        worst: numbers,
        detail: String::new(),
        exemplars: vec![worst().id.trace],
        shift: None,
    }
}

/// The matcher has been slow for three quarters of an hour, and so has the way to it.
pub fn shifted() -> Vec<IncidentView> {
    let mut views = incidents();
    let IncidentView { incident, alerts, .. } = &mut views[0];
    let begun = ago(2_700);
    (incident.onset, incident.raised) = (begun, begun + Micros::from_secs(25));
    alerts.truncate(2);
    incident.alerts.truncate(2);
    let shifted = |key: SpanKey, samples, normal: [u64; 2], now: [u64; 2]| ShiftedKey {
        key,
        samples,
        normal: Some(Durations { n: samples, p50: ms(normal[0]), p95: ms(normal[1]) }),
        now: Some(Durations { n: 574, p50: ms(now[0]), p95: ms(now[1]) }),
    };
    let keys = [
        vec![shifted(matcher(), 5_204, [78, 190], [240, 590])],
        vec![shifted(exchange(), 6_410, [120, 260], [300, 720])],
    ];
    for ((alert, keys), secs) in alerts.iter_mut().zip(keys).zip([0, 20]) {
        alert.onset = begun + Micros::from_secs(secs);
        alert.shift = Some(LevelShift { since: alert.onset, times: 3.1, keys, accepted: None });
    }
    views
}

/// The same an hour after it was accepted.
pub fn accepted() -> (Vec<IncidentView>, Vec<LevelView>) {
    let mut views = shifted();
    let IncidentView { incident, alerts, .. } = &mut views[0];
    incident.closed = Some(ago(600));
    for alert in alerts.iter_mut() {
        alert.closed = incident.closed;
        if let Some(shift) = &mut alert.shift {
            shift.accepted = Some(LevelId(1));
        }
    }
    let level = AcceptedLevel {
        id: LevelId(1),
        incident: incident.id,
        alerts: incident.alerts.clone(),
        keys: vec![exchange(), matcher()],
        since: ago(2_680).minute_after(),
        left_out: 11_614,
        at: ago(600),
        by: "mira".to_owned(),
        undone: None,
    };
    (views, vec![LevelView { level, learnt: vec![574, 12], needs: 20 }])
}

/// The matcher is slow and felt by two others; another service failed for a while and recovered.
pub fn incidents() -> Vec<IncidentView> {
    use Severity::{Sev1, Sev2, Sev3};
    let edge = Subject::Edge { caller: "exchange-api".into(), callee: "order-matcher".into() };
    let alerts = vec![
        alert_of(
            7,
            Sev1,
            524,
            Subject::Key(matcher()),
            AlertKind::SelfTime,
            numbers(19, 19, 0.02, Some(790), -38.4, 20),
        ),
        alert_of(8, Sev2, 504, edge, AlertKind::SelfTime, numbers(41, 34, 0.4, Some(480), -21.7, 60)),
        alert_of(9, Sev3, 464, Subject::Key(wallet()), AlertKind::Errors, numbers(61, 8, 0.3, None, -7.2, 60)),
    ];
    let suspect = |service: &str, operation: Option<&str>, explains, evidence: &str| Suspect {
        service: service.into(),
        operation: operation.map(Into::into),
        callee: None,
        score: 1.2,
        explains,
        evidence: vec![evidence.to_owned()],
    };
    let incident = Incident {
        id: IncidentId(41),
        title: "order-matcher (order.match) is slow; 2 other services feel it".to_owned(),
        severity: Sev1,
        onset: ago(524),
        raised: ago(499),
        last_seen: ago(6),
        closed: None,
        alerts: alerts.iter().map(|alert| alert.id).collect(),
        suspects: vec![
            suspect("order-matcher", Some("order.match"), Some(0.91), "34 of 41 calls slow at order-matcher"),
            suspect("exchange-api", None, Some(0.04), "34 of 41 calls slow at exchange-api → order-matcher"),
        ],
        counterfactual: Some(Counterfactual {
            root: wallet(),
            requests: 41,
            observed: ms(2_910),
            without: ms(470),
            normal: ms(432),
        }),
        services: ["order-matcher", "exchange-api", "crypto-wallet"].map(Into::into).to_vec(),
    };
    let mut over = incident.clone();
    over.id = IncidentId(40);
    over.title = "notifier (email enqueue) fails".to_owned();
    over.severity = Sev3;
    (over.onset, over.raised, over.closed) = (ago(2_900), ago(2_870), Some(ago(1_800)));
    over.alerts = Vec::new();
    over.suspects.clear();
    over.counterfactual = None;
    over.services = vec!["notifier".into()];
    vec![
        IncidentView { incident, alerts, exemplars: vec![worst()], life: Life::default() },
        IncidentView { incident: over, alerts: Vec::new(), exemplars: Vec::new(), life: Life::default() },
    ]
}

/// The same with names that a terminal would obey, or that are wider than they are long.
pub fn hostile_incidents() -> Vec<IncidentView> {
    let mut incidents = incidents();
    incidents[0].incident.title = "evil\u{1b}[2J (取引所\u{202e}) is slow; \u{9b}31m".to_owned();
    incidents[0].alerts[0].subject = Subject::Node("取引所\u{7}の注文を照合する処理はとても長い名前を持つ".into());
    incidents[0].alerts[1].detail = "\u{1b}]0;title\u{7}".to_owned();
    incidents
}

/// The arithmetic of the matcher's alert at its worst window.
pub fn why() -> WhyView {
    let tested = |severity, secs, n, k, expected, threshold, chance, obstacle| Tested {
        severity,
        arithmetic: numbers(n, k, expected, threshold, chance, secs),
        obstacle,
    };
    use Severity::{Sev1, Sev2, Sev3};
    let small = Obstacle::SmallExcess { excess: 0.031, needs: 0.05 };
    let own = vec![
        tested(Sev1, 20, 19, 19, 0.02, Some(790), -38.4, None),
        tested(Sev2, 20, 19, 19, 0.1, Some(480), -31.0, None),
        tested(Sev3, 20, 19, 19, 0.4, Some(286), -25.0, None),
        tested(Sev1, 60, 41, 1, 0.04, Some(790), -1.4, Some(Obstacle::TooFew { needs: 2 })),
        tested(Sev3, 60, 41, 3, 0.4, Some(286), -1.6, Some(Obstacle::LikelyByChance)),
        tested(Sev3, 300, 208, 9, 2.6, Some(286), -2.9, Some(small)),
        tested(Sev3, 900, 611, 14, 7.4, Some(286), -1.4, Some(small)),
    ];
    let kind =
        |kind, samples, pooled, tested| KindTested { kind, detail: String::new(), samples, needs: 20, pooled, tested };
    let none = vec![tested(Sev3, 20, 0, 0, 0.0, None, 0.0, Some(Obstacle::Empty))];
    WhyView {
        subject: Subject::Key(matcher()),
        at: ago(480),
        oldest: ago(900),
        kinds: vec![
            kind(AlertKind::SelfTime, 5_204, None, own),
            kind(AlertKind::Duration, 1_204, Some((Subject::Node("order-matcher".into()), 5_000)), none),
            kind(AlertKind::Errors, 3, None, Vec::new()),
        ],
    }
}

pub fn alerts() -> Vec<RecordView> {
    use Severity::{Sev1, Sev2, Sev3, Sev4, Sev5};
    let one = |key: &SpanKey, n, severity, duration, z| vec![anomaly(key, n, severity, duration, z, 100 + n * 7)];
    let redis = SpanKey::new("exchange-api", "redis GET", SpanKind::Client);
    let email = SpanKey::new("notifier", "email enqueue", SpanKind::Producer);
    vec![
        alert(
            &matcher(),
            Sev1,
            514,
            [7, 3, 2, 0, 0],
            14,
            9.8,
            vec![
                anomaly(&matcher(), 2, Sev1, 1_970, 21.0, 6),
                anomaly(&matcher(), 1, Sev2, 690, 6.1, 48),
                worst(),
                anomaly(&matcher(), 5, Sev4, 310, 2.2, 508),
            ],
        ),
        alert(&exchange(), Sev2, 480, [0, 9, 4, 1, 0], 31, 6.1, one(&exchange(), 7, Sev2, 2_460, 7.7)),
        alert(&wallet(), Sev3, 470, [0, 0, 6, 2, 2], 12, 4.8, one(&wallet(), 8, Sev3, 2_910, 4.1)),
        alert(&redis, Sev4, 1_320, [0, 0, 0, 2, 3], 88, 1.4, one(&redis, 9, Sev4, 12, 2.4)),
        alert(&email, Sev5, 3_700, [0, 0, 0, 0, 1], 9, 1.1, one(&email, 10, Sev5, 14, 1.3)),
    ]
}

pub fn baseline(key: &SpanKey, slow: bool) -> BaselineView {
    let bump = |at: f32, width: f32| move |n: usize| (-((n as f32 - at) / width).powi(2)).exp();
    let (normal, second) = (bump(17.0, 4.0), bump(33.0, 2.5));
    let scaled = |shares: Vec<f32>| {
        let sum: f32 = shares.iter().sum();
        shares.into_iter().map(|share| if share / sum < 0.001 { 0.0 } else { share / sum }).collect::<Vec<_>>()
    };
    let edges = (0..=48).map(|n| (1_000.0 * 10f64.powf(f64::from(n) / 12.0)) as u64).collect::<Vec<_>>();
    let week = |day: usize, hour: usize| {
        let work = (9..18).contains(&hour) && day < 5;
        let night = hour < 7;
        (day != 6 || hour > 4).then(|| {
            ms(if work {
                420
            } else if night {
                180
            } else {
                260
            } + (hour as u64 * 7) % 40)
        })
    };
    BaselineView {
        key: key.clone(),
        bucket: friday_03(),
        cell: Some(CellView {
            level: Level::HourOfWeek,
            samples: 5_204,
            mean_us: 96_000.0,
            sigma_us: 84_000.0,
            p50: ms(78),
            p90: ms(164),
            p95: ms(190),
            p99: ms(224),
            p99_9: ms(410),
            cut_offs: [790, 524, 373, 272, 197].map(|at| Some(ms(at))),
            cut_off_levels: [
                Level::HourOfDay,
                Level::HourOfWeek,
                Level::HourOfWeek,
                Level::HourOfWeek,
                Level::HourOfWeek,
            ],
        }),
        note: None,
        week_p99: (0..168).map(|n| week(n / 24, n % 24)).collect(),
        week_samples: vec![30; 168],
        now_p50: Some(ms(if slow { 640 } else { 80 })),
        now_p95: Some(ms(if slow { 1_980 } else { 181 })),
        now_p99: Some(ms(if slow { 2_210 } else { 210 })),
        now_samples: 57,
        histogram_normal: scaled((0..48).map(|n| normal(n + 8)).collect()),
        histogram_now: scaled(
            (0..48).map(|n| if slow { 0.6 * normal(n + 8) + second(n) } else { normal(n + 8) }).collect(),
        ),
        histogram_edges_us: edges,
        history_p99: (0..15)
            .map(|n| (n != 5).then(|| ms(if slow && n > 11 { 600 * (n - 11) } else { 190 + n * 2 % 9 })))
            .collect(),
    }
}

pub fn analysis(anomaly: &Anomaly, state: AnalysisState, text: &str) -> Analysis {
    let reading = |kind, value: f64, usual| MetricReading {
        sample: MetricSample { kind, service: "order-matcher".to_owned(), at: ago(214), value, query: "up".to_owned() },
        usual,
    };
    Analysis {
        id: AnalysisId(1),
        anomaly: anomaly.clone(),
        state,
        model: "llama3.2:1b".to_owned(),
        started: ago(41),
        facts: vec![
            "order-matcher order.match took 2.1s, 23 standard deviations above its mean of 96ms on Fridays at 03h."
                .to_owned(),
            "Its self time is 88% of the critical path (1.8s of 2.1s).".to_owned(),
            "db.rows is 2,113,904.".to_owned(),
        ],
        metrics: vec![
            reading(MetricKind::Cpu, 0.0035, Some((0.003, 0.004))),
            reading(MetricKind::Memory, 231_000_000.0, Some((150_000_000.0, 160_000_000.0))),
            reading(MetricKind::LatencyP99, 2.2, None),
        ],
        metrics_note: None,
        text: text.to_owned(),
        receipt: Some(PromptReceipt {
            prompt: "…".to_owned(),
            tokens: 1_240,
            context_tokens: 8_192,
            cut: Vec::new(),
            truncated_by_server: false,
        }),
    }
}

fn near_miss() -> NearMiss {
    let Alert { subject, kind, severity, worst, .. } = incidents().remove(0).alerts.remove(1);
    NearMiss { subject, kind, severity, numbers: worst }
}

pub fn recalculated(how: RecalculationKind) -> RecalculationState {
    let cell = |key: SpanKey, day, hour, before, after| ChangedCell {
        key,
        bucket: HourOfWeek::new(day, hour),
        p99_before: ms(before),
        p99_after: ms(after),
    };
    let vanished = vec![incidents().remove(0).alerts.remove(2)];
    RecalculationState::Done {
        how,
        at: NOW,
        took: ms(6_100),
        generation: 13,
        keys: 31,
        samples: 4_211_000,
        changed: 12,
        compared: 4_998,
        largest: vec![
            cell(matcher(), 2, 14, 210, 290),
            cell(exchange(), 2, 15, 420, 340),
            cell(SpanKey::new("crypto-wallet", "btc.transfer", SpanKind::Server), 3, 2, 1_210, 1_340),
        ],
        alerts: RejudgedAlerts { stand: 4, vanish: 1, unclear: 2, vanished, appear: 1, appeared: vec![near_miss()] },
    }
}

/// A name that a terminal would obey, and one that is wider than it is long.
pub fn hostile_alerts() -> Vec<RecordView> {
    let names: [(&str, &str); 4] = [
        ("evil\u{1b}[2J\u{202e}svc", "GET\u{7}\n/\u{200b}\u{9b}31m"),
        ("取引所", "注文を照合する処理はとても長い名前を持つことがあります"),
        ("cafe\u{301}-e\u{301}clair", "n\u{303}oqui"),
        ("x", "👩\u{200d}🚀 launch 🇩🇪"),
    ];
    names
        .iter()
        .enumerate()
        .map(|(n, (service, operation))| {
            let key =
                SpanKey { service: Arc::from(*service), operation: Arc::from(*operation), kind: SpanKind::Server };
            let anomalies = vec![anomaly(&key, 20 + n as u64, Severity::Sev2, 900, 6.0, 30)];
            alert(&key, Severity::Sev2, 300, [0, 3, 0, 0, 0], 10, 4.0, anomalies)
        })
        .collect()
}

fn calm(act: u64, acked: bool, by: &str, until: Until, reason: &str) -> Calm {
    Calm { act: ActId(act), acked, by: by.to_owned(), at: ago(300), until, reason: reason.to_owned() }
}

/// The matcher is acknowledged; what the notifier does was acknowledged too, and became worse.
pub fn acked() -> Vec<IncidentView> {
    let mut views = incidents();
    let held = calm(3, true, "mira", Until::Worse, "looking at the database");
    let IncidentView { alerts, life, .. } = &mut views[0];
    life.alerts = alerts.iter().map(|alert| (alert.id, held.clone())).collect();
    life.calm = Some(held);
    let IncidentView { incident, life, .. } = &mut views[1];
    incident.closed = None;
    let why = OverWhy::Worse { from: Severity::Sev4, to: Severity::Sev3 };
    let over = Over { at: ago(60), why };
    life.back = Some(Back { act: ActId(2), by: "noor".to_owned(), reason: "known".to_owned(), over });
    life.verdict = Some((Verdict::Noise, "noor".to_owned()));
    views
}

/// All that is open is held back.
pub fn all_calm() -> Vec<IncidentView> {
    let mut views = acked();
    views[1].life =
        Life { calm: Some(calm(4, false, "noor", Until::At(NOW + Micros::from_secs(15_436)), "")), ..Life::default() };
    views
}

pub fn acts() -> ActsView {
    let held = |id: u64, secs: u64, by: &str, deed: Deed, covers: u32| HeldView {
        act: Act { id: ActId(id), at: ago(secs), by: by.to_owned(), deed, undone: None },
        covers,
        ended: None,
    };
    let hold = |until, reason: &str, met| Hold::new(until, reason.to_owned(), Some(Severity::Sev1), met);
    let ack = |incident: u64, title: &str, hold| {
        let (incidents, title) = (vec![IncidentId(incident)], title.to_owned());
        Deed::Acknowledged(Ack { title, incidents, whole: true, about: Vec::new(), hold })
    };
    let silence = |matcher: &str, hold| Deed::Silenced(Silence { matcher: matcher.to_owned(), hold });
    let title = "order-matcher (order.match) is slow; 2 other services feel it";
    let morning = Until::At(NOW + Micros::from_secs(15_436));
    let mut over = held(1, 5_000, "noor", ack(39, "notifier fails", hold(Until::Worse, "known", 1)), 0);
    if let Some(hold) = over.act.deed.hold_mut() {
        let why = OverWhy::Worse { from: Severity::Sev4, to: Severity::Sev3 };
        hold.over = Some(Over { at: ago(60), why });
    }
    let mut ended = held(5, 90, "noor", silence("svc=loyalty", hold(morning, "", 0)), 0);
    ended.ended = Some(Undone { at: ago(30), by: "mira".to_owned() });
    let maintenance = |name: &str, from: i64, secs: u64, weekly| {
        let from = Timestamp(NOW.0 + from * 1_000_000);
        let services = if weekly { Vec::new() } else { vec!["settlement".to_owned()] };
        let next = Some(TimeWindow::new(from, from + Micros::from_secs(secs)));
        MaintenanceView { name: name.to_owned(), services, next, weekly }
    };
    let newest = held(4, 120, "noor", silence("svc=notifier kind:errors", hold(morning, "new mail server", 6)), 1);
    let long = held(2, 40_000, "mira", silence("op:*nightly* sev<=3", hold(Until::Recovered, "", 0)), 0);
    ActsView {
        last: Some(newest.act.clone()),
        held: vec![
            long,
            held(3, 300, "mira", ack(41, title, hold(Until::Worse, "looking at the database", 3)), 3),
            newest,
            over,
            ended,
        ],
        maintenance: vec![
            maintenance("backup of the ledger", 1_036, 7_200, true),
            maintenance("move of the settlement", -600, 3_600, false),
        ],
    }
}

pub fn noise() -> Vec<NoiseRow> {
    let row = |subject, kind, severity, alerts, lasted, noise, useful, secs| NoiseRow {
        subject,
        kind,
        severity,
        alerts,
        lasted: Micros::from_secs(lasted),
        last: ago(secs),
        useful,
        noise,
    };
    let edge = Subject::Edge { caller: "exchange-api".into(), callee: "order-matcher".into() };
    vec![
        row(Subject::Node("notifier".into()), AlertKind::Errors, Severity::Sev3, 14, 11_100, 5, 1, 2_900),
        row(Subject::Key(wallet()), AlertKind::NewMessage, Severity::Sev4, 9, 2_400, 2, 0, 180_000),
        row(Subject::Key(matcher()), AlertKind::SelfTime, Severity::Sev1, 3, 2_040, 0, 2, 524),
        row(edge, AlertKind::SelfTime, Severity::Sev2, 1, 498, 0, 0, 504),
    ]
}

/// The same with what a terminal would obey.
pub fn hostile_acts() -> ActsView {
    let mut view = acts();
    for held in &mut view.held {
        held.act.by = "mi\u{1b}[2Jra\u{202e}".to_owned();
        if let Deed::Silenced(silence) = &mut held.act.deed {
            silence.matcher = "svc=\u{9b}31m取引所".to_owned();
            silence.hold.reason = "\u{1b}]0;title\u{7}".to_owned();
        }
    }
    view.maintenance[0].name = "\u{7}取引所の注文を照合する処理はとても長い名前を持つことがあります".to_owned();
    view
}
