//! Connects the hub to its Redis: passes requests on, and responses and notices back.

use super::{NodeQuestion, Revocations, StoreListener};
use crate::hub::shared::{RequestId, StoreNotice, StoreResponse};
use crate::other_nodes::{self, Question};
use crate::shared_hub::{SharedHub, StoreEvent};
use serde_json::Value;

/// Most users or rooms of one answer.
const LONGEST_PAGE: usize = 10_000;

impl StoreListener for SharedHub {
    fn on_response(&self, request_id: RequestId, answer: StoreResponse) {
        self.handle_store_events([StoreEvent::Response(request_id, answer)]);
    }

    fn on_notices(&self, notices: Vec<StoreNotice>) {
        self.handle_store_events(notices.into_iter().map(StoreEvent::Notice));
    }

    fn on_question(&self, NodeQuestion(question): NodeQuestion) -> Option<Value> {
        Some(match question {
            Question::Users { after, limit } => other_nodes::users(
                self.inspect(|hub, _| hub.users(after.as_deref(), limit.min(LONGEST_PAGE))),
            ),
            Question::Rooms { after, limit } => other_nodes::stored_rooms(
                self.inspect(|hub, _| hub.stored_rooms(after.as_deref(), limit.min(LONGEST_PAGE))),
            ),
            Question::Members { room, after, limit } => other_nodes::members(
                self.inspect(|hub, _| hub.members_of(&room, after.as_deref(), limit.min(LONGEST_PAGE))),
            ),
            Question::User { id } => other_nodes::connections(&self.user(&id).unwrap_or_default()),
        })
    }

    fn on_revocations(&self, Revocations { list, is_whole }: Revocations) -> Revocations {
        Revocations { list: self.apply_revocations(list, is_whole), is_whole: false }
    }
}
