//! `SPANWATCH_TABLE__KEY=value`: two underscores separate tables and keys, one underscore belongs to a name.
//!
//! `SPANWATCH_JAEGER__HTTP__TIMEOUT_S=5` is `jaeger.http.timeout_s = 5`. A name without two underscores is none of the
//! configuration's (Kubernetes sets `SPANWATCH_PORT` and the like by itself), unless it begins with a table's name: then
//! it was meant, and the right spelling is told.

use super::schema::{Shape, shape};
use super::{ConfigError, Entry, Origin, Problem, Written};

pub const PREFIX: &str = "SPANWATCH_";
/// Variables that are no settings: the file's path, and what tests read.
const OTHERS: [&str; 2] = ["SPANWATCH_CONFIG", "SPANWATCH_TEST_"];

/// The entries among the variables, by name.
///
/// # Errors
/// Variables that look like settings but are spelt with one underscore.
pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Vec<Entry>, ConfigError> {
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if OTHERS.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let origin = Origin::Environment(name.clone());
        if rest.contains("__") {
            let key = rest.split("__").map(str::to_ascii_lowercase).collect();
            entries.push(Entry { key, value: Written::Text(value), origin });
        } else if let Some(meant) = meant_setting(&rest.to_ascii_lowercase()) {
            problems
                .push(Problem::at(&origin, &format!("two underscores separate table and key; write {PREFIX}{meant}")));
        }
    }
    entries.sort_by(|a: &Entry, b: &Entry| a.key.cmp(&b.key));
    problems.sort_by(|a, b| a.sentence.cmp(&b.sentence));
    if problems.is_empty() { Ok(entries) } else { Err(ConfigError::new(problems)) }
}

/// `jaeger_url` → `JAEGER__URL`, where that is a key.
fn meant_setting(name: &str) -> Option<String> {
    let Shape::Keys(tables) = shape(&[]) else { return None };
    tables.into_iter().find_map(|table| {
        let key = name.strip_prefix(&table)?.strip_prefix('_')?;
        let Shape::Keys(keys) = shape(std::slice::from_ref(&table)) else { return None };
        keys.iter().any(|known| known == key).then(|| format!("{table}__{key}").to_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Vec<Entry>, ConfigError> {
        from_environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn two_underscores_separate_and_one_belongs_to_the_name() {
        let entries = read(&[("SPANWATCH_BASELINE__HISTORY_DAYS", "7"), ("HOME", "/"), ("SPANWATCH_TEST_JAEGER", "x")]);
        let entries = entries.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].key, ["baseline", "history_days"]);
    }

    #[test]
    fn a_setting_spelt_with_one_underscore_is_told_and_foreign_names_are_left_alone() {
        let error = read(&[("SPANWATCH_BASELINE_ZONE", "UTC")]).unwrap_err().to_string();
        assert!(error.contains("SPANWATCH_BASELINE__ZONE"), "{error}");
        assert_eq!(read(&[("SPANWATCH_PORT", "tcp://1"), ("SPANWATCH_SERVICE_HOST", "1")]), Ok(Vec::new()));
    }
}
