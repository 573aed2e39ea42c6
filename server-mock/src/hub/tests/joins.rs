//! Greeting, joining and recovering (protocol.md §2.1, §2.2, §2.4).

use super::*;

#[test]
fn the_first_frame_of_an_extended_connection_is_hello() {
    let mut world = World::new(|config| config.rate = Some(7.5));
    let expires = Some(Timestamp::from_millis(90_000));
    let input = Input::Connected { conn: ADA, user: Name::from("ada"), extended: true, expires };
    let hello = concat!(
        r#"{"type":"hello","v":1,"userId":"ada","serverTime":1763846359123,"heartbeatMs":25000,"#,
        r#""dedupeWindowMs":600000,"limits":{"frameBytes":65536,"contentBytes":8192,"rooms":256,"#,
        r#""inFlight":64,"replay":200,"sendPerSec":7},"reconnect":{"windowMs":1000},"#,
        r#""auth":{"expiresInMs":90000}}"#
    );
    assert_eq!(world.handle(input), [sent(ADA, hello)]);
}

#[test]
fn the_window_of_hello_grows_with_the_connections() {
    let mut world = World::new(|config| config.reconnect_rate = 2);
    let mut windows = Vec::new();
    for conn in 1..=5 {
        let hello = world.extend(ConnId(conn), &conn.to_string());
        windows.push(heard(&hello)[0].1["reconnect"]["windowMs"].clone());
    }
    assert_eq!(windows, [1_000, 1_250, 1_875, 2_500, 3_125]);
}

#[test]
fn whoever_was_told_a_much_shorter_window_is_told_again_at_a_heartbeat() {
    let mut world = World::new(|config| config.reconnect_rate = 2);
    world.connect(ConnId(100), "plain");
    for conn in 0..5 {
        world.extend(ConnId(conn), &conn.to_string());
    }
    // The first three were told 1.25, 1.875 and 2.5 s; now it is 3.75 s.
    let mut again = Vec::new();
    let mut beats = 0;
    while beats < 2 {
        let before = world.ms;
        for (conn, frame) in heard(&world.tick()) {
            assert_eq!((&frame["type"], &frame["reconnect"]["windowMs"]), (&"hello".into(), &3_750.into()));
            again.push(conn.0);
        }
        beats += u32::from(world.ms > before);
        for conn in [0, 1, 2, 3, 4, 100] {
            world.handle(Input::Activity { conn: ConnId(conn) });
        }
    }
    assert_eq!(again, [0, 1, 2], "each of them once, the others and a plain one not at all");
}

#[test]
fn those_who_come_back_first_are_told_of_those_who_are_still_to_come() {
    let mut world = World::new(|config| config.reconnect_rate = 1);
    for conn in 0..64 {
        world.extend(ConnId(conn), &conn.to_string());
        world.enter(ConnId(conn), "lobby");
    }
    for conn in 0..64 {
        world.hang_up(ConnId(conn));
    }
    let window = |world: &mut World| {
        let hello = world.extend(ADA, "ada");
        heard(&hello)[0].1["reconnect"]["windowMs"].as_u64().unwrap()
    };
    assert_eq!(window(&mut world), 80_000);
    while world.ms < 3_600_000 {
        world.tick();
        world.handle(Input::Activity { conn: ADA });
    }
    let later = window(&mut world);
    assert!(
        (2_500..40_000).contains(&later),
        "{later}: an hour later most of them are not expected any more"
    );
}

#[test]
fn the_own_stream_does_not_count_among_the_rooms() {
    let mut world = World::new(|config| config.rooms_per_conn = 1);
    world.extend(ADA, "ada");
    world.enter(ADA, "@me");
    world.enter(ADA, "lobby");
    let frame = json!({"type": "join_room", "roomId": "second", "ref": "j"});
    assert_eq!(world.ask(ADA, &frame)[0].1["code"], "too_many_rooms");
    let mut world = World::new(|config| config.rooms_per_conn = 1);
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    world.enter(ADA, "@me");
}

#[test]
fn a_client_with_many_rooms_that_reconnects_again_and_again_gets_in_at_last() {
    let mut world = World::new(|config| config.rate = Some(1.0));
    let join = |room: usize| json!({"type": "join_room", "roomId": room.to_string(), "ref": "j"});
    for _ in 0..4 {
        world.extend(ADA, "ada");
        for room in 0..256 {
            world.ask(ADA, &join(room));
        }
        world.hang_up(ADA);
    }
    world.extend(ADA, "ada");
    let refused = world.ask(ADA, &join(0)).remove(0).1;
    assert_eq!((&refused["code"], &refused["retryAfterMs"]), (&json!("rate_limited"), &json!(10_000)));
    world.ms += 10_000;
    for room in 0..256 {
        assert_eq!(world.ask(ADA, &join(room))[0].1["type"], "joined");
    }
}

#[test]
fn a_server_that_is_told_so_stays_plain_toward_everybody() {
    let mut world = World::new(|config| config.extended = false);
    assert_eq!(world.extend(ADA, "ada"), []);
    assert_eq!(world.ask(ADA, &json!({"type": "join_room", "roomId": "lobby", "ref": "1"})), []);
    assert_eq!(world.ask(ADA, &json!({"type": "ping", "t": 1})), []);
    let message = world.send(ADA, "lobby", "x");
    assert!(heard(&message)[0].1.get("seq").is_none());
}

#[test]
fn a_first_join_is_fresh_and_says_who_is_there() {
    let mut world = World::lobby(|_| {});
    world.extend(CYD, "cyd");
    let epoch = world.epoch("lobby");
    let text = format!(
        concat!(
            r#"{{"type":"joined","ref":"j","roomId":"lobby","epoch":"{}","seq":0,"replay":0,"#,
            r#""recovered":false,"reason":"fresh","members":["ada","bob","cyd"]}}"#
        ),
        epoch
    );
    let outputs = world.say(CYD, r#"{"type":"join_room","roomId":"lobby","ref":"j"}"#);
    let told = r#"{"type":"user_joined","roomId":"lobby","userId":"cyd"}"#;
    assert_eq!(outputs, [sent(CYD, &text), sent(ADA, told), sent(BOB, told)]);
}

#[test]
fn above_a_hundred_members_a_join_is_told_their_number_only() {
    let mut world = World::new(|config| config.members_listed = 2);
    for (conn, user) in [(ADA, "ada"), (BOB, "bob"), (CYD, "cyd")] {
        world.extend(conn, user);
    }
    world.enter(ADA, "lobby");
    assert_eq!(world.enter(BOB, "lobby")["members"], json!(["ada", "bob"]));
    let joined = world.enter(CYD, "lobby");
    assert_eq!((&joined["memberCount"], joined.get("members")), (&json!(3), None));
}

#[test]
fn a_first_join_may_ask_for_the_last_messages() {
    let mut world = World::lobby(|config| config.replay = 4);
    for number in 0..6 {
        world.send(ADA, "lobby", &number.to_string());
    }
    world.extend(CYD, "cyd");
    for (history, expected) in [(2, vec!["4", "5"]), (100, vec!["2", "3", "4", "5"]), (0, vec![])] {
        let frame = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "history": history});
        let frames: Vec<_> = world.ask(CYD, &frame).into_iter().filter(|(to, _)| *to == CYD).collect();
        let (joined, replay) = frames.split_first().unwrap();
        assert_eq!((&joined.1["seq"], &joined.1["replay"]), (&json!(6), &json!(expected.len())));
        let replay: Vec<_> = replay.iter().map(|(_, frame)| frame.clone()).collect();
        assert_eq!(contents(&replay), expected);
        assert!(replay.iter().all(|frame| frame["replay"] == true));
        world.handle(Input::QueueDrained { conn: CYD });
    }
}

#[test]
fn a_join_from_a_position_goes_on_right_after_it() {
    let mut world = World::lobby(|_| {});
    world.extend(CYD, "cyd");
    world.enter(CYD, "lobby");
    world.send(ADA, "lobby", "1");
    let since = world.position("lobby");
    world.hang_up(CYD);
    world.send(ADA, "lobby", "2");
    world.send(BOB, "lobby", "3");
    world.extend(CYD, "cyd");
    let frames = world.rejoin(CYD, "lobby", &since);
    assert_eq!((&frames[0]["recovered"], frames[0].get("reason")), (&json!(true), None));
    assert_eq!((&frames[0]["seq"], &frames[0]["replay"]), (&json!(3), &json!(2)));
    assert_eq!(contents(&frames), ["2", "3"]);
    assert_eq!((&frames[1]["seq"], &frames[2]["seq"]), (&json!(2), &json!(3)));
    let live = world.send(ADA, "lobby", "4");
    let (_, live) = heard(&live).remove(2);
    assert_eq!((&live["seq"], live.get("replay")), (&json!(4), None));
}

#[test]
fn a_position_at_the_head_is_recovered_with_nothing_to_replay() {
    let mut world = World::lobby(|_| {});
    world.send(ADA, "lobby", "1");
    world.extend(CYD, "cyd");
    let frames = world.rejoin(CYD, "lobby", &world.position("lobby"));
    assert_eq!((frames.len(), &frames[0]["recovered"], &frames[0]["replay"]), (1, &json!(true), &json!(0)));
}

#[test]
fn a_recovered_replay_stops_at_the_limit_and_live_messages_go_on_from_the_head() {
    let mut world = World::lobby(|config| config.replay = 2);
    world.send(ADA, "lobby", "1");
    let since = world.position("lobby");
    for number in 2..=5 {
        world.send(ADA, "lobby", &number.to_string());
    }
    world.extend(CYD, "cyd");
    let frames = world.rejoin(CYD, "lobby", &since);
    assert_eq!((&frames[0]["replay"], &frames[0]["seq"]), (&json!(2), &json!(5)));
    assert_eq!(contents(&frames), ["2", "3"]);
    let live = heard(&world.send(ADA, "lobby", "6"));
    assert_eq!((&live[2].1["content"], &live[2].1["seq"]), (&json!("6"), &json!(6)));
}

#[test]
fn each_position_that_cannot_be_gone_on_from_has_its_reason() {
    let mut world = World::lobby(|config| config.history = 3);
    for number in 1..=5 {
        world.send(ADA, "lobby", &number.to_string());
    }
    let (epoch, head) = (world.epoch("lobby"), world.position("lobby"));
    world.extend(CYD, "cyd");
    for (since, reason) in [
        (json!({"epoch": "another", "seq": 5, "id": head["id"]}), "epoch_changed"),
        (json!({"epoch": epoch, "seq": 5, "id": "another"}), "forked"),
        (json!({"epoch": epoch, "seq": 6, "id": head["id"]}), "forked"),
        (json!({"epoch": epoch, "seq": 9_007_199_254_740_991_u64, "id": head["id"]}), "forked"),
        (json!({"epoch": epoch, "seq": 2, "id": "another"}), "forked"),
        (json!({"epoch": epoch, "seq": 1, "id": "any"}), "trimmed"),
        (json!({"epoch": epoch, "seq": 0, "id": "any"}), "trimmed"),
        // Positions that are none count as no position.
        (json!({"epoch": epoch, "seq": 9_007_199_254_740_992_u64, "id": "any"}), "fresh"),
        (json!({"epoch": epoch, "seq": -1, "id": "any"}), "fresh"),
        (json!({"epoch": "not an id", "seq": 1, "id": "any"}), "fresh"),
        (json!([1, 2]), "fresh"),
    ] {
        let frame = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "since": since, "history": 1});
        let frames: Vec<_> = world.ask(CYD, &frame).into_iter().filter(|(to, _)| *to == CYD).collect();
        let joined = &frames[0].1;
        assert_eq!((&joined["reason"], &joined["recovered"]), (&json!(reason), &json!(false)), "{since}");
        assert_eq!((frames.len(), &frames[1].1["seq"]), (2, &json!(5)), "history serves then, too: {since}");
        world.handle(Input::QueueDrained { conn: CYD });
    }
}

#[test]
fn the_position_right_before_the_oldest_kept_message_is_still_recovered() {
    let mut world = World::lobby(|config| config.history = 2);
    world.send(ADA, "lobby", "1");
    let since = world.position("lobby");
    world.send(ADA, "lobby", "2");
    world.send(ADA, "lobby", "3");
    assert_eq!(world.logged("lobby"), ["2", "3"]);
    world.extend(CYD, "cyd");
    let frames = world.rejoin(CYD, "lobby", &since);
    assert_eq!((&frames[0]["recovered"], contents(&frames)), (&json!(true), vec!["2", "3"]));
}

#[test]
fn joining_again_on_the_same_connection_answers_and_replays_again_and_tells_nobody() {
    let mut world = World::lobby(|_| {});
    world.send(ADA, "lobby", "1");
    let since = world.position("lobby");
    world.send(ADA, "lobby", "2");
    world.extend(CYD, "cyd");
    world.enter(CYD, "lobby");
    for _ in 0..2 {
        let frame = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "since": since});
        let frames = world.ask(CYD, &frame);
        assert_eq!(frames.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [CYD, CYD]);
        world.handle(Input::QueueDrained { conn: CYD });
    }
    assert_eq!(world.send(ADA, "lobby", "3").len(), 3);
}

#[test]
fn a_join_without_a_ref_is_a_plain_one() {
    let mut world = World::lobby(|_| {});
    world.extend(CYD, "cyd");
    assert_eq!(world.join(CYD, "lobby").len(), 2);
    assert_eq!(heard(&world.send(ADA, "lobby", "x"))[2].1["seq"], 1);
}

#[test]
fn a_refused_join_is_answered_with_its_ref_room_and_code() {
    let mut world = World::lobby(|config| {
        config.rooms_per_conn = 1;
        config.members_per_room = 2;
    });
    world.extend(CYD, "cyd");
    let text = concat!(
        r#"{"type":"error","ref":"j","roomId":"lobby","code":"room_full","retry":true,"retryAfterMs":5000,"#,
        r#""message":"the room is full"}"#
    );
    assert_eq!(world.say(CYD, r#"{"type":"join_room","roomId":"lobby","ref":"j"}"#), [sent(CYD, text)]);
    world.enter(CYD, "other");
    let text = concat!(
        r#"{"type":"error","ref":"j","roomId":"third","code":"too_many_rooms","retry":false,"#,
        r#""message":"too many rooms on this connection"}"#
    );
    assert_eq!(world.say(CYD, r#"{"type":"join_room","roomId":"third","ref":"j"}"#), [sent(CYD, text)]);
    let frames = world.ask(CYD, &json!({"type": "join_room", "roomId": "@ada", "ref": "j"}));
    assert_eq!((&frames[0].1["code"], &frames[0].1["retry"]), (&json!("bad_request"), &json!(false)));
}

#[test]
fn a_leave_with_a_ref_is_answered() {
    let mut world = World::lobby(|_| {});
    world.extend(CYD, "cyd");
    world.enter(CYD, "lobby");
    let leave = r#"{"type":"leave_room","roomId":"lobby","ref":"l"}"#;
    let left = sent(CYD, r#"{"type":"left","ref":"l","roomId":"lobby"}"#);
    assert_eq!(world.say(CYD, leave), std::slice::from_ref(&left));
    assert_eq!(world.say(CYD, leave), [left]);
    assert_eq!(world.send(ADA, "lobby", "x").len(), 2);
}

#[test]
fn somebody_removed_is_told_and_the_others_too() {
    let mut world = World::lobby(|_| {});
    for (conn, user) in [(CYD, "cyd"), (ConnId(4), "dee")] {
        world.extend(conn, user);
        world.enter(conn, "lobby");
    }
    let outputs = world.handle(Input::Remove { room: Name::from("lobby"), user: Name::from("cyd") });
    let gone = r#"{"type":"user_left","roomId":"lobby","userId":"cyd"}"#;
    let left = r#"{"type":"left","roomId":"lobby","code":"forbidden"}"#;
    assert_eq!(outputs, [sent(ConnId(4), gone), sent(CYD, left)]);
    assert_eq!(world.send(ADA, "lobby", "x").len(), 3);
    // A plain one hears nothing that it does not know, and nothing more of the room.
    assert_eq!(world.handle(Input::Remove { room: Name::from("lobby"), user: Name::from("ada") }).len(), 1);
    assert_eq!(world.send(BOB, "lobby", "x").len(), 2);
}
