//! Tests of application frames through the exported functions.

use super::{FIRST, FRAME_INPUTS, FRAME_OUTPUTS};
use crate::codes::failure;
use crate::inputs::INPUTS;
use crate::machine::Machine;
use crate::outputs::OUTPUTS;
use rejoin::SendFailure;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The number of a kind, common or of this machine.
fn number(name: &str, own: &[&str], all: &[&str]) -> u32 {
    let place = |list: &[&str]| list.iter().position(|known| *known == name);
    let number = place(own).map(|at| at + FIRST as usize).or_else(|| place(all).map(|at| at + 1));
    u32::try_from(number.expect("a kind")).unwrap()
}

fn input(machine: &mut Machine, kind: &str, fields: &[f64]) {
    machine.put(fields, "");
    machine.input(number(kind, FRAME_INPUTS, INPUTS), 0.0, 0.0, 0);
}

/// Polls until an output of this kind; returns its fields.
fn until(machine: &mut Machine, kind: &str) -> Vec<f64> {
    let wanted = number(kind, FRAME_OUTPUTS, OUTPUTS);
    loop {
        match machine.poll() {
            0 => panic!("no {kind}"),
            found if found == wanted => return machine.get().0,
            _ => {}
        }
    }
}

fn idle() -> Machine {
    Machine::new(3.0, 1, 0, true, false, 0, 0.0)
}

fn connected() -> Machine {
    let mut machine = idle();
    input(&mut machine, "Connect", &[]);
    until(&mut machine, "Dial");
    input(&mut machine, "Opened", &[1.0]);
    machine
}

#[test]
fn a_frame_comes_out_by_its_number_which_is_let_go_then() {
    let mut machine = connected();
    input(&mut machine, "Frame", &[1.0, 70.0, 12.0]);
    assert_eq!(until(&mut machine, "Frame")[..1], [70.0]);
    assert_eq!(machine.released(), 70);
}

#[test]
fn a_send_without_a_room_is_a_frame_and_written_when_it_has_left() {
    let mut machine = connected();
    input(&mut machine, "Send", &[5.0, 0.0, 40.0, 2.0]);
    let write = until(&mut machine, "Write");
    assert_eq!((write[0].to_bits(), write[2].to_bits()), (1.0f64.to_bits(), 40.0f64.to_bits()));
    input(&mut machine, "Flushed", &[1.0, write[1]]);
    assert_eq!(until(&mut machine, "Delivery")[..2], [5.0, 1.0]);
}

#[test]
fn a_volatile_one_without_a_connection_is_dropped_under_a_number_that_has_a_name() {
    let mut machine = idle();
    input(&mut machine, "Volatile", &[5.0, 0.0, 40.0, 2.0]);
    let dropped = failure(&SendFailure::Dropped);
    assert_eq!(until(&mut machine, "Delivery")[..3], [5.0, 4.0, f64::from(dropped)]);
    // The names are in what the page reads, and not in the module.
    #[cfg(not(target_family = "wasm"))]
    assert_eq!(crate::codes::failures()[dropped as usize - 1], "dropped");
}

#[test]
fn each_connection_begins_with_what_is_kept_and_so_does_one_of_a_later_page() {
    let mut machine = connected();
    input(&mut machine, "Keep", &[7.0, 41.0, 3.0]);
    assert_eq!(until(&mut machine, "Write")[2..3], [41.0]);
    machine.save();
    let mut later = idle();
    for at in 0.. {
        let kind = machine.stored(at);
        if kind == 0 {
            break;
        }
        let (fields, ids) = machine.get();
        later.put(&fields, ids.trim_end());
        later.give_back(kind, ids.trim_end().len());
    }
    later.restore(0.0, 0.0);
    for (begin, kept) in [(true, true), (false, false)] {
        if begin {
            input(&mut later, "Connect", &[]);
        } else {
            input(&mut later, "DropKept", &[7.0]);
            later.input(number("Tick", FRAME_INPUTS, INPUTS), later.deadline(), later.deadline(), 0);
        }
        let dial = until(&mut later, "Dial");
        input(&mut later, "Opened", &dial[..1]);
        let write = number("Write", FRAME_OUTPUTS, OUTPUTS);
        let is_written =
            core::iter::from_fn(|| Some(later.poll()).filter(|kind| *kind > 0)).any(|kind| kind == write);
        assert_eq!(is_written, kept);
        input(&mut later, "Closed", &[dial[0], 1006.0]);
    }
}

#[test]
fn what_cannot_be_kept_is_told_with_its_key() {
    let mut machine = connected();
    input(&mut machine, "Keep", &[7.0, 41.0, 1e9]);
    assert_eq!(until(&mut machine, "NotKept")[..2], [7.0, f64::from(failure(&SendFailure::TooLarge))]);
    assert_eq!(machine.released(), 41);
}

#[test]
fn wild_numbers_are_harmless() {
    let mut machine = connected();
    for wild in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        for kind in FIRST..FIRST + 40 {
            machine.put(&[wild; 16], "not\u{1}one");
            machine.input(kind, 1.0, 1.0, usize::MAX);
        }
    }
    while machine.poll() > 0 {}
}
