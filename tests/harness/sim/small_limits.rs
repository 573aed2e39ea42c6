//! Small limits of clients and server, so that they are reached. Drawn apart: a seed without them stays as it is.

use super::plan::{Fleet, Plan};
use super::{SECOND, own};
use fastrand::Rng;

const APART: u64 = 0x6c69_6d69_7473_2121;

/// What is allowed beside the [`Plan`]; `None` is the default, which no run reaches.
#[derive(Debug, Clone, Copy, Default)]
pub struct SmallLimits {
    /// Bytes of messages that a room keeps.
    pub history_bytes: Option<usize>,
    /// Connections of one user.
    pub sockets: Option<usize>,
    /// Connections in one room.
    pub members: Option<usize>,
    /// Rooms of one connection.
    pub rooms: Option<usize>,
    /// Bytes of a client's message, by its own configuration.
    pub content: Option<usize>,
}

impl SmallLimits {
    /// Draws the limits of a seed.
    pub(super) fn draw(seed: u64, plan: &Plan) -> Self {
        let mut rng = Rng::with_seed(seed ^ APART);
        // A plain connection is not told why it is in no room.
        let all_understand = plan.server.fleet == Fleet::Extended
            && plan.clients.iter().all(|client| client.offers)
            && (plan.dial.http, plan.dial.mute) == (0, 0)
            && plan.latency.1 < SECOND
            && plan.socketio.is_empty();
        let alone = all_understand && plan.readers.is_empty();
        let spare = rng.usize(..2);
        let of_user = plan.clients.iter().filter(|client| client.shares_user).count() + 1;
        Self {
            history_bytes: (rng.u8(..4) == 0 && plan.readers.is_empty()).then(|| rng.usize(1_000..9_000)),
            sockets: (rng.u8(..3) == 0 && alone).then_some(of_user + spare),
            members: (rng.u8(..2) == 0 && alone).then_some(plan.clients.len()),
            rooms: (rng.u8(..3) == 0 && all_understand && plan.rooms > 1 && plan.server.rate.is_none())
                .then_some(1),
            // Frames of an application's own are larger.
            content: (rng.u8(..4) == 0 && !own::is_possible(plan)).then(|| rng.usize(600..2_000)),
        }
    }

    /// Whether the hub has one of them that is not of a log.
    pub(super) fn are_of_connections(&self) -> bool {
        self.sockets.is_some() || self.members.is_some() || self.rooms.is_some()
    }
}
