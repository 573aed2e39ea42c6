//! Checks what applications of Socket.IO clients are told, against the same logs: nothing lost without a gap, no duplicates, one true
//! outcome for each send, and only true recoveries.

use super::Checker;
use super::ground_truth::{Key, LogId, key};
use super::{Words, place};
use crate::sim::coverage::Sometimes;
use crate::sim::socketio::FIRST_USER;
use crate::sim::{Micros, SECOND};
use rejoin::messages::Code;
use rejoin::{DeliveryStatus, Event, Gap, Id, Message, RoomState, SendFailure, SendId, State};
use std::collections::{BTreeMap, BTreeSet};

/// How long an answer may take.
const ANSWER: Micros = 10 * SECOND;

/// What a server has answered to a send.
pub(in crate::sim) type SioAnswer = Result<(Option<Id>, Option<u64>), Code>;

/// One send.
#[derive(Debug)]
struct Sent {
    place: LogId,
    content: String,
    data: Option<String>,
    /// Given to which connection, and when by its client's clock.
    written: Option<(usize, Micros)>,
    outcome: Option<DeliveryStatus>,
    answer: Option<SioAnswer>,
    cancelled: bool,
    /// It has a time of its own.
    timed: bool,
    /// It belongs to the current process.
    alive: bool,
}

/// One room of one client.
#[derive(Debug, Default)]
struct Followed {
    /// The last message told since the last gap, by its number in the room through all epochs.
    last: Option<u64>,
    /// The newest one when the server took the client in.
    floor: Option<u64>,
    /// The client has left, and not been taken in again: what still comes is of before.
    stale: bool,
    /// How often its log had lost messages when the server took the client in, or went on with it.
    forks: u32,
    /// It had lost some when its server went on with it.
    forked: bool,
}

/// What is known of one client.
#[derive(Debug, Default)]
pub(super) struct SioView {
    acks: bool,
    /// It lets go of a long replay.
    holds_little: bool,
    /// It wants to know of notifications that it has missed, even before the first.
    personal: bool,
    sends: BTreeMap<u64, Sent>,
    numbers: BTreeMap<SendId, u64>,
    told: BTreeSet<usize>,
    rooms: BTreeMap<LogId, Followed>,
    joined: BTreeSet<LogId>,
    /// Joined, as the server is known to remember.
    certain: BTreeSet<LogId>,
    left: BTreeSet<LogId>,
    ready: bool,
    over: bool,
    /// What was on the disk and has not been taken up yet.
    expected: BTreeSet<u64>,
    /// The rooms of the session that its connection goes on with.
    restored: Option<BTreeSet<LogId>>,
    /// The number of the last of its sends that was appended over each connection.
    appended: BTreeMap<usize, u64>,
    /// The number of the last send that was given to each connection.
    given: BTreeMap<usize, u64>,
    /// Its user has ended it.
    ending: bool,
}

impl Checker {
    fn talk(&mut self, client: usize) -> &mut SioView {
        if self.talks.len() <= client {
            self.talks.resize_with(client + 1, SioView::default);
        }
        &mut self.talks[client]
    }

    /// How a client is made.
    pub fn sio_is(&mut self, client: usize, acks: bool, holds_little: bool, personal: bool) {
        let talk = self.talk(client);
        (talk.acks, talk.holds_little, talk.personal) = (acks, holds_little, personal);
    }

    /// A process of it ends; its disk, if it has one, holds these sends.
    pub fn sio_died(&mut self, client: usize, disk: Option<&[Key]>) {
        let talk = self.talk(client);
        talk.told.clear();
        talk.rooms.clear();
        talk.joined.clear();
        talk.certain.clear();
        talk.left.clear();
        talk.numbers.clear();
        talk.restored = None;
        (talk.over, talk.ready) = (false, false);
        talk.expected = disk.unwrap_or(&[]).iter().map(|key| key.1).collect();
        let mut wrong = Vec::new();
        for (number, sent) in &mut talk.sends {
            let kept = talk.expected.contains(number);
            let waits = sent.alive && sent.written.is_none();
            let is_to_be = waits && sent.outcome.is_none();
            // The end resolves what waits, and another run goes on with it all the same.
            let closed = sent.outcome == Some(DeliveryStatus::Failed(SendFailure::Closed));
            if disk.is_some() && kept != is_to_be && !(kept && waits && closed) {
                wrong.push(*number);
            }
            sent.alive = false;
        }
        if !wrong.is_empty() {
            self.violated(format!("S: the disk of sio{client} is wrong about the sends {wrong:?}"));
        }
    }

    /// A process of it has begun: all that was on the disk has been taken up.
    pub fn sio_began(&mut self, client: usize) {
        let left = std::mem::take(&mut self.talk(client).expected);
        if !left.is_empty() {
            self.violated(format!("S: sio{client} has not taken up the sends {left:?}"));
        }
    }

    /// Its user sends something.
    pub fn sio_sent(
        &mut self,
        client: usize,
        number: u64,
        at: LogId,
        words: (String, Option<String>),
        timed: bool,
    ) {
        let (content, data) = words;
        let sent = Sent {
            place: at,
            content,
            data,
            written: None,
            outcome: None,
            answer: None,
            cancelled: false,
            timed,
            alive: true,
        };
        let talk = self.talk(client);
        talk.sends.insert(number, sent);
        talk.numbers.insert(SendId(number), number);
    }

    /// Its user wants something back.
    pub fn sio_cancelled(&mut self, client: usize, number: u64) {
        if let Some(sent) = self.talk(client).sends.get_mut(&number) {
            sent.cancelled = true;
        }
    }

    /// It gives a send to a connection.
    pub fn sio_writes(&mut self, client: usize, conn: usize, clock: Micros, content: &str, on_disk: bool) {
        let number = key(content).map_or(0, |key| key.1);
        let Some(sent) = self.talk(client).sends.get_mut(&number) else {
            return self.violated(format!("S: sio{client} writes {content:?}, which nobody has sent"));
        };
        let before = sent.written.replace((conn, clock));
        let fresh = before.is_none() && sent.outcome.is_none() && sent.alive;
        if !fresh {
            self.violated(format!("S: sio{client} writes send {number} again, or after its end"));
        }
        let last = self.talk(client).given.insert(conn, number);
        if last.is_some_and(|last| last >= number) {
            self.violated(format!("5: sio{client} writes send {number} behind {last:?}"));
        }
        if on_disk {
            self.violated(format!(
                "S: sio{client} writes send {number}, and its disk still has it as waiting"
            ));
        }
    }

    /// Its server answers a send.
    pub fn sio_answers(&mut self, client: usize, number: u64, answer: SioAnswer) {
        if let Some(sent) = self.talk(client).sends.get_mut(&number) {
            sent.answer = Some(answer);
        }
    }

    /// A message of a Socket.IO client is appended, over this connection.
    pub(super) fn sio_appended(&mut self, at: LogId, author: Key) {
        let (client, number) = (author.0 - FIRST_USER, author.1);
        let conn = self.sio_speaks.unwrap_or(usize::MAX);
        let talk = self.talk(client);
        let Some(sent) = talk.sends.get(&number).filter(|sent| sent.place == at) else {
            return self.violated(format!("4: {author:?} was appended to place {at} and never sent there"));
        };
        let (written, outcome) = (sent.written, sent.outcome.clone());
        if written.is_none() || matches!(outcome, Some(DeliveryStatus::Failed(_))) {
            self.violated(format!(
                "7: {author:?} was appended, written {written:?}, its outcome {outcome:?}"
            ));
        }
        let last = self.talk(client).appended.insert(conn, number);
        if last.is_some_and(|last| last > number) {
            self.violated(format!("5: {author:?} was appended behind {last:?}"));
        }
    }

    /// What stands in the log is what was sent.
    pub(super) fn sio_words(&mut self, author: Key, words: &Words) {
        let talk = self.talk(author.0 - FIRST_USER);
        let Some(sent) = talk.sends.get(&author.1) else { return };
        let faithful = words.content == sent.content
            && words.data == sent.data
            && *words.user == *format!("u{}", author.0);
        if !faithful {
            self.violated(format!("4: {author:?} stands in the log as {words:?}"));
        }
    }

    /// Its server takes a client into a room.
    pub fn sio_enters(&mut self, client: usize, at: LogId) {
        let (newest, forks) = (self.ground_truth.ordinals(at), self.ground_truth.forks(at));
        let followed = self.talk(client).rooms.entry(at).or_default();
        if std::mem::take(&mut followed.stale) {
            followed.last = None;
        }
        (followed.floor, followed.forks) = (Some(newest), forks);
    }

    /// Its server takes a client out of a room, as it has asked: what it is told until it is taken in again is of before.
    pub fn sio_is_out(&mut self, client: usize, at: LogId) {
        self.talk(client).rooms.entry(at).or_default().stale = true;
    }

    /// Its server goes on with its session in these rooms. It does so by numbers: it cannot know that a store has given them
    /// anew meanwhile.
    pub fn sio_goes_on(&mut self, client: usize, rooms: &[LogId]) {
        for at in rooms {
            let forks = self.ground_truth.forks(*at);
            let followed = self.talk(client).rooms.entry(*at).or_default();
            followed.forked |= std::mem::replace(&mut followed.forks, forks) != forks;
        }
    }

    /// The namespace's consent comes; `restored` are the rooms of the session that goes on.
    pub fn sio_consent(&mut self, client: usize, restored: Option<&[LogId]>) {
        let talk = self.talk(client);
        for at in restored.unwrap_or(&[]) {
            let followed = talk.rooms.entry(*at).or_default();
            // A room that its application knows nothing of yet begins with what was not let go.
            let unknown = talk.holds_little && followed.last.is_none() && !talk.certain.contains(at);
            if std::mem::take(&mut followed.forked) || unknown {
                (followed.last, followed.floor) = (None, None);
            }
        }
        talk.restored = restored.map(|rooms| rooms.iter().copied().collect());
    }

    /// Its application is told something. `open`: whether a connection is still the client's.
    pub fn sio_event(&mut self, client: usize, clock: Micros, event: &Event, open: &dyn Fn(usize) -> bool) {
        let user = FIRST_USER + client;
        let quiet = matches!(
            event,
            Event::State(_)
                | Event::Delivery(_)
                | Event::Room(_)
                | Event::Restored(_)
                | Event::StorageFailed { .. }
        );
        if self.talk(client).over && !quiet {
            self.violated(format!("S: sio{client} has ended, and is told {event:?}"));
        }
        match event {
            Event::Message(message) => self.sio_message(client, message),
            Event::Notification(notification) => {
                let data = notification.data.as_deref().unwrap_or("").trim_matches('"');
                let at = place("@me", user);
                let copies = key(data).map_or(Vec::new(), |key| self.copies_of(key, ""));
                let one = copies.iter().copied().find(|copy| self.ground_truth.record(*copy).place == at);
                match one.filter(|_| *notification.kind == *"note") {
                    Some(index) => self.sio_follows(client, at, index),
                    None => self.violated(format!("4: sio{client} is notified of {notification:?}")),
                }
            }
            Event::Gap(gap) => self.sio_gap(client, gap),
            Event::Joined(joined) => {
                let at = place(&joined.room, user);
                let talk = self.talk(client);
                let is_restored = talk.restored.as_ref().is_some_and(|rooms| rooms.contains(&at));
                if talk.restored.is_none() {
                    talk.certain.insert(at);
                }
                if joined.recovered && !is_restored {
                    self.violated(format!("S: sio{client} is told that {} is recovered", joined.room));
                }
                if joined.recovered {
                    self.cover.reach(Sometimes::SioRecovered);
                }
            }
            Event::Room(change) => {
                let at = place(&change.room, user);
                let talk = self.talk(client);
                match change.state {
                    RoomState::Joined => talk.joined.insert(at),
                    _ => talk.joined.remove(&at),
                };
                if change.state == RoomState::Left {
                    talk.left.insert(at);
                    talk.certain.remove(&at);
                    talk.rooms.insert(at, Followed { stale: true, ..Followed::default() });
                } else {
                    talk.left.remove(&at);
                }
            }
            Event::Delivery(delivery) => {
                self.sio_resolved(client, clock, delivery.id, &delivery.status, open);
            }
            Event::Restored(restored) => {
                let number = key(&restored.content).map_or(0, |key| key.1);
                let talk = self.talk(client);
                let known = talk.expected.remove(&number);
                if let Some(sent) = talk.sends.get_mut(&number).filter(|_| known) {
                    (sent.alive, sent.outcome) = (true, None);
                    talk.numbers.insert(restored.id, number);
                } else {
                    self.violated(format!(
                        "S: sio{client} takes up {restored:?}, which its disk did not have"
                    ));
                }
            }
            Event::UserJoined { user, .. } if !user.starts_with('u') => {
                self.violated(format!("4: sio{client} is told that {user} has come"));
            }
            Event::Ready(_) => self.talk(client).ready = true,
            Event::State(change) => {
                let talk = self.talk(client);
                let ended = matches!(change.state, State::Closed | State::Failed);
                if ended || matches!(change.state, State::Reconnecting { .. }) {
                    talk.ready = false;
                    talk.joined.clear();
                }
                talk.over = ended;
                talk.ending = ended || change.state == State::Closing;
            }
            _ => {}
        }
    }

    fn sio_message(&mut self, client: usize, message: &Message) {
        let at = place(&message.room, 0);
        let copies = key(&message.content).map_or(Vec::new(), |key| self.copies_of(key, &message.timestamp));
        let told = Words {
            user: message.user.clone(),
            content: message.content.clone(),
            data: message.data.clone(),
            timestamp: message.timestamp.clone(),
        };
        let stands = |index: &usize| {
            self.ground_truth.record(*index).place == at
                && self.words_of(*index).is_none_or(|words| *words == told)
        };
        let copies: Vec<usize> = copies.into_iter().filter(stands).collect();
        let new = copies.iter().copied().find(|index| !self.talk(client).told.contains(index));
        if self.talk(client).left.contains(&at) {
            self.violated(format!("S: sio{client} has left {}, and is told {told:?}", message.room));
        }
        match new.or(copies.first().copied()) {
            Some(index) if message.entry.is_none() => self.sio_follows(client, at, index),
            _ => self.violated(format!("4: sio{client} is told {message:?}, which stands in no log")),
        }
    }

    /// It is told one entry of a log: a new one, behind the last, and nothing between them is missing.
    fn sio_follows(&mut self, client: usize, at: LogId, index: usize) {
        let (ordinal, entry) = (self.ground_truth.record(index).ordinal, self.ground_truth.record(index).key);
        let talk = self.talk(client);
        let twice = !talk.told.insert(index);
        let followed = talk.rooms.entry(at).or_default();
        let floor = followed.floor.filter(|_| at < super::PERSONAL || talk.personal);
        let (last, base) = (followed.last, followed.last.or(floor));
        let of_before =
            followed.stale || last.is_none() && followed.floor.is_some_and(|floor| ordinal <= floor);
        if !of_before {
            followed.last = Some(ordinal);
        }
        if twice {
            self.violated(format!("2: {entry:?} was delivered twice to sio{client}"));
        } else if last.is_some_and(|last| last >= ordinal) {
            self.violated(format!("3: sio{client} is told number {ordinal} of place {at} after {last:?}"));
        } else if of_before {
            // On its way when the client left.
        } else if let Some(missed) = base.and_then(|base| self.ground_truth.first_between(at, base, ordinal))
        {
            self.violated(format!(
                "3: sio{client} is told number {ordinal} of place {at} after {base:?}, and not {missed:?}"
            ));
        }
    }

    fn sio_gap(&mut self, client: usize, gap: &Gap) {
        let at = place(&gap.room, FIRST_USER + client);
        let talk = self.talk(client);
        talk.rooms.insert(at, Followed::default());
        let was_certain = talk.certain.remove(&at) || at >= super::PERSONAL;
        let restored = talk.restored.as_ref().is_some_and(|rooms| rooms.contains(&at));
        let little = talk.holds_little;
        self.cover.reach(Sometimes::SioGap);
        if gap.after.is_some() || gap.epoch.is_some() {
            self.violated(format!("S: sio{client} is told a gap with numbers: {gap:?}"));
        }
        if restored && was_certain && !little {
            self.violated(format!("S: sio{client} is told {gap:?}, and the session was recovered"));
        }
    }

    fn sio_resolved(
        &mut self,
        client: usize,
        clock: Micros,
        id: SendId,
        status: &DeliveryStatus,
        open: &dyn Fn(usize) -> bool,
    ) {
        let talk = self.talk(client);
        let acks = talk.acks;
        let number = talk.numbers.get(&id).copied().unwrap_or(0);
        let Some(sent) = talk.sends.get_mut(&number) else {
            return self.violated(format!("7: sio{client} has an outcome for {id:?}, which was never sent"));
        };
        let twice = sent.outcome.replace(status.clone()).is_some();
        let (written, answer) = (sent.written, sent.answer.clone());
        let (timed, cancelled) = (sent.timed, sent.cancelled);
        let author = (FIRST_USER + client, number);
        let appended = !self.ground_truth.by_key(author).is_empty();
        let honest = match status {
            DeliveryStatus::Answered { id, seq } => {
                acks && written.is_some() && answer == Some(Ok((id.clone(), *seq)))
            }
            DeliveryStatus::Failed(SendFailure::Refused(code)) => !appended && answer == Some(Err(*code)),
            DeliveryStatus::Failed(SendFailure::Cancelled) => written.is_none() && cancelled,
            DeliveryStatus::Failed(_) => written.is_none() && !appended,
            DeliveryStatus::Unknown => {
                let lost = written.is_some_and(|(conn, _)| !open(conn));
                let late = written.is_some_and(|(_, at)| clock + 1000 >= at + ANSWER);
                // Whoever takes it back when it is on its way does not learn more.
                lost || written.is_some() && (timed || cancelled || acks && late)
            }
            DeliveryStatus::Written => written.is_some() && !acks,
            _ => false,
        };
        if *status == DeliveryStatus::Unknown {
            self.cover.reach(Sometimes::SioUnknown);
        }
        if twice || !honest {
            self.violated(format!(
                "7: send {number} of sio{client} is {status:?}, twice: {twice}; written {written:?}, answered {answer:?}, appended: {appended}"
            ));
        }
    }

    /// Whether a send waits under the number that its user has given it.
    pub fn sio_waits(&mut self, client: usize, number: u64) -> bool {
        let talk = self.talk(client);
        let named = talk.numbers.get(&SendId(number)) == Some(&number);
        let sent = talk.sends.get(&number).filter(|_| named);
        sent.is_some_and(|sent| sent.alive && sent.written.is_none() && sent.outcome.is_none())
    }

    /// The first send to a room, up to this number, that has no outcome.
    pub fn sio_open_in(&mut self, client: usize, at: LogId, through: u64) -> Option<u64> {
        let mut sends = self.talk(client).sends.range(..=through);
        let open = |sent: &Sent| sent.place == at && sent.alive && sent.outcome.is_none();
        sends.find(|(_, sent)| open(sent)).map(|(number, _)| *number)
    }

    /// Whether its user has ended it.
    pub fn sio_is_ending(&mut self, client: usize) -> bool {
        self.talk(client).ending
    }

    /// It is told that it is ready, and wants these rooms.
    pub fn sio_ready(&mut self, client: usize, wanted: impl Iterator<Item = LogId>) {
        let missing: Vec<LogId> = wanted.filter(|at| !self.talk(client).joined.contains(at)).collect();
        if !missing.is_empty() {
            self.violated(format!(
                "S: sio{client} is ready, and has not been told that it is in {missing:?}"
            ));
        }
    }

    /// Whether it was told that it is ready.
    pub fn sio_knows_ready(&mut self, client: usize) -> bool {
        self.talk(client).ready
    }

    /// Whether it was told a message.
    pub fn sio_is_told(&mut self, client: usize, key: Key) -> bool {
        let copies = self.ground_truth.by_key(key).to_vec();
        copies.iter().any(|copy| self.talk(client).told.contains(copy))
    }

    /// Long after everything calmed down it has been told all that its log has.
    pub fn sio_caught_up(&mut self, client: usize, at: LogId) {
        let talk = self.talk(client);
        let followed = talk.rooms.entry(at).or_default();
        let floor = followed.floor.filter(|_| at < super::PERSONAL || talk.personal);
        let Some(base) = followed.last.or(floor) else { return };
        if let Some(missed) = self.ground_truth.first_between(at, base, u64::MAX) {
            self.violated(format!("9: sio{client} was not told {missed:?} of place {at}"));
        }
    }

    /// The run is over: each send of the processes that live has its outcome.
    pub(super) fn sio_finish(&mut self) {
        for client in 0..self.talks.len() {
            let sends = self.talks[client].sends.iter();
            let open: Vec<u64> =
                sends.filter(|(_, sent)| sent.alive && sent.outcome.is_none()).map(|(n, _)| *n).collect();
            if !open.is_empty() {
                self.violated(format!("7: the sends {open:?} of sio{client} have no outcome"));
            }
        }
    }
}
