//! Every message survives the wire: whatever one half says, the other reads back unchanged.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use spanwatch::domain::{
    AcceptedLevel, Ack, Act, ActId, Alert, AlertId, AlertKind, Anomaly, AnomalyId, Arithmetic, Attributes, Bins,
    Compared, Counterfactual, Deed, Durations, Group, Hold, HourOfWeek, Incident, IncidentId, KindTested, Level,
    LevelId, LevelShift, MetricKind, MetricSample, Micros, NearMiss, Note, Obstacle, Over, OverWhy, Owner, Rating,
    Separation, Severity, ShiftedKey, Side, Silence, SpanEvent, SpanId, SpanKey, SpanKind, Split, Spread, Subject,
    Suspect, Tested, TimeWindow, Timestamp, TraceId, Undone, Until, Verdict, What, bin_of,
};
use spanwatch::messages::{
    ActCommand, ActsView, AlertLimit, Analysis, AnalysisId, AnalysisState, Back, BackFill, BaselineView, Calm,
    CellNumbers, CellView, ChangedCell, Command, CommandId, CommandKind, ComparisonView, EdgeView, FailureRow,
    FailuresView, HeldView, IncidentHistory, IncidentView, LearningView, LevelView, Life, MaintenanceView, MapView,
    Means, MetricReading, MetricsSeen, MonitorView, NodeView, NoiseRow, Normal, NormalTrace, OperationView, Outcome,
    Pace, PartNumbers, PartView, PastAlert, PastAlerts, PastIncident, PastNote, PastView, PromptReceipt,
    RecalculationKind, RecalculationState, RecordView, RejudgedAlerts, RequestsView, ServicePageView, ServiceState,
    ServiceView, SourceKind, SourceState, SourceView, TraceState, TraceView, TrendAlert, TrendColumn, TrendDay,
    TrendNormal, TrendNumbers, TrendRange, TrendSource, TrendsView, TrendsWanted, Update, UpdateBody, Waterfall,
    WaterfallSpan, WeekHour, WeekView, WhyView, WiderCell,
};

fn key() -> SpanKey {
    SpanKey::new("order-matcher", "order.match \u{1b}[31m \"é\"", SpanKind::Consumer)
}

fn at() -> Timestamp {
    Timestamp(1_795_000_000_123_456)
}

fn anomaly() -> Anomaly {
    Anomaly {
        id: AnomalyId { trace: TraceId(u128::MAX - 1), span: SpanId(1) },
        key: key(),
        severity: Severity::Sev2,
        start: at(),
        duration: Micros(u64::MAX),
        mean_us: 1.0 / 3.0,
        sigma_us: f64::MIN_POSITIVE,
        z: 1e300,
        cut_off_z: -0.25,
        level: Level::DayOfWeek,
        samples: u64::MAX,
        bucket: HourOfWeek::new(6, 23),
        error: true,
        attributes: [("order.pair", "BTC/USD"), ("empty", "")].into_iter().collect::<Attributes>(),
    }
}

fn analysis(state: AnalysisState) -> Analysis {
    let sample = MetricSample {
        kind: MetricKind::Cpu,
        service: "cart".into(),
        at: at(),
        value: 0.0035,
        query: "rate(x[5m])".into(),
    };
    Analysis {
        id: AnalysisId(7),
        anomaly: anomaly(),
        state,
        model: "llama3.2:1b".into(),
        started: at(),
        facts: vec!["it took 2.9s".into()],
        metrics: vec![
            MetricReading { sample: sample.clone(), usual: Some((0.1, 0.2)) },
            MetricReading { sample, usual: None },
        ],
        metrics_note: Some("no metrics within 10 s".into()),
        text: "SUMMARY:\nslow\n".into(),
        receipt: Some(PromptReceipt {
            prompt: "why?".into(),
            tokens: 900,
            context_tokens: 8_192,
            cut: vec!["12 more spans".into()],
            truncated_by_server: true,
        }),
    }
}

fn analysis_states() -> Vec<AnalysisState> {
    let all = vec![
        AnalysisState::Gathering,
        AnalysisState::Waiting { loading: true },
        AnalysisState::Streaming,
        AnalysisState::Done { tokens: Some(259), tokens_per_s: None, cut_by_limit: true },
        AnalysisState::Cancelled,
        AnalysisState::Failed("the model is missing".into()),
    ];
    // A new variant does not compile here until it stands above.
    for state in &all {
        match state {
            AnalysisState::Gathering
            | AnalysisState::Waiting { .. }
            | AnalysisState::Streaming
            | AnalysisState::Done { .. }
            | AnalysisState::Cancelled
            | AnalysisState::Failed(_) => {}
        }
    }
    all
}

fn recalculations() -> Vec<RecalculationState> {
    let changed =
        ChangedCell { key: key(), bucket: HourOfWeek::new(0, 9), p99_before: Micros(10), p99_after: Micros(20) };
    let Alert { subject, kind, severity, worst, .. } = incident().alerts.remove(0);
    let miss = NearMiss { subject, kind, severity, numbers: worst };
    let all = vec![
        RecalculationState::Never,
        RecalculationState::Running { keys_done: 3, keys_total: 31, started: at() },
        RecalculationState::Cancelled,
        RecalculationState::Failed("the disk is full".into()),
        RecalculationState::Done {
            how: RecalculationKind::TakenBack,
            at: at(),
            took: Micros(16_000),
            generation: 3,
            keys: 31,
            samples: 3_400_000,
            changed: 1,
            compared: 5_208,
            largest: vec![changed],
            alerts: RejudgedAlerts {
                stand: 4,
                vanish: 1,
                unclear: 2,
                vanished: incident().alerts,
                appear: 1,
                appeared: vec![miss],
            },
        },
    ];
    for state in &all {
        match state {
            RecalculationState::Never
            | RecalculationState::Running { .. }
            | RecalculationState::Cancelled
            | RecalculationState::Failed(_)
            | RecalculationState::Done { .. } => {}
        }
    }
    all
}

fn back_fills() -> Vec<BackFill> {
    let all = vec![
        BackFill::NotStarted,
        BackFill::Running { hours_done: 1, hours_total: 720 },
        BackFill::Done,
        BackFill::Paused { hours_done: 1, hours_total: 720, why: "connection refused".into() },
    ];
    for state in &all {
        match state {
            BackFill::NotStarted | BackFill::Running { .. } | BackFill::Done | BackFill::Paused { .. } => {}
        }
    }
    all
}

fn trace_states() -> Vec<TraceState> {
    let span = WaterfallSpan {
        id: SpanId(9),
        depth: 8,
        key: key(),
        offset: Micros(4),
        duration: Micros(5),
        self_time: Micros(6),
        error: true,
        severity: Some(Severity::Sev1),
        normal: Normal::Unknown { samples: 3 },
        critical_time: Micros(1),
        critical: vec![(Micros(1), Micros(2))],
        waited: Micros(7),
        moved_us: -5,
        attributes: [("a", "b")].into_iter().collect(),
        resource: Arc::new([("host.name", "c")].into_iter().collect()),
        events: vec![SpanEvent { at: at(), name: "retry".into(), attributes: [("n", "2")].into_iter().collect() }],
    };
    let known = Normal::Known {
        p50: Micros(1),
        p99: Micros(2),
        samples: 500,
        level: Level::Global,
        bucket: HourOfWeek::new(6, 23),
        above: Some(990),
    };
    let other = WaterfallSpan { normal: known, ..span.clone() };
    let all = vec![
        TraceState::Loading,
        TraceState::Failed("Jaeger no longer has this trace".into()),
        TraceState::Loaded(Waterfall {
            start: at(),
            duration: Micros(1),
            services: 4,
            errors: 1,
            orphans: 2,
            duplicates: 3,
            cycles: 4,
            moved: 5,
            moved_most: Micros(6),
            left_out: 7,
            bucket: HourOfWeek::new(4, 3),
            spans: vec![span, other],
        }),
    ];
    for state in &all {
        match state {
            TraceState::Loading | TraceState::Failed(_) | TraceState::Loaded(_) => {}
        }
    }
    all
}

fn trends() -> TrendsView {
    let window = TimeWindow::new(at(), at() + Micros::from_secs(3_600));
    let numbers = TrendNumbers { n: 3, per_s: 0.1, percentiles: Some([Micros(8), Micros(9), Micros(10)]) };
    let mut durations = Bins::default();
    durations.add(bin_of(9), 3);
    let normal = TrendNormal {
        level: Level::HourOfDay,
        bucket: Some(HourOfWeek::new(4, 3)),
        samples: 70,
        p50: Micros(7),
        p95: Micros(8),
        p99: Micros(9),
        per_s: 0.2,
    };
    let columns = [TrendSource::Minutes, TrendSource::Hours].map(|source| TrendColumn {
        window,
        source,
        known_s: 30,
        numbers,
        durations: durations.clone(),
        errors: 1,
        normal: Some(normal),
        above: Some(1.5),
        outside: true,
        weeks: [Some(numbers), Some(TrendNumbers { percentiles: None, ..numbers }), None, None],
        groups: Some([0.6, 0.4].map(|share| Group { share, median: Micros(9) })),
        slow: vec![anomaly()],
    });
    TrendsView {
        wanted: TrendsWanted { key: key(), range: TrendRange::Week, columns: 71, days: true },
        window,
        step: Micros::from_secs(3_600),
        stored: true,
        minutes_from: Some(at()),
        columns: columns.to_vec(),
        alerts: vec![TrendAlert {
            id: AlertId(4),
            kind: AlertKind::Errors,
            severity: Severity::Sev2,
            onset: at(),
            closed: None,
            own: false,
        }],
        maintenance: vec![window],
        left_out: vec![window],
        days: vec![TrendDay { start: at(), hours: [(Some(Severity::Sev1), 4); 24] }],
    }
}

fn comparison() -> ComparisonView {
    let side = Side {
        spans: 1,
        duration: Micros(2),
        self_time: Micros(3),
        critical: Micros(4),
        errors: 5,
        span: SpanId(u64::MAX),
    };
    let spread = Spread { n: 3, lowest: -1.0 / 3.0, median: 0.1, highest: 1e300 };
    let whats =
        [What::Value("2.31\u{1b}".into()), What::Present, What::Above { median: 0.5, slow: spread, normal: spread }];
    for what in &whats {
        // A new variant does not compile here until it stands above.
        match what {
            What::Value(_) | What::Present | What::Above { .. } => {}
        }
    }
    let owners = [Owner::Span(key()), Owner::Process("cart".into())].into_iter().cycle();
    let split = |(what, owner)| Split {
        owner,
        name: "service.version".into(),
        what,
        here: Some("2.31".into()),
        slow: 48,
        normal: 0,
        delta: 0.96,
        log10_chance: -20.5,
        others: 2,
    };
    let splits: Vec<Split> = whats.into_iter().zip(owners).map(split).collect();
    let separation = Separation {
        key: key(),
        failed: true,
        slow: 50,
        normal: 49,
        tried: 131,
        no_signal: splits.first().cloned(),
        splits,
    };
    ComparisonView {
        trace: TraceId(1),
        operation: Some(key()),
        bucket: HourOfWeek::new(4, 3),
        end_to_end: Micros(9),
        left_out: 3,
        kept: 7,
        normal: Some(NormalTrace {
            trace: TraceId(2),
            start: at(),
            end_to_end: Micros(8),
            level: Level::HourOfDay,
            of: 3,
            median: None,
        }),
        rows: vec![
            Compared { depth: 0, key: key(), this: Some(side), normal: Some(side) },
            Compared { depth: 1, key: key(), this: None, normal: Some(side) },
        ],
        separations: vec![separation],
    }
}

fn source_states() -> Vec<SourceState> {
    let all = vec![
        SourceState::Off,
        SourceState::Connecting,
        SourceState::Ready,
        SourceState::Failing("401 unauthorized".into()),
    ];
    for state in &all {
        match state {
            SourceState::Off | SourceState::Connecting | SourceState::Ready | SourceState::Failing(_) => {}
        }
    }
    all
}

fn service_states() -> Vec<ServiceState> {
    let all = vec![ServiceState::Judged, ServiceState::Learning, ServiceState::Absent];
    for state in &all {
        match state {
            ServiceState::Judged | ServiceState::Learning | ServiceState::Absent => {}
        }
    }
    all
}

fn sources() -> Vec<SourceView> {
    let kinds = [SourceKind::Jaeger, SourceKind::Prometheus, SourceKind::Ollama].into_iter().cycle();
    let view = |(kind, state)| SourceView {
        kind,
        state,
        last_ok: Some(at()),
        interval: Micros::from_secs(10),
        detail: "api v3".into(),
        warning: Some("clock 58m behind".into()),
    };
    kinds.zip(source_states()).map(view).collect()
}

fn services() -> Vec<ServiceView> {
    let view = |state| ServiceView {
        service: "cart".into(),
        state,
        severity: Some(Severity::Sev5),
        spans_per_s: 0.15,
        error_share: None,
        worst_operation: Some(key()),
        p99_now: Some(Micros(1)),
        times_normal: Some(9.8),
        operations: 3,
        last_seen: None,
        history: vec![None, Some(1.5)],
    };
    service_states().into_iter().map(view).collect()
}

fn numbers() -> Arithmetic {
    Arithmetic {
        window: TimeWindow::new(at(), at() + Micros::from_secs(20)),
        n: 41,
        k: 34,
        expected: 1.0 / 3.0,
        threshold: Some(Micros(480_000)),
        log10_chance: -38.25,
        log10_alpha: -6.9,
        samples: u64::MAX,
        level: Some(Level::Global),
        rho: 0.05,
    }
}

fn shift() -> LevelShift {
    let normal = Some(Durations { n: u64::MAX, p50: Micros(1), p95: Micros(2) });
    LevelShift {
        since: at(),
        times: 3.125,
        keys: vec![ShiftedKey { key: key(), samples: 5_204, normal, now: None }],
        accepted: Some(LevelId(2)),
    }
}

fn level() -> LevelView {
    let level = AcceptedLevel {
        id: LevelId(2),
        incident: IncidentId(2),
        alerts: vec![AlertId(1)],
        keys: vec![key()],
        since: at(),
        left_out: 5_204,
        at: at(),
        by: "mira \"é\"".into(),
        undone: Some(Undone { at: at(), by: "noor".into() }),
    };
    LevelView { level, learnt: vec![19], needs: 20 }
}

fn incident() -> IncidentView {
    let edge = Subject::Edge { caller: "cart".into(), callee: "db".into() };
    let subjects = [Subject::Key(key()), Subject::Node("cart".into()), edge];
    let alert = |(kind, subject): (AlertKind, Subject)| Alert {
        id: AlertId(1),
        incident: IncidentId(2),
        subject,
        kind,
        severity: Severity::Sev1,
        onset: at(),
        raised: at(),
        last_seen: at(),
        closed: Some(at()),
        worst: numbers(),
        detail: "connection \"reset\"".into(),
        exemplars: vec![TraceId(u128::MAX)],
        shift: Some(shift()),
    };
    let alerts: Vec<Alert> = AlertKind::ALL.into_iter().zip(subjects.into_iter().cycle()).map(alert).collect();
    let suspect = Suspect {
        service: "db".into(),
        operation: None,
        callee: Some("disk".into()),
        score: 1.25,
        explains: Some(0.91),
        evidence: vec!["34 of 41 calls slow".into()],
    };
    let counterfactual =
        Counterfactual { root: key(), requests: 9, observed: Micros(3), without: Micros(2), normal: Micros(1) };
    let incident = Incident {
        id: IncidentId(2),
        title: "db is slow; one other service feels it".into(),
        severity: Severity::Sev1,
        onset: at(),
        raised: at(),
        last_seen: at(),
        closed: None,
        alerts: vec![AlertId(1)],
        suspects: vec![suspect],
        counterfactual: Some(counterfactual),
        services: vec!["db".into(), "cart".into()],
    };
    IncidentView { incident, alerts, exemplars: vec![anomaly()], life: life() }
}

fn hold(until: Until, why: Option<OverWhy>) -> Hold {
    Hold {
        until,
        reason: "é \"why\"".into(),
        worst: Some(Severity::Sev2),
        met: u64::MAX,
        over: why.map(|why| Over { at: at(), why }),
    }
}

fn life() -> Life {
    let calm = Calm {
        act: ActId(3),
        acked: true,
        by: "mira".into(),
        at: at(),
        until: Until::At(at()),
        reason: "looking".into(),
    };
    Life {
        calm: Some(calm.clone()),
        alerts: vec![(AlertId(1), calm)],
        back: Some(Back {
            act: ActId(2),
            by: "noor".into(),
            reason: String::new(),
            over: Over { at: at(), why: OverWhy::Worse { from: Severity::Sev3, to: Severity::Sev1 } },
        }),
        verdict: Some((Verdict::Noise, "noor".into())),
    }
}

fn acts() -> ActsView {
    let about = vec![(Subject::Key(key()), AlertKind::SelfTime), (Subject::Node("cart".into()), AlertKind::Errors)];
    let ack = |until, why| {
        Deed::Acknowledged(Ack {
            title: "db is slow".into(),
            incidents: vec![IncidentId(2), IncidentId(3)],
            whole: true,
            about: about.clone(),
            hold: hold(until, why),
        })
    };
    let worse = OverWhy::Worse { from: Severity::Sev3, to: Severity::Sev1 };
    let silence = Silence { matcher: "svc=pay \"a b\"".into(), hold: hold(Until::Recovered, Some(OverWhy::TimeOver)) };
    let deeds = vec![
        ack(Until::Worse, None),
        ack(Until::At(at()), Some(worse)),
        ack(Until::Recovered, Some(OverWhy::Recovered)),
        Deed::Silenced(silence),
        Deed::Rated(Rating { incident: IncidentId(2), verdict: Verdict::Useful }),
        Deed::Noted(Note { incident: IncidentId(2), text: "a\nb".into() }),
        Deed::Ended(ActId(1)),
    ];
    for deed in &deeds {
        match deed {
            Deed::Acknowledged(_) | Deed::Silenced(_) | Deed::Rated(_) | Deed::Noted(_) | Deed::Ended(_) => {}
        }
    }
    let undone = Undone { at: at(), by: "noor".into() };
    let act = |deed| Act { id: ActId(1), at: at(), by: "mira".into(), deed, undone: Some(undone.clone()) };
    let acts: Vec<Act> = deeds.into_iter().map(act).collect();
    let maintenance = MaintenanceView {
        name: "backup".into(),
        services: vec!["db".into()],
        next: Some(TimeWindow::new(at(), at())),
        weekly: true,
    };
    ActsView {
        last: acts.last().cloned(),
        held: acts.into_iter().map(|act| HeldView { act, covers: 4, ended: Some(undone.clone()) }).collect(),
        maintenance: vec![maintenance],
    }
}

fn incident_history() -> IncidentHistory {
    let deed = Deed::Noted(Note { incident: IncidentId(2), text: "é\n\"b\"".into() });
    let last = PastAlert {
        alert: AlertId(7),
        incident: IncidentId(1),
        severity: Severity::Sev4,
        onset: at(),
        lasted: Micros(u64::MAX),
        verdict: Some(Verdict::Noise),
        notes: 3,
    };
    IncidentHistory {
        incident: IncidentId(u64::MAX),
        acts: vec![Act { id: ActId(4), at: at(), by: "mira".into(), deed, undone: None }],
        alike: vec![PastAlerts {
            subject: Subject::Key(key()),
            kind: AlertKind::Absence,
            alerts: 3,
            useful: 1,
            noise: 2,
            last: vec![last.clone(), PastAlert { verdict: None, ..last }],
        }],
        similar: vec![PastIncident {
            incident: IncidentId(1),
            title: "db is slow".into(),
            severity: Severity::Sev1,
            onset: at(),
            lasted: Micros(1),
            shared: 2,
            of: 5,
            same_culprit: true,
            verdict: Some(Verdict::Useful),
            notes: vec![PastNote { by: "tom".into(), at: at(), text: "a\nb".into() }],
        }],
    }
}

fn noise() -> NoiseRow {
    NoiseRow {
        subject: Subject::Edge { caller: "cart".into(), callee: "db".into() },
        kind: AlertKind::Errors,
        severity: Severity::Sev2,
        alerts: 14,
        lasted: Micros(u64::MAX),
        last: at(),
        useful: 1,
        noise: 2,
    }
}

fn why() -> WhyView {
    let obstacles = [
        None,
        Some(Obstacle::Empty),
        Some(Obstacle::NoLimit),
        Some(Obstacle::TooFew { needs: 2 }),
        Some(Obstacle::SmallExcess { excess: 0.031, needs: 0.05 }),
        Some(Obstacle::LikelyByChance),
    ];
    let tested = |obstacle| Tested { severity: Severity::Sev3, arithmetic: numbers(), obstacle };
    let kind = KindTested {
        kind: AlertKind::SelfTime,
        detail: String::new(),
        samples: 3,
        needs: 20,
        pooled: Some((Subject::Node("cart".into()), 5_000)),
        tested: obstacles.into_iter().map(tested).collect(),
    };
    WhyView { subject: Subject::Key(key()), at: at(), oldest: at(), kinds: vec![kind] }
}

fn record() -> RecordView {
    RecordView {
        key: key(),
        severity: Severity::Sev1,
        first: at(),
        last: at(),
        counts: [1, 2, 3, 4, 5],
        judged: 20,
        worst_z: 25.5,
        latest_z: -0.5,
        p99_now: None,
        p99_normal: Some(Micros(5)),
        times_normal: None,
        anomalies: vec![anomaly()],
    }
}

fn learning(back_fill: BackFill) -> LearningView {
    LearningView {
        keys: 31,
        samples: 3_400_000,
        hours_known: 700,
        hours_wanted: 720,
        back_fill,
        generation: 2,
        generation_at: Some(at()),
        buckets_full: 0.98,
        merged_operations: 7,
    }
}

fn baseline() -> BaselineView {
    let cell = CellView {
        level: Level::HourOfWeek,
        samples: 925,
        mean_us: 98_000.5,
        sigma_us: 20_000.25,
        p50: Micros(1),
        p90: Micros(2),
        p95: Micros(3),
        p99: Micros(4),
        p99_9: Micros(5),
        cut_offs: [None, Some(Micros(5)), Some(Micros(4)), Some(Micros(3)), Some(Micros(2))],
        cut_off_levels: Level::ALL.into_iter().cycle().take(5).collect::<Vec<_>>().try_into().unwrap(),
    };
    BaselineView {
        key: key(),
        bucket: HourOfWeek::new(4, 3),
        cell: Some(cell),
        note: Some("not enough data (n = 3, needs 10)".into()),
        week_p99: vec![None, Some(Micros(7))],
        week_samples: vec![0, 9],
        now_p50: None,
        now_p95: Some(Micros(8)),
        now_p99: None,
        now_samples: 3,
        histogram_edges_us: vec![64, 91],
        histogram_normal: vec![0.25],
        histogram_now: Vec::new(),
        history_p99: vec![Some(Micros(9)), None],
    }
}

fn week(past: Option<PastView>) -> WeekView {
    let limits = [None, Some(Micros(7)), Some(Micros(u64::MAX))].map(|above| AlertLimit { above, share: 0.1 });
    let numbers = CellNumbers { cell: baseline().cell.unwrap(), limits };
    WeekView {
        asked: key(),
        key: key(),
        at: 3,
        of: 41,
        previous: Some(key()),
        next: None,
        bucket: HourOfWeek::new(6, 23),
        zone: "Europe/Berlin".into(),
        generation: u64::MAX,
        needs: 10,
        needs_to_test: 100,
        learning: Some(4),
        hours: vec![WeekHour {
            samples: u64::MAX,
            days: 5,
            own: Some(numbers.clone()),
            answers: Some(Level::HourOfDay),
            tests: None,
            maintenance: true,
            alerts: 3,
            useful: 1,
            noise: 2,
        }],
        wider: vec![WiderCell { samples: 1, numbers: Some(numbers) }, WiderCell { samples: 0, numbers: None }],
        past,
    }
}

fn past() -> PastView {
    let of = |us| Micros(us);
    let numbers = PartNumbers { samples: 1, errors: 1, p50: of(1), p95: of(2), p99: of(3), max: of(u64::MAX) };
    let part = PartView {
        bucket: HourOfWeek::new(0, 0),
        day: -1,
        numbers: Some(numbers),
        known_s: 3_600,
        incident_s: 60,
        maintenance_s: 1,
        waiting_s: 2,
        gap_s: 3,
    };
    PastView::Read {
        parts: vec![PartView { numbers: None, ..part.clone() }, part],
        drift: vec![None, Some(-1.0 / 3.0)],
        former: Some((7, vec![None, Some(Micros(5))])),
    }
}

fn monitor() -> MonitorView {
    MonitorView {
        started: at(),
        last_poll: None,
        poll_interval: Micros::from_secs(10),
        traces_per_s: 0.15,
        spans_seen: 1,
        anomalies_seen: 2,
        bucket: HourOfWeek::new(0, 0),
        zone: "Europe/Berlin".into(),
    }
}

fn edge(means: Means) -> EdgeView {
    let pace =
        Pace { operation: key(), of: 3, p50: Micros(1), p99: Micros(2), normal_p99: None, times_normal: Some(0.1) };
    EdgeView {
        caller: "cart".into(),
        callee: "é".into(),
        means,
        calls: u64::MAX,
        per_s: 1.0 / 3.0,
        normal_per_s: None,
        error_share: Some(0.5),
        call: Some(pace),
        between: None,
        severity: Some(Severity::Sev1),
        kinds: vec![AlertKind::SelfTime],
    }
}

fn service_page() -> ServicePageView {
    ServicePageView {
        service: "order-matcher".into(),
        bucket: HourOfWeek::new(4, 3),
        summary: services().into_iter().next(),
        requests: Some(RequestsView { calls: 3, per_s: 0.01, normal_per_s: Some(0.02), error_share: None }),
        alerts: incident().alerts,
        operations: vec![OperationView {
            key: key(),
            calls: 3,
            per_s: 0.01,
            normal_per_s: None,
            error_share: Some(1.0),
            p50: Some(Micros(1)),
            p95: None,
            p99: Some(Micros(u64::MAX)),
            normal_p99: None,
            times_normal: Some(7.4),
            self_time: Some(Micros(0)),
            self_normal: None,
            severity: Some(Severity::Sev5),
        }],
        failures: FailuresView {
            since: at(),
            spans: 9,
            failed: 5,
            passed_on: 1,
            uncounted: 1,
            rows: vec![FailureRow {
                message: None,
                count: 3,
                last: at(),
                operation: key(),
                operations: 1,
                is_new: true,
            }],
        },
        kept: vec![anomaly()],
        neighbours: vec![edge(Means::Call), edge(Means::Queue), edge(Means::Mixed)],
        metrics: Some(MetricsSeen { metrics: 2, last: None }),
    }
}

fn map() -> MapView {
    let node = |state| NodeView {
        service: "order-matcher".into(),
        state,
        severity: None,
        kinds: vec![AlertKind::Errors],
        times_normal: None,
        last_seen: Some(at()),
        worst_operation: Some(key()),
    };
    MapView {
        bucket: HourOfWeek::new(0, 0),
        nodes: vec![node(None), node(Some(ServiceState::Absent))],
        edges: vec![edge(Means::Call)],
        uncounted: 1,
    }
}

fn outcomes() -> Vec<Outcome> {
    vec![Outcome::Accepted, Outcome::Refused("a recalculation is running already".into())]
}

fn updates() -> Vec<UpdateBody> {
    let mut all = vec![
        UpdateBody::Sources(sources()),
        UpdateBody::Monitor(monitor()),
        UpdateBody::Services(services()),
        UpdateBody::Incidents(vec![incident()]),
        UpdateBody::Records(vec![record()]),
        UpdateBody::Why(Box::new(why())),
        UpdateBody::Comparison(Box::new(comparison())),
        UpdateBody::IncidentHistory(Box::new(incident_history())),
        UpdateBody::Service(Box::new(service_page())),
        UpdateBody::Map(Box::new(map())),
        UpdateBody::Trends(Box::new(trends())),
        UpdateBody::Levels(vec![level()]),
        UpdateBody::Acts(Box::new(acts())),
        UpdateBody::Noise(vec![noise()]),
        UpdateBody::Baseline(Box::new(baseline())),
        UpdateBody::Week(Box::new(week(None))),
        UpdateBody::Week(Box::new(week(Some(past())))),
        UpdateBody::Week(Box::new(week(Some(PastView::Failed("the disk is gone".into()))))),
        UpdateBody::TokensArrived { analysis: AnalysisId(7), text: "the".into() },
        UpdateBody::Notice("the store was set aside".into()),
    ];
    all.extend(back_fills().into_iter().map(|back_fill| UpdateBody::Learning(learning(back_fill))));
    let trace = |state| UpdateBody::Trace(Box::new(TraceView { trace: TraceId(3), state }));
    all.extend(trace_states().into_iter().map(trace));
    all.extend(recalculations().into_iter().map(UpdateBody::Recalculation));
    all.extend(analysis_states().into_iter().map(|state| UpdateBody::Analysis(Box::new(analysis(state)))));
    all.extend(outcomes().into_iter().map(|outcome| UpdateBody::CommandAnswered { id: CommandId(5), outcome }));
    for body in &all {
        match body {
            UpdateBody::Sources(_)
            | UpdateBody::Monitor(_)
            | UpdateBody::Services(_)
            | UpdateBody::Incidents(_)
            | UpdateBody::Records(_)
            | UpdateBody::Why(_)
            | UpdateBody::Comparison(_)
            | UpdateBody::IncidentHistory(_)
            | UpdateBody::Service(_)
            | UpdateBody::Map(_)
            | UpdateBody::Trends(_)
            | UpdateBody::Levels(_)
            | UpdateBody::Acts(_)
            | UpdateBody::Noise(_)
            | UpdateBody::Learning(_)
            | UpdateBody::Baseline(_)
            | UpdateBody::Week(_)
            | UpdateBody::Trace(_)
            | UpdateBody::Recalculation(_)
            | UpdateBody::Analysis(_)
            | UpdateBody::TokensArrived { .. }
            | UpdateBody::Notice(_)
            | UpdateBody::CommandAnswered { .. } => {}
        }
    }
    all
}

fn commands() -> Vec<CommandKind> {
    let all = vec![
        CommandKind::StartAnalysis { anomaly: anomaly().id },
        CommandKind::CancelAnalysis,
        CommandKind::Recalculate,
        CommandKind::RehearseRecalculation,
        CommandKind::TakeBackRecalculation,
        CommandKind::CancelRecalculation,
        CommandKind::AcceptLevel { alerts: vec![AlertId(1), AlertId(u64::MAX)] },
        CommandKind::UndoLevel { level: LevelId(1) },
        CommandKind::Act(ActCommand::Acknowledge {
            incident: IncidentId(2),
            alert: Some(AlertId(1)),
            seen: Severity::Sev2,
            until: Until::Worse,
            reason: "é".into(),
        }),
        CommandKind::Act(ActCommand::Silence {
            matcher: "svc=a".into(),
            until: Until::At(at()),
            reason: String::new(),
        }),
        CommandKind::Act(ActCommand::End { act: ActId(1) }),
        CommandKind::Act(ActCommand::Rate { incident: IncidentId(2), verdict: Verdict::Noise }),
        CommandKind::Act(ActCommand::Note { incident: IncidentId(2), text: "é\nb".into() }),
        CommandKind::Act(ActCommand::Undo { act: ActId(u64::MAX) }),
        CommandKind::ShowBaseline { key: key() },
        CommandKind::ShowWeek { key: key() },
        CommandKind::ExplainVerdict { subject: Subject::Node("cart".into()), at: None },
        CommandKind::ExplainVerdict { subject: Subject::Key(key()), at: Some(at()) },
        CommandKind::ShowIncident { incident: Some(IncidentId(u64::MAX)) },
        CommandKind::ShowIncident { incident: None },
        CommandKind::ShowService { service: Some("é".into()) },
        CommandKind::ShowService { service: None },
        CommandKind::ShowMap { shown: true },
        CommandKind::ShowTrends { wanted: None },
        CommandKind::ShowTrends { wanted: Some(trends().wanted) },
        CommandKind::ShowTrace { trace: TraceId(0x4bf9) },
        CommandKind::PollNow,
        CommandKind::Shutdown,
    ];
    for kind in &all {
        match kind {
            CommandKind::StartAnalysis { .. }
            | CommandKind::CancelAnalysis
            | CommandKind::ShowTrends { .. }
            | CommandKind::Recalculate
            | CommandKind::RehearseRecalculation
            | CommandKind::TakeBackRecalculation
            | CommandKind::CancelRecalculation
            | CommandKind::AcceptLevel { .. }
            | CommandKind::UndoLevel { .. }
            | CommandKind::Act(
                ActCommand::Acknowledge { .. }
                | ActCommand::Silence { .. }
                | ActCommand::End { .. }
                | ActCommand::Note { .. }
                | ActCommand::Rate { .. }
                | ActCommand::Undo { .. },
            )
            | CommandKind::ShowBaseline { .. }
            | CommandKind::ShowWeek { .. }
            | CommandKind::ExplainVerdict { .. }
            | CommandKind::ShowIncident { .. }
            | CommandKind::ShowService { .. }
            | CommandKind::ShowMap { .. }
            | CommandKind::ShowTrace { .. }
            | CommandKind::PollNow
            | CommandKind::Shutdown => {}
        }
    }
    all
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: &T) {
    let text = serde_json::to_string(message).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *message, "{text}");
}

#[test]
fn every_update_survives_a_round_trip() {
    for (revision, body) in (0..).zip(updates()) {
        survives(&Update { revision, body });
    }
}

#[test]
fn every_command_survives_a_round_trip() {
    for (id, kind) in (0..).map(CommandId).zip(commands()) {
        survives(&Command { id, kind });
    }
}

#[test]
fn an_unknown_message_is_refused_and_not_taken_for_another() {
    assert!(serde_json::from_str::<Command>(r#"{"id":1,"kind":"reboot"}"#).is_err());
    assert!(serde_json::from_str::<UpdateBody>(r#"{"weather":{}}"#).is_err());
}
