//! The outputs of a session as lines of text, without content: names, numbers and sizes. Two runs with equal outputs have
//! equal lines.

use crate::cause::Cause;
use crate::event::{Delivery, DeliveryStatus, Event, JoinedRoom, RoomChange, RoomState};
use crate::link::{State, StateChange};
use crate::malformed_frames::kind;
use crate::messages::{ClientMessage, JoinRequest, Message, SendTag};
use crate::session::Output;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One output.
pub(super) fn describe(output: &Output) -> String {
    match output {
        Output::FetchToken { rejected } => format!("fetch token, rejected={rejected}"),
        Output::Dial { conn, endpoint, attempt, token, extended, url } => format!(
            "dial conn={} endpoint={endpoint} attempt={attempt} token={} extended={extended} url={url:?}",
            conn.0,
            token.is_some(),
        ),
        Output::Save => "save".into(),
        Output::Send { conn, frame, message } => {
            format!("send conn={} frame={frame} {}", conn.0, describe_frame(message))
        }
        Output::Ping { conn } => format!("ping conn={}", conn.0),
        Output::Close { conn, code } => format!("close conn={} code={code}", conn.0),
        Output::Abort { conn, code } => format!("abort conn={} code={code}", conn.0),
        Output::Event(event) => describe_event(event),
    }
}

/// A frame of a client for plain and extended servers.
fn describe_frame(frame: &ClientMessage) -> String {
    match frame {
        ClientMessage::JoinRoom { room, request } => {
            let Some(JoinRequest { reference, since, history }) = request else {
                return format!("join_room room={room:?}");
            };
            format!("join_room room={room:?} ref={reference:?} since={since:?} history={history:?}")
        }
        ClientMessage::LeaveRoom { room, reference } => format!("leave_room room={room:?} ref={reference:?}"),
        ClientMessage::SendMessage { room, content, data, tag } => {
            let tag = tag.as_deref().map(|SendTag { reference, producer }| {
                let producer =
                    producer.as_ref().map(|tag| format!("{:?}/{}@{:?}", tag.pid, tag.pseq, tag.epoch));
                format!("{reference:?} {producer:?}")
            });
            format!(
                "send_message room={room:?} bytes={} data={:?} tag={tag:?}",
                content.len(),
                size(data.as_ref())
            )
        }
        ClientMessage::History(request) => format!(
            "history room={:?} ref={:?} epoch={:?} after={} limit={}",
            request.room, request.reference, request.epoch, request.after, request.limit
        ),
        ClientMessage::Presence { room } => format!("presence room={room:?}"),
        ClientMessage::Signal { room, kind, data } => {
            format!("signal room={room:?} kind={kind:?} data={:?}", size(data.as_ref()))
        }
        ClientMessage::Ping { t } => format!("ping t={t}"),
        ClientMessage::Custom(frame) => format!("own bytes={}", frame.len()),
        ClientMessage::Kept(frame) => format!("kept bytes={}", frame.len()),
        ClientMessage::Auth { reference, .. } => format!("auth ref={reference:?}"),
    }
}

fn describe_event(event: &Event) -> String {
    match event {
        Event::State(change) => describe_state(change),
        Event::Mode(mode) => format!("mode {}", mode.as_str()),
        #[cfg(feature = "sse")]
        Event::ReadOnly(is_read_only) => format!("read only: {is_read_only}"),
        Event::Ready(mode) => format!("ready {}", mode.as_str()),
        Event::Room(RoomChange { room, state, refused, message, server_code }) => {
            let why = match state {
                RoomState::Failed(code) | RoomState::Removed(code) => Some(*code),
                _ => *refused,
            };
            let words = size(message.as_ref());
            format!(
                "room {room:?} {} code={why:?} server_code={server_code:?} words={words:?}",
                state.as_str()
            )
        }
        Event::Joined(JoinedRoom { room, recovered, replayed, reason, members, member_count, .. }) => {
            let members = members.as_ref().map(Vec::len);
            format!(
                "joined {room:?} recovered={recovered} replayed={replayed} reason={reason:?} members={members:?} count={member_count:?}"
            )
        }
        Event::JoinReply { room, reply } => {
            format!(
                "join reply {room:?} answer={:?} words={:?}",
                size(reply.answer.as_ref()),
                size(reply.message.as_ref())
            )
        }
        Event::Message(message) => describe_message(message),
        Event::UserJoined { room, user } => format!("user joined {room:?} {user:?}"),
        Event::UserLeft { room, user } => format!("user left {room:?} {user:?}"),
        Event::Presence(presence) => {
            let members = presence.members.as_ref().map(Vec::len);
            format!("presence {:?} members={members:?} count={:?}", presence.room, presence.member_count)
        }
        Event::Signal(signal) => {
            let data = size(signal.data.as_ref());
            format!("signal {:?} {:?} kind={:?} data={data:?}", signal.room, signal.user, signal.kind)
        }
        Event::Notification(told) => {
            format!(
                "notification kind={:?} data={:?} entry={:?}",
                told.kind,
                size(told.data.as_ref()),
                told.entry
            )
        }
        Event::Frame(frame) => {
            format!("frame kind={:?} bytes={} ack={:?}", frame.kind(), frame.byte_len(), frame.ack())
        }
        Event::NotKept { key, why } => format!("not kept {key:?} {}", why.as_str()),
        Event::NotAnswered { ack, why } => format!("not answered ack={ack} {}", why.as_str()),
        Event::Restored(restored) => {
            format!(
                "restored id={} {:?} ref={:?} bytes={}",
                restored.id.0,
                restored.room,
                restored.reference,
                restored.content.len()
            )
        }
        Event::Gap(gap) => {
            format!(
                "gap {:?} after={:?} before={:?} {}",
                gap.room,
                gap.after,
                gap.before,
                gap.reason.as_str()
            )
        }
        Event::Delivery(delivery) => describe_delivery(delivery),
        Event::ServerError { message, code, server_code } => {
            format!("server error code={code:?} server_code={server_code:?} words={}", message.len())
        }
        Event::Malformed { error, count, .. } => {
            format!("malformed frame, {count} so far: {:?} bytes={}", kind(error), error.len())
        }
        Event::StorageFailed { .. } => "storage failed".into(),
        Event::Lagged { skipped } => format!("lagged, skipped={skipped}"),
    }
}

fn describe_state(StateChange { state, cause }: &StateChange) -> String {
    let (attempt, retry_at) = match state {
        State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } => {
            (Some(*attempt), retry_at.map(crate::time::Timestamp::since_start))
        }
        _ => (None, None),
    };
    let cause = cause.as_ref().map(|Cause { code, text, .. }| format!("{} {text:?}", code.as_str()));
    format!("state {} attempt={attempt:?} retry_at={retry_at:?} cause={cause:?}", state.as_str())
}

fn describe_message(message: &Message) -> String {
    let entry = message.entry.as_deref();
    format!(
        "message {:?} {:?} bytes={} data={:?} entry={entry:?}",
        message.room,
        message.user,
        message.content.len(),
        size(message.data.as_ref()),
    )
}

fn describe_delivery(Delivery { id, room, status, reply }: &Delivery) -> String {
    let status = match status {
        DeliveryStatus::Written => String::from("written"),
        DeliveryStatus::Acked { id, seq } => format!("acked id={id:?} seq={seq}"),
        DeliveryStatus::Answered { id, seq } => format!("answered id={id:?} seq={seq:?}"),
        DeliveryStatus::Unknown => String::from("unknown"),
        DeliveryStatus::Failed(why) => format!("failed {}", why.as_str()),
    };
    let reply = reply.as_ref().map(|reply| (size(reply.answer.as_ref()), size(reply.message.as_ref())));
    format!("delivery id={} {room:?} {status} reply={reply:?}", id.0)
}

fn size(text: Option<&String>) -> Option<usize> {
    text.map(String::len)
}
