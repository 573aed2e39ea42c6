//! Several namespaces over one transport, and sessions that go on, seen from below: packets by hand.

use crate::admission::http;
use crate::client::{Client, message, server, soon};
use crate::socketio::endpoint;
use crate::stuck::narrow;
use rejoin_server::{Namespace, ServerHandle};
use serde_json::Value;
use std::time::Duration;
use tokio_tungstenite::{MaybeTlsStream, client_async};

async fn with(namespaces: &[&str], connections: usize) -> ServerHandle {
    let namespaces: Vec<Namespace> = namespaces.iter().map(|text| text.parse().unwrap()).collect();
    server(|config| {
        config.namespaces = namespaces;
        config.hub.sockets_per_user = connections;
    })
    .await
}

async fn transport(server: &ServerHandle) -> Client {
    let mut client = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    assert!(client.hear().await.starts_with("0{"));
    client
}

/// Asks for a namespace and gives what the answer says, which begins with `head`.
async fn connect(client: &mut Client, head: &str, auth: &str) -> Value {
    client.say(&format!("{head}{auth}")).await;
    let answer = client.hear().await;
    let body = answer.strip_prefix(head);
    serde_json::from_str(body.unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

#[tokio::test]
async fn what_is_for_a_namespace_that_one_is_not_in_is_ignored() {
    let server = with(&["/chat", "/other"], 64).await;
    let mut client = transport(&server).await;
    let consent = connect(&mut client, "40/chat,", r#"{"token":"ada"}"#).await;
    assert_eq!(consent["sid"].as_str().unwrap().len(), 32);
    for packet in [
        r#"42["join_room",{"roomId":"lobby"}]"#,
        r#"42/other,7["join_room",{"roomId":"lobby"}]"#,
        "41",
        "41/other,",
        "41/nowhere,",
        "43/other,1[]",
        // Once more: it is let in already.
        r#"40/chat,{"token":"bob"}"#,
    ] {
        client.say(packet).await;
    }
    client.say(r#"42/chat,8["join_room",{"roomId":"lobby"}]"#).await;
    assert_eq!(client.hear().await, r#"43/chat,8[{"ok":true,"roomId":"lobby","members":["ada"]}]"#);
    client.say("40/nowhere,").await;
    assert_eq!(client.hear().await, r#"44/nowhere,{"message":"Invalid namespace"}"#);
}

#[tokio::test]
async fn a_stranger_may_ask_for_few_namespaces_and_with_few_wrong_tokens() {
    let server = with(&["/chat"], 64).await;
    let mut client = transport(&server).await;
    for number in 0..32 {
        client.say(&format!("40/{number},")).await;
        assert!(client.hear().await.ends_with(r#"{"message":"Invalid namespace"}"#));
    }
    client.say("40/one-more,").await;
    assert_eq!(client.close_code().await, 1008);
    let mut client = transport(&server).await;
    for head in ["40", "40/chat,", "40", "40/chat,", "40"] {
        client.say(head).await;
        assert!(client.hear().await.contains("Unauthorized"));
    }
    client.say("40/chat,").await;
    assert_eq!(client.close_code().await, 4001);
}

#[tokio::test]
async fn the_last_namespace_that_is_left_leaves_a_stranger() {
    let server = with(&["/chat"], 64).await;
    let mut client = transport(&server).await;
    connect(&mut client, "40", r#"{"token":"ada"}"#).await;
    connect(&mut client, "40/chat,", r#"{"token":"ada"}"#).await;
    client.say("41").await;
    client.say(r#"42/chat,8["join_room",{"roomId":"lobby"}]"#).await;
    assert!(client.hear().await.starts_with("43/chat,8["));
    client.say("41/chat,").await;
    client.say(r#"42/chat,9["join_room",{"roomId":"lobby"}]"#).await;
    assert_eq!(client.close_code().await, 1008);
}

#[tokio::test]
async fn a_session_whose_transport_seems_to_be_there_is_taken_over_within_its_users_limit() {
    // Bob is the other user; Ada has one connection, and needs no second one for coming back.
    let server = with(&[], 1).await;
    let mut bob = Client::in_room(&server.url(), "bob", "lobby").await;
    let mut old = transport(&server).await;
    let consent = connect(&mut old, "40", r#"{"token":"ada"}"#).await;
    let pid = consent["pid"].as_str().unwrap();
    old.say(r#"420["join_room",{"roomId":"lobby"}]"#).await;
    assert!(old.hear().await.starts_with("430["));
    bob.hear().await;
    for content in ["one", "two", "three"] {
        bob.say(&message("lobby", content)).await;
        bob.hear().await;
    }
    let first = old.hear().await;
    assert!(first.contains(r#""content":"one""#), "{first}");
    let offset = first.rsplit('"').nth(1).unwrap();
    let mut new = transport(&server).await;
    let auth = format!(r#"{{"token":"ada","pid":"{pid}","offset":"{offset}"}}"#);
    let again = connect(&mut new, "40", &auth).await;
    assert_eq!(again, consent);
    for content in ["two", "three"] {
        let missed = new.hear().await;
        assert!(missed.contains(&format!(r#""content":"{content}""#)), "{missed}");
    }
    let present = r#"42["presence",{"roomId":"lobby","members":["ada","bob"]}]"#;
    assert_eq!(new.hear().await, present);
    // What was queued for the old one may still come, and then its end.
    soon(async { while old.next().await.is_ok() {} }).await;
    new.say(r#"420["send_message",{"roomId":"lobby","content":"here"}]"#).await;
    assert!(new.hear().await.starts_with(r#"430[{"ok":true"#));
    // The old transport's end is no loss of the session: only the new one has its name.
    let mut thief = transport(&server).await;
    let wrong = format!(r#"{{"token":"eve","pid":"{pid}","offset":"{offset}"}}"#);
    let fresh = connect(&mut thief, "40", &wrong).await;
    assert_ne!(fresh["pid"], consent["pid"]);
    new.say(r#"421["send_message",{"roomId":"lobby","content":"here still"}]"#).await;
    soon(async { while !new.hear().await.starts_with("431[") {} }).await;
}

#[tokio::test]
async fn an_event_whose_attachment_does_not_come_ends_the_session() {
    let server = server(|config| config.limits.ping_timeout = Some(Duration::from_millis(200))).await;
    let mut client = transport(&server).await;
    connect(&mut client, "40", r#"{"token":"ada"}"#).await;
    client
        .say(r#"451-["send_message",{"roomId":"a","content":"b","data":{"_placeholder":true,"num":0}}]"#)
        .await;
    assert_eq!(client.close_code().await, 1002);
}

#[tokio::test]
async fn a_user_who_is_removed_takes_no_namespace_of_another_user_along() {
    let server = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.namespaces = vec!["/chat".parse().unwrap(), "/other".parse().unwrap()];
    })
    .await;
    let mut client = transport(&server).await;
    connect(&mut client, "40/chat,", r#"{"token":"ada"}"#).await;
    connect(&mut client, "40/other,", r#"{"token":"bob"}"#).await;
    let kick = "DELETE /users/ada HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    let answer = http(&server.admin_url().unwrap(), kick).await;
    assert!(answer.ends_with(r#"{"closed":1}"#), "{answer}");
    assert_eq!(client.hear().await, "41/chat,");
    client.say(r#"42/other,8["join_room",{"roomId":"lobby"}]"#).await;
    assert_eq!(client.hear().await, r#"43/other,8[{"ok":true,"roomId":"lobby","members":["bob"]}]"#);
    // With the last of them the transport ends.
    http(&server.admin_url().unwrap(), &kick.replace("ada", "bob")).await;
    while client.next().await.is_ok() {}
}

#[tokio::test]
async fn nor_when_the_client_takes_nothing_at_that_moment() {
    let server = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.namespaces = vec!["/chat".parse().unwrap(), "/other".parse().unwrap()];
        (config.limits.queue_frames, config.limits.queue_bytes) = (10_000, 64 << 20);
    })
    .await;
    let url = endpoint(&server.url());
    let stream = MaybeTlsStream::Plain(narrow(&server.url()).await);
    let mut client = Client(soon(client_async(url, stream)).await.unwrap().0);
    assert!(client.hear().await.starts_with("0{"));
    connect(&mut client, "40/chat,", r#"{"token":"ada"}"#).await;
    connect(&mut client, "40/other,", r#"{"token":"bob"}"#).await;
    let join = r#"42/other,8["join_room",{"roomId":"lobby"}]"#;
    client.say(join).await;
    client.hear().await;
    // More than the operating system takes for somebody who reads nothing.
    let mut eve = Client::in_room(&server.url(), "eve", "/other,lobby").await;
    let content = "x".repeat(8 << 10);
    for _ in 0..1_000 {
        eve.say(&message("/other,lobby", &content)).await;
        eve.hear().await;
    }
    let kick = "DELETE /users/ada HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    http(&server.admin_url().unwrap(), kick).await;
    // A session that was to end would have five seconds for its last words.
    tokio::time::sleep(Duration::from_secs(6)).await;
    client.say(join).await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last: &String| !last.starts_with("43/other,8")) {
        let packet = client.hear().await;
        if !packet.starts_with("42/other,") {
            heard.push(packet);
        }
    }
    assert!(heard.contains(&String::from("41/chat,")), "{heard:?}");
    assert!(heard.last().unwrap().contains(r#""ok":true"#), "{heard:?}");
}
