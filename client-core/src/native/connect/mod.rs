//! A connection to a server: its address, the request with its credentials, the byte stream, HTTP, and the WebSocket or the
//! long polling over it. Knows no session, and decides nothing of when to dial.

mod basic;
mod endpoint;
#[cfg(feature = "socketio")]
mod engine_hint;
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
mod transport;
mod upgrade;
mod websocket;

pub use endpoint::{Endpoint, EndpointError};
pub(crate) use frame_stream::FrameStream;
pub use headers::{HeaderError, Headers};
#[cfg(feature = "socketio")]
pub(crate) use polling::Polling;
pub use request::TokenLocation;
pub(crate) use request::{HeadersSource, RequestOptions};
pub use transport::TlsError;
pub(crate) use transport::{ByteStream, Connector, CustomConnector, TlsOptions};
#[cfg(feature = "proxy")]
pub use transport::{Proxy, ProxyError};
pub(crate) use websocket::WebSocketConnector;
#[cfg(feature = "sse")]
pub(crate) use {
    http::{ExpectedServer, HttpResponse, exchange},
    http_error::{http_error, is_encoded, media_type},
    redact::Secrets,
};
