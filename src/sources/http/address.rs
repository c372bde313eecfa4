//! From the address a person pasted to the base that paths are appended to.

use reqwest::Url;

/// The base of a backend: scheme, host, port and path prefix, without a trailing slash, query or fragment.
///
/// `is_page` says whether the segments from some point on are a page of the backend's own UI or API, as people copy
/// them from a browser; the first such tail is cut off. A missing scheme means `http`.
///
/// # Errors
/// A sentence on what is wrong with the address. It never repeats credentials.
pub(in crate::sources) fn base_url(text: &str, is_page: fn(&[&str]) -> bool) -> Result<Url, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|e| format!("not an address: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme is {:?}; only http and https are spoken", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds credentials; put them into http.basic_user and http.basic_password_file".to_owned());
    }
    url.set_query(None);
    url.set_fragment(None);
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let end = (0..segments.len()).find(|i| is_page(&segments[*i..])).unwrap_or(segments.len());
    let path = segments[..end].join("/");
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> String {
        base_url(text, |tail| matches!(tail, ["search"] | ["trace", _])).map_or_else(|e| e, |url| url.to_string())
    }

    #[test]
    fn what_people_paste_becomes_the_base() {
        for text in [
            "http://jaeger:16686",
            "jaeger:16686",
            " http://jaeger:16686/ ",
            "http://jaeger:16686/search?service=cart&limit=20#x",
            "http://jaeger:16686/trace/4bf92f3577b34da6",
        ] {
            assert_eq!(base(text), "http://jaeger:16686/", "{text}");
        }
        assert_eq!(base("https://ops.example/jaeger//search?limit=20"), "https://ops.example/jaeger");
        assert_eq!(
            base("https://ops.example/trace/ui/"),
            "https://ops.example/",
            "trace with one more segment is a page"
        );
        assert_eq!(base("https://ops.example/search/jaeger/"), "https://ops.example/search/jaeger");
        assert_eq!(base("[::1]:16686"), "http://[::1]:16686/");
    }

    #[test]
    fn an_address_that_cannot_be_used_says_why_without_its_secrets() {
        assert!(base("").contains("not an address"));
        assert!(base("ftp://host").contains("only http and https"));
        let secret = base("http://me:s3cret@host/");
        assert!(secret.contains("credentials") && !secret.contains("s3cret"), "{secret}");
    }
}
