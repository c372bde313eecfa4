//! `spanwatch doctor`: tries everything the configuration names, and says what to do about what fails.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustix::fs::{Access, access};
use rustix::process::{Pid, getuid, test_kill_process};
use serde::Serialize;
use tokio::time::timeout;

use super::flags::Setup;
use super::{Failure, Flags, output, watch};
use crate::config::Config;
use crate::domain::{Micros, Timestamp, text};
use crate::llm::ollama::Ollama;
use crate::runtime::{Tty, choose_look, now};
use crate::sources::http::SourceError;
use crate::sources::jaeger::Jaeger;
use crate::sources::prometheus::Prometheus;
use crate::store::owner_of;

/// Longest wait for one backend.
const PATIENCE: Duration = Duration::from_secs(20);
/// A server's clock is told in whole seconds, and the answer was on its way for a moment.
const CLOCK_TOLERANCE: Micros = Micros::from_secs(3);

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Print one JSON object, with the same keys in the same order every time
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    /// Works, with a doubt that is worth reading.
    Doubtful,
    Failed,
    /// Switched off, or not there and not needed.
    Off,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found, in a few words.
    found: String,
    /// What to do; absent when nothing is.
    advice: Option<String>,
}

#[derive(Serialize)]
struct Report {
    /// Of this answer's shape.
    schema: u32,
    version: &'static str,
    checks: Vec<Check>,
}

impl Check {
    fn new(name: &'static str, state: State, found: impl AsRef<str>) -> Self {
        Self { name, state, found: text::clean(found.as_ref()).into_owned(), advice: None }
    }

    fn advise(mut self, advice: impl AsRef<str>) -> Self {
        self.advice = Some(text::clean(advice.as_ref()).into_owned());
        self
    }
}

/// 0 when all that is switched on works, else 1.
pub fn doctor(arguments: &DoctorArgs, flags: &Flags) -> Result<ExitCode, Failure> {
    let checks = match flags.setup() {
        Ok(setup) => watch::threads()?.run(examine(&setup)),
        Err(failure) => {
            let told = failure.to_string().replace('\n', "; ");
            vec![
                Check::new("configuration", State::Failed, told)
                    .advise("mend it, then ask again: the rest depends on it"),
            ]
        }
    };
    let failed = checks.iter().any(|check| check.state == State::Failed);
    if arguments.json {
        let report = Report { schema: 1, version: env!("CARGO_PKG_VERSION"), checks };
        let json = serde_json::to_string_pretty(&report).map_err(|error| Failure::Sentence(error.to_string()))?;
        output::print(&format!("{json}\n"))?;
    } else {
        output::print(&in_words(&checks))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn in_words(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let state = match check.state {
            State::Good => "good",
            State::Doubtful => "doubtful",
            State::Failed => "FAILED",
            State::Off => "off",
        };
        _ = writeln!(out, "{:<14} {state:<9} {}", check.name, check.found);
        if let Some(advice) = &check.advice {
            _ = writeln!(out, "{:<24} -> {advice}", "");
        }
    }
    out
}

async fn examine(setup: &Setup) -> Vec<Check> {
    let config = &setup.loaded.config;
    let (jaeger, prometheus, ollama) = tokio::join!(jaeger(config), prometheus(config), ollama(config));
    vec![configuration(setup), jaeger, prometheus, ollama, store(&setup.store_dir), terminal(config)]
}

fn configuration(setup: &Setup) -> Check {
    let files: Vec<String> = setup.files.iter().map(|file| file.display().to_string()).collect();
    let read = if files.is_empty() { "defaults, no file".to_owned() } else { files.join(", ") };
    let check = Check::new("configuration", State::Good, read);
    if files.is_empty() { check.advise("`spanwatch config template` prints a file to begin with") } else { check }
}

async fn jaeger(config: &Config) -> Check {
    let name = "jaeger";
    if !config.jaeger.enabled {
        return Check::new(name, State::Off, "jaeger.enabled = false");
    }
    let probe = async {
        let jaeger = Jaeger::new(&config.jaeger)?;
        let found = jaeger.probe().await?;
        let services = jaeger.services().await?;
        Ok((found, services))
    };
    match timeout(PATIENCE, probe).await {
        Ok(Ok((found, services))) => {
            let said = format!("{}, {} services", found.detail, services.len());
            let check = with_clock(Check::new(name, State::Good, said), found.server_time);
            if services.is_empty() && check.advice.is_none() {
                return Check { state: State::Doubtful, ..check }
                    .advise("it has no services yet, or all are in jaeger.exclude_services; send it some traces");
            }
            check
        }
        Ok(Err(error)) => failed_source(name, &error),
        Err(_) => too_slow(name),
    }
}

async fn prometheus(config: &Config) -> Check {
    let name = "prometheus";
    if !config.prometheus.enabled {
        return Check::new(name, State::Off, "prometheus.enabled = false");
    }
    let probe = async {
        let prometheus = Prometheus::new(&config.prometheus)?;
        let found = prometheus.probe().await?;
        let samples = prometheus.poll(now()).await?;
        Ok((found, samples, prometheus.notes()))
    };
    match timeout(PATIENCE, probe).await {
        Ok(Ok((found, samples, notes))) => {
            let version = if found.version.is_empty() { "version unknown" } else { &found.version };
            let mut services: Vec<_> = samples.iter().map(|sample| &sample.service).collect();
            services.sort();
            services.dedup();
            let said = format!("{version}, {} metrics of {} services", samples.len(), services.len());
            let check = with_clock(Check::new(name, State::Good, said), found.server_time);
            let doubt = |check: Check, advice: String| Check { state: State::Doubtful, ..check }.advise(advice);
            match notes.first() {
                _ if check.advice.is_some() => check,
                Some(note) => doubt(check, note.clone()),
                None if samples.is_empty() => doubt(
                    check,
                    "no known metric has a label of prometheus.service_labels; write own PromQL in [prometheus.metrics]".into(),
                ),
                None => check,
            }
        }
        Ok(Err(error)) => failed_source(name, &error),
        Err(_) => too_slow(name),
    }
}

async fn ollama(config: &Config) -> Check {
    let name = "ollama";
    if !config.ollama.enabled {
        return Check::new(name, State::Off, "ollama.enabled = false");
    }
    let probe = async { Ollama::new(&config.ollama)?.probe().await };
    match timeout(PATIENCE, probe).await {
        Ok(Ok(found)) if found.present => {
            let loaded = match found.loaded {
                Some(true) => ", in memory",
                Some(false) => ", not in memory yet: the first answer takes longer",
                None => "",
            };
            Check::new(name, State::Good, format!("{}, model {}{loaded}", found.version, found.model))
        }
        Ok(Ok(found)) => {
            let others = match found.models.as_slice() {
                [] => "no model was pulled".to_owned(),
                models => format!("it has {}", models.join(", ")),
            };
            Check::new(name, State::Failed, format!("{}, model {} is missing; {others}", found.version, found.model))
                .advise(format!("run `ollama pull {}` there, or choose another with --model", found.model))
        }
        // These errors are whole sentences that end with what to do.
        Ok(Err(error)) => Check::new(name, State::Failed, error.to_string()),
        Err(_) => too_slow(name),
    }
}

fn failed_source(name: &'static str, error: &SourceError) -> Check {
    Check::new(name, State::Failed, error.to_string()).advise(error.hint())
}

fn too_slow(name: &'static str) -> Check {
    Check::new(name, State::Failed, format!("no answer within {} s", PATIENCE.as_secs()))
        .advise("look whether it is overloaded, and whether a proxy stands between")
}

/// Adds how far the server's clock is from ours: hours of the week and freshness rest on both.
fn with_clock(check: Check, server: Option<Timestamp>) -> Check {
    let Some(server) = server else { return check };
    let here = now();
    let (ahead, behind) = (server.since(here), here.since(server));
    let (offset, word) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    if offset <= CLOCK_TOLERANCE {
        return Check { found: format!("{}, clock agrees", check.found), ..check };
    }
    let found = format!("{}, its clock is {offset} {word} this machine's", check.found);
    Check { state: State::Doubtful, found, ..check }
        .advise("set both clocks by NTP (`timedatectl`); new traces are missed or come late")
}

fn store(dir: &Path) -> Check {
    let name = "store";
    let place = dir.display();
    let Some(there) = dir.ancestors().find(|path| path.exists()) else {
        return Check::new(name, State::Failed, format!("{place}: no part of the path exists"))
            .advise("name another directory with --store-dir");
    };
    if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let owner = fs::metadata(there).map_or_else(|_| "somebody else".into(), |found| format!("uid {}", found.uid()));
        return Check::new(
            name,
            State::Failed,
            format!("{} belongs to {owner} and cannot be written", there.display()),
        )
        .advise(format!("you are uid {}; name another directory with --store-dir", getuid().as_raw()));
    }
    if there != dir {
        return Check::new(name, State::Good, format!("{place} will be created"));
    }
    match owner_of(dir).filter(|owner| is_alive(owner)) {
        Some(owner) => Check::new(name, State::Doubtful, format!("{place} is in use ({owner})"))
            .advise("end that spanwatch before starting one here, or name another directory with --store-dir"),
        None => Check::new(name, State::Good, format!("{place} is writable and free")),
    }
}

/// Whether the process of an owner's note still lives; a note outlives a crash.
fn is_alive(owner: &str) -> bool {
    let pid = owner.split_whitespace().nth(1).and_then(|word| word.parse().ok()).and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn terminal(config: &Config) -> Check {
    let look = choose_look(&config.ui, &|name| std::env::var(name).ok());
    let color = if look.color { "colour" } else { "no colour" };
    let characters = if look.unicode { "Unicode" } else { "ASCII" };
    match Tty::open() {
        Ok(tty) => {
            let (columns, rows) = tty.size();
            let check = Check::new("terminal", State::Good, format!("{columns}x{rows}, {color}, {characters}"));
            if columns < 80 || rows < 24 {
                return Check { state: State::Doubtful, ..check }.advise("80x24 is the least that shows every pane");
            }
            check
        }
        Err(_) => Check::new("terminal", State::Off, "none here; the full screen needs one (`ssh -t`)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        let check = || Check::new("jaeger", State::Good, "api v3");
        assert_eq!(with_clock(check(), Some(now())).found, "api v3, clock agrees");
        let hour = Micros::from_secs(3_600);
        let ahead = with_clock(check(), Some(now() + hour));
        assert_eq!(ahead.state, State::Doubtful);
        assert!(ahead.found.contains("ahead of this machine's"), "{}", ahead.found);
        assert!(with_clock(check(), Some(now() - hour)).found.contains("behind this machine's"));
        assert_eq!(with_clock(check(), None), check());
    }

    #[test]
    fn the_store_is_tried_without_creating_it() {
        let home = tempfile::TempDir::new().unwrap();
        let dir = home.path().join("a/b");
        assert_eq!(store(&dir).state, State::Good);
        assert!(!dir.exists(), "looking is not making");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("owner"), format!("pid {} of mira, since 2026-11-20 22:10Z\n", std::process::id())).unwrap();
        let owned = store(&dir);
        assert_eq!(owned.state, State::Doubtful);
        assert!(owned.found.contains("of mira"), "{}", owned.found);
        fs::write(dir.join("owner"), "pid 2147483647 of nobody, since 2026-11-20 22:10Z\n").unwrap();
        assert_eq!(store(&dir).state, State::Good, "the owner died");
    }
}
