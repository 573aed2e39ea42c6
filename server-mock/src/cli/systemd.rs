//! Notifies systemd of readiness, and takes over its listening socket. Does nothing without systemd.

use std::io;
use std::net::TcpListener;

/// The first socket that was handed over, if there is one.
#[cfg(unix)]
pub(super) fn inherited() -> io::Result<Option<TcpListener>> {
    let listener = listenfd::ListenFd::from_env().take_tcp_listener(0)?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}

#[cfg(not(unix))]
pub(super) fn inherited() -> io::Result<Option<TcpListener>> {
    Ok(None)
}

/// Connections are taken.
pub(super) fn ready() {
    #[cfg(unix)]
    tell(sd_notify::NotifyState::Ready);
}

/// The drain has begun.
pub(super) fn stopping() {
    #[cfg(unix)]
    tell(sd_notify::NotifyState::Stopping);
}

#[cfg(unix)]
fn tell(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
