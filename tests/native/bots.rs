//! The crate as a bot uses it: loops that end with their reason, waits that mean what they say.

use crate::{Client, in_lobby, quick, server, server_with, until_state, within};
use rejoin::{CauseCode, Event, FeedEvent, JoinError, Mode, SendFailure, State, Token};
use rejoin_server::Auth;
use rejoin_server::auth::Tokens;
use std::error::Error;
use std::future::Future as _;
use std::task::{Context, Waker};

async fn guarded() -> rejoin_server::ServerHandle {
    let mut config = rejoin_server::Config::default();
    config.auth = Auth::Tokens(Tokens::parse("secret ada\n").unwrap());
    server_with(config).await
}

#[tokio::test]
async fn a_loop_over_the_events_ends_with_a_refused_token_and_the_reason_is_told_in_words() {
    let server = guarded().await;
    let (client, mut events) = quick(&server.url(), "wrong").room("lobby").connect().unwrap();
    let mut last = None;
    while let Some(event) = within("the end of the loop", events.next()).await {
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::State(change)) if change.state == State::Failed));
    assert!(within("the end", events.next_batch()).await.is_empty());
    let cause = within("the cause", client.terminated()).await;
    assert_eq!(cause.code, CauseCode::Unauthorized(4001));
    assert!(cause.to_string().starts_with("the server refused the token"), "{cause}");
    let error = within("the error", client.ready()).await.unwrap_err();
    // What a `main` that returns it prints.
    assert!(format!("{error:?}").contains("the server refused the token"), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), cause.to_string());
    let error = within("the join", client.join_and_wait("den")).await.unwrap_err();
    assert!(
        matches!(&error, JoinError::Closed(_)) && error.to_string().contains("refused the token"),
        "{error}"
    );
}

#[tokio::test]
async fn after_a_failure_the_events_go_on_with_a_new_token_and_with_what_is_asked_for() {
    let server = guarded().await;
    let (client, mut events) = quick(&server.url(), "wrong").connect().unwrap();
    while within("the failure", events.next()).await.is_some() {}
    let id = client.submit("lobby", "too late").unwrap();
    let outcome = within("the outcome", events.next()).await;
    assert!(matches!(&outcome, Some(Event::Delivery(delivery)) if delivery.id == id), "{outcome:?}");
    assert_eq!(within("the end", events.next()).await, None);
    client.connect();
    until_state(&mut events, "the next refusal", |state| *state == State::Failed).await;
    client.set_token(Token::new("secret"));
    until_state(&mut events, "the connection", |state| *state == State::Connected).await;
    assert_eq!(within("ready", client.ready()).await, Ok(Mode::Extended));
    within("the close", client.close()).await;
    while within("the end", events.next()).await.is_some() {}
    assert_eq!(within("the cause", client.terminated()).await.code, CauseCode::Requested);
}

#[tokio::test]
async fn a_loop_over_a_feed_ends_with_a_refused_token_and_goes_on_when_asked_to() {
    let server = guarded().await;
    let base = server.url().replace("ws://", "http://").replace("/ws", "");
    let mut feed = rejoin::follow(base, "lobby").token("wrong").connect().unwrap();
    for _ in 0..2 {
        let mut last = None;
        while let Some(event) = within("the end of the loop", feed.next()).await {
            last = Some(event);
        }
        assert!(matches!(last, Some(FeedEvent::State(change)) if change.state == State::Failed));
        feed.reconnect();
    }
}

#[tokio::test]
async fn whoever_joins_and_waits_is_in_the_room_and_ready_waits_for_the_join_before_it() {
    let server = server().await;
    let (ada, _events) = in_lobby(&server.url(), "ada").await;
    let joined = within("the join", ada.join_and_wait("den")).await.unwrap();
    assert_eq!((&*joined.room, joined.members.map(|members| members.len())), ("den", Some(1)));
    // Once more: nothing has to be asked for.
    assert!(within("the same join", ada.join_and_wait("den")).await.is_ok());
    let (bob, _events) = in_lobby(&server.url(), "bob").await;
    assert_eq!(bob.user().as_deref(), Some("bob"));
    for room in ["attic", "cellar"] {
        bob.join(room).unwrap();
        within("ready", bob.ready()).await.unwrap();
        let joined = within("the join", ada.join_and_wait(room)).await.unwrap();
        assert!(
            joined.members.unwrap().iter().any(|member| **member == *"bob"),
            "bob was in {room} before ready"
        );
    }
    let error = within("the refusal", ada.join_and_wait("a\nb")).await.unwrap_err();
    assert_eq!(error.code(), "bad_room");
}

#[tokio::test]
async fn on_a_plain_connection_a_join_is_waited_for_until_it_is_written() {
    let server = server().await;
    let (client, _events) = quick(&server.url(), "ada").extended(false).connect().unwrap();
    let joined = within("the join", client.join_and_wait("lobby")).await.unwrap();
    assert_eq!((&*joined.room, joined.members), ("lobby", None));
}

#[tokio::test]
async fn a_room_that_is_left_while_it_is_waited_for_and_one_too_many_are_errors() {
    let mut config = rejoin::Config::default();
    config.max_rooms = 1;
    let (client, _events) = Client::builder("ws://127.0.0.1:1/ws").config(config).connect().unwrap();
    let waiting = client.join_and_wait("lobby");
    let mut waiting = std::pin::pin!(waiting);
    // The join is asked for with the first poll.
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let error = within("the refusal", client.join_and_wait("den")).await.unwrap_err();
    assert_eq!(error, JoinError::TooManyRooms);
    client.leave("lobby");
    assert_eq!(within("the end", waiting).await, Err(JoinError::Left));
}

#[tokio::test]
async fn a_flush_ends_with_the_outcomes_of_all_sends_before_it_and_a_grace_that_is_over_says_so() {
    let server = server().await;
    let (client, mut events) = in_lobby(&server.url(), "ada").await;
    let count = 500;
    for n in 0..count {
        client.submit("lobby", n.to_string()).unwrap();
    }
    assert!(within("the flush", client.flush()).await.is_ok());
    assert_eq!(client.diagnostics().outbox_len, 0);
    assert!(within("the close", client.close_after(std::time::Duration::from_secs(60))).await);
    let mut acked = 0;
    while let Some(event) = within("the events", events.next()).await {
        acked += usize::from(
            matches!(event, Event::Delivery(delivery) if matches!(delivery.status, rejoin::DeliveryStatus::Acked { .. })),
        );
    }
    assert_eq!(acked, count);
    let (client, _events) = Client::builder("ws://127.0.0.1:1/ws").connect().unwrap();
    let sending = client.send("lobby", "nowhere");
    assert!(!within("the close", client.close_after(std::time::Duration::from_millis(1))).await);
    let outcome = within("the outcome", sending).await;
    assert_eq!(outcome, Err(rejoin::SendError::Failed(SendFailure::Closed)));
    assert!(within("the flush", client.flush()).await.is_err());
}

#[tokio::test]
async fn a_refused_join_has_the_code_the_servers_words_and_what_can_be_done() {
    let server = rejoin_server::Server::builder()
        .authenticate(async |_, _| {
            let rights = rejoin_server::hub::Rights::from_patterns([(
                "lobby",
                &[rejoin_server::hub::Right::Join][..],
            )])?;
            Ok::<_, rejoin_server::hub::RightsError>(Some(
                rejoin_server::auth::User::new("ada").with_rights(rights),
            ))
        })
        .bind()
        .await
        .unwrap()
        .spawn();
    let (client, _events) = quick(&server.url(), "any").connect().unwrap();
    let error = within("the refusal", client.join_and_wait("ops")).await.unwrap_err();
    let JoinError::Refused { code, message: Some(message), .. } = &error else { panic!("{error:?}") };
    assert_eq!((code.as_str(), error.code()), ("forbidden", "forbidden"));
    let words = format!(
        "the server refused the join (forbidden): {message}; ask the server's operator for the right"
    );
    assert_eq!(error.to_string(), words);
    assert!(within("the join", client.join_and_wait("lobby")).await.is_ok());
}
