//! The tokio drivers: a socket, a clock and a task around a [`Session`](crate::machine::Session), a
//! [`socketio::Session`](crate::socketio::Session) or a [`Feed`](crate::machine::Feed), with no decisions of their own.

mod basic;
mod builder;
mod client;
mod clock;
mod dial;
mod draft;
mod driver;
#[cfg(feature = "socketio")]
mod emit;
mod endpoint;
#[cfg(feature = "socketio")]
mod event_json;
mod events;
mod exchange;
#[cfg(feature = "sse")]
mod feed_stream;
#[cfg(feature = "sse")]
mod follow;
#[cfg(feature = "sse")]
mod follower;
mod headers;
mod inbox;
mod keeper;
mod machine;
mod meaning;
#[cfg(feature = "socketio")]
mod namespace;
#[cfg(any(not(feature = "rustls-no-provider"), test))]
#[cfg_attr(feature = "rustls-no-provider", allow(dead_code, reason = "built for its own test only"))]
mod no_tls;
mod options;
mod own;
mod permit;
#[cfg(feature = "proxy")]
mod proxy;
mod receipts;
mod refusal;
mod request;
mod requests;
mod route;
mod runtime;
mod secrets;
mod sending;
mod socket;
#[cfg(feature = "socketio")]
mod socket_io;
mod sockets;
#[cfg(feature = "socketio")]
mod spaces;
mod state;
mod state_file;
#[cfg(feature = "sse")]
mod stream_request;
mod subscription;
mod taken;
#[cfg(feature = "rustls-no-provider")]
mod tls;
mod tls_error;
mod trace;
mod transport;
mod typed;
#[cfg(feature = "socketio")]
mod typed_event;
mod upgrade;
mod waiters;

#[cfg(not(feature = "rustls-no-provider"))]
use no_tls as tls;

pub use builder::{BuildError, ClientBuilder, ReadBuffer};
pub use client::{Client, ClosedError, ConnectionStatus, RestoredOutcome};
pub use draft::MessageBuilder;
pub use endpoint::{Endpoint, EndpointError};
pub use events::Events;
#[cfg(feature = "sse")]
pub use feed_stream::FeedStream;
#[cfg(feature = "sse")]
pub use follow::{FeedBuilder, follow};
pub use headers::{HeaderError, Headers};
pub use machine::SOCKET_IO_OPENING;
#[cfg(feature = "socketio")]
pub use namespace::{NamespaceBuilder, OpenNamespaceError};
pub use options::TokenLocation;
pub use own::FrameBuilder;
pub use permit::Permit;
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError};
pub use requests::{Request, RequestError};
pub use sending::{Receipt, SendError, SendFuture};
#[cfg(feature = "socketio")]
pub use socket_io::SocketIo;
pub use state::{StateError, StateStore};
pub use state_file::StateFile;
pub use subscription::{Missed, Subscription};
pub use tls_error::TlsError;
pub use typed::{Typed, TypedEvents, TypedFrameError};
pub use waiters::JoinError;
