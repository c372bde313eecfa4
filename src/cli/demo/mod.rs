//! `spanwatch demo`: the simulated exchange in this process, and the ordinary program pointed at it.

pub mod headless;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures_util::StreamExt;

use super::flags::Flags;
use super::{Failure, output, watch};
use crate::config::Loaded;
use crate::demo::{self, DemoArgs, DemoError};
use crate::runtime::{Exit, Signal, Signals};

/// # Errors
/// Settings that are wrong, endpoints that cannot be served, output that cannot be written.
pub fn demo(arguments: &DemoArgs, flags: &Flags) -> Result<ExitCode, Failure> {
    if arguments.list_faults {
        output::print(&DemoArgs::fault_list())?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.headless {
        return headless::headless(arguments, flags);
    }
    let threads = watch::threads()?;
    if let Some(url) = &arguments.export_otlp {
        return threads.run(export(arguments, url));
    }
    if arguments.serve {
        return threads.run(serve(arguments));
    }
    let setup = flags.setup()?;
    // The history is learnt anew each time, from the same endpoints as the live traffic; a store named by the user stays.
    let temporary =
        if setup.loaded.config.store.dir.as_os_str().is_empty() { Some(TemporaryStore::create()?) } else { None };
    let dir = temporary.as_ref().map_or(setup.store_dir, |store| store.0.clone());
    threads.run(play(arguments, setup.loaded, &dir))
}

/// The endpoints and the program against them.
async fn play(arguments: &DemoArgs, mut loaded: Loaded, store_dir: &Path) -> Result<ExitCode, Failure> {
    let config = &mut loaded.config;
    let served = demo::serve(arguments.serve_options()).await.map_err(told)?;
    config.jaeger.url.clone_from(&served.jaeger_url);
    config.jaeger.ui_url.clear();
    config.prometheus.url.clone_from(&served.prometheus_url);
    config.ollama.url.clone_from(&served.ollama_url);
    (config.jaeger.enabled, config.prometheus.enabled, config.ollama.enabled) = (true, true, true);
    let done = watch::full_screen(&loaded, store_dir, None).await;
    served.shutdown().await;
    done
}

/// The endpoints alone, until a signal.
async fn serve(arguments: &DemoArgs) -> Result<ExitCode, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::Sentence(format!("signals: {error}")))?;
    let served = demo::serve(arguments.serve_options()).await.map_err(told)?;
    output::print(&format!(
        "jaeger      {}\nprometheus  {}\nollama      {}\n",
        served.jaeger_url, served.prometheus_url, served.ollama_url
    ))?;
    let ended = loop {
        match signals.next().await {
            Some(Signal::Continued) => {}
            Some(signal) => break Exit::Signalled(signal),
            None => break Exit::Quit,
        }
    };
    served.shutdown().await;
    Ok(ExitCode::from(ended.code()))
}

async fn export(arguments: &DemoArgs, url: &str) -> Result<ExitCode, Failure> {
    let (exchange, window) = arguments.export_plan();
    let sent = demo::export(&exchange, window, url).await.map_err(told)?;
    output::print(&format!("{} spans of {} traces in {} requests\n", sent.spans, sent.traces, sent.requests))?;
    Ok(ExitCode::SUCCESS)
}

fn told(error: DemoError) -> Failure {
    Failure::Sentence(error.to_string())
}

/// A store that goes with the demo. Named after the process; a name that is taken, by whomever, is never used.
struct TemporaryStore(PathBuf);

impl TemporaryStore {
    fn create() -> Result<Self, Failure> {
        let base = std::env::temp_dir();
        for attempt in 0..100 {
            let dir = base.join(format!("spanwatch-demo-{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let place = dir.display();
                    return Err(Failure::Sentence(format!(
                        "{place}: cannot be created ({error}); set TMPDIR, or name a store with --store-dir"
                    )));
                }
            }
        }
        Err(Failure::Sentence(format!("{}: too many demos left their stores there; remove them", base.display())))
    }
}

impl Drop for TemporaryStore {
    fn drop(&mut self) {
        // Nothing of value is in it; the system clears its temporary directory too.
        _ = std::fs::remove_dir_all(&self.0);
    }
}
