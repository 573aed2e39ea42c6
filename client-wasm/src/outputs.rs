//! Outputs of the session → numbers for the page.

use crate::kinds::kinds;
use crate::names;
use crate::numbers::{float, millis};
use crate::value::{Handle, Value};
use rejoin::{ClientMessage, DeliveryStatus, Event, Output, SendFailure, State, StateChange};

/// Most fields an output has.
pub(crate) const SLOTS: usize = 8;

kinds!(
    /// What the machine wants done, or tells. The fields are in the slots in the order given here.
    OutputKind, OUTPUTS:
    // rejected
    FetchToken,
    // connection, URL, whether to give the token
    Dial,
    // connection, frame, room
    SendJoin, SendLeave,
    // connection, frame, room, value
    SendMessage,
    // connection, code
    Close, Abandon,
    // state, attempt, when in ms or −1, cause, the cause's number, whether it will retry
    State,
    // mode
    Ready,
    // room, state
    Room,
    // value
    Message,
    // room, user
    UserJoined,
    // room, reason
    Gap,
    // send, status (1 written, 2 unknown, 3 failed), failure
    Delivery,
    // value
    ServerError,
    Garbled,
    // Of a kind this version does not pass on.
    Nothing,
);

/// Puts the fields into the slots and gives the kind's number.
pub(crate) fn write(output: Output<Value, Handle>, slots: &mut [f64; SLOTS]) -> u32 {
    let mut put = |fields: &[f64]| {
        for (slot, field) in slots.iter_mut().zip(fields) {
            *slot = *field;
        }
    };
    let kind = match output {
        Output::FetchToken { rejected } => {
            put(&[truth(rejected)]);
            OutputKind::FetchToken
        }
        Output::Dial { conn, endpoint, token, .. } => {
            let endpoint = u32::try_from(endpoint).unwrap_or(0);
            put(&[float(conn.0), f64::from(endpoint), truth(token.is_some())]);
            OutputKind::Dial
        }
        Output::Send { conn, frame, message } => {
            let (kind, room, value) = frame_of(&message);
            put(&[float(conn.0), float(frame), f64::from(room), f64::from(value)]);
            kind
        }
        Output::Close { conn, code } => {
            put(&[float(conn.0), f64::from(code)]);
            OutputKind::Close
        }
        Output::Abandon { conn, code } => {
            put(&[float(conn.0), f64::from(code)]);
            OutputKind::Abandon
        }
        Output::Event(event) => return event_of(event, put),
        _ => OutputKind::Nothing,
    };
    kind.number()
}

fn frame_of(message: &ClientMessage<Value, Handle>) -> (OutputKind, Handle, u32) {
    match message {
        ClientMessage::JoinRoom { room } => (OutputKind::SendJoin, *room, 0),
        ClientMessage::LeaveRoom { room } => (OutputKind::SendLeave, *room, 0),
        ClientMessage::SendMessage { room, content } => (OutputKind::SendMessage, *room, content.handle()),
        _ => (OutputKind::Nothing, 0, 0),
    }
}

fn event_of(event: Event<Value, Handle>, mut put: impl FnMut(&[f64])) -> u32 {
    let kind = match event {
        Event::State(change) => {
            put(&state_of(&change));
            OutputKind::State
        }
        Event::Ready(mode) => {
            put(&[f64::from(names::mode(&mode))]);
            OutputKind::Ready
        }
        Event::Room(change) => {
            put(&[f64::from(change.room), f64::from(names::room_state(&change.state))]);
            OutputKind::Room
        }
        Event::Message(message) => {
            put(&[f64::from(message.content.handle())]);
            OutputKind::Message
        }
        Event::UserJoined { room, user } => {
            put(&[f64::from(room), f64::from(user)]);
            OutputKind::UserJoined
        }
        Event::Gap(gap) => {
            put(&[f64::from(gap.room), f64::from(names::gap_reason(&gap.reason))]);
            OutputKind::Gap
        }
        Event::Delivery(delivery) => {
            let (status, failure) = status_of(delivery.status);
            put(&[float(delivery.id.0), status, failure]);
            OutputKind::Delivery
        }
        Event::ServerError { message } => {
            put(&[f64::from(message.handle())]);
            OutputKind::ServerError
        }
        Event::Garbled { .. } => OutputKind::Garbled,
        _ => OutputKind::Nothing,
    };
    kind.number()
}

fn state_of(change: &StateChange) -> [f64; 6] {
    let (attempt, retry_at) = match change.state {
        State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } => {
            (attempt, retry_at)
        }
        _ => (0, None),
    };
    let (cause, number, will_retry) = match &change.cause {
        Some(cause) => (names::cause(&cause.code), cause.code.number().unwrap_or(0), cause.will_retry),
        None => (0, 0, false),
    };
    [
        f64::from(names::state(&change.state)),
        f64::from(attempt),
        retry_at.map_or(-1.0, |at| millis(at.since_start())),
        f64::from(cause),
        f64::from(number),
        truth(will_retry),
    ]
}

fn status_of(status: DeliveryStatus) -> (f64, f64) {
    let failure = |why: SendFailure| f64::from(names::failure(&why));
    match status {
        DeliveryStatus::Written => (1.0, 0.0),
        DeliveryStatus::Failed(why) => (3.0, failure(why)),
        // One that is new here cannot be promised to have been made.
        _ => (2.0, 0.0),
    }
}

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
