//! Runs a script of inputs and prints what comes out, to be compared with the same script in wasm
//! (`tests/browser/replay.test.mjs`). Each line: kind, monotonic, wall, fields separated by commas, ids after a space.

use rejoin_wasm::Machine;
use std::io::{BufRead as _, stdin};

fn main() {
    let mut machine = Machine::new(7.0, 1, 0, false, false, 0, 0.0);
    for line in stdin().lock().lines().map_while(Result::ok) {
        let mut words = line.split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<f64>().ok()).unwrap_or_default();
        let (kind, monotonic, wall) = (number(), number(), number());
        let fields: Vec<f64> =
            words.next().unwrap_or_default().split(',').filter_map(|field| field.parse().ok()).collect();
        let ids: Vec<&str> = words.collect();
        let ids = machine.put(&fields, &ids.join(" "));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
        machine.input(kind as u32, monotonic, wall, ids);
        loop {
            match machine.poll() {
                0 => break,
                kind => {
                    let (fields, ids) = machine.get();
                    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
                    println!("{kind} {} {ids}", fields.join(","));
                }
            }
        }
        println!("deadline {} changes {}", machine.deadline(), machine.changes());
    }
}
