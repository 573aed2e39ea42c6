//! Numbers that stand for enums between wasm and the page. Each list has one definition for both sides: [`typescript`] writes
//! the page's from it.
//!
//! [`typescript`]: crate::typescript

#[cfg(feature = "rooms")]
use rejoin::messages::{Code, JoinReason};
#[cfg(feature = "rooms")]
use rejoin::{CauseCode, DialErrorKind, Mode, RoomState, SendFailure};
use rejoin::{GapReason, State};

/// An enum whose variants are numbered from 1 in order. Variants of some machines only come last.
macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident, $list:ident: $($(#[$when:meta])* $name:ident),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $kind { $($(#[$when])* $name),+ }

        #[allow(dead_code, reason = "read for inputs only, and written for both")]
        impl $kind {
            /// By number, from 1.
            pub(crate) const ALL: &[Self] = &[$($(#[$when])* Self::$name),+];
        }

        #[cfg(any(test, not(target_family = "wasm")))]
        #[cfg_attr(target_family = "wasm", allow(dead_code, reason = "the tests there read two of the lists"))]
        pub(crate) const $list: &[&str] = &[$($(#[$when])* stringify!($name)),+];
    };
}

pub(crate) use kinds;

/// Numbers each variant by its position, and natively lists the names.
macro_rules! numbered {
    ($(#[$doc:meta])* $number:ident, $names:ident, $type:ty, $($(#[$when:meta])* $pattern:pat => $sample:expr),+ $(,)?) => {
        $(#[$doc])*
        pub(crate) fn $number(value: &$type) -> u32 {
            let mut number = 0;
            $(
                $(#[$when])*
                {
                    number += 1;
                    if matches!(value, $pattern) {
                        return number;
                    }
                }
            )+
            0
        }

        #[cfg(not(target_family = "wasm"))]
        pub(crate) fn $names() -> Vec<&'static str> {
            [$($(#[$when])* $sample.as_str()),+].to_vec()
        }
    };
}

pub(crate) use numbered;

numbered!(
    /// The number of a state; 0 for an unknown one.
    state, states, State,
    State::Idle => State::Idle,
    State::Connecting => State::Connecting,
    State::Connected => State::Connected,
    State::Reconnecting { .. } => State::Reconnecting { attempt: 1, retry_at: None },
    State::Suspended { .. } => State::Suspended { attempt: 1, retry_at: None },
    State::Closing => State::Closing,
    State::Closed => State::Closed,
    State::Failed => State::Failed,
);

#[cfg(feature = "rooms")]
numbered!(
    /// The number of a mode.
    mode, modes, Mode,
    Mode::Plain => Mode::Plain,
    Mode::Extended => Mode::Extended,
);

#[cfg(feature = "rooms")]
numbered!(
    /// The number of a room's state.
    room_state, room_states, RoomState,
    RoomState::Joining => RoomState::Joining,
    RoomState::Joined => RoomState::Joined,
    RoomState::Left => RoomState::Left,
    RoomState::Refused => RoomState::Refused,
    RoomState::Failed(_) => RoomState::Failed(Code::Other),
    RoomState::Removed(_) => RoomState::Removed(Code::Other),
);

numbered!(
    /// The number of a gap's reason.
    gap_reason, gap_reasons, GapReason,
    GapReason::Reconnected => GapReason::Reconnected,
    GapReason::EpochChanged => GapReason::EpochChanged,
    GapReason::Forked => GapReason::Forked,
    GapReason::Trimmed => GapReason::Trimmed,
    GapReason::Unavailable => GapReason::Unavailable,
);

#[cfg(feature = "rooms")]
numbered!(
    /// The number of a send's failure.
    failure, failures, SendFailure,
    SendFailure::QueueFull => SendFailure::QueueFull,
    SendFailure::BadRoom => SendFailure::BadRoom,
    SendFailure::TooLarge => SendFailure::TooLarge,
    SendFailure::Expired => SendFailure::Expired,
    SendFailure::Timeout => SendFailure::Timeout,
    SendFailure::Closed => SendFailure::Closed,
    SendFailure::Cancelled => SendFailure::Cancelled,
    SendFailure::UserChanged => SendFailure::UserChanged,
    #[cfg(feature = "own")]
    SendFailure::Dropped => SendFailure::Dropped,
);

#[cfg(feature = "rooms")]
numbered!(
    /// The number of a cause's code. A browser does not learn why a dial failed, so only the kinds it can know, and Node's.
    cause, causes, CauseCode,
    CauseCode::Requested => CauseCode::Requested,
    CauseCode::Closed(1000) => CauseCode::Closed(1000),
    CauseCode::Closed(_) => CauseCode::Closed(4000),
    CauseCode::ConnectionLost => CauseCode::ConnectionLost,
    CauseCode::DeadPeer => CauseCode::DeadPeer,
    CauseCode::Unanswered => CauseCode::Unanswered,
    CauseCode::NetworkChanged => CauseCode::NetworkChanged,
    CauseCode::ProtocolError => CauseCode::ProtocolError,
    CauseCode::FrameTooLarge => CauseCode::FrameTooLarge,
    CauseCode::Dial(DialErrorKind::Timeout) => CauseCode::Dial(DialErrorKind::Timeout),
    CauseCode::Dial(DialErrorKind::Http(_)) => CauseCode::Dial(DialErrorKind::Http(400)),
    CauseCode::Dial(_) => CauseCode::Dial(DialErrorKind::Unreachable),
    CauseCode::Unauthorized(_) => CauseCode::Unauthorized(4001),
    CauseCode::TokenUnavailable => CauseCode::TokenUnavailable,
    CauseCode::GaveUp => CauseCode::GaveUp,
);

#[cfg(feature = "rooms")]
/// The servers' error codes; the number is the index, from 1.
pub(crate) const CODES: [Code; 12] = [
    Code::RateLimited,
    Code::Overloaded,
    Code::Internal,
    Code::NotJoined,
    Code::SequenceGap,
    Code::Forbidden,
    Code::TooLarge,
    Code::BadRequest,
    Code::UnknownProducer,
    Code::TooManyRooms,
    Code::RoomFull,
    Code::Other,
];

#[cfg(feature = "rooms")]
/// The number of a server's code.
pub(crate) fn code(code: Code) -> u32 {
    let place = CODES.iter().position(|known| *known == code);
    place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(0)
}

#[cfg(feature = "rooms")]
/// The inverse of [`code`].
pub(crate) fn read_code(number: u32) -> Code {
    at(&CODES, number).unwrap_or(Code::Other)
}

#[cfg(feature = "rooms")]
/// The reasons of a join without recovery; the number is the index, from 1.
pub(crate) const JOIN_REASONS: [(JoinReason, &str); 5] = [
    (JoinReason::Fresh, "fresh"),
    (JoinReason::EpochChanged, "epoch_changed"),
    (JoinReason::Forked, "forked"),
    (JoinReason::Trimmed, "trimmed"),
    (JoinReason::Other, "other"),
];

#[cfg(feature = "rooms")]
/// The number of a reason; 0 for none.
pub(crate) fn join_reason(reason: Option<JoinReason>) -> u32 {
    let place = JOIN_REASONS.iter().position(|(known, _)| Some(*known) == reason);
    place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(0)
}

#[cfg(feature = "rooms")]
/// The inverse of [`join_reason`].
pub(crate) fn read_join_reason(number: u32) -> Option<JoinReason> {
    at(&JOIN_REASONS, number).map(|(reason, _)| reason)
}

#[cfg(feature = "rooms")]
fn at<T: Copy>(list: &[T], number: u32) -> Option<T> {
    list.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

#[cfg(all(test, not(target_family = "wasm")))]
#[cfg(feature = "rooms")]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_at_the_place_of_its_number() {
        let place = |names: Vec<&str>, number: u32| names[usize::try_from(number).unwrap() - 1].to_owned();
        assert_eq!(place(states(), state(&State::Failed)), "failed");
        assert_eq!(place(causes(), cause(&CauseCode::Closed(1000))), "server_closed");
        assert_eq!(place(causes(), cause(&CauseCode::Closed(4001))), "closed");
        assert_eq!(place(causes(), cause(&CauseCode::Dial(DialErrorKind::Timeout))), "dial_timeout");
        assert_eq!(place(causes(), cause(&CauseCode::GaveUp)), "gave_up");
        assert_eq!(place(failures(), failure(&SendFailure::Cancelled)), "cancelled");
        assert_eq!(place(room_states(), room_state(&RoomState::Left)), "left");
    }
}
