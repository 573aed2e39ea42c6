//! Finds the client's address and the requested host behind trusted proxies: `X-Forwarded-For`, `X-Forwarded-Host` and
//! `Forwarded` (RFC 7239). Ignores these headers from anybody else.

use super::Network;
use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Most addresses of a header that are looked at.
const HOPS: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    protocol: bool,
}

/// Who a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// A proxy says so: the connection itself was not counted as this address's.
    pub(crate) forwarded: bool,
}

impl Client {
    pub(crate) fn network(&self) -> Network {
        self.address.into()
    }
}

impl Proxies {
    pub(crate) fn new(trusted: Vec<IpNet>, protocol: bool) -> Self {
        Self { trusted, protocol }
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Whether a connection from there begins with the PROXY protocol.
    pub(crate) fn speaks_protocol(&self, peer: IpAddr) -> bool {
        self.protocol && self.trusts(peer)
    }

    /// Whom the headers name. They are read from the right, as far as each address is that of a trusted proxy: what is
    /// left of the first stranger is what the stranger says.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let mut client = Client { address: peer.to_canonical(), forwarded: false };
        let named = if headers.contains_key(X_FORWARDED_FOR) { X_FORWARDED_FOR } else { FORWARDED };
        let values = headers.get_all(&named).iter().rev();
        for hop in values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')).take(HOPS) {
            if !self.trusts(client.address) {
                break;
            }
            // A proxy appends to what a client has sent: what is no text there must not hide what the proxy says.
            let Ok(hop) = std::str::from_utf8(hop) else { break };
            let address = if named == FORWARDED { forwarded(hop, "for") } else { Some(hop.trim()) };
            let address = address.and_then(address_of);
            // An unknown or hidden one is behind the proxy that says so.
            let Some(address) = address else { break };
            client = Client { address: address.to_canonical(), forwarded: true };
        }
        client
    }

    /// The host that the client asked for, if `peer` is a trusted proxy and says so. Only the last one counts: what is
    /// left of it came to the proxy with the request.
    pub(crate) fn host<'a>(&self, peer: IpAddr, headers: &'a HeaderMap) -> Option<&'a str> {
        let named = if headers.contains_key(X_FORWARDED_HOST) { X_FORWARDED_HOST } else { FORWARDED };
        let hop = headers.get_all(&named).iter().next_back().filter(|_| self.trusts(peer))?;
        let hop = std::str::from_utf8(hop.as_bytes().rsplit(|byte| *byte == b',').next()?).ok()?;
        if named == FORWARDED { forwarded(hop, "host") } else { Some(hop.trim()) }
    }
}

/// Whether a connection can come from a network of trusted proxies.
///
/// # Errors
/// What is wrong with one from which none can.
pub(crate) fn check_network(network: &IpNet) -> Result<(), &'static str> {
    match network {
        IpNet::V6(network) if network.network().to_ipv4_mapped().is_some() && network.prefix_len() >= 96 => {
            Err("IPv4 addresses are written as such: 10.0.0.0/8 and not ::ffff:10.0.0.0/104")
        }
        _ => Ok(()),
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// One field of one element of `Forwarded`.
fn forwarded<'a>(element: &'a str, field: &str) -> Option<&'a str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(field))?;
    Some(value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(trusted: &[&str], peer: &str, fields: &[(&'static str, &str)]) -> (String, bool) {
        let proxies = Proxies::new(trusted.iter().map(|net| net.parse().unwrap()).collect(), false);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let Client { address, forwarded } = proxies.client(peer.parse().unwrap(), &headers);
        (address.to_string(), forwarded)
    }

    const XFF: &str = "x-forwarded-for";

    #[test]
    fn the_host_that_was_asked_for_is_what_the_nearest_proxy_says_if_it_is_trusted() {
        let host = |peer: &str, fields: &[(&'static str, &str)]| {
            let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()], false);
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().unwrap());
            }
            proxies.host(peer.parse().unwrap(), &headers).map(String::from)
        };
        let named = ("x-forwarded-host", "evil.example, chat.example:8443");
        assert_eq!(host("10.0.0.1", &[named]).as_deref(), Some("chat.example:8443"));
        assert_eq!(host("::ffff:10.0.0.1", &[named, ("x-forwarded-host", "b")]).as_deref(), Some("b"));
        assert_eq!(host("192.0.2.1", &[named]), None);
        assert_eq!(host("10.0.0.1", &[("host", "a")]), None);
        let standard = ("forwarded", "host=evil, for=192.0.2.1;Host=\"chat.example:81\"");
        assert_eq!(host("10.0.0.1", &[standard]).as_deref(), Some("chat.example:81"));
        assert_eq!(host("10.0.0.1", &[standard, named]).as_deref(), Some("chat.example:8443"));
        assert_eq!(host("10.0.0.1", &[("forwarded", "host=evil, for=192.0.2.1")]), None);
    }

    #[test]
    fn a_stranger_cannot_name_somebody_else() {
        let lies = [(XFF, "192.0.2.7"), ("forwarded", "for=192.0.2.7")];
        assert_eq!(client(&["10.0.0.0/8"], "198.51.100.1", &lies), ("198.51.100.1".into(), false));
        // What a stranger had written is left of what the proxy adds, though it is no text.
        for named in [XFF, "forwarded"] {
            let mut headers = HeaderMap::new();
            let added = if named == XFF { "198.51.100.1" } else { "for=198.51.100.1" };
            let value = [b"\xe9, ", added.as_bytes()].concat();
            headers.append(named, HeaderValue::from_bytes(&value).unwrap());
            let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()], false);
            let found = proxies.client("10.0.0.1".parse().unwrap(), &headers);
            assert_eq!(found, Client { address: "198.51.100.1".parse().unwrap(), forwarded: true });
        }
        let lie = [(XFF, "192.0.2.7, 198.51.100.1")];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &lie), ("198.51.100.1".into(), true));
        let lie = [(XFF, "192.0.2.7"), (XFF, "198.51.100.1")];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &lie), ("198.51.100.1".into(), true));
    }

    #[test]
    fn a_chain_of_trusted_proxies_is_followed_to_its_beginning() {
        let chain = [(XFF, "192.0.2.7, 10.0.0.3, 10.0.0.2")];
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &chain), ("192.0.2.7".into(), true));
        assert_eq!(client(&["10.0.0.1/32"], "10.0.0.1", &chain), ("10.0.0.2".into(), true));
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &chain), ("192.0.2.7".into(), true));
    }

    #[test]
    fn every_way_to_write_an_address_is_read() {
        let trusted = ["::1/128", "127.0.0.0/8"];
        for (name, value, address) in [
            (XFF, "192.0.2.7", "192.0.2.7"),
            (XFF, " 192.0.2.7:4711 ", "192.0.2.7"),
            (XFF, "2001:db8::7", "2001:db8::7"),
            (XFF, "[2001:db8::7]:4711", "2001:db8::7"),
            ("forwarded", "for=192.0.2.7;proto=https;by=203.0.113.43", "192.0.2.7"),
            ("forwarded", "proto=https; For=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("forwarded", "for=192.0.2.43, for=\"192.0.2.7:80\"", "192.0.2.7"),
        ] {
            assert_eq!(client(&trusted, "127.0.0.1", &[(name, value)]), (address.into(), true), "{value}");
        }
        for (name, value) in
            [(XFF, "unknown"), (XFF, ""), ("forwarded", "for=_hidden"), ("forwarded", "by=192.0.2.7")]
        {
            assert_eq!(
                client(&trusted, "127.0.0.1", &[(name, value)]),
                ("127.0.0.1".into(), false),
                "{value}"
            );
        }
    }
}
