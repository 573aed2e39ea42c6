//! Replays read from the log by a cursor, and history (protocol.md §2.4).

use super::*;

/// Ada and Bob talk plainly in `lobby`, which has `count` messages; Cyd is connected and knows none of them but the
/// first.
fn behind(count: u64, change: impl FnOnce(&mut HubConfig)) -> (World, Value) {
    let mut world = World::lobby(change);
    world.send(ADA, "lobby", "1");
    let since = world.position("lobby");
    for number in 2..=count {
        world.send(ADA, "lobby", &number.to_string());
    }
    world.extend(CYD, "cyd");
    (world, since)
}

/// What Cyd gets.
fn to_cyd(outputs: &[Output]) -> Vec<Value> {
    heard(outputs).into_iter().filter(|(to, _)| *to == CYD).map(|(_, frame)| frame).collect()
}

fn asks(outputs: &[Output]) -> bool {
    outputs.contains(&Output::NotifyQueueDrained { conn: CYD })
}

#[test]
fn a_replay_comes_in_parts_each_when_the_one_before_is_gone() {
    let (mut world, since) = behind(8, |config| config.replay_chunk = 3);
    let frames = world.rejoin(CYD, "lobby", &since);
    assert_eq!((&frames[0]["replay"], contents(&frames)), (&json!(7), vec!["2", "3", "4"]));
    let outputs = world.handle(Input::QueueDrained { conn: CYD });
    assert_eq!((contents(&to_cyd(&outputs)), asks(&outputs)), (vec!["5", "6", "7"], true));
    let outputs = world.handle(Input::QueueDrained { conn: CYD });
    assert_eq!((contents(&to_cyd(&outputs)), asks(&outputs)), (vec!["8"], true));
    assert_eq!(world.handle(Input::QueueDrained { conn: CYD }), []);
}

#[test]
fn what_is_said_during_a_replay_comes_after_it_and_without_its_mark() {
    let (mut world, since) = behind(5, |config| config.replay_chunk = 2);
    let mut frames = world.rejoin(CYD, "lobby", &since);
    assert_eq!(to_cyd(&world.send(BOB, "lobby", "6")), [] as [Value; 0]);
    frames.extend(to_cyd(&world.handle(Input::QueueDrained { conn: CYD })));
    assert_eq!(to_cyd(&world.send(BOB, "lobby", "7")), [] as [Value; 0]);
    for _ in 0..2 {
        frames.extend(to_cyd(&world.handle(Input::QueueDrained { conn: CYD })));
    }
    frames.extend(to_cyd(&world.send(BOB, "lobby", "8")));
    assert_eq!(contents(&frames), ["2", "3", "4", "5", "6", "7", "8"]);
    let replayed: Vec<_> = frames[1..].iter().map(|frame| frame.get("replay").is_some()).collect();
    assert_eq!(replayed, [true, true, true, true, false, false, false]);
}

#[test]
fn between_a_replay_at_its_limit_and_the_head_lies_what_the_client_fetches() {
    let (mut world, since) = behind(6, |config| (config.replay, config.replay_chunk) = (2, 1));
    let mut frames = world.rejoin(CYD, "lobby", &since);
    world.send(BOB, "lobby", "7");
    for _ in 0..3 {
        frames.extend(to_cyd(&world.handle(Input::QueueDrained { conn: CYD })));
    }
    assert_eq!(contents(&frames), ["2", "3", "7"]);
    let epoch = world.epoch("lobby");
    let frame =
        json!({"type": "history", "roomId": "lobby", "ref": "h", "epoch": epoch, "after": 3, "limit": 3});
    let history = world.ask(CYD, &frame).remove(0).1;
    assert_eq!(
        (&history["type"], &history["ref"], &history["complete"]),
        (&json!("history"), &json!("h"), &json!(true))
    );
    // At the limit, too: the rest is another page.
    assert_eq!(contents(history["messages"].as_array().unwrap()), ["4", "5"]);
}

#[test]
fn rooms_take_turns_and_share_what_the_queue_has_room_for() {
    let mut world = World::new(|config| config.replay_chunk = 2);
    world.connect(ADA, "ada");
    world.extend(CYD, "cyd");
    for room in ["a", "b"] {
        world.join(ADA, room);
        for number in 0..3 {
            world.send(ADA, room, &format!("{room}{number}"));
        }
    }
    let mut frames = Vec::new();
    for room in ["a", "b"] {
        let frame = json!({"type": "join_room", "roomId": room, "ref": "j", "history": 3});
        frames.extend(to_cyd(&world.say(CYD, &frame.to_string())));
    }
    assert_eq!(contents(&frames), ["a0", "a1"]);
    let mut parts = Vec::new();
    for _ in 0..3 {
        let frames = to_cyd(&world.handle(Input::QueueDrained { conn: CYD }));
        parts.push(contents(&frames).join(" "));
    }
    assert_eq!(parts, ["b0 b1", "a2 b2", ""]);
}

#[test]
fn leaving_ends_a_replay_and_joining_again_begins_another() {
    let (mut world, since) = behind(5, |config| config.replay_chunk = 2);
    world.rejoin(CYD, "lobby", &since);
    world.say(CYD, r#"{"type":"leave_room","roomId":"lobby"}"#);
    assert_eq!(world.handle(Input::QueueDrained { conn: CYD }), []);
    let frames = world.rejoin(CYD, "lobby", &since);
    assert_eq!(contents(&frames), ["2", "3"]);
    let frames = world.rejoin(CYD, "lobby", &since);
    assert_eq!((frames.len(), &frames[0]["replay"]), (1, &json!(4)));
    let frames = to_cyd(&world.handle(Input::QueueDrained { conn: CYD }));
    assert_eq!(contents(&frames), ["2", "3"]);
}

#[test]
fn what_was_trimmed_under_a_replay_is_a_hole_in_the_numbers_and_never_a_lie() {
    let (mut world, since) = behind(6, |config| config.replay_chunk = 2);
    world.rejoin(CYD, "lobby", &since);
    world.hub.store_mut().trim("lobby", 1);
    let frames = to_cyd(&world.handle(Input::QueueDrained { conn: CYD }));
    assert_eq!((contents(&frames), &frames[0]["seq"]), (vec!["6"], &json!(6)));
    assert_eq!(contents(&to_cyd(&world.send(ADA, "lobby", "7"))), ["7"]);
}

#[test]
fn a_log_that_lost_its_end_under_a_replay_goes_on_where_it_is() {
    let (mut world, since) = behind(6, |config| config.replay_chunk = 4);
    world.rejoin(CYD, "lobby", &since);
    world.hub.store_mut().truncate_newest("lobby", 3);
    world.send(ADA, "lobby", "again 4");
    let frames = to_cyd(&world.handle(Input::QueueDrained { conn: CYD }));
    assert_eq!((contents(&frames), &frames[0]["seq"]), (vec!["again 4"], &json!(4)));
}

#[test]
fn the_own_sends_of_a_replay_are_recognisable_and_others_are_not() {
    let mut world = World::new(|_| {});
    for (conn, user) in [(ADA, "ada"), (BOB, "bob")] {
        world.extend(conn, user);
        world.enter(conn, "lobby");
    }
    world.number(ADA, "p", 1, "x");
    for (conn, user, pid) in [(ConnId(4), "ada", Some(&json!("p"))), (ConnId(5), "bob", None)] {
        world.extend(conn, user);
        let frame = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "history": 1});
        let frames = world.ask(conn, &frame);
        assert_eq!(frames[1].1.get("pid"), pid);
        let epoch = world.epoch("lobby");
        let frame =
            json!({"type": "history", "roomId": "lobby", "ref": "h", "epoch": epoch, "after": 0, "limit": 9});
        assert_eq!(world.ask(conn, &frame)[0].1["messages"][0].get("pid"), pid);
    }
}

#[test]
fn history_says_whether_its_first_messages_are_still_held() {
    let (mut world, _) = behind(6, |config| config.history = 3);
    world.enter(CYD, "lobby");
    let epoch = world.epoch("lobby");
    for (epoch, after, limit, expected, complete) in [
        (epoch.as_str(), 3, 10, vec!["4", "5", "6"], true),
        (&epoch, 2, 10, vec!["4", "5", "6"], false),
        (&epoch, 4, 1, vec!["5"], true),
        (&epoch, 6, 10, vec![], true),
        (&epoch, 7, 10, vec![], false),
        (&epoch, rejoin::messages::MAX_INT, rejoin::messages::MAX_INT, vec![], false),
        (&epoch, 3, 0, vec![], true),
        ("another", 3, 10, vec![], false),
    ] {
        let frame = json!({
            "type": "history", "roomId": "lobby", "ref": "h", "epoch": epoch, "after": after, "limit": limit,
        });
        let history = world.ask(CYD, &frame).remove(0).1;
        assert_eq!(contents(history["messages"].as_array().unwrap()), expected, "{frame}");
        assert_eq!(
            (&history["complete"], &history["epoch"]),
            (&json!(complete), &json!(world.epoch("lobby")))
        );
    }
}

#[test]
fn a_history_answer_is_not_much_longer_than_a_frame_may_be_but_never_empty_for_its_size() {
    let mut world = World::lobby(|config| config.frame_bytes = 4_000);
    for _ in 0..3 {
        world.send(ADA, "lobby", &"x".repeat(3_000));
    }
    world.extend(CYD, "cyd");
    world.enter(CYD, "lobby");
    let epoch = world.epoch("lobby");
    let frame =
        json!({"type": "history", "roomId": "lobby", "ref": "h", "epoch": epoch, "after": 0, "limit": 10});
    assert_eq!(world.ask(CYD, &frame)[0].1["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn history_is_for_members() {
    let (mut world, _) = behind(1, |_| {});
    let epoch = world.epoch("lobby");
    let frame =
        json!({"type": "history", "roomId": "lobby", "ref": "h", "epoch": epoch, "after": 0, "limit": 1});
    let refusal = world.ask(CYD, &frame).remove(0).1;
    assert_eq!(
        (&refusal["code"], &refusal["ref"], &refusal["retry"]),
        (&json!("not_joined"), &json!("h"), &json!(true))
    );
}
