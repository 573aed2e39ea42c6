//! The real binary, and what it says.

use crate::client::soon;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

pub(crate) struct Process {
    pub(crate) child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stdout, stderr }
    }

    pub(crate) fn server(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin-server"));
        Self::start(command.args(["--listen", "127.0.0.1:0"]).args(args))
    }

    /// What comes after these words in the next line of stdout.
    pub(crate) async fn after(&mut self, words: &str) -> String {
        let line = soon(self.stdout.next_line()).await.unwrap().expect("it says something");
        line.strip_prefix(words).unwrap_or_else(|| panic!("it said {line:?}")).to_owned()
    }

    /// The next line of the log that holds this.
    pub(crate) async fn logged(&mut self, part: &str) -> String {
        loop {
            let line = soon(self.stderr.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the log ends without {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// The rest of the log, once the process has ended.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status = soon(self.child.wait()).await.unwrap().code();
        let mut rest = String::new();
        soon(self.stderr.into_inner().read_to_string(&mut rest)).await.unwrap();
        (status, rest)
    }
}
