//! CONNECT: who is there, and whether they may be.

use super::answers;
use super::carrier::Carrier;
use super::packet;
use super::recovery::Owner;
use super::seated::{Admission, Seating};
use super::session::Session;
use super::space::Space;
use crate::app::Unidentified;
use crate::auth::Identity;
use crate::gate::About;
use crate::limits::Limit;
use crate::mailbox::End;
use crate::session_log::Carrying;
use crate::socket::Ending;
use futures_util::future::BoxFuture;
use rejoin::Name;
use rejoin::socketio::INVALID_NAMESPACE;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// CONNECTs that may be refused for each namespace there is; with the last of them the session ends.
const REFUSALS: usize = 3;

/// What a CONNECT says of itself.
#[derive(Deserialize, Default)]
pub(super) struct Auth {
    token: Option<String>,
    #[serde(default)]
    positions: bool,
    /// The session to go on with, and the last place received in it.
    #[serde(default)]
    pid: Value,
    #[serde(default)]
    offset: Value,
}

/// A CONNECT that is not answered yet. What comes behind it waits.
pub(super) enum Entering {
    /// It is being found out who it is.
    Asking(BoxFuture<'static, Result<Option<Identity>, Unidentified>>, Space, Auth),
    /// The client is let in, and waits for its rooms.
    Seating(Seating),
}

impl Session {
    /// Takes a seat in a namespace, if there is such and the client may have one.
    pub(super) fn connect(&mut self, namespace: &str, auth: &str) {
        let Some(space) = self.app.spaces.find(namespace).cloned() else {
            let error = answers::connect_error(INVALID_NAMESPACE, None);
            self.outgoing.push(packet::refused(namespace, &error));
            return;
        };
        let mut auth: Auth = serde_json::from_str(auth).unwrap_or_default();
        let (app, client, origin, token) =
            (Arc::clone(&self.app), self.client, self.origin.clone(), auth.token.take());
        let asked = async move { app.identify(client, token.as_deref(), origin.as_ref()).await };
        self.entering = Some(Entering::Asking(Box::pin(asked), space, auth));
    }

    /// Goes on when it is known who the client is.
    fn identified(
        &mut self,
        space: &Space,
        auth: Auth,
        identity: Result<Option<Identity>, Unidentified>,
    ) -> Result<(), Ending> {
        let Auth { positions, pid, offset, .. } = auth;
        let identity = match identity {
            Ok(identity) => identity,
            // It comes back by itself only after that, and its handshake is told for how long to wait.
            Err(Unidentified::Often(_)) => {
                return Err(Ending::Told(End::Cut("Too many wrong tokens came from its address")));
            }
            Err(Unidentified::Away) if self.is_seated() => {
                return self.refuse(
                    space,
                    "It cannot be found out now whose the token is",
                    "overloaded",
                    true,
                );
            }
            Err(Unidentified::Away) => {
                return Err(Ending::Told(End::Cut("It could not be found out whose its token is")));
            }
        };
        let Some(identity) = identity else {
            self.app.metrics.unauthorized.one_more();
            return self.refuse(space, "Unauthorized", "unauthorized", false);
        };
        if self.app.faults.refusal(Some(&identity.user)).is_some() {
            // Who it is was not known when there could have been an HTTP status.
            return Err(Ending::Told(End::Cut("A fault on purpose")));
        }
        let transport = match self.carrier {
            Carrier::Polling(_) => Carrying::Polling,
            Carrier::WebSocket { .. } => Carrying::WebSocket,
        };
        let number = self.next_number();
        let owner = Owner { user: identity.user.clone(), namespace: Name::from(space.name()) };
        // Only now that it is known who it is: a session is its user's.
        let recovery = &self.app.recovery;
        let claimed =
            pid.as_str().and_then(|pid| recovery.find(pid, offset.as_str(), &owner, Instant::now()));
        let open = claimed.as_ref().and_then(|claimed| claimed.open.clone());
        let place = match &open {
            Some((_, own)) if !self.app.draining() => Some(Arc::clone(own)),
            _ => self.app.place().map(Arc::new),
        };
        let Some(place) = place else {
            let about = About { user: Some(&owner.user), ..About::default() };
            self.app.gate.refusals.note_about(self.app.why_full(), self.client.address, &about);
            if self.is_returning {
                // It would not have been let in so far, and comes back by itself only after that.
                return Err(Ending::Told(End::Cut("The server takes no more connections now")));
            }
            return self.refuse(space, "The server takes no more connections now", "overloaded", true);
        };
        if let Some((open, _)) = open {
            // What carries it is gone, which the server has not noticed.
            self.app.switchboard.cut(open);
        }
        let admission = Admission { number, space: space.clone(), identity, positions, place, claimed };
        match Seating::begin(&self.app, admission, self.client.address, transport, &self.link) {
            Ok(seating) => {
                self.entering = Some(Entering::Seating(seating));
                Ok(())
            }
            Err(End::Close { code: 4003, reason }) => self.refuse(space, reason, "forbidden", false),
            Err(End::Close { code: 4011, reason }) => self.refuse(space, reason, "overloaded", true),
            Err(end) => Err(Ending::Told(end)),
        }
    }

    pub(super) fn is_entering(&self) -> bool {
        self.entering.is_some()
    }

    /// Answers the CONNECT of a client as soon as it is known who it is, and whether it is back in its rooms; `false` before
    /// that.
    pub(super) fn has_entered(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        loop {
            match self.entering.take() {
                None => return Ok(true),
                Some(Entering::Asking(mut asked, space, auth)) => match asked.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.entering = Some(Entering::Asking(asked, space, auth));
                        return Ok(false);
                    }
                    Poll::Ready(identity) => self.identified(&space, auth, identity)?,
                },
                Some(Entering::Seating(mut seating)) => {
                    if seating.poll(cx).is_pending() {
                        self.entering = Some(Entering::Seating(seating));
                        return Ok(false);
                    }
                    let seated = seating.finish(&self.app);
                    self.outgoing.push(seated.consent());
                    self.connected(seated);
                }
            }
        }
    }

    /// Refuses a CONNECT. The client may try again, with another token for instance, but not for ever.
    fn refuse(&mut self, space: &Space, message: &str, code: &str, retry: bool) -> Result<(), Ending> {
        self.refusals += 1;
        if self.refusals >= REFUSALS * self.app.spaces.len() {
            return Err(Ending::Over(Limit::RefusedConnects, 4001, "Unauthorized"));
        }
        let error = answers::connect_error(message, Some((code, retry)));
        self.outgoing.push(packet::refused(space.name(), &error));
        if !self.is_seated() {
            self.expect_connect();
        }
        Ok(())
    }
}
