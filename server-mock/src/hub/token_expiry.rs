//! Announces the expiry of tokens, and accepts a new one for an open connection.

use super::dispatch::millis;
use super::mutation::mutation;
use super::user::RateDecision;
use super::{ConnId, Hub, Limit, Output, Timer};
use rejoin::machine::ServerMessage;
use rejoin::messages::{AuthOk, Code, Ref};
use rejoin::{Name, Timestamp, Token};
use std::collections::BTreeSet;
use std::time::Duration;

/// A client is warned this long before its token ends, or at half of the time left if that is shorter.
const EXPIRY_WARNING: Duration = Duration::from_secs(60);

/// Tokens of nobody that a connection may show; with the last of them it is closed.
const MAX_REFUSED_TOKENS: u8 = 3;

/// Until when a connection's token is good, with its entries in the hub's deadlines.
#[derive(Debug, Default)]
pub(super) struct TokenExpiry {
    warning: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl TokenExpiry {
    /// `warns`: whether the peer understands a warning.
    pub(super) fn new(
        now: Timestamp,
        conn: ConnId,
        end: Option<Timestamp>,
        warns: bool,
        due: &mut BTreeSet<(Timestamp, Timer)>,
    ) -> Self {
        let Some(end) = end else { return Self::default() };
        if !mutation!(TokenNeverEnds) {
            due.insert((end, Timer::TokenEnds(conn)));
        }
        let left = end.since(now);
        let warning = warns.then(|| {
            now + left
                .saturating_sub(EXPIRY_WARNING.min(left / if mutation!(WarnedTooLate) { 50 } else { 2 }))
        });
        if let Some(at) = warning {
            due.insert((at, Timer::TokenWarning(conn)));
        }
        Self { warning, end: Some(end) }
    }

    pub(super) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Takes its entries out of the deadlines.
    pub(super) fn cancel(&self, conn: ConnId, due: &mut BTreeSet<(Timestamp, Timer)>) {
        if let Some(at) = self.warning {
            due.remove(&(at, Timer::TokenWarning(conn)));
        }
        if let Some(at) = self.end {
            due.remove(&(at, Timer::TokenEnds(conn)));
        }
    }
}

impl Hub {
    pub(super) fn send_expiry_warning(&mut self, now: Timestamp, conn: ConnId) {
        let Some(end) = self.conns.get(&conn).and_then(|state| state.token_expiry.end) else { return };
        if mutation!(EndUnannounced) {
            return;
        }
        self.send_frame(conn, &ServerMessage::AuthExpiring { in_ms: millis(end.since(now)) });
    }

    pub(super) fn request_authentication(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        reference: Ref,
        token: Token,
    ) {
        let Some(user) = self.conns.get(&conn).map(|state| state.user.clone()) else { return };
        match self.count_join(now, &user) {
            RateDecision::Allow => self.outputs.push_back(Output::Authenticate { conn, reference, token }),
            RateDecision::Reject => {
                self.refusal_counts.record(Limit::JoinRate);
                self.send_refusal(conn, Some(reference), None, Code::RateLimited, "rate limited");
            }
            RateDecision::Disconnect => self.close_flooding(now, conn),
        }
    }

    pub(super) fn authenticated(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        reference: Ref,
        user: Option<Name>,
        expires: Option<Timestamp>,
    ) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let Some(extended) = &mut state.extended else { return };
        match user {
            Some(user) if user == state.user => {
                extended.refused_tokens = 0;
                if !mutation!(OldTokenEnds) {
                    state.token_expiry.cancel(conn, &mut self.due);
                }
                let expires = if mutation!(NewTokenForgotten) { state.token_expiry.end } else { expires };
                state.token_expiry = TokenExpiry::new(now, conn, expires, true, &mut self.due);
                let expires_in_ms = expires.map(|end| millis(end.since(now)));
                if !mutation!(AuthUnconfirmed) {
                    self.send_frame(conn, &ServerMessage::AuthOk(AuthOk { reference, expires_in_ms }));
                }
            }
            Some(_) => self.close(now, conn, 4002, "Token of another user"),
            None => {
                extended.refused_tokens += 1;
                if extended.refused_tokens >= MAX_REFUSED_TOKENS && !mutation!(TokensForgiven) {
                    self.refusal_counts.record(Limit::WrongTokens);
                    return self.close(now, conn, 4001, "Unauthorized");
                }
                if !mutation!(AnybodysToken) {
                    self.send_refusal(conn, Some(reference), None, Code::Forbidden, "the token is nobody's");
                }
            }
        }
    }
}
