//! Frames about a room whose join waits are carried out in their order.

use super::*;
use crate::hub::{Limit, Rights};

#[test]
fn frames_about_the_room_wait_for_the_join_in_their_order() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    assert_eq!(world.frame(ADA, &number(1)), []);
    assert_eq!(world.frame(ADA, &json!({"type": "presence", "roomId": "lobby"})), []);
    assert_eq!(world.frame(ADA, &number(2)), []);
    assert_eq!(world.frame(ADA, &json!({"type": "leave_room", "roomId": "lobby", "ref": "l"})), []);
    let outputs = world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(types(&outputs, ADA), ["joined", "presence", "left"]);
    let sent: Vec<_> = appends(&outputs)
        .into_iter()
        .map(|(_, decision)| match decision {
            Decision::Append(entry) => entry.content,
            Decision::Refuse(code) => code.as_str().into(),
        })
        .collect();
    assert_eq!(sent, ["n1", "n2"]);
}

#[test]
fn frames_about_other_rooms_do_not_wait() {
    let mut world = World::shared_lobby(3);
    world.frame(ADA, &join("other"));
    assert_eq!(appends(&world.frame(ADA, &number(1))).len(), 1);
    assert_eq!(types(&world.frame(ADA, &json!({"type": "ping", "t": 1})), ADA), ["pong"]);
}

#[test]
fn a_second_join_makes_what_comes_behind_it_wait_again() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    world.frame(ADA, &json!({"type": "leave_room", "roomId": "lobby", "ref": "l"}));
    world.frame(ADA, &join("lobby"));
    world.frame(ADA, &number(1));
    let outputs = world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(types(&outputs, ADA), ["joined", "left"]);
    assert_eq!(appends(&outputs), []);
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(room(Vec::new())));
    assert_eq!((types(&outputs, ADA), appends(&outputs).len()), (vec!["joined".into()], 1));
}

#[test]
fn more_than_may_wait_is_refused_for_now() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    world.frame(ADA, &join("lobby"));
    for pseq in 1..=64 {
        assert_eq!(world.frame(ADA, &number(pseq)), []);
    }
    let nack = &frames(&world.frame(ADA, &number(65)), ADA, "nack")[0];
    assert_eq!((&nack["code"], &nack["retry"]), (&json!("overloaded"), &json!(true)));
    assert_eq!(world.hub.refusal_counts().get(Limit::ParkedFrames), 1);
    world.connect(BOB, "bob");
    world.join(BOB, "lobby");
    let long = "x".repeat(100 << 10);
    world.send(BOB, "lobby", &long);
    world.send(BOB, "lobby", &long);
    assert_eq!(types(&world.send(BOB, "lobby", &long), BOB), ["error"]);
}

#[test]
fn a_plain_leave_is_kept_even_if_nothing_else_may_wait() {
    let mut world = World::node(|_| {});
    world.connect(BOB, "bob");
    let request_id = read(&world.join(BOB, "lobby"));
    for number in 0..64 {
        assert_eq!(world.send(BOB, "lobby", &number.to_string()), []);
    }
    assert_eq!(types(&world.send(BOB, "lobby", "one more"), BOB), ["error"]);
    let leave = json!({"type": "leave_room", "roomId": "lobby"});
    for _ in 0..3 {
        assert_eq!(world.frame(BOB, &leave), []);
        assert_eq!(types(&world.send(BOB, "lobby", "behind it"), BOB), ["error"]);
    }
    world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(world.hub.members("lobby").count(), 0);
}

#[test]
fn whoever_loses_the_right_while_a_join_waits_does_not_come_in() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    world.handle(Input::SetRights { conn: ADA, rights: Rights::from_patterns::<&str>([]).unwrap() });
    let outputs = world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(frames(&outputs, ADA, "error")[0]["code"], "forbidden");
    assert_eq!(asked(&outputs), [&StoreRequest::Close { room: "lobby".into() }]);
}
