use super::*;
use crate::app::incident::{IncidentLayout, Line, Part, lines};
use crate::domain::Note;
use crate::messages::{BaselineView, IncidentHistory};

/// The page of the first incident, opened on a row that these keys lead to.
fn page(keys: &str) -> Bench {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    bench.keys(keys);
    bench.code(KeyCode::Enter);
    bench
}

fn cursor(bench: &Bench) -> &IncidentCursor {
    bench.app.incident_page().unwrap()
}

fn text(bench: &Bench, part: Part) -> String {
    let lines = lines(&bench.app, cursor(bench), part, 200, bench.now).into_iter();
    lines
        .map(|line| match line {
            Line::Text(line) => line.text + "\n",
            Line::Rung(rung) => format!("{} {}\n", rung.severity, rung.name),
        })
        .collect()
}

fn history(incident: u64, acts: Vec<Act>) -> UpdateBody {
    let incident = IncidentId(incident);
    UpdateBody::IncidentHistory(Box::new(IncidentHistory { incident, acts, alike: Vec::new(), similar: Vec::new() }))
}

#[test]
fn enter_opens_an_incident_and_its_alerts_and_of_a_slow_span_the_trace() {
    let mut bench = Bench::with(three());
    bench.tell(UpdateBody::Incidents(two_incidents()));
    let effects = bench.code(KeyCode::Enter);
    let asked = CommandKind::ShowIncident { incident: Some(IncidentId(1)) };
    assert_eq!(effects.iter().filter(|effect| **effect == Effect::Send(asked.clone())).count(), 1, "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Send(CommandKind::ExplainVerdict { .. }))));
    assert_eq!((bench.app.place(), cursor(&bench).selected), (Place::Incident, None));
    assert_eq!(bench.code(KeyCode::Esc), [Effect::Send(CommandKind::ShowIncident { incident: None })]);
    assert_eq!(bench.app.place(), Place::Alerts);
    assert_eq!(cursor(&page("lj")).selected, Some(AlertId(1)), "of an alert's row that alert");
    assert_eq!(page("jj").app.place(), Place::Trace);
}

#[test]
fn what_is_done_on_the_page_is_done_to_what_it_shows() {
    let mut bench = page("");
    // Nothing of it passes the list's filter any more, and the list's cursor is elsewhere.
    bench.app.view.filter = Filter::parse("svc=cart").unwrap();
    bench.app.view.severity = Some(Severity::Sev3);
    bench.tell(UpdateBody::Records(Vec::new()));
    assert_eq!(bench.selected(), "incident 2");
    let rate = |verdict| [Effect::Send(CommandKind::Act(ActCommand::Rate { incident: IncidentId(1), verdict }))];
    assert_eq!(bench.keys("-"), rate(Verdict::Noise));
    assert_eq!(
        bench.keys("a"),
        [Effect::Send(CommandKind::StartAnalysis { anomaly: anomaly("a", 1, Severity::Sev1).id })]
    );
    bench.code(KeyCode::Down);
    bench.code(KeyCode::Down);
    assert_eq!(cursor(&bench).selected, Some(AlertId(2)));
    let trace = anomaly("b", 2, Severity::Sev2).id.trace;
    assert_eq!(bench.keys("T"), [Effect::Send(CommandKind::ShowTrace { trace })]);
    assert_eq!(bench.app.place(), Place::Trace);
    bench.code(KeyCode::Esc);
    assert_eq!((bench.app.place(), cursor(&bench).selected), (Place::Incident, Some(AlertId(2))), "back where one was");
    bench.keys("x");
    bench.code(KeyCode::Tab);
    let until = Until::Recovered;
    let (incident, alert, seen) = (IncidentId(1), Some(AlertId(2)), Severity::Sev2);
    let ack = ActCommand::Acknowledge { incident, alert, seen, until, reason: String::new() };
    assert_eq!(bench.code(KeyCode::Enter), [Effect::Send(CommandKind::Act(ack))]);
    bench.keys("s");
    assert_eq!(bench.app.view.act_form.as_ref().unwrap().text("what"), "svc=order-matcher op=b kind:self-time");
    bench.code(KeyCode::Esc);
    assert_eq!(bench.app.place(), Place::Incident);
    assert_eq!(bench.app.alerts.selected_incident(&bench.app.view.alerts).unwrap().incident.id, IncidentId(2));
}

#[test]
fn views_opened_from_the_page_lie_over_it_and_lead_back_to_it() {
    let mut bench = page("lj");
    for (open, place, back) in
        [('w', Place::Why, 'w'), ('X', Place::Acts, 'X'), ('w', Place::Why, 'q'), ('X', Place::Acts, 'q')]
    {
        let before = cursor(&bench).clone();
        bench.press(Key::char(open));
        assert_eq!(bench.app.place(), place);
        assert_eq!(bench.app.incident_page(), Some(&before), "it is about what lies under it");
        let asked = bench.press(Key::char(back));
        assert_eq!(bench.app.place(), Place::Incident, "{open}");
        let again = asked.iter().any(|effect| matches!(effect, Effect::Send(CommandKind::ExplainVerdict { .. })));
        assert_eq!(again, open == 'w', "another minute may have been looked at");
    }
    bench.keys("w");
    bench.keys("X");
    assert_eq!(bench.app.place(), Place::Why, "no key of that place");
    bench.code(KeyCode::Esc);
    bench.tell(UpdateBody::Incidents(shifted()));
    bench.keys("!");
    assert_eq!(bench.app.place(), Place::Level);
    assert!(matches!(bench.keys("y").as_slice(), [Effect::Send(CommandKind::AcceptLevel { .. }), ..]));
    assert_eq!(bench.app.place(), Place::Incident);
    bench.keys("T");
    assert_eq!(bench.app.place(), Place::Trace);
    bench.keys("q");
    bench.keys("q");
    assert_eq!(bench.app.place(), Place::Alerts);
}

#[test]
fn what_has_closed_or_is_forgotten_stays_to_be_read() {
    let mut bench = page("");
    let mut over = two_incidents();
    over[0].incident.closed = Some(NOW);
    over[0].alerts.iter_mut().for_each(|alert| alert.closed = Some(NOW));
    bench.tell(UpdateBody::Incidents(over));
    let (_, _, state) = incident::title(&bench.app, cursor(&bench), NOW);
    assert!(state.starts_with("over since 13:46Z, lasted "), "{state}");
    assert!(text(&bench, Part::Why).contains(" to 13:46:40Z, lasted "));
    bench.keys("x");
    assert_eq!((bench.app.place(), said(&bench)), (Place::Incident, "It is over: there is nothing to acknowledge."));
    bench.tell(UpdateBody::Incidents(Vec::new()));
    let told = text(&bench, Part::Why);
    assert!(told.contains("no longer keeps this incident") && told.contains("WHY S1"), "{told}");
    bench.keys("q");
    bench.tell(UpdateBody::Incidents(two_incidents()));
    bench.code(KeyCode::Enter);
    assert!(!text(&bench, Part::Why).contains("no longer"), "it is known again");
}

#[test]
fn a_note_is_written_on_the_page_or_in_the_list_and_not_lost_when_it_is_left() {
    let mut bench = page("");
    bench.keys("nq");
    bench.code(KeyCode::Enter);
    bench.app.update(Msg::Pasted("disk\u{1b}[2J\r\nfull".to_owned()), NOW);
    assert_eq!(bench.app.place(), Place::Note, "letters are text");
    bench.code(KeyCode::Esc);
    assert!(said(&bench).contains("n goes on with it"));
    bench.keys("q");
    assert_eq!(bench.app.place(), Place::Alerts);
    bench.keys("n");
    let sent = bench.press(Key::ctrl('s'));
    let text_of = "q\ndisk[2J\nfull".to_owned();
    let note = ActCommand::Note { incident: IncidentId(1), text: text_of.clone() };
    assert_eq!(sent, [Effect::Send(CommandKind::Act(note))]);
    bench.tell(UpdateBody::CommandAnswered { id: CommandId(1), outcome: Outcome::Refused("the disk is full".into()) });
    bench.keys("n");
    assert_eq!(bench.app.view.note.as_ref().unwrap().input.text(), text_of, "what could not be kept is not lost");
    let alt_enter = Key { alt: true, ..Key::plain(KeyCode::Enter) };
    assert_eq!(bench.press(alt_enter), sent);
    let done = act(9, Deed::Noted(Note { incident: IncidentId(1), text: text_of }));
    bench.tell(acts(vec![done.clone()]));
    assert_eq!(said(&bench), "Done: mira noted something about incident 1; u undoes it.");
    assert_eq!(bench.app.undoable(), Some("undo note"));
    bench.keys("n");
    assert_eq!(bench.app.view.note.as_ref().unwrap().input.text(), "");
    assert_eq!(bench.press(Key::ctrl('s')), [], "nothing is written yet");
    bench.code(KeyCode::Esc);
    bench.code(KeyCode::Enter);
    bench.tell(history(2, vec![done.clone()]));
    assert!(!text(&bench, Part::Why).contains("noted"), "another incident's history is not shown");
    bench.tell(history(1, vec![done]));
    assert!(text(&bench, Part::Why).contains("mira noted: q\n    disk[2J\n    full\n"));
    let copied = copied(&bench.keys("y")).to_owned();
    for told in ["order-matcher (a) is slow", "WHY S1", "ONSET LADDER, 2 alerts", "mira noted: q", "BLAST RADIUS"] {
        assert!(copied.contains(told), "{told} in {copied}");
    }
    assert!(!copied.contains("Press a"), "{copied}");
}

#[test]
fn up_and_down_go_through_the_ladder_and_scroll_where_it_is_not_in_sight() {
    let mut bench = page("");
    bench.app.update(Msg::Resized(80, 24), NOW);
    let top = |bench: &Bench| {
        incident::window(&bench.app, cursor(bench), Part::Why, IncidentLayout::of((40, 10)).left, NOW).0
    };
    bench.code(KeyCode::Tab);
    assert_eq!(cursor(&bench).part, Part::Onset);
    bench.keys("jj");
    assert_eq!(cursor(&bench).selected, Some(AlertId(2)));
    bench.keys("kk");
    assert_eq!(cursor(&bench).selected, None, "above the first the incident as a whole is meant again");
    bench.code(KeyCode::BackTab);
    assert_eq!(cursor(&bench).part, Part::Why);
    bench.app.update(Msg::Resized(40, 10), NOW);
    let first = top(&bench);
    let mut steps = 0;
    while cursor(&bench).selected.is_none() {
        steps += 1;
        assert!(steps < 60, "the ladder is never reached");
        bench.keys("j");
    }
    assert!(steps > 1 && top(&bench) != first, "it scrolls to the ladder first");
    let seen = top(&bench);
    assert!(seen.iter().any(|line| matches!(line, Line::Rung(rung) if Some(rung.alert) == cursor(&bench).selected)));
    let revision = bench.app.revision();
    bench.code(KeyCode::Tab);
    assert_eq!(bench.app.revision(), revision, "there is only one part, so nothing is drawn");
}

#[test]
fn a_frozen_page_stays_and_shows_what_one_does_oneself() {
    let mut bench = page("");
    bench.tell(history(1, Vec::new()));
    bench.keys(" ");
    let before = (text(&bench, Part::Why), bench.app.revision());
    let mut worse = two_incidents();
    worse[0].alerts[1].severity = Severity::Sev1;
    worse[0].incident.title = "other".to_owned();
    bench.tell(UpdateBody::Incidents(worse));
    let mut same =
        IncidentHistory { incident: IncidentId(1), acts: Vec::new(), alike: Vec::new(), similar: Vec::new() };
    bench.tell(UpdateBody::IncidentHistory(Box::new(same.clone())));
    assert_eq!(text(&bench, Part::Why), before.0);
    bench.keys("xw");
    bench.keys("orse");
    let ack = bench.code(KeyCode::Enter);
    assert!(
        matches!(
            ack.as_slice(),
            [Effect::Send(CommandKind::Act(ActCommand::Acknowledge { seen: Severity::Sev1, .. }))]
        ),
        "{ack:?}"
    );
    same.acts = vec![act(1, Deed::Noted(Note { incident: IncidentId(1), text: "mine".into() }))];
    bench.tell(UpdateBody::IncidentHistory(Box::new(same)));
    assert!(text(&bench, Part::Why).contains("noted: mine"));
    assert_eq!(bench.app.incident_at_hand().unwrap().incident.title, two_incidents()[0].incident.title);
}

#[test]
fn the_numbers_of_now_are_shown_only_of_what_the_page_is_about() {
    let mut bench = page("");
    let baseline = |operation: &str| BaselineView {
        key: key(operation),
        bucket: HourOfWeek::new(4, 3),
        cell: Some(crate::messages::CellView {
            level: Level::HourOfWeek,
            samples: 28_400,
            mean_us: 1.0,
            sigma_us: 1.0,
            p50: Micros(1),
            p90: Micros(1),
            p95: Micros(1),
            p99: Micros::from_millis(224),
            p99_9: Micros(1),
            cut_offs: [None; 5],
            cut_off_levels: [Level::HourOfWeek; 5],
        }),
        note: None,
        week_p99: Vec::new(),
        week_samples: Vec::new(),
        now_p50: None,
        now_p95: None,
        now_p99: Some(Micros::from_millis(2_200)),
        now_samples: 574,
        histogram_edges_us: Vec::new(),
        histogram_normal: Vec::new(),
        histogram_now: Vec::new(),
        history_p99: Vec::new(),
    };
    bench.tell(UpdateBody::Baseline(Box::new(baseline("b"))));
    assert!(!text(&bench, Part::Why).contains("NOW"));
    bench.tell(UpdateBody::Baseline(Box::new(baseline("a"))));
    let told = text(&bench, Part::Why);
    assert!(told.contains("NOW   p99 2.2s of 574 calls in 5 min, normal 224ms (") && told.contains(": 9.8x"), "{told}");
}
