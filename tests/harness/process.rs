//! Runs the real server as a process: kills, freezes and restarts it.

use crate::freeze::{freeze, thaw};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running `rejoin-server`. Dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// `ws://127.0.0.1:PORT/ws`
    pub url: String,
    admin: Option<String>,
}

/// The binary `name`: from the environment variable, or where cargo puts it beside this test.
pub fn binary(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    built(name)
}

/// The example `name` of the crate, where cargo puts it beside this test.
pub fn example(name: &str) -> PathBuf {
    built(&format!("examples/{name}"))
}

fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = folder.join(name);
    let what = "is not built: run tests/run, or cargo build --workspace --bins --examples";
    assert!(path.exists(), "{} {what}", path.display());
    path
}

impl ServerProcess {
    /// Starts the server on `listen` (`127.0.0.1:0` for a free port) and waits until it says that it listens.
    pub fn start(listen: &str) -> Self {
        Self::start_with(listen, &[])
    }

    /// As [`ServerProcess::start`], with more arguments.
    pub fn start_with(listen: &str, args: &[&str]) -> Self {
        let mut child = Command::new(binary("REJOIN_SERVER_BIN", "rejoin-server"))
            .args(["--listen", listen])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut after = |words: &str| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(words).unwrap_or_else(|| panic!("it said {line:?}")).to_owned()
        };
        let url = after("listening on ");
        let admin = args.contains(&"--admin").then(|| after("admin on http://"));
        Self { child, url, admin }
    }

    /// Its `HOST:PORT`, to start another one in its place.
    pub fn address(&self) -> String {
        self.url.trim_start_matches("ws://").trim_end_matches("/ws").to_owned()
    }

    /// The `HOST:PORT` of its admin listener, if it was started with one.
    pub fn admin(&self) -> &str {
        self.admin.as_deref().unwrap()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: its sockets stay, nobody answers. It stands still when this comes back.
    pub fn freeze(&self) {
        freeze(&self.child);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        thaw(&self.child);
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Already gone after `kill`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
