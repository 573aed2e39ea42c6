//! Many short lives in virtual time: connections break at any packet, servers recover or not and answer or not. One
//! judge looks at all that the application is reported.

use super::model::{Server, Ways};
use crate::cause::{DialError, DialErrorKind, Disconnect};
use crate::config::Config;
use crate::event::{DeliveryStatus, Event, RoomChange, RoomState, SendId};
use crate::link::{ConnId, State};
use crate::machine::ClockReading;
use crate::outbound::OutboundMessage;
use crate::session::{Command, Input, Output};
use crate::socketio::{ClientPacket, Options, ServerPacket, Session};
use crate::{Name, Timestamp};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;
use fastrand::Rng;

const ROOMS: [&str; 3] = ["a", "b", "c"];
const SEEDS: u64 = 3_000;

/// What has been reported.
#[derive(Debug, Default)]
struct Judge {
    outcomes: BTreeMap<u64, DeliveryStatus>,
    heard: BTreeSet<String>,
    /// The place of the last message of each room, until a gap.
    last: BTreeMap<String, usize>,
    gaps: u64,
    recoveries: u64,
    failed: bool,
}

impl Judge {
    fn told(&mut self, event: &Event, said: &BTreeMap<String, Vec<usize>>, place: impl Fn(&str) -> usize) {
        match event {
            Event::Delivery(delivery) => {
                let first = self.outcomes.insert(delivery.id.0, delivery.status.clone()).is_none();
                assert!(first, "a second outcome of {:?}", delivery.id);
            }
            Event::Message(message) => {
                assert!(self.heard.insert(message.content.clone()), "{} came twice", message.content);
                let at = place(&message.content);
                let room = message.room.to_string();
                if let Some(last) = self.last.insert(room.clone(), at) {
                    assert!(last < at, "{} came out of order", message.content);
                    let between = said[&room].iter().filter(|said| (last + 1..at).contains(said)).count();
                    assert_eq!(between, 0, "a hole in {room} before {} was not announced", message.content);
                }
            }
            Event::Gap(gap) => {
                self.gaps += 1;
                self.last.remove(gap.room.as_str());
            }
            // Whoever has left misses nothing.
            Event::Room(RoomChange { room, state: RoomState::Left, .. }) => {
                self.last.remove(room.as_str());
            }
            Event::Joined(joined) => self.recoveries += u64::from(joined.recovered),
            Event::State(change) => self.failed |= change.state == State::Failed,
            _ => {}
        }
    }
}

struct World {
    rng: Rng,
    session: Session,
    server: Server,
    judge: Judge,
    now: ClockReading,
    /// The connection that is open, as the network knows it.
    conn: Option<ConnId>,
    dialling: Option<(ConnId, Timestamp)>,
    up: VecDeque<ClientPacket>,
    down: VecDeque<ServerPacket>,
    last_frame: u64,
    sends: u64,
    /// Places in the log, by content and by room.
    places: BTreeMap<String, usize>,
    said: BTreeMap<String, Vec<usize>>,
    /// Connections break, and people talk.
    faults: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let ways = Ways { recovers: rng.bool(), answers: rng.u8(..4) > 0 };
        let options = Options { acks: rng.u8(..4) > 0, ..Options::default() };
        let max_buffered = if rng.u8(..4) == 0 { 2 } else { 1024 };
        let config = Config { max_buffered, ..Config::default() };
        let mut world = Self {
            session: Session::new(config, options, "@me".into(), rng.u64(..)),
            rng,
            server: Server::new(ways),
            judge: Judge::default(),
            now: ClockReading::new(Timestamp::from_millis(1), Duration::from_secs(1_800_000_000)),
            conn: None,
            dialling: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            last_frame: 0,
            sends: 0,
            places: BTreeMap::new(),
            said: ROOMS.iter().map(|room| (room.to_string(), Vec::new())).collect(),
            faults: true,
        };
        for room in ROOMS {
            world.input(Input::Command(Command::Join(Name::from(room).into())));
        }
        world.input(Input::Command(Command::Connect));
        world
    }

    fn input(&mut self, input: Input<String, Name, ServerPacket>) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll() {
            match output {
                Output::Dial { conn, .. } => {
                    assert!(!self.judge.failed, "a dial after the end");
                    self.dialling =
                        Some((conn, self.now.monotonic + Duration::from_millis(self.rng.u64(1..500))));
                }
                Output::Send { conn, frame, message } => {
                    self.last_frame = frame;
                    if self.conn == Some(conn) {
                        self.up.push_back(message);
                    }
                }
                Output::Abort { conn, .. } | Output::Close { conn, .. } => {
                    self.dialling.take_if(|(dialling, _)| *dialling == conn);
                    if self.conn == Some(conn) {
                        self.cut();
                    }
                }
                Output::Event(event) => {
                    let places = &self.places;
                    self.judge.told(&event, &self.said, |content| places[content]);
                }
                _ => {}
            }
        }
        let diagnostics = self.session.diagnostics();
        assert!(diagnostics.buffered <= 1024 && diagnostics.outbox_len <= 4096);
    }

    /// The connection is gone, with what was on its way.
    fn cut(&mut self) {
        self.conn = None;
        self.up.clear();
        self.down.clear();
        self.server.connection_lost(self.rng.u8(..4) > 0);
        if self.faults && self.rng.u8(..4) == 0 {
            self.server.forget();
        }
    }

    fn lose(&mut self) {
        if let Some(conn) = self.conn {
            self.cut();
            self.input(Input::Closed(conn, Disconnect::Lost));
        }
    }

    fn noted(&mut self, packets: impl IntoIterator<Item = ServerPacket>) {
        self.down.extend(packets.into_iter().filter(|_| self.conn.is_some()));
        let log = self.server.log();
        for (at, (room, content)) in log.iter().enumerate().skip(self.places.len()) {
            self.places.insert(content.clone(), at);
            if !self.server.is_left(room) {
                self.said.get_mut(room).expect("a room").push(at);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall += time;
        if let Some((conn, at)) = self.dialling
            && at <= self.now.monotonic
        {
            self.dialling = None;
            if self.faults && self.rng.u8(..5) == 0 {
                let error = DialError::new(DialErrorKind::Refused, "");
                self.input(Input::DialFailed(conn, error));
            } else {
                self.conn = Some(conn);
                self.last_frame = 0;
                self.down.push_back(Server::greet());
                self.input(Input::Opened(conn));
            }
        }
        self.input(Input::Tick);
    }

    /// One thing happens.
    fn step(&mut self) {
        match self.rng.u8(..16) {
            0..5 => {
                if let Some(packet) = self.up.pop_front() {
                    let said = self.server.receive(packet);
                    self.noted(said);
                }
            }
            5..10 => {
                if let (Some(conn), Some(packet)) = (self.conn, self.down.pop_front()) {
                    self.input(Input::Received(conn, packet));
                }
            }
            10 => {
                if let Some(conn) = self.conn {
                    self.input(Input::Flushed(conn, self.last_frame));
                }
            }
            11 if self.faults => {
                self.sends += 1;
                let (id, content) = (SendId(self.sends), format!("send {:05}", self.sends));
                let room = ROOMS[self.rng.usize(..ROOMS.len())];
                self.input(Input::Command(Command::Send(OutboundMessage::new(id, room.into(), content))));
            }
            12 if self.faults => {
                let room = ROOMS[self.rng.usize(..ROOMS.len())];
                let said = self.server.say(room);
                self.noted(said);
            }
            13 if self.faults && self.rng.u8(..4) == 0 => self.lose(),
            14 if self.faults && self.rng.u8(..4) == 0 => {
                let room = Name::from(ROOMS[self.rng.usize(..ROOMS.len())]);
                let leave = Command::Leave(room.clone());
                // Asked for at once again, or left for now.
                if self.rng.bool() {
                    self.input(Input::Command(leave));
                }
                self.input(Input::Command(Command::Join(room.into())));
            }
            _ => {
                let time = if self.rng.u8(..50) == 0 { 15_000 } else { self.rng.u64(..400) };
                self.pass(Duration::from_millis(time));
            }
        }
    }

    /// No more faults: everything comes to rest.
    fn calm_down(&mut self) {
        self.faults = false;
        for _ in 0..20_000 {
            self.step();
            let quiet = self.up.is_empty() && self.down.is_empty() && self.server.has_client();
            if self.session.is_ready() && quiet && self.session.diagnostics().outbox_len == 0 {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.session.diagnostics());
    }

    /// What was said of the sends is what the server knows.
    fn judge_sends(&self) {
        assert_eq!(self.session.diagnostics().outbox_bytes, 0);
        let taken: BTreeSet<&String> = self.server.taken.iter().collect();
        assert_eq!(taken.len(), self.server.taken.len(), "something was sent twice");
        assert!(self.server.taken.is_sorted(), "sends overtook each other");
        assert_eq!(self.judge.outcomes.len() as u64, self.sends, "a send has no outcome");
        for (id, status) in &self.judge.outcomes {
            let arrived = taken.contains(&format!("send {id:05}"));
            match status {
                DeliveryStatus::Answered { .. } => assert!(arrived, "{id} was answered and never sent"),
                DeliveryStatus::Failed(_) => assert!(!arrived, "{id} failed and arrived"),
                _ => {}
            }
        }
    }
}

#[test]
fn each_send_has_one_outcome_nothing_is_doubled_and_no_gap_goes_unannounced() {
    let (mut gaps, mut recoveries, mut unknown) = (0, 0, 0);
    for seed in 0..SEEDS {
        let run = || {
            let mut world = World::new(seed);
            for _ in 0..world.rng.usize(50..400) {
                world.step();
            }
            world.calm_down();
            // One more in each room: whatever was missed comes to light now.
            for room in ROOMS {
                let said = world.server.say(room);
                assert!(said.is_some(), "not in {room} though it is ready");
                world.noted(said);
            }
            world.calm_down();
            let ending = world.rng.bool();
            let conn = world.conn.expect("connected");
            if ending {
                world.input(Input::Received(conn, ServerPacket::Disconnected));
            } else {
                world.input(Input::Command(Command::Close));
                world.input(Input::Closed(conn, Disconnect::Lost));
            }
            let over = if ending { State::Failed } else { State::Closed };
            for _ in 0..100 {
                world.pass(Duration::from_secs(60));
            }
            assert_eq!((world.session.state(), world.session.next_deadline()), (over, None));
            assert!(world.dialling.is_none(), "a dial after the end");
            world.judge_sends();
            world.judge
        };
        let judge = std::panic::catch_unwind(core::panic::AssertUnwindSafe(run));
        let Ok(judge) = judge else { panic!("seed {seed}") };
        gaps += judge.gaps;
        recoveries += judge.recoveries;
        unknown += judge.outcomes.values().filter(|status| **status == DeliveryStatus::Unknown).count();
    }
    assert!(
        gaps > 100 && recoveries > 100 && unknown > 100,
        "{gaps} gaps, {recoveries} recoveries, {unknown}"
    );
}
