//! How every machine of a page dials.

use rejoin::backoff::Policy;
use rejoin::machine::Credentials;
use rejoin::{LinkConfig, Token};

/// `credentials` is 0 for none, 1 for one token for good, 2 for a source; no `max_attempts` is 0.
pub(crate) fn configure(link: &mut LinkConfig, credentials: u32, legacy: bool, max_attempts: u32) {
    link.max_attempts = (max_attempts > 0).then_some(max_attempts);
    link.credentials = match credentials {
        0 => Credentials::Anonymous,
        1 => Credentials::Fixed(Token::new("")),
        _ => Credentials::Source,
    };
    if legacy {
        link.policy = Policy::Legacy;
    }
}
