//! The fault proxy and the ledger for tests in other languages, which run a client that the harness cannot hold.
//!
//! ```text
//! rejoin-faults PORT SEED     a proxy to this port of this machine; the first line says where it listens
//! ```
//!
//! Lines of JSON on stdin. `account` names the client that the lines after it are about, which tell what it did and
//! what it was told, in that order; `judge` compares the accounts and answers with one line. What cannot be true ends
//! the program, with the reason on stderr. So does the end of stdin. What each connection suffers is told on stderr.
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

const HELP: &str = r#"usage: rejoin-faults PORT SEED

A proxy with faults before the server at PORT of 127.0.0.1. The first line on stdout says where it listens; what each
connection suffers is drawn from SEED and told on stderr. It reads lines of JSON on stdin until their end:

{"type":"account","name":"ada"}                        the lines after it are about this client, until the next such line
{"type":"sent","send":1,"content":"hi"}                it has sent this
{"type":"outcome","send":1,"status":"acked","id":"m1","seq":1}    or written, unknown, failed
{"type":"message","user":"ada","content":"hi","epoch":"e1","seq":1,"id":"m1"}    it has received this
{"type":"gap","reason":"trimmed","epoch":"e1","after":1,"before":5}    it was told that this is missing
{"type":"calm_down"}                                   new connections suffer no more
{"type":"judge"}                                       compare the accounts; "lost_memory":true after a kill

For example, before a server at port 8080:  rejoin-faults 8080 7"#;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| matches!(word.as_str(), "--help" | "-h")) {
        println!("{HELP}");
        return;
    }
    let numbers = match &words[..] {
        [port, seed] => port.parse::<u16>().ok().zip(seed.parse::<u64>().ok()),
        _ => None,
    };
    let Some((port, seed)) = numbers else {
        eprintln!("{HELP}");
        std::process::exit(2);
    };
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(FaultProxy::start_told(target, seed, move |number, treatment| {
        eprintln!("rejoin-faults: seed {seed}, connection {number}: {treatment}");
    }));
    println!("listening on ws://{}/ws", proxy.address);
    let mut accounts: Vec<Account> = Vec::new();
    let mut current = None;
    for (number, line) in (1..).zip(stdin().lock().lines()) {
        let line = line.unwrap_or_else(|error| refuse(number, &error.to_string()));
        match serde_json::from_str(&line).unwrap_or_else(|error| refuse(number, &error.to_string())) {
            Line::CalmDown => {
                proxy.stop_faults();
                println!("calm");
            }
            Line::Account { name } => {
                let known = accounts.iter().position(|account| account.name() == name);
                current = known.or(Some(accounts.len()));
                if known.is_none() {
                    accounts.push(Account::new(&name));
                }
            }
            Line::Judge { lost_memory } => {
                let allowed = if lost_memory { Allowed::LostMemory } else { Allowed::Nothing };
                let messages = check_accounts(&accounts, allowed).len();
                println!("{}", serde_json::json!({ "messages": messages, "suffered": proxy.fault_counts() }));
            }
            line => match current.and_then(|at: usize| accounts.get_mut(at)) {
                Some(account) => {
                    enter(account, line).unwrap_or_else(|what| refuse(number, &what));
                }
                None => refuse(number, "an account comes before what is in it"),
            },
        }
    }
}

/// Ends the program over a line of stdin.
fn refuse(number: u64, what: &str) -> ! {
    eprintln!("rejoin-faults: line {number} of stdin: {what}; --help shows such lines");
    std::process::exit(2);
}

/// Enters what a client did or was told into its account, or says why a line cannot be understood.
fn enter(account: &mut Account, line: Line) -> Result<(), String> {
    let id = |text: &str| Id::new(text).map_err(|error| format!("{text:?} is no id: {error}"));
    let room = Name::from(ROOM);
    let event = match line {
        Line::Sent { send, content } => {
            if account.has_sent(SendId(send)) {
                return Err(format!(
                    "{} has sent {send} already: each send has a number of its own",
                    account.name()
                ));
            }
            account.sent(SendId(send), content);
            return Ok(());
        }
        Line::Outcome { send, .. } if !account.has_sent(SendId(send)) => {
            return Err(format!(
                "{} has sent nothing with the number {send}: the line \"sent\" comes first",
                account.name()
            ));
        }
        Line::Outcome { send, status, id: message, seq } => {
            let status = match (status.as_str(), message, seq) {
                ("acked", Some(message), Some(seq)) => DeliveryStatus::Acked { id: id(&message)?, seq },
                ("written", ..) => DeliveryStatus::Written,
                ("unknown", ..) => DeliveryStatus::Unknown,
                // Why it failed makes no difference to the ledger: no send may fail.
                ("failed", ..) => DeliveryStatus::Failed(SendFailure::Cancelled),
                _ => {
                    let wanted = "acked (with id and seq), written, unknown or failed";
                    return Err(format!(
                        "\"{status}\" is no outcome, or lacks something: there are {wanted}"
                    ));
                }
            };
            Event::Delivery(Delivery::new(SendId(send), room, status))
        }
        Line::Message { user, content, epoch, seq, id: message } => {
            let stamp =
                EntryMeta { id: id(&message)?, epoch: id(&epoch)?, seq, replay: false, producer: None };
            let plain = Message::plain(room, Name::from(user), content, String::new());
            Event::Message(plain.with_entry(Some(Box::new(stamp))))
        }
        Line::Gap { epoch, after, before, reason } => {
            use GapReason::{EpochChanged, Forked, Reconnected, Trimmed, Unavailable};
            let reasons = [Reconnected, EpochChanged, Forked, Trimmed, Unavailable];
            let known = reasons.into_iter().find(|known| known.as_str() == reason);
            let reason = known.ok_or_else(|| {
                format!(
                    "\"{reason}\" is no reason of a gap: there are {}",
                    reasons.map(GapReason::as_str).join(", ")
                )
            })?;
            Event::Gap(Gap::new(room, epoch.as_deref().map(id).transpose()?, after, before, reason))
        }
        Line::CalmDown | Line::Account { .. } | Line::Judge { .. } => unreachable!("no part of an account"),
    };
    account.event(&event);
    Ok(())
}
