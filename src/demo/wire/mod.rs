//! How traces are written down: straight into bytes, because a month of them is over a gigabyte.

pub(super) mod legacy;
pub(super) mod otlp;

use crate::demo::catalogue::AttributeSink;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A number in decimal digits.
pub(super) fn push_int(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A moment after 1970; there are no others here.
fn push_time(out: &mut Vec<u8>, us: i64) {
    push_int(out, u64::try_from(us).unwrap_or(0));
}

fn push_hex(out: &mut Vec<u8>, id: u64) {
    let mut digits = [0u8; 16];
    for (i, digit) in digits.iter_mut().enumerate() {
        *digit = HEX[(id >> (60 - 4 * i) & 15) as usize];
    }
    out.extend_from_slice(&digits);
}

/// Text from the catalogue, which holds nothing that JSON escapes (a test reads every answer back).
fn push_text(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Jaeger's tags, each after a comma.
struct Tags<'a>(&'a mut Vec<u8>);

impl AttributeSink for Tags<'_> {
    fn text(&mut self, key: &str, value: &str) {
        push_text(self.0, &[r#",{"key":""#, key, r#"","type":"string","value":""#, value, r#""}"#]);
    }

    fn int(&mut self, key: &str, value: u64) {
        push_text(self.0, &[r#",{"key":""#, key, r#"","type":"int64","value":"#]);
        push_int(self.0, value);
        self.0.push(b'}');
    }

    fn flag(&mut self, key: &str, value: bool) {
        let value = if value { "true" } else { "false" };
        push_text(self.0, &[r#",{"key":""#, key, r#"","type":"bool","value":"#, value, "}"]);
    }
}

/// OTLP's attributes, each after a comma unless it is the first. The status is no attribute in OTLP.
struct OtlpAttributes<'a>(&'a mut Vec<u8>);

impl OtlpAttributes<'_> {
    fn key(&mut self, key: &str) -> bool {
        if key == "error" || key.starts_with("otel.status") {
            return false;
        }
        if self.0.last() != Some(&b'[') {
            self.0.push(b',');
        }
        push_text(self.0, &[r#"{"key":""#, key, r#"","value":"#]);
        true
    }
}

impl AttributeSink for OtlpAttributes<'_> {
    fn text(&mut self, key: &str, value: &str) {
        if self.key(key) {
            push_text(self.0, &[r#"{"stringValue":""#, value, r#""}}"#]);
        }
    }

    fn int(&mut self, key: &str, value: u64) {
        if self.key(key) {
            push_text(self.0, &[r#"{"intValue":""#]);
            push_int(self.0, value);
            push_text(self.0, &[r#""}}"#]);
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if self.key(key) {
            push_text(self.0, &[r#"{"boolValue":"#, if value { "true" } else { "false" }, "}}"]);
        }
    }
}
