//! One sitting in front of the terminal, from the first frame to the last line.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crossterm::event::EventStream;
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::time::timeout;

use super::{
    Clipboard, Exit, Keeper, RuntimeError, Screen, Signals, TtyScreen, choose_look, choose_zone, now, read_kept, run,
    tty,
};
use crate::app::{App, KeyMap, Msg};
use crate::messages::{Command, CommandId, CommandKind, Update};
use crate::ui;

/// How long leaving waits for the monitor to flush what it learnt.
const FLUSH: Duration = Duration::from_secs(2);

/// Completes when the monitor ended; the error is one sentence.
pub type MonitorEnd = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The two halves joined in one process.
pub struct Wires {
    pub commands: UnboundedSender<Command>,
    pub updates: Receiver<Update>,
    /// Taken once it completed.
    pub ended: Option<MonitorEnd>,
    /// Writes what the screens remember; `None` where nothing is to be remembered.
    pub keeper: Option<Keeper>,
}

impl fmt::Debug for Wires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wires").field("updates", &self.updates.len()).finish_non_exhaustive()
    }
}

impl Wires {
    /// Asks the monitor to flush and end, and waits at most two seconds for it.
    ///
    /// # Errors
    /// One sentence when the monitor failed or took too long.
    pub async fn close(self) -> Result<(), String> {
        let Self { commands, updates, ended, .. } = self;
        _ = commands.send(Command { id: CommandId(u64::MAX), kind: CommandKind::Shutdown });
        drop((commands, updates));
        let Some(ended) = ended else { return Ok(()) };
        timeout(FLUSH, ended).await.unwrap_or_else(|_| {
            Err("the store did not finish writing within 2 s; what was learnt since the last poll may be learnt again".into())
        })
    }
}

/// How a sitting ended.
#[derive(Debug)]
pub struct Ending {
    pub exit: Exit,
    /// The app's last lines, for the normal screen.
    pub summary: String,
    /// Sentences for standard error: what failed while leaving, and panics that were kept off the screen.
    pub troubles: Vec<String>,
}

impl Ending {
    /// 0 after `q`, 128 + number after a signal.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        self.exit.code()
    }
}

/// What a sitting starts with.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub settings: &'a ui::Settings,
    pub keys: KeyMap,
    /// Where Jaeger's UI shows traces.
    pub trace_pages: Option<String>,
    /// The file in which the screens remember where they were, in a directory that is there.
    pub remembered: Option<PathBuf>,
}

/// Runs the whole program in the terminal. `start` begins the monitor and must return soon; it is called once the first
/// frame is on its way, because reading certificates alone takes longer than a frame may.
///
/// # Errors
/// Without a terminal, when `start` fails, or when the terminal breaks; the screen is restored in every case.
pub async fn full_screen<E: From<RuntimeError>>(
    wanted: Wanted<'_>,
    start: impl FnOnce() -> Result<Wires, E>,
) -> Result<Ending, E> {
    let env = |name: &str| std::env::var(name).ok();
    let mut screen = TtyScreen::open(Clipboard::behind(&env))?;
    let signals = Signals::listen().map_err(RuntimeError::from)?;
    let look = choose_look(wanted.settings, &env);
    let mut app = App::new(screen.size())
        .with_severity_filter(wanted.settings.least_severity())
        .with_keys(wanted.keys)
        .with_trace_pages(wanted.trace_pages)
        .with_zone(choose_zone(wanted.settings, &env), wanted.settings.time);
    match wanted.remembered.as_deref().map(read_kept) {
        Some(Ok(Some(kept))) => app.restore(kept, now()),
        Some(Err(told)) => _ = app.update(Msg::Told(told), now()),
        Some(Ok(None)) | None => {}
    }
    screen.draw(&app, look, now()).map_err(RuntimeError::from)?;
    let mut wires = match start() {
        Ok(wires) => wires,
        Err(error) => {
            screen.leave().await;
            return Err(error);
        }
    };
    wires.keeper = wanted.remembered.and_then(Keeper::of);
    let ended = run(&mut app, &mut screen, &mut wires, EventStream::new(), signals, look, now).await;
    screen.leave().await;
    drop(screen);
    let not_kept = wires.keeper.take().and_then(Keeper::close);
    let closed = wires.close().await;
    // The person's work is safe before a terminal error is told.
    let exit = ended?;
    // The last lines tell what is, not what was looked at.
    app.thaw(now());
    let troubles = closed.err().into_iter().chain(not_kept).chain(tty::remembered_panics()).collect();
    Ok(Ending { exit, summary: app.summary(now()), troubles })
}
