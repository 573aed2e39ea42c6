//! Ctrl-C, SIGTERM, and for a program that has changed the terminal SIGHUP.

use crate::error::Exit;

/// What the user or the system asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C: stop at once.
    Interrupt,
    /// SIGTERM: finish what has begun.
    Terminate,
}

/// Listens from its creation on. Several may listen; each hears every signal.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    /// The terminal is closed; heard where that has to be put in order before the end.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    /// The system has asked for an orderly end; it does not ask twice.
    #[cfg(unix)]
    asked: bool,
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
        Ok(Self { terminate, interrupt, hangup: None, asked: false })
    }

    /// From now on SIGHUP is a SIGTERM. Not for those who may outlive their terminal: it is ignored then, and that would end.
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
                _ = self.interrupt.recv() => return Signal::Interrupt,
                _ = self.terminate.recv() => {
                    let is_again = std::mem::replace(&mut self.asked, true);
                    return if is_again { Signal::Interrupt } else { Signal::Terminate };
                }
                // The shell and the system may both send it: once is enough.
                _ = received(&mut self.hangup) => if !std::mem::replace(&mut self.asked, true) {
                    return Signal::Terminate;
                }
            }
        }
    }
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

    /// Ends the program at the second signal, whatever it is at.
    pub(crate) async fn exit_on_second(mut self) {
        self.next().await;
        self.next().await;
        std::process::exit(Exit::Interrupted.code().into());
    }
}
