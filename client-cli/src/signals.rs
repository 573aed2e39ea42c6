//! Ctrl-C and SIGTERM.

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
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
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
    /// Waits for Ctrl-C, however often the system asks for an orderly end. Cancel safe.
    pub(crate) async fn interrupted(&mut self) {
        while self.next().await != Signal::Interrupt {}
    }
}
