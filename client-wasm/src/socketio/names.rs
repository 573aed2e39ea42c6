//! The numbers that only this machine has, and the text of `js/socketio/names.ts`
//! (`cargo run -p rejoin-wasm --example socketio_names`).

use crate::numbered::numbered;
use rejoin::CauseCode;

numbered!(
    /// The number of a cause that other servers do not give; 0 for one that they do.
    cause, causes, CauseCode,
    CauseCode::Incompatible => CauseCode::Incompatible,
    CauseCode::UnknownNamespace => CauseCode::UnknownNamespace,
);

/// Kinds and causes of this machine are numbered behind those of all, from this on.
pub(crate) const FIRST: u32 = 101;

/// The text of `js/socketio/names.ts`.
#[cfg(not(target_family = "wasm"))]
pub fn typescript() -> String {
    let lists = [("SocketIoCauseCode", causes())];
    let kinds = [("Said", super::packets::PACKETS), ("Sent", super::sent::SENT)];
    crate::names::text("src/socketio/names.rs", "socketio_names", &lists, &kinds, FIRST)
}
