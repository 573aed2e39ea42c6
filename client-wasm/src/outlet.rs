//! What has been given to a socket of the page, and how far it has left it.
//!
//! The texts themselves go from the page to its socket: through the machine's memory they would be copied twice.

use alloc::vec::Vec;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::WebSocket;

/// The way out of one WebSocket: counts what it has not taken yet, which is all that a page can know of its flushing.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Outlet {
    socket: WebSocket,
    /// What the socket had not taken before the frame that is being given to it.
    before: u32,
    /// Bytes given so far, and where the frames among them end.
    given: u64,
    ends: Vec<(f64, u64)>,
}

#[wasm_bindgen]
impl Outlet {
    /// Of a socket that looks like the browser's own.
    #[wasm_bindgen(constructor)]
    pub fn new(socket: WebSocket) -> Self {
        Self { socket, before: 0, given: 0, ends: Vec::new() }
    }

    /// Whether a frame may be given to the socket now; [`Outlet::gave`] follows.
    pub fn may_give(&mut self) -> bool {
        self.before = self.socket.buffered_amount();
        self.socket.ready_state() == WebSocket::OPEN
    }

    /// The frame of this number has been given to it. What the socket itself counts is its size in UTF-8.
    pub fn gave(&mut self, frame: f64) {
        self.given += u64::from(self.socket.buffered_amount().saturating_sub(self.before));
        self.ends.push((frame, self.given));
    }

    /// The last frame that has left since the last look; 0 for none.
    pub fn left(&mut self) -> f64 {
        let kept = u64::from(self.socket.buffered_amount());
        let left = self.given.saturating_sub(kept);
        let gone = self.ends.partition_point(|(_, end)| *end <= left);
        self.ends.drain(..gone).next_back().map_or(0.0, |(frame, _)| frame)
    }

    /// Whether there are frames that have not left, on a socket that may still take them.
    pub fn is_waiting(&self) -> bool {
        !self.ends.is_empty() && self.socket.ready_state() <= WebSocket::OPEN
    }
}

#[cfg(all(test, target_family = "wasm"))]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn a_socket_that_is_not_open_takes_nothing_and_has_nothing_to_let_go() {
        let socket = WebSocket::new("ws://127.0.0.1:1/").unwrap();
        let mut outlet = Outlet::new(socket);
        assert!(!outlet.may_give());
        assert!(!outlet.is_waiting());
        assert_eq!(outlet.left().to_bits(), 0);
    }

    #[wasm_bindgen_test]
    fn what_a_closing_socket_still_counts_has_not_left_and_is_not_waited_for() {
        // Browsers count what is sent to a socket that is closing, and never let it go (WebSockets, "send").
        let socket = WebSocket::new("ws://127.0.0.1:1/").unwrap();
        let mut outlet = Outlet::new(socket.clone());
        socket.close().unwrap();
        outlet.may_give();
        socket.send_with_str("four").unwrap();
        outlet.gave(1.0);
        assert_eq!(outlet.left().to_bits(), 0);
        assert!(!outlet.is_waiting());
    }
}
