//! Errors of Redis in words: what happened, where, and what to do.

use super::tls;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::io;

/// Why a Redis cannot be used. Has no part of a password or of a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nobody listens there, for instance.
    #[error("cannot reach Redis at {at}: {source}; look whether it runs there and can be reached from here")]
    Unreachable {
        /// Where.
        at: String,
        /// Why.
        source: io::Error,
    },
    /// It does not answer.
    #[error(
        "Redis at {at} does not answer within {secs} s; look whether it is busy or frozen, and whether the network lets it through"
    )]
    Silent {
        /// Where.
        at: String,
        /// For how long.
        secs: u64,
    },
    /// Something else listens there.
    #[error(
        "what listens at {at} does not speak as Redis does; look at the address, and use rediss:// for TLS"
    )]
    NotRedis {
        /// Where.
        at: String,
    },
    /// TLS could not be agreed on.
    #[error("no TLS with Redis at {at}: {problem}")]
    Tls {
        /// Where.
        at: String,
        /// Why, and what to do.
        problem: String,
    },
    /// It ends the connection instead of an answer.
    #[error("what listens at {at} ends the connection at the first words: {hint}")]
    HungUp {
        /// Where.
        at: String,
        /// What to look at.
        hint: &'static str,
    },
    /// It wants a password.
    #[error(
        "Redis at {at} wants a password: give one in the URL, redis://USER:PASSWORD@HOST or redis://:PASSWORD@HOST (NOAUTH)"
    )]
    NoPassword {
        /// Where.
        at: String,
    },
    /// It does not take this password.
    #[error(
        "Redis at {at} does not take this user and password (WRONGPASS): look at the URL, and at ACL LIST there"
    )]
    WrongPassword {
        /// Where.
        at: String,
    },
    /// The user may not do what is needed.
    #[error(
        "Redis at {at} does not let this user do what is needed: {detail} (NOPERM); allow the commands, the keys and the channels that begin with the prefix"
    )]
    NoPermission {
        /// Where.
        at: String,
        /// What Redis says.
        detail: String,
    },
    /// It is older than what is needed.
    #[error("Redis at {at} is version {version}: 7.0 or later is needed, or Valkey")]
    Old {
        /// Where.
        at: String,
        /// Which it has.
        version: String,
    },
    /// Nothing can be written there.
    #[error(
        "Redis at {at} is a read-only replica: give the address of its primary ({primary}), or those of the sentinels"
    )]
    Replica {
        /// Where.
        at: String,
        /// Its primary.
        primary: String,
    },
    /// It throws keys away when its memory is used up.
    #[error(
        "Redis at {at} has maxmemory-policy {policy}: it would throw rooms away when its memory is used up; set maxmemory-policy noeviction"
    )]
    Evicts {
        /// Where.
        at: String,
        /// Which it has.
        policy: String,
    },
    /// It is one shard of several.
    #[error(
        "Redis at {at} is a node of a cluster: give the addresses of some of its nodes as redis-cluster://HOST,HOST"
    )]
    Cluster {
        /// Where.
        at: String,
    },
    /// It is none.
    #[error("Redis at {at} is not a node of a cluster: give its address as redis://HOST")]
    NoCluster {
        /// Where.
        at: String,
    },
    /// Some keys can be nowhere.
    #[error("the cluster of Redis at {at} has slots that no node serves: look at CLUSTER INFO there")]
    Incomplete {
        /// Where.
        at: String,
    },
    /// It reads its data from the disk.
    #[error("Redis at {at} is loading its data: wait until it has")]
    Loading {
        /// Where.
        at: String,
    },
    /// No sentinel knows the primary.
    #[error(
        "no sentinel of {at} knows a primary named {primary}: look at the name behind '#' (SENTINEL MASTERS lists them)"
    )]
    NoPrimary {
        /// Which sentinels.
        at: String,
        /// The name.
        primary: String,
    },
    /// The database does not exist.
    #[error("Redis at {at} does not have this database: {detail}; look at the number behind the last '/'")]
    Database {
        /// Where.
        at: String,
        /// What Redis says.
        detail: String,
    },
    /// Something else.
    #[error("Redis at {at} refuses: {detail}")]
    Other {
        /// Where.
        at: String,
        /// What Redis says.
        detail: String,
    },
}

/// Most characters of what Redis says.
const LONGEST: usize = 200;

/// What a server says as far as it belongs in a log.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// What a connection that ends at the first words may want.
const WANTS_TLS: &str = "look whether it runs well, and use rediss:// if it has TLS on this port";
const WANTS_OTHER_TLS: &str =
    "look at its log; if it asks for a client certificate, give --redis-cert FILE and --redis-key FILE";

impl StoreError {
    /// Whether it may be over by itself: Redis is there, or was, and does not answer.
    pub(crate) fn is_passing(&self) -> bool {
        use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
        match self {
            Self::Silent { .. } | Self::Loading { .. } => true,
            Self::Unreachable { source, .. } => {
                matches!(source.kind(), TimedOut | HostUnreachable | NetworkUnreachable)
            }
            _ => false,
        }
    }

    /// What is behind an error of the very first words on a connection.
    pub(super) fn of_first_words(at: &str, error: &RedisError, over_tls: bool) -> Self {
        if let Some(problem) = tls::late_refusal(&error.to_string()).filter(|_| over_tls) {
            return Self::Tls { at: at.to_owned(), problem };
        }
        if error.is_connection_dropped() {
            let hint = if over_tls { WANTS_OTHER_TLS } else { WANTS_TLS };
            return Self::HungUp { at: at.to_owned(), hint };
        }
        Self::of(at, error)
    }

    /// What is behind an error of the first words with a Redis.
    pub(super) fn of(at: &str, error: &RedisError) -> Self {
        let at = at.to_owned();
        let detail = || shown(&error.detail().map_or_else(|| error.to_string(), str::to_owned));
        match (error.kind(), error.code()) {
            // HELLO without a password says it in its own words.
            (_, Some("NOAUTH")) => Self::NoPassword { at },
            (_, Some("WRONGPASS")) | (ErrorKind::AuthenticationFailed, _) => {
                if error.to_string().contains("NOAUTH") {
                    return Self::NoPassword { at };
                }
                Self::WrongPassword { at }
            }
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => Self::NoPermission { at, detail: detail() },
            (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => Self::Loading { at },
            (ErrorKind::RESP3NotSupported, _) => Self::Old { at, version: String::from("5 or earlier") },
            (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => Self::NotRedis { at },
            (ErrorKind::Server(ServerErrorKind::ResponseError), _) if detail().contains("DB index") => {
                Self::Database { at, detail: detail() }
            }
            (ErrorKind::Io, _) => {
                Self::Unreachable { at, source: io::Error::other(shown(&error.to_string())) }
            }
            (_, Some(code)) => Self::Other { at, detail: format!("{} {}", shown(code), detail()) },
            (kind, None) => Self::Other { at, detail: format!("{kind:?}") },
        }
    }
}
