//! Several namespaces on a hand-driven clock, and the packets of a server written by hand.

use super::rig::{DONE, HANDSHAKE, connected, event, placed, said};
use crate::cause::{CauseCode, Disconnect};
use crate::config::Config;
use crate::event::{Delivery, DeliveryStatus, Event, SendFailure, SendId};
use crate::link::{ConnId, Hint, State};
use crate::machine::ClockReading;
use crate::name::{Name, PERSONAL_ROOM};
use crate::outbound::OutboundMessage;
use crate::session::{Command, Input, Output};
use crate::socketio::{
    ClientEvent, ClientPacket, ConnectError, MAX_NAMESPACES, Manager, Namespace, OpenError, Options,
    ServerPacket, Session,
};
use crate::time::Timestamp;
use crate::token::{Credentials, Token};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

/// How long after a goodbye a namespace may be asked for again.
const BREATH: Duration = Duration::from_millis(100);

fn name(text: &str) -> Namespace {
    Namespace::new(text).unwrap()
}

/// A manager with everything it said since it was last asked.
struct Rig {
    manager: Manager,
    now: ClockReading,
    conn: ConnId,
    last_frame: u64,
    story: Vec<String>,
}

impl Rig {
    fn new() -> Self {
        Self::configured(Config::default())
    }

    fn configured(config: Config) -> Self {
        let now = ClockReading::new(Timestamp::from_millis(1), Duration::from_secs(1_800_000_000));
        let options = Options::default();
        let mut manager = Manager::new(Namespace::default(), config, options, PERSONAL_ROOM.into(), 5);
        manager.custom_events("".into());
        Self { manager, now, conn: ConnId(0), last_frame: 0, story: Vec::new() }
    }

    /// Connected in `/`, with this namespace open, and nothing left to tell.
    fn with(namespace: &str, credentials: Credentials) -> Self {
        let mut rig = Self::new();
        rig.command(Command::Connect);
        rig.let_in(None);
        rig.open(namespace, credentials).unwrap();
        rig.story();
        rig
    }

    /// The same, let in there, and in its room `r`.
    fn in_both(pid: Option<&str>) -> Self {
        let mut rig = Self::with("/n", Credentials::Anonymous);
        rig.command_in("/n", Command::Join(Name::from("r").into()));
        rig.receive_in("/n", connected(pid));
        rig.receive_in("/n", ServerPacket::Ack { id: 0, answer: Box::new(DONE) });
        rig.flush();
        rig.story();
        rig
    }

    fn open(&mut self, namespace: &str, credentials: Credentials) -> Result<(), OpenError> {
        self.manager.open(name(namespace), credentials)?;
        self.command_in(namespace, Command::Connect);
        Ok(())
    }

    fn input(&mut self, input: Input<String, Name, ServerPacket>) {
        self.manager.handle(self.now, input);
        self.gather();
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    fn command_in(&mut self, namespace: &str, command: Command) {
        self.manager.handle_namespace(self.now, &name(namespace), Input::Command(command));
        self.gather();
    }

    fn send_in(&mut self, namespace: &str, number: u64) {
        let send = OutboundMessage::new(SendId(number), "r".into(), format!("m{number}"));
        self.command_in(namespace, Command::Send(send));
    }

    fn receive(&mut self, packet: ServerPacket) {
        self.input(Input::Received(self.conn, packet));
    }

    fn receive_in(&mut self, namespace: &str, packet: ServerPacket) {
        self.receive(ServerPacket::In { namespace: name(namespace), packet: Box::new(packet) });
    }

    fn let_in(&mut self, pid: Option<&str>) {
        self.input(Input::Opened(self.conn));
        self.receive(ServerPacket::Open(HANDSHAKE));
        self.receive(connected(pid));
    }

    fn flush(&mut self) {
        self.input(Input::Flushed(self.conn, self.last_frame));
    }

    fn lose(&mut self) {
        self.input(Input::Closed(self.conn, Disconnect::Lost));
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall += time;
        self.input(Input::Tick);
    }

    /// Lost, dialled again and let in.
    fn come_back(&mut self) {
        let before = self.conn;
        for _ in 0..50 {
            if self.conn != before {
                return self.let_in(None);
            }
            let at = self.manager.next_deadline().expect("something to wait for");
            self.pass((at - self.now.monotonic).max(Duration::from_millis(1)));
        }
        panic!("it does not dial");
    }

    fn gather(&mut self) {
        while let Some(output) = self.manager.poll() {
            match &output {
                Output::Dial { conn, .. } => (self.conn, self.last_frame) = (*conn, 0),
                Output::Send { conn, frame, .. } => {
                    assert_eq!((*conn, *frame), (self.conn, self.last_frame + 1), "{output:?}");
                    self.last_frame = *frame;
                }
                _ => {}
            }
            self.story.extend(told("/", output));
        }
        while let Some((namespace, output)) = self.manager.poll_namespace() {
            self.story.extend(told(namespace.as_str(), output));
        }
    }

    /// What was written and what happened, in a few words each.
    fn story(&mut self) -> Vec<String> {
        core::mem::take(&mut self.story)
    }

    fn state_in(&self, namespace: &str) -> Option<State> {
        self.manager.namespace_session(&name(namespace)).map(Session::state)
    }
}

fn told(at: &str, output: Output<String, Name, ClientPacket>) -> Option<String> {
    Some(match output {
        Output::Send { message: ClientPacket::In { namespace, packet }, .. } => {
            format!("> {namespace} {}", written(&packet))
        }
        Output::Send { message, .. } => format!("> / {}", written(&message)),
        Output::Event(Event::State(change)) => {
            let code = change.cause.map(|cause| format!(" {}", cause.code.as_str())).unwrap_or_default();
            format!("{at} {}{code}", change.state.as_str())
        }
        Output::Event(Event::Message(message)) => format!("{at} {} in {}", message.content, message.room),
        Output::Event(Event::Gap(gap)) => format!("{at} gap in {}", gap.room),
        Output::Event(Event::Joined(joined)) if joined.recovered => {
            format!("{at} {} recovered", joined.room)
        }
        Output::Event(Event::Delivery(Delivery { id, status, .. })) => {
            let status = match status {
                DeliveryStatus::Answered { .. } => "answered",
                DeliveryStatus::Unknown => "unknown",
                DeliveryStatus::Failed(why) => why.as_str(),
                _ => "something else",
            };
            format!("{at} {} is {status}", id.0)
        }
        Output::Event(Event::NotKept { key, why }) => format!("{at} {key} is not kept: {}", why.as_str()),
        Output::FetchToken { rejected } => format!("{at} fetch, rejected: {rejected}"),
        Output::Ping { .. } => "ping".to_owned(),
        _ => return None,
    })
}

fn written(packet: &ClientPacket) -> String {
    match packet {
        ClientPacket::Connect { token, resume } => {
            let token = token.as_ref().map(|token| format!(" {}", token.expose())).unwrap_or_default();
            let resume = resume
                .as_ref()
                .map(|resume| format!(" {} {}", resume.pid, resume.offset))
                .unwrap_or_default();
            format!("connect{token}{resume}")
        }
        ClientPacket::Disconnect => "disconnect".to_owned(),
        ClientPacket::Emit { event: ClientEvent::Join { room }, .. } => format!("join {room}"),
        ClientPacket::Emit { event: ClientEvent::Send { content, .. }, .. } => content.clone(),
        ClientPacket::Kept(frame) => format!("kept of {}", frame.len()),
        packet => format!("{packet:?}"),
    }
}

#[test]
fn a_namespace_is_asked_for_when_the_first_has_let_us_in_and_has_its_own_auth_state_rooms_and_sends() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.open("/n", Credentials::Fixed(Token::new(r#"{"a":1}"#))).unwrap();
    rig.command_in("/n", Command::Join(Name::from("r").into()));
    rig.send_in("/n", 1);
    rig.let_in(None);
    assert_eq!(
        rig.story(),
        ["/ connecting", "/n connecting", "> / connect", "/ connected", "> /n connect {\"a\":1}"]
    );
    rig.receive_in("/n", connected(Some("p")));
    assert_eq!(rig.story(), ["> /n join r", "> /n m1", "/n connected"]);
    rig.command(Command::Send(OutboundMessage::new(SendId(1), "r".into(), "main".into())));
    assert_eq!(rig.story(), ["> / main"]);
    // Numbers of acks are counted in each namespace.
    rig.receive_in("/n", ServerPacket::Ack { id: 1, answer: Box::new(DONE) });
    assert_eq!(rig.story(), ["/n 1 is answered"]);
    rig.receive(ServerPacket::Ack { id: 0, answer: Box::new(DONE) });
    assert_eq!(rig.story(), ["/ 1 is answered"]);
    rig.receive_in("/n", ServerPacket::Event(event(said("r", "hi"))));
    assert_eq!(rig.story(), ["/n hi in r"]);
}

#[test]
fn a_refused_namespace_has_failed_with_words_and_data_and_the_others_go_on() {
    let mut rig = Rig::with("/n", Credentials::Anonymous);
    rig.send_in("/n", 1);
    let refusal = ConnectError { message: "not you".into(), data: Some("{\"code\":7}".into()) };
    rig.receive_in("/n", ServerPacket::ConnectError(refusal));
    assert_eq!(rig.story(), ["/n failed unauthorized", "/n 1 is closed"]);
    assert_eq!(rig.manager.session().state(), State::Connected);
    rig.receive(ServerPacket::Event(event(said("r", "hi"))));
    assert_eq!(rig.story(), ["/ hi in r"]);
    // It is not asked for again before the application does.
    rig.lose();
    rig.come_back();
    assert!(!rig.story().iter().any(|line| line.contains("/n")));
    rig.command_in("/n", Command::Connect);
    assert_eq!(rig.story(), ["> /n connect", "/n connecting"]);
}

#[test]
fn a_namespace_that_the_server_does_not_have_or_disconnects_has_failed_and_the_others_go_on() {
    let mut rig = Rig::with("/n", Credentials::Anonymous);
    rig.receive_in("/n", ServerPacket::ConnectError("Invalid namespace".into()));
    assert_eq!(rig.story(), ["/n failed unknown_namespace"]);
    let mut rig = Rig::in_both(None);
    rig.receive_in("/n", ServerPacket::Disconnected);
    assert_eq!(rig.story(), ["/n failed server_closed"]);
    assert_eq!(rig.manager.session().state(), State::Connected);
    // What is still on its way there is nothing.
    rig.receive_in("/n", ServerPacket::Event(event(said("r", "late"))));
    assert_eq!(rig.story(), Vec::<String>::new());
}

#[test]
fn a_source_is_asked_for_each_namespace_apart_and_once_more_after_a_refusal() {
    let mut rig = Rig::with("/n", Credentials::Source);
    rig.command_in("/n", Command::Connect);
    let token = |text: &str| Input::Token(Ok(Token::new(text)));
    rig.manager.handle_namespace(rig.now, &name("/n"), token("{}"));
    rig.gather();
    assert_eq!(rig.story(), ["> /n connect {}"]);
    rig.receive_in("/n", ServerPacket::ConnectError("no".into()));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.story(), ["/n reconnecting unauthorized", "/n fetch, rejected: true"]);
    rig.manager.handle_namespace(rig.now, &name("/n"), token(r#"{"b":1}"#));
    rig.gather();
    assert_eq!(rig.story(), ["> /n connect {\"b\":1}"]);
    rig.receive_in("/n", ServerPacket::ConnectError("no".into()));
    assert_eq!(rig.story(), ["/n failed unauthorized"]);
}

#[test]
fn each_namespace_is_connected_again_with_what_it_has_to_recover() {
    let mut rig = Rig::in_both(Some("p"));
    rig.receive_in("/n", placed("r", "one", "1-1"));
    rig.send_in("/n", 1);
    rig.story();
    rig.lose();
    assert_eq!(
        rig.story(),
        ["/ reconnecting connection_lost", "/n reconnecting connection_lost", "/n 1 is unknown"]
    );
    rig.send_in("/n", 2);
    rig.come_back();
    let story = rig.story();
    assert_eq!(story.last().map(String::as_str), Some("> /n connect p 1-1"), "{story:?}");
    rig.receive_in("/n", placed("r", "two", "1-2"));
    assert_eq!(rig.story(), Vec::<String>::new());
    rig.receive_in("/n", connected(Some("p")));
    assert_eq!(rig.story(), ["> /n m2", "/n connected", "/n r recovered", "/n two in r"]);
    // One that is not recovered has its own gap.
    rig.lose();
    rig.come_back();
    rig.story();
    rig.receive_in("/n", connected(Some("q")));
    let story = rig.story();
    assert!(
        story.contains(&"/n gap in r".to_owned()) && story.contains(&"> /n join r".to_owned()),
        "{story:?}"
    );
}

#[test]
fn a_namespace_that_is_left_is_left_alone_and_can_be_opened_again() {
    let mut rig = Rig::in_both(None);
    rig.send_in("/n", 1);
    rig.command_in("/n", Command::Close);
    let end =
        ["> /n m1", "> /n disconnect", "/n closing requested", "/n 1 is unknown", "/n closed requested"];
    assert_eq!(rig.story(), end);
    assert_eq!((rig.state_in("/n"), rig.manager.session().state()), (None, State::Connected));
    rig.pass(BREATH);
    rig.open("/n", Credentials::Anonymous).unwrap();
    assert_eq!(rig.story(), ["> /n connect", "/n connecting"]);
}

#[test]
fn the_end_of_the_client_is_that_of_all_its_namespaces() {
    let mut rig = Rig::in_both(None);
    rig.command(Command::Close);
    let story = rig.story();
    for line in ["> /n disconnect", "/n closed requested"] {
        assert!(story.iter().any(|told| told == line), "{line}: {story:?}");
    }
    assert_eq!(rig.state_in("/n"), None);
}

#[test]
fn a_namespace_is_not_asked_for_in_the_same_breath_as_it_is_left() {
    let mut rig = Rig::in_both(None);
    rig.command_in("/n", Command::Close);
    rig.story();
    rig.open("/n", Credentials::Anonymous).unwrap();
    assert_eq!(rig.story(), ["/n connecting"]);
    rig.pass(Duration::from_millis(99));
    assert_eq!(rig.story(), Vec::<String>::new());
    let at = rig.manager.next_deadline().expect("something to wait for");
    rig.pass(at - rig.now.monotonic);
    assert_eq!(rig.story(), ["> /n connect"]);
    rig.receive_in("/n", connected(None));
    assert_eq!(rig.story(), ["/n connected"]);
    // Entered anew, which is given up before it is asked for.
    rig.command_in("/n", Command::Reconnect);
    assert_eq!(rig.story().first().map(String::as_str), Some("> /n disconnect"));
    rig.command_in("/n", Command::Close);
    rig.pass(Duration::from_secs(60));
    assert!(!rig.story().iter().any(|line| line.starts_with('>')));
    assert_eq!((rig.state_in("/n"), rig.manager.session().state()), (None, State::Connected));
}

#[test]
fn what_is_on_its_way_from_before_a_goodbye_is_not_heard_as_of_the_next_stay() {
    for late in [ServerPacket::Event(event(said("r", "late"))), ServerPacket::Disconnected] {
        let mut rig = Rig::in_both(None);
        rig.command_in("/n", Command::Reconnect);
        while !rig.story().iter().any(|line| line == "> /n connect") {
            let at = rig.manager.next_deadline().expect("something to wait for");
            rig.pass(at - rig.now.monotonic);
        }
        rig.receive_in("/n", late);
        rig.receive_in("/n", connected(None));
        assert_eq!(rig.story(), ["> /n join r", "/n connected", "/n gap in r"]);
        assert_eq!(rig.state_in("/n"), Some(State::Connected));
    }
}

#[test]
fn a_namespace_left_before_the_answer_is_given_back_with_it_and_asked_for_once_at_a_time() {
    let mut rig = Rig::with("/n", Credentials::Anonymous);
    rig.command_in("/n", Command::Close);
    assert_eq!(rig.story(), ["/n closed requested"]);
    rig.open("/n", Credentials::Fixed(Token::new("{}"))).unwrap();
    assert_eq!(rig.story(), ["/n connecting"]);
    // The answer to what was asked first.
    rig.receive_in("/n", ServerPacket::Event(event(said("r", "not ours"))));
    rig.receive_in("/n", connected(None));
    assert_eq!(rig.story(), ["> /n disconnect"]);
    rig.pass(BREATH);
    assert_eq!(rig.story(), ["> /n connect {}"]);
    rig.receive_in("/n", connected(None));
    assert_eq!(rig.story(), ["/n connected"]);
    // Left while it is asked for, and not opened again.
    rig.command_in("/n", Command::Close);
    rig.pass(BREATH);
    rig.open("/n", Credentials::Anonymous).unwrap();
    rig.command_in("/n", Command::Close);
    rig.story();
    rig.receive_in("/n", connected(None));
    assert_eq!(rig.story(), ["> /n disconnect"]);
    assert_eq!(rig.state_in("/n"), None);
}

#[test]
fn a_second_answer_and_packets_of_namespaces_that_nobody_asked_for_are_nothing() {
    let mut rig = Rig::in_both(None);
    let before = rig.manager.session().diagnostics().unknown_frames;
    rig.receive_in("/n", connected(Some("another")));
    rig.receive_in("/n", ServerPacket::ConnectError("no".into()));
    for packet in [connected(None), ServerPacket::Disconnected, ServerPacket::Event(event(said("r", "x")))] {
        rig.receive_in("/never", packet);
    }
    assert_eq!(rig.story(), Vec::<String>::new());
    assert_eq!(rig.state_in("/n"), Some(State::Connected));
    assert_eq!(rig.manager.session().diagnostics().unknown_frames, before + 3);
    assert_eq!(rig.manager.namespace_session(&name("/n")).unwrap().diagnostics().unknown_frames, 2);
    let mut alone = Rig::new();
    alone.command(Command::Connect);
    alone.let_in(None);
    alone.story();
    alone.receive_in("/never", connected(None));
    assert_eq!(alone.story(), Vec::<String>::new());
}

#[test]
fn of_200_namespaces_64_are_opened_and_the_rest_is_refused_with_words() {
    let mut rig = Rig::with("/n", Credentials::Anonymous);
    assert_eq!(rig.open("/", Credentials::Anonymous), Err(OpenError::AlreadyOpen));
    assert_eq!(rig.open("/n", Credentials::Anonymous), Err(OpenError::AlreadyOpen));
    let opened = (1..200).filter(|n| rig.open(&format!("/n{n}"), Credentials::Anonymous).is_ok()).count();
    assert_eq!(opened + 1, MAX_NAMESPACES);
    let error = rig.open("/more", Credentials::Anonymous).unwrap_err();
    assert!(error.to_string().contains("64 namespaces are open"), "{error}");
    rig.command_in("/n1", Command::Close);
    rig.open("/more", Credentials::Anonymous).unwrap();
}

#[test]
fn namespaces_left_without_an_answer_do_not_pile_up() {
    let mut rig = Rig::with("/n", Credentials::Anonymous);
    let mut opened = 0;
    for n in 0..1_000 {
        let namespace = format!("/n{n}");
        opened += usize::from(rig.open(&namespace, Credentials::Anonymous).is_ok());
        rig.command_in(&namespace, Command::Close);
    }
    assert!((MAX_NAMESPACES..=2 * MAX_NAMESPACES).contains(&opened), "{opened}");
    // With the connection they are forgotten.
    rig.lose();
    rig.come_back();
    rig.open("/more", Credentials::Anonymous).unwrap();
}

#[test]
fn a_namespace_that_is_not_answered_for_is_told_so_and_is_not_asked_for_twice_on_one_connection() {
    let mut rig = Rig::with("/n", Credentials::Anonymous);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.story(), ["/n reconnecting dial_timeout"]);
    rig.command_in("/n", Command::Connect);
    rig.receive_in("/n", connected(None));
    assert_eq!(rig.story(), ["/n connected"]);
}

#[test]
fn the_end_of_the_first_is_the_end_of_all_and_a_new_beginning_of_those_that_ended_with_it() {
    let mut rig = Rig::in_both(None);
    rig.open("/refused", Credentials::Anonymous).unwrap();
    rig.receive_in("/refused", ServerPacket::ConnectError("no".into()));
    rig.send_in("/n", 1);
    rig.story();
    rig.receive(ServerPacket::Disconnected);
    assert_eq!(rig.story(), ["/ failed server_closed", "/n failed server_closed", "/n 1 is unknown"]);
    rig.send_in("/n", 2);
    assert_eq!(rig.story(), ["/n 2 is closed"]);
    rig.command(Command::Connect);
    rig.let_in(None);
    let story = rig.story();
    let asked: Vec<_> =
        story.iter().filter(|line| line.starts_with("> /") && line.contains("connect")).collect();
    assert_eq!(asked, ["> / connect", "> /n connect"]);
    rig.command(Command::Close);
    let story = rig.story();
    let place = |line: &str| story.iter().position(|known| known == line).expect(line);
    assert!(place("> / disconnect") < place("/ closing requested"));
    assert!(place("/n closed requested") > 0);
}

#[test]
fn what_is_written_in_all_namespaces_together_is_bounded_and_each_has_its_turn() {
    let mut rig = Rig::in_both(None);
    let large = |number| OutboundMessage::new(SendId(number), "r".into(), "x".repeat(100 << 10));
    for number in 1..=10 {
        rig.command(Command::Send(large(number)));
        rig.command_in("/n", Command::Send(large(number)));
    }
    let frames = |story: Vec<String>| -> (usize, usize) {
        let of = |start: &str| story.iter().filter(|line| line.starts_with(start)).count();
        (of("> / x"), of("> /n x"))
    };
    assert_eq!(frames(rig.story()), (2, 1), "256 KiB, and one begun");
    let mut both = (0, 0);
    for _ in 0..4 {
        rig.flush();
        let (main, other) = frames(rig.story());
        assert!(main + other <= 3);
        both = (both.0 + main, both.1 + other);
    }
    assert!(both.0 >= 3 && both.1 >= 3, "{both:?}");
}

#[test]
fn a_kept_event_that_the_server_ends_the_connection_for_is_kept_no_longer_and_others_are() {
    let mut rig = Rig::in_both(None);
    rig.command(Command::Keep { key: "small".into(), frame: "x".repeat(100) });
    rig.command_in("/n", Command::Keep { key: "large".into(), frame: "x".repeat(1_000) });
    rig.story();
    rig.input(Input::Closed(rig.conn, Disconnect::Closed { code: 1009, reason: "".into() }));
    let story = rig.story();
    let not_kept: Vec<_> = story.iter().filter(|line| line.contains("not kept")).collect();
    assert_eq!(not_kept, [&format!("/n large is not kept: {}", SendFailure::TooLarge.as_str())]);
    rig.come_back();
    assert!(rig.story().contains(&"> / kept of 100".to_owned()));
}

#[test]
fn every_namespace_ages_while_the_machine_sleeps_whichever_hears_of_it_first() {
    let mut rig = Rig::in_both(None);
    rig.lose();
    assert!(matches!(rig.state_in("/n"), Some(State::Reconnecting { .. })));
    rig.now.wall += Duration::from_secs(200);
    rig.now.monotonic += Duration::from_millis(1);
    rig.input(Input::Hint(Hint::Woke));
    assert!(matches!(rig.state_in("/n"), Some(State::Suspended { .. })), "{:?}", rig.state_in("/n"));
    let mut rig = Rig::in_both(None);
    rig.lose();
    rig.now.wall += Duration::from_secs(200);
    rig.now.monotonic += Duration::from_millis(1);
    rig.send_in("/n", 1);
    assert!(matches!(rig.manager.session().state(), State::Suspended { .. }));
}

#[test]
fn silence_after_a_message_in_any_namespace_is_asked_about() {
    let mut rig = Rig::in_both(None);
    rig.send_in("/n", 1);
    rig.story();
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.story(), ["ping"]);
}

#[test]
fn the_cause_of_a_refusal_has_the_servers_words_and_data() {
    let mut rig = Rig::with("/n", Credentials::Anonymous);
    let refusal = ConnectError { message: "not you".into(), data: Some("{\"code\":7}".into()) };
    let packet = Box::new(ServerPacket::ConnectError(refusal));
    rig.manager
        .handle(rig.now, Input::Received(rig.conn, ServerPacket::In { namespace: name("/n"), packet }));
    let cause = core::iter::from_fn(|| rig.manager.poll_namespace()).find_map(|(_, output)| match output {
        Output::Event(Event::State(change)) => change.cause,
        _ => None,
    });
    let cause = cause.expect("a cause");
    assert_eq!(cause.code, CauseCode::Unauthorized(4001));
    assert_eq!((&*cause.text, cause.data.as_deref()), ("not you", Some("{\"code\":7}")));
}

#[test]
fn room_that_one_namespace_frees_by_a_flush_is_used_by_whichever_waits_for_it() {
    let kept = |rig: &mut Rig| rig.story().iter().filter(|line| line.contains("kept of")).count();
    for main_fills in [true, false] {
        let mut rig = Rig::configured(Config { max_unflushed: 2_000, ..Config::default() });
        rig.command(Command::Connect);
        rig.let_in(None);
        rig.open("/n", Credentials::Anonymous).unwrap();
        rig.receive_in("/n", connected(None));
        rig.flush();
        // With either of them served first.
        for _ in 0..2 {
            rig.story();
            let keep = || Command::Keep { key: "k".into(), frame: "x".repeat(1_900) };
            if main_fills {
                rig.command(keep());
                rig.command_in("/n", keep());
            } else {
                rig.command_in("/n", keep());
                rig.command(keep());
            }
            assert_eq!(kept(&mut rig), 1, "there is room for one");
            rig.flush();
            assert_eq!(kept(&mut rig), 1, "the other goes as soon as there is room");
            rig.flush();
        }
    }
}
