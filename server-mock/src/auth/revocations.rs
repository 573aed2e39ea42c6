//! The list of revoked tokens. Owns the list and its bounds, not the connections that have to end.

use super::Credential;
use super::digest::short;
use rejoin::Name;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Most of them at a time.
pub(crate) const MOST: usize = 100_000;

/// Which token (claim `jti`), by a digest: the list keeps no text of a stranger's, of any length, and every server makes the
/// same of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Jti(pub(crate) [u8; 16]);

impl From<&str> for Jti {
    fn from(text: &str) -> Self {
        Self(short(&[b"rejoin jti ", text.as_bytes()]))
    }
}

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revoked {
    /// Every token that the user has been given so far.
    User(Name),
    /// The token of this name.
    Token(Jti),
}

/// One entry of the list of all servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revocation {
    pub(crate) what: Revoked,
    /// Tokens that were issued later are good.
    pub(crate) at: SystemTime,
    /// For so long still; for no time it is given back.
    pub(crate) lasts: Duration,
}

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Default)]
pub(crate) struct Revocations(Mutex<BTreeMap<Revoked, Entry>>);

struct Entry {
    /// Tokens that were issued later are good.
    at: SystemTime,
    until: Instant,
    /// The list of all servers does not have it.
    is_own: bool,
}

impl Revocations {
    /// Takes something back for so long; for no time, gives it back. `is_own`: on this server only.
    pub(crate) fn add(&self, revocation: Revocation, is_own: bool, now: Instant) -> Result<(), Full> {
        let Revocation { what, at, lasts } = revocation;
        let mut table = self.lock();
        if lasts.is_zero() {
            table.remove(&what);
            return Ok(());
        }
        if table.len() >= MOST && !table.contains_key(&what) {
            table.retain(|_, entry| now < entry.until);
            if table.len() >= MOST {
                return Err(Full);
            }
        }
        table.insert(what, Entry { at, until: now + lasts, is_own });
        Ok(())
    }

    /// Takes the list of all servers; what only this one knows stays. A list that has become empty was lost with its store:
    /// what was on it counts on here. Gives how many these are.
    pub(crate) fn replace(&self, list: Vec<Revocation>, now: Instant) -> Result<usize, Full> {
        let mut table = self.lock();
        table.retain(|_, entry| now < entry.until);
        if list.is_empty() {
            let missing = table.values_mut().filter(|entry| !entry.is_own);
            return Ok(missing.map(|entry| entry.is_own = true).count());
        }
        table.retain(|_, entry| entry.is_own);
        drop(table);
        list.into_iter().try_for_each(|revocation| self.add(revocation, false, now))?;
        Ok(0)
    }

    /// Whether a user's token has been taken back.
    pub(crate) fn has(&self, shown: &Credential, user: &Name, now: Instant) -> bool {
        let table = self.lock();
        if table.is_empty() {
            return false;
        }
        let is_in = |what: &Revoked, issued: Option<SystemTime>| {
            let entry = table.get(what).filter(|entry| now < entry.until);
            // One that does not say when it was issued may be an old one.
            entry.is_some_and(|entry| issued.is_none_or(|issued| issued <= entry.at))
        };
        is_in(&Revoked::User(user.clone()), shown.issued)
            || shown.jti.is_some_and(|jti| is_in(&Revoked::Token(jti), None))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Revoked, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revocations({} of them)", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn taken(what: Revoked, lasts: Duration) -> Revocation {
        Revocation { what, at: SystemTime::now(), lasts }
    }

    fn shown(issued: Option<SystemTime>, jti: Option<&str>) -> Credential {
        Credential { proof: None, jti: jti.map(Jti::from), issued }
    }

    #[test]
    fn a_user_s_tokens_of_before_are_taken_back_and_later_ones_are_good() {
        let (list, now, user) = (Revocations::default(), Instant::now(), Name::from("ada"));
        let (before, after) = (SystemTime::now() - HOUR, SystemTime::now() + HOUR);
        list.add(taken(Revoked::User(user.clone()), HOUR), true, now).unwrap();
        assert!(list.has(&shown(Some(before), None), &user, now));
        assert!(list.has(&shown(None, None), &user, now));
        assert!(!list.has(&shown(Some(after), None), &user, now));
        assert!(!list.has(&shown(Some(before), None), &Name::from("bob"), now));
        assert!(!list.has(&shown(None, None), &user, now + HOUR));
        list.add(taken(Revoked::User(user.clone()), Duration::ZERO), true, now).unwrap();
        assert!(!list.has(&shown(None, None), &user, now));
    }

    #[test]
    fn a_token_is_taken_back_by_its_name_whenever_it_was_issued() {
        let (list, now, user) = (Revocations::default(), Instant::now(), Name::from("ada"));
        list.add(taken(Revoked::Token(Jti::from("t1")), HOUR), true, now).unwrap();
        assert!(list.has(&shown(Some(SystemTime::now() + HOUR), Some("t1")), &user, now));
        assert!(!list.has(&shown(None, Some("t2")), &user, now));
    }

    #[test]
    fn the_list_of_all_servers_takes_the_place_of_what_came_from_it_before() {
        let (list, now) = (Revocations::default(), Instant::now());
        let has = |user: &str| list.has(&shown(None, None), &Name::from(user), now);
        let of = |user: &str| taken(Revoked::User(Name::from(user)), HOUR);
        list.add(of("own"), true, now).unwrap();
        list.add(of("given back meanwhile"), false, now).unwrap();
        list.replace(vec![of("new")], now).unwrap();
        assert!(has("own") && has("new") && !has("given back meanwhile"));
    }

    #[test]
    fn what_the_store_has_lost_counts_on_here() {
        let (list, now) = (Revocations::default(), Instant::now());
        let has = |user: &str| list.has(&shown(None, None), &Name::from(user), now);
        let of = |user: &str| taken(Revoked::User(Name::from(user)), HOUR);
        assert_eq!(list.replace(vec![of("ada"), of("bob")], now), Ok(0));
        assert_eq!(list.replace(Vec::new(), now), Ok(2));
        assert!(has("ada") && has("bob"));
        // Told once.
        assert_eq!(list.replace(Vec::new(), now), Ok(0));
        assert_eq!(list.replace(vec![of("new")], now), Ok(0));
        assert!(has("ada") && has("new"));
        assert_eq!(list.replace(Vec::new(), now + HOUR), Ok(0), "what is over is not missed");
    }

    #[test]
    fn the_list_is_bounded_and_what_is_over_gives_way() {
        let (list, now) = (Revocations::default(), Instant::now());
        for number in 0..MOST {
            let jti = Jti((number as u128).to_be_bytes());
            list.add(taken(Revoked::Token(jti), HOUR), true, now).unwrap();
        }
        let more = || Revoked::User(Name::from("ada"));
        assert_eq!(list.add(taken(more(), HOUR), true, now), Err(Full));
        assert_eq!(list.add(taken(more(), HOUR), true, now + HOUR), Ok(()));
        assert_eq!(list.lock().len(), 1);
    }
}
