use super::rig::{DONE, Rig, connected};
use crate::saved::Transmitted;
use crate::session::{Command, Input, Output};
use alloc::boxed::Box;
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
