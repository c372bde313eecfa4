//! How a module says that one of its settings cannot be used.

/// A settings rule that does not hold. `config` adds the file and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Dotted path below the module's own table: `poll_interval_s`, `auth.token_file`.
    pub key: String,
    /// The value as written.
    pub value: String,
    /// What is allowed: `1 to 3600 seconds`.
    pub allowed: String,
    /// What to write instead: `write poll_interval_s = 10`.
    pub hint: String,
}

impl Broken {
    pub fn new(
        key: impl Into<String>,
        value: impl ToString,
        allowed: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), value: value.to_string(), allowed: allowed.into(), hint: hint.into() }
    }

    /// The common rule: a number between two bounds, both included.
    pub fn unless_within<T: PartialOrd + std::fmt::Display>(
        key: &str,
        value: T,
        (least, most): (T, T),
        unit: &str,
        good: T,
    ) -> Option<Self> {
        // What is not a number is within nothing.
        let within = value >= least && value <= most;
        (!within).then(|| {
            Self::new(
                key,
                value,
                format!("{least} to {most} {unit}").trim_end(),
                format!("write {} = {good}", key.rsplit('.').next().unwrap_or(key)),
            )
        })
    }

    /// The same rule seen from the table above: `prefix.key`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.key = format!("{prefix}.{}", self.key);
        self
    }
}
