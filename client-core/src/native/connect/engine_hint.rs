//! Hints for failed dials of a Socket.IO server's engine: the probable cause, and what to do about it. Does no I/O.

use crate::cause::{DialError, DialErrorKind, Remedy};
use crate::socketio::EngineTransport;

/// A dial of the engine at `path` that failed, with what such a failure means there.
pub(super) fn explain(mut error: DialError, path: &str, transport: EngineTransport) -> DialError {
    let says = |words: &str| error.text.contains(words);
    // In the words of Engine.IO's own server, and of python-engineio.
    let refuses_transport = says("Transport unknown") || says("Invalid transport");
    let status = match error.kind {
        DialErrorKind::Http(status) => Some(status),
        _ => None,
    };
    let hint = if status == Some(400) && refuses_transport {
        error.refuses_transport = true;
        match transport {
            EngineTransport::WebSocket => {
                "this Socket.IO server allows long polling only: it is tried next where this client may use it"
            }
            EngineTransport::Polling => "this Socket.IO server allows no long polling, only its transport \"websocket\"",
        }
        .to_owned()
    } else if status == Some(400) && says("Unsupported protocol version") {
        "the server speaks Socket.IO 2 or older: this client needs version 3 or later".to_owned()
    } else if path != "/socket.io/"
        && (matches!(status, Some(400 | 404 | 426 | 501))
            || matches!(error.kind, DialErrorKind::NotWebSocket | DialErrorKind::Unreachable))
    {
        let namespace = path.trim_end_matches('/');
        format!(
            "the URL's path is that of the engine: if {namespace} is a namespace, leave it out of the URL and give it \
             as one (--namespace {namespace})"
        )
    } else {
        return error;
    };
    error.text = format!("{}; {hint}", error.text).into();
    error.remedy = Some(Remedy::InMessage);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_dial_of_the_engine_says_what_it_means_there() {
        let of = |kind, text: &str, path| {
            explain(DialError::new(kind, text), path, EngineTransport::WebSocket).text
        };
        for words in ["Transport unknown", "Invalid transport"] {
            let refused = DialError::new(DialErrorKind::Http(400), format!("HTTP 400 (\"{words}\")"));
            let refused = explain(refused, "/socket.io/", EngineTransport::WebSocket);
            assert!(refused.refuses_transport && refused.text.contains("polling only"), "{refused:?}");
        }
        let old = of(DialErrorKind::Http(400), "HTTP 400 (\"Unsupported protocol version\")", "/socket.io/");
        assert!(old.contains("Socket.IO 2"), "{old}");
        for kind in [DialErrorKind::Http(404), DialErrorKind::NotWebSocket, DialErrorKind::Unreachable] {
            let text = of(kind, "no", "/chat/room/");
            assert!(text.contains("--namespace /chat/room)"), "{text}");
            assert_eq!(&*of(kind, "no", "/socket.io/"), "no");
        }
        for kind in
            [DialErrorKind::Refused, DialErrorKind::Dns, DialErrorKind::Http(503), DialErrorKind::Timeout]
        {
            assert_eq!(&*of(kind, "no", "/chat/"), "no");
        }
    }
}
