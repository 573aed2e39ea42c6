//! Joins are judged by what the store said after they were asked for.

use super::*;

#[test]
fn a_join_is_answered_when_the_room_was_read() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let outputs = world.frame(ADA, &join("lobby"));
    assert_eq!(types(&outputs, ADA), [""; 0]);
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(room(entries(1..=3))));
    let joined = &frames(&outputs, ADA, "joined")[0];
    assert_eq!((&joined["seq"], &joined["epoch"]), (&json!(3), &json!(LIFE)));
    assert_eq!(joined["members"], json!(["ada"]));
}

#[test]
fn a_plain_join_waits_as_well() {
    let mut world = World::node(|_| {});
    world.connect(ADA, "ada");
    let outputs = world.join(ADA, "lobby");
    assert_eq!(world.hub.members("lobby").count(), 0);
    world.answer(read(&outputs), StoreResponse::Opened(room(entries(1..=3))));
    assert_eq!(world.hub.members("lobby").count(), 1);
}

#[test]
fn a_position_is_judged_by_the_store_and_not_by_the_copy() {
    let mut world = World::shared_lobby(3);
    world.extend(CYD, "cyd");
    let since = json!({"epoch": LIFE, "seq": 5, "id": "m5"});
    let outputs =
        world.frame(CYD, &json!({"type": "join_room", "roomId": "lobby", "ref": "j", "since": since}));
    // The copy does not reach so far: by it the position would be one of another log.
    assert_eq!(reads(&outputs)[0].2, held(3));
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(behind(3, entries(4..=6))));
    let joined = &frames(&outputs, CYD, "joined")[0];
    assert_eq!((&joined["recovered"], &joined["replay"]), (&json!(true), &json!(1)));
    assert_eq!(contents(&outputs, CYD), ["c6"]);
    assert_eq!(contents(&outputs, ADA), ["c4", "c5", "c6"]);
}

#[test]
fn however_many_join_while_a_room_is_read_it_is_read_twice() {
    let mut world = World::node(|_| {});
    let mut all = Vec::new();
    for conn in (1..=50).map(ConnId) {
        world.extend(conn, &format!("u{}", conn.0));
        all.extend(world.frame(conn, &join("lobby")));
    }
    let first = read(&all);
    let outputs = world.answer(first, StoreResponse::Opened(room(entries(1..=3))));
    assert_eq!(frames(&outputs, ConnId(1), "joined").len(), 1);
    assert_eq!(frames(&outputs, ConnId(2), "joined").len(), 0, "the read began before it asked");
    assert_eq!(reads(&outputs)[0].2, held(3));
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(behind(3, entries(4..=4))));
    for conn in (2..=50).map(ConnId) {
        assert_eq!(frames(&outputs, conn, "joined")[0]["seq"], 4);
    }
    assert_eq!(reads(&outputs), []);
}

#[test]
fn rooms_are_read_side_by_side() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let one = read(&world.frame(ADA, &join("one")));
    let two = read(&world.frame(ADA, &join("two")));
    let outputs = world.answer(two, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(frames(&outputs, ADA, "joined")[0]["roomId"], "two");
    let outputs = world.answer(one, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(frames(&outputs, ADA, "joined")[0]["roomId"], "one");
}

#[test]
fn a_personal_stream_is_a_room_of_the_store() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let outputs = world.frame(ADA, &join("@me"));
    assert_eq!(reads(&outputs)[0].1, "@ada");
    let mut note = entry(1, "ada");
    note.kind = Some("like".into());
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(room(vec![note])));
    assert_eq!(frames(&outputs, ADA, "joined")[0]["roomId"], "@me");
    assert_eq!(asked(&outputs), [] as [&StoreRequest; 0], "nobody is told who is in one");
}

#[test]
fn the_copy_of_a_room_that_nobody_is_in_is_forgotten() {
    let mut world = World::shared_lobby(3);
    world.frame(ADA, &json!({"type": "leave_room", "roomId": "lobby"}));
    let outputs = world.frame(BOB, &json!({"type": "leave_room", "roomId": "lobby"}));
    let closed = StoreRequest::Close { room: "lobby".into() };
    assert_eq!(asked(&outputs).last(), Some(&&closed));
    assert!(world.hub.store().room("lobby").is_none());
    assert_eq!(reads(&world.frame(ADA, &join("lobby")))[0].2, None);
}

#[test]
fn whoever_has_gone_before_the_answer_is_no_member() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    world.hang_up(ADA);
    // Another connection under the same number.
    world.extend(ADA, "bob");
    let outputs = world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(types(&outputs, ADA), [""; 0]);
    assert_eq!(asked(&outputs), [&StoreRequest::Close { room: "lobby".into() }]);
}

#[test]
fn rooms_that_are_waited_for_count_against_the_rooms_of_a_connection() {
    let mut world = World::node(|config| config.rooms_per_conn = 1);
    world.extend(ADA, "ada");
    world.frame(ADA, &join("one"));
    let outputs = world.frame(ADA, &join("two"));
    assert_eq!(frames(&outputs, ADA, "error")[0]["code"], "too_many_rooms");
}

#[test]
fn many_may_wait_for_the_last_place_and_one_gets_it() {
    let mut world = World::node(|config| config.members_per_room = 1);
    world.extend(ADA, "ada");
    world.extend(BOB, "bob");
    let first = read(&world.frame(ADA, &join("lobby")));
    world.frame(BOB, &join("lobby"));
    let outputs = world.answer(first, StoreResponse::Opened(room(Vec::new())));
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(room(Vec::new())));
    assert_eq!(frames(&outputs, BOB, "error")[0]["code"], "room_full");
}

#[test]
fn thousands_who_waited_for_a_read_go_on_in_parts() {
    let mut world = World::node(|_| {});
    let mut all = Vec::new();
    for conn in (1..=1_000).map(ConnId) {
        world.extend(conn, &format!("u{}", conn.0));
        all.extend(world.frame(conn, &join("lobby")));
    }
    let first = world.answer(read(&all), StoreResponse::Opened(room(Vec::new())));
    let mut outputs = world.answer(read(&first), StoreResponse::Opened(room(Vec::new())));
    let joined =
        |outputs: &[Output]| heard(outputs).iter().filter(|(_, frame)| frame["type"] == "joined").count();
    let mut parts = 0;
    while joined(&outputs) > 0 {
        assert!(joined(&outputs) <= 256);
        parts += 1;
        outputs = world.after(10);
    }
    assert_eq!((parts, world.hub.members("lobby").count()), (4, 1_000));
}
