//! A connection is put back into its rooms when all of them were read.

use super::*;
use crate::hub::RoomPosition;

/// Redis does not say where it was.
const AWAY: Output = Output::Close { conn: ADA, code: 1013, reason: "Try again later" };

fn position(room: &str, after: u64) -> RoomPosition {
    RoomPosition { room: room.into(), epoch: id(LIFE), after }
}

#[test]
fn it_is_put_back_when_the_last_room_was_read() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let rooms = [position("one", 2), position("two", 0)];
    let outputs = world.handle(Input::Restore { conn: ADA, rooms: &rooms });
    let tickets = reads(&outputs);
    assert_eq!(tickets.len(), 2);
    assert_eq!(world.answer(tickets[0].0, StoreResponse::Opened(room(entries(1..=3)))), []);
    let outputs = world.answer(tickets[1].0, StoreResponse::Opened(room(Vec::new())));
    assert!(outputs.contains(&Output::Restored { conn: ADA, restored: true }));
    assert_eq!(contents(&outputs, ADA), ["c3"]);
    assert_eq!(world.hub.members("one").count() + world.hub.members("two").count(), 2);
}

#[test]
fn it_ends_if_a_room_cannot_be_read_and_no_copy_stays() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let rooms = [position("one", 2), position("two", 0)];
    let tickets = reads(&world.handle(Input::Restore { conn: ADA, rooms: &rooms }));
    world.answer(tickets[0].0, StoreResponse::Opened(room(entries(1..=3))));
    let outputs = world.answer(tickets[1].0, StoreResponse::Failed);
    // It comes back: to begin anew would lose what it has missed.
    assert!(outputs.contains(&AWAY), "{outputs:?}");
    assert!(world.hub.store().room("one").is_none());
    let closes = asked(&outputs).into_iter().filter(|request| matches!(request, StoreRequest::Close { .. }));
    assert_eq!(closes.count(), 2);
}

#[test]
fn whoever_has_gone_meanwhile_leaves_no_copy() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let rooms = [position("one", 2), position("two", 0)];
    let tickets = reads(&world.handle(Input::Restore { conn: ADA, rooms: &rooms }));
    world.answer(tickets[0].0, StoreResponse::Opened(room(entries(1..=3))));
    let outputs = world.hang_up(ADA);
    assert_eq!(asked(&outputs), [&StoreRequest::Close { room: "one".into() }]);
    let outputs = world.answer(tickets[1].0, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(asked(&outputs), [&StoreRequest::Close { room: "two".into() }]);
}

#[test]
fn a_log_of_another_life_restores_nobody() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.handle(Input::Restore { conn: ADA, rooms: &[position("one", 2)] }));
    let state = RoomState { epoch: id("e2"), ..room(entries(1..=3)) };
    let outputs = world.answer(request_id, StoreResponse::Opened(state));
    assert!(outputs.contains(&Output::Restored { conn: ADA, restored: false }));
    assert!(world.hub.store().room("one").is_none());
}

#[test]
fn a_session_with_more_rooms_than_can_be_read_now_leaves_no_copy() {
    let mut world = World::node(|config| config.store_requests = 1);
    world.extend(ADA, "ada");
    let rooms = [position("one", 2), position("two", 0)];
    let outputs = world.handle(Input::Restore { conn: ADA, rooms: &rooms });
    assert!(outputs.contains(&AWAY), "{outputs:?}");
    let request_id = read(&outputs);
    let outputs = world.answer(request_id, StoreResponse::Opened(room(entries(1..=3))));
    assert_eq!(asked(&outputs), [&StoreRequest::Close { room: "one".into() }]);
    // The other one can be read now.
    world.extend(ADA, "ada");
    let outputs = world.handle(Input::Restore { conn: ADA, rooms: &rooms[1..] });
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(room(Vec::new())));
    assert!(outputs.contains(&Output::Restored { conn: ADA, restored: true }));
}
