//! An extended server that refuses some rooms, and messages in the others, with a custom reason.

use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// How long anything may take before the test gives up. Not a measurement: only a hang meets it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What it says of everything that it refuses.
pub const WORDS: &str = "the cellar is flooded";

/// A running server. Its threads end with the test process.
#[derive(Debug)]
pub struct RefusingServer {
    /// `ws://127.0.0.1:PORT/ws`
    pub url: String,
    heard: Receiver<String>,
}

impl RefusingServer {
    /// On a free port. Joins of a room `closed:CODE` are refused for good, those of `later:CODE` for now. A message that is
    /// sent to any other room is refused as `forbidden`; in `silent` none is answered.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (teller, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let teller = teller.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &teller));
            }
        });
        Self { url, heard }
    }

    /// Waits until a client has sent a frame of this type.
    pub fn hear(&self, kind: &str) {
        while self.heard.recv_timeout(TIMEOUT).expect("nobody has said it") != kind {}
    }
}

fn serve(stream: TcpStream, teller: &Sender<String>) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    let hello = json!({
        "type": "hello", "v": 1, "userId": "ada", "serverTime": 0, "heartbeatMs": 30_000, "dedupeWindowMs": 600_000,
        "limits": {"frameBytes": 65536, "contentBytes": 8192, "rooms": 100, "inFlight": 64, "replay": 200},
        "reconnect": {"windowMs": 1000},
    });
    // It may have gone; the next read says so.
    let _ = socket.send(Message::Text(hello.to_string().into()));
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else { continue };
        let Ok(frame) = serde_json::from_str::<Value>(&text) else { continue };
        // The test may have heard enough.
        let _ = teller.send(frame["type"].as_str().unwrap_or_default().to_owned());
        if let Some(answer) = answer(&frame) {
            send(&mut socket, &answer);
        }
    }
}

fn send(socket: &mut WebSocket<TcpStream>, frame: &Value) {
    let _ = socket.send(Message::Text(frame.to_string().into()));
}

fn answer(frame: &Value) -> Option<Value> {
    let (reference, room) = (&frame["ref"], frame["roomId"].as_str().unwrap_or_default());
    let refused = |code: &str, retry: bool| {
        json!({
            "type": "error", "ref": reference, "roomId": room, "code": code, "retry": retry, "message": WORDS,
        })
    };
    match frame["type"].as_str()? {
        "join_room" => Some(match room.split_once(':') {
            Some(("closed", code)) => refused(code, false),
            Some(("later", code)) => refused(code, true),
            _ => json!({
                "type": "joined", "ref": reference, "roomId": room, "epoch": "e", "seq": 0, "replay": 0,
                "recovered": false, "reason": "fresh", "members": ["ada"],
            }),
        }),
        "send_message" if room == "silent" => None,
        "send_message" => Some(json!({
            "type": "nack", "ref": reference, "code": "forbidden", "retry": false, "message": WORDS,
        })),
        "ping" => Some(json!({"type": "pong", "t": frame["t"]})),
        _ => None,
    }
}
