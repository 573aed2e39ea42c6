//! Shared by the task of a TCP connection and the handlers of its requests: facts about the connection, and the place where a
//! handler leaves the connection's next protocol. Knows no protocol, and answers no request.

use crate::admission::{Client, HandshakeRef, Network, Proxies};
use crate::faults::FaultState;
use crate::kept_connections::{Kept, KeptConnections};
use axum::http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A TCP connection over which HTTP comes, for its task and for the handlers of its requests.
#[derive(Clone, Default)]
pub(crate) struct HttpConnection(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// What the faults say about the connection.
    fault_state: Arc<FaultState>,
    /// Who is at its other end.
    peer: Option<IpAddr>,
    handshake: Option<HandshakeRef>,
    /// The connection stays after the next answer.
    keeps: AtomicBool,
    /// The session among whose connections it is.
    kept: Mutex<Option<Kept>>,
    /// That session is over.
    session_over: Arc<Notify>,
    /// Bytes of HTTP come: TLS is done, or there is none.
    secure: AtomicBool,
    /// Requests whose header has come.
    asked: AtomicU32,
    /// Those of them that have an answer.
    answered: AtomicU32,
    /// The answer is a feed, whose end is nobody's to wait for.
    feeds: Notify,
    /// The answer is to a poll, which waits for something else than its peer, but not for ever.
    polls: Notify,
}

impl HttpConnection {
    pub(crate) fn new(fault_state: Arc<FaultState>, peer: IpAddr) -> Self {
        Self(Arc::new(Shared { fault_state, peer: Some(peer), ..Shared::default() }))
    }

    /// One that has a place among the handshakes.
    pub(crate) fn in_handshake(fault_state: Arc<FaultState>, peer: IpAddr, handshake: HandshakeRef) -> Self {
        Self(Arc::new(Shared {
            fault_state,
            peer: Some(peer),
            handshake: Some(handshake),
            ..Shared::default()
        }))
    }

    /// A request's body has to come, or is here.
    pub(crate) fn reads_body(&self, reads: bool) {
        match &self.0.handshake {
            Some(handshake) if reads => handshake.is_partial(),
            Some(handshake) => handshake.is_complete(),
            None => {}
        }
    }

    /// A trusted proxy has said whose request it is. `false`: the share of that address among the handshakes is used up.
    pub(crate) fn belongs_to(&self, network: Network) -> bool {
        self.0.handshake.as_ref().is_none_or(|handshake| handshake.belongs_to(network))
    }

    /// Whom a request with these headers comes from.
    pub(crate) fn client(&self, proxies: &Proxies, headers: &HeaderMap) -> Client {
        proxies.client(self.peer(), headers)
    }

    /// The host that a trusted proxy says was asked for.
    pub(crate) fn forwarded_host<'a>(&self, proxies: &Proxies, headers: &'a HeaderMap) -> Option<&'a str> {
        proxies.host(self.0.peer?, headers)
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> IpAddr {
        self.0.peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// From now on HTTP is waited for.
    pub(crate) fn secured(&self) {
        self.0.secure.store(true, Ordering::Relaxed);
    }

    /// Whether HTTP is waited for, and not TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.secure.load(Ordering::Relaxed)
    }

    /// The header of a request has come. It has its answer when the guard is dropped.
    pub(crate) fn begin_request(&self) -> Answering {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        self.reads_body(false);
        Answering(self.clone())
    }

    /// Whether a request is being answered.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed) > self.0.answered.load(Ordering::Relaxed)
    }

    /// Whether every request has been answered, and there was one.
    pub(crate) fn is_idle(&self) -> bool {
        let asked = self.0.asked.load(Ordering::Relaxed);
        asked > 0 && asked == self.0.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn fault_state(&self) -> Arc<FaultState> {
        Arc::clone(&self.0.fault_state)
    }

    /// The connection stays after this answer.
    pub(crate) fn keep_alive(&self) {
        self.0.keeps.store(true, Ordering::Relaxed);
    }

    /// Whether it stays after the answer that is about to go.
    pub(crate) fn keeps(&self) -> bool {
        self.0.keeps.swap(false, Ordering::Relaxed)
    }

    /// The handler has begun a feed.
    pub(crate) fn feed(&self) {
        self.0.feeds.notify_one();
    }

    /// Until a handler begins a feed.
    pub(crate) async fn feeds(&self) {
        self.0.feeds.notified().await;
    }

    /// The handler has understood a poll, or a POST beside one, of this session. From now on the connection is one of the
    /// session's, unless that has as many as one may have: then it stays what it was, for each is counted somewhere.
    pub(crate) fn poll(&self, session: &KeptConnections) {
        if !self.is_one_of(session)
            && let Some(kept) = session.begin(&self.0.session_over)
        {
            let before = self.kept().replace(kept);
            drop(before);
        }
        self.0.polls.notify_one();
    }

    /// Whether it is among the connections of some session.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept().is_some()
    }

    /// Whether it is among those of this one.
    pub(crate) fn is_one_of(&self, session: &KeptConnections) -> bool {
        self.kept().as_ref().is_some_and(|kept| kept.is_of(session))
    }

    /// It is something else from now on, which is counted elsewhere.
    pub(crate) fn release(&self) {
        let kept = self.kept().take();
        drop(kept);
    }

    /// Until the session is over among whose connections it is.
    pub(crate) async fn session_over(&self) {
        self.0.session_over.notified().await;
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until a handler has understood one.
    pub(crate) async fn polls(&self) {
        self.0.polls.notified().await;
    }
}

/// A request that is being answered, until it is dropped.
pub(crate) struct Answering(HttpConnection);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request after which the connection's task goes on.
pub(crate) struct AcceptedUpgrade<T> {
    /// It was answered with 101.
    pub(crate) on_upgrade: Option<OnUpgrade>,
    /// What it goes on with.
    pub(crate) upgrade: T,
}

/// Where the handlers of one protocol leave it, so that a WebSocket needs no task of its own.
pub(crate) struct UpgradeSlot<T>(Arc<Mutex<Option<AcceptedUpgrade<T>>>>);

impl<T> UpgradeSlot<T> {
    pub(crate) fn take(&self) -> Option<AcceptedUpgrade<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put(&self, accepted: AcceptedUpgrade<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepted);
    }
}

impl<T> Clone for UpgradeSlot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for UpgradeSlot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
