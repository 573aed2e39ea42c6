//! Checks every admin request before its handler runs: the Host, the token, a deadline for the body. Writes the audit line
//! of each request, and of strangers at most one a minute. Knows no route but the public ones.

use super::problem;
use super::token::AdminToken;
use crate::admission::{About, Cause};
use crate::host;
use crate::state::AppState;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout;

/// Paths that are asked for every few seconds, and say nothing that has to be protected or written down.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Whose connection a request came over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The address that asks a handler, for the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker(pub(super) Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Peer>().map(|Peer(address)| address.ip())))
    }
}

#[derive(Clone)]
pub(super) struct Guard {
    pub(super) app: Arc<AppState>,
    pub(super) token: Option<AdminToken>,
    /// Most bytes of a body.
    pub(super) longest: usize,
    /// Only health and metrics are served.
    pub(super) is_reserve: bool,
}

/// Passes the request on, or refuses it.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), String::from(request.uri().path()));
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    let (response, cause) = match admit(&guard, &path, request).await {
        Ok(request) => {
            let response = next.run(request).await;
            let is_full = guard.is_reserve && response.status() == StatusCode::SERVICE_UNAVAILABLE;
            (response, is_full.then_some(Cause::AdminConnections))
        }
        Err(refusal) => {
            let cause = cause_of(refusal.status());
            (refusal, cause)
        }
    };
    let status = response.status();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    if let Some(cause) = cause {
        guard.app.gate.refusals.note(cause, address);
    }
    // Who is refused at the door is told there, once a minute: a line for each would fill a disk.
    let is_stranger =
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    let peer = peer.map_or_else(|| String::from("unknown"), |address| address.to_string());
    let is_dull = PROBES.contains(&&*path) || path == "/metrics" && status.is_success();
    let status = status.as_u16();
    if is_dull || is_stranger {
        tracing::debug!(target: "rejoin_server::audit", %peer, %method, path, status, "admin");
    } else {
        tracing::info!(target: "rejoin_server::audit", %peer, %method, path, status, "admin");
    }
    response
}

/// The limit of a body that a refusal is about.
fn cause_of(status: StatusCode) -> Option<Cause> {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Some(Cause::AdminBody),
        StatusCode::REQUEST_TIMEOUT => Some(Cause::AdminDeadline),
        _ => None,
    }
}

/// The answer to a request whose token is not good, or from where too many wrong ones have come.
fn refuse_token(guard: &Guard, token: &AdminToken, address: IpAddr, headers: &HeaderMap) -> Option<Response> {
    let (gate, now) = (&guard.app.gate, Instant::now());
    let given = bearer(headers);
    // First, so that nobody who shows wrong ones from the same address keeps the operator out.
    if given.is_some_and(|given| token.accepts(given)) {
        return None;
    }
    if let Err(wait) = gate.admin_tokens.may_show_token(address.into(), now) {
        gate.refusals.note(Cause::AdminTokens, address);
        let what = "too many wrong admin tokens came from this address: wait as Retry-After says";
        let mut refusal = problem(StatusCode::TOO_MANY_REQUESTS, what);
        refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.seconds()));
        return Some(refusal);
    }
    if given.is_some() {
        gate.admin_tokens.failed_token(address.into(), now);
    }
    gate.refusals.note(Cause::AdminToken, address);
    let mut refusal =
        problem(StatusCode::UNAUTHORIZED, "send the admin token as 'Authorization: Bearer TOKEN'");
    refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(refusal)
}

async fn admit(guard: &Guard, path: &str, request: Request) -> Result<Request, Response> {
    let peer = request.extensions().get::<Peer>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| peer.ip());
    let forwarded_host = guard.app.gate.proxies.host(address, request.headers());
    if !guard.app.hosts.allow(request.headers(), forwarded_host) {
        let about = About { host: host::named(request.headers(), forwarded_host), ..About::default() };
        guard.app.gate.refusals.note_about(Cause::Host, address, &about);
        return Err(problem(StatusCode::FORBIDDEN, host::REFUSAL));
    }
    if let Some(token) = &guard.token
        && !PROBES.contains(&path)
        && let Some(refusal) = refuse_token(guard, token, address, request.headers())
    {
        return Err(refusal);
    }
    if request.method() != Method::POST || !takes_body(path) {
        // Nobody reads it.
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let limit = guard.longest;
    // As long as a whole request may take everywhere.
    let deadline = guard.app.limits.handshake;
    match timeout(deadline, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(error)) if is_broken(&error) => {
            Err(problem(StatusCode::BAD_REQUEST, "the body did not arrive whole: send it again"))
        }
        Ok(Err(_)) => Err(problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body is longer than {limit} bytes: send less"),
        )),
        Err(_) => {
            let seconds = deadline.as_secs_f32();
            Err(problem(StatusCode::REQUEST_TIMEOUT, &format!("the body did not arrive within {seconds} s")))
        }
    }
}

/// Whether a route by this path may take a body: no other is read.
fn takes_body(path: &str) -> bool {
    ["/faults", "/revocations"].contains(&path)
        || ["/notifications", "/messages"].iter().any(|end| path.ends_with(end))
}

/// Whether a body ended because its connection did.
fn is_broken(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<hyper::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
