//! Frames as text: the cells, and where it matters a second layer that names each cell's style.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use spanwatch::domain::text::is_plain;
use spanwatch::ui::{self, Look, ThemeName};

use super::fixture::Stage;

pub const COLOR: Look = Look { color: true, unicode: true, theme: ThemeName::Terminal };
pub const MONO: Look = Look { color: false, unicode: true, theme: ThemeName::Terminal };
pub const ASCII: Look = Look { color: false, unicode: false, theme: ThemeName::Terminal };

/// Draws one frame. Whatever the state, nothing that a terminal would obey is in it.
pub fn frame(stage: &Stage, size: (u16, u16), look: Look) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| ui::draw(frame, &stage.app, look, stage.now)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    for cell in &buffer.content {
        assert!(cell.symbol().chars().all(is_plain), "{:?} reached the screen", cell.symbol());
        assert!(look.unicode || cell.symbol().is_ascii(), "{:?} is not ASCII", cell.symbol());
        assert!(cell.bg == Color::Reset, "a background was painted");
        assert!(look.color || cell.fg == Color::Reset, "a colour in mono");
    }
    buffer
}

pub fn render(stage: &Stage, look: Look) -> String {
    text(&frame(stage, stage.app.size(), look))
}

fn lines(buffer: &Buffer) -> impl Iterator<Item = &[Cell]> {
    buffer.content.chunks(usize::from(buffer.area.width))
}

fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for line in lines(buffer) {
        let mut text = String::new();
        let mut covered = 0;
        for cell in line {
            // The cell behind a wide character holds a space that the terminal never shows.
            if covered > 0 {
                covered -= 1;
                continue;
            }
            text.push_str(cell.symbol());
            covered = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// One letter a style; a legend below says which.
fn styles(buffer: &Buffer) -> String {
    let mut names: BTreeMap<char, String> = BTreeMap::new();
    let mut out = String::new();
    for line in lines(buffer) {
        let letters: String = line.iter().map(|cell| letter(cell, &mut names)).collect();
        out.push_str(letters.trim_end());
        out.push('\n');
    }
    for (letter, name) in names {
        out.push_str(&format!("{letter} = {name}\n"));
    }
    out
}

fn letter(cell: &Cell, names: &mut BTreeMap<char, String>) -> char {
    let has = |modifier| cell.modifier.contains(modifier);
    let mut name = Vec::new();
    let color = match cell.fg {
        Color::Reset => None,
        color => Some(format!("{color:?}").to_lowercase()),
    };
    let parts = [(has(Modifier::BOLD), "bold"), (has(Modifier::DIM), "dim"), (has(Modifier::REVERSED), "reverse")];
    name.extend(parts.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()));
    name.extend(color);
    let name = name.join(" ");
    let letter = match name.as_str() {
        "" => return ' ',
        "dim" => '.',
        "bold" => 'b',
        "bold cyan" => 'C',
        "cyan" => 'c',
        "reverse cyan" => 'K',
        "reverse" => 'r',
        "bold reverse" => 'R',
        "bold reverse red" => '1',
        "bold red" => '2',
        "yellow" => '3',
        _ => 'x',
    };
    assert!(letter != 'x' || !name.contains(|c: char| c.is_ascii_digit()), "an unexpected colour: {name}");
    names
        .entry(letter)
        .and_modify(|known| {
            if !known.contains(&name) {
                known.push_str(&format!(" | {name}"));
            }
        })
        .or_insert(name);
    letter
}

pub fn check(stage: &Stage, look: Look, name: &str) {
    compare(name, &render(stage, look));
}

/// Also compares the style of every cell.
pub fn check_styled(stage: &Stage, look: Look, name: &str) {
    let buffer = frame(stage, stage.app.size(), look);
    compare(name, &format!("{}\n{}", text(&buffer), styles(&buffer)));
}

/// Compares any text with its file.
pub fn compare(name: &str, shown: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(format!("{name}.txt"));
    if std::env::var_os("SPANWATCH_BLESS").is_some() {
        assert!(std::fs::write(&path, shown).is_ok(), "{} cannot be written", path.display());
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (expected, shown)) in expected.lines().zip(shown.lines()).enumerate() {
        assert!(
            expected == shown,
            "{name}, line {}:\n  expected {expected}\n  shown    {shown}\nSPANWATCH_BLESS=1 takes the new frame",
            number + 1
        );
    }
    assert_eq!(expected.lines().count(), shown.lines().count(), "{name}: number of lines");
}
