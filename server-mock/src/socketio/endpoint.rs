//! Handles requests to `/socket.io/`: finds or opens their session.

use super::payload::{NoPayload, Payload};
use super::refusal::Refusal;
use super::session::{Newcomer, Session};
use super::sessions::{Command, Commands, Registration, UpgradeClaim};
use super::transport::{EngineTransport, Polling};
use super::{packet, probe};
use crate::admission::{Cause, Client};
use crate::cors;
use crate::faults::FaultState;
use crate::hub::millis;
use crate::limit_log::Subject;
use crate::limits::Limit;
use crate::state::AppState;
use crate::transport::Transport;
use crate::upgrade::{self, AcceptedUpgrade, Upgrade, UpgradeSlot, field};
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

pub(crate) fn router(app: Arc<AppState>) -> Router {
    let bare = PATH.trim_end_matches('/');
    Router::new().route(PATH, any(serve)).route(bare, any(serve)).with_state(app)
}

/// A session that begins, or the WebSocket of one; the connection's task goes on with it.
pub(crate) enum Opening {
    Polling { registration: Registration, commands: mpsc::Receiver<Command>, newcomer: Newcomer },
    WebSocket { newcomer: Newcomer },
    Upgrade { session: Commands, claim: UpgradeClaim, client: Client },
}

impl Opening {
    /// Goes on. `stream` is the connection, if it was upgraded.
    pub(crate) async fn serve(
        self,
        app: Arc<AppState>,
        stream: Option<WebSocketStream<Transport>>,
        fault_state: Arc<FaultState>,
    ) {
        match (self, stream) {
            (Self::Polling { registration, commands, newcomer }, _) => {
                let polling = EngineTransport::Polling(Polling::default());
                let mut session = Session::new(app, newcomer, polling, fault_state);
                session.listen_to(commands, &registration);
                session.serve().await;
                drop(registration);
            }
            (Self::WebSocket { newcomer }, Some(stream)) => {
                let open = open(&app, &app.sessions.sid(), false);
                let mut session =
                    Session::new(app, newcomer, EngineTransport::websocket(Box::new(stream)), fault_state);
                session.say(open);
                session.serve().await;
            }
            (Self::Upgrade { session, claim, client }, Some(stream)) => {
                let patience = app.limits.handshake;
                let upgraded = tokio::select! {
                    upgraded = probe::upgrade(stream, fault_state, session, claim, patience) => upgraded,
                    () = app.drain_ended() => true,
                };
                if !upgraded {
                    let whom = Subject { user: None, address: Some(client.address) };
                    app.hub.limited.note(Limit::ProbeDeadline, whom);
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

async fn serve(State(app): State<Arc<AppState>>, request: Request) -> Response {
    if !app.allows_origin(&request) {
        return Refusal::Origin.into_response();
    }
    let origin = request.headers().get(ORIGIN).cloned();
    if request.method() == Method::OPTIONS {
        return cors::preflight(METHODS, &HEADERS, &request, app.lists_origin(origin.as_ref()));
    }
    let answer = dispatch(&app, request).await.unwrap_or_else(IntoResponse::into_response);
    // A refusal too: its page is to be able to read why.
    cors::readable(answer, origin.as_ref(), app.lists_origin(origin.as_ref()))
}

async fn dispatch(app: &Arc<AppState>, request: Request) -> Result<Response, Refusal> {
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
        Some(sid) => Some(app.sessions.find(sid).ok_or(Refusal::Session)?),
        None => None,
    };
    let slot = request.extensions().get::<UpgradeSlot>().cloned().ok_or(Refusal::Request)?;
    let member = field(query, "sid").is_some_and(|sid| app.sessions.is_seated(sid));
    let limit = if member { app.limits.frame_bytes } else { app.limits.frame_bytes.min(EARLY_BODY) };
    if member && polling {
        // Strangers have a connection for each request, which the gate counts.
        slot.keep_alive();
    }
    match (request.method(), polling, session) {
        (&Method::GET, true, None) => begin(app, &slot, &request),
        (&Method::GET, true, Some(session)) => poll(&slot, session).await,
        (&Method::POST, true, Some(session)) => {
            let (parts, body) = request.into_parts();
            let headers = parts.headers;
            let body = axum::body::to_bytes(body, limit.max(1));
            // The first request of a connection has its own, shorter time.
            let longest = app.limits.handshake.saturating_mul(2);
            let body = timeout(longest, body).await.map_err(|_| {
                let client = slot.client(&app.gate.proxies, &headers);
                app.gate.refusals.note(Cause::RequestDeadline, client.address);
                Refusal::Request
            })?;
            post(&slot, session, body.ok(), limit.max(1)).await
        }
        (&Method::GET, false, session) => websocket(app, &slot, session, request),
        (_, _, None) => Err(Refusal::Method),
        _ => Err(Refusal::Request),
    }
}

/// Lets somebody in who is to say soon who it is, unless a fault or the limits say no.
fn admit(app: &Arc<AppState>, slot: &UpgradeSlot, request: &Request) -> Result<Newcomer, Refusal> {
    let client = slot.client(&app.gate.proxies, request.headers());
    // A session has its place until it is known that its client is gone, who may be the one that comes here.
    let is_returning = app.is_ready() && !app.has_capacity() && app.recovery.expects(client.address);
    if is_returning {
        app.check_connect_rate(&client)?;
    } else {
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

fn begin(app: &Arc<AppState>, slot: &UpgradeSlot, request: &Request) -> Result<Response, Refusal> {
    let newcomer = admit(app, slot, request)?;
    let (registration, commands) = app.sessions.register();
    let body = open(app, &registration.sid, true);
    let opening = Opening::Polling { registration, commands, newcomer };
    slot.put(AcceptedUpgrade { on_upgrade: None, upgrade: Upgrade::SocketIo(opening) });
    Ok(text(body))
}

async fn poll(slot: &UpgradeSlot, session: Commands) -> Result<Response, Refusal> {
    slot.poll();
    let (answer, answered) = oneshot::channel();
    session.send(Command::Poll(answer)).await.map_err(|_| Refusal::Session)?;
    answered.await.map(text).map_err(|_| Refusal::Session)
}

/// `limit`: most bytes that the body may have; without a body it had more.
async fn post(
    slot: &UpgradeSlot,
    session: Commands,
    body: Option<Bytes>,
    limit: usize,
) -> Result<Response, Refusal> {
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
    slot.poll();
    let (done, handled) = oneshot::channel();
    session.send(Command::Post(packets, done)).await.map_err(|_| Refusal::Session)?;
    handled.await.map(|()| text(String::from("ok"))).map_err(|_| Refusal::Session)
}

fn websocket(
    app: &Arc<AppState>,
    slot: &UpgradeSlot,
    session: Option<Commands>,
    mut request: Request,
) -> Result<Response, Refusal> {
    let accept = upgrade::key(request.version(), request.headers())?;
    let opening = match session {
        Some(session) => {
            let sid = field(request.uri().query(), "sid").unwrap_or_default();
            let claim = app.sessions.claim_upgrade(sid).ok_or(Refusal::Request)?;
            let client = slot.client(&app.gate.proxies, request.headers());
            Opening::Upgrade { session, claim, client }
        }
        None => Opening::WebSocket { newcomer: admit(app, slot, &request)? },
    };
    let on_upgrade = Some(hyper::upgrade::on(&mut request));
    app.metrics.upgrades.one_more();
    slot.put(AcceptedUpgrade { on_upgrade, upgrade: Upgrade::SocketIo(opening) });
    Ok(upgrade::switch(accept))
}

fn text(body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, body).into_response()
}
