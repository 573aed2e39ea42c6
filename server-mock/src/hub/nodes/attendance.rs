//! Who is in a room on other nodes, and what this node says of its own members. Somebody is in a room who is there on any
//! node: the others are told only when that begins or ends.

use super::super::rules::{encode, is_stream};
use super::super::shared::{PRESENCE_TTL, RemoteMember, StoreRequest, UserPresence};
use super::super::{Due, Hub, Room};
use super::bug::{Bug, made};
use super::copies::Elsewhere;
use rejoin::machine::ServerMessage;
use rejoin::{Id, Name, Timestamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who is here is said again after this time.
const REPEATED: Duration = Duration::from_secs(20);

impl Hub {
    /// Somebody's first connection on this node has come into the room, or the last one is not expected back.
    pub(in super::super) fn say_attendance(&mut self, now: Timestamp, room: &Name, user: &Name, here: bool) {
        if self.nodes.is_none() || is_stream(room) {
            return;
        }
        let users = vec![UserPresence { user: user.clone(), is_present: here }];
        self.ask(StoreRequest::UpdatePresence { room: room.clone(), users, is_snapshot: false });
        if here && !made(Bug::AttendanceUnrepeated) {
            self.repeat_from(now, room);
        }
    }

    /// Has it said from time to time who is here. Each room has its own time: not all of them come at once.
    fn repeat_from(&mut self, now: Timestamp, room: &Name) {
        let Some(copy) = self.copy_mut(room).filter(|copy| copy.repeats_at.is_none()) else { return };
        let at = now + REPEATED;
        copy.repeats_at = Some(at);
        self.due.insert((at, Due::Repeat(room.clone())));
    }

    /// Time to say again who is here. `at`: when it was to be said.
    pub(in super::super) fn repeat_attendance(&mut self, now: Timestamp, at: Timestamp, room: &Name) {
        // Otherwise it is of an earlier copy.
        let Some(copy) = self.copy_mut(room).filter(|copy| copy.repeats_at == Some(at)) else { return };
        copy.repeats_at = None;
        if self.say_who_is_here(room) {
            self.repeat_from(now, room);
        }
    }

    /// Says who is here, if anybody is.
    pub(super) fn say_who_is_here(&mut self, room: &Name) -> bool {
        if is_stream(room) {
            return false;
        }
        let here = self.rooms.get(room).into_iter().flat_map(Room::here);
        let users: Vec<_> = here.map(|user| UserPresence { user: user.clone(), is_present: true }).collect();
        if users.is_empty() {
            return false;
        }
        self.ask(StoreRequest::UpdatePresence { room: room.clone(), users, is_snapshot: true });
        true
    }

    /// A node has said who is there.
    pub(super) fn attends(
        &mut self,
        now: Timestamp,
        room: &Name,
        node: &Id,
        users: Vec<UserPresence>,
        is_snapshot: bool,
    ) {
        let Some(nodes) = self.nodes.as_mut().filter(|nodes| nodes.id != *node) else { return };
        let Some(copy) = nodes.copies.get_mut(room) else { return };
        if copy.reading {
            // The answer may be older, or newer.
            return copy.said.keep(node, &users, is_snapshot);
        }
        let known = self.known_on(room, node);
        let mut after = known.clone();
        heed(&mut after, users, is_snapshot);
        self.changed(room, node, &known, after, now + PRESENCE_TTL);
    }

    /// The store has said who is on other nodes. Whom it does not name it may have lost: they stay until their node says
    /// so, or says nothing for too long.
    pub(super) fn attended(&mut self, now: Timestamp, room: &Name, attendees: Vec<RemoteMember>) {
        let Some(nodes) = &self.nodes else { return };
        let own = nodes.id.clone();
        let Some(copy) = nodes.copies.get(room) else { return };
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
        let (sayings, overflowed) = self.copy_mut(room).map(|copy| copy.said.take()).unwrap_or_default();
        for (node, users, is_snapshot) in sayings {
            let (known, expires) = said.entry(node).or_insert_with(|| (BTreeSet::new(), now));
            heed(known, users, is_snapshot);
            *expires = now + PRESENCE_TTL;
        }
        if let Some(copy) = self.copy_mut(room) {
            copy.again |= overflowed;
        }
        // Whoever has moved from one node to another comes before they go.
        for (node, (after, expires)) in &said {
            let known = self.known_on(room, node);
            let both = known.union(after).cloned().collect();
            self.changed(room, node, &known, both, *expires);
        }
        for (node, (after, expires)) in said {
            let known = self.known_on(room, &node);
            self.changed(room, &node, &known, after, expires);
        }
    }

    /// The members on one other node, as far as they are known.
    fn known_on(&mut self, room: &Name, node: &Id) -> BTreeSet<Name> {
        let known = self.copy_mut(room).and_then(|copy| copy.nodes.get(node));
        known.map(|known| known.users.clone()).unwrap_or_default()
    }

    /// The members on one other node are these now.
    fn changed(
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
            copy.nodes.insert(node.clone(), Elsewhere { users: after, expires });
            if !made(Bug::AttendanceKept) {
                self.due.insert((expires, Due::Absent(room.clone(), node.clone())));
            }
        }
        for user in come {
            let is_new = self.rooms.get_mut(room).is_some_and(|room| room.comes_elsewhere(&user));
            if is_new && !made(Bug::ArrivalElsewhereUntold) {
                self.tell_all(room, &ServerMessage::UserJoined { room: room.clone(), user }, true);
            }
        }
        for user in gone {
            if self.rooms.get_mut(room).is_some_and(|room| room.goes_elsewhere(&user)) {
                self.tell_all(room, &ServerMessage::UserLeft { room: room.clone(), user }, false);
            }
        }
    }

    /// A node has said nothing of the room for too long, unless it has meanwhile: then this is when to look again.
    pub(in super::super) fn absent(
        &mut self,
        now: Timestamp,
        room: Name,
        node: Id,
    ) -> Option<(Timestamp, Due)> {
        let known = self.copy_mut(&room)?.nodes.get(&node)?;
        if known.expires > now {
            return Some((known.expires, Due::Absent(room, node)));
        }
        let users = known.users.clone();
        self.changed(&room, &node, &users, BTreeSet::new(), now);
        None
    }

    /// A room gets its first member or reader here: whoever is there on other nodes is.
    pub(in super::super) fn meet(&mut self, room: &Name) {
        let Some(nodes) = &self.nodes else { return };
        let Some(copy) = nodes.copies.get(room) else { return };
        if let Entry::Vacant(place) = self.rooms.entry(room.clone()) {
            let state = place.insert(Room::default());
            for user in copy.elsewhere() {
                state.comes_elsewhere(user);
            }
        }
    }

    /// Tells the members, plain ones too if `plain`.
    fn tell_all(&mut self, room: &Name, message: &ServerMessage, plain: bool) {
        let Some(text) = encode(message) else { return };
        self.tell_who(room, &text, |member| plain || member.extended);
    }
}

/// Changes the members of a node by what it has said.
fn heed(known: &mut BTreeSet<Name>, users: Vec<UserPresence>, is_snapshot: bool) {
    if is_snapshot && !made(Bug::WholeOnlyAdds) {
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
