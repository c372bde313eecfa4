//! What the terminal reports, in the app's own words.

use crossterm::event::{Event, KeyCode as Code, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::{Key, KeyCode, Msg};

/// The message an event becomes; `None` for what the app does not use: releases, mouse, focus, media keys.
#[must_use]
pub fn message_of(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => translate(key).map(Msg::KeyPressed),
        Event::Paste(text) => Some(Msg::Pasted(text)),
        Event::Resize(columns, rows) => Some(Msg::Resized(columns, rows)),
        _ => None,
    }
}

/// A pressed or repeated key in the app's own words.
#[must_use]
pub fn translate(key: KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let code = match key.code {
        // Some terminals report Shift-Tab as Tab with a modifier.
        Code::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
        Code::Char(c) => KeyCode::Char(c),
        Code::Enter => KeyCode::Enter,
        Code::Esc => KeyCode::Esc,
        Code::Tab => KeyCode::Tab,
        Code::BackTab => KeyCode::BackTab,
        Code::Backspace => KeyCode::Backspace,
        Code::Delete => KeyCode::Delete,
        Code::Up => KeyCode::Up,
        Code::Down => KeyCode::Down,
        Code::Left => KeyCode::Left,
        Code::Right => KeyCode::Right,
        Code::Home => KeyCode::Home,
        Code::End => KeyCode::End,
        Code::PageUp => KeyCode::PageUp,
        Code::PageDown => KeyCode::PageDown,
        Code::F(number) => KeyCode::F(number),
        _ => return None,
    };
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(Key { code, ctrl, alt: key.modifiers.contains(KeyModifiers::ALT) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: Code, modifiers: KeyModifiers, kind: KeyEventKind) -> Event {
        Event::Key(KeyEvent::new_with_kind(code, modifiers, kind))
    }

    #[test]
    fn a_key_counts_once_however_much_the_terminal_tells() {
        let press = event(Code::Char('q'), KeyModifiers::NONE, KeyEventKind::Press);
        assert_eq!(message_of(press), Some(Msg::KeyPressed(Key { code: KeyCode::Char('q'), ctrl: false, alt: false })));
        assert_eq!(message_of(event(Code::Char('q'), KeyModifiers::NONE, KeyEventKind::Release)), None);
        assert!(message_of(event(Code::Down, KeyModifiers::NONE, KeyEventKind::Repeat)).is_some());
    }

    #[test]
    fn modifiers_and_both_spellings_of_shift_tab_arrive() {
        let ctrl_l = event(Code::Char('l'), KeyModifiers::CONTROL, KeyEventKind::Press);
        assert_eq!(message_of(ctrl_l), Some(Msg::KeyPressed(Key { code: KeyCode::Char('l'), ctrl: true, alt: false })));
        for event in [
            event(Code::Tab, KeyModifiers::SHIFT, KeyEventKind::Press),
            event(Code::BackTab, KeyModifiers::SHIFT, KeyEventKind::Press),
        ] {
            assert_eq!(
                message_of(event),
                Some(Msg::KeyPressed(Key { code: KeyCode::BackTab, ctrl: false, alt: false }))
            );
        }
    }

    #[test]
    fn pastes_and_sizes_pass_and_the_rest_is_ignored() {
        assert_eq!(message_of(Event::Paste("a\nb".into())), Some(Msg::Pasted("a\nb".into())));
        assert_eq!(message_of(Event::Resize(1, 1)), Some(Msg::Resized(1, 1)));
        assert_eq!(message_of(Event::FocusLost), None);
        assert_eq!(message_of(event(Code::Null, KeyModifiers::NONE, KeyEventKind::Press)), None);
    }
}
