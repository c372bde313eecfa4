//! `spanwatch history` as a user meets it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/past.rs"]
mod past;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use chrono::DateTime;
use spanwatch::domain::{
    Ack, Act, ActId, Alert, Deed, Hold, Incident, IncidentId, Note, Rating, Severity, Subject, Suspect, Undone, Until,
    Verdict,
};
use spanwatch::store::Store;
use tempfile::TempDir;

use past::{alert, day, hours, incident, node};

fn history(store: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spanwatch"))
        .args(["history", "--store-dir", store.to_str().unwrap()])
        .args(arguments)
        .env_clear()
        .env("HOME", store)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Three alerts on three days, and two incidents.
fn filled() -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), DateTime::from_timestamp(1_795_000_000, 0).unwrap()).unwrap().store;
    let edge = Subject::Edge { caller: "cart".into(), callee: "stock".into() };
    store.record_alert(&alert(1, day(1), Severity::Sev3, node("cart"))).unwrap();
    store.record_alert(&alert(2, day(2), Severity::Sev1, edge)).unwrap();
    store.record_alert(&alert(3, day(3), Severity::Sev2, node("mail"))).unwrap();
    store.record_incident(&incident(1, day(1), Severity::Sev3, &["cart"])).unwrap();
    let suspect = Suspect {
        service: "stock".into(),
        operation: Some("GET /stock".into()),
        callee: None,
        score: 1.4,
        explains: Some(0.914),
        evidence: Vec::new(),
    };
    let severe = incident(2, day(2), Severity::Sev1, &["stock", "cart"]);
    store.record_incident(&Incident { suspects: vec![suspect], closed: None, ..severe }).unwrap();
    store.release();
    dir
}

const ALL: [&str; 4] = ["--since", "2026-11-18T00:00:00Z", "--until", "2026-12-01T00:00:00Z"];

fn lines(store: &Path, more: &[&str]) -> Vec<String> {
    let output = history(store, &[ALL.as_slice(), more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(String::from).collect()
}

#[test]
fn incidents_are_told_with_title_and_culprit() {
    let dir = filled();
    assert_eq!(
        lines(dir.path(), &[]),
        [
            "2026-11-19T11:06:20Z  S3  1h00m   incident 1  cart is slow   no culprit",
            "2026-11-20T11:06:20Z  S1  1h00m+  incident 2  stock is slow  culprit stock:GET /stock, explains 91 %",
        ]
    );
}

#[test]
fn incidents_are_told_with_what_people_did_about_them() {
    let dir = filled();
    let store = Store::open(dir.path(), DateTime::from_timestamp(1_795_000_000, 0).unwrap()).unwrap().store;
    let act = |id, hour, deed| Act { id: ActId(id), at: day(2) + hours(hour), by: "mira".into(), deed, undone: None };
    let ack = Ack {
        title: String::new(),
        incidents: vec![IncidentId(2)],
        whole: true,
        about: Vec::new(),
        hold: Hold::new(Until::Worse, "looking".into(), Some(Severity::Sev1), 1),
    };
    let note = Note { incident: IncidentId(2), text: "disk full\non db-3\u{9b}1m".into() };
    let rating = Deed::Rated(Rating { incident: IncidentId(2), verdict: Verdict::Noise });
    let undone = Some(Undone { at: day(2) + hours(4), by: "tom".into() });
    store.record_act(&act(1, 1, Deed::Acknowledged(ack))).unwrap();
    store.record_act(&act(2, 2, Deed::Noted(note))).unwrap();
    store.record_act(&Act { undone, ..act(3, 3, rating) }).unwrap();
    drop(store);
    let told = lines(dir.path(), &["--service", "stock"]);
    assert_eq!(
        told[1..],
        [
            "    2026-11-20T12:06:40Z  mira acknowledged it until worse: looking",
            "    2026-11-20T13:06:40Z  mira noted: disk full",
            "                          on db-3·1m",
            "    2026-11-20T14:06:40Z  mira called it noise (undone 2026-11-20T15:06:40Z by tom)",
        ]
    );
    assert_eq!(lines(dir.path(), &["--service", "cart"]).len(), 6, "each below its own incident");
    let json: serde_json::Value =
        serde_json::from_str(&lines(dir.path(), &["--json", "--service", "stock"])[0]).unwrap();
    assert_eq!((&json["id"], &json["acts"][1]["by"]), (&2.into(), &"mira".into()));
}

#[test]
fn alerts_are_told_with_their_arithmetic() {
    let dir = filled();
    let alerts = lines(dir.path(), &["--kind", "alerts", "--severity", "2"]);
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert!(alerts[0].ends_with("34 of 41 calls above 480ms in 20 s at cart → stock, 0.4 expected, chance 1 in 10³⁸"));
    assert!(alerts[1].starts_with("2026-11-21T11:06:20Z  S2  1h00m  incident 3  duration"), "{}", alerts[1]);
    let of_cart = lines(dir.path(), &["--kind", "alerts", "--service", "cart"]);
    assert_eq!(of_cart.len(), 2, "{of_cart:?}");
    let until = ["--kind", "alerts", "--until", "2026-11-20T00:00:00Z", "--since", "2026-11-19T12:30:00Z"];
    let none = history(dir.path(), &until);
    assert_eq!((none.status.code(), text(&none.stdout)), (Some(0), String::new()));
    assert!(text(&none.stderr).contains("no alerts in that time"), "{}", text(&none.stderr));
}

#[test]
fn json_is_what_was_recorded() {
    let dir = filled();
    let alerts = lines(dir.path(), &["--kind", "alerts", "--json"]);
    let read: Vec<Alert> = alerts.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read[0], alert(1, day(1), Severity::Sev3, node("cart")));
    let incidents = lines(dir.path(), &["--json", "--service", "stock"]);
    let read: Vec<Incident> = incidents.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.iter().map(|incident| incident.last_seen).collect::<Vec<_>>(), [day(2) + hours(1)]);
    assert_eq!(read[0].services, [Arc::from("stock"), Arc::from("cart")]);
}

#[test]
fn looking_changes_nothing() {
    let dir = filled();
    lines(dir.path(), &[]);
    let store = Store::open(dir.path(), DateTime::from_timestamp(1_795_000_000, 0).unwrap()).unwrap().store;
    assert_eq!(store.close_left_open().unwrap().incidents, 1, "what was open is open still");
    drop(store);
    std::fs::write(dir.path().join("sled/conf"), b"this is no configuration of a store").unwrap();
    let damaged = history(dir.path(), &[]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(dir.path().join("sled/conf").exists(), "a store that cannot be read stays where it is");
}

#[test]
fn what_cannot_be_answered_is_said_in_one_sentence() {
    let dir = filled();
    let owner = Store::open(dir.path(), DateTime::from_timestamp(1_795_000_000, 0).unwrap()).unwrap().store;
    let empty = TempDir::new().unwrap();
    for (store, arguments, code, words) in [
        (dir.path(), &[][..], 1, "is in use by another spanwatch (pid"),
        (empty.path(), &[], 1, "there is no store in"),
        (dir.path(), &["--since", "1h", "--until", "2h"], 1, "is not before --until"),
        (dir.path(), &["--since", "yesterday"], 2, "write an age such as 90m, 2h or 7d"),
        (dir.path(), &["--severity", "0"], 2, "a number from 1, the worst, to 5"),
        (dir.path(), &["--kind", "spans"], 2, "incidents, alerts, anomalies"),
    ] {
        let refused = history(store, arguments);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: expected {words:?} in:\n{said}");
        assert_eq!(text(&refused.stdout), "");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");
    drop(owner);
}
