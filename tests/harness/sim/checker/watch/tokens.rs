//! Checks which token a client sends, and when it asks for another one (protocol.md §2.5).

use super::duties::Obligation;
use super::{Micros, SECOND, Watch};
use rejoin::{Token, TokenError};

/// What is known of a client's tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    source: bool,
    /// A dial needs another one first.
    wants: bool,
    rejected: bool,
    rejected_at: Option<Micros>,
    renewed_at: Option<Micros>,
    /// The source is asked for the next dial.
    pub(super) asking: bool,
    /// The source is asked for the connection in use, until then: what comes later is not taken any more, once a timer has
    /// shown how late it is.
    pub(super) refreshing: Option<Micros>,
    /// The source has said that there is none to be had.
    pub(super) is_permanent: bool,
    last: Option<Box<str>>,
}

impl Tokens {
    pub(super) fn begins(source: bool) -> Self {
        Self { source, wants: source, ..Self::default() }
    }

    pub(super) fn anew(&mut self) {
        self.rejected_at = None;
        self.renewed_at = None;
    }

    fn has(&mut self, token: &Token) {
        self.last = Some(token.expose().into());
        self.wants = false;
        self.rejected = false;
    }
}

impl Watch {
    pub(super) fn fetches(&mut self, rejected: bool) {
        self.did.fetches = true;
        let right = if self.open.is_some() {
            self.tokens.refreshing = Some(self.now + 10 * SECOND);
            false
        } else {
            self.tokens.asking = true;
            self.tokens.rejected
        };
        if rejected != right {
            self.wrong(format!("the token source is told that its token was refused: {rejected}"));
        }
    }

    /// The token of the connection in use ends soon.
    pub(super) fn expires(&mut self) {
        if self.tokens.source && self.tokens.refreshing.is_none() {
            self.duties.push(Obligation::Fetches);
        }
    }

    pub(super) fn token_comes(&mut self, result: &Result<Token, TokenError>) {
        self.tokens.is_permanent = result.as_ref().is_err_and(|error| !error.temporary);
        let refreshing = self.tokens.refreshing.take().is_some();
        match result {
            Ok(token) if refreshing && self.open.is_some() => {
                self.tokens.has(token);
                self.duties.push(Obligation::Shows(token.expose().into()));
            }
            Ok(token) if self.tokens.asking && self.open.is_none() => self.tokens.has(token),
            Err(error) if self.tokens.asking && self.open.is_none() && !error.temporary => {
                self.duties.push(Obligation::Ends);
            }
            _ => {}
        }
    }

    pub(super) fn token_is_set(&mut self, token: &Token) {
        self.tokens.has(token);
        self.tokens.rejected_at = None;
        if self.tokens.asking && self.earliest(self.now) == self.now {
            self.duties.push(Obligation::Dials);
        }
        if self.open.is_some() {
            self.tokens.refreshing = None;
            self.duties.push(Obligation::Shows(token.expose().into()));
        }
    }

    /// A dial shows this one.
    pub(super) fn uses(&mut self, token: Option<&Token>) {
        self.tokens.asking = false;
        let shown = token.map(Token::expose);
        if self.tokens.wants {
            self.wrong("it dials with a token that was refused".to_owned());
        } else if self.tokens.last.is_some() && self.tokens.last.as_deref() != shown {
            self.wrong("it dials with another token than the last".to_owned());
        }
    }

    /// A token was refused. `Some(true)`: another one is asked for, within a second. `Some(false)`: after the backoff.
    pub(super) fn refused(&mut self, expired: bool) -> Option<bool> {
        let now = self.now;
        if !self.tokens.source {
            return None;
        }
        let last = if expired { &mut self.tokens.renewed_at } else { &mut self.tokens.rejected_at };
        let recent = last.replace(now).is_some_and(|at| now - at < 60 * SECOND);
        self.tokens.wants = true;
        self.tokens.rejected = true;
        match (recent, expired) {
            (false, _) => Some(true),
            (true, true) => Some(false),
            (true, false) => None,
        }
    }
}
