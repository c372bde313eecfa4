//! The filter language of the lists: what a person types after `/`.
//!
//! Terms are separated by spaces and must all hold; `!` before a term turns it round.
//!
//! | term | holds for |
//! |---|---|
//! | `match` | a service or operation whose name contains the word, in any case |
//! | `"a b"` | the same for text with spaces or colons |
//! | `svc:pay*`, `op:*order*` | the whole name, `*` standing for anything; without a `*` the name contains it |
//! | `svc=pay`, `op=x` | exactly that name |
//! | `kind:server` | the span kind |
//! | `kind:errors`, `kind:self-time` | what kind of alert it is |
//! | `sev>=2` | SEV2 **and worse**; `sev>2` worse than SEV2, `sev=2`, `sev<=3` SEV3 and milder, `sev<3` |
//! | `age<1h`, `age>=10m` | how long ago it began (`s`, `m`, `h`, `d`) |

use std::fmt;
use std::sync::Arc;

use super::{Alert, AlertKind, Micros, Severity, SpanKey, SpanKind, Timestamp};

/// A parsed filter. The default one lets everything pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    terms: Vec<Term>,
}

/// What a filter looks at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub key: &'a SpanKey,
    pub severity: Severity,
    /// When it began.
    pub since: Timestamp,
    /// In which respect an alert differs; `None` for what is no alert.
    pub alert: Option<AlertKind>,
}

/// Why a filter cannot be used: one sentence with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError(String);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// Lower case.
    Word(String),
    Service(Pattern),
    Operation(Pattern),
    Kind(SpanKind),
    Alert(AlertKind),
    Severity(Relation, Severity),
    Age(Relation, Micros),
}

/// What a name is to be like, in lower case; `Whole` has the pieces between stars.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(String),
    Contains(String),
    Whole(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtLeast,
    AtMost,
    Above,
    Below,
    Equal,
}

impl Filter {
    /// Reads what was typed. Empty text is the filter that lets everything pass.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        words(text)?.into_iter().map(term).collect::<Result<_, _>>().map(|terms| Self { terms })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether its answer can change while only time passes.
    #[must_use]
    pub fn depends_on_time(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Test::Age(..)))
    }

    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>, now: Timestamp) -> bool {
        self.terms.iter().all(|term| term.test.holds(subject, now) != term.negated)
    }

    /// The same for an alert, by the service that answers for it: of an edge the one that is called.
    #[must_use]
    pub fn matches_alert(&self, alert: &Alert, now: Timestamp) -> bool {
        let bare;
        let key = match &alert.subject {
            super::Subject::Key(key) => key,
            other => {
                bare = SpanKey {
                    service: Arc::clone(other.service()),
                    operation: Arc::from(""),
                    kind: SpanKind::Unspecified,
                };
                &bare
            }
        };
        self.matches(&Subject { key, severity: alert.severity, since: alert.onset, alert: Some(alert.kind) }, now)
    }
}

impl FilterError {
    pub(super) fn new(sentence: &str) -> Self {
        Self(sentence.to_owned())
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FilterError {}

impl Test {
    fn holds(&self, subject: &Subject<'_>, now: Timestamp) -> bool {
        match self {
            Self::Word(word) => {
                subject.key.service.to_lowercase().contains(word)
                    || subject.key.operation.to_lowercase().contains(word)
                    || subject.key.to_string().to_lowercase().contains(word)
            }
            Self::Service(pattern) => pattern.matches(&subject.key.service),
            Self::Operation(pattern) => pattern.matches(&subject.key.operation),
            Self::Kind(kind) => subject.key.kind == *kind,
            Self::Alert(kind) => subject.alert == Some(*kind),
            // A larger number is a milder severity, so "at least" compares the other way round.
            Self::Severity(relation, than) => relation.holds(than, &subject.severity),
            Self::Age(relation, than) => relation.holds(&now.since(subject.since), than),
        }
    }
}

impl Relation {
    fn holds<T: Ord>(self, a: &T, b: &T) -> bool {
        match self {
            Self::AtLeast => a >= b,
            Self::AtMost => a <= b,
            Self::Above => a > b,
            Self::Below => a < b,
            Self::Equal => a == b,
        }
    }

    /// The relation at the start of `text`, and the rest.
    fn split(text: &str) -> Option<(Self, &str)> {
        let known = [
            (">=", Self::AtLeast),
            ("<=", Self::AtMost),
            (">", Self::Above),
            ("<", Self::Below),
            ("=", Self::Equal),
            (":", Self::Equal),
        ];
        known.into_iter().find_map(|(sign, relation)| text.strip_prefix(sign).map(|rest| (relation, rest)))
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        if text.contains('*') {
            Self::Whole(text.split('*').map(str::to_owned).collect())
        } else {
            Self::Contains(text)
        }
    }

    fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let pieces = match self {
            Self::Exactly(text) => return name == *text,
            Self::Contains(text) => return name.contains(text.as_str()),
            Self::Whole(pieces) => pieces,
        };
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
            return true;
        };
        let Some(mut rest) = name.strip_prefix(first.as_str()).and_then(|rest| {
            // The last piece is taken off the end first, so that the ones between cannot use it up.
            rest.strip_suffix(last.as_str())
        }) else {
            return false;
        };
        for piece in pieces.get(1..pieces.len().saturating_sub(1)).unwrap_or_default() {
            let Some(at) = rest.find(piece.as_str()) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}

/// One word of the input: its text, whether it was negated, and whether it was quoted.
struct Word {
    text: String,
    negated: bool,
    quoted: bool,
}

fn words(input: &str) -> Result<Vec<Word>, FilterError> {
    let mut found = Vec::new();
    let mut rest = input.trim_start();
    while !rest.is_empty() {
        let negated = rest.starts_with('!');
        if negated {
            rest = &rest[1..];
        }
        let (text, quoted, after) = if let Some(inside) = rest.strip_prefix('"') {
            let Some(end) = inside.find('"') else {
                return Err(FilterError("A quote is open: end it with \".".to_owned()));
            };
            (&inside[..end], true, &inside[end + 1..])
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (&rest[..end], false, &rest[end..])
        };
        if text.is_empty() {
            let what = if negated { "! needs a term after it: write !word." } else { "A quoted word is empty." };
            return Err(FilterError(what.to_owned()));
        }
        found.push(Word { text: text.to_owned(), negated, quoted });
        rest = after.trim_start();
    }
    Ok(found)
}

fn term(word: Word) -> Result<Term, FilterError> {
    let Word { text, negated, quoted } = word;
    let field_end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (field, rest) = text.split_at(field_end);
    let test = match Relation::split(rest) {
        Some((relation, value)) if !quoted && !field.is_empty() => {
            field_test(field, relation, value, &rest[..1], &text)?
        }
        _ => Test::Word(text.to_lowercase()),
    };
    Ok(Term { negated, test })
}

fn field_test(field: &str, relation: Relation, value: &str, sign: &str, whole: &str) -> Result<Test, FilterError> {
    let named = |test: fn(Pattern) -> Test, example: &str| {
        if relation != Relation::Equal {
            Err(FilterError(format!("{field} is a name: write {example}.")))
        } else if value.is_empty() {
            Err(FilterError(format!("{field}: needs a name after it: write {example}.")))
        } else if sign == "=" {
            Ok(test(Pattern::Exactly(value.to_lowercase())))
        } else {
            Ok(test(Pattern::new(value)))
        }
    };
    match field.to_ascii_lowercase().as_str() {
        "svc" | "service" => named(Test::Service, "svc:pay*"),
        "op" | "operation" => named(Test::Operation, "op:order*"),
        "kind" => match SpanKind::from_name(&value.to_lowercase()) {
            SpanKind::Unspecified => AlertKind::from_name(&value.to_lowercase()).map(Test::Alert).ok_or_else(|| {
                FilterError(format!(
                    "\"{value}\" is no kind: write kind:server, client, producer, consumer or internal of a span, \
                     kind:errors, self-time, duration and the like of an alert."
                ))
            }),
            kind => Ok(Test::Kind(kind)),
        },
        "sev" | "severity" => {
            let digits = value.trim_start_matches(['S', 's']);
            digits
                .parse()
                .ok()
                .and_then(Severity::from_number)
                .map(|severity| Test::Severity(relation, severity))
                .ok_or_else(|| {
                    FilterError(format!(
                        "sev needs a number from 1 to 5, not \"{value}\": write sev>=2 for SEV2 and worse."
                    ))
                })
        }
        "age" => length(value).map(|age| Test::Age(relation, age)).ok_or_else(|| {
            FilterError(format!("age needs a time, not \"{value}\": write age<30s, age<10m, age>1h or age<1d."))
        }),
        _ if sign == ":" => Err(FilterError(format!(
            "\"{field}\" is no field: use svc:, op:, kind:, sev or age, or quote the word: \"{whole}\"."
        ))),
        _ => Err(FilterError(format!("\"{field}\" cannot be compared: use sev>=2 or age<1h."))),
    }
}

/// `30s`, `10m`, `2h`, `1d`.
pub(super) fn length(text: &str) -> Option<Micros> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(unit).map(Micros::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn passes(filter: &str, key: &SpanKey, severity: Severity, age_s: u64) -> bool {
        let subject = Subject { key, severity, since: NOW - Micros::from_secs(age_s), alert: None };
        Filter::parse(filter).unwrap().matches(&subject, NOW)
    }

    #[test]
    fn every_term_must_hold() {
        let key = SpanKey::new("order-matcher", "Order.Match", SpanKind::Consumer);
        for (filter, expected) in [
            ("", true),
            ("   ", true),
            ("MATCH", true),
            ("matcher order", true),
            ("matcher wallet", false),
            ("!wallet", true),
            ("!match", false),
            ("svc:order", true),
            ("svc:order*", true),
            ("svc:*matcher", true),
            ("svc:o*r-*er", true),
            ("svc:order*order*", false),
            ("svc:matcher*", false),
            ("svc=order", false),
            ("svc=Order-Matcher", true),
            ("!svc:pay*", true),
            ("op:order.match", true),
            ("op:*.*match*", true),
            ("kind:consumer", true),
            ("kind:server", false),
            ("\"order-matcher:order\"", true),
            ("age<1h", true),
            ("age>=10m", true),
            ("age>10m", false),
            ("age<10m", false),
            ("age<1d sev=2 match", true),
        ] {
            assert_eq!(passes(filter, &key, Severity::Sev2, 600), expected, "{filter:?}");
        }
    }

    #[test]
    fn an_alert_has_a_kind_of_its_own() {
        let key = SpanKey::new("a", "b", SpanKind::Server);
        for kind in AlertKind::ALL {
            let subject = Subject { key: &key, severity: Severity::Sev2, since: NOW, alert: Some(kind) };
            let word = format!("kind:{}", kind.name().replace(' ', "-"));
            let passing = |text: &str| Filter::parse(text).unwrap().matches(&subject, NOW);
            assert!(passing(&word) && passing("kind:server"), "{word}");
            assert_eq!(passing("kind:errors"), kind == AlertKind::Errors);
            assert!(!passes(&word, &key, Severity::Sev2, 0), "what is no alert has none");
        }
    }

    #[test]
    fn a_higher_severity_is_a_worse_one() {
        let key = SpanKey::new("a", "b", SpanKind::Server);
        let passing = |filter: &str| -> Vec<u8> {
            Severity::ALL.into_iter().filter(|s| passes(filter, &key, *s, 0)).map(Severity::number).collect()
        };
        assert_eq!(passing("sev>=2"), [1, 2]);
        assert_eq!(passing("sev>2"), [1]);
        assert_eq!(passing("sev=S2"), [2]);
        assert_eq!(passing("sev<=3"), [3, 4, 5]);
        assert_eq!(passing("sev<3"), [4, 5]);
        assert_eq!(passing("!sev>=2"), [3, 4, 5]);
    }

    #[test]
    fn what_cannot_be_read_is_answered_with_what_to_write() {
        for (filter, part) in [
            ("sev>=9", "1 to 5"),
            ("sev>=", "write sev>=2"),
            ("age<soon", "age<10m"),
            ("age<99999999999999999999d", "age<10m"),
            ("age<é", "age<10m"),
            ("scv:pay", "svc:"),
            ("size>3", "cannot be compared"),
            ("svc:", "svc:pay*"),
            ("svc>a", "svc:pay*"),
            ("kind:web", "kind:server"),
            ("\"open", "quote"),
            ("!", "!word"),
            ("\"\"", "empty"),
        ] {
            let error = Filter::parse(filter).unwrap_err().to_string();
            assert!(error.contains(part), "{filter:?} gave {error:?}");
            assert!(error.ends_with('.'), "a sentence: {error:?}");
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused_without_a_panic() {
        proptest::proptest!(|(text in ".{0,40}")| {
            if let Ok(filter) = Filter::parse(&text) {
                let key = SpanKey::new("é漢", "İ*", SpanKind::Server);
                let _ = filter.matches(&Subject { key: &key, severity: Severity::Sev1, since: NOW, alert: None }, NOW);
            }
        });
    }
}
