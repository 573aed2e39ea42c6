//! The fault proxy and the ledger for tests in other languages, which run a client that the harness cannot hold.
//!
//! ```text
//! rejoin-faults PORT SEED     a proxy to this port of this machine; the first line says where it listens
//! ```
//!
//! Lines of JSON on stdin. `account` names the client that the lines after it are about, which tell what it did and
//! what it was told, in that order; `judge` compares the accounts and answers with one line. What cannot be true ends
//! the program, with the reason on stderr. So does the end of stdin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test program stops at the first surprise and talks over stdout"
)]

use harness::delivery_oracle::{Account, Allowed, check_accounts};
use harness::proxy::FaultProxy;
use rejoin::messages::EntryMeta;
use rejoin::{Delivery, DeliveryStatus, Event, Gap, GapReason, Id, Message, Name, SendFailure, SendId};
use serde::Deserialize;
use std::io::{BufRead as _, stdin};
use std::net::{Ipv4Addr, SocketAddr};

/// The fields are named as in the events of the npm package.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    /// New connections suffer no more.
    CalmDown,
    Account {
        name: String,
    },
    Sent {
        send: u64,
        content: String,
    },
    Outcome {
        send: u64,
        status: String,
        id: Option<String>,
        seq: Option<u64>,
    },
    Message {
        user: String,
        content: String,
        epoch: String,
        seq: u64,
        id: String,
    },
    Gap {
        epoch: Option<String>,
        after: Option<u64>,
        before: Option<u64>,
        reason: String,
    },
    Judge {
        /// The server was killed meanwhile.
        #[serde(default)]
        lost_memory: bool,
    },
}

const ROOM: &str = "lobby";

fn main() {
    let words: Vec<u64> = std::env::args().skip(1).map_while(|word| word.parse().ok()).collect();
    let [port, seed] = words[..] else {
        eprintln!(
            "usage: rejoin-faults PORT SEED\n\nA proxy with faults before the server at PORT of 127.0.0.1. It reads lines of JSON."
        );
        std::process::exit(2);
    };
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).expect("a port")));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(FaultProxy::start(target, seed));
    println!("listening on ws://{}/ws", proxy.address);
    let mut accounts: Vec<Account> = Vec::new();
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        match serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")) {
            Line::CalmDown => {
                proxy.stop_faults();
                println!("calm");
            }
            Line::Account { name } => accounts.push(Account::new(&name)),
            Line::Judge { lost_memory } => {
                let allowed = if lost_memory { Allowed::LostMemory } else { Allowed::Nothing };
                let messages = check_accounts(&accounts, allowed).len();
                println!("{}", serde_json::json!({ "messages": messages, "suffered": proxy.fault_counts() }));
            }
            line => enter(accounts.last_mut().expect("an account before what is in it"), line),
        }
    }
}

/// Enters what a client did or was told into its account.
fn enter(account: &mut Account, line: Line) {
    let id = |text: &str| Id::new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let room = Name::from(ROOM);
    let event = match line {
        Line::Sent { send, content } => return account.sent(SendId(send), content),
        Line::Outcome { send, status, id: message, seq } => {
            let status = match (status.as_str(), message, seq) {
                ("acked", Some(message), Some(seq)) => DeliveryStatus::Acked { id: id(&message), seq },
                ("written", ..) => DeliveryStatus::Written,
                ("unknown", ..) => DeliveryStatus::Unknown,
                // Why it failed makes no difference to the ledger: no send may fail.
                ("failed", ..) => DeliveryStatus::Failed(SendFailure::Cancelled),
                other => panic!("no outcome: {other:?}"),
            };
            Event::Delivery(Delivery::new(SendId(send), room, status))
        }
        Line::Message { user, content, epoch, seq, id: message } => {
            let stamp = EntryMeta { id: id(&message), epoch: id(&epoch), seq, replay: false, producer: None };
            let plain = Message::plain(room, Name::from(user), content, String::new());
            Event::Message(plain.with_entry(Some(Box::new(stamp))))
        }
        Line::Gap { epoch, after, before, reason } => {
            use GapReason::{EpochChanged, Forked, Reconnected, Trimmed, Unavailable};
            let reasons = [Reconnected, EpochChanged, Forked, Trimmed, Unavailable];
            let reason = reasons.into_iter().find(|known| known.as_str() == reason).expect("a known reason");
            Event::Gap(Gap::new(room, epoch.as_deref().map(id), after, before, reason))
        }
        Line::CalmDown | Line::Account { .. } | Line::Judge { .. } => unreachable!("no part of an account"),
    };
    account.event(&event);
}
