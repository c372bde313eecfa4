//! Keeps the number of span keys bounded, whatever services put into their operation names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{SpanKey, SpanKind};

use super::settings::Settings;

/// The operation under which everything beyond the limits is counted.
pub const OTHER: &str = "(other)";

/// Decides under which key a span is counted: ids in its name folded, and no more keys than allowed. Memory depends on
/// the keys admitted, never on how many names were seen.
#[derive(Debug, Clone)]
pub struct Naming {
    fold_ids: bool,
    max_operations: usize,
    max_keys: usize,
    services: BTreeMap<Arc<str>, BTreeSet<(Arc<str>, SpanKind)>>,
    keys: usize,
    merged: u32,
}

impl Naming {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            fold_ids: settings.fold_ids,
            max_operations: settings.max_operations_per_service as usize,
            max_keys: settings.max_keys as usize,
            services: BTreeMap::new(),
            keys: 0,
            merged: 0,
        }
    }

    /// The key to count `raw` under.
    pub fn admit(&mut self, raw: &SpanKey) -> SpanKey {
        let operation = if self.fold_ids { fold_ids(&raw.operation) } else { None };
        let operation = operation.map_or_else(|| raw.operation.clone(), Arc::from);
        let known = self.services.get(&raw.service);
        if known.is_some_and(|known| known.contains(&(operation.clone(), raw.kind))) {
            return SpanKey { service: raw.service.clone(), operation, kind: raw.kind };
        }
        if self.keys >= self.max_keys || known.is_some_and(|known| known.len() >= self.max_operations) {
            self.merged = self.merged.saturating_add(1);
            return SpanKey::new(raw.service.clone(), OTHER, SpanKind::Unspecified);
        }
        self.services.entry(raw.service.clone()).or_default().insert((operation.clone(), raw.kind));
        self.keys += 1;
        SpanKey { service: raw.service.clone(), operation, kind: raw.kind }
    }

    /// How often a name beyond the limits was put into `(other)`.
    #[must_use]
    pub const fn merged(&self) -> u32 {
        self.merged
    }
}

/// The name with ids replaced by `{id}`; `None` if it holds none.
///
/// A piece between separators is an id if it is a number of two digits or more, hex of eight digits or more with a digit
/// in it, a UUID, or looks like an e-mail address. Words with a digit (`v2`, `s3`, `oauth2`) stay.
#[must_use]
pub fn fold_ids(name: &str) -> Option<String> {
    let separator = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '@' | '.' | '+'));
    if !name.bytes().any(|b| b.is_ascii_digit() || b == b'@') {
        return None;
    }
    let mut out = String::with_capacity(name.len());
    let mut changed = false;
    for piece in name.split_inclusive(separator) {
        let (word, end) = match piece.chars().next_back() {
            Some(last) if separator(last) => piece.split_at(piece.len() - last.len_utf8()),
            _ => (piece, ""),
        };
        if is_id(word) || is_email(word) {
            out.push_str("{id}");
            changed = true;
        } else {
            changed |= fold_parts(word, &mut out);
        }
        out.push_str(end);
    }
    changed.then_some(out)
}

/// `order-12345` is `order-{id}`.
fn fold_parts(word: &str, out: &mut String) -> bool {
    let inner = |c: char| matches!(c, '-' | '_' | '.' | '+');
    let mut changed = false;
    for part in word.split_inclusive(inner) {
        let (text, end) = match part.chars().next_back() {
            Some(last) if inner(last) => part.split_at(part.len() - 1),
            _ => (part, ""),
        };
        if is_id(text) {
            out.push_str("{id}");
            changed = true;
        } else {
            out.push_str(text);
        }
        out.push_str(end);
    }
    changed
}

fn is_id(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let number = word.len() >= 2 && digits == word.len();
    let hex = word.len() >= 8 && digits > 0 && word.bytes().all(|b| b.is_ascii_hexdigit());
    number || hex || is_uuid(word)
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36
        && word.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_folded_and_words_stay() {
        for (name, folded) in [
            ("GET /orders/12345", "GET /orders/{id}"),
            ("GET /orders/12345/items/7", "GET /orders/{id}/items/7"),
            ("GET /users/550e8400-e29b-41d4-a716-446655440000", "GET /users/{id}"),
            ("load deadbeef01 cart", "load {id} cart"),
            ("mail to ann.b@example.com now", "mail to {id} now"),
            ("job-20261120-cleanup", "job-{id}-cleanup"),
        ] {
            assert_eq!(fold_ids(name).as_deref(), Some(folded), "{name}");
        }
        for name in ["POST", "order.match", "api/v2/s3/oauth2", "publish <default>", "HTTP GET", "defaced", "a@b"] {
            assert_eq!(fold_ids(name), None, "{name}");
        }
    }

    #[test]
    fn a_service_with_a_name_for_each_request_stays_bounded() {
        let settings = Settings { max_operations_per_service: 50, ..Settings::default() };
        let mut naming = Naming::new(&settings);
        let mut keys = BTreeSet::new();
        for i in 0..10_000u32 {
            // Letters only, so that no id rule helps.
            let name: String = i.to_string().bytes().map(|b| char::from(b - b'0' + b'g')).collect();
            keys.insert(naming.admit(&SpanKey::new("cart", name.as_str(), SpanKind::Server)));
        }
        assert_eq!(keys.len(), 51, "50 operations and (other)");
        assert_eq!(naming.merged(), 9_950);
        assert_eq!(naming.services["cart"].len(), 50);
    }
}
