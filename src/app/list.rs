//! Moving a cursor through rows.

use super::keymap::Action;

/// Where the cursor is after a movement among `rows` rows of which `page` are visible.
#[must_use]
pub fn moved(action: Action, at: usize, rows: usize, page: usize) -> usize {
    let last = rows.saturating_sub(1);
    let page = page.max(2) - 1;
    match action {
        Action::Up => at.saturating_sub(1),
        Action::Down => at + 1,
        Action::PageUp => at.saturating_sub(page),
        Action::PageDown => at.saturating_add(page),
        Action::First => 0,
        Action::Last => last,
        _ => at,
    }
    .min(last)
}

/// The first visible row, changed no more than needed to keep the cursor in sight.
#[must_use]
pub fn offset(offset: usize, at: usize, rows: usize, page: usize) -> usize {
    let page = page.max(1);
    let offset = offset.min(rows.saturating_sub(page));
    if at < offset {
        at
    } else if at >= offset + page {
        at + 1 - page
    } else {
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_moves_only_when_the_cursor_leaves_it() {
        assert_eq!(offset(5, 7, 100, 10), 5);
        assert_eq!(offset(5, 15, 100, 10), 6);
        assert_eq!(offset(5, 2, 100, 10), 2);
        assert_eq!(offset(95, 99, 100, 10), 90, "no empty rows below the last");
        assert_eq!(offset(3, 0, 0, 0), 0);
    }

    #[test]
    fn the_cursor_stays_on_a_row() {
        assert_eq!(moved(Action::Down, 9, 10, 5), 9);
        assert_eq!(moved(Action::PageDown, 3, 10, 5), 7);
        assert_eq!(moved(Action::Last, 0, 0, 5), 0);
    }
}
