//! Rooms read by server-sent events, each over its own HTTP connection, seen from outside as one WebSocket of an extended
//! server that takes no messages. Does not decide when it is used, and keeps nothing beyond the connection.
//!
//! The frames of the session are answered here: a join opens the room's stream, whose first event is the answer that a
//! member would get. From time to time the session is asked to move to another connection, which it dials by WebSocket; where that
//! fails, the streams go on.

mod answers;
mod dial;
mod reading;

use super::stream_request::StreamRequest;
use crate::cause::Disconnect;
use crate::messages::json::{ServerDecoder, decode_client, encode_server};
use crate::messages::{ClientMessage, GoingAway, JoinRequest, ServerMessage};
use crate::name::Name;
use crate::token::Token;
use reading::{Reading, Received};
use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Rooms that are read at once; each takes a connection of the user's.
const MAX_READINGS: usize = 16;
/// Frames that wait for the session: more than it may ask for at once.
const MAX_FRAMES: usize = 4096;
/// The close code of a token that is refused.
const UNAUTHORIZED: u16 = 4001;
/// At most between two attempts by WebSocket.
const MAX_MOVE: Duration = Duration::from_secs(600);

/// A connection by streams.
pub(crate) struct EventStreams {
    /// What the request of each room is made from.
    request: StreamRequest,
    token: Option<Token>,
    max_event: usize,
    readings: Vec<Reading>,
    /// Whose turn it is, so that none starves the others.
    turn: usize,
    decoder: ServerDecoder,
    /// For the session.
    frames: VecDeque<ServerMessage>,
    has_pong: bool,
    /// The close frame for the session.
    close: Option<(u16, &'static str)>,
    /// When the session is asked to move; never where only streams are wanted.
    next_move: Option<Pin<Box<Sleep>>>,
    pause: Duration,
}

impl EventStreams {
    /// The next frame, or how the connection ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Disconnect>> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                match encode_server(&frame) {
                    Some(text) => return Poll::Ready(Ok(Message::Text(text.into()))),
                    // Not one of those that are made here.
                    None => continue,
                }
            }
            if let Some((code, reason)) = self.close.take() {
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                return Poll::Ready(Ok(Message::Close(Some(frame))));
            }
            if std::mem::take(&mut self.has_pong) {
                return Poll::Ready(Ok(Message::Pong(Bytes::new())));
            }
            self.poll_move(cx);
            if self.frames.is_empty() {
                match self.poll_readings(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(how)) => return Poll::Ready(Err(how)),
                    Poll::Ready(Ok(())) => {}
                }
            }
        }
    }

    /// Answers a frame. There is nothing to be written anywhere.
    pub(crate) fn start_send(&mut self, message: Message) -> Result<(), Disconnect> {
        match message {
            Message::Text(text) => {
                if let Ok(Some(message)) = decode_client(&text) {
                    self.answer(message);
                }
            }
            Message::Ping(_) => self.has_pong = true,
            Message::Close(frame) => {
                self.readings.clear();
                self.close = Some((frame.map_or(1000, |frame| frame.code.into()), ""));
            }
            _ => {}
        }
        if self.frames.len() > MAX_FRAMES { Err(Disconnect::Lost) } else { Ok(()) }
    }

    fn answer(&mut self, message: ClientMessage) {
        match message {
            ClientMessage::JoinRoom { room, request: Some(request) } => self.join(room, request),
            ClientMessage::LeaveRoom { room, reference } => {
                self.readings.retain(|reading| *reading.room() != room);
                if let Some(reference) = reference {
                    self.frames.push_back(answers::left(room, reference));
                }
            }
            ClientMessage::Ping { t } => self.frames.push_back(ServerMessage::Pong { t }),
            ClientMessage::Auth { reference, token } => {
                // Shown with the next stream.
                self.token = Some(token);
                self.frames.push_back(answers::auth_ok(reference));
            }
            ClientMessage::History(request) => {
                let reading = self.readings.iter_mut().find(|reading| *reading.room() == request.room);
                let refusal = match reading {
                    Some(reading) => reading.ask(request),
                    None => Some(answers::no_history(request.reference, request.room)),
                };
                self.frames.extend(refusal);
            }
            // The session sends nothing else on such a connection, or expects no answer.
            _ => {}
        }
    }

    fn join(&mut self, room: Name, request: JoinRequest) {
        self.readings.retain(|reading| *reading.room() != room);
        if room.starts_with('@') {
            return self.frames.push_back(answers::no_notifications(request.reference, room));
        }
        if self.readings.len() >= MAX_READINGS {
            return self.frames.push_back(answers::too_many_rooms(request.reference, room));
        }
        let dial = StreamRequest { room, ..self.request.clone() };
        self.readings.push(Reading::open(dial, self.token.clone(), request, self.max_event));
    }

    fn poll_move(&mut self, cx: &mut Context<'_>) {
        let Some(next_move) = &mut self.next_move else { return };
        while next_move.as_mut().poll(cx).is_ready() {
            // Clients that were cut off together do not come back together.
            let window_ms = u64::try_from(self.pause.as_millis() / 4).unwrap_or_default();
            let moves = GoingAway { window_ms, url: None };
            self.frames.push_back(ServerMessage::GoingAway(Box::new(moves)));
            self.pause = (2 * self.pause).min(MAX_MOVE);
            next_move.as_mut().reset(Instant::now() + self.pause);
        }
    }

    /// Ready when a room has brought something for the session.
    fn poll_readings(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        let count = self.readings.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(reading) = self.readings.get_mut(at) else { continue };
            let Poll::Ready(received) = reading.poll(&mut self.decoder, cx) else { continue };
            self.turn = at + 1;
            match received {
                Received::Frame(frame) => self.frames.push_back(frame),
                Received::Refused(frame) => {
                    self.readings.remove(at);
                    self.frames.push_back(frame);
                }
                Received::TokenRefused => {
                    self.readings.clear();
                    self.close = Some((UNAUTHORIZED, "the token is refused"));
                }
                Received::Lost => return Poll::Ready(Err(Disconnect::Lost)),
            }
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}
