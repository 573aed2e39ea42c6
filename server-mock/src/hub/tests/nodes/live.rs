//! Only the next entry enters a copy and is delivered. Anything else makes the hub read the room again.

use super::*;

fn logged(world: &mut World, epoch: &str, entry: LogEntry) -> Vec<Output> {
    let (room, epoch) = (Name::from("lobby"), id(epoch));
    world.notice(StoreNotice::Appended { room, epoch, entry: Box::new(entry) })
}

#[test]
fn the_next_entry_is_delivered() {
    let mut world = World::shared_lobby(3);
    let outputs = world.logged_there(entry(4, "eve"));
    assert_eq!((contents(&outputs, ADA), contents(&outputs, BOB)), (vec!["c4".into()], vec!["c4".into()]));
}

#[test]
fn a_notice_that_comes_twice_is_delivered_once() {
    let mut world = World::shared_lobby(3);
    world.logged_there(entry(4, "eve"));
    assert_eq!(world.logged_there(entry(4, "eve")), []);
    assert_eq!(world.logged_there(entry(2, "eve")), []);
}

#[test]
fn what_comes_too_early_waits_for_what_lies_before_it() {
    let mut world = World::shared_lobby(3);
    let outputs = world.logged_there(entry(6, "eve"));
    assert_eq!(heard(&outputs), []);
    assert_eq!(reads(&outputs)[0].2, held(3));
    let request_id = read(&outputs);
    // While it is read, more comes.
    assert_eq!(world.logged_there(entry(7, "eve")), []);
    let outputs = world.answer(request_id, StoreResponse::Opened(behind(3, entries(4..=6))));
    assert_eq!(contents(&outputs, BOB), ["c4", "c5", "c6", "c7"]);
    assert_eq!(reads(&outputs), []);
}

#[test]
fn what_is_noticed_while_a_room_is_read_for_the_first_time_is_not_lost() {
    let mut world = World::node(|_| {});
    world.connect(ADA, "ada");
    let request_id = read(&world.join(ADA, "lobby"));
    world.logged_there(entry(4, "eve"));
    world.answer(request_id, StoreResponse::Opened(room(entries(1..=3))));
    assert_eq!(world.logged("lobby"), ["c1", "c2", "c3", "c4"]);
}

#[test]
fn a_hole_that_one_read_does_not_fill_is_read_once_more() {
    let mut world = World::shared_lobby(3);
    let request_id = read(&world.logged_there(entry(8, "eve")));
    let state = RoomState { head: 8, ..behind(3, entries(4..=5)) };
    let outputs = world.answer(request_id, StoreResponse::Opened(state));
    assert_eq!(contents(&outputs, BOB), ["c4", "c5"]);
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(behind(5, entries(6..=8))));
    assert_eq!(contents(&outputs, BOB), ["c6", "c7", "c8"]);
}

#[test]
fn what_the_store_has_lost_since_it_was_noticed_is_not_waited_for() {
    let mut world = World::shared_lobby(3);
    let request_id = read(&world.logged_there(entry(6, "eve")));
    // Another copy of the store has taken over, and lacks it.
    let outputs = world.answer(request_id, StoreResponse::Opened(behind(3, entries(4..=4))));
    assert_eq!(contents(&outputs, BOB), ["c4"]);
    assert_eq!(reads(&outputs), []);
    assert_eq!(reads(&world.after(60_000)), []);
    // What is said in its place is delivered, and nothing else.
    assert_eq!(contents(&world.logged_there(entry(5, "eve")), BOB), ["c5"]);
    let mut other = entry(6, "eve");
    other.content = "another".to_owned();
    assert_eq!(contents(&world.logged_there(other), BOB), ["another"]);
}

#[test]
fn after_an_interruption_nothing_is_taken_before_the_room_was_read_again() {
    let mut world = World::shared_lobby(3);
    let request_id = read(&world.notice(StoreNotice::Interrupted));
    world.answer(request_id, StoreResponse::Failed);
    // It has the next number, and may be of a log that has lost what this copy ends with.
    assert_eq!(heard(&world.logged_there(entry(4, "eve"))), []);
    let outputs = world.after(3_000);
    assert_eq!(reads(&outputs)[0].2, held(3));
    let state = RoomState { epoch: id("e2"), ..room(entries(1..=2)) };
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(state));
    assert_eq!(contents(&outputs, BOB), ["c1", "c2"]);
    assert_eq!(contents(&logged(&mut world, "e2", entry(3, "eve")), BOB), ["c3"]);
}

#[test]
fn another_entry_under_a_known_number_makes_the_store_look_what_it_has_lost() {
    let mut world = World::shared_lobby(3);
    let mut other = entry(3, "eve");
    other.id = id("other");
    let outputs = world.logged_there(other);
    assert_eq!(heard(&outputs), []);
    assert_eq!(reads(&outputs)[0].2, held(3));
}

#[test]
fn another_epoch_begins_the_copy_anew_for_members_too() {
    let mut world = World::shared_lobby(3);
    let outputs = logged(&mut world, "e2", entry(2, "eve"));
    assert_eq!(heard(&outputs), []);
    let state = RoomState { epoch: id("e2"), ..room(entries(1..=2)) };
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(state));
    assert_eq!((contents(&outputs, ADA), contents(&outputs, BOB).len()), (vec!["c1".into(), "c2".into()], 2));
    assert!(frames(&outputs, ADA, "message").iter().all(|message| message["epoch"] == "e2"));
    assert_eq!(contents(&logged(&mut world, "e2", entry(3, "eve")), BOB), ["c3"]);
}

#[test]
fn a_replay_under_way_goes_on_in_another_epoch() {
    let mut world = World::node(|config| config.replay_chunk = 1);
    world.extend(ADA, "ada");
    let frame = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "history": 3});
    let request_id = read(&world.frame(ADA, &frame));
    let outputs = world.answer(request_id, StoreResponse::Opened(room(entries(1..=3))));
    assert_eq!(contents(&outputs, ADA), ["c1"]);
    let request_id = read(&logged(&mut world, "e2", entry(2, "eve")));
    let state = RoomState { epoch: id("e2"), ..room(entries(1..=2)) };
    let mut said = contents(&world.answer(request_id, StoreResponse::Opened(state)), ADA);
    for _ in 0..3 {
        let outputs = world.handle(Input::QueueDrained { conn: ADA });
        assert!(frames(&outputs, ADA, "message").iter().all(|message| message["epoch"] == "e2"));
        said.extend(contents(&outputs, ADA));
    }
    assert_eq!(said, ["c1", "c2"]);
}

#[test]
fn what_is_not_kept_any_more_is_passed_over() {
    let mut world = World::shared_lobby(3);
    let request_id = read(&world.logged_there(entry(9, "eve")));
    let state = RoomState { preceding: (7, Some(id("m7"))), ..room(entries(8..=9)) };
    let outputs = world.answer(request_id, StoreResponse::Opened(state));
    assert_eq!(contents(&outputs, BOB), ["c8", "c9"]);
    assert_eq!(contents(&world.logged_there(entry(10, "eve")), BOB), ["c10"]);
}

#[test]
fn a_head_that_is_not_the_copys_makes_it_read_the_room() {
    let mut world = World::shared_lobby(3);
    let head = |epoch, head| StoreNotice::Head { room: "lobby".into(), epoch: id(epoch), head };
    assert_eq!(world.notice(head(LIFE, 3)), []);
    let outputs = world.notice(head(LIFE, 4));
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(behind(3, entries(4..=4))));
    assert_eq!(contents(&outputs, BOB), ["c4"]);
    assert_eq!(reads(&world.notice(head("e2", 4))).len(), 1);
}

#[test]
fn what_happens_in_a_room_that_nobody_here_is_in_is_passed_over() {
    let mut world = World::node(|_| {});
    assert_eq!(world.logged_there(entry(1, "eve")), []);
    assert_eq!(world.attendance("there", &[("eve", true)], true), []);
    assert!(world.hub.store().room("lobby").is_none());
}

#[test]
fn a_feed_begins_when_the_room_was_read_and_goes_on_with_what_is_noticed() {
    let mut world = World::node(|_| {});
    let request = crate::hub::FeedRequest {
        room: "lobby".into(),
        since: crate::hub::Since::Nothing,
        history: 1,
        announces_join: false,
    };
    let outputs = world.handle(Input::OpenFeed { conn: ADA, user: "ada".into(), expires: None, request });
    let text = |outputs: &[Output]| {
        let texts = outputs.iter().filter_map(|output| match output {
            Output::Send { text, .. } => Some(text.to_string()),
            _ => None,
        });
        texts.collect::<String>()
    };
    assert_eq!(text(&outputs), "");
    let outputs = world.answer(read(&outputs), StoreResponse::Opened(room(entries(1..=3))));
    assert!(text(&outputs).contains("\"c3\""), "{}", text(&outputs));
    world.handle(Input::QueueDrained { conn: ADA });
    assert!(text(&world.logged_there(entry(4, "eve"))).contains("\"c4\""));
    let outputs = world.hang_up(ADA);
    assert_eq!(asked(&outputs), [&StoreRequest::Close { room: "lobby".into() }]);
}

#[test]
fn many_missed_entries_come_to_extended_members_as_they_take_them() {
    let mut world = World::shared_lobby(0);
    let request_id = read(&world.logged_there(entry(101, "eve")));
    let outputs = world.answer(request_id, StoreResponse::Opened(behind(0, entries(1..=101))));
    assert_eq!(contents(&outputs, BOB).len(), 101, "a plain one has no way to say when it has room");
    let mut said = contents(&outputs, ADA);
    assert_eq!(said.len(), 32);
    for _ in 0..4 {
        let outputs = world.handle(Input::QueueDrained { conn: ADA });
        assert!(frames(&outputs, ADA, "message").iter().all(|message| message["replay"] != true));
        said.extend(contents(&outputs, ADA));
    }
    let all: Vec<_> = (1..=101).map(|seq| format!("c{seq}")).collect();
    assert_eq!(said, all);
    assert_eq!(contents(&world.logged_there(entry(102, "eve")), ADA), ["c102"]);
}
