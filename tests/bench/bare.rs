//! The other ends of the benchmarks, as cheap as they can be made, and the message everybody sends.

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio_tungstenite::tungstenite::{self, Message};

/// The room of [`FRAME`].
pub(crate) const ROOM: &str = "benchmark-room";

/// A frame of 162 bytes: 64 bytes of content.
pub(crate) const FRAME: &str = concat!(
    r#"{"type":"message","roomId":"benchmark-room","userId":"user-0001","content":""#,
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    r#"","timestamp":"2026-11-22T10:00:00.000Z"}"#
);

/// Its content.
pub(crate) const CONTENT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What a program without this library would read frames into.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(dead_code, reason = "read for their cost")]
pub(crate) enum Tagged {
    Message { room_id: String, user_id: String, content: String, timestamp: String },
    UserJoined { room_id: String, user_id: String },
    Error { message: String },
}

/// The outgoing frame, as serde writes it.
pub(crate) fn outgoing() -> String {
    outgoing_to(ROOM)
}

/// The same to another room.
pub(crate) fn outgoing_to(room: &str) -> String {
    serde_json::to_string(&serde_json::json!({
        "type": "send_message", "roomId": room, "content": CONTENT,
    }))
    .unwrap()
}

/// Accepts one WebSocket and gives its TCP stream to `then`, on a thread of its own.
pub(crate) fn accept_one(then: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_nodelay(true).unwrap();
        let socket = tungstenite::accept(tcp).unwrap();
        then(socket.get_ref().try_clone().unwrap());
    });
    (address, thread)
}

/// Sends `count` frames as fast as the kernel takes them, once `go` says so, then waits for the peer to leave.
pub(crate) fn source(count: usize) -> (SocketAddr, mpsc::Sender<()>, JoinHandle<()>) {
    let (go, wait) = mpsc::channel();
    let (address, thread) = accept_one(move |mut tcp| {
        let mut frame = vec![0x81, 126];
        frame.extend_from_slice(&u16::try_from(FRAME.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(FRAME.as_bytes());
        let block = frame.repeat(500);
        if wait.recv().is_err() {
            return;
        }
        for _ in 0..count / 500 {
            if tcp.write_all(&block).is_err() {
                return;
            }
        }
        // The peer has counted to `count` when it closes.
        let mut scratch = [0; 256];
        while tcp.read(&mut scratch).is_ok_and(|read| read > 0) {}
    });
    (address, go, thread)
}

/// Swallows bytes until there have been `frames` frames of `payload` bytes, then says so.
pub(crate) fn sink(frames: usize, payload: usize) -> (SocketAddr, mpsc::Receiver<()>, JoinHandle<()>) {
    let (done, wait) = mpsc::channel();
    let header = if payload < 126 { 6 } else { 8 };
    let total = frames * (payload + header);
    let (address, thread) = accept_one(move |mut tcp| {
        let mut buffer = vec![0; 1 << 20];
        let mut taken = 0;
        while taken < total {
            match tcp.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => taken += read,
            }
        }
        let _ = done.send(());
        while tcp.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    (address, wait, thread)
}

/// Answers every text with [`FRAME`], until the peer leaves.
pub(crate) fn echo() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let thread = std::thread::spawn(move || {
        super::single_thread().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(Message::text(FRAME)).await.is_err() {
                    return;
                }
            }
        });
    });
    (address, thread)
}

/// A bare client connection with the library's defaults.
pub(crate) async fn connect(
    address: SocketAddr,
) -> tokio_tungstenite::WebSocketStream<tokio::net::TcpStream> {
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    tokio_tungstenite::client_async(format!("ws://{address}/"), tcp).await.unwrap().0
}

/// The outgoing frame, as a server without this library would read it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read for their cost")]
pub(crate) struct Outgoing {
    room_id: String,
    content: String,
}
