//! Authenticates by an HTTP endpoint of the application. Owns the request, how the answer is read and cached, and the
//! bounds of both. An endpoint that cannot answer admits nobody; clients try again.

use super::authenticator::DEADLINE;
use super::digest::sha256;
use super::places::Places;
use super::{AuthError, AuthRequest, Identity, Unavailable, User, cache, rooms};
use crate::http_client::{Connector, system_tls};
use crate::log_throttle::LogThrottleByCause;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

/// Requests at a time; others wait for their turn, within the same deadline.
const AT_ONCE: usize = 512;

/// Those among them that are about clients of one address: no one's slow ones keep all others waiting.
const OF_ADDRESS: usize = 256;

/// Tokens that are asked about or wait for that, at a time.
const MOST: usize = 4_096;

/// Most bytes of a token, and of an answer.
const TOKEN_BYTES: usize = 16 << 10;
const ANSWER_BYTES: usize = 64 << 10;

/// An answer counts for no longer than this, whatever it says.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Connections that are kept open for the next question, and for how long.
const IDLE: usize = 16;
const IDLE_FOR: Duration = Duration::from_secs(30);

/// What an answer is kept under: everything that was asked.
type Key = [u8; 32];

/// What an answer says; `None`: nobody.
type Known = Option<User>;

type Asking = BoxFuture<'static, Result<Known, Unavailable>>;

/// The application's endpoint that knows whose a token is. A clone is the same one.
#[derive(Clone)]
pub struct HttpAuth(Arc<Endpoint>);

struct Endpoint {
    uri: Uri,
    client: Client<Connector, Body>,
    places: Places,
    answers: Mutex<cache::Answers<Key, Known>>,
    /// Nobody asks for whom nobody waits any more.
    asking: Mutex<BTreeMap<Key, WeakShared<Asking>>>,
    failures: Mutex<LogThrottleByCause>,
}

/// What the endpoint answers with 200.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    user: String,
    #[serde(default, deserialize_with = "present")]
    rooms: Option<Value>,
    /// Seconds since 1970, as `exp` of a JWT.
    expires: Option<f64>,
    /// For so many seconds the answer counts; goes before `Cache-Control`.
    cache_for: Option<f64>,
    jti: Option<String>,
    iat: Option<f64>,
}

/// A `null` is there too, and is no rights.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl HttpAuth {
    /// Of the endpoint at a URL, `http://…` or `https://…`. Nothing is asked yet. For `https` the system's certificates are
    /// trusted.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, AuthError> {
        Self::of(url, None)
    }

    /// The same, with this TLS instead of that by the system's certificates.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn with_tls(url: &str, tls: Arc<ClientConfig>) -> Result<Self, AuthError> {
        Self::of(url, Some(tls))
    }

    fn of(url: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, AuthError> {
        let uri: Uri = url.parse().map_err(|_| AuthError::Url("it is no URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(AuthError::Url("it begins with neither http:// nor https://")),
        };
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(AuthError::Url("it has no host, or a user before it"));
        }
        let tls = match tls {
            _ if !is_tls => None,
            Some(tls) => Some(tls),
            None => Some(system_tls().map_err(AuthError::Tls)?),
        };
        let connector = Connector::new(tls);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE)
            .build(connector);
        Ok(Self(Arc::new(Endpoint {
            uri,
            client,
            places: Places::new(AT_ONCE, OF_ADDRESS),
            answers: Mutex::default(),
            asking: Mutex::default(),
            failures: Mutex::default(),
        })))
    }

    pub(super) async fn identify(
        &self,
        token: &str,
        request: &AuthRequest,
    ) -> Result<Option<Identity>, Unavailable> {
        if token.is_empty() || token.len() > TOKEN_BYTES {
            return Ok(None);
        }
        let client = request.client.to_string();
        let origin = request.origin.as_deref().unwrap_or_default();
        let length = (token.len() as u64).to_be_bytes();
        let key = sha256(&[
            b"rejoin question ",
            &length,
            token.as_bytes(),
            client.as_bytes(),
            b" ",
            origin.as_bytes(),
        ]);
        let known = match self.known(&key) {
            Some(known) => known,
            None => self.ask(key, token, request)?.await?,
        };
        Ok(known.and_then(|user| user.identity(Instant::now())))
    }

    fn known(&self, key: &Key) -> Option<Known> {
        lock(&self.0.answers).get(key, Instant::now())
    }

    /// The question, which is asked once however many wait for its answer.
    fn ask(&self, key: Key, token: &str, request: &AuthRequest) -> Result<Shared<Asking>, Unavailable> {
        let mut asking = lock(&self.0.asking);
        if let Some(asked) = asking.get(&key).and_then(WeakShared::upgrade) {
            return Ok(asked);
        }
        if asking.len() >= MOST {
            return Err(Unavailable);
        }
        let body = json!({ "token": token, "client": request.client, "origin": request.origin }).to_string();
        let (endpoint, client) = (Arc::clone(&self.0), request.client);
        let guard = Asked { endpoint: Arc::clone(&endpoint), key };
        let asked = async move {
            // Dropped with the answer, or with the last who waits for it.
            let guard = guard;
            let answer = timeout(DEADLINE, endpoint.answer(client, body)).await;
            let answer = answer.unwrap_or_else(|_| Err(String::from("no answer within 5 s")));
            answer
                .map(|(known, lasts)| {
                    if !lasts.is_zero() {
                        let bytes = known.as_ref().map_or(0, User::bytes);
                        lock(&endpoint.answers).keep(guard.key, known.clone(), bytes, lasts, Instant::now());
                    }
                    known
                })
                .map_err(|why| {
                    endpoint.failed(&why);
                    Unavailable
                })
        };
        let asked = asked.boxed().shared();
        asking.extend(asked.downgrade().map(|asked| (key, asked)));
        Ok(asked)
    }
}

impl Endpoint {
    /// What the endpoint says, and for how long that counts; or why it says nothing that can be used.
    async fn answer(&self, client: IpAddr, body: String) -> Result<(Known, Duration), String> {
        let _place = self.places.take(client).await.ok_or("the server ends")?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| explain(&error))?;
        let (parts, body) = response.into_parts();
        let lasts = max_age(&parts.headers);
        match parts.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok((None, lasts.unwrap_or_default())),
            other => return Err(format!("it answers with the status {other}")),
        }
        let body = to_bytes(Body::new(body), ANSWER_BYTES).await;
        let body =
            body.map_err(|_| format!("its answer breaks off, or has more than {ANSWER_BYTES} bytes"))?;
        read(&body, lasts, SystemTime::now())
    }

    fn failed(&self, why: &str) {
        lock(&self.failures).record(why, |count| {
            tracing::warn!(
                count,
                why,
                "the endpoint of --auth http cannot say whose a token is: clients are told to come back later"
            );
        });
    }
}

/// A question that is on its way, until this is dropped.
struct Asked {
    endpoint: Arc<Endpoint>,
    key: Key,
}

impl Drop for Asked {
    fn drop(&mut self) {
        lock(&self.endpoint.asking).remove(&self.key);
    }
}

/// What an answer with the status 200 says.
fn read(body: &[u8], lasts: Option<Duration>, now: SystemTime) -> Result<(Known, Duration), String> {
    // What it says is not repeated: it may have a token in it.
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| String::from(r#"its answer is not JSON such as {"user":"ada","rooms":{"team-*":["join"]},"expires":1790000000}"#))?;
    let mut user = User::new(answer.user);
    if !user.is_named() {
        return Err(String::from("its answer names no user of 1-128 visible characters"));
    }
    if let Some(rooms) = &answer.rooms {
        // What is there and cannot be read lets nobody in.
        let rights = rooms::rights(rooms)
            .ok_or("its answer has rooms that are neither a map of lists of actions nor a list")?;
        user = user.with_rights(rights);
    }
    let time = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    let stated = answer.cache_for.map(time).or(lasts).unwrap_or_default();
    let mut counts = stated.min(LONGEST);
    if let Some(expires) = answer.expires {
        let left = time(expires).saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        user = user.with_ttl(left);
        counts = counts.min(left);
    }
    let issued = answer.iat.and_then(|issued| UNIX_EPOCH.checked_add(time(issued)));
    Ok((Some(user.with_token(answer.jti.as_deref(), issued)), counts))
}

/// The time of `Cache-Control: max-age`, unless the answer is not to be kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    let directives: Vec<String> = fields
        .flat_map(|field| field.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    if directives.iter().any(|directive| matches!(&**directive, "no-store" | "no-cache")) {
        return None;
    }
    let age = directives.iter().find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok())?;
    Some(Duration::from_secs(age).min(LONGEST))
}

/// An error with what is behind it.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for HttpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may have a secret in its query.
        write!(f, "HttpAuth({})", self.0.uri.host().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Right;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000)
    }

    #[test]
    fn an_answer_is_a_user_with_rights_and_an_end() {
        let body = br#"{"user":"ada","rooms":{"team-*":["join"]},"expires":1060,"cacheFor":300,"more":1}"#;
        let (user, counts) = read(body, Some(LONGEST), now()).unwrap();
        assert_eq!(counts, Duration::from_secs(60), "no longer than the token");
        let identity = user.unwrap().identity(Instant::now()).unwrap();
        assert!(
            identity.rights.allows(Right::Join, "team-a") && !identity.rights.allows(Right::Send, "team-a")
        );
        let (user, counts) = read(br#"{"user":"ada"}"#, None, now()).unwrap();
        assert_eq!((counts, user.unwrap().identity(Instant::now()).unwrap().expires), (Duration::ZERO, None));
        let (over, _) = read(br#"{"user":"ada","expires":999}"#, None, now()).unwrap();
        assert!(over.unwrap().identity(Instant::now()).is_none());
    }

    #[test]
    fn an_answer_that_cannot_be_read_says_nothing_and_is_not_repeated() {
        for body in [
            "",
            "canary",
            "{}",
            r#"{"user":""}"#,
            r#"{"user":7}"#,
            r#"{"user":"ada","rooms":null}"#,
            r#"{"user":"ada","rooms":"canary"}"#,
            r#"{"user":"ada","expires":"canary"}"#,
        ] {
            let why = read(body.as_bytes(), None, now()).unwrap_err();
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn how_long_an_answer_counts_is_what_cache_control_says() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, text.parse().unwrap());
            max_age(&headers)
        };
        assert_eq!(of("private, Max-Age=60"), Some(Duration::from_secs(60)));
        assert_eq!(of("max-age=999999999"), Some(LONGEST));
        for none in ["no-store, max-age=60", "private", "max-age=x", "no-cache"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_url_is_one_of_http_without_a_user() {
        for bad in ["", "ftp://h/", "/path", "h", "http://u:canary@h/"] {
            let error = HttpAuth::new(bad).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        let auth = HttpAuth::new("http://app.example/auth?key=canary").unwrap();
        assert_eq!(format!("{auth:?}"), "HttpAuth(app.example)");
    }
}
