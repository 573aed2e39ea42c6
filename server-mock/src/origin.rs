//! Which browser pages may open a connection.

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
    let origin = origin.trim_end_matches('/');
    list.iter().any(|entry| entry == "*" || entry.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

/// Whether the list has this origin by name.
pub(crate) fn named(list: &[String], origin: Option<&HeaderValue>) -> bool {
    let Some(origin) = origin.and_then(|origin| origin.to_str().ok()) else { return false };
    let origin = origin.trim_end_matches('/');
    // Every page in a sandbox has the origin `null`: that is nobody's name.
    origin != "null" && list.iter().any(|entry| entry.trim_end_matches('/').eq_ignore_ascii_case(origin))
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
        assert!(check(&["*"], "null", "x"));
        assert!(check(&["null"], "null", "x"));
    }
}
