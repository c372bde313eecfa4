//! The arrows between modules point one way, and the pure modules stay pure. The table is the one in `src/lib.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const EVERYTHING: &[&str] = &[
    "domain", "baseline", "detect", "evidence", "messages", "engine", "sources", "llm", "store", "monitor", "app",
    "ui", "runtime", "config", "cli", "demo",
];

/// Module, and what it may use.
const HOUSE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("baseline", &["domain"]),
    ("detect", &["domain", "baseline"]),
    ("evidence", &["domain", "baseline", "detect"]),
    ("messages", &["domain"]),
    ("engine", &["domain", "baseline", "detect", "evidence", "messages"]),
    ("sources", &["domain"]),
    ("llm", &["domain"]),
    ("store", &["domain", "baseline", "messages"]),
    ("monitor", &["domain", "baseline", "detect", "evidence", "messages", "engine", "sources", "llm", "store"]),
    ("app", &["domain", "messages"]),
    // What a screen shows are the read models of `messages`; hiding their names behind `app` would only rename them.
    ("ui", &["app", "messages", "domain"]),
    ("runtime", EVERYTHING),
    ("config", EVERYTHING),
    ("cli", EVERYTHING),
    ("demo", &["domain"]),
];

/// Only these may use `config`; it knows every module, and a module that knew it would know them all.
const USERS_OF_CONFIG: &[&str] = &["cli", "runtime", "config"];

const PURE: &[&str] = &["domain", "baseline", "detect", "evidence", "messages", "engine", "app"];

/// Paths that do IO, read a clock or roll dice.
const IMPURE: &[&[&str]] = &[
    &["tokio"],
    &["reqwest"],
    &["sled"],
    &["axum"],
    &["ratatui"],
    &["crossterm"],
    &["tui_textarea"],
    &["rand"],
    &["std", "fs"],
    &["std", "env"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "os"],
    &["std", "hash", "RandomState"],
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["Utc", "now"],
    &["Local", "now"],
];

/// The one exception: the text field of the filter is a widget with a state of its own.
const EXCEPTION: (&str, &str) = ("app/input.rs", "tui_textarea");

/// A token that matters for paths.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Colons,
    Open,
    Close,
    Comma,
    Other(char),
}

/// The tokens of a source text, without comments and literals.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i += 2;
            while i < chars.len() && !(at(i) == '*' && at(i + 1) == '/') {
                i += 1;
            }
            i += 2;
        } else if c == 'r' && (at(i + 1) == '"' || (at(i + 1) == '#' && matches!(at(i + 2), '"' | '#'))) {
            let hashes = (i + 1..).take_while(|index| at(*index) == '#').count();
            i += 2 + hashes;
            while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|offset| at(i + offset) == '#')) {
                i += 1;
            }
            i += 1 + hashes;
        } else if c == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else if c.is_alphanumeric() || c == '_' {
            let start = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            out.push(Token::Name(chars[start..i].iter().collect()));
        } else {
            i += 1;
            match c {
                ':' if at(i) == ':' => {
                    i += 1;
                    out.push(Token::Colons);
                }
                '{' => out.push(Token::Open),
                '}' => out.push(Token::Close),
                ',' => out.push(Token::Comma),
                c if c.is_whitespace() => {}
                c => out.push(Token::Other(c)),
            }
        }
    }
    out
}

fn name(token: Option<&Token>) -> Option<&str> {
    match token {
        Some(Token::Name(name)) => Some(name),
        _ => None,
    }
}

/// Drops every item that stands under `#[cfg(test)]`; names of test modules in files of their own go into `elsewhere`.
fn without_tests(tokens: Vec<Token>, elsewhere: &mut BTreeSet<String>) -> Vec<Token> {
    let is_marker = |at: usize| {
        tokens.get(at) == Some(&Token::Other('#'))
            && name(tokens.get(at + 2)) == Some("cfg")
            && name(tokens.get(at + 4)) == Some("test")
    };
    let mut out = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if !is_marker(i) {
            out.push(tokens[i].clone());
            i += 1;
            continue;
        }
        i += 7; // # [ cfg ( test ) ]
        let start = i;
        let mut depth = 0;
        while i < tokens.len() {
            match &tokens[i] {
                Token::Open => depth += 1,
                Token::Close => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                Token::Other(';') if depth == 0 => {
                    let module = tokens[start..i].iter().position(|token| *token == Token::Name("mod".into()));
                    elsewhere.extend(module.and_then(|at| name(tokens.get(start + at + 1))).map(String::from));
                    break;
                }
                _ => {}
            }
            i += 1;
        }
        i += 1;
    }
    out
}

/// Every path in the text, groups unfolded: `use a::{b, c::d}` gives `a::b` and `a::c::d`.
fn paths(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let starts = name(tokens.get(i)).is_some() && (i == 0 || tokens[i - 1] != Token::Colons);
        if starts {
            unfold(tokens, &mut i, &mut Vec::new(), &mut out);
        } else {
            i += 1;
        }
    }
    out
}

fn unfold(tokens: &[Token], i: &mut usize, prefix: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    let depth = prefix.len();
    while let Some(part) = name(tokens.get(*i)) {
        prefix.push(part.to_owned());
        *i += 1;
        if tokens.get(*i) != Some(&Token::Colons) {
            break;
        }
        *i += 1;
        if tokens.get(*i) == Some(&Token::Open) {
            *i += 1;
            while *i < tokens.len() && tokens[*i] != Token::Close {
                let before = *i;
                unfold(tokens, i, prefix, out);
                if *i == before {
                    *i += 1;
                }
            }
            *i += 1;
            prefix.truncate(depth);
            return;
        }
    }
    if prefix.len() > depth {
        out.push(prefix.clone());
    }
    prefix.truncate(depth);
}

/// The module of ours that a path written in `file` leads to.
fn target(path: &[String], file: &[String]) -> Option<String> {
    match path.first().map(String::as_str) {
        Some("crate") => path.get(1).cloned(),
        Some("super") => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            (ups >= file.len()).then(|| path.get(ups).cloned()).flatten()
        }
        _ => None,
    }
}

/// What is wrong in one file. `file` is relative to `src`.
fn violations(file: &str, source: &str, elsewhere: &mut BTreeSet<String>) -> Vec<String> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(String::from).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    let own = module[0].clone();
    let Some((_, allowed)) = HOUSE.iter().find(|(name, _)| **name == own) else {
        return vec![format!("{file}: module {own} is not in the table of the house")];
    };
    let mut found = Vec::new();
    for path in paths(&without_tests(tokens(source), elsewhere)) {
        let written = path.join("::");
        if let Some(target) = target(&path, &module)
            && target != own
            && EVERYTHING.contains(&target.as_str())
        {
            let of_config = target == "config" && !USERS_OF_CONFIG.contains(&own.as_str());
            if !allowed.contains(&target.as_str()) || of_config {
                found.push(format!("{file}: {own} may not use {target} ({written})"));
            }
        }
        if PURE.contains(&own.as_str()) {
            for impure in IMPURE {
                let excepted = file == EXCEPTION.0 && impure[0] == EXCEPTION.1;
                let bare_word = impure.len() == 1 && path.len() == 1;
                let inside = path.windows(impure.len()).any(|part| part == *impure);
                if inside && !excepted && !bare_word {
                    found.push(format!("{file}: {own} is pure and may not use {} ({written})", impure.join("::")));
                }
            }
        }
    }
    found
}

fn rust_files(directory: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn arrows_point_one_way_and_pure_modules_are_pure() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 50, "only {} files found under {}", files.len(), src.display());
    let mut tests = BTreeSet::new();
    let mut found = Vec::new();
    for path in &files {
        let file = path.strip_prefix(&src).unwrap().to_str().unwrap();
        if !matches!(file, "lib.rs" | "main.rs") {
            let own = violations(file, &fs::read_to_string(path).unwrap(), &mut tests);
            found.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), own));
        }
    }
    let wrong: Vec<String> =
        found.into_iter().filter(|(stem, _)| !tests.contains(stem)).flat_map(|(_, wrong)| wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_here_has_the_modules_of_lib_rs() {
    let lib = include_str!("../src/lib.rs");
    let declared: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let drawn: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next()).collect();
    let checked: BTreeSet<&str> = HOUSE.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, checked, "modules that lib.rs declares, and modules that are checked");
    assert_eq!(drawn, checked, "modules in the table of lib.rs, and modules that are checked");
}

#[test]
fn the_checker_finds_what_it_is_for() {
    for (file, source, expected) in [
        ("domain/a.rs", "use crate::engine::Input;", "domain may not use engine"),
        ("domain/mod.rs", "use super::store;", "domain may not use store"),
        ("domain/deep/a.rs", "fn f() { super::super::super::ui::draw() }", "domain may not use ui"),
        ("ui/a.rs", "use crate::{app::App, engine::{Engine, Input}};", "ui may not use engine"),
        ("sources/jaeger/a.rs", "type T = crate::baseline::Sketch;", "sources may not use baseline"),
        ("monitor/a.rs", "use crate::config::Config;", "monitor may not use config"),
        ("engine/a.rs", "use std::{collections::BTreeMap, fs};", "engine is pure and may not use std::fs"),
        ("engine/a.rs", "let t = std::time::Instant::now();", "may not use Instant::now"),
        ("baseline/a.rs", "use tokio::sync::mpsc;", "may not use tokio"),
        ("app/alerts.rs", "use tui_textarea::TextArea;", "may not use tui_textarea"),
        ("nowhere/a.rs", "", "not in the table"),
    ] {
        let found = violations(file, source, &mut BTreeSet::new());
        assert!(found.iter().any(|one| one.contains(expected)), "{file}: {source}: {found:?}");
    }
}

#[test]
fn the_checker_leaves_the_innocent_alone() {
    for (file, source) in [
        ("domain/a.rs", "// use crate::engine::Input;\nconst A: &str = \"crate::engine::x\"; /* tokio::x */"),
        ("domain/a.rs", "#[cfg(test)]\nmod tests { use crate::engine::Input; fn f() { {} } }\nuse super::Span;"),
        ("domain/a/b.rs", "use super::super::Span; use super::engine;"),
        ("app/input.rs", "use tui_textarea::TextArea;"),
        (
            "engine/a.rs",
            "pub(in crate::engine) fn f(c: char) -> bool { c == '\"' || c == '\\'' } use crate::domain::Span;",
        ),
        ("runtime/a.rs", "use crate::config::Config; use tokio::time;"),
    ] {
        assert_eq!(violations(file, source, &mut BTreeSet::new()), [] as [String; 0], "{file}: {source}");
    }
    let mut elsewhere = BTreeSet::new();
    assert!(violations("app/mod.rs", "#[cfg(test)]\nmod tests;\nuse crate::domain::Span;", &mut elsewhere).is_empty());
    assert!(elsewhere.contains("tests"));
}
