//! Writes `js/app_frames/codes.ts`.

fn main() {
    print!("{}", rejoin_wasm::app_frames::codes::typescript());
}
