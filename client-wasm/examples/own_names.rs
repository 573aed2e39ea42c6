//! Writes `js/own/names.ts`.

fn main() {
    print!("{}", rejoin_wasm::own::names::typescript());
}
