//! The hub's side of a Redis: the switchboard, with the hub behind its lock.

use super::{Revocations, StoreListener};
use crate::hub::shared::{RequestId, StoreNotice, StoreResponse};
use crate::switchboard::{SharedHub, StoreSays};

impl StoreListener for SharedHub {
    fn on_response(&self, request_id: RequestId, answer: StoreResponse) {
        self.store_says([StoreSays::Answer(request_id, answer)]);
    }

    fn on_notices(&self, notices: Vec<StoreNotice>) {
        self.store_says(notices.into_iter().map(StoreSays::Notice));
    }

    fn on_revocations(&self, Revocations { list, is_whole }: Revocations) {
        self.learn_revocations(list, is_whole);
    }
}
