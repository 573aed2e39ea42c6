//! Translates the constructor arguments of the machines into their configuration. Holds no defaults of its own.

#[cfg(feature = "rooms")]
use crate::convert::count;
#[cfg(feature = "rooms")]
use core::time::Duration;
#[cfg(feature = "rooms")]
use rejoin::Config;
use rejoin::backoff::Policy;
use rejoin::machine::Credentials;
use rejoin::{LinkConfig, Token};

/// The kind of credentials: 0 none, 1 a fixed token, 2 a token source.
pub(crate) fn credentials(number: u32) -> Credentials {
    match number {
        0 => Credentials::Anonymous,
        1 => Credentials::Fixed(Token::new("")),
        _ => Credentials::Source,
    }
}

/// Configures the link; `max_attempts` 0 means no limit.
pub(crate) fn configure(link: &mut LinkConfig, credentials: u32, legacy: bool, max_attempts: u32) {
    link.max_attempts = (max_attempts > 0).then_some(max_attempts);
    link.credentials = self::credentials(credentials);
    if legacy {
        link.policy = Policy::Legacy;
    }
}

#[cfg(feature = "rooms")]
/// The configuration of a client of rooms; zeros stand for defaults.
pub(crate) fn config(
    endpoints: u32,
    credentials: u32,
    legacy: bool,
    max_attempts: u32,
    send_ttl: f64,
) -> Config {
    let mut config = Config::default();
    // A page can neither send nor see the pings of WebSocket.
    config.link.liveness.can_ping = false;
    config.link.endpoints = usize::try_from(endpoints).unwrap_or(1);
    configure(&mut config.link, credentials, legacy, max_attempts);
    if send_ttl > 0.0 {
        config.outbox.ttl = Duration::from_millis(count(send_ttl));
    }
    config
}
