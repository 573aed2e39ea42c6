//! The hub's side of a Redis.

use super::{Revocations, StoreListener};
use crate::hub::shared::{RequestId, StoreNotice, StoreResponse};
use crate::shared_hub::{SharedHub, StoreEvent};

impl StoreListener for SharedHub {
    fn on_response(&self, request_id: RequestId, answer: StoreResponse) {
        self.handle_store_events([StoreEvent::Response(request_id, answer)]);
    }

    fn on_notices(&self, notices: Vec<StoreNotice>) {
        self.handle_store_events(notices.into_iter().map(StoreEvent::Notice));
    }

    fn on_revocations(&self, Revocations { list, is_whole }: Revocations) {
        self.apply_revocations(list, is_whole);
    }
}
