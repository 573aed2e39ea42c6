//! Presence over all nodes: announces this node's members and merges those of others. A member is reported when the first
//! connection on any node begins and when the last one ends.

use super::super::dispatch::encode;
use super::super::names::is_stream;
use super::super::shared::{PRESENCE_TTL, RemoteMember, StoreRequest, UserPresence};
use super::super::{Hub, Room, Timer};
use super::mutation::mutation;
use super::replica::RemoteNode;
use rejoin::machine::ServerMessage;
use rejoin::{Id, Name, Timestamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who is here is said again after this time.
const PRESENCE_REPEAT: Duration = Duration::from_secs(20);

impl Hub {
    /// Somebody's first connection on this node has come into the room, or the last one is not expected back.
    pub(in super::super) fn publish_presence(
        &mut self,
        now: Timestamp,
        room: &Name,
        user: &Name,
        here: bool,
    ) {
        if self.nodes.is_none() || is_stream(room) {
            return;
        }
        let users = vec![UserPresence { user: user.clone(), is_present: here }];
        self.request_store(StoreRequest::UpdatePresence { room: room.clone(), users, is_snapshot: false });
        if here && !mutation!(AttendanceUnrepeated) {
            self.schedule_repeat(now, room);
        }
    }

    /// Has it said from time to time who is here. Each room has its own time: not all of them come at once.
    fn schedule_repeat(&mut self, now: Timestamp, room: &Name) {
        let Some(copy) = self.copy_mut(room).filter(|copy| copy.repeats_at.is_none()) else { return };
        let at = now + PRESENCE_REPEAT;
        copy.repeats_at = Some(at);
        self.due.insert((at, Timer::RepeatPresence(room.clone())));
    }

    /// Time to say again who is here. `at`: when it was to be said.
    pub(in super::super) fn repeat_presence(&mut self, now: Timestamp, at: Timestamp, room: &Name) {
        // Otherwise it is of an earlier copy.
        let Some(copy) = self.copy_mut(room).filter(|copy| copy.repeats_at == Some(at)) else { return };
        copy.repeats_at = None;
        if self.publish_local_presence(room) {
            self.schedule_repeat(now, room);
        }
    }

    /// Says who is here, if anybody is.
    pub(super) fn publish_local_presence(&mut self, room: &Name) -> bool {
        if is_stream(room) {
            return false;
        }
        let here = self.rooms.get(room).into_iter().flat_map(Room::local_users);
        let users: Vec<_> = here.map(|user| UserPresence { user: user.clone(), is_present: true }).collect();
        if users.is_empty() {
            return false;
        }
        self.request_store(StoreRequest::UpdatePresence { room: room.clone(), users, is_snapshot: true });
        true
    }

    /// A node has said who is there.
    pub(super) fn handle_remote_presence(
        &mut self,
        now: Timestamp,
        room: &Name,
        node: &Id,
        users: Vec<UserPresence>,
        is_snapshot: bool,
    ) {
        let Some(nodes) = self.nodes.as_mut().filter(|nodes| nodes.id != *node) else { return };
        let Some(copy) = nodes.replicas.get_mut(room) else { return };
        if copy.reading {
            // The answer may be older, or newer.
            return copy.pending_presence.keep(node, &users, is_snapshot);
        }
        let known = self.known_members(room, node);
        let mut after = known.clone();
        apply_changes(&mut after, users, is_snapshot);
        self.update_remote_members(room, node, &known, after, now + PRESENCE_TTL);
    }

    /// The store has said who is on other nodes. Whom it does not name it may have lost: they stay until their node says
    /// so, or says nothing for too long.
    pub(super) fn merge_remote_presence(
        &mut self,
        now: Timestamp,
        room: &Name,
        attendees: Vec<RemoteMember>,
    ) {
        let Some(nodes) = &self.nodes else { return };
        let own = nodes.id.clone();
        let Some(copy) = nodes.replicas.get(room) else { return };
        let mut said: BTreeMap<Id, (BTreeSet<Name>, Timestamp)> = copy
            .nodes
            .iter()
            .map(|(node, there)| (node.clone(), (there.users.clone(), there.expires)))
            .collect();
        for RemoteMember { node, user, expires_in } in attendees {
            if node != own {
                let (users, expires) = said.entry(node).or_insert_with(|| (BTreeSet::new(), now));
                users.insert(user);
                *expires = (*expires).max(now + expires_in.min(PRESENCE_TTL));
            }
        }
        let (updates, overflowed) =
            self.copy_mut(room).map(|copy| copy.pending_presence.take()).unwrap_or_default();
        for (node, users, is_snapshot) in updates {
            let (known, expires) = said.entry(node).or_insert_with(|| (BTreeSet::new(), now));
            apply_changes(known, users, is_snapshot);
            *expires = now + PRESENCE_TTL;
        }
        if let Some(copy) = self.copy_mut(room) {
            copy.read_again |= overflowed;
        }
        // Whoever has moved from one node to another comes before they go.
        for (node, (after, expires)) in &said {
            let known = self.known_members(room, node);
            let both = known.union(after).cloned().collect();
            self.update_remote_members(room, node, &known, both, *expires);
        }
        for (node, (after, expires)) in said {
            let known = self.known_members(room, &node);
            self.update_remote_members(room, &node, &known, after, expires);
        }
    }

    /// The members on one other node, as far as they are known.
    fn known_members(&mut self, room: &Name, node: &Id) -> BTreeSet<Name> {
        let known = self.copy_mut(room).and_then(|copy| copy.nodes.get(node));
        known.map(|known| known.users.clone()).unwrap_or_default()
    }

    /// The members on one other node are these now.
    fn update_remote_members(
        &mut self,
        room: &Name,
        node: &Id,
        known: &BTreeSet<Name>,
        after: BTreeSet<Name>,
        expires: Timestamp,
    ) {
        let come: Vec<Name> = after.difference(known).cloned().collect();
        let gone: Vec<Name> = known.difference(&after).cloned().collect();
        let Some(copy) = self.copy_mut(room) else { return };
        if after.is_empty() {
            copy.nodes.remove(node);
        } else if let Some(known) = copy.nodes.get_mut(node) {
            (known.users, known.expires) = (after, expires);
        } else {
            copy.nodes.insert(node.clone(), RemoteNode { users: after, expires });
            if !mutation!(AttendanceKept) {
                self.due.insert((expires, Timer::RemoteExpiry(room.clone(), node.clone())));
            }
        }
        for user in come {
            let is_new = self.rooms.get_mut(room).is_some_and(|room| room.remote_joined(&user));
            if is_new && !mutation!(ArrivalElsewhereUntold) {
                self.broadcast(room, &ServerMessage::UserJoined { room: room.clone(), user }, true);
            }
        }
        for user in gone {
            if self.rooms.get_mut(room).is_some_and(|room| room.remote_left(&user)) {
                self.broadcast(room, &ServerMessage::UserLeft { room: room.clone(), user }, false);
            }
        }
    }

    /// A node has said nothing of the room for too long, unless it has meanwhile: then this is when to look again.
    pub(in super::super) fn expire_remote(
        &mut self,
        now: Timestamp,
        room: Name,
        node: Id,
    ) -> Option<(Timestamp, Timer)> {
        let known = self.copy_mut(&room)?.nodes.get(&node)?;
        if known.expires > now {
            return Some((known.expires, Timer::RemoteExpiry(room, node)));
        }
        let users = known.users.clone();
        self.update_remote_members(&room, &node, &users, BTreeSet::new(), now);
        None
    }

    /// A room gets its first member or reader here: whoever is there on other nodes is.
    pub(in super::super) fn init_remote_presence(&mut self, room: &Name) {
        let Some(nodes) = &self.nodes else { return };
        let Some(copy) = nodes.replicas.get(room) else { return };
        if let Entry::Vacant(place) = self.rooms.entry(room.clone()) {
            let state = place.insert(Room::default());
            for user in copy.remote_users() {
                state.remote_joined(user);
            }
        }
    }

    /// Tells the members, plain ones too if `plain`.
    fn broadcast(&mut self, room: &Name, message: &ServerMessage, plain: bool) {
        let Some(text) = encode(message) else { return };
        self.announce_presence(room, &text, |member| plain || member.extended);
    }
}

/// Changes the members of a node by what it has said.
fn apply_changes(known: &mut BTreeSet<Name>, users: Vec<UserPresence>, is_snapshot: bool) {
    if is_snapshot && !mutation!(WholeOnlyAdds) {
        known.clear();
    }
    for UserPresence { user, is_present: here } in users {
        if here {
            known.insert(user);
        } else {
            known.remove(&user);
        }
    }
}
