//! From the parsed command line to the command, and from its end to the exit status.

use crate::args::{Arguments, Command, LogArgs};
use crate::error::{Exit, Failure, without_secrets};
use crate::logging::{self, Process};
use crate::signals::Signals;
use crate::stdout_writer::WriteFailure;
use crate::{
    chat, command_line, conformance, doctor, embedded, manual, pipe, replay, send, tail, token, token_command,
};
use clap::ArgAction;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use std::io::Write as _;
use std::process::ExitCode;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(ParseFailure::Parser(error)) => return report_parse_error(&error).into(),
        Err(ParseFailure::Order(failure)) => return report(&failure).into(),
    };
    let result = match arguments.command.unwrap_or(Command::Chat(arguments.chat)) {
        Command::Completions { shell, .. } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "rejoin", &mut script);
            print(&script)
        }
        Command::Man { .. } => manual::page()
            .map_err(|error| internal("the manual page cannot be written", &error))
            .and_then(|page| print(&page)),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Token(arguments) => {
            token_command::make(&arguments).and_then(|token| print(token.as_bytes()))
        }
        command => connected(command),
    };
    result.unwrap_or_else(|failure| report(&failure)).into()
}

/// Reads the command line. A negative number is a value, so that the complaint about it names the option it was given to.
fn parse() -> Result<Arguments, ParseFailure> {
    let numbers = |argument: clap::Arg| {
        let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
        argument.allow_negative_numbers(takes_value)
    };
    let command = Arguments::command().mut_args(numbers).mut_subcommands(|command| command.mut_args(numbers));
    let words =
        command_line::ordered(std::env::args_os().collect(), &command).map_err(ParseFailure::Order)?;
    let matches = command.try_get_matches_from(words).map_err(ParseFailure::Parser)?;
    Arguments::from_arg_matches(&matches).map_err(ParseFailure::Parser)
}

/// Why a command line cannot be read.
enum ParseFailure {
    Parser(clap::Error),
    /// Something stands in the place of the command.
    Order(Failure),
}

/// Help goes to stdout, complaints to stderr. Those quote what was typed, so secrets are taken out.
fn report_parse_error(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    match error.kind() {
        // Nothing that was typed is in it: what looks like a secret is an example.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print(text.as_bytes()).unwrap_or_else(|failure| report(&failure))
        }
        _ => {
            // Stderr may be closed; there is nowhere left to say so.
            drop(std::io::stderr().write_all(without_secrets(&text).as_bytes()));
            Exit::Usage
        }
    }
}

/// Prints a text whose reader may stop reading, as `| head` does.
fn print(text: &[u8]) -> Result<Exit, Failure> {
    let mut stdout = std::io::stdout().lock();
    let printed = stdout.write_all(text).and_then(|()| stdout.flush());
    match printed.err().and_then(|error| Failure::write_failed(WriteFailure::from(&error))) {
        Some(failure) => Err(failure),
        None => Ok(Exit::Success),
    }
}

fn report(failure: &Failure) -> Exit {
    drop(std::io::stderr().write_all(failure.render().as_bytes()));
    failure.exit
}

fn internal(what: &str, error: &std::io::Error) -> Failure {
    Failure::terminal("internal", format!("{what}: {error}"))
}

/// Runs a command that needs the network.
fn connected(command: Command) -> Result<Exit, Failure> {
    let process = match command {
        Command::Serve(_) => Process::Server,
        Command::Chat(_) => Process::Embedding,
        _ => Process::Client,
    };
    let _written = log_options(&command).and_then(|log| logging::start(log, process));
    let runtime = if matches!(command, Command::Serve(_)) {
        rejoin_server::cli::runtime()
    } else {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    };
    let runtime = runtime.map_err(|error| internal("the runtime cannot be started", &error))?;
    let result = runtime.block_on(async {
        if let Command::Serve(arguments) = command {
            return embedded::run(arguments.serve).await;
        }
        let deaf = |error| internal("signals cannot be listened to", &error);
        let signals = Signals::listen().map_err(deaf)?;
        // A chat has a terminal to leave as it was, and looks after itself.
        if !matches!(command, Command::Chat(_)) {
            tokio::spawn(Signals::listen().map_err(deaf)?.exit_on_second(token::stop_commands));
        }
        match command {
            Command::Chat(arguments) => Box::pin(chat::run(&arguments, signals)).await,
            Command::Pipe(arguments) => pipe::run(&arguments, signals).await,
            Command::Send(arguments) => send::run(&arguments, signals).await,
            Command::Tail(arguments) if arguments.sse => tail::sse::run(&arguments, signals).await,
            Command::Tail(arguments) => tail::run(&arguments, signals).await,
            Command::Doctor(arguments) => doctor::run(&arguments, signals).await,
            Command::Conformance(arguments) => conformance::run(&arguments, signals).await,
            // Dealt with before the network comes into it.
            Command::Serve(_)
            | Command::Replay(_)
            | Command::Token(_)
            | Command::Completions { .. }
            | Command::Man { .. } => Ok(Exit::Success),
        }
    });
    token::stop_commands();
    // Not waiting for what may be stuck in the system, such as the look-up of a name.
    runtime.shutdown_background();
    result
}

fn log_options(command: &Command) -> Option<&LogArgs> {
    match command {
        Command::Chat(arguments) => Some(&arguments.connection.log),
        Command::Pipe(arguments) => Some(&arguments.connection.log),
        Command::Send(arguments) => Some(&arguments.connection.log),
        Command::Tail(arguments) => Some(&arguments.connection.log),
        Command::Doctor(arguments) => Some(&arguments.connection.log),
        Command::Serve(arguments) => Some(&arguments.log),
        Command::Conformance(arguments) => Some(&arguments.log),
        Command::Replay(_) | Command::Token(_) | Command::Completions { .. } | Command::Man { .. } => None,
    }
}
