//! Three servers with one Redis, as processes: what clients are promised holds across them.

use crate::within;
use harness::delivery_oracle::{Account, Allowed, check_accounts};
use harness::process::ServerProcess;
use harness::redis_process::RedisProcess;
use rejoin::{Client, ClientBuilder, Config, Event, Events, Mode};
use std::time::Duration;

/// Sends without an outcome at any time, of each client.
pub(crate) const WINDOW: usize = 20;

/// What a backend has redis-cli run.
pub(crate) const NOTIFY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../server-mock/src/redis/scripts/notify.lua");

fn server(redis: &RedisProcess) -> ServerProcess {
    server_with(&redis.url(), &[])
}

/// A server with the Redis at a URL, and more arguments.
pub(crate) fn server_with(url: &str, more: &[&str]) -> ServerProcess {
    let args = ["--redis", url, "--history", "20000", "--heartbeat", "5s", "--admin", "127.0.0.1:0"];
    ServerProcess::start_with("127.0.0.1:0", &[&args, more].concat())
}

pub(crate) fn client(url: &str, name: &str) -> ClientBuilder {
    let mut config = Config::default();
    config.link.liveness.heartbeat = Duration::from_secs(2);
    config.link.liveness.answer_timeout = Duration::from_secs(2);
    config.link.dial_timeout = Duration::from_secs(2);
    Client::builder(url).token(name).config(config)
}

pub(crate) struct Talker {
    pub(crate) client: Client,
    pub(crate) events: Events,
    pub(crate) account: Account,
}

impl Talker {
    pub(crate) async fn start(url: &str, name: &str) -> Self {
        let (client, events) = client(url, name).room("lobby").connect().unwrap();
        assert_eq!(within("ready", client.ready()).await.unwrap(), Mode::Extended);
        Self { client, events, account: Account::new(name) }
    }

    pub(crate) fn say(&mut self, content: String) {
        let id = self.client.submit("lobby", content.clone()).unwrap();
        self.account.sent(id, content);
    }

    pub(crate) async fn listen(&mut self, what: &str, wanted: impl Fn(&Account) -> bool) {
        while !wanted(&self.account) {
            let event = within(what, self.events.next()).await.unwrap();
            self.account.event(&event);
        }
    }
}

/// One on each server.
pub(crate) async fn talkers(servers: &[ServerProcess; 3]) -> Vec<Talker> {
    let mut talkers = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        talkers.push(Talker::start(&server.url, &format!("u{number}")).await);
    }
    talkers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_on_one_server_is_heard_on_the_others_in_order() {
    const COUNT: usize = 300;
    let redis = RedisProcess::start();
    let servers = [server(&redis), server(&redis), server(&redis)];
    let mut talkers = talkers(&servers).await;
    for number in 0..COUNT {
        let talker = &mut talkers[number % 3];
        talker.listen("room in the window", |account| account.unresolved() < WINDOW).await;
        talker.say(number.to_string());
    }
    for talker in &mut talkers {
        talker
            .listen("everything", |account| account.heard.len() == COUNT && account.unresolved() == 0)
            .await;
    }
    let accounts: Vec<_> = talkers.into_iter().map(|talker| talker.account).collect();
    assert_eq!(check_accounts(&accounts, Allowed::Nothing).len(), COUNT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_from_redis_cli_reaches_the_user_on_any_server() {
    let redis = RedisProcess::start();
    let (a, b) = (server(&redis), server(&redis));
    for (server, name) in [(&a, "ada"), (&b, "bob")] {
        let (client, mut events) = client(&server.url, name).notifications().connect().unwrap();
        within("ready", client.ready()).await.unwrap();
        for number in 0..2 {
            let [room, log] = keys(&format!("@{name}"));
            let id = format!("{name}-{number}");
            let data = format!("{{\"total\":{number}}}");
            let told = redis.cli(&["--eval", NOTIFY, &room, &log, ",", name, "invoice", &data, &id]);
            assert_eq!(told, (number + 1).to_string());
            let data = within("the notification", async {
                loop {
                    if let Event::Notification(notification) = events.next().await.unwrap() {
                        assert_eq!(&*notification.kind, "invoice");
                        return notification.data.unwrap();
                    }
                }
            });
            assert_eq!(data.await, format!("{{\"total\":{number}}}"));
        }
    }
}

/// The keys of a room in Redis: what it is, and its log.
pub(crate) fn keys(room: &str) -> [String; 2] {
    let hash = sha256(room);
    ["room", "log"].map(|key| format!("rejoin:{{{hash}}}:{key}"))
}

/// As `printf %s … | sha256sum | cut -c1-32` says it.
fn sha256(text: &str) -> String {
    let script = format!("printf %s '{text}' | sha256sum | cut -c1-32");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
