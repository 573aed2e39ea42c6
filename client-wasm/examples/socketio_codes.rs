//! Prints `js/socketio/codes.ts`.

fn main() {
    print!("{}", rejoin_wasm::socketio::codes::typescript());
}
