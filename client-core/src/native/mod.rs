//! The tokio drivers: a socket, a clock and a task around a [`Session`](crate::machine::Session), a
//! [`socketio::Session`](crate::socketio::Session) or a [`Feed`](crate::machine::Feed), with no decisions of their own.

mod auto_commit;
mod basic;
mod build_error;
mod builder;
mod client;
mod clock;
mod codec;
mod command_queue;
mod connector;
mod custom;
mod driven_session;
mod driver;
#[cfg(feature = "socketio")]
mod emit;
mod endpoint;
#[cfg(feature = "socketio")]
mod engine_hint;
#[cfg(feature = "socketio")]
mod event_json;
mod events;
#[cfg(feature = "sse")]
mod feed_builder;
#[cfg(feature = "sse")]
mod feed_driver;
#[cfg(feature = "sse")]
mod feed_request;
#[cfg(feature = "sse")]
mod feed_stream;
mod frame_builder;
mod frame_codec;
mod headers;
mod http;
mod http_error;
mod message_builder;
#[cfg(feature = "socketio")]
mod namespace;
#[cfg(feature = "socketio")]
mod namespaces;
#[cfg(any(not(feature = "rustls-no-provider"), test))]
#[cfg_attr(feature = "rustls-no-provider", allow(dead_code, reason = "built for its own test only"))]
mod no_tls;
mod options;
#[cfg(feature = "socketio")]
mod packet_codec;
mod pending_sends;
mod permit;
mod persister;
#[cfg(feature = "proxy")]
mod proxy;
mod redact;
mod request;
mod request_future;
mod requests;
mod reservation;
mod runtime;
mod send_future;
mod socket;
#[cfg(feature = "socketio")]
mod socket_io;
mod sockets;
mod state_file;
mod state_store;
mod status;
mod status_hint;
mod stream;
mod subscription;
#[cfg(feature = "rustls-no-provider")]
mod tls;
mod tls_error;
mod trace;
mod transport;
mod typed;
#[cfg(feature = "socketio")]
mod typed_event;
mod upgrade;
mod waiter;
mod waiters;
mod websocket;

#[cfg(not(feature = "rustls-no-provider"))]
use no_tls as tls;

pub use build_error::BuildError;
pub use builder::{ClientBuilder, ReadBuffer};
pub use client::{Client, RestoredOutcome};
pub use endpoint::{Endpoint, EndpointError};
pub use events::Events;
#[cfg(feature = "sse")]
pub use feed_builder::{FeedBuilder, follow};
#[cfg(feature = "sse")]
pub use feed_stream::FeedStream;
pub use frame_builder::FrameBuilder;
pub use frame_codec::SOCKET_IO_DETECTED;
pub use headers::{HeaderError, Headers};
pub use message_builder::MessageBuilder;
#[cfg(feature = "socketio")]
pub use namespace::{NamespaceBuilder, OpenNamespaceError};
pub use permit::Permit;
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError};
pub use request::TokenLocation;
pub use request_future::Request;
pub use requests::RequestError;
pub use send_future::{Receipt, SendError, SendFuture};
#[cfg(feature = "socketio")]
pub use socket_io::SocketIo;
pub use state_file::StateFile;
pub use state_store::{StateError, StateStore};
pub use status::{ClosedError, ConnectionStatus};
pub use subscription::{Missed, Subscription};
pub use tls_error::TlsError;
pub use typed::{Typed, TypedEvents, TypedFrameError};
pub use waiter::JoinError;
