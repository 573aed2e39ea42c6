//! An extended server as cheap as it can be made: it answers joins and sends, keeps nothing, and says as much as it is
//! asked for. To whoever does not offer the extended protocol it is a plain one.

use super::{bare, single_thread};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// A send with this content asks for messages.
pub(crate) const GO: &str = "go";

/// A send with this content asks for as many messages, each in a packet of its own.
pub(crate) const DRIP: &str = "drip";

/// Between two of those; a client is asleep again by then.
const APART: Duration = Duration::from_millis(1);

/// In this room each send comes back as a message too, as on every server of the protocol (protocol.md §1). In others
/// it does not, so that sending can be measured apart from receiving.
pub(crate) const ECHO_ROOM: &str = "echo-room";

const HELLO: &str = concat!(
    r#"{"type":"hello","v":1,"userId":"user-0001","serverTime":0,"heartbeatMs":30000,"dedupeWindowMs":600000,"#,
    r#""limits":{"frameBytes":65536,"contentBytes":8192,"rooms":256,"inFlight":64,"replay":200},"#,
    r#""reconnect":{"windowMs":1000}}"#
);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    r#type: &'a str,
    room_id: &'a str,
    r#ref: Option<&'a str>,
    content: Option<&'a str>,
}

/// Accepts connections for ever, on a thread of its own. After [`GO`] it says `burst` messages.
pub(crate) fn serve(burst: usize) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        single_thread().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                tokio::spawn(converse(tcp, burst));
            }
        });
    });
    address
}

#[expect(clippy::result_large_err, reason = "the library's type for a refusal, which never happens here")]
async fn converse(tcp: TcpStream, burst: usize) {
    let mut extended = false;
    let look = |request: &Request, response: Response| {
        extended = request.uri().query().is_some_and(|query| query.contains("ext=1"));
        Ok(response)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(tcp, look).await else { return };
    let (mut sink, stream) = socket.split();
    if extended && sink.send(Message::text(HELLO)).await.is_err() {
        return;
    }
    let mut seq = 0;
    // All that is there at once, then one flush.
    let mut chunks = stream.ready_chunks(512);
    while let Some(chunk) = chunks.next().await {
        for message in chunk {
            let Ok(Message::Text(text)) = message else { continue };
            let frame: Frame<'_> = serde_json::from_str(&text).unwrap();
            if frame.content == Some(DRIP) {
                let mut ticks = tokio::time::interval(APART);
                for _ in 0..burst {
                    ticks.tick().await;
                    seq += 1;
                    if sink.send(Message::Text(spoken(frame.room_id, extended, seq))).await.is_err() {
                        return;
                    }
                }
                continue;
            }
            let answers = answer(&frame, extended, &mut seq, burst);
            for answer in answers {
                if sink.feed(Message::Text(answer)).await.is_err() {
                    return;
                }
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

fn answer(frame: &Frame<'_>, extended: bool, seq: &mut u64, burst: usize) -> Vec<Utf8Bytes> {
    let Frame { room_id: room, r#ref: reference, .. } = frame;
    let reference = reference.unwrap_or_default();
    let mut answers = Vec::new();
    match frame.r#type {
        "join_room" if extended => answers.push(format!(
            r#"{{"type":"joined","ref":"{reference}","roomId":"{room}","epoch":"e1","seq":{seq},"replay":0,"recovered":false,"reason":"fresh","memberCount":1}}"#
        ).into()),
        "send_message" if frame.content == Some(GO) => {
            answers.reserve(burst);
            for _ in 0..burst {
                *seq += 1;
                answers.push(spoken(bare::ROOM, extended, *seq));
            }
        }
        "send_message" => {
            let echo = *room == ECHO_ROOM;
            *seq += u64::from(echo);
            if extended {
                answers.push(format!(
                    r#"{{"type":"ack","ref":"{reference}","roomId":"{room}","id":"m{seq:015}","epoch":"e1","seq":{seq},"timestamp":"2026-11-22T10:00:00.000Z"}}"#
                ).into());
            }
            if echo {
                answers.push(spoken(room, extended, *seq));
            }
        }
        _ => {}
    }
    answers
}

/// The message of every benchmark, in `room`.
fn spoken(room: &str, extended: bool, seq: u64) -> Utf8Bytes {
    let mut text = bare::FRAME.replace(bare::ROOM, room);
    if extended {
        text.pop();
        let _ = write!(text, r#","id":"m{seq:015}","epoch":"e1","seq":{seq}}}"#);
    }
    text.into()
}
