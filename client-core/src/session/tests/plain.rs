use crate::cause::Disconnect;
use crate::event::{DeliveryStatus, Event, Mode, RoomChange, RoomState, SendFailure, SendId};
use crate::link::{ConnId, State};
use crate::machine::ClockReading;
use crate::messages::{ClientMessage, Message, ServerMessage};
use crate::outbound::OutboundMessage;
use crate::outbox::{OutboxLimits, Overflow};
use crate::session::{Command, Input, Output, Session};
use crate::{Config, Name};
use alloc::vec::Vec;
use core::time::Duration;

/// A session on a hand-driven clock, with everything it said since it was last asked.
struct Rig {
    session: Session,
    now: ClockReading,
    conn: ConnId,
    last_frame: u64,
}

impl Rig {
    fn new(config: Config) -> Self {
        let config = Config { extended: false, ..config };
        Self {
            session: Session::new(config, 3),
            now: ClockReading::default(),
            conn: ConnId(0),
            last_frame: 0,
        }
    }

    /// Connected, in the rooms, everything flushed, nothing left to poll.
    fn in_rooms(rooms: &[&str]) -> Self {
        let mut rig = Self::new(Config::default());
        for room in rooms {
            rig.command(Command::Join(Name::from(*room).into()));
        }
        rig.command(Command::Connect);
        rig.open();
        rig.flush();
        rig.events();
        rig
    }

    fn input(&mut self, input: Input) {
        self.session.handle(self.now, input);
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall += time;
        self.input(Input::Tick);
    }

    fn outputs(&mut self) -> Vec<Output> {
        let outputs: Vec<Output> = core::iter::from_fn(|| self.session.poll()).collect();
        for output in &outputs {
            match output {
                Output::Dial { conn, .. } => self.conn = *conn,
                Output::Send { conn, frame, .. } => {
                    assert_eq!(*conn, self.conn);
                    self.last_frame = *frame;
                }
                _ => {}
            }
        }
        outputs
    }

    fn frames(&mut self) -> Vec<ClientMessage> {
        let outputs = self.outputs().into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Send { message, .. } => Some(message),
                _ => None,
            })
            .collect()
    }

    fn events(&mut self) -> Vec<Event> {
        let outputs = self.outputs().into_iter();
        outputs
            .filter_map(|output| match output {
                Output::Event(event) => Some(event),
                _ => None,
            })
            .collect()
    }

    fn deliveries(&mut self) -> Vec<(u64, DeliveryStatus)> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::Delivery(delivery) => Some((delivery.id.0, delivery.status)),
                _ => None,
            })
            .collect()
    }

    /// Opens the dial under way, or the next one.
    fn open(&mut self) {
        for _ in 0..10 {
            let dialled = self.outputs().iter().any(|output| matches!(output, Output::Dial { .. }));
            if dialled {
                self.last_frame = 0;
                self.input(Input::Opened(self.conn));
                return;
            }
            let deadline = self.session.next_deadline().expect("a deadline");
            self.pass(deadline - self.now.monotonic);
        }
        panic!("no dial");
    }

    fn flush(&mut self) {
        let pending = self.outputs();
        let (conn, frame) = (self.conn, self.last_frame);
        // Put back what was not about frames.
        for output in pending {
            self.session.outputs.push_back(output);
        }
        self.input(Input::Flushed(conn, frame));
    }

    fn lose(&mut self) {
        self.input(Input::Closed(self.conn, Disconnect::Lost));
    }

    fn send(&mut self, id: u64, room: &str, content: &str) {
        self.command(Command::Send(OutboundMessage::new(SendId(id), room.into(), content.into())));
    }

    fn receive(&mut self, room: &str, content: &str) {
        let when = "2026-01-01T00:00:00.000Z";
        let message = Message::plain(room.into(), "bob".into(), content.into(), when.into());
        self.input(Input::Received(self.conn, ServerMessage::Message(message)));
    }
}

fn join(room: &str) -> ClientMessage {
    ClientMessage::join(room.into())
}

fn message(room: &str, content: &str) -> ClientMessage {
    ClientMessage::send(room.into(), content.into())
}

const WRITTEN: DeliveryStatus = DeliveryStatus::Written;
const UNKNOWN: DeliveryStatus = DeliveryStatus::Unknown;

fn failed(why: SendFailure) -> DeliveryStatus {
    DeliveryStatus::Failed(why)
}

#[test]
fn joins_go_out_before_the_messages_that_waited_for_a_connection() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Connect);
    rig.send(1, "a", "one");
    rig.command(Command::Join(Name::from("b").into()));
    rig.command(Command::Join(Name::from("a").into()));
    rig.open();
    assert_eq!(rig.frames(), [join("a"), join("b"), message("a", "one")]);
}

#[test]
fn written_is_said_only_when_the_operating_system_has_every_byte() {
    let mut rig = Rig::in_rooms(&["a"]);
    rig.send(1, "a", "one");
    assert_eq!(rig.deliveries(), []);
    rig.flush();
    assert_eq!(rig.deliveries(), [(1, WRITTEN)]);
}

#[test]
fn what_was_on_its_way_when_the_connection_broke_is_unknown_and_the_rest_is_sent_later() {
    let config = Config { max_unflushed: 1, ..Config::default() };
    let mut rig = Rig::new(config);
    rig.command(Command::Connect);
    rig.open();
    rig.send(1, "a", "one");
    rig.send(2, "a", "two");
    assert_eq!(rig.frames(), [message("a", "one")]);
    rig.lose();
    assert_eq!(rig.deliveries(), [(1, UNKNOWN)]);
    rig.open();
    assert_eq!(rig.frames(), [message("a", "two")]);
    rig.flush();
    assert_eq!(rig.deliveries(), [(2, WRITTEN)]);
}

#[test]
fn after_a_reconnect_every_room_is_joined_again_and_its_gap_comes_before_its_messages() {
    let mut rig = Rig::in_rooms(&["a", "b"]);
    rig.lose();
    rig.events();
    rig.open();
    let outputs = rig.outputs();
    let sent = |output: &&Output| matches!(output, Output::Send { .. });
    assert_eq!(outputs.iter().filter(sent).count(), 2);
    rig.flush();
    rig.receive("a", "hello");
    let mut events: Vec<Event> = outputs
        .into_iter()
        .filter_map(|output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        })
        .collect();
    events.extend(rig.events());
    let at = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).expect("the event");
    let gap = |room: &'static str| move |event: &Event| matches!(event, Event::Gap(g) if g.room == *room);
    let message = at(&|event| matches!(event, Event::Message(_)));
    assert!(at(&gap("a")) < message && at(&gap("b")) < message);
    assert!(at(&|event| matches!(event, Event::Ready(Mode::Plain))) < message);
}

#[test]
fn the_first_connection_has_no_gap() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Name::from("a").into()));
    rig.command(Command::Connect);
    rig.open();
    rig.flush();
    assert!(!rig.events().iter().any(|event| matches!(event, Event::Gap(_))));
}

#[test]
fn leaving_waits_until_the_earlier_sends_are_final() {
    let mut rig = Rig::in_rooms(&["a"]);
    rig.send(1, "a", "last words");
    rig.command(Command::Leave("a".into()));
    assert_eq!(rig.frames(), [message("a", "last words")]);
    rig.flush();
    assert_eq!(rig.frames(), [ClientMessage::leave("a".into())]);
    rig.lose();
    rig.open();
    assert_eq!(rig.frames(), [], "a room that was left is joined again");
}

#[test]
fn messages_of_a_room_that_was_left_are_not_delivered_even_if_the_server_goes_on() {
    let mut rig = Rig::in_rooms(&["a", "b"]);
    rig.command(Command::Leave("a".into()));
    rig.events();
    rig.receive("a", "still here");
    rig.receive("b", "hello");
    rig.receive("never-asked-for", "by the server's own choice");
    assert_eq!(rig.events().len(), 2);
    rig.command(Command::Join(Name::from("a").into()));
    rig.events();
    rig.receive("a", "back");
    assert_eq!(rig.events().len(), 1);
}

#[test]
fn a_full_outbox_rejects_the_new_send_and_loses_nothing_else() {
    let config = Config { outbox: OutboxLimits { count: 2, ..OutboxLimits::default() }, ..Config::default() };
    let mut rig = Rig::new(config);
    rig.command(Command::Connect);
    for id in 1..=3 {
        rig.send(id, "a", "x");
    }
    assert_eq!(rig.deliveries(), [(3, failed(SendFailure::QueueFull))]);
    rig.session.handle(rig.now, Input::Opened(ConnId(1)));
    rig.conn = ConnId(1);
    rig.flush();
    assert_eq!(rig.deliveries(), [(1, WRITTEN), (2, WRITTEN)]);
    assert_eq!(rig.session.diagnostics().outbox_bytes, 0);
}

#[test]
fn with_drop_oldest_the_oldest_waiting_send_makes_room() {
    let config = Config {
        outbox: OutboxLimits { bytes: 400, overflow: Overflow::DropOldest, ..OutboxLimits::default() },
        ..Config::default()
    };
    let mut rig = Rig::new(config);
    rig.command(Command::Connect);
    for id in 1..=3 {
        rig.send(id, "a", &"x".repeat(100));
    }
    assert_eq!(rig.deliveries(), [(1, failed(SendFailure::QueueFull))]);
    rig.send(4, "a", &"x".repeat(1000));
    assert_eq!(rig.deliveries(), [(4, failed(SendFailure::QueueFull))], "one that never fits evicts nobody");
}

#[test]
fn a_send_expires_on_its_own_timeout_or_the_outbox_limit() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Connect);
    rig.send(1, "a", "x");
    rig.command(Command::Send(OutboundMessage {
        timeout: Some(Duration::from_secs(1)),
        ..OutboundMessage::new(SendId(2), "a".into(), "y".into())
    }));
    rig.events();
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.deliveries(), [(2, failed(SendFailure::Timeout))]);
    rig.pass(Duration::from_secs(600));
    assert_eq!(rig.deliveries(), [(1, failed(SendFailure::Expired))]);
}

#[test]
fn a_send_can_be_taken_back_until_it_is_on_its_way() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Connect);
    rig.send(1, "a", "x");
    rig.command(Command::Cancel(SendId(1)));
    assert_eq!(rig.deliveries(), [(1, failed(SendFailure::Cancelled))]);
    rig.send(2, "a", "y");
    rig.conn = ConnId(1);
    rig.input(Input::Opened(ConnId(1)));
    rig.command(Command::Cancel(SendId(2)));
    rig.flush();
    assert_eq!(rig.deliveries(), [(2, WRITTEN)]);
}

#[test]
fn at_the_end_every_send_resolves_at_once() {
    for terminal in [false, true] {
        let config = Config { max_unflushed: 1, ..Config::default() };
        let mut rig = Rig::new(config);
        rig.command(Command::Connect);
        rig.open();
        rig.send(1, "a", "on its way");
        rig.send(2, "a", "waiting");
        if terminal {
            rig.input(Input::Closed(rig.conn, Disconnect::Closed { code: 4003, reason: "".into() }));
        } else {
            rig.command(Command::Close);
        }
        assert_eq!(rig.deliveries(), [(1, UNKNOWN), (2, failed(SendFailure::Closed))]);
        rig.send(3, "a", "too late");
        assert_eq!(rig.deliveries(), [(3, failed(SendFailure::Closed))]);
    }
}

#[test]
fn garbage_and_unknown_types_are_counted_and_nothing_else_is_lost() {
    let mut rig = Rig::in_rooms(&["a"]);
    rig.input(Input::Malformed(rig.conn, "the frame is not JSON".into()));
    rig.input(Input::Received(rig.conn, ServerMessage::Unknown));
    rig.receive("a", "hello");
    assert_eq!(rig.events().len(), 2);
    let diagnostics = rig.session.diagnostics();
    assert_eq!((diagnostics.malformed_frames, diagnostics.unknown_frames), (1, 1));
    assert_eq!(rig.session.state(), State::Connected);
}

#[test]
fn of_each_type_of_unreadable_frame_the_first_and_the_tenth_are_told_on_each_connection() {
    let mut rig = Rig::in_rooms(&["a"]);
    for _ in 0..2 {
        rig.events();
        for number in 0..10 {
            rig.input(Input::Malformed(rig.conn, format!("the message frame is malformed: {number}").into()));
        }
        rig.input(Input::Malformed(rig.conn, "the user_joined frame is malformed: x".into()));
        let told: Vec<_> = rig
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Malformed { error, count, .. } => Some((error.rsplit(' ').next()?.to_owned(), count)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [("0".to_owned(), 1), ("9".to_owned(), 10), ("x".to_owned(), 1)]);
        rig.lose();
        rig.open();
    }
    assert_eq!(rig.session.diagnostics().malformed_frames, 22);
}

#[test]
fn frames_of_an_older_connection_are_ignored() {
    let mut rig = Rig::in_rooms(&["a"]);
    let old = rig.conn;
    rig.lose();
    rig.open();
    rig.flush();
    rig.events();
    rig.conn = old;
    rig.receive("a", "a ghost");
    rig.lose();
    assert_eq!(rig.events(), []);
    assert_eq!(rig.session.state(), State::Connected);
}

#[test]
fn one_room_too_many_is_refused_and_the_others_stay() {
    let config = Config { max_rooms: 2, ..Config::default() };
    let mut rig = Rig::new(config);
    for room in ["a", "b", "c"] {
        rig.command(Command::Join(Name::from(room).into()));
    }
    let refused = RoomChange::new("c".into(), RoomState::Refused);
    assert_eq!(rig.events().pop(), Some(Event::Room(refused)));
    rig.command(Command::Leave("a".into()));
    rig.command(Command::Join(Name::from("c").into()));
    assert_eq!(rig.session.rooms().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn equal_seeds_and_inputs_give_equal_outputs() {
    let run = || {
        let mut rig = Rig::in_rooms(&["a", "b"]);
        let mut seen = Vec::new();
        for round in 0..20 {
            rig.send(round, "a", "x");
            rig.lose();
            seen.extend(rig.outputs());
            rig.open();
            rig.flush();
        }
        seen
    };
    assert_eq!(run(), run());
}
