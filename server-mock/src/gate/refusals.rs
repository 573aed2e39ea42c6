//! Who was not let in: counted by cause, and told in the log now and then.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One line for each cause in so long: what strangers do must not fill a disk.
const SELDOM: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Every place of a handshake is taken.
    Handshakes,
    /// The share of the address is.
    Share,
    /// It said nothing, and gave way to somebody else.
    Evicted,
    /// It said nothing in time.
    Silent,
    /// The address comes too often.
    Rate,
    /// The address has shown too many wrong tokens.
    Tokens,
    /// Too many Socket.IO sessions have not said who they are.
    EarlySessions,
    /// There is no place for one more connection.
    Places,
    /// What should be the header of the PROXY protocol is none.
    ProxyHeader,
    /// No more files may be opened.
    Files,
    /// The memory budget is nearly used up.
    Memory,
    /// The page's `Origin` is not welcome.
    Origin,
    /// The server is not called by this name.
    Host,
    /// The token is nobody's.
    Token,
    /// The hub does not let the user in: too many connections, a ban, the end of the server.
    User,
    /// The admin token is missing or wrong.
    AdminToken,
}

impl Cause {
    const ALL: [Self; 16] = [
        Self::Handshakes,
        Self::Share,
        Self::Evicted,
        Self::Silent,
        Self::Rate,
        Self::Tokens,
        Self::EarlySessions,
        Self::Places,
        Self::ProxyHeader,
        Self::Files,
        Self::Memory,
        Self::Origin,
        Self::Host,
        Self::Token,
        Self::User,
        Self::AdminToken,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Handshakes => "handshakes",
            Self::Share => "address_handshakes",
            Self::Evicted => "evicted",
            Self::Silent => "silent",
            Self::Rate => "address_rate",
            Self::Tokens => "address_tokens",
            Self::EarlySessions => "early_sessions",
            Self::Places => "connections",
            Self::ProxyHeader => "proxy_header",
            Self::Files => "files",
            Self::Memory => "memory",
            Self::Origin => "origin",
            Self::Host => "host",
            Self::Token => "token",
            Self::User => "user",
            Self::AdminToken => "admin_token",
        }
    }
}

/// Whom or what a refusal is about. Never a token.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) why: Option<&'a str>,
    /// The name by which the server was called. Of visible ASCII.
    pub(crate) host: Option<&'a str>,
}

impl<'a> About<'a> {
    /// A user who is known and not let in.
    pub(crate) fn user(user: &'a str, why: &'a str) -> Self {
        Self { user: Some(user), why: Some(why), host: None }
    }
}

/// Most characters of a stranger's header in a line.
const SHOWN: usize = 128;

fn shortened(value: &str) -> &str {
    value.get(..SHOWN).unwrap_or(value)
}

#[derive(Debug, Default)]
pub(crate) struct Refusals([Count; Cause::ALL.len()]);

#[derive(Debug, Default)]
struct Count {
    all: AtomicU64,
    told: Mutex<Option<(Instant, u64)>>,
}

impl Refusals {
    /// Counts one, and gives what the log is to say of it: how many there were since it was last told.
    fn count(&self, cause: Cause, now: Instant) -> Option<u64> {
        let count = self.0.get(cause as usize)?;
        let all = count.all.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = count.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|(at, _)| now.saturating_duration_since(at) < SELDOM) {
            return None;
        }
        let before = told.replace((now, all)).map_or(0, |(_, before)| before);
        Some(all.saturating_sub(before))
    }

    /// Whether the log has told it.
    pub(crate) fn note(&self, cause: Cause, address: IpAddr) -> bool {
        self.note_about(cause, address, &About::default())
    }

    /// As [`Refusals::note`], with what is known of the one that it is about.
    pub(crate) fn note_about(&self, cause: Cause, address: IpAddr, about: &About<'_>) -> bool {
        let told = self.count(cause, Instant::now());
        if let Some(refused) = told {
            let (cause, About { user, why, host }) = (cause.as_str(), *about);
            let host = host.map(shortened);
            tracing::warn!(
                cause,
                user,
                why,
                host,
                %address,
                refused,
                "refused; told at most once a minute for each cause"
            );
        }
        told.is_some()
    }

    /// For `/metrics`.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Cause::ALL
            .iter()
            .zip(&self.0)
            .map(|(cause, count)| (cause.as_str(), count.all.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_few_are_told() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.count(Cause::Rate, now), Some(1));
        assert_eq!(refusals.count(Cause::Rate, now), None);
        assert_eq!(refusals.count(Cause::Share, now), Some(1));
        assert_eq!(refusals.count(Cause::Rate, now + SELDOM), Some(2));
        let counts: Vec<_> = refusals.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [("address_handshakes", 1), ("address_rate", 3)]);
    }

    #[test]
    fn every_cause_has_a_count_of_its_own() {
        assert!(Cause::ALL.iter().enumerate().all(|(index, cause)| *cause as usize == index));
    }
}
