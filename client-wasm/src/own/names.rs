//! The numbers that only a machine with frames of the application's own has, and the text of `js/own/names.ts`
//! (`cargo run -p rejoin-wasm --example own_names`).

/// Kinds of such a machine are numbered from here, behind those of every other.
pub(crate) const FIRST: u32 = 151;

/// The text of `js/own/names.ts`.
#[cfg(not(target_family = "wasm"))]
pub fn typescript() -> String {
    let kinds = [("Said", super::SAID), ("Told", super::TOLD)];
    crate::names::text("src/own/names.rs", "own_names", &[], &kinds, FIRST)
}
