//! Prints `js/sse/names.ts`.

fn main() {
    print!("{}", rejoin_wasm::feed::names::typescript());
}
