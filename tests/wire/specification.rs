//! The specification's frames and tables of codes (client-core/docs/protocol.md), held against the code.

use super::Golden;
use rejoin::close_code::{CloseAction, CloseCodePolicy};
use rejoin::machine::ServerMessage;
use rejoin::messages::Code;
use rejoin::messages::json::{ServerDecoder, decode_client, encode_client, encode_server};
use serde_json::Value;
use std::collections::BTreeSet;

const PROTOCOL: &str = include_str!("../../client-core/docs/protocol.md");

/// The frames in the blocks of one direction, `client` or `server`.
fn frames(direction: &str) -> Vec<&'static str> {
    let begin = format!("```json {direction}\n");
    PROTOCOL
        .split(&*begin)
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .flat_map(str::lines)
        .collect()
}

/// The cells of a table's rows, found by the names of its first columns.
fn table(heads: &str) -> Vec<Vec<&'static str>> {
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect();
    let rows = PROTOCOL.lines().skip_while(|line| !line.starts_with(heads)).skip(2);
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn kind(frame: &str) -> String {
    let json: Value = serde_json::from_str(frame).unwrap();
    json.get("type").and_then(Value::as_str).unwrap().to_owned()
}

fn kinds<'a>(frames: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    frames.into_iter().map(kind).collect()
}

fn golden() -> [Golden; 2] {
    let read = |text| serde_json::from_str(text).unwrap();
    [read(include_str!("plain.json")), read(include_str!("extended.json"))]
}

#[test]
fn each_frame_of_the_specification_is_what_the_code_reads_and_writes() {
    for frame in frames("client") {
        let message = decode_client(frame).unwrap().unwrap_or_else(|| panic!("unknown: {frame}"));
        assert_eq!(encode_client(&message), frame);
    }
    let mut decoder = ServerDecoder::default();
    for frame in frames("server") {
        let message = decoder.decode(frame).unwrap();
        assert_ne!(message, ServerMessage::Unknown, "{frame}");
        assert_eq!(encode_server(&message).unwrap(), frame);
    }
}

#[test]
fn each_kind_of_frame_is_in_the_specification() {
    let [plain, extended] = golden();
    let known = |cases: [&[super::Case]; 2]| {
        kinds(cases.into_iter().flatten().filter(|case| case.canonical).map(|case| &*case.text))
    };
    assert_eq!(kinds(frames("client")), known([&plain.client, &extended.client]));
    assert_eq!(kinds(frames("server")), known([&plain.server, &extended.server]));
}

#[test]
fn the_table_of_close_codes_is_the_one_of_the_code() {
    let rows = table("| codes | action |");
    assert_eq!(rows.len(), 8, "{rows:?}");
    for row in rows {
        let [codes, action, _] = &row[..] else { panic!("{row:?}") };
        let verdict = match *action {
            "terminal" => CloseAction::Terminal,
            "window" => CloseAction::Drain,
            "wait" => CloseAction::RetryAfter,
            "suspect" => CloseAction::RetryLimited,
            "rejected" => CloseAction::Rejected,
            "expired" => CloseAction::Expired,
            "too large" => CloseAction::TooLarge,
            "retry" => CloseAction::Retry,
            other => panic!("no action {other}"),
        };
        for code in codes.split(", ").flat_map(|range| range.split('–')) {
            assert_eq!(CloseCodePolicy::default().close_code(code.parse().unwrap()), verdict, "{code}");
        }
    }
}

#[test]
fn the_table_of_error_codes_has_each_code_and_no_other() {
    let rows = table("| code | temporary |");
    let mut named = BTreeSet::new();
    for row in &rows {
        let [name, temporary, _] = &row[..] else { panic!("{row:?}") };
        let code = Code::from_wire(name.trim_matches('`'));
        assert_eq!(*temporary, if code.is_temporary() { "yes" } else { "no" }, "{name}");
        named.insert(code.as_str());
    }
    assert_eq!(named.len(), 11, "{named:?}");
    assert!(!named.contains("other"), "{named:?}");
}
