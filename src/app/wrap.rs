//! Breaking text into lines of a given width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::text;

/// Breaks one paragraph into lines of at most `width` columns, at spaces where there are any. Lines after the first
/// start with `indent` spaces.
#[must_use]
pub fn wrap(paragraph: &str, width: usize, indent: usize) -> Vec<String> {
    let width = width.max(2);
    // Room for one wide character is left on every line.
    let indent = indent.min(width / 2).min(width - 2);
    let paragraph = text::clean(paragraph);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    let mut fresh = true;
    for word in paragraph.split(' ') {
        let length = word.width();
        let gap = usize::from(!fresh);
        if used + gap + length <= width {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
            used += gap + length;
            fresh = false;
            continue;
        }
        if !fresh {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            used = indent;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
                used = indent;
            }
            line.push(c);
            used += wide;
        }
        fresh = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_keep_their_indent() {
        assert_eq!(wrap("E1 one two three", 9, 3), ["E1 one", "   two", "   three"]);
        assert_eq!(wrap("  - item", 20, 0), ["  - item"], "leading space is the writer's");
        assert_eq!(wrap("", 9, 0), [""]);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        proptest::proptest!(|(text in ".{0,80}", width in 2usize..30, indent in 0usize..6)| {
            for line in wrap(&text, width, indent) {
                let columns: usize = line.chars().filter_map(UnicodeWidthChar::width).sum();
                proptest::prop_assert!(columns <= width, "{line:?}");
            }
        });
    }
}
