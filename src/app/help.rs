//! What the help shows: the rows of the key table, those of the place it was opened from first.

use std::borrow::Cow;

use super::KeyMap;
use super::keymap::{Binding, Place};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelpRow {
    pub group: &'static str,
    /// Empty for rows that explain a mark or a word instead of a key.
    pub keys: String,
    pub text: Cow<'static, str>,
}

/// What the marks and words on the screens mean.
const WORDS: &[(&str, &str, &str)] = &[
    ("FILTER", "word", "a name contains it"),
    ("FILTER", "!word", "the opposite of any term"),
    ("FILTER", "svc:pay*", "the service's whole name"),
    ("FILTER", "op:*order*", "the operation's whole name"),
    ("FILTER", "svc=pay op=x", "exactly that name"),
    ("FILTER", "kind:server", "the span kind"),
    ("FILTER", "kind:errors", "the alert kind"),
    ("FILTER", "sev>=2", "SEV2 and worse"),
    ("FILTER", "sev<=3", "SEV3 and milder"),
    ("FILTER", "age<1h", "began in the last hour"),
    ("FILTER", "\"a b\"", "text with spaces, colons"),
    ("READING", "S1 ... S5", "page now ... only a note"),
    ("READING", "xNORM", "p99 / this hour's normal"),
    ("READING", "23σ", "deviations above the mean"),
    ("READING", "n of m", "anomalous of all judged"),
    ("READING", "FACTS", "computed, without a model"),
    ("READING", "MODEL", "suggested, not proven"),
    ("READING", "· ? ~", "normal, absent, learning"),
];

/// The same for a trace, which has no filter.
const WORDS_OF_TRACE: &[(&str, &str, &str)] = &[
    ("READING", "━ ─", "critical path, other time"),
    ("READING", "···", "waited, or quiet spans"),
    ("READING", "▸ +12", "folded, with 12 spans"),
    ("READING", "x12", "alike, folded: sum, max"),
    ("READING", "quiet", "short, not slow, no error"),
    ("READING", "SELF", "while no child ran"),
    ("READING", "NORMAL", "p99 of its hour of week"),
    ("READING", ">p99", "longer than 99 of 100"),
    ("READING", "N n=", "samples that say so"),
    ("READING", "~310", "taken from more hours"),
    ("READING", "S1 ... S5", "page now ... only a note"),
    ("READING", "!", "failed"),
    ("READING", "OF IT", "part of the difference"),
    ("READING", "48/50", "so many of the traces"),
    ("READING", "1 in 10⁹", "by chance, corrected"),
];

/// The same for the page of a service and the map.
const WORDS_OF_SERVICES: &[(&str, &str, &str)] = &[
    ("READING", "xNORM", "p99 / this hour's normal"),
    ("READING", "SELF", "median while no child ran"),
    ("READING", "BETWEEN", "p99 in network and queue"),
    ("READING", "VIA, q", "direct call, or a queue"),
    ("READING", "new", "a message never learnt"),
    ("READING", "passed on", "it failed further below"),
    ("READING", "━S1>", "abnormal, in the graph"),
    ("READING", "S1 ... S5", "page now ... only a note"),
    ("READING", "· ? ~", "normal, absent, learning"),
];

const WORDS_OF_TRACE_AT: [Place; 4] = [Place::Trace, Place::Span, Place::Compare, Place::Attributes];

/// The help opened at `place`: keys of the place, movement, keys that work everywhere, then words; only the rows that
/// contain every word of `query`.
#[must_use]
pub fn rows(keys: &KeyMap, place: Place, query: &str) -> Vec<HelpRow> {
    let group = |row: &Binding| match row {
        row if row.is_movement() => "MOVE",
        row if row.is_general() => "EVERYWHERE",
        _ => "HERE",
    };
    let here = || keys.rows().iter().filter(move |row| row.applies(place));
    let of_group = |name: &'static str| {
        here().filter(move |row| group(row) == name).map(move |row| HelpRow {
            group: name,
            keys: row.label(),
            text: Cow::Borrowed(row.help),
        })
    };
    let words = match place {
        Place::Service | Place::Map => WORDS_OF_SERVICES,
        place if WORDS_OF_TRACE_AT.contains(&place) => WORDS_OF_TRACE,
        _ => WORDS,
    };
    let words =
        words.iter().map(|(group, keys, text)| HelpRow { group, keys: (*keys).to_owned(), text: (*text).into() });
    let own = keys.own().iter().map(|(action, origin)| HelpRow {
        group: "YOUR KEYS",
        keys: keys.keys_of(*action),
        text: origin.clone().into(),
    });
    let query = query.to_lowercase();
    let wanted = |row: &HelpRow| {
        let text = format!("{} {} {}", row.group, row.keys, row.text).to_lowercase();
        query.split_whitespace().all(|word| text.contains(word))
    };
    let mut rows: Vec<HelpRow> = Vec::new();
    for row in
        of_group("HERE").chain(of_group("MOVE")).chain(of_group("EVERYWHERE")).chain(own).chain(words).filter(wanted)
    {
        // Two keys for one movement are two rows of the table where one of them would type text elsewhere.
        match rows.last_mut() {
            Some(last) if last.text == row.text => last.keys = format!("{} {}", last.keys, row.keys),
            _ => rows.push(row),
        }
    }
    rows
}

/// One line of the help as it is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Group(&'static str),
    Row(HelpRow),
    Gap,
}

/// The rows under the names of their groups.
#[must_use]
pub fn lines(keys: &KeyMap, place: Place, query: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut group = "";
    for row in rows(keys, place, query) {
        if row.group != group {
            if !lines.is_empty() {
                lines.push(Line::Gap);
            }
            group = row.group;
            lines.push(Line::Group(group));
        }
        lines.push(Line::Row(row));
    }
    lines
}

/// How the help fills a screen: side by side where two columns fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    pub count: usize,
    pub height: usize,
}

impl Columns {
    #[must_use]
    pub fn of((width, height): (u16, u16)) -> Self {
        let footer = if height >= 12 { 2 } else { 1 };
        let count = match width {
            0..76 => 1,
            76..150 => 2,
            _ => 3,
        };
        Self { count, height: usize::from(height.saturating_sub(2 + footer)).max(1) }
    }

    /// The furthest that the lines can be scrolled.
    #[must_use]
    pub fn last_offset(self, lines: usize) -> usize {
        lines.saturating_sub(self.height * self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keymap::TABLE;
    use super::*;

    #[test]
    fn every_key_of_a_place_is_in_its_help() {
        for place in Place::ALL.iter().copied() {
            let shown: String =
                rows(&KeyMap::default(), place, "").iter().map(|row| format!(" {} ", row.keys)).collect();
            for row in TABLE.iter().filter(|row| row.applies(place)) {
                assert!(shown.contains(&row.label()), "{} at {}", row.label(), place.name());
            }
        }
    }

    #[test]
    fn keys_of_ones_own_are_shown_with_the_place_where_they_were_written() {
        let (map, _) = KeyMap::new(&toml::from_str("acknowledge = \"A\"").unwrap());
        let map = map.with_origins(|name| (name == "acknowledge").then(|| "config.toml:41".to_owned()));
        let here = rows(&map, Place::Alerts, "");
        let shown = |group| here.iter().find(|row| row.group == group && row.keys == "A").map(|row| &*row.text);
        assert_eq!((shown("HERE"), shown("YOUR KEYS")), (Some("acknowledge, with an end"), Some("config.toml:41")));
        assert!(!here.iter().any(|row| row.keys == "x"));
    }

    #[test]
    fn typing_searches_keys_and_descriptions() {
        assert!(rows(&KeyMap::default(), Place::Alerts, "recalc").iter().all(|row| row.text.contains("recalc")));
        assert_eq!(rows(&KeyMap::default(), Place::Alerts, "recalc").len(), 2);
        assert!(rows(&KeyMap::default(), Place::Alerts, "no such words").is_empty());
    }
}
