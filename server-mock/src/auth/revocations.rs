//! The list of revoked tokens. Owns the list and its bounds, not the connections that have to end.

use super::Credential;
use super::digest::short;
use rejoin::Name;
use std::collections::BTreeMap;
#[cfg(feature = "redis")]
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;
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
}

impl Entry {
    fn revocation(&self, what: &Revoked, now: Instant) -> Revocation {
        Revocation { what: what.clone(), at: self.at, lasts: self.until.saturating_duration_since(now) }
    }
}

impl Revocations {
    /// Takes something back for so long; for no time, gives it back.
    pub(crate) fn add(&self, revocation: Revocation, now: Instant) -> Result<(), Full> {
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
        table.insert(what, Entry { at, until: now + lasts });
        Ok(())
    }

    /// Takes the list of all servers, which says too what was given back. Gives what is known here and not there: that was lost with
    /// the store, or could not be said to it, and counts on.
    #[cfg(feature = "redis")]
    pub(crate) fn merge(&self, list: Vec<Revocation>, now: Instant) -> Result<Vec<Revocation>, Full> {
        let listed: BTreeSet<Revoked> = list.iter().map(|revocation| revocation.what.clone()).collect();
        let mut table = self.lock();
        table.retain(|_, entry| now < entry.until);
        let missing = table.iter().filter(|(what, _)| !listed.contains(what));
        let missing = missing.map(|(what, entry)| entry.revocation(what, now)).collect();
        drop(table);
        list.into_iter().try_for_each(|revocation| self.add(revocation, now))?;
        Ok(missing)
    }

    /// What is taken back, in order behind one of them: at most `limit`, and whether there are more.
    pub(crate) fn list(
        &self,
        after: Option<&Revoked>,
        limit: usize,
        now: Instant,
    ) -> (Vec<Revocation>, bool) {
        let table = self.lock();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut held = table.range((start, Bound::Unbounded)).filter(|(_, entry)| now < entry.until);
        let first = held.by_ref().take(limit).map(|(what, entry)| entry.revocation(what, now)).collect();
        (first, held.next().is_some())
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
        list.add(taken(Revoked::User(user.clone()), HOUR), now).unwrap();
        assert!(list.has(&shown(Some(before), None), &user, now));
        assert!(list.has(&shown(None, None), &user, now));
        assert!(!list.has(&shown(Some(after), None), &user, now));
        assert!(!list.has(&shown(Some(before), None), &Name::from("bob"), now));
        assert!(!list.has(&shown(None, None), &user, now + HOUR));
        list.add(taken(Revoked::User(user.clone()), Duration::ZERO), now).unwrap();
        assert!(!list.has(&shown(None, None), &user, now));
    }

    #[test]
    fn a_token_is_taken_back_by_its_name_whenever_it_was_issued() {
        let (list, now, user) = (Revocations::default(), Instant::now(), Name::from("ada"));
        list.add(taken(Revoked::Token(Jti::from("t1")), HOUR), now).unwrap();
        assert!(list.has(&shown(Some(SystemTime::now() + HOUR), Some("t1")), &user, now));
        assert!(!list.has(&shown(None, Some("t2")), &user, now));
    }

    #[test]
    #[cfg(feature = "redis")]
    fn what_the_store_does_not_know_counts_on_here_and_is_to_be_written_back() {
        let (list, now) = (Revocations::default(), Instant::now());
        let has = |user: &str| list.has(&shown(None, None), &Name::from(user), now);
        let of = |user: &str| taken(Revoked::User(Name::from(user)), HOUR);
        let names = |revocations: Vec<Revocation>| {
            revocations.into_iter().map(|revocation| revocation.what).collect::<Vec<_>>()
        };
        list.add(of("own"), now).unwrap();
        list.add(of("given back meanwhile"), now).unwrap();
        let back = taken(Revoked::User(Name::from("given back meanwhile")), Duration::ZERO);
        let missing = list.merge(vec![of("new"), back], now).unwrap();
        assert_eq!(names(missing), [Revoked::User(Name::from("own"))]);
        assert!(has("own") && has("new") && !has("given back meanwhile"));
        assert_eq!(list.merge(Vec::new(), now).unwrap().len(), 2);
        assert!(has("own") && has("new"));
        assert_eq!(list.merge(Vec::new(), now + HOUR), Ok(Vec::new()), "what is over is not missed");
    }

    #[test]
    fn what_is_taken_back_is_listed_in_parts() {
        let (list, now) = (Revocations::default(), Instant::now());
        for user in ["bob", "ada"] {
            list.add(taken(Revoked::User(Name::from(user)), HOUR), now).unwrap();
        }
        let (first, more) = list.list(None, 1, now);
        assert_eq!((&first[0].what, first[0].lasts, more), (&Revoked::User(Name::from("ada")), HOUR, true));
        let (rest, more) = list.list(Some(&first[0].what), 9, now);
        assert_eq!((rest.len(), more), (1, false));
        assert!(list.list(None, 9, now + HOUR).0.is_empty());
    }

    #[test]
    fn the_list_is_bounded_and_what_is_over_gives_way() {
        let (list, now) = (Revocations::default(), Instant::now());
        for number in 0..MOST {
            let jti = Jti((number as u128).to_be_bytes());
            list.add(taken(Revoked::Token(jti), HOUR), now).unwrap();
        }
        let more = || Revoked::User(Name::from("ada"));
        assert_eq!(list.add(taken(more(), HOUR), now), Err(Full));
        assert_eq!(list.add(taken(more(), HOUR), now + HOUR), Ok(()));
        assert_eq!(list.lock().len(), 1);
    }
}
