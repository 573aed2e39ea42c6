//! A connection in the place of one that was lost.

use super::*;
use crate::hub::{RoomPosition, stream_of};
use rejoin::Id;

fn place(world: &World, room: &str, after: u64) -> RoomPosition {
    RoomPosition { room: Name::from(room), epoch: Id::new(&world.epoch(room)).unwrap(), after }
}

fn restore(world: &mut World, conn: ConnId, rooms: &[RoomPosition]) -> (bool, Vec<(ConnId, Value)>) {
    let outputs = world.handle(Input::Restore { conn, rooms });
    let Some(Output::Restored { restored: done, .. }) = outputs.first() else { panic!("{outputs:?}") };
    (*done, heard(&outputs))
}

/// Ada is in `lobby` and has its first message; her connection is lost, and Bob says two more.
fn lost() -> World {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    world.extend(BOB, "bob");
    world.enter(ADA, "lobby");
    world.enter(BOB, "lobby");
    world.send(BOB, "lobby", "one");
    world.hang_up(ADA);
    world.send(BOB, "lobby", "two");
    world.send(BOB, "lobby", "three");
    world
}

#[test]
fn it_is_back_in_its_rooms_with_what_was_missed_and_nobody_notices() {
    let mut world = lost();
    world.extend(CYD, "ada");
    let place = place(&world, "lobby", 1);
    let (done, frames) = restore(&mut world, CYD, &[place]);
    assert!(done);
    assert!(frames.iter().all(|(to, _)| *to == CYD), "{frames:?}");
    let frames: Vec<Value> = frames.into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(contents(&frames), ["two", "three"]);
    let live = heard(&world.send(BOB, "lobby", "four"));
    assert!(live.iter().any(|(to, frame)| *to == CYD && frame["seq"] == 4), "{live:?}");
}

#[test]
fn a_replay_has_no_limit_but_the_log() {
    let mut world = World::new(|config| {
        config.replay = 2;
        config.replay_chunk = 100;
    });
    world.extend(BOB, "bob");
    world.enter(BOB, "lobby");
    for n in 0..50 {
        world.send(BOB, "lobby", &n.to_string());
    }
    world.extend(ADA, "ada");
    let place = place(&world, "lobby", 10);
    let (done, frames) = restore(&mut world, ADA, &[place]);
    let messages = frames.iter().filter(|(to, frame)| *to == ADA && frame["type"] == "message").count();
    assert_eq!((done, messages), (true, 40));
}

#[test]
fn the_personal_stream_is_restored_to_its_owner_alone() {
    let mut world = World::new(|_| {});
    let notify = |world: &mut World| {
        world.handle(Input::Notify { call: 1, user: Name::from("ada"), kind: Name::from("k"), data: None });
    };
    notify(&mut world);
    notify(&mut world);
    let stream = place(&world, &stream_of(&Name::from("ada")), 1);
    world.extend(BOB, "bob");
    assert_eq!(restore(&mut world, BOB, std::slice::from_ref(&stream)), (false, Vec::new()));
    world.extend(ADA, "ada");
    let (done, frames) = restore(&mut world, ADA, &[stream]);
    assert!(done);
    assert_eq!((frames.len(), &frames[0].1["seq"]), (1, &json!(2)));
}

#[test]
fn it_is_in_all_rooms_or_in_none() {
    let mut world = lost();
    world.join(BOB, "other");
    let good = place(&world, "lobby", 1);
    let bad = [
        RoomPosition { room: Name::from("nowhere"), ..good.clone() },
        RoomPosition { epoch: Id::new("other").unwrap(), ..good.clone() },
        RoomPosition { after: 4, ..good.clone() },
        RoomPosition { room: Name::from("\u{7}"), ..good.clone() },
    ];
    for bad in bad {
        world.extend(CYD, "ada");
        assert_eq!(restore(&mut world, CYD, &[good.clone(), bad.clone()]), (false, Vec::new()), "{bad:?}");
        assert!(!world.hub.members("lobby").any(|(conn, _)| conn == CYD));
    }
}

#[test]
fn what_the_log_has_lost_and_a_full_room_cannot_be_gone_on_with() {
    let mut world = World::new(|config| {
        config.history = 2;
        config.members_per_room = 1;
    });
    world.extend(BOB, "bob");
    world.enter(BOB, "lobby");
    for n in 0..5 {
        world.send(BOB, "lobby", &n.to_string());
    }
    world.extend(ADA, "ada");
    let held = place(&world, "lobby", 3);
    assert!(!restore(&mut world, ADA, std::slice::from_ref(&held)).0, "it is full");
    world.hang_up(BOB);
    let trimmed = RoomPosition { after: 2, ..held.clone() };
    assert!(!restore(&mut world, ADA, &[trimmed]).0);
    assert!(restore(&mut world, ADA, &[held]).0);
}

#[test]
fn a_plain_connection_or_one_that_is_in_a_room_is_not_restored() {
    let mut world = lost();
    let place = place(&world, "lobby", 1);
    world.connect(CYD, "ada");
    assert!(!restore(&mut world, CYD, std::slice::from_ref(&place)).0);
    assert!(!restore(&mut world, BOB, std::slice::from_ref(&place)).0);
    assert!(!restore(&mut world, ConnId(99), &[place]).0);
}

#[test]
fn restoring_counts_as_joining() {
    let mut world = World::new(|config| {
        config.rate = Some(1.0);
        config.rooms_per_conn = 4;
    });
    world.extend(BOB, "bob");
    world.enter(BOB, "lobby");
    let place = place(&world, "lobby", 0);
    let mut restored = 0;
    for conn in 10..40 {
        world.extend(ConnId(conn), "ada");
        restored += usize::from(restore(&mut world, ConnId(conn), std::slice::from_ref(&place)).0);
    }
    assert!((1..20).contains(&restored), "{restored}");
}

#[test]
fn what_was_missed_in_several_rooms_comes_in_the_order_in_which_it_was_said() {
    for chunk in [1, 3, 100] {
        let mut world = World::new(|config| config.replay_chunk = chunk);
        world.extend(BOB, "bob");
        for room in ["a", "b", "c"] {
            world.enter(BOB, room);
        }
        for (second, room) in ["b", "a", "a", "c", "b", "a"].into_iter().enumerate() {
            world.ms += 1_000;
            world.send(BOB, room, &format!("{second}{room}"));
        }
        world.extend(ADA, "ada");
        let places = ["a", "b", "c"].map(|room| place(&world, room, 0));
        let (done, mut frames) = restore(&mut world, ADA, &places);
        assert!(done);
        world.send(BOB, "b", "live");
        for _ in 0..10 {
            frames.extend(heard(&world.handle(Input::QueueDrained { conn: ADA })));
        }
        let own = frames.iter().filter(|(to, frame)| *to == ADA && frame["type"] == "message");
        let said: Vec<_> = own.map(|(_, frame)| frame["content"].as_str().unwrap()).collect();
        // The one that is said when everything has been replayed comes at once, and not out of the log.
        let expected = ["0b", "1a", "2a", "3c", "4b", "5a", "live"];
        assert_eq!(said, expected[..said.len()], "{chunk}");
        assert!(said.len() == 7 || chunk == 100 && said.len() == 6, "{chunk}: {said:?}");
    }
}

#[test]
fn who_is_there_now_is_told_of_each_room_and_not_of_the_personal_stream() {
    let mut world = lost();
    world.extend(ConnId(7), "dan");
    world.enter(ConnId(7), "lobby");
    world.handle(Input::Notify { call: 1, user: Name::from("ada"), kind: Name::from("k"), data: None });
    world.extend(CYD, "ada");
    let places = [place(&world, "lobby", 1), place(&world, &stream_of(&Name::from("ada")), 0)];
    let (done, frames) = restore(&mut world, CYD, &places);
    assert!(done);
    let told: Vec<_> = frames.into_iter().filter(|(_, frame)| frame["type"] == "presence").collect();
    let members = json!({"type": "presence", "roomId": "lobby", "members": ["ada", "bob", "dan"]});
    assert_eq!(told, [(CYD, members)]);
}

#[test]
fn rooms_with_somebody_in_them_are_counted_as_they_change() {
    let mut world = lost();
    assert_eq!(world.hub.rooms(), 1);
    world.enter(BOB, "other");
    world.enter(BOB, "@me");
    assert_eq!(world.hub.rooms(), 2);
    world.extend(CYD, "ada");
    let places = [place(&world, "lobby", 1), place(&world, "other", 0)];
    assert!(restore(&mut world, CYD, &places).0);
    world.hang_up(BOB);
    assert_eq!(world.hub.rooms(), 2);
    world.say(CYD, r#"{"type":"leave_room","roomId":"other"}"#);
    world.say(CYD, r#"{"type":"leave_room","roomId":"other"}"#);
    assert_eq!(world.hub.rooms(), 1);
    world.hang_up(CYD);
    assert_eq!(world.hub.rooms(), 0);
}
