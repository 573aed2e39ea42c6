//! What every admin request passes before its handler: the Host check, the token, a deadline for its body, and the line
//! in the log that says who did what.

use super::problem;
use super::token::AdminToken;
use crate::app::App;
use crate::gate::{About, Cause};
use crate::host;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Time for a request's body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Paths that are asked for every few seconds, and say nothing that has to be protected or written down.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Whose connection a request came over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

#[derive(Clone)]
pub(super) struct Guard {
    pub(super) app: Arc<App>,
    pub(super) token: Option<AdminToken>,
    /// Most bytes of a body.
    pub(super) longest: usize,
}

/// Passes the request on, or refuses it.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), String::from(request.uri().path()));
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    let response = match admit(&guard, &path, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal,
    };
    let status = response.status().as_u16();
    let peer = peer.map_or_else(|| String::from("unknown"), |address| address.to_string());
    if PROBES.contains(&&*path) || path == "/metrics" && response.status().is_success() {
        tracing::debug!(target: "rejoin_server::audit", %peer, %method, path, status, "admin");
    } else {
        tracing::info!(target: "rejoin_server::audit", %peer, %method, path, status, "admin");
    }
    response
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
        && !bearer(request.headers()).is_some_and(|given| token.accepts(given))
    {
        guard.app.gate.refusals.note(Cause::AdminToken, address);
        let mut refusal =
            problem(StatusCode::UNAUTHORIZED, "send the admin token as 'Authorization: Bearer TOKEN'");
        refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return Err(refusal);
    }
    let (parts, body) = request.into_parts();
    let limit = guard.longest;
    match timeout(BODY_TIMEOUT, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(error)) => Err(match error.into_inner().downcast::<hyper::Error>() {
            Ok(_) => problem(StatusCode::BAD_REQUEST, "the body did not arrive whole: send it again"),
            Err(_) => problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body is longer than {limit} bytes: send less"),
            ),
        }),
        Err(_) => {
            let seconds = BODY_TIMEOUT.as_secs();
            Err(problem(StatusCode::REQUEST_TIMEOUT, &format!("the body did not arrive within {seconds} s")))
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
