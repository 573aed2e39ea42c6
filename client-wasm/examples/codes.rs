//! Prints `js/wasm/codes.ts`.

fn main() {
    print!("{}", rejoin_wasm::codes::typescript());
}
