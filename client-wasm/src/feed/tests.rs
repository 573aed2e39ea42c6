//! Tests of the feed machine through its exported functions.

use super::*;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A machine with a stopped clock.
struct Page(FeedMachine);

impl Page {
    fn new() -> Self {
        Self(FeedMachine::new(3.0, 0, false, 0, 5.0, 200.0, "e:6:x"))
    }

    fn input(&mut self, kind: &str, fields: [f64; 3]) {
        let number = INPUTS.iter().position(|name| *name == kind).expect("a kind of input") + 1;
        let [a, b, c] = fields;
        self.0.input(u32::try_from(number).unwrap(), 0.0, 0.0, a, b, c);
    }

    /// The next output of this kind, with its fields.
    fn next(&mut self, kind: &str) -> Vec<f64> {
        loop {
            let number = usize::try_from(self.0.poll()).unwrap();
            assert!(number > 0, "no {kind}");
            if OUTPUTS[number - 1] == kind {
                return (0..SLOTS).map(|which| self.0.field(which)).collect();
            }
        }
    }

    /// Passes bytes and answers for each event what it is; `None` for a gap.
    fn gives(&mut self, conn: f64, text: &str, what: Option<u32>) {
        self.0.give(conn, 0.0, 0.0, text.as_bytes().to_vec());
        while self.0.read(0.0, 0.0) {
            match what {
                Some(what) => self.0.arrived(what, 0.0, 0.0),
                None => self.0.gap(0.0, 0.0, "e", 6.0, 9.0, "trimmed"),
            }
        }
    }
}

#[test]
fn bytes_become_messages_with_their_places_and_a_gap_keeps_its_numbers() {
    let mut page = Page::new();
    page.input("Connect", [0.0; 3]);
    assert_eq!(page.next("Dial")[..3], [1.0, 0.0, 5.0]);
    assert_eq!(page.0.last_event_id(), "e:6:x");
    page.input("Opened", [1.0, 0.0, 0.0]);
    page.gives(1.0, "event: gap\ndata: {}\n\n", None);
    assert_eq!(page.next("Gap")[1..3], [6.0, 9.0]);
    assert_eq!((page.0.text(0).as_str(), page.0.last_event_id().as_str()), ("e", "e:6:x"));
    page.0.give(1.0, 0.0, 0.0, b"id: e:9:y\ndata: {\"a\":1}\n".to_vec());
    assert!(!page.0.read(0.0, 0.0));
    page.0.give(1.0, 0.0, 0.0, b"\n".to_vec());
    assert!(page.0.read(0.0, 0.0));
    assert_eq!((page.0.kind().as_str(), page.0.data().as_str()), ("message", "{\"a\":1}"));
    page.0.arrived(1, 0.0, 0.0);
    assert_eq!(page.next("Message")[..1], [9.0]);
    assert_eq!((page.0.text(0).as_str(), page.0.text(1).as_str()), ("e", "y"));
    assert_eq!(page.0.last_event_id(), "e:9:y");
    assert!(!page.0.read(0.0, 0.0));
}

#[test]
fn what_is_not_for_the_page_to_read_is_dealt_with_and_a_large_event_is_said_to_be_left_out() {
    let mut page = Page::new();
    page.input("Connect", [0.0; 3]);
    page.input("Opened", [1.0, 0.0, 0.0]);
    page.gives(1.0, &format!("retry: 7000\n: hi\nid: 5\n\ndata: {}\n\n", "x".repeat(300)), Some(0));
    page.next("Malformed");
    page.input("Ended", [1.0, 1.0, 0.0]);
    let state = page.next("State");
    assert!(state[2] >= 7000.0, "{state:?}");
    assert_eq!(state[3..4], [4.0], "the stream was not lost, it ended");
}

#[test]
fn an_event_of_another_make_is_told_with_its_id() {
    let mut page = Page(FeedMachine::new(3.0, 0, false, 0, 5.0, 200.0, ""));
    page.input("Connect", [0.0; 3]);
    page.input("Opened", [1.0, 0.0, 0.0]);
    page.gives(1.0, "event: weather\nid: 5\ndata: rain\n\n", Some(0));
    assert_eq!(page.next("Event")[..1], [1.0]);
    assert_eq!((page.0.text(0).as_str(), page.0.last_event_id().as_str()), ("5", "5"));
    page.gives(1.0, "data: rain\n\n", Some(2));
    assert_eq!(page.next("Event")[..1], [0.0]);
    assert_eq!(page.0.poll(), 0, "there is no gap");
}

#[test]
fn an_older_stream_gives_nothing_and_wild_numbers_are_harmless() {
    let mut page = Page::new();
    page.input("Connect", [0.0; 3]);
    page.input("Opened", [1.0, 0.0, 0.0]);
    page.gives(7.0, "id: e:7:z\ndata: x\n\n", Some(1));
    while page.0.poll() > 0 {
        assert_ne!(page.0.last_event_id(), "e:7:z");
    }
    for wild in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        for kind in 0..20 {
            page.0.input(kind, wild, wild, wild, wild, wild);
        }
        page.0.input(u32::MAX, 0.0, 0.0, 0.0, 0.0, 0.0);
        page.0.arrived(u32::MAX, wild, wild);
        page.0.gap(wild, wild, "not an id", wild, wild, "?");
    }
    while page.0.poll() > 0 {}
}
