//! What the terminal can show, decided once from flags and environment.
//!
//! Colour: `--color` > `NO_COLOR` (non-empty) > `CLICOLOR_FORCE` > `TERM=dumb` > yes. crossterm is told never to drop
//! colours by itself: with `NO_COLOR` it would write bare resets, which also wipe bold and reverse.

use clap::ValueEnum;

use crate::ui::Look;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// Ask the environment.
    #[default]
    Auto,
    Always,
    Never,
}

/// Reads one environment variable; tests pass a table.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `ascii` forces plain characters; otherwise the locale decides.
#[must_use]
pub fn choose_look(color: ColorChoice, ascii: bool, env: Environment<'_>) -> Look {
    Look { color: wants_color(color, env), unicode: !ascii && speaks_utf8(env) }
}

fn wants_color(choice: ColorChoice, env: Environment<'_>) -> bool {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set("NO_COLOR").is_some() => false,
        ColorChoice::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColorChoice::Auto => set("TERM").is_none_or(|term| term != "dumb"),
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

    fn look(color: ColorChoice, env: &[(&str, &str)]) -> Look {
        choose_look(color, false, &|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()))
    }

    #[test]
    fn colour_follows_the_order_of_precedence() {
        use ColorChoice::{Always, Auto, Never};
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
            assert_eq!(look(ColorChoice::Auto, env).unicode, expected, "{env:?}");
        }
        let ascii = choose_look(ColorChoice::Auto, true, &|name| (name == "LANG").then(|| "C.UTF-8".into()));
        assert!(!ascii.unicode, "--ascii wins over the locale");
    }
}
