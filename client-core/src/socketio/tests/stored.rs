use super::rig::{DONE, Rig, connected};
use crate::cause::{DialError, DialErrorKind};
use crate::change::Change;
use crate::event::{SendId, SendReply};
use crate::link::State;
use crate::persisted::Transmitted;
use crate::session::{Command, Input, Output};
use crate::socketio::Answer;
use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// A new process that takes up what the other one has stored.
fn restarted(rig: &Rig) -> Rig {
    let saved = rig.session.saved();
    let mut next = Rig::new();
    next.input(Input::Restore(Box::new(saved)));
    next
}

#[test]
fn a_send_is_out_of_the_stored_state_before_it_is_transmitted() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.send(1, "one");
    assert_eq!(rig.session.saved().sends.len(), 1);
    rig.greet();
    rig.said();
    rig.receive(connected(None));
    let said = rig.said();
    let save = said.iter().position(|output| matches!(output, Output::Save)).expect("a save");
    assert!(matches!(said.get(save + 1), Some(Output::Send { .. })), "{said:?}");
    assert_eq!(rig.session.saved().sends, Vec::new());
}

#[test]
fn what_waited_goes_on_in_the_next_run_and_its_room_is_left_after_it() {
    let mut rig = Rig::new();
    rig.send(1, "one");
    let mut next = restarted(&rig);
    next.command(Command::Connect);
    next.let_in(None);
    assert_eq!(next.story(), ["connecting", "connected", "socketio", "> join r", "ready", "> one to r"]);
    next.answer(0, DONE);
    next.answer(1, DONE);
    assert_eq!(next.story()[2..], ["4611686018427387905 is answered", "> leave r", "left r"]);
    assert_eq!(next.session.saved().sends, Vec::new());
}

#[test]
fn what_another_protocol_had_transmitted_is_unknown() {
    let mut rig = Rig::new();
    rig.send(1, "one");
    let mut saved = rig.session.saved();
    let id = crate::Id::new("x").unwrap();
    let transmitted = Transmitted { pid: id.clone(), pseq: 1, epoch: id, at_ms: 0 };
    saved.sends[0].transmitted = Some(transmitted);
    let mut next = Rig::new();
    next.input(Input::Restore(Box::new(saved)));
    assert_eq!(next.story(), ["4611686018427387905 is unknown"]);
    assert_eq!(next.session.diagnostics().outbox_len, 0);
}

#[test]
fn what_the_end_resolves_is_kept_and_is_no_change() {
    let mut rig = Rig::new();
    rig.send(1, "one");
    let before = rig.session.changes();
    rig.command(Command::Close);
    assert_eq!(rig.story(), ["closed requested", "1 is closed"]);
    assert_eq!((rig.session.saved().sends.len(), rig.session.changes()), (1, before));
    rig.command(Command::Connect);
    assert_eq!(rig.session.saved().sends, Vec::new());
    assert!(rig.session.changes() > before);
}

/// Whether a run that begins with what `rig` has stored takes a page instead of the server for an outage.
fn takes_a_page_for_an_outage(rig: &Rig) -> bool {
    let mut next = restarted(rig);
    next.command(Command::Connect);
    for _ in 0..4 {
        next.input(Input::DialFailed(next.conn, DialError::new(DialErrorKind::Http(404), "")));
        if next.session.state() == State::Failed {
            return false;
        }
        next.wait_for_dial();
    }
    true
}

#[test]
fn another_run_knows_that_the_address_is_right() {
    assert!(!takes_a_page_for_an_outage(&Rig::new()));
    assert!(takes_a_page_for_an_outage(&Rig::in_rooms(&[], None)));
    // And the run after that, though it has not come through.
    let mut second = restarted(&Rig::in_rooms(&[], None));
    second.command(Command::Connect);
    second.command(Command::Close);
    assert!(takes_a_page_for_an_outage(&second));
}

#[test]
fn a_connection_is_noted_once() {
    let mut rig = Rig::new();
    rig.session.track_changes();
    rig.command(Command::Connect);
    rig.let_in(None);
    let noted = rig.session.take_changes();
    assert!(matches!(noted[..], [Change::Server { worked: true, .. }]), "{noted:?}");
    rig.lose();
    rig.wait_for_dial();
    rig.let_in(None);
    assert_eq!(rig.session.take_changes(), []);
}

#[test]
fn an_answer_is_stored_with_the_outcome_unless_it_is_large() {
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.session.track_changes();
    rig.send(1, "one");
    rig.send(2, "two");
    let done = |answer: String| Answer::Done { id: None, seq: None, members: None, answer: Some(answer) };
    rig.answer(1, done("7".to_owned()));
    rig.answer(2, done("8".repeat((4 << 10) + 1)));
    let replies: Vec<_> = rig
        .session
        .take_changes()
        .into_iter()
        .filter_map(|change| match change {
            Change::Replied { key, reply } => Some((key, *reply)),
            _ => None,
        })
        .collect();
    assert_eq!(replies, [(SendId(1), SendReply::new(Some("7".to_owned()), None))]);
}

#[test]
fn what_gives_way_in_a_full_queue_is_gone_from_the_store_before_the_next_is_there() {
    let outbox =
        crate::OutboxLimits { count: 1, overflow: crate::Overflow::DropOldest, ..Default::default() };
    let config = crate::Config { outbox, ..crate::Config::default() };
    let mut rig = Rig::with(config, crate::socketio::Options::default());
    rig.session.track_changes();
    rig.send(1, "one");
    rig.send(2, "two");
    let noted: Vec<_> = rig
        .session
        .take_changes()
        .into_iter()
        .filter_map(|change| match change {
            Change::Added { key, .. } => Some((key, true)),
            Change::Resolved { key, .. } => Some((key, false)),
            _ => None,
        })
        .collect();
    assert_eq!(noted, [(SendId(1), true), (SendId(1), false), (SendId(2), true)]);
}
