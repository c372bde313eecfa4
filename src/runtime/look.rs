//! What the terminal can show, decided once from flags and environment.
//!
//! Colour: `--color` > `NO_COLOR` (non-empty) > `CLICOLOR_FORCE` > `TERM=dumb` > yes. crossterm is told never to drop
//! colours by itself: with `NO_COLOR` it would write bare resets, which also wipe bold and reverse.

use crate::ui::{Choice, Look, Settings};

/// Reads one environment variable; tests pass a table.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What `[ui]` asks for, else what the environment says.
#[must_use]
pub fn choose_look(settings: &Settings, env: Environment<'_>) -> Look {
    let unicode = match settings.ascii {
        Choice::Auto => speaks_utf8(env),
        Choice::Always => false,
        Choice::Never => true,
    };
    Look { color: wants_color(settings.color, env), unicode, theme: settings.theme }
}

fn wants_color(choice: Choice, env: Environment<'_>) -> bool {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    match choice {
        Choice::Always => true,
        Choice::Never => false,
        Choice::Auto if set("NO_COLOR").is_some() => false,
        Choice::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Choice::Auto => set("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set decides, as in the C library. None set means ASCII: over
/// SSH without a locale the other end would show `_` for every glyph.
fn speaks_utf8(env: Environment<'_>) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env(name).filter(|value| !value.is_empty())).is_some_and(
        |locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(color: Choice, env: &[(&str, &str)]) -> Look {
        let settings = Settings { color, ..Settings::default() };
        choose_look(&settings, &|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()))
    }

    #[test]
    fn colour_follows_the_order_of_precedence() {
        use Choice::{Always, Auto, Never};
        for (choice, env, expected) in [
            (Auto, &[][..], true),
            (Auto, &[("TERM", "dumb")], false),
            (Auto, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
            (Auto, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "0")], false),
            (Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
            (Auto, &[("NO_COLOR", "")], true),
            (Always, &[("NO_COLOR", "1"), ("TERM", "dumb")], true),
            (Never, &[("CLICOLOR_FORCE", "1")], false),
        ] {
            assert_eq!(look(choice, env).color, expected, "{choice:?} {env:?}");
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides_about_unicode() {
        for (env, expected) in [
            (&[][..], false),
            (&[("LANG", "en_US.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "de_DE@euro")], false),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")], true),
        ] {
            assert_eq!(look(Choice::Auto, env).unicode, expected, "{env:?}");
        }
        for (ascii, unicode) in [(Choice::Always, false), (Choice::Never, true), (Choice::Auto, true)] {
            let settings = Settings { ascii, ..Settings::default() };
            let look = choose_look(&settings, &|name| (name == "LANG").then(|| "C.UTF-8".into()));
            assert_eq!(look.unicode, unicode, "ascii = {ascii:?}");
        }
        let settings = Settings { ascii: Choice::Never, ..Settings::default() };
        assert!(choose_look(&settings, &|_| None).unicode, "glyphs can be asked for without a locale");
    }
}
