//! Typed text: a line, or several. The only place in the app that owns a widget: editing text well is the work of
//! `tui_textarea`, and it is used here as a plain state machine, without drawing.

use tui_textarea::{CursorMove, Input, Key as AreaKey, TextArea};

use unicode_width::UnicodeWidthChar;

use super::key::{Key, KeyCode};
use crate::domain::{Note, text};

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

    /// Another text, with the cursor at its end.
    pub fn replace(&mut self, text: &str) {
        *self = Self::new(text);
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

/// Several lines of typed text.
#[derive(Debug, Clone, Default)]
pub struct TextInput {
    area: TextArea<'static>,
}

impl PartialEq for TextInput {
    fn eq(&self, other: &Self) -> bool {
        self.area.lines() == other.area.lines() && self.area.cursor() == other.area.cursor()
    }
}

impl TextInput {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut input = Self::default();
        input.insert(text);
        input
    }

    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// How many characters may still be typed.
    #[must_use]
    pub fn room(&self) -> usize {
        let lines = self.area.lines();
        let typed: usize = lines.iter().map(|line| line.chars().count()).sum();
        Note::MOST.saturating_sub(typed + lines.len().saturating_sub(1))
    }

    /// Inserts cleaned text at the cursor, as much as a note may hold.
    pub fn insert(&mut self, text: &str) {
        // Terminals paste carriage returns for the ends of lines.
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let cleaned: String = text::clean_lines(&lines).chars().take(self.room()).collect();
        self.area.insert_str(cleaned);
    }

    /// Feeds a key: characters, line ends, and the editing keys of a shell.
    pub fn feed(&mut self, key: Key) {
        if let Some(c) = key.typed() {
            return self.insert(c.encode_utf8(&mut [0; 4]));
        }
        let code = match key.code {
            KeyCode::Enter if !key.alt && !key.ctrl => return self.insert("\n"),
            KeyCode::Backspace => AreaKey::Backspace,
            KeyCode::Delete => AreaKey::Delete,
            KeyCode::Left => AreaKey::Left,
            KeyCode::Right => AreaKey::Right,
            KeyCode::Up => AreaKey::Up,
            KeyCode::Down => AreaKey::Down,
            KeyCode::Home => AreaKey::Home,
            KeyCode::End => AreaKey::End,
            KeyCode::Char('u') if key.ctrl => {
                self.area.delete_line_by_head();
                return;
            }
            KeyCode::Char(c @ ('a' | 'e' | 'b' | 'f' | 'w' | 'k' | 'd' | 'h' | 'n' | 'p')) if key.ctrl => {
                AreaKey::Char(c)
            }
            KeyCode::Char(c @ ('b' | 'f' | 'd')) if key.alt => AreaKey::Char(c),
            _ => return,
        };
        self.area.input(Input { key: code, ctrl: key.ctrl, alt: key.alt, shift: false });
    }

    /// The lines as a screen of that width shows them, broken where they are too long; and the cursor's line and column.
    #[must_use]
    pub fn shown(&self, width: usize) -> (Vec<String>, (usize, usize)) {
        let width = width.max(2);
        let typing = self.area.cursor();
        let (mut lines, mut cursor) = (Vec::new(), (0, 0));
        for (number, text) in self.area.lines().iter().enumerate() {
            let (mut line, mut used) = (String::new(), 0);
            for (at, c) in text.chars().chain([' ']).enumerate() {
                let wide = c.width().unwrap_or(0);
                if used + wide > width {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                if (number, at) == (typing.0, typing.1) {
                    cursor = (lines.len(), used);
                }
                line.push(c);
                used += wide;
            }
            lines.push(line.trim_end().to_owned());
        }
        (lines, cursor)
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
    fn a_note_is_clean_lines_and_bounded() {
        let mut note = TextInput::new("disk full\r\non\u{1b}[2J db-3\tnow");
        assert_eq!(note.text(), "disk full\non[2J db-3 now");
        note.feed(Key::plain(KeyCode::Enter));
        note.feed(Key::char('x'));
        note.feed(Key::plain(KeyCode::Up));
        note.feed(Key::ctrl('e'));
        note.feed(Key::char('!'));
        assert_eq!(note.text(), "disk full\non[2J db-3 now!\nx");
        let save = Key { alt: true, ..Key::plain(KeyCode::Enter) };
        note.feed(save);
        assert_eq!(note.text().lines().count(), 3, "what saves types nothing");
        note.insert(&"é\n".repeat(5_000));
        assert_eq!((note.text().chars().count(), note.room()), (Note::MOST, 0));
        note.feed(Key::char('y'));
        note.feed(Key::plain(KeyCode::Enter));
        assert_eq!(note.text().chars().count(), Note::MOST);
    }

    #[test]
    fn long_lines_of_a_note_are_broken_with_the_cursor_where_it_types() {
        let mut note = TextInput::new("abcdef\n漢字x");
        assert_eq!(note.shown(4), (vec!["abcd".into(), "ef".into(), "漢字".into(), "x".into()], (3, 1)));
        note.feed(Key::plain(KeyCode::Home));
        assert_eq!(note.shown(4).1, (2, 0));
        note.feed(Key::plain(KeyCode::Up));
        note.feed(Key::plain(KeyCode::End));
        assert_eq!(note.shown(4).1, (1, 2));
        assert_eq!(TextInput::new("").shown(0), (vec![String::new()], (0, 0)));
        assert_eq!(TextInput::new("abcd").shown(4).1, (1, 0), "behind a full line it stands on the next");
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
