//! Service names inside PromQL: nothing from outside may end a string that it stands in.

/// How a person marks the place of the service's name.
const PLACEHOLDERS: [&str; 2] = ["{service}", "$service"];

/// `text` as it must stand between `quote`s in PromQL, whose strings follow Go's.
pub(super) fn escape(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c == quote => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// `text` as a regular expression (RE2) that matches exactly it.
pub(super) fn escape_regex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a query asks for one service.
pub(super) fn is_per_service(query: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| query.contains(placeholder))
}

/// The query with the service in place of each placeholder: escaped for the quotes it stands in, and as a regular
/// expression where its matcher is one.
///
/// # Errors
/// What is allowed instead, when a placeholder stands outside of quotes or inside back-quotes, where nothing can be
/// escaped.
pub(super) fn fill(query: &str, service: &str) -> Result<String, String> {
    let mut out = String::with_capacity(query.len() + service.len());
    let mut open: Option<(char, bool)> = None;
    let mut rest = query;
    while let Some(c) = rest.chars().next() {
        if let Some(placeholder) = PLACEHOLDERS.iter().find(|placeholder| rest.starts_with(**placeholder)) {
            let Some((quote @ ('"' | '\''), regex)) = open else {
                return Err(format!("{placeholder} only between \" quotes"));
            };
            out.push_str(&if regex { escape(&escape_regex(service), quote) } else { escape(service, quote) });
            rest = &rest[placeholder.len()..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match open {
            None if matches!(c, '"' | '\'' | '`') => {
                let before = out.trim_end();
                open = Some((c, before.ends_with("=~") || before.ends_with("!~")));
            }
            Some((quote, _)) if c == quote => open = None,
            Some(('"' | '\'', _)) if c == '\\' => {
                out.push(c);
                let Some(escaped) = rest.chars().next() else { break };
                out.push(escaped);
                rest = &rest[escaped.len_utf8()..];
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_escaped_for_where_it_stands() {
        for (query, expected) in [
            ("up{job=\"{service}\"}", "up{job=\"a.b\\\"}\\\\\"}"),
            ("up{job='$service'}", "up{job='a.b\"}\\\\'}"),
            ("up{job=~\"x-$service-.*\"}", "up{job=~\"x-a\\\\.b\\\"\\\\}\\\\\\\\-.*\"}"),
            ("up{a=\"q\\\"\",job =~ '{service}'}", "up{a=\"q\\\"\",job =~ 'a\\\\.b\"\\\\}\\\\\\\\'}"),
            ("sum(up) by (job)", "sum(up) by (job)"),
        ] {
            assert_eq!(fill(query, "a.b\"}\\").unwrap(), expected, "{query}");
        }
        assert_eq!(fill("x{a=\"$service\"}", "1\n2").unwrap(), "x{a=\"1\\n2\"}");
    }

    #[test]
    fn a_placeholder_that_could_not_be_escaped_is_refused() {
        for query in ["up{$service}", "up{job=`{service}`}", "{service}"] {
            assert!(fill(query, "x").is_err(), "{query}");
        }
    }
}
