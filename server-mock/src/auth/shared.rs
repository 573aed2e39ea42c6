//! The interface to what several servers share of tokens: tickets and revocations. Owns the types, and how a ticket is
//! encrypted; does no I/O.

use super::digest::{hex, sha256, unhex};
use super::jwt::KeyId;
use super::revocations::{Jti, Revoked};
use super::tokens::Tokens;
use super::{Auth, Credential, Identity, Proof, is_user_name};
use crate::hub::{Pattern, Rights};
use futures_util::future::BoxFuture;
use rejoin::Name;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Under what a ticket is kept. Who reads it there has no ticket.
pub(crate) type TicketKey = [u8; 32];

/// The store does not answer now: nothing is known of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// Why something is not taken back on every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotShared {
    Unavailable,
    /// Too much is taken back there.
    Full,
}

/// The store of all servers.
pub(crate) trait Shared: Send + Sync {
    /// Keeps a ticket for as long as it is good.
    fn keep_ticket(
        &self,
        key: &TicketKey,
        sealed: &[u8],
        lasts: Duration,
    ) -> BoxFuture<'static, Result<(), Unavailable>>;

    /// What was kept of it; from then on nobody finds it any more.
    fn take_ticket(&self, key: &TicketKey) -> BoxFuture<'static, Result<Option<Vec<u8>>, Unavailable>>;

    /// Takes something back on every server for so long, or for no time gives it back; from which moment on tokens are good
    /// again, by the clock of the store.
    fn revoke(&self, what: &Revoked, lasts: Duration) -> BoxFuture<'static, Result<SystemTime, NotShared>>;
}

/// Who is let in by a ticket, as it is kept. It is encrypted with a key that is made of the ticket: whoever reads the store
/// learns nothing, not even for whom it is.
#[derive(Serialize, Deserialize)]
struct SealedTicket {
    u: String,
    /// Milliseconds until the token's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<u64>,
    /// When it was issued, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    i: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    j: Option<String>,
    /// A digest of the token, if it is one of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<String>,
    /// Which key has verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<Vec<Pattern>>,
}

/// Under what a ticket is kept.
pub(super) fn key(ticket: &str) -> TicketKey {
    sha256(&[b"rejoin ticket ", ticket.as_bytes()])
}

/// What is kept of a ticket; `None` if its rights are no patterns, which can be kept nowhere.
pub(super) fn seal(ticket: &str, identity: &Identity, token: &str, now: Instant) -> Option<Vec<u8>> {
    let Identity { user, expires, credential: shown, rights } = identity;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let kept = SealedTicket {
        u: user.to_string(),
        e: expires.map(|end| millis(end.saturating_duration_since(now))),
        i: shown.issued.and_then(|issued| issued.duration_since(UNIX_EPOCH).ok()).map(millis),
        j: shown.jti.map(|jti| hex(&jti.0)),
        t: matches!(shown.proof, Some(Proof::Token(_))).then(|| hex(&Tokens::digest(token))),
        k: if let Some(Proof::Key(key)) = shown.proof { Some(hex(&key.0)) } else { None },
        r: rights.to_stored().ok()?,
    };
    let mut text = serde_json::to_vec(&kept).ok()?;
    cipher(ticket)?.seal_in_place_append_tag(nonce(), Aad::empty(), &mut text).ok()?;
    Some(text)
}

/// Who is let in by a ticket of which this was kept.
pub(super) fn open(ticket: &str, mut sealed: Vec<u8>, auth: &Auth, now: Instant) -> Option<Identity> {
    let text = cipher(ticket)?.open_in_place(nonce(), Aad::empty(), &mut sealed).ok()?;
    let SealedTicket { u, e, i, j, t, k, r } = serde_json::from_slice(text).ok()?;
    let proof = match (t, k) {
        (Some(digest), _) => Some(auth.proof(&unhex(&digest)?)?),
        (None, Some(key)) => Some(Proof::Key(KeyId(unhex(&key)?))),
        (None, None) => None,
    };
    let jti = match j {
        Some(jti) => Some(Jti(unhex(&jti)?)),
        None => None,
    };
    Some(Identity {
        user: Some(u).filter(|user| is_user_name(user)).map(Name::from)?,
        expires: e.and_then(|left| now.checked_add(Duration::from_millis(left))),
        credential: Credential {
            proof,
            jti,
            issued: i.and_then(|issued| UNIX_EPOCH.checked_add(Duration::from_millis(issued))),
        },
        rights: Rights::from_stored(r)?,
    })
}

fn cipher(ticket: &str) -> Option<LessSafeKey> {
    let key = sha256(&[b"rejoin ticket seal ", ticket.as_bytes()]);
    UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new)
}

/// Each key encrypts one text.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Right;

    #[test]
    fn what_is_kept_of_a_ticket_is_read_with_the_ticket_only() {
        let now = Instant::now();
        let auth = Auth::Tokens(Tokens::parse("canary ada 60\n").unwrap());
        let other = Auth::Tokens(Tokens::parse("canary ada 60\nmore bob\n").unwrap());
        let mut identity = auth.identify_at_once("canary", now).unwrap().unwrap();
        identity.rights =
            Rights::from_patterns([("team-*", &[Right::Join][..]), ("ops", &[Right::Send])]).unwrap();
        identity.credential.jti = Some(Jti::from("t1"));
        let sealed = seal("t", &identity, "canary", now).unwrap();
        let shown = String::from_utf8_lossy(&sealed).into_owned();
        assert!(!shown.contains("ada") && !shown.contains("team") && !shown.contains("canary"));
        let open_on = |auth: &Auth, ticket| open(ticket, sealed.clone(), auth, now);
        let opened = open_on(&other, "t").unwrap();
        // Another server has other fingerprints.
        assert!(other.holds(opened.credential.proof.unwrap(), &opened.user));
        assert_eq!(open_on(&auth, "t"), Some(identity));
        assert_eq!(open_on(&auth, "u"), None);
        assert_eq!(open("t", sealed.split_at(9).0.to_vec(), &auth, now), None);
    }

    #[test]
    fn rights_that_are_a_function_are_kept_nowhere() {
        let now = Instant::now();
        let mut identity = Auth::Open.identify_at_once("ada", now).unwrap().unwrap();
        assert!(seal("t", &identity, "ada", now).is_some());
        identity.rights = Rights::from_fn(|_, _| true);
        assert!(seal("t", &identity, "ada", now).is_none());
    }
}
