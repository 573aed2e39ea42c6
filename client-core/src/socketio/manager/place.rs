//! How it stands with a namespace on the connection, as the server sees it.

use crate::socketio::ClientPacket;

/// Named after what is awaited. A namespace is never asked for twice without an answer in between: a server would put us
/// into it twice.
#[derive(Debug)]
pub(super) enum Place<P, N> {
    /// Nothing: it is not asked for.
    Out,
    /// The answer, which is wanted.
    Asked,
    /// The answer to what is not wanted any more: a consent is to be given back.
    Unwanted,
    /// The same, and then it is asked for by this.
    Again(ClientPacket<P, N>),
    /// Nothing: it has let us in.
    In,
}
