//! Binds a server: checks its configuration, listens, and makes what its connections share.

#[cfg(feature = "redis")]
use super::shared_store::connect;
use super::{Addresses, Server, routes};
use crate::admission::{AdmissionControl, check_network};
use crate::auth::{Auth, Authority};
use crate::config::Config;
use crate::faults::Faults;
use crate::host::{Hosts, check_host};
use crate::namespace::{Namespace, NamespaceError};
use crate::origin;
#[cfg(feature = "redis")]
use crate::redis::StoreError;
use crate::socketio::{self, SocketIo};
use crate::state::AppState;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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
    #[error("cannot listen on {address}: {source}{}", in_use(source))]
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
    #[error("cannot listen on {address} for admin: {source}{}", in_use(source))]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What to do about a port that is taken.
fn in_use(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or choose another port (0 for any that is free)"
        }
        _ => "",
    }
}

impl Server {
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
        check_entries(&allow_host, check_host)?;
        check_entries(&allow_origin, origin::check_origin)?;
        for network in &config.trusted_proxy {
            check_network(network).map_err(|why| BindError::Entry { entry: network.to_string(), why })?;
        }
        // Before anybody can connect: who does not answer yet is not to be waited for by clients.
        #[cfg(feature = "redis")]
        let (requests, mut store) = connect(config.redis.as_ref(), &mut hub).await?;
        #[cfg(not(feature = "redis"))]
        let requests = None;
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
        let authority = Authority::new(auth, limits.tickets);
        #[cfg(feature = "redis")]
        let authority = authority.with_redis(store.as_ref().map(|store| store.redis.token_store()));
        #[cfg(feature = "redis")]
        if let Some(store) = &mut store
            && authority.apply_revocations(store.redis.revoked(), true).is_err()
        {
            tracing::error!("too many tokens are revoked: this server does not know all of them");
        }
        #[cfg(feature = "redis")]
        let sessions = store.as_ref().map(|store| store.redis.sessions());
        #[cfg(not(feature = "redis"))]
        let sessions = None;
        let socket_io = Arc::new(SocketIo::new(&config.namespaces, &limits, &hub, sessions));
        let authorizer = config.authorize;
        let app =
            AppState::new(authority, allow_origin, hosts, limits, hub, faults, gate, requests, authorizer);
        #[cfg(feature = "redis")]
        let app = app.with_redis(store.as_ref().map(|store| &store.redis));
        let app = Arc::new(app);
        let router = routes::router(&path, &app, &socket_io, unprotected);
        Ok(Self {
            app,
            socket_io,
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
