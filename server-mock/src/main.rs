//! `rejoin-server`: the reference room server.

use clap::{ArgAction, Parser, ValueEnum};
use rejoin_server::cli::{ServeArgs, ServeError, runtime, serve};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// What a wave of connections took goes back to the system when they are gone.
#[cfg(all(unix, not(target_env = "musl")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The reference room server of Rejoin.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(flatten)]
    serve: ServeArgs,

    /// How the log on standard error is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    log: LogFormat,

    /// Log more; twice for still more
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let level = match options.verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let (stderr, _written) = rejoin_server::log::stderr();
    let log = tracing_subscriber::fmt().with_writer(stderr).with_max_level(level);
    match options.log {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
    match runtime().map_err(ServeError::Runtime).and_then(|runtime| runtime.block_on(serve(options.serve))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rejoin-server: {error}");
            error.exit_code()
        }
    }
}
