//! The state of a namespace on the connection, as the server sees it.

use crate::socketio::ClientPacket;
use crate::time::Timestamp;
use core::time::Duration;

/// How long after a disconnect a namespace is requested again at the earliest. The library for Node continues with a disconnect only
/// when it has read all that came with it: a question in the same breath it takes for a second one, and ends the connection.
pub(super) const REOPEN_DELAY: Duration = Duration::from_millis(100);

/// Named after what is awaited. A namespace is never requested twice without an answer in between: a server would put us
/// into it twice.
#[derive(Debug)]
pub(super) enum MemberState<P, N> {
    /// Nothing: it is not requested.
    Disconnected,
    /// The answer, which is wanted.
    Connecting,
    /// The answer to what is not wanted any more: a consent is to be given back.
    Abandoned,
    /// The same, and then it is requested by this.
    Reconnecting(ClientPacket<P, N>),
    /// Nothing but time: it has been left, and may be requested from then on; by this, as soon as that is.
    CoolingDown(Timestamp, Option<ClientPacket<P, N>>),
    /// Nothing: it has let us in.
    Connected,
}
