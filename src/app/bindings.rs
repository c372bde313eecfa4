//! The key table as somebody wants it: the rows of [`super::keymap::TABLE`], with the keys of `[keys]` in their places.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use strum::VariantNames;

use super::key::{Key, KeyCode};
use super::keymap::{Action, Binding, Place, TABLE};
use crate::domain::Broken;

/// Keys of one's own, by the name of what they do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Settings {
    keys: BTreeMap<String, Keys>,
}

/// One key, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Keys(Vec<Key>);

/// What a person wrote a key for.
const EXAMPLE: &str = "a key such as \"K\", \"ctrl-k\", \"alt-k\", \"space\" or \"f5\"";

impl FromStr for Key {
    type Err = ();

    /// The inverse of how keys are written, with words for the arrows as well.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            match rest.split_once('-') {
                Some(("ctrl", after)) if !after.is_empty() => (ctrl, rest) = (true, after),
                Some(("alt", after)) if !after.is_empty() => (alt, rest) = (true, after),
                _ => break,
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() && !c.is_whitespace() => KeyCode::Char(c),
            _ => named(rest).ok_or(())?,
        };
        Ok(Self { code, ctrl, alt }.normalized())
    }
}

fn named(name: &str) -> Option<KeyCode> {
    Some(match name.to_ascii_lowercase().as_str() {
        "space" => KeyCode::Char(' '),
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "shift-tab" => KeyCode::BackTab,
        "backspace" => KeyCode::Backspace,
        "del" => KeyCode::Delete,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        other => KeyCode::F(other.strip_prefix('f')?.parse().ok().filter(|n| (1..=12).contains(n))?),
    })
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{EXAMPLE}, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Keys, E> {
                let key = text.parse().map_err(|()| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(Keys(vec![key]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(Keys(key)) = list.next_element()? {
                    keys.extend(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByAction;
        impl<'de> Visitor<'de> for ByAction {
            type Value = Settings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of actions and their keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
                let mut keys = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    // In the words of an unknown field, so that a misspelt action gets a suggestion like any other key.
                    let known = Action::from_str(&name).map_err(|_| de::Error::unknown_field(&name, Action::VARIANTS));
                    keys.insert(<&str>::from(known?).to_owned(), map.next_value()?);
                }
                Ok(Settings { keys })
            }
        }
        deserializer.deserialize_map(ByAction)
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        KeyMap::new(self).1
    }
}

/// What every key does at every place.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyMap {
    rows: Vec<Binding>,
    /// What was set and where, for the help: the action, and the place in a file or the variable.
    own: Vec<(Action, String)>,
}

impl Default for KeyMap {
    fn default() -> Self {
        Self { rows: TABLE.to_vec(), own: Vec::new() }
    }
}

impl KeyMap {
    /// The table with these keys, and what is wrong with them. A setting takes the place of the letters (alone, with Ctrl
    /// or with Alt) and function keys of an action; Enter, Esc, Tab, arrows, digits and Ctrl-C stay what they are.
    #[must_use]
    pub fn new(settings: &Settings) -> (Self, Vec<Broken>) {
        let mut map = Self::default();
        let mut broken = Vec::new();
        let of_setting = settings.keys.iter().filter_map(|(name, keys)| Some((Action::from_str(name).ok()?, keys)));
        for (action, Keys(keys)) in of_setting.clone() {
            if let Some(why) = unfit(action, keys) {
                broken.push(complaint(action, keys, why));
            } else {
                map.set(action, keys);
            }
        }
        for (action, Keys(keys)) in of_setting {
            let theirs = |row: &&Binding| row.setting() != action;
            let clash = keys.iter().find_map(|key| {
                let mine = map.rows.iter().filter(|row| row.setting() == action && row.keys.contains(key));
                let places = mine.flat_map(|row| row.places.iter().copied());
                let mut taken = places.filter_map(|place| {
                    let at_place = |row: &&Binding| row.applies(place) && row.keys.contains(key);
                    Some((place, map.rows.iter().filter(theirs).find(at_place)?))
                });
                taken.next().map(|(place, other)| (*key, place, other.setting(), other.help))
            });
            if let Some((key, place, other, help)) = clash {
                let name: &str = other.into();
                let why = format!("no key that already means something: {key} is {name} ({help}) at {}", place.name());
                broken.push(complaint(action, keys, why));
            }
        }
        (map, broken)
    }

    /// Says in the help where each of these keys was set.
    #[must_use]
    pub fn with_origins(mut self, origin: impl Fn(&str) -> Option<String>) -> Self {
        let mut own: Vec<(Action, String)> = Vec::new();
        for row in &self.rows {
            let action = row.setting();
            if own.iter().all(|(known, _)| *known != action)
                && let Some(origin) = origin(action.into())
            {
                own.push((action, origin));
            }
        }
        self.own = own;
        self
    }

    /// In the order of the footer and the help.
    #[must_use]
    pub fn rows(&self) -> &[Binding] {
        &self.rows
    }

    /// The actions whose keys were set, with the place where that was written.
    #[must_use]
    pub fn own(&self) -> &[(Action, String)] {
        &self.own
    }

    /// All keys of an action, as the help writes them.
    #[must_use]
    pub fn keys_of(&self, action: Action) -> String {
        let mut keys: Vec<String> = Vec::new();
        for row in self.rows.iter().filter(|row| row.setting() == action) {
            keys.extend(row.keys.iter().map(ToString::to_string).filter(|key| !keys.contains(key)).collect::<Vec<_>>());
        }
        keys.join(" ")
    }

    /// The first key of an action, as a sentence names it.
    #[must_use]
    pub fn key_of(&self, action: Action) -> String {
        let row = self.rows.iter().find(|row| row.setting() == action);
        row.map(Binding::short_label).unwrap_or_default()
    }

    /// What `key` does at `place`.
    #[must_use]
    pub fn action(&self, place: Place, key: Key) -> Option<Action> {
        let key = key.normalized();
        self.rows.iter().find(|row| row.applies(place) && row.keys.contains(&key)).map(|row| row.action)
    }

    fn set(&mut self, action: Action, keys: &[Key]) {
        let mut served: Vec<(Key, Place)> = Vec::new();
        let mut rows = Vec::with_capacity(self.rows.len());
        for mut row in std::mem::take(&mut self.rows) {
            if row.setting() != action {
                rows.push(row);
                continue;
            }
            row.keys.to_mut().retain(|key| is_fixed(*key));
            let stays = !row.keys.is_empty();
            // A key that types a character types it where text is typed, so each key has places of its own there.
            let mut of_keys: Vec<Binding> = Vec::new();
            for key in keys.iter().filter(|key| !row.keys.contains(key)) {
                let places = row.places.iter().copied().filter(|place| {
                    let types = key.typed().is_some() && place.takes_text();
                    !types && !served.contains(&(*key, *place))
                });
                let places: Vec<Place> = places.collect();
                served.extend(places.iter().map(|place| (*key, *place)));
                match of_keys.iter_mut().find(|other| *other.places == *places) {
                    Some(other) => other.keys.to_mut().push(*key),
                    None if places.is_empty() => {}
                    None => of_keys.push(Binding {
                        keys: Cow::Owned(vec![*key]),
                        places: Cow::Owned(places),
                        footer: row.footer.filter(|_| !stays && of_keys.is_empty()),
                        ..row.clone()
                    }),
                }
            }
            rows.extend(stays.then_some(row));
            rows.extend(of_keys);
        }
        self.rows = rows;
    }
}

/// Why these cannot be an action's keys, as what is allowed instead.
fn unfit(action: Action, keys: &[Key]) -> Option<String> {
    if matches!(action, Action::SeverityAndWorse | Action::Interrupt) {
        return Some("nothing: its keys stay what they are".to_owned());
    }
    if keys.is_empty() {
        return Some("at least one key".to_owned());
    }
    if let Some(key) = keys.iter().find(|key| is_fixed(**key)) {
        return Some(format!("other keys than {key}, which stays what it is"));
    }
    let rows = || TABLE.iter().filter(|row| row.setting() == action);
    let only_text = rows().all(|row| row.places.iter().all(|place| place.takes_text()));
    let typed = keys.iter().find(|key| key.typed().is_some()).filter(|_| only_text)?;
    Some(format!("keys with ctrl or alt, or function keys: {typed} types text there"))
}

fn complaint(action: Action, keys: &[Key], allowed: String) -> Broken {
    let name: &str = action.into();
    let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    Broken::new(name, keys.join(", "), allowed, "write another key, or leave the line out")
}

/// Keys that mean the same in every program, and digits, which mean themselves.
fn is_fixed(key: Key) -> bool {
    match key.code {
        KeyCode::Char(c) => key == Key::ctrl('c') || !key.ctrl && !key.alt && c.is_ascii_digit(),
        KeyCode::F(_) => false,
        _ => !key.ctrl && !key.alt,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    fn map(text: &str) -> KeyMap {
        let (map, broken) = KeyMap::new(&settings(text));
        assert!(broken.is_empty(), "{broken:?}");
        map
    }

    fn refused(text: &str) -> Broken {
        let broken = settings(text).broken();
        assert_eq!(broken.len(), 1, "{broken:?}");
        broken[0].clone()
    }

    #[test]
    fn a_key_of_ones_own_takes_the_place_of_the_letters() {
        let map = map("acknowledge = [\"A\", \"f8\"]");
        assert_eq!(map.action(Place::Alerts, Key::char('A')), Some(Action::Acknowledge));
        assert_eq!(map.action(Place::Alerts, Key::plain(KeyCode::F(8))), Some(Action::Acknowledge));
        assert_eq!(map.action(Place::Alerts, Key::char('x')), None);
        assert_eq!(map.keys_of(Action::Acknowledge), "A F8");
    }

    #[test]
    fn what_opens_a_view_closes_it() {
        let map = map("compare = \"C\"");
        assert_eq!(map.action(Place::Trace, Key::char('C')), Some(Action::Compare));
        assert_eq!(map.action(Place::Compare, Key::char('C')), Some(Action::Back));
        assert_eq!(map.action(Place::Compare, Key::char('c')), None);
    }

    #[test]
    fn arrows_stay_and_text_can_still_be_typed() {
        let map = map("up = \"e\"");
        for place in [Place::Alerts, Place::Palette, Place::Help] {
            assert_eq!(map.action(place, Key::plain(KeyCode::Up)), Some(Action::Up));
        }
        assert_eq!(map.action(Place::Alerts, Key::char('e')), Some(Action::Up));
        assert_eq!(map.action(Place::Alerts, Key::char('k')), None);
        assert_eq!(map.action(Place::Help, Key::char('e')), None, "it is typed there");
    }

    #[test]
    fn two_may_change_places_but_not_share_a_key() {
        let swapped = map("acknowledge = \"s\"\nsilence = \"x\"");
        assert_eq!(swapped.action(Place::Alerts, Key::char('s')), Some(Action::Acknowledge));
        assert_eq!(swapped.action(Place::Alerts, Key::char('x')), Some(Action::Silence));
        let shared = refused("acknowledge = \"s\"");
        assert_eq!((shared.key.as_str(), shared.value.as_str()), ("acknowledge", "\"s\""));
        assert!(shared.allowed.contains("s is silence (silence what matches) at Alerts"), "{}", shared.allowed);
    }

    #[test]
    fn keys_that_everybody_relies_on_stay() {
        assert!(refused("leave = \"esc\"").allowed.contains("esc"));
        assert!(refused("leave = \"ctrl-c\"").allowed.contains("ctrl-c"));
        assert!(refused("acknowledge = \"3\"").allowed.contains('3'));
        assert!(refused("interrupt = \"f9\"").allowed.contains("stay"));
        assert!(refused("acknowledge = []").allowed.contains("at least one"));
        assert!(refused("keep-filter = \"k\"").allowed.contains("types text"));
        assert_eq!(map("keep-filter = \"ctrl-o\"").action(Place::Filter, Key::ctrl('o')), Some(Action::KeepFilter));
    }

    #[test]
    fn a_misspelt_action_or_key_is_told_in_words() {
        let error = toml::from_str::<Settings>("acknowlege = \"A\"").unwrap_err();
        assert!(error.message().starts_with("unknown field") && error.message().contains("`acknowledge`"), "{error}");
        let error = toml::from_str::<Settings>("acknowledge = \"hyper-a\"").unwrap_err();
        assert!(error.message().contains("a key such as"), "{error}");
    }

    #[test]
    fn every_key_of_the_table_is_read_as_it_is_written() {
        for key in TABLE.iter().flat_map(|row| row.keys.iter()) {
            let arrow = matches!(key.code, KeyCode::Up | KeyCode::Down | KeyCode::Left | KeyCode::Right);
            if !arrow {
                assert_eq!(key.to_string().parse(), Ok(*key), "{key}");
            }
        }
    }

    #[test]
    fn setting_the_keys_that_are_there_changes_nothing_anywhere() {
        for row in TABLE {
            let own: Vec<Key> = {
                let of_action = TABLE.iter().filter(|other| other.setting() == row.setting());
                of_action.flat_map(|row| row.keys.iter().copied()).filter(|key| !is_fixed(*key)).collect()
            };
            if own.is_empty() || unfit(row.setting(), &own).is_some() {
                continue;
            }
            let name: &str = row.setting().into();
            let list: Vec<String> = own.iter().map(|key| format!("{:?}", key.to_string())).collect();
            let map = map(&format!("{name} = [{}]", list.join(", ")));
            for key in &*row.keys {
                for place in row.places.iter().filter(|place| key.typed().is_none() || !place.takes_text()) {
                    assert_eq!(map.action(*place, *key), Some(row.action), "{key} at {}", place.name());
                }
            }
        }
    }

    proptest! {
        /// Whatever is written: either it is refused, or no key means two things and there is a way out everywhere.
        #[test]
        fn what_is_accepted_can_be_used(
            chosen in proptest::collection::vec((0..Action::VARIANTS.len(), proptest::char::range('!', '~')), 1..6),
        ) {
            let keys = chosen.iter().map(|(n, c)| (Action::VARIANTS[*n].to_owned(), Keys(vec![Key::char(*c)]))).collect();
            let (map, broken) = KeyMap::new(&Settings { keys });
            prop_assume!(broken.is_empty());
            for place in Place::ALL.iter().copied() {
                let mut seen = std::collections::HashSet::new();
                for key in map.rows().iter().filter(|row| row.applies(place)).flat_map(|row| row.keys.iter()) {
                    prop_assert!(seen.insert(*key), "{} twice at {}", key, place.name());
                }
                prop_assert!(map.action(place, Key::plain(KeyCode::Esc)).is_some());
                prop_assert_eq!(map.action(place, Key::ctrl('c')), Some(Action::Interrupt));
            }
        }
    }
}
