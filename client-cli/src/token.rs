//! The sources of the token: option, file, command, environment. Its text is never shown, not even in part.

use crate::files;
use crate::lines::BYTE_ORDER_MARK;
use crate::sanitise;
use crate::token_notices::{SLOW, TokenNotices};
use rejoin::{Token, TokenError};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest token, and most of a command's output that is read.
const LONGEST: u64 = 64 << 10;
/// Columns of a command's own error that are shown.
const ERROR_WIDTH: usize = 160;

/// Where the token comes from.
#[derive(Debug, Clone)]
pub(crate) enum TokenFrom {
    Nowhere,
    Given(Token),
    /// Read again for every refresh.
    File(PathBuf),
    /// Run again for every refresh.
    Command(String),
}

impl TokenFrom {
    /// A function that fetches it, where it can change. `trouble` tells what goes wrong with that.
    pub(crate) fn source(&self, trouble: Option<TokenNotices>) -> Option<Source> {
        match self.clone() {
            Self::Nowhere | Self::Given(_) => None,
            Self::File(path) => Some(Box::new(move || {
                let (path, trouble) = (path.clone(), trouble.clone());
                Box::pin(async move {
                    // It was there when the program began: whoever replaces it may be about to.
                    let token = from_file(&path).await.map_err(|error| TokenError::temporary(error.text));
                    if let Some(trouble) = &trouble {
                        told(&token, trouble);
                    }
                    token
                })
            })),
            Self::Command(command) => Some(Box::new(move || {
                let (command, trouble) = (command.clone(), trouble.clone());
                Box::pin(async move {
                    match trouble {
                        Some(trouble) => watched(&command, &trouble).await,
                        None => from_command(&command).await,
                    }
                })
            })),
        }
    }
}

/// Runs a command, and tells when it fails or takes long.
async fn watched(command: &str, trouble: &TokenNotices) -> Result<Token, TokenError> {
    let _fetching = trouble.fetching();
    let fetching = from_command(command);
    tokio::pin!(fetching);
    let token = if let Ok(token) = timeout(SLOW, &mut fetching).await {
        token
    } else {
        trouble.print_slow();
        fetching.await
    };
    told(&token, trouble);
    token
}

/// Tells what became of an attempt to have a token.
fn told(token: &Result<Token, TokenError>, trouble: &TokenNotices) {
    match token {
        Ok(_) => trouble.over(),
        // What ends the program is told at its end.
        Err(error) if error.temporary => trouble.tell(&sanitise::line(&error.text)),
        Err(_) => {}
    }
}

/// What keeps a token from being sent in a header, where something does. No part of it is quoted.
pub(crate) fn unsendable(token: &str) -> Option<&'static str> {
    if token.contains(['\n', '\r']) {
        return Some("has a line break in it");
    }
    token.chars().any(|c| c.is_ascii_control() && c != '\t').then_some("has a control character in it")
}

/// Fetches a token.
type Source = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>> + Send + Sync>;

/// Reads the first line of a file.
pub(crate) async fn from_file(path: &Path) -> Result<Token, TokenError> {
    let failed = |what: String| TokenError::permanent(format!("the token file {} {what}", path.display()));
    let file = path.to_owned();
    let read = tokio::task::spawn_blocking(move || files::read(&file, LONGEST)).await;
    let bytes = read
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| failed(format!("cannot be read: {error}")))?;
    if is_utf16(&bytes) {
        return Err(failed("is UTF-16, as PowerShell's '>' writes it, and has to be UTF-8".to_owned()));
    }
    let token = first_line(&bytes).ok_or_else(|| failed("has no token on its first line".to_owned()))?;
    match unsendable(token.expose()) {
        Some(what) => Err(failed(format!("is of no use: the token {what}"))),
        None => Ok(token),
    }
}

/// Runs a command in the shell and takes the first line it prints.
async fn from_command(command: &str) -> Result<Token, TokenError> {
    let cannot_run =
        |error: io::Error| TokenError::permanent(format!("the token command cannot be run: {error}"));
    let mut child = shell(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot_run)?;
    let running = child.id().map(RunningCommand::begin);
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(TokenError::permanent("the token command has no output"));
    };
    // Both at once: a command that fills one pipe while the other is read would never end.
    let (output, complaint) = tokio::join!(bounded(stdout), bounded(stderr));
    let status = child.wait().await.map_err(cannot_run)?;
    if let Some(running) = running {
        running.ended();
    }
    if !status.success() {
        let complaint = complaint.unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint);
        let complaint = sanitise::name(complaint.lines().next().unwrap_or_default(), ERROR_WIDTH);
        let said = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
        let text = format!("the token command failed ({status}){said}");
        // The shell's own statuses for a command that is not there or cannot be run.
        return Err(match status.code() {
            Some(126 | 127) => TokenError::permanent(text),
            _ => TokenError::temporary(text),
        });
    }
    let output = output.map_err(|error| TokenError::temporary(format!("the token command: {error}")))?;
    if is_utf16(&output) {
        return Err(TokenError::permanent("the token command prints UTF-16, and it has to be UTF-8"));
    }
    let token = first_line(&output)
        .ok_or_else(|| TokenError::temporary("the token command printed no token on its first line"))?;
    match unsendable(token.expose()) {
        Some(what) => Err(TokenError::permanent(format!("the token that the token command printed {what}"))),
        None => Ok(token),
    }
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    if !has_terminal() {
        shell.process_group(0);
    }
    shell
}

/// Whether there is a terminal that a command may ask for a password on, which it can only in our own process group.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// The commands that run, by their process ids.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops the commands that still run: the program ends.
pub(crate) fn stop_commands() {
    for pid in std::mem::take(&mut *running()) {
        stop(pid);
    }
}

/// A command that runs. Dropping it stops it.
struct RunningCommand(u32);

impl RunningCommand {
    fn begin(pid: u32) -> Self {
        running().push(pid);
        Self(pid)
    }

    /// It has ended by itself.
    fn ended(self) {
        running().retain(|pid| *pid != self.0);
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let mut running = running();
        let before = running.len();
        running.retain(|pid| *pid != self.0);
        if running.len() < before {
            stop(self.0);
        }
    }
}

/// Stops a command with all that it has started, where it has a process group of its own.
#[cfg(unix)]
fn stop(pid: u32) {
    use rustix::process::{Pid, Signal, kill_process, kill_process_group};
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    if kill_process_group(pid, Signal::KILL).is_err() {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Dropping its handle ends it.
#[cfg(not(unix))]
fn stop(_: u32) {}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

/// Keeps the beginning and reads the rest to its end, so that the writer does not fail on a closed pipe.
async fn bounded(mut from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut from).take(LONGEST).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// Whether it begins with the byte-order mark of UTF-16, which no UTF-8 begins with, or with one character in two bytes.
fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

fn first_line(bytes: &[u8]) -> Option<Token> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes.split(|byte| *byte == b'\n').next()?).ok()?.trim();
    (!text.is_empty()).then(|| Token::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_line_of_a_commands_output_is_the_token() {
        let token = from_command("echo ' abc '; echo more").await.unwrap();
        assert_eq!(token.expose(), "abc");
    }

    #[tokio::test]
    async fn a_failing_command_says_why_in_bounded_printable_words() {
        let error = from_command("printf 'no \\033[2J network\\n' >&2; exit 3").await.unwrap_err();
        assert!(error.temporary);
        assert_eq!(&*error.text, "the token command failed (exit status: 3): no ^[[2J network");
        let error = from_command("head -c 200000 /dev/zero | tr '\\0' x >&2; exit 1").await.unwrap_err();
        assert!(error.text.len() < 250, "{}", error.text.len());
        assert!(!from_command("/no/such/command").await.unwrap_err().temporary);
        let silent = from_command("exit 1").await.unwrap_err();
        assert_eq!(&*silent.text, "the token command failed (exit status: 1)");
    }

    #[tokio::test]
    async fn a_token_that_no_header_can_carry_is_no_token_and_is_not_quoted() {
        assert_eq!(unsendable("a\tb.c-d~é"), None);
        assert!(unsendable("s3cret\nb").unwrap().contains("line break"));
        let error = from_command("printf 's3cret\\033x'").await.unwrap_err();
        assert_eq!(
            (&*error.text, error.temporary),
            ("the token that the token command printed has a control character in it", false)
        );
    }

    #[tokio::test]
    async fn a_command_that_prints_nothing_or_no_end_of_it_is_survived() {
        assert!(from_command("true").await.is_err());
        let token = from_command("echo abc; head -c 1000000 /dev/zero").await.unwrap();
        assert_eq!(token.expose(), "abc");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_token() {
        assert_eq!(first_line("\u{feff}abc\r\n".as_bytes()).unwrap().expose(), "abc");
        assert!(first_line("\u{feff}\n".as_bytes()).is_none());
    }

    #[tokio::test]
    async fn a_token_in_utf_16_is_said_to_have_to_be_utf_8() {
        for bytes in [&b"\xff\xfea\0b\0"[..], b"\xfe\xff\0a\0b", b"a\0b\0", b"\0a\0b"] {
            let file = std::env::temp_dir().join(format!("rejoin-token-{}", std::process::id()));
            std::fs::write(&file, bytes).unwrap();
            let error = from_file(&file).await.unwrap_err();
            std::fs::remove_file(&file).unwrap();
            let told = "is UTF-16, as PowerShell's '>' writes it, and has to be UTF-8";
            assert!(error.text.ends_with(told) && !error.temporary, "{}", error.text);
        }
        let error = from_command("printf '\\377\\376a\\000'").await.unwrap_err();
        assert_eq!(&*error.text, "the token command prints UTF-16, and it has to be UTF-8");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let error = from_file(Path::new("/no/such/token")).await.unwrap_err();
        assert!(error.text.contains("/no/such/token") && !error.temporary);
    }
}
