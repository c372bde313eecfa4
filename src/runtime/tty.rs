//! The terminal device: found, taken over, and always given back.
//!
//! The program draws on `/dev/tty`, so standard output stays free for data. What must be undone is kept in one place that
//! the guard's `Drop`, the panic hook and the signal paths share; undoing twice does nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use rustix::termios::{OptionalActions, QueueSelector, Termios, isatty, tcflush, tcgetattr, tcgetwinsize, tcsetattr};

/// Alternate screen, bracketed paste on, cursor hidden.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l";
/// The same undone, after closing a synchronized update that a torn frame may have left open and any attribute.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?25h\x1b[?2004l\x1b[?1049l";

#[derive(Debug, thiserror::Error)]
#[error(
    "no terminal to draw on; start it in an interactive shell (over SSH: `ssh -t HOST spanwatch`), or ask `spanwatch doctor` which works without one"
)]
pub struct NoTerminal;

/// A terminal that can be taken over. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Tty {
    device: File,
}

struct Taken {
    device: File,
    before: Termios,
    by: ThreadId,
}

static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A poisoned lock still holds what must be undone.
fn locked<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tty {
    /// `/dev/tty`, else standard output where that is a terminal.
    pub fn open() -> Result<Self, NoTerminal> {
        let device = File::options().read(true).write(true).open("/dev/tty");
        let device = device.ok().filter(|device| isatty(device)).or_else(|| {
            let stdout = io::stdout();
            isatty(&stdout).then(|| stdout.as_fd().try_clone_to_owned().ok().map(File::from)).flatten()
        });
        device.map(|device| Self { device }).ok_or(NoTerminal)
    }

    pub fn writer(&self) -> io::Result<File> {
        self.device.try_clone()
    }

    /// Columns and rows; a terminal that does not know its size counts as 80x24.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        match tcgetwinsize(&self.device) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => (80, 24),
        }
    }

    /// Raw mode and the alternate screen. Calling it again applies them anew, as after a stop that was not ours.
    pub fn take(&self) -> io::Result<()> {
        let mut taken = locked(&TAKEN);
        let before = match taken.take() {
            Some(earlier) => earlier.before,
            None => tcgetattr(&self.device)?,
        };
        let mut raw = before.clone();
        raw.make_raw();
        *taken = Some(Taken { device: self.device.try_clone()?, before, by: std::thread::current().id() });
        tcsetattr(&self.device, OptionalActions::Now, &raw)?;
        (&self.device).write_all(ENTER)
    }

    /// Drops output that the terminal has not accepted, so that a stuck line cannot hold up leaving.
    pub fn discard_output(&self) {
        _ = tcflush(&self.device, QueueSelector::OFlush);
    }
}

/// Gives the terminal back as it was found. Does nothing when it is not taken; errors are of no use to anybody here.
pub(super) fn give_back() {
    if let Some(taken) = locked(&TAKEN).take() {
        _ = (&taken.device).write_all(LEAVE);
        _ = tcsetattr(&taken.device, OptionalActions::Now, &taken.before);
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        give_back();
    }
}

/// Installs the panic hook. A panic of the thread that took the terminal first gives it back and then prints. Any other
/// thread's panic while a screen is up would only smear it: that one is remembered, and the loop tells that the part died.
pub fn remember_panics_while_drawing() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let owner = locked(&TAKEN).as_ref().map(|taken| taken.by);
        match owner {
            Some(owner) if owner != std::thread::current().id() => locked(&PANICS).push(panic.to_string()),
            _ => {
                give_back();
                print(panic);
            }
        }
    }));
}

/// The panics that were kept off the screen since the last call.
#[must_use]
pub(super) fn remembered_panics() -> Vec<String> {
    std::mem::take(&mut locked(&PANICS))
}
