//! What was being typed when the program was ended from outside is there at the next start.

use std::fs;
use std::mem;

use tempfile::TempDir;

use crate::session::{BINARY, Session};

impl Session {
    /// Ends and gives its home to the next sitting.
    pub fn home_left(&mut self) -> TempDir {
        mem::replace(&mut self.home, TempDir::new().unwrap())
    }
}

/// Waits until the text is in the file that outlives the program.
fn written(session: &mut Session, text: &str) {
    let file = session.home.path().join("state/spanwatch/view.json");
    session.wait_outside("the text in view.json", || fs::read_to_string(&file).is_ok_and(|kept| kept.contains(text)));
}

fn killed_and_again(session: &mut Session, signal: &str) -> Session {
    session.signal(signal);
    let status = session.end();
    assert!(!status.success(), "SIG{signal}: {status:?}");
    if signal != "KILL" {
        session.assert_left_as_it_was();
    }
    let mut again = Session::start_at_home(session.home_left(), &[BINARY], 120, 40, &[]);
    again.drawn();
    again
}

#[test]
fn a_filter_that_is_being_typed_outlives_a_hangup_and_a_kill() {
    let mut session = Session::start(120, 40, &[]);
    session.drawn();
    session.type_keys(b"/svc:pay");
    session.wait("the filter in its line", |session| session.text().contains("svc:pay"));
    let mut again = killed_and_again(&mut session, "HUP");
    again.wait("what was typed to be told", |session| session.text().contains("A filter was being typed; / goes on"));
    assert!(!again.text().contains("svc:pay"), "it was not meant yet:\n{}", again.text());
    again.type_keys(b"/");
    again.wait("the filter again", |session| session.text().contains("svc:pay"));
    again.type_keys(b"ments");
    written(&mut again, "svc:payments");
    let mut third = killed_and_again(&mut again, "KILL");
    third.wait("the same after SIGKILL", |session| session.text().contains("A filter was being typed; / goes on"));
    third.type_keys(b"/");
    third.wait("all that was typed", |session| session.text().contains("svc:payments"));
    third.type_keys(b"\x1b\x1bq");
    assert_eq!(third.end().exit_code(), 0, "{}", third.text());
}

#[test]
fn a_silence_that_is_being_typed_outlives_every_signal() {
    let mut session = Session::start(120, 40, &[]);
    session.drawn();
    session.type_keys(b"s");
    session.wait("the form", |session| session.text().contains("enter does it"));
    session.type_keys(b"svc:billing\t");
    for (signal, typed) in [("TERM", "2h"), ("INT", "1"), ("HUP", "5m")] {
        session.type_keys(typed.as_bytes());
        written(&mut session, typed);
        session = killed_and_again(&mut session, signal);
        session
            .wait("what was typed to be told", |session| session.text().contains("A silence was being typed; s goes"));
        session.type_keys(b"s");
        session.wait("the form with its text", |session| {
            session.text().contains("svc:billing") && session.text().contains(typed)
        });
    }
    session.type_keys(b"\x1b\x1b");
    session.wait("the panes", |session| session.text().contains("Services"));
    session.type_keys(b"q");
    assert_eq!(session.end().exit_code(), 0);
}
