//! Writing clean text into cells. All text on the screen goes through here: it is cleaned, given its ASCII twin where
//! the terminal needs that, cut to its column by display width, and never reaches outside its area.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::glyphs;
use super::theme::Theme;
use crate::app::layout::Area;
use crate::domain::text;

#[derive(Debug)]
pub struct Pen<'b> {
    buffer: &'b mut Buffer,
    unicode: bool,
    pub theme: Theme,
}

impl<'b> Pen<'b> {
    pub fn new(buffer: &'b mut Buffer, unicode: bool, theme: Theme) -> Self {
        Self { buffer, unicode, theme }
    }

    /// The text as this terminal may see it.
    #[must_use]
    pub fn plain<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let clean = text::clean(text);
        if self.unicode {
            return clean;
        }
        match clean {
            Cow::Borrowed(text) => glyphs::ascii(text),
            Cow::Owned(text) => Cow::Owned(glyphs::ascii(&text).into_owned()),
        }
    }

    /// How many columns the text takes here.
    #[must_use]
    pub fn width(&self, text: &str) -> u16 {
        u16::try_from(self.plain(text).width()).unwrap_or(u16::MAX)
    }

    /// The text as this terminal may see it, in at most `width` columns.
    #[must_use]
    pub fn cut(&self, text: &str, width: u16) -> String {
        cut_end(&self.plain(text), usize::from(width), if self.unicode { glyphs::CUT } else { '~' }).into_owned()
    }

    fn fits(&self, x: u16, y: u16) -> bool {
        let area = self.buffer.area;
        x >= area.x && x < area.right() && y >= area.y && y < area.bottom()
    }

    /// Writes already plain text; gives the column behind it.
    fn write(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        if width == 0 || !self.fits(x, y) {
            return x;
        }
        self.buffer.set_stringn(x, y, text, usize::from(width), style).0
    }

    /// Writes text from the left of a column, cut in the middle where it is too long; gives the column behind it.
    pub fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let plain = self.plain(text);
        let cut = cut_middle(&plain, usize::from(width), if self.unicode { glyphs::CUT } else { '~' });
        self.write(x, y, width, &cut, style)
    }

    /// The same, cut at the end: for sentences, whose start says most.
    pub fn put_start(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let plain = self.plain(text);
        let cut = cut_end(&plain, usize::from(width), if self.unicode { glyphs::CUT } else { '~' });
        self.write(x, y, width, &cut, style)
    }

    /// Writes text against the right of a column.
    pub fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let length = self.width(text).min(width);
        self.put(x + (width - length), y, length, text, style);
    }

    /// Gives every cell of an area a style, without writing.
    pub fn tint(&mut self, area: Area, style: Style) {
        let rect = Rect::new(area.x, area.y, area.width, area.height).intersection(self.buffer.area);
        self.buffer.set_style(rect, style);
    }

    /// A rule across `area`, with a title near its left and a remark near its right end: `── Alerts ──── 7 open ──`.
    pub fn rule(&mut self, area: Area, title: &str, title_style: Style, remark: &str, remark_style: Style) {
        if area.is_empty() {
            return;
        }
        let quiet = self.theme.quiet();
        let line: String = std::iter::repeat_n(glyphs::RULE, usize::from(area.width)).collect();
        self.put(area.x, area.y, area.width, &line, quiet);
        let inner = area.width.saturating_sub(6);
        let title_style = lifted(title_style);
        let mut x = area.x + 2;
        let mut left = inner;
        if !title.is_empty() && inner > 0 {
            let width = self.width(title).min(inner);
            self.put(x, area.y, 1, " ", quiet);
            x = self.put_start(x + 1, area.y, width, title, title_style);
            x = self.put(x, area.y, 1, " ", quiet);
            left = inner.saturating_sub(width + 2);
        }
        if !remark.is_empty() && left > 3 {
            let width = self.width(remark).min(left - 1);
            let at = (area.x + area.width).saturating_sub(width + 3).max(x);
            self.put(at - 1, area.y, 1, " ", quiet);
            let end = self.put(at, area.y, width, remark, lifted(remark_style));
            self.put(end, area.y, 1, " ", quiet);
        }
    }
}

/// A style on top of a dim rule: dim only if it says so itself.
pub fn lifted(style: Style) -> Style {
    if style.add_modifier.contains(Modifier::DIM) { style } else { style.remove_modifier(Modifier::DIM) }
}

/// At most `width` columns, cut in the middle: both ends of a name tell more than its start alone.
fn cut_middle(text: &str, width: usize, mark: char) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    if width < 5 {
        return cut_end(text, width, mark);
    }
    let head = take(text.chars(), (width - 1).div_ceil(2));
    let tail: String = take(text.chars().rev(), width - 1 - head.width()).chars().rev().collect();
    // A combining mark without its base would join the ellipsis.
    let tail = tail.trim_start_matches(|c: char| c.width().unwrap_or(0) == 0);
    Cow::Owned(format!("{head}{mark}{tail}"))
}

fn cut_end(text: &str, width: usize, mark: char) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    if width < 2 {
        return Cow::Owned(take(text.chars(), width));
    }
    let mut cut = take(text.chars(), width - 1);
    cut.push(mark);
    Cow::Owned(cut)
}

fn take(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_both_ends_and_sentences_their_start() {
        assert_eq!(cut_middle("order-matcher order.match", 11, '…'), "order…match");
        assert_eq!(cut_end("order-matcher order.match", 11, '…'), "order-matc…");
        assert_eq!(cut_middle("short", 5, '…'), "short");
    }

    #[test]
    fn a_cut_text_is_never_wider_than_its_column() {
        proptest::proptest!(|(text in "[a-z漢字é\u{301}👩 ]{0,30}", width in 0usize..20)| {
            proptest::prop_assert!(cut_middle(&text, width, '…').width() <= width);
            proptest::prop_assert!(cut_end(&text, width, '…').width() <= width);
        });
    }
}
