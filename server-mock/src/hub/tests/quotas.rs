//! The limits of one user, by whatever way it is asked for.

use super::*;
use crate::hub::Limit;

fn leave(world: &mut World, conn: ConnId, room: &str) {
    world.say(conn, &json!({"type": "leave_room", "roomId": room}).to_string());
}

/// Asks for a room; the code of the refusal if there is one.
fn ask_for(world: &mut World, conn: ConnId, room: &str) -> Option<String> {
    let answer = world.ask(conn, &json!({"type": "join_room", "roomId": room, "ref": "j"})).remove(0).1;
    answer["code"].as_str().map(String::from)
}

fn ends(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Close { code: 4008, .. }))
}

#[test]
fn a_user_makes_as_many_rooms_as_one_may_and_the_others_still_get_theirs() {
    let mut world = World::new(|config| (config.rooms_per_user, config.rooms) = (3, 100));
    world.extend(ADA, "ada");
    world.extend(BOB, "bob");
    for room in ["a", "b", "c"] {
        assert_eq!(ask_for(&mut world, ADA, room), None);
        world.send(ADA, room, "said");
    }
    assert_eq!(ask_for(&mut world, ADA, "d").as_deref(), Some("overloaded"));
    // Whoever made a room, it is everybody's.
    assert_eq!(ask_for(&mut world, BOB, "a"), None);
    assert_eq!(ask_for(&mut world, BOB, "d"), None);
    assert_eq!(ask_for(&mut world, ADA, "d"), None);
    assert_eq!(ask_for(&mut world, ADA, "@me"), None, "a personal stream is no room");
    assert_eq!(
        (world.hub.refusal_counts().get(Limit::RoomsOfUser), world.hub.refusal_counts().total()),
        (1, 1)
    );
    // One that was left is needed for a while, and then makes room.
    leave(&mut world, ADA, "b");
    assert_eq!(ask_for(&mut world, ADA, "e").as_deref(), Some("overloaded"));
    world.ms += 600_000;
    assert_eq!(ask_for(&mut world, ADA, "e"), None);
    assert!(world.hub.store().room("b").is_none());
}

#[test]
fn a_reader_of_a_room_that_does_not_exist_makes_it_and_has_the_same_quota() {
    let mut world = World::new(|config| config.rooms_per_user = 2);
    let watch = |room: &str| crate::hub::FeedRequest {
        room: Name::from(room),
        since: "".into(),
        history: 0,
        announces_join: false,
    };
    for (conn, room) in [(ADA, "a"), (BOB, "b")] {
        let request = watch(room);
        world.handle(Input::OpenFeed { conn, user: Name::from("eve"), expires: None, request });
    }
    let request = watch("c");
    let outputs =
        world.handle(Input::OpenFeed { conn: CYD, user: Name::from("eve"), expires: None, request });
    let quota = Output::Close { conn: CYD, code: 4011, reason: "Too many rooms" };
    assert_eq!(outputs, [quota]);
}

#[test]
fn a_full_server_forgets_rooms_of_the_heaviest_user_first() {
    let mut world = World::new(|config| config.rooms = 6);
    world.extend(ADA, "ada");
    world.extend(BOB, "bob");
    world.enter(BOB, "b1");
    world.send(BOB, "b1", "said");
    leave(&mut world, BOB, "b1");
    world.ms += 1_000;
    for room in ["a1", "a2", "a3", "a4", "a5"] {
        world.enter(ADA, room);
        world.send(ADA, room, "said");
        leave(&mut world, ADA, room);
        world.ms += 1_000;
    }
    world.ms += 600_000;
    for (new, gone) in [("c1", "a1"), ("c2", "a2")] {
        assert_eq!(ask_for(&mut world, BOB, new), None);
        assert!(world.hub.store().room(gone).is_none(), "{gone}");
        assert!(world.hub.store().room("b1").is_some());
    }
    assert_eq!(world.hub.store().evicted(), 2);
    assert_eq!(world.hub.store().rooms().count(), 6);
}

#[test]
fn a_user_makes_rooms_at_a_rate_and_finds_old_ones_at_any() {
    let mut world = World::new(|config| (config.rate, config.rooms_per_conn) = (Some(1_000.0), 4));
    world.extend(ADA, "ada");
    for room in 0..8 {
        assert_eq!(ask_for(&mut world, ADA, &room.to_string()), None);
        leave(&mut world, ADA, &room.to_string());
    }
    world.ms += 900;
    assert_eq!(ask_for(&mut world, ADA, "8").as_deref(), Some("rate_limited"));
    assert_eq!(ask_for(&mut world, ADA, "7"), None);
    world.ms += 200;
    assert_eq!(ask_for(&mut world, ADA, "8"), None);
    assert_eq!((world.hub.refusal_counts().get(Limit::RoomRate), world.hub.refusal_counts().total()), (1, 1));
}

#[test]
fn a_flood_of_anything_is_closed_with_4008_and_the_next_connection_of_the_user_has_no_second_burst() {
    let frames = [
        r#"{"type":"ping","t":1}"#,
        r#"{"type":"presence","roomId":"lobby"}"#,
        r#"{"type":"leave_room","roomId":"elsewhere","ref":"1"}"#,
        r#"{"type":"of_a_later_version"}"#,
        r#"{"type":"join_room","roomId":"lobby"}"#,
        r#"{"type":"signal","roomId":"elsewhere","kind":"k"}"#,
        r#"{"type":"send_message","roomId":"lobby","content":"x"}"#,
        "no JSON",
    ];
    for extended in [true, false] {
        for frame in frames.into_iter().map(Some).chain([None]) {
            let mut world = World::new(|config| (config.rate, config.rooms_per_conn) = (Some(1.0), 1));
            let connect = |world: &mut World| {
                world.handle(Input::Connected {
                    conn: ADA,
                    user: Name::from("ada"),
                    extended,
                    expires: None,
                });
            };
            connect(&mut world);
            world.join(ADA, "lobby");
            let flood = |world: &mut World| {
                (0..).take(10_000).find(|_| {
                    let input =
                        frame.map_or(Input::Activity { conn: ADA }, |text| Input::Frame { conn: ADA, text });
                    ends(&world.handle(input))
                })
            };
            // Ten times a burst of two sends and two joins, at most.
            let first = flood(&mut world).expect("it ends");
            assert!(first <= 40, "{frame:?}: {first}");
            connect(&mut world);
            assert!(flood(&mut world).expect("it ends again") <= first, "{frame:?}");
        }
    }
}

#[test]
fn a_user_who_sends_at_the_rate_for_an_hour_is_never_closed_and_one_without_a_rate_not_at_any() {
    let mut world = World::new(|config| (config.rate, config.rooms_per_conn) = (Some(2.0), 1));
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    for _ in 0..7_200 {
        world.ms += 500;
        assert!(!ends(&world.send(ADA, "lobby", "x")));
        world.handle(Input::Activity { conn: ADA });
    }
    assert_eq!(world.hub.refusal_counts().total(), 0);
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    for _ in 0..10_000 {
        assert!(!ends(&world.say(ADA, r#"{"type":"ping","t":1}"#)));
    }
}

#[test]
fn who_comes_and_goes_has_no_second_burst() {
    let mut world = World::new(|config| config.rate = Some(1.0));
    let accepted = |world: &mut World| {
        let mut count: u64 = 0;
        world.extend(ADA, "ada");
        world.join(ADA, "lobby");
        loop {
            let frame = json!({"type": "send_message", "roomId": "lobby", "content": "x", "ref": "s"});
            let answers = world.ask(ADA, &frame);
            if answers.iter().any(|(_, answer)| answer["type"] == "nack") {
                world.hang_up(ADA);
                return count;
            }
            count += 1;
        }
    };
    let burst = accepted(&mut world);
    // Used up again shortly before the allowances would have been full from the first time.
    world.ms += 500 * burst;
    let more = accepted(&mut world);
    assert!((1..burst).contains(&more), "{more} of {burst}");
    world.ms += 500 * burst + 1;
    world.handle(Input::Tick);
    let more = accepted(&mut world);
    assert!((1..burst).contains(&more), "{more} of {burst}");
}
