//! The allowed `Host` headers where no token protects: prevents that a page of another site reaches this server by a name
//! that resolves to this machine (DNS rebinding).

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a refusal says.
pub(crate) const REFUSAL: &str = "This Host is not allowed: use an IP address or localhost, or start the server with --allow-host for this name.";

/// The names that are answered beside IP addresses and `localhost`, in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    names: Vec<Name>,
    any: bool,
}

/// One of them, of one port or of any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    name: String,
    port: Option<u16>,
}

/// The ports that a client leaves out of `Host`: those of http and https.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// A host, with or without a port, as the header `Host` may have it; `*` is any.
///
/// # Errors
/// What is wrong with one that no request can have.
pub(crate) fn check_host(text: &str) -> Result<(), &'static str> {
    if text == "*" {
        return Ok(());
    }
    if text.contains("://") {
        return Err("a host has no scheme: leave out what is before the name");
    }
    if text.contains('/') {
        return Err("a host has no path: leave out what follows the name and its port");
    }
    if text.contains('*') {
        return Err("a host is a whole name: '*' alone is any, and there is no other pattern");
    }
    if !text.is_ascii() {
        return Err("a host is written in ASCII, as browsers send it (xn--…)");
    }
    let name = match text.rsplit_once(':') {
        Some((name, port)) if name.ends_with(']') || !name.contains(':') => {
            port.parse::<u16>().map_err(|_| "what follows the ':' is no port")?;
            name
        }
        _ => text,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_host = is_ipv6(name) || !name.is_empty() && name.chars().all(is_name);
    if is_host { Ok(()) } else { Err("a host is written like chat.example, chat.example:8443 or [::1]") }
}

impl Hosts {
    /// Those that were named, and the hosts of the origins whose pages are welcome.
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Self {
        let of_origins = origins.iter().filter_map(|origin| origin.split_once("://")).map(|(_, host)| host);
        // The port of a page's origin is that page's, and says nothing about this server's.
        let of_origins = of_origins.map(|host| Name { port: None, ..Name::from(host.trim_end_matches('/')) });
        let names = hosts.iter().map(|host| Name::from(&**host)).chain(of_origins).collect();
        Self { names, any: hosts.iter().chain(origins).any(|entry| entry == "*") }
    }

    /// Whether a request with this `Host` is answered. Without one it does not come from a browser. What a trusted proxy
    /// says was asked for has to be allowed too, and excuses no foreign `Host`: a page of another site may add that header
    /// where the browser's own address is trusted.
    pub(crate) fn allow(&self, headers: &HeaderMap, forwarded_host: Option<&str>) -> bool {
        let is_allowed = |host: &str| host.parse::<Authority>().is_ok() && self.allows(host);
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().map(|host| host.to_str().is_ok_and(is_allowed));
        let forwarded = forwarded_host.is_none_or(is_allowed);
        self.any || forwarded && host.is_none_or(|is_allowed| is_allowed && hosts.next().is_none())
    }

    fn allows(&self, host: &str) -> bool {
        let Name { name, port } = Name::from(host);
        name == "localhost"
            || name.parse::<Ipv4Addr>().is_ok()
            || is_ipv6(&name)
            || self.names.iter().any(|known| known.name == name && known.is_of(port))
    }
}

impl Name {
    /// Whether it is one of this port; `None` is one that a client leaves out.
    fn is_of(&self, port: Option<u16>) -> bool {
        match (self.port, port) {
            (None, _) => true,
            (Some(known), Some(port)) => known == port,
            (Some(known), None) => USUAL_PORTS.contains(&known),
        }
    }
}

impl From<&str> for Name {
    /// In lower case, without the dot of the root.
    fn from(host: &str) -> Self {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port.parse().ok()),
            _ => (host, None),
        };
        Self { name: name.trim_end_matches('.').to_ascii_lowercase(), port }
    }
}

/// What is wrong with a request that does not say clearly which server it is for, or from which page it comes: the `Host`
/// that its version of HTTP wants (RFC 9112, 3.2), and a target that agrees with it; one `Origin` at most.
pub(crate) fn unclear<B>(request: &axum::http::Request<B>) -> Option<&'static str> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() || host.is_none() && request.version() >= Version::HTTP_11 {
        return Some("A request of HTTP/1.1 has exactly one Host header.\n");
    }
    let agrees = |target: &Authority| {
        host.is_none_or(|host| host.as_bytes().eq_ignore_ascii_case(target.as_str().as_bytes()))
    };
    if !request.uri().authority().is_none_or(agrees) {
        return Some(
            "The request's target and its Host header name two servers: they have to be the same.\n",
        );
    }
    if headers.get_all(ORIGIN).iter().nth(1).is_some() {
        return Some("A request has at most one Origin header.\n");
    }
    None
}

/// The answer to one of which this is wrong.
pub(crate) fn bad(what: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, what).into_response()
}

/// The name that a request with these headers calls the server by, where it is fit to be shown.
pub(crate) fn named<'a>(headers: &'a HeaderMap, forwarded_host: Option<&'a str>) -> Option<&'a str> {
    forwarded_host.or_else(|| headers.get(HOST)?.to_str().ok())
}

fn is_ipv6(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .is_some_and(|name| name.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str], origins: &[&str], host: &str) -> bool {
        let owned = |list: &[&str]| list.iter().map(|entry| String::from(*entry)).collect::<Vec<_>>();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        Hosts::new(&owned(hosts), &owned(origins)).allow(&headers, None)
    }

    #[test]
    fn addresses_and_localhost_are_answered_and_no_other_name() {
        for host in
            ["127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:80", "localhost", "LocalHost:1", "10.1.2.3"]
        {
            assert!(allowed(&[], &[], host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "",
            "::1",
            "127.0.0.1.nip.io",
            "a b",
        ] {
            assert!(!allowed(&[], &[], host), "{host}");
        }
        assert!(Hosts::new(&[], &[]).allow(&HeaderMap::new(), None));
        let mut twice = HeaderMap::new();
        twice.append(HOST, "localhost".parse().unwrap());
        twice.append(HOST, "evil.example".parse().unwrap());
        assert!(!Hosts::new(&[], &[]).allow(&twice, None));
    }

    #[test]
    fn what_a_trusted_proxy_says_was_asked_for_has_to_be_allowed_beside_its_own_host() {
        let hosts = Hosts::new(&[String::from("chat.example"), String::from("upstream")], &[]);
        let allowed = |host: &str, forwarded: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            hosts.allow(&headers, Some(forwarded))
        };
        assert!(allowed("upstream", "chat.example"));
        assert!(!allowed("127.0.0.1:8080", "evil.example"));
        assert!(!allowed("127.0.0.1:8080", ""));
        for host in ["evil.example", "", "a b"] {
            assert!(!allowed(host, "localhost") && !allowed(host, "chat.example"), "{host}");
        }
    }

    #[test]
    fn what_no_request_can_have_is_no_host() {
        for good in [
            "*",
            "chat.example",
            "Chat.example:8443",
            "localhost",
            "192.0.2.1:80",
            "[::1]",
            "[::1]:80",
            "a_b.example.",
        ] {
            assert_eq!(check_host(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("http://chat.example", "scheme"),
            ("*.chat.example", "pattern"),
            ("chat.example/x", "path"),
            ("chat.example:", "port"),
            ("chat.example:99999", "port"),
            ("b\u{fc}cher.example", "ASCII"),
            ("", "written like"),
            ("a b", "written like"),
            ("user@chat.example", "written like"),
            ("::1", "written like"),
        ] {
            let error = check_host(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_request_of_http_1_1_has_exactly_one_host_and_an_older_one_at_most_one() {
        let request = |version, hosts: &[&str]| {
            let mut request = axum::http::Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            unclear(&request.body(()).unwrap()).is_none()
        };
        assert!(request(Version::HTTP_11, &["a"]) && request(Version::HTTP_10, &[]));
        assert!(!request(Version::HTTP_11, &[]) && !request(Version::HTTP_11, &["a", "a"]));
        assert!(!request(Version::HTTP_10, &["a", "b"]));
    }

    #[test]
    fn a_name_is_answered_that_was_allowed_as_a_host_or_in_an_origin() {
        assert!(allowed(&["Chat.example"], &[], "chat.Example:8080"));
        for (entry, host, is_allowed) in [
            ("chat.example:80", "chat.example:80", true),
            ("chat.example:80", "chat.example:81", false),
            ("chat.example:80", "chat.example", true),
            ("chat.example:443", "chat.example", true),
            ("chat.example:8080", "chat.example", false),
            ("chat.example.", "chat.example:1", true),
        ] {
            assert_eq!(allowed(&[entry], &[], host), is_allowed, "{entry} {host}");
        }
        assert!(allowed(&[], &["https://chat.example:444/"], "chat.example"));
        assert!(!allowed(&["chat.example"], &["https://other.example"], "evil.example"));
        assert!(allowed(&[], &["*"], "evil.example") && allowed(&["*"], &[], "evil.example"));
    }
}
