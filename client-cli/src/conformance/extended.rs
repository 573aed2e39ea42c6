//! The checks of protocol.md sections 2.1, 2.2 and 2.4: rooms, logs and members on an extended server.

use super::checks::{Check, Kit, Member, at, check, ensure, expect, join, kind, number, text};
use super::deviation::{Deviation, quoted};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(Must, "2.1", "hello is the first frame, with every field in its range", hello),
    check!(Must, "2.2", "a first join is answered by joined, with epoch, head and members", fresh),
    check!(
        Must,
        "2.2",
        "a join with history replays the last messages, marked, in their order",
        history_at_join
    ),
    check!(Must, "2.2", "a join with since is recovered, and replays what was missed", since),
    check!(Must, "2.2", "a since of another epoch is not recovered: epoch_changed", other_epoch),
    check!(Must, "2.2", "a since with another id for its number is not recovered: forked", forked),
    check!(Must, "2.2", "history gives what follows a position, and says whether that is all", history),
    check!(Must, "2.2", "history of another epoch is not complete", history_of_another_epoch),
    check!(Must, "2.2", "leave_room is answered by left, and told as user_left", leave),
    check!(Must, "2.2", "presence lists the members, each user once", presence),
    check!(Must, "2.2", "a close with 1000 is told as user_left at once", closed),
    check!(Must, "2.2", "a signal reaches the other users, and is not stored", signal),
    check!(Must, "2.2", "ping is answered by pong with its t", ping),
    check!(Must, "2.2", "a room name that cannot be is refused with bad_request", bad_room),
    check!(Must, "2.2", "an auth with a token of nobody is refused, and the connection stays", auth),
    check!(Must, "2.2", "@me is joined without members, as the user's own stream", personal),
    check!(Must, "2.4", "live messages go on with the number after the head", live),
];

async fn hello(kit: &Kit) -> Result<(), Deviation> {
    let (_, hello) = kit.extended(0).await?;
    expect(&hello, "v", &json!(1))?;
    text(&hello, "userId")?;
    number(&hello, "serverTime")?;
    let limits = at(&hello, "limits");
    for (of, field, range) in [
        (&hello, "heartbeatMs", 5_000..=120_000),
        (&hello, "dedupeWindowMs", 10_000..=3_600_000),
        (limits, "frameBytes", 1024..=16 << 20),
        (limits, "contentBytes", 1..=number(limits, "frameBytes")?),
        (limits, "rooms", 1..=u64::MAX),
        (limits, "inFlight", 1..=64),
        (limits, "replay", 1..=10_000),
        (limits, "sendPerSec", 0..=u64::MAX),
        (at(&hello, "reconnect"), "windowMs", 0..=600_000),
    ] {
        let value = number(of, field)?;
        ensure(range.contains(&value), || {
            format!("{field} is {value}, and should be from {} to {}", range.start(), range.end())
        })?;
    }
    Ok(())
}

async fn fresh(kit: &Kit) -> Result<(), Deviation> {
    let member = kit.member(0, &kit.room(), json!({})).await?;
    expect(&member.joined, "replay", &json!(0))?;
    expect(&member.joined, "recovered", &json!(false))?;
    expect(&member.joined, "reason", &json!("fresh"))?;
    let has_members = at(&member.joined, "members").is_array() || at(&member.joined, "memberCount").is_u64();
    ensure(has_members, || format!("neither members nor memberCount in {}", quoted(&member.joined)))
}

/// A room with `count` messages, which say "1", "2", …
async fn filled(kit: &Kit, count: u64) -> Result<(Member, Vec<Value>), Deviation> {
    let mut member = kit.member(0, &kit.room(), json!({})).await?;
    let mut acks = Vec::new();
    for number in 1..=count {
        let ack = member.send(&format!("s{number}"), &number.to_string(), json!({})).await?;
        ensure(kind(&ack) == "ack", || format!("a send was answered by {}", quoted(&ack)))?;
        acks.push(ack);
    }
    Ok((member, acks))
}

/// The next `contents` are replayed, in this order.
async fn replayed(member: &mut Member, contents: &[&str]) -> Result<(), Deviation> {
    expect(&member.joined, "replay", &json!(contents.len()))?;
    for content in contents {
        let (message, _) = member.peer.until("replayed message", |frame| kind(frame) == "message").await?;
        expect(&message, "content", &json!(content))?;
        expect(&message, "replay", &json!(true))?;
        expect(&message, "epoch", &member.epoch)?;
    }
    Ok(())
}

async fn history_at_join(kit: &Kit) -> Result<(), Deviation> {
    let (first, _) = filled(kit, 3).await?;
    let mut second = kit.member(0, &first.room, json!({"history": 2})).await?;
    expect(&second.joined, "recovered", &json!(false))?;
    replayed(&mut second, &["2", "3"]).await
}

async fn since(kit: &Kit) -> Result<(), Deviation> {
    let (first, acks) = filled(kit, 3).await?;
    let position = position(acks.first())?;
    let mut second = kit.member(0, &first.room, json!({"since": position})).await?;
    expect(&second.joined, "recovered", &json!(true))?;
    replayed(&mut second, &["2", "3"]).await
}

/// The position that an ack names.
fn position(ack: Option<&Value>) -> Result<Value, Deviation> {
    let ack = ack.ok_or_else(|| Deviation::Failed("no ack".to_owned()))?;
    Ok(json!({"epoch": at(ack, "epoch"), "seq": number(ack, "seq")?, "id": text(ack, "id")?}))
}

async fn not_recovered(kit: &Kit, field: &str, value: &str, reason: &str) -> Result<(), Deviation> {
    let (first, acks) = filled(kit, 2).await?;
    let mut position = position(acks.first())?;
    if let Value::Object(position) = &mut position {
        position.insert(field.to_owned(), json!(value));
    }
    let second = kit.member(0, &first.room, json!({"since": position})).await?;
    expect(&second.joined, "recovered", &json!(false))?;
    expect(&second.joined, "reason", &json!(reason))
}

async fn other_epoch(kit: &Kit) -> Result<(), Deviation> {
    not_recovered(kit, "epoch", "another-epoch", "epoch_changed").await
}

async fn forked(kit: &Kit) -> Result<(), Deviation> {
    not_recovered(kit, "id", "another-id", "forked").await
}

/// What `history` answers for this epoch and position.
async fn asked(member: &mut Member, epoch: &Value, after: u64) -> Result<Value, Deviation> {
    let request = json!({"type": "history", "ref": "h1", "roomId": member.room, "epoch": epoch, "after": after, "limit": 10});
    member.peer.send(&request).await?;
    let (answer, _) =
        member.peer.until("history", |frame| kind(frame) == "history" && at(frame, "ref") == "h1").await?;
    expect(&answer, "roomId", &json!(member.room))?;
    Ok(answer)
}

async fn history(kit: &Kit) -> Result<(), Deviation> {
    let (mut member, acks) = filled(kit, 3).await?;
    let after = acks.first().map_or(Ok(0), |ack| number(ack, "seq"))?;
    let epoch = member.epoch.clone();
    let answer = asked(&mut member, &epoch, after).await?;
    expect(&answer, "complete", &json!(true))?;
    let contents: Vec<&Value> = at(&answer, "messages")
        .as_array()
        .into_iter()
        .flatten()
        .map(|message| at(message, "content"))
        .collect();
    ensure(contents == ["2", "3"], || format!("other messages in {}", quoted(&answer)))
}

async fn history_of_another_epoch(kit: &Kit) -> Result<(), Deviation> {
    let (mut member, _) = filled(kit, 1).await?;
    let answer = asked(&mut member, &json!("another-epoch"), 0).await?;
    expect(&answer, "complete", &json!(false))
}

async fn leave(kit: &Kit) -> Result<(), Deviation> {
    let mut first = kit.member(0, &kit.room(), json!({})).await?;
    let mut second = kit.member(1, &first.room, json!({})).await?;
    first.peer.until("user_joined", |frame| kind(frame) == "user_joined").await?;
    second.peer.send(&json!({"type": "leave_room", "ref": "l1", "roomId": first.room})).await?;
    let is_left = |frame: &Value| kind(frame) == "left" && at(frame, "ref") == "l1";
    let (left, _) = second.peer.until("left", is_left).await?;
    expect(&left, "roomId", &json!(first.room))?;
    let (told, _) = first.peer.until("user_left", |frame| kind(frame) == "user_left").await?;
    expect(&told, "roomId", &json!(first.room))
}

async fn presence(kit: &Kit) -> Result<(), Deviation> {
    let room = kit.room();
    let _twice = kit.member(0, &room, json!({})).await?;
    let mut member = kit.member(0, &room, json!({})).await?;
    member.peer.send(&json!({"type": "presence", "roomId": room})).await?;
    let (list, _) = member.peer.until("presence", |frame| kind(frame) == "presence").await?;
    let members = at(&list, "members").as_array().map(Vec::len);
    ensure(members == Some(1), || {
        format!("one user with two connections should be one member in {}", quoted(&list))
    })
}

async fn closed(kit: &Kit) -> Result<(), Deviation> {
    let mut first = kit.member(0, &kit.room(), json!({})).await?;
    let second = kit.member(1, &first.room, json!({})).await?;
    second.peer.close().await;
    first.peer.until("user_left", |frame| kind(frame) == "user_left").await.map(drop)
}

async fn signal(kit: &Kit) -> Result<(), Deviation> {
    let mut first = kit.member(0, &kit.room(), json!({})).await?;
    let mut second = kit.member(1, &first.room, json!({})).await?;
    let signal = json!({"type": "signal", "roomId": first.room, "kind": "typing", "data": {"on": true}});
    first.peer.send(&signal).await?;
    let (told, _) = second.peer.until("signal", |frame| kind(frame) == "signal").await?;
    expect(&told, "kind", &json!("typing"))?;
    expect(&told, "data", &json!({"on": true}))?;
    text(&told, "userId")?;
    let again = kit.member(1, &first.room, json!({"history": 10})).await?;
    expect(&again.joined, "replay", &json!(0))
}

async fn ping(kit: &Kit) -> Result<(), Deviation> {
    let (mut peer, _) = kit.extended(0).await?;
    peer.send(&json!({"type": "ping", "t": 12345})).await?;
    let (pong, _) = peer.until("pong", |frame| kind(frame) == "pong").await?;
    expect(&pong, "t", &json!(12345))
}

async fn bad_room(kit: &Kit) -> Result<(), Deviation> {
    let (mut peer, _) = kit.extended(0).await?;
    peer.send(&json!({"type": "join_room", "ref": "j1", "roomId": "r".repeat(129)})).await?;
    let (error, _) = peer.until("error", |frame| kind(frame) == "error").await?;
    expect(&error, "ref", &json!("j1"))?;
    expect(&error, "code", &json!("bad_request"))?;
    expect(&error, "retry", &json!(false))?;
    join(peer, &kit.room(), json!({})).await.map(drop)
}

async fn auth(kit: &Kit) -> Result<(), Deviation> {
    let (mut peer, _) = kit.extended(0).await?;
    peer.send(&json!({"type": "auth", "ref": "a1", "token": ""})).await?;
    let (error, _) = peer.until("error", |frame| kind(frame) == "error").await?;
    expect(&error, "ref", &json!("a1"))?;
    expect(&error, "code", &json!("forbidden"))?;
    join(peer, &kit.room(), json!({})).await.map(drop)
}

async fn personal(kit: &Kit) -> Result<(), Deviation> {
    let member = kit.member(0, "@me", json!({"history": 0})).await?;
    let has_members =
        !at(&member.joined, "members").is_null() || !at(&member.joined, "memberCount").is_null();
    ensure(!has_members, || format!("members in {}", quoted(&member.joined)))
}

async fn live(kit: &Kit) -> Result<(), Deviation> {
    let (mut member, acks) = filled(kit, 2).await?;
    let head = acks.last().map_or(Ok(0), |ack| number(ack, "seq"))?;
    let mut second = kit.member(0, &member.room, json!({})).await?;
    ensure(second.seq == head, || format!("the head is {} after the ack of {head}", second.seq))?;
    let ack = member.send("next", "next", json!({})).await?;
    let (message, _) = second.peer.until("message", |frame| kind(frame) == "message").await?;
    for (field, value) in
        [("seq", json!(head + 1)), ("id", at(&ack, "id").clone()), ("epoch", at(&ack, "epoch").clone())]
    {
        expect(&message, field, &value)?;
    }
    Ok(())
}
