//! Prints `js/names.ts`.

fn main() {
    print!("{}", rejoin_wasm::names::typescript());
}
