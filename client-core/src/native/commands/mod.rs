//! The way from the handles to a driver and back: commands, sends, requests, reservations. Knows neither of the two.

mod pending_sends;
mod queue;
mod requests;
mod reservation;
mod send_future;
mod waiter;

pub(crate) use queue::{CommandQueue, Target, is_reported_by_event};
pub use requests::RequestError;
pub(crate) use requests::{Answer, ConnectionLost, MAX_REQUESTS, Requests};
pub(crate) use reservation::{ReleasedReservations, Reservation};
pub(crate) use send_future::SendState;
pub use send_future::{Receipt, SendError, SendFuture};
pub use waiter::JoinError;
pub(crate) use waiter::Waiter;
