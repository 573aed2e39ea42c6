//! Opens WebSockets as a client does, with no client around them, for tools that test a server. Reads and writes frames verbatim.

use super::{BuildError, ConnectOptions, Resolved};
use crate::cause::DialError;
use crate::native::connect::{Endpoint, TokenLocation, Transport, WebSocketConnector};
use crate::token::Token;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;
use futures_util::Sink;
use std::fmt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Opens connections to one address. Not for applications.
#[derive(Debug, Clone)]
pub struct Dialer {
    connector: WebSocketConnector,
    endpoint: Endpoint,
}

/// An open connection. Not for applications.
pub struct RawWebSocket(WebSocketStream<Transport>);

impl ConnectOptions {
    /// Connections of at most so many bytes a message, without a client. A token goes into the query by default.
    ///
    /// # Errors
    /// For bad arguments only.
    #[doc(hidden)]
    pub fn dialer(
        self,
        endpoint: Endpoint,
        subprotocols: &[String],
        max_message: usize,
    ) -> Result<Dialer, BuildError> {
        let Resolved { connector, request: options, .. } =
            self.resolve(std::slice::from_ref(&endpoint), None, Some(TokenLocation::Query))?;
        let subprotocols = subprotocols.iter().map(|name| name.as_str().into()).collect();
        let websocket =
            WebSocketConfig::default().max_message_size(Some(max_message)).max_frame_size(Some(max_message));
        Ok(Dialer { connector: WebSocketConnector { connector, options, subprotocols, websocket }, endpoint })
    }
}

impl Dialer {
    /// Opens a connection; has no deadline of its own.
    ///
    /// Cancel safe: an attempt that is dropped is given up.
    ///
    /// # Errors
    /// When none opens.
    pub async fn dial(&self, token: Option<&Token>, extended: bool) -> Result<RawWebSocket, DialError> {
        self.connector.dial(&self.endpoint, token, extended).await.map(RawWebSocket)
    }
}

impl Stream for RawWebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl Sink<Message> for RawWebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.0).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.0).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl fmt::Debug for RawWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawWebSocket").finish_non_exhaustive()
    }
}
