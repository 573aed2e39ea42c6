//! Posts and notifications of a backend, with several nodes.

use super::*;
use rejoin::messages::Code;

fn post(world: &mut World, call: u64, content: &str) -> Vec<Output> {
    let (room, user, content) = ("lobby".into(), "eve".into(), content.into());
    world.handle(Input::Post { call, room, user, content, data: None, key: Some(id("k")) })
}

#[test]
fn a_post_is_answered_when_the_store_has_it() {
    let mut world = World::shared_lobby(3);
    let outputs = post(&mut world, 7, "c4");
    let [StoreRequest::Append { request_id, send: Some(send), .. }] = &*asked(&outputs) else {
        panic!("{outputs:?}")
    };
    assert_eq!((&send.user, &send.pid, send.pseq, &send.epoch), (&None, &id("k"), 1, &None));
    let outputs = world.answer(*request_id, appended(entry(4, "eve"), false));
    assert!(outputs.contains(&Output::Published { call: 7, id: id("m4"), seq: 4, dup: false }));
    assert_eq!(contents(&outputs, BOB), ["c4"]);
}

#[test]
fn the_same_key_is_the_same_post_and_no_other_one() {
    let mut world = World::shared_lobby(3);
    let request_id = appends(&post(&mut world, 1, "c2"))[0].0;
    let outputs = world.answer(request_id, appended(entry(2, "eve"), true));
    assert_eq!(outputs, [Output::Published { call: 1, id: id("m2"), seq: 2, dup: true }]);
    let request_id = appends(&post(&mut world, 2, "other"))[0].0;
    let outputs = world.answer(request_id, appended(entry(2, "eve"), true));
    assert_eq!(outputs, [Output::PublishFailed { call: 2, code: Code::Forbidden }]);
}

#[test]
fn a_post_that_the_store_does_not_answer_is_not_said_to_be_refused() {
    let mut world = World::shared_lobby(3);
    post(&mut world, 1, "x");
    let outputs = world.after(5_000);
    assert!(outputs.contains(&Output::PublishFailed { call: 1, code: Code::Internal }));
}

#[test]
fn a_notification_needs_nobody_on_this_node() {
    let mut world = World::node(|_| {});
    let outputs =
        world.handle(Input::Notify { call: 3, user: "ada".into(), kind: "like".into(), data: None });
    let [StoreRequest::Append { request_id, room, send: None, .. }] = &*asked(&outputs) else {
        panic!("{outputs:?}")
    };
    assert_eq!(&**room, "@ada");
    let outputs = world.answer(*request_id, appended(entry(1, "ada"), false));
    assert_eq!(outputs, [Output::Published { call: 3, id: id("m1"), seq: 1, dup: false }]);
    assert!(world.hub.store().room("@ada").is_none());
}
