//! The effective configuration as TOML, secrets masked, with the origin of each value on request.

use std::fmt::Write;

use toml::{Table, Value};

use super::{Config, Loaded, Origin, secrets};

/// Sorted, so that two runs are equal byte for byte.
#[must_use]
pub fn show(loaded: &Loaded, with_origin: bool) -> String {
    let mut out = String::new();
    if let Ok(Value::Table(tables)) = Value::try_from(&loaded.config) {
        let origin = |key: &str| with_origin.then(|| super::origin_of(key, &loaded.origins));
        table(&mut out, "", &tables, &origin);
    }
    out
}

fn table(out: &mut String, path: &str, values: &Table, origin: &dyn Fn(&str) -> Option<Origin>) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let (tables, plain): (Vec<_>, Vec<_>) = values.iter().partition(|(_, value)| value.is_table());
    if !path.is_empty() && (!plain.is_empty() || tables.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        _ = writeln!(out, "[{path}]");
    }
    for (name, value) in plain {
        let key = under(name);
        let text = masked(&key, value);
        _ = match origin(&key) {
            Some(origin) => writeln!(out, "{} = {text}  # {origin}", quoted(name)),
            None => writeln!(out, "{} = {text}", quoted(name)),
        };
    }
    for (name, value) in tables {
        if let Value::Table(inner) = value {
            table(out, &under(&quoted(name)), inner, origin);
        }
    }
}

fn masked(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".into(),
        _ if secrets::is_secret(key) => format!("{:?}", secrets::MASK),
        Value::String(text) => Value::from(secrets::without_credentials(text).into_owned()).to_string(),
        other => other.to_string(),
    }
}

/// A key as TOML writes it: bare where it may be.
fn quoted(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { name.to_owned() } else { Value::from(name).to_string() }
}

impl Config {
    /// Every key that has a value, dotted and sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        fn walk(path: &str, values: &Table, out: &mut Vec<String>) {
            for (name, value) in values {
                let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match value {
                    Value::Table(inner) if !inner.is_empty() => walk(&key, inner, out),
                    _ => out.push(key),
                }
            }
        }
        let mut out = Vec::new();
        if let Ok(Value::Table(tables)) = Value::try_from(self) {
            walk("", &tables, &mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Entry, Written, load};

    #[test]
    fn what_is_shown_can_be_read_again_and_means_the_same() {
        let loaded = load(Vec::new()).unwrap();
        let again: Config = toml::from_str(&show(&loaded, true)).unwrap();
        assert_eq!(again, loaded.config);
    }

    #[test]
    fn the_origin_stands_beside_the_value() {
        let entry = Entry {
            key: vec!["baseline".into(), "history_days".into()],
            value: Written::Text("7".into()),
            origin: Origin::Flag("--set".into()),
        };
        let text = show(&load(vec![entry]).unwrap(), true);
        assert!(text.contains("history_days = 7  # --set\n"), "{text}");
        assert!(text.contains("zone = \"UTC\"  # default\n"), "{text}");
    }
}
