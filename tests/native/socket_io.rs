//! Socket.IO through the builder, on servers that say what they were told to; real ones are in `tests/interop`.

use crate::{in_lobby, quick, server, until, until_arrival, until_message, within};
use harness::cutting_proxy::CuttingProxy;
use harness::scripted_server::ScriptedServer;
use rejoin::{CauseCode, Client, Event, Events, Mode, Receipt, SocketIo, State};

const OPEN: &str =
    r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONSENT: &str = r#"40{"sid":"s"}"#;

fn said(content: &str) -> String {
    format!(r#"42["message",{{"roomId":"lobby","userId":"eve","content":"{content}","timestamp":"t"}}]"#)
}

/// A client of a server that says this to everybody.
fn hears(texts: &[&str]) -> (ScriptedServer, Client, Events) {
    let scripted = ScriptedServer::start_unasked(texts.iter().copied().map(str::to_owned).collect());
    let server = SocketIo::default().acks(false);
    let (client, events) = quick(&scripted.url, "ada").socket_io(server).room("lobby").connect().unwrap();
    (scripted, client, events)
}

#[tokio::test]
async fn a_client_is_ready_hears_and_sends() {
    let (_liar, client, mut events) = hears(&[OPEN, CONSENT, &said("welcome")]);
    assert_eq!(within("ready", client.ready()).await.unwrap(), Mode::SocketIo);
    until_message(&mut events, "welcome").await;
    assert_eq!(within("a receipt", client.send("lobby", "hi")).await, Ok(Receipt::Written));
    within("the end", client.close()).await;
}

#[tokio::test]
async fn nonsense_is_told_once_for_each_kind_then_counted_and_costs_nothing_else() {
    let nonsense = [
        "x",
        "",
        "4",
        "42{",
        "42{",
        r#"42["message",{"roomId":7}]"#,
        r#"0{"pingInterval":-1}"#,
        "43[]",
        "47",
    ];
    let welcome = said("welcome");
    let texts = [&[OPEN], &nonsense[..], &[CONSENT, &welcome]].concat();
    let (_liar, client, mut events) = hears(&texts);
    let mut garbled = 0;
    until(&mut events, "welcome", |event| match event {
        Event::Malformed { .. } => {
            garbled += 1;
            None
        }
        Event::Message(message) => Some(assert_eq!(message.content, "welcome")),
        _ => None,
    })
    .await;
    // An ack without a number is no nonsense, only nobody's.
    let counts = client.diagnostics();
    let counted = (counts.malformed_frames, counts.connections);
    assert_eq!((garbled, counted), (5, (nonsense.len() as u64 - 1, 1)));
}

#[tokio::test]
async fn a_server_out_of_step_with_its_attachments_is_left_and_dialled_again() {
    let binary = r#"451-["message",{"_placeholder":true,"num":0}]"#;
    let (_liar, client, mut events) = hears(&[OPEN, CONSENT, binary, &said("too early")]);
    let cause = until(&mut events, "the loss", |event| match event {
        Event::State(change) if matches!(change.state, State::Reconnecting { .. }) => change.cause,
        Event::Message(message) => panic!("{message:?}"),
        _ => None,
    })
    .await;
    assert_eq!(cause.code, CauseCode::ProtocolError);
    until(&mut events, "the next connection", |event| match event {
        Event::State(change) if change.state == State::Connected => Some(()),
        _ => None,
    })
    .await;
    within("the end", client.close()).await;
}

#[tokio::test]
async fn on_our_server_a_connection_that_is_cut_anywhere_loses_nothing_and_repeats_nothing() {
    const COUNT: usize = 300;
    let server = server().await;
    let address = server.url().trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let cutter = CuttingProxy::start(address, 7).await;
    let (ada, mut ada_hears) = in_lobby(&server.url(), "ada").await;
    let url = format!("http://{}", cutter.address);
    let (bob, mut bob_hears) =
        quick(&url, "bob").socket_io(SocketIo::default()).room("lobby").connect().unwrap();
    until_arrival(&mut ada_hears, "bob").await;
    let words = |number| format!("number {number}, with something in it that can be cut in two");
    let hearing = tokio::spawn(async move {
        let mut heard = Vec::new();
        while heard.last() != Some(&words(COUNT - 1)) {
            match within("an event", bob_hears.next()).await {
                Some(Event::Message(message)) => heard.push(message.content),
                // Before the first message there was no place to go on from.
                Some(Event::Gap(gap)) if !heard.is_empty() => panic!("{gap:?} after {:?}", heard.last()),
                Some(_) => {}
                None => panic!("the events ended"),
            }
        }
        heard
    });
    for number in 0..COUNT {
        within("a receipt", ada.send("lobby", words(number))).await.unwrap();
    }
    within("the cuts", cutter.until_cut(4)).await;
    cutter.stop_cutting();
    let heard = within("the messages", hearing).await.unwrap();
    let missed = COUNT - heard.len();
    assert_eq!(heard, (missed..COUNT).map(words).collect::<Vec<_>>());
    assert!(missed < COUNT / 2, "{missed} before the first");
    within("the end", bob.close()).await;
}
