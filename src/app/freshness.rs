//! How old a source's word is.

use super::wording;
use crate::domain::{Micros, Timestamp};
use crate::messages::{SourceKind, SourceState, SourceView};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Off,
    Connecting,
    Fresh,
    /// Past one poll: last heard then.
    Late(Timestamp),
    /// Past two polls: what rests on it is no longer true now.
    Stale(Timestamp),
    /// It never answered as it should.
    Down,
}

/// A poll takes a moment, so an answer is a little older than the interval just before the next one. Without some grace
/// the header would change twice a poll.
fn grace(interval: Micros) -> Micros {
    Micros((interval.0 / 2).min(5_000_000))
}

impl Freshness {
    #[must_use]
    pub fn of(source: &SourceView, now: Timestamp) -> Self {
        let failing = matches!(source.state, SourceState::Failing(_));
        match (&source.state, source.last_ok) {
            (SourceState::Off, _) => Self::Off,
            (SourceState::Connecting, None) => Self::Connecting,
            (SourceState::Failing(_), None) => Self::Down,
            (SourceState::Ready, None) => Self::Fresh,
            (_, Some(last)) if source.interval == Micros::ZERO => {
                if failing {
                    Self::Stale(last)
                } else {
                    Self::Fresh
                }
            }
            (_, Some(last)) => {
                let [late, stale] = limits(source, last);
                if now > stale {
                    Self::Stale(last)
                } else if now > late {
                    Self::Late(last)
                } else {
                    Self::Fresh
                }
            }
        }
    }

    /// Whether rows that rest on this source must not look current.
    #[must_use]
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Stale(_) | Self::Down)
    }
}

fn limits(source: &SourceView, last: Timestamp) -> [Timestamp; 2] {
    let grace = grace(source.interval);
    [last + source.interval + grace, last + Micros(source.interval.0.saturating_mul(2)) + grace]
}

/// When the word on this source next reads differently, if it says nothing more.
#[must_use]
pub fn changes(source: &SourceView, now: Timestamp) -> Option<Timestamp> {
    let last = source.last_ok?;
    let aged = match Freshness::of(source, now) {
        Freshness::Late(_) | Freshness::Stale(_) => Some(wording::age_changes(last, now)),
        _ => None,
    };
    let polled = source.interval > Micros::ZERO && !matches!(source.state, SourceState::Off);
    let limits = if polled { limits(source, last).map(Some) } else { [None; 2] };
    // A limit counts as passed a moment after it.
    limits.into_iter().flatten().map(|limit| limit + Micros(1)).chain(aged).filter(|at| *at > now).min()
}

/// The name in the header.
#[must_use]
pub const fn name(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Jaeger => "jaeger",
        SourceKind::Prometheus => "prom",
        SourceKind::Ollama => "ollama",
    }
}

/// The word behind the name: `ok`, `20s`, `40s STALE`, `DOWN`, `off`.
#[must_use]
pub fn word(source: &SourceView, now: Timestamp) -> String {
    match Freshness::of(source, now) {
        Freshness::Off => "off".to_owned(),
        Freshness::Connecting => "connecting".to_owned(),
        Freshness::Fresh if source.kind == SourceKind::Ollama => "ready".to_owned(),
        Freshness::Fresh => "ok".to_owned(),
        Freshness::Late(last) => wording::age(now.since(last)),
        Freshness::Stale(_) if source.interval == Micros::ZERO => "DOWN".to_owned(),
        Freshness::Stale(last) => format!("{} STALE", wording::age(now.since(last))),
        Freshness::Down => "DOWN".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jaeger(last_ok: Option<i64>, state: SourceState) -> SourceView {
        SourceView {
            kind: SourceKind::Jaeger,
            state,
            last_ok: last_ok.map(Timestamp::from_secs),
            interval: Micros::from_secs(10),
            detail: String::new(),
            warning: None,
        }
    }

    #[test]
    fn an_age_appears_past_one_poll_and_shouts_past_two() {
        let source = jaeger(Some(1_000), SourceState::Ready);
        let words: Vec<String> =
            [1_000, 1_011, 1_016, 1_026, 1_130].map(|s| word(&source, Timestamp::from_secs(s))).into();
        assert_eq!(words, ["ok", "ok", "10s", "20s STALE", "2m STALE"]);
        assert_eq!(word(&jaeger(None, SourceState::Failing("refused".into())), Timestamp(0)), "DOWN");
    }

    #[test]
    fn the_header_changes_exactly_when_announced() {
        let source = jaeger(Some(1_000), SourceState::Ready);
        let mut now = Timestamp::from_secs(1_000);
        let mut seen = vec![word(&source, now)];
        while seen.len() < 8 {
            let next = changes(&source, now).unwrap();
            assert_eq!(word(&source, next - Micros(1)), *seen.last().unwrap());
            now = next;
            seen.push(word(&source, now));
        }
        seen.dedup();
        assert_eq!(seen[..4], ["ok", "10s", "20s", "20s STALE"]);
    }
}
