//! Authenticates tokens and tickets, and rejects revoked ones. Tickets and revocations that several servers share come from
//! their store.

use super::revocations::{Full, Revocation, Revocations, Revoked};
use super::shared::{self, NotShared, Shared, Unavailable};
use super::tickets::{LIFETIME, Tickets};
use super::{Auth, AuthRequest, Credential, Identity, NeedsRemote, TokenRejection, Verified};
use crate::limits::Limit;
use rejoin::Name;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub(crate) struct Authority {
    pub(crate) auth: Auth,
    tickets: Tickets,
    revocations: Revocations,
    /// Where several servers keep tickets and revocations.
    shared: Option<Arc<dyn Shared>>,
}

/// Why there is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTicket {
    /// There are too many.
    Full(Limit),
    /// The store of all servers does not answer.
    Unavailable,
}

impl From<super::tickets::Full> for NoTicket {
    fn from(full: super::tickets::Full) -> Self {
        Self::Full(match full {
            super::tickets::Full::All => Limit::Tickets,
            super::tickets::Full::OfUser => Limit::TicketsOfUser,
        })
    }
}

impl Authority {
    /// `tickets`: so many may be given and not used.
    pub(crate) fn new(auth: Auth, tickets: usize) -> Self {
        Self { auth, tickets: Tickets::new(tickets), revocations: Revocations::default(), shared: None }
    }

    /// Is that of one of several servers.
    #[cfg(feature = "redis")]
    pub(crate) fn with_redis(self, shared: Option<Arc<dyn Shared>>) -> Self {
        Self { shared, ..self }
    }

    /// Whose it is, if nobody else has to be asked for that. A ticket is used up.
    pub(crate) fn identify_at_once(&self, shown: &str, now: Instant) -> Result<Verified, NeedsRemote> {
        let identity = if Tickets::is_one(shown) {
            let identity = self.tickets.take(shown, now);
            if identity.is_none() && self.shared.is_some() {
                return Err(NeedsRemote);
            }
            identity.ok_or(TokenRejection::Ticket)
        } else {
            self.auth.identify_at_once(shown, now)?
        };
        Ok(self.valid(identity, now))
    }

    /// Whose it is, whoever has to be asked.
    pub(crate) async fn identify(&self, shown: &str, request: &AuthRequest) -> Result<Verified, Unavailable> {
        if let Ok(identity) = self.identify_at_once(shown, Instant::now()) {
            return Ok(identity);
        }
        let identity = match &self.shared {
            Some(shared) if Tickets::is_one(shown) => {
                let kept = shared.take_ticket(&shared::key(shown)).await?;
                let open = |kept| shared::open(shown, kept, &self.auth, Instant::now());
                kept.and_then(open).ok_or(TokenRejection::Ticket)
            }
            _ => self.auth.identify(shown, request).await?,
        };
        Ok(self.valid(identity, Instant::now()))
    }

    fn valid(&self, whose: Verified, now: Instant) -> Verified {
        let identity = whose?;
        let Identity { user, expires, credential, .. } = &identity;
        if expires.is_some_and(|end| end <= now) {
            return Err(TokenRejection::Expired);
        }
        if self.revocations.has(credential, user, now) {
            return Err(TokenRejection::Revoked);
        }
        Ok(identity)
    }

    /// A ticket for a token, which is good on every server.
    pub(crate) async fn give_ticket(&self, identity: &Identity, token: &str) -> Result<String, NoTicket> {
        let (ticket, now) = (Tickets::new_one()?, Instant::now());
        let sealed = self.shared.as_ref().zip(shared::seal(&ticket, identity, token, now));
        let Some((shared, sealed)) = sealed else {
            self.tickets.give(&ticket, &identity.user, Some(identity.clone()), now)?;
            return Ok(ticket);
        };
        self.tickets.give(&ticket, &identity.user, None, now)?;
        let kept = shared.keep_ticket(&shared::key(&ticket), &sealed, LIFETIME).await;
        kept.map(|()| ticket).map_err(|Unavailable| NoTicket::Unavailable)
    }

    /// Whether what a user was let in by is still good. A token whose time is over is somebody else's to end.
    pub(crate) fn holds(&self, shown: &Credential, user: &Name) -> bool {
        shown.proof.is_none_or(|proof| self.auth.holds(proof, user))
            && !self.revocations.has(shown, user, Instant::now())
    }

    /// Takes tokens back for so long on every server; for no time, gives them back. On this one it holds whatever becomes of
    /// the others: an error of the inner one is about these.
    pub(crate) async fn revoke(&self, what: Revoked, lasts: Duration) -> Result<Result<(), NotShared>, Full> {
        let own = Revocation { what: what.clone(), at: SystemTime::now(), lasts };
        self.revocations.add(own, Instant::now())?;
        let Some(shared) = &self.shared else { return Ok(Ok(())) };
        match shared.revoke(&what, lasts).await {
            Ok(at) => {
                self.revocations.add(Revocation { what, at, lasts }, Instant::now())?;
                Ok(Ok(()))
            }
            Err(why) => Ok(Err(why)),
        }
    }

    /// What is taken back, in order behind one of them: at most `limit`, and whether there are more.
    pub(crate) fn revocations(&self, after: Option<&Revoked>, limit: usize) -> (Vec<Revocation>, bool) {
        self.revocations.list(after, limit, Instant::now())
    }

    /// Another server has taken tokens back, or this is the list of all of them. Gives those that are known here and not on that
    /// list.
    #[cfg(feature = "redis")]
    pub(crate) fn apply_revocations(
        &self,
        revocations: Vec<Revocation>,
        is_whole: bool,
    ) -> Result<Vec<Revocation>, Full> {
        let now = Instant::now();
        if is_whole {
            return self.revocations.merge(revocations, now);
        }
        revocations.into_iter().try_for_each(|revocation| self.revocations.add(revocation, now))?;
        Ok(Vec::new())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("auth", &self.auth)
            .field("tickets", &self.tickets)
            .field("revocations", &self.revocations)
            .field("shared", &self.shared.is_some())
            .finish()
    }
}
