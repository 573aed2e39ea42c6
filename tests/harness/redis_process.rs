//! Runs a real Redis on a free port in its own folder: freezes, kills and restarts it.

use crate::freeze::{freeze, thaw};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Redis answers, fails over and agrees within seconds; on a busy machine it needs more.
const DEADLINE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until it is so.
pub(crate) fn wait(what: &str, mut wanted: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !wanted() {
        assert!(Instant::now() < end, "waited {DEADLINE:?} until {what}");
        sleep(PAUSE);
    }
}

/// A running `redis-server`. Dropping it kills it.
#[derive(Debug)]
pub struct RedisProcess {
    child: Child,
    folder: TempDir,
    /// Where it listens on this machine.
    pub port: u16,
    args: Vec<String>,
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl RedisProcess {
    /// Starts one that writes nothing to the disk.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "no"])
    }

    /// Starts one with more options, and waits until it answers.
    pub fn start_with(args: &[&str]) -> Self {
        Self::start_anew(|| args.iter().map(|&arg| arg.to_owned()).collect())
    }

    /// The same with options that are made for each try: other ports among them may be taken too.
    pub fn start_anew(mut args: impl FnMut() -> Vec<String>) -> Self {
        for _ in 0..5 {
            let (folder, port, args) = (TempDir::new().unwrap(), free_port(), args());
            let mut started = Self { child: spawn(&folder, port, &args), folder, port, args: args.clone() };
            // Somebody else may have taken the port.
            if started.answers() {
                return started;
            }
        }
        panic!("redis-server does not start: {:?}", args());
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints for a command.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = self.cli_command().args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn cli_command(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).stdin(Stdio::null());
        if let Some(at) = self.args.iter().position(|arg| arg == "--requirepass") {
            command.env("REDISCLI_AUTH", &self.args[at + 1]);
        }
        command
    }

    /// SIGKILL, and waits until it is gone. The port stays its own for [`restart`](Self::restart).
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on its port, with the files it has.
    pub fn restart(&mut self) {
        self.kill();
        // The old one's port may not be free at once.
        for _ in 0..50 {
            self.child = spawn(&self.folder, self.port, &self.args);
            if self.answers() {
                return;
            }
        }
        panic!("redis-server does not come back on its port");
    }

    /// Kills it, and starts it again without its files.
    pub fn restart_empty(&mut self) {
        self.kill();
        self.folder = TempDir::new().unwrap();
        self.restart();
    }

    /// SIGSTOP: its sockets stay, nobody answers. It stands still when this comes back.
    pub fn freeze(&self) {
        freeze(&self.child);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        thaw(&self.child);
    }

    /// Waits until it answers; `false` if it ends instead.
    fn answers(&mut self) -> bool {
        let mut has_ended = false;
        wait("redis-server answers", || {
            has_ended = self.child.try_wait().unwrap().is_some();
            has_ended || TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.cli(&["ping"]) == "PONG"
        });
        !has_ended
    }
}

fn spawn(folder: &TempDir, port: u16, args: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
    command.args(["--enable-debug-command", "yes", "--dir"]).arg(folder.path()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
