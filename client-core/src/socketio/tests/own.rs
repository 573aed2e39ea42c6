//! Custom events: sent, kept, answered.

use super::rig::{DONE, Rig, connected, event};
use crate::event::{DeliveryStatus, Event, SendFailure, SendId};
use crate::messages::Frame;
use crate::messages::ServerMessage;
use crate::outbound::OutboundMessage;
use crate::outbox::OutboxLimits;
use crate::session::{Command, Output};
use crate::socketio::{Answer, ClientPacket, Options, ServerEvent, ServerPacket, TrailingArg};
use crate::{Config, Name};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

const ANSWERED: DeliveryStatus = DeliveryStatus::Answered { id: None, seq: None };

fn own(number: u64, content: &str) -> OutboundMessage<String, Name> {
    OutboundMessage::new(SendId(number), "".into(), content.into())
}

fn asking(number: u64, content: &str) -> OutboundMessage<String, Name> {
    OutboundMessage { data: Some("true".into()), ..own(number, content) }
}

fn keep(rig: &mut Rig, key: &str, frame: &str) {
    rig.command(Command::Keep { key: key.into(), frame: frame.into() });
}

fn frame(arguments: &str) -> ServerMessage {
    ServerMessage::Custom(Frame::event("/".into(), "price".into(), arguments.into()))
}

fn asks(rig: &mut Rig, id: u64) {
    rig.receive(ServerPacket::Event(ServerEvent { ack: Some(id), ..event(frame("[1]")) }));
}

fn answer(rig: &mut Rig, ack: u64, arguments: &str) {
    rig.command(Command::Answer { ack, arguments: arguments.into() });
}

/// What is written of the application's own, in a few words each.
fn written(rig: &mut Rig) -> Vec<String> {
    let word = |packet| match packet {
        ClientPacket::Custom { ack: Some(ack), event } => Some(format!("{event} asks {ack}")),
        ClientPacket::Custom { event, .. } => Some(event),
        ClientPacket::Kept(event) => Some(format!("kept {event}")),
        ClientPacket::Answer { id, arguments } => Some(format!("{arguments} to {id}")),
        ClientPacket::Ack { id } => Some(format!("nothing to {id}")),
        ClientPacket::Emit { .. } => Some("a message".into()),
        _ => None,
    };
    rig.packets().into_iter().filter_map(word).collect()
}

fn events(rig: &mut Rig) -> Vec<Event> {
    let event = |output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    };
    rig.said().into_iter().filter_map(event).collect()
}

#[test]
fn events_and_messages_go_in_order_and_each_ends_as_what_it_wants_allows() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.command(Command::Send(own(1, "[\"a\"]")));
    rig.send(2, "hi");
    rig.command(Command::Send(asking(3, "[\"b\"]")));
    rig.command(Command::Send(own(4, "[\"c\"]")));
    assert_eq!(written(&mut rig), ["[\"a\"]", "a message", "[\"b\"] asks 2", "[\"c\"]"]);
    rig.flush();
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Written), (4, DeliveryStatus::Written)]);
    rig.answer(2, DONE);
    assert_eq!(rig.deliveries(), [(3, ANSWERED)]);
    rig.answer(1, DONE);
    assert_eq!(rig.deliveries(), [(2, ANSWERED)]);
}

#[test]
fn without_acks_of_messages_an_event_may_still_want_one() {
    let mut rig = Rig::with(Config::default(), Options { acks: false, ..Options::default() });
    rig.command(Command::Connect);
    rig.let_in(None);
    rig.command(Command::Send(asking(1, "[\"a\"]")));
    rig.command(Command::Send(own(2, "[\"b\"]")));
    assert_eq!(written(&mut rig), ["[\"a\"] asks 0", "[\"b\"]"]);
    rig.flush();
    assert_eq!(rig.deliveries(), [(2, DeliveryStatus::Written)]);
    rig.answer(0, DONE);
    assert_eq!(rig.deliveries(), [(1, ANSWERED)]);
}

#[test]
fn an_answer_is_given_as_it_is_whatever_it_says_and_in_full() {
    let mut rig = Rig::in_rooms(&[], None);
    rig.command(Command::Send(asking(1, "[\"a\"]")));
    rig.command(Command::Send(asking(2, "[\"b\"]")));
    rig.said();
    let refused = Answer::Refused {
        code: crate::messages::Code::Forbidden,
        retry: false,
        retry_after_ms: None,
        message: Some("no".into()),
        answer: Some("false".into()),
    };
    rig.answer(0, refused);
    let whole = "x".repeat(20_000);
    rig.receive(ServerPacket::LongAck { id: 1, answer: Box::new(DONE), whole: whole.clone() });
    let answers: Vec<_> = events(&mut rig)
        .into_iter()
        .map(|event| match event {
            Event::Delivery(delivery) => (delivery.status, delivery.reply.and_then(|reply| reply.answer)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answers, [(ANSWERED, Some("false".into())), (ANSWERED, Some(whole))]);
}

#[test]
fn an_event_that_nobody_answers_is_unknown_after_the_time_that_it_has() {
    let mut rig = Rig::in_rooms(&[], None);
    rig.command(Command::Send(asking(1, "[\"a\"]")));
    let patient = OutboundMessage { timeout: Some(Duration::from_secs(60)), ..asking(2, "[\"b\"]") };
    rig.command(Command::Send(patient));
    let hasty = OutboundMessage { timeout: Some(Duration::from_secs(3)), ..asking(3, "[\"c\"]") };
    rig.command(Command::Send(hasty));
    rig.flush();
    rig.said();
    let mut ended = Vec::new();
    for _ in 0..14 {
        rig.receive(ServerPacket::Ping);
        rig.pass(Duration::from_secs(5));
        ended.extend(rig.deliveries().into_iter().map(|(number, status)| {
            assert_eq!(status, DeliveryStatus::Unknown);
            number
        }));
    }
    assert_eq!(ended, [3, 1, 2]);
}

#[test]
fn what_was_written_is_unknown_after_a_loss_and_what_waited_goes_on() {
    let mut rig = Rig::in_rooms(&[], None);
    rig.command(Command::Send(asking(1, "[\"a\"]")));
    rig.command(Command::Send(own(2, "[\"b\"]")));
    rig.lose();
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown), (2, DeliveryStatus::Unknown)]);
    rig.command(Command::Send(own(3, "[\"c\"]")));
    rig.wait_for_dial();
    rig.let_in(None);
    assert_eq!(written(&mut rig), ["[\"c\"]"]);
}

/// An event that the server may see twice, and that wants an answer.
fn idempotent(number: u64, content: &str) -> OutboundMessage<String, Name> {
    OutboundMessage { idempotent: true, ..asking(number, content) }
}

#[test]
fn an_idempotent_event_is_sent_again_in_its_place_until_it_is_answered() {
    let mut rig = Rig::in_rooms(&[], None);
    rig.command(Command::Send(idempotent(1, "[\"a\",\"k1\"]")));
    rig.command(Command::Send(asking(2, "[\"b\"]")));
    rig.command(Command::Send(idempotent(3, "[\"c\",\"k3\"]")));
    rig.flush();
    // The numbers of answers are never used again.
    for next in [3, 5, 7] {
        rig.said();
        rig.lose();
        assert!(rig.deliveries().into_iter().all(|delivery| delivery == (2, DeliveryStatus::Unknown)));
        rig.command(Command::Send(own(4, "[\"d\"]")));
        rig.command(Command::Cancel(SendId(4)));
        rig.wait_for_dial();
        rig.let_in(None);
        let again = [format!("[\"a\",\"k1\"] asks {next}"), format!("[\"c\",\"k3\"] asks {}", next + 1)];
        assert_eq!(written(&mut rig), again);
    }
    rig.answer(8, DONE);
    rig.answer(7, DONE);
    assert_eq!(rig.deliveries(), [(3, ANSWERED), (1, ANSWERED)]);
    // Answered permanently, and never sent again.
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(None);
    assert_eq!(written(&mut rig), Vec::<String>::new());
}

#[test]
fn an_idempotent_event_that_may_have_arrived_is_never_said_to_have_failed() {
    let ends: [fn(&mut Rig); 4] = [
        |rig| rig.command(Command::Cancel(SendId(1))),
        |rig| rig.command(Command::Close),
        |rig| rig.pass(Duration::from_secs(5)),
        |rig| {
            rig.wait_for_dial();
            rig.let_in(None);
            // Nobody answers on this connection.
            rig.pass(Duration::from_secs(20));
        },
    ];
    for (at, end) in ends.into_iter().enumerate() {
        let mut rig = Rig::in_rooms(&[], None);
        let timeout = (at == 2).then_some(Duration::from_secs(5));
        rig.command(Command::Send(OutboundMessage { timeout, ..idempotent(1, "[\"a\",\"k\"]") }));
        rig.lose();
        assert_eq!(rig.deliveries(), []);
        end(&mut rig);
        assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)], "{at}");
    }
    // One that was never sent has failed.
    let mut rig = Rig::in_rooms(&[], None);
    rig.lose();
    rig.command(Command::Send(idempotent(1, "[\"a\",\"k\"]")));
    rig.command(Command::Close);
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Failed(SendFailure::Closed))]);
}

#[test]
fn an_idempotent_event_counts_against_the_bounds_as_long_as_it_waits_again() {
    let mut rig = Rig::in_rooms(&[], None);
    let before = rig.session.diagnostics().outbox_bytes;
    rig.command(Command::Send(idempotent(1, "[\"a\",\"k\"]")));
    let with = rig.session.diagnostics();
    rig.lose();
    let after = rig.session.diagnostics();
    assert_eq!((after.outbox_len, after.outbox_bytes), (1, with.outbox_bytes));
    rig.command(Command::Cancel(SendId(1)));
    assert_eq!((rig.session.diagnostics().outbox_len, rig.session.diagnostics().outbox_bytes), (0, before));
}

#[test]
fn a_volatile_event_goes_at_once_or_is_dropped() {
    let mut rig = Rig::new();
    let dropped = |number| (number, DeliveryStatus::Failed(SendFailure::Dropped));
    rig.command(Command::SendVolatile(own(1, "[\"a\"]")));
    assert_eq!(rig.deliveries(), [dropped(1)]);
    rig.command(Command::Connect);
    rig.greet();
    rig.command(Command::SendVolatile(own(2, "[\"b\"]")));
    assert_eq!(rig.deliveries(), [dropped(2)]);
    rig.receive(connected(None));
    rig.command(Command::SendVolatile(own(3, "[\"c\"]")));
    assert_eq!(written(&mut rig), ["[\"c\"]"]);
    rig.command(Command::Send(own(4, &"x".repeat(1 << 17))));
    rig.command(Command::Send(own(5, &"x".repeat(1 << 17))));
    rig.command(Command::Send(own(6, &"x".repeat(1 << 17))));
    rig.said();
    rig.command(Command::SendVolatile(own(7, &"x".repeat(1 << 17))));
    assert_eq!(rig.deliveries(), [dropped(7)], "the connection has enough to write");
}

#[test]
fn each_connection_begins_with_what_is_kept_in_its_newest_form() {
    let mut rig = Rig::new();
    rig.join("r");
    keep(&mut rig, "prices", "[\"watch\",1]");
    keep(&mut rig, "news", "[\"news\"]");
    rig.command(Command::Send(own(1, "[\"a\"]")));
    rig.command(Command::Connect);
    rig.let_in(None);
    assert_eq!(written(&mut rig), ["kept [\"watch\",1]", "kept [\"news\"]", "a message", "[\"a\"]"]);
    keep(&mut rig, "prices", "[\"watch\",2]");
    assert_eq!(written(&mut rig), ["kept [\"watch\",2]"]);
    rig.command(Command::DropKept("news".into()));
    rig.lose();
    rig.wait_for_dial();
    rig.said();
    rig.let_in(None);
    assert_eq!(written(&mut rig), ["kept [\"watch\",2]", "a message"]);
}

#[test]
fn what_is_too_large_for_the_server_is_kept_no_longer() {
    let mut rig = Rig::in_rooms(&[], None);
    keep(&mut rig, "small", "[\"s\"]");
    keep(&mut rig, "large", &"x".repeat(1_000));
    rig.said();
    let how = crate::machine::Disconnect::Closed { code: 1009, reason: "".into() };
    rig.input(crate::machine::Input::Closed(rig.conn, how));
    let not_kept = Event::NotKept { key: "large".into(), why: SendFailure::TooLarge };
    assert!(events(&mut rig).contains(&not_kept));
    rig.wait_for_dial();
    rig.said();
    rig.let_in(None);
    assert_eq!(written(&mut rig), ["kept [\"s\"]"]);
}

#[test]
fn an_event_comes_with_all_its_arguments_but_the_place_to_recover_from() {
    let mut rig = Rig::in_rooms(&[], Some("pid"));
    let trailing = TrailingArg { text: "AbCdEfG".into(), follows_object: true };
    let placed = ServerEvent {
        trailing: Some(trailing),
        data_before_trailing: Some("[{}]".into()),
        ..event(frame("[{},\"AbCdEfG\"]"))
    };
    rig.receive(ServerPacket::Event(placed));
    rig.receive(ServerPacket::Event(event(frame("[1]"))));
    let texts: Vec<_> = events(&mut rig)
        .into_iter()
        .map(|event| match event {
            Event::Frame(frame) => frame.text().map(ToOwned::to_owned),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, [Some("[{}]".into()), Some("[1]".into())]);
}

#[test]
fn an_event_that_wants_an_answer_gets_an_empty_one_unless_the_application_answers() {
    let mut rig = Rig::in_rooms(&[], None);
    asks(&mut rig, 7);
    assert_eq!(written(&mut rig), ["nothing to 7"]);
    let mut rig = Rig::new();
    rig.session.manual_acks();
    rig.command(Command::Connect);
    rig.let_in(None);
    asks(&mut rig, 7);
    asks(&mut rig, 8);
    assert!(
        events(&mut rig).iter().any(|event| matches!(event, Event::Frame(frame) if frame.ack() == Some(2)))
    );
    answer(&mut rig, 2, "[\"b\"]");
    answer(&mut rig, 1, "[\"a\"]");
    assert_eq!(written(&mut rig), ["[\"b\"] to 8", "[\"a\"] to 7"]);
}

#[test]
fn an_answer_to_nothing_says_so_and_no_more_than_256_events_wait_for_one() {
    let mut rig = Rig::new();
    rig.session.manual_acks();
    rig.command(Command::Connect);
    rig.let_in(None);
    rig.said();
    let unknown = |ack| Event::NotAnswered { ack, why: SendFailure::UnknownAck };
    answer(&mut rig, 1, "[]");
    assert_eq!(events(&mut rig), [unknown(1)]);
    for id in 0..258 {
        asks(&mut rig, id);
    }
    assert_eq!(written(&mut rig), ["nothing to 256", "nothing to 257"]);
    answer(&mut rig, 1, "[]");
    answer(&mut rig, 1, "[]");
    answer(&mut rig, 257, "[]");
    assert_eq!(events(&mut rig), [unknown(1), unknown(257)]);
    answer(&mut rig, 2, &"x".repeat(2 << 20));
    assert_eq!(events(&mut rig), [Event::NotAnswered { ack: 2, why: SendFailure::TooLarge }]);
    answer(&mut rig, 2, "[\"shorter\"]");
    assert_eq!(written(&mut rig), ["[\"shorter\"] to 1"]);
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(None);
    rig.said();
    answer(&mut rig, 3, "[]");
    assert_eq!(events(&mut rig), [unknown(3)]);
}

#[test]
fn an_ack_of_nothing_is_counted_and_costs_nothing() {
    let mut rig = Rig::in_rooms(&[], None);
    rig.command(Command::Send(asking(1, "[\"a\"]")));
    rig.said();
    rig.answer(99, DONE);
    assert_eq!(rig.session.diagnostics().unknown_frames, 1);
    rig.answer(0, DONE);
    assert_eq!(rig.deliveries(), [(1, ANSWERED)]);
}

#[test]
fn events_share_the_bounds_of_the_outbox() {
    let limits = OutboxLimits { count: 2, ..OutboxLimits::default() };
    let mut rig = Rig::with(Config { outbox: limits, ..Config::default() }, Options::default());
    rig.command(Command::Send(own(1, "[\"a\"]")));
    rig.send(2, "hi");
    rig.command(Command::Send(own(3, "[\"b\"]")));
    assert_eq!(rig.deliveries(), vec![(3, DeliveryStatus::Failed(SendFailure::QueueFull))]);
}

#[cfg(feature = "stored")]
#[test]
fn what_waits_and_what_is_kept_goes_on_in_the_next_run() {
    let mut rig = Rig::new();
    keep(&mut rig, "prices", "[\"watch\"]");
    rig.command(Command::Send(asking(1, "[\"a\"]")));
    let saved = rig.session.saved();
    let mut next = Rig::new();
    next.input(crate::machine::Input::Restore(Box::new(saved)));
    next.command(Command::Connect);
    next.let_in(None);
    assert_eq!(written(&mut next), ["kept [\"watch\"]", "[\"a\"] asks 0"], "no room is joined for it");
}
