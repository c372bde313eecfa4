//! What the `http` table of a source means.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::domain::Broken;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds until a connection must stand.
    pub connect_timeout_s: u64,
    /// Seconds until the answer must begin, and the longest pause within it. A whole answer may take ten times as long.
    pub timeout_s: u64,
    /// Longest answer that is read, in megabytes (10^6 bytes), after decompression.
    pub body_cap_mb: u64,
    /// File that holds a bearer token. Read again when the server says 401. Empty for none.
    pub bearer_token_file: String,
    /// Name of an environment variable that holds a bearer token. Empty for none.
    pub bearer_token_env: String,
    /// Command for `sh -c` that prints a bearer token within 5 seconds. Run again when the server says 401. Empty for none.
    pub bearer_token_command: String,
    /// User for basic authentication. Empty for none.
    pub basic_user: String,
    /// File that holds the password of `basic_user`. Empty for none.
    pub basic_password_file: String,
    /// Name of an environment variable that holds the password of `basic_user`. Empty for none.
    pub basic_password_env: String,
    /// PEM file with certificates to trust beside the system's own. Empty for none.
    pub ca_file: String,
    /// Headers sent with every request, such as `x-tenant` or `X-Scope-OrgID`.
    pub headers: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout_s: 5,
            timeout_s: 30,
            body_cap_mb: 64,
            bearer_token_file: String::new(),
            bearer_token_env: String::new(),
            bearer_token_command: String::new(),
            basic_user: String::new(),
            basic_password_file: String::new(),
            basic_password_env: String::new(),
            ca_file: String::new(),
            headers: BTreeMap::new(),
        }
    }
}

/// Header values may be secrets, and so may words of the token command: both are left out.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = if self.bearer_token_command.is_empty() { "" } else { "***" };
        f.debug_struct("Settings")
            .field("connect_timeout_s", &self.connect_timeout_s)
            .field("timeout_s", &self.timeout_s)
            .field("body_cap_mb", &self.body_cap_mb)
            .field("bearer_token_file", &self.bearer_token_file)
            .field("bearer_token_env", &self.bearer_token_env)
            .field("bearer_token_command", &command)
            .field("basic_user", &self.basic_user)
            .field("basic_password_file", &self.basic_password_file)
            .field("basic_password_env", &self.basic_password_env)
            .field("ca_file", &self.ca_file)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let numbers = [
            Broken::unless_within("connect_timeout_s", self.connect_timeout_s, (1, 60), "seconds", 5),
            Broken::unless_within("timeout_s", self.timeout_s, (1, 600), "seconds", 30),
            Broken::unless_within("body_cap_mb", self.body_cap_mb, (1, 1_024), "megabytes", 64),
        ];
        let ways = [self.one_bearer(), self.bearer_or_basic(), self.basic_is_whole(), self.one_authorization()];
        let headers = self.headers.iter().filter_map(|(name, value)| sendable(name, value));
        numbers.into_iter().chain(ways).flatten().chain(headers).collect()
    }

    fn bearers(&self) -> Vec<&'static str> {
        [
            ("bearer_token_file", &self.bearer_token_file),
            ("bearer_token_env", &self.bearer_token_env),
            ("bearer_token_command", &self.bearer_token_command),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, _)| key)
        .collect()
    }

    fn one_bearer(&self) -> Option<Broken> {
        let ways = self.bearers();
        (ways.len() > 1).then(|| {
            Broken::new(
                ways[1],
                "set",
                "at most one of bearer_token_file, bearer_token_env and bearer_token_command",
                format!("remove all but one of: {}", ways.join(", ")),
            )
        })
    }

    fn bearer_or_basic(&self) -> Option<Broken> {
        let bearer = *self.bearers().first()?;
        (!self.basic_user.is_empty()).then(|| {
            Broken::new(
                "basic_user",
                &self.basic_user,
                "a bearer token or basic authentication, not both",
                format!("remove {bearer} or basic_user"),
            )
        })
    }

    fn basic_is_whole(&self) -> Option<Broken> {
        let passwords = [&self.basic_password_file, &self.basic_password_env];
        let given = passwords.into_iter().filter(|way| !way.is_empty()).count();
        match (self.basic_user.is_empty(), given) {
            (true, 0) | (false, 1) => None,
            (true, _) => Some(Broken::new(
                "basic_user",
                "\"\"",
                "a user for the password that is given",
                "write basic_user = \"NAME\"",
            )),
            (false, 0) => Some(Broken::new(
                "basic_user",
                &self.basic_user,
                "a user with its password from basic_password_file or basic_password_env",
                "write basic_password_file = \"PATH\"",
            )),
            (false, _) => Some(Broken::new(
                "basic_password_env",
                &self.basic_password_env,
                "one of basic_password_file and basic_password_env",
                "remove one of the two",
            )),
        }
    }

    fn one_authorization(&self) -> Option<Broken> {
        let named = self.headers.keys().find(|name| name.eq_ignore_ascii_case("authorization"))?;
        (!self.bearers().is_empty() || !self.basic_user.is_empty()).then(|| {
            Broken::new(
                format!("headers.{named}"),
                "set",
                "one source of the Authorization header",
                format!("remove headers.{named}, or the bearer and basic settings"),
            )
        })
    }
}

/// The value is not repeated in the message: it may be a secret.
fn sendable(name: &str, value: &str) -> Option<Broken> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let allowed = "a header name: letters, digits and hyphens";
        return Some(Broken::new(format!("headers.{name}"), name, allowed, "write it as in x-tenant = \"a\""));
    }
    HeaderValue::from_str(value).is_err().then(|| {
        Broken::new(format!("headers.{name}"), "(not shown)", "printable ASCII on one line", "remove line breaks")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.broken().into_iter().map(|broken| broken.key).collect()
    }

    #[test]
    fn the_defaults_hold() {
        assert_eq!(Settings::default().broken(), []);
    }

    #[test]
    fn each_rule_names_its_key() {
        assert_eq!(broken(|s| s.timeout_s = 0), ["timeout_s"]);
        assert_eq!(broken(|s| s.body_cap_mb = 5_000), ["body_cap_mb"]);
        assert_eq!(broken(|s| s.connect_timeout_s = 61), ["connect_timeout_s"]);
        let two_tokens = broken(|s| {
            s.bearer_token_file = "/t".into();
            s.bearer_token_command = "c".into();
        });
        assert_eq!(two_tokens, ["bearer_token_command"]);
        let both_ways = broken(|s| {
            s.bearer_token_env = "T".into();
            s.basic_user = "me".into();
            s.basic_password_env = "P".into();
        });
        assert_eq!(both_ways, ["basic_user"]);
        assert_eq!(broken(|s| s.basic_user = "me".into()), ["basic_user"]);
        assert_eq!(broken(|s| s.basic_password_file = "/p".into()), ["basic_user"]);
        let two_passwords = broken(|s| {
            s.basic_user = "me".into();
            s.basic_password_env = "P".into();
            s.basic_password_file = "/p".into();
        });
        assert_eq!(two_passwords, ["basic_password_env"]);
        let two_authorizations = broken(|s| {
            s.bearer_token_env = "T".into();
            s.headers.insert("Authorization".into(), "x".into());
        });
        assert_eq!(two_authorizations, ["headers.Authorization"]);
        assert_eq!(broken(|s| _ = s.headers.insert("a b".into(), "x".into())), ["headers.a b"]);
        assert_eq!(broken(|s| _ = s.headers.insert("x-a".into(), "1\n2".into())), ["headers.x-a"]);
    }

    #[test]
    fn neither_messages_nor_debug_repeat_a_header_value() {
        let mut settings = Settings::default();
        settings.headers.insert("x-key".into(), "s3cret\n".into());
        settings.bearer_token_command = "print s3cret".into();
        assert!(!format!("{settings:?} {:?}", settings.broken()).contains("s3cret"));
    }
}
