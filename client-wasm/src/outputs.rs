//! Encodes outputs of the session as numbers for the page.

use crate::codes;
use crate::codes::kinds;
use crate::convert::float;
use crate::handles::{HasHandle, Value};
use crate::slots::SlotWriter;
use rejoin::machine::Output;
use rejoin::{DeliveryStatus, Event, RoomState, SendFailure, State, StateChange};

kinds!(
    /// Outputs, with their fields in slot order; ids in the id buffer.
    OutputKind, OUTPUTS:
    // rejected
    FetchToken,
    // connection, URL, whether to send the token, whether to offer the extended protocol, whether to dial the
    // redirect target
    Dial,
    Save,
    // connection, frame, room, history + 1 or 0, seq of `since`; ref, since's epoch and id
    SendJoin,
    // connection, frame, room; ref
    SendLeave,
    // connection, frame, room, value, pseq; ref, pid, epoch
    SendMessage,
    // connection, frame, room, after, limit; ref, epoch
    SendHistory,
    // connection, frame, room
    SendPresence,
    // connection, frame, room, value
    SendSignal,
    // connection, frame, t
    SendPing,
    // connection, frame; ref
    SendAuth,
    // connection, code
    Close, Abort,
    // state, attempt, when in ms or −1, cause, the cause's number, whether it will retry, the last attempt's cause
    State,
    // mode
    Mode, Ready,
    // room, state, code
    Room,
    // room, frame, recovered, replayed, reason
    Joined,
    // frame
    Message, Notification,
    // room, frame
    UserJoined, UserLeft, Members, Signal,
    // room, reason, after or −1, before or −1; epoch
    Gap,
    // send, status, failure, code, seq, the message of a refusal or 0; id
    Delivery,
    // send, room, value
    Restored,
    // value, code
    ServerError,
    Malformed,
    // An output that this version does not report.
    Nothing,
);

/// Writes the fields and returns the kind's number. The fields of a sent message depend on the protocol: `put`
/// writes them.
#[inline(never)]
pub(crate) fn write<N: HasHandle, M>(
    output: Output<Value, N, M>,
    fields: &mut SlotWriter<'_>,
    put: impl FnOnce(&M, &mut SlotWriter<'_>) -> u32,
) -> u32 {
    let kind = match output {
        Output::FetchToken { rejected } => {
            fields.flag(rejected);
            OutputKind::FetchToken
        }
        Output::Dial { conn, endpoint, token, extended, url, .. } => {
            let endpoint = u32::try_from(endpoint).unwrap_or(0);
            fields.count(conn.0).number(endpoint).flag(token.is_some()).flag(extended).flag(url.is_some());
            OutputKind::Dial
        }
        Output::Save => OutputKind::Save,
        Output::Send { conn, frame, message } => {
            fields.count(conn.0).count(frame);
            return put(&message, fields);
        }
        Output::Close { conn, code } => {
            fields.count(conn.0).number(u32::from(code));
            OutputKind::Close
        }
        Output::Abort { conn, code } => {
            fields.count(conn.0).number(u32::from(code));
            OutputKind::Abort
        }
        Output::Event(event) => event_of(event, fields),
        _ => OutputKind::Nothing,
    };
    kind.number()
}

impl OutputKind {
    /// Its number in the page.
    pub(crate) fn number(self) -> u32 {
        self as u32 + 1
    }
}

fn event_of<N: HasHandle>(event: Event<Value, N>, fields: &mut SlotWriter<'_>) -> OutputKind {
    match event {
        Event::State(change) => state_of(&change, fields),
        Event::Mode(mode) => {
            fields.number(codes::mode(&mode));
            OutputKind::Mode
        }
        Event::Ready(mode) => {
            fields.number(codes::mode(&mode));
            OutputKind::Ready
        }
        Event::Room(change) => {
            fields.number(change.room.number()).number(codes::room_state(&change.state));
            let code = match change.state {
                RoomState::Failed(code) | RoomState::Removed(code) => Some(code),
                _ => change.refused,
            };
            fields.number(code.map_or(0, codes::code));
            OutputKind::Room
        }
        Event::Joined(joined) => {
            fields
                .number(joined.room.number())
                .count(joined.member_count.unwrap_or(0))
                .flag(joined.recovered);
            fields.count(joined.replayed).number(codes::join_reason(joined.reason));
            OutputKind::Joined
        }
        Event::Message(message) => {
            fields.number(message.content.handle());
            OutputKind::Message
        }
        Event::Notification(notification) => {
            fields.number(notification.data.as_ref().map_or(0, Value::handle));
            OutputKind::Notification
        }
        Event::UserJoined { room, user } => {
            fields.number(room.number()).number(user.number());
            OutputKind::UserJoined
        }
        Event::UserLeft { room, user } => {
            fields.number(room.number()).number(user.number());
            OutputKind::UserLeft
        }
        Event::Presence(presence) => {
            fields.number(presence.room.number()).count(presence.member_count.unwrap_or(0));
            OutputKind::Members
        }
        Event::Signal(signal) => {
            fields.number(signal.room.number()).number(signal.user.number());
            OutputKind::Signal
        }
        Event::Gap(gap) => {
            fields
                .number(gap.room.number())
                .number(codes::gap_reason(&gap.reason))
                .optional(gap.after)
                .optional(gap.before);
            fields.optional_id(gap.epoch.as_ref());
            OutputKind::Gap
        }
        Event::Delivery(delivery) => {
            fields.send(delivery.id);
            status_of(&delivery.status, fields);
            // Only a refusal has a message.
            if let Some(words) = delivery.reply.and_then(|reply| reply.message) {
                fields.number(0).number(words.handle());
            }
            OutputKind::Delivery
        }
        Event::Restored(restored) => {
            fields.send(restored.id).number(restored.room.number()).number(restored.content.handle());
            OutputKind::Restored
        }
        Event::ServerError { message, code, .. } => {
            fields.number(message.handle()).number(code.map_or(0, codes::code));
            OutputKind::ServerError
        }
        Event::Malformed { .. } => OutputKind::Malformed,
        _ => OutputKind::Nothing,
    }
}

fn state_of(change: &StateChange, fields: &mut SlotWriter<'_>) -> OutputKind {
    let (attempt, retry_at) = match change.state {
        State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } => {
            (attempt, retry_at)
        }
        _ => (0, None),
    };
    fields.number(codes::state(&change.state)).number(attempt);
    fields.put(retry_at.map_or(-1.0, |at| float(at.millis())));
    if let Some(cause) = &change.cause {
        let last = cause.last.as_ref();
        let number = last.unwrap_or(&cause.code).number();
        fields.number(codes::cause(&cause.code)).number(u32::from(number.unwrap_or(0)));
        fields.flag(cause.will_retry).number(last.map_or(0, codes::cause));
    }
    OutputKind::State
}

/// 1 written, 2 acked, 3 unknown, 4 failed.
fn status_of(status: &DeliveryStatus, fields: &mut SlotWriter<'_>) {
    match status {
        DeliveryStatus::Written => fields.number(1),
        DeliveryStatus::Acked { id, seq } => fields.number(2).number(0).number(0).count(*seq).id(id),
        DeliveryStatus::Failed(SendFailure::Refused(code)) => {
            fields.number(4).number(0).number(codes::code(*code))
        }
        DeliveryStatus::Failed(why) => fields.number(4).number(codes::failure(why)),
        // A status unknown to this version is reported as unknown.
        _ => fields.number(3),
    };
}
