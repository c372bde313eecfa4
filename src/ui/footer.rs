//! The last lines: messages in the rule, then the keys that work here, from the key table.

use ratatui::style::Style;

use super::pen::Pen;
use crate::app::acts::{ActsPage, FormOf};
use crate::app::keymap::{Action, Binding, PANES};
use crate::app::layout::{Area, Shape};
use crate::app::level::LevelQuestion;
use crate::app::{App, LevelCursor, LineInput, wording, wrap};
use crate::domain::{Severity, Timestamp};
use crate::messages::RecalculationState;

/// The rule and the keys at the bottom of a view that has no layout of its own.
pub fn below(pen: &mut Pen<'_>, app: &App, screen: Area, now: Timestamp) {
    let rule = has_rule(screen).then(|| screen.line(screen.height - 2));
    draw(pen, app, rule, screen.line(screen.height.saturating_sub(1)), now);
}

const fn has_rule(screen: Area) -> bool {
    screen.height >= 12
}

pub fn draw(pen: &mut Pen<'_>, app: &App, rule: Option<Area>, keys: Area, now: Timestamp) {
    let quiet = pen.theme.quiet();
    let typing_error = app.view.typing.as_ref().and_then(|typing| typing.error.as_deref());
    let (message, style) = match (typing_error, &app.view.message) {
        (Some(error), _) => (error, pen.theme.trouble()),
        (None, Some(message)) if message.trouble => (message.text.as_str(), pen.theme.trouble()),
        (None, Some(_)) if spilled(pen, app, keys.width, rule.is_some()).is_some() => ("", quiet),
        (None, Some(message)) => (message.text.as_str(), Style::new()),
        (None, None) => ("", quiet),
    };
    let progress = match app.topics.recalculation.get() {
        Some(RecalculationState::Running { keys_done, keys_total, .. }) if app.recalculation_is_running() => {
            format!("recalculating {keys_done} of {}, esc cancels", wording::plural(u64::from(*keys_total), "key"))
        }
        _ => String::new(),
    };
    let badge = app.badge(now);
    let badge_style = match &badge {
        Some(badge) if badge.urgent => pen.theme.severity(Severity::Sev1),
        _ => pen.theme.here(),
    };
    let mut line = keys;
    match (rule, badge) {
        (Some(rule), None) => pen.rule(rule, message, style, &progress, Style::new()),
        (Some(rule), Some(badge)) => {
            let text = if rule.width < 60 { &badge.short } else { &badge.text };
            pen.rule(rule, "", quiet, text, badge_style);
            // The rest of the rule is written over the start of that one.
            let left = rule.width.saturating_sub(pen.width(text) + 4);
            pen.rule(Area { width: left, ..rule }, message, style, &progress, Style::new());
        }
        (None, Some(badge)) => {
            let end = pen.put(keys.x + 1, keys.y, keys.width.saturating_sub(1), &badge.short, badge_style);
            line = Area { x: end + 1, width: (keys.x + keys.width).saturating_sub(end + 1), ..keys };
        }
        (None, None) => {}
    }
    // Where there is no rule, a message takes the place of the keys until it was read.
    if rule.is_none() && !message.is_empty() && app.view.typing.is_none() {
        pen.put_start(line.x + 1, line.y, line.width.saturating_sub(2), message, style);
        return;
    }
    if let Some(typing) = &app.view.typing {
        let taken = filter_line(pen, app, &typing.line, line);
        line = Area { x: taken, width: (keys.x + keys.width).saturating_sub(taken), ..keys };
    }
    draw_keys(pen, app, line);
}

/// A message of which all is to be read, as lines above the rule or the keys: where their own line is too short for it.
pub fn spill(pen: &mut Pen<'_>, app: &App, screen: Area) {
    let Some(lines) = spilled(pen, app, screen.width, has_rule(screen)) else { return };
    let below = if has_rule(screen) { 2 } else { 1 };
    let first = screen.height.saturating_sub(below + u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let blank = " ".repeat(usize::from(screen.width));
    for (row, text) in (first..).zip(lines) {
        let line = screen.line(row);
        pen.put(line.x, line.y, line.width, &blank, Style::new());
        pen.tint(line, pen.theme.plain());
        pen.put(line.x + 1, line.y, line.width.saturating_sub(2), &text, Style::new());
    }
}

fn spilled(pen: &Pen<'_>, app: &App, width: u16, rule: bool) -> Option<Vec<String>> {
    let message = app.view.message.as_ref().filter(|message| message.whole && app.view.typing.is_none())?;
    let room = width.saturating_sub(if rule { 8 } else { 2 });
    (app.is_frozen() || pen.width(&message.text) > room)
        .then(|| wrap(&message.text, usize::from(width.saturating_sub(2)), 0))
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
        Action::AskToEnd => app.acts_cursor().is_some_and(|cursor| cursor.page == ActsPage::Held),
        Action::NextPart => Shape::of(app.size()) != Shape::Narrow,
        _ => true,
    };
    let rows = || {
        let here = app.keys().rows().iter().filter(|row| row.applies(place)).filter(useful);
        here.filter_map(|row| row.footer.map(|word| (row, word)))
    };
    let words: Vec<(String, &str, bool)> = rows()
        .map(|(row, word)| {
            let word = match (row.action, &question) {
                (Action::Leave, _) if !PANES.contains(&place) => "back",
                (Action::Freeze, _) if app.is_frozen() => "go on",
                (Action::Undo, _) => undoable.unwrap_or(word),
                (Action::SubmitForm, _) => match app.view.act_form.as_ref().map(|form| &form.what) {
                    Some(FormOf::Silence) => "silence",
                    _ => "acknowledge",
                },
                (Action::AskAboutLevel, Some(LevelQuestion::Undo(_))) => "undo level",
                (Action::ConfirmLevel, _) => match app.level_cursor() {
                    Some(LevelCursor { question: LevelQuestion::Undo(_), .. }) => "undo it",
                    _ => "accept",
                },
                _ => word,
            };
            let first = match row.action {
                Action::OpenHelp | Action::Leave => true,
                Action::Freeze => app.is_frozen(),
                // A narrow line says rather what can be done here.
                Action::OpenPalette => line.width >= 60,
                _ => false,
            };
            (row.short_label(), word, first)
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
