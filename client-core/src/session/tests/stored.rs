//! A stored state that another run continues (protocol.md §2.3, §2.4).

use super::rig::{Rig, acked, hello, join_answer, live, message};
use crate::messages::{ClientMessage, JoinReason, Joined, ProducerSeq, ServerMessage};
use crate::session::{Command, Input, Output};
use crate::{Config, DeliveryStatus, Event, Name, SendFailure};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A new process that takes up what the other one has stored.
fn restarted(rig: &Rig) -> Rig {
    let saved = rig.session.saved();
    let mut next = Rig::new(Config::default());
    next.now = rig.now;
    next.input(Input::Restore(Box::new(saved)));
    next.command(Command::Join(Name::from("r").into()));
    next.command(Command::Connect);
    next.open();
    next
}

#[test]
fn a_number_is_stored_before_it_is_used() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let said = rig.said();
    assert!(matches!(said[..], [Output::Save, Output::Send { .. }]), "{said:?}");
    assert_eq!(rig.session.saved().sends.len(), 1);
}

#[test]
fn after_a_restart_the_same_send_goes_out_with_the_same_number_and_its_outcome_comes() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let first = rig.sends().remove(0).1;
    let mut next = restarted(&rig);
    let request = next.join_request("r");
    next.receive(hello("me"));
    next.receive(ServerMessage::Joined(Box::new(Joined {
        recovered: true,
        ..join_answer(request.reference, "e", 10)
    })));
    let again = next.sends().remove(0).1;
    assert_eq!(again.producer, first.producer);
    next.ack(&again.reference, "a", 11);
    let outcomes = next.deliveries();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].1, acked("a", 11));
}

#[test]
fn another_user_begins_at_the_end_of_a_room_and_is_told_so_though_the_server_recovered_the_earlier_ones_place()
 {
    for (user, recovered, replayed, reason) in
        [("me", true, 3, None), ("you", false, 0, Some(JoinReason::Fresh))]
    {
        let rig = Rig::joined();
        let mut next = restarted(&rig);
        let request = next.join_request("r");
        assert!(request.since.is_some());
        next.receive(hello(user));
        let answer = Joined { recovered: true, replay: 3, ..join_answer(request.reference, "e", 13) };
        next.receive(ServerMessage::Joined(Box::new(answer)));
        let joined = next.events().into_iter().find_map(|event| match event {
            Event::Joined(joined) => Some(joined),
            _ => None,
        });
        let joined = joined.unwrap();
        assert_eq!(
            (joined.recovered, joined.replayed, joined.reason),
            (recovered, replayed, reason),
            "{user}"
        );
    }
}

#[test]
fn what_another_user_left_fails_once_and_what_this_one_asks_for_goes_out() {
    let mut rig = Rig::joined();
    rig.send(1, "transmitted");
    let mut saved = rig.session.saved();
    saved.sends.push(crate::machine::SavedSend {
        transmitted: None,
        content: "waiting".into(),
        ..saved.sends[0].clone()
    });
    let mut next = Rig::new(Config::default());
    next.now = rig.now;
    next.input(Input::Restore(Box::new(saved)));
    next.command(Command::Join(Name::from("r").into()));
    next.command(Command::Connect);
    next.send(7, "mine");
    next.open();
    let request = next.join_request("r");
    next.receive(hello("you"));
    let failed: Vec<DeliveryStatus> = next.deliveries().into_iter().map(|(_, status)| status).collect();
    assert_eq!(failed, [DeliveryStatus::Unknown, DeliveryStatus::Failed(SendFailure::UserChanged)]);
    next.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "e", 10))));
    let sends = next.sends();
    assert_eq!(sends.len(), 1);
    next.ack(&sends[0].1.reference, "a", 11);
    assert_eq!(next.deliveries(), [(7, acked("a", 11))]);
    assert_eq!(next.session.saved().user.as_deref(), Some("you"));
}

#[test]
fn a_restart_goes_on_from_what_was_committed_not_from_what_was_received() {
    let mut rig = Rig::joined();
    for seq in 11..=13 {
        rig.receive(live("e", seq));
    }
    let position = rig.events().into_iter().find_map(|event| match event {
        Event::Message(message) if message.content == "m12" => message.position(),
        _ => None,
    });
    rig.command(Command::Commit { room: "r".into(), position: position.unwrap() });
    assert_eq!(restarted(&rig).join_request("r").since.unwrap().seq, 12);
}

#[test]
fn a_first_join_of_which_nothing_was_delivered_is_gone_on_from_too() {
    let rig = Rig::joined();
    assert_eq!(restarted(&rig).join_request("r").since.unwrap().seq, 10);
}

#[test]
fn a_stored_send_reaches_a_room_that_the_new_run_does_not_ask_for() {
    let mut rig = Rig::joined();
    rig.input(Input::Closed(rig.conn, crate::machine::Disconnect::Lost));
    rig.send(1, "x");
    let saved = rig.session.saved();
    let mut next = Rig::new(Config::default());
    next.now = rig.now;
    next.input(Input::Restore(Box::new(saved)));
    next.command(Command::Connect);
    next.open();
    let request = next.join_request("r");
    next.receive(hello("me"));
    next.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "e", 10))));
    let tag = next.sends().remove(0).1;
    next.ack(&tag.reference, "a", 11);
    assert!(next.frames().iter().any(|frame| matches!(frame, ClientMessage::LeaveRoom { .. })));
}

#[test]
fn what_the_end_resolves_stays_stored_for_another_run() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let changes = rig.session.changes();
    rig.command(Command::Close);
    assert_eq!(rig.session.saved().sends.len(), 1);
    assert_eq!(rig.session.changes(), changes);
}

#[test]
fn another_run_knows_that_the_address_of_a_plain_server_is_right() {
    let takes_a_page_for_an_outage = |rig: &Rig| {
        let mut next = Rig::new(Config::default());
        next.input(Input::Restore(Box::new(rig.session.saved())));
        next.command(Command::Connect);
        for _ in 0..4 {
            let error = crate::DialError::new(crate::DialErrorKind::Http(404), "");
            next.input(Input::DialFailed(next.conn, error));
            if next.session.state() == crate::State::Failed {
                return false;
            }
            next.wait_for_dial();
        }
        true
    };
    let mut rig = Rig::new(Config::default());
    assert!(!takes_a_page_for_an_outage(&rig));
    rig.command(Command::Connect);
    rig.open();
    assert!(!rig.session.saved().extended);
    assert!(takes_a_page_for_an_outage(&rig));
}

#[test]
fn with_a_store_nothing_is_sent_without_a_number_before_the_mode_is_known() {
    let mut rig = Rig::new(Config::default());
    rig.session.track_changes();
    rig.command(Command::Join(Name::from("r").into()));
    rig.command(Command::Connect);
    rig.send(1, "x");
    rig.open();
    let request = rig.join_request("r");
    assert!(rig.sends().is_empty());
    rig.receive(hello("me"));
    rig.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "e", 10))));
    let sends = rig.sends();
    assert_eq!(sends.len(), 1);
    assert!(sends[0].1.producer.is_some());
}

#[test]
fn with_a_store_a_plain_server_gets_what_waited_for_the_mode_and_the_next_connection_waits_no_more() {
    let mut rig = Rig::new(Config::default());
    rig.session.track_changes();
    rig.command(Command::Join(Name::from("r").into()));
    rig.command(Command::Connect);
    rig.send(1, "x");
    rig.open();
    let written = |rig: &mut Rig| {
        let said = rig.said();
        let is_send = |output: &&Output| {
            matches!(output, Output::Send { message: ClientMessage::SendMessage { .. }, .. })
        };
        said.iter().filter(is_send).count()
    };
    assert_eq!(written(&mut rig), 0);
    rig.input(Input::Pong(rig.conn));
    rig.pass(core::time::Duration::from_secs(1));
    assert_eq!(written(&mut rig), 1);
}

#[test]
fn what_gives_way_in_a_full_outbox_is_gone_from_the_store_before_the_next_is_there() {
    let outbox =
        crate::OutboxLimits { count: 1, overflow: crate::Overflow::DropOldest, ..Default::default() };
    let mut rig = Rig::new(Config { outbox, ..Config::default() });
    rig.session.track_changes();
    rig.send(1, "one");
    rig.send(2, "two");
    let mut held = 0;
    for change in rig.session.take_changes() {
        match change {
            crate::machine::Change::Added { .. } => held += 1,
            crate::machine::Change::Resolved { .. } => held -= 1,
            _ => {}
        }
        assert!(held <= 1, "a store that has noted so much is over the bound");
    }
    assert_eq!(held, 1);
}

#[test]
fn a_room_that_is_joined_for_its_sends_alone_does_not_move_where_the_application_was() {
    let mut rig = Rig::joined();
    let position = rig.session.saved().positions[0].clone();
    rig.send(1, "x");
    let saved = rig.session.saved();
    let mut next = Rig::new(Config::default());
    next.now = rig.now;
    next.input(Input::Restore(Box::new(saved)));
    next.command(Command::Connect);
    next.open();
    let request = next.join_request("r");
    next.receive(hello("me"));
    next.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "e", 14))));
    assert_eq!(next.session.saved().positions, [position]);
}

#[test]
fn a_stored_send_that_is_not_made_again_is_settled_by_its_own_message() {
    let mut rig = Rig::joined();
    rig.send(1, "x");
    let line = rig.sends().remove(0).1.producer.expect("a number");
    let mut saved = rig.session.saved();
    for send in &mut saved.sends {
        // The clock was set back since: its age is not known.
        send.transmitted.as_mut().expect("transmitted").at_ms += 3_600_000;
    }
    let mut next = Rig::new(Config::default());
    next.now = rig.now;
    next.input(Input::Restore(Box::new(saved)));
    next.command(Command::Join(Name::from("r").into()));
    next.command(Command::Connect);
    next.open();
    let request = next.join_request("r");
    next.receive(hello("me"));
    let joined = Joined { recovered: true, replay: 1, ..join_answer(request.reference, "e", 11) };
    next.receive(ServerMessage::Joined(Box::new(joined)));
    next.said();
    let mut own = message("e", 11);
    let stamp = own.entry.as_mut().expect("a stamp");
    stamp.replay = true;
    stamp.producer = Some(Box::new(ProducerSeq { pid: line.pid, pseq: line.pseq }));
    next.receive(ServerMessage::Message(own));
    let outcomes: Vec<DeliveryStatus> = next.deliveries().into_iter().map(|(_, status)| status).collect();
    assert_eq!(outcomes, [acked("e11", 11)]);
}
