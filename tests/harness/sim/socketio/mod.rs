//! Clients of the world that speak Socket.IO: each a real session of a [`rejoin::socketio::Manager`] before the same hub that all others
//! use, over a network with the same faults. Between the two stands what a Socket.IO server is to a hub: seats, acks, and
//! sessions that can be recovered. What a seed decides about them is drawn apart, so that a seed without them stays as it
//! is.

mod client;
mod draw;
mod member;
mod namespaces;
mod own;
mod transports;

pub(super) use client::SioClient;
pub use draw::{SioAction, SioPlan, SioTrigger};
pub(super) use draw::{acts, plans};
pub(super) use member::{Delivered, Lost, Member, SioConn};
pub(super) use namespaces::{carried, carried_acts};
pub(super) use own::{SioOwn, answer_to};
pub use transports::Blockade;
pub(super) use transports::Choice;

/// Their users are numbered from here.
pub(super) const FIRST_USER: usize = 20;
