//! The trait of a message's content: the machines need its size, and never read it.

use alloc::string::String;

/// What an application writes: the machine passes it through and only needs its size.
pub trait Payload: Clone {
    /// Its size on the wire, about, in bytes.
    fn byte_len(&self) -> usize;
    /// A number that tells it from others and is the same in every run; 0 for what has none.
    #[cfg(feature = "journal")]
    fn digest(&self) -> u64 {
        0
    }
    /// Whether it is empty: an empty message of a server is not reported.
    fn is_empty(&self) -> bool {
        false
    }
    /// The server's message about a room, if the machine is to tell them; a page has them in the frame that is being processed.
    fn into_error_text(self) -> Option<Self> {
        None
    }
}

impl Payload for String {
    fn byte_len(&self) -> usize {
        self.len()
    }

    #[cfg(feature = "journal")]
    fn digest(&self) -> u64 {
        crate::hash::of(self.as_bytes())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn into_error_text(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}
