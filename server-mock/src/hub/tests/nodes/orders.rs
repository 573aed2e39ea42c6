//! Orders to every node, and signals.

use super::*;
use crate::hub::shared::Control;
use rejoin::messages::Signal;
use std::time::Duration;

fn ended(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Close { code: 4003, .. })).count()
}

#[test]
fn a_kick_is_carried_out_on_every_node_and_handed_on_once() {
    let mut world = World::shared_lobby(0);
    let kick = Control::Kick { user: "bob".into(), ban: Some(Duration::from_secs(60)) };
    let outputs = world.handle(Input::Kick { user: "bob".into(), ban: Some(Duration::from_secs(60)) });
    assert!(asked(&outputs).contains(&&StoreRequest::Control(kick.clone())));
    assert_eq!(ended(&outputs), 1);
    let mut other = World::shared_lobby(0);
    let outputs = other.notice(StoreNotice::Control(kick));
    assert_eq!(ended(&outputs), 1);
    assert!(!asked(&outputs).iter().any(|request| matches!(request, StoreRequest::Control(_))));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Kicked { .. })));
    assert_eq!(ended(&other.connect(BOB, "bob")), 1, "the ban is in force");
}

#[test]
fn a_user_is_taken_out_of_a_room_on_every_node() {
    let mut world = World::shared_lobby(0);
    let remove = Control::Remove { room: "lobby".into(), user: "ada".into() };
    let outputs = world.handle(Input::Remove { room: "lobby".into(), user: "ada".into() });
    assert!(asked(&outputs).contains(&&StoreRequest::Control(remove.clone())));
    assert_eq!(types(&outputs, ADA), ["left"]);
    let mut other = World::shared_lobby(0);
    let outputs = other.notice(StoreNotice::Control(remove));
    assert_eq!(types(&outputs, ADA), ["left"]);
    assert!(!asked(&outputs).iter().any(|request| matches!(request, StoreRequest::Control(_))));
}

#[test]
fn a_signal_goes_to_the_other_nodes_and_comes_from_them() {
    let mut world = World::shared_lobby(0);
    let outputs = world.frame(ADA, &json!({"type": "signal", "roomId": "lobby", "kind": "typing"}));
    let (room, user, kind) = (Name::from("lobby"), Name::from("ada"), Name::from("typing"));
    let signal = Signal { room, user, kind, data: None };
    assert_eq!(asked(&outputs), [&StoreRequest::Signal(signal.clone())]);
    let outputs = world.notice(StoreNotice::Signal(Signal { user: "eve".into(), ..signal }));
    assert_eq!((types(&outputs, ADA), types(&outputs, BOB)), (vec!["signal".into()], vec![]));
    assert_eq!(asked(&outputs), [] as [&StoreRequest; 0]);
}
