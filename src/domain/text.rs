//! Cleaning of text that came from outside: span names, attributes, error messages, model tokens.

use std::borrow::Cow;

/// Whether a character may reach a terminal or a prompt as it is.
///
/// Refused: control characters (C0, DEL, C1), bidirectional controls, zero-width and other invisible format characters,
/// line and paragraph separators, private use and non-characters. A terminal would obey or hide them.
#[must_use]
pub const fn is_plain(c: char) -> bool {
    !matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

/// One line of clean text: refused characters become `·`, except that runs of white space become one space.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let spacing = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}');
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if spacing(c) {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else if is_plain(c) {
            out.push(c);
        } else {
            out.push('·');
        }
    }
    Cow::Owned(out)
}

/// Clean text that keeps its line breaks, for model output. Tabs become a space; other refused characters are dropped.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' => Some('\n'),
            '\t' => Some(' '),
            c if is_plain(c) => Some(c),
            _ => None,
        })
        .collect()
}

/// At most `most` characters, cut in the middle with an ellipsis: both ends of a name tell more than its start alone.
#[must_use]
pub fn middle(text: &str, most: usize) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= most {
        return Cow::Borrowed(text);
    }
    if most < 3 {
        return Cow::Owned(text.chars().take(most).collect());
    }
    let head = most.div_ceil(2) - 1;
    let tail = most - head - 1;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    Cow::Owned(format!("{start}…{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_survives() {
        let hostile = "a\u{1b}[2J\u{7}b\u{0}\u{9b}31mc\u{202e}d\u{200b}e\u{feff}f\r\n\tg";
        let cleaned = clean(hostile);
        assert!(cleaned.chars().all(is_plain), "{cleaned:?}");
        assert_eq!(cleaned, "a·[2J·b··31mc·d·e·f g");
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(clean("POST /checkout é 漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn model_text_keeps_its_lines_only() {
        assert_eq!(clean_lines("a\r\n\tb\u{1b}[31m"), "a\n b[31m");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(middle("SELECT orders WHERE id", 9), "SELE…E id");
        assert_eq!(middle("short", 9), "short");
        assert_eq!(middle("abc", 2), "ab");
    }
}
