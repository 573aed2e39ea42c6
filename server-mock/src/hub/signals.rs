//! Signals: ephemeral messages such as typing (protocol.md §2.2). Never stored.

use super::dispatch::{TOO_DEEP, encode};
use super::mutation::mutation;
use super::publish::KIND_BYTES;
use super::rights::{Permission, Right};
use super::shared::StoreRequest;
use super::user::RateDecision;
use super::{ConnId, Hub, Limit, Output, nodes};
use rejoin::machine::ServerMessage;
use rejoin::messages::json::nesting_depth;
use rejoin::messages::{MAX_DATA_LEVELS, Signal};
use rejoin::{Name, Timestamp};

impl Hub {
    /// Offers a signal to the other users' extended connections in a room. One that comes too fast, or from
    /// somebody who is not there (any more), is dropped like one that finds a queue full: it has no answer.
    pub(super) fn signal(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        name: Name,
        kind: Name,
        data: Option<String>,
    ) {
        let Some(state) = self.conns.get(&conn) else { return };
        if kind.is_empty() || kind.len() > KIND_BYTES {
            return self.protocol_error(now, conn, "a signal's kind has 1-64 bytes");
        }
        if data.as_ref().is_some_and(|data| data.len() > self.config.content_bytes) {
            self.refusal_counts.record(Limit::ContentBytes);
            return self.protocol_error(now, conn, "data is too long");
        }
        if data.as_ref().is_some_and(|data| nesting_depth(data) > MAX_DATA_LEVELS) {
            self.refusal_counts.record(Limit::DataLevels);
            return self.protocol_error(now, conn, TOO_DEEP);
        }
        match state.permission(Right::Signal, &name) {
            Permission::Granted => {}
            Permission::Denied => return self.reject_forbidden(now, conn, None, name, Right::Signal),
            // It would be worth nothing later.
            Permission::Unknown => return,
        }
        match self.users.get_mut(&state.user).map_or(RateDecision::Allow, |user| user.signal(now)) {
            RateDecision::Allow => {}
            RateDecision::Reject => return self.refusal_counts.record(Limit::SignalRate),
            RateDecision::Disconnect => return self.close_flooding(now, conn),
        }
        let data = data.filter(|_| !mutation!(SignalKindLost));
        let signal = Signal { room: name, user: state.user.clone(), kind, data };
        let is_member = self.rooms.get(&signal.room).is_some_and(|room| room.contains(conn));
        if !is_member && !mutation!(SignalOfStranger) {
            return;
        }
        if self.nodes.is_some() && !nodes::mutation::mutation!(SignalKept) {
            self.request_store(StoreRequest::Signal(signal.clone()));
        }
        self.deliver_signal(signal);
    }

    /// Offers a signal to the extended connections of this node.
    pub(super) fn deliver_signal(&mut self, signal: Signal) {
        let Some(room) = self.rooms.get(&signal.room) else { return };
        let user = signal.user.clone();
        let Some(text) = encode(&ServerMessage::Signal(Box::new(signal))) else { return };
        let others = room.members().filter(|member| {
            // Whoever still catches up has no use for what is true only now.
            member.extended && !member.replaying && (member.user != user || mutation!(SignalToSender))
        });
        let times = 1 + usize::from(mutation!(SignalTwice));
        self.outputs.extend(others.flat_map(|member| {
            std::iter::repeat_n(Output::SendVolatile { conn: member.conn, text: text.clone() }, times)
        }));
    }
}
