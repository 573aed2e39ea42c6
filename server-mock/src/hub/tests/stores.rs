//! The memory store: what outlives a hub, and what is forgotten when.

use super::*;
use rejoin::Id;

fn lobby(change: impl FnOnce(&mut HubConfig)) -> World {
    let mut world = World::new(change);
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    world
}

impl World {
    /// The process ends and another one goes on with its store.
    fn restart(&mut self, seed: u64) {
        let config = self.hub.config.clone();
        let store = std::mem::replace(&mut self.hub, Hub::new(config.clone(), 0)).into_store();
        self.hub = Hub::with_store(config, seed, store);
    }
}

#[test]
fn a_hub_goes_on_with_the_store_of_the_one_before() {
    let mut world = lobby(|_| {});
    world.number(ADA, "p", 1, "one");
    let since = world.position("lobby");
    world.number(ADA, "p", 2, "two");
    world.restart(2);
    world.extend(ADA, "ada");
    let frames = world.rejoin(ADA, "lobby", &since);
    assert_eq!((&frames[0]["recovered"], contents(&frames)), (&json!(true), vec!["two"]));
    assert_eq!(world.number(ADA, "p", 2, "two")["dup"], true);
    assert_eq!(world.number(ADA, "p", 3, "three")["seq"], 3);
}

#[test]
fn a_hub_without_the_store_begins_another_epoch() {
    let mut world = lobby(|_| {});
    world.number(ADA, "p", 1, "one");
    let (since, epoch) = (world.position("lobby"), world.epoch("lobby"));
    world.hub = Hub::new(HubConfig::default(), 2);
    world.extend(ADA, "ada");
    let frames = world.rejoin(ADA, "lobby", &since);
    assert_eq!(frames[0]["reason"], "epoch_changed");
    assert_ne!(world.epoch("lobby"), epoch);
    assert_eq!(world.number_in(ADA, &epoch, "p", 1, "one")["code"], "unknown_producer");
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let run = || {
        let mut world = lobby(|_| {});
        let ack = world.number(ADA, "p", 1, "one");
        (ack, world.position("lobby"))
    };
    assert_eq!(run(), run());
}

#[test]
fn a_lost_suffix_takes_its_answers_with_it_and_a_position_in_it_is_forked() {
    let mut world = lobby(|_| {});
    for pseq in 1..=3 {
        world.number(ADA, "p", pseq, &pseq.to_string());
    }
    let since = world.position("lobby");
    world.hub.store_mut().truncate_newest("lobby", 2);
    assert_eq!(world.logged("lobby"), ["1"]);
    assert_eq!(world.number(ADA, "p", 1, "1")["dup"], true);
    let again = world.number(ADA, "p", 2, "2");
    assert_eq!((again.get("dup"), &again["seq"]), (None, &json!(2)));
    world.number(ADA, "p", 3, "3");
    assert_eq!(world.rejoin(ADA, "lobby", &since)[0]["reason"], "forked");
}

#[test]
fn a_refusal_behind_a_lost_message_does_not_keep_the_answer_to_it() {
    let mut world = lobby(|config| config.content_bytes = 10);
    world.number(ADA, "p", 1, "one");
    world.number(ADA, "p", 2, "two");
    assert_eq!(world.number(ADA, "p", 3, &"x".repeat(11))["code"], "too_large");
    world.hub.store_mut().truncate_newest("lobby", 1);
    let again = world.number(ADA, "p", 2, "two");
    assert_eq!((&again["type"], again.get("dup")), (&json!("ack"), None), "it is appended, not only acked");
    assert_eq!(world.logged("lobby"), ["one", "two"]);
    assert_eq!(world.number(ADA, "p", 3, "three")["seq"], 3);
}

#[test]
fn a_lost_suffix_that_was_a_whole_line_takes_the_line() {
    let mut world = lobby(|_| {});
    world.number(ADA, "p", 1, "1");
    world.hub.store_mut().truncate_newest("lobby", 9);
    assert_eq!((world.hub.store().producer_count(), world.hub.store().byte_len()), (0, 0));
    assert_eq!(world.number(ADA, "p", 1, "1")["seq"], 1);
}

#[test]
fn a_new_epoch_has_nothing_of_the_old_one() {
    let mut world = lobby(|_| {});
    world.number(ADA, "p", 1, "1");
    world.hub.store_mut().begin_epoch("lobby", Id::new("next").unwrap());
    assert_eq!(world.number_in(ADA, "next", "p", 2, "2")["code"], "unknown_producer");
    let ack = world.number_in(ADA, "next", "p", 1, "again");
    assert_eq!((&ack["epoch"], &ack["seq"]), (&json!("next"), &json!(1)));
}

#[test]
fn an_empty_room_keeps_log_epoch_and_lines_until_it_has_been_silent_for_long() {
    let mut world = lobby(|config| config.retention = Duration::from_secs(3_600));
    world.number(ADA, "p", 1, "1");
    let epoch = world.epoch("lobby");
    world.hang_up(ADA);
    let mut lines_until = 0;
    while world.hub.store().room("lobby").is_some() {
        assert_eq!(world.epoch("lobby"), epoch);
        lines_until = if world.hub.store().producer_count() > 0 { world.ms } else { lines_until };
        world.tick();
    }
    // A sweep each minute; the last thing that happened is the end of Ada's grace, after 15 s.
    assert_eq!((lines_until, world.ms), (540_000, 3_660_000));
}

#[test]
fn a_room_with_somebody_in_it_is_never_forgotten() {
    let mut world = lobby(|config| config.retention = Duration::ZERO);
    for _ in 0..50 {
        world.tick();
        world.handle(Input::Activity { conn: ADA });
    }
    assert!(world.hub.store().room("lobby").is_some() && world.ms > 600_000);
}

#[test]
fn the_oldest_messages_go_when_there_are_too_many_or_they_are_too_large() {
    let mut world = lobby(|config| config.history = 2);
    for pseq in 1..=3 {
        world.number(ADA, "p", pseq, &pseq.to_string());
    }
    assert_eq!(world.logged("lobby"), ["2", "3"]);
    let mut world = lobby(|config| config.history_bytes = 1);
    for pseq in 1..=3 {
        world.number(ADA, "p", pseq, &pseq.to_string());
    }
    assert_eq!(world.logged("lobby"), ["3"]);
}

#[test]
fn a_server_with_as_many_rooms_as_it_can_keep_forgets_silent_ones_and_never_one_that_may_be_needed() {
    let mut world = lobby(|config| config.rooms = 2);
    world.enter(ADA, "second");
    world.send(ADA, "second", "said");
    let third = json!({"type": "join_room", "roomId": "third", "ref": "j"});
    assert_eq!(world.ask(ADA, &third)[0].1["code"], "overloaded");
    world.say(ADA, r#"{"type":"leave_room","roomId":"second"}"#);
    assert_eq!(world.ask(ADA, &third)[0].1["code"], "overloaded");
    world.ms += 599_000;
    world.handle(Input::Tick);
    assert_eq!(world.ask(ADA, &third)[0].1["code"], "overloaded");
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    world.ms += 61_000;
    world.handle(Input::Tick);
    assert_eq!(world.ask(ADA, &third)[0].1["type"], "joined");
}

#[test]
fn a_room_in_which_nothing_was_ever_said_makes_room_at_once() {
    let mut world = lobby(|config| config.rooms = 2);
    for room in 0..1_000 {
        let name = room.to_string();
        world.enter(ADA, &name);
        world.say(ADA, &json!({"type": "leave_room", "roomId": name}).to_string());
    }
    assert_eq!(world.hub.store().rooms().count(), 2);
}

#[test]
fn bytes_are_bounded_over_all_rooms() {
    let mut world = lobby(|config| config.store_bytes = 20_000);
    world.enter(ADA, "other");
    for number in 0..100 {
        let room = if number % 2 == 0 { "lobby" } else { "other" };
        world.send(ADA, room, &"x".repeat(1_000));
        assert!(world.hub.store().byte_len() < 22_000);
    }
    assert!(world.hub.store().byte_len() > 15_000);
}

#[test]
fn who_fills_the_store_loses_it_to_nobody_else() {
    let mut world = World::new(|config| config.store_bytes = 100_000);
    world.extend(BOB, "bob");
    world.enter(BOB, "quiet");
    for number in 0..5 {
        world.send(BOB, "quiet", &number.to_string());
    }
    world.extend(ADA, "ada");
    for room in 0..20 {
        world.enter(ADA, &format!("flood{room}"));
    }
    for number in 0..400 {
        world.send(ADA, &format!("flood{}", number % 20), &"x".repeat(1_000));
        assert!(world.hub.store().byte_len() <= 100_000);
    }
    assert_eq!(world.logged("quiet"), ["0", "1", "2", "3", "4"]);
    // What has given way is announced as what a room does not keep.
    let log = world.hub.store().room("flood1").unwrap();
    let (epoch, first) = (log.epoch().clone(), log.first());
    assert!(first > 1);
    let asked =
        json!({"type": "history", "roomId": "flood1", "ref": "h", "epoch": epoch, "after": 0, "limit": 1});
    assert_eq!(world.ask(ADA, &asked)[0].1["complete"], false);
    assert!(!world.logged("flood19").is_empty(), "the newest one is there");
}

#[test]
fn a_room_that_an_operator_empties_has_another_life_and_numbers_its_messages_anew() {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    world.number(ADA, "p", 1, "a secret");
    let (before, since) = (world.epoch("lobby"), world.position("lobby"));
    world.handle(Input::EmptyRoom { room: "lobby".into() });
    assert_ne!(world.epoch("lobby"), before);
    assert_eq!((world.logged("lobby").len(), world.hub.store().byte_len()), (0, 0));
    let joined = world.rejoin(ADA, "lobby", &since).remove(0);
    assert_eq!((&joined["recovered"], &joined["reason"]), (&json!(false), &json!("epoch_changed")));
    assert_eq!(world.number(ADA, "q", 1, "new")["seq"], 1);
    world.handle(Input::EmptyRoom { room: "nowhere".into() });
    assert!(world.hub.store().room("nowhere").is_none(), "no room is made");
}

#[test]
fn a_sweep_of_many_rooms_and_lines_is_taken_in_steps() {
    let mut world = World::new(|config| {
        config.retention = Duration::ZERO;
        config.rooms_per_conn = 3_000;
        config.rooms_per_user = 3_000;
        config.producers_per_user = 3_000;
    });
    world.extend(ADA, "ada");
    for room in 0..2_500 {
        world.enter(ADA, &format!("room{room}"));
    }
    world.enter(ADA, "lobby");
    for line in 0..2_500 {
        world.number(ADA, &format!("p{line}"), 1, "said");
    }
    world.hang_up(ADA);
    let held = |world: &World| world.hub.store().room_count() + world.hub.store().producer_count();
    let (mut before, mut steps) = (held(&world), 0);
    assert!(before > 5_000);
    while held(&world) > 0 {
        world.tick();
        let now = held(&world);
        assert!(before - now <= 1_001, "{} at once", before - now);
        steps += usize::from(now < before);
        before = now;
    }
    assert!(steps >= 5, "{steps}");
    assert_eq!(world.hub.store().byte_len(), 0);
    // Nothing is left to be swept, so that nobody is woken for it.
    assert_eq!(world.hub.next_deadline(), None);
}
