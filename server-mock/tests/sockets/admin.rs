//! The admin listener.

use crate::admission::{address, http};
use crate::client::{Client, join, message, server, soon};
use crate::feed::{feed, path};
use crate::logbook::Logbook;
use crate::socketio::Session;
use rejoin_server::{AdminToken, BindError, Config, Server, ServerHandle};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) async fn call(url: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    call_with(url, method, path, "Host: localhost", body).await
}

async fn call_with(url: &str, method: &str, path: &str, fields: &str, body: &str) -> (u16, String) {
    let head = format!(
        "{method} {path} HTTP/1.1\n{fields}\nConnection: close\nContent-Type: application/json\nContent-Length: {}\n\n",
        body.len()
    );
    let answer = http(url, &(head + body)).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), String::from(body))
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told_without_names() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let _ada = Client::in_room(&server.url(), "ada-canary", "room-canary").await;
    assert_eq!(call(&admin, "GET", "/healthz", "").await, (200, String::from("ok\n")));
    assert_eq!(call(&admin, "GET", "/readyz", "").await.0, 200);
    let (status, text) = call(&admin, "GET", "/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "rejoin_sockets 1",
        "rejoin_rooms 1",
        "rejoin_logs 1",
        "rejoin_lines 0",
        "rejoin_ready 1",
        "rejoin_frames_received_total 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("canary"));
}

#[tokio::test]
async fn the_admin_routes_are_not_on_the_public_listener() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    for path in ["/metrics", "/faults", "/healthz"] {
        assert_eq!(call(&server.url(), "GET", path, "").await.0, 404);
    }
}

#[tokio::test]
async fn faults_are_added_listed_and_cleared() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let fault = r#"{"kind":"refuse","count":3,"code":500}"#;
    assert_eq!(call(&admin, "POST", "/faults", fault).await, (204, String::new()));
    assert_eq!(call(&admin, "GET", "/faults", "").await, (200, format!("[{fault}]")));
    assert_eq!(call(&admin, "DELETE", "/faults", "").await, (204, String::new()));
    assert_eq!(call(&admin, "GET", "/faults", "").await, (200, String::from("[]")));
    let mut ada = Client::open(&server.url(), "ada").await;
    ada.sync().await;
    call(&admin, "POST", "/faults", r#"{"kind":"close","user":"ada","code":1013}"#).await;
    assert_eq!(ada.close_code().await, 1013);
}

#[tokio::test]
async fn a_bad_fault_is_refused_with_the_reason() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    for (body, status, part) in [
        ("{", 400, "JSON"),
        (r#"{"kind":"explode"}"#, 422, "explode"),
        (r#"{"kind":"drop","when":1}"#, 422, "when"),
        (r#"{"kind":"drop","ms":1}"#, 422, "a drop fault has no ms"),
    ] {
        let (found, answer) = call(&admin, "POST", "/faults", body).await;
        assert_eq!(found, status, "{answer}");
        assert!(answer.starts_with(r#"{"error":"#) && answer.contains(part), "{answer}");
    }
    let (status, _) =
        call(&admin, "POST", "/faults", &format!("{{\"kind\":\"{}\"}}", "x".repeat(20_000))).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_notification_reaches_its_user_now_or_on_the_next_connection() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let join = json!({"type": "join_room", "roomId": "@me", "ref": "1", "history": 10});
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(ada.answer(&join).await["type"], "joined");
    let (status, answer) =
        call(&admin, "POST", "/users/ada/notifications", r#"{"kind":"invite","data":{"room":"x"}}"#).await;
    let id = serde_json::from_str::<Value>(&answer).unwrap()["id"].clone();
    let heard = ada.hear_json().await;
    assert_eq!((status, &heard["type"], &heard["id"]), (202, &json!("notification"), &id));
    assert_eq!((&heard["kind"], &heard["data"]), (&json!("invite"), &json!({"room": "x"})));
    let (mut later, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(later.answer(&join).await["replay"], 1);
    assert_eq!(later.hear_json().await["id"], id);
}

#[tokio::test]
async fn a_post_is_made_once_per_key() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let mut ada = Client::in_room(&server.url(), "ada", "caf\u{e9}").await;
    let body = r#"{"userId":"bot","content":"hi","data":[1]}"#;
    let path = "/rooms/caf%C3%A9/messages HTTP/1.1\nIdempotency-Key: k-1\nX-Rest:";
    let (first, one) = call(&admin, "POST", path, body).await;
    let (again, other) = call(&admin, "POST", path, body).await;
    assert_eq!((first, again), (201, 200));
    assert_eq!(one, other);
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["seq"], 1);
    let heard = ada.hear_json().await;
    assert_eq!((&heard["userId"], &heard["content"], heard.get("data")), (&json!("bot"), &json!("hi"), None));
    ada.sync().await;
    // The same key with something else is a mistake of the caller's, and not a repetition.
    for other in [
        r#"{"userId":"bot","content":"ho","data":[1]}"#,
        r#"{"userId":"bob","content":"hi","data":[1]}"#,
        r#"{"userId":"bot","content":"hi"}"#,
    ] {
        let (status, answer) = call(&admin, "POST", path, other).await;
        assert!(status == 422 && answer.contains("Idempotency-Key"), "{status} {answer}");
    }
    ada.sync().await;
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_with_the_reason() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let long = format!(r#"{{"userId":"bot","content":"{}"}}"#, "x".repeat((8 << 10) + 1));
    let (open, close) = ("[".repeat(65), "]".repeat(65));
    let deep = format!(r#"{{"userId":"bot","content":"x","data":{open}{close}}}"#);
    for (path, body, status) in [
        ("/users/ada/notifications", "{}", 422),
        ("/users/ada/notifications", r#"{"kind":"","data":1}"#, 422),
        ("/users/a%E2%80%AEb/notifications", r#"{"kind":"k"}"#, 422),
        ("/rooms/@ada/messages", r#"{"userId":"bot","content":"x"}"#, 422),
        ("/rooms/lobby/messages", r#"{"content":"x"}"#, 422),
        ("/rooms/lobby/messages", "{", 400),
        ("/rooms/lobby/messages", &long, 413),
        ("/rooms/lobby/messages", &deep, 422),
        (
            "/rooms/lobby/messages HTTP/1.1\nIdempotency-Key: a b\nX-Rest:",
            r#"{"userId":"bot","content":"x"}"#,
            400,
        ),
    ] {
        let (found, answer) = call(&admin, "POST", path, body).await;
        assert_eq!(found, status, "{path} {answer}");
        assert!(answer.starts_with(r#"{"error":"#), "{answer}");
    }
    // Each cause has words of its own.
    for (path, body, words) in [
        ("/users/ada/notifications", r#"{"kind":""}"#, "kind has 0 bytes"),
        (
            "/users/ada/notifications",
            &format!(r#"{{"kind":"k","data":{open}{close}}}"#),
            "more than 64 levels",
        ),
        ("/rooms/@ada/messages", r#"{"userId":"bot","content":"x"}"#, "the path names no room"),
        ("/rooms/lobby/messages", &deep, "more than 64 levels"),
        ("/rooms/lobby/messages", &long, "more than 8192 bytes together"),
    ] {
        let answer = call(&admin, "POST", path, body).await.1;
        assert!(answer.contains(words), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_refused_with_words_and_those_it_has() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let (admin, public) = (server.admin_url().unwrap(), server.url());
    for (url, method, path, allow) in [
        (&admin, "POST", "/users", "GET,HEAD"),
        (&admin, "POST", "/users/ada", "GET,HEAD,DELETE"),
        (&admin, "GET", "/users/ada/notifications", "POST"),
        (&admin, "PUT", "/faults", "POST,GET,HEAD,DELETE"),
        (&admin, "DELETE", "/bans", "GET,HEAD"),
        (&admin, "POST", "/healthz", "GET,HEAD"),
        (&admin, "POST", "/metrics", "GET,HEAD"),
        (&admin, "DELETE", "/", "GET,HEAD"),
        (&public, "POST", "/ws", "GET,HEAD"),
        (&public, "DELETE", "/demo/", "GET,HEAD"),
    ] {
        let request =
            format!("{method} {path} HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 0\n\n");
        let answer = http(url, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 405 "), "{method} {path}: {answer}");
        let allowed = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("allow: ").map(str::to_uppercase));
        assert_eq!(allowed.as_deref(), Some(allow), "{method} {path}: {answer}");
        assert!(
            body.contains(&format!("{method} means nothing for {path}")) && body.contains("Allow"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn half_of_a_surrogate_pair_in_a_post_is_taken_for_u_fffd() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    let body = r#"{"userId":"bot","content":"look \ud83d"}"#;
    assert_eq!(call(&admin, "POST", "/rooms/lobby/messages", body).await.0, 201);
    assert_eq!(ada.hear_json().await["content"], "look \u{fffd}");
}

/// A server with an admin listener, and that one's URL.
async fn administered() -> (ServerHandle, String) {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    (server, admin)
}

async fn ask(admin: &str, method: &str, path: &str) -> (u16, Value) {
    let (status, text) = call(admin, method, path, "").await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn the_first_page_lists_every_route() {
    let (_server, admin) = administered().await;
    let (status, routes) = ask(&admin, "GET", "/").await;
    assert_eq!(status, 200);
    for route in [
        "GET /metrics",
        "DELETE /users/{id}",
        "DELETE /rooms/{id}",
        "DELETE /rooms/{id}/members/{user}",
        "GET /revocations",
        "POST /faults",
        "GET /bans",
        "DELETE /bans/{user}",
    ] {
        assert!(routes.get(route).is_some(), "{routes}");
    }
    assert_eq!(ask(&admin, "GET", "/nothing").await.0, 404);
}

#[tokio::test]
async fn users_and_rooms_are_listed_in_pages() {
    let (server, admin) = administered().await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    ada.say(&join("attic")).await;
    ada.sync().await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    bob.answer(&json!({"type": "join_room", "roomId": "lobby", "ref": "1"})).await;
    let mut second = Client::open(&server.url(), "ada").await;
    second.sync().await;
    assert_eq!(
        ask(&admin, "GET", "/users").await,
        (
            200,
            json!({"users": [{"id": "ada", "connections": 2}, {"id": "bob", "connections": 1}], "next": null})
        )
    );
    assert_eq!(
        ask(&admin, "GET", "/users?limit=1").await.1,
        json!({"users": [{"id": "ada", "connections": 2}], "next": "ada"})
    );
    assert_eq!(ask(&admin, "GET", "/users?limit=1&after=ada").await.1["users"][0]["id"], "bob");
    let ada = ask(&admin, "GET", "/users/ada").await.1;
    assert_eq!(ada["rooms"], json!(["attic", "lobby"]));
    assert!(ada["connections"][0]["ageSecs"].is_u64(), "{ada}");
    let mut first = ada["connections"][0].clone();
    first.as_object_mut().unwrap().remove("ageSecs");
    let known = json!({"protocol": "plain", "transport": "websocket", "address": "127.0.0.1", "rooms": ["attic", "lobby"]});
    assert_eq!(first, known);
    assert_eq!(ask(&admin, "GET", "/users/bob").await.1["connections"][0]["protocol"], "extended");
    assert_eq!(ask(&admin, "GET", "/users/nobody").await.0, 404);
    let rooms = ask(&admin, "GET", "/rooms").await.1;
    assert_eq!(rooms["rooms"][0]["id"], "attic");
    assert_eq!((&rooms["rooms"][1]["members"], &rooms["rooms"][1]["connections"]), (&json!(2), &json!(2)));
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 2, "no personal stream: {rooms}");
    assert_eq!(
        ask(&admin, "GET", "/rooms/lobby/members").await.1,
        json!({"members": [{"id": "ada", "connections": 1}, {"id": "bob", "connections": 1}], "next": null})
    );
    for path in ["/rooms/nowhere/members", "/rooms/%40bob/members"] {
        assert_eq!(ask(&admin, "GET", path).await.0, 404, "{path}");
    }
    for path in ["/users", "/bans", "/rooms", "/rooms/lobby/members"] {
        for odd in ["limit=x", "limit=0", "limit=10001", "limit=99999999999999999999", "limits=1"] {
            let (status, answer) = ask(&admin, "GET", &format!("{path}?{odd}")).await;
            assert_eq!(status, 400, "{path}?{odd}: {answer}");
        }
    }
}

#[tokio::test]
async fn each_connection_of_a_user_is_shown_with_what_carries_it_now() {
    let (server, admin) = administered().await;
    let carried = async || {
        let shown = ask(&admin, "GET", "/users/ada").await.1;
        let connections = shown["connections"].as_array().unwrap();
        let carried = connections.iter().map(|connection| {
            let text = |field: &str| String::from(connection[field].as_str().unwrap());
            (text("protocol"), text("transport"), text("address"))
        });
        carried.collect::<Vec<_>>()
    };
    let known = |protocol: &str, transport: &str| {
        (String::from(protocol), String::from(transport), String::from("127.0.0.1"))
    };
    let polling = Session::in_room(&server, "ada", "lobby").await;
    let mut feed = feed(&server.url(), &path("lobby", "ada")).await;
    feed.block().await;
    assert_eq!(carried().await, [known("socketio", "polling"), known("feed", "sse")]);
    let mut upgraded = Client::try_open(&polling.websocket(), &[]).await.unwrap();
    upgraded.say("2probe").await;
    assert_eq!(upgraded.hear().await, "3probe");
    upgraded.say("5").await;
    upgraded.say(r#"42["send_message",{"roomId":"lobby","content":"hi"}]"#).await;
    upgraded.hear().await;
    assert_eq!(carried().await, [known("socketio", "websocket"), known("feed", "sse")]);
}

#[tokio::test]
async fn a_user_who_is_removed_from_a_room_hears_it_no_more() {
    let (server, admin) = administered().await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    bob.answer(&json!({"type": "join_room", "roomId": "lobby", "ref": "1"})).await;
    assert_eq!(ask(&admin, "DELETE", "/rooms/lobby/members/bob").await.0, 204);
    let left = bob.hear_json().await;
    assert_eq!((&left["type"], &left["code"]), (&json!("left"), &json!("forbidden")));
    assert_eq!(ask(&admin, "DELETE", "/rooms/lobby/members/bob").await.0, 404);
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    ada.say(&message("lobby", "hi")).await;
    ada.hear().await;
    bob.ask(&json!({"type": "ping", "t": 1})).await;
    assert_eq!(bob.hear_json().await["type"], "pong");
}

#[tokio::test]
async fn a_kick_closes_every_connection_of_the_user_and_a_ban_keeps_the_user_out_until_it_is_lifted() {
    let (server, admin) = administered().await;
    let mut first = Client::in_room(&server.url(), "ada", "lobby").await;
    let (mut second, _) = Client::extended(&server.url(), "ada").await;
    let mut bob = Client::in_room(&server.url(), "bob", "lobby").await;
    first.hear().await;
    assert_eq!(ask(&admin, "DELETE", "/users/ada").await, (200, json!({"closed": 2})));
    assert_eq!((first.close_code().await, second.close_code().await), (4003, 4003));
    bob.sync().await;
    // Without a ban the user may come again.
    let mut again = Client::open(&server.url(), "ada").await;
    again.sync().await;
    assert_eq!(ask(&admin, "DELETE", "/users/ada?ban=3600").await.1, json!({"closed": 1}));
    assert_eq!(again.close_code().await, 4003);
    let mut banned = Client::open(&server.url(), "ada").await;
    assert_eq!(banned.close_code().await, 4003);
    let feed = http(&server.url(), "GET /rooms/lobby/events?token=ada HTTP/1.1\nHost: localhost\n\n").await;
    assert!(feed.starts_with("HTTP/1.1 403 ") && feed.contains("operator"), "{feed}");
    assert!(ask(&admin, "GET", "/users/ada").await.1["bannedForSecs"].as_u64().unwrap() > 3_500);
    bob.sync().await;
    for odd in ["ban=0", "ban=31622401", "ban=4294967296", "ban=-1", "ban=soon", "ban=", "time=5"] {
        let (status, answer) = ask(&admin, "DELETE", &format!("/users/ada?{odd}")).await;
        assert_eq!(status, 400, "{odd}: {answer}");
        let says = answer["error"].as_str().unwrap();
        assert!(!odd.contains("000") && odd != "ban=0" || says.contains("between 1 and 31622400"), "{says}");
    }
    assert!(ask(&admin, "GET", "/users/ada").await.1["bannedForSecs"].as_u64().unwrap() > 3_500);
    assert_eq!(ask(&admin, "DELETE", "/bans/ada").await.0, 204);
    let mut back = Client::open(&server.url(), "ada").await;
    back.sync().await;
}

#[tokio::test]
async fn bans_are_listed_in_pages_and_lifted_one_by_one() {
    let (server, admin) = administered().await;
    assert_eq!(ask(&admin, "GET", "/bans").await, (200, json!({"bans": [], "next": null})));
    for user in ["ada", "bob", "eve"] {
        ask(&admin, "DELETE", &format!("/users/{user}?ban=3600")).await;
    }
    let (_, page) = ask(&admin, "GET", "/bans?limit=2").await;
    let ids = |page: &Value| -> Vec<String> {
        page["bans"].as_array().unwrap().iter().map(|ban| ban["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((ids(&page), &page["next"]), (vec!["ada".into(), "bob".into()], &json!("bob")));
    assert!(page["bans"][0]["bannedForSecs"].as_u64().unwrap() > 3_500, "{page}");
    assert_eq!(ids(&ask(&admin, "GET", "/bans?after=bob").await.1), ["eve"]);
    assert_eq!(ask(&admin, "GET", "/bans?limit=x").await.0, 400);
    assert_eq!(call(&admin, "DELETE", "/bans/bob", "").await, (204, String::new()));
    let (status, answer) = ask(&admin, "DELETE", "/bans/bob").await;
    assert!(status == 404 && answer["error"].as_str().unwrap().contains("GET /bans"), "{answer}");
    let mut bob = Client::open(&server.url(), "bob").await;
    bob.sync().await;
    // Lifting nothing closes nothing.
    assert_eq!(ask(&admin, "DELETE", "/bans/bob").await.0, 404);
    bob.sync().await;
    let mut ada = Client::open(&server.url(), "ada").await;
    assert_eq!(ada.close_code().await, 4003);
    assert_eq!(ids(&ask(&admin, "GET", "/bans").await.1), ["ada", "eve"]);
}

const TOKEN: &str = "canary-0123456789";

async fn protected() -> (ServerHandle, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let token = AdminToken::read(&folder.path().join("token")).unwrap();
    let server = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.admin_token = Some(token);
    })
    .await;
    let admin = server.admin_url().unwrap();
    (server, admin, folder)
}

#[tokio::test]
async fn with_a_token_file_only_health_is_told_without_the_token() {
    let (_server, admin, _folder) = protected().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(call(&admin, "GET", path, "").await.0, 200);
    }
    for field in ["X: y", "Authorization: Bearer wrong-0123456789", "Authorization: Basic canary-0123456789"]
    {
        for (method, path) in
            [("GET", "/metrics"), ("GET", "/users"), ("DELETE", "/users/ada"), ("GET", "/x")]
        {
            let fields = format!("Host: localhost\n{field}");
            let (status, answer) = call_with(&admin, method, path, &fields, "").await;
            assert_eq!(status, 401, "{method} {path}");
            assert!(!answer.contains("canary"), "{answer}");
        }
    }
    let fields = format!("Host: localhost\nAuthorization: bearer {TOKEN}");
    let (status, metrics) = call_with(&admin, "GET", "/metrics", &fields, "").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("rejoin_refused_total{cause=\"admin_token\"} 12\n"), "{metrics}");
}

#[tokio::test]
async fn who_guesses_admin_tokens_waits_for_longer_each_time_and_fills_no_log() {
    let log = Logbook::open();
    let (_server, admin, _folder) = protected().await;
    let with = |token: &str| format!("Host: localhost\nAuthorization: Bearer {token}");
    for _ in 0..20 {
        assert_eq!(call_with(&admin, "GET", "/users", &with("canary-wrong"), "").await.0, 401);
    }
    let request = format!("GET /users HTTP/1.1\n{}\nConnection: close\n\n", with("canary-wrong"));
    let answer = http(&admin, &request).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 1\r\n"), "{answer}");
    // Whoever has the right one is not kept out by those who guess from the same address.
    assert_eq!(call_with(&admin, "GET", "/users", &with(TOKEN), "").await.0, 200);
    assert_eq!(call(&admin, "GET", "/healthz", "").await.0, 200);
    let told = log.lines("127.0.0.1");
    let of = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    assert_eq!((of("cause=\"admin_token\""), of("cause=\"admin_tokens\"")), (1, 1), "{told:?}");
    assert_eq!((of("status=401"), of("status=429"), of("status=200")), (0, 0, 1), "{told:?}");
    assert!(log.lines("canary").is_empty(), "{told:?}");
}

#[tokio::test]
async fn no_route_takes_a_query_that_means_nothing_there() {
    let (_server, admin) = administered().await;
    for (method, path) in [
        ("GET", "/users/ada?limit=1"),
        ("GET", "/?x"),
        ("DELETE", "/bans/ada?now=1"),
        ("GET", "/faults?limit=1"),
        ("DELETE", "/rooms/a/members/b?ban=1"),
        ("POST", "/rooms/a/messages?key=1"),
        ("POST", "/users/a/notifications?ban=1"),
    ] {
        let (status, answer) = ask(&admin, method, path).await;
        assert_eq!(status, 400, "{method} {path}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains("no query"), "{answer}");
    }
    // Whoever scrapes and probes may add what it likes.
    for path in ["/metrics?x=1", "/healthz?x=1", "/readyz?x=1"] {
        assert_eq!(call(&admin, "GET", path, "").await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_parameter_that_is_no_such_number_is_refused_with_its_name_and_range() {
    let (_server, admin) = administered().await;
    for ban in ["1.5", "-1", "", "0", "soon", "99999999999999999999"] {
        let (status, answer) = call(&admin, "DELETE", &format!("/users/ada?ban={ban}"), "").await;
        assert_eq!(status, 400, "{ban}: {answer}");
        assert!(
            answer.contains("ban is a whole number of seconds between 1 and 31622400"),
            "{ban}: {answer}"
        );
    }
    for limit in ["-1", "1.5", "0", "all", "10001"] {
        let (status, answer) = call(&admin, "GET", &format!("/users?limit={limit}"), "").await;
        assert_eq!(status, 400, "{limit}: {answer}");
        assert!(answer.contains("limit is a whole number between 1 and"), "{limit}: {answer}");
    }
}

#[tokio::test]
async fn a_body_for_a_route_that_is_not_there_is_not_waited_for() {
    let (_server, admin) = administered().await;
    let mut stream = TcpStream::connect(address(&admin)).await.unwrap();
    let head = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 99\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}

#[tokio::test]
async fn an_admin_body_that_breaks_off_is_not_taken_for_one_that_is_too_long() {
    let (server, admin) = administered().await;
    let mut stream = TcpStream::connect(address(&admin)).await.unwrap();
    let head = "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    soon(stream.read_to_end(&mut Vec::new())).await.unwrap();
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let body = format!(r#"{{"userId":"ada","content":"x","data":{deep}}}"#);
    assert_eq!(call(&admin, "POST", "/rooms/lobby/messages", &body).await.0, 422);
    let long = format!(r#"{{"userId":"ada","content":"{}"}}"#, "x".repeat(9_000));
    assert_eq!(call(&admin, "POST", "/rooms/lobby/messages", &long).await.0, 413);
    let (_, metrics) = call(&admin, "GET", "/metrics", "").await;
    for (line, count) in [
        ("rejoin_refused_total{cause=\"admin_body\"}", 0),
        ("rejoin_limited_total{limit=\"data_levels\"}", 1),
        ("rejoin_limited_total{limit=\"content_bytes\"}", 1),
    ] {
        assert!(metrics.contains(&format!("{line} {count}\n")), "{line}: {metrics}");
    }
    drop(server);
}

#[tokio::test]
async fn an_admin_listener_that_others_can_reach_needs_a_token() {
    let mut config = Config::default();
    config.admin = Some("0.0.0.0:0".parse().unwrap());
    let error = Server::bind(config).await.unwrap_err();
    assert!(matches!(error, BindError::AdminToken { .. }), "{error}");
    assert!(error.to_string().contains("--admin-token-file"), "{error}");
}

#[tokio::test]
async fn a_page_whose_own_name_points_here_is_refused_on_the_admin_listener_and_where_no_token_protects() {
    let server = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.allow_host = vec![String::from("ops.example")];
        config.trusted_proxy = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let admin = server.admin_url().unwrap();
    // Such a page may add any header, and comes from the address of a proxy of this machine.
    for forwarded in
        ["X-Forwarded-Host: localhost", "X-Forwarded-Host: ops.example", "Forwarded: host=localhost"]
    {
        let fields = format!("Host: evil.example\n{forwarded}");
        assert_eq!(call_with(&admin, "DELETE", "/users/ada", &fields, "").await.0, 403, "{forwarded}");
        let tickets = call_with(&server.url(), "POST", "/tickets", &fields, "").await;
        assert_eq!(tickets.0, 403, "{forwarded}");
    }
    for (url, path) in
        [(&admin, "/faults"), (&admin, "/healthz"), (&server.url(), "/rooms/a/events?token=ada")]
    {
        let refused = call_with(url, "GET", path, "Host: evil.example:8080", "").await;
        assert_eq!(refused.0, 403, "{path}");
        assert!(refused.1.contains("--allow-host"), "{}", refused.1);
    }
    let upgrade = [("host", "evil.example")];
    assert!(Client::try_open(&format!("{}?token=ada", server.url()), &upgrade).await.is_err());
    assert_eq!(call_with(&admin, "GET", "/faults", "Host: OPS.example:9090", "").await.0, 200);
    let (_, metrics) = call(&admin, "GET", "/metrics", "").await;
    assert!(metrics.contains("rejoin_refused_total{cause=\"host\"} 10\n"), "{metrics}");
}

#[tokio::test]
async fn a_name_of_its_own_is_no_matter_where_tokens_protect() {
    let server = server(|config| {
        let tokens = rejoin_server::auth::Tokens::parse("s3cret ada").unwrap();
        config.auth = rejoin_server::Auth::Tokens(tokens);
    })
    .await;
    let url = format!("{}?token=s3cret", server.url());
    let mut ada = Client::try_open(&url, &[("host", "chat.example")]).await.unwrap();
    ada.sync().await;
}

#[tokio::test]
async fn silent_connections_and_half_heads_give_way_to_an_operator() {
    let (_server, admin) = administered().await;
    let mut silent = Vec::new();
    for number in 0..80 {
        let mut stream = TcpStream::connect(address(&admin)).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /users HTTP/1.1\r\nX: ").await.unwrap();
        }
        silent.push(stream);
    }
    assert_eq!(call(&admin, "GET", "/users", "").await.0, 200);
    assert_eq!(call(&admin, "DELETE", "/users/mallory?ban=60", "").await.0, 200);
    assert_eq!(soon(silent[0].read(&mut [0])).await.unwrap_or(0), 0, "the oldest one is still open");
}

#[tokio::test]
async fn health_is_told_while_slow_bodies_hold_every_other_connection() {
    let (_server, admin) = administered().await;
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(address(&admin)).await.unwrap();
        let head = "POST /faults HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Content-Length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // Silent ones beside them, more than there is reserve.
    for _ in 0..40 {
        slow.push(TcpStream::connect(address(&admin)).await.unwrap());
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(call(&admin, "GET", path, "").await.0, 200, "{path}");
    }
    assert_eq!(call(&admin, "GET", "/users", "").await.0, 503);
    // The bodies have a deadline, and then there is room again.
    let mut answer = String::new();
    soon(slow[0].read_to_string(&mut answer)).await.ok();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    drop(slow);
    soon(async { while call(&admin, "GET", "/users", "").await.0 != 200 {} }).await;
}

#[tokio::test]
async fn the_body_of_every_route_that_takes_one_has_a_deadline() {
    let (_server, admin) = administered().await;
    let routes = ["/faults", "/revocations", "/users/ada/notifications", "/rooms/lobby/messages"];
    let mut slow = Vec::new();
    for path in routes {
        let mut stream = TcpStream::connect(address(&admin)).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    for (path, mut stream) in routes.into_iter().zip(slow) {
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.ok();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer:?}");
    }
}
