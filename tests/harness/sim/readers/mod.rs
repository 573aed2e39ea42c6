//! Readers of rooms: each a real [`Feed`](rejoin::machine::Feed) on a stream of server-sent events from the same hub that the
//! clients use, over a network with the same faults. What a seed decides about them is drawn apart, so that everything
//! else of the seed stays as it is.

mod draw;
mod reader;
mod stream;
mod tampering;

pub use draw::{ReaderAction, ReaderPlan, Tampering};
pub(super) use draw::{acts, plans};
pub(super) use reader::Reader;
pub(super) use stream::{LONGEST_EVENT, Stream};
pub(super) use tampering::{LineEnd, written};
