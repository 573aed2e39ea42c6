//! Two servers with one Redis under clients that come, talk, and leave in every way, for a long time: memory, descriptors and
//! tasks have to stay where they were. Only when named, as it takes ten minutes: `tests/run soak [MINUTES]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a soak stops at the first surprise and prints figures"
)]

mod clients;
mod usage;

use clients::{Talker, Visitors};
use harness::process::ServerProcess;
use harness::redis_process::RedisProcess;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use usage::{Sample, judge};

/// Members who stay, and talk.
const TALKERS: usize = 24;

/// Time between two samples.
const PERIOD: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let minutes = std::env::args().nth(1);
    let minutes = minutes.map_or(10.0, |arg| arg.parse::<f64>().expect("the number of minutes"));
    let duration = Duration::from_secs_f64(60.0 * minutes);
    let redis = RedisProcess::start();
    let url = redis.url();
    let server = || {
        let redis = ["--redis", &url, "--history", "100"];
        let limits = ["--heartbeat", "5s", "--rate", "none", "--admin", "127.0.0.1:0"];
        ServerProcess::start_with("127.0.0.1:0", &[redis.as_slice(), &limits].concat())
    };
    let servers = [server(), server()];
    let urls = servers.each_ref().map(|server| server.url.clone());
    let mut talkers = Vec::new();
    for number in 0..TALKERS {
        talkers.push(Talker::start(&urls[number % 2], number).await);
    }
    let visitors = Visitors::start(&urls);
    let begun = Instant::now();
    let mut samples = Vec::new();
    while begun.elapsed() < duration {
        tokio::time::sleep(PERIOD).await;
        let sample = Sample::take(begun.elapsed(), servers.each_ref().map(ServerProcess::id));
        println!("{sample}");
        samples.push(sample);
    }
    let visits = visitors.stop().await;
    let mut sent = 0;
    for talker in talkers {
        sent += talker.stop().await;
    }
    println!("{sent} messages acknowledged, {visits} visits");
    match judge(&samples) {
        Ok(words) => {
            println!("{words}");
            ExitCode::SUCCESS
        }
        Err(words) => {
            println!("not flat: {words}");
            ExitCode::FAILURE
        }
    }
}
