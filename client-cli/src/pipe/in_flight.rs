//! The sends of `pipe` without an outcome, bounded in count and bytes.

use super::refs::User;
use rejoin::SendId;
use std::collections::HashMap;

/// Half of the library's outbox (4,096 sends, 4 MiB): stdin is not read beyond, so that no send ever meets a
/// full one, and one line of the longest still fits.
const MAX_SENDS: usize = 2048;
const MOST_BYTES: usize = 2 << 20;

#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// By the number of their namespace, the first with 0, and their own.
    sends: HashMap<(usize, SendId), Send>,
    bytes: usize,
}

/// A send without an outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Send {
    pub(super) reference: Option<String>,
    /// Who has made it.
    pub(super) user: User,
    pub(super) origin: Origin,
    pub(super) weight: usize,
}

/// In which run a send was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    ThisRun,
    EarlierRun,
}

impl InFlight {
    /// Whether one more line may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.sends.len() < MAX_SENDS && self.bytes < MOST_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    pub(super) fn add(&mut self, namespace: usize, id: SendId, send: Send) {
        self.bytes += send.weight;
        self.sends.insert((namespace, id), send);
    }

    /// Those that were made by whoever is here have been made by this user.
    pub(super) fn named(&mut self, user: User) {
        for send in self.sends.values_mut().filter(|send| send.user == User::default()) {
            send.user = user;
        }
    }

    /// The outcome has come.
    pub(super) fn resolve(&mut self, namespace: usize, id: SendId) -> Option<Send> {
        let waiting = self.sends.remove(&(namespace, id))?;
        self.bytes -= waiting.weight;
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(reference: Option<String>, weight: usize) -> Send {
        Send { reference, user: User::default(), origin: Origin::ThisRun, weight }
    }

    #[test]
    fn it_is_full_by_count_and_by_bytes_and_empties_again() {
        let mut flight = InFlight::default();
        for id in 0..MAX_SENDS as u64 {
            assert!(flight.has_room());
            flight.add(0, SendId(id), send(Some(id.to_string()), 1));
        }
        assert!(!flight.has_room());
        assert_eq!(flight.resolve(1, SendId(7)), None);
        assert_eq!(flight.resolve(0, SendId(7)), Some(send(Some("7".to_owned()), 1)));
        assert!(flight.has_room());
        flight.add(0, SendId(9999), send(None, MOST_BYTES));
        assert!(!flight.has_room());
        assert_eq!(flight.resolve(0, SendId(9999)), Some(send(None, MOST_BYTES)));
        assert!(flight.has_room() && !flight.is_empty());
    }
}
