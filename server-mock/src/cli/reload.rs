//! SIGHUP: what was read from files is read again. It never ends the process.

use crate::tls::Certificate;
use std::io;

pub(super) struct Reload {
    #[cfg(unix)]
    hangups: tokio::signal::unix::Signal,
    certificate: Option<Certificate>,
}

impl Reload {
    /// From now on the signal no longer ends the process.
    #[cfg(unix)]
    pub(super) fn new(certificate: Option<Certificate>) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { hangups: signal(SignalKind::hangup())?, certificate })
    }

    #[cfg(not(unix))]
    pub(super) fn new(certificate: Option<Certificate>) -> io::Result<Self> {
        Ok(Self { certificate })
    }

    /// Reads again whenever it is told to. Never ends.
    pub(super) async fn run(mut self) {
        loop {
            self.told().await;
            match self.certificate.as_ref().map(Certificate::reload) {
                None => tracing::info!("SIGHUP: no certificate to read again"),
                Some(Ok(())) => tracing::info!("SIGHUP: the certificate has been read again"),
                Some(Err(error)) => tracing::error!(%error, "SIGHUP: the certificate stays as it was"),
            }
        }
    }

    #[cfg(unix)]
    async fn told(&mut self) {
        if self.hangups.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    async fn told(&mut self) {
        let Self { certificate: _ } = self;
        std::future::pending::<()>().await;
    }
}
