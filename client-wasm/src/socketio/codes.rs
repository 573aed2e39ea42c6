//! The codes of this machine, and the generator of `js/socketio/codes.ts`
//! (`cargo run -p rejoin-wasm --example socketio_codes`).

use crate::codes::numbered;
use rejoin::CauseCode;

numbered!(
    /// The number of a cause specific to Socket.IO; 0 for others.
    cause, causes, CauseCode,
    CauseCode::Incompatible => CauseCode::Incompatible,
    CauseCode::UnknownNamespace => CauseCode::UnknownNamespace,
);

/// First number of this machine's kinds and causes, above those of all machines.
pub(crate) const FIRST: u32 = 101;

/// The text of `js/socketio/codes.ts`.
#[cfg(not(target_family = "wasm"))]
pub fn typescript() -> String {
    let lists = [("SocketIoCauseCode", causes())];
    let kinds =
        [("PacketIn", super::server_packets::PACKETS_IN), ("PacketOut", super::client_packets::PACKETS_OUT)];
    crate::codes::text("src/socketio/codes.rs", "socketio_codes", &lists, &kinds, FIRST)
}
