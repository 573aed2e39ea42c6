//! Checks answers to joins and history requests that arrive unmodified: a replay starts directly after the requested position, is
//! complete and in order.

use super::Checker;
use super::ground_truth::LogId;
use rejoin::Id;
use rejoin::messages::{EntryMeta, History, HistoryRequest, JoinRequest, Joined, Ref};
use std::collections::HashMap;

/// What comes next over a connection in a room.
#[derive(Debug)]
struct Course {
    epoch: Id,
    next: u64,
    /// The replay may stop after this one; then this number follows.
    jump: Option<(u64, u64)>,
    /// The last one of the replay.
    until: u64,
    life: Option<u32>,
}

/// A join that was asked for.
#[derive(Debug, Clone)]
struct Join {
    since: Option<u64>,
    history: u64,
    /// How often the log had lost something when the server answered.
    life: Option<u32>,
}

/// What has been asked and what must follow.
#[derive(Debug, Default)]
pub(super) struct Answers {
    joins: HashMap<(usize, Ref), Join>,
    /// After which message, and how many.
    requests: HashMap<(usize, Ref), (u64, u64)>,
    courses: HashMap<(usize, LogId), Course>,
}

impl Answers {
    /// How often the log had lost something when the server answered the last join of it over this connection.
    pub(super) fn life_of(&self, conn: usize, place: LogId) -> Option<u32> {
        self.courses.get(&(conn, place)).and_then(|course| course.life)
    }
}

impl Checker {
    /// A client asks for a room over a connection.
    pub fn join_asked(&mut self, conn: usize, place: LogId, request: &JoinRequest) {
        self.answers.courses.remove(&(conn, place));
        let since = request.since.as_ref().map(|position| position.seq);
        let join = Join { since, history: request.history.unwrap_or(0), life: None };
        self.answers.joins.insert((conn, request.reference.clone()), join);
    }

    /// A client asks for older messages over a connection.
    pub fn history_asked(&mut self, conn: usize, request: &HistoryRequest) {
        self.answers.requests.insert((conn, request.reference.clone()), (request.after, request.limit));
    }

    /// A server answers a join.
    pub fn join_answered_by_server(&mut self, conn: usize, place: LogId, joined: &Joined, held: u64) {
        let life = self.ground_truth.life(place);
        let (epoch, newest) = self.ground_truth.seen(place);
        // A node may say what is over already, and has what it says.
        let is_so = !self.several || epoch == Some(&joined.epoch) && joined.seq <= newest;
        let Some(join) = self.answers.joins.get_mut(&(conn, joined.reference.clone())) else { return };
        join.life = is_so.then_some(life);
        let (since, history) = (join.since, join.history);
        self.replay_promised(place, joined, history, held);
        let oldest = if self.several {
            (joined.seq + 1).saturating_sub(held)
        } else {
            self.ground_truth.oldest(place)
        };
        if let Some(since) = since.filter(|since| joined.recovered && oldest > since + 1) {
            self.violated(format!(
                "2.2: after {since} is said to be recovered, and the log begins at {oldest}"
            ));
        }
    }

    /// The answer to a join arrives.
    pub fn join_answered(&mut self, conn: usize, place: LogId, joined: &Joined) {
        let Some(join) = self.answers.joins.remove(&(conn, joined.reference.clone())) else { return };
        let (since, life) = (join.since, join.life);
        let first = if joined.recovered {
            since.unwrap_or(0) + 1
        } else {
            (joined.seq + 1).saturating_sub(joined.replay)
        };
        if joined.recovered && since.is_none_or(|since| since > joined.seq) {
            self.violated(format!(
                "2.2: connection {conn} is said to be recovered from {since:?}: {joined:?}"
            ));
        }
        let jump = Some((first + joined.replay, joined.seq + 1));
        let until = (first + joined.replay).saturating_sub(1);
        self.answers
            .courses
            .insert((conn, place), Course { epoch: joined.epoch.clone(), next: first, jump, until, life });
    }

    /// A message arrives over a connection, which nobody has tampered with.
    pub fn message_arrives(&mut self, conn: usize, place: LogId, stamp: &EntryMeta) {
        let (life, oldest) = (self.ground_truth.life(place), self.ground_truth.oldest(place));
        if self.answers.courses.get(&(conn, place)).is_some_and(|course| course.life != Some(life)) {
            // The log is another one than it was: what follows what is not known any more, until the next join.
            self.answers.courses.remove(&(conn, place));
        }
        let Some(course) = self.answers.courses.get_mut(&(conn, place)) else { return };
        if let Some((stop, head)) = course.jump
            && course.next == stop
        {
            course.next = head;
            course.jump = None;
        }
        let (epoch, next, replayed) = (course.epoch.clone(), course.next, stamp.seq <= course.until);
        course.next = stamp.seq + 1;
        // What the log has forgotten during the replay cannot be in it.
        let forgotten = stamp.seq > next && oldest > next;
        if stamp.epoch != epoch || (stamp.seq != next && !forgotten) {
            self.violated(format!(
                "2.2: place {place} sends {}:{} where {epoch}:{next} follows",
                stamp.epoch, stamp.seq
            ));
        }
        if stamp.replay != replayed {
            let seq = stamp.seq;
            self.violated(format!(
                "2.2: message {seq} of place {place} is said to be replayed: {}",
                stamp.replay
            ));
        }
    }

    /// The answer to a history request arrives.
    pub fn history_answered(&mut self, conn: usize, history: &History) {
        let Some((after, limit)) = self.answers.requests.remove(&(conn, history.reference.clone())) else {
            return;
        };
        self.history_promised(limit, history.messages.len());
        let seqs: Vec<u64> =
            history.messages.iter().filter_map(|message| Some(message.entry.as_ref()?.seq)).collect();
        let ascending = seqs.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let begins = seqs
            .first()
            .is_none_or(|first| if history.complete { *first == after + 1 } else { *first > after });
        if !ascending || !begins {
            self.violated(format!(
                "2.2: the messages after {after} are said to be {seqs:?}, complete: {}",
                history.complete
            ));
        }
    }

    /// What arrives over a connection is not what its server meant to send.
    pub fn tampered(&mut self, conn: usize) {
        self.answers.courses.retain(|(course, _), _| *course != conn);
        self.answers.joins.retain(|(asked, _), _| *asked != conn);
    }
}
