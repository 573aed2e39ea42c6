//! The checks of protocol.md section 1: every room server.

use super::checks::{Check, Kit, at, check, ensure, expect, fence, kind, says, text};
use super::deviation::{Deviation, quoted};
use super::peer::Ending;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio_tungstenite::tungstenite::Message;

pub(super) const CHECKS: &[Check] = &[
    check!(Must, "1", "a connection without a token is accepted, then closed with 4001", nobody),
    check!(Must, "1", "a member receives its own message, with author, room and time", own_message),
    check!(Must, "1", "a message reaches every member of the room, and nobody else", all_members),
    check!(Must, "1", "messages of one user come in their order, each once", in_order),
    check!(Must, "1", "user_joined goes to every member but the one who joined", user_joined),
    check!(Should, "1", "after leave_room nothing of the room comes any more", leave),
    check!(Must, "1", "after the end of a connection its user can join anew, and that is told", rejoin),
    check!(
        Must,
        "1",
        "a frame that is not JSON is answered by an error, and the connection stays open",
        not_json
    ),
    check!(Must, "1", "unknown types and unknown fields are ignored", unknown),
    check!(Must, "1", "the order of the fields says nothing, and escapes are read", order),
    check!(
        Should,
        "1",
        "a known field of the wrong kind makes the frame invalid, and nothing else",
        wrong_kind
    ),
    check!(Should, "1", "half a surrogate pair is passed on, as U+FFFD or as its escape", surrogate),
    check!(Should, "1", "JSON in a binary frame is read as JSON", binary),
    check!(Must, "1", "texts come back as they were sent", texts),
    check!(Must, "1", "a WebSocket ping is answered", ping),
    check!(Must, "2.1", "without ext=1 no field and no frame of the extended protocol is sent", stays_plain),
];

async fn nobody(kit: &Kit) -> Result<(), Deviation> {
    let mut peer = kit.connect_anonymously().await?;
    match peer.ending().await {
        Some(Ending::Closed(Some(4001))) => Ok(()),
        Some(ending) => Err(Deviation::Failed(ending.describe())),
        None => Err(Deviation::Failed("the connection stays open".to_owned())),
    }
}

async fn own_message(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    peer.send(&json!({"type": "send_message", "roomId": room, "content": "hi"})).await?;
    let (message, _) = peer.until("own message", |frame| says(frame, "hi")).await?;
    expect(&message, "roomId", &json!(room))?;
    ensure(!text(&message, "userId")?.is_empty(), || format!("no user in {}", quoted(&message)))?;
    let time = text(&message, "timestamp")?;
    ensure(is_utc_with_milliseconds(time), || format!("{time} is not UTC with milliseconds and Z"))
}

/// As in `2026-11-22T10:00:00.000Z`.
fn is_utc_with_milliseconds(time: &str) -> bool {
    let form: String = time.chars().map(|sign| if sign.is_ascii_digit() { '0' } else { sign }).collect();
    form == "0000-00-00T00:00:00.000Z"
}

async fn all_members(kit: &Kit) -> Result<(), Deviation> {
    let (room, other) = (kit.room(), kit.room());
    let mut author = kit.plain_member(0, &room).await?;
    let mut reader = kit.plain_member(1, &room).await?;
    let mut outsider = kit.plain_member(1, &other).await?;
    author.send(&json!({"type": "send_message", "roomId": room, "content": "for all"})).await?;
    let is_it = |frame: &Value| says(frame, "for all");
    author.until("own message", is_it).await?;
    reader.until("message of another user", is_it).await?;
    let beside = fence(&mut outsider, &other).await?;
    ensure(!beside.iter().any(is_it), || "a connection outside of the room received it".to_owned())
}

async fn in_order(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    let contents: Vec<String> = (1..=5).map(|number| number.to_string()).collect();
    for content in &contents {
        peer.send(&json!({"type": "send_message", "roomId": room, "content": content})).await?;
    }
    let came = fence(&mut peer, &room).await?;
    let came: Vec<&Value> =
        came.iter().filter(|frame| kind(frame) == "message").map(|frame| at(frame, "content")).collect();
    ensure(came == contents.iter().collect::<Vec<_>>(), || format!("1 to 5 came as {}", json!(came)))
}

async fn user_joined(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut first = kit.plain_member(0, &room).await?;
    let mut second = kit.connect(1, false).await?;
    second.send(&json!({"type": "join_room", "roomId": room})).await?;
    let own = fence(&mut second, &room).await?;
    let (told, _) = first.until("user_joined", |frame| kind(frame) == "user_joined").await?;
    expect(&told, "roomId", &json!(room))?;
    text(&told, "userId")?;
    let is_own = |frame: &&Value| kind(frame) == "user_joined" && at(frame, "userId") == at(&told, "userId");
    match own.iter().find(is_own) {
        Some(frame) => Err(Deviation::Failed(format!("the one who joined received {}", quoted(frame)))),
        None => Ok(()),
    }
}

async fn leave(kit: &Kit) -> Result<(), Deviation> {
    let (room, other) = (kit.room(), kit.room());
    let mut author = kit.plain_member(0, &room).await?;
    let mut leaver = kit.plain_member(1, &room).await?;
    leaver.send(&json!({"type": "join_room", "roomId": other})).await?;
    leaver.send(&json!({"type": "leave_room", "roomId": room})).await?;
    fence(&mut leaver, &other).await?;
    author.send(&json!({"type": "send_message", "roomId": room, "content": "after"})).await?;
    let is_it = |frame: &Value| says(frame, "after");
    author.until("own message", is_it).await?;
    let beside = fence(&mut leaver, &other).await?;
    ensure(!beside.iter().any(is_it), || "a message came after leave_room".to_owned())
}

async fn rejoin(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut first = kit.plain_member(0, &room).await?;
    kit.plain_member(1, &room).await?.close().await;
    let is_join = |frame: &Value| kind(frame) == "user_joined";
    first.until("user_joined", is_join).await?;
    kit.plain_member(1, &room).await?;
    first.until("user_joined of the second time", is_join).await.map(drop)
}

async fn not_json(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    peer.write(Message::text("{\"type\":\"join_room\",\"roomId\":\"lob")).await?;
    let (error, _) = peer.until("error", |frame| kind(frame) == "error").await?;
    text(&error, "message")?;
    fence(&mut peer, &room).await.map(drop)
}

async fn unknown(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    peer.send(&json!({"type": "of_the_future", "roomId": {"not": "a text"}})).await?;
    let frame =
        json!({"type": "send_message", "roomId": room, "content": "more", "later": [1, {"type": "x"}]});
    peer.send(&frame).await?;
    let is_it = |frame: &Value| says(frame, "more");
    let (_, before) = peer.until("message with an unknown field", is_it).await?;
    match before.first() {
        Some(frame) => Err(Deviation::Failed(format!("an unknown type was answered by {}", quoted(frame)))),
        None => Ok(()),
    }
}

async fn order(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    let frame = format!(
        " {{ \"content\" : \"h\\u00e9\", \"roomId\":\"{room}\", \"\\u0074ype\":\"send\\u005fmessage\" }} "
    );
    peer.write(Message::text(frame)).await?;
    peer.until("the message", |frame| says(frame, "hé")).await.map(drop)
}

async fn wrong_kind(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    peer.send(&json!({"type": "send_message", "roomId": room, "content": {"a": 1}})).await?;
    let came = fence(&mut peer, &room).await?;
    match came.iter().find(|frame| kind(frame) == "message") {
        Some(frame) => Err(Deviation::Failed(format!("it became {}", quoted(frame)))),
        None => Ok(()),
    }
}

async fn surrogate(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    let frame = format!(r#"{{"type":"send_message","roomId":"{room}","content":"a\ud83d"}}"#);
    peer.write(Message::text(frame)).await?;
    // The escape is half a pair still, which no reader of JSON in Rust takes: it comes as a text.
    let is_escape = |frame: &Value| frame.as_str().is_some_and(|text| text.contains(r#""a\ud83d""#));
    let is_it = |frame: &Value| says(frame, "a\u{fffd}") || is_escape(frame);
    peer.until("message with it", is_it).await.map(drop)
}

async fn binary(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    let frame = json!({"type": "send_message", "roomId": room, "content": "bytes"}).to_string();
    peer.write(Message::binary(frame.into_bytes())).await?;
    peer.until("the message", |frame| says(frame, "bytes")).await.map(drop)
}

async fn texts(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.plain_member(0, &room).await?;
    for content in [" a \"b\" \\ \n \u{1b}[2J 🚀", "", "Küche\u{0}", "<b>&amp;</b>", "\u{202e}abc"] {
        peer.send(&json!({"type": "send_message", "roomId": room, "content": content})).await?;
        let (message, _) = peer.until("message", |frame| kind(frame) == "message").await?;
        expect(&message, "content", &json!(content))?;
    }
    Ok(())
}

async fn ping(kit: &Kit) -> Result<(), Deviation> {
    kit.connect(0, false).await?.ping().await
}

async fn stays_plain(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let mut peer = kit.connect(0, false).await?;
    peer.send(&json!({"type": "join_room", "roomId": room})).await?;
    peer.send(&json!({"type": "send_message", "roomId": room, "content": "hi"})).await?;
    let (message, before) = peer.until("own message", |frame| kind(frame) == "message").await?;
    if let Some(frame) = before.iter().find(|frame| !["user_joined", "error"].contains(&kind(frame))) {
        return Err(Deviation::Failed(format!("{} came", quoted(frame))));
    }
    let known = BTreeSet::from(["type", "roomId", "userId", "content", "timestamp"]);
    let fields = message.as_object().map(|fields| fields.keys().map(String::as_str).collect::<BTreeSet<_>>());
    ensure(fields.is_some_and(|fields| fields == known), || format!("other fields in {}", quoted(&message)))
}
