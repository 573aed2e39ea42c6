//! The numbers that cross the border, and the names the page gives them. One list for both sides: the match that
//! runs in wasm and, natively, the text of `js/names.ts` (`cargo run -p rejoin-wasm --example names`).

use rejoin::{CauseCode, DialErrorKind, GapReason, Mode, RoomState, SendFailure, State};

/// Gives each variant its number by its place, and natively its name.
macro_rules! numbered {
    ($(#[$doc:meta])* $number:ident, $names:ident, $type:ty, $($pattern:pat => $sample:expr),+ $(,)?) => {
        $(#[$doc])*
        #[expect(unused_assignments, reason = "the count after the last variant")]
        pub(crate) fn $number(value: &$type) -> u32 {
            let mut number = 1;
            $(
                if matches!(value, $pattern) {
                    return number;
                }
                number += 1;
            )+
            0
        }

        #[cfg(not(target_family = "wasm"))]
        pub(crate) fn $names() -> alloc::vec::Vec<&'static str> {
            alloc::vec![$($sample.as_str()),+]
        }
    };
}

numbered!(
    /// The number of a state; 0 for one this table does not know.
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

numbered!(
    /// The number of a mode.
    mode, modes, Mode,
    Mode::Plain => Mode::Plain,
);

numbered!(
    /// The number of how it stands with a room.
    room_state, room_states, RoomState,
    RoomState::Joining => RoomState::Joining,
    RoomState::Joined => RoomState::Joined,
    RoomState::Left => RoomState::Left,
    RoomState::Refused => RoomState::Refused,
);

numbered!(
    /// The number of why messages are missing.
    gap_reason, gap_reasons, GapReason,
    GapReason::Reconnected => GapReason::Reconnected,
);

numbered!(
    /// The number of why a send was not made.
    failure, failures, SendFailure,
    SendFailure::QueueFull => SendFailure::QueueFull,
    SendFailure::BadRoom => SendFailure::BadRoom,
    SendFailure::TooLarge => SendFailure::TooLarge,
    SendFailure::Expired => SendFailure::Expired,
    SendFailure::Timeout => SendFailure::Timeout,
    SendFailure::Closed => SendFailure::Closed,
    SendFailure::Cancelled => SendFailure::Cancelled,
);

numbered!(
    /// The number of a cause's code. A browser is not told why a dial failed, so only the kinds it can know.
    cause, causes, CauseCode,
    CauseCode::Requested => CauseCode::Requested,
    CauseCode::Closed(1000) => CauseCode::Closed(1000),
    CauseCode::Closed(_) => CauseCode::Closed(4000),
    CauseCode::ConnectionLost => CauseCode::ConnectionLost,
    CauseCode::DeadPeer => CauseCode::DeadPeer,
    CauseCode::NetworkChanged => CauseCode::NetworkChanged,
    CauseCode::ProtocolError => CauseCode::ProtocolError,
    CauseCode::FrameTooLarge => CauseCode::FrameTooLarge,
    CauseCode::Dial(DialErrorKind::Timeout) => CauseCode::Dial(DialErrorKind::Timeout),
    CauseCode::Dial(_) => CauseCode::Dial(DialErrorKind::Unreachable),
    CauseCode::Unauthorized(_) => CauseCode::Unauthorized(4001),
    CauseCode::TokenUnavailable => CauseCode::TokenUnavailable,
    CauseCode::GaveUp => CauseCode::GaveUp,
);

/// The text of `js/names.ts`.
#[cfg(not(target_family = "wasm"))]
pub fn typescript() -> alloc::string::String {
    use alloc::format;
    use alloc::string::String;

    let mut text = String::from(
        "// Written by `cargo run -p rejoin-wasm --example names`: change src/names.rs instead.\n",
    );
    let lists = [
        ("State", states()),
        ("Mode", modes()),
        ("RoomState", room_states()),
        ("GapReason", gap_reasons()),
        ("SendFailure", failures()),
        ("CauseCode", causes()),
    ];
    for (name, names) in lists {
        let quoted: alloc::vec::Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        text += &format!("\nexport type {name} = {};\n", quoted.join(" | "));
        text += &format!(
            "/** By number; 0 is none. */\nexport const {}: readonly {name}[] =\n  \"{}\".split(\" \") as {name}[];\n",
            list_name(name),
            names.join(" ")
        );
    }
    for (name, numbers) in [("Input", crate::inputs::INPUTS), ("Output", crate::outputs::OUTPUTS)] {
        text += &format!("\nexport const enum {name} {{\n");
        for (number, entry) in (1..).zip(numbers) {
            text += &format!("  {entry} = {number},\n");
        }
        text += "}\n";
    }
    text
}

/// `RoomState` → `roomStates`.
#[cfg(not(target_family = "wasm"))]
fn list_name(name: &str) -> alloc::string::String {
    let (first, rest) = name.split_at(1);
    alloc::format!("{}{rest}s", first.to_ascii_lowercase())
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_at_the_place_of_its_number() {
        let place = |names: alloc::vec::Vec<&str>, number: u32| {
            names[usize::try_from(number).unwrap() - 1].to_owned()
        };
        assert_eq!(place(states(), state(&State::Failed)), "failed");
        assert_eq!(place(causes(), cause(&CauseCode::Closed(1000))), "server_closed");
        assert_eq!(place(causes(), cause(&CauseCode::Closed(4001))), "closed");
        assert_eq!(place(causes(), cause(&CauseCode::Dial(DialErrorKind::Timeout))), "dial_timeout");
        assert_eq!(place(causes(), cause(&CauseCode::GaveUp)), "gave_up");
        assert_eq!(place(failures(), failure(&SendFailure::Cancelled)), "cancelled");
        assert_eq!(place(room_states(), room_state(&RoomState::Left)), "left");
    }

    #[test]
    fn the_page_gets_a_type_and_a_list_for_each_enum() {
        let text = typescript();
        assert!(text.contains("export type RoomState = \"joining\" | \"joined\""), "{text}");
        assert!(text.contains("export const roomStates: readonly RoomState[]"), "{text}");
        assert!(text.contains("export const enum Output {\n"), "{text}");
    }
}
