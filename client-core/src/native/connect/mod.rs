//! A connection to a server: its address, the request with its credentials, the byte stream, HTTP, and the WebSocket or the
//! long polling over it. Knows no session, and decides nothing of when to dial.

mod basic;
mod endpoint;
#[cfg(feature = "socketio")]
mod engine_hint;
#[cfg(feature = "sse")]
mod event_streams;
mod frame_stream;
mod headers;
mod http;
mod http_error;
#[cfg(feature = "socketio")]
mod polling;
mod redact;
mod request;
mod request_first;
mod status_hint;
#[cfg(feature = "sse")]
mod stream_request;
mod transport;
mod upgrade;
mod websocket;

pub use endpoint::{Endpoint, EndpointError};
#[cfg(feature = "sse")]
pub(crate) use event_streams::EventStreams;
pub(crate) use frame_stream::FrameStream;
pub use headers::{HeaderError, Headers};
#[cfg(feature = "socketio")]
pub(crate) use polling::Polling;
pub(crate) use redact::Secrets;
pub use request::TokenLocation;
pub(crate) use request::{HeadersSource, RequestOptions};
#[cfg(feature = "sse")]
pub(crate) use stream_request::{StreamBody, StreamRequest};
pub use transport::TlsError;
pub(crate) use transport::{ByteStream, Connector, CustomConnector, TlsOptions, Transport};
#[cfg(feature = "proxy")]
pub use transport::{Proxy, ProxyError};
pub(crate) use websocket::WebSocketConnector;
