//! The only place that names a colour. Colours mean severity; cyan means focus; normal has none. The background is the
//! terminal's own. Without colour, modifiers alone carry the same order.

use ratatui::style::{Color, Modifier, Style};

use crate::domain::Severity;

#[derive(Debug, Clone, Copy)]
pub struct Theme {
    color: bool,
}

impl Theme {
    #[must_use]
    pub const fn new(color: bool) -> Self {
        Self { color }
    }

    fn colored(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    #[must_use]
    pub fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Sev1 => self.colored(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Severity::Sev2 => self.colored(Color::Red).add_modifier(Modifier::BOLD),
            Severity::Sev3 => self.colored(Color::Yellow),
            Severity::Sev4 => Style::new(),
            Severity::Sev5 => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// The title of a pane.
    #[must_use]
    pub fn title(self, focused: bool) -> Style {
        if focused { self.colored(Color::Cyan).add_modifier(Modifier::BOLD) } else { Style::new() }
    }

    /// The row under the cursor.
    #[must_use]
    pub fn cursor_row(self, focused: bool) -> Style {
        if focused { self.colored(Color::Cyan).add_modifier(Modifier::REVERSED) } else { Style::new() }
    }

    /// The mark before the row under the cursor, which stays when the focus is elsewhere.
    #[must_use]
    pub fn cursor_mark(self) -> Style {
        self.colored(Color::Cyan)
    }

    /// Rules, heads of columns, what is there when one looks for it.
    #[must_use]
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    #[must_use]
    pub fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Something about spanwatch or its sources went wrong. No colour: it is no severity of the watched system.
    #[must_use]
    pub fn trouble(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What covers something else: nothing of its style shines through.
    #[must_use]
    pub const fn plain(self) -> Style {
        Style::reset()
    }

    /// One cell to be noticed among others: the current hour, the text cursor.
    #[must_use]
    pub fn here(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
