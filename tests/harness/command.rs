//! Runs the real `rejoin` with pipes: types lines and waits for output. Judges nothing.

use crate::process::binary;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take before the test gives up. Not a measurement: only a hang meets it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running `rejoin`. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    said: Vec<u8>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// The real `rejoin`.
fn command() -> Command {
    let mut command = Command::new(binary("REJOIN_BIN", "rejoin"));
    without_settings(&mut command);
    command
}

/// Without what is set in the environment of whoever runs the tests.
fn without_settings(command: &mut Command) -> &mut Command {
    command.env("HOME", "/nonexistent");
    for variable in ["REJOIN_URL", "REJOIN_TOKEN", "REJOIN_TOKEN_IN", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env_remove(variable);
    }
    command
}

/// How a command ended and everything it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; `None` after a signal.
    pub status: Option<i32>,
    /// All of stdout, as bytes: what must not be there may be anything.
    pub stdout: Vec<u8>,
    /// All of stderr.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// Stdout and stderr as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&[&self.stdout[..], &self.stderr].concat()).into_owned()
    }
}

impl Running {
    /// Starts `rejoin` with these arguments, and nothing of the environment that it takes settings from.
    pub fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// As [`Running::start`], with variables set.
    pub fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::heard(command().args(args).envs(variables.iter().copied()).stderr(Stdio::piped()))
    }

    fn heard(command: &mut Command) -> Self {
        let mut running = Self::spawned(command.stdout(Stdio::piped()));
        let mut stdout = BufReader::new(running.child.stdout.take().unwrap());
        let (said, lines) = channel();
        running.lines = lines;
        // It ends with the process, whose end of the pipe it reads.
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if said.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        running
    }

    fn spawned(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let (_, lines) = channel();
        // It ends with the process, whose end of the pipe it reads.
        let read = |mut stderr: ChildStderr| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                stderr.read_to_end(&mut bytes).unwrap();
                bytes
            })
        };
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take().map(read));
        Self { child, stdin, lines, said: Vec::new(), stderr }
    }

    /// Starts it with this as its standard error. What it says there is not heard.
    pub fn start_logging_into(args: &[&str], stderr: impl Into<Stdio>) -> Self {
        Self::heard(command().args(args).stderr(stderr))
    }

    /// Starts it with this as its standard output. What it says there is not heard.
    pub fn start_into(args: &[&str], stdout: Stdio) -> Self {
        Self::spawned(command().args(args).stdout(stdout).stderr(Stdio::piped()))
    }

    /// Starts it where no file may be longer than `kib` KiB: as on a disk that is full from there on.
    pub fn start_on_full_disk(args: &[&str], kib: usize) -> Self {
        let limited = format!("ulimit -f {kib}; exec \"$0\" \"$@\"");
        let mut bash = Command::new("bash");
        bash.args(["-c", &limited]).arg(binary("REJOIN_BIN", "rejoin")).args(args);
        Self::heard(without_settings(&mut bash).stderr(Stdio::piped()))
    }

    /// Starts it as a program that outlives its terminal.
    pub fn start_under_nohup(args: &[&str]) -> Self {
        let mut nohup = Command::new("nohup");
        nohup.arg(binary("REJOIN_BIN", "rejoin")).args(args);
        Self::heard(without_settings(&mut nohup).stderr(Stdio::piped()))
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Writes a line to its standard input.
    pub fn type_line(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Closes its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Sends it a signal twice, one directly after the other.
    pub fn signal_twice(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid, &pid]).status().unwrap().success());
    }

    /// Waits for the next line that holds `text`; gives it.
    pub fn wait_for(&mut self, text: &str) -> String {
        let until = Instant::now() + TIMEOUT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.extend(&line);
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(why) => {
                    panic!("waited for {text:?}: {why}; it said:\n{}", String::from_utf8_lossy(&self.said))
                }
            }
        }
    }

    /// Waits until it ends by itself. Its input stays as it is.
    pub fn wait(mut self) -> Ended {
        let until = Instant::now() + TIMEOUT;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.extend(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end; it said:\n{}", String::from_utf8_lossy(&self.said))
                }
            }
        }
        let status = self.child.wait().unwrap().code();
        let stderr = self.stderr.take().map_or_else(Vec::new, |read| read.join().unwrap());
        Ended { status, stdout: std::mem::take(&mut self.said), stderr }
    }

    /// Sends the signal again and again until it ends: signals that come too fast are delivered as one.
    pub fn wait_signalled(mut self, name: &str) -> Ended {
        let until = Instant::now() + TIMEOUT;
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                Instant::now() < until,
                "it does not end; it said:\n{}",
                String::from_utf8_lossy(&self.said)
            );
            self.signal(name);
            match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => self.said.extend(line),
                Err(_) => std::thread::yield_now(),
            }
        }
        self.wait()
    }

    /// Ends its input, then waits for the end.
    pub fn finish(mut self) -> Ended {
        self.end_input();
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
