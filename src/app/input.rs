//! A line of typed text. The only place in the app that owns a widget: editing text well is the work of
//! `tui_textarea`, and it is used here as a plain state machine, without drawing.

use tui_textarea::{CursorMove, Input, Key as AreaKey, TextArea};

use super::key::{Key, KeyCode};
use crate::domain::text;

#[derive(Debug, Clone, Default)]
pub struct LineInput {
    area: TextArea<'static>,
}

impl PartialEq for LineInput {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() && self.cursor() == other.cursor()
    }
}

impl LineInput {
    /// More than anybody types; a pasted log file must not become a filter.
    const LONGEST: usize = 200;

    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut line = Self::default();
        line.insert(text);
        line
    }

    #[must_use]
    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// The cursor's place, in characters from the start.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.area.cursor().1
    }

    /// Inserts cleaned text at the cursor, up to the longest line allowed.
    pub fn insert(&mut self, text: &str) {
        let room = Self::LONGEST.saturating_sub(self.text().chars().count());
        let cleaned: String = text::clean(text).chars().take(room).collect();
        self.area.insert_str(cleaned);
    }

    /// Feeds a key: characters, and the editing keys of a shell.
    pub fn feed(&mut self, key: Key) {
        if let Some(c) = key.typed() {
            self.insert(c.encode_utf8(&mut [0; 4]));
            return;
        }
        let code = match key.code {
            KeyCode::Backspace => AreaKey::Backspace,
            KeyCode::Delete => AreaKey::Delete,
            KeyCode::Left => AreaKey::Left,
            KeyCode::Right => AreaKey::Right,
            KeyCode::Home => AreaKey::Home,
            KeyCode::End => AreaKey::End,
            KeyCode::Char('u') if key.ctrl => {
                self.area.delete_line_by_head();
                return;
            }
            // Of the rest only keys that cannot break the line or show a selection.
            KeyCode::Char(c @ ('a' | 'e' | 'b' | 'f' | 'w' | 'k' | 'd' | 'h')) if key.ctrl => AreaKey::Char(c),
            KeyCode::Char(c @ ('b' | 'f' | 'd')) if key.alt => AreaKey::Char(c),
            _ => return,
        };
        self.area.input(Input { key: code, ctrl: key.ctrl, alt: key.alt, shift: false });
        if self.area.cursor().0 > 0 {
            self.area.move_cursor(CursorMove::Jump(0, u16::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_clean_line() {
        let mut line = LineInput::new("svc:pay*");
        line.insert("\n\x1b[31m x\r\ny");
        assert!(!line.text().contains('\n') && line.text().chars().all(text::is_plain), "{:?}", line.text());
        line.feed(Key::plain(KeyCode::Enter));
        line.feed(Key::ctrl('m'));
        line.feed(Key::ctrl('j'));
        assert_eq!(line.area.lines().len(), 1);
        line.insert(&"x".repeat(10_000));
        assert_eq!(line.text().chars().count(), LineInput::LONGEST);
    }

    #[test]
    fn a_shell_users_fingers_work() {
        let mut line = LineInput::new("sev>=2 matcher");
        line.feed(Key::ctrl('w'));
        assert_eq!(line.text(), "sev>=2 ");
        line.feed(Key::ctrl('a'));
        line.feed(Key::char('!'));
        assert_eq!((line.text(), line.cursor()), ("!sev>=2 ", 1));
        line.feed(Key::ctrl('e'));
        line.feed(Key::ctrl('u'));
        assert_eq!(line.text(), "");
    }
}
