//! Tracks how much of the data given to a WebSocket has been flushed.
//!
//! Frames go from the page directly to its socket: through the module's memory they would be copied twice.

use alloc::vec::Vec;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::WebSocket;

/// Tracks the unflushed bytes of one WebSocket by `bufferedAmount`, the only information that a page has.
#[wasm_bindgen]
#[derive(Debug)]
pub struct FlushTracker {
    socket: WebSocket,
    /// `bufferedAmount` before the current frame.
    before: u32,
    /// Bytes sent so far, and the end offset of each frame.
    sent_bytes: u64,
    ends: Vec<(f64, u64)>,
}

#[wasm_bindgen]
impl FlushTracker {
    /// A tracker of a socket with the browser's interface.
    #[wasm_bindgen(constructor)]
    pub fn new(socket: WebSocket) -> Self {
        Self { socket, before: 0, sent_bytes: 0, ends: Vec::new() }
    }

    /// Whether a frame may be sent now; [`FlushTracker::sent`] follows.
    pub fn can_send(&mut self) -> bool {
        self.before = self.socket.buffered_amount();
        self.socket.ready_state() == WebSocket::OPEN
    }

    /// Records that the frame with this number was sent. Its size in UTF-8 is the growth of `bufferedAmount`.
    pub fn sent(&mut self, frame: f64) {
        self.sent_bytes += u64::from(self.socket.buffered_amount().saturating_sub(self.before));
        self.ends.push((frame, self.sent_bytes));
    }

    /// The last frame flushed since the last call; 0 for none.
    pub fn flushed(&mut self) -> f64 {
        let buffered = u64::from(self.socket.buffered_amount());
        let flushed = self.sent_bytes.saturating_sub(buffered);
        let count = self.ends.partition_point(|(_, end)| *end <= flushed);
        self.ends.drain(..count).next_back().map_or(0.0, |(frame, _)| frame)
    }

    /// Whether frames are unflushed on a socket that can still flush them.
    pub fn has_unflushed(&self) -> bool {
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
        let mut tracker = FlushTracker::new(socket);
        assert!(!tracker.can_send());
        assert!(!tracker.has_unflushed());
        assert_eq!(tracker.flushed().to_bits(), 0);
    }

    #[wasm_bindgen_test]
    fn what_a_closing_socket_still_counts_has_not_left_and_is_not_waited_for() {
        // Browsers add data sent to a closing socket to bufferedAmount and never remove it (WebSockets, "send").
        let socket = WebSocket::new("ws://127.0.0.1:1/").unwrap();
        let mut tracker = FlushTracker::new(socket.clone());
        socket.close().unwrap();
        tracker.can_send();
        socket.send_with_str("four").unwrap();
        tracker.sent(1.0);
        assert_eq!(tracker.flushed().to_bits(), 0);
        assert!(!tracker.has_unflushed());
    }
}
