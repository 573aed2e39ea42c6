//! Connections that may not do everything.

use super::*;
use crate::hub::{Right, Rights};
use rejoin::{Id, Name};

const FORBIDDEN: &str = "forbidden";

fn rights(patterns: &[(&str, &[Right])]) -> Rights {
    Rights::from_patterns(patterns.iter().map(|(pattern, rights)| (*pattern, *rights))).unwrap()
}

/// Ada speaks the extended protocol and has these rights; Bob may everything and is in `team-red`.
fn world(patterns: &[(&str, &[Right])]) -> World {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    world.handle(Input::SetRights { conn: ADA, rights: rights(patterns) });
    world.extend(BOB, "bob");
    world.enter(BOB, "team-red");
    world
}

fn refusal(world: &mut World, frame: &Value) -> (String, String) {
    let answers = world.ask(ADA, frame);
    let (to, answer) = &answers[0];
    assert_eq!(
        (*to, answers.len(), &answer["code"], &answer["retry"]),
        (ADA, 1, &json!(FORBIDDEN), &json!(false)),
        "{answer}"
    );
    (String::from(answer["message"].as_str().unwrap()), answer["roomId"].as_str().unwrap_or("").into())
}

#[test]
fn who_may_not_join_a_room_is_told_which_right_is_lacking() {
    let mut world = world(&[("team-*", &[Right::Join])]);
    let (words, room) = refusal(&mut world, &json!({"type": "join_room", "roomId": "ops", "ref": "j"}));
    assert_eq!((&*words, &*room), ("no right to join in this room", "ops"));
    world.enter(ADA, "team-red");
    assert!(world.hub.store().room("ops").is_none(), "a refusal makes no room");
}

#[test]
fn each_right_is_asked_for_by_what_needs_it() {
    let mut world = world(&[("team-red", &[Right::Join])]);
    let joined = world.enter(ADA, "team-red");
    assert_eq!((&joined["members"], &joined["memberCount"]), (&Value::Null, &Value::Null));
    let epoch = joined["epoch"].clone();
    for (frame, right) in [
        (json!({"type": "presence", "roomId": "team-red"}), "presence"),
        (json!({"type": "signal", "roomId": "team-red", "kind": "typing"}), "signal"),
        (
            json!({"type": "history", "roomId": "team-red", "ref": "h", "epoch": epoch, "after": 0, "limit": 5}),
            "history",
        ),
        (json!({"type": "send_message", "roomId": "team-red", "content": "x", "ref": "s"}), "send"),
    ] {
        let (words, _) = refusal(&mut world, &frame);
        assert_eq!(words, format!("no right to {right} in this room"));
    }
    let all: &[Right] = &[Right::Join, Right::Send, Right::History, Right::Presence, Right::Signal];
    world.handle(Input::SetRights { conn: ADA, rights: rights(&[("team-*", all)]) });
    assert_eq!(world.ask(ADA, &json!({"type": "presence", "roomId": "team-red"}))[0].1["type"], "presence");
    let sent =
        world.ask(ADA, &json!({"type": "send_message", "roomId": "team-red", "content": "x", "ref": "s"}));
    assert!(sent.iter().any(|(to, frame)| *to == BOB && frame["content"] == "x"));
}

#[test]
fn a_numbered_send_without_the_right_is_refused_for_good_under_its_number() {
    let mut world = World::lobby(|_| {});
    world.extend(CYD, "cyd");
    world.enter(CYD, "lobby");
    assert_eq!(world.number(CYD, "p", 1, "x")["type"], "ack");
    world.handle(Input::SetRights { conn: CYD, rights: rights(&[("lobby", &[Right::Join])]) });
    let refused = world.number(CYD, "p", 2, "y");
    assert_eq!((&refused["code"], &refused["retry"]), (&json!(FORBIDDEN), &json!(false)));
    world.handle(Input::SetRights { conn: CYD, rights: Rights::all() });
    let again = world.number(CYD, "p", 2, "y");
    assert_eq!((&again["code"], &again["dup"]), (&json!(FORBIDDEN), &json!(true)));
    assert_eq!(world.number(CYD, "p", 3, "z")["type"], "ack");
    assert_eq!(world.logged("lobby"), ["x", "z"]);
}

#[test]
fn without_the_right_to_history_a_join_has_nothing_older_than_itself() {
    let mut world = world(&[("team-red", &[Right::Join])]);
    world.send(BOB, "team-red", "old");
    let joined =
        world.ask(ADA, &json!({"type": "join_room", "roomId": "team-red", "ref": "j", "history": 10}));
    assert_eq!(joined[0].1["replay"], 0);
    assert!(joined.iter().all(|(to, frame)| *to != ADA || frame["content"].is_null()));
    world.send(BOB, "team-red", "heard");
    let position = world.position("team-red");
    world.hang_up(ADA);
    world.send(BOB, "team-red", "missed");
    world.extend(ADA, "ada");
    world.handle(Input::SetRights { conn: ADA, rights: rights(&[("team-red", &[Right::Join])]) });
    let back = world.rejoin(ADA, "team-red", &position);
    assert_eq!(contents(&back), ["missed"], "what was missed is no history");
    world.handle(Input::Frame { conn: ADA, text: r#"{"type":"leave_room","roomId":"team-red"}"# });
    let beginning = json!({"epoch": position["epoch"], "seq": 0, "id": "0"});
    let made_up = world.rejoin(ADA, "team-red", &beginning);
    assert_eq!((contents(&made_up).len(), &made_up[0]["recovered"]), (0, &json!(false)));
}

#[test]
fn who_may_not_see_who_is_there_is_not_told_who_comes_and_goes() {
    let mut world = world(&[("team-red", &[Right::Join])]);
    world.enter(ADA, "team-red");
    world.extend(CYD, "cyd");
    let told = |frames: Vec<(ConnId, Value)>, kind: &str| -> Vec<ConnId> {
        frames.into_iter().filter(|(_, frame)| frame["type"] == kind).map(|(to, _)| to).collect()
    };
    let came = world.ask(CYD, &json!({"type": "join_room", "roomId": "team-red", "ref": "j"}));
    assert_eq!(told(came, "user_joined"), [BOB]);
    let gone = world.ask(CYD, &json!({"type": "leave_room", "roomId": "team-red", "ref": "l"}));
    assert_eq!(told(gone, "user_left"), [BOB]);
}

#[test]
fn rights_that_become_fewer_put_a_connection_out_of_its_rooms_at_once() {
    let mut world = world(&[("*", &[Right::Join, Right::Presence])]);
    world.enter(ADA, "team-red");
    world.enter(ADA, "ops");
    world.enter(ADA, "@me");
    let outputs = world.handle(Input::SetRights { conn: ADA, rights: rights(&[("ops", &[Right::Join])]) });
    let frames = heard(&outputs);
    let left = json!({"type": "left", "roomId": "team-red", "code": FORBIDDEN});
    assert!(frames.contains(&(ADA, left)), "{frames:?}");
    assert!(frames.contains(&(BOB, json!({"type": "user_left", "roomId": "team-red", "userId": "ada"}))));
    assert_eq!(world.hub.members("ops").count(), 1);
    assert_eq!(world.hub.members("@ada").count(), 1, "the personal stream is everybody's own");
    assert_eq!(world.hub.members("team-red").count(), 1);
}

#[test]
fn a_plain_connection_is_told_in_the_plain_way() {
    let mut world = World::new(|_| {});
    world.connect(ADA, "ada");
    world.handle(Input::SetRights { conn: ADA, rights: rights(&[("a", &[Right::Join])]) });
    assert_eq!(world.join(ADA, "b"), error(ADA, "no right to join in this room"));
    world.join(ADA, "a");
    assert_eq!(world.send(ADA, "a", "x"), error(ADA, "no right to send in this room"));
}

#[test]
fn a_session_is_not_put_back_into_a_room_that_it_may_not_be_in() {
    let mut world = world(&[("team-red", &[Right::Join])]);
    world.send(BOB, "team-red", "x");
    let log = world.hub.store().room("team-red").unwrap();
    let position =
        crate::hub::RoomPosition { room: Name::from("team-red"), epoch: log.epoch().clone(), after: 0 };
    world.handle(Input::SetRights { conn: ADA, rights: rights(&[("ops", &[Right::Join])]) });
    let outputs = world.handle(Input::Restore { conn: ADA, rooms: std::slice::from_ref(&position) });
    assert_eq!(outputs, [Output::Restored { conn: ADA, restored: false }]);
    world.handle(Input::SetRights { conn: ADA, rights: rights(&[("team-*", &[Right::Join])]) });
    let outputs = world.handle(Input::Restore { conn: ADA, rooms: &[position] });
    assert_eq!(outputs[0], Output::Restored { conn: ADA, restored: true });
    assert!(heard(&outputs).iter().all(|(_, frame)| frame["type"] != "presence"));
}

#[test]
fn a_new_token_brings_its_rights_with_the_connection_as_it_is() {
    let mut world = world(&[("team-red", &[Right::Join])]);
    world.enter(ADA, "team-red");
    world.say(ADA, r#"{"type":"auth","ref":"a","token":"next"}"#);
    let reference: Id = "a".parse().unwrap();
    world.handle(Input::Authenticated { conn: ADA, reference, user: Some(Name::from("ada")), expires: None });
    let outputs = world.handle(Input::SetRights { conn: ADA, rights: rights(&[]) });
    assert!(heard(&outputs).iter().any(|(to, frame)| *to == ADA && frame["type"] == "left"));
    assert_eq!(world.hub.members("team-red").count(), 1);
}
