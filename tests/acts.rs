//! What is acknowledged or silenced is calm, for as long as was said, over restarts; it is recorded and left out of what
//! is learnt all the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/cart.rs"]
mod cart;
#[path = "common/clockwork.rs"]
mod clockwork;

use std::path::Path;
use std::sync::Arc;

use spanwatch::baseline::{KeyBuilder, Maintenance, SeriesKey};
use spanwatch::domain::{
    Act, ActId, Alert, Attributes, Deed, HourOfWeek, IncidentId, Level, Micros, Note, OverWhy, Severity, Span, SpanId,
    TimeWindow, Timestamp, Trace, TraceId, Until, Verdict,
};
use spanwatch::engine::Input;
use spanwatch::messages::{ActCommand, ActsView, IncidentHistory, IncidentView, NoiseRow, UpdateBody};

use cart::{Cart, HOUR, START, at, key, window};
use clockwork::{Clockwork, Traffic};

const LEARNT: i64 = 3 * HOUR;

/// One call a second: 10 to 20 ms, of a hundred two 100 ms, of a thousand three 1 s; in the newest of these windows that
/// holds its start it takes so many milliseconds.
#[derive(Debug, Clone)]
struct Shop(Vec<(TimeWindow, u64)>);

impl Traffic for Shop {
    fn starting_in(&self, window: TimeWindow) -> Vec<Trace> {
        let second = |at: Timestamp| at.secs() - START;
        let call = |second: i64| {
            let usual = match (second.rem_euclid(1_000), second.rem_euclid(100)) {
                (0 | 331 | 667, _) => 1_000,
                (_, 3 | 57) => 100,
                _ => 10 + second.rem_euclid(11) as u64,
            };
            let told = self.0.iter().rev().find(|(window, _)| window.contains(at(second)));
            let span = Span {
                id: SpanId(1),
                parent: None,
                key: key(),
                start: at(second),
                duration: Micros::from_millis(told.map_or(usual, |(_, millis)| *millis)),
                error: false,
                attributes: Attributes::default(),
                resource: Arc::default(),
            };
            Trace { id: TraceId((second + 1_000_000) as u128), spans: vec![span] }
        };
        (second(window.from)..second(window.to)).map(call).collect()
    }
}

/// The milder trouble: beyond the slowest twentieth of calls, and not beyond the slowest hundredth.
const MILD: u64 = 60;
const SEVERE: u64 = 5_000;
const BEGINS: i64 = 1_815;

fn begin(dir: &Path, trouble: &[(TimeWindow, u64)]) -> Clockwork<Shop> {
    let mut monitor = Clockwork::start(dir, at(0), Shop(trouble.to_vec()), &[]);
    monitor.back_fill(at(-LEARNT));
    monitor.recalculate();
    monitor
}

fn incidents<T>(monitor: &Clockwork<T>) -> Vec<IncidentView> {
    let told = monitor.told.iter().find_map(|body| match body {
        UpdateBody::Incidents(views) => Some(views.clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

/// The one that is open.
fn incident<T>(monitor: &Clockwork<T>) -> IncidentView {
    let mut open = incidents(monitor).into_iter().filter(|view| view.incident.is_open());
    let first = open.next().unwrap();
    assert_eq!(open.count(), 0);
    first
}

fn acts<T>(monitor: &Clockwork<T>) -> ActsView {
    let told = monitor.told.iter().find_map(|body| match body {
        UpdateBody::Acts(view) => Some((**view).clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

fn noise<T>(monitor: &Clockwork<T>) -> Vec<NoiseRow> {
    let told = monitor.told.iter().find_map(|body| match body {
        UpdateBody::Noise(rows) => Some(rows.clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

fn notice<T>(monitor: &Clockwork<T>) -> String {
    let told = monitor.told.iter().find_map(|body| match body {
        UpdateBody::Notice(text) => Some(text.clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

/// As the monitor carries it out.
fn order<T: Traffic>(monitor: &mut Clockwork<T>, order: &ActCommand) -> Act {
    let act = monitor.engine.propose_act(order, "mira", monitor.now).unwrap();
    monitor.store.record_act(&act).unwrap();
    monitor.message(Input::ActDone(Box::new(act.clone())));
    act
}

fn acknowledge<T: Traffic>(monitor: &mut Clockwork<T>, until: Until) -> Act {
    let IncidentView { incident, .. } = incident(monitor);
    let (incident, seen) = (incident.id, incident.severity);
    order(monitor, &ActCommand::Acknowledge { incident, alert: None, seen, until, reason: "looking".to_owned() })
}

fn silence<T: Traffic>(monitor: &mut Clockwork<T>, matcher: &str, until: Until) -> Act {
    let silence = ActCommand::Silence { matcher: matcher.to_owned(), until, reason: String::new() };
    order(monitor, &silence)
}

#[test]
fn an_acked_incident_is_calm_until_it_becomes_worse_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &[(window(BEGINS, 4_000), MILD), (window(2_700, 4_000), SEVERE)]);
    monitor.run_until(at(2_100));
    let before = incident(&monitor);
    assert_eq!((before.incident.severity, before.life.calm), (Severity::Sev3, None));
    let act = acknowledge(&mut monitor, Until::Worse);
    let calm = incident(&monitor).life.calm.unwrap();
    assert_eq!((calm.act, calm.acked, &*calm.by, &*calm.reason), (act.id, true, "mira", "looking"));
    monitor.run_until(at(2_690));
    assert!(incident(&monitor).life.calm.is_some());
    assert_eq!(acts(&monitor).held.len(), 1);
    assert!(acts(&monitor).held[0].covers > 0);
    monitor.run_until(at(2_900));
    let after = incident(&monitor);
    let back = after.life.back.unwrap();
    assert_eq!((after.life.calm, after.incident.severity), (None, Severity::Sev1));
    assert_eq!(back.over.why, OverWhy::Worse { from: Severity::Sev3, to: Severity::Sev1 });
    assert!(back.over.at > at(2_700) && &*back.by == "mira");
    assert_eq!(notice(&monitor), "What mira acknowledged is back: it became worse, S3 to S1.");
    assert!(monitor.store.acts().unwrap()[0].deed.hold().unwrap().over.is_some(), "that it ended is written down");
}

#[test]
fn an_ack_ends_at_its_time_or_when_all_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &[(window(BEGINS, 3_600), MILD)]);
    monitor.run_until(at(2_100));
    acknowledge(&mut monitor, Until::At(at(2_500)));
    monitor.run_until(at(2_490));
    assert!(incident(&monitor).life.calm.is_some());
    monitor.run_until(at(2_500));
    let life = incident(&monitor).life;
    assert_eq!((life.calm, life.back.unwrap().over.why), (None, OverWhy::TimeOver));
    let second = acknowledge(&mut monitor, Until::Recovered);
    assert_eq!(incident(&monitor).life.back, None, "somebody looks into it again");
    monitor.run_until(at(2 * HOUR));
    assert!(incidents(&monitor).iter().all(|view| !view.incident.is_open() && view.life.calm.is_none()));
    let over = monitor.store.acts().unwrap().pop().unwrap();
    assert_eq!((over.id, over.deed.hold().unwrap().over.unwrap().why), (second.id, OverWhy::Recovered));
    let incident = incidents(&monitor)[0].incident.id;
    let (seen, until) = (Severity::Sev1, Until::Worse);
    let ack = ActCommand::Acknowledge { incident, alert: None, seen, until, reason: String::new() };
    assert!(monitor.engine.propose_act(&ack, "mira", monitor.now).is_err(), "what is over is not acknowledged");
}

#[test]
fn an_ack_of_one_alert_leaves_the_others_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &[(window(BEGINS, 4_000), SEVERE)]);
    monitor.run_until(at(2_100));
    let view = incident(&monitor);
    let open: Vec<_> = view.alerts.iter().filter(|alert| alert.is_open()).collect();
    let (incident_id, alert) = (view.incident.id, Some(open[0].id));
    let (seen, until) = (open[0].severity, Until::Recovered);
    let ack = ActCommand::Acknowledge { incident: incident_id, alert, seen, until, reason: String::new() };
    order(&mut monitor, &ack);
    let life = incident(&monitor).life;
    assert_eq!(life.alerts.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [open[0].id]);
    assert_eq!(life.calm.is_some(), open.len() == 1);
}

#[test]
fn an_ack_goes_on_after_a_restart_under_the_numbers_of_that_run() {
    let trouble = [(window(BEGINS, 3 * HOUR), MILD), (window(2 * HOUR, 3 * HOUR), SEVERE)];
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &trouble);
    monitor.run_until(at(2_400));
    let first = incident(&monitor).incident.id;
    let act = acknowledge(&mut monitor, Until::Worse);
    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), at(2_430), Shop(trouble.to_vec()), &[]);
    monitor.run_until(at(3_000));
    let again = incident(&monitor);
    assert!(again.incident.id > first, "it is a new number");
    assert_eq!(again.life.calm.map(|calm| calm.act), Some(act.id));
    monitor.run_until(at(3_600));
    assert!(incident(&monitor).life.calm.is_some());
    monitor.run_until(at(2 * HOUR + 200));
    let back = incident(&monitor).life.back.unwrap();
    assert!(matches!(back.over.why, OverWhy::Worse { to: Severity::Sev1, .. }), "{back:?}");

    // What is gone when the watch begins again was recovered from.
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &trouble);
    monitor.run_until(at(2_400));
    acknowledge(&mut monitor, Until::Worse);
    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), at(2_430), Shop(Vec::new()), &[]);
    // It polls from where the run before had learnt everything.
    let begun = monitor.live_from;
    monitor.run_until(begun + Micros::from_secs(900));
    assert_eq!(acts(&monitor).held[0].act.deed.hold().unwrap().over, None, "it may yet be found again");
    monitor.run_until(begun + Micros::from_secs(920));
    assert_eq!(acts(&monitor).held[0].act.deed.hold().unwrap().over.unwrap().why, OverWhy::Recovered);
}

#[test]
fn a_silence_holds_back_what_matches_until_its_time_and_one_that_matches_nothing_can_be_ended() {
    let trouble = [(window(BEGINS, 2 * HOUR), SEVERE)];
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &trouble);
    monitor.run_until(at(600));
    let unmatched = silence(&mut monitor, "svc=stock", Until::Recovered);
    let silence = silence(&mut monitor, "svc=cart sev>=3", Until::At(at(3_000)));
    monitor.run_until(at(2_100));
    let calm = incident(&monitor).life.calm.unwrap();
    assert_eq!((calm.act, calm.acked), (silence.id, false));
    let met = |monitor: &Clockwork<Shop>, id: ActId| {
        let view = acts(monitor).held.into_iter().find(|view| view.act.id == id).unwrap();
        (view.act.deed.hold().unwrap().met > 0, view.covers > 0, view.is_in_force())
    };
    assert_eq!(met(&monitor, silence.id), (true, true, true));
    assert_eq!(met(&monitor, unmatched.id), (false, false, true), "nothing has ended it");

    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), at(2_130), Shop(trouble.to_vec()), &[]);
    monitor.run_until(at(2_900));
    assert_eq!(incident(&monitor).life.calm.map(|calm| calm.act), Some(silence.id), "also after a restart");
    assert_eq!(acts(&monitor).held[0].act.id, unmatched.id, "the oldest first");
    order(&mut monitor, &ActCommand::End { act: unmatched.id });
    assert_eq!(met(&monitor, unmatched.id), (false, false, false));
    let again = monitor.engine.propose_act(&ActCommand::End { act: unmatched.id }, "mira", monitor.now);
    assert!(again.is_err());
    let last = acts(&monitor).last.unwrap();
    assert_eq!(last.deed, Deed::Ended(unmatched.id));
    order(&mut monitor, &ActCommand::Undo { act: last.id });
    assert_eq!(met(&monitor, unmatched.id), (false, false, true), "that was undone");
    monitor.run_until(at(3_000));
    assert_eq!(incident(&monitor).life.calm, None);
    assert_eq!(notice(&monitor), "What mira silenced is back: its time is over.");
}

#[test]
fn a_silence_until_resolved_ends_with_what_it_met_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &[(window(BEGINS, 2_400), SEVERE), (window(2 * HOUR, 3 * HOUR), SEVERE)]);
    monitor.run_until(at(600));
    silence(&mut monitor, "svc:c*", Until::Recovered);
    monitor.run_until(at(2_100));
    assert!(incident(&monitor).life.calm.is_some());
    monitor.run_until(at(2 * HOUR + 300));
    assert_eq!(incident(&monitor).life.calm, None, "another time is another matter");
}

/// What the store knows that judges what comes.
fn knowledge(monitor: &Clockwork<Shop>) -> String {
    let ledger = monitor.store.ledger().unwrap();
    let mut builder = KeyBuilder::new(clockwork::settings().calendar());
    let series = SeriesKey::duration(key());
    let all = monitor.store.distribution(&series, Level::Global, HourOfWeek::new(0, 0), &mut builder).unwrap();
    let alerts: Vec<_> = monitor.raised.iter().map(|alert| (alert.id, alert.raised, alert.severity)).collect();
    format!("{:?} {:?} {all:?} {alerts:?}", ledger.known, ledger.excluded)
}

#[test]
fn what_is_held_back_is_recorded_and_left_out_of_what_is_learnt() {
    let trouble = [(window(BEGINS, 2_700), SEVERE), (window(3 * HOUR, 3 * HOUR + 600), MILD)];
    let run = |acting: bool| {
        let dir = tempfile::tempdir().unwrap();
        let mut monitor = begin(dir.path(), &trouble);
        if acting {
            silence(&mut monitor, "svc=cart sev<=3", Until::At(at(8 * HOUR)));
        }
        monitor.run_until(at(2_100));
        if acting {
            acknowledge(&mut monitor, Until::Recovered);
        }
        monitor.run_until(at(5 * HOUR));
        assert!(monitor.raised.len() >= 2);
        knowledge(&monitor)
    };
    assert!(run(true) == run(false), "an act changes whom it wakes and nothing else");
}

#[test]
fn verdicts_fill_the_noise_ledger_which_outlives_a_restart() {
    let trouble = [(window(BEGINS, 2_400), SEVERE), (window(2 * HOUR, 2 * HOUR + 600), SEVERE)];
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &trouble);
    monitor.run_until(at(2_100));
    let first = incident(&monitor).incident.id;
    order(&mut monitor, &ActCommand::Rate { incident: first, verdict: Verdict::Useful });
    order(&mut monitor, &ActCommand::Rate { incident: first, verdict: Verdict::Noise });
    assert_eq!(incident(&monitor).life.verdict, Some((Verdict::Noise, "mira".to_owned())), "the last word counts");
    monitor.run_until(at(3 * HOUR));
    let rows = noise(&monitor);
    let (alerts, lasted): (u32, u64) = (rows.iter().map(|row| row.alerts).sum(), rows[0].lasted.secs());
    assert_eq!(alerts as usize, monitor.alerts.len());
    let noisy = rows[0].noise;
    assert!(noisy > 0 && noisy < rows[0].alerts && rows[0].useful == 0, "the second incident was not rated: {rows:?}");
    assert!((1_000..3_600).contains(&lasted), "{lasted} s of two times ten minutes");

    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), at(3 * HOUR + 30), Shop(trouble.to_vec()), &[]);
    assert_eq!(noise(&monitor), rows);
    let unknown = ActCommand::Rate { incident: IncidentId(99), verdict: Verdict::Noise };
    assert!(monitor.engine.propose_act(&unknown, "mira", monitor.now).is_err());
    let last = acts(&monitor).last.unwrap();
    order(&mut monitor, &ActCommand::Undo { act: last.id });
    assert_eq!((noise(&monitor)[0].noise, noise(&monitor)[0].useful), (0, noisy), "the verdict before it counts again");
    let twice = monitor.engine.propose_act(&ActCommand::Undo { act: last.id }, "mira", monitor.now);
    assert!(twice.is_err(), "what is shown is what is undone, once");
}

fn history<T: Traffic>(monitor: &mut Clockwork<T>, incident: IncidentId) -> IncidentHistory {
    monitor.message(Input::IncidentAsked(Some(incident)));
    let told = monitor.told.iter().find_map(|body| match body {
        UpdateBody::IncidentHistory(history) => Some((**history).clone()),
        _ => None,
    });
    told.filter(|history| history.incident == incident).unwrap()
}

#[test]
fn until_worse_means_worse_than_what_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &[(window(BEGINS, 4_000), SEVERE)]);
    monitor.run_until(at(2_100));
    let view = incident(&monitor);
    assert_eq!(view.incident.severity, Severity::Sev1);
    let (incident_id, until) = (view.incident.id, Until::Worse);
    let ack = |seen| ActCommand::Acknowledge { incident: incident_id, alert: None, seen, until, reason: String::new() };
    // It was acknowledged on a screen that was frozen when it was still milder.
    order(&mut monitor, &ack(Severity::Sev2));
    let life = incident(&monitor).life;
    let worse = OverWhy::Worse { from: Severity::Sev2, to: Severity::Sev1 };
    assert_eq!((life.calm, life.back.unwrap().over.why), (None, worse));
    order(&mut monitor, &ack(Severity::Sev1));
    assert!(incident(&monitor).life.calm.is_some(), "who saw that is not told again");
}

#[test]
fn what_is_noted_is_told_with_the_incident_and_beside_the_next_one_like_it() {
    let trouble = [(window(BEGINS, 2_400), SEVERE), (window(2 * HOUR, 4 * HOUR), SEVERE)];
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = begin(dir.path(), &trouble);
    monitor.run_until(at(2_100));
    let first = incident(&monitor).incident.id;
    let note = |text: &str| ActCommand::Note { incident: first, text: text.to_owned() };
    order(&mut monitor, &note("  disk\u{1b}[2J full\n\non db-3 \n"));
    let wrong = order(&mut monitor, &note(&"é".repeat(5_000)));
    let Deed::Noted(Note { text, .. }) = &wrong.deed else { panic!("{wrong:?}") };
    assert_eq!(text.chars().count(), Note::MOST);
    order(&mut monitor, &ActCommand::Rate { incident: first, verdict: Verdict::Useful });
    let rated = acts(&monitor).last.unwrap();
    order(&mut monitor, &ActCommand::Undo { act: rated.id });
    order(&mut monitor, &ActCommand::Undo { act: wrong.id });
    order(&mut monitor, &ActCommand::Rate { incident: first, verdict: Verdict::Useful });
    silence(&mut monitor, "svc=nobody", Until::Recovered);
    silence(&mut monitor, "svc=cart", Until::Recovered);

    let told = history(&mut monitor, first);
    let deeds: Vec<&Deed> = told.acts.iter().map(|act| &act.deed).collect();
    assert!(matches!(deeds.as_slice(), [Deed::Noted(_), Deed::Rated(_), Deed::Silenced(_)]), "{deeds:?}");
    assert!(matches!(deeds[0], Deed::Noted(note) if note.text == "disk[2J full\n\non db-3"), "{deeds:?}");
    assert!(!told.alike.is_empty() && told.alike.iter().all(|alike| alike.alerts == 0) && told.similar.is_empty());
    for empty in ["", " \n\u{1b} "] {
        assert!(monitor.engine.propose_act(&note(empty), "mira", monitor.now).is_err(), "{empty:?}");
    }
    let unknown = ActCommand::Note { incident: IncidentId(99), text: "x".to_owned() };
    assert!(monitor.engine.propose_act(&unknown, "mira", monitor.now).is_err());

    monitor.run_until(at(2 * HOUR + 300));
    let second = incident(&monitor).incident.id;
    let told = history(&mut monitor, second);
    assert!(told.acts.iter().all(|act| matches!(act.deed, Deed::Silenced(_))), "{:?}", told.acts);
    let alike = &told.alike[0];
    let same = |alert: &&Alert| (&alert.subject, alert.kind) == (&alike.subject, alike.kind);
    let before: Vec<&Alert> = monitor.alerts.values().filter(|alert| alert.incident == first).filter(same).collect();
    let n = before.len() as u32;
    assert_eq!((n > 0, alike.alerts, alike.useful, alike.noise), (true, n, n, 0));
    for (last, alert) in alike.last.iter().rev().zip(before) {
        assert_eq!((last.alert, last.onset, last.severity), (alert.id, alert.onset, alert.severity));
        assert_eq!(last.lasted, alert.closed.unwrap().since(alert.onset));
        assert_eq!((last.incident, last.notes, last.verdict), (first, 1, Some(Verdict::Useful)));
    }
    let [similar] = told.similar.as_slice() else { panic!("{:?}", told.similar) };
    assert_eq!((similar.incident, similar.notes[0].text.as_str()), (first, "disk[2J full\n\non db-3"));
    assert!(similar.shared > 0 && similar.shared <= similar.of);

    drop(monitor);
    let mut monitor = Clockwork::start(dir.path(), at(2 * HOUR + 400), Shop(trouble.to_vec()), &[]);
    assert_eq!(history(&mut monitor, second).similar, told.similar, "it outlives a restart");
    order(&mut monitor, &note("also after it was over for long"));
    assert_eq!(history(&mut monitor, first).acts.len(), 4);
}

#[test]
fn maintenance_is_listed_with_its_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let backup = Maintenance {
        name: "backup".into(),
        days: vec!["Fri".into()],
        at: "09:30".into(),
        for_minutes: 10,
        services: vec!["stock".into()],
        ..Maintenance::default()
    };
    let mut monitor = Clockwork::start(dir.path(), at(0), Cart(Vec::new()), &[backup]);
    monitor.run_until(at(60));
    let listed = acts(&monitor).maintenance.remove(0);
    assert_eq!((&*listed.name, listed.next), ("backup", Some(window(1_800, 2_400))));
    monitor.run_until(at(2_400));
    let next = acts(&monitor).maintenance[0].next.unwrap();
    assert_eq!(next.from, at(1_800 + 7 * 24 * HOUR), "over is over");
}
