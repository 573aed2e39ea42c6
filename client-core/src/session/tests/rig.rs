//! A session on a hand-driven clock, and the frames of an extended server written by hand.

use crate::event::{Delivery, DeliveryStatus, Event, SendId};
use crate::id::Id;
use crate::link::ConnId;
use crate::machine::ClockReading;
use crate::messages::{
    Ack, ClientMessage, Code, EntryMeta, Hello, JoinRequest, Joined, Limits, Message, Nack, ReconnectHint,
    SendTag, ServerMessage,
};
use crate::outbound::OutboundMessage;
use crate::session::{Command, Input, Output, Session};
use crate::{Config, Name, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

pub(super) fn acked(text: &str, seq: u64) -> DeliveryStatus {
    DeliveryStatus::Acked { id: id(text), seq }
}

/// A session with everything it said since it was last asked.
pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) now: ClockReading,
    /// The connection that was dialled last.
    pub(super) conn: ConnId,
    said: Vec<Output>,
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        Self::seeded(config, 5)
    }

    fn seeded(config: Config, seed: u64) -> Self {
        let now = ClockReading::new(Timestamp::from_millis(1), Duration::from_secs(1_800_000_000));
        #[cfg_attr(not(feature = "frames"), expect(unused_mut, reason = "there are no frames"))]
        let mut session = Session::new(config, seed);
        #[cfg(feature = "frames")]
        session.custom_frames("".into());
        Self { session, now, conn: ConnId(0), said: Vec::new() }
    }

    /// Connected to an extended server, in the room `r` whose log is at 10.
    pub(super) fn joined() -> Self {
        Self::joined_as(5)
    }

    /// The same with another seed.
    pub(super) fn joined_as(seed: u64) -> Self {
        let mut rig = Self::seeded(Config::default(), seed);
        rig.command(Command::Join(Name::from("r").into()));
        rig.command(Command::Connect);
        rig.open();
        rig.receive(hello("me"));
        let reference = rig.join_request("r").reference;
        rig.receive(ServerMessage::Joined(Box::new(Joined { replay: 1, ..join_answer(reference, "e", 10) })));
        rig.receive(replayed("e", 10));
        rig.said();
        rig
    }

    /// Connected to a plain server, in the room `r`.
    pub(super) fn plain() -> Self {
        let mut rig = Self::new(Config { extended: false, ..Config::default() });
        rig.command(Command::Join(Name::from("r").into()));
        rig.command(Command::Connect);
        rig.open();
        rig.input(Input::Flushed(rig.conn, 1));
        rig.said();
        rig
    }

    pub(super) fn input(&mut self, input: Input) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll() {
            if let Output::Dial { conn, .. } = &output {
                self.conn = *conn;
            }
            self.said.push(output);
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    pub(super) fn open(&mut self) {
        self.input(Input::Opened(self.conn));
    }

    pub(super) fn receive(&mut self, message: ServerMessage) {
        self.input(Input::Received(self.conn, message));
    }

    pub(super) fn send(&mut self, number: u64, content: &str) {
        self.command(Command::Send(OutboundMessage::new(SendId(number), "r".into(), content.into())));
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

    /// The connection breaks and the next one is open.
    pub(super) fn reconnect(&mut self) {
        self.input(Input::Closed(self.conn, crate::machine::Disconnect::Lost));
        self.wait_for_dial();
        self.open();
    }

    pub(super) fn said(&mut self) -> Vec<Output> {
        core::mem::take(&mut self.said)
    }

    pub(super) fn frames(&mut self) -> Vec<ClientMessage> {
        let sent = |output| match output {
            Output::Send { message, .. } => Some(message),
            _ => None,
        };
        self.said().into_iter().filter_map(sent).collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        let event = |output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        };
        self.said().into_iter().filter_map(event).collect()
    }

    pub(super) fn deliveries(&mut self) -> Vec<(u64, DeliveryStatus)> {
        let outcome = |event| match event {
            Event::Delivery(Delivery { id, status, .. }) => Some((id.0, status)),
            _ => None,
        };
        self.events().into_iter().filter_map(outcome).collect()
    }

    /// Contents delivered and gaps announced, in order: `m11`, `gap 11..14 trimmed`.
    pub(super) fn story(&mut self) -> Vec<String> {
        let told = |event| match event {
            Event::Message(message) => Some(message.content),
            Event::Gap(gap) => {
                let number =
                    |seq: Option<u64>| seq.map_or_else(|| String::from("?"), |seq| alloc::format!("{seq}"));
                Some(alloc::format!(
                    "gap {}..{} {}",
                    number(gap.after),
                    number(gap.before),
                    gap.reason.as_str()
                ))
            }
            _ => None,
        };
        self.events().into_iter().filter_map(told).collect()
    }

    /// What the last join of a room asked for.
    pub(super) fn join_request(&mut self, wanted: &str) -> JoinRequest {
        let asked = |message: ClientMessage| match message {
            ClientMessage::JoinRoom { room, request } if *room == *wanted => request,
            _ => None,
        };
        self.frames().into_iter().filter_map(asked).next_back().expect("a join with a request")
    }

    /// The tags of the sends written since it was last asked, with their contents.
    pub(super) fn sends(&mut self) -> Vec<(String, SendTag)> {
        let sent = |message: ClientMessage| match message {
            ClientMessage::SendMessage { content, tag, .. } => Some((content, *tag.expect("a tag"))),
            _ => None,
        };
        self.frames().into_iter().filter_map(sent).collect()
    }

    pub(super) fn ack(&mut self, reference: &Id, message: &str, seq: u64) {
        self.receive(ServerMessage::Ack(Ack {
            reference: reference.clone(),
            room: "r".into(),
            id: id(message),
            epoch: id("e"),
            seq,
            timestamp: None,
            dup: false,
        }));
    }

    pub(super) fn nack(&mut self, reference: &Id, code: Code, retry: bool) {
        let nack = Nack {
            reference: Some(reference.clone()),
            code,
            retry,
            retry_after_ms: None,
            expected: None,
            dup: false,
            message: String::new(),
            server_code: None,
        };
        self.receive(ServerMessage::Nack(Box::new(nack)));
    }
}

pub(super) fn hello(user: &str) -> ServerMessage {
    ServerMessage::Hello(Box::new(Hello {
        v: 1,
        user_id: user.into(),
        server_time: 0,
        heartbeat_ms: 30_000,
        dedupe_window_ms: 600_000,
        limits: Limits {
            frame_bytes: 65_536,
            content_bytes: 8_192,
            rooms: 256,
            in_flight: 64,
            replay: 100,
            send_per_sec: 0,
        },
        reconnect: ReconnectHint { window_ms: 1_000 },
        auth: None,
    }))
}

pub(super) fn join_answer(reference: Id, epoch: &str, seq: u64) -> Joined {
    Joined {
        reference,
        room: "r".into(),
        epoch: id(epoch),
        seq,
        replay: 0,
        recovered: false,
        reason: None,
        members: None,
        member_count: None,
    }
}

pub(super) fn message(epoch: &str, seq: u64) -> Message {
    let content = alloc::format!("m{seq}");
    let stamp = EntryMeta {
        id: id(&alloc::format!("{epoch}{seq}")),
        epoch: id(epoch),
        seq,
        replay: false,
        producer: None,
    };
    Message { entry: Some(Box::new(stamp)), ..Message::plain("r".into(), "bob".into(), content, "t".into()) }
}

pub(super) fn live(epoch: &str, seq: u64) -> ServerMessage {
    ServerMessage::Message(message(epoch, seq))
}

pub(super) fn replayed(epoch: &str, seq: u64) -> ServerMessage {
    let mut message = message(epoch, seq);
    if let Some(stamp) = &mut message.entry {
        stamp.replay = true;
    }
    ServerMessage::Message(message)
}
