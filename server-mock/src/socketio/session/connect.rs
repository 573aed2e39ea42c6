//! Authenticates a Socket.IO CONNECT and registers the client.

use super::Session;
use crate::admission::{About, Cause};
use crate::auth::{Identity, Unavailable};
use crate::close_reason::CloseReason;
use crate::limits::Limit;
use crate::send_queue::Shutdown;
use crate::session_log::TransportKind;
use crate::shared_sessions::SessionRecord;
use crate::socketio::acks;
use crate::socketio::member::{Admission, PendingMember};
use crate::socketio::namespaces::Namespace;
use crate::socketio::offset;
use crate::socketio::packet;
use crate::socketio::recovery::Owner;
use crate::socketio::short_text::ShortText;
use crate::socketio::transport::EngineTransport;
use crate::state::AuthUnavailable;
use futures_util::future::BoxFuture;
use rejoin::Name;
use rejoin::socketio::INVALID_NAMESPACE;
use serde::Deserialize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// CONNECTs that may be refused for each namespace there is; with the last of them the session ends.
const REFUSALS: usize = 3;

/// CONNECTs between two pings for each namespace there is: whoever goes in and out again and again costs an authentication
/// and two lines of the log each time.
const CONNECTS: usize = 16;

/// Why a client that wants its session back is sent away.
const NO_ANSWER: &str = "Redis does not say now where it was";

/// What a CONNECT says of itself.
#[derive(Deserialize, Default)]
pub(super) struct Auth {
    token: Option<String>,
    #[serde(default)]
    positions: bool,
    /// The session to go on with, and the last position received in it.
    #[serde(default)]
    pid: ShortText,
    #[serde(default)]
    offset: ShortText,
}

/// A CONNECT that is not answered yet. What comes behind it waits.
pub(super) enum Entering {
    /// It is being found out who it is.
    Asking(BoxFuture<'static, Result<Option<Identity>, AuthUnavailable>>, Namespace, Auth),
    /// It is being found out where it was, on whichever server.
    Finding(BoxFuture<'static, Result<Option<SessionRecord>, Unavailable>>, Box<(Namespace, Auth, Identity)>),
    /// The client is let in, and waits for its rooms.
    PendingMember(Box<PendingMember>),
}

impl Session {
    /// Registers with the hub in a namespace, if there is such and the client may have one.
    pub(super) fn connect(&mut self, namespace: &str, auth: &str) -> Result<(), CloseReason> {
        self.connects += 1;
        if self.connects > CONNECTS * self.socket_io.namespaces.len() {
            return Err(CloseReason::Over(Limit::Connects, 4008, "Rate limited"));
        }
        let Some(namespace) = self.socket_io.namespaces.find(namespace).cloned() else {
            let error = acks::connect_error(INVALID_NAMESPACE, None);
            self.write_queue.push(packet::refused(namespace, &error));
            return Ok(());
        };
        let mut auth: Auth = serde_json::from_str(auth).unwrap_or_default();
        let (app, client, origin, token) =
            (Arc::clone(&self.app), self.client, self.origin.clone(), auth.token.take());
        let asked = async move { app.identify(client, token.as_deref(), origin.as_ref()).await };
        self.entering = Some(Entering::Asking(Box::pin(asked), namespace, auth));
        Ok(())
    }

    /// Goes on when it is known who the client is.
    fn identified(
        &mut self,
        namespace: &Namespace,
        auth: Auth,
        identity: Result<Option<Identity>, AuthUnavailable>,
    ) -> Result<(), CloseReason> {
        let identity = match identity {
            Ok(identity) => identity,
            // It comes back by itself only after that, and its handshake is told for how long to wait.
            Err(AuthUnavailable::RateLimited(_)) => {
                return Err(CloseReason::Requested(Shutdown::Abort(
                    "Too many wrong tokens came from its address",
                )));
            }
            Err(AuthUnavailable::NoAnswer) if self.is_seated() => {
                return self.refuse(
                    namespace,
                    "It cannot be found out now whose the token is",
                    "overloaded",
                    true,
                );
            }
            Err(AuthUnavailable::NoAnswer) => {
                return Err(CloseReason::Requested(Shutdown::Abort(
                    "It could not be found out whose its token is",
                )));
            }
        };
        let Some(identity) = identity else {
            self.app.metrics.unauthorized.one_more();
            return self.refuse(namespace, "Unauthorized", "unauthorized", false);
        };
        if self.app.faults.refusal(Some(&identity.user)).is_some() {
            // Who it is was not known when there could have been an HTTP status.
            return Err(CloseReason::Requested(Shutdown::Abort("A fault on purpose")));
        }
        // Only now that it is known who it is: a session is its user's.
        let owner = Owner { user: identity.user.clone(), namespace: Name::from(namespace.name()) };
        let asked = auth.pid.as_deref().and_then(|pid| self.socket_io.recovery.ask(pid, &owner));
        if let Some(asked) = asked {
            let newcomer = Box::new((namespace.clone(), auth, identity));
            self.entering = Some(Entering::Finding(asked, newcomer));
            return Ok(());
        }
        self.admit(namespace, auth, identity, None)
    }

    /// Goes on when it is known where the client was. `record`: what several servers know of that.
    fn admit(
        &mut self,
        namespace: &Namespace,
        auth: Auth,
        identity: Identity,
        record: Option<&SessionRecord>,
    ) -> Result<(), CloseReason> {
        let Auth { positions, pid, offset, .. } = auth;
        let transport = match self.transport {
            EngineTransport::Polling(_) => TransportKind::Polling,
            EngineTransport::WebSocket { .. } => TransportKind::WebSocket,
        };
        let number = self.next_number();
        let owner = Owner { user: identity.user.clone(), namespace: Name::from(namespace.name()) };
        let (recovery, offset) = (&self.socket_io.recovery, offset.as_deref());
        let claimed =
            pid.as_deref().and_then(|pid| recovery.find(pid, offset, &owner, record, Instant::now()));
        let begun_with = offset.and_then(offset::read).map(|offset| offset.session);
        let open = claimed.as_ref().and_then(|claimed| claimed.open.clone());
        let permit = match &open {
            Some((_, own)) if !self.app.draining() => Some(Arc::clone(own)),
            _ => self.app.try_permit().map(Arc::new),
        };
        let Some(permit) = permit else {
            let about = About { user: Some(&owner.user), ..About::default() };
            self.app.gate.refusals.note_about(self.app.why_full(), self.client.address, &about);
            if self.is_returning {
                // It would not have been let in so far, and comes back by itself only after that.
                return Err(CloseReason::Requested(Shutdown::Abort(
                    "The server takes no more connections now",
                )));
            }
            return self.refuse(namespace, "The server takes no more connections now", "overloaded", true);
        };
        if let Some((open, _)) = open {
            // What carries it is gone, which the server has not noticed.
            self.app.hub.abort(open);
        }
        let admission = Admission {
            number,
            namespace: namespace.clone(),
            identity,
            positions,
            permit,
            claimed,
            begun_with,
        };
        match PendingMember::begin(&self.app, admission, self.client.address, transport, &self.fault_state) {
            Ok(pending) => {
                self.entering = Some(Entering::PendingMember(Box::new(pending)));
                Ok(())
            }
            Err(Shutdown::Close { code: 4003, reason }) => self.refuse(namespace, reason, "forbidden", false),
            Err(Shutdown::Close { code: 4011, reason }) => self.refuse(namespace, reason, "overloaded", true),
            Err(end) => Err(CloseReason::Requested(end)),
        }
    }

    pub(super) fn is_entering(&self) -> bool {
        self.entering.is_some()
    }

    /// Answers the CONNECT of a client as soon as it is known who it is, and whether it is back in its rooms; `false` before
    /// that.
    pub(super) fn has_entered(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        loop {
            match self.entering.take() {
                None => return Ok(true),
                Some(Entering::Asking(mut asked, namespace, auth)) => match asked.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.entering = Some(Entering::Asking(asked, namespace, auth));
                        return Ok(false);
                    }
                    Poll::Ready(identity) => self.identified(&namespace, auth, identity)?,
                },
                Some(Entering::Finding(mut asked, newcomer)) => match asked.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.entering = Some(Entering::Finding(asked, newcomer));
                        return Ok(false);
                    }
                    Poll::Ready(Err(Unavailable)) => {
                        let (_, _, Identity { user, .. }) = *newcomer;
                        return Err(self.unrecovered(&user, Shutdown::Abort(NO_ANSWER)));
                    }
                    Poll::Ready(Ok(record)) => {
                        let (namespace, auth, identity) = *newcomer;
                        self.admit(&namespace, auth, identity, record.as_ref())?;
                    }
                },
                Some(Entering::PendingMember(mut pending)) => {
                    match pending.poll(cx) {
                        Poll::Pending => {
                            self.entering = Some(Entering::PendingMember(pending));
                            return Ok(false);
                        }
                        Poll::Ready(Err(end @ Shutdown::Close { code: 1013, .. })) => {
                            return Err(self.unrecovered(pending.user(), end));
                        }
                        Poll::Ready(Err(end)) => return Err(CloseReason::Requested(end)),
                        Poll::Ready(Ok(())) => {}
                    }
                    let member = pending.finish(&self.app, &self.socket_io);
                    self.write_queue.push(member.consent());
                    self.connected(member);
                }
            }
        }
    }

    /// Redis does not say where a client was that wants to go on. A session that begins anew would lose what it has missed: its
    /// connection ends, so that it comes back with the same `pid`.
    fn unrecovered(&self, user: &Name, end: Shutdown) -> CloseReason {
        let about = About::user(user, NO_ANSWER);
        self.app.gate.refusals.note_about(Cause::Recovery, self.client.address, &about);
        CloseReason::Requested(end)
    }

    /// Refuses a CONNECT. The client may try again, with another token for instance, but not for ever.
    fn refuse(
        &mut self,
        namespace: &Namespace,
        message: &str,
        code: &str,
        retry: bool,
    ) -> Result<(), CloseReason> {
        self.refusals += 1;
        if self.refusals >= REFUSALS * self.socket_io.namespaces.len() {
            return Err(CloseReason::Over(Limit::RefusedConnects, 4001, "Unauthorized"));
        }
        let error = acks::connect_error(message, Some((code, retry)));
        self.write_queue.push(packet::refused(namespace.name(), &error));
        if !self.is_seated() {
            self.expect_connect();
        }
        Ok(())
    }
}
