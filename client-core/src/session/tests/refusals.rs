//! A server that refuses: how often it is asked again, what a refusal without a reference is about, and what stays
//! possible meanwhile.

use super::rig::{Rig, acked, hello, id, join_answer};
use crate::event::{Delivery, DeliveryStatus, Event, RoomChange, SendId};
use crate::id::Id;
use crate::link::State;
use crate::messages::{ClientMessage, Code, ErrorDetail, Joined, Left, Nack, ServerMessage};
use crate::outbound::OutboundMessage;
use crate::session::{Command, Output};
use crate::{Config, Name, RoomState, SendFailure, Token};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

const CODES: [Code; 12] = [
    Code::RateLimited,
    Code::Overloaded,
    Code::Internal,
    Code::NotJoined,
    Code::SequenceGap,
    Code::Forbidden,
    Code::TooLarge,
    Code::BadRequest,
    Code::UnknownProducer,
    Code::TooManyRooms,
    Code::RoomFull,
    Code::Other,
];

/// How a server refuses.
#[derive(Debug, Clone, Copy)]
struct No {
    code: Code,
    retry: bool,
    retry_after_ms: Option<u64>,
    named: bool,
    expected: Option<u64>,
}

impl No {
    fn error(self, reference: Option<&Id>, room: Option<&Name>) -> ServerMessage {
        let reference = reference.filter(|_| self.named).cloned();
        let room = room.filter(|_| self.named).cloned();
        let Self { code, retry, retry_after_ms, .. } = self;
        let refusal = ErrorDetail { reference, room, code, retry, retry_after_ms, server_code: None };
        ServerMessage::Error { message: "no".into(), detail: Some(Box::new(refusal)) }
    }

    fn nack(self, reference: &Id) -> ServerMessage {
        let Self { code, retry, retry_after_ms, expected, named } = self;
        let reference = named.then(|| reference.clone());
        let (dup, message) = (false, "no".into());
        ServerMessage::Nack(Box::new(Nack {
            reference,
            code,
            retry,
            retry_after_ms,
            expected,
            dup,
            message,
            server_code: None,
        }))
    }

    /// All of them.
    fn all() -> impl Iterator<Item = Self> {
        CODES.into_iter().flat_map(|code| {
            [(true, None), (true, Some(0)), (false, None)].into_iter().flat_map(
                move |(retry, retry_after_ms)| {
                    [(true, None), (true, Some(1)), (false, None)].map(|(named, expected)| Self {
                        code,
                        retry,
                        retry_after_ms,
                        named,
                        expected,
                    })
                },
            )
        })
    }
}

/// A client with something of every kind to ask for, on a server that answers each frame with `answer`: the frames that
/// it writes in ten minutes.
fn frames_of_ten_minutes(answer: impl Fn(&ClientMessage) -> Option<ServerMessage>) -> usize {
    let mut rig = Rig::new(Config::default());
    for room in ["r", "q"] {
        rig.command(Command::Join(Name::from(room).into()));
    }
    rig.command(Command::Connect);
    for number in 0..6 {
        let room = if number % 3 == 0 { "q" } else { "r" };
        rig.command(Command::Send(OutboundMessage::new(SendId(number), room.into(), "x".into())));
    }
    let end = rig.now.monotonic + Duration::from_secs(600);
    let (mut frames, mut asked) = (0, false);
    while rig.now.monotonic < end && frames < 10_000 {
        let said = rig.said();
        let nothing = said.is_empty();
        for output in said {
            match output {
                Output::Dial { .. } => {
                    rig.open();
                    rig.receive(hello("me"));
                }
                Output::Send { message, .. } => {
                    frames += 1;
                    if let Some(answer) = answer(&message) {
                        rig.receive(answer);
                    }
                }
                Output::Event(Event::Ready(_)) if !asked => {
                    asked = true;
                    rig.command(Command::SetToken(Token::new("t")));
                    rig.command(Command::Presence("r".into()));
                    let (room, kind) = ("r".into(), "typing".into());
                    rig.command(Command::Signal { room, kind, data: None });
                }
                _ => {}
            }
        }
        if nothing {
            let Some(at) = rig.session.next_deadline() else { break };
            rig.pass((at - rig.now.monotonic).max(Duration::from_millis(1)));
        }
    }
    frames
}

/// A join answered: there is something to fetch.
fn let_in(room: &Name, reference: &Id) -> ServerMessage {
    ServerMessage::Joined(Box::new(Joined { room: room.clone(), ..join_answer(reference.clone(), "e", 20) }))
}

#[test]
fn whatever_is_refused_and_however_it_is_asked_for_again_only_after_longer_and_longer_waits() {
    for no in No::all() {
        for joins_too in [true, false] {
            let frames = frames_of_ten_minutes(|message| {
                Some(match message {
                    ClientMessage::JoinRoom { room, request: Some(request) } if !joins_too => {
                        let_in(room, &request.reference)
                    }
                    ClientMessage::JoinRoom { room, request } => {
                        no.error(request.as_ref().map(|request| &request.reference), Some(room))
                    }
                    ClientMessage::SendMessage { tag: Some(tag), .. } => no.nack(&tag.reference),
                    ClientMessage::History(request) => {
                        no.error(Some(&request.reference), Some(&request.room))
                    }
                    ClientMessage::Auth { reference, .. } => no.error(Some(reference), None),
                    ClientMessage::Presence { room } | ClientMessage::Signal { room, .. } => {
                        no.error(None, Some(room))
                    }
                    ClientMessage::Ping { t } => ServerMessage::Pong { t: *t },
                    _ => return None,
                })
            });
            assert!(frames < 250, "{frames} frames: {no:?}, joins too: {joins_too}");
        }
    }
}

#[test]
fn a_server_that_answers_nothing_but_refusals_without_a_reference_is_not_flooded_either() {
    for no in No::all().filter(|no| !no.named) {
        let frames = frames_of_ten_minutes(|_| Some(no.error(None, None)));
        assert!(frames < 250, "{frames} frames: {no:?}");
    }
}

fn send_to(rig: &mut Rig, number: u64, room: &str, timeout: Option<u64>) {
    let timeout = timeout.map(Duration::from_secs);
    let send = OutboundMessage { timeout, ..OutboundMessage::new(SendId(number), room.into(), "x".into()) };
    rig.command(Command::Send(send));
}

fn no(code: Code, retry: bool) -> No {
    No { code, retry, retry_after_ms: None, named: true, expected: None }
}

fn unnamed(code: Code, retry: bool) -> No {
    No { named: false, ..no(code, retry) }
}

fn refused(code: Code) -> DeliveryStatus {
    DeliveryStatus::Failed(SendFailure::Refused(code))
}

#[test]
fn a_refusal_without_a_reference_is_about_the_oldest_send_without_an_answer() {
    for by_nack in [true, false] {
        let mut rig = Rig::joined();
        rig.send(1, "x");
        rig.send(2, "y");
        let tags = rig.sends();
        let no = unnamed(Code::BadRequest, false);
        rig.receive(if by_nack { no.nack(&id("s")) } else { no.error(None, None) });
        assert_eq!(rig.deliveries(), [(1, refused(Code::BadRequest))]);
        rig.ack(&tags[1].1.reference, "b", 11);
        assert_eq!(rig.deliveries(), [(2, acked("b", 11))]);
    }
}

#[test]
fn a_refusal_that_only_a_join_can_have_is_about_a_join_though_a_send_is_older() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.command(Command::Join(Name::from("full").into()));
    rig.said();
    rig.receive(unnamed(Code::TooManyRooms, false).error(None, None));
    let events = rig.events();
    let change = events.iter().find_map(|event| match event {
        Event::Room(change) => Some((&*change.room, change.state)),
        _ => None,
    });
    assert_eq!(change, Some(("full", RoomState::Failed(Code::TooManyRooms))));
    assert!(!events.iter().any(|event| matches!(event, Event::Delivery(_))), "{events:?}");
}

#[test]
fn a_refused_signal_does_not_fail_the_message_behind_it() {
    let mut rig = Rig::joined();
    let (room, kind) = (Name::from("r"), Name::from("typing"));
    rig.command(Command::Signal { room, kind, data: None });
    rig.send(1, "x");
    let tag = rig.sends().remove(0).1;
    rig.receive(unnamed(Code::BadRequest, false).error(None, None));
    assert_eq!(rig.deliveries(), []);
    rig.ack(&tag.reference, "a", 11);
    assert_eq!(rig.deliveries(), [(1, acked("a", 11))]);
    // The answer has shown that the server was past the signal.
    rig.send(2, "x");
    rig.receive(unnamed(Code::BadRequest, false).error(None, None));
    assert_eq!(rig.deliveries(), [(2, refused(Code::BadRequest))]);
}

#[test]
fn a_refused_question_about_members_does_not_fail_a_message_that_the_servers_store_has_still_to_answer() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let tag = rig.sends().remove(0).1;
    rig.command(Command::Presence(Name::from("r")));
    let room = Name::from("r");
    // The member is removed before the question arrives.
    rig.receive(ServerMessage::Left(Left {
        reference: None,
        room: room.clone(),
        code: Some(Code::Forbidden),
        server_code: None,
    }));
    rig.receive(unnamed(Code::NotJoined, true).error(None, Some(&room)));
    assert_eq!(rig.deliveries(), []);
    rig.ack(&tag.reference, "a", 11);
    assert_eq!(rig.deliveries(), [(1, acked("a", 11))]);
}

#[test]
fn the_answer_to_an_earlier_ping_does_not_show_that_a_question_after_it_was_processed() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let first = rig.sends().remove(0).1;
    // Five seconds without an answer are asked about, and then those of the second send.
    rig.pass(Duration::from_secs(5));
    rig.command(Command::Presence(Name::from("r")));
    rig.ack(&first.reference, "a", 11);
    rig.send(2, "x");
    let frames = rig.frames();
    assert!(frames.iter().any(|frame| matches!(frame, ClientMessage::Ping { .. })), "{frames:?}");
    rig.pass(Duration::from_secs(5));
    let frames = rig.frames();
    assert!(frames.iter().any(|frame| matches!(frame, ClientMessage::Ping { .. })), "{frames:?}");
    rig.deliveries();
    rig.receive(ServerMessage::Pong { t: 0 });
    rig.receive(unnamed(Code::NotJoined, true).error(None, Some(&Name::from("r"))));
    assert_eq!(rig.deliveries(), []);
    rig.receive(ServerMessage::Pong { t: 0 });
    rig.receive(unnamed(Code::Forbidden, false).error(None, Some(&Name::from("r"))));
    assert_eq!(rig.deliveries(), [(2, refused(Code::Forbidden))]);
}

#[test]
fn a_join_refused_for_now_is_told_once_with_its_reason_until_another_reason_or_success() {
    let told = |rig: &mut Rig| -> Vec<_> {
        let told = rig.events().into_iter().filter_map(|event| match event {
            Event::Room(RoomChange { state, refused, .. }) => Some((state, refused)),
            _ => None,
        });
        told.collect()
    };
    let mut rig = Rig::joined();
    let room = Name::from("q");
    rig.command(Command::Join(room.clone().into()));
    let mut request = rig.join_request("q").reference;
    for code in [Code::RoomFull, Code::RoomFull, Code::Overloaded] {
        rig.receive(no(code, true).error(Some(&request), Some(&room)));
        let state = (RoomState::Joining, Some(code));
        let first = request == id("j2") || code == Code::Overloaded;
        assert_eq!(told(&mut rig), if first { Vec::from([state]) } else { Vec::new() }, "{code:?}");
        rig.pass(Duration::from_secs(40));
        request = rig.join_request("q").reference;
    }
    rig.receive(let_in(&room, &request));
    assert_eq!(told(&mut rig), [(RoomState::Joined, None)]);
}

#[test]
fn a_join_refused_for_now_is_told_again_of_a_room_that_was_left_meanwhile() {
    let told = |rig: &mut Rig| {
        let told = |event| if let Event::Room(change) = event { change.refused } else { None };
        rig.events().into_iter().filter_map(told).collect::<Vec<_>>()
    };
    let mut rig = Rig::joined();
    let room = Name::from("q");
    rig.command(Command::Join(room.clone().into()));
    let request = rig.join_request("q").reference;
    rig.receive(no(Code::Overloaded, true).error(Some(&request), Some(&room)));
    assert_eq!(told(&mut rig), [Code::Overloaded]);
    rig.pass(Duration::from_secs(40));
    rig.join_request("q");
    // The server answers neither the join nor the departure before it is asked again.
    rig.command(Command::Leave(room.clone()));
    rig.command(Command::Join(room.clone().into()));
    let request = rig.join_request("q").reference;
    rig.receive(no(Code::Overloaded, true).error(Some(&request), Some(&room)));
    assert_eq!(told(&mut rig), [Code::Overloaded]);
}

#[test]
fn sends_of_one_room_that_are_refused_again_and_again_do_not_hold_back_those_of_another() {
    let mut rig = Rig::joined();
    let other = Name::from("q");
    rig.command(Command::Join(other.clone().into()));
    let request = rig.join_request("q").reference;
    rig.receive(let_in(&other, &request));
    for number in 0..70 {
        rig.send(number, "x");
    }
    let sends = rig.sends();
    assert_eq!(sends.len(), 64, "as many as the server takes at once");
    rig.receive(
        No { retry_after_ms: Some(600_000), ..no(Code::RateLimited, true) }.nack(&sends[0].1.reference),
    );
    send_to(&mut rig, 100, "q", None);
    assert_eq!(rig.sends().len(), 1);
    // Neither do those that a server does not answer at all.
    let mut rig = Rig::joined();
    rig.command(Command::Join(other.clone().into()));
    let request = rig.join_request("q").reference;
    rig.receive(let_in(&other, &request));
    for number in 0..70 {
        rig.send(number, "x");
    }
    assert_eq!(rig.sends().len(), 64);
    rig.pass(Duration::from_secs(5));
    send_to(&mut rig, 100, "q", None);
    assert_eq!(rig.sends().len(), 1);
}

/// The states in which a send may find the client.
fn in_every_state() -> Vec<(&'static str, Rig)> {
    let mut connecting = Rig::new(Config::default());
    connecting.command(Command::Join(Name::from("r").into()));
    connecting.command(Command::Connect);
    let mut suspended = Rig::joined();
    suspended.input(crate::machine::Input::Closed(suspended.conn, crate::machine::Disconnect::Lost));
    while !matches!(suspended.session.state(), State::Suspended { .. }) {
        let at = suspended.session.next_deadline().unwrap();
        suspended.pass((at - suspended.now.monotonic).max(Duration::from_millis(1)));
    }
    let mut reconnecting = Rig::joined();
    reconnecting.input(crate::machine::Input::Closed(reconnecting.conn, crate::machine::Disconnect::Lost));
    let mut states = Vec::from([
        ("idle", Rig::new(Config::default())),
        ("connecting", connecting),
        ("joined", Rig::joined()),
        ("plain", Rig::plain()),
        ("reconnecting", reconnecting),
        ("suspended", suspended),
    ]);
    for (_, rig) in &mut states {
        rig.said();
    }
    states
}

/// What becomes of send 1 within `seconds`, on a server that answers nothing.
fn outcome_within(rig: &mut Rig, seconds: u64) -> Option<DeliveryStatus> {
    let end = rig.now.monotonic + Duration::from_secs(seconds);
    loop {
        if let Some((_, status)) = rig.deliveries().into_iter().find(|(number, _)| *number == 1) {
            return Some(status);
        }
        let at = rig.session.next_deadline().filter(|at| *at <= end)?;
        rig.pass((at - rig.now.monotonic).max(Duration::from_millis(1)));
    }
}

#[test]
fn a_send_has_its_outcome_when_its_timeout_is_over_in_every_state() {
    for (state, mut rig) in in_every_state() {
        send_to(&mut rig, 1, "r", Some(3));
        let status = outcome_within(&mut rig, 3);
        let in_flight = matches!(state, "joined" | "plain");
        let expected =
            if in_flight { DeliveryStatus::Unknown } else { DeliveryStatus::Failed(SendFailure::Timeout) };
        assert_eq!(status, Some(expected), "{state}");
    }
}

#[test]
fn a_timeout_holds_while_the_server_refuses_again_and_again_and_it_has_certainly_not_been_sent() {
    for code in [Code::RateLimited, Code::NotJoined, Code::SequenceGap, Code::UnknownProducer] {
        let mut rig = Rig::joined();
        send_to(&mut rig, 1, "r", Some(20));
        send_to(&mut rig, 2, "r", None);
        let end = rig.now.monotonic + Duration::from_secs(20);
        let mut outcome = None;
        while outcome.is_none() {
            let said = rig.said();
            let is_quiet = said.is_empty();
            for output in said {
                match output {
                    Output::Send { message: ClientMessage::SendMessage { tag: Some(tag), .. }, .. } => {
                        rig.receive(no(code, true).nack(&tag.reference));
                    }
                    Output::Send {
                        message: ClientMessage::JoinRoom { room, request: Some(request) },
                        ..
                    } => {
                        let joined =
                            Joined { recovered: true, room, ..join_answer(request.reference, "e", 10) };
                        rig.receive(ServerMessage::Joined(Box::new(joined)));
                    }
                    Output::Event(Event::Delivery(delivery)) => outcome = Some(delivery),
                    _ => {}
                }
            }
            // Everything is answered at once.
            if outcome.is_none() && is_quiet {
                let at = rig.session.next_deadline().unwrap();
                assert!(at <= end, "{code:?}");
                rig.pass((at - rig.now.monotonic).max(Duration::from_millis(1)));
            }
        }
        let outcome = outcome.unwrap();
        // One that is numbered anew waits as one that was never sent.
        let is_renumbered = code == Code::UnknownProducer;
        let timeout = DeliveryStatus::Failed(SendFailure::Timeout);
        let failed = if is_renumbered { timeout } else { refused(code) };
        assert_eq!((outcome.id, outcome.status), (SendId(1), failed), "{code:?}");
    }
}

/// What becomes of the sends 1 and 2 on a server that lets the client into the room, refuses each transmission, and is
/// lost once in the middle.
fn refused_every_time(code: Code, timeout: Option<u64>, lost: bool) -> Vec<Delivery> {
    let mut rig = Rig::joined();
    send_to(&mut rig, 1, "r", timeout);
    send_to(&mut rig, 2, "r", timeout);
    let mut outcomes = Vec::new();
    let mut refused = 0;
    while outcomes.len() < 2 {
        let said = rig.said();
        let is_quiet = said.is_empty();
        for output in said {
            match output {
                Output::Send { message: ClientMessage::SendMessage { tag: Some(tag), .. }, .. } => {
                    refused += 1;
                    rig.receive(no(code, true).nack(&tag.reference));
                }
                Output::Send {
                    message: ClientMessage::JoinRoom { room, request: Some(request) }, ..
                } => {
                    let joined = Joined { recovered: true, room, ..join_answer(request.reference, "e", 10) };
                    rig.receive(ServerMessage::Joined(Box::new(joined)));
                }
                Output::Send { message: ClientMessage::Ping { t }, .. } => {
                    rig.receive(ServerMessage::Pong { t });
                }
                Output::Dial { .. } => {
                    rig.open();
                    rig.receive(hello("me"));
                }
                Output::Event(Event::Delivery(delivery)) => outcomes.push(delivery),
                _ => {}
            }
        }
        if is_quiet && lost && refused == 8 {
            refused += 1;
            rig.input(crate::machine::Input::Closed(rig.conn, crate::machine::Disconnect::Lost));
        } else if is_quiet && outcomes.len() < 2 {
            let at = rig.session.next_deadline().unwrap();
            rig.pass((at - rig.now.monotonic).max(Duration::from_millis(1)));
        }
    }
    outcomes
}

#[test]
fn what_a_server_refuses_every_time_has_failed_and_its_reason_is_told() {
    for code in [Code::NotJoined, Code::RateLimited, Code::Overloaded, Code::Internal] {
        for lost in [false, true] {
            for outcome in refused_every_time(code, None, lost) {
                // Behind another one it may have been taken once the connection was lost, nobody knows.
                if !lost || outcome.id == SendId(1) {
                    assert_eq!(outcome.status, refused(code), "{lost} {outcome:?}");
                    assert_eq!(outcome.reply.unwrap().message.as_deref(), Some("no"));
                }
            }
            let outcome = refused_every_time(code, Some(20), lost).remove(0);
            assert_eq!(outcome.status, refused(code), "{lost}");
            assert_eq!(outcome.reply.unwrap().message.as_deref(), Some("no"));
        }
    }
}

#[test]
fn a_refused_send_whose_time_is_over_has_failed_even_when_a_sleep_has_made_it_too_old_as_well() {
    let mut rig = Rig::joined();
    send_to(&mut rig, 1, "r", Some(8));
    let tags = rig.sends();
    rig.nack(&tags[0].1.reference, Code::Overloaded, true);
    rig.said();
    // The process is stopped for longer than half of the server's memory, and its first input is a frame.
    rig.now.monotonic += Duration::from_secs(400);
    rig.now.wall += Duration::from_secs(400);
    rig.input(crate::machine::Input::Activity(rig.conn));
    assert_eq!(rig.deliveries(), [(1, refused(Code::Overloaded))]);
}

#[test]
fn a_send_whose_time_is_over_keeps_its_number_so_that_those_behind_it_are_delivered() {
    let mut rig = Rig::joined();
    send_to(&mut rig, 1, "r", Some(3));
    send_to(&mut rig, 2, "r", None);
    let tags = rig.sends();
    rig.pass(Duration::from_secs(3));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
    rig.ack(&tags[0].1.reference, "a", 11);
    rig.ack(&tags[1].1.reference, "b", 12);
    assert_eq!(rig.deliveries(), [(2, acked("b", 12))]);
    assert_eq!(rig.session.diagnostics().outbox_len, 0);
}

#[test]
fn a_send_that_is_refused_again_and_again_can_be_taken_back() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let tag = rig.sends().remove(0).1;
    rig.receive(no(Code::RateLimited, true).nack(&tag.reference));
    rig.command(Command::Cancel(SendId(1)));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Failed(SendFailure::Cancelled))]);
    rig.send(2, "y");
    rig.pass(Duration::from_secs(1));
    let tag = rig.sends().remove(0).1;
    // The server misses the number that was taken back.
    rig.receive(No { expected: Some(1), ..no(Code::SequenceGap, true) }.nack(&tag.reference));
    rig.pass(Duration::from_millis(250));
    let again = rig.sends();
    assert_eq!(again.len(), 1, "under a new line");
    rig.ack(&again[0].1.reference, "b", 11);
    assert_eq!(rig.deliveries(), [(2, acked("b", 11))]);
}

#[test]
fn closing_ends_it_in_every_state_and_while_the_server_refuses() {
    let mut refusing = Rig::joined();
    refusing.send(7, "x");
    let tag = refusing.sends().remove(0).1;
    refusing.receive(no(Code::RateLimited, true).nack(&tag.reference));
    let mut failed = Rig::joined();
    let how = crate::machine::Disconnect::Closed { code: 4003, reason: "".into() };
    failed.input(crate::machine::Input::Closed(failed.conn, how));
    let others = [("refusing", refusing), ("failed", failed)];
    for (state, mut rig) in in_every_state().into_iter().chain(others) {
        send_to(&mut rig, 1, "r", None);
        rig.command(Command::Close);
        let end = rig.now.monotonic + Duration::from_secs(3);
        while let Some(at) = rig.session.next_deadline() {
            assert!(at <= end, "{state}");
            rig.pass((at - rig.now.monotonic).max(Duration::from_millis(1)));
        }
        assert_eq!(rig.session.state(), State::Closed, "{state}");
        assert_eq!(rig.session.diagnostics().outbox_len, 0, "{state}");
    }
}

#[test]
fn a_send_whose_time_is_over_is_never_transmitted_again() {
    // Before the loss, or after it.
    for wait in [3, 0] {
        let mut rig = Rig::joined();
        send_to(&mut rig, 1, "r", Some(3));
        rig.pass(Duration::from_secs(wait));
        rig.input(crate::machine::Input::Closed(rig.conn, crate::machine::Disconnect::Lost));
        rig.pass(Duration::from_secs(3 - wait));
        assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
        if rig.session.state() != State::Connected {
            rig.wait_for_dial();
        }
        rig.open();
        rig.receive(hello("me"));
        let request = rig.join_request("r");
        let joined = Joined { recovered: true, ..join_answer(request.reference, "e", 10) };
        rig.receive(ServerMessage::Joined(Box::new(joined)));
        assert_eq!(rig.sends().len(), 0);
    }
}

#[test]
fn when_a_room_that_was_to_be_joined_again_is_refused_for_good_what_is_sent_to_it_fails() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let tag = rig.sends().remove(0).1;
    rig.nack(&tag.reference, Code::NotJoined, true);
    let request = rig.join_request("r");
    rig.receive(no(Code::Forbidden, false).error(Some(&request.reference), Some(&"r".into())));
    // The server may have taken the first one: it is asked.
    let again = rig.sends().remove(0).1;
    rig.send(2, "y");
    rig.nack(&again.reference, Code::NotJoined, true);
    assert_eq!(rig.deliveries(), [(1, refused(Code::NotJoined)), (2, refused(Code::NotJoined))]);
}

#[test]
fn that_a_room_is_left_is_told_after_the_last_outcome_of_what_was_sent_to_it() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("r").into()));
    rig.command(Command::Connect);
    rig.open();
    rig.receive(hello("me"));
    let request = rig.join_request("r");
    rig.send(1, &"x".repeat(9_000));
    rig.command(Command::Leave("r".into()));
    rig.said();
    rig.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "e", 10))));
    let events = rig.events();
    let outcome = events.iter().position(|event| matches!(event, Event::Delivery(_)));
    let left = |event: &Event| matches!(event, Event::Room(change) if change.state == RoomState::Left);
    assert!(outcome.is_some() && outcome < events.iter().position(left), "{events:?}");
}

#[test]
fn a_refusal_that_names_its_request_alone_is_about_the_room_of_that() {
    let mut rig = Rig::new(Config::default());
    for room in ["q", "r"] {
        rig.command(Command::Join(Name::from(room).into()));
    }
    rig.command(Command::Connect);
    rig.open();
    rig.receive(hello("me"));
    let request = rig.join_request("r");
    rig.receive(no(Code::Forbidden, false).error(Some(&request.reference), None));
    let events = rig.events();
    let failed = |event: &&Event| matches!(event, Event::Room(change) if change.state == RoomState::Failed(Code::Forbidden));
    let told: Vec<_> = events.iter().filter(failed).collect();
    assert!(matches!(told[..], [Event::Room(change)] if change.room == "r"), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::ServerError { .. })), "{events:?}");
}

#[test]
fn a_refusal_that_names_nothing_is_told_once_with_what_it_is_about() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.receive(No { named: false, ..no(Code::Forbidden, false) }.error(None, None));
    let events = rig.events();
    assert!(!events.iter().any(|event| matches!(event, Event::ServerError { .. })), "{events:?}");
    let words = events.iter().find_map(|event| match event {
        Event::Delivery(delivery) => delivery.reply.as_ref().and_then(|reply| reply.message.as_deref()),
        _ => None,
    });
    assert_eq!(words, Some("no"));
    // What belongs to nothing is an error.
    rig.receive(No { named: false, ..no(Code::Forbidden, false) }.error(None, None));
    assert!(rig.events().iter().any(|event| matches!(event, Event::ServerError { .. })));
}

/// On a plain server, whose join of the room has been written: an error with this code about it.
fn plain_error(code: Code) -> ServerMessage {
    no(code, false).error(None, Some(&"r".into()))
}

fn is_out_of_r(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::Room(change) if change.room == "r" && change.message.is_some()))
}

#[test]
fn a_plain_servers_error_about_a_room_of_which_nothing_has_come_refuses_the_join_for_good() {
    let mut rig = Rig::plain();
    rig.receive(plain_error(Code::Forbidden));
    let events = rig.events();
    assert!(is_out_of_r(&events) && !events.iter().any(|event| matches!(event, Event::ServerError { .. })));
    rig.reconnect();
    assert!(!rig.frames().iter().any(|frame| matches!(frame, ClientMessage::JoinRoom { .. })));
}

#[test]
fn a_plain_servers_error_about_a_message_or_a_room_that_is_heard_is_no_refusal_of_the_join() {
    let mut rig = Rig::plain();
    rig.receive(plain_error(Code::TooLarge));
    assert!(!is_out_of_r(&rig.events()));
    rig.receive(ServerMessage::UserJoined { room: "r".into(), user: "me".into() });
    rig.receive(plain_error(Code::Forbidden));
    let events = rig.events();
    assert!(!is_out_of_r(&events) && events.iter().any(|event| matches!(event, Event::ServerError { .. })));
    rig.receive(no(Code::Forbidden, false).error(None, Some(&"elsewhere".into())));
    assert!(rig.events().iter().any(|event| matches!(event, Event::ServerError { .. })));
}

#[test]
fn what_waits_for_a_room_to_be_joined_again_fails_at_once_when_the_room_is_left() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let first = rig.sends().remove(0).1;
    rig.nack(&first.reference, Code::UnknownProducer, false);
    rig.command(Command::Leave("r".into()));
    rig.send(2, "y");
    rig.command(Command::Cancel(SendId(1)));
    let failed = DeliveryStatus::Failed;
    let refused = failed(SendFailure::Refused(Code::NotJoined));
    assert_eq!(rig.deliveries(), [(1, failed(SendFailure::Cancelled)), (2, refused)]);
}
