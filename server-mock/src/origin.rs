//! The allowed `Origin` headers: which browser pages may open a connection.

use crate::host::check_host;
use axum::http::HeaderValue;

/// What a refusal says. Short, because clients show the beginning of an answer only.
pub(crate) const REFUSED: &str = "the header Origin names neither the header Host nor one of --allow-origin";

/// What to do about it.
pub(crate) const HINT: &str = "behind a proxy use --trusted-proxy and the header X-Forwarded-Host \
                               (nginx: proxy_set_header X-Forwarded-Host $http_host;)";

/// Whether a request with this `Origin` is taken.
///
/// Without an `Origin` it does not come from a browser page, and tokens, not cookies, say who it is. Without a
/// list, pages of the server's own host are taken, by any of the names that it was asked for.
pub(crate) fn allowed<'a>(
    list: &[String],
    origin: Option<&HeaderValue>,
    hosts: impl IntoIterator<Item = &'a str>,
) -> bool {
    let Some(origin) = origin else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if list.is_empty() {
        return hosts.into_iter().any(|host| same_host(origin, host));
    }
    list.iter().any(|entry| entry == "*" || is_same(entry, origin))
}

/// Whether the list has this origin by name.
pub(crate) fn named(list: &[String], origin: Option<&HeaderValue>) -> bool {
    let Some(origin) = origin.and_then(|origin| origin.to_str().ok()) else { return false };
    // Every page in a sandbox has the origin `null`: that is nobody's name.
    origin != "null" && list.iter().any(|entry| is_same(entry, origin))
}

/// Whether two texts are the same origin. Browsers leave out the usual port, people do not always.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        let usual = [("http://", ":80"), ("https://", ":443")];
        let port =
            usual.into_iter().find(|(scheme, _)| text.starts_with(scheme)).map_or("", |(_, port)| port);
        text.strip_suffix(port).map(String::from).unwrap_or(text)
    };
    bare(one) == bare(other)
}

/// An origin as the header `Origin` has it; `*` is any.
///
/// # Errors
/// What is wrong with one that no page can have.
pub(crate) fn check_origin(text: &str) -> Result<(), &'static str> {
    let bare = text.trim_end_matches('/');
    if bare == "*" || bare == "null" {
        return Ok(());
    }
    let like =
        "an origin is written like https://app.example or http://localhost:3000, without a path; '*' is any";
    let (scheme, host) = bare.split_once("://").ok_or(like)?;
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.is_empty() || !scheme.chars().all(is_scheme) || host.is_empty() {
        return Err(like);
    }
    if matches!(&*scheme.to_ascii_lowercase(), "ws" | "wss") {
        return Err("an origin is that of a page: write http:// for ws://, and https:// for wss://");
    }
    if host == "*" {
        return Err("an origin is a whole one: '*' alone is any, and there is no other pattern");
    }
    check_host(host).map_err(|why| if why.contains("path") { like } else { why })
}

fn same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |text: &str| text.strip_suffix(default).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &[&str], origin: &str, host: &str) -> bool {
        let list: Vec<_> = list.iter().map(|entry| String::from(*entry)).collect();
        let value = |text: &str| (!text.is_empty()).then(|| HeaderValue::from_str(text).unwrap());
        allowed(&list, value(origin).as_ref(), host.split_whitespace())
    }

    #[test]
    fn without_a_list_only_pages_of_the_own_host_are_taken() {
        assert!(check(&[], "", "chat.example"));
        assert!(check(&[], "http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(check(&[], "https://Chat.example", "chat.example:443"));
        assert!(check(&[], "https://chat.example", "upstream chat.example"));
        for origin in
            ["https://evil.example", "https://chat.example:444", "null", "ftp://chat.example", "chat.example"]
        {
            assert!(!check(&[], origin, "chat.example"), "{origin}");
        }
        assert!(!check(&[], "https://chat.example", ""));
    }

    #[test]
    fn a_list_replaces_the_own_host() {
        let list = ["https://a.example/", "http://b.example:81"];
        assert!(check(&list, "https://A.example", "x"));
        assert!(check(&list, "http://b.example:81", "x"));
        assert!(check(&list, "", "x"));
        assert!(!check(&list, "https://x", "x"));
        assert!(!check(&list, "null", "x"));
        let usual = ["https://a.example:443", "http://b.example:80/"];
        assert!(check(&usual, "https://a.example", "x") && check(&usual, "http://b.example", "x"));
        assert!(!check(&usual, "http://a.example", "x") && !check(&usual, "https://a.example:80", "x"));
        assert!(check(&["*"], "null", "x"));
        assert!(check(&["null"], "null", "x"));
    }
}
