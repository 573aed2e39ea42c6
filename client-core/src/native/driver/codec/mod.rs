//! The trait by which a driver reads and writes the frames of a connection.

mod frame;
#[cfg(feature = "socketio")]
mod packet;

pub(crate) use frame::FrameCodec;
pub use frame::SOCKET_IO_DETECTED;
#[cfg(feature = "socketio")]
pub(crate) use packet::PacketCodec;

use crate::link::ConnId;
use crate::name::Name;
use crate::session::{Input, Output};

/// Text to typed frames and back, for one connection.
pub(crate) trait Codec: Send + Unpin + Sized + 'static {
    type Received;
    type Sent: Unpin;

    /// For another connection.
    fn for_connection(&self) -> Self;
    fn text(&mut self, conn: ConnId, text: &str) -> InputOf<Self>;
    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> InputOf<Self>;
    /// Writes a frame as UTF-8 instead of what `text` held. Returns the binary frames that follow it.
    fn encode(&mut self, frame: &Self::Sent, text: &mut Vec<u8>) -> Vec<Vec<u8>>;
    /// Whether a frame carries a send, which is to be stored first.
    fn is_send(frame: &Self::Sent) -> bool;
    /// Whether a frame only keeps the connection alive, so that it may overtake others.
    fn is_keep_alive(frame: &Self::Sent) -> bool;
}

pub(crate) type InputOf<C> = Input<String, Name, <C as Codec>::Received>;
pub(crate) type OutputOf<C> = Output<String, Name, <C as Codec>::Sent>;
