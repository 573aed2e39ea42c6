//! `rejoin`: chat that survives the network, for people and for scripts.

mod args;
mod chat;
mod command;
mod editor;
mod embedded;
mod error;
mod json_safe;
mod lines;
mod logging;
mod outlet;
mod pipe;
mod profile;
mod proxy_env;
mod render;
mod run;
mod sanitise;
mod settings;
mod signals;
mod token;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::main()
}
