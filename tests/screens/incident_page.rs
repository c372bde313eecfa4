//! The page of an incident, and the editor of its notes.

use spanwatch::app::{KeyCode, Msg};
use spanwatch::domain::{Act, ActId, AlertId, AlertKind, Deed, IncidentId, Micros, Note, Severity, Verdict};
use spanwatch::messages::{AnalysisState, IncidentHistory, PastAlert, PastAlerts, PastIncident, PastNote, UpdateBody};

use super::fixture::{self, Stage, ago};
use super::golden::{ASCII, COLOR, MONO, check, check_styled};

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (40, 10)];
const DAY: u64 = 86_400;

fn note(id: u64, by: &str, secs: u64, text: &str) -> Act {
    let deed = Deed::Noted(Note { incident: IncidentId(41), text: text.to_owned() });
    Act { id: ActId(id), at: ago(secs), by: by.to_owned(), deed, undone: None }
}

/// Acknowledged and noted; the same came twice before, and one of these times somebody knew why.
pub fn history() -> IncidentHistory {
    let acks = fixture::acts().held.into_iter().map(|view| view.act).filter(|act| act.id == ActId(3));
    let noted = note(6, "mira", 60, "order_rows has lost its index since 03:02.\n\nAsked noor to roll back.");
    let past = |alert, incident, severity, days, lasted, verdict, notes| PastAlert {
        alert: AlertId(alert),
        incident: IncidentId(incident),
        severity,
        onset: ago(days * DAY + 300),
        lasted: Micros::from_secs(lasted),
        verdict,
        notes,
    };
    let last = vec![
        past(5, 33, Severity::Sev3, 9, 370, None, 0),
        past(3, 17, Severity::Sev1, 23, 1_320, Some(Verdict::Useful), 1),
    ];
    IncidentHistory {
        incident: IncidentId(41),
        acts: acks.chain([noted]).collect(),
        alike: fixture::incidents()[0]
            .alerts
            .iter()
            .enumerate()
            .map(|(n, alert)| PastAlerts {
                subject: alert.subject.clone(),
                kind: alert.kind,
                alerts: if n == 0 { 2 } else { 0 },
                useful: u32::from(n == 0),
                noise: 0,
                last: if n == 0 { last.clone() } else { Vec::new() },
            })
            .collect(),
        similar: vec![PastIncident {
            incident: IncidentId(17),
            title: "order-matcher (order.match) is slow; 2 other services feel it".to_owned(),
            severity: Severity::Sev1,
            onset: ago(23 * DAY + 300),
            lasted: Micros::from_secs(1_320),
            shared: 2,
            of: 3,
            same_culprit: true,
            verdict: Some(Verdict::Useful),
            notes: vec![PastNote {
                by: "mira".to_owned(),
                at: ago(23 * DAY),
                text: "missing index, put back".to_owned(),
            }],
        }],
    }
}

pub fn hostile_history() -> IncidentHistory {
    let evil = "\u{1b}[2J\u{202e}漢\u{7}e\u{301}".repeat(40);
    let mut history = history();
    history.acts.push(note(7, &evil, 30, &format!("{evil}\n{evil}")));
    history.alike = vec![PastAlerts { kind: AlertKind::Absence, alerts: u32::MAX, ..history.alike[0].clone() }];
    for past in &mut history.similar {
        past.title.clone_from(&evil);
        past.notes = vec![PastNote { by: evil.clone(), at: ago(1), text: evil.clone() }];
    }
    history
}

/// The page, before and after its history came.
fn open(size: (u16, u16)) -> Stage {
    let mut stage = Stage::incident(size);
    stage.tell(UpdateBody::Incidents(fixture::acked()));
    stage.tell(UpdateBody::Why(Box::new(fixture::why())));
    // The first incident is held back: its row is folded away.
    stage.tell(UpdateBody::Incidents(fixture::incidents()));
    stage.code(KeyCode::Enter);
    stage
}

fn loaded(size: (u16, u16)) -> Stage {
    let mut stage = open(size);
    stage.tell(UpdateBody::IncidentHistory(Box::new(history())));
    stage
}

fn name(size: (u16, u16), state: &str) -> String {
    format!("{}x{}-page-incident-{state}", size.0, size.1)
}

#[test]
fn an_incidents_page() {
    for size in SIZES {
        check(&open(size), COLOR, &name(size, "loading"));
        let mut stage = loaded(size);
        check(&stage, COLOR, &name(size, "normal"));
        check_styled(&stage, MONO, &name(size, "mono"));
        check(&stage, ASCII, &name(size, "ascii"));
        stage.code(KeyCode::Tab);
        stage.keys("jj");
        check(&stage, COLOR, &name(size, "alert"));
        stage.code(KeyCode::End);
        check(&stage, COLOR, &name(size, "end"));
    }
    check(&loaded((200, 60)), COLOR, "200x60-page-incident-normal");
    check(&loaded((39, 9)), COLOR, "39x9-page-incident");
}

#[test]
fn tabs_of_an_incidents_page() {
    let mut stage = loaded((80, 24));
    for part in ["why", "onset", "evidence", "analysis", "history"] {
        check(&stage, COLOR, &format!("80x24-page-incident-tab-{part}"));
        stage.code(KeyCode::Tab);
    }
}

#[test]
fn an_incidents_page_with_its_analysis() {
    for size in SIZES {
        let mut stage = loaded(size);
        stage.keys("a");
        let done = AnalysisState::Done { tokens: Some(212), tokens_per_s: Some(34), cut_by_limit: false };
        let analysis = fixture::analysis(&fixture::worst(), done, fixture::MODEL);
        stage.tell(UpdateBody::Analysis(Box::new(analysis)));
        check(&stage, COLOR, &name(size, "analysis"));
    }
}

#[test]
fn an_incidents_page_when_it_is_over_stale_or_forgotten() {
    for size in SIZES {
        let mut stage = loaded(size);
        let mut over = fixture::incidents();
        over[0].incident.closed = Some(ago(60));
        over[0].alerts.iter_mut().for_each(|alert| alert.closed = Some(ago(60 + alert.id.0)));
        stage.tell(UpdateBody::Incidents(over));
        check(&stage, COLOR, &name(size, "over"));
        stage.tell(UpdateBody::Incidents(Vec::new()));
        check(&stage, COLOR, &name(size, "forgotten"));

        let mut stage = Stage::stale(size);
        stage.code(KeyCode::Enter);
        stage.tell(UpdateBody::IncidentHistory(Box::new(history())));
        check(&stage, COLOR, &name(size, "stale"));

        let mut stage = Stage::incident(size);
        stage.code(KeyCode::Enter);
        let mut empty = fixture::incidents();
        (empty[0].alerts, empty[0].exemplars) = (Vec::new(), Vec::new());
        stage.tell(UpdateBody::Incidents(empty));
        let nothing = IncidentHistory { acts: Vec::new(), alike: Vec::new(), similar: Vec::new(), ..history() };
        stage.tell(UpdateBody::IncidentHistory(Box::new(nothing)));
        check(&stage, COLOR, &name(size, "empty"));

        let mut stage = loaded(size);
        stage.app.update(Msg::MonitorLost("the store cannot be written".to_owned()), stage.now);
        stage.keys("x");
        check(&stage, COLOR, &name(size, "error"));
        let mut stage = loaded(size);
        stage.tell(UpdateBody::IncidentHistory(Box::new(hostile_history())));
        check(&stage, COLOR, &name(size, "hostile"));
        check(&stage, ASCII, &name(size, "hostile-ascii"));
    }
}

#[test]
fn a_note_is_written() {
    for size in SIZES {
        let mut stage = loaded(size);
        stage.keys("n");
        check(&stage, COLOR, &name(size, "note"));
        stage.keys("order_rows has lost its index; asked noor to roll back the release of 03:02 and to tell support");
        stage.code(KeyCode::Enter);
        stage.keys("more soon");
        stage.code(KeyCode::Up);
        check_styled(&stage, MONO, &name(size, "note-typed"));
        stage.code(KeyCode::Esc);
        check(&stage, COLOR, &name(size, "note-left"));
    }
}
