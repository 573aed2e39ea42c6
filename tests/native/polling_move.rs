//! The move from long polling to a WebSocket on a server that answers a POST only when something was taken from it.

use crate::{quick, until_state, within};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper_util::rt::TokioIo;
use rejoin::SocketIo;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

const OPEN: &str =
    r#"0{"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

#[derive(Default)]
struct Server {
    polls: AtomicUsize,
    /// A POST waits for its answer.
    held: Notify,
    /// The WebSocket has shown that it works.
    probed: Notify,
    /// Something more was taken.
    taken: Notify,
    moved: Notify,
}

async fn serve(State(server): State<Arc<Server>>, request: Request<Body>) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let has_session = query.contains("sid=s");
    match (query.contains("transport=websocket"), request.method() == Method::POST) {
        (true, _) if !has_session => StatusCode::BAD_REQUEST.into_response(),
        (true, _) => upgrade(server, request),
        (false, false) if !has_session => OPEN.into_response(),
        (false, false) => match server.polls.fetch_add(1, Ordering::AcqRel) {
            0 => r#"40{"sid":"t"}"#.into_response(),
            1 => {
                server.probed.notified().await;
                "6".into_response()
            }
            _ => {
                server.taken.notify_one();
                r#"42["taken"]"#.into_response()
            }
        },
        (false, true) => {
            let body = axum::body::to_bytes(request.into_body(), 10_000).await.unwrap();
            // The consent of the namespace is asked for before anything is sent there.
            if !body.starts_with(b"40") {
                server.held.notify_one();
                server.taken.notified().await;
            }
            "ok".into_response()
        }
    }
}

fn upgrade(server: Arc<Server>, mut request: Request<Body>) -> Response {
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let tcp = TokioIo::new(upgraded.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(tcp, Role::Server, None).await;
        while let Some(Ok(Message::Text(packet))) = socket.next().await {
            if packet == "5" {
                server.moved.notify_one();
            } else {
                assert_eq!(packet, "2probe");
                server.held.notified().await;
                socket.send(Message::from("3probe")).await.unwrap();
                server.probed.notify_one();
            }
        }
    });
    let fields = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", &accept)];
    (StatusCode::SWITCHING_PROTOCOLS, fields).into_response()
}

#[tokio::test]
async fn before_the_move_a_server_is_asked_for_packets_until_it_has_answered_what_was_sent() {
    let server = Arc::<Server>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(serve).with_state(Arc::clone(&server));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let builder = quick(&url, "ada").backoff(Duration::from_millis(100), Duration::from_millis(200));
    let (client, mut events) = builder.socket_io(SocketIo::default()).connect().unwrap();
    until_state(&mut events, "the connection", |state| *state == rejoin::State::Connected).await;
    let _outcome = client.emit("held", &1);
    within("the move", server.moved.notified()).await;
}
