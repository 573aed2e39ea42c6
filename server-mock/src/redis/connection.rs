//! Opens a connection to Redis, or to each shard of a cluster, and checks the servers before they are used. Knows nothing of
//! rooms.

use super::config::{Host, HostKind, RedisAddress, RedisConfig};
use super::error::{StoreError, shown};
use super::shards::{Shards, ask};
use super::slots::Slots;
use super::tls;
use futures_util::future::{BoxFuture, try_join_all};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo, Value};
use std::future::{Future as _, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, unconstrained};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// For the TCP connection, and again for TLS and the first words.
const DIAL: Duration = Duration::from_secs(3);

/// How long an answer may take. Then it is not known what became of the request, and the connection is given up.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Requests between us and the task that writes them.
const BUFFER: usize = 256;

/// What is done with what Redis says without being asked.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// An open connection to all shards, of which there is one without a cluster. Dropping it closes it.
pub(super) struct Connection {
    pub(super) shards: Shards,
    sockets: Vec<Socket>,
    /// Where, for words.
    pub(super) at: String,
}

/// A connection to one server.
struct Socket {
    conn: MultiplexedConnection,
    /// Reads and writes; it ends with the connection.
    driver: JoinHandle<()>,
    at: String,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Completes when the connection to any shard is lost. Cancellation safe.
    pub(super) async fn lost(&mut self) {
        poll_fn(|cx| {
            let mut drivers = self.sockets.iter_mut().map(|socket| Pin::new(&mut socket.driver));
            if drivers.any(|driver| driver.poll(cx).is_ready()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl From<Socket> for Connection {
    fn from(socket: Socket) -> Self {
        let shards = Shards::single(socket.conn.clone());
        Self { shards, at: socket.at.clone(), sockets: vec![socket] }
    }
}

/// Begins a command at once: those begun one after the other are written in that order.
pub(super) async fn begun<T: Send + 'static>(mut command: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
    // Without tokio's budget: a command that had to wait for it would be overtaken by the next one.
    match unconstrained(poll_fn(|cx| Poll::Ready(command.as_mut().poll(cx)))).await {
        Poll::Ready(done) => Box::pin(ready(done)),
        Poll::Pending => command,
    }
}

/// Opens connections.
#[derive(Clone)]
pub(super) struct Dialer {
    address: RedisAddress,
    tls: Option<Arc<ClientConfig>>,
    /// The primaries of the cluster that were found last: they are asked when no node of the address answers.
    found: Arc<Mutex<Vec<Host>>>,
}

impl Dialer {
    /// Reads the system's certificates if TLS is wanted and nothing else was said.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let address = config.address.clone();
        let tls =
            match &config.tls {
                _ if !address.tls => None,
                Some(tls) => Some(Arc::clone(tls)),
                None => Some(tls::client_config(None, None).map_err(|error| StoreError::Tls {
                    at: address.to_string(),
                    problem: error.to_string(),
                })?),
            };
        Ok(Self { address, tls, found: Arc::default() })
    }

    /// Connects, and looks whether what is there can be used.
    pub(super) async fn dial(&self, on_push: Option<OnPush>) -> Result<Connection, StoreError> {
        match (&self.address.hosts_are, self.address.hosts.first()) {
            // Boxed: they are large, and rare.
            (HostKind::Sentinels(primary), _) => {
                Ok(Box::pin(self.dial_primary(primary, on_push)).await?.into())
            }
            (HostKind::ClusterNodes, _) => Box::pin(self.dial_cluster(on_push)).await,
            (HostKind::Primary, Some(host)) => Ok(self.dial_host(host, on_push).await?.into()),
            (HostKind::Primary, None) => Err(StoreError::NotRedis { at: self.address.to_string() }),
        }
    }

    async fn dial_host(&self, host: &Host, on_push: Option<OnPush>) -> Result<Socket, StoreError> {
        let info = self.introduction(true).set_db(self.address.db.into());
        let socket = self.open(host, &info, on_push).await?;
        check(&socket, self.address.is_cluster()).await?;
        Ok(socket)
    }

    /// All shards, as the first node knows them whose word is true: one that was cut off may know a primary of before.
    async fn dial_cluster(&self, on_push: Option<OnPush>) -> Result<Connection, StoreError> {
        let mut nodes = self.address.hosts.clone();
        nodes.extend(self.found.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        let mut failed = StoreError::NotRedis { at: self.address.to_string() };
        for node in nodes {
            match self.dial_shards(&node, on_push.as_ref()).await {
                Ok((connection, primaries)) => {
                    *self.found.lock().unwrap_or_else(PoisonError::into_inner) = primaries;
                    return Ok(connection);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn dial_shards(
        &self,
        node: &Host,
        on_push: Option<&OnPush>,
    ) -> Result<(Connection, Vec<Host>), StoreError> {
        let mut asked = self.open(node, &self.introduction(true), None).await?;
        let answer = ask(&mut asked.conn, redis::cmd("CLUSTER").arg("SLOTS")).await;
        let at = || asked.at.clone();
        let answer = answer.map_err(|error| match error.detail() {
            Some(detail) if detail.contains("cluster support disabled") => StoreError::NoCluster { at: at() },
            _ => StoreError::of(&asked.at, &error),
        })?;
        let (slots, primaries) =
            Slots::read(&answer, node).ok_or_else(|| StoreError::NotRedis { at: at() })?;
        if !slots.is_complete() {
            return Err(StoreError::Incomplete { at: at() });
        }
        let dials = primaries.iter().map(|primary| self.dial_host(primary, on_push.cloned()));
        let sockets = try_join_all(dials).await?;
        let conns = sockets.iter().map(|socket| socket.conn.clone()).collect();
        let shards = Shards::new(conns, slots).ok_or_else(|| StoreError::Incomplete { at: at() })?;
        Ok((Connection { shards, at: self.address.to_string(), sockets }, primaries))
    }

    /// The primary that the first sentinel names whose word is true: one that was cut off may still name the one before.
    async fn dial_primary(&self, name: &str, on_push: Option<OnPush>) -> Result<Socket, StoreError> {
        let mut tried: Vec<Host> = Vec::new();
        let (mut unusable, mut unasked) = (None, None);
        for sentinel in &self.address.hosts {
            match self.named_by(sentinel, name).await {
                Ok(Some(host)) if tried.contains(&host) => {}
                Ok(Some(host)) => match self.dial_host(&host, on_push.clone()).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => {
                        unusable = Some(error);
                        tried.push(host);
                    }
                },
                Ok(None) => {}
                Err(error) => unasked = Some(error),
            }
        }
        Err(unusable
            .or(unasked)
            .unwrap_or_else(|| StoreError::NoPrimary { at: self.address.to_string(), primary: shown(name) }))
    }

    /// The address of the primary as a sentinel knows it, if it does.
    async fn named_by(&self, sentinel: &Host, name: &str) -> Result<Option<Host>, StoreError> {
        let mut socket = match self.open(sentinel, &self.introduction(false), None).await {
            Err(StoreError::NoPassword { .. }) if self.address.password.is_some() => {
                self.open(sentinel, &self.introduction(true), None).await?
            }
            opened => opened?,
        };
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let named = ask.query_async::<Option<(String, u16)>>(&mut socket.conn).await;
        let named = named.map_err(|error| StoreError::of(&socket.at, &error))?;
        Ok(named.map(|(name, port)| Host { name, port }))
    }

    /// The first words; `known`: with user and password, as far as there are any.
    fn introduction(&self, known: bool) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
        if let Some(user) = self.address.user.as_ref().filter(|_| known) {
            info = info.set_username(user);
        }
        if let Some(password) = self.address.password.as_ref().filter(|_| known) {
            info = info.set_password(password);
        }
        info
    }

    async fn open(
        &self,
        host: &Host,
        info: &RedisConnectionInfo,
        on_push: Option<OnPush>,
    ) -> Result<Socket, StoreError> {
        let at = host.to_string();
        let unreachable = |source| StoreError::Unreachable { at: at.clone(), source };
        let silent = || StoreError::Silent { at: at.clone(), secs: DIAL.as_secs() };
        let stream = timeout(DIAL, TcpStream::connect((host.name.as_str(), host.port))).await;
        let stream = stream.map_err(|_| silent())?.map_err(unreachable)?;
        let _ = stream.set_nodelay(true);
        let mut config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(DEADLINE))
            .set_pipeline_buffer_size(BUFFER);
        if let Some(on_push) = on_push {
            config = config.set_push_sender(move |push| {
                on_push(push);
                Ok::<_, redis::aio::SendError>(())
            });
        }
        // Whether something but TLS can be spoken.
        let is_open = AtomicBool::new(self.tls.is_none());
        let talk = async {
            let Some(tls) = &self.tls else {
                let opened = MultiplexedConnection::new_with_config(info, stream, config).await;
                return opened
                    .map(|(conn, driver)| (conn, tokio::spawn(driver)))
                    .map_err(|error| StoreError::of_first_words(&at, &error, false));
            };
            let failed = |error: io::Error| StoreError::Tls {
                at: at.clone(),
                problem: tls::failure(&error, &host.name),
            };
            let name =
                ServerName::try_from(host.name.clone()).map_err(|error| failed(io::Error::other(error)))?;
            let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(failed)?;
            is_open.store(true, Ordering::Relaxed);
            let opened = MultiplexedConnection::new_with_config(info, stream, config).await;
            opened
                .map(|(conn, driver)| (conn, tokio::spawn(driver)))
                .map_err(|error| StoreError::of_first_words(&at, &error, true))
        };
        let talked = timeout(DIAL, talk).await;
        let (conn, driver) = talked.map_err(|_| {
            if is_open.load(Ordering::Relaxed) {
                silent()
            } else {
                StoreError::Tls { at: at.clone(), problem: String::from(tls::SILENT) }
            }
        })??;
        Ok(Socket { conn, driver, at })
    }
}

/// Whether a Redis is one that can be written to and that keeps what is written.
async fn check(socket: &Socket, is_shard: bool) -> Result<(), StoreError> {
    let info = match ask(&mut socket.conn.clone(), &redis::cmd("INFO")).await {
        Ok(Value::BulkString(text)) => String::from_utf8_lossy(&text).into_owned(),
        Ok(Value::VerbatimString { text, .. } | Value::SimpleString(text)) => text,
        Ok(_) => return Err(StoreError::NotRedis { at: socket.at.clone() }),
        Err(error) => return Err(StoreError::of(&socket.at, &error)),
    };
    check_info(&info, &socket.at, is_shard)
}

/// What INFO says about a Redis.
fn check_info(info: &str, at: &str, is_shard: bool) -> Result<(), StoreError> {
    let at = at.to_owned();
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_default()
    };
    let version = field("redis_version");
    let Some(major) = version.split('.').next().and_then(|major| major.parse::<u32>().ok()) else {
        return Err(StoreError::NotRedis { at });
    };
    if major < 7 {
        return Err(StoreError::Old { at, version: shown(version) });
    }
    if field("loading") == "1" {
        return Err(StoreError::Loading { at });
    }
    match (field("cluster_enabled") == "1", is_shard) {
        (true, false) => return Err(StoreError::Cluster { at }),
        (false, true) => return Err(StoreError::NoCluster { at }),
        _ => {}
    }
    if field("role") == "slave" {
        let primary = format!("{}:{}", field("master_host"), field("master_port"));
        return Err(StoreError::Replica { at, primary: shown(&primary) });
    }
    let policy = field("maxmemory_policy");
    if !matches!(policy, "noeviction" | "") {
        return Err(StoreError::Evicts { at, policy: shown(policy) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_of_itself_is_judged_in_words_that_say_what_to_do() {
        let good = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\nloading:0\r\nrole:master\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:0\r\n";
        assert!(check_info(good, "h:1", false).is_ok());
        let shard = good.replace("cluster_enabled:0", "cluster_enabled:1");
        assert!(check_info(&shard, "h:1", true).is_ok());
        assert!(check_info(good, "h:1", true).unwrap_err().to_string().contains("not a node of a cluster"));
        for (from, to, words) in [
            ("redis_version:7", "redis_version:6", "7.0 or later"),
            ("redis_version:7.2.4", "x:1", "does not speak as Redis"),
            ("loading:0", "loading:1", "is loading"),
            ("role:master", "role:slave\r\nmaster_host:p\r\nmaster_port:2", "its primary (p:2)"),
            ("noeviction", "allkeys-lru", "set maxmemory-policy noeviction"),
            ("noeviction", "volatile-ttl", "set maxmemory-policy noeviction"),
            ("cluster_enabled:0", "cluster_enabled:1", "node of a cluster"),
        ] {
            let error = check_info(&good.replace(from, to), "h:1", false).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("h:1"), "{error}");
        }
    }
}
