//! Somebody is in a room who is there on any node.

use super::*;

fn said(outputs: &[Output]) -> Vec<(Vec<(String, bool)>, bool)> {
    let said = asked(outputs).into_iter().filter_map(|request| match request {
        StoreRequest::UpdatePresence { users, is_snapshot: whole, .. } => {
            let users = users.iter().map(|change| (change.user.to_string(), change.is_present));
            Some((users.collect(), *whole))
        }
        _ => None,
    });
    said.collect()
}

fn who(world: &mut World) -> Value {
    let outputs = world.frame(ADA, &json!({"type": "presence", "roomId": "lobby"}));
    frames(&outputs, ADA, "presence")[0]["members"].clone()
}

fn come_and_gone(outputs: &[Output], conn: ConnId) -> Vec<String> {
    types(outputs, conn).into_iter().filter(|kind| kind.starts_with("user_")).collect()
}

#[test]
fn it_is_said_once_that_a_user_is_here_and_once_that_it_is_gone() {
    let mut world = World::shared_lobby(0);
    world.extend(CYD, "ada");
    let request_id = read(&world.frame(CYD, &join("lobby")));
    assert_eq!(said(&world.answer(request_id, StoreResponse::Opened(behind(0, Vec::new())))), []);
    let leave = json!({"type": "leave_room", "roomId": "lobby"});
    assert_eq!(said(&world.frame(CYD, &leave)), []);
    assert_eq!(said(&world.frame(ADA, &leave)), [(vec![("ada".into(), false)], false)]);
}

#[test]
fn whoever_is_expected_back_is_said_to_be_here() {
    let mut world = World::shared_lobby(0);
    assert_eq!(said(&world.hang_up(BOB)), []);
    assert_eq!(said(&world.after(14_900)), []);
    assert_eq!(said(&world.after(200)), [(vec![("bob".into(), false)], false)]);
}

#[test]
fn a_store_that_has_begun_the_room_anew_is_told_at_once_who_is_here() {
    let mut world = World::shared_lobby(3);
    let head = StoreNotice::Head { room: "lobby".into(), epoch: id("e2"), head: 0 };
    let request_id = read(&world.notice(head));
    let state = RoomState { epoch: id("e2"), ..room(Vec::new()) };
    let outputs = world.answer(request_id, StoreResponse::Opened(state));
    assert_eq!(said(&outputs), [(vec![("ada".to_owned(), true), ("bob".into(), true)], true)]);
}

#[test]
fn who_is_here_is_said_again_every_twenty_seconds_and_no_longer_than_somebody_is() {
    let mut world = World::shared_lobby(0);
    let everybody = (vec![("ada".to_owned(), true), ("bob".into(), true)], true);
    assert_eq!(said(&world.after(60_000)), [everybody.clone(), everybody.clone(), everybody]);
    let leave = json!({"type": "leave_room", "roomId": "lobby"});
    world.frame(ADA, &leave);
    world.frame(BOB, &leave);
    assert_eq!(said(&world.after(60_000)), []);
    // Coming and going does not make it more.
    for _ in 0..3 {
        let request_id = read(&world.frame(ADA, &join("lobby")));
        world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
        world.frame(ADA, &leave);
    }
    let request_id = read(&world.frame(ADA, &join("lobby")));
    world.answer(request_id, StoreResponse::Opened(room(Vec::new())));
    assert_eq!(said(&world.after(60_000)).len(), 3);
}

#[test]
fn members_on_other_nodes_are_listed_and_told_of() {
    let mut world = World::shared_lobby(0);
    let outputs = world.attendance("there", &[("eve", true)], false);
    assert_eq!(
        (come_and_gone(&outputs, ADA), come_and_gone(&outputs, BOB)),
        (vec!["user_joined".into()], vec!["user_joined".into()])
    );
    assert_eq!(who(&mut world), json!(["ada", "bob", "eve"]));
    let outputs = world.attendance("there", &[("eve", false)], false);
    assert_eq!(come_and_gone(&outputs, ADA), ["user_left"]);
    // The plain protocol tells nobody of a departure.
    assert_eq!(come_and_gone(&outputs, BOB), [""; 0]);
    assert_eq!(who(&mut world), json!(["ada", "bob"]));
}

#[test]
fn whoever_joins_is_told_who_is_on_other_nodes() {
    let mut world = World::node(|_| {});
    world.extend(ADA, "ada");
    let request_id = read(&world.frame(ADA, &join("lobby")));
    let attendee = |node, user: &str| RemoteMember {
        node: id(node),
        user: user.into(),
        expires_in: std::time::Duration::from_secs(10),
    };
    // What the store has of this node itself says nothing.
    let attendees = vec![attendee("there", "eve"), attendee("here", "dan")];
    let outputs = world.answer(
        request_id,
        StoreResponse::Opened(RoomState { remote_members: attendees, ..room(Vec::new()) }),
    );
    assert_eq!(frames(&outputs, ADA, "joined")[0]["members"], json!(["ada", "eve"]));
    let outputs = world.after(10_100);
    assert_eq!(come_and_gone(&outputs, ADA), ["user_left"]);
}

#[test]
fn a_user_on_two_nodes_comes_once_and_goes_once() {
    let mut world = World::shared_lobby(0);
    assert_eq!(world.attendance("there", &[("bob", true)], false), []);
    let leave = json!({"type": "leave_room", "roomId": "lobby"});
    assert_eq!(come_and_gone(&world.frame(BOB, &leave), ADA), [""; 0]);
    assert_eq!(come_and_gone(&world.attendance("elsewhere", &[("bob", true)], false), ADA), [""; 0]);
    assert_eq!(come_and_gone(&world.attendance("there", &[("bob", false)], false), ADA), [""; 0]);
    assert_eq!(come_and_gone(&world.attendance("elsewhere", &[("bob", false)], false), ADA), ["user_left"]);
}

#[test]
fn a_client_that_comes_back_on_another_node_within_the_grace_does_not_flicker() {
    let mut world = World::shared_lobby(0);
    assert_eq!(come_and_gone(&world.hang_up(BOB), ADA), [""; 0]);
    world.after(5_000);
    assert_eq!(come_and_gone(&world.attendance("there", &[("bob", true)], false), ADA), [""; 0]);
    // The grace here ends.
    assert_eq!(come_and_gone(&world.after(20_000), ADA), [""; 0]);
    assert_eq!(who(&mut world), json!(["ada", "bob"]));
}

#[test]
fn a_client_that_comes_here_from_another_node_does_not_flicker() {
    let mut world = World::shared_lobby(0);
    world.attendance("there", &[("cyd", true)], false);
    world.extend(CYD, "cyd");
    let request_id = read(&world.frame(CYD, &join("lobby")));
    let attendees = vec![RemoteMember {
        node: id("there"),
        user: "cyd".into(),
        expires_in: std::time::Duration::from_secs(60),
    }];
    let state = RoomState { remote_members: attendees, ..behind(0, Vec::new()) };
    let outputs = world.answer(request_id, StoreResponse::Opened(state));
    assert_eq!((come_and_gone(&outputs, ADA), come_and_gone(&outputs, BOB)), (vec![], vec![]));
    assert_eq!(said(&outputs), [(vec![("cyd".into(), true)], false)]);
    assert_eq!(come_and_gone(&world.attendance("there", &[("cyd", false)], false), ADA), [""; 0]);
}

#[test]
fn the_members_of_a_silent_node_are_gone_after_a_minute() {
    let mut world = World::shared_lobby(0);
    world.attendance("there", &[("eve", true)], true);
    world.after(40_000);
    world.attendance("there", &[("eve", true)], true);
    assert_eq!(come_and_gone(&world.after(59_900), ADA), [""; 0]);
    assert_eq!(come_and_gone(&world.after(200), ADA), ["user_left"]);
}

#[test]
fn whoever_a_node_does_not_name_any_more_has_left_it() {
    let mut world = World::shared_lobby(0);
    world.attendance("there", &[("eve", true), ("fay", true)], true);
    assert_eq!(come_and_gone(&world.attendance("there", &[("fay", true)], true), ADA), ["user_left"]);
    assert_eq!(who(&mut world), json!(["ada", "bob", "fay"]));
}

#[test]
fn a_room_with_members_on_other_nodes_only_is_not_kept() {
    let mut world = World::shared_lobby(0);
    world.attendance("there", &[("eve", true)], true);
    let leave = json!({"type": "leave_room", "roomId": "lobby"});
    world.frame(ADA, &leave);
    let outputs = world.frame(BOB, &leave);
    assert_eq!(asked(&outputs).last(), Some(&&StoreRequest::Close { room: "lobby".into() }));
    assert_eq!(world.hub.rooms(), 0);
}

#[test]
fn what_a_node_says_while_the_room_is_read_is_not_overruled_by_the_answer() {
    let mut world = World::shared_lobby(0);
    let request_id = read(&world.notice(StoreNotice::Interrupted));
    assert_eq!(world.attendance("there", &[("eve", true), ("fay", true)], false), []);
    assert_eq!(world.attendance("there", &[("fay", false)], false), []);
    let outputs = world.answer(request_id, StoreResponse::Opened(behind(0, Vec::new())));
    assert_eq!(come_and_gone(&outputs, ADA), ["user_joined"]);
    assert_eq!(who(&mut world), json!(["ada", "bob", "eve"]));
}

#[test]
fn whom_a_store_that_has_begun_empty_does_not_name_stays_until_the_node_is_silent_for_too_long() {
    let mut world = World::shared_lobby(0);
    world.attendance("there", &[("eve", true), ("fay", true)], true);
    let request_id = read(&world.notice(StoreNotice::Interrupted));
    let attendees = vec![RemoteMember {
        node: id("there"),
        user: "eve".into(),
        expires_in: std::time::Duration::from_secs(60),
    }];
    let outputs = world.answer(
        request_id,
        StoreResponse::Opened(RoomState { remote_members: attendees, ..behind(0, Vec::new()) }),
    );
    assert_eq!(come_and_gone(&outputs, ADA), [""; 0]);
    assert_eq!(who(&mut world), json!(["ada", "bob", "eve", "fay"]));
    assert_eq!(come_and_gone(&world.attendance("there", &[("eve", true)], true), ADA), ["user_left"]);
    assert_eq!(come_and_gone(&world.after(60_100), ADA), ["user_left"]);
}
