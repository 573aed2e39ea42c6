//! CONNECT: who is there, and whether they may be.

use super::answers;
use super::packet::{self, MAIN};
use super::seated::Seated;
use super::session::Session;
use crate::mailbox::End;
use crate::socket::Ending;
use serde::Deserialize;

/// CONNECTs that may be refused; with the last of them the session ends.
const REFUSALS: u8 = 3;

/// What a CONNECT says of itself.
#[derive(Deserialize, Default)]
struct Auth {
    token: Option<String>,
    #[serde(default)]
    positions: bool,
}

impl Session {
    /// Takes a seat, if the client may have one.
    pub(super) fn connect(&mut self, auth: &str) -> Result<(), Ending> {
        let Auth { token, positions } = serde_json::from_str(auth).unwrap_or_default();
        let Ok(identity) = self.app.identify(&self.client, token.as_deref()) else {
            // It comes back by itself only after that, and its handshake is told for how long to wait.
            return Err(Ending::Told(End::Cut));
        };
        let Some(identity) = identity else {
            self.app.metrics.unauthorized.one_more();
            return self.refuse("Unauthorized", "unauthorized", false);
        };
        if self.app.faults.refusal(Some(&identity.user)).is_some() {
            // Who it is was not known when there could have been an HTTP status.
            return Err(Ending::Told(End::Cut));
        }
        let Some(place) = self.app.place() else {
            self.app.gate.refusals.note(self.app.why_full(), self.client.address);
            return self.refuse("The server takes no more connections now", "overloaded", true);
        };
        match Seated::new(&self.app, identity, positions, self.client.address, &self.link) {
            Ok(seated) => {
                self.outgoing.push(packet::connected(&self.app.sessions.sid()));
                self.connected(seated, place);
                Ok(())
            }
            Err(End::Close { code: 4003, reason }) => self.refuse(reason, "forbidden", false),
            Err(End::Close { code: 4011, reason }) => self.refuse(reason, "overloaded", true),
            Err(end) => Err(Ending::Told(end)),
        }
    }

    /// Refuses a CONNECT. The client may try again, with another token for instance, but not for ever.
    fn refuse(&mut self, message: &str, code: &str, retry: bool) -> Result<(), Ending> {
        self.refusals += 1;
        if self.refusals >= REFUSALS {
            return Err(Ending::Violation(4001, "Unauthorized"));
        }
        let error = answers::connect_error(message, Some((code, retry)));
        self.outgoing.push(packet::refused(MAIN, &error));
        self.expect_connect();
        Ok(())
    }
}
