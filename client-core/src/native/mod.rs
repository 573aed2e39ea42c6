//! The tokio drivers: a socket, a clock and a task around a [`Session`](crate::machine::Session), a
//! [`socketio::Session`](crate::socketio::Session) or a [`Feed`](crate::machine::Feed), with no decisions of their own.

mod client;
mod clock;
mod commands;
mod connect;
mod custom;
mod driver;
mod events;
#[cfg(feature = "sse")]
mod feed;
mod options;
#[cfg(feature = "socketio")]
mod socket_io;
mod status;
mod store;
mod trace;

pub use client::{
    Client, ClientBuilder, FrameBuilder, MessageBuilder, Permit, ReadBuffer, Request, RestoredOutcome,
};
#[cfg(feature = "socketio")]
pub use client::{NamespaceBuilder, OpenNamespaceError};
pub use commands::{JoinError, Receipt, RequestError, SendError, SendFuture};
pub use connect::{Endpoint, EndpointError, HeaderError, Headers, TlsError, TokenLocation};
#[cfg(feature = "proxy")]
pub use connect::{Proxy, ProxyError};
pub use driver::SOCKET_IO_DETECTED;
pub use events::{Events, Missed, Subscription, Typed, TypedEvents, TypedFrameError};
#[cfg(feature = "sse")]
pub use feed::{FeedBuilder, FeedStream, follow};
pub use options::{BuildError, ConnectOptions, Dialer, RawWebSocket};
#[cfg(feature = "socketio")]
pub use socket_io::{AuthError, SocketIo};
pub use status::{ClosedError, ConnectionStatus, Transition};
pub use store::{StateError, StateFile, StateStore};
