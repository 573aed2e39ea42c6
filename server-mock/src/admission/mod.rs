//! Admits or refuses connections by address, before their token is known and before anything costs much.
//!
//! ```text
//! accept ─► rate.rs, handshakes.rs ─► proxy_header.rs ─► TLS, HTTP ─► proxies.rs ─► rate.rs, sessions.rs ─► the token
//! ```
//!
//! It knows nothing of users and rooms: the hub has limits of its own for them.

mod handshakes;
mod network;
mod proxies;
pub(crate) mod proxy_header;
mod rate;
mod refusals;
mod sessions;

pub(crate) use handshakes::{Full, Given, Handshake, HandshakeRef, Handshakes, until_evicted};
pub(crate) use network::Network;
pub(crate) use proxies::{Client, Proxies, check_network};
pub(crate) use rate::{Rates, Wait};
pub(crate) use refusals::{About, Cause, Refusals};
pub(crate) use sessions::{Early, EarlySessions};

use crate::connection_limits::Limits;
use ipnet::IpNet;

/// Wrong admin tokens of one address that cost nothing, where clients may show as many as they like.
const ADMIN_TOKENS: u32 = 20;

/// The parts of the gate, which every listener and every route shares.
#[derive(Debug)]
pub(crate) struct AdmissionControl {
    pub(crate) proxies: Proxies,
    pub(crate) handshakes: Handshakes,
    pub(crate) rates: Rates,
    /// Of the admin listener, for its tokens alone.
    pub(crate) admin_tokens: Rates,
    pub(crate) sessions: EarlySessions,
    pub(crate) refusals: Refusals,
}

impl AdmissionControl {
    pub(crate) fn new(limits: &Limits, trusted_proxies: Vec<IpNet>, proxy_protocol: bool) -> Self {
        let each = &limits.per_address;
        Self {
            proxies: Proxies::new(trusted_proxies, proxy_protocol),
            handshakes: Handshakes::new(limits.handshakes, each.handshakes),
            rates: Rates::new(each.connects, each.failed_tokens),
            admin_tokens: Rates::new(None, each.failed_tokens.or(Some(ADMIN_TOKENS))),
            sessions: EarlySessions::new(limits.early_sessions, each.early_sessions),
            refusals: Refusals::default(),
        }
    }
}
