//! The store does not answer, or has been away.

use super::*;

fn closed(outputs: &[Output]) -> Vec<(ConnId, u16)> {
    let closed = outputs.iter().filter_map(|output| match output {
        Output::Close { conn, code, .. } => Some((*conn, *code)),
        _ => None,
    });
    closed.collect()
}

#[test]
fn an_extended_join_that_fails_is_to_be_made_again() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    world.frame(ADA, &number(1));
    let outputs = world.answer(request_id, StoreResponse::Failed);
    let error = &frames(&outputs, ADA, "error")[0];
    assert_eq!(
        (&error["code"], &error["ref"], &error["retry"]),
        (&json!("overloaded"), &json!("j"), &json!(true))
    );
    assert!(error["retryAfterMs"].as_u64().is_some());
    // What waited has found no join; only the store knows whether it was carried out before.
    assert_eq!(appends(&outputs)[0].1, Decision::Refuse(rejoin::messages::Code::NotJoined));
    assert!(asked(&outputs).contains(&&StoreRequest::Close { room: "lobby".into() }));
}

#[test]
fn a_join_that_is_not_answered_fails_after_five_seconds() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    assert_eq!(frames(&world.after(5_000), ADA, "error")[0]["code"], "overloaded");
    let outputs = world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(outputs, [], "nobody waits for it any more");
}

#[test]
fn a_plain_join_is_tried_again_and_then_its_connection_comes_back() {
    let mut world = World::node(|_| {});
    world.connect(ADA, "ada");
    let request_id = read(&world.join(ADA, "lobby"));
    let mut request_id = Some(request_id);
    let mut reads_made = 1;
    let ended = loop {
        let outputs = match request_id.take() {
            Some(request_id) => world.answer(request_id, StoreResponse::Failed),
            None => world.after(100),
        };
        if let [(conn, code)] = &*closed(&outputs) {
            assert_eq!((*conn, *code), (ADA, 1013));
            break world.ms;
        }
        request_id = reads(&outputs).first().map(|(request_id, ..)| *request_id);
        reads_made += usize::from(request_id.is_some());
    };
    assert!((30_000..45_000).contains(&ended), "{ended}");
    assert!((4..=10).contains(&reads_made), "{reads_made}");
}

#[test]
fn a_plain_join_is_carried_out_when_the_store_is_back() {
    let mut world = World::node(|_| {});
    world.connect(ADA, "ada");
    let request_id = read(&world.join(ADA, "lobby"));
    world.answer(request_id, StoreResponse::Failed);
    world.send(ADA, "lobby", "x");
    let outputs = world.after(2_000);
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(room(Vec::new())));
    assert_eq!(appends(&outputs).len(), 1);
}

#[test]
fn a_plain_join_that_is_taken_back_is_not_tried_again() {
    let mut world = World::node(|_| {});
    world.connect(ADA, "ada");
    let request_id = read(&world.join(ADA, "lobby"));
    world.frame(ADA, &json!({"type": "leave_room", "roomId": "lobby"}));
    let outputs = world.answer(request_id, StoreResponse::Failed);
    assert_eq!(asked(&outputs), [&StoreRequest::Close { room: "lobby".into() }]);
    assert_eq!(reads(&world.after(10_000)), []);
}

#[test]
fn a_feed_of_a_room_that_cannot_be_read_is_to_come_back() {
    let mut world = World::node(|_| {});
    let request = crate::hub::FeedRequest {
        room: "lobby".into(),
        since: crate::hub::Since::Nothing,
        history: 0,
        announces_join: false,
    };
    let outputs = world.handle(Input::OpenFeed { conn: ADA, user: "ada".into(), expires: None, request });
    let outputs = world.answer(read(&outputs), StoreResponse::Failed);
    assert_eq!(closed(&outputs), [(ADA, 1013)]);
}

#[test]
fn after_an_interruption_every_room_is_read_and_it_is_said_who_is_there() {
    let mut world = World::shared_lobby(3);
    let outputs = world.notice(StoreNotice::Interrupted);
    assert_eq!(reads(&outputs)[0].2, held(3));
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(behind(3, entries(4..=5))));
    assert_eq!(contents(&outputs, BOB), ["c4", "c5"]);
    let users = [("ada", true), ("bob", true)];
    let users = users.map(|(user, here)| UserPresence { user: user.into(), is_present: here }).to_vec();
    assert_eq!(
        asked(&outputs),
        [&StoreRequest::UpdatePresence { room: "lobby".into(), users, is_snapshot: true }]
    );
}

#[test]
fn after_an_interruption_the_store_is_not_flooded() {
    let mut world = World::node(|_| {});
    for conn in (1..=200).map(ConnId) {
        world.connect(conn, &format!("u{}", conn.0));
        let request_id = read(&world.join(conn, &format!("r{}", conn.0)));
        world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    }
    let outputs = world.notice(StoreNotice::Interrupted);
    let mut waiting: std::collections::VecDeque<_> = reads(&outputs).into();
    let mut read = waiting.len();
    assert_eq!(read, 64);
    while let Some((request_id, ..)) = waiting.pop_front() {
        let outputs = world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
        let more = reads(&outputs);
        assert!(more.len() <= 1);
        read += more.len();
        waiting.extend(more);
    }
    assert_eq!(read, 200);
}

#[test]
fn a_store_that_is_down_is_asked_less_and_less() {
    let mut world = World::node(|_| {});
    for conn in (1..=200).map(ConnId) {
        world.connect(conn, &format!("u{}", conn.0));
        let request_id = read(&world.join(conn, &format!("r{}", conn.0)));
        world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    }
    let mut waiting = reads(&world.notice(StoreNotice::Interrupted));
    let mut made = waiting.len();
    let end = world.ms + 20_000;
    while world.ms < end {
        for (request_id, ..) in std::mem::take(&mut waiting) {
            waiting.extend(reads(&world.answer(request_id, StoreResponse::Failed)));
        }
        let more = reads(&world.after(100));
        waiting.extend(more);
        made += waiting.len();
    }
    assert!(made <= 64 * 6, "{made}");
    // And when it is back, every room is read.
    let mut read = std::collections::BTreeSet::new();
    for _ in 0..200 {
        for (request_id, room_name, _) in std::mem::take(&mut waiting) {
            read.insert(room_name);
            waiting.extend(reads(&world.answer(request_id, StoreResponse::Opened(room(Vec::new())))));
        }
        let more = reads(&world.after(100));
        waiting.extend(more);
    }
    assert_eq!(read.len(), 200);
}

#[test]
fn a_store_that_contradicts_itself_is_not_asked_without_end() {
    let mut world = World::shared_lobby(3);
    let mut waiting = reads(&world.logged_there(entry(9, "eve")));
    let mut made = waiting.len();
    let end = world.ms + 10_000;
    while world.ms < end {
        let mut again = Vec::new();
        while let Some((request_id, ..)) = waiting.pop() {
            // It has more, and does not give it.
            let state = RoomState { head: 9, ..behind(3, Vec::new()) };
            again.extend(reads(&world.answer(request_id, StoreResponse::Opened(state))));
        }
        again.extend(reads(&world.after(10)));
        made += again.len();
        waiting = again;
    }
    assert!((2..=60).contains(&made), "{made}");
}
