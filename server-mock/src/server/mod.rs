//! The server: its listeners, its tasks, its end.

mod accept_loop;
mod binding;
mod builder;
mod handle;
mod memory_keeper;
mod routes;
#[cfg(feature = "redis")]
mod shared_store;

pub use binding::BindError;
pub use builder::ServerBuilder;
pub use handle::ServerHandle;

use crate::admin::AdminToken;
use crate::auth::Reloader;
use crate::config::Config;
use crate::faults::Faults;
use crate::hub::DrainReason;
use crate::socketio::SocketIo;
use crate::state::AppState;
use axum::Router;
use handle::{Addresses, Running};
#[cfg(feature = "redis")]
use shared_store::{SharedStore, share};
use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A bound server that does not serve yet.
///
/// ```
/// # async fn doc() -> Result<(), rejoin_server::BindError> {
/// use rejoin_server::{Config, Server};
///
/// let server = Server::bind(Config::default()).await?.spawn();
/// println!("{}", server.url()); // ws://127.0.0.1:PORT/ws
/// server.drain().await;
/// # Ok(()) }
/// ```
pub struct Server {
    app: Arc<AppState>,
    socket_io: Arc<SocketIo>,
    listener: TcpListener,
    admin: Option<TcpListener>,
    admin_token: Option<AdminToken>,
    tls: Option<TlsAcceptor>,
    #[cfg(feature = "redis")]
    store: Option<SharedStore>,
    router: Router,
    drain: Duration,
    addresses: Addresses,
}

impl Server {
    /// Sets a server up in code.
    ///
    /// ```
    /// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
    /// use rejoin_server::Server;
    /// use rejoin_server::auth::User;
    /// use rejoin_server::hub::{Right, Rights, RightsError};
    ///
    /// let server = Server::builder()
    ///     .authenticate(async |token, request| {
    ///         // Ask a database here; `request.client` is the address, `request.origin` the page.
    ///         let Some(name) = token.strip_prefix("demo-") else { return Ok(None) };
    ///         let rights = Rights::from_patterns([("team-*", &[Right::Join, Right::Send, Right::History][..])])?;
    ///         Ok::<_, RightsError>(Some(User::new(name).with_rights(rights)))
    ///     })
    ///     .bind()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Listens. Connections that come before [`run`](Self::run) wait in the operating system's queue.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        Self::bind_on(config, None).await
    }

    /// The URL to connect to: `ws://127.0.0.1:PORT/ws`, or `wss://…`.
    pub fn url(&self) -> String {
        self.addresses.url.clone()
    }

    /// The admin listener's URL, `http://HOST:PORT`, if there is one.
    pub fn admin_url(&self) -> Option<String> {
        self.addresses.admin.clone()
    }

    /// What reads the token file again.
    pub fn reloader(&self) -> Reloader {
        let hub = Arc::clone(&self.app.hub);
        Reloader::new(Arc::clone(&self.app.authority), move || hub.close_revoked())
    }

    /// The handle by which faults are added.
    pub fn faults(&self) -> Faults {
        self.app.faults.clone()
    }

    /// Serves until `shutdown` completes, then drains: new connections get 503, open ones are closed with 1012
    /// over a window that grows with their number, at most [`Config::drain`]. Returns when the last one is gone,
    /// within eight seconds after the window.
    ///
    /// Dropping the future stops at once: every connection is cut.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let drain = async {
            shutdown.await;
            DrainReason::Restart
        };
        self.serve(drain, pending()).await;
    }

    /// Serves in a task of the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(self) -> ServerHandle {
        let (addresses, faults) = (self.addresses.clone(), self.faults());
        let (drain, drained) = oneshot::channel::<DrainReason>();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(self.serve(requested(drained), requested(stopped)));
        ServerHandle { addresses, faults, running: Some(Running { drain, stop, task }) }
    }

    #[cfg_attr(not(feature = "redis"), expect(unused_mut, reason = "the store is taken out of it"))]
    async fn serve(mut self, drain: impl Future<Output = DrainReason>, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        {
            let (app, socket_io) = (Arc::clone(&self.app), Arc::clone(&self.socket_io));
            #[cfg(feature = "redis")]
            let with_redis = share(self.store.take(), &app);
            #[cfg(not(feature = "redis"))]
            let with_redis = pending();
            let work = self.work(&mut tasks, drain);
            tokio::select! {
                () = work => {}
                () = stop => {}
                () = app.hub.run_timer() => {}
                () = app.hub.serve_token_requests() => {}
                () = memory_keeper::keep(&app, socket_io.recovery()) => {}
                () = socket_io.recovery().keep() => {}
                () = with_redis => {}
            }
        }
        tasks.shutdown().await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.addresses.url).finish_non_exhaustive()
    }
}

/// What the handle requests. One that is gone has requested nothing: its `Drop` stops the server.
async fn requested<T>(request: oneshot::Receiver<T>) -> T {
    match request.await {
        Ok(request) => request,
        Err(_) => pending().await,
    }
}
