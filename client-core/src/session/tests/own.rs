//! Custom frames: in order with the messages, and the kept ones first on each connection.

use super::rig::{Rig, hello};
use crate::cause::Disconnect;
use crate::event::{DeliveryStatus, Event, SendFailure, SendId};
use crate::kept_frames::{MAX_KEPT_BYTES, MAX_KEPT_FRAMES};
use crate::messages::Frame;
use crate::messages::{ClientMessage, Code, ErrorDetail, ServerMessage};
use crate::outbound::OutboundMessage;
use crate::session::{Command, Input};
use crate::{Config, Name};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

fn own(number: u64, json: &str) -> OutboundMessage<String, Name> {
    OutboundMessage::new(SendId(number), "".into(), json.into())
}

fn send(rig: &mut Rig, number: u64, json: &str) {
    rig.command(Command::Send(own(number, json)));
}

fn keep(rig: &mut Rig, key: &str, json: &str) {
    rig.command(Command::Keep { key: key.into(), frame: json.into() });
}

/// What was written, in short: the content of a send, the frame of an own one, the type of the rest.
fn written(rig: &mut Rig) -> Vec<String> {
    let short = |message| match message {
        ClientMessage::Custom(json) | ClientMessage::Kept(json) => json,
        ClientMessage::SendMessage { content, .. } => content,
        ClientMessage::JoinRoom { .. } => "join".into(),
        other => format!("{other:?}"),
    };
    rig.frames().into_iter().map(short).collect()
}

fn flushed(rig: &mut Rig) {
    rig.input(Input::Flushed(rig.conn, 1_000));
}

#[test]
fn on_a_plain_server_own_frames_and_messages_go_in_the_order_in_which_they_were_sent() {
    let mut rig = Rig::plain();
    rig.input(Input::Closed(rig.conn, Disconnect::Lost));
    send(&mut rig, 1, "{1}");
    rig.send(2, "two");
    send(&mut rig, 3, "{3}");
    rig.said();
    rig.wait_for_dial();
    rig.open();
    assert_eq!(written(&mut rig), ["join", "{1}", "two", "{3}"]);
    assert_eq!(rig.deliveries(), []);
    flushed(&mut rig);
    let is_written = |(number, status): (u64, DeliveryStatus)| (number, status == DeliveryStatus::Written);
    let outcomes: Vec<_> = rig.deliveries().into_iter().map(is_written).collect();
    assert_eq!(outcomes, [(1, true), (2, true), (3, true)]);
}

#[test]
fn what_was_not_flushed_when_the_connection_was_lost_is_unknown_and_not_sent_again() {
    let mut rig = Rig::plain();
    send(&mut rig, 1, "{1}");
    rig.reconnect();
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
    assert_eq!(written(&mut rig), Vec::<String>::new());
}

#[test]
fn a_silent_plain_server_is_not_doubted_because_of_an_own_frame() {
    let mut rig = Rig::plain();
    let before = rig.session.next_deadline();
    send(&mut rig, 1, "{1}");
    flushed(&mut rig);
    assert_eq!(rig.session.next_deadline(), before);
}

#[test]
fn on_an_extended_server_an_own_frame_is_written_and_waits_for_no_room() {
    let mut rig = Rig::joined();
    rig.command(Command::Join(Name::from("other").into()));
    let to_other = OutboundMessage::new(SendId(1), "other".into(), "later".into());
    rig.command(Command::Send(to_other));
    rig.send(2, "two");
    send(&mut rig, 3, "{3}");
    rig.send(4, "four");
    assert_eq!(written(&mut rig), ["join", "two", "{3}", "four"]);
    flushed(&mut rig);
    assert_eq!(rig.deliveries(), [(3, DeliveryStatus::Written)]);
}

#[test]
fn an_own_frame_goes_when_the_messages_before_it_have_failed() {
    let mut rig = Rig::joined();
    rig.input(Input::Closed(rig.conn, Disconnect::Lost));
    rig.command(Command::Send(OutboundMessage::new(SendId(1), "nowhere".into(), "lost".into())));
    send(&mut rig, 2, "{2}");
    rig.said();
    rig.wait_for_dial();
    rig.open();
    rig.said();
    rig.receive(hello("me"));
    assert_eq!(written(&mut rig), ["{2}"]);
}

#[test]
fn the_limit_of_an_extended_server_is_for_messages_and_no_first_own_frame_fails_by_it() {
    let mut rig = Rig::new(Config::default());
    send(&mut rig, 1, &format!("[\"{}\"]", "x".repeat(8_192)));
    rig.command(Command::Connect);
    rig.open();
    rig.frames();
    rig.pass(core::time::Duration::from_secs(1));
    assert_eq!(written(&mut rig).len(), 1);
    rig.receive(hello("me"));
    assert_eq!(rig.deliveries(), []);
    flushed(&mut rig);
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Written)]);
}

#[test]
fn where_a_hello_was_heard_before_an_own_frame_waits_for_it() {
    let mut rig = Rig::joined();
    rig.input(Input::Closed(rig.conn, Disconnect::Lost));
    send(&mut rig, 1, "{1}");
    keep(&mut rig, "k", "{k}");
    rig.said();
    rig.wait_for_dial();
    rig.open();
    assert_eq!(written(&mut rig), ["join"]);
    rig.receive(hello("me"));
    assert_eq!(written(&mut rig), ["{k}", "{1}"]);
}

#[test]
fn a_refusal_that_does_not_say_of_what_is_taken_for_the_own_frame_that_came_before_a_message() {
    let mut rig = Rig::joined();
    send(&mut rig, 1, "{1}");
    rig.send(2, "two");
    rig.said();
    let refusal = ErrorDetail {
        reference: None,
        room: None,
        code: Code::BadRequest,
        retry: false,
        retry_after_ms: None,
        server_code: None,
    };
    let refused = || ServerMessage::Error { message: "no".into(), detail: Some(Box::new(refusal.clone())) };
    rig.receive(refused());
    assert_eq!(rig.deliveries(), []);
    rig.receive(refused());
    assert_eq!(rig.deliveries(), [(2, DeliveryStatus::Failed(SendFailure::Refused(Code::BadRequest)))]);
}

#[test]
fn what_a_server_sends_beside_the_protocol_comes_out_as_it_is() {
    for mut rig in [Rig::plain(), Rig::joined()] {
        let frame = Frame::new(Some("price".into()), "{}".to_owned());
        rig.receive(ServerMessage::Custom(frame.clone()));
        assert!(rig.events().contains(&Event::Frame(frame)));
    }
}

#[test]
fn each_connection_begins_with_what_is_kept_and_only_with_the_newest_of_each_key() {
    let mut rig = Rig::plain();
    keep(&mut rig, "a", "{a1}");
    keep(&mut rig, "b", "{b}");
    keep(&mut rig, "c", "{c}");
    assert_eq!(written(&mut rig), ["{a1}", "{b}", "{c}"]);
    rig.input(Input::Closed(rig.conn, Disconnect::Lost));
    rig.send(1, "one");
    keep(&mut rig, "a", "{a2}");
    rig.command(Command::DropKept("b".into()));
    rig.said();
    rig.wait_for_dial();
    rig.open();
    assert_eq!(written(&mut rig), ["{a2}", "{c}", "join", "one"]);
    rig.reconnect();
    assert_eq!(written(&mut rig), ["{a2}", "{c}", "join"]);
}

#[test]
fn while_nothing_is_flushed_a_kept_frame_waits_and_only_its_newest_value_goes() {
    let config = Config { max_unflushed: 100, extended: false, ..Config::default() };
    let mut rig = Rig::new(config);
    rig.command(Command::Connect);
    rig.open();
    rig.said();
    for n in 0..50 {
        keep(&mut rig, "k", &format!("{n:060}"));
    }
    send(&mut rig, 1, "{behind}");
    assert_eq!(written(&mut rig), [format!("{:060}", 0)]);
    flushed(&mut rig);
    assert_eq!(written(&mut rig), [format!("{:060}", 49), "{behind}".into()]);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_beyond_is_told() {
    let mut rig = Rig::plain();
    let refused = |rig: &mut Rig| -> Vec<(String, SendFailure)> {
        let told = |event: Event| match event {
            Event::NotKept { key, why } => Some((key.to_string(), why)),
            _ => None,
        };
        rig.events().into_iter().filter_map(told).collect()
    };
    keep(&mut rig, "big", &"x".repeat(MAX_KEPT_BYTES + 1));
    assert_eq!(refused(&mut rig), [("big".into(), SendFailure::TooLarge)]);
    for n in 0..=MAX_KEPT_FRAMES {
        keep(&mut rig, &format!("{n}"), "{}");
    }
    assert_eq!(refused(&mut rig), [(MAX_KEPT_FRAMES.to_string(), SendFailure::QueueFull)]);
    // In its own place there is room.
    keep(&mut rig, "0", "{new}");
    keep(&mut rig, "1", &"x".repeat(MAX_KEPT_BYTES));
    assert_eq!(refused(&mut rig), [("1".into(), SendFailure::QueueFull)]);
    rig.command(Command::DropKept("0".into()));
    keep(&mut rig, "other", "{}");
    assert_eq!(refused(&mut rig), []);
}

#[test]
fn a_kept_frame_that_the_server_refuses_each_time_is_told_once_for_each_connection_and_makes_no_loop() {
    let mut rig = Rig::plain();
    keep(&mut rig, "k", "{k}");
    for _ in 0..5 {
        assert!(written(&mut rig).contains(&"{k}".into()));
        rig.receive(ServerMessage::Error { message: "no such thing".into(), detail: None });
        let events = rig.events();
        assert_eq!(events.iter().filter(|event| matches!(event, Event::ServerError { .. })).count(), 1);
        rig.pass(core::time::Duration::from_secs(5));
        assert_eq!(written(&mut rig), Vec::<String>::new());
        rig.reconnect();
    }
}

#[test]
fn a_kept_frame_that_is_too_large_for_the_server_is_kept_no_longer() {
    let mut rig = Rig::plain();
    keep(&mut rig, "small", "{small}");
    keep(&mut rig, "large", "{larger}");
    let too_large = Disconnect::Closed { code: 1009, reason: "".into() };
    rig.input(Input::Closed(rig.conn, too_large.clone()));
    let why = SendFailure::TooLarge;
    assert!(rig.events().contains(&Event::NotKept { key: "large".into(), why }));
    rig.wait_for_dial();
    rig.open();
    assert_eq!(written(&mut rig), ["{small}", "join"]);
    // A message that was larger is to blame before it.
    rig.send(1, "a message that is larger");
    rig.input(Input::Closed(rig.conn, too_large));
    assert!(!rig.events().iter().any(|event| matches!(event, Event::NotKept { .. })));
}

#[test]
fn a_volatile_frame_goes_at_once_or_never() {
    let config = Config { max_unflushed: 100, extended: false, ..Config::default() };
    let mut rig = Rig::new(config);
    let dropped = DeliveryStatus::Failed(SendFailure::Dropped);
    rig.command(Command::SendVolatile(own(1, "{1}")));
    assert_eq!(rig.deliveries(), [(1, dropped.clone())]);
    rig.command(Command::Connect);
    rig.open();
    rig.said();
    rig.command(Command::SendVolatile(own(2, "{2}")));
    assert_eq!(written(&mut rig), ["{2}"]);
    send(&mut rig, 3, &"x".repeat(100));
    send(&mut rig, 4, "{4}");
    rig.said();
    rig.command(Command::SendVolatile(own(5, "{5}")));
    assert_eq!(rig.deliveries(), [(5, dropped)]);
    flushed(&mut rig);
    assert_eq!(rig.frames(), [ClientMessage::Custom("{4}".into())]);
}

#[test]
fn what_waits_and_what_is_kept_is_taken_up_by_the_next_run_without_joining_anything() {
    let mut rig = Rig::plain();
    rig.input(Input::Closed(rig.conn, Disconnect::Lost));
    send(&mut rig, 1, "{1}");
    keep(&mut rig, "k", "{k}");
    let saved = rig.session.saved();
    assert_eq!((saved.sends.len(), saved.kept.len()), (1, 1));
    let mut next = Rig::new(Config { extended: false, ..Config::default() });
    next.input(Input::Restore(Box::new(saved)));
    next.command(Command::Connect);
    next.open();
    assert_eq!(written(&mut next), ["{k}", "{1}"]);
}

#[test]
fn what_another_user_has_kept_is_dropped_and_told_and_what_this_one_keeps_stays() {
    let mut rig = Rig::joined();
    keep(&mut rig, "old", "{old}");
    let mut next = Rig::new(Config::default());
    next.input(Input::Restore(Box::new(rig.session.saved())));
    keep(&mut next, "new", "{new}");
    next.command(Command::Connect);
    next.open();
    next.said();
    next.receive(hello("somebody else"));
    let output = next.said();
    let told = format!("{output:?}");
    assert!(told.contains("NotKept") && told.contains("UserChanged"), "{told}");
    let frames: Vec<_> = output
        .into_iter()
        .filter_map(|output| match output {
            crate::session::Output::Send { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    assert_eq!(frames, [ClientMessage::Kept("{new}".into())]);
    assert_eq!(next.session.saved().kept.len(), 1);
}

#[test]
fn the_connection_that_replaces_another_begins_with_what_is_kept_too() {
    let mut rig = Rig::joined();
    keep(&mut rig, "k", "{k}");
    send(&mut rig, 1, "{1}");
    rig.said();
    let going = crate::messages::GoingAway { window_ms: 0, url: None };
    let old = rig.conn;
    rig.receive(ServerMessage::GoingAway(Box::new(going)));
    rig.pass(core::time::Duration::from_millis(1));
    assert_ne!(rig.conn, old);
    rig.said();
    rig.open();
    rig.receive(hello("me"));
    let said = format!("{:?}", rig.said());
    assert!(said.contains("Kept(\"{k}\")") && said.contains("Unknown"), "{said}");
}
