//! `rejoin`: a chat client that survives network failures, for people and for scripts.

mod alert;
mod args;
mod chat;
mod clock;
mod colours;
mod command;
mod command_line;
mod commits;
mod conformance;
mod describe;
mod doctor;
mod editor;
mod embedded;
mod error;
mod event_printer;
mod feed_state;
mod files;
mod folders;
mod hints;
mod history_cap;
mod idle_timeout;
mod json_safe;
mod lines;
mod logging;
mod manual;
mod mention;
mod notice_counter;
mod other_namespaces;
mod pipe;
mod profile;
mod proxy_env;
mod render;
mod replay;
mod request_options;
mod rooms;
mod run;
mod sanitise;
mod send;
mod send_status;
mod settings;
mod signals;
mod socket_io;
mod stdout_writer;
mod suggested_options;
mod suggested_urls;
mod tail;
mod termination;
#[cfg(test)]
mod tests;
mod token;
mod token_command;
mod token_notices;
mod typing;

use std::process::ExitCode;

/// As in `rejoin-server`, which is also `rejoin serve`: what a wave of connections took goes back to the system.
#[cfg(all(unix, not(target_env = "musl")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    run::main()
}
