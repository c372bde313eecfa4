//! The binary in a pseudo terminal: what it draws, and in what state it leaves the terminal.
//!
//! Conditions on the screen are awaited, never a time; the limit only bounds a failure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "terminal/kept.rs"]
mod kept;
#[path = "terminal/panics.rs"]
mod panics;
#[path = "terminal/pictures.rs"]
mod pictures;
#[path = "terminal/session.rs"]
mod session;
#[path = "terminal/tour.rs"]
mod tour;

use std::fs::File;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portable_pty::PtySize;
use session::{BINARY, DEAD, Session, contains, modes, surroundings};
use tempfile::TempDir;

#[test]
fn it_draws_and_q_leaves_the_terminal_as_it_was() {
    let mut session = Session::start(120, 40, &[]);
    session.drawn();
    assert_ne!(modes(session.master.as_ref()), session.before, "keys come one by one");
    session.wait("the sources in the header", |session| session.text().contains("jaeger"));
    session.type_keys(b"q");
    let status = session.end();
    assert_eq!(status.exit_code(), 0, "{}", session.text());
    session.assert_left_as_it_was();
    assert!(!session.home.path().join(".spanwatch").exists(), "files are where the XDG variables say");
}

#[test]
fn every_frame_is_wrapped_in_a_synchronized_update() {
    let mut session = Session::start(120, 40, &[]);
    session.drawn();
    session.type_keys(b"?");
    session.wait("the help", |session| session.text().contains("Help for"));
    session.type_keys(b"\x1b");
    session.wait("the panes again", |session| !session.text().contains("Help for"));
    session.type_keys(b"q");
    session.end();
    let text = String::from_utf8_lossy(&session.bytes).into_owned();
    let (begun, ended) = (text.matches("\x1b[?2026h").count(), text.matches("\x1b[?2026l").count());
    assert!(begun >= 2, "{begun} frames");
    assert_eq!(ended, begun + 1, "leaving closes one more, should a frame have been torn");
}

/// Everything put into the clipboard with the sequence as it is without tmux or screen.
fn clipboard(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let sequences = text.split("\x1b]52;c;").skip(1).filter_map(|rest| rest.split_once('\x07'));
    sequences.map(|(base64, _)| String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap()).collect()
}

#[test]
fn what_is_copied_reaches_the_terminal_whole_and_between_frames() {
    let mut session = Session::start(120, 40, &[]);
    session.drawn();
    session.type_keys(b"y");
    session.wait("the size", |session| session.text().contains("copied "));
    let text = String::from_utf8_lossy(&session.bytes).into_owned();
    let (before, _) = text.split_once("\x1b]52;").unwrap();
    assert_eq!(before.matches("\x1b[?2026h").count(), before.matches("\x1b[?2026l").count(), "a frame was torn");
    let copied = clipboard(&session.bytes);
    assert_eq!(copied.len(), 1);
    assert!(session.text().contains(&format!("copied {} bytes", copied[0].len())), "{copied:?}\n{}", session.text());
    session.type_keys(b"yq");
    session.end();
    session.assert_left_as_it_was();
    assert_eq!(clipboard(&session.bytes).len(), 2, "what was copied last is not lost by leaving at once");
}

#[test]
fn where_tmux_does_not_take_a_copy_it_is_sent_through_and_that_is_told() {
    let mut session = Session::start(120, 40, &[("TMUX", "/nowhere,1,0"), ("PATH", "/nowhere")]);
    session.drawn();
    session.type_keys(b"y");
    session.wait("the reason", |session| session.text().contains("tmux did not take the copy"));
    assert!(contains(&session.bytes, b"\x1bPtmux;\x1b\x1b]52;c;"));
    session.type_keys(b"q");
    session.end();
}

#[test]
fn signals_leave_the_terminal_as_it_was_and_give_their_exit_code() {
    for (name, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let mut session = Session::start(80, 24, &[]);
        session.drawn();
        session.signal(name);
        let status = session.end();
        assert_eq!(status.exit_code(), code, "SIG{name}: {}", session.text());
        session.assert_left_as_it_was();
    }
}

#[test]
fn continuing_after_a_stop_takes_the_terminal_again() {
    let mut session = Session::start(80, 24, &[]);
    session.drawn();
    let raw = modes(session.master.as_ref());
    session.signal("STOP");
    // What a shell does while the program is stopped.
    let name = session.master.tty_name().unwrap();
    assert!(Command::new("stty").arg("sane").stdin(File::open(name).unwrap()).status().unwrap().success());
    let seen = session.bytes.len();
    session.signal("CONT");
    session.wait("a frame after the stop", |session| {
        contains(&session.bytes[seen..], b"\x1b[?1049h") && contains(&session.bytes[seen..], b"\x1b[?2026l")
    });
    assert_eq!(modes(session.master.as_ref()), raw);
    session.type_keys(b"q");
    assert_eq!(session.end().exit_code(), 0);
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    let script = format!("{BINARY}; echo stopped:$?; stty -a; fg; echo left:$?");
    let mut session = Session::start_program(&["sh", "-mc", &script], 120, 40, &[]);
    session.drawn();
    session.type_keys(b"\x1a");
    session.wait("the shell", |session| contains(&session.bytes, b"stopped:148"));
    session.wait("a frame after fg", |session| {
        let stopped = session.bytes.windows(8).position(|part| part == b"stopped:").unwrap();
        let after = String::from_utf8_lossy(&session.bytes[stopped..]).into_owned();
        after.contains(" echo ")
            && after.split_once("\x1b[?1049h").is_some_and(|(_, frames)| frames.contains("\x1b[?2026l"))
    });
    session.type_keys(b"q");
    session.wait("the shell again", |session| contains(&session.bytes, b"left:0"));
    session.end();
    session.assert_left_as_it_was();
}

#[test]
fn ctrl_z_without_job_control_comes_back_by_itself() {
    let mut session = Session::start(80, 24, &[]);
    session.drawn();
    let seen = session.bytes.len();
    session.type_keys(b"\x1a");
    session.wait("a frame after all", |session| {
        contains(&session.bytes[seen..], b"\x1b[?1049h") && session.bytes.ends_with(b"\x1b[?2026l")
    });
    session.type_keys(b"q");
    assert_eq!(session.end().exit_code(), 0);
    session.assert_left_as_it_was();
}

#[test]
fn without_colour_emphasis_stays() {
    let mut session = Session::start(120, 40, &[("NO_COLOR", "1")]);
    session.drawn();
    session.wait("the panes", |session| session.text().contains("Services"));
    let screen = session.screen.screen();
    let cells = (0..40).flat_map(|row| (0..120).filter_map(move |column| screen.cell(row, column)));
    let (mut emphasised, mut coloured) = (0, 0);
    for cell in cells {
        emphasised += u32::from(cell.bold() || cell.inverse());
        coloured += u32::from(cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default);
    }
    assert!(emphasised > 0, "bold or reverse survives NO_COLOR:\n{}", session.text());
    assert_eq!(coloured, 0, "no cell has a colour");
    assert!(!contains(&session.bytes, b"\x1b[m"), "no bare reset, which would wipe bold and reverse");
    session.type_keys(b"q");
    session.end();
}

#[test]
fn a_terminal_of_one_cell_and_its_growth_are_survived() {
    let mut session = Session::start(1, 1, &[]);
    session.drawn();
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    session.master.resize(size).unwrap();
    session.wait("the panes at 80x24", |session| session.text().contains("Services"));
    session.type_keys(b"q");
    assert_eq!(session.end().exit_code(), 0);
    session.assert_left_as_it_was();
}

#[test]
fn a_plain_locale_gets_plain_characters() {
    let mut session = Session::start(120, 40, &[("LANG", "C")]);
    session.drawn();
    session.wait("the panes", |session| session.text().contains("Services"));
    assert!(session.text().is_ascii(), "{}", session.text());
    session.type_keys(b"q");
    session.end();
}

#[test]
fn what_cannot_work_is_told_on_the_normal_screen() {
    let mut session = Session::start(120, 40, &[("SPANWATCH_JAEGER__HTTP__CA_FILE", "/nowhere/ca.pem")]);
    let status = session.end();
    assert_eq!(status.exit_code(), 1);
    session.assert_left_as_it_was();
    let text = session.text();
    assert!(text.contains("spanwatch: jaeger") && text.contains("/nowhere/ca.pem"), "{text}");
}

#[test]
fn without_a_terminal_it_says_so_and_fails() {
    let home = TempDir::new().unwrap();
    // A session of its own has no controlling terminal, whatever the tests run in.
    let ended = Command::new("setsid")
        .args(["--wait", BINARY])
        .env_clear()
        .envs(surroundings(home.path()))
        .envs(DEAD)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.starts_with("spanwatch: no terminal") && said.contains("ssh -t"), "{said}");
    assert!(ended.stdout.is_empty());
}
