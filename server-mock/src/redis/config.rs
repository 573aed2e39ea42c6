//! The configuration of Redis: address, prefix, durability, and their text forms. Connects to nothing.

use super::keys::is_prefix;
use super::tls;
use crate::hub::shared::PRESENCE_TTL;
use crate::tls::CertificateError;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ClientConfig;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Most addresses of sentinels, or of nodes of a cluster.
const MOST_ADDRESSES: usize = 16;

/// How a server uses Redis, with which several servers are one.
///
/// ```
/// use rejoin_server::redis::RedisConfig;
///
/// let config = RedisConfig::new("rediss://chat:secret@redis.example/2")?;
/// assert_eq!(config.address.to_string(), "rediss://redis.example:6379/2"); // without the password
/// # Ok::<(), rejoin_server::redis::AddressError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// Where it is.
    pub address: RedisAddress,
    pub(super) prefix: String,
    /// What an acknowledgement means. Default [`Durability::Redis`].
    pub durability: Durability,
    /// How long somebody counts as present whose node has said nothing of it. Default 60 s.
    pub presence_ttl: Duration,
    /// For `rediss://`: whom to trust. Default: the system's certificates.
    pub tls: Option<Arc<ClientConfig>>,
}

impl RedisConfig {
    /// Of the Redis at a URL; [`RedisAddress`] has the forms.
    pub fn new(url: &str) -> Result<Self, AddressError> {
        Ok(Self {
            address: url.parse()?,
            prefix: String::from("rejoin"),
            durability: Durability::Redis,
            presence_ttl: PRESENCE_TTL,
            tls: None,
        })
    }

    /// For `rediss://`: trusts the authorities of the PEM file `ca` and no other (`None`: the system's), and shows the
    /// certificate and the key of the PEM files `own` to a Redis that asks for one. The files are read now.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn with_tls_files(
        mut self,
        ca: Option<&Path>,
        own: Option<(&Path, &Path)>,
    ) -> Result<Self, CertificateError> {
        self.tls = Some(tls::client_config(ca, own)?);
        Ok(self)
    }

    /// With something else than `rejoin` before all keys and channels: applications with one Redis need one each. 1 to 64
    /// letters, digits, `-`, `_`, `.`, `:` or `/`.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, PrefixError> {
        if !is_prefix(prefix) {
            return Err(PrefixError);
        }
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .field("durability", &self.durability)
            .field("presence_ttl", &self.presence_ttl)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

/// What has happened to a message when its sender gets the acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Redis has carried it out. Whether it is on a disk is for `appendonly` and `appendfsync`.
    Redis,
    /// So many replicas have it too.
    Wait(u8),
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "redis" {
            return Ok(Self::Redis);
        }
        let replicas =
            text.strip_prefix("wait=").and_then(|count| count.parse().ok()).filter(|count| *count > 0);
        replicas.map(Self::Wait).ok_or_else(|| {
            String::from("it is 'redis' (Redis has it) or 'wait=N' (N replicas have it too, N from 1)")
        })
    }
}

/// `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, `rediss://…` for TLS;
/// `redis-sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…[/DB]#PRIMARY` (`rediss-sentinel://…`), where user and password
/// are those of the primary, and of sentinels that ask for one; or `redis-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…`
/// (`rediss-cluster://…`) with some nodes of a cluster. `valkey` may stand for `redis`. Display and Debug leave user and
/// password out.
#[derive(Clone)]
pub struct RedisAddress {
    pub(super) tls: bool,
    pub(super) hosts: Vec<Host>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) db: u16,
    pub(super) hosts_are: HostKind,
}

/// What the hosts of an address are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostKind {
    /// The one Redis.
    Primary,
    /// They know the primary of this name.
    Sentinels(String),
    /// Some nodes of a cluster, which know all of them.
    ClusterNodes,
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// Why a text is no address of a Redis. Never holds a part of the text: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; it is written like redis://USER:PASSWORD@HOST:PORT/DB, rediss:// for TLS, redis-sentinel://HOST,HOST#PRIMARY or redis-cluster://HOST,HOST"
)]
pub struct AddressError(&'static str);

/// A text that cannot stand before keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a prefix is 1 to 64 letters, digits, '-', '_', '.', ':' or '/'")]
pub struct PrefixError;

impl FromStr for RedisAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError("it has no scheme"))?;
        let (scheme, kind) = scheme.split_once('-').unwrap_or((scheme, ""));
        let tls = match scheme {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(AddressError("this scheme is none of Redis")),
        };
        let (rest, primary) = rest.split_once('#').map_or((rest, None), |(rest, name)| (rest, Some(name)));
        if rest.contains('?') {
            return Err(AddressError("it takes no parameters"));
        }
        let (rest, db) = rest.rsplit_once('/').filter(|(_, db)| !db.contains('@')).unwrap_or((rest, ""));
        let db = if db.is_empty() { Ok(0) } else { db.parse() };
        let db = db.map_err(|_| AddressError("the database is no number"))?;
        let (access, hosts) =
            rest.rsplit_once('@').map_or((None, rest), |(access, hosts)| (Some(access), hosts));
        let (user, password) = match access.map(|access| access.split_once(':').unwrap_or((access, ""))) {
            None => (None, None),
            Some((user, password)) => (decode(user)?, decode(password)?),
        };
        if user.is_some() && password.is_none() {
            return Err(AddressError("it has a user without a password (USER:PASSWORD@, or :PASSWORD@)"));
        }
        let port = if kind == "sentinel" { SENTINEL_PORT } else { PORT };
        let hosts: Vec<_> = hosts.split(',').map(|host| read_host(host, port)).collect::<Result<_, _>>()?;
        let hosts_are = match (kind, primary.filter(|name| !name.is_empty())) {
            ("sentinel", Some(name)) => HostKind::Sentinels(name.to_owned()),
            ("sentinel", None) => return Err(AddressError("sentinels need the primary's name behind '#'")),
            (_, Some(_)) => return Err(AddressError("'#' names the primary of sentinels")),
            ("cluster", None) if db > 0 => return Err(AddressError("a cluster has database 0 only")),
            ("cluster", None) => HostKind::ClusterNodes,
            ("", None) if hosts.len() > 1 => return Err(AddressError("it has more than one host")),
            ("", None) => HostKind::Primary,
            _ => return Err(AddressError("this scheme is none of Redis")),
        };
        if hosts.len() > MOST_ADDRESSES {
            return Err(AddressError("it has too many hosts"));
        }
        Ok(Self { tls, hosts, user, password, db, hosts_are })
    }
}

fn decode(text: &str) -> Result<Option<String>, AddressError> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| AddressError("user or password is not UTF-8"))?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

fn read_host(text: &str, port: u16) -> Result<Host, AddressError> {
    let (name, given) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, rest)) => (name, Some(rest.strip_prefix(':').ok_or(AddressError("a port is missing"))?)),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let port =
        given.map_or(Ok(port), |given| given.parse().map_err(|_| AddressError("the port is no number")));
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(AddressError("it has no host"));
    }
    Ok(Host { name: name.to_owned(), port: port? })
}

impl RedisAddress {
    /// Whether it is spoken to over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether it is a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.hosts_are == HostKind::ClusterNodes
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis{}", if self.tls { "s" } else { "" })?;
        let kind = match &self.hosts_are {
            HostKind::Primary => "",
            HostKind::Sentinels(_) => "-sentinel",
            HostKind::ClusterNodes => "-cluster",
        };
        write!(f, "{kind}://")?;
        for (number, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if number > 0 { "," } else { "" })?;
        }
        if self.db > 0 {
            write!(f, "/{}", self.db)?;
        }
        match &self.hosts_are {
            HostKind::Sentinels(name) => write!(f, "#{name}"),
            HostKind::Primary | HostKind::ClusterNodes => Ok(()),
        }
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RedisAddress, AddressError> {
        text.parse()
    }

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("valkey://h:1/0", "redis://h:1"),
            ("rediss://ada:p%40ss%2F@h:1/3", "rediss://h:1/3"),
            ("redis://:pw@[::1]:7", "redis://[::1]:7"),
            ("redis-sentinel://:pw@a,b:2/1#main", "redis-sentinel://a:26379,b:2/1#main"),
            ("valkeys-cluster://ada:pw@a,b:2", "rediss-cluster://a:6379,b:2"),
        ] {
            let address = read(text).unwrap();
            assert_eq!((address.to_string(), format!("{address:?}")), (shown.into(), shown.into()));
        }
        let address = read("rediss://ada:p%40ss%2F@h:1/3").unwrap();
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("ada"), Some("p@ss/")));
        assert_eq!(read("redis://:pw@h").unwrap().password.as_deref(), Some("pw"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "",
            "h:6379",
            "http://canary@h",
            "redis://",
            "redis://canary@h",
            "redis://:canary@h:x",
            "redis://:canary@h/x",
            "redis://:canary@a,b",
            "redis://:canary@h#main",
            "redis-sentinel://:canary@h",
            "redis-cluster://:canary@h/1",
            "redis-cluster://:canary@h#main",
            "redis-canary://h",
            "redis://:canary@h?x=1",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("canary") && error.contains("redis://USER"), "{text}: {error}");
        }
    }

    #[test]
    fn a_durability_is_redis_or_a_number_of_replicas() {
        assert_eq!("redis".parse(), Ok(Durability::Redis));
        assert_eq!("wait=2".parse(), Ok(Durability::Wait(2)));
        for bad in ["", "wait", "wait=0", "wait=x", "disk"] {
            assert!(bad.parse::<Durability>().is_err(), "{bad}");
        }
    }
}
