//! What a driver does for each client, and nothing more.

use super::{Happening, LONGEST_HINT, World};
use crate::sim::SECOND;
use crate::sim::net::{Packet, Way};
use crate::sim::plan::DialFaults;
use rejoin::messages::json::encode_client;
use rejoin::{
    Command, DialError, DialErrorKind, Disconnect, Event, Input, Output, ServerMessage, Token, TokenError,
};
use std::time::Duration;

impl World {
    pub(super) fn input(&mut self, client: usize, input: Input) {
        let now = self.clients[client].moment(self.now);
        self.trace.note(self.now, &self.clients[client].name, format_args!("{}", Shown(&input)));
        self.clients[client].session.handle(now, input);
        self.perform(client);
        let diagnostics = self.clients[client].session.diagnostics();
        if diagnostics.outbox_len > self.plan.outbox || diagnostics.outbox_bytes > 4 << 20 {
            self.checker.violated(format!("8: the outbox of u{client} is over its bound: {diagnostics:?}"));
        }
    }

    pub(super) fn command(&mut self, client: usize, command: Command) {
        self.input(client, Input::Command(command));
    }

    /// Does what a driver does, and nothing more.
    pub(super) fn perform(&mut self, client: usize) {
        while let Some(output) = self.clients[client].session.poll() {
            if self.watch_for_tokens {
                self.checker.said(client, &format!("{output:?}"));
            }
            match output {
                Output::Event(event) => self.told(client, &event),
                Output::Send { conn, frame, message } => {
                    if let Some(index) = self.current(client, conn) {
                        self.write(index, Way::Up, Packet::Text(encode_client(&message)));
                        self.conns[index].unflushed = Some(frame);
                    }
                }
                Output::Ping { conn } => {
                    if let Some(index) = self.current(client, conn) {
                        self.write(index, Way::Up, Packet::Ping);
                    }
                }
                Output::Close { conn, code } => {
                    if let Some(index) = self.current(client, conn) {
                        self.write(index, Way::Up, Packet::Close(code));
                    }
                }
                Output::Abandon { conn, code } => self.abandon(client, conn, code),
                Output::Dial { conn, token, .. } => self.dial(client, conn, token),
                Output::FetchToken { .. } => self.fetch_token(client),
                _ => {}
            }
        }
        if let Some(index) = self.clients[client].conn {
            self.flush(index);
        }
    }

    pub(super) fn told(&mut self, client: usize, event: &Event) {
        self.trace.note(self.now, &self.clients[client].name, format_args!("    told {event:?}"));
        self.checker.event(client, event);
    }

    pub(super) fn current(&self, client: usize, id: rejoin::ConnId) -> Option<usize> {
        self.clients[client].conn.filter(|index| self.conns[*index].id == id)
    }

    pub(super) fn abandon(&mut self, client: usize, id: rejoin::ConnId, code: u16) {
        if let Some(index) = self.current(client, id) {
            self.write(index, Way::Up, Packet::Close(code));
            self.conns[index].client_open = false;
            self.clients[client].conn = None;
        }
        self.clients[client].dialing.take_if(|dialing| *dialing == id);
    }

    pub(super) fn fetch_token(&mut self, client: usize) {
        self.clients[client].token_question += 1;
        let question = self.clients[client].token_question;
        let fails = if self.calm { 0 } else { self.plan.token_source.unwrap_or(0) };
        let serial = self.clients[client].token_serial;
        let result = match self.rng.u8(..100) {
            luck if luck >= fails => Ok(self.clients[client].token(serial)),
            // Hangs: no answer at all.
            luck if luck % 4 == 0 => return,
            luck if luck % 4 == 1 => Ok(self.clients[client].token(serial.wrapping_sub(1))),
            luck if luck % 16 == 2 => Err(TokenError::permanent("signed out")),
            _ => Err(TokenError::temporary("the token service is away")),
        };
        let delay = self.rng.u64(..SECOND);
        self.later(delay, Happening::TokenAnswer { client, question, result });
    }

    pub(super) fn dial(&mut self, client: usize, id: rejoin::ConnId, token: Option<Token>) {
        let monotonic = self.clients[client].moment(self.now).monotonic.since_start().as_micros() as u64;
        self.checker.dialled(client, monotonic);
        if self.clients[client].conn.is_some() || self.clients[client].dialing.is_some() {
            self.checker.violated(format!("12: u{client} dials beside a connection it has"));
        }
        self.clients[client].dialing = Some(id);
        let (least, most) = self.plan.latency;
        let latency = self.rng.u64(least..=most);
        let faults = if self.calm { DialFaults::default() } else { self.plan.dial };
        let mut luck = self.rng.u8(..100);
        let mut chance = |share: u8| {
            let hit = luck < share;
            luck = luck.saturating_sub(share);
            if !hit && luck == 0 {
                luck = 100;
            }
            hit
        };
        let error = if chance(faults.refused) {
            DialError::new(DialErrorKind::Refused, "")
        } else if chance(faults.hang) {
            return;
        } else if chance(faults.http) {
            let status = [400, 401, 403, 404, 429, 500, 502, 503][self.rng.usize(..8)];
            let seconds = self.rng.u64(..=LONGEST_HINT);
            let retry_after = self.rng.bool().then(|| Duration::from_secs(seconds));
            DialError { retry_after, ..DialError::new(DialErrorKind::Http(status), "") }
        } else if chance(faults.other) {
            use DialErrorKind::{Certificate, Dns, NotWebSocket, Proxy, Tls, Unreachable};
            let kind = [Certificate, Dns, NotWebSocket, Proxy, Tls, Unreachable][self.rng.usize(..6)];
            DialError::new(kind, "")
        } else {
            self.later(latency, Happening::Accept { client, id, latency, token });
            return;
        };
        self.later(2 * latency, Happening::DialEnds { client, id, result: Err(error) });
    }

    pub(super) fn dial_ends(&mut self, client: usize, id: rejoin::ConnId, result: Result<usize, DialError>) {
        let awaited = self.clients[client].dialing == Some(id);
        match result {
            Ok(index) => {
                if awaited {
                    self.clients[client].dialing = None;
                    self.clients[client].conn = Some(index);
                    self.conns[index].client_open = true;
                    self.input(client, Input::Opened(id));
                } else {
                    // A driver that is a little behind may still report it; the machine must not care.
                    self.write(index, Way::Up, Packet::Reset);
                    if self.rng.bool() {
                        self.input(client, Input::Opened(id));
                    }
                }
            }
            Err(error) => {
                self.clients[client].dialing.take_if(|dialing| *dialing == id);
                self.input(client, Input::DialFailed(id, error));
            }
        }
    }

    pub(super) fn arrive_down(&mut self, index: usize, end: u64, packet: Packet) {
        if !self.conns[index].down.take(end) || !self.conns[index].client_open {
            return;
        }
        let (client, id) = (self.conns[index].client, self.conns[index].id);
        let input = match packet {
            Packet::Text(text) => match self.decoder.decode(&text) {
                Ok(message) => Input::Received(id, message),
                Err(error) => Input::Garbled(id, error.to_string().into()),
            },
            Packet::Ping => {
                self.write(index, Way::Up, Packet::Pong);
                Input::Heard(id)
            }
            Packet::Pong => Input::Pong(id),
            Packet::Close(code) => {
                self.write(index, Way::Up, Packet::Close(code));
                self.hang_up(index);
                Input::Closed(id, Disconnect::Closed { code, reason: "bye".into() })
            }
            Packet::Reset => {
                self.hang_up(index);
                Input::Closed(id, Disconnect::Lost)
            }
        };
        self.input(client, input);
    }

    pub(super) fn hang_up(&mut self, index: usize) {
        self.conns[index].client_open = false;
        let client = self.conns[index].client;
        self.clients[client].conn.take_if(|conn| *conn == index);
    }

    pub(super) fn flush(&mut self, index: usize) {
        if !self.conns[index].up.is_flushed() {
            return;
        }
        let Some(frame) = self.conns[index].unflushed.take() else { return };
        let late = !self.calm && self.rng.u8(..100) < self.plan.late_flush;
        let delay = if late { self.rng.u64(..SECOND / 5) } else { 0 };
        self.later(delay, Happening::Flush { conn: index, frame });
    }

    pub(super) fn flush_reported(&mut self, index: usize, frame: u64) {
        if self.conns[index].client_open {
            let (client, id) = (self.conns[index].client, self.conns[index].id);
            self.input(client, Input::Flushed(id, frame));
        }
    }
}

/// An input as a reader of the trace wants it.
struct Shown<'a>(&'a Input);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Input::Received(conn, ServerMessage::Message(message)) => {
                write!(f, "receives {} in {} on {}", message.content.trim(), message.room, conn.0)
            }
            other => write!(f, "{other:?}"),
        }
    }
}
