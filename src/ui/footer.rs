//! The last lines: messages in the rule, then the keys that work here, from the key table.

use ratatui::style::Style;

use super::pen::Pen;
use crate::app::acts::{ActsPage, FormOf};
use crate::app::keymap::{Action, Binding, PANES, TABLE};
use crate::app::layout::Area;
use crate::app::level::LevelQuestion;
use crate::app::{App, LevelCursor, LineInput, wording};
use crate::messages::RecalculationState;

pub fn draw(pen: &mut Pen<'_>, app: &App, rule: Option<Area>, keys: Area) {
    let quiet = pen.theme.quiet();
    let typing_error = app.view.typing.as_ref().and_then(|typing| typing.error.as_deref());
    let (message, style) = match (typing_error, &app.view.message) {
        (Some(error), _) => (error, pen.theme.trouble()),
        (None, Some(message)) if message.trouble => (message.text.as_str(), pen.theme.trouble()),
        (None, Some(message)) => (message.text.as_str(), Style::new()),
        (None, None) => ("", quiet),
    };
    let progress = match app.topics.recalculation.get() {
        Some(RecalculationState::Running { keys_done, keys_total, .. }) if app.recalculation_is_running() => {
            format!("recalculating {keys_done} of {}, esc cancels", wording::plural(u64::from(*keys_total), "key"))
        }
        _ => String::new(),
    };
    match rule {
        Some(rule) => pen.rule(rule, message, style, &progress, Style::new()),
        // Where there is no rule, a message takes the place of the keys until it was read.
        None if !message.is_empty() && app.view.typing.is_none() => {
            pen.put_start(keys.x + 1, keys.y, keys.width.saturating_sub(2), message, style);
            return;
        }
        None => {}
    }
    let mut line = keys;
    if let Some(typing) = &app.view.typing {
        let taken = filter_line(pen, app, &typing.line, keys);
        line = Area { x: taken, width: (keys.x + keys.width).saturating_sub(taken), ..keys };
    }
    draw_keys(pen, app, line);
}

fn filter_line(pen: &mut Pen<'_>, app: &App, line: &LineInput, keys: Area) -> u16 {
    let width = (keys.width / 2).max(20).min(keys.width.saturating_sub(2));
    let mut x = pen.put(keys.x + 1, keys.y, 2, "/ ", pen.theme.heading());
    x = input(pen, line, x, keys.y, width.saturating_sub(3));
    let alerts = &app.alerts;
    let (shown, all) = (alerts.shown() + alerts.shown_records(), alerts.active().count() + alerts.records().len());
    let count = format!("  {shown} of {all}");
    pen.put_start(x, keys.y, (keys.x + keys.width).saturating_sub(x), &count, pen.theme.quiet()) + 2
}

/// A line of text being typed, with its cursor in sight; gives the column behind it.
pub fn input(pen: &mut Pen<'_>, line: &LineInput, x: u16, y: u16, width: u16) -> u16 {
    let room = usize::from(width.max(2)) - 1;
    let skip = line.cursor().saturating_sub(room);
    let text: String = line.text().chars().skip(skip).take(room).collect();
    let before: String = text.chars().take(line.cursor() - skip).collect();
    let end = pen.put(x, y, width, &text, Style::new());
    let cursor = x + pen.width(&before).min(width.saturating_sub(1));
    pen.tint(Area::new(cursor, y, 1, 1), pen.theme.here());
    end.max(cursor + 1)
}

/// Keys in the order of the table, as many as fit; the ways to all the others and out come first.
fn draw_keys(pen: &mut Pen<'_>, app: &App, line: Area) {
    let place = app.place();
    let question = app.level_question();
    let undoable = app.undoable();
    // A level is rarely to be decided on, and there is rarely something to undo: their keys show where there is.
    let useful = |row: &&Binding| match row.action {
        Action::AskAboutLevel => question.is_some(),
        Action::Undo => undoable.is_some(),
        // The noise ledger has nothing to end.
        Action::AskToEnd => app.view.acts.as_ref().is_some_and(|cursor| cursor.page == ActsPage::Held),
        _ => true,
    };
    let rows = || {
        let here = TABLE.iter().filter(|row| row.applies(place)).filter(useful);
        here.filter_map(|row| row.footer.map(|word| (row, word)))
    };
    let words: Vec<(String, &str, bool)> = rows()
        .map(|(row, word)| {
            let word = match (row.action, &question) {
                (Action::Leave, _) if !PANES.contains(&place) => "back",
                (Action::Undo, _) => undoable.unwrap_or(word),
                (Action::SubmitForm, _) => match app.view.act_form.as_ref().map(|form| &form.what) {
                    Some(FormOf::Silence) => "silence",
                    _ => "acknowledge",
                },
                (Action::AskAboutLevel, Some(LevelQuestion::Undo(_))) => "undo level",
                (Action::ConfirmLevel, _) => match &app.view.level {
                    Some(LevelCursor { question: LevelQuestion::Undo(_), .. }) => "undo it",
                    _ => "accept",
                },
                _ => word,
            };
            (row.short_label(), word, matches!(row.action, Action::OpenHelp | Action::Leave))
        })
        .collect();
    let length = |(keys, word, _): &(String, &str, bool)| pen.width(keys) + 1 + pen.width(word) + 2;
    let mut room = line.width.saturating_sub(1);
    let mut kept = vec![false; words.len()];
    let order = (0..words.len()).filter(|n| words[*n].2).chain((0..words.len()).filter(|n| !words[*n].2));
    for n in order {
        let length = length(&words[n]);
        if length <= room + 2 {
            kept[n] = true;
            room = room.saturating_sub(length);
        } else {
            break;
        }
    }
    let right = line.x + line.width;
    let mut x = line.x + 1;
    for ((keys, word, _), _) in words.iter().zip(kept).filter(|(_, kept)| *kept) {
        x = pen.put(x, line.y, right.saturating_sub(x), keys, pen.theme.heading()) + 1;
        x = pen.put(x, line.y, right.saturating_sub(x), word, pen.theme.quiet()) + 2;
    }
}
