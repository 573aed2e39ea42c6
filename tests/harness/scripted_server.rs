//! A server that accepts every client and sends scripted frames, valid or not.

use std::net::TcpListener;
use tokio_tungstenite::tungstenite::{self, Message};

/// Speaks WebSocket, and no protocol in particular. Its thread ends with the test process.
#[derive(Debug)]
pub struct ScriptedServer {
    /// `ws://127.0.0.1:PORT/ws`
    pub url: String,
}

impl ScriptedServer {
    /// Sends these texts to whoever connects, as soon as he has said something, and then only listens.
    pub fn start(texts: Vec<String>) -> Self {
        Self::run(texts, false, |text| text.into())
    }

    /// Sends these texts to whoever connects, at once, and then only listens.
    pub fn start_unasked(texts: Vec<String>) -> Self {
        Self::run(texts, true, |text| text.into())
    }

    /// As [`ScriptedServer::start`], in binary frames.
    pub fn start_in_bytes(texts: Vec<String>) -> Self {
        Self::run(texts, false, |text| Message::Binary(text.to_owned().into()))
    }

    fn run(texts: Vec<String>, unasked: bool, frame: fn(&str) -> Message) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
                let mut texts = texts.iter();
                while unasked && texts.len() > 0 || socket.read().is_ok() {
                    for text in texts.by_ref() {
                        // It may have gone; the next read says so.
                        let _ = socket.send(frame(text));
                    }
                }
            }
        });
        Self { url }
    }
}
