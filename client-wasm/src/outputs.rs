//! Outputs of the session → numbers for the page.

use crate::kinds::kinds;
use crate::names;
use crate::numbers::float;
use crate::texts::Texts;
use crate::value::{Numbered, Value};
use rejoin::machine::Output;
use rejoin::messages::MAX_INT;
use rejoin::{DeliveryStatus, Event, Id, RoomState, SendFailure, SendId, State, StateChange};

kinds!(
    /// What the machine wants done, or tells, with its fields in the order of the slots; ids are in the texts.
    OutputKind, OUTPUTS:
    // rejected
    FetchToken,
    // connection, URL, whether to give the token, whether to offer the extended protocol, whether to go where the
    // server sent us
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
    Close, Abandon,
    // state, attempt, when in ms or −1, cause, the cause's number, whether it will retry
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
    // send, status, failure, code, seq, the words of a refusal or 0; id
    Delivery,
    // send, room, value
    Restored,
    // value, code
    ServerError,
    Garbled,
    // Of a kind this version does not pass on.
    Nothing,
);

/// Where the fields of an output go.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) slots: core::slice::IterMut<'a, f64>,
    pub(crate) texts: &'a mut Texts,
}

impl Fields<'_> {
    #[inline(never)]
    fn put(&mut self, field: f64) -> &mut Self {
        if let Some(slot) = self.slots.next() {
            *slot = field;
        }
        self
    }

    #[inline(never)]
    pub(crate) fn count(&mut self, count: u64) -> &mut Self {
        self.put(float(count))
    }

    #[inline(never)]
    pub(crate) fn small(&mut self, number: u32) -> &mut Self {
        self.put(f64::from(number))
    }

    #[inline(never)]
    pub(crate) fn truth(&mut self, yes: bool) -> &mut Self {
        self.put(f64::from(u8::from(yes)))
    }

    #[inline(never)]
    /// A restored send has a number beyond those of the page; there it is a negative one.
    pub(crate) fn send(&mut self, SendId(id): SendId) -> &mut Self {
        let own = id & MAX_INT;
        self.put(if own == id { float(own) } else { -float(own) })
    }

    pub(crate) fn maybe(&mut self, count: Option<u64>) -> &mut Self {
        self.put(count.map_or(-1.0, float))
    }

    #[inline(never)]
    pub(crate) fn id(&mut self, id: &Id) -> &mut Self {
        self.texts.put(id.as_bytes());
        self
    }

    /// An id that may be absent: its place stays empty.
    pub(crate) fn maybe_id(&mut self, id: Option<&Id>) -> &mut Self {
        self.texts.put(id.map_or(&[], Id::as_bytes));
        self
    }
}

/// Puts the fields into their places and gives the number of the kind. What is in a frame depends on the protocol: `put`
/// does it.
#[inline(never)]
pub(crate) fn write<N: Numbered, M>(
    output: Output<Value, N, M>,
    fields: &mut Fields<'_>,
    put: impl FnOnce(&M, &mut Fields<'_>) -> u32,
) -> u32 {
    let kind = match output {
        Output::FetchToken { rejected } => {
            fields.truth(rejected);
            OutputKind::FetchToken
        }
        Output::Dial { conn, endpoint, token, extended, url, .. } => {
            let endpoint = u32::try_from(endpoint).unwrap_or(0);
            fields.count(conn.0).small(endpoint).truth(token.is_some()).truth(extended).truth(url.is_some());
            OutputKind::Dial
        }
        Output::Save => OutputKind::Save,
        Output::Send { conn, frame, message } => {
            fields.count(conn.0).count(frame);
            return put(&message, fields);
        }
        Output::Close { conn, code } => {
            fields.count(conn.0).small(u32::from(code));
            OutputKind::Close
        }
        Output::Abort { conn, code } => {
            fields.count(conn.0).small(u32::from(code));
            OutputKind::Abandon
        }
        Output::Event(event) => event_of(event, fields),
        _ => OutputKind::Nothing,
    };
    kind.number()
}

impl OutputKind {
    /// As the page knows it.
    pub(crate) fn number(self) -> u32 {
        self as u32 + 1
    }
}

fn event_of<N: Numbered>(event: Event<Value, N>, fields: &mut Fields<'_>) -> OutputKind {
    match event {
        Event::State(change) => state_of(&change, fields),
        Event::Mode(mode) => {
            fields.small(names::mode(&mode));
            OutputKind::Mode
        }
        Event::Ready(mode) => {
            fields.small(names::mode(&mode));
            OutputKind::Ready
        }
        Event::Room(change) => {
            fields.small(change.room.number()).small(names::room_state(&change.state));
            let code = match change.state {
                RoomState::Failed(code) | RoomState::Removed(code) => Some(code),
                _ => change.refused,
            };
            fields.small(code.map_or(0, names::code));
            OutputKind::Room
        }
        Event::Joined(joined) => {
            fields
                .small(joined.room.number())
                .count(joined.member_count.unwrap_or(0))
                .truth(joined.recovered);
            fields.count(joined.replayed).small(names::join_reason(joined.reason));
            OutputKind::Joined
        }
        Event::Message(message) => {
            fields.small(message.content.handle());
            OutputKind::Message
        }
        Event::Notification(notification) => {
            fields.small(notification.data.as_ref().map_or(0, Value::handle));
            OutputKind::Notification
        }
        Event::UserJoined { room, user } => {
            fields.small(room.number()).small(user.number());
            OutputKind::UserJoined
        }
        Event::UserLeft { room, user } => {
            fields.small(room.number()).small(user.number());
            OutputKind::UserLeft
        }
        Event::Presence(presence) => {
            fields.small(presence.room.number()).count(presence.member_count.unwrap_or(0));
            OutputKind::Members
        }
        Event::Signal(signal) => {
            fields.small(signal.room.number()).small(signal.user.number());
            OutputKind::Signal
        }
        Event::Gap(gap) => {
            fields
                .small(gap.room.number())
                .small(names::gap_reason(&gap.reason))
                .maybe(gap.after)
                .maybe(gap.before);
            fields.maybe_id(gap.epoch.as_ref());
            OutputKind::Gap
        }
        Event::Delivery(delivery) => {
            fields.send(delivery.id);
            status_of(&delivery.status, fields);
            // Only a refusal has words.
            if let Some(words) = delivery.reply.and_then(|reply| reply.message) {
                fields.small(0).small(words.handle());
            }
            OutputKind::Delivery
        }
        Event::Restored(restored) => {
            fields.send(restored.id).small(restored.room.number()).small(restored.content.handle());
            OutputKind::Restored
        }
        Event::ServerError { message, code, .. } => {
            fields.small(message.handle()).small(code.map_or(0, names::code));
            OutputKind::ServerError
        }
        Event::Malformed { .. } => OutputKind::Garbled,
        _ => OutputKind::Nothing,
    }
}

fn state_of(change: &StateChange, fields: &mut Fields<'_>) -> OutputKind {
    let (attempt, retry_at) = match change.state {
        State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } => {
            (attempt, retry_at)
        }
        _ => (0, None),
    };
    fields.small(names::state(&change.state)).small(attempt);
    fields.put(retry_at.map_or(-1.0, |at| float(at.millis())));
    if let Some(cause) = &change.cause {
        fields.small(names::cause(&cause.code)).small(u32::from(cause.code.number().unwrap_or(0)));
        fields.truth(cause.will_retry);
    }
    OutputKind::State
}

/// 1 written, 2 acked, 3 unknown, 4 failed.
fn status_of(status: &DeliveryStatus, fields: &mut Fields<'_>) {
    match status {
        DeliveryStatus::Written => fields.small(1),
        DeliveryStatus::Acked { id, seq } => fields.small(2).small(0).small(0).count(*seq).id(id),
        DeliveryStatus::Failed(SendFailure::Refused(code)) => {
            fields.small(4).small(0).small(names::code(*code))
        }
        DeliveryStatus::Failed(why) => fields.small(4).small(names::failure(why)),
        // One that is new here cannot be promised to have been made.
        _ => fields.small(3),
    };
}
