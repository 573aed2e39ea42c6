//! `rejoin`: chat that survives the network, for people and for scripts.

mod args;
mod chat;
mod clock;
mod command;
mod commits;
mod doctor;
mod editor;
mod embedded;
mod error;
mod fate;
mod feeds;
#[cfg(test)]
mod hostile;
mod idle_timeout;
mod json_safe;
mod lines;
mod logging;
mod manual;
mod narrate;
mod outlet;
mod pipe;
mod positions;
mod profile;
mod proxy_env;
mod render;
mod repeats;
mod requests;
mod rooms;
mod run;
mod sanitise;
mod send;
mod settings;
mod signals;
mod socket_io;
mod tail;
mod token;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::main()
}
