//! Drawing as a function of the app's state. The theme is the only place that names a colour.

mod settings;
pub use settings::Settings;

use ratatui::Frame;

use crate::app::App;
use crate::domain::Timestamp;

/// What a terminal can show: decided once at start from `--color`, `NO_COLOR`, `TERM` and the locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub color: bool,
    pub unicode: bool,
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &App, look: Look, now: Timestamp) {
    let _ = (frame, app, look, now);
}
