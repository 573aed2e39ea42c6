//! How every machine of a page dials.

use rejoin::backoff::Policy;
use rejoin::machine::Credentials;
use rejoin::{LinkConfig, Token};

/// 0 is none, 1 one token for good, 2 a source.
pub(crate) fn credentials(number: u32) -> Credentials {
    match number {
        0 => Credentials::Anonymous,
        1 => Credentials::Fixed(Token::new("")),
        _ => Credentials::Source,
    }
}

/// `credentials` as above; no `max_attempts` is 0.
pub(crate) fn configure(link: &mut LinkConfig, credentials: u32, legacy: bool, max_attempts: u32) {
    link.max_attempts = (max_attempts > 0).then_some(max_attempts);
    link.credentials = self::credentials(credentials);
    if legacy {
        link.policy = Policy::Legacy;
    }
}
