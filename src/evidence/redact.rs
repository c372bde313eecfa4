//! Obvious secrets and personal data, taken out of text before it leaves the machine.
//!
//! This is a net with a known mesh, not a proof: keys that name a secret, and values that look like one.

use std::borrow::Cow;

/// What stands in a secret's place.
const GONE: &str = "[redacted]";

/// Words that make an attribute's key name a secret, in whatever case and wherever in the key they stand.
const SECRET_WORDS: [&str; 20] = [
    "authorization",
    "auth",
    "cookie",
    "cookies",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "token",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "jwt",
    "bearer",
    "apikey",
    "signature",
    "pin",
    "cvv",
];

/// The same for words written apart or together: `api_key`, `api-key`, `x-apiKey`.
const SECRET_PAIRS: [&str; 8] =
    ["apikey", "accesskey", "privatekey", "secretkey", "sessionid", "sessionkey", "setcookie", "connectionstring"];

/// Whether an attribute of this name is not to be shown, whatever its value.
#[must_use]
pub(super) fn is_secret_key(key: &str) -> bool {
    let words = words(key);
    let joined = words.concat();
    words.iter().any(|word| SECRET_WORDS.contains(&word.as_str()))
        || SECRET_PAIRS.iter().any(|pair| joined.contains(pair))
}

/// The words of a key in lower case: `http.request.header.Set-Cookie` and `dbPassword` alike.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in key.chars() {
        let boundary = !c.is_alphanumeric() || c.is_uppercase() && lower_before;
        if boundary && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    words
}

/// Text with what looks like a secret replaced, and how many replacements were made.
///
/// Taken out: e-mail addresses, payment card numbers (13 to 19 digits that pass Luhn's check, with or without separators),
/// JSON web tokens, AWS key ids, what follows `Bearer` or `Basic`, what follows `password=` and its like, and the password
/// in `scheme://user:password@host`.
#[must_use]
pub(super) fn redact(text: &str) -> (Cow<'_, str>, u32) {
    let mut count = 0;
    let mut out = String::new();
    let mut expected = Expected::Plain;
    for piece in text.split_inclusive(BETWEEN) {
        let body = piece.trim_end_matches(BETWEEN);
        let tail = &piece[body.len()..];
        let (replaced, after) = expected.read(body, tail);
        count += u32::from(replaced.is_some());
        out.push_str(replaced.as_deref().unwrap_or(body));
        out.push_str(tail);
        expected = after;
    }
    let (out, cards) = without_cards(out);
    count += cards;
    if count == 0 { (Cow::Borrowed(text), 0) } else { (Cow::Owned(out), count) }
}

/// What stands between words.
const BETWEEN: [char; 14] = [' ', ',', ';', '&', '?', '"', '\'', '(', ')', '<', '>', '{', '}', '|'];

/// What the words before say of the next one.
#[derive(Clone, Copy)]
enum Expected {
    Plain,
    /// A secret's name stood before, `=` or `:` may follow.
    Sign,
    /// The value of a secret.
    Secret,
    /// The same within quotes, up to this one.
    Quoted(char),
    /// What follows `Bearer` or `Basic`: a credential if it looks like one.
    Credential,
}

impl Expected {
    /// What to put in a word's place, if anything, and what is expected after it.
    fn read(self, body: &str, tail: &str) -> (Option<String>, Self) {
        let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\''));
        let gone = || Some(GONE.to_owned());
        match self {
            Self::Quoted(end) => {
                let more = if tail.starts_with(end) { Self::Plain } else { self };
                ((!body.is_empty()).then(|| GONE.to_owned()), more)
            }
            Self::Secret if body.is_empty() => (None, quote.map_or(self, Self::Quoted)),
            Self::Secret if is_scheme(body) => (gone(), Self::Secret),
            Self::Secret => (gone(), Self::Plain),
            Self::Sign if matches!(body, ":" | "=") => (None, quote.map_or(Self::Secret, Self::Quoted)),
            Self::Sign if body.is_empty() => (None, self),
            Self::Credential
                if body.len() >= 16 || body.contains(|c: char| c.is_ascii_digit() || "=._".contains(c)) =>
            {
                (gone(), Self::Plain)
            }
            _ if is_scheme(body) && tail.starts_with(' ') => (None, Self::Credential),
            _ => {
                let name = body.trim_end_matches(['=', ':']);
                if !is_secret_key(name) {
                    (secret_word(body), Self::Plain)
                } else if name.len() < body.len() {
                    (None, quote.map_or(Self::Secret, Self::Quoted))
                } else {
                    (secret_word(body), if quote.is_some() { Self::Sign } else { Self::Plain })
                }
            }
        }
    }
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

/// One word without its secret; `None` when it has none.
fn secret_word(word: &str) -> Option<String> {
    if let Some((name, value)) =
        word.split_once('=').or_else(|| word.split_once(':').filter(|(_, v)| !v.starts_with('/')))
        && !value.is_empty()
        && is_secret_key(name)
    {
        return Some(format!("{name}={GONE}"));
    }
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((user, host)) = rest.split_once('@')
        && user.contains(':')
    {
        return Some(format!("{scheme}://{GONE}@{host}"));
    }
    if is_email(word) {
        return Some("[e-mail]".to_owned());
    }
    let token = word.split(['=', ':']).next_back().unwrap_or(word);
    let web_token = token.starts_with("eyJ") && token.matches('.').count() == 2;
    let aws = token.len() == 20 && (token.starts_with("AKIA") || token.starts_with("ASIA"));
    (web_token || aws).then(|| GONE.to_owned())
}

/// `name@host.tld`, perhaps with something before it as in `user=name@host.tld`.
fn is_email(word: &str) -> bool {
    let Some((name, host)) = word.rsplit_once('@') else { return false };
    let good = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host = host.trim_end_matches(['.', ':', ']']);
    name.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '+' | '-' | '.'))
        && host.chars().all(good)
        && host.split_once('.').is_some_and(|(domain, tld)| !domain.is_empty() && tld.len() >= 2)
}

/// Replaces runs of 13 to 19 digits, with single blanks or dashes between, that pass Luhn's check.
fn without_cards(text: String) -> (String, u32) {
    if text.bytes().filter(u8::is_ascii_digit).count() < 13 {
        return (text, 0);
    }
    let mut out = String::with_capacity(text.len());
    let mut count = 0;
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let bytes = rest.as_bytes();
        let mut end = 0;
        let mut digits = Vec::new();
        while let Some(&byte) = bytes.get(end) {
            let separator = matches!(byte, b' ' | b'-') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
            if byte.is_ascii_digit() {
                digits.push(byte - b'0');
            } else if !separator {
                break;
            }
            end += 1;
        }
        let is_card = (13..=19).contains(&digits.len()) && luhn(&digits);
        count += u32::from(is_card);
        out.push_str(if is_card { "[card]" } else { &rest[..end] });
        rest = &rest[end..];
    }
    out.push_str(rest);
    (out, count)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &digit)| {
            let twice = u32::from(digit) * if i % 2 == 1 { 2 } else { 1 };
            if twice > 9 { twice - 9 } else { twice }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_name_a_secret_are_known_in_any_spelling() {
        for key in [
            "authorization",
            "http.request.header.Authorization",
            "Set-Cookie",
            "dbPassword",
            "db.password",
            "x-api-key",
            "apiKey",
            "API_KEY",
            "auth_token",
            "client.secret",
            "aws.accessKey",
            "user.credentials",
            "session_id",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in ["http.method", "order.id", "author", "compass", "messaging.destination", "monkey", "tokens", "spin"]
        {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn values_that_look_like_secrets_are_replaced() {
        for (text, clean, gone) in [
            ("mail to anna.b+x@example.co.uk failed", "mail to [e-mail] failed", 1),
            ("user=bob@example.com&x=1", "[e-mail]&x=1", 1),
            ("card 4111 1111 1111 1111 declined", "card [card] declined", 1),
            ("card=4111-1111-1111-1111.", "card=[card].", 1),
            ("Authorization: Bearer abc.def", "Authorization: [redacted] [redacted]", 2),
            ("sent Bearer abc123 and left", "sent Bearer [redacted] and left", 1),
            ("GET /x?token=abc&page=2", "GET /x?token=[redacted]&page=2", 1),
            ("postgres://app:hunter2@db:5432/orders", "postgres://[redacted]@db:5432/orders", 1),
            ("jwt eyJhbGciOi.eyJzdWIi.c2ln end", "jwt [redacted] end", 1),
            (r#"{"password":"x y","a":"b"}"#, r#"{"password":"[redacted] [redacted]","a":"b"}"#, 2),
            (r#"{"password": "x"}"#, r#"{"password": "[redacted]"}"#, 1),
            ("password='x' a", "password='[redacted]' a", 1),
            ("key AKIAIOSFODNN7EXAMPLE", "key [redacted]", 1),
        ] {
            assert_eq!(redact(text), (Cow::Owned(clean.to_owned()), gone));
        }
    }

    #[test]
    fn ordinary_text_is_left_as_it_is() {
        for text in [
            "POST /orders/42 took 2.4s at 10:15:30",
            "span 4bf92f3577b34da6 started 1605873600123457 us",
            "decorator @Cached on a@b",
            "http://host:8080/path",
            "mean 18ms ± 6ms, p99 96ms, n = 28400",
            "queue is basic, bearers of news",
            "Basic auth failed: wrong password for user",
            "token was refused",
        ] {
            assert_eq!(redact(text), (Cow::Borrowed(text), 0));
        }
    }
}
