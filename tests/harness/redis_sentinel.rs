//! Real sentinels as processes on free ports, with a primary and replicas that they watch. Owns how the set is started and how
//! it is found out who the primary is; a test kills and freezes what it wants.

use crate::redis_process::{RedisProcess, free_port, wait};
use std::fmt::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The name by which sentinels know the primary.
pub const PRIMARY: &str = "main";

/// A primary that does not answer for so long is down.
const DOWN_AFTER: Duration = Duration::from_secs(2);

/// Running sentinels. Dropping them kills them.
#[derive(Debug)]
pub struct Sentinels(Vec<Sentinel>);

#[derive(Debug)]
struct Sentinel {
    child: Child,
    _folder: TempDir,
    port: u16,
    password: Option<String>,
}

impl Sentinels {
    /// Starts so many sentinels of the primary on a port, with more lines of configuration, and waits until they agree on it.
    pub fn start(count: usize, primary: u16, more: &str) -> Self {
        let sentinels = Self((0..count).map(|_| Sentinel::start(count, primary, more)).collect());
        wait("the sentinels know each other", || {
            sentinels.0.iter().all(|one| one.cli(&["sentinel", "ckquorum", PRIMARY]).starts_with("OK"))
        });
        sentinels
    }

    /// `redis-sentinel://HOST:PORT,…#main`, with what stands before the hosts (`USER:PASSWORD@`).
    pub fn url(&self, access: &str) -> String {
        format!("redis-sentinel://{access}{}#{PRIMARY}", self.hosts())
    }

    /// `HOST:PORT,…`
    pub fn hosts(&self) -> String {
        let hosts: Vec<String> = self.0.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
        hosts.join(",")
    }

    /// The port of the primary, if all sentinels name the same.
    pub fn primary(&self) -> Option<u16> {
        let mut named = self.0.iter().map(|one| {
            let answer = one.cli(&["sentinel", "get-master-addr-by-name", PRIMARY]);
            answer.lines().nth(1).and_then(|port| port.parse().ok())
        });
        let first = named.next()??;
        named.all(|other| other == Some(first)).then_some(first)
    }

    /// Waits until all of them name another primary, and gives its port.
    pub fn fail_over(&self, from: u16) -> u16 {
        let mut to = from;
        wait("another primary", || {
            to = self.primary().unwrap_or(from);
            to != from
        });
        to
    }

    /// Waits until all of them know so many replicas.
    pub fn know_replicas(&self, count: usize) {
        wait("the replicas are known", || {
            self.0.iter().all(|one| {
                let known = one.cli(&["sentinel", "replicas", PRIMARY]);
                known.lines().filter(|line| *line == "name").count() == count
            })
        });
    }
}

impl Sentinel {
    fn start(count: usize, primary: u16, more: &str) -> Self {
        for _ in 0..5 {
            let (folder, port) = (TempDir::new().unwrap(), free_port());
            let mut config = format!("port {port}\nbind 127.0.0.1\n");
            writeln!(config, "sentinel monitor {PRIMARY} 127.0.0.1 {primary} {}", count / 2 + 1).unwrap();
            writeln!(config, "sentinel down-after-milliseconds {PRIMARY} {}", DOWN_AFTER.as_millis())
                .unwrap();
            // A failover that fails is tried again after twice this time.
            writeln!(config, "sentinel failover-timeout {PRIMARY} 5000\n{more}").unwrap();
            let file = folder.path().join("sentinel.conf");
            std::fs::write(&file, config).unwrap();
            let mut command = Command::new("redis-server");
            command.arg(&file).args(["--sentinel", "--dir"]).arg(folder.path());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let password = more.lines().find_map(|line| line.strip_prefix("requirepass ")).map(str::to_owned);
            let mut started = Self { child: command.spawn().unwrap(), _folder: folder, port, password };
            // Somebody else may have taken the port.
            if started.answers() {
                return started;
            }
        }
        panic!("a sentinel does not start: {more}");
    }

    fn answers(&mut self) -> bool {
        let mut has_ended = false;
        wait("a sentinel answers", || {
            has_ended = self.child.try_wait().unwrap().is_some();
            has_ended || TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.cli(&["ping"]) == "PONG"
        });
        !has_ended
    }

    fn cli(&self, args: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).stdin(Stdio::null());
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A primary with replicas, and three sentinels that watch it.
#[derive(Debug)]
pub struct Replicated {
    /// The first one is the primary at first.
    pub members: Vec<RedisProcess>,
    /// Who watches them.
    pub sentinels: Sentinels,
}

impl Replicated {
    /// Starts a primary with so many replicas, and waits until they have everything and the sentinels know them.
    pub fn start(replicas: usize) -> Self {
        let quick = ["--repl-diskless-sync-delay", "0"];
        let primary = RedisProcess::start_with(&quick);
        let port = primary.port.to_string();
        let args = [&quick[..], &["--replicaof", "127.0.0.1", &port]].concat();
        let mut members = vec![primary];
        members.extend((0..replicas).map(|_| RedisProcess::start_with(&args)));
        wait("the replicas have come", || {
            members[0].cli(&["info", "replication"]).matches("state=online").count() == replicas
        });
        let sentinels = Sentinels::start(3, members[0].port, "");
        sentinels.know_replicas(replicas);
        Self { members, sentinels }
    }

    /// The member that listens on a port.
    pub fn on_port(&mut self, port: u16) -> &mut RedisProcess {
        self.members.iter_mut().find(|member| member.port == port).unwrap()
    }
}
