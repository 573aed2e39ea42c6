//! The mode of a connection, and how it is decided.

use super::rig::{Rig, acked, hello, join_answer, live};
use crate::event::{DeliveryStatus, Event, Mode, RoomState, SendFailure};
use crate::link::State;
use crate::messages::{ClientMessage, Code, ErrorDetail, Hello, Nack, SendTag, ServerMessage};
use crate::session::{Command, Input, Output};
use crate::{Config, Name};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

fn modes(rig: &mut Rig) -> Vec<Mode> {
    rig.events()
        .into_iter()
        .filter_map(|event| if let Event::Mode(mode) = event { Some(mode) } else { None })
        .collect()
}

/// Connected for the first time, with a join of r and two sends given to the connection.
fn first_contact() -> Rig {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.send(1, "early");
    rig.send(2, "second");
    rig.command(Command::Connect);
    rig.open();
    rig
}

/// The same, and then the room is joined on an extended server; with the tags of the two sends, which are not answered.
fn joined_after_first_contact() -> (Rig, Vec<SendTag>) {
    let mut rig = first_contact();
    let (mut joins, mut sends) = (Vec::new(), Vec::new());
    for output in rig.said() {
        match output {
            Output::Send { message: ClientMessage::JoinRoom { request, .. }, .. } => joins.extend(request),
            Output::Send { message: ClientMessage::SendMessage { tag, .. }, .. } => {
                sends.extend(tag.map(|tag| *tag));
            }
            _ => {}
        }
    }
    rig.receive(hello("me"));
    let joined = join_answer(joins.remove(0).reference, "e", 10);
    rig.receive(ServerMessage::Joined(Box::new(joined)));
    (rig, sends)
}

#[test]
fn the_first_contact_sends_at_once_without_a_number_and_an_extended_server_answers_it() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.send(1, "early");
    rig.command(Command::Connect);
    rig.open();
    let sends = rig.sends();
    assert_eq!(sends.len(), 1);
    assert_eq!(sends[0].1.producer, None);
    rig.input(Input::Flushed(rig.conn, 2));
    rig.receive(hello("me"));
    assert_eq!(rig.deliveries(), [], "written is for plain servers");
    rig.ack(&sends[0].1.reference, "x", 7);
    assert_eq!(rig.deliveries(), [(1, acked("x", 7))]);
}

#[cfg(feature = "native")]
#[test]
fn a_first_contact_send_that_is_larger_than_the_server_says_it_takes_has_failed_however_it_ends() {
    for flushed in [0, 3] {
        let mut rig = Rig::new(Config::default());
        rig.command(Command::Join(Name::from("r").into()));
        rig.send(1, &"x".repeat(8_192));
        rig.send(2, &"x".repeat(8_193));
        rig.command(Command::Connect);
        rig.open();
        rig.frames();
        rig.pass(Duration::from_secs(1));
        let sends = rig.sends();
        rig.input(Input::Flushed(rig.conn, flushed));
        rig.receive(hello("me"));
        let too_large = (2, DeliveryStatus::Failed(SendFailure::TooLarge));
        assert_eq!(rig.deliveries(), [too_large]);
        // Its refusal, or the end of the connection that it was for some servers, changes nothing.
        rig.nack(&sends[1].1.reference, Code::TooLarge, false);
        let closed = crate::machine::Disconnect::Closed { code: 1009, reason: "".into() };
        rig.input(Input::Closed(rig.conn, closed));
        assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
    }
}

#[cfg(feature = "native")]
#[test]
fn much_waits_a_moment_for_the_server_to_say_what_it_takes_so_that_what_is_too_large_harms_no_other_send() {
    let mut rig = first_contact();
    assert_eq!(rig.sends().len(), 2, "little is sent at once");
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.send(1, "early");
    rig.command(Command::Connect);
    rig.open();
    let join = rig.join_request("r");
    rig.send(2, &"x".repeat(70_000));
    rig.send(3, "behind it");
    assert_eq!(rig.sends().len(), 0);
    rig.receive(hello("me"));
    rig.receive(ServerMessage::Joined(Box::new(join_answer(join.reference, "e", 0))));
    let (mut sends, mut outcomes) = (Vec::new(), Vec::new());
    for output in rig.said() {
        match output {
            Output::Send { message: ClientMessage::SendMessage { tag, .. }, .. } => sends.push(tag),
            Output::Event(Event::Delivery(delivery)) => outcomes.push((delivery.id.0, delivery.status)),
            _ => {}
        }
    }
    assert_eq!(outcomes, [(2, DeliveryStatus::Failed(SendFailure::TooLarge))]);
    assert_eq!(sends.len(), 1);
    assert!(sends[0].as_ref().unwrap().producer.is_some(), "it can be sent again");
}

#[test]
fn a_first_contact_send_whose_room_lets_nobody_in_for_now_waits_and_goes_in_order_once_it_is_joined() {
    let mut rig = first_contact();
    let said = rig.said();
    let mut requests = said.iter().filter_map(|output| match output {
        Output::Send { message: ClientMessage::JoinRoom { request, .. }, .. } => request.clone(),
        _ => None,
    });
    let request = requests.next().unwrap();
    let sends: Vec<_> = said
        .iter()
        .filter_map(|output| match output {
            Output::Send { message: ClientMessage::SendMessage { tag, .. }, .. } => tag.clone(),
            _ => None,
        })
        .collect();
    rig.receive(hello("me"));
    rig.send(3, "late");
    let refusal = ErrorDetail {
        reference: Some(request.reference),
        room: Some("r".into()),
        code: Code::RoomFull,
        retry: true,
        retry_after_ms: None,
        server_code: None,
    };
    rig.receive(ServerMessage::Error { message: "full".into(), detail: Some(Box::new(refusal)) });
    for tag in &sends {
        let reference = Some(tag.reference.clone());
        let nack = Nack {
            reference,
            code: Code::NotJoined,
            retry: false,
            retry_after_ms: None,
            expected: None,
            dup: false,
            message: String::new(),
            server_code: None,
        };
        rig.receive(ServerMessage::Nack(Box::new(nack)));
    }
    assert_eq!(rig.deliveries(), []);
    rig.pass(Duration::from_secs(40));
    let request = rig.join_request("r");
    rig.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "e", 10))));
    let sent: Vec<_> = rig.sends().into_iter().map(|(content, _)| content).collect();
    assert_eq!(sent, ["early", "second", "late"]);
}

#[test]
fn a_first_contact_send_that_is_refused_for_now_goes_again_unless_a_later_one_of_its_room_could_overtake_it()
{
    let (mut rig, sends) = joined_after_first_contact();
    // Answers come in order: `second` is still on its way.
    rig.nack(&sends[0].reference, Code::RateLimited, true);
    let refused = DeliveryStatus::Failed(SendFailure::Refused(Code::RateLimited));
    assert_eq!(rig.deliveries(), [(1, refused)]);
    rig.nack(&sends[1].reference, Code::RateLimited, true);
    assert_eq!(rig.deliveries(), []);
    rig.pass(Duration::from_secs(2));
    let again: Vec<_> = rig.sends().into_iter().map(|(content, _)| content).collect();
    assert_eq!(again, ["second"]);
}

#[test]
fn a_first_contact_send_that_a_numbered_one_has_overtaken_does_not_wait_for_the_room_behind_it() {
    let (mut rig, sends) = joined_after_first_contact();
    rig.send(3, "third");
    assert_eq!(rig.sends().len(), 1, "it has a number");
    rig.nack(&sends[0].reference, Code::NotJoined, true);
    rig.nack(&sends[1].reference, Code::NotJoined, true);
    let refused = DeliveryStatus::Failed(SendFailure::Refused(Code::NotJoined));
    assert_eq!(rig.deliveries(), [(1, refused.clone()), (2, refused)]);
}

#[test]
fn a_pong_and_a_second_without_a_frame_show_a_plain_server_and_written_is_all_there_is() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.send(1, "early");
    rig.command(Command::Connect);
    rig.open();
    assert!(rig.said().contains(&Output::Ping { conn: rig.conn }));
    rig.input(Input::Flushed(rig.conn, 2));
    assert_eq!(rig.deliveries(), []);
    rig.input(Input::Pong(rig.conn));
    assert_eq!(rig.deliveries(), [], "a proxy may have answered");
    rig.pass(Duration::from_secs(1));
    let said = rig.events();
    assert!(
        said.contains(&Event::Mode(Mode::Plain)) && said.contains(&Event::Ready(Mode::Plain)),
        "{said:?}"
    );
    assert!(
        said.iter().any(|event| matches!(event, Event::Delivery(d) if d.status == DeliveryStatus::Written))
    );
}

#[test]
fn where_hello_was_heard_before_nothing_but_joins_goes_out_until_the_mode_is_known() {
    let mut rig = Rig::joined();
    rig.input(Input::Closed(rig.conn, crate::machine::Disconnect::Lost));
    rig.send(1, "later");
    rig.wait_for_dial();
    rig.open();
    rig.input(Input::Pong(rig.conn));
    let frames = rig.frames();
    assert!(frames.iter().all(|frame| matches!(frame, ClientMessage::JoinRoom { .. })), "{frames:?}");
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.frames().len(), 1, "after the silence the server is plain, and the send goes");
}

#[test]
fn a_plain_server_after_an_extended_one_is_told_as_a_loss_of_guarantee_with_a_gap() {
    let mut rig = Rig::joined();
    rig.reconnect();
    rig.said();
    rig.receive(ServerMessage::UserJoined { room: "r".into(), user: "bob".into() });
    let told = rig.events();
    let mode = told.iter().position(|event| *event == Event::Mode(Mode::Plain)).unwrap();
    let gap =
        told.iter().position(|event| matches!(event, Event::Gap(gap) if gap.after == Some(10))).unwrap();
    let user = told.iter().position(|event| matches!(event, Event::UserJoined { .. })).unwrap();
    assert!(mode < gap && gap < user, "{told:?}");
    // Back on an extended one it does not continue from before: that would deliver again what came meanwhile.
    rig.reconnect();
    assert_eq!(rig.join_request("r").since, None);
}

#[test]
fn a_late_hello_upgrades_and_joins_anew() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.command(Command::Connect);
    rig.open();
    rig.receive(live("e", 3));
    assert_eq!(modes(&mut rig), [Mode::Plain]);
    rig.receive(hello("me"));
    assert!(rig.session.mode() == Some(Mode::Extended) && !rig.session.is_ready());
    let reference = rig.join_request("r").reference;
    rig.receive(ServerMessage::Joined(Box::new(join_answer(reference, "e", 3))));
    assert!(rig.session.is_ready());
}

#[test]
fn a_room_that_was_joined_on_a_plain_connection_is_told_of_the_next_refusal_whatever_it_was_refused_for_before()
 {
    let refused = |rig: &mut Rig, reference| {
        let refusal = ErrorDetail {
            reference,
            room: Some("r".into()),
            code: Code::Internal,
            retry: true,
            retry_after_ms: None,
            server_code: None,
        };
        rig.receive(ServerMessage::Error { message: "not now".into(), detail: Some(Box::new(refusal)) });
        let told = |event| if let Event::Room(change) = event { change.refused } else { None };
        rig.events().into_iter().filter_map(told).collect::<Vec<Code>>()
    };
    let mut rig = Rig::joined();
    rig.reconnect();
    let reference = Some(rig.join_request("r").reference);
    rig.receive(hello("me"));
    assert_eq!(refused(&mut rig, reference), [Code::Internal]);
    rig.reconnect();
    rig.input(Input::Flushed(rig.conn, 1));
    rig.receive(live("e", 15));
    assert!(
        rig.session.rooms().all(|(_, state)| state == RoomState::Joined),
        "joined, as far as that can be told"
    );
    rig.said();
    rig.receive(hello("me"));
    let reference = Some(rig.join_request("r").reference);
    assert_eq!(refused(&mut rig, reference), [Code::Internal]);
}

#[test]
fn what_a_hello_claims_is_clamped() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.command(Command::Connect);
    rig.open();
    let ServerMessage::Hello(honest) = hello("me") else { panic!() };
    let mut hostile = Hello { heartbeat_ms: 0, dedupe_window_ms: u64::MAX, ..*honest };
    hostile.reconnect.window_ms = u64::MAX;
    // 0 is what a server says that takes no sends.
    hostile.limits.in_flight = 1;
    hostile.limits.content_bytes = u64::MAX;
    hostile.limits.replay = 0;
    rig.receive(ServerMessage::Hello(Box::new(hostile)));
    let reference = rig.join_request("r").reference;
    rig.receive(ServerMessage::Joined(Box::new(join_answer(reference, "e", 0))));
    for number in 1..=3 {
        rig.send(number, "x");
    }
    assert_eq!(rig.sends().len(), 1, "no more sends are in flight than the server takes");
    rig.input(Input::Closed(rig.conn, crate::machine::Disconnect::Lost));
    let State::Reconnecting { retry_at: Some(at), .. } = rig.session.state() else { panic!() };
    assert!(at - rig.now.monotonic <= Duration::from_secs(600));
}

#[test]
fn a_hello_said_again_names_the_window_that_counts() {
    let mut latest = Duration::ZERO;
    for seed in 0..50 {
        let mut rig = Rig::joined_as(seed);
        let ServerMessage::Hello(mut again) = hello("me") else { panic!() };
        again.reconnect.window_ms = 300_000;
        rig.receive(ServerMessage::Hello(again));
        assert_eq!(
            rig.said(),
            [],
            "nothing is joined again, and nobody is told of a mode that has not changed"
        );
        rig.input(Input::Closed(rig.conn, crate::machine::Disconnect::Lost));
        let State::Reconnecting { retry_at: Some(at), .. } = rig.session.state() else { panic!() };
        latest = latest.max(at - rig.now.monotonic);
    }
    assert!((Duration::from_secs(200)..=Duration::from_secs(300)).contains(&latest), "{latest:?}");
}

#[test]
fn another_user_than_the_stored_one_gets_none_of_the_stored_sends() {
    let mut rig = Rig::joined();
    rig.send(1, "mine");
    rig.input(Input::Closed(rig.conn, crate::machine::Disconnect::Lost));
    rig.send(2, "mine too");
    rig.wait_for_dial();
    rig.open();
    rig.said();
    rig.receive(hello("somebody else"));
    let outcomes = rig.deliveries();
    assert_eq!(outcomes[0], (1, DeliveryStatus::Unknown));
    assert_eq!(outcomes[1], (2, DeliveryStatus::Failed(SendFailure::UserChanged)));
    assert_eq!(rig.session.diagnostics().outbox_len, 0);
}

#[test]
fn what_was_sent_on_a_connection_that_is_refused_before_any_answer_was_not_taken_and_waits_again() {
    let refused = || crate::machine::Disconnect::Closed { code: 4001, reason: "".into() };
    for flushed in [0, 3] {
        let mut rig = first_contact();
        assert_eq!(rig.sends().len(), 2);
        rig.input(Input::Flushed(rig.conn, flushed));
        rig.input(Input::Closed(rig.conn, refused()));
        assert_eq!(rig.session.state(), State::Failed);
        let failed = DeliveryStatus::Failed(SendFailure::Closed);
        assert_eq!(rig.deliveries(), [(1, failed.clone()), (2, failed)], "not unknown");
    }
    // Once the server has answered anything, it may have taken what was sent before.
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.send(1, "early");
    rig.command(Command::Connect);
    rig.open();
    rig.sends();
    rig.input(Input::Flushed(rig.conn, 2));
    rig.receive(hello("me"));
    rig.input(Input::Closed(rig.conn, refused()));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
}

#[test]
fn what_was_sent_on_a_connection_that_answered_a_ping_may_have_been_taken_whatever_closes_it() {
    let refused = || crate::machine::Disconnect::Closed { code: 4001, reason: "".into() };
    // A plain server that sends nothing to the sender: the ping was written before the sends.
    let mut rig = first_contact();
    let pinged = rig.said().into_iter().skip_while(|output| !matches!(output, Output::Ping { .. }));
    let sent =
        |output: &Output| matches!(output, Output::Send { message: ClientMessage::SendMessage { .. }, .. });
    assert_eq!(pinged.filter(sent).count(), 2);
    rig.input(Input::Pong(rig.conn));
    rig.input(Input::Closed(rig.conn, refused()));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown), (2, DeliveryStatus::Unknown)]);
}

/// A page, which cannot ping, with a send.
fn page() -> Rig {
    let mut config = Config::default();
    config.link.liveness.can_ping = false;
    let mut rig = Rig::new(config);
    rig.command(Command::Join(Name::from("r").into()));
    rig.send(1, "early");
    rig.command(Command::Connect);
    rig.open();
    rig
}

#[test]
fn where_nothing_can_be_asked_a_token_has_a_moment_to_be_refused_before_the_first_send() {
    let refused = || crate::machine::Disconnect::Closed { code: 4001, reason: "".into() };
    let mut rig = page();
    assert!(rig.sends().is_empty());
    rig.input(Input::Closed(rig.conn, refused()));
    assert_eq!(
        rig.deliveries(),
        [(1, DeliveryStatus::Failed(SendFailure::Closed))],
        "there is no other token"
    );
    // A server that says nothing is plain for all that is known.
    let mut rig = page();
    let deadline = rig.session.next_deadline().unwrap();
    rig.frames();
    assert_eq!(deadline - rig.now.monotonic, Duration::from_secs(1));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.sends().len(), 1);
    rig.input(Input::Closed(rig.conn, refused()));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
    // One that has said that it is extended gets it at once, with a number.
    let mut rig = page();
    rig.receive(hello("me"));
    let join = rig.join_request("r");
    rig.receive(ServerMessage::Joined(Box::new(join_answer(join.reference, "e", 0))));
    let sends = rig.sends();
    assert_eq!(sends.len(), 1);
    assert!(sends[0].1.producer.is_some());
}

#[test]
fn the_code_of_a_plain_servers_error_is_told_with_its_words() {
    let mut rig = Rig::plain();
    rig.events();
    for (code, told) in [(Code::RateLimited, Some(Code::RateLimited)), (Code::Other, None)] {
        let detail = ErrorDetail {
            reference: None,
            room: None,
            code,
            retry: false,
            retry_after_ms: None,
            server_code: (code == Code::Other).then(|| "slow_down".into()),
        };
        rig.receive(ServerMessage::Error {
            message: "not so fast".to_owned(),
            detail: Some(Box::new(detail)),
        });
        let events = rig.events();
        let [Event::ServerError { message, code, server_code }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((message.as_str(), *code, server_code.is_some()), ("not so fast", told, told.is_none()));
    }
}
