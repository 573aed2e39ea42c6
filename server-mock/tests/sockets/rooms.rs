//! The base contract, end to end.

use crate::client::{Client, join, message, server};

#[tokio::test]
async fn two_people_talk_and_the_sender_hears_the_message_too() {
    let server = server(|_| {}).await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    let mut bob = Client::open(&server.url(), "bob").await;
    bob.say(&join("lobby")).await;
    assert_eq!(ada.hear().await, r#"{"type":"user_joined","roomId":"lobby","userId":"bob"}"#);
    bob.say(&message("lobby", "hi")).await;
    let heard = bob.hear().await;
    assert_eq!(ada.hear().await, heard);
    let heard: serde_json::Value = serde_json::from_str(&heard).unwrap();
    let fields: Vec<_> = heard.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["content", "roomId", "timestamp", "type", "userId"]);
    assert_eq!((&heard["userId"], &heard["content"]), (&"bob".into(), &"hi".into()));
    server.drain().await;
}

#[tokio::test]
async fn a_client_that_offers_extensions_to_a_plain_server_is_answered_plainly() {
    let server = server(|config| config.hub.extended = false).await;
    let url = format!("{}?ext=1&token=ada", server.url());
    let mut ada = Client::try_open(&url, &[]).await.unwrap();
    ada.say(r#"{"type":"join_room","roomId":"lobby","ref":"1","history":5}"#).await;
    ada.say(r#"{"type":"ping","t":1}"#).await;
    ada.sync().await;
    ada.say(r#"{"type":"send_message","roomId":"lobby","content":"x","ref":"2","pid":"p","pseq":1}"#).await;
    assert_eq!(ada.hear_json().await["type"], "message");
    ada.sync().await;
}
