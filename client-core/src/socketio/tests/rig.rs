//! A session on a hand-driven clock, and the packets of a server written by hand.

use crate::event::{Delivery, DeliveryStatus, Event, SendId};
use crate::link::ConnId;
use crate::machine::ClockReading;
use crate::messages::{Message, ServerMessage};
use crate::name::PERSONAL_ROOM;
use crate::outbound::OutboundMessage;
use crate::session::{Command, Input, Output};
use crate::socketio::{
    Answer, ClientEvent, ClientPacket, Connected, Handshake, Options, ServerEvent, ServerPacket, Session,
    TrailingArg,
};
use crate::{Config, Name, Timestamp};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) type Said = Output<String, Name, ClientPacket>;

/// A session with everything it said since it was last asked.
pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) now: ClockReading,
    /// The connection that was dialled last.
    pub(super) conn: ConnId,
    last_frame: u64,
    said: Vec<Said>,
}

pub(super) const HANDSHAKE: Handshake =
    Handshake { ping_interval_ms: 25_000, ping_timeout_ms: 20_000, max_payload: Some(1_000_000) };

pub(super) fn connected(pid: Option<&str>) -> ServerPacket {
    ServerPacket::Connected(Connected { has_sid: true, pid: pid.map(Box::from) })
}

pub(super) fn event(message: ServerMessage) -> ServerEvent {
    ServerEvent { ack: None, trailing: None, message, data_before_trailing: None }
}

pub(super) fn said(room: &str, content: &str) -> ServerMessage {
    ServerMessage::Message(Message::plain(room.into(), "bob".into(), content.into(), "t".into()))
}

/// A message as a server that recovers sends it.
pub(super) fn placed(room: &str, content: &str, offset: &str) -> ServerPacket {
    let trailing = TrailingArg { text: offset.into(), follows_object: true };
    ServerPacket::Event(ServerEvent { trailing: Some(trailing), ..event(said(room, content)) })
}

pub(super) const DONE: Answer = Answer::Done { id: None, seq: None, members: None, answer: None };

impl Rig {
    pub(super) fn with(config: Config, options: Options) -> Self {
        let now = ClockReading::new(Timestamp::from_millis(1), Duration::from_secs(1_800_000_000));
        #[cfg_attr(not(feature = "frames"), expect(unused_mut, reason = "there are no own events"))]
        let mut session = Session::new(config, options, PERSONAL_ROOM.into(), 5);
        #[cfg(feature = "frames")]
        session.custom_events("".into());
        Self { session, now, conn: ConnId(0), last_frame: 0, said: Vec::new() }
    }

    pub(super) fn new() -> Self {
        Self::with(Config::default(), Options::default())
    }

    /// Let in, in these rooms, with nothing left to hear.
    pub(super) fn in_rooms(rooms: &[&str], pid: Option<&str>) -> Self {
        let mut rig = Self::new();
        for room in rooms {
            rig.join(room);
        }
        rig.command(Command::Connect);
        rig.let_in(pid);
        for ack in 0..rooms.len() {
            rig.answer(ack as u64, DONE);
        }
        rig.flush();
        rig.said();
        rig
    }

    pub(super) fn input(&mut self, input: Input<String, Name, ServerPacket>) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll() {
            match &output {
                Output::Dial { conn, token, extended, .. } => {
                    assert!(token.is_none() && !extended, "the token goes into the auth object alone");
                    (self.conn, self.last_frame) = (*conn, 0);
                }
                Output::Send { conn, frame, .. } => {
                    assert_eq!((*conn, *frame), (self.conn, self.last_frame + 1));
                    self.last_frame = *frame;
                }
                _ => {}
            }
            self.said.push(output);
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    pub(super) fn join(&mut self, room: &str) {
        self.command(Command::Join(Name::from(room).into()));
    }

    pub(super) fn send(&mut self, number: u64, content: &str) {
        self.command(Command::Send(OutboundMessage::new(SendId(number), "r".into(), content.into())));
    }

    pub(super) fn receive(&mut self, packet: ServerPacket) {
        self.input(Input::Received(self.conn, packet));
    }

    pub(super) fn answer(&mut self, id: u64, answer: Answer) {
        self.receive(ServerPacket::Ack { id, answer: Box::new(answer) });
    }

    /// The socket opens, and the engine says its first word.
    pub(super) fn greet(&mut self) {
        self.input(Input::Opened(self.conn));
        self.receive(ServerPacket::Open(HANDSHAKE));
    }

    pub(super) fn let_in(&mut self, pid: Option<&str>) {
        self.greet();
        self.receive(connected(pid));
    }

    pub(super) fn flush(&mut self) {
        self.input(Input::Flushed(self.conn, self.last_frame));
    }

    pub(super) fn lose(&mut self) {
        self.input(Input::Closed(self.conn, crate::machine::Disconnect::Lost));
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall += time;
        self.input(Input::Tick);
    }

    /// Lets time pass, deadline by deadline, until it dials.
    pub(super) fn wait_for_dial(&mut self) {
        let before = self.conn;
        for _ in 0..50 {
            if self.conn != before {
                return;
            }
            let at = self.session.next_deadline().expect("something to wait for");
            self.pass((at - self.now.monotonic).max(Duration::from_millis(1)));
        }
        panic!("it does not dial");
    }

    pub(super) fn said(&mut self) -> Vec<Said> {
        core::mem::take(&mut self.said)
    }

    pub(super) fn packets(&mut self) -> Vec<ClientPacket> {
        let sent = |output| match output {
            Output::Send { message, .. } => Some(message),
            _ => None,
        };
        self.said().into_iter().filter_map(sent).collect()
    }

    /// What happened, in a few words each.
    pub(super) fn story(&mut self) -> Vec<String> {
        self.said().into_iter().filter_map(told).collect()
    }

    pub(super) fn deliveries(&mut self) -> Vec<(u64, DeliveryStatus)> {
        let outcome = |output| match output {
            Output::Event(Event::Delivery(Delivery { id, status, .. })) => Some((id.0, status)),
            _ => None,
        };
        self.said().into_iter().filter_map(outcome).collect()
    }
}

fn told(output: Said) -> Option<String> {
    Some(match output {
        Output::Send { message: ClientPacket::Emit { event, .. }, .. } => match event {
            ClientEvent::Join { room } => format!("> join {room}"),
            ClientEvent::Leave { room } => format!("> leave {room}"),
            ClientEvent::Send { room, content, .. } => format!("> {content} to {room}"),
        },
        Output::Event(Event::State(change)) => {
            let code = change.cause.map(|cause| format!(" {}", cause.code.as_str())).unwrap_or_default();
            format!("{}{code}", change.state.as_str())
        }
        Output::Event(Event::Mode(mode)) => mode.as_str().to_owned(),
        Output::Event(Event::Ready(_)) => "ready".to_owned(),
        Output::Event(Event::Room(change)) if change.refused.is_some() => {
            let code = change.refused.map_or("", crate::messages::Code::as_str);
            format!("{} not yet: {code}", change.room)
        }
        Output::Event(Event::JoinReply { room, reply }) => {
            format!("reply in {room}: {}", reply.answer.unwrap_or_default())
        }
        Output::Event(Event::Room(change)) => format!("{} {}", change.state.as_str(), change.room),
        Output::Event(Event::Joined(joined)) => {
            let fresh = joined.reason.map(|reason| format!(" {}", reason.as_str())).unwrap_or_default();
            let how = if joined.recovered { " recovered" } else { "" };
            format!("answered {}{how}{fresh}, {} replayed", joined.room, joined.replayed)
        }
        Output::Event(Event::Message(message)) => format!("{} in {}", message.content, message.room),
        Output::Event(Event::Gap(gap)) => format!("gap in {}", gap.room),
        Output::Event(Event::ServerError { message, .. }) => format!("error {message}"),
        Output::Event(Event::Notification(notification)) => {
            format!("notification {} {}", notification.kind, notification.data.unwrap_or_default())
        }
        Output::Event(Event::Delivery(delivery)) => {
            let status = match delivery.status {
                DeliveryStatus::Written => "written",
                DeliveryStatus::Answered { .. } => "answered",
                DeliveryStatus::Unknown => "unknown",
                DeliveryStatus::Failed(why) => why.as_str(),
                DeliveryStatus::Acked { .. } => "acked",
            };
            let words = delivery.reply.and_then(|reply| reply.message).map(|words| format!(": {words}"));
            format!("{} is {status}{}", delivery.id.0, words.unwrap_or_default())
        }
        Output::Abort { code, .. } => format!("abandon {code}"),
        Output::Close { code, .. } => format!("close {code}"),
        Output::FetchToken { rejected } => format!("fetch token, rejected: {rejected}"),
        _ => return None,
    })
}
