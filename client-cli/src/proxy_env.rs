//! The HTTP proxy from the environment: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`.

use crate::error::Failure;
use rejoin::{Endpoint, Proxy};

/// The proxy for `endpoint`, if the environment names one. `get` reads a variable.
///
/// The names are read in lower case first. `HTTP_PROXY` in upper case is not read at all: in a CGI program it
/// is a header of the request. Loopback addresses never go through a proxy.
pub(crate) fn proxy_for(
    endpoint: &Endpoint,
    get: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, Failure> {
    let get = |names: &[&'static str]| {
        names.iter().find_map(|name| get(name).filter(|value| !value.is_empty()).map(|value| (*name, value)))
    };
    if endpoint.is_loopback() {
        return Ok(None);
    }
    if let Some((_, exceptions)) = get(&["no_proxy", "NO_PROXY"])
        && is_exception(&exceptions, endpoint.host(), endpoint.port())
    {
        return Ok(None);
    }
    let named = if endpoint.is_secure() {
        get(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
    } else {
        get(&["http_proxy", "all_proxy", "ALL_PROXY"])
    };
    let Some((variable, address)) = named else { return Ok(None) };
    match Proxy::parse(&address) {
        Ok(proxy) => Ok(Some(proxy)),
        // The value is not quoted: it may hold a password.
        Err(error) => Err(Failure::usage("proxy", format!("{variable} is {error}")).hint(
            "only HTTP proxies with CONNECT are supported; correct the variable or add the host to NO_PROXY",
        )),
    }
}

/// Whether a host is on a `NO_PROXY` list: `*`, a name (with its subdomains), an address, each with an optional
/// port.
fn is_exception(list: &str, host: &str, port: u16) -> bool {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (name, only) = match entry.rsplit_once(':') {
            // More than one colon is an IPv6 address without brackets.
            Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
                (name, digits.parse::<u16>().ok())
            }
            _ => (entry, None),
        };
        let name = name.trim_matches(['[', ']']).trim_start_matches('.').to_ascii_lowercase();
        let host = host.to_ascii_lowercase();
        let matches = host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
        matches && only.is_none_or(|only| only == port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let (endpoint, _) = Endpoint::parse(url).unwrap();
        let get = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        proxy_for(&endpoint, get).unwrap().map(|proxy| format!("{proxy:?}"))
    }

    #[test]
    fn the_variable_depends_on_the_scheme() {
        let both = [("https_proxy", "http://s:1"), ("http_proxy", "http://p:2")];
        assert!(chosen("wss://h/", &both).unwrap().contains("\"s\""));
        assert!(chosen("ws://h/", &both).unwrap().contains("\"p\""));
        assert!(chosen("ws://h/", &[("ALL_PROXY", "http://a:3")]).unwrap().contains("\"a\""));
        assert!(chosen("wss://h/", &[("HTTPS_PROXY", "http://u:3")]).unwrap().contains("\"u\""));
        assert_eq!(chosen("wss://h/", &[("https_proxy", "")]), None);
    }

    #[test]
    fn http_proxy_in_upper_case_is_not_read() {
        assert_eq!(chosen("ws://h/", &[("HTTP_PROXY", "http://p:2")]), None);
    }

    #[test]
    fn loopback_and_exceptions_go_straight() {
        let with = |list| [("ALL_PROXY", "http://a:3"), ("NO_PROXY", list)];
        assert_eq!(chosen("ws://127.0.0.1:9/", &with("")), None);
        assert_eq!(chosen("ws://[::1]:9/", &with("")), None);
        assert_eq!(chosen("ws://localhost/", &with("")), None);
        for list in ["*", "x.org", ".x.org", "other, chat.x.org", "chat.x.org:81", "CHAT.X.ORG"] {
            assert_eq!(chosen("ws://chat.x.org:81/", &with(list)), None, "{list}");
        }
        for list in ["y.org", "at.x.org", "chat.x.org:82", "10.0.0.1"] {
            assert!(chosen("ws://chat.x.org:81/", &with(list)).is_some(), "{list}");
        }
        assert_eq!(chosen("ws://[2001:db8::1]:81/", &with("2001:db8::1")), None);
        assert_eq!(chosen("ws://[2001:db8::1]:81/", &with("[2001:db8::1]:81")), None);
    }

    #[test]
    fn a_proxy_that_is_none_is_an_error_that_does_not_show_the_password() {
        let (endpoint, _) = Endpoint::parse("ws://h/").unwrap();
        let failure =
            proxy_for(&endpoint, |name| (name == "all_proxy").then(|| "socks5://u:hunter2@h:1".to_owned()))
                .unwrap_err();
        assert!(failure.message.contains("all_proxy") && !failure.render().contains("hunter2"));
    }
}
