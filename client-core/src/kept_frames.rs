//! The custom frames that are written first on each connection: their bounds, and which of them the present connection
//! has. Writes nothing itself.

use crate::event::SendFailure;
use crate::mutation::mutation;
use crate::payload::Payload;
#[cfg(feature = "stored")]
use crate::persisted::SavedFrame;
use alloc::vec::Vec;

/// Maximum frames that are kept for each connection.
pub const MAX_KEPT_FRAMES: usize = 64;
/// Maximum bytes of them together.
pub const MAX_KEPT_BYTES: usize = 64 << 10;

/// In the order in which their keys were first kept.
#[derive(Debug)]
pub(crate) struct KeptFrames<P, N> {
    list: Vec<Kept<P, N>>,
    /// Bytes of the largest send that this connection has been given.
    largest_send: usize,
}

#[derive(Debug)]
struct Kept<P, N> {
    key: N,
    frame: P,
    /// This connection has it.
    written: bool,
    /// An earlier run has kept it.
    #[cfg(feature = "stored")]
    restored: bool,
}

impl<P, N> Default for KeptFrames<P, N> {
    fn default() -> Self {
        Self { list: Vec::new(), largest_send: 0 }
    }
}

impl<P: Payload, N: Clone + Ord> KeptFrames<P, N> {
    /// Keeps a frame of at most so many bytes, instead of the one with its key.
    pub(crate) fn keep(&mut self, key: N, frame: P, most: usize) -> Result<(), SendFailure> {
        let list = &mut self.list;
        let at = list.iter().position(|kept| kept.key == key);
        let size = frame.byte_len();
        let others =
            list.iter().filter(|kept| kept.key != key).map(|kept| kept.frame.byte_len()).sum::<usize>();
        let too_many = at.is_none() && list.len() >= MAX_KEPT_FRAMES || others + size > MAX_KEPT_BYTES;
        if size > most || size > MAX_KEPT_BYTES {
            return Err(SendFailure::TooLarge);
        }
        if too_many && !mutation!(KeepsTooMany) {
            return Err(SendFailure::QueueFull);
        }
        let new = Kept {
            key,
            frame,
            written: false,
            #[cfg(feature = "stored")]
            restored: false,
        };
        match at.and_then(|at| list.get_mut(at)) {
            Some(kept) if mutation!(KeptStaysOld) => kept.written = false,
            Some(kept) => *kept = new,
            None => list.push(new),
        }
        Ok(())
    }

    /// Returns whether there was one.
    pub(crate) fn drop_kept(&mut self, key: &N) -> bool {
        let before = self.list.len();
        if !mutation!(KeptForEver) {
            self.list.retain(|kept| kept.key != *key);
        }
        self.list.len() != before
    }

    /// A connection is there that has none of them.
    pub(crate) fn connection_opened(&mut self) {
        self.largest_send = 0;
        for kept in &mut self.list {
            kept.written = mutation!(KeptOnce) && kept.written;
        }
    }

    /// The next one that this connection has not.
    pub(crate) fn next(&self) -> Option<&P> {
        if mutation!(KeptBackwards) {
            return self.list.iter().rfind(|kept| !kept.written).map(|kept| &kept.frame);
        }
        self.list.iter().find(|kept| !kept.written).map(|kept| &kept.frame)
    }

    /// The next one has been given to the connection.
    pub(crate) fn mark_next_written(&mut self) {
        let next = if mutation!(KeptBackwards) {
            self.list.iter_mut().rfind(|kept| !kept.written)
        } else {
            self.list.iter_mut().find(|kept| !kept.written)
        };
        if let Some(kept) = next {
            kept.written = true;
        }
    }

    /// A send of so many bytes has been given to the connection.
    pub(crate) fn record_send(&mut self, size: usize) {
        self.largest_send = self.largest_send.max(size);
    }

    /// Bytes of the largest frame or send that the connection has been given.
    #[cfg(feature = "socketio")]
    pub(crate) fn largest(&self) -> usize {
        let written = self.list.iter().filter(|kept| kept.written);
        written.map(|kept| kept.frame.byte_len()).max().unwrap_or_default().max(self.largest_send)
    }

    /// The key of the frame that was too large for the server, if the largest one that the connection has been given is kept:
    /// each connection would end by it.
    pub(crate) fn oversized_key(&self) -> Option<N> {
        let written = self.list.iter().filter(|kept| kept.written);
        let largest = written.max_by_key(|kept| kept.frame.byte_len())?;
        (largest.frame.byte_len() > self.largest_send).then(|| largest.key.clone())
    }

    /// The keys of those that an earlier run has kept.
    #[cfg(feature = "stored")]
    pub(crate) fn restored(&self) -> Vec<N> {
        self.list.iter().filter(|kept| kept.restored).map(|kept| kept.key.clone()).collect()
    }

    /// What another run is to begin its connections with.
    #[cfg(feature = "stored")]
    pub(crate) fn stored(&self) -> Vec<SavedFrame<P, N>> {
        let list = self.list.iter();
        list.map(|kept| SavedFrame { key: kept.key.clone(), frame: kept.frame.clone() }).collect()
    }

    /// Takes up what another run has kept.
    #[cfg(feature = "stored")]
    pub(crate) fn restore(&mut self, frames: Vec<SavedFrame<P, N>>) {
        let list = &mut self.list;
        for SavedFrame { key, frame } in frames {
            if !mutation!(KeptNotTakenUp)
                && list.len() < MAX_KEPT_FRAMES
                && list.iter().all(|kept| kept.key != key)
            {
                list.push(Kept { key, frame, written: false, restored: true });
            }
        }
    }
}
