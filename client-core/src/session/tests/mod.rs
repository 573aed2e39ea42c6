//! The session's behaviour, told as stories of inputs and outputs.

mod down;
mod hand_over;
mod mode;
#[cfg(feature = "frames")]
mod own;
mod plain;
mod refusals;
mod rig;
mod stored;
mod up;
