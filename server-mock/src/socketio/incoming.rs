//! What comes in, whatever carries it.

use tokio_tungstenite::tungstenite::Utf8Bytes;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// An engine packet.
    Packet(Utf8Bytes),
    /// Bytes that belong to an event. This server takes none, so what they are is not kept.
    Attachment,
}
