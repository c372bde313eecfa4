//! The demo on every screen: all keys, all sizes, plain characters and no colour.
//!
//! The demo's endpoints are served once for all tests here, and what was learnt from them is learnt once; each test starts
//! the ordinary program on a copy of that.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use spanwatch::app::keymap::{Action, Binding, PANES, Place};
use spanwatch::app::{Key, KeyCode, KeyMap};
use tempfile::TempDir;

use crate::session::{BINARY, Session};

/// Leads from anywhere to the alerts, without a filter and with all severities: each step back is one escape. Two
/// bytes are one key, so that what follows cannot be taken for the rest of a sequence.
const HOME: &str = "\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b0g";

pub struct World {
    /// Serves as long as its terminal is open, which is as long as the tests run.
    _served: Mutex<Session>,
    sources: Vec<String>,
    /// Of history.
    days: &'static str,
    home: TempDir,
}

static WORLD: OnceLock<World> = OnceLock::new();

fn world() -> &'static World {
    WORLD.get_or_init(|| World::learnt("4", "1", "0"))
}

impl World {
    /// Learns so many days at this rate of traffic, and waits until the fault, which begins so many seconds after the
    /// start, is found.
    pub fn learnt(rate: &str, days: &'static str, at: &str) -> Self {
        let serve =
            [BINARY, "demo", "--serve", "--inject", "slow:6:order-matcher:order.match", "--at", at, "--rate", rate];
        let mut served = Session::start_program(&serve, 120, 40, &[]);
        served.wait("the addresses", |session| session.text().matches("http://").count() == 3);
        let text = served.text();
        let sources = text.split_whitespace().filter(|word| word.starts_with("http")).map(str::to_owned).collect();
        let mut world = Self { _served: Mutex::new(served), sources, days, home: TempDir::new().unwrap() };
        let mut learning = world.sitting(120, 40, &[]);
        learning.drawn();
        let learnt = format!("baseline {days}d");
        learning.wait("the end of learning", |session| session.text().contains(&learnt));
        learning.wait("an incident", |session| session.text().contains("incident: order-matcher"));
        learning.type_keys(b"q");
        assert_eq!(learning.end().exit_code(), 0, "{}", learning.text());
        world.home = learning.home_left();
        world
    }

    /// The program with what was learnt, and a home that is written by nobody else.
    fn sitting(&self, columns: u16, rows: u16, env: &[(&str, &str)]) -> Session {
        let home = TempDir::new().unwrap();
        copy(self.home.path(), home.path());
        self.sitting_at(home, columns, rows, env)
    }

    fn sitting_at(&self, home: TempDir, columns: u16, rows: u16, env: &[(&str, &str)]) -> Session {
        let names = ["SPANWATCH_JAEGER__URL", "SPANWATCH_PROMETHEUS__URL", "SPANWATCH_OLLAMA__URL"];
        let sources = names.into_iter().zip(self.sources.iter().map(String::as_str));
        let settings = [("SPANWATCH_BASELINE__HISTORY_DAYS", self.days), ("SPANWATCH_MONITOR__POLL_INTERVAL_S", "1")];
        let env: Vec<(&str, &str)> = sources.chain(settings).chain(env.iter().copied()).collect();
        Session::start_at_home(home, &[BINARY], columns, rows, &env)
    }

    /// The same once it shows the incident.
    pub fn at_the_incident(&self, columns: u16, rows: u16, env: &[(&str, &str)]) -> Session {
        let mut session = self.sitting(columns, rows, env);
        session.drawn();
        session.wait("the incident", |session| session.text().contains("incident: order-matcher"));
        session
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// The keys that lead from the alerts to a place. None leads to the question about a new level here: a level is offered
/// after half an hour.
fn way(place: Place) -> Option<&'static str> {
    Some(match place {
        Place::Level => return None,
        Place::Alerts => "",
        Place::Services => "\x1b[Z",
        Place::Baseline => "\t",
        Place::Analysis => "\t\t",
        Place::Trace => "T",
        Place::Span => "T\r",
        Place::Compare => "Tc",
        Place::Attributes => "Td",
        Place::Incident => "\r",
        Place::Trends => "t",
        Place::Week => "b",
        Place::Service => "\x1b[Z\r",
        Place::Map => "m",
        Place::Why => "w",
        Place::Acts => "X",
        Place::EndAct => "Xd",
        Place::ActForm => "x",
        Place::Note => "n",
        Place::Filter => "/",
        Place::Help => "?",
        Place::Palette => ":",
    })
}

fn encoded(key: Key) -> Vec<u8> {
    let plain = match key.code {
        KeyCode::Char(c) if key.ctrl => vec![c as u8 & 0x1f],
        KeyCode::Char(c) => c.to_string().into_bytes(),
        KeyCode::Enter => b"\r".to_vec(),
        KeyCode::Esc => b"\x1b\x1b".to_vec(),
        KeyCode::Tab => b"\t".to_vec(),
        KeyCode::BackTab => b"\x1b[Z".to_vec(),
        KeyCode::Backspace => b"\x7f".to_vec(),
        KeyCode::Delete => b"\x1b[3~".to_vec(),
        KeyCode::Up => b"\x1b[A".to_vec(),
        KeyCode::Down => b"\x1b[B".to_vec(),
        KeyCode::Right => b"\x1b[C".to_vec(),
        KeyCode::Left => b"\x1b[D".to_vec(),
        KeyCode::End => b"\x1b[F".to_vec(),
        KeyCode::Home => b"\x1b[H".to_vec(),
        KeyCode::PageUp => b"\x1b[5~".to_vec(),
        KeyCode::PageDown => b"\x1b[6~".to_vec(),
        KeyCode::F(number) => vec![0x1b, b'O', b'O' + number],
    };
    if key.alt { [b"\x1b".to_vec(), plain].concat() } else { plain }
}

/// What ends the program or gives the terminal away has tests of its own.
fn leaves(row: &Binding) -> bool {
    matches!(row.action, Action::Leave | Action::Suspend | Action::Interrupt)
}

/// Goes from place to place and makes sure of being there.
pub struct Walk {
    pub session: Session,
    asked: u32,
}

impl Walk {
    pub const fn with(session: Session) -> Self {
        Self { session, asked: 0 }
    }

    /// Asks the help which place this is: a number typed into its search tells the answer from an older one.
    fn place(&mut self) -> String {
        self.asked += 1;
        let number = format!("~{}~", self.asked);
        self.session.type_keys(format!("?{number}").as_bytes());
        self.session.wait("the help", |session| {
            let first = session.line(0);
            first.contains("Help for ") && first.contains(&number)
        });
        let line = self.session.line(0);
        let name = line.split_once("Help for ").unwrap().1.split_once("  ").unwrap().0.to_owned();
        self.session.type_keys(b"\x1b\x1b");
        name
    }

    /// Goes there and has it drawn whole.
    pub fn go(&mut self, place: Place) {
        self.reach(place);
        self.drawn_anew();
    }

    /// Goes there, trying again while what it needs is not there yet.
    fn reach(&mut self, place: Place) {
        let way = way(place).unwrap();
        for _ in 0..200 {
            self.session.type_keys(HOME.as_bytes());
            self.session.type_keys(way.as_bytes());
            if place == Place::Help {
                self.drawn_anew();
                assert!(self.session.line(0).contains("Help for Alerts"), "{}", self.session.text());
                return;
            }
            if place.takes_text() {
                self.drawn_anew();
                if marks(place).iter().all(|mark| self.session.text().contains(mark)) {
                    return;
                }
            } else if self.place() == place.name() {
                return;
            }
            match place {
                Place::EndAct => self.silence(),
                // An incident is acknowledged once.
                Place::ActForm => self.session.type_keys(b"u"),
                _ => {}
            }
        }
        panic!("{} cannot be reached; the screen is:\n{}", place.name(), self.session.text());
    }

    /// A silence that can be ended.
    fn silence(&mut self) {
        self.session.type_keys(HOME.as_bytes());
        self.session.type_keys(b"s");
        self.drawn_anew();
        self.session.type_keys(b"\r");
        self.drawn_anew();
    }

    /// Has the whole screen drawn after all keys before were acted upon.
    fn drawn_anew(&mut self) {
        let seen = self.session.bytes.len();
        self.session.type_keys(b"\x0c");
        self.session.wait("the screen drawn anew", |session| {
            let new = String::from_utf8_lossy(&session.bytes[seen.saturating_sub(8)..]).into_owned();
            new.split_once("\x1b[2J").is_some_and(|(_, frame)| frame.contains("\x1b[?2026l"))
        });
    }

    pub fn leave(mut self) -> Session {
        self.session.type_keys(HOME.as_bytes());
        assert_eq!(self.place(), "Alerts", "it still answers");
        self.session.type_keys(b"q");
        assert_eq!(self.session.end().exit_code(), 0, "{}", self.session.text());
        self.session.assert_left_as_it_was();
        self.session
    }
}

/// What tells a place where `?` is text.
const fn marks(place: Place) -> &'static [&'static str] {
    match place {
        Place::ActForm => &["enter does it", "until", "reason"],
        Place::Note => &["Note on incident", "ctrl-s saves"],
        Place::Filter => &["as before"],
        Place::Palette => &["Palette for"],
        _ => &[],
    }
}

impl Session {
    fn line(&self, row: u16) -> String {
        let (_, columns) = self.screen.screen().size();
        self.screen.screen().rows(0, columns).nth(usize::from(row)).unwrap_or_default()
    }
}

fn reachable() -> impl Iterator<Item = Place> {
    Place::ALL.iter().copied().filter(|place| way(*place).is_some())
}

fn press_every_key(places: impl Iterator<Item = Place>) {
    let mut walk = Walk::with(world().at_the_incident(120, 40, &[]));
    let keys = KeyMap::default();
    for place in places {
        let rows = keys.rows().iter().filter(|row| row.applies(place) && !leaves(row));
        let (moving, rows): (Vec<&Binding>, Vec<&Binding>) = rows.partition(|row| row.is_movement());
        walk.go(place);
        for key in moving.iter().flat_map(|row| &*row.keys) {
            walk.session.type_keys(&encoded(*key));
        }
        walk.drawn_anew();
        for row in rows {
            for key in &*row.keys {
                walk.reach(place);
                walk.session.type_keys(&encoded(*key));
                walk.drawn_anew();
                if row.action == Action::Freeze {
                    walk.session.type_keys(&encoded(*key));
                }
            }
        }
    }
    walk.leave();
}

#[test]
fn every_key_of_the_panes_and_of_what_is_typed_is_survived() {
    press_every_key(reachable().filter(|place| PANES.contains(place) || place.takes_text()));
}

#[test]
fn every_key_of_the_pages_is_survived() {
    press_every_key(reachable().filter(|place| !PANES.contains(place) && !place.takes_text()));
}

#[test]
fn a_storm_of_sizes_ends_with_the_right_screen() {
    let mut walk = Walk::with(world().at_the_incident(200, 60, &[]));
    for place in [Place::Alerts, Place::Trace, Place::Week, Place::Map, Place::Incident, Place::Trends, Place::ActForm]
    {
        walk.go(place);
        let steps = (0..=60_u16).map(|step| (200 - step * 199 / 60, 60 - step * 59 / 60));
        let steps: Vec<(u16, u16)> = steps.collect();
        for (columns, rows) in steps.iter().chain(steps.iter().rev()) {
            walk.session.resize(*columns, *rows);
            walk.session.type_keys(b"\x0c");
        }
        walk.drawn_anew();
        walk.session.wait("the screen at its first size", |session| session.line(59).trim().len() > 40);
        if place.takes_text() {
            assert!(marks(place).iter().all(|mark| walk.session.text().contains(mark)), "{}", walk.session.text());
        } else {
            assert_eq!(walk.place(), place.name());
        }
    }
    walk.leave();
}

#[test]
fn a_plain_locale_shows_no_byte_of_another_encoding_on_any_screen() {
    let mut walk = Walk::with(world().at_the_incident(120, 40, &[("LANG", "C.UTF-8"), ("LC_ALL", "C")]));
    for place in reachable() {
        walk.go(place);
        let foreign: Vec<&u8> = walk.session.bytes.iter().filter(|byte| **byte > 0x7f).collect();
        assert!(foreign.is_empty(), "{}: {foreign:?}\n{}", place.name(), walk.session.text());
    }
    walk.leave();
}

#[test]
fn without_colour_every_screen_keeps_its_emphasis() {
    let mut walk = Walk::with(world().at_the_incident(120, 40, &[("NO_COLOR", "1")]));
    for place in reachable() {
        walk.go(place);
        let screen = walk.session.screen.screen();
        let cells = (0..40).flat_map(|row| (0..120).filter_map(move |column| screen.cell(row, column)));
        let (mut emphasised, mut coloured) = (0, 0);
        for cell in cells {
            emphasised += u32::from(cell.bold() || cell.inverse());
            let default = vt100::Color::Default;
            coloured += u32::from(cell.fgcolor() != default || cell.bgcolor() != default);
        }
        assert!(emphasised > 0 && coloured == 0, "{}: {emphasised} {coloured}", place.name());
    }
    walk.go(Place::Alerts);
    let screen = walk.session.screen.screen();
    let row = (0..40).find(|row| walk.session.line(*row).contains("▌▸")).unwrap();
    let reversed = (60..120).filter(|column| screen.cell(row, *column).is_some_and(vt100::Cell::inverse)).count();
    assert!(reversed > 40, "the selected row is reversed, {reversed} cells are:\n{}", walk.session.text());
    let session = walk.leave();
    let text = String::from_utf8_lossy(&session.bytes).into_owned();
    assert!(text.contains("\x1b[7m") && text.contains("\x1b[1m"));
    assert!(!text.contains("\x1b[m"), "no bare reset, which would wipe bold and reverse");
}

/// Types at a place, hangs up, and starts again with the same home: there it is.
fn type_and_hang_up(place: Place, typed: &str, text: &str, told: &str) {
    let mut walk = Walk::with(world().at_the_incident(120, 40, &[]));
    walk.go(place);
    walk.session.type_keys(typed.as_bytes());
    walk.session.wait("the text", |session| session.text().contains(text));
    walk.session.signal("HUP");
    assert_eq!(walk.session.end().exit_code(), 129);
    walk.session.assert_left_as_it_was();
    let home = walk.session.home_left();
    let mut again = world().sitting_at(home, 120, 40, &[]);
    again.drawn();
    again.wait("what was typed to be told", |session| session.text().contains(told));
    // It is found anew, with another number.
    again.wait("the incident", |session| session.text().contains("incident: order-matcher"));
    let mut walk = Walk::with(again);
    walk.go(place);
    assert!(walk.session.text().contains(text), "{}", walk.session.text());
    walk.leave();
}

#[test]
fn a_note_that_is_being_written_outlives_a_hangup() {
    let text = "the matcher waits for its lock";
    type_and_hang_up(Place::Note, text, text, "A note on incident");
}

#[test]
fn an_acknowledgement_that_is_being_typed_outlives_a_hangup() {
    let text = "looking at its lock";
    type_and_hang_up(Place::ActForm, &format!("\t{text}"), text, "An acknowledgement of incident");
}
