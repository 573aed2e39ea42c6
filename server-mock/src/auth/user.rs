//! A user as a function or an endpoint of the application describes it: name, rights, lifetime. Owns the bounds of each.

use super::{Credential, Identity, Jti, is_user_name};
use crate::hub::Rights;
use rejoin::Name;
use std::time::{Duration, Instant, SystemTime};

/// Longest time that a user is let in for, so that it can be counted.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Somebody who is let in.
///
/// ```
/// use rejoin_server::auth::User;
/// use rejoin_server::hub::{Right, Rights};
/// use std::time::Duration;
///
/// let rights = Rights::from_patterns([("team-*", &[Right::Join, Right::Send][..])])?;
/// let ada = User::new("ada").with_rights(rights).with_ttl(Duration::from_secs(3600));
/// # Ok::<(), rejoin_server::hub::RightsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct User {
    name: String,
    rights: Rights,
    lasts: Option<Duration>,
    jti: Option<Jti>,
    issued: Option<SystemTime>,
}

impl User {
    /// Who may do everything, without end. A name has 1–128 characters, none of them invisible: another one lets nobody in.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), rights: Rights::all(), lasts: None, jti: None, issued: None }
    }

    /// Who may do this only.
    pub fn with_rights(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// Whose connections end after so long, unless they show a new token.
    pub fn with_ttl(self, time: Duration) -> Self {
        Self { lasts: Some(time.min(LONGEST)), ..self }
    }

    /// Whose token has this name and was issued then, so that `POST /revocations` knows it.
    pub fn with_token(self, jti: Option<&str>, issued: Option<SystemTime>) -> Self {
        Self { jti: jti.map(Jti::from), issued, ..self }
    }

    pub(super) fn is_named(&self) -> bool {
        is_user_name(&self.name)
    }

    /// Bytes of it, about.
    pub(super) fn bytes(&self) -> usize {
        self.name.len() + self.rights.bytes()
    }

    /// `None` if the name is none, or the time is over.
    pub(super) fn identity(self, now: Instant) -> Option<Identity> {
        let Self { name, rights, lasts, jti, issued } = self;
        let user = Some(name).filter(|name| is_user_name(name)).map(Name::from)?;
        let expires = lasts.map(|lasts| now + lasts);
        let shown = Credential { proof: None, jti, issued };
        Some(Identity { user, expires, credential: shown, rights })
            .filter(|_| lasts.is_none_or(|lasts| !lasts.is_zero()))
    }
}
