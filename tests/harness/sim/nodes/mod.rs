//! Several nodes on one modelled store: the rules of `hub/shared.rs` in memory, the links between them, and their faults. Knows neither
//! clients nor connections, and checks nothing.

mod action;
mod cover;
mod draw;
mod producers;
mod room;
mod store;
mod store_link;
#[cfg(test)]
mod tests;
mod usage;

pub use action::NodeAction;
pub use cover::Amid;
pub use draw::NodesPlan;
pub(super) use draw::{acts, longest, plan};
pub(super) use room::SharedLog;
pub(super) use store::{RequestResult, SharedStore};
pub(super) use store_link::{Asked, StoreLink, counts};
