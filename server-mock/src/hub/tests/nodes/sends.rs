//! Sends are decided by the store.

use super::*;
use crate::hub::Limit;
use rejoin::messages::Code;

fn unnumbered() -> Value {
    json!({"type": "send_message", "roomId": "lobby", "content": "x", "ref": "s1"})
}

/// The code by which this connection is closed.
fn closed(outputs: &[Output], conn: ConnId) -> Option<u16> {
    outputs.iter().find_map(|output| match output {
        Output::Close { conn: of, code, .. } if *of == conn => Some(*code),
        _ => None,
    })
}

#[test]
fn a_send_is_neither_acknowledged_nor_delivered_before_the_store_has_it() {
    let mut world = World::shared_lobby(3);
    let outputs = world.frame(ADA, &number(1));
    assert_eq!(heard(&outputs), []);
    let [
        StoreRequest::Append {
            known_head: known, send: Some(send), decision: Decision::Append(entry), ..
        },
    ] = &*asked(&outputs)
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((known, send.pseq, &*entry.content), (&held(3), 1, "n1"));
    assert_eq!(send.epoch, Some(id(LIFE)));
}

#[test]
fn the_answer_acknowledges_and_delivers() {
    let mut world = World::shared_lobby(3);
    let request_id = appends(&world.frame(ADA, &number(1)))[0].0;
    let outputs = world.answer(request_id, appended(entry(4, "ada"), false));
    let ack = &frames(&outputs, ADA, "ack")[0];
    assert_eq!((&ack["seq"], &ack["epoch"], &ack["dup"]), (&json!(4), &json!(LIFE), &Value::Null));
    assert_eq!(ack["timestamp"], "2025-11-22T21:19:19.123Z");
    assert_eq!(contents(&outputs, BOB), ["c4"]);
}

#[test]
fn what_was_noticed_before_its_answer_is_delivered_once() {
    let mut world = World::shared_lobby(3);
    let request_id = appends(&world.frame(ADA, &number(1)))[0].0;
    let outputs = world.logged_there(entry(4, "ada"));
    assert_eq!((contents(&outputs, BOB), types(&outputs, ADA)), (vec!["c4".into()], vec!["message".into()]));
    let outputs = world.answer(request_id, appended(entry(4, "ada"), false));
    assert_eq!((contents(&outputs, BOB).len(), types(&outputs, ADA)), (0, vec!["ack".into()]));
}

#[test]
fn a_repeated_send_is_answered_as_one_and_not_delivered_again() {
    let mut world = World::shared_lobby(3);
    let request_id = appends(&world.frame(ADA, &number(1)))[0].0;
    let outputs = world.answer(request_id, appended(entry(2, "ada"), true));
    assert_eq!(frames(&outputs, ADA, "ack")[0]["dup"], true);
    assert_eq!(contents(&outputs, BOB).len(), 0);
}

#[test]
fn what_the_store_refuses_is_refused_with_its_reason() {
    let mut world = World::shared_lobby(3);
    let one = appends(&world.frame(ADA, &number(1)))[0].0;
    let two = appends(&world.frame(ADA, &number(5)))[0].0;
    let refused = |code, expected, dup| StoreResponse::Refused { code, expected, dup };
    let outputs = world.answer(one, refused(Code::UnknownProducer, None, false));
    assert_eq!(frames(&outputs, ADA, "nack")[0]["code"], "unknown_producer");
    let outputs = world.answer(two, refused(Code::SequenceGap, Some(2), false));
    let nack = &frames(&outputs, ADA, "nack")[0];
    assert_eq!((&nack["code"], &nack["expected"]), (&json!("sequence_gap"), &json!(2)));
}

#[test]
fn a_final_refusal_of_a_numbered_send_is_the_stores_to_remember() {
    let mut world = World::node(|config| config.content_bytes = 1);
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    let outputs = world.frame(ADA, &number(1));
    assert_eq!(heard(&outputs), []);
    let (request_id, decision) = appends(&outputs).remove(0);
    assert_eq!(decision, Decision::Refuse(Code::TooLarge));
    let outputs =
        world.answer(request_id, StoreResponse::Refused { code: Code::TooLarge, expected: None, dup: false });
    let nack = &frames(&outputs, ADA, "nack")[0];
    assert_eq!((&nack["code"], &nack["retry"]), (&json!("too_large"), &json!(false)));
}

#[test]
fn a_send_that_is_refused_for_now_may_have_been_carried_out_before_so_the_store_is_asked() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let outputs = world.frame(ADA, &number(1));
    assert_eq!(heard(&outputs), []);
    let (request_id, decision) = appends(&outputs).remove(0);
    assert_eq!(decision, Decision::Refuse(Code::NotJoined));
    let refused = StoreResponse::Refused { code: Code::NotJoined, expected: None, dup: false };
    let nack = &frames(&world.answer(request_id, refused), ADA, "nack")[0];
    assert_eq!((&nack["code"], &nack["retry"]), (&json!("not_joined"), &json!(true)));
    let request_id = appends(&world.frame(ADA, &number(1)))[0].0;
    let outputs = world.answer(request_id, appended(entry(4, "ada"), true));
    assert_eq!(frames(&outputs, ADA, "ack")[0]["dup"], true);
}

#[test]
fn who_is_not_in_the_room_does_not_reach_the_store_without_a_number() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let outputs = world.frame(ADA, &unnumbered());
    assert_eq!(frames(&outputs, ADA, "nack")[0]["code"], "not_joined");
    assert_eq!(asked(&outputs), [] as [&StoreRequest; 0]);
}

#[test]
fn a_send_of_unknown_fate_is_not_refused_but_ends_its_connection() {
    for frame in [number(1), unnumbered()] {
        let mut world = World::shared_lobby(3);
        let request_id = appends(&world.frame(ADA, &frame))[0].0;
        let outputs = world.answer(request_id, StoreResponse::Failed);
        assert_eq!((types(&outputs, ADA), closed(&outputs, ADA)), (vec![], Some(1013)), "{frame}");
    }
    let mut world = World::shared_lobby(3);
    let plain = world.send(BOB, "lobby", "x");
    let outputs = world.answer(appends(&plain)[0].0, StoreResponse::Failed);
    assert_eq!((types(&outputs, BOB), closed(&outputs, BOB)), (vec![], Some(1013)));
}

#[test]
fn a_send_that_is_not_answered_is_given_up_after_five_seconds() {
    let mut world = World::shared_lobby(3);
    world.frame(ADA, &number(1));
    assert_eq!(closed(&world.after(4_900), ADA), None);
    assert_eq!(closed(&world.after(100), ADA), Some(1013));
}

#[test]
fn a_late_answer_is_delivered_and_answers_nobody() {
    let mut world = World::shared_lobby(3);
    let request_id = appends(&world.frame(ADA, &number(1)))[0].0;
    world.after(5_000);
    let outputs = world.answer(request_id, appended(entry(4, "ada"), false));
    assert_eq!(types(&outputs, ADA), [""; 0]);
    assert_eq!(contents(&outputs, BOB), ["c4"]);
    assert_eq!(world.answer(request_id, appended(entry(4, "ada"), false)), []);
}

#[test]
fn an_answer_is_not_for_a_later_connection_of_the_same_number() {
    let mut world = World::shared_lobby(3);
    let request_id = appends(&world.frame(ADA, &number(1)))[0].0;
    world.hang_up(ADA);
    world.extend(ADA, "dan");
    let outputs = world.answer(request_id, appended(entry(4, "ada"), false));
    assert_eq!(types(&outputs, ADA), [""; 0]);
    assert_eq!(contents(&outputs, BOB), ["c4"]);
}

#[test]
fn more_sends_than_may_wait_for_the_store_are_refused_before_it_is_asked() {
    for (label, change) in [
        (Limit::StoreRequests, (|config| config.store_requests = 1) as fn(&mut HubConfig)),
        (Limit::StoreRequests, |config| config.store_request_bytes = 300),
        (Limit::StoreRequestsOfUser, |config| config.store_requests_per_user = 1),
    ] {
        let mut world = World::node(change);
        world.extend(ADA, "ada");
        let request_id = read(&world.frame(ADA, &join("lobby")));
        world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
        let asks = world.frame(ADA, &number(1));
        let outputs = world.frame(ADA, &number(2));
        assert_eq!(asked(&outputs), [] as [&StoreRequest; 0]);
        let nack = &frames(&outputs, ADA, "nack")[0];
        assert_eq!((&nack["code"], &nack["retry"]), (&json!("overloaded"), &json!(true)));
        assert_eq!(world.hub.refusal_counts().get(label), 1);
        // A place is free again.
        let request_id = appends(&asks)[0].0;
        world.answer(request_id, appended(entry(1, "ada"), false));
        assert_eq!(appends(&world.frame(ADA, &number(2))).len(), 1);
        assert_eq!(world.hub.store_requests(), 1);
    }
}

#[test]
fn a_whole_pipeline_behind_a_rate_limit_is_one_refusal_and_no_flood_on_a_node_too() {
    let mut world = World::node(|config| config.rate = Some(1.0));
    world.extend(ADA, "ada");
    let outputs = world.frame(ADA, &join("lobby"));
    world.answer(read(&outputs), StoreResponse::Opened(room(Vec::new())));
    for pseq in 1..=64 {
        let outputs = world.frame(ADA, &number(pseq));
        let asked = appends(&outputs);
        assert_eq!(asked.len(), 1, "{pseq}: {outputs:?}");
        let may_append = matches!(asked[0].1, Decision::Append(_));
        assert_eq!(may_append, pseq <= 2, "{pseq}");
    }
    assert_eq!(world.hub.connections(), 1);
    world.ms += 1_000;
    assert!(matches!(appends(&world.frame(ADA, &number(3)))[0].1, Decision::Append(_)));
}
