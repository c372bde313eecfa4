//! The configuration: every module's settings under one table each, layered from defaults, files, environment and flags.
//!
//! Each value is carried as an *entry*: dotted key, value, origin. Entries are checked one by one, so that all mistakes
//! are told at once, each with the place where it was written; then the last entry of each key wins.

mod document;
mod environment;
mod places;
mod problem;
mod schema;
mod secrets;
mod show;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::app::{KeyMap, bindings};
use crate::domain::Broken;
use crate::{baseline, detect, llm, monitor, sources, store, ui};

pub use document::read_file;
pub use environment::{PREFIX, from_environment};
pub use places::{Places, PlacesError, own_directory};
pub use problem::{ConfigError, Problem};
pub use show::show;

/// All settings. Each table is documented in the module that uses it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub jaeger: sources::jaeger::Settings,
    pub prometheus: sources::prometheus::Settings,
    pub ollama: llm::Settings,
    pub baseline: baseline::Settings,
    pub detect: detect::Settings,
    pub monitor: monitor::Settings,
    pub store: store::Settings,
    pub ui: ui::Settings,
    pub keys: bindings::Settings,
    /// Times at which something is done on purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<baseline::Maintenance>,
}

impl Config {
    /// The rules that do not hold, of every table; keys carry the table's name.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let tables = [
            ("jaeger", self.jaeger.broken()),
            ("prometheus", self.prometheus.broken()),
            ("ollama", self.ollama.broken()),
            ("baseline", self.baseline.broken()),
            ("detect", self.detect.broken()),
            ("monitor", self.monitor.broken()),
            ("store", self.store.broken()),
            ("ui", self.ui.broken()),
            ("keys", self.keys.broken()),
        ];
        let maintenance = self.maintenance.iter().enumerate().flat_map(|(index, one)| {
            one.broken().into_iter().map(move |rule| rule.under(&place(index)).under("maintenance"))
        });
        let tables =
            tables.into_iter().flat_map(|(table, broken)| broken.into_iter().map(move |rule| rule.under(table)));
        tables.chain(maintenance).collect()
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        path: String,
        line: usize,
    },
    /// The variable's name.
    Environment(String),
    /// The flag as typed, such as `--jaeger-url`.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One value as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The path to the value: `["jaeger", "http", "timeout_s"]`.
    pub key: Vec<String>,
    pub value: Written,
    pub origin: Origin,
}

/// A value with its type, or text whose type the key decides (environment, flags).
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    Typed(Value),
    Text(String),
}

/// A configuration, and where each of its values came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub config: Config,
    /// By dotted key; a key that is absent has its default.
    pub origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// The key table with the keys that were written, each with its place.
    #[must_use]
    pub fn keys(&self) -> KeyMap {
        let (map, _) = KeyMap::new(&self.config.keys);
        map.with_origins(|action| self.origins.get(&format!("keys.{action}")).map(ToString::to_string))
    }
}

/// Applies entries in order of rising precedence over the defaults.
///
/// # Errors
/// Every entry that cannot be used and every rule that does not hold, each with its place.
pub fn load(entries: Vec<Entry>) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let mut origins = BTreeMap::new();
    let mut written = Table::new();
    for entry in entries {
        match schema::accept(&entry) {
            Ok(value) => {
                // Both a table and a key inside it may be written; the narrower origin is the one to name.
                origins.insert(entry.key.join("."), entry.origin);
                put(&mut written, &entry.key, value);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let config = match written.try_into::<Config>() {
        Ok(config) => config,
        Err(error) if problems.is_empty() => return Err(ConfigError::new(vec![Problem::general(error.message())])),
        Err(_) => Config::default(),
    };
    problems.extend(config.broken().into_iter().map(|rule| {
        let origin = origin_of(&rule.key, &origins);
        Problem::broken(rule, origin)
    }));
    problem::without_repeats(&mut problems);
    if problems.is_empty() { Ok(Loaded { config, origins }) } else { Err(ConfigError::new(problems)) }
}

/// The origin of a key, else of the nearest table around it or of a value inside it.
fn origin_of(key: &str, origins: &BTreeMap<String, Origin>) -> Origin {
    let mut around = Some(key);
    while let Some(candidate) = around {
        if let Some(origin) = origins.get(candidate) {
            return origin.clone();
        }
        around = candidate.rsplit_once('.').map(|(table, _)| table);
    }
    let inside = format!("{key}.");
    let found = origins.iter().find(|(name, _)| name.starts_with(&inside));
    found.map_or(Origin::Default, |(_, origin)| origin.clone())
}

/// How a path names one of several tables of the same name: `[0]`.
fn place(index: usize) -> String {
    format!("[{index}]")
}

fn index(place: &str) -> Option<usize> {
    place.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Sets the value at a path, making the tables on the way. A later table joins an earlier one; anything else replaces it.
fn put(table: &mut Table, key: &[String], value: Value) {
    let Some((first, rest)) = key.split_first() else { return };
    if let Some((index, inside)) = rest.split_first().and_then(|(place, inside)| Some((index(place)?, inside))) {
        put_into_list(table.entry(first.clone()).or_insert_with(|| Value::Array(Vec::new())), index, inside, value);
        return;
    }
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
    if !inner.is_table() {
        *inner = Value::Table(Table::new());
    }
    if let Value::Table(inner) = inner {
        put(inner, rest, value);
    }
}

/// One that is not there yet is put at the end.
fn put_into_list(list: &mut Value, index: usize, key: &[String], value: Value) {
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    let Value::Array(list) = list else { return };
    if index >= list.len() {
        list.push(Value::Table(Table::new()));
    }
    let last = list.len() - 1;
    if let Some(Value::Table(table)) = list.get_mut(index.min(last)) {
        put(table, key, value);
    }
}

/// `config.example.toml`: every key with its default and what it means.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str, value: &str) -> Entry {
        Entry {
            key: key.split('.').map(String::from).collect(),
            value: Written::Text(value.into()),
            origin: Origin::Flag(format!("--set {key}")),
        }
    }

    #[test]
    fn nothing_written_means_the_defaults_and_they_hold() {
        let loaded = load(Vec::new()).unwrap();
        assert_eq!(loaded.config, Config::default());
        assert!(loaded.origins.is_empty());
    }

    #[test]
    fn the_last_layer_wins_and_is_named() {
        let entries = vec![
            text("baseline.history_days", "20"),
            Entry { origin: Origin::Environment("SPANWATCH_X".into()), ..text("baseline.history_days", "21") },
        ];
        let loaded = load(entries).unwrap();
        assert_eq!(loaded.config.baseline.history_days, 21);
        assert_eq!(loaded.origins["baseline.history_days"].to_string(), "SPANWATCH_X");
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let error = load(vec![
            text("baseline.history_dais", "20"),
            text("baseline.min_samples", "ten"),
            text("nonsense.x", "1"),
        ])
        .unwrap_err()
        .to_string();
        assert!(error.contains("unknown key baseline.history_dais") && error.contains("history_days"), "{error}");
        assert!(error.contains("baseline.min_samples = ten") && error.contains("whole number"), "{error}");
        assert!(error.contains("unknown key nonsense"), "{error}");
        assert_eq!(error.lines().count(), 3, "{error}");
    }
}
