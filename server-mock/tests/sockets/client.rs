//! A client that knows nothing but WebSocket.

use crate::admission::address;
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin_server::{Config, Server, ServerHandle};
use serde_json::Value;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn server(change: impl FnOnce(&mut Config)) -> ServerHandle {
    let mut config = Config::default();
    change(&mut config);
    Server::bind(config).await.unwrap().spawn()
}

/// Anything that must happen, and soon.
pub(crate) fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let waiting = timeout(PATIENCE, Box::pin(future));
    async { waiting.await.expect("it happens within 20 s") }
}

pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// Opens a connection with `?token=`.
    pub(crate) async fn open(url: &str, token: &str) -> Self {
        Self::try_open(&format!("{url}?token={token}"), &[]).await.unwrap()
    }

    /// Opens one and joins a room; the join has been carried out when this returns.
    pub(crate) async fn in_room(url: &str, token: &str, room: &str) -> Self {
        let mut client = Self::open(url, token).await;
        client.say(&join(room)).await;
        client.sync().await;
        client
    }

    /// Opens a connection with `?ext=1` and gives what `hello` says.
    pub(crate) async fn extended(url: &str, token: &str) -> (Self, Value) {
        Self::try_open(&format!("{url}?ext=1&token={token}"), &[]).await.unwrap().greeted().await
    }

    /// The same, and while it does not read, the kernel takes at most `bytes` for it.
    pub(crate) async fn extended_with_buffer(url: &str, token: &str, bytes: u32) -> (Self, Value) {
        Self::with_buffer(&format!("{url}?ext=1&token={token}"), bytes).await.greeted().await
    }

    /// Opens a connection for which the kernel takes at most `bytes` while it does not read.
    pub(crate) async fn with_buffer(url: &str, bytes: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        let stream = MaybeTlsStream::Plain(soon(socket.connect(address(url))).await.unwrap());
        Self(soon(client_async(url, stream)).await.unwrap().0)
    }

    async fn greeted(mut self) -> (Self, Value) {
        let hello = self.hear_json().await;
        assert_eq!(hello["type"], "hello");
        (self, hello)
    }

    /// Says a frame.
    pub(crate) async fn ask(&mut self, frame: &Value) {
        self.say(&frame.to_string()).await;
    }

    /// Says a frame and gives what comes next.
    pub(crate) async fn answer(&mut self, frame: &Value) -> Value {
        self.ask(frame).await;
        self.hear_json().await
    }

    pub(crate) async fn try_open(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        soon(connect_async(request)).await.map(|(socket, _)| Self(socket))
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text frame.
    pub(crate) async fn hear(&mut self) -> String {
        match self.next().await {
            Ok(Message::Text(text)) => text.to_string(),
            other => panic!("no text but {other:?}"),
        }
    }

    /// The next text frame, as JSON.
    pub(crate) async fn hear_json(&mut self) -> Value {
        serde_json::from_str(&self.hear().await).unwrap()
    }

    /// The next thing that is neither ping nor pong.
    pub(crate) async fn next(&mut self) -> Result<Message, Error> {
        loop {
            match soon(self.0.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(other) => return other,
                None => return Err(Error::ConnectionClosed),
            }
        }
    }

    /// Waits until everything said so far has been handled, and expects no answer to it.
    pub(crate) async fn sync(&mut self) {
        self.say("?").await;
        assert_eq!(self.hear().await, r#"{"type":"error","message":"Invalid JSON"}"#);
    }

    /// The close code, when the server closes next.
    pub(crate) async fn close_code(&mut self) -> u16 {
        match self.next().await {
            Ok(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("no close frame but {other:?}"),
        }
    }

    /// Expects the connection to end without a close frame.
    pub(crate) async fn cut(&mut self) {
        let end = self.next().await;
        assert!(end.is_err(), "{end:?}");
    }
}

pub(crate) fn join(room: &str) -> String {
    serde_json::json!({ "type": "join_room", "roomId": room }).to_string()
}

pub(crate) fn message(room: &str, content: &str) -> String {
    serde_json::json!({ "type": "send_message", "roomId": room, "content": content }).to_string()
}
