use super::rig::{DONE, HANDSHAKE, Rig, connected, event, said};
use crate::config::Config;
use crate::event::{DeliveryStatus, Event, SendFailure, SendId, SendReply};
use crate::id::Id;
use crate::link::State;
use crate::messages::{Code, Notification, ServerMessage};
use crate::name::{Name, PERSONAL_ROOM};
use crate::outbound::OutboundMessage;
use crate::outbox::{OutboxLimits, Overflow};
use crate::session::{Command, Join, Output};
use crate::socketio::{Answer, ClientPacket, Handshake, Options, ServerEvent, ServerPacket};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn refused(code: Code) -> Answer {
    let (message, answer) = (Some("not you".to_owned()), Some("\"not you\"".to_owned()));
    Answer::Refused { code, retry: false, retry_after_ms: None, message, answer }
}

/// Let in, with a join of r that is not answered.
fn asked_for_r() -> Rig {
    let mut rig = Rig::new();
    rig.join("r");
    rig.command(Command::Connect);
    rig.let_in(None);
    rig.said();
    rig
}

fn without_acks() -> Rig {
    Rig::with(Config::default(), Options { acks: false, ..Options::default() })
}

#[test]
fn it_is_connected_when_the_namespace_lets_it_in_and_ready_when_its_rooms_have_answered() {
    let mut rig = Rig::new();
    rig.join("r");
    rig.command(Command::Connect);
    rig.greet();
    assert_eq!(rig.story(), ["joining r", "connecting"]);
    rig.receive(connected(None));
    assert_eq!(rig.story(), ["connected", "socketio", "> join r"]);
    rig.answer(0, DONE);
    assert_eq!(rig.story(), ["joined r", "answered r fresh, 0 replayed", "ready"]);
}

#[test]
fn the_engines_question_is_answered_at_any_time() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.greet();
    rig.said();
    rig.receive(ServerPacket::Ping);
    rig.receive(connected(None));
    rig.receive(ServerPacket::Ping);
    assert_eq!(rig.packets(), [ClientPacket::Pong, ClientPacket::Pong]);
}

#[test]
fn a_send_is_done_when_the_handler_answers_and_says_what_it_was_told() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.send(2, "two");
    let id = Id::new("m7").unwrap();
    rig.answer(2, Answer::Done { id: Some(id.clone()), seq: Some(7), members: None, answer: None });
    rig.answer(1, DONE);
    let none = DeliveryStatus::Answered { id: None, seq: None };
    let some = DeliveryStatus::Answered { id: Some(id), seq: Some(7) };
    assert_eq!(rig.deliveries(), [(2, some), (1, none)]);
    rig.answer(1, DONE);
    assert_eq!(rig.deliveries(), []);
}

#[test]
fn a_send_that_is_refused_has_failed_with_the_servers_words_beside_it() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.answer(1, refused(Code::Forbidden));
    assert_eq!(rig.story(), ["> one to r", "1 is forbidden: not you"]);
}

#[test]
fn an_outcome_has_the_servers_answer_with_it() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.send(2, "two");
    rig.send(3, "three");
    let answer = Some("\"world\"".to_owned());
    rig.answer(1, Answer::Done { id: None, seq: None, members: None, answer: answer.clone() });
    rig.answer(2, refused(Code::Forbidden));
    rig.answer(3, DONE);
    let replies: Vec<_> = rig
        .said()
        .into_iter()
        .filter_map(|output| match output {
            Output::Event(Event::Delivery(delivery)) => Some(delivery.reply.map(|reply| *reply)),
            _ => None,
        })
        .collect();
    let words = SendReply::new(Some("\"not you\"".to_owned()), Some("not you".to_owned()));
    assert_eq!(replies, [Some(SendReply::new(answer, None)), Some(words), None]);
}

#[test]
fn a_handler_that_never_answers_leaves_a_send_unknown_after_ten_seconds_and_its_late_answer_is_nothing() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.pass(9 * SECOND);
    rig.send(2, "two");
    assert_eq!(rig.deliveries(), []);
    rig.pass(SECOND);
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
    rig.answer(1, DONE);
    rig.answer(2, DONE);
    assert_eq!(rig.deliveries(), [(2, DeliveryStatus::Answered { id: None, seq: None })]);
}

#[test]
fn without_acks_a_send_is_written_when_the_system_has_taken_it() {
    let mut rig = without_acks();
    rig.join("r");
    rig.command(Command::Connect);
    rig.let_in(None);
    rig.send(1, "one");
    assert!(rig.packets().iter().all(|packet| !matches!(packet, ClientPacket::Emit { ack: Some(_), .. })));
    rig.flush();
    assert_eq!(rig.story(), ["joined r", "ready", "1 is written"]);
}

#[test]
fn a_room_whose_join_is_never_answered_counts_as_joined_after_a_while() {
    let mut rig = asked_for_r();
    rig.pass(10 * SECOND);
    assert_eq!(rig.story(), ["joined r", "ready"]);
}

#[test]
fn the_late_refusal_of_a_room_that_was_left_is_nothing() {
    for late in [refused(Code::Forbidden), refused_for_now(Code::Overloaded, Some(700))] {
        let mut rig = asked_for_r();
        rig.pass(10 * SECOND);
        assert_eq!(rig.story(), ["joined r", "ready"]);
        rig.command(Command::Leave("r".into()));
        assert_eq!(rig.story(), ["> leave r", "left r"]);
        rig.answer(0, late);
        assert_eq!(rig.story(), Vec::<String>::new());
        let next = rig.session.next_deadline().expect("the next sign of life");
        assert!(next > rig.now.monotonic + 10 * SECOND, "nothing is asked for again");
    }
}

#[test]
fn a_room_that_is_refused_is_not_asked_for_again() {
    let mut rig = asked_for_r();
    rig.answer(0, refused(Code::Forbidden));
    assert_eq!(rig.story(), ["reply in r: \"not you\"", "failed r", "ready"]);
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(None);
    assert!(!rig.story().contains(&"> join r".to_owned()));
}

fn refused_for_now(code: Code, retry_after_ms: Option<u64>) -> Answer {
    let (message, answer) = (Some("not now".to_owned()), Some("{}".to_owned()));
    Answer::Refused { code, retry: true, retry_after_ms, message, answer }
}

#[test]
fn a_room_that_is_refused_for_now_is_asked_for_again_ever_later_and_each_reason_is_told_once() {
    let mut rig = asked_for_r();
    let told = |code| vec!["reply in r: {}".to_owned(), format!("r not yet: {code}")];
    rig.answer(0, refused_for_now(Code::RoomFull, None));
    assert_eq!(rig.story(), told("room_full"));
    // Whoever asks for it meanwhile changes nothing.
    rig.join("r");
    rig.pass(SECOND / 2);
    assert_eq!(rig.story(), Vec::<String>::new());
    rig.pass(SECOND / 2);
    assert_eq!(rig.story(), ["> join r"]);
    for ack in 1..=8 {
        rig.answer(ack, refused_for_now(Code::RoomFull, None));
        assert_eq!(rig.story(), Vec::<String>::new());
        let before = rig.now.monotonic;
        while rig.packets().is_empty() {
            let at = rig.session.next_deadline().expect("a next try");
            rig.pass(at - rig.now.monotonic);
        }
        if ack == 8 {
            assert!(rig.now.monotonic - before >= 10 * SECOND);
        }
    }
    rig.answer(9, refused_for_now(Code::Overloaded, Some(60_000)));
    assert_eq!(rig.story(), told("overloaded"));
    rig.pass(59 * SECOND);
    assert_eq!(rig.story(), Vec::<String>::new());
    rig.pass(SECOND);
    assert_eq!(rig.story(), ["> join r"]);
    rig.answer(10, DONE);
    assert_eq!(rig.story(), ["joined r", "answered r fresh, 0 replayed", "ready"]);
}

#[test]
fn a_room_that_was_refused_for_now_is_asked_for_at_once_on_the_next_connection_and_can_be_left() {
    let mut rig = Rig::new();
    rig.join("r");
    rig.command(Command::Connect);
    rig.let_in(None);
    rig.answer(0, refused_for_now(Code::RoomFull, Some(300_000)));
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(None);
    assert_eq!(rig.story().last().map(String::as_str), Some("> join r"));
    rig.answer(1, refused_for_now(Code::RoomFull, Some(300_000)));
    assert_eq!(rig.story(), Vec::<String>::new());
    rig.command(Command::Leave("r".into()));
    assert!(rig.story().contains(&"left r".to_owned()));
    rig.pass(300 * SECOND);
    assert!(!rig.story().contains(&"> join r".to_owned()));
}

#[test]
fn a_refusal_that_comes_after_a_join_has_counted_as_done_makes_it_undone() {
    let counted_as_done = || {
        let mut rig = asked_for_r();
        rig.pass(10 * SECOND);
        assert_eq!(rig.story(), ["joined r", "ready"]);
        rig
    };
    let mut rig = counted_as_done();
    rig.answer(0, refused(Code::Forbidden));
    assert_eq!(rig.story(), ["reply in r: \"not you\"", "failed r"]);
    let mut rig = counted_as_done();
    rig.answer(0, refused_for_now(Code::RoomFull, None));
    assert_eq!(rig.story(), ["reply in r: {}", "r not yet: room_full"]);
    rig.pass(SECOND);
    assert_eq!(rig.story(), ["> join r"]);
    // A late yes changes nothing, and is the last word.
    let mut rig = counted_as_done();
    rig.answer(0, DONE);
    rig.answer(0, refused(Code::Forbidden));
    assert_eq!(rig.story(), Vec::<String>::new());
}

#[test]
fn what_a_handler_answers_to_a_join_is_told_before_what_became_of_it() {
    let mut rig = asked_for_r();
    let answer = Some("{\"motd\":\"hi\"}".to_owned());
    rig.answer(0, Answer::Done { id: None, seq: None, members: None, answer });
    let story = rig.story();
    assert_eq!(story, ["reply in r: {\"motd\":\"hi\"}", "joined r", "answered r fresh, 0 replayed", "ready"]);
}

#[test]
fn sends_wait_for_the_connection_and_leave_in_their_order() {
    let mut rig = Rig::new();
    rig.send(1, "one");
    rig.join("r");
    rig.command(Command::Connect);
    rig.send(2, "two");
    rig.greet();
    rig.send(3, "three");
    rig.said();
    rig.receive(connected(None));
    assert_eq!(
        rig.story(),
        ["connected", "socketio", "> join r", "> one to r", "> two to r", "> three to r"]
    );
}

#[test]
fn a_room_is_left_once_its_earlier_sends_are_final_and_says_no_more() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.command(Command::Leave("r".into()));
    assert_eq!(rig.story(), ["> one to r"]);
    rig.answer(1, DONE);
    assert_eq!(rig.story(), ["1 is answered", "> leave r", "left r"]);
    rig.receive(ServerPacket::Event(event(said("r", "late"))));
    assert_eq!(rig.story(), Vec::<String>::new());
    rig.join("r");
    assert_eq!(rig.story(), ["joining r", "> join r"]);
}

#[test]
fn a_full_queue_refuses_the_new_or_drops_the_oldest_as_it_was_told() {
    for (overflow, outcome) in
        [(Overflow::Reject, "3 is queue_full"), (Overflow::DropOldest, "1 is queue_full")]
    {
        let outbox = OutboxLimits { count: 2, overflow, ..OutboxLimits::default() };
        let mut rig = Rig::with(Config { outbox, ..Config::default() }, Options::default());
        (1..=3).for_each(|number| rig.send(number, "text"));
        assert_eq!(rig.story(), [outcome]);
        assert_eq!(rig.session.diagnostics().outbox_len, 2);
    }
    let outbox = OutboxLimits { bytes: 200, ..OutboxLimits::default() };
    let mut rig = Rig::with(Config { outbox, ..Config::default() }, Options::default());
    rig.send(1, &"x".repeat(100));
    rig.send(2, &"x".repeat(100));
    assert_eq!(rig.story(), ["2 is queue_full"]);
}

#[test]
fn a_send_that_waits_too_long_expires_and_one_that_waits_can_be_cancelled() {
    let mut rig = Rig::new();
    rig.send(1, "one");
    rig.pass(SECOND);
    rig.send(2, "two");
    rig.command(Command::Cancel(SendId(2)));
    assert_eq!(rig.deliveries(), [(2, DeliveryStatus::Failed(SendFailure::Cancelled))]);
    rig.pass(599 * SECOND);
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Failed(SendFailure::Expired))]);
}

#[test]
fn what_the_server_does_not_take_in_one_message_fails_before_it_is_sent() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.send(1, &"x".repeat(4_000));
    rig.send(2, "short");
    rig.input(crate::machine::Input::Opened(rig.conn));
    rig.receive(ServerPacket::Open(Handshake { max_payload: Some(2_000), ..HANDSHAKE }));
    rig.said();
    rig.receive(connected(None));
    assert_eq!(
        rig.story(),
        ["connected", "socketio", "ready", "> short to ", "1 is too_large"]
            .map(|line| { if line == "> short to " { "> short to r" } else { line } })
    );
}

#[test]
fn what_the_system_has_not_taken_holds_the_rest_back() {
    let config = Config { max_unflushed: 100, ..Config::default() };
    let mut rig = Rig::with(config, Options::default());
    rig.command(Command::Connect);
    rig.let_in(None);
    rig.said();
    (1..=4).for_each(|number| rig.send(number, "text"));
    assert_eq!(rig.story(), ["> text to r", "> text to r"]);
    rig.flush();
    assert_eq!(rig.story(), ["> text to r", "> text to r"]);
}

#[test]
fn no_more_than_256_sends_wait_for_an_answer_at_once() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.let_in(None);
    rig.said();
    (1..=300).for_each(|number| rig.send(number, "text"));
    assert_eq!(rig.packets().len(), 256);
    rig.answer(0, DONE);
    assert_eq!(rig.packets().len(), 1);
}

#[test]
fn an_event_that_wants_an_answer_gets_one_known_or_not() {
    let mut rig = Rig::in_rooms(&["r"], None);
    for (id, message) in [(4, said("r", "hi")), (5, ServerMessage::Unknown)] {
        rig.receive(ServerPacket::Event(ServerEvent { ack: Some(id), ..event(message) }));
        assert!(rig.packets().contains(&ClientPacket::Ack { id }));
    }
    assert_eq!(rig.session.diagnostics().unknown_frames, 1);
}

#[test]
fn a_notification_comes_unasked_and_the_personal_room_is_not_joined() {
    let mut rig = Rig::in_rooms(&[], None);
    rig.command(Command::Join(Join { personal: true, ..Name::from(PERSONAL_ROOM).into() }));
    let notification = Notification { entry: None, kind: "badge".into(), data: Some("3".to_owned()) };
    rig.receive(ServerPacket::Event(event(ServerMessage::Notification(Box::new(notification)))));
    assert_eq!(rig.story(), ["notification badge 3"]);
}

#[test]
fn too_many_rooms_are_refused() {
    let mut rig = Rig::with(Config { max_rooms: 1, ..Config::default() }, Options::default());
    rig.join("a");
    rig.join("b");
    assert_eq!(rig.story(), vec!["joining a", "refused b"]);
}

#[test]
fn a_send_has_its_outcome_when_its_own_timeout_is_over_though_the_handler_might_still_answer() {
    for acks in [true, false] {
        let mut rig = if acks { Rig::in_rooms(&["r"], None) } else { without_acks() };
        if !acks {
            rig.join("r");
            rig.command(Command::Connect);
            rig.greet();
            rig.receive(connected(None));
        }
        let timeout = Some(Duration::from_secs(3));
        let send = OutboundMessage { timeout, ..OutboundMessage::new(SendId(1), "r".into(), "one".into()) };
        rig.command(Command::Send(send));
        rig.pass(2 * SECOND);
        assert_eq!(rig.deliveries(), [], "acks: {acks}");
        rig.pass(SECOND);
        assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)], "acks: {acks}");
    }
}

#[test]
fn a_message_that_is_followed_by_silence_is_asked_about_after_five_seconds() {
    let mut rig = Rig::in_rooms(&["r"], None);
    let pings = |rig: &mut Rig| rig.said().iter().filter(|said| matches!(said, Output::Ping { .. })).count();
    rig.send(1, "one");
    rig.pass(5 * SECOND);
    assert_eq!(pings(&mut rig), 1);
    rig.pass(10 * SECOND);
    assert!(matches!(rig.session.state(), State::Reconnecting { .. }));
    // A server that answers is not asked.
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.pass(SECOND);
    rig.receive(ServerPacket::Ping);
    rig.pass(5 * SECOND);
    assert_eq!(pings(&mut rig), 0);
}
