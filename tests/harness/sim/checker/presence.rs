//! Checks the members of a room as each application was told them (invariant 15).

use super::Checker;
use super::ground_truth::LogId;
use crate::sim::coverage::Sometimes;
use crate::sim::{Micros, SECOND};
use rejoin::Name;
use std::collections::{BTreeMap, BTreeSet};

/// How long somebody whose connection was lost still counts as a member.
const GRACE: Micros = 15 * SECOND;

/// The lists of all applications, and when users were last lost.
#[derive(Debug, Default)]
pub(super) struct Presences {
    all: BTreeMap<(usize, LogId), BTreeSet<Name>>,
    gone: BTreeMap<(LogId, Name), Micros>,
    /// When a server last told a member that somebody came or left.
    changed: BTreeMap<(LogId, Name), Micros>,
}

impl Checker {
    /// An application is told the whole list.
    pub(super) fn roster(&mut self, client: usize, place: LogId, members: Option<&[Name]>) {
        match members {
            Some(members) => self.presences.all.insert((client, place), members.iter().cloned().collect()),
            None => self.presences.all.remove(&(client, place)),
        };
    }

    /// Who is in a room, as an application has been told.
    pub(super) fn told_members(&self, client: usize, place: LogId) -> Option<&BTreeSet<Name>> {
        self.presences.all.get(&(client, place))
    }

    /// A client has no connection any more: it knows nobody.
    pub(super) fn knows_nobody(&mut self, client: usize) {
        self.presences.all.retain(|(of, _), _| *of != client);
    }

    /// An application is told that somebody joined or left.
    pub(super) fn roster_changes(&mut self, client: usize, place: LogId, user: &Name, here: bool) {
        let Some(members) = self.presences.all.get_mut(&(client, place)) else { return };
        if here {
            members.insert(user.clone());
        } else {
            members.remove(user);
            self.cover.reach(Sometimes::UserLeft);
        }
    }

    /// A connection of a user in a room is lost.
    pub fn member_lost(&mut self, place: LogId, user: &Name) {
        self.presences.gone.insert((place, user.clone()), self.now);
    }

    /// A user is back in a room.
    pub fn member_back(&mut self, place: LogId, user: &Name) {
        let gone = self.presences.gone.remove(&(place, user.clone()));
        if gone.is_some_and(|gone| self.now - gone < 10 * SECOND) {
            self.cover.reach(Sometimes::Returned);
        }
    }

    /// A user is taken out of a room.
    pub fn member_removed(&mut self, place: LogId, user: &Name) {
        self.presences.gone.remove(&(place, user.clone()));
    }

    /// The server forgot who was there.
    pub fn members_forgotten(&mut self) {
        self.presences.gone.clear();
    }

    /// A server tells a member that somebody left.
    pub fn member_said_gone(&mut self, place: LogId, user: &Name) {
        if let Some(gone) = self.presences.gone.get(&(place, user.clone()))
            && self.now - gone < GRACE
        {
            self.violated(format!("15: {user} is said to have left place {place} within the grace"));
        }
    }

    /// A server tells a member that somebody came or left.
    pub(super) fn member_changes(&mut self, place: LogId, user: &Name) {
        self.presences.changed.insert((place, user.clone()), self.now);
    }

    /// Long after the last change, an application's list is the true one. The word of a change may be on its way for so long.
    pub fn roster_is(&mut self, client: usize, place: LogId, members: &BTreeSet<Name>, on_the_way: Micros) {
        let Some(told) = self.presences.all.get(&(client, place)) else { return };
        let is_known = |user: &&Name| {
            let changed = self.presences.changed.get(&(place, (*user).clone()));
            changed.is_none_or(|changed| self.now > changed + on_the_way)
        };
        if told.symmetric_difference(members).any(|user| is_known(&user)) {
            let text = format!("15: u{client} believes that {told:?} are in place {place}: {members:?} are");
            self.violations.push(text);
        }
    }
}
