use super::rig::{DONE, Rig, connected, event, placed, said};
use crate::config::Config;
use crate::link::State;
use crate::messages::{Notification, ServerMessage};
use crate::name::Name;
use crate::session::{Command, Join, Output};
use crate::socketio::{ClientPacket, Options, ServerEvent, ServerPacket, TrailingArg};
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

/// What the last connect asked to recover.
fn resumed(rig: &mut Rig) -> Option<(String, String)> {
    let resume = |packet| match packet {
        ClientPacket::Connect { resume, .. } => Some(resume),
        _ => None,
    };
    let resume = rig.packets().into_iter().find_map(resume).expect("a connect");
    resume.map(|resume| (resume.pid.to_string(), resume.offset.to_string()))
}

#[test]
fn what_was_transmitted_and_not_answered_is_unknown_and_what_waited_goes_out_later() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.lose();
    assert_eq!(rig.story(), ["> one to r", "reconnecting connection_lost", "1 is unknown"]);
    rig.send(2, "two");
    rig.wait_for_dial();
    rig.let_in(None);
    let story = rig.story();
    assert!(story.ends_with(&["gap in r", "> join r", "> two to r"].map(String::from)), "{story:?}");
}

#[test]
fn a_server_that_recovers_nothing_costs_a_gap_in_each_room_before_it_is_joined_again() {
    let mut rig = Rig::in_rooms(&["a", "b"], None);
    rig.lose();
    rig.wait_for_dial();
    rig.said();
    rig.let_in(None);
    assert_eq!(rig.story(), ["connected", "socketio", "gap in a", "gap in b", "> join a", "> join b"]);
    rig.answer(2, DONE);
    rig.answer(3, DONE);
    assert_eq!(
        rig.story(),
        ["joined a", "answered a, 0 replayed", "joined b", "answered b, 0 replayed", "ready"]
    );
}

#[test]
fn a_recovered_session_delivers_what_was_missed_after_it_is_let_in_and_joins_nothing_again() {
    let mut rig = Rig::in_rooms(&["a", "b"], Some("p"));
    rig.receive(placed("a", "one", "1-1"));
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    assert_eq!(resumed(&mut rig), Some(("p".to_owned(), "1-1".to_owned())));
    rig.receive(placed("a", "two", "1-2"));
    rig.receive(placed("b", "three", "1-3"));
    assert_eq!(rig.story(), Vec::<String>::new());
    rig.receive(connected(Some("p")));
    assert_eq!(
        rig.story(),
        [
            "connected",
            "socketio",
            "joined a",
            "answered a recovered, 1 replayed",
            "joined b",
            "answered b recovered, 1 replayed",
            "two in a",
            "three in b",
            "ready"
        ]
    );
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    assert_eq!(resumed(&mut rig), Some(("p".to_owned(), "1-3".to_owned())));
}

#[test]
fn another_session_is_no_recovery() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.lose();
    rig.wait_for_dial();
    rig.said();
    rig.let_in(Some("q"));
    assert_eq!(rig.story(), ["connected", "socketio", "gap in r", "> join r"]);
    // Nothing has been heard in it yet, so there is no place to recover it from.
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    assert_eq!(resumed(&mut rig), None);
}

#[test]
fn what_came_before_the_consent_counts_only_with_it() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    rig.receive(placed("r", "two", "1-2"));
    rig.lose();
    rig.wait_for_dial();
    rig.said();
    rig.greet();
    assert_eq!(resumed(&mut rig), Some(("p".to_owned(), "1-1".to_owned())));
    rig.receive(placed("r", "two", "1-2"));
    rig.receive(connected(Some("p")));
    assert_eq!(rig.story().iter().filter(|line| *line == "two in r").count(), 1);
}

#[test]
fn a_replay_larger_than_is_held_is_a_gap_instead_and_goes_on_behind_it() {
    let config = Config { max_buffered: 2, ..Config::default() };
    let mut rig = Rig::with(config, Options::default());
    rig.join("r");
    rig.command(Command::Connect);
    rig.let_in(Some("p"));
    rig.answer(0, DONE);
    rig.receive(placed("r", "one", "1-1"));
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    for n in 2..6 {
        rig.receive(placed("r", "more", &alloc::format!("1-{n}")));
    }
    assert_eq!(rig.session.diagnostics().buffered, 0);
    rig.said();
    rig.receive(connected(Some("p")));
    rig.receive(placed("r", "next", "1-6"));
    assert_eq!(
        rig.story(),
        ["connected", "socketio", "joined r", "answered r, 0 replayed", "gap in r", "ready", "next in r"]
    );
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    assert_eq!(resumed(&mut rig), Some(("p".to_owned(), "1-6".to_owned())));
}

#[test]
fn the_last_text_of_a_volatile_event_or_of_one_that_wants_an_answer_is_no_place() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.receive(placed("r", "volatile", "busy"));
    let ServerPacket::Event(asking) = placed("r", "asking", "1-2") else { panic!() };
    rig.receive(ServerPacket::Event(ServerEvent { ack: Some(0), ..asking }));
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    assert_eq!(resumed(&mut rig), Some(("p".to_owned(), "1-1".to_owned())));
}

#[test]
fn a_place_alone_is_not_taken_for_the_data_of_a_notification() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.said();
    for text in ["1-2", "data"] {
        let data = Some(alloc::format!("\"{text}\""));
        let notification = Notification { entry: None, kind: "tick".into(), data };
        let trailing = TrailingArg { text: text.into(), follows_object: false };
        let message = ServerMessage::Notification(Box::new(notification));
        rig.receive(ServerPacket::Event(ServerEvent { trailing: Some(trailing), ..event(message) }));
    }
    assert_eq!(rig.story(), ["notification tick ", "notification tick \"data\""]);
}

/// A notification, with the place of a server that recovers behind its data.
fn notification(data: &str, place: Option<&str>) -> ServerPacket {
    let whole = place.map_or_else(|| data.to_owned(), |place| alloc::format!("[{data},\"{place}\"]"));
    let notification = Notification { entry: None, kind: "badge".into(), data: Some(whole) };
    ServerPacket::Event(ServerEvent {
        trailing: place.map(|place| TrailingArg { text: place.into(), follows_object: true }),
        data_before_trailing: place.map(|_| data.to_owned()),
        ..event(ServerMessage::Notification(Box::new(notification)))
    })
}

#[test]
fn of_a_notification_with_several_arguments_the_place_is_no_part() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(notification("1", Some("1-1")));
    rig.receive(notification("2", Some("busy")));
    assert_eq!(rig.story(), ["notification badge 1", "notification badge [2,\"busy\"]"]);
}

#[test]
fn notifications_have_a_gap_like_a_room_and_a_recovery_is_told_of_them_too() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(notification("1", Some("1-1")));
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    rig.receive(notification("2", Some("1-2")));
    rig.receive(connected(Some("p")));
    let story = rig.story();
    let of_them = |story: &[String]| -> Vec<String> {
        story.iter().filter(|line| line.contains("@me") || line.contains("badge")).cloned().collect()
    };
    assert_eq!(
        of_them(&story),
        ["notification badge 1", "answered @me recovered, 1 replayed", "notification badge 2"]
    );
    rig.lose();
    rig.wait_for_dial();
    rig.greet();
    rig.receive(connected(Some("another")));
    rig.receive(notification("3", None));
    assert_eq!(of_them(&rig.story()), ["gap in @me", "notification badge 3"]);
}

#[test]
fn notifications_that_were_asked_for_have_a_gap_before_the_first_and_others_none() {
    for asked in [true, false] {
        let mut rig = Rig::in_rooms(&["r"], None);
        if asked {
            rig.command(Command::Join(Join { personal: true, ..Name::from("@me").into() }));
        }
        rig.lose();
        rig.wait_for_dial();
        rig.let_in(None);
        assert_eq!(rig.story().contains(&"gap in @me".to_owned()), asked);
    }
}

#[test]
fn a_room_whose_join_was_never_answered_may_not_be_in_the_recovered_session_and_is_joined_again() {
    let mut rig = Rig::new();
    rig.join("r");
    rig.join("s");
    rig.command(Command::Connect);
    rig.let_in(Some("p"));
    rig.pass(Duration::from_secs(10));
    // Whoever hears something in a room is in it.
    rig.receive(placed("s", "one", "1-1"));
    rig.lose();
    rig.wait_for_dial();
    rig.said();
    rig.let_in(Some("p"));
    let back = ["gap in r", "joined s", "answered s recovered, 0 replayed", "> join r"];
    assert_eq!(rig.story()[2..], back);
}

/// A session in r that was recovered, joined s, and was lost again.
fn lost_after_a_join_in_a_recovered_session() -> Rig {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(Some("p"));
    rig.join("s");
    rig.answer(1, DONE);
    rig.lose();
    rig
}

#[test]
fn a_room_joined_after_a_recovery_may_be_missing_in_the_next_one_and_is_joined_again() {
    let mut rig = lost_after_a_join_in_a_recovered_session();
    rig.wait_for_dial();
    rig.said();
    rig.let_in(Some("p"));
    let back = ["joined r", "answered r recovered, 0 replayed", "gap in s", "> join s"];
    assert_eq!(rig.story()[2..], back);
}

#[test]
fn a_leave_that_may_be_lost_with_the_connection_is_said_again_in_the_recovered_session() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.command(Command::Leave("r".into()));
    rig.lose();
    rig.wait_for_dial();
    rig.said();
    rig.let_in(Some("p"));
    assert_eq!(rig.story()[2..], ["ready", "> leave r"]);
}

#[test]
fn a_room_left_while_away_is_left_in_the_recovered_session_too() {
    let mut rig = Rig::in_rooms(&["a", "b"], Some("p"));
    rig.receive(placed("a", "one", "1-1"));
    rig.lose();
    rig.command(Command::Leave("a".into()));
    rig.join("c");
    rig.wait_for_dial();
    rig.greet();
    rig.said();
    rig.receive(placed("a", "missed", "1-2"));
    rig.receive(connected(Some("p")));
    assert_eq!(
        rig.story(),
        ["connected", "socketio", "joined b", "answered b recovered, 0 replayed", "> join c", "> leave a"]
    );
}

#[test]
fn a_loss_that_lasts_is_called_suspended_and_goes_on_trying() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.lose();
    let lost_at = rig.now.monotonic;
    while rig.now.monotonic - lost_at < Duration::from_secs(130) {
        let at = rig.session.next_deadline().expect("something to wait for");
        rig.pass((at - rig.now.monotonic).max(Duration::from_millis(1)));
    }
    assert!(matches!(rig.session.state(), State::Suspended { .. }));
}

#[test]
fn a_silent_server_is_left_with_4900_after_its_own_two_times() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.pass(Duration::from_millis(44_999));
    assert_eq!(rig.session.state(), State::Connected);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.story(), ["abandon 4900", "reconnecting dead_peer"]);
}

#[test]
fn any_packet_is_a_sign_of_life() {
    let mut rig = Rig::in_rooms(&["r"], None);
    for _ in 0..5 {
        rig.pass(Duration::from_secs(30));
        rig.receive(ServerPacket::Event(event(said("r", "hi"))));
    }
    assert_eq!(rig.session.state(), State::Connected);
}

#[test]
fn packets_of_a_connection_that_is_gone_are_nothing() {
    let mut rig = Rig::in_rooms(&["r"], None);
    let old = rig.conn;
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(None);
    rig.said();
    rig.input(crate::machine::Input::Received(old, ServerPacket::Disconnected));
    rig.input(crate::machine::Input::Closed(old, crate::machine::Disconnect::Lost));
    assert_eq!(rig.said(), Vec::<Output<_, _, _>>::new());
}

#[test]
fn a_room_joined_again_after_it_was_left_is_in_the_recovered_session_only_if_that_join_was_answered() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.command(Command::Leave("r".into()));
    rig.join("r");
    rig.pass(Duration::from_secs(10));
    rig.lose();
    rig.wait_for_dial();
    rig.said();
    rig.let_in(Some("p"));
    assert_eq!(rig.story()[2..], ["gap in r", "> join r"]);
}

#[test]
fn a_room_left_while_away_is_left_in_the_recovered_session_even_if_its_join_may_be_lost() {
    let mut rig = lost_after_a_join_in_a_recovered_session();
    rig.command(Command::Leave("s".into()));
    rig.wait_for_dial();
    rig.said();
    rig.let_in(Some("p"));
    let back = ["joined r", "answered r recovered, 0 replayed", "ready", "> leave s"];
    assert_eq!(rig.story()[2..], back);
}

#[test]
fn what_is_heard_of_the_stay_before_does_not_show_that_a_room_was_joined_again() {
    let mut rig = Rig::with(Config::default(), Options { acks: false, ..Options::default() });
    rig.join("r");
    rig.command(Command::Connect);
    rig.let_in(Some("p"));
    rig.flush();
    rig.receive(placed("r", "one", "1-1"));
    rig.command(Command::Leave("r".into()));
    rig.join("r");
    rig.flush();
    rig.receive(placed("r", "of before", "1-2"));
    rig.said();
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(Some("p"));
    assert!(rig.story().contains(&"> join r".into()), "the join may have been lost with its connection");
}
