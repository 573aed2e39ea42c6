use super::rig::{HANDSHAKE, Rig, connected, placed};
use crate::cause::Disconnect;
use crate::config::Config;
use crate::link::State;
use crate::session::{Command, Input, Output};
use crate::socketio::{ClientPacket, ConnectError, Connected, Options, ServerPacket};
use crate::token::{Credentials, Token};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

fn with(credentials: Credentials) -> Rig {
    let mut config = Config::default();
    config.link.credentials = credentials;
    Rig::with(config, Options::default())
}

fn token_of_connect(rig: &mut Rig) -> Option<String> {
    let token = |packet| match packet {
        ClientPacket::Connect { token, .. } => token.map(|token| token.expose().to_owned()),
        _ => None,
    };
    rig.packets().into_iter().find_map(token)
}

/// Terminal: nothing is waited for, and nothing more is dialled.
fn is_over(rig: &mut Rig) {
    assert_eq!((rig.session.state(), rig.session.next_deadline()), (State::Failed, None));
    rig.said();
    rig.pass(Duration::from_secs(3600));
    assert_eq!(rig.said(), Vec::<Output<_, _, _>>::new());
}

#[test]
fn the_token_goes_into_the_auth_object() {
    let mut rig = with(Credentials::Fixed(Token::new("s3cret")));
    rig.command(Command::Connect);
    rig.greet();
    assert_eq!(token_of_connect(&mut rig).as_deref(), Some("s3cret"));
}

#[test]
fn a_refusal_without_another_token_is_the_end_in_the_servers_words() {
    let mut rig = with(Credentials::Fixed(Token::new("s3cret")));
    rig.send(1, "one");
    rig.command(Command::Connect);
    rig.greet();
    rig.said();
    let data = Some(Box::from(r#"{"code":"E_TOKEN"}"#));
    rig.receive(ServerPacket::ConnectError(ConnectError { message: "not you".into(), data: data.clone() }));
    let said = rig.said();
    let cause = said.iter().find_map(|output| match output {
        Output::Event(crate::Event::State(change)) => change.cause.clone(),
        _ => None,
    });
    assert_eq!(cause.map(|cause| (cause.text, cause.data)), Some((Box::from("not you"), data)));
    assert!(matches!(said.first(), Some(Output::Abort { .. })), "the engine would stay open: {said:?}");
    is_over(&mut rig);
}

#[test]
fn a_refusal_is_tried_again_with_a_fresh_token_alone_and_once_a_minute() {
    let mut rig = with(Credentials::Source);
    rig.command(Command::Connect);
    rig.input(Input::Token(Ok(Token::new("old"))));
    rig.greet();
    assert_eq!(token_of_connect(&mut rig).as_deref(), Some("old"));
    rig.receive(ServerPacket::ConnectError("expired".into()));
    assert_eq!(rig.story(), ["abandon 1000", "reconnecting unauthorized"]);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.story(), ["fetch token, rejected: true"]);
    rig.input(Input::Token(Ok(Token::new("new"))));
    rig.greet();
    assert_eq!(token_of_connect(&mut rig).as_deref(), Some("new"));
    rig.receive(ServerPacket::ConnectError("still not".into()));
    assert_eq!(rig.story(), ["abandon 1000", "failed unauthorized"]);
    is_over(&mut rig);
}

#[test]
fn a_namespace_that_does_not_exist_is_the_end() {
    let mut rig = with(Credentials::Source);
    rig.command(Command::Connect);
    rig.input(Input::Token(Ok(Token::new("t"))));
    rig.greet();
    rig.said();
    rig.receive(ServerPacket::ConnectError("Invalid namespace".into()));
    assert_eq!(rig.story(), ["abandon 1000", "failed unknown_namespace"]);
    is_over(&mut rig);
}

#[test]
fn a_server_of_another_version_is_the_end_and_says_so() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.greet();
    rig.said();
    rig.receive(ServerPacket::Connected(Connected { has_sid: false, pid: None }));
    assert_eq!(rig.story(), ["abandon 1000", "failed incompatible"]);
    is_over(&mut rig);
}

#[test]
fn being_thrown_out_is_the_end_and_resolves_every_send() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.send(1, "one");
    rig.said();
    rig.receive(ServerPacket::Disconnected);
    assert_eq!(rig.story(), ["abandon 1000", "failed server_closed", "1 is unknown"]);
    is_over(&mut rig);
    rig.send(2, "two");
    assert_eq!(rig.story(), ["2 is closed"]);
}

#[test]
fn a_transport_that_ends_is_an_ordinary_loss_whatever_its_code() {
    for code in [1000, 1001, 1005, 1006] {
        let mut rig = Rig::in_rooms(&["r"], None);
        rig.input(Input::Closed(rig.conn, Disconnect::Closed { code, reason: "".into() }));
        assert!(matches!(rig.session.state(), State::Reconnecting { .. }), "{code}");
    }
    let mut rig = Rig::in_rooms(&["r"], None);
    rig.send(1, "one");
    rig.said();
    rig.receive(ServerPacket::Close);
    assert_eq!(rig.story(), ["abandon 1000", "reconnecting connection_lost", "1 is unknown"]);
}

#[test]
fn a_server_that_never_lets_us_in_is_left_with_the_dials_deadline() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.greet();
    rig.said();
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.story(), ["abandon 1000", "reconnecting dial_timeout"]);
    // Its late consent means nothing.
    rig.receive(connected(None));
    assert!(matches!(rig.session.state(), State::Reconnecting { .. }));
}

#[test]
fn a_middleware_that_takes_14_s_is_waited_for_by_a_larger_limit_of_the_dial() {
    let mut config = Config::default();
    config.link.dial_timeout = Duration::from_secs(20);
    let mut rig = Rig::with(config, Options::default());
    rig.command(Command::Connect);
    rig.greet();
    rig.said();
    rig.pass(Duration::from_secs(14));
    // The engine continues asking meanwhile.
    rig.receive(ServerPacket::Ping);
    rig.receive(connected(None));
    assert!(matches!(rig.session.state(), State::Connected), "{:?}", rig.story());
}

#[test]
fn a_connection_that_ends_before_it_is_of_use_counts_as_a_failed_dial() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.greet();
    rig.said();
    rig.lose();
    assert_eq!(rig.story(), ["reconnecting connection_lost"]);
    rig.wait_for_dial();
    rig.let_in(None);
    assert_eq!(rig.session.state(), State::Connected);
}

#[test]
fn closing_says_goodbye_to_the_namespace_and_the_session_is_not_recovered_afterwards() {
    let mut rig = Rig::in_rooms(&["r"], Some("p"));
    rig.receive(placed("r", "one", "1-1"));
    rig.said();
    rig.command(Command::Close);
    let said = rig.said();
    assert!(matches!(
        said.as_slice(),
        [Output::Send { message: ClientPacket::Disconnect, .. }, Output::Close { code: 1000, .. }, ..]
    ));
    rig.input(Input::Closed(rig.conn, Disconnect::Closed { code: 1000, reason: "".into() }));
    assert_eq!(
        (rig.story(), rig.session.next_deadline()),
        (alloc::vec!["closed requested".to_owned()], None)
    );
    rig.command(Command::Connect);
    rig.greet();
    let resumes = |packet: &ClientPacket| matches!(packet, ClientPacket::Connect { resume: Some(_), .. });
    assert!(!rig.packets().iter().any(resumes));
    rig.receive(connected(Some("q")));
    assert_eq!(rig.story(), ["connected", "socketio", "gap in r", "> join r"]);
}

#[test]
fn a_server_out_of_order_does_no_harm() {
    let mut rig = Rig::new();
    rig.command(Command::Connect);
    rig.input(Input::Opened(rig.conn));
    // A consent before the first word, an answer to nothing, a second first word, a second consent.
    rig.receive(connected(None));
    rig.receive(ServerPacket::Ack { id: 7, answer: Box::new(super::rig::DONE) });
    assert_eq!(rig.session.state(), State::Connecting);
    rig.receive(ServerPacket::Open(HANDSHAKE));
    rig.receive(ServerPacket::Open(HANDSHAKE));
    rig.receive(connected(None));
    rig.receive(connected(Some("p")));
    assert_eq!(rig.session.state(), State::Connected);
    let connects = rig.packets().into_iter().filter(|packet| matches!(packet, ClientPacket::Connect { .. }));
    assert_eq!(connects.count(), 1);
}
