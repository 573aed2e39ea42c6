//! A recording that was made natively is replayed by this build, which is WebAssembly in `tests/run browser`.

use rejoin::recording::Replay;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A client of an extended server whose connections are cut. `tests/native/recordings.rs` says how to make it anew.
const RECORDING: &str = include_str!("../../tests/native/recording.jsonl");

#[test]
fn what_was_recorded_natively_happens_here_too_to_the_last_output() {
    let mut lines = RECORDING.lines();
    let mut replay = Replay::new(lines.next().unwrap()).unwrap();
    for line in lines {
        if let Err(error) = replay.line(line) {
            panic!("{error}");
        }
    }
    assert!(replay.inputs() > 50 && replay.outputs() > 100);
}
