//! Several namespaces of a Socket.IO server over one connection, on our server; the library that everybody uses is in
//! `tests/interop`.

use crate::{failed, lost, quick, server_with, until, until_message, until_state, within};
use harness::cutting_proxy::CuttingProxy;
use harness::process::ServerProcess;
use rejoin::socketio::{MAX_NAMESPACES, OpenError};
use rejoin::{
    Cause, CauseCode, Client, Event, Events, OpenNamespaceError, Receipt, SendError, SendFailure, SocketIo,
    State,
};
use rejoin_server::{Config, ServerHandle};

async fn server() -> ServerHandle {
    let mut config = Config::default();
    config.namespaces = ["/chat", "/notifications=personal"].map(|name| name.parse().unwrap()).into();
    server_with(config).await
}

fn http(url: &str) -> String {
    url.replace("ws://", "http://").trim_end_matches("/ws").to_owned()
}

/// In the lobby of `/`.
fn in_main(url: &str, user: &str) -> (Client, Events) {
    quick(url, user).socket_io(SocketIo::default()).room("lobby").connect().unwrap()
}

/// In the lobby of `/chat`, over the same connection.
fn in_chat(client: &Client, user: &str) -> (Client, Events) {
    client.namespace("/chat").token(user).room("lobby").connect().unwrap()
}

async fn ready(clients: &[&Client]) {
    for client in clients {
        within("ready", client.ready()).await.unwrap();
    }
}

/// What is said up to the last of these, in rooms of one namespace.
async fn heard_until(events: &mut Events, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    until(events, last, |event| match event {
        Event::Message(message) => {
            let is_last = message.content == last;
            heard.push(message.content);
            is_last.then_some(())
        }
        _ => None,
    })
    .await;
    heard
}

#[tokio::test]
async fn each_namespace_has_its_own_rooms_sends_and_end_over_one_connection() {
    let server = server().await;
    let (main, mut in_lobby) = in_main(&http(&server.url()), "ada");
    let (chat, mut in_chat_lobby) = in_chat(&main, "ada");
    assert_eq!((main.namespace_name(), chat.namespace_name()), (None, Some("/chat")));
    ready(&[&main, &chat]).await;
    let receipt = within("a receipt", chat.send("lobby", "in chat")).await.unwrap();
    assert!(matches!(receipt, Receipt::Answered { .. }), "{receipt:?}");
    within("a receipt", main.send("lobby", "in main")).await.unwrap();
    until_message(&mut in_chat_lobby, "in chat").await;
    assert_eq!(heard_until(&mut in_lobby, "in main").await, ["in main"]);
    assert_eq!(main.diagnostics().connections, 1);
    within("the end", chat.close()).await;
    assert_eq!(within("the end of the events", heard_all(in_chat_lobby)).await, Vec::<String>::new());
    let closed = within("an outcome", chat.send("lobby", "too late")).await;
    assert_eq!(closed, Err(SendError::Failed(SendFailure::Closed)));
    // The others go on, and it can be opened again.
    within("a receipt", main.send("lobby", "still here")).await.unwrap();
    let (again, mut events) = in_chat(&main, "ada");
    ready(&[&again]).await;
    within("a receipt", again.send("lobby", "back")).await.unwrap();
    until_message(&mut events, "back").await;
    assert_eq!(main.diagnostics().connections, 1);
    within("the end", main.close()).await;
    assert_eq!(again.status().state, State::Closed);
}

async fn heard_all(mut events: Events) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::Message(message) = event {
            heard.push(message.content);
        }
    }
    heard
}

#[tokio::test]
async fn a_namespace_without_handles_is_left_and_a_connection_lives_as_long_as_any_handle() {
    let server = server().await;
    let (main, events) = in_main(&http(&server.url()), "ada");
    let (chat, mut in_chat_lobby) = in_chat(&main, "ada");
    ready(&[&main, &chat]).await;
    drop((main, events));
    within("a receipt", chat.send("lobby", "alone")).await.unwrap();
    until_message(&mut in_chat_lobby, "alone").await;
    let main = chat.namespace("/notifications").token("ada").connect().unwrap().0;
    ready(&[&main]).await;
    drop((chat, in_chat_lobby));
    // Until it is left, it is open.
    let again = within("the leave", async {
        loop {
            match main.namespace("/chat").token("ada").connect() {
                Err(OpenNamespaceError::Open(OpenError::AlreadyOpen)) => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    });
    ready(&[&again.await.0]).await;
}

async fn cause_of(events: &mut Events) -> Cause {
    until_state(events, "the refusal", failed).await.cause.unwrap()
}

#[tokio::test]
async fn a_namespace_that_is_refused_or_that_there_is_not_has_its_cause_and_the_first_goes_on() {
    let server = server().await;
    let (main, mut in_lobby) = in_main(&http(&server.url()), "ada");
    let (none, mut events) = main.namespace("/none").connect().unwrap();
    assert_eq!(cause_of(&mut events).await.code, CauseCode::UnknownNamespace);
    let error = within("the error", none.ready()).await.unwrap_err();
    assert!(error.to_string().contains("no such namespace"), "{error}");
    assert_eq!(within("the cause", none.terminated()).await.code, CauseCode::UnknownNamespace);
    // Without a token, and then with one.
    let (chat, mut events) = main.namespace("/chat").connect().unwrap();
    let cause = cause_of(&mut events).await;
    assert_eq!((cause.code, &*cause.text), (CauseCode::Unauthorized(4001), "Unauthorized"));
    chat.set_token("ada".into());
    until_state(&mut events, "the consent", |state| *state == State::Connected).await;
    within("a receipt", main.send("lobby", "here")).await.unwrap();
    until_message(&mut in_lobby, "here").await;
    assert_eq!(main.diagnostics().connections, 1);
}

#[tokio::test]
async fn a_source_gives_the_auth_of_a_namespace() {
    let server = server().await;
    let (main, _events) = in_main(&http(&server.url()), "ada");
    let source = || async { Ok(serde_json::json!({"token": "eve", "device": 7})) };
    let (chat, mut events) = main.namespace("/chat").auth_source(source).room("lobby").connect().unwrap();
    ready(&[&chat]).await;
    within("a receipt", chat.send("lobby", "who am I?")).await.unwrap();
    let user = until(&mut events, "the message", |event| match event {
        Event::Message(message) => Some(message.user),
        _ => None,
    });
    assert_eq!(&*user.await, "eve");
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let server = server().await;
    let (main, _events) = in_main(&http(&server.url()), "ada");
    let words = |name: &str| match main.namespace(name).connect() {
        Ok(_) => panic!("{name} is open"),
        Err(error) => error.to_string(),
    };
    assert!(words("chat").contains("looks like /admin"));
    assert!(words("/").contains("open already"));
    let kept: Vec<_> =
        (0..MAX_NAMESPACES).map(|n| main.namespace(&format!("/n{n}")).connect().unwrap()).collect();
    assert!(words("/n0").contains("open already"));
    for n in MAX_NAMESPACES..200 {
        assert!(words(&format!("/n{n}")).contains("64 namespaces are open"));
    }
    drop(kept);
    let no_object = main.namespace("/x").auth(&7).connect().map(drop);
    assert!(matches!(no_object, Err(OpenNamespaceError::Auth(_))), "{no_object:?}");
    let (plain, _events) = quick(&server.url(), "ada").connect().unwrap();
    let unsupported = plain.namespace("/x").connect().map(drop);
    assert!(matches!(unsupported, Err(OpenNamespaceError::Unsupported)), "{unsupported:?}");
    within("the end", main.close()).await;
    assert!(words("/late").contains("ended"));
}

/// Everything that is said in one lobby, with no gap behind the first message.
async fn hears_all(mut events: Events, last: String) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        match within("an event", events.next()).await {
            Some(Event::Message(message)) => heard.push(message.content),
            // Before the first message there was no place to go on from.
            Some(Event::Gap(gap)) if !heard.is_empty() => panic!("{gap:?} after {:?}", heard.last()),
            Some(_) => {}
            None => panic!("the events ended"),
        }
    }
    heard
}

#[tokio::test]
async fn a_connection_that_is_cut_anywhere_loses_nothing_and_repeats_nothing_in_either_namespace() {
    const COUNT: usize = 300;
    let server = server().await;
    let address = http(&server.url()).trim_start_matches("http://").parse().unwrap();
    let cutter = CuttingProxy::start(address, 11).await;
    let (ada, _ada_hears) = in_main(&http(&server.url()), "ada");
    let (ada_in_chat, _ada_hears_there) = in_chat(&ada, "ada");
    let (bob, bob_hears) = in_main(&format!("http://{}", cutter.address), "bob");
    let (bob_in_chat, bob_hears_there) = in_chat(&bob, "bob");
    ready(&[&ada, &ada_in_chat, &bob, &bob_in_chat]).await;
    let words = |at: &str, number| format!("{at} {number}, with something in it that can be cut in two");
    let main = tokio::spawn(hears_all(bob_hears, words("main", COUNT - 1)));
    let chat = tokio::spawn(hears_all(bob_hears_there, words("chat", COUNT - 1)));
    for number in 0..COUNT {
        within("a receipt", ada.send("lobby", words("main", number))).await.unwrap();
        within("a receipt", ada_in_chat.send("lobby", words("chat", number))).await.unwrap();
    }
    within("the cuts", cutter.until_cut(4)).await;
    cutter.stop_cutting();
    for (at, heard) in [("main", main), ("chat", chat)] {
        let heard = within("the messages", heard).await.unwrap();
        let missed = COUNT - heard.len();
        assert_eq!(heard, (missed..COUNT).map(|number| words(at, number)).collect::<Vec<_>>());
        assert!(missed < COUNT / 2, "{missed} before the first in {at}");
    }
    assert!(bob.diagnostics().connections > 1);
    within("the end", bob.close()).await;
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_has_each_namespace_back_with_its_own_gap() {
    let args = ["--namespace", "/chat", "--namespace", "/notifications=personal", "--admin", "127.0.0.1:0"];
    let server = ServerProcess::start_with("127.0.0.1:0", &args);
    let address = server.address();
    let (main, mut in_lobby) = in_main(&format!("http://{address}"), "ada");
    let (chat, mut in_chat_lobby) = in_chat(&main, "ada");
    let (alerts, mut alerted) =
        main.namespace("/notifications").token("ada").notifications().connect().unwrap();
    ready(&[&main, &chat, &alerts]).await;
    for client in [&main, &chat] {
        within("a receipt", client.send("lobby", "before")).await.unwrap();
    }
    server.kill();
    for events in [&mut in_lobby, &mut in_chat_lobby, &mut alerted] {
        until_state(events, "the loss", lost).await;
    }
    let waiting = [main.send("lobby", "meanwhile"), chat.send("lobby", "meanwhile")];
    let server = ServerProcess::start_with(&address, &args);
    for sending in waiting {
        within("a receipt", sending).await.unwrap();
    }
    for events in [&mut in_lobby, &mut in_chat_lobby] {
        let mut gaps = 0;
        until(events, "meanwhile", |event| match event {
            Event::Gap(_) => {
                gaps += 1;
                None
            }
            Event::Message(message) => (message.content == "meanwhile").then_some(()),
            _ => None,
        })
        .await;
        assert_eq!(gaps, 1);
    }
    until(&mut alerted, "the gap", |event| matches!(event, Event::Gap(_)).then_some(())).await;
    let status =
        harness::admin::post(server.admin(), "/users/ada/notifications", r#"{"kind":"badge","data":7}"#);
    assert_eq!(status, 202);
    let kind = until(&mut alerted, "the notification", |event| match event {
        Event::Notification(notification) => Some(notification.kind),
        _ => None,
    });
    assert_eq!(&*kind.await, "badge");
    within("the end", main.close()).await;
}
