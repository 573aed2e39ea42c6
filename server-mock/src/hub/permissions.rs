//! Checks what a connection may do, and ends what it may not do any longer.

use super::dispatch::RequestRef;
use super::mutation::mutation;
use super::names::{is_stream, wire_name};
use super::rights::{Permission, Right, Rights};
use super::room::Member;
use super::{ConnId, Hub, Output, Text};
use rejoin::machine::ServerMessage;
use rejoin::messages::{Code, Left};
use rejoin::{Name, Timestamp};

/// Said where whoever knows what is allowed does not answer.
pub(super) const PERMISSION_UNKNOWN: &str =
    "it cannot be found out now whether this is allowed: try again later";

impl Hub {
    /// From now on the connection may do this and no more: it leaves the rooms that it may not be in.
    pub(super) fn set_rights(&mut self, now: Timestamp, conn: ConnId, rights: Rights) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        self.restricted -= usize::from(!state.rights.is_all());
        self.restricted += usize::from(!rights.is_all());
        state.rights = rights;
        let lost: Vec<Name> = state
            .rooms
            .iter()
            .filter(|room| state.permission(Right::Join, room) == Permission::Denied)
            .cloned()
            .collect();
        for room in lost {
            self.remove_from_room(now, conn, &room);
        }
    }

    /// Takes a connection out of a room, and tells it so where it understands that.
    pub(super) fn remove_from_room(&mut self, now: Timestamp, conn: ConnId, room: &Name) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.rooms.remove(room);
        let extended = state.extended.is_some();
        if let Some(extended) = &mut state.extended
            && !mutation!(RemovedHearsOn)
        {
            extended.replays.end(room);
        }
        self.remove_member(now, room, conn, true);
        if extended && !mutation!(RemovalUnsaid) {
            let left = Left {
                reference: None,
                room: wire_name(room),
                code: Some(Code::Forbidden),
                server_code: None,
            };
            self.send_frame(conn, &ServerMessage::Left(left));
        }
    }

    /// Whether a connection has a right in a room, by its name in the hub.
    pub(super) fn has_right(&self, conn: ConnId, right: Right, room: &Name) -> bool {
        self.conns.get(&conn).is_none_or(|state| state.has_right(right, room))
    }

    /// Whether a connection may be in a room: what the answer to its join depends on has to be known too.
    pub(super) fn join_permission(&self, conn: ConnId, room: &Name) -> Permission {
        let Some(state) = self.conns.get(&conn) else { return Permission::Granted };
        match state.permission(Right::Join, room) {
            Permission::Granted => {
                let more = [Right::History, Right::Presence].map(|right| state.permission(right, room));
                if more.contains(&Permission::Unknown) { Permission::Unknown } else { Permission::Granted }
            }
            other => other,
        }
    }

    /// Tells these members who comes or who goes, as far as they have a right to know.
    pub(super) fn announce_presence(&mut self, key: &Name, text: &Text, wants: impl Fn(&Member) -> bool) {
        let Self { rooms, conns, outputs, restricted, .. } = self;
        let Some(room) = rooms.get(key) else { return };
        // Nearly always nobody is restricted, and nobody is looked up.
        let may = |conn| conns.get(&conn).is_none_or(|state| state.has_right(Right::Presence, key));
        let receivers =
            room.members().filter(|member| wants(member) && (*restricted == 0 || may(member.conn)));
        outputs.extend(receivers.map(|member| Output::Send { conn: member.conn, text: text.clone() }));
    }

    /// Answers something that the connection has no right to, for good.
    pub(super) fn reject_forbidden(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        asked: RequestRef,
        room: Name,
        right: Right,
    ) {
        self.reject_permission(now, conn, asked, room, (Code::Forbidden, right.denied_message()));
    }

    /// The same of something that is not granted: for good, or for now if that is not known.
    pub(super) fn reject_not_granted(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        asked: RequestRef,
        room: Name,
        (right, permission): (Right, Permission),
    ) {
        match permission {
            Permission::Unknown => {
                self.reject_permission(now, conn, asked, room, (Code::Overloaded, PERMISSION_UNKNOWN));
            }
            _ => self.reject_forbidden(now, conn, asked, room, right),
        }
    }

    fn reject_permission(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        asked: RequestRef,
        room: Name,
        (code, message): (Code, &'static str),
    ) {
        if !self.tolerates(now, conn) {
            self.close_flooding(now, conn);
        } else if self.conns.get(&conn).is_some_and(|state| state.extended.is_some()) {
            self.send_refusal(conn, asked, Some(room), code, message);
        } else {
            self.send_error(conn, message);
        }
    }
}

impl super::Conn {
    /// Whether this may be done in this room. The personal stream is its own.
    pub(super) fn has_right(&self, right: Right, room: &Name) -> bool {
        self.permission(right, room) == Permission::Granted
    }

    /// The same, where it may be that nobody knows it now.
    pub(super) fn permission(&self, right: Right, room: &Name) -> Permission {
        if is_stream(room) { Permission::Granted } else { self.rights.permission(right, room) }
    }
}
