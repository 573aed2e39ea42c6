//! The state that all connections of one server share.

use crate::admission::{About, AdmissionControl, Cause, Client, Early, Full, Wait};
use crate::auth::{AuthRequest, Authority, Identity, Unavailable};
use crate::authorize::Authorizer;
use crate::connection_limits::Limits;
use crate::faults::Faults;
use crate::file_limit::{self, Shares};
use crate::host::Hosts;
use crate::http_connection::HttpConnection;
use crate::hub::DrainReason;
use crate::hub::shared::StoreRequest;
use crate::memory::{self, Memory};
use crate::metrics::Metrics;
use crate::origin;
use crate::other_nodes::OtherNodes;
#[cfg(feature = "redis")]
use crate::redis::{Health, Redis};
use crate::send_queue::Shutdown;
use crate::shared_hub::SharedHub;
use crate::write_timeout::WriteTimeout;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderValue, Request};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Bytes gathered before they go to the socket without being flushed.
const WRITE_BUFFER: usize = 16 << 10;

/// Beside [`WRITE_BUFFER`], room for the largest frame that can be sent, twice: its content may have grown sixfold by
/// escaping, and a fault may send it again.
const MAX_ESCAPE_FACTOR: usize = 2 * 6;

/// As Socket.IO's own server has them.
const PING_INTERVAL: Duration = Duration::from_secs(25);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Of both; anything less only burns time.
const MIN_PING_TIME: Duration = Duration::from_millis(1);

/// How long the last answer to a request may take to be written when a drain is over.
const RESPONSE_GRACE: Duration = Duration::from_secs(1);

/// Most characters of a header in the log.
const LOGGED: usize = 200;

pub(crate) struct AppState {
    pub(crate) authority: Arc<Authority>,
    pub(crate) allow_origin: Vec<String>,
    pub(crate) hosts: Hosts,
    pub(crate) limits: Limits,
    /// Most TCP connections of each kind at a time, so that there are files left to open.
    pub(crate) files: Shares,
    /// Most bytes of a message's content and data.
    pub(crate) content_bytes: usize,
    /// How often the hub asks a connection of the extended protocol whether it is there.
    pub(crate) heartbeat: Duration,
    /// The hub speaks the extended protocol too.
    pub(crate) extended: bool,
    pub(crate) websocket: WebSocketConfig,
    pub(crate) faults: Faults,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hub: Arc<SharedHub>,
    pub(crate) gate: Arc<AdmissionControl>,
    pub(crate) memory: Memory,
    #[cfg(feature = "redis")]
    redis: Option<Arc<Health>>,
    /// The other servers of the same store, if there is one.
    pub(crate) others: Option<Arc<dyn OtherNodes>>,
    places: Arc<Semaphore>,
    draining: OnceLock<DrainReason>,
    /// Nobody who has said who they are is left, after a drain.
    over: watch::Sender<bool>,
}

/// The right to be one of the open connections; given back when dropped.
pub(crate) struct ConnectionPermit {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

/// Why it is not known whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthUnavailable {
    /// Its address has shown too many wrong ones: none is looked at.
    RateLimited(Wait),
    /// Whoever has to be asked does not answer.
    NoAnswer,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdmissionError {
    /// All are taken, or the server is going away.
    Busy,
    /// The address comes too often.
    RateLimited(Wait),
}

#[cfg(test)]
impl ConnectionPermit {
    /// One that is nobody else's.
    pub(crate) fn for_a_test() -> Self {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a new semaphore has one");
        Self { metrics: Arc::default(), _permit: permit }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.metrics.sockets.one_less();
    }
}

impl AppState {
    #[expect(clippy::too_many_arguments, reason = "one caller, which makes each part from the configuration")]
    pub(crate) fn new(
        authority: Authority,
        allow_origin: Vec<String>,
        hosts: Hosts,
        limits: Limits,
        mut hub: crate::hub::HubConfig,
        faults: Faults,
        gate: AdmissionControl,
        store: Option<mpsc::Sender<StoreRequest>>,
        authorizer: Option<Authorizer>,
    ) -> Self {
        let (authority, gate) = (Arc::new(authority), Arc::new(gate));
        hub.frame_bytes = limits.frame_bytes;
        // A part of a replay leaves most of a queue to what is said meanwhile: it never makes a slow consumer.
        hub.replay_chunk = hub.replay_chunk.min(limits.queue_frames / 4);
        hub.replay_chunk_bytes = hub.replay_chunk_bytes.min(limits.queue_bytes / 4);
        if let Some(budget) = limits.memory_budget {
            hub.store_bytes = hub.store_bytes.min(memory::log_bytes(budget));
        }
        let metrics = Arc::new(Metrics::default());
        let longest = hub
            .content_bytes
            .max(limits.frame_bytes)
            .saturating_add(4 << 10)
            .saturating_mul(MAX_ESCAPE_FACTOR);
        let websocket = WebSocketConfig::default()
            .read_buffer_size(limits.read_buffer.clamp(64, 1 << 20))
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(WRITE_BUFFER.saturating_add(longest))
            .max_message_size(Some(limits.frame_bytes.max(1)))
            .max_frame_size(Some(limits.frame_bytes.max(1)));
        let places = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        let (content_bytes, heartbeat, extended) = (hub.content_bytes, hub.heartbeat, hub.extended);
        let hub = Arc::new(SharedHub::new(
            hub,
            Arc::clone(&authority),
            Arc::clone(&metrics),
            Arc::clone(&gate),
            store,
            authorizer,
        ));
        Self {
            authority,
            allow_origin,
            hosts,
            content_bytes,
            heartbeat,
            extended,
            websocket,
            faults,
            hub,
            gate,
            memory: Memory::new(limits.memory_budget),
            #[cfg(feature = "redis")]
            redis: None,
            others: None,
            metrics,
            places: Arc::new(Semaphore::new(places)),
            limits,
            files: file_limit::shares(),
            draining: OnceLock::new(),
            over: watch::Sender::new(false),
        }
    }

    /// Is one of several servers with this Redis.
    #[cfg(feature = "redis")]
    pub(crate) fn with_redis(self, redis: Option<&Redis>) -> Self {
        let health = redis.map(Redis::health);
        if let Some(health) = &health {
            self.metrics.watch_store(|registry| health.register(registry));
        }
        Self { redis: health, others: redis.map(Redis::other_nodes), ..self }
    }

    /// Why nobody new can be served well, if a shared store is away.
    pub(crate) fn store_away(&self) -> Option<String> {
        #[cfg(feature = "redis")]
        return self.redis.as_ref().and_then(|health| health.unready_reason());
        #[cfg(not(feature = "redis"))]
        None
    }

    /// A place for one more connection of a client who is known, unless there is none, which is counted.
    pub(crate) fn admit(&self, client: &Client) -> Result<ConnectionPermit, AdmissionError> {
        self.check_admission(client)?;
        self.try_permit().ok_or_else(|| self.busy(client))
    }

    /// Whether there is a place for a client still. Whether it comes too often was looked at before.
    pub(crate) fn check_admission(&self, client: &Client) -> Result<(), AdmissionError> {
        if self.has_capacity() { Ok(()) } else { Err(self.busy(client)) }
    }

    /// Whether there is a place for one more connection.
    pub(crate) fn has_capacity(&self) -> bool {
        self.is_ready() && self.places.available_permits() > 0
    }

    /// A place, if there is one.
    pub(crate) fn try_permit(&self) -> Option<ConnectionPermit> {
        let permit = if self.is_ready() { Arc::clone(&self.places).try_acquire_owned().ok() } else { None };
        permit.map(|permit| {
            self.metrics.sockets.one_more();
            ConnectionPermit { metrics: Arc::clone(&self.metrics), _permit: permit }
        })
    }

    fn busy(&self, client: &Client) -> AdmissionError {
        self.metrics.refused_busy.one_more();
        self.gate.refusals.note(self.why_full(), client.address);
        AdmissionError::Busy
    }

    /// The right to begin a Socket.IO session without a name, unless there are too many of them.
    pub(crate) fn begin_early_session(&self, client: &Client) -> Result<Early, AdmissionError> {
        self.gate.sessions.begin(client.network()).map_err(|full| {
            let (cause, denied) = match full {
                Full::All => (Cause::EarlySessions, AdmissionError::Busy),
                Full::Share => (Cause::AddressSessions, AdmissionError::RateLimited(Wait::SHORT)),
            };
            self.gate.refusals.note(cause, client.address);
            denied
        })
    }

    /// The hub has not let in a user whose token is good. A limit has told that itself.
    pub(crate) fn record_hub_refusal(&self, client: IpAddr, user: &str, end: Shutdown) {
        if let Shutdown::Close { code, reason } | Shutdown::HangUp { code, reason } = end
            && let Some(cause) = Cause::of_close(code)
        {
            self.gate.refusals.note_about(cause, client, &About::user(user, reason));
        }
    }

    /// Whether a token of this client may be looked at, which is noted if not.
    pub(crate) fn may_show_token(&self, client: &Client) -> Result<(), Wait> {
        let may = self.gate.rates.may_show_token(client.network(), Instant::now());
        may.inspect_err(|_| {
            self.gate.refusals.note(Cause::Tokens, client.address);
        })
    }

    /// Whose token a client shows, unless its address has shown too many wrong ones: then no token is looked at.
    pub(crate) async fn identify(
        &self,
        client: Client,
        token: Option<&str>,
        origin: Option<&HeaderValue>,
    ) -> Result<Option<Identity>, AuthUnavailable> {
        self.may_show_token(&client).map_err(AuthUnavailable::RateLimited)?;
        let Some(token) = token else {
            // As cheap to try as a wrong one, and as dear to answer.
            self.gate.rates.failed_token(client.network(), Instant::now());
            self.gate.refusals.note(Cause::NoToken, client.address);
            return Ok(None);
        };
        let identity = if let Ok(identity) = self.authority.identify_at_once(token, Instant::now()) {
            identity
        } else {
            let request = AuthRequest::new(client.address, origin);
            // Boxed: few have to ask somebody else, and each connection would have the room for it.
            Box::pin(self.authority.identify(token, &request)).await.map_err(|Unavailable| {
                self.gate.refusals.note(Cause::Unidentified, client.address);
                AuthUnavailable::NoAnswer
            })?
        };
        if let Err(rejection) = &identity {
            self.gate.rates.failed_token(client.network(), Instant::now());
            self.gate.refusals.note_token(*rejection, client.address);
        }
        Ok(identity.ok())
    }

    /// Whether the page that a request comes from may open a connection; counted if it may not.
    pub(crate) fn allows_origin<B>(&self, request: &Request<B>) -> bool {
        let (headers, proxies) = (request.headers(), &self.gate.proxies);
        let http = request.extensions().get::<HttpConnection>();
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let forwarded_host = http.and_then(|http| http.forwarded_host(proxies, headers));
        let hosts = [host, forwarded_host].into_iter().flatten();
        let allowed = origin::allowed(&self.allow_origin, headers.get(ORIGIN), hosts);
        if !allowed {
            self.metrics.refused_origin.one_more();
            if let Some(http) = http
                && self.gate.refusals.note(Cause::Origin, http.client(proxies, headers).address)
            {
                let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
                let (origin, host) = (origin.map(logged), host.map(logged));
                let forwarded_host = forwarded_host.map(logged);
                tracing::info!(origin, host, forwarded_host, "refused because the Origin is not allowed");
            }
        }
        allowed
    }

    /// A connection that is cut when its peer takes nothing for two heartbeats.
    pub(crate) fn with_write_timeout(&self, stream: TcpStream) -> WriteTimeout {
        WriteTimeout::new(stream, self.heartbeat.saturating_mul(2), Arc::clone(&self.metrics))
    }

    /// Whether anybody new is let in, if there is a place.
    pub(crate) fn is_ready(&self) -> bool {
        !self.draining() && !self.memory.is_short()
    }

    /// What newcomers lack.
    pub(crate) fn why_full(&self) -> Cause {
        match (self.draining(), self.memory.is_short()) {
            (true, _) => Cause::Draining,
            (false, true) => Cause::Memory,
            (false, false) => Cause::Places,
        }
    }

    /// Whether the list of origins has this one by name.
    pub(crate) fn lists_origin(&self, origin: Option<&HeaderValue>) -> bool {
        origin::named(&self.allow_origin, origin)
    }

    /// The time between two pings of a Socket.IO session, and that for an answer. Where the heartbeat is shorter than
    /// usual, they are too.
    pub(crate) fn engine_pings(&self) -> (Duration, Duration) {
        let Limits { ping_interval, ping_timeout, .. } = self.limits;
        let usual = |usual: Duration| usual.min(self.heartbeat);
        (
            ping_interval.unwrap_or_else(|| usual(PING_INTERVAL)).max(MIN_PING_TIME),
            ping_timeout.unwrap_or_else(|| usual(PING_TIMEOUT)).max(MIN_PING_TIME),
        )
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.get().is_some()
    }

    pub(crate) fn stop_admitting(&self, reason: DrainReason) {
        // Draining once is all there is.
        let _ = self.draining.set(reason);
    }

    /// Why it drains, or would.
    pub(crate) fn drain_reason(&self) -> DrainReason {
        self.draining.get().copied().unwrap_or_default()
    }

    /// The drain is over, whoever is still connected.
    pub(crate) fn finish(&self) {
        self.over.send_replace(true);
    }

    /// Until the drain is over: who has nothing to lose is not waited for.
    pub(crate) async fn drain_ended(&self) {
        // The sender is here: it cannot be gone.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Until so much time has passed behind that: for whom an answer is on its way.
    pub(crate) async fn drain_ended_with_grace(&self) {
        self.drain_ended().await;
        sleep(RESPONSE_GRACE).await;
    }
}

/// A header of a stranger's as far as it belongs in a log. It has visible ASCII only.
fn logged(value: &str) -> &str {
    value.get(..LOGGED).unwrap_or(value)
}
