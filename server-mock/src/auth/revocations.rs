//! Tokens that an operator has taken back before their end. Owns the list, and not what becomes of their connections.

use super::Shown;
use rejoin::Name;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Most of them at a time.
const MOST: usize = 100_000;

/// Of this process: nobody can make a `jti` that is taken for another one's.
static PRINTS: LazyLock<(RandomState, RandomState)> = LazyLock::new(Default::default);

/// Which token (claim `jti`), by a keyed fingerprint: the list keeps no text of a stranger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Jti(u64, u64);

impl From<&str> for Jti {
    fn from(text: &str) -> Self {
        Self(PRINTS.0.hash_one(text), PRINTS.1.hash_one(text))
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

impl Revocations {
    /// Takes something back for so long; for no time, gives it back.
    pub(crate) fn add(&self, what: Revoked, lasts: Duration, now: Instant) -> Result<(), Full> {
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
        table.insert(what, Entry { at: SystemTime::now(), until: now + lasts });
        Ok(())
    }

    /// Whether a user's token has been taken back.
    pub(crate) fn has(&self, shown: &Shown, user: &Name, now: Instant) -> bool {
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

    fn shown(issued: Option<SystemTime>, jti: Option<&str>) -> Shown {
        Shown { proof: None, jti: jti.map(Jti::from), issued }
    }

    #[test]
    fn a_user_s_tokens_of_before_are_taken_back_and_later_ones_are_good() {
        let (list, now, user) = (Revocations::default(), Instant::now(), Name::from("ada"));
        let (before, after) = (SystemTime::now() - HOUR, SystemTime::now() + HOUR);
        list.add(Revoked::User(user.clone()), HOUR, now).unwrap();
        assert!(list.has(&shown(Some(before), None), &user, now));
        assert!(list.has(&shown(None, None), &user, now));
        assert!(!list.has(&shown(Some(after), None), &user, now));
        assert!(!list.has(&shown(Some(before), None), &Name::from("bob"), now));
        assert!(!list.has(&shown(None, None), &user, now + HOUR));
        list.add(Revoked::User(user.clone()), Duration::ZERO, now).unwrap();
        assert!(!list.has(&shown(None, None), &user, now));
    }

    #[test]
    fn a_token_is_taken_back_by_its_name_whenever_it_was_issued() {
        let (list, now, user) = (Revocations::default(), Instant::now(), Name::from("ada"));
        list.add(Revoked::Token(Jti::from("t1")), HOUR, now).unwrap();
        assert!(list.has(&shown(Some(SystemTime::now() + HOUR), Some("t1")), &user, now));
        assert!(!list.has(&shown(None, Some("t2")), &user, now));
    }

    #[test]
    fn the_list_is_bounded_and_what_is_over_gives_way() {
        let (list, now) = (Revocations::default(), Instant::now());
        for number in 0..MOST {
            list.add(Revoked::Token(Jti(0, number as u64)), HOUR, now).unwrap();
        }
        let more = || Revoked::User(Name::from("ada"));
        assert_eq!(list.add(more(), HOUR, now), Err(Full));
        assert_eq!(list.add(more(), HOUR, now + HOUR), Ok(()));
        assert_eq!(list.lock().len(), 1);
    }
}
