//! The Socket.IO namespaces that a chat is in, each with its client and the messages sent there; on other servers there is one.
//! Finds the namespace that a room is in by the room's name. Prints nothing.

use super::pending::{Display, PendingMessages};
use crate::socket_io::is_room_in;
use rejoin::{Client, State};
use tokio::time::Instant;

pub(super) struct Namespace {
    name: String,
    pub(super) client: Client,
    pub(super) own: PendingMessages,
}

pub(super) struct Namespaces {
    /// The one that the connection begins with: its rooms are named without it.
    first: Namespace,
    others: Vec<Namespace>,
}

impl Namespaces {
    /// `user`: the user's name, where it is known.
    pub(super) fn new(client: Client, name: &str, user: Option<String>) -> Self {
        let first = Namespace { name: name.to_owned(), client, own: PendingMessages::new(user) };
        Self { first, others: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, client: Client) {
        let own = PendingMessages::new(self.first.own.name());
        self.others.push(Namespace { name: name.to_owned(), client, own });
    }

    pub(super) fn first(&self) -> &Namespace {
        &self.first
    }

    /// The one with this name; the first without one.
    pub(super) fn named(&mut self, name: Option<&str>) -> &mut Namespace {
        let other = name.and_then(|name| self.others.iter_mut().find(|other| other.name == name));
        other.unwrap_or(&mut self.first)
    }

    /// The namespace that a room is in, and the room's name there.
    pub(super) fn of<'a>(&mut self, room: &'a str) -> (&mut Namespace, &'a str) {
        let Some((place, inside)) = room.split_once(',') else { return (&mut self.first, room) };
        match self.others.iter_mut().find(|other| other.name == place) {
            Some(other) => (other, inside),
            None => (&mut self.first, room),
        }
    }

    /// A room as it is shown, from how the user has named it: one of the first namespace may be named with that, too. The error
    /// is the name of a namespace that is not open.
    pub(super) fn shown<'a>(&self, room: &'a str) -> Result<&'a str, &'a str> {
        match room.split_once(',') {
            Some((place, inside)) if !self.others.is_empty() && is_room_in(room) => {
                if place == self.first.name {
                    return Ok(inside);
                }
                let is_open = self.others.iter().any(|other| other.name == place);
                if is_open { Ok(room) } else { Err(place) }
            }
            _ => Ok(room),
        }
    }

    /// Asks again for the others that have failed. The connection is the first one's.
    pub(super) fn reopen(&self) {
        for other in &self.others {
            if other.client.status().state == State::Failed {
                other.client.connect();
            }
        }
    }

    /// How the others are, each with its name.
    pub(super) fn others(&self) -> impl Iterator<Item = (&str, &Client)> {
        self.others.iter().map(|other| (other.name.as_str(), &other.client))
    }

    /// The user's name, as far as messages show it.
    pub(super) fn user(&self) -> Option<String> {
        self.all().find_map(|namespace| namespace.own.name())
    }

    /// How many messages have no outcome yet.
    pub(super) fn pending(&self) -> usize {
        self.all().map(|namespace| namespace.own.pending()).sum()
    }

    /// Whether everything has been shown that will be.
    pub(super) fn is_empty(&self) -> bool {
        self.all().all(|namespace| namespace.own.is_empty())
    }

    /// When [`Namespaces::overdue`] has something next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.all().filter_map(|namespace| namespace.own.next_due()).min()
    }

    /// What has waited long enough. With `all`, what is waiting at all.
    pub(super) fn overdue(&mut self, now: Instant, all: bool) -> Vec<Display> {
        let namespaces = std::iter::once(&mut self.first).chain(&mut self.others);
        namespaces.flat_map(|namespace| namespace.own.overdue(now, all)).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Namespace> {
        std::iter::once(&self.first).chain(&self.others)
    }
}
