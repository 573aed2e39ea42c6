//! Moving before the server goes (protocol.md §2.2 `going_away`).

use super::rig::{Rig, acked, hello, id, join_answer, live};
use crate::machine::Disconnect;
use crate::messages::{ClientMessage, Code, GoingAway, Joined, Nack, ServerMessage};
use crate::session::{Command, Input, Output};
use crate::{Config, DeliveryStatus, DialError, DialErrorKind, Event, Name, State};
use alloc::boxed::Box;
use core::time::Duration;

fn going_away(rig: &mut Rig) -> crate::machine::ConnId {
    let old = rig.conn;
    rig.receive(ServerMessage::GoingAway(Box::new(GoingAway { window_ms: 2_000, url: None })));
    rig.wait_for_dial();
    assert_eq!(rig.session.state(), State::Connected);
    old
}

#[test]
fn the_new_connection_is_joined_before_the_old_one_is_closed_and_answers_on_the_old_one_count() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let first = rig.sends().remove(0).1;
    let old = going_away(&mut rig);
    rig.open();
    assert!(!rig.said().iter().any(|output| matches!(output, Output::Close { .. } | Output::Abort { .. })));
    rig.input(Input::Received(old, live("e", 11)));
    assert_eq!(rig.story(), [""; 0], "the replay on the new one brings it");
    rig.receive(hello("me"));
    rig.conn = old;
    rig.ack(&first.reference, "a", 11);
    assert_eq!(rig.deliveries(), [(1, acked("a", 11))]);
}

#[test]
fn the_old_connection_is_closed_at_once_when_the_last_room_that_is_waited_for_is_left() {
    let mut rig = Rig::joined();
    let old = going_away(&mut rig);
    rig.open();
    rig.receive(hello("me"));
    rig.said();
    rig.command(Command::Leave("r".into()));
    let closed = |output: &Output| matches!(output, Output::Close { conn, .. } if *conn == old);
    assert!(rig.said().iter().any(closed));
}

#[test]
fn the_move_begins_early_enough_to_be_done_when_the_window_ends() {
    for seed in 0..100 {
        let mut rig = Rig::joined_as(seed);
        let asked = rig.now.monotonic;
        going_away(&mut rig);
        assert!(rig.now.monotonic.since(asked) <= Duration::from_millis(1_500), "seed {seed}");
    }
}

#[test]
fn if_the_new_dial_fails_the_old_connection_serves_on() {
    let mut rig = Rig::joined();
    let old = going_away(&mut rig);
    let error = DialError::new(DialErrorKind::Refused, "");
    rig.input(Input::DialFailed(rig.conn, error));
    assert_eq!(rig.session.state(), State::Connected);
    rig.said();
    rig.input(Input::Received(old, live("e", 11)));
    assert_eq!(rig.story(), ["m11"]);
}

#[test]
fn if_the_old_connection_breaks_first_the_dial_under_way_is_the_reconnection() {
    let mut rig = Rig::joined();
    let old = going_away(&mut rig);
    rig.said();
    rig.input(Input::Closed(old, Disconnect::Lost));
    assert!(matches!(rig.session.state(), State::Reconnecting { retry_at: None, .. }));
    rig.open();
    assert_eq!(rig.session.state(), State::Connected);
}

#[test]
fn the_old_connection_is_closed_once_everything_is_joined_on_the_new_one() {
    let mut rig = Rig::joined();
    let old = going_away(&mut rig);
    rig.open();
    let request = rig.join_request("r");
    rig.receive(hello("me"));
    let answer = Joined { recovered: true, ..join_answer(request.reference, "e", 10) };
    rig.receive(ServerMessage::Joined(Box::new(answer)));
    assert!(rig.said().contains(&Output::Close { conn: old, code: 1000 }));
}

/// The new connection is joined, to a server that knows nothing of the old one's log.
fn joined_on_another_log(rig: &mut Rig) {
    rig.open();
    let request = rig.join_request("r");
    rig.receive(hello("me"));
    rig.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "f", 0))));
}

#[test]
fn what_is_unanswered_on_the_old_connection_is_not_sent_again_while_an_answer_may_come_there() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let first = rig.sends().remove(0).1;
    let old = going_away(&mut rig);
    joined_on_another_log(&mut rig);
    rig.send(2, "y");
    let kept = |output: &Output| !matches!(output, Output::Close { .. } | Output::Send { .. });
    assert!(
        rig.said().iter().all(kept),
        "nothing again, nothing out of order, and the answer is still to come"
    );
    let new = core::mem::replace(&mut rig.conn, old);
    rig.ack(&first.reference, "a", 11);
    rig.conn = new;
    let said = rig.said();
    assert!(said.contains(&Output::Close { conn: old, code: 1000 }));
    let told = |output: &Output| matches!(output, Output::Event(Event::Delivery(delivery)) if delivery.status == acked("a", 11));
    assert!(said.iter().any(told));
    let sent = |output: &Output| matches!(output, Output::Send { conn, message: ClientMessage::SendMessage { content, .. }, .. } if *conn == new && content == "y");
    assert!(said.iter().any(sent));
}

#[test]
fn what_the_old_connection_never_answers_is_sent_again_when_it_is_gone_or_its_time_is_over() {
    for breaks in [true, false] {
        let mut rig = Rig::joined();
        rig.send(1, "x");
        let first = rig.sends().remove(0).1;
        let old = going_away(&mut rig);
        joined_on_another_log(&mut rig);
        assert!(rig.sends().is_empty());
        if breaks {
            rig.input(Input::Closed(old, Disconnect::Lost));
        } else {
            rig.pass(Duration::from_secs(5));
        }
        let again = rig.sends().remove(0).1;
        assert_eq!(again.producer, first.producer);
    }
}

#[test]
fn the_old_connection_is_given_up_without_a_farewell_when_the_new_one_is_lost_first() {
    let mut rig = Rig::joined();
    let old = going_away(&mut rig);
    rig.open();
    rig.said();
    rig.input(Input::Closed(rig.conn, Disconnect::Lost));
    assert!(rig.said().contains(&Output::Abort { conn: old, code: crate::close_code::REPLACED }));
}

#[test]
fn the_old_connection_is_given_up_without_a_farewell_while_the_new_one_is_not_joined() {
    let mut rig = Rig::joined();
    let old = going_away(&mut rig);
    rig.open();
    rig.receive(hello("me"));
    rig.said();
    rig.pass(Duration::from_secs(5));
    assert!(rig.said().contains(&Output::Close { conn: old, code: crate::close_code::REPLACED }));
}

/// A send that was made before the mode was known, on a connection that is about to be moved away from.
fn first_contact_then_moved() -> (Rig, crate::machine::ConnId) {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.send(1, "early");
    rig.command(Command::Connect);
    rig.open();
    assert_eq!(rig.sends().len(), 1);
    rig.input(Input::Flushed(rig.conn, 2));
    rig.receive(hello("me"));
    let old = going_away(&mut rig);
    rig.open();
    rig.said();
    (rig, old)
}

#[test]
fn a_new_connection_that_is_refused_says_nothing_of_what_was_sent_on_the_old_one() {
    let (mut rig, _) = first_contact_then_moved();
    let refused = Disconnect::Closed { code: 4001, reason: "".into() };
    rig.input(Input::Closed(rig.conn, refused));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)], "the old server may have taken it");
}

#[cfg(feature = "native")]
#[test]
fn a_limit_of_the_new_server_is_not_one_of_the_old_server() {
    let (mut rig, old) = first_contact_then_moved();
    let ServerMessage::Hello(mut hello) = hello("me") else { panic!("a hello") };
    hello.limits.content_bytes = 3;
    rig.receive(ServerMessage::Hello(hello));
    assert_eq!(rig.deliveries(), [], "not too large for the server that it was sent to");
    rig.conn = old;
    rig.ack(&id("s1-0"), "a", 11);
    assert_eq!(rig.deliveries(), [(1, acked("a", 11))]);
}

#[test]
fn an_answer_of_the_new_connection_that_names_nothing_is_not_about_what_was_sent_on_the_old_one() {
    let (mut rig, old) = first_contact_then_moved();
    rig.receive(hello("me"));
    let nack = Nack {
        server_code: None,
        reference: None,
        code: Code::Forbidden,
        retry: false,
        retry_after_ms: None,
        expected: None,
        dup: false,
        message: String::new(),
    };
    rig.receive(ServerMessage::Nack(Box::new(nack)));
    assert_eq!(rig.deliveries(), []);
    rig.conn = old;
    rig.ack(&id("s1-0"), "a", 11);
    assert_eq!(rig.deliveries(), [(1, acked("a", 11))]);
}

#[test]
fn what_is_sent_on_a_connection_that_takes_nothing_waits_and_what_is_known_of_the_server_stays_known() {
    let mut rig = Rig::joined();
    rig.send(1, "on its way");
    let (_, tag) = rig.sends().remove(0);
    rig.reconnect();
    let ServerMessage::Hello(mut read_only) = hello("me") else { panic!("a hello") };
    read_only.limits.in_flight = 0;
    // Half of what is known is more than this.
    read_only.dedupe_window_ms = 10_000;
    rig.receive(ServerMessage::Hello(read_only));
    let request = rig.join_request("r");
    rig.receive(ServerMessage::Joined(Box::new(Joined {
        recovered: true,
        reason: None,
        ..join_answer(request.reference, "e", 10)
    })));
    rig.send(2, "later");
    for _ in 0..6 {
        rig.pass(Duration::from_secs(10));
        for frame in rig.frames() {
            match frame {
                ClientMessage::Ping { t } => rig.receive(ServerMessage::Pong { t }),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(rig.session.state(), State::Connected);
    going_away(&mut rig);
    rig.open();
    rig.receive(hello("me"));
    let request = rig.join_request("r");
    rig.receive(ServerMessage::Joined(Box::new(Joined {
        recovered: true,
        reason: None,
        ..join_answer(request.reference, "e", 10)
    })));
    // Answers to what had been sent may come on the old connection, as after any move.
    rig.pass(Duration::from_secs(5));
    let sends = rig.sends();
    assert_eq!(sends.iter().map(|(content, _)| &**content).collect::<Vec<_>>(), ["on its way", "later"]);
    assert_eq!(sends[0].1.producer, tag.producer);
}
