//! The sends of `pipe` without an outcome, bounded in count and bytes.

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

#[derive(Debug)]
struct Send {
    reference: Option<String>,
    weight: usize,
}

impl InFlight {
    /// Whether one more line may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.sends.len() < MAX_SENDS && self.bytes < MOST_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    pub(super) fn add(&mut self, namespace: usize, id: SendId, reference: Option<String>, weight: usize) {
        self.bytes += weight;
        self.sends.insert((namespace, id), Send { reference, weight });
    }

    /// The outcome has come: gives the `ref`.
    pub(super) fn resolve(&mut self, namespace: usize, id: SendId) -> Option<String> {
        let waiting = self.sends.remove(&(namespace, id))?;
        self.bytes -= waiting.weight;
        waiting.reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_by_count_and_by_bytes_and_empties_again() {
        let mut flight = InFlight::default();
        for id in 0..MAX_SENDS as u64 {
            assert!(flight.has_room());
            flight.add(0, SendId(id), Some(id.to_string()), 1);
        }
        assert!(!flight.has_room());
        assert_eq!(flight.resolve(1, SendId(7)), None);
        assert_eq!(flight.resolve(0, SendId(7)).as_deref(), Some("7"));
        assert!(flight.has_room());
        flight.add(0, SendId(9999), None, MOST_BYTES);
        assert!(!flight.has_room());
        assert_eq!(flight.resolve(0, SendId(9999)), None);
        assert!(flight.has_room() && !flight.is_empty());
    }
}
