//! The rules of protocol.md §1.

use super::*;

#[test]
fn a_message_goes_to_every_member_and_to_its_sender_and_to_nobody_else() {
    let mut world = World::lobby(|_| {});
    world.connect(CYD, "cyd");
    let text = concat!(
        r#"{"type":"message","roomId":"lobby","userId":"ada","content":"hi","#,
        r#""timestamp":"2025-11-22T21:19:19.123Z"}"#
    );
    assert_eq!(world.send(ADA, "lobby", "hi"), [sent(ADA, text), sent(BOB, text)]);
}

#[test]
fn content_comes_out_as_it_went_in() {
    let mut world = World::lobby(|_| {});
    let content = "\"\\ \u{1} é 🚀 </script> \u{2028}";
    let frame = serde_json::json!({ "content": content, "roomId": "lobby", "type": "send_message" });
    let outputs = world.say(ADA, &frame.to_string());
    let Some(Output::Send { text, .. }) = outputs.first() else { panic!("{outputs:?}") };
    let message: Value = serde_json::from_str(text).unwrap();
    assert_eq!(message["content"], content);
}

#[test]
fn joining_is_told_to_the_others_and_not_to_the_one_who_joined() {
    let mut world = World::lobby(|_| {});
    world.connect(CYD, "cyd");
    let text = r#"{"type":"user_joined","roomId":"lobby","userId":"cyd"}"#;
    assert_eq!(world.join(CYD, "lobby"), [sent(ADA, text), sent(BOB, text)]);
}

#[test]
fn joining_again_on_the_same_connection_says_nothing() {
    let mut world = World::lobby(|_| {});
    assert_eq!(world.join(ADA, "lobby"), []);
    assert_eq!(world.send(ADA, "lobby", "x").len(), 2);
}

#[test]
fn membership_is_per_user_so_a_second_connection_joins_silently_but_hears_everything() {
    let mut world = World::lobby(|_| {});
    world.connect(CYD, "ada");
    assert_eq!(world.join(CYD, "lobby"), []);
    assert_eq!(world.send(BOB, "lobby", "x").len(), 3);
}

#[test]
fn a_user_who_comes_back_after_the_last_connection_left_joins_anew() {
    let mut world = World::lobby(|_| {});
    world.hang_up(ADA);
    world.connect(ADA, "ada");
    let text = r#"{"type":"user_joined","roomId":"lobby","userId":"ada"}"#;
    assert_eq!(world.join(ADA, "lobby"), [sent(BOB, text)]);
}

#[test]
fn one_who_left_hears_and_says_nothing_more_in_that_room() {
    let mut world = World::lobby(|_| {});
    let leave = r#"{"type":"leave_room","roomId":"lobby"}"#;
    assert_eq!(world.say(ADA, leave), []);
    assert_eq!(world.say(ADA, leave), []);
    assert_eq!(world.send(BOB, "lobby", "x").len(), 1);
    assert_eq!(world.send(ADA, "lobby", "x"), error(ADA, "join the room before sending to it"));
}

#[test]
fn a_closed_connection_is_out_of_all_rooms_and_empty_rooms_are_gone() {
    let mut world = World::lobby(|_| {});
    world.join(ADA, "other");
    assert_eq!(world.hub.rooms(), 2);
    assert_eq!(world.hang_up(ADA), []);
    assert_eq!(world.hub.members("lobby").map(|(conn, _)| conn).collect::<Vec<_>>(), [BOB]);
    assert_eq!((world.hub.rooms(), world.hub.connections()), (1, 1));
    world.hang_up(BOB);
    assert_eq!((world.hub.rooms(), world.hub.connections()), (0, 0));
    world.rests();
    assert!(world.hub.rooms.is_empty() && world.hub.store.rooms().next().is_none());
}

#[test]
fn what_is_not_json_is_answered_in_the_contracts_own_words() {
    let mut world = World::lobby(|_| {});
    for text in ["", "hello", "{", r#"{"type":"join_room","roomId":"a"} x"#, "\u{0}"] {
        assert_eq!(world.say(ADA, text), error(ADA, "Invalid JSON"), "{text:?}");
    }
}

#[test]
fn an_unknown_type_and_unknown_fields_are_ignored() {
    let mut world = World::lobby(|_| {});
    for text in [r#"{"type":"ping","t":1}"#, r#"{"type":"history","roomId":7}"#, r#"{"x":1,"type":""}"#] {
        assert_eq!(world.say(ADA, text), [], "{text}");
    }
    assert_eq!(world.say(ADA, r#"{"ref":"1","roomId":"lobby","type":"join_room","since":{"seq":1}}"#), []);
}

#[test]
fn a_field_of_the_wrong_type_is_an_error_and_the_connection_goes_on() {
    let mut world = World::lobby(|_| {});
    let send = "send_message needs a string roomId and a string content";
    for (text, message) in [
        (r#"{"type":"join_room"}"#, "join_room needs a string roomId"),
        (r#"{"type":"join_room","roomId":7}"#, "join_room needs a string roomId"),
        (r#"{"type":"leave_room","roomId":null}"#, "leave_room needs a string roomId"),
        (r#"{"type":"send_message","roomId":"lobby"}"#, send),
        (r#"{"type":"send_message","roomId":"lobby","content":{"a":1}}"#, send),
        (r#"{"roomId":"lobby"}"#, "a frame is an object with a string type"),
        (r#"{"type":7}"#, "a frame is an object with a string type"),
        ("[1]", "a frame is an object with a string type"),
        ("null", "a frame is an object with a string type"),
    ] {
        assert_eq!(world.say(ADA, text), error(ADA, message), "{text}");
    }
    assert_eq!(world.send(ADA, "lobby", "x").len(), 2);
}

#[test]
fn a_bad_room_name_is_refused_with_its_own_error() {
    let mut world = World::lobby(|_| {});
    for (room, message) in [
        (String::new(), "roomId is empty"),
        ("x".repeat(129), "roomId is longer than 128 characters"),
        (String::from("@me"), "roomId starts with the reserved @"),
        (String::from("a\\u202eb"), "roomId has control, bidirectional or zero-width characters"),
    ] {
        assert_eq!(world.join(ADA, &room), error(ADA, message));
        assert_eq!(world.send(ADA, &room, "x"), error(ADA, message));
    }
    assert_eq!(world.hub.rooms(), 1);
}

#[test]
fn content_may_be_as_long_as_the_limit_and_no_longer() {
    let mut world = World::lobby(|config| config.content_bytes = 4);
    assert_eq!(world.send(ADA, "lobby", "éé").len(), 2);
    assert_eq!(world.send(ADA, "lobby", "ééx"), error(ADA, "content is too long"));
}

#[test]
fn a_connection_is_in_at_most_so_many_rooms() {
    let mut world = World::lobby(|config| config.rooms_per_conn = 2);
    world.join(ADA, "b");
    assert_eq!(world.join(ADA, "c"), error(ADA, "too many rooms on this connection"));
    assert_eq!(world.join(ADA, "b"), []);
    world.say(ADA, r#"{"type":"leave_room","roomId":"b"}"#);
    assert_eq!(world.join(ADA, "c"), []);
}

#[test]
fn a_room_holds_at_most_so_many_connections() {
    let mut world = World::lobby(|config| config.members_per_room = 2);
    world.connect(CYD, "cyd");
    assert_eq!(world.join(CYD, "lobby"), error(CYD, "the room is full"));
    assert_eq!(world.send(ADA, "lobby", "x").len(), 2);
}

#[test]
fn a_user_has_at_most_so_many_connections() {
    let mut world = World::new(|config| config.sockets_per_user = 1);
    assert_eq!(world.connect(ADA, "ada"), []);
    assert_eq!(world.connect(BOB, "ada"), closed(BOB, 4011, "Too many connections"));
    assert_eq!(world.connect(CYD, "cyd"), []);
    world.hang_up(ADA);
    assert_eq!(world.connect(BOB, "ada"), []);
}

#[test]
fn a_user_may_send_a_burst_and_then_at_the_rate_whatever_the_connection() {
    let mut world = World::lobby(|config| config.rate = Some(2.0));
    world.connect(CYD, "ada");
    world.join(CYD, "lobby");
    for conn in [ADA, CYD, ADA, CYD] {
        assert_eq!(world.send(conn, "lobby", "x").len(), 3);
    }
    assert_eq!(world.send(ADA, "lobby", "x"), error(ADA, "rate limited"));
    assert_eq!(world.send(CYD, "lobby", "x"), error(CYD, "rate limited"));
    assert_eq!(world.send(BOB, "lobby", "x").len(), 3);
    world.ms += 501;
    assert_eq!(world.send(ADA, "lobby", "x").len(), 3);
}

#[test]
fn reconnecting_gives_no_second_burst_and_an_idle_user_is_forgotten() {
    let mut world = World::lobby(|config| config.rate = Some(2.0));
    for _ in 0..4 {
        world.send(ADA, "lobby", "x");
    }
    world.hang_up(ADA);
    world.connect(ADA, "ada");
    world.join(ADA, "lobby");
    assert_eq!(world.send(ADA, "lobby", "x"), error(ADA, "rate limited"));
    for conn in [ADA, BOB] {
        world.hang_up(conn);
    }
    world.rests();
    assert!(world.hub.users.is_empty());
}

#[test]
fn one_who_floods_on_and_on_is_closed() {
    let mut world = World::lobby(|config| config.rate = Some(2.0));
    let outputs: Vec<_> = (0..100).flat_map(|_| world.send(ADA, "lobby", "x")).collect();
    assert_eq!(outputs.last(), closed(ADA, 4008, "Rate limited").first());
    assert_eq!(world.hub.connections(), 1);
    let mut world = World::lobby(|config| config.rate = Some(2.0));
    let outputs: Vec<_> = (0..100).flat_map(|_| world.say(ADA, "?")).collect();
    assert_eq!(outputs.last(), closed(ADA, 4008, "Rate limited").first());
}

#[test]
fn a_client_that_rejoins_all_its_rooms_at_once_is_not_limited() {
    let mut world = World::new(|config| config.rate = Some(1.0));
    world.connect(ADA, "ada");
    for room in 0..256 {
        assert_eq!(world.join(ADA, &room.to_string()), []);
    }
}

#[test]
fn a_silent_peer_is_pinged_and_cut_before_the_next_ping() {
    let mut world = World::lobby(|_| {});
    world.ms = 10_000;
    assert_eq!(world.handle(Input::Tick), []);
    let pings = world.next_tick();
    assert_eq!((world.ms, pings), (30_000, vec![Output::Ping { conn: ADA }, Output::Ping { conn: BOB }]));
    world.handle(Input::Activity { conn: BOB });
    let outputs = world.next_tick();
    assert_eq!(outputs, [Output::Terminate { conn: ADA }, Output::Ping { conn: BOB }]);
    assert_eq!((world.ms, world.hub.connections()), (60_000, 1));
    // Any frame proves life, even a wrong one.
    world.say(BOB, "?");
    assert_eq!(world.next_tick(), [Output::Ping { conn: BOB }]);
}

#[test]
fn one_that_speaks_the_extended_protocol_is_asked_every_25_seconds_and_told_so() {
    let mut world = World::new(|_| {});
    world.connect(ADA, "ada");
    let hello = world.extend(BOB, "bob");
    assert_eq!(heard(&hello)[0].1["heartbeatMs"], 25_000);
    assert_eq!((world.next_tick(), world.ms), (vec![Output::Ping { conn: BOB }], 25_000));
    assert_eq!((world.next_tick(), world.ms), (vec![Output::Ping { conn: ADA }], 30_000));
    assert_eq!((world.next_tick(), world.ms), (vec![Output::Terminate { conn: BOB }], 50_000));
}

#[test]
fn a_tick_that_is_late_by_far_asks_again_instead_of_cutting() {
    let mut world = World::lobby(|_| {});
    world.next_tick();
    world.ms = 600_000;
    let outputs = world.handle(Input::Tick);
    assert_eq!(outputs, [Output::Ping { conn: ADA }, Output::Ping { conn: BOB }]);
    assert_eq!(world.next_tick(), [Output::Terminate { conn: ADA }, Output::Terminate { conn: BOB }]);
}

#[test]
fn a_drain_closes_everybody_evenly_over_its_window() {
    let mut world = World::new(|_| {});
    for conn in 0..4 {
        world.connect(ConnId(conn), "ada");
    }
    let first = world.handle(Input::Drain { window: Duration::from_secs(8), reason: DrainReason::Restart });
    let mut closes = vec![(world.ms, first)];
    while world.hub.connections() > 0 {
        let outputs = world.next_tick();
        closes.push((world.ms, outputs));
    }
    let expected: Vec<_> = (0..4).map(|n| (n * 2_000, closed(ConnId(n), 1012, "Service restart"))).collect();
    assert_eq!(closes, expected);
    assert_eq!(world.connect(ADA, "ada"), closed(ADA, 1012, "Service restart"));
    world.rests();
}

#[test]
fn a_drain_without_a_window_closes_everybody_at_once() {
    let mut world = World::lobby(|_| {});
    let outputs = world.handle(Input::Drain { window: Duration::ZERO, reason: DrainReason::Restart });
    let both = [closed(ADA, 1012, "Service restart"), closed(BOB, 1012, "Service restart")].concat();
    assert_eq!(outputs, both);
}

#[test]
fn inputs_for_unknown_connections_change_nothing() {
    let mut world = World::lobby(|_| {});
    let stranger = ConnId(99);
    assert_eq!(world.join(stranger, "lobby"), []);
    assert_eq!(world.handle(Input::Activity { conn: stranger }), []);
    assert_eq!(world.hang_up(stranger), []);
    assert_eq!(world.hub.connections(), 2);
}

#[test]
fn debug_output_of_a_send_holds_nothing_that_was_said() {
    let mut world = World::lobby(|_| {});
    let outputs = world.send(ADA, "lobby", "canary");
    assert!(!format!("{outputs:?}").contains("canary"));
}
