//! One connection to Redis: found, opened, and looked at before it is used. Owns how a Redis is reached and what it has to be;
//! knows nothing of rooms.

use super::config::{Host, RedisAddress, RedisConfig};
use super::error::{StoreError, shown};
use crate::http_client::system_tls;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisResult, Value};
use std::future::{poll_fn, ready};
use std::io;
use std::sync::Arc;
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

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    pub(super) conn: MultiplexedConnection,
    /// Reads and writes; it ends with the connection.
    driver: JoinHandle<()>,
    /// Where, for words.
    pub(super) at: String,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Completes when the connection is lost. Cancellation safe.
    pub(super) async fn lost(&mut self) {
        let _ = (&mut self.driver).await;
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
}

impl Dialer {
    /// Reads the system's certificates if TLS is wanted and nothing else was said.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let address = config.address.clone();
        let tls = match &config.tls {
            _ if !address.tls => None,
            Some(tls) => Some(Arc::clone(tls)),
            None => Some(system_tls().map_err(|source| StoreError::Tls { at: address.to_string(), source })?),
        };
        Ok(Self { address, tls })
    }

    /// Connects, and looks whether what is there can be used.
    pub(super) async fn dial(&self, on_push: Option<OnPush>) -> Result<Connection, StoreError> {
        let host = match (&self.address.primary, self.address.hosts.first()) {
            (Some(primary), _) => self.primary(primary).await?,
            (None, Some(host)) => host.clone(),
            (None, None) => return Err(StoreError::NotRedis { at: self.address.to_string() }),
        };
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(self.address.db.into());
        if let Some(user) = &self.address.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.address.password {
            info = info.set_password(password);
        }
        let connection = self.open(&host, &info, on_push).await?;
        check(&connection).await?;
        Ok(connection)
    }

    /// The address of the primary, from the first sentinel that knows it.
    async fn primary(&self, name: &str) -> Result<Host, StoreError> {
        let mut last = None;
        for sentinel in &self.address.hosts {
            let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
            let mut connection = match self.open(sentinel, &info, None).await {
                Ok(connection) => connection,
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            };
            let mut ask = redis::cmd("SENTINEL");
            ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
            match ask.query_async::<Option<(String, u16)>>(&mut connection.conn).await {
                Ok(Some((name, port))) => return Ok(Host { name, port }),
                Ok(None) => last = None,
                Err(error) => last = Some(StoreError::of(&connection.at, &error)),
            }
        }
        Err(last
            .unwrap_or_else(|| StoreError::NoPrimary { at: self.address.to_string(), primary: shown(name) }))
    }

    async fn open(
        &self,
        host: &Host,
        info: &RedisConnectionInfo,
        on_push: Option<OnPush>,
    ) -> Result<Connection, StoreError> {
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
        let talk = async {
            let Some(tls) = &self.tls else {
                let opened = MultiplexedConnection::new_with_config(info, stream, config).await;
                return opened
                    .map(|(conn, driver)| (conn, tokio::spawn(driver)))
                    .map_err(|e| StoreError::of(&at, &e));
            };
            let failed = |source| StoreError::Tls { at: at.clone(), source };
            let name =
                ServerName::try_from(host.name.clone()).map_err(|error| failed(io::Error::other(error)))?;
            let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(failed)?;
            let opened = MultiplexedConnection::new_with_config(info, stream, config).await;
            opened.map(|(conn, driver)| (conn, tokio::spawn(driver))).map_err(|e| StoreError::of(&at, &e))
        };
        let (conn, driver) = timeout(DIAL, talk).await.map_err(|_| silent())??;
        Ok(Connection { conn, driver, at })
    }
}

/// Whether a Redis is one that can be written to and that keeps what is written.
async fn check(connection: &Connection) -> Result<(), StoreError> {
    let info = match ask(&mut connection.conn.clone(), &redis::cmd("INFO")).await {
        Ok(Value::BulkString(text)) => String::from_utf8_lossy(&text).into_owned(),
        Ok(Value::VerbatimString { text, .. } | Value::SimpleString(text)) => text,
        Ok(_) => return Err(StoreError::NotRedis { at: connection.at.clone() }),
        Err(error) => return Err(StoreError::of(&connection.at, &error)),
    };
    judge(&info, &connection.at)
}

/// What Redis answers to a command.
pub(super) async fn ask(conn: &mut MultiplexedConnection, cmd: &Cmd) -> RedisResult<Value> {
    conn.send_packed_command(cmd).await?.extract_error()
}

/// What INFO says about a Redis.
fn judge(info: &str, at: &str) -> Result<(), StoreError> {
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
    if field("cluster_enabled") == "1" {
        return Err(StoreError::Cluster { at });
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
        assert!(judge(good, "h:1").is_ok());
        for (from, to, words) in [
            ("redis_version:7", "redis_version:6", "7.0 or later"),
            ("redis_version:7.2.4", "x:1", "does not speak as Redis"),
            ("loading:0", "loading:1", "is loading"),
            ("role:master", "role:slave\r\nmaster_host:p\r\nmaster_port:2", "its primary (p:2)"),
            ("noeviction", "allkeys-lru", "set maxmemory-policy noeviction"),
            ("noeviction", "volatile-ttl", "set maxmemory-policy noeviction"),
            ("cluster_enabled:0", "cluster_enabled:1", "node of a cluster"),
        ] {
            let error = judge(&good.replace(from, to), "h:1").unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("h:1"), "{error}");
        }
    }
}
