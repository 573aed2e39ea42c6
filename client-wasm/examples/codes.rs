//! Prints one of the generated files of TypeScript, by its name: `session`, `socketio`, `feed` or `app_frames`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(text) = rejoin_wasm::typescript::file(&name) else {
        eprintln!("{name:?} is none of session, socketio, feed and app_frames");
        return ExitCode::from(2);
    };
    print!("{text}");
    ExitCode::SUCCESS
}
