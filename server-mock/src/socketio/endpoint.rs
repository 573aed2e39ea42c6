//! Handles requests to `/socket.io/`: finds or opens their session.

use super::payload::{NoPayload, Payload};
use super::refusal::Refusal;
use super::session::{Newcomer, Session};
use super::sessions::{Command, Commands, FoundSession, Registration, UpgradeClaim};
use super::transport::{EngineTransport, Polling};
use super::{SocketIo, packet, probe};
use crate::admission::{Cause, Client, Handshake, until_evicted};
use crate::cors;
use crate::faults::FaultState;
use crate::http_connection::{AcceptedUpgrade, HttpConnection, UpgradeSlot};
use crate::hub::millis;
use crate::limit_log::Subject;
use crate::limits::Limit;
use crate::query::field;
use crate::state::AppState;
use crate::transport::Transport;
use crate::upgrade;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Bytes;

/// Where clients look for it unless they are told otherwise.
const PATH: &str = "/socket.io/";

/// What it answers to, and what a page may send with it.
const METHODS: &str = "GET, POST, OPTIONS";
const HEADERS: [HeaderName; 4] =
    [AUTHORIZATION, CONTENT_TYPE, CACHE_CONTROL, HeaderName::from_static("x-requested-with")];

/// Most bytes of a POST from somebody who has not said who it is: a CONNECT with a long token.
const EARLY_BODY: usize = 16 << 10;

/// Whether a path is that of Socket.IO, so that nothing else can be there.
pub(crate) fn is_taken(path: &str) -> bool {
    path.trim_end_matches('/') == PATH.trim_end_matches('/')
}

/// What the handlers work on.
#[derive(Clone)]
struct EndpointState {
    app: Arc<AppState>,
    socket_io: Arc<SocketIo>,
}

pub(crate) fn router(app: Arc<AppState>, socket_io: Arc<SocketIo>) -> Router {
    let bare = PATH.trim_end_matches('/');
    let state = EndpointState { app, socket_io };
    Router::new().route(PATH, any(serve)).route(bare, any(serve)).with_state(state)
}

/// A session that begins, or the WebSocket of one; the connection's task goes on with it.
pub(crate) enum Opening {
    Polling {
        socket_io: Arc<SocketIo>,
        registration: Registration,
        commands: mpsc::Receiver<Command>,
        newcomer: Newcomer,
    },
    WebSocket {
        socket_io: Arc<SocketIo>,
        newcomer: Newcomer,
    },
    Upgrade {
        session: Commands,
        claim: UpgradeClaim,
        client: Client,
    },
}

impl Opening {
    /// Goes on. `stream` is the connection, if it was upgraded; `permit` its place among the handshakes, if it is one still.
    pub(crate) async fn serve(
        self,
        app: Arc<AppState>,
        stream: Option<WebSocketStream<Transport>>,
        fault_state: Arc<FaultState>,
        permit: Option<Handshake>,
    ) {
        match (self, stream) {
            (Self::Polling { socket_io, registration, commands, newcomer }, _) => {
                let polling = EngineTransport::Polling(Polling::default());
                let mut session = Session::new(app, socket_io, newcomer, polling, fault_state);
                session.listen_to(commands, &registration);
                session.serve().await;
                drop(registration);
            }
            (Self::WebSocket { socket_io, newcomer }, Some(stream)) => {
                let open = open(&app, &socket_io.sessions.sid(), false);
                let transport = EngineTransport::websocket(Box::new(stream));
                let mut session = Session::new(app, socket_io, newcomer, transport, fault_state);
                session.say(open);
                session.serve().await;
            }
            (Self::Upgrade { session, claim, client }, Some(stream)) => {
                if let Some(permit) = &permit {
                    permit.reference().is_partial();
                }
                let (patience, evicted) = (app.limits.handshake, until_evicted(permit.as_ref()));
                let failure = tokio::select! {
                    failure = probe::upgrade(stream, fault_state, session, claim, patience, evicted) => failure,
                    () = app.drain_ended() => None,
                };
                if let Some(limit) = failure {
                    let whom = Subject { user: None, address: Some(client.address) };
                    app.hub.limited.note(limit, whom);
                }
            }
            // An upgrade that did not come about.
            (Self::WebSocket { .. } | Self::Upgrade { .. }, None) => {}
        }
    }

    /// Whether it is over soon, and still one of the handshakes.
    pub(crate) fn is_brief(&self) -> bool {
        matches!(self, Self::Upgrade { .. })
    }
}

async fn serve(State(state): State<EndpointState>, request: Request) -> Response {
    let app = &state.app;
    if !app.allows_origin(&request) {
        return Refusal::Origin.into_response();
    }
    let origin = request.headers().get(ORIGIN).cloned();
    if request.method() == Method::OPTIONS {
        return cors::preflight(METHODS, &HEADERS, &request, app.lists_origin(origin.as_ref()));
    }
    let answer = dispatch(&state, request).await.unwrap_or_else(IntoResponse::into_response);
    // A refusal too: its page is to be able to read why.
    cors::readable(answer, origin.as_ref(), app.lists_origin(origin.as_ref()))
}

async fn dispatch(state: &EndpointState, request: Request) -> Result<Response, Refusal> {
    let EndpointState { app, socket_io } = state;
    let query = request.uri().query();
    let polling = match field(query, "transport") {
        Some("polling") => true,
        Some("websocket") => false,
        _ => return Err(Refusal::Transport),
    };
    if field(query, "EIO") != Some("4") {
        return Err(Refusal::Version);
    }
    let session = match field(query, "sid") {
        Some(sid) => Some(socket_io.sessions.find(sid).ok_or(Refusal::Session)?),
        None => None,
    };
    let http = request.extensions().get::<HttpConnection>().cloned().ok_or(Refusal::Request)?;
    let member = session.as_ref().is_some_and(|session| session.is_member);
    let client = http.client(&app.gate.proxies, request.headers());
    let limit = if member { app.limits.frame_bytes } else { app.limits.frame_bytes.min(EARLY_BODY) };
    let connections = session.as_ref().map(|session| session.connections.clone());
    let answer = match (request.method(), polling, session) {
        (&Method::GET, true, None) => begin(state, &http, &request),
        (&Method::GET, true, Some(session)) => poll(&http, session).await,
        (&Method::POST, true, Some(session)) => {
            let body = axum::body::to_bytes(request.into_body(), limit.max(1));
            // The first request of a connection has its own, shorter time.
            let longest = app.limits.handshake.saturating_mul(2);
            http.reads_body(true);
            let body = timeout(longest, body).await.map_err(|_| {
                app.gate.refusals.note(Cause::RequestDeadline, client.address);
                Refusal::Request
            })?;
            http.reads_body(false);
            post(&http, session, body.ok(), limit.max(1)).await
        }
        (&Method::GET, false, session) => websocket(state, &http, session, request),
        (_, _, None) => Err(Refusal::Method),
        _ => Err(Refusal::Request),
    }?;
    if member && polling {
        // Strangers have a connection for each request, which the gate counts. So has who asks for what there is not: a
        // refusal is counted by no rate of a user.
        if connections.is_some_and(|connections| http.is_one_of(&connections)) {
            http.keep_alive();
        } else {
            let whom = Subject { user: None, address: Some(client.address) };
            app.hub.limited.note(Limit::KeptConnections, whom);
        }
    }
    Ok(answer)
}

/// Lets somebody in who is to say soon who it is, unless a fault or the limits say no.
fn admit(state: &EndpointState, http: &HttpConnection, request: &Request) -> Result<Newcomer, Refusal> {
    let EndpointState { app, socket_io } = state;
    let client = http.client(&app.gate.proxies, request.headers());
    // A session has its place until it is known that its client is gone, who may be the one that comes here.
    let is_returning = app.is_ready() && !app.has_capacity() && socket_io.recovery.expects(client.address);
    if !is_returning {
        app.check_admission(&client)?;
    }
    // Who has shown too many wrong tokens is told so here: a CONNECT that is refused is not tried again.
    app.may_show_token(&client).map_err(Refusal::Often)?;
    let early = app.begin_early_session(&client)?;
    // Whose it is will be known only later.
    if let Some(status) = app.faults.refusal(None) {
        return Err(Refusal::Fault(status));
    }
    app.metrics.sessions.one_more();
    let origin = request.headers().get(ORIGIN).cloned();
    Ok(Newcomer { client, origin, early, is_returning })
}

fn open(app: &AppState, sid: &str, upgrades: bool) -> String {
    let (interval, timeout) = app.engine_pings();
    packet::open(sid, upgrades, (millis(interval), millis(timeout)), app.limits.frame_bytes)
}

/// Where the opening of a request's session is left.
fn slot(request: &Request) -> Result<UpgradeSlot<Opening>, Refusal> {
    request.extensions().get().cloned().ok_or(Refusal::Request)
}

fn begin(state: &EndpointState, http: &HttpConnection, request: &Request) -> Result<Response, Refusal> {
    let slot = slot(request)?;
    let newcomer = admit(state, http, request)?;
    let socket_io = Arc::clone(&state.socket_io);
    let (registration, commands) = socket_io.sessions.register();
    let body = open(&state.app, &registration.sid, true);
    let opening = Opening::Polling { socket_io, registration, commands, newcomer };
    slot.put(AcceptedUpgrade { on_upgrade: None, upgrade: opening });
    Ok(text(body))
}

async fn poll(http: &HttpConnection, session: FoundSession) -> Result<Response, Refusal> {
    http.poll(&session.connections);
    let (answer, answered) = oneshot::channel();
    session.commands.send(Command::Poll(answer)).await.map_err(|_| Refusal::Session)?;
    answered.await.map(text).map_err(|_| Refusal::Session)
}

/// `limit`: most bytes that the body may have; without a body it had more.
async fn post(
    http: &HttpConnection,
    session: FoundSession,
    body: Option<Bytes>,
    limit: usize,
) -> Result<Response, Refusal> {
    let FoundSession { commands: session, connections, .. } = session;
    let Some(body) = body else {
        let _ = session.send(Command::Over(Limit::FrameBytes, 1009, "Frame too large")).await;
        return Err(Refusal::TooLarge);
    };
    let packets = match Payload::new(body, limit) {
        Ok(packets) => packets,
        Err(no) => {
            let _ = session
                .send(match no {
                    NoPayload::Malformed => Command::Violation(1007, "Not a payload"),
                    NoPayload::TooMany => Command::Over(Limit::PayloadPackets, 1007, "Too many packets"),
                })
                .await;
            return Err(Refusal::Request);
        }
    };
    // From here on it waits for the hub, and not for the peer.
    http.poll(&connections);
    let (done, handled) = oneshot::channel();
    session.send(Command::Post(packets, done)).await.map_err(|_| Refusal::Session)?;
    handled.await.map(|()| text(String::from("ok"))).map_err(|_| Refusal::Session)
}

fn websocket(
    state: &EndpointState,
    http: &HttpConnection,
    session: Option<FoundSession>,
    mut request: Request,
) -> Result<Response, Refusal> {
    let EndpointState { app, socket_io } = state;
    let accept = upgrade::key(request.version(), request.headers())?;
    let slot = slot(&request)?;
    let opening = if let Some(session) = session {
        let sid = field(request.uri().query(), "sid").unwrap_or_default();
        let claim = socket_io.sessions.claim_upgrade(sid).ok_or(Refusal::Request)?;
        let client = http.client(&app.gate.proxies, request.headers());
        Opening::Upgrade { session: session.commands, claim, client }
    } else {
        let newcomer = admit(state, http, &request)?;
        Opening::WebSocket { socket_io: Arc::clone(socket_io), newcomer }
    };
    let on_upgrade = Some(hyper::upgrade::on(&mut request));
    app.metrics.upgrades.one_more();
    slot.put(AcceptedUpgrade { on_upgrade, upgrade: opening });
    Ok(upgrade::switch(accept))
}

fn text(body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}
