//! A program in a pseudo terminal, and what it shows there.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// The limit only bounds a failure.
const LIMIT: Duration = Duration::from_secs(180);
pub const BINARY: &str = env!("CARGO_BIN_EXE_spanwatch");
/// Nothing listens there.
pub const DEAD: [(&str, &str); 3] = [
    ("SPANWATCH_JAEGER__URL", "http://127.0.0.1:1"),
    ("SPANWATCH_PROMETHEUS__URL", "http://127.0.0.1:1"),
    ("SPANWATCH_OLLAMA__URL", "http://127.0.0.1:1"),
];

pub struct Session {
    pub child: Box<dyn Child + Send + Sync>,
    pub master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    /// Every byte the program wrote.
    pub bytes: Vec<u8>,
    pub screen: vt100::Parser,
    pub before: String,
    pub home: TempDir,
}

impl Session {
    pub fn start(columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        Self::start_program(&[BINARY], columns, rows, env)
    }

    pub fn start_program(program: &[&str], columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        Self::start_at_home(TempDir::new().unwrap(), program, columns, rows, env)
    }

    /// With what an earlier sitting left in this home.
    pub fn start_at_home(home: TempDir, program: &[&str], columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        let pty = native_pty_system();
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = pty.openpty(size).unwrap();
        let mut command = CommandBuilder::new(program[0]);
        command.args(&program[1..]);
        command.env_clear();
        command.cwd(home.path());
        for (name, value) in surroundings(home.path()).iter().map(|(name, value)| (*name, value.as_str())) {
            command.env(name, value);
        }
        for (name, value) in DEAD.iter().chain(env) {
            command.env(name, value);
        }
        let before = modes(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 65_536];
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                if sender.send(piece[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        // The parser itself cannot be smaller than a few cells; what a 1x1 terminal is sent does not depend on it.
        let screen = vt100::Parser::new(rows.max(24), columns.max(80), 0);
        Self { child, master: pair.master, keys, output, bytes: Vec::new(), screen, before, home }
    }

    /// Reads output until the condition on the screen holds.
    pub fn wait(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds(self) {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(piece) => {
                    self.screen.process(&piece);
                    self.bytes.extend(piece);
                }
                Err(RecvTimeoutError::Timeout) => panic!("waited for {what}; the screen is:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => {
                    assert!(holds(self), "the program ended before {what}; it wrote:\n{}", self.text());
                    return;
                }
            }
        }
    }

    /// Waits for what the screen does not show, and goes on reading: a program whose output is not read stops.
    pub fn wait_outside(&mut self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds() {
            match self.output.recv_timeout(Duration::from_millis(20)) {
                Ok(piece) => {
                    self.screen.process(&piece);
                    self.bytes.extend(piece);
                }
                Err(RecvTimeoutError::Timeout) => {
                    assert!(Instant::now() < end, "waited for {what}; the screen is:\n{}", self.text());
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the program ended before {what}:\n{}", self.text()),
            }
        }
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        self.screen.screen_mut().set_size(rows.max(24), columns.max(80));
    }

    /// Waits for the first whole frame.
    pub fn drawn(&mut self) {
        self.wait("the first frame", |session| {
            session.screen.screen().alternate_screen() && contains(&session.bytes, b"\x1b[?2026l")
        });
    }

    pub fn type_keys(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Reads to the end of the output and returns how the program ended.
    pub fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        loop {
            match self.output.recv_timeout(Duration::from_millis(20)) {
                Ok(piece) => {
                    self.screen.process(&piece);
                    self.bytes.extend(piece);
                }
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                // On some systems the reader does not end with the program.
                Err(RecvTimeoutError::Timeout) => match self.child.try_wait().unwrap() {
                    Some(status) => return status,
                    None => assert!(Instant::now() < end, "it does not end; the screen is:\n{}", self.text()),
                },
            }
        }
    }

    pub fn text(&self) -> String {
        self.screen.screen().contents()
    }

    pub fn assert_left_as_it_was(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was left");
        assert!(!screen.hide_cursor(), "the cursor is shown");
        assert!(!screen.bracketed_paste(), "bracketed paste is off");
        assert_eq!(modes(self.master.as_ref()), self.before, "the terminal's modes are as they were");
    }
}

/// An environment in which nothing of the machine's user is read or written.
pub fn surroundings(home: &Path) -> Vec<(&'static str, String)> {
    let at = |name: &str| home.join(name).display().to_string();
    vec![
        ("HOME", at("")),
        ("XDG_CONFIG_HOME", at("config")),
        ("XDG_DATA_HOME", at("data")),
        ("XDG_STATE_HOME", at("state")),
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("TERM", "xterm-256color".into()),
        ("LANG", "C.UTF-8".into()),
    ]
}

/// What `stty -a` shows of the terminal, but its size.
pub fn modes(master: &dyn MasterPty) -> String {
    let name = master.tty_name().unwrap();
    let shown = Command::new("stty").arg("-a").stdin(File::open(name).unwrap()).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    text.split_once(';')
        .and_then(|(_, rest)| rest.split_once(';'))
        .and_then(|(_, rest)| rest.split_once(';'))
        .unwrap()
        .1
        .to_owned()
}

pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
