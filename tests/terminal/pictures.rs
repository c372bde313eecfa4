//! The pictures of the README, drawn from the cells of the running program.
//!
//! `cargo test --test terminal pictures:: -- --ignored` draws them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use spanwatch::app::keymap::Place;
use vt100::{Cell, Color, Screen};

use crate::tour::{Walk, World};

/// Each picture, how one gets to its screen, and what stands there.
const PICTURES: [(&str, Place, &[&str]); 3] = [
    ("dashboard", Place::Alerts, &["Services", "Alerts", "Baseline", "Analysis", "incident", "SUSPECTS"]),
    ("waterfall", Place::Trace, &["Trace ", "Waterfall", "SELF", "PCTL", "order-matcher order.match"]),
    ("week", Place::Week, &["Week", "Mon ", "Sun ", "22 23", "order-matcher order.match", "DRIFT", "neighbours"]),
];
const SIZE: (u16, u16) = (120, 40);

/// Units of the picture.
const CELL: (f32, f32) = (8.4, 17.0);
const MARGIN: f32 = 12.0;
const GROUND: &str = "#16181d";
const TEXT: &str = "#d7dae0";
const COLORS: [&str; 16] = [
    "#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0", "#7f848e", "#ff8891",
    "#b5e890", "#ffd98f", "#82c8ff", "#e299f5", "#76d9e6", "#ffffff",
];

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "assets", &format!("{name}.svg")].iter().collect()
}

/// The 16 colours are what the default theme uses; others would be drawn as plain text.
fn color(color: Color) -> Option<&'static str> {
    match color {
        Color::Idx(number) => COLORS.get(usize::from(number)).copied(),
        Color::Default | Color::Rgb(..) => None,
    }
}

#[derive(PartialEq, Clone, Copy)]
struct Look {
    front: &'static str,
    back: Option<&'static str>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
}

impl Look {
    fn of(cell: &Cell) -> Self {
        let (mut front, mut back) = (color(cell.fgcolor()).unwrap_or(TEXT), color(cell.bgcolor()));
        if cell.inverse() {
            (front, back) = (back.unwrap_or(GROUND), Some(front));
        }
        let (bold, dim) = (cell.bold(), cell.dim());
        Self { front, back, bold, dim, italic: cell.italic(), underline: cell.underline() }
    }
}

fn svg(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let across = |column: u16| MARGIN + f32::from(column) * CELL.0;
    let (width, height) = (across(columns) + MARGIN, MARGIN.mul_add(2.0, f32::from(rows) * CELL.1));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" xml:space=\"preserve\" fill=\"{TEXT}\" font-size=\"14\" \
         font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for row in 0..rows {
        let top = MARGIN + f32::from(row) * CELL.1;
        let mut column = 0;
        while let Some(look) = screen.cell(row, column).map(Look::of) {
            let first = column;
            let mut text = String::new();
            while let Some(cell) = screen.cell(row, column).filter(|cell| Look::of(cell) == look) {
                if !cell.is_wide_continuation() {
                    text.push_str(if cell.has_contents() { cell.contents() } else { " " });
                }
                column += 1;
            }
            let wide = f32::from(column - first) * CELL.0;
            if let Some(back) = look.back {
                let (x, high) = (across(first), CELL.1);
                writeln!(out, "<rect x=\"{x:.1}\" y=\"{top}\" width=\"{wide:.1}\" height=\"{high}\" fill=\"{back}\"/>")
                    .unwrap();
            }
            out.push_str(&run(&text, look, first, top));
        }
    }
    out + "</svg>\n"
}

/// One run of text, without the spaces around it.
fn run(text: &str, look: Look, column: u16, top: f32) -> String {
    let shown = text.trim_start();
    let x = MARGIN + (f32::from(column) + (text.chars().count() - shown.chars().count()) as f32) * CELL.0;
    let shown = shown.trim_end();
    if shown.is_empty() {
        return String::new();
    }
    let length = unicode_width(shown) * CELL.0;
    let mut marks = String::new();
    if look.front != TEXT {
        write!(marks, " fill=\"{}\"", look.front).unwrap();
    }
    let flags = [
        (look.bold, " font-weight=\"bold\""),
        (look.dim, " opacity=\"0.6\""),
        (look.italic, " font-style=\"italic\""),
        (look.underline, " text-decoration=\"underline\""),
    ];
    flags.iter().filter(|(is, _)| *is).for_each(|(_, mark)| marks.push_str(mark));
    let escaped = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let y = top + 13.0;
    // The length keeps columns aligned whatever font there is.
    format!(
        "<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\"{marks}>{escaped}</text>\n"
    )
}

/// Columns; the demo has no wide characters.
fn unicode_width(text: &str) -> f32 {
    text.chars().count() as f32
}

#[test]
#[ignore = "writes assets/*.svg, from 30 days that it learns first"]
fn drawn_anew() {
    let world = World::learnt("1", "30", "90");
    let mut walk = Walk::with(world.at_the_incident(SIZE.0, SIZE.1, &[]));
    walk.session.wait("all of it known", |session| {
        session.text().contains("jaeger ok   prom ok   ollama ready   baseline 30d")
    });
    for (name, place, shown) in PICTURES {
        walk.go(place);
        walk.session.wait(name, |session| {
            shown.iter().all(|part| session.text().contains(part)) && session.bytes.ends_with(b"\x1b[?2026l")
        });
        fs::write(path(name), svg(walk.session.screen.screen())).unwrap();
    }
    walk.leave();
}

#[test]
fn of_the_readme_are_whole_and_show_their_screens() {
    let readme = fs::read_to_string([env!("CARGO_MANIFEST_DIR"), "README.md"].iter().collect::<PathBuf>()).unwrap();
    assert_eq!(readme.matches("](assets/").count(), PICTURES.len());
    for (name, _, shown) in PICTURES {
        let reference = format!("](assets/{name}.svg)");
        let (before, _) = readme.split_once(&reference).unwrap_or_else(|| panic!("the README shows no {name}"));
        assert!(!before.ends_with("!["), "{name} is told in words for who cannot see it");
        let picture = fs::read_to_string(path(name)).unwrap();
        assert!(picture.len() < 100_000, "{name} has {} bytes", picture.len());
        let mut lines = picture.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("<svg ") && line.ends_with('>')), "{name}");
        assert_eq!(lines.next_back(), Some("</svg>"), "{name}");
        let mut text = String::new();
        for line in lines {
            if line.starts_with("<rect ") {
                assert!(line.ends_with("/>"), "{name}: {line}");
                continue;
            }
            let inner = line.strip_prefix("<text ").and_then(|line| line.strip_suffix("</text>"));
            let (_, inner) = inner.and_then(|inner| inner.split_once('>')).unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(!inner.contains(['<', '>']), "{name}: {line}");
            let entities =
                inner.matches("&amp;").count() + inner.matches("&lt;").count() + inner.matches("&gt;").count();
            assert_eq!(inner.matches('&').count(), entities, "{name}: {line}");
            text.push_str(inner);
            text.push(' ');
        }
        for part in shown {
            assert!(text.contains(part.trim()), "{name} does not show {part}");
        }
    }
}
