//! Sends over an extended connection (protocol.md §2.3).

use super::rig::{Rig, acked, hello, id, join_answer, message};
use crate::event::DeliveryStatus;
use crate::link::State;
use crate::machine::Disconnect;
use crate::machine::OutboundMessage;
use crate::messages::{ClientMessage, Code, JoinReason, Joined, Nack, ProducerSeq, SendTag, ServerMessage};
use crate::session::{Command, Input};
use crate::{CauseCode, Event, Join, SendFailure, SendId};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

fn number(tag: &SendTag) -> u64 {
    tag.producer.as_ref().unwrap().pseq
}

/// Reconnects to the same log; gives the sends that were made again.
fn resume(rig: &mut Rig) -> Vec<SendTag> {
    rig.reconnect();
    let request = rig.join_request("r");
    rig.receive(hello("me"));
    let answer = Joined { recovered: true, ..join_answer(request.reference, "e", 10) };
    rig.receive(ServerMessage::Joined(Box::new(answer)));
    rig.sends().into_iter().map(|(_, tag)| tag).collect()
}

/// The room that is asked for once more is where it was.
fn answer_join(rig: &mut Rig) {
    let request = rig.join_request("r");
    let answer = Joined { recovered: true, ..join_answer(request.reference, "e", 10) };
    rig.receive(ServerMessage::Joined(Box::new(answer)));
}

#[test]
fn sends_are_pipelined_in_one_line_and_each_gets_its_own_answer() {
    let mut rig = Rig::joined();
    for number in 1..=3 {
        rig.send(number, "x");
    }
    let tags: Vec<SendTag> = rig.sends().into_iter().map(|(_, tag)| tag).collect();
    assert_eq!(tags.iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
    rig.ack(&tags[1].reference, "b", 12);
    rig.ack(&tags[0].reference, "a", 11);
    rig.nack(&tags[2].reference, Code::Forbidden, false);
    assert_eq!(
        rig.deliveries(),
        [
            (2, acked("b", 12)),
            (1, acked("a", 11)),
            (3, DeliveryStatus::Failed(SendFailure::Refused(Code::Forbidden)))
        ]
    );
    rig.ack(&id("s99-1"), "z", 13);
    assert_eq!(rig.deliveries(), [], "an answer to nothing is nothing");
}

#[test]
fn after_a_loss_the_same_number_goes_out_again_under_a_new_reference() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let first = rig.sends().remove(0).1;
    let again = resume(&mut rig).remove(0);
    assert_eq!(again.producer, first.producer);
    assert_ne!(again.reference, first.reference);
    // A refusal of the first transmission does not determine the second; its answer would.
    rig.nack(&first.reference, Code::Forbidden, false);
    assert_eq!(rig.deliveries(), []);
    rig.ack(&first.reference, "a", 11);
    assert_eq!(rig.deliveries(), [(1, acked("a", 11))]);
}

#[test]
fn the_own_message_coming_by_is_as_good_as_its_answer_and_comes_after_the_outcome() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let tag = rig.sends().remove(0).1;
    let mut own = message("e", 11);
    let line = tag.producer.unwrap();
    own.entry.as_mut().unwrap().producer = Some(Box::new(ProducerSeq { pid: line.pid, pseq: line.pseq }));
    rig.receive(ServerMessage::Message(own));
    let told = rig.events();
    assert!(
        matches!(&told[..], [Event::Delivery(delivery), Event::Message(_)] if delivery.status == acked("e11", 11)),
        "{told:?}"
    );
    rig.ack(&tag.reference, "e11", 11);
    assert_eq!(rig.deliveries(), []);
}

#[test]
fn a_line_the_server_does_not_know_is_begun_anew_for_what_only_this_connection_sent() {
    let mut rig = Rig::joined();
    rig.send(1, "old");
    let first = rig.sends().remove(0).1;
    let again = resume(&mut rig).remove(0);
    rig.send(2, "new");
    let new = rig.sends().remove(0).1;
    assert_eq!(new.producer.as_ref().unwrap().pid, first.producer.as_ref().unwrap().pid);
    rig.nack(&again.reference, Code::UnknownProducer, false);
    rig.nack(&new.reference, Code::UnknownProducer, false);
    answer_join(&mut rig);
    let said = rig.said();
    let outcome = said.iter().any(|output| {
        matches!(output, crate::machine::Output::Event(Event::Delivery(d)) if d.id.0 == 1 && d.status == DeliveryStatus::Unknown)
    });
    assert!(outcome, "what was sent before may have been appended: {said:?}");
    let sent = said.iter().find_map(|output| match output {
        crate::machine::Output::Send {
            message: ClientMessage::SendMessage { content, tag: Some(tag), .. },
            ..
        } => Some((content.as_str(), tag.producer.as_ref().unwrap())),
        _ => None,
    });
    let (content, line) = sent.expect("the new one is sent again");
    assert_eq!((content, line.pseq), ("new", 1));
    assert_ne!(line.pid, new.producer.unwrap().pid);
}

#[test]
fn what_an_earlier_connection_may_still_fill_up_is_not_made_again_before_it_is_refused_itself() {
    let mut rig = Rig::joined();
    rig.send(1, "old");
    rig.sends();
    let again = resume(&mut rig).remove(0);
    rig.send(2, "new");
    let new = rig.sends().remove(0).1;
    // The server learns of the line by the late frame of the first connection, after this.
    rig.nack(&again.reference, Code::UnknownProducer, false);
    assert_eq!(rig.sends().len(), 0);
    rig.ack(&new.reference, "b", 12);
    let told = rig.deliveries();
    assert!(told.contains(&(2, acked("b", 12))), "{told:?}");
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.sends().len(), 0, "once is enough");
}

#[test]
fn a_new_line_that_the_server_does_not_know_means_another_epoch_and_goes_on_after_a_new_join() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.send(2, "y");
    let tags = rig.sends();
    for (_, tag) in &tags {
        rig.nack(&tag.reference, Code::UnknownProducer, false);
    }
    let frames = rig.frames();
    let [ClientMessage::JoinRoom { request: Some(request), .. }] = &frames[..] else { panic!("{frames:?}") };
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.sends().len(), 0, "nothing goes before the answer");
    let answer = join_answer(request.reference.clone(), "f", 0);
    let answer = Joined { reason: Some(JoinReason::EpochChanged), ..answer };
    rig.receive(ServerMessage::Joined(Box::new(answer)));
    let mut sent = rig.sends();
    rig.ack(&sent[0].1.reference, "f1", 1);
    sent.extend(rig.sends());
    let lines: Vec<_> =
        sent.iter().map(|(content, tag)| (content.as_str(), tag.producer.clone().unwrap())).collect();
    assert_eq!(
        lines.iter().map(|(content, line)| (*content, line.pseq)).collect::<Vec<_>>(),
        [("x", 1), ("y", 2)]
    );
    assert!(
        lines
            .iter()
            .all(|(_, line)| line.epoch == id("f") && line.pid != tags[0].1.producer.as_ref().unwrap().pid)
    );
}

#[test]
fn what_was_transmitted_twice_on_one_connection_is_not_made_again() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.sends();
    // No answer, the server lives, no answer.
    rig.pass(Duration::from_secs(5));
    rig.receive(ServerMessage::Pong { t: 0 });
    rig.pass(Duration::from_secs(10));
    let again = rig.sends().remove(0).1;
    // The first one was appended in an epoch that has ended since.
    rig.nack(&again.reference, Code::UnknownProducer, false);
    answer_join(&mut rig);
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.said().iter().filter(|output| is_outcome(output, 1, &DeliveryStatus::Unknown)).count(), 1);
}

#[test]
fn what_should_have_been_answered_before_is_not_made_again() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.send(2, "y");
    let tags = rig.sends();
    // The first one was appended, its answer is lost, and the epoch has ended.
    rig.nack(&tags[1].1.reference, Code::UnknownProducer, false);
    let said = rig.said();
    assert!(said.iter().any(|output| is_outcome(output, 1, &DeliveryStatus::Unknown)), "{said:?}");
    let sent = |output: &crate::machine::Output| match output {
        crate::machine::Output::Send { message: ClientMessage::SendMessage { content, .. }, .. } => {
            Some(content.clone())
        }
        _ => None,
    };
    assert_eq!(said.iter().filter_map(sent).collect::<Vec<_>>(), ["y"]);
}

fn is_outcome(output: &crate::machine::Output, number: u64, status: &DeliveryStatus) -> bool {
    matches!(output, crate::machine::Output::Event(Event::Delivery(told)) if told.id.0 == number && told.status == *status)
}

#[test]
fn a_temporary_refusal_pauses_the_line_and_then_everything_behind_it_follows_in_order() {
    let mut rig = Rig::joined();
    for number in 1..=3 {
        rig.send(number, "x");
    }
    let tags: Vec<SendTag> = rig.sends().into_iter().map(|(_, tag)| tag).collect();
    let refused = Nack {
        reference: Some(tags[1].reference.clone()),
        code: Code::RateLimited,
        retry: true,
        retry_after_ms: Some(2_000),
        expected: None,
        dup: false,
        message: String::new(),
        server_code: None,
    };
    rig.ack(&tags[0].reference, "a", 11);
    rig.receive(ServerMessage::Nack(Box::new(refused)));
    rig.nack(&tags[2].reference, Code::SequenceGap, true);
    rig.said();
    rig.pass(Duration::from_millis(1_900));
    assert_eq!(rig.sends().len(), 0);
    rig.pass(Duration::from_millis(200));
    let again = rig.sends();
    assert_eq!(again.iter().map(|(_, tag)| number(tag)).collect::<Vec<_>>(), [2]);
    rig.ack(&again[0].1.reference, "b", 12);
    assert_eq!(rig.sends().iter().map(|(_, tag)| number(tag)).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_server_that_lets_one_pass_at_a_time_is_not_given_all_the_others_again_each_time() {
    let mut rig = Rig::joined();
    (1..=40).for_each(|number| rig.send(number, "x"));
    let (mut transmissions, mut acked, mut free) = (0, 0, rig.now.monotonic);
    while acked < 40 {
        let sends = rig.sends();
        transmissions += sends.len();
        for (_, tag) in sends {
            if number(&tag) == acked + 1 && free <= rig.now.monotonic {
                acked += 1;
                free = rig.now.monotonic + Duration::from_secs(1);
                rig.ack(&tag.reference, &alloc::format!("a{acked}"), 10 + acked);
            } else {
                rig.nack(&tag.reference, Code::RateLimited, true);
            }
        }
        rig.pass(Duration::from_millis(250));
    }
    assert!(transmissions < 200, "{transmissions} transmissions of 40 sends");
}

#[test]
fn what_is_sent_again_keeps_to_what_the_next_server_allows_at_a_time() {
    let mut rig = Rig::joined();
    (1..=5).for_each(|number| rig.send(number, "x"));
    assert_eq!(rig.sends().len(), 5);
    rig.reconnect();
    let request = rig.join_request("r");
    let ServerMessage::Hello(mut other) = hello("me") else { panic!("no hello") };
    other.limits.in_flight = 2;
    rig.receive(ServerMessage::Hello(other));
    let answer = Joined { recovered: true, ..join_answer(request.reference, "e", 10) };
    rig.receive(ServerMessage::Joined(Box::new(answer)));
    let again = rig.sends();
    assert_eq!(again.iter().map(|(_, tag)| number(tag)).collect::<Vec<_>>(), [1, 2]);
    rig.ack(&again[0].1.reference, "a", 11);
    assert_eq!(rig.sends().iter().map(|(_, tag)| number(tag)).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_send_to_a_room_that_is_not_wanted_fails_at_once_and_one_to_a_room_being_joined_waits() {
    let mut rig = Rig::joined();
    let other = OutboundMessage::new(SendId(1), "nowhere".into(), "x".into());
    rig.command(Command::Send(other));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Failed(SendFailure::Refused(Code::NotJoined)))]);
    rig.reconnect();
    rig.said();
    rig.receive(hello("me"));
    rig.send(2, "x");
    assert_eq!(rig.sends().len(), 0);
}

#[test]
fn what_is_larger_than_the_server_takes_fails_without_a_number() {
    let mut rig = Rig::joined();
    rig.send(1, &"x".repeat(8_193));
    rig.send(2, "small");
    let said = rig.said();
    let numbers: Vec<u64> = said
        .iter()
        .filter_map(|output| match output {
            crate::machine::Output::Send {
                message: ClientMessage::SendMessage { tag: Some(tag), .. },
                ..
            } => Some(number(tag)),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [1]);
    assert!(said.iter().any(|output| matches!(output, crate::machine::Output::Event(Event::Delivery(d))
        if d.id.0 == 1 && d.status == DeliveryStatus::Failed(SendFailure::TooLarge))));
}

#[test]
fn a_server_that_lives_and_does_not_answer_is_asked_then_sent_to_again_then_left() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.said();
    rig.pass(Duration::from_secs(5));
    assert!(rig.frames().iter().any(|frame| matches!(frame, ClientMessage::Ping { .. })));
    rig.receive(ServerMessage::Pong { t: 0 });
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.sends().len(), 1, "again on the same connection, once");
    rig.pass(Duration::from_secs(5));
    rig.receive(ServerMessage::Pong { t: 0 });
    rig.said();
    rig.pass(Duration::from_secs(10));
    let told = rig.events();
    let left = |event: &Event| {
        matches!(event, Event::State(change)
        if change.cause.as_ref().is_some_and(|cause| cause.code == CauseCode::Unanswered))
    };
    assert!(told.iter().any(left), "{told:?}");
}

#[test]
fn what_a_silent_room_is_sent_again_leaves_alone_what_another_room_has_just_been_sent() {
    let mut rig = Rig::joined();
    rig.command(Command::Join(Join::from(crate::Name::from("q"))));
    let request = rig.join_request("q");
    let answer = Joined { room: "q".into(), ..join_answer(request.reference, "e", 0) };
    rig.receive(ServerMessage::Joined(Box::new(answer)));
    rig.send(1, "x");
    rig.pass(Duration::from_secs(5));
    rig.receive(ServerMessage::Pong { t: 0 });
    rig.pass(Duration::from_secs(9));
    rig.command(Command::Send(OutboundMessage::new(SendId(2), "q".into(), "y".into())));
    rig.said();
    rig.pass(Duration::from_secs(1));
    let again: Vec<String> = rig.sends().into_iter().map(|(content, _)| content).collect();
    assert_eq!(again, ["x"]);
}

#[test]
fn a_silent_room_holds_others_back_for_five_seconds_and_a_tick_is_asked_for_then() {
    let mut rig = Rig::joined();
    let ServerMessage::Hello(mut less) = hello("me") else { panic!("no hello") };
    less.limits.in_flight = 1;
    rig.receive(ServerMessage::Hello(less));
    for room in ["q", "s"] {
        rig.command(Command::Join(Join::from(crate::Name::from(room))));
        let request = rig.join_request(room);
        let answer = Joined { room: room.into(), ..join_answer(request.reference, "e", 0) };
        rig.receive(ServerMessage::Joined(Box::new(answer)));
    }
    rig.send(1, "x");
    rig.command(Command::Send(OutboundMessage::new(SendId(2), "q".into(), "y".into())));
    rig.command(Command::Send(OutboundMessage::new(SendId(3), "s".into(), "z".into())));
    let sends = |rig: &mut Rig| -> Vec<String> { rig.sends().into_iter().map(|(text, _)| text).collect() };
    assert_eq!(sends(&mut rig), ["x"]);
    for text in ["y", "z"] {
        let at = rig.session.next_deadline().expect("something to wait for");
        assert_eq!(at - rig.now.monotonic, Duration::from_secs(5));
        rig.pass(Duration::from_secs(5));
        assert_eq!(sends(&mut rig), [text]);
        rig.receive(ServerMessage::Pong { t: 0 });
    }
}

#[test]
fn beyond_half_of_the_dedupe_window_nothing_is_made_again_and_the_outcome_is_unknown() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.input(Input::Closed(rig.conn, Disconnect::Lost));
    rig.said();
    // The machine sleeps: only the wall clock counts it.
    rig.now.wall += Duration::from_secs(301);
    rig.pass(Duration::from_secs(1));
    rig.wait_for_dial();
    rig.open();
    let request = rig.join_request("r");
    rig.receive(hello("me"));
    rig.receive(ServerMessage::Joined(Box::new(Joined {
        recovered: true,
        ..join_answer(request.reference, "e", 10)
    })));
    let said = rig.said();
    assert!(!said.iter().any(|output| matches!(
        output,
        crate::machine::Output::Send { message: ClientMessage::SendMessage { .. }, .. }
    )));
    assert_eq!(rig.session.diagnostics().outbox_len, 0);
}

#[test]
fn a_frame_too_large_for_the_server_leaves_its_largest_send_unknown_and_ends_the_line() {
    let mut rig = Rig::joined();
    rig.send(1, "small");
    rig.send(2, &"x".repeat(5_000));
    rig.said();
    let closed = Disconnect::Closed { code: 1009, reason: "".into() };
    rig.input(Input::Closed(rig.conn, closed));
    assert_eq!(rig.deliveries(), [(2, DeliveryStatus::Unknown)]);
    assert!(matches!(rig.session.state(), State::Reconnecting { .. }));
}

#[test]
fn a_room_is_left_after_its_sends_are_answered_even_across_a_loss() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.command(Command::Leave("r".into()));
    assert!(!rig.frames().iter().any(|frame| matches!(frame, ClientMessage::LeaveRoom { .. })));
    let again = resume(&mut rig).remove(0);
    rig.ack(&again.reference, "a", 11);
    assert!(rig.frames().iter().any(|frame| matches!(frame, ClientMessage::LeaveRoom { .. })));
}

/// The seconds until the connection is given up, deadline by deadline, on a server that has frozen.
fn seconds_until_redial(rig: &mut Rig) -> u64 {
    let begin = rig.now.monotonic;
    while rig.session.state() == State::Connected {
        let at = rig.session.next_deadline().expect("a deadline");
        rig.pass((at - rig.now.monotonic).max(Duration::from_millis(1)));
    }
    (rig.now.monotonic - begin).as_secs()
}

#[test]
fn a_send_on_a_frozen_server_is_asked_about_after_five_seconds_and_the_connection_left_ten_later() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    assert_eq!(seconds_until_redial(&mut rig), 15);
    let mut plain = Rig::plain();
    plain.send(1, "x");
    assert_eq!(seconds_until_redial(&mut plain), 15);
}

#[test]
fn a_question_answered_by_anything_but_its_pong_still_leads_to_a_second_try_and_then_away() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.said();
    let mut sent = 0;
    for _ in 0..60 {
        rig.pass(Duration::from_secs(1));
        if rig.session.state() != State::Connected {
            break;
        }
        rig.receive(ServerMessage::Unknown);
        sent += rig.sends().len();
    }
    assert_eq!(sent, 1, "again on the same connection, once");
    assert!(matches!(rig.session.state(), State::Reconnecting { .. }));
}

#[test]
fn what_has_become_too_old_in_a_sleep_does_not_go_out_with_the_first_frame_after_it() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.sends();
    rig.reconnect();
    let request = rig.join_request("r");
    rig.receive(hello("me"));
    // The machine sleeps for longer than the half of the server's memory.
    rig.now.wall += Duration::from_secs(400);
    let answer = Joined { recovered: true, ..join_answer(request.reference, "e", 10) };
    rig.receive(ServerMessage::Joined(Box::new(answer)));
    let said = rig.said();
    let sent = |output: &crate::machine::Output| {
        matches!(output, crate::machine::Output::Send { message: ClientMessage::SendMessage { .. }, .. })
    };
    assert!(!said.iter().any(sent), "the server may have forgotten that it has it: {said:?}");
    rig.pass(Duration::from_secs(1));
    let after = rig.said();
    let told = said.iter().chain(&after).filter(|output| is_outcome(output, 1, &DeliveryStatus::Unknown));
    assert_eq!(told.count(), 1);
}

#[test]
fn an_outcome_that_nothing_can_tell_any_more_is_told_at_once_and_not_with_the_next_timer() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    rig.sends();
    rig.now.wall += Duration::from_secs(400);
    // Everything that the room has is here, so no replay is to come.
    rig.input(Input::Activity(rig.conn));
    assert_eq!(rig.deliveries(), [(1, DeliveryStatus::Unknown)]);
}
