//! A plain room server that reads the token in one place only and accepts one token.

use std::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, accept_hdr};

/// Where the token is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer`.
    Header,
    /// `?token=`.
    Query,
    /// `{"type":"auth","token":…}` as the first frame.
    Message,
}

/// How another token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// After the upgrade, with 4001.
    Close,
    /// After the upgrade, with this code.
    CloseWith(u16),
    /// By HTTP 401, with a page that repeats the request's address.
    Http,
}

/// Sends each message back to its sender. Its threads end with the test process.
#[derive(Debug)]
pub struct TokenReader {
    /// `ws://127.0.0.1:PORT/ws`
    pub url: String,
}

impl TokenReader {
    /// Starts one that knows this token.
    pub fn start(place: Place, refusal: Refusal, token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let token = token.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let token = token.clone();
                std::thread::spawn(move || serve(stream.unwrap(), place, refusal, &token));
            }
        });
        Self { url }
    }
}

/// What the request has in that place, as it is written.
fn token_of(request: &Request, place: Place) -> Option<String> {
    match place {
        Place::Header => {
            let value = request.headers().get("authorization")?.to_str().ok()?;
            value.strip_prefix("Bearer ").map(str::to_owned)
        }
        Place::Message => None,
        Place::Query => {
            let mut pairs = request.uri().query()?.split('&');
            pairs.find_map(|pair| pair.strip_prefix("token=")).map(str::to_owned)
        }
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback has this type")]
fn serve(stream: TcpStream, place: Place, refusal: Refusal, token: &str) {
    let mut is_known = false;
    let accepted = accept_hdr(stream, |request: &Request, response: Response| {
        is_known = token_of(request, place).is_some_and(|given| given == token);
        if is_known || place == Place::Message || refusal != Refusal::Http {
            return Ok(response);
        }
        let mut refused = ErrorResponse::new(Some(format!("not allowed: {}", request.uri())));
        *refused.status_mut() = tokio_tungstenite::tungstenite::http::StatusCode::UNAUTHORIZED;
        Err(refused)
    });
    let Ok(mut socket) = accepted else { return };
    if place == Place::Message
        && let Ok(Message::Text(first)) = socket.read()
    {
        let first: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
        is_known = first == serde_json::json!({ "type": "auth", "token": token });
        if is_known {
            // It has nothing that it would be the answer to.
            let _ = socket.send(r#"{"type":"auth_ok"}"#.into());
        }
    }
    if !is_known {
        let code = if let Refusal::CloseWith(code) = refusal { code } else { 4001 };
        // The client may have gone.
        let _ = socket.close(Some(CloseFrame { code: code.into(), reason: "Unauthorized".into() }));
    }
    while let Ok(message) = socket.read() {
        let Message::Text(text) = message else { continue };
        let Ok(mut frame) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
        if frame["type"] == "send_message" {
            frame["type"] = "message".into();
            frame["userId"] = "somebody".into();
            frame["timestamp"] = "2026-01-01T12:34:56.000Z".into();
            let _ = socket.send(frame.to_string().into());
        }
    }
}
