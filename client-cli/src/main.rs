//! `rejoin`: chat that survives the network, for people and for scripts.

mod advice;
mod alert;
mod args;
mod chat;
mod clock;
mod colours;
mod command;
mod command_line;
mod commits;
mod conformance;
mod doctor;
mod editor;
mod elsewhere;
mod embedded;
mod error;
mod fate;
mod feeds;
mod files;
mod history_cap;
#[cfg(test)]
mod hostile;
mod idle_timeout;
mod json_safe;
mod lines;
mod logging;
mod manual;
mod mention;
mod narrate;
mod new_token;
mod outlet;
mod pipe;
mod positions;
mod profile;
mod proxy_env;
mod render;
mod repeated;
mod repeats;
mod requests;
mod rooms;
mod run;
mod sanitise;
mod send;
mod settings;
mod signals;
mod socket_io;
mod suggested;
mod tail;
mod token;
mod token_trouble;
mod typing;
mod words;

use std::process::ExitCode;

/// As in `rejoin-server`, which is also `rejoin serve`: what a wave of connections took goes back to the system.
#[cfg(all(unix, not(target_env = "musl")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    run::main()
}
