//! The options of the server and their help. Decides nothing: [`configuration`](super::configuration) makes of them what
//! the server takes.

use super::values::{
    AddressLimit, Rate, parse_address, parse_bytes, parse_count, parse_duration, parse_host, parse_kept,
    parse_leeway, parse_network, parse_origin, parse_positive_duration, parse_rate, parse_share,
};
#[cfg(feature = "redis")]
use crate::redis::Durability;
use crate::{Fault, IpNet, Namespace};
use clap::builder::NonEmptyStringValueParser;
#[cfg(feature = "redis")]
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Options of the server.
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct ServeArgs {
    /// Where to listen: HOST:PORT, or a PORT of this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,

    /// Path of the WebSocket endpoint; beside it there are /rooms/{id}/events, a room as server-sent events, and /demo/, a
    /// chat in the browser
    #[arg(long, default_value = "/ws")]
    pub path: String,

    /// Speak TLS (wss://, https://) with this certificate: PEM, the server's own first, then those that sign it; read
    /// again on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The key of --tls-cert: PEM, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Who may connect; [`Auth`](crate::Auth) has the forms.
    #[arg(
        long,
        value_name = "open|tokens=FILE|jwt=FILE|jwks=FILE|http=URL",
        help = "Who may connect: 'open' (the token is the user's name; the default on loopback, and only for \
                development), 'tokens=FILE' (a line 'TOKEN USER [SECONDS]' each, good for so many seconds from its \
                first use), 'jwt=FILE' (JSON Web Tokens by RS256, ES256, EdDSA or HS256: public keys in PEM, or a line with \
                a secret of at least 32 bytes), 'jwks=FILE' (the same, with a JWK set) or 'http=URL' (whom your own endpoint \
                knows: a POST of the token, as JSON); a file is read again on SIGHUP and when it has changed"
    )]
    pub auth: Option<String>,

    /// --auth jwt, jwks: an issuer (claim iss) whose tokens are good, repeatable [default: anybody who has a key]
    #[arg(long, value_name = "ISS", value_parser = NonEmptyStringValueParser::new())]
    pub jwt_issuer: Vec<String>,

    /// --auth jwt, jwks: an audience (claim aud) that a token has to name, repeatable; without this option a token that
    /// names any is refused
    #[arg(long, value_name = "AUD", value_parser = NonEmptyStringValueParser::new())]
    pub jwt_audience: Vec<String>,

    /// --auth jwt, jwks: how far the clock of whoever signs may be off, at most 10m [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_leeway)]
    pub jwt_leeway: Option<Duration>,

    /// --auth jwt, jwks: the claim that has the user [default: sub]
    #[arg(long, value_name = "CLAIM", value_parser = NonEmptyStringValueParser::new())]
    pub jwt_user_claim: Option<String>,

    /// An Origin that browser pages may come from, repeatable; '*' is any [default: pages of the same host]
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    pub allow_origin: Vec<String>,

    /// A name of this server, repeatable, beside IP addresses, localhost and those of --allow-origin; with a port, of that
    /// port only; a request with another Host is refused on the admin listener, and with --auth open everywhere; '*' is any
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse_host)]
    pub allow_host: Vec<String>,

    /// Time between pings, at most 30s to clients of the plain protocol; a peer silent from one to the next is cut
    /// [default: 25s, and 30s to clients of the plain protocol]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    pub heartbeat: Option<Duration>,

    /// Socket.IO: time between pings [default: 25s, or --heartbeat if that is shorter]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    pub ping_interval: Option<Duration>,

    /// Socket.IO: how long the answer to a ping may take [default: 20s, or --heartbeat if that is shorter]
    #[arg(long, value_name = "TIME", value_parser = parse_positive_duration)]
    pub ping_timeout: Option<Duration>,

    /// Socket.IO: a namespace beside '/', repeatable. '/chat' has rooms of its own: its room 'lobby' is the room
    /// '/chat,lobby' of everybody else. In '/notifications=personal' a client has the user's personal stream and nothing
    /// else, and while it is connected there it gets no 'notification' on '/'
    #[arg(long, value_name = "/NAME[=personal]")]
    pub namespace: Vec<Namespace>,

    /// Socket.IO: how long a session that was lost can be recovered, with its rooms and what it missed; each 'message' and
    /// 'notification' has its place as a last argument for that; 0 turns it off
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_kept)]
    pub recovery: Duration,

    /// Messages kept per room, for those who were away
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = parse_count)]
    pub history: usize,

    /// How long a room that nobody is in keeps them, and a personal stream; at least the 10 minutes in which repeated sends are
    /// told apart
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_kept)]
    pub retention: Duration,

    /// Sends per second and user, with a burst of twice as many; whatever else a client sends is limited in proportion;
    /// 'none' is no limit [default: none on loopback without --trusted-proxy, 100 elsewhere]
    #[arg(long, value_name = "N|none", value_parser = parse_rate)]
    pub rate: Option<Rate>,

    /// Longest time over which a drain closes the connections
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub drain: Duration,

    /// Most bytes of a message's content [default: 8192]
    #[arg(long, value_name = "BYTES", value_parser = parse_count)]
    pub max_content: Option<usize>,

    /// Most bytes of one inbound frame
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 10, value_parser = parse_count)]
    pub max_frame: usize,

    /// Most open connections, feeds of server-sent events included
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = parse_count)]
    pub max_connections: usize,

    /// Most connections of one user; with --redis, on all nodes together
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = parse_count)]
    pub max_user_connections: usize,

    /// Connections per second of one address (of IPv6: one /64), with a burst of ten times as many [default: none on
    /// loopback, 100 elsewhere]
    #[arg(long, value_name = "N|none", value_parser = parse_share)]
    pub address_rate: Option<AddressLimit>,

    /// Connections of one address that have not finished their handshake [default: none on loopback, 64 elsewhere]
    #[arg(long, value_name = "N|none", value_parser = parse_share)]
    pub address_handshakes: Option<AddressLimit>,

    /// Socket.IO sessions of one address that have not said who they are [default: none on loopback, 128 elsewhere]
    #[arg(long, value_name = "N|none", value_parser = parse_share)]
    pub address_sessions: Option<AddressLimit>,

    /// Wrong and missing tokens of one address that cost nothing; after each further one it waits for longer, up to a minute
    /// [default: none on loopback, 20 elsewhere]
    #[arg(long, value_name = "N|none", value_parser = parse_share)]
    pub address_tokens: Option<AddressLimit>,

    /// A proxy that says truly who is behind it by X-Forwarded-For (or else Forwarded), repeatable; limits by address
    /// count whom it names, as elsewhere than on loopback
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    pub trusted_proxy: Vec<IpNet>,

    /// Trusted proxies begin each connection with the PROXY protocol, version 1 or 2
    #[arg(long, requires = "trusted_proxy")]
    pub proxy_protocol: bool,

    /// Most rooms of one connection
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = parse_count)]
    pub max_rooms: usize,

    /// Most connections in one room
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = parse_count)]
    pub max_members: usize,

    /// Most rooms kept that one user has made
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = parse_count)]
    pub max_user_rooms: usize,

    /// Memory that the server is to use, like 512M or 2G: above four fifths newcomers get 503, above nine tenths the longest
    /// queues are dropped [default: no limit]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    pub memory_budget: Option<u64>,

    /// Listen here for operators: /healthz, /readyz, /metrics, /users, /rooms and /faults; GET / lists the routes
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub admin: Option<SocketAddr>,

    /// The admin listener asks for a token of this file ('Authorization: Bearer TOKEN', one of at least 16 characters a
    /// line) on every route but /healthz and /readyz; needed where others can reach it
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub admin_token_file: Option<PathBuf>,

    /// Be one of several servers with this Redis (7 or later) or Valkey between them. The scheme is redis, rediss for TLS,
    /// redis-sentinel with HOST,HOST#PRIMARY, or redis-cluster with HOST,HOST; USER:PASSWORD@ stands before the host where it asks for them; the variable
    /// keeps the password out of the list of processes
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "URL", env = "REJOIN_REDIS", hide_env_values = true)]
    pub redis: Option<RedisUrl>,

    /// What keys and channels in Redis begin with [default: rejoin]
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "PREFIX", requires = "redis")]
    pub redis_prefix: Option<String>,

    /// Trust a Redis with TLS (rediss://) whose certificate an authority of this PEM file has signed, and no other [default:
    /// the system's authorities]
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "FILE", requires = "redis")]
    pub redis_ca: Option<PathBuf>,

    /// Show this certificate to a Redis with TLS that asks for one (tls-auth-clients): PEM, with those that sign it
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "FILE", requires = "redis_key")]
    pub redis_cert: Option<PathBuf>,

    /// The key of --redis-cert: PEM, not encrypted
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "FILE", requires = "redis_cert")]
    pub redis_key: Option<PathBuf>,

    /// When a send is acknowledged: 'redis' (Redis has it; the default) or 'wait=N' (N replicas have it too)
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "redis|wait=N", requires = "redis")]
    pub durability: Option<Durability>,

    /// Speak the plain protocol only, whatever a client offers
    #[arg(long, hide = true)]
    pub plain: bool,

    /// Faults to begin with; [`crate::faults`] has the table.
    #[arg(
        long,
        value_name = "KIND:k=v,...",
        help = "Do something wrong on purpose, repeatable: refuse, delay, drop, freeze, half_open, close, garbage, \
                duplicate or drip, with user=, count=, ms=, code=, bytes=, way= as the kind has them"
    )]
    pub fault: Vec<Fault>,
}

/// `--redis`: not looked at before the configuration is made, and never shown, as a password may be in it.
#[cfg(feature = "redis")]
#[derive(Clone)]
pub struct RedisUrl(pub(super) String);

#[cfg(feature = "redis")]
impl From<String> for RedisUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

#[cfg(feature = "redis")]
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl")
    }
}
