//! The tokio driver: a socket, a clock and a task around a [`Session`](crate::Session), with no decisions of its own.

mod builder;
mod client;
mod dial;
mod driver;
mod endpoint;
mod events;
mod inbox;
mod proxy;
mod receipts;
mod sending;
mod socket;
mod tls;
mod transport;

pub use builder::{Buffers, BuildError, ClientBuilder, TokenPlace};
pub use client::{Client, Ended, Snapshot};
pub use endpoint::{Endpoint, EndpointError};
pub use events::Events;
pub use proxy::{Proxy, ProxyError};
pub use sending::{Receipt, SendError, Sending};
pub use tls::TlsError;
