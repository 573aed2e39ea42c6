//! A fuzz target: the parser that has the name of this binary.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (harness::parsers::parser(env!("CARGO_BIN_NAME")).check)(bytes));
