//! CONNECT: who is there, and whether they may be.

use super::answers;
use super::carrier::Carrier;
use super::packet;
use super::recovery::Owner;
use super::seated::{Admission, Seating};
use super::session::Session;
use super::space::Space;
use crate::gate::About;
use crate::limits::Limit;
use crate::mailbox::End;
use crate::session_log::Carrying;
use crate::socket::Ending;
use rejoin::Name;
use rejoin::socketio::NO_NAMESPACE;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

/// CONNECTs that may be refused for each namespace there is; with the last of them the session ends.
const REFUSALS: usize = 3;

/// What a CONNECT says of itself.
#[derive(Deserialize, Default)]
struct Auth {
    token: Option<String>,
    #[serde(default)]
    positions: bool,
    /// The session to go on with, and the last place received in it.
    #[serde(default)]
    pid: Value,
    #[serde(default)]
    offset: Value,
}

impl Session {
    /// Takes a seat in a namespace, if there is such and the client may have one.
    pub(super) fn connect(&mut self, namespace: &str, auth: &str) -> Result<(), Ending> {
        let Some(space) = self.app.spaces.find(namespace).cloned() else {
            let error = answers::connect_error(NO_NAMESPACE, None);
            self.outgoing.push(packet::refused(namespace, &error));
            return Ok(());
        };
        let Auth { token, positions, pid, offset } = serde_json::from_str(auth).unwrap_or_default();
        let Ok(identity) = self.app.identify(&self.client, token.as_deref()) else {
            // It comes back by itself only after that, and its handshake is told for how long to wait.
            return Err(Ending::Told(End::Cut("Too many wrong tokens came from its address")));
        };
        let Some(identity) = identity else {
            self.app.metrics.unauthorized.one_more();
            return self.refuse(&space, "Unauthorized", "unauthorized", false);
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
            return self.refuse(&space, "The server takes no more connections now", "overloaded", true);
        };
        if let Some((open, _)) = open {
            // What carries it is gone, which the server has not noticed.
            self.app.switchboard.cut(open);
        }
        let admission = Admission { number, space: space.clone(), identity, positions, place, claimed };
        match Seating::begin(&self.app, admission, self.client.address, transport, &self.link) {
            Ok(seating) => {
                self.entering = Some(seating);
                Ok(())
            }
            Err(End::Close { code: 4003, reason }) => self.refuse(&space, reason, "forbidden", false),
            Err(End::Close { code: 4011, reason }) => self.refuse(&space, reason, "overloaded", true),
            Err(end) => Err(Ending::Told(end)),
        }
    }

    pub(super) fn is_entering(&self) -> bool {
        self.entering.is_some()
    }

    /// Answers the CONNECT of a client that is let in as soon as it is known whether it is back in its rooms; `false` before
    /// that.
    pub(super) fn has_entered(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(seating) = &mut self.entering else { return true };
        if seating.poll(cx).is_pending() {
            return false;
        }
        if let Some(seating) = self.entering.take() {
            let seated = seating.finish(&self.app);
            self.outgoing.push(seated.consent());
            self.connected(seated);
        }
        true
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
