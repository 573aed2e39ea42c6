//! Tokens that the application itself knows: by its own endpoint, or by its own code.

use crate::client::{Client, server, soon};
use crate::feed::{path, request};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use rejoin_server::auth::{Authenticator, HttpAuth, User};
use rejoin_server::hub::{Right, Rights};
use rejoin_server::{Auth, Server, ServerHandle};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// An application's endpoint: what it was asked, and what it is to say.
#[derive(Default)]
struct Application {
    asked: Mutex<Vec<Value>>,
    says: Mutex<Option<(StatusCode, String, Option<&'static str>)>>,
    /// Answers wait for this, if they are held.
    held: Mutex<Option<Arc<Notify>>>,
}

impl Application {
    fn says(&self, status: StatusCode, body: &Value, cache: Option<&'static str>) {
        *self.says.lock().unwrap() = Some((status, body.to_string(), cache));
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(app): State<Arc<Application>>, Json(question): Json<Value>) -> Response {
    app.asked.lock().unwrap().push(question);
    let held = app.held.lock().unwrap().clone();
    if let Some(held) = held {
        held.notified().await;
    }
    let (status, body, cache) = app.says.lock().unwrap().clone().unwrap();
    match cache {
        Some(cache) => (status, [(CACHE_CONTROL, cache)], body).into_response(),
        None => (status, body).into_response(),
    }
}

async fn world() -> (Arc<Application>, ServerHandle) {
    let app = Arc::<Application>::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth", listener.local_addr().unwrap());
    let router = Router::new().route("/auth", post(answer)).with_state(Arc::clone(&app));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let auth = Auth::Http(HttpAuth::new(&url).unwrap());
    let server = server(|config| {
        config.auth = auth;
        config.allow_origin = vec![String::from("https://app.example")];
    })
    .await;
    (app, server)
}

async fn status(server: &ServerHandle, token: &str) -> u16 {
    request(&server.url(), "HEAD", &path("lobby", token), &[]).await.status
}

#[tokio::test]
async fn an_endpoint_is_told_the_token_the_address_and_the_page_and_says_who_it_is_with_which_rights() {
    let (app, server) = world().await;
    app.says(StatusCode::OK, &json!({"user": "ada", "rooms": {"lobby": ["join"]}}), None);
    let url = format!("{}?ext=1&token=s3cret", server.url());
    let mut ada = Client::try_open(&url, &[("origin", "https://app.example")]).await.unwrap();
    assert_eq!(ada.hear_json().await["userId"], "ada");
    assert_eq!(
        app.asked(),
        [json!({"token": "s3cret", "client": "127.0.0.1", "origin": "https://app.example"})]
    );
    let no = ada.answer(&json!({"type": "join_room", "roomId": "ops", "ref": "j"})).await;
    assert_eq!(no["code"], "forbidden");
    let refreshed = ada.answer(&json!({"type": "auth", "ref": "a", "token": "newer"})).await;
    assert_eq!(refreshed["type"], "auth_ok");
    assert_eq!(app.asked()[1], json!({"token": "newer", "client": "127.0.0.1", "origin": null}));
    let endpoint = server.url().replace("/ws", "/socket.io/?EIO=4&transport=websocket");
    let mut socketio = Client::try_open(&endpoint, &[]).await.unwrap();
    socketio.hear().await;
    socketio.say(r#"40{"token":"third"}"#).await;
    assert!(socketio.hear().await.starts_with("40{"));
}

#[tokio::test]
async fn an_answer_counts_for_its_stated_time_and_no_longer() {
    let (app, server) = world().await;
    app.says(StatusCode::OK, &json!({"user": "ada"}), Some("private, max-age=600"));
    for _ in 0..3 {
        assert_eq!(status(&server, "kept").await, 200);
    }
    assert_eq!(app.asked().len(), 1);
    app.says(StatusCode::OK, &json!({"user": "ada"}), None);
    for _ in 0..3 {
        assert_eq!(status(&server, "fresh").await, 200);
    }
    assert_eq!(app.asked().len(), 4);
    app.says(StatusCode::UNAUTHORIZED, &json!({}), None);
    assert_eq!((status(&server, "kept").await, status(&server, "fresh").await), (200, 401));
}

#[tokio::test]
async fn many_who_show_one_token_at_once_ask_once() {
    let (app, server) = world().await;
    app.says(StatusCode::OK, &json!({"user": "ada"}), None);
    let held = Arc::new(Notify::new());
    *app.held.lock().unwrap() = Some(Arc::clone(&held));
    let url = server.url();
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { request(&url, "HEAD", &path("lobby", "s3cret"), &[]).await.status })
        })
        .collect();
    // All have asked when all are in places of connections, which only the answer frees.
    soon(async {
        while app.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    *app.held.lock().unwrap() = None;
    held.notify_waiters();
    held.notify_one();
    for answer in tries {
        assert_eq!(soon(answer).await.unwrap(), 200);
    }
    assert!(app.asked().len() < 20, "{}", app.asked().len());
}

#[tokio::test]
async fn who_is_refused_is_refused_for_good_and_who_cannot_be_asked_about_may_come_later() {
    let (app, server) = world().await;
    for refusal in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        app.says(refusal, &json!({}), None);
        assert_eq!(status(&server, "bad").await, 401);
        let mut client = Client::open(&server.url(), "bad").await;
        assert_eq!(client.close_code().await, 4001);
    }
    for failure in
        [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_FOUND, StatusCode::FOUND, StatusCode::NO_CONTENT]
    {
        app.says(failure, &json!({}), None);
        let answer = request(&server.url(), "GET", &path("lobby", "any"), &[]).await;
        assert_eq!(
            (answer.status, answer.headers.contains_key(RETRY_AFTER.as_str())),
            (503, true),
            "{failure}"
        );
    }
    app.says(StatusCode::OK, &json!({"user": "ada", "rooms": "everything"}), None);
    let error = Client::try_open(&format!("{}?token=any", server.url()), &[]).await.err().unwrap();
    assert!(error.to_string().contains("503"), "{error}");
    let endpoint = server.url().replace("/ws", "/socket.io/?EIO=4&transport=websocket");
    let mut socketio = Client::try_open(&endpoint, &[]).await.unwrap();
    socketio.hear().await;
    socketio.say(r#"40{"token":"any"}"#).await;
    // Cut, so that the client comes back by itself: after a refusal it would not.
    assert!(socketio.next().await.is_err());
}

#[tokio::test]
async fn an_open_connection_stays_when_its_new_token_cannot_be_asked_about() {
    let (app, server) = world().await;
    app.says(StatusCode::OK, &json!({"user": "ada"}), None);
    let (mut ada, _) = Client::extended(&server.url(), "s3cret").await;
    app.says(StatusCode::BAD_GATEWAY, &json!({}), None);
    let refresh = json!({"type": "auth", "ref": "a", "token": "newer"});
    assert_eq!(ada.answer(&refresh).await["code"], "overloaded");
    app.says(StatusCode::OK, &json!({"user": "ada"}), None);
    assert_eq!(ada.answer(&refresh).await["type"], "auth_ok");
    app.says(StatusCode::OK, &json!({"user": "bob"}), None);
    ada.ask(&refresh).await;
    assert_eq!(ada.close_code().await, 4002);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_or_says_nothing_lets_nobody_in_and_refuses_nobody() {
    let gone = Auth::Http(HttpAuth::new("http://127.0.0.1:1/auth").unwrap());
    let server = server(|config| config.auth = gone).await;
    assert_eq!(status(&server, "any").await, 503);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let auth = HttpAuth::new(&format!("http://{}/auth", silent.local_addr().unwrap())).unwrap();
    let server = crate::client::server(|config| config.auth = Auth::Http(auth)).await;
    assert_eq!(status(&server, "any").await, 503, "after its deadline");
}

#[tokio::test]
async fn a_function_says_who_it_is() {
    let server = Server::builder()
        .authenticate(async |token, request| match &*token {
            "s3cret" if request.client.is_loopback() => {
                let rights = Rights::from_patterns([("lobby", &[Right::Join][..])])?;
                Ok(Some(User::new("ada").with_rights(rights).with_ttl(Duration::from_secs(60))))
            }
            "away" => Err(Box::<dyn std::error::Error + Send + Sync>::from("the database is away")),
            _ => Ok(None),
        })
        .bind()
        .await
        .unwrap()
        .spawn();
    let (mut ada, hello) = Client::extended(&server.url(), "s3cret").await;
    assert_eq!((&hello["userId"], hello["auth"]["expiresInMs"].is_u64()), (&json!("ada"), true));
    let no = ada.answer(&json!({"type": "join_room", "roomId": "ops", "ref": "j"})).await;
    assert_eq!(no["code"], "forbidden");
    assert_eq!((status(&server, "away").await, status(&server, "bad").await), (503, 401));
    let auth =
        Authenticator::new(async |_, _| -> Result<Option<User>, String> { std::future::pending().await });
    let slow = crate::client::server(|config| config.auth = Auth::Custom(auth)).await;
    assert_eq!(status(&slow, "any").await, 503, "after its deadline");
}
