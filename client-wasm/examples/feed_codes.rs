//! Prints `js/sse/codes.ts`.

fn main() {
    print!("{}", rejoin_wasm::feed::codes::typescript());
}
