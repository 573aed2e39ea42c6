//! Writes the TypeScript that gives names to the numbers at the border: `cargo run -p rejoin-wasm --example codes NAME`. No
//! number is decided here.

use crate::codes;

/// The text of one generated file; `None` for a name that is none of them.
pub fn file(name: &str) -> Option<String> {
    Some(match name {
        #[cfg(feature = "session")]
        "session" => session(),
        #[cfg(feature = "socketio")]
        "socketio" => socketio(),
        #[cfg(feature = "feed")]
        "feed" => feed(),
        #[cfg(feature = "frames")]
        "app_frames" => app_frames(),
        _ => return None,
    })
}

/// The text of `js/wasm/codes.ts`.
#[cfg(feature = "session")]
fn session() -> String {
    let lists = [
        ("State", codes::states()),
        ("Mode", codes::modes()),
        ("RoomState", codes::room_states()),
        ("GapReason", codes::gap_reasons()),
        ("SendFailure", codes::failures()),
        ("CauseCode", codes::causes()),
        ("Code", codes::CODES.iter().map(|code| code.as_str()).collect()),
        ("JoinReason", codes::JOIN_REASONS.iter().map(|(_, name)| *name).collect()),
    ];
    let kinds = [
        ("Input", crate::inputs::INPUTS),
        ("Output", crate::outputs::OUTPUTS),
        #[cfg(feature = "stored")]
        ("Item", crate::stored::ITEMS),
    ];
    let levels = rejoin::messages::MAX_DATA_LEVELS;
    let levels = format!(
        "\n/** Most levels of arrays and objects in a message's `data`. */\nexport const MAX_DATA_LEVELS = {levels};\n"
    );
    text("src/codes.rs", "session", &lists, &kinds, 1) + &levels
}

/// The text of `js/socketio/codes.ts`.
#[cfg(feature = "socketio")]
fn socketio() -> String {
    use crate::socketio::{FIRST, PACKETS_IN, PACKETS_OUT, causes};
    let lists = [("SocketIoCauseCode", causes())];
    let kinds = [("PacketIn", PACKETS_IN), ("PacketOut", PACKETS_OUT)];
    text("src/socketio/codes.rs", "socketio", &lists, &kinds, FIRST)
}

/// The text of `js/sse/codes.ts`.
#[cfg(feature = "feed")]
fn feed() -> String {
    use crate::feed::{INPUTS, OUTPUTS, causes};
    let lists = [
        ("FeedState", codes::states()),
        ("FeedGapReason", codes::gap_reasons()),
        ("FeedCauseCode", causes()),
    ];
    text("src/feed/codes.rs", "feed", &lists, &[("FeedInput", INPUTS), ("FeedOutput", OUTPUTS)], 1)
}

/// The text of `js/app_frames/codes.ts`.
#[cfg(feature = "frames")]
fn app_frames() -> String {
    use crate::app_frames::{FIRST, FRAME_INPUTS, FRAME_OUTPUTS};
    let kinds = [("FrameInput", FRAME_INPUTS), ("FrameOutput", FRAME_OUTPUTS)];
    text("src/app_frames/mod.rs", "app_frames", &[], &kinds, FIRST)
}

/// The text of a generated file; `source` has its definition and `which` is its name here. Kinds are numbered from `first`.
fn text(
    source: &str,
    which: &str,
    lists: &[(&str, Vec<&str>)],
    kinds: &[(&str, &[&str])],
    first: u32,
) -> String {
    let header = format!(
        "// Written by `cargo run -p rejoin-wasm --example codes {which}`: change {source} instead.\n"
    );
    let lists = lists.iter().map(|(name, names)| {
        let union = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" | ");
        let (list, words) = (list_name(name), names.join(" "));
        format!(
            "\n/** By name. */\nexport type {name} = {union};\n\
             /** By number, from 1. */\nexport const {list} = \"{words}\".split(\" \") as {name}[];\n"
        )
    });
    let kinds = kinds.iter().map(|(name, kinds)| {
        let entries = kinds.iter().zip(first..).map(|(kind, number)| format!("  {kind} = {number},\n"));
        format!("\nexport const enum {name} {{\n{}}}\n", entries.collect::<String>())
    });
    [header].into_iter().chain(lists).chain(kinds).collect()
}

/// `RoomState` → `roomStates`.
fn list_name(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}s", first.to_ascii_lowercase())
}

#[cfg(test)]
#[cfg(feature = "session")]
mod tests {
    use super::session;

    #[test]
    fn the_page_gets_a_type_and_a_list_for_each_enum() {
        let text = session();
        assert!(text.contains("export type RoomState = \"joining\" | \"joined\""), "{text}");
        assert!(text.contains("export const roomStates = \"joining joined"), "{text}");
        assert!(text.contains("export const enum Output {\n"), "{text}");
    }
}
