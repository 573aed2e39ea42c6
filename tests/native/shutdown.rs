//! The end of a client, and what an application that is too slow or too fast is told.

use crate::{Client, in_lobby, quick, server, until, within};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use harness::proxy::FaultProxy;
use rejoin::{Config, DeliveryStatus, Event, Events, Receipt, SendError, SendFailure, SendId, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

async fn ended(events: &mut Events) {
    within("the end of the events", async { while events.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn close_ends_the_task_the_events_and_every_send() {
    let server = server().await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (client, mut events) = in_lobby(&server.url(), "ada").await;
    within("the end", client.close()).await;
    ended(&mut events).await;
    assert_eq!(client.status().state, State::Closed);
    assert_eq!(
        within("an outcome", client.send("lobby", "x")).await,
        Err(SendError::Failed(SendFailure::Closed))
    );
    assert!(client.ready().await.is_err());
    // The server's task for the connection ends as well, a moment after ours.
    within("the tasks", async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > tasks {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn close_works_while_connecting_reconnecting_and_failed() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, mut events) =
        quick(&format!("ws://{}/", silent.local_addr().unwrap()), "a").connect().unwrap();
    within("the end", client.close()).await;
    ended(&mut events).await;

    let (client, mut events) = Client::builder("ws://nowhere.invalid/").connect().unwrap();
    let waiting = client.send("lobby", "x");
    crate::until_state(&mut events, "the loss", crate::lost).await;
    within("the end", client.close()).await;
    assert_eq!(within("an outcome", waiting).await, Err(SendError::Failed(SendFailure::Closed)));
    ended(&mut events).await;

    let server = server().await;
    let (client, mut events) = Client::builder(server.url()).connect().unwrap();
    crate::until_state(&mut events, "the rejection", crate::failed).await;
    within("the end", client.close()).await;
    ended(&mut events).await;
}

#[tokio::test]
async fn dropping_every_handle_ends_the_task() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (client, events) = Client::builder("ws://nowhere.invalid/").connect().unwrap();
    let clone = client.clone();
    assert_eq!(tasks(), before + 1);
    drop((client, events));
    tokio::task::yield_now().await;
    drop(clone);
    within("the task", async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_outbox_refuses_what_is_too_much_and_sends_the_rest() {
    let mut config = Config::default();
    config.outbox.count = 3;
    let server = server().await;
    let url = server.url();
    let address = url.trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    server.stop().await;
    let builder = Client::builder(&url).token("ada").config(config);
    let (client, mut events) = builder.room("lobby").connect().unwrap();
    let sending: Vec<_> = (0..5).map(|n| client.send("lobby", n.to_string())).collect();
    crate::until_state(&mut events, "the loss", crate::lost).await;
    let mut config = rejoin_server::Config::default();
    config.listen = address;
    let _server = crate::server_with(config).await;
    let mut refused = 0;
    for outcome in sending {
        match within("an outcome", outcome).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, SendError::Failed(SendFailure::QueueFull));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn a_message_larger_than_allowed_ends_the_connection_and_says_why() {
    let server = server().await;
    let (_ada, mut events) = quick(&server.url(), "ada").max_message(300).room("lobby").connect().unwrap();
    let (bob, _bob_hears) = in_lobby(&server.url(), "bob").await;
    bob.send("lobby", "x".repeat(1000)).await.unwrap();
    let change = crate::until_state(&mut events, "the loss", crate::lost).await;
    assert_eq!(change.cause.unwrap().code, rejoin::CauseCode::FrameTooLarge);
}

/// Everything a listener learns: nothing comes twice, and each sender's numbers go up.
#[derive(Default)]
struct Listener {
    last: BTreeMap<String, u64>,
    gap: BTreeSet<String>,
    heard: BTreeSet<(String, u64)>,
    /// Numbers of one sender heard one after the other, with nothing said to be missing between them.
    steps: Vec<(String, u64, u64)>,
}

impl Listener {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Gap(_) => self.gap.extend(self.last.keys().cloned()),
            Event::Message(message) => {
                let user = message.user.to_string();
                let number: u64 = message.content.parse().unwrap();
                assert!(self.heard.insert((user.clone(), number)), "{user} {number} came twice");
                let last = self.last.insert(user.clone(), number);
                let gap = self.gap.remove(&user);
                if let Some(last) = last {
                    assert!(number > last, "{user}: {number} after {last}");
                    if !gap {
                        self.steps.push((user, last, number));
                    }
                }
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_plain_clients_behind_a_network_that_misbehaves_lose_nothing_unannounced() {
    const CLIENTS: usize = 20;
    const MESSAGES: u64 = 500;
    let server = server().await;
    let target = server.url().trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let proxy = FaultProxy::start(target, 7).await;
    let mut clients = tokio::task::JoinSet::new();
    for index in 0..CLIENTS {
        let url = format!("ws://{}/ws", proxy.address);
        clients.spawn(async move {
            let name = format!("u{index}");
            let builder = quick(&url, &name).extended(false);
            let (client, mut events) = builder.room("lobby").connect().unwrap();
            let mut listener = Listener::default();
            let mut outcomes: BTreeMap<SendId, DeliveryStatus> = BTreeMap::new();
            let mut next = 0;
            while next < MESSAGES {
                // In windows, each of which comes back or is known to be in doubt before the next one: so the room
                // is busy for as long as the network misbehaves.
                let window = next + 20;
                while next < window {
                    client.submit("lobby", next.to_string()).unwrap();
                    next += 1;
                }
                let mut over = false;
                while !over || (outcomes.len() as u64) < next {
                    until(&mut events, "the window", |event| {
                        listener.event(&event);
                        match &event {
                            Event::Delivery(delivery) => {
                                let first = outcomes.insert(delivery.id, delivery.status.clone());
                                assert_eq!(first, None, "two outcomes for one send");
                            }
                            Event::State(change) => over |= crate::lost(&change.state),
                            _ => over |= listener.last.get(&name) == Some(&(next - 1)),
                        }
                        Some(())
                    })
                    .await;
                }
            }
            let failed =
                outcomes.values().filter(|status| matches!(status, DeliveryStatus::Failed(_))).count();
            assert_eq!(failed, 0, "nothing waited long enough to fail");
            (client, events, listener)
        });
    }
    let mut finished = Vec::new();
    while let Some(result) = clients.join_next().await {
        finished.push(result.unwrap());
    }
    // What anybody heard was in the room: whoever heard the ones around it heard it too, or was told of a gap.
    let appended: BTreeSet<_> = finished.iter().flat_map(|(_, _, listener)| listener.heard.clone()).collect();
    assert!(appended.len() > 1000, "the network was too bad to learn anything: {}", appended.len());
    for (_, _, listener) in &finished {
        for (user, last, number) in &listener.steps {
            let hole = (last + 1..*number).find(|missed| appended.contains(&(user.clone(), *missed)));
            assert_eq!(hole, None, "{user}: nothing was said between {last} and {number}");
        }
    }
    // The faults stop: everybody comes back, and hears everybody.
    proxy.stop_faults();
    for (client, ..) in &finished {
        client.reconnect();
    }
    for (client, events, _) in &mut finished {
        crate::until_state(events, "the new connection", |state| *state == State::Connected).await;
        within("ready", client.ready()).await.unwrap();
        // A plain join is written, not confirmed: hearing oneself shows that one is a member again.
        let hello = (MESSAGES + 1).to_string();
        crate::say_until_heard(client, events, &hello).await;
    }
    let farewell = (MESSAGES + 2).to_string();
    within("a receipt", finished[0].0.send("lobby", farewell.as_str())).await.unwrap();
    for (_, events, _) in &mut finished {
        crate::until_message(events, &farewell).await;
    }
}

/// Sends a message at the moment `close()` has returned, on the thread that ends the client: no task can be earlier.
struct SendsAtTheEnd {
    client: Client,
    closed: Mutex<BoxFuture<'static, ()>>,
    outcome: Mutex<Option<Poll<Result<Receipt, SendError>>>>,
}

impl Wake for SendsAtTheEnd {
    fn wake(self: Arc<Self>) {
        let waker = Arc::clone(&self).into();
        if self.closed.lock().unwrap().poll_unpin(&mut Context::from_waker(&waker)).is_ready() {
            let outcome =
                self.client.send("lobby", "too late").poll_unpin(&mut Context::from_waker(Waker::noop()));
            *self.outcome.lock().unwrap() = Some(outcome);
        }
    }
}

#[tokio::test]
async fn what_is_sent_once_close_has_returned_is_refused_at_once() {
    let server = server().await;
    let (client, _events) = in_lobby(&server.url(), "ada").await;
    let closed = Mutex::new(client.close().boxed());
    let sends = Arc::new(SendsAtTheEnd { client: client.clone(), closed, outcome: Mutex::default() });
    Arc::clone(&sends).wake();
    within("the end", client.close()).await;
    let outcome = sends.outcome.lock().unwrap().take();
    assert!(matches!(outcome, Some(Poll::Ready(Err(SendError::Failed(SendFailure::Closed))))), "{outcome:?}");
}
