//! The checks of protocol.md section 2.3: each message is appended at most once and answered exactly once.

use super::checks::{Check, Kit, Member, at, check, ensure, expect, kind, number, says, text};
use super::deviation::{Deviation, quoted};
use serde_json::{Value, json};

pub(super) const CHECKS: &[Check] = &[
    check!(Must, "2.3", "a send is acknowledged with its id, epoch, number and time", ack),
    check!(Must, "2.3", "the own message names the send by pid and pseq, toward its user only", own_message),
    check!(Must, "2.3", "a repeated send is answered as before, with dup, and is not appended again", dup),
    check!(Must, "2.3", "a repetition on another connection is answered as well", dup_elsewhere),
    check!(Must, "2.3", "a number too far ahead is refused with sequence_gap, which names the next", gap),
    check!(
        Must,
        "2.3",
        "a producer that the server does not know is refused with unknown_producer",
        unknown_producer
    ),
    check!(Must, "2.3", "a send under another epoch is refused with unknown_producer", other_epoch),
    check!(
        Must,
        "2.3",
        "a send to a room that was not joined is refused with not_joined, for now",
        not_joined
    ),
    check!(Must, "2.3", "a final refusal uses its number up, and is repeated as it was", refusal_is_kept),
    check!(Must, "2.2", "content over the limit is refused with too_large", too_large),
    check!(Must, "2.2", "data comes back as it was sent", data),
    check!(Must, "2.2", "data of 64 levels is taken, of 65 refused with bad_request", depth),
];

fn is_ack(answer: &Value) -> Result<(), Deviation> {
    ensure(kind(answer) == "ack", || format!("expected an ack, and {} came", quoted(answer)))
}

fn is_nack(answer: &Value, code: &str, retry: bool) -> Result<(), Deviation> {
    ensure(kind(answer) == "nack", || format!("expected {code}, and {} came", quoted(answer)))?;
    expect(answer, "code", &json!(code))?;
    expect(answer, "retry", &json!(retry))
}

async fn member(kit: &Kit) -> Result<Member, Deviation> {
    kit.member(0, &kit.room(), json!({})).await
}

async fn ack(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    let ack = member.produce("p1", 1, "hi").await?;
    is_ack(&ack)?;
    expect(&ack, "roomId", &json!(member.room))?;
    expect(&ack, "epoch", &member.epoch)?;
    expect(&ack, "seq", &json!(member.seq + 1))?;
    text(&ack, "timestamp")?;
    let id = text(&ack, "id")?;
    let is_id =
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    ensure(is_id, || format!("{id} is no id"))
}

async fn own_message(kit: &Kit) -> Result<(), Deviation> {
    let mut author = member(kit).await?;
    let mut reader = kit.member(1, &author.room, json!({})).await?;
    author.peer.until("user_joined", |frame| kind(frame) == "user_joined").await?;
    let line = json!({"type": "send_message", "ref": "s1", "roomId": author.room, "content": "mine",
        "epoch": author.epoch, "pid": "p1", "pseq": 1});
    author.peer.send(&line).await?;
    let is_it = |frame: &Value| says(frame, "mine");
    let (own, _) = author.peer.until("own message", is_it).await?;
    expect(&own, "pid", &json!("p1"))?;
    expect(&own, "pseq", &json!(1))?;
    let (other, _) = reader.peer.until("message", is_it).await?;
    expect(&other, "pid", &Value::Null)?;
    expect(&other, "id", at(&own, "id"))
}

async fn dup(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    let first = member.produce("p1", 1, "once").await?;
    is_ack(&first)?;
    let again = member.produce("p1", 1, "once").await?;
    is_ack(&again)?;
    expect(&again, "dup", &json!(true))?;
    expect(&again, "id", at(&first, "id"))?;
    expect(&again, "seq", at(&first, "seq"))?;
    let next = member.produce("p1", 2, "next").await?;
    expect(&next, "seq", &json!(number(&first, "seq")? + 1))
}

async fn dup_elsewhere(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    let first = member.produce("p1", 1, "once").await?;
    is_ack(&first)?;
    // Not joined there: an answer is looked up before anything else is asked.
    let (peer, _) = kit.extended(0).await?;
    let mut elsewhere = Member { peer, ..member };
    let again = elsewhere.produce("p1", 1, "once").await?;
    is_ack(&again)?;
    expect(&again, "dup", &json!(true))?;
    expect(&again, "id", at(&first, "id"))
}

async fn gap(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    is_ack(&member.produce("p1", 1, "one").await?)?;
    let refused = member.produce("p1", 3, "three").await?;
    is_nack(&refused, "sequence_gap", true)?;
    expect(&refused, "expected", &json!(2))?;
    is_ack(&member.produce("p1", 2, "two").await?)?;
    is_ack(&member.produce("p1", 3, "three").await?)
}

async fn unknown_producer(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    is_nack(&member.produce("p9", 5, "five").await?, "unknown_producer", false)
}

async fn other_epoch(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    member.epoch = json!("another-epoch");
    is_nack(&member.produce("p1", 1, "one").await?, "unknown_producer", false)
}

async fn not_joined(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    member.room = kit.room();
    is_nack(&member.send("s1", "hi", json!({})).await?, "not_joined", true)
}

async fn refusal_is_kept(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    is_ack(&member.produce("p1", 1, "one").await?)?;
    let deep = json!({"pid": "p1", "pseq": 2, "epoch": member.epoch, "data": nested(65)});
    is_nack(&member.send("s2", "deep", deep).await?, "bad_request", false)?;
    is_nack(&member.produce("p1", 2, "another").await?, "bad_request", false)?;
    is_ack(&member.produce("p1", 3, "three").await?)
}

/// So many arrays in each other.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

async fn too_large(kit: &Kit) -> Result<(), Deviation> {
    let (_, hello) = kit.extended(0).await?;
    let limits = at(&hello, "limits");
    let (content, frame) = (number(limits, "contentBytes")?, number(limits, "frameBytes")?);
    if content + 512 > frame {
        return Err(Deviation::NotTried("content that is too large does not fit into a frame here"));
    }
    let size = usize::try_from(content + 1).map_err(|error| Deviation::Failed(error.to_string()))?;
    let mut member = member(kit).await?;
    is_nack(&member.send("s1", &"a".repeat(size), json!({})).await?, "too_large", false)?;
    is_ack(&member.send("s2", "hi", json!({})).await?)
}

async fn data(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    let data = json!([1, {"a": null, "b": [true, "é", 1.5]}]);
    let frame =
        json!({"type": "send_message", "ref": "s1", "roomId": member.room, "content": "hi", "data": data});
    member.peer.send(&frame).await?;
    let (message, _) = member.peer.until("own message", |frame| kind(frame) == "message").await?;
    expect(&message, "data", &data)
}

async fn depth(kit: &Kit) -> Result<(), Deviation> {
    let mut member = member(kit).await?;
    is_ack(&member.send("s1", "hi", json!({"data": nested(64)})).await?)?;
    is_nack(&member.send("s2", "hi", json!({"data": nested(65)})).await?, "bad_request", false)
}
