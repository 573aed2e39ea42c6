//! Reloads tokens and certificates on SIGHUP. Never ends the process. The file of --auth is watched too.

use crate::admin::AdminToken;
use crate::auth::{AuthError, Reloader};
use crate::tls::Certificate;
use std::fmt::Display;
use std::io;

pub(super) struct Reload {
    #[cfg(unix)]
    hangups: tokio::signal::unix::Signal,
    certificate: Option<Certificate>,
    admin_token: Option<AdminToken>,
}

impl Reload {
    /// From now on the signal no longer ends the process.
    pub(super) fn new(certificate: Option<Certificate>, admin_token: Option<AdminToken>) -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            hangups: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
            certificate,
            admin_token,
        })
    }

    /// Reads again whenever it is told to, and the tokens whenever their file has changed. Never ends.
    pub(super) async fn run(self, tokens: Reloader) {
        tokio::join!(self.obey(&tokens), tokens.clone().watch());
    }

    async fn obey(mut self, tokens: &Reloader) {
        loop {
            self.told().await;
            let (certificate, admin_token) = (self.certificate.clone(), self.admin_token.clone());
            // Files may take their time, and no signal is to wait for that.
            let read = tokio::task::spawn_blocking(move || {
                tell("certificate", certificate.as_ref().map(Certificate::reload));
                tell("admin token", admin_token.as_ref().map(AdminToken::reload));
            });
            if let Err(error) = read.await {
                tracing::error!(%error, "SIGHUP: certificate and admin token have not been read again");
            }
            match tokens.reload().await {
                // That is told where it is done.
                Ok(_) => {}
                Err(AuthError::NoFile) => tracing::debug!("SIGHUP: --auth has no file to read again"),
                Err(error) => {
                    tracing::error!(%error, "SIGHUP: what the file of --auth said before still counts");
                }
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
        std::future::pending::<()>().await;
    }
}

fn tell<E: Display>(what: &str, outcome: Option<Result<(), E>>) {
    match outcome {
        None => {}
        Some(Ok(())) => tracing::info!("SIGHUP: the {what} has been read again"),
        Some(Err(error)) => tracing::error!(%error, "SIGHUP: the {what} stays as it was"),
    }
}
