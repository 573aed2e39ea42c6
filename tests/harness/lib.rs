//! What the suites share: the simulated world, real processes and proxies, a terminal to look at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test harness stops at the first surprise, and says where"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the numbers of a test are small"
)]

pub mod admin;
pub mod command;
mod freeze;
pub mod gate;
pub mod herd;
pub mod idle_proxy;
pub mod ledger;
pub mod liar;
pub mod parsers;
pub mod price_server;
pub mod process;
pub mod proxy;
pub mod redis_process;
pub mod refuser;
pub mod scissors;
pub mod screen;
pub mod sim;
pub mod terminal;
pub mod token_reader;
pub mod usher;
pub mod vacancy;
pub mod web_page;
