//! PromQL's words, numbers, durations, strings and signs.

use crate::domain::Micros;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(f64),
    Duration(Micros),
    Text(String),
    Sign(&'static str),
}

/// Longer signs first.
const SIGNS: [&str; 20] =
    ["=~", "!~", "==", "!=", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", "=", ">", "<", "+", "-", "*", "/"];
/// A duration as Prometheus writes it: `5m`, `1h30m`, `1d`.
pub(super) fn duration(text: &str) -> Option<Micros> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1_000),
        ("s", 1_000_000),
        ("m", 60_000_000),
        ("h", 3_600_000_000),
        ("d", 86_400_000_000),
        ("w", 604_800_000_000),
        ("y", 31_536_000_000_000),
    ];
    let (mut rest, mut us) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..end])?;
        us = us.checked_add(number.checked_mul(*factor)?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(Micros(us))
}

pub(super) fn error_at(column: usize, text: &str) -> String {
    format!("1:{}: parse error: {text}", column + 1)
}

/// The tokens of a query with their columns.
pub(super) fn tokens(query: &str) -> Result<Vec<(usize, Token)>, String> {
    let chars: Vec<char> = query.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let start = at;
        let word = |from: usize, more: &dyn Fn(char) -> bool| -> String {
            chars[from..].iter().take_while(|c| more(**c)).collect()
        };
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let token = if matches!(c, '"' | '\'' | '`') {
            let (text, length) =
                quoted(&chars[at..], c).ok_or_else(|| error_at(start, "unterminated quoted string"))?;
            at += length;
            Token::Text(text)
        } else if c.is_ascii_digit() || (c == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit)) {
            let text = word(at, &|c| c.is_ascii_alphanumeric() || c == '.');
            at += text.chars().count();
            match (text.parse(), duration(&text)) {
                (Ok(number), _) => Token::Number(number),
                (_, Some(duration)) => Token::Duration(duration),
                _ => return Err(error_at(start, &format!("bad number or duration syntax: {text:?}"))),
            }
        } else if c.is_ascii_alphabetic() || c == '_' || c == ':' {
            let text = word(at, &|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
            at += text.len();
            Token::Word(text)
        } else if let Some(sign) =
            SIGNS.into_iter().find(|sign| sign.chars().eq(chars[at..].iter().take(sign.len()).copied()))
        {
            at += sign.len();
            Token::Sign(sign)
        } else {
            return Err(error_at(start, &format!("unexpected character: {c:?}")));
        };
        out.push((start, token));
    }
    Ok(out)
}

/// A string in quotes with Go's simple escapes, and how many characters it took.
fn quoted(chars: &[char], quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        match *chars.get(at)? {
            c if c == quote => return Some((text, at + 1)),
            '\\' if quote != '`' => {
                at += 1;
                text.push(match *chars.get(at)? {
                    'n' => '\n',
                    't' => '\t',
                    c => c,
                });
            }
            c => text.push(c),
        }
        at += 1;
    }
}
