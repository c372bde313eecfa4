//! Every glyph beyond ASCII that the screens draw, with its twin for terminals without UTF-8.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Heights of one cell, lowest first.
pub const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Shades of one cell, lightest first.
pub const SHADES: [char; 4] = ['░', '▒', '▓', '█'];
pub const CURSOR: &str = "▌";
/// The cursor behind a cell.
pub const HERE: &str = "◂";
pub const UNFOLDED: &str = "▾";
pub const FOLDED: &str = "▸";
pub const NORMAL: &str = "·";
pub const RULE: char = '─';
pub const CRITICAL: char = '━';
/// Time in which nothing ran, and what is too quiet to look at.
pub const WAIT: char = '·';
pub const AT_MOST: char = '≤';
pub const GUTTER: &str = "│";
pub const CUT: char = '…';
pub const MARK: char = '╵';
/// Pieces of lines by the sides to which they lead: up 1, down 2, left 4, right 8.
pub const LINES: [char; 16] = [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];
/// The same of lines that matter more.
pub const HEAVY: [char; 16] = [' ', '┃', '┃', '┃', '━', '┛', '┓', '┫', '━', '┗', '┏', '┣', '━', '┻', '┳', '╋'];
/// What points at a column.
pub const POINTER: &str = "▲";
/// Maintenance, hours of which parts are left out, and time of which nothing is known, on a track.
pub const MAINTENANCE: char = '=';
pub const LEFT_OUT: char = 'x';
pub const UNKNOWN: char = '?';
/// Digits of an exponent, 0 to 9.
const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

fn twin(c: char) -> Option<&'static str> {
    Some(match c {
        '─' => "-",
        '━' => "=",
        '│' => "|",
        '├' | '┤' => "|",
        '┌' | '┐' => ".",
        '┘' => "'",
        '┬' | '┴' | '┼' => "+",
        '┃' | '┏' | '┓' | '┗' | '┛' | '┣' | '┫' | '┳' | '┻' | '╋' => "#",
        '└' => "`",
        '▌' => ">",
        '◂' => "<",
        '▸' => "+",
        '▾' => "-",
        '·' | '▂' => ".",
        '…' => "~",
        '▁' => "_",
        '░' | '▃' => ":",
        '▒' | '▄' => "-",
        '▓' | '▅' => "=",
        '▆' => "+",
        '▇' => "*",
        '█' => "#",
        '╵' => "'",
        '▲' => "^",
        '×' => "x",
        '≤' => "<=",
        // One column like its twin, so that wrapped text keeps its lines; "s" would read as seconds.
        'σ' => "z",
        '↑' => "up",
        '↓' => "down",
        '←' => "<-",
        '→' => "->",
        _ => return None,
    })
}

/// The text in ASCII alone. What has no twin becomes as many question marks as it is wide.
#[must_use]
pub fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut raised = false;
    for c in text.chars() {
        let power = RAISED.iter().position(|digit| *digit == c);
        if power.is_some() && !raised {
            out.push('^');
        }
        raised = power.is_some();
        if let Some(digit) = power {
            out.push_str(&digit.to_string());
            continue;
        }
        match twin(c) {
            _ if c.is_ascii() => out.push(c),
            Some(twin) => out.push_str(twin),
            None => out.extend(std::iter::repeat_n('?', c.width().unwrap_or(0))),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_above_ascii_is_left() {
        let glyphs = BARS
            .iter()
            .chain(&SHADES)
            .chain(&LINES)
            .chain(&HEAVY)
            .chain(&[RULE, CRITICAL, CUT, MARK, WAIT, AT_MOST])
            .collect::<String>();
        for text in [&glyphs, CURSOR, UNFOLDED, FOLDED, NORMAL, GUTTER, HERE, "23σ", "├└ ↑↓←→", POINTER] {
            let twin = ascii(text);
            assert!(twin.is_ascii() && !twin.contains('?'), "{text} became {twin}");
        }
        assert_eq!(ascii("é漢e\u{301}"), "???e");
        assert_eq!(ascii("1 in 8×10³⁸, a → b"), "1 in 8x10^38, a -> b");
    }
}
