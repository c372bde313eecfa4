//! What is wrong with a configuration, one line each: where, key, value, what is allowed, what to write.

use std::fmt;

use super::{Origin, secrets};
use crate::domain::{Broken, text};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub origin: Option<Origin>,
    pub sentence: String,
}

/// Every mistake found; `Display` has one line for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

/// Longest value that is repeated in a message.
const VALUE: usize = 60;

impl Problem {
    pub(super) fn general(sentence: &str) -> Self {
        Self { origin: None, sentence: text::clean(sentence).into_owned() }
    }

    pub(super) fn at(origin: &Origin, sentence: &str) -> Self {
        Self { origin: Some(origin.clone()), sentence: text::clean(sentence).into_owned() }
    }

    /// As people write the way to a value: `maintenance[1].at`.
    fn path(key: &str) -> String {
        key.replace(".[", "[")
    }

    pub(super) fn unknown(origin: &Origin, key: &str, known: &[String]) -> Self {
        let key_text = key.rsplit('.').next().unwrap_or(key);
        let nearest = known
            .iter()
            .map(|name| (strsim::damerau_levenshtein(name, key_text), name))
            .min()
            .filter(|(distance, name)| *distance <= 1 + name.len().max(key_text.len()) / 3);
        let advice = match nearest {
            Some((_, name)) => format!("did you mean {name}?"),
            None if known.is_empty() => "remove it".into(),
            None => format!("allowed here: {}", known.join(", ")),
        };
        Self::at(origin, &format!("unknown key {}; {advice}", Self::path(key)))
    }

    pub(super) fn wrong_type(origin: &Origin, key: &str, value: &str, wanted: &str) -> Self {
        let value = shown(key, value);
        Self::at(origin, &format!("{} = {value} has the wrong type; write {wanted}", Self::path(key)))
    }

    pub(super) fn broken(rule: Broken, origin: Origin) -> Self {
        let value = shown(&rule.key, &rule.value);
        let key = Self::path(&rule.key);
        Self::at(&origin, &format!("{key} = {value} is not allowed; allowed: {}; {}", rule.allowed, rule.hint))
    }
}

/// A value as a message may repeat it.
fn shown(key: &str, value: &str) -> String {
    if secrets::is_secret(key) {
        return secrets::MASK.into();
    }
    let masked = secrets::without_credentials(value);
    text::middle(&masked, VALUE).into_owned()
}

/// The same mistake written once is told once, however many values lie under an unknown table.
pub(super) fn without_repeats(problems: &mut Vec<Problem>) {
    let mut told: Vec<String> = Vec::new();
    problems.retain(|problem| {
        let place = match &problem.origin {
            Some(Origin::File { path, .. }) => path.clone(),
            Some(origin) => origin.to_string(),
            None => String::new(),
        };
        let what = format!("{place} {}", problem.sentence);
        let new = !told.contains(&what);
        told.push(what);
        new
    });
}

impl ConfigError {
    pub(super) const fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.sentence),
            None => f.write_str(&self.sentence),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
