//! A state that outlives its client, in a store of the application's own.

use crate::{quick, until, within};
use futures_util::future::BoxFuture;
use rejoin::{Client, DeliveryStatus, Event, Events, Mode, Saved, StateError, StateStore};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// A store in memory that can be told to fail or to stand still.
#[derive(Clone, Default)]
struct Shelf {
    state: Arc<Mutex<Option<Saved>>>,
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
        Event::NotStored { error } => Some(assert!(error.contains("the shelf is full"), "{error}")),
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
