//! The shell around the app: the loop, the terminal and its guard, the thread that writes frames, clock and signals.
//!
//! Nothing here knows telemetry. The loop is generic over its screen and its input, so tests run the loop itself, not an
//! imitation of it.

mod clipboard;
mod clock;
mod event_loop;
mod keeper;
mod keys;
mod look;
mod outlet;
mod screen;
mod session;
mod signals;
mod tty;
mod zone;

pub use clipboard::Clipboard;
pub use clock::now;
pub use event_loop::{Exit, run};
pub use keeper::{Keeper, read as read_kept};
pub use keys::{message_of, translate};
pub use look::{Environment, choose_look};
pub use screen::{Screen, TtyScreen};
pub use session::{Ending, MonitorEnd, Wanted, Wires, full_screen};
pub use signals::{Signal, Signals};
pub use tty::{NoTerminal, Tty, remember_panics_while_drawing};
pub use zone::choose_zone;

/// Why the terminal could not be used any longer.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error(transparent)]
    NoTerminal(#[from] NoTerminal),
    #[error("the terminal failed: {0}; open another one and start again, what was learnt is kept")]
    Terminal(#[from] std::io::Error),
}
