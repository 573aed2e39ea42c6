//! `rejoin doctor`: runs each step of connecting in turn and reports it.

mod idle;
mod namespace;
mod origin;
mod other_endpoints;
mod report;
mod stream;
mod token;

use crate::args::{DoctorArgs, Protocol};
use crate::describe;
use crate::error::{Exit, Failure};
use crate::hints::AS_NOTIFICATION;
use crate::profile;
use crate::render::plain_name;
use crate::settings::{Settings, Sources, check_room, named, parse_feed_url, parse_url};
use crate::signals::Signals;
use crate::token::TokenFrom;
use other_endpoints::Found;
use rejoin::socketio::{Transports, json::BARE_TEXT};
use rejoin::{
    Cause, CauseCode, Client, DialErrorKind, Event, EventStreams, Events, Hint, Mode, Remedy,
    SOCKET_IO_DETECTED, State,
};
use report::Step;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

/// Each step of the network's.
const STEP: Duration = Duration::from_secs(10);
/// A plain server that refuses a token does so after letting the client in; this long it is given.
const REFUSAL: Duration = Duration::from_secs(2);
/// Silence after which the library pings: at once, for here a ping is wanted.
const SILENCE: Duration = Duration::from_millis(500);
/// What is said of a connection that was closed before any answer, and is no guess any more once something has answered.
const TLS_HINT: &str = "; if the server uses TLS";
/// What to do where no WebSocket opens, and long polling does.
const POLLING_WORKS: &str = "the client takes long polling by itself; --transports polling spares it the attempts by WebSocket; \
                             to have those, allow \"websocket\" in the server's transports, or upgrades in the proxy";
/// What to do where no WebSocket opens, and server-sent events do.
const STREAMS_WORK: &str = "the client reads by them after three attempts, and what is sent waits; to send, \
                            allow upgrades in the proxy (nginx: proxy_set_header Upgrade and Connection)";
/// The room whose stream is tried where none is named.
const ROOM: &str = "lobby";
/// What to do where the Origin of `--header` may be what is refused.
const GIVEN_ORIGIN: &str = "pages of the given Origin may not connect: allow it in the server's or the proxy's \
                            configuration, or leave the header out to try the token alone";

pub(crate) async fn run(arguments: &DoctorArgs, mut signals: Signals) -> Result<Exit, Failure> {
    if arguments.json {
        report::as_json();
    }
    let (url, connection) = named(arguments.url.as_deref(), &arguments.connection);
    let sources = Sources::read(&connection)?;
    for (mistake, effect) in profile::mistakes_in_others(connection.profile.as_deref()) {
        report::warned(Step::Profiles, &mistake, &effect);
    }
    let url = sources.require_url(url)?;
    let described = sources.at(url.clone());
    let url = url.text;
    let protocol = described.protocol();
    let room = arguments.room.as_deref().unwrap_or(ROOM);
    let is_stream = protocol != Protocol::SocketIo && is_http(&url);
    // Before the configuration: a wrong URL is the step that failed, not a usage error without a report.
    let parsed = if is_stream { parse_feed_url(&url) } else { parse_url(&url, protocol) };
    if let Err(failure) = parsed {
        report::failed(Step::Url, &failure.message, failure.hint.as_deref());
        return Ok(Exit::Usage);
    }
    let mut settings = if is_stream {
        check_room(room)?;
        let settings = described.feed_settings(&[]).await?;
        let room = plain_name(room);
        report::ok(Step::Url, &format!("{} (for reading {room}; for a chat give ws://)", settings.endpoint));
        settings
    } else {
        let mut settings = described.settings(&[]).await?;
        settings.rooms.clear();
        settings.state = None;
        settings.config.link.liveness.heartbeat = SILENCE;
        // A slow answer is one, and its time is told.
        settings.config.link.liveness.probe_timeout = STEP;
        report::ok(Step::Url, &settings.shown_url());
        settings
    };
    let idle = arguments.idle.map(|seconds| Duration::from_secs(seconds.into()));
    let examined = async {
        if !route(&settings).await {
            return Ok(false);
        }
        if is_stream {
            // As `tail --sse URL` reads it without a room.
            settings.is_stream_url = arguments.room.is_none() && stream::is_one(&settings).await?;
            stream::examine(&mut settings, room, idle).await
        } else {
            examine(&mut settings, idle).await
        }
    };
    tokio::select! {
        biased;
        // Nothing has been begun that would have to be finished.
        _ = signals.next() => Ok(Exit::Interrupted),
        healthy = examined => {
            let healthy = healthy?;
            report::printed()?;
            Ok(if healthy { Exit::Success } else { Exit::Incomplete })
        }
    }
}

/// Whether it is an address that `tail --sse` reads from.
fn is_http(url: &str) -> bool {
    let scheme = url.trim().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

/// The way to the server.
async fn route(settings: &Settings) -> bool {
    if !settings.has_proxy() {
        return reach(settings).await;
    }
    report::skipped(Step::Dns, "a proxy looks the name up");
    report::skipped(Step::Tcp, "the connection goes through the proxy of the environment");
    true
}

async fn examine(settings: &mut Settings, idle: Option<Duration>) -> Result<bool, Failure> {
    let healthy = connect_and_check(settings).await?;
    if let Err(cause) = &healthy {
        if is_forbidden(cause) && settings.names_origin() {
            report::failed(Step::Origin, &describe::cause(cause), Some(GIVEN_ORIGIN));
        } else if is_forbidden(cause)
            && let Some(origin) = origin::wanted(settings).await
        {
            let advice = format!("it lets in who names its own pages: add --header 'Origin: {origin}'");
            report::failed(Step::Origin, &describe::cause(cause), Some(&advice));
        } else {
            let advice = token::advice(settings, None, cause).await;
            report::failed(Step::Token, &describe::cause(cause), Some(&advice));
        }
    }
    let healthy = healthy.unwrap_or(false);
    if healthy {
        hold(settings, None, idle).await?;
    }
    if healthy && settings.socket_io.is_none() {
        origin::examine(settings).await;
    }
    Ok(healthy)
}

/// Connects as the client would: where it may, by long polling when no WebSocket opens. The error inside is a refusal of the
/// token, which has not been reported yet.
async fn connect_and_check(settings: &mut Settings) -> Result<Result<bool, Cause>, Failure> {
    let started = Instant::now();
    let fallback = Fallback::of(settings);
    if settings.event_streams == EventStreams::Auto {
        // What a WebSocket does is to be seen first.
        settings.event_streams = EventStreams::Never;
    }
    let (client, mut events) = settings.connect()?;
    let opened = until_connected(&mut events).await;
    if let Err(cause) = &opened
        && may_be_blocked(cause)
        && let Some(Fallback { settings: other, works, advice }) = fallback
    {
        let started = Instant::now();
        let (instead, mut events) = other.connect()?;
        if until_connected(&mut events).await.is_ok() {
            client.close().await;
            let text = format!("no WebSocket: {}; {works}", describe::cause(cause));
            report::warned(Step::Upgrade, &text, advice);
            *settings = other;
            let healthy = check_session(settings, &instead, events, Ok(()), started).await;
            instead.close().await;
            return Ok(healthy);
        }
        instead.close().await;
        if settings.socket_io.is_some() {
            client.close().await;
            dial_failed(settings, cause, false);
            return Ok(Ok(false));
        }
    }
    let healthy = check_session(settings, &client, events, opened, started).await;
    client.close().await;
    Ok(healthy)
}

/// What the client would try by itself where no WebSocket opens.
struct Fallback {
    settings: Settings,
    works: &'static str,
    advice: &'static str,
}

impl Fallback {
    fn of(settings: &Settings) -> Option<Self> {
        let mut other = settings.clone();
        if let Some(server) = &mut other.socket_io {
            let is_allowed = server.options.transports == Transports::Auto;
            *server = server.clone().transports(Transports::Polling);
            return is_allowed.then_some(Self {
                settings: other,
                works: "long polling works",
                advice: POLLING_WORKS,
            });
        }
        let is_allowed = other.event_streams == EventStreams::Auto && other.config.extended;
        other.event_streams = EventStreams::Only;
        if other.rooms.is_empty() {
            other.rooms.push(ROOM.to_owned());
        }
        is_allowed.then_some(Self { settings: other, works: "server-sent events work", advice: STREAMS_WORK })
    }
}

/// Whether the client would try something else after such a failure of a WebSocket.
fn may_be_blocked(cause: &Cause) -> bool {
    match cause.code {
        CauseCode::Dial(kind) => kind.may_be_blocked(),
        code => matches!(code, CauseCode::ConnectionLost | CauseCode::ProtocolError),
    }
}

/// An HTTP server's 403: what a check of the Origin answers, and some a wrong token.
fn is_forbidden(cause: &Cause) -> bool {
    matches!(cause.code, CauseCode::Unauthorized(403) | CauseCode::Dial(DialErrorKind::Http(403)))
}

/// Holds a quiet connection, if that is asked for.
async fn hold(settings: &Settings, room: Option<&str>, idle: Option<Duration>) -> Result<(), Failure> {
    if let Some(time) = idle {
        return idle::examine(settings, room, time).await;
    }
    report::skipped(Step::Idle, "not tried: with --idle SECS a quiet connection is held so long");
    Ok(())
}

/// Name and TCP connection, without the library: it does not say which address failed.
async fn reach(settings: &Settings) -> bool {
    let (host, port) = (settings.endpoint.host(), settings.endpoint.port());
    let addresses: Vec<SocketAddr> = match timeout(STEP, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let hint = "check the spelling of the host and this machine's DNS";
            report::failed(Step::Dns, describe::without_errno(&error.to_string()), Some(hint));
            return false;
        }
        Err(_) => {
            report::failed(Step::Dns, "no answer in time", Some("check this machine's DNS and network"));
            return false;
        }
    };
    let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    report::ok(Step::Dns, &list.join(", "));
    let mut any = false;
    let mut failures = Vec::new();
    for address in addresses {
        let started = Instant::now();
        match timeout(STEP, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                report::ok(Step::Tcp, &format!("{address} in {} ms", started.elapsed().as_millis().max(1)));
                any = true;
            }
            Ok(Err(error)) => {
                failures.push(format!("{address}: {}", describe::without_errno(&error.to_string())));
            }
            Err(_) => failures.push(format!("{address}: no answer in time")),
        }
    }
    for failure in failures {
        if any {
            report::skipped(Step::Tcp, &format!("{failure}; another address answers"));
        } else {
            let hint = "is the server running, and is the port right? A firewall may be in the way";
            report::failed(Step::Tcp, &failure, Some(hint));
        }
    }
    any
}

/// TLS, upgrade, token and ping, as the library sees them; `opened`: how the dial begun at `started` came out. The error is a
/// refusal of the token, which has not been
/// reported yet.
async fn check_session(
    settings: &Settings,
    client: &Client,
    mut events: Events,
    opened: Result<(), Cause>,
    started: Instant,
) -> Result<bool, Cause> {
    if let Err(cause) = opened {
        if token::is_about_token(&cause) {
            return Err(cause);
        }
        let found = if settings.socket_io.is_none() && may_be_another_protocol(cause.code) {
            other_endpoints::examine(settings, None).await
        } else {
            Vec::new()
        };
        dial_failed(settings, &cause, !found.is_empty());
        found.iter().for_each(Found::tell);
        return Ok(false);
    }
    let is_http = settings.socket_io.is_some();
    check_encryption(settings, if is_http { ["http://", "https://"] } else { ["ws://", "wss://"] });
    let polls = settings.socket_io.as_ref().is_some_and(|it| it.options.transports == Transports::Polling);
    let transport = if polls { "long polling" } else { "a WebSocket" };
    report::ok(Step::Upgrade, &format!("{transport} in {} ms", started.elapsed().as_millis().max(1)));
    let (until, latest) = (Instant::now() + REFUSAL, Instant::now() + STEP);
    let mut mode = None;
    // A pong is no event: the round trip it gives is looked at when the time is up. A slow server has longer for it, and what
    // it says before that has come by then too.
    while Instant::now() < until || client.rtt().is_none() && Instant::now() < latest {
        let next_question = Instant::now() + SILENCE;
        match timeout_at(next_question, events.next()).await {
            Ok(Some(Event::State(change))) => match (change.state, &change.cause) {
                (State::Connected, _) => {}
                (_, Some(cause)) if is_refusal(cause) => return Err(cause.clone()),
                (_, cause) => {
                    let what = cause.as_ref().map_or_else(|| "connection lost".to_owned(), describe::cause);
                    report::failed(
                        Step::Ping,
                        &what,
                        Some("the server lets clients in and drops them: see its log"),
                    );
                    return Ok(false);
                }
            },
            Ok(Some(Event::Mode(decided))) => mode = Some(decided),
            Ok(Some(Event::Malformed { error, .. })) if &*error == SOCKET_IO_DETECTED => {
                report::failed(Step::Hello, "a Socket.IO server answers, and speaks no plain protocol", None);
                other_endpoints::socket_io_here(settings).tell();
                return Ok(false);
            }
            Ok(Some(Event::Malformed { error, count: 1, .. })) if error.contains(BARE_TEXT) => {
                report::warned(
                    Step::Hello,
                    "messages come as texts alone, without room and author",
                    AS_NOTIFICATION,
                );
            }
            Ok(None) => return Ok(false),
            // An extended server says when to ping; here it is wanted at once.
            Err(_) if client.rtt().is_none() => client.hint(Hint::Woke),
            Ok(Some(_)) | Err(_) => {}
        }
    }
    match mode {
        Some(Mode::Extended) => {
            report::ok(
                Step::Hello,
                "extended protocol: messages are confirmed, and missed ones are replayed",
            );
        }
        Some(Mode::SocketIo) => report::ok(
            Step::Hello,
            "Socket.IO, and the namespace lets us in: messages are answered by the server's handlers",
        ),
        _ => report::skipped(Step::Hello, "none: plain protocol, which confirms nothing and keeps nothing"),
    }
    token_taken(settings);
    if settings.socket_io.as_ref().is_some_and(|server| server.namespace.as_str() != "/") {
        namespace::examine(settings, client, &mut events).await;
    }
    let healthy = namespace::examine_others(settings, client).await;
    let Some(rtt) = client.rtt() else {
        let hint = "a proxy on the way may swallow pings; connections would be taken for dead";
        report::failed(Step::Ping, "no answer", Some(hint));
        return Ok(false);
    };
    report::ok(Step::Ping, &format!("answered in {} ms", rtt.as_millis().max(1)));
    Ok(healthy)
}

/// Whether others can read along; `schemes` are the one without TLS and the one with it.
fn check_encryption(settings: &Settings, [open, secure]: [&str; 2]) {
    if settings.endpoint.is_secure() {
        report::ok(Step::Tls, "the certificate verifies");
    } else if settings.endpoint.is_loopback() {
        report::skipped(Step::Tls, &format!("not used ({open}), which is fine on this machine"));
    } else {
        let text = format!("not used ({open}): everybody on the way can read along; prefer {secure}");
        report::skipped(Step::Tls, &text);
    }
}

fn token_taken(settings: &Settings) {
    match settings.token {
        TokenFrom::Nowhere => report::ok(Step::Token, "none given, and none asked for"),
        _ => report::ok(Step::Token, "not refused"),
    }
}

fn is_refusal(cause: &Cause) -> bool {
    matches!(
        cause.code,
        CauseCode::Unauthorized(_)
            | CauseCode::TokenUnavailable
            | CauseCode::Closed(1008 | 4001 | 4002 | 4401)
    )
}

async fn until_connected(events: &mut Events) -> Result<(), Cause> {
    while let Some(event) = events.next().await {
        if let Event::State(change) = event {
            match (change.state, change.cause) {
                (State::Connected, _) => return Ok(()),
                (_, Some(cause)) => return Err(cause),
                _ => {}
            }
        }
    }
    Err(Cause::new(CauseCode::Requested, "").without_retry())
}

/// Whether neither the way to the server is what failed, nor a server that is busy for now has answered.
fn may_be_another_protocol(code: CauseCode) -> bool {
    use DialErrorKind::{Certificate, Http, Proxy, Tls};
    !matches!(code, CauseCode::Dial(Certificate | Proxy | Tls | Http(429 | 503)))
}

/// About a port that takes a connection and says nothing.
const NO_ANSWER: &str = "the port takes connections and nothing answers: the server hangs or is overloaded, or speaks another protocol";

/// Says at which step a dial ended, and which steps that proves to be fine. `is_known`: what answers at that port is told
/// below it.
fn dial_failed(settings: &Settings, cause: &Cause, is_known: bool) {
    let what = describe::cause(cause);
    // It has answered without TLS, or with it, as it was asked.
    let what = what.split_once(TLS_HINT).filter(|_| is_known).map_or(&*what, |(what, _)| what);
    let hint = settings.hints("chat").for_cause(cause);
    let hint = hint.as_deref();
    match cause.code {
        // Its words say what to do.
        CauseCode::Dial(DialErrorKind::Certificate | DialErrorKind::Tls) => {
            report::failed(Step::Tls, what, None);
        }
        CauseCode::Dial(DialErrorKind::Http(_) | DialErrorKind::NotWebSocket) => {
            if settings.endpoint.is_secure() {
                report::ok(Step::Tls, "the certificate verifies");
            }
            // Without advice the answer's own words say what to do.
            let hint = hint.map(|_| "check the URL's path: a web server answers, but no chat");
            report::failed(Step::Upgrade, what, hint);
        }
        CauseCode::UnknownNamespace | CauseCode::Incompatible => report::failed(Step::Hello, what, hint),
        CauseCode::Dial(DialErrorKind::Proxy) => {
            report::failed(Step::Tcp, what, Some("check HTTPS_PROXY, ALL_PROXY and NO_PROXY"));
        }
        _ => {
            let hint = match cause.code {
                CauseCode::Dial(DialErrorKind::Timeout) => NO_ANSWER,
                _ => "the port answers, but not as a chat server does",
            };
            let says_what_to_do = cause.remedy == Some(Remedy::InMessage);
            report::failed(Step::Upgrade, what, (!says_what_to_do && !is_known).then_some(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_busy_for_now_is_not_taken_for_one_of_another_protocol() {
        let of = |status| may_be_another_protocol(CauseCode::Dial(DialErrorKind::Http(status)));
        assert!(!of(503) && !of(429) && of(400) && of(404));
    }

    #[test]
    fn the_scheme_says_which_way_of_reading_is_tried() {
        assert!(is_http("https://h/p?q") && is_http(" HTTP://h"));
        assert!(!is_http("wss://h") && !is_http("http") && !is_http("httpx://h"));
    }
}
