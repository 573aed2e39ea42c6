//! The hub's side of a Redis: the switchboard, with the hub behind its lock.

use super::{Peer, Revocations};
use crate::hub::shared::{StoreAnswer, StoreNotice, Ticket};
use crate::switchboard::{StoreSays, Switchboard};

impl Peer for Switchboard {
    fn stored(&self, ticket: Ticket, answer: StoreAnswer) {
        self.store_says([StoreSays::Answer(ticket, answer)]);
    }

    fn noticed(&self, notices: Vec<StoreNotice>) {
        self.store_says(notices.into_iter().map(StoreSays::Notice));
    }

    fn revoked(&self, Revocations { list, is_whole }: Revocations) {
        self.learn_revocations(list, is_whole);
    }
}
