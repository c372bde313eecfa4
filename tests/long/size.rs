//! The program with 500 span keys and 30 days in its store: memory at rest and during a recalculation, and disk.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use spanwatch::domain::{Timestamp, UtcHour};
use spanwatch::store::Store;

use super::history;

const SAMPLES: u64 = 50_000_000;
const IDLE_MB: u64 = 60;
const PEAK_MB: u64 = 150;
const DISK_MB: u64 = 800;
/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(120);
const SIZE: PtySize = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };

/// The program in a terminal, without backends.
struct Program {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    _terminal: Box<dyn MasterPty + Send>,
}

impl Program {
    fn start(home: &Path, store: &Path) -> Self {
        let pair = native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_spanwatch"));
        command.env_clear();
        command.cwd(home);
        command.arg("--store-dir");
        command.arg(store);
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env(name, home);
        }
        for name in ["SPANWATCH_JAEGER__URL", "SPANWATCH_PROMETHEUS__URL", "SPANWATCH_OLLAMA__URL"] {
            command.env(name, "http://127.0.0.1:1");
        }
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        let child = pair.slave.spawn_command(command).unwrap();
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
        let screen = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        Self { child, keys, output, screen, _terminal: pair.master }
    }

    /// Reads output until the screen shows every one of these texts.
    fn until(&mut self, texts: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.screen.screen().contents();
            if texts.iter().all(|text| shown.contains(text)) {
                return;
            }
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.screen.process(&piece),
                Err(error) => panic!("waited for {texts:?} ({error}); the screen is:\n{shown}"),
            }
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    /// A line of `/proc/PID/status` in megabytes.
    fn memory_mb(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.process_id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap().div_ceil(1_024)
    }

    fn recalculate(&mut self, generation: u64) {
        self.press(b"r");
        self.until(&[&format!("Recalculated: generation {generation}")]);
    }

    fn quit(mut self) {
        self.press(b"q");
        // The output ends with the program; reading it to the end keeps the program from waiting for its reader.
        let end = Instant::now() + PATIENCE;
        while self.output.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
#[ignore = "long: run by tests/long/run"]
fn five_hundred_keys_and_thirty_days_fit() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("store");
    let now = chrono::Utc::now();
    let today = UtcHour::of(Timestamp(now.timestamp_micros())).day();
    {
        let store = Store::open(&dir, now).unwrap().store;
        history::fill(&store, UtcHour((today - 30) * 24), SAMPLES);
        store.flush().unwrap();
        store.release();
    }
    // The first run makes the baselines with which the second begins, as after any restart.
    let mut first = Program::start(home.path(), &dir);
    first.until(&["refused", "service-"]);
    first.recalculate(1);
    let first_peak = first.memory_mb("VmHWM");
    first.quit();

    let mut program = Program::start(home.path(), &dir);
    program.until(&["refused", "service-"]);
    let idle = program.memory_mb("VmRSS");
    let start_peak = program.memory_mb("VmHWM");
    program.recalculate(2);
    let peak = program.memory_mb("VmHWM").max(first_peak);
    let after = program.memory_mb("VmRSS");
    program.quit();
    let disk = Store::open(&dir, now).unwrap().store.size_on_disk() >> 20;
    println!(
        "idle {idle} MB (at most {start_peak} MB while starting), peak {peak} MB, after a recalculation {after} MB, \
         disk {disk} MB"
    );
    assert!(idle <= IDLE_MB, "{idle} MB at rest");
    assert!(peak <= PEAK_MB, "{peak} MB at most");
    assert!(disk <= DISK_MB, "{disk} MB on disk");
}
