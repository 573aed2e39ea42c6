//! The extended protocol's promise through a network and a server that misbehave: nothing lost, doubled or
//! reordered, or told precisely.

use crate::{lost, quick, until, within};
use harness::delivery_oracle::{Account, Allowed, check_accounts};
use harness::process::ServerProcess;
use harness::proxy::FaultProxy;
use harness::redirect_proxy::RedirectProxy;
use rejoin::{Client, Event, Events, Mode};
use rejoin_server::ServerHandle;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Sends without an outcome at any time, of each client.
const WINDOW: usize = 20;

struct Talker {
    client: Client,
    events: Events,
    account: Account,
    losses: usize,
}

impl Talker {
    /// A client in the lobby whose server has said that it speaks the extended protocol.
    async fn start(url: &str, name: &str) -> Self {
        let (client, events) = quick(url, name).room("lobby").connect().unwrap();
        assert_eq!(within("ready", client.ready()).await.unwrap(), Mode::Extended);
        Self { client, events, account: Account::new(name), losses: 0 }
    }

    fn say(&mut self, content: String) {
        let id = self.client.submit("lobby", content.clone()).unwrap();
        self.account.sent(id, content);
    }

    /// Listens until the account is as wanted.
    async fn listen(&mut self, what: &str, wanted: impl Fn(&Account) -> bool) {
        while !wanted(&self.account) {
            let (account, losses) = (&mut self.account, &mut self.losses);
            until(&mut self.events, what, |event| {
                account.event(&event);
                *losses += usize::from(matches!(&event, Event::State(change) if lost(&change.state)));
                Some(())
            })
            .await;
        }
    }

    /// Says `messages` things, a window at a time. `said` counts them over all talkers.
    async fn talk(&mut self, name: &str, messages: usize, said: &AtomicUsize) {
        for number in 0..messages {
            self.listen("room in the window", |account| account.unresolved() < WINDOW).await;
            self.say(format!("{name}:{number}"));
            said.fetch_add(1, Ordering::Relaxed);
        }
        self.listen("the last outcomes", |account| account.unresolved() == 0).await;
    }

    /// Says something until the server acknowledges it: then this client is a member of the log as it is now. One that
    /// joins a log that has begun anew is told of the change, and not what was said before.
    async fn rejoined(&mut self) {
        let name = self.account.name().to_owned();
        for attempt in 0.. {
            self.say(format!("{name}:here:{attempt}"));
            self.listen("the last outcomes", |account| account.unresolved() == 0).await;
            if self.account.last_is_acknowledged() {
                return;
            }
        }
    }

    async fn hear(&mut self, content: &str) {
        let heard = |account: &Account| account.heard.iter().any(|entry| entry.content == content);
        self.listen(content, heard).await;
    }
}

/// Everybody talks through a proxy, until all is said and answered. Then the network is good again, everybody is back,
/// one of them says farewell, and everybody receives it.
async fn conversation(server: &str, talkers: usize, messages: usize, said: Arc<AtomicUsize>) -> Vec<Account> {
    let target = server.trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let proxy = FaultProxy::start(target, 7).await;
    let url = format!("ws://{}/ws", proxy.address);
    let (all_here, begin) = watch::channel(0);
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..talkers {
        let (url, said, here, mut begin) = (url.clone(), Arc::clone(&said), all_here.clone(), begin.clone());
        tasks.spawn(async move {
            let name = format!("u{index}");
            let mut talker = Talker::start(&url, &name).await;
            // Who is not a member yet is owed nothing, so nobody speaks before all are there.
            here.send_modify(|count| *count += 1);
            within("everybody", begin.wait_for(|count| *count == talkers)).await.unwrap();
            talker.talk(&name, messages, &said).await;
            talker
        });
    }
    let mut finished = Vec::new();
    while let Some(talker) = tasks.join_next().await {
        finished.push(talker.unwrap());
    }
    proxy.stop_faults();
    for talker in &finished {
        talker.client.reconnect();
    }
    for talker in &mut finished {
        talker.rejoined().await;
    }
    finished[0].say("farewell".to_owned());
    for talker in &mut finished {
        talker.hear("farewell").await;
        talker.listen("the last outcomes", |account| account.unresolved() == 0).await;
    }
    finished.into_iter().map(|talker| talker.account).collect()
}

const LONG_MEMORY: [&str; 4] = ["--history", "20000", "--heartbeat", "5s"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_of_twenty_clients_through_a_bad_network_and_a_frozen_server_arrive_exactly_once()
 {
    const CLIENTS: usize = 20;
    const MESSAGES: usize = 500;
    let server = ServerProcess::start_with("127.0.0.1:0", &LONG_MEMORY);
    let said = Arc::new(AtomicUsize::new(0));
    let url = server.url.clone();
    let talking = tokio::spawn(conversation_in_time(url, CLIENTS, MESSAGES, Arc::clone(&said)));
    for part in 1..=3 {
        reached(&said, CLIENTS * MESSAGES * part / 4).await;
        server.freeze();
        // The standstill itself is the fault.
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.thaw();
    }
    let accounts = talking.await.unwrap();
    let log = check_accounts(&accounts, Allowed::Nothing);
    // Nothing was lost, so each said once that it is back.
    assert_eq!(log.len(), CLIENTS * MESSAGES + CLIENTS + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_forgot_is_announced_and_the_rest_arrives_exactly_once() {
    const CLIENTS: usize = 10;
    const MESSAGES: usize = 300;
    let server = ServerProcess::start_with("127.0.0.1:0", &LONG_MEMORY);
    let address = server.address();
    let said = Arc::new(AtomicUsize::new(0));
    let url = server.url.clone();
    let talking = tokio::spawn(conversation_in_time(url, CLIENTS, MESSAGES, Arc::clone(&said)));
    let mut server = server;
    // The last time when all is said: some of them are away, and join what has begun anew only when the network is good.
    for part in 1..=3 {
        reached(&said, CLIENTS * MESSAGES * part / 3).await;
        server.kill();
        server = ServerProcess::start_with(&address, &LONG_MEMORY);
    }
    let accounts = talking.await.unwrap();
    let log = check_accounts(&accounts, Allowed::LostMemory);
    assert!(log.len() > CLIENTS * MESSAGES / 2, "{} of the messages are left", log.len());
    for account in &accounts {
        // Who was away for the whole of the second life of the log heard of one change only.
        assert!(!account.gaps.is_empty());
    }
}

async fn conversation_in_time(
    url: String,
    talkers: usize,
    messages: usize,
    said: Arc<AtomicUsize>,
) -> Vec<Account> {
    within("the conversation", conversation(&url, talkers, messages, said)).await
}

/// Waits until so much has been said.
async fn reached(said: &AtomicUsize, count: usize) {
    within("the conversation to go on", async {
        while said.load(Ordering::Relaxed) < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A server in this process that remembers a lot.
async fn server_with_long_memory() -> ServerHandle {
    let mut config = rejoin_server::Config::default();
    config.hub.history = 20_000;
    config.hub.history_bytes = 64 << 20;
    crate::server_with(config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_slow_misses_nothing() {
    // More than may wait for bob, who does not look: 21 MB.
    const COUNT: usize = 3000;
    let server = server_with_long_memory().await;
    let mut ada = Talker::start(&server.url(), "ada").await;
    let mut bob = Talker::start(&server.url(), "bob").await;
    let text = "x".repeat(7000);
    for number in 0..COUNT {
        ada.listen("room in the window", |account| account.unresolved() < WINDOW).await;
        ada.say(format!("{number}:{text}"));
    }
    ada.listen("the last outcomes", |account| account.unresolved() == 0).await;
    for talker in [&mut ada, &mut bob] {
        talker.listen("everything", |account| account.heard.len() == COUNT).await;
    }
    check_accounts(&[ada.account, bob.account], Allowed::Nothing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_hands_its_clients_over_without_a_loss() {
    const COUNT: usize = 3000;
    let server = server_with_long_memory().await;
    let target = server.url().trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let redirector = RedirectProxy::start(target).await;
    let mut ada = Talker::start(&redirector.url, "ada").await;
    let mut bob = Talker::start(&redirector.url, "bob").await;
    for number in 0..COUNT {
        if number % (COUNT / 3) == COUNT / 6 {
            redirector.say(r#"{"type":"going_away","windowMs":50}"#);
        }
        ada.listen("room in the window", |account| account.unresolved() < WINDOW).await;
        ada.say(number.to_string());
    }
    ada.listen("the last outcomes", |account| account.unresolved() == 0).await;
    for talker in [&mut ada, &mut bob] {
        talker.listen("everything", |account| account.heard.len() == COUNT).await;
        assert_eq!(talker.losses, 0, "the connection was never lost, it moved");
        let moved = &talker.client;
        within("the new connection", async {
            while moved.diagnostics().connections < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    check_accounts(&[ada.account, bob.account], Allowed::Nothing);
}
