//! Tokens that open connections show: finds out whose they are, at once or by asking somebody else.

use super::SharedHub;
use super::core::Core;
use crate::admission::Cause;
use crate::auth::{AuthRequest, Verified};
use crate::hub::{ConnId, Input};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rejoin::Token;
use rejoin::machine::ClockReading;
use rejoin::messages::{Code, Ref};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;
use tokio::sync::mpsc;

/// Tokens about which somebody else is asked at a time; as many wait for that.
pub(super) const MAX_TOKEN_REQUESTS: usize = 256;

/// Whose a token is that an open connection shows, where somebody else knows it.
#[derive(Debug)]
pub(super) struct TokenRequest {
    conn: ConnId,
    reference: Ref,
    token: Token,
    request: AuthRequest,
}

impl SharedHub {
    /// Finds out whose the tokens are that open connections show, where somebody else knows it. Runs for ever. Cancellation
    /// safe: who has asked is not answered then.
    pub(crate) async fn serve_token_requests(&self) {
        let mut token_queue = self.token_queue.lock().await;
        let mut looking = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(request) = token_queue.recv(), if looking.len() < MAX_TOKEN_REQUESTS => {
                    looking.push(async move {
                        let identity = self.authority.identify(request.token.expose(), &request.request).await;
                        (request, identity)
                    });
                }
                Some((TokenRequest { conn, reference, .. }, identity)) = looking.next() => {
                    let mut core = self.lock();
                    if let Ok(identity) = identity {
                        let now = self.now();
                        core.authenticated(self, now, conn, reference, identity);
                        // Does what the hub says to that.
                        self.run(&mut core, Input::Tick);
                    } else {
                        let why = Code::Overloaded;
                        self.run(&mut core, Input::AuthenticationFailed { conn, reference, code: why });
                    }
                }
                else => std::future::pending().await,
            }
        }
    }
}

impl Core {
    /// A connection shows a token.
    pub(super) fn authenticate(
        &mut self,
        shared: &SharedHub,
        now: ClockReading,
        conn: ConnId,
        reference: Ref,
        token: &Token,
    ) {
        shared.metrics.refreshes.one_more();
        // As when a connection is made: it counts for the address which tokens it shows.
        let client = self.slots.get(conn).and_then(|slot| slot.session).map(|session| session.origin.client);
        let at = Instant::now();
        if let Some(client) = client
            && shared.gate.rates.may_show_token(client.into(), at).is_err()
        {
            shared.gate.refusals.note(Cause::Tokens, client);
            let why = Code::RateLimited;
            return self.handle(shared, now, Input::AuthenticationFailed { conn, reference, code: why });
        }
        if let Ok(identity) = shared.authority.identify_at_once(token.expose(), at) {
            return self.authenticated(shared, now, conn, reference, identity);
        }
        let address = client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let request =
            TokenRequest { conn, reference, token: token.clone(), request: AuthRequest::new(address, None) };
        if let Err(mpsc::error::TrySendError::Full(request) | mpsc::error::TrySendError::Closed(request)) =
            shared.token_requests.try_send(request)
        {
            let TokenRequest { reference, .. } = request;
            let why = Code::Overloaded;
            self.handle(shared, now, Input::AuthenticationFailed { conn, reference, code: why });
        }
    }

    /// It is known whose the token is that a connection shows.
    fn authenticated(
        &mut self,
        shared: &SharedHub,
        now: ClockReading,
        conn: ConnId,
        reference: Ref,
        whose: Verified,
    ) {
        let client = self.slots.get(conn).and_then(|slot| slot.session).map(|session| session.origin.client);
        let at = Instant::now();
        if let (Some(client), Err(rejection)) = (client, &whose) {
            shared.gate.rates.failed_token(client.into(), at);
            shared.gate.refusals.note_token(*rejection, client);
        }
        let identity = whose.ok();
        let expires = identity.as_ref().and_then(|identity| identity.expires);
        let expires = expires.map(|end| shared.timestamp(end));
        if let Some(identity) = &identity {
            self.slots.set_credential(conn, identity.credential, &identity.user);
        }
        let (user, rights) = identity.map(|identity| (identity.user, identity.rights)).unzip();
        self.handle(shared, now, Input::Authenticated { conn, reference, user, expires });
        // After the answer: a connection that was closed for it is not known any more.
        if let Some(rights) = rights {
            let rights = self.limited(conn, rights);
            self.handle(shared, now, Input::SetRights { conn, rights });
        }
    }
}
