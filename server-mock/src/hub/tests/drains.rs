//! The announcement and the close frames of a server that goes.

use super::*;

#[test]
fn extended_connections_are_asked_to_move_and_plain_ones_closed_one_after_another() {
    let mut world = World::new(|_| {});
    world.connect(ADA, "ada");
    world.extend(BOB, "bob");
    world.connect(CYD, "cyd");
    let outputs = world.handle(Input::Drain { window: Duration::from_secs(8), reason: DrainReason::Restart });
    let going = sent(BOB, r#"{"type":"going_away","windowMs":8000}"#);
    assert_eq!(outputs, [going, closed(ADA, 1012, "Service restart").remove(0)]);
    assert_eq!((world.next_tick(), world.ms), (closed(CYD, 1012, "Service restart"), 4_000));
    // Until the window ends, and as long as a move at its end may take, it is served as ever.
    assert_eq!(world.ask(BOB, &json!({"type": "ping", "t": 5}))[0].1, json!({"type": "pong", "t": 5}));
    assert_eq!((world.next_tick(), world.ms), (closed(BOB, 1012, "Service restart"), 10_000));
    assert_eq!(world.extend(BOB, "bob"), closed(BOB, 1012, "Service restart"));
}

#[test]
fn one_that_has_moved_is_not_closed() {
    let mut world = World::new(|_| {});
    world.extend(BOB, "bob");
    world.handle(Input::Drain { window: Duration::from_secs(8), reason: DrainReason::Restart });
    world.handle(Input::Disconnected { conn: BOB, clean: true });
    assert_eq!(world.hub.connections(), 0);
    world.rests();
}

#[test]
fn without_a_window_there_is_nothing_to_ask_for() {
    let mut world = World::new(|_| {});
    world.extend(BOB, "bob");
    let outputs = world.handle(Input::Drain { window: Duration::ZERO, reason: DrainReason::Restart });
    assert_eq!(outputs, closed(BOB, 1012, "Service restart"));
}

#[test]
fn of_a_server_that_goes_for_good_nobody_is_asked_to_move_and_all_are_told_why() {
    let mut world = World::new(|_| {});
    world.connect(ADA, "ada");
    world.extend(BOB, "bob");
    let reason = DrainReason::GoingAway("it was nice");
    let outputs = world.handle(Input::Drain { window: Duration::from_secs(8), reason });
    assert_eq!(outputs, closed(ADA, 1001, "it was nice"));
    assert_eq!((world.next_tick(), world.ms), (closed(BOB, 1001, "it was nice"), 4_000));
    assert_eq!(world.extend(BOB, "bob"), closed(BOB, 1001, "it was nice"));
}
