//! The ways of a service beside the one stream of events: consumers of single rooms, permits to send, messages that know
//! whether they are its own.

use crate::{Client, in_lobby, in_lobby_as, quick, server, until, until_message, within};
use rejoin::{Config, Event, Message, Missed, Mode, SendError, SendFailure, Subscription};
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

async fn next(subscription: &mut Subscription) -> Message {
    within("a message", subscription.next()).await.expect("the end").expect("nothing missed")
}

#[tokio::test]
async fn each_consumer_of_a_room_has_every_message_in_order_and_the_events_have_them_too() {
    let server = server().await;
    let (ada, mut events) = in_lobby(&server.url(), "ada").await;
    let mut consumers = [ada.subscribe("lobby").unwrap(), ada.subscribe("lobby").unwrap()];
    let mut den = ada.subscribe("den").unwrap();
    drop(ada.subscribe("lobby").unwrap());
    within("the join", ada.join_and_wait("den")).await.unwrap();
    let (bob, _events) = in_lobby(&server.url(), "bob").await;
    within("the join", bob.join_and_wait("den")).await.unwrap();
    for n in 0..200 {
        bob.submit("lobby", n.to_string()).unwrap();
    }
    bob.submit("den", "x").unwrap();
    for consumer in &mut consumers {
        for n in 0..200 {
            assert_eq!(next(consumer).await.content, n.to_string());
        }
    }
    assert_eq!(next(&mut den).await.content, "x");
    until_message(&mut events, "199").await;
    drop(events);
    bob.submit("lobby", "without events").unwrap();
    assert_eq!(next(&mut consumers[0]).await.content, "without events");
    assert!(ada.subscribe("a\nb").is_err());
}

#[tokio::test]
async fn a_consumer_is_told_what_was_missed_and_ends_with_the_client() {
    let server = server().await;
    let (ada, _events) = in_lobby_as(Mode::Plain, &server.url(), "ada").await;
    let mut slow = ada.subscribe("lobby").unwrap();
    let mut quick = ada.subscribe("lobby").unwrap();
    let (bob, _bobs_events) = in_lobby(&server.url(), "bob").await;
    let sent = 4_200;
    for n in 0..sent {
        within("a permit", bob.reserve()).await.unwrap().send("lobby", n.to_string()).await.unwrap();
        assert_eq!(next(&mut quick).await.content, n.to_string());
    }
    for n in 0..4_096 {
        assert_eq!(next(&mut slow).await.content, n.to_string());
    }
    let missed = within("the loss", slow.next()).await;
    assert_eq!(missed, Some(Err(Missed::Lagged(sent - 4_096))));
    ada.reconnect();
    let missed = within("the gap", slow.next()).await;
    assert!(matches!(missed, Some(Err(Missed::Gap(gap))) if gap.room == *"lobby"));
    within("the close", ada.close()).await;
    assert_eq!(within("the end", slow.next()).await, None);
    let mut late = ada.subscribe("lobby").unwrap();
    assert_eq!(within("the end", late.next()).await, None);
}

#[tokio::test]
async fn after_a_failure_a_consumer_ends_and_goes_on_with_the_client() {
    let server = server().await;
    let (ada, _events) =
        quick(&server.url().replace("/ws", "/wrong"), "ada").max_attempts(0).connect().unwrap();
    let mut lobby = ada.subscribe("lobby").unwrap();
    assert_eq!(within("the end", lobby.next()).await, None);
    // What is asked for now comes before the next end.
    ada.connect();
    assert_eq!(within("the next end", lobby.next()).await, None);
    assert_eq!(ada.diagnostics().dials, 2);
}

#[tokio::test]
async fn a_message_knows_whether_it_is_the_users_own_where_the_server_says_who_that_is() {
    let server = server().await;
    let own = |event| match event {
        Event::Message(message) => Some(message.is_own()),
        _ => None,
    };
    for (mode, [of_ada, of_bob]) in [(Mode::Extended, [Some(true), Some(false)]), (Mode::Plain, [None, None])]
    {
        let (ada, mut events) = in_lobby_as(mode, &server.url(), "ada").await;
        within("the send", ada.send("lobby", "mine")).await.unwrap();
        let other = in_lobby(&server.url(), "ada").await;
        within("the send", other.0.send("lobby", "mine, from another device")).await.unwrap();
        let bob = in_lobby(&server.url(), "bob").await;
        within("the send", bob.0.send("lobby", "not mine")).await.unwrap();
        for expected in [of_ada, of_ada, of_bob] {
            assert_eq!(until(&mut events, "a message", own).await, expected, "{mode:?}");
        }
    }
}

#[tokio::test]
async fn who_sends_by_permits_waits_instead_of_failing_and_a_permit_is_given_back() {
    let mut config = Config::default();
    config.outbox.count = 3;
    let (client, _events) = Client::builder("ws://127.0.0.1:1/ws").config(config).connect().unwrap();
    let first = within("the first permit", client.reserve()).await.unwrap();
    let second = within("the second permit", client.reserve()).await.unwrap();
    let third = within("the third permit", client.reserve()).await.unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut fourth = pin!(client.reserve());
    assert!(fourth.as_mut().poll(&mut cx).is_pending());
    {
        // Who gives up waiting holds up nobody.
        let mut given_up = pin!(client.reserve());
        assert!(given_up.as_mut().poll(&mut cx).is_pending());
    }
    let mut fifth = pin!(client.reserve());
    assert!(fifth.as_mut().poll(&mut cx).is_pending());
    // Used, it makes room for nobody: the message waits for a connection.
    let sending = first.send("lobby", "a");
    let queued = client.message("lobby", "b").data(&1).permit(second).send();
    assert!(fourth.as_mut().poll(&mut cx).is_pending());
    drop(third);
    let fourth = within("the fourth permit", fourth).await.unwrap();
    sending.cancel();
    assert_eq!(within("the outcome", sending).await, Err(SendError::Failed(SendFailure::Cancelled)));
    let fifth = within("the fifth permit", fifth).await.unwrap();
    let last = [fourth.send("lobby", "c"), fifth.send("lobby", "d")];
    let mut sixth = pin!(client.reserve());
    assert!(matches!(sixth.as_mut().poll(&mut cx), Poll::Pending));
    within("the close", client.close()).await;
    for outcome in last.into_iter().chain([queued]) {
        assert_eq!(within("the outcome", outcome).await, Err(SendError::Failed(SendFailure::Closed)));
    }
    assert!(within("the end", sixth).await.is_err());
    assert!(within("the end", client.reserve()).await.is_err());
}

#[tokio::test]
async fn a_thousand_sends_by_permits_go_through_an_outbox_of_four() {
    let server = server().await;
    let mut config = Config::default();
    config.outbox.count = 4;
    config.outbox.bytes = 64 << 10;
    config.max_content = 8 << 10;
    let (client, mut events) = quick(&server.url(), "ada").config(config).room("lobby").connect().unwrap();
    let sending = tokio::spawn(async move {
        let mut outcomes = Vec::new();
        for n in 0..1_000 {
            let permit = client.reserve().await.unwrap();
            outcomes.push(permit.send("lobby", format!("{n}{}", "x".repeat(n % 5_000))));
        }
        client.flush().await.unwrap();
        for outcome in outcomes {
            outcome.await.unwrap();
        }
    });
    within("the sends", async {
        tokio::pin!(sending);
        loop {
            tokio::select! {
                done = &mut sending => break done.unwrap(),
                _ = events.next() => {}
            }
        }
    })
    .await;
}
