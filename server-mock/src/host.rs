//! Which `Host` headers are answered where no token protects, so that a page of another site cannot reach this server
//! by making its own name resolve to this machine (DNS rebinding).

use crate::app::App;
use crate::gate::{About, Cause};
use crate::upgrade::Slot;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// What a refusal says.
pub(crate) const REFUSAL: &str = "This Host is not allowed: use an IP address or localhost, or start the server with --allow-host for this name.";

/// The names that are answered beside IP addresses and `localhost`, in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    names: Vec<String>,
    any: bool,
}

impl Hosts {
    /// Those that were named, and the hosts of the origins whose pages are welcome.
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Self {
        let of_origins = origins.iter().filter_map(|origin| origin.split_once("://")).map(|(_, host)| host);
        let given = hosts.iter().map(String::as_str).chain(of_origins);
        let names = given.map(|host| name_of(host.trim_end_matches('/')).to_ascii_lowercase()).collect();
        Self { names, any: hosts.iter().chain(origins).any(|entry| entry == "*") }
    }

    /// Whether a request with this `Host` is answered. Without one it does not come from a browser. What a trusted proxy
    /// says was asked for goes before: `Host` is then the proxy's own word.
    pub(crate) fn allow(&self, headers: &HeaderMap, forwarded_host: Option<&str>) -> bool {
        if let Some(host) = forwarded_host {
            return self.any || host.parse::<Authority>().is_ok() && self.allows(name_of(host));
        }
        let mut hosts = headers.get_all(HOST).iter();
        let Some(host) = hosts.next() else { return true };
        let host = host.to_str().ok().filter(|host| host.parse::<Authority>().is_ok());
        self.any || hosts.next().is_none() && host.is_some_and(|host| self.allows(name_of(host)))
    }

    fn allows(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok()
            || is_ipv6(name)
            || self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Passes a request on if its `Host` is answered.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (slot, headers) = (request.extensions().get::<Slot>(), request.headers());
    let forwarded_host = slot.and_then(|slot| slot.forwarded_host(&app.gate.proxies, headers));
    if app.hosts.allow(headers, forwarded_host) {
        return next.run(request).await;
    }
    if let Some(slot) = slot {
        let client = slot.client(&app.gate.proxies, request.headers());
        let about = About { host: named(request.headers(), forwarded_host), ..About::default() };
        app.gate.refusals.note_about(Cause::Host, client.address, &about);
    }
    (StatusCode::FORBIDDEN, REFUSAL).into_response()
}

/// The name that a request with these headers calls the server by, where it is fit to be shown.
pub(crate) fn named<'a>(headers: &'a HeaderMap, forwarded_host: Option<&'a str>) -> Option<&'a str> {
    forwarded_host.or_else(|| headers.get(HOST)?.to_str().ok())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
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
    fn what_a_trusted_proxy_says_was_asked_for_goes_before_its_own_host() {
        let hosts = Hosts::new(&[String::from("chat.example")], &[]);
        let allowed = |host: &str, forwarded: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            hosts.allow(&headers, Some(forwarded))
        };
        assert!(allowed("upstream", "chat.example"));
        assert!(!allowed("127.0.0.1:8080", "evil.example"));
        assert!(!allowed("127.0.0.1:8080", ""));
    }

    #[test]
    fn a_name_is_answered_that_was_allowed_as_a_host_or_in_an_origin() {
        assert!(allowed(&["Chat.example"], &[], "chat.Example:8080"));
        assert!(allowed(&["chat.example:8080"], &[], "chat.example"));
        assert!(allowed(&[], &["https://chat.example:444/"], "chat.example"));
        assert!(!allowed(&["chat.example"], &["https://other.example"], "evil.example"));
        assert!(allowed(&[], &["*"], "evil.example") && allowed(&["*"], &[], "evil.example"));
    }
}
