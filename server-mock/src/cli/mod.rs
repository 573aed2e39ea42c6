//! The command line of `rejoin-server`, which is also `rejoin serve`: options in, a running server out.

mod args;
mod configuration;
mod error;
mod reload;
mod signals;
mod systemd;
mod values;

#[cfg(feature = "redis")]
pub use args::RedisUrl;
pub use args::ServeArgs;
pub use error::ServeError;
pub use values::{AddressLimit, Rate, parse_address};

use crate::Server;
use crate::file_limit;
use crate::tls::Certificate;
use configuration::is_open_to_strangers;
use reload::Reload;
use signals::Signals;
use std::io::{self, Write as _};
use tokio::sync::oneshot;

/// After so many turns of tasks a thread of the server looks which sockets have something. tokio's own 61 is for tasks that
/// are done in a microsecond: where a few connections send without a pause, each turn takes as long as a batch of their
/// frames, and everybody else would wait for 61 of these.
const TURNS: u32 = 4;

/// The runtime for [`serve`].
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().event_interval(TURNS).enable_all().build()
}

/// Runs a server until SIGTERM or SIGINT, then drains. A second signal stops at once, which is an error.
///
/// Prints `listening on ws://HOST:PORT/ws` as the first line of standard output once connections are taken, and
/// `admin on http://HOST:PORT` as the second if there is an admin listener.
pub async fn serve(mut args: ServeArgs) -> Result<(), ServeError> {
    file_limit::raise();
    let inherited = systemd::inherited().map_err(ServeError::Inherited)?;
    if let Some(listener) = &inherited {
        args.listen = listener.local_addr().map_err(ServeError::Inherited)?;
    }
    let certificate = args.certificate()?;
    let mut config = args.config()?;
    let tls = certificate.as_ref().map(Certificate::server_config).transpose();
    if is_open_to_strangers(&config) {
        tracing::warn!(
            "--auth open: whoever reaches this server, through a proxy too, is whoever it claims to be; use --auth jwt=FILE"
        );
    }
    config.tls = tls.map_err(|error| ServeError::Usage(format!("{error}")))?;
    // Before the first line is printed: whoever waits for it may send a signal at once.
    let reload = Reload::new(certificate, config.admin_token.clone()).map_err(ServeError::Signals)?;
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let server = Server::bind_on(config, inherited).await?;
    let reloader = server.reloader();
    announce(&server).map_err(ServeError::Stdout)?;
    systemd::ready();
    let (drain, drained) = oneshot::channel();
    let second_signal = async {
        signals.next().await;
        systemd::stopping();
        let _ = drain.send(());
        signals.next().await;
    };
    tokio::select! {
        () = server.run(async { drained.await.unwrap_or_default() }) => {}
        () = reload.run(reloader) => {}
        () = second_signal => return Err(ServeError::CutShort),
    }
    Ok(())
}

fn announce(server: &Server) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {}", server.url())?;
    if let Some(url) = server.admin_url() {
        writeln!(stdout, "admin on {url}")?;
    }
    stdout.flush()
}
