use super::*;
use std::sync::Arc;

use crate::domain::{
    AcceptedLevel, Ack, Act, ActId, Alert, AlertId, AlertKind, Arithmetic, Attributes, Deed, Hold, HourOfWeek,
    Incident, IncidentId, KindTested, Level, LevelId, LevelShift, Micros, Obstacle, Over, OverWhy, ShiftedKey, Silence,
    SpanId, SpanKind, Subject, Suspect, Tested, TimeWindow, TraceId, Until, Verdict,
};
use crate::messages::{
    ActCommand, ActsView, Analysis, AnalysisId, AnalysisState, Back, Calm, CommandId, HeldView, IncidentView,
    LevelView, Life, RecordView, SourceState, SourceView, TraceView, WhyView,
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const SIZE: (u16, u16) = (120, 40);

struct Bench {
    app: App,
    now: Timestamp,
    revision: u64,
}

impl Bench {
    fn new() -> Self {
        Self { app: App::new(SIZE).with_severity_filter(None), now: NOW, revision: 0 }
    }

    fn with(alerts: Vec<RecordView>) -> Self {
        let mut bench = Self::new();
        bench.tell(UpdateBody::Records(alerts));
        bench
    }

    fn tell(&mut self, body: UpdateBody) -> Vec<Effect> {
        self.revision += 1;
        self.app.update(Msg::UpdateArrived(Update { revision: self.revision, body }), self.now)
    }

    fn press(&mut self, key: Key) -> Vec<Effect> {
        self.app.update(Msg::KeyPressed(key), self.now)
    }

    fn keys(&mut self, keys: &str) -> Vec<Effect> {
        keys.chars().flat_map(|c| self.press(Key::char(c))).collect()
    }

    fn code(&mut self, code: KeyCode) -> Vec<Effect> {
        self.press(Key::plain(code))
    }

    fn analysis_text(&self) -> String {
        analysis::lines(&self.app, 200, self.now).into_iter().map(|line| line.text + "\n").collect()
    }

    fn selected(&self) -> String {
        match &self.app.view.alerts.selected {
            Some(RowId::Record(key) | RowId::Anomaly(key, _)) => key.operation.to_string(),
            Some(RowId::Incident(id)) => format!("incident {}", id.0),
            Some(RowId::Alert(_, id)) => format!("alert {}", id.0),
            Some(RowId::Calm) => "calm".to_owned(),
            None => String::new(),
        }
    }
}

fn key(operation: &str) -> SpanKey {
    SpanKey::new("order-matcher", operation, SpanKind::Server)
}

fn anomaly(operation: &str, n: u64, severity: Severity) -> Anomaly {
    Anomaly {
        id: AnomalyId { trace: TraceId(u128::from(n) << 104), span: SpanId(n) },
        key: key(operation),
        severity,
        start: NOW - Micros::from_secs(n),
        duration: Micros::from_millis(900 + n),
        mean_us: 100_000.0,
        sigma_us: 10_000.0,
        z: 80.0 - n as f64,
        cut_off_z: 3.0,
        level: Level::HourOfWeek,
        samples: 100,
        bucket: HourOfWeek::new(4, 3),
        error: false,
        attributes: Attributes::default(),
    }
}

fn alert(operation: &str, anomalies: Vec<Anomaly>) -> RecordView {
    RecordView {
        key: key(operation),
        severity: anomalies.iter().map(|anomaly| anomaly.severity).min().unwrap_or(Severity::Sev5),
        first: NOW - Micros::from_secs(300),
        last: NOW,
        counts: [1, 0, 0, 0, 0],
        judged: 4,
        worst_z: 9.0,
        latest_z: 9.0,
        p99_now: None,
        p99_normal: None,
        times_normal: Some(3.0),
        anomalies,
    }
}

fn three() -> Vec<RecordView> {
    vec![
        alert("a", vec![anomaly("a", 1, Severity::Sev1), anomaly("a", 4, Severity::Sev2)]),
        alert("b", vec![anomaly("b", 2, Severity::Sev2)]),
        alert("c", vec![anomaly("c", 3, Severity::Sev3)]),
    ]
}

fn run(id: u64, anomaly: Anomaly, text: &str) -> UpdateBody {
    UpdateBody::Analysis(Box::new(Analysis {
        id: AnalysisId(id),
        anomaly,
        state: AnalysisState::Streaming,
        model: "m".to_owned(),
        started: NOW,
        facts: Vec::new(),
        metrics: Vec::new(),
        metrics_note: None,
        text: text.to_owned(),
        receipt: None,
    }))
}

fn token(id: u64, text: &str) -> UpdateBody {
    UpdateBody::TokensArrived { analysis: AnalysisId(id), text: text.to_owned() }
}

fn show(operation: &str) -> Effect {
    Effect::Send(CommandKind::ShowBaseline { key: key(operation) })
}

#[test]
fn the_cursor_follows_what_it_is_on_not_its_row() {
    let mut bench = Bench::with(three());
    bench.keys("j");
    assert_eq!(bench.selected(), "b");
    let mut turned = three();
    turned.reverse();
    turned.insert(0, alert("new", vec![anomaly("new", 9, Severity::Sev1)]));
    assert_eq!(bench.tell(UpdateBody::Records(turned)), [], "the same baseline is not asked for again");
    assert_eq!(bench.selected(), "b");
}

#[test]
fn an_alert_that_ends_stays_while_it_is_read() {
    let mut bench = Bench::with(three());
    bench.keys("j");
    bench.tell(UpdateBody::Records(vec![three().remove(0)]));
    assert_eq!(bench.selected(), "b");
    assert_eq!(bench.app.alerts.shown_records(), 1, "an ended record is not counted");
    bench.keys("k");
    bench.tell(UpdateBody::Records(vec![three().remove(0)]));
    assert_eq!(bench.app.alerts.rows().len(), 2, "the heading and the one that is left");
}

#[test]
fn a_baseline_is_asked_for_once_per_selected_key() {
    let mut bench = Bench::new();
    assert_eq!(bench.tell(UpdateBody::Records(three())), [show("a")]);
    assert_eq!(bench.keys("l"), []);
    assert_eq!(bench.keys("j"), [], "an anomaly of the same key");
    assert_eq!(bench.keys("h"), []);
    assert_eq!(bench.keys("j"), [show("b")]);
    assert_eq!(bench.keys("G"), [show("c")]);
    assert_eq!(bench.keys("jjj"), []);
}

#[test]
fn text_about_one_anomaly_is_never_shown_under_another() {
    let mut bench = Bench::with(three());
    assert_eq!(
        bench.keys("a"),
        [Effect::Send(CommandKind::StartAnalysis { anomaly: anomaly("a", 1, Severity::Sev1).id })]
    );
    bench.tell(run(1, anomaly("a", 1, Severity::Sev1), "caused by "));
    bench.tell(token(1, "the database"));
    assert!(bench.analysis_text().contains("caused by the database"));

    bench.keys("j");
    assert!(!bench.analysis_text().contains("caused"), "{}", bench.analysis_text());
    assert!(bench.analysis_text().contains("running analysis is about S1 order-matcher a"));
    bench.tell(token(1, " and more"));
    assert!(!bench.analysis_text().contains("more"));

    bench.keys("k");
    assert!(bench.analysis_text().contains("the database and more"), "nothing was lost meanwhile");
}

#[test]
fn tokens_of_another_run_or_already_contained_are_dropped() {
    let mut bench = Bench::with(three());
    bench.tell(run(2, anomaly("a", 1, Severity::Sev1), "new "));
    bench.tell(token(1, "FORMER"));
    let late = Update { revision: bench.revision - 2, body: token(2, "TWICE") };
    bench.app.update(Msg::UpdateArrived(late), NOW);
    bench.tell(token(2, "text"));
    assert!(bench.analysis_text().contains("new text"), "{}", bench.analysis_text());
    assert!(!bench.analysis_text().contains("FORMER") && !bench.analysis_text().contains("TWICE"));
}

#[test]
fn a_worse_anomaly_does_not_pull_the_analysis_away() {
    let mut bench = Bench::with(three());
    bench.keys("a");
    bench.tell(run(1, anomaly("a", 1, Severity::Sev1), "words"));
    let worse = Anomaly { z: 500.0, ..anomaly("a", 8, Severity::Sev1) };
    bench.tell(UpdateBody::Records(vec![alert("a", vec![worse.clone()])]));
    assert!(bench.analysis_text().contains("words"), "although the analysed anomaly even left the list");
    assert_eq!(bench.keys("a"), [], "it is still running for the pinned one");
    let cancelled = UpdateBody::Analysis(Box::new(Analysis {
        state: AnalysisState::Cancelled,
        ..bench.app.shown_analysis().unwrap().clone()
    }));
    bench.tell(cancelled);
    assert_eq!(bench.keys("a"), [Effect::Send(CommandKind::StartAnalysis { anomaly: worse.id })]);
}

#[test]
fn ctrl_c_cancels_first_and_quits_even_when_nothing_reacts() {
    let mut bench = Bench::with(three());
    bench.tell(run(1, anomaly("a", 1, Severity::Sev1), ""));
    bench.tell(UpdateBody::Recalculation(RecalculationState::Running { keys_done: 1, keys_total: 9, started: NOW }));
    let interrupt = Key::ctrl('c');
    assert_eq!(bench.press(interrupt), [Effect::Send(CommandKind::CancelAnalysis)]);
    assert_eq!(bench.press(interrupt), [Effect::Send(CommandKind::CancelRecalculation)]);
    assert_eq!(bench.press(interrupt), [Effect::Quit]);
}

#[test]
fn esc_cancels_a_recalculation_and_never_quits() {
    let mut bench = Bench::with(three());
    assert_eq!(bench.keys("r"), [Effect::Send(CommandKind::Recalculate)]);
    bench.tell(UpdateBody::Recalculation(RecalculationState::Running { keys_done: 1, keys_total: 9, started: NOW }));
    assert_eq!(bench.keys("r"), [], "one at a time");
    assert_eq!(bench.code(KeyCode::Esc), [Effect::Send(CommandKind::CancelRecalculation)]);
    bench.tell(UpdateBody::Recalculation(RecalculationState::Cancelled));
    for _ in 0..5 {
        assert_eq!(bench.code(KeyCode::Esc), []);
    }
    assert_eq!(bench.keys("q"), [Effect::Quit]);
}

#[test]
fn the_severity_keys_show_that_severity_and_worse() {
    let mut bench = Bench::with(three());
    let shown = |bench: &Bench| bench.app.alerts.shown_records();
    bench.keys("2");
    assert_eq!(shown(&bench), 2);
    bench.keys("1");
    assert_eq!(shown(&bench), 1);
    bench.keys("0");
    assert_eq!(shown(&bench), 3);
}

#[test]
fn the_filter_applies_while_typed_and_esc_takes_it_back() {
    let mut bench = Bench::with(three());
    bench.keys("/op:b");
    assert_eq!(bench.app.alerts.shown_records(), 1);
    bench.keys(" sev>=");
    assert!(bench.app.view.typing.as_ref().unwrap().error.as_ref().unwrap().contains("1 to 5"));
    assert_eq!(bench.app.alerts.shown_records(), 1, "the part that can be read applies");
    bench.code(KeyCode::Enter);
    assert!(bench.app.view.typing.is_some(), "an unreadable filter is not kept");
    bench.keys("2");
    bench.code(KeyCode::Enter);
    assert_eq!(bench.app.view.filter_text, "op:b sev>=2");
    bench.keys("/ x");
    bench.code(KeyCode::Esc);
    assert_eq!(bench.app.view.filter_text, "op:b sev>=2", "as it was before");
    bench.code(KeyCode::Esc);
    assert_eq!(bench.app.alerts.shown_records(), 3);
}

#[test]
fn q_is_a_letter_where_text_is_typed() {
    let mut bench = Bench::with(three());
    assert_eq!(bench.keys("/q"), []);
    assert_eq!(bench.app.view.filter_text, "q");
}

#[test]
fn only_the_trace_that_was_asked_for_is_shown() {
    let mut bench = Bench::with(three());
    let wanted = anomaly("a", 1, Severity::Sev1).id.trace;
    assert_eq!(bench.code(KeyCode::Enter), [Effect::Send(CommandKind::ShowTrace { trace: wanted })]);
    let failed = |trace| {
        let state = crate::messages::TraceState::Failed("gone".to_owned());
        UpdateBody::Trace(Box::new(TraceView { trace, state }))
    };
    bench.tell(failed(TraceId(77)));
    assert_eq!(bench.app.trace.state(wanted), None);
    bench.tell(failed(wanted));
    assert!(bench.app.trace.state(wanted).is_some());
    bench.keys("q");
    assert_eq!(bench.app.place(), Place::Alerts);
}

#[test]
fn nothing_is_drawn_when_nothing_changed() {
    let mut bench = Bench::with(three());
    let before = bench.app.revision();
    bench.keys("kQ%");
    bench.tell(UpdateBody::Records(three()));
    bench.tell(UpdateBody::CommandAnswered { id: CommandId(1), outcome: Outcome::Accepted });
    bench.app.update(Msg::Resized(SIZE.0, SIZE.1), NOW);
    bench.app.update(Msg::Ticked, NOW + Micros(1));
    assert_eq!(bench.app.revision(), before);
    bench.keys("j");
    assert_eq!(bench.app.revision(), before + 1);
}

#[test]
fn a_tick_draws_only_when_an_age_reads_differently() {
    let mut bench = Bench::with(three());
    let source = SourceView {
        kind: SourceKind::Jaeger,
        state: SourceState::Ready,
        last_ok: Some(NOW),
        interval: Micros::from_secs(10),
        detail: String::new(),
        warning: None,
    };
    bench.tell(UpdateBody::Sources(vec![source]));
    let before = bench.app.revision();
    let next = bench.app.next_tick(NOW).unwrap();
    assert!(next > NOW);
    bench.app.update(Msg::Ticked, next - Micros(1));
    assert_eq!(bench.app.revision(), before);
    bench.app.update(Msg::Ticked, next);
    assert_eq!(bench.app.revision(), before + 1);
    assert!(bench.app.next_tick(next).unwrap() > next, "no busy waiting");
}

#[test]
fn a_refused_command_says_why() {
    let mut bench = Bench::with(three());
    bench.keys("a");
    let outcome = Outcome::Refused("Ollama is off.".to_owned());
    bench.tell(UpdateBody::CommandAnswered { id: CommandId(3), outcome });
    assert_eq!(bench.app.view.message.as_ref().unwrap().text, "Ollama is off.");
    assert!(!bench.app.is_asked());
}

#[test]
fn a_lost_monitor_is_said_and_leaving_is_one_key() {
    let mut bench = Bench::with(three());
    bench.tell(run(1, anomaly("a", 1, Severity::Sev1), ""));
    bench.app.update(Msg::MonitorLost("the disk is full\u{1b}[2J".to_owned()), NOW);
    assert_eq!(bench.app.status(NOW).text(), "The monitor ended: the disk is full·[2J");
    assert_eq!(bench.press(Key::ctrl('c')), [Effect::Quit]);
}

fn incident_of(id: u64, severity: Severity, services: &[&str], alerts: Vec<Alert>) -> IncidentView {
    let services: Vec<Arc<str>> = services.iter().map(|service| Arc::from(*service)).collect();
    let culprit = Suspect {
        service: services[0].clone(),
        operation: Some("a".into()),
        callee: None,
        score: 1.0,
        explains: Some(0.91),
        evidence: vec!["34 of 41 calls slow".to_owned()],
    };
    let incident = Incident {
        id: IncidentId(id),
        title: format!("{} (a) is slow; one other service feels it", services[0]),
        severity,
        onset: NOW - Micros::from_secs(120),
        raised: NOW - Micros::from_secs(100),
        last_seen: NOW,
        closed: None,
        alerts: alerts.iter().map(|alert| alert.id).collect(),
        suspects: vec![culprit],
        counterfactual: None,
        services,
    };
    let exemplars = vec![anomaly("a", 1, Severity::Sev1), anomaly("b", 2, Severity::Sev2)];
    IncidentView { incident, alerts, exemplars, life: Life::default() }
}

fn alert_of(id: u64, incident: u64, severity: Severity, subject: Subject) -> Alert {
    let window = TimeWindow::new(NOW - Micros::from_secs(60), NOW - Micros::from_secs(40));
    let exemplar = if id == 2 { 2 } else { 1 };
    Alert {
        id: AlertId(id),
        incident: IncidentId(incident),
        subject,
        kind: AlertKind::SelfTime,
        severity,
        onset: NOW - Micros::from_secs(120 - id),
        raised: NOW - Micros::from_secs(100),
        last_seen: NOW,
        closed: None,
        worst: Arithmetic {
            window,
            n: 41,
            k: 34,
            expected: 0.4,
            threshold: Some(Micros::from_millis(480)),
            log10_chance: -38.2,
            log10_alpha: -6.9,
            samples: 5_204,
            level: Some(Level::HourOfWeek),
            rho: 0.02,
        },
        detail: String::new(),
        exemplars: vec![TraceId(exemplar << 104)],
        shift: None,
    }
}

fn two_incidents() -> Vec<IncidentView> {
    let first = alert_of(1, 1, Severity::Sev1, Subject::Key(key("a")));
    let second = alert_of(2, 1, Severity::Sev2, Subject::Key(key("b")));
    let third = alert_of(3, 2, Severity::Sev3, Subject::Node("cart".into()));
    vec![
        incident_of(1, Severity::Sev1, &["order-matcher", "exchange"], vec![first, second]),
        incident_of(2, Severity::Sev3, &["cart"], vec![third]),
    ]
}

#[test]
fn records_alone_are_normal_and_one_incident_is_the_news() {
    let mut bench = Bench::with(three());
    assert_eq!(bench.app.alerts.counts(), [0; 5], "slow spans come on good days too");
    assert!(matches!(bench.app.status(NOW).mood, Mood::Calm));
    bench.tell(UpdateBody::Incidents(two_incidents()));
    assert_eq!(bench.app.alerts.counts(), [1, 0, 1, 0, 0]);
    let status = bench.app.status(NOW);
    let said = "2 incidents: order-matcher (a) is slow; one other service feels it, since 13:44:40Z";
    assert_eq!((status.text(), status.mood), (said, Mood::Alert(Severity::Sev1)));
    let mut over = two_incidents();
    over.iter_mut().for_each(|view| view.incident.closed = Some(NOW));
    bench.tell(UpdateBody::Incidents(over));
    assert_eq!((bench.app.alerts.counts(), bench.app.alerts.rows().len()), ([0; 5], 6), "over, and still to be read");
}

#[test]
fn the_cursor_steps_over_what_cannot_be_selected() {
    let mut bench = Bench::with(three());
    assert_eq!(bench.selected(), "a", "the heading is no row to be on");
    bench.keys("k");
    assert_eq!(bench.selected(), "a");
    bench.tell(UpdateBody::Incidents(two_incidents()));
    assert_eq!(bench.selected(), "incident 1", "a cursor that nobody moved follows the worst");
    bench.keys("l");
    let mut seen = vec![bench.selected()];
    for _ in 0..6 {
        bench.keys("j");
        seen.push(bench.selected());
    }
    assert_eq!(seen, ["incident 1", "alert 1", "alert 2", "incident 2", "a", "b", "c"]);
    bench.keys("kkkk");
    assert_eq!(bench.selected(), "alert 2");
    bench.keys("h");
    assert_eq!(bench.selected(), "incident 1", "folding goes to what the row was part of");
}

#[test]
fn what_is_asked_about_an_incident_is_asked_about_its_culprits_worst_span() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    let asked = [Effect::Send(CommandKind::StartAnalysis { anomaly: anomaly("a", 1, Severity::Sev1).id })];
    assert_eq!(bench.keys("a"), asked);
    bench.tell(run(1, anomaly("a", 1, Severity::Sev1), "words about it"));
    let mut moved = two_incidents();
    moved[0].exemplars.insert(0, anomaly("a", 7, Severity::Sev1));
    bench.tell(UpdateBody::Incidents(moved));
    assert!(bench.analysis_text().contains("words about it"), "a new exemplar does not pull the text away");
    bench.keys("ljj");
    assert!(!bench.analysis_text().contains("words about it"));
    let trace = anomaly("b", 2, Severity::Sev2).id.trace;
    assert_eq!(bench.keys("T"), [Effect::Send(CommandKind::ShowTrace { trace })]);
}

#[test]
fn the_arithmetic_is_that_of_what_was_selected_and_of_the_minute_asked_for() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    let subject = Subject::Key(key("a"));
    let at = NOW - Micros::from_secs(40);
    assert_eq!(bench.keys("w"), [Effect::Send(CommandKind::ExplainVerdict { subject: subject.clone(), at: Some(at) })]);
    let text = |bench: &Bench| {
        let lines = why::lines(&bench.app, bench.app.why_cursor().unwrap(), 200);
        lines.into_iter().map(|line| line.text + "\n").collect::<String>()
    };
    assert!(text(&bench).starts_with("S1 because 34 of 41 above 480ms in 20 s, 0.4 expected, chance 1 in 10³⁸."));
    let other = WhyView { subject: Subject::Key(key("c")), at, oldest: at, kinds: Vec::new() };
    bench.tell(UpdateBody::Why(Box::new(other)));
    assert!(text(&bench).contains("Asked for"), "another subject's arithmetic is not shown here");
    let quiet = Arithmetic { k: 3, log10_chance: -1.6, ..two_incidents()[0].alerts[0].worst };
    let tested = |obstacle, k| Tested {
        severity: Severity::Sev3,
        arithmetic: Arithmetic { k, ..quiet },
        obstacle: Some(obstacle),
    };
    let kind =
        |kind, samples, tested| KindTested { kind, detail: String::new(), samples, needs: 20, pooled: None, tested };
    let kinds = vec![
        kind(AlertKind::Duration, 400, vec![tested(Obstacle::LikelyByChance, 3)]),
        kind(AlertKind::Errors, 3, Vec::new()),
    ];
    bench.tell(UpdateBody::Why(Box::new(WhyView {
        subject: subject.clone(),
        at,
        oldest: at - Micros::from_secs(30),
        kinds,
    })));
    let shown = text(&bench);
    assert!(shown.contains("3 of 41 above 480ms, 0.4 expected, chance 1 in 40; an alert needs 1 in 8×10⁶"), "{shown}");
    assert!(shown.contains("not enough data (n = 3, needs 20)"), "{shown}");
    let earlier = Some(at - Micros::from_secs(30));
    assert_eq!(bench.keys("["), [Effect::Send(CommandKind::ExplainVerdict { subject, at: earlier })]);
    bench.code(KeyCode::Esc);
    assert_eq!(bench.app.place(), Place::Alerts);
}

#[test]
fn the_summary_names_the_worst_incidents_and_nothing_a_terminal_obeys() {
    let mut bench = Bench::with(three());
    let mut incidents = two_incidents();
    incidents[0].incident.title = "evil\u{1b}[2J is slow".to_owned();
    bench.tell(UpdateBody::Incidents(incidents));
    let summary = bench.app.summary(NOW);
    assert_eq!(summary.lines().count(), 3, "{summary}");
    assert!(summary.contains("2 incidents open") && !summary.contains('\u{1b}'), "{summary}");
}

#[test]
fn a_remark_goes_by_itself_and_trouble_stays() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Notice("Learnt 30 days.".to_owned()));
    let mut now = NOW;
    while bench.app.view.message.is_some() && now < NOW + Micros::from_secs(120) {
        now = bench.app.next_tick(now).unwrap();
        bench.app.update(Msg::Ticked, now);
    }
    assert_eq!(now, NOW + Micros::from_secs(30));
    bench.tell(UpdateBody::CommandAnswered { id: CommandId(3), outcome: Outcome::Refused("No.".to_owned()) });
    bench.app.update(Msg::Ticked, NOW + Micros::from_secs(3_600));
    assert!(bench.app.view.message.is_some());
}

#[test]
fn a_key_on_a_service_shows_the_alerts_of_exactly_that_service() {
    let mut alerts = three();
    alerts[1].key = SpanKey::new("order-matcher-canary", "b", SpanKind::Server);
    let mut bench = Bench::with(alerts);
    let service = |name: &str| ServiceView {
        service: name.to_owned(),
        state: crate::messages::ServiceState::Judged,
        severity: None,
        spans_per_s: 1.0,
        error_share: None,
        worst_operation: Some(SpanKey::new(name, "worst", SpanKind::Server)),
        p99_now: None,
        times_normal: None,
        operations: 1,
        last_seen: None,
        history: Vec::new(),
    };
    bench.tell(UpdateBody::Services(vec![service("order-matcher"), service("other")]));
    let asked = bench.code(KeyCode::BackTab);
    assert!(matches!(&asked[..], [Effect::Send(CommandKind::ShowBaseline { key })] if &*key.operation == "worst"));
    bench.keys("A");
    assert_eq!((bench.app.place(), bench.app.alerts.shown_records()), (Place::Alerts, 2));
}

/// The first incident's alerts have been on another level for half an hour.
fn shifted() -> Vec<IncidentView> {
    let mut views = two_incidents();
    for alert in &mut views[0].alerts {
        let Subject::Key(key) = alert.subject.clone() else { continue };
        let of = ShiftedKey { key, samples: 5_204, normal: None, now: None };
        alert.shift = Some(LevelShift { since: alert.onset, times: 3.0, keys: vec![of], accepted: None });
    }
    views
}

fn level(id: u64, alerts: &[u64], keys: &[&str]) -> LevelView {
    let level = AcceptedLevel {
        id: LevelId(id),
        incident: IncidentId(1),
        alerts: alerts.iter().map(|id| AlertId(*id)).collect(),
        keys: keys.iter().map(|operation| key(operation)).collect(),
        since: NOW,
        left_out: 5_204,
        at: NOW,
        by: "mira".to_owned(),
        undone: None,
    };
    LevelView { level, learnt: keys.iter().map(|_| 3).collect(), needs: 20 }
}

#[test]
fn a_level_is_accepted_by_two_keys_and_never_by_one() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(shifted()));
    assert_eq!(bench.keys("!"), []);
    assert_eq!(bench.app.place(), Place::Level);
    assert_eq!(bench.code(KeyCode::Esc), [], "esc changes nothing");
    assert_eq!(bench.app.place(), Place::Alerts);
    bench.keys("!");
    let asked = CommandKind::AcceptLevel { alerts: vec![AlertId(1), AlertId(2)] };
    assert_eq!(bench.press(Key::char('y')), [Effect::Send(asked)], "of an incident all that is offered");
    assert_eq!(bench.app.view.message.as_ref().unwrap().text, "Asked to accept the new level.");
    bench.tell(UpdateBody::Levels(vec![level(1, &[1, 2], &["a", "b"])]));
    assert_eq!(bench.app.view.message.as_ref().unwrap().text, "Accepted as the new normal; ! there undoes it.");
    bench.keys("lj!");
    let asked = CommandKind::AcceptLevel { alerts: vec![AlertId(1)] };
    assert_eq!(bench.press(Key::char('y')), [Effect::Send(asked)], "of an alert that alone");
    let why = "Nothing was changed: it is no longer steady.".to_owned();
    bench.tell(UpdateBody::CommandAnswered { id: CommandId(4), outcome: Outcome::Refused(why.clone()) });
    bench.tell(UpdateBody::Levels(Vec::new()));
    assert_eq!(bench.app.view.message.as_ref().unwrap().text, why, "what was refused is not taken for done");
}

#[test]
fn what_was_read_is_what_is_confirmed() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(shifted()));
    bench.keys("!");
    let mut moved = shifted();
    moved[0].alerts[1].shift = None;
    bench.tell(UpdateBody::Incidents(moved));
    let asked = CommandKind::AcceptLevel { alerts: vec![AlertId(1), AlertId(2)] };
    assert_eq!(bench.press(Key::char('y')), [Effect::Send(asked)], "the monitor refuses it as a whole");
}

#[test]
fn an_accepted_level_is_undone_where_it_shows_or_from_anywhere_one_after_the_other() {
    let mut bench = Bench::with(three());
    bench.keys("!");
    assert_eq!(bench.app.place(), Place::Alerts, "there is nothing to decide");
    assert!(bench.app.view.message.as_ref().unwrap().text.starts_with("No new level"));
    let (older, newer) = (level(1, &[1], &["b"]), level(2, &[7], &["z"]));
    bench.tell(UpdateBody::Levels(vec![newer, older]));
    let undo = |id| [Effect::Send(CommandKind::UndoLevel { level: LevelId(id) })];
    bench.keys("j");
    assert_eq!(bench.selected(), "b");
    bench.keys("!");
    assert_eq!(bench.press(Key::char('y')), undo(1), "the level of the key under the cursor");
    bench.keys("k!");
    assert_eq!(bench.press(Key::char('y')), undo(2), "else the newest");
    bench.keys("!!");
    assert_eq!(bench.press(Key::char('y')), undo(1), "and the ones before it");
    bench.tell(UpdateBody::Levels(vec![level(2, &[7], &["z"])]));
    assert_eq!(bench.app.view.message.as_ref().unwrap().text, "Undone: the old level answers again.");
    let mut accepted = shifted();
    accepted[0].alerts[0].closed = Some(NOW);
    accepted[0].alerts[1].closed = Some(NOW);
    for alert in &mut accepted[0].alerts {
        alert.shift.as_mut().unwrap().accepted = Some(LevelId(2));
    }
    bench.tell(UpdateBody::Incidents(accepted));
    bench.keys("g!");
    assert_eq!(bench.press(Key::char('y')), undo(2), "an incident's is the one that closed it");
}

fn calm(acked: bool, until: Until) -> Calm {
    Calm { act: ActId(1), acked, by: "mira".to_owned(), at: NOW, until, reason: "looking".to_owned() }
}

/// The first incident is acknowledged.
fn one_calm(until: Until) -> Vec<IncidentView> {
    let mut views = two_incidents();
    views[0].life.calm = Some(calm(true, until));
    views[0].life.alerts = vec![(AlertId(1), calm(true, until)), (AlertId(2), calm(true, until))];
    views
}

fn act(id: u64, deed: Deed) -> Act {
    Act { id: ActId(id), at: NOW, by: "mira".to_owned(), deed, undone: None }
}

fn ack(id: u64) -> Act {
    let hold = Hold::new(Until::Worse, String::new(), Some(Severity::Sev1), 2);
    let title = "order-matcher (a) is slow".to_owned();
    act(id, Deed::Acknowledged(Ack { title, incidents: vec![IncidentId(1)], whole: true, about: Vec::new(), hold }))
}

fn silence(id: u64) -> Act {
    let hold = Hold::new(Until::Recovered, String::new(), None, 0);
    act(id, Deed::Silenced(Silence { matcher: "svc=stock".to_owned(), hold }))
}

fn acts(all: Vec<Act>) -> UpdateBody {
    let last = all.last().cloned();
    let held = all.into_iter().map(|act| HeldView { act, covers: 0, ended: None }).collect();
    UpdateBody::Acts(Box::new(ActsView { held, maintenance: Vec::new(), last }))
}

fn said(bench: &Bench) -> &str {
    bench.app.view.message.as_ref().map_or("", |message| message.text.as_str())
}

#[test]
fn what_is_held_back_is_folded_and_drives_no_sentence() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(UpdateBody::Incidents(one_calm(Until::Worse)));
    assert_eq!(bench.app.alerts.counts(), [0, 0, 1, 0, 0]);
    let status = bench.app.status(NOW);
    assert_eq!(status.mood, Mood::Alert(Severity::Sev3));
    assert!(status.text().starts_with("1 incident: cart"), "{}", status.text());
    assert_eq!(bench.selected(), "incident 2");
    bench.keys("j");
    assert_eq!(bench.selected(), "calm");
    bench.keys("lj");
    assert_eq!(bench.selected(), "incident 1", "it is there to be read");
    assert!(bench.analysis_text().contains("Acknowledged 13:46Z by mira, until worse: looking"));
    bench.keys("kh");
    assert_eq!((bench.selected(), bench.app.alerts.rows().len()), ("calm".to_owned(), 2));
    let mut all = one_calm(Until::Worse);
    all[1].life.calm = Some(calm(false, Until::At(NOW + Micros::from_secs(7_200))));
    bench.tell(UpdateBody::Incidents(all));
    let calm = "No incident wants anybody: acked 1 (mira, until worse), silenced 1 (mira, until 15:46Z).";
    assert_eq!((bench.app.status(NOW).text(), bench.app.status(NOW).mood), (calm, Mood::Calm));
    let summary = bench.app.summary(NOW);
    assert!(summary.contains("S1  order-matcher") && summary.contains("acked by mira, until worse"), "{summary}");
}

#[test]
fn what_comes_back_says_why() {
    let mut bench = Bench::with(Vec::new());
    let mut views = two_incidents();
    let why = OverWhy::Worse { from: Severity::Sev2, to: Severity::Sev1 };
    let over = Over { at: NOW, why };
    views[0].life.back = Some(Back { act: ActId(1), by: "mira".into(), reason: "looking".into(), over });
    bench.tell(UpdateBody::Incidents(views));
    assert_eq!(bench.app.status(NOW).mood, Mood::Alert(Severity::Sev1));
    let text = bench.analysis_text();
    assert!(text.contains("Acknowledged by mira until 13:46Z, when it became worse, S2 to S1: looking"), "{text}");
}

#[test]
fn an_ack_takes_two_keys_or_an_end_and_a_reason() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    let order = |incident, alert, until, reason: &str| {
        let (incident, alert, seen) = (IncidentId(incident), Option::map(alert, AlertId), Severity::Sev1);
        let order = ActCommand::Acknowledge { incident, alert, seen, until, reason: reason.to_owned() };
        [Effect::Send(CommandKind::Act(order))]
    };
    bench.keys("x");
    assert_eq!(bench.app.place(), Place::ActForm);
    assert_eq!(bench.code(KeyCode::Enter), order(1, None, Until::Recovered, ""), "by day the proposal is: recovered");
    assert_eq!(bench.app.place(), Place::Alerts);
    bench.tell(acts(vec![ack(1)]));
    assert_eq!(said(&bench), "Done: mira acknowledged incident 1; u undoes it.");

    bench.keys("ljx2h");
    bench.code(KeyCode::Tab);
    bench.app.update(Msg::Pasted("disk\u{1b}[2J\nfull".to_owned()), NOW);
    let until = Until::At(NOW + Micros::from_secs(7_200));
    assert_eq!(bench.code(KeyCode::Enter), order(1, Some(1), until, "disk·[2J full"));

    bench.keys("xsoon");
    assert_eq!(bench.code(KeyCode::Enter), []);
    assert!(bench.app.view.act_form.as_ref().unwrap().error.as_ref().unwrap().contains("07:30"));
    bench.press(Key::ctrl('u'));
    bench.keys("w");
    assert_eq!(bench.code(KeyCode::Enter), order(1, Some(1), Until::Worse, ""));
    bench.keys("xq");
    assert_eq!((bench.code(KeyCode::Esc), bench.app.place()), (vec![], Place::Alerts), "letters are text");
}

#[test]
fn at_night_an_ack_is_until_worse_unless_said_otherwise() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    // 23:46 on the same day.
    bench.now = NOW + Micros::from_secs(36_000);
    bench.keys("x");
    assert_eq!(bench.app.view.act_form.as_ref().unwrap().text(acts::UNTIL), "worse");
}

#[test]
fn a_silence_proposes_what_is_selected_and_refuses_what_matches_all() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    let matcher = |bench: &Bench| bench.app.view.act_form.as_ref().unwrap().text(acts::MATCHER).to_owned();
    bench.keys("s");
    assert_eq!(matcher(&bench), "svc=order-matcher", "the culprit's service");
    bench.code(KeyCode::Esc);
    bench.keys("ljs");
    assert_eq!(matcher(&bench), "svc=order-matcher op=a kind:self-time");
    let form = bench.app.view.act_form.clone().unwrap();
    let text: String = acts::form_lines(&bench.app, &form, 80, NOW).into_iter().map(|line| line.text + "\n").collect();
    assert!(text.contains("Matches 1 of 3 open alerts now."), "{text}");
    bench.press(Key::ctrl('u'));
    assert_eq!((matcher(&bench), bench.code(KeyCode::Enter)), (String::new(), vec![]));
    assert!(bench.app.view.act_form.as_ref().unwrap().error.as_ref().unwrap().contains("svc=pay"));
    bench.keys("kind:errors svc:pay*");
    let order = ActCommand::Silence {
        matcher: "kind:errors svc:pay*".to_owned(),
        until: Until::Recovered,
        reason: String::new(),
    };
    assert_eq!(bench.code(KeyCode::Enter), [Effect::Send(CommandKind::Act(order))]);
}

#[test]
fn what_is_listed_is_ended_by_two_keys_even_if_it_matches_nothing() {
    let mut bench = Bench::with(Vec::new());
    bench.keys("X");
    assert_eq!(bench.app.place(), Place::Acts);
    bench.keys("d");
    assert!(said(&bench).starts_with("Only an ack"), "{}", said(&bench));
    bench.tell(acts(vec![ack(1), silence(2)]));
    bench.keys("jd");
    assert_eq!(bench.app.place(), Place::EndAct);
    bench.tell(acts(vec![ack(1), silence(2), silence(3)]));
    let order = ActCommand::End { act: ActId(2) };
    assert_eq!(bench.keys("y"), [Effect::Send(CommandKind::Act(order))], "what was read is what is ended");
    assert_eq!(bench.app.place(), Place::Acts);
    bench.code(KeyCode::Esc);
    assert_eq!(bench.app.place(), Place::Alerts);
}

#[test]
fn an_undoing_is_of_the_newest_act_or_of_a_recalculation_that_is_newer() {
    let mut bench = Bench::with(Vec::new());
    assert_eq!(bench.app.undoable(), None);
    bench.tell(acts(vec![ack(1), silence(2)]));
    assert_eq!(bench.app.undoable(), Some("undo silence"));
    let undo = |act| [Effect::Send(CommandKind::Act(ActCommand::Undo { act: ActId(act) }))];
    assert_eq!(bench.keys("u"), undo(2));
    bench.tell(acts(vec![ack(1)]));
    assert_eq!((said(&bench), bench.app.undoable()), ("Undone: mira silenced svc=stock.", Some("undo ack")));
    let done = |how, at| {
        UpdateBody::Recalculation(RecalculationState::Done {
            how,
            at,
            took: Micros(1),
            generation: 2,
            keys: 1,
            samples: 1,
            changed: 0,
            compared: 0,
            largest: Vec::new(),
            alerts: crate::messages::RejudgedAlerts::default(),
        })
    };
    bench.tell(done(RecalculationKind::Applied, NOW + Micros(5)));
    assert_eq!(bench.app.undoable(), Some("undo ack"), "nobody here asked for that one");
    bench.keys("r");
    bench.tell(done(RecalculationKind::Applied, NOW + Micros(9)));
    assert_eq!(bench.app.undoable(), Some("undo recalc"));
    assert_eq!(bench.keys("u"), [Effect::Send(CommandKind::TakeBackRecalculation)]);
    bench.tell(done(RecalculationKind::TakenBack, NOW + Micros(12)));
    assert_eq!(bench.keys("u"), undo(1));
    let refused = Outcome::Refused("Nothing was done: something else was done since; look again.".to_owned());
    bench.tell(UpdateBody::CommandAnswered { id: CommandId(1), outcome: refused });
    bench.tell(acts(Vec::new()));
    assert!(said(&bench).starts_with("Nothing was done"), "what was refused is not taken for done");
}

#[test]
fn a_verdict_costs_one_key() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    let rate = |verdict| [Effect::Send(CommandKind::Act(ActCommand::Rate { incident: IncidentId(1), verdict }))];
    assert_eq!(bench.keys("+"), rate(Verdict::Useful));
    assert_eq!(bench.keys("-"), rate(Verdict::Noise));
}

#[test]
fn no_key_answers_a_question_that_nobody_has_seen() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(acts(vec![silence(2)]));
    let drawn = bench.app.revision();
    bench.keys("X");
    bench.keys("d");
    assert!(bench.app.is_hasty(Key::char('y'), drawn) && !bench.app.is_hasty(Key::plain(KeyCode::Esc), drawn));
    assert!(!bench.app.is_hasty(Key::char('y'), bench.app.revision()));
    bench.code(KeyCode::Esc);
    let seen = bench.app.revision();
    bench.keys("d");
    assert!(bench.app.is_hasty(Key::char('y'), seen), "each question anew");
}

#[test]
fn the_palette_does_what_the_key_would_have_done() {
    let mut bench = Bench::with(three());
    bench.keys(":rehearse");
    assert_eq!(bench.app.place(), Place::Palette);
    assert_eq!(bench.code(KeyCode::Enter), [Effect::Send(CommandKind::RehearseRecalculation)]);
    assert_eq!(bench.app.place(), Place::Alerts, "it is closed");
    bench.keys(":undo recalc");
    assert_eq!(bench.code(KeyCode::Enter), [Effect::Send(CommandKind::TakeBackRecalculation)]);
    bench.keys(":SEV1 and");
    bench.code(KeyCode::Enter);
    assert_eq!(bench.app.view.severity, Some(Severity::Sev1));
}

#[test]
fn the_palette_is_moved_in_and_left_without_doing_anything() {
    let mut bench = Bench::with(three());
    bench.keys(":recalc");
    let chosen = |bench: &Bench| bench.app.view.palette.as_ref().unwrap().at;
    bench.press(Key::ctrl('n'));
    assert_eq!(chosen(&bench), 1);
    bench.press(Key::ctrl('p'));
    bench.code(KeyCode::Down);
    assert_eq!(chosen(&bench), 1);
    bench.keys("u");
    assert_eq!(chosen(&bench), 0, "other letters, another choice");
    assert_eq!(bench.code(KeyCode::Esc), []);
    assert_eq!((bench.app.place(), bench.selected()), (Place::Alerts, "a".to_owned()));
    bench.keys(":no such thing");
    assert_eq!(bench.code(KeyCode::Enter), []);
    assert_eq!(bench.app.place(), Place::Palette);
}

#[test]
fn what_works_elsewhere_is_named_and_not_done() {
    let mut bench = Bench::with(three());
    bench.code(KeyCode::Enter);
    assert_eq!(bench.app.place(), Place::Trace);
    bench.keys(":rehearse");
    assert_eq!(bench.code(KeyCode::Enter), []);
    assert_eq!(bench.app.view.message.as_ref().unwrap().text, "That works in: the panes, Week.");
    bench.code(KeyCode::Esc);
    assert_eq!(bench.app.place(), Place::Trace);
}

fn incident(id: u64, severity: Severity) -> IncidentView {
    let subject = Subject::Node("order-matcher".into());
    incident_of(id, severity, &["order-matcher"], vec![alert_of(id, id, severity, subject)])
}

fn copied(effects: &[Effect]) -> &str {
    match effects {
        [Effect::Copy(clip)] => clip.text(),
        other => panic!("nothing was copied: {other:?}"),
    }
}

#[test]
fn what_is_selected_is_copied_as_one_would_tell_it() {
    let mut bench = Bench::new();
    let effects = bench.keys("y");
    assert!(copied(&effects).ends_with("Waiting for the first poll."), "{effects:?}");
    bench.app = std::mem::take(&mut bench.app).with_trace_pages(Some("https://ops.example/jaeger".to_owned()));
    bench.tell(UpdateBody::Records(three()));
    let effects = bench.keys("y");
    let lines: Vec<&str> = copied(&effects).lines().collect();
    assert_eq!(lines[0], "S1 order-matcher a: 1 slow of 4 judged, since Mon 12 Jan 13:41Z");
    assert!(lines[1].starts_with("why: S1 because 901ms is"), "{lines:?}");
    let id = TraceId(1 << 104);
    assert_eq!(lines[2], format!("trace: https://ops.example/jaeger/trace/{id}"));
    assert_eq!(lines.len(), 3);
    assert_eq!(said(&bench), format!("Record: copied {} bytes.", copied(&effects).len()));
}

#[test]
fn an_incident_is_copied_with_what_why_and_since_when_and_its_alert_alone_too() {
    let mut bench = Bench::new();
    bench.tell(UpdateBody::Incidents(vec![incident(7, Severity::Sev1)]));
    let effects = bench.keys("y");
    let text = copied(&effects).to_owned();
    for part in ["S1 ", "(incident 7)", "since ", "why: "] {
        assert!(text.contains(part), "{part} in {text}");
    }
    bench.keys("lj");
    let effects = bench.keys("y");
    let alone = copied(&effects);
    assert!(alone.contains("part of: ") && alone.lines().next() != text.lines().next(), "{alone}");
}

#[test]
fn an_open_trace_is_copied_by_its_id_and_linked_by_its_page() {
    let mut bench = Bench::with(three());
    bench.code(KeyCode::Enter);
    let id = TraceId(1 << 104);
    assert_eq!(copied(&bench.keys("y")), id.to_string());
    assert_eq!(bench.keys("o"), [], "no page is known");
    assert!(said(&bench).contains("y copies its id"));
    bench.app = std::mem::take(&mut bench.app).with_trace_pages(Some("http://jaeger:16686".to_owned()));
    let link = format!("http://jaeger:16686/trace/{id}");
    assert_eq!(copied(&bench.keys("o")), link);
    assert_eq!(said(&bench), format!("{link} copied {} bytes", link.len()));
}

#[test]
fn names_are_copied_without_what_a_terminal_obeys() {
    let mut bench =
        Bench::with(vec![alert("a\u{1b}]52;c;eA==\u{7}\u{9b}b\r\n", vec![anomaly("a", 1, Severity::Sev1)])]);
    let effects = bench.keys("y");
    assert!(copied(&effects).chars().all(|c| c == '\n' || crate::domain::text::is_plain(c)), "{effects:?}");
}

#[test]
fn a_frozen_screen_shows_what_was_and_tells_what_waits() {
    let mut bench = Bench::new();
    bench.tell(UpdateBody::Incidents(vec![incident(1, Severity::Sev3)]));
    let badge = |bench: &Bench| bench.app.badge(bench.now).map(|badge| (badge.text, badge.urgent));
    assert_eq!(badge(&bench), None);
    bench.keys(" ");
    assert_eq!(badge(&bench), Some(("FROZEN now".to_owned(), false)));
    let drawn = bench.app.revision();
    bench.tell(UpdateBody::Services(Vec::new()));
    assert_eq!(bench.app.revision(), drawn, "nothing visible changed, nothing is drawn");
    bench.tell(UpdateBody::Incidents(vec![incident(2, Severity::Sev3), incident(1, Severity::Sev3)]));
    assert!(bench.app.revision() > drawn);
    bench.now = bench.now + Micros::from_secs(150);
    assert_eq!(badge(&bench), Some(("FROZEN 2m, 1 new alert waits".to_owned(), false)));
    bench.tell(UpdateBody::Incidents(vec![incident(2, Severity::Sev3), incident(1, Severity::Sev1)]));
    assert_eq!(badge(&bench), Some(("FROZEN 2m, 2 new alerts wait, S1 among them".to_owned(), true)));
    assert_eq!(bench.app.alerts.counts(), [0, 0, 1, 0, 0], "what is shown has not moved");
    assert_eq!(bench.app.shown_at(bench.now), NOW);
    bench.keys(" ");
    assert_eq!(badge(&bench), None);
    assert_eq!(bench.app.alerts.counts(), [1, 0, 1, 0, 0]);
    assert_eq!(bench.app.shown_at(bench.now), bench.now);
}

#[test]
fn what_is_asked_of_a_frozen_screen_is_answered() {
    let mut bench = Bench::with(three());
    bench.keys(" ");
    bench.keys("j");
    assert_eq!(bench.selected(), "b", "keys navigate");
    bench.tell(run(1, anomaly("b", 2, Severity::Sev2), "because"));
    assert!(bench.analysis_text().contains("because"));
    bench.tell(UpdateBody::Records(Vec::new()));
    assert_eq!(bench.selected(), "b");
    bench.code(KeyCode::Enter);
    assert_eq!(bench.app.place(), Place::Trace);
    bench.keys(" ");
    assert!(!bench.app.is_frozen(), "wherever it was frozen");
}

#[test]
fn a_frozen_screen_wakes_nobody_but_for_its_badge() {
    let mut bench = Bench::with(three());
    bench.keys(" ");
    assert_eq!(bench.app.next_tick(NOW), Some(NOW + Micros::from_secs(10)));
    let later = NOW + Micros::from_secs(3_700);
    assert_eq!(bench.app.next_tick(later), Some(NOW + Micros::from_secs(7_200)));
}

#[test]
fn a_question_has_its_keys_for_itself() {
    let keys = KeyMap::default();
    for key in [Key::char(' '), Key::char(':'), Key::char('o')] {
        assert_eq!(keys.action(Place::Level, key), None);
        assert_eq!(keys.action(Place::EndAct, key), None);
    }
    assert_eq!(keys.action(Place::Level, Key::char('y')), Some(keymap::Action::ConfirmLevel));
    assert_eq!(keys.action(Place::EndAct, Key::char('y')), Some(keymap::Action::ConfirmEnd));
}

#[test]
fn what_is_a_key_elsewhere_is_text_in_a_form() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    bench.keys("x");
    bench.code(KeyCode::Tab);
    assert_eq!(bench.keys("why: you q?"), []);
    assert_eq!(bench.app.view.act_form.as_ref().unwrap().text(acts::REASON), "why: you q?");
    assert!(!bench.app.is_frozen() && bench.app.place() == Place::ActForm);
}

#[test]
fn the_palette_opens_what_is_typed_about_an_incident() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    bench.keys(":acknowledge");
    assert_eq!(bench.code(KeyCode::Enter), []);
    assert_eq!(bench.app.place(), Place::ActForm);
    bench.code(KeyCode::Esc);
    bench.keys(":noise");
    let rate = ActCommand::Rate { incident: IncidentId(1), verdict: Verdict::Noise };
    assert_eq!(bench.code(KeyCode::Enter), [Effect::Send(CommandKind::Act(rate))]);
}

#[test]
fn a_row_of_the_acts_is_copied_with_all_that_is_told_of_it() {
    let mut bench = Bench::with(Vec::new());
    bench.keys("X");
    assert_eq!(bench.keys("y"), [], "there is none");
    bench.tell(acts(vec![ack(1), silence(2)]));
    bench.keys("j");
    let effects = bench.keys("y");
    assert!(copied(&effects).starts_with("silence svc=stock\nBy mira "), "{effects:?}");
    assert!(said(&bench).starts_with("Silence: copied "), "{}", said(&bench));
}

#[test]
fn what_is_done_on_a_frozen_screen_is_answered_and_what_is_told_anew_waits() {
    let mut bench = Bench::with(Vec::new());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    bench.tell(acts(vec![silence(1)]));
    bench.keys("X ");
    let drawn = bench.app.revision();
    let mut counted = ActsView { last: Some(silence(1)), ..ActsView::default() };
    counted.held.push(HeldView { act: silence(1), covers: 7, ended: None });
    bench.tell(UpdateBody::Acts(Box::new(counted)));
    assert_eq!(bench.app.revision(), drawn, "nothing moves under the reader");
    bench.keys("dy");
    bench.tell(acts(vec![silence(1), act(2, Deed::Ended(ActId(1)))]));
    assert_eq!(said(&bench), "Done: mira ended an ack or a silence; u undoes it.");
    bench.keys("  ");
    assert_eq!(bench.app.held(ActId(1)).map(|view| view.covers), Some(0), "what waited was older");
    bench.code(KeyCode::Esc);
    bench.keys("x");
    assert!(matches!(bench.code(KeyCode::Enter).as_slice(), [Effect::Send(CommandKind::Act(_))]));
}

#[test]
fn what_is_held_back_does_not_wait_behind_a_frozen_screen() {
    let mut bench = Bench::with(Vec::new());
    let badge = |bench: &Bench| bench.app.badge(bench.now).map(|badge| badge.text);
    bench.tell(UpdateBody::Incidents(vec![two_incidents().remove(1)]));
    bench.keys(" ");
    bench.tell(UpdateBody::Incidents(one_calm(Until::Worse)));
    assert_eq!(badge(&bench).as_deref(), Some("FROZEN now"), "it is acknowledged");
    bench.keys("  ");
    bench.tell(UpdateBody::Incidents(two_incidents()));
    assert_eq!(badge(&bench).as_deref(), Some("FROZEN now, 2 new alerts wait, S1 among them"), "it came back");
}

#[test]
fn the_next_sitting_starts_where_the_last_one_ended() {
    let mut bench = Bench::with(three());
    bench.keys("5/svc:order*");
    bench.code(KeyCode::Enter);
    bench.code(KeyCode::BackTab);
    let kept = bench.app.kept();
    let kept: Kept = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
    let mut next = Bench::new();
    next.app.restore(kept.clone(), NOW);
    assert_eq!((next.app.kept(), next.app.view.focus), (kept, bench.app.view.focus));
    assert_eq!(next.app.view.severity, Some(Severity::Sev5));
    let told = next.app.view.message.as_ref().unwrap();
    assert!(told.text.contains("svc:order*; esc clears it"), "what hides alerts is said: {}", told.text);
}

/// Friday 20 November 2026, 03:12:44 UTC.
const FRIDAY: Timestamp = Timestamp::from_secs(1_795_144_364);

#[test]
fn the_clock_is_switched_everywhere_and_remembered_and_texts_for_others_stay_utc() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    bench.app = std::mem::take(&mut bench.app).with_zone(chrono_tz::Europe::Berlin, TimeShown::Utc);
    let copied = |bench: &mut Bench| match bench.keys("y").as_slice() {
        [Effect::Copy(clip)] => clip.text().to_owned(),
        other => panic!("{other:?}"),
    };
    let utc = (bench.app.summary(bench.now), copied(&mut bench));
    assert!(utc.0.starts_with("Mon 12 Jan 13:46Z") && utc.1.contains("13:4"), "{utc:?}");
    bench.keys("U");
    assert_eq!(said(&bench), "Times are those of Europe/Berlin, now CET; U shows UTC.");
    let local = bench.app.summary(bench.now);
    assert!(local.starts_with("Mon 12 Jan 14:46 CET") && !local.contains("Z,") && !local.ends_with('Z'), "{local}");
    assert_eq!(copied(&mut bench), utc.1, "who reads it may be elsewhere");
    assert_eq!(bench.app.clock(), Clock::new(chrono_tz::Europe::Berlin));
    let kept: Kept = serde_json::from_str(&serde_json::to_string(&bench.app.kept()).unwrap()).unwrap();
    let mut next = Bench::new();
    next.app = std::mem::take(&mut next.app).with_zone(chrono_tz::Europe::Berlin, TimeShown::Utc);
    next.app.restore(kept, NOW);
    assert_eq!(next.app.view.time, TimeShown::Local);
    next.app.restore(Kept::default(), NOW);
    assert_eq!(next.app.view.time, TimeShown::Local, "an older file says nothing of it");
    bench.keys("U");
    assert_eq!(bench.app.summary(bench.now), utc.0);
}

#[test]
fn where_no_zone_is_known_the_key_says_so_and_times_stay() {
    let mut bench = Bench::with(three());
    bench.keys("U");
    assert_eq!(bench.app.clock(), Clock::UTC);
    assert!(said(&bench).contains("write zone ="), "{}", said(&bench));
}

#[test]
fn a_typed_time_is_meant_as_the_clock_shows_it() {
    for (zone, now, typed, end) in [
        (chrono_tz::Europe::Berlin, FRIDAY, "07:30", "Ends Fri 20 Nov 07:30."),
        (chrono_tz::America::New_York, FRIDAY, "07:30", "Ends Fri 20 Nov 07:30."),
        // Sunday 25 October 2026, 01:50 in Berlin: 02:30 comes twice, the first is meant and told.
        (chrono_tz::Europe::Berlin, Timestamp::from_secs(1_792_885_800), "02:30", "Ends Sun 25 Oct 02:30+2."),
        // Sunday 29 March 2026, 01:50 in Berlin: 02:30 is skipped.
        (chrono_tz::Europe::Berlin, Timestamp::from_secs(1_774_745_400), "02:30", "Ends Sun 29 Mar 03:30."),
    ] {
        let mut bench = Bench::with(Vec::new());
        bench.now = now;
        bench.app = std::mem::take(&mut bench.app).with_zone(zone, TimeShown::Local);
        bench.tell(UpdateBody::Incidents(two_incidents()));
        bench.keys("x");
        bench.press(Key::ctrl('u'));
        bench.keys(typed);
        let form = bench.app.view.act_form.as_ref().unwrap();
        let lines = acts::form_lines(&bench.app, form, 100, now);
        let text: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        assert!(text.iter().any(|line| line.trim() == end), "{text:?}");
        let zone = bench.app.clock().zone_at(now);
        assert!(text.iter().any(|line| line.contains(&format!("07:30 ({zone})"))), "{text:?}");
        let effects = bench.code(KeyCode::Enter);
        let Some(Effect::Send(CommandKind::Act(ActCommand::Acknowledge { until: Until::At(at), .. }))) =
            effects.first()
        else {
            panic!("{effects:?}")
        };
        assert_eq!(format!("Ends {}.", bench.app.clock().date(*at)), end);
    }
}

#[test]
fn filters_that_were_kept_are_called_back_and_what_was_typed_is_not_lost() {
    let mut bench = Bench::with(three());
    for n in (0..25).chain([20]) {
        bench.keys("/");
        bench.press(Key::ctrl('u'));
        bench.keys(&format!("svc:s{n}"));
        bench.code(KeyCode::Enter);
    }
    let mut next = Bench::with(three());
    next.app.restore(bench.app.kept(), NOW);
    let line = |bench: &Bench| bench.app.view.typing.as_ref().unwrap().line.text().to_owned();
    next.keys("/");
    assert_eq!(line(&next), "svc:s20", "the filter that is set");
    next.code(KeyCode::Up);
    assert_eq!(line(&next), "svc:s24", "not the same once more");
    assert_eq!(next.app.view.filter_text, "svc:s24", "it applies at once");
    (0..30).for_each(|_| _ = next.code(KeyCode::Up));
    assert_eq!(line(&next), "svc:s5", "the oldest of the twenty");
    let drawn = next.app.revision();
    next.code(KeyCode::Up);
    assert_eq!(next.app.revision(), drawn, "there is no older one");
    next.press(Key::ctrl('u'));
    next.keys("rate ");
    next.code(KeyCode::Up);
    next.code(KeyCode::Up);
    next.code(KeyCode::Down);
    assert_eq!(line(&next), "svc:s20");
    next.code(KeyCode::Down);
    assert_eq!(line(&next), "rate ", "every character of it");
    let drawn = next.app.revision();
    next.code(KeyCode::Down);
    assert_eq!(next.app.revision(), drawn);
    next.code(KeyCode::Esc);
    assert_eq!(next.app.kept().filters, bench.app.kept().filters, "what was not kept with enter is not called back");
    assert_eq!(next.app.kept().filters.len(), 20);
}

#[test]
fn what_was_being_typed_when_the_terminal_went_away_is_there_when_it_is_opened_again() {
    let mut bench = Bench::with(three());
    bench.keys("s");
    bench.keys("sev<=3");
    let mut next = Bench::with(three());
    next.app.restore(bench.app.kept(), NOW);
    assert!(next.app.view.message.as_ref().unwrap().text.contains("A silence was being typed; s goes on"));
    assert_eq!(next.app.kept(), bench.app.kept(), "a sitting in which nobody asked for it passes it on");
    next.keys("s");
    let line = |app: &App| app.view.act_form.as_ref().unwrap().fields[0].line.text().to_owned();
    assert_eq!(line(&next.app), line(&bench.app));
    next.code(KeyCode::Esc);
    assert_eq!(next.app.kept().draft, None, "what was given up is not offered again");

    let mut typing = Bench::with(three());
    typing.keys("/svc:pay");
    let mut after = Bench::with(three());
    after.app.restore(typing.app.kept(), NOW);
    assert!(after.app.view.filter.is_empty(), "it was not yet kept");
    after.keys("/");
    assert_eq!(after.app.view.typing.as_ref().unwrap().line.text(), "svc:pay");
}
#[path = "incident_tests.rs"]
mod incident_page;
