//! What this module takes from the configuration.

use serde::{Deserialize, Serialize};

use crate::app::TimeShown;
use crate::domain::{Broken, Severity};

const LOCAL: &str = "local";

/// Decided from the terminal, or by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    #[default]
    Auto,
    Always,
    Never,
}

/// Which colours and weights mean what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeName {
    /// The 16 colours of the terminal's own palette.
    #[default]
    Terminal,
    TrueColor,
    /// Bright colours and full weights: nothing is dimmed.
    HighContrast,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Colours: `auto` looks at `NO_COLOR`, `CLICOLOR_FORCE` and `TERM`; `always`; `never` uses bold and reverse alone.
    pub color: Choice,
    /// `terminal` takes the 16 colours of your terminal, `true-color` colours of its own, `high-contrast` bright ones and
    /// dims nothing. No theme sets the background.
    pub theme: ThemeName,
    /// ASCII instead of line and block characters: `auto` looks at the locale, `always`, `never`.
    pub ascii: Choice,
    /// Alerts of this severity and worse are shown at the start: 1 to 5, 0 for all. Keys 0 to 5 change it.
    pub severity_filter: u8,
    /// Times are shown in UTC (`utc`) or in the zone below (`local`) at the start. Key U changes it.
    pub time: TimeShown,
    /// Your zone: `local` takes that of `TZ` or of the machine; else a name such as Europe/Berlin. What is normal at
    /// which hour is learnt in another one, `baseline.zone`.
    pub zone: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            color: Choice::Auto,
            theme: ThemeName::Terminal,
            ascii: Choice::Auto,
            severity_filter: 3,
            time: TimeShown::Utc,
            zone: LOCAL.to_owned(),
        }
    }
}

impl Settings {
    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let severity = Broken::unless_within("severity_filter", self.severity_filter, (0, 5), "", 3);
        let known = self.zone_is_local() || self.zone.parse::<chrono_tz::Tz>().is_ok();
        let zone = (!known).then(|| {
            let allowed = "local, UTC or the name of a time zone such as Europe/Berlin";
            Broken::new("zone", &self.zone, allowed, "write zone = \"local\"")
        });
        severity.into_iter().chain(zone).collect()
    }

    /// Whether `TZ` or the machine decides.
    #[must_use]
    pub fn zone_is_local(&self) -> bool {
        self.zone == LOCAL
    }

    /// The mildest severity shown at the start; `None` for all.
    #[must_use]
    pub fn least_severity(&self) -> Option<Severity> {
        Severity::from_number(self.severity_filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_that_does_not_exist_is_refused_with_what_to_write() {
        assert!(Settings::default().broken().is_empty());
        let broken = Settings { severity_filter: 6, ..Settings::default() }.broken();
        assert_eq!((broken[0].allowed.as_str(), broken[0].hint.as_str()), ("0 to 5", "write severity_filter = 3"));
        assert_eq!(Settings { severity_filter: 0, ..Settings::default() }.least_severity(), None);
    }
}
