//! Who is there: counted per user, without flicker (protocol.md §2.2).

use super::*;

const JOINED: &str = r#"{"type":"user_joined","roomId":"lobby","userId":"ada"}"#;
const LEFT: &str = r#"{"type":"user_left","roomId":"lobby","userId":"ada"}"#;

/// Ada and Bob speak the extended protocol, Cyd does not; all are in `lobby`.
fn lobby() -> World {
    let mut world = World::new(|_| {});
    for (conn, user) in [(ADA, "ada"), (BOB, "bob")] {
        world.extend(conn, user);
        world.enter(conn, "lobby");
    }
    world.connect(CYD, "cyd");
    world.join(CYD, "lobby");
    world
}

#[test]
fn a_loss_is_told_after_fifteen_seconds_and_only_to_those_who_know_the_frame() {
    let mut world = lobby();
    assert_eq!(world.hang_up(ADA), []);
    assert_eq!(
        world.ask(BOB, &json!({"type": "presence", "roomId": "lobby"}))[0].1["members"],
        json!(["ada", "bob", "cyd"])
    );
    assert_eq!((world.next_tick(), world.ms), (vec![sent(BOB, LEFT)], 15_000));
    assert_eq!(
        world.ask(BOB, &json!({"type": "presence", "roomId": "lobby"}))[0].1["members"],
        json!(["bob", "cyd"])
    );
    world.extend(ADA, "ada");
    let outputs = world.say(ADA, r#"{"type":"join_room","roomId":"lobby","ref":"j"}"#);
    assert_eq!(outputs[1..], [sent(BOB, JOINED), sent(CYD, JOINED)]);
}

#[test]
fn a_return_within_the_grace_is_seen_by_plain_members_only() {
    let mut world = lobby();
    world.hang_up(ADA);
    world.ms = 14_999;
    world.extend(ADA, "ada");
    let outputs = world.say(ADA, r#"{"type":"join_room","roomId":"lobby","ref":"j"}"#);
    // By the plain contract the user's connections went from none to one.
    assert_eq!(outputs[1..], [sent(CYD, JOINED)]);
    world.ms = 24_999;
    assert_eq!(world.handle(Input::Tick), []);
}

#[test]
fn who_says_goodbye_is_gone_at_once() {
    let mut world = lobby();
    assert_eq!(world.handle(Input::Disconnected { conn: ADA, clean: true }), [sent(BOB, LEFT)]);
    let mut world = lobby();
    let leave = r#"{"type":"leave_room","roomId":"lobby"}"#;
    assert_eq!(world.say(ADA, leave), [sent(BOB, LEFT)]);
    assert_eq!(world.say(CYD, leave), [sent(BOB, &LEFT.replace("ada", "cyd"))]);
}

#[test]
fn a_user_with_another_connection_has_not_left() {
    let mut world = lobby();
    world.extend(ConnId(4), "ada");
    world.enter(ConnId(4), "lobby");
    assert_eq!(world.handle(Input::Disconnected { conn: ADA, clean: true }), []);
    assert_eq!(world.handle(Input::Disconnected { conn: ConnId(4), clean: true }), [sent(BOB, LEFT)]);
}

#[test]
fn the_grace_of_a_room_that_everybody_lost_leaves_nothing_behind() {
    let mut world = lobby();
    for conn in [ADA, BOB, CYD] {
        world.hang_up(conn);
    }
    assert_eq!(world.hub.rooms(), 0);
    assert_eq!(world.tick(), []);
    assert!(world.hub.rooms.is_empty());
}

#[test]
fn a_presence_request_is_for_members() {
    let mut world = lobby();
    let frames = world.ask(ADA, &json!({"type": "presence", "roomId": "other"}));
    assert_eq!(
        frames[0].1,
        json!({
            "type": "error", "roomId": "other", "code": "not_joined", "retry": true, "message": "join the room first",
        })
    );
    let frames = world.ask(ADA, &json!({"type": "presence", "roomId": "@me"}));
    assert_eq!(frames[0].1["message"], "roomId starts with the reserved @");
}

#[test]
fn a_signal_is_offered_to_the_other_users_who_understand_it_and_kept_nowhere() {
    let mut world = lobby();
    world.extend(ConnId(4), "ada");
    world.enter(ConnId(4), "lobby");
    let outputs = world.say(ADA, r#"{"type":"signal","roomId":"lobby","kind":"typing","data":{"on":true}}"#);
    let text = r#"{"type":"signal","roomId":"lobby","userId":"ada","kind":"typing","data":{"on":true}}"#;
    assert_eq!(outputs, [Output::SendVolatile { conn: BOB, text: String::from(text).into() }]);
    assert_eq!(world.hub.store().room("lobby").unwrap().head(), 0);
}

#[test]
fn a_signal_from_outside_of_the_room_goes_nowhere() {
    let mut world = lobby();
    world.extend(ConnId(4), "dee");
    assert_eq!(world.say(ConnId(4), r#"{"type":"signal","roomId":"lobby","kind":"typing"}"#), []);
    let long = format!(r#"{{"type":"signal","roomId":"lobby","kind":"{}"}}"#, "x".repeat(65));
    assert_eq!(world.say(ADA, &long), bad_request(ADA, "a signal's kind has 1-64 bytes"));
}

#[test]
fn a_connection_that_was_lost_is_waited_for_although_another_of_its_user_says_goodbye() {
    let leave = r#"{"type":"leave_room","roomId":"lobby"}"#;
    for closes in [true, false] {
        let mut world = lobby();
        world.extend(ConnId(4), "ada");
        world.enter(ConnId(4), "lobby");
        world.hang_up(ConnId(4));
        world.ms = 5_000;
        let farewell = if closes {
            world.handle(Input::Disconnected { conn: ADA, clean: true })
        } else {
            world.say(ADA, leave)
        };
        assert_eq!(farewell, []);
        assert_eq!((world.next_tick(), world.ms), (vec![sent(BOB, LEFT)], 15_000));
    }
}

#[test]
fn who_came_back_after_a_loss_is_gone_at_once_after_a_goodbye() {
    let mut world = lobby();
    world.hang_up(ADA);
    world.extend(ConnId(4), "ada");
    world.enter(ConnId(4), "lobby");
    assert_eq!(world.handle(Input::Disconnected { conn: ConnId(4), clean: true }), [sent(BOB, LEFT)]);
}

#[test]
fn the_grace_of_somebody_who_was_removed_ends_nothing_later() {
    let mut world = lobby();
    world.hang_up(ADA);
    world.ms = 1_000;
    let removed = Input::Remove { room: Name::from("lobby"), user: Name::from("ada") };
    assert_eq!(world.handle(removed), [sent(BOB, LEFT)]);
    world.ms = 2_000;
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    world.ms = 14_000;
    world.hang_up(ADA);
    let mut told = Vec::new();
    while told.is_empty() {
        told = world.tick();
        told.retain(|output| *output == sent(BOB, LEFT));
    }
    assert_eq!(world.ms, 29_000);
}
