//! A state that outlives its client, in a store of the application's own.

use crate::{quick, until, within};
use futures_util::future::BoxFuture;
use rejoin::machine::Saved;
use rejoin::{Client, DeliveryStatus, Event, Events, Mode, StateError, StateStore};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// A store in memory that can be told to fail or to stand still.
#[derive(Clone, Default)]
struct Shelf {
    state: Arc<Mutex<Option<Saved>>>,
    /// Every state that it has ever held.
    history: Arc<Mutex<Vec<Saved>>>,
    broken: Arc<AtomicBool>,
    /// While it is shut, saves say that they wait, and wait.
    shut: Arc<AtomicBool>,
    waiting: Arc<Notify>,
    open: Arc<Notify>,
}

impl Shelf {
    fn state(&self) -> Saved {
        self.state.lock().unwrap().clone().unwrap()
    }
}

impl StateStore for Shelf {
    fn load(&mut self, _url: &str) -> Result<Option<Saved>, StateError> {
        Ok(self.state.lock().unwrap().clone())
    }

    fn save(&mut self, state: Saved) -> BoxFuture<'static, Result<(), StateError>> {
        let store = self.clone();
        Box::pin(async move {
            if store.shut.load(Ordering::Relaxed) {
                store.waiting.notify_one();
                store.open.notified().await;
            }
            if store.broken.load(Ordering::Relaxed) {
                return Err(StateError::Other("the shelf is full".into()));
            }
            store.history.lock().unwrap().push(state.clone());
            *store.state.lock().unwrap() = Some(state);
            Ok(())
        })
    }
}

fn with(shelf: &Shelf, url: &str) -> (Client, Events) {
    quick(url, "ada").room("lobby").state_store(shelf.clone()).connect().unwrap()
}

async fn delivered(events: &mut Events, content: &str) -> DeliveryStatus {
    let mut restored = None;
    until(events, content, |event| match event {
        Event::Restored(send) if send.content == content => {
            restored = Some(send.id);
            None
        }
        Event::Delivery(delivery) if Some(delivery.id) == restored => Some(delivery.status),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn what_a_closed_client_had_not_delivered_the_next_one_does() {
    let server = crate::server().await;
    let url = server.url();
    let address = url.trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    server.stop().await;
    let shelf = Shelf::default();
    let (client, _events) = with(&shelf, &url);
    client.message("lobby", "later").reference("r").data(&[1, 2]).submit().unwrap();
    within("the end", client.close()).await;
    let kept = shelf.state().sends;
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].content.as_str(), kept[0].reference.as_deref()), ("later", Some("r")));
    assert_eq!(kept[0].data.as_deref(), Some("[1,2]"));

    let mut config = rejoin_server::Config::default();
    config.listen = address;
    let _server = crate::server_with(config).await;
    let (client, mut events) = with(&shelf, &url);
    assert!(matches!(delivered(&mut events, "later").await, DeliveryStatus::Acked { seq: 1, .. }));
    within("the end", client.close()).await;
    assert_eq!(shelf.state().sends, []);
    assert_eq!(shelf.state().user.as_deref(), Some("ada"));
}

#[tokio::test]
async fn nothing_is_transmitted_before_it_is_stored() {
    let server = crate::server().await;
    let (_bob, mut bob_hears) = crate::in_lobby(&server.url(), "bob").await;
    let shelf = Shelf::default();
    let (ada, mut ada_hears) = with(&shelf, &server.url());
    assert_eq!(within("ready", ada.ready()).await.unwrap(), Mode::Extended);
    shelf.broken.store(true, Ordering::Relaxed);
    let sending = ada.send("lobby", "careful");
    until(&mut ada_hears, "the complaint", |event| match event {
        Event::StorageFailed { error } => Some(assert!(error.contains("the shelf is full"), "{error}")),
        _ => None,
    })
    .await;
    let frames = ada.diagnostics().frames_out;
    shelf.broken.store(false, Ordering::Relaxed);
    let receipt = within("a receipt", sending).await.unwrap();
    assert_eq!(receipt.seq(), Some(1));
    assert!(frames <= ada.diagnostics().frames_out);
    crate::until_message(&mut bob_hears, "careful").await;
}

#[tokio::test]
async fn a_message_taken_is_committed_and_does_not_come_again_and_one_committed_by_hand_neither() {
    let server = crate::server().await;
    let (bob, _bob_hears) = crate::in_lobby(&server.url(), "bob").await;
    for by_hand in [false, true] {
        let shelf = Shelf::default();
        let connect = || {
            let builder = quick(&server.url(), "ada").room("lobby").state_store(shelf.clone());
            if by_hand { builder.manual_commit() } else { builder }.connect().unwrap()
        };
        let (ada, mut ada_hears) = connect();
        within("ready", ada.ready()).await.unwrap();
        for content in ["one", "two", "three"] {
            within("a receipt", bob.send("lobby", content)).await.unwrap();
        }
        for content in ["one", "two"] {
            let message = until(&mut ada_hears, content, |event| match event {
                Event::Message(message) if message.content == content => Some(message),
                _ => None,
            })
            .await;
            if by_hand && content == "one" {
                ada.commit(&message.room, message.position().unwrap());
            }
        }
        // Automatic: asking for `three` has said that `two` is dealt with. By hand only `one` is.
        within("three", ada_hears.next()).await;
        within("the end", ada.close()).await;
        drop(ada_hears);
        let (_ada, mut ada_hears) = connect();
        let next = until(&mut ada_hears, "the next message", |event| match event {
            Event::Message(message) => Some(message.content),
            Event::Gap(gap) => panic!("{gap:?}"),
            _ => None,
        })
        .await;
        assert_eq!(next, if by_hand { "two" } else { "three" });
    }
}

#[tokio::test]
async fn a_message_and_its_answer_are_stored_in_one_step() {
    const QUESTIONS: usize = 30;
    let server = crate::server().await;
    let (bob, _bob_hears) = crate::in_lobby(&server.url(), "bob").await;
    let shelf = Shelf::default();
    let builder = quick(&server.url(), "ada").room("lobby").state_store(shelf.clone()).manual_commit();
    let (ada, mut ada_hears) = builder.connect().unwrap();
    within("ready", ada.ready()).await.unwrap();
    for number in 0..QUESTIONS {
        bob.submit("lobby", format!("question {number}")).unwrap();
    }
    let (mut asked, mut answered) = (Vec::new(), 0);
    while answered < QUESTIONS {
        until(&mut ada_hears, "questions and outcomes", |event| {
            match event {
                Event::Message(message) if message.content.starts_with("question") => {
                    asked.push(message.position().unwrap().seq);
                    let answer = ada.message("lobby", format!("to {}", message.content));
                    answer.reference(message.content.clone()).committing(&message).submit().unwrap();
                }
                Event::Delivery(_) => answered += 1,
                _ => {}
            }
            Some(())
        })
        .await;
    }
    within("the end", ada.close()).await;
    let history = shelf.history.lock().unwrap().clone();
    for state in &history {
        let committed = state.positions.iter().find(|saved| &*saved.room == "lobby");
        let committed = committed.map_or(0, |saved| saved.position.seq);
        let consumed = asked.iter().filter(|seq| **seq <= committed).count();
        assert_eq!(state.sends.len() + state.outcomes.len(), consumed, "{state:?}");
    }
    assert_eq!(history.last().unwrap().outcomes.len(), QUESTIONS);
}

#[tokio::test]
async fn an_outcome_that_was_not_dealt_with_is_known_to_the_next_run_until_it_is() {
    let server = crate::server().await;
    let shelf = Shelf::default();
    let connect = || {
        let builder = quick(&server.url(), "ada").room("lobby").state_store(shelf.clone());
        builder.manual_commit().connect().unwrap()
    };
    let (ada, mut ada_hears) = connect();
    for reference in ["one", "two"] {
        let id = ada.message("lobby", reference).reference(reference).submit().unwrap();
        until(&mut ada_hears, reference, |event| match event {
            Event::Delivery(delivery) if delivery.id == id => Some(()),
            _ => None,
        })
        .await;
        if reference == "one" {
            ada.confirm(id);
        }
    }
    within("the end", ada.close()).await;
    let (ada, _ada_hears) = connect();
    let earlier = ada.restored_outcomes();
    let known: Vec<_> =
        earlier.iter().map(|outcome| (outcome.reference.as_deref().unwrap(), outcome.confirmed)).collect();
    assert_eq!(known, [("one", true), ("two", false)]);
    assert!(matches!(earlier[1].status, DeliveryStatus::Acked { seq: 2, .. }));
    ada.confirm(earlier[1].id);
    within("the end", ada.close()).await;
    assert!(connect().0.restored_outcomes().iter().all(|outcome| outcome.confirmed));
}

#[tokio::test]
async fn a_store_that_never_answers_holds_up_no_end_and_what_it_lost_was_not_sent() {
    let server = crate::server().await;
    let (_bob, mut bob_hears) = crate::in_lobby(&server.url(), "bob").await;
    let shelf = Shelf::default();
    let (ada, mut ada_hears) = with(&shelf, &server.url());
    within("ready", ada.ready()).await.unwrap();
    shelf.shut.store(true, Ordering::Relaxed);
    let id = ada.submit("lobby", "lost").unwrap();
    within("the save", shelf.waiting.notified()).await;
    within("the end", ada.close()).await;
    let status = until(&mut ada_hears, "the outcome", |event| match event {
        Event::Delivery(delivery) if delivery.id == id => Some(delivery.status),
        _ => None,
    })
    .await;
    assert_eq!(status, DeliveryStatus::Failed(rejoin::SendFailure::NotStored));
    let (eve, _eve_hears) = crate::in_lobby(&server.url(), "eve").await;
    within("a receipt", eve.send("lobby", "last")).await.unwrap();
    let next = until(&mut bob_hears, "a message", |event| match event {
        Event::Message(message) => Some(message.content),
        _ => None,
    })
    .await;
    assert_eq!(next, "last");
}

#[tokio::test]
async fn a_store_that_stands_still_holds_up_sends_and_not_the_runtime() {
    let server = crate::server().await;
    let shelf = Shelf::default();
    let (ada, _ada_hears) = with(&shelf, &server.url());
    within("ready", ada.ready()).await.unwrap();
    shelf.shut.store(true, Ordering::Relaxed);
    let mut sending = ada.send("lobby", "patience");
    within("the save", shelf.waiting.notified()).await;
    let frames = ada.diagnostics().frames_out;
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut sending).await.is_err());
    assert_eq!(ada.diagnostics().frames_out, frames);
    shelf.shut.store(false, Ordering::Relaxed);
    shelf.open.notify_one();
    within("a receipt", sending).await.unwrap();
    within("the end", ada.close()).await;
}
