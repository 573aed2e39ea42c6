//! Tickets: what a page puts into a URL in the place of a token. Owns how they are made, kept and used up, and not whose a
//! token is.
//!
//! A ticket lets in whom its token would have let in, once and for half a minute. It is random, and whom it lets in is kept
//! under its digest: here, or in the store of all servers, where the list here only counts them.

use super::Identity;
use super::shared::{TicketKey, key};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rejoin::Name;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a ticket is good for: a page opens its connection at once.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30);

/// By what a ticket is told from a token.
const BEGINNING: &str = "rejoin-ticket-";

/// Random bytes of one.
const BYTES: usize = 16;

/// Most tickets of one user, and most bytes of what is kept of all.
const MOST_OF_ONE: usize = 64;
const MOST_BYTES: usize = 16 << 20;

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    OfUser,
}

pub(crate) struct Tickets {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    entries: BTreeMap<TicketKey, Entry>,
    /// The oldest first, some of them used: at most as many as may be kept.
    order: VecDeque<(Instant, TicketKey)>,
    of_users: BTreeMap<Name, usize>,
    bytes: usize,
}

struct Entry {
    user: Name,
    /// `None` if it is kept elsewhere.
    identity: Option<Identity>,
    bytes: usize,
    until: Instant,
}

impl Tickets {
    /// As many at a time.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), table: Mutex::default() }
    }

    /// Whether a text is to be looked for among the tickets.
    pub(crate) fn is_one(text: &str) -> bool {
        text.starts_with(BEGINNING)
    }

    /// A new ticket. Nobody is let in by it yet.
    pub(super) fn new_one() -> Result<String, Full> {
        let mut random = [0; BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| Full::All)?;
        Ok(format!("{BEGINNING}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// Counts a ticket of a user, and keeps whom it lets in unless that is kept elsewhere.
    pub(super) fn give(
        &self,
        ticket: &str,
        user: &Name,
        identity: Option<Identity>,
        now: Instant,
    ) -> Result<(), Full> {
        let bytes = identity.as_ref().map_or(0, |identity| identity.rights.bytes());
        let mut table = self.lock();
        table.expire(now);
        let own = table.of_users.get(user).copied().unwrap_or(0);
        if own >= MOST_OF_ONE {
            return Err(Full::OfUser);
        }
        if table.entries.len() >= self.most || table.bytes + bytes > MOST_BYTES {
            return Err(Full::All);
        }
        if table.order.len() >= self.most.saturating_mul(2) {
            // Half of them at least were used, so that this is seldom.
            let Table { entries, order, .. } = &mut *table;
            order.retain(|(_, key)| entries.contains_key(key));
        }
        let (key, until) = (key(ticket), now + LIFETIME);
        table.bytes += bytes;
        *table.of_users.entry(user.clone()).or_default() += 1;
        table.order.push_back((until, key));
        table.entries.insert(key, Entry { user: user.clone(), identity, bytes, until });
        Ok(())
    }

    /// Whom a ticket lets in that is kept here; it is used up by that.
    pub(super) fn take(&self, ticket: &str, now: Instant) -> Option<Identity> {
        let entry = self.lock().remove(&key(ticket))?;
        entry.identity.filter(|_| now < entry.until)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn expire(&mut self, now: Instant) {
        while let Some((until, key)) = self.order.front().copied()
            && until <= now
        {
            self.order.pop_front();
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &TicketKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= entry.bytes;
        if let Some(count) = self.of_users.get_mut(&entry.user) {
            *count -= 1;
            if *count == 0 {
                self.of_users.remove(&entry.user);
            }
        }
        Some(entry)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({} of them)", self.lock().entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Auth;
    use crate::hub::{Right, Rights};

    fn give(tickets: &Tickets, user: &str, now: Instant) -> Result<String, Full> {
        let identity = Auth::Open.identify_at_once(user, now).unwrap();
        let mut identity = identity.unwrap();
        identity.rights = Rights::from_patterns([("lobby", &[Right::Join][..])]).unwrap();
        let ticket = Tickets::new_one()?;
        tickets.give(&ticket, &Name::from(user), Some(identity), now)?;
        Ok(ticket)
    }

    #[test]
    fn a_ticket_is_good_once_and_for_half_a_minute() {
        let (tickets, start) = (Tickets::new(10), Instant::now());
        let ticket = give(&tickets, "ada", start).unwrap();
        assert!(Tickets::is_one(&ticket) && !Tickets::is_one("ada"));
        let late = start + LIFETIME;
        assert_eq!(&*tickets.take(&ticket, start).unwrap().user, "ada");
        assert!(tickets.take(&ticket, start).is_none());
        let other = give(&tickets, "ada", start).unwrap();
        assert_ne!(other, ticket);
        assert!(tickets.take(&other, late).is_none());
        assert!(!format!("{tickets:?}").contains("ada"));
    }

    #[test]
    fn tickets_are_bounded_in_all_and_for_each_user_and_are_forgotten() {
        let (tickets, start) = (Tickets::new(100), Instant::now());
        for _ in 0..MOST_OF_ONE {
            give(&tickets, "ada", start).unwrap();
        }
        assert_eq!(give(&tickets, "ada", start), Err(Full::OfUser));
        for user in 0..100 - MOST_OF_ONE {
            give(&tickets, &format!("u{user}"), start).unwrap();
        }
        assert_eq!(give(&tickets, "bob", start), Err(Full::All));
        let later = start + LIFETIME;
        assert!(give(&tickets, "ada", later).is_ok());
        let table = tickets.lock();
        assert_eq!((table.entries.len(), table.order.len(), table.of_users.len()), (1, 1, 1));
        assert!((1..1_000).contains(&table.bytes));
    }

    #[test]
    fn what_was_used_keeps_nobody_from_a_ticket() {
        let (tickets, now) = (Tickets::new(3), Instant::now());
        for _ in 0..100 {
            let ticket = give(&tickets, "ada", now).unwrap();
            assert!(tickets.take(&ticket, now).is_some());
            assert!(tickets.lock().order.len() <= 6);
        }
        let kept = give(&tickets, "bob", now).unwrap();
        for _ in 0..10 {
            let ticket = give(&tickets, "ada", now).unwrap();
            tickets.take(&ticket, now);
        }
        assert!(tickets.take(&kept, now).is_some());
    }
}
