//! The command line of `rejoin-server`, which is also `rejoin serve`: options in, a running server out.

mod reload;
mod signals;
mod systemd;
mod values;

use crate::admin::AdminToken;
use crate::auth::JwtRules;
use crate::file_limit;
use crate::memory;
#[cfg(feature = "redis")]
use crate::redis::{Durability, RedisConfig};
use crate::tls::Certificate;
use crate::{Auth, BindError, Config, Fault, IpNet, Namespace, PerAddress, Server};
use clap::builder::NonEmptyStringValueParser;
use reload::Reload;
use signals::Signals;
#[cfg(feature = "redis")]
use std::fmt::{self, Display};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::oneshot;
pub use values::parse_address;
use values::{
    parse_bytes, parse_count, parse_duration, parse_host, parse_leeway, parse_network, parse_origin,
    parse_positive_duration, parse_rate, parse_share,
};

/// Sends per second and user on an address that others can reach, unless `--rate` says otherwise.
const PUBLIC_RATE: f64 = 100.0;

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

    /// Who may connect; [`Auth`] has the forms.
    #[arg(
        long,
        value_name = "open|tokens=FILE|jwt=FILE|jwks=FILE",
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
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_duration)]
    pub recovery: Duration,

    /// Messages kept per room, for those who were away
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = parse_count)]
    pub history: usize,

    /// How long a room that nobody is in keeps them, and a personal stream; at least the 10 minutes in which repeated sends are
    /// told apart
    #[arg(long, value_name = "TIME", default_value = "1440m", value_parser = parse_duration)]
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

    /// Most connections of one user
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

    /// Wrong tokens of one address that cost nothing; after each further one it waits for longer, up to a minute
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

    /// Be one of several servers with this Redis (7 or later) or Valkey between them. The scheme is redis, rediss for TLS, or
    /// redis-sentinel with HOST,HOST#PRIMARY; USER:PASSWORD@ stands before the host where it asks for them; the variable
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
pub struct RedisUrl(String);

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

/// `--rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Rate {
    /// No limit.
    Unlimited,
    /// Sends per second and user.
    PerSecond(f64),
}

/// What one address may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressLimit {
    /// As much as there is for all.
    Unlimited,
    /// So many.
    Limited(u32),
}

impl AddressLimit {
    fn limit(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::Limited(count) => Some(count),
        }
    }
}

/// Why the server did not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The options do not go together, or one cannot be used. Exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The address is taken, for instance. Exit status 1.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The socket that a service manager has handed over is none to listen on. Exit status 1.
    #[error("cannot use the socket that was handed over: {0}")]
    Inherited(io::Error),
    /// SIGTERM and SIGINT cannot be waited for. Exit status 1.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The threads cannot be started. Exit status 1.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    /// Nobody can be told that the server listens. Exit status 1.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
}

impl ServeError {
    /// Whether it is the options that are wrong.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            #[cfg(feature = "redis")]
            Self::Bind(BindError::Store(_)) => false,
            Self::Bind(error) => !matches!(error, BindError::Listen { .. } | BindError::Admin { .. }),
            Self::Inherited(_) | Self::Signals(_) | Self::Runtime(_) | Self::Stdout(_) => false,
        }
    }

    /// 2 for wrong options, 1 otherwise.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_usage() { 2 } else { 1 })
    }
}

impl ServeArgs {
    /// The certificate that the options name, read from its files.
    pub fn certificate(&self) -> Result<Option<Certificate>, ServeError> {
        let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        Certificate::read(chain, key).map(Some).map_err(|error| ServeError::Usage(format!("{error}")))
    }

    /// The Redis that the options name.
    #[cfg(feature = "redis")]
    fn redis(&self) -> Result<Option<RedisConfig>, ServeError> {
        let usage = |option: &str, error: &dyn Display| ServeError::Usage(format!("{option}: {error}"));
        let Some(RedisUrl(url)) = &self.redis else { return Ok(None) };
        let mut redis = RedisConfig::new(url).map_err(|error| usage("--redis", &error))?;
        if let Some(prefix) = &self.redis_prefix {
            redis = redis.with_prefix(prefix).map_err(|error| usage("--redis-prefix", &error))?;
        }
        let (ca, own) = (self.redis_ca.as_deref(), self.redis_cert.as_deref().zip(self.redis_key.as_deref()));
        if ca.is_some() || own.is_some() {
            if !redis.address.is_tls() {
                let option = if ca.is_some() { "--redis-ca" } else { "--redis-cert" };
                return Err(usage(option, &"it is for TLS, which --redis has with rediss://"));
            }
            redis = redis.with_tls_files(ca, own).map_err(|error| {
                usage(if own.is_some() { "--redis-ca or --redis-cert" } else { "--redis-ca" }, &error)
            })?;
        }
        redis.durability = self.durability.unwrap_or(redis.durability);
        Ok(Some(redis))
    }

    /// What tokens have to say, if an option asks for something.
    fn jwt_rules(&self) -> Option<JwtRules> {
        let mut rules = JwtRules::default();
        (rules.issuers, rules.audiences) = (self.jwt_issuer.clone(), self.jwt_audience.clone());
        rules.leeway = self.jwt_leeway.unwrap_or(rules.leeway);
        if let Some(claim) = &self.jwt_user_claim {
            rules.user_claim.clone_from(claim);
        }
        (rules != JwtRules::default()).then_some(rules)
    }

    /// The configuration that the options describe, but for the certificate; reads the file of --auth.
    pub fn config(self) -> Result<Config, ServeError> {
        #[cfg(feature = "redis")]
        let redis = self.redis()?;
        let loopback = self.listen.ip().is_loopback();
        let rules = self.jwt_rules();
        let auth = match self.auth {
            Some(auth) => auth.parse().map_err(|error| ServeError::Usage(format!("{error}")))?,
            None if loopback => Auth::Open,
            None => {
                return Err(ServeError::Usage(format!(
                    "{} can be reached by others: say who may connect with --auth jwt=FILE or --auth tokens=FILE (or \
                     --auth open, if anyone may be anyone)",
                    self.listen
                )));
            }
        };
        let auth = match (auth, rules) {
            (Auth::Jwt(jwt), Some(rules)) => Auth::Jwt(jwt.with_rules(rules)),
            (_, Some(_)) => {
                return Err(ServeError::Usage(String::from(
                    "the options that begin with --jwt- go with --auth jwt=FILE or --auth jwks=FILE",
                )));
            }
            (auth, None) => auth,
        };
        if let Some(content) = self.max_content.filter(|content| *content > self.max_frame) {
            return Err(ServeError::Usage(format!(
                "--max-content {content} does not fit into --max-frame {}: raise --max-frame too",
                self.max_frame
            )));
        }
        if let Some(budget) = self.memory_budget {
            let least = memory::least_budget();
            if budget < least {
                return Err(ServeError::Usage(format!(
                    "--memory-budget of {budget} bytes can let nobody in: this server uses a part of it before anybody \
                     has come; give at least {}M",
                    least >> 20
                )));
            }
        }
        let admin_token = self.admin_token_file.as_deref().map(AdminToken::read).transpose();
        let admin_token = admin_token.map_err(|error| ServeError::Usage(format!("{error}")))?;
        let mut config = Config {
            listen: self.listen,
            path: self.path,
            auth,
            allow_origin: self.allow_origin,
            trusted_proxy: self.trusted_proxy,
            proxy_protocol: self.proxy_protocol,
            allow_host: self.allow_host,
            admin: self.admin,
            admin_token,
            drain: self.drain,
            faults: self.fault,
            namespaces: self.namespace,
            ..Config::default()
        };
        // Behind a proxy of this machine there are strangers too.
        let has_strangers = !loopback || !config.trusted_proxy.is_empty();
        let each = &mut config.limits.per_address;
        if has_strangers {
            *each = PerAddress::public();
        }
        let count = |share: AddressLimit| share.limit().and_then(|count| usize::try_from(count).ok());
        each.connects = self.address_rate.map_or(each.connects, AddressLimit::limit);
        each.handshakes = self.address_handshakes.map_or(each.handshakes, count);
        each.early_sessions = self.address_sessions.map_or(each.early_sessions, count);
        each.failed_tokens = self.address_tokens.map_or(each.failed_tokens, AddressLimit::limit);
        (config.limits.ping_interval, config.limits.ping_timeout) = (self.ping_interval, self.ping_timeout);
        config.limits.recovery = self.recovery;
        if let Some(heartbeat) = self.heartbeat {
            config.hub.heartbeat = heartbeat;
            config.hub.plain_heartbeat = config.hub.plain_heartbeat.min(heartbeat);
        }
        config.hub.rate = match self.rate {
            Some(Rate::Unlimited) => None,
            Some(Rate::PerSecond(rate)) => Some(rate),
            None => has_strangers.then_some(PUBLIC_RATE),
        };
        config.hub.extended = !self.plain;
        config.hub.history = self.history;
        config.hub.retention = self.retention.max(config.hub.dedupe_window);
        config.hub.content_bytes = self.max_content.unwrap_or(config.hub.content_bytes);
        config.hub.rooms_per_conn = self.max_rooms;
        config.hub.members_per_room = self.max_members;
        config.hub.rooms_per_user = self.max_user_rooms;
        config.hub.sockets_per_user = self.max_user_connections;
        config.limits.frame_bytes = self.max_frame;
        config.limits.memory_budget = self.memory_budget;
        config.limits.connections = self.max_connections;
        #[cfg(feature = "redis")]
        {
            config.redis = redis;
        }
        Ok(config)
    }
}

/// After so many turns of tasks a thread of the server looks which sockets have something. tokio's own 61 is for tasks that
/// are done in a microsecond: where a few connections send without a pause, each turn takes as long as a batch of their
/// frames, and everybody else would wait for 61 of these.
const TURNS: u32 = 4;

/// The runtime for [`serve`].
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().event_interval(TURNS).enable_all().build()
}

/// Runs a server until SIGTERM or SIGINT, then drains. A second signal stops at once.
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
        () = second_signal => tracing::warn!("stopped before the drain was over"),
    }
    Ok(())
}

/// Whether anybody may be anybody, where others than those of this machine can connect.
fn is_open_to_strangers(config: &Config) -> bool {
    let has_strangers = !config.listen.ip().is_loopback() || !config.trusted_proxy.is_empty();
    matches!(config.auth, Auth::Open) && has_strangers
}

fn announce(server: &Server) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {}", server.url())?;
    if let Some(url) = server.admin_url() {
        writeln!(stdout, "admin on {url}")?;
    }
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn config(line: &str) -> Result<Config, String> {
        let line = Line::try_parse_from(std::iter::once("x").chain(line.split_whitespace()));
        line.map_err(|error| error.to_string())?.serve.config().map_err(|error| error.to_string())
    }

    #[test]
    fn open_authentication_is_the_default_on_loopback_only() {
        assert!(matches!(config("").unwrap().auth, Auth::Open));
        assert!(matches!(config("--listen [::1]:0").unwrap().auth, Auth::Open));
        assert!(config("--listen 0.0.0.0:0").unwrap_err().contains("--auth"));
        assert!(matches!(config("--listen 0.0.0.0:0 --auth open").unwrap().auth, Auth::Open));
    }

    #[test]
    fn open_authentication_is_warned_of_wherever_strangers_can_come() {
        let warned = |line| is_open_to_strangers(&config(line).unwrap());
        assert!(!warned("") && !warned("--listen [::1]:0 --auth open"));
        assert!(warned("--trusted-proxy 127.0.0.1") && warned("--trusted-proxy 127.0.0.1 --auth open"));
        assert!(warned("--listen 0.0.0.0:0 --auth open"));
    }

    #[test]
    fn an_entry_of_a_list_that_can_never_match_is_refused_with_the_reason() {
        for (option, reason) in [
            ("--allow-host http://chat.example", "no scheme"),
            ("--allow-host *.chat.example", "no other pattern"),
            ("--allow-host chat.example:x", "no port"),
            ("--allow-origin https://*.chat.example", "no other pattern"),
            ("--allow-origin wss://chat.example", "write http://"),
            ("--allow-origin https://chat.example/path", "without a path"),
            ("--trusted-proxy ::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("--trusted-proxy proxy.example", "an address or a network"),
        ] {
            let error = config(option).unwrap_err();
            assert!(error.contains(reason), "{option}: {error}");
        }
        assert!(config("--allow-host chat.example:8443 --allow-host * --trusted-proxy 10.0.0.1/8").is_ok());
    }

    #[test]
    fn behind_a_proxy_of_this_machine_there_are_the_limits_of_a_public_address() {
        let alone = config("").unwrap();
        assert_eq!((alone.hub.rate, alone.limits.per_address.connects), (None, None));
        for proxy in ["127.0.0.1/8", "127.0.0.1/32", "::1/128"] {
            let behind = config(&format!("--trusted-proxy {proxy}")).unwrap();
            assert_eq!(behind.limits.per_address.connects, PerAddress::public().connects, "{proxy}");
            assert_eq!(behind.hub.rate, Some(PUBLIC_RATE), "{proxy}");
        }
        let asked = config("--trusted-proxy 127.0.0.1/8 --address-rate none --rate none").unwrap();
        assert_eq!((asked.hub.rate, asked.limits.per_address.connects), (None, None));
    }

    #[test]
    fn a_memory_budget_that_can_never_work_is_refused_with_one_that_can() {
        for budget in ["1", "1K", "20M"] {
            let error = config(&format!("--memory-budget {budget}")).unwrap_err();
            let least = error.rsplit(' ').next().unwrap();
            assert!(error.contains("can let nobody in") && error.contains("at least"), "{error}");
            assert!(config(&format!("--memory-budget {least}")).is_ok(), "{least}");
        }
        assert!(config("--memory-budget 1G").is_ok());
    }

    #[test]
    fn content_has_to_fit_into_a_frame_and_an_origin_has_a_scheme() {
        assert!(config("--max-content 70000").unwrap_err().contains("--max-frame"));
        assert!(config("--max-content 70000 --max-frame 200000").is_ok());
        assert!(config("--max-frame 2000").is_ok(), "what nobody has asked for refuses nothing");
        assert!(config("--allow-origin app.example").unwrap_err().contains("https://"));
        assert!(config("--allow-origin https://app.example").is_ok());
    }

    #[test]
    fn a_rate_holds_by_default_where_others_can_connect() {
        assert_eq!(config("").unwrap().hub.rate, None);
        assert_eq!(config("--rate 3").unwrap().hub.rate, Some(3.0));
        assert_eq!(config("--listen 0.0.0.0:0 --auth open").unwrap().hub.rate, Some(100.0));
        assert_eq!(config("--listen 0.0.0.0:0 --auth open --rate none").unwrap().hub.rate, None);
    }

    #[test]
    fn plain_clients_are_asked_as_often_as_their_protocol_says_or_more_often() {
        let times = |line| {
            let hub = config(line).unwrap().hub;
            (hub.heartbeat.as_secs(), hub.plain_heartbeat.as_secs())
        };
        assert_eq!(times(""), (25, 30));
        assert_eq!(times("--heartbeat 25s"), (25, 25));
        assert_eq!(times("--heartbeat 60s"), (60, 30));
    }

    #[test]
    fn every_option_reaches_the_configuration() {
        let config = config(
            "--path /chat --heartbeat 5s --drain 0 --max-content 1 --max-frame 2 --max-connections 3 \
             --max-user-connections 4 --max-rooms 5 --max-members 6 --max-user-rooms 8 --memory-budget 2G --admin 127.0.0.1:0 --fault drop:count=1 \
             --allow-origin https://a.example --allow-origin https://b.example --history 7 --plain \
             --ping-interval 25s --ping-timeout 60s --namespace /a --namespace /b=personal --recovery 3s",
        )
        .unwrap();
        assert_eq!((&*config.path, config.hub.heartbeat), ("/chat", Duration::from_secs(5)));
        assert_eq!(
            (config.drain, config.hub.content_bytes, config.limits.frame_bytes),
            (Duration::ZERO, 1, 2)
        );
        assert_eq!((config.limits.connections, config.hub.sockets_per_user), (3, 4));
        assert_eq!((config.hub.rooms_per_conn, config.hub.members_per_room), (5, 6));
        assert_eq!((config.hub.rooms_per_user, config.limits.memory_budget), (8, Some(2 << 30)));
        assert_eq!((config.hub.history, config.hub.extended), (7, false));
        assert!(config.admin.is_some());
        let pings = (config.limits.ping_interval, config.limits.ping_timeout);
        assert_eq!(pings, (Some(Duration::from_secs(25)), Some(Duration::from_secs(60))));
        assert_eq!(config.limits.recovery, Duration::from_secs(3));
        assert_eq!((config.faults.len(), config.allow_origin.len(), config.namespaces.len()), (1, 2, 2));
    }

    #[test]
    fn addresses_have_shares_where_strangers_can_connect() {
        let shares = |line: &str| config(line).unwrap().limits.per_address;
        assert_eq!(shares(""), PerAddress::default());
        assert_eq!(shares("--listen 0.0.0.0:0 --auth open"), PerAddress::public());
        assert_eq!(shares("--trusted-proxy 127.0.0.1"), PerAddress::public());
        let own = "--address-rate 1 --address-handshakes 2 --address-sessions 3 --address-tokens none";
        let each = shares(&format!("--listen 0.0.0.0:0 --auth open {own}"));
        assert_eq!((each.connects, each.handshakes), (Some(1), Some(2)));
        assert_eq!((each.early_sessions, each.failed_tokens), (Some(3), None));
        let proxies = config("--trusted-proxy 10.0.0.0/8 --trusted-proxy ::1 --proxy-protocol").unwrap();
        assert_eq!((proxies.trusted_proxy.len(), proxies.proxy_protocol), (2, true));
        assert!(config("--proxy-protocol").is_err());
        assert!(config("--trusted-proxy 10.0.0.0/33").is_err());
    }

    #[test]
    fn what_a_later_version_has_is_refused_now() {
        for line in ["--auth ldap=x", "--auth canary"] {
            let error = config(line).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_redis_is_taken_with_its_options_and_a_bad_address_is_not_repeated() {
        assert!(config("").unwrap().redis.is_none());
        let all = "--redis rediss://u:canary@h/2 --redis-prefix shop --durability wait=2 --retention 30m";
        let taken = config(all).unwrap();
        let redis = taken.redis.clone().unwrap();
        assert_eq!(
            (redis.address.to_string(), redis.durability),
            ("rediss://h:6379/2".into(), Durability::Wait(2))
        );
        assert_eq!(taken.hub.retention, Duration::from_secs(1_800));
        assert!(!format!("{taken:?}").contains("canary"));
        for line in [
            "--redis redis://:canary@",
            "--redis http://:canary@h",
            "--redis redis://:canary@h --redis-prefix a{b}",
            "--redis redis://:canary@h --durability disk",
            "--redis-prefix canar",
        ] {
            let error = config(line).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_bad_namespace_is_a_usage_error_with_its_reason() {
        for (name, reason) in [
            ("chat", "a namespace is written like /chat"),
            ("/", "the namespace / is there already"),
            ("/a=rooms", "there is no other kind"),
        ] {
            let error = config(&format!("--namespace {name}")).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_bad_fault_is_a_usage_error_with_its_reason() {
        assert!(config("--fault drop:ms=5").unwrap_err().contains("a drop fault has no ms"));
    }
}
