//! Counts refused connections by cause and logs them, throttled. Refuses nobody itself.

use crate::auth::TokenRejection;
use crate::counters::{KindCounters, kinds};
use std::net::IpAddr;
use std::time::Instant;

kinds! {
    /// Why somebody was not let in.
    pub(crate) enum Cause {
        /// Every place of a handshake is taken.
        Handshakes = "handshakes",
        /// The share of the address is.
        Share = "address_handshakes",
        /// It said nothing, and gave way to somebody else.
        Evicted = "evicted",
        /// Its first byte did not come in time.
        Silent = "silent",
        /// Its TLS handshake was not done in time.
        TlsDeadline = "tls_deadline",
        /// Its request was not there in time.
        RequestDeadline = "request_deadline",
        /// Its request has too many header fields, or too long ones.
        Headers = "headers",
        /// The address comes too often.
        Rate = "address_rate",
        /// The address has shown too many wrong tokens.
        Tokens = "address_tokens",
        /// Too many Socket.IO sessions have not said who they are.
        EarlySessions = "early_sessions",
        /// Too many of them are of one address.
        AddressSessions = "address_sessions",
        /// There is no place for one more connection.
        Places = "connections",
        /// The server is going away.
        Draining = "draining",
        /// What should be the header of the PROXY protocol is none.
        ProxyHeader = "proxy_header",
        /// No more files may be opened.
        Files = "files",
        /// The memory budget is nearly used up.
        Memory = "memory",
        /// The page's `Origin` is not welcome.
        Origin = "origin",
        /// The server is not called by this name.
        Host = "host",
        /// There is no token.
        NoToken = "no_token",
        /// The token is nobody's.
        Token = "token",
        /// It cannot be found out now whose the token is.
        Unidentified = "unidentified",
        /// The store does not say now where a Socket.IO client was that wants its session back.
        Recovery = "recovery",
        /// An operator keeps the user out.
        Banned = "banned",
        /// The admin token is missing or wrong.
        AdminToken = "admin_token",
        /// The address has shown too many wrong admin tokens.
        AdminTokens = "admin_tokens",
        /// The body of an admin request is too long.
        AdminBody = "admin_body",
        /// It did not come in time.
        AdminDeadline = "admin_deadline",
        /// Too many admin connections are open.
        AdminConnections = "admin_connections",
        /// The store has not taken what the admin listener was asked for, or has not said so.
        AdminStore = "admin_store",
    }
}

impl Cause {
    /// Why the hub does not let a user in, by its close code; `None` where that is a limit, which is told as such.
    pub(crate) fn of_close(code: u16) -> Option<Self> {
        match code {
            1012 => Some(Self::Draining),
            4001 => Some(Self::Token),
            4003 => Some(Self::Banned),
            _ => None,
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
pub(crate) struct Refusals {
    causes: KindCounters<{ Cause::ALL.len() }>,
    /// Those by [`Cause::Token`].
    rules: KindCounters<{ TokenRejection::ALL.len() }>,
}

impl Refusals {
    /// Whether the log has told it.
    pub(crate) fn note(&self, cause: Cause, address: IpAddr) -> bool {
        self.note_about(cause, address, &About::default())
    }

    /// As [`Refusals::note`], with what is known of the one that it is about.
    pub(crate) fn note_about(&self, cause: Cause, address: IpAddr, about: &About<'_>) -> bool {
        let told = self.causes.count(cause as usize, 1, Instant::now());
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

    /// A token is nobody's. It is one cause, and the log tells each rule apart.
    pub(crate) fn note_token(&self, rejection: TokenRejection, address: IpAddr) {
        let now = Instant::now();
        self.causes.count(Cause::Token as usize, 1, now);
        if let Some(refused) = self.rules.count(rejection as usize, 1, now) {
            let (cause, rule, why) = (Cause::Token.as_str(), rejection.as_str(), rejection.words());
            tracing::warn!(
                cause,
                %address,
                rule,
                why,
                refused,
                "refused; told at most once a minute for each rule"
            );
        }
    }

    /// For `/metrics`.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Cause::ALL.iter().map(|cause| cause.as_str()).zip(self.causes.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_name_and_a_count_of_its_own() {
        for (index, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, index);
            assert!(!Cause::ALL[..index].iter().any(|other| other.as_str() == cause.as_str()));
        }
    }
}
