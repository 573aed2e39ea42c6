//! The connection in use: its frames. What a protocol knows of it beside them is the protocol's own.

use crate::link::ConnId;
use crate::malformed_frames::MalformedFrames;
use crate::time::Timestamp;

/// The current connection. Its frames are numbered from 1.
#[derive(Debug)]
pub(crate) struct ActiveConnection<C> {
    pub(crate) conn: ConnId,
    pub(crate) last_frame: u64,
    /// What came in that is no frame.
    pub(crate) malformed: MalformedFrames,
    /// The last frame that the operating system has taken.
    pub(crate) flushed: u64,
    /// Every wanted room is joined, which has been reported.
    pub(crate) ready: bool,
    /// Since when nothing has come in although a message was written, where no answer is awaited.
    pub(crate) silent_since: Timestamp,
    pub(crate) protocol: C,
}

impl<C> ActiveConnection<C> {
    pub(crate) fn new(conn: ConnId, protocol: C) -> Self {
        Self {
            conn,
            last_frame: 0,
            malformed: MalformedFrames::default(),
            flushed: 0,
            ready: false,
            silent_since: Timestamp::NEVER,
            protocol,
        }
    }
}
