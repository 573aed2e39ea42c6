//! The values of options, and how they are written.

use crate::admission::check_network;
use crate::host::check_host;
use crate::origin::check_origin;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

/// Longest time that an option takes: a day. What is longer is a slip.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// `--rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rate {
    /// No limit.
    Unlimited,
    /// Sends per second and user.
    PerSecond(f64),
}

/// What one address may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressLimit {
    /// As much as there is for all.
    Unlimited,
    /// So many.
    Limited(u32),
}

impl AddressLimit {
    pub(super) fn limit(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::Limited(count) => Some(count),
        }
    }
}

/// Longest time for which something is kept.
const LONGEST_KEPT: Duration = Duration::from_secs(366 * 24 * 3600);

/// `30s`, `500ms`, `2m`, `12h`, or a number of seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse_time(text).filter(|duration| *duration <= LONGEST).ok_or_else(|| {
        String::from("a time is written like 30s, 500ms, 2m or 12h, as a whole number, and is at most a day")
    })
}

/// The same up to a year, `7d` for instance.
pub(super) fn parse_kept(text: &str) -> Result<Duration, String> {
    parse_time(text).filter(|duration| *duration <= LONGEST_KEPT).ok_or_else(|| {
        String::from("a time is written like 30s, 2m, 12h or 7d, as a whole number, and is at most 366d")
    })
}

fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let millis: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, a host's name with a port, or `:8080` and `8080`,
/// which are that port of this machine alone. Names are looked up here.
///
/// # Errors
/// A sentence that says what is wrong with the text, for the user.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let is_half_an_address = host.contains(':') && !host.starts_with('[');
    let port = match port.parse::<u16>() {
        Ok(port) if !is_half_an_address => port,
        _ => {
            return Err(String::from(
                "an address is written like 127.0.0.1:8080, [::1]:8080, localhost:8080, :8080 or 8080",
            ));
        }
    };
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let looked_up = (host, port).to_socket_addrs();
    looked_up
        .map_err(|error| format!("there is no address for this name: {error}"))?
        .next()
        .ok_or_else(|| String::from("there is no address for this name"))
}

/// As [`parse_duration`], but not zero.
pub(super) fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|time| {
        if time.is_zero() { Err(String::from("it must be longer than 0")) } else { Ok(time) }
    })
}

/// As [`parse_duration`], up to ten minutes: for longer a token that has ended would be good.
pub(super) fn parse_leeway(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|time| {
        if time > Duration::from_secs(600) { Err(String::from("it is at most 10m")) } else { Ok(time) }
    })
}

/// A whole number from 1.
pub(super) fn parse_count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1 << 31).contains(count))
        .ok_or_else(|| String::from("it is a whole number between 1 and 2147483648"))
}

/// `512M`, `2G`, `65536K` or a number of bytes.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let bytes: u64 = match unit {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err(String::from("it is written like 512M, 2G, 65536K or as a number of bytes")),
    };
    let all = number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes)).filter(|all| *all > 0);
    all.ok_or_else(|| String::from("it is a whole number above 0, with K, M, G or nothing behind it"))
}

/// A positive number, or `none`.
pub(super) fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "none" {
        return Ok(Rate::Unlimited);
    }
    text.parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .map(Rate::PerSecond)
        .ok_or_else(|| String::from("a rate is a number above 0, or 'none'"))
}

/// A whole number from 1, or `none`.
pub(super) fn parse_share(text: &str) -> Result<AddressLimit, String> {
    if text == "none" {
        return Ok(AddressLimit::Unlimited);
    }
    text.parse()
        .ok()
        .filter(|count: &u32| (1..=1 << 20).contains(count))
        .map(AddressLimit::Limited)
        .ok_or_else(|| String::from("it is a whole number between 1 and 1048576, or 'none'"))
}

/// `https://app.example`, `https://app.example:8443`, `null` or `*`: what a browser writes into the header `Origin`, which
/// has no path.
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    check_origin(text).map(|()| text.to_owned()).map_err(String::from)
}

/// `chat.example`, `chat.example:8443` or `*`: what the header `Host` may have.
pub(super) fn parse_host(text: &str) -> Result<String, String> {
    check_host(text).map(|()| text.to_owned()).map_err(String::from)
}

/// `10.0.0.0/8`, or one address.
pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text
        .parse()
        .or_else(|_| one())
        .map_err(|_| String::from("it is an address or a network, like 10.0.0.1, 10.0.0.0/8 or fd00::/8"))?;
    check_network(&network).map(|()| network).map_err(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("12h"), Ok(Duration::from_secs(12 * 3600)));
        assert_eq!(parse_duration("1d"), parse_duration("24h"));
        assert_eq!(parse_kept("7d"), Ok(Duration::from_secs(7 * 24 * 3600)));
        assert!(parse_kept("367d").is_err());
        for bad in ["", "s", "-1s", "1.5s", "25h", "25000m", "99999999999999999999s", "1é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert!(parse_positive_duration("0s").is_err());
    }

    #[test]
    fn addresses_are_read_with_or_without_a_host() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LOCALHOST:0", "127.0.0.1:0"),
            (":8080", "127.0.0.1:8080"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
        ] {
            assert_eq!(
                parse_address(text).map(|address| address.to_string()).as_deref(),
                Ok(address),
                "{text}"
            );
        }
        for bad in [
            "",
            ":",
            "localhost",
            "127.0.0.1",
            "::1",
            "::1:8080:",
            "99999",
            ":-1",
            "nowhere.invalid:80",
            "a:b",
        ] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_what_a_browser_writes() {
        for good in [
            "https://app.example",
            "http://localhost:3000",
            "https://app.example/",
            "*",
            "null",
            "app://local",
        ] {
            assert_eq!(parse_origin(good).as_deref(), Ok(good));
        }
        for bad in [
            "app.example",
            "https://",
            "://x",
            "https://a.b/path",
            "wss://a.b",
            "https://a.b,https://c.d",
            "https://*.example",
            "https://*",
            "https://b\u{fc}cher.example",
            "https://a.b:99999",
            "https://a.b:",
            "https://user@a.b",
            "ht tp://a.b",
            "",
        ] {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_are_read_with_their_unit() {
        for (text, bytes) in [("1", 1), ("64K", 64 << 10), ("512M", 512 << 20), ("2G", 2 << 30)] {
            assert_eq!(parse_bytes(text), Ok(bytes));
        }
        for bad in ["", "M", "0", "0G", "-1", "1T", "1.5G", "99999999999999999999", "99999999999G"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_and_counts_are_above_zero() {
        assert_eq!(parse_rate("0.5"), Ok(Rate::PerSecond(0.5)));
        assert_eq!(parse_rate("none"), Ok(Rate::Unlimited));
        for bad in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_count("1"), Ok(1));
        assert!(parse_count("0").is_err());
        assert!(parse_count("99999999999").is_err());
    }
}
