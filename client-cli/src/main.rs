//! `rejoin`: chat that survives the network, for people and for scripts.

mod args;
mod error;
mod json_safe;
mod lines;
mod logging;
mod pipe;
mod profile;
mod proxy_env;
mod run;
mod sanitise;
mod settings;
mod signals;
mod stdout;
mod token;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::main()
}
