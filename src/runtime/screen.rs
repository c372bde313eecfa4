//! What the loop draws on.

use std::future::Future;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::signal;

use super::clipboard::Clipboard;
use super::outlet::Outlet;
use super::tty::{self, Tty};
use super::{RuntimeError, signals};
use crate::app::{App, Clip};
use crate::domain::Timestamp;
use crate::ui::{self, Look};

/// A place for frames. Implemented by the terminal, and by tests over ratatui's `TestBackend`.
pub trait Screen {
    /// Whether the last frame is out.
    fn is_free(&self) -> bool;
    /// Returns when the last frame is out.
    fn freed(&self) -> impl Future<Output = ()>;
    /// The shortest pause to leave before the next frame.
    fn rest(&self) -> Duration;
    fn draw(&mut self, app: &App, look: Look, now: Timestamp) -> io::Result<()>;
    /// Puts text into the person's clipboard with the next frame, or by other means and without waiting.
    fn copy(&mut self, clip: &Clip);
    /// Returns when there is something to tell of what became of a copy.
    fn remark(&self) -> impl Future<Output = String>;
    /// Takes a new size, or forgets what the terminal shows; either way the next frame paints every cell.
    fn fit(&mut self, size: Option<(u16, u16)>) -> io::Result<()>;
    /// Takes the terminal over again, after the shell had it.
    fn retake(&mut self) -> io::Result<()>;
    /// Gives the terminal to the shell and stops the program until it is continued.
    fn stop(&mut self) -> impl Future<Output = io::Result<()>>;
}

/// Bytes of the frame being built; shared because ratatui's backend owns its writer.
#[derive(Debug, Clone, Default)]
struct Pending(Arc<Mutex<Vec<u8>>>);

impl Pending {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|pending| pending.extend_from_slice(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal of the person. Each frame is one write, wrapped in a synchronized update.
#[derive(Debug)]
pub struct TtyScreen {
    // Dropped in this order: no frame may follow the giving back.
    terminal: Terminal<CrosstermBackend<Pending>>,
    pending: Pending,
    /// What the terminal shows; `None` where every cell is to be painted.
    shown: Option<Buffer>,
    outlet: Outlet,
    clipboard: Clipboard,
    tty: Tty,
}

const FRAME: Duration = Duration::from_millis(33);
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
/// How long leaving waits for a slow line before it drops what the line has not taken.
const PATIENCE: Duration = Duration::from_millis(500);

impl TtyScreen {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste, hidden cursor.
    pub fn open(clipboard: Clipboard) -> Result<Self, RuntimeError> {
        // Whether there is colour is the look's business; crossterm's own reading of NO_COLOR destroys bold and reverse.
        crossterm::style::force_color_output(true);
        let tty = Tty::open()?;
        let pending = Pending::default();
        let outlet = Outlet::start(tty.writer()?)?;
        tty.take()?;
        let terminal = Terminal::new(CrosstermBackend::new(pending.clone()))?;
        Ok(Self { terminal, pending, shown: None, outlet, clipboard, tty })
    }

    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        self.tty.size()
    }

    /// Lets the last frame and the last copy out, within reason, and gives the terminal back.
    pub async fn leave(&mut self) {
        let out = async {
            self.clipboard.settled().await;
            self.outlet.freed().await;
            let waiting = self.clipboard.take();
            if !waiting.is_empty() && self.outlet.give(waiting).is_ok() {
                self.outlet.freed().await;
            }
        };
        if tokio::time::timeout(PATIENCE, out).await.is_err() {
            self.tty.discard_output();
        }
        tty::give_back();
    }
}

impl Screen for TtyScreen {
    fn is_free(&self) -> bool {
        self.outlet.is_free()
    }

    fn freed(&self) -> impl Future<Output = ()> {
        self.outlet.freed()
    }

    fn rest(&self) -> Duration {
        FRAME.max(self.outlet.last_write()).min(Duration::from_secs(1))
    }

    fn draw(&mut self, app: &App, look: Look, now: Timestamp) -> io::Result<()> {
        // What is copied goes before the frame, in the same write: no frame is under way and none is torn.
        let copied = self.clipboard.take();
        self.pending.with(|pending| {
            pending.extend_from_slice(&copied);
            pending.extend_from_slice(BEGIN);
        });
        let drawn = self.terminal.draw(|frame| ui::draw(frame, app, look, now))?;
        let same = self.shown.as_ref() == Some(drawn.buffer);
        if !same {
            self.shown = Some(drawn.buffer.clone());
        }
        let mut bytes = self.pending.with(std::mem::take);
        if same && copied.is_empty() {
            // Resets alone are 41 bytes a frame, on a line that may be thin.
            return Ok(());
        }
        bytes.extend_from_slice(END);
        self.outlet.give(bytes)
    }

    fn copy(&mut self, clip: &Clip) {
        self.clipboard.copy(clip);
    }

    fn remark(&self) -> impl Future<Output = String> {
        self.clipboard.remark()
    }

    fn fit(&mut self, size: Option<(u16, u16)>) -> io::Result<()> {
        let (columns, rows) = size.unwrap_or_else(|| self.tty.size());
        self.shown = None;
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }

    fn retake(&mut self) -> io::Result<()> {
        self.tty.take()?;
        self.fit(None)
    }

    async fn stop(&mut self) -> io::Result<()> {
        let mut continued = signal(signals::continued())?;
        self.leave().await;
        // The whole group, as the terminal itself does on Ctrl-Z: a wrapper (`cargo run`, a script) must stop too, or the
        // shell would never get its prompt.
        kill_current_process_group(Signal::TSTP)?;
        // The stop may take effect a moment after kill() returns. Without job control the kernel ignores it and no
        // SIGCONT comes, hence the limit.
        _ = tokio::time::timeout(Duration::from_millis(200), continued.recv()).await;
        self.retake()
    }
}
