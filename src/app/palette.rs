//! The palette: every action of the key table, found by typing. It has no list of its own.

use std::cmp::Reverse;

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::KeyMap;
use super::LineInput;
use super::key::{Key, KeyCode};
use super::keymap::{Action, Binding, Place};
use crate::domain::Severity;

#[derive(Debug, Clone, PartialEq)]
pub struct PaletteView {
    /// Where it was opened: what is chosen is done there.
    pub place: Place,
    pub query: LineInput,
    /// The number of the chosen entry among those that match.
    pub at: usize,
    pub offset: usize,
}

/// One action as it can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub action: Action,
    /// The key that is pressed in its stead.
    pub key: Key,
    /// All its keys, as the help writes them.
    pub keys: String,
    pub text: String,
    /// Where it works, if it does not where the palette was opened.
    pub elsewhere: Option<String>,
}

impl PaletteView {
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, query: LineInput::default(), at: 0, offset: 0 }
    }
}

/// The entries that match what was typed, the best first; of equal ones those that work at `place`. Before anything is
/// typed all of them, those that work at `place` first.
#[must_use]
pub fn entries(keys: &KeyMap, place: Place, query: &str) -> Vec<Entry> {
    let all = all(keys, place);
    let pattern = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
    if pattern.atoms.is_empty() {
        return all;
    }
    let mut config = Config::DEFAULT;
    // Who types `rec` means what is called so, not what has it further on in its text.
    config.prefer_prefix = true;
    let mut matcher = Matcher::new(config);
    let mut letters = Vec::new();
    let mut matching: Vec<(u32, Entry)> = all
        .into_iter()
        .filter_map(|entry| {
            let text = format!("{} {}", entry.text, entry.keys);
            let score = pattern.score(Utf32Str::new(&text, &mut letters), &mut matcher)?;
            Some((score, entry))
        })
        .collect();
    // Were what works here always first, a better match elsewhere would give way to something nobody meant.
    matching.sort_by_key(|(score, entry)| (Reverse(*score), entry.elsewhere.is_some()));
    matching.into_iter().map(|(_, entry)| entry).collect()
}

/// What works at `place` in the order of the table, movement last; then what works elsewhere.
fn all(keys: &KeyMap, place: Place) -> Vec<Entry> {
    let useful =
        |row: &&Binding| row.action != Action::OpenPalette && row.places.iter().any(|place| !place.takes_text());
    let rows = || keys.rows().iter().filter(useful);
    let here = |movement: bool| rows().filter(move |row| row.applies(place) && row.is_movement() == movement);
    let elsewhere = |movement: bool| rows().filter(move |row| !row.applies(place) && row.is_movement() == movement);
    let mut entries: Vec<Entry> = Vec::new();
    for row in here(false).chain(here(true)).chain(elsewhere(false)).chain(elsewhere(true)) {
        let names = (!row.applies(place)).then(|| names(&row.places));
        let same = |entry: &&mut Entry| entry.action == row.action && entry.text == row.help;
        match entries.iter_mut().find(same) {
            // Two rows for one thing: more keys for it, unless they work only elsewhere.
            Some(known) if known.elsewhere.is_some() == names.is_some() => {
                known.keys = format!("{} {}", known.keys, row.label());
            }
            Some(_) => {}
            None => entries.extend(entries_of(row, names)),
        }
    }
    entries
}

/// One entry; of a key that says itself which severity is meant, one for each severity.
fn entries_of(row: &Binding, elsewhere: Option<String>) -> Vec<Entry> {
    let entry = |key: Key, keys: String, text: String| Entry {
        action: row.action,
        key,
        keys,
        text,
        elsewhere: elsewhere.clone(),
    };
    if row.action == Action::SeverityAndWorse {
        let severity = |key: &Key| key.typed()?.to_digit(10).and_then(|n| u8::try_from(n).ok());
        let severities = row.keys.iter().filter_map(|key| Some((key, Severity::from_number(severity(key)?)?)));
        let of = |(key, severity): (&Key, Severity)| {
            entry(*key, key.to_string(), row.help.replace("that severity", &format!("SEV{}", severity.number())))
        };
        return severities.map(of).collect();
    }
    let key = row.keys.first().copied().unwrap_or(Key::plain(KeyCode::Enter));
    vec![entry(key, row.label(), row.help.to_owned())]
}

/// `the panes`, `Trace, Span`
fn names(places: &[Place]) -> String {
    const PANES: [Place; 4] = [Place::Services, Place::Alerts, Place::Baseline, Place::Analysis];
    let panes = PANES.iter().all(|pane| places.contains(pane));
    let single = places.iter().filter(|place| !(place.takes_text() || panes && PANES.contains(place)));
    let names: Vec<&str> = panes.then_some("the panes").into_iter().chain(single.map(|place| place.name())).collect();
    names.join(", ")
}

/// How many entries a screen of this height shows.
#[must_use]
pub fn room((_, height): (u16, u16)) -> usize {
    let footer = if height >= 12 { 2 } else { 1 };
    usize::from(height.saturating_sub(2 + footer)).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::keymap::TABLE;
    use super::*;

    #[test]
    fn every_action_of_the_table_can_be_chosen_wherever_it_works() {
        for place in Place::ALL.iter().copied().filter(|place| !place.takes_text()) {
            let entries = entries(&KeyMap::default(), place, "");
            for row in TABLE.iter().filter(|row| row.applies(place) && row.action != Action::OpenPalette) {
                let found = entries.iter().find(|entry| entry.action == row.action && entry.elsewhere.is_none());
                let found = found.unwrap_or_else(|| panic!("{} at {}", row.help, place.name()));
                assert_eq!(KeyMap::default().action(place, found.key), Some(row.action), "{}", row.help);
            }
            for row in TABLE.iter().filter(|row| row.places.iter().any(|place| !place.takes_text())) {
                let known = entries.iter().any(|entry| entry.action == row.action) || row.action == Action::OpenPalette;
                assert!(known, "{} is not to be found at {}", row.help, place.name());
            }
        }
    }

    #[test]
    fn what_is_typed_with_gaps_is_found_wherever_it_works() {
        let first = |place, query: &str| entries(&KeyMap::default(), place, query).into_iter().next().unwrap();
        assert_eq!(first(Place::Alerts, "rehrs").action, Action::Rehearse);
        assert_eq!(first(Place::Alerts, "UNDO RECALC").action, Action::Undo);
        assert_eq!(first(Place::Trace, "fold every").action, Action::FoldEverything);
        let far = first(Place::Trace, "rehearse");
        assert_eq!((far.action, far.elsewhere.as_deref()), (Action::Rehearse, Some("the panes, Week")));
        assert!(entries(&KeyMap::default(), Place::Alerts, "no such thing at all").is_empty());
        let recalculate = first(Place::Trace, "rec");
        assert_eq!(
            recalculate.action,
            Action::Recalculate,
            "and not something here whose letters happen to be in order"
        );
    }

    #[test]
    fn a_severity_is_chosen_by_its_name() {
        let found = entries(&KeyMap::default(), Place::Alerts, "SEV2 worse");
        let first = found.first().unwrap();
        assert_eq!((first.text.as_str(), first.key), ("SEV2 and worse", Key::char('2')));
    }

    #[test]
    fn two_rows_for_one_thing_are_one_entry() {
        let up: Vec<Entry> =
            entries(&KeyMap::default(), Place::Alerts, "").into_iter().filter(|e| e.action == Action::Up).collect();
        assert_eq!(up.iter().map(|entry| entry.keys.as_str()).collect::<Vec<_>>(), ["↑ k"]);
    }
}
