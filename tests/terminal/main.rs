//! The real binary, in a terminal that somebody looks at and in a pipe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod chat;
mod commands;
mod conformance;
mod editor;
mod extended;
mod feeds;
mod files;
mod full_disk;
mod full_rooms;
mod hangup;
mod idle;
mod interrupted;
mod killed;
mod lines;
mod logging;
mod made_tokens;
mod namespaces;
mod notifications;
mod outages;
mod outputs;
mod own;
mod own_socket_io;
mod page;
mod pipe;
mod profiles;
mod reach;
mod recordings;
mod refusals;
mod refused_rooms;
mod secrets;
mod secure;
mod send_causes;
mod several_rooms;
mod socket_io;
mod state;
mod status;
mod tail;
mod terminal_restore;
mod times;
mod tls;
mod tokens;
mod trimmed;
mod untrusted_server;

use harness::command::Running;
use harness::process::ServerProcess;
use rcgen::{CertificateParams, KeyPair};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use tempfile::{NamedTempFile, TempDir};

/// The binary under test.
fn rejoin() -> String {
    harness::process::binary("REJOIN_BIN", "rejoin").display().to_string()
}

/// A command without the environment of whoever runs the tests.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(rejoin());
    command.args(args);
    for variable in ["REJOIN_URL", "REJOIN_TOKEN", "REJOIN_TOKEN_IN"] {
        command.env_remove(variable);
    }
    command
}

/// Runs it with this on its standard input.
fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child =
        command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// A server that lets in whom these lines of a token file name, which is there as long as the file.
fn guarded(tokens: &str) -> (NamedTempFile, ServerProcess) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, tokens).unwrap();
    let auth = format!("tokens={}", file.path().display());
    let server = ServerProcess::start_with("127.0.0.1:0", &["--auth", &auth]);
    (file, server)
}

/// `rejoin serve` with a certificate of its own for 127.0.0.1.
struct TlsServer {
    url: String,
    /// The certificate's file.
    chain: String,
    _process: Running,
    _folder: TempDir,
}

impl TlsServer {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![String::from("127.0.0.1")]).unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (chain, key_file) = (file("chain.pem"), file("key.pem"));
        std::fs::write(&chain, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let args = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", &chain, "--tls-key", &key_file];
        let mut process = Running::start(&args);
        let line = process.wait_for("listening on wss://127.0.0.1:");
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { url, chain, _process: process, _folder: folder }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
