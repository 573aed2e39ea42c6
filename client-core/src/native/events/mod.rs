//! The way from a driver to the application: its event queue, and a queue for each subscription to a room. Bounded; never
//! blocks the driver.

mod auto_commit;
mod queue;
mod stream;
mod subscription;
mod typed;
#[cfg(feature = "socketio")]
mod typed_event;

pub(crate) use queue::{EventQueue, byte_len, message_byte_len};
pub use stream::Events;
pub(crate) use subscription::Subscriptions;
pub use subscription::{Missed, Subscription};
pub use typed::{Typed, TypedEvents, TypedFrameError};
