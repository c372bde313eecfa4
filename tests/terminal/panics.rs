//! A panic while the screen is up: the terminal first, the message after it.
//!
//! No key makes the program panic, so its guard and its hook are tried in a program of their own: this one, again.

use spanwatch::runtime::{Tty, remember_panics_while_drawing};

use crate::session::Session;

const ALONE: &str = "SPANWATCH_TEST_PANICS";

#[test]
#[ignore = "is run by the test below, in a terminal of its own"]
fn panics_while_the_terminal_is_taken() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    remember_panics_while_drawing();
    let tty = Tty::open().unwrap();
    tty.take().unwrap();
    panic!("the drawing broke");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let own = std::env::current_exe().unwrap();
    let name = "panics::panics_while_the_terminal_is_taken";
    let program = [own.to_str().unwrap(), "--ignored", "--exact", name, "--nocapture", "--test-threads=1"];
    let mut session = Session::start_program(&program, 120, 40, &[(ALONE, "1")]);
    session.end();
    session.assert_left_as_it_was();
    let written = String::from_utf8_lossy(&session.bytes).into_owned();
    let (drawn, told) = written.split_once("\x1b[?1049l").unwrap_or_default();
    assert!(drawn.contains("\x1b[?1049h"), "the terminal was taken: {written}");
    assert!(told.contains("the drawing broke") && !drawn.contains("the drawing broke"), "{written}");
}
