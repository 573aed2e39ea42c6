//! A load generator: a number of clients, each of which sends messages to a room as fast as its outbox takes them, and the
//! time each message took to its outcome.
//!
//! ```text
//! cargo run --release -p rejoin --example load -- ws://127.0.0.1:8080/ws lobby 20 1000
//! ```
#![expect(clippy::print_stdout, reason = "a program's own output")]

use rejoin::{Client, Config};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How long each message took that arrived, the fastest first.
    pub(crate) latencies: Vec<Duration>,
    /// Messages without success.
    pub(crate) failed: usize,
    pub(crate) elapsed: Duration,
}

impl Report {
    /// The latency that so many of a hundred messages do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let last = self.latencies.len().checked_sub(1)?;
        self.latencies.get(last * percent.min(100) / 100).copied()
    }
}

/// Has `clients` clients send `messages` messages each. Their tokens are `load0`, `load1`, …
pub(crate) async fn load(url: &str, room: &str, clients: usize, messages: usize) -> Result<Report, Error> {
    let mut running = JoinSet::new();
    let began = Instant::now();
    for index in 0..clients {
        // So many messages are on their way at once.
        let mut config = Config::default();
        config.outbox.count = 64;
        let builder = Client::builder(url).token(format!("load{index}")).room(room).config(config);
        // What the others say is not read.
        let (client, _) = builder.connect()?;
        running.spawn(send(client, room.to_owned(), messages));
    }
    let mut report = Report::default();
    while let Some(done) = running.join_next().await {
        let outcomes = done??;
        report.failed += outcomes.iter().filter(|latency| latency.is_none()).count();
        report.latencies.extend(outcomes.into_iter().flatten());
    }
    report.elapsed = began.elapsed();
    report.latencies.sort_unstable();
    Ok(report)
}

/// The time that each message took; none for what failed.
async fn send(client: Client, room: String, messages: usize) -> Result<Vec<Option<Duration>>, Error> {
    client.ready().await?;
    let mut outcomes = JoinSet::new();
    let mut latencies = Vec::with_capacity(messages);
    for number in 0..messages {
        let permit = client.reserve().await?;
        let began = Instant::now();
        let sending = permit.send(&room, format!("message {number}"));
        outcomes.spawn(async move { sending.await.ok().map(|_| began.elapsed()) });
        while let Some(done) = outcomes.try_join_next() {
            latencies.push(done?);
        }
    }
    while let Some(done) = outcomes.join_next().await {
        latencies.push(done?);
    }
    client.close().await;
    Ok(latencies)
}

#[tokio::main(flavor = "current_thread")]
#[cfg_attr(test, expect(dead_code, reason = "the test calls what it calls"))]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, room, clients, messages] = args.as_slice() else {
        return Err("usage: load URL ROOM CLIENTS MESSAGES".into());
    };
    let report = load(url, room, clients.parse()?, messages.parse()?).await?;
    let sent = report.latencies.len();
    println!("{sent} messages in {:?}, {} without success", report.elapsed, report.failed);
    println!("half of them within {:?}, 99 of 100 within {:?}", report.percentile(50), report.percentile(99));
    Ok(())
}
