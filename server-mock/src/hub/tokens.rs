//! The end of a token, and a new one for a connection that stays.

use super::bug::{Bug, made};
use super::rules::millis;
use super::user::Verdict;
use super::{ConnId, Due, Hub, Limit, Output};
use rejoin::machine::ServerMessage;
use rejoin::messages::{AuthOk, Code, Ref};
use rejoin::{Name, Timestamp, Token};
use std::collections::BTreeSet;
use std::time::Duration;

/// A client is warned this long before its token ends, or at half of the time left if that is shorter.
const WARNING: Duration = Duration::from_secs(60);

/// Tokens of nobody that a connection may show; with the last of them it is closed.
const REFUSED_TOKENS: u8 = 3;

/// Until when a connection's token is good, with its entries in the hub's deadlines.
#[derive(Debug, Default)]
pub(super) struct Validity {
    warning: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Validity {
    /// `warns`: whether the peer understands a warning.
    pub(super) fn new(
        now: Timestamp,
        conn: ConnId,
        end: Option<Timestamp>,
        warns: bool,
        due: &mut BTreeSet<(Timestamp, Due)>,
    ) -> Self {
        let Some(end) = end else { return Self::default() };
        if !made(Bug::TokenNeverEnds) {
            due.insert((end, Due::TokenEnd(conn)));
        }
        let left = end.since(now);
        let warning = warns.then(|| now + left.saturating_sub(WARNING.min(left / 2)));
        if let Some(at) = warning {
            due.insert((at, Due::TokenEnding(conn)));
        }
        Self { warning, end: Some(end) }
    }

    pub(super) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Takes its entries out of the deadlines.
    pub(super) fn retract(&self, conn: ConnId, due: &mut BTreeSet<(Timestamp, Due)>) {
        if let Some(at) = self.warning {
            due.remove(&(at, Due::TokenEnding(conn)));
        }
        if let Some(at) = self.end {
            due.remove(&(at, Due::TokenEnd(conn)));
        }
    }
}

impl Hub {
    pub(super) fn warn_of_expiry(&mut self, now: Timestamp, conn: ConnId) {
        let Some(end) = self.conns.get(&conn).and_then(|state| state.validity.end) else { return };
        if made(Bug::EndUnannounced) {
            return;
        }
        self.tell(conn, &ServerMessage::AuthExpiring { in_ms: millis(end.since(now)) });
    }

    pub(super) fn auth(&mut self, now: Timestamp, conn: ConnId, reference: Ref, token: Token) {
        let Some(state) = self.conns.get(&conn) else { return };
        match self.users.get_mut(&state.user).map_or(Verdict::Fine, |user| user.join(now)) {
            Verdict::Fine => self.outputs.push_back(Output::Authenticate { conn, reference, token }),
            Verdict::Refuse => {
                self.refused.record(Limit::JoinRate);
                self.refuse(conn, Some(reference), None, Code::RateLimited, "rate limited");
            }
            Verdict::Flooding => self.close_flooding(now, conn),
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
                state.validity.retract(conn, &mut self.due);
                let expires = if made(Bug::NewTokenForgotten) { state.validity.end } else { expires };
                state.validity = Validity::new(now, conn, expires, true, &mut self.due);
                let expires_in_ms = expires.map(|end| millis(end.since(now)));
                self.tell(conn, &ServerMessage::AuthOk(AuthOk { reference, expires_in_ms }));
            }
            Some(_) => self.close(now, conn, 4002, "Token of another user"),
            None => {
                extended.refused_tokens += 1;
                if extended.refused_tokens >= REFUSED_TOKENS {
                    self.refused.record(Limit::WrongTokens);
                    return self.close(now, conn, 4001, "Unauthorized");
                }
                if !made(Bug::AnybodysToken) {
                    self.refuse(conn, Some(reference), None, Code::Forbidden, "the token is nobody's");
                }
            }
        }
    }
}
