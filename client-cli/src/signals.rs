//! Ctrl-C and SIGTERM.

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
        Ok(Self { terminate, interrupt, asked: false })
    }

    /// The next signal; a second SIGTERM is an interrupt. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => {
                if std::mem::replace(&mut self.asked, true) { Signal::Interrupt } else { Signal::Terminate }
            }
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

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
