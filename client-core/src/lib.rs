//! Rejoin.
#![cfg_attr(not(feature = "native"), no_std)]

extern crate alloc;

pub mod backoff;
mod cause;
pub mod close;
mod config;
mod event;
mod limiter;
mod link;
mod liveness;
pub mod messages;
mod name;
#[cfg(feature = "native")]
mod native;
mod outbox;
mod rooms;
mod session;
mod time;
mod token;

pub use cause::{Cause, CauseCode, DialError, DialErrorKind, Disconnect};
pub use config::Config;
pub use event::{
    Delivery, DeliveryStatus, Event, Gap, GapReason, Mode, RoomChange, RoomState, SendFailure, SendId,
};
pub use link::{ConnId, Hint, LinkConfig, State, StateChange};
pub use liveness::LivenessConfig;
pub use messages::{ClientMessage, Message, ServerMessage};
pub use name::{Name, ROOM_NAME_CHARS, RoomNameError, check_room_name, is_invisible};
#[cfg(feature = "native")]
pub use native::{
    Buffers, BuildError, Client, ClientBuilder, Ended, Endpoint, EndpointError, Events, Proxy, ProxyError,
    Receipt, SendError, Sending, Snapshot, TlsError, TokenPlace,
};
pub use outbox::{OutboxLimits, Outgoing, Overflow, Payload};
pub use session::{Command, Diagnostics, Input, Output, Session};
pub use time::{Moment, Timestamp};
pub use token::{Credentials, Token, TokenError};
