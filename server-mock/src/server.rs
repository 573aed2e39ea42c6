//! The server: its listeners, its tasks, its end.

use crate::accept::Acceptor;
use crate::admin::AdminToken;
use crate::admission::{AdmissionControl, check_network};
use crate::auth::{AuthRequest, Authenticator, Authority, Reloader, User};
use crate::authorize::Authorizer;
use crate::config::Config;
use crate::connection_limits::Limits;
use crate::faults::Faults;
use crate::host::Hosts;
use crate::hub::Right;
#[cfg(feature = "redis")]
use crate::hub::{HubConfig, shared::StoreRequest};
use crate::namespace::{Namespace, NamespaceError};
#[cfg(feature = "redis")]
use crate::redis::{Redis, RedisConfig, StoreError, StoreListener};
use crate::state::AppState;
use crate::{
    Auth, accept_policy, admin, connection, demo, file_limit, host, memory, origin, socketio, sse, tickets,
    upgrade,
};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Router, middleware};
#[cfg(feature = "redis")]
use rejoin::Id;
use std::fmt;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
#[cfg(feature = "redis")]
use tokio::sync::mpsc;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

/// Refused connections whose end is waited for at a time; beyond, they are closed at once.
const REFUSALS: usize = 1_024;

/// Clients that can move to another server while they are served here need this long for it.
const MOVE: Duration = Duration::from_secs(1);

/// What the last close frames of a drain may take beyond its window.
const LAST_WORDS: Duration = Duration::from_secs(8);

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
    listener: TcpListener,
    admin: Option<TcpListener>,
    admin_token: Option<AdminToken>,
    tls: Option<TlsAcceptor>,
    #[cfg(feature = "redis")]
    store: Option<Shared>,
    router: Router,
    drain: Duration,
    addresses: Addresses,
}

#[derive(Debug, Clone)]
struct Addresses {
    url: String,
    admin: Option<String>,
}

/// The path is there, and not for this method. Which ones it has stands in `Allow`.
async fn other_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let what = format!(
        "{method} means nothing for {path}: use a method that the header Allow names. Messages are sent over the WebSocket.\n"
    );
    (StatusCode::METHOD_NOT_ALLOWED, what).into_response()
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The path is no path.
    #[error("the path '{0}' is not / followed by letters, digits, '-', '_', '.', '~' or more of /")]
    Path(String),
    /// The path is that of Socket.IO, which is served there.
    #[error(
        "the path '{0}' is where Socket.IO is served: choose another one for the WebSocket, /ws for instance"
    )]
    SocketIoPath(String),
    /// The namespaces do not go together.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// An entry of [`Config::allow_host`], [`Config::allow_origin`] or [`Config::trusted_proxy`] that can never match.
    #[error("{entry}: {why}")]
    Entry {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The listener.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The admin listener could be reached by others, and would ask nobody who they are.
    #[error("{address} can be reached by others: an admin listener there needs --admin-token-file")]
    AdminToken {
        /// Where.
        address: SocketAddr,
    },
    /// The Redis of [`Config::redis`].
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The admin listener.
    #[error("cannot listen on {address} for admin: {source}")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A server that is being set up in code. [`Server::builder`] begins one.
#[derive(Debug, Default)]
pub struct ServerBuilder {
    config: Config,
}

impl ServerBuilder {
    /// Everything else than what the builder has methods for. Takes the place of what they have set before.
    pub fn config(self, config: Config) -> Self {
        Self { config }
    }

    /// Asks this function whose a token is: for each connection, feed and Socket.IO session, and for each new token of an
    /// open one. `Ok(Some(user))` lets in, `Ok(None)` refuses for good. An error, or no answer within 5 s, lets nobody in,
    /// and is told to the client as something that passes: it comes back later. At most 256 are asked about at a time.
    pub fn authenticate<F, Answer, E>(mut self, ask: F) -> Self
    where
        F: Fn(String, AuthRequest) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<User>, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.config.auth = Auth::Custom(Authenticator::new(ask));
        self
    }

    /// Asks this function whether a user may do something in a room, by its name in the hub (`/chat,lobby` in a Socket.IO
    /// namespace): before each frame that needs it, each feed, and each session that is recovered, whatever the token allows
    /// beside it. `Ok(true)` allows it, `Ok(false)` refuses it for good and names the right. An error, or no answer within 5 s,
    /// refuses it for now: the client tries again. An answer counts on its connection for 10 s ([`Authorizer::with_ttl`] has it
    /// otherwise), so that it is asked anew at every reconnect. At most 256 are asked about at a time, and 16 of one
    /// connection, whose frames wait in their order; nobody else waits for them.
    ///
    /// ```
    /// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
    /// use rejoin_server::Server;
    /// use rejoin_server::hub::Right;
    ///
    /// let server = Server::builder()
    ///     .authorize(async |user, action, room| {
    ///         // Ask a database here.
    ///         let is_member = room == "lobby" || room.starts_with(&format!("{user}-"));
    ///         Ok::<_, std::io::Error>(is_member && action != Right::Signal)
    ///     })
    ///     .bind()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn authorize<F, Answer, E>(mut self, ask: F) -> Self
    where
        F: Fn(String, Right, String) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<bool, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.config.authorize = Some(Authorizer::new(ask));
        self
    }

    /// As [`Server::bind`].
    pub async fn bind(self) -> Result<Server, BindError> {
        Server::bind(self.config).await
    }
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

    /// As [`bind`](Self::bind), on a listener that somebody else has bound, which must not block. It takes the place of
    /// [`Config::listen`].
    pub async fn bind_on(
        config: Config,
        inherited: Option<std::net::TcpListener>,
    ) -> Result<Self, BindError> {
        let Config {
            listen, path, auth, allow_origin, allow_host, admin, tls, mut hub, limits, drain, ..
        } = config;
        let (first, admin_token) = (config.faults, config.admin_token);
        if let (Some(address), None) = (admin, &admin_token)
            && !address.ip().is_loopback()
        {
            return Err(BindError::AdminToken { address });
        }
        if !is_path(&path) {
            return Err(BindError::Path(path));
        }
        if socketio::is_taken(&path) {
            return Err(BindError::SocketIoPath(path));
        }
        Namespace::check_all(&config.namespaces)?;
        check_entries(&allow_host, host::check_host)?;
        check_entries(&allow_origin, origin::check_origin)?;
        for network in &config.trusted_proxy {
            check_network(network).map_err(|why| BindError::Entry { entry: network.to_string(), why })?;
        }
        let gate = AdmissionControl::new(&limits, config.trusted_proxy, config.proxy_protocol);
        let bound = match inherited {
            Some(listener) => adopt(listener),
            None => bind(listen).await,
        };
        let (listener, address) = bound.map_err(|source| BindError::Listen { address: listen, source })?;
        let admin = match admin {
            None => None,
            Some(address) => {
                Some(bind(address).await.map_err(|source| BindError::Admin { address, source })?)
            }
        };
        #[cfg(feature = "redis")]
        let (requests, mut store) = connect(config.redis.as_ref(), &mut hub).await?;
        #[cfg(not(feature = "redis"))]
        let requests = None;
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let addresses = Addresses {
            url: format!("{scheme}://{address}{path}"),
            admin: admin.as_ref().map(|(_, address)| format!("http://{address}")),
        };
        let faults = Faults::default();
        for fault in first {
            faults.add(fault);
        }
        let hosts = Hosts::new(&allow_host, &allow_origin);
        let unprotected = matches!(auth, Auth::Open);
        let authority = Authority::new(auth);
        #[cfg(feature = "redis")]
        let authority = authority.with_redis(store.as_ref().map(|store| store.redis.token_store()));
        #[cfg(feature = "redis")]
        if let Some(store) = &mut store
            && authority.apply_revocations(store.redis.revoked(), true).is_err()
        {
            tracing::error!("too many tokens are revoked: this server does not know all of them");
        }
        let authorizer = config.authorize;
        let app =
            AppState::new(authority, allow_origin, hosts, limits, hub, faults, gate, requests, authorizer);
        #[cfg(feature = "redis")]
        let app = app.with_redis(store.as_ref().map(|store| &store.redis));
        let app = Arc::new(app.with_namespaces(&config.namespaces));
        let router = Router::new()
            .route(&path, get(upgrade::upgrade))
            .with_state(Arc::clone(&app))
            .merge(sse::router(Arc::clone(&app)))
            .merge(tickets::router(Arc::clone(&app)))
            .merge(socketio::router(Arc::clone(&app)))
            .merge(demo::router(&path))
            .method_not_allowed_fallback(other_method);
        // Where a token says who it is, a page of another site has none.
        let router = if unprotected {
            router.layer(middleware::from_fn_with_state(Arc::clone(&app), host::check))
        } else {
            router
        };
        Ok(Self {
            app,
            listener,
            admin: admin.map(|(listener, _)| listener),
            admin_token,
            tls: tls.map(TlsAcceptor::from),
            #[cfg(feature = "redis")]
            store,
            router,
            drain,
            addresses,
        })
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
        self.serve(shutdown, pending()).await;
    }

    /// Serves in a task of the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(self) -> ServerHandle {
        let (addresses, faults) = (self.addresses.clone(), self.faults());
        let (drain, drained) = oneshot::channel::<()>();
        let (stop, stopped) = oneshot::channel::<()>();
        let told = |receiver: oneshot::Receiver<()>| async {
            if receiver.await.is_err() {
                // Dropped unsent: the handle is gone, and its `Drop` has its own way.
                pending::<()>().await;
            }
        };
        let task = tokio::spawn(self.serve(told(drained), told(stopped)));
        ServerHandle { addresses, faults, running: Some(Running { drain, stop, task }) }
    }

    #[cfg_attr(not(feature = "redis"), expect(unused_mut, reason = "the store is taken out of it"))]
    async fn serve(mut self, drain: impl Future<Output = ()>, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        {
            let app = Arc::clone(&self.app);
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
                () = memory::keep(&app) => {}
                () = app.recovery.keep() => {}
                () = with_redis => {}
            }
        }
        tasks.shutdown().await;
    }

    async fn work(self, tasks: &mut JoinSet<()>, drain: impl Future<Output = ()>) {
        let Self { app, listener, admin, admin_token, tls, router, drain: longest, .. } = self;
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let mut listener = Acceptor::new(listener);
        let most_open = app.most_open;
        let wanted = app.limits.connections;
        if most_open < wanted && wanted != Limits::default().connections {
            tracing::warn!(
                most_open,
                wanted,
                "the limit of open files allows fewer connections than --max-connections"
            );
        } else if most_open < wanted {
            // Nobody has asked for so many.
            tracing::info!(most_open, "the limit of open files is the limit of connections");
        }
        // Served to the very end, so that a supervisor sees the drain.
        let mut admin_task = JoinSet::new();
        if let Some(listener) = admin {
            admin_task.spawn(admin::serve(Arc::clone(&app), listener, admin_token));
        }
        let mut drain = pin!(drain);
        // Once a drain has begun, when it must be over.
        let mut end: Option<Instant> = None;
        loop {
            if end.is_some() && app.hub.connections() == 0 {
                break;
            }
            tokio::select! {
                (stream, peer) = listener.accept(&app.metrics) => match accept_policy::open(&app, peer.ip(), tasks.len()) {
                    Ok(permit) => {
                        let _ = stream.set_nodelay(true);
                        let (app, router, tls) = (Arc::clone(&app), router.clone(), tls.clone());
                        tasks.spawn(connection::serve(app, router, tls, stream, peer.ip(), permit));
                    }
                    Err(refusal) => if let Some(stream) = accept_policy::refuse(stream, &refusal, tls.is_some())
                        && tasks.len() < most_open.saturating_add(file_limit::REFUSALS)
                        && let Ok(permit) = Arc::clone(&refusals).try_acquire_owned()
                    {
                        tasks.spawn(async move {
                            accept_policy::linger(stream).await;
                            drop(permit);
                        });
                    },
                },
                Some(ended) = tasks.join_next() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        app.metrics.panics.one_more();
                        tracing::error!("a connection ended by a bug; the others go on");
                    }
                }
                () = &mut drain, if end.is_none() => {
                    app.stop_admitting();
                    let connections = app.hub.connections();
                    let rate = f64::from(app.limits.drain_rate.max(1));
                    #[expect(clippy::cast_precision_loss, reason = "connections are far fewer than 2^52")]
                    let mut window = Duration::from_secs_f64(connections as f64 / rate);
                    if app.hub.extended_connections() > 0 {
                        window = window.max(MOVE);
                    }
                    let window = window.min(longest);
                    tracing::info!(connections, ?window, "draining");
                    end = Some(Instant::now() + window + LAST_WORDS);
                    app.hub.drain(window);
                }
                () = until(end) => break,
            }
        }
        // Half-open connections would outlast every wait; what is left then are close handshakes.
        app.faults.clear();
        app.finish();
        let last = end.unwrap_or_else(Instant::now).min(Instant::now() + LAST_WORDS);
        let _ = timeout_at(last, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

/// The Redis with which this server is one of several, and what the hub asks of it.
#[cfg(feature = "redis")]
struct Shared {
    redis: Redis,
    requests: mpsc::Receiver<StoreRequest>,
}

/// Connects to the Redis, if there is one; the hub is one node of several then.
#[cfg(feature = "redis")]
async fn connect(
    config: Option<&RedisConfig>,
    hub: &mut HubConfig,
) -> Result<(Option<mpsc::Sender<StoreRequest>>, Option<Shared>), BindError> {
    let Some(config) = config else { return Ok((None, None)) };
    // A node that starts again is another one: nobody is taken for one of its users of before.
    let node = hub.node.get_or_insert_with(|| Id::random(&mut fastrand::Rng::new())).clone();
    let redis = Redis::connect(config, node, hub).await?;
    let (asked, requests) = mpsc::channel(hub.store_requests.max(1));
    Ok((Some(asked), Some(Shared { redis, requests })))
}

/// Carries out what the hub asks, for ever.
#[cfg(feature = "redis")]
async fn share(store: Option<Shared>, app: &AppState) {
    match store {
        Some(Shared { redis, requests }) => {
            redis.serve(requests, Arc::clone(&app.hub) as Arc<dyn StoreListener>).await;
        }
        None => pending().await,
    }
}

/// Whether each entry of a list can match something.
fn check_entries(
    entries: &[String],
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<(), BindError> {
    entries
        .iter()
        .try_for_each(|entry| check(entry).map_err(|why| BindError::Entry { entry: entry.clone(), why }))
}

/// Only characters that mean themselves, in a URL and in a route alike.
fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    path.starts_with('/') && path.chars().all(plain)
}

fn adopt(listener: std::net::TcpListener) -> io::Result<(TcpListener, SocketAddr)> {
    let address = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, address))
}

async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => pending().await,
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.addresses.url).finish_non_exhaustive()
    }
}

/// A server that runs in a task. Dropping the handle stops it at once, as [`stop`](Self::stop) does, without waiting.
#[derive(Debug)]
pub struct ServerHandle {
    addresses: Addresses,
    faults: Faults,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    drain: oneshot::Sender<()>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ServerHandle {
    /// As [`Server::url`].
    pub fn url(&self) -> String {
        self.addresses.url.clone()
    }

    /// As [`Server::admin_url`].
    pub fn admin_url(&self) -> Option<String> {
        self.addresses.admin.clone()
    }

    /// As [`Server::faults`].
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Drains as [`Server::run`] does after its shutdown, and waits for the end. Dropping this future leaves the
    /// drain to itself.
    pub async fn drain(mut self) {
        if let Some(Running { drain, stop, task }) = self.running.take() {
            let _ = drain.send(());
            let _ = task.await;
            drop(stop);
        }
    }

    /// Stops at once, as a kill would: every connection is cut, none gets a close frame. Waits until the listeners and
    /// all connections are closed.
    pub async fn stop(mut self) {
        if let Some(Running { stop, task, .. }) = self.running.take() {
            let _ = stop.send(());
            let _ = task.await;
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.task.abort();
        }
    }
}
