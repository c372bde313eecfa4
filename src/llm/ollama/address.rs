//! Addresses as Ollama's own client reads them from `OLLAMA_HOST`.

use reqwest::Url;

const DEFAULT_PORT: u16 = 11434;

/// The base URL that a host stands for, without a slash at its end. Takes `host`, `host:port`, `:port`, `[::1]:port`, bare
/// IPv6, and URLs with or without a path; a path's last `/api` or `/v1` is dropped. Without scheme the port is 11434, with
/// one it is the scheme's own. The addresses that mean "all interfaces" to a server become loopback. Empty is the default.
///
/// # Errors
/// A few words that say what is wrong with it, without quoting it.
pub fn normalise(host: &str) -> Result<String, String> {
    let host = host.trim().trim_matches(['"', '\'']).trim();
    let (scheme, rest, default_port) = match host.split_once("://") {
        Some(("http", rest)) => ("http", rest, None),
        Some(("https", rest)) => ("https", rest, None),
        Some(_) => return Err("the scheme must be http or https".to_owned()),
        None => ("http", host, Some(DEFAULT_PORT)),
    };
    if rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
        return Err("it may not have blanks, a query or a fragment".to_owned());
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, place) = authority.rsplit_once('@').map_or(("", authority), |(user, place)| (user, place));
    let (name, port) = split_port(place)?;
    let name = match name.as_str() {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        name => name,
    };
    let port = port.or(default_port).map_or_else(String::new, |port| format!(":{port}"));
    let at = if user.is_empty() { "" } else { "@" };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix("/api").or_else(|| path.strip_suffix("/v1")).unwrap_or(path).trim_end_matches('/');
    let url = format!("{scheme}://{user}{at}{name}{port}{path}");
    Url::parse(&url).map_err(|error| error.to_string())?;
    Ok(url)
}

/// Host and port; a bare IPv6 address gets its brackets.
fn split_port(place: &str) -> Result<(String, Option<u16>), String> {
    if let Some(inside) = place.strip_prefix('[') {
        let (address, after) = inside.split_once(']').ok_or("the bracket of its IPv6 address is not closed")?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(read_port(port)?),
            None if after.is_empty() => None,
            None => return Err("after an IPv6 address only a port may follow".to_owned()),
        };
        return Ok((format!("[{address}]"), port));
    }
    if place.matches(':').count() > 1 {
        return Ok((format!("[{place}]"), None));
    }
    match place.split_once(':') {
        Some((name, port)) => Ok((name.to_owned(), Some(read_port(port)?))),
        None => Ok((place.to_owned(), None)),
    }
}

fn read_port(port: &str) -> Result<u16, String> {
    port.parse().ok().filter(|&port| port != 0).ok_or_else(|| "its port is not a number from 1 to 65535".to_owned())
}

/// Whether requests stay on this machine: then no proxy may get them.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some(host) => {
            let bare = host.trim_matches(['[', ']']);
            host == "localhost"
                || host.ends_with(".localhost")
                || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// The address without user name and password, to be shown.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_ollama_host_is_read() {
        for (host, url) in [
            ("", "http://127.0.0.1:11434"),
            ("  'gpu'  ", "http://gpu:11434"),
            ("gpu", "http://gpu:11434"),
            ("gpu:8080", "http://gpu:8080"),
            (":8080", "http://127.0.0.1:8080"),
            ("[::1]:11434", "http://[::1]:11434"),
            ("[::1]", "http://[::1]:11434"),
            ("::1", "http://[::1]:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("http://[::]:8080", "http://[::1]:8080"),
            ("http://h", "http://h"),
            ("https://h", "https://h"),
            ("https://h/prefix/", "https://h/prefix"),
            ("http://h:11434/api", "http://h:11434"),
            ("http://h:11434/v1/", "http://h:11434"),
            ("https://h/ollama/api", "https://h/ollama"),
            ("http://me:pw@h:1", "http://me:pw@h:1"),
        ] {
            assert_eq!(normalise(host).as_deref(), Ok(url), "{host:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for host in
            ["ftp://h", "h:0", "h:99999", "h:x", "[::1", "[::1]x", "http://h?x=1", "a b", "http://h/#x", "http://[zz]"]
        {
            assert!(normalise(host).is_err(), "{host:?}");
        }
    }

    #[test]
    fn loopback_is_known_and_passwords_are_not_shown() {
        for (url, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://localhost:1", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
        assert_eq!(shown(&Url::parse("http://me:pw@h:1/x/").unwrap()), "http://h:1/x");
    }
}
