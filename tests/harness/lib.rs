//! Shared by the test suites: the simulation, real processes and proxies, and a virtual terminal.
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
pub mod closed_port;
pub mod command;
pub mod cutting_proxy;
pub mod delivery_oracle;
mod freeze;
pub mod herd;
pub mod idle_proxy;
pub mod outage_proxy;
pub mod parsers;
pub mod price_server;
pub mod process;
pub mod proxy;
pub mod redirect_proxy;
pub mod redis_cluster;
pub mod redis_process;
pub mod redis_sentinel;
pub mod refusing_server;
pub mod screen;
pub mod scripted_server;
pub mod sim;
pub mod terminal;
pub mod token_reader;
pub mod upgrade_proxy;
pub mod web_page;
