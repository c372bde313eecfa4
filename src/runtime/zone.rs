//! The zone of the person in front of the terminal.

use chrono_tz::Tz;

use super::look::Environment;
use crate::ui::Settings;

/// What `[ui] zone` names; for `local` what `TZ` or the machine says. UTC where that is no zone with a name: a `TZ` may
/// also hold rules of its own, such as `CET-1CEST`, of which nobody can say which zone they are.
#[must_use]
pub fn choose_zone(settings: &Settings, env: Environment<'_>) -> Tz {
    let of_machine = || iana_time_zone::get_timezone().ok();
    zone(settings, env, of_machine)
}

fn zone(settings: &Settings, env: Environment<'_>, of_machine: impl Fn() -> Option<String>) -> Tz {
    let local = || env("TZ").or_else(of_machine);
    let name = if settings.zone_is_local() { local() } else { Some(settings.zone.clone()) };
    name.and_then(|name| named(&name)).unwrap_or(Tz::UTC)
}

/// `Europe/Berlin`, also with the colon or the path that the C library takes in `TZ`.
fn named(name: &str) -> Option<Tz> {
    let name = name.trim_start_matches(':');
    name.rsplit_once("zoneinfo/").map_or(name, |(_, name)| name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_that_of_the_configuration_else_of_the_variable_else_of_the_machine() {
        let of = |setting: &str, variable: Option<&str>, machine: Option<&str>| {
            let settings = Settings { zone: setting.to_owned(), ..Settings::default() };
            let env = |name: &str| variable.filter(|_| name == "TZ").map(str::to_owned);
            zone(&settings, &env, || machine.map(str::to_owned)).name()
        };
        assert_eq!(of("Asia/Kolkata", Some("Europe/Paris"), Some("Europe/Rome")), "Asia/Kolkata");
        assert_eq!(of("local", Some("Europe/Paris"), Some("Europe/Rome")), "Europe/Paris");
        assert_eq!(of("local", Some(":Europe/Paris"), None), "Europe/Paris");
        assert_eq!(of("local", Some(":/usr/share/zoneinfo/America/New_York"), None), "America/New_York");
        assert_eq!(of("local", None, Some("Europe/Rome")), "Europe/Rome");
        for unknown in [Some(""), Some("CET-1CEST"), Some("UTC0")] {
            assert_eq!(of("local", unknown, Some("Europe/Rome")), "UTC", "{unknown:?} is not the machine's zone");
        }
        assert_eq!(of("local", None, None), "UTC");
    }
}
