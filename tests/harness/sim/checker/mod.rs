//! Checks the invariants of protocol.md §2.6; each violation has its number.
//!
//! The checker sees only what an outside observer could: requests of users, traffic, the store's contents, and what each application
//! was told. It shares no code with the session.

mod answers;
mod app_events;
mod bounds;
mod feeds;
mod frames;
mod gaps;
mod ground_truth;
mod links;
mod outcomes;
mod pace;
mod presence;
mod promises;
mod prompt;
mod readers;
mod reasons;
mod refusals;
mod sends;
mod socketio;
#[cfg(test)]
mod tests;
mod watch;

pub use app_events::Words;
pub use bounds::Bounds;
pub use ground_truth::{Key, LogId, PERSONAL, Stored, key};
pub use links::Moves;
pub use promises::Limits;
pub use sends::NewSend;
pub use watch::{Begins, Clock, Waits};

use super::Micros;
use super::client::{CANARY, EPOCH};
use super::coverage::{Coverage, Sometimes};
use super::operator::POSTER;
use super::socketio::FIRST_USER;
use answers::Answers;
use app_events::AppEvents;
use feeds::Feeds;
use ground_truth::GroundTruth;
use links::Link;
use pace::Pace;
use presence::Presences;
use promises::Promises;
use prompt::Prompt;
use readers::Reading;
use rejoin::{CauseCode, Event, Id, Mode, RoomState, State};
use sends::Sends;
use socketio::SioView;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The observer.
#[derive(Debug, Default)]
pub struct Checker {
    violations: Vec<String>,
    /// The interesting states reached.
    pub cover: Coverage,
    ground_truth: GroundTruth,
    sends: Sends,
    feeds: Feeds,
    answers: Answers,
    presences: Presences,
    told: AppEvents,
    promises: Promises,
    links: Vec<Link>,
    readers: Vec<Reading>,
    talks: Vec<SioView>,
    /// The connection of a Socket.IO client whose message the hub is dealing with.
    pub sio_speaks: Option<usize>,
    pace: Pace,
    prompt: Prompt,
    counts: bounds::Counts,
    reasons: reasons::Reasons,
    watches: Vec<watch::Watch>,
    /// Which connection each client has opened last, and the number of its user.
    conns: BTreeMap<usize, usize>,
    users: BTreeMap<usize, usize>,
    /// The users that each client has belonged to.
    users_ever: BTreeSet<(usize, usize)>,
    /// When in its window clients began to move away from a server that is about to go.
    pub moves: Moves,
    /// Who had a send refused for good, and where.
    refused: BTreeSet<(usize, LogId)>,
    modes: BTreeMap<usize, Mode>,
    /// When the world is.
    pub now: Micros,
    /// How long a server remembers a line.
    dedupe_window: Micros,
    /// How long the server's process has stood still, as far as it can know.
    pub stood: Micros,
    /// How many answers of a line.
    pub answers_kept: u64,
    legacy: bool,
    /// The server is several nodes: what one of them says was so a little before.
    pub several: bool,
    /// The logs whose store was lost: their next epoch is another one.
    bereft: BTreeMap<LogId, Id>,
    /// The logs that may begin a new epoch.
    renewed: BTreeSet<LogId>,
    /// The clients to which a server has repeated a message, or named limits that it does not have.
    pub lied: BTreeSet<usize>,
}

/// What a client's disk holds: the sends and the positions.
pub type Disk = (Vec<Key>, Vec<(LogId, Id, u64)>);

/// The time of the servers' wall clock, as the wire writes it.
fn time_of(now: Micros) -> String {
    rejoin::utc(EPOCH + Duration::from_micros(now))
}

/// The moment that a client's own clock shows.
fn micros_of(at: rejoin::Timestamp) -> Micros {
    u64::try_from(at.since_start().as_micros()).unwrap_or(u64::MAX)
}

/// A room's place; `@me` is the stream of `user`.
pub fn place(room: &str, user: usize) -> LogId {
    match room.strip_prefix("room").and_then(|number| number.parse().ok()) {
        Some(number) => number,
        None => PERSONAL + LogId::try_from(user).unwrap_or(0),
    }
}

/// The place of a log, by its name at the hub.
pub(super) fn log_id(name: &str) -> LogId {
    place(name, name.strip_prefix("@u").and_then(|user| user.parse().ok()).unwrap_or(0))
}

/// Whether a message of a place is of a client that speaks Socket.IO.
fn is_sio(place: LogId, key: Key) -> bool {
    place < PERSONAL && key.0 >= FIRST_USER && key.0 != usize::MAX && key.0 != POSTER
}

impl Checker {
    /// An observer of a server that remembers lines for so long, and of clients that may follow the legacy rule, by
    /// which attempts are counted anew with every connection.
    pub fn new(dedupe_window: Micros, legacy: bool) -> Self {
        Self { dedupe_window, legacy, ..Self::default() }
    }

    /// Everything found so far.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Records a violation found by the world itself.
    pub fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// The epoch of a log, or anything if it has none.
    pub fn epoch_of_log(&self, place: LogId) -> Id {
        self.ground_truth.seen(place).0.cloned().unwrap_or_else(|| Id::from_bits(0, 0))
    }

    /// Whether a send was given to a connection with a number.
    pub fn is_numbered_on(&self, conn: usize, key: Key) -> bool {
        self.sends.all.get(&key).is_some_and(|sent| sent.is_numbered_on(conn))
    }

    /// How often a log has lost something.
    pub fn life_of_log(&self, place: LogId) -> u32 {
        self.ground_truth.life(place)
    }

    /// How many logs have never lost anything, of all.
    pub fn intact(&self) -> (u32, u32) {
        self.ground_truth.intact()
    }

    /// The end of a client that speaks Socket.IO, by the number of its link.
    pub fn sio_ended(&mut self, link: usize) {
        self.ended(link);
    }

    /// Whether a message stands or stood in a log.
    pub fn is_appended(&self, key: Key) -> bool {
        !self.ground_truth.by_key(key).is_empty()
    }

    /// How many messages were appended.
    pub fn appended_count(&self) -> usize {
        self.ground_truth.len()
    }

    /// The head of a room's log as last seen, if its epoch is still this one.
    pub fn known_head(&self, place: LogId, epoch: &Id) -> Option<u64> {
        let (seen, head) = self.ground_truth.seen(place);
        (seen == Some(epoch)).then_some(head)
    }

    /// Whether the store has begun to forget since the last look.
    pub fn is_news(&self, place: LogId, oldest: u64) -> bool {
        self.ground_truth.oldest(place) != oldest
    }

    /// A room's log as its store shows it: the epoch, the head, the oldest message held, and the new ones. Gives how
    /// many are new.
    pub fn observe(
        &mut self,
        place: LogId,
        epoch: &Id,
        head: u64,
        oldest: u64,
        new: impl Iterator<Item = Stored>,
    ) -> usize {
        let known = self.known_head(place, epoch);
        let (before, newest) = self.ground_truth.seen(place);
        let is_lost = known.is_none() && before.is_some() && newest > 0;
        let may_begin = self.renewed.remove(&place) || self.bereft.contains_key(&place) || self.several;
        if is_lost && !may_begin {
            self.violated(format!("2.4: the log of place {place} begins anew, and nothing was lost"));
        }
        if known.is_none_or(|known| known > head) {
            self.ground_truth.moved(place, epoch, head);
        }
        if self.bereft.remove(&place).as_ref() == Some(epoch) {
            self.violated(format!("2.3: the log of place {place} was lost and its epoch is the old one"));
        }
        let mut count = 0;
        for stored in new {
            count += 1;
            let expected = self.ground_truth.seen(place).1 + 1;
            if stored.seq != expected {
                self.violated(format!(
                    "3: place {place} numbers a message {} after {}",
                    stored.seq,
                    expected - 1
                ));
                break;
            }
            let index = self.appended(place, stored.key, Some((stored.seq, stored.id)));
            if let Some(words) = stored.words {
                self.words(index, words);
            }
        }
        let reached = self.ground_truth.seen(place).1;
        if reached != head && self.violations.is_empty() {
            self.violated(format!("3: the head of place {place} is {head}, and its last message {reached}"));
        }
        self.ground_truth.trimmed(place, oldest);
        count
    }

    /// The store is lost: every log begins a new epoch.
    pub fn store_lost(&mut self) {
        self.bereft = self.ground_truth.places().collect();
    }

    /// A log is about to begin a new epoch.
    pub fn epoch_ends(&mut self, place: LogId) {
        self.renewed.insert(place);
    }

    /// A plain server sends a message to a member; the first time, it is appended.
    pub fn broadcast(&mut self, place: LogId, key: Key) {
        if self.ground_truth.by_key(key).is_empty() {
            self.appended(place, key, None);
        }
    }

    fn appended(&mut self, place: LogId, key: Key, stamp: Option<(u64, Id)>) -> usize {
        let here = self.ground_truth.by_key(key).iter().any(|copy| !self.ground_truth.record(*copy).cropped);
        if here {
            self.violated(format!("1: {key:?} was appended twice"));
        }
        if is_sio(place, key) {
            self.sio_appended(place, key);
        } else if place < PERSONAL && key.0 != POSTER {
            match self.sends.all.get(&key) {
                None => self.violated(format!("4: {key:?} was appended and never sent")),
                Some(sent) if sent.place != place => {
                    self.violated(format!("4: {key:?} was appended to place {place}"));
                }
                Some(sent) if matches!(sent.outcome, Some(rejoin::DeliveryStatus::Failed(_))) => {
                    let outcome = sent.outcome.clone();
                    self.violations.push(format!("7: {key:?} was appended after its outcome {outcome:?}"));
                }
                Some(_) => {}
            }
        }
        if stamp.is_some() {
            self.line_goes_on(place, key);
        }
        self.ground_truth.append(place, key, stamp)
    }

    /// The ack of a message is lost with its connection.
    pub fn ack_lost(&mut self, id: &Id) {
        if let Some(index) = self.ground_truth.by_id(id) {
            let key = self.ground_truth.record(index).key;
            if let Some(sent) = self.sends.all.get_mut(&key) {
                sent.ack_lost = true;
            }
        }
    }

    /// The server dies having appended the newest message of a room and said nothing of it.
    pub fn died_after_commit(&mut self, key: Key) {
        if let Some(sent) = self.sends.all.get_mut(&key) {
            sent.committed_at_crash = true;
        }
    }

    /// A client's machine slept for longer than sends can be repeated.
    pub fn overslept(&mut self, client: usize) {
        for (_, sent) in self.sends.all.range_mut((client, 0)..(client + 1, 0)) {
            sent.horizon = sent.outcome.is_none();
        }
    }

    /// The application of a client, whose user has this number, is told something.
    pub fn event(&mut self, client: usize, user: usize, event: &Event) {
        match event {
            Event::Message(message) => {
                let (at, key) = (place(&message.room, user), key(&message.content));
                self.delivered(client, at, key, message.entry.as_deref(), &message.timestamp);
                self.message_told(client, key, message);
            }
            Event::Notification(notification) => {
                let data = notification.data.as_deref().unwrap_or("").trim_matches('"');
                let stamp = notification.entry.as_ref();
                self.delivered(client, place("@me", user), key(data), stamp, "");
                self.notification_told(client, notification);
                let replay = stamp.is_some_and(|stamp| stamp.replay);
                let state = if replay { Sometimes::NotifiedLater } else { Sometimes::Notified };
                self.cover.reach(state);
            }
            Event::Gap(gap) => self.gap(client, place(&gap.room, user), gap),
            Event::Delivery(delivery) => {
                if let rejoin::DeliveryStatus::Failed(rejoin::SendFailure::Refused(code)) = &delivery.status {
                    let words = delivery.reply.as_ref().and_then(|reply| reply.message.as_deref());
                    self.words_of_refusal(client, delivery.id, *code, words);
                }
                self.resolved(client, delivery.id, &delivery.status);
                self.is_in_order(client, delivery);
            }
            Event::Restored(restored) => {
                self.restored(client, restored.id, &restored.content);
                self.restored_whole(client, restored);
            }
            Event::Room(change) => {
                let at = place(&change.room, user);
                match change.state {
                    RoomState::Left => self.has_left(client, at),
                    RoomState::Failed(_) | RoomState::Removed(_) | RoomState::Refused => {
                        self.is_out_for_good(client, at);
                    }
                    _ => return,
                }
                self.out(client, at);
            }
            Event::Joined(joined) => {
                self.roster(client, place(&joined.room, user), joined.members.as_deref());
            }
            Event::Presence(presence) => {
                self.cover.reach(Sometimes::PresenceTold);
                self.roster(client, place(&presence.room, user), presence.members.as_deref());
            }
            Event::UserJoined { room, user: other } => {
                if **other == *format!("u{user}") {
                    self.violated(format!("1: u{client} is told that its own user has joined {room}"));
                }
                self.roster_changes(client, place(room, user), other, true);
            }
            Event::UserLeft { room, user: other } => {
                self.roster_changes(client, place(room, user), other, false);
            }
            Event::Signal(signal) => {
                self.signal_told(client, place(&signal.room, user), user, signal);
                self.cover.reach(Sometimes::Signalled);
            }
            Event::Mode(mode) => self.mode(client, *mode),
            Event::State(change) => self.state(client, change),
            _ => {}
        }
    }

    fn mode(&mut self, client: usize, mode: Mode) {
        let state = match (self.modes.insert(client, mode), mode) {
            (Some(Mode::Extended), Mode::Plain) => Some(Sometimes::Downgraded),
            (Some(Mode::Plain), Mode::Extended) => Some(Sometimes::Upgraded),
            _ => None,
        };
        if let Some(state) = state {
            self.cover.reach(state);
        }
    }

    fn state(&mut self, client: usize, change: &rejoin::StateChange) {
        if change.cause.as_ref().is_some_and(|cause| cause.code == CauseCode::DeadPeer) {
            self.cover.reach(Sometimes::DeadPeer);
        }
        match change.state {
            State::Failed => {
                self.ended(client);
                self.cover.reach(Sometimes::Terminal);
                if change.cause.as_ref().is_none_or(|cause| cause.will_retry) {
                    self.violated(format!("u{client} failed and says that it will retry, or not why"));
                }
            }
            State::Reconnecting { .. } if change.cause.is_none() => {
                self.violated(format!("u{client} is reconnecting for no reason"));
            }
            State::Suspended { .. } => self.cover.reach(Sometimes::Suspended),
            _ => {}
        }
        if matches!(change.state, State::Reconnecting { .. } | State::Closed | State::Failed) {
            self.out_of_all(client);
            self.pauses_end(client);
            self.knows_nobody(client);
        }
    }

    /// The number of a client's user.
    fn user(&self, client: usize) -> usize {
        self.users.get(&client).copied().unwrap_or(client)
    }

    /// A client belongs to this user.
    pub fn belongs(&mut self, client: usize, user: usize) {
        self.users.insert(client, user);
        self.users_ever.insert((client, user));
    }

    /// Anything a session says, as a person would read it in a log.
    pub fn said(&mut self, client: usize, text: &str) {
        if text.contains(CANARY) {
            self.violated(format!("13: u{client} shows its token: {text}"));
        }
    }

    /// A client's process dies. Its disk, if it has one, holds these sends and these positions.
    pub fn died(&mut self, client: usize, disk: Option<&Disk>) {
        self.sends_died(client, disk.map(|(sends, _)| sends.as_slice()));
        self.feeds_restarted(client, disk.map_or(&[], |(_, positions)| positions.as_slice()));
        self.link_restarted(client);
        self.pace_restarted(client);
        self.prompt_restarted(client);
        self.knows_nobody(client);
        self.modes.remove(&client);
    }

    /// The run is over and every client closed.
    pub fn finish(&mut self) {
        self.check_outcomes();
        self.sio_finish();
        self.check_order();
    }
}
