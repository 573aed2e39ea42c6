//! a machine.
//! (`cargo run -p rejoin-wasm --example app_frame_codes`).

/// First number of these kinds, above those of other machines.
pub(crate) const FIRST: u32 = 151;

/// The text of `js/app_frames/codes.ts`.
#[cfg(not(target_family = "wasm"))]
pub fn typescript() -> String {
    let kinds = [("FrameInput", super::FRAME_INPUTS), ("FrameOutput", super::FRAME_OUTPUTS)];
    crate::codes::text("src/app_frames/codes.rs", "app_frame_codes", &[], &kinds, FIRST)
}
