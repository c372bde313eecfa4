//! The screens' state as a pure machine: `update(message, now)` changes it and returns effects as data.

use crate::domain::Timestamp;
use crate::messages::{CommandKind, Update};

/// What happens to the app.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    KeyPressed(Key),
    /// Text pasted by the terminal (bracketed paste).
    Pasted(String),
    /// Columns and rows.
    Resized(u16, u16),
    UpdateArrived(Update),
    /// The clock moved: ages may read differently now.
    Ticked,
    /// The monitor ended; the sentence says why.
    MonitorLost(String),
}

/// What the runtime is to do for the app.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Send(CommandKind),
    Quit,
    Suspend,
    /// Paint every cell anew.
    Redraw,
}

/// A key of our own, so that the app knows no terminal library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub code: KeyCode,
    pub ctrl: bool,
    pub alt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyCode {
    Char(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

#[derive(Debug, Default)]
pub struct App {}

impl App {
    #[must_use]
    pub fn new(size: (u16, u16)) -> Self {
        let _ = size;
        Self {}
    }

    pub fn update(&mut self, msg: Msg, now: Timestamp) -> Vec<Effect> {
        let _ = (msg, now);
        Vec::new()
    }

    /// Grows whenever something visible may have changed; the runtime draws only then.
    #[must_use]
    pub fn revision(&self) -> u64 {
        0
    }

    /// When an age on the screen next reads differently, if nothing else happens; `None` when none will.
    #[must_use]
    pub fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        let _ = now;
        None
    }

    /// The last lines, printed to the normal screen on leaving.
    #[must_use]
    pub fn summary(&self, now: Timestamp) -> String {
        let _ = now;
        String::new()
    }
}
