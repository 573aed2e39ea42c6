//! Whose a token is, all in all: a ticket stands for a token, the token is somebody's, and nobody has taken it back.

use super::revocations::{Full, Revocations, Revoked};
use super::tickets::Tickets;
use super::{Auth, Identity, Shown};
use rejoin::Name;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) auth: Auth,
    pub(crate) tickets: Tickets,
    revocations: Revocations,
}

impl Authority {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth, tickets: Tickets::default(), revocations: Revocations::default() }
    }

    /// Whose it is; `None` for nobody's. A ticket is used up.
    pub(crate) fn identify(&self, shown: &str, now: Instant) -> Option<Identity> {
        let identity = if Tickets::is_one(shown) {
            let token = self.tickets.take(shown, now)?;
            self.auth.identify(token.expose(), now)
        } else {
            self.auth.identify(shown, now)
        };
        identity.filter(|identity| !self.revocations.has(&identity.shown, &identity.user, now))
    }

    /// Whether what a user was let in by is still good. A token whose time is over is somebody else's to end.
    pub(crate) fn holds(&self, shown: &Shown, user: &Name) -> bool {
        shown.proof.is_none_or(|proof| self.auth.holds(proof, user))
            && !self.revocations.has(shown, user, Instant::now())
    }

    /// Takes tokens back for so long; for no time, gives them back.
    pub(crate) fn revoke(&self, what: Revoked, lasts: Duration) -> Result<(), Full> {
        self.revocations.add(what, lasts, Instant::now())
    }
}
