//! Prints `js/socketio/names.ts`.

fn main() {
    print!("{}", rejoin_wasm::socketio::names::typescript());
}
