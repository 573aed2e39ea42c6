//! Tests of the Socket.IO machine through its exported functions.

use super::client_packets::PACKETS_OUT;
use super::codes::FIRST;
use super::server_packets::PACKETS_IN;
use super::*;
use crate::inputs::INPUTS;
use crate::outputs::OUTPUTS;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The number of a kind, which is of both machines or of this one.
fn number(name: &str, all: &[&str], own: &[&str]) -> u32 {
    let place = |list: &[&str]| list.iter().position(|known| *known == name);
    let number = place(own).map(|at| at + FIRST as usize).or_else(|| place(all).map(|at| at + 1));
    u32::try_from(number.expect("a kind")).unwrap()
}

fn input(machine: &mut SocketIoMachine, kind: &str, fields: &[f64], ids: &str) {
    let ids = machine.put(fields, ids);
    machine.input(number(kind, INPUTS, PACKETS_IN), 0.0, 0.0, ids);
}

/// Polls until an output of this kind; returns its fields and texts.
fn until(machine: &mut SocketIoMachine, kind: &str) -> (Vec<f64>, String) {
    let wanted = number(kind, OUTPUTS, PACKETS_OUT);
    loop {
        match machine.poll() {
            0 => panic!("no {kind}"),
            found if found == wanted => return machine.get(),
            _ => {}
        }
    }
}

/// Dialled and opened, with a token, and with room 1 joined.
fn greeted() -> SocketIoMachine {
    let mut machine = SocketIoMachine::new(3.0, 1, 1, false, false, 0, 0.0);
    input(&mut machine, "Join", &[1.0], "");
    input(&mut machine, "Connect", &[], "");
    greet(&mut machine, 1.0);
    machine
}

fn greet(machine: &mut SocketIoMachine, conn: f64) {
    assert_eq!(until(machine, "Dial").0[..3], [conn, 0.0, 0.0], "the token is not for the address");
    input(machine, "Opened", &[conn], "");
    input(machine, "Open", &[conn, 25_000.0, 20_000.0, -1.0], "");
}

/// Connected under session 1, with the join not answered yet.
fn connected() -> SocketIoMachine {
    let mut machine = greeted();
    assert_eq!(until(&mut machine, "Connect").0[..4], [1.0, 1.0, 1.0, 0.0], "a token, and nothing to resume");
    input(&mut machine, "Connected", &[1.0, 1.0, 1.0], "");
    assert_eq!(until(&mut machine, "Join").0[..4], [1.0, 2.0, 0.0, 1.0]);
    machine
}

#[test]
fn a_join_and_a_send_are_answered_and_what_the_server_named_is_let_go() {
    let mut machine = connected();
    // Who is in the room is in packet 30, all of the answer in 31.
    input(&mut machine, "Ack", &[1.0, 0.0, -1.0, 30.0, 31.0], "");
    assert_eq!(until(&mut machine, "JoinReply").0[..2], [1.0, 31.0]);
    assert_eq!(until(&mut machine, "Joined").0[..5], [1.0, 30.0, 0.0, 0.0, 1.0]);
    assert_eq!([(); 3].map(|()| machine.released()), [30, 31, 0]);
    input(&mut machine, "Send", &[5.0, 1.0, 40.0, 2.0], "");
    assert_eq!(until(&mut machine, "SendMessage").0[..5], [1.0, 3.0, 1.0, 1.0, 40.0]);
    input(&mut machine, "Ack", &[1.0, 1.0, 7.0, 0.0, 32.0], "m7");
    let (fields, id) = until(&mut machine, "Delivery");
    assert_eq!((&fields[..6], id.as_str()), (&[5.0, 2.0, 0.0, 0.0, 7.0, 32.0][..], "m7 "));
    input(&mut machine, "Send", &[6.0, 1.0, 41.0, 2.0], "");
    input(&mut machine, "Ack", &[1.0, 2.0, -1.0, 0.0], "");
    let (fields, id) = until(&mut machine, "Delivery");
    assert_eq!((&fields[..5], id.as_str()), (&[6.0, 2.0, 0.0, 0.0, -1.0][..], " "), "it says no more");
    input(&mut machine, "Send", &[7.0, 1.0, 42.0, 2.0], "");
    let forbidden = f64::from(crate::codes::code(rejoin::messages::Code::Forbidden));
    input(&mut machine, "Nack", &[1.0, 3.0, forbidden, 33.0], "");
    assert_eq!(until(&mut machine, "Delivery").0[..6], [7.0, 4.0, 0.0, forbidden, -1.0, 33.0]);
}

#[test]
fn without_acks_none_are_asked_for() {
    let mut machine = SocketIoMachine::new(3.0, 1, 0, false, false, 0, 0.0);
    input(&mut machine, "Settings", &[0.0, 0.0], "");
    input(&mut machine, "Join", &[1.0], "");
    input(&mut machine, "Connect", &[], "");
    greet(&mut machine, 1.0);
    assert_eq!(until(&mut machine, "Connect").0[..4], [1.0, 1.0, 0.0, 0.0]);
    input(&mut machine, "Connected", &[1.0, 1.0, 0.0], "");
    assert_eq!(until(&mut machine, "Join").0[..4], [1.0, 2.0, -1.0, 1.0]);
}

/// The transports of so many dials that do not open.
fn dialled(machine: &mut SocketIoMachine, dials: u32) -> Vec<f64> {
    let fails = |conn: u32| {
        let transport = until(machine, "Dial").0[DIAL_TRANSPORT];
        input(machine, "DialFailed", &[f64::from(conn)], "");
        let due = machine.deadline();
        machine.input(number("Tick", INPUTS, PACKETS_IN), due, due, 0);
        transport
    };
    (1..=dials).map(fails).collect()
}

#[test]
fn a_dial_has_its_transport_and_the_page_says_when_it_has_moved_to_a_websocket() {
    for (transports, expected) in [(1.0, [0.0; 5]), (2.0, [1.0; 5]), (0.0, [0.0, 0.0, 0.0, 2.0, 0.0])] {
        let mut machine = SocketIoMachine::new(3.0, 1, 0, false, false, 0, 0.0);
        input(&mut machine, "Settings", &[1.0, 0.0, transports], "");
        input(&mut machine, "Connect", &[], "");
        assert_eq!(dialled(&mut machine, 5), expected);
    }
    for (moves, expected) in [(false, 2.0), (true, 0.0)] {
        let mut machine = SocketIoMachine::new(3.0, 1, 0, false, false, 0, 0.0);
        input(&mut machine, "Connect", &[], "");
        dialled(&mut machine, 3);
        greet(&mut machine, 4.0);
        if moves {
            input(&mut machine, "Upgraded", &[4.0], "");
        }
        input(&mut machine, "Closed", &[4.0, 1006.0], "");
        let due = machine.deadline();
        machine.input(number("Tick", INPUTS, PACKETS_IN), due, due, 0);
        assert_eq!(until(&mut machine, "Dial").0[DIAL_TRANSPORT..=DIAL_TRANSPORT], [expected]);
    }
}

#[test]
fn a_lost_session_is_asked_for_by_its_place_and_what_was_missed_is_held_until_the_consent() {
    let mut machine = connected();
    input(&mut machine, "Ack", &[1.0, 0.0, -1.0, 0.0], "");
    input(&mut machine, "Message", &[1.0, -1.0, 2.0, 50.0, 9.0, 1.0], "Pe0aaaa.1");
    assert_eq!(until(&mut machine, "Message").0[..1], [50.0]);
    input(&mut machine, "Closed", &[1.0, 1006.0], "");
    until(&mut machine, "State");
    let due = machine.deadline();
    machine.input(number("Tick", INPUTS, PACKETS_IN), due, due, 0);
    greet(&mut machine, 2.0);
    let (fields, place) = until(&mut machine, "Connect");
    assert_eq!((&fields[..4], place.as_str()), (&[2.0, 1.0, 1.0, 1.0][..], "Pe0aaaa.1 "));
    input(&mut machine, "UserJoined", &[2.0, -1.0, 0.0, 51.0, 9.0, 1.0], "");
    input(&mut machine, "Message", &[2.0, -1.0, 2.0, 52.0, 9.0, 1.0], "Pe0aaab");
    assert_eq!(machine.released(), 50);
    assert_eq!(machine.released(), 0, "what is held is not let go");
    input(&mut machine, "Connected", &[2.0, 1.0, 1.0], "");
    assert_eq!(until(&mut machine, "Joined").0[..4], [1.0, 0.0, 1.0, 1.0], "recovered, with one message");
    assert_eq!(until(&mut machine, "UserJoined").0[..2], [1.0, 51.0]);
    assert_eq!(until(&mut machine, "Message").0[..1], [52.0]);
}

#[test]
fn a_notification_names_its_packet_also_when_its_data_was_the_place_to_recover_from() {
    let mut machine = connected();
    input(&mut machine, "Notification", &[1.0, 8.0, 0.0, 60.0, 9.0, 1.0], "");
    assert_eq!(until(&mut machine, "Ack").0[..3], [1.0, 3.0, 8.0], "an event that wants an answer gets one");
    assert_eq!(until(&mut machine, "Notification").0[..2], [60.0, 60.0]);
    input(&mut machine, "Message", &[1.0, -1.0, 2.0, 61.0, 9.0, 1.0], "1700000000000-0");
    input(&mut machine, "Notification", &[1.0, -1.0, 1.0, 62.0, 9.0, 1.0], "1700000000000-1");
    assert_eq!(until(&mut machine, "Notification").0[..2], [62.0, 0.0]);
    input(&mut machine, "Notification", &[1.0, -1.0, 2.0, 63.0, 9.0, 1.0, 64.0], "1700000000000-2");
    assert_eq!(until(&mut machine, "Notification").0[..2], [63.0, 64.0], "the data before the place");
    input(&mut machine, "Notification", &[1.0, -1.0, 2.0, 65.0, 9.0, 1.0, 66.0], "busy");
    assert_eq!(until(&mut machine, "Notification").0[..2], [65.0, 65.0]);
    input(&mut machine, "Closed", &[1.0, 1006.0], "");
    until(&mut machine, "State");
    let due = machine.deadline();
    machine.input(number("Tick", INPUTS, PACKETS_IN), due, due, 0);
    greet(&mut machine, 2.0);
    input(&mut machine, "Connected", &[2.0, 1.0, 2.0], "");
    let gap = loop {
        let (gap, _) = until(&mut machine, "Gap");
        if gap[0] > 1.0 {
            break gap;
        }
    };
    assert_eq!(gap[..1], [f64::from(u32::MAX)], "the stream of notifications");
}

#[test]
fn causes_that_only_this_machine_has_are_numbered_behind_the_others() {
    for (kind, told, expected) in [("Connected", 0.0, FIRST), ("Refused", 1.0, FIRST + 1)] {
        let mut machine = greeted();
        input(&mut machine, kind, &[1.0, told], "");
        let failed = crate::codes::state(&rejoin::State::Failed);
        loop {
            let (state, _) = until(&mut machine, "State");
            if state[..1] == [f64::from(failed)] {
                assert_eq!(state[3..4], [f64::from(expected)], "{kind}");
                break;
            }
        }
    }
}

#[test]
fn a_connection_that_is_out_of_step_is_given_up_and_wild_numbers_are_harmless() {
    let mut machine = connected();
    input(&mut machine, "OutOfSync", &[1.0], "");
    until(&mut machine, "State");
    for wild in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        for kind in (0..60).chain(FIRST..FIRST + 40).filter(|kind| *kind != FIRST) {
            machine.put(&[wild; SLOTS], "not\u{1}one \u{ff} x");
            machine.input(kind, wild, wild, usize::MAX);
        }
        machine.input(u32::MAX, wild, wild, 0);
    }
    while machine.poll() > 0 {}
}

#[cfg(feature = "socketio-frames")]
#[test]
fn an_own_event_comes_out_with_the_number_of_the_answer_that_it_wants_and_is_answered_under_the_servers() {
    let mut machine = connected();
    input(&mut machine, "AppEvent", &[1.0, 8.0, 0.0, 70.0, 12.0], "");
    let event = until(&mut machine, "Event").0;
    assert_eq!(event[..1], [70.0]);
    input(&mut machine, "Answer", &[event[1], 71.0, 2.0], "");
    assert_eq!(until(&mut machine, "Answer").0[..4], [1.0, 3.0, 8.0, 71.0]);
    input(&mut machine, "Answer", &[event[1], 72.0, 2.0], "");
    assert_eq!(until(&mut machine, "NotAnswered").0[..1], [event[1]], "it has been answered");
    input(&mut machine, "AppEvent", &[1.0, -1.0, 0.0, 73.0, 12.0], "");
    assert_eq!(until(&mut machine, "Event").0[..2], [73.0, 0.0]);
}

#[cfg(feature = "socketio-frames")]
#[test]
fn an_own_event_is_answered_whole_however_the_answer_looks() {
    let mut machine = connected();
    input(&mut machine, "EmitWithAck", &[5.0, 0.0, 40.0, 2.0], "");
    let own = until(&mut machine, "AppEvent").0;
    assert_eq!((own[0].to_bits(), own[3].to_bits()), (1.0f64.to_bits(), 40.0f64.to_bits()));
    input(&mut machine, "AckValue", &[80.0], "");
    let forbidden = f64::from(crate::codes::code(rejoin::messages::Code::Forbidden));
    input(&mut machine, "Nack", &[1.0, own[2], forbidden, 0.0], "");
    let delivery = until(&mut machine, "Delivery").0;
    assert_eq!((&delivery[..2], delivery[5].to_bits()), (&[5.0, 2.0][..], 80.0f64.to_bits()));
    input(&mut machine, "Keep", &[7.0, 41.0, 3.0], "");
    assert_eq!(until(&mut machine, "AppEvent").0[2..4], [-1.0, 41.0]);
    input(&mut machine, "Volatile", &[6.0, 0.0, 42.0, 2.0], "");
    assert_eq!(until(&mut machine, "AppEvent").0[2..4], [-1.0, 42.0]);
}

/// Polls in this namespace until an output of this kind; then selects the first again.
fn until_in(machine: &mut SocketIoMachine, space: f64, kind: &str) -> (Vec<f64>, String) {
    input(machine, "SelectNamespace", &[space], "");
    let found = until(machine, kind);
    input(machine, "SelectNamespace", &[0.0], "");
    found
}

fn input_in(machine: &mut SocketIoMachine, space: f64, kind: &str, fields: &[f64], ids: &str) {
    input(machine, "SelectNamespace", &[space], "");
    input(machine, kind, fields, ids);
    input(machine, "SelectNamespace", &[0.0], "");
}

#[test]
fn another_namespace_is_carried_with_its_own_number_values_and_turns() {
    let mut machine = connected();
    while machine.poll() > 0 {}
    input(&mut machine, "OpenNamespace", &[1.0, 1.0], "");
    input_in(&mut machine, 1.0, "Join", &[2.0], "");
    input_in(&mut machine, 1.0, "Connect", &[], "");
    let (fields, _) = until(&mut machine, "Connect");
    assert_eq!((fields[2], fields.last()), (1.0, Some(&1.0)), "with a token, in the namespace");
    assert_eq!(until(&mut machine, "NamespaceOutput").0[..1], [1.0]);
    input_in(&mut machine, 1.0, "Connected", &[1.0, 1.0, 1.0], "");
    let (fields, _) = until(&mut machine, "Join");
    assert_eq!((fields[3], fields.last()), (2.0, Some(&1.0)));
    for state in [rejoin::State::Connecting, rejoin::State::Connected] {
        let told = until_in(&mut machine, 1.0, "State").0;
        assert_eq!(told[..1], [f64::from(crate::codes::state(&state))]);
    }
    // Each namespace is told of once, however much it has to tell.
    assert_eq!(until(&mut machine, "NamespaceOutput").0[..1], [1.0]);
    assert_eq!(machine.poll(), 0);
    // Both count their acks and keep their values apart.
    for space in [0.0, 1.0] {
        input_in(&mut machine, space, "Ack", &[1.0, 0.0, -1.0, 0.0, 31.0], "");
    }
    assert_eq!(until(&mut machine, "JoinReply").0[..2], [1.0, 31.0]);
    assert_eq!(until_in(&mut machine, 1.0, "JoinReply").0[..2], [2.0, 31.0]);
    while machine.poll() > 0 {}
    assert_eq!([(); 2].map(|()| machine.released()), [31, 0]);
    input(&mut machine, "SelectNamespace", &[1.0], "");
    while machine.poll() > 0 {}
    assert_eq!([(); 2].map(|()| machine.released()), [31, 0]);
    input(&mut machine, "SelectNamespace", &[0.0], "");
    // Left: the first goes on, and what is said to nobody is nothing.
    // Not what the engine calls so.
    input(&mut machine, "SelectNamespace", &[1.0], "");
    let ids = machine.put(&[], "");
    machine.input(number("Close", INPUTS, &[]), 0.0, 0.0, ids);
    input(&mut machine, "SelectNamespace", &[0.0], "");
    assert_eq!(until(&mut machine, "Disconnect").0.last(), Some(&1.0));
    input_in(&mut machine, 7.0, "Connect", &[], "");
    input(&mut machine, "Send", &[5.0, 1.0, 40.0, 2.0], "");
    assert_eq!(until(&mut machine, "SendMessage").0.last(), Some(&0.0));
}
