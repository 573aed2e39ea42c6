//! What the connections of one server share.

use crate::auth::Auth;
use crate::config::Limits;
use crate::faults::Faults;
use crate::metrics::Metrics;
use crate::origin;
use crate::socketio::Sessions;
use crate::switchboard::Switchboard;
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Bytes gathered before they go to the socket without being flushed.
const WRITE_BUFFER: usize = 16 << 10;

/// Beside [`WRITE_BUFFER`], room for the largest frame that can be sent, twice: its content may have grown sixfold by
/// escaping, and a fault may send it again.
const ESCAPED: usize = 2 * 6;

pub(crate) struct App {
    pub(crate) auth: Arc<Auth>,
    pub(crate) allow_origin: Vec<String>,
    pub(crate) limits: Limits,
    /// Most bytes of a message's content and data.
    pub(crate) content_bytes: usize,
    /// How often the hub asks who is there.
    pub(crate) heartbeat: Duration,
    /// The hub speaks the extended protocol too.
    pub(crate) extended: bool,
    pub(crate) websocket: WebSocketConfig,
    pub(crate) faults: Faults,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) switchboard: Arc<Switchboard>,
    pub(crate) sessions: Sessions,
    places: Arc<Semaphore>,
    draining: AtomicBool,
}

/// The right to be one of the open connections; given back when dropped.
pub(crate) struct Place {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.sockets.one_less();
    }
}

impl App {
    pub(crate) fn new(
        auth: Auth,
        allow_origin: Vec<String>,
        limits: Limits,
        mut hub: crate::hub::HubConfig,
        faults: Faults,
    ) -> Self {
        let auth = Arc::new(auth);
        hub.frame_bytes = limits.frame_bytes;
        // A part of a replay leaves most of a queue to what is said meanwhile: it never makes a slow consumer.
        hub.replay_chunk = hub.replay_chunk.min(limits.queue_frames / 4);
        hub.replay_chunk_bytes = hub.replay_chunk_bytes.min(limits.queue_bytes / 4);
        let metrics = Arc::new(Metrics::default());
        let longest =
            hub.content_bytes.max(limits.frame_bytes).saturating_add(4 << 10).saturating_mul(ESCAPED);
        let websocket = WebSocketConfig::default()
            .read_buffer_size(limits.read_buffer.clamp(64, 1 << 20))
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(WRITE_BUFFER.saturating_add(longest))
            .max_message_size(Some(limits.frame_bytes.max(1)))
            .max_frame_size(Some(limits.frame_bytes.max(1)));
        let places = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        let (content_bytes, heartbeat, extended) = (hub.content_bytes, hub.heartbeat, hub.extended);
        let switchboard = Arc::new(Switchboard::new(hub, Arc::clone(&auth), Arc::clone(&metrics)));
        Self {
            auth,
            allow_origin,
            content_bytes,
            heartbeat,
            extended,
            websocket,
            faults,
            switchboard,
            sessions: Sessions::default(),
            metrics,
            places: Arc::new(Semaphore::new(places)),
            limits,
            draining: AtomicBool::new(false),
        }
    }

    /// A place for one more connection, unless there is none or the server is going away, which is counted.
    pub(crate) fn admit(&self) -> Option<Place> {
        let permit = if self.draining() { None } else { Arc::clone(&self.places).try_acquire_owned().ok() };
        if permit.is_some() {
            self.metrics.sockets.one_more();
        } else {
            self.metrics.refused_busy.one_more();
        }
        permit.map(|permit| Place { metrics: Arc::clone(&self.metrics), _permit: permit })
    }

    /// Whether the page that a request comes from may open a connection; counted if it may not.
    pub(crate) fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let allowed = origin::allowed(&self.allow_origin, headers.get(ORIGIN), headers.get(HOST));
        if !allowed {
            self.metrics.refused_origin.one_more();
        }
        allowed
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn stop_admitting(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
