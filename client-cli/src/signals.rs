//! Ctrl-C, SIGTERM and SIGHUP.

use crate::error::Exit;
use std::time::Duration;
#[cfg(unix)]
use tokio::time::Instant;
use tokio::time::timeout;

/// `timeout(1)` signals its child and then the whole group: what comes so soon after the same signal is no second one.
#[cfg(unix)]
const SAME: Duration = Duration::from_millis(100);

/// After the second signal, what is known is still written, for so long.
const LAST_WORDS: Duration = Duration::from_millis(1_200);

/// What the user or the system asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C: stop at once.
    Interrupt,
    /// SIGTERM or SIGHUP: finish what has begun.
    Terminate,
}

/// Listens from its creation on. Several may listen; each hears every signal.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    /// The terminal is closed, unless the program is to outlive it.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    /// The system has asked for an orderly end; it does not ask twice.
    #[cfg(unix)]
    asked: bool,
    /// When these came last.
    #[cfg(unix)]
    interrupted_at: Option<Instant>,
    #[cfg(unix)]
    terminated_at: Option<Instant>,
}

/// The signal of a file that has become too large, where it has this number: a write is to fail instead, as on a full
/// disk.
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
const FILE_TOO_LARGE: std::os::raw::c_int = 25;

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
        drop(signal(SignalKind::from_raw(FILE_TOO_LARGE))?);
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut signals = Self {
            terminate,
            interrupt,
            hangup: None,
            asked: false,
            interrupted_at: None,
            terminated_at: None,
        };
        if !may_ignore_hangup() {
            signals.listen_for_hangup();
        }
        Ok(signals)
    }

    /// From now on SIGHUP is a SIGTERM, though it was ignored: for those who cannot outlive their terminal.
    pub(crate) fn listen_for_hangup(&mut self) {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(hangup) => self.hangup = Some(hangup),
            Err(error) => tracing::debug!(%error, "SIGHUP ends the program at once"),
        }
    }

    /// The next signal; a second SIGTERM is an interrupt. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                biased;
                _ = self.interrupt.recv() => if is_new(&mut self.interrupted_at) {
                    return Signal::Interrupt;
                },
                _ = self.terminate.recv() => if is_new(&mut self.terminated_at) {
                    let is_again = std::mem::replace(&mut self.asked, true);
                    return if is_again { Signal::Interrupt } else { Signal::Terminate };
                },
                // The shell and the system may both send it: once is enough.
                _ = received(&mut self.hangup) => if !std::mem::replace(&mut self.asked, true) {
                    return Signal::Terminate;
                }
            }
        }
    }
}

/// Whether a signal is another one than that which counted `last`.
#[cfg(unix)]
fn is_new(last: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let is_new = last.is_none_or(|last| now.duration_since(last) >= SAME);
    if is_new {
        *last = Some(now);
    }
    is_new
}

/// Whether whoever started the program had it ignore SIGHUP (`nohup`), or nobody can say.
#[cfg(unix)]
fn may_ignore_hangup() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first bit is that of the first signal, which this is.
    ignored.is_none_or(|mask| mask & 1 != 0)
}

/// The signal, where it is heard.
#[cfg(unix)]
async fn received(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// There is no such signal.
    #[expect(clippy::unused_self, reason = "the same method as elsewhere")]
    pub(crate) fn listen_for_hangup(&mut self) {}

    /// The next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            // No handler can be had: the system's default ends the program.
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}

impl Signals {
    /// Waits for Ctrl-C or a second SIGTERM. Cancel safe.
    pub(crate) async fn interrupted(&mut self) {
        while self.next().await != Signal::Interrupt {}
    }

    /// Ends the program at the second signal, whatever it is at: a moment later, unless there is a third. `stop` ends what the
    /// program has started.
    pub(crate) async fn exit_on_second(mut self, stop: fn()) {
        self.next().await;
        self.next().await;
        // What the command itself does about it is over by then, or stuck.
        let _ = timeout(LAST_WORDS, self.next()).await;
        stop();
        std::process::exit(Exit::Interrupted.code().into());
    }
}
