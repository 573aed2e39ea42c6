//! The server's configuration, with its defaults.

use crate::admin::AdminToken;
use crate::auth::{Auth, Authorizer};
use crate::connection_limits::Limits;
use crate::faults::Fault;
use crate::hub::HubConfig;
use crate::namespace::Namespace;
#[cfg(feature = "redis")]
use crate::redis::RedisConfig;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls;

/// What [`Server::bind`](crate::Server::bind) needs to know. The default listens on a free loopback port and
/// takes any token as the user's name.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// The path of the WebSocket endpoint, starting with `/`. Default `/ws`. At `/socket.io/` it takes the place of the
    /// Socket.IO endpoint.
    pub path: String,
    /// Who may connect, and as whom. Default [`Auth::Open`].
    pub auth: Auth,
    /// Who is asked what somebody may do in a room, beside what the token allows. Nobody by default.
    pub authorize: Option<Authorizer>,
    /// The `Origin` headers that are accepted, as browsers write them (`https://chat.example`); `*` is any.
    /// Empty, the default: those whose host is the server's own. A missing `Origin` is always accepted,
    /// because tokens authenticate here, not cookies. The pages that may open a WebSocket may read feeds.
    pub allow_origin: Vec<String>,
    /// Proxies that say truly who is behind them, by `X-Forwarded-For` or else by `Forwarded`. What they bring is counted
    /// as whom they name. A proxy that says `Forwarded` only has to take `X-Forwarded-For` out. Default: none.
    pub trusted_proxy: Vec<IpNet>,
    /// Each connection of a trusted proxy begins with the PROXY protocol, version 1 or 2. Default `false`.
    pub proxy_protocol: bool,
    /// Names by which this server is called, beside IP addresses, `localhost` and the hosts of
    /// [`allow_origin`](Self::allow_origin): requests with another `Host` are refused on the admin listener, and with
    /// [`Auth::Open`] everywhere. `*` is any.
    pub allow_host: Vec<String>,
    /// Where the admin listener goes, if anywhere. Others than this machine can only reach it with an
    /// [`admin_token`](Self::admin_token).
    pub admin: Option<SocketAddr>,
    /// What the admin listener asks for, on every route but `/healthz` and `/readyz`. Default: nothing.
    pub admin_token: Option<AdminToken>,
    /// Speak TLS with this configuration. Default: plain TCP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The rules of the rooms.
    pub hub: HubConfig,
    /// The limits of the sockets.
    pub limits: Limits,
    /// The namespaces for Socket.IO clients beside `/`. Default: none.
    pub namespaces: Vec<Namespace>,
    /// The longest drain window. Default 30 s.
    pub drain: Duration,
    /// Faults to begin with.
    pub faults: Vec<Fault>,
    /// The Redis by which several servers are one. Default: none, this is the only server.
    #[cfg(feature = "redis")]
    pub redis: Option<RedisConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            path: String::from("/ws"),
            auth: Auth::Open,
            authorize: None,
            allow_origin: Vec::new(),
            trusted_proxy: Vec::new(),
            proxy_protocol: false,
            allow_host: Vec::new(),
            admin: None,
            admin_token: None,
            tls: None,
            hub: HubConfig::default(),
            limits: Limits::default(),
            namespaces: Vec::new(),
            drain: Duration::from_secs(30),
            faults: Vec::new(),
            #[cfg(feature = "redis")]
            redis: None,
        }
    }
}

impl fmt::Debug for Config {
    /// Without the TLS configuration, which has nothing to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Config");
        #[cfg(feature = "redis")]
        shown.field("redis", &self.redis);
        shown
            .field("listen", &self.listen)
            .field("path", &self.path)
            .field("auth", &self.auth)
            .field("authorize", &self.authorize)
            .field("allow_origin", &self.allow_origin)
            .field("trusted_proxy", &self.trusted_proxy)
            .field("proxy_protocol", &self.proxy_protocol)
            .field("allow_host", &self.allow_host)
            .field("admin", &self.admin)
            .field("admin_token", &self.admin_token)
            .field("tls", &self.tls.is_some())
            .field("hub", &self.hub)
            .field("limits", &self.limits)
            .field("namespaces", &self.namespaces)
            .field("drain", &self.drain)
            .field("faults", &self.faults)
            .finish()
    }
}
