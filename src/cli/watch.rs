//! `spanwatch`: the monitor in full screen.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::flags::Setup;
use super::{Failure, Flags, output};
use crate::config::{Config, Loaded, Places, own_directory};
use crate::llm::ollama::Ollama;
use crate::monitor::{self, Parts, Rules};
use crate::runtime::{self, Wanted, Wires};
use crate::sources::jaeger::Jaeger;
use crate::sources::prometheus::Prometheus;

pub fn watch(flags: &Flags) -> Result<ExitCode, Failure> {
    let Setup { loaded, store_dir, .. } = flags.setup()?;
    threads()?.run(async { full_screen(&loaded, &store_dir, remembered()).await })
}

/// The file in which the screens remember where they were; there is none without a home.
fn remembered() -> Option<PathBuf> {
    let state = Places::of_user().ok()?.state;
    // A home that cannot be written is no reason not to watch: it is told at the end, with the file.
    _ = own_directory(&state);
    Some(state.join("view.json"))
}

/// The tokio runtime. Leaving does not wait for what still runs on it: a request that hangs must not hold up the shell.
pub struct Threads(tokio::runtime::Runtime);

pub fn threads() -> Result<Threads, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map(Threads).map_err(|error| {
        Failure::Sentence(format!("no threads could be started: {error}; check the limits of this user (`ulimit -u`)"))
    })
}

impl Threads {
    pub fn run<T>(self, work: impl Future<Output = T>) -> T {
        let done = self.0.block_on(work);
        self.0.shutdown_background();
        done
    }
}

/// Watches until the person leaves; then says the last lines on the normal screen.
pub async fn full_screen(loaded: &Loaded, store_dir: &Path, remembered: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let config = &loaded.config;
    own_directory(store_dir)?;
    let start = || parts(config, store_dir).map(|parts| wires(monitor::start(parts)));
    let trace_pages = config.jaeger.enabled.then(|| config.jaeger.trace_pages()).flatten();
    let wanted = Wanted { settings: &config.ui, keys: loaded.keys(), trace_pages, remembered };
    let ending = runtime::full_screen(wanted, start).await?;
    for trouble in &ending.troubles {
        output::complain(trouble);
    }
    if !ending.summary.is_empty() {
        // A terminal that is gone (SIGHUP) cannot show it; the exit code still tells how it ended.
        _ = output::print(&format!("{}\n", ending.summary.trim_end()));
    }
    Ok(ExitCode::from(ending.exit_code()))
}

/// What the configuration says that a monitor is made of. Errors are those that no waiting mends: a certificate file
/// that cannot be read, an address that is none.
fn parts(config: &Config, store_dir: &Path) -> Result<Parts, Failure> {
    let jaeger = config.jaeger.enabled.then(|| Jaeger::new(&config.jaeger)).transpose();
    let prometheus = config.prometheus.enabled.then(|| Prometheus::new(&config.prometheus)).transpose();
    let ollama = config.ollama.enabled.then(|| Ollama::new(&config.ollama)).transpose();
    Ok(Parts {
        rules: Rules {
            monitor: config.monitor.clone(),
            baseline: config.baseline.clone(),
            detect: config.detect.clone(),
            store: config.store.clone(),
            maintenance: config.maintenance.clone(),
        },
        store_dir: store_dir.to_owned(),
        jaeger: jaeger.map_err(|error| Failure::Sentence(format!("jaeger: {error}; {}", error.hint())))?,
        prometheus: prometheus.map_err(|error| Failure::Sentence(format!("prometheus: {error}; {}", error.hint())))?,
        ollama: ollama.map_err(|error| Failure::Sentence(format!("ollama: {error}")))?,
    })
}

fn wires(handle: monitor::Handle) -> Wires {
    let monitor::Handle { commands, updates, ended } = handle;
    let ended = async move {
        match ended.await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(error) => {
                Err(format!("the monitor failed ({error}); this is a defect, please report it, and start again"))
            }
        }
    };
    Wires { commands, updates, ended: Some(Box::pin(ended)), keeper: None }
}
