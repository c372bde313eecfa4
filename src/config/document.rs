//! A configuration file as entries that know their line.

use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{ConfigError, Entry, Origin, Problem, Written};

/// Reads a file. A file that cannot be read or is no TOML is an error; what its keys mean is checked by
/// [`super::load`].
pub fn read_file(path: &Path) -> Result<Vec<Entry>, ConfigError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        let sentence =
            format!("{name}: cannot be read ({error}); name another with --config, or write one with `spanwatch config template`");
        ConfigError::new(vec![Problem::general(&sentence)])
    })?;
    parse(&name, &text)
}

fn parse(path: &str, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems = errors.iter().map(|error| {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            let origin = Origin::File { path: path.into(), line };
            Problem::at(
                &origin,
                &format!("not valid TOML: {}; check the quotes and brackets of this line", error.message()),
            )
        });
        return Err(ConfigError::new(problems.collect()));
    }
    // Values through the ordinary reader, lines through the spans of the same text.
    let values: Table =
        toml::from_str(text).map_err(|error| ConfigError::new(vec![Problem::general(error.message())]))?;
    let mut entries = Vec::new();
    let mut walk = Walk { path, lines: &lines, entries: &mut entries };
    walk.table(&mut Vec::new(), document.get_ref(), &values);
    Ok(entries)
}

struct Walk<'a> {
    path: &'a str,
    lines: &'a Lines,
    entries: &'a mut Vec<Entry>,
}

impl Walk<'_> {
    fn table(&mut self, key: &mut Vec<String>, spans: &DeTable<'_>, values: &Table) {
        let mut pairs: Vec<(&Spanned<_>, &Spanned<DeValue<'_>>)> = spans.iter().collect();
        pairs.sort_by_key(|(name, _)| name.span().start);
        for (name, spanned) in pairs {
            let Some(value) = values.get(name.get_ref().as_ref()) else { continue };
            key.push(name.get_ref().to_string());
            match (spanned.get_ref(), value) {
                (DeValue::Table(inner), Value::Table(values)) if !values.is_empty() => self.table(key, inner, values),
                (DeValue::Array(inner), Value::Array(values))
                    if !values.is_empty() && values.iter().all(Value::is_table) =>
                {
                    // First that many empty ones in place of what an earlier file had, then each value with its line.
                    let empty = vec![Value::Table(Table::new()); values.len()];
                    self.value(key, Value::Array(empty), name.span().start);
                    for (index, (spans, value)) in inner.iter().zip(values).enumerate() {
                        let start = spans.span().start;
                        let (DeValue::Table(spans), Value::Table(values)) = (spans.get_ref(), value) else { continue };
                        key.push(super::place(index));
                        self.value(key, Value::Table(Table::new()), start);
                        self.table(key, spans, values);
                        key.pop();
                    }
                }
                _ => self.value(key, value.clone(), name.span().start),
            }
            key.pop();
        }
    }

    fn value(&mut self, key: &[String], value: Value, start: usize) {
        self.entries.push(Entry {
            key: key.to_vec(),
            value: Written::Typed(value),
            origin: Origin::File { path: self.path.into(), line: self.lines.at(start) },
        });
    }
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line, from 1, that holds a byte.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let text =
            "# note\n[baseline]\nzone = \"UTC\"\n\n[jaeger]\nhttp.timeout_s = 5\n[jaeger.http.headers]\nx-a = '1'\n";
        let entries = parse("f.toml", text).unwrap();
        let found: Vec<(String, String)> =
            entries.iter().map(|entry| (entry.key.join("."), entry.origin.to_string())).collect();
        let expected = [
            ("baseline.zone", "f.toml:3"),
            ("jaeger.http.timeout_s", "f.toml:6"),
            ("jaeger.http.headers.x-a", "f.toml:8"),
        ];
        assert_eq!(found, expected.map(|(key, place)| (key.to_owned(), place.to_owned())));
    }

    #[test]
    fn each_of_several_tables_knows_its_lines() {
        let text = "[[maintenance]]\nname = \"a\"\n\n[[maintenance]]\nname = \"b\"\nat = \"02:00\"\n";
        let entries = parse("f.toml", text).unwrap();
        let found: Vec<(String, String)> =
            entries.iter().map(|entry| (entry.key.join("."), entry.origin.to_string())).collect();
        let expected = [
            ("maintenance", "f.toml:1"),
            ("maintenance.[0]", "f.toml:1"),
            ("maintenance.[0].name", "f.toml:2"),
            ("maintenance.[1]", "f.toml:4"),
            ("maintenance.[1].name", "f.toml:5"),
            ("maintenance.[1].at", "f.toml:6"),
        ];
        assert_eq!(found, expected.map(|(key, place)| (key.to_owned(), place.to_owned())));
        let loaded = crate::config::load(entries).unwrap_err().to_string();
        assert!(loaded.contains("f.toml:4: maintenance[1].days = [] is not allowed"), "{loaded}");
    }

    #[test]
    fn broken_syntax_names_its_line() {
        let error = parse("f.toml", "[baseline]\nzone = \"UTC\nhistory_days = 3\n").unwrap_err().to_string();
        assert!(error.starts_with("f.toml:2: not valid TOML"), "{error}");
    }
}
