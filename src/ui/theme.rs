//! The only place that names a colour. Colours mean severity; one accent means focus; normal has none. The background is
//! the terminal's own. Without colour, modifiers alone carry the same order.

use ratatui::style::{Color, Modifier, Style};

use super::ThemeName;
use crate::domain::Severity;

#[derive(Debug, Clone, Copy)]
pub struct Theme {
    name: ThemeName,
    color: bool,
}

/// What is coloured at all.
#[derive(Debug, Clone, Copy)]
enum Hue {
    Urgent,
    Warning,
    Focus,
}

impl Theme {
    #[must_use]
    pub const fn new(name: ThemeName, color: bool) -> Self {
        Self { name, color }
    }

    fn colored(self, hue: Hue) -> Style {
        if self.color { Style::new().fg(self.hue(hue)) } else { Style::new() }
    }

    /// The true colours have a luminance between 0.17 and 0.25, so that black and white backgrounds leave them readable:
    /// 4.5 : 1 and 3.7 : 1 at least, reckoned as in WCAG 2.
    const fn hue(self, hue: Hue) -> Color {
        match (self.name, hue) {
            (ThemeName::Terminal, Hue::Urgent) => Color::Red,
            (ThemeName::Terminal, Hue::Warning) => Color::Yellow,
            (ThemeName::Terminal, Hue::Focus) => Color::Cyan,
            (ThemeName::TrueColor, Hue::Urgent) => Color::Rgb(226, 54, 54),
            (ThemeName::TrueColor, Hue::Warning) => Color::Rgb(168, 116, 0),
            (ThemeName::TrueColor, Hue::Focus) => Color::Rgb(0, 132, 168),
            (ThemeName::HighContrast, Hue::Urgent) => Color::LightRed,
            (ThemeName::HighContrast, Hue::Warning) => Color::LightYellow,
            (ThemeName::HighContrast, Hue::Focus) => Color::LightCyan,
        }
    }

    fn dim(self) -> Style {
        match self.name {
            ThemeName::HighContrast => Style::new(),
            ThemeName::Terminal | ThemeName::TrueColor => Style::new().add_modifier(Modifier::DIM),
        }
    }

    #[must_use]
    pub fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Sev1 => self.colored(Hue::Urgent).add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Severity::Sev2 => self.colored(Hue::Urgent).add_modifier(Modifier::BOLD),
            Severity::Sev3 => self.colored(Hue::Warning),
            Severity::Sev4 => Style::new(),
            Severity::Sev5 => self.dim(),
        }
    }

    /// The title of a pane.
    #[must_use]
    pub fn title(self, focused: bool) -> Style {
        if focused { self.colored(Hue::Focus).add_modifier(Modifier::BOLD) } else { Style::new() }
    }

    /// The row under the cursor.
    #[must_use]
    pub fn cursor_row(self, focused: bool) -> Style {
        if focused { self.colored(Hue::Focus).add_modifier(Modifier::REVERSED) } else { Style::new() }
    }

    /// The mark before the row under the cursor, which stays when the focus is elsewhere.
    #[must_use]
    pub fn cursor_mark(self) -> Style {
        self.colored(Hue::Focus)
    }

    /// Rules, heads of columns, what is there when one looks for it.
    #[must_use]
    pub fn quiet(self) -> Style {
        self.dim()
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

#[cfg(test)]
mod tests {
    use super::*;

    const THEMES: [ThemeName; 3] = [ThemeName::Terminal, ThemeName::TrueColor, ThemeName::HighContrast];

    #[test]
    fn without_colour_every_theme_tells_the_worst_three_and_the_cursor_by_weight() {
        for name in THEMES {
            let theme = Theme::new(name, false);
            let styles = [Severity::Sev1, Severity::Sev2, Severity::Sev3].map(|severity| theme.severity(severity));
            assert!(styles[0] != styles[1] && styles[1] != styles[2], "{name:?}");
            assert!(styles.iter().chain([&theme.cursor_row(true)]).all(|style| style.fg.is_none()), "{name:?}");
            assert_ne!(theme.cursor_row(true), theme.cursor_row(false), "{name:?}");
        }
    }

    /// Relative luminance and contrast as WCAG 2 defines them.
    fn luminance(color: Color) -> f64 {
        let Color::Rgb(r, g, b) = color else { panic!("{color:?} is the terminal's own") };
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    #[test]
    fn true_colours_can_be_read_on_black_and_on_white() {
        for hue in [Hue::Urgent, Hue::Warning, Hue::Focus] {
            let luminance = luminance(Theme::new(ThemeName::TrueColor, true).hue(hue));
            let (on_black, on_white) = ((luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05));
            assert!(on_black >= 4.5 && on_white >= 3.7, "{hue:?}: {on_black:.1} and {on_white:.1}");
        }
    }

    #[test]
    fn high_contrast_dims_nothing() {
        let theme = Theme::new(ThemeName::HighContrast, true);
        for style in Severity::ALL.map(|severity| theme.severity(severity)).into_iter().chain([theme.quiet()]) {
            assert!(!style.add_modifier.contains(Modifier::DIM));
        }
    }
}
