//! Messages between clients, with nothing in between that fails.

use crate::{in_lobby_as, is_right, quick, server, until, until_arrival, until_message, within};
use harness::closed_port::ClosedPort;
use rejoin::{DeliveryStatus, Event, Mode, SendError, SendFailure};

const MODES: [Mode; 2] = [Mode::Plain, Mode::Extended];

#[tokio::test]
async fn two_clients_talk_and_each_send_says_how_safe_it_is_whatever_either_speaks() {
    for (mode, other) in MODES.into_iter().flat_map(|mode| MODES.map(|other| (mode, other))) {
        let server = server().await;
        let (ada, mut ada_hears) = in_lobby_as(mode, &server.url(), "ada").await;
        let (bob, mut bob_hears) = in_lobby_as(other, &server.url(), "bob").await;
        until_arrival(&mut ada_hears, "bob").await;
        assert!(is_right(mode, &within("a receipt", ada.send("lobby", "hi")).await.unwrap()));
        until_message(&mut bob_hears, "hi").await;
        until_message(&mut ada_hears, "hi").await;
        let nasty = "hello \u{1b}[2J\n\"";
        assert!(is_right(other, &within("a receipt", bob.send("lobby", nasty)).await.unwrap()));
        until_message(&mut ada_hears, nasty).await;
    }
}

#[tokio::test]
async fn data_beside_the_text_and_signals_reach_those_who_understand_them() {
    let server = server().await;
    let (ada, mut ada_hears) = in_lobby_as(Mode::Extended, &server.url(), "ada").await;
    let (_bob, mut bob_hears) = in_lobby_as(Mode::Extended, &server.url(), "bob").await;
    until_arrival(&mut ada_hears, "bob").await;
    let (_eve, mut eve_hears) = in_lobby_as(Mode::Plain, &server.url(), "eve").await;
    until_arrival(&mut ada_hears, "eve").await;
    ada.signal("lobby", "typing", &()).unwrap();
    until(&mut bob_hears, "the signal", |event| match event {
        Event::Signal(signal) => Some(assert_eq!((&*signal.kind, &*signal.user), ("typing", "ada"))),
        _ => None,
    })
    .await;
    let order = std::collections::BTreeMap::from([("pizza", 2)]);
    within("a receipt", ada.message("lobby", "order").data(&order).send()).await.unwrap();
    let heard = |event| match event {
        Event::Message(message) if message.content == "order" => Some(message.data),
        Event::Signal(signal) => panic!("{signal:?}"),
        _ => None,
    };
    let data = until(&mut bob_hears, "the order", heard).await;
    assert_eq!(data.as_deref(), Some(r#"{"pizza":2}"#));
    assert_eq!(until(&mut eve_hears, "the order", heard).await, None);
    ada.request_presence("lobby");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_arrive_once_and_in_order_and_every_outcome_is_told() {
    for mode in MODES {
        ten_thousand(mode).await;
    }
}

async fn ten_thousand(mode: Mode) {
    const COUNT: usize = 10_000;
    let server = server().await;
    let (ada, mut ada_hears) = in_lobby_as(mode, &server.url(), "ada").await;
    let (_bob, mut bob_hears) = in_lobby_as(mode, &server.url(), "bob").await;
    until_arrival(&mut ada_hears, "bob").await;
    let listening = tokio::spawn(async move {
        for expected in 0..COUNT {
            let heard = until(&mut bob_hears, "a message", |event| match event {
                Event::Message(message) => Some(message.content),
                Event::Gap(gap) => panic!("{gap:?}"),
                _ => None,
            })
            .await;
            assert_eq!(heard, expected.to_string());
        }
    });
    let (mut submitted, mut outcomes, mut echoes) = (0, 0, 0);
    while outcomes < COUNT || echoes < COUNT {
        // A window: neither our outbox nor the server's queue is to overflow.
        while submitted < COUNT && submitted < echoes + 500 {
            ada.submit("lobby", submitted.to_string()).unwrap();
            submitted += 1;
        }
        until(&mut ada_hears, "an outcome or an echo", |event| match event {
            Event::Delivery(delivery) => {
                let is_acked = matches!(delivery.status, DeliveryStatus::Acked { .. });
                assert!(if mode == Mode::Extended { is_acked } else { !is_acked }, "{delivery:?}");
                assert!(!matches!(delivery.status, DeliveryStatus::Unknown | DeliveryStatus::Failed(_)));
                outcomes += 1;
                Some(())
            }
            Event::Message(_) => {
                echoes += 1;
                Some(())
            }
            _ => None,
        })
        .await;
    }
    listening.await.unwrap();
}

#[tokio::test]
async fn a_room_that_was_left_is_silent_and_can_be_joined_again() {
    for mode in MODES {
        left_and_joined(mode).await;
    }
}

async fn left_and_joined(mode: Mode) {
    let server = server().await;
    let (ada, mut ada_hears) = in_lobby_as(mode, &server.url(), "ada").await;
    let (bob, mut bob_hears) = in_lobby_as(mode, &server.url(), "bob").await;
    ada.join("side").unwrap();
    within("ready", ada.ready()).await.unwrap();
    ada.leave("lobby");
    // In order on one connection: once this is back, the server knows that ada has left.
    within("a receipt", ada.send("side", "left")).await.unwrap();
    until_message(&mut ada_hears, "left").await;
    within("a receipt", bob.send("lobby", "unheard")).await.unwrap();
    // The server has dealt with it before ada comes back.
    until_message(&mut bob_hears, "unheard").await;
    ada.join("lobby").unwrap();
    until(&mut ada_hears, "the room", |event| match event {
        Event::Room(change) if &*change.room == "lobby" && change.state == rejoin::RoomState::Joined => {
            Some(())
        }
        Event::Message(message) => panic!("{message:?}"),
        _ => None,
    })
    .await;
    within("a receipt", ada.send("lobby", "back")).await.unwrap();
    until_message(&mut ada_hears, "back").await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_its_reason_and_nothing_else_is_lost() {
    let server = server().await;
    let (ada, mut ada_hears) = in_lobby_as(Mode::Plain, &server.url(), "ada").await;
    let too_large = within("an outcome", ada.send("lobby", "x".repeat(2 << 20))).await;
    assert_eq!(too_large, Err(SendError::Failed(SendFailure::TooLarge)));
    assert_eq!(
        within("an outcome", ada.send("@me", "x")).await,
        Err(SendError::Failed(SendFailure::BadRoom))
    );
    assert!(ada.join("a\u{202e}b").is_err());
    // Too much for the server, whose limit is its own: it says so, and the connection stays.
    within("a receipt", ada.send("lobby", "x".repeat(10_000))).await.unwrap();
    until(&mut ada_hears, "the server's error", |event| match event {
        Event::ServerError { message, .. } => Some(assert!(message.contains("too long"), "{message}")),
        _ => None,
    })
    .await;
    within("a receipt", ada.send("lobby", "still here")).await.unwrap();
    until_message(&mut ada_hears, "still here").await;
    // An extended server has said what it takes.
    let (bob, mut bob_hears) = in_lobby_as(Mode::Extended, &server.url(), "bob").await;
    let too_large = within("an outcome", bob.send("lobby", "x".repeat(10_000))).await;
    assert!(matches!(too_large, Err(SendError::Failed(why)) if why.as_str() == "too_large"), "{too_large:?}");
    within("a receipt", bob.send("lobby", "and here")).await.unwrap();
    until_message(&mut bob_hears, "and here").await;
}

#[tokio::test]
async fn sends_wait_for_the_first_connection_until_their_own_timeout_or_until_they_are_taken_back() {
    let closed_port = ClosedPort::hold();
    let (client, _events) = quick(&closed_port.url(), "ada").connect().unwrap();
    let timeout = std::time::Duration::from_millis(50);
    let impatient = within("a timeout", client.message("lobby", "soon").timeout(timeout).send()).await;
    assert_eq!(impatient, Err(SendError::Failed(SendFailure::Timeout)));
    let sending = client.send("lobby", "never");
    sending.cancel();
    assert_eq!(within("an outcome", sending).await, Err(SendError::Failed(SendFailure::Cancelled)));
    let waiting = client.send("lobby", "patient");
    let mut config = rejoin_server::Config::default();
    config.listen = closed_port.address;
    let _server = crate::server_with(config).await;
    client.join("lobby").unwrap();
    within("a receipt", waiting).await.unwrap();
}
