//! `GET /rooms/{room}/events`: a room's messages as server-sent events, read only (protocol.md §4).

mod body;
mod refusal;

use crate::admission::{About, Cause};
use crate::cors;
use crate::http_connection::HttpConnection;
use crate::hub::{FeedRequest, Permission, Right, Since};
use crate::query::{field, percent_decode, token};
use crate::send_queue::SendQueue;
use crate::session_log::{Origin, TransportKind};
use crate::shared_hub::FeedError;
use crate::state::{AdmissionError, AppState, AuthUnavailable};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use body::Feed;
use futures_util::stream::pending;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use refusal::Refusal;
use rejoin::{Name, check_room_name};
use std::convert::Infallible;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Bytes;

/// The position that a reader comes back with; browsers set it by themselves.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Proxies that gather an answer before they pass it on would hold a feed back for ever.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The user's own stream, which is read by no feed.
const PERSONAL_STREAM: &str = "@me";

/// Whose feed it is, in percent-encoding.
const USER: HeaderName = HeaderName::from_static("rejoin-user");

/// What the route answers to.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// The most that `?history=` says: the largest whole number that every client can write.
const MOST_HISTORY: u64 = rejoin::messages::MAX_INT;

/// What a page may send with it.
const HEADERS: [HeaderName; 3] = [AUTHORIZATION, LAST_EVENT_ID, CACHE_CONTROL];

pub(crate) fn router(app: Arc<AppState>) -> Router {
    let feeds = get(feed).options(preflight).fallback(async || Refusal::Method);
    Router::new().route("/rooms/{room}/events", feeds).with_state(app)
}

async fn feed(
    State(app): State<Arc<AppState>>,
    room: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    if !app.allows_origin(&request) {
        return Refusal::Origin.into_response();
    }
    let (request, _) = request.into_parts();
    let answer = open(&app, room, &request).await.unwrap_or_else(IntoResponse::into_response);
    // A refusal too: its page is to be able to read why.
    cors::readable(answer, request.headers.get(ORIGIN), false)
}

async fn open(
    app: &Arc<AppState>,
    room: Result<Path<String>, PathRejection>,
    request: &Parts,
) -> Result<Response, Refusal> {
    let (headers, query) = (&request.headers, request.uri.query());
    // What does not decode to UTF-8 is no room's name either.
    let Path(room) = room.map_err(|_| Refusal::Room("it is not UTF-8 in percent-encoding"))?;
    // A client that has no room yet asks so whose its token is.
    let asks_user = request.method == Method::HEAD && room == PERSONAL_STREAM;
    if !asks_user {
        check_room_name(&room).map_err(Refusal::bad_room)?;
    }
    if !accepts(headers) {
        return Err(Refusal::Accept);
    }
    let history = history(query).ok_or(Refusal::History)?;
    let http = request.extensions.get::<HttpConnection>().ok_or(Refusal::Busy)?;
    let client = http.client(&app.gate.proxies, headers);
    let full = |denied| match denied {
        AdmissionError::Busy if app.draining() => Refusal::Draining,
        AdmissionError::Busy => Refusal::Busy,
        AdmissionError::RateLimited(wait) => Refusal::Often(wait),
    };
    app.check_admission(&client).map_err(full)?;
    let shown = token(headers, query);
    let identity =
        app.identify(client, shown.as_deref(), headers.get(ORIGIN)).await.map_err(|why| match why {
            AuthUnavailable::RateLimited(wait) => Refusal::Often(wait),
            AuthUnavailable::NoAnswer => Refusal::AuthUnavailable,
        })?;
    if let Some(status) = app.faults.refusal(identity.as_ref().map(|identity| &identity.user)) {
        return Err(Refusal::Fault(status));
    }
    let identity = identity.ok_or_else(|| {
        app.metrics.unauthorized.one_more();
        Refusal::Token
    })?;
    // Of unknown length, as the feed itself would be.
    let head = |user| stream(Body::from_stream(pending::<Result<Bytes, Infallible>>()), user);
    if asks_user {
        return Ok(head(&identity.user));
    }
    if !identity.rights.allows(Right::Join, &room) {
        return Err(Refusal::Forbidden);
    }
    let reads_history = may_read(app, &identity.user, &room).await?;
    if request.method == Method::HEAD {
        return Ok(head(&identity.user));
    }
    // Only now: while it is asked who it is, and what it may do, it takes no place from those who are known.
    let permit = app.admit(&client).map_err(full)?;
    let (since, history) = match since(headers, query) {
        since if reads_history && identity.rights.allows(Right::History, &room) => (since, history),
        Since::Nothing => (Since::Nothing, 0),
        // Where something was missed, a gap says so.
        Since::At(_) | Since::Unreadable => (Since::Unreadable, 0),
    };
    let user = identity.user.clone();
    let send_queue = Arc::new(SendQueue::new(app.limits.queue_frames, app.limits.queue_bytes));
    let announces_join = field(query, "joined").is_some_and(|value| value == "1");
    let request = FeedRequest { room: Name::from(room), since, history, announces_join };
    let origin = Origin { client: client.address, protocol: "feed", transport: TransportKind::Sse };
    let hub_conn = app.hub.open_feed(identity, request, origin, &send_queue).await.map_err(|no| {
        let refusal = match no {
            FeedError::Limit(limit) => return Refusal::Limit(limit),
            FeedError::Closed(code) => Refusal::Closed(code),
        };
        if let FeedError::Closed(code) = no
            && let Some(cause) = Cause::of_close(code)
        {
            let about = About::user(&user, refusal.why());
            app.gate.refusals.note_about(cause, client.address, &about);
        }
        refusal
    })?;
    let name = user.clone();
    let fault_guard = app.faults.register(user, http.fault_state(), Arc::clone(&send_queue));
    app.metrics.feeds.one_more();
    http.feed();
    let feed = Feed::new(send_queue, http.fault_state(), hub_conn, fault_guard, permit);
    Ok(stream(Body::from_stream(feed), &name))
}

/// Whether whoever has to be asked allows the room's past too; an error if not even the room, or if it is not known now.
async fn may_read(app: &AppState, user: &Name, room: &str) -> Result<bool, Refusal> {
    let Some(authorizer) = &app.hub.authorizer else { return Ok(true) };
    let wanted = [Right::Join, Right::History];
    match Box::pin(authorizer.about(user, wanted, &Name::from(room))).await {
        [Permission::Denied, _] => Err(Refusal::Forbidden),
        [Permission::Unknown, _] | [_, Permission::Unknown] => Err(Refusal::Unknown),
        [Permission::Granted, history] => Ok(history == Permission::Granted),
    }
}

/// The answer to a reader, with the name of its user: a client that reads because no WebSocket opens has no `hello`.
fn stream(body: Body, user: &Name) -> Response {
    let user = utf8_percent_encode(user, NON_ALPHANUMERIC).to_string();
    let user = HeaderValue::try_from(user).unwrap_or(HeaderValue::from_static(""));
    let headers = [
        (USER, user),
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // A proxy that compresses would hold the last event back until the next one comes.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, no-transform")),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// What a browser asks before it lets a page of another origin send a token.
async fn preflight(State(app): State<Arc<AppState>>, request: Request) -> Response {
    if !app.allows_origin(&request) {
        return Refusal::Origin.into_response();
    }
    cors::preflight(METHODS, &HEADERS, &request, false)
}

/// Whether the media type is among those that the peer takes.
fn accepts(headers: &HeaderMap) -> bool {
    let mut lists = headers.get_all(ACCEPT).iter().filter_map(|list| list.to_str().ok()).peekable();
    lists.peek().is_none() || lists.flat_map(|list| list.split(',')).any(covers)
}

fn covers(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let kinds = ["text/event-stream", "text/*", "*/*"];
    let covered = parts.next().is_some_and(|kind| kinds.iter().any(|known| kind.eq_ignore_ascii_case(known)));
    let weights = parts.filter_map(|part| part.split_once('='));
    let refused = |(name, weight): (&str, &str)| {
        name.trim().eq_ignore_ascii_case("q") && weight.trim().parse().is_ok_and(|weight: f32| weight <= 0.0)
    };
    covered && !weights.into_iter().any(refused)
}

/// `?history=N`, 0 without it; `None` if it is no number of messages.
fn history(query: Option<&str>) -> Option<u64> {
    let Some(text) = field(query, "history") else { return Some(0) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|history| digits && *history <= MOST_HISTORY)
}

/// The header goes before the query: a browser that comes back by itself has the old query and the new header.
fn since(headers: &HeaderMap, query: Option<&str>) -> Since {
    if let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
        return value.to_str().map_or(Since::Unreadable, Since::from);
    }
    match field(query, "lastEventId").map(percent_decode) {
        None => Since::Nothing,
        Some(None) => Since::Unreadable,
        Some(Some(text)) => Since::from(&*text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn an_accept_header_has_to_leave_room_for_the_media_type() {
        assert!(accepts(&HeaderMap::new()));
        for list in ["*/*", "text/event-stream", "Text/*;q=0.5", "text/html, text/event-stream;q=0.1"] {
            assert!(accepts(&headers(&[("accept", list)])), "{list}");
        }
        for list in ["", "text/html", "application/json, text/event-stream;q=0", "*/*; Q=0.0"] {
            assert!(!accepts(&headers(&[("accept", list)])), "{list}");
        }
        assert!(accepts(&headers(&[("accept", "text/html"), ("accept", "*/*")])));
    }

    #[test]
    fn history_is_a_whole_number_in_its_range() {
        assert_eq!(history(None), Some(0));
        assert_eq!(history(Some("token=x&history=12")), Some(12));
        assert_eq!(history(Some("history=9007199254740991")), Some(MOST_HISTORY));
        for text in [
            "history=",
            "history=-1",
            "history=+1",
            "history=1.5",
            "history=all",
            "history=9007199254740992",
            "history=99999999999999999999999",
        ] {
            assert_eq!(history(Some(text)), None, "{text}");
        }
    }

    #[test]
    fn the_position_of_the_header_goes_before_that_of_the_query() {
        let old = Some("lastEventId=e%3A1%3Aa");
        assert_eq!(since(&headers(&[("last-event-id", "e:2:b")]), old), Since::from("e:2:b"));
        for fields in [&[][..], &[("last-event-id", "")]] {
            assert_eq!(since(&headers(fields), old), Since::from("e:1:a"));
            assert_eq!(since(&headers(fields), None), Since::Nothing);
            assert_eq!(since(&headers(fields), Some("lastEventId=")), Since::Nothing);
            assert_eq!(since(&headers(fields), Some("lastEventId=%ff")), Since::Unreadable);
        }
        let mut strange = HeaderMap::new();
        strange.insert(LAST_EVENT_ID, HeaderValue::from_bytes(b"e:1:\xff").unwrap());
        assert_eq!(since(&strange, old), Since::Unreadable);
    }
}
