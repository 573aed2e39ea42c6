//! The task of one TCP connection, from `accept` to its end: deadlines, TLS, HTTP. Routes requests; answers none itself.

use crate::accept_policy::{self, Refusal};
use crate::admission::{Cause, Handshake, Wait, proxy_header, until_evicted};
use crate::faults::{FaultState, FaultyStream};
use crate::host;
use crate::http_connection::{AcceptedUpgrade, HttpConnection, UpgradeSlot};
use crate::lingering;
use crate::send_queue::SendQueue;
use crate::session_log::{Origin, TransportKind};
use crate::socket::{Socket, close};
use crate::socketio::Opening;
use crate::state::AppState;
use crate::transport::Transport;
use crate::upgrade::RoomsUpgrade;
use axum::Router;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tower_service::Service as _;

/// Most header fields of a request, and most bytes of them all.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 << 10;

/// How long a connection of a session that is over may take for its last answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// What a connection goes on with after a request.
enum Upgrade {
    Rooms(RoomsUpgrade),
    SocketIo(Opening),
}

/// Where the handlers leave it.
#[derive(Clone, Default)]
pub(crate) struct UpgradeSlots {
    rooms: UpgradeSlot<RoomsUpgrade>,
    socket_io: UpgradeSlot<Opening>,
}

impl UpgradeSlots {
    fn take(&self) -> Option<(Option<OnUpgrade>, Upgrade)> {
        if let Some(AcceptedUpgrade { on_upgrade, upgrade }) = self.rooms.take() {
            return Some((on_upgrade, Upgrade::Rooms(upgrade)));
        }
        let AcceptedUpgrade { on_upgrade, upgrade } = self.socket_io.take()?;
        Some((on_upgrade, Upgrade::SocketIo(upgrade)))
    }
}

/// Serves one connection. `place` counts it among the handshakes until it is a WebSocket, a feed or a poll that waits.
pub(crate) async fn serve(
    app: Arc<AppState>,
    router: Router,
    tls: Option<TlsAcceptor>,
    mut stream: TcpStream,
    peer: IpAddr,
    permit: Handshake,
) {
    let client = match first_words(&app, &mut stream, peer, &permit).await {
        Ok(client) => client,
        Err(None) => return,
        Err(Some(refusal)) => {
            drop(permit);
            if let Some(stream) = accept_policy::refuse(stream, &refusal, tls.is_some()) {
                accept_policy::linger(stream).await;
            }
            return;
        }
    };
    permit.speaks();
    let fault_state = Arc::new(FaultState::default());
    let stream = FaultyStream::new(app.with_write_timeout(stream), Arc::clone(&fault_state));
    // Boxed, so that the handshake's state does not stay in a task that lives for days.
    let http = HttpConnection::in_handshake(Arc::clone(&fault_state), client, permit.reference());
    if tls.is_none() {
        http.secured();
    }
    let mut handshake = Box::pin(handshake(&app, router, tls, stream, &http));
    let (mut permit, mut deadline) = (Some(permit), Instant::now() + app.limits.handshake);
    let mut session_over = false;
    let accepted = loop {
        tokio::select! {
            accepted = &mut handshake => break accepted,
            () = sleep_until(deadline.into()) => {
                if std::mem::take(&mut session_over) && http.is_busy() {
                    // Through a proxy the next request may be of somebody else.
                    deadline = Instant::now() + app.limits.handshake;
                    continue;
                }
                // One that is kept between two requests has no deadline of a request.
                if !http.is_idle() {
                    let cause = if http.is_secure() { Cause::RequestDeadline } else { Cause::TlsDeadline };
                    app.gate.refusals.note(cause, client);
                }
                return;
            }
            () = http.feeds() => {
                drop(permit);
                http.release();
                // The handler's answer lasts until the feed ends or the peer is gone.
                tokio::select! {
                    _ = handshake => {}
                    // A reader that reads has its last event by then, and goes on behind it elsewhere.
                    () = app.drain_ended_with_grace() => {}
                }
                return;
            }
            () = until_evicted(permit.as_ref()) => return,
            () = app.drain_ended(), if !http.is_busy() => return,
            () = app.drain_ended_with_grace() => return,
            () = http.session_over() => {
                // Its last answer may be on its way.
                (session_over, deadline) = (true, deadline.min(Instant::now() + LAST_ANSWER));
            }
            () = http.polls() => {
                session_over = false;
                permit = permit.filter(|_| !http.is_kept());
                // There is something to say once in an interval. Then the next request may come.
                let (interval, timeout) = app.engine_pings();
                deadline = Instant::now() + interval + timeout + app.limits.handshake;
            }
        }
    };
    drop(handshake);
    let (known, extended, client, stream) = match accepted {
        Some((Upgrade::Rooms(RoomsUpgrade { known, extended, client }), Some(stream))) => {
            (known, extended, client, stream)
        }
        Some((Upgrade::SocketIo(opening), stream)) => {
            if !opening.is_brief() {
                http.release();
            }
            let permit = permit.filter(|_| opening.is_brief());
            // Boxed too: what a session needs is not to lie in the task of every WebSocket.
            Box::pin(opening.serve(app, stream, fault_state, permit)).await;
            return;
        }
        Some((Upgrade::Rooms(_), None)) | None => return,
    };
    if let Some((identity, place)) = known {
        drop(permit);
        http.release();
        let user = identity.user.clone();
        let send_queue = SendQueue::new(app.limits.queue_frames, app.limits.queue_bytes);
        let send_queue = Arc::new(if extended { send_queue } else { send_queue.for_plain_peer() });
        let protocol = if extended { "extended" } else { "plain" };
        let origin = Origin { client, protocol, transport: TransportKind::WebSocket };
        let hub_conn = app.hub.connect(identity, extended, origin, Arc::clone(&send_queue));
        if let Some(end) = send_queue.end() {
            app.record_hub_refusal(client, &user, end);
        }
        let hit = app.faults.register(user, Arc::clone(&fault_state), Arc::clone(&send_queue));
        Socket::new(stream, send_queue, fault_state).serve(hub_conn, &app.metrics).await;
        drop(hit);
        drop(place);
    } else {
        app.metrics.unauthorized.one_more();
        Box::pin(dismiss(stream, permit)).await;
    }
}

/// Tells somebody that it is nobody. It stays one of the handshakes until it has heard so.
async fn dismiss(stream: WebSocketStream<Transport>, permit: Option<Handshake>) {
    if let Some(permit) = &permit {
        permit.reference().is_refused();
    }
    tokio::select! {
        () = close(stream, 4001, "Unauthorized") => {}
        () = until_evicted(permit.as_ref()) => {}
    }
}

/// Waits for the first byte, after the header of the PROXY protocol where there is one, and gives the client's address.
/// An error is the end of the connection, and what its peer is to be told.
async fn first_words(
    app: &AppState,
    stream: &mut TcpStream,
    peer: IpAddr,
    permit: &Handshake,
) -> Result<IpAddr, Option<Refusal>> {
    let gate = &app.gate;
    let spoken = async {
        let mut client = peer;
        if gate.proxies.speaks_protocol(peer) {
            match proxy_header::read(stream).await {
                Ok(named) => client = named.unwrap_or(peer),
                Err(error) => {
                    tracing::debug!(%error, "a trusted proxy did not begin with the PROXY protocol");
                    gate.refusals.note(Cause::ProxyHeader, peer);
                    return Err(None);
                }
            }
            if !gate.proxies.trusts(client) {
                if let Err(wait) = gate.rates.connect(client.into(), Instant::now()) {
                    gate.refusals.note(Cause::Rate, client);
                    return Err(Some(Refusal::Address(wait)));
                }
                if !permit.reference().belongs_to(client.into()) {
                    gate.refusals.note(Cause::Share, client);
                    return Err(Some(Refusal::Address(Wait::SHORT)));
                }
            }
        }
        let there = stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0);
        there.then_some(client).ok_or(None)
    };
    tokio::select! {
        spoken = timeout(app.limits.first_byte, spoken) => spoken.unwrap_or_else(|_| {
            gate.refusals.note(Cause::Silent, peer);
            Err(None)
        }),
        () = permit.evicted() => Err(None),
    }
}

/// TLS, HTTP, upgrade; `None` if the request has been answered, and that was all.
async fn handshake(
    app: &AppState,
    router: Router,
    tls: Option<TlsAcceptor>,
    stream: FaultyStream,
    http: &HttpConnection,
) -> Option<(Upgrade, Option<WebSocketStream<Transport>>)> {
    let transport = match tls {
        Some(acceptor) => match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => {
                http.secured();
                Transport::tls(stream)
            }
            // TLS has said why. Who is too late for the handshake is too late here.
            Err((error, stream)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                drop(lingering::close(stream).await);
                return None;
            }
        },
        None => Transport::plain(stream),
    };
    let slots = UpgradeSlots::default();
    let served = serve_http(transport, router, http, Some(&slots), app.limits.handshake, false).await;
    note(app, served, http);
    let (on_upgrade, upgrade) = slots.take()?;
    let Some(on_upgrade) = on_upgrade else { return Some((upgrade, None)) };
    let upgraded = on_upgrade.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<Transport>>().ok()?;
    let mut transport = parts.io.into_inner();
    transport.upgraded(&parts.read_buf).ok()?;
    let stream = WebSocketStream::from_partially_read(
        transport,
        parts.read_buf.to_vec(),
        Role::Server,
        Some(app.websocket),
    )
    .await;
    Some((upgrade, Some(stream)))
}

/// How the HTTP of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// The peer had no more, one was an upgrade, or the connection broke.
    Done,
    /// A request's header did not come in time.
    TooSlow,
    /// It has too many fields, or too long ones; the peer has been told so.
    TooLarge,
}

/// Counts and tells what a limit has ended.
pub(crate) fn note(app: &AppState, served: Served, http: &HttpConnection) {
    let cause = match served {
        Served::TooSlow if !http.is_idle() => Cause::RequestDeadline,
        Served::TooLarge => Cause::Headers,
        Served::TooSlow | Served::Done => return,
    };
    app.gate.refusals.note(cause, http.peer());
}

/// Answers HTTP requests until the peer has no more, or one was an upgrade.
pub(crate) async fn serve_http(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    http: &HttpConnection,
    slots: Option<&UpgradeSlots>,
    patience: Duration,
    keep_alive: bool,
) -> Served {
    let service = service_fn(|mut request: Request<Incoming>| {
        let extensions = request.extensions_mut();
        extensions.insert(http.clone());
        if let Some(UpgradeSlots { rooms, socket_io }) = slots {
            extensions.insert(rooms.clone());
            extensions.insert(socket_io.clone());
        }
        let answer = match host::unclear(&request) {
            None => Ok(router.clone().call(request)),
            Some(what) => Err(host::bad(what)),
        };
        let http = http.clone();
        async move {
            let busy = http.begin_request();
            let mut response = match answer {
                Ok(answer) => answer.await?,
                Err(refusal) => refusal,
            };
            drop(busy);
            let keep_alive = http.keeps() || keep_alive;
            if !keep_alive && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                // Said here and not to hyper, which would say it on an upgrade too.
                response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let Err(error) = connection.await else { return Served::Done };
    tracing::debug!(%error, "an HTTP connection ended early");
    if error.is_parse_too_large() {
        Served::TooLarge
    } else if error.is_timeout() {
        Served::TooSlow
    } else {
        Served::Done
    }
}
