//! Tests of the machine through its exported functions. The same tests run natively and, by `tests/run browser`, as WebAssembly in a
//! browser.

use super::*;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

#[cfg(target_family = "wasm")]
wasm_bindgen_test_configure!(run_in_browser);

/// A machine with a manual clock, driven as the page does.
struct Page {
    machine: Machine,
    now: f64,
}

impl Page {
    fn connected() -> Self {
        let mut page = Self { machine: Machine::new(3.0, 1, 0, true, false, 0, 0.0), now: 0.0 };
        page.input("Join", &[1.0], "");
        page.input("Connect", &[], "");
        assert_eq!(page.next("Dial").0[..1], [1.0]);
        page.input("Opened", &[1.0], "");
        page
    }

    fn input(&mut self, kind: &str, fields: &[f64], ids: &str) {
        let number = inputs::INPUTS.iter().position(|name| *name == kind).expect("a kind of input") + 1;
        self.machine.put(fields, ids);
        self.machine.input(u32::try_from(number).unwrap(), self.now, self.now, ids.len());
    }

    fn poll(&mut self) -> Option<(&'static str, Vec<f64>, String)> {
        let number = usize::try_from(self.machine.poll()).unwrap();
        let kind = *outputs::OUTPUTS.get(number.checked_sub(1)?).expect("a kind of output");
        let (fields, ids) = self.machine.get();
        Some((kind, fields, ids))
    }

    /// The next output of this kind.
    fn next(&mut self, kind: &str) -> (Vec<f64>, String) {
        loop {
            let (found, fields, ids) = self.poll().unwrap_or_else(|| panic!("no {kind}"));
            if found == kind {
                return (fields, ids);
            }
        }
    }
}

#[test]
fn a_page_that_joined_sends_and_hears_by_numbers_alone() {
    let mut page = Page::connected();
    assert_eq!(page.next("SendJoin").0[..3], [1.0, 1.0, 1.0]);
    // send 5 to room 1: value 40 of 2 bytes
    page.input("Send", &[5.0, 1.0, 40.0, 2.0, 0.0], "");
    assert_eq!(page.next("SendMessage").0[..4], [1.0, 2.0, 1.0, 40.0]);
    page.input("Flushed", &[1.0, 2.0], "");
    assert_eq!(page.next("Delivery").0[..2], [5.0, 1.0], "written");
    page.input("Message", &[1.0, 41.0, 1.0], "");
    assert_eq!(page.next("Message").0[..1], [41.0]);
}

#[test]
fn the_page_may_forget_what_the_machine_has_let_go_of() {
    let mut page = Page::connected();
    page.input("Message", &[1.0, 41.0, 1.0], "");
    assert_eq!(page.machine.released(), 0, "still to be told");
    page.next("Message");
    assert_eq!((page.machine.released(), page.machine.released()), (41, 0));
    page.input("Leave", &[1.0], "");
    page.input("Message", &[1.0, 42.0, 1.0], "");
    assert_eq!(page.machine.released(), 42, "of a room that was left: dropped at once");
}

#[test]
fn the_deadline_is_never_before_the_time_the_machine_means() {
    let mut page = Page::connected();
    page.input("Closed", &[1.0, 1006.0], "");
    let retry_at = loop {
        let (fields, _) = page.next("State");
        if fields[2] >= 0.0 {
            break fields[2];
        }
    };
    while page.poll().is_some() {}
    page.now = page.machine.deadline();
    assert!(page.now >= retry_at);
    page.input("Tick", &[], "");
    assert_eq!(page.next("Dial").0[..1], [2.0]);
}

#[test]
fn nonsense_from_a_page_is_no_input_and_does_no_harm() {
    let mut page = Page::connected();
    while page.poll().is_some() {}
    for kind in 0..200 {
        for wild in [f64::NAN, -1.0, 1e300, f64::INFINITY] {
            page.machine.put(&[wild; 16], "not an id");
            page.machine.input(kind, 1.0, 1.0, usize::MAX);
            while page.machine.poll() > 0 {}
        }
    }
}

#[cfg(feature = "stored")]
#[test]
fn what_is_stored_and_given_back_is_taken_up_by_another_machine() {
    let mut page = Page::connected();
    page.input("Send", &[5.0, 1.0, 40.0, 2.0, 0.0], "");
    page.input("Closed", &[1.0, 1006.0], "");
    page.input("Send", &[6.0, 1.0, 41.0, 3.0, 0.0], "");
    page.machine.save();
    let mut later = Page { machine: Machine::new(4.0, 1, 0, true, false, 0, 0.0), now: 0.0 };
    for at in 0.. {
        let kind = page.machine.stored(at);
        if kind == 0 {
            break;
        }
        let (fields, ids) = page.machine.get();
        later.machine.put(&fields, ids.trim_end());
        later.machine.give_back(kind, ids.trim_end().len());
    }
    later.machine.restore(0.0, 0.0);
    let (restored, _) = later.next("Restored");
    assert_eq!(restored[1..3], [1.0, 41.0], "what was on its way is not sent again on a plain connection");
    assert!(restored[0] < 0.0, "no number of the page's own");
}
