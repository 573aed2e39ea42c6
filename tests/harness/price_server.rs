//! A plain server with application frames: price subscriptions and quote requests, of which the first for `cut` cuts its connection. Of the room protocol it handles only messages,
//! which it echoes.

use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// How long anything may take before the test gives up. Not a measurement: only a hang meets it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running server. Its threads end with the test process.
#[derive(Debug)]
pub struct PriceServer {
    /// `ws://127.0.0.1:PORT/ws`
    pub url: String,
    heard: Receiver<(usize, String)>,
}

impl PriceServer {
    /// On a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (teller, heard) = channel();
        std::thread::spawn(move || {
            for (conn, stream) in listener.incoming().enumerate() {
                let teller = teller.clone();
                std::thread::spawn(move || serve(conn, stream.unwrap(), &teller));
            }
        });
        Self { url, heard }
    }

    /// The next text that a client has sent, and on which connection, from 0.
    pub fn hear(&self) -> (usize, String) {
        match self.heard.recv_timeout(TIMEOUT) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) => panic!("the server has heard nothing for 60 s"),
            Err(RecvTimeoutError::Disconnected) => panic!("the server is gone"),
        }
    }
}

fn serve(conn: usize, stream: TcpStream, teller: &Sender<(usize, String)>) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else { continue };
        let Ok(frame) = serde_json::from_str::<Value>(&text) else { continue };
        // The test may have heard enough.
        let _ = teller.send((conn, text.to_string()));
        if conn == 0 && frame["type"] == "quote" && frame["symbol"] == "cut" {
            return;
        }
        if !answer(&mut socket, &frame) {
            return;
        }
    }
}

/// Says whether the connection goes on.
fn answer(socket: &mut WebSocket<TcpStream>, frame: &Value) -> bool {
    let mut send = |message: Message| socket.send(message).is_ok();
    let text = |value: Value| Message::Text(value.to_string().into());
    match frame["type"].as_str().unwrap_or_default() {
        "subscribe" => frame["symbols"]
            .as_array()
            .into_iter()
            .flatten()
            .all(|symbol| send(text(json!({"type": "price", "symbol": symbol, "value": 1.5})))),
        "quote" => send(text(json!({"type": "quoted", "id": frame["id"], "value": 2.5}))),
        "oddities" => [
            Message::Text(r#"{"no":"type"}"#.into()),
            Message::Binary(vec![0, 159, 146, 150].into()),
            Message::Binary(br#"{"type":"price","symbol":"bytes","value":1}"#.to_vec().into()),
            Message::Text(r#"{"type":"price","symbol":7}"#.into()),
            Message::Text("no JSON".into()),
            text(json!({"type": "price", "symbol": "last", "value": 0})),
        ]
        .into_iter()
        .all(send),
        // Not as the protocol has it.
        "message" => send(text(json!({"type": "message", "room": frame["room"], "text": frame["text"]}))),
        "forbidden" => send(text(json!({"type": "error", "message": "no such thing"}))),
        "send_message" => send(text(json!({
            "type": "message", "roomId": frame["roomId"], "userId": "ada", "content": frame["content"],
            "timestamp": "2026-11-24T10:00:00.000Z",
        }))),
        "hang_up" => {
            let code = u16::try_from(frame["code"].as_u64().unwrap_or(1012)).unwrap_or(1012);
            let close = CloseFrame { code: code.into(), reason: "".into() };
            let _ = socket.close(Some(close));
            while socket.read().is_ok() {}
            false
        }
        _ => true,
    }
}
