//! The tokio drivers: a socket, a clock and a task around a [`Session`](crate::Session), a
//! [`socketio::Session`](crate::socketio::Session) or a [`Feed`](crate::Feed), with no decisions of their own.

mod access;
mod builder;
mod client;
mod clock;
mod dial;
mod draft;
mod driver;
mod endpoint;
mod events;
mod follow;
mod follower;
mod following;
mod inbox;
mod keeper;
mod machine;
mod proxy;
mod receipts;
mod route;
mod sending;
mod socket;
mod socket_io;
mod sockets;
mod state;
mod state_file;
mod stream_request;
mod taken;
mod tls;
mod transport;

pub use builder::{Buffers, BuildError, ClientBuilder, TokenPlace};
pub use client::{Client, Ended, Snapshot};
pub use draft::Draft;
pub use endpoint::{Endpoint, EndpointError};
pub use events::Events;
pub use follow::{FollowBuilder, follow};
pub use following::Following;
pub use proxy::{Proxy, ProxyError};
pub use sending::{Receipt, SendError, Sending};
pub use socket_io::SocketIo;
pub use state::{StateError, StateStore};
pub use state_file::StateFile;
pub use tls::TlsError;
