//! Several nodes on one modelled store: the rules of `hub/shared.rs` carried out in memory, the wires between them, and
//! what goes wrong with both. Nothing here knows a client or a connection, and nothing here judges.

mod act;
mod cover;
mod draw;
mod lines;
mod room;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use act::NodeAct;
pub use cover::Amid;
pub use draw::NodesPlan;
pub(super) use draw::{acts, longest, plan};
pub(super) use room::SharedLog;
pub(super) use store::{Carried, SharedStore};
pub(super) use wire::{Asked, Wire, counts};
