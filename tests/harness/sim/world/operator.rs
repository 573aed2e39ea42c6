//! The acts of an operator and a backend, and the check that the hub keeps to its small limits.

use super::World;
use crate::sim::action::Fate;
use crate::sim::checker::{key, place};
use crate::sim::coverage::Sometimes;
use crate::sim::operator::POSTER;
use crate::sim::server::Process;
use crate::sim::{Micros, SECOND};
use rejoin::{Id, Name};
use rejoin_server::hub;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What operator and backend have done.
#[derive(Debug, Default)]
pub(super) struct Operator {
    /// Until when users are kept out.
    bans: BTreeMap<Name, Micros>,
    posts: Vec<Post>,
    /// Connections of a user are being closed.
    kicking: bool,
    /// The post that the hub is dealing with, and whether it may be another one's repetition.
    asked: Option<(usize, bool)>,
}

/// A message that was posted.
#[derive(Debug)]
struct Post {
    room: usize,
    key: Option<Id>,
    content: String,
    /// When it was asked for.
    at: Micros,
    /// What was answered, and how often its log had lost something then.
    published: Option<(Id, u64, u32)>,
}

impl World {
    /// Disconnects a user, who is kept out for a while.
    pub(super) fn kick(&mut self, client: usize, ban: Micros) {
        if self.nodes[0].process != Process::Up || self.shared.is_some() {
            return;
        }
        let user = self.clients[client].name.clone();
        self.operator.bans.insert(user.clone(), self.now + ban);
        self.checker.cover.reach(Sometimes::Kicked);
        self.operator.kicking = true;
        self.hub(hub::Input::Kick { user: user.clone(), ban: Some(Duration::from_micros(ban)) });
        self.operator.kicking = false;
        let left = self.nodes[0].hub.users(None, usize::MAX).0;
        if left.iter().any(|(name, _)| *name == user) {
            self.checker.violated(format!("2.5: {user} was removed, and still has connections"));
        }
    }

    /// The hub has been told of a connection: whoever is kept out has none.
    pub(super) fn looks_banned(&mut self, index: usize) {
        let until = self.operator.bans.get(&self.conns[index].name).copied().unwrap_or(0);
        if self.now < until && self.conns[index].server_open {
            let name = &self.conns[index].name;
            self.checker.violated(format!("2.5: {name} is let in, and is kept out until {until}"));
        }
    }

    /// The hub closes a connection as that of somebody who is removed.
    pub(super) fn closed_as_removed(&mut self, index: usize) {
        let until = self.operator.bans.get(&self.conns[index].name).copied();
        if !self.operator.kicking && until.is_none_or(|until| until <= self.now) {
            let name = &self.conns[index].name;
            self.checker.violated(format!("2.5: {name} is removed, and kept out until {until:?}"));
        }
    }

    /// The hub is another one, which keeps nobody out.
    pub(super) fn operator_is_forgotten(&mut self, fate: Fate) {
        self.operator.bans.clear();
        if fate != Fate::Kept {
            for post in &mut self.operator.posts {
                post.published = None;
            }
        }
    }

    /// A backend posts a message, or the last one again.
    pub(super) fn post(&mut self, room: usize, again: bool, keyed: bool) {
        if self.nodes[0].process != Process::Up || self.shared.is_some() {
            return;
        }
        let window = self.plan.server.dedupe_window;
        // A log that has lost something may have lost the message, or that it was posted.
        let is_there = |post: &Post| {
            let life = self.checker.life_of_log(place(&Self::room(post.room), 0));
            post.published.as_ref().is_some_and(|(_, _, lived)| *lived == life)
        };
        let repeats = |post: &Post| post.key.is_some() && self.now < post.at + window / 2 && is_there(post);
        let old = self.operator.posts.iter().rposition(repeats).filter(|_| again);
        let number = old.unwrap_or_else(|| {
            let number = self.operator.posts.len();
            let key = keyed.then(|| Id::from_bits(number as u64, 5));
            let content = format!("u{POSTER}-{number}");
            self.operator.posts.push(Post { room, key, content, at: self.now, published: None });
            number
        });
        let post = &self.operator.posts[number];
        let (room, content, key) = (Self::room(post.room), post.content.clone(), post.key.clone());
        self.operator.asked = Some((number, old.is_some()));
        let user = Name::from("poster");
        self.hub(hub::Input::Post { call: number as u64, room, user, content, data: None, key });
        if self.operator.asked.take().is_some() && self.nodes[0].process == Process::Up {
            self.checker.violated(format!("4: post {number} was not answered"));
        }
    }

    /// The hub answers a post.
    pub(super) fn published(&mut self, call: u64, answer: Result<(Id, u64, bool), rejoin::messages::Code>) {
        let Some((number, again)) = self.operator.asked.take().filter(|(number, _)| *number as u64 == call)
        else {
            return;
        };
        let post = &self.operator.posts[number];
        let at = place(&Self::room(post.room), 0);
        let life = self.checker.life_of_log(at);
        let before = post.published.clone().filter(|(_, _, lived)| *lived == life);
        match answer {
            Ok((id, seq, dup)) => {
                let is_there = key(&post.content).is_some_and(|key| self.checker.is_appended(key));
                let same = before.as_ref().is_some_and(|(known, number, _)| *known == id && *number == seq);
                if !is_there || dup && !again || before.is_some() && !(dup && same) {
                    self.checker.violated(format!(
                        "4: post {number} is answered {id} {seq}, again: {dup}; before: {before:?}"
                    ));
                }
                if dup {
                    self.checker.cover.reach(Sometimes::PostedAgain);
                }
                self.operator.posts[number].published = Some((id, seq, life));
            }
            Err(code) => {
                let full = self.plan.server.lines < 1_000;
                if before.is_some() || !full || code != rejoin::messages::Code::Overloaded {
                    self.checker.violated(format!("4: post {number} is refused: {code:?}"));
                }
            }
        }
    }

    /// The hub keeps to the small limits that are not of a log.
    pub(super) fn keeps_small_limits(&mut self) {
        let limits = self.plan.limits;
        if !limits.are_of_connections() || self.shared.is_some() {
            return;
        }
        let hub = &self.nodes[0].hub;
        let mut wrong = None;
        if let Some(most) = limits.members {
            let full = (0..self.plan.rooms).map(Self::room).find(|room| hub.members(room).count() > most);
            wrong = full.map(|room| format!("{room} has more than {most} members"));
        }
        if let Some(most) = limits.sockets {
            let many = hub.users(None, usize::MAX).0.into_iter().find(|(_, count)| *count > most);
            wrong = wrong.or(many.map(|(user, _)| format!("{user} has more than {most} connections")));
        }
        if limits.rooms.is_some() {
            let mut seen = BTreeSet::new();
            let mut twice = None;
            for room in (0..self.plan.rooms).map(Self::room) {
                let mut conns = hub.members(&room).map(|(conn, _)| conn.0);
                twice = twice.or(conns.find(|conn| !seen.insert(*conn)));
            }
            wrong = wrong.or(twice.map(|conn| format!("connection {conn} is in more than one room")));
        }
        if let Some(what) = wrong {
            self.checker.violated(format!("8: {what}"));
        }
    }

    /// How much longer it takes with small limits until everybody is back: who is gone without a word keeps its place.
    pub(super) fn small_limits_cost(&self) -> Micros {
        if self.plan.limits.are_of_connections() { 60 * SECOND } else { 0 }
    }
}
