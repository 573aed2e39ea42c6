//! A raw connection of the conformance kit: sends frames verbatim and returns what arrives. Decides nothing.

use super::deviation::{Deviation, quoted};
use crate::describe;
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin::{Cause, CauseCode, DialError, DialErrorKind, Dialer, RawWebSocket, Token};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;

/// The largest frame that is read, in bytes: a server under test is not trusted.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Frames that may pass by while one is waited for.
const MOST_FRAMES: usize = 1000;
/// Tries at a server that has no time for one more connection now.
const TRIES: u64 = 5;

/// One connection to the server under test.
pub(super) struct Peer {
    socket: RawWebSocket,
    deadline: Duration,
}

/// What ended a connection.
#[derive(Debug)]
pub(super) enum Ending {
    Closed(Option<u16>),
    Lost,
}

impl Peer {
    /// Connects. `Err` has the sentence that tells what happened.
    pub(super) async fn open(
        dialer: &Dialer,
        token: Option<&Token>,
        extended: bool,
        deadline: Duration,
    ) -> Result<Self, String> {
        for turn in 1.. {
            match timeout_at(Instant::now() + deadline, dialer.dial(token, extended)).await {
                Ok(Ok(socket)) => return Ok(Self { socket, deadline }),
                // Many connections in a short time are the kit's doing.
                Ok(Err(error)) if turn < TRIES && matches!(error.kind, DialErrorKind::Http(429 | 503)) => {
                    tokio::time::sleep(Duration::from_secs(turn)).await;
                }
                Ok(Err(DialError { kind, text, .. })) => {
                    return Err(describe::cause(&Cause::new(CauseCode::Dial(kind), text)));
                }
                Err(_) => return Err(format!("no connection within {} s", deadline.as_secs())),
            }
        }
        Err("no connection".to_owned())
    }

    pub(super) async fn send(&mut self, frame: &Value) -> Result<(), Deviation> {
        self.write(Message::text(frame.to_string())).await
    }

    pub(super) async fn write(&mut self, message: Message) -> Result<(), Deviation> {
        match timeout_at(Instant::now() + self.deadline, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Deviation::Failed(format!("the connection is lost: {error}"))),
            Err(_) => Err(Deviation::Failed("the server takes nothing more".to_owned())),
        }
    }

    /// The next frame for which `is` holds, and those that came before it.
    pub(super) async fn until(
        &mut self,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<(Value, Vec<Value>), Deviation> {
        let deadline = Instant::now() + self.deadline;
        let mut before: Vec<Value> = Vec::new();
        while before.len() < MOST_FRAMES {
            match self.next(deadline).await {
                Ok(Some(frame)) if is(&frame) => return Ok((frame, before)),
                Ok(Some(frame)) => before.push(frame),
                Ok(None) => {
                    let seconds = self.deadline.as_secs();
                    let instead = match before.last() {
                        Some(frame) => format!("last came {}", quoted(frame)),
                        None => "nothing came".to_owned(),
                    };
                    return Err(Deviation::Failed(format!("no {what} within {seconds} s; {instead}")));
                }
                Err(ending) => {
                    return Err(Deviation::Failed(format!("no {what}: {}", ending.describe())));
                }
            }
        }
        Err(Deviation::Failed(format!("no {what} among {MOST_FRAMES} frames")))
    }

    /// The next frame; `None` when there is none before the deadline.
    async fn next(&mut self, deadline: Instant) -> Result<Option<Value>, Ending> {
        loop {
            let Ok(read) = timeout_at(deadline, self.socket.next()).await else { return Ok(None) };
            let text = match read {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(frame))) => {
                    return Err(Ending::Closed(frame.map(|CloseFrame { code, .. }| code.into())));
                }
                Some(Ok(Message::Binary(bytes))) => {
                    return Ok(Some(Value::String(format!("a binary frame of {} bytes", bytes.len()))));
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(Ending::Lost),
            };
            return Ok(Some(serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.to_string()))));
        }
    }

    /// How the server ends the connection; `None` if it does not before the deadline.
    pub(super) async fn ending(&mut self) -> Option<Ending> {
        let deadline = Instant::now() + self.deadline;
        loop {
            match self.next(deadline).await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(ending) => return Some(ending),
            }
        }
    }

    /// A ping of WebSocket's own, and its answer.
    pub(super) async fn ping(&mut self) -> Result<(), Deviation> {
        self.write(Message::Ping(b"rejoin".as_slice().into())).await?;
        let deadline = Instant::now() + self.deadline;
        loop {
            match timeout_at(deadline, self.socket.next()).await {
                Ok(Some(Ok(Message::Pong(bytes)))) if &bytes[..] == b"rejoin" => return Ok(()),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => {
                    return Err(Deviation::Failed("the connection was lost".to_owned()));
                }
                Err(_) => return Err(Deviation::Failed("no pong came".to_owned())),
            }
        }
    }

    /// Ends the connection as an application does that leaves.
    pub(super) async fn close(mut self) {
        let frame = CloseFrame { code: 1000.into(), reason: "".into() };
        if self.write(Message::Close(Some(frame))).await.is_ok() {
            let _ = self.ending().await;
        }
    }
}

impl Ending {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Closed(Some(code)) => format!("the server closed the connection with {code}"),
            Self::Closed(None) => "the server closed the connection without a code".to_owned(),
            Self::Lost => "the connection was cut".to_owned(),
        }
    }
}
