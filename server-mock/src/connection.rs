//! One TCP connection, from `accept` to its end, in one task: its deadlines, TLS, HTTP, and to whom it is handed on. It
//! decides about no request: that is the routes' part.

use crate::app::App;
use crate::faults::{Link, Wire};
use crate::gate::{Cause, Handshake, proxy_header};
use crate::host;
use crate::lingering;
use crate::mailbox::Mailbox;
use crate::session_log::{Carrying, Origin};
use crate::socket::{Socket, close};
use crate::transport::Transport;
use crate::upgrade::{Accepted, Purpose, Slot};
use axum::Router;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
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

/// Serves one connection. `place` counts it among the handshakes until it is a WebSocket, a feed or a poll that waits.
pub(crate) async fn serve(
    app: Arc<App>,
    router: Router,
    tls: Option<TlsAcceptor>,
    mut stream: TcpStream,
    peer: IpAddr,
    permit: Handshake,
) {
    let Some(client) = first_words(&app, &mut stream, peer, &permit).await else { return };
    permit.speaks();
    let link = Arc::new(Link::default());
    let wire = Wire::new(app.guarded(stream), Arc::clone(&link));
    // Boxed, so that the handshake's state does not stay in a task that lives for days.
    let slot = Slot::new(Arc::clone(&link), client);
    if tls.is_none() {
        slot.secured();
    }
    let mut handshake = Box::pin(handshake(&app, router, tls, wire, &slot));
    let (mut permit, mut deadline) = (Some(permit), Instant::now() + app.limits.handshake);
    let accepted = loop {
        tokio::select! {
            accepted = &mut handshake => break accepted,
            () = sleep_until(deadline.into()) => {
                // One that is kept between two requests has no deadline of a request.
                if !slot.is_idle() {
                    let cause = if slot.is_secure() { Cause::RequestDeadline } else { Cause::TlsDeadline };
                    app.gate.refusals.note(cause, client);
                }
                return;
            }
            () = slot.feeds() => {
                drop(permit);
                // The handler's answer lasts until the feed ends or the peer is gone.
                tokio::select! {
                    _ = handshake => {}
                    // A reader that reads has its last event by then, and goes on behind it elsewhere.
                    () = app.long_over() => {}
                }
                return;
            }
            () = app.over(), if !slot.is_busy() => return,
            () = app.long_over() => return,
            () = slot.polls() => {
                permit = None;
                // There is something to say once in an interval. Then the next request may come.
                let (interval, timeout) = app.engine_pings();
                deadline = Instant::now() + interval + timeout + app.limits.handshake;
            }
        }
    };
    drop(handshake);
    let (identity, extended, client, place, stream) = match accepted {
        Some((Purpose::Rooms { identity, extended, client, place }, Some(stream))) => {
            (identity, extended, client, place, stream)
        }
        Some((Purpose::SocketIo(opening), stream)) => {
            let permit = permit.filter(|_| opening.is_brief());
            // Boxed too: what a session needs is not to lie in the task of every WebSocket.
            Box::pin(opening.serve(app, stream, link)).await;
            drop(permit);
            return;
        }
        Some((Purpose::Rooms { .. }, None)) | None => return,
    };
    drop(permit);
    if let Some(identity) = identity {
        let user = identity.user.clone();
        let mailbox = Mailbox::new(app.limits.queue_frames, app.limits.queue_bytes);
        let mailbox = Arc::new(if extended { mailbox } else { mailbox.toward_plain() });
        let protocol = if extended { "extended" } else { "plain" };
        let origin = Origin { client, protocol, transport: Carrying::WebSocket };
        let seat = app.switchboard.connect(identity, extended, origin, Arc::clone(&mailbox));
        if let Some(end) = mailbox.end() {
            app.note_unseated(client, &user, end);
        }
        let hit = app.faults.expose(user, Arc::clone(&link), Arc::clone(&mailbox));
        Socket::new(stream, mailbox, link).serve(seat, &app.metrics).await;
        drop(hit);
    } else {
        app.metrics.unauthorized.one_more();
        close(stream, 4001, "Unauthorized").await;
    }
    drop(place);
}

/// Waits for the first byte, after the header of the PROXY protocol where there is one, and gives the client's address.
/// `None`: the connection is over.
async fn first_words(app: &App, stream: &mut TcpStream, peer: IpAddr, permit: &Handshake) -> Option<IpAddr> {
    let gate = &app.gate;
    let spoken = async {
        let mut client = peer;
        if gate.proxies.speaks_protocol(peer) {
            match proxy_header::read(stream).await {
                Ok(named) => client = named.unwrap_or(peer),
                Err(error) => {
                    tracing::debug!(%error, "a trusted proxy did not begin with the PROXY protocol");
                    gate.refusals.note(Cause::ProxyHeader, peer);
                    return None;
                }
            }
            if !gate.proxies.trusts(client) {
                let rate = gate.rates.connect(client.into(), Instant::now());
                let refused = rate.err().map(|_| Cause::Rate);
                let refused = refused.or_else(|| (!permit.belongs_to(client.into())).then_some(Cause::Share));
                if let Some(cause) = refused {
                    gate.refusals.note(cause, client);
                    return None;
                }
            }
        }
        let there = stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0);
        there.then_some(client)
    };
    tokio::select! {
        spoken = timeout(app.limits.first_byte, spoken) => spoken.unwrap_or_else(|_| {
            gate.refusals.note(Cause::Silent, peer);
            None
        }),
        () = permit.evicted() => None,
    }
}

/// TLS, HTTP, upgrade; `None` if the request has been answered, and that was all.
async fn handshake(
    app: &App,
    router: Router,
    tls: Option<TlsAcceptor>,
    wire: Wire,
    slot: &Slot,
) -> Option<(Purpose, Option<WebSocketStream<Transport>>)> {
    let transport = match tls {
        Some(acceptor) => match acceptor.accept(wire).into_fallible().await {
            Ok(stream) => {
                slot.secured();
                Transport::tls(stream)
            }
            // TLS has said why. Who is too late for the handshake is too late here.
            Err((error, wire)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                drop(lingering::close(wire).await);
                return None;
            }
        },
        None => Transport::plain(wire),
    };
    let served = http(transport, router, slot, app.limits.handshake, false).await;
    note(app, served, slot);
    let Accepted { on_upgrade, purpose } = slot.take()?;
    let Some(on_upgrade) = on_upgrade else { return Some((purpose, None)) };
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
    Some((purpose, Some(stream)))
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
pub(crate) fn note(app: &App, served: Served, slot: &Slot) {
    let cause = match served {
        Served::TooSlow if !slot.is_idle() => Cause::RequestDeadline,
        Served::TooLarge => Cause::Headers,
        Served::TooSlow | Served::Done => return,
    };
    app.gate.refusals.note(cause, slot.peer());
}

/// Answers HTTP requests until the peer has no more, or one was an upgrade.
pub(crate) async fn http(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    slot: &Slot,
    patience: Duration,
    keep_alive: bool,
) -> Served {
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(slot.clone());
        let answer = match host::unclear(&request) {
            None => Ok(router.clone().call(request)),
            Some(what) => Err(host::bad(what)),
        };
        let slot = slot.clone();
        async move {
            let busy = slot.begin_request();
            let mut response = match answer {
                Ok(answer) => answer.await?,
                Err(refusal) => refusal,
            };
            drop(busy);
            let keep_alive = slot.keeps() || keep_alive;
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
