//! Turns an unexpected HTTP response into an error: with the target of a redirect and the first line of an explanation,
//! bounded, printable and without secrets. Does not decide what follows.

use super::endpoint::Endpoint;
use super::http::HttpResponse;
use super::redact::Secrets;
use super::status_hint::{status_hint, wants_password};
use crate::cause::{DialError, DialErrorKind, Remedy};
use crate::name::is_invisible;
use hyper::body::Body as _;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{StatusCode, Version};
use serde_json::Value;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// Bytes of a body that are looked at.
const MAX_BODY: usize = 4 << 10;
/// How long they may take: the status alone is an answer too.
const BODY_TIMEOUT: Duration = Duration::from_millis(500);
/// Characters of an explanation, and of a redirect's target.
const MAX_LINE: usize = 200;

/// What follows where the URL has a password already.
const WRONG_PASSWORD: &str = ": the user name or the password in the URL is wrong";

/// What follows where the application has given its own `Authorization`.
const WRONG_AUTHORIZATION: &str = ": it does not accept the Authorization header that was given";
/// What follows where a redirect names no address.
const BAD_LOCATION: &str = ": it redirects, and where to is no address; redirects are not followed";

/// The error that an answer means. `hint` is what its status means where it was asked, `""` if that is the
/// same everywhere.
pub(crate) async fn http_error(
    mut answer: HttpResponse,
    kind: DialErrorKind,
    hint: &str,
    endpoint: &Endpoint,
    secrets: &Secrets,
) -> DialError {
    let (status, headers) = (answer.response.status(), answer.response.headers());
    let retry_after = retry_after(headers);
    let shown_status = in_words(status);
    let mut text = format!("the server answered HTTP {shown_status}{hint}");
    let mut remedy = None;
    if status.is_redirection() {
        let target = field(headers, header::LOCATION).and_then(|to| endpoint.redirect_target(to));
        if let Some(target) = target.map(|target| shown(&target, secrets)) {
            text = format!(
                "the server answered HTTP {shown_status}: it redirects to {target}, and redirects are not followed{}",
                given_instead(endpoint, &target)
            );
            remedy = Some(Remedy::InMessage);
        } else if headers.contains_key(header::LOCATION) {
            text = format!("the server answered HTTP {shown_status}{BAD_LOCATION}");
            remedy = Some(Remedy::InMessage);
        }
    } else if status.is_client_error() || status.is_server_error() {
        let explanation = explanation(&mut answer).await.map(|line| shown(&line, secrets));
        if hint.is_empty() {
            // A server that gives another reason does not speak TLS there.
            let may_want_tls = !endpoint.is_secure() && explanation.as_deref().is_none_or(is_about_tls);
            let wants_password =
                status == StatusCode::UNAUTHORIZED && wants_password(answer.response.headers());
            let meaning = if secrets.has_authorization && status == StatusCode::UNAUTHORIZED {
                WRONG_AUTHORIZATION
            } else if endpoint.basic().is_some() && wants_password {
                WRONG_PASSWORD
            } else {
                status_hint(status, answer.response.headers(), may_want_tls)
            };
            // What the server has too much of is better known to the server.
            let is_known = matches!(status.as_u16(), 429 | 503) && explanation.is_some();
            text.push_str(if is_known { "" } else { meaning });
            // Of no token's use.
            remedy = wants_password.then_some(Remedy::InMessage);
        }
        if let Some(delay) = retry_after {
            text = format!("{text}, and asks to wait for {} s", delay.as_secs());
        }
        if let Some(line) = explanation.filter(|line| !repeats(line, status)) {
            // What the engine of Socket.IO says to a request that does not name its transport.
            if line.contains("Transport unknown") {
                remedy = Some(Remedy::SocketIo);
            }
            text = format!("{text} (\"{line}\")");
        }
    }
    DialError { retry_after, remedy, ..DialError::new(kind, text) }
}

/// What to do about a redirect: the target as a URL of the kind that was given, if it is known as a whole.
fn given_instead(endpoint: &Endpoint, target: &str) -> String {
    let is_websocket = endpoint.to_string().starts_with("ws");
    match target.split_once("://") {
        // That of a Socket.IO server is the engine's.
        Some((scheme, address)) if !address.ends_with('…') && endpoint.engine_path().is_none() => {
            let scheme = match scheme {
                "http" if is_websocket => "ws",
                "https" if is_websocket => "wss",
                scheme => scheme,
            };
            format!("; if that is the server, give {scheme}://{address}")
        }
        _ => String::new(),
    }
}

/// Whether a server's message for HTTP 400 are those for a request without TLS, as nginx, Apache and Go have them.
fn is_about_tls(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["https", "ssl", "tls"].iter().any(|word| line.contains(word))
}

/// Whether it is an answer of HTTP 1.0, which knows no upgrade.
pub(crate) fn is_too_old(answer: &HttpResponse) -> bool {
    answer.response.version() < Version::HTTP_11
}

/// `Content-Type` without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    field(headers, header::CONTENT_TYPE)?.split(';').next().map(|kind| kind.trim().to_ascii_lowercase())
}

/// Whether the body is compressed.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity")
}

fn field(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// What `Retry-After` says. A date is as far away as the answer's own `Date` says, because the clocks may disagree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = field(headers, header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = field(headers, header::DATE).and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    Some(until.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

/// The first line of the body, if it is text.
async fn explanation(answer: &mut HttpResponse) -> Option<String> {
    let headers = answer.response.headers();
    let kind = media_type(headers).unwrap_or_else(|| "text/plain".to_owned());
    let is_text = kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("xml");
    if !is_text || is_encoded(headers) {
        return None;
    }
    let mut bytes = Vec::new();
    // What has come when the time is up is looked at all the same.
    let _ = timeout(BODY_TIMEOUT, body(answer, &mut bytes)).await;
    if kind.ends_with("json")
        && let Some(words) = message(&bytes)
    {
        return first_line(&words, false);
    }
    first_line(&String::from_utf8_lossy(&bytes), kind.ends_with("html"))
}

/// What an error in JSON says of itself, where it does so as most do.
fn message(body: &[u8]) -> Option<String> {
    let error: Value = serde_json::from_slice(body).ok()?;
    let words = error.get("message").or_else(|| error.get("error"))?;
    words.as_str().or_else(|| words.get("message")?.as_str()).map(String::from)
}

/// Reads the beginning of the body.
async fn body(answer: &mut HttpResponse, bytes: &mut Vec<u8>) {
    let HttpResponse { response, connection } = answer;
    poll_fn(|cx| {
        while bytes.len() < MAX_BODY {
            connection.poll(cx);
            match ready!(Pin::new(response.body_mut()).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    let room = MAX_BODY - bytes.len();
                    bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
                }
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}

/// The first line that says anything; of a page, of what it shows.
fn first_line(text: &str, is_page: bool) -> Option<String> {
    let shown = is_page.then(|| without_tags(text));
    let text = shown.as_deref().unwrap_or(text);
    let line = text.lines().map(str::trim).find(|line| line.contains(char::is_alphanumeric))?;
    Some(line.to_owned())
}

/// The text of a page's body, a line for each element.
fn without_tags(page: &str) -> String {
    let start = page.to_ascii_lowercase().find("<body").unwrap_or(0);
    let mut shown = String::new();
    let mut in_tag = false;
    for c in page.get(start..).unwrap_or_default().chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                shown.push('\n');
            }
            c if !in_tag => shown.push(c),
            _ => {}
        }
    }
    shown
}

/// What may be shown of a text: at most [`MAX_LINE`] characters, none of which acts on a terminal or hides, and no
/// secret. Cut last, so that no part of a secret stays.
fn shown(text: &str, secrets: &Secrets) -> String {
    let safe: String = text.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect();
    let safe = secrets.redact(&safe);
    let mut line: String = safe.chars().take(MAX_LINE).collect();
    if line.len() < safe.len() {
        line.push('…');
    }
    line
}

/// Whether a line is the status again, such as "404 Not Found".
fn repeats(line: &str, status: StatusCode) -> bool {
    let reason = status.canonical_reason().unwrap_or_default();
    [status.as_str(), reason, &status.to_string()].iter().any(|known| line.eq_ignore_ascii_case(known))
}

/// The number, and the name if it has one: those of some proxies (520, 521) are in no register.
fn in_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(name) => format!("{} {name}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn words_about_a_request_without_tls_are_told_from_others() {
        for line in
            ["The plain HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled port"]
        {
            assert!(is_about_tls(line), "{line}");
        }
        assert!(!is_about_tls("bad tenant id"));
    }

    #[test]
    fn a_server_says_when_to_come_back_in_seconds_or_as_a_date() {
        let of = |fields: &[(HeaderName, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            retry_after(&fields.collect()).map(|delay| delay.as_secs())
        };
        let (then, date) = (header::RETRY_AFTER, header::DATE);
        let moment = "Tue, 01 Dec 2026 10:00:30 GMT";
        assert_eq!(of(&[(then.clone(), " 7 ")]), Some(7));
        // Whatever this machine's clock says.
        assert_eq!(of(&[(then.clone(), moment), (date.clone(), "Tue, 01 Dec 2026 10:00:00 GMT")]), Some(30));
        assert_eq!(of(&[(then.clone(), moment), (date, "Tue, 01 Dec 2026 11:00:00 GMT")]), Some(0));
        assert_eq!(of(&[(then.clone(), "Thu, 01 Jan 1970 00:00:00 GMT")]), Some(0));
        for nothing in ["", "-1", "1.5", "soon", "Tue, 40 Dec 2026 10:00:30 GMT"] {
            assert_eq!(of(&[(then.clone(), nothing)]), None, "{nothing}");
        }
    }

    #[test]
    fn a_status_without_a_name_is_its_number() {
        assert_eq!(in_words(StatusCode::BAD_GATEWAY), "502 Bad Gateway");
        assert_eq!(in_words(StatusCode::from_u16(520).unwrap()), "520");
    }

    #[test]
    fn the_first_line_that_says_anything_is_taken() {
        for (text, expected) in [
            ("no room\nfor you", Some("no room")),
            ("\r\n\r\n  {\n  \"error\": \"x\"\n}", Some("\"error\": \"x\"")),
            ("{\"error\":\"x\"}", Some("{\"error\":\"x\"}")),
            ("", None),
            ("\n---\n", None),
        ] {
            assert_eq!(first_line(text, false).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn of_an_error_in_json_its_message_is_taken() {
        for (body, expected) in [
            (r#"{"code":"x","hint":"y","message":"too many rooms"}"#, Some("too many rooms")),
            (r#"{"error":"too many rooms"}"#, Some("too many rooms")),
            (r#"{"error":{"code":7,"message":"too many rooms"}}"#, Some("too many rooms")),
            (r#"{"message":7}"#, None),
            (r#"["message"]"#, None),
            ("{", None),
        ] {
            assert_eq!(message(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn of_a_page_its_visible_text_is_taken() {
        let express = "<!DOCTYPE html>\n<html>\n<head>\n<title>Error</title>\n</head>\n<body>\n<pre>Cannot GET /ws</pre>\n";
        assert_eq!(first_line(express, true).as_deref(), Some("Cannot GET /ws"));
        let nginx =
            "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1>";
        assert_eq!(first_line(nginx, true).as_deref(), Some("404 Not Found"));
        assert!(
            repeats("404 Not Found", StatusCode::NOT_FOUND) && repeats("not found", StatusCode::NOT_FOUND)
        );
        assert_eq!(first_line("<p>unfinished <a href=", true).as_deref(), Some("unfinished"));
    }

    #[test]
    fn a_line_is_bounded_and_harmless_and_no_part_of_a_secret_stays() {
        let mut secrets = Secrets::default();
        assert_eq!(shown("\u{1b}[2J\u{202e}x\u{7}", &secrets), "[2Jx");
        let long = shown(&"ü".repeat(5000), &secrets);
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_LINE + 1, true));
        secrets.add("a-long-secret");
        let cut = shown(&format!("{}a-long-secret", "x".repeat(MAX_LINE - 5)), &secrets);
        assert_eq!(cut, format!("{}…", "x".repeat(MAX_LINE - 5)));
    }
}
