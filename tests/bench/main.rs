//! The figures of performance.md, each as a ratio to a bare tokio-tungstenite loop measured in the same run,
//! rounds of both alternating. Absolute figures move with the machine; the ratios are what counts.
//!
//! ```text
//! tests/run bench                 everything
//! tests/run bench receive send    some of it
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark stops at the first surprise and prints rounded figures"
)]

mod acked;
mod bare;
mod fan_out;
mod flood;
mod idle;
mod joins;
mod paced;
mod peer;
mod receive;
mod round_trip;
mod send;
mod stored;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Rounds of each contender; the median is what is printed.
const ROUNDS: usize = 5;

fn main() {
    // `cargo bench` adds the option.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [role, count, url] = args.as_slice()
        && role.starts_with("idle-")
    {
        return idle::child(role, count.parse().expect("a number"), url);
    }
    if let [role, count] = args.as_slice()
        && role == "peer"
    {
        // For a look at a measured process alone, under a profiler for instance.
        println!("{}", peer::serve(count.parse().expect("a number")));
        loop {
            std::thread::park();
        }
    }
    if let [role, count, url] = args.as_slice()
        && role.starts_with("cost-")
    {
        return acked::child(role, count.parse().expect("a number"), url);
    }
    if let [role, count, url] = args.as_slice()
        && role.starts_with("paced-")
    {
        return paced::child(role, count.parse().expect("a number"), url);
    }
    if let [role, limits] = args.as_slice()
        && role == "serve"
    {
        return flood::serve(limits);
    }
    if let [role, kind, address] = args.as_slice()
        && role == "flood"
    {
        return flood::flood(kind, address);
    }
    let wanted = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    println!("{:<58}{:>12}{:>12}{:>9}{:>8}", "", "baseline", "ours", "ratio", "floor");
    if wanted("receive") {
        receive::run();
    }
    if wanted("send") {
        send::run();
    }
    if wanted("acked") {
        acked::run();
    }
    if wanted("paced") {
        paced::run();
    }
    if wanted("round-trip") {
        round_trip::run();
    }
    if wanted("idle") {
        idle::run();
    }
    if wanted("stored") {
        stored::run();
    }
    if wanted("fan-out") {
        fan_out::run();
    }
    if wanted("joins") {
        joins::run();
    }
    if wanted("flood") {
        flood::run();
    }
}

/// The two figures that a process of its own prints, which plays `role` against the server at `address`.
fn child_figures(role: &str, count: usize, address: SocketAddr) -> (f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([role, &count.to_string(), &address.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut figures = text.split_whitespace().map(|figure| figure.parse().unwrap());
    (figures.next().expect("a figure"), figures.next().expect("a figure"))
}

/// CPU seconds of this process so far, its threads together, to the nanosecond.
fn cpu() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let of_thread = |folder: std::io::Result<std::fs::DirEntry>| -> f64 {
        let text = std::fs::read_to_string(folder.unwrap().path().join("schedstat")).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    threads.map(of_thread).sum::<f64>() / 1e9
}

/// A line of the table.
fn line(what: &str, baseline: &str, ours: &str, ratio: f64, floor: &str) {
    println!("{what:<58}{baseline:>12}{ours:>12}{ratio:>9.2}{floor:>8}");
}

/// Of many times of one thing.
struct Tally {
    p50: f64,
    p99: f64,
}

impl Tally {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self { p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn thousands(rate: f64) -> String {
    format!("{:.0} k/s", rate / 1000.0)
}

/// The runtime a client application has: several threads.
fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A runtime of its own thread, for the other end.
fn single_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
