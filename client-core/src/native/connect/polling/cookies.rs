//! The cookies that a server sets on a polled session, for load balancers that keep a client at one server by them. Bounded;
//! sent to the one address of the session only, and shown nowhere.

use core::fmt;
use hyper::header::{self, HeaderMap, HeaderValue};

/// Most cookies.
const MAX_COOKIES: usize = 32;
/// Most bytes of all names and values.
const MAX_BYTES: usize = 8 << 10;

/// Cookies by name, the oldest first.
#[derive(Default)]
pub(super) struct Cookies(Vec<(Box<str>, Box<str>)>);

impl Cookies {
    /// Takes what an answer sets, and drops what it takes back. What has no room is not kept.
    pub(super) fn take(&mut self, headers: &HeaderMap) {
        let lines = headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for line in lines {
            let mut parts = line.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() {
                continue;
            }
            self.0.retain(|(known, _)| **known != *name);
            let bytes: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
            let fits = self.0.len() < MAX_COOKIES && bytes + name.len() + value.len() <= MAX_BYTES;
            if fits && !parts.any(is_over) {
                self.0.push((name.into(), value.into()));
            }
        }
    }

    /// Writes them behind the application's own, which win where the names are the same.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let own = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut line = own.collect::<Vec<_>>().join("; ");
        let names: Vec<String> = line
            .split(';')
            .filter_map(|pair| pair.split_once('=').map(|(name, _)| name.trim().to_owned()))
            .collect();
        for (name, value) in self.0.iter().filter(|(name, _)| !names.iter().any(|own| **own == **name)) {
            let separator = if line.is_empty() { "" } else { "; " };
            for part in [separator, &**name, "=", &**value] {
                line.push_str(part);
            }
        }
        // Made of fields that came or were given as such.
        if let Ok(mut value) = HeaderValue::try_from(line) {
            value.set_sensitive(true);
            headers.insert(header::COOKIE, value);
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, value)| &**value)
    }
}

/// Whether an attribute says that the cookie is to be forgotten. Dates would need a clock that agrees with the server's.
fn is_over(attribute: &str) -> bool {
    let Some((name, value)) = attribute.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("max-age") && value.trim().parse::<i64>().is_ok_and(|age| age <= 0)
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookies({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cookies: &mut Cookies, lines: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        cookies.take(&headers);
    }

    fn written(cookies: &Cookies, own: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in own {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        cookies.write(&mut headers);
        headers.get_all(header::COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_set_is_sent_back_until_it_is_replaced_or_taken_back() {
        let mut cookies = Cookies::default();
        assert_eq!(written(&cookies, &["a=1"]), ["a=1"]);
        set(&mut cookies, &["lb=one; Path=/; HttpOnly", "other=x=y;Max-Age=60", "=z", "none"]);
        assert_eq!(written(&cookies, &[]), ["lb=one; other=x=y"]);
        set(&mut cookies, &["lb=two", "other=; max-age=0"]);
        assert_eq!(written(&cookies, &["a=1", "b=2"]), ["a=1; b=2; lb=two"]);
        assert_eq!(written(&cookies, &["lb=mine"]), ["lb=mine"]);
        assert!(!format!("{cookies:?}").contains("two"));
    }

    #[test]
    fn a_server_cannot_set_more_than_there_is_room_for() {
        let mut cookies = Cookies::default();
        for number in 0..100 {
            set(&mut cookies, &[&format!("c{number}=x")]);
        }
        assert_eq!(cookies.0.len(), MAX_COOKIES);
        let mut cookies = Cookies::default();
        set(&mut cookies, &[&format!("a={}", "x".repeat(MAX_BYTES)), "b=1"]);
        assert_eq!(written(&cookies, &[]), ["b=1"]);
    }
}
