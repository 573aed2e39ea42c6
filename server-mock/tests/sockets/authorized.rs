//! Rights that the application's own function knows, over every way in.

use crate::client::{Client, join, message, server, soon};
use crate::feed::{feed, path, request};
use crate::socketio::endpoint;
use rejoin_server::auth::Authorizer;
use rejoin_server::hub::Right;
use rejoin_server::{Server, ServerHandle};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What an application knows: `Ok` an answer, `Err` "not now".
type Says = Result<bool, &'static str>;

/// An application, what it was asked, and what it is to say.
struct Application {
    asked: Mutex<Vec<(String, Right, String)>>,
    says: Mutex<Vec<(Right, &'static str, Says)>>,
    /// Answers about the room `slow` wait until this is `false`.
    held: watch::Sender<bool>,
}

impl Application {
    fn new() -> Arc<Self> {
        Arc::new(Self { asked: Mutex::default(), says: Mutex::default(), held: watch::Sender::new(true) })
    }

    /// From now on; everything else is allowed.
    fn says(&self, right: Right, room: &'static str, says: Says) {
        let mut all = self.says.lock().unwrap();
        all.retain(|(known, place, _)| (*known, *place) != (right, room));
        all.push((right, room, says));
    }

    fn asked(&self) -> Vec<(String, Right, String)> {
        self.asked.lock().unwrap().clone()
    }

    async fn answer(self: Arc<Self>, user: String, right: Right, room: String) -> Says {
        self.asked.lock().unwrap().push((user, right, room.clone()));
        if room == "slow" {
            let mut held = self.held.subscribe();
            held.wait_for(|held| !held).await.map_err(|_| "the test is over")?;
        }
        let says = self.says.lock().unwrap();
        says.iter()
            .find(|(known, place, _)| *known == right && *place == room)
            .map_or(Ok(true), |(_, _, says)| *says)
    }

    fn authorizer(self: &Arc<Self>, lasts: Duration) -> Authorizer {
        let app = Arc::clone(self);
        Authorizer::new(move |user, right, room| Arc::clone(&app).answer(user, right, room)).with_ttl(lasts)
    }
}

/// A server that asks each time.
async fn world() -> (Arc<Application>, ServerHandle) {
    world_that_keeps(Duration::ZERO).await
}

async fn world_that_keeps(lasts: Duration) -> (Arc<Application>, ServerHandle) {
    let app = Application::new();
    let authorizer = app.authorizer(lasts);
    let server = server(|config| {
        config.authorize = Some(authorizer);
        config.namespaces = vec!["/chat".parse().unwrap()];
        config.limits.recovery = Duration::from_secs(60);
    });
    (app, server.await)
}

fn join_frame(room: &str) -> Value {
    json!({"type": "join_room", "roomId": room, "ref": "j"})
}

fn send_frame(room: &str) -> Value {
    json!({"type": "send_message", "roomId": room, "content": "x", "ref": "s"})
}

#[tokio::test]
async fn a_function_allows_and_refuses_each_action_in_each_room_and_names_the_right() {
    let (app, server) = world().await;
    app.says(Right::Join, "ops", Ok(false));
    app.says(Right::Send, "news", Ok(false));
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(ada.answer(&join_frame("team")).await["type"], "joined");
    assert_eq!(app.asked()[0], (String::from("ada"), Right::Join, String::from("team")));
    assert_eq!(ada.answer(&send_frame("team")).await["type"], "ack");
    ada.hear().await;
    let no = ada.answer(&join_frame("ops")).await;
    assert_eq!(
        (&no["code"], &no["retry"], &no["message"]),
        (&json!("forbidden"), &json!(false), &json!("no right to join in this room"))
    );
    assert_eq!(ada.answer(&join_frame("news")).await["type"], "joined");
    let no = ada.answer(&send_frame("news")).await;
    assert_eq!((&no["type"], &no["code"]), (&json!("nack"), &json!("forbidden")));
    let before = app.asked().len();
    assert_eq!(ada.answer(&join_frame("@me")).await["type"], "joined", "everybody's own");
    assert_eq!(app.asked().len(), before);
    let mut plain = Client::open(&server.url(), "bob").await;
    plain.say(&join("ops")).await;
    assert_eq!(plain.hear_json().await["message"], "no right to join in this room");
    plain.say(&join("team")).await;
    plain.say(&message("team", "hi")).await;
    assert_eq!(plain.hear_json().await["content"], "hi");
}

#[tokio::test]
async fn the_builder_takes_the_function() {
    let server = Server::builder()
        .authorize(async |user, action, room| {
            Ok::<_, std::convert::Infallible>(room == format!("{user}-room") || action == Right::Join)
        })
        .bind()
        .await
        .unwrap()
        .spawn();
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    for (room, sends) in [("ada-room", "ack"), ("bob-room", "nack")] {
        let joined = ada.answer(&join_frame(room)).await;
        assert_eq!((&joined["type"], joined["members"].is_array()), (&json!("joined"), sends == "ack"));
        assert_eq!(ada.answer(&send_frame(room)).await["type"], sends);
        if sends == "ack" {
            ada.hear().await;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_known_now_is_refused_for_now_and_allowed_later() {
    let (app, server) = world().await;
    app.says(Right::Join, "team", Err("the database is away"));
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    let later = ada.answer(&join_frame("team")).await;
    assert_eq!((&later["code"], &later["retry"]), (&json!("overloaded"), &json!(true)), "{later}");
    assert!(later["retryAfterMs"].is_u64(), "{later}");
    app.says(Right::Join, "team", Ok(true));
    assert_eq!(ada.answer(&join_frame("team")).await["type"], "joined");
    app.says(Right::Send, "team", Err("the database is away"));
    let later = ada.answer(&send_frame("team")).await;
    assert_eq!(
        (&later["type"], &later["code"], &later["retry"]),
        (&json!("nack"), &json!("overloaded"), &json!(true))
    );
    app.says(Right::Send, "team", Ok(true));
    assert_eq!(ada.answer(&send_frame("team")).await["type"], "ack");
    ada.hear().await;
    // One part of the answer to a join is not known: neither is the answer.
    app.says(Right::History, "team", Err("the database is away"));
    assert_eq!(ada.answer(&join_frame("team")).await["code"], "overloaded");
}

#[tokio::test]
async fn a_slow_answer_holds_up_its_connection_in_order_and_no_other() {
    let (app, server) = world().await;
    let (mut slow, _) = Client::extended(&server.url(), "ada").await;
    slow.ask(&join_frame("slow")).await;
    slow.ask(&send_frame("slow")).await;
    slow.ask(&json!({"type": "ping", "t": 1})).await;
    let (mut other, _) = Client::extended(&server.url(), "bob").await;
    assert_eq!(other.answer(&join_frame("team")).await["type"], "joined");
    assert_eq!(other.answer(&send_frame("team")).await["type"], "ack");
    soon(async {
        while app.asked().iter().filter(|(_, _, room)| room == "slow").count() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    app.held.send_replace(false);
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(slow.hear_json().await["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard, ["joined", "ack", "message", "pong"]);
}

#[tokio::test]
async fn what_was_sent_before_the_end_of_the_connection_is_carried_out_though_its_answer_comes_after() {
    let (app, server) = world().await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    app.held.send_replace(false);
    assert_eq!(bob.answer(&join_frame("slow")).await["type"], "joined");
    app.held.send_replace(true);
    let mut ada = Client::open(&server.url(), "ada").await;
    ada.say(&join("slow")).await;
    ada.say(&message("slow", "goodbye")).await;
    ada.0.close(None).await.unwrap();
    soon(async {
        while !app.asked().iter().any(|(user, right, _)| user == "ada" && *right == Right::Join) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    app.held.send_replace(false);
    soon(async { while bob.hear_json().await["content"] != "goodbye" {} }).await;
}

#[tokio::test]
async fn an_answer_counts_on_its_connection_for_its_stated_time() {
    let (app, server) = world_that_keeps(Duration::from_secs(600)).await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(ada.answer(&join_frame("team")).await["type"], "joined");
    for _ in 0..3 {
        assert_eq!(ada.answer(&send_frame("team")).await["type"], "ack");
        ada.hear().await;
    }
    assert_eq!(app.asked().len(), 4);
    // Another connection of the same user is asked about anew.
    app.says(Right::Join, "team", Ok(false));
    let (mut again, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(again.answer(&join_frame("team")).await["code"], "forbidden");
}

#[tokio::test]
async fn a_right_that_is_gone_is_gone_at_the_next_join_and_the_room_is_left() {
    let (app, server) = world().await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(ada.answer(&join_frame("team")).await["type"], "joined");
    app.says(Right::Join, "team", Ok(false));
    let left = ada.answer(&join_frame("team")).await;
    assert_eq!(left, json!({"type": "left", "roomId": "team", "code": "forbidden"}));
    assert_eq!(ada.hear_json().await["code"], "forbidden");
    let no = ada.answer(&send_frame("team")).await;
    assert_eq!(no["type"], "nack", "{no}");
    drop(ada);
    let (mut again, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(again.answer(&join_frame("team")).await["code"], "forbidden");
}

#[tokio::test]
async fn history_members_and_signals_need_their_rights() {
    let (app, server) = world().await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    bob.answer(&join_frame("team")).await;
    bob.answer(&send_frame("team")).await;
    for right in [Right::History, Right::Presence, Right::Signal] {
        app.says(right, "team", Ok(false));
    }
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    let joined = ada.answer(&json!({"type": "join_room", "roomId": "team", "ref": "j", "history": 10})).await;
    assert_eq!((&joined["replay"], joined["members"].is_null()), (&json!(0), true), "{joined}");
    let history = json!({"type": "history", "ref": "h", "roomId": "team", "epoch": joined["epoch"], "after": 0, "limit": 5});
    for (frame, right) in [
        (history.clone(), "history"),
        (json!({"type": "presence", "roomId": "team"}), "presence"),
        (json!({"type": "signal", "roomId": "team", "kind": "typing"}), "signal"),
    ] {
        let no = ada.answer(&frame).await;
        assert_eq!(no["message"], format!("no right to {right} in this room"), "{no}");
    }
    for right in [Right::History, Right::Presence] {
        app.says(right, "team", Ok(true));
    }
    assert_eq!(ada.answer(&history).await["type"], "history");
    assert_eq!(ada.answer(&json!({"type": "presence", "roomId": "team"})).await["type"], "presence");
    app.says(Right::History, "team", Err("the database is away"));
    let later = ada.answer(&history).await;
    assert_eq!((&later["code"], &later["retry"]), (&json!("overloaded"), &json!(true)));
}

#[tokio::test]
async fn a_feed_is_asked_about_too() {
    let (app, server) = world().await;
    let mut bob = Client::in_room(&server.url(), "bob", "news").await;
    bob.say(&message("news", "old")).await;
    bob.hear().await;
    let get = async |room: &str| request(&server.url(), "GET", &path(room, "ada"), &[]).await;
    app.says(Right::Join, "ops", Ok(false));
    app.says(Right::Join, "away", Err("the database is away"));
    assert_eq!(get("ops").await.json().await["message"], "no right to join in this room");
    let later = get("away").await;
    assert_eq!((later.status, later.headers.contains_key("retry-after")), (503, true));
    let history = format!("{}&history=10", path("news", "ada"));
    assert_eq!(feed(&server.url(), &history).await.content().await, "old");
    app.says(Right::History, "news", Ok(false));
    let mut now = feed(&server.url(), &history).await;
    now.block().await;
    bob.say(&message("news", "new")).await;
    assert_eq!(now.content().await, "new");
    app.says(Right::History, "news", Err("the database is away"));
    assert_eq!(request(&server.url(), "GET", &history, &[]).await.status, 503);
}

/// The next packet that begins so.
async fn packet(client: &mut Client, start: &str) -> String {
    loop {
        let heard = client.hear().await;
        if heard.starts_with(start) {
            return heard;
        }
    }
}

async fn connected(server: &ServerHandle, auth: &str) -> (Client, Value) {
    let mut client = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    client.hear().await;
    client.say(&format!("40{auth}")).await;
    let consent = packet(&mut client, "40").await;
    (client, serde_json::from_str(&consent[2..]).unwrap())
}

#[tokio::test]
async fn socket_io_is_asked_about_in_each_namespace() {
    let (app, server) = world().await;
    app.says(Right::Join, "/chat,lobby", Ok(false));
    app.says(Right::Send, "lobby", Err("the database is away"));
    let (mut ada, _) = connected(&server, r#"{"token":"ada"}"#).await;
    ada.say(r#"420["join_room",{"roomId":"lobby"}]"#).await;
    assert!(packet(&mut ada, "430").await.contains(r#""ok":true"#));
    ada.say(r#"421["send_message",{"roomId":"lobby","content":"x"}]"#).await;
    let later = packet(&mut ada, "431").await;
    assert!(later.contains(r#""code":"overloaded","retry":true"#), "{later}");
    app.says(Right::Send, "lobby", Ok(true));
    // In one go: they keep their order.
    ada.say(r#"422["send_message",{"roomId":"lobby","content":"1"}]"#).await;
    ada.say(r#"423["send_message",{"roomId":"lobby","content":"2"}]"#).await;
    for content in ["1", "2"] {
        assert!(packet(&mut ada, "42[\"message\"").await.contains(&format!(r#""content":"{content}""#)));
    }
    ada.say(r#"40/chat,{"token":"ada"}"#).await;
    packet(&mut ada, "40/chat,").await;
    ada.say(r#"42/chat,4["join_room",{"roomId":"lobby"}]"#).await;
    let no = packet(&mut ada, "43/chat,4").await;
    assert!(no.contains("forbidden") && no.contains("no right to join"), "{no}");
}

#[tokio::test]
async fn a_socket_io_session_is_recovered_only_into_rooms_that_are_allowed_still() {
    let (app, server) = world().await;
    for allowed in [true, false] {
        let (mut ada, first) = connected(&server, r#"{"token":"ada"}"#).await;
        ada.say(r#"420["join_room",{"roomId":"lobby"}]"#).await;
        assert!(packet(&mut ada, "430").await.contains(r#""ok":true"#));
        ada.say(r#"421["send_message",{"roomId":"lobby","content":"x"}]"#).await;
        let told = packet(&mut ada, "42[\"message\"").await;
        let offset = told.rsplit('"').nth(1).unwrap().to_owned();
        app.says(Right::Join, "lobby", Ok(allowed));
        drop(ada);
        let auth = json!({"token": "ada", "pid": first["pid"], "offset": offset});
        let (_again, second) = connected(&server, &auth.to_string()).await;
        assert_eq!(second["sid"] == first["sid"], allowed, "{second}");
        app.says(Right::Join, "lobby", Ok(true));
    }
}
