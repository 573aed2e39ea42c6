//! The network and the server process.

use super::{Happening, World};
use crate::sim::net::{Conn, Packet, Pipe, Way};
use crate::sim::server::{Process, Server};
use crate::sim::{Micros, SECOND};
use rejoin::messages::json::decode_client;
use rejoin::{ClientMessage, DialError, DialErrorKind, Name, ServerMessage, Token};
use rejoin_server::hub;
use std::time::Duration;

impl World {
    pub(super) fn write(&mut self, index: usize, way: Way, packet: Packet) {
        let jitter = self.rng.u64(..=self.conns[index].latency / 4);
        let conn = &mut self.conns[index];
        let latency = conn.latency + jitter;
        let now = self.now;
        if let Some((end, at)) = conn.pipe(way).write(now, latency, &packet) {
            self.at(at, Happening::Arrive { conn: index, way, end, packet });
        }
    }

    pub(super) fn arrive_up(&mut self, index: usize, end: u64, packet: Packet) {
        let blocked = match self.server.process {
            Process::Frozen(_) => true,
            Process::Up | Process::Down(_) => false,
        };
        if blocked {
            self.server_backlog.push(Happening::Arrive { conn: index, way: Way::Up, end, packet });
            return;
        }
        if !self.conns[index].up.take(end) || !self.conns[index].server_open {
            return;
        }
        if self.conns[index].client_open {
            self.flush(index);
        }
        let conn = hub::ConnId(index as u64);
        match packet {
            Packet::Text(text) => {
                if let Ok(Some(ClientMessage::SendMessage { content, .. })) = decode_client(&text) {
                    self.checker.arrived(index, &content);
                }
                self.hub(hub::Input::Frame { conn, text: &text });
            }
            Packet::Ping => {
                self.write(index, Way::Down, Packet::Pong);
                self.hub(hub::Input::Heard { conn });
            }
            Packet::Pong => self.hub(hub::Input::Heard { conn }),
            Packet::Close(code) => {
                self.write(index, Way::Down, Packet::Close(code));
                self.server_hangs_up(index);
            }
            Packet::Reset => self.server_hangs_up(index),
        }
    }

    pub(super) fn cut(&mut self, index: usize) {
        self.trace.note(self.now, "net", format_args!("cut connection {index}"));
        self.conns[index].up.cut(&mut self.rng);
        self.conns[index].down.cut(&mut self.rng);
        // Beyond the cut nothing arrives; that the connection is gone is learnt all the same, a little later.
        for way in [Way::Up, Way::Down] {
            let latency = self.conns[index].latency;
            let pipe: &mut Pipe = self.conns[index].pipe(way);
            if let Some((_, at)) = pipe.write(self.now, latency, &Packet::Reset) {
                self.at(at, Happening::Arrive { conn: index, way, end: 0, packet: Packet::Reset });
            }
        }
    }

    pub(super) fn accept(
        &mut self,
        client: usize,
        id: rejoin::ConnId,
        latency: Micros,
        token: Option<&Token>,
    ) {
        match self.server.process {
            Process::Down(_) => {
                let error = DialError::new(DialErrorKind::Refused, "");
                self.later(latency, Happening::DialEnds { client, id, result: Err(error) });
                return;
            }
            // The kernel accepts, nobody answers.
            Process::Frozen(_) => return,
            Process::Up => {}
        }
        if self.server.draining_until.is_some() {
            let retry_after = Some(Duration::from_secs(2));
            let error = DialError { retry_after, ..DialError::new(DialErrorKind::Http(503), "") };
            self.later(latency, Happening::DialEnds { client, id, result: Err(error) });
            return;
        }
        let index = self.conns.len();
        self.conns.push(Conn {
            client,
            id,
            latency,
            up: Pipe::default(),
            down: Pipe::default(),
            client_open: false,
            server_open: true,
            unflushed: None,
        });
        // The upgrade's answer and what follows it arrive in this order.
        self.later(latency, Happening::DialEnds { client, id, result: Ok(index) });
        let serial = self.clients[client].token_serial;
        if token == Some(&self.clients[client].token(serial)) {
            let user = Name::from(self.clients[client].name.as_str());
            let conn = hub::ConnId(index as u64);
            self.hub(hub::Input::Connected { conn, user, extended: false, expires: None });
        } else {
            self.write(index, Way::Down, Packet::Close(4001));
            self.conns[index].server_open = false;
        }
    }

    pub(super) fn hub(&mut self, input: hub::Input<'_>) {
        self.server.hub.handle(Server::moment(self.now), input);
        while let Some(output) = self.server.hub.poll() {
            match output {
                hub::Output::Send { conn, text } => {
                    if let Ok(ServerMessage::Message(message)) = self.decoder.decode(&text) {
                        self.checker.broadcast(&message.room, &message.content);
                        self.trace.note(
                            self.now,
                            "hub",
                            format_args!("sends {} of {} to {}", message.content, message.room, conn.0),
                        );
                    }
                    self.write(conn.0 as usize, Way::Down, Packet::Text(text.as_str().to_owned()));
                }
                hub::Output::Ping { conn } => self.write(conn.0 as usize, Way::Down, Packet::Ping),
                hub::Output::Close { conn, code, .. } => {
                    self.trace.note(self.now, "hub", format_args!("closes {} with {code}", conn.0));
                    self.write(conn.0 as usize, Way::Down, Packet::Close(code));
                    self.conns[conn.0 as usize].server_open = false;
                }
                hub::Output::Terminate { conn } => {
                    self.trace.note(self.now, "hub", format_args!("terminates {}", conn.0));
                    self.write(conn.0 as usize, Way::Down, Packet::Reset);
                    self.conns[conn.0 as usize].server_open = false;
                }
                _ => {}
            }
        }
        if self.server.draining_until.is_some() && self.server.hub.connections() == 0 {
            self.server_down();
        }
    }

    pub(super) fn server_hangs_up(&mut self, index: usize) {
        self.conns[index].server_open = false;
        let conn = hub::ConnId(index as u64);
        self.hub(hub::Input::Disconnected { conn, clean: false });
    }

    pub(super) fn server_down(&mut self) {
        let longest = if self.calm { SECOND } else { 40 * SECOND };
        let back = self.now + self.rng.u64(SECOND / 10..longest);
        self.trace.note(self.now, "server", format_args!("dies"));
        for index in 0..self.conns.len() {
            if self.conns[index].server_open {
                self.cut(index);
                self.conns[index].server_open = false;
            }
        }
        self.server = Server { process: Process::Down(back), ..Server::new() };
        self.server_backlog.clear();
        self.at(back, Happening::ServerBack);
    }

    pub(super) fn server_back(&mut self) {
        let due = match self.server.process {
            Process::Down(at) | Process::Frozen(at) => at <= self.now || self.calm,
            Process::Up => match self.server.draining_until {
                Some(at) if at <= self.now => return self.server_down(),
                _ => return,
            },
        };
        if !due {
            return;
        }
        self.trace.note(self.now, "server", format_args!("is back"));
        self.server.process = Process::Up;
        for happening in std::mem::take(&mut self.server_backlog) {
            self.happen(happening);
        }
    }
}
