//! What is never printed. Secrets come from files, variables and commands; where one is written into the configuration
//! all the same, it stays there.

use std::borrow::Cow;

pub const MASK: &str = "***";

/// Whether the value of a key is a secret: header values, and names that say so, unless they only say where it is.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    let under_headers = key.contains(".headers.") || last == "headers";
    let pointer = last.ends_with("_file") || last.ends_with("_env");
    let says_so =
        ["token_command", "bearer_token", "password", "secret", "api_key"].iter().any(|word| last.contains(word));
    under_headers || (says_so && !pointer)
}

/// The text with credentials inside an address (`http://user:password@host`) masked.
#[must_use]
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some(start) = text.find("://").map(|at| at + 3) else { return Cow::Borrowed(text) };
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    match text[start..end].rfind('@') {
        Some(at) => Cow::Owned(format!("{}{MASK}{}", &text[..start], &text[start + at..])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_secrets_are_told_from_places_where_secrets_are() {
        for key in
            ["jaeger.http.headers.x-key", "jaeger.http.headers", "x.password", "jaeger.http.bearer_token_command"]
        {
            assert!(is_secret(key), "{key}");
        }
        for key in
            ["jaeger.http.bearer_token_file", "jaeger.http.basic_password_env", "ollama.context_tokens", "jaeger.url"]
        {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_masked_wherever_an_at_sign_stands() {
        assert_eq!(without_credentials("http://me:p@ss@host/path@x"), "http://***@host/path@x");
        assert_eq!(without_credentials("http://host/path@x"), "http://host/path@x");
        assert_eq!(without_credentials("plain"), "plain");
    }
}
