//! Which keys exist and what they take, asked of the settings types themselves: a list kept beside them would lie one day.
//!
//! A table is asked by giving it a key that cannot exist; serde's answer names the ones that can.

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, Entry, Problem, Written, put};

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A table of these keys.
    Keys(Vec<String>),
    /// A value, or a table of free keys.
    Free,
}

/// No key of ours can be this.
const IMPOSSIBLE: &str = "\u{1}";

/// What lies at a path; the empty path is the whole configuration.
#[must_use]
pub fn shape(path: &[String]) -> Shape {
    let mut table = Table::new();
    let mut key = path.to_vec();
    key.push(IMPOSSIBLE.into());
    put(&mut table, &key, Value::Boolean(true));
    match Config::deserialize(table) {
        Err(error) if error.message().starts_with("unknown field") => Shape::Keys(expected_names(error.message())),
        _ => Shape::Free,
    }
}

/// The names that stand after "expected" in serde's words: `a`, `b`.
fn expected_names(message: &str) -> Vec<String> {
    let after = message.split_once("expected").map_or("", |(_, after)| after);
    after.split('`').skip(1).step_by(2).map(String::from).collect()
}

/// The entry's value as the settings take it, or what is wrong with it.
pub fn accept(entry: &Entry) -> Result<Value, Problem> {
    for depth in 0..entry.key.len() {
        match shape(&entry.key[..depth]) {
            Shape::Keys(known) if !known.contains(&entry.key[depth]) => {
                return Err(Problem::unknown(&entry.origin, &entry.key[..=depth].join("."), &known));
            }
            Shape::Keys(_) => {}
            Shape::Free if super::index(&entry.key[depth]).is_some() => {}
            Shape::Free => break,
        }
    }
    let (candidates, shown) = match &entry.value {
        Written::Typed(value) => (vec![value.clone()], value.to_string()),
        Written::Text(text) => (readings(text), text.clone()),
    };
    let mut complaint = String::new();
    for value in candidates {
        match fits(&entry.key, value.clone()) {
            Ok(()) => return Ok(value),
            Err(message) => complaint = message,
        }
    }
    Err(Problem::wrong_type(&entry.origin, &entry.key.join("."), &shown, &wanted(&entry.key, &complaint)))
}

fn fits(key: &[String], value: Value) -> Result<(), String> {
    let mut table = Table::new();
    put(&mut table, key, value);
    Config::deserialize(table).map(|_| ()).map_err(|error| error.message().to_owned())
}

/// What untyped text may mean: text itself, else what TOML reads in it, else a list of one word for each comma.
fn readings(text: &str) -> Vec<Value> {
    let read = toml::from_str::<Table>(&format!("v = {text}")).ok().and_then(|mut table| table.remove("v"));
    let list = text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(Value::from).collect();
    [Some(Value::from(text)), read, Some(Value::Array(list))].into_iter().flatten().collect()
}

/// serde's "expected …" in the words of a person who writes a configuration.
fn wanted(key: &[String], complaint: &str) -> String {
    if let Shape::Keys(names) = shape(key) {
        return format!("a table with some of: {}", names.join(", "));
    }
    let Some((_, expected)) = complaint.rsplit_once("expected ") else {
        return format!("another value ({})", super::secrets::without_credentials(complaint));
    };
    match expected.trim() {
        "a string" | "path string" => "text in quotes".into(),
        "a boolean" => "true or false".into(),
        "a sequence" if key == ["maintenance"] => "[[maintenance]] above the values of each".into(),
        "a sequence" => "a list such as [\"a\", \"b\"]".into(),
        "a map" => "a table such as { name = \"value\" }".into(),
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number, 0 or more".into(),
        "isize" | "i64" | "i32" | "i16" | "i8" => "a whole number".into(),
        "f64" | "f32" => "a number".into(),
        other => other.replace('`', "\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn path(key: &str) -> Vec<String> {
        key.split('.').filter(|part| !part.is_empty()).map(String::from).collect()
    }

    fn entry(key: &str, value: Written) -> Entry {
        Entry { key: path(key), value, origin: Origin::Flag("--set".into()) }
    }

    #[test]
    fn the_types_tell_their_own_keys() {
        let Shape::Keys(tables) = shape(&[]) else { panic!("the whole is a table") };
        assert_eq!(
            tables,
            ["jaeger", "prometheus", "ollama", "baseline", "detect", "monitor", "store", "ui", "keys", "maintenance"]
        );
        let Shape::Keys(keys) = shape(&path("baseline")) else { panic!("[baseline] is a table") };
        assert!(keys.contains(&"zone".into()) && keys.contains(&"history_days".into()));
        assert_eq!(shape(&path("baseline.zone")), Shape::Free);
    }

    #[test]
    fn untyped_text_becomes_what_the_key_takes() {
        for (key, text, expected) in [
            ("baseline.history_days", "14", Value::Integer(14)),
            ("baseline.zone", "Europe/Berlin", Value::from("Europe/Berlin")),
            ("baseline.zone", "12", Value::from("12")),
        ] {
            assert_eq!(accept(&entry(key, Written::Text(text.into()))), Ok(expected), "{key} = {text}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_in_plain_words() {
        for (key, value, words) in [
            ("baseline.zone", Value::Integer(1), "text in quotes"),
            ("baseline.history_days", Value::from("x"), "a whole number, 0 or more"),
            ("baseline.history_days", Value::Integer(-1), "a whole number, 0 or more"),
            ("baseline", Value::Integer(1), "a table with some of: "),
        ] {
            let problem = accept(&entry(key, Written::Typed(value))).unwrap_err();
            assert!(problem.sentence.contains(words), "{key}: {}", problem.sentence);
        }
    }
}
