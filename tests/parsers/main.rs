//! The parsers under bytes that nobody would write: random ones, and those of the corpus, cut, repeated and mixed. `cargo
//! fuzz` (`tests/fuzz`) runs the same bodies for longer, where a nightly compiler is there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use harness::parsers::{PARSERS, Parser, parser};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use std::fmt;
use std::fs;
use std::path::Path;

/// Inputs for each parser.
const CASES: u32 = 2_000;

/// Each file of the parser's corpus.
fn corpus(parser: &Parser) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(parser.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// What is done to a file of the corpus.
#[derive(Debug, Clone)]
enum Edit {
    Cut(Index, Index),
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
    Replace(Index, u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    let signs = b"\0\n\r\t\"\\{}[]:,/-0159eE+.@#?&=%\x7f\xc3\xff".to_vec();
    prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        (any::<Index>(), vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), select(signs)).prop_map(|(at, byte)| Edit::Replace(at, byte)),
    ]
}

fn apply(mut bytes: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for edit in edits {
        let end = bytes.len() + 1;
        match edit {
            Edit::Cut(one, other) => {
                let (one, other) = (one.index(end), other.index(end));
                bytes.drain(one.min(other)..one.max(other));
            }
            Edit::Repeat(one, other) => {
                let (one, other) = (one.index(end), other.index(end));
                let part = bytes.get(one.min(other)..one.max(other)).unwrap_or_default().to_vec();
                bytes.extend(part);
            }
            Edit::Insert(at, new) => {
                let at = at.index(end);
                bytes.splice(at..at, new);
            }
            Edit::Replace(at, byte) => {
                let at = at.index(end);
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
        }
    }
    bytes
}

/// Bytes that are printed so that a person can read them.
#[derive(Clone)]
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

fn input(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    prop_oneof![
        1 => vec(any::<u8>(), 0..200),
        1 => prop::string::string_regex("\\PC{0,60}").unwrap().prop_map(String::into_bytes),
        6 => (select(corpus), vec(edit(), 1..5)).prop_map(|(bytes, edits)| apply(bytes, edits)),
    ]
    .prop_map(Input)
}

fn holds(name: &str) {
    let parser = parser(name);
    let corpus = corpus(parser);
    for bytes in &corpus {
        (parser.check)(bytes);
    }
    // What fails is printed, shrunk; its bytes go into the corpus, which is where a regression belongs.
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&input(corpus), |input| {
        (parser.check)(&input.0);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

macro_rules! parsers {
    ($($name:ident)*) => {
        $(#[test] fn $name() { holds(stringify!($name)); })*

        #[test]
        fn each_parser_has_a_test() {
            let names: Vec<&str> = PARSERS.iter().map(|parser| parser.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

parsers! {
    server_frame client_frame data socketio_packet payload attachments event_stream url header server_option
}
